/* What sources do to a stream, and what every output makes of it. */
#include "torture_fixture.h"

/* ---- what sources do ---- */

static void nothing_special(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, BOTH, 10000, 0, 0);
	check(&w, 10000, 0, 1);
}

static void another_size(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, BOTH, 6000, 0, 0);
	configure(&w, &larger, BOTH);
	run(&w, &larger, BOTH, 4000, 0, 0);
	assert_int_equal(info_of(w.s).width, 480);
	check(&w, 10000, 1, 2);
}

static void sound_that_stops_and_comes_back(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, BOTH, 4000, 0, 0);
	run(&w, &source, VIDEO, 20000, 0, 0);
	check_sound(&w);
	run(&w, &source, BOTH, 4000, 0, 0);
	check(&w, 28000, 0, 1);
}

static void sound_that_is_announced_and_never_comes(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, VIDEO, 10000, 0, 0);
	assert_true(sg_hls_is_ready(w.s));
	check(&w, 10000, 0, 1);
}

static void sound_that_comes_back_with_a_clock_of_its_own(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, BOTH, 12000, HOUR_MS, HOUR_MS);
	run(&w, &source, VIDEO, 4000, HOUR_MS, HOUR_MS);
	run(&w, &source, BOTH, 8000, HOUR_MS, 0);
	check(&w, 24000, 0, 1);
}

static void both_clocks_jump(void **state)
{
	static const uint32_t to[] = { HOUR_MS, -HOUR_MS, 30000, -30000u, 1u << 31, 0x7fff0000 };

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 6000, 2 * HOUR_MS, 2 * HOUR_MS);
		run(&w, &source, BOTH, 6000, 2 * HOUR_MS + to[i], 2 * HOUR_MS + to[i]);
		check(&w, 12000, 0, 1);
	}
}

/* The one a second after the other: they are together again after that. */
static void the_clocks_jump_one_after_the_other(void **state)
{
	static const uint32_t to[] = { HOUR_MS, -HOUR_MS };

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 6000, 2 * HOUR_MS, 2 * HOUR_MS);
		run(&w, &source, BOTH, 1000, 2 * HOUR_MS + to[i], 2 * HOUR_MS);
		run(&w, &source, BOTH, 6000, 2 * HOUR_MS + to[i], 2 * HOUR_MS + to[i]);
		check(&w, 13000, 0, 1);
	}
}

static void tracks_whose_clocks_have_nothing_in_common(void **state)
{
	static const uint32_t off[] = { HOUR_MS, -HOUR_MS, 1u << 31 };

	(void)state;
	for (size_t i = 0; i < COUNT(off); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 12000, 2 * HOUR_MS, 2 * HOUR_MS + off[i]);
		check(&w, 12000, 0, 1);
	}
}

/* As an encoder or a multiplexer that keeps one of them back has it. */
static void sound_behind_the_pictures(void **state)
{
	static const uint32_t late_ms[] = { 800, 1300, 2500 };

	(void)state;
	for (size_t i = 0; i < COUNT(late_ms); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 12000, HOUR_MS, HOUR_MS - late_ms[i]);
		check_ring(&w, 12000, 12000 - late_ms[i], 3000);
		lower(&w);
	}
}

/* It is too far behind to be waited for, and not so far that its clock is not believed: there is no such distance. */
static void sound_that_falls_behind_is_heard(void **state)
{
	(void)state;
	for (uint32_t jump_ms = 2600; jump_ms <= 3200; jump_ms += 50) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 4000, HOUR_MS, HOUR_MS);
		run(&w, &source, BOTH, 20000, HOUR_MS + jump_ms, HOUR_MS);
		if (info_of(w.s).frames_dropped > 250)
			fail_msg("behind by %u ms %llu are left out", jump_ms, (unsigned long long)info_of(w.s).frames_dropped);
		lower(&w);
	}
}

/* More samples come than the source's own time has room for, or fewer: 1.6 % here, where a crystal is off by 0.01 %
 * and a stream goes on for days. */
static void sound_that_is_counted_by_another_clock(void **state)
{
	static const double lasts_ms[] = { 21, 21.7 };

	(void)state;
	for (size_t i = 0; i < COUNT(lasts_ms); i++) {
		struct show w = raise();
		double next_ms = 0;
		configure(&w, &source, BOTH);
		while (w.at_ms < 40000) {
			run(&w, &source, VIDEO, 200, 0, 0);
			for (; next_ms < w.at_ms; next_ms += lasts_ms[i])
				write_audio(w.pub, (uint32_t)next_ms);
		}
		check_ring(&w, 40000, 40000, 2500);
		check_sounds_end(&w, 40000);
		lower(&w);
	}
}

static void clocks_that_wrap(void **state)
{
	static const uint32_t from[] = { 0xffffffff - 3000, 0x7fffffff - 3000, 0xffffff - 3000 };

	(void)state;
	for (size_t i = 0; i < COUNT(from); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 8000, from[i], from[i]);
		check(&w, 8000, 0, 1);
	}
}

static void sound_seconds_before_the_first_picture(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, AUDIO, 4000, 0, 0);
	run(&w, &source, BOTH, 6000, 0, 0);
	check_ring(&w, 10000, 10000, 2500);
	check_ts(&w, 10000);
	check_hls(&w, 2.5, 0);
	check_sound(&w);
	lower(&w);
}

/* Decoding times that go back, in pairs and by half a second. */
static void decoding_times_that_go_back(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	for (uint32_t i = 0; i < 40; i++)
		run(&w, &source, BOTH, 200, 10000 + (i % 2 ? 0 : 500), 10000 + (i % 3 ? 0 : 300));
	check(&w, 8000, 0, 1);
}

static void a_source_that_stalls(void **state)
{
	static const int64_t rows[][2] = { { 8000, 8000 }, { 8000, 0 }, { 20000, 20000 }, { 0, 8000 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 6000, 0, 0);
		stall(&w, rows[i][0]);
		run(&w, &source, BOTH, 6000, (uint32_t)rows[i][1], (uint32_t)rows[i][1]);
		check_ring(&w, 12000 + rows[i][1], 12000 + rows[i][1], rows[i][1] + 2000);
		check_hls(&w, 2.5, rows[i][1] != 0);
		check_sound(&w);
		end_file(&w);
		assert_int_equal(w.files, 1);
		assert_in_range(w.recorded_ms, 11000 + rows[i][1], 13000 + rows[i][1]);
		lower(&w);
	}
}

static double now_s(void)
{
	return (double)(now_us - BEGIN_US) / 1e6;
}

static double period_end_s(const struct dash_period *p)
{
	const struct dash_track *t = &p->tracks[0];
	const struct dash_segment *last = &t->segments[t->count - 1];

	return dash_presented(p, t, last->t + last->d);
}

/* A player that goes by the clock on the wall stays where the media end, and goes on there; one that comes begins
 * near the end. */
static void a_publisher_that_goes_and_comes_back(void **state)
{
	static const int64_t gap_ms[] = { 1000, 6000, 20000, 29000 };

	(void)state;
	for (size_t i = 0; i < COUNT(gap_ms); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 6000, 0, 0);
		sg_publisher_close(w.pub, false);
		for (int64_t ms = 0; ms < gap_ms[i]; ms += 1000) {
			stall(&w, 1000);
			describe(&w);
			assert_int_equal(w.dash.count, 1);
			double end_s = period_end_s(w.dash.periods);
			assert_true(now_s() - w.dash.depth_s < end_s - 4 && now_s() - w.dash.delay_s < end_s + 1);
		}
		w.pub = publish(w.hub);
		configure(&w, &source, BOTH);
		while (w.dash.count == 1)
			run(&w, &source, BOTH, 200, 0, 0);
		assert_true(now_s() - w.dash.depth_s < period_end_s(&w.dash.periods[0]) - 4);
		double live_s = period_end_s(&w.dash.periods[1]) - (now_s() - w.dash.delay_s);
		if (live_s < 1 || live_s > 5)
			fail_msg("after %lld ms one begins %.1f s from the end", (long long)gap_ms[i], live_s);
		run(&w, &source, BOTH, 4000, 0, 0);
		check_hls(&w, 2.5, 1);
		check_sound(&w);
		lower(&w);
	}
}

static void a_publisher_that_comes_back_as_another(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, VIDEO);
	run(&w, &source, VIDEO, 3000, 0, 0);
	sg_publisher_close(w.pub, false);
	stall(&w, 2000);
	w.pub = publish(w.hub);
	configure(&w, &larger, BOTH);
	run(&w, &larger, BOTH, 6000, 0, 0);
	check_hls(&w, 2.5, 1);
	assert_int_equal(w.dash.periods[0].count, 1);
	lower(&w);
}

/* Each description is held against the former: what has been said stays, and there is no hole. */
static void publishers_with_pictures_or_sound_alone(void **state)
{
	static const int tracks[] = { VIDEO, AUDIO, BOTH, AUDIO, VIDEO, VIDEO, BOTH };
	struct show w = raise();

	(void)state;
	for (size_t i = 0; i < COUNT(tracks); i++) {
		configure(&w, &source, tracks[i]);
		run(&w, &source, tracks[i], 4400, 0, 0);
		assert_true(w.dash.count >= 2 || i == 0);
		assert_int_equal(w.dash.periods[w.dash.count - 1].id, i);
		for (size_t k = 0; k < w.dash.count; k++)
			for (size_t t = 0; t < w.dash.periods[k].count; t++)
				assert_true(w.dash.periods[k].tracks[t].bandwidth > 0);
		sg_publisher_close(w.pub, false);
		stall(&w, 3000);
		describe(&w);
		w.pub = publish(w.hub);
	}
	lower(&w);
}

/* Whoever comes first to its HLS sees nothing of it. */
static void a_source_that_stalled(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 2000, 0);
	pass_ms(20000);
	feed(pub, BOTH, 2000, 4000, 20000);
	(void)sg_hls_is_ready(s);
	feed(pub, BOTH, 1, SOURCE_MS, 24000);
	assert_has(text_of(s, "main.m3u8"), "#EXT-X-TARGETDURATION:2\n");
	assert_null(strstr(text_of(s, "main.m3u8"), "#EXT-X-DISCONTINUITY"));
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_special),
		cmocka_unit_test(another_size),
		cmocka_unit_test(sound_that_stops_and_comes_back),
		cmocka_unit_test(sound_that_is_announced_and_never_comes),
		cmocka_unit_test(sound_that_comes_back_with_a_clock_of_its_own),
		cmocka_unit_test(both_clocks_jump),
		cmocka_unit_test(the_clocks_jump_one_after_the_other),
		cmocka_unit_test(tracks_whose_clocks_have_nothing_in_common),
		cmocka_unit_test(sound_behind_the_pictures),
		cmocka_unit_test(sound_that_falls_behind_is_heard),
		cmocka_unit_test(sound_that_is_counted_by_another_clock),
		cmocka_unit_test(clocks_that_wrap),
		cmocka_unit_test(sound_seconds_before_the_first_picture),
		cmocka_unit_test(decoding_times_that_go_back),
		cmocka_unit_test(a_source_that_stalls),
		cmocka_unit_test(a_publisher_that_goes_and_comes_back),
		cmocka_unit_test(a_publisher_that_comes_back_as_another),
		cmocka_unit_test(publishers_with_pictures_or_sound_alone),
		cmocka_unit_test(a_source_that_stalled),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
