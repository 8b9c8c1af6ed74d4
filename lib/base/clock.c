/* clock.c - the two clocks. */
#include "base/clock.h"
#include <time.h>

static int64_t read_us(clockid_t id)
{
	struct timespec t;

	/* Fails only for a clock that the kernel does not have; both of ours it has. */
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t sg_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t sg_mono_ms(void)
{
	return sg_mono_us() / 1000;
}

int64_t sg_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

int64_t sg_wall_s(void)
{
	return sg_wall_ms() / 1000;
}

static int64_t wall_ahead_us;

static void compare_clocks(void)
{
	wall_ahead_us = read_us(CLOCK_REALTIME) - sg_mono_us();
}

int64_t sg_steady_us(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, compare_clocks);
	return sg_mono_us() + wall_ahead_us;
}
