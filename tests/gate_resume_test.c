/* R13: a use whose connection broke, and who may go on with it. */
#include "gate_fixture.h"

/* A publisher is in, whose token has one use and a window of `resume_s`. */
static struct fixture *begin_published(struct attempt *a, struct made *m, uint32_t resume_s)
{
	struct fixture *f = begin(ON);

	*m = make_until(f, "cam", SG_PUBLISH, 1, resume_s, sg_wall_s() + 3600);
	assert_verdict(enter(f, a, SG_PUBLISH, m->text), SG_ADMITTED);
	return f;
}

static void a_broken_publisher_may_go_on_with_its_use(void **state)
{
	struct attempt a, b;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 30);

	(void)state;
	sg_gate_end(a.s, SG_BYE_BROKEN);
	assert_verdict(admit_from(f, &b, SG_PUBLISH, "cam", m.text, "192.0.2.99"), SG_USED);
	leave(&b);
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 1);
	assert_verdict(admit(f, &b, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&b);
	leave(&a); /* a goodbye: nothing to come back to */
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&a);
	finish(f);
}

static void coming_back_after_the_window_is_too_late(void **state)
{
	struct attempt a;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 1);

	(void)state;
	sg_gate_end(a.s, SG_BYE_BROKEN);
	usleep(1100000);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&a);
	finish(f);
}

static void a_hanging_connection_makes_room_for_its_owner(void **state)
{
	struct attempt a, b;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 30);

	(void)state;
	/* Alive a moment ago: nobody takes its place. */
	assert_verdict(admit(f, &b, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&b);
	usleep(1200000);
	start(f, &b, SG_PUBLISH, "cam", m.text, "192.0.2.1", false);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_RESUMED);
	assert_int_equal(b.admitted, -1); /* never two at once */
	leave(&a);
	assert_verdict(wait_for(f, &b.admitted), SG_ADMITTED);
	assert_verdict(commit(f, &b), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 1);
	leave(&b);
	finish(f);
}

static void a_waiting_owner_may_give_up(void **state)
{
	struct attempt a, b;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 30);

	(void)state;
	usleep(1200000);
	start(f, &b, SG_PUBLISH, "cam", m.text, "192.0.2.1", false);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_RESUMED);
	leave(&b);
	leave(&a);
	assert_verdict(enter(f, &b, SG_PUBLISH, m.text), SG_ADMITTED); /* the use is kept for him */
	assert_int_equal(uses_of(f, m.id), 1);
	leave(&b);
	finish(f);
}

static void a_revoked_use_cannot_be_resumed(void **state)
{
	struct attempt a;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 30);
	size_t n;

	(void)state;
	sg_gate_end(a.s, SG_BYE_BROKEN);
	assert_int_equal(sg_store_token_revoke(f->store, m.id, false, sg_wall_s(), &n), SG_OK);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_REVOKED);
	leave(&a);
	finish(f);
}

static void one_who_waits_to_resume_is_shown_out_with_the_token(void **state)
{
	struct attempt a, b;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 30);
	struct sg_end_filter token = {.token_id = m.id};
	size_t n;

	(void)state;
	usleep(1200000);
	start(f, &b, SG_PUBLISH, "cam", m.text, "192.0.2.1", false);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_RESUMED);
	/* Its owner's connection is still closing. */
	assert_int_equal(sg_store_token_revoke(f->store, m.id, false, sg_wall_s(), &n), SG_OK);
	sg_gate_end_sessions(f->gate, &token, SG_BYE_REVOKED);
	leave(&a);
	while (b.admitted == -1 && b.kicked == -1)
		assert_true(pump_one(&f->pump, 30000));
	if (b.admitted == SG_ADMITTED)
		assert_verdict(commit(f, &b), SG_REVOKED);
	else if (b.admitted != -1)
		assert_verdict(b.admitted, SG_REVOKED);
	leave(&b);
	finish(f);
}

/* A poor line breaks again before its first media comes. */
static void a_use_is_not_lost_by_coming_back_in_vain(void **state)
{
	struct attempt a;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 30);

	(void)state;
	sg_gate_end(a.s, SG_BYE_BROKEN);
	for (int i = 0; i < 3; i++) {
		assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_ADMITTED);
		sg_gate_end(a.s, SG_BYE_BROKEN);
	}
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 1);
	leave(&a);
	finish(f);
}

static void coming_back_in_vain_gives_no_longer_window(void **state)
{
	struct attempt a;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 1);

	(void)state;
	sg_gate_end(a.s, SG_BYE_BROKEN);
	usleep(600000);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_ADMITTED);
	sg_gate_end(a.s, SG_BYE_BROKEN);
	usleep(600000);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&a);
	finish(f);
}

static void a_use_is_not_lost_while_somebody_else_publishes(void **state)
{
	struct attempt a, b;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 30);
	struct made other = make(f, "cam", SG_PUBLISH);

	(void)state;
	sg_gate_end(a.s, SG_BYE_BROKEN);
	assert_verdict(enter(f, &b, SG_PUBLISH, other.text), SG_ADMITTED);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_ALREADY_PUBLISHING);
	leave(&a);
	leave(&b);
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 1);
	leave(&a);
	finish(f);
}

static void a_revoked_use_is_not_kept_by_coming_back_in_vain(void **state)
{
	struct attempt a;
	struct made m;
	struct fixture *f = begin_published(&a, &m, 30);
	struct sg_end_filter token = {.token_id = m.id};
	size_t n;

	(void)state;
	sg_gate_end(a.s, SG_BYE_BROKEN);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_ADMITTED);
	assert_int_equal(sg_store_token_revoke(f->store, m.id, false, sg_wall_s(), &n), SG_OK);
	sg_gate_end_sessions(f->gate, &token, SG_BYE_REVOKED);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_REVOKED);
	sg_gate_end(a.s, SG_BYE_BROKEN);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_REVOKED);
	leave(&a);
	finish(f);
}

static void start_web(struct fixture *f, struct attempt *a, const char *token)
{
	struct sg_request req = {.protocol = "webrtc", .app = LIVE, .stream = CAM, .type = SG_PLAY,
	    .token = sg_str_from(token), .peer = addr("192.0.2.1")};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, on_committed, on_kicked, a};

	*a = (struct attempt){.admitted = -1, .committed = -1, .kicked = -1};
	a->s = sg_gate_admit(f->gate, &req, &client);
	assert_non_null(a->s);
}

/* Viewers behind one address, while their source is silent. */
static void while_uses_are_left_nobody_takes_a_viewers_place(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make_until(f, "cam", SG_PLAY, 2, 30, sg_wall_s() + 3600);
	struct attempt a, b, c;

	(void)state;
	start_web(f, &a, m.text);
	assert_verdict(wait_for(f, &a.admitted), SG_ADMITTED);
	assert_verdict(commit(f, &a), SG_ADMITTED);
	usleep(1200000);
	start_web(f, &b, m.text);
	assert_verdict(wait_for(f, &b.admitted), SG_ADMITTED);
	assert_verdict(commit(f, &b), SG_ADMITTED);
	assert_int_equal(a.kicked, -1);
	assert_int_equal(uses_of(f, m.id), 2);
	usleep(1200000);
	start_web(f, &c, m.text); /* none is left: one who hangs makes room */
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_RESUMED);
	leave(&a);
	assert_verdict(wait_for(f, &c.admitted), SG_ADMITTED);
	leave(&b);
	leave(&c);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_broken_publisher_may_go_on_with_its_use),
	    cmocka_unit_test(coming_back_after_the_window_is_too_late),
	    cmocka_unit_test(a_hanging_connection_makes_room_for_its_owner),
	    cmocka_unit_test(a_waiting_owner_may_give_up),
	    cmocka_unit_test(a_revoked_use_cannot_be_resumed),
	    cmocka_unit_test(one_who_waits_to_resume_is_shown_out_with_the_token),
	    cmocka_unit_test(a_use_is_not_lost_by_coming_back_in_vain),
	    cmocka_unit_test(coming_back_in_vain_gives_no_longer_window),
	    cmocka_unit_test(a_use_is_not_lost_while_somebody_else_publishes),
	    cmocka_unit_test(a_revoked_use_is_not_kept_by_coming_back_in_vain),
	    cmocka_unit_test(while_uses_are_left_nobody_takes_a_viewers_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
