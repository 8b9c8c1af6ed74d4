/* fanout_internal.h - what fanout.c (rings and when to write) and follower.c (one follower) share.
 *
 *   ring ──wake──▶ feed (one per ring and loop) ──flush──▶ followers: one read, one batch of bytes, one
 *                                                         write each
 *
 * A follower is in one of four places: STANDING in its feed's row (it stands where the feed stands, and
 * nothing is kept up for it), IN STEP (all of what the feed has passed on is written), BLOCKED (its socket
 * is full: it catches up by itself when writable), or ENDED (waiting to be told). */
#ifndef SG_FANOUT_INTERNAL_H
#define SG_FANOUT_INTERNAL_H

#include "fanout/fanout.h"
#include "base/clock.h"
#include <stdlib.h>
#include <utlist.h>

#define FORMS 3 /* enum sg_form */
#define SHARED_FRAMES 256 /* read at a time for all in step */

enum place { STANDING, IN_STEP, BLOCKED, ENDED };

struct passed {
	uint64_t bytes, frames, skipped;
};

/* The followers of one form that stand where the feed stands: what each was sent is what was passed on since
 * it came. A flush runs along the row and touches nothing else of them: with hundreds of followers each
 * visit finds them out of the cache. */
struct row {
	struct standing {
		struct sg_follower *f;
		int fd;
	} *at;
	size_t count, cap;
	struct passed passed;
};

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
	struct row rows[FORMS];
	struct sg_follower *in_step;
	size_t followers;
};

struct sg_follower {
	struct sg_follower *prev, *next; /* in the list of its place */
	struct feed *feed;
	struct sg_conn *conn;
	uint64_t cursor;
	struct passed sent, since; /* since: while it stands, what the row had passed when it came */
	size_t index; /* in the row */
	int64_t blocked_ms; /* since when nothing was taken */
	struct sg_frame *partial; /* begun; `partial_sent` bytes of it are out */
	uint32_t partial_sent;
	uint8_t form, place, why;
	bool paused, skip_to_key, media_sent;
	uint8_t lead_count, lead_next;
	struct sg_frame *lead[4];
	struct sg_buf own;
	int64_t stall_ms;
	void (*ended)(void *user, enum sg_follower_end why);
	void *user;
};

/* What a flush passes on in one form. */
struct batch {
	size_t count; /* of frames */
	struct iovec *iov;
	int len;
	size_t sum;
	const uint8_t *joined; /* the same bytes in one piece, or NULL */
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
	struct iovec iov[FORMS][SHARED_FRAMES * 2];
	struct joined {
		uint8_t *p; /* kept for the next flush */
		size_t cap;
	} joined[FORMS];
};

static inline size_t iov_total(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* ---- fanout.c ---- */

struct feed *feed_for(struct sg_fanout *fo, struct sg_ring *ring); /* NULL: no memory */
void feed_drop(struct feed *feed); /* its last follower has gone */

/* ---- follower.c ---- */

void follower_end(struct sg_follower *f, enum sg_follower_end why);
/* Passes the batch on to one that is in step. */
void follower_pass(struct sg_follower *f, const struct batch *b);
/* Puts it into the row, if nothing needs to be kept up for it. */
bool follower_stand(struct sg_follower *f);
void follower_step_out(struct sg_follower *f); /* out of the row; it is in step then */
/* Passes the batch on along the row. */
void row_pass(struct feed *feed, enum sg_form form, const struct batch *b, uint64_t skipped);
/* Tells those that have ended: the task `tell`. */
void followers_tell(struct sg_task *task);

#endif
