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
	sg_gate_reserved_is_live(f->gate, "live", "cam");
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

/* ---- viewers who wait for a relay's media ---- */

static struct fixture *begin_silent(void)
{
	struct fixture *f = begin(ON);

	f->live = false;
	f->coming = true;
	assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	return f;
}

static size_t holds(struct fixture *f)
{
	struct sg_gate_stats stats;

	sg_gate_get_stats(f->gate, &stats);
	return stats.holds;
}

static void wait_held(struct fixture *f, size_t count)
{
	for (int i = 0; i < 3000 && holds(f) != count; i++)
		usleep(10000);
	assert_int_equal(holds(f), count);
	assert_false(pump_one(&f->pump, 0));
}

static void viewers_wait_until_media_comes(void **state)
{
	struct fixture *f = begin_silent();
	struct made t[2] = {make(f, "cam", SG_PLAY), make(f, "cam", SG_PLAY)};
	struct attempt a, b, late;

	(void)state;
	start(f, &a, SG_PLAY, "cam", t[0].text, "192.0.2.1", false);
	start(f, &b, SG_PLAY, "cam", t[1].text, "192.0.2.1", true);
	wait_held(f, 2);
	assert_verdict(admit(f, &late, SG_PLAY, "cam", t[0].text), SG_USED); /* it is held */
	leave(&late);
	sg_gate_reserved_is_live(f->gate, "live", "cam");
	assert_verdict(wait_for(f, &a.admitted), SG_ADMITTED);
	assert_verdict(wait_for(f, &b.admitted), SG_ADMITTED);
	assert_int_equal(uses_of(f, t[0].id), 0);
	assert_int_equal(uses_of(f, t[1].id), 1); /* at once */
	assert_verdict(commit(f, &a), SG_ADMITTED);
	leave(&a);
	leave(&b);
	sg_gate_unreserve(f->gate, "live", "cam");
	finish(f);
}

static void nothing_is_spent_when_none_comes(void **state)
{
	struct fixture *f = begin_silent();
	struct made t = make(f, "cam", SG_PLAY);
	struct attempt a;

	(void)state;
	for (int at_once = 0; at_once < 2; at_once++) {
		start(f, &a, SG_PLAY, "cam", t.text, "192.0.2.1", at_once);
		wait_held(f, 1);
		sg_gate_unreserve(f->gate, "live", "cam");
		assert_verdict(wait_for(f, &a.admitted), SG_STREAM_NOT_LIVE);
		leave(&a);
		assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	}
	sg_gate_unreserve(f->gate, "live", "cam");
	/* The relay has failed after it was asked. */
	assert_verdict(admit(f, &a, SG_PLAY, "cam", t.text), SG_STREAM_NOT_LIVE);
	leave(&a);
	assert_int_equal(uses_of(f, t.id), 0);
	finish(f);
}

static void who_waits_may_leave(void **state)
{
	struct fixture *f = begin_silent();
	struct made t = make(f, "cam", SG_PLAY);
	struct attempt a;

	(void)state;
	start(f, &a, SG_PLAY, "cam", t.text, "192.0.2.1", false);
	wait_held(f, 1);
	leave(&a);
	assert_int_equal(holds(f), 0);
	start(f, &a, SG_PLAY, "cam", t.text, "192.0.2.1", true); /* the token is free again */
	wait_held(f, 1);
	sg_gate_end_sessions(f->gate, &(struct sg_end_filter){.token_id = t.id}, SG_BYE_KICKED);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_KICKED);
	leave(&a);
	sg_gate_reserved_is_live(f->gate, "live", "cam");
	assert_false(pump_one(&f->pump, 0));
	assert_int_equal(uses_of(f, t.id), 0);
	sg_gate_unreserve(f->gate, "live", "cam");
	finish(f);
}

static void who_may_not_enter_starts_no_relay(void **state)
{
	struct fixture *f = begin(ON);
	struct made t = make(f, "cam", SG_PLAY), late = make_until(f, "cam", SG_PLAY, 1, 0, sg_wall_s() + 1);
	struct attempt a;

	(void)state;
	assert_verdict(enter(f, &a, SG_PLAY, t.text), SG_ADMITTED);
	leave(&a);
	f->live = false;
	f->coming = true;
	assert_true(sg_gate_reserve(f->gate, "live", "cam"));
	usleep(1100000);
	assert_verdict(admit(f, &a, SG_PLAY, "cam", t.text), SG_USED);
	leave(&a);
	assert_verdict(admit(f, &a, SG_PLAY, "cam", late.text), SG_EXPIRED);
	leave(&a);
	assert_int_equal(f->asked, 0);
	sg_gate_unreserve(f->gate, "live", "cam");
	finish(f);
}

static void a_recording_waits_for_nobody(void **state)
{
	struct fixture *f = begin_silent();
	struct made t = make(f, "cam", SG_PLAY);
	struct sg_request req = {.protocol = "mp4", .app = LIVE, .recording = SG_STR("cam.mp4"), .type = SG_PLAY,
	    .token = sg_str_from(t.text), .peer = addr("192.0.2.1")};
	struct attempt a = {.admitted = -1, .committed = -1, .kicked = -1};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, on_committed, on_kicked, &a};

	(void)state;
	a.s = sg_gate_admit(f->gate, &req, &client);
	assert_non_null(a.s);
	assert_verdict(wait_for(f, &a.admitted), SG_ADMITTED);
	leave(&a);
	sg_gate_unreserve(f->gate, "live", "cam");
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_publishes_what_is_reserved),
	    cmocka_unit_test(what_somebody_publishes_cannot_be_reserved),
	    cmocka_unit_test(a_use_that_may_be_resumed_is_kept_for_later),
	    cmocka_unit_test(elsewhere_is_another_place),
	    cmocka_unit_test(viewers_wait_until_media_comes),
	    cmocka_unit_test(nothing_is_spent_when_none_comes),
	    cmocka_unit_test(who_waits_may_leave),
	    cmocka_unit_test(who_may_not_enter_starts_no_relay),
	    cmocka_unit_test(a_recording_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
