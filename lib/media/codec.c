#include "media/codec.h"
#include <libavcodec/avcodec.h>
#include <stdio.h>

int sg_codec_av_id(enum sg_codec codec)
{
	switch (codec) {
	case SG_CODEC_H264:
		return AV_CODEC_ID_H264;
	case SG_CODEC_HEVC:
		return AV_CODEC_ID_HEVC;
	case SG_CODEC_AV1:
		return AV_CODEC_ID_AV1;
	case SG_CODEC_VP8:
		return AV_CODEC_ID_VP8;
	case SG_CODEC_VP9:
		return AV_CODEC_ID_VP9;
	case SG_CODEC_AAC:
		return AV_CODEC_ID_AAC;
	case SG_CODEC_OPUS:
		return AV_CODEC_ID_OPUS;
	case SG_CODEC_MP3:
		return AV_CODEC_ID_MP3;
	default:
		return AV_CODEC_ID_NONE;
	}
}

/* ---- NAL units ---- */

static size_t nal_size(const uint8_t *p, int nal_length)
{
	size_t n = 0;

	for (int i = 0; i < nal_length; i++)
		n = n << 8 | p[i];
	return n;
}

bool sg_nalus_are_whole(const uint8_t *p, size_t len, int nal_length, size_t *size4)
{
	size_t prefix = (size_t)nal_length, out = 0;

	while (len) {
		if (len < prefix)
			return false;
		size_t n = nal_size(p, nal_length);
		if (n > len - prefix)
			return false;
		out += 4 + n;
		p += prefix + n;
		len -= prefix + n;
	}
	*size4 = out;
	return true;
}

void sg_nalus_widen(uint8_t *out, const uint8_t *p, size_t len, int nal_length)
{
	while (len) {
		size_t n = nal_size(p, nal_length);
		sg_put_be32(out, (uint32_t)n);
		memcpy(out + 4, p + nal_length, n);
		out += 4 + n;
		p += (size_t)nal_length + n;
		len -= (size_t)nal_length + n;
	}
}

/* ---- video ---- */

/* FFmpeg's parser reads sizes and profile from the parameter sets of a whole keyframe. */
static void probe(enum sg_codec codec, const uint8_t *config, size_t config_len,
    const struct sg_frame *key, struct sg_video_params *out)
{
	AVCodecParserContext *parser = av_parser_init(sg_codec_av_id(codec));
	AVCodecContext *ctx = avcodec_alloc_context3(NULL);
	uint8_t *data;
	int size;

	if (parser && ctx && (ctx->extradata = av_mallocz(config_len + AV_INPUT_BUFFER_PADDING_SIZE))) {
		if (config_len) /* VP8 and VP9 have none */
			memcpy(ctx->extradata, config, config_len);
		ctx->extradata_size = (int)config_len;
		ctx->codec_id = sg_codec_av_id(codec);
		ctx->codec_type = AVMEDIA_TYPE_VIDEO;
		parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
		av_parser_parse2(parser, ctx, &data, &size, key->payload, (int)key->size, AV_NOPTS_VALUE,
		    AV_NOPTS_VALUE, 0);
		/* Cropped sizes stand in the context, coded ones in the parser. */
		out->width = ctx->width ? ctx->width : parser->width;
		out->height = ctx->height ? ctx->height : parser->height;
	}
	av_parser_close(parser);
	avcodec_free_context(&ctx);
}

static enum sg_result parse_avcc(const uint8_t *p, size_t len, struct sg_video_params *out)
{
	if (len < 7 || p[0] != 1)
		return SG_ERR_BAD_INPUT;
	out->nal_length = (p[4] & 3) + 1;
	snprintf(out->rfc6381, sizeof(out->rfc6381), "avc1.%02X%02X%02X", p[1], p[2], p[3]);
	const char *name = avcodec_profile_name(AV_CODEC_ID_H264, p[1]);
	snprintf(out->profile, sizeof(out->profile), "%.16s@%d.%d", name ? name : "?", p[3] / 10,
	    p[3] % 10);
	return SG_OK;
}

/* RFC 6381 as ISO 14496-15 annex E.3 extends it. */
static enum sg_result parse_hvcc(const uint8_t *p, size_t len, struct sg_video_params *out)
{
	uint32_t compat = 0;
	int n, last = 11;

	if (len < 23 || p[0] != 1)
		return SG_ERR_BAD_INPUT;
	out->nal_length = (p[21] & 3) + 1;
	for (int bit = 0; bit < 32; bit++) /* written in reverse bit order */
		compat |= (uint32_t)(p[2 + bit / 8] >> (7 - bit % 8) & 1) << bit;
	n = snprintf(out->rfc6381, sizeof(out->rfc6381), "hvc1.%s%d.%X.%c%d",
	    p[1] >> 6 ? (const char *[]){ "", "A", "B", "C" }[p[1] >> 6] : "", p[1] & 31, compat,
	    p[1] & 32 ? 'H' : 'L', p[12]);
	while (last >= 6 && p[last] == 0)
		last--;
	for (int i = 6; i <= last && n > 0 && (size_t)n < sizeof(out->rfc6381); i++)
		n += snprintf(out->rfc6381 + n, sizeof(out->rfc6381) - (size_t)n, ".%X", p[i]);
	const char *name = avcodec_profile_name(AV_CODEC_ID_HEVC, p[1] & 31);
	snprintf(out->profile, sizeof(out->profile), "%.16s@%d.%d", name ? name : "?", p[12] / 30,
	    p[12] % 30 / 3);
	return SG_OK;
}

static enum sg_result parse_av1c(const uint8_t *p, size_t len, struct sg_video_params *out)
{
	if (len < 4 || p[0] != 0x81)
		return SG_ERR_BAD_INPUT;
	int depth = p[2] & 0x40 ? (p[2] & 0x20 ? 12 : 10) : 8;
	snprintf(out->rfc6381, sizeof(out->rfc6381), "av01.%d.%02d%c.%02d", p[1] >> 5, p[1] & 31,
	    p[2] & 0x80 ? 'H' : 'M', depth);
	snprintf(out->profile, sizeof(out->profile), "%d@%d", p[1] >> 5, p[1] & 31);
	return SG_OK;
}

enum sg_result sg_video_params_parse(enum sg_codec codec, const uint8_t *config, size_t config_len,
    const struct sg_frame *key, struct sg_video_params *out)
{
	enum sg_result res = SG_OK;

	*out = (struct sg_video_params){ 0 };
	if (codec == SG_CODEC_H264)
		res = parse_avcc(config, config_len, out);
	else if (codec == SG_CODEC_HEVC)
		res = parse_hvcc(config, config_len, out);
	else if (codec == SG_CODEC_AV1)
		res = parse_av1c(config, config_len, out);
	if (res == SG_OK && key)
		probe(codec, config, config_len, key, out);
	return res;
}

/* ---- audio ---- */

struct bits {
	const uint8_t *p;
	size_t len, at; /* in bits */
};

static unsigned take(struct bits *b, unsigned n)
{
	unsigned v = 0;

	for (; n; n--, b->at++)
		v = v << 1 | (b->at < b->len ? b->p[b->at / 8] >> (7 - b->at % 8) & 1 : 0);
	return v;
}

/* How many samples a frame has; `is_short`: frameLengthFlag, ISO/IEC 14496-3 tables 4.1 (GASpecificConfig) and 4.180
 * (ELDSpecificConfig), which both begin with it. */
static int aac_frame_samples(unsigned coder, bool is_short)
{
	enum { LTP = 4, ER_LC = 17, ER_LD = 23, ER_ELD = 39 };
	bool has_flag = coder <= LTP || (coder >= ER_LC && coder <= ER_LD) || coder == ER_ELD;
	int samples = coder == ER_LD || coder == ER_ELD ? 512 : 1024;

	return has_flag && is_short ? samples - samples / 16 : samples;
}

static enum sg_result parse_asc(const uint8_t *p, size_t len, struct sg_audio_params *out)
{
	static const int rates[] = { 96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000,
		12000, 11025, 8000, 7350 };
	static const int channels[] = { 0, 1, 2, 3, 4, 5, 6, 8 };
	struct bits b = { p, len * 8, 0 };
	unsigned type = take(&b, 5);

	if (type == 31)
		type = 32 + take(&b, 6);
	unsigned coder = type;
	unsigned index = take(&b, 4);
	out->sample_rate = index == 15 ? (int)take(&b, 24)
			 : index < sizeof(rates) / sizeof(rates[0]) ? rates[index] : 0;
	unsigned layout = take(&b, 4);
	/* 0: the layout stands in a program config element, which nobody uses for live stereo. */
	out->channels = layout == 0 ? 2 : layout < 8 ? channels[layout] : 0;
	if (type == 5 || type == 29) { /* HE-AAC, said openly: the doubled rate and the coder follow */
		if (take(&b, 4) == 15)
			take(&b, 24);
		coder = take(&b, 5);
	}
	bool is_short = take(&b, 1);
	if (b.at > b.len || type == 0 || out->sample_rate < 1000 || out->sample_rate > 200000 ||
	    !out->channels)
		return SG_ERR_BAD_INPUT;
	out->frame_samples = aac_frame_samples(coder, is_short);
	out->object_type = (int)type;
	out->layout = (int)layout;
	snprintf(out->rfc6381, sizeof(out->rfc6381), "mp4a.40.%u", type);
	return SG_OK;
}

static enum sg_result parse_mp3(const uint8_t *p, size_t len, struct sg_audio_params *out)
{
	static const int rates[] = { 44100, 48000, 32000, 0 };

	if (len < 4 || p[0] != 0xff || (p[1] & 0xe0) != 0xe0 || !rates[p[2] >> 2 & 3])
		return SG_ERR_BAD_INPUT;
	unsigned version = p[1] >> 3 & 3, layer = p[1] >> 1 & 3; /* 3 MPEG-1, 2 MPEG-2, 0 MPEG-2.5 */
	if (version == 1 || layer != 1) /* reserved; 1 stands for layer III */
		return SG_ERR_BAD_INPUT;
	out->sample_rate = rates[p[2] >> 2 & 3] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
	out->channels = p[3] >> 6 == 3 ? 1 : 2;
	out->frame_samples = version == 3 ? 1152 : 576;
	snprintf(out->rfc6381, sizeof(out->rfc6381), "mp4a.40.34");
	return SG_OK;
}

enum sg_result sg_audio_params_parse(
    enum sg_codec codec, const uint8_t *config, size_t len, struct sg_audio_params *out)
{
	*out = (struct sg_audio_params){ 0 };
	switch (codec) {
	case SG_CODEC_AAC:
		return parse_asc(config, len, out);
	case SG_CODEC_MP3:
		return parse_mp3(config, len, out);
	case SG_CODEC_OPUS:
		if (len < 19 || memcmp(config, "OpusHead", 8) != 0 || !config[9])
			return SG_ERR_BAD_INPUT;
		out->sample_rate = 48000;
		out->channels = config[9];
		snprintf(out->rfc6381, sizeof(out->rfc6381), "opus");
		return SG_OK;
	default:
		return SG_ERR_UNSUPPORTED;
	}
}
