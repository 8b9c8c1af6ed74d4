/* ring.c - a ring of frame references under a mutex that is held for a few moves only. */
#include "media/ring.h"
#include "base/clock.h"
#include <pthread.h>
#include <stdlib.h>

#define CONFIG_KINDS 3 /* video, audio, metadata: the first of enum sg_frame_kind */

struct sg_ring {
	atomic_uint refs;
	pthread_mutex_t lock;
	struct sg_frame **slots; /* `cap` of them, a power of two */
	size_t cap, max_frames, max_bytes, bytes;
	uint64_t tail, head; /* kept are [tail, head) */
	uint64_t key;        /* newest keyframe, valid when has_key and >= tail */
	bool has_key, ended;
	/* In force at the head, and at the newest keyframe; NULL: none yet. */
	struct sg_frame *configs[CONFIG_KINDS], *configs_at_key[CONFIG_KINDS];
	uint64_t skipped;
	bool held, owes_wake; /* the writer's */
	pthread_mutex_t waiters_lock; /* held while waiters are woken */
	struct sg_ring_waiter *waiters;
};

enum sg_result sg_ring_create(struct sg_ring **out, size_t max_frames, size_t max_bytes)
{
	struct sg_ring *r = calloc(1, sizeof(*r));
	size_t cap = 1;

	while (cap < max_frames)
		cap *= 2;
	if (!r || !(r->slots = calloc(cap, sizeof(*r->slots)))) {
		free(r);
		*out = NULL;
		return SG_ERR_NO_MEMORY;
	}
	atomic_init(&r->refs, 1);
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->waiters_lock, NULL);
	r->cap = cap;
	r->max_frames = max_frames ? max_frames : 1;
	r->max_bytes = max_bytes;
	*out = r;
	return SG_OK;
}

struct sg_ring *sg_ring_ref(struct sg_ring *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

static struct sg_frame **slot(struct sg_ring *r, uint64_t seq)
{
	return &r->slots[seq & (r->cap - 1)];
}

static struct sg_frame *drop_oldest(struct sg_ring *r)
{
	struct sg_frame *f = *slot(r, r->tail++);

	r->bytes -= f->size;
	return f;
}

void sg_ring_unref(struct sg_ring *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	while (r->tail < r->head)
		sg_frame_unref(drop_oldest(r));
	for (size_t i = 0; i < CONFIG_KINDS; i++) {
		sg_frame_unref(r->configs[i]);
		sg_frame_unref(r->configs_at_key[i]);
	}
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->waiters_lock);
	free(r->slots);
	free(r);
}

static void wake(struct sg_ring *r)
{
	pthread_mutex_lock(&r->waiters_lock);
	for (struct sg_ring_waiter *w = r->waiters; w; w = w->next)
		w->wake(w);
	pthread_mutex_unlock(&r->waiters_lock);
}

static void keep(struct sg_frame **at, struct sg_frame *f)
{
	struct sg_frame *former = *at;

	*at = f ? sg_frame_ref(f) : NULL;
	sg_frame_unref(former);
}

static void note_key(struct sg_ring *r)
{
	r->key = r->head;
	r->has_key = true;
	for (size_t i = 0; i < CONFIG_KINDS; i++)
		if (r->configs_at_key[i] != r->configs[i])
			keep(&r->configs_at_key[i], r->configs[i]);
}

void sg_ring_write(struct sg_ring *r, struct sg_frame *f)
{
	pthread_mutex_lock(&r->lock);
	while (r->tail < r->head &&
	       (r->head - r->tail >= r->max_frames || r->bytes + f->size > r->max_bytes))
		sg_frame_unref(drop_oldest(r));
	f->seq = r->head;
	*slot(r, r->head) = f;
	r->bytes += f->size;
	if (f->kind < CONFIG_KINDS && ((f->flags & SG_FRAME_CONFIG) || f->kind == SG_FRAME_META))
		keep(&r->configs[f->kind], f);
	if (f->flags & SG_FRAME_KEY)
		note_key(r);
	r->head++;
	pthread_mutex_unlock(&r->lock);
	if (r->held)
		r->owes_wake = true;
	else
		wake(r);
}

void sg_ring_hold(struct sg_ring *r)
{
	r->held = true;
}

void sg_ring_release(struct sg_ring *r)
{
	r->held = false;
	if (r->owes_wake)
		wake(r);
	r->owes_wake = false;
}

void sg_ring_end(struct sg_ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	pthread_mutex_unlock(&r->lock);
	wake(r);
}

void sg_ring_clear(struct sg_ring *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->tail < r->head)
		sg_frame_unref(drop_oldest(r));
	pthread_mutex_unlock(&r->lock);
}

/* ---- reading ---- */

static bool key_is_kept(const struct sg_ring *r)
{
	return r->has_key && r->key >= r->tail;
}

static uint64_t start(struct sg_ring *r)
{
	if (key_is_kept(r))
		return r->key;
	uint64_t seq = r->head;
	int64_t since_us = sg_mono_us() - SG_RING_SOUND_START_US;
	while (seq > r->tail) {
		const struct sg_frame *f = *slot(r, seq - 1);
		if (f->kind == SG_FRAME_VIDEO || f->arrived_us < since_us)
			break;
		seq--;
	}
	return seq;
}

uint64_t sg_ring_start(struct sg_ring *r)
{
	pthread_mutex_lock(&r->lock);
	uint64_t seq = start(r);
	pthread_mutex_unlock(&r->lock);
	return seq;
}

uint64_t sg_ring_tail(struct sg_ring *r)
{
	pthread_mutex_lock(&r->lock);
	uint64_t seq = r->tail;
	pthread_mutex_unlock(&r->lock);
	return seq;
}

uint64_t sg_ring_head(struct sg_ring *r)
{
	pthread_mutex_lock(&r->lock);
	uint64_t seq = r->head;
	pthread_mutex_unlock(&r->lock);
	return seq;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A reader that skips from rd->next to `to` gets what has changed in between, in its order. */
static void read_skipped_configs(struct sg_ring *r, struct sg_ring_read *rd, uint64_t to)
{
	struct sg_frame **configs = r->has_key && to == r->key ? r->configs_at_key : r->configs;
	uint64_t after = rd->next;

	while (rd->count < rd->max) {
		struct sg_frame *first = NULL;
		for (size_t i = 0; i < CONFIG_KINDS; i++) {
			struct sg_frame *f = configs[i];
			if (f && f->seq >= after && f->seq < to && (!first || f->seq < first->seq))
				first = f;
		}
		if (!first)
			break;
		rd->frames[rd->count++] = sg_frame_ref(first);
		after = first->seq + 1;
	}
}

void sg_ring_read(struct sg_ring *r, struct sg_ring_read *rd, bool skip_to_key)
{
	uint64_t from = rd->next;

	rd->count = 0;
	pthread_mutex_lock(&r->lock);
	if (from > r->head)
		from = r->head;
	if (from < r->tail)
		from = key_is_kept(r) ? r->key : r->head;
	else if (skip_to_key && (key_is_kept(r) || !r->has_key))
		from = later(from, start(r));
	rd->skipped = from > rd->next ? from - rd->next : 0;
	if (rd->skipped)
		read_skipped_configs(r, rd, from);
	rd->skipped -= rd->count;
	r->skipped += rd->skipped;
	for (; rd->count < rd->max && from < r->head; from++)
		rd->frames[rd->count++] = sg_frame_ref(*slot(r, from));
	rd->next = from;
	rd->ended = r->ended && rd->next == r->head;
	pthread_mutex_unlock(&r->lock);
}

/* ---- waiters ---- */

void sg_ring_add_waiter(struct sg_ring *r, struct sg_ring_waiter *w)
{
	pthread_mutex_lock(&r->waiters_lock);
	w->next = r->waiters;
	r->waiters = w;
	pthread_mutex_unlock(&r->waiters_lock);
}

void sg_ring_remove_waiter(struct sg_ring *r, struct sg_ring_waiter *w)
{
	pthread_mutex_lock(&r->waiters_lock);
	for (struct sg_ring_waiter **p = &r->waiters; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	pthread_mutex_unlock(&r->waiters_lock);
}

int64_t sg_ring_due_us(struct sg_ring *r)
{
	int64_t due_us = INT64_MAX;

	pthread_mutex_lock(&r->waiters_lock);
	for (struct sg_ring_waiter *w = r->waiters; w; w = w->next) {
		int64_t its_us = atomic_load_explicit(&w->due_us, memory_order_relaxed);
		due_us = its_us < due_us ? its_us : due_us;
	}
	pthread_mutex_unlock(&r->waiters_lock);
	return due_us;
}

void sg_ring_stats(struct sg_ring *r, struct sg_ring_stats *out)
{
	pthread_mutex_lock(&r->lock);
	*out = (struct sg_ring_stats){ .frames = r->head - r->tail, .bytes = r->bytes,
		.written = r->head, .skipped = r->skipped };
	pthread_mutex_unlock(&r->lock);
}
