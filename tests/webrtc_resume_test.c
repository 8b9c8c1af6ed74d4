/* R13 over WebRTC: whose connection broke may go on with the same use. */
#include "webrtc_people.h"

#define RESUME ON "resume_window = 60s\n"

/* What is sent to somebody is no sign that they are there. */
static void a_viewer_that_fell_silent_may_go_on(void **state)
{
	struct fixture *f = fixture_open(RESUME, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v, w;

	(void)state;
	struct owner *broken = begin_to_watch(f, &v, &s, t.text);
	RUN_UNTIL(v.client, &s, v.pictures >= 60);
	/* Its line is cut; the stream goes on. */
	for (int64_t until = sg_mono_ms() + 8000; sg_mono_ms() < until; usleep(5000))
		source_run(&s);
	assert_int_equal(owner_get(broken, &broken->ended), 0);
	viewer_open(&w, f);
	struct owner *o = join(f, &w, t.text);
	RUN_UNTIL(w.client, &s, w.pictures >= 10);
	assert_int_equal(owner_get(broken, &broken->ended), 1);
	assert_int_equal(broken->why, SG_BYE_RESUMED);
	assert_int_equal(uses_of(f, &t), 1);
	owner_close(f, broken);
	browser_close(v.client, false);
	all_leave(f, &w, o, &s);
}

static bool is_let_in(struct fixture *f, struct sg_str offer, enum sg_token_type type, const char *token)
{
	struct owner *o = owner_open(f, type, offer, token);
	bool in = owner_wait(o, &o->described, 1);

	owner_close(f, o);
	return in;
}

/* Whoever has the same token, behind the same address. */
static void nobody_takes_the_place_of_one_who_is_there(void **state)
{
	struct fixture *f = fixture_open(RESUME, "127.0.0.1:0", 10);
	struct token play = make_token(f, SG_PLAY), camera = make_token(f, SG_PUBLISH);
	struct camera c;
	struct viewer v, w;

	(void)state;
	camera_open(&c, f);
	struct owner *po = publish(f, &c, camera.text);
	while (!owner_get(po, &po->started))
		camera_run(&c);
	viewer_open(&v, f);
	struct owner *vo = join(f, &v, play.text);
	viewer_open(&w, f);
	int64_t until = sg_mono_ms() + 5000, next = 0;
	while (sg_mono_ms() < until) {
		camera_run(&c);
		client_step(v.client, NULL);
		if (!v.pictures || sg_mono_ms() < next)
			continue;
		next = sg_mono_ms() + 40;
		assert_false(is_let_in(f, browser_offer(w.client), SG_PLAY, play.text));
		assert_false(is_let_in(f, browser_offer(c.client), SG_PUBLISH, camera.text));
	}
	assert_false(v.ended || c.ended);
	browser_close(w.client, false);
	browser_close(v.client, true);
	browser_close(c.client, true);
	owner_close(f, vo);
	owner_close(f, po);
	fixture_close(f);
}

/* R4: it waits for what comes next. */
static void nor_of_one_who_waits_in_a_gap(void **state)
{
	struct fixture *f = fixture_open(RESUME, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v, w;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, t.text);
	viewer_open(&w, f);
	for (int64_t until = sg_mono_ms() + 3000; sg_mono_ms() < until;)
		client_step(v.client, NULL); /* it is there, and nothing is sent to it */
	assert_false(is_let_in(f, browser_offer(w.client), SG_PLAY, t.text));
	assert_false(v.ended);
	browser_close(w.client, false);
	all_leave(f, &v, o, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_viewer_that_fell_silent_may_go_on),
		cmocka_unit_test(nobody_takes_the_place_of_one_who_is_there),
		cmocka_unit_test(nor_of_one_who_waits_in_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
