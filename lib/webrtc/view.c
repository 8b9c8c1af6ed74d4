/* view.c - a viewer: where it begins, what it is sent, and what it is sent again.
 *
 * It begins at the newest keyframe, so that there is a picture at once. What lies between that and
 * now is sent with its time pressed together, twenty to one: the browser shows it in quick motion and
 * is at the live edge, instead of staying behind by as much for good. */
#include "webrtc/rtc_internal.h"
#include <stdlib.h>

#define VIDEO 0
#define AUDIO 1
#define CATCH_UP_BATCH 16
#define CATCH_UP_BYTES (128u << 10) /* in one go; then the loop turns */
#define TCP_FULL (RTC_TCP_OUT_MAX / 4)
#define RUNS_MAX 32
#define RESEND_WINDOW_MS 100
#define RESEND_MAX 100 /* packets in such a window */
#define ASKED_MAX 500  /* numbers looked for in such a window: looking takes time, found or not */
#define REPORT_MS 1000
#define MOVE_PAUSE_MS 1000

/* ---- sending ---- */

struct batch {
	struct rtc_viewer *v;
	const struct sg_path *path;
	uint8_t *p;
	size_t len;
	struct sg_udp_run runs[RUNS_MAX];
	size_t count;
	bool closed; /* the last run: a shorter packet ends it */
	bool failed;
};

static void flush(struct batch *b)
{
	struct rtc_lane *lane = b->v->peer->lane;

	if (b->count && !b->failed &&
	    sg_udp_send(lane->sockets[b->path->socket].udp, (const struct sockaddr *)&b->path->remote,
		(const struct sockaddr *)&b->path->local, b->runs, b->count) < b->count)
		b->failed = true;
	b->len = b->count = 0;
	b->closed = true;
}

/* Packets of one size after the other go out in one run, which a shorter one may end. */
static void add_to_runs(struct batch *b, size_t size)
{
	struct sg_udp_run *run = &b->runs[b->count ? b->count - 1 : 0];

	if (!b->count || b->closed || size > run->segment || run->len + size > SG_UDP_RUN_MAX ||
	    run->len >= run->segment * SG_UDP_RUN_SEGMENTS) {
		b->runs[b->count++] = (struct sg_udp_run){ b->p + b->len, size, size };
		b->closed = false;
	} else {
		run->len += size;
		b->closed = size < run->segment;
	}
	b->len += size;
}

static void send_sealed(struct batch *b, size_t size)
{
	if (b->path->tcp)
		b->failed |= !rtc_tcp_send(b->path->tcp, b->p + b->len, size);
	else
		add_to_runs(b, size);
}

static bool send_packet(struct batch *b, int track, const struct sg_rtp_slice *s, uint64_t index,
    uint32_t timestamp)
{
	struct sg_webrtc_peer *p = b->v->peer;
	const struct rtc_track *t = &p->tracks[track];
	uint8_t header[SG_RTP_HEADER_BYTES];

	if (b->count == RUNS_MAX || b->len + SG_RTP_MTU + SG_SRTP_TAG_MAX > RTC_SCRATCH_BYTES)
		flush(b);
	sg_rtp_write_header(header, t->payload_type, s->marker, (uint16_t)index, timestamp, t->ssrc);
	size_t size = sg_srtp_seal(sg_srtp_sealer(sg_transport_srtp(p->transport)), b->p + b->len, header,
	    sizeof(header), s->payload, s->size, index);
	if (!size)
		return false;
	p->count.packets++;
	p->count.bytes += size;
	rtc_thin_spend(&b->v->thin, size);
	send_sealed(b, size);
	return true;
}

static bool begin(struct batch *b, struct rtc_viewer *v)
{
	struct sg_webrtc_peer *p = v->peer;

	*b = (struct batch){ .v = v, .path = sg_transport_path(p->transport), .p = p->lane->scratch };
	return b->path;
}

static void remember(struct rtc_viewer *v, struct rtc_out *out, struct sg_rtp_frame *f, uint32_t timestamp)
{
	struct rtc_sent *s = &out->sent[out->sent_next++ % out->sent_size];

	sg_rtp_frame_unref(s->frame);
	*s = (struct rtc_sent){ sg_rtp_frame_ref(f), out->index, timestamp, v->peer->lane->now_ms };
}

static void skip(struct rtc_viewer *v)
{
	v->skipping = true;
	v->peer->count.frames_skipped++;
	COUNT(v->peer->srv, skipped, 1);
}

static void send_frame(struct rtc_viewer *v, int track, struct sg_rtp_frame *f)
{
	struct rtc_out *out = &v->out[track];
	struct batch b;
	uint64_t bytes = v->peer->count.bytes;

	if (!begin(&b, v)) { /* its connection was closed: until a check comes on another */
		skip(v);
		return;
	}
	int64_t pts = f->pts_90khz;
	uint32_t timestamp = f->timestamp;
	if (track == VIDEO) {
		v->shown_pts = pts < v->live_pts ? v->live_pts - (v->live_pts - pts) / RTC_PRESS : pts;
		timestamp = (uint32_t)v->shown_pts;
	}
	timestamp += out->offset;
	remember(v, out, f, timestamp);
	for (unsigned i = 0; i < f->count; i++)
		if (!send_packet(&b, track, &f->packets[i], out->index + i, timestamp))
			b.failed = true;
	if (!b.path->tcp)
		flush(&b);
	/* Never taken back: a number is used for one packet alone (RFC 7714 section 9.1 and the keystream). */
	out->index += f->count;
	out->packets += f->count;
	out->octets += f->size;
	COUNT(v->peer->srv, packets_out, f->count);
	COUNT(v->peer->srv, bytes_out, v->peer->count.bytes - bytes);
	if (b.failed)
		skip(v);
}

static bool is_full(const struct rtc_viewer *v)
{
	const struct sg_path *path = sg_transport_path(v->peer->transport);
	const struct rtc_tcp *tcp = path ? path->tcp : NULL;

	return tcp && tcp->out.len > TCP_FULL;
}

void rtc_viewer_went_astray(struct rtc_viewer *v, bool video)
{
	const struct rtc_track *t = &v->peer->tracks[video ? VIDEO : AUDIO];

	v->astray |= t->on || t->awaited;
	v->skipping |= video;
}

/* The publisher came back with another codec, which this viewer takes as well. */
static void switch_codec(struct rtc_viewer *v, struct rtc_track *t, enum sg_codec codec)
{
	t->codec = codec;
	t->payload_type = t->agreed[codec];
	rtc_note_codecs(v->peer);
}

static void give(struct rtc_viewer *v, struct sg_rtp_frame *f)
{
	int track = f->kind == SG_FRAME_VIDEO ? VIDEO : AUDIO;
	struct rtc_track *t = &v->peer->tracks[track];

	/* Not there when it was described, or not what was agreed on then. */
	if (!rtc_track_takes(t, f->codec) || f->reordered) {
		rtc_viewer_went_astray(v, track == VIDEO);
		return;
	}
	if (track == AUDIO && f->pts_90khz < v->live_pts)
		return; /* pictures in quick motion have no sound */
	bool full = is_full(v) || (track == VIDEO && !rtc_thin_has_room(&v->thin, f->key, v->peer->lane->now_ms));
	if (track == VIDEO && (full || ((v->skipping || t->codec != f->codec) && !f->key))) {
		skip(v);
		return;
	}
	if (t->codec != f->codec)
		switch_codec(v, t, f->codec);
	if (full)
		return;
	if (track == VIDEO)
		v->skipping = false;
	send_frame(v, track, f);
}

void rtc_viewer_deliver(struct rtc_viewer *v, struct sg_rtp_frame *f)
{
	if (!v->catching_up && !v->peer->dead)
		give(v, f);
}

/* ---- the beginning ---- */

static void give_early(struct rtc_viewer *v, const struct sg_frame *f)
{
	struct sg_rtp_frame *packets;

	enum sg_result res = sg_rtp_pack(v->packer, f, &packets);
	if (res == SG_ERR_UNSUPPORTED)
		rtc_viewer_went_astray(v, f->kind == SG_FRAME_VIDEO);
	if (res != SG_OK && res != SG_NEED_MORE)
		v->skipping |= f->kind == SG_FRAME_VIDEO;
	if (res != SG_OK)
		return;
	give(v, packets);
	sg_rtp_frame_unref(packets);
}

void rtc_viewer_catch_up(struct rtc_viewer *v)
{
	struct rtc_channel *c = v->channel;
	struct sg_frame *frames[CATCH_UP_BATCH];
	struct sg_ring_read rd = { .frames = frames, .next = v->cursor };
	uint64_t limit = v->peer->count.bytes + CATCH_UP_BYTES;

	while (rd.next < c->cursor && v->peer->count.bytes < limit && !v->peer->dead) {
		uint64_t left = c->cursor - rd.next;
		rd.max = left < CATCH_UP_BATCH ? left : CATCH_UP_BATCH;
		sg_ring_read(c->ring, &rd, false);
		for (size_t i = 0; i < rd.count; i++) {
			if (!v->peer->dead)
				give_early(v, frames[i]);
			sg_frame_unref(frames[i]);
		}
		if (!rd.count)
			break;
	}
	v->cursor = rd.next;
	if (v->cursor < c->cursor)
		return;
	v->catching_up = false;
	sg_rtp_packer_free(v->packer);
	v->packer = NULL;
}

static int64_t newest_pts(struct sg_ring *ring)
{
	struct sg_frame *f;
	struct sg_ring_read rd = { .frames = &f, .max = 1, .next = sg_ring_head(ring) };

	if (rd.next)
		rd.next--;
	sg_ring_read(ring, &rd, false);
	if (!rd.count)
		return 0;
	int64_t pts = f->pts_90khz;
	sg_frame_unref(f);
	return pts;
}

/* Of the stream as it is published: in other codecs it may have begun this moment, at a keyframe of the past. */
int64_t rtc_live_pts(const struct sg_webrtc_peer *p)
{
	struct sg_stream *s =
	    sg_hub_find(p->srv->cfg.hub, sg_str_from(p->app), sg_str_from(p->stream_id));
	int64_t pts = newest_pts(sg_stream_ring(s ? s : p->stream));

	sg_stream_unref(s);
	return pts;
}

static bool open_out(struct rtc_out *out, unsigned sent_size)
{
	uint16_t seq;

	/* RFC 3711 section 3.3.1: a beginning in the lower half, so that a loss before the first wrap does
	 * not mislead about the rollover counter. */
	sg_random(&seq, sizeof(seq));
	sg_random(&out->offset, sizeof(out->offset));
	out->index = seq & 0x7fff;
	out->sent_size = sent_size;
	out->sent = calloc(sent_size, sizeof(*out->sent));
	return out->sent;
}

static void close_out(struct rtc_out *out)
{
	for (unsigned i = 0; out->sent && i < out->sent_size; i++)
		sg_rtp_frame_unref(out->sent[i].frame);
	free(out->sent);
}

int rtc_h264_mode(const struct sg_webrtc_peer *p)
{
	return p->tracks[VIDEO].on ? p->tracks[VIDEO].h264_mode : SG_RTP_H264_NON_INTERLEAVED;
}

static struct rtc_viewer *new_viewer(struct sg_webrtc_peer *p)
{
	int mode = rtc_h264_mode(p);
	struct rtc_viewer *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->peer = p;
	v->fir_number = -1;
	v->catching_up = true;
	v->skipping = true; /* to the first keyframe */
	v->live_pts = rtc_live_pts(p);
	v->packer = rtc_packer_for(p->stream, mode, &v->cursor);
	if (open_out(&v->out[VIDEO], RTC_SENT_VIDEO) && open_out(&v->out[AUDIO], RTC_SENT_AUDIO) && v->packer)
		v->channel = rtc_channel_join(p->lane, p->stream, mode, v);
	if (v->channel)
		return v;
	close_out(&v->out[VIDEO]);
	close_out(&v->out[AUDIO]);
	sg_rtp_packer_free(v->packer);
	free(v);
	return NULL;
}

/* ---- committed, and gone ---- */

static bool has_ended(struct sg_ring *ring)
{
	struct sg_frame *f;
	struct sg_ring_read rd = { .frames = &f, .max = 1, .next = sg_ring_head(ring) };

	sg_ring_read(ring, &rd, false);
	if (rd.count)
		sg_frame_unref(f);
	return rd.ended;
}

/* All that is between is sending, unless the stream has ended while this viewer was on its way: then nothing is
 * spent. */
void rtc_viewer_connected(struct sg_webrtc_peer *p)
{
	if (p->state != PEER_HELD)
		return;
	if (has_ended(sg_stream_ring(p->stream))) {
		rtc_peer_drop(p, SG_ADMITTED, SG_BYE_STREAM_ENDED, "the stream has ended");
		return;
	}
	p->state = PEER_COMMITTING;
	sg_gate_commit(p->session);
}

void rtc_viewer_committed(struct sg_webrtc_peer *p)
{
	p->viewer = new_viewer(p);
	if (!p->viewer) {
		rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
		return;
	}
	atomic_fetch_add(&p->srv->viewers, 1);
	p->lane->now_ms = sg_mono_ms();
	rtc_peer_started(p);
	rtc_viewer_catch_up(p->viewer);
	rtc_viewer_report(p->viewer, p->lane->now_ms);
}

void rtc_viewer_end(struct sg_webrtc_peer *p)
{
	struct rtc_viewer *v = p->viewer;

	if (!v)
		return;
	p->viewer = NULL;
	if (v->channel)
		rtc_channel_leave(v->channel, v);
	close_out(&v->out[VIDEO]);
	close_out(&v->out[AUDIO]);
	sg_rtp_packer_free(v->packer);
	free(v);
	atomic_fetch_sub(&p->srv->viewers, 1);
}

/* ---- again ---- */

static struct rtc_sent *find_sent(struct rtc_out *out, uint16_t seq, int64_t now_ms)
{
	for (unsigned back = 1; back <= out->sent_size; back++) {
		struct rtc_sent *s = &out->sent[(out->sent_next - back) % out->sent_size];
		if (!s->frame || now_ms - s->sent_ms > RTC_SENT_MS)
			return NULL;
		if ((uint16_t)(seq - (uint16_t)s->index) < s->frame->count)
			return s;
	}
	return NULL;
}

bool rtc_viewer_may_ask(struct rtc_viewer *v)
{
	int64_t now_ms = v->peer->lane->now_ms;

	if (now_ms - v->resent_ms >= RESEND_WINDOW_MS) {
		v->resent_ms = now_ms;
		v->resent = v->asked = 0;
	}
	return v->asked++ < ASKED_MAX;
}

/* The same bytes under the same number, sealed once more: the same packet as before. */
void rtc_viewer_resend(struct rtc_viewer *v, int track, uint16_t seq)
{
	struct rtc_sent *s = find_sent(&v->out[track], seq, v->peer->lane->now_ms);
	struct batch b;

	if (!s || is_full(v) || v->resent >= RESEND_MAX ||
	    (track == VIDEO && !rtc_thin_has_room(&v->thin, true, v->peer->lane->now_ms)) || !begin(&b, v))
		return;
	v->resent++;
	uint16_t i = (uint16_t)(seq - (uint16_t)s->index);
	send_packet(&b, track, &s->frame->packets[i], s->index + i, s->timestamp);
	if (!b.path->tcp)
		flush(&b);
	v->peer->count.retransmitted++;
	COUNT(v->peer->srv, retransmitted, 1);
}

/* ---- time ---- */

static void forget_old(struct rtc_out *out, int64_t now_ms)
{
	for (unsigned i = 0; i < out->sent_size; i++) {
		struct rtc_sent *s = &out->sent[i];
		if (s->frame && now_ms - s->sent_ms > RTC_SENT_MS) {
			sg_rtp_frame_unref(s->frame);
			s->frame = NULL;
		}
	}
}

void rtc_viewer_tick(struct sg_webrtc_peer *p, int64_t now_ms)
{
	struct rtc_viewer *v = p->viewer;

	if (v->astray && now_ms - v->moved_ms >= MOVE_PAUSE_MS)
		rtc_viewer_move(v, now_ms);
	if (v->catching_up && !p->dead)
		rtc_viewer_catch_up(v);
	if (p->dead || now_ms - v->report_ms < REPORT_MS)
		return;
	rtc_viewer_report(v, now_ms);
	forget_old(&v->out[VIDEO], now_ms);
	forget_old(&v->out[AUDIO], now_ms);
}
