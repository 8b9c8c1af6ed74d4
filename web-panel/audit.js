// audit.js - who was let in, who was refused and why, who did what.
import { h, say, button, select, later, icon } from './dom.js';
import { get, all, state, params as query } from './api.js';
import { list, timeColumn, moreButton, filters, streamFilters, values } from './list.js';
import { failure, announce } from './dialog.js';
import { exporter } from './sessions.js';
import { protocol, tell, eventName, number, EVENTS, REASONS, TYPES } from './words.js';

const PAGE = 100, SHOWN_MAX = 2000, EXPORT_MAX = 100000;
const KINDS = { admitted: 'good', refused: 'bad', ended: 'dim' };
const COLUMNS = ['seq', 'time', 'event', 'reason', 'app', 'streamId', 'type', 'protocol', 'address', 'token', 'session', 'detail'];

const columns = [
	{ ...timeColumn('Time', a => a.at), lead: false },
	{ name: 'What', make: current => h(`span.badge.${KINDS[current().event] ?? 'plain'}`, eventName(current().event)) },
	{ name: 'Why', cls: 'main why', text: tell, title: a => a.reason },
	{ name: 'Stream', cls: 'wrap', text: a => a.streamId ? (state.apps.length > 1 ? `${a.app}/${a.streamId}` : a.streamId) : a.app, title: a => `${a.app}/${a.streamId}` },
	{ name: 'Type', text: a => TYPES[a.type] ?? '' },
	{ name: 'Protocol', text: a => protocol(a.protocol) },
	{ name: 'Address', cls: 'mono wrap', text: a => a.address },
	{ name: 'Token', lead: true, make: current => current().token ? h('a.mono', { href: `#/tokens${query({ token: current().token })}` }, current().token) : null },
];

export const audit = {
	title: 'Audit',
	every: 5000,
	build(params) {
		const f = {
			...streamFilters(params),
			event: select([['', 'Everything'], ...Object.entries(EVENTS)], params.get('event') ?? ''),
			reason: select([['', 'Any'], ...Object.entries(REASONS).map(([k, [text]]) => [k, text])], params.get('reason') ?? ''),
			token: h('input', { type: 'text', value: params.get('token') ?? '', placeholder: 'Its id', autocomplete: 'off', spellcheck: 'false' }),
		};
		let rows = [], next = null, turn = 0, paused = false, fresh = true;
		const total = h('p.total'), more = moreButton(() => read().catch(failure));
		const table = list({ label: 'Audit', key: a => a.seq, columns,
			empty: () => [icon('audit'), h('h2', 'Nothing is written here'), h('p', 'Every attempt stands here with its verdict, and what administrators did.')] });
		const pause = button('Pause', () => {
			paused = !paused;
			pause.setAttribute('aria-pressed', paused);
			say(pause, paused ? 'Go on' : 'Pause');
			announce(paused ? 'The list stands still.' : 'The list goes on.');
			if (!paused)
				refresh().catch(failure);
		}, '', { 'aria-pressed': 'false' });
		const filter = () => values(f);
		function show() {
			table.update(rows);
			more.set(next);
			say(total, rows.length ? `${number(rows.length)} shown${next ? ', and more' : ''}, newest first` : '');
		}
		/* The first page, or the one below what is shown. */
		async function read() {
			const mine = ++turn;
			more.busy(true);
			try {
				const a = await get('/api/v1/audit', { ...filter(), limit: PAGE, cursor: fresh ? undefined : next });
				if (mine !== turn)
					return;
				rows = fresh ? a.items : rows.concat(a.items);
				next = a.next;
				fresh = false;
				show();
			} finally {
				more.busy(false);
			}
		}
		/* What has come since. After a long absence the list begins anew. */
		async function refresh() {
			if (paused)
				return;
			if (fresh || !rows.length) {
				fresh = true;
				await read();
				return;
			}
			const mine = ++turn;
			const a = await get('/api/v1/audit', { ...filter(), limit: 1000, after: rows[0].seq });
			if (mine !== turn)
				return;
			if (a.next) {
				fresh = true;
				await read();
				return;
			}
			if (!a.items.length)
				return;
			rows = a.items.reverse().concat(rows);
			if (rows.length > SHOWN_MAX) {
				rows.length = SHOWN_MAX;
				next = String(rows.at(-1).seq);
			}
			show();
		}
		// Only a refusal has such a reason.
		f.reason.addEventListener('input', () => { f.event.value = f.reason.value ? 'refused' : ''; });
		f.event.addEventListener('input', () => { f.reason.value = ''; });
		const changed = () => {
			history.replaceState(null, '', `#/audit${query(filter())}`);
			fresh = true;
			read().catch(failure);
		};
		return {
			el: [h('header.title', h('div', h('h1', { tabindex: -1 }, 'Audit'), total),
				h('div.actions', pause, exporter('audit', COLUMNS, () => all('/api/v1/audit', filter(), EXPORT_MAX)))),
			filters(f, { event: 'What', reason: 'Why refused', streamId: 'Stream', app: 'Application', token: 'Token' }, later(changed, 250)), table.el, more],
			refresh,
			rings: e => e.name === 'audit',
		};
	},
};
