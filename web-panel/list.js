// list.js - a table that is a stack of short cards on a phone; rows keep their place and focus as they change.
import { h, fill, say, button, field, select, suggesting, keep, later } from './dom.js';
import { state, params, all } from './api.js';
import { attempt, announce } from './dialog.js';
import { when, exactly, machine, many, number } from './words.js';

/** columns: { name, text(row), title?(row), cls? } or { name, make(current), sync?(node, row), cls?, bare? }:
 * `make` is called once a row, `current()` gives the row as it is now. `lead`: a card says the name, too. */
export function list({ label, columns, key, empty }) {
	const body = h('tbody', { role: 'rowgroup' });
	const none = h('div.empty', 'Reading…');
	const table = h('table', { role: 'table', 'aria-label': label, hidden: true },
		h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
			columns.map(c => h('th', { role: 'columnheader', scope: 'col', class: c.cls }, c.bare ? h('span.sr', c.name) : c.name)))), body);
	const rows = new Map();

	function line(row) {
		let now = row;
		const cells = columns.map(c => h('td', { role: 'cell', 'data-lead': c.lead && c.name, class: c.cls }, c.make?.(() => now)));
		return { el: h('tr', { role: 'row' }, cells), update(row) {
			now = row;
			columns.forEach((c, i) => {
				if (c.text)
					say(cells[i], c.text(row));
				if (c.title)
					cells[i].title = c.title(row);
				c.sync?.(cells[i].firstChild, row);
			});
		} };
	}

	function update(items) {
		keep(body, rows, items, key, line);
		table.hidden = !items.length;
		none.hidden = items.length > 0;
		if (!items.length)
			fill(none, empty());
	}

	return { el: h('div.table', table, none), update };
}

/** A column of moments. */
export function timeColumn(name, ms) {
	return {
		name, lead: true, make: () => h('time'), sync: (el, row) => {
			const t = ms(row);
			say(el, when(t));
			el.dateTime = machine(t);
			el.title = exactly(t);
		},
	};
}

const PAGE = 100, STEPS = 10, AGAIN_MAX = 1000; // rows; calls a page, where a filter finds few; rows that are read again

/** A list read a page at a time, in `order`, of `path` where `filter()` holds; `shown(rows)` draws it. */
export function paged(path, filter, noun, total, shown, order = 'newest first') {
	let rows = [], want = PAGE, calls = 0, turn = 0, reading = false, asked; // as the rows' filter was, not as it is being typed
	const still = () => want > AGAIN_MAX || calls > STEPS;
	const more = button('Show more', async () => {
		if (reading)
			return;
		more.ariaBusy = reading = true; // disabled, it would lose the focus
		await attempt(() => read(rows.next));
		more.ariaBusy = reading = false;
		announce(total.textContent.split(',')[0]);
	}, '', { hidden: true });
	async function read(cursor) {
		const mine = ++turn, before = cursor ? rows : [];
		const got = await all(path, { ...asked ??= filter(), cursor }, cursor ? PAGE : want, STEPS);
		if (mine !== turn)
			return;
		rows = before.concat(got);
		rows.next = got.next;
		want = Math.max(PAGE, rows.length);
		calls = got.calls + (cursor ? calls : 0);
		more.hidden = !rows.next;
		say(total, rows.length ? `${rows.next ? `${number(rows.length)} shown, and more` : many(rows.length, noun)}, ${order}${still() ? '; so many stand still' : ''}` : rows.next ? 'Not all is looked through yet' : '');
		shown(rows);
	}
	return {
		el: h('p.more', more),
		next: () => rows.next,
		refresh: async () => !reading && !still() && read(),
		/** From the beginning. */
		anew() {
			want = PAGE;
			calls = 0;
			asked = null;
			more.hidden = true;
			return attempt(read);
		},
	};
}

/** The top of a page: its name, a line below it, what can be done. */
export const heading = (name, line, ...actions) => h('header.title', h('div', h('h1', { tabindex: -1 }, name), line), h('div.actions', actions));

/** One of `entries`, or all. */
export const choice = (params, name, entries, all = 'All') => select([['', all], ...entries], params.get(name) ?? '');

/** The filters that all lists have. */
export const streamFilters = params => ({
	app: choice(params, 'app', state.apps.map(a => [a.app, a.app])),
	streamId: suggesting({ value: params.get('streamId') ?? '', placeholder: 'Exactly', maxlength: 128 }),
});

/** A line of filters; `names` gives each its label. One application needs none. A phone shows the first, and the
 * others when asked. What is chosen stands in the address of `view`, `changed()` is called, what came of it is heard;
 * .values() tells it. */
export function filters(view, controls, names, changed) {
	const shown = Object.entries(names).filter(([k]) => k !== 'app' || state.apps.length > 1);
	const more = button('Filters', () => more.setAttribute('aria-expanded', el.classList.toggle('all')), 'more', { 'aria-expanded': 'false' });
	const tell = later(async () => {
		if (!el.isConnected)
			return; // another view is shown
		history.replaceState(null, '', `#/${view}${params(el.values())}`);
		await changed();
		announce(document.querySelector('.total').textContent.split(',')[0] || 'None is like that.');
	}, 250);
	const el = h('form.filters', { role: 'search', on: { submit: e => e.preventDefault(), input: tell } },
		shown.map(([k, name], i) => [field(name, controls[k]), controls[k].after_, i === 0 && more]));
	el.values = () => Object.fromEntries(Object.entries(controls).map(([k, c]) => [k, c.value.trim()]));
	if (shown.slice(1).some(([k]) => controls[k].value))
		more.click();
	return el;
}

/** "live/cam", or "cam" where there is one application. */
export const streamColumn = { name: 'Stream', cls: 'wrap', text: x => x.streamId ? state.apps.length > 1 ? `${x.app}/${x.streamId}` : x.streamId : x.app,
	title: x => `${x.app}/${x.streamId}` };
