/* Configuration records of codecs. Sources: ISO 14496-15 5.3.3 and annex E.3, AV1 in ISOBMFF 2.3 and 5,
 * ISO 14496-3 1.6.2.1, RFC 7845 5.1, RFC 6381, ISO 11172-3 2.4.1.3. */
#include "media_fixture.h"
#include "media/codec.h"
#include <libavcodec/avcodec.h>

/* A copy of its own, so that a reading past its end is seen. */
static uint8_t *copy_of(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, p, len);
	return copy;
}

static enum sg_result parse_video(enum sg_codec codec, const uint8_t *p, size_t len, struct sg_video_params *out)
{
	uint8_t *copy = copy_of(p, len);
	enum sg_result res = sg_video_params_parse(codec, copy, len, NULL, out);

	free(copy);
	return res;
}

static enum sg_result parse_audio(enum sg_codec codec, const uint8_t *p, size_t len, struct sg_audio_params *out)
{
	uint8_t *copy = copy_of(p, len);
	enum sg_result res = sg_audio_params_parse(codec, copy, len, out);

	free(copy);
	return res;
}

/* ---- video ---- */

static const struct {
	enum sg_codec codec;
	uint8_t config[24];
	uint8_t len;
	const char *rfc6381, *profile;
	int nal_length;
} video[] = {
	{ SG_CODEC_H264, { 1, 0x64, 0x00, 0x1f, 0xff, 0xe0, 0 }, 7, "avc1.64001F", "High@3.1", 4 },
	{ SG_CODEC_H264, { 1, 0x42, 0xc0, 0x1e, 0xfd, 0xe0, 0 }, 7, "avc1.42C01E", "Baseline@3.0", 2 },
	{ SG_CODEC_H264, { 1, 0x4d, 0x40, 0x28, 0xfc, 0xe0, 0 }, 7, "avc1.4D4028", "Main@4.0", 1 },
	{ SG_CODEC_HEVC,
	    { 1, 0x01, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f,
		0 },
	    23, "hvc1.1.6.L93.B0", "Main@3.1", 4 },
	/* Annex E.3's second example, as hvc1. */
	{ SG_CODEC_HEVC,
	    { 1, 0x64, 0x82, 0, 0, 0, 0xb0, 0x23, 0, 0, 0, 0, 63, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0,
		0x0d, 0 },
	    23, "hvc1.A4.41.H63.B0.23", "Rext@2.1", 2 },
	{ SG_CODEC_HEVC,
	    { 1, 0x02, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 120, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f,
		0 },
	    23, "hvc1.2.4.L120", "Main 10@4.0", 4 },
	{ SG_CODEC_AV1, { 0x81, 0x04, 0x0c, 0x00 }, 4, "av01.0.04M.08", "0@4", 0 },
	{ SG_CODEC_AV1, { 0x81, 0x04, 0x4c, 0x00 }, 4, "av01.0.04M.10", "0@4", 0 },
	{ SG_CODEC_AV1, { 0x81, 0x4d, 0xe0, 0x00 }, 4, "av01.2.13H.12", "2@13", 0 },
};

static void video_records_give_names_profiles_and_prefixes(void **state)
{
	struct sg_video_params v;

	(void)state;
	for (size_t i = 0; i < COUNT(video); i++) {
		assert_int_equal(parse_video(video[i].codec, video[i].config, video[i].len, &v), SG_OK);
		assert_string_equal(v.rfc6381, video[i].rfc6381);
		assert_string_equal(v.profile, video[i].profile);
		assert_int_equal(v.nal_length, video[i].nal_length);
		assert_int_equal(v.width, 0); /* unknown before a keyframe has been seen */
	}
}

static void cut_video_records_are_malformed(void **state)
{
	struct sg_video_params v;

	(void)state;
	for (size_t i = 0; i < COUNT(video); i++)
		for (size_t len = 0; len < video[i].len; len++)
			assert_int_equal(
			    parse_video(video[i].codec, video[i].config, len, &v), SG_ERR_BAD_INPUT);
}

static void records_of_another_version_are_malformed(void **state)
{
	struct sg_video_params v;
	uint8_t config[24];

	(void)state;
	for (size_t i = 0; i < COUNT(video); i++) {
		memcpy(config, video[i].config, sizeof(config));
		config[0] ^= 2;
		assert_int_equal(parse_video(video[i].codec, config, video[i].len, &v), SG_ERR_BAD_INPUT);
	}
}

/* RFC 6386 9.1: a keyframe's tag, its start code, 320 by 180. */
static void codecs_without_a_record_tell_their_size_in_a_keyframe(void **state)
{
	static const uint8_t vp8[] = { 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 0, 0, 0 };
	struct sg_frame *key = sg_frame_new(SG_FRAME_VIDEO, SG_CODEC_VP8, sizeof(vp8));
	struct sg_video_params v;

	(void)state;
	assert_non_null(key);
	memcpy(key->payload, vp8, sizeof(vp8));
	assert_int_equal(sg_video_params_parse(SG_CODEC_VP8, NULL, 0, key, &v), SG_OK);
	assert_int_equal(v.width, 320);
	assert_int_equal(v.height, 180);
	assert_int_equal(v.nal_length, 0);
	sg_frame_unref(key);
}

/* ---- audio ---- */

static const struct {
	enum sg_codec codec;
	uint8_t config[20];
	uint8_t len;
	int sample_rate, channels, frame_samples;
	const char *rfc6381;
} audio[] = {
	/* object type (5 bits), rate (4), channels (4): 00010 0100 0010 000 */
	{ SG_CODEC_AAC, { 0x12, 0x10 }, 2, 44100, 2, 1024, "mp4a.40.2" },
	{ SG_CODEC_AAC, { 0x11, 0x88 }, 2, 48000, 1, 1024, "mp4a.40.2" },
	{ SG_CODEC_AAC, { 0x11, 0xb8 }, 2, 48000, 8, 1024, "mp4a.40.2" },
	{ SG_CODEC_AAC, { 0x14, 0x08 }, 2, 16000, 1, 1024, "mp4a.40.2" },
	/* SBR said openly: 00101 0111 0010 0100 00010 00, the coder itself at half the rate. */
	{ SG_CODEC_AAC, { 0x2b, 0x92, 0x08 }, 3, 22050, 2, 1024, "mp4a.40.5" },
	{ SG_CODEC_AAC, { 0xeb, 0x8a, 0x08 }, 3, 22050, 1, 1024, "mp4a.40.29" },
	/* Escapes: rate 15, then 24 bits; object type 31, then 6 bits, plus 32. */
	{ SG_CODEC_AAC, { 0x17, 0x80, 0x56, 0x22, 0x10 }, 5, 44100, 2, 1024, "mp4a.40.2" },
	{ SG_CODEC_AAC, { 0xf8, 0xe6, 0x40 }, 3, 48000, 2, 512, "mp4a.40.39" },
	/* Short frames: frameLengthFlag is the bit behind the channels, or behind the coder of SBR. */
	{ SG_CODEC_AAC, { 0x12, 0x14 }, 2, 44100, 2, 960, "mp4a.40.2" },
	{ SG_CODEC_AAC, { 0x2b, 0x92, 0x0a }, 3, 22050, 2, 960, "mp4a.40.5" },
	{ SG_CODEC_AAC, { 0xb9, 0x90 }, 2, 48000, 2, 512, "mp4a.40.23" },
	{ SG_CODEC_AAC, { 0xf8, 0xe6, 0x50 }, 3, 48000, 2, 480, "mp4a.40.39" },
	{ SG_CODEC_OPUS,
	    { 'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0 }, 19, 48000,
	    2, 0, "opus" },
	{ SG_CODEC_OPUS,
	    { 'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 1, 0, 0, 0x40, 0x1f, 0, 0, 0, 0, 0 }, 19, 48000, 1,
	    0, "opus" },
	{ SG_CODEC_MP3, { 0xff, 0xfb, 0x90, 0x00 }, 4, 44100, 2, 1152, "mp4a.40.34" },
	{ SG_CODEC_MP3, { 0xff, 0xfb, 0x94, 0xc4 }, 4, 48000, 1, 1152, "mp4a.40.34" },
	{ SG_CODEC_MP3, { 0xff, 0xf3, 0x88, 0x40 }, 4, 16000, 2, 576, "mp4a.40.34" },
	{ SG_CODEC_MP3, { 0xff, 0xe3, 0x80, 0xc0 }, 4, 11025, 1, 576, "mp4a.40.34" },
};

static void audio_records_give_rates_channels_and_names(void **state)
{
	struct sg_audio_params a;

	(void)state;
	for (size_t i = 0; i < COUNT(audio); i++) {
		assert_int_equal(parse_audio(audio[i].codec, audio[i].config, audio[i].len, &a), SG_OK);
		assert_int_equal(a.sample_rate, audio[i].sample_rate);
		assert_int_equal(a.channels, audio[i].channels);
		assert_int_equal(a.frame_samples, audio[i].frame_samples);
		assert_string_equal(a.rfc6381, audio[i].rfc6381);
	}
}

static void cut_audio_records_are_malformed(void **state)
{
	struct sg_audio_params a;

	(void)state;
	for (size_t i = 0; i < COUNT(audio); i++)
		for (size_t len = 0; len < audio[i].len; len++)
			if (parse_audio(audio[i].codec, audio[i].config, len, &a) != SG_ERR_BAD_INPUT)
				fail_msg("%s (row %zu) cut to %zu", audio[i].rfc6381, i, len);
}

static void records_that_say_what_cannot_be_are_malformed(void **state)
{
	static const struct {
		enum sg_codec codec;
		const char *what;
		uint8_t config[20];
		uint8_t len;
	} rows[] = {
		{ SG_CODEC_AAC, "object type 0", { 0x02, 0x10 }, 2 },
		{ SG_CODEC_AAC, "rate 13, which is reserved", { 0x16, 0x90 }, 2 },
		{ SG_CODEC_AAC, "channel layout 8, which is reserved", { 0x11, 0xc0 }, 2 },
		{ SG_CODEC_AAC, "a rate of 0", { 0x17, 0x80, 0x00, 0x00, 0x10 }, 5 },
		{ SG_CODEC_AAC, "a rate of 16 MHz", { 0x17, 0xff, 0xff, 0xff, 0x90 }, 5 },
		{ SG_CODEC_OPUS, "no channels",
		    { 'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 0, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0 }, 19 },
		{ SG_CODEC_OPUS, "another name",
		    { 'O', 'p', 'u', 's', 'T', 'a', 'g', 's', 1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0 }, 19 },
		{ SG_CODEC_MP3, "no sync", { 0xfe, 0xfb, 0x90, 0 }, 4 },
		{ SG_CODEC_MP3, "rate 3, which is reserved", { 0xff, 0xfb, 0x9c, 0 }, 4 },
		{ SG_CODEC_MP3, "a reserved version", { 0xff, 0xeb, 0x90, 0 }, 4 },
		{ SG_CODEC_MP3, "layer II", { 0xff, 0xfd, 0x90, 0 }, 4 },
	};
	struct sg_audio_params a;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (parse_audio(rows[i].codec, rows[i].config, rows[i].len, &a) != SG_ERR_BAD_INPUT)
			fail_msg("%s: %s", sg_codec_name(rows[i].codec), rows[i].what);
	assert_int_equal(parse_audio(SG_CODEC_H264, rows[0].config, 2, &a), SG_ERR_UNSUPPORTED);
}

static void records_with_flipped_bits_are_read_within_their_bounds(void **state)
{
	struct sg_video_params v;
	struct sg_audio_params a;
	uint8_t config[24];

	(void)state;
	for (size_t i = 0; i < COUNT(video); i++)
		for (unsigned bit = 0; bit < video[i].len * 8u; bit++) {
			memcpy(config, video[i].config, sizeof(config));
			config[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (parse_video(video[i].codec, config, video[i].len, &v) == SG_OK)
				assert_true(strlen(v.rfc6381) < sizeof(v.rfc6381) && strlen(v.profile) < sizeof(v.profile));
		}
	for (size_t i = 0; i < COUNT(audio); i++)
		for (unsigned bit = 0; bit < audio[i].len * 8u; bit++) {
			memcpy(config, audio[i].config, sizeof(audio[i].config));
			config[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (parse_audio(audio[i].codec, config, audio[i].len, &a) == SG_OK)
				assert_true(a.sample_rate > 0 && a.channels > 0);
		}
}

/* ---- NAL units ---- */

static void nal_units_get_prefixes_of_four_bytes(void **state)
{
	static const uint8_t units[5][24] = { { 0 }, { 2, 0x65, 0xaa, 0, 1, 0x41 },
		{ 0, 2, 0x65, 0xaa, 0, 0, 0, 1, 0x41 }, { 0, 0, 2, 0x65, 0xaa, 0, 0, 0, 0, 0, 1, 0x41 },
		{ 0, 0, 0, 2, 0x65, 0xaa, 0, 0, 0, 0, 0, 0, 0, 1, 0x41 } };
	size_t size;

	(void)state;
	for (int n = 1; n <= 4; n++) {
		size_t len = 3 * (size_t)n + 3;
		uint8_t *in = copy_of(units[n], len), *out = malloc(15);
		assert_non_null(out);
		assert_true(sg_nalus_are_whole(in, len, n, &size));
		assert_int_equal(size, 15);
		sg_nalus_widen(out, in, len, n);
		assert_memory_equal(out, units[4], 15);
		free(out);
		free(in);
	}
	assert_true(sg_nalus_are_whole(units[0], 0, 4, &size));
	assert_int_equal(size, 0);
}

static void cut_nal_units_are_not_whole(void **state)
{
	static const uint8_t two[] = { 0, 0, 0, 2, 0x65, 0xaa, 0, 0, 0, 1, 0x41 };
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 0x65 };
	size_t size;

	(void)state;
	for (size_t len = 0; len <= sizeof(two); len++) {
		uint8_t *in = copy_of(two, len);
		assert_int_equal(sg_nalus_are_whole(in, len, 4, &size),
		    len == 0 || len == 6 || len == sizeof(two));
		free(in);
	}
	for (int n = 1; n <= 4; n++)
		assert_false(sg_nalus_are_whole(huge, sizeof(huge), n, &size));
}

/* ---- names ---- */

static void names_and_numbers_are_ffmpegs(void **state)
{
	(void)state;
	for (enum sg_codec c = SG_CODEC_NONE; c <= SG_CODEC_MP3; c++)
		assert_string_equal(sg_codec_name(c), avcodec_get_name((enum AVCodecID)sg_codec_av_id(c)));
	assert_string_equal(sg_codec_name((enum sg_codec)99), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(video_records_give_names_profiles_and_prefixes),
		cmocka_unit_test(cut_video_records_are_malformed),
		cmocka_unit_test(records_of_another_version_are_malformed),
		cmocka_unit_test(codecs_without_a_record_tell_their_size_in_a_keyframe),
		cmocka_unit_test(audio_records_give_rates_channels_and_names),
		cmocka_unit_test(cut_audio_records_are_malformed),
		cmocka_unit_test(records_that_say_what_cannot_be_are_malformed),
		cmocka_unit_test(records_with_flipped_bits_are_read_within_their_bounds),
		cmocka_unit_test(nal_units_get_prefixes_of_four_bytes),
		cmocka_unit_test(cut_nal_units_are_not_whole),
		cmocka_unit_test(names_and_numbers_are_ffmpegs),
	};

	return cmocka_run_group_tests_name("media_codec", tests, NULL, NULL);
}
