// words.js - what the server's names mean, and how numbers and times are written.

/** Why somebody was refused: the gate's reasons, for people. */
export const REASONS = {
	missing_token: ['No token', 'No token was given, and this stream needs one.'],
	unknown_token: ['Unknown token', 'The token is none of ours: mistyped, cut off, purged, or from another server.'],
	wrong_stream: ['Wrong stream', 'The token is for another stream.'],
	wrong_type: ['Wrong type', 'The token is for the other direction: one to play does not publish, one to publish does not play.'],
	revoked: ['Revoked', 'The token had been revoked.'],
	expired: ['Expired', 'The token had expired.'],
	used: ['Used up', 'The token had been used as often as it may be.'],
	stream_not_live: ['Not live', 'Nobody was publishing the stream, or there was no such recording. The token was not spent.'],
	already_publishing: ['Already published', 'Somebody else is publishing this stream. The token was not spent.'],
	too_many_attempts: ['Too many attempts', 'Too many failed attempts came from this address; it has to wait.'],
	address_refused: ['Address refused', 'This address may not do that.'],
	shared: ['Shared', 'The session was used from two places at once, so it was ended.'],
	overload: ['Overload', 'The server was full, or its store did not answer.'],
};

/** How a session ended. */
const GOODBYES = {
	closed: 'Said goodbye.',
	broken: 'The connection broke.',
	stream_ended: 'The stream ended.',
	idle: 'Did not come back for more.',
	stalled: 'Took nothing for too long.',
	bad_input: 'Sent something malformed.',
	no_media: 'No media ever came; nothing was spent.',
	kicked: 'Shown out by an administrator.',
	revoked: 'Shown out: the token was revoked.',
	expired: 'Shown out: the token expired.',
	shared: 'Ended: it was used from two places at once.',
	resumed: 'Went on over another connection.',
	shutdown: 'The server was stopped.',
};

export const EVENTS = {
	admitted: 'Let in', refused: 'Refused', ended: 'Left', revoked: 'Token revoked', kicked: 'Shown out',
	setting: 'Setting changed', login: 'Sign-in',
};

/** An audit row, told in one sentence, and how many others like it were not written. */
export function tell(row) {
	const more = row.detail?.match(/\d+ more not written$/);
	return happened(row) + (more ? ` ${more[0]}.` : '');
}

function happened(row) {
	if (row.event === 'refused')
		return REASONS[row.reason]?.[1] ?? `Refused: ${row.reason}.`;
	if (row.event === 'ended')
		return GOODBYES[row.reason] ?? `Ended: ${row.reason}.`;
	if (row.event === 'admitted')
		return row.protocol === 'preview' ? 'An administrator looks.' : row.token ? 'With a token.' : 'Without a token: none was needed.';
	const text = [row.detail, row.reason.replaceAll('_', ' ')].filter(Boolean).join(', ').replace(/^(play|publish)_token (on|off)/, (_, type, now) =>
		`${type === 'play' ? 'watching' : 'publishing'} ${now === 'on' ? 'needs a token' : 'is open to anybody'}`);
	return text && text[0].toUpperCase() + text.slice(1);
}

export const eventName = event => EVENTS[event] ?? event;

export const PROTOCOLS = {
	rtmp: 'RTMP', rtmps: 'RTMPS', srt: 'SRT', webrtc: 'WebRTC', whip: 'WHIP', whep: 'WHEP',
	hls: 'HLS', flv: 'HTTP-FLV', ts: 'HTTP-TS', mp4: 'Recording', authorize: 'Authorize', preview: 'Preview', api: 'Panel or API',
};
export const protocol = name => PROTOCOLS[name] ?? name ?? '';
const CODECS = { h264: 'H.264', hevc: 'H.265', h265: 'H.265', av1: 'AV1', vp8: 'VP8', vp9: 'VP9', aac: 'AAC', opus: 'Opus', mp3: 'MP3' };
export const codec = name => CODECS[name] ?? name;
export const TYPES = { play: 'Watch', publish: 'Publish' };

const count = new Intl.NumberFormat(undefined);
export const number = n => count.format(n);
/** people(1, 'viewer') */
export const many = (n, one, more = one + 's') => `${number(n)} ${n === 1 ? one : more}`;

export function bits(perSecond) {
	if (perSecond >= 1e6)
		return `${(perSecond / 1e6).toFixed(1)} Mbit/s`;
	return `${Math.round(perSecond / 1e3)} kbit/s`;
}

export function bytes(n) {
	for (const [unit, size] of [['GB', 1e9], ['MB', 1e6], ['kB', 1e3]])
		if (n >= size)
			return `${(n / size).toFixed(1)} ${unit}`;
	return `${n} B`;
}

export function duration(seconds) {
	const s = Math.max(0, Math.round(seconds));
	if (s < 60)
		return `${s} s`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min`;
	return s < 86400 ? `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min` : `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const DAY = { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
const day = new Intl.DateTimeFormat(undefined, DAY), year = new Intl.DateTimeFormat(undefined, { ...DAY, year: 'numeric' });
const LAST_MS = 8.63e15; // about what a Date can tell; any number is "never" to scripts

/** Milliseconds, in the reader's own time zone: as short as it can be without doubt. */
export function when(ms, now = Date.now()) {
	const d = new Date(ms), today = new Date(now);
	if (ms > LAST_MS)
		return 'In ages';
	if (d.toDateString() === today.toDateString())
		return clock.format(d);
	return (d.getFullYear() === today.getFullYear() ? day : year).format(d);
}

/** For <time datetime>. */
export const machine = ms => ms > LAST_MS ? '' : new Date(ms).toISOString();

/** The same instant exactly: local time with its offset, RFC 3339. */
export function exactly(ms) {
	if (ms > LAST_MS)
		return `In ages: second ${ms / 1000}`;
	const d = new Date(ms), east = -d.getTimezoneOffset(), two = n => String(n).padStart(2, '0');
	const local = new Date(ms + east * 60e3).toISOString().slice(0, -5);
	return `${local}${east < 0 ? '-' : '+'}${two(Math.floor(Math.abs(east) / 60))}:${two(Math.abs(east) % 60)}`;
}

/** Rows as CSV (RFC 4180). A cell that a spreadsheet would take for a formula gets an apostrophe. */
export function csv(columns, rows) {
	const cell = value => {
		let text = String(value ?? '');
		if (typeof value === 'string' && /^[=+\-@\t\r]/.test(text))
			text = `'${text}`;
		return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
	};
	return [columns, ...rows.map(row => columns.map(c => row[c]))].map(r => r.map(cell).join(',') + '\r\n').join('');
}
