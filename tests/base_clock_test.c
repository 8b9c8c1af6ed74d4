/* Clocks that are set, and what must not move then. */
#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static atomic_int ahead_s;

/* The program's own: its wall clock can be set. */
int clock_gettime(clockid_t id, struct timespec *out)
{
	int res = (int)syscall(SYS_clock_gettime, id, out);

	if (id == CLOCK_REALTIME)
		out->tv_sec += ahead_s;
	return res;
}

static void the_wall_clock_is_set_and_the_others_go_on(void **state)
{
	int64_t wall_s = sg_wall_s(), steady_us = sg_steady_us(), mono_us = sg_mono_us();

	(void)state;
	assert_in_range(steady_us / 1000000 - wall_s + 10, 9, 11); /* Unix time as long as nobody sets it */
	ahead_s = 3600;
	assert_true(sg_wall_s() >= wall_s + 3600);
	assert_in_range(sg_steady_us() - steady_us, 0, 2000000);
	assert_in_range(sg_mono_us() - mono_us, 0, 2000000);
	ahead_s = -3600;
	assert_true(sg_wall_s() <= wall_s - 3590);
	assert_in_range(sg_steady_us() - steady_us, 0, 2000000);
	ahead_s = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_wall_clock_is_set_and_the_others_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
