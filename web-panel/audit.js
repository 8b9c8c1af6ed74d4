// audit.js - who was let in, who was refused and why, who did what.
import { h, say, button, icon } from './dom.js';
import { params as query } from './api.js';
import { list, timeColumn, streamColumn, paged, filters, streamFilters, choice, heading } from './list.js';
import { failure, announce } from './dialog.js';
import { exporter } from './sessions.js';
import { protocol, tell, eventName, EVENTS, REASONS, TYPES } from './words.js';

const KINDS = { admitted: 'good', refused: 'bad', ended: 'dim' };
const COLUMNS = ['seq', 'time', 'event', 'reason', 'app', 'streamId', 'type', 'protocol', 'address', 'token', 'session', 'detail'];

const columns = [
	{ ...timeColumn('Time', a => a.at), lead: false },
	{ name: 'What', make: current => h(`span.badge.${KINDS[current().event] ?? (/^wrong_/.test(current().reason) ? 'bad' : 'plain')}`, eventName(current().event)) },
	{ name: 'Why', cls: 'main why', text: tell, title: a => a.reason },
	streamColumn,
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
			event: choice(params, 'event', Object.entries(EVENTS), 'Everything'),
			reason: choice(params, 'reason', Object.entries(REASONS).map(([k, [text]]) => [k, text]), 'Any'),
			token: h('input', { value: params.get('token') ?? '', placeholder: 'Its id', autocomplete: 'off', spellcheck: 'false' }),
		};
		let paused = false;
		const total = h('p.total');
		const table = list({ label: 'Audit', key: a => a.seq, columns,
			empty: () => [icon('audit'), h('h2', 'Nothing is written here'), h('p', 'Every attempt stands here with its verdict, and what administrators did.')] });
		const pause = button('Pause', () => {
			paused = !paused;
			pause.setAttribute('aria-pressed', paused);
			say(pause, paused ? 'Go on' : 'Pause');
			announce(paused ? 'The list stands still.' : 'The list goes on.');
			if (!paused)
				pages.refresh().catch(failure);
		}, '', { 'aria-pressed': 'false' });
		// Only a refusal has such a reason.
		f.reason.addEventListener('input', () => { f.event.value = f.reason.value ? 'refused' : ''; });
		f.event.addEventListener('input', () => { f.reason.value = ''; });
		const bar = filters('audit', f, { event: 'What', reason: 'Why refused', streamId: 'Stream', app: 'Application', token: 'Token' }, () => pages.anew());
		const pages = paged('audit', () => bar.values(), 'row', total, table.update);
		return {
			el: [heading('Audit', total, pause, exporter('audit', COLUMNS, bar.values)), bar, table.el, pages.el],
			refresh: async () => paused || pages.refresh(),
			rings: e => e.name === 'audit',
		};
	},
};
