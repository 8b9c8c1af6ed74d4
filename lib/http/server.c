/* server.c - the web server: its listeners, libmicrohttpd's threads, the sweeper.
 *
 * We accept and hand the sockets over (MHD_add_connection): one way for TCP and for the
 * administrator's socket, spread over the pool, and faster than libmicrohttpd's own accept.
 *
 * MHD_USE_TURBO is what lets a media socket leave: without it libmicrohttpd would shut the socket
 * down, for our duplicate of it too, when it lets go of the connection. */
#include "http/http_internal.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define SWEEP_MS 1000

/* ---- libmicrohttpd's callbacks ---- */

static void on_log(void *cls, const char *fmt, va_list args)
{
	char line[512];

	(void)cls;
	vsnprintf(line, sizeof(line), fmt, args);
	for (size_t len = strlen(line); len && (line[len - 1] == '\n' || line[len - 1] == '\r');)
		line[--len] = '\0';
	sg_log_limited(SG_LOG_DEBUG, "http: %s", line);
}

/* What is asked for is decoded by us (target.c); libmicrohttpd is to leave it alone. */
static size_t keep_as_is(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls, (void)mhd;
	return strlen(text);
}

static void add_connection(struct sg_http_server *srv, struct MHD_Connection *mhd, void **context)
{
	struct http_connection *c = calloc(1, sizeof(*c));
	const union MHD_ConnectionInfo *fd =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *addr =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	*context = c;
	if (!c)
		return; /* its first request will be closed */
	c->fd = fd->connect_fd;
	c->local = addr->client_addr->sa_family == AF_UNIX;
	c->pump = http_pump_claim(srv, c->fd);
	c->peer = sg_addr_from_sockaddr(addr->client_addr);
	atomic_store(&c->since_ms, sg_mono_ms());
	pthread_mutex_lock(&srv->lock);
	if ((c->next = srv->connections))
		c->next->prev = c;
	srv->connections = c;
	pthread_mutex_unlock(&srv->lock);
	atomic_fetch_add(&srv->connection_count, 1);
}

static void remove_connection(struct sg_http_server *srv, struct http_connection *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&srv->lock);
	if (c->prev)
		c->prev->next = c->next;
	else
		srv->connections = c->next;
	if (c->next)
		c->next->prev = c->prev;
	pthread_mutex_unlock(&srv->lock);
	http_pump_unref(c->pump);
	free(c);
	atomic_fetch_sub(&srv->connection_count, 1);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		add_connection(cls, mhd, context);
	else
		remove_connection(cls, *context);
}

/* ---- accepting ---- */

void http_take_socket(
    struct sg_http_server *srv, int fd, const struct sockaddr *sa, socklen_t len)
{
	size_t open = atomic_load(&srv->connection_count) + http_media_viewers(srv->media) +
		      http_ws_count(srv->websockets);

	if (open >= srv->cfg.max_connections) {
		sg_log_limited(SG_LOG_WARNING, "http: %zu connections are open: turning others away",
		    open);
		close(fd);
		return;
	}
	MHD_add_connection(srv->daemon, fd, sa, len); /* closes the socket if it cannot */
}

static void on_accepted(void *user, struct sg_loop *loop, int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	(void)loop;
	if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0)
		close(fd); /* gone already */
	else
		http_take_socket(user, fd, (struct sockaddr *)&sa, len);
}

static void accept_admin(struct sg_http_server *srv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	for (int i = 0; i < 16; i++) {
		int fd = accept4(srv->admin.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		http_take_socket(srv, fd, (struct sockaddr *)&sa, sizeof(sa));
	}
}

/* ---- the sweeper ---- */

/* How long a connection may stay in a phase. What an answer may take is libmicrohttpd's timeout,
 * which counts from the last byte. */
static int64_t patience_ms(int phase)
{
	switch (phase) {
	case PHASE_NEW:
		return HTTP_FIRST_BYTE_MS;
	case PHASE_HEADERS:
		return HTTP_HEADERS_MS;
	case PHASE_BODY:
		return HTTP_BODY_MS;
	case PHASE_IDLE:
		return HTTP_IDLE_MS;
	default:
		return INT64_MAX;
	}
}

/* Has its peer left in the middle of a body? Where the end came together with the last bytes, libmicrohttpd has been
 * told of both by one event, has read the bytes, and hears nothing more. */
static bool has_left(const struct http_connection *c)
{
	char byte;

	return atomic_load(&c->phase) == PHASE_BODY && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void sweep_connections(struct sg_http_server *srv)
{
	int64_t now_ms = sg_mono_ms();

	pthread_mutex_lock(&srv->lock);
	for (struct http_connection *c = srv->connections; c; c = c->next) {
		int64_t for_ms = now_ms - atomic_load(&c->since_ms);
		if (for_ms > patience_ms(atomic_load(&c->phase)) || (for_ms > SWEEP_MS && has_left(c)))
			shutdown(c->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes */
	}
	pthread_mutex_unlock(&srv->lock);
}

static void *sweeper_main(void *arg)
{
	struct sg_http_server *srv = arg;
	struct pollfd fds[2] = { { .fd = srv->wake_fd, .events = POLLIN },
		{ .fd = srv->admin.fd, .events = POLLIN } };
	int64_t next_ms = sg_mono_ms() + SWEEP_MS;

	pthread_setname_np(pthread_self(), "sg-http-sweep");
	while (!atomic_load(&srv->stopping)) {
		int64_t wait_ms = next_ms - sg_mono_ms();
		int n = poll(fds, 2, wait_ms > 0 ? (int)wait_ms : 0);
		if (n > 0 && fds[1].revents && !atomic_load(&srv->draining))
			accept_admin(srv);
		else if (n > 0 && fds[1].revents)
			fds[1].fd = -1; /* draining: those who come now wait for nothing */
		if (sg_mono_ms() < next_ms)
			continue;
		next_ms = sg_mono_ms() + SWEEP_MS;
		sweep_connections(srv);
		http_streams_sweep(srv, false);
	}
	return NULL;
}

/* ---- opening ---- */

/* A wildcard is no address to give away: the loopback one is at least true here. */
static void put_public_url(struct sg_http_server *srv, const struct sockaddr *sa, const char *scheme)
{
	char text[SG_ENDPOINT_TEXT_SIZE];
	struct sockaddr_storage shown = { 0 };

	if (srv->cfg.cfg->public_url)
		return;
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)&shown;
		memcpy(six, sa, sizeof(*six));
		if (IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
			six->sin6_addr = in6addr_loopback;
	} else {
		struct sockaddr_in *four = (struct sockaddr_in *)&shown;
		memcpy(four, sa, sizeof(*four));
		if (four->sin_addr.s_addr == htonl(INADDR_ANY))
			four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	sg_endpoint_format(text, (struct sockaddr *)&shown);
	snprintf(srv->public_url, sizeof(srv->public_url), "%s://%s", scheme, text);
}

static void note_bound(void *user, const struct sockaddr *sa)
{
	struct sg_http_server *srv = user;

	if (srv->cfg.bound)
		srv->cfg.bound(srv->cfg.bound_user, sa);
	if (!srv->public_url[0])
		put_public_url(srv, sa, "http");
}

/* Where there is HTTPS, that is what we tell others. */
static void note_tls_bound(void *user, const struct sockaddr *sa)
{
	struct sg_http_server *srv = user;

	if (srv->cfg.tls_bound)
		srv->cfg.tls_bound(srv->cfg.tls_bound_user, sa);
	if (strncmp(srv->public_url, "https:", 6) != 0)
		put_public_url(srv, sa, "https");
}

enum sg_result sg_http_server_open(struct sg_http_server **out, const struct sg_http_config *cfg,
    char *error, size_t error_size)
{
	enum sg_result res = SG_ERR_NO_MEMORY;

	*out = NULL;
	struct sg_http_server *srv = calloc(1, sizeof(*srv));
	if (!srv) {
		snprintf(error, error_size, "http: out of memory");
		return res;
	}
	srv->cfg = *cfg;
	srv->admin.fd = -1;
	sg_random(&srv->bodies.seed, sizeof(srv->bodies.seed));
	pthread_mutex_init(&srv->lock, NULL);
	if (cfg->cfg->public_url)
		snprintf(srv->public_url, sizeof(srv->public_url), "%s", cfg->cfg->public_url);
	size_t len = strlen(srv->public_url);
	if (len && srv->public_url[len - 1] == '/')
		srv->public_url[len - 1] = '\0';
	srv->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (srv->wake_fd < 0)
		res = SG_ERR_IO;
	if (srv->wake_fd < 0 || (res = http_media_open(&srv->media, srv)) != SG_OK ||
	    (res = http_ws_open(&srv->websockets, srv)) != SG_OK ||
	    (cfg->tls && cfg->loop_count && (res = http_tls_open(&srv->tls, srv)) != SG_OK)) {
		snprintf(error, error_size, "http: starting: %s", sg_result_text(res));
		sg_http_server_close(srv);
		return res;
	}
	*out = srv;
	return SG_OK;
}

static struct MHD_Daemon *start_daemon(struct sg_http_server *srv)
{
	unsigned threads = srv->cfg.threads ? srv->cfg.threads : sg_cpu_count();
	/* Ours is the limit that counts (http_take_socket); libmicrohttpd divides its own among its threads,
	 * which may be loaded unevenly. */
	unsigned limit = (unsigned)srv->cfg.max_connections * 2 + 64 * threads;
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limit, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_MS / 1000, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_MEMORY_PER_CONNECTION, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_on_target, srv },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_as_is, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_on_completed, srv },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, srv },
		/* A pool of one is no pool: libmicrohttpd wants 0 then. */
		{ MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? (intptr_t)threads : 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
				    MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, http_on_request, srv, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
	    MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

enum sg_result sg_http_server_start(struct sg_http_server *srv, char *error, size_t error_size)
{
	enum sg_result res = SG_OK;
	char what[256];

	if (srv->routes.failed) {
		snprintf(error, error_size, "http: too many routes");
		return SG_ERR_LIMIT;
	}
	srv->daemon = start_daemon(srv);
	if (!srv->daemon) {
		snprintf(error, error_size, "http: the server's threads could not be started: %s",
		    strerror(errno));
		return SG_ERR_IO;
	}
	if (srv->cfg.cfg->http_listen.count)
		res = sg_listener_open(&srv->listener, &srv->cfg.cfg->http_listen, srv->cfg.loops,
		    srv->cfg.loop_count, on_accepted, srv, note_bound, srv, what, sizeof(what));
	if (res == SG_OK && srv->tls && srv->cfg.cfg->http_tls_listen.count)
		res = sg_listener_open(&srv->tls_listener, &srv->cfg.cfg->http_tls_listen,
		    srv->cfg.loops, srv->cfg.loop_count, http_tls_accepted, srv, note_tls_bound, srv,
		    what, sizeof(what));
	if (res != SG_OK) {
		snprintf(error, error_size, "http: %s", what);
		return res;
	}
	http_admin_socket_open(&srv->admin, srv->cfg.cfg->admin_socket);
	if (pthread_create(&srv->sweeper, NULL, sweeper_main, srv) != 0) {
		snprintf(error, error_size, "http: starting a thread: %s", strerror(errno));
		return SG_ERR_IO;
	}
	srv->sweeping = true;
	return SG_OK;
}

/* ---- closing ---- */

void sg_http_server_drain(struct sg_http_server *srv)
{
	atomic_store(&srv->draining, true);
	sg_listener_close(srv->listener);
	sg_listener_close(srv->tls_listener);
	srv->listener = srv->tls_listener = NULL;
	http_streams_sweep(srv, true);
	http_media_drain(srv->media);
	http_ws_drain(srv->websockets);
}

static void stop_sweeper(struct sg_http_server *srv)
{
	uint64_t one = 1;

	if (!srv->sweeping)
		return;
	if (write(srv->wake_fd, &one, sizeof(one)) == sizeof(one) || errno == EAGAIN)
		pthread_join(srv->sweeper, NULL);
	srv->sweeping = false;
}

void sg_http_server_close(struct sg_http_server *srv)
{
	if (!srv)
		return;
	if (srv->media)
		sg_http_server_drain(srv);
	atomic_store(&srv->stopping, true);
	stop_sweeper(srv);
	http_admin_socket_close(&srv->admin);
	/* libmicrohttpd ends the program when it is stopped with a suspended connection: wait for
	 * those that somebody still has to answer, and wake the streams. */
	while (srv->daemon && atomic_load(&srv->deferred_count))
		usleep(1000);
	http_streams_sweep(srv, true);
	if (srv->daemon)
		MHD_stop_daemon(srv->daemon);
	http_media_close(srv->media);
	http_ws_close(srv->websockets);
	http_tls_close(srv->tls);
	if (srv->wake_fd >= 0)
		close(srv->wake_fd);
	free(srv->routes.items);
	pthread_mutex_destroy(&srv->lock);
	free(srv);
}

void sg_http_server_stats(struct sg_http_server *srv, struct sg_http_stats *out)
{
	size_t viewers = http_media_viewers(srv->media), talks = http_ws_count(srv->websockets);

	*out = (struct sg_http_stats){
		.connections = atomic_load(&srv->connection_count) + viewers + talks,
		.connections_max = srv->cfg.max_connections,
		.suspended = atomic_load(&srv->deferred_count),
		.streaming = atomic_load(&srv->stream_count) + viewers,
		.websockets = talks,
		.tls = http_tls_count(srv->tls),
		.requests = atomic_load(&srv->requests),
		.bytes_out = atomic_load(&srv->bytes_out) + http_media_bytes(srv->media),
	};
	for (size_t i = 0; i < 6; i++)
		out->status[i] = atomic_load(&srv->status[i]);
}

const char *sg_http_public_url(const struct sg_http_server *srv)
{
	return srv->public_url;
}
