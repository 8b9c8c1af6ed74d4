/* listener.c - accepting connections and handing them to the loops in turn.
 *
 * The sockets are watched by the first loop; a connection for another loop travels as a task. */
#include "net/net_internal.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPTS_PER_TURN 64 /* so that a flood leaves room for those who are in */
#define PAUSE_MS 100

struct gate_socket {
	uv_poll_t uv;
	struct sg_listener *listener;
	int fd;
	bool open;
};

struct sg_listener {
	struct sg_loop *const *loops;
	size_t loop_count, next_loop;
	sg_accepted accepted;
	void *user;
	struct sg_timer *pause;
	struct gate_socket *sockets;
	size_t count;
};

/* ---- accepting ---- */

struct handover {
	struct sg_task task;
	struct sg_listener *listener;
	struct sg_loop *loop;
	int fd;
};

static void hand_over(struct sg_task *task)
{
	struct handover *h = SG_CONTAINER_OF(task, struct handover, task);

	h->listener->accepted(h->listener->user, h->loop, h->fd);
	free(h);
}

static void deliver(struct sg_listener *l, int fd)
{
	struct sg_loop *loop = l->loops[l->next_loop++ % l->loop_count];
	struct handover *h;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (loop == l->loops[0]) {
		l->accepted(l->user, loop, fd);
	} else if (!(h = malloc(sizeof(*h)))) {
		close(fd);
	} else {
		*h = (struct handover){ { .run = hand_over }, l, loop, fd };
		loop->executor.post(&loop->executor, &h->task);
	}
}

static void on_incoming(uv_poll_t *uv, int status, int events);

static void watch(struct sg_listener *l, bool on)
{
	for (size_t i = 0; i < l->count; i++) {
		if (on)
			uv_poll_start(&l->sockets[i].uv, UV_READABLE, on_incoming);
		else
			uv_poll_stop(&l->sockets[i].uv);
	}
}

static void go_on(void *user)
{
	watch(user, true);
}

static void on_incoming(uv_poll_t *uv, int status, int events)
{
	struct gate_socket *s = uv->data;

	(void)status, (void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			deliver(s->listener, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			sg_log_limited(SG_LOG_ERROR,
			    "accept: %s: no new connections for %d ms; raise the limit (LimitNOFILE=)",
			    strerror(errno), PAUSE_MS);
			watch(s->listener, false);
			sg_timer_start(s->listener->pause, PAUSE_MS, 0);
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* ---- opening ---- */

static int open_socket(const struct sg_listen *at, char *error, size_t size)
{
	char text[SG_ENDPOINT_TEXT_SIZE];
	int on = 1, family = at->sa.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, (const struct sockaddr *)&at->sa, at->len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;

	int err = errno;
	sg_endpoint_format(text, (const struct sockaddr *)&at->sa);
	const char *advice = err == EADDRINUSE ? "stop the other server or choose another port"
			   : err == EACCES     ? "choose a port above 1023 or grant CAP_NET_BIND_SERVICE"
			   : err == EADDRNOTAVAIL ? "this machine has no such address"
						  : "check the address";
	snprintf(error, size, "%s: %s: %s", text, strerror(err), advice);
	if (fd >= 0)
		close(fd);
	return -1;
}

static void open_on_loop(void *user)
{
	struct sg_listener *l = user;
	struct sg_loop *loop = l->loops[0];

	if (sg_timer_open(&l->pause, loop, go_on, l) != SG_OK)
		return;
	for (size_t i = 0; i < l->count; i++) {
		struct gate_socket *s = &l->sockets[i];
		if (uv_poll_init(&loop->uv, &s->uv, s->fd) != 0)
			return;
		s->uv.data = s;
		s->open = true;
	}
	watch(l, true);
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle)
{
	(void)handle; /* the memory goes with the listener, after the loop's next turn */
}

static void close_on_loop(void *user)
{
	struct sg_listener *l = user;

	sg_timer_close(l->pause);
	for (size_t i = 0; i < l->count; i++)
		if (l->sockets[i].open)
			uv_close((uv_handle_t *)&l->sockets[i].uv, on_closed);
}

static void nothing(void *user)
{
	(void)user;
}

void sg_listener_close(struct sg_listener *l)
{
	if (!l)
		return;
	sg_loop_call(l->loops[0], close_on_loop, l);
	for (size_t i = 0; i < l->count; i++)
		close(l->sockets[i].fd);
	/* Queues are in order: what was handed over before has now been taken; and libuv has finished
	 * with its handles when another task has come round. */
	for (size_t i = 0; i < l->loop_count; i++)
		sg_loop_call(l->loops[i], nothing, NULL);
	sg_loop_call(l->loops[0], nothing, NULL);
	free(l->sockets);
	free(l);
}

static void tell_bound(const struct sg_listener *l, void (*bound)(void *, const struct sockaddr *),
    void *user)
{
	for (size_t i = 0; bound && i < l->count; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		if (getsockname(l->sockets[i].fd, (struct sockaddr *)&sa, &len) == 0)
			bound(user, (struct sockaddr *)&sa);
	}
}

enum sg_result sg_listener_open(struct sg_listener **out, const struct sg_listen_list *addresses,
    struct sg_loop *const *loops, size_t loop_count, sg_accepted accepted, void *user,
    void (*bound)(void *user, const struct sockaddr *sa), void *bound_user, char *error,
    size_t error_size)
{
	struct sg_listener *l = calloc(1, sizeof(*l));

	*out = NULL;
	if (!l || !(l->sockets = calloc(addresses->count + 1, sizeof(*l->sockets)))) {
		free(l);
		snprintf(error, error_size, "out of memory");
		return SG_ERR_NO_MEMORY;
	}
	l->loops = loops;
	l->loop_count = loop_count;
	l->accepted = accepted;
	l->user = user;
	for (; l->count < addresses->count; l->count++) {
		struct gate_socket *s = &l->sockets[l->count];
		s->listener = l;
		if ((s->fd = open_socket(&addresses->items[l->count], error, error_size)) < 0) {
			while (l->count)
				close(l->sockets[--l->count].fd);
			free(l->sockets);
			free(l);
			return SG_ERR_IO;
		}
	}
	tell_bound(l, bound, bound_user);
	sg_loop_call(loops[0], open_on_loop, l);
	*out = l;
	return SG_OK;
}
