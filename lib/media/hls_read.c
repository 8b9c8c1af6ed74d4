/* hls_read.c - what is asked for: found, to be waited for, or never to come; and who waits. */
#include "media/hls_internal.h"
#include "base/clock.h"
#include <stdlib.h>

/* 6.2.5.2: how many parts ahead of the last a request may be. */
#define ADVANCE_US 3000000

static struct sg_hls *want(struct sg_stream *s)
{
	int64_t now_ms = sg_mono_ms();

	/* 0 means that nobody does. */
	atomic_store_explicit(&s->hls->wanted_ms, now_ms ? now_ms : 1, memory_order_relaxed);
	return s->hls;
}

/* ---- beginnings ---- */

/* Ordinary players of HLS, and DASH, know whole segments only. */
static bool is_ready(struct sg_hls *h)
{
	if (!h->run || (!h->run->init[HLS_MAIN] && sg_mono_ms() < h->pictures_by_ms))
		return false;
	for (int i = 0; i < HLS_TRACKS; i++) {
		const struct hls_track *t = &h->tracks[i];
		if (h->run->init[i] && (!t->count || !t->segments[0].whole))
			return false;
	}
	return true;
}

bool sg_hls_is_ready(struct sg_stream *s)
{
	struct sg_hls *h = want(s);

	pthread_mutex_lock(&h->lock);
	bool ready = is_ready(h);
	pthread_mutex_unlock(&h->lock);
	return ready;
}

static struct sg_blob *describe(struct sg_stream *s, const char *prefix, bool dash)
{
	struct sg_hls *h = want(s);

	pthread_mutex_lock(&h->lock);
	struct sg_blob *b =
	    !is_ready(h) ? NULL : dash ? hls_mpd(h, prefix) : hls_master(h, prefix);
	pthread_mutex_unlock(&h->lock);
	return b;
}

struct sg_blob *sg_hls_master(struct sg_stream *s, const char *prefix)
{
	return describe(s, prefix, false);
}

struct sg_blob *sg_hls_mpd(struct sg_stream *s, const char *prefix)
{
	return describe(s, prefix, true);
}

/* ---- questions ---- */

bool sg_hls_ask_parse(
    struct sg_hls_ask *ask, struct sg_str msn, struct sg_str part, struct sg_str skip)
{
	ask->has_msn = msn.p;
	ask->has_part = part.p;
	/* "v2" may skip date ranges too, of which there are none. */
	ask->skip = sg_str_is(skip, "YES") || sg_str_is(skip, "v2");
	if (msn.p && !sg_str_to_u64(msn, INT64_MAX, &ask->msn))
		return false;
	if (part.p && (!msn.p || !sg_str_to_u64(part, INT64_MAX, &ask->part)))
		return false;
	return !skip.p || ask->skip;
}

void sg_hls_object_free(struct sg_hls_object *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->count; i++)
		sg_blob_unref(o->blobs[i]);
	free(o);
}

static struct sg_hls_object *object_new(size_t count)
{
	return calloc(1, sizeof(struct sg_hls_object) + count * sizeof(struct sg_blob *));
}

static void put_blob(struct sg_hls_object *o, struct sg_blob *b)
{
	if (!b)
		return;
	o->blobs[o->count++] = sg_blob_ref(b);
	o->size += b->size;
}

static struct sg_hls_object *object_of(struct sg_blob *b)
{
	struct sg_hls_object *o = object_new(1);

	if (o)
		put_blob(o, b);
	return o;
}

static struct sg_hls_object *object_of_parts(const struct hls_part *parts, size_t count)
{
	struct sg_hls_object *o = object_new(2 * count);

	for (size_t i = 0; o && i < count; i++) {
		put_blob(o, parts[i].blobs[0]);
		put_blob(o, parts[i].blobs[1]);
	}
	return o;
}

/* ---- playlists ---- */

/* The number of the segment that is being made, or will be next. */
static uint64_t present_number(struct hls_track *t)
{
	const struct hls_segment *last = hls_last(t);

	return last && !last->whole ? last->number : t->next_number;
}

static const struct hls_segment *segment(const struct hls_track *t, uint64_t number)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->segments[i].number == number)
			return &t->segments[i];
	return NULL;
}

/* Is the playlist as far as is asked for? */
static enum sg_hls_when reached(struct sg_hls *h, struct hls_track *t, const struct sg_hls_ask *ask)
{
	uint64_t present = present_number(t), msn = ask->msn, part = ask->part;
	const struct hls_segment *seg = segment(t, msn), *now = segment(t, present);
	uint64_t made = now ? now->part_count : 0;
	uint64_t advance = h->part_us >= 1000000
			       ? 3
			       : (uint64_t)((ADVANCE_US + h->part_us - 1) / h->part_us);

	if (h->ended)
		return SG_HLS_HERE;
	if (msn > present + 1)
		return SG_HLS_TOO_FAR;
	if (!ask->has_part)
		return msn < present ? SG_HLS_HERE : SG_HLS_SOON;
	if (msn == present + 1 ? part >= advance : msn == present && part >= made + advance)
		return SG_HLS_TOO_FAR;
	if (msn < present && seg && part >= seg->part_count) { /* 6.2.5.2: the next one's first */
		msn++;
		part = 0;
	}
	return msn < present || (msn == present && part < made) ? SG_HLS_HERE : SG_HLS_SOON;
}

static enum sg_hls_when get_playlist(
    struct sg_hls *h, int track, const struct sg_hls_ask *ask, struct sg_hls_object **out)
{
	struct hls_track *t = &h->tracks[track];
	const struct hls_segment *first = t->count ? &t->segments[0] : NULL;

	if (!first || !first->whole)
		return h->ended || (h->open && !t->present) ? SG_HLS_NEVER : SG_HLS_SOON;
	/* Without parts we do not say that we block, and nobody is to ask. */
	enum sg_hls_when when = ask->has_msn && h->part_us ? reached(h, t, ask) : SG_HLS_HERE;
	if (when != SG_HLS_HERE)
		return when;
	unsigned form = (ask->skip && h->part_us ? HLS_SKIP : 0u) |
			(ask->has_part && hls_may_put_parts_first(h, t) ? HLS_PARTS_FIRST : 0u);
	if (!t->playlists[form])
		t->playlists[form] = hls_playlist(h, track, form);
	if (t->playlists[form] && (*out = object_of(t->playlists[form])))
		(*out)->changes = true;
	return SG_HLS_HERE;
}

/* ---- media ---- */

static bool number_in(struct sg_str name, const char *prefix, const char *suffix, uint64_t *out)
{
	size_t before = strlen(prefix), after = strlen(suffix);

	return sg_str_starts(name, prefix) && sg_str_ends(name, suffix) && name.len > before + after &&
	       sg_str_to_u64((struct sg_str){ name.p + before, name.len - before - after }, INT64_MAX, out);
}

static enum sg_hls_when get_part(
    struct sg_hls *h, struct hls_track *t, uint64_t n, struct sg_hls_object **out)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct hls_segment *seg = &t->segments[i];
		if (n < seg->first_part || n - seg->first_part >= seg->part_count)
			continue;
		*out = object_of_parts(&seg->parts[n - seg->first_part], 1);
		return SG_HLS_HERE;
	}
	return n == t->next_part && h->open && t->present && !h->ended ? SG_HLS_SOON : SG_HLS_NEVER;
}

static enum sg_hls_when get_segment(
    struct sg_hls *h, struct hls_track *t, uint64_t n, struct sg_hls_object **out)
{
	const struct hls_segment *seg = segment(t, n);

	if (seg && seg->whole) {
		*out = object_of_parts(seg->parts, seg->part_count);
		return SG_HLS_HERE;
	}
	return n == present_number(t) && h->open && t->present && !h->ended ? SG_HLS_SOON : SG_HLS_NEVER;
}

static enum sg_hls_when get_init(
    struct hls_track *t, int track, uint64_t n, struct sg_hls_object **out)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->segments[i].run->number == n) {
			*out = object_of(t->segments[i].run->init[track]);
			return SG_HLS_HERE;
		}
	return SG_HLS_NEVER;
}

static enum sg_hls_when get(
    struct sg_hls *h, const struct sg_hls_ask *ask, struct sg_hls_object **out)
{
	struct sg_str rest;
	uint64_t n;

	for (int i = 0; i < HLS_TRACKS; i++) {
		struct hls_track *t = &h->tracks[i];
		size_t len = strlen(hls_track_names[i]);
		if (!sg_str_starts(ask->name, hls_track_names[i]))
			continue;
		rest = (struct sg_str){ ask->name.p + len, ask->name.len - len };
		if (sg_str_is(rest, ".m3u8"))
			return get_playlist(h, i, ask, out);
		if (number_in(rest, "-p", ".m4s", &n))
			return get_part(h, t, n, out);
		if (number_in(rest, "-init-", ".mp4", &n))
			return get_init(t, i, n, out);
		if (number_in(rest, "-", ".m4s", &n))
			return get_segment(h, t, n, out);
	}
	return SG_HLS_NEVER;
}

enum sg_hls_when sg_hls_get(
    struct sg_stream *s, const struct sg_hls_ask *ask, struct sg_hls_object **out)
{
	struct sg_hls *h = want(s);

	*out = NULL;
	pthread_mutex_lock(&h->lock);
	enum sg_hls_when when = get(h, ask, out);
	pthread_mutex_unlock(&h->lock);
	return when;
}

int64_t sg_hls_patience_ms(struct sg_stream *s)
{
	pthread_mutex_lock(&s->hls->lock);
	int64_t ms = 3000 * (s->hls->target_s ? s->hls->target_s : 1);
	pthread_mutex_unlock(&s->hls->lock);
	return ms;
}

/* ---- waiters ---- */

void hls_wake(struct sg_hls *h)
{
	pthread_mutex_lock(&h->waiters_lock);
	for (struct sg_ring_waiter *w = h->waiters; w; w = w->next)
		w->wake(w);
	pthread_mutex_unlock(&h->waiters_lock);
}

void sg_hls_add_waiter(struct sg_stream *s, struct sg_ring_waiter *w)
{
	pthread_mutex_lock(&s->hls->waiters_lock);
	w->next = s->hls->waiters;
	s->hls->waiters = w;
	pthread_mutex_unlock(&s->hls->waiters_lock);
}

void sg_hls_remove_waiter(struct sg_stream *s, struct sg_ring_waiter *w)
{
	pthread_mutex_lock(&s->hls->waiters_lock);
	for (struct sg_ring_waiter **p = &s->hls->waiters; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	pthread_mutex_unlock(&s->hls->waiters_lock);
}
