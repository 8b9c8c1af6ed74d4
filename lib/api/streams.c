/* streams.c - live streams: what they carry, who watches, stopping one. */
#include "api/api_internal.h"
#include <math.h>

/* ---- who watches ---- */

struct viewers {
	struct sg_str app, stream; /* absent = all */
	json_t *streams; /* "app/stream" -> {protocol: count} */
};

static bool count_viewer(void *user, const struct sg_session_info *s)
{
	struct viewers *v = user;
	char key[SG_APP_MAX + SG_STREAM_MAX + 2];

	if (s->type != SG_PLAY || s->by_admin || strcmp(s->state, "active") ||
	    (v->app.p && !sg_str_is(v->app, s->app)) ||
	    (v->stream.p && !sg_str_is(v->stream, s->stream)))
		return true;
	snprintf(key, sizeof(key), "%s/%s", s->app, s->stream);
	json_t *of = json_object_get(v->streams, key);
	if (!of) {
		of = json_object();
		json_object_set_new(v->streams, key, of);
	}
	json_int_t n = json_integer_value(json_object_get(of, s->protocol));
	json_object_set_new(of, s->protocol, json_integer(n + 1));
	return true;
}

/* A new reference: {protocol: count} of one stream; *total is their sum. */
static json_t *viewers_of(
    const struct viewers *v, const char *app, const char *stream, json_int_t *total)
{
	char key[SG_APP_MAX + SG_STREAM_MAX + 2];
	const char *protocol;
	json_t *count;

	*total = 0;
	snprintf(key, sizeof(key), "%s/%s", app, stream);
	json_t *of = json_object_get(v->streams, key);
	json_object_foreach(of, protocol, count) *total += json_integer_value(count);
	return of ? json_incref(of) : json_object();
}

/* ---- what they carry ---- */

static json_t *video_of(const struct sg_stream_info *i)
{
	if (i->video == SG_CODEC_NONE)
		return json_null();
	return json_pack("{ss so si si so}", "codec", sg_codec_name(i->video), "profile",
	    api_json_text(i->video_profile), "width", i->width, "height", i->height, "fps",
	    json_real(isfinite(i->fps) ? i->fps : 0));
}

static json_t *audio_of(const struct sg_stream_info *i)
{
	if (i->audio == SG_CODEC_NONE)
		return json_null();
	return json_pack("{ss si si}", "codec", sg_codec_name(i->audio), "sampleRate",
	    i->sample_rate, "channels", i->channels);
}

static json_t *stream_row(const struct sg_stream_info *i, const struct viewers *v)
{
	json_int_t total;
	json_t *by_protocol = viewers_of(v, i->app, i->stream, &total);

	return json_pack("{ss ss sb ss so so sI sI sI sI so sb sI sI sI sI}", "app", i->app,
	    "streamId", i->stream, "live", (int)i->live, "protocol", i->protocol, "video",
	    video_of(i), "audio", audio_of(i), "bitRate", (json_int_t)i->bit_rate, "bytesIn",
	    (json_int_t)i->bytes_in, "startedAt", (json_int_t)(i->started_ms / 1000), "viewers",
	    total, "viewersByProtocol", by_protocol, "hasBFrames", (int)i->has_b_frames,
	    "framesDropped", (json_int_t)i->frames_dropped, "ringFrames",
	    (json_int_t)i->ring_frames, "ringBytes", (json_int_t)i->ring_bytes, "hlsBytes",
	    (json_int_t)i->hls_bytes);
}

/* ---- the list ---- */

struct gathering {
	struct sg_str app, stream;
	struct sg_stream_info *items;
	size_t count, cap;
	bool failed;
};

static void gather(void *user, struct sg_stream *s)
{
	struct gathering *g = user;

	if (g->failed || (g->app.p && !sg_str_is(g->app, sg_stream_app(s))) ||
	    (g->stream.p && !sg_str_is(g->stream, sg_stream_id(s))))
		return;
	if (g->count == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 64;
		struct sg_stream_info *more = realloc(g->items, cap * sizeof(*more));
		if (!more) {
			g->failed = true;
			return;
		}
		g->items = more;
		g->cap = cap;
	}
	sg_stream_info(s, &g->items[g->count++]);
}

static int by_name(const void *a, const void *b)
{
	const struct sg_stream_info *x = a, *y = b;
	int order = strcmp(x->app, y->app);

	return order ? order : strcmp(x->stream, y->stream);
}

/* The streams that match, in order of their names; NULL: no memory. */
static json_t *list_streams(struct api_call *c, struct sg_str app, struct sg_str stream)
{
	struct gathering g = {.app = app, .stream = stream};
	struct viewers v = {app, stream, json_object()};
	json_t *items = json_array();

	sg_hub_each(c->api->cfg.hub, gather, &g);
	if (g.count)
		qsort(g.items, g.count, sizeof(*g.items), by_name);
	if (g.failed || !v.streams ||
	    (g.count && !api_each_session(c->api->cfg.gate, 0, count_viewer, &v))) {
		json_decref(items);
		items = NULL;
	}
	for (size_t i = 0; items && i < g.count; i++)
		json_array_append_new(items, stream_row(&g.items[i], &v));
	json_decref(v.streams);
	free(g.items);
	return items;
}

void api_streams_list(struct api_call *c)
{
	struct sg_str app, stream;

	if (api_query_stream(c, &app, &stream))
		api_answer_list(c, list_streams(c, app, stream), NULL);
}

static void no_such_stream(struct api_call *c)
{
	api_problem(c->req, 404, "there is no such stream");
}

void api_streams_show(struct api_call *c)
{
	json_t *items = list_streams(c, sg_http_part(c->req, 0), sg_http_part(c->req, 1));

	if (items && !json_array_size(items))
		no_such_stream(c);
	else
		api_answer(c, 200, json_incref(json_array_get(items, 0)));
	json_decref(items);
}

void api_streams_end(struct api_call *c)
{
	struct sg_end_filter f = {
	    .app = sg_http_part(c->req, 0), .stream = sg_http_part(c->req, 1), .type = SG_PUBLISH};

	if (!sg_app_is_valid(f.app) || !sg_stream_is_valid(f.stream)) {
		no_such_stream(c);
		return;
	}
	size_t ended = sg_gate_end_sessions(c->api->cfg.gate, &f, SG_BYE_KICKED);
	struct sg_stream *there = ended ? NULL : sg_hub_find(c->api->cfg.hub, f.app, f.stream);
	if (!ended && !there) {
		no_such_stream(c);
		return;
	}
	sg_stream_unref(there);
	if (ended)
		api_audit(c, &(struct api_act){.event = "kicked",
				 .app = f.app,
				 .stream = f.stream,
				 .type = SG_PUBLISH,
				 .detail = "stream stopped"});
	api_answer(c, 200, json_pack("{sI}", "sessionsEnded", (json_int_t)ended));
}
