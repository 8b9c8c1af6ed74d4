// signin.js - signing in, and the first start.
import { h, fill, field, icon } from './dom.js';
import { get, post, state } from './api.js';
import { announce } from './dialog.js';

const ENTRY = 'input:not([hidden])';

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

function form(fields, label, send, check) {
	const wrong = h('p.wrong', { role: 'alert' });
	const go = h('button.button.primary', { type: 'submit' }, label);
	const el = h('form', { novalidate: true }, fields, wrong, go);
	el.addEventListener('submit', async e => {
		e.preventDefault();
		fill(wrong, '');
		const amiss = check();
		if (amiss) {
			fill(wrong, icon('warn'), amiss[1]);
			amiss[0].focus();
			return;
		}
		go.disabled = true;
		try {
			await send();
		} catch (error) {
			fill(wrong, icon('warn'), error.message);
			el.querySelector(ENTRY).focus();
		} finally {
			go.disabled = false;
		}
	});
	return el;
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
	const name = h('input', { type: 'text', autocomplete: 'username', name: 'username', value: 'admin', hidden: true });
	if (why)
		announce(why);
	return card('Sign in', why && h('p.note', why), form([name, field('Administrator’s password', password)], 'Sign in',
		async () => done(await post('login', { password: password.value }, { quiet: true })),
		() => !password.value && [password, 'Enter the password.']),
	h('p.help', 'Forgotten? ', h('code', 'tokenctl passwd'), ' on the server sets a new one.'));
}

function setup(code, done, toLogin) {
	const one = h('input', { type: 'password', autocomplete: 'new-password', name: 'password', maxlength: 256 });
	const two = h('input', { type: 'password', autocomplete: 'new-password', name: 'again', maxlength: 256 });
	return card('Welcome', h('p', 'Choose the administrator’s password. This link works once.'),
		form([field('New password', one, 'At least 8 characters; a few words are better than one.'), field('The same again', two)],
			'Set it and sign in', async () => {
				try {
					await done(await post('setup', { code, password: one.value }, { quiet: true }));
				} catch (e) {
					if (e.status !== 409)
						throw e;
					toLogin();
				}
			}, () => {
				if (new TextEncoder().encode(one.value).length < 8)
					return [one, 'The password is too short.'];
				return one.value !== two.value && [two, 'The two are not the same.'];
			}));
}

function unset() {
	return card('There is no password yet', h('p', 'When it starts, ', h('code', 'streamd'),
		' prints a link that ends with ', h('code', '#setup=…'), '. Open that link to choose one.'),
	h('p', 'Or run ', h('code', 'tokenctl passwd'), ' on the server.'));
}
