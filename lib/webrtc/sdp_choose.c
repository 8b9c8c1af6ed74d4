/* sdp_choose.c - codecs in session descriptions: what their parameters say, which to take. */
#include "webrtc/sdp_internal.h"

/* ---- parameters ---- */

static struct sg_str trim(struct sg_str s)
{
	while (s.len && s.p[0] == ' ')
		s.p++, s.len--;
	while (s.len && s.p[s.len - 1] == ' ')
		s.len--;
	return s;
}

struct sg_str sg_fmtp_get(struct sg_str fmtp, const char *name)
{
	struct sg_str one, key, value;

	while (fmtp.p) {
		sg_str_cut(fmtp, ';', &one, &fmtp);
		sg_str_cut(one, '=', &key, &value);
		if (value.p && sg_str_equal_nocase(trim(key), sg_str_from(name)))
			return trim(value);
	}
	return (struct sg_str){ NULL, 0 };
}

/* A parameter that is a number, or what it is when it is not there; -1 malformed. */
static int number(const struct sg_sdp_codec *c, const char *name, int otherwise)
{
	struct sg_str s = sg_fmtp_get(c->fmtp, name);
	uint64_t n;

	if (!s.p)
		return otherwise;
	return sg_str_to_u64(s, 255, &n) ? (int)n : -1;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
					    : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 6184 section 8.1: without a profile-level-id it is baseline at level 1. */
static bool settle_h264(struct sg_sdp_codec *c)
{
	struct sg_str id = sg_fmtp_get(c->fmtp, "profile-level-id");
	uint32_t v = 0;

	c->packetization_mode = number(c, "packetization-mode", 0);
	c->profile_idc = 66, c->profile_iop = 0, c->level_idc = 10;
	if (c->packetization_mode < 0 || c->packetization_mode > 2)
		return false;
	if (!id.p)
		return true;
	if (id.len != 6)
		return false;
	for (size_t i = 0; i < 6; i++) {
		int digit = hex_digit(id.p[i]);
		if (digit < 0)
			return false;
		v = v << 4 | (uint32_t)digit;
	}
	c->profile_idc = (uint8_t)(v >> 16);
	c->profile_iop = (uint8_t)(v >> 8);
	c->level_idc = (uint8_t)v;
	return true;
}

void sdp_settle_codec(struct sg_sdp_codec *c)
{
	static const struct {
		struct sg_str name;
		enum sg_codec codec;
		uint32_t rate;
		int channels;
	} known[] = { { SG_STR("H264"), SG_CODEC_H264, 90000, 1 }, { SG_STR("VP8"), SG_CODEC_VP8, 90000, 1 },
		{ SG_STR("VP9"), SG_CODEC_VP9, 90000, 1 }, { SG_STR("AV1"), SG_CODEC_AV1, 90000, 1 },
		{ SG_STR("opus"), SG_CODEC_OPUS, 48000, 2 } }; /* RFC 7587 section 7: always 48000/2 */

	c->codec = SG_CODEC_NONE;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sg_str_equal_nocase(c->name, known[i].name) && c->rate == known[i].rate &&
		    c->channels == known[i].channels)
			c->codec = known[i].codec;
	/* The main profiles only: eight bits, 4:2:0. */
	if ((c->codec == SG_CODEC_H264 && !settle_h264(c)) ||
	    (c->codec == SG_CODEC_VP9 && number(c, "profile-id", 0) != 0) ||
	    (c->codec == SG_CODEC_AV1 && number(c, "profile", 0) != 0))
		c->codec = SG_CODEC_NONE;
}

/* ---- choosing ---- */

enum { BASELINE = 66, MAIN = 77, HIGH = 100, CONSTRAINT_1 = 0x40 };

/* What everything decodes: 8 bits, 4:2:0. Greater is better, 0 no. */
static int h264_profile_rank(const struct sg_sdp_codec *c)
{
	switch (c->profile_idc) {
	case BASELINE:
		return c->profile_iop & CONSTRAINT_1 ? 4 : 3;
	case MAIN:
		return 2;
	case HIGH:
		return 1;
	default:
		return 0;
	}
}

/* Greater is better, 0 no. */
static int publish_rank(const struct sg_sdp_codec *c)
{
	switch (c->codec) {
	case SG_CODEC_H264:
		if (!h264_profile_rank(c) || c->packetization_mode > 1)
			return 0;
		return 10 + 10 * c->packetization_mode + h264_profile_rank(c);
	case SG_CODEC_AV1:
	case SG_CODEC_VP9:
		return 2;
	case SG_CODEC_VP8:
	case SG_CODEC_OPUS:
		return 1;
	default:
		return 0;
	}
}

const struct sg_sdp_codec *sg_sdp_choose(const struct sg_sdp_media *m)
{
	const struct sg_sdp_codec *best = NULL;

	for (size_t i = 0; i < m->codec_count; i++)
		if (publish_rank(&m->codecs[i]) > (best ? publish_rank(best) : 0))
			best = &m->codecs[i];
	return best;
}

static bool is_same_profile(const struct sg_sdp_codec *c, uint8_t profile)
{
	return c->profile_idc == profile;
}

/* Greater is better, 0 no. `profile` 0: not known. */
static int view_rank(const struct sg_sdp_codec *c, uint8_t profile)
{
	bool same = is_same_profile(c, profile);
	bool is_common = profile == 0 || profile == BASELINE || profile == MAIN || profile == HIGH;

	if (c->packetization_mode > 1 || (!same && !(is_common && h264_profile_rank(c))))
		return 0;
	return 1 + 10 * c->packetization_mode + (same ? 5 : 0) + h264_profile_rank(c);
}

const struct sg_sdp_codec *sg_sdp_match(
    const struct sg_sdp_media *m, enum sg_codec codec, const uint8_t *avcc, size_t avcc_len)
{
	uint8_t profile = avcc && avcc_len >= 4 ? avcc[1] : 0;
	const struct sg_sdp_codec *best = NULL;

	for (size_t i = 0; i < m->codec_count; i++) {
		const struct sg_sdp_codec *c = &m->codecs[i];
		if (codec == SG_CODEC_NONE || c->codec != codec)
			continue;
		if (codec != SG_CODEC_H264)
			return c;
		if (view_rank(c, profile) > (best ? view_rank(best, profile) : 0))
			best = c;
	}
	return best;
}
