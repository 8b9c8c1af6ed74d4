/* fanout.c - followers of rings on one event loop.
 *
 *   ring ──wake──▶ feed (one per ring and loop) ──flush──▶ followers in step: one read, one batch of
 *                                                         bytes, one write each
 *
 * A follower is in one of three places: IN STEP (all of what the feed has passed on is written), BLOCKED
 * (its socket is full: it catches up by itself when writable), or ENDED (waiting to be told). */
#include "fanout/fanout.h"
#include "base/clock.h"
#include "base/config.h"
#include <limits.h>
#include <stdlib.h>
#include <utlist.h>

#define SHARED_FRAMES 256 /* read at a time for all in step */
#define OWN_FRAMES 64     /* read at a time for one that catches up */
#define OWN_ROUNDS 16     /* then the others have their turn */
#define OWN_BYTES_MAX 65536
#define STALL_DEFAULT_MS 20000
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

struct feed {
	struct feed *prev, *next;
	struct sg_fanout *fo;
	struct sg_ring *ring;
	struct sg_ring_waiter waiter;
	struct sg_task task;
	atomic_bool posted;
	uint64_t cursor; /* all before it has been passed on */
	int64_t flushed_us;
	struct sg_timer *timer;
	bool timer_on, ended, over;
	struct sg_follower *in_step;
	size_t followers;
};

enum place { IN_STEP, BLOCKED, ENDED };

struct sg_follower {
	/* What a write touches stands together: with many followers each visit finds it out of the cache. */
	struct sg_follower *prev, *next; /* in the list of its place */
	struct feed *feed;
	struct sg_conn *conn;
	uint64_t cursor, bytes_sent, frames_sent;
	int64_t blocked_ms; /* since when nothing was taken */
	struct sg_frame *partial; /* begun; `partial_sent` bytes of it are out */
	uint32_t partial_sent;
	uint8_t form, place, why;
	bool paused, skip_to_key, media_sent;
	uint8_t lead_count, lead_next;
	struct sg_frame *lead[4];
	struct sg_buf own;
	int64_t stall_ms;
	uint64_t frames_skipped;
	void (*ended)(void *user, enum sg_follower_end why);
	void *user;
};

struct sg_fanout {
	struct sg_loop *loop;
	int64_t gather_ms;
	struct feed *feeds;
	struct sg_follower *blocked, *ended;
	struct sg_timer *sweep;
	struct sg_task tell;
	bool telling, over;
	atomic_size_t followers;
	atomic_ullong writes, bytes, skipped;
	atomic_llong gather_us;
	/* scratch of a flush */
	struct sg_frame *frames[SHARED_FRAMES];
	struct iovec iov[3][SHARED_FRAMES * 2];
	struct joined {
		uint8_t *p; /* kept for the next flush */
		size_t cap;
	} joined[3];
};

/* What a flush passes on in one form. */
struct batch {
	size_t count; /* of frames */
	struct iovec *iov;
	int len;
	size_t sum;
	const uint8_t *joined; /* the same bytes in one piece, or NULL */
};

/* ---- followers' places ---- */

static struct sg_follower **list_of(struct sg_follower *f)
{
	struct sg_fanout *fo = f->feed->fo;

	return f->place == IN_STEP ? &f->feed->in_step : f->place == BLOCKED ? &fo->blocked : &fo->ended;
}

static void free_fanout(struct sg_fanout *fo)
{
	for (size_t i = 0; i < 3; i++)
		free(fo->joined[i].p);
	free(fo);
}

static void tell(struct sg_task *task)
{
	struct sg_fanout *fo = SG_CONTAINER_OF(task, struct sg_fanout, tell);

	fo->telling = false;
	if (fo->over) {
		free_fanout(fo);
		return;
	}
	while (fo->ended && !fo->telling) {
		struct sg_follower *f = fo->ended;
		if (!f->ended)
			break;
		void (*ended)(void *, enum sg_follower_end) = f->ended;
		DL_DELETE(fo->ended, f);
		DL_APPEND(fo->ended, f);
		f->ended = NULL; /* once */
		ended(f->user, f->why);
	}
}

static void move(struct sg_follower *f, enum place place)
{
	if (f->place == place)
		return;
	if (place == BLOCKED)
		f->blocked_ms = sg_mono_ms();
	DL_DELETE(*list_of(f), f);
	f->place = place;
	if (place == ENDED)
		DL_PREPEND(*list_of(f), f);
	else
		DL_APPEND(*list_of(f), f);
	sg_conn_want_write(f->conn, place == BLOCKED);
}

static void end(struct sg_follower *f, enum sg_follower_end why)
{
	struct sg_fanout *fo = f->feed->fo;

	if (f->place == ENDED)
		return;
	f->why = (uint8_t)why;
	move(f, ENDED);
	if (!fo->telling) {
		struct sg_executor *ex = sg_loop_executor(fo->loop);
		fo->telling = true;
		ex->post(ex, &fo->tell);
	}
}

/* ---- writing ---- */

static size_t total(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

static bool is_media(const struct sg_frame *f)
{
	return f->kind != SG_FRAME_META && !(f->flags & SG_FRAME_CONFIG);
}

static void note_skipped(struct sg_follower *f, uint64_t frames)
{
	f->frames_skipped += frames;
	atomic_fetch_add_explicit(&f->feed->fo->skipped, frames, memory_order_relaxed);
}

/* -1: broken, and the follower has been ended. */
static ssize_t write_some(struct sg_follower *f, const struct iovec *iov, int n)
{
	struct sg_fanout *fo = f->feed->fo;
	ssize_t sent = sg_conn_writev(f->conn, iov, n > IOV_MAX ? IOV_MAX : n);

	atomic_fetch_add_explicit(&fo->writes, 1, memory_order_relaxed);
	if (sent < 0) {
		end(f, SG_FOLLOWER_BROKEN);
		return -1;
	}
	if (sent > 0) {
		f->bytes_sent += (uint64_t)sent;
		f->blocked_ms = 0;
		atomic_fetch_add_explicit(&fo->bytes, (uint64_t)sent, memory_order_relaxed);
	}
	return sent;
}

/* Of `count` frames `sent` bytes went out: the cursor goes behind those that are whole, the one that is
 * begun is kept. True when all is out. */
static bool advance(struct sg_follower *f, struct sg_frame *const *frames, size_t count, size_t sent)
{
	for (size_t i = 0; i < count; i++) {
		struct iovec iov[2];
		size_t size = total(iov, sg_frame_iov(frames[i], f->form, iov));
		if (sent < size) {
			if (sent > 0) {
				f->partial = sg_frame_ref(frames[i]);
				f->partial_sent = (uint32_t)sent;
				f->cursor = frames[i]->seq + 1;
			} else {
				f->cursor = frames[i]->seq;
			}
			return false;
		}
		sent -= size;
		f->frames_sent++;
		f->media_sent = f->media_sent || is_media(frames[i]);
		f->cursor = frames[i]->seq + 1;
	}
	return true;
}

/* What must go before the next frame: the rest of one that was begun, the owner's bytes, the lead.
 * False: the socket is full, or broken. */
static bool write_owed(struct sg_follower *f)
{
	for (;;) {
		if (f->partial) {
			struct iovec iov[2], *p = iov;
			int n = sg_frame_iov(f->partial, f->form, iov);
			size_t skip = f->partial_sent;
			if (skip >= p->iov_len && n > 1) {
				skip -= p->iov_len;
				p++, n--;
			}
			p->iov_base = (char *)p->iov_base + skip;
			p->iov_len -= skip;
			size_t rest = total(p, n);
			ssize_t sent = write_some(f, p, n);
			if (sent < 0)
				return false;
			f->partial_sent += (uint32_t)sent;
			if ((size_t)sent < rest)
				return false;
			f->frames_sent++;
			f->media_sent = f->media_sent || is_media(f->partial);
			sg_frame_unref(f->partial);
			f->partial = NULL;
		} else if (f->own.len) {
			struct iovec iov = { f->own.p, f->own.len };
			ssize_t sent = write_some(f, &iov, 1);
			if (sent < 0)
				return false;
			if ((size_t)sent < f->own.len) {
				sg_buf_consume(&f->own, (size_t)sent);
				return false;
			}
			sg_buf_reset(&f->own);
		} else if (f->lead_next < f->lead_count) {
			f->partial = f->lead[f->lead_next];
			f->lead[f->lead_next++] = NULL;
			f->partial_sent = 0;
		} else {
			return true;
		}
	}
}

/* The follower's own reading, up to where the feed stands. False: socket full or broken; *more: its
 * turn is over, though there is more to write. */
static bool catch_up(struct sg_follower *f, bool *more)
{
	struct feed *feed = f->feed;
	struct sg_frame *frames[OWN_FRAMES];
	struct iovec iov[OWN_FRAMES * 2];

	*more = false;
	for (int round = 0; f->cursor < feed->cursor; round++) {
		if (round == OWN_ROUNDS) {
			*more = true;
			return true;
		}
		uint64_t behind = feed->cursor - f->cursor;
		struct sg_ring_read rd = { .frames = frames, .next = f->cursor,
			.max = behind < OWN_FRAMES ? behind : OWN_FRAMES };
		sg_ring_read(feed->ring, &rd, f->skip_to_key);
		f->skip_to_key = false;
		if (rd.skipped)
			note_skipped(f, rd.skipped);
		f->cursor = rd.next;
		int n = 0;
		for (size_t i = 0; i < rd.count; i++)
			n += sg_frame_iov(frames[i], f->form, iov + n);
		ssize_t sent = n ? write_some(f, iov, n) : 0;
		bool all = sent >= 0 && advance(f, frames, rd.count, (size_t)sent);
		for (size_t i = 0; i < rd.count; i++)
			sg_frame_unref(frames[i]);
		if (!all)
			return false;
	}
	return true;
}

/* One that stands too far behind when it can write again goes on at the newest keyframe. Called at a
 * frame's boundary. */
static void look_behind(struct sg_follower *f)
{
	struct sg_frame *frame;
	struct sg_ring_read rd = { .frames = &frame, .max = 1, .next = f->cursor };

	sg_ring_read(f->feed->ring, &rd, false);
	if (!rd.count)
		return;
	if (sg_mono_us() - frame->arrived_us > SG_FOLLOWER_BEHIND_MS * 1000ll)
		f->skip_to_key = true;
	sg_frame_unref(frame);
}

/* Brings one follower as far as its socket takes it. */
static void pump(struct sg_follower *f)
{
	bool more = false;

	if (f->place == ENDED)
		return;
	bool was_blocked = f->place == BLOCKED;
	if (!write_owed(f)) {
		if (f->place != ENDED)
			move(f, BLOCKED);
		return;
	}
	if (was_blocked && !f->paused)
		look_behind(f);
	if (!f->paused && !catch_up(f, &more)) {
		/* One that broke off at a frame's boundary owes nothing, but its socket is full. */
		if (f->place != ENDED)
			move(f, BLOCKED);
		return;
	}
	if (more) {
		move(f, BLOCKED); /* called again when writable, which it is */
		return;
	}
	move(f, IN_STEP);
	f->blocked_ms = 0;
	if (f->feed->ended && (f->paused || f->cursor >= f->feed->cursor))
		end(f, SG_FOLLOWER_STREAM_ENDED);
}

/* ---- the feed ---- */

static size_t first_for(const struct sg_follower *f, struct sg_frame *const *frames, size_t count)
{
	size_t i = 0;

	while (i < count && frames[i]->seq < f->cursor)
		i++;
	return i;
}

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
	b->sum = total(b->iov, b->len);
	if (feed->followers >= JOIN_FOLLOWERS)
		b->joined = join(&fo->joined[form], b);
}

/* `first`: of the frames, the one that this follower goes on with. */
static void pass_to(struct sg_follower *f, const struct batch *b, size_t first)
{
	struct sg_frame **frames = f->feed->fo->frames;

	if (f->cursor < frames[first]->seq) /* the loop itself was late */
		note_skipped(f, frames[first]->seq - f->cursor);
	int at = (int)first * (f->form == SG_FORM_RAW ? 1 : 2);
	size_t before = first ? total(b->iov, at) : 0, want = b->sum - before;
	struct iovec one = { b->joined ? (void *)(b->joined + before) : NULL, want };
	ssize_t sent = b->joined ? write_some(f, &one, 1) : write_some(f, b->iov + at, b->len - at);
	if (sent < 0)
		return;
	if ((size_t)sent == want) {
		f->cursor = frames[b->count - 1]->seq + 1;
		f->frames_sent += b->count - first;
		for (size_t i = first; i < b->count && !f->media_sent; i++)
			f->media_sent = is_media(frames[i]);
	} else if (!advance(f, frames + first, b->count - first, (size_t)sent)) {
		move(f, BLOCKED);
	}
}

/* A write takes long enough to fetch, meanwhile, the socket of the next one and the one behind it. */
static void look_ahead(const struct sg_follower *next)
{
	if (!next)
		return;
	__builtin_prefetch(next->conn);
	if (!next->next)
		return;
	__builtin_prefetch(next->next, 1);
	__builtin_prefetch(&next->next->partial, 1);
}

static void pass_on(struct feed *feed, size_t count)
{
	struct sg_frame **frames = feed->fo->frames;
	struct batch batches[3] = { 0 };
	struct sg_follower *f, *tmp;

	DL_FOREACH_SAFE(feed->in_step, f, tmp)
	{
		struct batch *b = &batches[f->form];
		look_ahead(tmp);
		if (f->paused)
			continue;
		if (!b->count)
			make_batch(feed, b, (enum sg_form)f->form, count);
		size_t first = f->cursor <= frames[0]->seq ? 0 : first_for(f, frames, count);
		if (first < count) /* else it began ahead of the others */
			pass_to(f, b, first);
	}
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
	do {
		sg_ring_read(feed->ring, &rd, false);
		feed->cursor = rd.next;
		if (rd.count)
			pass_on(feed, rd.count);
		for (size_t i = 0; i < rd.count; i++)
			sg_frame_unref(fo->frames[i]);
	} while (rd.count == SHARED_FRAMES);
	if (!rd.ended || feed->ended)
		return;
	feed->ended = true;
	DL_FOREACH_SAFE(feed->in_step, f, tmp)
	{
		if (f->cursor >= feed->cursor || f->paused)
			end(f, SG_FOLLOWER_STREAM_ENDED);
	}
}

static void on_timer(void *user)
{
	struct feed *feed = user;

	feed->timer_on = false;
	flush(feed);
}

static int64_t interval_us(const struct sg_fanout *fo)
{
	if (fo->gather_ms != SG_GATHER_AUTO)
		return fo->gather_ms * 1000;
	int64_t us = (int64_t)atomic_load(&fo->followers) * AUTO_US_PER_FOLLOWER;
	return us < 2000 ? 0 : us > AUTO_MAX_US ? AUTO_MAX_US : us;
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
	if (passed >= interval || (!fixed && passed >= PICTURE_SHARE(interval) && has_picture(feed))) {
		flush(feed);
	} else if (!feed->timer_on) {
		int64_t left = (fixed ? interval : TIMER_SHARE(interval)) - passed;
		feed->timer_on = true;
		sg_timer_start(feed->timer, left / 1000 + 1, 0);
	}
}

/* The writer's thread. */
static void on_wake(struct sg_ring_waiter *w)
{
	struct feed *feed = SG_CONTAINER_OF(w, struct feed, waiter);

	if (!atomic_exchange(&feed->posted, true)) {
		struct sg_executor *ex = sg_loop_executor(feed->fo->loop);
		ex->post(ex, &feed->task);
	}
}

static struct feed *feed_for(struct sg_fanout *fo, struct sg_ring *ring)
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

static void drop_feed(struct feed *feed)
{
	sg_ring_remove_waiter(feed->ring, &feed->waiter);
	sg_ring_unref(feed->ring);
	sg_timer_close(feed->timer);
	DL_DELETE(feed->fo->feeds, feed);
	feed->over = true;
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
			end(f, SG_FOLLOWER_STALLED);
	}
}

/* ---- opening and closing ---- */

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

enum sg_result sg_follower_open(
    struct sg_follower **out, struct sg_fanout *fo, const struct sg_follower_config *cfg)
{
	struct sg_follower *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (!f)
		return SG_ERR_NO_MEMORY;
	if (!(f->feed = feed_for(fo, cfg->ring))) {
		free(f);
		return SG_ERR_NO_MEMORY;
	}
	f->feed->followers++;
	atomic_fetch_add(&fo->followers, 1);
	f->conn = cfg->conn;
	f->form = (uint8_t)cfg->form;
	f->cursor = cfg->cursor;
	f->stall_ms = cfg->stall_ms ? cfg->stall_ms : STALL_DEFAULT_MS;
	f->ended = cfg->ended;
	f->user = cfg->user;
	sg_buf_init(&f->own, OWN_BYTES_MAX);
	for (size_t i = 0; i < cfg->lead_count && i < 4; i++)
		f->lead[f->lead_count++] = sg_frame_ref(cfg->lead[i]);
	f->place = IN_STEP;
	DL_APPEND(f->feed->in_step, f);
	*out = f;
	pump(f);
	return SG_OK;
}

void sg_follower_close(struct sg_follower *f)
{
	if (!f)
		return;
	struct feed *feed = f->feed;
	DL_DELETE(*list_of(f), f);
	sg_conn_want_write(f->conn, false);
	sg_frame_unref(f->partial);
	for (size_t i = f->lead_next; i < f->lead_count; i++)
		sg_frame_unref(f->lead[i]);
	sg_buf_reset(&f->own);
	atomic_fetch_sub(&feed->fo->followers, 1);
	if (--feed->followers == 0)
		drop_feed(feed);
	free(f);
}

void sg_follower_writable(struct sg_follower *f)
{
	if (f->place == BLOCKED)
		pump(f);
}

enum sg_result sg_follower_send(struct sg_follower *f, const void *p, size_t len)
{
	sg_buf_append(&f->own, p, len);
	if (f->own.failed)
		return SG_ERR_LIMIT;
	if (f->place == IN_STEP)
		pump(f);
	return SG_OK;
}

void sg_follower_pause(struct sg_follower *f, bool paused)
{
	if (f->paused && !paused)
		f->cursor = sg_ring_start(f->feed->ring);
	f->paused = paused;
	if (f->place == IN_STEP)
		pump(f);
}

void sg_follower_stats(const struct sg_follower *f, struct sg_follower_stats *out)
{
	*out = (struct sg_follower_stats){ .bytes_sent = f->bytes_sent, .frames_sent = f->frames_sent,
		.frames_skipped = f->frames_skipped, .first_media_sent = f->media_sent };
}

void sg_fanout_stats(const struct sg_fanout *fo, struct sg_fanout_stats *out)
{
	*out = (struct sg_fanout_stats){ .followers = atomic_load(&fo->followers),
		.writes = atomic_load_explicit(&fo->writes, memory_order_relaxed),
		.bytes = atomic_load_explicit(&fo->bytes, memory_order_relaxed),
		.skipped = atomic_load_explicit(&fo->skipped, memory_order_relaxed),
		.gather_us = atomic_load_explicit(&fo->gather_us, memory_order_relaxed) };
}
