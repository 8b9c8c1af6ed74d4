// sessions.js - who is in.
import { h, say, button, icon, save } from './dom.js';
import { get, del, all, at, params as query } from './api.js';
import { list, timeColumn, streamColumn, filters, streamFilters, choice, heading } from './list.js';
import { ask, attempt, failure } from './dialog.js';
import { protocol, bytes, csv, many, number, PROTOCOLS, TYPES } from './words.js';

const SHOWN = 500, EXPORT_MAX = 100000;
const STATES = { checking: 'Checking', held: 'Waiting for media', committing: 'Waiting for media', active: 'In' };
const COLUMNS = ['id', 'type', 'state', 'app', 'streamId', 'protocol', 'address', 'userAgent', 'startedAt', 'token', 'bytes'];

async function kick(s) {
	const who = `${s.address}, ${s.type === 'play' ? 'watching' : 'publishing'} ${s.streamId}`;
	if (await ask('Show out?', [who, s.token ? 'Its token stays as it is: if it has a use left, it can come back. To shut it out, revoke the token.'
		: 'It came in without a token and can come back while none is needed.'], 'Show out'))
		await attempt(() => del(`sessions/${at(s.id)}`), `Shown out: ${who}.`);
}

/** Round trip and loss, where they are known. */
const line = l => [l.rttMs != null && `${Math.round(l.rttMs)} ms`, l.loss >= .0005 && `${(l.loss * 100).toFixed(1)} % lost`].filter(Boolean).join(', ');

const columns = [
	{ name: 'Who', cls: 'main', make: () => h('div.two', h('span.mono'), h('span.sub')),
		sync: (el, s) => { say(el.firstChild, s.address); say(el.lastChild, s.userAgent); el.lastChild.title = s.userAgent; } },
	{ name: 'Does', text: s => s.state === 'active' ? (s.type === 'play' ? 'Watches' : 'Publishes') : STATES[s.state] ?? s.state },
	streamColumn,
	{ name: 'Protocol', text: s => protocol(s.protocol) },
	timeColumn('Since', s => s.startedAt * 1000),
	{ name: 'Carried', cls: 'num', lead: true, text: s => bytes(s.bytes) },
	{ name: 'Line', lead: true, text: s => line(s.srt ?? s.webrtc ?? {}) },
	{ name: 'Token', lead: true, make: () => h('span'), sync: (el, s) => {
		if (el.dataset.token === (s.token ?? ''))
			return;
		el.dataset.token = s.token ?? '';
		el.replaceChildren(s.token ? h('a.mono', { href: `#/tokens${query({ token: s.token })}` }, s.token) : h('span.dim', 'None'));
	} },
	{ name: 'Actions', bare: true, cls: 'act', make: current => button('Show out', () => kick(current()), 'small danger', { 'aria-label': `Show out ${current().address}, session ${current().id}` }) },
];

/** Buttons that save all of `path` that the filter lets through. */
export function exporter(path, names, filter) {
	const run = kind => attempt(async () => {
		const rows = await all(path, filter(), EXPORT_MAX);
		const [type, text] = kind === 'csv' ? ['text/csv', csv(names, rows)] : ['application/json', JSON.stringify([...rows], null, 1)];
		save(`${path}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${kind}`, type, text);
		return rows;
	}, rows => `${many(rows.length, 'row')} saved.${rows.next ? ' There are more: narrow the filter.' : ''}`);
	return ['CSV', 'JSON'].map(kind => button(kind, () => run(kind.toLowerCase()), '', { 'aria-label': `Export as ${kind}` }));
}

export const sessions = {
	title: 'Sessions',
	every: 3000,
	build(params) {
		const f = {
			...streamFilters(params),
			type: choice(params, 'type', Object.entries(TYPES)),
			protocol: choice(params, 'protocol', Object.entries(PROTOCOLS).filter(([k]) => k !== 'api')),
		};
		const total = h('p.total');
		const table = list({ label: 'Sessions', key: s => s.id, columns,
			empty: () => [icon('sessions'), h('h2', 'Nobody is in'), h('p', 'Publishers and viewers stand here from the moment they are let in until they leave.')] });
		const bar = filters('sessions', f, { streamId: 'Stream', app: 'Application', type: 'Type', protocol: 'Protocol' }, () => refresh().catch(failure));
		let turn = 0;
		async function refresh() {
			const mine = ++turn, a = await get('sessions', { ...bar.values(), limit: SHOWN });
			if (mine !== turn)
				return;
			table.update(a.items);
			say(total, a.items.length ? `${a.next ? `The first ${number(SHOWN)}` : many(a.items.length, 'session')}, oldest first` : '');
			f.streamId.suggest([...new Set(a.items.map(s => s.streamId))].slice(0, 50));
		}
		return {
			el: [heading('Sessions', total, exporter('sessions', COLUMNS, bar.values)), bar, table.el],
			refresh,
		};
	},
};
