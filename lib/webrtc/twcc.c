/* twcc.c - transport-wide congestion feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01
 * section 3.1): what arrived when, written for publishers, read from viewers. */
#include "webrtc/rtcp.h"

enum { PT_RTPFB = 205, FMT_TRANSPORT_CC = 15 };
enum symbol { NOT_RECEIVED = 0, SMALL_DELTA = 1, LARGE_DELTA = 2, RESERVED = 3 };
enum { REFERENCE_US = 64000, DELTA_US = 250, RUN_MAX = 8191, VECTOR_1 = 14, VECTOR_2 = 7 };

/* ---- reading ---- */

struct chunks {
	struct sg_reader r;
	uint16_t chunk;
	unsigned left, at; /* of the present chunk */
};

/* Section 3.1.3, 3.1.4. */
static bool next_symbol(struct chunks *c, enum symbol *out)
{
	if (!c->left) {
		if (!sg_read_be16(&c->r, &c->chunk))
			return false;
		c->at = 0;
		if (!(c->chunk & 0x8000))
			c->left = c->chunk & RUN_MAX;
		else
			c->left = c->chunk & 0x4000 ? VECTOR_2 : VECTOR_1;
		if (!c->left)
			return false; /* a run of nothing */
	}
	if (!(c->chunk & 0x8000))
		*out = c->chunk >> 13 & 3;
	else if (c->chunk & 0x4000)
		*out = c->chunk >> (12 - 2 * c->at) & 3;
	else
		*out = c->chunk >> (13 - c->at) & 1;
	c->left--;
	c->at++;
	return *out != RESERVED;
}

/* Where the deltas begin: behind the chunks for `count` packets. */
static bool skip_chunks(struct sg_reader *r, unsigned count)
{
	struct chunks c = { .r = *r };
	enum symbol s;

	while (count) {
		if (!next_symbol(&c, &s))
			return false;
		unsigned rest = c.left < count - 1 ? c.left : count - 1;
		if (c.chunk & 0x8000) { /* a vector may hold a reserved symbol */
			for (unsigned i = 0; i < rest; i++)
				if (!next_symbol(&c, &s))
					return false;
		}
		count -= 1 + rest;
		c.left = 0;
	}
	*r = c.r;
	return true;
}

static bool read_delta(struct sg_reader *r, enum symbol s, int64_t *at_us)
{
	uint8_t small;
	uint16_t large;

	if (s == SMALL_DELTA && sg_read_u8(r, &small))
		*at_us += small * DELTA_US;
	else if (s == LARGE_DELTA && sg_read_be16(r, &large))
		*at_us += (int16_t)large * DELTA_US;
	else
		return false;
	return true;
}

enum sg_result sg_rtcp_twcc_parse(
    const struct sg_rtcp_packet *p, struct sg_twcc_status *out, size_t max, size_t *count)
{
	struct sg_reader r = { p->body, p->body_size };
	uint16_t base, total;
	uint32_t reference;
	uint8_t number;
	enum symbol s;

	*count = 0;
	if (!sg_read_be16(&r, &base) || !sg_read_be16(&r, &total) || !sg_read_be24(&r, &reference) ||
	    !sg_read_u8(&r, &number))
		return SG_ERR_BAD_INPUT;
	int64_t at_us = (int64_t)((int32_t)(reference << 8) >> 8) * REFERENCE_US;
	struct chunks c = { .r = r };
	if (!skip_chunks(&r, total))
		return SG_ERR_BAD_INPUT;
	size_t n = 0;
	for (unsigned i = 0; i < total; i++) {
		if (!next_symbol(&c, &s) || (s != NOT_RECEIVED && !read_delta(&r, s, &at_us)))
			return SG_ERR_BAD_INPUT;
		if (n < max)
			out[n++] = (struct sg_twcc_status){ (uint16_t)(base + i), s != NOT_RECEIVED, at_us };
	}
	*count = n;
	return SG_OK;
}

/* ---- arriving ---- */

void sg_twcc_init(struct sg_twcc *t)
{
	t->started = false;
	t->feedbacks = 0;
	t->base = t->newest = 0;
}

static int64_t *arrival(struct sg_twcc *t, int64_t number)
{
	return &t->arrived_us[(uint64_t)number % SG_TWCC_WINDOW];
}

static void start(struct sg_twcc *t, uint16_t seq)
{
	t->started = true;
	/* Far from zero, so that what is a little older is not negative. */
	t->base = t->newest = (int64_t)seq + 65536;
	for (int64_t i = 0; i < SG_TWCC_WINDOW; i++)
		t->arrived_us[i] = -1;
}

void sg_twcc_arrived(struct sg_twcc *t, uint16_t seq, int64_t now_us)
{
	if (!t->started)
		start(t, seq);
	int64_t number = t->newest + (int16_t)(uint16_t)(seq - (uint16_t)t->newest);
	if (number <= t->newest - SG_TWCC_WINDOW)
		return;
	if (number - t->newest >= SG_TWCC_WINDOW) { /* everything in between is lost; begin here */
		uint16_t from = (uint16_t)number;
		start(t, from);
		number = t->newest;
	}
	while (t->newest < number)
		*arrival(t, ++t->newest) = -1;
	if (*arrival(t, number) < 0)
		*arrival(t, number) = now_us;
	/* Told as lost before: told again, as libwebrtc does. */
	if (number < t->base)
		t->base = number;
	if (t->base <= t->newest - SG_TWCC_WINDOW)
		t->base = t->newest - SG_TWCC_WINDOW + 1;
}

/* ---- writing ---- */

#define FEEDBACK_PACKETS 350 /* two bytes of delta each and their chunks stay below 1100 bytes */

struct feedback {
	uint8_t symbols[FEEDBACK_PACKETS];
	int16_t deltas[FEEDBACK_PACKETS];
	unsigned count;
	int64_t reference; /* in 64 ms */
};

/* From the base on, as many as fit: up to one whose delta cannot be written. False: nothing of it arrived. */
static bool collect(struct sg_twcc *t, struct feedback *f)
{
	int64_t last_250us = 0;
	bool has_first = false;

	f->count = 0;
	f->reference = 0;
	for (; t->base <= t->newest && f->count < FEEDBACK_PACKETS; t->base++) {
		int64_t at_us = *arrival(t, t->base);
		if (at_us < 0) {
			f->symbols[f->count++] = NOT_RECEIVED;
			continue;
		}
		if (!has_first) {
			f->reference = at_us / REFERENCE_US;
			last_250us = f->reference * (REFERENCE_US / DELTA_US);
			has_first = true;
		}
		int64_t delta = at_us / DELTA_US - last_250us;
		if (delta < INT16_MIN || delta > INT16_MAX)
			break;
		last_250us += delta;
		f->symbols[f->count] = delta >= 0 && delta <= 255 ? SMALL_DELTA : LARGE_DELTA;
		f->deltas[f->count++] = (int16_t)delta;
	}
	return has_first;
}

static void put_chunks(struct sg_buf *b, const struct feedback *f)
{
	for (unsigned i = 0; i < f->count;) {
		unsigned run = 1;
		while (i + run < f->count && f->symbols[i + run] == f->symbols[i])
			run++;
		if (run >= VECTOR_2) {
			sg_buf_put_be16(b, (uint16_t)(f->symbols[i] << 13 | run));
			i += run;
			continue;
		}
		unsigned chunk = 0xc000;
		for (unsigned k = 0; k < VECTOR_2; k++)
			chunk |= (unsigned)(i + k < f->count ? f->symbols[i + k] : NOT_RECEIVED) << (12 - 2 * k);
		sg_buf_put_be16(b, (uint16_t)chunk);
		i += VECTOR_2;
	}
}

static void put_deltas(struct sg_buf *b, const struct feedback *f)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (f->symbols[i] == SMALL_DELTA)
			sg_buf_put_u8(b, (uint8_t)f->deltas[i]);
		else if (f->symbols[i] == LARGE_DELTA)
			sg_buf_put_be16(b, (uint16_t)f->deltas[i]);
	}
}

bool sg_twcc_write(struct sg_twcc *t, struct sg_buf *b, uint32_t sender_ssrc, uint32_t media_ssrc)
{
	struct feedback f;
	size_t at = b->len;

	if (!t->started)
		return false;
	do { /* a feedback without a single arrival says nothing */
		if (t->base > t->newest)
			return false;
	} while (!collect(t, &f));
	uint16_t first = (uint16_t)(t->base - f.count);
	sg_buf_put_u8(b, 0x80 | FMT_TRANSPORT_CC);
	sg_buf_put_u8(b, PT_RTPFB);
	sg_buf_put_be16(b, 0); /* length */
	sg_buf_put_be32(b, sender_ssrc);
	sg_buf_put_be32(b, media_ssrc);
	sg_buf_put_be16(b, first);
	sg_buf_put_be16(b, (uint16_t)f.count);
	sg_buf_put_be24(b, (uint32_t)f.reference & 0xffffff);
	sg_buf_put_u8(b, t->feedbacks++);
	put_chunks(b, &f);
	put_deltas(b, &f);
	while ((b->len - at) % 4)
		sg_buf_put_u8(b, 0);
	if (!b->failed)
		sg_put_be16(b->p + at + 2, (uint16_t)((b->len - at) / 4 - 1));
	return !b->failed;
}
