/* http_internal.h - what the files of this folder share.
 *
 * Threads: libmicrohttpd's pool runs the handlers; loops run admissions and media sockets; the
 * sweeper closes what is silent and serves the administrator's socket. A request belongs to
 * whoever has to answer it: the server's thread, or, once deferred, the thread that will call
 * http_answer. The connection under it cannot go away meanwhile, since it is suspended. */
#ifndef SG_HTTP_INTERNAL_H
#define SG_HTTP_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "base/url.h"
#include "http/http.h"
#include "http/media.h"
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define HTTP_TARGET_MAX 8192 /* bytes of a request target; RFC 9112 section 3 asks for 8000 */
#define HTTP_SEGMENTS_MAX 16
#define HTTP_QUERY_PAIRS_MAX 64
#define HTTP_BODIES_MAX (64u << 20) /* all bodies, together */
#define HTTP_BODY_SHARE_MAX (4u << 20) /* those of one network */
#define HTTP_BODY_SHARES 1024
#define HTTP_MEMORY_PER_CONNECTION (16u << 10) /* request line and headers, else 414 or 431 */

#define HTTP_FIRST_BYTE_MS 10000 /* from accept to the request line */
#define HTTP_HEADERS_MS 10000    /* from the request line to the end of the headers */
#define HTTP_BODY_MS 60000
#define HTTP_IDLE_MS SG_PAUSE_MS /* between requests; also: no byte taken of an answer */

/* ---- target.c: what was asked for ---- */

struct http_target {
	struct sg_str path;  /* decoded */
	struct sg_str query; /* as it came; absent without '?' */
	struct sg_str segments[HTTP_SEGMENTS_MAX]; /* slices of path */
	unsigned segment_count;
};
/* Takes apart a request target (RFC 9112 section 3.2: origin, absolute or asterisk form). `out`
 * holds the decoded path and has room for target.len + 2 bytes.
 * SG_ERR_BAD_INPUT: a bad escape, NUL or control characters, an encoded '/' or '\', "." or ".."
 * as a segment, not UTF-8. SG_ERR_LIMIT: more segments than we have names for. */
enum sg_result http_target_parse(struct http_target *t, struct sg_str target, char *out);

/* ---- fields.c: header fields, without allocating ---- */

enum http_range { HTTP_RANGE_NONE, HTTP_RANGE_ONE, HTTP_RANGE_UNSATISFIABLE };
/* RFC 9110 section 14.2. NONE: not bytes, malformed, or several ranges: send it all. */
enum http_range http_range_parse(
    struct sg_str value, uint64_t size, uint64_t *offset, uint64_t *length);
/* RFC 9110 section 5.6.7; all three forms are read, the first is written. */
bool http_date_parse(struct sg_str value, int64_t *out_s);
#define HTTP_DATE_SIZE 32
void http_date_format(char out[HTTP_DATE_SIZE], int64_t unix_s);
/* In base 10 or 16, with a NUL, for which 21 bytes are room enough; answers where that stands. */
char *http_put_number(char *at, uint64_t n, unsigned base);
/* Does a list such as `"a", W/"b"` or `*` name `etag`? Weak comparison (If-None-Match). */
bool http_etag_listed(struct sg_str list, struct sg_str etag);
/* RFC 6265 section 5.4: absent when there is none. */
struct sg_str http_cookie_find(struct sg_str header, const char *name);
/* The token of "Bearer T" (RFC 6750 section 2.1), else absent. */
struct sg_str http_bearer(struct sg_str authorization);
/* The client that trusted proxies stand in for: X-Forwarded-For from the right, as long as who
 * says so is trusted. `client`: the peer, then the answer. `forwarded_for`: its lines as they came; a proxy may
 * add one of its own behind the client's (RFC 9110 section 5.3: they are one list). False: what a trusted one
 * says is no address. Such a request is to be refused: it is not the proxy's own. */
bool http_client_addr(struct sg_addr *client, const struct sg_str *forwarded_for, size_t count,
    const struct sg_cidr_list *trusted);

/* ---- connections and requests ---- */

enum http_phase { PHASE_NEW, PHASE_HEADERS, PHASE_BODY, PHASE_BUSY, PHASE_IDLE };
struct http_connection {
	struct http_connection *prev, *next; /* srv->connections */
	int fd;
	bool local;
	struct http_pump *pump; /* of HTTPS; NULL: plain */
	struct sg_addr peer;
	atomic_int phase;
	atomic_int_fast64_t since_ms;
};

/* Whether an answer and the suspension of its connection have met. */
enum http_wait { WAIT_RUNNING, WAIT_SUSPENDED, WAIT_ANSWERED };

struct http_stream { /* sg_http_respond_stream */
	struct sg_http_request *prev, *next; /* srv->streams */
	bool linked;
	pthread_mutex_t lock;
	bool suspended, woken, gone;
	ssize_t (*pull)(void *data, char *out, size_t max);
	void (*done)(void *data);
	void *data;
};

struct sg_http_request {
	struct sg_http_server *srv;
	struct MHD_Connection *mhd;
	struct http_connection *connection;
	enum sg_http_method method; /* 0: one we do not know */
	struct http_target target;
	enum sg_result target_result;
	const struct http_route *route;
	struct sg_str parts[HTTP_SEGMENTS_MAX];
	struct sg_addr peer;
	bool begun, dispatched, deferred, drop;
	char *query_text; /* decoded pairs, made on the first question */
	struct {
		const char *key;
		struct sg_str value;
	} *query;
	size_t query_count;
	struct sg_buf body;
	size_t body_read, body_room; /* bytes that came; that are counted in srv->bodies */
	bool body_dropped;
	struct sg_buf headers; /* name NUL value NUL ... */
	void *data;
	void (*refuse)(struct sg_http_request *req, unsigned status, const char *message); /* NULL: our shape */
	atomic_int wait;
	struct MHD_Response *answer;
	unsigned status;
	uint64_t answer_bytes;
	struct http_apart *apart; /* HTTPS: the answer's body, on a way of its own */
	bool is_file; /* the answer's body is a file's */
	struct sg_attachment attachment; /* media: the session that this request is part of */
	struct http_stream *stream;
	char text[]; /* the target as it came, NUL, the decoded path, NUL */
};

struct http_route {
	unsigned methods;
	const char *pattern;
	sg_http_handler handler;
	void *user;
};
struct http_routes {
	struct http_route *items;
	size_t count, cap;
	bool failed; /* no memory: start refuses */
};
#define HTTP_ROUTES_MAX 512
/* Finds the route; NULL: *allowed holds the methods that other routes with this path serve, 0 = no
 * such path. Fills `parts`. */
const struct http_route *http_route_find(const struct http_routes *routes, unsigned method,
    const struct http_target *t, struct sg_str parts[HTTP_SEGMENTS_MAX], unsigned *allowed);
/* "GET, HEAD, OPTIONS"; `out` holds 64 bytes. */
void http_methods_format(char *out, unsigned methods);
enum sg_http_method http_method_parse(const char *text);

/* ---- answers ---- */

/* Hands `response` (its reference is taken; NULL: no memory, answered with 500) to the request's
 * connection, whatever thread we are on. The request is not the caller's any more. */
void http_answer(struct sg_http_request *req, unsigned status, struct MHD_Response *response);
/* Closes the connection without an answer: its socket lives on as a duplicate. */
void http_drop(struct sg_http_request *req);
/* Part of a file; takes `fd`. */
void http_respond_file(struct sg_http_request *req, unsigned status, const char *type, int fd,
    uint64_t offset, uint64_t length);
/* Several blobs one after the other, without a copy; takes their references. */
void http_respond_blobs(struct sg_http_request *req, unsigned status, const char *type,
    struct sg_blob *const *blobs, size_t count);
/* An answer of unknown length, for HEAD. */
void http_respond_endless(struct sg_http_request *req, const char *type);
/* On a server thread: gives the answer to libmicrohttpd. */
enum MHD_Result http_queue(struct sg_http_request *req);
/* The header of a file's answer, which libmicrohttpd writes by itself, goes out with what sendfile brings: corked until
 * all is written. */
void http_cork(struct sg_http_request *req, bool on);
void http_stream_end(struct sg_http_request *req);
/* Peers of streams that have gone are noticed, `all` ends every stream. Sweeper and drain. */
void http_streams_sweep(struct sg_http_server *srv, bool all);

/* ---- the server ---- */

struct http_admin_socket {
	int fd; /* -1: none */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino;
};
/* Listens at `path`, mode 0600. A stale socket file is replaced, one that is in use is left
 * alone: a warning, and fd is -1. */
void http_admin_socket_open(struct http_admin_socket *s, const char *path);
void http_admin_socket_close(struct http_admin_socket *s); /* removes the file, if still ours */

struct http_bodies {
	uint64_t seed;
	atomic_size_t bytes, by_network[HTTP_BODY_SHARES];
};

struct sg_http_server {
	struct sg_http_config cfg;
	struct MHD_Daemon *daemon;
	struct sg_listener *listener;
	struct http_routes routes;
	struct http_admin_socket admin;
	struct sg_http_media *media;
	struct http_ws *websockets;
	struct http_tls *tls; /* NULL: no HTTPS */
	struct sg_listener *tls_listener;
	char public_url[320];

	pthread_mutex_t lock;
	struct http_connection *connections;
	struct sg_http_request *streams;

	pthread_t sweeper;
	bool sweeping;
	int wake_fd;
	atomic_bool draining, stopping;
	atomic_size_t connection_count, deferred_count, stream_count;
	struct http_bodies bodies;
	atomic_uint_fast64_t requests, bytes_out, status[6];
};

/* body.c. `length`: what is claimed, 0 where it is not. Afterwards the request may have been refused:
 * libmicrohttpd gets the answer at the body's end. */
void http_body_begin(struct sg_http_request *req, size_t length);
bool http_body_take(struct sg_http_request *req, const char *body, size_t len); /* false: close */
void http_body_end(struct sg_http_request *req);

/* request.c: libmicrohttpd's callbacks */
void *http_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *body, size_t *body_len, void **state);
void http_on_completed(void *cls, struct MHD_Connection *mhd, void **state,
    enum MHD_RequestTerminationCode why);

/* ---- WebSocket conversations (websocket.c) ---- */

struct http_ws_lane {
	struct http_ws *room;
	struct sg_loop *loop;
	struct sg_timer *timer;
	struct sg_ws *conversations;
};
struct http_ws {
	struct sg_http_server *srv;
	struct http_ws_lane *lanes;
	size_t lane_count;
	atomic_uint next_lane;
	atomic_size_t count;
};
enum sg_result http_ws_open(struct http_ws **out, struct sg_http_server *srv);
void http_ws_drain(struct http_ws *room); /* all are told; any thread but a loop's; NULL allowed */
void http_ws_close(struct http_ws *room); /* after the daemon has stopped; NULL allowed */
size_t http_ws_count(const struct http_ws *room);

/* ---- HTTPS (tls.c) ---- */

struct http_pump;
struct http_tls_lane {
	struct http_tls *room;
	struct sg_loop *loop;
	struct sg_timer *timer;
	struct http_pump *pumps;
};
struct http_tls {
	struct sg_http_server *srv;
	struct http_tls_lane *lanes;
	size_t lane_count;
	atomic_size_t count;
	pthread_mutex_t lock; /* guards unclaimed */
	struct http_pump *unclaimed;
};
enum sg_result http_tls_open(struct http_tls **out, struct sg_http_server *srv);
void http_tls_close(struct http_tls *room); /* after the daemon has stopped; NULL allowed */
size_t http_tls_count(const struct http_tls *room);
void http_tls_accepted(void *srv, struct sg_loop *loop, int fd);
/* The pump whose plain end `fd` is, a reference; NULL: none. Once. */
struct http_pump *http_pump_claim(struct sg_http_server *srv, int fd);
struct http_pump *http_pump_ref(struct http_pump *p); /* NULL allowed, as below */
void http_pump_unref(struct http_pump *p);
/* What it still holds is not delivered. Any thread; never blocks. The plain end is then to be shut
 * down or closed. */
void http_pump_cut(struct http_pump *p);
/* A body, of `size` bytes in all, that goes from where it lies to TLS: through libmicrohttpd and the plain socket it
 * would be copied twice. Takes the blobs' references. NULL, and they are not taken: another one is on its way, or no memory. */
struct http_apart *http_apart_open(struct http_pump *p, struct sg_blob *const *blobs, size_t count, uint64_t size);
/* Right before the header is given to libmicrohttpd, whose answer has no body of its own. The body is the pump's. */
void http_apart_follow(struct http_apart *b);
void http_apart_drop(struct http_apart *b); /* instead of that; NULL allowed */
/* The answer is over for libmicrohttpd: while its body is not, `at` stays attached by it. */
void http_apart_attach(struct http_pump *p, struct sg_attachment *at);
/* Gives a connected socket to libmicrohttpd; takes `fd`. */
void http_take_socket(
    struct sg_http_server *srv, int fd, const struct sockaddr *sa, socklen_t len);

/* ---- media (media.c) ---- */

enum sg_result http_media_open(struct sg_http_media **out, struct sg_http_server *srv);
/* Viewers on media sockets are let go; any thread but a loop's. */
void http_media_drain(struct sg_http_media *m);
void http_media_close(struct sg_http_media *m); /* after the daemon has stopped; NULL allowed */
size_t http_media_viewers(struct sg_http_media *m);
uint64_t http_media_bytes(struct sg_http_media *m);

#endif
