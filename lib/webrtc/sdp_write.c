/* sdp_write.c - answers and offers (RFC 8829 sections 5.2.1, 5.3.1). */
#include "webrtc/sdp_internal.h"

#define put_line(b, ...) (sg_buf_printf((b), __VA_ARGS__), sg_buf_puts((b), "\r\n"))

/* ---- parts that offers and answers share ---- */

static void put_session(struct sg_buf *b, const struct sg_sdp_local *local)
{
	put_line(b, "v=0");
	put_line(b, "o=- %llu %llu IN IP4 0.0.0.0", (unsigned long long)local->session_id,
	    (unsigned long long)local->version);
	put_line(b, "s=-");
	put_line(b, "t=0 0");
}

static const char *setup_name(enum sg_sdp_setup setup)
{
	static const char *const names[] = { [SG_SDP_SETUP_NONE] = "passive", [SG_SDP_ACTPASS] = "actpass",
		[SG_SDP_ACTIVE] = "active", [SG_SDP_PASSIVE] = "passive" };

	return names[setup];
}

static const char *direction_name(enum sg_sdp_direction d)
{
	static const char *const names[] = { [SG_SDP_SENDRECV] = "sendrecv", [SG_SDP_SENDONLY] = "sendonly",
		[SG_SDP_RECVONLY] = "recvonly", [SG_SDP_INACTIVE] = "inactive" };

	return names[d];
}

static void put_transport(struct sg_buf *b, const struct sg_sdp_local *local)
{
	put_line(b, "a=ice-ufrag:%s", local->ufrag);
	put_line(b, "a=ice-pwd:%s", local->pwd);
	sg_buf_puts(b, "a=fingerprint:sha-256 ");
	for (size_t i = 0; i < sizeof(local->fingerprint); i++)
		sg_buf_printf(b, "%s%02X", i ? ":" : "", local->fingerprint[i]);
	put_line(b, "\r\na=setup:%s", setup_name(local->setup));
}

static void put_candidates(struct sg_buf *b, const struct sg_sdp_local *local)
{
	for (size_t i = 0; i < local->address_count; i++) {
		sg_buf_puts(b, "a=");
		sg_candidate_write(b, &local->addresses[i], i);
		sg_buf_puts(b, "\r\n");
	}
	put_line(b, "a=end-of-candidates");
}

static void put_feedback(struct sg_buf *b, unsigned payload_type, unsigned bits)
{
	static const struct {
		unsigned bit;
		const char *text;
	} kinds[] = { { SG_SDP_FB_REMB, "goog-remb" }, { SG_SDP_FB_TRANSPORT_CC, "transport-cc" },
		{ SG_SDP_FB_FIR, "ccm fir" }, { SG_SDP_FB_NACK, "nack" }, { SG_SDP_FB_PLI, "nack pli" } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (bits & kinds[i].bit)
			put_line(b, "a=rtcp-fb:%u %s", payload_type, kinds[i].text);
}

static void put_source(
    struct sg_buf *b, const struct sg_sdp_local *local, uint32_t ssrc, const char *stream, const char *track)
{
	if (!ssrc)
		return;
	if (stream && track)
		put_line(b, "a=msid:%s %s", stream, track);
	put_line(b, "a=ssrc:%u cname:%s", ssrc, local->cname ? local->cname : "-");
	if (stream && track) /* for those who do not read msid lines */
		put_line(b, "a=ssrc:%u msid:%s %s", ssrc, stream, track);
}

/* ---- answers ---- */

/* Refused, in its place (RFC 8829 section 5.3.1): nobody may leave a section out. */
static void put_rejected(struct sg_buf *b, const struct sg_sdp_media *m)
{
	struct sg_str formats = m->formats, format;

	if (!sdp_next_word(&formats, &format))
		format = SG_STR("0");
	put_line(b, "m=%.*s 0 %.*s %.*s", SG_STR_ARG(m->media), SG_STR_ARG(m->protocol), SG_STR_ARG(format));
	put_line(b, "c=IN IP4 0.0.0.0");
	if (m->mid.p)
		put_line(b, "a=mid:%.*s", SG_STR_ARG(m->mid));
	put_line(b, "a=inactive");
}

static void put_extensions(struct sg_buf *b, const struct sg_rtp_extmap *e, const struct sg_sdp_section *s)
{
	if (s->mid_extension && e->mid)
		put_line(b, "a=extmap:%u " SDP_URI_MID, e->mid);
	if (s->transport_cc && e->transport_cc)
		put_line(b, "a=extmap:%u " SDP_URI_TRANSPORT_CC, e->transport_cc);
	if (s->abs_send_time && e->abs_send_time)
		put_line(b, "a=extmap:%u " SDP_URI_ABS_SEND_TIME, e->abs_send_time);
}

static void put_codec(struct sg_buf *b, const struct sg_sdp_section *s, const struct sg_sdp_codec *c)
{
	unsigned wanted = s->feedback | (s->transport_cc ? SG_SDP_FB_TRANSPORT_CC : 0);

	if (c->codec == SG_CODEC_OPUS)
		put_line(b, "a=rtpmap:%u opus/48000/2", c->payload_type);
	else
		put_line(b, "a=rtpmap:%u %.*s/%u", c->payload_type, SG_STR_ARG(c->name), c->rate);
	put_feedback(b, c->payload_type, c->feedback & wanted);
	/* Browsers send both channels only to those who ask (RFC 7587 section 6.1). */
	if (c->codec == SG_CODEC_OPUS && s->direction == SG_SDP_RECVONLY && !sg_fmtp_get(c->fmtp, "stereo").p)
		put_line(b, "a=fmtp:%u %.*s%sstereo=1", c->payload_type, SG_STR_ARG(c->fmtp), c->fmtp.len ? ";" : "");
	else if (c->fmtp.len)
		put_line(b, "a=fmtp:%u %.*s", c->payload_type, SG_STR_ARG(c->fmtp));
}

static void put_accepted(struct sg_buf *b, const struct sg_sdp_media *m, const struct sg_sdp_local *local,
    const struct sg_sdp_section *s)
{
	sg_buf_printf(b, "m=%.*s 9 %.*s %u", SG_STR_ARG(m->media), SG_STR_ARG(m->protocol), s->codec->payload_type);
	for (size_t i = 0; i < SG_SDP_OTHERS_MAX && s->others[i]; i++)
		sg_buf_printf(b, " %u", s->others[i]->payload_type);
	sg_buf_puts(b, "\r\n");
	put_line(b, "c=IN IP4 0.0.0.0");
	put_line(b, "a=rtcp:9 IN IP4 0.0.0.0");
	if (m->mid.p)
		put_line(b, "a=mid:%.*s", SG_STR_ARG(m->mid));
	put_transport(b, local);
	put_line(b, "a=%s", direction_name(s->direction));
	put_line(b, "a=rtcp-mux");
	put_line(b, "a=rtcp-rsize");
	put_extensions(b, &m->extensions, s);
	put_codec(b, s, s->codec);
	for (size_t i = 0; i < SG_SDP_OTHERS_MAX && s->others[i]; i++)
		put_codec(b, s, s->others[i]);
	put_source(b, local, s->ssrc, s->msid_stream, s->msid_track);
	put_candidates(b, local);
}

static bool is_accepted(const struct sg_sdp *offer, const struct sg_sdp_section *sections, size_t i)
{
	return sections[i].codec && !offer->media[i].rejected;
}

void sg_sdp_write_answer(struct sg_buf *b, const struct sg_sdp *offer, const struct sg_sdp_local *local,
    const struct sg_sdp_section *sections)
{
	put_session(b, local);
	if (offer->has_bundle) {
		sg_buf_puts(b, "a=group:BUNDLE");
		for (size_t i = 0; i < offer->media_count; i++)
			if (is_accepted(offer, sections, i) && offer->media[i].bundled)
				sg_buf_printf(b, " %.*s", SG_STR_ARG(offer->media[i].mid));
		sg_buf_puts(b, "\r\n");
	}
	put_line(b, "a=ice-lite");
	put_line(b, "a=msid-semantic: WMS *");
	for (size_t i = 0; i < offer->media_count; i++) {
		if (is_accepted(offer, sections, i))
			put_accepted(b, &offer->media[i], local, &sections[i]);
		else
			put_rejected(b, &offer->media[i]);
	}
}

/* ---- offers ---- */

enum { OFFER_TRANSPORT_CC_ID = 3 };

/* Browsers take High where they agreed to constrained baseline, but not all agree to High. What is not 4:2:0
 * with eight bits is named as it is, so that those who cannot show it say no. */
static uint32_t offered_profile(const struct sg_sdp_offer_track *t)
{
	enum { CONSTRAINED_BASELINE_31 = 0x42e01f, HIGH = 100 };

	if (!t->avcc || t->avcc_len < 4 || t->avcc[1] <= HIGH)
		return CONSTRAINED_BASELINE_31;
	return (uint32_t)t->avcc[1] << 16 | (uint32_t)t->avcc[2] << 8 | t->avcc[3];
}

static void put_offered_h264(struct sg_buf *b, const struct sg_sdp_offer_track *t, unsigned pt, int mode)
{
	put_line(b, "a=fmtp:%u level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=%06x", pt, mode,
	    offered_profile(t));
}

static const struct offered {
	enum sg_codec codec;
	uint8_t payload_type;
	const char *map, *fmtp;
} offered[] = {
	{ SG_CODEC_H264, SG_SDP_PT_H264_MODE1, "H264/90000", NULL },
	{ SG_CODEC_H264, SG_SDP_PT_H264_MODE0, "H264/90000", NULL },
	{ SG_CODEC_VP8, SG_SDP_PT_VP8, "VP8/90000", NULL },
	{ SG_CODEC_VP9, SG_SDP_PT_VP9, "VP9/90000", "profile-id=0" },
	{ SG_CODEC_AV1, SG_SDP_PT_AV1, "AV1/90000", NULL },
	{ SG_CODEC_OPUS, SG_SDP_PT_OPUS, "opus/48000/2", "minptime=10;useinbandfec=1" },
};
#define OFFERED_MAX (sizeof(offered) / sizeof(offered[0]))

/* The stream's own codec is the first. */
static size_t list_offered(const struct sg_sdp_offer_track *t, const struct offered *out[OFFERED_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < OFFERED_MAX; i++)
		if (offered[i].codec == t->codec)
			out[n++] = &offered[i];
	for (size_t i = 0; i < OFFERED_MAX && t->others; i++)
		if (offered[i].codec != t->codec && offered[i].codec != SG_CODEC_OPUS)
			out[n++] = &offered[i];
	return n;
}

static void put_offered_codec(struct sg_buf *b, const struct sg_sdp_offer_track *t, const struct offered *o)
{
	unsigned cc = t->transport_cc ? SG_SDP_FB_TRANSPORT_CC : 0;
	unsigned video = SG_SDP_FB_NACK | SG_SDP_FB_PLI | SG_SDP_FB_FIR | SG_SDP_FB_REMB | cc;

	put_line(b, "a=rtpmap:%u %s", o->payload_type, o->map);
	put_feedback(b, o->payload_type, o->codec == SG_CODEC_OPUS ? cc : video);
	if (o->codec == SG_CODEC_H264)
		put_offered_h264(b, t, o->payload_type, o->payload_type == SG_SDP_PT_H264_MODE1);
	else if (o->fmtp)
		put_line(b, "a=fmtp:%u %s", o->payload_type, o->fmtp);
}

static void put_offered_track(
    struct sg_buf *b, const struct sg_sdp_local *local, const struct sg_sdp_offer_track *t, size_t index)
{
	const struct offered *list[OFFERED_MAX];
	size_t count = list_offered(t, list);

	sg_buf_printf(b, "m=%s 9 UDP/TLS/RTP/SAVPF", t->codec == SG_CODEC_OPUS ? "audio" : "video");
	for (size_t i = 0; i < count; i++)
		sg_buf_printf(b, " %u", list[i]->payload_type);
	sg_buf_puts(b, "\r\n");
	put_line(b, "c=IN IP4 0.0.0.0");
	put_line(b, "a=rtcp:9 IN IP4 0.0.0.0");
	put_line(b, "a=mid:%zu", index);
	put_transport(b, local);
	put_line(b, "a=sendonly");
	put_line(b, "a=rtcp-mux");
	put_line(b, "a=rtcp-rsize");
	if (t->transport_cc)
		put_line(b, "a=extmap:%u " SDP_URI_TRANSPORT_CC, OFFER_TRANSPORT_CC_ID);
	for (size_t i = 0; i < count; i++)
		put_offered_codec(b, t, list[i]);
	put_source(b, local, t->ssrc, t->msid_stream, t->msid_track);
	put_candidates(b, local);
}

void sg_sdp_write_offer(struct sg_buf *b, const struct sg_sdp_local *local,
    const struct sg_sdp_offer_track *tracks, size_t count)
{
	put_session(b, local);
	sg_buf_puts(b, "a=group:BUNDLE");
	for (size_t i = 0; i < count; i++)
		sg_buf_printf(b, " %zu", i);
	put_line(b, "\r\na=ice-lite");
	put_line(b, "a=msid-semantic: WMS *");
	for (size_t i = 0; i < count; i++)
		put_offered_track(b, local, &tracks[i], i);
}
