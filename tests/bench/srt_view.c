/* srt_view - viewers over SRT that throw away what comes.
 *
 *   srt_view PORT STEP COUNT SECONDS [STREAMID]
 *
 * Viewer i calls 127.0.0.1:PORT + i * STEP. Prints "start" when all are connected and have got something,
 * then, after SECONDS, "viewers=N starved=N bytes=N": of those seconds. */
#include <arpa/inet.h>
#include <srt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VIEWERS_MAX 1000

static SRTSOCKET viewers[VIEWERS_MAX];
static unsigned long long bytes[VIEWERS_MAX];

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool dial(int i, int port, const char *streamid)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	bool no = false;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	viewers[i] = srt_create_socket();
	if (streamid)
		srt_setsockflag(viewers[i], SRTO_STREAMID, streamid, (int)strlen(streamid));
	if (srt_connect(viewers[i], (struct sockaddr *)&sa, sizeof(sa)) == SRT_ERROR)
		return false;
	return srt_setsockflag(viewers[i], SRTO_RCVSYN, &no, sizeof(no)) == 0;
}

static void take(int epoll, int count)
{
	SRT_EPOLL_EVENT ready[64];
	char message[1500];
	int n = srt_epoll_uwait(epoll, ready, 64, 100);

	for (int k = 0; k < n; k++)
		for (int i = 0, got; i < count; i++)
			while (viewers[i] == ready[k].fd &&
			       (got = srt_recvmsg(viewers[i], message, sizeof(message))) > 0)
				bytes[i] += (unsigned)got;
}

static int starved(int count)
{
	int n = 0;

	for (int i = 0; i < count; i++)
		n += bytes[i] == 0;
	return n;
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	int port = atoi(argv[1]), step = atoi(argv[2]), count = atoi(argv[3]), in = SRT_EPOLL_IN;
	double seconds = atof(argv[4]), until;
	unsigned long long sum = 0;

	if (count < 1 || count > VIEWERS_MAX)
		return 2;
	srt_startup();
	srt_setloglevel(0);
	int epoll = srt_epoll_create();
	for (int i = 0; i < count; i++)
		if (!dial(i, port + i * step, argc > 5 ? argv[5] : NULL) ||
		    srt_epoll_add_usock(epoll, viewers[i], &in) != 0) {
			fprintf(stderr, "viewer %d is not let in\n", i);
			return 1;
		}
	for (until = now_s() + 15; starved(count) && now_s() < until;)
		take(epoll, count);
	if (starved(count))
		return 1;
	memset(bytes, 0, sizeof(bytes));
	puts("start");
	fflush(stdout);
	for (until = now_s() + seconds; now_s() < until;)
		take(epoll, count);
	for (int i = 0; i < count; i++)
		sum += bytes[i];
	printf("viewers=%d starved=%d bytes=%llu\n", count, starved(count), sum);
	fflush(stdout);
	_Exit(0); /* closing them one by one would take longer than the measurement */
}
