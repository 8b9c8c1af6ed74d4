/* socket.c - /APP/websocket: a conversation in Ant Media's words (ant.h), on a WebSocket, with the
 * engine's peer connections. All of one conversation happens on its WebSocket's loop. */
#include "http/websocket.h"
#include "signal/signal_internal.h"
#include <stdlib.h>
#include <utlist.h>

struct signal_socket {
	struct signal_socket *prev, *next;
	struct sg_signal *sig;
	struct signal_lane *lane; /* from `opened` on */
	struct sg_ws *ws;
	struct ant *ant;
	size_t counted; /* streams */
	struct sg_addr peer;
	char app[SG_APP_MAX + 1], user_agent[SIGNAL_USER_AGENT_MAX + 1];
};

/* ---- the engine's news ---- */

static void on_described(void *user, struct sg_str sdp)
{
	ant_described(user, sdp);
}

static void on_offered(void *user, struct sg_str sdp)
{
	ant_offered(user, sdp);
}

static void on_started(void *user)
{
	ant_started(user);
}

static void on_ended(void *user, enum sg_reason verdict, enum sg_goodbye why, const char *detail)
{
	ant_ended(user, verdict, why, detail);
}

static const struct sg_webrtc_events peer_events = { on_described, on_started, on_ended, on_offered };

/* ---- what a conversation does ---- */

static void act_send(void *user, struct sg_str text)
{
	struct signal_socket *s = user;

	sg_ws_send(s->ws, text);
}

static void *act_open(void *user, const struct ant_want *want, struct ant_stream *stream)
{
	struct signal_socket *s = user;
	const struct sg_webrtc_open open = { .protocol = "webrtc", .app = sg_str_from(s->app),
		.stream = want->stream, .token = want->token,
		.user_agent = sg_str_from(s->user_agent), .type = want->type, .peer = s->peer,
		.video = want->video, .audio = want->audio,
		.executor = sg_loop_executor(s->lane->loop), .events = &peer_events, .user = stream };

	if (atomic_load(&s->sig->draining))
		return NULL;
	return sg_webrtc_open(s->sig->cfg.webrtc, &open);
}

static void act_offer(void *peer, struct sg_str sdp)
{
	sg_webrtc_set_offer(peer, sdp);
}

static void act_answer(void *peer, struct sg_str sdp)
{
	sg_webrtc_set_answer(peer, sdp);
}

static void act_candidate(void *peer, struct sg_str candidate)
{
	(void)sg_webrtc_add_candidate(peer, candidate); /* a bad one costs only its sender */
}

static uint64_t act_estimate(void *peer)
{
	struct sg_webrtc_peer_stats stats;

	sg_webrtc_peer_stats(peer, &stats);
	return stats.estimate;
}

static void act_close(void *peer, enum sg_goodbye why)
{
	sg_webrtc_close(peer, why);
}

static bool act_info(void *user, struct sg_str stream, struct sg_stream_info *out)
{
	struct signal_socket *s = user;
	struct sg_stream *found = sg_hub_find(s->sig->cfg.hub, sg_str_from(s->app), stream);
	bool live = found && sg_stream_is_live(found);

	if (live)
		sg_stream_info(found, out);
	sg_stream_unref(found);
	return live;
}

static size_t act_viewers(void *user, struct sg_str stream)
{
	struct signal_socket *s = user;

	return sg_gate_count(s->sig->cfg.gate, sg_str_from(s->app), stream, SG_PLAY);
}

static bool act_is_open(void *user, struct sg_str stream)
{
	struct signal_socket *s = user;

	return !sg_gate_needs_token(s->sig->cfg.gate, sg_str_from(s->app), stream, SG_PLAY);
}

static const struct ant_actions actions = { .send = act_send, .open = act_open, .offer = act_offer,
	.answer = act_answer, .candidate = act_candidate, .estimate = act_estimate, .close = act_close, .info = act_info,
	.viewers = act_viewers, .is_open = act_is_open };

/* ---- the WebSocket's news ---- */

static void count_streams(struct signal_socket *s)
{
	size_t now = ant_count(s->ant);

	atomic_fetch_add(&s->sig->stream_count, now - s->counted); /* wraps as it should */
	s->counted = now;
}

static void on_opened(void *user, struct sg_ws *ws)
{
	struct signal_socket *s = user;
	struct sg_signal *sig = s->sig;

	s->ws = ws;
	for (size_t i = 0; i < sig->lane_count; i++)
		if (sig->lanes[i].loop == sg_ws_loop(ws))
			s->lane = &sig->lanes[i];
	DL_APPEND(s->lane->sockets, s);
}

static void on_text(void *user, struct sg_str message)
{
	struct signal_socket *s = user;

	atomic_fetch_add(&s->sig->messages, 1);
	bool within = ant_take(s->ant, message, sg_mono_ms());
	count_streams(s);
	if (within)
		return;
	char text[SG_ADDR_TEXT_SIZE];
	sg_addr_format(text, &s->peer);
	sg_log_limited(SG_LOG_WARNING, "websocket %s: too many messages: closed", text);
	atomic_fetch_add(&s->sig->over_budget, 1);
	sg_ws_close(s->ws, SG_WS_POLICY, "too many messages");
}

static void on_closed(void *user, bool goodbye)
{
	struct signal_socket *s = user;
	struct sg_signal *sig = s->sig;
	bool draining = atomic_load(&sig->draining);

	/* R13: who said goodbye does not come back. */
	ant_free(s->ant, draining ? SG_BYE_SHUTDOWN : goodbye ? SG_BYE_CLOSED : SG_BYE_BROKEN);
	if (s->lane)
		DL_DELETE(s->lane->sockets, s);
	atomic_fetch_sub(&sig->stream_count, s->counted);
	free(s);
	atomic_fetch_sub(&sig->socket_count, 1);
}

static const struct sg_ws_events ws_events = { on_opened, on_text, on_closed };

void signal_on_websocket(struct sg_http_request *req, void *user)
{
	struct sg_signal *sig = user;
	struct signal_socket *s = calloc(1, sizeof(*s));

	if (!s || !(s->ant = ant_new(&actions, s)) || atomic_load(&sig->draining)) {
		if (s)
			ant_free(s->ant, SG_BYE_CLOSED);
		free(s);
		sg_http_add_header(req, "Retry-After", "2");
		sg_http_refuse(req, 503, "try again");
		return;
	}
	const struct ant_ice ice = signal_ant_ice(sig->cfg.cfg);
	ant_set_ice(s->ant, &ice);
	s->sig = sig;
	s->peer = *sg_http_peer(req);
	sg_str_copy(s->user_agent, sizeof(s->user_agent), sg_http_header(req, "User-Agent"));
	if (!sg_str_copy(s->app, sizeof(s->app), sg_http_part(req, 0)) ||
	    !sg_gate_has_app(sig->cfg.gate, sg_str_from(s->app))) {
		ant_free(s->ant, SG_BYE_CLOSED);
		free(s);
		sg_http_refuse(req, 404, "not found");
		return;
	}
	atomic_fetch_add(&sig->socket_count, 1);
	if (!sg_http_upgrade(req, &ws_events, s)) {
		ant_free(s->ant, SG_BYE_CLOSED);
		free(s);
		atomic_fetch_sub(&sig->socket_count, 1);
	}
}

/* ---- by lane ---- */

void signal_sockets_tick(struct signal_lane *lane)
{
	struct signal_socket *s;
	int64_t now_ms = sg_mono_ms();

	DL_FOREACH (lane->sockets, s) {
		ant_tick(s->ant, now_ms);
		count_streams(s);
	}
}

void signal_sockets_drain(struct signal_lane *lane)
{
	struct signal_socket *s;

	DL_FOREACH (lane->sockets, s)
		ant_stopping(s->ant);
}
