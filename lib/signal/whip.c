/* whip.c - WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): one request carries the offer in and the
 * answer out; the session's own URL then takes PATCH and DELETE.
 *
 * A session lives on one loop, where the engine's news come. Requests about it come on the web server's
 * threads and find it by its id, under the lock. The token is asked for by POST alone: afterwards it is
 * spent, and the secrecy of the session's URL is what opens it. */
#include "http/media.h"
#include "signal/fragment.h"
#include "signal/signal_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <utlist.h>

#define SDP_TYPE "application/sdp"
#define FRAGMENT_TYPE "application/trickle-ice-sdpfrag"

struct signal_resource {
	struct signal_resource *prev, *next; /* lane->resources */
	UT_hash_handle hh;                   /* sig->listed */
	struct signal_lane *lane;
	struct sg_task task;         /* the beginning; the end by DELETE */
	struct sg_http_request *req; /* until it is answered */
	struct sg_webrtc_peer *peer;
	enum sg_token_type type;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1];
	/* Under sig->lock: */
	char id[SG_WEBRTC_ID_SIZE];
	bool listed, deleted;
	unsigned restarts;
	char ufrag[257], pwd[257]; /* the peer's */
	char *answer;              /* our SDP */
};

/* ---- what answers have in common ---- */

/* No cookie counts here, so that any page may ask. */
static void add_cors(struct sg_http_request *req)
{
	sg_http_add_header(req, "Access-Control-Allow-Origin", "*");
	sg_http_add_header(req, "Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch");
}

static void put_etag(char out[24], unsigned restarts)
{
	snprintf(out, 24, "\"ice-%u\"", restarts);
}

static bool is_type(const struct sg_http_request *req, const char *type)
{
	struct sg_str value = sg_http_header(req, "Content-Type"), rest;

	sg_str_cut(value, ';', &value, &rest);
	while (value.len && value.p[value.len - 1] == ' ')
		value.len--;
	return sg_str_equal_nocase(value, sg_str_from(type));
}

/* RFC 9725 section 4.2 wants Bearer; Ant Media's clients also send the bare token, or put it into the
 * URL, as all our links do. */
static struct sg_str token_of(const struct sg_http_request *req)
{
	struct sg_str token = sg_http_query(req, "token"), auth = sg_http_header(req, "Authorization");

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

static void unlist(struct signal_resource *r)
{
	struct sg_signal *sig = r->lane->sig;

	pthread_mutex_lock(&sig->lock);
	if (r->listed)
		HASH_DEL(sig->listed, r);
	r->listed = false;
	pthread_mutex_unlock(&sig->lock);
}

static void free_resource(struct signal_resource *r)
{
	struct sg_signal *sig = r->lane->sig;

	DL_DELETE(r->lane->resources, r);
	free(r->answer);
	free(r);
	atomic_fetch_sub(&sig->resource_count, 1);
}

/* On the loop. With a DELETE on its way the memory is that task's. */
static void end(struct signal_resource *r, enum sg_goodbye why)
{
	unlist(r);
	sg_webrtc_close(r->peer, why);
	r->peer = NULL;
	if (!r->deleted)
		free_resource(r);
}

static void end_deleted(struct sg_task *task)
{
	struct signal_resource *r = SG_CONTAINER_OF(task, struct signal_resource, task);

	sg_webrtc_close(r->peer, SG_BYE_CLOSED);
	free_resource(r);
}

/* Ends it with an answer. The answer comes last: the server may close behind it. */
static void end_refused(struct signal_resource *r, enum sg_reason verdict)
{
	struct sg_http_request *req = r->req;

	end(r, SG_BYE_CLOSED);
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
	char location[SG_APP_MAX + SG_STREAM_MAX + SG_WEBRTC_ID_SIZE + 16], etag[24];

	if (!req)
		return;
	list(r, sdp);
	r->req = NULL;
	snprintf(location, sizeof(location), "/%s/%s/%s/%s", r->app,
	    r->type == SG_PUBLISH ? "whip" : "whep", r->stream, r->id);
	put_etag(etag, 0);
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
		end(r, why);
		return;
	}
	if (verdict != SG_ADMITTED) {
		end_refused(r, verdict);
		return;
	}
	/* Admitted, but its offer cannot be answered: only now it may learn why. */
	char text[160] = "the offer cannot be accepted";
	if (*detail && !strpbrk(detail, "\"\\\n"))
		snprintf(text, sizeof(text), "%s", detail);
	bool stopping = why == SG_BYE_SHUTDOWN;
	end(r, why);
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
		.protocol = r->type == SG_PUBLISH ? "whip" : "whep",
		.app = sg_str_from(r->app), .stream = sg_str_from(r->stream),
		.token = token_of(r->req), .user_agent = sg_http_header(r->req, "User-Agent"),
		.type = r->type, .peer = *sg_http_peer(r->req), .offer = sg_http_body(r->req),
		.video = is_wanted(r->req, "video"), .audio = is_wanted(r->req, "audio"),
		.executor = sg_loop_executor(r->lane->loop), .events = &peer_events, .user = r };

	DL_APPEND(r->lane->resources, r);
	r->peer = atomic_load(&sig->draining) ? NULL : sg_webrtc_open(sig->cfg.webrtc, &open);
	if (!r->peer)
		end_refused(r, SG_OVERLOAD);
}

/* Is the request one that can be asked the gate about? No: it has been answered. */
static bool check_offer(struct sg_http_request *req, struct fragment *f)
{
	struct sg_str body = sg_http_body(req);

	if (!is_type(req, SDP_TYPE)) {
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

static void on_post(struct sg_http_request *req, struct sg_signal *sig, enum sg_token_type type)
{
	struct fragment f;
	struct sg_str app = sg_http_part(req, 0), stream = sg_http_part(req, 1);

	add_cors(req);
	if (!sg_app_is_valid(app) || !sg_stream_is_valid(stream)) {
		sg_http_refuse(req, 404, "not found");
		return;
	}
	if (!check_offer(req, &f))
		return;
	struct signal_resource *r = calloc(1, sizeof(*r));
	if (!r) {
		sg_http_refuse_media(req, SG_OVERLOAD);
		return;
	}
	r->lane = &sig->lanes[atomic_fetch_add(&sig->next_lane, 1) % sig->lane_count];
	r->req = req;
	r->type = type;
	sg_str_copy(r->app, sizeof(r->app), app);
	sg_str_copy(r->stream, sizeof(r->stream), stream);
	sg_str_copy(r->ufrag, sizeof(r->ufrag), f.ufrag);
	sg_str_copy(r->pwd, sizeof(r->pwd), f.pwd);
	r->task.run = begin;
	atomic_fetch_add(&sig->resource_count, 1);
	sg_http_defer(req, r);
	struct sg_executor *ex = sg_loop_executor(r->lane->loop);
	ex->post(ex, &r->task);
}

static void on_whip(struct sg_http_request *req, void *sig)
{
	on_post(req, sig, SG_PUBLISH);
}

static void on_whep(struct sg_http_request *req, void *sig)
{
	on_post(req, sig, SG_PLAY);
}

/* ---- OPTIONS ---- */

/* Preflights carry no credentials (Fetch, "CORS-preflight fetch"). */
static void answer_options(struct sg_http_request *req, const char *methods)
{
	add_cors(req);
	sg_http_add_header(req, "Allow", methods);
	sg_http_add_header(req, "Accept-Post", SDP_TYPE);
	sg_http_add_header(req, "Access-Control-Allow-Methods", methods);
	sg_http_add_header(req, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match");
	sg_http_add_header(req, "Access-Control-Max-Age", "600");
	sg_http_respond(req, 204, NULL, (struct sg_str){ 0 });
}

/* Those who cannot change their servers once they have made an offer ask here first. */
static void answer_endpoint(struct sg_http_request *req, struct sg_signal *sig, enum sg_token_type type)
{
	struct sg_str app = sg_http_part(req, 0), stream = sg_http_part(req, 1);
	bool open = sg_app_is_valid(app) && sg_stream_is_valid(stream) && sg_gate_has_app(sig->cfg.gate, app) &&
		    !sg_gate_needs_token(sig->cfg.gate, app, stream, type);

	signal_add_ice_links(req, sig->cfg.cfg, open);
	answer_options(req, "POST, OPTIONS");
}

static void on_whip_options(struct sg_http_request *req, void *sig)
{
	answer_endpoint(req, sig, SG_PUBLISH);
}

static void on_whep_options(struct sg_http_request *req, void *sig)
{
	answer_endpoint(req, sig, SG_PLAY);
}

static void on_session_options(struct sg_http_request *req, void *sig)
{
	(void)sig;
	sg_http_add_header(req, "Accept-Patch", FRAGMENT_TYPE);
	answer_options(req, "PATCH, DELETE, OPTIONS");
}

/* ---- PATCH and DELETE; sig->lock is held where it says so ---- */

/* Locked. NULL: there is none such. */
static struct signal_resource *find(
    struct sg_signal *sig, const struct sg_http_request *req, enum sg_token_type type)
{
	struct signal_resource *r;
	char id[SG_WEBRTC_ID_SIZE];

	if (!sg_str_copy(id, sizeof(id), sg_http_part(req, 2)))
		return NULL;
	HASH_FIND_STR(sig->listed, id, r);
	return r && r->type == type && sg_str_is(sg_http_part(req, 0), r->app) &&
		       sg_str_is(sg_http_part(req, 1), r->stream)
		   ? r
		   : NULL;
}

/* RFC 9110 section 13.1.1, strong comparison. */
static bool if_match_holds(struct sg_str list, unsigned restarts)
{
	struct sg_str one;
	char etag[24];

	put_etag(etag, restarts);
	for (bool more = list.len > 0; more;) {
		more = sg_str_cut(list, ',', &one, &list);
		while (one.len && one.p[0] == ' ')
			one.p++, one.len--;
		while (one.len && one.p[one.len - 1] == ' ')
			one.len--;
		if (sg_str_is(one, "*") || sg_str_is(one, etag))
			return true;
	}
	return false;
}

static bool is_restart(const struct signal_resource *r, const struct fragment *f)
{
	return f->ufrag.len && f->pwd.len &&
	       (!sg_str_is(f->ufrag, r->ufrag) || !sg_str_is(f->pwd, r->pwd));
}

/* Locked. RFC 9725 section 4.3.3; `out` is the answer. */
static void restart(struct signal_resource *r, const struct fragment *f, struct sg_buf *out)
{
	char ufrag[SG_ICE_UFRAG_SIZE], pwd[SG_ICE_PWD_SIZE];

	sg_webrtc_restart(r->peer, f->ufrag, f->pwd, ufrag, pwd);
	sg_str_copy(r->ufrag, sizeof(r->ufrag), f->ufrag);
	sg_str_copy(r->pwd, sizeof(r->pwd), f->pwd);
	r->restarts++;
	fragment_put_restart(out, sg_str_from(r->answer), ufrag, pwd);
}

/* Locked. RFC 9725 section 4.3.2. */
static bool trickle(struct signal_resource *r, const struct fragment *f)
{
	for (size_t i = 0; i < f->candidate_count; i++)
		if (!sg_webrtc_add_candidate(r->peer, f->candidates[i]))
			return false;
	return true;
}

/* Locked; the status. */
static unsigned patch(struct signal_resource *r, struct sg_http_request *req, struct sg_buf *out)
{
	struct sg_str match = sg_http_header(req, "If-Match");
	struct fragment f;

	if (!r)
		return 404;
	if (!is_type(req, FRAGMENT_TYPE))
		return 415;
	if (!match.p)
		return 428; /* RFC 9725 section 4.3.1 */
	if (!if_match_holds(match, r->restarts))
		return 412;
	if (!fragment_parse(&f, sg_http_body(req)) || !f.ufrag.p != !f.pwd.p)
		return 400;
	if (!is_restart(r, &f))
		return trickle(r, &f) ? 204 : 400;
	if (!r->answer)
		return 503;
	restart(r, &f, out);
	return out->failed ? 503 : 200;
}

static void on_patch(struct sg_http_request *req, struct sg_signal *sig, enum sg_token_type type)
{
	struct sg_buf out;
	char etag[24] = "";

	add_cors(req);
	sg_buf_init(&out, SG_SDP_MAX);
	pthread_mutex_lock(&sig->lock);
	struct signal_resource *r = find(sig, req, type);
	unsigned status = patch(r, req, &out);
	if (r)
		put_etag(etag, r->restarts);
	pthread_mutex_unlock(&sig->lock);
	switch (status) {
	case 200:
		sg_http_add_header(req, "ETag", etag);
		sg_http_respond(req, 200, FRAGMENT_TYPE, (struct sg_str){ (char *)out.p, out.len });
		break;
	case 204:
		sg_http_respond(req, 204, NULL, (struct sg_str){ 0 });
		break;
	case 404:
		sg_http_refuse(req, 404, "there is no such session");
		break;
	case 412:
		sg_http_refuse(req, 412, "this is about another ICE session");
		break;
	case 415:
		sg_http_add_header(req, "Accept-Patch", FRAGMENT_TYPE);
		sg_http_refuse(req, 415, "an SDP fragment (" FRAGMENT_TYPE ") is expected here");
		break;
	case 428:
		sg_http_refuse(req, 428, "If-Match must say which ICE session this is about");
		break;
	case 503:
		sg_http_refuse_media(req, SG_OVERLOAD);
		break;
	default:
		sg_http_refuse(req, 400, "malformed SDP fragment");
	}
	sg_buf_reset(&out);
}

static void on_delete(struct sg_http_request *req, struct sg_signal *sig, enum sg_token_type type)
{
	add_cors(req);
	pthread_mutex_lock(&sig->lock);
	struct signal_resource *r = find(sig, req, type);
	if (r) {
		HASH_DEL(sig->listed, r);
		r->listed = false;
		r->deleted = true;
		r->task.run = end_deleted;
		struct sg_executor *ex = sg_loop_executor(r->lane->loop);
		ex->post(ex, &r->task);
	}
	pthread_mutex_unlock(&sig->lock);
	if (r)
		sg_http_respond(req, 200, NULL, (struct sg_str){ 0 });
	else
		sg_http_refuse(req, 404, "there is no such session");
}

static void on_session(struct sg_http_request *req, void *sig, enum sg_token_type type)
{
	(sg_http_method(req) == SG_HTTP_PATCH ? on_patch : on_delete)(req, sig, type);
}

static void on_whip_session(struct sg_http_request *req, void *sig)
{
	on_session(req, sig, SG_PUBLISH);
}

static void on_whep_session(struct sg_http_request *req, void *sig)
{
	on_session(req, sig, SG_PLAY);
}

/* ---- by lane ---- */

void signal_resources_drain(struct signal_lane *lane)
{
	struct signal_resource *r, *next;

	DL_FOREACH_SAFE (lane->resources, r, next)
		if (r->req)
			end_refused(r, SG_OVERLOAD);
}

void signal_resources_close(struct signal_lane *lane)
{
	struct signal_resource *r, *next;

	DL_FOREACH_SAFE (lane->resources, r, next)
		end(r, SG_BYE_SHUTDOWN);
}

void signal_whip_routes(struct sg_signal *sig)
{
	static const struct {
		unsigned methods;
		const char *pattern;
		sg_http_handler handler;
	} routes[] = {
		{ SG_HTTP_POST, "/{}/whip/{}", on_whip },
		{ SG_HTTP_POST, "/{}/whep/{}", on_whep },
		{ SG_HTTP_OPTIONS, "/{}/whip/{}", on_whip_options },
		{ SG_HTTP_OPTIONS, "/{}/whep/{}", on_whep_options },
		{ SG_HTTP_PATCH | SG_HTTP_DELETE, "/{}/whip/{}/{}", on_whip_session },
		{ SG_HTTP_PATCH | SG_HTTP_DELETE, "/{}/whep/{}/{}", on_whep_session },
		{ SG_HTTP_OPTIONS, "/{}/whip/{}/{}", on_session_options },
		{ SG_HTTP_OPTIONS, "/{}/whep/{}/{}", on_session_options },
	};

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		sg_http_route(
		    sig->cfg.http, routes[i].methods, routes[i].pattern, routes[i].handler, sig);
}
