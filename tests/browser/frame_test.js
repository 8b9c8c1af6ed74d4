// What holds on every page of the panel: the keyboard alone, any time zone, a server that goes and comes, a sign-in
// that ends.
import { test, assert, streamd, chromium, page, axe, signIn, until, cleanUp, PASSWORD } from './lib.js';

const server = await streamd({ apps: { live: { play_token: 'on' } } });
const browser = await chromium();

const focused = p => p.evaluate(() => {
	const el = document.activeElement;
	return el.getAttribute('aria-label') ?? el.labels?.[0]?.textContent ?? el.textContent.trim();
});

/* Tab until `name` has the focus; every stop on the way must be seen to have it. */
async function tabTo(p, name, key = 'Tab') {
	for (let i = 0; i < 60; i++) {
		await p.keyboard.press(key);
		const now = await focused(p);
		const ring = await p.evaluate(() => {
			const seen = document.activeElement;
			const s = getComputedStyle(seen), r = seen.getBoundingClientRect();
			return seen === document.body || (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 && r.bottom > 0 && r.top < innerHeight);
		});
		assert.ok(ring, `no focus is seen on ${now}`);
		if (now === name || name.test?.(now))
			return;
	}
	assert.fail(`the keyboard does not reach ${name}`);
}

for (const width of [360, 1600])
	test(`an hour's work by the keyboard alone at ${width} px`, async t => {
		const p = await page(t, browser, { width });
		await p.goto(server.http);
		await p.getByLabel('Administrator’s password').waitFor();
		await p.keyboard.type(PASSWORD); // it has the focus
		await p.keyboard.press('Enter');
		await p.getByRole('heading', { name: 'Live', exact: true }).waitFor();
		await p.keyboard.press('Tab');
		assert.equal(await focused(p), 'Skip to the content');
		await tabTo(p, 'Tokens');
		await p.keyboard.press('Enter');
		await p.getByRole('heading', { name: 'Tokens', exact: true }).waitFor();
		assert.equal(await focused(p), 'Tokens'); // the heading
		await tabTo(p, 'New token');
		await p.keyboard.press('Enter');
		await p.getByRole('dialog').waitFor();
		await p.keyboard.type(`by-keyboard-${width}`);
		await tabTo(p, 'Opens', 'Shift+Tab');
		await p.keyboard.press('ArrowDown');
		await tabTo(p, 'Label');
		await p.keyboard.type('no mouse');
		await p.keyboard.press('Enter');
		await p.getByText('Shown this once.').waitFor();
		await tabTo(p, 'QR code of Token');
		await p.keyboard.press('Enter');
		await p.getByRole('img', { name: 'QR code of Token' }).waitFor();
		await p.keyboard.press('Escape');
		await p.getByRole('dialog').waitFor({ state: 'detached' });
		assert.equal(await focused(p), 'New token'); // given back
		const made = (await server.ctl('list', `by-keyboard-${width}`, '--json')).items[0];
		assert.equal(made.type, 'publish');

		await p.getByText('no mouse').first().waitFor();
		await tabTo(p, `Choose token ${made.id}`);
		await p.keyboard.press('Space');
		await p.getByText('1 token chosen').waitFor();
		await tabTo(p, 'Revoke 1 chosen token', 'Shift+Tab');
		await p.keyboard.press('Enter');
		await p.getByRole('dialog').waitFor();
		assert.equal(await focused(p), 'Revoke');
		await p.keyboard.press('Enter');
		await p.getByRole('button', { name: 'Undo' }).waitFor();
		await tabTo(p, 'Now');
		await p.keyboard.press('Enter');
		await until(async () => (await server.ctl('show', made.id, '--json')).state === 'revoked');
		await tabTo(p, 'Control');
		await p.keyboard.press('Enter');
		await p.getByRole('switch', { name: 'Publishing needs a token' }).waitFor();
	});

for (const [zone, offset] of [['Pacific/Marquesas', '-09:30'], ['Asia/Kathmandu', '+05:45'], ['Pacific/Kiritimati', '+14:00'], ['UTC', '+00:00']])
	test(`times are local and exact in ${zone}`, async t => {
		const at = 1900000000 + 41 * 60, id = (await server.ctl('create', 'zoned', '--expires-at', String(at), '--json')).id;
		const p = await page(t, browser, { timezoneId: zone });
		await signIn(p, server, { view: 'tokens' });
		const row = p.getByRole('row').filter({ hasText: id });
		const time = row.locator('time').first(), exact = await time.getAttribute('title');
		assert.ok(exact.endsWith(offset), exact);
		assert.equal(Date.parse(exact), at * 1000);
		assert.equal(Date.parse(await time.getAttribute('datetime')), at * 1000);
		const local = await p.evaluate(ms => new Date(ms).toLocaleString('en-GB', { hour: '2-digit', minute: '2-digit' }), at * 1000);
		assert.ok((await time.textContent()).includes(local), `${await time.textContent()} is not ${local}`);
		await p.getByRole('button', { name: 'New token' }).click();
		await p.getByRole('dialog').getByLabel('Expires', { exact: true }).selectOption('at');
		await p.getByRole('dialog').getByText(zone === 'Asia/Kathmandu' ? /Kath?mandu/ : zone).waitFor();
		await p.getByLabel('Expires at').fill('2031-02-03T04:05');
		await p.getByRole('dialog').getByLabel('Stream', { exact: true }).fill('zoned-2');
		await p.getByRole('button', { name: 'Create' }).click();
		await p.getByText('Shown this once.').waitFor();
		const made = (await server.ctl('list', 'zoned-2', '--json')).items[0];
		assert.equal(made.expireDate, Date.parse(`2031-02-03T04:05:00${offset}`) / 1000);
	});

test('a server that is gone is told, and work goes on when it is back', async t => {
	const own = await streamd();
	const p = await page(t, browser, { allow: /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED|401/ });
	await signIn(p, own, { view: 'tokens' });
	await p.getByText('No tokens yet').waitFor();
	await own.stop();
	await p.getByText('The server does not answer.').first().waitFor();
	assert.deepEqual(await axe(p), []);
	await own.start();
	// Its sessions of administrators were in memory: it asks once more, and leads back to the same page.
	await p.getByText('Your sign-in has ended.').first().waitFor();
	await p.getByLabel('Administrator’s password').fill(PASSWORD);
	await p.keyboard.press('Enter');
	await p.getByRole('heading', { name: 'Tokens', exact: true }).waitFor();
	await own.ctl('create', 'after', '--label', 'after the break');
	await p.getByRole('button', { name: 'New token' }).click();
	await p.keyboard.press('Escape');
	await p.getByText('after the break').waitFor();
	assert.equal(await p.getByRole('region', { name: 'Warnings' }).getByText('does not answer').count(), 0);
});

test('a server that is gone when the page is opened again, and a network that breaks', async t => {
	const own = await streamd();
	const p = await page(t, browser, { allow: /ERR_/ });
	await signIn(p, own, { view: 'tokens' });
	await p.getByText('No tokens yet').waitFor();
	await p.context().setOffline(true);
	await p.getByRole('link', { name: 'Audit' }).click();
	await p.getByText('The server does not answer.').first().waitFor();
	await p.context().setOffline(false);
	await p.getByRole('region', { name: 'Warnings' }).getByText('The server does not answer.').waitFor({ state: 'detached' });
	await p.getByRole('row').nth(1).waitFor();
});

test('a sign-in that ends elsewhere asks again and comes back to the page', async t => {
	const p = await page(t, browser, { allow: /401/ });
	await signIn(p, server, { view: 'sessions' });
	await p.getByText('Nobody is in').waitFor();
	await p.context().clearCookies();
	await p.getByText('Your sign-in has ended.').first().waitFor();
	await p.getByLabel('Administrator’s password').fill(PASSWORD);
	await p.keyboard.press('Enter');
	await p.getByRole('heading', { name: 'Sessions', exact: true }).waitFor();
});

test('light and dark follow the system, at once', async t => {
	const p = await page(t, browser);
	await signIn(p, server);
	const background = () => p.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const light = await background();
	await p.emulateMedia({ colorScheme: 'dark' });
	await until(async () => await background() !== light);
});

test('text twice as large is not cut off', async t => {
	const p = await page(t, browser, { width: 800 });
	await signIn(p, server);
	for (const view of ['live', 'control', 'tokens', 'sessions', 'audit']) {
		await p.goto(`${server.http}/#/${view}`);
		await p.locator('main h1').waitFor();
		await p.evaluate(() => { document.documentElement.style.fontSize = '32px'; });
		assert.ok(await p.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), view);
	}
});

cleanUp();
