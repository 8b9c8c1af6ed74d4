/* timeline.c - where a publisher's frames lie on its stream's timeline, whatever its clocks do. */
#include "media/silence.h"
#include "media/stream_internal.h"
#include "base/log.h"

#define JUMP_FORWARD_MS 10000 /* beyond what the clock on the wall did */
#define JUMP_BACK_MS 1000     /* behind the track's own last */
/* Behind the other track: so far back may a multiplexer keep one. Not as long as silence waits at most, or what lies
 * between would be too late again and again. */
#define BEHIND_MAX_MS 2700
#define AFTER_JUMP_MS 40
#define SHOWN_LATER_MAX_MS 10000 /* a picture that is to be shown later than that is shown at once */
#define HALF_CLOCK (1ll << 30)
/* Sound that is so far behind the pictures is not waited for any longer; a source that was later once is
 * given more. */
#define SILENCE_AFTER_MS 1500
#define SILENCE_AFTER_MAX_MS 2800
#define SILENCE_LAG_MS 300 /* and stays so far behind, so that sound which comes back finds its place */

/* RTMP's 32 bits; some encoders (FFmpeg) use 31 of them. RTMP 1.0 section 5.3.1.2.1. */
int64_t sg_timeline_unwrap_ms(struct sg_publisher *pub, uint32_t ms)
{
	int64_t step = 0;

	/* The low 31 bits tell the step either way: the tracks need not wrap at the same tag. */
	if (pub->has_clock)
		step = (int64_t)ms - (int64_t)pub->last_ms32;
	if (step < -HALF_CLOCK || step > HALF_CLOCK) {
		step = (int64_t)((ms - pub->last_ms32) & 0x7fffffff);
		step -= step > HALF_CLOCK ? 2 * HALF_CLOCK : 0;
	}
	pub->has_clock = true;
	pub->last_ms32 = ms;
	return pub->media_ms += step;
}

/* ---- clocks ---- */

static void anchor(struct track_clock *c, int64_t own, int64_t at)
{
	c->base = (at / TICKS_PER_MS - own / TICKS_PER_MS) * TICKS_PER_MS;
	c->anchored = true;
}

/* How far `dts` is from the stream's last; 0 = a frame may lie there. */
static int64_t too_far(const struct sg_stream *s, int64_t dts, int64_t waited_ms)
{
	int64_t ahead = dts - s->last_dts;
	bool is_far = ahead > (JUMP_FORWARD_MS + waited_ms) * TICKS_PER_MS || ahead < -BEHIND_MAX_MS * TICKS_PER_MS;

	return s->last_dts >= 0 && is_far ? ahead : 0;
}

/* By how much the clock jumps to `own`; 0 = it goes on. */
static int64_t jump(const struct sg_stream *s, const struct track_clock *c, int64_t own, int64_t waited_ms)
{
	if (!c->anchored)
		return 0;
	if (own < c->last_own - JUMP_BACK_MS * TICKS_PER_MS)
		return own - c->last_own;
	return too_far(s, own + c->base, waited_ms);
}

/* May a track that jumped go on at `dts`, by the other's clock? Behind what it had, and not before what is now. */
static bool fits(const struct sg_stream *s, const struct track_clock *c, int64_t dts)
{
	return dts >= c->last_dts - JUMP_BACK_MS * TICKS_PER_MS && dts <= s->last_dts + JUMP_BACK_MS * TICKS_PER_MS;
}

/* Each track has a base of its own, since the two do not jump at the same frame, or one alone does; one that
 * jumps takes the other's if that fits, so that they are together again. */
static int64_t follow_clock(struct sg_publisher *pub, struct track_clock *c, int64_t own, int64_t waited_ms)
{
	struct sg_stream *s = pub->stream;
	const struct track_clock *other = &pub->clocks[c == &pub->clocks[0]];
	int64_t off = jump(s, c, own, waited_ms);
	bool is_new = !c->anchored;

	c->last_own = own;
	if (!is_new && !off)
		return own + c->base;
	if (off)
		sg_log_limited(SG_LOG_WARNING, "stream %s: timestamps jump by %lld ms: carried on without the jump",
		    s->key, (long long)(off / TICKS_PER_MS));
	bool is_other = other->anchored && (is_new ? !too_far(s, own + other->base, waited_ms)
						   : other->base != c->base && fits(s, c, own + other->base));
	if (is_other) {
		c->base = other->base;
		c->anchored = true;
	} else if (s->last_dts < 0) {
		anchor(c, own, 0);
	} else {
		/* A new publisher's first lies as far behind the former's as it came. */
		int64_t gap_ms = off || other->anchored || waited_ms < AFTER_JUMP_MS ? AFTER_JUMP_MS : waited_ms;
		anchor(c, own, s->last_dts + gap_ms * TICKS_PER_MS);
	}
	return own + c->base;
}

/* Sound that comes when silence has taken its place; the next is waited for longer. */
static bool is_too_late(struct sg_publisher *pub, int64_t dts)
{
	int64_t late_ms = (pub->stream->last_dts - dts) / TICKS_PER_MS + 1000;

	pub->is_silent = false;
	if (dts >= pub->silence_end)
		return false;
	if (late_ms > pub->silence_after_ms)
		pub->silence_after_ms = late_ms < SILENCE_AFTER_MAX_MS ? late_ms : SILENCE_AFTER_MAX_MS;
	return true;
}

void sg_timeline_begin(struct sg_publisher *pub)
{
	int64_t last = pub->stream->last_dts;

	pub->clocks[0].last_dts = pub->clocks[1].last_dts = pub->picture_dts = -1;
	pub->begin_dts = last < 0 ? 0 : last + TICKS_PER_MS;
	pub->silence_end = INT64_MIN;
	pub->silence_after_ms = SILENCE_AFTER_MS;
}

bool sg_timeline_place(struct sg_publisher *pub, struct sg_frame *f)
{
	struct sg_stream *s = pub->stream;
	struct track_clock *c = &pub->clocks[f->kind == SG_FRAME_AUDIO];
	int64_t own = f->dts_90khz, cts = f->pts_90khz - own;
	int64_t waited_ms = s->last_dts < 0 ? 0 : (f->arrived_us - s->last_arrived_us) / 1000;
	int64_t dts = pub->on_timeline ? own : follow_clock(pub, c, own, waited_ms);

	s->last_arrived_us = f->arrived_us;
	if (f->kind == SG_FRAME_AUDIO && is_too_late(pub, dts))
		return false;
	if (dts < pub->begin_dts)
		dts = pub->begin_dts;
	if (dts <= c->last_dts)
		dts = c->last_dts + TICKS_PER_MS;
	c->last_dts = dts;
	if (dts > s->last_dts)
		s->last_dts = dts;
	f->dts_90khz = dts;
	f->pts_90khz = cts > 0 && cts <= SHOWN_LATER_MAX_MS * TICKS_PER_MS ? dts + cts : dts;
	return true;
}

/* ---- silence ---- */

/* Behind which time sound is due: the last, or where pictures began to come. */
static int64_t sound_until(struct sg_publisher *pub, int64_t dts)
{
	int64_t last = pub->clocks[1].last_dts;

	if (pub->picture_dts < 0 || dts - pub->picture_dts > SILENCE_AFTER_MS * TICKS_PER_MS)
		pub->due_dts = dts;
	pub->picture_dts = dts;
	return last > pub->due_dts ? last : pub->due_dts;
}

struct sg_frame *sg_timeline_silence(struct sg_publisher *pub, const struct sg_frame *picture)
{
	struct sg_stream *s = pub->stream;
	int64_t until = sound_until(pub, picture->dts_90khz), behind = picture->dts_90khz - until;
	int samples;

	if (behind <= (pub->is_silent ? SILENCE_LAG_MS : pub->silence_after_ms) * TICKS_PER_MS || pub->on_timeline)
		return NULL;
	pthread_mutex_lock(&s->lock);
	enum sg_codec codec = s->info.audio;
	struct sg_audio_params ap = s->audio;
	pthread_mutex_unlock(&s->lock);
	struct sg_frame *f = sg_silence(codec, &ap, &samples);
	if (!f)
		return NULL;
	if (!pub->is_silent) {
		pub->silence_from = until;
		pub->silent_samples = 0;
	}
	pub->is_silent = true;
	pub->silent_samples += samples;
	f->dts_90khz = f->pts_90khz = pub->silence_from + pub->silent_samples * 90000 / ap.sample_rate;
	f->arrived_us = picture->arrived_us;
	pub->clocks[1].last_dts = f->dts_90khz;
	pub->silence_end = f->dts_90khz + (int64_t)samples * 90000 / ap.sample_rate;
	return f;
}
