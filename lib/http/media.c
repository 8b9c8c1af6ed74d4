/* media.c - the routes below /APP/streams/, and what their answers have in common. */
#include "http/media_internal.h"
#include <sys/socket.h>

/* ---- what answers have in common ---- */

struct sg_str media_token(const struct sg_http_request *req)
{
	struct sg_str token = sg_http_query(req, "token");

	return token.len ? token : http_bearer(sg_http_header(req, "Authorization"));
}

/* Fetch, "CORS protocol": with credentials the origin must be named, "*" will not do. */
void media_add_cors(struct sg_http_request *req)
{
	struct sg_str origin = sg_http_header(req, "Origin");

	sg_http_add_header(req, "Vary", "Origin");
	if (!origin.len || origin.len > 300)
		return;
	sg_http_add_header(req, "Access-Control-Allow-Origin", origin.p);
	sg_http_add_header(req, "Access-Control-Allow-Credentials", "true");
	sg_http_add_header(req, "Access-Control-Expose-Headers",
	    "Accept-Ranges, Content-Length, Content-Location, Content-Range, Date, ETag");
}

void sg_http_refuse_media(struct sg_http_request *req, enum sg_reason why)
{
	switch (why) {
	case SG_MISSING_TOKEN:
		sg_http_refuse(req, 401, "a token is needed");
		return;
	case SG_STREAM_NOT_LIVE:
		sg_http_refuse(req, 404, "not found");
		return;
	case SG_ALREADY_PUBLISHING:
		sg_http_refuse(req, 409, "the stream is being published");
		return;
	case SG_TOO_MANY_ATTEMPTS:
		sg_http_add_header(req, "Retry-After", "10");
		sg_http_refuse(req, 429, "too many attempts");
		return;
	case SG_OVERLOAD:
		sg_http_add_header(req, "Retry-After", "2");
		sg_http_refuse(req, 503, "try again");
		return;
	default:
		sg_http_refuse(req, 403, "not allowed");
	}
}

/* RFC 6265 section 4.1. The path is one file's, so that each stream in a browser keeps its own. */
void media_add_cookie(struct sg_http_request *req, const char *sid)
{
	struct sg_str path = sg_http_path(req);
	char cookie[512];

	snprintf(cookie, sizeof(cookie), MEDIA_COOKIE "=%s; Path=%.*s; HttpOnly; SameSite=Lax%s", sid,
	    SG_STR_ARG(path), sg_http_is_secure(req) ? "; Secure" : "");
	sg_http_add_header(req, "Set-Cookie", cookie);
}

/* With the gate's lock held. The socket is open as long as the request is attached. Megabytes may lie
 * in the kernel's buffer: connecting a TCP socket to nowhere throws them away at once (connect(2),
 * AF_UNSPEC), where shutdown would have them delivered first. */
static void cut(struct sg_attachment *at)
{
	struct sg_http_request *req = SG_CONTAINER_OF(at, struct sg_http_request, attachment);
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	http_pump_cut(req->connection->pump);
	if (connect(req->connection->fd, &nowhere, sizeof(nowhere)) != 0)
		shutdown(req->connection->fd, SHUT_RDWR);
}

enum sg_reason media_enter(struct sg_http_request *req, struct sg_str sid, struct sg_str app,
    struct sg_str name, const struct play_kind *kind)
{
	struct sg_reentry re = { .sid = sid, .app = app, .protocol = kind->protocol,
		.peer = *sg_http_peer(req), .user_agent = sg_http_header(req, "User-Agent") };

	*(kind->recording ? &re.recording : &re.stream) = name;
	req->attachment.kicked = cut;
	return sg_gate_enter(req->srv->cfg.gate, &re, &req->attachment);
}

/* ---- requests ---- */

static void answer_preflight(struct sg_http_request *req)
{
	media_add_cors(req);
	sg_http_add_header(req, "Allow", "GET, HEAD, OPTIONS");
	sg_http_add_header(req, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
	sg_http_add_header(req, "Access-Control-Allow-Headers",
	    "Authorization, If-Modified-Since, If-None-Match, If-Range, Range");
	sg_http_add_header(req, "Access-Control-Max-Age", "600");
	sg_http_respond(req, 204, NULL, (struct sg_str){ 0 });
}

static const struct play_kind *kind_of(const struct media_name *n)
{
	static const struct play_kind *const kinds[] = { [MEDIA_HLS] = &play_hls,
		[MEDIA_DASH] = &play_dash,
		[MEDIA_FLV] = &play_flv, [MEDIA_TS] = &play_ts, [MEDIA_RECORDING] = &play_recording };

	return kinds[n->kind];
}

static void serve_recording(
    struct sg_http_media *m, struct sg_http_request *req, struct sg_str app, struct sg_str name,
    const char *sid)
{
	struct stat st;
	int fd = recording_open(m->srv->cfg.cfg, app, name, &st);

	if (fd < 0)
		sg_http_refuse_media(req, SG_STREAM_NOT_LIVE);
	else
		recording_answer(req, fd, &st, name, sid);
}

/* R4: the session that this request says it belongs to goes on. */
static void serve_session(struct sg_http_media *m, struct sg_http_request *req, struct sg_str app,
    const struct media_name *n)
{
	enum sg_reason verdict = media_enter(req, n->sid, app, n->name, kind_of(n));

	if (verdict != SG_ADMITTED)
		sg_http_refuse_media(req, verdict);
	else if (n->kind == MEDIA_RECORDING)
		serve_recording(m, req, app, n->name, NULL);
	else
		hls_serve(m, req, app, n);
}

/* The same by cookie. False: no cookie, or its session is over: the token decides. */
static bool serve_cookie(struct sg_http_media *m, struct sg_http_request *req, struct sg_str app,
    const struct media_name *n)
{
	struct sg_str value = sg_http_cookie(req, MEDIA_COOKIE);
	char sid[SG_SID_TEXT_SIZE];
	struct media_name first = *n;

	if (!sg_str_copy(sid, sizeof(sid), value) || value.len != SG_SID_TEXT_SIZE - 1)
		return false;
	if (media_enter(req, value, app, n->name, kind_of(n)) != SG_ADMITTED)
		return false;
	first.sid = value;
	if (n->kind == MEDIA_RECORDING)
		serve_recording(m, req, app, n->name, sid);
	else
		hls_serve(m, req, app, &first);
	return true;
}

/* "S_adaptive.m3u8" is S, unless a stream has that very name. */
static void resolve_alias(struct sg_http_media *m, struct sg_str app, struct media_name *n)
{
	if (!sg_stream_is_valid(n->alias))
		return;
	struct sg_stream *literal = sg_hub_find(m->srv->cfg.hub, app, n->name);
	if (!literal)
		n->name = n->alias;
	sg_stream_unref(literal);
}

static void on_media(struct sg_http_request *req, void *user)
{
	struct sg_http_media *m = user;
	struct sg_str app = sg_http_part(req, 0);
	struct media_name n;
	struct stat st;
	int fd = -1;

	if (sg_http_method(req) == SG_HTTP_OPTIONS) {
		answer_preflight(req);
		return;
	}
	media_add_cors(req);
	if (!http_media_name_parse(&n, sg_http_part(req, 1)) || !sg_app_is_valid(app)) {
		sg_http_refuse(req, 404, "not found");
		return;
	}
	if (n.sid.len) {
		serve_session(m, req, app, &n);
		return;
	}
	resolve_alias(m, app, &n);
	if (n.kind == MEDIA_HLS || n.kind == MEDIA_DASH || n.kind == MEDIA_RECORDING)
		if (serve_cookie(m, req, app, &n))
			return;
	if (n.kind == MEDIA_RECORDING)
		fd = recording_open(m->srv->cfg.cfg, app, n.name, &st);
	(sg_http_method(req) == SG_HTTP_HEAD ? head_begin : play_begin)(
	    m, req, kind_of(&n), app, n.name, fd, &st);
}

/* ---- opening and closing ---- */

static void open_lane(void *user)
{
	struct http_lane *lane = user;

	if (sg_timer_open(&lane->timer, lane->loop, live_tick, lane) != SG_OK)
		lane->timer = NULL;
	else
		sg_timer_start(lane->timer, 1000, 1000);
}

static void drain_lane(void *user)
{
	struct http_lane *lane = user;

	for (struct http_play *p = lane->plays, *next; p; p = next) {
		next = p->next;
		play_drain(p);
	}
	hls_wait_drain(lane);
}

static void close_lane(void *user)
{
	struct http_lane *lane = user;

	drain_lane(lane);
	sg_timer_close(lane->timer);
	lane->timer = NULL;
}

enum sg_result http_media_open(struct sg_http_media **out, struct sg_http_server *srv)
{
	struct sg_http_media *m = calloc(1, sizeof(*m));

	*out = m;
	if (!m)
		return SG_ERR_NO_MEMORY;
	m->srv = srv;
	m->lanes = calloc(srv->cfg.loop_count ? srv->cfg.loop_count : 1, sizeof(*m->lanes));
	if (!m->lanes)
		return SG_ERR_NO_MEMORY;
	for (; m->lane_count < srv->cfg.loop_count; m->lane_count++) {
		struct http_lane *lane = &m->lanes[m->lane_count];
		lane->media = m;
		lane->loop = srv->cfg.loops[m->lane_count];
		lane->fanout = srv->cfg.fanouts[m->lane_count];
		sg_loop_call(lane->loop, open_lane, lane);
		if (!lane->timer)
			return SG_ERR_NO_MEMORY;
	}
	sg_http_route(srv, SG_HTTP_GET | SG_HTTP_OPTIONS, "/{}/streams/{...}", on_media, m);
	return SG_OK;
}

void http_media_drain(struct sg_http_media *m)
{
	atomic_store(&m->draining, true);
	for (size_t i = 0; i < m->lane_count; i++)
		sg_loop_call(m->lanes[i].loop, drain_lane, &m->lanes[i]);
}

void http_media_close(struct sg_http_media *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->lane_count; i++)
		sg_loop_call(m->lanes[i].loop, close_lane, &m->lanes[i]);
	free(m->lanes);
	free(m);
}

size_t http_media_viewers(struct sg_http_media *m)
{
	return atomic_load(&m->viewers);
}

uint64_t http_media_bytes(struct sg_http_media *m)
{
	return atomic_load(&m->bytes);
}
