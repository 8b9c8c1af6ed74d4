/* RTCP: packets of RFC 3550, 4585, 5104, REMB and transport-wide feedback; the sums of RFC 3550 appendix A. */
#include "media_fixture.h"
#include "webrtc/rtcp.h"

static struct sg_buf out;

static int begin(void **state)
{
	(void)state;
	sg_buf_init(&out, 1200);
	return 0;
}

static int end(void **state)
{
	(void)state;
	sg_buf_reset(&out);
	return 0;
}

static void assert_written(const void *want, size_t len)
{
	assert_false(out.failed);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.p, want, len);
}

static struct sg_rtcp_packet only(const void *p, size_t len)
{
	struct sg_reader r = { p, len };
	struct sg_rtcp_packet packet, more;

	assert_int_equal(sg_rtcp_next(&r, &packet), SG_OK);
	assert_int_equal(sg_rtcp_next(&r, &more), SG_NEED_MORE);
	return packet;
}

/* ---- reports ---- */

/* RFC 3550 6.4.1: a sender report with one block, then SDES and BYE: a compound packet. */
static const uint8_t compound[] = { 0x81, 200, 0, 12, 0, 0, 0, 7, /* SR from 7 */
	0xe1, 0x02, 0x03, 0x04, 0x80, 0, 0, 0,		       /* NTP */
	0, 0, 0x10, 0, 0, 0, 0, 5, 0, 0, 2, 0,		       /* RTP time, packets, octets */
	0, 0, 0, 9, 0x40, 0xff, 0xff, 0xfe, 0, 1, 0x12, 0x34, 0, 0, 0, 80, 0x03, 0x04, 0x80, 0, 0, 1, 0, 0, /* block */
	0x81, 202, 0, 3, 0, 0, 0, 7, 1, 2, 'a', 'b', 0, 0, 0, 0, /* SDES, CNAME "ab" */
	0x81, 203, 0, 1, 0, 0, 0, 7 };			       /* BYE */

static void a_compound_packet_is_read(void **state)
{
	struct sg_reader r = { compound, sizeof(compound) };
	struct sg_rtcp_packet p;
	struct sg_rtcp_block b;

	(void)state;
	assert_int_equal(sg_rtcp_next(&r, &p), SG_OK);
	assert_int_equal(p.type, SG_RTCP_SR);
	assert_int_equal(p.sender_ssrc, 7);
	assert_true(p.ntp == 0xe102030480000000);
	assert_int_equal(p.rtp_timestamp, 0x1000);
	assert_int_equal(p.packets, 5);
	assert_int_equal(p.octets, 512);
	assert_int_equal(p.count, 1);
	sg_rtcp_get_block(&p, 0, &b);
	assert_int_equal(b.ssrc, 9);
	assert_int_equal(b.fraction_lost, 64);
	assert_int_equal(b.lost, -2);
	assert_int_equal(b.highest_seq, 0x11234);
	assert_int_equal(b.jitter, 80);
	assert_int_equal(b.last_sr, 0x03048000);
	assert_int_equal(b.delay_since_sr, 0x10000);
	assert_int_equal(sg_rtcp_next(&r, &p), SG_OK);
	assert_int_equal(p.type, SG_RTCP_SDES);
	assert_int_equal(p.sender_ssrc, 7);
	assert_int_equal(sg_rtcp_next(&r, &p), SG_OK);
	assert_int_equal(p.type, SG_RTCP_BYE);
	assert_true(sg_rtcp_names(&p, 7));
	assert_false(sg_rtcp_names(&p, 8));
	assert_int_equal(sg_rtcp_next(&r, &p), SG_NEED_MORE);
}

static void the_same_is_written(void **state)
{
	const struct sg_rtcp_sender s = { .ssrc = 7, .rtp_timestamp = 0x1000, .packets = 5, .octets = 512,
		.ntp = 0xe102030480000000 };
	const struct sg_rtcp_block b = { 9, 64, -2, 0x11234, 80, 0x03048000, 0x10000 };

	(void)state;
	sg_rtcp_write_sr(&out, &s, &b, 1);
	sg_rtcp_write_sdes(&out, 7, "ab");
	sg_rtcp_write_bye(&out, 7);
	assert_written(compound, sizeof(compound));
}

static void a_receiver_report_may_be_empty(void **state)
{
	static const uint8_t want[] = { 0x80, 201, 0, 1, 0, 0, 0, 3 };

	(void)state;
	sg_rtcp_write_rr(&out, 3, NULL, 0);
	assert_written(want, sizeof(want));
	struct sg_rtcp_packet p = only(want, sizeof(want));
	assert_int_equal(p.type, SG_RTCP_RR);
	assert_int_equal(p.count, 0);
}

static void sdes_ends_at_a_word(void **state)
{
	(void)state;
	for (size_t len = 0; len < 9; len++) {
		out.len = 0;
		sg_rtcp_write_sdes(&out, 7, &"12345678"[8 - len]);
		assert_int_equal(out.len % 4, 0);
		assert_int_equal(out.p[out.len - 1], 0);
		assert_int_equal(only(out.p, out.len).type, SG_RTCP_SDES);
	}
}

static void hostile_lengths_are_refused(void **state)
{
	static const struct {
		const char *what;
		uint8_t p[16];
		size_t len;
	} bad[] = {
		{ "version 1", { 0x41, 201, 0, 1, 0, 0, 0, 1 }, 8 },
		{ "longer than the datagram", { 0x80, 201, 0, 2, 0, 0, 0, 1 }, 8 },
		{ "largest length", { 0x80, 201, 0xff, 0xff, 0, 0, 0, 1 }, 8 },
		{ "blocks that are not there", { 0x9f, 201, 0, 1, 0, 0, 0, 1 }, 8 },
		{ "SR without its numbers", { 0x80, 200, 0, 1, 0, 0, 0, 1 }, 8 },
		{ "BYE without its sources", { 0x82, 203, 0, 1, 0, 0, 0, 1 }, 8 },
		{ "padding of nothing", { 0xa0, 201, 0, 1, 0, 0, 0, 0 }, 8 },
		{ "padding of more than there is", { 0xa0, 201, 0, 1, 0, 0, 0, 9 }, 8 },
		{ "feedback without its source", { 0x81, 206, 0, 1, 0, 0, 0, 1 }, 8 },
		{ "REMB without its sources", { 0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B' }, 16 },
		{ "transport-wide without its head", { 0x8f, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1 }, 16 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct sg_reader r = { bad[i].p, bad[i].len };
		struct sg_rtcp_packet p;
		if (sg_rtcp_next(&r, &p) != SG_ERR_BAD_INPUT)
			fail_msg("%s was taken", bad[i].what);
	}
}

static void cut_anywhere_only_whole_packets_are_read(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(compound); len++) {
		uint8_t *copy = malloc(len + 1);
		struct sg_reader r = { copy, len };
		struct sg_rtcp_packet p;
		size_t read = 0;
		enum sg_result res;

		memcpy(copy, compound, len);
		while ((res = sg_rtcp_next(&r, &p)) == SG_OK)
			read = len - r.left;
		assert_int_equal(res, len == 0 || len == 52 || len == 68 ? SG_NEED_MORE : SG_ERR_BAD_INPUT);
		assert_int_equal(read, len >= 68 ? 68 : len >= 52 ? 52 : 0);
		free(copy);
	}
}

/* ---- feedback ---- */

static void nacks_are_packed_in_masks(void **state)
{
	/* RFC 4585 6.2.1. 65534, then 65535 and 14 (16 further on) in the mask; 15 begins anew. */
	static const uint16_t seqs[] = { 65534, 65535, 14, 15, 100 };
	static const uint8_t want[] = { 0x81, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe, 0x80, 0x01, 0, 15, 0, 0, 0, 100,
		0, 0 };
	uint16_t back[8];

	(void)state;
	sg_rtcp_write_nack(&out, 1, 2, seqs, COUNT(seqs));
	assert_written(want, sizeof(want));
	struct sg_rtcp_packet p = only(want, sizeof(want));
	assert_int_equal(p.type, SG_RTCP_NACK);
	assert_int_equal(p.sender_ssrc, 1);
	assert_int_equal(p.media_ssrc, 2);
	assert_int_equal(sg_rtcp_nack_seqs(&p, back, 8), COUNT(seqs));
	assert_memory_equal(back, seqs, sizeof(seqs));
	assert_int_equal(sg_rtcp_nack_seqs(&p, back, 2), 2);
}

static void keyframes_are_asked_for_in_both_ways(void **state)
{
	static const uint8_t pli[] = { 0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2 };
	static const uint8_t fir[] = { 0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 9, 0, 0, 0 };

	(void)state;
	sg_rtcp_write_pli(&out, 1, 2);
	assert_written(pli, sizeof(pli));
	struct sg_rtcp_packet p = only(pli, sizeof(pli));
	assert_int_equal(p.type, SG_RTCP_PLI);
	assert_int_equal(p.media_ssrc, 2);
	out.len = 0;
	sg_rtcp_write_fir(&out, 1, 2, 9);
	assert_written(fir, sizeof(fir));
	p = only(fir, sizeof(fir));
	assert_int_equal(p.type, SG_RTCP_FIR);
	assert_true(sg_rtcp_names(&p, 2));
	assert_int_equal(sg_rtcp_fir_number(&p, 2), 9);
	assert_int_equal(sg_rtcp_fir_number(&p, 3), -1);
}

static void remb_holds_any_rate(void **state)
{
	/* draft-alvestrand-rmcat-remb-03 2.2: exponent 4, mantissa 187500: 3 Mb/s. */
	static const uint8_t want[] = { 0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1, 4 << 2 | 2, 0xdc, 0x6c,
		0, 0, 0, 2 };
	const uint32_t ssrcs[] = { 2 };

	(void)state;
	sg_rtcp_write_remb(&out, 1, 3000000, ssrcs, 1);
	assert_written(want, sizeof(want));
	struct sg_rtcp_packet p = only(want, sizeof(want));
	assert_int_equal(p.type, SG_RTCP_REMB);
	assert_true(p.bit_rate == 3000000);
	assert_true(sg_rtcp_names(&p, 2));
	for (unsigned bit = 0; bit < 62; bit++) {
		out.len = 0;
		sg_rtcp_write_remb(&out, 1, 1ull << bit, ssrcs, 1);
		assert_true(only(out.p, out.len).bit_rate == 1ull << bit);
	}
	/* Another application's feedback is none of ours. */
	uint8_t other[sizeof(want)];
	memcpy(other, want, sizeof(want));
	other[12] = 'X';
	assert_int_equal(only(other, sizeof(other)).type, SG_RTCP_OTHER);
}

/* ---- transport-wide feedback ---- */

static struct sg_twcc twcc;
static struct sg_twcc_status statuses[2000];

static void a_feedback_of_every_kind_of_chunk_is_read(void **state)
{
	/* Base 5, 24 packets; a run of 2 small deltas, one vector of 1 bit, one of 2 bits (draft section 3.1). */
	static const uint8_t bytes[] = { 0x8f, 205, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 5, 0, 23, 0xff, 0xff, 0xfe, 7,
		0x20, 2, 0xa0, 0x01, 0xd8, 0x00, /* run; 10 0000 0000 0001; 01 10 00 ... */
		4, 8, 0, 1, 0xff, 0xff, 0xff, 4, 0, 0 };
	size_t count;

	(void)state;
	/* The 2-bit vector says: one small, one large; deltas: 4 8 | 0 1 | 255 (small), -1 (large). */
	struct sg_rtcp_packet p = only(bytes, sizeof(bytes));
	assert_int_equal(p.type, SG_RTCP_TRANSPORT_CC);
	assert_int_equal(sg_rtcp_twcc_parse(&p, statuses, COUNT(statuses), &count), SG_OK);
	assert_int_equal(count, 23);
	int64_t at = -2 * 64000;
	const struct {
		unsigned i;
		int delta;
	} want[] = { { 0, 4 }, { 1, 8 }, { 2, 0 }, { 15, 1 }, { 16, 255 }, { 17, -1 } };
	for (size_t i = 0; i < COUNT(want); i++) {
		at += want[i].delta * 250;
		assert_true(statuses[want[i].i].received);
		assert_int_equal(statuses[want[i].i].seq, 5 + want[i].i);
		assert_true(statuses[want[i].i].arrived_us == at);
	}
	assert_false(statuses[3].received);
	assert_false(statuses[18].received);
	for (size_t len = 20; len < sizeof(bytes) - 3; len++) { /* what is said must be there */
		p.body_size = len - 12;
		assert_int_equal(sg_rtcp_twcc_parse(&p, statuses, COUNT(statuses), &count), SG_ERR_BAD_INPUT);
		assert_int_equal(count, 0);
	}
}

/* Writes all there is, reads it, and marks what was said about whom. Answers how many packets that took. */
static int exchange(int64_t said[], size_t max)
{
	int n = 0;
	size_t count;

	for (out.len = 0; sg_twcc_write(&twcc, &out, 1, 2); out.len = 0, n++) {
		assert_true(out.len <= 1100);
		struct sg_rtcp_packet p = only(out.p, out.len);
		assert_int_equal(sg_rtcp_twcc_parse(&p, statuses, COUNT(statuses), &count), SG_OK);
		for (size_t i = 0; i < count; i++)
			if (statuses[i].seq < max)
				said[statuses[i].seq] = statuses[i].received ? statuses[i].arrived_us : -1;
	}
	assert_false(out.failed);
	return n;
}

static void what_arrived_is_told_and_what_did_not(void **state)
{
	int64_t said[40];

	(void)state;
	sg_twcc_init(&twcc);
	assert_false(sg_twcc_write(&twcc, &out, 1, 2));
	for (size_t i = 0; i < COUNT(said); i++)
		said[i] = -2;
	const int64_t base = 123 * 64000ll;
	for (uint16_t seq = 3; seq < 30; seq++)
		if (seq % 5)
			sg_twcc_arrived(&twcc, seq, base + seq * 1000);
	assert_int_equal(exchange(said, COUNT(said)), 1);
	for (size_t seq = 3; seq < 30; seq++)
		assert_true(said[seq] == (seq % 5 ? base + (int64_t)seq * 1000 : -1));
	assert_true(said[2] == -2 && said[30] == -2);
	assert_int_equal(exchange(said, COUNT(said)), 0); /* nothing new */
	/* 30 and 31 are lost between two feedbacks: the second one says so. */
	sg_twcc_arrived(&twcc, 32, base + 100000);
	assert_int_equal(exchange(said, COUNT(said)), 1);
	assert_true(said[30] == -1 && said[31] == -1 && said[32] == base + 100000);
	/* A late one is told again, as arrived. */
	sg_twcc_arrived(&twcc, 31, base + 101000);
	assert_int_equal(exchange(said, COUNT(said)), 1);
	assert_true(said[31] == base + 101000 && said[32] == base + 100000);
}

static void numbers_wrap_and_long_pauses_take_a_new_feedback(void **state)
{
	int64_t said[4] = { -2, -2, -2, -2 };

	(void)state;
	sg_twcc_init(&twcc);
	sg_twcc_arrived(&twcc, 65535, 64000);
	sg_twcc_arrived(&twcc, 0, 65000);
	sg_twcc_arrived(&twcc, 1, 65000 + 9000000); /* over what a delta holds */
	sg_twcc_arrived(&twcc, 2, 65000 + 8000000); /* a step back */
	assert_int_equal(exchange(said, 4), 2);
	assert_true(said[0] == 65000 && said[1] == 9065000 && said[2] == 8065000 && said[3] == -2);
}

static void many_packets_take_several_feedbacks(void **state)
{
	static int64_t said[1000];

	(void)state;
	sg_twcc_init(&twcc);
	for (uint16_t seq = 0; seq < 1000; seq++)
		sg_twcc_arrived(&twcc, seq, 1000000 + (seq % 3) * 100000); /* large deltas, both ways */
	assert_true(exchange(said, 1000) >= 3);
	for (size_t seq = 0; seq < 1000; seq++)
		assert_true(said[seq] == 1000000 + (int64_t)(seq % 3) * 100000);
	/* Beyond the window only the newest are told. */
	for (uint32_t seq = 1000; seq < 5000; seq++)
		sg_twcc_arrived(&twcc, (uint16_t)seq, 2000000);
	assert_true(exchange(said, 1000) >= 1);
	sg_twcc_arrived(&twcc, 30000, 3000000);
	assert_int_equal(exchange(said, 1000), 1);
}

/* ---- sums ---- */

static void loss_is_counted_over_a_wrap(void **state)
{
	struct sg_rtcp_source s;
	struct sg_rtcp_block b;

	(void)state;
	sg_rtcp_source_init(&s, 7, 90000);
	for (uint32_t n = 65530; n < 65530 + 100; n++)
		if (n % 4 || n == 65530)
			assert_true(sg_rtcp_source_packet(&s, (uint16_t)n, 0, 0));
	sg_rtcp_source_report(&s, 0, &b);
	assert_int_equal(b.ssrc, 7);
	assert_int_equal(b.highest_seq, 65629);
	assert_int_equal(b.lost, 25);
	assert_int_equal(b.fraction_lost, 64); /* a quarter of 256 */
	/* The next interval is by itself: without loss, with a duplicate that makes good for one. */
	for (uint32_t n = 65630; n < 65640; n++)
		assert_true(sg_rtcp_source_packet(&s, (uint16_t)n, 0, 0));
	sg_rtcp_source_packet(&s, (uint16_t)65639, 0, 0);
	sg_rtcp_source_report(&s, 0, &b);
	assert_int_equal(b.lost, 24);
	assert_int_equal(b.fraction_lost, 0);
	sg_rtcp_source_report(&s, 0, &b); /* nothing came */
	assert_int_equal(b.fraction_lost, 0);
}

static void a_source_that_begins_anew_is_believed_the_second_time(void **state)
{
	struct sg_rtcp_source s;

	(void)state;
	sg_rtcp_source_init(&s, 7, 90000);
	assert_true(sg_rtcp_source_packet(&s, 100, 0, 0));
	assert_false(sg_rtcp_source_packet(&s, 30000, 0, 0));
	assert_true(sg_rtcp_source_packet(&s, 101, 0, 0));
	assert_false(sg_rtcp_source_packet(&s, 40000, 0, 0));
	assert_true(sg_rtcp_source_packet(&s, 40001, 0, 0));
	assert_int_equal(sg_rtcp_source_highest(&s), 40001);
}

static void jitter_is_the_mean_deviation(void **state)
{
	struct sg_rtcp_source s;
	struct sg_rtcp_block b;

	(void)state;
	sg_rtcp_source_init(&s, 7, 8000);
	/* Every 20 ms, on time: none. The clock on the wall may be any. */
	for (int n = 0; n < 50; n++)
		sg_rtcp_source_packet(&s, (uint16_t)n, 0xffffff00u + (uint32_t)n * 160, 5000000000ll + n * 20000);
	sg_rtcp_source_report(&s, 0, &b);
	assert_int_equal(b.jitter, 0);
	/* Alternating 10 ms late and on time: deviations of 80 ticks, to which A.8 converges. */
	for (int n = 50; n < 250; n++)
		sg_rtcp_source_packet(
		    &s, (uint16_t)n, 0xffffff00u + (uint32_t)n * 160, 5000000000ll + n * 20000 + n % 2 * 10000);
	sg_rtcp_source_report(&s, 0, &b);
	assert_in_range(b.jitter, 78, 81);
}

static void the_round_trip_is_known_from_both_reports(void **state)
{
	/* RFC 3550 figure 2. */
	const struct sg_rtcp_block b = { .last_sr = 0xb705u << 16 | 0x2000, .delay_since_sr = 0x00054000 };
	const struct sg_rtcp_block none = { 0 }, early = { .last_sr = 0xb7100000, .delay_since_sr = 0 };
	struct sg_rtcp_source s;
	struct sg_rtcp_block r;

	(void)state;
	assert_true(sg_rtcp_round_trip_ms(&b, (0xb710ull << 32 | 0x8000ull << 16) - 0) > 6124.9);
	assert_true(sg_rtcp_round_trip_ms(&b, 0xb710ull << 32 | 0x8000ull << 16) < 6125.1);
	assert_true(sg_rtcp_round_trip_ms(&none, 1) < 0);
	assert_true(sg_rtcp_round_trip_ms(&early, 0xb70full << 32) == 0); /* clocks that were set */

	sg_rtcp_source_init(&s, 7, 90000);
	sg_rtcp_source_report(&s, 0, &r);
	assert_int_equal(r.last_sr, 0);
	sg_rtcp_source_sr(&s, 0x1122334455667788, 1000000);
	sg_rtcp_source_report(&s, 1500000, &r);
	assert_int_equal(r.last_sr, 0x33445566);
	assert_int_equal(r.delay_since_sr, 0x8000);
}

/* RFC 3611 sections 4.4 and 4.5: what a receiver asks, and what it is answered. */
static void a_receiver_learns_the_round_trip_from_an_extended_report(void **state)
{
	static const uint8_t asked[] = { 0x80, 207, 0, 4, 0, 0, 0, 9, 4, 0, 0, 2, 0xe0, 0, 0x80, 0, 0x40, 0, 0, 0 };
	/* Somebody else's block of another kind, an answer to somebody else, and the one to 9: it came 1/4 s ago. */
	static const uint8_t told[] = { 0x80, 207, 0, 11, 0, 0, 0, 7, 1, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 5, 0, 0, 6,
		0, 0, 0, 8, 1, 2, 3, 4, 0, 0, 0, 1, 0, 0, 0, 9, 0x80, 0, 0x40, 0, 0, 0, 0x40, 0 };
	struct sg_reader r = { asked, sizeof(asked) };
	struct sg_rtcp_packet p;
	struct sg_rtcp_block b;
	struct sg_buf said;

	(void)state;
	sg_buf_init(&said, 100);
	sg_rtcp_write_reference_time(&said, 9, 0xe000800040000000);
	assert_false(said.failed);
	assert_int_equal(said.len, sizeof(asked));
	assert_memory_equal(said.p, asked, sizeof(asked));
	assert_int_equal(sg_rtcp_next(&r, &p), SG_OK);
	assert_int_equal(p.type, SG_RTCP_XR);
	assert_int_equal(p.sender_ssrc, 9);
	assert_true(sg_rtcp_reference_time(&p) == 0xe000800040000000);
	assert_false(sg_rtcp_get_answer(&p, 9, &b));
	r = (struct sg_reader){ told, sizeof(told) };
	assert_int_equal(sg_rtcp_next(&r, &p), SG_OK);
	assert_true(sg_rtcp_reference_time(&p) == 0);
	assert_true(sg_rtcp_get_answer(&p, 9, &b));
	assert_int_equal(b.last_sr, 0x80004000);
	assert_int_equal(b.delay_since_sr, 0x4000);
	assert_false(sg_rtcp_get_answer(&p, 10, &b));
	/* Three quarters of a second after it was asked. */
	assert_true(sg_rtcp_get_answer(&p, 9, &b));
	assert_int_equal((int)sg_rtcp_round_trip_ms(&b, 0xe000800040000000 + (3ull << 30)), 500);
	/* A block that says it is longer than the packet is none. */
	uint8_t cut[sizeof(told)];
	memcpy(cut, told, sizeof(told));
	cut[23] = 7;
	r = (struct sg_reader){ cut, sizeof(cut) };
	assert_int_equal(sg_rtcp_next(&r, &p), SG_OK);
	assert_false(sg_rtcp_get_answer(&p, 9, &b));
	said.len = 0;
	sg_rtcp_write_answer(&said, 7, 9, 0xe000800040000000, 0x4000);
	r = (struct sg_reader){ said.p, said.len };
	assert_int_equal(sg_rtcp_next(&r, &p), SG_OK);
	assert_true(sg_rtcp_get_answer(&p, 9, &b) && b.last_sr == 0x80004000 && b.delay_since_sr == 0x4000);
	sg_buf_reset(&said);
}

static void wall_time_becomes_ntp(void **state)
{
	(void)state;
	assert_true(sg_ntp_from_unix_us(0) == 2208988800ull << 32);
	assert_true(sg_ntp_from_unix_us(1500000) == (2208988801ull << 32 | 0x80000000));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_compound_packet_is_read),
		TEST(the_same_is_written),
		TEST(a_receiver_report_may_be_empty),
		TEST(sdes_ends_at_a_word),
		TEST(hostile_lengths_are_refused),
		TEST(cut_anywhere_only_whole_packets_are_read),
		TEST(nacks_are_packed_in_masks),
		TEST(keyframes_are_asked_for_in_both_ways),
		TEST(remb_holds_any_rate),
		TEST(a_feedback_of_every_kind_of_chunk_is_read),
		TEST(what_arrived_is_told_and_what_did_not),
		TEST(numbers_wrap_and_long_pauses_take_a_new_feedback),
		TEST(many_packets_take_several_feedbacks),
		TEST(loss_is_counted_over_a_wrap),
		TEST(a_source_that_begins_anew_is_believed_the_second_time),
		TEST(jitter_is_the_mean_deviation),
		TEST(the_round_trip_is_known_from_both_reports),
		TEST(a_receiver_learns_the_round_trip_from_an_extended_report),
		TEST(wall_time_becomes_ntp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
