// list.js - a table that is a stack of cards on a phone; rows keep their place and focus as they change.
import { h, fill, say, button, field, select, suggesting, drop } from './dom.js';
import { state } from './api.js';
import { when, exactly } from './words.js';

/** columns: { name, text(row), title?(row), cls? } or { name, make(current), sync?(node, row), cls?, bare? }:
 * `make` is called once a row, `current()` gives the row as it is now. */
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
			return h('td', { role: 'cell', 'data-label': c.bare ? null : c.name, class: c.cls }, node);
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
		name, cls: 'time', make: () => h('time'), sync: (el, row) => {
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

/** A line of filters; `names` gives each its label. One application needs none. */
export function filters(controls, names, changed, ...extra) {
	const el = h('form.filters', { role: 'search', on: { submit: e => e.preventDefault() } },
		Object.entries(names).map(([k, name]) => (k !== 'app' || state.apps.length > 1) && [field(name, controls[k]), controls[k].after_]), extra);
	el.addEventListener('input', changed);
	return el;
}

export const values = f => Object.fromEntries(Object.entries(f).map(([k, el]) => [k, el.value.trim()]));
