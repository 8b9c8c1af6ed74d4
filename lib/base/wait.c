/* wait.c - waiting by the monotonic clock. */
#include "base/clock.h"

void sg_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	/* As pthread_cond_init(), these fail only for what is no condition, and on other systems than Linux. */
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

struct timespec sg_mono_in_us(int64_t us)
{
	int64_t at_us = sg_mono_us() + us;

	return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}
