/* whip.c - WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one request carries the offer in and the
 * answer out; the session's own URL then takes PATCH and DELETE.
 *
 * The token is asked for by POST alone: afterwards it is spent, and the secrecy of the session's URL is
 * what opens it. A preview has no token but an owner, who is asked for at every request. */
#include "http/media.h"
#include "signal/whip_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <utlist.h>

/* ---- what answers have in common ---- */

/* Where no cookie counts any page may ask. */
void whip_add_cors(struct sg_http_request *req, const struct signal_way *way)
{
	if (way->by_admin)
		return;
	sg_http_add_header(req, "Access-Control-Allow-Origin", "*");
	sg_http_add_header(req, "Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch");
}

void whip_put_etag(char out[WHIP_ETAG_SIZE], unsigned restarts)
{
	snprintf(out, WHIP_ETAG_SIZE, "\"ice-%u\"", restarts);
}

bool whip_is_type(const struct sg_http_request *req, const char *type)
{
	struct sg_str value = sg_http_header(req, "Content-Type"), rest;

	sg_str_cut(value, ';', &value, &rest);
	while (value.len && value.p[value.len - 1] == ' ')
		value.len--;
	return sg_str_equal_nocase(value, sg_str_from(type));
}

/* RFC 9725 section 4.2 wants Bearer; Ant Media's clients also send the bare token, or put it into the
 * URL, as all our links do. */
static struct sg_str token_of(const struct sg_http_request *req, const struct signal_way *way)
{
	struct sg_str token = sg_http_query(req, "token"), auth = sg_http_header(req, "Authorization");

	if (way->by_admin)
		return (struct sg_str){ 0 };
	if (token.len)
		return token;
	if (auth.len > 7 && !strncasecmp(auth.p, "bearer ", 7))
		auth = (struct sg_str){ auth.p + 7, auth.len - 7 };
	while (auth.len && auth.p[0] == ' ')
		auth.p++, auth.len--;
	return auth.len && !memchr(auth.p, ' ', auth.len) ? auth : (struct sg_str){ 0 };
}

static bool is_wanted(const struct sg_http_request *req, const char *key)
{
	return !sg_str_equal_nocase(sg_http_query(req, key), SG_STR("false"));
}

/* ---- the end ---- */

struct sg_webrtc_peer *whip_unlist_locked(struct signal_resource *r)
{
	struct sg_webrtc_peer *peer = r->peer;

	if (r->listed)
		HASH_DEL(r->lane->sig->listed, r);
	r->listed = false;
	r->peer = NULL;
	return peer;
}

static void free_resource(struct signal_resource *r)
{
	struct sg_signal *sig = r->lane->sig;

	DL_DELETE(r->lane->resources, r);
	atomic_fetch_sub(r->way->by_admin ? &sig->preview_count : &sig->resource_count, 1);
	sg_wipe(r->owner, sizeof(r->owner));
	free(r->answer);
	free(r);
}

void whip_end(struct signal_resource *r, enum sg_goodbye why)
{
	struct sg_signal *sig = r->lane->sig;

	pthread_mutex_lock(&sig->lock);
	struct sg_webrtc_peer *peer = whip_unlist_locked(r);
	pthread_mutex_unlock(&sig->lock);
	sg_webrtc_close(peer, why);
	if (!r->deleted)
		free_resource(r);
}

void whip_end_deleted(struct sg_task *task)
{
	free_resource(SG_CONTAINER_OF(task, struct signal_resource, task));
}

/* The answer comes last: the server may close behind it. */
void whip_end_refused(struct signal_resource *r, enum sg_reason verdict)
{
	struct sg_http_request *req = r->req;

	whip_end(r, SG_BYE_CLOSED);
	sg_http_refuse_media(req, verdict);
}

/* ---- the engine's news, on the loop ---- */

static void list(struct signal_resource *r, struct sg_str sdp)
{
	struct sg_signal *sig = r->lane->sig;

	pthread_mutex_lock(&sig->lock);
	snprintf(r->id, sizeof(r->id), "%s", sg_webrtc_id(r->peer));
	r->answer = sg_str_dup(sdp); /* without memory for it there is no ICE restart */
	HASH_ADD_STR(sig->listed, id, r);
	r->listed = true;
	pthread_mutex_unlock(&sig->lock);
}

static void on_described(void *user, struct sg_str sdp)
{
	struct signal_resource *r = user;
	struct sg_http_request *req = r->req;
	char location[SG_APP_MAX + SG_STREAM_MAX + SG_WEBRTC_ID_SIZE + 32], etag[WHIP_ETAG_SIZE];

	if (!req)
		return;
	list(r, sdp);
	r->req = NULL;
	snprintf(location, sizeof(location), "%.*s/%s", SG_STR_ARG(sg_http_path(req)), r->id);
	whip_put_etag(etag, 0);
	sg_http_add_header(req, "Location", location);
	sg_http_add_header(req, "ETag", etag);
	sg_http_add_header(req, "Accept-Patch", FRAGMENT_TYPE);
	signal_add_ice_links(req, r->lane->sig->cfg.cfg, true);
	sg_http_add_header(req, "Cache-Control", "no-store");
	sg_http_respond(req, 201, SDP_TYPE, sdp);
}

static void on_started(void *user)
{
	(void)user; /* there is nobody to tell */
}

static void on_ended(void *user, enum sg_reason verdict, enum sg_goodbye why, const char *detail)
{
	struct signal_resource *r = user;
	struct sg_http_request *req = r->req;

	if (!req) {
		whip_end(r, why);
		return;
	}
	if (verdict != SG_ADMITTED) {
		whip_end_refused(r, verdict);
		return;
	}
	/* Admitted, but its offer cannot be answered: only now it may learn why. */
	char text[160] = "the offer cannot be accepted";
	if (*detail && !strpbrk(detail, "\"\\\n"))
		snprintf(text, sizeof(text), "%s", detail);
	bool stopping = why == SG_BYE_SHUTDOWN;
	whip_end(r, why);
	if (stopping)
		sg_http_refuse_media(req, SG_OVERLOAD);
	else
		sg_http_refuse(req, 422, text);
}

static const struct sg_webrtc_events peer_events = { .described = on_described, .started = on_started, .ended = on_ended };

/* ---- POST ---- */

static void begin(struct sg_task *task)
{
	struct signal_resource *r = SG_CONTAINER_OF(task, struct signal_resource, task);
	struct sg_signal *sig = r->lane->sig;
	const struct sg_webrtc_open open = {
		.protocol = r->way->protocol, .type = r->way->type, .by_admin = r->way->by_admin,
		.app = sg_str_from(r->app), .stream = sg_str_from(r->stream),
		.token = token_of(r->req, r->way), .user_agent = sg_http_header(r->req, "User-Agent"),
		.peer = *sg_http_peer(r->req), .offer = sg_http_body(r->req),
		.video = is_wanted(r->req, "video"), .audio = is_wanted(r->req, "audio"),
		.executor = sg_loop_executor(r->lane->loop), .events = &peer_events, .user = r };

	DL_APPEND(r->lane->resources, r);
	r->peer = atomic_load(&sig->draining) ? NULL : sg_webrtc_open(sig->cfg.webrtc, &open);
	if (!r->peer)
		whip_end_refused(r, SG_OVERLOAD);
}

/* Is the request one that can be asked the gate about? No: it has been answered. */
static bool check_offer(struct sg_http_request *req, struct fragment *f)
{
	struct sg_str body = sg_http_body(req);

	if (!whip_is_type(req, SDP_TYPE)) {
		sg_http_add_header(req, "Accept-Post", SDP_TYPE);
		sg_http_refuse(req, 415, "an SDP offer (" SDP_TYPE ") is expected here");
	} else if (body.len > SG_SDP_MAX) {
		sg_http_refuse(req, 413, "the offer is too large");
	} else if (!sg_str_starts(body, "v=0") || !fragment_parse(f, body)) {
		sg_http_refuse(req, 400, "this is no SDP offer");
	} else {
		return true;
	}
	return false;
}

void whip_post(struct sg_http_request *req, struct signal_way *way, const char *owner)
{
	struct sg_signal *sig = way->sig;
	struct fragment f;
	struct sg_str app = sg_http_part(req, 0), stream = sg_http_part(req, 1);

	whip_add_cors(req, way);
	if (!sg_app_is_valid(app) || !sg_stream_is_valid(stream)) {
		sg_http_refuse(req, 404, "not found");
		return;
	}
	if (!check_offer(req, &f))
		return;
	if (way->by_admin && atomic_load(&sig->preview_count) >= SG_SIGNAL_PREVIEWS_MAX) {
		sg_http_refuse_media(req, SG_OVERLOAD);
		return;
	}
	struct signal_resource *r = calloc(1, sizeof(*r));
	if (!r) {
		sg_http_refuse_media(req, SG_OVERLOAD);
		return;
	}
	r->lane = &sig->lanes[atomic_fetch_add(&sig->next_lane, 1) % sig->lane_count];
	r->req = req;
	r->way = way;
	sg_str_copy(r->owner, sizeof(r->owner), sg_str_from(owner));
	sg_str_copy(r->app, sizeof(r->app), app);
	sg_str_copy(r->stream, sizeof(r->stream), stream);
	sg_str_copy(r->ufrag, sizeof(r->ufrag), f.ufrag);
	sg_str_copy(r->pwd, sizeof(r->pwd), f.pwd);
	r->task.run = begin;
	atomic_fetch_add(way->by_admin ? &sig->preview_count : &sig->resource_count, 1);
	sg_http_defer(req, r);
	struct sg_executor *ex = sg_loop_executor(r->lane->loop);
	ex->post(ex, &r->task);
}

static void on_post(struct sg_http_request *req, void *way)
{
	whip_post(req, way, "");
}

static void on_session(struct sg_http_request *req, void *way)
{
	whip_session(req, way, "");
}

/* ---- OPTIONS ---- */

/* Preflights carry no credentials (Fetch, "CORS-preflight fetch"). */
static void answer_options(
    struct sg_http_request *req, const struct signal_way *way, const char *methods)
{
	whip_add_cors(req, way);
	sg_http_add_header(req, "Allow", methods);
	sg_http_add_header(req, "Accept-Post", SDP_TYPE);
	sg_http_add_header(req, "Access-Control-Allow-Methods", methods);
	sg_http_add_header(req, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match");
	sg_http_add_header(req, "Access-Control-Max-Age", "600");
	sg_http_respond(req, 204, NULL, (struct sg_str){ 0 });
}

/* Those who cannot change their servers once they have made an offer ask here first. */
static void on_options(struct sg_http_request *req, void *user)
{
	const struct signal_way *way = user;
	struct sg_signal *sig = way->sig;
	struct sg_str app = sg_http_part(req, 0), stream = sg_http_part(req, 1);
	bool open = sg_app_is_valid(app) && sg_stream_is_valid(stream) && sg_gate_has_app(sig->cfg.gate, app) &&
		    !sg_gate_needs_token(sig->cfg.gate, app, stream, way->type);

	signal_add_ice_links(req, sig->cfg.cfg, open);
	answer_options(req, way, "POST, OPTIONS");
}

static void on_session_options(struct sg_http_request *req, void *way)
{
	sg_http_add_header(req, "Accept-Patch", FRAGMENT_TYPE);
	answer_options(req, way, "PATCH, DELETE, OPTIONS");
}

/* ---- by lane ---- */

void signal_resources_drain(struct signal_lane *lane)
{
	struct signal_resource *r, *next;

	DL_FOREACH_SAFE (lane->resources, r, next)
		if (r->req)
			whip_end_refused(r, SG_OVERLOAD);
}

void signal_resources_close(struct signal_lane *lane)
{
	struct signal_resource *r, *next;

	DL_FOREACH_SAFE (lane->resources, r, next)
		whip_end(r, SG_BYE_SHUTDOWN);
}

void signal_whip_routes(struct sg_signal *sig)
{
	const struct {
		unsigned methods;
		const char *pattern;
		sg_http_handler handler;
		struct signal_way *way;
	} routes[] = {
		{ SG_HTTP_POST, "/{}/whip/{}", on_post, &sig->whip },
		{ SG_HTTP_POST, "/{}/whep/{}", on_post, &sig->whep },
		{ SG_HTTP_OPTIONS, "/{}/whip/{}", on_options, &sig->whip },
		{ SG_HTTP_OPTIONS, "/{}/whep/{}", on_options, &sig->whep },
		{ SG_HTTP_PATCH | SG_HTTP_DELETE, "/{}/whip/{}/{}", on_session, &sig->whip },
		{ SG_HTTP_PATCH | SG_HTTP_DELETE, "/{}/whep/{}/{}", on_session, &sig->whep },
		{ SG_HTTP_OPTIONS, "/{}/whip/{}/{}", on_session_options, &sig->whip },
		{ SG_HTTP_OPTIONS, "/{}/whep/{}/{}", on_session_options, &sig->whep },
	};

	sig->whip = (struct signal_way){ .sig = sig, .protocol = "whip", .type = SG_PUBLISH };
	sig->whep = (struct signal_way){ .sig = sig, .protocol = "whep", .type = SG_PLAY };
	sig->preview =
	    (struct signal_way){ .sig = sig, .protocol = "preview", .type = SG_PLAY, .by_admin = true };
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		sg_http_route(sig->cfg.http, routes[i].methods, routes[i].pattern, routes[i].handler,
		    routes[i].way);
}
