// HTTPS and WSS in Chromium: the panel's cookie, a WebSocket and WebRTC over TLS, a new certificate while
// somebody plays.
import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { test, assert, streamd, chromium, page, publish, until, folder, signIn, cleanUp } from './lib.js';

const dir = folder(), at = name => path.join(dir, name);
for (const name of ['one', 'two'])
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
		'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)], { stdio: 'ignore' });
const use = name => {
	copyFileSync(at(`${name}.pem`), at('cert.pem'));
	copyFileSync(at(`${name}.key`), at('key.pem'));
};
use('one');
const server = await streamd({ apps: { live: { play_token: 'on' } }, config: { webrtc: { listen: '127.0.0.1:0' },
	http: { listen: '127.0.0.1:0', tls_listen: '127.0.0.1:0', tls_cert: at('cert.pem'), tls_key: at('key.pem') } } });
const https = `https://${server.ports.https}`;
const browser = await chromium();
const SELF_SIGNED = { ignoreHTTPSErrors: true };

test('the panel over HTTPS: its cookie is for HTTPS alone', async t => {
	const p = await page(t, browser, SELF_SIGNED);
	await signIn(p, { http: https });
	const [cookie] = await p.context().cookies();
	assert.equal(cookie.secure, true);
});

test('WSS: many messages, large ones, both ways', async t => {
	const p = await page(t, browser, SELF_SIGNED);
	await p.goto(`${https}/live/play.html`);
	const ms = await p.evaluate(async url => {
		const ws = new WebSocket(url), heard = [], from = performance.now();
		await new Promise((done, fail) => { ws.onopen = done; ws.onerror = () => fail(new Error('no WebSocket')); });
		ws.onmessage = e => heard.push(JSON.parse(e.data));
		for (let i = 0; i < 100; i++)
			ws.send('{"command":"ping"}');
		ws.send(JSON.stringify({ command: 'getTrackList', streamId: 'cam', token: 'x'.repeat(80 << 10) }));
		await new Promise(done => { ws.onmessage = e => { heard.push(JSON.parse(e.data)); if (heard.at(-1).command === 'trackList') done(); }; });
		ws.close();
		if (heard.filter(m => m.command === 'pong').length !== 100)
			throw new Error(`${heard.length} messages`);
		return performance.now() - from;
	}, `${https.replace('https', 'wss')}/live/websocket`);
	t.diagnostic(`101 messages, one of 80 KiB: ${Math.round(ms)} ms`);
});

test('a page plays over HTTPS, and goes on under a new certificate', async t => {
	await publish(server, 'cam');
	const p = await page(t, browser, SELF_SIGNED);
	await p.goto(`${https}/live/play.html?id=cam&token=${await server.token('cam')}`);
	await p.getByRole('button', { name: 'Play' }).click();
	await p.locator('[data-state=live]').waitFor();
	const frames = () => p.$eval('#picture', v => v.getVideoPlaybackQuality().totalVideoFrames);
	const before = await until(async () => await frames() || 0, 'a picture');
	use('two');
	server.signal('SIGHUP');
	await until(() => execFileSync('sh', ['-c', `openssl s_client -connect ${server.ports.https} </dev/null 2>/dev/null | grep subject`]).includes('two'), 'the new certificate');
	await until(async () => await frames() > before + 30, 'more pictures');
	assert.equal(await p.evaluate(() => document.body.dataset.state), 'live');
});

cleanUp();
