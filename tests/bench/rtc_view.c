/* rtc_view.c - many WebRTC viewers in one thread: each a peer of its own over WHEP, with its own token.
 * Checks, handshakes and reports are real; media is counted by its headers, which are not encrypted,
 * so that what is measured is the server and not this. The last viewer to join decrypts and puts frames
 * together: its delays are those from the publisher's write to a frame's last packet.
 *
 *   rtc_view whep PID PORT COUNT SECONDS SENT_TIMES APP/NAME TOKENS
 *   rtc_view bare PID 0 COUNT SECONDS        prints "ports P1 P2 ...", counts what comes there
 * both print, at the end, "cpu_us=... packets=... lost=..." : CPU of PID per viewer-second. */
#include "wire.h"
#include "webrtc/client.h"
#include "webrtc/sdp.h"
#include <sys/epoll.h>
#include <sys/resource.h>

#define WINDOWS 3
#define SETTLE_US 2000000
#define JOIN_US 60000000
#define DELAYS_MAX 65536
#define ANSWER_MAX 65536

struct viewer {
	int fd;
	struct sg_rtc_client *client; /* NULL: bare */
	uint64_t packets, frames, lost;
	uint16_t next_seq[128];
	bool seen[128];
	int64_t due_us;
};
static struct viewer *viewers;
static int count, ep;
static bool counting;
static struct sent_times *sent;
/* Of the last viewer: each frame's RTP time in ms, on its own clock, and when it was whole. */
static struct {
	int64_t ms, at_us;
} arrivals[DELAYS_MAX];
static size_t arrival_count;

/* ---- packets ---- */

static void count_packet(struct viewer *v, const uint8_t *p, size_t len)
{
	uint8_t type = p[1] & 0x7f;
	uint16_t seq = (uint16_t)(p[2] << 8 | p[3]);

	if (len < 12 || (p[1] >= 192 && p[1] <= 223))
		return;
	if (counting) {
		v->packets++;
		v->frames += p[1] >> 7;
		if (v->seen[type] && seq != v->next_seq[type])
			v->lost += (uint16_t)(seq - v->next_seq[type]) < 1000
				       ? (uint16_t)(seq - v->next_seq[type])
				       : 0;
	}
	v->seen[type] = true;
	v->next_seq[type] = (uint16_t)(seq + 1);
}

static void take_frames(struct viewer *v, int64_t at_us)
{
	struct sg_frame *f;

	while ((f = sg_rtc_client_next(v->client, at_us))) {
		if (f->kind == SG_FRAME_VIDEO && !(f->flags & SG_FRAME_CONFIG) && counting &&
		    arrival_count < DELAYS_MAX) {
			arrivals[arrival_count].ms = f->pts_90khz / 90;
			arrivals[arrival_count++].at_us = at_us;
		}
		sg_frame_unref(f);
	}
}

static void drain(struct viewer *v)
{
	struct sockaddr_in from;
	uint8_t p[2048];

	for (int i = 0; i < 64; i++) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(v->fd, p, sizeof(p), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		if (n <= 0)
			return;
		bool media = p[0] >= 128 && p[0] <= 191;
		if (media)
			count_packet(v, p, (size_t)n);
		bool rtcp = media && p[1] >= 192 && p[1] <= 223;
		if (!v->client || (media && !rtcp && v != &viewers[count - 1]))
			continue;
		int64_t at = now_us();
		sg_rtc_client_feed(v->client, (struct sockaddr *)&from, len, p, (size_t)n, at);
		if (v == &viewers[count - 1])
			take_frames(v, at);
	}
}

static void run_until(int64_t until)
{
	struct epoll_event events[256];
	static int64_t swept_us;

	for (int64_t left; (left = until - now_us()) > 0;) {
		int wait_ms = left > 20000 ? 20 : (int)(left / 1000);
		int n = epoll_wait(ep, events, 256, wait_ms);
		for (int i = 0; i < n; i++)
			drain(events[i].data.ptr);
		int64_t now = now_us();
		if (now - swept_us < 20000)
			continue;
		swept_us = now;
		for (int i = 0; i < count; i++)
			if (viewers[i].client && now >= viewers[i].due_us)
				viewers[i].due_us = sg_rtc_client_tick(viewers[i].client, now);
	}
}

/* ---- joining ---- */

static void on_send(void *user, const struct sockaddr *to, socklen_t len, const uint8_t *p, size_t n)
{
	struct viewer *v = user;

	if (sendto(v->fd, p, n, MSG_NOSIGNAL, to, len) < 0 && errno != EAGAIN)
		die("sending");
}

static void open_socket(struct viewer *v)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = v};
	int size = 1 << 20;

	v->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (v->fd < 0 || bind(v->fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, v->fd, &e) != 0)
		die("socket");
	setsockopt(v->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* One POST on a connection of its own; the answer's body. */
static struct sg_str post(int port, const char *path, const char *token, const struct sg_buf *body)
{
	static char answer[ANSWER_MAX];
	char head[1024];
	int fd = tcp_connect(port, 0);
	size_t len = 0;
	int n = snprintf(head, sizeof(head),
	    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
	    "Content-Type: application/sdp\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
	    path, port, token, body->len);

	if (write(fd, head, (size_t)n) != n || write(fd, body->p, body->len) != (ssize_t)body->len)
		die("asking");
	for (ssize_t got; (got = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0;)
		len += (size_t)got;
	close(fd);
	answer[len] = '\0';
	char *end = strstr(answer, "\r\n\r\n");
	if (strncmp(answer, "HTTP/1.1 201", 12) || !end) {
		fprintf(stderr, "bench: refused: %.200s\n", answer);
		exit(1);
	}
	return sg_str_from(end + 4);
}

static void join_one(struct viewer *v, struct sg_dtls_identity *id, int port, const char *path,
    const char *token)
{
	struct sg_rtc_client_config cfg = {.identity = id,
	    .video = SG_CODEC_H264,
	    .audio = SG_CODEC_OPUS,
	    .send = on_send,
	    .user = v};
	struct sg_buf offer;

	open_socket(v);
	sg_buf_init(&offer, SG_SDP_MAX);
	if (sg_rtc_client_open(&v->client, &cfg) != SG_OK)
		die("memory");
	sg_rtc_client_offer(v->client, &offer);
	if (sg_rtc_client_set_answer(v->client, post(port, path, token, &offer)) != SG_OK)
		die(sg_rtc_client_error(v->client));
	sg_buf_reset(&offer);
	v->due_us = sg_rtc_client_tick(v->client, now_us());
}

static void join_all(int port, const char *name, const char *tokens)
{
	struct sg_dtls_identity *id;
	char path[256], line[128], error[200];
	const char *slash = strchr(name, '/');
	FILE *in = fopen(tokens, "r");

	if (!in || !slash || sg_dtls_identity_open(&id, NULL, error, sizeof(error)) != SG_OK)
		die("joining");
	snprintf(path, sizeof(path), "/%.*s/whep%s", (int)(slash - name), name, slash);
	for (int i = 0; i < count; i++) {
		if (!fgets(line, sizeof(line), in))
			die("too few tokens");
		line[strcspn(line, "\n")] = '\0';
		join_one(&viewers[i], id, port, path, line);
		run_until(now_us() + 2000);
	}
	fclose(in);
	int64_t until = now_us() + JOIN_US;
	for (int open = 0; open < count;) {
		run_until(now_us() + 20000);
		open = 0;
		for (int i = 0; i < count; i++) {
			enum sg_rtc_state s = sg_rtc_client_state(viewers[i].client);
			if (s == SG_RTC_FAILED || s == SG_RTC_CLOSED || now_us() > until)
				die(sg_rtc_client_error(viewers[i].client));
			open += s == SG_RTC_OPEN;
		}
	}
}

static void listen_all(void)
{
	printf("ports");
	for (int i = 0; i < count; i++) {
		struct sockaddr_in a;
		socklen_t len = sizeof(a);
		open_socket(&viewers[i]);
		getsockname(viewers[i].fd, (struct sockaddr *)&a, &len);
		printf(" %d", ntohs(a.sin_port));
	}
	printf("\n");
	fflush(stdout);
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

static int up(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A frame's RTP time and its RTMP time differ by a constant that nobody tells. Nothing arrives before
 * it was sent, and on loopback the quickest frame takes less than a frame's interval: so it is the
 * constant with the least delay that is not below zero. */
static void print_delays(void)
{
	static double best[DELAYS_MAX];
	double least = 1e18;
	size_t best_count = 0;

	if (!sent || arrival_count < 10)
		return;
	for (uint32_t ms = 0; ms < SENT_MS; ms++) {
		static double all[DELAYS_MAX];
		double first = 1e18;
		size_t n = 0;
		if (!atomic_load(&sent->us[1][ms]))
			continue;
		for (size_t i = 0; i < arrival_count; i++) {
			/* Milliseconds were rounded on the way: look beside it too. */
			int64_t at = ms + arrivals[i].ms - arrivals[0].ms, us = 0;
			for (int64_t k = at - 1; k <= at + 1 && !us; k++)
				us = k >= 0 && k < SENT_MS ? atomic_load(&sent->us[1][k]) : 0;
			if (!us)
				continue;
			all[n] = (double)(arrivals[i].at_us - us) / 1000;
			first = all[n] < first ? all[n] : first;
			n++;
		}
		if (n * 10 >= arrival_count * 9 && first >= 0 && first < least) {
			least = first;
			best_count = n;
			memcpy(best, all, n * sizeof(*all));
		}
	}
	if (!best_count)
		return;
	qsort(best, best_count, sizeof(*best), up);
	printf(" delay_ms_p50=%.2f delay_ms_p95=%.2f delay_ms_p99=%.2f", best[best_count / 2],
	    best[best_count * 95 / 100], best[best_count * 99 / 100]);
}

static void measure(pid_t pid, double seconds)
{
	double cpu[WINDOWS], *packets = calloc((size_t)count, sizeof(*packets));
	uint64_t lost = 0, frames = 0;

	if (!packets)
		die("memory");
	run_until(now_us() + SETTLE_US);
	counting = true;
	for (int w = 0; w < WINDOWS; w++) {
		int64_t begin = now_us();
		double before = cpu_us_of(pid);
		run_until(begin + (int64_t)(seconds * 1e6));
		cpu[w] = (cpu_us_of(pid) - before) / ((double)(now_us() - begin) / 1e6) / count;
	}
	counting = false;
	for (int i = 0; i < count; i++) {
		packets[i] = (double)viewers[i].packets;
		lost += viewers[i].lost;
		frames += viewers[i].frames;
	}
	qsort(packets, (size_t)count, sizeof(*packets), up);
	qsort(cpu, WINDOWS, sizeof(*cpu), up);
	printf("cpu_us=%.1f cpu_us_min=%.1f cpu_us_max=%.1f packets_min=%.0f packets_median=%.0f "
	       "packets_per_s=%.1f frames=%llu lost=%llu",
	    cpu[WINDOWS / 2], cpu[0], cpu[WINDOWS - 1], packets[0], packets[count / 2],
	    packets[count / 2] / (seconds * WINDOWS), (unsigned long long)frames,
	    (unsigned long long)lost);
	print_delays();
	printf("\n");
	if (packets[0] < 0.9 * packets[count / 2] || packets[count / 2] == 0) {
		fprintf(stderr, "bench: a viewer starved: %.0f packets, half of them have %.0f\n",
		    packets[0], packets[count / 2]);
		exit(1);
	}
	free(packets);
}

int main(int argc, char **argv)
{
	struct rlimit rl;

	if (argc < 6)
		die("usage: rtc_view whep PID PORT COUNT SECONDS SENT_TIMES APP/NAME TOKENS");
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	count = atoi(argv[4]);
	viewers = calloc((size_t)count, sizeof(*viewers));
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (!viewers || count < 1 || ep < 0)
		die("memory");
	if (argv[1][0] == 'b') {
		char line[16];
		listen_all();
		if (!fgets(line, sizeof(line), stdin)) /* the loop's process, once it knows the ports */
			die("standard input");
		measure(atoi(line), atof(argv[5]));
		return 0;
	}
	if (argc < 9)
		die("usage");
	sent = sent_open(argv[6]);
	join_all(atoi(argv[3]), argv[7], argv[8]);
	measure(atoi(argv[2]), atof(argv[5]));
	return 0;
}
