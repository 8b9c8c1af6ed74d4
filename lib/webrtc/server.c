/* server.c - opening and closing, the lanes and their clock, statistics. */
#include "webrtc/rtc_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#define FREE_PORT_TRIES 20
#define CLOSE_WAIT_MS 5000

/* ---- the clock ---- */

static void tick(void *user)
{
	struct rtc_lane *lane = user;
	struct sg_webrtc_peer *p, *tmp;

	lane->now_ms = sg_mono_ms();
	DL_FOREACH_SAFE(lane->peers, p, tmp)
	{
		rtc_peer_tick(p, lane->now_ms);
		rtc_peer_settle(p);
	}
	rtc_tcp_tick(lane, lane->now_ms);
}

/* ---- lanes ---- */

static void drop_all(struct rtc_lane *lane)
{
	struct sg_webrtc_peer *p, *tmp;

	lane->now_ms = sg_mono_ms();
	DL_FOREACH_SAFE(lane->peers, p, tmp)
	{
		rtc_peer_drop(p, SG_ADMITTED, SG_BYE_SHUTDOWN, "the server is being stopped");
		rtc_peer_settle(p);
	}
}

static void drain_lane(struct sg_task *task)
{
	drop_all(SG_CONTAINER_OF(task, struct rtc_lane, drain));
}

static void start_lane(void *user)
{
	struct rtc_lane *lane = user;

	lane->now_ms = sg_mono_ms();
	for (size_t i = 0; i < lane->srv->address_count; i++) {
		struct rtc_socket *s = &lane->sockets[i];
		if (s->udp && sg_udp_start(s->udp, lane->loop, &rtc_demux_events, s) != SG_OK)
			sg_log_error("webrtc: a socket could not be watched");
	}
	if (sg_timer_open(&lane->tick, lane->loop, tick, lane) == SG_OK)
		sg_timer_start(lane->tick, RTC_TICK_MS, RTC_TICK_MS);
}

static void stop_lane(void *user)
{
	struct rtc_lane *lane = user;

	drop_all(lane);
	sg_timer_close(lane->tick);
	rtc_tcp_close_all(lane);
	for (size_t i = 0; i < RTC_ADDRESSES_MAX; i++)
		sg_udp_close(lane->sockets[i].udp);
}

static void nothing(void *user)
{
	(void)user;
}

static struct rtc_lane *new_lane(struct sg_webrtc_server *srv, struct sg_loop *loop)
{
	struct rtc_lane *lane = calloc(1, sizeof(*lane));

	if (!lane || !rtc_inbox_init(&lane->inbox)) {
		free(lane);
		return NULL;
	}
	lane->srv = srv;
	lane->loop = loop;
	lane->drain.run = drain_lane;
	return lane;
}

/* ---- sockets ---- */

static void set_port(struct sockaddr_storage *sa, uint16_t port)
{
	if (sa->ss_family == AF_INET6)
		((struct sockaddr_in6 *)sa)->sin6_port = port;
	else
		((struct sockaddr_in *)sa)->sin_port = port;
}

static uint16_t get_port(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
					 : ((const struct sockaddr_in *)sa)->sin_port;
}

static enum sg_result open_socket(struct sg_webrtc_server *srv, size_t lane, size_t index,
    const struct sg_listen *at, char *error, size_t size)
{
	struct rtc_socket *s = &srv->lanes[lane]->sockets[index];

	s->lane = srv->lanes[lane];
	s->index = (uint8_t)index;
	return sg_udp_open(&s->udp, at, srv->cfg.loop_count > 1, error, size);
}

/* The first lane takes the port, the others share it. */
static enum sg_result open_address(
    struct sg_webrtc_server *srv, size_t index, const struct sg_listen *at, char *error, size_t size)
{
	enum sg_result res = open_socket(srv, 0, index, at, error, size);
	struct sg_listen bound;

	if (res != SG_OK)
		return res;
	sg_udp_address(srv->lanes[0]->sockets[index].udp, &bound);
	srv->tcp_addresses[index] = bound;
	for (size_t i = 1; i < srv->cfg.loop_count; i++)
		if ((res = open_socket(srv, i, index, &bound, error, size)) != SG_OK)
			return res;
	return SG_OK;
}

static void close_sockets(struct sg_webrtc_server *srv)
{
	for (size_t i = 0; i < srv->cfg.loop_count; i++)
		for (size_t k = 0; k < RTC_ADDRESSES_MAX; k++) {
			sg_udp_close(srv->lanes[i]->sockets[k].udp);
			srv->lanes[i]->sockets[k].udp = NULL;
		}
}

/* All addresses with a free port share the first one's, so that one number is to be opened. */
static enum sg_result open_all(struct sg_webrtc_server *srv, bool *had_free_port, char *error, size_t size)
{
	const struct sg_listen_list *list = &srv->cfg.cfg->webrtc_listen;
	uint16_t port = 0;

	*had_free_port = false;
	for (size_t i = 0; i < list->count; i++) {
		struct sg_listen at = list->items[i];
		if (!get_port(&at.sa)) {
			*had_free_port = true;
			set_port(&at.sa, port);
		}
		enum sg_result res = open_address(srv, i, &at, error, size);
		if (res != SG_OK)
			return res;
		if (!get_port(&list->items[i].sa))
			port = get_port(&srv->tcp_addresses[i].sa);
	}
	const struct sg_listen_list tcp = { srv->tcp_addresses, list->count };
	return sg_listener_open(&srv->listener, &tcp, srv->cfg.loops, srv->cfg.loop_count, rtc_tcp_accepted, srv,
	    NULL, NULL, error, size);
}

static enum sg_result open_sockets(struct sg_webrtc_server *srv, char *error, size_t size)
{
	enum sg_result res;
	bool free_port;

	srv->address_count = srv->cfg.cfg->webrtc_listen.count;
	if (srv->address_count > RTC_ADDRESSES_MAX) {
		snprintf(error, size, "[webrtc] listen has more than %d addresses", RTC_ADDRESSES_MAX);
		return SG_ERR_LIMIT;
	}
	/* A port that is free for UDP may be taken for TCP. */
	for (int tries = 0;; tries++) {
		if ((res = open_all(srv, &free_port, error, size)) == SG_OK)
			return SG_OK;
		close_sockets(srv);
		if (!free_port || tries == FREE_PORT_TRIES)
			return res;
	}
}

/* ---- the server ---- */

static void free_server(struct sg_webrtc_server *srv)
{
	for (size_t i = 0; i < srv->cfg.loop_count; i++)
		if (srv->lanes[i]) {
			rtc_inbox_destroy(&srv->lanes[i]->inbox);
			free(srv->lanes[i]);
		}
	sg_dtls_identity_close(srv->identity);
	rtc_table_destroy(&srv->table);
	pthread_mutex_destroy(&srv->stats_lock);
	free(srv);
}

static void find_all_candidates(struct sg_webrtc_server *srv)
{
	const char *ip = srv->cfg.cfg->webrtc_public_ip;

	for (int tcp = 0; tcp < 2; tcp++)
		srv->candidate_count += rtc_find_candidates(srv->candidates + srv->candidate_count,
		    RTC_CANDIDATES_MAX / 2, srv->tcp_addresses, srv->address_count, tcp, ip);
	if (srv->address_count && !srv->candidate_count)
		sg_log_warning("webrtc: no address to tell browsers of is known: set [webrtc] public_ip");
}

enum sg_result sg_webrtc_server_open(struct sg_webrtc_server **out,
    const struct sg_webrtc_config *cfg, char *error, size_t error_size)
{
	struct sg_webrtc_server *srv = calloc(1, sizeof(*srv));
	enum sg_result res = SG_ERR_NO_MEMORY;
	char what[300] = "out of memory";

	*out = NULL;
	if (!srv) {
		snprintf(error, error_size, "webrtc: %s", what);
		return res;
	}
	srv->cfg = *cfg;
	if (!srv->cfg.media_deadline_ms)
		srv->cfg.media_deadline_ms = RTC_MEDIA_DEADLINE_MS;
	if (srv->cfg.loop_count > RTC_LANES_MAX)
		srv->cfg.loop_count = RTC_LANES_MAX;
	rtc_table_init(&srv->table);
	pthread_mutex_init(&srv->stats_lock, NULL);
	for (size_t i = 0; i < srv->cfg.loop_count; i++)
		if (!(srv->lanes[i] = new_lane(srv, cfg->loops[i])))
			goto fail;
	if ((res = sg_dtls_identity_open(&srv->identity, cfg->certificate_path, what, sizeof(what))) != SG_OK ||
	    (res = open_sockets(srv, what, sizeof(what))) != SG_OK)
		goto fail;
	find_all_candidates(srv);
	for (size_t i = 0; i < srv->cfg.loop_count; i++)
		sg_loop_call(srv->lanes[i]->loop, start_lane, srv->lanes[i]);
	for (size_t i = 0; cfg->bound && i < srv->address_count; i++)
		cfg->bound(cfg->bound_user, (const struct sockaddr *)&srv->tcp_addresses[i].sa);
	*out = srv;
	return SG_OK;
fail:
	snprintf(error, error_size, "webrtc: %s", what);
	free_server(srv);
	return res;
}

void sg_webrtc_server_drain(struct sg_webrtc_server *srv)
{
	if (atomic_exchange(&srv->draining, true))
		return;
	sg_listener_close(srv->listener);
	srv->listener = NULL;
	for (size_t i = 0; i < srv->cfg.loop_count; i++) {
		struct sg_executor *ex = sg_loop_executor(srv->lanes[i]->loop);
		ex->post(ex, &srv->lanes[i]->drain);
	}
}

void sg_webrtc_server_close(struct sg_webrtc_server *srv)
{
	if (!srv)
		return;
	sg_webrtc_server_drain(srv);
	for (size_t i = 0; i < srv->cfg.loop_count; i++)
		sg_loop_call(srv->lanes[i]->loop, stop_lane, srv->lanes[i]);
	/* Their owners give them back, and messages come home. */
	for (int64_t until = sg_mono_ms() + CLOSE_WAIT_MS; atomic_load(&srv->peers);) {
		if (sg_mono_ms() > until) {
			sg_log_error("webrtc: %zu peers have not been given back", atomic_load(&srv->peers));
			return;
		}
		usleep(2000);
	}
	/* What one lane has posted to another has then run. */
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < srv->cfg.loop_count; i++)
			sg_loop_call(srv->lanes[i]->loop, nothing, NULL);
	free_server(srv);
}

/* ---- statistics ---- */

void sg_webrtc_peer_stats(struct sg_webrtc_peer *p, struct sg_webrtc_peer_stats *out)
{
	pthread_mutex_lock(&p->srv->stats_lock);
	*out = p->stats;
	pthread_mutex_unlock(&p->srv->stats_lock);
}

size_t sg_webrtc_peers(struct sg_webrtc_server *srv, struct sg_webrtc_peer_stats *out, size_t max)
{
	struct sg_webrtc_peer *p;
	size_t n = 0;

	pthread_mutex_lock(&srv->stats_lock);
	DL_FOREACH2(srv->all, p, all_next)
	{
		if (!p->stats.session_id)
			continue;
		if (n < max)
			out[n] = p->stats;
		n++;
	}
	pthread_mutex_unlock(&srv->stats_lock);
	return n;
}

void sg_webrtc_server_stats(struct sg_webrtc_server *srv, struct sg_webrtc_stats *out)
{
	struct rtc_counts *c = &srv->counts;

	*out = (struct sg_webrtc_stats){ .peers = atomic_load(&srv->peers), .peers_max = srv->cfg.max_peers,
		.publishers = atomic_load(&srv->publishers), .viewers = atomic_load(&srv->viewers),
		.opened = atomic_load(&c->opened), .stun_bad = atomic_load(&c->stun_bad),
		.dtls_failed = atomic_load(&c->dtls_failed), .srtp_bad = atomic_load(&c->srtp_bad),
		.packets_in = atomic_load(&c->packets_in), .packets_out = atomic_load(&c->packets_out),
		.bytes_in = atomic_load(&c->bytes_in), .bytes_out = atomic_load(&c->bytes_out),
		.retransmitted = atomic_load(&c->retransmitted), .nacks = atomic_load(&c->nacks),
		.plis = atomic_load(&c->plis), .skipped = atomic_load(&c->skipped),
		.bad_input = atomic_load(&c->bad_input), .b_frames = atomic_load(&c->b_frames),
		.dropped = atomic_load(&c->dropped) };
}
