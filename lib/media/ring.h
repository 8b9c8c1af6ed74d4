/* ring.h - the last frames of a stream: one writer, many readers on any thread.
 *
 * A reader is a cursor (a sequence number); it holds no memory. The ring keeps at most
 * `max_frames` frames and `max_bytes` bytes; writing never waits. A reader that fell off the tail
 * is moved on to the newest keyframe still kept (or to the head, when there is none), and gets before it the
 * metadata and the codec configurations that it has missed, as far as they are in force there. */
#ifndef SG_MEDIA_RING_H
#define SG_MEDIA_RING_H

#include "media/frame.h"

struct sg_ring;

/* Called on the writer's thread after each write (but for sg_ring_hold) and at the end; must be quick and must not
 * call back into the ring (post to a loop instead). One waiter per loop, not per viewer. */
struct sg_ring_waiter {
	struct sg_ring_waiter *next; /* the ring's */
	void (*wake)(struct sg_ring_waiter *w);
	/* When it will look next (monotonic): a writer that could collect a few frames until then may. 0: it wants
	 * each at once. Set by the waiter, any thread. */
	atomic_llong due_us;
};

SG_MUST_CHECK enum sg_result sg_ring_create(struct sg_ring **out, size_t max_frames, size_t max_bytes);
struct sg_ring *sg_ring_ref(struct sg_ring *r);
void sg_ring_unref(struct sg_ring *r); /* NULL allowed; frees with the last reference */

void sg_ring_write(struct sg_ring *r, struct sg_frame *f); /* takes the caller's reference */
void sg_ring_clear(struct sg_ring *r); /* drops what is kept; sequence numbers go on */
/* The writer's: what it writes between the two, its waiters are woken for once, at the release. */
void sg_ring_hold(struct sg_ring *r);
void sg_ring_release(struct sg_ring *r); /* also when it is not held */
void sg_ring_end(struct sg_ring *r); /* nothing more will come; readers learn it from sg_ring_read */

#define SG_RING_SOUND_START_US 1000000 /* so old may be the first sound that a new reader gets where there are no pictures */
/* Where a new reader starts: the newest frame with SG_FRAME_KEY; without video, the oldest audio
 * frame not more than a second old; the head when empty. */
uint64_t sg_ring_start(struct sg_ring *r);
uint64_t sg_ring_tail(struct sg_ring *r); /* of the oldest that is kept */
uint64_t sg_ring_head(struct sg_ring *r); /* the sequence number that the next frame will get */

struct sg_ring_read {
	struct sg_frame **frames; /* out: referenced, the caller unrefs each */
	size_t max, count; /* at least 4 for a reader that may skip: what it has missed comes first */
	uint64_t next;    /* in and out: the cursor */
	uint64_t skipped; /* out: frames jumped over because the reader was too slow */
	bool ended;       /* out: the ring has ended and everything kept has been read */
};
/* Takes what is there from the cursor on, without waiting. Also used with a non-zero
 * `skip_to_key` by a reader that chooses to catch up: then it starts where a new one would, at the newest keyframe
 * or in the last second of what is only sound, if that lies ahead of the cursor. */
void sg_ring_read(struct sg_ring *r, struct sg_ring_read *rd, bool skip_to_key);

/* The waiter is linked until removed; remove returns only when no wake is running. */
void sg_ring_add_waiter(struct sg_ring *r, struct sg_ring_waiter *w);
void sg_ring_remove_waiter(struct sg_ring *r, struct sg_ring_waiter *w);
/* When the first of the waiters will look; INT64_MAX when there are none. */
int64_t sg_ring_due_us(struct sg_ring *r);

struct sg_ring_stats {
	size_t frames, bytes;
	uint64_t written, skipped;
};
void sg_ring_stats(struct sg_ring *r, struct sg_ring_stats *out);

#endif
