/* body.c - what is kept of a request's body, and for whom there is room.
 *
 * Room is counted, by the length that is claimed or else as the body grows, until the request is over:
 * for all, and by network, so that nobody has all of it. A body for which there is none is read to its
 * end and dropped, for libmicrohttpd takes no answer in the middle of one. */
#include "http/http_internal.h"

/* Which of the counters: networks that meet in one share its room. */
static atomic_size_t *share_of(struct sg_http_request *req)
{
	struct http_bodies *b = &req->srv->bodies;
	struct sg_addr net = sg_addr_network(&req->peer);
	uint64_t hash = sg_fnv1a(b->seed, net.bytes, sizeof(net.bytes)); /* from a start that nobody knows */

	return &b->by_network[(hash ^ hash >> 32) % HTTP_BODY_SHARES];
}

/* By the route: an application may be called "rest" as well. */
static bool is_administrators(const struct sg_http_request *req)
{
	struct sg_str pattern = sg_str_from(req->route->pattern);

	return sg_str_starts(pattern, "/api/") || sg_str_starts(pattern, "/rest/") ||
	       sg_str_starts(pattern, "/{}/rest/");
}

static bool is_stranger(const struct sg_http_request *req)
{
	const struct sg_config *cfg = req->srv->cfg.cfg;

	return !req->connection->local && !sg_cidr_list_has(&cfg->admin_allow, &req->peer) &&
	       !sg_cidr_list_has(&cfg->compat_allow, &req->peer);
}

/* Of the whole, strangers' calls may have one half. */
static size_t room_for(const struct sg_http_request *req)
{
	return is_administrators(req) ? HTTP_BODIES_MAX : HTTP_BODIES_MAX / 2;
}

static bool add_up_to(atomic_size_t *sum, size_t bytes, size_t max)
{
	size_t now = atomic_load(sum);

	do {
		if (now > max || bytes > max - now)
			return false;
	} while (!atomic_compare_exchange_weak(sum, &now, now + bytes));
	return true;
}

static bool take_room(struct sg_http_request *req, size_t bytes)
{
	atomic_size_t *own = share_of(req);

	if (req->connection->local) /* whoever may open the socket is the administrator */
		return true;
	if (!add_up_to(own, bytes, HTTP_BODY_SHARE_MAX))
		return false;
	if (!add_up_to(&req->srv->bodies.bytes, bytes, room_for(req))) {
		atomic_fetch_sub(own, bytes);
		return false;
	}
	req->body_room += bytes;
	return true;
}

void http_body_end(struct sg_http_request *req)
{
	if (req->body_room) {
		atomic_fetch_sub(&req->srv->bodies.bytes, req->body_room);
		atomic_fetch_sub(share_of(req), req->body_room);
		req->body_room = 0;
	}
	sg_buf_reset(&req->body);
}

static void refuse(struct sg_http_request *req)
{
	char peer[SG_ADDR_TEXT_SIZE];

	sg_addr_format(peer, &req->peer);
	sg_log_limited(SG_LOG_WARNING, "http: no room for a request's body from %s: refused", peer);
	http_body_end(req);
	req->body_dropped = true;
	sg_http_add_header(req, "Retry-After", "1");
	sg_http_refuse(req, 503, "too many bodies at a time: try again in a second");
}

void http_body_begin(struct sg_http_request *req, size_t length)
{
	const unsigned reading = SG_HTTP_GET | SG_HTTP_HEAD | SG_HTTP_OPTIONS;

	/* RFC 9110 section 9.3.1: there a body has no meaning. A stranger's call is refused whatever it holds. */
	req->body_dropped =
	    (req->method & reading) || (is_administrators(req) && is_stranger(req));
	if (!req->body_dropped && length && !take_room(req, length))
		refuse(req);
}

bool http_body_take(struct sg_http_request *req, const char *body, size_t len)
{
	req->body_read += len;
	if (req->body_read > SG_HTTP_BODY_MAX) {
		sg_log_limited(SG_LOG_WARNING, "http: a request's body of over %u bytes: closed", SG_HTTP_BODY_MAX);
		return false;
	}
	if (req->body_dropped)
		return true;
	if (req->body_read > req->body_room && !take_room(req, req->body_read - req->body_room)) {
		refuse(req);
		return true;
	}
	sg_buf_append(&req->body, body, len);
	return !req->body.failed;
}
