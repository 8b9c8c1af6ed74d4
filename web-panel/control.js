// control.js - who needs a token: per application, and streams of their own mind.
import { h, say, button, select, suggesting, keep } from './dom.js';
import { get, patch, del, all, each, at, state, loadApps, isOpen } from './api.js';
import { ask, attempt, notice } from './dialog.js';
import { heading } from './list.js';
import { many, number, TYPES } from './words.js';

const SWITCHES = [['publish', 'Publish', 'publisher'], ['play', 'Watch', 'viewer']].map(([type, verb, who]) => ({
	type, who, key: `${type}TokenControlEnabled`, title: `${verb}ing needs a token`, does: verb.toLowerCase(), doing: `${verb.toLowerCase()}ing` }));
const SESSIONS_MAX = 5000; // looked through for the streams' own counts

let changed = async () => {}; // reads the view again

const are = (n, doing) => `${n === 1 ? '1 person is' : `${number(n)} people are`} ${doing} without a token`;

/** What the switch does now, and would do. */
function effect(app, s) {
	const without = app.sessionsWithoutToken?.[s.type] ?? 0;
	if (app[s.key])
		return without ? `${are(without, s.doing)}; they stay. Whoever comes now needs one.` : `Every new ${s.who} needs a token.`;
	return `Anybody may ${s.does}. ` + (without
		? `${are(without, s.doing)}; when you turn this on, they stay.`
		: `When you turn this on, every new ${s.who} needs a token.`);
}

const set = (app, change, text) => attempt(async () => {
	const now = await patch(`apps/${at(app)}`, change);
	await changed();
	return now;
}, text);

const letAnybody = (s, stream, ...text) => ask(`Let anybody ${s.does}${stream && ` ${stream}`}?`, text, `Let anybody ${s.does}`);

async function turn(app, s) {
	const on = app[s.key];
	if (on && !await letAnybody(s, '',
		`In ${app.app}, whoever knows or guesses a stream’s name may ${s.does} from then on. Tokens that are given are not spent.`,
		'Who comes in without a token stays when you turn this on again.'))
		return;
	await set(app.app, { [s.key]: !on }, on ? `In ${app.app}, anybody may ${s.does} now.` : `In ${app.app}, ${s.doing} needs a token now.`);
}

async function showOut(app, s) {
	const n = app.sessionsWithoutToken[s.type];
	if (await ask(`Show out ${many(n, s.who)}?`, [`${are(n, s.doing)} in ${app.app}. They are cut off at once and need a token to come back. Those with a token are left alone.`],
		'Show them out'))
		await set(app.app, { [s.key]: true, endSessions: true }, now => `${many(now.sessionsEnded ?? n, 'session')} ended.`);
}

function switchRow(s, current) {
	const id = `${s.type}-${current().app}`;
	const label = h('span.label', { id: `${id}-l` }, s.title), text = h('p.effect', { id: `${id}-d` }), state_ = h('span', { 'aria-hidden': 'true' });
	const knob = h('button.switch', { type: 'button', role: 'switch', id, 'aria-labelledby': label.id, 'aria-describedby': text.id, on: {
		click: async () => {
			knob.disabled = true;
			await turn(current(), s);
			knob.disabled = false;
			knob.focus();
		},
	} }, h('span.knob'));
	const out = button('Show them out', () => showOut(current(), s), 'small');
	return {
		el: h('div.switchrow', h('div', label, text, out), h('div.knobs', state_, knob)),
		update() {
			const app = current(), on = app[s.key];
			knob.setAttribute('aria-checked', on);
			say(state_, on ? 'On' : 'Off');
			say(text, effect(app, s));
			out.hidden = !(on && app.sessionsWithoutToken?.[s.type]);
		},
	};
}

// ---- streams of their own mind ----

const CHOICES = [['', 'As the app'], ['on', 'With token'], ['off', 'Open to all']], RECORDING = [['', 'As the app'], ['on', 'On'], ['off', 'Off']];

function chooser(name, options, now, change) {
	const el = select(options, '', { 'aria-label': name });
	el.addEventListener('change', async () => await change(el.value, el.selectedOptions[0].text.toLowerCase()) || el.sync());
	el.sync = () => { el.value = now() ?? ''; };
	return el;
}

function overrideRow(app, stream, current, without) {
	const own = key => current()?.streams[stream]?.[key], change = (key, to, text) => set(app, { streams: { [stream]: { [key]: to } } }, `${stream}: ${text} now.`);
	const choices = SWITCHES.map(s => chooser(`${s.title}: ${stream}`, CHOICES, () => ({ true: 'on', false: 'off' })[own(s.key)],
		async (to, text) => (to !== 'off' || await letAnybody(s, stream, `Whoever knows or guesses its name may ${s.does} from then on.`)) &&
			change(s.key, to ? to === 'on' : null, `${s.doing} is ${text}`)));
	choices.push(chooser(`Recording: ${stream}`, RECORDING, () => own('record'), (to, text) => change('record', to || null, `recording is ${text}`)));
	const now = h('p.help');
	const out = button('Show them out', () => showOutOf(app, stream, without()), 'small', { 'aria-label': `Show them out: who is in ${stream} without a token` });
	const el = h('li.override', h('div.name', h('strong', stream), now), choices.map((c, i) =>
		h('div.choice', h('span.tag', { 'aria-hidden': 'true' }, SWITCHES[i] ? TYPES[SWITCHES[i].type] : 'Record'), c)), out);
	return { el, update() {
		choices.forEach(c => document.activeElement !== c && c.sync());
		const guarded = SWITCHES.filter(s => current().streams[stream]?.[s.key] ?? current()[s.key]).map(s => s.type);
		const these = without().filter(x => guarded.includes(x.type));
		say(now, these.length ? `${many(these.length, 'session')} without a token; they stay.` : '');
		out.hidden = !these.length;
	} };
}

async function showOutOf(app, stream, sessions) {
	if (!await ask(`Show out ${many(sessions.length, 'session')}?`, [`They came into ${stream} without a token and are cut off at once.`], 'Show them out'))
		return;
	const failed = await each(sessions, x => del(`sessions/${at(x.id)}`));
	notice(failed ? `${many(failed, 'session')} could not be ended.` : `${many(sessions.length, 'session')} ended.`, failed > 0);
}

/* A line to add one: it begins with the application's own state, which then stays when that changes. */
function adder(current, added) {
	const name = suggesting({ maxlength: 128, placeholder: 'Stream id', 'aria-label': `Stream of ${current().app}` });
	name.addEventListener('focus', () => get('streams', { app: current().app }).then(a => name.suggest(a.items.map(s => s.streamId)), () => {}));
	const el = h('form.adder', name, name.after_, h('button.button', { type: 'submit' }, 'Add a stream'));
	el.addEventListener('submit', async e => {
		e.preventDefault();
		const stream = name.value.trim();
		if (!stream || !await set(current().app, { streams: { [stream]: Object.fromEntries(SWITCHES.map(s => [s.key, current()[s.key]])) } }))
			return;
		name.value = '';
		added(stream);
	});
	return el;
}

// ---- the view ----

function appCard(app, without) {
	let row = app;
	const rows = SWITCHES.map(s => switchRow(s, () => row));
	const record = chooser('Record', [['off', 'Nothing'], ['on', 'Every stream'], ['ask', 'Those turned on below']], () => row.record,
		(record, text) => set(row.app, { record }, `Recorded in ${row.app}: ${text}.`));
	const own = new Map(), ul = h('ul.overrides'), open = h('p.note.warn', { hidden: true }), none = h('p.help');
	const el = h('section.card.app', { 'aria-label': `Application ${app.app}` }, h('h2', app.app), open, rows.map(r => r.el),
		h('div.switchrow', h('span.label', { 'aria-hidden': 'true' }, 'Record'), record),
		h('div.own', h('h3', 'Streams with their own switches'), none, ul,
			adder(() => row, name => own.get(name)?.el.querySelector('select').focus())));
	return {
		el,
		update(now) {
			row = now;
			rows.forEach(r => r.update());
			document.activeElement !== record && record.sync();
			// When all are, the banner says it.
			open.hidden = !isOpen(row) || state.apps.every(isOpen);
			say(open, 'Both are off: this application is open to whoever reaches the server.');
			keep(ul, own, Object.keys(row.streams), name => name, name =>
				overrideRow(row.app, name, () => row, () => without().filter(x => x.app === row.app && x.streamId === name)));
			ul.hidden = !own.size;
			say(none, own.size ? '' : 'None: all follow the application.');
		},
	};
}

export const control = {
	title: 'Control',
	every: 5000,
	build() {
		const stack = h('div.stack'), cards = new Map();
		let without = [];
		async function refresh() {
			await loadApps();
			without = state.apps.some(a => Object.keys(a.streams).length) ? (await all('sessions', {}, SESSIONS_MAX)).filter(s => !s.token && s.protocol !== 'preview') : [];
			keep(stack, cards, state.apps, app => app.app, app => appCard(app, () => without));
		}
		changed = refresh;
		return {
			el: [heading('Control', h('p.total', 'A change holds at once, for everybody who comes from then on. Who is in already stays, until you show them out.')), stack],
			refresh,
		};
	},
};
