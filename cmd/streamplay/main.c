/* main.c - streamplay: plays a stream, or checks it. Start, signals, errors. */
#include "streamplay.h"
#include "base/config.h"
#include "base/log.h"
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The one thing a signal handler may reach. */
static atomic_bool interrupted;

static void on_signal(int sig)
{
	/* The second one ends a program that does not listen to the first. */
	if (atomic_exchange(&interrupted, true))
		signal(sig, SIG_DFL);
}

bool play_interrupted(void)
{
	return atomic_load(&interrupted);
}

static void complain(const char *fmt, va_list ap)
{
	char line[1600], clean[1600];

	vsnprintf(line, sizeof(line), fmt, ap);
	sg_redact(clean, sizeof(clean), sg_str_from(line));
	for (char *p = clean; *p; p++) /* what a peer said cannot begin a line of its own */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	fprintf(stderr, "streamplay: %s\n", clean);
}

int play_fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	return status;
}

void play_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
}

/* streamplay needs nothing of the configuration, but one that is wrong is told by every program. A
 * player that may not read the server's own file plays all the same. */
static int check_config(const char *path)
{
	char error[600];
	struct sg_config *cfg = NULL;
	enum sg_result res = sg_config_load(&cfg, path, error, sizeof(error));

	sg_config_free(cfg);
	if (res == SG_OK || (res == SG_ERR_IO && !path && !getenv("STREAMGATE_CONFIG")))
		return PLAYED;
	/* As the other programs tell it: a key such as publish_token is no secret to be hidden. */
	fprintf(stderr, "streamplay: %s\n", error);
	return PLAY_USAGE;
}

static int run(struct options *o)
{
	int status;

	if (o->arg[OPT_HELP]) {
		options_help();
		return PLAYED;
	}
	if (o->arg[OPT_VERSION]) {
		printf("streamplay (streamgate) %s\n", SG_VERSION);
		return PLAYED;
	}
	if ((status = check_config(o->arg[OPT_CONFIG])) != PLAYED)
		return status;
	if (o->arg[OPT_PUBLISH])
		return publish_run(o);
	return o->clients ? clients_run(o) : play_run(o);
}

/* A descriptor that is closed would be given to the next socket, and be written to as standard
 * output. */
static bool hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct sigaction act = {.sa_handler = on_signal};

	if (!hold_standard_descriptors())
		return PLAY_FAILED;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file over the limit (ulimit -f): the write says so */
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	trouble_install();
	int status = options_parse(&o, argc, argv);
	if (status == PLAYED)
		status = run(&o);
	options_reset(&o);
	if (fflush(stdout) && status == PLAYED)
		status =
		    play_fail(PLAY_FAILED, "cannot write the output: see whether the disk is full");
	return status;
}
