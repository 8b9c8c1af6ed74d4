// pages.js - the players of the matrix that run in Chromium, each attempt in a fresh context: no cookie of the
// one before opens anything. A begun attempt is { stop(), pictures() }: how many the page has shown or sent.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, CAMERA, WAIT_MS } from '../browser/lib.js';

const require = createRequire(new URL('../browser/lib.js', import.meta.url));
const script = (name, inside) => readFileSync(inside ? require.resolve(name).replace(/node_modules\/.*/, `node_modules/${inside}`) : require.resolve(name), 'utf8');
const HLS = script('hls.js', 'hls.js/dist/hls.min.js'), DASH = script('dashjs', 'dashjs/dist/modern/umd/dash.all.min.js');
const MPEGTS = script('mpegts.js', 'mpegts.js/dist/mpegts.js');
const SDK = [script('@mediapipe/selfie_segmentation/selfie_segmentation.js'), script('@antmedia/webrtc_adaptor/dist/browser/webrtc_adaptor.js')];

let browser;
/** An attempt: a page of the server's own with a <video>, `scripts`, and then `play` in it, which is not waited for. */
async function begin(a, scripts, play, more = {}) {
	browser ??= chromium(...CAMERA);
	const context = await (await browser).newContext({ permissions: ['camera', 'microphone'] });
	const p = await context.newPage();
	p.setDefaultTimeout(WAIT_MS);
	// Chromium lets a page that was made up not speak WebRTC to this machine: it is one of the server's.
	await p.goto(`${a.server.http}/live/play.html`);
	for (const s of scripts)
		await p.evaluate(s);
	const said = [];
	p.on('console', m => said.push(m.text()));
	await p.evaluate(() => {
		document.body.innerHTML = '<video id="v" muted autoplay></video>';
	});
	await p.evaluate(play, { url: a.url, plain: a.plain, stream: a.stream, token: a.token, http: a.server.http, ...more });
	return {
		get err() { return said.join('\n'); },
		pictures: () => p.evaluate(() => document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames),
		stop: () => context.close(),
	};
}

const hls = lowLatencyMode => a => begin(a, [HLS], ({ url, lowLatencyMode }) => {
	const player = new Hls({ lowLatencyMode });
	player.loadSource(url);
	player.attachMedia(document.querySelector('video'));
}, { lowLatencyMode });
const mpegts = type => a => begin(a, [MPEGTS], ({ url, type }) => {
	const player = mpegts.createPlayer({ type, isLive: true, url });
	player.on(mpegts.Events.ERROR, () => player.unload());
	player.attachMediaElement(document.querySelector('video'));
	player.load();
	player.play().catch(() => {});
}, { type });
const video = a => begin(a, [], ({ url }) => {
	document.querySelector('video').src = url;
});
// The exchange that RFC 9725 and its sister for players ask of a page.
const exchange = way => a => begin(a, [], async ({ http, stream, token, way }) => {
	const peer = globalThis.peer = new RTCPeerConnection(), v = document.querySelector('video');
	v.srcObject = new MediaStream();
	if (way === 'whip') {
		v.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 180 }, audio: true });
		for (const track of v.srcObject.getTracks()) {
			const line = peer.addTransceiver(track, { direction: 'sendonly' });
			if (track.kind === 'video')
				line.setCodecPreferences(RTCRtpSender.getCapabilities('video').codecs.filter(c => c.mimeType === 'video/H264'));
		}
	} else {
		peer.ontrack = e => v.srcObject.addTrack(e.track);
		peer.addTransceiver('video', { direction: 'recvonly' });
		peer.addTransceiver('audio', { direction: 'recvonly' });
	}
	await peer.setLocalDescription();
	const answer = await fetch(`${http}/live/${way}/${stream}`, { method: 'POST', body: peer.localDescription.sdp,
		headers: { 'Content-Type': 'application/sdp', ...token && { Authorization: `Bearer ${token}` } } });
	if (answer.status === 201)
		await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
}, { way });
const sdk = publish => a => begin(a, SDK, async ({ http, stream, token, publish }) => {
	await new Promise(done => {
		globalThis.adaptor = new webrtc_adaptor.WebRTCAdaptor({ websocket_url: `${http.replace('http', 'ws')}/live/websocket`,
			isPlayMode: !publish, mediaConstraints: { video: publish, audio: publish }, ...publish && { localVideoId: 'v' },
			callback: (info, obj) => {
				const v = document.querySelector('video');
				if (info === 'initialized')
					done();
				else if (info === 'newTrackAvailable')
					(v.srcObject ??= new MediaStream()).addTrack(obj.track);
			},
			callbackError: () => {} });
	});
	publish ? adaptor.publish(stream, token) : adaptor.play(stream, token);
}, { publish });

export const pages = [
	{ name: 'hls.js', play: { HLS: hls(false), 'LL-HLS': hls(true) } },
	{ name: 'mpegts.js', play: { FLV: mpegts('flv'), TS: mpegts('mpegts') } },
	{ name: 'dash.js', play: { DASH: a => begin(a, [DASH], ({ url }) => dashjs.MediaPlayer().create().initialize(document.querySelector('video'), url, true)) } },
	{ name: '`<video>`', play: { MP4: video }, },
	{ name: 'a page, WebRTC', publish: { WHIP: exchange('whip') }, play: { WHEP: exchange('whep') } },
	{ name: 'Ant Media’s SDK', publish: { WebSocket: sdk(true) }, play: { WebSocket: sdk(false) } },
];
