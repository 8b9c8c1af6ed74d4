/* srt_call - calls an SRT server and tells what came of it: what FFmpeg keeps to itself.
 *
 *   srt_call HOST:PORT STREAMID [FILE]
 *
 * Prints libsrt's code when it is refused, else "admitted": once something has come, or, with a FILE (of
 * MPEG-TS), once it has been sent within two seconds. */
#include <arpa/inet.h>
#include <srt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEND_US 2000000
#define MESSAGE 1316

static bool send_file(SRTSOCKET s, const char *path)
{
	char message[MESSAGE];
	FILE *f = fopen(path, "rb");
	size_t n;
	long len = 0;

	if (!f || fseek(f, 0, SEEK_END) || (len = ftell(f)) < MESSAGE || fseek(f, 0, SEEK_SET))
		return false;
	unsigned pause_us = (unsigned)(SEND_US / (len / MESSAGE + 1));
	while ((n = fread(message, 1, sizeof(message), f)) > 0) {
		if (srt_sendmsg(s, message, (int)n, -1, 0) == SRT_ERROR)
			break;
		usleep(pause_us);
	}
	fclose(f);
	return n == 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	char host[64] = "", message[1500];
	int port = 0, timeout_ms = 5000;

	if (argc < 3 || sscanf(argv[1], "%63[^:]:%d", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		return 2;
	sa.sin_port = htons((unsigned short)port);
	srt_startup();
	srt_setloglevel(0);
	SRTSOCKET s = srt_create_socket();
	srt_setsockflag(s, SRTO_STREAMID, argv[2], (int)strlen(argv[2]));
	srt_setsockflag(s, SRTO_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
	if (srt_connect(s, (struct sockaddr *)&sa, sizeof(sa)) == SRT_ERROR)
		printf("%d\n", srt_getrejectreason(s));
	else if (argc > 3 ? send_file(s, argv[3]) : srt_recvmsg(s, message, sizeof(message)) > 0)
		puts("admitted");
	else
		puts("cut off");
	srt_close(s);
	srt_cleanup();
	return 0;
}
