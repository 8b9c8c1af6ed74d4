/* variant.c - a stream in other codecs, for those who need it, while they do.
 *
 * A variant is a stream of its own beside its source: with a ring, configurations and a TS packager, but
 * without a publisher and unknown to the hub. One thread reads the source's ring, which is its queue (and its
 * bound: who falls behind goes on at a keyframe), and writes what comes out. References are the users: when only
 * the variant's own is left for VARIANT_REST_MS, the thread ends. */
#include "media/stream_internal.h"
#include "media/transcode.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

#define VARIANT_REST_MS 5000
#define VARIANTS_MAX 256
#define BEHIND_US 3000000 /* then the next keyframe comes first */
#define READ_MAX 32
#define WAIT_MS 500

struct variant {
	struct variant *next; /* the pool's */
	struct sg_variants *pool;
	struct sg_stream *out;    /* referenced */
	struct sg_stream *source; /* out's */
	struct sg_want want;
	pthread_t thread;
	bool done; /* pool locked: the thread has nothing more to do but to be joined; not found any more */
	atomic_bool stop;

	/* the source's waiter */
	struct sg_ring_waiter waiter;
	sem_t news;
	atomic_bool woken;

	/* the thread's own */
	struct sg_publisher pub;
	struct sg_transcoder *sound, *pictures;
	bool failing;
	int64_t published_ms; /* whose frames these are: the source's */
	int64_t unused_since_ms; /* 0: in use */
};

struct sg_variants {
	pthread_mutex_t lock;
	struct variant *all;
	size_t count; /* not done */
	struct sg_variant_stats stats;
	char (*video_apps)[SG_APP_MAX + 1]; /* those with transcode_video */
	size_t video_app_count;
};

/* ---- the pool ---- */

struct sg_variants *sg_variants_new(void)
{
	struct sg_variants *pool = calloc(1, sizeof(*pool));

	if (pool)
		pthread_mutex_init(&pool->lock, NULL);
	return pool;
}

static void variant_free(struct variant *v)
{
	sg_stream_unref(v->out);
	sem_destroy(&v->news);
	free(v);
}

void sg_variants_reap(struct sg_variants *pool, bool all)
{
	struct variant *v, *dead = NULL, **at;

	pthread_mutex_lock(&pool->lock);
	for (at = &pool->all; (v = *at);) {
		if (all) {
			atomic_store(&v->stop, true);
			sem_post(&v->news);
		}
		if (!all && !v->done) {
			at = &v->next;
			continue;
		}
		*at = v->next;
		v->next = dead;
		dead = v;
	}
	pthread_mutex_unlock(&pool->lock);
	while ((v = dead)) {
		dead = v->next;
		pthread_join(v->thread, NULL);
		variant_free(v);
	}
}

void sg_variants_free(struct sg_variants *pool)
{
	if (!pool)
		return;
	sg_variants_reap(pool, true);
	pthread_mutex_destroy(&pool->lock);
	free(pool->video_apps);
	free(pool);
}

enum sg_result sg_variants_configure(struct sg_variants *pool, const struct sg_config *cfg)
{
	char(*apps)[SG_APP_MAX + 1] = calloc(cfg->app_count + 1, sizeof(*apps));
	size_t count = 0;

	if (!apps)
		return SG_ERR_NO_MEMORY;
	for (size_t i = 0; i < cfg->app_count; i++)
		if (cfg->apps[i].transcode_video)
			memcpy(apps[count++], cfg->apps[i].name, sizeof(*apps));
	pthread_mutex_lock(&pool->lock);
	free(pool->video_apps);
	pool->video_apps = apps;
	pool->video_app_count = count;
	pthread_mutex_unlock(&pool->lock);
	return SG_OK;
}

static bool may_change_pictures(struct sg_variants *pool, const char *app)
{
	bool may = false;

	pthread_mutex_lock(&pool->lock);
	for (size_t i = 0; i < pool->video_app_count; i++)
		may = may || strcmp(pool->video_apps[i], app) == 0;
	pthread_mutex_unlock(&pool->lock);
	return may;
}

void sg_variants_stats(struct sg_variants *pool, struct sg_variant_stats *out)
{
	pthread_mutex_lock(&pool->lock);
	*out = pool->stats;
	for (const struct variant *v = pool->all; v; v = v->next) {
		if (v->done)
			continue;
		out->sound_running += v->want.sound != SG_SOUND_ANY;
		out->pictures_running += v->want.no_b_frames;
	}
	pthread_mutex_unlock(&pool->lock);
}

static void count(struct variant *v, uint64_t taken, uint64_t dropped)
{
	pthread_mutex_lock(&v->pool->lock);
	v->pool->stats.frames += taken;
	v->pool->stats.dropped += dropped;
	pthread_mutex_unlock(&v->pool->lock);
}

/* ---- what is to be changed ---- */

static bool changes_sound(const struct sg_want *w, enum sg_codec codec)
{
	return (w->sound == SG_SOUND_AAC && codec == SG_CODEC_OPUS) ||
	       (w->sound == SG_SOUND_OPUS && codec != SG_CODEC_OPUS && codec != SG_CODEC_NONE);
}

static bool changes_pictures(const struct sg_want *w, enum sg_codec codec, bool has_b_frames)
{
	return w->no_b_frames && has_b_frames && codec == SG_CODEC_H264;
}

static enum sg_codec sound_codec(const struct sg_want *w)
{
	return w->sound == SG_SOUND_AAC ? SG_CODEC_AAC : SG_CODEC_OPUS;
}

/* ---- the thread ---- */

static void on_news(struct sg_ring_waiter *w)
{
	struct variant *v = (struct variant *)((char *)w - offsetof(struct variant, waiter));

	if (!atomic_exchange(&v->woken, true))
		sem_post(&v->news);
}

static void wait_for_news(struct variant *v)
{
	struct timespec until = sg_mono_in_us(WAIT_MS * 1000);

	while (sem_clockwait(&v->news, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR)
		;
	atomic_store(&v->woken, false);
}

/* What came out of a transcoder, or goes past them. */
static void put_out(void *user, struct sg_frame *f)
{
	struct variant *v = user;

	if (sg_publisher_write(&v->pub, f) != SG_OK)
		count(v, 0, 1);
}

/* In a ring of its own a frame has a number of its own, so it is copied. */
static void pass(struct variant *v, const struct sg_frame *f)
{
	struct sg_frame *copy = sg_frame_new((enum sg_frame_kind)f->kind, (enum sg_codec)f->codec, f->size);

	if (!copy) {
		count(v, 0, 1);
		return;
	}
	memcpy(copy->payload, f->payload, f->size);
	copy->flags = f->flags;
	copy->dts_90khz = f->dts_90khz;
	copy->pts_90khz = f->pts_90khz;
	put_out(v, copy);
}

static bool transcode(struct variant *v, const struct sg_frame *f)
{
	bool is_sound = f->kind == SG_FRAME_AUDIO;
	struct sg_transcoder **t = is_sound ? &v->sound : &v->pictures;
	struct sg_stream_info info;

	if (!*t) {
		sg_stream_info(v->source, &info);
		*t = sg_transcoder_new(is_sound ? sound_codec(&v->want) : SG_CODEC_H264, info.bit_rate, put_out, v);
	}
	return *t && sg_transcoder_write(*t, f);
}

static bool needs_change(const struct sg_want *w, const struct sg_frame *f)
{
	enum sg_codec codec = (enum sg_codec)f->codec;

	return f->kind == SG_FRAME_AUDIO ? changes_sound(w, codec) : changes_pictures(w, codec, true);
}

/* What comes behind is another one's, which tells of its configuration again. */
static void end_transcoder(struct sg_transcoder **t)
{
	if (*t)
		sg_transcoder_end(*t);
	sg_transcoder_free(*t);
	*t = NULL;
}

/* What goes past its transcoder is described by its own configuration. */
static void go_past(struct variant *v, const struct sg_frame *f)
{
	end_transcoder(f->kind == SG_FRAME_AUDIO ? &v->sound : &v->pictures);
	pass(v, f);
}

/* The source's next publisher begins with `f`: as there, what the former's frames were made with does not hold. */
static void follow_publisher(struct variant *v, const struct sg_frame *f)
{
	struct sg_stream *s = v->source, *o = v->out;

	pthread_mutex_lock(&s->lock);
	int64_t published_ms = s->published_ms;
	pthread_mutex_unlock(&s->lock);
	if (published_ms == v->published_ms || f->arrived_us / 1000 < published_ms)
		return;
	v->published_ms = published_ms;
	end_transcoder(&v->sound);
	end_transcoder(&v->pictures);
	pthread_mutex_lock(&o->lock);
	lead_drop(&o->now);
	o->published_ms = sg_mono_ms();
	o->info.video = o->info.audio = SG_CODEC_NONE;
	o->info.has_b_frames = false;
	pthread_mutex_unlock(&o->lock);
}

static void take(struct variant *v, const struct sg_frame *f)
{
	bool ok = true;

	follow_publisher(v, f);
	if (f->kind == SG_FRAME_META)
		return; /* it tells of the codecs as they were */
	if (needs_change(&v->want, f))
		ok = transcode(v, f);
	else
		go_past(v, f);
	if (!ok && !v->failing)
		sg_log_limited(SG_LOG_WARNING, "stream %s: %s cannot be transcoded: left out", v->source->key,
		    sg_codec_name((enum sg_codec)f->codec));
	v->failing = !ok;
	count(v, 1, !ok);
}

/* Nobody but us for a while? Then no one can find it any more. */
static bool is_unused(struct variant *v)
{
	int64_t now_ms = sg_mono_ms();
	bool unused = atomic_load(&v->out->refs) == 1;

	if (!unused) {
		v->unused_since_ms = 0;
		return false;
	}
	if (!v->unused_since_ms)
		v->unused_since_ms = now_ms;
	if (now_ms - v->unused_since_ms < VARIANT_REST_MS)
		return false;
	pthread_mutex_lock(&v->pool->lock); /* users come under this lock */
	unused = atomic_load(&v->out->refs) == 1;
	v->done = unused;
	pthread_mutex_unlock(&v->pool->lock);
	return unused;
}

static void follow(struct variant *v, uint64_t cursor)
{
	struct sg_frame *frames[READ_MAX];
	struct sg_ring_read rd = { .frames = frames, .max = READ_MAX, .next = cursor };
	bool behind = false;

	while (!atomic_load(&v->stop)) {
		sg_ring_read(v->source->ring, &rd, behind);
		if (rd.skipped)
			count(v, 0, rd.skipped);
		behind = rd.count && sg_mono_us() - frames[0]->arrived_us > BEHIND_US;
		for (size_t i = 0; i < rd.count; i++) {
			take(v, frames[i]);
			sg_frame_unref(frames[i]);
		}
		if (!rd.count && rd.ended)
			return;
		if (is_unused(v))
			return;
		if (!rd.count)
			wait_for_news(v);
	}
}

static void *run(void *arg)
{
	struct variant *v = arg;
	struct sg_join join;

	sg_ring_add_waiter(v->source->ring, &v->waiter);
	sg_stream_join(v->source, &join);
	for (size_t i = 0; i < join.lead_count; i++)
		take(v, join.lead[i]);
	follow(v, join.cursor);
	sg_stream_join_reset(&join);
	sg_ring_remove_waiter(v->source->ring, &v->waiter);
	sg_transcoder_free(v->sound);
	sg_transcoder_free(v->pictures);
	sg_publisher_end_media(&v->pub);
	pthread_mutex_lock(&v->pool->lock);
	v->done = true;
	v->pool->count--;
	pthread_mutex_unlock(&v->pool->lock);
	sg_ring_end(v->out->ring);
	sg_tspack_end(v->out->ts);
	sg_log_debug("stream %s: transcoding ends", v->source->key);
	return NULL;
}

/* ---- asking for one ---- */

/* What can be said before the first frame has come through. */
static void announce(struct variant *v)
{
	struct sg_stream *s = v->source, *o = v->out;

	pthread_mutex_lock(&s->lock);
	struct sg_stream_info info = s->info;
	struct sg_video_params video = s->video;
	v->published_ms = s->published_ms;
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_lock(&o->lock);
	o->info = (struct sg_stream_info){ .video = info.video, .started_ms = info.started_ms,
		.has_b_frames = info.has_b_frames && !v->want.no_b_frames };
	o->info.audio = changes_sound(&v->want, info.audio) ? sound_codec(&v->want) : info.audio;
	memcpy(o->info.protocol, info.protocol, sizeof(info.protocol));
	o->video = video;
	pthread_mutex_unlock(&o->lock);
}

static struct variant *variant_new(struct sg_stream *source, const struct sg_want *want)
{
	struct variant *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->pool = source->variants;
	v->want = *want;
	v->source = source;
	v->waiter.wake = on_news;
	sem_init(&v->news, 0, 0);
	v->out = sg_stream_new_variant(source);
	if (!v->out) {
		variant_free(v);
		return NULL;
	}
	sg_publisher_init(&v->pub, v->out);
	v->pub.on_timeline = true;
	announce(v);
	return v;
}

/* Pool locked. */
static struct variant *start(struct sg_variants *pool, struct sg_stream *source, const struct sg_want *want)
{
	struct variant *v = pool->count < VARIANTS_MAX ? variant_new(source, want) : NULL;

	if (!v)
		return NULL;
	if (pthread_create(&v->thread, NULL, run, v) != 0) {
		variant_free(v);
		return NULL;
	}
	pthread_setname_np(v->thread, "sg-transcode");
	v->next = pool->all;
	pool->all = v;
	pool->count++;
	pool->stats.started++;
	sg_log_debug("stream %s: transcoding begins", source->key);
	return v;
}

struct sg_stream *sg_stream_variant(struct sg_stream *s, const struct sg_want *want)
{
	struct sg_variants *pool = s->variants;
	struct sg_want real = *want;
	struct sg_stream *out = NULL;
	struct variant *v;

	pthread_mutex_lock(&s->lock);
	if (!changes_sound(want, s->info.audio))
		real.sound = SG_SOUND_ANY;
	real.no_b_frames = changes_pictures(want, s->info.video, s->info.has_b_frames);
	pthread_mutex_unlock(&s->lock);
	real.no_b_frames = real.no_b_frames && may_change_pictures(pool, s->app);
	if (real.sound == SG_SOUND_ANY && !real.no_b_frames)
		return sg_stream_ref(s);
	/* Two who differ only in what they would want of other sources share one; so it is as good as asked. */
	pthread_mutex_lock(&pool->lock);
	for (v = pool->all; v; v = v->next)
		if (!v->done && v->source == s && v->want.sound == real.sound &&
		    v->want.no_b_frames == real.no_b_frames)
			break;
	if (!v)
		v = start(pool, s, &real);
	if (v)
		out = sg_stream_ref(v->out);
	else
		pool->stats.refused++;
	pthread_mutex_unlock(&pool->lock);
	return out;
}

struct sg_stream *sg_stream_classic(struct sg_stream *s)
{
	struct sg_stream *v = sg_stream_variant(s, &(struct sg_want){ .sound = SG_SOUND_AAC });

	if (!v)
		return s;
	sg_stream_unref(s);
	return v;
}

struct sg_stream *sg_stream_source(struct sg_stream *s)
{
	return s->source ? s->source : s;
}
