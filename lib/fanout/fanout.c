/* fanout.c - the rings that are followed on one event loop, and when what they bring is written. */
#include "fanout/fanout_internal.h"
#include "base/config.h"

#define SWEEP_MS 1000
/* From so many on, what a flush passes on is laid side by side once: the kernel copies one piece for
 * each of them faster than many. */
#define JOIN_FOLLOWERS 8
#define JOIN_BYTES_MAX (1u << 20)
/* Gathering, SG_GATHER_AUTO: one interval of a 30 fps stream at most, in proportion to followers. */
#define AUTO_MAX_US 33000
#define AUTO_US_PER_FOLLOWER 333
/* A picture that comes when most of the interval has passed is not made to wait for the rest; without
 * one the timer fires late enough for the pictures of a 24 fps stream to come first. */
#define PICTURE_SHARE(us) ((us) * 8 / 10)
#define TIMER_SHARE(us) ((us) * 13 / 10)
/* Where the interval is fixed, the source brings what it has collected a little before the timer. */
#define FIXED_SLACK_US 2000

/* ---- the feed ---- */

/* NULL: it is not worth it, or there is no memory. */
static const uint8_t *join(struct joined *j, const struct batch *b)
{
	if (b->sum > JOIN_BYTES_MAX)
		return NULL;
	if (b->sum > j->cap) {
		free(j->p);
		j->cap = b->sum > JOIN_BYTES_MAX / 2 ? JOIN_BYTES_MAX : b->sum * 2;
		if (!(j->p = malloc(j->cap)))
			j->cap = 0;
	}
	uint8_t *at = j->p;
	for (int i = 0; at && i < b->len; i++) {
		memcpy(at, b->iov[i].iov_base, b->iov[i].iov_len);
		at += b->iov[i].iov_len;
	}
	return j->p;
}

static void make_batch(struct feed *feed, struct batch *b, enum sg_form form, size_t count)
{
	struct sg_fanout *fo = feed->fo;

	*b = (struct batch){ .count = count, .iov = fo->iov[form] };
	for (size_t i = 0; i < count; i++)
		b->len += sg_frame_iov(fo->frames[i], form, b->iov + b->len);
	b->sum = iov_total(b->iov, b->len);
	if (feed->followers >= JOIN_FOLLOWERS)
		b->joined = join(&fo->joined[form], b);
}

static void pass_on(struct feed *feed, size_t count, uint64_t skipped)
{
	struct batch batches[FORMS] = { 0 };
	struct sg_follower *f, *tmp;

	DL_FOREACH_SAFE(feed->in_step, f, tmp)
	{
		struct batch *b = &batches[f->form];
		if (f->paused || follower_stand(f))
			continue;
		if (!b->count)
			make_batch(feed, b, (enum sg_form)f->form, count);
		follower_pass(f, b);
	}
	for (enum sg_form form = 0; form < FORMS; form++) {
		if (!feed->rows[form].count)
			continue;
		if (!batches[form].count)
			make_batch(feed, &batches[form], form, count);
		row_pass(feed, form, &batches[form], skipped);
	}
}

static int64_t interval_us(const struct sg_fanout *fo)
{
	if (fo->gather_ms != SG_GATHER_AUTO)
		return fo->gather_ms * 1000;
	int64_t us = (int64_t)atomic_load(&fo->followers) * AUTO_US_PER_FOLLOWER;
	return us < 2000 ? 0 : us > AUTO_MAX_US ? AUTO_MAX_US : us;
}

static int64_t timer_us(const struct sg_fanout *fo, int64_t interval)
{
	return fo->gather_ms == SG_GATHER_AUTO ? TIMER_SHARE(interval) : interval;
}

/* From when on what comes is flushed, a picture or anything. */
static int64_t ready_us(const struct sg_fanout *fo, int64_t interval)
{
	return fo->gather_ms == SG_GATHER_AUTO ? PICTURE_SHARE(interval) : interval - FIXED_SLACK_US;
}

/* Until the timer what comes would only wait here: its source may collect it. */
static void say_due(struct feed *feed, int64_t flushed_us)
{
	int64_t interval = interval_us(feed->fo);

	atomic_store_explicit(&feed->waiter.due_us, interval ? flushed_us + timer_us(feed->fo, interval) : 0,
	    memory_order_relaxed);
}

/* On the writer's thread, which will want to know at once: what it has written will be flushed. */
static void foresee_flush(struct feed *feed)
{
	int64_t due_us = atomic_load_explicit(&feed->waiter.due_us, memory_order_relaxed);
	int64_t interval = due_us ? interval_us(feed->fo) : 0;

	if (!interval)
		return;
	int64_t now_us = sg_mono_us(), flushed_us = due_us - timer_us(feed->fo, interval);
	if (now_us - flushed_us >= ready_us(feed->fo, interval))
		say_due(feed, now_us);
}

static void stop_timer(struct feed *feed)
{
	if (feed->timer_on)
		sg_timer_stop(feed->timer);
	feed->timer_on = false;
}

static void flush(struct feed *feed)
{
	struct sg_fanout *fo = feed->fo;
	struct sg_ring_read rd = { .frames = fo->frames, .max = SHARED_FRAMES, .next = feed->cursor };
	struct sg_follower *f, *tmp;

	stop_timer(feed);
	/* Intervals run from start to start: a long flush must not put the next picture off. */
	feed->flushed_us = sg_mono_us();
	say_due(feed, feed->flushed_us);
	do {
		sg_ring_read(feed->ring, &rd, false);
		if (rd.count)
			pass_on(feed, rd.count, rd.skipped);
		feed->cursor = rd.next;
		for (size_t i = 0; i < rd.count; i++)
			sg_frame_unref(fo->frames[i]);
	} while (rd.count == SHARED_FRAMES);
	if (!rd.ended || feed->ended)
		return;
	feed->ended = true;
	for (enum sg_form form = 0; form < FORMS; form++)
		while (feed->rows[form].count)
			follower_step_out(feed->rows[form].at[0].f);
	DL_FOREACH_SAFE(feed->in_step, f, tmp)
	{
		if (f->cursor >= feed->cursor || f->paused)
			follower_end(f, SG_FOLLOWER_STREAM_ENDED);
	}
}

static void on_timer(void *user)
{
	struct feed *feed = user;

	feed->timer_on = false;
	flush(feed);
}

/* Has a picture come since the last flush? The newest frames tell. */
static bool has_picture(struct feed *feed)
{
	struct sg_frame *frames[8];
	struct sg_ring_read rd = { .frames = frames, .max = 8, .next = feed->cursor };
	bool found = false;

	sg_ring_read(feed->ring, &rd, false);
	for (size_t i = 0; i < rd.count; i++) {
		found = found || frames[i]->kind != SG_FRAME_AUDIO;
		sg_frame_unref(frames[i]);
	}
	return found;
}

static void on_wake_task(struct sg_task *task)
{
	struct feed *feed = SG_CONTAINER_OF(task, struct feed, task);

	atomic_store(&feed->posted, false);
	if (feed->over) {
		free(feed);
		return;
	}
	int64_t interval = interval_us(feed->fo), passed = sg_mono_us() - feed->flushed_us;
	atomic_store_explicit(&feed->fo->gather_us, interval, memory_order_relaxed);
	bool fixed = feed->fo->gather_ms != SG_GATHER_AUTO;
	if (passed >= interval || (passed >= ready_us(feed->fo, interval) && (fixed || has_picture(feed)))) {
		flush(feed);
	} else if (!feed->timer_on) {
		int64_t left = timer_us(feed->fo, interval) - passed;
		feed->timer_on = true;
		sg_timer_start(feed->timer, left / 1000 + 1, 0);
	}
}

/* The writer's thread. */
static void on_wake(struct sg_ring_waiter *w)
{
	struct feed *feed = SG_CONTAINER_OF(w, struct feed, waiter);

	foresee_flush(feed);
	if (!atomic_exchange(&feed->posted, true)) {
		struct sg_executor *ex = sg_loop_executor(feed->fo->loop);
		ex->post(ex, &feed->task);
	}
}

struct feed *feed_for(struct sg_fanout *fo, struct sg_ring *ring)
{
	struct feed *feed;

	DL_FOREACH(fo->feeds, feed)
	{
		if (feed->ring == ring)
			return feed;
	}
	if (!(feed = calloc(1, sizeof(*feed))))
		return NULL;
	feed->fo = fo;
	if (sg_timer_open(&feed->timer, fo->loop, on_timer, feed) != SG_OK) {
		free(feed);
		return NULL;
	}
	feed->ring = sg_ring_ref(ring);
	feed->cursor = sg_ring_head(ring);
	feed->waiter.wake = on_wake;
	feed->task.run = on_wake_task;
	DL_APPEND(fo->feeds, feed);
	sg_ring_add_waiter(ring, &feed->waiter);
	on_wake(&feed->waiter); /* it may have ended, or gone on, before we listened */
	return feed;
}

void feed_drop(struct feed *feed)
{
	sg_ring_remove_waiter(feed->ring, &feed->waiter);
	sg_ring_unref(feed->ring);
	sg_timer_close(feed->timer);
	DL_DELETE(feed->fo->feeds, feed);
	feed->over = true;
	for (size_t i = 0; i < FORMS; i++)
		free(feed->rows[i].at);
	if (!atomic_load(&feed->posted))
		free(feed);
}

/* ---- stalled followers ---- */

static void sweep(void *user)
{
	struct sg_fanout *fo = user;
	struct sg_follower *f, *tmp;
	int64_t now_ms = sg_mono_ms();

	DL_FOREACH_SAFE(fo->blocked, f, tmp)
	{
		if (!f->blocked_ms)
			f->blocked_ms = now_ms;
		else if (now_ms - f->blocked_ms > f->stall_ms)
			follower_end(f, SG_FOLLOWER_STALLED);
	}
}

/* ---- opening and closing ---- */

static void free_fanout(struct sg_fanout *fo)
{
	for (size_t i = 0; i < FORMS; i++)
		free(fo->joined[i].p);
	free(fo);
}

static void tell(struct sg_task *task)
{
	struct sg_fanout *fo = SG_CONTAINER_OF(task, struct sg_fanout, tell);

	if (fo->over)
		free_fanout(fo);
	else
		followers_tell(task);
}

enum sg_result sg_fanout_open(struct sg_fanout **out, struct sg_loop *loop, int64_t gather_ms)
{
	struct sg_fanout *fo = calloc(1, sizeof(*fo));

	*out = fo;
	if (!fo)
		return SG_ERR_NO_MEMORY;
	fo->loop = loop;
	fo->gather_ms = gather_ms;
	fo->tell.run = tell;
	if (sg_timer_open(&fo->sweep, loop, sweep, fo) != SG_OK) {
		free(fo);
		*out = NULL;
		return SG_ERR_NO_MEMORY;
	}
	sg_timer_start(fo->sweep, SWEEP_MS, SWEEP_MS);
	return SG_OK;
}

void sg_fanout_close(struct sg_fanout *fo)
{
	if (!fo)
		return;
	sg_timer_close(fo->sweep);
	fo->over = true;
	if (!fo->telling) /* else the task that is on its way frees it */
		free_fanout(fo);
}

void sg_fanout_stats(const struct sg_fanout *fo, struct sg_fanout_stats *out)
{
	*out = (struct sg_fanout_stats){ .followers = atomic_load(&fo->followers),
		.writes = atomic_load_explicit(&fo->writes, memory_order_relaxed),
		.bytes = atomic_load_explicit(&fo->bytes, memory_order_relaxed),
		.skipped = atomic_load_explicit(&fo->skipped, memory_order_relaxed),
		.gather_us = atomic_load_explicit(&fo->gather_us, memory_order_relaxed) };
}
