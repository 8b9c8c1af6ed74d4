/* rtp.c - RTP's header and header extensions; tracks on one timeline. */
#include "webrtc/rtp.h"

/* ---- reading ---- */

enum { ONE_BYTE = 0xbede, TWO_BYTE = 0x1000, STOP_ID = 15 };

static void take_extension(
    struct sg_rtp_packet *out, const struct sg_rtp_extmap *ids, uint8_t id, const uint8_t *p, size_t len)
{
	if (id == ids->mid && len) {
		out->mid = (struct sg_str){ (const char *)p, len };
	} else if (id == ids->transport_cc && len >= 2) {
		out->has_transport_cc = true;
		out->transport_cc = (uint16_t)(p[0] << 8 | p[1]);
	} else if (id == ids->abs_send_time && len >= 3) {
		out->has_abs_send_time = true;
		out->abs_send_time = (uint32_t)(p[0] << 16 | p[1] << 8 | p[2]);
	} else if (id == ids->audio_level && len >= 1) {
		out->has_audio_level = true;
		out->audio_level = p[0] & 0x7f;
	}
}

/* RFC 8285 sections 4.2 and 4.3. An element that runs over the end ends the reading: what is inside the
 * block harms nobody. */
static void read_extensions(
    struct sg_rtp_packet *out, const struct sg_rtp_extmap *ids, uint16_t profile, struct sg_reader r)
{
	bool one_byte = profile == ONE_BYTE;
	const uint8_t *data;
	uint8_t id, len;

	if (!one_byte && (profile & 0xfff0) != TWO_BYTE)
		return;
	while (sg_read_u8(&r, &id)) {
		if (id == 0) /* padding */
			continue;
		if (one_byte) {
			len = (uint8_t)((id & 15) + 1);
			id >>= 4;
			if (id == STOP_ID)
				return;
		} else if (!sg_read_u8(&r, &len)) {
			return;
		}
		if (!sg_read_bytes(&r, len, &data))
			return;
		if (id)
			take_extension(out, ids, id, data, len);
	}
}

/* RFC 3550 section 5.1. */
enum sg_result sg_rtp_parse(
    struct sg_rtp_packet *out, const uint8_t *p, size_t len, const struct sg_rtp_extmap *ids)
{
	struct sg_reader r = { p, len };
	uint8_t first, second;
	const uint8_t *block;

	*out = (struct sg_rtp_packet){ 0 };
	if (!sg_read_u8(&r, &first) || !sg_read_u8(&r, &second) || first >> 6 != 2 ||
	    !sg_read_be16(&r, &out->seq) || !sg_read_be32(&r, &out->timestamp) ||
	    !sg_read_be32(&r, &out->ssrc) || !sg_read_skip(&r, 4u * (first & 15)))
		return SG_ERR_BAD_INPUT;
	out->marker = second & 0x80;
	out->payload_type = second & 0x7f;
	if (first & 0x10) {
		uint16_t profile, words;
		if (!sg_read_be16(&r, &profile) || !sg_read_be16(&r, &words) ||
		    !sg_read_bytes(&r, 4u * words, &block))
			return SG_ERR_BAD_INPUT;
		if (ids)
			read_extensions(out, ids, profile, (struct sg_reader){ block, 4u * words });
	}
	if (first & 0x20) {
		if (!r.left || r.p[r.left - 1] == 0 || r.p[r.left - 1] > r.left)
			return SG_ERR_BAD_INPUT;
		r.left -= r.p[r.left - 1];
	}
	out->payload = r.p;
	out->size = r.left;
	return SG_OK;
}

/* ---- writing ---- */

struct element {
	uint8_t id, len;
	const uint8_t *data;
};

static void put_elements(struct sg_buf *b, const struct element *e, size_t count, bool two_byte)
{
	for (size_t i = 0; i < count; i++) {
		if (two_byte) {
			sg_buf_put_u8(b, e[i].id);
			sg_buf_put_u8(b, e[i].len);
		} else {
			sg_buf_put_u8(b, (uint8_t)(e[i].id << 4 | (e[i].len - 1)));
		}
		sg_buf_append(b, e[i].data, e[i].len);
	}
	while (b->len % 4)
		sg_buf_put_u8(b, 0);
}

size_t sg_rtp_build_header(
    uint8_t *out, size_t size, const struct sg_rtp_packet *p, const struct sg_rtp_extmap *ids)
{
	uint8_t seq[2], time[3], level[1] = { p->audio_level & 0x7f };
	struct element e[4];
	size_t count = 0, bytes = 0;
	bool two_byte = false;

	sg_put_be16(seq, p->transport_cc);
	sg_put_be24(time, p->abs_send_time);
	if (ids->mid && p->mid.p && p->mid.len && p->mid.len <= 255)
		e[count++] = (struct element){ ids->mid, (uint8_t)p->mid.len, (const uint8_t *)p->mid.p };
	if (ids->transport_cc && p->has_transport_cc)
		e[count++] = (struct element){ ids->transport_cc, 2, seq };
	if (ids->abs_send_time && p->has_abs_send_time)
		e[count++] = (struct element){ ids->abs_send_time, 3, time };
	if (ids->audio_level && p->has_audio_level)
		e[count++] = (struct element){ ids->audio_level, 1, level };
	for (size_t i = 0; i < count; i++)
		two_byte = two_byte || e[i].id >= STOP_ID || e[i].len > 16;
	for (size_t i = 0; i < count; i++)
		bytes += (two_byte ? 2u : 1u) + e[i].len;
	bytes = (bytes + 3) / 4 * 4;
	if (size < SG_RTP_HEADER_BYTES + (count ? 4 + bytes : 0))
		return 0;
	sg_rtp_write_header(out, p->payload_type, p->marker, p->seq, p->timestamp, p->ssrc);
	if (!count)
		return SG_RTP_HEADER_BYTES;
	/* Over the caller's memory, which is known to be enough: it never grows. */
	struct sg_buf b = { out + SG_RTP_HEADER_BYTES + 4, 0, bytes, bytes, false };
	put_elements(&b, e, count, two_byte);
	out[0] |= 0x10;
	sg_put_be16(out + 12, two_byte ? TWO_BYTE : ONE_BYTE);
	sg_put_be16(out + 14, (uint16_t)(bytes / 4));
	return SG_RTP_HEADER_BYTES + 4 + bytes;
}

/* ---- one timeline ---- */

#define TICKS_90KHZ 90000
#define MOVE_FROM_90KHZ (10 * 90)

void sg_rtp_sync_init(struct sg_rtp_sync *s, uint32_t video_rate, uint32_t audio_rate)
{
	*s = (struct sg_rtp_sync){ 0 };
	s->track[0].rate = video_rate;
	s->track[1].rate = audio_rate;
}

static int64_t to_90khz(const struct sg_rtp_sync *s, int track, int64_t ticks)
{
	uint32_t rate = s->track[track].rate;

	return rate == TICKS_90KHZ || !rate ? ticks : (int64_t)((__int128)ticks * TICKS_90KHZ / rate);
}

/* 32.32 seconds to 90 kHz. */
static int64_t ntp_90khz(uint64_t ntp)
{
	return (int64_t)(ntp >> 32) * TICKS_90KHZ + (int64_t)(((ntp & 0xffffffff) * TICKS_90KHZ) >> 32);
}

/* Moves a track to where its report says. The first track to have one defines the wall clock, so that it
 * stays where it is and the other comes to it. */
static void apply_report(struct sg_rtp_sync *s, int track)
{
	int64_t reported = s->track[track].report_ntp_90khz - to_90khz(s, track, s->track[track].report_ticks);

	if (!s->track[track].has_report || !s->track[track].anchored)
		return;
	if (!s->has_wall) {
		s->has_wall = true;
		s->wall_offset_90khz = s->track[track].offset_90khz - reported;
		return;
	}
	int64_t offset = reported + s->wall_offset_90khz, moved = offset - s->track[track].offset_90khz;
	if (moved > MOVE_FROM_90KHZ || moved < -MOVE_FROM_90KHZ)
		s->track[track].offset_90khz = offset;
}

void sg_rtp_sync_report(
    struct sg_rtp_sync *s, int track, uint64_t ntp, uint32_t rtp_timestamp, int64_t ticks_near)
{
	s->track[track].has_report = true;
	s->track[track].report_ntp_90khz = ntp_90khz(ntp);
	s->track[track].report_ticks = ticks_near + (int32_t)(rtp_timestamp - (uint32_t)ticks_near);
	apply_report(s, track);
}

int64_t sg_rtp_sync_place(struct sg_rtp_sync *s, int track, int64_t ticks, int64_t now_us)
{
	int64_t own = to_90khz(s, track, ticks);

	if (!s->track[track].anchored) {
		s->track[track].anchored = true;
		s->track[track].offset_90khz = now_us * 9 / 100 - own;
		apply_report(s, track);
	}
	return own + s->track[track].offset_90khz;
}
