/* WebRTC viewers who come before the publisher's picture, or its sound: soon, or much later. */
#include "webrtc_people.h"

#define SETTLED_MS 2000 /* of the server: for so long a publisher's second track is waited for */

/* A publisher that has nothing yet. */
static struct source source_open_bare(struct fixture *f)
{
	struct source s = { .f = f };

	assert_int_equal(sg_hub_publish(f->hub, SG_STR("live"), SG_STR("cam"), "test", &s.pub), SG_OK);
	s.next_ms = sg_mono_ms();
	return s;
}

/* What it has is what has been begun. */
static void run(struct source *s, bool pictures, bool sound_too)
{
	if (sg_mono_ms() < s->next_ms)
		return;
	s->next_ms += 33;
	unsigned n = s->pictures++;
	if (pictures)
		assert_int_equal(sg_publisher_write(s->pub, picture(n, n % KEY_EVERY == 0, PICTURE_BYTES)), SG_OK);
	for (; s->sounds * 1800 < s->pictures * 3000; s->sounds++)
		if (sound_too)
			assert_int_equal(sg_publisher_write(s->pub, sound(s->sounds)), SG_OK);
}

static void begin(struct source *s, enum sg_frame_kind kind)
{
	assert_int_equal(sg_publisher_write(s->pub, config_frame(kind)), SG_OK);
}

/* The next picture is a keyframe. */
static void begin_pictures(struct source *s)
{
	begin(s, SG_FRAME_VIDEO);
	s->pictures += KEY_EVERY - s->pictures % KEY_EVERY;
}

static void step(struct source *s, bool pictures, struct viewer *v)
{
	run(s, pictures, true);
	client_step(v->client, NULL);
}

#define UNTIL(step_, condition)                                                                    \
	do {                                                                                       \
		int64_t until_ = sg_mono_ms() + WAIT_MS;                                           \
		while (!(condition) && sg_mono_ms() < until_)                                      \
			step_;                                                                     \
		assert_true(condition);                                                            \
	} while (0)

static void rest(void)
{
	usleep(2000);
}

static void a_picture_that_comes_soon_is_waited_for(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open_bare(f);
	struct viewer v;

	(void)state;
	begin(&s, SG_FRAME_AUDIO);
	run(&s, false, true);
	viewer_open(&v, f);
	struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), NULL);
	/* It has been let in, and is not told anything. */
	UNTIL((run(&s, false, true), rest()), holds_of(f) == 1 && s.pictures >= 10);
	assert_int_equal(owner_get(o, &o->described), 0);
	begin_pictures(&s);
	UNTIL((run(&s, true, true), rest()), owner_get(o, &o->described));
	assert_int_equal(browser_answer(v.client, sg_str_from(o->sdp)), SG_OK);
	UNTIL(step(&s, true, &v), v.pictures >= 20 && v.sounds >= 20);
	assert_int_equal(v.gaps, 0);
	all_leave(f, &v, o, &s);
}

static void sound_that_comes_soon_is_waited_for(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open_bare(f);
	struct viewer v;

	(void)state;
	begin_pictures(&s);
	run(&s, true, false);
	viewer_open(&v, f);
	struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), NULL);
	UNTIL((run(&s, true, false), rest()), s.pictures >= KEY_EVERY + 10);
	assert_int_equal(owner_get(o, &o->described), 0);
	begin(&s, SG_FRAME_AUDIO);
	UNTIL((run(&s, true, true), rest()), owner_get(o, &o->described));
	assert_int_equal(browser_answer(v.client, sg_str_from(o->sdp)), SG_OK);
	UNTIL(step(&s, true, &v), v.pictures >= 20 && v.sounds >= 20);
	all_leave(f, &v, o, &s);
}

static void step_both(struct source *s, bool pictures, struct viewer v[2])
{
	step(s, pictures, &v[0]);
	client_step(v[1].client, NULL);
}

/* Who was offered to is offered the picture; who has made an offer ends, and makes the next. */
static void a_picture_that_comes_much_later_is_seen(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open_bare(f);
	struct viewer v[2], again;
	struct owner *o[2];

	(void)state;
	begin(&s, SG_FRAME_AUDIO);
	run(&s, false, true);
	int64_t begun_ms = sg_mono_ms();
	viewer_open(&v[0], f);
	viewer_open(&v[1], f);
	o[0] = owner_open(f, SG_PLAY, (struct sg_str){ 0 }, NULL);
	o[1] = owner_open(f, SG_PLAY, browser_offer(v[1].client), NULL);
	/* A stream without pictures is not waited for for ever. */
	for (int i = 0; i < 2; i++)
		UNTIL((run(&s, false, true), rest()), owner_get(o[i], &o[i]->described));
	int64_t waited_ms = sg_mono_ms() - begun_ms;
	print_message("described after %lld ms\n", (long long)waited_ms);
	assert_true(waited_ms >= SETTLED_MS - 500 && waited_ms < SETTLED_MS + WAIT_MS / 2);
	answer_offer(&v[0], o[0]);
	assert_int_equal(browser_answer(v[1].client, sg_str_from(o[1]->sdp)), SG_OK);
	UNTIL(step_both(&s, false, v), v[0].sounds >= 20 && v[1].sounds >= 20);
	begin_pictures(&s);
	UNTIL(step_both(&s, true, v), owner_get(o[0], &o[0]->offered) && v[1].ended);
	assert_false(owner_wait(o[1], &o[1]->described, 2));
	assert_int_equal(o[1]->why, SG_BYE_STREAM_ENDED);
	assert_string_equal(o[1]->detail, "the stream has got a picture, which has to be asked for anew");
	unsigned sounds = v[0].sounds;
	answer_offer(&v[0], o[0]);
	UNTIL(step(&s, true, &v[0]), v[0].pictures >= 20 && v[0].sounds >= sounds + 20);
	assert_int_equal(v[0].gaps, 0);
	assert_false(v[0].ended);
	/* And whoever comes back is described at once. */
	viewer_open(&again, f);
	struct owner *ao = join(f, &again, NULL);
	UNTIL(step(&s, true, &again), again.pictures >= 20 && again.sounds >= 20);
	browser_close(again.client, true);
	owner_close(f, ao);
	browser_close(v[1].client, true);
	owner_close(f, o[1]);
	all_leave(f, &v[0], o[0], &s);
}

/* An answer that does not come, or says no, costs the picture and not the sound. */
static void who_does_not_want_it_keeps_the_sound(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open_bare(f);
	struct viewer v;

	(void)state;
	begin(&s, SG_FRAME_AUDIO);
	run(&s, false, true);
	viewer_open(&v, f);
	struct owner *o = owner_open(f, SG_PLAY, (struct sg_str){ 0 }, NULL);
	UNTIL((run(&s, false, true), rest()), owner_get(o, &o->described));
	answer_offer(&v, o);
	UNTIL(step(&s, false, &v), v.sounds >= 5);
	begin_pictures(&s);
	UNTIL(step(&s, true, &v), owner_get(o, &o->offered));
	unsigned sounds = v.sounds;
	UNTIL(step(&s, true, &v), v.sounds >= sounds + 20);
	char *no = strstr(o->sdp, "m=video 9");
	assert_non_null(no);
	no[8] = '0';
	answer_offer(&v, o);
	sounds = v.sounds;
	UNTIL(step(&s, true, &v), v.sounds >= sounds + 20);
	assert_int_equal(v.pictures, 0);
	assert_int_equal(owner_get(o, &o->offered), 1);
	assert_false(v.ended);
	all_leave(f, &v, o, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_picture_that_comes_soon_is_waited_for),
		cmocka_unit_test(sound_that_comes_soon_is_waited_for),
		cmocka_unit_test(a_picture_that_comes_much_later_is_seen),
		cmocka_unit_test(who_does_not_want_it_keeps_the_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
