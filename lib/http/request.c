/* request.c - a request from its first line to its end, and what a handler may ask about it. */
#include "http/http_internal.h"
#include <strings.h>

/* ---- the connection it came on ---- */

static void set_phase(struct sg_http_request *req, enum http_phase phase)
{
	atomic_store(&req->connection->since_ms, sg_mono_ms());
	atomic_store(&req->connection->phase, phase);
}

static struct sg_str header_of(const struct sg_http_request *req, const char *name)
{
	return sg_str_from(MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name));
}

/* ---- from the request line on ---- */

void *http_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
	struct sg_http_server *srv = cls;
	size_t len = target ? strlen(target) : 0;
	bool too_long = len > HTTP_TARGET_MAX;

	if (too_long)
		len = 0;
	struct sg_http_request *req = calloc(1, sizeof(*req) + 2 * len + 4);
	if (!req)
		return NULL;
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	req->srv = srv;
	req->mhd = mhd;
	req->connection = info ? info->socket_context : NULL;
	if (!req->connection) { /* no memory when it was accepted */
		free(req);
		return NULL;
	}
	if (len)
		memcpy(req->text, target, len);
	req->target_result = too_long ? SG_ERR_LIMIT
				      : http_target_parse(&req->target,
					    (struct sg_str){ req->text, len }, req->text + len + 1);
	sg_buf_init(&req->body, SG_HTTP_BODY_MAX);
	sg_buf_init(&req->headers, 16384);
	req->peer = req->connection->peer;
	atomic_fetch_add(&srv->requests, 1);
	set_phase(req, PHASE_HEADERS);
	return req;
}

/* Checks what can be refused before a body is read. True: there is something to say already. */
static bool refuse_early(struct sg_http_request *req, uint64_t body_bytes)
{
	unsigned allowed;
	char list[64];

	if (req->target_result == SG_ERR_LIMIT && !req->target.segment_count) {
		sg_http_refuse(req, 414, "the address is too long");
		return true;
	}
	if (req->target_result != SG_OK) {
		sg_http_refuse(req, 400, "malformed address");
		return true;
	}
	req->route = http_route_find(
	    &req->srv->routes, req->method, &req->target, req->parts, &allowed);
	if (!req->route && (allowed || sg_str_is(req->target.path, "*"))) {
		http_methods_format(list, allowed | SG_HTTP_OPTIONS);
		sg_http_add_header(req, "Allow", list);
		if (req->method == SG_HTTP_OPTIONS)
			sg_http_respond(req, 204, NULL, (struct sg_str){ 0 });
		else
			sg_http_refuse(req, 405, "method not allowed");
		return true;
	}
	if (!req->route) {
		sg_http_refuse(req, 404, "not found");
		return true;
	}
	if (body_bytes > SG_HTTP_BODY_MAX) {
		sg_http_refuse(req, 413, "the body is too large");
		return true;
	}
	return false;
}

/* Header fields of which each line counts, where libmicrohttpd's lookup tells the first. */
#define FORWARDED_LINES_MAX 16
struct lines {
	struct sg_str forwarded[FORWARDED_LINES_MAX]; /* the last ones */
	size_t forwarded_count;
	unsigned lengths, codings;
	bool malformed;
};

static enum MHD_Result note_line(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct lines *l = cls;
	struct sg_str text = sg_str_from(value);
	uint64_t bytes;

	(void)kind;
	if (!strcasecmp(name, "Content-Length")) {
		l->lengths++;
		l->malformed |= !sg_str_to_u64(text, UINT64_MAX, &bytes);
	} else if (!strcasecmp(name, "Transfer-Encoding")) {
		l->codings++;
		l->malformed |= !sg_str_equal_nocase(text, SG_STR("chunked"));
	} else if (!strcasecmp(name, "X-Forwarded-For")) {
		if (l->forwarded_count == FORWARDED_LINES_MAX)
			memmove(l->forwarded, l->forwarded + 1,
			    --l->forwarded_count * sizeof(l->forwarded[0]));
		l->forwarded[l->forwarded_count++] = text;
	}
	return MHD_YES;
}

/* The connection is of no use after it. */
static enum MHD_Result refuse_at_once(struct sg_http_request *req, const char *why)
{
	sg_http_add_header(req, "Connection", "close");
	sg_http_refuse(req, 400, why);
	return http_queue(req);
}

/* All headers are here. */
static enum MHD_Result begin(struct sg_http_request *req, const char *method)
{
	struct sg_str length = header_of(req, "Content-Length");
	struct lines lines = { .forwarded_count = 0 };
	uint64_t bytes = 0;

	if (length.p && !sg_str_to_u64(length, UINT64_MAX, &bytes))
		bytes = UINT64_MAX;
	bool has_body = bytes || header_of(req, "Transfer-Encoding").p;
	req->method = http_method_parse(method);
	MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, note_line, &lines);
	/* RFC 9112 section 6.3: where the body ends must not be a matter of opinion, else a proxy before us
	 * takes for a body what we take for a request. */
	if (lines.malformed || lines.lengths + lines.codings > 1)
		return refuse_at_once(req, "the body's length is not clear");
	if (!http_client_addr(&req->peer, lines.forwarded, lines.forwarded_count,
		&req->srv->cfg.cfg->trusted_proxies)) {
		char proxy[SG_ADDR_TEXT_SIZE];
		sg_addr_format(proxy, &req->connection->peer);
		sg_log_limited(SG_LOG_WARNING, "http: the proxy %s says X-Forwarded-For of what is no address: refused", proxy);
		return refuse_at_once(req, "X-Forwarded-For holds what is no address");
	}
	set_phase(req, has_body ? PHASE_BODY : PHASE_BUSY);
	/* An answer from here closes the connection, since libmicrohttpd then does not read the body;
	 * without one the answer is given in the second call and the connection stays. */
	if (refuse_early(req, bytes))
		return has_body ? http_queue(req) : MHD_YES;
	if (has_body)
		http_body_begin(req, (size_t)bytes);
	return MHD_YES;
}

static enum MHD_Result take_body(struct sg_http_request *req, const char *body, size_t *len)
{
	bool ok = http_body_take(req, body, *len);

	*len = 0;
	return ok ? MHD_YES : MHD_NO;
}

static enum MHD_Result dispatch(struct sg_http_request *req)
{
	struct sg_http_server *srv = req->srv;
	enum MHD_Result res = MHD_YES;

	req->dispatched = true;
	set_phase(req, PHASE_BUSY);
	/* Counted from before the look at `stopping`: either it is seen here, or
	 * sg_http_server_close waits for us. */
	atomic_fetch_add(&srv->deferred_count, 1);
	if (!req->answer) {
		if (atomic_load(&srv->stopping))
			sg_http_refuse(req, 503, "the server is stopping");
		else
			req->route->handler(req, req->route->user);
	}
	if (!req->deferred) {
		if (!req->answer && !req->drop)
			sg_http_refuse(req, 500, "no answer");
		res = http_queue(req);
	} else {
		/* Suspended first: whoever answers may resume it before we are out of here. */
		int expected = WAIT_RUNNING;
		struct MHD_Connection *mhd = req->mhd;
		MHD_suspend_connection(mhd);
		if (!atomic_compare_exchange_strong(&req->wait, &expected, WAIT_SUSPENDED))
			MHD_resume_connection(mhd); /* answered already */
	}
	atomic_fetch_sub(&srv->deferred_count, 1);
	return res;
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *body, size_t *body_len, void **state)
{
	struct sg_http_request *req = *state;

	(void)cls, (void)mhd, (void)url, (void)version;
	if (!req)
		return MHD_NO; /* no memory */
	if (!req->begun) {
		req->begun = true;
		return begin(req, method);
	}
	if (*body_len)
		return take_body(req, body, body_len);
	return req->dispatched ? http_queue(req) : dispatch(req);
}

void http_on_completed(void *cls, struct MHD_Connection *mhd, void **state,
    enum MHD_RequestTerminationCode why)
{
	struct sg_http_server *srv = cls;
	struct sg_http_request *req = *state;

	(void)mhd;
	*state = NULL;
	if (!req)
		return;
	http_cork(req, false);
	if (req->attachment.session)
		http_apart_attach(req->connection->pump, &req->attachment);
	if (req->attachment.session)
		sg_gate_leave(srv->cfg.gate, &req->attachment);
	http_apart_drop(req->apart);
	if (req->stream)
		http_stream_end(req);
	if (req->answer)
		MHD_destroy_response(req->answer);
	if (why == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		atomic_fetch_add(&srv->bytes_out, req->answer_bytes);
	set_phase(req, PHASE_IDLE);
	http_body_end(req);
	sg_buf_reset(&req->headers);
	free(req->query);
	if (req->query_text)
		sg_wipe(req->query_text, req->target.query.len);
	free(req->query_text);
	sg_wipe(req->text, strlen(req->text)); /* it may have held a token */
	free(req);
}

/* ---- what a handler may ask ---- */

enum sg_http_method sg_http_method(const struct sg_http_request *req)
{
	return req->method;
}

struct sg_str sg_http_path(const struct sg_http_request *req)
{
	return req->target.path;
}

struct sg_str sg_http_part(const struct sg_http_request *req, unsigned i)
{
	return i < HTTP_SEGMENTS_MAX ? req->parts[i] : (struct sg_str){ 0 };
}

/* Decodes all pairs once. A pair that does not decode is left out. */
static void decode_query(struct sg_http_request *req)
{
	struct sg_str rest = req->target.query, key, value;
	char *out;

	req->query = calloc(HTTP_QUERY_PAIRS_MAX, sizeof(*req->query));
	req->query_text = out = malloc(rest.len + 2 * HTTP_QUERY_PAIRS_MAX);
	if (!req->query || !out)
		return;
	while (req->query_count < HTTP_QUERY_PAIRS_MAX && sg_query_next(&rest, &key, &value)) {
		char *k = out, *v = out + key.len + 1;
		if (!sg_percent_decode(k, key.len + 1, key, true) ||
		    !sg_percent_decode(v, value.len + 1, value, true))
			continue;
		req->query[req->query_count].key = k;
		req->query[req->query_count++].value = sg_str_from(v);
		out = v + value.len + 1;
	}
}

static void need_query(const struct sg_http_request *req)
{
	struct sg_http_request *mutable = (struct sg_http_request *)req; /* its cache */

	if (req->target.query.len && !req->query)
		decode_query(mutable);
}

struct sg_str sg_http_query(const struct sg_http_request *req, const char *key)
{
	need_query(req);
	for (size_t i = 0; i < req->query_count; i++)
		if (!strcmp(req->query[i].key, key))
			return req->query[i].value;
	return (struct sg_str){ 0 };
}

const char *sg_http_query_name(const struct sg_http_request *req, size_t i)
{
	need_query(req);
	return i < req->query_count ? req->query[i].key : NULL;
}

struct sg_str sg_http_header(const struct sg_http_request *req, const char *name)
{
	return header_of(req, name);
}

struct sg_str sg_http_cookie(const struct sg_http_request *req, const char *name)
{
	return http_cookie_find(header_of(req, "Cookie"), name);
}

struct sg_str sg_http_body(const struct sg_http_request *req)
{
	return (struct sg_str){ (const char *)req->body.p, req->body.len };
}

const struct sg_addr *sg_http_peer(const struct sg_http_request *req)
{
	return &req->peer;
}

bool sg_http_is_local(const struct sg_http_request *req)
{
	return req->connection->local;
}

void *sg_http_data(const struct sg_http_request *req)
{
	return req->data;
}

bool sg_http_is_secure(const struct sg_http_request *req)
{
	if (req->connection->pump)
		return true;
	return sg_cidr_list_has(&req->srv->cfg.cfg->trusted_proxies, &req->connection->peer) &&
	       sg_str_equal_nocase(header_of(req, "X-Forwarded-Proto"), SG_STR("https"));
}
