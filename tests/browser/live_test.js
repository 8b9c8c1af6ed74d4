// Live on the panel: pictures behind the gate, what each stream carries and who watches, stopping, showing out.
import { test, assert, streamd, chromium, page, signIn, publish, watch, sessions, until, cleanUp } from './lib.js';

const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' } } });
const browser = await chromium();
const publisher = await publish(server, 'cam', { token: await server.token('cam', '--type', 'publish', '--max-uses', '9') });

async function livePage(t, options) {
	// A stream that has just begun has no picture, and the browser notes the answer.
	const p = await page(t, browser, { allow: /404 .*master\.m3u8/, ...options });
	await signIn(p, server);
	return [p, p.getByRole('article', { name: 'Stream cam' })];
}

/* What of the picture is not black, 0 to 1, and a number that changes with it. */
const seen = card => card.locator('video').evaluate(v => {
	const c = Object.assign(document.createElement('canvas'), { width: 64, height: 36 }).getContext('2d');
	c.drawImage(v, 0, 0, 64, 36);
	const { data } = c.getImageData(0, 0, 64, 36);
	let lit = 0, sum = 0;
	for (let i = 0; i < data.length; i += 4) {
		lit += data[i] + data[i + 1] + data[i + 2] > 60;
		sum = (sum * 31 + data[i] + data[i + 1] * 3 + data[i + 2] * 7) % 1e9;
	}
	return { lit: lit / 2304, sum };
});

test('a stream has a picture that is made anew, on one session of the panel, which spends no token', async t => {
	const tokens = (await server.ctl('list', '--json')).items.length;
	const [p, card] = await livePage(t);
	const first = await until(async () => {
		const now = await seen(card);
		return now.lit > 0.3 && now;
	}, 'the picture');
	const at = await card.locator('video').evaluate(v => v.currentTime);
	await until(async () => await card.locator('video').evaluate(v => v.currentTime) > at + 3, 'the next picture');
	assert.ok((await seen(card)).lit > 0.3);
	assert.notEqual((await seen(card)).sum, first.sum);
	const previews = (await sessions(server)).filter(s => s.protocol === 'preview');
	assert.equal(previews.length, 1);
	assert.equal(previews[0].token, null);
	assert.equal((await server.ctl('list', '--json')).items.length, tokens);
	await card.getByText('Nobody is watching').waitFor();
	// Looking elsewhere and back makes no second one.
	await p.getByRole('link', { name: 'Audit' }).click();
	await p.getByText('An administrator looks.').first().waitFor();
	await p.getByRole('link', { name: 'Live' }).click();
	await until(async () => (await seen(card)).lit > 0.3);
	assert.equal((await sessions(server)).filter(s => s.protocol === 'preview').length, 1);
});

test('it plays when asked, and stands still again', async t => {
	const [, card] = await livePage(t);
	await card.getByRole('button', { name: 'Play cam' }).click();
	const now = () => card.locator('video').evaluate(v => v.currentTime);
	const from = await now();
	await until(async () => await now() > from + 3, 'three seconds of it');
	assert.equal(await card.locator('video').evaluate(v => v.paused || v.muted === false), false);
	await card.getByRole('button', { name: 'Pause cam' }).click();
	await card.getByRole('button', { name: 'Play cam' }).waitFor();
	assert.equal(await card.locator('video').evaluate(v => v.paused), true);
});

test('a preview is behind the gate: without the session there is no media, and without an administrator no session', async () => {
	assert.equal((await fetch(`${server.http}/live/streams/cam.m3u8`)).status, 401);
	const none = 'A'.repeat(22);
	for (const name of ['master.m3u8', 'index.m3u8', 'init.mp4'])
		assert.equal((await fetch(`${server.http}/live/streams/s/${none}/cam/${name}`)).status, 403);
	const url = `${server.http}/api/v1/streams/live/cam/preview`;
	assert.equal((await fetch(url, { method: 'POST' })).status, 401);
	const { key } = await server.ctl('apikey', 'create', '--scope', 'tokens', '--json');
	assert.equal((await fetch(url, { method: 'POST', headers: { Authorization: `Bearer ${key}` } })).status, 403);
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
	await p.getByText(/^1 stream, 2 viewers, [\d.]+ [kM]bit\/s coming in$/).waitFor();
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

test('a stream without a picture says so, one that begins and ends comes and goes', async t => {
	const [p] = await livePage(t);
	const token = await server.token('second', '--type', 'publish');
	await publish(server, 'second', { token });
	const card = p.getByRole('article', { name: 'Stream second' });
	await card.getByRole('button', { name: 'Play second' }).waitFor(); // its picture is there
	// Shown out: one that just breaks off is waited for.
	await server.ctl('kick', (await sessions(server)).find(s => s.streamId === 'second' && s.type === 'publish').id);
	await card.waitFor({ state: 'detached' });
	// A preview that asks for more in that very moment is refused, and the browser notes it.
	assert.deepEqual(p.wrong.splice(0).filter(w => !/status of (403|404|503) .*\/streams\/s\/[^/]+\/second\//.test(w)), []);
});

test('stopping shows the publisher out, and nothing is live then', async t => {
	const [p, card] = await livePage(t);
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
