/* What the gate does in time it does by a clock that nobody sets. */
#include "gate_fixture.h"
#include <sys/syscall.h>

static atomic_int ahead_s;

/* The program's own: the wall clock is ahead for a while, and is then set back. */
int clock_gettime(clockid_t id, struct timespec *out)
{
	int res = (int)syscall(SYS_clock_gettime, id, out);

	if (id == CLOCK_REALTIME)
		out->tv_sec += ahead_s;
	return res;
}

static void revoking_is_seen_after_the_clock_was_set_back(void **state)
{
	struct attempt a;
	size_t n;

	(void)state;
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	ahead_s = 3600;
	usleep(500000); /* the gate's threads have looked at it */
	ahead_s = 0;
	assert_int_equal(sg_store_token_revoke(f->store, m.id, false, sg_wall_s(), &n), SG_OK);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_REVOKED);
	sg_gate_end(a.s, SG_BYE_REVOKED);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(revoking_is_seen_after_the_clock_was_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
