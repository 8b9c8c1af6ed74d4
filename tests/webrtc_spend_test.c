/* When a use is spent over WebRTC, and when it must not be. */
#include "webrtc_people.h"

/* Nobody gets a token's use for a stream that ended while they were on their way to it. */
static void a_stream_that_ends_before_a_viewer_is_there_costs_no_use(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	source_step(&s);
	viewer_open(&v, f);
	struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), t.text);
	assert_true(owner_wait(o, &o->described, 1));
	sg_publisher_close(s.pub, true);
	sg_hub_end_all(f->hub);
	assert_int_equal(browser_answer(v.client, sg_str_from(o->sdp)), SG_OK);
	RUN_UNTIL(v.client, NULL, owner_get(o, &o->ended));
	assert_int_equal(o->verdict, SG_ADMITTED);
	assert_int_equal(o->why, SG_BYE_STREAM_ENDED);
	assert_int_equal(owner_get(o, &o->started), 0);
	assert_int_equal(uses_of(f, &t), 0);
	owner_close(f, o);
	browser_close(v.client, false);
	await_peers(f, 0);
	/* The publisher is back: the same token opens it. */
	s = source_open(f);
	o = begin_to_watch(f, &v, &s, t.text);
	assert_int_equal(uses_of(f, &t), 1);
	all_leave(f, &v, o, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_that_ends_before_a_viewer_is_there_costs_no_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
