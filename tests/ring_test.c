/* The ring of a stream's last frames: what is kept, where readers stand, who is woken. */
#include "media_fixture.h"
#include "media/ring.h"

#define KEY SG_FRAME_KEY

static struct sg_ring *ring_of(size_t frames, size_t bytes)
{
	struct sg_ring *r;

	assert_int_equal(sg_ring_create(&r, frames, bytes), SG_OK);
	return r;
}

static void put(struct sg_ring *r, enum sg_frame_kind kind, unsigned flags, size_t size)
{
	sg_ring_write(r, numbered_frame(kind, flags, (uint32_t)sg_ring_head(r), size));
}

static void put_video(struct sg_ring *r, unsigned count, unsigned key_every)
{
	for (unsigned i = 0; i < count; i++)
		put(r, SG_FRAME_VIDEO, i % key_every ? 0 : KEY, 100);
}

/* One reading of at most `max` frames from `next`. */
struct reading {
	struct sg_frame *frames[64];
	struct sg_ring_read rd;
};

static void read_ring(struct sg_ring *r, struct reading *got, uint64_t next, size_t max, bool to_key)
{
	got->rd = (struct sg_ring_read){ .frames = got->frames, .max = max, .next = next };
	sg_ring_read(r, &got->rd, to_key);
}

static void drop_reading(struct reading *got)
{
	for (size_t i = 0; i < got->rd.count; i++)
		sg_frame_unref(got->frames[i]);
	got->rd.count = 0;
}

/* Reads, and claims which frames come: `count` of them from `first` on. */
static void assert_reads(struct sg_ring *r, uint64_t next, bool to_key, uint64_t first, size_t count,
    uint64_t skipped)
{
	struct reading got;

	read_ring(r, &got, next, COUNT(got.frames), to_key);
	assert_int_equal(got.rd.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(got.frames[i]->seq, first + i);
		assert_int_equal(number_of(got.frames[i]), first + i);
	}
	assert_int_equal(got.rd.next, first + count);
	assert_int_equal(got.rd.skipped, skipped);
	drop_reading(&got);
}

/* ---- what is kept ---- */

static void frames_are_numbered_from_nought(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);

	(void)state;
	assert_int_equal(sg_ring_head(r), 0);
	assert_reads(r, 0, false, 0, 0, 0);
	put_video(r, 3, 10);
	assert_int_equal(sg_ring_head(r), 3);
	assert_reads(r, 0, false, 0, 3, 0);
	assert_reads(r, 2, false, 2, 1, 0);
	assert_reads(r, 3, false, 3, 0, 0);
	sg_ring_unref(r);
}

static void a_reading_takes_no_more_than_asked_and_goes_on_from_there(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);
	struct reading got;

	(void)state;
	put_video(r, 5, 10);
	read_ring(r, &got, 1, 2, false);
	assert_int_equal(got.rd.count, 2);
	assert_int_equal(got.frames[1]->seq, 2);
	assert_int_equal(got.rd.next, 3);
	drop_reading(&got);
	read_ring(r, &got, 1, 0, false);
	assert_int_equal(got.rd.count, 0);
	assert_int_equal(got.rd.next, 1);
	sg_ring_unref(r);
}

static void the_oldest_frames_go_when_there_are_too_many(void **state)
{
	static const size_t limits[] = { 1, 2, 5, 8 }; /* also such as are no power of two */
	struct sg_ring_stats stats;

	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++) {
		struct sg_ring *r = ring_of(limits[i], 100000);
		put_video(r, 20, 1);
		sg_ring_stats(r, &stats);
		assert_int_equal(stats.frames, limits[i]);
		assert_int_equal(stats.bytes, limits[i] * 100);
		assert_int_equal(stats.written, 20);
		assert_reads(r, 20 - limits[i], false, 20 - limits[i], limits[i], 0);
		sg_ring_unref(r);
	}
}

static void the_oldest_frames_go_when_they_hold_too_many_bytes(void **state)
{
	struct sg_ring *r = ring_of(64, 1000);
	struct sg_ring_stats stats;

	(void)state;
	put_video(r, 10, 1);
	sg_ring_stats(r, &stats);
	assert_int_equal(stats.frames, 10); /* just full */
	put(r, SG_FRAME_VIDEO, 0, 4);
	sg_ring_stats(r, &stats);
	assert_int_equal(stats.frames, 10);
	assert_int_equal(stats.bytes, 904);
	put(r, SG_FRAME_VIDEO, KEY, 700);
	sg_ring_stats(r, &stats);
	assert_int_equal(stats.frames, 4); /* 100 + 100 + 4 + 700 */
	assert_int_equal(stats.bytes, 904);
	put(r, SG_FRAME_VIDEO, KEY, 5000); /* is kept alone rather than not at all */
	assert_reads(r, 12, false, 12, 1, 0);
	sg_ring_stats(r, &stats);
	assert_int_equal(stats.frames, 1);
	assert_int_equal(stats.bytes, 5000);
	sg_ring_unref(r);
}

static void a_frame_outlives_its_place_while_a_reader_holds_it(void **state)
{
	struct sg_ring *r = ring_of(2, 10000);
	struct reading got;

	(void)state;
	put_video(r, 1, 1);
	read_ring(r, &got, 0, 1, false);
	put_video(r, 5, 1);
	sg_ring_unref(r);
	assert_int_equal(number_of(got.frames[0]), 0);
	assert_int_equal(atomic_load(&got.frames[0]->refs), 1);
	drop_reading(&got);
}

static void clearing_drops_all_and_keeps_counting(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);
	struct sg_ring_stats stats;

	(void)state;
	put_video(r, 5, 2);
	sg_ring_clear(r);
	sg_ring_stats(r, &stats);
	assert_int_equal(stats.frames, 0);
	assert_int_equal(stats.bytes, 0);
	assert_int_equal(sg_ring_head(r), 5);
	assert_int_equal(sg_ring_start(r), 5); /* the keyframe that was is no place to start */
	assert_reads(r, 1, false, 5, 0, 4);
	put_video(r, 1, 1);
	assert_reads(r, 5, false, 5, 1, 0);
	sg_ring_unref(r);
}

/* ---- where a reader stands ---- */

static void one_that_fell_off_goes_on_at_the_newest_keyframe(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);

	(void)state;
	put_video(r, 20, 3); /* keys at 15 and 18; kept are 12 to 19 */
	assert_reads(r, 5, false, 18, 2, 13);
	assert_reads(r, 12, false, 12, 8, 0); /* still kept: nothing is passed over */
	sg_ring_unref(r);
}

static void one_that_fell_off_goes_on_at_the_head_where_no_keyframe_is_kept(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);
	struct sg_ring_stats stats;

	(void)state;
	put_video(r, 20, 100); /* the only key is gone */
	assert_reads(r, 5, false, 20, 0, 15);
	sg_ring_stats(r, &stats);
	assert_int_equal(stats.skipped, 15);
	sg_ring_unref(r);
}

/* Reads, and claims which frames come, each by its number. */
static void assert_reads_these(
    struct sg_ring *r, uint64_t next, bool to_key, size_t max, const uint64_t *want, size_t count, uint64_t then)
{
	struct reading got;

	read_ring(r, &got, next, max, to_key);
	assert_int_equal(got.rd.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(got.frames[i]->seq, want[i]);
	assert_int_equal(got.rd.next, then);
	drop_reading(&got);
}

/* 0 and 1 configure, 2 is a key; 3 to 5 configure anew, 6 goes with a picture to 7, the newest key; 8 is for a key
 * that has not come. */
static struct sg_ring *reconfigured(size_t frames)
{
	struct sg_ring *r = ring_of(frames, 100000);

	put(r, SG_FRAME_VIDEO, SG_FRAME_CONFIG, 10);
	put(r, SG_FRAME_AUDIO, SG_FRAME_CONFIG, 10);
	put(r, SG_FRAME_VIDEO, KEY, 10);
	put(r, SG_FRAME_AUDIO, SG_FRAME_CONFIG, 10);
	put(r, SG_FRAME_META, 0, 10);
	put(r, SG_FRAME_VIDEO, SG_FRAME_CONFIG, 10);
	put(r, SG_FRAME_AUDIO, 0, 10);
	put(r, SG_FRAME_VIDEO, KEY, 10);
	put(r, SG_FRAME_VIDEO, SG_FRAME_CONFIG, 10);
	put(r, SG_FRAME_VIDEO, 0, 10);
	return r;
}

static void one_that_skips_gets_the_configurations_that_it_missed(void **state)
{
	struct sg_ring *r = reconfigured(16);

	(void)state;
	assert_reads_these(r, 3, true, 64, (uint64_t[]){3, 4, 5, 7, 8, 9}, 6, 10);
	assert_reads_these(r, 4, true, 64, (uint64_t[]){4, 5, 7, 8, 9}, 5, 10);
	assert_reads_these(r, 6, true, 64, (uint64_t[]){7, 8, 9}, 3, 10);
	assert_reads_these(r, 3, true, 4, (uint64_t[]){3, 4, 5, 7}, 4, 8);
	assert_reads_these(r, 3, false, 2, (uint64_t[]){3, 4}, 2, 5);
	sg_ring_unref(r);
}

static void one_that_fell_off_gets_configurations_that_are_kept_no_longer(void **state)
{
	struct sg_ring *r = reconfigured(3);

	(void)state;
	assert_reads_these(r, 2, false, 64, (uint64_t[]){3, 4, 5, 7, 8, 9}, 6, 10);
	put(r, SG_FRAME_AUDIO, 0, 10); /* and the key has fallen off, too: on from the head, as it is there */
	assert_reads_these(r, 2, false, 64, (uint64_t[]){3, 4, 8}, 3, 11);
	sg_ring_unref(r);
}

static void one_that_stands_beyond_the_head_comes_back_to_it(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);

	(void)state;
	put_video(r, 3, 1);
	assert_reads(r, 100, false, 3, 0, 0);
	sg_ring_unref(r);
}

static void one_that_catches_up_jumps_forward_to_a_keyframe_and_never_back(void **state)
{
	struct sg_ring *r = ring_of(32, 10000);

	(void)state;
	put_video(r, 20, 6); /* keys at 0, 6, 12, 18 */
	assert_reads(r, 3, true, 18, 2, 15);
	assert_reads(r, 18, true, 18, 2, 0);
	assert_reads(r, 19, true, 19, 1, 0);
	sg_ring_unref(r);
}

static void one_that_catches_up_with_sound_alone_jumps_to_its_last_second(void **state)
{
	struct sg_ring *r = ring_of(32, 10000);

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		struct sg_frame *f = numbered_frame(SG_FRAME_AUDIO, 0, i, 10);
		if (i < 12)
			f->arrived_us -= 5000000;
		sg_ring_write(r, f);
	}
	assert_reads(r, 3, true, 12, 8, 9);
	assert_reads(r, 15, true, 15, 5, 0);
	sg_ring_unref(r);
}

static void a_new_reader_starts_at_the_newest_keyframe(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);

	(void)state;
	assert_int_equal(sg_ring_start(r), 0);
	put(r, SG_FRAME_AUDIO, 0, 20);
	put_video(r, 7, 3);
	put(r, SG_FRAME_AUDIO, 0, 20);
	assert_int_equal(sg_ring_start(r), 7);
	sg_ring_unref(r);
}

static void without_a_keyframe_a_new_reader_of_video_starts_at_the_head(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);

	(void)state;
	put_video(r, 10, 100);
	assert_int_equal(sg_ring_start(r), 10);
	sg_ring_unref(r);
}

static void audio_alone_starts_at_most_a_second_back(void **state)
{
	struct sg_ring *r = ring_of(64, 10000);
	int64_t now_us = sg_mono_us();

	(void)state;
	/* Twenty frames, a tenth of a second apart, the last one now. */
	for (uint32_t i = 0; i < 20; i++) {
		struct sg_frame *f = numbered_frame(SG_FRAME_AUDIO, 0, i, 20);
		f->arrived_us = now_us + 50000 - (19 - i) * 100000;
		sg_ring_write(r, f);
	}
	uint64_t start = sg_ring_start(r);
	if (sg_mono_us() - now_us < 50000) /* else the machine stood still meanwhile */
		assert_int_equal(start, 9);
	else
		assert_in_range(start, 9, 20);
	sg_ring_unref(r);
}

static void the_end_is_told_when_everything_has_been_read(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);
	struct reading got;

	(void)state;
	put_video(r, 4, 10);
	read_ring(r, &got, 0, 8, false);
	assert_false(got.rd.ended);
	drop_reading(&got);
	sg_ring_end(r);
	read_ring(r, &got, 1, 2, false);
	assert_int_equal(got.rd.count, 2);
	assert_false(got.rd.ended);
	drop_reading(&got);
	read_ring(r, &got, got.rd.next, 2, false);
	assert_int_equal(got.rd.count, 1);
	assert_true(got.rd.ended);
	drop_reading(&got);
	read_ring(r, &got, 4, 2, false);
	assert_int_equal(got.rd.count, 0);
	assert_true(got.rd.ended);
	sg_ring_unref(r);
}

static void nobody_need_be_given_a_ring_to_let_go_of(void **state)
{
	(void)state;
	sg_ring_unref(NULL);
	sg_frame_unref(NULL);
}

/* ---- waiters ---- */

struct waiter {
	struct sg_ring_waiter w;
	atomic_uint woken;
};

static void count_wake(struct sg_ring_waiter *w)
{
	atomic_fetch_add(&((struct waiter *)w)->woken, 1);
}

static void waiters_are_woken_by_each_write_and_by_the_end(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);
	struct waiter a = { .w.wake = count_wake }, b = { .w.wake = count_wake };

	(void)state;
	sg_ring_add_waiter(r, &a.w);
	put_video(r, 2, 1);
	sg_ring_add_waiter(r, &b.w);
	put_video(r, 1, 1);
	sg_ring_remove_waiter(r, &a.w);
	sg_ring_end(r);
	sg_ring_remove_waiter(r, &b.w);
	sg_ring_remove_waiter(r, &b.w); /* not there any more */
	put_video(r, 1, 1);
	assert_int_equal(a.woken, 3);
	assert_int_equal(b.woken, 2);
	sg_ring_unref(r);
}

static void waiters_are_woken_once_for_what_is_written_while_it_is_held(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);
	struct waiter a = { .w.wake = count_wake };

	(void)state;
	sg_ring_add_waiter(r, &a.w);
	sg_ring_hold(r);
	put_video(r, 1, 1);
	put_video(r, 1, 1);
	assert_int_equal(a.woken, 0);
	sg_ring_release(r);
	assert_int_equal(a.woken, 1);
	sg_ring_hold(r);
	sg_ring_release(r); /* nothing was written */
	sg_ring_release(r);
	assert_int_equal(a.woken, 1);
	put_video(r, 1, 1);
	assert_int_equal(a.woken, 2);
	sg_ring_hold(r);
	sg_ring_end(r); /* is told at once */
	assert_int_equal(a.woken, 3);
	sg_ring_remove_waiter(r, &a.w);
	sg_ring_unref(r);
}

static void the_first_waiter_to_look_says_when_it_is_due(void **state)
{
	struct sg_ring *r = ring_of(8, 10000);
	struct waiter a = { .w.wake = count_wake, .w.due_us = 500 }, b = { .w.wake = count_wake, .w.due_us = 300 };

	(void)state;
	assert_int_equal(sg_ring_due_us(r), INT64_MAX);
	sg_ring_add_waiter(r, &a.w);
	assert_int_equal(sg_ring_due_us(r), 500);
	sg_ring_add_waiter(r, &b.w);
	assert_int_equal(sg_ring_due_us(r), 300);
	atomic_store(&a.w.due_us, 0);
	assert_int_equal(sg_ring_due_us(r), 0);
	sg_ring_remove_waiter(r, &a.w);
	assert_int_equal(sg_ring_due_us(r), 300);
	sg_ring_remove_waiter(r, &b.w);
	sg_ring_unref(r);
}

struct slow_waiter {
	struct sg_ring_waiter w;
	struct sg_ring *r;
	sem_t entered, removing;
	atomic_bool left;
};

static void wake_slowly(struct sg_ring_waiter *w)
{
	struct slow_waiter *s = (struct slow_waiter *)w;

	sem_post(&s->entered);
	sem_wait(&s->removing);
	usleep(20000); /* time for a removal that would not wait */
	atomic_store(&s->left, true);
}

static void *write_one(void *arg)
{
	put_video(arg, 1, 1);
	return NULL;
}

static void removing_a_waiter_waits_for_a_wake_that_runs(void **state)
{
	struct slow_waiter s = { .w.wake = wake_slowly, .r = ring_of(8, 10000) };
	pthread_t writer;

	(void)state;
	sem_init(&s.entered, 0, 0);
	sem_init(&s.removing, 0, 0);
	sg_ring_add_waiter(s.r, &s.w);
	assert_int_equal(pthread_create(&writer, NULL, write_one, s.r), 0);
	await(&s.entered);
	sem_post(&s.removing);
	sg_ring_remove_waiter(s.r, &s.w);
	assert_true(atomic_load(&s.left));
	pthread_join(writer, NULL);
	sg_ring_unref(s.r);
}

/* ---- threads ---- */

#define MANY 20000
#define KEY_EVERY 10

struct reader {
	struct sg_ring_waiter w;
	struct sg_ring *r;
	pthread_t thread;
	sem_t woken;
	size_t max;
	uint64_t lag; /* lets the writer get so far ahead before it reads again */
	uint64_t seen, skipped;
	bool in_order;
};

static void wake_reader(struct sg_ring_waiter *w)
{
	sem_post(&((struct reader *)w)->woken);
}

static void look_at(struct reader *me, const struct reading *got, uint64_t before)
{
	uint64_t expected = before + got->rd.skipped;

	for (size_t i = 0; i < got->rd.count; i++) {
		const struct sg_frame *f = got->frames[i];
		if (f->seq != expected + i || number_of(f) != f->seq)
			me->in_order = false;
		if (i == 0 && got->rd.skipped && !(f->flags & KEY))
			me->in_order = false;
	}
}

static void *follow(void *arg)
{
	struct reader *me = arg;
	struct reading got;
	uint64_t next = 0;
	bool ended = false;

	while (!ended) {
		sem_wait(&me->woken);
		uint64_t head = sg_ring_head(me->r);
		if (head < MANY && head < next + me->lag)
			continue;
		size_t count;
		do {
			uint64_t before = next;
			read_ring(me->r, &got, next, me->max, false);
			look_at(me, &got, before);
			count = got.rd.count;
			me->seen += count;
			me->skipped += got.rd.skipped;
			next = got.rd.next;
			ended = got.rd.ended;
			drop_reading(&got);
		} while (count == me->max);
	}
	return NULL;
}

static void readers_on_threads_see_each_frame_once_in_order_or_go_on_at_a_key(void **state)
{
	static const struct {
		size_t max;
		uint64_t lag;
	} kinds[] = { { 64, 0 }, { 1, 0 }, { 7, 0 }, { 64, 1000 } };
	struct sg_ring *r = ring_of(64, 100000);
	struct reader readers[COUNT(kinds)];
	struct sg_ring_stats stats;
	uint64_t skipped = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		readers[i] = (struct reader){ .w.wake = wake_reader, .r = r, .max = kinds[i].max,
			.lag = kinds[i].lag, .in_order = true };
		sem_init(&readers[i].woken, 0, 0);
		sg_ring_add_waiter(r, &readers[i].w);
		assert_int_equal(pthread_create(&readers[i].thread, NULL, follow, &readers[i]), 0);
	}
	put_video(r, MANY, KEY_EVERY);
	sg_ring_end(r);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		pthread_join(readers[i].thread, NULL);
		sg_ring_remove_waiter(r, &readers[i].w);
		assert_true(readers[i].in_order);
		assert_int_equal(readers[i].seen + readers[i].skipped, MANY);
		skipped += readers[i].skipped;
	}
	assert_true(readers[3].skipped > 0);
	sg_ring_stats(r, &stats);
	assert_int_equal(stats.skipped, skipped);
	sg_ring_unref(r);
}

struct comer {
	struct sg_ring *r;
	pthread_t thread;
	atomic_bool *stop;
};

/* Listens with a waiter on its own stack, again and again. */
static void *come_and_go(void *arg)
{
	struct comer *c = arg;

	while (!atomic_load(c->stop)) {
		struct waiter w = { .w.wake = count_wake };
		sg_ring_add_waiter(c->r, &w.w);
		(void)sg_ring_start(c->r);
		sg_ring_remove_waiter(c->r, &w.w);
		memset(&w, 0xa5, sizeof(w)); /* a wake from now on would crash */
	}
	return NULL;
}

static void waiters_come_and_go_while_frames_are_written(void **state)
{
	struct sg_ring *r = ring_of(64, 100000);
	atomic_bool stop = false;
	struct comer comers[3];

	(void)state;
	for (size_t i = 0; i < COUNT(comers); i++) {
		comers[i] = (struct comer){ .r = r, .stop = &stop };
		assert_int_equal(pthread_create(&comers[i].thread, NULL, come_and_go, &comers[i]), 0);
	}
	put_video(r, MANY, KEY_EVERY);
	atomic_store(&stop, true);
	for (size_t i = 0; i < COUNT(comers); i++)
		pthread_join(comers[i].thread, NULL);
	assert_int_equal(sg_ring_head(r), MANY);
	sg_ring_unref(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_numbered_from_nought),
		cmocka_unit_test(a_reading_takes_no_more_than_asked_and_goes_on_from_there),
		cmocka_unit_test(the_oldest_frames_go_when_there_are_too_many),
		cmocka_unit_test(the_oldest_frames_go_when_they_hold_too_many_bytes),
		cmocka_unit_test(a_frame_outlives_its_place_while_a_reader_holds_it),
		cmocka_unit_test(clearing_drops_all_and_keeps_counting),
		cmocka_unit_test(one_that_fell_off_goes_on_at_the_newest_keyframe),
		cmocka_unit_test(one_that_fell_off_goes_on_at_the_head_where_no_keyframe_is_kept),
		cmocka_unit_test(one_that_skips_gets_the_configurations_that_it_missed),
		cmocka_unit_test(one_that_fell_off_gets_configurations_that_are_kept_no_longer),
		cmocka_unit_test(one_that_stands_beyond_the_head_comes_back_to_it),
		cmocka_unit_test(one_that_catches_up_jumps_forward_to_a_keyframe_and_never_back),
		cmocka_unit_test(one_that_catches_up_with_sound_alone_jumps_to_its_last_second),
		cmocka_unit_test(a_new_reader_starts_at_the_newest_keyframe),
		cmocka_unit_test(without_a_keyframe_a_new_reader_of_video_starts_at_the_head),
		cmocka_unit_test(audio_alone_starts_at_most_a_second_back),
		cmocka_unit_test(the_end_is_told_when_everything_has_been_read),
		cmocka_unit_test(nobody_need_be_given_a_ring_to_let_go_of),
		cmocka_unit_test(waiters_are_woken_by_each_write_and_by_the_end),
		cmocka_unit_test(waiters_are_woken_once_for_what_is_written_while_it_is_held),
		cmocka_unit_test(the_first_waiter_to_look_says_when_it_is_due),
		cmocka_unit_test(removing_a_waiter_waits_for_a_wake_that_runs),
		cmocka_unit_test(readers_on_threads_see_each_frame_once_in_order_or_go_on_at_a_key),
		cmocka_unit_test(waiters_come_and_go_while_frames_are_written),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
