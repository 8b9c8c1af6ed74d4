// WebRTC in Chromium with a made-up camera: Ant Media's own SDK unchanged, the sample pages (WHIP, WHEP),
// tokens that open and tokens that do not.
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { createRequire } from 'node:module';
import { test, assert, streamd, chromium, page, axe, picture, publish, sessions, until, cleanUp, CAMERA } from './lib.js';

// The SDK's bundle for a <script> element, and the one it depends on, as Ant Media's own pages load them.
const read = name => readFileSync(createRequire(import.meta.url).resolve(name), 'utf8');
const SDK = read('@antmedia/webrtc_adaptor/dist/browser/webrtc_adaptor.js');
const MEDIAPIPE = read('@mediapipe/selfie_segmentation/selfie_segmentation.js');
const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' }, open: {} },
	config: { webrtc: { listen: '127.0.0.1:0' } } });
const browser = await chromium(...CAMERA);

const uses = async token => {
	const { id } = await server.ctl('check', '-', '--stream', 'x', '--type', 'play', '--json', { input: token }).catch(e => JSON.parse(e.stdout));
	return (await server.ctl('show', id, '--json')).uses;
};

// A page with the SDK and a video element of its own.
const CAN_SEE = { permissions: ['camera', 'microphone'] };
async function sdkPage(t, http = server.http) {
	const p = await page(t, browser, CAN_SEE);
	p.sent = [];
	p.heard = [];
	p.on('websocket', ws => {
		ws.on('framesent', f => p.sent.push(JSON.parse(f.payload)));
		ws.on('framereceived', f => p.heard.push(JSON.parse(f.payload)));
	});
	// On a page of the server's own: Chromium lets a page that was made up not speak to this machine.
	await p.goto(`${http}/live/play.html`);
	await p.evaluate(MEDIAPIPE);
	await p.evaluate(SDK);
	await p.evaluate(() => document.body.append(Object.assign(document.createElement('video'), { id: 'v', autoplay: true, muted: true })));
	await p.evaluate(ws => {
		globalThis.notes = [];
		globalThis.errors = [];
		globalThis.begin = options => new Promise(done => {
			globalThis.adaptor = new webrtc_adaptor.WebRTCAdaptor({ websocket_url: ws, ...options,
				callback: (info, obj) => {
					notes.push(info);
					if (info === 'newTrackAvailable') { // a page without remoteVideoId looks after its tracks
						(globalThis.tracks ??= []).push(obj.trackId);
						const v = document.getElementById('v');
						(v.srcObject ??= new MediaStream()).addTrack(obj.track);
						v.play();
					}
					if (info === 'initialized')
						done();
				},
				callbackError: e => errors.push(e) });
		});
	}, `${http.replace('http', 'ws')}/live/websocket`);
	return p;
}

const noted = (p, what) => p.waitForFunction(w => notes.includes(w), what);
const count = (list, command) => list.filter(m => m.command === command).length;

// Waits until pictures come: more than there were.
async function framesGrow(p, selector = '#v') {
	const frames = () => p.$eval(selector, v => v.getVideoPlaybackQuality().totalVideoFrames);
	const first = await until(async () => await frames() || 0, 'the first picture');
	await until(async () => await frames() > first + 5, 'more pictures');
}

async function sdkPublish(t, stream, token, http) {
	const p = await sdkPage(t, http);
	await p.evaluate(() => begin({ localVideoId: 'v', mediaConstraints: { video: true, audio: true } }));
	await p.evaluate(([s, k]) => adaptor.publish(s, k), [stream, token]);
	return p;
}

async function sdkPlay(t, stream, token) {
	const p = await sdkPage(t);
	await p.evaluate(() => begin({ isPlayMode: true, mediaConstraints: { video: false, audio: false } }));
	await p.evaluate(([s, k]) => adaptor.play(s, k), [stream, token]);
	return p;
}

// More than ten seconds as the SDK counts them: it pings every three.
async function tenSeconds(p) {
	const pings = count(p.sent, 'ping');
	await until(() => count(p.sent, 'ping') >= pings + 5, 'five pings');
}

test('the SDK publishes and plays, each with a token that is then used', async t => {
	const publishToken = await server.token('cam', '--type', 'publish'), playToken = await server.token('cam');
	const pub = await sdkPublish(t, 'cam', publishToken);
	await noted(pub, 'publish_started');
	assert.equal(await uses(publishToken), 1);
	// It offers a data channel too: the answer has a section for it, and media flows.
	const described = (list, type) => list.find(m => m.command === 'takeConfiguration' && m.type === type).sdp;
	assert.match(described(pub.sent, 'offer'), /^m=application /m);
	assert.match(described(pub.heard, 'answer'), /^m=application 0 /m);
	const viewer = await sdkPlay(t, 'cam', playToken);
	await noted(viewer, 'play_started');
	await framesGrow(viewer);
	assert.equal(await uses(playToken), 1);
	assert.deepEqual((await viewer.evaluate(() => tracks.map(id => id.slice(0, 7)))).sort(), ['ARDAMSa', 'ARDAMSv']);
	assert.ok((await sessions(server)).some(s => s.protocol === 'webrtc' && s.type === 'play' && s.state === 'active'));

	// Used twice: refused once, and no storm. Ten seconds later (the SDK would have asked again) all is quiet.
	const second = await sdkPlay(t, 'cam', playToken);
	await second.waitForFunction(() => errors.includes('unauthorized_access'));
	await tenSeconds(second);
	assert.equal(count(second.sent, 'play'), 1);
	assert.equal(count(second.heard, 'error'), 1);
	assert.equal(count(second.heard, 'pong') > 0, true);
	assert.equal(await uses(playToken), 1);

	// Nobody had to try again meanwhile.
	for (const p of [pub, viewer]) {
		assert.deepEqual(await p.evaluate(() => errors), []);
		assert.equal(await p.evaluate(() => notes.some(n => n.startsWith('reconnection_attempt'))), false);
	}

	// The publisher leaves: its viewers hear of it.
	await pub.evaluate(() => adaptor.stop('cam'));
	await noted(pub, 'publish_finished');
	await noted(viewer, 'play_finished');
});

// By WHIP, with sound at once and a picture when it is asked to show one.
async function shyCamera(t, stream, token) {
	const p = await page(t, browser, CAN_SEE);
	await p.goto(`${server.http}/live/play.html`);
	await p.evaluate(async ([s, k]) => {
		const media = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
		const peer = globalThis.peer = new RTCPeerConnection();
		peer.addTransceiver(media.getAudioTracks()[0], { direction: 'sendonly' });
		const { sender } = peer.addTransceiver('video', { direction: 'sendonly' });
		globalThis.show = () => sender.replaceTrack(media.getVideoTracks()[0]);
		await peer.setLocalDescription();
		const answer = await fetch(`/live/whip/${s}`, { method: 'POST', body: peer.localDescription.sdp,
			headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${k}` } });
		await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
	}, [stream, token]);
	return p;
}

test('the SDK is shown a picture that comes after the sound', async t => {
	const camera = await shyCamera(t, 'shy', await server.token('shy', '--type', 'publish'));
	await until(async () => (await sessions(server)).some(s => s.streamId === 'shy' && s.state === 'active'), 'the publisher');
	const viewer = await sdkPlay(t, 'shy', await server.token('shy'));
	await noted(viewer, 'play_started');
	assert.deepEqual(await viewer.evaluate(() => tracks), ['ARDAMSashy']);
	await camera.evaluate(() => show());
	await framesGrow(viewer);
	assert.deepEqual(await viewer.evaluate(() => tracks), ['ARDAMSashy', 'ARDAMSvshy']);
	// It was no second try: one question, two offers.
	assert.equal(count(viewer.sent, 'play'), 1);
	assert.equal(viewer.heard.filter(m => m.type === 'offer').length, 2);
	assert.deepEqual(await viewer.evaluate(() => errors), []);
});

test('the SDK is refused without a token, and with one for something else', async t => {
	const tokens = [undefined, 'nonsense', await server.token('other', '--type', 'publish'), await server.token('cam2')];
	for (const token of tokens) {
		const p = await sdkPublish(t, 'cam2', token);
		await p.waitForFunction(() => errors.includes('unauthorized_access'));
		await until(() => count(p.heard, 'stop') === 1, 'the end of its retries');
		await p.evaluate(() => adaptor.closeWebSocket());
	}
	assert.equal((await sessions(server)).some(s => s.streamId === 'cam2'), false);
});

test('the SDK that is refused and stops says nothing more', async t => {
	const p = await sdkPublish(t, 'cam3', 'nonsense');
	await p.waitForFunction(() => errors.includes('unauthorized_access'));
	await p.evaluate(() => adaptor.stop('cam3'));
	await until(() => count(p.sent, 'stop') > 0, 'its goodbye');
	const before = p.sent.filter(m => m.command !== 'ping').length;
	await tenSeconds(p);
	assert.deepEqual(p.sent.filter(m => m.command !== 'ping').slice(before), []);
	assert.equal(count(p.sent, 'publish'), 1);
	assert.equal(await p.evaluate(() => notes.some(n => n.startsWith('reconnection_attempt'))), false);
});

test('the SDK plays what is asked for in an object', async t => {
	await publish(server, 'object', { token: await server.token('object', '--type', 'publish') });
	const token = await server.token('object'), p = await sdkPage(t);
	await p.evaluate(() => begin({ isPlayMode: true, mediaConstraints: { video: false, audio: false } }));
	await p.evaluate(k => adaptor.play({ streamId: 'object', token: k }), token);
	await noted(p, 'play_started');
	await framesGrow(p);
	assert.equal(await uses(token), 1);
});

// A line to the server that breaks as lines do, without a goodbye.
async function brittleLine(t) {
	const [host, port] = server.ports.http.split(':'), ends = new Set();
	const line = net.createServer(near => {
		const far = net.connect(port, host);
		for (const [one, other] of [[near, far], [far, near]]) {
			ends.add(one);
			one.on('error', () => other.destroy()).on('close', () => (ends.delete(one), other.destroy())).pipe(other);
		}
	});
	await new Promise(done => line.listen(0, '127.0.0.1', done));
	const cut = () => ends.forEach(e => e.destroy());
	t.after(() => (cut(), line.close()));
	return { http: `http://127.0.0.1:${line.address().port}`, cut };
}

for (const resumes of [true, false]) {
	test(`the SDK whose socket breaks ${resumes ? 'comes back with a token that may resume' : 'is refused with its spent token'}`, async t => {
		const stream = `broken-${resumes}`, line = await brittleLine(t);
		const token = await server.token(stream, '--type', 'publish', ...resumes ? ['--resume', '30s'] : []);
		const p = await sdkPublish(t, stream, token, line.http);
		await noted(p, 'publish_started');
		line.cut();
		await until(() => count(p.sent, 'publish') === 2, 'another try');
		if (resumes)
			await until(() => p.heard.filter(m => m.definition === 'publish_started').length === 2, 'its return');
		else
			await p.waitForFunction(() => errors.includes('unauthorized_access'));
		assert.equal(await uses(token), 1);
		assert.equal((await sessions(server)).some(s => s.streamId === stream && s.state === 'active'), resumes);
	});
}

test('revoking a token ends its viewer within a second, for good', async t => {
	await publish(server, 'tv', { token: await server.token('tv', '--type', 'publish') });
	const token = await server.token('tv'), p = await sdkPlay(t, 'tv', token);
	await noted(p, 'play_started');
	await framesGrow(p);
	const { id } = await server.ctl('check', '-', '--stream', 'tv', '--type', 'play', '--json', { input: token }).catch(e => JSON.parse(e.stdout));
	await server.ctl('revoke', id);
	const start = Date.now();
	await noted(p, 'play_finished');
	assert.ok(Date.now() - start < 1500, `it took ${Date.now() - start} ms`);
	await until(() => count(p.heard, 'stop') === 1, 'the end of its retries');
});

for (const dark of [false, true]) {
	test(`the sample pages on a phone, ${dark ? 'dark' : 'light'}`, async t => {
		const stream = `phone-${dark}`;
		const pub = await page(t, browser, { width: 390, dark, ...CAN_SEE }), kind = dark ? 'dark' : 'light';
		await pub.goto(`${server.http}/live/publish.html?id=${stream}&token=${await server.token(stream, '--type', 'publish')}`);
		assert.ok(!pub.url().includes('token'), 'the token stays in the address');
		await pub.getByText('Ready.').waitFor();
		assert.deepEqual(await axe(pub), []);
		await picture(pub, `publish-${kind}`);
		await pub.getByRole('button', { name: 'Start' }).press('Enter');
		await pub.locator('[data-state=live]').waitFor();
		await picture(pub, `publish-live-${kind}`);

		const token = await server.token(stream), view = await page(t, browser, { width: 390, dark, allow: /403/ });
		await view.goto(`${server.http}/live/play.html?id=${stream}&token=${token}`);
		assert.deepEqual(await axe(view), []);
		await picture(view, `play-${kind}`);
		assert.equal(await uses(token), 0); // opening the page is not playing
		await view.getByRole('button', { name: 'Play' }).press('Enter');
		await view.locator('[data-state=live]').waitFor();
		await framesGrow(view, '#picture');
		await picture(view, `play-live-${kind}`);
		assert.equal(await uses(token), 1);
		assert.ok(await view.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is wider than the screen');
		await view.getByRole('button', { name: 'Stop' }).click();
		await until(async () => !(await sessions(server)).some(s => s.streamId === stream && s.type === 'play'), 'the end of the session');

		await view.getByRole('button', { name: 'Play' }).click();
		await view.getByText('This token does not open it').waitFor();
		await picture(view, `play-refused-${kind}`);
		await pub.getByRole('button', { name: 'Stop' }).click();
		await until(async () => !(await sessions(server)).some(s => s.streamId === stream), 'the end of the stream');
	});
}

test('WHIP and WHEP from a page: what comes in by RTMP plays, and the session has an address of its own', async t => {
	await publish(server, 'rtmp', { app: 'open' });
	const p = await page(t, browser);
	await p.goto(`${server.http}/open/play.html`);
	const result = await p.evaluate(async () => {
		const peer = new RTCPeerConnection();
		peer.addTransceiver('video', { direction: 'recvonly' });
		peer.addTransceiver('audio', { direction: 'recvonly' });
		await peer.setLocalDescription();
		const answer = await fetch('whep/rtmp', { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: peer.localDescription.sdp });
		await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
		globalThis.peer = peer;
		return { status: answer.status, location: answer.headers.get('Location'), etag: answer.headers.get('ETag') };
	});
	assert.equal(result.status, 201);
	assert.match(result.location, /^\/open\/whep\/rtmp\/[A-Za-z0-9_-]{22}$/);
	const decoded = () => p.evaluate(async () => [...(await peer.getStats()).values()].find(s => s.type === 'inbound-rtp' && s.kind === 'video')?.framesDecoded);
	await until(async () => await decoded() > 10, 'pictures');
	const fragment = await p.evaluate(async ([to, etag]) => {
		const lines = peer.localDescription.sdp.split('\r\n').filter(l => /^a=ice-(ufrag|pwd)/.test(l)).slice(0, 2);
		const r = await fetch(to, { method: 'PATCH', headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': etag }, body: `${lines.join('\r\n')}\r\n` });
		return r.status;
	}, [result.location, result.etag]);
	assert.equal(fragment, 204);
	assert.equal(await p.evaluate(async to => (await fetch(to, { method: 'DELETE' })).status, result.location), 200);
	await until(async () => !(await sessions(server)).some(s => s.protocol === 'whep' && s.streamId === 'rtmp'), 'the end of the session');
});

cleanUp();
