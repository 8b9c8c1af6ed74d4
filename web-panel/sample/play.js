// Plays by WHEP; what cannot be had so (pictures that WebRTC does not carry) by HLS, where the browser
// has that. It waits for a press: pages are opened by more than people, and a token plays once.
import {Refused, Session, fillForm, say} from "./rtc.js";

const $ = id => document.getElementById(id);
const video = $("picture");
let session = null, watch = 0, busy = false;

async function start() {
	busy = true;
	say("connecting", "Connecting…");
	document.title = $("title").textContent = $("stream").value;
	video.hidden = false;
	session = new Session("whep", $("stream").value, $("token").value);
	const peer = session.peer, media = new MediaStream();
	peer.addTransceiver("video", {direction: "recvonly"});
	peer.addTransceiver("audio", {direction: "recvonly"});
	peer.addEventListener("track", e => media.addTrack(e.track));
	peer.addEventListener("connectionstatechange", () => {
		if (session && ["disconnected", "failed", "closed"].includes(peer.connectionState))
			stop("ended", "The stream is over, or the connection was lost.");
	});
	video.srcObject = media;
	try {
		await session.open();
		play();
		watch = setInterval(measure, 1000);
	} catch (e) {
		if (e instanceof Refused && [404, 405, 422].includes(e.status) && video.canPlayType("application/vnd.apple.mpegurl"))
			startHls(e.message);
		else
			stop("failed", e.message);
	}
}

function startHls(why) {
	session?.close();
	session = null;
	const url = new URL(`streams/${encodeURIComponent($("stream").value)}.m3u8`, location.href);
	if ($("token").value)
		url.searchParams.set("token", $("token").value);
	video.srcObject = null;
	video.addEventListener("error", () => busy && stop("failed", why), {once: true});
	video.src = url;
	play();
}

// Where sound needs a press of its own, the picture comes first.
function play() {
	video.play().catch(() => {
		video.muted = true;
		video.play().catch(() => {});
	});
}

let frames = 0;
async function measure() {
	if (!session)
		return;
	let now = 0;
	(await session.peer.getStats()).forEach(s => {
		if (s.type === "inbound-rtp")
			now += s.kind === "video" ? s.framesDecoded ?? 0 : 0;
	});
	if (session && now > frames)
		say("live", "Live.");
	frames = now;
}

function stop(state = "ended", text = "Stopped.") {
	clearInterval(watch);
	busy = false;
	frames = 0;
	const ending = session;
	session = null;
	ending?.close();
	video.removeAttribute("src");
	video.srcObject = null;
	video.hidden = true;
	say(state, text);
}

video.addEventListener("playing", () => busy && say("live", "Live."));
video.addEventListener("ended", () => busy && stop("ended", "The stream is over."));
$("form").addEventListener("submit", e => {
	e.preventDefault();
	if (!busy)
		start();
});
$("stop").addEventListener("click", () => stop());
addEventListener("pagehide", () => busy && stop());
fillForm();
say("idle", "Ready.");
