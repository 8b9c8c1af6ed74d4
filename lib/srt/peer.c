/* peer.c - a peer on its lane. */
#include "srt/srt_internal.h"

#define YOUNG_MS 300

/* ---- its end ---- */

/* What is left of one that nothing reaches any more. */
void srt_peer_free(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;

	sg_gate_end(p->session, p->bye);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->told);
	free(p);
	atomic_fetch_sub(&srv->connections, 1); /* last: who waits for this may count on the rest */
}

static void unlist(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;

	pthread_mutex_lock(&srv->lock);
	if (p->listed)
		HASH_DELETE(hh_id, srv->lines, p);
	p->listed = false;
	pthread_mutex_unlock(&srv->lock);
}

/* True: it was not connected, and will not be. */
static bool leave_handshake(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;

	pthread_mutex_lock(&srv->lock);
	bool was = p->handshaking;
	if (was)
		HASH_DEL(srv->handshakes, p);
	p->handshaking = false;
	pthread_mutex_unlock(&srv->lock);
	return was;
}

static void take_line(struct srt_peer *p);

static void finish(struct srt_peer *p)
{
	struct srt_lane *lane = p->lane;

	if (p->connected) {
		take_line(p);
		srt_close(p->sock);
	}
	unlist(p);
	if (p->counted)
		atomic_fetch_sub(
		    p->type == SG_PUBLISH ? &lane->srv->publishers : &lane->srv->players, 1);
	DL_DELETE(lane->peers, p);
	srt_peer_free(p);
}

/* A goodbye that overtakes the end of the handshake is lost on the other side, which would then wait for
 * five seconds. Its session is over, its media has stopped; the line is closed a moment later. */
static void linger(struct srt_peer *p)
{
	p->lingers = true;
	sg_gate_end(p->session, p->bye);
	p->session = NULL;
	p->deadline_ms = p->connected_ms + YOUNG_MS;
}

void srt_peer_destroy(struct srt_peer *p, enum sg_goodbye bye)
{
	if (!p->doomed)
		p->bye = bye;
	p->doomed = true;
	if (!p->connected && !leave_handshake(p))
		return; /* accepted meanwhile: `connect` is on its way, and ends it */
	if (p->has_thread) {
		srt_publisher_stop(p);
		return; /* `finished` is on its way */
	}
	srt_viewer_leave(p);
	if (p->connected && !p->lingers && sg_mono_ms() - p->connected_ms < YOUNG_MS)
		linger(p);
	else
		finish(p);
}

static void on_finished(struct sg_task *task)
{
	struct srt_peer *p = SG_CONTAINER_OF(task, struct srt_peer, finished);

	srt_publisher_join(p);
	if (!p->doomed)
		p->bye = p->thread_bye;
	if (p->bye == SG_BYE_NO_MEDIA)
		sg_log_limited(SG_LOG_INFO, "srt %s: no media came: closed", p->name);
	finish(p);
}

/* ---- its way ---- */

/* A verdict that came after the handshake: there is no code to tell it with any more. */
static void refused_late(struct srt_peer *p)
{
	atomic_fetch_add(&p->lane->srv->rejected, 1);
	srt_peer_destroy(p, SG_BYE_CLOSED);
}

/* Connected and let in. */
static void begin(struct srt_peer *p)
{
	p->state = PEER_HELD;
	p->deadline_ms = 0;
	if (p->type == SG_PLAY) {
		if (srt_viewer_can_have(p->lane->srv, sg_str_from(sg_session_app(p->session)),
			sg_str_from(sg_session_stream(p->session))))
			sg_gate_commit(p->session); /* the stream is live: media is at hand */
		else
			srt_peer_destroy(p, SG_BYE_NO_MEDIA);
		return;
	}
	p->verdict = SG_REASON_COUNT; /* now for that of the commit */
	p->finished.run = on_finished;
	if (!srt_publisher_start(p)) {
		sg_log_limited(SG_LOG_WARNING, "srt %s: %d publishers: no more are taken", p->name,
		    PUBLISHERS_MAX);
		srt_peer_destroy(p, SG_BYE_NO_MEDIA);
	}
}

void srt_peer_on_admitted(void *user, enum sg_reason verdict)
{
	struct srt_peer *p = user;

	p->verdict_known = true;
	p->verdict = verdict;
	if (!p->arrived || p->doomed)
		return;
	if (verdict != SG_ADMITTED)
		refused_late(p);
	else if (p->connected)
		begin(p);
}

void srt_peer_on_committed(void *user, enum sg_reason verdict)
{
	struct srt_peer *p = user;

	if (p->type == SG_PUBLISH)
		srt_publisher_told(p, verdict);
	else if (verdict != SG_ADMITTED)
		refused_late(p);
	else if (!srt_viewer_start(p))
		srt_peer_destroy(p, SG_BYE_STREAM_ENDED);
}

void srt_peer_on_kicked(void *user, enum sg_goodbye why)
{
	struct srt_peer *p = user;

	if (p->arrived) {
		srt_peer_destroy(p, why);
	} else {
		p->kicked = true;
		p->bye = why;
	}
}

void srt_peer_arrive(struct sg_task *task)
{
	struct srt_peer *p = SG_CONTAINER_OF(task, struct srt_peer, arrive);

	p->arrived = true;
	p->deadline_ms = sg_mono_ms() + HANDSHAKE_MS;
	DL_APPEND(p->lane->peers, p);
	if (p->kicked || p->unwanted)
		srt_peer_destroy(p, p->kicked ? p->bye : SG_BYE_NO_MEDIA);
	else if (p->verdict_known && p->verdict != SG_ADMITTED)
		refused_late(p);
}

void srt_peer_connect(struct sg_task *task)
{
	struct srt_peer *p = SG_CONTAINER_OF(task, struct srt_peer, connect);

	p->connected = true;
	p->connected_ms = sg_mono_ms();
	atomic_fetch_add(&p->lane->srv->accepted, 1);
	if (p->doomed) {
		srt_peer_destroy(p, p->bye);
		return;
	}
	p->state = PEER_ASKING;
	p->deadline_ms = sg_mono_ms() + p->lane->srv->first_media_ms;
	if (p->verdict_known)
		begin(p);
}

/* ---- the line ---- */

static void add(atomic_ullong *to, uint64_t now, uint64_t before)
{
	atomic_fetch_add_explicit(to, now - before, memory_order_relaxed);
}

static void list(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;
	char id[SG_SESSION_ID_SIZE];

	if (p->listed || !p->session)
		return;
	sg_session_id(p->session, id);
	if (!sg_id_parse(sg_str_from(id), &p->session_id))
		return;
	HASH_ADD(hh_id, srv->lines, session_id, sizeof(p->session_id), p);
	p->listed = true;
}

/* What libsrt has counted goes to the session's line and to the server's sums. */
static void take_line(struct srt_peer *p)
{
	struct sg_srt_server *srv = p->lane->srv;
	bool in = p->type == SG_PUBLISH;
	struct srt_counts *c = &p->counts, before = *c;
	SRT_TRACEBSTATS s;
	int latency = 0, size = sizeof(latency);

	if (srt_bstats(p->sock, &s, 1) != 0)
		return;
	c->packets = (uint64_t)(in ? s.pktRecvTotal : s.pktSentTotal);
	c->lost = (uint64_t)(in ? s.pktRcvLossTotal : s.pktSndLossTotal);
	c->retransmitted =
	    in ? c->retransmitted + (uint64_t)s.pktRcvRetrans : (uint64_t)s.pktRetransTotal;
	c->dropped = (uint64_t)(in ? s.pktRcvDropTotal : s.pktSndDropTotal);
	c->undecrypted = (uint64_t)s.pktRcvUndecryptTotal;
	c->unwanted = in ? 0 : (uint64_t)s.pktRecvTotal;
	add(&srv->lost[p->type], c->lost, before.lost);
	add(&srv->retransmitted[p->type], c->retransmitted, before.retransmitted);
	add(&srv->dropped[p->type], c->dropped, before.dropped);
	add(&srv->undecrypted, c->undecrypted, before.undecrypted);
	srt_getsockflag(p->sock, in ? SRTO_RCVLATENCY : SRTO_PEERLATENCY, &latency, &size);
	pthread_mutex_lock(&srv->lock);
	p->line = (struct sg_srt_line){.rtt_ms = s.msRTT,
	    .latency_ms = latency,
	    .encrypted = p->encrypted,
	    .packets = c->packets,
	    .lost = c->lost,
	    .retransmitted = c->retransmitted,
	    .dropped = c->dropped};
	list(p);
	pthread_mutex_unlock(&srv->lock);
}

/* ---- the clock ---- */

static bool is_gone(const struct srt_peer *p)
{
	return srt_getsockstate(p->sock) >= SRTS_BROKEN;
}

/* Nobody reads it, and libsrt keeps it: thousands of packets for each such viewer. */
static void sent_data(struct srt_peer *p)
{
	sg_log_limited(SG_LOG_WARNING, "srt %s: sends, though it came to play: ended", p->name);
	atomic_fetch_add(&p->lane->srv->bad_input, 1);
	srt_peer_destroy(p, SG_BYE_BAD_INPUT);
}

static void tick_viewer(struct srt_peer *p, int64_t now_ms)
{
	if (p->counts.unwanted)
		sent_data(p);
	else if (is_gone(p))
		srt_peer_destroy(p, p->state == PEER_CLOSING ? SG_BYE_STREAM_ENDED : SG_BYE_CLOSED);
	else if (p->blocked && now_ms - p->sent_ms > p->lane->srv->stalled_ms)
		srt_peer_destroy(p, SG_BYE_STALLED);
}

/* libsrt has refused it behind our callback; why it does not tell. */
static void refused_by_libsrt(struct srt_peer *p)
{
	sg_log_limited(SG_LOG_WARNING, "srt %s: refused: %s", p->name,
	    p->encrypted ? "it does not know the application's passphrase"
			 : "it has a passphrase, and the application has none, or it is not in live mode");
	atomic_fetch_add(&p->lane->srv->rejected, 1);
	srt_peer_destroy(p, SG_BYE_NO_MEDIA);
}

void srt_peer_tick(struct srt_peer *p, int64_t now_ms)
{
	if (p->connected && now_ms - p->line_ms >= LINE_MS) {
		p->line_ms = now_ms;
		take_line(p);
	}
	if (p->doomed) {
		if (p->lingers && now_ms >= p->deadline_ms)
			finish(p);
		return;
	}
	if (p->deadline_ms && now_ms >= p->deadline_ms)
		srt_peer_destroy(
		    p, p->state == PEER_CLOSING ? SG_BYE_STREAM_ENDED : SG_BYE_NO_MEDIA);
	else if (!p->connected && is_gone(p))
		refused_by_libsrt(p);
	else if (p->connected && !p->has_thread)
		tick_viewer(p, now_ms);
}
