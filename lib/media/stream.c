/* stream.c - the hub: which streams there are, who publishes, when they end. */
#include "media/hls.h"
#include "media/stream_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include <libavutil/log.h>
#include <stdio.h>
#include <stdlib.h>

/* Players of HLS come once more after the end, to read that it is the end. */
#define ENDED_KEEP_MS 20000

struct sg_hub {
	pthread_mutex_t lock;
	struct sg_stream *streams; /* by key; each holds a reference of the table's */
	size_t count, max;
	int64_t hls_part_ms;
	struct sg_variants *variants;
};

enum sg_result sg_hub_open(struct sg_hub **out, size_t max_streams)
{
	struct sg_hub *hub = calloc(1, sizeof(*hub));

	*out = hub;
	if (!hub)
		return SG_ERR_NO_MEMORY;
	if (!(hub->variants = sg_variants_new())) {
		free(hub);
		*out = NULL;
		return SG_ERR_NO_MEMORY;
	}
	pthread_mutex_init(&hub->lock, NULL);
	hub->max = max_streams;
	hub->hls_part_ms = SG_HLS_PART_MS;
	av_log_set_level(AV_LOG_QUIET); /* what a stream does wrong is logged by us, once */
	return SG_OK;
}

void sg_hub_set_hls_part(struct sg_hub *hub, int64_t part_ms)
{
	pthread_mutex_lock(&hub->lock);
	hub->hls_part_ms = part_ms;
	pthread_mutex_unlock(&hub->lock);
}

/* ---- a stream's life ---- */

#define NO_HLS (-1)

static struct sg_stream *stream_new(
    struct sg_variants *variants, struct sg_str app, struct sg_str id, int64_t hls_part_ms)
{
	struct sg_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->lock, NULL);
	s->last_dts = -1;
	s->variants = variants;
	snprintf(s->key, sizeof(s->key), "%.*s/%.*s", SG_STR_ARG(app), SG_STR_ARG(id));
	if (sg_str_copy(s->app, sizeof(s->app), app) && sg_str_copy(s->id, sizeof(s->id), id) &&
	    sg_ring_create(&s->ring, RING_FRAMES, RING_BYTES) == SG_OK &&
	    (hls_part_ms == NO_HLS || (s->hls = sg_hls_new(s, hls_part_ms))) && (s->ts = sg_tspack_new(s)))
		return s;
	sg_stream_unref(s);
	return NULL;
}

struct sg_stream *sg_stream_new_variant(struct sg_stream *source)
{
	struct sg_stream *s =
	    stream_new(source->variants, sg_str_from(source->app), sg_str_from(source->id), NO_HLS);

	if (s)
		s->source = sg_stream_ref(source);
	return s;
}

struct sg_stream *sg_stream_ref(struct sg_stream *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void sg_stream_unref(struct sg_stream *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (s->hls)
		sg_hls_free(s->hls);
	sg_tspack_free(s->ts);
	sg_stream_unref(s->source);
	sg_ring_unref(s->ring);
	lead_drop(&s->now);
	lead_drop(&s->at_key);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Hub locked. */
static void end_stream(struct sg_stream *s, int64_t mono_ms)
{
	s->state = STREAM_ENDED;
	s->deadline_ms = mono_ms + ENDED_KEEP_MS;
	sg_ring_end(s->ring);
	sg_hls_end(s->hls);
	sg_tspack_end(s->ts);
}

/* Hub locked. */
static void forget(struct sg_hub *hub, struct sg_stream *s)
{
	HASH_DEL(hub->streams, s);
	hub->count--;
	s->hub = NULL;
	sg_stream_unref(s);
}

void sg_hub_tick(struct sg_hub *hub, int64_t mono_ms)
{
	struct sg_stream *s, *tmp;

	pthread_mutex_lock(&hub->lock);
	HASH_ITER(hh, hub->streams, s, tmp)
	{
		if (s->state == STREAM_LIVE || mono_ms < s->deadline_ms)
			continue;
		if (s->state == STREAM_GAP) {
			sg_log_info("stream %s has ended: its publisher did not come back", s->key);
			end_stream(s, mono_ms);
		} else {
			forget(hub, s);
		}
	}
	pthread_mutex_unlock(&hub->lock);
	sg_variants_reap(hub->variants, false);
}

enum sg_result sg_hub_configure(struct sg_hub *hub, const struct sg_config *cfg)
{
	return sg_variants_configure(hub->variants, cfg);
}

void sg_hub_variant_stats(struct sg_hub *hub, struct sg_variant_stats *out)
{
	sg_variants_stats(hub->variants, out);
}

void sg_hub_end_all(struct sg_hub *hub)
{
	struct sg_stream *s, *tmp;
	int64_t now_ms = sg_mono_ms();

	pthread_mutex_lock(&hub->lock);
	HASH_ITER(hh, hub->streams, s, tmp)
	{
		if (s->state == STREAM_GAP)
			end_stream(s, now_ms);
		else if (s->state == STREAM_LIVE) /* its publisher ends it, on its own thread */
			s->deadline_ms = -1;
	}
	pthread_mutex_unlock(&hub->lock);
}

void sg_hub_close(struct sg_hub *hub)
{
	struct sg_stream *s, *tmp;

	if (!hub)
		return;
	HASH_ITER(hh, hub->streams, s, tmp)
	{
		if (s->state != STREAM_ENDED)
			end_stream(s, 0);
		forget(hub, s);
	}
	sg_variants_free(hub->variants); /* their threads hold streams */
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

/* ---- finding ---- */

/* Hub locked. */
static struct sg_stream *lookup(struct sg_hub *hub, struct sg_str app, struct sg_str id)
{
	char key[SG_APP_MAX + SG_STREAM_MAX + 2];
	struct sg_stream *s = NULL;

	if (app.len <= SG_APP_MAX && id.len <= SG_STREAM_MAX) {
		int n = snprintf(key, sizeof(key), "%.*s/%.*s", SG_STR_ARG(app), SG_STR_ARG(id));
		HASH_FIND(hh, hub->streams, key, (size_t)n, s);
	}
	return s;
}

static struct sg_stream *find(struct sg_hub *hub, struct sg_str app, struct sg_str id, bool ended)
{
	pthread_mutex_lock(&hub->lock);
	struct sg_stream *s = lookup(hub, app, id);
	if (s && (ended || s->state != STREAM_ENDED))
		sg_stream_ref(s);
	else
		s = NULL;
	pthread_mutex_unlock(&hub->lock);
	return s;
}

struct sg_stream *sg_hub_find(struct sg_hub *hub, struct sg_str app, struct sg_str stream)
{
	return find(hub, app, stream, false);
}

struct sg_stream *sg_hub_find_ended(struct sg_hub *hub, struct sg_str app, struct sg_str stream)
{
	return find(hub, app, stream, true);
}

void sg_hub_each(struct sg_hub *hub, void (*each)(void *user, struct sg_stream *s), void *user)
{
	struct sg_stream *s, *tmp, **all;
	size_t n = 0;

	/* Collected first: `each` may take its time. */
	pthread_mutex_lock(&hub->lock);
	all = calloc(hub->count + 1, sizeof(*all));
	if (all)
		HASH_ITER(hh, hub->streams, s, tmp)
			if (s->state != STREAM_ENDED)
				all[n++] = sg_stream_ref(s);
	pthread_mutex_unlock(&hub->lock);
	for (size_t i = 0; i < n; i++) {
		each(user, all[i]);
		sg_stream_unref(all[i]);
	}
	free(all);
}

bool sg_stream_is_live(const struct sg_stream *s)
{
	return atomic_load(&s->has_media);
}

const char *sg_stream_app(const struct sg_stream *s)
{
	return s->app;
}

const char *sg_stream_id(const struct sg_stream *s)
{
	return s->id;
}

/* ---- publishers come and go ---- */

/* Hub locked. Makes room for another: of those that have ended, the one that began first goes. */
static bool forget_ended(struct sg_hub *hub)
{
	struct sg_stream *s, *tmp;

	HASH_ITER(hh, hub->streams, s, tmp)
		if (s->state == STREAM_ENDED) {
			forget(hub, s);
			return true;
		}
	return false;
}

/* Hub locked. A stream to publish to: the one in its gap, or a new one. */
static enum sg_result claim(
    struct sg_hub *hub, struct sg_str app, struct sg_str id, struct sg_stream **out)
{
	struct sg_stream *s = lookup(hub, app, id);

	if (s && s->state == STREAM_ENDED) {
		forget(hub, s);
		s = NULL;
	}
	if (s && s->publisher)
		return SG_ERR_EXISTS;
	if (!s) {
		if (hub->count >= hub->max && !forget_ended(hub))
			return SG_ERR_LIMIT;
		if (!(s = stream_new(hub->variants, app, id, hub->hls_part_ms)))
			return SG_ERR_NO_MEMORY;
		s->hub = hub;
		s->info.started_ms = sg_wall_ms();
		HASH_ADD(hh, hub->streams, key, strlen(s->key), s);
		hub->count++;
	}
	s->state = STREAM_LIVE;
	s->deadline_ms = 0;
	*out = s;
	return SG_OK;
}

enum sg_result sg_hub_publish(struct sg_hub *hub, struct sg_str app, struct sg_str stream,
    const char *protocol, struct sg_publisher **out)
{
	struct sg_publisher *pub = calloc(1, sizeof(*pub));
	struct sg_stream *s = NULL;

	*out = NULL;
	if (!pub)
		return SG_ERR_NO_MEMORY;
	pthread_mutex_lock(&hub->lock);
	enum sg_result res = claim(hub, app, stream, &s);
	if (res == SG_OK) {
		s->publisher = pub;
		sg_publisher_init(pub, sg_stream_ref(s));
	}
	pthread_mutex_unlock(&hub->lock);
	if (res != SG_OK) {
		free(pub);
		return res;
	}
	pthread_mutex_lock(&s->lock);
	s->published_ms = sg_mono_ms();
	snprintf(s->info.protocol, sizeof(s->info.protocol), "%s", protocol);
	/* What the former publisher's frames were made with does not hold for this one's. */
	lead_drop(&s->now);
	s->info.video = s->info.audio = SG_CODEC_NONE;
	s->info.has_b_frames = false;
	s->info.published_ms = sg_mono_ms();
	pthread_mutex_unlock(&s->lock);
	*out = pub;
	return SG_OK;
}

void sg_publisher_close(struct sg_publisher *pub, bool goodbye)
{
	if (!pub)
		return;
	struct sg_stream *s = pub->stream;
	struct sg_hub *hub = s->hub;
	int64_t now_ms = sg_mono_ms();

	atomic_store(&s->has_media, false);
	sg_publisher_end_media(pub);
	sg_publisher_release(pub);
	pthread_mutex_lock(&hub->lock);
	s->publisher = NULL;
	if (s->deadline_ms < 0 || s->last_dts < 0) { /* shutting down, or there never was anything */
		end_stream(s, now_ms);
	} else {
		s->state = STREAM_GAP;
		s->deadline_ms = now_ms + (goodbye ? SG_STREAM_GOODBYE_GAP_MS : SG_STREAM_GAP_MS);
	}
	pthread_mutex_unlock(&hub->lock);
	sg_stream_unref(s);
	free(pub);
}

struct sg_stream *sg_publisher_stream(struct sg_publisher *pub)
{
	return pub->stream;
}

/* ---- joining ---- */

/* INT64_MIN: its publisher has pictures, or nothing yet. Locked. */
static int64_t sound_since_us(const struct sg_stream *s)
{
	bool is_alone = sg_stream_is_live(s) && s->info.video == SG_CODEC_NONE;

	return is_alone ? s->published_ms * 1000 : INT64_MIN;
}

/* The first of the ring's frames from `from` on that came at `since_us` or later. */
static uint64_t first_since(struct sg_ring *ring, uint64_t from, int64_t since_us)
{
	uint64_t end = sg_ring_head(ring);
	struct sg_frame *f;

	while (from < end) {
		uint64_t middle = from + (end - from) / 2;
		struct sg_ring_read rd = { .frames = &f, .max = 1, .next = middle };
		sg_ring_read(ring, &rd, false);
		if (!rd.count)
			break;
		bool is_old = rd.skipped || f->arrived_us < since_us;
		from = is_old ? middle + 1 : from;
		end = is_old ? end : middle;
		sg_frame_unref(f);
	}
	return from;
}

uint64_t sg_stream_start(struct sg_stream *s)
{
	uint64_t start = sg_ring_start(s->ring);
	int64_t since_us = sound_since_us(s);
	int64_t second_ago_us = sg_mono_us() - SG_RING_SOUND_START_US;
	struct sg_frame *f = NULL;
	struct sg_ring_read rd = { .frames = &f, .max = 1, .next = start };

	if (since_us == INT64_MIN)
		return start;
	sg_ring_read(s->ring, &rd, false);
	bool is_former = rd.count && f->kind == SG_FRAME_VIDEO && f->arrived_us < since_us;
	if (rd.count)
		sg_frame_unref(f);
	if (!is_former)
		return start;
	return first_since(s->ring, start, since_us > second_ago_us ? since_us : second_ago_us);
}

void sg_stream_join(struct sg_stream *s, struct sg_join *out)
{
	*out = (struct sg_join){ 0 };
	pthread_mutex_lock(&s->lock);
	out->cursor = sg_stream_start(s);
	struct lead lead = lead_ref(out->cursor == s->key_seq && s->at_key.video ? &s->at_key : &s->now);
	pthread_mutex_unlock(&s->lock);
	struct sg_frame *all[] = { lead.meta, lead.video, lead.audio };
	for (size_t i = 0; i < 3; i++)
		if (all[i])
			out->lead[out->lead_count++] = all[i];
}

void sg_stream_join_reset(struct sg_join *j)
{
	while (j->lead_count)
		sg_frame_unref(j->lead[--j->lead_count]);
}

struct lead sg_stream_lead(struct sg_stream *s)
{
	pthread_mutex_lock(&s->lock);
	struct lead lead = lead_ref(&s->now);
	pthread_mutex_unlock(&s->lock);
	return lead;
}

struct sg_ring *sg_stream_ring(struct sg_stream *s)
{
	return s->ring;
}

void sg_stream_info(struct sg_stream *s, struct sg_stream_info *out)
{
	struct sg_ring_stats ring;

	sg_ring_stats(s->ring, &ring);
	pthread_mutex_lock(&s->lock);
	*out = s->info;
	out->width = s->video.width;
	out->height = s->video.height;
	memcpy(out->video_profile, s->video.profile, sizeof(out->video_profile));
	out->sample_rate = s->audio.sample_rate;
	out->channels = s->audio.channels;
	pthread_mutex_unlock(&s->lock);
	memcpy(out->app, s->app, sizeof(out->app));
	memcpy(out->stream, s->id, sizeof(out->stream));
	out->live = sg_stream_is_live(s);
	out->ring_frames = ring.frames;
	out->ring_bytes = ring.bytes;
	out->hls_bytes = s->hls ? sg_hls_bytes(s->hls) : 0;
}
