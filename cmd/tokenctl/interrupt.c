/* interrupt.c - Ctrl-C, and being told to end, where that must not simply end the program. */
#include "tokenctl.h"
#include <poll.h>
#include <signal.h>
#include <unistd.h>

/* All that a signal handler may touch. */
static volatile sig_atomic_t interrupted, terminated;

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
static struct sigaction before[3];
static int depth, caught;

static void on_signal(int number)
{
	interrupted = 1;
	if (number != SIGINT)
		terminated = 1;
}

void ctl_catch_interrupt(bool terminate)
{
	struct sigaction catch = {.sa_handler = on_signal}; /* no SA_RESTART: waits end */
	int wanted = terminate ? 3 : 1;

	depth++;
	for (; caught < wanted; caught++)
		sigaction(numbers[caught], &catch, &before[caught]);
}

void ctl_catch_end(void)
{
	if (--depth)
		return;
	while (caught)
		caught--, sigaction(numbers[caught], &before[caught], NULL);
}

bool ctl_interrupted(void)
{
	return interrupted;
}

bool ctl_terminated(void)
{
	return terminated;
}

void ctl_forget_interrupt(void)
{
	interrupted = terminated;
}

bool ctl_wait(int fd, short events, int timeout_ms, bool *ready)
{
	struct pollfd p[2] = {{.fd = STDOUT_FILENO}, {.fd = fd, .events = events}};
	sigset_t block, normal;

	/* Blocked from the look at the flag to the wait, so that none falls between the two. */
	sigemptyset(&block);
	for (size_t i = 0; i < 3; i++)
		sigaddset(&block, numbers[i]);
	sigprocmask(SIG_BLOCK, &block, &normal);
	struct timespec t = {timeout_ms / 1000, timeout_ms % 1000 * 1000000l};
	int n = interrupted ? -1 : ppoll(p, fd < 0 ? 1 : 2, &t, &normal);
	sigprocmask(SIG_SETMASK, &normal, NULL);
	if (ready)
		*ready = n > 0 && p[1].revents;
	return !interrupted && !(n > 0 && (p[0].revents & (POLLERR | POLLNVAL)));
}
