/* When what a ring brings is written: at once, or gathered. */
#include "fanout_fixture.h"

static struct sg_fanout_stats fanout_stats(struct room *room)
{
	struct sg_fanout_stats s;

	settle(room);
	sg_fanout_stats(room->fo, &s);
	return s;
}

static void ungathered_each_frame_is_written_at_once(void **state)
{
	struct room room;
	struct viewer v = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RTMP, 0);
	for (size_t i = 1; i <= 50; i++) {
		write_video(&room, 1, 8, 100);
		assert_true(take(&v, i * (100 + 17))); /* chunk header 12, AVC's 5 */
	}
	struct sg_fanout_stats s = fanout_stats(&room);
	assert_int_equal(s.writes, 50);
	assert_int_equal(s.bytes, 50 * 117);
	assert_int_equal(s.followers, 1);
	assert_int_equal(s.skipped, 0);
	viewer_close(&v);
	room_close(&room);
}

/* A source's own pace. How long each frame took to a viewer who had everything before goes to delays_us. */
static void write_at_pace(struct room *room, unsigned count, unsigned ms, struct viewer *timed, size_t size,
    int64_t *delays_us)
{
	size_t before = timed ? atomic_load(&timed->got_len) : 0;

	for (unsigned i = 0; i < count; i++) {
		int64_t at_us = sg_mono_us();
		write_video(room, 1, 25, size);
		usleep(ms * 1000);
		if (delays_us)
			delays_us[i] = atomic_load(&timed->got_len) >= before + (i + 1) * size
					   ? atomic_load(timed->last_us) - at_us
					   : INT64_MAX;
	}
}

static void writes_are_gathered_for_as_long_as_was_asked(void **state)
{
	struct room room;
	struct viewer v = { 0 };

	(void)state;
	room_open(&room, 100, 256);
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	int64_t began_us = sg_mono_us();
	write_at_pace(&room, 30, 10, NULL, 100, NULL);
	assert_true(take(&v, 30 * 100)); /* nothing is left behind */
	int64_t took_us = sg_mono_us() - began_us;
	struct sg_fanout_stats s = fanout_stats(&room);
	assert_in_range(s.writes, 1, (uint64_t)(took_us / 100000 + 2));
	assert_int_equal(s.gather_us, 100000);
	viewer_close(&v);
	room_close(&room);
}

/* While writes are gathered the ring's writer need not hurry. It asks behind each write, when what it wrote may not
 * be flushed yet: then the next turn counts. */
static void what_is_gathered_is_not_due_before_it_is_written(void **state)
{
	struct room room;
	struct viewer v = { 0 };

	(void)state;
	room_open(&room, 400, 256);
	assert_int_equal(sg_ring_due_us(room.ring), INT64_MAX);
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	settle(&room);
	for (size_t i = 1; i <= 3; i++) {
		int64_t due_us = sg_ring_due_us(room.ring), left_us = due_us - sg_mono_us();
		assert_true(left_us <= 400000);
		if (left_us > 0)
			usleep((unsigned)left_us);
		write_video(&room, 1, 8, 100);
		assert_true(sg_ring_due_us(room.ring) >= due_us + 400000);
		assert_true(take(&v, i * 100));
	}
	viewer_close(&v);
	assert_int_equal(sg_ring_due_us(room.ring), INT64_MAX);
	room_close(&room);
}

static void what_is_written_at_once_is_always_due(void **state)
{
	struct room room;
	struct viewer v = { 0 };

	(void)state;
	room_open(&room, 0, 64);
	viewer_open(&room, &v, SG_FORM_RAW, 0);
	settle(&room);
	write_video(&room, 1, 8, 100);
	assert_true(take(&v, 100));
	settle(&room);
	assert_int_equal(sg_ring_due_us(room.ring), 0);
	viewer_close(&v);
	room_close(&room);
}

static void one_that_joins_ahead_of_a_gathered_write_gets_nothing_from_before(void **state)
{
	struct room room;
	struct viewer first = { 0 }, at_key = { 0 }, at_head = { 0 };

	(void)state;
	room_open(&room, 200, 64);
	viewer_open(&room, &first, SG_FORM_RAW, 0);
	write_video(&room, 1, 3, 100);
	assert_true(take(&first, 100));
	write_video(&room, 4, 3, 100); /* 1 to 4 wait; 3 is a key */
	at_key.cfg.cursor = sg_ring_start(room.ring);
	at_head.cfg.cursor = sg_ring_head(room.ring);
	viewer_open(&room, &at_key, SG_FORM_RAW, 0);
	viewer_open(&room, &at_head, SG_FORM_RAW, 0);
	assert_true(take(&first, 500));
	write_video(&room, 1, 3, 100);
	sg_ring_end(room.ring);
	await(&first.ended);
	await(&at_key.ended);
	await(&at_head.ended);
	assert_true(take(&at_key, 300));
	assert_true(take(&at_head, 100));
	assert_no_more(&at_key);
	assert_no_more(&at_head);
	assert_int_equal(at_key.got.p[3], 3);
	assert_int_equal(at_head.got.p[3], 5);
	viewer_close(&first);
	viewer_close(&at_key);
	viewer_close(&at_head);
	room_close(&room);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void many_followers_are_gathered_for_and_delayed_by_one_interval_at_most(void **state)
{
	enum { VIEWERS = 200, FRAMES = 200, SIZE = 64 };
	struct room room;
	struct viewer *v = calloc(VIEWERS, sizeof(*v)), timed = { 0 };
	atomic_llong last_us = 0;
	int64_t delays_us[25];

	(void)state;
	assert_non_null(v);
	room_open(&room, SG_GATHER_AUTO, 1024);
	timed.last_us = &last_us;
	viewer_open(&room, &timed, SG_FORM_RAW, 0);
	drain_on_thread(&timed);
	/* A single follower is not made to wait. */
	write_at_pace(&room, 25, 40, &timed, SIZE, delays_us);
	assert_int_equal(fanout_stats(&room).gather_us, 0);
	assert_in_range(fanout_stats(&room).writes, 20, 25);
	uint64_t before = fanout_stats(&room).writes;
	for (int i = 0; i < VIEWERS; i++) {
		v[i].cfg.cursor = sg_ring_head(room.ring);
		viewer_open(&room, &v[i], SG_FORM_RAW, 0);
	}
	int64_t began_us = sg_mono_us();
	write_at_pace(&room, FRAMES, 5, NULL, SIZE, NULL);
	int64_t took_us = sg_mono_us() - began_us;
	for (int i = 0; i < VIEWERS; i++)
		assert_true(take(&v[i], FRAMES * SIZE));
	struct sg_fanout_stats s = fanout_stats(&room);
	assert_int_equal(s.followers, VIEWERS + 1);
	assert_in_range(s.gather_us, 2000, 33000);
	/* About one write per follower and interval, far from one per frame. */
	assert_in_range(s.writes - before, VIEWERS, (VIEWERS + 1) * (uint64_t)(took_us / 20000 + 2));
	/* At 25 frames a second each is written when it comes, or an interval later at most. */
	await_bytes(&timed, (25 + FRAMES) * SIZE);
	write_at_pace(&room, 25, 60, &timed, SIZE, delays_us);
	qsort(delays_us, COUNT(delays_us), sizeof(delays_us[0]), by_value);
	assert_true(delays_us[COUNT(delays_us) / 2] < 60000);
	for (int i = 0; i < VIEWERS; i++)
		viewer_close(&v[i]);
	viewer_close(&timed);
	room_close(&room);
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ungathered_each_frame_is_written_at_once),
		cmocka_unit_test(writes_are_gathered_for_as_long_as_was_asked),
		cmocka_unit_test(what_is_gathered_is_not_due_before_it_is_written),
		cmocka_unit_test(what_is_written_at_once_is_always_due),
		cmocka_unit_test(one_that_joins_ahead_of_a_gathered_write_gets_nothing_from_before),
		cmocka_unit_test(many_followers_are_gathered_for_and_delayed_by_one_interval_at_most),
	};

	return cmocka_run_group_tests_name("fanout_gather", tests, NULL, NULL);
}
