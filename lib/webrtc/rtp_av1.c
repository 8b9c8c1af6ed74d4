/* rtp_av1.c - AV1's open bitstream units and its configuration record. */
#include "webrtc/rtp_internal.h"

/* ---- units (AV1 section 5.3) ---- */

bool av1_read_leb128(struct sg_reader *r, size_t *out)
{
	uint64_t v = 0;
	uint8_t byte;

	for (unsigned i = 0; i < 8; i++) {
		if (!sg_read_u8(r, &byte))
			return false;
		v |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*out = (size_t)v;
			return v <= UINT32_MAX;
		}
	}
	return false;
}

size_t av1_put_leb128(uint8_t out[5], size_t v)
{
	size_t n = 0;

	do {
		out[n] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (out[n++] & 0x80);
	return n;
}

enum { HAS_EXTENSION = 4, HAS_SIZE = 2 };

bool av1_read_obu(struct sg_reader *r, struct av1_obu *out)
{
	uint8_t first;

	if (!sg_read_u8(r, &first) || first & 0x80)
		return false;
	out->type = first >> 3 & 15;
	out->header[0] = first & (uint8_t)~HAS_SIZE;
	out->header_len = 1;
	if (first & HAS_EXTENSION) {
		if (!sg_read_u8(r, &out->header[1]))
			return false;
		out->header_len = 2;
	}
	out->size = r->left;
	if (first & HAS_SIZE && !av1_read_leb128(r, &out->size))
		return false;
	return sg_read_bytes(r, out->size, &out->payload);
}

void av1_write_obu(struct sg_buf *b, const struct av1_obu *obu)
{
	uint8_t size[5];

	sg_buf_put_u8(b, obu->header[0] | HAS_SIZE);
	if (obu->header_len == 2)
		sg_buf_put_u8(b, obu->header[1]);
	sg_buf_append(b, size, av1_put_leb128(size, obu->size));
	sg_buf_append(b, obu->payload, obu->size);
}

/* ---- the sequence header (AV1 section 5.5) ---- */

struct bits {
	const uint8_t *p;
	size_t len, at; /* in bits */
};

static uint32_t take(struct bits *b, unsigned n)
{
	uint32_t v = 0;

	for (; n; n--, b->at++)
		v = v << 1 | (b->at < b->len ? b->p[b->at / 8] >> (7 - b->at % 8) & 1u : 0u);
	return v;
}

static void skip_uvlc(struct bits *b)
{
	unsigned zeros = 0;

	while (zeros < 32 && b->at < b->len && !take(b, 1))
		zeros++;
	if (zeros < 32)
		take(b, zeros);
}

struct sequence {
	unsigned profile, level, tier;
	unsigned high_bitdepth, twelve_bit, mono, sub_x, sub_y, position;
};

/* Section 5.5.1, from timing_info_present_flag to the operating points. */
static void read_operating_points(struct bits *b, struct sequence *s)
{
	unsigned delay_bits = 0, has_model = 0;

	if (take(b, 1)) { /* timing_info */
		take(b, 32), take(b, 32);
		if (take(b, 1))
			skip_uvlc(b);
		if ((has_model = take(b, 1))) {
			delay_bits = take(b, 5) + 1;
			take(b, 32), take(b, 10);
		}
	}
	unsigned has_display_delay = take(b, 1), count = take(b, 5) + 1;
	for (unsigned i = 0; i < count; i++) {
		take(b, 12);
		unsigned level = take(b, 5), tier = level > 7 ? take(b, 1) : 0;
		if (i == 0)
			s->level = level, s->tier = tier;
		if (has_model && take(b, 1)) {
			take(b, delay_bits), take(b, delay_bits);
			take(b, 1);
		}
		if (has_display_delay && take(b, 1))
			take(b, 4);
	}
}

/* From the frame's size to the tools. */
static void skip_tools(struct bits *b, bool reduced)
{
	unsigned width_bits = take(b, 4) + 1, height_bits = take(b, 4) + 1, order_hint, screen = 2;

	take(b, width_bits), take(b, height_bits);
	if (!reduced && take(b, 1)) /* frame_id_numbers_present_flag */
		take(b, 7);
	take(b, 3);
	if (!reduced) {
		take(b, 4);
		order_hint = take(b, 1);
		if (order_hint)
			take(b, 2);
		if (!take(b, 1)) /* seq_choose_screen_content_tools */
			screen = take(b, 1);
		if (screen && !take(b, 1)) /* seq_choose_integer_mv */
			take(b, 1);
		if (order_hint)
			take(b, 3);
	}
	take(b, 3);
}

enum { BT709 = 1, SRGB = 13, IDENTITY = 0 };

/* Section 5.5.2. */
static void read_color(struct bits *b, struct sequence *s)
{
	unsigned primaries = 2, transfer = 2, matrix = 2;

	s->high_bitdepth = take(b, 1);
	if (s->profile == 2 && s->high_bitdepth)
		s->twelve_bit = take(b, 1);
	s->mono = s->profile == 1 ? 0 : take(b, 1);
	if (take(b, 1))
		primaries = take(b, 8), transfer = take(b, 8), matrix = take(b, 8);
	if (s->mono) {
		s->sub_x = s->sub_y = 1;
		return;
	}
	if (primaries == BT709 && transfer == SRGB && matrix == IDENTITY)
		return;
	take(b, 1);
	if (s->profile == 0)
		s->sub_x = s->sub_y = 1;
	else if (s->profile == 2 && s->twelve_bit)
		s->sub_x = take(b, 1), s->sub_y = s->sub_x ? take(b, 1) : 0;
	else
		s->sub_x = s->profile == 2;
	if (s->sub_x && s->sub_y)
		s->position = take(b, 2);
}

bool av1_write_av1c(struct sg_buf *out, const struct av1_obu *obu)
{
	struct bits b = { obu->payload, obu->size * 8, 0 };
	struct sequence s = { 0 };

	s.profile = take(&b, 3);
	take(&b, 1);
	bool reduced = take(&b, 1);
	if (reduced)
		s.level = take(&b, 5);
	else
		read_operating_points(&b, &s);
	skip_tools(&b, reduced);
	read_color(&b, &s);
	if (b.at > b.len || s.profile > 2)
		return false;
	sg_buf_put_u8(out, 0x81);
	sg_buf_put_u8(out, (uint8_t)(s.profile << 5 | s.level));
	sg_buf_put_u8(out, (uint8_t)(s.tier << 7 | s.high_bitdepth << 6 | s.twelve_bit << 5 | s.mono << 4 |
				     s.sub_x << 3 | s.sub_y << 2 | s.position));
	sg_buf_put_u8(out, 0);
	av1_write_obu(out, obu);
	return true;
}
