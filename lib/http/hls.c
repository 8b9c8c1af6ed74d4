/* hls.c - HLS and DASH: the first answer, whose links carry the session, and what they lead to.
 *
 * The session id stands in the path of everything that the first answer leads to; further links are
 * relative and inherit it, in every player and without cookies. */
#include "http/media_internal.h"

#define PLAYLIST_TYPE "application/vnd.apple.mpegurl" /* RFC 8216 section 4 */
#define MPD_TYPE "application/dash+xml" /* ISO/IEC 23009-1 annex C */

void hls_prefix(char out[HLS_PREFIX_SIZE], const char *sid, struct sg_str name)
{
	snprintf(out, HLS_PREFIX_SIZE, "s/%s/%.*s/", sid, SG_STR_ARG(name));
}

void hls_answer(struct sg_http_request *req, struct sg_blob *text, bool dash)
{
	sg_http_add_header(req, "Cache-Control", "no-store");
	if (text)
		sg_http_respond_blob(req, 200, dash ? MPD_TYPE : PLAYLIST_TYPE, text);
	else
		sg_http_refuse_media(req, SG_OVERLOAD);
}

/* ---- what the session leads to ---- */

static void count_bytes(struct sg_http_request *req, size_t size)
{
	if (sg_http_method(req) != SG_HTTP_HEAD && req->attachment.session)
		sg_session_add_bytes(req->attachment.session, size);
}

static void answer_object(
    struct sg_http_request *req, struct sg_hls_object *o, struct sg_str name)
{
	const char *type = o->changes                      ? PLAYLIST_TYPE
			   : sg_str_starts(name, "audio") ? "audio/mp4"
							  : "video/mp4";

	/* A playlist changes with every part; the rest never does, but is this viewer's alone. */
	sg_http_add_header(
	    req, "Cache-Control", o->changes ? "private, no-cache" : "private, max-age=60");
	count_bytes(req, o->size);
	http_respond_blobs(req, 200, type, o->blobs, o->count);
	free(o); /* its references are the answer's now */
}

static bool try_object(
    struct sg_http_request *req, struct sg_stream *stream, const struct sg_hls_ask *ask)
{
	struct sg_hls_object *o;

	switch (sg_hls_get(stream, ask, &o)) {
	case SG_HLS_SOON:
		return false;
	case SG_HLS_HERE:
		if (o)
			answer_object(req, o, ask->name);
		else
			sg_http_refuse_media(req, SG_OVERLOAD);
		return true;
	case SG_HLS_TOO_FAR:
		sg_http_refuse(req, 400, "too far ahead");
		return true;
	default:
		sg_http_refuse_media(req, SG_STREAM_NOT_LIVE);
		return true;
	}
}

bool hls_try(struct sg_http_request *req, struct sg_stream *stream, const struct hls_wanted *w)
{
	bool dash = w->what == HLS_MPD;

	if (w->what == HLS_OBJECT)
		return try_object(req, stream, &w->ask);
	if (!sg_hls_is_ready(stream))
		return false;
	struct sg_blob *text =
	    dash ? sg_hls_mpd(stream, w->prefix) : sg_hls_master(stream, w->prefix);
	if (text)
		count_bytes(req, text->size);
	hls_answer(req, text, dash);
	return true;
}

/* False: the query's words are no numbers. */
static bool parse_wanted(
    struct hls_wanted *w, struct sg_http_request *req, const struct media_name *n)
{
	*w = (struct hls_wanted){ .prefix = "", .ask.name = n->object };
	if (!n->object.len)
		w->what = n->kind == MEDIA_DASH ? HLS_MPD : HLS_MASTER;
	else if (sg_str_is(n->object, "index.mpd"))
		w->what = HLS_MPD;
	else if (sg_str_is(n->object, "master.m3u8"))
		w->what = HLS_MASTER;
	else
		w->what = HLS_OBJECT;
	return w->what != HLS_OBJECT || !sg_str_ends(n->object, ".m3u8") ||
	       sg_hls_ask_parse(&w->ask, sg_http_query(req, "_HLS_msn"),
		   sg_http_query(req, "_HLS_part"), sg_http_query(req, "_HLS_skip"));
}

void hls_serve(struct sg_http_media *m, struct sg_http_request *req, struct sg_str app,
    const struct media_name *n)
{
	/* Also when it has just ended: its last playlist says so. */
	struct sg_stream *stream = sg_hub_find_ended(m->srv->cfg.hub, app, n->name);
	char sid[SG_SID_TEXT_SIZE], prefix[HLS_PREFIX_SIZE];
	struct hls_wanted w;

	if (!stream) {
		sg_http_refuse_media(req, SG_STREAM_NOT_LIVE);
		return;
	}
	if (!parse_wanted(&w, req, n)) {
		sg_http_refuse(req, 400, "malformed _HLS_ parameter");
	} else {
		if (!n->object.len && sg_str_copy(sid, sizeof(sid), n->sid)) {
			hls_prefix(prefix, sid, n->name);
			w.prefix = prefix;
		}
		if (!hls_try(req, stream, &w))
			hls_wait(m, req, stream, &w);
	}
	sg_stream_unref(stream);
}

/* ---- admission ---- */

static void on_wake(struct sg_ring_waiter *w)
{
	struct http_play *p = SG_CONTAINER_OF(w, struct http_play, waiter);
	struct sg_executor *ex = sg_loop_executor(p->lane->loop);

	if (!atomic_exchange(&p->woken, true))
		ex->post(ex, &p->task);
}

void hls_stop_waiting(struct http_play *p)
{
	if (!p->waiting)
		return;
	p->waiting = false;
	sg_hls_remove_waiter(p->stream, &p->waiter);
	sg_timer_close(p->timer);
	p->timer = NULL;
}

static void look_again(struct sg_task *task)
{
	struct http_play *p = SG_CONTAINER_OF(task, struct http_play, task);

	atomic_store(&p->woken, false);
	if (p->over) {
		free(p);
		return;
	}
	if (!p->waiting || !sg_hls_is_ready(p->stream))
		return;
	hls_stop_waiting(p);
	play_go_on(p);
}

/* Live, but without a segment: codecs that do not go into CMAF, or a source that stands still. */
static void give_up(void *user)
{
	play_refuse(user, SG_OVERLOAD, SG_BYE_NO_MEDIA);
}

static enum play_state prepare(struct http_play *p)
{
	p->stream = sg_hub_find(
	    p->lane->media->srv->cfg.hub, sg_str_from(p->app), sg_str_from(p->name));
	if (!p->stream)
		return PLAY_GONE;
	if (sg_hls_is_ready(p->stream))
		return PLAY_READY;
	if (sg_timer_open(&p->timer, p->lane->loop, give_up, p) != SG_OK)
		return PLAY_GONE;
	p->waiting = true;
	p->task.run = look_again;
	p->waiter.wake = on_wake;
	sg_hls_add_waiter(p->stream, &p->waiter);
	sg_timer_start(p->timer, MEDIA_WAIT_MS, 0);
	/* It may have come between the two. */
	if (!sg_hls_is_ready(p->stream))
		return PLAY_WAIT;
	hls_stop_waiting(p);
	return PLAY_READY;
}

static void start(struct http_play *p)
{
	struct sg_http_request *req = p->req;
	struct sg_http_media *m = p->lane->media;
	struct sg_stream *stream = sg_stream_ref(p->stream);
	char sid[SG_SID_TEXT_SIZE], prefix[HLS_PREFIX_SIZE];
	const struct hls_wanted w = { .what = p->kind == &play_dash ? HLS_MPD : HLS_MASTER, .prefix = prefix };

	sg_gate_detach(p->session, sid);
	p->session = NULL;
	hls_prefix(prefix, sid, sg_str_from(p->name));
	play_end(p, SG_BYE_CLOSED);
	media_add_cookie(req, sid);
	/* Tracks may have changed since it was ready: the use is spent, and is not lost for that. */
	if (!hls_try(req, stream, &w))
		hls_wait(m, req, stream, &w);
	sg_stream_unref(stream);
	sg_wipe(sid, sizeof(sid));
	sg_wipe(prefix, sizeof(prefix));
}

const struct play_kind play_hls = { .protocol = "hls", .type = PLAYLIST_TYPE, .prepare = prepare,
	.start = start };
const struct play_kind play_dash = { .protocol = "dash", .type = MPD_TYPE, .prepare = prepare,
	.start = start };
