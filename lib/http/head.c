/* head.c - HEAD on media: what GET would say, with nothing held and nothing spent (R3). A wrong token costs
 * its address as much as with GET. The token's row is read on the gate's query thread, which may wait for
 * the store. */
#include "http/media_internal.h"

struct check {
	struct sg_http_media *media;
	struct sg_http_request *req;
	const struct play_kind *kind;
	char app[SG_APP_MAX + 1], name[SG_STREAM_MAX + 1];
	int fd;
	struct stat st;
};

/* The stream that a token must be for: a recording's is in the catalogue, or else its stem, as at
 * admission. SG_ERR_NOT_FOUND: none. */
static enum sg_result stream_of(
    struct check *c, struct sg_store *store, char out[SG_STREAM_MAX + 1])
{
	struct sg_recording rec;
	struct sg_str name = sg_str_from(c->name);

	if (c->kind->recording) {
		enum sg_result res =
		    sg_store_recording_get(store, sg_str_from(c->app), name, &rec);
		if (res == SG_OK)
			name = sg_str_from(rec.stream);
		else if (res == SG_ERR_NOT_FOUND)
			name.len -= strlen(".mp4");
		else
			return res;
	}
	return sg_str_copy(out, SG_STREAM_MAX + 1, name) ? SG_OK : SG_ERR_NOT_FOUND;
}

static enum sg_reason judge(struct check *c, struct sg_gate *gate, struct sg_store *store)
{
	struct sg_str app = sg_str_from(c->app), token = media_token(c->req);
	char stream[SG_STREAM_MAX + 1];

	enum sg_result res = stream_of(c, store, stream);
	if (res != SG_OK && res != SG_ERR_NOT_FOUND)
		return SG_OVERLOAD;
	if (res != SG_OK)
		return token.len ? SG_WRONG_STREAM : SG_MISSING_TOKEN;
	if (!sg_gate_needs_token(gate, app, sg_str_from(stream), SG_PLAY))
		return SG_ADMITTED;
	if (!token.len)
		return SG_MISSING_TOKEN;
	return sg_gate_check_token(
	    store, token, app, sg_str_from(stream), SG_PLAY, sg_wall_s(), NULL);
}

static void answer_live(struct check *c)
{
	struct sg_http_request *req = c->req;
	struct sg_stream *stream =
	    sg_hub_find(c->media->srv->cfg.hub, sg_str_from(c->app), sg_str_from(c->name));
	bool dash = c->kind == &play_dash;

	if (!stream || !sg_stream_is_live(stream)) {
		sg_http_refuse_media(req, SG_STREAM_NOT_LIVE);
	} else if ((dash || c->kind == &play_hls) && sg_hls_is_ready(stream)) {
		/* As long as the real one will be. */
		char sid[SG_SID_TEXT_SIZE], prefix[HLS_PREFIX_SIZE];
		memset(sid, '0', sizeof(sid) - 1);
		sid[sizeof(sid) - 1] = '\0';
		hls_prefix(prefix, sid, sg_str_from(c->name));
		hls_answer(req, dash ? sg_hls_mpd(stream, prefix) : sg_hls_master(stream, prefix), dash);
	} else {
		sg_http_add_header(req, "Cache-Control", "no-store");
		http_respond_endless(req, c->kind->type);
	}
	sg_stream_unref(stream);
}

static void run(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct check *c = user;
	const struct sg_addr *peer = sg_http_peer(c->req);
	enum sg_reason verdict = SG_TOO_MANY_ATTEMPTS;

	if (sg_gate_may_ask(gate, peer)) {
		verdict = judge(c, gate, store);
		sg_gate_has_asked(gate, peer, verdict);
	}
	if (verdict == SG_ADMITTED && c->kind->recording && c->fd < 0)
		verdict = SG_STREAM_NOT_LIVE;
	atomic_fetch_sub(&c->media->checks, 1);
	if (verdict != SG_ADMITTED) {
		if (c->fd >= 0)
			close(c->fd);
		sg_http_refuse_media(c->req, verdict);
	} else if (c->kind->recording) {
		recording_answer(c->req, c->fd, &c->st, sg_str_from(c->name), NULL);
	} else {
		answer_live(c);
	}
	free(c);
}

void head_begin(struct sg_http_media *m, struct sg_http_request *req, const struct play_kind *kind,
    struct sg_str app, struct sg_str name, int fd, const struct stat *st)
{
	struct check *c = calloc(1, sizeof(*c));
	bool room = atomic_fetch_add(&m->checks, 1) < MEDIA_CHECKS_MAX;

	if (c && room && sg_str_copy(c->app, sizeof(c->app), app) &&
	    sg_str_copy(c->name, sizeof(c->name), name)) {
		c->media = m;
		c->req = req;
		c->kind = kind;
		c->fd = fd;
		if (fd >= 0)
			c->st = *st;
		sg_http_defer(req, c);
		if (sg_gate_query(m->srv->cfg.gate, run, c))
			return;
	}
	atomic_fetch_sub(&m->checks, 1);
	free(c);
	if (fd >= 0)
		close(fd);
	sg_http_refuse_media(req, SG_OVERLOAD);
}
