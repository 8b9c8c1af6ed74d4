// tokens.js - the list of tokens, over however many there are.
import { h, fill, say, button, select, later, suggesting, icon } from './dom.js';
import { get, state, params as query } from './api.js';
import { list, timeColumn, moreButton, filters, streamFilters, values } from './list.js';
import { dialog, failure } from './dialog.js';
import { many, number, when, exactly, duration, TYPES } from './words.js';
import { newToken } from './token_new.js';
import { revokeTokens, revokeStream } from './revoke.js';

const PAGE = 100, AGAIN_MAX = 1000; // rows that are read again by themselves
const STATES = { active: ['Active', 'good'], used: ['Used up', 'dim'], expired: ['Expired', 'dim'], revoked: ['Revoked', 'bad'] };

export function badge(state_) {
	const [text, kind] = STATES[state_] ?? [state_, 'dim'];
	return h(`span.badge.${kind}`, text);
}

/** Everything about one. */
function details(t, after) {
	const moment = s => s ? h('time', { datetime: new Date(s * 1000).toISOString(), title: exactly(s * 1000) }, exactly(s * 1000).replace('T', ' ')) : 'Never';
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
export async function showToken(id, after) {
	try {
		const t = await get(`/api/v1/tokens/${encodeURIComponent(id)}`);
		await details(t, () => revokeTokens([t], after));
	} catch (e) {
		failure(e);
	}
}

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
		{ name: 'Stream', cls: 'wrap', text: t => state.apps.length > 1 ? `${t.app}/${t.streamId}` : t.streamId, title: t => `${t.app}/${t.streamId}` },
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
			type: select([['', 'All'], ['play', 'Watch'], ['publish', 'Publish']], params.get('type') ?? ''),
			state: select([['', 'All'], ...Object.entries(STATES).map(([k, [text]]) => [k, text])], params.get('state') ?? ''),
		};
		const chosen = new Map(), again = () => refresh().catch(failure);
		let rows = [], next = null, want = PAGE, turn = 0, reading = false;
		const more = moreButton(() => addMore());
		const total = h('p.total');
		const table = list({ label: 'Tokens', key: t => t.id, columns: columns(chosen, bar, again),
			empty: () => [icon('tokens'), h('h2', Object.values(f).some(x => x.value) ? 'No token is like that' : 'No tokens yet'),
				h('p', 'A token lets one publisher or viewer in, once, or as often as you say.')] });
		const bulk = h('div.bulk', { role: 'group', 'aria-label': 'What is chosen', hidden: true });
		const stream = button('', () => revokeStream(f.app.value || 'live', f.streamId.value.trim(), again), 'danger', { hidden: true });
		const all = h('input', { type: 'checkbox', 'aria-label': 'Choose all that are shown', on: { change: () => {
			chosen.clear();
			if (all.checked)
				rows.forEach(t => t.state !== 'revoked' && chosen.set(t.id, t));
			table.update(rows);
			bar();
		} } });
		fill(table.el.querySelector('th'), h('span.sr', 'Choose'), all);

		function bar() {
			bulk.hidden = !chosen.size;
			all.checked = chosen.size > 0 && rows.every(t => t.state === 'revoked' || chosen.has(t.id));
			if (!chosen.size)
				return;
			fill(bulk, h('span', `${many(chosen.size, 'token')} chosen`),
				button('Revoke', async () => {
					await revokeTokens([...chosen.values()], again);
					chosen.clear();
					table.update(rows);
					bar();
				}, 'danger small', { 'aria-label': `Revoke ${many(chosen.size, 'chosen token')}` }),
				button('Choose none', () => { chosen.clear(); table.update(rows); bar(); }, 'small quiet'));
		}

		const filter = () => values(f);
		function show() {
			table.update(rows);
			more.set(next);
			bar();
			say(total, rows.length ? `${number(rows.length)}${next ? ' shown, and more' : rows.length === 1 ? ' token' : ' tokens'}, newest first` : '');
			const name = f.streamId.value.trim();
			stream.hidden = !name;
			say(stream, `Revoke all of ${name}`);
		}
		async function refresh() {
			if (want > AGAIN_MAX || reading)
				return;
			const mine = ++turn;
			const a = await get('/api/v1/tokens', { ...filter(), limit: want });
			if (mine !== turn)
				return;
			rows = a.items;
			next = a.next;
			show();
		}
		async function addMore() {
			const mine = ++turn;
			more.busy(reading = true);
			try {
				const a = await get('/api/v1/tokens', { ...filter(), limit: PAGE, cursor: next });
				if (mine !== turn)
					return;
				rows.push(...a.items);
				want = rows.length;
				next = a.next;
				show();
			} catch (e) {
				failure(e);
			} finally {
				more.busy(reading = false);
			}
		}
		function changed() {
			want = PAGE;
			chosen.clear();
			history.replaceState(null, '', `#/tokens${query(filter())}`);
			again();
		}
		async function create() {
			await newToken({ app: f.app.value || undefined, streamId: f.streamId.value.trim() || undefined, type: f.type.value || undefined });
			want = Math.min(want, AGAIN_MAX);
			again();
		}
		get('/api/v1/streams').then(a => f.streamId.suggest(a.items.map(s => s.streamId)), () => {});
		if (params.get('token'))
			showToken(params.get('token'), again);
		return {
			el: [h('header.title', h('div', h('h1', { tabindex: -1 }, 'Tokens'), total), h('div.actions', stream, button('New token', create, 'primary'))),
				filters(f, { q: 'Search', streamId: 'Stream', app: 'Application', type: 'Type', state: 'State' }, later(changed, 250)), bulk, table.el, more],
			refresh,
			rings: e => e.name === 'audit',
		};
	},
};
