// What goes wrong while somebody works with the panel: it is told once, where it is seen and heard, in words; what was
// begun is not lost, and neither are the keyboard's place nor what was chosen.
import { test, assert, streamd, chromium, page, signIn, publish, until, cleanUp } from './lib.js';

const server = await streamd({ apps: { live: { play_token: 'on' }, events: {} } });
const browser = await chromium();

const state = async id => (await server.ctl('show', id, '--json')).state;
const made = async (...args) => (await server.ctl('create', ...args, '--json')).id;

async function tokensPage(t, options) {
	const p = await page(t, browser, options);
	await signIn(p, server, { view: 'tokens' });
	await p.getByRole('heading', { name: 'Tokens', exact: true }).waitFor();
	return p;
}

const row = (p, id) => p.getByRole('row').filter({ hasText: id });

async function revoke(p, id) {
	await row(p, id).getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
}

/* Is it heard? Nothing is that stands outside of a dialog that is open. */
const heard = (p, text) => p.evaluate(text => [...document.querySelectorAll('[role=status], [role=alert]')].some(el =>
	el.textContent.includes(text) && (!document.querySelector('dialog[open]') || el.closest('dialog[open]'))), text);

test('what is told while a dialog is open is seen and heard in it; what is told afterwards, on the page', async t => {
	const id = await made('notices');
	const p = await tokensPage(t, { allow: /503/ });
	await row(p, id).waitFor();
	await p.route('**/api/v1/tokens?*', r => r.fulfill({ status: 503, json: { detail: 'the store is busy' } }));
	await p.getByRole('button', { name: 'New token' }).click();
	await p.getByRole('dialog').getByLabel('Stream', { exact: true }).fill('x');
	await server.ctl('create', 'another'); // the bell rings, and the list is read again
	await fetch(`${server.http}/live/streams/notices.flv`);
	await until(() => heard(p, 'The store is busy.'));
	await p.getByRole('dialog').getByText('The store is busy.').first().waitFor();
	await p.unroute('**/api/v1/tokens?*');
	await p.keyboard.press('Escape');
	await p.getByRole('dialog').waitFor({ state: 'detached' });

	await revoke(p, id);
	await p.getByRole('button', { name: 'Undo' }).waitFor();
	await p.getByRole('button', { name: 'Undo' }).click();
	await until(() => heard(p, 'Taken back.'));
	assert.equal(await state(id), 'active');
});

test('the same trouble again and again is told once', async t => {
	const p = await page(t, browser, { allow: /503/ });
	await signIn(p, server, { view: 'live' }); // read every two seconds
	await p.route('**/api/v1/streams*', r => r.fulfill({ status: 503, json: { detail: 'too many calls at a time' } }));
	const asked = [];
	p.on('response', r => r.status() === 503 && asked.push(r));
	await until(() => asked.length >= 4);
	await p.locator('.toast').first().waitFor();
	assert.equal(await p.locator('.toast').count(), 1);
});

test('an answer that is none of the server’s is told in words', async t => {
	const p = await tokensPage(t);
	await p.route('**/api/v1/tokens?*', r => r.fulfill({ status: 200, contentType: 'text/html', body: '<!doctype html>Sign in to the hotel' }));
	await p.getByLabel('State').selectOption('used');
	await p.locator('.toast.bad').getByText('The answer is not the server’s: is there something in between?').waitFor();
});

test('a server that takes a call and never answers is told', async t => {
	const p = await tokensPage(t);
	await p.route(/api\/v1\/tokens|healthz/, () => { /* for ever */ });
	await p.getByLabel('State').selectOption('used');
	await p.getByRole('region', { name: 'Warnings' }).getByText('The server does not answer.').waitFor({ timeout: 25000 });
	await p.unrouteAll({ behavior: 'ignoreErrors' });
	await p.getByRole('region', { name: 'Warnings' }).getByText('The server does not answer.').waitFor({ state: 'detached' });
});

test('a token that opens for ages does not cost the list', async t => {
	// As scripts for Ant Media Server write "never".
	const { key } = await server.ctl('apikey', 'create', '--json');
	const answer = await fetch(`${server.http}/live/rest/v2/broadcasts/ages/token?expireDate=99999999999999&type=play`, { headers: { Authorization: `Bearer ${key}` } });
	assert.equal(answer.status, 200);
	const id = (await server.ctl('list', 'ages', '--json')).items[0].id;
	const p = await tokensPage(t);
	await row(p, id).getByText('In ages').waitFor();
	await row(p, id).getByRole('button', { name: id, exact: true }).click();
	await p.getByRole('dialog').getByText('In ages').waitFor();
});

test('a time of another year says which', async t => {
	const year = new Date().getFullYear() + 3, id = await made('years', '--expires-at', `${year}-06-15T12:00:00Z`);
	const p = await tokensPage(t);
	await row(p, id).getByText(String(year)).waitFor();
});

test('signing out sends what was about to be revoked', async t => {
	const id = await made('leaver');
	const p = await tokensPage(t, { allow: /401/ });
	await revoke(p, id);
	await p.getByRole('button', { name: 'Undo' }).waitFor();
	await p.getByRole('button', { name: 'Account' }).click();
	await p.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
	await p.getByLabel('Administrator’s password').waitFor();
	assert.equal(await state(id), 'revoked');
});

test('leaving the page sends all that were to be revoked', async t => {
	await server.ctl('create', 'leavers', '--count', '40');
	const p = await tokensPage(t);
	await p.getByLabel('Stream', { exact: true }).fill('leavers');
	await p.getByText('40 tokens, newest first').waitFor();
	await until(() => heard(p, '40 tokens'));
	await p.getByRole('checkbox', { name: 'Choose all that are shown' }).check();
	await p.getByRole('button', { name: 'Revoke 40 chosen tokens' }).click();
	await p.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
	await p.getByRole('button', { name: 'Undo' }).waitFor();
	await p.goto('about:blank');
	await until(async () => (await server.ctl('list', 'leavers', '--state', 'revoked', '--json')).items.length === 40, 'all of them', 5000);
});

test('what is chosen, and the place of the keyboard, stay while the list is read again', async t => {
	const id = await made('chosen');
	const p = await tokensPage(t);
	await p.getByRole('checkbox', { name: `Choose token ${id}` }).check();
	const bulk = p.getByRole('button', { name: 'Revoke 1 chosen token' });
	await bulk.focus();
	const read = p.waitForResponse(/api\/v1\/tokens\?/);
	await fetch(`${server.http}/live/streams/chosen.flv`); // the bell
	await read;
	await p.evaluate(() => new Promise(done => setTimeout(done, 300)));
	assert.equal(await p.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Revoke 1 chosen token');
	await p.keyboard.press('Enter');
	await p.getByRole('dialog').waitFor();
	await p.keyboard.press('Escape');
	await p.getByRole('dialog').waitFor({ state: 'detached' });
	await bulk.waitFor();
	assert.equal(await p.getByRole('checkbox', { name: `Choose token ${id}` }).isChecked(), true);
});

test('more and more is shown by the keyboard, and heard', async t => {
	await server.ctl('create', 'many', '--count', '350', '--quiet');
	const p = await tokensPage(t);
	await p.getByLabel('Stream', { exact: true }).fill('many');
	await until(() => heard(p, '100 shown')); // as it says before, too, of all streams
	await p.getByRole('button', { name: 'Show more' }).focus();
	for (const n of [200, 300]) {
		await p.keyboard.press('Enter');
		await p.getByText(`${n} shown, and more`).waitFor();
		await until(() => heard(p, `${n} shown`));
	}
});

test('a list that has not been read says so, and not that it is empty', async t => {
	const p = await tokensPage(t);
	let go;
	await p.route('**/api/v1/audit*', async r => { await new Promise(done => { go = done; }); await r.continue(); });
	await p.getByRole('link', { name: 'Audit' }).click();
	await p.getByText('Reading…').waitFor();
	await until(() => go);
	go();
	await p.getByText('Reading…').waitFor({ state: 'hidden' });
	await p.getByRole('row').nth(1).waitFor();
});

test('of a stream, the tokens of one application are shown, and it says which', async t => {
	const here = await made('concert'), there = await made('concert', '--app', 'events');
	const p = await tokensPage(t);
	await row(p, here).waitFor();
	await row(p, there).waitFor();
	await p.getByLabel('Stream', { exact: true }).fill('concert');
	await p.getByText('1 token, newest first').waitFor();
	await row(p, here).waitFor();
	assert.equal(await p.getByLabel('Application').inputValue(), 'live');
	await p.getByLabel('Application').selectOption('events');
	await row(p, there).waitFor();
	await row(p, here).waitFor({ state: 'detached' });
	assert.match(p.url(), /streamId=concert&app=events|app=events&streamId=concert/);
	await p.getByLabel('Application').selectOption('');
	await row(p, here).waitFor();
	await row(p, there).waitFor();
	assert.equal(await p.getByLabel('Stream', { exact: true }).inputValue(), '');
});

test('a clock that is wrong here tells no wrong age', async t => {
	const run = await publish(server, 'aged'), p = await page(t, browser, { allow: /404/ });
	await p.addInitScript(() => {
		const real = Date.now;
		Date.now = () => real() + 3600e3;
	});
	await signIn(p, server);
	const age = p.getByRole('article', { name: 'Stream aged' }).getByText(/^for \d/);
	await age.waitFor();
	await until(async () => /^for \d+ s$/.test(await age.textContent()), 'its age in seconds', 5000);
	await run.stop();
});

test('a filter that is typed and left behind does not follow to the next page', async t => {
	const p = await tokensPage(t);
	await p.getByLabel('Search').fill('left behind');
	await p.evaluate(() => { location.hash = '#/audit'; });
	await p.getByRole('heading', { name: 'Audit', exact: true }).waitFor();
	await p.evaluate(() => new Promise(done => setTimeout(done, 400)));
	assert.match(p.url(), /#\/audit$/);
});

test('tabs in the background leave the connections to the one that is looked at', async t => {
	const first = await tokensPage(t), others = [];
	for (let i = 0; i < 6; i++) { // as many as a browser opens to one server
		const p = await first.context().newPage();
		others.push(p);
		await p.goto(`${server.http}/#/tokens`);
		await p.getByRole('heading', { name: 'Tokens', exact: true }).waitFor();
		await p.evaluate(() => {
			Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
			document.dispatchEvent(new Event('visibilitychange'));
		});
	}
	const id = await made('tabs');
	await first.reload();
	await row(first, id).waitFor({ timeout: 5000 });
	const back = others[0];
	await back.evaluate(() => {
		delete document.hidden;
		document.dispatchEvent(new Event('visibilitychange'));
	});
	await row(back, id).waitFor();
	await server.ctl('revoke', id);
	await fetch(`${server.http}/live/streams/tabs.flv`); // it hears the bell again
	await row(back, id).getByText('Revoked').waitFor({ timeout: 5000 });
});

cleanUp();
