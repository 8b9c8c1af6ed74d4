import {Session, fillForm, say} from "./rtc.js";

const $ = id => document.getElementById(id);
let session = null, media = null, meter = 0;

// Names of devices are told only after the first permission; until then there is one entry of each.
async function listDevices() {
	const known = navigator.mediaDevices ? await navigator.mediaDevices.enumerateDevices() : [];
	fill($("camera"), "camera", known.filter(d => d.kind === "videoinput"));
	fill($("microphone"), "microphone", known.filter(d => d.kind === "audioinput"));
	if (navigator.mediaDevices?.getDisplayMedia)
		$("camera").add(new Option("Screen", "screen"), $("camera").length - 1);
}

function fill(select, name, devices) {
	const chosen = select.value;
	select.replaceChildren(new Option(`Any ${name}`, ""));
	devices.filter(d => d.deviceId).forEach((d, i) => select.add(new Option(d.label || `${name} ${i + 1}`, d.deviceId)));
	select.add(new Option("None", "none"));
	if ([...select.options].some(o => o.value === chosen))
		select.value = chosen;
}

const wish = select => select.value === "none" ? false : select.value ? {deviceId: {exact: select.value}} : true;

async function getMedia() {
	if (!navigator.mediaDevices)
		throw new Error("Browsers give a page the camera only over https, or on localhost.");
	const video = wish($("camera")), audio = wish($("microphone"));
	if (!video && !audio)
		throw new Error("Choose a picture or sound.");
	if ($("camera").value === "screen") {
		const screen = await navigator.mediaDevices.getDisplayMedia({video: true});
		if (audio)
			(await navigator.mediaDevices.getUserMedia({audio})).getTracks().forEach(t => screen.addTrack(t));
		return screen;
	}
	const size = {width: {ideal: 1280}, height: {ideal: 720}, frameRate: {ideal: 30}};
	return navigator.mediaDevices.getUserMedia({video: video && {...size, ...(video === true ? {} : video)}, audio});
}

async function start() {
	say("connecting", "Asking for the camera…");
	try {
		media = await getMedia();
		$("picture").srcObject = media;
		media.getTracks().forEach(t => t.addEventListener("ended", () => stop("ended", "The camera has stopped.")));
		listDevices();
		say("connecting", "Connecting…");
		session = new Session("whip", $("stream").value, $("token").value);
		const peer = session.peer;
		for (const track of media.getTracks())
			peer.addTransceiver(track, {direction: "sendonly", streams: [media]});
		peer.addEventListener("connectionstatechange", () => {
			if (peer.connectionState === "failed" || peer.connectionState === "closed")
				stop("failed", "The connection was lost.");
		});
		await session.open();
		meter = setInterval(measure, 1000);
	} catch (e) {
		stop("failed", e.name === "NotAllowedError" ? "The camera was not allowed." : e.message);
	}
}

let before = null;
async function measure() {
	if (!session)
		return;
	let bytes = 0;
	(await session.peer.getStats()).forEach(s => bytes += s.type === "outbound-rtp" ? s.bytesSent : 0);
	if (session && session.peer.connectionState === "connected" && bytes)
		say("live", before === null ? "On air." : `On air, ${Math.round((bytes - before) * 8 / 1000)} kbit/s.`);
	before = bytes;
}

function stop(state = "ended", text = "Stopped.") {
	clearInterval(meter);
	before = null;
	const ending = session;
	session = null;
	ending?.close();
	media?.getTracks().forEach(t => t.stop());
	media = null;
	$("picture").srcObject = null;
	say(state, text);
}

$("form").addEventListener("submit", e => {
	e.preventDefault();
	if (!session)
		start();
});
$("stop").addEventListener("click", () => stop());
addEventListener("pagehide", () => session && stop());
fillForm();
say("idle", "Ready.");
listDevices();
