// lib.js - what the browser tests share: a streamd of their own, its tokens, a publisher, Chromium.
//
// A test file is a program for Node's own runner, and one line of tests/run.sh:
//
//	import { test, assert, streamd, chromium, publish, cleanUp } from './lib.js';
//	const server = await streamd();                   // a fresh one; server.http is 'http://127.0.0.1:PORT'
//	const browser = await chromium();                 // one a file; a context or page for each test
//	test('something', async () => { ... });
//	cleanUp();                                        // last: registers what ends all of the above
//
// Nothing waits for a length of time: `until` and Playwright's own waiting wait for what is to happen,
// up to WAIT_MS. Everything that was started is ended by its process id, also when a test fails, is
// interrupted, or runs out of time; `timeout` ends it if even this program is killed.
// BUILD_DIR: where streamd and tokenctl are. BROWSER_LOG=1: what streamd logs is shown.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync, rmSync, existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

export { test, assert };

const require = createRequire(import.meta.url);
const here = path.dirname(new URL(import.meta.url).pathname);
const root = path.join(here, '../..');
export const BIN = path.resolve(root, process.env.BUILD_DIR ?? 'build');
export const WAIT_MS = 30000; // for what comes at once on a machine that has time
const LIFE_S = 800; // of anything that is started here

function need(name) {
	try {
		return require(name);
	} catch {
		console.error(`${name} is missing: \`make deps\` installs it`);
		process.exit(1);
	}
}

// ---- what was started, and its end ----

const ends = []; // newest last
let ended = false;

function endNow() {
	for (const pid of children)
		try {
			process.kill(pid, 'SIGTERM');
		} catch { /* it has ended */ }
	for (const dir of folders)
		rmSync(dir, { recursive: true, force: true });
}
const children = new Set(), folders = new Set();
process.on('exit', endNow);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
	process.on(signal, () => process.exit(1));

/** Once a file, after its tests: ends what it started, newest first. */
export function cleanUp() {
	after(async () => {
		ended = true;
		while (ends.length)
			await ends.pop()().catch(e => console.error(e));
		endNow();
	});
}

/** Runs `end` when the file's tests are over. */
export const atEnd = end => ends.push(end);

export function folder() {
	const dir = mkdtempSync(path.join(tmpdir(), 'sg-browser.'));
	folders.add(dir);
	return dir;
}

/** Starts a program; { pid, exited (a promise of its status), stop(signal), out, err (text so far) }. */
export function start(program, args, { env, onOut } = {}) {
	const child = spawn('timeout', ['--kill-after=5', String(LIFE_S), program, ...args],
		{ env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
	const it = { pid: child.pid, out: '', err: '' };
	children.add(child.pid);
	child.stdout.on('data', d => { it.out += d; onOut?.(it.out); });
	child.stderr.on('data', d => {
		it.err = (it.err + d).slice(-100000);
		if (process.env.BROWSER_LOG)
			process.stderr.write(d);
	});
	it.exited = new Promise(done => child.on('close', (status, signal) => {
		children.delete(child.pid);
		it.over = true;
		done(status ?? signal);
	}));
	it.signal = signal => child.kill(signal); // timeout passes it on
	it.stop = async (signal = 'SIGTERM') => {
		child.kill(signal);
		return it.exited;
	};
	return it;
}

/** Waits until `look()` gives something true, which it returns; its last error is the test's. */
export async function until(look, what = 'what the test waits for', ms = WAIT_MS) {
	const end = Date.now() + ms;
	for (let last; ;) {
		try {
			const value = await look();
			if (value)
				return value;
		} catch (e) {
			last = e;
		}
		if (Date.now() > end)
			throw new Error(`${what} did not come`, { cause: last });
		await new Promise(done => setTimeout(done, 50));
	}
}

// ---- streamd ----

export const PASSWORD = 'correct horse battery';

/** A streamd on free ports with a folder of its own.
 *   apps     { name: { key: value } }; default { live: { publish_token: 'off', play_token: 'off' } }
 *   config   { section: { key: value } } over the defaults below, e.g. { srt: { listen: '127.0.0.1:0' } }
 *   password null leaves it at the first start; else it is set to that
 * Gives { http, rtmp (host:port), ports: { name: 'host:port' }, dir, setup (the link, or undefined),
 * ctl(...args) (tokenctl's output, parsed where --json is asked), token(stream, ...args) (a secret),
 * stop(), start() (again, on the same ports), log() }. */
export async function streamd({ apps = { live: {} }, config = {}, password = PASSWORD } = {}) {
	const dir = folder(), file = path.join(dir, 'sg.conf'), env = { STREAMGATE_CONFIG: file };
	const sections = { store: { url: `sqlite:${dir}/streamgate.db` }, http: { listen: '127.0.0.1:0' },
		rtmp: { listen: '127.0.0.1:0' }, srt: { listen: '' }, webrtc: { listen: '127.0.0.1:0' },
		recording: { path: path.join(dir, 'recordings') } };
	for (const [name, keys] of Object.entries(config))
		sections[name] = { ...sections[name], ...keys };
	for (const [name, keys] of Object.entries(apps))
		sections[`app ${name}`] = { publish_token: 'off', play_token: 'off', ...keys };
	const write = () => writeFileSync(file, Object.entries(sections).map(([name, keys]) =>
		`[${name}]\n${Object.entries(keys).map(([k, v]) => `${k} = ${v}\n`).join('')}`).join(''));
	write();

	const server = { dir, env, ports: {} };
	let run;

	server.ctl = async (...args) => {
		const input = typeof args.at(-1) === 'object' ? args.pop().input : undefined;
		const asked = promisify(execFile)(path.join(BIN, 'tokenctl'), args, { env: { ...process.env, ...env }, maxBuffer: 1 << 28 });
		asked.child.stdin.on('error', () => { /* it needed no input and has ended */ });
		asked.child.stdin.end(input);
		const { stdout } = await asked;
		return args.includes('--json') ? JSON.parse(stdout) : stdout.trim();
	};
	server.token = (stream, ...args) => server.ctl('create', stream, ...args, '--quiet');
	server.log = () => run.out + run.err;
	server.start = async () => {
		run = start(path.join(BIN, 'streamd'), [], { env });
		await until(() => {
			assert.ok(!run.over, `streamd ended: ${run.err}`);
			return /^ready$/m.test(run.out);
		}, 'streamd');
		for (const [, name, where] of run.out.matchAll(/^listening (\S+) (\S+)$/gm))
			server.ports[name] = where;
		// Started again, it is found where it was.
		for (const name of ['http', 'rtmp'])
			if (server.ports[name])
				sections[name].listen = server.ports[name];
		write();
		server.http = `http://${server.ports.http}`;
		server.rtmp = server.ports.rtmp;
		server.setup = /\S+#setup=\S+/.exec(run.err)?.[0];
	};
	server.stop = signal => run.stop(signal);
	server.signal = signal => run.signal(signal);
	if (password !== null)
		await server.ctl('passwd', '-', { input: password });
	await server.start();
	atEnd(() => server.stop());
	return server;
}

/** A recording of `app`, put into its folder by hand; answers its path. */
export function recording(server, name, app = 'live', size = 4321) {
	const folder = path.join(server.dir, 'recordings', app);
	mkdirSync(folder, { recursive: true });
	writeFileSync(path.join(folder, name), Buffer.alloc(size, name));
	return path.join(folder, name);
}

/** Four seconds of picture and sound, made once a file: H.264 with a keyframe a second, AAC. */
let source;
export async function testPicture() {
	if (!source) {
		const file = path.join(folder(), 'source.flv');
		await promisify(execFile)('ffmpeg', ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30',
			'-f', 'lavfi', '-i', 'sine=sample_rate=44100', '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency',
			'-pix_fmt', 'yuv420p', '-g', '30', '-c:a', 'aac', '-t', '4', '-f', 'flv', file]);
		source = file;
	}
	return source;
}

/** Publishes by RTMP until .stop(); resolves when the stream is live. */
export async function publish(server, stream, { token, app = 'live', input } = {}) {
	const run = start('ffmpeg', ['-v', 'error', '-nostdin', '-re', '-stream_loop', '-1', '-i', input ?? await testPicture(),
		'-c', 'copy', '-f', 'flv', `rtmp://${server.rtmp}/${app}/${stream}${token ? `?token=${token}` : ''}`]);
	atEnd(() => run.stop());
	await until(async () => {
		assert.ok(!run.over, `ffmpeg ended: ${run.err}`);
		return (await sessions(server)).some(s => s.type === 'publish' && s.streamId === stream && s.state === 'active');
	}, `the stream ${stream}`);
	return run;
}

/** Watches by HTTP-FLV until .stop(); resolves when it is let in. */
export async function watch(server, stream, { token, app = 'live' } = {}) {
	const before = new Set((await sessions(server)).map(s => s.id));
	const run = start('curl', ['-sN', '-o', '/dev/null', `${server.http}/${app}/streams/${stream}.flv${token ? `?token=${token}` : ''}`]);
	atEnd(() => run.stop());
	run.session = await until(async () => (await sessions(server)).find(s =>
		s.type === 'play' && s.streamId === stream && s.state === 'active' && !before.has(s.id)), `a viewer of ${stream}`);
	return run;
}

export async function sessions(server) {
	const answer = await server.ctl('sessions', '--json');
	return answer.items ?? answer;
}

// ---- Chromium ----

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required'];
/** A camera and a microphone that are made up, and allowed. */
export const CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

/** Debian's Chromium, headless, with a fresh profile that goes with it: a Playwright browser. */
export async function chromium(...flags) {
	const binary = process.env.CHROMIUM ?? '/usr/bin/chromium';
	if (!existsSync(binary)) {
		console.error('chromium is missing: `make deps` installs it');
		process.exit(1);
	}
	const browser = await need('playwright-core').chromium.launch({ executablePath: binary, headless: true, args: [...FLAGS, ...flags] });
	atEnd(() => browser.close());
	return browser;
}

/** A page of a context of its own, which ends with the test. What the page logs as an error, throws, or asks
 * of another host than its own fails the test, unless `allow` matches it.
 *   width (1600), height, dark, timezone, keyboard: Playwright's context options by plain names */
export async function page(t, browser, { width = 1600, height, dark = false, allow, ...options } = {}) {
	const context = await browser.newContext({ viewport: { width, height: height ?? (width < 600 ? 740 : 1000) },
		colorScheme: dark ? 'dark' : 'light', locale: 'en-GB', ...options });
	const p = await context.newPage(), wrong = [];
	const note = text => allow?.test(text) || wrong.push(text);
	p.setDefaultTimeout(WAIT_MS);
	p.on('pageerror', e => note(`the page threw: ${e.stack ?? e}`));
	p.on('request', r => {
		const { protocol, hostname } = new URL(r.url());
		if (/^(http|ws)s?:/.test(protocol) && !/^(127\.0\.0\.1|localhost|\[::1\])$/.test(hostname))
			note(`the page asked another host: ${r.url()}`);
	});
	p.on('console', m => m.type() === 'error' && note(`the page logged: ${m.text()} (${m.location().url})`));
	t.after(async () => {
		await context.close();
		wrong.forEach(w => t.diagnostic(w)); // also where the test has failed of something else
		if (!ended)
			assert.deepEqual(wrong, []);
	});
	p.wrong = wrong;
	return p;
}

let axeSource;
/** What axe-core finds amiss on the page as it is now, WCAG and best practices: []. */
export async function axe(p) {
	axeSource ??= readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
	// Through the debugger: the page's own policy lets no other script in.
	await p.evaluate(axeSource);
	const found = await p.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations', 'incomplete'] }));
	const tell = v => v.nodes.map(n => `${v.id}: ${n.target} ${n.html.slice(0, 160)} ${n.failureSummary ?? ''}`);
	return found.violations.flatMap(tell);
}

/** Saves a picture of the whole page where SCREENSHOTS names a folder; for people to look at. */
export async function picture(p, name) {
	if (process.env.SCREENSHOTS)
		await p.screenshot({ path: path.join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
}

/** Signs in on the panel as a person does. */
export async function signIn(p, server, { password = PASSWORD, view = '' } = {}) {
	await p.goto(`${server.http}/${view && `#/${view}`}`);
	await p.getByLabel('Administrator’s password').fill(password);
	await p.getByRole('button', { name: 'Sign in' }).click();
	await p.getByRole('navigation').waitFor();
}
