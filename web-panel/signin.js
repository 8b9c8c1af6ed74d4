// signin.js - signing in, and the first start.
import { h, fill, field, form, ENTRY } from './dom.js';
import { get, post, state } from './api.js';
import { announce } from './dialog.js';

/** The code of a link "/#setup=CODE"; taken out of the address so that it stays in no history. */
export function takeSetupCode() {
	const code = /^#setup=([\w-]{1,200})$/.exec(location.hash)?.[1];
	if (code)
		history.replaceState(null, '', location.pathname);
	return code;
}

function card(title, ...content) {
	return h('main.gate', { id: 'main', tabindex: -1 }, h('div.card',
		h('p.brand', h('img', { src: 'panel/icon.svg', alt: '', width: 32, height: 32 }), 'Streamgate'),
		h('h1', { tabindex: -1 }, title), content));
}

/** Shows `el` until somebody is signed in; resolves with who. */
export function signIn(root, { code, why } = {}) {
	return new Promise(resolve => {
		const done = async me => {
			state.me = me?.who ? me : await get('me');
			resolve();
		};
		const show = el => {
			fill(root, el);
			document.title = 'Sign in – Streamgate';
			(el.querySelector(ENTRY) ?? el.querySelector('h1')).focus();
		};
		if (code)
			show(setup(code, done, () => show(login(done))));
		else if (state.me && state.me.passwordSet === false)
			show(unset());
		else
			show(login(done, why));
	});
}

function login(done, why) {
	const password = h('input', { type: 'password', autocomplete: 'current-password', name: 'password' });
	// Password managers keep a password under a name.
	const name = h('input', { autocomplete: 'username', name: 'username', value: 'admin', hidden: true });
	if (why)
		announce(why);
	const send = async () => {
		if (!password.value)
			throw new Error('Enter the password.');
		await done(await post('login', { password: password.value }, { quiet: true }));
	};
	return card('Sign in', why && h('p.note', why),
		form('Sign in', send, (wrong, go) => [name, field('Administrator’s password', password), wrong, go]),
		h('p.help', 'Forgotten? ', h('code', 'tokenctl passwd'), ' on the server sets a new one.'));
}

function setup(code, done, toLogin) {
	const input = name => h('input', { type: 'password', autocomplete: 'new-password', name, maxlength: 256 });
	const one = input('password'), two = input('again');
	const send = async () => {
		if (new TextEncoder().encode(one.value).length < 8)
			throw new Error('The password is too short.');
		if (one.value !== two.value)
			throw Object.assign(new Error('The two are not the same.'), { control: two });
		try {
			await done(await post('setup', { code, password: one.value }, { quiet: true }));
		} catch (e) {
			if (e.status !== 409)
				throw e;
			toLogin();
		}
	};
	return card('Welcome', h('p', 'Choose the administrator’s password. This link works once.'),
		form('Set it and sign in', send, (wrong, go) => [
			field('New password', one, 'At least 8 characters; a few words are better than one.'), field('The same again', two), wrong, go]));
}

function unset() {
	return card('There is no password yet', h('p', 'When it starts, ', h('code', 'streamd'),
		' prints a link that ends with ', h('code', '#setup=…'), '. Open that link to choose one.'),
	h('p', 'Or run ', h('code', 'tokenctl passwd'), ' on the server.'));
}
