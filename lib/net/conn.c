/* conn.c - a connected socket on a loop. */
#include "net/net_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct sg_conn {
	uv_poll_t uv;
	const struct sg_conn_events *events;
	void *user;
	int fd; /* -1 once closed */
	int mask;
	struct sg_addr peer;
	char peer_text[SG_ENDPOINT_TEXT_SIZE];
};

static void on_poll(uv_poll_t *uv, int status, int events)
{
	struct sg_conn *c = uv->data;

	/* An error is read by whoever reads or writes next. */
	if (status < 0)
		events = c->mask;
	if (events & UV_READABLE)
		c->events->readable(c->user);
	if (c->fd >= 0 && (events & UV_WRITABLE) && (c->mask & UV_WRITABLE))
		c->events->writable(c->user);
}

static void set_mask(struct sg_conn *c, int mask)
{
	if (c->fd < 0 || mask == c->mask)
		return;
	c->mask = mask;
	if (mask)
		uv_poll_start(&c->uv, mask, on_poll);
	else
		uv_poll_stop(&c->uv);
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

static void free_conn(uv_handle_t *handle)
{
	free(handle->data);
}

int sg_conn_release(struct sg_conn *c)
{
	int fd = c->fd;

	c->fd = -1;
	c->mask = 0;
	uv_close((uv_handle_t *)&c->uv, free_conn);
	return fd;
}

void sg_conn_close(struct sg_conn *c)
{
	if (c)
		close(sg_conn_release(c));
}

void sg_conn_abort(struct sg_conn *c)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	sg_conn_close(c);
}

void sg_conn_finish(struct sg_conn *c)
{
	shutdown(c->fd, SHUT_WR);
}

void sg_conn_want_read(struct sg_conn *c, bool on)
{
	set_mask(c, on ? c->mask | UV_READABLE : c->mask & ~UV_READABLE);
}

void sg_conn_want_write(struct sg_conn *c, bool on)
{
	set_mask(c, on ? c->mask | UV_WRITABLE : c->mask & ~UV_WRITABLE);
}

ssize_t sg_conn_read(struct sg_conn *c, void *buf, size_t size)
{
	ssize_t n = recv(c->fd, buf, size, 0);

	if (n > 0)
		return n;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

ssize_t sg_conn_writev(struct sg_conn *c, const struct iovec *iov, int iovcnt)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)iovcnt };

	if (iovcnt == 0)
		return 0;
	ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

int sg_conn_fd(const struct sg_conn *c)
{
	return c->fd;
}

const struct sg_addr *sg_conn_peer(const struct sg_conn *c)
{
	return &c->peer;
}

const char *sg_conn_peer_text(const struct sg_conn *c)
{
	return c->peer_text;
}
