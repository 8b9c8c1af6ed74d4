/* rtcp.c - RTCP packets, read and written. */
#include "webrtc/rtcp.h"
#include <stdlib.h>

enum { PT_SR = 200, PT_RR = 201, PT_SDES = 202, PT_BYE = 203, PT_RTPFB = 205, PT_PSFB = 206, PT_XR = 207 };
enum { FMT_NACK = 1, FMT_TRANSPORT_CC = 15, FMT_PLI = 1, FMT_FIR = 4, FMT_AFB = 15 };
enum { BLOCK_BYTES = 24, SENDER_BYTES = 20, FIR_BYTES = 8 };
enum { XR_REFERENCE_TIME = 4, XR_DLRR = 5, XR_REFERENCE_BYTES = 8, XR_DLRR_BYTES = 12 };

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* ---- reading ---- */

/* RFC 3550 sections 6.4.1, 6.4.2. */
static bool read_report(struct sg_reader *r, struct sg_rtcp_packet *out, bool is_sender)
{
	if (!sg_read_be32(r, &out->sender_ssrc))
		return false;
	if (is_sender && (!sg_read_be64(r, &out->ntp) || !sg_read_be32(r, &out->rtp_timestamp) ||
			     !sg_read_be32(r, &out->packets) || !sg_read_be32(r, &out->octets)))
		return false;
	out->type = is_sender ? SG_RTCP_SR : SG_RTCP_RR;
	return r->left >= (size_t)out->count * BLOCK_BYTES;
}

static bool read_bye(struct sg_reader *r, struct sg_rtcp_packet *out)
{
	if (r->left < 4u * out->count)
		return false;
	out->type = SG_RTCP_BYE;
	out->sender_ssrc = out->count ? be32(r->p) : 0;
	return true;
}

/* Nobody needs its texts. */
static bool read_sdes(struct sg_reader *r, struct sg_rtcp_packet *out)
{
	out->type = SG_RTCP_SDES;
	if (!out->count)
		return true;
	if (r->left < 4)
		return false;
	out->sender_ssrc = be32(r->p);
	return true;
}

/* draft-alvestrand-rmcat-remb-03 section 2.2. */
static bool read_remb(struct sg_reader *r, struct sg_rtcp_packet *out)
{
	uint8_t count;
	uint32_t rate;

	if (r->left < 4 || memcmp(r->p, "REMB", 4) != 0)
		return true; /* another application's */
	if (!sg_read_skip(r, 4) || !sg_read_u8(r, &count) || !sg_read_be24(r, &rate) || r->left < 4u * count)
		return false;
	unsigned exponent = rate >> 18;
	uint64_t mantissa = rate & 0x3ffff;
	out->bit_rate = exponent > 45 ? UINT64_MAX >> 1 : mantissa << exponent;
	out->type = SG_RTCP_REMB;
	out->count = count;
	return true;
}

/* RFC 4585 section 6.1; `format` stands where others have their count. */
static bool read_feedback(struct sg_reader *r, struct sg_rtcp_packet *out, uint8_t pt, unsigned format)
{
	if (!sg_read_be32(r, &out->sender_ssrc) || !sg_read_be32(r, &out->media_ssrc))
		return false;
	out->count = 0;
	if (pt == PT_RTPFB && format == FMT_NACK) {
		out->type = SG_RTCP_NACK;
		out->count = (unsigned)(r->left / 4);
	} else if (pt == PT_RTPFB && format == FMT_TRANSPORT_CC) {
		out->type = SG_RTCP_TRANSPORT_CC;
		return r->left >= 8;
	} else if (pt == PT_PSFB && format == FMT_PLI) {
		out->type = SG_RTCP_PLI;
	} else if (pt == PT_PSFB && format == FMT_FIR) {
		out->type = SG_RTCP_FIR;
		out->count = (unsigned)(r->left / FIR_BYTES);
	} else if (pt == PT_PSFB && format == FMT_AFB) {
		return read_remb(r, out);
	}
	return true;
}

enum sg_result sg_rtcp_next(struct sg_reader *in, struct sg_rtcp_packet *out)
{
	struct sg_reader r;
	uint8_t first, pt;
	uint16_t words;
	const uint8_t *p;
	bool ok = true;

	*out = (struct sg_rtcp_packet){ .type = SG_RTCP_OTHER };
	if (!in->left)
		return SG_NEED_MORE;
	if (!sg_read_u8(in, &first) || first >> 6 != 2 || !sg_read_u8(in, &pt) ||
	    !sg_read_be16(in, &words) || !sg_read_bytes(in, 4u * words, &p))
		return SG_ERR_BAD_INPUT;
	r = (struct sg_reader){ p, 4u * words };
	if (first & 0x20) { /* padding */
		if (!r.left || !p[r.left - 1] || p[r.left - 1] > r.left)
			return SG_ERR_BAD_INPUT;
		r.left -= p[r.left - 1];
	}
	out->count = first & 31;
	switch (pt) {
	case PT_SR:
	case PT_RR:
		ok = read_report(&r, out, pt == PT_SR);
		break;
	case PT_SDES:
		ok = read_sdes(&r, out);
		break;
	case PT_BYE:
		ok = read_bye(&r, out);
		break;
	case PT_RTPFB:
	case PT_PSFB:
		ok = read_feedback(&r, out, pt, first & 31);
		break;
	case PT_XR:
		ok = sg_read_be32(&r, &out->sender_ssrc);
		out->type = SG_RTCP_XR;
		out->count = 0;
		break;
	default:
		break;
	}
	if (!ok) {
		*out = (struct sg_rtcp_packet){ .type = SG_RTCP_OTHER };
		return SG_ERR_BAD_INPUT;
	}
	out->body = r.p;
	out->body_size = r.left;
	return SG_OK;
}

void sg_rtcp_get_block(const struct sg_rtcp_packet *p, unsigned i, struct sg_rtcp_block *out)
{
	const uint8_t *b = p->body + (size_t)i * BLOCK_BYTES;
	uint32_t lost = be32(b + 4) & 0xffffff;

	out->ssrc = be32(b);
	out->fraction_lost = b[4];
	out->lost = (int32_t)(lost << 8) >> 8;
	out->highest_seq = be32(b + 8);
	out->jitter = be32(b + 12);
	out->last_sr = be32(b + 16);
	out->delay_since_sr = be32(b + 20);
}

bool sg_rtcp_names(const struct sg_rtcp_packet *p, uint32_t ssrc)
{
	size_t step = p->type == SG_RTCP_FIR ? FIR_BYTES : 4;

	if (p->type != SG_RTCP_BYE && p->type != SG_RTCP_FIR && p->type != SG_RTCP_REMB)
		return false;
	for (unsigned i = 0; i < p->count; i++)
		if (be32(p->body + i * step) == ssrc)
			return true;
	return false;
}

int sg_rtcp_fir_number(const struct sg_rtcp_packet *p, uint32_t ssrc)
{
	for (unsigned i = 0; p->type == SG_RTCP_FIR && i < p->count; i++)
		if (be32(p->body + i * FIR_BYTES) == ssrc)
			return p->body[i * FIR_BYTES + 4];
	return -1;
}

size_t sg_rtcp_nack_seqs(const struct sg_rtcp_packet *p, uint16_t *seqs, size_t max)
{
	size_t n = 0;

	for (unsigned i = 0; p->type == SG_RTCP_NACK && i < p->count; i++) {
		uint16_t seq = be16(p->body + 4 * i), more = be16(p->body + 4 * i + 2);
		if (n < max)
			seqs[n++] = seq;
		for (unsigned bit = 0; bit < 16; bit++)
			if (more >> bit & 1 && n < max)
				seqs[n++] = (uint16_t)(seq + bit + 1);
	}
	return n;
}

/* The next block of an extended report (RFC 3611 section 3). */
static bool next_xr(struct sg_reader *r, uint8_t *type, struct sg_reader *out)
{
	uint8_t reserved;
	uint16_t words;

	if (!sg_read_u8(r, type) || !sg_read_u8(r, &reserved) || !sg_read_be16(r, &words) ||
	    !sg_read_bytes(r, 4u * words, &out->p))
		return false;
	out->left = 4u * words;
	return true;
}

bool sg_rtcp_get_answer(const struct sg_rtcp_packet *p, uint32_t ssrc, struct sg_rtcp_block *out)
{
	struct sg_reader r = { p->body, p->body_size }, block;
	uint8_t type;

	*out = (struct sg_rtcp_block){ 0 };
	while (p->type == SG_RTCP_XR && next_xr(&r, &type, &block)) {
		while (type == XR_DLRR && block.left >= XR_DLRR_BYTES) {
			bool read = sg_read_be32(&block, &out->ssrc) && sg_read_be32(&block, &out->last_sr) &&
				    sg_read_be32(&block, &out->delay_since_sr);
			if (read && out->ssrc == ssrc)
				return true;
		}
	}
	return false;
}

uint64_t sg_rtcp_reference_time(const struct sg_rtcp_packet *p)
{
	struct sg_reader r = { p->body, p->body_size }, block;
	uint64_t ntp;
	uint8_t type;

	while (p->type == SG_RTCP_XR && next_xr(&r, &type, &block))
		if (type == XR_REFERENCE_TIME && sg_read_be64(&block, &ntp))
			return ntp;
	return 0;
}

double sg_rtcp_round_trip_ms(const struct sg_rtcp_block *b, uint64_t now_ntp)
{
	if (!b->last_sr)
		return -1;
	int32_t rtt = (int32_t)((uint32_t)(now_ntp >> 16) - b->last_sr - b->delay_since_sr);
	/* Clocks that were set, or a peer that is wrong about its delay. */
	return rtt < 0 ? 0 : (double)rtt * 1000 / 65536;
}

/* ---- writing ---- */

uint64_t sg_ntp_from_unix_us(int64_t unix_us)
{
	const int64_t to_1900_s = 2208988800;

	return (uint64_t)(unix_us / 1000000 + to_1900_s) << 32 |
	       ((uint64_t)(unix_us % 1000000) << 32) / 1000000;
}

static void put_head(struct sg_buf *b, unsigned count, uint8_t pt, size_t body_bytes)
{
	sg_buf_put_u8(b, (uint8_t)(0x80 | count));
	sg_buf_put_u8(b, pt);
	sg_buf_put_be16(b, (uint16_t)(body_bytes / 4));
}

static void put_feedback_head(struct sg_buf *b, unsigned format, uint8_t pt, uint32_t sender,
    uint32_t media, size_t fci_bytes)
{
	put_head(b, format, pt, 8 + fci_bytes);
	sg_buf_put_be32(b, sender);
	sg_buf_put_be32(b, media);
}

static void put_blocks(struct sg_buf *b, const struct sg_rtcp_block *blocks, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		sg_buf_put_be32(b, blocks[i].ssrc);
		sg_buf_put_be32(
		    b, (uint32_t)blocks[i].fraction_lost << 24 | ((uint32_t)blocks[i].lost & 0xffffff));
		sg_buf_put_be32(b, blocks[i].highest_seq);
		sg_buf_put_be32(b, blocks[i].jitter);
		sg_buf_put_be32(b, blocks[i].last_sr);
		sg_buf_put_be32(b, blocks[i].delay_since_sr);
	}
}

void sg_rtcp_write_sr(struct sg_buf *b, const struct sg_rtcp_sender *s,
    const struct sg_rtcp_block *blocks, unsigned count)
{
	put_head(b, count, PT_SR, 4 + SENDER_BYTES + (size_t)count * BLOCK_BYTES);
	sg_buf_put_be32(b, s->ssrc);
	sg_buf_put_be32(b, (uint32_t)(s->ntp >> 32));
	sg_buf_put_be32(b, (uint32_t)s->ntp);
	sg_buf_put_be32(b, s->rtp_timestamp);
	sg_buf_put_be32(b, s->packets);
	sg_buf_put_be32(b, s->octets);
	put_blocks(b, blocks, count);
}

void sg_rtcp_write_rr(
    struct sg_buf *b, uint32_t sender_ssrc, const struct sg_rtcp_block *blocks, unsigned count)
{
	put_head(b, count, PT_RR, 4 + (size_t)count * BLOCK_BYTES);
	sg_buf_put_be32(b, sender_ssrc);
	put_blocks(b, blocks, count);
}

/* RFC 3550 section 6.5: the list of items ends with at least one zero, and at a word's end. */
void sg_rtcp_write_sdes(struct sg_buf *b, uint32_t ssrc, const char *cname)
{
	enum { CNAME = 1 };
	size_t len = strlen(cname), bytes;

	if (len > 255)
		len = 255;
	bytes = (4 + 2 + len + 1 + 3) / 4 * 4;
	put_head(b, 1, PT_SDES, bytes);
	sg_buf_put_be32(b, ssrc);
	sg_buf_put_u8(b, CNAME);
	sg_buf_put_u8(b, (uint8_t)len);
	sg_buf_append(b, cname, len);
	for (size_t n = 4 + 2 + len; n < bytes; n++)
		sg_buf_put_u8(b, 0);
}

static void put_xr_head(struct sg_buf *b, uint32_t sender, uint8_t type, size_t bytes)
{
	put_head(b, 0, PT_XR, 4 + 4 + bytes);
	sg_buf_put_be32(b, sender);
	sg_buf_put_u8(b, type);
	sg_buf_put_u8(b, 0);
	sg_buf_put_be16(b, (uint16_t)(bytes / 4));
}

void sg_rtcp_write_reference_time(struct sg_buf *b, uint32_t sender_ssrc, uint64_t ntp)
{
	put_xr_head(b, sender_ssrc, XR_REFERENCE_TIME, XR_REFERENCE_BYTES);
	sg_buf_put_be32(b, (uint32_t)(ntp >> 32));
	sg_buf_put_be32(b, (uint32_t)ntp);
}

void sg_rtcp_write_answer(struct sg_buf *b, uint32_t sender_ssrc, uint32_t ssrc, uint64_t ntp, uint32_t delay)
{
	put_xr_head(b, sender_ssrc, XR_DLRR, XR_DLRR_BYTES);
	sg_buf_put_be32(b, ssrc);
	sg_buf_put_be32(b, (uint32_t)(ntp >> 16));
	sg_buf_put_be32(b, delay);
}

void sg_rtcp_write_bye(struct sg_buf *b, uint32_t ssrc)
{
	put_head(b, 1, PT_BYE, 4);
	sg_buf_put_be32(b, ssrc);
}

/* Takes as many of `seqs` as fit in one entry; answers how many. */
static size_t pack_nack(const uint16_t *seqs, size_t count, uint16_t *more)
{
	size_t n = 1;

	*more = 0;
	for (; n < count; n++) {
		unsigned ahead = (uint16_t)(seqs[n] - seqs[0]);
		if (ahead < 1 || ahead > 16)
			break;
		*more |= (uint16_t)(1u << (ahead - 1));
	}
	return n;
}

void sg_rtcp_write_nack(struct sg_buf *b, uint32_t sender_ssrc, uint32_t media_ssrc,
    const uint16_t *seqs, size_t count)
{
	size_t entries = 0;
	uint16_t more;

	for (size_t i = 0; i < count; i += pack_nack(seqs + i, count - i, &more))
		entries++;
	put_feedback_head(b, FMT_NACK, PT_RTPFB, sender_ssrc, media_ssrc, 4 * entries);
	for (size_t i = 0, n; i < count; i += n) {
		n = pack_nack(seqs + i, count - i, &more);
		sg_buf_put_be16(b, seqs[i]);
		sg_buf_put_be16(b, more);
	}
}

void sg_rtcp_write_pli(struct sg_buf *b, uint32_t sender_ssrc, uint32_t media_ssrc)
{
	put_feedback_head(b, FMT_PLI, PT_PSFB, sender_ssrc, media_ssrc, 0);
}

/* RFC 5104 section 4.3.1: the media source of the header is 0, the entry names it. */
void sg_rtcp_write_fir(struct sg_buf *b, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t number)
{
	put_feedback_head(b, FMT_FIR, PT_PSFB, sender_ssrc, 0, FIR_BYTES);
	sg_buf_put_be32(b, media_ssrc);
	sg_buf_put_be32(b, (uint32_t)number << 24);
}

void sg_rtcp_write_remb(struct sg_buf *b, uint32_t sender_ssrc, uint64_t bit_rate,
    const uint32_t *ssrcs, unsigned count)
{
	unsigned exponent = 0;

	while (bit_rate >> exponent > 0x3ffff)
		exponent++;
	put_feedback_head(b, FMT_AFB, PT_PSFB, sender_ssrc, 0, 8 + 4 * (size_t)count);
	sg_buf_puts(b, "REMB");
	sg_buf_put_u8(b, (uint8_t)count);
	sg_buf_put_be24(b, exponent << 18 | (uint32_t)(bit_rate >> exponent));
	for (unsigned i = 0; i < count; i++)
		sg_buf_put_be32(b, ssrcs[i]);
}

/* ---- sums (RFC 3550 appendix A) ---- */

#define SEQ_MOD 65536u
#define MAX_DROPOUT 3000
#define MAX_MISORDER 100
#define NO_BAD_SEQ (SEQ_MOD + 1)

void sg_rtcp_source_init(struct sg_rtcp_source *s, uint32_t ssrc, uint32_t rate)
{
	*s = (struct sg_rtcp_source){ .ssrc = ssrc, .rate = rate, .last_sr_us = -1 };
}

static void restart(struct sg_rtcp_source *s, uint16_t seq)
{
	s->started = true;
	s->base_seq = s->max_seq = seq;
	s->bad_seq = NO_BAD_SEQ;
	s->cycles = s->received = s->expected_prior = s->received_prior = 0;
	s->transit = s->jitter_16 = 0;
}

/* A.1. */
static bool update_seq(struct sg_rtcp_source *s, uint16_t seq)
{
	uint16_t ahead = (uint16_t)(seq - s->max_seq);

	if (ahead < MAX_DROPOUT) {
		if (seq < s->max_seq)
			s->cycles += SEQ_MOD;
		s->max_seq = seq;
	} else if (ahead <= SEQ_MOD - MAX_MISORDER) {
		if (seq != s->bad_seq) {
			s->bad_seq = (seq + 1u) & (SEQ_MOD - 1);
			return false;
		}
		restart(s, seq); /* two in a row: the other side began anew */
	}
	s->received++;
	return true;
}

/* A.8. */
static void update_jitter(struct sg_rtcp_source *s, uint32_t timestamp, int64_t now_us)
{
	uint32_t arrival = (uint32_t)((__int128)now_us * s->rate / 1000000);
	uint32_t transit = arrival - timestamp;
	int32_t d = (int32_t)(transit - s->transit);
	bool first = s->received == 1;

	s->transit = transit;
	if (first)
		return;
	uint32_t abs_d = d < 0 ? 0u - (uint32_t)d : (uint32_t)d;
	s->jitter_16 += abs_d - ((s->jitter_16 + 8) >> 4);
}

bool sg_rtcp_source_packet(struct sg_rtcp_source *s, uint16_t seq, uint32_t timestamp, int64_t now_us)
{
	if (!s->started)
		restart(s, seq);
	if (!update_seq(s, seq))
		return false;
	update_jitter(s, timestamp, now_us);
	return true;
}

void sg_rtcp_source_sr(struct sg_rtcp_source *s, uint64_t ntp, int64_t now_us)
{
	s->last_sr_ntp = ntp;
	s->last_sr_us = now_us;
}

uint32_t sg_rtcp_source_highest(const struct sg_rtcp_source *s)
{
	return s->cycles + s->max_seq;
}

/* A.3. */
void sg_rtcp_source_report(struct sg_rtcp_source *s, int64_t now_us, struct sg_rtcp_block *out)
{
	uint32_t expected = s->started ? sg_rtcp_source_highest(s) - s->base_seq + 1 : 0;
	int64_t lost = (int64_t)expected - s->received;
	uint32_t expected_now = expected - s->expected_prior;
	int64_t lost_now = (int64_t)expected_now - (s->received - s->received_prior);

	s->expected_prior = expected;
	s->received_prior = s->received;
	*out = (struct sg_rtcp_block){ .ssrc = s->ssrc,
		.highest_seq = sg_rtcp_source_highest(s),
		.jitter = s->jitter_16 >> 4 };
	out->lost = (int32_t)(lost > 0x7fffff ? 0x7fffff : lost < -0x800000 ? -0x800000 : lost);
	if (expected_now && lost_now > 0)
		out->fraction_lost = (uint8_t)(lost_now >= expected_now ? 255 : (lost_now << 8) / expected_now);
	if (s->last_sr_us >= 0) {
		out->last_sr = (uint32_t)(s->last_sr_ntp >> 16);
		out->delay_since_sr = (uint32_t)((now_us - s->last_sr_us) * 65536 / 1000000);
	}
}
