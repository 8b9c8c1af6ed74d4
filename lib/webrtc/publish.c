/* publish.c - a publisher: packets to frames, frames to the hub, feedback to the browser. */
#include "webrtc/rtc_internal.h"
#include <stdlib.h>

#define VIDEO 0
#define AUDIO 1
#define RATE_VIDEO 90000
#define RATE_AUDIO 48000
#define WAIT_VIDEO_MS 300
#define WAIT_AUDIO_MS 60
#define RTT_GUESS_MS 60
#define NACKS_MAX 64
#define REPORT_MS 1000
#define FEEDBACK_MS 80 /* transport-wide, and REMB every sixth time */
#define REMB_EVERY 6
#define EARLY_FRAMES 256 /* kept until the use is durable */
#define EARLY_BYTES (SG_FRAME_MAX_BYTES * 2)
#define SILENT_MS 60000 /* connected, but sends nothing */
#define RETRY_MS 20 /* the former connection of the same publisher (R13) may still be leaving */
#define RETRIES 50
#define SOURCE_SILENT_MS 1000 /* then another SSRC may take its place */

struct source {
	struct sg_rtp_track *track;
	enum sg_codec codec; /* that `track` reads */
	struct sg_rtcp_source report;
	uint32_t ssrc;
	bool has_ssrc;
	int64_t heard_ms, ticks; /* ticks: of the last frame */
};

struct rtc_publisher {
	struct source sources[2];
	struct sg_rtp_sync sync;
	struct sg_twcc twcc;
	bool has_twcc;
	uint32_t ssrc; /* ours, in feedback */
	struct sg_publisher *out;
	struct sg_frame *early[EARLY_FRAMES];
	size_t early_count, early_bytes;
	bool committing, counted;
	bool key_asked, key_wanted;
	int64_t key_ms, report_ms, feedback_ms, heard_ms, retry_ms;
	int retries;
	unsigned feedbacks;
};

static const uint32_t rates[2] = { RATE_VIDEO, RATE_AUDIO };

static int64_t now_us(void)
{
	return sg_mono_us();
}

/* ---- opening ---- */

static bool open_source(const struct sg_webrtc_peer *p, struct source *s, int kind)
{
	const struct rtc_track *t = &p->tracks[kind];
	const struct sg_rtp_track_config cfg = { .codec = t->codec,
		.wait_ms = kind == VIDEO ? WAIT_VIDEO_MS : WAIT_AUDIO_MS, .nack = kind == VIDEO,
		.channels = t->channels };

	sg_rtp_track_free(s->track);
	s->track = sg_rtp_track_new(&cfg);
	s->codec = t->codec;
	s->has_ssrc = false;
	return s->track;
}

void rtc_publisher_connected(struct sg_webrtc_peer *p)
{
	struct rtc_publisher *pub = calloc(1, sizeof(*pub));
	int64_t now = p->lane->now_ms;

	if (!pub) {
		rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
		return;
	}
	p->publisher = pub;
	sg_random(&pub->ssrc, sizeof(pub->ssrc));
	sg_rtp_sync_init(&pub->sync, RATE_VIDEO, RATE_AUDIO);
	sg_twcc_init(&pub->twcc);
	pub->report_ms = pub->feedback_ms = pub->heard_ms = now;
	for (int i = 0; i < 2; i++)
		if (p->tracks[i].on && !open_source(p, &pub->sources[i], i)) {
			rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
			return;
		}
}

static void free_early(struct rtc_publisher *pub)
{
	for (size_t i = 0; i < pub->early_count; i++)
		sg_frame_unref(pub->early[i]);
	pub->early_count = pub->early_bytes = 0;
}

void rtc_publisher_end(struct sg_webrtc_peer *p)
{
	struct rtc_publisher *pub = p->publisher;

	if (!pub)
		return;
	p->publisher = NULL;
	if (pub->out)
		rtc_table_remove_publisher(&p->srv->table, p);
	sg_publisher_close(pub->out, p->bye != SG_BYE_BROKEN);
	if (pub->counted)
		atomic_fetch_sub(&p->srv->publishers, 1);
	free_early(pub);
	for (int i = 0; i < 2; i++)
		sg_rtp_track_free(pub->sources[i].track);
	free(pub);
}

/* ---- frames ---- */

static void write_frame(struct sg_webrtc_peer *p, struct sg_frame *f)
{
	enum sg_result res = sg_publisher_write(p->publisher->out, f);

	if (res == SG_ERR_BAD_INPUT)
		rtc_peer_drop(p, SG_ADMITTED, SG_BYE_BAD_INPUT, "media that is malformed");
	else if (res != SG_OK)
		rtc_peer_drop(p, SG_ADMITTED, SG_BYE_BAD_INPUT, sg_result_text(res));
}

/* Keeps the configurations: the track does not tell them again. */
static void thin_early(struct rtc_publisher *pub)
{
	size_t kept = 0;

	pub->early_bytes = 0;
	for (size_t i = 0; i < pub->early_count; i++) {
		struct sg_frame *f = pub->early[i];
		if (f->flags & SG_FRAME_CONFIG) {
			pub->early[kept++] = f;
			pub->early_bytes += f->size;
		} else {
			sg_frame_unref(f);
		}
	}
	pub->early_count = kept;
}

/* Media is here: the use is spent now, and nothing is taken on before that is durable. */
static void keep_early(struct sg_webrtc_peer *p, struct sg_frame *f)
{
	struct rtc_publisher *pub = p->publisher;

	if (pub->early_count == EARLY_FRAMES || pub->early_bytes + f->size > EARLY_BYTES) {
		thin_early(pub);
		rtc_publisher_wants_key(p);
	}
	if (pub->early_count == EARLY_FRAMES) {
		sg_frame_unref(f);
		return;
	}
	pub->early[pub->early_count++] = f;
	pub->early_bytes += f->size;
	if (pub->committing || (f->flags & SG_FRAME_CONFIG))
		return;
	pub->committing = true;
	p->state = PEER_COMMITTING;
	sg_gate_commit(p->session);
}

static void take_frames(struct sg_webrtc_peer *p, int kind, int64_t now_ms)
{
	struct rtc_publisher *pub = p->publisher;
	struct source *s = &pub->sources[kind];
	struct sg_frame *f;
	int64_t ticks;

	while (!p->dead && s->track && (f = sg_rtp_track_next(s->track, now_ms, &ticks))) {
		s->ticks = ticks;
		f->pts_90khz = f->dts_90khz = sg_rtp_sync_place(&pub->sync, kind, ticks, now_us());
		if (pub->out)
			write_frame(p, f);
		else
			keep_early(p, f);
	}
}

/* ---- packets ---- */

/* By the payload type: one per track, since all are bundled (RFC 9143 section 9.2). */
static int track_of(const struct sg_webrtc_peer *p, uint8_t payload_type)
{
	for (int i = 0; i < 2; i++)
		if (p->tracks[i].on && p->tracks[i].payload_type == payload_type)
			return i;
	return -1;
}

static bool take_source(struct sg_webrtc_peer *p, int kind, uint32_t ssrc, int64_t now_ms)
{
	struct source *s = &p->publisher->sources[kind];

	bool same_codec = s->codec == p->tracks[kind].codec; /* else another one has been agreed on since */
	if (same_codec && s->has_ssrc && s->ssrc == ssrc)
		return true;
	if (same_codec && s->has_ssrc && now_ms - s->heard_ms < SOURCE_SILENT_MS)
		return false;
	if ((s->has_ssrc || !s->track || !same_codec) && !open_source(p, s, kind))
		return false;
	s->ssrc = ssrc;
	s->has_ssrc = true;
	s->ticks = 0;
	if (kind == VIDEO)
		p->publisher->key_ms = now_ms; /* it begins with one */
	sg_rtcp_source_init(&s->report, ssrc, rates[kind]);
	return true;
}

static void send_nacks(struct sg_webrtc_peer *p, int64_t now_ms)
{
	struct rtc_publisher *pub = p->publisher;
	struct source *s = &pub->sources[VIDEO];
	uint16_t seqs[NACKS_MAX];
	struct sg_buf b;

	if (!s->has_ssrc)
		return;
	int rtt_ms = p->count.round_trip_ms >= 0 ? (int)p->count.round_trip_ms : RTT_GUESS_MS;
	size_t n = sg_rtp_track_nacks(s->track, now_ms, rtt_ms, seqs, NACKS_MAX);
	if (!n)
		return;
	p->count.nacks += n;
	COUNT(p->srv, nacks, n);
	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_nack(&b, pub->ssrc, s->ssrc, seqs, n);
	if (!b.failed)
		sg_transport_send_rtcp(p->transport, b.p, b.len);
	sg_buf_reset(&b);
}

void rtc_publisher_rtp(struct sg_webrtc_peer *p, const uint8_t *data, size_t len)
{
	struct rtc_publisher *pub = p->publisher;
	int64_t now_ms = p->lane->now_ms;
	struct sg_rtp_packet packet;

	if (len < 2)
		return;
	int kind = track_of(p, data[1] & 0x7f);
	if (kind < 0 || sg_rtp_parse(&packet, data, len, &p->tracks[kind].extensions) != SG_OK)
		return;
	if (packet.has_transport_cc) {
		sg_twcc_arrived(&pub->twcc, packet.transport_cc, now_us());
		pub->has_twcc = true;
	}
	if (!take_source(p, kind, packet.ssrc, now_ms))
		return;
	struct source *s = &pub->sources[kind];
	s->heard_ms = pub->heard_ms = now_ms;
	p->count.packets++;
	p->count.bytes += packet.size;
	if (!sg_rtcp_source_packet(&s->report, packet.seq, packet.timestamp, now_us()))
		return;
	sg_rtp_track_feed(s->track, &packet, now_ms);
	take_frames(p, kind, now_ms);
	if (!p->dead && kind == VIDEO)
		send_nacks(p, now_ms);
}

/* ---- reports that come in ---- */

static void take_sender_report(struct sg_webrtc_peer *p, const struct sg_rtcp_packet *r)
{
	struct rtc_publisher *pub = p->publisher;

	for (int i = 0; i < 2; i++) {
		struct source *s = &pub->sources[i];
		if (!s->has_ssrc || s->ssrc != r->sender_ssrc)
			continue;
		sg_rtcp_source_sr(&s->report, r->ntp, now_us());
		if (s->ticks) /* what its clock is near to */
			sg_rtp_sync_report(&pub->sync, i, r->ntp, r->rtp_timestamp, s->ticks);
	}
}

static uint64_t now_ntp(void)
{
	return sg_ntp_from_unix_us(sg_steady_us());
}

static void take_answer(struct sg_webrtc_peer *p, const struct sg_rtcp_packet *r)
{
	struct sg_rtcp_block b;

	if (!sg_rtcp_get_answer(r, p->publisher->ssrc, &b))
		return;
	double ms = sg_rtcp_round_trip_ms(&b, now_ntp());
	if (ms >= 0)
		p->count.round_trip_ms = ms;
}

void rtc_publisher_rtcp(struct sg_webrtc_peer *p, const uint8_t *data, size_t len)
{
	struct sg_reader in = { data, len };
	struct sg_rtcp_packet r;

	while (sg_rtcp_next(&in, &r) == SG_OK)
		if (r.type == SG_RTCP_SR)
			take_sender_report(p, &r);
		else if (r.type == SG_RTCP_XR)
			take_answer(p, &r);
}

/* ---- what goes out ---- */

static void send_key_request(struct sg_webrtc_peer *p, int64_t now_ms)
{
	struct rtc_publisher *pub = p->publisher;
	struct sg_buf b;

	if (!pub->sources[VIDEO].has_ssrc)
		return;
	pub->key_wanted = false;
	pub->key_ms = now_ms;
	p->count.plis++;
	COUNT(p->srv, plis, 1);
	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_pli(&b, pub->ssrc, pub->sources[VIDEO].ssrc);
	if (!b.failed)
		sg_transport_send_rtcp(p->transport, b.p, b.len);
	sg_buf_reset(&b);
}

void rtc_publisher_wants_key(struct sg_webrtc_peer *p)
{
	p->publisher->key_wanted = true;
}

static void tick_key(struct sg_webrtc_peer *p, int64_t now_ms)
{
	struct rtc_publisher *pub = p->publisher;
	struct source *s = &pub->sources[VIDEO];

	if (!s->has_ssrc)
		return;
	int64_t since_ms = now_ms - pub->key_ms;
	bool wanted = pub->key_wanted || sg_rtp_track_wants_key(s->track);
	if (since_ms >= RTC_KEY_EVERY_MS || (wanted && since_ms >= RTC_KEY_PAUSE_MS))
		send_key_request(p, now_ms);
}

/* Nobody reports to a receiver how long its way is: it asks, by its reference time (RFC 3611 section 4.4). Chromium
 * and what is built of the same library answer unasked by SDP; of others no round trip is known. */
static void send_reports(struct sg_webrtc_peer *p)
{
	struct rtc_publisher *pub = p->publisher;
	struct sg_rtcp_block blocks[2];
	unsigned n = 0;
	struct sg_buf b;

	for (int i = 0; i < 2; i++)
		if (pub->sources[i].has_ssrc)
			sg_rtcp_source_report(&pub->sources[i].report, now_us(), &blocks[n++]);
	if (!n)
		return;
	p->count.loss = blocks[0].fraction_lost / 256.0;
	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_rr(&b, pub->ssrc, blocks, n);
	sg_rtcp_write_sdes(&b, pub->ssrc, "streamgate");
	sg_rtcp_write_reference_time(&b, pub->ssrc, now_ntp());
	if (!b.failed)
		sg_transport_send_rtcp(p->transport, b.p, b.len);
	sg_buf_reset(&b);
}

/* What is not told about, a browser sends ever less of (its estimate begins at 300 kbit/s). */
static void send_feedback(struct sg_webrtc_peer *p)
{
	struct rtc_publisher *pub = p->publisher;
	struct source *s = &pub->sources[VIDEO];
	uint32_t ssrc = s->has_ssrc ? s->ssrc : pub->sources[AUDIO].ssrc;
	struct sg_buf b;

	sg_buf_init(&b, 2 * SG_RTCP_MAX);
	while (pub->has_twcc && sg_twcc_write(&pub->twcc, &b, pub->ssrc, ssrc) && !b.failed) {
		sg_transport_send_rtcp(p->transport, b.p, b.len);
		b.len = 0;
	}
	b.len = 0;
	if (s->has_ssrc && p->tracks[VIDEO].remb && pub->feedbacks++ % REMB_EVERY == 0) {
		sg_rtcp_write_remb(&b, pub->ssrc, RTC_PUBLISH_BITS, &s->ssrc, 1);
		if (!b.failed)
			sg_transport_send_rtcp(p->transport, b.p, b.len);
	}
	sg_buf_reset(&b);
}

/* ---- committed ---- */

static void flush_early(struct sg_webrtc_peer *p)
{
	struct rtc_publisher *pub = p->publisher;

	for (size_t i = 0; i < pub->early_count; i++) {
		if (p->dead)
			sg_frame_unref(pub->early[i]);
		else
			write_frame(p, pub->early[i]);
	}
	pub->early_count = pub->early_bytes = 0;
}

static void try_publish(struct sg_webrtc_peer *p)
{
	struct rtc_publisher *pub = p->publisher;
	enum sg_result res = sg_hub_publish(p->srv->cfg.hub, sg_str_from(p->app), sg_str_from(p->stream_id),
	    p->protocol, &pub->out);

	if (res == SG_ERR_EXISTS && pub->retries++ < RETRIES) {
		pub->retry_ms = sg_mono_ms() + RETRY_MS;
		return;
	}
	pub->retry_ms = 0;
	if (res != SG_OK) {
		rtc_peer_drop(p, res == SG_ERR_EXISTS ? SG_ALREADY_PUBLISHING : SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
		return;
	}
	if (p->tracks[VIDEO].on)
		sg_publisher_expect_pictures(pub->out);
	pub->counted = true;
	atomic_fetch_add(&p->srv->publishers, 1);
	rtc_table_add_publisher(&p->srv->table, p, sg_publisher_stream(pub->out));
	rtc_peer_started(p);
	flush_early(p);
}

void rtc_publisher_committed(struct sg_webrtc_peer *p)
{
	if (p->publisher && !p->dead)
		try_publish(p);
}

/* ---- time ---- */

void rtc_publisher_tick(struct sg_webrtc_peer *p, int64_t now_ms)
{
	struct rtc_publisher *pub = p->publisher;

	if (pub->retry_ms && now_ms >= pub->retry_ms)
		try_publish(p);
	for (int i = 0; i < 2; i++)
		if (!p->dead && pub->sources[i].track && now_ms >= sg_rtp_track_deadline(pub->sources[i].track))
			take_frames(p, i, now_ms);
	if (p->dead)
		return;
	send_nacks(p, now_ms);
	tick_key(p, now_ms);
	if (now_ms - pub->feedback_ms >= FEEDBACK_MS) {
		pub->feedback_ms = now_ms;
		send_feedback(p);
	}
	if (now_ms - pub->report_ms >= REPORT_MS) {
		pub->report_ms = now_ms;
		send_reports(p);
	}
	if (now_ms - pub->heard_ms >= SILENT_MS)
		rtc_peer_drop(p, SG_ADMITTED, SG_BYE_STALLED, "connected, but sends nothing");
}
