/* RTP's header (RFC 3550 section 5.1), its extensions (RFC 8285), and tracks on one timeline. */
#include "media_fixture.h"
#include "webrtc/rtp.h"

static const struct sg_rtp_extmap ids = { .mid = 4, .transport_cc = 3, .abs_send_time = 2, .audio_level = 1 };

/* Two contributing sources, a one-byte extension block (RFC 8285 section 4.2) and three bytes of padding. */
static const uint8_t whole[] = { 0xb2, 0xe0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04, /* fixed */
	0, 0, 0, 1, 0, 0, 0, 2,						     /* CSRC */
	0xbe, 0xde, 0, 4,						     /* four words */
	0x10, 0x85, 0x22, 0x0a, 0x0b, 0x0c, 0, 0x31, 0xab, 0xcd, 0x40, 'v', 0, 0, 0, 0, /* elements, padding between */
	'm', 'e', 'd', 'i', 'a', 0, 0, 3 };

static void a_whole_packet_is_read(void **state)
{
	struct sg_rtp_packet p;

	(void)state;
	assert_int_equal(sg_rtp_parse(&p, whole, sizeof(whole), &ids), SG_OK);
	assert_true(p.marker);
	assert_int_equal(p.payload_type, 96);
	assert_int_equal(p.seq, 0x1234);
	assert_int_equal(p.timestamp, 0xdeadbeef);
	assert_int_equal(p.ssrc, 0x01020304);
	assert_true(p.has_audio_level && p.audio_level == 5);
	assert_true(p.has_abs_send_time && p.abs_send_time == 0x0a0b0c);
	assert_true(p.has_transport_cc && p.transport_cc == 0xabcd);
	assert_true(sg_str_is(p.mid, "v"));
	assert_int_equal(p.size, 5);
	assert_memory_equal(p.payload, "media", 5);
}

static void extensions_nobody_agreed_to_are_not_read(void **state)
{
	struct sg_rtp_packet p;

	(void)state;
	assert_int_equal(sg_rtp_parse(&p, whole, sizeof(whole), NULL), SG_OK);
	assert_false(p.has_audio_level || p.has_transport_cc || p.mid.p);
	const struct sg_rtp_extmap other = { .transport_cc = 9 };
	assert_int_equal(sg_rtp_parse(&p, whole, sizeof(whole), &other), SG_OK);
	assert_false(p.has_audio_level || p.has_transport_cc || p.mid.p);
}

static void the_two_byte_form_is_read(void **state)
{
	/* RFC 8285 section 4.3: an element of no length, a long one, padding. */
	static const uint8_t bytes[] = { 0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0x10, 0x05, 0, 5, 9, 0, 3, 2, 0x12, 0x34,
		20, 8, 'v', 'i', 'd', 'e', 'o', 'm', 'i', 'd', 0, 0, 0, 0, 'x' };
	const struct sg_rtp_extmap two = { .mid = 20, .transport_cc = 3 };
	struct sg_rtp_packet p;

	(void)state;
	assert_int_equal(sg_rtp_parse(&p, bytes, sizeof(bytes), &two), SG_OK);
	assert_true(p.has_transport_cc && p.transport_cc == 0x1234);
	assert_true(sg_str_is(p.mid, "videomid"));
	assert_int_equal(p.size, 1);
}

static void an_extension_block_may_end_anywhere(void **state)
{
	/* ID 15 ends the reading; an element that runs over the end of its block is not read. */
	static const uint8_t stop[] = { 0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0xf0, 0x31, 1, 2 };
	static const uint8_t over[] = { 0x90, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0, 0, 0x31, 1, 'x' };
	struct sg_rtp_packet p;

	(void)state;
	assert_int_equal(sg_rtp_parse(&p, stop, sizeof(stop), &ids), SG_OK);
	assert_false(p.has_transport_cc);
	assert_int_equal(sg_rtp_parse(&p, over, sizeof(over), &ids), SG_OK);
	assert_false(p.has_transport_cc);
	assert_int_equal(p.size, 1);
}

static void a_packet_cut_anywhere_is_refused_or_shorter(void **state)
{
	struct sg_rtp_packet p;

	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		uint8_t *copy = malloc(len + 1);
		memcpy(copy, whole, len);
		enum sg_result res = sg_rtp_parse(&p, copy, len, &ids);
		/* Header, sources and extensions must be there; then the last byte there is counts the padding. */
		assert_true(len >= 40 || res == SG_ERR_BAD_INPUT);
		if (res == SG_OK)
			assert_true(p.size <= len - 40);
		free(copy);
	}
}

static void what_is_not_rtp_is_refused(void **state)
{
	struct sg_rtp_packet p;
	uint8_t bytes[13] = { 0x80 };

	(void)state;
	assert_int_equal(sg_rtp_parse(&p, bytes, 12, NULL), SG_OK);
	bytes[0] = 0x40; /* version 1 */
	assert_int_equal(sg_rtp_parse(&p, bytes, 12, NULL), SG_ERR_BAD_INPUT);
	bytes[0] = 0xa0, bytes[12] = 0; /* padding of nothing */
	assert_int_equal(sg_rtp_parse(&p, bytes, 13, NULL), SG_ERR_BAD_INPUT);
	bytes[12] = 2; /* of more than there is */
	assert_int_equal(sg_rtp_parse(&p, bytes, 13, NULL), SG_ERR_BAD_INPUT);
	bytes[12] = 1; /* of everything: sent to probe */
	assert_int_equal(sg_rtp_parse(&p, bytes, 13, NULL), SG_OK);
	assert_int_equal(p.size, 0);
}

static void flipped_bits_harm_nobody(void **state)
{
	struct sg_rtp_packet p;
	uint8_t copy[sizeof(whole)];

	(void)state;
	for (size_t bit = 0; bit < sizeof(whole) * 8; bit++) {
		memcpy(copy, whole, sizeof(whole));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (sg_rtp_parse(&p, copy, sizeof(copy), &ids) == SG_OK && p.size)
			assert_true(p.payload >= copy && p.payload + p.size <= copy + sizeof(copy));
	}
}

static void rtcp_is_told_from_rtp(void **state)
{
	(void)state;
	assert_true(sg_rtp_is_rtcp((const uint8_t[]){ 0x80, 200 }, 2));
	assert_true(sg_rtp_is_rtcp((const uint8_t[]){ 0x80, 206 }, 2));
	assert_false(sg_rtp_is_rtcp((const uint8_t[]){ 0x80, 0x80 | 111 }, 2));
	assert_false(sg_rtp_is_rtcp((const uint8_t[]){ 0x80, 96 }, 2));
	assert_false(sg_rtp_is_rtcp((const uint8_t[]){ 0x80, 200 }, 1));
}

static void a_header_without_extensions_is_twelve_bytes(void **state)
{
	static const uint8_t want[] = { 0x80, 0xe0, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct sg_rtp_packet p = { .payload_type = 96, .marker = true, .seq = 0x1234, .timestamp = 0x01020304,
		.ssrc = 0x05060708, .has_transport_cc = true };
	uint8_t out[SG_RTP_HEADER_MAX];

	(void)state;
	assert_int_equal(sg_rtp_build_header(out, sizeof(out), &p, &(struct sg_rtp_extmap){ 0 }), 12);
	assert_memory_equal(out, want, 12);
}

static void a_header_with_extensions_is_read_back(void **state)
{
	struct sg_rtp_extmap small = ids, large = { .mid = 16, .transport_cc = 200, .abs_send_time = 2 };
	struct sg_rtp_packet p = { .payload_type = 96, .seq = 1, .has_transport_cc = true, .transport_cc = 0xfffe,
		.has_abs_send_time = true, .abs_send_time = 0x123456, .has_audio_level = true, .audio_level = 127,
		.mid = SG_STR("0123456789abcdef") }, back;
	uint8_t out[SG_RTP_HEADER_MAX + 1];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct sg_rtp_extmap *map = i ? &large : &small;
		size_t len = sg_rtp_build_header(out, SG_RTP_HEADER_MAX, &p, map);
		assert_true(len > 12 && len % 4 == 0);
		assert_int_equal(out[12], i ? 0x10 : 0xbe);
		assert_int_equal(sg_rtp_build_header(out, len - 1, &p, map), 0);
		out[len] = 'x';
		assert_int_equal(sg_rtp_parse(&back, out, len + 1, map), SG_OK);
		assert_int_equal(back.transport_cc, 0xfffe);
		assert_int_equal(back.abs_send_time, 0x123456);
		assert_true(sg_str_is(back.mid, "0123456789abcdef"));
		assert_int_equal(back.has_audio_level, !i);
		assert_int_equal(back.size, 1);
	}
}

/* ---- one timeline ---- */

#define NTP(seconds) ((uint64_t)((seconds) * 4294967296.0))

static void before_reports_tracks_lie_where_they_arrive(void **state)
{
	struct sg_rtp_sync s;

	(void)state;
	sg_rtp_sync_init(&s, 90000, 48000);
	assert_int_equal(sg_rtp_sync_place(&s, 0, 1000000, 10000000), 900000);
	assert_int_equal(sg_rtp_sync_place(&s, 0, 1000000 + 3000, 10100000), 903000);
	/* Sound begins 20 ms later; its clock is another. */
	assert_int_equal(sg_rtp_sync_place(&s, 1, 77, 10020000), 901800);
	assert_int_equal(sg_rtp_sync_place(&s, 1, 77 + 960, 10100000), 901800 + 1800);
}

static void reports_put_both_tracks_on_one_clock(void **state)
{
	struct sg_rtp_sync s;
	int64_t video = (1ll << 32) + 5000, audio = 4000;

	(void)state;
	sg_rtp_sync_init(&s, 90000, 48000);
	int64_t at = sg_rtp_sync_place(&s, 0, video, 10000000);
	/* The sound of the same moment comes 200 ms late. */
	sg_rtp_sync_place(&s, 1, audio, 10200000);
	sg_rtp_sync_report(&s, 0, NTP(1000.5), (uint32_t)video + 45000, video);
	sg_rtp_sync_report(&s, 1, NTP(1000.25), (uint32_t)audio + 12000, audio);
	assert_int_equal(sg_rtp_sync_place(&s, 0, video, 0), at); /* the first to report stays */
	int64_t moved = sg_rtp_sync_place(&s, 1, audio, 0);
	assert_true(llabs(moved - at) <= 1);
	/* Later reports that say the same within 10 ms move nothing. */
	sg_rtp_sync_report(&s, 1, NTP(1001.255), (uint32_t)audio + 60000, audio + 60000);
	assert_int_equal(sg_rtp_sync_place(&s, 1, audio, 0), moved);
	sg_rtp_sync_report(&s, 1, NTP(1001.3), (uint32_t)audio + 60000, audio + 60000);
	assert_true(llabs(sg_rtp_sync_place(&s, 1, audio, 0) - moved - 4500) <= 2);
}

static void a_report_before_the_first_frame_is_kept(void **state)
{
	struct sg_rtp_sync s;

	(void)state;
	sg_rtp_sync_init(&s, 90000, 48000);
	sg_rtp_sync_report(&s, 1, NTP(50.0), 48000, 48000);
	sg_rtp_sync_report(&s, 0, NTP(50.0), 90000, 90000);
	int64_t at = sg_rtp_sync_place(&s, 0, 90000, 1000000);
	assert_true(llabs(sg_rtp_sync_place(&s, 1, 48000, 1300000) - at) <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_packet_is_read),
		cmocka_unit_test(extensions_nobody_agreed_to_are_not_read),
		cmocka_unit_test(the_two_byte_form_is_read),
		cmocka_unit_test(an_extension_block_may_end_anywhere),
		cmocka_unit_test(a_packet_cut_anywhere_is_refused_or_shorter),
		cmocka_unit_test(what_is_not_rtp_is_refused),
		cmocka_unit_test(flipped_bits_harm_nobody),
		cmocka_unit_test(rtcp_is_told_from_rtp),
		cmocka_unit_test(a_header_without_extensions_is_twelve_bytes),
		cmocka_unit_test(a_header_with_extensions_is_read_back),
		cmocka_unit_test(before_reports_tracks_lie_where_they_arrive),
		cmocka_unit_test(reports_put_both_tracks_on_one_clock),
		cmocka_unit_test(a_report_before_the_first_frame_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
