/* rtmp.h - RTMP, the server's side: publishers in, viewers out.
 *
 * Spoken: Adobe's RTMP 1.0 (simple and digest handshake), AMF0 and AMF3-wrapped commands, Enhanced
 * RTMP v1/v2 media tags. See README.md in this folder. */
#ifndef SG_RTMP_RTMP_H
#define SG_RTMP_RTMP_H

#include "fanout/fanout.h"
#include "gate/gate.h"
#include "net/tls.h"

struct sg_rtmp_server;

struct sg_rtmp_config {
	const struct sg_listen_list *listen;
	const struct sg_listen_list *tls_listen; /* RTMPS, with `tls`; NULL: none */
	struct sg_tls *tls;
	struct sg_loop *const *loops;     /* connections are spread over them */
	struct sg_fanout *const *fanouts; /* one per loop, same order */
	size_t loop_count;
	struct sg_gate *gate;
	struct sg_hub *hub;
	size_t max_connections; /* more are closed at once, with a log line and a metric */
	/* Milliseconds, 0 = the default (README.md). */
	int64_t say_something_ms;    /* from the connection, or a goodbye, to publish or play */
	int64_t first_media_ms;      /* from Publish.Start to media */
	int64_t publisher_silent_ms; /* without a byte from a publisher */
	/* Each address really bound. */
	void (*bound)(void *user, const struct sockaddr *sa);
	void *bound_user;
	void (*tls_bound)(void *user, const struct sockaddr *sa);
	void *tls_bound_user;
};
/* The configuration's pointers are borrowed until close. On failure `error` is one line. */
SG_MUST_CHECK enum sg_result sg_rtmp_server_open(struct sg_rtmp_server **out,
    const struct sg_rtmp_config *cfg, char *error, size_t error_size);
/* Stops accepting; tells publishers and viewers (onStatus, then close). Returns at once. */
void sg_rtmp_server_drain(struct sg_rtmp_server *srv);
/* Closes what is left and waits until every connection is gone. Not on a loop. NULL allowed. */
void sg_rtmp_server_close(struct sg_rtmp_server *srv);

struct sg_rtmp_stats {
	size_t connections, connections_max, publishers, players;
	uint64_t accepted, rejected, bad_input, bytes_in, bytes_out;
};
void sg_rtmp_server_stats(struct sg_rtmp_server *srv, struct sg_rtmp_stats *out); /* any thread */

#endif
