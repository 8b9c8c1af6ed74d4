/* bare_loop.c - the least that a server must do: it writes the prepared bytes, as RTMP chunks, to all
 * sockets, gathered over an interval, and knows nothing of streams or viewers.
 *
 *   bare_loop FLV COUNT INTERVAL_US SENT_TIMES   (0: one write per message)
 *
 * Prints its port, begins when COUNT readers have come, runs until it is ended. */
#include "wire.h"
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>

struct reader {
	int fd;
	bool blocked;
	uint64_t cursor; /* in the endless repetition of the bytes */
};

static uint8_t *bytes;
static size_t size;

static void prepare(const struct flv *f, uint64_t *ends)
{
	for (size_t i = 0; i < f->count; i++)
		size += 12 + f->tags[i].size;
	if (!(bytes = malloc(size)))
		die("memory");
	uint8_t *p = bytes;
	for (size_t i = 0; i < f->count; i++) {
		const struct tag *t = &f->tags[i];
		p += chunk_header(p, t->type == MSG_AUDIO ? 4 : t->type == MSG_VIDEO ? 6 : 5, t->ms,
		    t->size, t->type, 1);
		memcpy(p, t->body, t->size);
		p += t->size;
		ends[i] = (uint64_t)(p - bytes);
	}
}

/* False: the socket is full. */
static bool write_to(struct reader *r, uint64_t until)
{
	while (r->cursor < until) {
		size_t at = r->cursor % size, n = until - r->cursor;
		if (n > size - at)
			n = size - at;
		ssize_t sent = send(r->fd, bytes + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			exit(0); /* the readers have gone */
		if (sent > 0)
			r->cursor += (uint64_t)sent;
		if (sent < (ssize_t)n)
			return false;
	}
	return true;
}

static void flush(int ep, struct reader *readers, int count, uint64_t until)
{
	for (int i = 0; i < count; i++) {
		struct reader *r = &readers[i];
		if (r->blocked || write_to(r, until))
			continue;
		r->blocked = true;
		struct epoll_event e = { .events = EPOLLOUT, .data.ptr = r };
		epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, &e);
	}
}

static void wait_until(int ep, int64_t due_us, uint64_t until)
{
	struct epoll_event events[64];

	for (int64_t left; (left = due_us - now_us()) > 0;) {
		struct timespec t = { left / 1000000, left % 1000000 * 1000 };
		int n = epoll_pwait2(ep, events, 64, &t, NULL);
		for (int i = 0; i < n; i++) {
			struct reader *r = events[i].data.ptr;
			if (!write_to(r, until))
				continue;
			r->blocked = false;
			epoll_ctl(ep, EPOLL_CTL_DEL, r->fd, NULL);
		}
	}
}

static struct reader *await_readers(int count)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct reader *readers = calloc((size_t)count, sizeof(*readers));

	if (!readers || fd < 0 || bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 4096) != 0)
		die("listen");
	getsockname(fd, (struct sockaddr *)&a, &len);
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	for (int i = 0; i < count; i++) {
		readers[i].fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
		if (readers[i].fd < 0)
			die("accept");
		setsockopt(readers[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	return readers;
}

int main(int argc, char **argv)
{
	struct rlimit rl;

	if (argc != 5)
		die("usage: bare_loop FLV COUNT INTERVAL_US SENT_TIMES");
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	struct flv f = flv_load(argv[1]);
	int count = atoi(argv[2]);
	int64_t interval = atoll(argv[3]);
	struct sent_times *sent = sent_open(argv[4]);
	uint64_t *ends = calloc(f.count, sizeof(*ends));
	if (!ends)
		die("memory");
	prepare(&f, ends);
	struct reader *readers = await_readers(count);
	int ep = epoll_create1(0);
	int64_t begin = now_us() + 5000, flush_at = begin;
	uint64_t until = 0;
	for (uint64_t pass = 0;; pass++) {
		for (size_t i = 0; i < f.count; i++) {
			const struct tag *t = &f.tags[i];
			int64_t due = begin + ((int64_t)pass * f.span_ms + t->ms) * 1000;
			for (; interval && flush_at < due; flush_at += interval) {
				wait_until(ep, flush_at, until);
				flush(ep, readers, count, until);
			}
			atomic_store_explicit(&sent->us[t->type == MSG_VIDEO][t->ms], due,
			    memory_order_relaxed);
			if (!interval)
				wait_until(ep, due, until);
			until = pass * size + ends[i];
			if (!interval)
				flush(ep, readers, count, until);
		}
	}
}
