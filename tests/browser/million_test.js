// The panel where there are a million tokens: it shows them as quickly, finds one, and says when it has not seen all.
import { test, assert, streamd, chromium, page, signIn, cleanUp } from './lib.js';

const server = await streamd();
const browser = await chromium();
await server.ctl('create', 'needle', '--label', 'the oldest');
await server.ctl('create', 'crowd', '--count', '1000000', '--quiet');
await server.ctl('create', 'needle', '--label', 'the newest');

test('a million tokens are shown a page at a time, and searched as far as somebody wants', async t => {
	const p = await page(t, browser);
	await signIn(p, server, { view: 'tokens' });
	await p.getByText('100 shown, and more').waitFor();
	await p.getByText('the newest').waitFor();
	for (const n of [200, 300, 400]) {
		await p.getByRole('button', { name: 'Show more' }).click();
		await p.getByText(`${n} shown, and more`).waitFor();
	}
	assert.equal(await p.locator('tbody tr').count(), 400);
	await p.getByLabel('Stream', { exact: true }).fill('needle');
	await p.getByText('2 tokens, newest first').waitFor();
	await p.getByLabel('Stream', { exact: true }).fill('');
	await p.getByLabel('Search').fill('the oldest');
	await p.getByRole('heading', { name: 'None is like that so far' }).waitFor();
	await p.getByText('Not all is looked through yet').first().waitFor();
	for (let tries = 0; await p.locator('tbody tr').count() === 0; tries++) {
		assert.ok(tries < 10);
		await p.getByRole('button', { name: 'Show more' }).click();
		await p.locator('.more button:not([aria-busy=true]), .more button[hidden]').first().waitFor({ state: 'attached' });
	}
	await p.getByRole('row').filter({ hasText: 'the oldest' }).waitFor();
});

cleanUp();
