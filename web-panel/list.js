// list.js - a table that is a stack of short cards on a phone; rows keep their place and focus as they change.
import { h, fill, say, button, field, select, suggesting, drop } from './dom.js';
import { state } from './api.js';
import { when, exactly } from './words.js';

/** columns: { name, text(row), title?(row), cls? } or { name, make(current), sync?(node, row), cls?, bare? }:
 * `make` is called once a row, `current()` gives the row as it is now. `lead`: a card says the name, too. */
export function list({ label, columns, key, empty }) {
	const body = h('tbody', { role: 'rowgroup' });
	const none = h('div.empty', { hidden: true });
	const table = h('table', { role: 'table', 'aria-label': label },
		h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
			columns.map(c => h('th', { role: 'columnheader', scope: 'col', class: c.cls }, c.bare ? h('span.sr', c.name) : c.name)))), body);
	const rows = new Map();

	function line(row) {
		const rec = { row };
		rec.cells = columns.map(c => {
			const node = c.make ? c.make(() => rec.row) : null;
			return h('td', { role: 'cell', 'data-lead': c.lead && c.name, class: c.cls }, node);
		});
		rec.tr = h('tr', { role: 'row' }, rec.cells);
		return rec;
	}

	function sync(rec, row) {
		rec.row = row;
		columns.forEach((c, i) => {
			if (c.text)
				say(rec.cells[i], c.text(row));
			if (c.title)
				rec.cells[i].title = c.title(row);
			c.sync?.(rec.cells[i].firstChild, row);
		});
	}

	function update(items) {
		const seen = new Set();
		let place = body.firstChild;
		for (const row of items) {
			const k = key(row);
			if (seen.has(k))
				continue;
			seen.add(k);
			let rec = rows.get(k);
			if (!rec)
				rows.set(k, rec = line(row));
			sync(rec, row);
			if (rec.tr === place)
				place = place.nextSibling;
			else
				body.insertBefore(rec.tr, place);
		}
		for (const [k, rec] of rows) {
			if (seen.has(k))
				continue;
			drop(rec.tr);
			rows.delete(k);
		}
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
		name, cls: 'time', lead: true, make: () => h('time'), sync: (el, row) => {
			const t = ms(row);
			say(el, when(t));
			el.dateTime = new Date(t).toISOString();
			el.title = exactly(t);
		},
	};
}

/** Cursor paging: keeps what was read and adds below it. */
export function moreButton(onMore) {
	const el = button('Show more', onMore, '', { hidden: true });
	const line = h('p.more', el);
	line.set = next => { el.hidden = !next; };
	line.busy = yes => { el.disabled = yes; };
	return line;
}

/** The filters that all lists have. */
export function streamFilters(params) {
	return {
		app: select([['', 'All'], ...state.apps.map(a => [a.app, a.app])], params.get('app') ?? ''),
		streamId: suggesting({ value: params.get('streamId') ?? '', placeholder: 'Exactly', maxlength: 128 }),
	};
}

/** A line of filters; `names` gives each its label. One application needs none. A phone shows the first, and the
 * others when asked. */
export function filters(controls, names, changed) {
	const shown = Object.entries(names).filter(([k]) => k !== 'app' || state.apps.length > 1);
	const more = button('Filters', () => more.setAttribute('aria-expanded', el.classList.toggle('all')), 'more', { 'aria-expanded': 'false' });
	const el = h('form.filters', { role: 'search', on: { submit: e => e.preventDefault(), input: changed } },
		shown.map(([k, name], i) => [field(name, controls[k]), controls[k].after_, i === 0 && more]));
	if (shown.slice(1).some(([k]) => controls[k].value))
		more.click();
	return el;
}

export const values = f => Object.fromEntries(Object.entries(f).map(([k, el]) => [k, el.value.trim()]));
