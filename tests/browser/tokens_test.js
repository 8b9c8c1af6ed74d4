// Tokens on the panel: made, handed over, found again, revoked, and what cannot be undone.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import path from 'node:path';
import { test, assert, streamd, chromium, page, axe, signIn, publish, watch, sessions, until, folder, cleanUp } from './lib.js';

const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' } } });
const browser = await chromium();

// On ports that stand in the configuration now, so that the links have them.
await server.stop();
await server.start();

const exec = promisify(execFile);
const shown = async id => server.ctl('show', id, '--json');

/* As a person reads it: with a camera. */
async function scan(p) {
	const file = path.join(folder(), 'qr.png');
	await p.locator('.qr').screenshot({ path: file, scale: 'css' });
	return (await exec('zbarimg', ['-q', '--raw', file])).stdout.trim();
}

async function tokensPage(t, options) {
	const p = await page(t, browser, options);
	await signIn(p, server, { view: 'tokens' });
	return p;
}

test('a token is made with everything that can be said about it; its secret is shown once', async t => {
	const p = await tokensPage(t, { permissions: ['clipboard-read', 'clipboard-write'], allow: /400 \(Bad Request\)/ });
	await p.getByRole('button', { name: 'New token' }).click();
	const d = p.getByRole('dialog');
	await d.getByRole('button', { name: 'Create' }).click();
	await d.getByText('Which stream is it to open?').waitFor();
	await d.getByLabel('Stream', { exact: true }).fill('../etc');
	await d.getByRole('button', { name: 'Create' }).click();
	await d.getByRole('alert').filter({ hasText: /stream/i }).waitFor();
	await d.getByLabel('Stream', { exact: true }).fill('studio');
	await d.getByLabel('Expires', { exact: true }).selectOption('6h');
	await d.getByLabel('Uses').fill('3');
	await d.getByLabel('Label').fill('For Ada');
	await d.getByText('More', { exact: true }).click();
	await d.getByLabel('May reconnect').selectOption('30s');
	await d.getByRole('button', { name: 'Create' }).click();

	await d.getByText('Shown this once.').waitFor();
	const secret = (await d.locator('code').first().textContent()).trim();
	assert.match(secret, /^[\w-]{32}$/);
	await d.getByRole('button', { name: 'Copy Token' }).click();
	await d.getByRole('button', { name: 'Copied Token' }).waitFor();
	assert.equal(await p.evaluate(() => navigator.clipboard.readText()), secret);
	for (const [name, url] of [['RTMP', `rtmp://${server.rtmp}/live/studio?token=${secret}`],
		...['m3u8', 'flv', 'ts', 'mp4'].map((ext, i) => [['HLS', 'HTTP-FLV', 'HTTP-TS', 'Recording'][i],
			`${server.http}/live/streams/studio.${ext}?token=${secret}`])]) {
		await d.getByText(url, { exact: true }).waitFor();
		await d.getByRole('button', { name: `QR code of ${name} link` }).click();
		await p.getByRole('img', { name: `QR code of ${name} link` }).waitFor();
		assert.equal(await scan(p), url);
	}
	await d.getByRole('button', { name: 'Done' }).click();

	const row = p.getByRole('row').filter({ hasText: 'For Ada' });
	await row.waitFor();
	const id = await row.getByRole('button').first().textContent();
	const kept = await shown(id);
	assert.equal(kept.maxUses, 3);
	assert.equal(kept.resume, 30);
	assert.equal(kept.label, 'For Ada');
	assert.ok(Math.abs(kept.expireDate - kept.createdAt - 6 * 3600) <= 1);
	assert.ok(!(await p.content()).includes(secret), 'the page still has the secret');
	await p.reload();
	await row.waitFor();
	assert.ok(!(await p.content()).includes(secret));
	assert.equal(await p.evaluate(() => JSON.stringify([localStorage, sessionStorage, history.state, location.href]).includes('token=')), false);
});

test('a code of every size can be read', async t => {
	const p = await tokensPage(t);
	await p.getByRole('row').filter({ hasText: 'For Ada' }).waitFor(); // drawn: it is not drawn anew any more
	for (let length = 1; length <= 213; length += length < 40 ? 13 : 17) {
		const text = 'https://host.example/'.padEnd(length, 'aB3-_').slice(0, length);
		await p.evaluate(async text => {
			const { qr } = await import('/panel/qr.js');
			document.querySelector('.qr')?.remove();
			document.querySelector('main').prepend(qr(text, 'code'));
		}, text);
		assert.equal(await scan(p), text, `${length} bytes`);
	}
	assert.equal(await p.evaluate(async () => (await import('/panel/qr.js')).qr('x'.repeat(214), '')), null);
});

test('a stream that is live is suggested; many at a time are saved as a file', async t => {
	const live = await publish(server, 'suggested', { token: await server.token('suggested', '--type', 'publish') });
	const p = await tokensPage(t);
	await p.getByRole('button', { name: 'New token' }).click();
	const d = p.getByRole('dialog');
	const list = await d.getByLabel('Stream', { exact: true }).getAttribute('list');
	await until(async () => (await p.locator(`#${list} option`).evaluateAll(o => o.map(x => x.value))).includes('suggested'));
	await live.stop();
	await d.getByLabel('Stream', { exact: true }).fill('hall');
	await d.getByText('More', { exact: true }).click();
	await d.getByLabel('How many tokens').fill('25');
	await d.getByRole('button', { name: 'Create' }).click();
	await d.getByRole('heading', { name: '25 tokens created' }).waitFor();
	const [download] = await Promise.all([p.waitForEvent('download'), d.getByRole('button', { name: 'Save as CSV' }).click()]);
	const text = await (await download.createReadStream()).setEncoding('utf8').toArray();
	const rows = text.join('').trim().split('\r\n');
	assert.equal(rows.length, 26);
	assert.match(rows[0], /^tokenId,id,app,streamId,type,label,expireDate,/);
	assert.equal(new Set(rows.slice(1).map(r => r.split(',')[0])).size, 25);
});

test('revoking waits five seconds, can be taken back, and then shows the viewer out', async t => {
	await publish(server, 'cam', { token: await server.token('cam', '--type', 'publish', '--label', 'the publisher') });
	const viewer = await watch(server, 'cam', { token: await server.token('cam', '--label', 'the viewer') });
	const p = await tokensPage(t);
	const row = p.getByRole('row').filter({ hasText: 'the viewer' });
	await row.getByRole('button', { name: 'Revoke' }).click();
	await p.getByText('Revoking cannot be undone. It is sent after five seconds').waitFor();
	assert.deepEqual(await axe(p), []);
	await p.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('button', { name: 'Undo' }).waitFor();
	assert.deepEqual(await axe(p), []);
	await p.keyboard.press('Control+z');
	await p.getByRole('button', { name: 'Undo' }).waitFor({ state: 'detached' });
	assert.equal((await shown(viewer.session.token)).state, 'used');
	assert.equal((await sessions(server)).some(s => s.id === viewer.session.id), true);

	await row.getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('button', { name: 'Now' }).click();
	await p.getByText('1 token revoked. 1 session ended.').first().waitFor();
	await viewer.exited;
	await row.getByText('Revoked').waitFor();
	assert.equal(await row.getByRole('button', { name: 'Revoke' }).count(), 0);

	// With the session left alone.
	const second = await watch(server, 'cam', { token: await server.token('cam', '--label', 'second') });
	const other = p.getByRole('row').filter({ hasText: 'second' });
	await other.getByRole('button', { name: 'Revoke' }).click();
	await p.getByLabel('Leave who came in with it').check();
	await p.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('button', { name: 'Now' }).click();
	await other.getByText('Revoked').waitFor();
	assert.equal((await sessions(server)).some(s => s.id === second.session.id), true);
	await second.stop();
});

test('leaving the page sends what was to be revoked', async t => {
	const id = (await server.ctl('create', 'cam', '--label', 'left behind', '--json')).id;
	const p = await tokensPage(t);
	await p.getByRole('row').filter({ hasText: 'left behind' }).getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('button', { name: 'Undo' }).waitFor();
	await p.goto('about:blank');
	await until(async () => (await shown(id)).state === 'revoked');
});

test('many are revoked: those that are chosen, or all of a stream', async t => {
	await server.ctl('create', 'bulk', '--count', '30');
	const p = await tokensPage(t);
	await p.getByLabel('Stream', { exact: true }).fill('bulk');
	await p.getByText('30 tokens, newest first').waitFor();
	const boxes = p.getByRole('checkbox', { name: /^Choose token/ });
	await boxes.nth(0).check();
	await boxes.nth(1).check();
	await p.getByText('2 tokens chosen').waitFor();
	assert.deepEqual(await axe(p), []);
	await p.getByRole('button', { name: 'Revoke 2 chosen tokens' }).click();
	await p.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('button', { name: 'Now' }).click();
	await p.getByText('2 tokens revoked.').first().waitFor();
	await p.getByRole('button', { name: 'Revoke all of bulk' }).click();
	await p.getByRole('dialog').getByRole('button', { name: 'Revoke them' }).click();
	await p.getByRole('button', { name: 'Now' }).click();
	await p.getByText('28 tokens revoked.').first().waitFor();
	await p.getByLabel('State').selectOption('active');
	await p.getByText('No token is like that').waitFor();
});

test('the list is filtered, searched and paged; its address can be sent to a colleague', async t => {
	await server.ctl('create', 'paged', '--count', '250', '--label', 'Batch');
	await server.ctl('create', 'needle', '--label', 'in the haystack');
	const p = await tokensPage(t);
	await p.getByLabel('Search').fill('haystack');
	await p.getByText('1 token, newest first').waitFor();
	assert.match(p.url(), /\?q=haystack/);
	const other = await tokensPage(t);
	await other.goto(`${server.http}/${new URL(p.url()).hash}`);
	await other.getByText('1 token, newest first').waitFor();
	await p.getByLabel('Search').fill('');
	await p.getByLabel('Stream', { exact: true }).fill('paged');
	await p.getByRole('row').nth(1).filter({ hasText: 'Batch' }).waitFor();
	await p.getByText('100 shown, and more').waitFor();
	await p.getByRole('button', { name: 'Show more' }).click();
	await p.getByText('200 shown, and more').waitFor();
	await p.getByRole('button', { name: 'Show more' }).click();
	await p.getByText('250 tokens, newest first').waitFor();
	assert.equal(await p.getByRole('button', { name: 'Show more' }).count(), 0);
	assert.equal(await p.getByRole('row').count(), 251);
	await p.getByLabel('Type').selectOption('publish');
	await p.getByText('No token is like that').waitFor();
	await p.getByLabel('Type').selectOption('play');
	await p.getByLabel('State').selectOption('used');
	await p.getByText('No token is like that').waitFor();
});

cleanUp();
