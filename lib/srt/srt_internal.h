/* srt_internal.h - one peer, and what the files around it share.
 *
 *   streamid.c  what does this caller ask for?
 *   server.c    listening, accepting, lanes, statistics
 *   admit.c     the handshake: asking the gate, refusing
 *   peer.c      a peer on its lane: deadlines, the line's numbers, its end
 *   publish.c   a publisher's thread: MPEG-TS in, frames to the hub
 *   view.c      viewers: the shared MPEG-TS out
 *
 * A peer is made in libsrt's callback and belongs to its lane's loop from `arrive` on: only there is it
 * ended, with srt_peer_destroy. What other threads touch is marked. */
#ifndef SG_SRT_SRT_INTERNAL_H
#define SG_SRT_SRT_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "srt/srt.h"
#include "srt/streamid.h"
#include <pthread.h>
#include <srt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#define SG_SRT_MESSAGE 1316 /* seven TS packets: SRT's live mode */
#define CONNECTIONS_MAX 5000
#define PUBLISHERS_MAX 1000 /* each has a thread */
#define FIRST_MEDIA_MS 15000
#define STALLED_MS SG_PAUSE_MS
#define HANDSHAKE_MS 4000 /* libsrt's callers give up after 3 s */
#define SWEEP_MS 250
#define LINE_MS 1000
#define GATHER_MS 10
#define FAR_BEHIND_US 2000000
#define GOODBYE_MS 500 /* beyond the latency, for a viewer to take the end */

enum peer_state {
	PEER_HANDSHAKE, /* let in, or not decided yet; not connected */
	PEER_ASKING, /* connected; the gate has not decided */
	PEER_HELD, /* a viewer: commit under way; a publisher: its thread runs */
	PEER_ACTIVE,
	PEER_CLOSING, /* a viewer that takes its last packets */
};

struct srt_lane;
struct srt_channel;

/* Sums over the life of one connection. */
struct srt_counts {
	uint64_t packets, lost, retransmitted, dropped, undecrypted;
	uint64_t unwanted; /* data that a viewer sent */
};

struct srt_peer {
	struct srt_peer *prev, *next; /* the lane's */
	struct srt_lane *lane;
	SRTSOCKET sock;
	enum sg_token_type type;
	char name[SG_ENDPOINT_TEXT_SIZE]; /* for logs */
	struct sg_session *session;
	uint8_t state;
	bool arrived, connected, verdict_known, kicked, doomed, lingers, encrypted, unwanted;
	enum sg_goodbye bye;
	int64_t deadline_ms; /* monotonic; 0 = none */
	int64_t connected_ms;
	struct sg_task arrive, connect, finished;

	/* ---- the server's lock ---- */
	bool handshaking; /* in the server's table of those who are not connected yet */
	UT_hash_handle hh; /* that table, by socket */
	bool listed;
	uint64_t session_id;
	UT_hash_handle hh_id; /* those whose line is known, by session */
	struct sg_srt_line line;

	/* the lane's */
	struct srt_counts counts;
	int64_t line_ms;

	/* ---- a publisher ---- */
	pthread_t thread;
	bool has_thread, counted;
	atomic_bool stop; /* any thread */
	pthread_mutex_t lock; /* what the gate said, for the thread */
	pthread_cond_t told;
	enum sg_reason verdict; /* SG_REASON_COUNT: nothing yet */
	struct sg_publisher *publisher; /* the thread's, as all below */
	uint64_t bytes;
	int64_t heard_ms, media_by_ms; /* monotonic */
	uint8_t message[1500];
	int message_len, message_at;
	enum sg_goodbye thread_bye;

	/* ---- a viewer ---- */
	struct srt_peer *channel_prev, *channel_next;
	struct srt_channel *channel;
	uint64_t cursor; /* the frame it is at */
	uint32_t offset; /* how much of that frame has gone */
	bool blocked;
	int64_t sent_ms;
	uint8_t carry[SG_SRT_MESSAGE]; /* packets that do not fill a message yet */
	uint32_t carried;
};

/* The viewers of one stream on one lane. */
struct srt_channel {
	struct srt_channel *prev, *next;
	struct sg_ring_waiter waiter;
	struct srt_lane *lane;
	struct sg_stream *stream;
	struct sg_ring *ring;
	struct srt_peer *viewers;
	int64_t wanted_ms;
};

struct srt_lane {
	struct sg_srt_server *srv;
	struct sg_loop *loop;
	struct sg_timer *sweep, *gather;
	struct srt_peer *peers;
	struct srt_channel *channels;
	struct sg_task drain, wake;
	atomic_bool woken;
	bool gathering;
	int64_t fed_ms;
};

struct sg_srt_server {
	struct sg_srt_config cfg;
	int64_t first_media_ms, stalled_ms;
	SRTSOCKET *listeners;
	size_t listener_count;
	int epoll;
	pthread_t acceptor;
	bool has_acceptor, started;
	struct srt_lane *lanes;
	atomic_size_t next_lane;
	atomic_bool draining, closing;
	atomic_size_t connections, publishers, players, publisher_threads;
	atomic_ullong accepted, rejected, bad_input, bytes_in, bytes_out, skipped;
	atomic_ullong lost[3], retransmitted[3], dropped[3], undecrypted; /* by type */

	pthread_mutex_t lock;
	const struct sg_config *apps;
	struct srt_peer *handshakes; /* by socket */
	struct srt_peer *lines; /* by session */
};

/* admit.c: libsrt's receive thread */
int srt_on_handshake(void *opaque, SRTSOCKET sock, int hs_version, const struct sockaddr *from,
    const char *streamid);
int srt_code_of(enum sg_reason reason); /* with which a handshake is refused */

/* peer.c: the lane's thread */
void srt_peer_tick(struct srt_peer *p, int64_t now_ms);
void srt_peer_destroy(struct srt_peer *p, enum sg_goodbye bye);
void srt_peer_free(struct srt_peer *p); /* one that never arrived: any thread */
void srt_peer_on_admitted(void *user, enum sg_reason verdict);
void srt_peer_on_committed(void *user, enum sg_reason verdict);
void srt_peer_on_kicked(void *user, enum sg_goodbye why);
void srt_peer_arrive(struct sg_task *task);
void srt_peer_connect(struct sg_task *task);

/* publish.c */
bool srt_publisher_start(struct srt_peer *p);
void srt_publisher_told(struct srt_peer *p, enum sg_reason verdict);
void srt_publisher_stop(struct srt_peer *p); /* `finished` follows */
void srt_publisher_join(struct srt_peer *p);

/* view.c */
bool srt_viewer_start(struct srt_peer *p); /* false: no longer live, or no memory */
void srt_viewer_leave(struct srt_peer *p);
void srt_lane_feed(struct srt_lane *lane); /* all viewers, with what is there */
void srt_lane_sweep_channels(struct srt_lane *lane, int64_t now_ms);
void srt_lane_on_wake(struct sg_task *task);
void srt_lane_on_gather(void *user);
/* May a stream be had as MPEG-TS? */
bool srt_viewer_can_have(struct sg_srt_server *srv, struct sg_str app, struct sg_str stream);

#endif
