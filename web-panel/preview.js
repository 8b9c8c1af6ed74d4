// preview.js - a stream's picture, by HLS into a Media Source, on a play session like any other viewer's.
import { h, fill, button, icon } from './dom.js';
import { get, post, del, at, ApiError } from './api.js';

const KEEP_S = 12; // behind the picture; the rest is given back

function lines(text) {
	return text.split(/\r?\n/).filter(Boolean);
}

/** The first playlist: codecs, and where the segments are listed. */
function readMaster(text) {
	const all = lines(text);
	const i = all.findIndex(l => l.startsWith('#EXT-X-STREAM-INF'));
	return { codecs: /CODECS="([^"]+)"/.exec(all[i] ?? '')?.[1] ?? '', uri: all.slice(i + 1).find(l => !l.startsWith('#')) };
}

function readMedia(text, url) {
	const out = { init: null, segments: [], ended: false };
	for (const l of lines(text)) {
		const map = /^#EXT-X-MAP:URI="([^"]+)"/.exec(l)?.[1];
		if (map)
			out.init = new URL(map, url).href;
		else if (l === '#EXT-X-ENDLIST')
			out.ended = true;
		else if (!l.startsWith('#'))
			out.segments.push({ init: out.init, url: new URL(l, url).href });
	}
	return out;
}

/* A token for this one look, where the stream needs one; it is revoked when the look is over. */
async function ticket(stream) {
	const app = await get(`/api/v1/apps/${at(stream.app)}`);
	if (!(app.streams[stream.streamId]?.playTokenControlEnabled ?? app.playTokenControlEnabled))
		return null;
	return post('/api/v1/tokens', { app: stream.app, streamId: stream.streamId, type: 'play', expiresIn: 60, label: 'Preview in the panel' });
}

async function read(url, signal, headers = {}) {
	const answer = await fetch(url, { signal, headers, credentials: 'same-origin' });
	if (!answer.ok)
		throw new ApiError(answer.status, answer.status === 404 || answer.status === 503
			? 'There is no picture of it yet.' : `The server answered ${answer.status}.`);
	return answer;
}

const happened = (target, event) => new Promise((good, bad) => {
	target.addEventListener(event, good, { once: true });
	target.addEventListener('error', () => bad(new Error('The browser cannot show this.')), { once: true });
});

async function append(buffer, data) {
	const done = happened(buffer, 'updateend');
	buffer.appendBuffer(data);
	await done;
}

async function drop(buffer, until) {
	if (buffer.buffered.length && buffer.buffered.start(0) < until - 1) {
		const done = happened(buffer, 'updateend');
		buffer.remove(0, until);
		await done;
	}
}

async function run(stream, video, signal, mine) {
	mine.token = await ticket(stream);
	const first = await read(`/${at(stream.app)}/streams/${at(stream.streamId)}.m3u8`, signal,
		mine.token ? { Authorization: `Bearer ${mine.token.tokenId}` } : {});
	const master = readMaster(await first.text()), type = `video/mp4; codecs="${master.codecs}"`;
	if (!master.uri || !window.MediaSource?.isTypeSupported(type))
		throw new Error('This browser cannot show these codecs.');
	const url = new URL(master.uri, first.url).href, source = new MediaSource();
	mine.url = URL.createObjectURL(source);
	const opened = happened(source, 'sourceopen');
	video.src = mine.url;
	await opened;
	const buffer = source.addSourceBuffer(type);
	let last = null, init = null;
	while (!signal.aborted) {
		const now = readMedia(await (await read(url, signal)).text(), url);
		const known = now.segments.findIndex(s => s.url === last);
		for (const s of known < 0 ? now.segments.slice(-2) : now.segments.slice(known + 1)) {
			if (s.init !== init)
				await append(buffer, await (await read(init = s.init, signal)).arrayBuffer());
			await append(buffer, await (await read(s.url, signal)).arrayBuffer());
			last = s.url;
			follow(video, buffer);
			await drop(buffer, video.currentTime - KEEP_S);
		}
		if (now.ended)
			throw new Error('The stream has ended.');
		await new Promise(done => setTimeout(done, 700));
	}
}

/* Into what is there, and not far behind its end. */
function follow(video, buffer) {
	const n = buffer.buffered.length;
	if (!n)
		return;
	const start = buffer.buffered.start(n - 1), end = buffer.buffered.end(n - 1);
	if (video.currentTime < start || end - video.currentTime > 8)
		video.currentTime = Math.max(start, end - 4);
	video.play().catch(() => {});
}

/** Plays in `box` until .stop(), or until it cannot go on; .ended then resolves. */
export function preview(stream, box) {
	const abort = new AbortController(), mine = {};
	const video = h('video', { playsinline: true, 'aria-label': `Preview of ${stream.streamId}` });
	video.muted = true;
	const wait = h('span.wait', 'Waiting for a picture…');
	let finish;
	const ended = new Promise(done => { finish = done; });
	const stop = () => abort.abort();
	video.addEventListener('playing', () => wait.remove());
	const end = button(icon('close'), stop, 'square end', { 'aria-label': `End the preview of ${stream.streamId}` });
	fill(box, video, wait, end);
	end.focus();
	run(stream, video, abort.signal, mine).catch(e => {
		if (abort.signal.aborted)
			return null;
		fill(box, h('span.wait', e.message), button('Close', stop, 'small'));
		return new Promise(done => abort.signal.addEventListener('abort', done));
	}).finally(() => {
		video.removeAttribute('src');
		video.load();
		if (mine.url)
			URL.revokeObjectURL(mine.url);
		if (mine.token)
			del(`/api/v1/tokens/${at(mine.token.id)}`).catch(() => {});
		const had = box.contains(document.activeElement) || document.activeElement === document.body;
		finish();
		queueMicrotask(() => queueMicrotask(() => had && box.querySelector('button')?.focus()));
	});
	return { stop, ended };
}
