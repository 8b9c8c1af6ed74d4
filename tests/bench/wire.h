/* wire.h - what the load generators share: clocks, the table of send times, sockets, and as much of
 * RTMP and FLV as a test peer needs. Written apart from lib/rtmp, so that two halves of one mistake
 * do not agree. */
#ifndef SG_BENCH_WIRE_H
#define SG_BENCH_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MSG_AUDIO 8
#define MSG_VIDEO 9

static inline void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(1);
}

static inline int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static inline void sleep_until_us(int64_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* ---- when each message was sent, by kind and RTMP timestamp; shared by mmap ---- */

#define SENT_MS 600000u
struct sent_times {
	_Atomic int64_t us[2][SENT_MS]; /* [is video][timestamp]; 0 = not yet */
};

static inline struct sent_times *sent_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(struct sent_times)) != 0)
		die(path);
	struct sent_times *t =
	    mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t == MAP_FAILED)
		die(path);
	close(fd);
	return t;
}

/* ---- the prepared stream: an FLV file in memory ---- */

struct tag {
	uint8_t type;
	uint32_t ms, size;
	const uint8_t *body;
};
struct flv {
	struct tag *tags;
	size_t count;
	size_t lead; /* the first tags are metadata and codec configurations */
	uint32_t span_ms; /* when the next pass may begin */
};

static inline uint32_t be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | be24(p + 1);
}

static inline void put24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16), p[1] = (uint8_t)(v >> 8), p[2] = (uint8_t)v;
}

static inline bool is_config(const struct tag *t)
{
	return (t->type != MSG_AUDIO && t->type != MSG_VIDEO) || (t->size > 1 && t->body[1] == 0);
}

static inline struct flv flv_load(const char *path)
{
	struct flv f = { 0 };
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st) != 0)
		die(path);
	const uint8_t *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED || st.st_size < 13)
		die(path);
	size_t at = 13, size = (size_t)st.st_size, room = 0;
	while (at + 11 <= size) {
		struct tag t = { p[at], (uint32_t)p[at + 7] << 24 | be24(p + at + 4), be24(p + at + 1),
			p + at + 11 };
		at += 11 + t.size + 4;
		if (at > size || (t.type == MSG_VIDEO && t.size <= 5 && t.body[1] == 2))
			continue; /* cut off, or the end of the sequence */
		if (f.count == room) {
			room = room ? room * 2 : 1024;
			if (!(f.tags = realloc(f.tags, room * sizeof(t))))
				die("memory");
		}
		f.tags[f.count++] = t;
	}
	while (f.lead < f.count && is_config(&f.tags[f.lead]))
		f.lead++;
	if (f.lead == f.count)
		die("no media in the prepared stream");
	/* A pass begins at 0, and the next one an interval of 30 fps after the last frame. */
	uint32_t first = f.tags[f.lead].ms;
	for (size_t i = 0; i < f.count; i++) {
		f.tags[i].ms = f.tags[i].ms > first ? f.tags[i].ms - first : 0;
		if (f.tags[i].ms + 33 > f.span_ms)
			f.span_ms = f.tags[i].ms + 33;
	}
	return f;
}

/* ---- sockets ---- */

static inline int tcp_connect(int port, int flags)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0 && errno != EINPROGRESS)
		die("connect");
	return fd;
}

/* ---- RTMP: commands as bytes ---- */

#define HANDSHAKE 1536

struct out {
	size_t len;
	uint8_t p[2048];
};

static inline void put(struct out *o, const void *p, size_t len)
{
	if (len > sizeof(o->p) - o->len)
		die("a command is too long");
	memcpy(o->p + o->len, p, len);
	o->len += len;
}

static inline void amf_key(struct out *o, const char *s)
{
	size_t n = strlen(s);

	put(o, (uint8_t[]){ (uint8_t)(n >> 8), (uint8_t)n }, 2);
	put(o, s, n);
}

static inline void amf_string(struct out *o, const char *s)
{
	put(o, "\x02", 1);
	amf_key(o, s);
}

static inline void amf_number(struct out *o, double d)
{
	uint64_t v;

	memcpy(&v, &d, 8);
	put(o, "\0", 1);
	for (int i = 7; i >= 0; i--)
		put(o, (uint8_t[]){ (uint8_t)(v >> (8 * i)) }, 1);
}

/* A chunk of format 0 with all of `size` bytes in it. */
static inline size_t chunk_header(
    uint8_t p[12], int csid, uint32_t ms, size_t size, int type, int stream)
{
	p[0] = (uint8_t)csid;
	put24(p + 1, ms);
	put24(p + 4, (uint32_t)size);
	p[7] = (uint8_t)type;
	p[8] = (uint8_t)stream;
	p[9] = p[10] = p[11] = 0;
	return 12;
}

/* The commands are longer than the 128 bytes of a first chunk: so ours announce their size. */
static inline void put_message(struct out *o, int type, int stream, const struct out *body)
{
	uint8_t h[12];

	put(o, h, chunk_header(h, type == 20 ? 3 : 2, 0, body->len, type, stream));
	put(o, body->p, body->len);
}

#define CHUNK_OUT 65536

static inline void rtmp_connect(struct out *o, const char *app, int port)
{
	struct out b = { 0 };
	char url[128];

	put(&b, (uint8_t[]){ 0, CHUNK_OUT >> 16, 0, 0 }, 4);
	put_message(o, 1, 0, &b);
	b.len = 0;
	snprintf(url, sizeof(url), "rtmp://127.0.0.1:%d/%s", port, app);
	amf_string(&b, "connect");
	amf_number(&b, 1);
	put(&b, "\x03", 1);
	amf_key(&b, "app"), amf_string(&b, app);
	amf_key(&b, "flashVer"), amf_string(&b, "bench");
	amf_key(&b, "tcUrl"), amf_string(&b, url);
	put(&b, "\0\0\x09", 3);
	put_message(o, 20, 0, &b);
}

static inline void rtmp_create_stream(struct out *o)
{
	struct out b = { 0 };

	amf_string(&b, "createStream");
	amf_number(&b, 2);
	put(&b, "\x05", 1);
	put_message(o, 20, 0, &b);
}

/* "publish" or "play"; `name` may hold "?token=". */
static inline void rtmp_begin(struct out *o, const char *command, const char *name)
{
	struct out b = { 0 };

	amf_string(&b, command);
	amf_number(&b, 3);
	put(&b, "\x05", 1);
	amf_string(&b, name);
	if (strcmp(command, "publish") == 0)
		amf_string(&b, "live");
	put_message(o, 20, 1, &b);
}

/* ---- RTMP: chunks as they come, cut anywhere ---- */

#define KEPT 256 /* of a message that is not media */

struct chunk_stream {
	uint32_t ms, delta, size, left;
	uint8_t type;
	bool extended;
};
struct chunks {
	struct chunk_stream streams[64];
	uint32_t chunk_size, skip; /* bytes left of the chunk under way */
	uint8_t header[18], header_len, csid;
	uint8_t kept[KEPT];
	uint32_t kept_len;
};
typedef void (*on_message)(void *user, uint8_t type, uint32_t ms, uint32_t size);

static inline void chunks_init(struct chunks *c)
{
	memset(c, 0, sizeof(*c));
	c->chunk_size = 128;
}

/* How long the header is, as far as what is there of it tells. */
static inline unsigned header_size(const struct chunks *c)
{
	static const uint8_t sizes[4] = { 11, 7, 3, 0 };
	unsigned fmt = c->header[0] >> 6, id = c->header[0] & 63;

	if (id < 2)
		die("a chunk stream above 63");
	unsigned size = 1 + sizes[fmt];
	if (fmt == 3)
		return size + (c->streams[id].extended ? 4 : 0);
	if (c->header_len >= 4 && be24(c->header + 1) == 0xffffff)
		size += 4;
	return size;
}

static inline void begin_chunk(struct chunks *c)
{
	const uint8_t *h = c->header;
	unsigned fmt = h[0] >> 6;
	struct chunk_stream *s = &c->streams[c->csid = h[0] & 63];

	if (fmt < 3) {
		uint32_t ms = be24(h + 1);
		s->extended = ms == 0xffffff;
		if (s->extended)
			ms = be32(h + (fmt == 0 ? 12 : fmt == 1 ? 8 : 4));
		if (fmt < 2) {
			s->size = be24(h + 4);
			s->type = h[7];
		}
		s->delta = ms;
		s->ms = fmt == 0 ? ms : s->ms + ms;
		s->left = s->size;
	} else if (s->left == 0) {
		s->ms += s->delta;
		s->left = s->size;
	}
	if (s->left == s->size)
		c->kept_len = 0;
	c->skip = s->left < c->chunk_size ? s->left : c->chunk_size;
	c->header_len = 0;
}

static inline void chunks_feed(
    struct chunks *c, const uint8_t *p, size_t n, on_message message, void *user)
{
	while (n > 0) {
		if (c->skip == 0) {
			c->header[c->header_len++] = *p++, n--;
			if (c->header_len < header_size(c))
				continue;
			begin_chunk(c);
			if (c->skip > 0)
				continue;
		}
		struct chunk_stream *s = &c->streams[c->csid];
		uint32_t take = n < c->skip ? (uint32_t)n : c->skip;
		if (s->type != MSG_AUDIO && s->type != MSG_VIDEO && c->kept_len < KEPT) {
			uint32_t keep = KEPT - c->kept_len < take ? KEPT - c->kept_len : take;
			memcpy(c->kept + c->kept_len, p, keep);
			c->kept_len += keep;
		}
		p += take, n -= take;
		c->skip -= take;
		s->left -= take;
		if (s->left > 0)
			continue;
		if (s->type == 1 && c->kept_len >= 4)
			c->chunk_size = be32(c->kept);
		message(user, s->type, s->ms, s->size);
	}
}

static inline bool kept_has(const struct chunks *c, const char *text)
{
	return memmem(c->kept, c->kept_len, text, strlen(text)) != NULL;
}

#endif
