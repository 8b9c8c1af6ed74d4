/* fanout.h - how a stream's bytes reach many sockets.
 *
 * A fanout belongs to one event loop. Its followers of the same ring share the work: the ring is
 * read once per wake-up for all of them, the list of byte ranges is built once (and, for many, laid
 * side by side once) for all that stand at the same place, and each then costs one write.
 *
 * When to write: at once while few follow, so that nothing is added to the delay; with more,
 * writes are gathered, up to `gather_ms` (SG_GATHER_AUTO: in proportion to the writes per second
 * that the loop would otherwise make, at most 33 ms, one frame at 30 per second), and a video frame
 * that completes such an interval goes out with the audio before it rather than wait for the
 * timer.
 *
 * A follower whose socket is full keeps its place (and one frame) until it is writable again; one
 * that has fallen off the ring, or SG_FOLLOWER_BEHIND_MS behind, goes on at the newest
 * keyframe, at a frame's boundary. One that has taken nothing for `stall_ms` is ended. */
#ifndef SG_FANOUT_FANOUT_H
#define SG_FANOUT_FANOUT_H

#include "media/stream.h"
#include "net/loop.h"

#define SG_FOLLOWER_BEHIND_MS 8000

struct sg_fanout;
struct sg_follower;

SG_MUST_CHECK enum sg_result sg_fanout_open(struct sg_fanout **out, struct sg_loop *loop,
    int64_t gather_ms);
void sg_fanout_close(struct sg_fanout *fo); /* followers must be closed before; NULL allowed */

enum sg_follower_end {
	SG_FOLLOWER_STREAM_ENDED, /* all that the ring had has been written */
	SG_FOLLOWER_BROKEN,       /* the socket failed */
	SG_FOLLOWER_STALLED,      /* took nothing for stall_ms */
};
struct sg_follower_config {
	/* Borrowed, open until the follower is closed: its socket is written to. Its writable event must be
	 * passed to sg_follower_writable. */
	struct sg_conn *conn;
	struct sg_ring *ring;  /* referenced by the follower */
	enum sg_form form;
	uint64_t cursor;
	struct sg_frame *const *lead; /* sent first, in `form` (sg_join.lead); referenced as needed */
	size_t lead_count;
	int64_t stall_ms; /* 0: SG_PAUSE_MS */
	/* Called once, on the loop, never inside sg_follower_open or _close; the owner then closes
	 * the follower. `user` is the owner's. */
	void (*ended)(void *user, enum sg_follower_end why);
	void *user;
};
SG_MUST_CHECK enum sg_result sg_follower_open(struct sg_follower **out, struct sg_fanout *fo,
    const struct sg_follower_config *cfg);
void sg_follower_close(struct sg_follower *f); /* NULL allowed */
void sg_follower_writable(struct sg_follower *f);
/* Bytes of the owner's own (an RTMP ping answer, an HTTP header before the media), copied, sent
 * at the next frame boundary, before further frames. SG_ERR_LIMIT: more than 64 KiB are waiting:
 * the peer does not read; close it. */
SG_MUST_CHECK enum sg_result sg_follower_send(struct sg_follower *f, const void *p, size_t len);
/* A paused follower is sent no frames; going on, it starts at the newest keyframe. */
void sg_follower_pause(struct sg_follower *f, bool paused);

struct sg_follower_stats {
	uint64_t bytes_sent, frames_sent, frames_skipped;
	bool first_media_sent;
};
void sg_follower_stats(const struct sg_follower *f, struct sg_follower_stats *out);

struct sg_fanout_stats {
	size_t followers;
	uint64_t writes, bytes, skipped;
	int64_t gather_us; /* in force at the last flush */
};
void sg_fanout_stats(const struct sg_fanout *fo, struct sg_fanout_stats *out); /* any thread */

#endif
