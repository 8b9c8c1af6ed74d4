// Every page of the panel, full and empty, on a phone and on a wide screen, light and dark: axe-core finds nothing,
// nothing is wider than the screen, every control has a name and is large enough.
import { test, assert, streamd, chromium, page, axe, picture, signIn, publish, recording, watch, until, cleanUp } from './lib.js';

const LONG = `a-stream.with_a-very.long.name-${'0123456789'.repeat(9)}`;
const VIEWS = ['live', 'control', 'tokens', 'sessions', 'recordings', 'audit'];
const LOOKS = [[360, false], [360, true], [1600, false], [1600, true]];

const full = await streamd({ apps: { live: { publish_token: 'on', play_token: 'on' }, events: {} } });
const empty = await streamd();
const browser = await chromium();

// On ports that stand in the configuration now, so that the links have them.
await full.stop();
await full.start();

recording(full, 'cam.mp4');
recording(full, `${LONG.slice(0, 100)}.mp4`);
await full.ctl('create', 'cam', '--type', 'publish', '--label', 'Studio encoder');
for (const label of ['Ada', 'Grace Hopper, third row on the left, who asked for a label that is long', ''])
	await full.ctl('create', 'cam', ...label ? ['--label', label] : [], '--max-uses', '3');
await full.ctl('create', LONG, '--label', 'x'.repeat(120), '--max-uses', '1000000', '--expires-at', '2099-12-31T23:59:59Z');
await publish(full, 'cam', { token: await full.token('cam', '--type', 'publish') });
await publish(full, LONG.slice(0, 90), { app: 'events' });
await full.ctl('enable', 'play', '--app', 'live', '--stream', 'cam');
await full.ctl('disable', 'play', '--app', 'live', '--stream', 'open-day');
await watch(full, 'cam', { token: await full.token('cam', '--label', 'Ada') });
await watch(full, LONG.slice(0, 90), { app: 'events' });
await fetch(`${full.http}/live/streams/cam.flv?token=nonsense`);
await fetch(`${full.http}/live/streams/cam.flv`);
const ids = (await full.ctl('list', '--json')).items.map(t => t.id);
await full.ctl('revoke', ids.at(-2));

/* Nothing reaches beyond the screen's side, nor beyond the box that it stands in. */
async function beyond(p) {
	return p.evaluate(() => {
		const out = [], width = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth > width)
			out.push(`the page is ${document.documentElement.scrollWidth} wide`);
		for (const el of document.querySelectorAll('main *, header *, nav *, dialog *')) {
			const r = el.getBoundingClientRect();
			if (r.width && r.height && (r.right > width + 1 || r.left < -1) && !el.closest('.sr, .skip, svg'))
				out.push(`${el.tagName}.${el.className} at ${Math.round(r.left)}..${Math.round(r.right)}: ${el.textContent.slice(0, 40)}`);
		}
		return out;
	});
}

/* WCAG 2.2, 2.5.8: 24 by 24 at least. Links in running text, and what has a cell to itself, may be smaller. */
async function small(p) {
	return p.evaluate(() => [...document.querySelectorAll('button, a, input, select, summary, [role=switch]')].flatMap(el => {
		const r = el.getBoundingClientRect();
		return r.width && (r.height < 24 || r.width < 24) && !el.closest('.skip, p, td, th, fieldset, .check, :disabled') ? [`${el.outerHTML.slice(0, 80)} ${r.width}x${r.height}`] : [];
	}));
}

async function look(p, name) {
	assert.deepEqual(await beyond(p), []);
	assert.deepEqual(await small(p), []);
	await picture(p, name);
	assert.deepEqual(await axe(p), []);
}

test('nothing is cut off at any width', async t => {
	const p = await page(t, browser, { allow: /ERR_|40\d/ });
	await signIn(p, full);
	for (const view of VIEWS)
		for (const width of [320, 480, 768, 899, 900, 1024, 1101, 1200, 1279, 1280, 2560]) {
			await p.setViewportSize({ width, height: 700 });
			await p.goto(`${full.http}/#/${view}`);
			await p.locator('main h1').waitFor();
			await (view === 'live' ? p.getByRole('article') : view === 'control' ? p.getByRole('switch') : p.getByRole('row').nth(1)).first().waitFor();
			assert.deepEqual(await beyond(p), [], `${view} at ${width}`);
		}
});

for (const [width, dark] of LOOKS) {
	const how = `${width}${dark ? '-dark' : ''}`;
	test(`all pages at ${width} px, ${dark ? 'dark' : 'light'}`, async t => {
		const p = await page(t, browser, { width, dark });
		await signIn(p, full);
		for (const view of VIEWS) {
			await p.goto(`${full.http}/#/${view}`);
			await p.locator('main h1').waitFor();
			await (view === 'live' ? p.getByRole('article') : view === 'control' ? p.getByRole('switch') : p.getByRole('row').nth(1)).first().waitFor();
			if (view === 'live')
				await p.getByRole('article').first().getByText('Waiting for a picture…').waitFor({ state: 'hidden' });
			await look(p, `${view}-${how}`);
			if (width > 1100 && view === 'recordings') // one beside the other, however long a name is
				assert.equal(new Set(await p.locator('tbody tr').first().locator('.actions > *').evaluateAll(all => all.map(el => el.getBoundingClientRect().top))).size, 1);
		}
	});
	test(`empty pages at ${width} px, ${dark ? 'dark' : 'light'}`, async t => {
		const p = await page(t, browser, { width, dark });
		await signIn(p, empty);
		for (const view of VIEWS) {
			await p.goto(`${empty.http}/#/${view}`);
			await (view === 'control' ? p.getByRole('switch') : p.locator('.empty, tbody tr')).first().waitFor();
			await look(p, `empty-${view}-${how}`);
		}
	});
	test(`dialogs at ${width} px, ${dark ? 'dark' : 'light'}`, async t => {
		const p = await page(t, browser, { width, dark });
		await signIn(p, full, { view: 'tokens' });
		await p.getByRole('button', { name: 'New token' }).click();
		await p.getByText('More', { exact: true }).click();
		await look(p, `new-${how}`);
		await p.getByRole('dialog').getByLabel('Stream', { exact: true }).fill('cam');
		await p.getByRole('dialog').getByLabel('Opens').selectOption('publish');
		await p.getByRole('button', { name: 'Create' }).click();
		await p.getByText('Shown this once.').waitFor();
		await p.getByRole('button', { name: 'QR code of RTMP link' }).click();
		await look(p, `created-${how}`);
		await p.getByRole('button', { name: 'Done' }).click();
		await p.getByRole('button', { name: ids[0] }).first().click();
		await look(p, `details-${how}`);
		await p.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
		await look(p, `revoke-${how}`);
		await p.keyboard.press('Escape');
		await until(async () => await p.getByRole('dialog').count() === 0);
	});
}

cleanUp();
