// Control on the panel: switches, what they do now, who stays and who is shown out.
import { test, assert, streamd, chromium, page, axe, signIn, publish, watch, sessions, until, cleanUp } from './lib.js';

const server = await streamd({ apps: { live: {}, events: { publish_token: 'on', play_token: 'on' } } });
const browser = await chromium();
await publish(server, 'cam');


async function controlPage(t, options) {
	const p = await page(t, browser, options);
	await signIn(p, server, { view: 'control' });
	const live = p.getByRole('region', { name: 'Application live' });
	return { p, live, play: live.getByRole('switch', { name: 'Watching needs a token' }), publishing: live.getByRole('switch', { name: 'Publishing needs a token' }) };
}

test('while everything is open there is a warning on every page; an application alone says it itself', async t => {
	const open = await streamd();
	const p = await page(t, browser);
	await signIn(p, open);
	for (const view of ['Live', 'Control', 'Tokens', 'Sessions', 'Audit']) {
		await p.getByRole('link', { name: view, exact: true }).click();
		await p.getByRole('region', { name: 'Warnings' }).getByText('Everything is open.').waitFor();
	}
	await open.ctl('enable', 'play');
	await p.getByText('Everything is open.').waitFor({ state: 'detached' });
	const { p: q, live } = await controlPage(t);
	await live.getByText('Both are off: this application is open').waitFor();
	assert.equal(await q.getByText('Everything is open.').count(), 0);
});

test('turning a switch on leaves who is in, says so, and offers to show them out', async t => {
	const viewers = [await watch(server, 'cam'), await watch(server, 'cam')];
	const { p, live, play } = await controlPage(t);
	await live.getByText('Anybody may watch. 2 people are watching without a token; when you turn this on, they stay.').waitFor();
	await play.click();
	await live.getByText('2 people are watching without a token; they stay. Whoever comes now needs one.').waitFor();
	assert.equal(await play.getAttribute('aria-checked'), 'true');
	assert.equal((await fetch(`${server.http}/live/streams/cam.flv`)).status, 401);
	assert.equal((await sessions(server)).filter(s => s.type === 'play').length, 2);
	assert.deepEqual(await axe(p), []);

	const holder = await watch(server, 'cam', { token: await server.token('cam') });
	await live.getByRole('button', { name: 'Show them out' }).click();
	await p.getByText('Those with a token are left alone.').waitFor();
	assert.deepEqual(await axe(p), []);
	await p.getByRole('dialog').getByRole('button', { name: 'Show them out' }).click();
	await p.getByText('2 sessions ended.').first().waitFor();
	await Promise.all(viewers.map(v => v.exited));
	await live.getByText('Every new viewer needs a token.').waitFor();
	assert.deepEqual((await sessions(server)).filter(s => s.type === 'play').map(s => s.id), [holder.session.id]);
	await holder.stop();
});

test('the panel’s own preview is nobody who is in without a token, and is not shown out', async t => {
	const { p, live, play } = await controlPage(t);
	await (await p.context().newPage()).goto(`${server.http}/#/live`); // in another tab
	await until(async () => (await sessions(server)).some(s => s.protocol === 'preview' && s.state === 'active'), 'the preview');
	await p.reload();
	await live.getByText('Every new viewer needs a token.').waitFor();
	assert.equal(await play.getAttribute('aria-checked'), 'true');
	assert.equal((await sessions(server)).filter(s => s.protocol === 'preview').length, 1);
});

test('opening asks first, and Escape leaves it', async t => {
	const { p, live, play } = await controlPage(t);
	await live.getByText('Every new viewer needs a token.').waitFor();
	await play.click();
	await p.getByRole('heading', { name: 'Let anybody watch?' }).waitFor();
	await p.keyboard.press('Escape');
	assert.equal(await play.getAttribute('aria-checked'), 'true');
	await play.click();
	await p.getByRole('button', { name: 'Let anybody watch' }).click();
	await live.getByText('Anybody may watch.').first().waitFor();
	assert.equal(await play.getAttribute('aria-checked'), 'false');
});

test('a stream may have switches of its own', async t => {
	const viewer = await watch(server, 'cam');
	const { p, live } = await controlPage(t, { width: 360 });
	await live.getByLabel('Stream of live').fill('cam');
	await live.getByRole('button', { name: 'Add a stream' }).click();
	const own = live.getByRole('listitem').filter({ hasText: 'cam' });
	await own.getByLabel('Watching needs a token: cam').selectOption({ label: 'With token' });
	await own.getByText('1 session without a token; they stay.').waitFor();
	assert.equal((await fetch(`${server.http}/live/streams/cam.flv`)).status, 401);
	await own.getByRole('button', { name: 'Show them out' }).click();
	await p.getByRole('dialog').getByRole('button', { name: 'Show them out' }).click();
	await viewer.exited;
	for (const what of ['Watching', 'Publishing'])
		await own.getByLabel(`${what} needs a token: cam`).selectOption('');
	await own.waitFor({ state: 'detached' });
	await live.getByText('None: all follow the application.').waitFor();
	await live.getByLabel('Stream of live').fill('not a stream');
	await live.getByRole('button', { name: 'Add a stream' }).click();
	await p.locator('.toast.bad').waitFor();
	p.wrong.splice(0); // the browser's own note of the refusal
});

test('opening one stream asks first, and what was not done is not shown as done', async t => {
	const { p, live } = await controlPage(t, { allow: /503/ });
	await live.getByLabel('Stream of live').fill('asked');
	await live.getByRole('button', { name: 'Add a stream' }).click();
	const own = live.getByRole('listitem').filter({ hasText: 'asked' }), watching = own.getByLabel('Watching needs a token: asked');
	await watching.selectOption('on');
	await p.getByText('watching is with token now').first().waitFor();
	await watching.selectOption('off');
	await p.getByRole('heading', { name: 'Let anybody watch asked?' }).waitFor();
	await p.keyboard.press('Escape');
	await until(async () => await watching.inputValue() === 'on');
	await p.route('**/api/v1/apps/live', r => r.fulfill({ status: 503, json: { detail: 'the store is busy' } }));
	await watching.selectOption('');
	await p.locator('.toast.bad').waitFor();
	await until(async () => await watching.inputValue() === 'on');
	await p.unroute('**/api/v1/apps/live');
	await watching.selectOption('off');
	await p.getByRole('button', { name: 'Let anybody watch' }).click();
	await until(async () => (await server.ctl('status', '--json')).switches.some(s => s.streamId === 'asked' && s.play === 'open'));
	await server.ctl('reset', '--stream', 'asked');
});

test('what is changed elsewhere is shown here', async t => {
	const { live, publishing } = await controlPage(t);
	await live.getByText('Anybody may publish.').first().waitFor();
	await server.ctl('enable', 'publish', '--app', 'live');
	await until(async () => await publishing.getAttribute('aria-checked') === 'true');
	await server.ctl('disable', 'publish', '--app', 'live');
	await until(async () => await publishing.getAttribute('aria-checked') === 'false');
});

cleanUp();
