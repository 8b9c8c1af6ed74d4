// live.js - what is on now.
import { h, fill, say, svg, button, icon, keep } from './dom.js';
import { get, del, at, state, now as clock } from './api.js';
import { ask, attempt } from './dialog.js';
import { heading } from './list.js';
import { protocol, codec, bits, duration, exactly, many, number } from './words.js';
import { newToken } from './token_new.js';
import { preview } from './preview.js';

const SAMPLES = 60;
const id = s => `${s.app}/${s.streamId}`;
const history = new Map(); // of each id, bit rates, oldest first; kept while one looks elsewhere

function sample(rows) {
	for (const s of rows) {
		const line = history.get(id(s)) ?? [];
		history.set(id(s), [...line, s.live ? s.bitRate : 0].slice(-SAMPLES));
	}
	const there = new Set(rows.map(id));
	for (const name of history.keys())
		if (!there.has(name))
			history.delete(name);
}

/** The last two minutes as a line; its scale begins at nothing. */
function spark(values) {
	const top = Math.max(...values, 1) * 1.15, w = 120, height = 28;
	const x = i => (w - (values.length - 1 - i) * w / (SAMPLES - 1)).toFixed(1);
	const points = values.map((v, i) => `${x(i)},${(height - 1.5 - v / top * (height - 3)).toFixed(1)}`);
	return svg('svg', { viewBox: `0 0 ${w} ${height}`, class: 'spark', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
		svg('polygon', { points: `${x(0)},${height} ${points.join(' ')} ${w},${height}` }),
		svg('polyline', { points: points.join(' ') }));
}

function describe(s) {
	const parts = [];
	if (s.video) {
		parts.push(`${codec(s.video.codec)}${s.video.profile ? ` ${s.video.profile}` : ''}`);
		if (s.video.width)
			parts.push(`${s.video.width}×${s.video.height}`);
		if (s.video.fps)
			parts.push(`${Math.round(s.video.fps)} fps`);
	}
	if (s.audio)
		parts.push(`${codec(s.audio.codec)} ${s.audio.sampleRate / 1000} kHz, ${['', 'mono', 'stereo'][s.audio.channels] ?? `${s.audio.channels} channels`}`);
	return parts.join(' · ') || 'Nothing known yet';
}

async function stop(s) {
	if (await ask(`Stop ${s.streamId}?`, [
		`Its publisher is shown out${s.viewers ? `, and the stream ends for ${many(s.viewers, 'viewer')}` : ''}.`,
		'A publisher that still has a use left, or that needs no token, can come back.'], 'Stop the stream'))
		await attempt(() => del(`streams/${at(s.app)}/${at(s.streamId)}`), `${s.streamId} was stopped.`);
}

function card(s) {
	let row = s;
	const rate = h('span.rate'), line = h('div.sparkbox'), facts = h('p.facts-line'), age = h('span');
	const viewers = h('p.viewers'), live = h('span.badge.good', 'Live'), picture = preview(row);
	const name = text => ({ 'aria-label': `${text} ${row.streamId}` });
	const el = h('article.stream.card', { 'aria-label': `Stream ${row.streamId}` }, picture.el, h('div.about',
		h('header', h('h2', { title: row.streamId }, row.streamId), live), h('p.sub', `${row.app} · by ${protocol(row.protocol)} · `, age), facts,
		h('div.meter', line, rate), viewers,
		h('div.actions',
			h('a.button.small', { href: `#/sessions?${new URLSearchParams({ app: row.app, streamId: row.streamId })}`, ...name('Who is in:') }, 'Who is in'),
			button('New token', () => newToken({ app: row.app, streamId: row.streamId }), 'small', name('New token for')),
			button('Stop', () => stop(row), 'small danger', name('Stop')))));
	return {
		el,
		end: picture.end,
		update(now) {
			row = now;
			picture.row(row);
			say(facts, describe(row));
			say(rate, row.bitRate ? bits(row.bitRate) : clock() / 1000 - row.startedAt < 5 ? 'Measuring…' : 'Silent');
			say(live, row.live ? 'Live' : 'Gone');
			live.className = `badge ${row.live ? 'good' : 'dim'}`;
			say(age, `for ${duration(clock() / 1000 - row.startedAt)}`);
			age.title = `since ${exactly(row.startedAt * 1000)}`;
			fill(line, spark(history.get(id(row)) ?? [0]));
			const by = Object.entries(row.viewersByProtocol).map(([p, n]) => `${number(n)} by ${protocol(p)}`).join(', ');
			say(viewers, row.viewers ? `${many(row.viewers, 'viewer')}: ${by}` : 'Nobody is watching');
		},
	};
}

function nothing() {
	const base = state.apps[0]?.app ?? 'live';
	return h('div.empty.tall', icon('live'), h('h2', 'Nothing is live'),
		h('p', 'Make a publish token; with it come the address and the stream key for OBS, FFmpeg or an encoder.'),
		button('New publish token', () => newToken({ app: base, type: 'publish' }), 'primary'));
}

export const live = {
	title: 'Live',
	every: 2000,
	build() {
		const grid = h('div.grid'), total = h('p.total'), cards = new Map();
		let none = null;
		async function refresh() {
			const rows = (await get('streams')).items, sum = key => rows.reduce((n, s) => n + s[key], 0);
			sample(rows);
			keep(grid, cards, rows, s => `${id(s)}/${s.startedAt}`, card);
			none?.remove();
			none = rows.length ? null : grid.appendChild(none ?? nothing());
			say(total, rows.length ? `${many(rows.length, 'stream')}, ${many(sum('viewers'), 'viewer')}, ${bits(sum('bitRate'))} coming in` : '');
		}
		return {
			el: [heading('Live', total), grid],
			refresh,
			stop: () => cards.forEach(c => c.end()),
		};
	},
};
