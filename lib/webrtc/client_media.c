/* client_media.c - the client's RTP and RTCP. */
#include "webrtc/client_internal.h"
#include "base/clock.h"
#include "base/text.h"
#include <stdlib.h>

#define REPORT_US 1000000ll
#define VIDEO_WAIT_MS 300 /* for what is missing */
#define AUDIO_WAIT_MS 60
#define PLI_US 300000ll /* between two requests for a keyframe */
#define NACKS_MAX 128
#define RTCP_MAX 1100

static int rate_of(int i)
{
	return i ? 48000 : 90000;
}

/* ---- open and close ---- */

static bool open_incoming(struct client_track *t, int i)
{
	t->in = sg_rtp_track_new(&(struct sg_rtp_track_config){.codec = t->codec,
	    .wait_ms = i ? AUDIO_WAIT_MS : VIDEO_WAIT_MS,
	    .nack = i == 0,
	    .channels = 2});
	return t->in != NULL;
}

static void open_outgoing(struct client_track *t)
{
	uint16_t seq;

	sg_random(&seq, sizeof(seq));
	/* RFC 3711 section 3.3.1: from the lower half, so that a lost first packet cannot make the
	 * receiver guess the rollover wrong. */
	t->index = seq & 0x7fff;
	sg_random(&t->offset, sizeof(t->offset));
}

enum sg_result client_media_open(struct sg_rtc_client *c)
{
	sg_rtp_sync_init(&c->sync, (uint32_t)rate_of(0), (uint32_t)rate_of(1));
	for (int i = 0; i < 2; i++) {
		struct client_track *t = &c->tracks[i];
		if (!t->codec)
			continue;
		if (c->cfg.publish)
			open_outgoing(t);
		else if (!open_incoming(t, i))
			return SG_ERR_NO_MEMORY;
	}
	if (!c->cfg.publish)
		return SG_OK;
	c->packer = sg_rtp_packer_new(SG_RTP_H264_NON_INTERLEAVED);
	c->sent = calloc(CLIENT_STORE, sizeof(*c->sent));
	return c->packer && c->sent ? SG_OK : SG_ERR_NO_MEMORY;
}

void client_media_close(struct sg_rtc_client *c)
{
	for (int i = 0; i < 2; i++)
		sg_rtp_track_free(c->tracks[i].in);
	sg_rtp_packer_free(c->packer);
	free(c->sent);
}

/* ---- RTCP out ---- */

static void send_rtcp(struct sg_rtc_client *c, struct sg_buf *b)
{
	uint8_t packet[RTCP_MAX + SG_SRTCP_TRAILER_MAX];
	size_t len = b->len;

	if (!b->failed && len && len <= RTCP_MAX) {
		memcpy(packet, b->p, len);
		if (sg_srtp_protect_rtcp(c->srtp, packet, &len))
			client_send(c, packet, len);
	}
	sg_buf_reset(b);
}

/* Whose SSRC our feedback comes from. */
static uint32_t our_ssrc(const struct sg_rtc_client *c)
{
	if (!c->cfg.publish)
		return c->report_ssrc;
	return c->tracks[0].codec ? c->tracks[0].ssrc : c->tracks[1].ssrc;
}

static void report_sent(struct sg_rtc_client *c, struct sg_buf *b, int64_t now_us)
{
	for (int i = 0; i < 2; i++) {
		const struct client_track *t = &c->tracks[i];
		if (!t->codec || !t->packets)
			continue;
		int64_t since_us = now_us - t->last_sent_us;
		sg_rtcp_write_sr(b,
		    &(struct sg_rtcp_sender){.ssrc = t->ssrc,
			.ntp = sg_ntp_from_unix_us(sg_steady_us()),
			.rtp_timestamp =
			    t->last_timestamp + (uint32_t)(since_us * rate_of(i) / 1000000),
			.packets = t->packets,
			.octets = t->octets},
		    NULL, 0);
		sg_rtcp_write_sdes(b, t->ssrc, "streamplay");
	}
}

static void report_received(struct sg_rtc_client *c, struct sg_buf *b, int64_t now_us)
{
	struct sg_rtcp_block blocks[2];
	unsigned count = 0;

	for (int i = 0; i < 2; i++)
		if (c->tracks[i].in && c->tracks[i].source.started)
			sg_rtcp_source_report(&c->tracks[i].source, now_us, &blocks[count++]);
	sg_rtcp_write_rr(b, c->report_ssrc, blocks, count);
	sg_rtcp_write_sdes(b, c->report_ssrc, "streamplay");
}

void client_media_bye(struct sg_rtc_client *c)
{
	struct sg_buf b;

	sg_buf_init(&b, RTCP_MAX);
	if (!c->cfg.publish)
		report_received(c, &b, sg_mono_us());
	else
		report_sent(c, &b, sg_mono_us());
	sg_rtcp_write_bye(&b, our_ssrc(c));
	send_rtcp(c, &b);
}

/* What is missing in one track, and a keyframe where it needs one. */
static void ask_again(struct sg_rtc_client *c, struct client_track *t, int64_t now_us)
{
	uint16_t seqs[NACKS_MAX];
	int rtt_ms = c->round_trip_ms > 20 ? (int)c->round_trip_ms : 20;
	struct sg_buf b;

	sg_buf_init(&b, RTCP_MAX);
	size_t count = sg_rtp_track_nacks(t->in, now_us / 1000, rtt_ms, seqs, NACKS_MAX);
	if (count) {
		sg_rtcp_write_nack(&b, c->report_ssrc, t->ssrc, seqs, count);
		c->stats.nacks++;
	}
	if (t == &c->tracks[0] && sg_rtp_track_wants_key(t->in) && now_us - t->pli_us > PLI_US) {
		t->pli_us = now_us;
		c->stats.plis++;
		sg_rtcp_write_pli(&b, c->report_ssrc, t->ssrc);
	}
	send_rtcp(c, &b);
}

int64_t client_media_tick(struct sg_rtc_client *c, int64_t now_us)
{
	int64_t next = c->report_us;

	if (now_us >= c->report_us) {
		struct sg_buf b;
		next = c->report_us = now_us + REPORT_US;
		sg_buf_init(&b, RTCP_MAX);
		if (c->cfg.publish)
			report_sent(c, &b, now_us);
		else
			report_received(c, &b, now_us);
		send_rtcp(c, &b);
	}
	for (int i = 0; i < 2; i++) {
		struct client_track *t = &c->tracks[i];
		if (!t->in || !t->has_ssrc)
			continue;
		ask_again(c, t, now_us);
		int64_t at_ms = sg_rtp_track_deadline(t->in);
		if (at_ms < next / 1000)
			next = at_ms * 1000 > now_us ? at_ms * 1000 : now_us + 1000;
	}
	return next;
}

/* ---- coming in ---- */

static struct client_track *track_of(struct sg_rtc_client *c, const struct sg_rtp_packet *p)
{
	for (int i = 0; i < 2; i++) {
		struct client_track *t = &c->tracks[i];
		if (!t->in || t->payload_type != p->payload_type ||
		    (t->has_ssrc && t->ssrc != p->ssrc))
			continue;
		if (!t->has_ssrc) {
			t->has_ssrc = true;
			t->ssrc = p->ssrc;
			t->last_ticks = p->timestamp; /* a report may come before the first frame is whole */
			sg_rtcp_source_init(&t->source, p->ssrc, (uint32_t)rate_of(i));
		}
		return t;
	}
	return NULL;
}

/* The publisher came back with another codec, which we offered to take; those who read frames cannot change. */
static void end_if_changed(struct sg_rtc_client *c, uint8_t payload_type)
{
	for (int i = 0; i < 2; i++)
		for (size_t k = 0; c->tracks[i].in && k < c->tracks[i].other_count; k++)
			if (c->tracks[i].others[k] == payload_type)
				client_fail(c, "the stream has another codec now");
}

void client_media_rtp(struct sg_rtc_client *c, uint8_t *p, size_t len, int64_t now_us)
{
	struct sg_rtp_packet packet;

	if (!sg_srtp_unprotect(c->srtp, p, &len) ||
	    sg_rtp_parse(&packet, p, len, &c->extensions) != SG_OK)
		return;
	struct client_track *t = track_of(c, &packet);
	if (!t) {
		end_if_changed(c, packet.payload_type);
		return;
	}
	c->stats.packets++;
	c->stats.bytes += len;
	sg_rtcp_source_packet(&t->source, packet.seq, packet.timestamp, now_us);
	sg_rtp_track_feed(t->in, &packet, now_us / 1000);
	ask_again(c, t, now_us);
}

struct sg_frame *sg_rtc_client_next(struct sg_rtc_client *c, int64_t now_us)
{
	for (int i = 0; i < 2; i++) {
		struct client_track *t = &c->tracks[i];
		int64_t ticks;
		struct sg_frame *f = t->in ? sg_rtp_track_next(t->in, now_us / 1000, &ticks) : NULL;
		if (!f)
			continue;
		t->last_ticks = ticks;
		f->arrived_us = now_us;
		f->pts_90khz = f->dts_90khz = sg_rtp_sync_place(&c->sync, i, ticks, now_us);
		return f;
	}
	return NULL;
}

static void resend(struct sg_rtc_client *c, uint32_t ssrc, uint16_t seq)
{
	for (size_t i = 0; i < CLIENT_STORE; i++) {
		const struct client_sent *s = &c->sent[i];
		if (s->len && s->seq == seq && s->ssrc == ssrc) {
			client_send(c, s->bytes, s->len);
			c->stats.retransmitted++;
			return;
		}
	}
}

static void take_sender_report(
    struct sg_rtc_client *c, const struct sg_rtcp_packet *p, int64_t now_us)
{
	for (int i = 0; i < 2; i++) {
		struct client_track *t = &c->tracks[i];
		if (!t->in || !t->has_ssrc || t->ssrc != p->sender_ssrc)
			continue;
		sg_rtcp_source_sr(&t->source, p->ntp, now_us);
		sg_rtp_sync_report(&c->sync, i, p->ntp, p->rtp_timestamp, t->last_ticks);
	}
}

/* At once: nothing is to be said about a delay then (RFC 3611 section 4.5). */
static void answer_reference_time(struct sg_rtc_client *c, const struct sg_rtcp_packet *p)
{
	uint64_t ntp = sg_rtcp_reference_time(p);
	struct sg_buf b;

	if (!ntp || !c->cfg.publish)
		return;
	sg_buf_init(&b, RTCP_MAX);
	report_sent(c, &b, sg_mono_us());
	sg_rtcp_write_answer(&b, our_ssrc(c), p->sender_ssrc, ntp, 0);
	send_rtcp(c, &b);
}

static void take_rtcp(struct sg_rtc_client *c, const struct sg_rtcp_packet *p, int64_t now_us)
{
	uint16_t seqs[NACKS_MAX];
	size_t count;

	switch (p->type) {
	case SG_RTCP_SR:
		take_sender_report(c, p, now_us);
		break;
	case SG_RTCP_XR:
		answer_reference_time(c, p);
		break;
	case SG_RTCP_NACK:
		count = c->sent ? sg_rtcp_nack_seqs(p, seqs, NACKS_MAX) : 0;
		for (size_t i = 0; i < count; i++)
			resend(c, p->media_ssrc, seqs[i]);
		break;
	case SG_RTCP_PLI:
	case SG_RTCP_FIR:
		c->key_wanted = true;
		break;
	default:
		break;
	}
}

void client_media_rtcp(struct sg_rtc_client *c, uint8_t *p, size_t len, int64_t now_us)
{
	struct sg_rtcp_packet packet;

	if (!sg_srtp_unprotect_rtcp(c->srtp, p, &len))
		return;
	struct sg_reader r = {p, len};
	while (sg_rtcp_next(&r, &packet) == SG_OK)
		take_rtcp(c, &packet, now_us);
}

bool sg_rtc_client_key_wanted(struct sg_rtc_client *c)
{
	bool wanted = c->key_wanted;

	c->key_wanted = false;
	return wanted;
}

/* ---- going out ---- */

static bool send_slice(struct sg_rtc_client *c, struct client_track *t,
    const struct sg_rtp_slice *slice, uint32_t timestamp)
{
	struct client_sent *s = &c->sent[c->sent_at++ % CLIENT_STORE];
	uint8_t header[SG_RTP_HEADER_BYTES];
	uint16_t seq = (uint16_t)t->index;

	sg_rtp_write_header(header, t->payload_type, slice->marker, seq, timestamp, t->ssrc);
	size_t len = sg_srtp_seal(sg_srtp_sealer(c->srtp), s->bytes, header, sizeof(header),
	    slice->payload, slice->size, t->index);
	s->len = (uint16_t)len;
	s->seq = seq;
	s->ssrc = t->ssrc;
	t->index++;
	if (!len)
		return false;
	client_send(c, s->bytes, len);
	t->packets++;
	t->octets += slice->size;
	c->stats.packets++;
	c->stats.bytes += len;
	return true;
}

bool sg_rtc_client_write(struct sg_rtc_client *c, const struct sg_frame *f, int64_t now_us)
{
	struct client_track *t = &c->tracks[f->kind == SG_FRAME_AUDIO];
	struct sg_rtp_frame *packed;

	if (!c->packer || t->codec != f->codec)
		return false;
	enum sg_result res = sg_rtp_pack(c->packer, f, &packed);
	if (res == SG_NEED_MORE)
		return true;
	if (res != SG_OK)
		return false;
	bool ok = c->state == SG_RTC_OPEN;
	if (ok && !t->packets) /* before they have placed this track by when it came to them */
		c->report_us = now_us;
	for (unsigned i = 0; ok && i < packed->count; i++)
		ok = send_slice(c, t, &packed->packets[i], packed->timestamp + t->offset);
	if (ok) {
		t->last_timestamp = packed->timestamp + t->offset;
		t->last_sent_us = now_us;
	}
	sg_rtp_frame_unref(packed);
	return ok;
}
