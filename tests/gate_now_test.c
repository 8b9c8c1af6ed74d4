/* Admission decided where it is asked for: by a handshake that cannot wait. */
#include "gate_fixture.h"

static int admit_now(struct fixture *f, struct attempt *a, enum sg_token_type type, const char *token)
{
	struct sg_request req = {.protocol = "srt",
	    .app = LIVE,
	    .stream = CAM,
	    .type = type,
	    .token = sg_str_from(token),
	    .peer = addr("192.0.2.1")};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, on_committed, on_kicked, a};
	enum sg_reason verdict;

	*a = (struct attempt){.admitted = -1, .committed = -1, .kicked = -1};
	a->s = sg_gate_admit_now(f->gate, &req, &client, &verdict);
	assert_non_null(a->s);
	return (int)verdict;
}

static void a_verdict_comes_back_at_once_and_no_other_follows(void **state)
{
	struct fixture *f = begin(ON);
	struct made good = make(f, "cam", SG_PLAY), other = make(f, "other", SG_PLAY),
		    publish = make(f, "cam", SG_PUBLISH);
	const struct {
		const char *token;
		enum sg_reason want;
	} rows[] = {{NULL, SG_MISSING_TOKEN}, {"x", SG_UNKNOWN_TOKEN},
	    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SG_UNKNOWN_TOKEN}, {other.text, SG_WRONG_STREAM},
	    {publish.text, SG_WRONG_TYPE}, {good.text, SG_ADMITTED}};
	struct attempt a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_verdict(admit_now(f, &a, SG_PLAY, rows[i].token), rows[i].want);
		assert_false(pump_one(&f->pump, 0));
		assert_int_equal(a.admitted, -1);
		leave(&a);
	}
	f->live = false;
	assert_verdict(admit_now(f, &a, SG_PLAY, good.text), SG_STREAM_NOT_LIVE);
	leave(&a);
	assert_int_equal(uses_of(f, good.id), 0);
	finish(f);
}

static void it_holds_the_token_and_commits_like_any(void **state)
{
	struct fixture *f = begin(ON);
	struct made t = make(f, "cam", SG_PLAY);
	struct attempt a, b;

	(void)state;
	assert_verdict(admit_now(f, &a, SG_PLAY, t.text), SG_ADMITTED);
	assert_verdict(admit_now(f, &b, SG_PLAY, t.text), SG_USED);
	leave(&b);
	leave(&a); /* gave up: the token is free again */
	assert_verdict(admit_now(f, &a, SG_PLAY, t.text), SG_ADMITTED);
	assert_verdict(commit(f, &a), SG_ADMITTED);
	assert_int_equal(uses_of(f, t.id), 1);
	assert_verdict(admit_now(f, &b, SG_PLAY, t.text), SG_USED);
	leave(&b);
	leave(&a);
	finish(f);
}

static void where_a_commit_is_under_way_the_verdict_follows(void **state)
{
	struct fixture *f = begin(ON);
	struct attempt a, b;
	bool seen = false;

	(void)state;
	/* The second attempt must fall between the first one's commit and its end: tried until it does. */
	for (int i = 0; i < 200 && !seen; i++) {
		struct made t = make(f, "cam", SG_PLAY);
		assert_verdict(admit_now(f, &a, SG_PLAY, t.text), SG_ADMITTED);
		sg_gate_commit(a.s);
		int verdict = admit_now(f, &b, SG_PLAY, t.text);
		seen = verdict == SG_REASON_COUNT;
		if (seen)
			verdict = wait_for(f, &b.admitted);
		assert_verdict(verdict, SG_USED);
		assert_verdict(wait_for(f, &a.committed), SG_ADMITTED);
		assert_int_equal(uses_of(f, t.id), 1);
		leave(&b);
		leave(&a);
	}
	assert_true(seen);
	finish(f);
}

static void a_hanging_connection_goes_first(void **state)
{
	struct fixture *f = begin(ON "resume_window = 30s\n");
	struct made t = make(f, "cam", SG_PUBLISH);
	struct attempt a, b;

	(void)state;
	assert_verdict(admit_now(f, &a, SG_PUBLISH, t.text), SG_ADMITTED);
	assert_verdict(commit(f, &a), SG_ADMITTED);
	usleep(1100 * 1000); /* it carries nothing: it hangs */
	assert_int_equal(admit_now(f, &b, SG_PUBLISH, t.text), SG_REASON_COUNT);
	wait_for(f, &a.kicked);
	leave(&a);
	assert_verdict(wait_for(f, &b.admitted), SG_ADMITTED);
	assert_verdict(commit(f, &b), SG_ADMITTED);
	assert_int_equal(uses_of(f, t.id), 1);
	leave(&b);
	finish(f);
}

/* Threads that ask at once, as libsrt's would for several listeners. */
struct racer {
	struct fixture *f;
	const char *token;
	struct attempt a;
	int verdict;
	pthread_t thread;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	r->verdict = admit_now(r->f, &r->a, SG_PLAY, r->token);
	return NULL;
}

static void of_many_at_once_one_is_held(void **state)
{
	struct fixture *f = begin(ON);
	struct made t = make(f, "cam", SG_PLAY);
	struct racer racers[8];
	int held = 0;

	(void)state;
	for (int i = 0; i < 8; i++) {
		racers[i] = (struct racer){.f = f, .token = t.text};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(racers[i].thread, NULL);
		held += racers[i].verdict == SG_ADMITTED;
	}
	assert_int_equal(held, 1);
	for (int i = 0; i < 8; i++)
		leave(&racers[i].a);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_verdict_comes_back_at_once_and_no_other_follows),
	    cmocka_unit_test(it_holds_the_token_and_commits_like_any),
	    cmocka_unit_test(where_a_commit_is_under_way_the_verdict_follows),
	    cmocka_unit_test(a_hanging_connection_goes_first),
	    cmocka_unit_test(of_many_at_once_one_is_held),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
