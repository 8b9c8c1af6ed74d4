/* publish.c - sends a prepared FLV over RTMP at its own pace, over and over, and notes when each
 * message was sent.
 *
 *   publish FLV PORT APP NAME SENT_TIMES     prints "publishing", then runs until it is ended */
#include "wire.h"
#include <sys/uio.h>

static void read_all(int fd, void *p, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = read(fd, (char *)p + at, len - at);
		if (n <= 0)
			die("the server closed the connection");
		at += (size_t)n;
	}
}

static void write_all(int fd, struct iovec *iov, int n)
{
	while (n > 0) {
		ssize_t sent = writev(fd, iov, n);
		if (sent < 0)
			die("publishing");
		while (n > 0 && (size_t)sent >= iov->iov_len)
			sent -= (ssize_t)iov->iov_len, iov++, n--;
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + sent;
			iov->iov_len -= (size_t)sent;
		}
	}
}

static void write_out(int fd, struct out *o)
{
	write_all(fd, &(struct iovec){ o->p, o->len }, 1);
	o->len = 0;
}

struct answers {
	struct chunks chunks;
	bool result, started, refused;
};

static void on_answer(void *user, uint8_t type, uint32_t ms, uint32_t size)
{
	struct answers *a = user;

	(void)ms, (void)size;
	if (type != 20)
		return;
	a->result = a->result || kept_has(&a->chunks, "_result");
	a->started = a->started || kept_has(&a->chunks, "NetStream.Publish.Start");
	a->refused = a->refused || kept_has(&a->chunks, "_error") || kept_has(&a->chunks, "Denied") ||
		     kept_has(&a->chunks, "BadName");
}

static void wait_for(int fd, struct answers *a, const bool *what)
{
	uint8_t buf[4096];

	while (!*what && !a->refused) {
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			die("no answer");
		chunks_feed(&a->chunks, buf, (size_t)n, on_answer, a);
	}
	if (a->refused) {
		fprintf(stderr, "bench: publishing was refused\n");
		exit(1);
	}
}

static int start(int port, const char *app, const char *name)
{
	static uint8_t hello[1 + HANDSHAKE], reply[1 + 2 * HANDSHAKE];
	struct answers a = { 0 };
	struct out o = { 0 };
	int fd = tcp_connect(port, 0);

	hello[0] = 3;
	write_all(fd, &(struct iovec){ hello, sizeof(hello) }, 1);
	read_all(fd, reply, sizeof(reply));
	write_all(fd, &(struct iovec){ reply + 1, HANDSHAKE }, 1);
	chunks_init(&a.chunks);
	rtmp_connect(&o, app, port);
	write_out(fd, &o);
	wait_for(fd, &a, &a.result);
	a.result = false;
	rtmp_create_stream(&o);
	write_out(fd, &o);
	wait_for(fd, &a, &a.result);
	rtmp_begin(&o, "publish", name);
	write_out(fd, &o);
	/* Of ours "Start" comes with the first media: it is not waited for here. */
	return fd;
}

static void send_tag(int fd, const struct tag *t, uint32_t ms)
{
	struct iovec iov[64];
	uint8_t header[12], again = 0xc0 | (t->type == MSG_AUDIO ? 4 : t->type == MSG_VIDEO ? 6 : 5);
	int n = 0;

	iov[n++] = (struct iovec){ header,
		chunk_header(header, again & 63, ms, t->size, t->type, 1) };
	for (uint32_t at = 0; at < t->size && n < 62; at += CHUNK_OUT) {
		if (at > 0)
			iov[n++] = (struct iovec){ &again, 1 };
		uint32_t size = t->size - at < CHUNK_OUT ? t->size - at : CHUNK_OUT;
		iov[n++] = (struct iovec){ (void *)(t->body + at), size };
	}
	write_all(fd, iov, n);
}

int main(int argc, char **argv)
{
	uint8_t drain[4096];

	if (argc != 6)
		die("usage: publish FLV PORT APP NAME SENT_TIMES");
	struct flv f = flv_load(argv[1]);
	struct sent_times *sent = sent_open(argv[5]);
	int fd = start(atoi(argv[2]), argv[3], argv[4]);
	int64_t begin = now_us() + 5000;
	puts("publishing");
	fflush(stdout);
	for (uint32_t base = 0;; base += f.span_ms) {
		for (size_t i = base ? f.lead : 0; i < f.count; i++) {
			const struct tag *t = &f.tags[i];
			uint32_t ms = t->ms + base;
			if (ms >= SENT_MS)
				return 0;
			sleep_until_us(begin + ms * 1000ll);
			while (recv(fd, drain, sizeof(drain), MSG_DONTWAIT) > 0)
				;
			if (!is_config(t))
				atomic_store_explicit(&sent->us[t->type == MSG_VIDEO][ms], now_us(),
				    memory_order_relaxed);
			send_tag(fd, t, ms);
		}
	}
}
