// Signing in on the panel: the first start's link, a password, the way out.
import { test, assert, streamd, chromium, page, axe, signIn, picture, cleanUp, PASSWORD } from './lib.js';

const server = await streamd();
const fresh = await streamd({ password: null });
const browser = await chromium();

test('the first start: the link that streamd prints sets a password, once', async t => {
	const p = await page(t, browser, { allow: /409/ });
	assert.match(fresh.setup, /#setup=/);
	await p.goto(fresh.setup);
	await p.getByRole('heading', { name: 'Welcome' }).waitFor();
	assert.ok(!p.url().includes('setup'), 'the code stays in the address');
	await picture(p, 'setup');
	await p.getByLabel('New password').fill('short');
	await p.getByRole('button', { name: 'Set it and sign in' }).click();
	await p.getByText('The password is too short').waitFor();
	await p.getByLabel('New password').fill(PASSWORD);
	await p.getByLabel('The same again').fill('another thing');
	await p.getByRole('button', { name: 'Set it and sign in' }).click();
	await p.getByText('The two are not the same').waitFor();
	assert.deepEqual(await axe(p), []);
	await p.getByLabel('The same again').fill(PASSWORD);
	await p.keyboard.press('Enter');
	await p.getByRole('heading', { name: 'Live', exact: true }).waitFor();

	const other = await page(t, browser, { allow: /409/ });
	await other.goto(fresh.setup);
	await other.getByLabel('New password').fill('something else');
	await other.getByLabel('The same again').fill('something else');
	await other.keyboard.press('Enter');
	await other.getByLabel('Administrator’s password').waitFor();
	await other.getByLabel('Administrator’s password').fill(PASSWORD);
	await other.keyboard.press('Enter');
	await other.getByRole('heading', { name: 'Live', exact: true }).waitFor();
});

test('without a password the panel says how to come to one', async t => {
	const bare = await streamd({ password: null });
	const p = await page(t, browser);
	await p.goto(bare.http);
	await p.getByRole('heading', { name: 'There is no password yet' }).waitFor();
	await p.getByText('tokenctl passwd').waitFor();
	assert.deepEqual(await axe(p), []);
	await picture(p, 'unset');
});

test('a wrong password is told, a right one opens the page that was asked for', async t => {
	const p = await page(t, browser, { allow: /401/ });
	await p.goto(`${server.http}/#/tokens`);
	await p.getByLabel('Administrator’s password').waitFor();
	assert.equal(await p.evaluate(() => document.activeElement.type), 'password');
	await p.getByRole('button', { name: 'Sign in' }).click();
	await p.getByText('Enter the password.').waitFor();
	await p.getByLabel('Administrator’s password').fill('not this one');
	await p.keyboard.press('Enter');
	await p.getByRole('alert').filter({ hasText: 'This is not the password.' }).waitFor();
	assert.deepEqual(await axe(p), []);
	await picture(p, 'wrong');
	await p.getByLabel('Administrator’s password').fill(PASSWORD);
	await p.keyboard.press('Enter');
	await p.getByRole('heading', { name: 'Tokens', exact: true }).waitFor();
});

test('signing out forgets; what a script cannot read, the page never had', async t => {
	const p = await page(t, browser, { allow: /401 .*streams/ }); // one that was on its way
	await signIn(p, server);
	assert.equal(await p.evaluate(() => document.cookie), '');
	const [cookie] = await p.context().cookies();
	assert.equal(cookie.httpOnly, true);
	assert.equal(cookie.sameSite, 'Strict');
	await p.getByRole('button', { name: 'Account' }).click();
	assert.deepEqual(await axe(p), []);
	await p.getByRole('button', { name: 'Sign out' }).click();
	await p.getByLabel('Administrator’s password').waitFor();
	assert.deepEqual(await p.context().cookies(), []);
	await p.reload();
	await p.getByLabel('Administrator’s password').waitFor();
	const answer = await p.request.get(`${server.http}/api/v1/tokens`, { headers: { Cookie: `${cookie.name}=${cookie.value}` } });
	assert.equal(answer.status(), 401);
});

cleanUp();
