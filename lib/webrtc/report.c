/* report.c - RTCP with viewers: what they tell, and the sender reports they get. */
#include "webrtc/rtc_internal.h"

#define VIDEO 0
#define AUDIO 1
#define NACKS_MAX 256
#define KEY_PAUSE_MS 200

static int track_of(const struct sg_webrtc_peer *p, uint32_t ssrc)
{
	for (int i = 0; i < 2; i++)
		if (p->tracks[i].on && p->tracks[i].ssrc == ssrc)
			return i;
	return -1;
}

/* ---- in ---- */

static void take_blocks(struct rtc_viewer *v, const struct sg_rtcp_packet *r)
{
	uint64_t now_ntp = sg_ntp_from_unix_us(sg_steady_us());
	struct sg_webrtc_peer *p = v->peer;
	struct sg_rtcp_block b;

	for (unsigned i = 0; i < r->count; i++) {
		sg_rtcp_get_block(r, i, &b);
		int track = track_of(p, b.ssrc);
		if (track < 0)
			continue;
		double ms = sg_rtcp_round_trip_ms(&b, now_ntp);
		if (ms >= 0)
			p->count.round_trip_ms = ms;
		if (track == AUDIO && p->tracks[VIDEO].on)
			continue;
		p->count.loss = b.fraction_lost / 256.0;
		if (track == VIDEO)
			v->skipping |= rtc_thin_report(&v->thin, p->count.bit_rate, p->count.estimate, b.fraction_lost,
			    p->lane->now_ms);
	}
}

static void take_nack(struct rtc_viewer *v, const struct sg_rtcp_packet *r)
{
	int track = track_of(v->peer, r->media_ssrc);
	uint16_t seqs[NACKS_MAX];

	if (track < 0)
		return;
	size_t n = sg_rtcp_nack_seqs(r, seqs, NACKS_MAX), taken = 0;
	while (taken < n && rtc_viewer_may_ask(v))
		rtc_viewer_resend(v, track, seqs[taken++]);
	v->peer->count.nacks += taken;
	COUNT(v->peer->srv, nacks, taken);
}

/* Whoever publishes is asked, if it is a browser; else the next keyframe comes when it comes. */
static void take_key_request(struct rtc_viewer *v, bool fir)
{
	struct sg_webrtc_peer *p = v->peer;
	int64_t now_ms = p->lane->now_ms;

	if (fir)
		p->count.firs++;
	else
		p->count.plis++;
	COUNT(p->srv, plis, 1);
	if (now_ms - v->key_ms < KEY_PAUSE_MS)
		return;
	v->key_ms = now_ms;
	rtc_table_request_key(&p->srv->table, sg_stream_source(p->stream));
}

static void take_fir(struct rtc_viewer *v, const struct sg_rtcp_packet *r)
{
	int number = sg_rtcp_fir_number(r, v->peer->tracks[VIDEO].ssrc);

	if (number < 0 || number == v->fir_number)
		return;
	v->fir_number = number;
	take_key_request(v, true);
}

void rtc_viewer_rtcp(struct sg_webrtc_peer *p, const uint8_t *data, size_t len)
{
	struct sg_reader in = { data, len };
	struct sg_rtcp_packet r;

	while (!p->dead && sg_rtcp_next(&in, &r) == SG_OK) {
		switch (r.type) {
		case SG_RTCP_SR:
		case SG_RTCP_RR:
			take_blocks(p->viewer, &r);
			break;
		case SG_RTCP_NACK:
			take_nack(p->viewer, &r);
			break;
		case SG_RTCP_PLI:
			if (track_of(p, r.media_ssrc) == VIDEO)
				take_key_request(p->viewer, false);
			break;
		case SG_RTCP_FIR:
			take_fir(p->viewer, &r);
			break;
		case SG_RTCP_REMB:
			p->count.estimate = r.bit_rate;
			break;
		default:
			break;
		}
	}
}

/* ---- out ---- */

/* Both tracks' clocks against one wall clock: that is how a browser keeps lips and voice together. */
static void send_report(struct rtc_viewer *v, int track)
{
	struct sg_webrtc_peer *p = v->peer;
	const struct rtc_out *out = &v->out[track];
	int64_t pts = rtc_channel_now(v->channel, sg_mono_us());
	uint32_t ticks = (uint32_t)(track == VIDEO ? pts : pts * 8 / 15);
	const struct sg_rtcp_sender s = { .ssrc = p->tracks[track].ssrc, .rtp_timestamp = ticks + out->offset,
		.packets = out->packets, .octets = out->octets,
		.ntp = sg_ntp_from_unix_us(sg_steady_us()) };
	struct sg_buf b;

	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_sr(&b, &s, NULL, 0);
	sg_rtcp_write_sdes(&b, s.ssrc, "streamgate");
	if (!b.failed)
		sg_transport_send_rtcp(p->transport, b.p, b.len);
	sg_buf_reset(&b);
}

void rtc_viewer_report(struct rtc_viewer *v, int64_t now_ms)
{
	v->report_ms = now_ms;
	for (int i = 0; i < 2; i++)
		if (v->peer->tracks[i].on && v->channel->anchored)
			send_report(v, i);
}
