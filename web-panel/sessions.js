// sessions.js - who is in.
import { h, say, button, select, later, icon, save } from './dom.js';
import { get, del, all, at, state, params as query } from './api.js';
import { list, timeColumn, filters, streamFilters, values } from './list.js';
import { ask, notice, failure } from './dialog.js';
import { protocol, bytes, csv, many, number, duration, PROTOCOLS, TYPES } from './words.js';

const SHOWN = 500, EXPORT_MAX = 100000;
const STATES = { checking: 'Checking', held: 'Waiting for media', committing: 'Waiting for media', active: 'In' };
const COLUMNS = ['id', 'type', 'state', 'app', 'streamId', 'protocol', 'address', 'userAgent', 'startedAt', 'token', 'bytes'];

async function kick(s) {
	const who = `${s.address}, ${s.type === 'play' ? 'watching' : 'publishing'} ${s.streamId}`;
	if (!await ask('Show out?', [who, s.token ? 'Its token stays as it is: if it has a use left, it can come back. To shut it out, revoke the token.'
		: 'It came in without a token and can come back while none is needed.'], 'Show out', { danger: true }))
		return;
	try {
		await del(`/api/v1/sessions/${at(s.id)}`);
		notice(`Shown out: ${who}.`);
	} catch (e) {
		failure(e);
	}
}

const columns = [
	{ name: 'Who', cls: 'main', make: () => h('div.two', h('span.mono'), h('span.sub')),
		sync: (el, s) => { say(el.firstChild, s.address); say(el.lastChild, s.userAgent); el.lastChild.title = s.userAgent; } },
	{ name: 'Does', text: s => s.state === 'active' ? (s.type === 'play' ? 'Watches' : 'Publishes') : STATES[s.state] ?? s.state },
	{ name: 'Stream', cls: 'wrap', text: s => state.apps.length > 1 ? `${s.app}/${s.streamId}` : s.streamId },
	{ name: 'Protocol', text: s => protocol(s.protocol) },
	timeColumn('Since', s => s.startedAt * 1000),
	{ name: 'For', cls: 'num', lead: true, text: s => duration(Date.now() / 1000 - s.startedAt) },
	{ name: 'Carried', cls: 'num', lead: true, text: s => bytes(s.bytes) },
	{ name: 'Token', lead: true, make: () => h('span'), sync: (el, s) => {
		if (el.dataset.token === (s.token ?? ''))
			return;
		el.dataset.token = s.token ?? '';
		el.replaceChildren(s.token ? h('a.mono', { href: `#/tokens${query({ token: s.token })}` }, s.token) : h('span.dim', 'None'));
	} },
	{ name: 'Actions', bare: true, cls: 'act', make: current => button('Show out', () => kick(current()), 'small danger', { 'aria-label': `Show out ${current().address}, session ${current().id}` }) },
];

/** Buttons that save all that the filter lets through. */
export function exporter(name, columns_, read) {
	const run = async kind => {
		try {
			const rows = await read();
			save(`${name}-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${kind}`, kind === 'csv' ? 'text/csv' : 'application/json',
				kind === 'csv' ? csv(columns_, rows) : JSON.stringify([...rows], null, 1));
			notice(`${many(rows.length, 'row')} saved.${rows.more ? ' There are more: narrow the filter.' : ''}`);
		} catch (e) {
			failure(e);
		}
	};
	return [button('CSV', () => run('csv'), '', { 'aria-label': 'Export as CSV' }), button('JSON', () => run('json'), '', { 'aria-label': 'Export as JSON' })];
}

export const sessions = {
	title: 'Sessions',
	every: 3000,
	build(params) {
		const f = {
			...streamFilters(params),
			type: select([['', 'All'], ...Object.entries(TYPES)], params.get('type') ?? ''),
			protocol: select([['', 'All'], ...Object.entries(PROTOCOLS).filter(([k]) => k !== 'api')], params.get('protocol') ?? ''),
		};
		const total = h('p.total');
		const table = list({ label: 'Sessions', key: s => s.id, columns,
			empty: () => [icon('sessions'), h('h2', 'Nobody is in'), h('p', 'Publishers and viewers stand here from the moment they are let in until they leave.')] });
		const filter = () => values(f);
		let turn = 0;
		async function refresh() {
			const mine = ++turn, a = await get('/api/v1/sessions', { ...filter(), limit: SHOWN });
			if (mine !== turn)
				return;
			table.update(a.items);
			say(total, a.items.length ? `${a.next ? `The first ${number(SHOWN)}` : many(a.items.length, 'session')}, oldest first` : '');
			f.streamId.suggest([...new Set(a.items.map(s => s.streamId))].slice(0, 50));
		}
		const changed = () => {
			history.replaceState(null, '', `#/sessions${query(filter())}`);
			refresh().catch(failure);
		};
		return {
			el: [h('header.title', h('div', h('h1', { tabindex: -1 }, 'Sessions'), total),
				h('div.actions', exporter('sessions', COLUMNS, () => all('/api/v1/sessions', filter(), EXPORT_MAX)))),
			filters(f, { streamId: 'Stream', app: 'Application', type: 'Type', protocol: 'Protocol' }, later(changed, 250)), table.el],
			refresh,
		};
	},
};
