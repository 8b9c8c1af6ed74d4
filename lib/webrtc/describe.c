/* describe.c - offers and answers: which tracks, which codecs, and the keys to the transport. */
#include "webrtc/rtc_internal.h"
#include <stdio.h>
#include <stdlib.h>

#define VIDEO 0
#define AUDIO 1
#define CNAME "streamgate"

static void refuse(struct sg_webrtc_peer *p, enum sg_goodbye why, const char *detail)
{
	rtc_peer_drop(p, SG_ADMITTED, why, detail);
}

void rtc_refuse_b_frames(struct sg_webrtc_peer *p)
{
	if (p->dead)
		return;
	COUNT(p->srv, b_frames, 1);
	refuse(p, SG_BYE_NO_MEDIA, "H.264 with B-frames cannot be played over WebRTC");
}

static void fill_local(const struct sg_webrtc_peer *p, struct sg_sdp_local *out, enum sg_sdp_setup setup)
{
	*out = (struct sg_sdp_local){ .session_id = p->sdp_session, .version = p->sdp_version,
		.ufrag = sg_transport_ufrag(p->transport), .pwd = sg_transport_pwd(p->transport), .setup = setup,
		.addresses = p->srv->candidates, .address_count = p->srv->candidate_count, .cname = CNAME };
	memcpy(out->fingerprint, sg_dtls_fingerprint(p->srv->identity), sizeof(out->fingerprint));
}

static void next_version(struct sg_webrtc_peer *p)
{
	if (!p->sdp_session) {
		sg_random(&p->sdp_session, sizeof(p->sdp_session));
		p->sdp_session &= INT64_MAX; /* RFC 8829 section 5.2.1 */
	}
	p->sdp_version++;
}

static bool take_transport(struct sg_webrtc_peer *p, const struct sg_sdp *sdp)
{
	const struct sg_sdp_media *m = sg_sdp_transport(sdp);

	if (!m || !m->ufrag.len || !m->pwd.len || !m->has_fingerprint) {
		refuse(p, SG_BYE_BAD_INPUT, "SDP without ICE credentials or a SHA-256 fingerprint");
		return false;
	}
	/* A peer that waits for us to begin gets a client. */
	if (!sg_transport_set_remote(
		p->transport, m->ufrag, m->pwd, m->fingerprint, m->setup == SG_SDP_PASSIVE)) {
		refuse(p, SG_BYE_BAD_INPUT, "SDP with ICE credentials that are too long");
		return false;
	}
	return true;
}

static void take_codec(struct rtc_track *t, const struct sg_sdp_media *m, const struct sg_sdp_codec *c)
{
	t->on = true;
	t->codec = c->codec;
	t->payload_type = c->payload_type;
	t->agreed[c->codec] = c->payload_type;
	t->h264_mode = c->codec == SG_CODEC_H264 ? c->packetization_mode : SG_RTP_H264_NON_INTERLEAVED;
	t->channels = c->channels;
	t->remb = c->feedback & SG_SDP_FB_REMB;
	t->transport_cc = (c->feedback & SG_SDP_FB_TRANSPORT_CC) && m->extensions.transport_cc;
	t->extensions = (struct sg_rtp_extmap){ .mid = m->extensions.mid,
		.transport_cc = m->extensions.transport_cc };
}

/* What a viewer takes besides what comes now, since the next publisher may have it. */
static void take_others(
    struct rtc_track *t, const struct sg_sdp_media *m, const struct sg_sdp_codec *others[SG_SDP_OTHERS_MAX])
{
	static const enum sg_codec pictures[] = { SG_CODEC_H264, SG_CODEC_AV1, SG_CODEC_VP9, SG_CODEC_VP8 };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
		const struct sg_sdp_codec *c =
		    pictures[i] != t->codec ? sg_sdp_match(m, pictures[i], NULL, 0) : NULL;
		if (!c || t->codec == SG_CODEC_OPUS)
			continue;
		t->agreed[c->codec] = c->payload_type;
		if (c->codec == SG_CODEC_H264)
			t->h264_mode = c->packetization_mode;
		others[n++] = c;
	}
}

static int track_of(const struct sg_sdp_media *m)
{
	return m->rejected ? -1 : m->kind == SG_SDP_VIDEO ? VIDEO : m->kind == SG_SDP_AUDIO ? AUDIO : -1;
}

static bool wants(const struct sg_webrtc_peer *p, int track)
{
	return track == VIDEO ? p->want_video : p->want_audio;
}

/* ---- what a viewer's stream has ---- */

struct source {
	enum sg_codec codec[2];
	const uint8_t *avcc;
	size_t avcc_len;
	struct sg_join join;
};

static void open_source(struct source *s, struct sg_stream *stream)
{
	struct sg_stream *first = sg_stream_source(stream);
	struct sg_stream_info info, of_first;

	sg_stream_info(stream, &info);
	sg_stream_info(first, &of_first);
	*s = (struct source){ .codec = { info.video, info.audio } };
	/* A variant that has just begun knows no configuration yet; that of pictures which it passes on is its source's. */
	sg_stream_join(info.has_b_frames == of_first.has_b_frames ? first : stream, &s->join);
	for (size_t i = 0; i < s->join.lead_count; i++) {
		const struct sg_frame *f = s->join.lead[i];
		if (f->kind == SG_FRAME_VIDEO && f->codec == SG_CODEC_H264) {
			s->avcc = f->payload;
			s->avcc_len = f->size;
		}
	}
}

static void close_source(struct source *s)
{
	sg_stream_join_reset(&s->join);
}

static bool travels(enum sg_codec c)
{
	return c == SG_CODEC_H264 || c == SG_CODEC_VP8 || c == SG_CODEC_VP9 || c == SG_CODEC_AV1 ||
	       c == SG_CODEC_OPUS;
}

struct sg_stream *rtc_find_variant(struct sg_webrtc_peer *p)
{
	const struct sg_want want = { .sound = p->want_audio ? SG_SOUND_OPUS : SG_SOUND_ANY,
		.no_b_frames = p->want_video };
	struct sg_stream *s = sg_hub_find(p->srv->cfg.hub, sg_str_from(p->app), sg_str_from(p->stream_id));

	if (!s)
		return NULL;
	struct sg_stream *variant = sg_stream_variant(s, &want);
	if (!variant)
		return s; /* as it is: perhaps without its sound */
	sg_stream_unref(s);
	return variant;
}

static bool find_stream(struct sg_webrtc_peer *p)
{
	if (p->stream || (p->stream = rtc_find_variant(p)))
		return true;
	refuse(p, SG_BYE_STREAM_ENDED, "the stream has ended");
	return false;
}

/* The picture must come as it is; sound that cannot be carried is left out, and said. */
static bool can_play(struct sg_webrtc_peer *p, const struct source *s)
{
	struct sg_stream_info info;
	char why[120];

	sg_stream_info(p->stream, &info);
	if (p->want_video && s->codec[VIDEO] != SG_CODEC_NONE && !travels(s->codec[VIDEO])) {
		snprintf(why, sizeof(why), "%s cannot be played over WebRTC",
		    s->codec[VIDEO] == SG_CODEC_HEVC ? "H.265" : sg_codec_name(s->codec[VIDEO]));
		refuse(p, SG_BYE_NO_MEDIA, why);
		return false;
	}
	if (p->want_video && s->codec[VIDEO] == SG_CODEC_H264 && info.has_b_frames) {
		rtc_refuse_b_frames(p);
		return false;
	}
	if (s->codec[AUDIO] != SG_CODEC_NONE && !travels(s->codec[AUDIO]))
		sg_log_limited(SG_LOG_INFO, "%s %s: %s/%s is played without its sound, which is %s", p->protocol,
		    p->name_text, p->app, p->stream_id, sg_codec_name(s->codec[AUDIO]));
	return true;
}

static bool has_track(const struct sg_webrtc_peer *p)
{
	return p->tracks[VIDEO].on || p->tracks[AUDIO].on;
}

/* One that no track has: RFC 3550 section 8. */
static uint32_t draw_ssrc(const struct sg_webrtc_peer *p)
{
	uint32_t ssrc;

	do
		sg_random(&ssrc, sizeof(ssrc));
	while (!ssrc || ssrc == p->tracks[VIDEO].ssrc || ssrc == p->tracks[AUDIO].ssrc);
	return ssrc;
}

/* ---- answering ---- */

static void answer_publisher(
    struct sg_webrtc_peer *p, const struct sg_sdp_media *m, struct sg_sdp_section *out)
{
	int track = track_of(m);

	if (track < 0 || !wants(p, track) || p->tracks[track].on || m->direction == SG_SDP_RECVONLY ||
	    m->direction == SG_SDP_INACTIVE)
		return;
	const struct sg_sdp_codec *c = sg_sdp_choose(m);
	if (!c)
		return;
	take_codec(&p->tracks[track], m, c);
	*out = (struct sg_sdp_section){ .codec = c, .direction = SG_SDP_RECVONLY, .feedback = ~0u,
		.transport_cc = true, .mid_extension = true };
}

static void answer_viewer(struct sg_webrtc_peer *p, const struct sg_sdp_media *m, const struct source *s,
    struct sg_sdp_section *out)
{
	int track = track_of(m);
	struct rtc_track *t = &p->tracks[track < 0 ? 0 : track];

	if (track < 0 || !wants(p, track) || t->on || m->direction == SG_SDP_SENDONLY ||
	    m->direction == SG_SDP_INACTIVE)
		return;
	t->awaited = s->codec[track] == SG_CODEC_NONE && sg_sdp_choose(m);
	if (!travels(s->codec[track]))
		return;
	const struct sg_sdp_codec *c = sg_sdp_match(m, s->codec[track], s->avcc, s->avcc_len);
	if (!c)
		return;
	uint32_t ssrc = t->ssrc ? t->ssrc : draw_ssrc(p);
	take_codec(t, m, c);
	t->ssrc = ssrc;
	*out = (struct sg_sdp_section){ .codec = c, .direction = SG_SDP_SENDONLY,
		.feedback = SG_SDP_FB_NACK | SG_SDP_FB_PLI | SG_SDP_FB_FIR | SG_SDP_FB_REMB, .ssrc = ssrc,
		.msid_stream = p->stream_id, .msid_track = track == VIDEO ? "ARDAMSv" : "ARDAMSa" };
	take_others(t, m, out->others);
}

static bool tracks_are_enough(struct sg_webrtc_peer *p, const struct source *s)
{
	bool lacks_video = p->type == SG_PLAY && p->want_video && s->codec[VIDEO] != SG_CODEC_NONE &&
			   !p->tracks[VIDEO].on;

	if (has_track(p) && !lacks_video)
		return true;
	refuse(p, SG_BYE_NO_MEDIA, "no codec in common");
	return false;
}

static void forget_tracks(struct sg_webrtc_peer *p)
{
	for (int i = 0; i < 2; i++) {
		uint32_t ssrc = p->tracks[i].ssrc;
		p->tracks[i] = (struct rtc_track){ .ssrc = ssrc };
	}
}

void rtc_note_codecs(struct sg_webrtc_peer *p)
{
	p->count.video = p->tracks[VIDEO].on ? p->tracks[VIDEO].codec : SG_CODEC_NONE;
	p->count.audio = p->tracks[AUDIO].on ? p->tracks[AUDIO].codec : SG_CODEC_NONE;
}

static void write_answer(struct sg_webrtc_peer *p, const struct sg_sdp *offer,
    const struct sg_sdp_section *sections)
{
	const struct sg_sdp_media *m = sg_sdp_transport(offer);
	struct sg_sdp_local local;
	struct sg_buf b;

	next_version(p);
	fill_local(p, &local, m->setup == SG_SDP_PASSIVE ? SG_SDP_ACTIVE : SG_SDP_PASSIVE);
	sg_buf_init(&b, SG_SDP_MAX);
	sg_sdp_write_answer(&b, offer, &local, sections);
	if (b.failed)
		rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
	else
		rtc_peer_described(p, (struct sg_str){ (const char *)b.p, b.len });
	sg_buf_reset(&b);
}

static bool answer(struct sg_webrtc_peer *p, const struct sg_sdp *offer)
{
	struct sg_sdp_section sections[SG_SDP_SECTIONS_MAX] = { 0 };
	struct source s = { 0 };
	bool ok = true;

	if (!take_transport(p, offer) || (p->type == SG_PLAY && !find_stream(p)))
		return false;
	if (p->type == SG_PLAY) {
		open_source(&s, p->stream);
		ok = can_play(p, &s);
	}
	forget_tracks(p);
	p->offered_count = 0; /* from here on they offer */
	for (size_t i = 0; ok && i < offer->media_count; i++) {
		if (p->type == SG_PUBLISH)
			answer_publisher(p, &offer->media[i], &sections[i]);
		else
			answer_viewer(p, &offer->media[i], &s, &sections[i]);
	}
	ok = ok && tracks_are_enough(p, &s);
	if (ok) {
		rtc_note_codecs(p);
		write_answer(p, offer, sections);
	}
	close_source(&s);
	return ok && !p->dead;
}

bool rtc_describe_answer(struct sg_webrtc_peer *p, struct sg_str text)
{
	struct sg_sdp *offer;
	char error[160];

	if (sg_sdp_parse(&offer, text, error, sizeof(error)) != SG_OK) {
		refuse(p, SG_BYE_BAD_INPUT, error);
		return false;
	}
	bool ok = answer(p, offer);
	sg_sdp_free(offer);
	return ok;
}

/* ---- offering ---- */

static void offer_track(struct sg_webrtc_peer *p, int track, const struct source *s,
    struct sg_sdp_offer_track *out)
{
	struct rtc_track *t = &p->tracks[track];

	*out = (struct sg_sdp_offer_track){ .codec = t->codec, .ssrc = t->ssrc };
	if (track == VIDEO) {
		out->others = true;
		out->avcc = s->avcc;
		out->avcc_len = s->avcc_len;
	}
	snprintf(out->msid_stream, sizeof(out->msid_stream), "%s", p->stream_id);
	snprintf(out->msid_track, sizeof(out->msid_track), "ARDAMS%c%s", track == VIDEO ? 'v' : 'a', p->stream_id);
}

/* What the stream has and was not offered yet comes behind what was: sections never change their places (RFC 8829
 * section 5.2.2). */
static void add_tracks(struct sg_webrtc_peer *p, const struct source *s)
{
	for (int i = 0; i < 2; i++) {
		struct rtc_track *t = &p->tracks[i];
		t->awaited = wants(p, i) && s->codec[i] == SG_CODEC_NONE && !t->ssrc;
		if (!wants(p, i) || t->ssrc || !travels(s->codec[i]))
			continue;
		t->codec = s->codec[i];
		t->ssrc = draw_ssrc(p);
		p->offered[p->offered_count++] = (uint8_t)i;
	}
}

static void write_offer(struct sg_webrtc_peer *p, const struct source *s)
{
	struct sg_sdp_offer_track tracks[2];
	struct sg_sdp_local local;
	struct sg_buf b;

	for (size_t i = 0; i < p->offered_count; i++)
		offer_track(p, p->offered[i], s, &tracks[i]);
	next_version(p);
	fill_local(p, &local, SG_SDP_ACTPASS);
	sg_buf_init(&b, SG_SDP_MAX);
	sg_sdp_write_offer(&b, &local, tracks, p->offered_count);
	p->answer_due = true;
	if (b.failed)
		rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
	else
		(p->described ? rtc_peer_offers_more : rtc_peer_described)(
		    p, (struct sg_str){ (const char *)b.p, b.len });
	sg_buf_reset(&b);
}

bool rtc_describe_offer(struct sg_webrtc_peer *p)
{
	struct source s;

	if (!find_stream(p))
		return false;
	open_source(&s, p->stream);
	if (can_play(p, &s)) {
		add_tracks(p, &s);
		if (p->offered_count)
			write_offer(p, &s);
		else
			refuse(p, SG_BYE_NO_MEDIA, "nothing in this stream can be played over WebRTC");
	}
	close_source(&s);
	return !p->dead;
}

/* ---- tracks that come later ---- */

bool rtc_describe_is_due(const struct sg_webrtc_peer *p)
{
	struct sg_stream *s = sg_hub_find(p->srv->cfg.hub, sg_str_from(p->app), sg_str_from(p->stream_id));
	struct sg_stream_info info;

	if (!s)
		return true; /* which is then said */
	sg_stream_info(s, &info);
	sg_stream_unref(s);
	return ((info.video != SG_CODEC_NONE || !p->want_video) && (info.audio != SG_CODEC_NONE || !p->want_audio)) ||
	       sg_mono_ms() - info.published_ms >= RTC_TRACKS_MS;
}

void rtc_describe_more(struct sg_webrtc_peer *p)
{
	struct sg_stream_info info;
	struct source s;

	sg_stream_info(p->stream, &info);
	bool video = p->tracks[VIDEO].awaited && travels(info.video) && !info.has_b_frames;
	bool audio = p->tracks[AUDIO].awaited && travels(info.audio);
	if (!p->offered_count || !p->events->offered) {
		if (video)
			refuse(p, SG_BYE_STREAM_ENDED, "the stream has got a picture, which has to be asked for anew");
	} else if (video || audio) {
		open_source(&s, p->stream);
		add_tracks(p, &s);
		write_offer(p, &s);
		close_source(&s);
	}
}

/* ---- their answer to our offer ---- */

static void take_answers(struct sg_webrtc_peer *p, const struct sg_sdp *sdp, const struct source *s)
{
	const struct sg_sdp_codec *unused[SG_SDP_OTHERS_MAX];

	for (size_t i = 0; i < p->offered_count && i < sdp->media_count; i++) {
		struct rtc_track *t = &p->tracks[p->offered[i]];
		const struct sg_sdp_media *m = &sdp->media[i];
		if (t->on || track_of(m) != p->offered[i] || m->direction == SG_SDP_SENDONLY ||
		    m->direction == SG_SDP_INACTIVE)
			continue;
		const struct sg_sdp_codec *c = sg_sdp_match(m, t->codec, s->avcc, s->avcc_len);
		if (!c)
			continue;
		take_codec(t, m, c);
		take_others(t, m, unused);
	}
}

/* Who watches already keeps what there is, whatever the answer. */
static void begin_again(struct sg_webrtc_peer *p)
{
	rtc_note_codecs(p);
	rtc_viewer_begin_again(p->viewer);
}

bool rtc_describe_take_answer(struct sg_webrtc_peer *p, struct sg_str text)
{
	struct sg_sdp *sdp;
	struct source s;
	char error[160];

	if (p->type != SG_PLAY || !p->described || !p->stream) {
		refuse(p, SG_BYE_BAD_INPUT, "an answer without an offer");
		return false;
	}
	if (!p->answer_due)
		return true; /* sent again */
	if (sg_sdp_parse(&sdp, text, error, sizeof(error)) != SG_OK) {
		refuse(p, SG_BYE_BAD_INPUT, error);
		return false;
	}
	if (take_transport(p, sdp)) {
		p->answer_due = false;
		open_source(&s, p->stream);
		take_answers(p, sdp, &s);
		if (p->viewer)
			begin_again(p);
		else if (tracks_are_enough(p, &s))
			rtc_note_codecs(p);
		close_source(&s);
	}
	sg_sdp_free(sdp);
	return !p->dead;
}
