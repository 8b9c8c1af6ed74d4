/* The bodies of FLV tags. The vectors are written by hand after FLV 10.1 annex E.4.2, E.4.3 and Enhanced
 * RTMP v2 (ExVideoTagHeader, ExAudioTagHeader, ModEx). */
#include "media_fixture.h"
#include "media/flvtag.h"

#define KEY SG_FRAME_KEY
#define CONFIG SG_FRAME_CONFIG

typedef enum sg_result (*parser)(struct sg_reader body, struct sg_flv_tag *out);

struct vector {
	const char *what;
	uint8_t body[24];
	uint8_t len;
	uint8_t result; /* enum sg_result */
	bool ignored;
	uint8_t codec, flags;
	int32_t cts_ms;
	uint8_t data; /* where the codec's bytes begin */
};

#define OK SG_OK
#define BAD SG_ERR_BAD_INPUT
#define NO SG_ERR_UNSUPPORTED
#define REFUSED false, 0, 0, 0, 0

static const struct vector video[] = {
	{ "AVC configuration", { 0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f }, 9, OK, false, SG_CODEC_H264,
	    CONFIG, 0, 5 },
	{ "AVC keyframe", { 0x17, 1, 0, 0, 80, 0, 0, 0, 1, 0x65 }, 10, OK, false, SG_CODEC_H264, KEY, 80,
	    5 },
	{ "AVC inter frame", { 0x27, 1, 0, 1, 0, 0, 0, 0, 1, 0x41 }, 10, OK, false, SG_CODEC_H264, 0, 256,
	    5 },
	{ "AVC negative composition time", { 0x27, 1, 0xff, 0xff, 0xd8, 0, 0, 0, 1, 0x41 }, 10, OK, false,
	    SG_CODEC_H264, 0, -40, 5 },
	{ "AVC least composition time", { 0x27, 1, 0x80, 0, 0, 9 }, 6, OK, false, SG_CODEC_H264, 0,
	    -8388608, 5 },
	{ "AVC disposable frame", { 0x37, 1, 0, 0, 0, 9 }, 6, OK, false, SG_CODEC_H264, 0, 0, 5 },
	{ "AVC end of sequence", { 0x17, 2, 0, 0, 0 }, 5, OK, true, SG_CODEC_H264, KEY, 0, 5 },
	{ "AVC frame without a payload", { 0x27, 1, 0, 0, 0 }, 5, BAD, REFUSED },
	{ "AVC packet type 3", { 0x27, 3, 0, 0, 0, 9 }, 6, BAD, REFUSED },
	{ "HEVC's older number, configuration", { 0x1c, 0, 0, 0, 0, 1, 1 }, 7, OK, false, SG_CODEC_HEVC,
	    CONFIG, 0, 5 },
	{ "HEVC's older number, keyframe", { 0x1c, 1, 0, 0, 33, 0, 0, 0, 1, 0x26 }, 10, OK, false,
	    SG_CODEC_HEVC, KEY, 33, 5 },
	{ "Sorenson H.263", { 0x22, 0, 0, 0, 0, 1 }, 6, NO, REFUSED },
	{ "On2 VP6", { 0x14, 0, 0, 0, 0, 1 }, 6, NO, REFUSED },
	{ "a command frame", { 0x57, 0 }, 2, OK, true, 0, 0, 0, 0 },
	{ "an empty body", { 0 }, 0, OK, true, 0, 0, 0, 0 },
	{ "Enhanced hvc1 configuration", { 0x90, 'h', 'v', 'c', '1', 1, 2 }, 7, OK, false, SG_CODEC_HEVC,
	    CONFIG, 0, 5 },
	{ "Enhanced hvc1 keyframe", { 0x91, 'h', 'v', 'c', '1', 0, 0, 66, 9 }, 9, OK, false,
	    SG_CODEC_HEVC, KEY, 66, 8 },
	{ "Enhanced hvc1 negative composition time", { 0xa1, 'h', 'v', 'c', '1', 0xff, 0xff, 0xff, 9 }, 9,
	    OK, false, SG_CODEC_HEVC, 0, -1, 8 },
	{ "Enhanced hvc1 CodedFramesX has no composition time", { 0x93, 'h', 'v', 'c', '1', 9 }, 6, OK,
	    false, SG_CODEC_HEVC, KEY, 0, 5 },
	{ "Enhanced avc1 keyframe", { 0x91, 'a', 'v', 'c', '1', 0, 0, 40, 9 }, 9, OK, false,
	    SG_CODEC_H264, KEY, 40, 8 },
	{ "Enhanced av01 configuration", { 0x90, 'a', 'v', '0', '1', 0x81, 0, 12, 0 }, 9, OK, false,
	    SG_CODEC_AV1, CONFIG, 0, 5 },
	{ "Enhanced av01 frame", { 0xa1, 'a', 'v', '0', '1', 0x12, 0 }, 7, OK, false, SG_CODEC_AV1, 0, 0,
	    5 },
	{ "Enhanced vp09 keyframe", { 0x91, 'v', 'p', '0', '9', 0x82 }, 6, OK, false, SG_CODEC_VP9, KEY,
	    0, 5 },
	{ "Enhanced vp08 frame", { 0xa1, 'v', 'p', '0', '8', 0x31 }, 6, OK, false, SG_CODEC_VP8, 0, 0, 5 },
	{ "Enhanced end of sequence", { 0x92, 'h', 'v', 'c', '1' }, 5, OK, true, SG_CODEC_HEVC, KEY, 0, 5 },
	{ "Enhanced metadata", { 0x94, 'h', 'v', 'c', '1', 2, 0, 0 }, 8, OK, true, SG_CODEC_HEVC, KEY, 0,
	    5 },
	{ "Enhanced command frame", { 0xd1, 0 }, 2, OK, true, 0, 0, 0, 0 },
	{ "Enhanced frame without a payload", { 0x93, 'h', 'v', 'c', '1' }, 5, BAD, REFUSED },
	{ "Enhanced unknown codec", { 0x91, 'v', 'v', 'c', '1', 9 }, 6, NO, REFUSED },
	{ "Enhanced audio codec in video", { 0x91, 'O', 'p', 'u', 's', 9 }, 6, NO, REFUSED },
	{ "Enhanced MPEG-2 TS sequence start", { 0x95, 'a', 'v', '0', '1', 9 }, 6, NO, REFUSED },
	{ "Enhanced multitrack", { 0x96, 0x01, 'h', 'v', 'c', '1', 0, 9 }, 8, NO, REFUSED },
	/* ModEx: size - 1, the data, (kind << 4 | packet type), then as if it had not been. */
	{ "ModEx before a keyframe", { 0x97, 2, 0, 0, 1, 0x01, 'h', 'v', 'c', '1', 0, 0, 5, 9 }, 14, OK,
	    false, SG_CODEC_HEVC, KEY, 5, 13 },
	{ "ModEx twice", { 0x97, 0, 0, 0x07, 1, 0, 0, 0x03, 'h', 'v', 'c', '1', 9 }, 13, OK, false,
	    SG_CODEC_HEVC, KEY, 0, 12 },
	{ "ModEx longer than the body", { 0x97, 200, 0, 0, 0x01 }, 5, BAD, REFUSED },
	{ "ModEx with a long size, longer than the body", { 0x97, 255, 0x10, 0, 0, 0x01 }, 6, BAD, REFUSED },
};

static const struct vector audio[] = {
	{ "AAC configuration", { 0xaf, 0, 0x12, 0x10 }, 4, OK, false, SG_CODEC_AAC, CONFIG, 0, 2 },
	{ "AAC frame", { 0xaf, 1, 0x21, 0x10 }, 4, OK, false, SG_CODEC_AAC, 0, 0, 2 },
	{ "AAC empty frame", { 0xaf, 1 }, 2, OK, true, SG_CODEC_AAC, 0, 0, 2 },
	{ "AAC packet type 2", { 0xaf, 2, 1 }, 3, BAD, REFUSED },
	{ "MP3", { 0x2f, 0xff, 0xfb, 0x90, 0 }, 5, OK, false, SG_CODEC_MP3, 0, 0, 1 },
	{ "MP3 at 8 kHz", { 0xee, 0xff, 0xe3 }, 3, OK, false, SG_CODEC_MP3, 0, 0, 1 },
	{ "Speex", { 0xb2, 1 }, 2, NO, REFUSED },
	{ "linear PCM", { 0x3f, 1 }, 2, NO, REFUSED },
	{ "an empty body", { 0 }, 0, OK, true, 0, 0, 0, 0 },
	{ "Enhanced Opus configuration", { 0x90, 'O', 'p', 'u', 's', 'O', 'p' }, 7, OK, false,
	    SG_CODEC_OPUS, CONFIG, 0, 5 },
	{ "Enhanced Opus frame", { 0x91, 'O', 'p', 'u', 's', 0xfc }, 6, OK, false, SG_CODEC_OPUS, 0, 0,
	    5 },
	{ "Enhanced mp4a frame", { 0x91, 'm', 'p', '4', 'a', 0x21 }, 6, OK, false, SG_CODEC_AAC, 0, 0, 5 },
	{ "Enhanced .mp3 frame", { 0x91, '.', 'm', 'p', '3', 0xff }, 6, OK, false, SG_CODEC_MP3, 0, 0, 5 },
	{ "Enhanced end of sequence", { 0x92, 'O', 'p', 'u', 's' }, 5, OK, true, SG_CODEC_OPUS, 0, 0, 5 },
	{ "Enhanced unknown codec", { 0x91, 'a', 'c', '-', '3', 1 }, 6, NO, REFUSED },
	{ "Enhanced video codec in audio", { 0x91, 'h', 'v', 'c', '1', 0, 0, 0, 1 }, 9, NO, REFUSED },
	{ "Enhanced multitrack", { 0x95, 0x01, 'O', 'p', 'u', 's', 0, 1 }, 8, NO, REFUSED },
	{ "ModEx before Opus", { 0x97, 2, 0, 0, 1, 0x01, 'O', 'p', 'u', 's', 0xfc }, 11, OK, false,
	    SG_CODEC_OPUS, 0, 0, 10 },
};

/* A copy of its own, so that a reading past its end is seen. */
static enum sg_result parse_copy(parser parse, const uint8_t *body, size_t len, struct sg_flv_tag *tag,
    size_t *data_at)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, body, len);
	enum sg_result res = parse((struct sg_reader){ copy, len }, tag);
	*data_at = SIZE_MAX;
	if (res == SG_OK && tag->data.p) {
		*data_at = (size_t)(tag->data.p - copy);
		assert_true(*data_at <= len);
		assert_int_equal(*data_at + tag->data.left, len); /* up to the end, not beyond */
		for (size_t i = 0; i < tag->data.left; i++)
			assert_int_equal(tag->data.p[i], body[*data_at + i]);
	}
	free(copy);
	return res;
}

static void assert_vectors(parser parse, const struct vector *v, size_t count)
{
	for (; count--; v++) {
		struct sg_flv_tag tag;
		size_t at;
		enum sg_result res = parse_copy(parse, v->body, v->len, &tag, &at);

		if (res != (enum sg_result)v->result)
			fail_msg("%s: %s", v->what, sg_result_text(res));
		if (res != SG_OK)
			continue;
		if (tag.ignored != v->ignored)
			fail_msg("%s: ignored %d", v->what, tag.ignored);
		if (v->ignored)
			continue;
		if (tag.codec != (enum sg_codec)v->codec || tag.flags != v->flags ||
		    tag.cts_ms != v->cts_ms || at != v->data)
			fail_msg("%s: %s, flags %u, cts %d, data at %zu", v->what,
			    sg_codec_name(tag.codec), tag.flags, tag.cts_ms, at);
	}
}

static void video_bodies_are_told_apart(void **state)
{
	(void)state;
	assert_vectors(sg_flv_parse_video, video, COUNT(video));
}

static void audio_bodies_are_told_apart(void **state)
{
	(void)state;
	assert_vectors(sg_flv_parse_audio, audio, COUNT(audio));
}

static void cut_bodies_are_never_read_past_their_end(void **state)
{
	struct sg_flv_tag tag;
	size_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(video); i++)
		for (size_t len = 0; len <= video[i].len; len++)
			(void)parse_copy(sg_flv_parse_video, video[i].body, len, &tag, &at);
	for (size_t i = 0; i < COUNT(audio); i++)
		for (size_t len = 0; len <= audio[i].len; len++)
			(void)parse_copy(sg_flv_parse_audio, audio[i].body, len, &tag, &at);
}

/* What a cut body still says must not be media: not even one byte of it is there. */
static void a_body_cut_before_its_payload_is_malformed_or_ignored(void **state)
{
	struct sg_flv_tag tag;
	size_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(video); i++)
		for (size_t len = 0; video[i].result == OK && !video[i].ignored && len <= video[i].data; len++)
			if (parse_copy(sg_flv_parse_video, video[i].body, len, &tag, &at) == SG_OK &&
			    !tag.ignored)
				fail_msg("%s, cut to %zu", video[i].what, len);
	for (size_t i = 0; i < COUNT(audio); i++)
		for (size_t len = 0; audio[i].result == OK && !audio[i].ignored && len <= audio[i].data; len++)
			if (parse_copy(sg_flv_parse_audio, audio[i].body, len, &tag, &at) == SG_OK &&
			    !tag.ignored)
				fail_msg("%s, cut to %zu", audio[i].what, len);
}

static void bodies_with_flipped_bits_stay_within_themselves(void **state)
{
	struct sg_flv_tag tag;
	size_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(video); i++) {
		for (unsigned bit = 0; bit < video[i].len * 8u; bit++) {
			uint8_t body[sizeof(video[i].body)];
			memcpy(body, video[i].body, sizeof(body));
			body[bit / 8] ^= (uint8_t)(1u << bit % 8);
			(void)parse_copy(sg_flv_parse_video, body, video[i].len, &tag, &at);
			(void)parse_copy(sg_flv_parse_audio, body, video[i].len, &tag, &at);
		}
	}
}

static void a_long_mod_ex_is_passed_over(void **state)
{
	/* 0xff says that a 16-bit size follows: 299 + 1 bytes. */
	uint8_t body[320] = { 0x97, 0xff, 0x01, 0x2b };
	struct sg_flv_tag tag;
	size_t at;

	(void)state;
	memcpy(body + 4 + 300, "\x01hvc1\0\0\x07\xaa", 9);
	assert_int_equal(parse_copy(sg_flv_parse_video, body, 313, &tag, &at), SG_OK);
	assert_int_equal(tag.codec, SG_CODEC_HEVC);
	assert_int_equal(tag.cts_ms, 7);
	assert_int_equal(at, 312);
	for (size_t len = 0; len <= 312; len++)
		assert_int_not_equal(parse_copy(sg_flv_parse_video, body, len, &tag, &at) == SG_OK && !tag.ignored, 1);
}

/* ---- script data ---- */

#define SET "\x02\x00\x0d@setDataFrame"
#define META "\x02\x00\x0aonMetaData"

static void metadata_is_kept_without_the_command_before_it(void **state)
{
	static const char with[] = SET META "\x08\0\0\0\0\0\0\x09", without[] = META "\x08\0\0\0\0\0\0\x09";
	struct sg_flv_tag tag;
	size_t at;

	(void)state;
	assert_int_equal(
	    parse_copy(sg_flv_parse_script, (const uint8_t *)with, sizeof(with) - 1, &tag, &at), SG_OK);
	assert_false(tag.ignored);
	assert_int_equal(at, 16); /* "onMetaData" is kept: it is what players are sent */
	assert_int_equal(parse_copy(sg_flv_parse_script, (const uint8_t *)without, sizeof(without) - 1, &tag,
			     &at),
	    SG_OK);
	assert_false(tag.ignored);
	assert_int_equal(at, 0);
}

static void other_script_data_is_ignored(void **state)
{
	static const char *const other[] = { "\x02\x00\x09onCuePoint", "\x02\x00\x0bonMetaDataX", "\x08onMetaData",
		"onMetaData" };
	struct sg_flv_tag tag;
	size_t at;

	(void)state;
	for (size_t i = 0; i < COUNT(other); i++) {
		size_t len = other[i][1] ? strlen(other[i]) : 3 + strlen(other[i] + 2);
		assert_int_equal(
		    parse_copy(sg_flv_parse_script, (const uint8_t *)other[i], len, &tag, &at), SG_OK);
		assert_true(tag.ignored);
	}
}

static void cut_script_data_is_never_read_past_its_end(void **state)
{
	static const char text[] = SET META "\x08";
	struct sg_flv_tag tag;
	size_t at;

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		assert_int_equal(
		    parse_copy(sg_flv_parse_script, (const uint8_t *)text, len, &tag, &at), SG_OK);
		assert_int_equal(tag.ignored, len < sizeof(SET META) - 1);
	}
}

static void script_data_larger_than_64_kib_is_ignored(void **state)
{
	size_t size = 13 + 65536;
	uint8_t *body = calloc(1, size);
	struct sg_flv_tag tag;
	size_t at;

	(void)state;
	assert_non_null(body);
	memcpy(body, META, 13);
	assert_int_equal(parse_copy(sg_flv_parse_script, body, 65536, &tag, &at), SG_OK);
	assert_false(tag.ignored);
	assert_int_equal(parse_copy(sg_flv_parse_script, body, 65537, &tag, &at), SG_OK);
	assert_true(tag.ignored);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(video_bodies_are_told_apart),
		cmocka_unit_test(audio_bodies_are_told_apart),
		cmocka_unit_test(cut_bodies_are_never_read_past_their_end),
		cmocka_unit_test(a_body_cut_before_its_payload_is_malformed_or_ignored),
		cmocka_unit_test(bodies_with_flipped_bits_stay_within_themselves),
		cmocka_unit_test(a_long_mod_ex_is_passed_over),
		cmocka_unit_test(metadata_is_kept_without_the_command_before_it),
		cmocka_unit_test(other_script_data_is_ignored),
		cmocka_unit_test(cut_script_data_is_never_read_past_its_end),
		cmocka_unit_test(script_data_larger_than_64_kib_is_ignored),
	};

	return cmocka_run_group_tests_name("media_flvtag", tests, NULL, NULL);
}
