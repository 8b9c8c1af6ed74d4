/* ts.c - the stream as MPEG-TS, packaged once for everybody, while anybody wants it. */
#include "media/mux.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

#define WANTED_MS 60000
#define CATCH_UP 64 /* frames read at a time when it starts */

struct sg_tspack {
	struct sg_stream *stream; /* whose part it is */
	struct sg_ring *ring;
	atomic_llong wanted_ms; /* when somebody last asked; 0 = never */
	/* the publisher's thread */
	struct sg_mux *mux;
	unsigned muxes; /* how many there were */
	struct sg_buf out;
	bool refused; /* libavformat cannot: not tried again before the configuration changes */
	enum sg_codec video, audio; /* the last muxer's */
	bool going;   /* the ring holds what has been packaged since it was first wanted */
};

struct sg_tspack *sg_tspack_new(struct sg_stream *s)
{
	struct sg_tspack *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->stream = s;
	sg_buf_init(&t->out, SG_FRAME_MAX_BYTES);
	if (sg_ring_create(&t->ring, RING_FRAMES, RING_BYTES) == SG_OK)
		return t;
	free(t);
	return NULL;
}

void sg_tspack_free(struct sg_tspack *t)
{
	if (!t)
		return;
	sg_mux_close(t->mux);
	sg_buf_reset(&t->out);
	sg_ring_unref(t->ring);
	free(t);
}

static bool carries(enum sg_codec c)
{
	return c != SG_CODEC_AV1 && c != SG_CODEC_VP8 && c != SG_CODEC_VP9;
}

struct sg_ring *sg_stream_ts_ring(struct sg_stream *s)
{
	pthread_mutex_lock(&s->lock);
	bool fits = carries(s->info.video);
	pthread_mutex_unlock(&s->lock);
	if (!fits)
		return NULL;
	atomic_store(&s->ts->wanted_ms, sg_mono_ms());
	return s->ts->ring;
}

static bool open_mux(struct sg_tspack *t)
{
	struct sg_stream *s = t->stream;

	pthread_mutex_lock(&s->lock);
	struct lead lead = lead_ref(&s->now);
	struct sg_video_params vp = s->video;
	struct sg_audio_params ap = s->audio;
	enum sg_codec video = s->info.video, audio = s->info.audio;
	pthread_mutex_unlock(&s->lock);
	/* One PES packet per frame, so that none waits for the next. Another muxer counts anew and may carry other
	 * tracks: receivers are told of both (ISO/IEC 13818-1 2.4.3.5, 2.4.4.9). */
	char options[112];
	snprintf(options, sizeof(options), "mpegts_copyts=1:pes_payload_size=0:tables_version=%u%s", t->muxes % 32,
	    t->muxes ? ":mpegts_flags=initial_discontinuity" : "");
	t->muxes++;
	t->mux = sg_mux_open("mpegts", options, &lead, video, &vp, audio, &ap, &t->out);
	lead_drop(&lead);
	/* Who comes would begin at the last keyframe, which is a former publisher's. */
	if (t->video != SG_CODEC_NONE && video == SG_CODEC_NONE)
		sg_ring_clear(t->ring);
	t->video = video;
	t->audio = audio;
	if (!t->mux)
		sg_log_limited(SG_LOG_WARNING,
		    "stream %s cannot be had as MPEG-TS: its codecs do not go into it", s->key);
	t->refused = !t->mux;
	return t->mux;
}

static void package(struct sg_tspack *t, const struct sg_frame *f)
{
	if (!t->mux || f->kind == SG_FRAME_META || (f->flags & SG_FRAME_CONFIG) || !sg_mux_has(t->mux, f->kind))
		return;
	if (f->codec != (f->kind == SG_FRAME_AUDIO ? t->audio : t->video)) /* what was there before another came */
		return;
	if (f->flags & SG_FRAME_KEY)
		sg_mux_resend_headers(t->mux);
	/* The muxer would keep small audio frames to put several into one PES packet. */
	bool ok = sg_mux_write(t->mux, f, 0) && sg_mux_flush(t->mux, true);
	if (t->out.failed) { /* libavformat does not write again behind a write that failed */
		sg_tspack_break(t);
		return;
	}
	if (ok && t->out.len) {
		struct sg_frame *ts = sg_frame_new(SG_FRAME_TS, SG_CODEC_NONE, t->out.len);
		if (ts) {
			memcpy(ts->payload, t->out.p, t->out.len);
			ts->flags = f->flags & SG_FRAME_KEY;
			ts->dts_90khz = f->dts_90khz;
			ts->pts_90khz = f->pts_90khz;
			ts->arrived_us = f->arrived_us;
			sg_ring_write(t->ring, ts);
		}
	}
	sg_buf_reset(&t->out);
}

/* Do the configurations in force hold for the pictures since the last keyframe? Else the next one must
 * come first. */
static bool may_begin(struct sg_tspack *t, const struct sg_frame *f)
{
	struct sg_stream *s = t->stream;

	pthread_mutex_lock(&s->lock);
	bool ok = (f->flags & SG_FRAME_KEY) || s->info.video == SG_CODEC_NONE ||
		  s->now.video == s->at_key.video;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

/* From the last keyframe on, so that the first viewer sees a picture at once. */
static void catch_up(struct sg_tspack *t)
{
	struct sg_ring *ring = t->stream->ring;
	struct sg_frame *frames[CATCH_UP];
	struct sg_ring_read rd = { .frames = frames, .max = CATCH_UP };

	pthread_mutex_lock(&t->stream->lock);
	rd.next = sg_stream_start(t->stream);
	pthread_mutex_unlock(&t->stream->lock);

	sg_ring_clear(t->ring);
	do {
		sg_ring_read(ring, &rd, false);
		for (size_t i = 0; i < rd.count; i++) {
			package(t, frames[i]);
			sg_frame_unref(frames[i]);
		}
	} while (rd.count);
}

void sg_tspack_write(struct sg_tspack *t, struct sg_frame *f)
{
	int64_t wanted_ms = atomic_load_explicit(&t->wanted_ms, memory_order_relaxed);

	if (!wanted_ms || t->refused)
		return;
	if (sg_mono_ms() - wanted_ms > WANTED_MS) {
		sg_tspack_break(t);
		t->going = false;
		atomic_store(&t->wanted_ms, 0);
		sg_ring_clear(t->ring);
		return;
	}
	if (!t->mux && (!may_begin(t, f) || !open_mux(t)))
		return;
	if (t->going)
		package(t, f);
	else
		catch_up(t);
	t->going = true;
}

void sg_tspack_break(struct sg_tspack *t)
{
	sg_mux_close(t->mux);
	t->mux = NULL;
	t->refused = false;
	sg_buf_reset(&t->out);
}

void sg_tspack_end(struct sg_tspack *t)
{
	sg_ring_end(t->ring);
}

struct sg_ring *sg_tspack_ring(struct sg_tspack *t)
{
	return t->ring;
}
