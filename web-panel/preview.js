// preview.js - a stream's picture, by WHEP, while it is on the screen and nobody has paused it.
import { h, say, button, later } from './dom.js';
import { call, at, SDP } from './api.js';

const AGAIN_MS = 5e3, HARDLY_MS = 60e3; // until it is asked for again; where the answer was that it cannot be had
const WAITING = 'Waiting for a picture…';

/** The box with the picture; .row(row) tells how the stream is now, .end() is the end. */
export function preview(first) {
	const note = h('span.wait', WAITING);
	const video = h('video', { autoplay: true, playsinline: true, 'aria-hidden': 'true', tabindex: -1, on: { playing: () => say(note, '') } });
	const knob = button('', toggle, 'small'), el = h('div.picture', video, note, knob);
	let row = first, seen = false, paused = matchMedia('(prefers-reduced-motion: reduce)').matches, peer = null, next = 0, refused = false;
	const soon = later(look, 200), watcher = new IntersectionObserver(e => { seen = e.at(-1).isIntersecting; soon(); });
	video.muted = true;
	watcher.observe(el);
	document.addEventListener('visibilitychange', look);

	async function open() {
		const mine = peer = new RTCPeerConnection();
		mine.addTransceiver('video', { direction: 'recvonly' });
		mine.ontrack = e => { video.srcObject = new MediaStream([e.track]); };
		const watch = () => peer === mine && /closed|failed|disconnected/.test(`${mine.connectionState} ${mine.getReceivers()[0].transport?.state}`) &&
			fail('The connection was lost.');
		mine.onconnectionstatechange = watch;
		try {
			await mine.setLocalDescription();
			const sdp = await call('POST', `streams/${at(row.app)}/${at(row.streamId)}/preview?audio=false`, mine.localDescription.sdp, { type: SDP });
			await mine.setRemoteDescription({ type: 'answer', sdp });
			mine.getReceivers()[0].transport.onstatechange = watch; // the server's goodbye
		} catch (e) {
			if (peer === mine)
				fail(e.message, e.status);
		}
	}

	/* The connection says goodbye; where there is none yet, the server's patience is short. The last picture stays. */
	function close() {
		video.pause();
		peer?.close();
		peer = null;
	}

	function fail(why, status) {
		close();
		video.srcObject = null;
		say(note, why);
		refused = [422, 501].includes(status);
		next = Date.now() + (refused ? HARDLY_MS : AGAIN_MS);
		look();
	}

	/* What there is, made what there should be. */
	function look() {
		const there = row.live && row.video;
		if (!there)
			say(note, !row.live ? 'The stream is gone' : row.audio ? 'Sound alone' : WAITING);
		knob.hidden = !there || refused;
		say(knob, paused ? 'Play' : 'Pause');
		knob.setAttribute('aria-label', `${knob.textContent} ${row.streamId}`);
		if (!there || !seen || paused || document.hidden)
			close();
		else if (!peer && Date.now() >= next) {
			refused = false;
			open();
		}
	}

	function toggle() {
		paused = !paused;
		next = 0;
		say(note, paused || video.srcObject ? '' : WAITING);
		look();
	}

	return {
		el,
		row(now) {
			row = now;
			look();
		},
		end() {
			watcher.disconnect();
			soon.cancel();
			document.removeEventListener('visibilitychange', look);
			close();
		},
	};
}
