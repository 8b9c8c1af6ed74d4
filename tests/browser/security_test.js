// What others try on an administrator's browser: each is tried, and shown closed.
import { createServer } from 'node:http';
import { test, assert, streamd, chromium, page, signIn, publish, watch, sessions, until, atEnd, cleanUp, PASSWORD } from './lib.js';

const server = await streamd({ apps: { live: {} } });
const port = new URL(server.http).port;
// The names lead here as a stranger's DNS would have them.
const browser = await chromium(`--host-resolver-rules=MAP evil.example 127.0.0.1,MAP rebound.example 127.0.0.1`);

/* A stranger's web server; `body` is what every page of it holds. */
let body = '';
const evil = createServer((req, res) => res.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html><body>${body}`));
await new Promise(done => evil.listen(0, '127.0.0.1', done));
atEnd(async () => evil.close());
const EVIL = `http://evil.example:${evil.address().port}/`;

/* An administrator who is signed in, and has another tab on a stranger's page. */
async function victim(t) {
	const p = await page(t, browser, { allow: /./ });
	await signIn(p, server);
	const stranger = await p.context().newPage();
	return { p, stranger };
}

const settings = () => server.ctl('status', '--json').then(JSON.stringify);

test('a stranger’s page cannot act in the administrator’s name', async t => {
	const { stranger } = await victim(t);
	await publish(server, 'cam');
	const viewer = await watch(server, 'cam');
	await server.ctl('create', 'cam', '--label', 'stays');
	const before = await settings(), tokens = await server.ctl('list', '--json');
	const api = `${server.http}/api/v1`, json = JSON.stringify({ streamId: 'stolen' });
	body = `
		<form id=a method=post action="${api}/logout" target=f></form>
		<form id=b method=post enctype=text/plain action="${api}/tokens" target=f><input name='{"streamId":"stolen","x":"' value='"}'></form>
		<iframe name=f></iframe><img src="${api}/tokens?app=live&streamId=cam">`;
	await stranger.goto(EVIL);
	const told = await stranger.evaluate(async ([api, json, session]) => {
		a.submit();
		await new Promise(done => setTimeout(done, 300));
		b.submit();
		const out = [], tries = [
			['POST', '/tokens', json, { 'Content-Type': 'text/plain' }, 'no-cors'],
			['POST', '/tokens', json, { 'Content-Type': 'application/json', 'X-Streamgate': '1' }, 'cors'],
			['POST', '/logout', undefined, {}, 'no-cors'],
			['DELETE', `/sessions/${session}`, undefined, { 'X-Streamgate': '1' }, 'cors'],
			['DELETE', '/tokens?streamId=cam', undefined, { 'X-Streamgate': '1' }, 'cors'],
			['PATCH', '/apps/live', '{"playTokenControlEnabled":true}', { 'X-Streamgate': '1' }, 'cors'],
			['POST', '/streams/live/cam/preview', undefined, { 'X-Streamgate': '1' }, 'cors'],
			['GET', '/tokens', undefined, {}, 'cors'],
			['GET', '/me', undefined, {}, 'cors']];
		for (const [method, path, body, headers, mode] of tries)
			out.push(await fetch(api + path, { method, body, headers, mode, credentials: 'include' }).then(async r => `${r.type} ${r.status} ${await r.text()}`, () => 'kept out'));
		navigator.sendBeacon(`${api}/tokens`, json);
		return out;
	}, [api, json, viewer.session.id]);
	for (const one of told)
		assert.match(one, /^(kept out|opaque 0 )$/);
	await new Promise(done => setTimeout(done, 500));
	assert.equal(await settings(), before);
	assert.deepEqual(await server.ctl('list', '--json'), tokens);
	assert.ok((await sessions(server)).some(s => s.id === viewer.session.id));
	await viewer.stop();
});

test('even where the cookie is sent, a change that is not our page’s is refused', async t => {
	const { p } = await victim(t);
	const [cookie] = await p.context().cookies();
	const headers = { Cookie: `${cookie.name}=${cookie.value}`, 'Content-Type': 'application/json' };
	const make = extra => fetch(`${server.http}/api/v1/tokens`, { method: 'POST', headers: { ...headers, ...extra }, body: '{"streamId":"forged"}' }).then(r => r.status);
	for (const extra of [{}, { 'X-Streamgate': '1' }, { Origin: server.http }, { 'X-Streamgate': '1', Origin: EVIL.slice(0, -1) }, { 'X-Streamgate': '1', Origin: 'null' },
		{ 'X-Streamgate': '1', Referer: EVIL }, { 'X-Streamgate': '1', Origin: `${server.http}.evil.example` }, { 'X-Streamgate': '1', Origin: server.http, 'Sec-Fetch-Site': 'same-site' }])
		assert.equal(await make(extra), 403, JSON.stringify(extra));
	assert.equal(await make({ 'X-Streamgate': '1', Origin: server.http }), 201);
});

test('a name that was made to point here (DNS rebinding) gets neither the panel nor an answer', async t => {
	const { p, stranger } = await victim(t);
	const [cookie] = await p.context().cookies();
	const rebound = `http://rebound.example:${port}`;
	await p.context().addCookies([{ name: cookie.name, value: cookie.value, url: rebound }]);
	const panel = await stranger.goto(`${rebound}/`);
	assert.equal(panel.status(), 421);
	for (const path of ['/panel/main.js', '/api/v1/me', '/api/v1/tokens', '/api/v1/events', '/api/v1/sessions'])
		assert.equal(await stranger.evaluate(path => fetch(path, { headers: { 'X-Streamgate': '1' } }).then(r => r.status), path), 421, path);
	const made = await stranger.evaluate(() => fetch('/api/v1/tokens', { method: 'POST', headers: { 'X-Streamgate': '1' }, body: '{"streamId":"rebound"}' }).then(r => r.status));
	assert.equal(made, 421);
	const login = await stranger.evaluate(password => fetch('/api/v1/login', { method: 'POST', headers: { 'X-Streamgate': '1' }, body: JSON.stringify({ password }) }).then(r => r.status), PASSWORD);
	assert.equal(login, 421);
});

test('signing in makes a new session, whatever was there before (fixation)', async t => {
	const p = await page(t, browser, { allow: /401/ }); // what the page asks just when its session ends
	const planted = 'A'.repeat(43);
	await p.context().addCookies([{ name: 'sg_admin', value: planted, url: server.http, httpOnly: true }]);
	await signIn(p, server);
	const [first] = await p.context().cookies();
	assert.notEqual(first.value, planted);
	assert.ok(first.value.length >= 22);
	const me = value => fetch(`${server.http}/api/v1/me`, { headers: { Cookie: `sg_admin=${value}` } }).then(r => r.json());
	assert.equal((await me(planted)).who, null);
	assert.equal((await me(first.value)).who, 'admin');
	// Signing in again ends the one that was there.
	await p.evaluate(password => fetch('/api/v1/login', { method: 'POST', headers: { 'X-Streamgate': '1' }, body: JSON.stringify({ password }) }), PASSWORD);
	const [second] = await p.context().cookies();
	assert.notEqual(second.value, first.value);
	assert.equal((await me(first.value)).who, null);
});

test('nobody puts the panel into a frame (clickjacking), nor keeps a hold of its window', async t => {
	const { stranger } = await victim(t);
	body = `<iframe id=f src="${server.http}/" width=900 height=700></iframe>`;
	await stranger.goto(EVIL);
	await stranger.waitForLoadState('networkidle');
	const frame = stranger.frames().find(f => f !== stranger.mainFrame());
	assert.ok(!(await frame.content()).includes('Streamgate'));
	body = '<p>nothing</p>';
	await stranger.goto(EVIL);
	const [popup] = await Promise.all([stranger.waitForEvent('popup'), stranger.evaluate(url => { globalThis.w = open(url); }, server.http)]);
	await popup.waitForLoadState();
	await until(() => stranger.evaluate(() => globalThis.w.closed), 'the window to be out of reach');
});

test('no script comes in with a label, a stream id, an address or an agent', async t => {
	const nasty = ['<img src=x onerror="globalThis.owned=1">', '"><script>globalThis.owned=1</script>', "'-globalThis.owned-'", '${globalThis.owned=1}', '</td><svg onload=globalThis.owned=1>'];
	for (const label of nasty)
		await server.ctl('create', 'cam', '--label', label);
	const agent = '<img src=x onerror=globalThis.owned=1>';
	for (const id of ['<script>globalThis.owned=1</script>', '%3Cimg%20src=x%20onerror=globalThis.owned=1%3E', 'a%22onmouseover=globalThis.owned=1'])
		await fetch(`${server.http}/live/streams/${id}.flv?token=${encodeURIComponent(nasty[0])}`, { headers: { 'User-Agent': agent } }).then(r => r.body.cancel());
	const held = new AbortController();
	await fetch(`${server.http}/live/streams/cam.flv`, { headers: { 'User-Agent': agent }, signal: held.signal });
	const p = await page(t, browser, { allow: /400 \(Bad Request\)/ });
	await signIn(p, server);
	for (const view of ['live', 'control', 'tokens', 'sessions', 'audit']) {
		await p.goto(`${server.http}/#/${view}?q=${encodeURIComponent(nasty[0])}&streamId=${encodeURIComponent(nasty[1])}`);
		await p.goto(`${server.http}/#/${view}`);
		await p.locator('main h1').waitFor();
		if (view === 'tokens')
			for (const label of nasty)
				await p.getByText(label, { exact: true }).first().waitFor();
		if (view === 'sessions')
			await p.getByText(agent, { exact: true }).first().waitFor();
		assert.equal(await p.locator('main script, main img:not([src^="panel/"])').count(), 0);
	}
	await p.goto(`${server.http}/#/tokens`);
	await p.getByRole('row').filter({ hasText: nasty[0] }).getByRole('button').first().click();
	await p.getByRole('dialog').getByText(nasty[0], { exact: true }).waitFor();
	assert.equal(await p.evaluate(() => globalThis.owned), undefined);
	held.abort();
});

test('a saved table runs no formula in a spreadsheet', async t => {
	await server.ctl('create', 'sum', '--label', '=HYPERLINK("http://evil.example")');
	const p = await page(t, browser);
	await signIn(p, server);
	const csv = await p.evaluate(async () => (await import('/panel/words.js')).csv(['label', 'n'], [{ label: '=1+1', n: -1 }, { label: '@x', n: 2 }, { label: 'a,"b"', n: 3 }]));
	assert.equal(csv, 'label,n\r\n\'=1+1,-1\r\n\'@x,2\r\n"a,""b""",3\r\n');
});

test('the policy lets nothing in but the panel’s own files', async t => {
	const p = await page(t, browser, { allow: /Content Security Policy|Refused|violates|evil\.example/ });
	const answer = await p.goto(server.http);
	const policy = Object.fromEntries(answer.headers()['content-security-policy'].split(';').map(x => x.trim().split(' ')).map(([k, ...v]) => [k, v.join(' ')]));
	assert.equal(policy['default-src'], "'none'");
	assert.equal(policy['script-src'], "'self'");
	assert.equal(policy['style-src'], "'self'");
	assert.equal(policy['frame-ancestors'], "'none'");
	assert.equal(policy['base-uri'], "'none'");
	assert.equal(policy['connect-src'], "'self'");
	assert.ok(!/unsafe|\*|https?:/.test(Object.values(policy).join(' ')));
	const headers = answer.headers();
	assert.equal(headers['x-content-type-options'], 'nosniff');
	assert.equal(headers['referrer-policy'], 'no-referrer');
	assert.equal(headers['x-frame-options'], 'DENY');
	const ran = await p.evaluate(async evil => {
		const s = document.createElement('script');
		s.textContent = 'globalThis.inline = 1';
		document.head.append(s);
		const far = document.createElement('script');
		far.src = `${evil}x.js`;
		const refused = new Promise(done => { far.onerror = () => done(true); far.onload = () => done(false); });
		document.head.append(far);
		return { inline: globalThis.inline, refused: await refused, fetched: await fetch(evil).then(() => true, () => false) };
	}, EVIL);
	assert.deepEqual(ran, { inline: undefined, refused: true, fetched: false });
});

test('what the panel is made of names no other host, and is not kept by a cache unasked', async () => {
	const files = ['/', '/panel/main.js'], seen = new Set();
	let size = 0;
	while (files.length) {
		const path = files.pop();
		if (seen.has(path))
			continue;
		seen.add(path);
		const answer = await fetch(server.http + path), text = await answer.text();
		assert.equal(answer.status, 200, path);
		assert.equal(answer.headers.get('cache-control'), 'no-cache');
		assert.ok(answer.headers.get('content-security-policy'), path);
		size += Buffer.byteLength(text);
		assert.deepEqual((text.match(/https?:\/\/[^\s'"`)]*/g) ?? []).filter(u => !u.startsWith('http://www.w3.org/')), [], path);
		for (const [, name] of text.matchAll(/(?:from '\.\/|(?:src|href)="panel\/)([\w.]+)/g))
			files.push(`/panel/${name}`);
	}
	assert.ok(seen.size >= 19);
	assert.ok(size < 100000, `the panel is ${size} bytes`);
});

cleanUp();
