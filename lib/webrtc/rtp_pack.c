/* rtp_pack.c - frames to packets, once for all viewers. */
#include "webrtc/rtp_internal.h"
#include <stdlib.h>

struct sg_rtp_packer {
	int h264_mode;
	struct sg_frame *config; /* of the video, or NULL */
};

struct sg_rtp_packer *sg_rtp_packer_new(int h264_mode)
{
	struct sg_rtp_packer *p = calloc(1, sizeof(*p));

	if (p)
		p->h264_mode = h264_mode;
	return p;
}

void sg_rtp_packer_free(struct sg_rtp_packer *p)
{
	if (!p)
		return;
	sg_frame_unref(p->config);
	free(p);
}

struct sg_rtp_frame *sg_rtp_frame_ref(struct sg_rtp_frame *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void sg_rtp_frame_unref(struct sg_rtp_frame *f)
{
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		free(f);
}

/* ---- the frame being made ---- */

struct maker {
	struct sg_rtp_frame *f;
	size_t packets_max;
	uint8_t *bytes, *at, *end; /* behind the slices */
	uint8_t *open;             /* the packet being filled, or NULL */
};

/* Room for `packets` packets and `bytes` bytes. */
static enum sg_result begin(
    struct maker *m, const struct sg_frame *src, size_t packets, size_t bytes)
{
	size_t slices = packets * sizeof(struct sg_rtp_slice);

	if (packets > UINT16_MAX || bytes > 2 * SG_FRAME_MAX_BYTES)
		return SG_ERR_LIMIT;
	*m = (struct maker){ .packets_max = packets };
	struct sg_rtp_frame *f = malloc(sizeof(*f) + slices + bytes);
	if (!f)
		return SG_ERR_NO_MEMORY;
	*f = (struct sg_rtp_frame){ .kind = src->kind, .codec = src->codec,
		.key = src->kind == SG_FRAME_AUDIO || (src->flags & SG_FRAME_KEY),
		.reordered = src->kind == SG_FRAME_VIDEO && src->pts_90khz != src->dts_90khz,
		.pts_90khz = src->pts_90khz, .arrived_us = src->arrived_us };
	atomic_init(&f->refs, 1);
	f->timestamp = (uint32_t)(src->codec == SG_CODEC_OPUS ? src->pts_90khz * 8 / 15 : src->pts_90khz);
	m->f = f;
	m->bytes = m->at = (uint8_t *)f + sizeof(*f) + slices;
	m->end = m->bytes + bytes;
	return SG_OK;
}

static size_t room(const struct maker *m)
{
	return SG_RTP_PAYLOAD_MAX - (m->open ? (size_t)(m->at - m->open) : 0);
}

static void close_packet(struct maker *m)
{
	struct sg_rtp_frame *f = m->f;

	if (!m->open)
		return;
	f->packets[f->count++] = (struct sg_rtp_slice){ m->open, (uint16_t)(m->at - m->open), false };
	f->size += (uint32_t)(m->at - m->open);
	m->open = NULL;
}

/* The sums before begin() promise the room; a mistake there must not write past the end. */
static bool put(struct maker *m, const void *p, size_t len)
{
	if (!m->open) {
		if (m->f->count >= m->packets_max)
			return false;
		m->open = m->at;
	}
	if (len > (size_t)(m->end - m->at) || len > room(m))
		return false;
	if (len)
		memcpy(m->at, p, len);
	m->at += len;
	return true;
}

static enum sg_result finish(struct maker *m, bool ok, struct sg_rtp_frame **out)
{
	close_packet(m);
	if (!ok || !m->f->count) {
		free(m->f);
		return ok ? SG_NEED_MORE : SG_ERR_LIMIT;
	}
	/* RFC 6184 5.1, 7741 4.1, 9628 4.1, AV1 4.2: the last packet of a picture. In Opus (RFC 7587
	 * section 4.1) it would begin a talk spurt. */
	m->f->packets[m->f->count - 1].marker = m->f->kind == SG_FRAME_VIDEO;
	*out = m->f;
	return SG_OK;
}

/* ---- H.264 (RFC 6184) ---- */

struct nal_list {
	struct nal {
		const uint8_t *p;
		size_t size;
	} *nals;
	size_t count, max, bytes;
	bool has_sps;
};

static void add_nal(void *user, const uint8_t *p, size_t size)
{
	struct nal_list *list = user;

	if (list->count < list->max)
		list->nals[list->count++] = (struct nal){ p, size };
	list->bytes += size;
}

/* Delimiters and filler say nothing that RTP does not. */
static bool is_needless(uint8_t first)
{
	uint8_t type = first & 31;

	return type == NAL_AUD || type == NAL_FILLER || type == 0 || type >= NAL_STAP_A;
}

static enum sg_result list_nals(struct nal_list *list, const struct sg_frame *f)
{
	struct sg_reader r = { f->payload, f->size };
	uint32_t size;
	const uint8_t *p;

	while (r.left) {
		if (!sg_read_be32(&r, &size) || !sg_read_bytes(&r, size, &p))
			return SG_ERR_BAD_INPUT;
		if (!size || is_needless(p[0]))
			continue;
		list->has_sps = list->has_sps || (p[0] & 31) == NAL_SPS;
		add_nal(list, p, size);
	}
	return SG_OK;
}

static size_t count_units(const struct sg_frame *f)
{
	struct sg_reader r = { f->payload, f->size };
	uint32_t size;
	size_t n = 0;

	while (sg_read_be32(&r, &size) && sg_read_skip(&r, size))
		n++;
	return n;
}

/* Section 5.8. */
static bool put_fu_a(struct maker *m, const struct nal *nal)
{
	const uint8_t *p = nal->p + 1;
	size_t left = nal->size - 1, most = SG_RTP_PAYLOAD_MAX - 2;
	uint8_t start = 0x80;
	bool ok = true;

	close_packet(m);
	while (ok && left) {
		size_t n = left < most ? left : most;
		uint8_t head[2] = { (uint8_t)((nal->p[0] & 0xe0) | NAL_FU_A),
			(uint8_t)(start | (n == left ? 0x40 : 0) | (nal->p[0] & 31)) };
		ok = put(m, head, 2) && put(m, p, n);
		close_packet(m);
		p += n;
		left -= n;
		start = 0;
	}
	return ok;
}

/* Section 5.7.1: as many of `nals` as fit together; answers how many were put. */
static size_t put_aggregate(struct maker *m, const struct nal *nals, size_t count)
{
	size_t n = 0, bytes = 1;
	uint8_t head = NAL_STAP_A, size[2];

	while (n < count && bytes + 2 + nals[n].size <= SG_RTP_PAYLOAD_MAX)
		bytes += 2 + nals[n++].size;
	if (n < 2) {
		close_packet(m);
		bool ok = put(m, nals[0].p, nals[0].size);
		close_packet(m);
		return ok ? 1 : 0;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t nri = nals[i].p[0] & 0x60;
		head |= nals[i].p[0] & 0x80;
		if (nri > (head & 0x60))
			head = (uint8_t)((head & ~0x60) | nri);
	}
	close_packet(m);
	bool ok = put(m, &head, 1);
	for (size_t i = 0; ok && i < n; i++) {
		sg_put_be16(size, (uint16_t)nals[i].size);
		ok = put(m, size, 2) && put(m, nals[i].p, nals[i].size);
	}
	close_packet(m);
	return ok ? n : 0;
}

static bool put_nals(struct maker *m, const struct nal_list *list, int mode)
{
	size_t put_now;

	for (size_t i = 0; i < list->count; i += put_now) {
		const struct nal *nal = &list->nals[i];
		put_now = 1;
		/* Fragments also where single units were agreed on: those who leave the mode out (GStreamer's default)
		 * read them, and else would be sent no keyframe at all. */
		if (nal->size > SG_RTP_PAYLOAD_MAX) {
			if (!put_fu_a(m, nal))
				return false;
		} else {
			put_now = put_aggregate(m, nal, mode == SG_RTP_H264_SINGLE_NAL ? 1 : list->count - i);
			if (!put_now)
				return false;
		}
	}
	return true;
}

#define SETS_MAX 64    /* more parameter sets than anybody has */
#define UNITS_MAX 4096 /* likewise slices */

static enum sg_result pack_h264(
    struct sg_rtp_packer *p, const struct sg_frame *f, struct sg_rtp_frame **out)
{
	size_t units = count_units(f), max = units + SETS_MAX;
	struct nal_list list = { .max = max }, body;
	struct maker m;

	if (units > UNITS_MAX)
		return SG_ERR_BAD_INPUT;
	if (!(list.nals = malloc(max * sizeof(struct nal))))
		return SG_ERR_NO_MEMORY;
	/* The sets are listed behind the frame's own units, and swapped to the front of the packets. */
	body = list;
	body.nals += SETS_MAX;
	body.max -= SETS_MAX;
	enum sg_result res = list_nals(&body, f);
	list.max = SETS_MAX;
	if (res == SG_OK && (f->flags & SG_FRAME_KEY) && !body.has_sps && p->config &&
	    p->config->codec == SG_CODEC_H264 &&
	    !h264_each_parameter_set(p->config->payload, p->config->size, add_nal, &list))
		res = SG_ERR_BAD_INPUT;
	if (res == SG_OK && !body.count)
		res = SG_NEED_MORE;
	if (res == SG_OK) {
		memmove(list.nals + list.count, body.nals, body.count * sizeof(struct nal));
		list.count += body.count;
		list.bytes += body.bytes;
		/* A packet of two halves at worst each, two bytes of head per unit or piece. */
		size_t packets = list.count + list.bytes / (SG_RTP_PAYLOAD_MAX - 2) + 1;
		res = begin(&m, f, packets, list.bytes + 3 * packets);
	}
	if (res == SG_OK)
		res = finish(&m, put_nals(&m, &list, p->h264_mode), out);
	free(list.nals);
	return res;
}

/* ---- VP8 (RFC 7741 section 4.2), VP9 (RFC 9628 section 4.2) ---- */

enum { VP8_START = 0x10, VP9_INTER = 0x40, VP9_BEGIN = 0x08, VP9_END = 0x04 };

/* One byte of descriptor: no picture numbers, no layers. Receivers then order frames by sequence
 * number, which is all there is to know of a stream without layers. */
static enum sg_result pack_vpx(const struct sg_frame *f, struct sg_rtp_frame **out)
{
	const uint8_t *p = f->payload;
	size_t left = f->size, most = SG_RTP_PAYLOAD_MAX - 1, packets = (left + most - 1) / most;
	struct maker m;
	bool ok = true;
	enum sg_result res = begin(&m, f, packets, left + packets);

	if (res != SG_OK)
		return res;
	while (ok && left) {
		size_t n = left < most ? left : most;
		uint8_t head = p == f->payload ? VP8_START : 0;
		if (f->codec == SG_CODEC_VP9)
			head = (uint8_t)((f->flags & SG_FRAME_KEY ? 0 : VP9_INTER) |
					 (p == f->payload ? VP9_BEGIN : 0) | (n == left ? VP9_END : 0));
		ok = put(&m, &head, 1) && put(&m, p, n);
		close_packet(&m);
		p += n;
		left -= n;
	}
	return finish(&m, ok, out);
}

/* ---- AV1 (payload format section 4) ---- */

enum { AV1_CONTINUES = 0x80, AV1_TO_BE_CONTINUED = 0x40, AV1_NEW_SEQUENCE = 0x08 };

/* One unit without its size, in as many packets as it takes; each element has its length (W = 0). */
static bool put_obu(struct maker *m, const struct av1_obu *obu, uint8_t first_flags)
{
	size_t left = obu->header_len + obu->size, done = 0;
	uint8_t length[5], flags = first_flags;

	while (left) {
		/* An element of at least a few bytes, or the next packet. */
		if (m->open && room(m) < 16)
			close_packet(m);
		if (!m->open && !put(m, &flags, 1))
			return false;
		size_t n = room(m) - 2; /* lengths up to 16383 take two bytes at most */
		if (n > left)
			n = left;
		if (n < left)
			*m->open |= AV1_TO_BE_CONTINUED;
		bool ok = put(m, length, av1_put_leb128(length, n));
		size_t head = done < obu->header_len ? obu->header_len - done : 0;
		if (head > n)
			head = n;
		ok = ok && (!head || put(m, obu->header + done, head)) &&
		     put(m, obu->payload + (done + head - obu->header_len), n - head);
		if (!ok)
			return false;
		done += n;
		left -= n;
		flags = AV1_CONTINUES;
		if (left)
			close_packet(m);
	}
	return true;
}

static bool put_obus(struct maker *m, struct sg_reader r, uint8_t *flags)
{
	struct av1_obu obu;

	while (r.left) {
		if (!av1_read_obu(&r, &obu))
			return false;
		if (obu.type == OBU_TEMPORAL_DELIMITER || obu.type == OBU_TILE_LIST || obu.type == OBU_PADDING)
			continue;
		if (!put_obu(m, &obu, *flags))
			return false;
		*flags = 0; /* of the first packet only */
	}
	return true;
}

/* Counts, and looks for a sequence header. */
static bool scan_obus(struct sg_reader r, size_t *count, bool *has_sequence)
{
	struct av1_obu obu;

	for (; r.left; (*count)++) {
		if (!av1_read_obu(&r, &obu))
			return false;
		*has_sequence = *has_sequence || obu.type == OBU_SEQUENCE_HEADER;
	}
	return true;
}

static enum sg_result pack_av1(
    struct sg_rtp_packer *p, const struct sg_frame *f, struct sg_rtp_frame **out)
{
	struct sg_reader obus = { f->payload, f->size }, config = { NULL, 0 };
	bool key = f->flags & SG_FRAME_KEY, has_sequence = false, in_config = false;
	uint8_t flags = key ? AV1_NEW_SEQUENCE : 0;
	size_t count = 0;
	struct maker m;

	if (!scan_obus(obus, &count, &has_sequence))
		return SG_ERR_BAD_INPUT;
	if (key && !has_sequence && p->config && p->config->codec == SG_CODEC_AV1 && p->config->size > 4) {
		config = (struct sg_reader){ p->config->payload + 4, p->config->size - 4 };
		if (!scan_obus(config, &count, &in_config))
			return SG_ERR_BAD_INPUT;
	}
	size_t bytes = obus.left + config.left;
	/* A unit's length, of two bytes at most more than its size had, replaces the size; a packet has a
	 * byte of head, the length of a piece, and up to 16 bytes unused. */
	size_t packets = (bytes + 2 * count) / (SG_RTP_PAYLOAD_MAX - 32) + 1;
	enum sg_result res = begin(&m, f, packets, bytes + 3 * count + 4 * packets + 16);
	if (res != SG_OK)
		return res;
	return finish(&m, put_obus(&m, config, &flags) && put_obus(&m, obus, &flags), out);
}

/* ---- Opus (RFC 7587): the packet as it is ---- */

static enum sg_result pack_opus(const struct sg_frame *f, struct sg_rtp_frame **out)
{
	struct maker m;
	enum sg_result res = f->size > SG_RTP_PAYLOAD_MAX ? SG_ERR_LIMIT : begin(&m, f, 1, f->size);

	return res == SG_OK ? finish(&m, put(&m, f->payload, f->size), out) : res;
}

enum sg_result sg_rtp_pack(
    struct sg_rtp_packer *p, const struct sg_frame *f, struct sg_rtp_frame **out)
{
	*out = NULL;
	if (f->flags & SG_FRAME_CONFIG) {
		if (f->kind == SG_FRAME_VIDEO) {
			sg_frame_unref(p->config);
			p->config = sg_frame_ref((struct sg_frame *)f);
		}
		return SG_NEED_MORE;
	}
	if (f->kind == SG_FRAME_META || !f->size)
		return SG_NEED_MORE;
	switch (f->codec) {
	case SG_CODEC_H264:
		return pack_h264(p, f, out);
	case SG_CODEC_VP8:
	case SG_CODEC_VP9:
		return pack_vpx(f, out);
	case SG_CODEC_AV1:
		return pack_av1(p, f, out);
	case SG_CODEC_OPUS:
		return pack_opus(f, out);
	default:
		return SG_ERR_UNSUPPORTED;
	}
}
