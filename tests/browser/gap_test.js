// A publisher whose line breaks, and who is back after twenty seconds: everybody who watches stays in, is asked for
// no second token, and sees the picture go on.
// Runs alone: it measures how soon ten players come back.
import { test, assert, streamd, chromium, publish, start, until, sessions, cleanUp, atEnd } from './lib.js';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const GAP_MS = 20000;
// Half a second is looked at, and the machine may be busy. hls.js, when it was held up while it began with a segment's
// parts, leaves the last of them out and goes over the hole only when they have left the playlist.
const SOON_MS = 8000, LL_HLS_SOON_MS = 15000;
const script = file => fileURLToPath(new URL(`node_modules/${file}`, import.meta.url));
const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on', resume_window: '60s' } },
	config: { srt: { listen: '127.0.0.1:0' }, webrtc: { listen: '127.0.0.1:0' } } });
const browser = await chromium();

/* A viewer tells how many pictures it has seen so far; `errors` are what it could not mend. */

/** One that ffmpeg is: a line for each packet of the picture. */
function ffmpeg(address, ...options) {
	const viewer = { pictures: 0 };
	const run = start('ffmpeg', ['-v', 'error', '-nostdin', ...options, '-i', address, '-map', '0:v:0', '-c', 'copy', '-f', 'framecrc', '-flush_packets', '1', '-'],
		{ onOut: text => { viewer.pictures = text.split('\n').length; } });
	viewer.seen = async () => viewer.pictures;
	viewer.errors = async () => run.over ? [`it ended: ${run.err}`] : [];
	atEnd(() => run.stop());
	return viewer;
}

/** One that a page is: the <video>'s pictures. */
async function inPage(address, library, play, argument) {
	const p = await browser.newPage();
	await p.route('**/player.html', r => r.fulfill({ contentType: 'text/html', body: '<!doctype html><link rel="icon" href="data:,"><video muted autoplay></video>' }));
	await p.goto(address ?? `${server.http}/player.html`);
	if (library)
		await p.addScriptTag({ path: library });
	if (play)
		await p.evaluate(play, argument);
	return {
		seen: () => p.evaluate(() => document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0),
		/* Where what it has ends, and whether it is beyond: one that plays the last again has seen nothing new. */
		edge: () => p.evaluate(() => { const b = document.querySelector('video').buffered; return b.length ? b.end(b.length - 1) : 0; }),
		where: () => p.evaluate(() => { const v = document.querySelector('video'), b = v.buffered;
			return `at ${v.currentTime}, ready ${v.readyState}${v.seeking ? ', seeking' : ''}, has ${Array.from({ length: b.length }, (_, i) => `${b.start(i)}-${b.end(i)}`)}`; }),
		/* It has no hole before it, where it would wait whether or not there is a gap. */
		settled: () => p.evaluate(() => { const v = document.querySelector('video'), b = v.buffered; return !b.length || v.currentTime >= b.start(b.length - 1); }),
		isBeyond: edge => p.evaluate(edge => document.querySelector('video').currentTime > edge, edge),
		errors: () => p.evaluate(() => globalThis.errors ?? []),
		told: () => p.evaluate(() => globalThis.told ?? []),
	};
}

const playHls = ([address, config]) => {
	globalThis.errors = [];
	globalThis.told = [];
	const hls = globalThis.hls = new globalThis.Hls(config);
	hls.on('hlsError', (_, e) => (e.fatal ? globalThis.errors : globalThis.told).push(`${e.details} ${e.response?.code ?? ''}`));
	hls.loadSource(address);
	hls.attachMedia(document.querySelector('video'));
};

const playDash = address => {
	globalThis.errors = [];
	const player = globalThis.dashjs.MediaPlayer().create();
	player.on('error', e => globalThis.errors.push(e.error?.message ?? String(e.error)));
	player.initialize(document.querySelector('video'), address, true);
};

const url = async ending => `${server.http}/live/streams/cam.${ending}?token=${await server.token('cam')}`;

test('everybody stays through a gap of twenty seconds', async t => {
	const mine = await server.token('cam', '--type', 'publish');
	const publisher = await publish(server, 'cam', { token: mine });
	const HLS = script('hls.js/dist/hls.min.js');
	const viewers = {
		RTMP: ffmpeg(`rtmp://${server.rtmp}/live/cam?token=${await server.token('cam')}`),
		'HTTP-FLV': ffmpeg(await url('flv')),
		'HTTP-TS': ffmpeg(await url('ts')),
		SRT: ffmpeg(`srt://${server.ports.srt}?streamid=#!::r=live/cam,m=request,token=${await server.token('cam')}`),
		'HLS in ffmpeg': ffmpeg(await url('m3u8')),
		'HLS in hls.js': await inPage(null, HLS, playHls, [await url('m3u8'), { lowLatencyMode: false }]),
		'LL-HLS in hls.js': await inPage(null, HLS, playHls, [await url('m3u8'), { lowLatencyMode: true }]),
		'DASH in dash.js': await inPage(null, script('dashjs/dist/modern/umd/dash.all.min.js'), playDash, await url('mpd')),
		WebRTC: await inPage(`${server.http}/live/play.html?id=cam&token=${await server.token('cam')}`, null, () => document.querySelector('button').click()),
	};
	await Promise.all(Object.entries(viewers).map(([name, v]) =>
		until(async () => (v.before = await v.seen()) > 60 && (await v.settled?.() ?? true), `two seconds of ${name}: ${v.before} pictures`)));
	const people = async () => (await sessions(server)).filter(s => s.type === 'play').map(s => `${s.id} ${s.protocol} ${s.token}`).sort();
	const were = await people();
	assert.equal(were.length, Object.keys(viewers).length);

	process.kill(Number(execFileSync('pgrep', ['-P', String(publisher.pid)])), 'SIGKILL'); // ffmpeg, in its timeout
	await publisher.exited;
	await until(async () => !(await sessions(server)).some(s => s.type === 'publish'), 'the gap');
	const gone = Date.now();
	await until(async () => Date.now() - gone > GAP_MS, 'the end of the gap', GAP_MS + 10000);
	assert.deepEqual(await people(), were); // they wait
	for (const v of Object.values(viewers)) {
		v.edge_s = await v.edge?.();
		v.before = await v.seen();
	}
	await publish(server, 'cam', { token: mine });
	const back = Date.now();
	const late = await Promise.all(Object.entries(viewers).map(async ([name, v]) => {
		await until(async () => await v.seen() > v.before + 15 && (await v.isBeyond?.(v.edge_s) ?? true), `half a second of ${name}`).catch(() => v.never = true);
		return [name, v.never ? Infinity : Date.now() - back];
	}));
	t.diagnostic(late.map(([name, ms]) => `${name} ${ms} ms`).join(', '));
	for (const [name, v] of Object.entries(viewers))
		t.diagnostic(`${name}: ${JSON.stringify(await v.errors())} ${JSON.stringify(await v.told?.() ?? [])} ${v.never ? await v.where?.() : ''}`);
	assert.deepEqual(await people(), were);
	for (const [name, v] of Object.entries(viewers))
		assert.deepEqual(await v.errors(), [], name);
	assert.deepEqual(late.filter(([name, ms]) => ms > (name === 'LL-HLS in hls.js' ? LL_HLS_SOON_MS : SOON_MS)), []);
	for (const line of were)
		assert.equal((await server.ctl('show', line.split(' ')[2], '--json')).uses, 1);
	assert.equal((await server.ctl('audit', '--json', '--limit', '100')).items.filter(e => e.verdict === 'refused').length, 0);
});

cleanUp();
