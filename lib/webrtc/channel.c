/* channel.c - a stream's frames, cut into packets once for all of a lane's viewers of it. */
#include "webrtc/rtc_internal.h"
#include <stdlib.h>
#include <utlist.h>

#define BATCH 32
#define OFF_CLOCK_90KHZ 90000 /* so far off the stream has begun anew, or jumped */
#define SMOOTHING 64

/* ---- the stream's time ---- */

int64_t rtc_channel_now(const struct rtc_channel *c, int64_t now_us)
{
	return c->anchor_pts + (now_us - c->anchor_us) * 9 / 100;
}

static void follow_clock(struct rtc_channel *c, const struct sg_frame *f)
{
	int64_t off = c->anchored ? f->pts_90khz - rtc_channel_now(c, f->arrived_us) : 0;

	if (!c->anchored || off > OFF_CLOCK_90KHZ || off < -OFF_CLOCK_90KHZ) {
		c->anchored = true;
		c->anchor_pts = f->pts_90khz;
		c->anchor_us = f->arrived_us;
	} else {
		c->anchor_pts += off / SMOOTHING;
	}
}

/* ---- frames ---- */

static void drop_viewers(struct rtc_channel *c, enum sg_goodbye why, const char *detail)
{
	struct rtc_viewer *v, *tmp;

	DL_FOREACH_SAFE(c->viewers, v, tmp)
	{
		struct sg_webrtc_peer *p = v->peer;
		rtc_peer_drop(p, SG_ADMITTED, why, detail);
		rtc_peer_settle(p);
	}
}

static void deliver(struct rtc_channel *c, struct sg_frame *f)
{
	struct rtc_viewer *v, *tmp;
	struct sg_rtp_frame *packets;

	enum sg_result res = sg_rtp_pack(c->packer, f, &packets);
	if (res == SG_ERR_UNSUPPORTED)
		DL_FOREACH(c->viewers, v)
			rtc_viewer_went_astray(v, f->kind == SG_FRAME_VIDEO);
	if (res != SG_OK && res != SG_NEED_MORE && f->kind == SG_FRAME_VIDEO)
		DL_FOREACH(c->viewers, v)
			v->skipping |= !v->catching_up; /* what leans on it is not sent either */
	if (res != SG_OK)
		return;
	follow_clock(c, f);
	c->live_pts = f->pts_90khz;
	DL_FOREACH_SAFE(c->viewers, v, tmp)
	{
		struct sg_webrtc_peer *p = v->peer;
		rtc_viewer_deliver(v, packets);
		rtc_peer_settle(p);
	}
	sg_rtp_frame_unref(packets);
}

/* Answers whether the ring has ended. */
static bool read_ring(struct rtc_channel *c)
{
	struct sg_frame *frames[BATCH];
	struct sg_ring_read rd = { .frames = frames, .max = BATCH };

	do {
		rd.next = c->cursor;
		sg_ring_read(c->ring, &rd, false);
		c->cursor = rd.next;
		for (size_t i = 0; i < rd.count; i++) {
			deliver(c, frames[i]);
			sg_frame_unref(frames[i]);
		}
	} while (rd.count == BATCH && c->viewers);
	return rd.ended;
}

/* ---- life ---- */

static void free_channel(struct rtc_channel *c)
{
	sg_rtp_packer_free(c->packer);
	sg_stream_unref(c->stream);
	free(c);
}

static void close_channel(struct rtc_channel *c)
{
	DL_DELETE(c->lane->channels, c);
	sg_ring_remove_waiter(c->ring, &c->waiter);
	c->closing = true;
	if (!atomic_load(&c->posted)) /* else the task, which is on its way, does it */
		free_channel(c);
}

static void run(struct sg_task *task)
{
	struct rtc_channel *c = SG_CONTAINER_OF(task, struct rtc_channel, task);

	if (c->closing) {
		free_channel(c);
		return;
	}
	atomic_store(&c->posted, false);
	c->lane->now_ms = sg_mono_ms();
	c->running = true;
	if (read_ring(c))
		drop_viewers(c, SG_BYE_STREAM_ENDED, "");
	c->running = false;
	if (!c->viewers)
		close_channel(c);
}

static void wake(struct sg_ring_waiter *w)
{
	struct rtc_channel *c = SG_CONTAINER_OF(w, struct rtc_channel, waiter);
	struct sg_executor *ex = sg_loop_executor(c->lane->loop);

	if (!atomic_exchange(&c->posted, true))
		ex->post(ex, &c->task);
}

static void feed_configurations(struct sg_rtp_packer *packer, const struct sg_join *join)
{
	struct sg_rtp_frame *none;

	for (size_t i = 0; i < join->lead_count; i++)
		if (sg_rtp_pack(packer, join->lead[i], &none) == SG_OK)
			sg_rtp_frame_unref(none);
}

struct sg_rtp_packer *rtc_packer_for(struct sg_stream *s, int h264_mode, uint64_t *cursor)
{
	struct sg_rtp_packer *packer = sg_rtp_packer_new(h264_mode);
	struct sg_join join;

	if (!packer)
		return NULL;
	sg_stream_join(s, &join);
	feed_configurations(packer, &join);
	*cursor = join.cursor;
	sg_stream_join_reset(&join);
	return packer;
}

static struct rtc_channel *open_channel(struct rtc_lane *lane, struct sg_stream *s, int h264_mode)
{
	struct rtc_channel *c = calloc(1, sizeof(*c));
	uint64_t unused;

	if (!c)
		return NULL;
	c->ring = sg_stream_ring(s);
	c->cursor = sg_ring_head(c->ring);
	c->packer = rtc_packer_for(s, h264_mode, &unused);
	if (!c->packer) {
		free(c);
		return NULL;
	}
	c->lane = lane;
	c->stream = sg_stream_ref(s);
	c->h264_mode = h264_mode;
	c->task.run = run;
	c->waiter.wake = wake;
	DL_APPEND(lane->channels, c);
	sg_ring_add_waiter(c->ring, &c->waiter);
	wake(&c->waiter); /* what came while it was being opened */
	return c;
}

struct rtc_channel *rtc_channel_join(
    struct rtc_lane *lane, struct sg_stream *s, int h264_mode, struct rtc_viewer *v)
{
	struct rtc_channel *c;

	DL_FOREACH(lane->channels, c)
	{
		if (c->stream == s && c->h264_mode == h264_mode)
			break;
	}
	if (!c && !(c = open_channel(lane, s, h264_mode)))
		return NULL;
	DL_APPEND(c->viewers, v);
	return c;
}

void rtc_channel_leave(struct rtc_channel *c, struct rtc_viewer *v)
{
	DL_DELETE(c->viewers, v);
	if (!c->viewers && !c->running)
		close_channel(c);
}
