/* Byte streams made into length-prefixed units and configuration records. The vectors are x264's and
 * x265's parameter sets, and what FFmpeg's MP4 muxer makes of them (avcC, hvcC). */
#include "media_fixture.h"
#include "media/annexb.h"

struct vector {
	const char *what;
	enum sg_codec codec;
	const char *sets[3], *record;
};

static const struct vector vectors[] = {
    {"H.264 Constrained Baseline", SG_CODEC_H264,
	{"6742c00bda0a36c044000003000400000300c83c50aa80", "68ce0fc8"},
	"0142c00bffe100176742c00bda0a36c044000003000400000300c83c50aa8001000468ce0fc8"},
    {"H.264 High: depths follow", SG_CODEC_H264,
	{"6764000bacd9428db011000003000100000300320f142996", "68ef8fcb"},
	"0164000bffe100186764000bacd9428db011000003000100000300320f14299601000468ef8fcbfdf8f800"},
    {"H.264 High 10: of ten bits", SG_CODEC_H264,
	{"676e000ba6cd9428db011000000300100000030320f1429960", "68ef8fcb"},
	"016e000bffe10019676e000ba6cd9428db011000000300100000030320f142996001000468ef8fcbfdfafa00"},
    {"HEVC Main", SG_CODEC_HEVC,
	{"40010c01ffff01600000030090000003000003001e959409",
	    "42010101600000030090000003000003001ea01420616595952930bc05a02000000300200000030321",
	    "4401c073c189"},
	"0101600000009000000000001ef000fcfdf8f800000f03"
	"a00001001840010c01ffff01600000030090000003000003001e959409"
	"a10001002942010101600000030090000003000003001ea01420616595952930bc05a020000003002000000303"
	"21"
	"a2000100064401c073c189"},
    {"HEVC Main 10", SG_CODEC_HEVC,
	{"40010c01ffff02200000030090000003000003001e959409",
	    "42010102200000030090000003000003001ea014206136595952930bc05a020000030002000003003210",
	    "4401c073c189"},
	"0102200000009000000000001ef000fcfdfafa00000f03"
	"a00001001840010c01ffff02200000030090000003000003001e959409"
	"a10001002a42010102200000030090000003000003001ea014206136595952930bc05a"
	"020000030002000003003210"
	"a2000100064401c073c189"},
};

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	unsigned byte;

	for (; *hex; hex += *hex == ' ' ? 1 : 2)
		if (*hex != ' ' && sscanf(hex, "%2x", &byte) == 1)
			out[n++] = (uint8_t)byte;
	return n;
}

/* Appends the unit behind a start code of `zeros` zeros. */
static void put_unit(struct sg_buf *b, int zeros, const uint8_t *p, size_t len)
{
	for (int i = 0; i < zeros; i++)
		sg_buf_put_u8(b, 0);
	sg_buf_put_u8(b, 1);
	sg_buf_append(b, p, len);
}

static void put_sets(struct sg_buf *b, const struct vector *v, size_t from)
{
	uint8_t nal[200];

	for (size_t i = from; i < 3 && v->sets[i]; i++) {
		size_t n = from_hex(v->sets[i], nal);
		put_unit(b, i ? 2 : 3, nal, n);
	}
}

static const uint8_t AVC_IDR[] = {0x65, 0x88, 0x84, 0, 0, 3, 1}, AVC_AUD[] = {9, 0xf0};
static const uint8_t HEVC_IDR[] = {0x28, 1, 0xaf, 9}, HEVC_AUD[] = {0x46, 1, 0x50};

static void put_picture(struct sg_buf *b, enum sg_codec codec)
{
	if (codec == SG_CODEC_H264)
		put_unit(b, 2, AVC_IDR, sizeof(AVC_IDR));
	else
		put_unit(b, 2, HEVC_IDR, sizeof(HEVC_IDR));
}

/* An access unit as encoders send it: delimiter, sets, picture. */
static void make_unit(struct sg_buf *b, const struct vector *v)
{
	sg_buf_init(b, 65536);
	if (v->codec == SG_CODEC_H264)
		put_unit(b, 3, AVC_AUD, sizeof(AVC_AUD));
	else
		put_unit(b, 3, HEVC_AUD, sizeof(HEVC_AUD));
	put_sets(b, v, 0);
	put_picture(b, v->codec);
}

static enum sg_result read_copy(
    struct sg_annexb *a, const uint8_t *p, size_t len, struct sg_buf *out, bool *changed)
{
	uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, p, len);
	sg_buf_init(out, 65536);
	enum sg_result res = sg_annexb_read(a, copy, len, out, changed);
	free(copy);
	return res;
}

static void sets_become_the_record_that_ffmpeg_makes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct sg_annexb a;
		struct sg_buf unit, out, record;
		uint8_t want[400];
		bool changed;

		sg_annexb_init(&a, v->codec);
		make_unit(&unit, v);
		assert_int_equal(read_copy(&a, unit.p, unit.len, &out, &changed), SG_OK);
		assert_true(changed);
		sg_buf_init(&record, 65536);
		assert_int_equal(sg_annexb_config(&a, &record), SG_OK);
		size_t n = from_hex(v->record, want);
		if (record.len != n || memcmp(record.p, want, n))
			fail_msg("%s: another record", v->what);
		sg_buf_reset(&unit);
		sg_buf_reset(&out);
		sg_buf_reset(&record);
		sg_annexb_reset(&a);
	}
}

static void pictures_stand_behind_lengths_and_nothing_else_does(void **state)
{
	struct sg_annexb a;
	struct sg_buf unit, out;
	bool changed;

	(void)state;
	sg_annexb_init(&a, SG_CODEC_H264);
	make_unit(&unit, &vectors[0]);
	assert_int_equal(read_copy(&a, unit.p, unit.len, &out, &changed), SG_OK);
	assert_int_equal(out.len, 4 + sizeof(AVC_IDR));
	assert_memory_equal(out.p, "\0\0\0\7", 4);
	assert_memory_equal(out.p + 4, AVC_IDR, sizeof(AVC_IDR));
	sg_buf_reset(&out);
	/* The same once more is no change; zeros behind the last unit are no part of it. */
	for (int i = 0; i < 3; i++)
		sg_buf_put_u8(&unit, 0);
	assert_int_equal(read_copy(&a, unit.p, unit.len, &out, &changed), SG_OK);
	assert_false(changed);
	assert_int_equal(out.len, 4 + sizeof(AVC_IDR));
	sg_buf_reset(&out);
	sg_buf_reset(&unit);
	sg_annexb_reset(&a);
}

static void another_sps_replaces_all_and_a_pps_alone_is_added(void **state)
{
	struct sg_annexb a;
	struct sg_buf unit, out, record;
	uint8_t want[400];
	bool changed;

	(void)state;
	sg_annexb_init(&a, SG_CODEC_H264);
	for (size_t i = 0; i < 2; i++) {
		make_unit(&unit, &vectors[i]);
		assert_int_equal(read_copy(&a, unit.p, unit.len, &out, &changed), SG_OK);
		assert_true(changed);
		sg_buf_reset(&out);
		sg_buf_reset(&unit);
	}
	sg_buf_init(&record, 65536);
	assert_int_equal(sg_annexb_config(&a, &record), SG_OK);
	assert_int_equal(record.len, from_hex(vectors[1].record, want));
	assert_memory_equal(record.p, want, record.len);
	sg_buf_reset(&record);
	sg_buf_init(&unit, 100);
	put_unit(&unit, 3, (const uint8_t *)"\x68\xce\x0f\xc8", 4);
	assert_int_equal(read_copy(&a, unit.p, unit.len, &out, &changed), SG_OK);
	assert_true(changed && out.len == 0);
	assert_int_equal(a.set_count, 3);
	sg_buf_reset(&out);
	sg_buf_reset(&unit);
	sg_annexb_reset(&a);
}

static void what_is_not_complete_waits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct sg_annexb a;
		struct sg_buf unit, out, record;
		bool changed;

		sg_annexb_init(&a, vectors[i].codec);
		sg_buf_init(&unit, 1000);
		sg_buf_init(&record, 1000);
		put_sets(&unit, &vectors[i], 1); /* all but the first */
		assert_int_equal(read_copy(&a, unit.p, unit.len, &out, &changed), SG_OK);
		assert_int_equal(sg_annexb_config(&a, &record), SG_NEED_MORE);
		sg_buf_reset(&out);
		sg_buf_reset(&unit);
		sg_buf_reset(&record);
		sg_annexb_reset(&a);
	}
}

static void what_is_no_byte_stream_is_malformed(void **state)
{
	struct sg_annexb a;
	struct sg_buf out;
	bool changed;

	(void)state;
	sg_annexb_init(&a, SG_CODEC_H264);
	assert_int_equal(read_copy(&a, (const uint8_t *)"", 0, &out, &changed), SG_ERR_BAD_INPUT);
	assert_int_equal(
	    read_copy(&a, (const uint8_t *)"\0\0\0\2\x65", 5, &out, &changed), SG_ERR_BAD_INPUT);
	/* A start code and nothing behind it: no unit. */
	assert_int_equal(read_copy(&a, (const uint8_t *)"\0\0\1", 3, &out, &changed), SG_OK);
	assert_int_equal(out.len, 0);
	sg_annexb_reset(&a);
}

static void sets_have_a_limit(void **state)
{
	struct sg_annexb a;
	struct sg_buf unit, out;
	bool changed;
	enum sg_result res = SG_OK;

	(void)state;
	sg_annexb_init(&a, SG_CODEC_H264);
	for (int i = 0; i < 100 && res == SG_OK; i++) {
		uint8_t pps[] = {0x68, (uint8_t)(0x80 + i)};
		sg_buf_init(&unit, 100);
		put_unit(&unit, 2, pps, sizeof(pps));
		res = read_copy(&a, unit.p, unit.len, &out, &changed);
		sg_buf_reset(&out);
		sg_buf_reset(&unit);
	}
	assert_int_equal(res, SG_ERR_LIMIT);
	sg_annexb_reset(&a);
}

/* Cut anywhere, and with every bit turned: never past the end, and a record or an error. */
static void units_may_be_cut_and_damaged_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct sg_buf unit, out, record;
		bool changed;

		make_unit(&unit, &vectors[i]);
		for (size_t n = 0; n < unit.len * 9; n++) {
			struct sg_annexb a;
			size_t len = n < unit.len ? n : unit.len;
			sg_annexb_init(&a, vectors[i].codec);
			if (n >= unit.len)
				unit.p[(n - unit.len) / 8] ^= (uint8_t)(1u << (n - unit.len) % 8);
			(void)!read_copy(&a, unit.p, len, &out, &changed);
			sg_buf_init(&record, 65536);
			(void)!sg_annexb_config(&a, &record);
			if (n >= unit.len)
				unit.p[(n - unit.len) / 8] ^= (uint8_t)(1u << (n - unit.len) % 8);
			sg_buf_reset(&out);
			sg_buf_reset(&record);
			sg_annexb_reset(&a);
		}
		sg_buf_reset(&unit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sets_become_the_record_that_ffmpeg_makes),
	    cmocka_unit_test(pictures_stand_behind_lengths_and_nothing_else_does),
	    cmocka_unit_test(another_sps_replaces_all_and_a_pps_alone_is_added),
	    cmocka_unit_test(what_is_not_complete_waits),
	    cmocka_unit_test(what_is_no_byte_stream_is_malformed),
	    cmocka_unit_test(sets_have_a_limit),
	    cmocka_unit_test(units_may_be_cut_and_damaged_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
