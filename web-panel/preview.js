// preview.js - a stream's picture, by HLS into a Media Source, on a session of the panel's own.
import { h, say, button } from './dom.js';
import { post, at, ApiError } from './api.js';
import { codec } from './words.js';

const EVERY_MS = 4500; // a new picture
const DOOR_MS = 60e3; // the server keeps a session a little longer than this
const KEEP_S = 12; // behind the picture; the rest is given back

/* "app/stream": { url, at }, so that looking elsewhere and back makes no new session. */
const doors = new Map();

const lines = text => text.split(/\r?\n/).filter(Boolean);

function readMaster(text) {
	const all = lines(text), i = all.findIndex(l => l.startsWith('#EXT-X-STREAM-INF'));
	return { codecs: /CODECS="([^"]+)"/.exec(all[i])?.[1] ?? '', uri: all.slice(i + 1).find(l => l[0] !== '#') };
}

function readMedia(text, url) {
	const segments = [];
	let init = null;
	for (const l of lines(text)) {
		const map = /^#EXT-X-MAP:URI="([^"]+)"/.exec(l)?.[1];
		if (map)
			init = new URL(map, url).href;
		else if (l[0] !== '#')
			segments.push({ init, url: new URL(l, url).href });
	}
	return segments;
}

const happened = (target, event) => new Promise((good, bad) => {
	target.addEventListener(event, good, { once: true });
	target.addEventListener('error', () => bad(new Error('The browser cannot show this.')), { once: true });
});

async function change(buffer, act) {
	const done = happened(buffer, 'updateend');
	act();
	await done;
}

/** The box with a picture that .tick() keeps fresh while it is on the screen, and that plays when asked;
 * .row(row) tells how the stream is now, .end() is the end. */
export function preview(first) {
	const name = `${first.app}/${first.streamId}`, abort = new AbortController();
	const video = h('video', { playsinline: true, 'aria-hidden': 'true', tabindex: -1 }), note = h('span.wait', 'Waiting for a picture…');
	const knob = button('Play', toggle, 'small', { 'aria-label': `Play ${first.streamId}`, hidden: true });
	const el = h('div.picture', video, note, knob);
	let row = first, seen = false, playing = false, busy = false, ticked = 0, shot = 0, open = null;
	video.muted = true;
	const watcher = new IntersectionObserver(e => { seen = e.at(-1).isIntersecting; tick(); });
	watcher.observe(el);

	async function read(url) {
		const answer = await fetch(url, { signal: abort.signal, credentials: 'same-origin' });
		if (!answer.ok)
			throw new ApiError(answer.status, 'There is no picture yet.');
		return answer;
	}

	async function enter() {
		let door = doors.get(name);
		if (!door || Date.now() - door.at > DOOR_MS)
			doors.set(name, door = await post(`/api/v1/streams/${at(row.app)}/${at(row.streamId)}/preview`));
		door.at = Date.now();
		const answer = await read(door.url), master = readMaster(await answer.text()), type = `video/mp4; codecs="${master.codecs}"`;
		if (!master.uri || !window.MediaSource?.isTypeSupported(type)) {
			watcher.disconnect();
			seen = false;
			throw new Error(`This browser cannot show ${codec(row.video.codec)}.`);
		}
		const source = new MediaSource();
		open = { door, url: new URL(master.uri, answer.url).href, object: URL.createObjectURL(source), last: null, init: null };
		const opened = happened(source, 'sourceopen');
		video.src = open.object;
		await opened;
		open.buffer = source.addSourceBuffer(type);
	}

	function leave() {
		if (open)
			URL.revokeObjectURL(open.object);
		open = null;
		video.removeAttribute('src');
		video.load();
		stop();
	}

	/* What is new; without playing only the newest, of which the first picture is shown. */
	async function step() {
		if (!open)
			await enter();
		const { buffer } = open, all = readMedia(await (await read(open.url)).text(), open.url);
		open.door.at = Date.now();
		const known = all.findIndex(s => s.url === open.last);
		for (const s of playing && known >= 0 ? all.slice(known + 1) : all.slice(-1)) {
			if (s.url === open.last)
				break;
			if (s.init !== open.init)
				await append(await read(open.init = s.init));
			const n = buffer.buffered.length, before = n ? buffer.buffered.end(n - 1) : 0;
			await append(await read(s.url));
			open.last = s.url;
			show(buffer.buffered, before);
			const until = video.currentTime - KEEP_S;
			if (buffer.buffered.start(0) < until - 1)
				await change(buffer, () => buffer.remove(0, until));
		}
		async function append(answer) {
			const data = await answer.arrayBuffer();
			await change(buffer, () => buffer.appendBuffer(data));
		}
	}

	/* Playing, not far behind the end and only where something is. */
	function show(ranges, before) {
		const start = ranges.start(ranges.length - 1), end = ranges.end(ranges.length - 1);
		if (!playing)
			video.currentTime = Math.max(start, before) + 0.01;
		else if (video.currentTime < start || end - video.currentTime > 8)
			video.currentTime = Math.max(start, end - 4);
		say(note, '');
		knob.hidden = false;
	}

	async function run() {
		busy = true;
		try {
			do {
				await step();
				shot = Date.now();
				if (playing)
					await new Promise(done => setTimeout(done, 700));
			} while (playing && Date.now() - ticked < 10000 && !abort.signal.aborted);
			stop();
		} catch (e) {
			doors.delete(name);
			leave();
			knob.hidden = true;
			say(note, e.message);
			shot = Date.now();
		}
		busy = false;
	}

	function tick() {
		ticked = Date.now();
		if (!row.video || !row.live)
			say(note, row.live ? row.audio ? 'Sound alone' : 'Waiting for a picture…' : 'The stream is gone');
		else if (seen && !busy && !abort.signal.aborted && ticked - shot > EVERY_MS)
			run();
	}

	function stop() {
		playing = false;
		video.pause();
		say(knob, 'Play');
		knob.setAttribute('aria-label', `Play ${row.streamId}`);
	}

	function toggle() {
		if (playing) {
			stop();
			return;
		}
		playing = true;
		say(knob, 'Pause');
		knob.setAttribute('aria-label', `Pause ${row.streamId}`);
		video.play().catch(() => {});
		ticked = Date.now();
		if (!busy)
			run();
	}

	return {
		el, tick,
		row(now) { row = now; },
		end() {
			watcher.disconnect();
			abort.abort();
			leave();
		},
	};
}
