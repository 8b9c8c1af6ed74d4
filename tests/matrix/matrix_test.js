// The matrix of real clients: each, over each protocol that it speaks, without a token, with one, and with that
// one again. What is seen is drawn as a table, which must be the README's (`make matrix` writes it there).
// MATRIX_ONLY=REGEX: some cells ("VLC play RTMP"), and no table. MATRIX_WRITE=1: the table goes into the README.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test, assert, streamd, folder, publish, until, start, atEnd, cleanUp, BIN } from '../browser/lib.js';
import { clients, written } from './clients.js';

// WHIP and WHEP share a column: one publishes, the other plays.
const COLUMNS = ['RTMP', 'RTMPS', 'SRT', 'WHIP', 'WebSocket', 'HLS', 'LL-HLS', 'DASH', 'FLV', 'TS', 'MP4'];
const README = new URL('../../README.md', import.meta.url).pathname;
const only = new RegExp(process.env.MATRIX_ONLY ?? '');
const AT_A_TIME = 2;

// ---- what the clients meet ----

const dir = folder(), at = name => path.join(dir, name);
chmodSync(dir, 0o755); // VLC may be nobody
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
	'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', at('key.pem'), '-out', at('cert.pem')], { stdio: 'ignore' });
const make = (...args) => execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...args]);
const source = { flv: at('source.flv'), ts: at('source.ts'), mkv: at('source.mkv'), mp4: at('source.mp4') };
make('-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30', '-f', 'lavfi', '-i', 'sine=sample_rate=48000', '-c:v', 'libx264', '-preset', 'ultrafast',
	'-tune', 'zerolatency', '-pix_fmt', 'yuv420p', '-g', '30', '-c:a', 'aac', '-t', '20', source.flv);
make('-i', source.flv, '-c', 'copy', source.ts, '-c', 'copy', '-movflags', '+faststart', source.mp4, '-c:v', 'copy', '-c:a', 'libopus', source.mkv);

const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' } }, config: {
	srt: { listen: '127.0.0.1:0' }, webrtc: { listen: '127.0.0.1:0' }, rtmp: { listen: '127.0.0.1:0', tls_listen: '127.0.0.1:0' },
	http: { listen: '127.0.0.1:0', tls_cert: at('cert.pem'), tls_key: at('key.pem') } } });
const recordings = path.join(server.dir, 'recordings/live');
mkdirSync(recordings, { recursive: true });
// Each of those that work at a time has a stream of its own, by which its verdicts are known.
const lanes = Array.from({ length: AT_A_TIME }, (_, i) => `cam${i}`);
for (const stream of lanes) {
	await publish(server, stream, { token: await server.token(stream, '--type', 'publish'), input: source.flv });
	writeFileSync(path.join(recordings, `${stream}.mp4`), readFileSync(source.mp4));
}

// Every verdict, as it is given.
const key = await server.ctl('apikey', 'create', '--label', 'matrix', '--quiet');
const verdicts = [], leave = new AbortController();
atEnd(async () => leave.abort());
const events = await fetch(`${server.http}/api/v1/events`, { headers: { Authorization: `Bearer ${key}` }, signal: leave.signal });
(async () => {
	let text = '';
	for await (const bytes of events.body) {
		text += Buffer.from(bytes).toString();
		for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
			const event = text.slice(0, end);
			if (/^event: audit$/m.test(event))
				verdicts.push(JSON.parse(/^data: (.*)$/m.exec(event)[1]));
		}
	}
})().catch(() => { /* the end */ });
function address(column, way, stream, token) {
	const query = token ? `?token=${token}` : '', { rtmp, rtmps, srt, http } = server.ports;
	const file = ending => `http://${http}/live/streams/${stream}.${ending}${query}`;
	switch (column) {
	case 'RTMP': return `rtmp://${rtmp}/live/${stream}${query}`;
	case 'RTMPS': return `rtmps://${rtmps}/live/${stream}${query}`;
	case 'SRT': return `srt://${srt}?streamid=#!::r=live/${stream},m=${way === 'play' ? 'request' : 'publish'}${token ? `,token=${token}` : ''}`;
	case 'WHIP': return `http://${http}/live/whip/${stream}${query}`;
	case 'WHEP': return `whep+http://${http}/live/whep/${stream}${query}`;
	case 'WebSocket': return `webrtc://${http}/live/${stream}${query}`;
	case 'HLS': case 'LL-HLS': return file('m3u8');
	case 'DASH': return file('mpd');
	default: return file(column.toLowerCase());
	}
}

// ---- a cell ----

let attempts = 0;
async function attempt(cell, stream, token, kind) {
	const url = address(cell.column, cell.way, stream, token), plain = address(cell.column, cell.way, stream);
	const a = { url, plain, stream, token, server, source, out: at(`out${attempts++}`) };
	const from = verdicts.length;
	const client = await cell.begin(a);
	const wanted = { without: ['refused', 'missing_token'], with: ['admitted', ''], twice: ['refused', 'used'] }[kind];
	const what = `${cell.name}, ${kind}: ${wanted.join(' ').trim()}`;
	try {
		await until(() => verdicts.slice(from).find(v => v.event === wanted[0] && (v.reason ?? '') === wanted[1] && v.streamId === stream && v.type === cell.way), what);
		if (kind === 'with')
			await (cell.way === 'play' ? played(a, client, what) : watched(stream, what));
		else
			assert.equal(await got(a, client), 0, `${what}, and yet something came`);
	} catch (e) {
		const others = verdicts.slice(from).filter(v => v.streamId === stream).map(v => `${v.protocol} ${v.type} ${v.event} ${v.reason ?? ''}`);
		throw new Error(`${what}: ${e.message}; in the audit: ${others.join(', ') || 'nothing'}; it said: ${String(client.err).slice(-600)} ${String(client.out ?? '').slice(-600)}`);
	} finally {
		await client.stop();
	}
}

/** Bytes, or pictures of a page. A page that publishes sees itself. */
async function got(a, client) {
	if (client.pictures)
		return a.url.includes('/whip/') || /^webrtc/.test(a.url) ? 0 : client.pictures();
	return written(a) ? statSync(written(a)).size : 0;
}

async function played(a, client, what) {
	if (client.pictures) {
		await until(async () => await client.pictures() > 10, `${what}: pictures`);
		return;
	}
	await until(() => existsSync(written(a) ?? '') && statSync(written(a)).size > 100000, `${what}: media`);
	await client.stop();
	for (const kind of client.silent ? ['video'] : ['video', 'audio']) {
		const packets = execFileSync('ffprobe', ['-v', 'error', '-count_packets', '-select_streams', `${kind[0]}:0`, '-show_entries', 'stream=nb_read_packets', '-of', 'csv=p=0', written(a)]);
		assert.ok(parseInt(packets, 10) >= 20, `${what}: ${kind}: ${packets} packets`);
	}
}

/** What an encoder sends comes through to a viewer. */
async function watched(stream, what) {
	const viewer = start(path.join(BIN, 'streamplay'), ['--no-window', '--duration', '1s', '--expect', 'video=h264,audio=aac,fps>=5', `http://${server.ports.http}/live/streams/${stream}.flv`],
		{ env: { STREAMGATE_TOKEN: await server.token(stream) } });
	assert.equal(await viewer.exited, 0, `${what}, but not seen: ${viewer.err}`);
}

async function tryCell(cell, lane) {
	const stream = cell.way === 'play' ? lane : `p${cell.number}`;
	const token = await server.token(stream, '--type', cell.way);
	for (const kind of ['without', 'with', 'twice'])
		await attempt(cell, stream, kind === 'without' ? undefined : token, kind);
	const { id } = await server.ctl('check', '-', '--stream', stream, '--type', cell.way, '--json', { input: token }).catch(e => JSON.parse(e.stdout));
	assert.equal((await server.ctl('show', id, '--json')).uses, 1);
}

const cells = clients.flatMap(c => ['publish', 'play'].flatMap(way => Object.entries(c[way] ?? {})
	.map(([column, begin]) => ({ client: c, way, column, begin, name: `${c.name} ${way} ${column}` }))))
	.filter(c => only.test(c.name)).map((c, number) => ({ ...c, number }));

// ---- the table ----

const MARK = { publish: '↑', play: '↓' };
function table() {
	const mark = (client, column) => ['publish', 'play'].map(way => {
		const cell = cells.find(c => c.client === client && c.way === way && (c.column === 'WHEP' ? 'WHIP' : c.column) === column);
		return cell ? cell.seen ? MARK[way] : '✗' : '';
	}).join('') || '–';
	const row = cells => `| ${cells.join(' | ')} |`;
	return [row(['', ...COLUMNS.map(c => c === 'WHIP' ? 'WHIP WHEP' : c)]), row(['---', ...COLUMNS.map(() => ':---:')]),
		...clients.map(c => row([c.name, ...COLUMNS.map(column => mark(c, column))]))].join('\n');
}

const queue = [...cells];
const work = async lane => {
	for (let cell; (cell = queue.shift());) {
		const since = Date.now();
		await tryCell(cell, lane).then(() => { cell.seen = true; }, e => { cell.failed = e; });
		cell.ms = Date.now() - since;
	}
};
await Promise.all(lanes.map(work));

for (const cell of cells)
	test(cell.name, t => {
		t.diagnostic(`${cell.ms} ms`);
		if (cell.failed)
			throw cell.failed;
	});

if (!process.env.MATRIX_ONLY)
	test('the table in README.md is what was seen', () => {
		const [begin, end] = ['<!-- matrix -->\n', '\n<!-- /matrix -->'], text = readFileSync(README, 'utf8');
		const from = text.indexOf(begin) + begin.length, to = text.indexOf(end);
		assert.ok(from >= begin.length && to >= from, 'the marks are in README.md');
		if (process.env.MATRIX_WRITE)
			writeFileSync(README, text.slice(0, from) + table() + text.slice(to));
		else
			assert.equal(text.slice(from, to), table());
	});

cleanUp();
