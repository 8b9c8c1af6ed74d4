/* server.c - listening, lanes, limits. */
#include "rtmp/rtmp_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

static void take_socket(
    struct sg_rtmp_server *srv, struct sg_loop *loop, int fd, struct sg_tls *tls)
{
	/* Counted before it is looked at: the other lanes accept at the same time. */
	size_t others = atomic_fetch_add(&srv->connections, 1);
	if (atomic_load(&srv->draining) || others >= srv->cfg.max_connections) {
		atomic_fetch_sub(&srv->connections, 1);
		sg_log_limited(SG_LOG_WARNING, "rtmp: %zu connections: no more are taken",
		    srv->cfg.max_connections);
		atomic_fetch_add(&srv->rejected, 1);
		close(fd);
		return;
	}
	atomic_fetch_add(&srv->accepted, 1);
	for (size_t i = 0; i < srv->cfg.loop_count; i++) {
		if (srv->lanes[i].loop == loop) {
			peer_start(&srv->lanes[i], fd, tls);
			return;
		}
	}
	atomic_fetch_sub(&srv->connections, 1);
	close(fd);
}

static void on_accepted(void *user, struct sg_loop *loop, int fd)
{
	take_socket(user, loop, fd, NULL);
}

static void on_accepted_tls(void *user, struct sg_loop *loop, int fd)
{
	take_socket(user, loop, fd, ((struct sg_rtmp_server *)user)->cfg.tls);
}

static void sweep(void *user)
{
	struct rtmp_lane *lane = user;
	struct rtmp_peer *p, *tmp;
	int64_t now_ms = sg_mono_ms();

	DL_FOREACH_SAFE(lane->peers, p, tmp)
	{
		peer_tick(p, now_ms);
	}
	if (!lane->peers) /* until the first comes */
		sg_timer_stop(lane->sweep);
}

static void open_lane(void *user)
{
	struct rtmp_lane *lane = user;

	(void)!sg_timer_open(&lane->sweep, lane->loop, sweep, lane); /* NULL then */
}

static void close_lane(void *user)
{
	struct rtmp_lane *lane = user;
	struct rtmp_peer *p, *tmp;

	sg_timer_close(lane->sweep);
	DL_FOREACH_SAFE(lane->peers, p, tmp)
	{
		p->bye = SG_BYE_SHUTDOWN;
		peer_destroy(p);
	}
}

static void drain_lane(struct sg_task *task)
{
	struct rtmp_lane *lane = SG_CONTAINER_OF(task, struct rtmp_lane, drain);
	struct rtmp_peer *p, *tmp;

	DL_FOREACH_SAFE(lane->peers, p, tmp)
	{
		peer_read_rest(p);
		peer_say_and_close(p, "error", "NetConnection.Connect.AppShutdown",
		    "The server is being stopped.", SG_BYE_SHUTDOWN);
		peer_settle(p);
	}
}

static void set_default(int64_t *ms, int64_t value)
{
	if (!*ms)
		*ms = value;
}

enum sg_result sg_rtmp_server_open(
    struct sg_rtmp_server **out, const struct sg_rtmp_config *cfg, char *error, size_t error_size)
{
	struct sg_rtmp_server *srv = calloc(1, sizeof(*srv));

	*out = NULL;
	if (!srv || !(srv->lanes = calloc(cfg->loop_count, sizeof(*srv->lanes)))) {
		free(srv);
		snprintf(error, error_size, "rtmp: out of memory");
		return SG_ERR_NO_MEMORY;
	}
	srv->cfg = *cfg;
	set_default(&srv->cfg.say_something_ms, SAY_SOMETHING_MS);
	set_default(&srv->cfg.first_media_ms, FIRST_MEDIA_MS);
	set_default(&srv->cfg.publisher_silent_ms, PUBLISHER_SILENT_MS);
	for (size_t i = 0; i < cfg->loop_count; i++) {
		struct rtmp_lane *lane = &srv->lanes[i];
		lane->srv = srv;
		lane->loop = cfg->loops[i];
		lane->fanout = cfg->fanouts[i];
		lane->drain.run = drain_lane;
		sg_loop_call(lane->loop, open_lane, lane);
		if (!lane->sweep) {
			snprintf(error, error_size, "rtmp: out of memory");
			sg_rtmp_server_close(srv);
			return SG_ERR_NO_MEMORY;
		}
	}
	char what[256];
	enum sg_result res = sg_listener_open(&srv->listener, cfg->listen, cfg->loops, cfg->loop_count,
	    on_accepted, srv, cfg->bound, cfg->bound_user, what, sizeof(what));
	if (res == SG_OK && cfg->tls_listen && cfg->tls_listen->count)
		res = sg_listener_open(&srv->tls_listener, cfg->tls_listen, cfg->loops,
		    cfg->loop_count, on_accepted_tls, srv, cfg->tls_bound, cfg->tls_bound_user, what,
		    sizeof(what));
	if (res != SG_OK) {
		snprintf(error, error_size, "rtmp: %s", what);
		sg_rtmp_server_close(srv);
		return res;
	}
	*out = srv;
	return SG_OK;
}

void sg_rtmp_server_drain(struct sg_rtmp_server *srv)
{
	if (atomic_exchange(&srv->draining, true))
		return;
	sg_listener_close(srv->listener);
	sg_listener_close(srv->tls_listener);
	srv->listener = srv->tls_listener = NULL;
	for (size_t i = 0; i < srv->cfg.loop_count; i++) {
		struct sg_executor *ex = sg_loop_executor(srv->lanes[i].loop);
		ex->post(ex, &srv->lanes[i].drain);
	}
}

void sg_rtmp_server_close(struct sg_rtmp_server *srv)
{
	if (!srv)
		return;
	sg_listener_close(srv->listener);
	sg_listener_close(srv->tls_listener);
	for (size_t i = 0; i < srv->cfg.loop_count; i++)
		if (srv->lanes[i].loop)
			sg_loop_call(srv->lanes[i].loop, close_lane, &srv->lanes[i]);
	free(srv->lanes);
	free(srv);
}

void sg_rtmp_server_stats(struct sg_rtmp_server *srv, struct sg_rtmp_stats *out)
{
	*out = (struct sg_rtmp_stats){ .connections = atomic_load(&srv->connections),
		.connections_max = srv->cfg.max_connections, .publishers = atomic_load(&srv->publishers),
		.players = atomic_load(&srv->players), .accepted = atomic_load(&srv->accepted),
		.rejected = atomic_load(&srv->rejected), .bad_input = atomic_load(&srv->bad_input),
		.bytes_in = atomic_load(&srv->bytes_in), .bytes_out = atomic_load(&srv->bytes_out) };
}
