/* authorize.c - admissions for those who serve media on their own: nginx's auth_request, Caddy's
 * forward_auth, other media servers' hooks.
 *
 *   query thread: who asks, what for ─▶ a loop: the cookie's session, else the gate ─▶ 204, 401, 403
 *
 * An admission commits at once and its session is detached, as HLS's are: the cookie brings the same
 * viewer back. HEAD and OPTIONS, and what is asked for them, spend nothing (R3). */
#include "api/api_internal.h"
#include "base/url.h"
#include "net/loop.h"

#define COOKIE "sg_session" /* lib/base/redact.c hides what is behind a name that ends so */
#define COOKIE_NAME_SIZE 32
#define IN_FLIGHT_MAX 1024
#define TEXT_MAX 256

struct authorize {
	struct sg_task task;
	struct sg_attachment attachment;
	struct sg_api *api;
	struct sg_http_request *req;
	struct sg_session *session;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1], token[TEXT_MAX];
	char agent[TEXT_MAX], folder[TEXT_MAX]; /* the cookie's path */
	enum sg_token_type type;
	struct sg_addr peer;
};

/* ---- answers ---- */

static void finish(struct authorize *a, unsigned status)
{
	struct sg_http_request *req = a->req;

	atomic_fetch_sub(&a->api->authorizing, 1);
	sg_wipe(a->token, sizeof(a->token));
	free(a);
	sg_http_add_header(req, "Cache-Control", "no-store");
	sg_http_respond(req, status, NULL, (struct sg_str){0});
}

static unsigned status_of(enum sg_reason verdict)
{
	switch (verdict) {
	case SG_ADMITTED:
		return 204;
	case SG_MISSING_TOKEN:
		return 401;
	default: /* R12: no more is told; nginx knows no other refusals */
		return 403;
	}
}

/* The caller has shown a key: its word on how the player came to it is good. */
static bool is_secure(const struct sg_http_request *req)
{
	return sg_http_is_secure(req) ||
	       sg_str_starts(sg_http_header(req, "Origin"), "https://") ||
	       sg_str_equal_nocase(sg_http_header(req, "X-Forwarded-Proto"), SG_STR("https"));
}

/* Several streams may lie in one folder, which is the cookie's path: by the name each stream in a browser
 * keeps its own. A hash of the stream's name, since that may have any length. */
static void name_cookie(const struct authorize *a, char out[COOKIE_NAME_SIZE])
{
	char stream[SG_APP_MAX + SG_STREAM_MAX + 2];

	int len = snprintf(stream, sizeof(stream), "%s/%s", a->app, a->stream);
	uint64_t hash = sg_fnv1a(SG_FNV1A_START, stream, (size_t)len);
	snprintf(out, COOKIE_NAME_SIZE, "%08x_" COOKIE, (unsigned)(hash ^ hash >> 32));
}

static void set_cookie(struct authorize *a, const char *sid)
{
	char text[TEXT_MAX + 128], name[COOKIE_NAME_SIZE];

	name_cookie(a, name);
	snprintf(text, sizeof(text), "%s=%s; Path=%s; HttpOnly; SameSite=Lax%s", name, sid, a->folder,
	    is_secure(a->req) ? "; Secure" : "");
	sg_http_add_header(a->req, "Set-Cookie", text);
	sg_wipe(text, sizeof(text));
}

/* ---- on the loop ---- */

static void on_admitted(void *user, enum sg_reason verdict)
{
	struct authorize *a = user;
	char sid[SG_SID_TEXT_SIZE], id[SG_SESSION_ID_SIZE];

	if (verdict != SG_ADMITTED) {
		sg_gate_end(a->session, SG_BYE_CLOSED);
		finish(a, status_of(verdict));
		return;
	}
	sg_session_id(a->session, id);
	sg_http_add_header(a->req, "X-Streamgate-Session", id);
	sg_gate_detach(a->session, sid);
	if (a->type == SG_PLAY)
		set_cookie(a, sid);
	sg_wipe(sid, sizeof(sid));
	finish(a, 204);
}

static void on_kicked(void *user, enum sg_goodbye why)
{
	struct authorize *a = user;

	sg_gate_end(a->session, why);
	finish(a, 403);
}

/* The stream's own, else one from when all had the same name. */
static struct sg_str cookie_of(const struct authorize *a)
{
	char name[COOKIE_NAME_SIZE];

	name_cookie(a, name);
	struct sg_str own = sg_http_cookie(a->req, name);
	return own.len ? own : sg_http_cookie(a->req, COOKIE);
}

/* R4: the same viewer again. */
static enum sg_reason come_back(struct authorize *a)
{
	struct sg_reentry re = {.sid = cookie_of(a),
	    .app = sg_str_from(a->app),
	    .stream = sg_str_from(a->stream),
	    .protocol = "authorize",
	    .peer = a->peer,
	    .user_agent = sg_str_from(a->agent)};

	if (!re.sid.len || a->type != SG_PLAY)
		return SG_UNKNOWN_TOKEN;
	enum sg_reason verdict = sg_gate_enter(a->api->cfg.gate, &re, &a->attachment);
	if (verdict == SG_ADMITTED)
		sg_gate_leave(a->api->cfg.gate, &a->attachment);
	return verdict;
}

static void run(struct sg_task *task)
{
	struct authorize *a = SG_CONTAINER_OF(task, struct authorize, task);
	struct sg_loop *const *loops = a->api->cfg.loops;
	const struct sg_gate_client client = {.executor = sg_loop_executor(loops[0]),
	    .admitted = on_admitted,
	    .kicked = on_kicked,
	    .user = a};
	struct sg_request r = {.protocol = "authorize",
	    .app = sg_str_from(a->app),
	    .stream = sg_str_from(a->stream),
	    .type = a->type,
	    .token = *a->token ? sg_str_from(a->token) : (struct sg_str){0},
	    .peer = a->peer,
	    .user_agent = sg_str_from(a->agent),
	    .at_once = true,
	    .elsewhere = true};

	switch (come_back(a)) {
	case SG_ADMITTED:
		finish(a, 204);
		return;
	case SG_SHARED:
		finish(a, 403);
		return;
	default:
		break;
	}
	if (!(a->session = sg_gate_admit(a->api->cfg.gate, &r, &client)))
		finish(a, 403);
}

/* ---- what is asked ---- */

static const struct api_field fields[] = {{"app", API_STRING}, {"streamId", API_STRING},
    {"token", API_STRING}, {"tokenId", API_STRING}, {"type", API_STRING}, {"address", API_STRING},
    {"userAgent", API_STRING}};

static struct sg_str first_of(struct sg_str a, struct sg_str b)
{
	return a.len ? a : b;
}

/* "cam.m3u8" is cam's, and so is "cam". */
static struct sg_str without_format(struct sg_str name)
{
	static const char *const formats[] = {".m3u8", ".mpd", ".mp4", ".m4s", ".ts", ".flv"};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (sg_str_ends(name, formats[i])) {
			name.len -= strlen(formats[i]);
			break;
		}
	return name;
}

/* Who asks serves what the path leads to once "." and ".." are walked and slashes are merged: in a
 * path that has any, the names may be of what it passes by. */
static bool is_straight(struct sg_str path)
{
	struct sg_str rest = path, part;

	if (!rest.len || *rest.p != '/' || memchr(rest.p, '\\', rest.len) || memchr(rest.p, '#', rest.len))
		return false;
	rest.p++, rest.len--;
	for (bool more = true; more;) {
		more = sg_str_cut(rest, '/', &part, &rest);
		if (sg_str_is(part, ".") || sg_str_is(part, "..") || (more && !part.len))
			return false;
	}
	return true;
}

/* "/APP/streams/S.m3u8", "/APP/S/anything", "/APP/S.mp4" of a decoded path. */
static void take_path(struct authorize *a, struct sg_str path, struct sg_str *app, struct sg_str *stream)
{
	struct sg_str rest = path, part;
	size_t folder = path.len;

	while (folder && path.p[folder - 1] != '/')
		folder--;
	if (folder && folder < sizeof(a->folder) && !memchr(path.p, ';', path.len) &&
	    !memchr(path.p, ',', path.len))
		sg_str_copy(a->folder, sizeof(a->folder), (struct sg_str){path.p, folder});
	if (rest.len && *rest.p == '/')
		rest.p++, rest.len--;
	sg_str_cut(rest, '/', app, &rest);
	sg_str_cut(rest, '/', stream, &rest);
	if (sg_str_is(*stream, "streams") && rest.len) {
		sg_str_cut(rest, '/', &part, &rest);
		*stream = part;
	}
	*stream = without_format(*stream);
}

/* The names, from wherever they are; `text` holds the original URI's path, decoded. False: none good. */
static bool take_names(struct authorize *a, struct api_call *c, const json_t *body, struct sg_str uri,
    char *text, size_t size)
{
	struct sg_str path = {0}, query = {0}, app = {0}, stream = {0};

	sg_str_cut(uri, '?', &path, &query);
	if (path.len) {
		if (!sg_percent_decode(text, size, path, false) || !is_straight(sg_str_from(text)))
			return false;
		take_path(a, sg_str_from(text), &app, &stream);
	}
	if (!*a->token && query.len)
		(void)sg_query_get(query, "token", a->token, sizeof(a->token));
	app = first_of(first_of(api_string(body, "app"), api_query(c, "app")), app);
	stream = first_of(first_of(api_string(body, "streamId"), api_query(c, "streamId")), stream);
	if (!app.len)
		app = SG_STR("live");
	return sg_app_is_valid(app) && sg_gate_has_app(c->api->cfg.gate, app) &&
	       sg_stream_is_valid(stream) && sg_str_copy(a->app, sizeof(a->app), app) &&
	       sg_str_copy(a->stream, sizeof(a->stream), stream);
}

static bool take_peer(struct authorize *a, struct api_call *c, const json_t *body)
{
	struct sg_str said =
	    first_of(api_string(body, "address"), sg_http_header(c->req, "X-Real-IP"));

	a->peer = *sg_http_peer(c->req);
	return !said.len || sg_addr_parse(said, &a->peer);
}

/* HTTP status to refuse with, 0: all is there. */
static unsigned take(struct authorize *a, struct api_call *c, const json_t *body)
{
	struct sg_str uri = first_of(
	    sg_http_header(c->req, "X-Original-URI"), sg_http_header(c->req, "X-Forwarded-Uri"));
	struct sg_str token = first_of(first_of(api_string(body, "token"), api_string(body, "tokenId")),
	    api_query(c, "token"));
	struct sg_str agent =
	    first_of(api_string(body, "userAgent"), sg_http_header(c->req, "User-Agent"));
	int type = SG_PLAY;
	char text[1024];

	a->api = c->api;
	a->req = c->req;
	snprintf(a->folder, sizeof(a->folder), "/");
	sg_str_copy(a->agent, sizeof(a->agent), agent);
	/* One that is cut is not a token any more, and is refused as one. */
	sg_str_copy(a->token, sizeof(a->token), token);
	struct sg_str named = api_string(body, "type");
	if (!api_is_type(c, named.p ? named : api_query(c, "type"), &type))
		return 400; /* answered */
	a->type = (enum sg_token_type)type;
	if (!take_names(a, c, body, uri, text, sizeof(text)) || !take_peer(a, c, body))
		return *a->token ? 403 : 401;
	return 0;
}

/* HEAD, or asked for a HEAD: what would be said, spending nothing. */
static bool only_asks(const struct api_call *c)
{
	struct sg_str method = first_of(sg_http_header(c->req, "X-Original-Method"),
	    sg_http_header(c->req, "X-Forwarded-Method"));

	return sg_http_method(c->req) == SG_HTTP_HEAD || sg_str_is(method, "HEAD") ||
	       sg_str_is(method, "OPTIONS");
}

static void tell(struct authorize *a, struct api_call *c)
{
	struct sg_str app = sg_str_from(a->app), stream = sg_str_from(a->stream);
	enum sg_reason verdict = SG_ADMITTED;

	if (sg_gate_needs_token(c->api->cfg.gate, app, stream, a->type) &&
	    come_back(a) != SG_ADMITTED)
		verdict = *a->token ? sg_gate_check_token(c->store, sg_str_from(a->token), app,
					  stream, a->type, c->now, NULL)
				    : SG_MISSING_TOKEN;
	finish(a, status_of(verdict));
}

/* Takes `a`. */
static void go_on(struct authorize *a, struct api_call *c, unsigned status)
{
	struct sg_executor *ex;

	if (status == 400) { /* answered */
		atomic_fetch_sub(&c->api->authorizing, 1);
		sg_wipe(a->token, sizeof(a->token));
		free(a);
	} else if (status) {
		finish(a, status);
	} else if (only_asks(c)) {
		tell(a, c);
	} else {
		a->task.run = run;
		ex = sg_loop_executor(c->api->cfg.loops[0]);
		ex->post(ex, &a->task);
	}
}

void api_authorize(struct api_call *c)
{
	json_t *body = NULL;

	if (sg_http_body(c->req).len &&
	    !(body = api_body(c, fields, sizeof(fields) / sizeof(fields[0]))))
		return;
	struct authorize *a = calloc(1, sizeof(*a));
	if (!a || !c->api->cfg.loop_count ||
	    atomic_fetch_add(&c->api->authorizing, 1) >= IN_FLIGHT_MAX) {
		if (a && c->api->cfg.loop_count)
			atomic_fetch_sub(&c->api->authorizing, 1);
		free(a);
		api_try_later(c->req, 503, 1, "too many at a time: try again in a second");
	} else {
		go_on(a, c, take(a, c, body));
	}
	api_json_drop(body);
}
