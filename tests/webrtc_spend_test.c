/* When a use is spent over WebRTC, and when it must not be. */
#include "webrtc_people.h"
#include <sqlite3.h>

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

struct again {
	struct fixture *f;
	struct owner *former, *next;
	enum sg_token_type type;
	struct sg_str offer;
	const char *token;
};

/* As one message after the other has it done on a WebSocket's loop. */
static void stop_and_ask_again(void *user)
{
	struct again *a = user;

	sg_webrtc_close(a->former->peer, SG_BYE_CLOSED);
	a->next = owner_open(a->f, a->type, a->offer, a->token);
}

static struct owner *again(struct fixture *f, struct owner *former, enum sg_token_type type, struct sg_str offer,
    const char *token)
{
	struct again a = { f, former, NULL, type, offer, token };

	sg_loop_call(f->owner_loop, stop_and_ask_again, &a);
	free(former->sdp);
	free(former);
	assert_non_null(a.next->peer);
	if (!owner_wait(a.next, &a.next->described, 1))
		fail_msg("not described: %s", sg_reason_name(a.next->verdict));
	return a.next;
}

#define TIMES 100

/* What the former held is free for the next, however many loops there are. */
static void whoever_stops_may_ask_again_at_once(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	source_step(&s);
	viewer_open(&v, f);
	struct owner *o = join(f, &v, t.text);
	for (int i = 0; i < TIMES; i++)
		o = again(f, o, SG_PLAY, browser_offer(v.client), t.text);
	owner_close(f, o);
	browser_close(v.client, false);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

/* Nor is a stream taken by whoever has just left it. */
static void whoever_stops_publishing_may_begin_with_another_token_at_once(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct token t;
	struct camera c;
	struct owner *o = NULL;

	(void)state;
	for (int i = 0; i < 10; i++) {
		t = make_token(f, SG_PUBLISH);
		camera_open(&c, f);
		o = o ? again(f, o, SG_PUBLISH, browser_offer(c.client), t.text)
		      : owner_open(f, SG_PUBLISH, browser_offer(c.client), t.text);
		assert_true(owner_wait(o, &o->described, 1));
		assert_int_equal(browser_answer(c.client, sg_str_from(o->sdp)), SG_OK);
		int64_t until = sg_mono_ms() + WAIT_MS;
		while (!owner_get(o, &o->started) && sg_mono_ms() < until)
			camera_run(&c);
		assert_int_equal(owner_get(o, &o->started), 1);
		browser_close(c.client, false);
	}
	assert_int_equal(uses_of(f, &t), 1);
	owner_close(f, o);
	fixture_close(f);
}

static sqlite3 *lock_store(struct fixture *f)
{
	char path[100];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/t.db", f->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

/* Its use may be spent by then. */
static void whoever_waits_for_the_store_is_not_late(void **state)
{
	struct fixture *f = fixture_open_with(
	    ON, "127.0.0.1:0", (struct limits){ .max_peers = 10, .media_deadline_ms = 1000 });
	struct token t = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	source_step(&s);
	viewer_open(&v, f);
	struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), t.text);
	assert_true(owner_wait(o, &o->described, 1));
	sqlite3 *busy = lock_store(f);
	assert_int_equal(browser_answer(v.client, sg_str_from(o->sdp)), SG_OK);
	RUN_UNTIL(v.client, &s, v.connected);
	int64_t until = sg_mono_ms() + 1500;
	RUN_UNTIL(v.client, &s, sg_mono_ms() >= until);
	assert_int_equal(sqlite3_close(busy), SQLITE_OK);
	RUN_UNTIL(v.client, &s, v.pictures >= 10 || owner_get(o, &o->ended));
	assert_int_equal(owner_get(o, &o->ended), 0);
	assert_int_equal(uses_of(f, &t), 1);
	all_leave(f, &v, o, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_that_ends_before_a_viewer_is_there_costs_no_use),
		cmocka_unit_test(whoever_stops_may_ask_again_at_once),
		cmocka_unit_test(whoever_stops_publishing_may_begin_with_another_token_at_once),
		cmocka_unit_test(whoever_waits_for_the_store_is_not_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
