/* llhls.c - many viewers of low-latency HLS on blocking reload: each asks for the next part's playlist, then
 * for the part, on one connection.
 *
 * usage: llhls HOST PORT PATH VIEWERS SECONDS SERVER_PID
 *
 * Prints one line: playlists and parts answered, how long after the first answer with a part the others came
 * (share within 20 ms, median, 99th percentile), and the server's CPU per viewer and second. */
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
#include <time.h>
#include <unistd.h>

enum { BUF = 1 << 20, PARTS = 1 << 16 };
enum step { MASTER, PLAYLIST, BLOCKED, PART };

struct viewer {
	int fd;
	enum step step;
	char folder[256], part[64];
	unsigned long long msn, index;
	char *in;
	size_t have, head, length;
};

static const char *path;
static struct sockaddr_in server;
static double first_at[PARTS]; /* by the number of a part: when somebody first heard of it */
static double *late;
static size_t late_count, late_cap, playlists, parts, failures;
static bool measuring;

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(struct viewer *v)
{
	char text[800];
	int n;

	if (v->step == MASTER)
		n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	else if (v->step == PLAYLIST)
		n = snprintf(text, sizeof(text), "GET %smain.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n", v->folder);
	else if (v->step == BLOCKED)
		n = snprintf(text, sizeof(text),
		    "GET %smain.m3u8?_HLS_msn=%llu&_HLS_part=%llu&_HLS_skip=YES HTTP/1.1\r\nHost: x\r\n\r\n",
		    v->folder, v->msn, v->index);
	else
		n = snprintf(text, sizeof(text), "GET %s%s HTTP/1.1\r\nHost: x\r\n\r\n", v->folder, v->part);
	v->have = v->head = v->length = 0;
	if (write(v->fd, text, (size_t)n) != n)
		failures++;
}

static void read_master(struct viewer *v, const char *body)
{
	const char *main_line = strstr(body, "main.m3u8"), *start = main_line;

	if (!main_line) {
		failures++;
		return;
	}
	while (start > body && start[-1] != '\n')
		start--;
	const char *slash = strrchr(path, '/');
	snprintf(v->folder, sizeof(v->folder), "%.*s%.*s", (int)(slash + 1 - path), path,
	    (int)(main_line - start), start);
	v->step = PLAYLIST;
}

static void read_playlist(struct viewer *v, const char *body)
{
	const char *p = strstr(body, "#EXT-X-MEDIA-SEQUENCE:"), *skip = strstr(body, "SKIPPED-SEGMENTS=");
	unsigned long long msn = p ? strtoull(p + 22, NULL, 10) : 0;

	msn += skip ? strtoull(skip + 17, NULL, 10) : 0;
	v->index = 0;
	for (p = body; (p = strchr(p, '\n')); ) {
		p++;
		if (!strncmp(p, "#EXTINF", 7)) {
			msn++;
			v->index = 0;
		} else if (!strncmp(p, "#EXT-X-PART:", 12)) {
			v->index++;
			const char *uri = strstr(p, "URI=\"");
			snprintf(v->part, sizeof(v->part), "%.*s", (int)strcspn(uri + 5, "\""), uri + 5);
		}
	}
	v->msn = msn;
}

static void note(struct viewer *v)
{
	unsigned long long n = strtoull(v->part + strlen("main-p"), NULL, 10) % PARTS;
	double t = now_s();

	if (!first_at[n])
		first_at[n] = t;
	if (!measuring)
		return;
	playlists++;
	if (late_count == late_cap)
		late = realloc(late, (late_cap = late_cap ? late_cap * 2 : 65536) * sizeof(*late));
	late[late_count++] = t - first_at[n];
}

static void answered(struct viewer *v)
{
	char *body = v->in + v->head;

	if (strncmp(v->in, "HTTP/1.1 200", 12)) {
		failures++;
		v->step = PLAYLIST;
	} else if (v->step == MASTER) {
		read_master(v, body);
	} else if (v->step == PLAYLIST || v->step == BLOCKED) {
		enum step was = v->step;
		read_playlist(v, body);
		if (was == BLOCKED)
			note(v);
		v->step = was == BLOCKED ? PART : BLOCKED;
	} else {
		parts += measuring;
		v->step = BLOCKED;
	}
	ask(v);
}

static void readable(struct viewer *v)
{
	ssize_t n = read(v->fd, v->in + v->have, BUF - v->have - 1);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN) {
			failures++;
			close(v->fd);
			v->fd = -1;
		}
		return;
	}
	v->have += (size_t)n;
	v->in[v->have] = '\0';
	if (!v->head) {
		char *end = strstr(v->in, "\r\n\r\n"), *length = strcasestr(v->in, "\ncontent-length:");
		if (!end || !length)
			return;
		v->head = (size_t)(end + 4 - v->in);
		v->length = strtoul(length + 16, NULL, 10);
	}
	if (v->have >= v->head + v->length)
		answered(v);
}

static void join(struct viewer *v, int ep)
{
	int one = 1;

	v->in = malloc(BUF);
	v->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!v->in || connect(v->fd, (struct sockaddr *)&server, sizeof(server)) != 0) {
		perror("llhls: connecting");
		exit(1);
	}
	setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(v->fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(ep, EPOLL_CTL_ADD, v->fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = v });
	ask(v);
}

static void serve(int ep, double until)
{
	struct epoll_event events[256];

	while (now_s() < until) {
		int n = epoll_wait(ep, events, 256, 20);
		for (int i = 0; i < n; i++)
			readable(events[i].data.ptr);
	}
}

static double cpu_s(const char *pid)
{
	char name[64], line[1024];
	unsigned long user = 0, sys = 0;

	snprintf(name, sizeof(name), "/proc/%s/stat", pid);
	FILE *f = fopen(name, "r");
	if (f && fgets(line, sizeof(line), f))
		sscanf(strrchr(line, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
	if (f)
		fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	int count = atoi(argv[4]), ep = epoll_create1(0);
	double length = atof(argv[5]);
	struct viewer *viewers = calloc((size_t)count, sizeof(*viewers));

	server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])) };
	inet_pton(AF_INET, argv[1], &server.sin_addr);
	path = argv[3];
	for (int i = 0; i < count; i++) {
		join(&viewers[i], ep);
		if (i % 10 == 9)
			serve(ep, now_s() + 0.02);
	}
	serve(ep, now_s() + 3);
	double cpu = cpu_s(argv[6]), start = now_s();
	size_t failed = failures;
	measuring = true;
	serve(ep, start + length);
	length = now_s() - start;
	cpu = cpu_s(argv[6]) - cpu;
	qsort(late, late_count, sizeof(*late), by_size);
	size_t in_time = 0;
	while (in_time < late_count && late[in_time] <= 0.020)
		in_time++;
	if (!late_count) {
		fprintf(stderr, "llhls: nothing was answered\n");
		return 1;
	}
	printf("viewers=%d playlists_per_s=%.0f parts_per_s=%.0f within_20ms=%.4f median_ms=%.2f p90_ms=%.2f p95_ms=%.2f p99_ms=%.2f "
	       "cpu_us_per_viewer_s=%.0f failures=%zu\n",
	    count, (double)playlists / length, (double)parts / length, (double)in_time / (double)late_count,
	    late[late_count / 2] * 1e3, late[late_count * 90 / 100] * 1e3, late[late_count * 95 / 100] * 1e3,
	    late[late_count * 99 / 100] * 1e3, cpu / length / count * 1e6,
	    failures - failed);
	return 0;
}
