/* What the gate does in time it does by a clock that nobody sets. */
#include "gate_fixture.h"
#include "gate/gate_internal.h"
#include <sys/syscall.h>

static atomic_int ahead_s, passed_s;

/* The program's own: the wall clock is ahead for a while, and is then set back; time passes at once. */
int clock_gettime(clockid_t id, struct timespec *out)
{
	int res = (int)syscall(SYS_clock_gettime, id, out);

	if (id == CLOCK_REALTIME)
		out->tv_sec += ahead_s;
	else if (id == CLOCK_MONOTONIC)
		out->tv_sec += passed_s;
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

static size_t holds(struct fixture *f)
{
	struct sg_gate_stats stats;

	sg_gate_get_stats(f->gate, &stats);
	return stats.holds;
}

/* The relay is there, and its far end says nothing. */
static void who_waits_for_media_for_half_a_minute_is_refused_and_has_spent_nothing(void **state)
{
	struct attempt a, b;

	(void)state;
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY), other = make(f, "cam", SG_PLAY);
	f->live = false;
	f->coming = true;
	assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	start(f, &a, SG_PLAY, "cam", m.text, "192.0.2.1", false);
	start(f, &b, SG_PLAY, "cam", other.text, "192.0.2.2", true);
	for (int i = 0; i < 3000 && holds(f) != 2; i++)
		usleep(10000);
	assert_int_equal(holds(f), 2);
	passed_s = 29;
	sg_gate_tick(f->gate);
	assert_int_equal(holds(f), 2);
	assert_false(pump_one(&f->pump, 0));
	passed_s = 31;
	sg_gate_tick(f->gate);
	passed_s = 0;
	assert_verdict(wait_for(f, &a.admitted), SG_STREAM_NOT_LIVE);
	assert_verdict(wait_for(f, &b.admitted), SG_STREAM_NOT_LIVE);
	leave(&a);
	leave(&b);
	assert_int_equal(holds(f), 0);
	assert_int_equal(uses_of(f, m.id), 0);
	assert_int_equal(uses_of(f, other.id), 0);
	f->live = true; /* it comes after all: their tokens are good */
	sg_gate_reserved_is_live(f->gate, "live", "cam");
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	leave(&a);
	sg_gate_unreserve(f->gate, "live", "cam");
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(revoking_is_seen_after_the_clock_was_set_back),
	    cmocka_unit_test(who_waits_for_media_for_half_a_minute_is_refused_and_has_spent_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
