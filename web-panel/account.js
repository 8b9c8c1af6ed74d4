// account.js - who is signed in, and the way out.
import { h, button } from './dom.js';
import { state, post } from './api.js';
import { dialog, failure, hurry } from './dialog.js';
import { when } from './words.js';

/** Resolves true when somebody signed out; `stop` is called first. */
export async function account(stop) {
	const me = state.me;
	const out = await dialog('Account', close => [
		h('div.body', h('dl.facts',
				h('dt', 'Signed in as'), h('dd', me.who === 'admin' ? 'Administrator' : me.who),
				me.endsAt && [h('dt', 'Until'), h('dd', `${when(me.endsAt * 1000)}, or half an hour without anybody here`)],
				h('dt', 'Server'), h('dd', `streamd ${me.version ?? ''}`)),
			h('p.help', 'The password is changed with ', h('code', 'tokenctl passwd'), ' on the server; that signs everybody out.')),
		h('footer', button('Sign out', () => close(true), 'danger'), button('Close', () => close(), 'primary', { autofocus: true })),
	]);
	if (!out)
		return false;
	stop(); // what it still asked would be refused
	await hurry(); // and so would this
	await post('logout', undefined, { quiet: true }).catch(failure);
	return true;
}
