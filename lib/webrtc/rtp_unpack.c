/* rtp_unpack.c - payloads, in order and without gaps, to frames. */
#include "webrtc/rtp_internal.h"
#include <stdlib.h>

bool unpacker_init(struct unpacker *u, enum sg_codec codec, size_t max_frame_bytes, int channels)
{
	*u = (struct unpacker){ .codec = codec, .max_frame_bytes = max_frame_bytes,
		.channels = channels == 1 ? 1 : 2 };
	sg_buf_init(&u->frame, max_frame_bytes);
	sg_buf_init(&u->pending, max_frame_bytes);
	sg_buf_init(&u->av1_header, 1024);
	u->config_changed = codec == SG_CODEC_OPUS;
	if (codec == SG_CODEC_H264) {
		if (!(u->h264 = calloc(1, sizeof(*u->h264))))
			return false;
		u->h264->changed = true; /* not told yet */
	}
	return codec == SG_CODEC_H264 || codec == SG_CODEC_VP8 || codec == SG_CODEC_VP9 ||
	       codec == SG_CODEC_AV1 || codec == SG_CODEC_OPUS;
}

void unpacker_reset(struct unpacker *u)
{
	sg_buf_reset(&u->frame);
	sg_buf_reset(&u->pending);
	sg_buf_reset(&u->av1_header);
	free(u->h264);
	u->h264 = NULL;
}

/* Empty again, with its memory. */
static void empty(struct sg_buf *b)
{
	b->len = 0;
	b->failed = false;
}

void unpacker_drop(struct unpacker *u)
{
	empty(&u->frame);
	empty(&u->pending);
	u->key = u->in_fragment = false;
	u->layers = 0;
}

/* ---- H.264 (RFC 6184) ---- */

static bool take_nal(struct unpacker *u, const uint8_t *p, size_t size)
{
	uint8_t type;

	if (!size)
		return true;
	type = p[0] & 31;
	if (type == NAL_SPS || type == NAL_PPS)
		return h264_sets_take(u->h264, p, size);
	if (type == NAL_AUD || type == NAL_FILLER)
		return true;
	u->key = u->key || type == NAL_IDR;
	sg_buf_put_be32(&u->frame, (uint32_t)size);
	sg_buf_append(&u->frame, p, size);
	return !u->frame.failed;
}

static bool take_stap_a(struct unpacker *u, struct sg_reader r)
{
	const uint8_t *nal;
	uint16_t size;

	while (r.left)
		if (!sg_read_be16(&r, &size) || !sg_read_bytes(&r, size, &nal) || !size ||
		    (nal[0] & 31) >= NAL_STAP_A || !take_nal(u, nal, size))
			return false;
	return true;
}

/* A whole unit was put together in the frame's own memory; parameter sets do not stay there. */
static bool end_fragments(struct unpacker *u)
{
	size_t size = u->frame.len - u->fragment_at - 4;
	const uint8_t *nal = u->frame.p + u->fragment_at + 4;
	uint8_t type = nal[0] & 31;
	bool ok = true;

	u->in_fragment = false;
	if (type == NAL_SPS || type == NAL_PPS)
		ok = h264_sets_take(u->h264, nal, size);
	if (type == NAL_SPS || type == NAL_PPS || type == NAL_AUD || type == NAL_FILLER) {
		u->frame.len = u->fragment_at;
		return ok;
	}
	u->key = u->key || type == NAL_IDR;
	sg_put_be32(u->frame.p + u->fragment_at, (uint32_t)size);
	return true;
}

/* Section 5.8. */
static bool take_fu_a(struct unpacker *u, const uint8_t *p, size_t size)
{
	enum { START = 0x80, END = 0x40 };

	if (size < 2 || (p[1] & (START | END)) == (START | END))
		return false;
	if (p[1] & START) {
		if (u->in_fragment)
			return false;
		u->in_fragment = true;
		u->fragment_at = u->frame.len;
		sg_buf_put_be32(&u->frame, 0);
		sg_buf_put_u8(&u->frame, (uint8_t)((p[0] & 0xe0) | (p[1] & 31)));
	} else if (!u->in_fragment) {
		return false;
	}
	sg_buf_append(&u->frame, p + 2, size - 2);
	if (u->frame.failed)
		return false;
	return p[1] & END ? end_fragments(u) : true;
}

static bool take_h264(struct unpacker *u, const uint8_t *p, size_t size)
{
	uint8_t type = p[0] & 31;

	if (type == NAL_FU_A)
		return take_fu_a(u, p, size);
	if (u->in_fragment)
		return false;
	if (type == NAL_STAP_A)
		return take_stap_a(u, (struct sg_reader){ p + 1, size - 1 });
	return type && type < NAL_STAP_A && take_nal(u, p, size);
}

/* ---- VP8 (RFC 7741 section 4.2) ---- */

static bool take_vp8(struct unpacker *u, const uint8_t *p, size_t size)
{
	enum { X = 0x80, S = 0x10, PID = 7, I = 0x80, L = 0x40, T = 0x20, K = 0x10, LONG = 0x80 };
	struct sg_reader r = { p, size };
	uint8_t first, present = 0, byte;

	if (!sg_read_u8(&r, &first) || (first & X && !sg_read_u8(&r, &present)))
		return false;
	if (present & I && (!sg_read_u8(&r, &byte) || (byte & LONG && !sg_read_skip(&r, 1))))
		return false;
	if ((present & L && !sg_read_skip(&r, 1)) || (present & (T | K) && !sg_read_skip(&r, 1)) || !r.left)
		return false;
	bool begins = first & S && !(first & PID);
	if (begins != (u->frame.len == 0))
		return false;
	if (begins)
		u->key = !(r.p[0] & 1);
	sg_buf_append(&u->frame, r.p, r.left);
	return !u->frame.failed;
}

/* ---- VP9 (RFC 9628 section 4.2) ---- */

enum { VP9_I = 0x80, VP9_P = 0x40, VP9_L = 0x20, VP9_F = 0x10, VP9_B = 0x08, VP9_E = 0x04, VP9_V = 0x02 };

/* Section 4.2.1, the scalability structure. */
static bool skip_structure(struct sg_reader *r)
{
	uint8_t head, count, byte;

	if (!sg_read_u8(r, &head))
		return false;
	if (head & 0x10 && !sg_read_skip(r, 4u * ((head >> 5) + 1u)))
		return false;
	if (!(head & 0x08))
		return true;
	if (!sg_read_u8(r, &count))
		return false;
	for (; count; count--)
		if (!sg_read_u8(r, &byte) || !sg_read_skip(r, byte >> 2 & 3))
			return false;
	return true;
}

static bool skip_vp9_descriptor(struct sg_reader *r, uint8_t *first)
{
	uint8_t byte;

	if (!sg_read_u8(r, first))
		return false;
	if (*first & VP9_I && (!sg_read_u8(r, &byte) || (byte & 0x80 && !sg_read_skip(r, 1))))
		return false;
	if (*first & VP9_L && !sg_read_skip(r, *first & VP9_F ? 1 : 2))
		return false;
	if (*first & VP9_F && *first & VP9_P) {
		int references = 0;
		do {
			if (!sg_read_u8(r, &byte) || ++references > 3)
				return false;
		} while (byte & 1);
	}
	return !(*first & VP9_V) || skip_structure(r);
}

static bool take_vp9(struct unpacker *u, const uint8_t *p, size_t size)
{
	struct sg_reader r = { p, size };
	uint8_t first;

	if (!skip_vp9_descriptor(&r, &first) || !r.left)
		return false;
	bool begins = first & VP9_B;
	if (begins == u->in_fragment) /* a layer's frame begins where none is open, and only there */
		return false;
	if (begins) {
		if (u->layers >= sizeof(u->layer_at) / sizeof(u->layer_at[0]))
			return false;
		if (!u->layers) /* what is above the base layer may lean on it */
			u->key = !(first & VP9_P);
		u->layer_at[u->layers++] = u->frame.len;
	}
	u->in_fragment = !(first & VP9_E);
	sg_buf_append(&u->frame, r.p, r.left);
	return !u->frame.failed;
}

/* VP9 bitstream annex B: several frames in one, so that decoders show only the last. */
static void put_superframe_index(struct unpacker *u)
{
	uint8_t marker = (uint8_t)(0xc0 | 3 << 3 | (u->layers - 1));

	if (u->layers < 2)
		return;
	size_t end = u->frame.len;
	sg_buf_put_u8(&u->frame, marker);
	for (unsigned i = 0; i < u->layers; i++) {
		size_t size = (i + 1 < u->layers ? u->layer_at[i + 1] : end) - u->layer_at[i];
		sg_buf_append(&u->frame, (uint8_t[4]){ (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
		    (uint8_t)(size >> 24) }, 4);
	}
	sg_buf_put_u8(&u->frame, marker);
}

/* ---- AV1 (payload format section 4) ---- */

enum { AV1_Z = 0x80, AV1_Y = 0x40 };

static bool take_obu(struct unpacker *u, const uint8_t *p, size_t size)
{
	struct sg_reader r = { p, size };
	struct av1_obu obu;

	if (!av1_read_obu(&r, &obu) || r.left)
		return false;
	if (obu.type == OBU_TEMPORAL_DELIMITER || obu.type == OBU_TILE_LIST || obu.type == OBU_PADDING)
		return true;
	if (obu.type == OBU_SEQUENCE_HEADER) {
		struct sg_buf header;
		sg_buf_init(&header, u->av1_header.max);
		av1_write_obu(&header, &obu);
		bool same = !header.failed && header.len == u->av1_header.len &&
			    memcmp(header.p, u->av1_header.p, header.len) == 0;
		bool ok = !header.failed;
		if (ok && !same) {
			sg_buf_reset(&u->av1_header);
			u->av1_header = header;
			u->config_changed = true;
		} else {
			sg_buf_reset(&header);
		}
		if (!ok)
			return false;
		u->key = true;
	}
	av1_write_obu(&u->frame, &obu);
	return !u->frame.failed;
}

static bool take_element(struct unpacker *u, const uint8_t *p, size_t size, bool continues, bool goes_on)
{
	if (continues != u->in_fragment)
		return false;
	if (!continues && !goes_on)
		return take_obu(u, p, size);
	if (!continues)
		empty(&u->pending);
	sg_buf_append(&u->pending, p, size);
	u->in_fragment = goes_on;
	if (u->pending.failed)
		return false;
	return goes_on || take_obu(u, u->pending.p, u->pending.len);
}

static bool take_av1(struct unpacker *u, const uint8_t *p, size_t size)
{
	struct sg_reader r = { p + 1, size - 1 };
	unsigned announced = p[0] >> 4 & 3;
	const uint8_t *element;

	if (!r.left)
		return false;
	for (unsigned i = 1; r.left; i++) {
		size_t len = r.left;
		if (announced && i > announced)
			return false;
		if (i != announced && !av1_read_leb128(&r, &len))
			return false;
		if (!sg_read_bytes(&r, len, &element) ||
		    !take_element(u, element, len, i == 1 && p[0] & AV1_Z, !r.left && p[0] & AV1_Y))
			return false;
	}
	return true;
}

/* ---- all of them ---- */

bool unpacker_take(struct unpacker *u, const uint8_t *p, size_t size)
{
	if (!size) /* padding to probe with */
		return true;
	switch (u->codec) {
	case SG_CODEC_H264:
		return take_h264(u, p, size);
	case SG_CODEC_VP8:
		return take_vp8(u, p, size);
	case SG_CODEC_VP9:
		return take_vp9(u, p, size);
	case SG_CODEC_AV1:
		return take_av1(u, p, size);
	default:
		empty(&u->frame);
		u->key = true;
		sg_buf_append(&u->frame, p, size);
		return !u->frame.failed;
	}
}

/* RFC 7845 section 5.1, nothing to be skipped at the start. */
static void put_opus_head(struct sg_buf *b, int channels)
{
	sg_buf_puts(b, "OpusHead");
	sg_buf_put_u8(b, 1);
	sg_buf_put_u8(b, (uint8_t)channels);
	sg_buf_append(b, (const uint8_t[]){ 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0 }, 9);
}

static struct sg_frame *new_frame(const struct unpacker *u, const struct sg_buf *b, unsigned flags)
{
	enum sg_frame_kind kind = u->codec == SG_CODEC_OPUS ? SG_FRAME_AUDIO : SG_FRAME_VIDEO;
	struct sg_frame *f = b->failed ? NULL : sg_frame_new(kind, u->codec, b->len);

	if (f) {
		memcpy(f->payload, b->p, b->len);
		f->flags = (uint8_t)flags;
	}
	return f;
}

/* The configuration, where it has changed since the last frame. False: needed, but it cannot be made. */
static bool make_config(struct unpacker *u, struct sg_frame **out)
{
	bool ok = true;
	struct sg_buf b;

	*out = NULL;
	if (!(u->h264 ? u->h264->changed : u->config_changed))
		return true;
	sg_buf_init(&b, 2 * H264_SETS_MAX * (H264_SET_BYTES_MAX + 2) + 32);
	if (u->codec == SG_CODEC_H264)
		ok = h264_sets_are_complete(u->h264);
	if (ok && u->codec == SG_CODEC_H264) {
		h264_sets_write_avcc(u->h264, &b);
	} else if (u->codec == SG_CODEC_AV1) {
		struct sg_reader r = { u->av1_header.p, u->av1_header.len };
		struct av1_obu obu;
		ok = av1_read_obu(&r, &obu) && av1_write_av1c(&b, &obu);
	} else if (u->codec == SG_CODEC_OPUS) {
		put_opus_head(&b, u->channels);
	}
	ok = ok && (*out = new_frame(u, &b, SG_FRAME_CONFIG));
	sg_buf_reset(&b);
	return ok;
}

struct sg_frame *unpacker_finish(struct unpacker *u, struct sg_frame **config)
{
	struct sg_frame *f = NULL;

	*config = NULL;
	if (u->codec == SG_CODEC_VP9)
		put_superframe_index(u);
	/* Parameter sets may come alone in front of their picture: they are kept, and told with it. A picture
	 * that leans on others cannot bring new ones. */
	bool whole = !u->in_fragment && u->frame.len && !u->frame.failed;
	if (whole && (!u->key || make_config(u, config)))
		f = new_frame(u, &u->frame, u->key && u->codec != SG_CODEC_OPUS ? SG_FRAME_KEY : 0);
	if (!f) {
		sg_frame_unref(*config);
		*config = NULL;
	} else if (u->key) {
		if (u->h264)
			u->h264->changed = false;
		u->config_changed = false;
	}
	unpacker_drop(u);
	return f;
}
