/* thin.c - a viewer whose line carries less than the stream.
 *
 * What is sent beyond what a line carries is lost anywhere, and every picture after it cannot be shown: nearly
 * nothing is seen, though nearly all is sent. So such a viewer has a budget, which what it loses tells. When that is
 * spent nothing more of the pictures is sent up to the next keyframe: each group of pictures is seen as far as the
 * line carries it, and then stands still. Sound always goes out. The budget grows until it binds no more.
 *
 * A line may also lose at random, whatever it is sent (radio does): there a budget would only take away more. So where
 * sending less did not help, that much loss counts as the line's own from then on. */
#include "webrtc/rtc_internal.h"

/* A quarter lost, twice; or its own estimate far below what it is sent while packets are being lost. */
#define HEAVY_LOSS 64 /* of 256 */
#define HEAVY_REPORTS 2
#define SOME_LOSS 12
#define TIGHTEN_MAX 3 /* times in a row, while it does not help */
#define GROWTH 8          /* by a part of so many, with each report of little loss */
#define FREE_MS 5000      /* that has not bound for so long is no limit any more */
#define LEAST_RATE 8000   /* bytes a second: a keyframe now and then */

/* What is lost because of what is sent. Reports differ: the line's own loss is an average, and some more. */
static uint8_t own_fault(struct rtc_thin *t, uint8_t lost)
{
	if (!t->floor)
		return lost;
	t->floor = (uint8_t)((t->floor * 3 + lost) / 4);
	return lost > t->floor + t->floor / 2 ? (uint8_t)(lost - t->floor) : 0;
}

static bool is_too_thin(struct rtc_thin *t, uint64_t bit_rate, uint64_t estimate, uint8_t lost)
{
	/* What has a limit keeps within it, and loses little. */
	if (t->rate)
		return lost >= SOME_LOSS;
	t->heavy_reports = lost >= HEAVY_LOSS ? t->heavy_reports + 1 : 0;
	return t->heavy_reports >= HEAVY_REPORTS ||
	       (estimate && estimate < bit_rate / 5 * 3 && lost >= SOME_LOSS);
}

/* Was less sent several times, and no less of it lost? */
static bool is_in_vain(const struct rtc_thin *t, uint8_t lost)
{
	return t->tightened >= TIGHTEN_MAX && lost >= t->lost_at_first / 2;
}

static void let_go(struct rtc_thin *t)
{
	t->rate = 0;
	t->heavy_reports = t->tightened = 0;
}

/* What came through of what was sent. */
static void tighten(struct rtc_thin *t, uint64_t bit_rate, uint8_t lost, int64_t now_ms)
{
	double sent = (double)bit_rate / 8;

	if (!t->tightened++)
		t->lost_at_first = lost;
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
	uint8_t excess = own_fault(t, lost);

	if (is_too_thin(t, bit_rate, estimate, excess)) {
		if (is_in_vain(t, excess)) {
			t->floor = lost;
			let_go(t);
			return false;
		}
		tighten(t, bit_rate, excess, now_ms);
		return true;
	}
	t->tightened = 0;
	t->rate += t->rate / GROWTH;
	if (t->rate > 0 && now_ms - t->bound_ms >= FREE_MS)
		let_go(t);
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
