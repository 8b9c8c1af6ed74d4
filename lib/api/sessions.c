/* sessions.c - who is in, and showing out. */
#include "api/api_internal.h"
#include <stdlib.h>

bool api_each_session(struct sg_gate *gate, uint64_t after,
    bool (*each)(void *user, const struct sg_session_info *s), void *user)
{
	struct sg_session_info *step = calloc(API_SESSIONS_STEP, sizeof(*step));
	size_t count = step ? API_SESSIONS_STEP : 0;
	bool going = true;

	while (going && count == API_SESSIONS_STEP) {
		count = sg_gate_sessions(gate, after, step, API_SESSIONS_STEP);
		for (size_t i = 0; i < count && going; i++) {
			after = step[i].id;
			going = each(user, &step[i]);
		}
	}
	free(step);
	return step != NULL;
}

/* ---- the list ---- */

struct listing {
	struct sg_srt_server *srt;
	struct sg_webrtc_peer_stats *peers; /* by session */
	size_t peer_count;
	json_t *items;
	size_t left;
	struct sg_str app, stream, protocol;
	int type;
	uint64_t last;
	bool more;
};

/* NULL: it is not an SRT session, or has only just come. */
static json_t *srt_line(struct sg_srt_server *srt, const struct sg_session_info *s)
{
	struct sg_srt_line l;

	if (!srt || strcmp(s->protocol, "srt") || !sg_srt_server_line(srt, s->id, &l))
		return NULL;
	return json_pack("{sf si sb sI sI sI sI}", "rttMs", l.rtt_ms, "latencyMs", l.latency_ms, "encrypted",
	    (int)l.encrypted, "packets", (json_int_t)l.packets, "lost", (json_int_t)l.lost, "retransmitted",
	    (json_int_t)l.retransmitted, "dropped", (json_int_t)l.dropped);
}

static int by_session(const void *a, const void *b)
{
	const struct sg_webrtc_peer_stats *x = a, *y = b;

	return (x->session_id > y->session_id) - (x->session_id < y->session_id);
}

/* Once for the whole list. Peers that come meanwhile are told the next time. */
static void read_peers(struct listing *l, struct sg_webrtc_server *srv)
{
	size_t room = srv ? sg_webrtc_peers(srv, NULL, 0) : 0;

	if (!room || !(l->peers = calloc(room, sizeof(*l->peers))))
		return;
	size_t there = sg_webrtc_peers(srv, l->peers, room);
	l->peer_count = there < room ? there : room;
	qsort(l->peers, l->peer_count, sizeof(*l->peers), by_session);
}

static json_t *codec_json(enum sg_codec codec)
{
	return codec == SG_CODEC_NONE ? json_null() : json_string(sg_codec_name(codec));
}

/* NULL: it is not a WebRTC session, or has only just come. */
static json_t *webrtc_line(const struct listing *l, const struct sg_session_info *s)
{
	const struct sg_webrtc_peer_stats key = {.session_id = s->id};
	const struct sg_webrtc_peer_stats *p =
	    l->peer_count ? bsearch(&key, l->peers, l->peer_count, sizeof(key), by_session) : NULL;

	if (!p)
		return NULL;
	return json_pack("{so sf sI ss so so sI sI sI sI sI sI}", "rttMs",
	    p->round_trip_ms < 0 ? json_null() : json_real(p->round_trip_ms), "loss", p->loss, "bitRate",
	    (json_int_t)p->bit_rate, "transport", p->transport, "video", codec_json(p->video), "audio",
	    codec_json(p->audio), "packets", (json_int_t)p->packets, "retransmitted",
	    (json_int_t)p->retransmitted, "nacks", (json_int_t)p->nacks, "plis", (json_int_t)p->plis, "firs",
	    (json_int_t)p->firs, "framesSkipped", (json_int_t)p->frames_skipped);
}

static json_t *session_row(const struct listing *l, const struct sg_session_info *s)
{
	char address[SG_ADDR_TEXT_SIZE];

	sg_addr_format(address, &s->peer);
	json_t *row = json_pack("{so ss ss ss ss ss so ss sI so sI}", "id", api_json_id(s->id), "app",
	    s->app, "streamId", s->stream, "type", sg_token_type_name(s->type), "protocol",
	    s->protocol, "address", address, "userAgent", api_json_text(s->user_agent), "state",
	    s->state, "startedAt", (json_int_t)(s->started_ms / 1000), "token",
	    api_json_id(s->token_id), "bytes", (json_int_t)s->bytes);
	json_t *srt = srt_line(l->srt, s), *webrtc = webrtc_line(l, s);
	if (srt)
		json_object_set_new(row, "srt", srt);
	if (webrtc)
		json_object_set_new(row, "webrtc", webrtc);
	return row;
}

static bool list_one(void *user, const struct sg_session_info *s)
{
	struct listing *l = user;

	if ((l->app.p && !sg_str_is(l->app, s->app)) ||
	    (l->stream.p && !sg_str_is(l->stream, s->stream)) ||
	    (l->protocol.p && !sg_str_is(l->protocol, s->protocol)) ||
	    (l->type && l->type != (int)s->type))
		return true;
	if (!l->left) {
		l->more = true;
		return false;
	}
	l->left--;
	l->last = s->id;
	json_array_append_new(l->items, session_row(l, s));
	return true;
}

void api_sessions_list(struct api_call *c)
{
	struct listing l = {.srt = c->api->cfg.srt, .protocol = api_query(c, "protocol")};
	uint64_t after = 0;
	char next[SG_ID_TEXT_SIZE] = "";

	if (!api_query_stream(c, &l.app, &l.stream) || !api_query_type(c, &l.type) ||
	    !api_query_limit(c, API_PAGE_MAX, &l.left) || !api_query_id(c, "cursor", &after))
		return;
	l.items = json_array();
	read_peers(&l, c->api->cfg.webrtc);
	bool whole = api_each_session(c->api->cfg.gate, after, list_one, &l);
	free(l.peers);
	if (!whole) {
		json_decref(l.items);
		api_problem(c->req, 500, "out of memory");
		return;
	}
	if (l.more)
		sg_id_format(next, l.last);
	api_answer_list(c, l.items, next);
}

/* ---- showing out ---- */

void api_sessions_end(struct api_call *c)
{
	struct sg_session_info s;
	struct sg_end_filter f = {0};

	if (!sg_id_parse(sg_http_part(c->req, 0), &f.session_id) || !f.session_id ||
	    sg_gate_sessions(c->api->cfg.gate, f.session_id - 1, &s, 1) != 1 ||
	    s.id != f.session_id || !sg_gate_end_sessions(c->api->cfg.gate, &f, SG_BYE_KICKED)) {
		api_problem(c->req, 404, "there is no such session");
		return;
	}
	/* The gate notes that it ended, this who did it. */
	api_audit(c, &(struct api_act){.event = "kicked",
			 .token_id = s.token_id,
			 .session_id = s.id,
			 .app = sg_str_from(s.app),
			 .stream = sg_str_from(s.stream),
			 .type = (int)s.type,
			 .detail = ""});
	api_answer(c, 200, json_pack("{si}", "ended", 1));
}

struct ending {
	struct sg_gate *gate;
	struct sg_str app, stream;
	int type;
	size_t ended;
};

static bool end_one(void *user, const struct sg_session_info *s)
{
	struct ending *e = user;

	if (!s->token_id || !sg_str_is(e->app, s->app) || !sg_str_is(e->stream, s->stream) ||
	    (e->type && e->type != (int)s->type))
		return true;
	/* By token, so that a use kept for its owner's return (R13) ends with it. */
	e->ended += sg_gate_end_sessions(
	    e->gate, &(struct sg_end_filter){.token_id = s->token_id}, SG_BYE_REVOKED);
	return true;
}

size_t api_end_token_sessions(struct api_call *c, struct sg_str app, struct sg_str stream, int type)
{
	struct ending e = {c->api->cfg.gate, app, stream, type, 0};

	if (!api_each_session(e.gate, 0, end_one, &e))
		sg_log_warning("api: out of memory: sessions end a moment later");
	return e.ended;
}
