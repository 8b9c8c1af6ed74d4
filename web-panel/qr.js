// qr.js - a QR code (ISO/IEC 18004): bytes, error correction M, versions 1 to 10.
import { svg } from './dom.js';

// By version, from table 9: codewords in all, correction codewords a block, blocks.
const SIZES = [[26, 10, 1], [44, 16, 1], [70, 26, 1], [100, 18, 2], [134, 24, 2], [172, 16, 4], [196, 18, 4],
	[242, 22, 4], [292, 22, 5], [346, 26, 5]];
// Centres of the alignment patterns, annex E.
const align = v => v < 2 ? [] : v < 7 ? [6, 4 * v + 10] : [6, 2 * v + 8, 4 * v + 10];

// ---- Reed-Solomon over GF(256), x^8 + x^4 + x^3 + x^2 + 1 ----

const EXP = new Uint8Array(512), LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
	EXP[i] = EXP[i + 255] = x;
	LOG[x] = i;
	x = x << 1 ^ (x & 0x80 ? 0x11d : 0);
}
const times = (a, b) => a && b ? EXP[LOG[a] + LOG[b]] : 0;

function generator(n) {
	let g = [1];
	for (let i = 0; i < n; i++)
		g = [...g, 0].map((c, j) => c ^ times(g[j - 1], EXP[i]));
	return g;
}

function correction(data, n) {
	const g = generator(n), rest = [...data, ...new Array(n).fill(0)];
	for (let i = 0; i < data.length; i++) {
		const factor = rest[i];
		for (let j = 0; factor && j <= n; j++)
			rest[i + j] ^= times(g[j], factor);
	}
	return rest.slice(data.length);
}

// ---- the bits ----

function codewords(bytes, version) {
	const [total, ec, blocks] = SIZES[version - 1], room = total - ec * blocks;
	const bits = [];
	const put = (value, n) => {
		while (n--)
			bits.push(value >> n & 1);
	};
	put(4, 4); // byte mode
	put(bytes.length, version < 10 ? 8 : 16);
	bytes.forEach(b => put(b, 8));
	put(0, Math.min(4, room * 8 - bits.length));
	put(0, -bits.length & 7);
	const data = [];
	for (let i = 0; i < bits.length; i += 8)
		data.push(parseInt(bits.slice(i, i + 8).join(''), 2));
	for (let pad = 0xec; data.length < room; pad ^= 0xfd)
		data.push(pad);

	// The last blocks are one longer; all are dealt out in turn.
	const short = Math.floor(room / blocks), longer = room % blocks, parts = [];
	for (let i = 0, from = 0; i < blocks; i++) {
		const size = short + (i >= blocks - longer ? 1 : 0);
		parts.push(data.slice(from, from += size));
	}
	const checks = parts.map(p => correction(p, ec)), out = [];
	for (let i = 0; i <= short; i++)
		parts.forEach(p => i < p.length && out.push(p[i]));
	for (let i = 0; i < ec; i++)
		checks.forEach(c => out.push(c[i]));
	return out;
}

// ---- the picture ----

function frame(version) {
	const size = 17 + 4 * version, centres = align(version);
	const m = Array.from({ length: size }, () => new Array(size).fill(null)); // null: free for data
	const rings = (cx, cy, reach, light) => {
		for (let y = Math.max(cy - reach, 0); y <= cy + reach && y < size; y++)
			for (let x = Math.max(cx - reach, 0); x <= cx + reach && x < size; x++)
				m[y][x] = light.includes(Math.max(Math.abs(x - cx), Math.abs(y - cy))) ? 0 : 1;
	};
	for (const [cx, cy] of [[3, 3], [size - 4, 3], [3, size - 4]])
		rings(cx, cy, 4, [2, 4]);
	for (const cy of centres)
		for (const cx of centres)
			if (m[cy][cx] === null) // not in the three corners
				rings(cx, cy, 2, [1]);
	for (let i = 8; i < size - 8; i++)
		m[6][i] = m[i][6] = 1 - i % 2;
	return m;
}

// Correction M with mask 0 (table C.1), and the versions from 7 on (table D.1).
const FORMAT = 0x5412, VERSIONS = [0x07c94, 0x085bc, 0x09a99, 0x0a4d3];

/* The two copies of each (7.9, 7.10). */
function formats(m, version) {
	const size = m.length, bit = i => FORMAT >> i & 1;
	for (let i = 0; i < 15; i++) {
		m[i < 6 ? i : i < 8 ? i + 1 : size - 15 + i][8] = bit(i);
		m[8][i < 8 ? size - 1 - i : i < 9 ? 7 : 14 - i] = bit(i);
	}
	m[size - 8][8] = 1;
	for (let i = 0; version > 6 && i < 18; i++) {
		const a = size - 11 + i % 3, b = Math.floor(i / 3);
		m[b][a] = m[a][b] = VERSIONS[version - 7] >> i & 1;
	}
}

/* Always with mask 0, a chessboard: tokens are random, so no other suits them better. */
function draw(words, version) {
	const m = frame(version), size = m.length;
	formats(m, version);
	let i = 0;
	for (let right = size - 1; right >= 1; right -= 2) {
		if (right === 6)
			right = 5; // the column of the timing pattern
		for (let step = 0; step < size; step++) {
			const y = (right + 1 & 2) === 0 ? size - 1 - step : step;
			for (const x of [right, right - 1]) {
				if (m[y][x] !== null)
					continue;
				m[y][x] = (i < words.length * 8 ? words[i >> 3] >> 7 - (i & 7) & 1 : 0) ^ (x + y + 1) % 2;
				i++;
			}
		}
	}
	return m;
}

/** A picture of it, with the four modules of quiet around it; null: too long for version 10. */
export function qr(text, label) {
	const bytes = new TextEncoder().encode(text);
	const version = 1 + SIZES.findIndex(([total, ec, blocks], v) =>
		bytes.length * 8 + 4 + (v < 9 ? 8 : 16) <= (total - ec * blocks) * 8);
	if (!version)
		return null;
	const m = draw(codewords(bytes, version), version);
	const path = m.map((row, y) => row.map((dark, x) => dark ? `M${x + 4} ${y + 4}h1v1h-1z` : '').join('')).join('');
	const size = m.length + 8, width = size * Math.floor(276 / size); // modules of whole pixels, on a phone too
	return svg('svg', { width, viewBox: `0 0 ${size} ${size}`, class: 'qr', role: 'img', 'aria-label': label, 'shape-rendering': 'crispEdges' },
		svg('rect', { width: size, height: size, fill: '#fff' }), svg('path', { d: path, fill: '#000' }));
}
