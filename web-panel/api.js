// api.js - calls to the server, whether it is there, and its doorbell of live events.

class ApiError extends Error {
	constructor(status, message) {
		super(message);
		this.status = status;
	}
}

/** What the page is told: 'signedout', 'gone', 'back', 'event' (detail: the event's name). */
export const news = new EventTarget();
const tell = (name, detail) => news.dispatchEvent(new CustomEvent(name, { detail }));

let gone = false;
export const isGone = () => gone;

export const API = '/api/v1/';
export const SDP = 'application/sdp';
const PATIENCE_MS = 15e3;
let skew = 0;

/** By the server's clock, to a second. */
export const now = () => Date.now() + skew;

/** JSON in and out; of SDP its text. Throws ApiError; status 0 is a server that does not answer. */
export async function call(method, path, body, { quiet, type = 'application/json' } = {}) {
	const headers = { Accept: 'application/json' };
	if (method !== 'GET')
		headers['X-Streamgate'] = '1'; // no other site's form or link can send it
	if (body !== undefined)
		headers['Content-Type'] = type;
	let answer, text, json;
	try {
		answer = await fetch(API + path, { method, headers, body: type === SDP ? body : JSON.stringify(body),
			signal: AbortSignal.timeout(PATIENCE_MS), credentials: 'same-origin', cache: 'no-store', keepalive: method === 'DELETE' });
		skew = Date.parse(answer.headers.get('Date')) - Date.now() || 0;
		text = await answer.text();
	} catch {
		lost();
		throw new ApiError(0, 'The server does not answer.');
	}
	if (answer.ok && type === SDP)
		return text;
	try {
		json = text ? JSON.parse(text) : null;
	} catch {
		if (answer.ok)
			throw new ApiError(-1, 'The answer is not the server’s: is there something in between?');
	}
	if (answer.ok)
		return json;
	if (answer.status === 401 && !quiet)
		tell('signedout');
	const error = new ApiError(answer.status, sentence(json?.detail ?? json?.message ?? `the server answered ${answer.status}`));
	error.retryAfter = Number(answer.headers.get('Retry-After')) || 1;
	throw error;
}

function sentence(text) {
	return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}

export const get = (path, query, options) => call('GET', path + params(query), undefined, options);
export const post = (path, body, options) => call('POST', path, body, options);
export const patch = (path, body) => call('PATCH', path, body);
export const del = (path, query) => call('DELETE', path + params(query));

export function params(query) {
	const p = new URLSearchParams();
	for (const [k, v] of Object.entries(query ?? {}))
		if (v || v === 0)
			p.set(k, v);
	return p.size ? `?${p}` : '';
}
export const at = encodeURIComponent;

/** The pages of a list, up to `max` rows and `steps` calls; .next is where more begins, .calls how many it took. */
export async function all(path, query, max, steps = Infinity) {
	const rows = Object.assign([], { calls: 0 });
	let { cursor } = query;
	do {
		const answer = await get(path, { ...query, limit: Math.min(1000, max - rows.length), cursor });
		rows.push(...answer.items);
		cursor = answer.next;
	} while (++rows.calls < steps && cursor && rows.length < max);
	rows.next = cursor;
	return rows;
}

let working = 0;
addEventListener('beforeunload', e => working && e.preventDefault());

/** `act` for each of `items`, waiting where it is asked to; how many did not work. `leaving`: all at once. */
export async function each(items, act, leaving) {
	if (leaving)
		await Promise.allSettled(items.map(act)).then(() => { items = []; });
	let failed = 0;
	working++;
	for (const item of items)
		for (let tries = 20; ;) {
			const e = await act(item).then(() => null, e => e);
			if (e && [429, 503].includes(e.status) && --tries) {
				await new Promise(done => setTimeout(done, Math.min(e.retryAfter, 5) * 1000));
				continue;
			}
			failed += Boolean(e && e.status !== 404); // gone already: what was wanted holds
			break;
		}
	working--;
	return failed;
}

// ---- what every view knows ----

export const state = { me: null, apps: [], at: 0 };

export const isOpen = app => !app.publishTokenControlEnabled && !app.playTokenControlEnabled;

export async function loadApps() {
	state.at = Date.now();
	state.apps = (await get('apps')).items;
	tell('apps');
}

// ---- a server that is gone ----

let wait = 0;
function lost() {
	if (gone)
		return;
	gone = true;
	wait = 500;
	hangUp();
	tell('gone');
	setTimeout(look, wait);
}

async function look() {
	try {
		const answer = await fetch('/healthz', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
		if (answer.ok) {
			gone = false;
			if (listening)
				listen();
			tell('back');
			return;
		}
	} catch { /* still gone */ }
	wait = Math.min(wait * 1.5, 5000);
	setTimeout(look, wait);
}

// ---- live events ----
// They are a doorbell: a view that hears one reads again what it shows. So nothing is lost with an
// event that was missed, and without events the views' own clocks do.

let source = null, listening = false, retry;

export function listen() {
	listening = true;
	clearTimeout(retry);
	if (source || gone || document.hidden)
		return;
	source = new EventSource(API + 'events');
	for (const name of ['audit', 'stream'])
		source.addEventListener(name, e => tell('event', { name, data: e.data }));
	source.onerror = () => {
		// The browser retries what broke, but not what was refused.
		if (source?.readyState === EventSource.CLOSED) {
			source = null;
			retry = setTimeout(() => listening && listen(), 10000);
		}
	};
}

function hangUp() {
	source?.close();
	source = null;
}

// Six connections is what a browser opens to a server: those of tabs that nobody sees would leave none.
document.addEventListener('visibilitychange', () => document.hidden ? hangUp() : listening && listen());

export function stopListening() {
	listening = false;
	clearTimeout(retry);
	hangUp();
}
