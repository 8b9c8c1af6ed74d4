// revoke.js - revoking: the door is shut at once, so it can be taken back only before it is sent.
import { h, button, select, field } from './dom.js';
import { del, each, at } from './api.js';
import { dialog, delayed, notice, attempt } from './dialog.js';
import { many } from './words.js';

const HONEST = 'Revoking cannot be undone. It is sent after five seconds; until then you can take it back. A session that has ended does not come back.';

function choose(title, text, yes, extra) {
	const keep = h('input', { type: 'checkbox' });
	return dialog(title, close => [
		h('div.body', text.map(t => h('p', t)), extra?.el,
			h('label.check', keep, h('span', 'Leave who came in with it; only nobody comes in any more')), h('p.help', HONEST)),
		h('footer', button('Cancel', () => close()), button(yes, () => close({ keepSessions: keep.checked || undefined, ...extra?.value() }), 'danger', { autofocus: true }))]);
}

const ended = n => n ? ` ${many(n, 'session')} ended.` : '';

/** One token or several; resolves true when it goes ahead. */
export async function revokeTokens(tokens, done) {
	const n = tokens.length, name = n === 1 ? `token ${tokens[0].id}` : many(n, 'token');
	const how = await choose(`Revoke ${name}?`, [n === 1
		? `It opens ${tokens[0].app}/${tokens[0].streamId} no more, and whoever came in with it is shown out within a second.`
		: 'They open nothing any more, and whoever came in with one of them is shown out within a second.'], 'Revoke');
	return how && delayed(`Revoking ${name}.`, async leaving => {
		let sessions = 0, revoked = 0;
		const failed = await each(tokens, async t => {
			const a = await del(`tokens/${at(t.id)}`, how);
			sessions += a.sessionsEnded;
			revoked += a.revoked;
		}, leaving);
		notice(failed ? `${failed} of ${n} could not be revoked; ${revoked} are.${ended(sessions)}` : `${many(revoked, 'token')} revoked.${ended(sessions)}`, failed > 0);
		done?.();
	});
}

/** All of a stream's. */
export async function revokeStream(app, streamId, done) {
	const type = select([['', 'All tokens'], ['play', 'Tokens to watch'], ['publish', 'Tokens to publish']]);
	const how = await choose(`Revoke the tokens of ${streamId}?`, [`All that open ${app}/${streamId}, used or not, also those that this list does not show.`], 'Revoke them',
		{ el: field('Which', type), value: () => ({ type: type.value }) });
	if (!how)
		return;
	await delayed(`Revoking the tokens of ${streamId}.`, async () => {
		await attempt(() => del('tokens', { app, streamId, ...how }), a => `${many(a.revoked, 'token')} revoked.${ended(a.sessionsEnded)}`);
		done?.();
	});
}
