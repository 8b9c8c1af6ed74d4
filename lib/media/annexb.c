#include "media/annexb.h"
#include <stdlib.h>

#define SET_MAX_BYTES 16384
#define SPS_LOOK 512 /* of an SPS, as much as is looked at */

/* H.264 table 7-1, H.265 table 7-1. */
enum { AVC_SPS = 7, AVC_PPS = 8, AVC_AUD = 9, AVC_FILLER = 12, AVC_SPS_EXT = 13 };
enum { HEVC_VPS = 32, HEVC_SPS = 33, HEVC_PPS = 34, HEVC_AUD = 35, HEVC_FILLER = 38 };

void sg_annexb_init(struct sg_annexb *a, enum sg_codec codec)
{
	*a = (struct sg_annexb){.codec = codec};
}

static void drop_sets(struct sg_annexb *a)
{
	for (size_t i = 0; i < a->set_count; i++)
		free(a->sets[i].p);
	a->set_count = 0;
}

void sg_annexb_reset(struct sg_annexb *a)
{
	drop_sets(a);
}

/* ---- NAL units ---- */

static int type_of(const struct sg_annexb *a, const uint8_t *nal)
{
	return a->codec == SG_CODEC_H264 ? nal[0] & 0x1f : nal[0] >> 1 & 0x3f;
}

static bool is_sps(const struct sg_annexb *a, int type)
{
	return type == (a->codec == SG_CODEC_H264 ? AVC_SPS : HEVC_SPS);
}

static bool is_set(const struct sg_annexb *a, int type)
{
	if (a->codec == SG_CODEC_H264)
		return type == AVC_SPS || type == AVC_PPS || type == AVC_SPS_EXT;
	return type == HEVC_VPS || type == HEVC_SPS || type == HEVC_PPS;
}

static bool is_left_out(const struct sg_annexb *a, int type)
{
	return a->codec == SG_CODEC_H264 ? type == AVC_AUD || type == AVC_FILLER
					 : type == HEVC_AUD || type == HEVC_FILLER;
}

/* The next 00 00 01 at or behind `p`; `end` when there is none. */
static const uint8_t *find_start(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= 3) {
		const uint8_t *one = memchr(p + 2, 1, (size_t)(end - p - 2));
		if (!one)
			return end;
		if (one[-1] == 0 && one[-2] == 0)
			return one - 2;
		p = one - 1;
	}
	return end;
}

/* Walks the units: false at the end. *at begins at a start code, and is moved behind the unit. */
static bool next_nal(const uint8_t **at, const uint8_t *end, const uint8_t **nal, size_t *len)
{
	while (end - *at > 3) {
		const uint8_t *begin = *at + 3, *stop = find_start(begin, end);
		*at = stop;
		/* Zeros behind a unit belong to the next start code, or are padding. */
		while (stop > begin && stop[-1] == 0)
			stop--;
		if (stop == begin)
			continue;
		*nal = begin;
		*len = (size_t)(stop - begin);
		return true;
	}
	return false;
}

/* ---- parameter sets ---- */

static bool has_set(const struct sg_annexb *a, const uint8_t *nal, size_t len)
{
	for (size_t i = 0; i < a->set_count; i++)
		if (a->sets[i].len == len && memcmp(a->sets[i].p, nal, len) == 0)
			return true;
	return false;
}

static enum sg_result add_set(struct sg_annexb *a, const uint8_t *nal, size_t len)
{
	if (has_set(a, nal, len))
		return SG_OK;
	if (a->set_count == SG_ANNEXB_SETS_MAX || len > SET_MAX_BYTES)
		return SG_ERR_LIMIT;
	uint8_t *copy = malloc(len);
	if (!copy)
		return SG_ERR_NO_MEMORY;
	memcpy(copy, nal, len);
	a->sets[a->set_count].p = copy;
	a->sets[a->set_count++].len = len;
	return SG_OK;
}

/* Does this access unit bring sets that are not those in force? */
static bool brings_other_sets(const struct sg_annexb *a, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *nal;
	size_t len;

	while (next_nal(&p, end, &nal, &len))
		if (is_set(a, type_of(a, nal)) && !has_set(a, nal, len))
			return true;
	return false;
}

static bool brings_sps(const struct sg_annexb *a, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *nal;
	size_t len;

	while (next_nal(&p, end, &nal, &len))
		if (is_sps(a, type_of(a, nal)))
			return true;
	return false;
}

enum sg_result sg_annexb_read(
    struct sg_annexb *a, const uint8_t *p, size_t len, struct sg_buf *out, bool *changed)
{
	const uint8_t *end = p + len, *at = find_start(p, end), *nal;
	size_t nal_len;
	enum sg_result res;

	*changed = false;
	if (at == end)
		return SG_ERR_BAD_INPUT;
	/* A new SPS replaces all: what came with the former one is not for this. */
	*changed = brings_other_sets(a, at, end);
	if (*changed && brings_sps(a, at, end))
		drop_sets(a);
	while (next_nal(&at, end, &nal, &nal_len)) {
		int type = type_of(a, nal);
		if (is_set(a, type)) {
			if ((res = add_set(a, nal, nal_len)) != SG_OK)
				return res;
		} else if (!is_left_out(a, type)) {
			sg_buf_put_be32(out, (uint32_t)nal_len);
			sg_buf_append(out, nal, nal_len);
		}
	}
	return out->failed ? SG_ERR_NO_MEMORY : SG_OK;
}

/* ---- what an SPS says ---- */

struct bits {
	uint8_t p[SPS_LOOK];
	size_t len, at; /* in bits */
	bool short_of;
};

/* The payload behind the NAL header, without emulation prevention (H.264 7.3.1, H.265 7.3.1.1). */
static void open_bits(struct bits *b, const uint8_t *p, size_t len)
{
	size_t n = 0, zeros = 0;

	for (size_t i = 0; i < len && n < sizeof(b->p); i++) {
		if (zeros >= 2 && p[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = p[i] == 0 ? zeros + 1 : 0;
		b->p[n++] = p[i];
	}
	b->len = n * 8;
	b->at = 0;
	b->short_of = false;
}

static unsigned take(struct bits *b, unsigned n)
{
	unsigned v = 0;

	for (; n; n--, b->at++) {
		if (b->at >= b->len) {
			b->short_of = true;
			return 0;
		}
		v = v << 1 | (b->p[b->at / 8] >> (7 - b->at % 8) & 1);
	}
	return v;
}

static unsigned take_ue(struct bits *b) /* H.264 9.1 */
{
	unsigned zeros = 0;

	while (!take(b, 1)) {
		if (b->short_of || ++zeros > 31) {
			b->short_of = true;
			return 0;
		}
	}
	return (1u << zeros) - 1 + take(b, zeros);
}

struct depths {
	unsigned chroma_format, luma, chroma; /* the latter two minus 8 */
};

/* H.264 7.3.2.1.1; only for the profiles whose avcC has them. */
static bool read_avc_depths(const uint8_t *sps, size_t len, struct depths *out)
{
	struct bits b;

	open_bits(&b, sps + 1, len - 1);
	take(&b, 24);
	take_ue(&b);
	out->chroma_format = take_ue(&b);
	if (out->chroma_format == 3)
		take(&b, 1);
	out->luma = take_ue(&b);
	out->chroma = take_ue(&b);
	return !b.short_of && out->chroma_format <= 3 && out->luma <= 6 && out->chroma <= 6;
}

/* H.265 7.3.2.2.1. profile: the 12 bytes of general_profile_space to general_level_idc. */
static bool read_hevc_sps(const uint8_t *sps, size_t len, struct depths *out, uint8_t profile[12],
    unsigned *temporal_layers, unsigned *nested)
{
	struct bits b;
	bool has_profile[8], has_level[8];

	open_bits(&b, sps + 2, len - 2);
	take(&b, 4);
	unsigned more = take(&b, 3);
	*nested = take(&b, 1);
	*temporal_layers = more + 1;
	for (int i = 0; i < 12; i++)
		profile[i] = (uint8_t)take(&b, 8);
	for (unsigned i = 0; i < more; i++) {
		has_profile[i] = take(&b, 1);
		has_level[i] = take(&b, 1);
	}
	for (unsigned i = more; more && i < 8; i++)
		take(&b, 2);
	for (unsigned i = 0; i < more; i++) {
		for (int j = 0; has_profile[i] && j < 11; j++)
			take(&b, 8);
		if (has_level[i])
			take(&b, 8);
	}
	take_ue(&b);
	out->chroma_format = take_ue(&b);
	if (out->chroma_format == 3)
		take(&b, 1);
	take_ue(&b);
	take_ue(&b);
	if (take(&b, 1))
		for (int i = 0; i < 4; i++)
			take_ue(&b);
	out->luma = take_ue(&b);
	out->chroma = take_ue(&b);
	return !b.short_of && more <= 6 && out->chroma_format <= 3 && out->luma <= 8 &&
	       out->chroma <= 8;
}

/* ---- configuration records ---- */

static size_t count_sets(const struct sg_annexb *a, int type)
{
	size_t n = 0;

	for (size_t i = 0; i < a->set_count; i++)
		n += type_of(a, a->sets[i].p) == type;
	return n;
}

static size_t first_set(const struct sg_annexb *a, int type)
{
	size_t i = 0;

	while (i < a->set_count && type_of(a, a->sets[i].p) != type)
		i++;
	return i;
}

static void put_sets(const struct sg_annexb *a, int type, struct sg_buf *out)
{
	for (size_t i = 0; i < a->set_count; i++) {
		if (type_of(a, a->sets[i].p) != type)
			continue;
		sg_buf_put_be16(out, (uint16_t)a->sets[i].len);
		sg_buf_append(out, a->sets[i].p, a->sets[i].len);
	}
}

static bool avc_has_depths(uint8_t profile)
{
	return profile == 100 || profile == 110 || profile == 122 || profile == 144;
}

static enum sg_result put_avcc(const struct sg_annexb *a, struct sg_buf *out)
{
	size_t first = first_set(a, AVC_SPS);
	struct depths d = {0};

	if (first == a->set_count || !count_sets(a, AVC_PPS))
		return SG_NEED_MORE;
	const uint8_t *sps = a->sets[first].p;
	size_t len = a->sets[first].len;
	if (len < 4 || (avc_has_depths(sps[1]) && !read_avc_depths(sps, len, &d)))
		return SG_ERR_BAD_INPUT;
	sg_buf_put_u8(out, 1);
	sg_buf_append(out, sps + 1, 3);
	sg_buf_put_u8(out, 0xfc | 3);
	sg_buf_put_u8(out, (uint8_t)(0xe0 | count_sets(a, AVC_SPS)));
	put_sets(a, AVC_SPS, out);
	sg_buf_put_u8(out, (uint8_t)count_sets(a, AVC_PPS));
	put_sets(a, AVC_PPS, out);
	if (avc_has_depths(sps[1])) {
		sg_buf_put_u8(out, (uint8_t)(0xfc | d.chroma_format));
		sg_buf_put_u8(out, (uint8_t)(0xf8 | d.luma));
		sg_buf_put_u8(out, (uint8_t)(0xf8 | d.chroma));
		sg_buf_put_u8(out, (uint8_t)count_sets(a, AVC_SPS_EXT));
		put_sets(a, AVC_SPS_EXT, out);
	}
	return out->failed ? SG_ERR_NO_MEMORY : SG_OK;
}

static enum sg_result put_hvcc(const struct sg_annexb *a, struct sg_buf *out)
{
	static const int types[] = {HEVC_VPS, HEVC_SPS, HEVC_PPS};
	size_t first = first_set(a, HEVC_SPS);
	struct depths d;
	uint8_t profile[12];
	unsigned layers, nested;

	if (first == a->set_count || !count_sets(a, HEVC_VPS) || !count_sets(a, HEVC_PPS))
		return SG_NEED_MORE;
	if (a->sets[first].len < 3 ||
	    !read_hevc_sps(a->sets[first].p, a->sets[first].len, &d, profile, &layers, &nested))
		return SG_ERR_BAD_INPUT;
	sg_buf_put_u8(out, 1);
	sg_buf_append(out, profile, sizeof(profile));
	sg_buf_put_be16(out, 0xf000); /* min_spatial_segmentation_idc: not said */
	sg_buf_put_u8(out, 0xfc); /* parallelismType: not said */
	sg_buf_put_u8(out, (uint8_t)(0xfc | d.chroma_format));
	sg_buf_put_u8(out, (uint8_t)(0xf8 | d.luma));
	sg_buf_put_u8(out, (uint8_t)(0xf8 | d.chroma));
	sg_buf_put_be16(out, 0); /* avgFrameRate: not said */
	sg_buf_put_u8(out, (uint8_t)(layers << 3 | nested << 2 | 3));
	sg_buf_put_u8(out, 3);
	for (size_t i = 0; i < 3; i++) {
		sg_buf_put_u8(out, (uint8_t)(0x80 | types[i])); /* all there are stand here */
		sg_buf_put_be16(out, (uint16_t)count_sets(a, types[i]));
		put_sets(a, types[i], out);
	}
	return out->failed ? SG_ERR_NO_MEMORY : SG_OK;
}

enum sg_result sg_annexb_config(const struct sg_annexb *a, struct sg_buf *out)
{
	return a->codec == SG_CODEC_H264 ? put_avcc(a, out) : put_hvcc(a, out);
}
