/* srt.h - SRT, the server's side: publishers in, viewers out, MPEG-TS both ways, through libsrt.
 *
 * A caller says in its stream id what it wants (streamid.h) and is refused, where it is, before the
 * handshake ends, with libsrt's codes (srt/access_control.h):
 *   1400 the stream id makes no sense      1404 the stream is not live (to those who may know)
 *   1401 a token is needed, none was given 1405 a mode or kind that is not spoken
 *   1402 the server has too much to do     1409 somebody publishes it
 *   1403 the token does not open this      1415 the stream's codecs do not go into MPEG-TS
 *   1503 the server is being stopped
 * How, and on which threads: README.md in this folder. */
#ifndef SG_SRT_SRT_H
#define SG_SRT_SRT_H

#include "base/config.h"
#include "gate/gate.h"
#include "media/stream.h"
#include "net/loop.h"

struct sg_srt_server;

struct sg_srt_config {
	const struct sg_config *cfg; /* addresses, latency, the applications' passphrases */
	struct sg_loop *const *loops; /* viewers are spread over them */
	size_t loop_count;
	struct sg_gate *gate;
	struct sg_hub *hub;
	size_t max_connections; /* 0 = the default (README.md) */
	/* Milliseconds, 0 = the default (README.md). */
	int64_t first_media_ms; /* from the connection to a publisher's first frame */
	int64_t stalled_ms; /* a viewer that takes nothing */
	/* Each address really bound. */
	void (*bound)(void *user, const struct sockaddr *sa);
	void *bound_user;
};
/* The configuration's pointers are borrowed until close. On failure `error` is one line. */
SG_MUST_CHECK enum sg_result sg_srt_server_open(
    struct sg_srt_server **out, const struct sg_srt_config *cfg, char *error, size_t error_size);
/* After SIGHUP: the applications' sections are read from `cfg` (borrowed) from now on. When it returns
 * the former ones are not looked at any more. Any thread. */
void sg_srt_server_reconfigure(struct sg_srt_server *srv, const struct sg_config *cfg);
/* Refuses whoever comes; closes publishers and viewers. Returns at once. */
void sg_srt_server_drain(struct sg_srt_server *srv);
/* Closes what is left and waits until every connection is gone. Not on a loop. NULL allowed. */
void sg_srt_server_close(struct sg_srt_server *srv);

struct sg_srt_stats {
	size_t connections, connections_max, publishers, players;
	uint64_t accepted, rejected, bad_input, bytes_in, bytes_out;
	/* Packets, as libsrt counts them, of all connections since the start. */
	uint64_t lost_in, lost_out, retransmitted_in, retransmitted_out;
	uint64_t dropped_in, dropped_out; /* that came, or would have come, too late */
	uint64_t undecrypted;
	uint64_t skipped_frames; /* left out for viewers that fell behind */
	double rtt_s; /* the mean of what is connected now */
};
void sg_srt_server_stats(struct sg_srt_server *srv, struct sg_srt_stats *out); /* any thread */

/* One session's line, a second old at most. */
struct sg_srt_line {
	double rtt_ms;
	int latency_ms; /* what was agreed on */
	bool encrypted;
	uint64_t packets, lost, retransmitted, dropped; /* in the direction of the media */
};
/* False: it is no SRT session, or has only just come. Any thread. */
bool sg_srt_server_line(struct sg_srt_server *srv, uint64_t session_id, struct sg_srt_line *out);

#endif
