/* A viewer's budget: a line that carries less than the stream is found and kept to; one that loses at random is not
 * taken for such. Lines are made of arithmetic, a report a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "webrtc/rtc_internal.h"

#define BIT_RATE 2000000
#define FPS 30
#define GOP 60

struct line {
	double bytes_a_second; /* 0: as many as are sent */
	unsigned random_of_256;
};

struct outcome {
	unsigned pictures, reports_with_limit;
	uint8_t lost; /* in the last report */
};

static struct outcome run(const struct line *line, uint64_t estimate, int seconds)
{
	struct rtc_thin t = { 0 };
	struct outcome o = { 0 };
	bool skipping = false;
	int64_t ms = 1000;

	for (int s = 0; s < seconds; s++) {
		double sent = 0;
		for (int i = 0; i < FPS; i++, ms += 1000 / FPS) {
			bool key = (s * FPS + i) % GOP == 0;
			size_t size = BIT_RATE / 8 / FPS;
			skipping = skipping && !key;
			if (skipping || !rtc_thin_has_room(&t, key, ms)) {
				skipping = true;
				continue;
			}
			rtc_thin_spend(&t, size);
			sent += (double)size;
			o.pictures++;
		}
		double lost = line->random_of_256;
		if (line->bytes_a_second > 0 && sent > line->bytes_a_second)
			lost += 256 * (sent - line->bytes_a_second) / sent;
		o.lost = lost > 255 ? 255 : (uint8_t)lost;
		skipping |= rtc_thin_report(&t, BIT_RATE, estimate, o.lost, ms);
		o.reports_with_limit += t.rate > 0;
	}
	return o;
}

static void a_good_line_has_no_limit(void **state)
{
	struct outcome o = run(&(struct line){ 0 }, 0, 60);

	(void)state;
	assert_int_equal(o.pictures, 60 * FPS);
	assert_int_equal(o.reports_with_limit, 0);
}

static void a_thin_line_is_kept_to(void **state)
{
	struct outcome o = run(&(struct line){ .bytes_a_second = BIT_RATE / 8.0 / 4 }, 0, 60);

	(void)state;
	assert_in_range(o.pictures, 60 * FPS / 8, 60 * FPS / 3);
	assert_in_range(o.lost, 0, 64);
	assert_true(o.reports_with_limit > 50);
}

/* Told by its own estimate, which is as low as a browser's at its beginning. */
static void a_line_that_loses_at_random_is_not_starved(void **state)
{
	static const unsigned losses[] = { 8, 13, 26, 38, 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(losses) / sizeof(*losses); i++) {
		struct outcome o = run(&(struct line){ .random_of_256 = losses[i] }, 300000, 60);
		assert_true(o.pictures > 60 * FPS * 4 / 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_line_has_no_limit),
		cmocka_unit_test(a_thin_line_is_kept_to),
		cmocka_unit_test(a_line_that_loses_at_random_is_not_starved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
