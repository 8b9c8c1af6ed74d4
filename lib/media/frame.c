/* frame.c - frames and blobs: memory, and the headers in front of the codec's bytes. */
#include "media/frame.h"
#include <stdlib.h>

const char *sg_codec_name(enum sg_codec codec)
{
	static const char *const names[] = { [SG_CODEC_NONE] = "none", [SG_CODEC_H264] = "h264",
		[SG_CODEC_HEVC] = "hevc", [SG_CODEC_AV1] = "av1", [SG_CODEC_VP8] = "vp8",
		[SG_CODEC_VP9] = "vp9", [SG_CODEC_AAC] = "aac", [SG_CODEC_OPUS] = "opus",
		[SG_CODEC_MP3] = "mp3" };

	return (size_t)codec < sizeof(names) / sizeof(names[0]) ? names[codec] : "none";
}

/* Behind the payload: FLV's PreviousTagSize, and zeros for parsers that read ahead. */
#define TRAILER 4
#define PADDING 64

struct sg_frame *sg_frame_new(enum sg_frame_kind kind, enum sg_codec codec, size_t size)
{
	if (size > SG_FRAME_MAX_BYTES)
		return NULL;
	struct sg_frame *f = malloc(sizeof(*f) + size + TRAILER + PADDING);
	if (!f)
		return NULL;
	memset(f, 0, sizeof(*f));
	memset(f->payload + size, 0, TRAILER + PADDING);
	atomic_init(&f->refs, 1);
	f->kind = (uint8_t)kind;
	f->codec = (uint8_t)codec;
	f->size = (uint32_t)size;
	return f;
}

struct sg_frame *sg_frame_ref(struct sg_frame *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void sg_frame_unref(struct sg_frame *f)
{
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		free(f);
}

/* ---- the header of a tag's body: FLV 10.1 annex E.4.2, E.4.3; Enhanced RTMP v2 ---- */

enum { EX_SEQUENCE_START = 0, EX_CODED_FRAMES = 1 };

static const char *fourcc(enum sg_codec codec)
{
	switch (codec) {
	case SG_CODEC_HEVC:
		return "hvc1";
	case SG_CODEC_AV1:
		return "av01";
	case SG_CODEC_VP8:
		return "vp08";
	case SG_CODEC_VP9:
		return "vp09";
	case SG_CODEC_OPUS:
		return "Opus";
	default:
		return NULL;
	}
}

static size_t put_video_header(uint8_t *p, const struct sg_frame *f)
{
	bool config = f->flags & SG_FRAME_CONFIG;
	unsigned type = (f->flags & (SG_FRAME_KEY | SG_FRAME_CONFIG)) ? 1 : 2;
	uint32_t cts = (uint32_t)((f->pts_90khz - f->dts_90khz) / 90) & 0xffffff;

	if (f->codec == SG_CODEC_H264) {
		p[0] = (uint8_t)(type << 4 | 7);
		p[1] = config ? 0 : 1;
		sg_put_be24(p + 2, config ? 0 : cts);
		return 5;
	}
	p[0] = (uint8_t)(0x80 | type << 4 | (config ? EX_SEQUENCE_START : EX_CODED_FRAMES));
	memcpy(p + 1, fourcc(f->codec), 4);
	if (config || f->codec != SG_CODEC_HEVC)
		return 5;
	sg_put_be24(p + 5, cts);
	return 8;
}

static size_t put_audio_header(uint8_t *p, const struct sg_frame *f)
{
	bool config = f->flags & SG_FRAME_CONFIG;

	if (f->codec == SG_CODEC_AAC) {
		p[0] = 0xaf;
		p[1] = config ? 0 : 1;
		return 2;
	}
	if (f->codec == SG_CODEC_MP3) {
		p[0] = 0x2f;
		return 1;
	}
	p[0] = (uint8_t)(9 << 4 | (config ? EX_SEQUENCE_START : EX_CODED_FRAMES));
	memcpy(p + 1, fourcc(f->codec), 4);
	return 5;
}

/* ---- the message's and the tag's own header ---- */

/* RTMP 1.0 section 5.3.1: a chunk of type 0, on a chunk stream of its own per kind. */
static size_t put_rtmp_chunk(uint8_t *p, uint8_t type, uint8_t csid, uint32_t ms, size_t len)
{
	bool extended = ms >= 0xffffff;

	p[0] = csid;
	sg_put_be24(p + 1, extended ? 0xffffff : ms);
	sg_put_be24(p + 4, (uint32_t)len);
	p[7] = type;
	p[8] = 1, p[9] = p[10] = p[11] = 0; /* message stream 1, little-endian */
	if (!extended)
		return 12;
	sg_put_be32(p + 12, ms);
	return 16;
}

/* FLV 10.1 annex E.4.1. */
static size_t put_flv_tag(uint8_t *p, uint8_t type, uint32_t ms, size_t len)
{
	p[0] = type;
	sg_put_be24(p + 1, (uint32_t)len);
	sg_put_be24(p + 4, ms & 0xffffff);
	p[7] = (uint8_t)(ms >> 24);
	p[8] = p[9] = p[10] = 0;
	return 11;
}

void sg_frame_seal(struct sg_frame *f)
{
	static const struct {
		uint8_t type, csid;
	} kinds[] = { [SG_FRAME_VIDEO] = { 9, 6 }, [SG_FRAME_AUDIO] = { 8, 4 },
		[SG_FRAME_META] = { 18, 5 } };
	uint8_t body[8];
	size_t n = 0, at;

	if (f->kind == SG_FRAME_TS)
		return;
	if (f->kind == SG_FRAME_VIDEO)
		n = put_video_header(body, f);
	else if (f->kind == SG_FRAME_AUDIO)
		n = put_audio_header(body, f);
	uint32_t ms = (uint32_t)(f->dts_90khz / 90);
	uint8_t type = kinds[f->kind].type;
	at = put_rtmp_chunk(f->rtmp_header, type, kinds[f->kind].csid, ms, n + f->size);
	memcpy(f->rtmp_header + at, body, n);
	f->rtmp_header_len = (uint8_t)(at + n);
	at = put_flv_tag(f->flv_header, type, ms, n + f->size);
	memcpy(f->flv_header + at, body, n);
	f->flv_header_len = (uint8_t)(at + n);
	sg_put_be32(f->payload + f->size, (uint32_t)(11 + n + f->size));
}

/* ---- blobs ---- */

struct sg_blob *sg_blob_new(size_t size)
{
	struct sg_blob *b = malloc(sizeof(*b) + size);

	if (b) {
		atomic_init(&b->refs, 1);
		b->size = size;
	}
	return b;
}

struct sg_blob *sg_blob_ref(struct sg_blob *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void sg_blob_unref(struct sg_blob *b)
{
	if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}
