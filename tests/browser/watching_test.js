// Sessions and Audit on the panel: live, filtered, saved; a refused attempt explains itself.
import { test, assert, streamd, chromium, page, signIn, publish, watch, until, cleanUp } from './lib.js';

const server = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' } } });
const browser = await chromium();
await publish(server, 'cam', { token: await server.token('cam', '--type', 'publish') });

async function open(t, view, options) {
	const p = await page(t, browser, options);
	await signIn(p, server, { view });
	return p;
}

async function saved(p, kind) {
	const [download] = await Promise.all([p.waitForEvent('download'), p.getByRole('button', { name: `Export as ${kind}` }).click()]);
	return { name: download.suggestedFilename(), text: (await (await download.createReadStream()).setEncoding('utf8').toArray()).join('') };
}

const attempt = (token, stream = 'cam') => fetch(`${server.http}/live/streams/${stream}.flv${token === undefined ? '' : `?token=${token}`}`);

test('sessions come and go by themselves, are filtered, and lead to their token', async t => {
	const p = await open(t, 'sessions');
	const publisher = p.getByRole('row').filter({ hasText: 'Publishes' });
	await publisher.waitFor();
	const viewer = await watch(server, 'cam', { token: await server.token('cam', '--label', 'Ada') });
	const row = p.getByRole('row').filter({ hasText: 'curl/' });
	await row.getByText('Watches').waitFor();
	await row.getByText('HTTP-FLV').waitFor();
	await p.getByLabel('Type').selectOption('publish');
	await row.waitFor({ state: 'detached' });
	await p.getByLabel('Type').selectOption('');
	await p.getByLabel('Protocol').selectOption('flv');
	await publisher.waitFor({ state: 'detached' });
	await p.getByLabel('Stream', { exact: true }).fill('another');
	await p.getByRole('heading', { name: 'Nobody is in' }).waitFor();
	await p.getByLabel('Stream', { exact: true }).fill('cam');
	await row.getByRole('link', { name: viewer.session.token }).click();
	await p.getByRole('dialog', { name: `Token ${viewer.session.token}` }).getByText('Ada').waitFor();
	await p.keyboard.press('Escape');
	await p.getByRole('link', { name: 'Sessions' }).click();
	await row.waitFor();
	await viewer.stop();
	await row.waitFor({ state: 'detached' });
});

test('sessions are saved as CSV and JSON', async t => {
	const viewer = await watch(server, 'cam', { token: await server.token('cam') });
	const p = await open(t, 'sessions');
	await p.getByRole('row').filter({ hasText: 'curl/' }).waitFor();
	const csv = await saved(p, 'CSV');
	assert.match(csv.name, /^sessions-\d{4}-\d\d-\d\dT\d{6}\.csv$/);
	const lines = csv.text.trim().split('\r\n');
	assert.equal(lines[0], 'id,type,state,app,streamId,protocol,address,userAgent,startedAt,token,bytes');
	assert.ok(lines.some(l => l.startsWith(`${viewer.session.id},play,active,live,cam,flv,127.0.0.1,curl/`)));
	const json = JSON.parse((await saved(p, 'JSON')).text);
	assert.equal(json.find(s => s.id === viewer.session.id).token, viewer.session.token);
	await viewer.stop();
});

test('every refusal is told in words, as it happens', async t => {
	const p = await open(t, 'audit', { width: 360 });
	await p.getByText('With a token.').first().waitFor();
	const used = await server.token('cam'), revoked = await server.token('cam'), other = await server.token('other');
	const wrong = await server.token('cam', '--type', 'publish'), early = await server.token('later');
	await (await watch(server, 'cam', { token: used })).stop();
	await server.ctl('revoke', (await server.ctl('check', '-', '--stream', 'cam', '--type', 'play', '--json', { input: revoked })).id);
	for (const [token, stream, words] of [[undefined, 'cam', 'No token was given, and this stream needs one.'],
		['nonsense', 'cam', 'The token is none of ours'], [used, 'cam', 'The token had been used as often as it may be.'],
		[revoked, 'cam', 'The token had been revoked.'], [other, 'cam', 'The token is for another stream.'],
		[wrong, 'cam', 'The token is for the other direction'], [early, 'later', 'Nobody was publishing the stream']]) {
		const answer = await attempt(token, stream);
		await answer.body.cancel();
		assert.ok([401, 403, 404].includes(answer.status));
		await p.getByRole('row').filter({ hasText: 'Refused' }).getByText(words).first().waitFor();
	}
	for (const secret of [used, revoked, other, wrong, early])
		assert.ok(!(await p.content()).includes(secret));
});

test('the audit is filtered, stands still when asked, and is saved as CSV and JSON', async t => {
	const token = await server.token('cam', '--label', 'audited');
	const viewer = await watch(server, 'cam', { token });
	await viewer.stop();
	await (await attempt()).body.cancel();
	const p = await open(t, 'audit');
	await p.getByLabel('Token').fill(viewer.session.token);
	await p.getByText('2 rows, newest first', { exact: true }).waitFor();
	await p.getByRole('cell', { name: 'Let in' }).waitFor();
	await p.getByRole('cell', { name: 'Left' }).waitFor();
	const rows = JSON.parse((await saved(p, 'JSON')).text);
	assert.deepEqual(rows.map(r => r.event), ['ended', 'admitted']);
	assert.ok(rows.every(r => r.token === viewer.session.token && r.protocol === 'flv' && r.streamId === 'cam'));
	const csv = (await saved(p, 'CSV')).text.trim().split('\r\n');
	assert.equal(csv[0], 'seq,time,event,reason,app,streamId,type,protocol,address,token,session,detail');
	assert.equal(csv.length, 3);

	await p.getByLabel('Token').fill('');
	await p.getByLabel('Why refused').selectOption('missing_token');
	await until(async () => (await p.locator('tbody tr .badge').allTextContents()).every(x => x === 'Refused') && await p.locator('tbody tr').count());
	await p.getByRole('button', { name: 'Pause' }).click();
	const before = await p.locator('tbody tr').count();
	await (await attempt()).body.cancel();
	await until(async () => (await (await p.request.get(`${server.http}/api/v1/audit?reason=missing_token&limit=1000`)).json()).items.length > before);
	assert.equal(await p.locator('tbody tr').count(), before);
	await p.getByRole('button', { name: 'Go on' }).click();
	await until(async () => await p.locator('tbody tr').count() > before);
	await p.getByLabel('What').selectOption('admitted');
	await until(async () => (await p.locator('tbody tr .badge').allTextContents()).every(x => x === 'Let in'));
});

test('a sign-in that failed is marked, and a setting is not called a switch', async t => {
	await fetch(`${server.http}/api/v1/login`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Streamgate': '1', Origin: server.http }, body: '{"password":"guess it"}' });
	const p = await open(t, 'audit');
	const row = p.getByRole('row').filter({ hasText: 'Wrong password' }).first();
	await row.locator('.badge.bad', { hasText: 'Sign-in' }).waitFor();
	await p.getByRole('row').filter({ hasText: 'Administrator\'s password set' }).getByText('Setting changed').waitFor();
});

test('the audit goes back a page at a time', async t => {
	for (let i = 0; i < 120; i++)
		await (await attempt(undefined, `page-${i}`)).body.cancel();
	const p = await open(t, 'audit');
	await p.getByText('100 shown, and more').waitFor();
	await p.getByRole('button', { name: 'Show more' }).click();
	await until(async () => await p.locator('tbody tr').count() > 120);
	const times = await p.locator('tbody time').evaluateAll(all => all.map(x => Date.parse(x.dateTime)));
	assert.deepEqual(times, [...times].sort((a, b) => b - a));
});

cleanUp();
