/* rtcp.h - RTCP: compound packets read and written, and the sums behind reports.
 *
 * Pure: bytes and a clock. Sources: RFC 3550 section 6 and appendix A, RFC 3611 (XR), RFC 4585 (NACK, PLI), RFC
 * 5104 (FIR), draft-alvestrand-rmcat-remb-03, draft-holmer-rmcat-transport-wide-cc-extensions-01.
 * Reduced-size packets (RFC 5506) are read like compound ones. */
#ifndef SG_WEBRTC_RTCP_H
#define SG_WEBRTC_RTCP_H

#include "base/bytes.h"

/* ---- reading ---- */

enum sg_rtcp_type {
	SG_RTCP_OTHER, /* well-formed, not one of these: ignore */
	SG_RTCP_SR, SG_RTCP_RR, SG_RTCP_SDES, SG_RTCP_BYE,
	SG_RTCP_NACK, SG_RTCP_PLI, SG_RTCP_FIR, SG_RTCP_REMB, SG_RTCP_TRANSPORT_CC, SG_RTCP_XR,
};

struct sg_rtcp_packet {
	enum sg_rtcp_type type;
	uint32_t sender_ssrc; /* SR, RR, XR, feedback; SDES, BYE: the first source */
	uint32_t media_ssrc;  /* feedback */
	unsigned count;       /* SR, RR: report blocks; SDES, BYE: sources; FIR, REMB: entries */
	/* SR */
	uint64_t ntp; /* 32.32 seconds since 1900 */
	uint32_t rtp_timestamp, packets, octets;
	/* REMB */
	uint64_t bit_rate;
	/* The part behind, for the functions below. Borrowed. */
	const uint8_t *body;
	size_t body_size;
};

/* Takes the next packet out of a compound one. SG_NEED_MORE: nothing left. SG_ERR_BAD_INPUT: drop the
 * rest; what was given before holds. */
SG_MUST_CHECK enum sg_result sg_rtcp_next(struct sg_reader *in, struct sg_rtcp_packet *out);

struct sg_rtcp_block {
	uint32_t ssrc;
	uint8_t fraction_lost; /* of 256 */
	int32_t lost;          /* cumulative, 24 bits signed */
	uint32_t highest_seq, jitter, last_sr, delay_since_sr; /* last_sr: middle 32 bits of NTP; delay 1/65536 s */
};
/* SR, RR: block `i` < count. */
void sg_rtcp_get_block(const struct sg_rtcp_packet *p, unsigned i, struct sg_rtcp_block *out);
/* BYE: does it name `ssrc`? FIR, REMB: is it meant for `ssrc`? */
bool sg_rtcp_names(const struct sg_rtcp_packet *p, uint32_t ssrc);
/* FIR: the command number for `ssrc` (a repeated number is the same command), -1 when not named. */
int sg_rtcp_fir_number(const struct sg_rtcp_packet *p, uint32_t ssrc);
/* NACK: the sequence numbers asked for, at most `max`; answers how many. */
size_t sg_rtcp_nack_seqs(const struct sg_rtcp_packet *p, uint16_t *seqs, size_t max);

/* XR: what it answers to the reference time that `ssrc` sent (DLRR, RFC 3611 section 4.5), as a block of which
 * last_sr and delay_since_sr are set; false: nothing. */
bool sg_rtcp_get_answer(const struct sg_rtcp_packet *p, uint32_t ssrc, struct sg_rtcp_block *out);
/* XR: the reference time in it, to be answered (section 4.4); 0 none. */
uint64_t sg_rtcp_reference_time(const struct sg_rtcp_packet *p);

/* Round trip in ms from a block about ourselves, when it came at `now_ntp`; -1 unknown (RFC 3550
 * section 6.4.1). */
double sg_rtcp_round_trip_ms(const struct sg_rtcp_block *b, uint64_t now_ntp);

struct sg_twcc_status {
	uint16_t seq;
	bool received;
	int64_t arrived_us; /* on the receiver's clock, of use as differences */
};
/* TRANSPORT_CC: what arrived, at most `max`. SG_ERR_BAD_INPUT: malformed; *count = 0. */
SG_MUST_CHECK enum sg_result sg_rtcp_twcc_parse(
    const struct sg_rtcp_packet *p, struct sg_twcc_status *out, size_t max, size_t *count);

/* ---- writing: appends to a buffer; it fails as buffers do ---- */

/* Unix microseconds as NTP 32.32. */
uint64_t sg_ntp_from_unix_us(int64_t unix_us);

struct sg_rtcp_sender {
	uint32_t ssrc, rtp_timestamp, packets, octets;
	uint64_t ntp;
};
void sg_rtcp_write_sr(struct sg_buf *b, const struct sg_rtcp_sender *s,
    const struct sg_rtcp_block *blocks, unsigned count); /* count at most 31 */
void sg_rtcp_write_rr(
    struct sg_buf *b, uint32_t sender_ssrc, const struct sg_rtcp_block *blocks, unsigned count);
void sg_rtcp_write_sdes(struct sg_buf *b, uint32_t ssrc, const char *cname); /* cname up to 255 bytes */
/* What a receiver asks, since it sends nothing that is reported about: XR with its reference time. */
void sg_rtcp_write_reference_time(struct sg_buf *b, uint32_t sender_ssrc, uint64_t ntp);
/* And what is answered: `ntp` came `delay` (1/65536 s) ago from `ssrc`. */
void sg_rtcp_write_answer(struct sg_buf *b, uint32_t sender_ssrc, uint32_t ssrc, uint64_t ntp, uint32_t delay);
void sg_rtcp_write_bye(struct sg_buf *b, uint32_t ssrc);
/* `seqs` in ascending order (wrapping allowed) packs best. */
void sg_rtcp_write_nack(struct sg_buf *b, uint32_t sender_ssrc, uint32_t media_ssrc,
    const uint16_t *seqs, size_t count);
void sg_rtcp_write_pli(struct sg_buf *b, uint32_t sender_ssrc, uint32_t media_ssrc);
void sg_rtcp_write_fir(struct sg_buf *b, uint32_t sender_ssrc, uint32_t media_ssrc, uint8_t number);
void sg_rtcp_write_remb(struct sg_buf *b, uint32_t sender_ssrc, uint64_t bit_rate,
    const uint32_t *ssrcs, unsigned count);

/* ---- receiving: what a report block says (RFC 3550 A.1, A.3, A.8) ---- */

/* One source. A value: sg_rtcp_source_init to begin. */
struct sg_rtcp_source {
	uint32_t ssrc, rate;
	bool started;
	uint16_t max_seq;
	uint32_t cycles, base_seq, bad_seq;
	uint32_t received, expected_prior, received_prior;
	uint32_t transit, jitter_16; /* jitter in 1/16 timestamp units */
	uint64_t last_sr_ntp;
	int64_t last_sr_us; /* -1: none */
};
void sg_rtcp_source_init(struct sg_rtcp_source *s, uint32_t ssrc, uint32_t rate);
/* Each packet, also late ones and duplicates. `now_us` monotonic. False: so far from the others that
 * it is taken for a stray (two such in a row are a source that began anew). */
bool sg_rtcp_source_packet(
    struct sg_rtcp_source *s, uint16_t seq, uint32_t timestamp, int64_t now_us);
void sg_rtcp_source_sr(struct sg_rtcp_source *s, uint64_t ntp, int64_t now_us);
/* The block for the next report; begins a new interval. */
void sg_rtcp_source_report(struct sg_rtcp_source *s, int64_t now_us, struct sg_rtcp_block *out);
uint32_t sg_rtcp_source_highest(const struct sg_rtcp_source *s); /* extended sequence number */

/* ---- transport-wide feedback to a publisher ---- */

#define SG_TWCC_WINDOW 1024 /* packets remembered between two feedbacks; older ones are forgotten */
struct sg_twcc {
	bool started;
	uint8_t feedbacks;
	int64_t base;  /* unwrapped number of the next packet to report about */
	int64_t newest;
	int64_t arrived_us[SG_TWCC_WINDOW]; /* by number modulo window; -1 = not (yet) */
};
void sg_twcc_init(struct sg_twcc *t);
void sg_twcc_arrived(struct sg_twcc *t, uint16_t seq, int64_t now_us);
/* Appends one feedback about everything since the last, at most 1100 bytes; false: nothing new.
 * Send every 50 to 100 ms. */
bool sg_twcc_write(struct sg_twcc *t, struct sg_buf *b, uint32_t sender_ssrc, uint32_t media_ssrc);

#endif
