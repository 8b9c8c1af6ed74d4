// dialog.js - dialogs, and what is said in passing.
import { h, fill, button, icon } from './dom.js';

/** Opens a dialog; resolves with what `close(value)` was given, undefined for Esc. The browser keeps the
 * focus inside and gives it back. `build(close)` makes the content. */
export function dialog(title, build, { wide = false } = {}) {
	return new Promise(resolve => {
		let result;
		const el = h(`dialog${wide ? '.wide' : ''}`, { 'aria-labelledby': 'dialog-title' });
		const close = value => {
			result = value;
			el.close();
		};
		const before = document.activeElement;
		fill(el, h('header', h('h2', { id: 'dialog-title', tabindex: -1 }, title),
			button(icon('close'), () => close(), 'square', { 'aria-label': 'Close' })),
			build(close));
		el.addEventListener('close', () => {
			settle();
			el.remove();
			if (!before?.isConnected || document.activeElement === document.body)
				(before?.isConnected ? before : document.querySelector('h1'))?.focus();
			resolve(result);
		});
		document.body.append(el);
		el.showModal();
		settle();
		(el.querySelector('[autofocus]') ?? el.querySelector('h2')).focus();
	});
}

/** A question before what is to be thought over; resolves true or undefined. */
export function ask(title, text, yes) {
	return dialog(title, close => [
		h('div.body', text.map(t => h('p', t))),
		h('footer', button('Cancel', () => close()), button(yes, () => close(true), 'danger', { autofocus: true })),
	]);
}

// ---- toasts ----

const shelf = h('div.toasts', { role: 'region', 'aria-label': 'Notices' });
const spoken = h('div.sr', { role: 'status', 'aria-live': 'polite' });
const alarm = h('div.sr', { role: 'alert' });

/** A modal dialog makes all else inert, unseen and unheard: notices stand inside the one on top. */
export function settle() {
	([...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body).append(shelf, spoken, alarm);
}

/** Heard, not seen. */
export function announce(text, urgent = false) {
	const el = urgent ? alarm : spoken;
	el.textContent = '';
	setTimeout(() => { el.textContent = text; }, 50);
	clearTimeout(el.timer);
	el.timer = setTimeout(() => { el.textContent = ''; }, 9000); // nobody is to come upon it later
}

export function notice(text, bad) {
	const same = bad && [...shelf.children].find(el => el.firstChild.textContent === text); // a view that reads again fails again
	const toast = same || h(`div.toast${bad ? '.bad' : ''}`, h('p', text), button(icon('close'), () => toast.remove(), 'square', { 'aria-label': 'Dismiss' }));
	if (!same) {
		shelf.append(toast);
		announce(text, bad);
	}
	clearTimeout(toast.timer);
	toast.timer = setTimeout(() => toast.remove(), bad ? 9000 : 5000);
}
export const failure = e => e.status !== 401 && notice(e.message, true);

/** Runs `act` and tells `text(what it gave)`; a failure is told instead. Resolves with what it gave, or null. */
export async function attempt(act, text) {
	try {
		const result = await act();
		const say_ = typeof text === 'function' ? text(result) : text;
		if (say_)
			notice(say_);
		return result ?? true;
	} catch (e) {
		failure(e);
		return null;
	}
}

const DELAY_S = 5;
const waiting = [];

/** Does `act` after five seconds unless it is taken back: for what cannot be undone once done. Resolves
 * true when it goes ahead. Ctrl+Z takes the latest back; signing out and leaving the page (`act(true)`) go ahead. */
export function delayed(text, act) {
	let left = DELAY_S;
	const clock = h('span.clock', { 'aria-hidden': 'true' }, `${left} s`);
	const toast = h('div.toast.delayed', h('p', text, ' ', clock));
	return new Promise(resolve => {
		const end = (go, leaving) => {
			clearInterval(timer);
			toast.remove();
			waiting.splice(waiting.indexOf(entry), 1);
			if (!go)
				announce('Taken back. Nothing was done.');
			resolve(go);
			return go && act(leaving);
		};
		const entry = { end };
		const timer = setInterval(() => {
			clock.textContent = `${--left} s`;
			if (left <= 0)
				end(true);
		}, 1000);
		toast.append(button('Undo', () => end(false), 'small', { title: 'Ctrl+Z' }), button('Now', () => end(true), 'small quiet'));
		waiting.push(entry);
		shelf.append(toast);
		announce(`${text} In ${DELAY_S} seconds. Control Z takes it back.`);
	});
}

addEventListener('keydown', e => {
	if (e.key === 'z' && (e.ctrlKey || e.metaKey) && waiting.length && !e.target.closest?.('input, textarea')) {
		e.preventDefault();
		waiting.at(-1).end(false);
	}
});
/** All that waits goes ahead; resolves when it is done. */
export const hurry = leaving => Promise.all([...waiting].map(w => w.end(true, leaving)));
addEventListener('pagehide', () => hurry(true));
