// Glass to glass: a page draws the time into its picture, as black and white blocks, and publishes it; another
// page of the same browser reads it from what is shown, and compares it with its own. By WHIP and WHEP, by Ant Media's
// SDK, and how soon that is after it was drawn.
//
// The figures are the machine's as well: encoder, decoder and both pages share it. What is asserted holds on a
// busy one too. `make bench` holds the medians against what is wanted.
// Runs alone: it measures from glass to glass in milliseconds.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test, assert, streamd, chromium, page, sessions, until, cleanUp, CAMERA } from './lib.js';

const read = name => readFileSync(createRequire(import.meta.url).resolve(name), 'utf8');
const SDK = read('@antmedia/webrtc_adaptor/dist/browser/webrtc_adaptor.js');
const MEDIAPIPE = read('@mediapipe/selfie_segmentation/selfie_segmentation.js');
const SAMPLES = 240;
const MOST_MS = 5000;
const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' } }, config: { webrtc: { listen: '127.0.0.1:0' } } });
const browser = await chromium(...CAMERA);

async function glassPage(t) {
	const p = await page(t, browser, { permissions: ['camera', 'microphone'] });
	await p.goto(`${server.http}/live/play.html`);
	await p.evaluate(() => {
		const BITS = 22, BLOCK = 24, WIDTH = 640, HEIGHT = 360; // an hour of milliseconds
		globalThis.clock = () => Math.round(performance.timeOrigin + performance.now()) % (1 << BITS);
		// Each bit twice, the second time inverted: what is read in the middle of a change is known.
		const draw = context => {
			const now = clock();
			for (let bit = 0; bit < BITS; bit++)
				for (let row = 0; row < 2; row++) {
					context.fillStyle = (now >> bit & 1) !== row ? '#fff' : '#000';
					context.fillRect(bit * BLOCK, row * HEIGHT / 2, BLOCK, HEIGHT / 2);
				}
		};
		navigator.mediaDevices.getUserMedia = async () => {
			const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
			const context = canvas.getContext('2d');
			document.body.append(canvas);
			setInterval(() => draw(context), 1000 / 30);
			const media = canvas.captureStream(30), audio = new AudioContext(), tone = audio.createOscillator();
			const out = audio.createMediaStreamDestination();
			tone.connect(out);
			tone.start();
			media.addTrack(out.stream.getAudioTracks()[0]);
			return media;
		};
		globalThis.ages = [];
		globalThis.unread = 0;
		globalThis.watchVideo = video => {
			const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
			const context = canvas.getContext('2d', { willReadFrequently: true });
			const look = () => {
				const now = clock();
				context.drawImage(video, 0, 0, WIDTH, HEIGHT);
				let value = 0, good = true;
				for (let bit = 0; bit < BITS; bit++) {
					const light = row => context.getImageData(bit * BLOCK + BLOCK / 2, HEIGHT / 4 + row * HEIGHT / 2, 1, 1).data[1] > 127;
					good &&= light(0) !== light(1);
					value |= light(0) << bit;
				}
				if (good)
					ages.push((now - value + (1 << BITS)) % (1 << BITS));
				else
					globalThis.unread++;
				video.requestVideoFrameCallback(look);
			};
			video.requestVideoFrameCallback(look);
		};
		globalThis.newVideo = () => {
			const video = Object.assign(document.createElement('video'), { id: 'v', autoplay: true, muted: true, srcObject: new MediaStream() });
			document.body.append(video);
			watchVideo(video);
			return video;
		};
		globalThis.exchange = async (peer, way, stream, token) => {
			await peer.setLocalDescription();
			const answer = await fetch(`/live/${way}/${stream}`, { method: 'POST', body: peer.localDescription.sdp,
				headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${token}` } });
			if (answer.status !== 201)
				throw new Error(`${answer.status} ${await answer.text()}`);
			await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
		};
	});
	return p;
}

const isPublished = async stream =>
	(await sessions(server)).some(s => s.streamId === stream && s.type === 'publish' && s.state === 'active');

/* What the viewer's page has read: the first second, in which a beginning is shown in quick motion, is left out. */
async function figures(t, viewer, name) {
	await until(() => viewer.evaluate(() => ages.length >= 30), 'a picture');
	await viewer.evaluate(() => { ages.length = 0; globalThis.unread = 0; });
	await until(() => viewer.evaluate(n => ages.length >= n, SAMPLES), 'enough pictures');
	const { ages, unread } = await viewer.evaluate(() => ({ ages, unread }));
	const sorted = ages.toSorted((a, b) => a - b), at = share => sorted[Math.floor(share * (sorted.length - 1))];
	t.diagnostic(`glass to glass, ${name}: median ${at(0.5)} ms, p99 ${at(0.99)} ms, least ${at(0)} ms, most ${at(1)} ms, ` +
		`${ages.length} pictures, ${unread} not readable`);
	assert.ok(unread < ages.length / 5, 'the clock is readable');
	assert.ok(at(0.5) > 0 && at(0.5) < MOST_MS, `the median is ${at(0.5)} ms`);
}

test('WHIP to WHEP', async t => {
	const camera = await glassPage(t), viewer = await glassPage(t);
	await camera.evaluate(async ([s, k]) => {
		const media = await navigator.mediaDevices.getUserMedia(), peer = globalThis.peer = new RTCPeerConnection();
		for (const track of media.getTracks())
			peer.addTransceiver(track, { direction: 'sendonly', streams: [media] });
		await exchange(peer, 'whip', s, k);
	}, ['glass', await server.token('glass', '--type', 'publish')]);
	await until(() => isPublished('glass'), 'the publisher');
	await viewer.evaluate(async ([s, k]) => {
		const video = newVideo(), peer = globalThis.peer = new RTCPeerConnection();
		for (const kind of ['video', 'audio'])
			peer.addTransceiver(kind, { direction: 'recvonly' });
		peer.ontrack = e => video.srcObject.addTrack(e.track);
		await exchange(peer, 'whep', s, k);
	}, ['glass', await server.token('glass')]);
	await figures(t, viewer, 'WHIP to WHEP');
});

test('Ant Media’s SDK, both ways', async t => {
	const camera = await glassPage(t), viewer = await glassPage(t);
	for (const p of [camera, viewer]) {
		await p.evaluate(MEDIAPIPE);
		await p.evaluate(SDK);
		await p.evaluate(ws => {
			globalThis.begin = options => new Promise(done => {
				globalThis.adaptor = new webrtc_adaptor.WebRTCAdaptor({ websocket_url: ws, ...options,
					callback: (info, obj) => {
						if (info === 'newTrackAvailable')
							(document.getElementById('v') ?? newVideo()).srcObject.addTrack(obj.track);
						if (info === 'initialized')
							done();
					},
					callbackError: e => { throw new Error(e); } });
			});
		}, `${server.http.replace('http', 'ws')}/live/websocket`);
	}
	await camera.evaluate(() => {
		document.body.append(Object.assign(document.createElement('video'), { id: 'mine', muted: true }));
		return begin({ localVideoId: 'mine', mediaConstraints: { video: true, audio: true } });
	});
	await camera.evaluate(([s, k]) => adaptor.publish(s, k), ['sdk', await server.token('sdk', '--type', 'publish')]);
	await until(() => isPublished('sdk'), 'the publisher');
	await viewer.evaluate(() => begin({ isPlayMode: true, mediaConstraints: { video: false, audio: false } }));
	await viewer.evaluate(([s, k]) => adaptor.play(s, k), ['sdk', await server.token('sdk')]);
	await figures(t, viewer, 'SDK to SDK');
});

cleanUp();
