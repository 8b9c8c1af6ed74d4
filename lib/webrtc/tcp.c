/* tcp.c - ICE over TCP, passive (RFC 6544): each datagram with its length in front (RFC 4571).
 *
 * A connection is nobody's until a STUN request with a name of ours has come on it; then it is that
 * peer's, and moves to that peer's lane. */
#include "webrtc/rtc_internal.h"
#include "webrtc/stun.h"
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

static void close_tcp(struct rtc_tcp *c)
{
	struct rtc_lane *lane = c->lane;

	if (!c->proven)
		lane->tcp_unproven--;
	lane->tcp_count--;
	DL_DELETE(lane->tcps, c);
	sg_conn_close(c->conn);
	sg_buf_reset(&c->out);
	free(c);
}

void rtc_tcp_settle(struct rtc_tcp *c)
{
	struct sg_webrtc_peer *p = c->peer;

	if (!c->dead)
		return;
	if (p && p->transport)
		sg_transport_lost(p->transport, c);
	close_tcp(c);
}

/* A name is no proof, and whoever has one could take every place: none counts before a check was right, and a peer's
 * oldest goes when it has too many. The one in use stays. */
void rtc_tcp_proven(struct rtc_tcp *c)
{
	const struct sg_path *used = sg_transport_path(c->peer->transport);
	struct rtc_tcp *other, *oldest = NULL;
	size_t count = 0;

	if (c->proven)
		return;
	c->proven = true;
	c->lane->tcp_unproven--;
	DL_DELETE(c->lane->tcps, c);
	DL_PREPEND(c->lane->tcps, c);
	DL_FOREACH(c->lane->tcps, other)
	{
		if (other->peer != c->peer || !other->proven || other->dead)
			continue;
		count++;
		if (other != c && !(used && used->tcp == other))
			oldest = other;
	}
	if (count > RTC_TCP_PER_PEER && oldest)
		oldest->dead = true; /* the next tick closes it */
}

/* ---- out ---- */

static void flush(struct rtc_tcp *c)
{
	while (c->out.len) {
		struct iovec iov = { c->out.p, c->out.len };
		ssize_t n = sg_conn_writev(c->conn, &iov, 1);
		if (n < 0) {
			c->dead = true; /* the next tick closes it */
			return;
		}
		if (n == 0)
			break;
		sg_buf_consume(&c->out, (size_t)n);
	}
	sg_conn_want_write(c->conn, c->out.len > 0);
}

bool rtc_tcp_send(struct rtc_tcp *c, const uint8_t *p, size_t len)
{
	bool idle = !c->out.len;

	if (c->dead || c->out.len + len + 2 > RTC_TCP_OUT_MAX)
		return false;
	sg_buf_put_be16(&c->out, (uint16_t)len);
	sg_buf_append(&c->out, p, len);
	if (c->out.failed) {
		c->dead = true;
		return false;
	}
	if (idle)
		flush(c);
	return true;
}

static void on_writable(void *user)
{
	struct rtc_tcp *c = user;

	flush(c);
	rtc_tcp_settle(c);
}

/* ---- in ---- */

static void on_readable(void *user);
static const struct sg_conn_events conn_events = { on_readable, on_writable };

struct move {
	struct sg_task task;
	struct rtc_lane *to;
	int fd;
	size_t len;
	uint8_t in[SG_UDP_DATAGRAM_MAX + 2];
};

/* To connect costs nothing, so it keeps no place: of too many on which no check was right yet, of one network or in
 * all, the oldest goes. */
static void make_room(struct rtc_lane *lane, const struct sg_addr *net)
{
	struct rtc_tcp *oldest = NULL, *of_net = NULL;
	size_t count = 0;

	for (struct rtc_tcp *c = lane->tcps ? lane->tcps->prev : NULL; c && !c->proven;
	     c = c == lane->tcps ? NULL : c->prev) {
		oldest = c;
		if (!sg_addr_equal(&c->net, net))
			continue;
		of_net = c;
		count++;
	}
	if (count >= RTC_TCP_UNPROVEN_PER_NETWORK)
		oldest = of_net;
	else if (lane->tcp_unproven < RTC_TCP_UNPROVEN_MAX)
		return;
	COUNT(lane->srv, dropped, 1);
	oldest->dead = true;
	rtc_tcp_settle(oldest);
}

static struct rtc_tcp *start(struct rtc_lane *lane, int fd)
{
	struct rtc_tcp *c = lane->tcp_count < RTC_TCP_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c || sg_conn_open(&c->conn, lane->loop, fd, &conn_events, c) != SG_OK) {
		COUNT(lane->srv, dropped, 1);
		close(fd);
		free(c);
		return NULL;
	}
	socklen_t size = sizeof(c->path.remote);
	c->lane = lane;
	c->path.tcp = c;
	if (getpeername(fd, (struct sockaddr *)&c->path.remote, &size) != 0)
		c->dead = true;
	const struct sg_addr from = sg_addr_from_sockaddr((const struct sockaddr *)&c->path.remote);
	c->net = sg_addr_network(&from);
	make_room(lane, &c->net);
	c->deadline_ms = sg_mono_ms() + RTC_TCP_UNPROVEN_MS;
	sg_buf_init(&c->out, RTC_TCP_OUT_MAX);
	lane->tcp_count++;
	lane->tcp_unproven++;
	DL_APPEND(lane->tcps, c);
	return c;
}

static void take_frames(struct rtc_tcp *c);

static void arrive(struct sg_task *task)
{
	struct move *m = SG_CONTAINER_OF(task, struct move, task);
	struct rtc_tcp *c = NULL;

	if (atomic_load(&m->to->srv->draining))
		close(m->fd);
	else
		c = start(m->to, m->fd);
	if (c) {
		m->to->now_ms = sg_mono_ms();
		memcpy(c->in, m->in, m->len);
		c->in_len = m->len;
		take_frames(c);
		rtc_tcp_settle(c);
	}
	free(m);
}

/* To the lane of its peer, with what has been read. */
static void move_to(struct rtc_tcp *c, struct rtc_lane *to)
{
	struct move *m = malloc(sizeof(*m));
	struct sg_executor *ex = sg_loop_executor(to->loop);

	c->dead = true;
	if (!m)
		return;
	*m = (struct move){ .task = { .run = arrive }, .to = to, .fd = dup(sg_conn_fd(c->conn)), .len = c->in_len };
	memcpy(m->in, c->in, c->in_len);
	if (m->fd < 0)
		free(m);
	else
		ex->post(ex, &m->task);
}

/* False: it has no peer here. */
static bool find_peer(struct rtc_tcp *c, const uint8_t *p, size_t len)
{
	struct found f = { 0 };

	if (c->peer)
		return true;
	if (sg_stun_is(p, len))
		f = rtc_demux_stun(c->lane->srv, p, len);
	if (f.lane == c->lane) {
		c->peer = f.peer;
		return true;
	}
	if (f.lane)
		move_to(c, f.lane);
	c->dead = true;
	return false;
}

static void take_frames(struct rtc_tcp *c)
{
	uint8_t copy[SG_UDP_DATAGRAM_MAX];

	while (!c->dead && c->in_len >= 2) {
		size_t len = (size_t)c->in[0] << 8 | c->in[1];
		if (len > SG_UDP_DATAGRAM_MAX) {
			COUNT(c->lane->srv, bad_input, 1);
			c->dead = true;
			return;
		}
		if (c->in_len < 2 + len)
			return;
		if (!find_peer(c, c->in + 2, len))
			return;
		/* Its name is not proof enough: nothing but checks until one was right. */
		bool passed = c->proven || sg_stun_is(c->in + 2, len);
		memcpy(copy, c->in + 2, len);
		c->in_len -= 2 + len;
		memmove(c->in, c->in + 2 + len, c->in_len);
		/* It may end the peer, and this connection with it. */
		if (passed)
			rtc_demux_feed(c->peer, &c->path, copy, len);
	}
}

static void on_readable(void *user)
{
	struct rtc_tcp *c = user;

	c->lane->now_ms = sg_mono_ms();
	ssize_t n = sg_conn_read(c->conn, c->in + c->in_len, sizeof(c->in) - c->in_len);
	if (n < 0)
		c->dead = true;
	else
		c->in_len += (size_t)n;
	take_frames(c);
	rtc_tcp_settle(c);
}

/* ---- from outside ---- */

void rtc_tcp_accepted(void *user, struct sg_loop *loop, int fd)
{
	struct sg_webrtc_server *srv = user;

	for (size_t i = 0; i < srv->cfg.loop_count; i++)
		if (srv->lanes[i]->loop == loop && !atomic_load(&srv->draining)) {
			start(srv->lanes[i], fd);
			return;
		}
	close(fd);
}

void rtc_tcp_tick(struct rtc_lane *lane, int64_t now_ms)
{
	struct rtc_tcp *c, *tmp;

	DL_FOREACH_SAFE(lane->tcps, c, tmp)
	{
		if (!c->proven && now_ms >= c->deadline_ms)
			c->dead = true;
		rtc_tcp_settle(c);
	}
}

/* Called while a connection of the peer may be in take_frames(): closed by the next tick. */
void rtc_tcp_forget_peer(struct rtc_lane *lane, struct sg_webrtc_peer *p)
{
	struct rtc_tcp *c;

	DL_FOREACH(lane->tcps, c)
	{
		if (c->peer != p)
			continue;
		flush(c);
		c->peer = NULL;
		c->dead = true;
	}
}

void rtc_tcp_close_all(struct rtc_lane *lane)
{
	struct rtc_tcp *c, *tmp;

	DL_FOREACH_SAFE(lane->tcps, c, tmp)
	{
		close_tcp(c);
	}
}
