/* peer.c - a peer's life: calls from its owner, the gate's answers, the end. */
#include "webrtc/rtc_internal.h"
#include <netinet/in.h>
#include <stdlib.h>
#include <utlist.h>

#define TELL_BYTES_MS 200
#define VIEWER_SILENT_MS 6000 /* browsers make a check every 2.5 s and report more often, others every 5 s */

/* ---- references ---- */

struct sg_webrtc_peer *rtc_peer_ref(struct sg_webrtc_peer *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

static void free_secret(char *z)
{
	if (z)
		sg_wipe(z, strlen(z));
	free(z);
}

void rtc_peer_unref(struct sg_webrtc_peer *p)
{
	struct sg_webrtc_server *srv = p->srv;

	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(p->app);
	free(p->stream_id);
	free(p->user_agent);
	free_secret(p->token);
	free(p->offer);
	free(p);
	atomic_fetch_sub(&srv->peers, 1);
}

/* ---- messages, both ways ---- */

enum message_kind { TELL_DESCRIBED, TELL_OFFERED, TELL_STARTED, TELL_ENDED, ASK_START, ASK_OFFER, ASK_ANSWER,
	ASK_RESTART, ASK_CLOSE };
struct message {
	struct sg_task task;
	struct sg_webrtc_peer *peer; /* referenced */
	enum message_kind kind;
	enum sg_goodbye why;
	struct sg_str ufrag, pwd; /* in text */
	char our_ufrag[SG_ICE_UFRAG_SIZE], our_pwd[SG_ICE_PWD_SIZE];
	bool has_text;
	size_t len;
	char text[];
};

static struct message *new_message(struct sg_webrtc_peer *p, enum message_kind kind, struct sg_str text,
    void (*run)(struct sg_task *task))
{
	struct message *m = calloc(1, sizeof(*m) + text.len + 1);

	if (!m)
		return NULL;
	m->task.run = run;
	m->peer = rtc_peer_ref(p);
	m->kind = kind;
	m->has_text = text.p;
	m->len = text.len;
	if (text.len)
		memcpy(m->text, text.p, text.len);
	return m;
}

static struct sg_str message_text(const struct message *m)
{
	return (struct sg_str){ m->has_text ? m->text : NULL, m->len };
}

static void free_message(struct message *m)
{
	struct sg_webrtc_peer *p = m->peer;

	sg_wipe(m->our_pwd, sizeof(m->our_pwd));
	free(m);
	rtc_peer_unref(p);
}

/* On the owner's executor. */
static void tell(struct sg_task *task)
{
	struct message *m = SG_CONTAINER_OF(task, struct message, task);
	struct sg_webrtc_peer *p = m->peer;

	if (!atomic_load(&p->closed)) {
		if (m->kind == TELL_DESCRIBED)
			p->events->described(p->user, message_text(m));
		else if (m->kind == TELL_OFFERED)
			p->events->offered(p->user, message_text(m));
		else if (m->kind == TELL_STARTED)
			p->events->started(p->user);
		else
			p->events->ended(p->user, p->verdict, p->bye, p->detail);
	}
	free_message(m);
}

static bool post_tell(struct sg_webrtc_peer *p, enum message_kind kind, struct sg_str text)
{
	struct message *m = new_message(p, kind, text, tell);

	if (m)
		p->executor->post(p->executor, &m->task);
	return m;
}

/* ---- the end ---- */

void rtc_peer_drop(
    struct sg_webrtc_peer *p, enum sg_reason verdict, enum sg_goodbye why, const char *detail)
{
	if (p->dead)
		return;
	p->dead = true;
	p->verdict = verdict;
	p->bye = why;
	sg_str_copy(p->detail, sizeof(p->detail), sg_str_from(detail));
}

static void copy_stats(struct sg_webrtc_peer *p)
{
	pthread_mutex_lock(&p->srv->stats_lock);
	p->stats = p->count;
	pthread_mutex_unlock(&p->srv->stats_lock);
}

/* RFC 3550 section 6.6: the tracks of ours end here. */
static void say_bye(struct sg_webrtc_peer *p)
{
	struct sg_buf b;

	if (!p->viewer || !p->transport || !sg_transport_is_connected(p->transport))
		return;
	for (int i = 0; i < 2; i++) {
		if (!p->tracks[i].on)
			continue;
		sg_buf_init(&b, 256);
		sg_rtcp_write_rr(&b, p->tracks[i].ssrc, NULL, 0);
		sg_rtcp_write_sdes(&b, p->tracks[i].ssrc, "streamgate");
		sg_rtcp_write_bye(&b, p->tracks[i].ssrc);
		if (!b.failed)
			sg_transport_send_rtcp(p->transport, b.p, b.len);
		sg_buf_reset(&b);
	}
}

static void count_bytes(struct sg_webrtc_peer *p)
{
	/* A viewer in a gap of its stream is there, though it gets nothing. */
	if (p->session && p->state == PEER_ACTIVE && (p->viewer || p->count.bytes > p->told_bytes))
		sg_session_add_bytes(p->session, p->count.bytes - p->told_bytes);
	p->told_bytes = p->count.bytes;
}

static void log_end(const struct sg_webrtc_peer *p)
{
	const char *what = p->type == SG_PUBLISH ? "publishes" : "plays";

	if (p->verdict != SG_ADMITTED)
		return; /* the audit has it */
	if (p->state == PEER_ACTIVE && p->type == SG_PUBLISH)
		sg_log_info("%s %s: no longer %s %s/%s: %s%s%s", p->protocol, p->name_text, what, p->app,
		    p->stream_id, sg_goodbye_name(p->bye), *p->detail ? ": " : "", p->detail);
	else if (*p->detail)
		sg_log_limited(SG_LOG_INFO, "%s %s: %s %s/%s no more: %s: %s", p->protocol, p->name_text, what,
		    p->app, p->stream_id, sg_goodbye_name(p->bye), p->detail);
}

static void finish(struct sg_webrtc_peer *p)
{
	if (!p->unfinished)
		return;
	p->unfinished = false;
	rtc_table_count_out(&p->srv->table, &p->addr);
}

static void leave_lists(struct sg_webrtc_peer *p)
{
	struct sg_webrtc_server *srv = p->srv;

	pthread_mutex_lock(&srv->stats_lock);
	if (p->in_list)
		DL_DELETE2(srv->all, p, all_prev, all_next);
	if (p->leaving)
		DL_DELETE2(srv->leaving, p, leaving_prev, leaving_next);
	p->in_list = p->leaving = false;
	p->left = true;
	pthread_mutex_unlock(&srv->stats_lock);
}

static void end(struct sg_webrtc_peer *p)
{
	struct sg_webrtc_server *srv = p->srv;

	p->ended = true;
	log_end(p);
	if (p->bye == SG_BYE_BAD_INPUT)
		COUNT(srv, bad_input, 1);
	count_bytes(p);
	say_bye(p);
	if (p->type == SG_PUBLISH)
		rtc_publisher_end(p);
	else
		rtc_viewer_end(p);
	rtc_table_remove(&srv->table, p);
	finish(p);
	if (p->transport) {
		struct sg_transport_stats stats;
		sg_transport_stats(p->transport, &stats);
		COUNT(srv, stun_bad, stats.stun_bad);
		COUNT(srv, srtp_bad, stats.srtp_bad);
		sg_transport_close(p->transport, true);
		p->transport = NULL;
	}
	rtc_tcp_forget_peer(p->lane, p);
	sg_gate_end(p->session, p->bye);
	p->session = NULL;
	sg_stream_unref(p->stream);
	p->stream = NULL;
	if (p->in_list)
		DL_DELETE(p->lane->peers, p);
	leave_lists(p);
	if (!post_tell(p, TELL_ENDED, (struct sg_str){ 0 }))
		sg_log_error("webrtc: out of memory: a peer's end is not told");
	rtc_peer_unref(p);
}

void rtc_peer_settle(struct sg_webrtc_peer *p)
{
	if (p->dead && !p->ended && p->opened)
		end(p);
}

/* ---- the transport ---- */

void rtc_peer_send(void *user, const struct sg_path *to, const uint8_t *data, size_t len)
{
	struct sg_webrtc_peer *p = user;

	COUNT(p->srv, packets_out, 1);
	COUNT(p->srv, bytes_out, len);
	if (to->tcp) {
		rtc_tcp_send(to->tcp, data, len);
		return;
	}
	const struct sg_udp_run run = { data, len, len };
	sg_udp_send(p->lane->sockets[to->socket].udp, (const struct sockaddr *)&to->remote,
	    (const struct sockaddr *)&to->local, &run, 1);
}

static void on_proven(void *user, const struct sg_path *path)
{
	struct sg_webrtc_peer *p = user;

	if (path->tcp)
		rtc_tcp_proven(path->tcp);
	else
		rtc_table_add_path(&p->srv->table, p, path, p->lane->now_ms);
}

static void on_connected(void *user)
{
	struct sg_webrtc_peer *p = user;
	const struct sg_path *path = sg_transport_path(p->transport);

	finish(p);
	p->count.transport = path && path->tcp ? "tcp" : "udp";
	if (path)
		sg_endpoint_format(p->name_text, (const struct sockaddr *)&path->remote);
	if (p->type == SG_PUBLISH)
		rtc_publisher_connected(p);
	else
		rtc_viewer_connected(p);
}

static void on_rtp(void *user, uint8_t *data, size_t len)
{
	struct sg_webrtc_peer *p = user;

	if (p->publisher && !p->dead)
		rtc_publisher_rtp(p, data, len);
}

static void on_rtcp(void *user, uint8_t *data, size_t len)
{
	struct sg_webrtc_peer *p = user;

	if (p->dead)
		return;
	if (p->publisher)
		rtc_publisher_rtcp(p, data, len);
	else if (p->viewer)
		rtc_viewer_rtcp(p, data, len);
}

static void on_failed(void *user, enum sg_goodbye why, const char *detail)
{
	struct sg_webrtc_peer *p = user;

	if (!sg_transport_is_connected(p->transport))
		COUNT(p->srv, dtls_failed, 1);
	rtc_peer_drop(p, SG_ADMITTED, why, detail);
}

static const struct sg_transport_events transport_events = { rtc_peer_send, on_proven, on_connected, on_rtp,
	on_rtcp, on_failed };

/* ---- the gate ---- */

static void describe(struct sg_webrtc_peer *p)
{
	char *offer = p->offer;

	p->offer = NULL;
	if (offer)
		rtc_describe_answer(p, sg_str_from(offer));
	else if (p->type == SG_PLAY)
		rtc_describe_offer(p);
	else
		rtc_peer_described(p, (struct sg_str){ 0 });
	free(offer);
}

static void on_admitted(void *user, enum sg_reason verdict)
{
	struct sg_webrtc_peer *p = user;
	const struct sg_transport_config cfg = { .identity = p->srv->identity, .events = &transport_events,
		.user = p, .consent_ms = p->srv->cfg.consent_ms };
	char id[SG_SESSION_ID_SIZE];

	free_secret(p->token);
	p->token = NULL;
	if (verdict != SG_ADMITTED) {
		rtc_peer_drop(p, verdict, SG_BYE_NO_MEDIA, "");
	} else if (sg_transport_open(&p->transport, &cfg, sg_mono_ms()) != SG_OK) {
		rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
	} else {
		p->state = PEER_HELD;
		sg_session_id(p->session, id);
		sg_id_parse(sg_str_from(id), &p->count.session_id);
		p->deadline_ms = sg_mono_ms() + p->srv->cfg.media_deadline_ms;
		rtc_table_add_name(&p->srv->table, p, sg_transport_ufrag(p->transport));
		p->waits = p->type == SG_PLAY && !rtc_describe_is_due(p);
		if (!p->waits)
			describe(p);
	}
	rtc_peer_settle(p);
}

static void on_committed(void *user, enum sg_reason verdict)
{
	struct sg_webrtc_peer *p = user;

	if (verdict != SG_ADMITTED)
		rtc_peer_drop(p, verdict, SG_BYE_NO_MEDIA, "");
	else if (p->type == SG_PUBLISH)
		rtc_publisher_committed(p);
	else
		rtc_viewer_committed(p);
	rtc_peer_settle(p);
}

static void on_kicked(void *user, enum sg_goodbye why)
{
	struct sg_webrtc_peer *p = user;

	rtc_peer_drop(p, SG_ADMITTED, why, "");
	rtc_peer_settle(p);
}

static void tell_sdp(struct sg_webrtc_peer *p, enum message_kind kind, struct sg_str sdp)
{
	if (!post_tell(p, kind, sdp))
		rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
}

void rtc_peer_described(struct sg_webrtc_peer *p, struct sg_str sdp)
{
	p->described = true;
	p->waits = false;
	tell_sdp(p, TELL_DESCRIBED, sdp);
}

void rtc_peer_offers_more(struct sg_webrtc_peer *p, struct sg_str sdp)
{
	tell_sdp(p, TELL_OFFERED, sdp);
}

void rtc_peer_started(struct sg_webrtc_peer *p)
{
	char id[SG_SESSION_ID_SIZE];

	p->state = PEER_ACTIVE;
	p->deadline_ms = 0;
	sg_session_id(p->session, id);
	sg_log_write(p->type == SG_PUBLISH ? SG_LOG_INFO : SG_LOG_DEBUG, "%s %s: %s %s/%s, session %s",
	    p->protocol, p->name_text, p->type == SG_PUBLISH ? "publishes" : "plays", p->app, p->stream_id, id);
	copy_stats(p);
	post_tell(p, TELL_STARTED, (struct sg_str){ 0 });
}

/* ---- what the owner asks, on the loop ---- */

static void start(struct sg_webrtc_peer *p)
{
	const struct sg_request req = { .protocol = p->protocol, .app = sg_str_from(p->app),
		.stream = sg_str_from(p->stream_id), .type = p->type, .token = sg_str_from(p->token),
		.peer = p->addr, .user_agent = sg_str_from(p->user_agent), .by_admin = p->by_admin };
	const struct sg_gate_client client = { .executor = sg_loop_executor(p->lane->loop),
		.admitted = on_admitted, .committed = on_committed, .kicked = on_kicked, .user = p };

	p->opened = true;
	DL_APPEND(p->lane->peers, p);
	pthread_mutex_lock(&p->srv->stats_lock);
	DL_APPEND2(p->srv->all, p, all_prev, all_next);
	pthread_mutex_unlock(&p->srv->stats_lock);
	p->in_list = true;
	p->stats_ms = sg_mono_ms();
	if (atomic_load(&p->srv->draining)) {
		rtc_peer_drop(p, SG_ADMITTED, SG_BYE_SHUTDOWN, "the server is being stopped");
		return;
	}
	p->session = sg_gate_admit(p->srv->cfg.gate, &req, &client);
	if (!p->session)
		rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
}

static void restart(struct sg_webrtc_peer *p, const struct message *m)
{
	if (!p->transport)
		return;
	if (!sg_transport_restart(p->transport, m->ufrag, m->pwd, m->our_ufrag, m->our_pwd)) {
		rtc_peer_drop(p, SG_ADMITTED, SG_BYE_BAD_INPUT, "ICE restart without credentials");
		return;
	}
	rtc_table_add_name(&p->srv->table, p, m->our_ufrag);
}

static void ask(struct sg_task *task)
{
	struct message *m = SG_CONTAINER_OF(task, struct message, task);
	struct sg_webrtc_peer *p = m->peer;

	p->lane->now_ms = sg_mono_ms();
	if (m->kind == ASK_START)
		start(p);
	else if (m->kind == ASK_CLOSE)
		rtc_peer_drop(p, SG_ADMITTED, m->why, "");
	else if (!p->dead && p->transport && m->kind == ASK_OFFER)
		rtc_describe_answer(p, message_text(m));
	else if (!p->dead && p->transport && m->kind == ASK_ANSWER)
		rtc_describe_take_answer(p, message_text(m));
	else if (!p->dead && m->kind == ASK_RESTART)
		restart(p, m);
	rtc_peer_settle(p);
	free_message(m);
}

static void post_ask(struct sg_webrtc_peer *p, struct message *m)
{
	struct sg_executor *ex = sg_loop_executor(p->lane->loop);

	ex->post(ex, &m->task);
}

/* ---- time ---- */

static void tick_stats(struct sg_webrtc_peer *p, int64_t now_ms)
{
	int64_t passed_ms = now_ms - p->stats_ms;

	if (passed_ms < 1000)
		return;
	p->count.bit_rate = (p->count.bytes - p->stats_bytes) * 8000 / (uint64_t)passed_ms;
	p->stats_bytes = p->count.bytes;
	p->stats_ms = now_ms;
	copy_stats(p);
}

/* For the gate a session without bytes for a second may hang, and its owner come back in its place (R13). What is
 * sent to a viewer is no sign that it is there. */
static void tick_bytes(struct sg_webrtc_peer *p, int64_t now_ms)
{
	if (now_ms - p->told_ms < TELL_BYTES_MS ||
	    (p->viewer && now_ms - sg_transport_heard_ms(p->transport) > VIEWER_SILENT_MS))
		return;
	p->told_ms = now_ms;
	count_bytes(p);
}

void rtc_peer_tick(struct sg_webrtc_peer *p, int64_t now_ms)
{
	if (p->transport && p->described)
		sg_transport_tick(p->transport, now_ms);
	if (p->dead)
		return;
	/* Whose use is being spent has its media at hand; it does not lose the use to a slow disk. */
	if (p->deadline_ms && p->state != PEER_COMMITTING && now_ms >= p->deadline_ms) {
		rtc_peer_drop(p, SG_ADMITTED, SG_BYE_NO_MEDIA,
		    p->transport && sg_transport_is_connected(p->transport) ? "connected, but no media came"
		    : p->transport && sg_transport_path(p->transport)      ? "DTLS was not finished in time"
									   : "no connection came");
		return;
	}
	if (p->waits && rtc_describe_is_due(p)) {
		p->waits = false;
		describe(p);
	}
	if (p->publisher)
		rtc_publisher_tick(p, now_ms);
	else if (p->viewer)
		rtc_viewer_tick(p, now_ms);
	tick_bytes(p, now_ms);
	tick_stats(p, now_ms);
}

/* ---- what the owner calls, on any thread ---- */

static bool copy_texts(struct sg_webrtc_peer *p, const struct sg_webrtc_open *cfg)
{
	p->app = sg_str_dup(cfg->app);
	p->stream_id = sg_str_dup(cfg->stream);
	p->token = cfg->token.p ? sg_str_dup(cfg->token) : NULL;
	p->user_agent = cfg->user_agent.p ? sg_str_dup(cfg->user_agent) : NULL;
	p->offer = cfg->offer.p ? sg_str_dup(cfg->offer) : NULL;
	return p->app && p->stream_id && (!cfg->token.p || p->token) &&
	       (!cfg->user_agent.p || p->user_agent) && (!cfg->offer.p || p->offer);
}

static void note_leaving(struct sg_webrtc_peer *p)
{
	struct sg_webrtc_server *srv = p->srv;

	pthread_mutex_lock(&srv->stats_lock);
	p->leaving = !p->left;
	if (p->leaving)
		DL_APPEND2(srv->leaving, p, leaving_prev, leaving_next);
	pthread_mutex_unlock(&srv->stats_lock);
}

/* In turn; but who gives up and asks again at once comes behind its own goodbye: on another lane it would overtake
 * that, and find its token held and its stream being published, by itself. */
static struct rtc_lane *lane_for(struct sg_webrtc_server *srv, const struct sg_webrtc_open *cfg)
{
	struct rtc_lane *lane = NULL;
	struct sg_webrtc_peer *p;

	pthread_mutex_lock(&srv->stats_lock);
	DL_FOREACH2(srv->leaving, p, leaving_next)
		if (p->type == cfg->type && sg_addr_equal(&p->addr, &cfg->peer) && sg_str_is(cfg->stream, p->stream_id) &&
		    sg_str_is(cfg->app, p->app))
			lane = p->lane;
	pthread_mutex_unlock(&srv->stats_lock);
	return lane ? lane : srv->lanes[atomic_fetch_add(&srv->next_lane, 1) % srv->cfg.loop_count];
}

struct sg_webrtc_peer *sg_webrtc_open(struct sg_webrtc_server *srv, const struct sg_webrtc_open *cfg)
{
	uint8_t id[16];

	if (atomic_load(&srv->draining))
		return NULL;
	if (atomic_fetch_add(&srv->peers, 1) >= srv->cfg.max_peers) {
		atomic_fetch_sub(&srv->peers, 1);
		sg_log_limited(SG_LOG_WARNING, "webrtc: %zu peers: no more are taken", srv->cfg.max_peers);
		return NULL;
	}
	struct sg_webrtc_peer *p = calloc(1, sizeof(*p));
	if (!p) {
		atomic_fetch_sub(&srv->peers, 1);
		return NULL;
	}
	p->srv = srv;
	atomic_init(&p->refs, 1);
	p->lane = lane_for(srv, cfg);
	p->protocol = cfg->protocol;
	p->type = cfg->type;
	p->addr = cfg->peer;
	p->want_video = cfg->video;
	p->want_audio = cfg->audio;
	p->by_admin = cfg->by_admin;
	p->executor = cfg->executor;
	p->events = cfg->events;
	p->user = cfg->user;
	p->count.round_trip_ms = -1;
	p->count.transport = "udp";
	sg_addr_format(p->name_text, &p->addr);
	sg_random(id, sizeof(id));
	sg_base64url_encode(p->id, id, sizeof(id));
	struct message *m = copy_texts(p, cfg) ? new_message(p, ASK_START, (struct sg_str){ 0 }, ask) : NULL;
	if (!m || !rtc_table_count_in(&srv->table, &p->addr)) {
		if (m) {
			sg_log_limited(SG_LOG_WARNING,
			    "webrtc %s: too many connections that are not finished", p->name_text);
			free_message(m);
		}
		rtc_peer_unref(p);
		return NULL;
	}
	p->unfinished = true;
	rtc_peer_ref(p); /* the loop's */
	COUNT(srv, opened, 1);
	post_ask(p, m);
	return p;
}

const char *sg_webrtc_id(const struct sg_webrtc_peer *p)
{
	return p->id;
}

static void ask_with_text(struct sg_webrtc_peer *p, enum message_kind kind, struct sg_str text)
{
	struct message *m = new_message(p, kind, text, ask);

	if (m)
		post_ask(p, m);
	else
		sg_log_error("webrtc: out of memory: an SDP is not read"); /* its deadline ends it */
}

void sg_webrtc_set_offer(struct sg_webrtc_peer *p, struct sg_str sdp)
{
	ask_with_text(p, ASK_OFFER, sdp);
}

void sg_webrtc_set_answer(struct sg_webrtc_peer *p, struct sg_str sdp)
{
	ask_with_text(p, ASK_ANSWER, sdp);
}

bool sg_webrtc_add_candidate(struct sg_webrtc_peer *p, struct sg_str candidate)
{
	struct sg_candidate c;

	(void)p;
	/* Empty: the end of candidates (RFC 8838 section 14). */
	return !candidate.len || sg_candidate_parse(candidate, &c) != SG_ERR_BAD_INPUT;
}

void sg_webrtc_restart(struct sg_webrtc_peer *p, struct sg_str ufrag, struct sg_str pwd,
    char our_ufrag[SG_ICE_UFRAG_SIZE], char our_pwd[SG_ICE_PWD_SIZE])
{
	char both[2 * SG_ICE_REMOTE_MAX + 2];

	sg_ice_credentials(our_ufrag, our_pwd);
	if (ufrag.len > SG_ICE_REMOTE_MAX || pwd.len > SG_ICE_REMOTE_MAX)
		ufrag.len = pwd.len = 0; /* refused on the loop */
	memcpy(both, ufrag.len ? ufrag.p : "", ufrag.len);
	memcpy(both + ufrag.len, pwd.len ? pwd.p : "", pwd.len);
	struct message *m = new_message(p, ASK_RESTART, (struct sg_str){ both, ufrag.len + pwd.len }, ask);
	if (!m)
		return;
	m->ufrag = (struct sg_str){ m->text, ufrag.len };
	m->pwd = (struct sg_str){ m->text + ufrag.len, pwd.len };
	memcpy(m->our_ufrag, our_ufrag, sizeof(m->our_ufrag));
	memcpy(m->our_pwd, our_pwd, sizeof(m->our_pwd));
	post_ask(p, m);
}

void sg_webrtc_close(struct sg_webrtc_peer *p, enum sg_goodbye why)
{
	if (!p)
		return;
	atomic_store(&p->closed, true);
	note_leaving(p);
	struct message *m = new_message(p, ASK_CLOSE, (struct sg_str){ 0 }, ask);
	if (m) {
		m->why = why;
		post_ask(p, m);
	} else {
		sg_log_error("webrtc: out of memory: a peer is left to its deadlines");
	}
	rtc_peer_unref(p);
}
