// dom.js - elements, made without markup: what comes from outside is only ever text.

/** h('a.button', { href, on: { click } }, 'text', node, ...): null and false are left out. */
export function h(what, props, ...children) {
	const [tag, ...classes] = what.split('.');
	const el = document.createElement(tag || 'div');
	if (classes.length)
		el.className = classes.join(' ');
	if (props && (typeof props !== 'object' || props instanceof Node || Array.isArray(props))) {
		children.unshift(props);
		props = null;
	}
	for (const [name, value] of Object.entries(props ?? {})) {
		if (name === 'on')
			for (const [event, handler] of Object.entries(value))
				el.addEventListener(event, handler);
		else if (name === 'value')
			el.value = value ?? '';
		else if (value != null && value !== false)
			el.setAttribute(name, value === true ? '' : value);
	}
	return fill(el, children);
}

export function fill(el, ...children) {
	el.replaceChildren(...children.flat(5).filter(c => c != null && c !== false));
	return el;
}

/** Sets text only where it differs: a screen reader hears, and a selection loses, nothing else. */
export function say(el, text) {
	if (el.textContent !== text)
		el.textContent = text;
}

const SVG = 'http://www.w3.org/2000/svg';
export function svg(tag, attributes, ...children) {
	const el = document.createElementNS(SVG, tag);
	for (const [name, value] of Object.entries(attributes))
		el.setAttribute(name, value);
	el.append(...children);
	return el;
}

const PATHS = {
	live: 'M8 5.5v13l10.5-6.5z',
	control: 'M4 8h9M19 8h1M4 16h1M11 16h9M16 5.5v5M8 13.5v5',
	tokens: 'M8 12a4 4 0 1 0 0 .01zM12 12h9v3.5M17 12v2.5',
	sessions: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-3.6 3-6 6.5-6s6.1 2.4 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6M18 14.5c2 .8 3.3 2.8 3.5 5.5',
	recordings: 'M3.5 6h17v12h-17zM7.5 6v12M16.5 6v12',
	audit: 'M6 3.5h12v17H6zM9 8h6M9 12h6M9 16h4',
	person: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.6-4 3.5-6 7.5-6s6.9 2 7.5 6',
	close: 'M6 6l12 12M18 6L6 18',
	copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
	qr: 'M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2M20 14v3h-3M14 20h2M20 20v0',
	warn: 'M12 4L2.8 20h18.4zM12 10v4.5M12 17.2v.3',
};

export function icon(name) {
	return svg('svg', { viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true', focusable: 'false' },
		svg('path', { d: PATHS[name] }));
}

export function button(text, onClick, kind = '', props = {}) {
	return h('button', { type: 'button', class: `button ${kind}`, ...props, on: { click: onClick } }, text);
}

let ids = 0;
/** A control with its label, and what is wrong or helpful below it. */
export function field(label, control, help) {
	const id = control.id || (control.id = `f${++ids}`);
	const note = help ? h('p.help', { id: `${id}-help` }, help) : null;
	if (note)
		control.setAttribute('aria-describedby', note.id);
	return h('div.field', h('label', { for: id }, label), control, note);
}

export const ENTRY = 'input:not([hidden])';

/** A form of what build(wrong, go) makes. What `send` throws is told in `wrong`; its .control, or the first, gets the focus. */
export function form(label, send, build) {
	const wrong = h('p.wrong', { role: 'alert' }), go = button(label, null, 'primary', { type: 'submit' });
	const el = h('form', { novalidate: true, on: { submit: async e => {
		e.preventDefault();
		fill(wrong);
		go.disabled = true;
		try {
			await send();
		} catch (error) {
			fill(wrong, icon('warn'), error.message);
			(error.control ?? el.querySelector(ENTRY)).focus();
		} finally {
			go.disabled = false;
		}
	} } }, build(wrong, go));
	return el;
}

export function select(options, value, props = {}) {
	const el = h('select', props, options.map(([v, text]) => h('option', { value: v }, text)));
	el.value = value ?? options[0][0];
	return el;
}

/** An input with suggestions; fill them with .suggest([...]). */
export function suggesting(props = {}) {
	const list = h('datalist', { id: `f${++ids}` });
	const input = h('input', { autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', list: list.id, ...props });
	input.after_ = list;
	input.suggest = names => fill(list, names.map(value => h('option', { value })));
	return input;
}

/** Once, `ms` after the last call. */
export function later(fn, ms) {
	let timer;
	const run = (...args) => {
		clearTimeout(timer);
		timer = setTimeout(fn, ms, ...args);
	};
	run.cancel = () => clearTimeout(timer);
	return run;
}

export async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		// Without TLS browsers have no clipboard for pages; the old way still works.
		const holder = h('textarea', { class: 'sr', 'aria-hidden': 'true', tabindex: -1, value: text });
		const before = document.activeElement;
		(document.querySelector('dialog[open]') ?? document.body).append(holder);
		holder.select();
		const done = document.execCommand('copy');
		holder.remove();
		before?.focus();
		return done;
	}
}

export function save(name, type, text) {
	const url = URL.createObjectURL(new Blob([text], { type }));
	const a = h('a', { href: url, download: name, hidden: true });
	document.body.append(a);
	a.click();
	a.remove();
	setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Keeps one { el, update(row), end?() } in `parent` for each of `rows`, in their order, made by make(row) when it first
 * comes. The focus of one that goes moves to the heading. */
export function keep(parent, kept, rows, key, make) {
	const now = new Map(rows.map(row => [key(row), row]));
	for (const [k, item] of kept) {
		if (now.has(k))
			continue;
		item.end?.();
		if (item.el.contains(document.activeElement))
			document.querySelector('h1')?.focus();
		item.el.remove();
		kept.delete(k);
	}
	let place = parent.firstChild;
	for (const [k, row] of now) {
		if (!kept.has(k))
			kept.set(k, make(row));
		const item = kept.get(k);
		item.update(row);
		if (item.el === place)
			place = place.nextSibling;
		else
			parent.insertBefore(item.el, place);
	}
}
