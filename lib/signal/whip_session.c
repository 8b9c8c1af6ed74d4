/* whip_session.c - what a session's own URL takes: PATCH (trickle ICE, ICE restarts) and DELETE.
 * "Locked": with sig->lock held. */
#include "http/media.h"
#include "signal/whip_internal.h"

/* Locked. NULL: there is none such. */
static struct signal_resource *find(
    const struct sg_http_request *req, const struct signal_way *way, const char *owner)
{
	struct signal_resource *r;
	char id[SG_WEBRTC_ID_SIZE];

	if (!sg_str_copy(id, sizeof(id), sg_http_part(req, 2)))
		return NULL;
	HASH_FIND_STR(way->sig->listed, id, r);
	return r && r->way == way && !strcmp(r->owner, owner) && sg_str_is(sg_http_part(req, 0), r->app) &&
		       sg_str_is(sg_http_part(req, 1), r->stream)
		   ? r
		   : NULL;
}

/* RFC 9110 section 13.1.1, strong comparison. */
static bool if_match_holds(struct sg_str list, unsigned restarts)
{
	struct sg_str one;
	char etag[WHIP_ETAG_SIZE];

	whip_put_etag(etag, restarts);
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
	if (!whip_is_type(req, FRAGMENT_TYPE))
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

static void on_patch(struct sg_http_request *req, struct signal_way *way, const char *owner)
{
	struct sg_signal *sig = way->sig;
	struct sg_buf out;
	char etag[WHIP_ETAG_SIZE] = "";

	sg_buf_init(&out, SG_SDP_MAX);
	pthread_mutex_lock(&sig->lock);
	struct signal_resource *r = find(req, way, owner);
	unsigned status = patch(r, req, &out);
	if (r)
		whip_put_etag(etag, r->restarts);
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

static void on_delete(struct sg_http_request *req, struct signal_way *way, const char *owner)
{
	struct sg_signal *sig = way->sig;
	struct sg_webrtc_peer *peer = NULL;

	pthread_mutex_lock(&sig->lock);
	struct signal_resource *r = find(req, way, owner);
	if (r) {
		peer = whip_unlist_locked(r);
		r->deleted = true;
		r->task.run = whip_end_deleted; /* its news may be coming in just now */
		struct sg_executor *ex = sg_loop_executor(r->lane->loop);
		ex->post(ex, &r->task);
	}
	pthread_mutex_unlock(&sig->lock);
	/* Here, and not on its loop: whoever has the answer may ask with the same token. */
	sg_webrtc_close(peer, SG_BYE_CLOSED);
	if (r)
		sg_http_respond(req, 200, NULL, (struct sg_str){ 0 });
	else
		sg_http_refuse(req, 404, "there is no such session");
}

void whip_session(struct sg_http_request *req, struct signal_way *way, const char *owner)
{
	whip_add_cors(req, way);
	(sg_http_method(req) == SG_HTTP_PATCH ? on_patch : on_delete)(req, way, owner);
}
