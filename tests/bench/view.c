/* view.c - many viewers in one process: they join, read, throw away, and count.
 *
 *   view rtmp|flv|bare PID PORT COUNT SECONDS SENT_TIMES NAME [TOKENS]
 *
 * NAME is "app/stream" for RTMP, a path for HTTP-FLV; TOKENS a file with a token a line, one for each
 * viewer. When all of them see media, three windows of SECONDS are counted, and the CPU time that PID
 * took in each. Printed: the middle window's CPU per viewer and second, reads per viewer and second, the
 * least and the median number of messages over all, and the delay from the publisher's write to here.
 * Exit status 1: a viewer was refused, lost or starved. */
#include "wire.h"
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#define WINDOWS 3
#define JOINING_MAX 50
#define JOIN_TIMEOUT_US 30000000
#define SETTLE_US 1500000
#define GRACE_US 2000000
#define DELAY_STEP_US 100
#define DELAY_STEPS 100000

enum kind { VIEW_RTMP, VIEW_FLV, VIEW_BARE };
enum stage { CONNECTING, HELLO, CONNECTED, CREATED, PLAYING };

struct viewer {
	int fd;
	enum stage stage;
	bool media;
	uint32_t messages;
	char name[256];
	uint32_t hello; /* bytes of the handshake, or of HTTP's header, so far */
	uint8_t text[1024]; /* HTTP's header */
	struct chunks chunks; /* for FLV: the tag's header, kind, time and bytes left */
};

static enum kind kind;
static int port, count, ep, joining, seeing;
static struct viewer *viewers;
static struct sent_times *sent;
static char app[64];
static bool counting;
static uint64_t reads;
static int64_t read_at_us;
static uint32_t *delays;

static void fail(const struct viewer *v, const char *why)
{
	fprintf(stderr, "bench: viewer %td of %d: %s\n", v - viewers + 1, count, why);
	exit(1);
}

static void send_bytes(struct viewer *v, const void *p, size_t len)
{
	if (send(v->fd, p, len, MSG_NOSIGNAL) != (ssize_t)len)
		fail(v, "a command could not be sent");
}

static void send_out(struct viewer *v, struct out *o)
{
	send_bytes(v, o->p, o->len);
	o->len = 0;
}

/* ---- messages ---- */

static void on_media(struct viewer *v, bool video, uint32_t ms)
{
	if (!v->media) {
		v->media = true;
		/* One that has exchanged commands would delay its acknowledgements until the next bytes come (RFC 5681,
		 * section 4.2), and on loopback the server's send() would do them: as if it were nearer than the others. */
		setsockopt(v->fd, IPPROTO_TCP, TCP_QUICKACK, &(int){ 1 }, sizeof(int));
		seeing++;
		joining--;
	}
	v->messages++;
	if (!counting || ms >= SENT_MS)
		return;
	int64_t at = atomic_load_explicit(&sent->us[video][ms], memory_order_relaxed);
	if (!at)
		return;
	int64_t step = (read_at_us - at) / DELAY_STEP_US;
	delays[step < 0 ? 0 : step < DELAY_STEPS ? step : DELAY_STEPS - 1]++;
}

static void on_command(struct viewer *v)
{
	struct out o = { 0 };

	if (kept_has(&v->chunks, "error") || kept_has(&v->chunks, "NetStream.Play.Failed"))
		fail(v, "refused");
	if (!kept_has(&v->chunks, "_result"))
		return;
	if (v->stage == CONNECTED) {
		v->stage = CREATED;
		rtmp_create_stream(&o);
	} else if (v->stage == CREATED) {
		v->stage = PLAYING;
		rtmp_begin(&o, "play", v->name);
	}
	if (o.len)
		send_out(v, &o);
}

static void answer_ping(struct viewer *v)
{
	struct out o = { 0 }, body = { 0 };

	put(&body, (uint8_t[]){ 0, 7 }, 2);
	put(&body, v->chunks.kept + 2, 4);
	put_message(&o, 4, 0, &body);
	send_out(v, &o);
}

static void on_rtmp(void *user, uint8_t type, uint32_t ms, uint32_t size)
{
	struct viewer *v = user;

	if ((type == MSG_VIDEO || type == MSG_AUDIO) && size > 8)
		on_media(v, type == MSG_VIDEO, ms);
	else if (type == 20)
		on_command(v);
	else if (type == 4 && v->chunks.kept_len >= 6 && v->chunks.kept[1] == 6)
		answer_ping(v);
}

/* Tags follow one another like chunks of format 0: 11 bytes, the body, 4 bytes. */
static void feed_flv(struct viewer *v, const uint8_t *p, size_t n)
{
	struct chunks *c = &v->chunks;

	while (n > 0) {
		if (c->skip == 0) {
			c->header[c->header_len++] = *p++, n--;
			if (c->header_len < 11)
				continue;
			c->header_len = 0;
			c->skip = be24(c->header + 1) + 4;
			continue;
		}
		uint32_t take = n < c->skip ? (uint32_t)n : c->skip;
		p += take, n -= take;
		if ((c->skip -= take) == 0 && c->header[0] != 18 && be24(c->header + 1) > 8)
			on_media(v, c->header[0] == MSG_VIDEO,
			    (uint32_t)c->header[7] << 24 | be24(c->header + 4));
	}
}

/* ---- joining ---- */

static void feed_http(struct viewer *v, const uint8_t *p, size_t n)
{
	if (v->stage != PLAYING) {
		size_t room = sizeof(v->text) - v->hello, take = n < room ? n : room;
		memcpy(v->text + v->hello, p, take);
		size_t before = v->hello;
		v->hello += (uint32_t)take;
		const uint8_t *end = memmem(v->text, v->hello, "\r\n\r\nFLV", 7);
		if (v->hello > 12 && memcmp(v->text + 9, "200", 3) != 0)
			fail(v, "refused");
		if (!end) {
			if (take < n)
				fail(v, "no FLV in the answer");
			return;
		}
		/* The header of FLV is 9 bytes and the size of no tag: it comes in one piece. */
		size_t skip = (size_t)(end - v->text) + 4 + 13 - before;
		if (skip > n)
			fail(v, "the FLV header is cut");
		v->stage = PLAYING;
		p += skip, n -= skip;
	}
	feed_flv(v, p, n);
}

static void feed_handshake(struct viewer *v, size_t n)
{
	static const uint8_t echo[HANDSHAKE];
	struct out o = { 0 };
	size_t left = 1 + 2 * HANDSHAKE - v->hello;

	v->hello += (uint32_t)(n < left ? n : left);
	if (n < left)
		return;
	if (n > left)
		fail(v, "more than a handshake came");
	v->stage = CONNECTED;
	send_bytes(v, echo, sizeof(echo));
	rtmp_connect(&o, app, port);
	send_out(v, &o);
}

static void on_connected(struct viewer *v)
{
	static const uint8_t hello[1 + HANDSHAKE] = { 3 };
	char request[512];

	struct epoll_event e = { .events = EPOLLIN, .data.ptr = v };
	epoll_ctl(ep, EPOLL_CTL_MOD, v->fd, &e);
	if (kind == VIEW_BARE) {
		v->chunks.chunk_size = UINT32_MAX;
		v->stage = PLAYING;
	} else if (kind == VIEW_RTMP) {
		v->stage = HELLO;
		send_bytes(v, hello, sizeof(hello));
	} else {
		v->stage = HELLO;
		send_bytes(v, request, (size_t)snprintf(request, sizeof(request),
			"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", v->name, port));
	}
}

static void join(struct viewer *v)
{
	chunks_init(&v->chunks);
	v->fd = tcp_connect(port, SOCK_NONBLOCK);
	struct epoll_event e = { .events = EPOLLOUT, .data.ptr = v };
	epoll_ctl(ep, EPOLL_CTL_ADD, v->fd, &e);
	joining++;
}

/* ---- reading ---- */

static void on_readable(struct viewer *v)
{
	static uint8_t buf[1 << 19];
	ssize_t n = recv(v->fd, buf, sizeof(buf), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		fail(v, "lost its connection");
	if (n < 0)
		return;
	reads++;
	read_at_us = now_us();
	if (v->stage == HELLO && kind == VIEW_RTMP)
		feed_handshake(v, (size_t)n);
	else if (kind == VIEW_FLV)
		feed_http(v, buf, (size_t)n);
	else
		chunks_feed(&v->chunks, buf, (size_t)n, on_rtmp, v);
}

static void run_until(int64_t until_us)
{
	struct epoll_event events[256];

	for (int64_t left; (left = until_us - now_us()) > 0;) {
		struct timespec t = { left / 1000000, left % 1000000 * 1000 };
		int n = epoll_pwait2(ep, events, 256, &t, NULL);
		for (int i = 0; i < n; i++) {
			struct viewer *v = events[i].data.ptr;
			if (v->stage == CONNECTING)
				on_connected(v);
			else
				on_readable(v);
		}
	}
}

static void join_all(void)
{
	int64_t until = now_us() + JOIN_TIMEOUT_US;

	for (int next = 0; seeing < count;) {
		while (next < count && (kind == VIEW_BARE || joining < JOINING_MAX))
			join(&viewers[next++]);
		run_until(now_us() + 5000);
		for (int i = 0; now_us() > until && i < count; i++)
			if (!viewers[i].media)
				fail(&viewers[i], "saw no media");
	}
}

static void read_names(const char *name, const char *tokens)
{
	FILE *f = tokens ? fopen(tokens, "r") : NULL;
	char token[64];

	if (tokens && !f)
		die(tokens);
	for (int i = 0; i < count; i++) {
		struct viewer *v = &viewers[i];
		if (f && !fgets(token, sizeof(token), f))
			fail(v, "has no token");
		token[f ? strcspn(token, "\n") : 0] = '\0';
		snprintf(v->name, sizeof(v->name), "%s%s%s", name, f ? "?token=" : "", token);
	}
	if (f)
		fclose(f);
}

/* ---- the answer ---- */

static double cpu_us_of(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		die("the server has gone");
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double delay_ms(double share)
{
	uint64_t all = 0, sum = 0;

	for (int i = 0; i < DELAY_STEPS; i++)
		all += delays[i];
	for (int i = 0; i < DELAY_STEPS; i++)
		if ((double)(sum += delays[i]) >= share * (double)all && all)
			return (double)i * DELAY_STEP_US / 1000;
	return -1;
}

static int up(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double least(double *messages)
{
	for (int i = 0; i < count; i++)
		messages[i] = viewers[i].messages;
	qsort(messages, (size_t)count, sizeof(*messages), up);
	return messages[0];
}

static void measure(pid_t pid, double seconds)
{
	double cpu[WINDOWS], *messages = calloc((size_t)count, sizeof(*messages));

	if (!messages)
		die("memory");
	run_until(now_us() + SETTLE_US);
	for (int i = 0; i < count; i++)
		viewers[i].messages = 0;
	counting = true;
	reads = 0;
	for (int w = 0; w < WINDOWS; w++) {
		int64_t begin = now_us();
		double before = cpu_us_of(pid);
		run_until(begin + (int64_t)(seconds * 1e6));
		cpu[w] = (cpu_us_of(pid) - before) / ((double)(now_us() - begin) / 1e6) / count;
	}
	/* One whose messages are on their way does not starve. */
	least(messages);
	double median = messages[count / 2], fewest;
	int64_t until = now_us() + GRACE_US;
	counting = false;
	uint64_t counted_reads = reads;
	while ((fewest = least(messages)) < 0.95 * median && now_us() < until)
		run_until(now_us() + 20000);
	qsort(cpu, WINDOWS, sizeof(*cpu), up);
	printf("cpu_us=%.1f cpu_us_min=%.1f cpu_us_max=%.1f reads=%.1f messages_min=%.0f "
	       "messages_median=%.0f delay_ms_p50=%.1f delay_ms_p95=%.1f delay_ms_p99=%.1f\n",
	    cpu[WINDOWS / 2], cpu[0], cpu[WINDOWS - 1],
	    (double)counted_reads / count / (seconds * WINDOWS), fewest, median,
	    delay_ms(0.5), delay_ms(0.95), delay_ms(0.99));
	if (fewest < 0.95 * median || median == 0) {
		fprintf(stderr, "bench: a viewer starved: %.0f messages, half of them have %.0f\n",
		    fewest, median);
		exit(1);
	}
	free(messages);
}

int main(int argc, char **argv)
{
	struct rlimit rl;

	if (argc < 8)
		die("usage: view rtmp|flv|bare PID PORT COUNT SECONDS SENT_TIMES NAME [TOKENS]");
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	kind = argv[1][0] == 'r' ? VIEW_RTMP : argv[1][0] == 'f' ? VIEW_FLV : VIEW_BARE;
	port = atoi(argv[3]);
	count = atoi(argv[4]);
	sent = sent_open(argv[6]);
	viewers = calloc((size_t)count, sizeof(*viewers));
	delays = calloc(DELAY_STEPS, sizeof(*delays));
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (!viewers || !delays || ep < 0)
		die("memory");
	const char *name = argv[7], *slash = strchr(name, '/');
	if (kind == VIEW_RTMP && slash) {
		snprintf(app, sizeof(app), "%.*s", (int)(slash - name), name);
		name = slash + 1;
	}
	read_names(name, argc > 8 ? argv[8] : NULL);
	join_all();
	measure(atoi(argv[2]), atof(argv[5]));
	return 0;
}
