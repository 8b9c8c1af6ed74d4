// The recordings of the panel: found, renamed, taken along, deleted or not; and what is recorded at all.
import { test, assert, streamd, chromium, page, signIn, recording, until, cleanUp } from './lib.js';
import { existsSync, readFileSync } from 'node:fs';

const server = await streamd({ apps: { live: { play_token: 'on' }, lab: {} } });
const browser = await chromium();

async function open(t, options) {
	const p = await page(t, browser, options);
	await signIn(p, server, { view: 'recordings' });
	return { p, row: name => p.getByRole('row').filter({ hasText: name }) };
}

for (const width of [360, 1600]) {
	test(`a recording is renamed, and downloaded, at ${width} px`, async t => {
		const file = recording(server, `cam-${width}.mp4`), { p, row } = await open(t, { width });
		await row(`cam-${width}.mp4`).getByText('4.3 kB').waitFor();
		await p.getByRole('button', { name: `Rename cam-${width}.mp4` }).click();
		const name = p.getByRole('dialog').getByLabel('New name');
		assert.equal(await name.inputValue(), `cam-${width}.mp4`);
		await name.fill(`film-${width}.mp4`);
		await name.press('Enter');
		await row(`film-${width}.mp4`).waitFor();
		assert.ok(!existsSync(file));
		const coming = p.waitForEvent('download');
		await p.getByRole('link', { name: `Download film-${width}.mp4` }).click();
		const download = await coming;
		assert.equal(download.suggestedFilename(), `film-${width}.mp4`);
		assert.doesNotMatch(download.url(), /token=/);
		assert.deepEqual(readFileSync(await download.path()), readFileSync(file.replace('cam-', 'film-')));
	});
	test(`a deletion is taken back, and carried out, at ${width} px`, async t => {
		const file = recording(server, `old-${width}.mp4`), { p, row } = await open(t, { width });
		await p.getByRole('button', { name: `Delete old-${width}.mp4` }).click();
		await p.getByRole('button', { name: 'Undo' }).click();
		await p.getByRole('button', { name: 'Undo' }).waitFor({ state: 'detached' });
		await p.getByRole('button', { name: `Delete old-${width}.mp4` }).click();
		assert.ok(existsSync(file));
		await p.getByRole('button', { name: 'Now' }).click();
		await row(`old-${width}.mp4`).waitFor({ state: 'detached' });
		assert.ok(!existsSync(file));
	});
}

test('a name that is taken is told, and nothing is changed', async t => {
	const file = recording(server, 'one.mp4'), { p } = await open(t);
	recording(server, 'two.mp4');
	await p.getByRole('button', { name: 'Rename one.mp4' }).click();
	await p.getByRole('dialog').getByLabel('New name').fill('two.mp4');
	await p.getByRole('dialog').getByRole('button', { name: 'Rename' }).click();
	await p.locator('.toast.bad').waitFor();
	p.wrong.splice(0); // the browser's own note of the refusal
	assert.ok(existsSync(file));
});

test('the list is looked through by name, stream and application', async t => {
	recording(server, 'needle.mp4', 'lab');
	recording(server, 'hay.mp4', 'lab');
	const { p, row } = await open(t);
	await p.getByLabel('Part of the name').fill('need');
	await row('hay.mp4').waitFor({ state: 'detached' });
	await row('needle.mp4').waitFor();
	await p.getByLabel('Part of the name').fill('');
	await p.getByLabel('Application').selectOption('lab');
	await row('hay.mp4').waitFor();
	assert.equal(await row('one.mp4').count(), 0);
});

test('what is recorded: an application, and a stream of its own mind', async t => {
	const p = await page(t, browser, {});
	await signIn(p, server, { view: 'control' });
	const app = p.getByRole('region', { name: 'Application lab' });
	await app.getByLabel('Record', { exact: true }).selectOption({ label: 'Every stream' });
	await p.getByText('Recorded in lab: every stream.').first().waitFor();
	await app.getByLabel('Stream of lab').fill('cam');
	await app.getByRole('button', { name: 'Add a stream' }).click();
	await app.getByLabel('Recording: cam').selectOption({ label: 'Off' });
	await p.getByText('cam: recording is off now.').first().waitFor();
	const told = await p.evaluate(() => fetch('/api/v1/apps/lab').then(a => a.json()));
	assert.equal(told.record, 'on');
	assert.equal(told.streams.cam.record, 'off');
	await app.getByLabel('Recording: cam').selectOption({ label: 'As the app' });
	await until(async () => (await p.evaluate(() => fetch('/api/v1/apps/lab').then(a => a.json()))).streams.cam?.record === undefined);
});

cleanUp();
