/* thin.c - a viewer whose line carries less than the stream.
 *
 * What is sent beyond what a line carries is lost anywhere, and every picture after it cannot be shown: nearly
 * nothing is seen, though nearly all is sent. So such a viewer has a budget, which what it loses tells. When that is
 * spent nothing more of the pictures is sent up to the next keyframe: each group of pictures is seen as far as the
 * line carries it, and then stands still. Sound always goes out. The budget grows until it binds no more. */
#include "webrtc/rtc_internal.h"

/* A quarter lost, twice; or its own estimate far below what it is sent while packets are being lost. */
#define HEAVY_LOSS 64 /* of 256 */
#define HEAVY_REPORTS 2
#define SOME_LOSS 6
#define GROWTH 8          /* by a part of so many, with each report without loss */
#define FREE_MS 5000      /* that has not bound for so long is no limit any more */
#define LEAST_RATE 8000   /* bytes a second: a keyframe now and then */

static bool is_too_thin(struct rtc_thin *t, uint64_t bit_rate, uint64_t estimate, uint8_t lost)
{
	/* What has a limit keeps within it, and loses little. */
	if (t->rate)
		return lost >= 2 * SOME_LOSS;
	t->heavy_reports = lost >= HEAVY_LOSS ? t->heavy_reports + 1 : 0;
	return t->heavy_reports >= HEAVY_REPORTS ||
	       (estimate && estimate < bit_rate / 5 * 3 && lost >= SOME_LOSS);
}

/* What came through of what was sent. */
static void tighten(struct rtc_thin *t, uint64_t bit_rate, uint8_t lost, int64_t now_ms)
{
	double sent = (double)bit_rate / 8;

	if (!t->rate) {
		t->filled_ms = now_ms;
		t->room = 0;
	} else if (t->rate < sent) {
		sent = t->rate;
	}
	t->rate = sent * (256 - lost) / 256;
	if (t->rate < LEAST_RATE)
		t->rate = LEAST_RATE;
	t->heavy_reports = 0;
	t->bound_ms = now_ms;
}

bool rtc_thin_report(struct rtc_thin *t, uint64_t bit_rate, uint64_t estimate, uint8_t lost, int64_t now_ms)
{
	if (is_too_thin(t, bit_rate, estimate, lost)) {
		tighten(t, bit_rate, lost, now_ms);
		return true;
	}
	if (t->rate && lost < SOME_LOSS)
		t->rate += t->rate / GROWTH;
	if (t->rate && now_ms - t->bound_ms >= FREE_MS)
		t->rate = 0;
	return false;
}

bool rtc_thin_has_room(struct rtc_thin *t, bool key, int64_t now_ms)
{
	if (!t->rate)
		return true;
	t->room += t->rate * (double)(now_ms - t->filled_ms) / 1000;
	t->filled_ms = now_ms;
	if (t->room > t->rate / 2) /* what a queue on the way may hold */
		t->room = t->rate / 2;
	/* A keyframe may be larger than what has been saved up; but not one upon the other. */
	bool has = t->room > (key ? -t->rate / 2 : 0);
	if (!has)
		t->bound_ms = now_ms;
	return has;
}

void rtc_thin_spend(struct rtc_thin *t, size_t bytes)
{
	if (t->rate)
		t->room -= (double)bytes;
}
