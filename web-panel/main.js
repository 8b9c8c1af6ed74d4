// main.js - the frame: navigation, which view is shown, and when it reads again.
import { h, fill, icon, later } from './dom.js';
import { news, get, state, loadApps, isOpen, listen, stopListening, isGone } from './api.js';
import { settle, announce, failure } from './dialog.js';
import { signIn, takeSetupCode } from './signin.js';
import { account } from './account.js';
import { live } from './live.js';
import { control } from './control.js';
import { tokens } from './tokens.js';
import { sessions } from './sessions.js';
import { recordings } from './recordings.js';
import { audit } from './audit.js';

/* A view: { title, every (ms), build(params) -> { el, refresh(), stop?(), rings?(event) } }. */
const VIEWS = { live, control, tokens, sessions, recordings, audit };
const APPS_MS = 10e3;
const AWAY_MS = 20 * 60e3; // the server ends a session after half an hour without calls: let it

const root = document.getElementById('app');
const banners = h('div.banners', { role: 'region', 'aria-label': 'Warnings' });
let shown = null, timer, lastInput = Date.now(), paused = false;

// ---- banners ----

function banner(name, ...content) {
	banners.querySelector(`.${name}`)?.remove();
	if (content.length)
		banners.append(h(`div.banner.${name}`, icon('warn'), h('p', content)));
}

function warnIfOpen() {
	if (!state.apps.length || !state.apps.every(isOpen)) {
		banner('open');
		return;
	}
	if (!banners.querySelector('.open'))
		banner('open', h('strong', 'Everything is open. '), 'Whoever reaches this server may publish and watch. ',
			h('a', { href: '#/control' }, 'Turn the switches on'), '.');
}

// ---- reading again ----

const soon = later(() => refresh(), 200);

async function refresh() {
	clearTimeout(timer);
	const view = shown;
	if (!view || isGone() || document.hidden)
		return;
	if (Date.now() - lastInput > AWAY_MS) {
		paused = true;
		banner('away', 'Paused: nobody was here for twenty minutes. Press a key to go on.');
		return;
	}
	if (Date.now() - state.at > APPS_MS) // tokenctl's changes ring no bell here
		loadApps().catch(() => {});
	try {
		await view.refresh();
	} catch (e) {
		failure(e);
	}
	if (view === shown)
		timer = setTimeout(refresh, view.every);
}

for (const name of ['pointermove', 'pointerdown', 'keydown'])
	addEventListener(name, () => {
		lastInput = Date.now();
		if (paused) {
			paused = false;
			banner('away');
			refresh();
		}
	}, { passive: true });
document.addEventListener('visibilitychange', () => !document.hidden && soon());

news.addEventListener('event', e => {
	if (/"(setting|passwd)"/.test(e.detail.data ?? ''))
		loadApps().catch(() => {});
	if (!shown?.rings || shown.rings(e.detail))
		soon();
});
news.addEventListener('apps', warnIfOpen);
news.addEventListener('gone', () => {
	banner('gone', h('strong', 'The server does not answer. '), 'What you see may be old. Trying again by itself.');
	announce('The server does not answer. Trying again.', true);
});
news.addEventListener('back', async () => {
	banner('gone');
	announce('The server is back.');
	if (!shown) {
		location.reload();
		return;
	}
	loadApps().catch(() => {});
	refresh();
});

// ---- the frame ----

const links = {};
const main = h('main', { id: 'main', tabindex: -1 });

function frame() {
	for (const [name, view] of Object.entries(VIEWS))
		links[name] = h('a', { href: `#/${name}` }, icon(name), h('span', view.title));
	const skip = h('a.skip', { href: '#main', on: { click: e => { e.preventDefault(); main.focus(); } } }, 'Skip to the content');
	const me = h('button.account', { type: 'button', on: { click: leave } }, icon('person'), h('span', 'Account'));
	fill(root, skip, h('header.top', h('a.brand', { href: '#/live' },
		h('img', { src: 'panel/icon.svg', alt: '', width: 26, height: 26 }), 'Streamgate'),
	h('nav', { 'aria-label': 'Main' }, Object.values(links)), me),
	h('div.page', banners, main));
}

async function leave() {
	if (await account(unshow))
		start();
}

function route() {
	const [, name, query] = /^#\/(\w+)(?:\?(.*))?$/.exec(location.hash) ?? [];
	return { name: Object.hasOwn(VIEWS, name ?? '') ? name : 'live', params: new URLSearchParams(query ?? '') };
}

function show(first) {
	const { name, params } = route();
	shown?.stop?.();
	soon.cancel();
	const view = VIEWS[name];
	for (const n in links)
		links[n].setAttribute('aria-current', n === name ? 'page' : 'false');
	shown = { every: view.every, ...view.build(params) };
	fill(main, shown.el);
	document.title = `${view.title} – Streamgate`;
	scrollTo(0, 0);
	if (!first)
		main.querySelector('h1')?.focus();
	refresh();
}
addEventListener('hashchange', () => {
	if (/^#setup=/.test(location.hash))
		start();
	else if (shown)
		show();
});

// ---- signed in, signed out ----

function unshow() {
	shown?.stop?.();
	shown = null;
	clearTimeout(timer);
	stopListening();
}

async function start(why) {
	unshow();
	const code = takeSetupCode();
	try {
		state.me = await get('me', null, { quiet: true });
	} catch (e) {
		fill(root, banners, h('main.gate', h('div.card', h('h1', { tabindex: -1 }, 'Streamgate'), h('p', e.message))));
		return;
	}
	if (!state.me.who || code)
		await signIn(root, { code, why });
	frame();
	await loadApps().catch(failure);
	listen();
	show(true);
}

news.addEventListener('signedout', () => {
	if (!shown)
		return;
	for (const d of document.querySelectorAll('dialog[open]'))
		d.close();
	start('Your sign-in has ended. Sign in again to go on where you were.');
});

settle();
start();
