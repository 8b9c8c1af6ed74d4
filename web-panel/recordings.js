// recordings.js - what has been recorded, and whose it is.
import { h, button, icon, field, form } from './dom.js';
import { patch, del, at, API } from './api.js';
import { list, paged, timeColumn, streamColumn, filters, streamFilters, heading } from './list.js';
import { dialog, delayed, attempt } from './dialog.js';
import { bytes, duration } from './words.js';

const path = r => `recordings/${at(r.app)}/${at(r.name)}`;
let changed; // reads the view again

async function rename(r) {
	const name = h('input', { value: r.name, autofocus: true, spellcheck: 'false' });
	const to = await dialog(`Rename ${r.name}`, close => form('Rename', () => close(name.value.trim()), (_, go) => [
		h('div.body', field('New name', name, `It stays a recording of ${r.streamId}, and opens with its tokens.`)),
		h('footer', button('Cancel', () => close()), go)]));
	if (to && to !== r.name && await attempt(() => patch(path(r), { name: to }), `It is called ${to} now.`))
		changed();
}

const remove = r => delayed(`Deleting ${r.name}. It cannot be brought back then.`, async () => {
	await attempt(() => del(path(r)), `${r.name} deleted.`);
	changed();
});

const named = (verb, r) => ({ 'aria-label': `${verb} ${r.name}` });
const columns = [
	{ name: 'File', cls: 'main wrap', text: r => r.name },
	streamColumn,
	timeColumn('From', r => (r.startedAt ?? r.modified) * 1000),
	{ name: 'Length', cls: 'num', lead: true, text: r => r.duration === null ? '' : duration(r.duration) },
	{ name: 'Size', cls: 'num', lead: true, text: r => bytes(r.size) },
	{ name: 'Actions', bare: true, cls: 'act', make: now => h('div.actions', h('a.button.small', { href: `${API}${path(now())}/file`, download: now().name, ...named('Download', now()) }, 'Download'),
		button('Rename', () => rename(now()), 'small', named('Rename', now())), button('Delete', () => remove(now()), 'small danger', named('Delete', now()))) },
];

export const recordings = {
	title: 'Recordings',
	every: 10000,
	build(params) {
		const f = { ...streamFilters(params), q: h('input', { type: 'search', value: params.get('q') ?? '' }) }, total = h('p.total');
		const table = list({ label: 'Recordings', key: path, columns,
			empty: () => [icon('recordings'), h('h2', 'No recordings'), h('p', 'Say in ', h('a', { href: '#/control' }, 'Control'), ' what is recorded; it is here when its stream has ended.')] });
		const pages = paged('recordings', () => bar.values(), 'recording', total, rows => table.update(rows), 'by name');
		const bar = filters('recordings', f, { streamId: 'Stream', app: 'Application', q: 'Part of the name' }, changed = () => pages.anew());
		return { el: [heading('Recordings', total), bar, table.el, pages.el], refresh: pages.refresh };
	},
};
