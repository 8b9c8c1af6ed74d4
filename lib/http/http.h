/* http.h - the web server: routes, requests, answers; media over HTTP is in media.h beside it,
 * WebSocket in websocket.h.
 *
 * libmicrohttpd parses; its threads run the handlers. A handler answers at once, or defers: the
 * connection is then suspended until sg_http_respond is called, from any thread. Handlers must not
 * wait for the disk or another thread (API handlers go through sg_gate_query). */
#ifndef SG_HTTP_HTTP_H
#define SG_HTTP_HTTP_H

#include "fanout/fanout.h"
#include "gate/gate.h"
#include "net/tls.h"

struct sg_http_server;
struct sg_http_request;

enum sg_http_method { SG_HTTP_GET = 1, SG_HTTP_HEAD = 2, SG_HTTP_POST = 4, SG_HTTP_PUT = 8,
	SG_HTTP_PATCH = 16, SG_HTTP_DELETE = 32, SG_HTTP_OPTIONS = 64 };

struct sg_http_config {
	const struct sg_config *cfg;      /* [http], [admin], [recording] */
	struct sg_loop *const *loops;     /* long-lived media sockets (FLV, TS) move to these */
	struct sg_fanout *const *fanouts; /* one per loop, same order */
	size_t loop_count;
	struct sg_gate *gate;
	struct sg_hub *hub;
	size_t max_connections;
	unsigned threads; /* 0: one per processor */
	void (*bound)(void *user, const struct sockaddr *sa);
	void *bound_user;
	struct sg_tls *tls; /* for [http] tls_listen; NULL: nothing listens there */
	void (*tls_bound)(void *user, const struct sockaddr *sa);
	void *tls_bound_user;
};
SG_MUST_CHECK enum sg_result sg_http_server_open(struct sg_http_server **out,
    const struct sg_http_config *cfg, char *error, size_t error_size);
/* Routes are added between open and start. */
SG_MUST_CHECK enum sg_result sg_http_server_start(struct sg_http_server *srv, char *error,
    size_t error_size);
void sg_http_server_drain(struct sg_http_server *srv); /* no new connections; media viewers are let go */
void sg_http_server_close(struct sg_http_server *srv); /* NULL allowed */

/* `pattern` is a path whose segments may be "{}" (one segment, any text) and whose last may be "{...}"
 * (the rest, one or more segments): "/api/v1/tokens/ID" is written "/api/v1/tokens/{}", media is "/{}/streams/{...}". The first route that matches wins;
 * a path that matches only with another method is answered 405 with Allow. HEAD goes to the GET
 * handler (the body is left out), OPTIONS is answered from the table unless routed. */
typedef void (*sg_http_handler)(struct sg_http_request *req, void *user);
void sg_http_route(struct sg_http_server *srv, unsigned methods, const char *pattern,
    sg_http_handler handler, void *user);

/* ---- the request; valid until it is answered ---- */
enum sg_http_method sg_http_method(const struct sg_http_request *req);
struct sg_str sg_http_path(const struct sg_http_request *req);               /* decoded, no query */
struct sg_str sg_http_part(const struct sg_http_request *req, unsigned i); /* i-th "{}" or the "{...}", decoded */
/* Decoded query parameter; absent when there is none. */
struct sg_str sg_http_query(const struct sg_http_request *req, const char *key);
const char *sg_http_query_name(const struct sg_http_request *req, size_t i); /* the i-th's; NULL: no more */
struct sg_str sg_http_header(const struct sg_http_request *req, const char *name);
struct sg_str sg_http_cookie(const struct sg_http_request *req, const char *name);
struct sg_str sg_http_body(const struct sg_http_request *req); /* whole, at most SG_HTTP_BODY_MAX (else 413) */
/* GET, HEAD and OPTIONS have none, whatever was sent; neither has a call for administrators, below /api/,
 * /rest/ and /APP/rest/, from an address that [admin] lets make none: its handler is to refuse it. */
#define SG_HTTP_BODY_MAX (1u << 20)
const struct sg_addr *sg_http_peer(const struct sg_http_request *req); /* behind trusted_proxies: the client */
bool sg_http_is_local(const struct sg_http_request *req); /* came over the administrator's Unix socket */
/* Over TLS: our own, or that of a trusted proxy that says so. */
bool sg_http_is_secure(const struct sg_http_request *req);
void *sg_http_data(const struct sg_http_request *req);    /* the handler's own, see sg_http_defer */

/* ---- the answer; exactly one per request ---- */
/* Before the answer; name and value are copied. */
void sg_http_add_header(struct sg_http_request *req, const char *name, const char *value);
/* `body` is copied; type NULL when there is none. */
void sg_http_respond(struct sg_http_request *req, unsigned status, const char *type, struct sg_str body);
/* Takes the reference; sent without a copy. */
void sg_http_respond_blob(struct sg_http_request *req, unsigned status, const char *type,
    struct sg_blob *blob);
/* {"success":false,"message":...}: INTERFACE.md section 4. */
void sg_http_refuse(struct sg_http_request *req, unsigned status, const char *message);
/* From now on this request is refused by `refuse`, which answers: where refusals have a shape of their own. */
void sg_http_refuse_by(struct sg_http_request *req,
    void (*refuse)(struct sg_http_request *req, unsigned status, const char *message));
/* An endless answer, for server-sent events: the handler's `pull` is asked for bytes on a server
 * thread and answers how many it wrote, 0 = nothing now (then sg_http_wake), -1 = the end.
 * `done` is called when the connection is gone. */
void sg_http_respond_stream(struct sg_http_request *req, const char *type,
    ssize_t (*pull)(void *data, char *out, size_t max), void (*done)(void *data), void *data);
void sg_http_wake(struct sg_http_request *req); /* any thread; only between pull and done */
/* The handler returns without an answer; sg_http_respond* comes later, from any thread. `data` is
 * the handler's. */
void sg_http_defer(struct sg_http_request *req, void *data);

struct sg_http_stats {
	size_t connections, connections_max, suspended, streaming, websockets, tls;
	uint64_t requests, bytes_out;
	uint64_t status[6]; /* by hundreds: [2] = 2xx */
};
void sg_http_server_stats(struct sg_http_server *srv, struct sg_http_stats *out); /* any thread */
/* What URLs that we print start with: [http] public_url, else from the listener. */
const char *sg_http_public_url(const struct sg_http_server *srv);

#endif
