// token_new.js - a new token: what it is for, then its secret, which is shown this once.
import { h, fill, say, button, field, form, select, suggesting, copy, save, icon } from './dom.js';
import { get, post, state, now } from './api.js';
import { dialog, announce } from './dialog.js';
import { csv, exactly, many, protocol, when, TYPES } from './words.js';
import { qr } from './qr.js';

const LIFETIMES = [['', 'As the application says'], ['1h', 'In an hour'], ['6h', 'In six hours'], ['24h', 'In a day'],
	['7d', 'In a week'], ['30d', 'In thirty days'], ['at', 'At a time of its own…']];
const RESUME = [['', 'Never'], ['10s', 'Within 10 seconds'], ['30s', 'Within 30 seconds'], ['2m', 'Within 2 minutes']];

function suggest(input, app) {
	Promise.allSettled([get('streams', { app }), get('tokens', { app, limit: 200 }), get('recordings', { app, limit: 200 })])
		.then(lists => input.suggest([...new Set(lists.flatMap(l => l.value?.items ?? []).map(s => s.streamId))].slice(0, 50)));
}

/* The local time that an <input type=datetime-local> wants. */
const local = ms => exactly(ms).slice(0, 16);

function asking(preset, created) {
	const amount = max => h('input', { type: 'number', min: 1, max, value: 1, inputmode: 'numeric' });
	const f = {
		app: select(state.apps.map(a => [a.app, a.app]), preset.app ?? state.apps.find(a => a.app === 'live')?.app),
		stream: suggesting({ maxlength: 128, value: preset.streamId ?? '', required: true, autofocus: !preset.streamId }),
		type: select(Object.entries(TYPES), preset.type),
		expires: select(LIFETIMES),
		at: h('input', { type: 'datetime-local', min: local(now()), value: local(now() + 86400e3) }),
		uses: amount(1000000),
		label: h('input', { maxlength: 128, placeholder: 'Who or what it is for', autocomplete: 'off', autofocus: Boolean(preset.streamId) }),
		resume: select(RESUME),
		count: amount(1000),
	};
	suggest(f.stream, f.app.value);
	f.app.addEventListener('change', () => suggest(f.stream, f.app.value));
	const at = field('Expires at', f.at, Intl.DateTimeFormat().resolvedOptions().timeZone);
	at.hidden = true;
	f.expires.addEventListener('change', () => { at.hidden = f.expires.value !== 'at'; });
	const send = async () => {
		if (!f.stream.value.trim())
			throw new Error('Which stream is it to open?');
		created(await post('tokens', asked(f)));
	};
	return form('Create', send, (wrong, go) => [
		h('div.body', h('div.row', field('Opens', f.type), field('Stream', f.stream), state.apps.length > 1 && field('Application', f.app)), f.stream.after_,
			h('div.row', field('Expires', f.expires), field('Uses', f.uses)), at, field('Label', f.label),
			h('details', h('summary', 'More'), h('div.row',
				field('May reconnect', f.resume, 'After a break, from the same address, on the same use: for encoders.'),
				field('How many tokens', f.count, 'Up to 1,000, all alike.')))),
		h('footer', wrong, go)]);
}

function asked(f) {
	const own = f.expires.value === 'at', count = Number(f.count.value);
	return {
		app: f.app.value || 'live',
		streamId: f.stream.value.trim(),
		type: f.type.value,
		maxUses: Number(f.uses.value),
		expireDate: own ? Math.floor(new Date(f.at.value).getTime() / 1000) : undefined,
		expiresIn: own ? undefined : f.expires.value || undefined,
		label: f.label.value || undefined,
		resume: f.resume.value || undefined,
		count: count === 1 ? undefined : count,
	};
}

// ---- what came of it ----

function copyButton(text, what) {
	const el = button([icon('copy'), h('span')], press, 'small');
	let back;
	const name = text => {
		say(el.lastChild, text);
		el.setAttribute('aria-label', `${text} ${what}`);
	};
	name('Copy');
	async function press() {
		const done = await copy(text);
		name(done ? 'Copied' : 'Select');
		announce(done ? `${what} copied.` : 'Copying is not allowed here: select the text.');
		clearTimeout(back);
		back = setTimeout(name, 2500, 'Copy');
	}
	return el;
}

function secret(name, text, showCode) {
	return h('div.secret', h('span.name', name), h('code', text), h('span.acts', copyButton(text, name),
		showCode && button([icon('qr'), h('span', 'QR')], () => showCode(name, text), 'small', { 'aria-label': `QR code of ${name}` })));
}

/* OBS and encoders ask for the two halves of an RTMP address apart. */
function halves(url) {
	const parts = /^(rtmps?:\/\/[^/]+\/[^/]+)\/(.+)$/.exec(url ?? '');
	return parts ? [['Server, for OBS', parts[1]], ['Stream key, for OBS', parts[2]]] : [];
}

function one(t) {
	const code = h('div', { hidden: true });
	const show = (name, text) => {
		const picture = qr(text, `QR code of ${name}`);
		fill(code, picture ?? h('p.note', 'This is too long for a QR code.'), h('p.help', name));
		code.hidden = false;
		code.scrollIntoView({ block: 'nearest' });
		announce(picture ? `QR code of ${name} is shown.` : 'This is too long for a QR code.');
	};
	const links = Object.entries(t.urls ?? {}).map(([p, url]) => [p === 'mp4' ? 'Recording' : protocol(p), url]);
	return [secret('Token', t.tokenId, show),
		t.type === 'publish' && halves(t.urls?.rtmp).map(([name, text]) => secret(name, text)),
		links.map(([name, url]) => secret(`${name} link`, url, show)), code];
}

function several(items) {
	const rows = items.map(t => ({ tokenId: t.tokenId, id: t.id, app: t.app, streamId: t.streamId, type: t.type, label: t.label,
		expireDate: new Date(t.expireDate * 1000).toISOString(), ...t.urls }));
	return h('div.actions', copyButton(items.map(t => t.tokenId).join('\n'), 'all tokens'),
		button('Save as CSV, with links', () => save('tokens.csv', 'text/csv', csv(Object.keys(rows[0]), rows)), 'small'));
}

function result(items) {
	const t = items[0];
	return [h('div.body', h('p.note.warn', icon('warn'), h('span', h('strong', 'Shown this once. '),
		`Only a hash is kept: when this is closed, nobody can see the ${items.length > 1 ? 'secrets' : 'secret'} again.`)),
	h('p.help', `${TYPES[t.type]} ${t.app}/${t.streamId}, ${many(t.maxUses, 'use')}, until ${when(t.expireDate * 1000)}. `,
		items.length > 1 ? '' : `Its id is ${t.id}; the id opens nothing.`),
	items.length > 1 ? several(items) : one(t))];
}

/** Opens the form, then what it made. Resolves with the new tokens' rows, or undefined. */
export async function newToken(preset = {}) {
	const made = await dialog('New token', close => asking(preset, close));
	if (!made)
		return undefined;
	const items = made.items ?? [made];
	await dialog(items.length > 1 ? `${many(items.length, 'token')} created` : 'Token created',
		close => [result(items), h('footer', button('Done', () => close(), 'primary'))], { wide: true });
	return items;
}
