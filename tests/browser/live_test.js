// Live on the panel: pictures behind the gate, what each stream carries and who watches, stopping, showing out.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { test, assert, streamd, chromium, page, picture, signIn, start, publish, watch, sessions, until, cleanUp, PASSWORD } from './lib.js';

const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' } }, config: { srt: { listen: '127.0.0.1:0' } } });
const browser = await chromium();
const publisher = await publish(server, 'cam', { token: await server.token('cam', '--type', 'publish', '--max-uses', '9') });

async function livePage(t, options) {
	const p = await page(t, browser, options);
	await signIn(p, server);
	return [p, p.getByRole('article', { name: 'Stream cam' })];
}

/* What of the picture is not black, 0 to 1, how many frames there were, and a number that changes with it. */
const seen = card => card.locator('video').evaluate(v => {
	const c = Object.assign(document.createElement('canvas'), { width: 64, height: 36 }).getContext('2d');
	c.drawImage(v, 0, 0, 64, 36);
	const { data } = c.getImageData(0, 0, 64, 36);
	let lit = 0, sum = 0;
	for (let i = 0; i < data.length; i += 4) {
		lit += data[i] + data[i + 1] + data[i + 2] > 60;
		sum = (sum * 31 + data[i] + data[i + 1] * 3 + data[i + 2] * 7) % 1e9;
	}
	return { lit: lit / 2304, sum, frames: v.getVideoPlaybackQuality().totalVideoFrames };
});
const pictureOf = card => until(async () => {
	const now = await seen(card);
	return now.lit > 0.3 && now;
}, 'the picture');
const previews = async () => (await sessions(server)).filter(s => s.protocol === 'preview');
const none = async what => until(async () => !(await previews()).length, what);

test('a stream has a picture by WHEP, on one session of the panel, which spends no token and lasts while it is looked at', async t => {
	const tokens = (await server.ctl('list', '--json')).items.length;
	const [p, card] = await livePage(t);
	const first = await pictureOf(card);
	await until(async () => (await seen(card)).frames > first.frames + 30, 'more pictures');
	assert.notEqual((await seen(card)).sum, first.sum);
	const [one, ...more] = await previews();
	assert.deepEqual(more, []);
	assert.equal(one.token, null);
	assert.equal(one.state, 'active');
	assert.equal((await server.ctl('list', '--json')).items.length, tokens);
	// The sound, which nobody hears, is not made into another one for it.
	assert.match(await (await fetch(`${server.http}/metrics`)).text(), /^streamgate_transcoders_started_total 0$/m);
	await card.getByText('Nobody is watching').waitFor();
	await p.getByRole('link', { name: 'Audit' }).click();
	await p.getByText('An administrator looks.').first().waitFor();
	await none('the end of it, elsewhere');
	await p.getByRole('link', { name: 'Live' }).click();
	await pictureOf(card);
});

test('it stands still when asked, with nothing sent for it, and goes on; by keyboard', async t => {
	const [p, card] = await livePage(t);
	await pictureOf(card);
	await card.getByRole('button', { name: 'Pause cam' }).focus();
	await p.keyboard.press('Enter');
	await none('the end of it');
	const still = await seen(card);
	assert.ok(still.lit > 0.3);
	await p.keyboard.press('Enter');
	await until(async () => (await seen(card)).lit > 0.3 && (await seen(card)).sum !== still.sum, 'it to go on');
	assert.equal(await card.locator('video').evaluate(v => v.paused || !v.muted), false);
	await card.getByRole('button', { name: 'Pause cam' }).waitFor();
});

test('who wants less motion has it still until they ask', async t => {
	const [, card] = await livePage(t, { reducedMotion: 'reduce' });
	await card.getByRole('button', { name: 'Play cam' }).click();
	await pictureOf(card);
});

test('it has nothing off the screen', async t => {
	const [p, card] = await livePage(t, { width: 360 });
	await pictureOf(card);
	await p.evaluate(() => { document.querySelector('main').style.marginTop = '3000px'; });
	await none('the end of it');
	await p.evaluate(() => { document.querySelector('main').style.marginTop = ''; });
	await pictureOf(card);
});

test('shown out it ends, and so it does with a new password and with signing out', async t => {
	const [p, card] = await livePage(t, { allow: /401/ });
	await pictureOf(card);
	const [{ id }] = await previews();
	const told = card.getByText('The connection was lost.').waitFor(); // for five seconds
	await server.ctl('kick', id);
	await until(async () => !(await previews()).some(s => s.id === id), 'its end', 2000);
	await told;
	await pictureOf(card); // it is asked for again
	// Nothing of the page's own: a second window does not know that the first has signed out.
	await p.evaluate(() => fetch('/api/v1/logout', { method: 'POST', headers: { 'X-Streamgate': '1' } }));
	assert.deepEqual(await previews(), []);
	await signIn(p, server);
	await pictureOf(card);
	await server.ctl('passwd', '-', { input: PASSWORD });
	await until(async () => !(await previews()).length, 'its end with the password', 2000); // a second, and what asking takes
	await p.getByText('Your sign-in has ended.').first().waitFor();
});

test('a preview is behind the gate: without an administrator there is none, and its address is theirs alone', async () => {
	const url = `${server.http}/api/v1/streams/live/cam/preview`;
	const post = headers => fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/sdp', ...headers }, body: 'v=0\r\n' }).then(r => r.status);
	assert.equal(await post({}), 401);
	const { key } = await server.ctl('apikey', 'create', '--scope', 'tokens', '--json');
	assert.equal(await post({ Authorization: `Bearer ${key}` }), 403);
	assert.equal((await fetch(`${url}/${'A'.repeat(22)}`, { method: 'DELETE' })).status, 401);
});

/* Two seconds of picture by that encoder, in `name`. */
async function film(name, ...encoder) {
	const file = path.join(server.dir, name);
	await promisify(execFile)('ffmpeg', ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30', ...encoder,
		'-pix_fmt', 'yuv420p', '-g', '30', '-t', '2', file]);
	return file;
}

test('what WebRTC does not carry is told plainly, in the picture’s place', async t => {
	const [p] = await livePage(t, { allow: /422/ });
	const told = (stream, words) => p.getByRole('article', { name: `Stream ${stream}` }).locator('.picture').getByText(words).waitFor();
	const input = await film('b.flv', '-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2');
	const b = await publish(server, 'frames', { token: await server.token('frames', '--type', 'publish'), input });
	await told('frames', 'H.264 with B-frames cannot be played over WebRTC.');
	const token = await server.token('hevc', '--type', 'publish');
	const hevc = start('ffmpeg', ['-v', 'error', '-nostdin', '-re', '-stream_loop', '-1', '-i',
		await film('hevc.ts', '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none'), '-c', 'copy', '-f', 'mpegts',
		`srt://${server.ports.srt}?streamid=#!::r=live/hevc,m=publish,token=${token}`]);
	await told('hevc', 'H.265 cannot be played over WebRTC.');
	assert.deepEqual((await previews()).filter(s => s.streamId !== 'cam'), []);
	assert.equal(await p.getByRole('button', { name: /^Pause (frames|hevc)$/ }).count(), 0);
	await picture(p, 'refused');
	await Promise.all([b.stop(), hevc.stop()]);
});

test('codecs, size, rate and viewers by protocol are told', async t => {
	const viewers = [];
	for (let i = 0; i < 2; i++)
		viewers.push(await watch(server, 'cam', { token: await server.token('cam') }));
	const [p, card] = await livePage(t);
	await card.getByText(/^H\.264 .* · 320×180 · \d+ fps · AAC 44\.1 kHz, mono$/).waitFor();
	await card.getByText('2 viewers: 2 by HTTP-FLV').waitFor();
	await card.getByText(/^[\d.]+ [kM]bit\/s$/).waitFor();
	await until(async () => (await card.locator('.spark polyline').getAttribute('points')).split(' ').length > 2, 'the line');
	// Those that were published before are gone when their publishers could not come back any more.
	await p.getByText(/^1 stream, 2 viewers, [\d.]+ [kM]bit\/s coming in$/).waitFor({ timeout: 60000 });
	assert.match(await card.getByText(/^for \d/).getAttribute('title'), /^since \d{4}-\d\d-\d\dT[\d:]{8}[+-]\d\d:\d\d$/);

	await card.getByRole('link', { name: 'Who is in: cam' }).click();
	await p.getByRole('heading', { name: 'Sessions' }).waitFor();
	const row = p.getByRole('row').filter({ hasText: viewers[0].session.token });
	await row.getByRole('button', { name: 'Show out' }).click();
	await p.getByText('Its token stays as it is').waitFor();
	await p.getByRole('dialog').getByRole('button', { name: 'Show out' }).click();
	await viewers[0].exited;
	await row.waitFor({ state: 'detached' });
	await viewers[1].stop();
});

test('a new token is made for a stream from its card', async t => {
	const [p, card] = await livePage(t);
	await card.getByRole('button', { name: 'New token for cam' }).click();
	assert.equal(await p.getByRole('dialog').getByLabel('Stream', { exact: true }).inputValue(), 'cam');
	await p.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
	await p.getByText('Shown this once.').waitFor();
});

// A preview may be asked for in the very moment that its stream ends, which the browser then logs.
const ASKED_AS_IT_ENDS = { allow: /status of (404|422)/ };

test('one that begins and ends comes and goes', async t => {
	const [p] = await livePage(t, ASKED_AS_IT_ENDS);
	const token = await server.token('second', '--type', 'publish');
	await publish(server, 'second', { token });
	const card = p.getByRole('article', { name: 'Stream second' });
	await pictureOf(card);
	// Shown out: one that just breaks off is waited for.
	await server.ctl('kick', (await sessions(server)).find(s => s.streamId === 'second' && s.type === 'publish').id);
	await until(async () => !(await previews()).some(s => s.streamId === 'second'), 'the end of the preview', 1000);
	await card.waitFor({ state: 'detached' });
});

test('stopping shows the publisher out, and nothing is live then', async t => {
	const [p, card] = await livePage(t, ASKED_AS_IT_ENDS);
	await card.getByRole('button', { name: 'Stop cam' }).click();
	await p.getByText('Its publisher is shown out').waitFor();
	await p.keyboard.press('Escape');
	assert.equal((await sessions(server)).filter(s => s.type === 'publish').length, 1);
	await card.getByRole('button', { name: 'Stop cam' }).click();
	await p.getByRole('button', { name: 'Stop the stream' }).click();
	await publisher.exited;
	await p.getByRole('heading', { name: 'Nothing is live' }).waitFor();
});

cleanUp();
