/* Packets in order: reordering, gaps, loss, asking again (RFC 4585), numbers that wrap (RFC 3550 A.1). */
#include "media_fixture.h"
#include "webrtc/rtp.h"

#define WAIT_MS 100

static struct sg_rtp_track *new_track(enum sg_codec codec)
{
	const struct sg_rtp_track_config cfg = { .codec = codec, .wait_ms = WAIT_MS, .nack = true,
		.max_packets = 64, .channels = 2 };
	struct sg_rtp_track *t = sg_rtp_track_new(&cfg);

	assert_non_null(t);
	return t;
}

/* An Opus packet that is its number. */
static void sound(struct sg_rtp_track *t, uint16_t seq, int64_t now_ms)
{
	uint8_t bytes[2] = { (uint8_t)(seq >> 8), (uint8_t)seq };
	const struct sg_rtp_packet p = { .seq = seq, .timestamp = seq * 960u, .payload = bytes, .size = 2 };

	sg_rtp_track_feed(t, &p, now_ms);
}

/* The number of the next packet that comes out, -1 none. */
static int heard(struct sg_rtp_track *t, int64_t now_ms)
{
	int64_t ticks;
	struct sg_frame *f;
	int n = -1;

	while ((f = sg_rtp_track_next(t, now_ms, &ticks)) && f->flags & SG_FRAME_CONFIG)
		sg_frame_unref(f);
	if (f)
		n = f->payload[0] << 8 | f->payload[1];
	sg_frame_unref(f);
	return n;
}

/* A VP8 packet: `part` of a picture, 'k' a keyframe's, 'p' another's. */
static void picture(struct sg_rtp_track *t, uint16_t seq, uint32_t timestamp, char what, bool begins, bool ends,
    int64_t now_ms)
{
	uint8_t bytes[3] = { begins ? 0x10 : 0, what == 'k' ? 0 : 1, (uint8_t)seq };
	const struct sg_rtp_packet p = { .seq = seq, .timestamp = timestamp, .marker = ends, .payload = bytes, .size = 3 };

	sg_rtp_track_feed(t, &p, now_ms);
}

/* 'k', 'p', or 0: nothing. *size: of the frame. */
static char seen(struct sg_rtp_track *t, int64_t now_ms, size_t *size)
{
	int64_t ticks;
	struct sg_frame *f = sg_rtp_track_next(t, now_ms, &ticks);
	char what = !f ? 0 : f->flags & SG_FRAME_KEY ? 'k' : 'p';

	*size = f ? f->size : 0;
	sg_frame_unref(f);
	return what;
}

static void packets_come_out_in_order(void **state)
{
	static const uint16_t order[] = { 65533, 65535, 0, 65534, 2, 1, 3 };
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
	int want = 65533, got;

	(void)state;
	for (size_t i = 0; i < COUNT(order); i++) {
		sound(t, order[i], 0);
		while ((got = heard(t, 0)) >= 0) {
			assert_int_equal(got, want & 0xffff);
			want++;
		}
	}
	assert_int_equal(want & 0xffff, 4);
	sg_rtp_track_free(t);
}

static void timestamps_are_unwrapped(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_VP8);
	const uint32_t at[] = { 0xfffff000, 0xfffffff0, 0x10, 0x1000 };
	int64_t ticks, first = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(at); i++) {
		picture(t, (uint16_t)i, at[i], 'k', true, true, 0);
		sg_frame_unref(sg_rtp_track_next(t, 0, &ticks));
		if (i == 0)
			first = ticks;
		assert_int_equal(ticks - first, (uint32_t)(at[i] - at[0]));
	}
	sg_rtp_track_free(t);
}

static void duplicates_and_late_ones_are_ignored(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
	struct sg_rtp_track_stats stats;

	(void)state;
	sound(t, 10, 0);
	assert_int_equal(heard(t, 0), 10);
	sound(t, 10, 0);
	sound(t, 12, 0);
	sound(t, 12, 0);
	assert_int_equal(heard(t, 0), -1);
	sound(t, 11, 0);
	assert_int_equal(heard(t, 0), 11);
	assert_int_equal(heard(t, 0), 12);
	assert_int_equal(heard(t, 0), -1);
	sg_rtp_track_stats(t, &stats);
	assert_int_equal(stats.duplicates, 1);
	assert_int_equal(stats.late, 1);
	assert_int_equal(stats.packets, 3);
	assert_int_equal(stats.lost, 0);
	sg_rtp_track_free(t);
}

/* Over a long way what is asked for again comes later than the time that a gap is given else. */
static void what_is_asked_for_has_the_time_that_its_way_takes(void **state)
{
	static const int rtts_ms[] = { 20, 2 * WAIT_MS, 400 };
	uint16_t seqs[4];

	(void)state;
	for (size_t i = 0; i < COUNT(rtts_ms); i++) {
		struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
		int rtt_ms = rtts_ms[i], asked = 0;
		sound(t, 1, 0);
		assert_int_equal(heard(t, 0), 1);
		sound(t, 3, 0);
		/* The first request is lost, the second one's answer comes. */
		for (int64_t now = 1; now < 10 + 2 * rtt_ms; now++) {
			asked += (int)sg_rtp_track_nacks(t, now, rtt_ms, seqs, COUNT(seqs));
			assert_true(sg_rtp_track_deadline(t) > now);
			assert_int_equal(heard(t, now), -1);
		}
		assert_int_equal(asked, 2);
		sound(t, 2, 10 + 2 * rtt_ms);
		assert_int_equal(heard(t, 10 + 2 * rtt_ms), 2);
		assert_int_equal(heard(t, 10 + 2 * rtt_ms), 3);
		sg_rtp_track_free(t);
	}
	/* But not for ever. */
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
	sound(t, 1, 0);
	assert_int_equal(heard(t, 0), 1);
	sound(t, 3, 0);
	sg_rtp_track_nacks(t, 10, 30000, seqs, COUNT(seqs));
	assert_int_equal(heard(t, 1000), 3);
	sg_rtp_track_free(t);
}

static void a_gap_is_waited_for_and_then_given_up(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
	struct sg_rtp_track_stats stats;

	(void)state;
	sound(t, 1, 0);
	assert_int_equal(heard(t, 0), 1);
	assert_true(sg_rtp_track_deadline(t) == INT64_MAX);
	sound(t, 4, 50);
	assert_int_equal(heard(t, 50), -1);
	assert_int_equal(heard(t, 50 + WAIT_MS - 1), -1);
	assert_int_equal(heard(t, 50 + WAIT_MS), 4);
	sg_rtp_track_stats(t, &stats);
	assert_int_equal(stats.lost, 2);
	sound(t, 3, 200); /* too late */
	assert_int_equal(heard(t, 200), -1);
	sg_rtp_track_free(t);
}

static void too_many_waiting_end_the_wait(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
	int n;

	(void)state;
	sound(t, 1, 0);
	assert_int_equal(heard(t, 0), 1);
	for (n = 3; n < 3 + 63; n++) {
		sound(t, (uint16_t)n, 0);
		assert_int_equal(heard(t, 0), -1);
	}
	sound(t, (uint16_t)n, 0);
	for (int want = 3; want <= n; want++)
		assert_int_equal(heard(t, 0), want);
	sg_rtp_track_free(t);
}

static void a_long_jump_forgets_what_was_kept(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
	struct sg_rtp_track_stats stats;

	(void)state;
	sound(t, 1, 0);
	assert_int_equal(heard(t, 0), 1);
	sound(t, 3, 0);
	sound(t, 3000, 0);
	assert_int_equal(heard(t, 0), 3000);
	sg_rtp_track_stats(t, &stats);
	assert_int_equal(stats.lost, 3000 - 2 - 1);
	assert_int_equal(stats.waiting, 0);
	sg_rtp_track_free(t);
}

static void a_stray_number_is_ignored_two_in_a_row_begin_anew(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);

	(void)state;
	sound(t, 1, 0);
	assert_int_equal(heard(t, 0), 1);
	sound(t, 40000, 0);
	assert_int_equal(heard(t, 0), -1);
	sound(t, 2, 0);
	assert_int_equal(heard(t, 0), 2);
	sound(t, 40000, 0);
	sound(t, 40001, 0);
	assert_int_equal(heard(t, 0), 40001);
	sg_rtp_track_free(t);
}

/* ---- pictures and loss ---- */

static void pictures_wait_for_the_first_keyframe(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_VP8);
	size_t size;

	(void)state;
	assert_true(sg_rtp_track_wants_key(t));
	picture(t, 1, 0, 'p', true, true, 0);
	assert_int_equal(seen(t, 0, &size), 0);
	assert_true(sg_rtp_track_wants_key(t));
	picture(t, 2, 3000, 'k', true, false, 0);
	assert_int_equal(seen(t, 0, &size), 0);
	picture(t, 3, 3000, 'k', false, true, 0);
	assert_int_equal(seen(t, 0, &size), 'k');
	assert_int_equal(size, 4);
	assert_false(sg_rtp_track_wants_key(t));
	sg_rtp_track_free(t);
}

static void a_new_timestamp_ends_a_picture_without_marker(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_VP8);
	size_t size;

	(void)state;
	picture(t, 1, 0, 'k', true, false, 0);
	assert_int_equal(seen(t, 0, &size), 0);
	picture(t, 2, 3000, 'p', true, true, 0);
	assert_int_equal(seen(t, 0, &size), 'k');
	assert_int_equal(seen(t, 0, &size), 'p');
	sg_rtp_track_free(t);
}

/* Whatever one packet is lost: only whole pictures come out, and after the loss a keyframe first. */
static void no_damaged_picture_comes_out(void **state)
{
	(void)state;
	for (unsigned lost = 0; lost < 12; lost++) {
		struct sg_rtp_track *t = new_track(SG_CODEC_VP8);
		size_t size, whole = 0;
		bool after_loss = false;

		for (unsigned n = 0; n < 21; n++) { /* three packets a picture, every third a keyframe */
			unsigned pic = n / 3;
			if (n == lost)
				continue;
			picture(t, (uint16_t)n, pic * 3000, pic % 3 == 0 ? 'k' : 'p', n % 3 == 0, n % 3 == 2, 0);
		}
		for (char what; (what = seen(t, WAIT_MS, &size));) {
			assert_int_equal(size, 6);
			if (whole == lost / 3 && !after_loss) {
				assert_int_equal(what, 'k');
				after_loss = true;
			}
			whole++;
		}
		/* What is before the loss, and from the next keyframe on. */
		unsigned next_key = lost / 9 * 3 + 3;
		assert_int_equal(whole, lost / 3 + (7 - next_key));
		assert_false(sg_rtp_track_wants_key(t));
		sg_rtp_track_free(t);
	}
}

static void an_h264_keyframe_without_its_beginning_is_not_shown(void **state)
{
	static const uint8_t sets[] = "\x78\x00\x0a\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\x88\x00\x04\x68\xce\x3c\x80";
	struct sg_rtp_track *t = new_track(SG_CODEC_H264);
	struct sg_rtp_packet p = { .payload = sets, .size = sizeof(sets) - 1 };
	int64_t ticks;
	struct sg_frame *f;

	(void)state;
	sg_rtp_track_feed(t, &p, 0);
	p.payload = (const uint8_t *)"\x65\x88\x84", p.size = 3, p.seq = 1, p.marker = true;
	sg_rtp_track_feed(t, &p, 0);
	for (int i = 0; i < 2; i++) {
		f = sg_rtp_track_next(t, 0, &ticks);
		assert_non_null(f);
		sg_frame_unref(f);
	}
	/* Sets (number 2) and the first slice (3) are lost; the second slice comes. */
	p.payload = (const uint8_t *)"\x65\x08\x84", p.seq = 4, p.timestamp = 3000;
	sg_rtp_track_feed(t, &p, 10);
	assert_null(sg_rtp_track_next(t, 10 + WAIT_MS, &ticks));
	assert_true(sg_rtp_track_wants_key(t));
	/* The sets are lost, the first slice comes: they might have been others. */
	p.payload = (const uint8_t *)"\x65\x88\x84", p.seq = 6, p.timestamp = 6000;
	sg_rtp_track_feed(t, &p, 20);
	assert_null(sg_rtp_track_next(t, 20 + WAIT_MS, &ticks));
	/* The next whole one is shown. */
	p.payload = sets, p.size = sizeof(sets) - 1, p.seq = 7, p.timestamp = 9000, p.marker = false;
	sg_rtp_track_feed(t, &p, 30);
	p.payload = (const uint8_t *)"\x65\x88\x84", p.size = 3, p.seq = 8, p.marker = true;
	sg_rtp_track_feed(t, &p, 30);
	f = sg_rtp_track_next(t, 30, &ticks);
	assert_non_null(f);
	assert_int_equal(f->flags, SG_FRAME_KEY);
	sg_frame_unref(f);
	sg_rtp_track_free(t);
}

static void packets_that_only_probe_belong_to_no_picture(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_VP8);
	const struct sg_rtp_packet probe = { .seq = 2, .timestamp = 0 };
	size_t size;

	(void)state;
	picture(t, 1, 0, 'k', true, true, 0);
	sg_rtp_track_feed(t, &probe, 0);
	picture(t, 3, 3000, 'p', true, true, 0);
	assert_int_equal(seen(t, 0, &size), 'k');
	assert_int_equal(seen(t, 0, &size), 'p');
	sg_rtp_track_free(t);
}

static void a_picture_over_the_limit_is_lost(void **state)
{
	const struct sg_rtp_track_config cfg = { .codec = SG_CODEC_VP8, .wait_ms = WAIT_MS, .max_frame_bytes = 5 };
	struct sg_rtp_track *t = sg_rtp_track_new(&cfg);
	struct sg_rtp_track_stats stats;
	size_t size;

	(void)state;
	picture(t, 1, 0, 'k', true, false, 0);
	picture(t, 2, 0, 'k', false, false, 0);
	picture(t, 3, 0, 'k', false, true, 0);
	picture(t, 4, 3000, 'k', true, true, 0);
	assert_int_equal(seen(t, 0, &size), 'k');
	assert_int_equal(size, 2);
	sg_rtp_track_stats(t, &stats);
	assert_int_equal(stats.frames_dropped, 1);
	sg_rtp_track_free(t);
}

/* ---- asking again ---- */

static void what_is_missing_is_asked_for_with_pauses(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
	uint16_t seqs[8];
	struct sg_rtp_track_stats stats;

	(void)state;
	sound(t, 65534, 0);
	sound(t, 1, 0); /* 65535 and 0 are missing */
	assert_int_equal(heard(t, 0), 65534);
	assert_int_equal(sg_rtp_track_nacks(t, 9, 40, seqs, 8), 0); /* perhaps only reordered */
	assert_int_equal(sg_rtp_track_deadline(t), 10);
	assert_int_equal(sg_rtp_track_nacks(t, 10, 40, seqs, 8), 2);
	assert_int_equal(seqs[0], 65535);
	assert_int_equal(seqs[1], 0);
	assert_int_equal(sg_rtp_track_deadline(t), 50);
	assert_int_equal(sg_rtp_track_nacks(t, 49, 40, seqs, 8), 0);
	assert_int_equal(sg_rtp_track_nacks(t, 50, 40, seqs, 1), 1); /* no more than asked for */
	assert_int_equal(sg_rtp_track_nacks(t, 50, 40, seqs, 8), 1);
	assert_int_equal(sg_rtp_track_nacks(t, 129, 40, seqs, 8), 0); /* twice the pause */
	sound(t, 65535, 60);
	assert_int_equal(heard(t, 60), 65535);
	assert_int_equal(sg_rtp_track_nacks(t, 130, 40, seqs, 8), 1);
	assert_int_equal(seqs[0], 0);
	sg_rtp_track_stats(t, &stats);
	assert_int_equal(stats.recovered, 1);
	assert_int_equal(stats.nacked, 5);
	sg_rtp_track_free(t);
}

static void asking_ends_after_ten_times(void **state)
{
	const struct sg_rtp_track_config cfg = { .codec = SG_CODEC_VP8, .wait_ms = 1000000, .nack = true };
	struct sg_rtp_track *t = sg_rtp_track_new(&cfg);
	uint16_t seqs[8];
	int asked = 0;

	(void)state;
	picture(t, 1, 0, 'k', true, false, 0);
	picture(t, 3, 0, 'k', false, true, 0);
	for (int64_t now = 0; now < 100000; now += 5) {
		asked += (int)sg_rtp_track_nacks(t, now, 20, seqs, 8);
		/* Who waits for the deadline is not woken for nothing: it lies ahead once asked. */
		assert_true(sg_rtp_track_deadline(t) > now);
	}
	assert_int_equal(asked, 10);
	sg_rtp_track_free(t);
}

static void who_does_not_want_nack_does_not_ask(void **state)
{
	const struct sg_rtp_track_config cfg = { .codec = SG_CODEC_OPUS, .wait_ms = WAIT_MS };
	struct sg_rtp_track *t = sg_rtp_track_new(&cfg);
	uint16_t seqs[8];

	(void)state;
	sound(t, 1, 0);
	sound(t, 3, 0);
	assert_int_equal(heard(t, 0), 1);
	assert_int_equal(sg_rtp_track_nacks(t, 50, 20, seqs, 8), 0);
	assert_int_equal(sg_rtp_track_deadline(t), WAIT_MS);
	sg_rtp_track_free(t);
}

/* Loss and disorder at random: what comes out is in order, whole, and nothing is kept for ever. */
static void random_disorder_is_put_right(void **state)
{
	uint32_t noise = 1;

	(void)state;
	for (int round = 0; round < 5; round++) {
		struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
		struct sg_rtp_track_stats stats;
		int last = -1, got, out = 0, sent = 0;

		uint16_t window[8];
		for (unsigned n = 0; n < 70000; n += 8) {
			for (unsigned i = 0; i < 8; i++)
				window[i] = (uint16_t)(n + i);
			for (unsigned i = 7; i; i--) {
				noise = noise * 1664525 + 1013904223;
				unsigned k = (noise >> 16) % (i + 1);
				uint16_t tmp = window[i];
				window[i] = window[k], window[k] = tmp;
			}
			for (unsigned i = 0; i < 8; i++) {
				noise = noise * 1664525 + 1013904223;
				if (n && noise >> 27 == 0)
					continue;
				sound(t, window[i], (int64_t)n);
				sent++;
				while ((got = heard(t, (int64_t)n)) >= 0) {
					assert_true(last < 0 || sg_rtp_seq_ahead((uint16_t)got, (uint16_t)last) > 0);
					last = got;
					out++;
				}
			}
		}
		while (heard(t, 1000000) >= 0)
			out++;
		sg_rtp_track_stats(t, &stats);
		assert_int_equal(stats.waiting, 0);
		assert_true(out + 8 >= sent); /* the first window may begin late */
		sg_rtp_track_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_out_in_order),
		cmocka_unit_test(timestamps_are_unwrapped),
		cmocka_unit_test(duplicates_and_late_ones_are_ignored),
		cmocka_unit_test(a_gap_is_waited_for_and_then_given_up),
		cmocka_unit_test(what_is_asked_for_has_the_time_that_its_way_takes),
		cmocka_unit_test(too_many_waiting_end_the_wait),
		cmocka_unit_test(a_long_jump_forgets_what_was_kept),
		cmocka_unit_test(a_stray_number_is_ignored_two_in_a_row_begin_anew),
		cmocka_unit_test(pictures_wait_for_the_first_keyframe),
		cmocka_unit_test(a_new_timestamp_ends_a_picture_without_marker),
		cmocka_unit_test(no_damaged_picture_comes_out),
		cmocka_unit_test(an_h264_keyframe_without_its_beginning_is_not_shown),
		cmocka_unit_test(packets_that_only_probe_belong_to_no_picture),
		cmocka_unit_test(a_picture_over_the_limit_is_lost),
		cmocka_unit_test(what_is_missing_is_asked_for_with_pauses),
		cmocka_unit_test(asking_ends_after_ten_times),
		cmocka_unit_test(who_does_not_want_nack_does_not_ask),
		cmocka_unit_test(random_disorder_is_put_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
