/* hls.c - HLS (RFC 8216): the first playlist, whose links carry the session, and what they lead to.
 *
 * The session id stands in the path of the media playlist; its own links are relative and inherit
 * it, in every player and without cookies. */
#include "http/media_internal.h"

#define PLAYLIST_TYPE "application/vnd.apple.mpegurl" /* RFC 8216 section 4 */

/* ---- the first playlist ---- */

/* Every line that is a link gets "s/SID/S/" in front. */
static struct sg_blob *with_session(
    const struct sg_blob *master, const char *sid, struct sg_str name)
{
	struct sg_buf out;
	struct sg_str rest = { (const char *)master->p, master->size }, line;

	sg_buf_init(&out, 65536);
	while (rest.len) {
		bool more = sg_str_cut(rest, '\n', &line, &rest);
		if (line.len && line.p[0] != '#' && line.p[0] != '\r')
			sg_buf_printf(&out, "s/%s/%.*s/", sid, SG_STR_ARG(name));
		sg_buf_append(&out, line.p, line.len);
		if (more)
			sg_buf_put_u8(&out, '\n');
	}
	struct sg_blob *b = out.failed ? NULL : sg_blob_new(out.len);
	if (b && out.len)
		memcpy(b->p, out.p, out.len);
	sg_buf_reset(&out);
	return b;
}

void hls_answer(struct sg_http_request *req, const char *sid, struct sg_str name,
    const struct sg_blob *master)
{
	struct sg_blob *b = with_session(master, sid, name);

	sg_http_add_header(req, "Cache-Control", "no-store"); /* it holds the session */
	if (b)
		sg_http_respond_blob(req, 200, PLAYLIST_TYPE, b);
	else
		media_refuse(req, SG_OVERLOAD);
}

/* ---- what the session leads to ---- */

static const struct {
	const char *suffix, *type, *cache;
} objects[] = {
	/* A playlist changes with every segment; the rest never does, but is this viewer's alone. */
	{ ".m3u8", PLAYLIST_TYPE, "private, no-cache" },
	{ ".m4s", "video/mp4", "private, max-age=60" },
	{ ".mp4", "video/mp4", "private, max-age=60" },
};

static void serve_object(
    struct sg_http_request *req, struct sg_stream *stream, struct sg_str object)
{
	struct sg_blob *b = sg_str_is(object, "index.m3u8")    ? sg_hls_playlist(stream)
			    : sg_str_is(object, "master.m3u8") ? sg_hls_master(stream)
							       : sg_hls_object(stream, object);

	for (size_t i = 0; b && i < sizeof(objects) / sizeof(objects[0]); i++) {
		if (!sg_str_ends(object, objects[i].suffix))
			continue;
		sg_http_add_header(req, "Cache-Control", objects[i].cache);
		if (sg_http_method(req) != SG_HTTP_HEAD)
			sg_session_add_bytes(req->attachment.session, b->size);
		sg_http_respond_blob(req, 200, objects[i].type, b);
		return;
	}
	sg_blob_unref(b);
	media_refuse(req, SG_STREAM_NOT_LIVE);
}

void hls_serve(struct sg_http_media *m, struct sg_http_request *req, struct sg_str app,
    const struct media_name *n)
{
	/* Also when it has just ended: its last playlist says so. */
	struct sg_stream *stream = sg_hub_find_ended(m->srv->cfg.hub, app, n->name);
	struct sg_blob *master;
	char sid[SG_SID_TEXT_SIZE];

	if (!stream) {
		media_refuse(req, SG_STREAM_NOT_LIVE);
	} else if (n->object.len) {
		serve_object(req, stream, n->object);
	} else if (!sg_str_copy(sid, sizeof(sid), n->sid) || !(master = sg_hls_master(stream))) {
		media_refuse(req, SG_OVERLOAD); /* the publisher has just begun anew */
	} else {
		hls_answer(req, sid, n->name, master);
		sg_blob_unref(master);
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
	if (!p->waiting || !(p->master = sg_hls_master(p->stream)))
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
	if ((p->master = sg_hls_master(p->stream)))
		return PLAY_READY;
	if (sg_timer_open(&p->timer, p->lane->loop, give_up, p) != SG_OK)
		return PLAY_GONE;
	p->waiting = true;
	p->task.run = look_again;
	p->waiter.wake = on_wake;
	sg_hls_add_waiter(p->stream, &p->waiter);
	sg_timer_start(p->timer, MEDIA_WAIT_MS, 0);
	/* The segment may have come between the two. */
	if (!(p->master = sg_hls_master(p->stream)))
		return PLAY_WAIT;
	hls_stop_waiting(p);
	return PLAY_READY;
}

static void start(struct http_play *p)
{
	struct sg_http_request *req = p->req;
	struct sg_blob *master = sg_blob_ref(p->master);
	char sid[SG_SID_TEXT_SIZE], name[SG_STREAM_MAX + 1];

	memcpy(name, p->name, sizeof(name));
	sg_gate_detach(p->session, sid);
	p->session = NULL;
	play_end(p, SG_BYE_CLOSED);
	media_add_cookie(req, sid);
	hls_answer(req, sid, sg_str_from(name), master);
	sg_blob_unref(master);
	sg_wipe(sid, sizeof(sid));
}

const struct play_kind play_hls = { .protocol = "hls", .type = PLAYLIST_TYPE, .prepare = prepare,
	.start = start };
