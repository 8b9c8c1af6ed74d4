// Seeking in a recording, and a pause: one token, one session, however many ranges it takes. The file's index is
// at its end, so that even the beginning is not read in one go.
import { test, assert, streamd, chromium, start, until, cleanUp } from './lib.js';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';

const SECONDS = 120, FAR = 90;
const server = await streamd({ apps: { live: { play_token: 'on' } } });
const folder = path.join(server.dir, 'recordings/live');
mkdirSync(folder, { recursive: true });
execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=15', '-f', 'lavfi', '-i', 'sine', '-t', SECONDS,
	'-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '30', '-c:a', 'aac', path.join(folder, 'film.mp4')]);

const file = token => `${server.http}/live/streams/film.mp4?token=${token}`;

async function usedOnce(token) {
	const { id } = await server.ctl('check', '-', '--stream', 'film', '--json', { input: token }).catch(e => JSON.parse(e.stdout));
	assert.equal((await server.ctl('show', id, '--json')).uses, 1);
	const admitted = (await server.ctl('audit', '--limit', '500', '--json')).items.filter(row => row.token === id).map(row => row.event);
	assert.deepEqual(admitted.filter(event => event !== 'ended'), ['admitted'], 'no refusal on the way');
}

for (const [name, command] of Object.entries({
	'ffmpeg -ss': url => ['ffmpeg', ['-v', 'error', '-nostdin', '-ss', String(FAR), '-i', url, '-frames:v', '10', '-f', 'null', '-']],
	'mpv --start': url => ['mpv', ['--no-config', '--ytdl=no', '--vo=null', '--ao=null', `--start=${FAR}`, '--frames=10', url]],
}))
	test(`${name} begins far in`, async () => {
		const token = await server.token('film');
		const player = start(...command(file(token)));
		assert.equal(await player.exited, 0, String(player.err));
		await usedOnce(token);
	});

test('Chromium seeks forth and back, pauses, and plays on', async () => {
	const token = await server.token('film'), context = await (await chromium()).newContext(), p = await context.newPage();
	await p.goto(`${server.http}/live/play.html`);
	await p.evaluate(url => {
		document.body.innerHTML = '<video muted></video>';
		document.querySelector('video').src = url;
	}, file(token));
	const state = () => p.evaluate(() => {
		const v = document.querySelector('video');
		return { at: v.currentTime, ready: v.readyState, seeking: v.seeking, error: v.error?.message };
	});
	const seek = async to => {
		await p.evaluate(to => {
			document.querySelector('video').currentTime = to;
		}, to);
		await until(async () => {
			const { at, ready, seeking, error } = await state();
			assert.equal(error, undefined);
			return !seeking && ready >= 3 && Math.abs(at - to) < 1;
		}, `a picture at ${to} s`);
	};
	await until(async () => (await state()).ready >= 1, 'the length');
	for (const to of [FAR, 5, SECONDS - 10, 30])
		await seek(to);
	await p.evaluate(() => document.querySelector('video').play());
	await until(async () => (await state()).at > 30.5, 'it plays');
	await p.evaluate(() => document.querySelector('video').pause());
	await seek(FAR);
	await usedOnce(token);
	await context.close();
});

cleanUp();
