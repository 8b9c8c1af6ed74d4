// tokens.js - the list of tokens, over however many there are.
import { h, fill, say, button, icon } from './dom.js';
import { get, at, params as query } from './api.js';
import { list, timeColumn, streamColumn, paged, filters, streamFilters, choice, heading } from './list.js';
import { dialog, attempt, failure } from './dialog.js';
import { many, number, exactly, machine, duration, TYPES } from './words.js';
import { newToken } from './token_new.js';
import { revokeTokens, revokeStream } from './revoke.js';

const STATES = { active: ['Active', 'good'], used: ['Used up', 'dim'], expired: ['Expired', 'dim'], revoked: ['Revoked', 'bad'] };

function badge(state_) {
	const [text, kind] = STATES[state_] ?? [state_, 'dim'];
	return h(`span.badge.${kind}`, text);
}

/** Everything about one. */
function details(t, after) {
	const moment = s => s ? h('time', { datetime: machine(s * 1000) }, exactly(s * 1000).replace('T', ' ')) : 'Never';
	const rows = [['Opens', `${t.app}/${t.streamId}`], ['Type', TYPES[t.type]], ['State', badge(t.state)], ['Label', t.label || 'None'],
		['Uses', `${number(t.uses)} of ${number(t.maxUses)}`], ['May reconnect', t.resume ? `Within ${duration(t.resume)}` : 'No'],
		['Expires', moment(t.expireDate)], ['Created', moment(t.createdAt)], ['Created by', t.createdBy], ['First used', moment(t.firstUsedAt)],
		['Last used', moment(t.lastUsedAt)], t.revokedAt && ['Revoked', moment(t.revokedAt)]].filter(Boolean);
	return dialog(`Token ${t.id}`, close => [
		h('div.body', h('dl.facts', rows.map(([name, value]) => [h('dt', name), h('dd', value)])),
			h('p.help', 'The id is safe to show. The secret was shown when the token was made and is kept nowhere.')),
		h('footer', h('a.button', { href: `#/audit${query({ token: t.id })}`, on: { click: () => close() } }, 'Its audit'),
			t.state !== 'revoked' && button('Revoke', () => { close(); after(); }, 'danger'), button('Close', () => close(), 'primary', { autofocus: true })),
	]);
}

/** What `#/tokens?token=ID` leads to, from other views. */
const showToken = (id, after) => attempt(async () => {
	const t = await get(`tokens/${at(id)}`);
	await details(t, () => revokeTokens([t], after));
});

function columns(chosen, changed, again) {
	return [
		{ name: 'Choose', bare: true, cls: 'pick', make: current => h('input', { type: 'checkbox', 'aria-label': `Choose token ${current().id}`, on: {
			change: e => {
				if (e.target.checked)
					chosen.set(current().id, current());
				else
					chosen.delete(current().id);
				changed();
			} } }),
		sync: (el, t) => { el.checked = chosen.has(t.id); el.disabled = t.state === 'revoked'; } },
		{ name: 'Token', cls: 'main', make: current => h('div.two', h('button.link.mono', { type: 'button', on: { click: () => details(current(), () => revokeTokens([current()], again)) } }), h('span.sub')),
			sync: (el, t) => { say(el.firstChild, t.id); say(el.lastChild, t.label); el.lastChild.title = t.label; } },
		streamColumn,
		{ name: 'Type', text: t => TYPES[t.type] },
		{ name: 'State', make: () => h('span'), sync: (el, t) => el.textContent !== STATES[t.state]?.[0] && fill(el, badge(t.state)) },
		{ name: 'Uses', cls: 'num', lead: true, text: t => `${number(t.uses)} of ${number(t.maxUses)}` },
		timeColumn('Expires', t => t.expireDate * 1000),
		timeColumn('Created', t => t.createdAt * 1000),
		{ name: 'Actions', bare: true, cls: 'act', make: current => button('Revoke', () => revokeTokens([current()], again), 'small danger', { 'aria-label': `Revoke token ${current().id}` }),
			sync: (el, t) => { el.hidden = t.state === 'revoked'; } },
	];
}

export const tokens = {
	title: 'Tokens',
	every: 15000,
	build(params) {
		const f = {
			q: h('input', { type: 'search', placeholder: 'Stream or label', value: params.get('q') ?? '' }),
			...streamFilters(params),
			type: choice(params, 'type', Object.entries(TYPES)),
			state: choice(params, 'state', Object.entries(STATES).map(([k, [text]]) => [k, text])),
		};
		const stream = () => f.streamId.value.trim();
		const chosen = new Map(), again = () => pages.refresh().catch(failure);
		let rows = [];
		const total = h('p.total');
		const table = list({ label: 'Tokens', key: t => t.id, columns: columns(chosen, bar, again),
			empty: () => [icon('tokens'), h('h2', pages.next() ? 'None is like that so far' : Object.values(f).some(x => x.value) ? 'No token is like that' : 'No tokens yet'),
				h('p', 'A token lets one publisher or viewer in, once, or as often as you say.')] });
		const counted = h('span'), out = button('Revoke', async () => {
			const these = [...chosen.values()];
			if (await revokeTokens(these, again))
				none(these);
		}, 'danger small');
		const bulk = h('div.bulk', { role: 'group', 'aria-label': 'What is chosen', hidden: true }, counted, out,
			button('Choose none', () => none([...chosen.values()]), 'small quiet'));
		const revokeAll = button('', () => revokeStream(f.app.value || 'live', stream(), again), 'danger', { hidden: true });
		const all = h('input', { type: 'checkbox', 'aria-label': 'Choose all that are shown', on: { change: () => {
			chosen.clear();
			if (all.checked)
				rows.forEach(t => t.state !== 'revoked' && chosen.set(t.id, t));
			table.update(rows);
			bar();
		} } });
		fill(table.el.querySelector('th'), h('span.sr', 'Choose'), all);

		function bar() {
			if (!chosen.size && bulk.contains(document.activeElement))
				document.querySelector('h1').focus();
			bulk.hidden = !chosen.size;
			all.checked = chosen.size > 0 && rows.every(t => t.state === 'revoked' || chosen.has(t.id));
			say(counted, `${many(chosen.size, 'token')} chosen`);
			out.setAttribute('aria-label', `Revoke ${many(chosen.size, 'chosen token')}`);
		}

		function none(these) {
			these.forEach(t => chosen.delete(t.id));
			table.update(rows);
			bar();
		}

		const pages = paged('tokens', () => filter.values(), 'token', total, now => {
			rows = now;
			table.update(rows);
			bar();
			revokeAll.hidden = !stream();
			say(revokeAll, `Revoke all of ${stream()}`);
		});
		const filter = filters('tokens', f, { q: 'Search', streamId: 'Stream', app: 'Application', type: 'Type', state: 'State' }, () => {
			chosen.clear();
			return pages.anew();
		});
		async function create() {
			await newToken({ app: f.app.value || undefined, streamId: stream() || undefined, type: f.type.value || undefined });
			pages.anew();
		}
		// A stream is one application's: the server would look in "live" without a word.
		let on = [];
		const ofOne = () => {
			if (stream() && !f.app.value)
				f.app.value = on.find(s => s.streamId === stream())?.app ?? 'live';
		};
		f.streamId.addEventListener('input', ofOne);
		f.app.addEventListener('input', () => { f.streamId.value = f.app.value && f.streamId.value; });
		ofOne();
		get('streams').then(a => f.streamId.suggest((on = a.items).map(s => s.streamId)), () => {});
		if (params.get('token'))
			showToken(params.get('token'), again);
		return {
			el: [heading('Tokens', total, revokeAll, button('New token', create, 'primary')), filter, bulk, table.el, pages.el],
			refresh: pages.refresh,
			rings: e => e.name === 'audit',
		};
	},
};
