// A browser with a made-up camera publishes by WHIP, another page plays it by WHEP: in H.264 and in VP8, and
// from RTMP. What is looked at is what people see: frames that are decoded, sound that is heard, how soon.
import { test, assert, streamd, chromium, CAMERA, page, publish, until, cleanUp } from './lib.js';

const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' } }, config: { webrtc: { listen: '127.0.0.1:0' } } });
const browser = await chromium(...CAMERA);

const key = await server.ctl('apikey', 'create', '--label', 'test', '--quiet');

/* What REST tells of the line of a stream's publisher. */
async function line(stream) {
	const answer = await fetch(`${server.http}/api/v1/sessions?app=live&streamId=${stream}`, { headers: { Authorization: `Bearer ${key}` } });
	return (await answer.json()).items.find(s => s.type === 'publish')?.webrtc;
}

/* On a page of the server's own address; the functions stay in it as globals. */
async function rtcPage(t) {
	const p = await page(t, browser, { permissions: ['camera', 'microphone'], allow: /403|favicon/ });
	await p.goto(`${server.http}/live/play.html`);
	await p.evaluate(() => {
		globalThis.exchange = async (peer, way, stream, token) => {
			await peer.setLocalDescription();
			const answer = await fetch(`/live/${way}/${stream}`, { method: 'POST', body: peer.localDescription.sdp,
				headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${token}` } });
			if (answer.status !== 201)
				throw new Error(`${answer.status} ${await answer.text()}`);
			await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
		};
		globalThis.whip = async (stream, token, codec) => {
			const media = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 }, audio: true });
			const peer = globalThis.peer = new RTCPeerConnection();
			for (const track of media.getTracks()) {
				const sender = peer.addTransceiver(track, { direction: 'sendonly', streams: [media] });
				if (track.kind === 'video')
					sender.setCodecPreferences(RTCRtpSender.getCapabilities('video').codecs.filter(c => c.mimeType === codec));
			}
			await exchange(peer, 'whip', stream, token);
		};
		globalThis.whep = async (stream, token) => {
			const peer = new RTCPeerConnection(), from = performance.now();
			const video = Object.assign(document.createElement('video'), { autoplay: true, srcObject: new MediaStream() });
			document.body.append(video);
			peer.addTransceiver('video', { direction: 'recvonly' });
			peer.addTransceiver('audio', { direction: 'recvonly' });
			peer.ontrack = e => video.srcObject.addTrack(e.track);
			video.requestVideoFrameCallback(() => { globalThis.firstFrameMs = performance.now() - from; });
			await exchange(peer, 'whep', stream, token);
			globalThis.peer = peer; // not one that is refused
		};
		globalThis.numbers = async () => {
			const out = { firstFrameMs: globalThis.firstFrameMs, state: peer.connectionState };
			for (const r of (await peer.getStats()).values())
				if (r.type === 'inbound-rtp' || r.type === 'outbound-rtp')
					out[r.kind] = r;
			return out;
		};
	});
	return p;
}

async function plays(t, stream, withSound) {
	const p = await rtcPage(t);
	const token = await server.token(stream);
	await p.evaluate(([s, k]) => whep(s, k), [stream, token]);
	const before = await until(async () => {
		const n = await p.evaluate(() => numbers());
		return n.firstFrameMs && n.video?.framesDecoded > 10 && (!withSound || n.audio?.totalAudioEnergy > 0) && n;
	}, 'a picture and sound');
	const after = await until(async () => {
		const n = await p.evaluate(() => numbers());
		return n.video.framesDecoded > before.video.framesDecoded + 60 && n;
	}, 'more of it');
	t.diagnostic(`first frame ${Math.round(after.firstFrameMs)} ms, ${after.video.framesDecoded} decoded, ` +
		`${after.video.framesDropped} dropped, ${after.video.packetsLost} lost, ${after.video.pliCount} PLI, ` +
		`freezes ${after.video.freezeCount}, jitter buffer ${Math.round(1000 * after.video.jitterBufferDelay / after.video.jitterBufferEmittedCount)} ms`);
	assert.equal(after.video.packetsLost, 0);
	assert.ok(after.firstFrameMs < 5000, `the first frame came after ${after.firstFrameMs} ms`);
	await assert.rejects(p.evaluate(([s, k]) => whep(s, k), [stream, token]), /403/);
	return p;
}

for (const [codec, name] of [['video/H264', 'h264'], ['video/VP8', 'vp8'], ['video/VP9', 'vp9'], ['video/AV1', 'av1']])
	test(`browser to browser: ${name}`, async t => {
		const camera = await rtcPage(t);
		await camera.evaluate(([s, k, c]) => whip(s, k, c), [name, await server.token(name, '--type', 'publish'), codec]);
		await until(async () => (await server.ctl('sessions', '--json')).some?.(s => s.streamId === name && s.state === 'active') ||
			(await server.ctl('sessions', '--json')).items?.some(s => s.streamId === name && s.state === 'active'), 'the publisher');
		const p = await plays(t, name, true);
		const sent = await camera.evaluate(() => numbers());
		t.diagnostic(`sent ${sent.video.frameWidth}x${sent.video.frameHeight}, target ${Math.round(sent.video.targetBitrate / 1000)} kbit/s, ${sent.video.pliCount} PLI, ${sent.video.nackCount} NACK`);
		/* What its way takes is known, though it only sends: it answers extended reports. */
		const rtt = await until(async () => (await line(name))?.rttMs?.toFixed(1), 'the round trip of the publisher');
		t.diagnostic(`round trip of the publisher ${rtt} ms`);
		assert.ok(rtt >= 0 && rtt < 1000);
		/* Left as people leave: the page is closed, and everybody is told. */
		await camera.evaluate(() => peer.close());
		await until(async () => !(await server.ctl('sessions', '--json')).items?.some(s => s.type === 'publish' && s.streamId === name), 'the end of the publisher');
		await p.evaluate(() => peer.close());
	});

test('a publisher that comes back with another codec is seen by who watches', async t => {
	const shows = async codec => {
		const camera = await rtcPage(t);
		await camera.evaluate(([s, k, c]) => whip(s, k, c), ['change', await server.token('change', '--type', 'publish'), codec]);
		return camera;
	};
	const camera = await shows('video/H264');
	await until(async () => (await server.ctl('sessions', '--json')).items?.some(s => s.streamId === 'change' && s.state === 'active'), 'the publisher');
	const p = await plays(t, 'change', true);
	const codec = () => p.evaluate(async () => {
		const stats = await peer.getStats();
		const video = [...stats.values()].find(r => r.type === 'inbound-rtp' && r.kind === 'video');
		return { codec: stats.get(video.codecId)?.mimeType, decoded: video.framesDecoded };
	});
	await camera.evaluate(() => peer.close());
	await until(async () => !(await server.ctl('sessions', '--json')).items?.some(s => s.type === 'publish' && s.streamId === 'change'), 'the end of the publisher');
	const { decoded } = await codec();
	await shows('video/VP8');
	await until(async () => {
		const now = await codec();
		return now.codec === 'video/VP8' && now.decoded > decoded + 30;
	}, 'pictures in VP8');
	assert.equal(await p.evaluate(() => peer.connectionState), 'connected');
});

test('RTMP to browser', async t => {
	await publish(server, 'cam', { token: await server.token('cam', '--type', 'publish') });
	await plays(t, 'cam', true); // its AAC is heard as Opus
});

cleanUp();
