/* A stream that a relay publishes, which is nobody's session. */
#include "gate_fixture.h"

static void nobody_publishes_what_is_reserved(void **state)
{
	struct fixture *f = begin(ON);
	struct made t = make(f, "cam", SG_PUBLISH), play = make(f, "cam", SG_PLAY);
	struct attempt a, viewer;

	(void)state;
	assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	assert_false(sg_gate_reserve(f->gate, "live", "cam"));
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", t.text), SG_ALREADY_PUBLISHING);
	leave(&a);
	assert_int_equal(uses_of(f, t.id), 0);
	assert_verdict(enter(f, &viewer, SG_PLAY, play.text), SG_ADMITTED);
	leave(&viewer); /* the last one there: it stays reserved */
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", t.text), SG_ALREADY_PUBLISHING);
	leave(&a);
	sg_gate_unreserve(f->gate, "live", "cam");
	assert_verdict(enter(f, &a, SG_PUBLISH, t.text), SG_ADMITTED);
	leave(&a);
	finish(f);
}

static void what_somebody_publishes_cannot_be_reserved(void **state)
{
	struct fixture *f = begin(ON);
	struct made t = make(f, "cam", SG_PUBLISH);
	struct attempt a;

	(void)state;
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", t.text), SG_ADMITTED);
	assert_false(sg_gate_reserve(f->gate, "live", "cam")); /* held: its media may come any moment */
	assert_true(sg_gate_reserve(f->gate, "live", "cam2"));
	sg_gate_unreserve(f->gate, "live", "cam2");
	leave(&a);
	assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	sg_gate_unreserve(f->gate, "live", "cam");
	finish(f);
}

static void a_use_that_may_be_resumed_is_kept_for_later(void **state)
{
	struct fixture *f = begin(ON);
	struct made t = make_until(f, "cam", SG_PUBLISH, 1, 30, sg_wall_s() + 3600);
	struct attempt a;

	(void)state;
	assert_verdict(enter(f, &a, SG_PUBLISH, t.text), SG_ADMITTED);
	sg_gate_end(a.s, SG_BYE_BROKEN);
	assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", t.text), SG_USED);
	leave(&a);
	sg_gate_unreserve(f->gate, "live", "cam");
	assert_verdict(enter(f, &a, SG_PUBLISH, t.text), SG_ADMITTED);
	leave(&a);
	assert_int_equal(uses_of(f, t.id), 1);
	finish(f);
}

/* Another server's streams are not ours: ours may be pulled from there. */
static void elsewhere_is_another_place(void **state)
{
	struct fixture *f = begin(ON);
	struct made t = make(f, "cam", SG_PUBLISH);
	struct sg_request req = {.protocol = "rtmp", .app = LIVE, .stream = CAM, .type = SG_PUBLISH,
	    .token = sg_str_from(t.text), .peer = addr("192.0.2.1"), .elsewhere = true};
	struct attempt a = {.admitted = -1, .committed = -1, .kicked = -1};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, on_committed, on_kicked, &a};

	(void)state;
	assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	a.s = sg_gate_admit(f->gate, &req, &client);
	assert_non_null(a.s);
	assert_verdict(wait_for(f, &a.admitted), SG_ADMITTED);
	sg_gate_unreserve(f->gate, "live", "cam");
	assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	sg_gate_unreserve(f->gate, "live", "cam");
	leave(&a);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_publishes_what_is_reserved),
	    cmocka_unit_test(what_somebody_publishes_cannot_be_reserved),
	    cmocka_unit_test(a_use_that_may_be_resumed_is_kept_for_later),
	    cmocka_unit_test(elsewhere_is_another_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
