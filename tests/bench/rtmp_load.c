/* rtmp_load.c - load for fan-out measurements, without a library of ours.
 *
 *   rtmp_load publish HOST:PORT APP NAME SECONDS FILE.flv   plays the file in a loop, at its times
 *   rtmp_load view    HOST:PORT APP NAME N SECONDS [TOKENS] N viewers over RTMP, a token a line
 *   rtmp_load flv     HOST:PORT PATH N SECONDS [TOKENS]     N viewers over HTTP-FLV
 *   rtmp_load raw     PORT N SECONDS                        N sockets that read what a bare loop writes
 *   rtmp_load bare    PORT N SECONDS GATHER_MS FILE.flv     the bare loop
 *
 * The publisher puts the monotonic time into each picture, as H.264 user data (SEI) at its front; the
 * viewers read it there. They print: viewers, the least and the median number of pictures, bytes, and
 * the delay's 50th, 95th and 99th percentile in microseconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SEI_BYTES (4 + 3 + 16 + 16 + 1) /* length, type and sizes, UUID, time, end */
static const uint8_t uuid[16] = "streamgate bench";

static void die(const char *what)
{
	fprintf(stderr, "rtmp_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ll + ts.tv_nsec / 1000;
}

static uint32_t be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static void put24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16), p[1] = (uint8_t)(v >> 8), p[2] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24), put24(p + 1, v);
}

static int connect_to(const char *where)
{
	char host[64];
	const char *colon = strrchr(where, ':');
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	sa.sin_port = htons((uint16_t)atoi(colon + 1));
	inet_pton(AF_INET, host, &sa.sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		die(where);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void write_all(int fd, const void *p, size_t len)
{
	for (const uint8_t *at = p; len;) {
		ssize_t n = write(fd, at, len);
		if (n <= 0)
			die("writing");
		at += n, len -= (size_t)n;
	}
}

static void read_all(int fd, void *p, size_t len)
{
	for (uint8_t *at = p; len;) {
		ssize_t n = read(fd, at, len);
		if (n <= 0)
			die("reading");
		at += n, len -= (size_t)n;
	}
}

/* ---- AMF and messages ---- */

struct out {
	uint8_t p[4096];
	size_t len;
};

static void put(struct out *o, const void *p, size_t len)
{
	memcpy(o->p + o->len, p, len);
	o->len += len;
}
static void put_text(struct out *o, const char *z)
{
	uint8_t head[3] = { 2, (uint8_t)(strlen(z) >> 8), (uint8_t)strlen(z) };
	put(o, head, 3), put(o, z, strlen(z));
}
static void put_key(struct out *o, const char *z)
{
	uint8_t head[2] = { 0, (uint8_t)strlen(z) };
	put(o, head, 2), put(o, z, strlen(z));
}
static void put_number(struct out *o, double v)
{
	uint64_t bits;
	uint8_t b[9] = { 0 };
	memcpy(&bits, &v, 8);
	for (int i = 0; i < 8; i++)
		b[1 + i] = (uint8_t)(bits >> (56 - 8 * i));
	put(o, b, 9);
}

/* One message in chunks of 128 bytes, or one chunk when `whole`. */
static void send_message(int fd, uint8_t csid, uint8_t type, uint32_t ms, uint32_t stream,
    const void *body, size_t len, bool whole)
{
	uint8_t *b = malloc(len + len / 128 + 64), *at = b;
	const uint8_t *p = body;

	*at++ = csid;
	put24(at, ms), put24(at + 3, (uint32_t)len), at[6] = type;
	at[7] = (uint8_t)stream, at[8] = at[9] = at[10] = 0;
	at += 11;
	for (size_t left = len; left;) {
		size_t n = whole || left < 128 ? left : 128;
		memcpy(at, p, n);
		at += n, p += n, left -= n;
		if (left)
			*at++ = 0xc0 | csid;
	}
	write_all(fd, b, (size_t)(at - b));
	free(b);
}

static void begin_rtmp(int fd, const char *where, const char *app)
{
	uint8_t hello[1537] = { 3 }, answer[3073];
	struct out o = { .len = 0 };
	char url[256];

	write_all(fd, hello, sizeof(hello));
	read_all(fd, answer, sizeof(answer));
	write_all(fd, answer + 1, 1536);
	snprintf(url, sizeof(url), "rtmp://%s/%s", where, app);
	put_text(&o, "connect"), put_number(&o, 1), put(&o, "\3", 1);
	put_key(&o, "app"), put_text(&o, app);
	put_key(&o, "flashVer"), put_text(&o, "bench");
	put_key(&o, "tcUrl"), put_text(&o, url);
	put(&o, "\0\0\11", 3);
	send_message(fd, 3, 20, 0, 0, o.p, o.len, false);
	o.len = 0;
	put_text(&o, "createStream"), put_number(&o, 2), put(&o, "\5", 1);
	send_message(fd, 3, 20, 0, 0, o.p, o.len, false);
}

static void send_command(int fd, const char *command, const char *name)
{
	struct out o = { .len = 0 };

	put_text(&o, command), put_number(&o, 3), put(&o, "\5", 1), put_text(&o, name);
	if (!strcmp(command, "publish"))
		put_text(&o, "live");
	send_message(fd, 4, 20, 0, 1, o.p, o.len, false);
}

/* ---- the file ---- */

struct tag {
	uint8_t type;
	uint32_t ms, len;
	const uint8_t *body;
};
static struct tag *tags;
static size_t tag_count;
static uint32_t loop_ms;

static void load(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f)
		die(path);
	fseek(f, 0, SEEK_END);
	size_t size = (size_t)ftell(f);
	rewind(f);
	uint8_t *all = malloc(size);
	if (fread(all, 1, size, f) != size)
		die(path);
	fclose(f);
	for (size_t at = 13; at + 11 < size;) {
		struct tag t = { all[at] & 31, be24(all + at + 4) | (uint32_t)all[at + 7] << 24,
			be24(all + at + 1), all + at + 11 };
		tags = realloc(tags, (tag_count + 1) * sizeof(*tags));
		tags[tag_count++] = t;
		if (t.ms + 33 > loop_ms)
			loop_ms = t.ms + 33;
		at += 11 + t.len + 4;
	}
}

static bool is_header(const struct tag *t)
{
	return t->type == 18 || (t->type == 9 && t->body[1] == 0) ||
	       (t->type == 8 && t->body[0] >> 4 == 10 && t->body[1] == 0);
}

/* The body with the time in front of its first NAL unit. */
static size_t stamp(uint8_t *out, const struct tag *t)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t us = (uint64_t)now_us();
	uint8_t *p = out;

	memcpy(p, t->body, 5), p += 5;
	put32(p, SEI_BYTES - 4), p += 4;
	*p++ = 6, *p++ = 5, *p++ = 32;
	memcpy(p, uuid, 16), p += 16;
	for (int i = 15; i >= 0; i--, us >>= 4)
		p[i] = (uint8_t)hex[us & 15];
	p += 16;
	*p++ = 0x80;
	memcpy(p, t->body + 5, t->len - 5);
	return (size_t)(p - out) + t->len - 5;
}

static void sleep_until(int64_t us)
{
	struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void publish(const char *where, const char *app, const char *name, double seconds)
{
	int fd = connect_to(where);
	static uint8_t body[1 << 22];
	uint8_t size[4], sink[65536];

	begin_rtmp(fd, where, app);
	put32(size, 1 << 23);
	send_message(fd, 2, 1, 0, 0, size, 4, false);
	send_command(fd, "publish", name);
	usleep(300000);
	int64_t start = now_us();
	for (uint32_t base = 0;; base += loop_ms)
		for (size_t i = 0; i < tag_count; i++) {
			const struct tag *t = &tags[i];
			if (base && is_header(t))
				continue;
			int64_t at = start + (int64_t)(base + t->ms) * 1000;
			if ((double)(at - start) > seconds * 1e6)
				return;
			sleep_until(at);
			while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
				;
			size_t len = t->len;
			const uint8_t *p = t->body;
			if (t->type == 9 && !is_header(t))
				len = stamp(body, t), p = body;
			send_message(fd, t->type == 9 ? 6 : t->type == 8 ? 4 : 5, t->type, base + t->ms, 1, p, len, true);
		}
}

/* ---- viewers ---- */

enum kind { VIEW_RTMP, VIEW_FLV, VIEW_RAW };
struct chunk_stream {
	uint32_t len, got;
	uint8_t type;
	bool extended;
	uint8_t head[80]; /* the message's first bytes */
	size_t have;
};
struct viewer {
	int fd;
	uint8_t head[20]; /* the header that is being read */
	size_t have;
	uint32_t chunk_size, chunk_left;
	int current; /* chunk stream, -1 = a header comes */
	struct chunk_stream streams[64];
	uint32_t pictures;
	uint64_t bytes;
	bool closed, flv_begun;
};
static uint32_t *delays;
static size_t delay_count, delay_max;

static void note_picture(struct viewer *v, const struct chunk_stream *s)
{
	uint64_t us = 0;

	v->pictures++;
	if (s->have < 5 + SEI_BYTES || memcmp(s->head + 5 + 7, uuid, 16))
		return;
	for (int i = 0; i < 16; i++) {
		uint8_t c = s->head[5 + 7 + 16 + i];
		us = us << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (delay_count < delay_max)
		delays[delay_count++] = (uint32_t)(now_us() - (int64_t)us);
}

/* How many bytes the header in `head` has, or 0 when more are needed to tell. */
static size_t chunk_header(struct viewer *v)
{
	static const size_t sizes[] = { 11, 7, 3, 0 };
	size_t n = 1;
	const uint8_t *h = v->head;

	if (v->have < 1)
		return 0;
	struct chunk_stream *s = &v->streams[h[0] & 63];
	unsigned format = h[0] >> 6;
	n += sizes[format];
	if (v->have < n)
		return 0;
	bool extended = format < 3 ? be24(h + 1) == 0xffffff : s->extended;
	n += extended ? 4 : 0;
	if (v->have < n)
		return 0;
	if (format < 3)
		s->extended = extended;
	if (format < 2) {
		s->len = be24(h + 4);
		s->type = h[7];
	}
	v->current = h[0] & 63;
	uint32_t left = s->len - s->got;
	v->chunk_left = left < v->chunk_size ? left : v->chunk_size;
	return n;
}

static void end_message(struct viewer *v, struct chunk_stream *s)
{
	if (s->type == 1 && s->have >= 4)
		v->chunk_size = (uint32_t)s->head[0] << 24 | be24(s->head + 1);
	if (s->type == 9 && s->have > 1 && s->head[1] == 1)
		note_picture(v, s);
	s->got = 0, s->have = 0;
}

static void keep_head(struct chunk_stream *s, const uint8_t *p, size_t n)
{
	size_t room = sizeof(s->head) - s->have;

	n = n < room ? n : room;
	memcpy(s->head + s->have, p, n);
	s->have += n;
}

static void take_rtmp(struct viewer *v, const uint8_t *p, size_t len)
{
	while (len) {
		if (v->current < 0) {
			v->head[v->have++] = *p++, len--;
			if (chunk_header(v)) {
				v->have = 0;
				if (v->chunk_left == 0)
					v->current = -1;
			}
			continue;
		}
		struct chunk_stream *s = &v->streams[v->current];
		size_t n = v->chunk_left < len ? v->chunk_left : len;
		keep_head(s, p, n);
		p += n, len -= n, s->got += (uint32_t)n, v->chunk_left -= (uint32_t)n;
		if (v->chunk_left)
			continue;
		v->current = -1;
		if (s->got == s->len)
			end_message(v, s);
	}
}

/* FLV: 11 bytes, the body, 4 bytes. The HTTP header ends at an empty line. */
static void take_flv(struct viewer *v, const uint8_t *p, size_t len)
{
	if (!v->flv_begun) {
		const uint8_t *end = memmem(p, len, "\r\n\r\nFLV", 7);
		if (!end)
			return;
		size_t skip = (size_t)(end - p) + 4 + 13;
		v->flv_begun = true;
		p += skip, len -= skip;
		v->chunk_left = 0, v->current = -1;
	}
	struct chunk_stream *s = &v->streams[0];
	while (len) {
		if (v->current < 0) {
			v->head[v->have++] = *p++, len--;
			if (v->have == 11) {
				s->type = v->head[0], s->len = be24(v->head + 1) + 4, s->got = 0;
				v->current = 0, v->have = 0;
			}
			continue;
		}
		size_t n = s->len - s->got < len ? s->len - s->got : len;
		keep_head(s, p, n);
		p += n, len -= n, s->got += (uint32_t)n;
		if (s->got < s->len)
			continue;
		if (s->type == 9 && s->head[1] == 1)
			note_picture(v, s);
		v->current = -1, s->have = 0;
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(struct viewer *viewers, int n, double seconds)
{
	uint32_t *pictures = calloc((size_t)n, sizeof(*pictures));
	uint64_t bytes = 0;
	int closed = 0;

	for (int i = 0; i < n; i++) {
		pictures[i] = viewers[i].pictures;
		bytes += viewers[i].bytes;
		closed += viewers[i].closed;
	}
	qsort(pictures, (size_t)n, sizeof(*pictures), by_number);
	qsort(delays, delay_count, sizeof(*delays), by_number);
	printf("viewers=%d closed=%d pictures_min=%u pictures_median=%u mbit_per_viewer=%.2f", n, closed,
	    pictures[0], pictures[n / 2], (double)bytes * 8 / 1e6 / seconds / n);
	if (delay_count)
		printf(" delay_us_p50=%u delay_us_p95=%u delay_us_p99=%u", delays[delay_count / 2],
		    delays[delay_count * 95 / 100], delays[delay_count * 99 / 100]);
	printf("\n");
}

static void watch(struct viewer *viewers, int n, double seconds, enum kind kind)
{
	int ep = epoll_create1(0);
	static uint8_t buf[1 << 18];

	delay_max = 4000000;
	delays = malloc(delay_max * sizeof(*delays));
	for (int i = 0; i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &viewers[i] };
		fcntl(viewers[i].fd, F_SETFL, O_NONBLOCK);
		epoll_ctl(ep, EPOLL_CTL_ADD, viewers[i].fd, &e);
	}
	/* What came while they joined is read, but not counted. */
	int64_t begin = now_us() + 2000000, end = begin + (int64_t)(seconds * 1e6);
	bool counting = false;
	for (int64_t now; (now = now_us()) < end;) {
		struct epoll_event events[256];
		if (!counting && now >= begin) {
			counting = true;
			delay_count = 0;
			for (int i = 0; i < n; i++)
				viewers[i].pictures = 0, viewers[i].bytes = 0;
			printf("counting\n"), fflush(stdout);
		}
		int count = epoll_wait(ep, events, 256, 100);
		for (int i = 0; i < count; i++) {
			struct viewer *v = events[i].data.ptr;
			ssize_t got = read(v->fd, buf, sizeof(buf));
			if (got == 0 || (got < 0 && errno != EAGAIN)) {
				v->closed = true;
				epoll_ctl(ep, EPOLL_CTL_DEL, v->fd, NULL);
			}
			if (got <= 0)
				continue;
			v->bytes += (uint64_t)got;
			if (kind == VIEW_RTMP)
				take_rtmp(v, buf, (size_t)got);
			else if (kind == VIEW_FLV)
				take_flv(v, buf, (size_t)got);
		}
	}
	printf("done\n"), fflush(stdout);
	report(viewers, n, seconds);
}

static struct viewer *new_viewers(int n)
{
	struct viewer *v = calloc((size_t)n, sizeof(*v));

	for (int i = 0; i < n; i++)
		v[i].current = -1, v[i].chunk_size = 128;
	return v;
}

static void next_name(char *out, size_t size, const char *name, FILE *tokens)
{
	char token[128] = "";

	if (tokens && fgets(token, sizeof(token), tokens))
		token[strcspn(token, "\n")] = '\0';
	snprintf(out, size, "%s%s%s", name, *token ? "?token=" : "", token);
}

static void view(const char *where, const char *app, const char *name, int n, double seconds, FILE *tokens)
{
	struct viewer *v = new_viewers(n);
	char full[256];

	for (int i = 0; i < n; i++) {
		v[i].fd = connect_to(where);
		begin_rtmp(v[i].fd, where, app);
		next_name(full, sizeof(full), name, tokens);
		send_command(v[i].fd, "play", full);
	}
	watch(v, n, seconds, VIEW_RTMP);
}

static void view_flv(const char *where, const char *path, int n, double seconds, FILE *tokens)
{
	struct viewer *v = new_viewers(n);
	char full[256], request[512];

	for (int i = 0; i < n; i++) {
		v[i].fd = connect_to(where);
		next_name(full, sizeof(full), path, tokens);
		int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", full, where);
		write_all(v[i].fd, request, (size_t)len);
	}
	watch(v, n, seconds, VIEW_FLV);
}

static void raw(const char *port, int n, double seconds)
{
	struct viewer *v = new_viewers(n);
	char where[64];

	snprintf(where, sizeof(where), "127.0.0.1:%s", port);
	for (int i = 0; i < n; i++)
		v[i].fd = connect_to(where);
	watch(v, n, seconds, VIEW_RAW);
}

/* ---- the bare loop ---- */

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void bare(const char *port, int n, double seconds, int64_t gather_ms)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, *fds = calloc((size_t)n, sizeof(int));
	struct iovec iov[1024];
	uint8_t header[12] = { 6 };

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(listener, 1024) != 0)
		die("bare loop");
	printf("listening\n"), fflush(stdout);
	for (int i = 0; i < n; i++) {
		fds[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	usleep(500000);
	double cpu = cpu_seconds();
	int64_t start = now_us(), due = gather_ms;
	int count = 0;
	for (uint32_t base = 0;; base += loop_ms)
		for (size_t i = 0; i < tag_count; i++) {
			const struct tag *t = &tags[i];
			int64_t ms = base + t->ms;
			if ((double)ms > seconds * 1000)
				goto out;
			iov[count++] = (struct iovec){ header, sizeof(header) };
			iov[count++] = (struct iovec){ (void *)t->body, t->len };
			if (gather_ms ? ms < due && count < 1000 : false)
				continue;
			due = ms + gather_ms;
			sleep_until(start + ms * 1000);
			for (int k = 0; k < n; k++)
				if (writev(fds[k], iov, count) < 0 && errno != EAGAIN)
					die("bare loop writing");
			count = 0;
		}
out:
	cpu = cpu_seconds() - cpu;
	printf("cpu_us_per_viewer_second=%.1f\n", cpu * 1e6 / n / seconds);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "publish") && argc == 7) {
		load(argv[6]);
		publish(argv[2], argv[3], argv[4], atof(argv[5]));
	} else if (!strcmp(what, "view") && argc >= 7) {
		view(argv[2], argv[3], argv[4], atoi(argv[5]), atof(argv[6]), argc > 7 ? fopen(argv[7], "r") : NULL);
	} else if (!strcmp(what, "flv") && argc >= 6) {
		view_flv(argv[2], argv[3], atoi(argv[4]), atof(argv[5]), argc > 6 ? fopen(argv[6], "r") : NULL);
	} else if (!strcmp(what, "raw") && argc == 5) {
		raw(argv[2], atoi(argv[3]), atof(argv[4]));
	} else if (!strcmp(what, "bare") && argc == 7) {
		load(argv[6]);
		bare(argv[2], atoi(argv[3]), atof(argv[4]), atoi(argv[5]));
	} else {
		fprintf(stderr, "usage: see the top of rtmp_load.c\n");
		return 2;
	}
	return 0;
}
