#include "media/flvtag.h"

#define SCRIPT_MAX 65536

enum { FRAME_KEY = 1, FRAME_COMMAND = 5 };
enum { AVC_CONFIG = 0, AVC_NALUS = 1, AVC_END = 2 };
/* Packet types of Enhanced RTMP; video and audio share the numbers that we use. */
enum { EX_SEQUENCE_START = 0, EX_CODED_FRAMES = 1, EX_SEQUENCE_END = 2, EX_CODED_FRAMES_X = 3,
	EX_METADATA = 4, EX_MULTITRACK_AUDIO = 5, EX_MULTITRACK_VIDEO = 6, EX_MOD = 7 };

static enum sg_codec codec_of(const uint8_t fourcc[4])
{
	static const struct {
		char fourcc[5];
		enum sg_codec codec;
	} rows[] = { { "avc1", SG_CODEC_H264 }, { "hvc1", SG_CODEC_HEVC }, { "av01", SG_CODEC_AV1 },
		{ "vp08", SG_CODEC_VP8 }, { "vp09", SG_CODEC_VP9 }, { "Opus", SG_CODEC_OPUS },
		{ "mp4a", SG_CODEC_AAC }, { ".mp3", SG_CODEC_MP3 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (memcmp(rows[i].fourcc, fourcc, 4) == 0)
			return rows[i].codec;
	return SG_CODEC_NONE;
}

static bool read_cts(struct sg_reader *r, int32_t *out)
{
	uint32_t v;

	if (!sg_read_be24(r, &v))
		return false;
	*out = (int32_t)(v << 8) >> 8; /* 24 bits, signed */
	return true;
}

static enum sg_result set_kind(struct sg_flv_tag *out, uint8_t type)
{
	switch (type) {
	case EX_SEQUENCE_START:
		out->flags = SG_FRAME_CONFIG;
		return SG_OK;
	case EX_CODED_FRAMES:
	case EX_CODED_FRAMES_X:
		return SG_OK;
	case EX_SEQUENCE_END:
	case EX_METADATA:
		out->ignored = true;
		return SG_OK;
	default:
		return SG_ERR_UNSUPPORTED;
	}
}

/* ModEx packets stand in front of the real one, each with data to pass over (Enhanced RTMP v2). */
static bool skip_mod_ex(struct sg_reader *r, uint8_t *type)
{
	while (*type == EX_MOD) {
		uint8_t small, next;
		uint16_t large;
		if (!sg_read_u8(r, &small))
			return false;
		size_t size = (size_t)small + 1;
		if (size == 256) {
			if (!sg_read_be16(r, &large))
				return false;
			size = (size_t)large + 1;
		}
		if (!sg_read_skip(r, size) || !sg_read_u8(r, &next))
			return false;
		*type = next & 15;
	}
	return true;
}

static enum sg_result parse_ex(struct sg_reader *r, uint8_t type, struct sg_flv_tag *out)
{
	const uint8_t *fourcc;

	if (!skip_mod_ex(r, &type))
		return SG_ERR_BAD_INPUT;
	if (type == EX_MULTITRACK_AUDIO || type == EX_MULTITRACK_VIDEO)
		return SG_ERR_UNSUPPORTED;
	if (!sg_read_bytes(r, 4, &fourcc))
		return SG_ERR_BAD_INPUT;
	if ((out->codec = codec_of(fourcc)) == SG_CODEC_NONE)
		return SG_ERR_UNSUPPORTED;
	bool has_cts = out->codec == SG_CODEC_H264 || out->codec == SG_CODEC_HEVC;
	if (has_cts && type == EX_CODED_FRAMES && !read_cts(r, &out->cts_ms))
		return SG_ERR_BAD_INPUT;
	return set_kind(out, type);
}

static bool is_video(enum sg_codec c)
{
	return c >= SG_CODEC_H264 && c <= SG_CODEC_VP9;
}

enum sg_result sg_flv_parse_video(struct sg_reader body, struct sg_flv_tag *out)
{
	enum sg_result res = SG_OK;
	uint8_t head, type;

	*out = (struct sg_flv_tag){ 0 };
	if (!body.left) { /* some encoders send an empty one first */
		out->ignored = true;
		return SG_OK;
	}
	if (!sg_read_u8(&body, &head))
		return SG_ERR_BAD_INPUT;
	unsigned frame = head >> 4 & 7;
	if (head & 0x80) {
		if ((head & 15) != EX_METADATA && frame == FRAME_COMMAND) {
			out->ignored = true;
			return SG_OK;
		}
		res = parse_ex(&body, head & 15, out);
		if (res == SG_OK && !is_video(out->codec))
			res = SG_ERR_UNSUPPORTED;
	} else if (frame == FRAME_COMMAND) {
		out->ignored = true;
		return SG_OK;
	} else {
		/* 12 is HEVC's number in a dialect older than Enhanced RTMP. */
		out->codec = (head & 15) == 7 ? SG_CODEC_H264 : (head & 15) == 12 ? SG_CODEC_HEVC : SG_CODEC_NONE;
		if (out->codec == SG_CODEC_NONE)
			return SG_ERR_UNSUPPORTED;
		if (!sg_read_u8(&body, &type) || !read_cts(&body, &out->cts_ms) || type > AVC_END)
			return SG_ERR_BAD_INPUT;
		out->ignored = type == AVC_END;
		if (type == AVC_CONFIG)
			out->flags = SG_FRAME_CONFIG;
	}
	if (res != SG_OK)
		return res;
	if (frame == FRAME_KEY && !(out->flags & SG_FRAME_CONFIG))
		out->flags |= SG_FRAME_KEY;
	if (!out->ignored && !body.left)
		return SG_ERR_BAD_INPUT;
	out->data = body;
	return SG_OK;
}

enum sg_result sg_flv_parse_audio(struct sg_reader body, struct sg_flv_tag *out)
{
	enum sg_result res = SG_OK;
	uint8_t head, type;

	*out = (struct sg_flv_tag){ 0 };
	if (!sg_read_u8(&body, &head)) { /* an empty one is sent by some encoders at the end */
		out->ignored = true;
		return SG_OK;
	}
	switch (head >> 4) {
	case 9:
		res = parse_ex(&body, head & 15, out);
		if (res == SG_OK && is_video(out->codec))
			res = SG_ERR_UNSUPPORTED;
		break;
	case 10:
		out->codec = SG_CODEC_AAC;
		if (!sg_read_u8(&body, &type) || type > 1)
			return SG_ERR_BAD_INPUT;
		if (type == AVC_CONFIG)
			out->flags = SG_FRAME_CONFIG;
		break;
	case 2:
	case 14:
		out->codec = SG_CODEC_MP3;
		break;
	default:
		return SG_ERR_UNSUPPORTED;
	}
	if (res != SG_OK)
		return res;
	if (!body.left) /* ffmpeg ends a stream with an empty AAC packet */
		out->ignored = true;
	out->data = body;
	return SG_OK;
}

static bool skip_string(struct sg_reader *r, const char *text)
{
	struct sg_reader copy = *r;
	uint16_t len;
	uint8_t marker;
	const uint8_t *p;

	if (!sg_read_u8(&copy, &marker) || marker != 2 || !sg_read_be16(&copy, &len) ||
	    !sg_read_bytes(&copy, len, &p) || !sg_str_is((struct sg_str){ (const char *)p, len }, text))
		return false;
	*r = copy;
	return true;
}

enum sg_result sg_flv_parse_script(struct sg_reader body, struct sg_flv_tag *out)
{
	*out = (struct sg_flv_tag){ 0 };
	skip_string(&body, "@setDataFrame");
	out->data = body;
	out->ignored = !skip_string(&body, "onMetaData") || out->data.left > SCRIPT_MAX;
	return SG_OK;
}

/* AMF0 (2.2, 2.4): a name behind its length, then a number or, as some encoders have it, a string. */
bool sg_flv_meta_has_pictures(const uint8_t *p, size_t len)
{
	static const char name[] = "\0\014videocodecid";
	const uint8_t *at = memmem(p, len, name, sizeof(name) - 1), *end = p + len;

	if (!at)
		return false;
	at += sizeof(name) - 1;
	if (end - at >= 9 && at[0] == 0) /* 0 is FFmpeg's "none" */
		return memcmp(at + 1, "\0\0\0\0\0\0\0", 8);
	return end - at >= 3 && at[0] == 2 && (at[1] || at[2]);
}
