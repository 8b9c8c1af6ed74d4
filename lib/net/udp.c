/* udp.c - datagrams on a loop, received and sent many at a time. */
#include "net/net_internal.h"
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 32          /* datagrams read in one call */
#define BATCHES 16        /* calls in one turn, so that a flood leaves room for others */
#define BUFFER_BYTES (4 << 20)
#define RUNS_MAX 16       /* sent in one call */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

union control {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)) + 32];
	struct cmsghdr align;
};

struct sg_udp {
	uv_poll_t uv;
	bool started;
	bool segments_work, no_segments; /* the kernel cuts runs, or it does not */
	int fd;
	uint16_t port; /* network order */
	const struct sg_udp_events *events;
	void *user;
	struct mmsghdr in[BATCH];
	struct iovec in_iov[BATCH];
	struct sockaddr_storage in_from[BATCH];
	union control in_control[BATCH];
	uint8_t in_bytes[BATCH][SG_UDP_DATAGRAM_MAX];
};

/* ---- opening ---- */

static bool ask_for_destinations(int fd, int family)
{
	int on = 1;

	return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) == 0
				  : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) == 0;
}

static int open_socket(const struct sg_listen *at, bool shared, char *error, size_t size)
{
	char text[SG_ENDPOINT_TEXT_SIZE];
	int on = 1, bytes = BUFFER_BYTES, family = at->sa.ss_family;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    ask_for_destinations(fd, family) &&
	    bind(fd, (const struct sockaddr *)&at->sa, at->len) == 0) {
		/* As much as the system grants. */
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		return fd;
	}
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

enum sg_result sg_udp_open(
    struct sg_udp **out, const struct sg_listen *at, bool shared, char *error, size_t error_size)
{
	struct sg_udp *u = calloc(1, sizeof(*u));
	struct sg_listen bound;

	*out = NULL;
	if (!u) {
		snprintf(error, error_size, "out of memory");
		return SG_ERR_NO_MEMORY;
	}
	if ((u->fd = open_socket(at, shared, error, error_size)) < 0) {
		free(u);
		return SG_ERR_IO;
	}
	sg_udp_address(u, &bound);
	u->port = ((struct sockaddr_in *)&bound.sa)->sin_port; /* at the same place in both families */
	for (int i = 0; i < BATCH; i++) {
		u->in_iov[i] = (struct iovec){ u->in_bytes[i], SG_UDP_DATAGRAM_MAX };
		u->in[i].msg_hdr = (struct msghdr){ .msg_name = &u->in_from[i], .msg_iov = &u->in_iov[i],
			.msg_iovlen = 1, .msg_control = &u->in_control[i] };
	}
	*out = u;
	return SG_OK;
}

void sg_udp_address(const struct sg_udp *u, struct sg_listen *out)
{
	memset(out, 0, sizeof(*out));
	out->len = sizeof(out->sa);
	if (getsockname(u->fd, (struct sockaddr *)&out->sa, &out->len) != 0)
		out->len = 0;
}

/* ---- receiving ---- */

static void read_destination(struct sockaddr_storage *out, struct msghdr *msg, uint16_t port)
{
	out->ss_family = AF_UNSPEC;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			*(struct sockaddr_in *)out = (struct sockaddr_in){ .sin_family = AF_INET,
				.sin_port = port, .sin_addr = info.ipi_addr };
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			*(struct sockaddr_in6 *)out = (struct sockaddr_in6){ .sin6_family = AF_INET6,
				.sin6_port = port, .sin6_addr = info.ipi6_addr };
		}
	}
}

/* Answers how many there were. */
static int read_batch(struct sg_udp *u)
{
	struct sockaddr_storage to;

	for (int i = 0; i < BATCH; i++) {
		u->in[i].msg_hdr.msg_namelen = sizeof(u->in_from[i]);
		u->in[i].msg_hdr.msg_controllen = sizeof(u->in_control[i]);
	}
	int n = recvmmsg(u->fd, u->in, BATCH, 0, NULL);
	for (int i = 0; i < n; i++) {
		if (u->in[i].msg_hdr.msg_flags & MSG_TRUNC || !u->in[i].msg_len)
			continue;
		read_destination(&to, &u->in[i].msg_hdr, u->port);
		u->events->datagram(u->user, u->in_bytes[i], u->in[i].msg_len,
		    (struct sockaddr *)&u->in_from[i], (struct sockaddr *)&to);
	}
	return n;
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
	struct sg_udp *u = uv->data;

	(void)events;
	/* An error (a port that is closed on the other side) is taken off the socket by reading. */
	for (int i = 0; i < BATCHES && read_batch(u) == BATCH; i++)
		;
	if (status < 0 && !uv_is_closing((uv_handle_t *)uv)) /* of which libuv takes leave */
		uv_poll_start(uv, UV_READABLE, on_poll);
	if (u->events->drained)
		u->events->drained(u->user);
}

enum sg_result sg_udp_start(
    struct sg_udp *u, struct sg_loop *loop, const struct sg_udp_events *events, void *user)
{
	u->events = events;
	u->user = user;
	if (uv_poll_init(&loop->uv, &u->uv, u->fd) != 0)
		return SG_ERR_IO;
	u->uv.data = u;
	u->started = true;
	return uv_poll_start(&u->uv, UV_READABLE, on_poll) == 0 ? SG_OK : SG_ERR_IO;
}

static void free_udp(uv_handle_t *handle)
{
	free(handle->data);
}

void sg_udp_close(struct sg_udp *u)
{
	if (!u)
		return;
	if (u->started)
		uv_close((uv_handle_t *)&u->uv, free_udp);
	close(u->fd);
	if (!u->started)
		free(u);
}

/* ---- sending ---- */

static void put_control(
    struct msghdr *msg, union control *space, const struct sockaddr *from, size_t segment)
{
	memset(space, 0, sizeof(*space));
	msg->msg_control = space;
	msg->msg_controllen = sizeof(*space);
	size_t used = 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	if (from && from->sa_family == AF_INET) {
		struct in_pktinfo info = { .ipi_spec_dst = ((const struct sockaddr_in *)from)->sin_addr };
		c->cmsg_level = IPPROTO_IP, c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		used += CMSG_SPACE(sizeof(info));
	} else if (from && from->sa_family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_addr = ((const struct sockaddr_in6 *)from)->sin6_addr };
		c->cmsg_level = IPPROTO_IPV6, c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		used += CMSG_SPACE(sizeof(info));
	}
	if (segment) {
		uint16_t size = (uint16_t)segment;
		c = (struct cmsghdr *)(void *)(space->bytes + used);
		c->cmsg_level = IPPROTO_UDP, c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
		used += CMSG_SPACE(sizeof(size));
	}
	msg->msg_controllen = used;
	if (!used)
		msg->msg_control = NULL;
}

static socklen_t length_of(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static bool send_one_by_one(struct sg_udp *u, const struct sockaddr *to, const struct sockaddr *from,
    const struct sg_udp_run *run)
{
	union control control;

	for (size_t at = 0; at < run->len; at += run->segment) {
		size_t left = run->len - at;
		struct iovec iov = { (void *)(run->p + at), left < run->segment ? left : run->segment };
		struct msghdr msg = { .msg_name = (void *)to, .msg_namelen = length_of(to), .msg_iov = &iov,
			.msg_iovlen = 1 };
		put_control(&msg, &control, from, 0);
		if (sendmsg(u->fd, &msg, 0) < 0 && errno != EINTR && errno != ECONNREFUSED)
			return false;
	}
	return true;
}

static size_t send_runs(struct sg_udp *u, const struct sockaddr *to, const struct sockaddr *from,
    const struct sg_udp_run *runs, size_t count)
{
	struct mmsghdr out[RUNS_MAX];
	struct iovec iov[RUNS_MAX];
	union control control[RUNS_MAX];

	for (size_t i = 0; i < count; i++) {
		bool whole = runs[i].len <= runs[i].segment;
		iov[i] = (struct iovec){ (void *)runs[i].p, runs[i].len };
		out[i].msg_hdr = (struct msghdr){ .msg_name = (void *)to, .msg_namelen = length_of(to),
			.msg_iov = &iov[i], .msg_iovlen = 1 };
		put_control(&out[i].msg_hdr, &control[i], from, whole ? 0 : runs[i].segment);
	}
	int n;
	/* A refusal that came in from an earlier datagram is told once, and says nothing of this one. */
	for (int again = 0; (n = sendmmsg(u->fd, out, (unsigned)count, 0)) < 0 && again < 3; again++)
		if (errno != EINTR && errno != ECONNREFUSED)
			break;
	for (int i = 0; i < n; i++)
		u->segments_work |= runs[i].len > runs[i].segment;
	return n < 0 ? 0 : (size_t)n;
}

/* Errors of cutting, not of sending: EIO, the device cannot checksum; EINVAL, a way whose MTU is
 * smaller, or a kernel before 4.18. */
static bool cannot_cut(int err)
{
	return err == EIO || err == EINVAL || err == ENOPROTOOPT;
}

size_t sg_udp_send(struct sg_udp *u, const struct sockaddr *to, const struct sockaddr *from,
    const struct sg_udp_run *runs, size_t count)
{
	size_t done = 0;

	if (from && from->sa_family == AF_UNSPEC)
		from = NULL;
	while (done < count) {
		size_t n = count - done < RUNS_MAX ? count - done : RUNS_MAX;
		size_t sent = u->no_segments ? 0 : send_runs(u, to, from, runs + done, n);
		done += sent;
		if (sent == n)
			continue;
		/* After some that went, the error of the one that did not is not known. */
		if (!u->no_segments && !sent) {
			if (runs[done].len <= runs[done].segment || !cannot_cut(errno))
				break;
			u->no_segments = !u->segments_work;
		}
		if (!send_one_by_one(u, to, from, &runs[done]))
			break;
		done++;
	}
	return done;
}
