/* conn.c - a connected socket on a loop, plain or with TLS on it.
 *
 * With TLS the socket's readiness is not the connection's: the handshake comes first, sealed bytes may
 * wait for room although nobody has anything to write, and opened ones may wait although the socket has
 * none. `mask` is what the owner wants to hear of, `polled` what the socket is asked. */
#include "net/net_internal.h"
#include "net/tls_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_MS 10000

struct sg_conn {
	/* What writing needs stands first, in one line of the cache. */
	int fd; /* -1 once closed */
	int mask, polled;
	struct tls_side *tls; /* NULL: plain */
	const struct sg_conn_events *events;
	void *user;
	uv_poll_t uv;
	struct sg_timer *timer; /* TLS: the handshake's deadline, then what the socket does not tell of */
	bool finishing, told;
	int at_least;
	struct sg_addr peer;
	char peer_text[SG_ENDPOINT_TEXT_SIZE];
};

static void on_poll(uv_poll_t *uv, int status, int events);

static void poll_for(struct sg_conn *c, int events)
{
	if (c->fd < 0 || events == c->polled)
		return;
	c->polled = events;
	if (events)
		uv_poll_start(&c->uv, events, on_poll);
	else
		uv_poll_stop(&c->uv);
}

/* ---- TLS ---- */

/* Asks the socket for what is needed now. */
static void settle_tls(struct sg_conn *c)
{
	if (c->fd < 0)
		return;
	bool ready = net_tls_is_ready(c->tls), broken = net_tls_is_broken(c->tls);
	if (c->finishing && !net_tls_has_unsent(c->tls)) {
		c->finishing = false;
		shutdown(c->fd, SHUT_WR);
	}
	if (broken)
		poll_for(c, 0);
	else
		poll_for(c, (ready ? c->mask : UV_READABLE) |
				(net_tls_has_unsent(c->tls) ? UV_WRITABLE : 0));
	if ((broken && c->mask && !c->told) || (c->mask & UV_READABLE && net_tls_has_read(c->tls)))
		sg_timer_start(c->timer, 0, 0);
}

/* One event to the owner, who may close. */
static void tell(struct sg_conn *c, int event)
{
	if (c->fd < 0 || !(c->mask & event))
		return;
	c->told |= net_tls_is_broken(c->tls);
	(event == UV_READABLE ? c->events->readable : c->events->writable)(c->user);
}

static void on_poll_tls(struct sg_conn *c, int events)
{
	bool was_ready = net_tls_is_ready(c->tls);

	if (!was_ready) {
		net_tls_handshake(c->tls);
		if (net_tls_is_ready(c->tls))
			sg_timer_stop(c->timer);
		else
			events = 0;
	}
	if (events & UV_WRITABLE)
		net_tls_flush(c->tls);
	if (events & UV_READABLE)
		tell(c, UV_READABLE);
	if (c->fd >= 0 && (events & UV_WRITABLE) && !net_tls_has_unsent(c->tls))
		tell(c, UV_WRITABLE);
	settle_tls(c);
}

static void on_timer(void *user)
{
	struct sg_conn *c = user;

	if (!net_tls_is_ready(c->tls))
		net_tls_give_up(c->tls);
	tell(c, c->mask & UV_READABLE ? UV_READABLE : UV_WRITABLE);
	settle_tls(c);
}

/* ---- events ---- */

static void on_poll(uv_poll_t *uv, int status, int events)
{
	struct sg_conn *c = uv->data;

	/* An error is read by whoever reads or writes next, behind what came before it. libuv has stopped
	 * looking at the socket, which is not to be the end of that. */
	if (status < 0) {
		events = c->polled;
		c->polled = 0;
	}
	if (c->tls) {
		on_poll_tls(c, events);
		return;
	}
	if (events & UV_READABLE)
		c->events->readable(c->user);
	if (c->fd >= 0 && (events & UV_WRITABLE) && (c->mask & UV_WRITABLE))
		c->events->writable(c->user);
	poll_for(c, c->mask);
}

static void set_mask(struct sg_conn *c, int mask)
{
	if (c->fd < 0 || mask == c->mask)
		return;
	if (mask & ~c->mask)
		c->told = false;
	c->mask = mask;
	if (c->tls)
		settle_tls(c);
	else
		poll_for(c, mask);
}

enum sg_result sg_conn_open(struct sg_conn **out, struct sg_loop *loop, int fd,
    const struct sg_conn_events *events, void *user)
{
	struct sg_conn *c = calloc(1, sizeof(*c));
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	*out = NULL;
	if (!c)
		return SG_ERR_NO_MEMORY;
	if (uv_poll_init(&loop->uv, &c->uv, fd) != 0) {
		free(c);
		return SG_ERR_IO;
	}
	c->uv.data = c;
	c->fd = fd;
	c->at_least = 1;
	c->events = events;
	c->user = user;
	if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0) {
		c->peer = sg_addr_from_sockaddr((struct sockaddr *)&sa);
		sg_endpoint_format(c->peer_text, (struct sockaddr *)&sa);
	}
	set_mask(c, UV_READABLE);
	*out = c;
	return SG_OK;
}

enum sg_result sg_conn_open_tls(struct sg_conn **out, struct sg_loop *loop, int fd,
    struct sg_tls *tls, const struct sg_conn_events *events, void *user)
{
	struct sg_conn *c;
	enum sg_result res = sg_conn_open(&c, loop, fd, events, user);

	*out = NULL;
	if (res != SG_OK)
		return res;
	c->tls = net_tls_open(tls, fd);
	if (!c->tls || sg_timer_open(&c->timer, loop, on_timer, c) != SG_OK) {
		sg_conn_release(c);
		return SG_ERR_NO_MEMORY;
	}
	sg_timer_start(c->timer, HANDSHAKE_MS, 0);
	*out = c;
	return SG_OK;
}

static void free_conn(uv_handle_t *handle)
{
	free(handle->data);
}

int sg_conn_release(struct sg_conn *c)
{
	int fd = c->fd;

	c->fd = -1;
	c->mask = 0;
	net_tls_close(c->tls);
	sg_timer_close(c->timer);
	uv_close((uv_handle_t *)&c->uv, free_conn);
	return fd;
}

void sg_conn_close(struct sg_conn *c)
{
	if (!c)
		return;
	if (c->tls)
		net_tls_goodbye(c->tls); /* as far as the socket takes it */
	close(sg_conn_release(c));
}

void sg_conn_abort(struct sg_conn *c)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(sg_conn_release(c));
}

void sg_conn_finish(struct sg_conn *c)
{
	if (!c->tls) {
		shutdown(c->fd, SHUT_WR);
		return;
	}
	net_tls_goodbye(c->tls);
	c->finishing = true;
	settle_tls(c);
}

void sg_conn_want_read(struct sg_conn *c, bool on)
{
	set_mask(c, on ? c->mask | UV_READABLE : c->mask & ~UV_READABLE);
}

void sg_conn_want_write(struct sg_conn *c, bool on)
{
	set_mask(c, on ? c->mask | UV_WRITABLE : c->mask & ~UV_WRITABLE);
}

void sg_conn_want_at_least(struct sg_conn *c, int bytes)
{
	if (c->fd >= 0 && bytes != c->at_least && setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes)) == 0)
		c->at_least = bytes;
}

ssize_t sg_conn_read(struct sg_conn *c, void *buf, size_t size)
{
	if (c->tls) {
		ssize_t opened = net_tls_read(c->tls, buf, size);
		settle_tls(c);
		return opened;
	}
	ssize_t n = recv(c->fd, buf, size, 0);
	if (n > 0)
		return n;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

static ssize_t moved(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

ssize_t sg_socket_send(int fd, const void *p, size_t len)
{
	return moved(send(fd, p, len, MSG_NOSIGNAL));
}

ssize_t sg_conn_writev(struct sg_conn *c, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)iovcnt };

	if (iovcnt == 0)
		return 0;
	if (c->tls) {
		ssize_t sealed = net_tls_writev(c->tls, iov, iovcnt);
		settle_tls(c);
		return sealed;
	}
	return iovcnt == 1 ? sg_socket_send(c->fd, iov->iov_base, iov->iov_len)
			   : moved(sendmsg(c->fd, &msg, MSG_NOSIGNAL));
}

int sg_conn_fd(const struct sg_conn *c)
{
	return c->fd;
}

int sg_conn_plain_fd(const struct sg_conn *c)
{
	return c->tls ? -1 : c->fd;
}

const struct sg_addr *sg_conn_peer(const struct sg_conn *c)
{
	return &c->peer;
}

const char *sg_conn_peer_text(const struct sg_conn *c)
{
	return c->peer_text;
}
