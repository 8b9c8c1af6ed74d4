/* view.c - viewers: each is a cursor into the stream's MPEG-TS, which is packaged once for all of them,
 * and sent on in messages of seven packets. */
#include "srt/srt_internal.h"

#define FRAMES_AT_ONCE 32
#define MESSAGES_AT_ONCE 96 /* to one viewer: 100 Mb/s, so that a start does not flood its line */
#define WANTED_MS 20000 /* how often the packager is told that somebody watches */
#define CARRY_MS 100

bool srt_viewer_can_have(struct sg_srt_server *srv, struct sg_str app, struct sg_str stream)
{
	struct sg_stream *s = sg_hub_find(srv->cfg.hub, app, stream);
	bool can = !s || sg_stream_ts_ring(s); /* one that has ended meanwhile is told so later */

	sg_stream_unref(s);
	return can;
}

/* ---- channels ---- */

static void on_ring_wake(struct sg_ring_waiter *w)
{
	struct srt_channel *c = SG_CONTAINER_OF(w, struct srt_channel, waiter);
	struct srt_lane *lane = c->lane;
	struct sg_executor *ex = sg_loop_executor(lane->loop);

	if (!atomic_exchange(&lane->woken, true))
		ex->post(ex, &lane->wake);
}

static struct srt_channel *open_channel(struct srt_lane *lane, struct sg_stream *stream)
{
	struct srt_channel *c;

	DL_FOREACH(lane->channels, c)
	{
		if (c->stream == stream)
			return c;
	}
	if (!(c = calloc(1, sizeof(*c))))
		return NULL;
	c->lane = lane;
	c->ring = sg_stream_ts_ring(stream);
	if (!c->ring) {
		free(c);
		return NULL;
	}
	c->stream = sg_stream_ref(stream);
	c->wanted_ms = sg_mono_ms();
	c->waiter.wake = on_ring_wake;
	sg_ring_add_waiter(c->ring, &c->waiter);
	DL_APPEND(lane->channels, c);
	return c;
}

static void close_channel(struct srt_channel *c)
{
	sg_ring_remove_waiter(c->ring, &c->waiter);
	DL_DELETE(c->lane->channels, c);
	sg_stream_unref(c->stream);
	free(c);
}

/* ---- one viewer ---- */

bool srt_viewer_start(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;
	struct sg_stream *s = sg_hub_find(srv->cfg.hub, sg_str_from(sg_session_app(p->session)),
	    sg_str_from(sg_session_stream(p->session)));
	char id[SG_SESSION_ID_SIZE];

	s = s ? sg_stream_classic(s) : NULL;
	p->channel = s ? open_channel(p->lane, s) : NULL;
	sg_stream_unref(s);
	if (!p->channel)
		return false;
	DL_APPEND2(p->channel->viewers, p, channel_prev, channel_next);
	p->cursor = sg_ring_start(p->channel->ring);
	p->sent_ms = sg_mono_ms();
	p->state = PEER_ACTIVE;
	p->counted = true;
	atomic_fetch_add(&srv->players, 1);
	sg_session_id(p->session, id);
	sg_log_debug("srt %s: plays %s/%s, session %s", p->name, sg_session_app(p->session),
	    sg_session_stream(p->session), id);
	on_ring_wake(&p->channel->waiter); /* by the queue: the task may be in it */
	return true;
}

void srt_viewer_leave(struct srt_peer *p)
{
	struct srt_channel *c = p->channel;

	if (!c)
		return;
	DL_DELETE2(c->viewers, p, channel_prev, channel_next);
	p->channel = NULL;
	if (!c->viewers)
		close_channel(c);
}

/* What one turn may send to one viewer, and has. */
struct turn {
	int64_t now_ms;
	int messages;
	uint64_t bytes;
	bool broken;
};

static bool send_message(struct srt_peer *p, struct turn *t, const void *m, size_t len)
{
	if (t->messages >= MESSAGES_AT_ONCE)
		return false;
	if (srt_sendmsg(p->sock, m, (int)len, -1, 0) == SRT_ERROR) {
		p->blocked = srt_getlasterror(NULL) == SRT_EASYNCSND;
		t->broken = !p->blocked;
		return false;
	}
	p->blocked = false;
	p->sent_ms = t->now_ms;
	t->messages++;
	t->bytes += len;
	return true;
}

static bool flush_carry(struct srt_peer *p, struct turn *t)
{
	if (p->carried && !send_message(p, t, p->carry, p->carried))
		return false;
	p->carried = 0;
	return true;
}

/* The rest of the frame at the cursor. False: not all of it could be sent now. */
static bool send_frame(struct srt_peer *p, struct turn *t, const struct sg_frame *f)
{
	p->cursor = f->seq;
	while (p->offset < f->size) {
		uint32_t left = f->size - p->offset, n = SG_SRT_MESSAGE - p->carried;
		if (p->carried == SG_SRT_MESSAGE) {
			if (!flush_carry(p, t))
				return false;
		} else if (!p->carried && left >= SG_SRT_MESSAGE) {
			if (!send_message(p, t, f->payload + p->offset, SG_SRT_MESSAGE))
				return false;
			p->offset += SG_SRT_MESSAGE;
		} else {
			n = left < n ? left : n;
			memcpy(p->carry + p->carried, f->payload + p->offset, n);
			p->carried += n;
			p->offset += n;
		}
	}
	p->cursor = f->seq + 1;
	p->offset = 0;
	return true;
}

static bool send_frames(struct srt_peer *p, struct turn *t, struct sg_ring_read *rd)
{
	bool going = true;

	for (size_t i = 0; i < rd->count; i++) {
		going = going && send_frame(p, t, rd->frames[i]);
		sg_frame_unref(rd->frames[i]);
	}
	return going;
}

static bool is_far_behind(const struct srt_peer *p, const struct sg_ring_read *rd)
{
	return p->blocked && rd->count && sg_mono_us() - rd->frames[0]->arrived_us > FAR_BEHIND_US;
}

/* What is next for this viewer; one that cannot follow goes on at the newest keyframe. */
static void read_ring(struct srt_peer *p, struct sg_ring_read *rd)
{
	rd->next = p->cursor;
	sg_ring_read(p->channel->ring, rd, false);
	if (is_far_behind(p, rd)) {
		for (size_t i = 0; i < rd->count; i++)
			sg_frame_unref(rd->frames[i]);
		rd->next = p->cursor;
		sg_ring_read(p->channel->ring, rd, true);
	}
	if (!rd->skipped)
		return;
	p->offset = p->carried = 0;
	atomic_fetch_add(&p->lane->srv->skipped, rd->skipped);
}

/* The stream is over and all of it was sent: the viewer may take it before the line is closed. */
static void end(struct srt_peer *p, const struct turn *t)
{
	p->state = PEER_CLOSING;
	p->deadline_ms = t->now_ms + p->line.latency_ms + GOODBYE_MS;
	srt_viewer_leave(p);
}

/* True: there is more than could be sent now. */
static bool feed(struct srt_peer *p, int64_t now_ms)
{
	struct sg_frame *frames[FRAMES_AT_ONCE];
	struct sg_ring_read rd = {.frames = frames, .max = FRAMES_AT_ONCE};
	struct turn t = {.now_ms = now_ms};
	bool going = p->carried < SG_SRT_MESSAGE || flush_carry(p, &t);

	while (going) {
		read_ring(p, &rd);
		if (!rd.count)
			p->cursor = rd.next;
		going = send_frames(p, &t, &rd);
		if (!rd.count)
			break;
	}
	if (going && rd.ended)
		going = flush_carry(p, &t);
	sg_session_add_bytes(p->session, t.bytes);
	atomic_fetch_add_explicit(&p->lane->srv->bytes_out, t.bytes, memory_order_relaxed);
	if (t.broken)
		srt_peer_destroy(p, SG_BYE_CLOSED);
	else if (going && rd.ended)
		end(p, &t);
	return !going && !t.broken;
}

/* ---- all viewers ---- */

static void gather_for(struct srt_lane *lane, int64_t ms)
{
	lane->gathering = true;
	sg_timer_start(lane->gather, ms, 0);
}

void srt_lane_feed(struct srt_lane *lane)
{
	struct srt_channel *c, *next;
	struct srt_peer *p, *tmp;
	bool more = false;

	lane->fed_ms = sg_mono_ms();
	DL_FOREACH_SAFE(lane->channels, c, next)
	{
		DL_FOREACH_SAFE2(c->viewers, p, tmp, channel_next)
		{
			more |= feed(p, lane->fed_ms);
		}
	}
	if (more && !lane->gathering)
		gather_for(lane, GATHER_MS);
}

void srt_lane_on_gather(void *user)
{
	struct srt_lane *lane = user;

	lane->gathering = false;
	srt_lane_feed(lane);
}

/* Frames of picture and sound come one by one: what comes within a few milliseconds goes out together. */
void srt_lane_on_wake(struct sg_task *task)
{
	struct srt_lane *lane = SG_CONTAINER_OF(task, struct srt_lane, wake);
	int64_t wait_ms = lane->fed_ms + GATHER_MS - sg_mono_ms();

	atomic_store(&lane->woken, false);
	if (lane->gathering)
		return;
	if (wait_ms > 0)
		gather_for(lane, wait_ms);
	else
		srt_lane_feed(lane);
}

/* What waits for company, while nothing comes, goes alone. */
static void flush_waiting(struct srt_channel *c, int64_t now_ms)
{
	struct srt_peer *p;

	DL_FOREACH2(c->viewers, p, channel_next)
	{
		struct turn t = {.now_ms = now_ms};
		if (p->carried && !p->blocked && now_ms - p->sent_ms > CARRY_MS)
			flush_carry(p, &t);
	}
}

void srt_lane_sweep_channels(struct srt_lane *lane, int64_t now_ms)
{
	struct srt_channel *c;

	DL_FOREACH(lane->channels, c)
	{
		flush_waiting(c, now_ms);
		if (now_ms - c->wanted_ms < WANTED_MS)
			continue;
		c->wanted_ms = now_ms;
		sg_stream_ts_ring(c->stream);
	}
}
