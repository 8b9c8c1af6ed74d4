#include "media/cmaf.h"
#include "media/mux.h"

/* MEDIA: fragments are cut by us, times exact, no edit list. */
#define MP4_OPTIONS                                                                                \
	"movflags=empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer:"             \
	"use_editlist=0:avoid_negative_ts=disabled"
#define INIT_MAX_BYTES (1u << 20)

#define VIDEO_SCALE 90000

/* ISO/IEC 14496-12 8.8.3.1: depends on others, is not a sync sample; depends on none. */
#define SAMPLE_BETWEEN 0x01010000u
#define SAMPLE_KEY 0x02000000u

int sg_cmaf_scale(enum sg_frame_kind kind, const struct sg_audio_params *ap)
{
	return kind == SG_FRAME_AUDIO ? ap->sample_rate : VIDEO_SCALE;
}

struct sg_blob *sg_cmaf_init(const struct lead *lead, enum sg_codec video,
    const struct sg_video_params *vp, enum sg_codec audio, const struct sg_audio_params *ap)
{
	struct sg_blob *blob = NULL;
	struct sg_buf out;

	sg_buf_init(&out, INIT_MAX_BYTES);
	struct sg_mux *m = sg_mux_open("mp4", MP4_OPTIONS, lead, video, vp, audio, ap, &out);
	if (m && out.len && (blob = sg_blob_new(out.len)))
		memcpy(blob->p, out.p, out.len);
	sg_mux_close(m);
	sg_buf_reset(&out);
	return blob;
}

/* ---- fragments ---- */

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	sg_put_be32(p, v);
	return p + 4;
}

static uint8_t *put64(uint8_t *p, uint64_t v)
{
	return put32(put32(p, (uint32_t)(v >> 32)), (uint32_t)v);
}

static uint8_t *put_box(uint8_t *p, size_t size, const char type[4])
{
	p = put32(p, (uint32_t)size);
	memcpy(p, type, 4);
	return p + 4;
}

enum { /* bytes of the boxes with their headers */
	MFHD = 16,
	TFHD = 16,
	TFDT = 20,
	TRUN = 20, /* and ROW for each sample */
	ROW = 16,
};

static uint8_t *put_samples(uint8_t *p, const struct sg_cmaf_sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct sg_frame *f = samples[i].frame;
		bool is_key = f->kind == SG_FRAME_AUDIO || (f->flags & SG_FRAME_KEY);
		/* Audio is decoded and heard at the same time, and not in 90 kHz. */
		int64_t offset = f->kind == SG_FRAME_AUDIO ? 0 : f->pts_90khz - f->dts_90khz;
		p = put32(p, samples[i].duration);
		p = put32(p, f->size);
		p = put32(p, is_key ? SAMPLE_KEY : SAMPLE_BETWEEN);
		p = put32(p, (uint32_t)(int32_t)offset);
	}
	return p;
}

static size_t traf_size(const struct sg_cmaf_track *t)
{
	return t && t->count ? 8 + TFHD + TFDT + TRUN + ROW * t->count : 0;
}

static size_t payload_size(const struct sg_cmaf_sample *samples, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += samples[i].frame->size;
	return size;
}

static uint8_t *put_payload(uint8_t *p, const struct sg_cmaf_sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		memcpy(p, samples[i].frame->payload, samples[i].frame->size);
		p += samples[i].frame->size;
	}
	return p;
}

/* `at`: where its samples lie, from the beginning of moof. */
static uint8_t *put_traf(uint8_t *p, const struct sg_cmaf_track *t, size_t at)
{
	if (!traf_size(t))
		return p;
	p = put_box(p, traf_size(t), "traf");
	p = put_box(p, TFHD, "tfhd");
	p = put32(put32(p, 0x020000), t->id); /* default-base-is-moof */
	p = put_box(p, TFDT, "tfdt");
	p = put64(put32(p, 1u << 24), t->time);
	p = put_box(p, TRUN + ROW * t->count, "trun");
	p = put32(p, 1u << 24 | 0xf01); /* signed offsets; data offset, then all four of a sample */
	p = put32(p, (uint32_t)t->count);
	p = put32(p, (uint32_t)at);
	return put_samples(p, t->samples, t->count);
}

struct sg_blob *sg_cmaf_payload(const struct sg_cmaf_sample *samples, size_t count)
{
	struct sg_blob *blob = sg_blob_new(payload_size(samples, count));

	if (blob)
		put_payload(blob->p, samples, count);
	return blob;
}

struct sg_blob *sg_cmaf_fragment(uint32_t sequence, const struct sg_cmaf_track *inner,
    const struct sg_cmaf_track *behind)
{
	size_t moof = 8 + MFHD + traf_size(inner) + traf_size(behind);
	size_t own = inner ? payload_size(inner->samples, inner->count) : 0;
	size_t shared = behind ? payload_size(behind->samples, behind->count) : 0;

	if (moof + 8 + own + shared > UINT32_MAX)
		return NULL;
	struct sg_blob *blob = sg_blob_new(moof + 8 + own);
	if (!blob)
		return NULL;
	uint8_t *p = put_box(blob->p, moof, "moof");
	p = put_box(p, MFHD, "mfhd");
	p = put32(put32(p, 0), sequence);
	p = put_traf(p, behind, moof + 8 + own);
	p = put_traf(p, inner, moof + 8);
	p = put_box(p, 8 + own + shared, "mdat");
	if (inner)
		put_payload(p, inner->samples, inner->count);
	return blob;
}
