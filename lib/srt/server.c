/* server.c - listening, accepting, lanes, numbers. */
#include "srt/srt_internal.h"
#include <errno.h>
#include <unistd.h>

#define ACCEPT_MS 200
#define SEND_BUFFER_BYTES (4 << 20) /* of one viewer, and taken only as needed */

/* ---- lanes ---- */

static void sweep(void *user)
{
	struct srt_lane *lane = user;
	struct srt_peer *p, *tmp;
	int64_t now_ms = sg_mono_ms();

	DL_FOREACH_SAFE(lane->peers, p, tmp)
	{
		srt_peer_tick(p, now_ms);
	}
	srt_lane_sweep_channels(lane, now_ms);
}

static void end_peers(struct srt_lane *lane)
{
	struct srt_peer *p, *tmp;

	DL_FOREACH_SAFE(lane->peers, p, tmp)
	{
		if (!p->doomed)
			srt_peer_destroy(p, SG_BYE_SHUTDOWN);
	}
}

static void drain_lane(struct sg_task *task)
{
	end_peers(SG_CONTAINER_OF(task, struct srt_lane, drain));
}

static void open_lane(void *user)
{
	struct srt_lane *lane = user;

	if (sg_timer_open(&lane->sweep, lane->loop, sweep, lane) == SG_OK)
		sg_timer_start(lane->sweep, SWEEP_MS, SWEEP_MS);
	if (sg_timer_open(&lane->gather, lane->loop, srt_lane_on_gather, lane) != SG_OK)
		lane->gather = NULL;
}

static void end_lane(void *user)
{
	end_peers(user);
}

static void close_lane(void *user)
{
	struct srt_lane *lane = user;

	sg_timer_close(lane->sweep);
	sg_timer_close(lane->gather);
}

static bool open_lanes(struct sg_srt_server *srv)
{
	for (size_t i = 0; i < srv->cfg.loop_count; i++) {
		struct srt_lane *lane = &srv->lanes[i];
		lane->srv = srv;
		lane->loop = srv->cfg.loops[i];
		lane->drain.run = drain_lane;
		lane->wake.run = srt_lane_on_wake;
		sg_loop_call(lane->loop, open_lane, lane);
		if (!lane->sweep || !lane->gather)
			return false;
	}
	return true;
}

/* ---- accepting ---- */

/* The peer was made during its handshake; who is not known any more was given up. */
static void accepted(struct sg_srt_server *srv, SRTSOCKET sock)
{
	struct srt_peer *p;

	pthread_mutex_lock(&srv->lock);
	HASH_FIND_INT(srv->handshakes, &sock, p);
	if (p) {
		HASH_DEL(srv->handshakes, p);
		p->handshaking = false;
	}
	pthread_mutex_unlock(&srv->lock);
	if (!p) {
		srt_close(sock);
		return;
	}
	struct sg_executor *ex = sg_loop_executor(p->lane->loop);
	ex->post(ex, &p->connect);
}

static void *accept_all(void *arg)
{
	struct sg_srt_server *srv = arg;
	SRT_EPOLL_EVENT ready[16];

	while (!atomic_load(&srv->closing)) {
		int n = srt_epoll_uwait(srv->epoll, ready, 16, ACCEPT_MS);
		for (int i = 0; i < n; i++) {
			SRTSOCKET sock = srt_accept(ready[i].fd, NULL, NULL);
			if (sock != SRT_INVALID_SOCK)
				accepted(srv, sock);
			else if (srt_getlasterror(NULL) != SRT_EASYNCRCV)
				usleep(20000); /* a listener that is being closed */
		}
	}
	return NULL;
}

/* ---- listening ---- */

static bool set_options(const struct sg_srt_server *srv, SRTSOCKET s)
{
	bool no = false;
	int latency = (int)srv->cfg.cfg->srt_latency_ms, buffer = SEND_BUFFER_BYTES;
	struct linger none = {
	    0}; /* else one who is shown out learns it only when all was acknowledged */

	return srt_setsockflag(s, SRTO_LINGER, &none, sizeof(none)) == 0 &&
	       srt_setsockflag(s, SRTO_RCVSYN, &no, sizeof(no)) == 0 &&
	       srt_setsockflag(s, SRTO_SNDSYN, &no, sizeof(no)) == 0 &&
	       srt_setsockflag(s, SRTO_LATENCY, &latency, sizeof(latency)) == 0 &&
	       srt_setsockflag(s, SRTO_SNDBUF, &buffer, sizeof(buffer)) == 0;
}

/* Not one of libsrt's making, which would share its port with any other server of SRT, and takes 0.0.0.0 and [::]
 * for the same address. -1: errno says why. */
static int open_socket(const struct sg_listen *l)
{
	int family = l->sa.ss_family, on = 1;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, (const struct sockaddr *)&l->sa, l->len) == 0)
		return fd;
	int err = errno;
	if (fd >= 0)
		close(fd);
	errno = err;
	return -1;
}

static void report_bound(const struct sg_srt_server *srv, SRTSOCKET s)
{
	struct sockaddr_storage sa;
	int len = sizeof(sa);

	if (srv->cfg.bound && srt_getsockname(s, (struct sockaddr *)&sa, &len) == 0)
		srv->cfg.bound(srv->cfg.bound_user, (struct sockaddr *)&sa);
}

static enum sg_result listen_on(
    struct sg_srt_server *srv, const struct sg_listen *l, char *error, size_t error_size)
{
	SRTSOCKET s = srt_create_socket();
	int in = SRT_EPOLL_IN | SRT_EPOLL_ERR;
	char name[SG_ENDPOINT_TEXT_SIZE];

	if (s == SRT_INVALID_SOCK)
		return SG_ERR_NO_MEMORY;
	srv->listeners[srv->listener_count++] = s;
	int fd = open_socket(l);
	const char *why = fd < 0 ? strerror(errno) : NULL;
	if (fd >= 0 && set_options(srv, s) &&
	    srt_listen_callback(s, srt_on_handshake, srv) == 0 &&
	    srt_bind_acquire(s, fd) == 0 && srt_listen(s, 512) == 0 &&
	    srt_epoll_add_usock(srv->epoll, s, &in) == 0) {
		report_bound(srv, s);
		return SG_OK;
	}
	sg_endpoint_format(name, (const struct sockaddr *)&l->sa);
	snprintf(error, error_size,
	    "srt: cannot listen on %s: %s: stop the other server or choose another address", name,
	    why ? why : srt_getlasterror_str());
	return SG_ERR_IO;
}

static enum sg_result listen_all(struct sg_srt_server *srv, char *error, size_t error_size)
{
	const struct sg_listen_list *list = &srv->cfg.cfg->srt_listen;

	for (size_t i = 0; i < list->count; i++) {
		enum sg_result res = listen_on(srv, &list->items[i], error, error_size);
		if (res != SG_OK)
			return res;
	}
	return SG_OK;
}

/* ---- opening and closing ---- */

/* libsrt writes to standard error by itself, in its own way, and addresses of whoever comes with it. */
static void drop_log(
    void *opaque, int level, const char *file, int line, const char *area, const char *text)
{
	(void)opaque, (void)level, (void)file, (void)line, (void)area, (void)text;
}

static enum sg_result open_steps(struct sg_srt_server *srv, char *error, size_t error_size)
{
	snprintf(error, error_size, "srt: %s", sg_result_text(SG_ERR_NO_MEMORY));
	if (srt_startup() < 0)
		return SG_ERR_NO_MEMORY;
	srv->started = true;
	srt_setloghandler(NULL, drop_log);
	srv->epoll = srt_epoll_create();
	if (srv->epoll < 0 || !srv->lanes || !srv->listeners || !open_lanes(srv))
		return SG_ERR_NO_MEMORY;
	enum sg_result res = listen_all(srv, error, error_size);
	if (res != SG_OK)
		return res;
	if (pthread_create(&srv->acceptor, NULL, accept_all, srv) != 0)
		return SG_ERR_NO_MEMORY;
	pthread_setname_np(srv->acceptor, "sg-srt-accept");
	srv->has_acceptor = true;
	return SG_OK;
}

enum sg_result sg_srt_server_open(
    struct sg_srt_server **out, const struct sg_srt_config *cfg, char *error, size_t error_size)
{
	struct sg_srt_server *srv = calloc(1, sizeof(*srv));

	*out = NULL;
	if (!srv) {
		snprintf(error, error_size, "srt: %s", sg_result_text(SG_ERR_NO_MEMORY));
		return SG_ERR_NO_MEMORY;
	}
	srv->cfg = *cfg;
	srv->apps = cfg->cfg;
	srv->epoll = -1;
	pthread_mutex_init(&srv->lock, NULL);
	if (!srv->cfg.max_connections || srv->cfg.max_connections > CONNECTIONS_MAX)
		srv->cfg.max_connections = CONNECTIONS_MAX;
	srv->first_media_ms = cfg->first_media_ms ? cfg->first_media_ms : FIRST_MEDIA_MS;
	srv->stalled_ms = cfg->stalled_ms ? cfg->stalled_ms : STALLED_MS;
	srv->lanes = calloc(cfg->loop_count, sizeof(*srv->lanes));
	srv->listeners = calloc(cfg->cfg->srt_listen.count, sizeof(*srv->listeners));
	enum sg_result res = open_steps(srv, error, error_size);
	if (res != SG_OK) {
		sg_srt_server_close(srv);
		return res;
	}
	*out = srv;
	return SG_OK;
}

void sg_srt_server_reconfigure(struct sg_srt_server *srv, const struct sg_config *cfg)
{
	pthread_mutex_lock(&srv->lock);
	srv->apps = cfg;
	pthread_mutex_unlock(&srv->lock);
}

void sg_srt_server_drain(struct sg_srt_server *srv)
{
	if (atomic_exchange(&srv->draining, true))
		return;
	for (size_t i = 0; i < srv->cfg.loop_count; i++) {
		struct sg_executor *ex = sg_loop_executor(srv->lanes[i].loop);
		ex->post(ex, &srv->lanes[i].drain);
	}
}

/* Callbacks end with the listeners, `connect` with the acceptor; then the peers go, some of which wait for
 * their threads. */
static void close_peers(struct sg_srt_server *srv)
{
	atomic_store(&srv->draining, true);
	atomic_store(&srv->closing, true);
	for (size_t i = 0; i < srv->listener_count; i++)
		srt_close(srv->listeners[i]);
	if (srv->has_acceptor)
		pthread_join(srv->acceptor, NULL);
	for (size_t i = 0; srv->lanes && i < srv->cfg.loop_count; i++)
		if (srv->lanes[i].loop)
			sg_loop_call(srv->lanes[i].loop, end_lane, &srv->lanes[i]);
	while (atomic_load(&srv->connections))
		usleep(2000);
	for (size_t i = 0; srv->lanes && i < srv->cfg.loop_count; i++)
		if (srv->lanes[i].loop)
			sg_loop_call(srv->lanes[i].loop, close_lane, &srv->lanes[i]);
}

void sg_srt_server_close(struct sg_srt_server *srv)
{
	if (!srv)
		return;
	close_peers(srv);
	if (srv->epoll >= 0)
		srt_epoll_release(srv->epoll);
	if (srv->started)
		srt_cleanup();
	pthread_mutex_destroy(&srv->lock);
	free(srv->listeners);
	free(srv->lanes);
	free(srv);
}

/* ---- numbers ---- */

bool sg_srt_server_line(struct sg_srt_server *srv, uint64_t session_id, struct sg_srt_line *out)
{
	struct srt_peer *p;

	pthread_mutex_lock(&srv->lock);
	HASH_FIND(hh_id, srv->lines, &session_id, sizeof(session_id), p);
	if (p)
		*out = p->line;
	pthread_mutex_unlock(&srv->lock);
	return p != NULL;
}

static double mean_rtt_s(struct sg_srt_server *srv)
{
	struct srt_peer *p, *tmp;
	double sum_ms = 0;
	unsigned count = 0;

	pthread_mutex_lock(&srv->lock);
	HASH_ITER(hh_id, srv->lines, p, tmp)
	{
		sum_ms += p->line.rtt_ms;
		count++;
	}
	pthread_mutex_unlock(&srv->lock);
	return count ? sum_ms / count / 1000 : 0;
}

void sg_srt_server_stats(struct sg_srt_server *srv, struct sg_srt_stats *out)
{
	*out = (struct sg_srt_stats){.connections = atomic_load(&srv->connections),
	    .connections_max = srv->cfg.max_connections,
	    .publishers = atomic_load(&srv->publishers),
	    .players = atomic_load(&srv->players),
	    .accepted = atomic_load(&srv->accepted),
	    .rejected = atomic_load(&srv->rejected),
	    .bad_input = atomic_load(&srv->bad_input),
	    .bytes_in = atomic_load(&srv->bytes_in),
	    .bytes_out = atomic_load(&srv->bytes_out),
	    .lost_in = atomic_load(&srv->lost[SG_PUBLISH]),
	    .lost_out = atomic_load(&srv->lost[SG_PLAY]),
	    .retransmitted_in = atomic_load(&srv->retransmitted[SG_PUBLISH]),
	    .retransmitted_out = atomic_load(&srv->retransmitted[SG_PLAY]),
	    .dropped_in = atomic_load(&srv->dropped[SG_PUBLISH]),
	    .dropped_out = atomic_load(&srv->dropped[SG_PLAY]),
	    .undecrypted = atomic_load(&srv->undecrypted),
	    .skipped_frames = atomic_load(&srv->skipped),
	    .rtt_s = mean_rtt_s(srv)};
}
