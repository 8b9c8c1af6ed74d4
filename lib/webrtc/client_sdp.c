/* client_sdp.c - the client's descriptions. */
#include "webrtc/client_internal.h"
#include "base/text.h"
#include <stdio.h>

static struct sg_sdp_local ours(const struct sg_rtc_client *c, enum sg_sdp_setup setup)
{
	struct sg_sdp_local local = {.session_id = c->session_id,
	    .version = 1,
	    .ufrag = c->ufrag,
	    .pwd = c->pwd,
	    .setup = setup,
	    .cname = "streamplay"};

	memcpy(local.fingerprint, sg_dtls_fingerprint(c->cfg.identity), sizeof(local.fingerprint));
	return local;
}

/* ---- our offer ---- */

static void offer_to_publish(struct sg_rtc_client *c, struct sg_buf *out)
{
	const struct sg_sdp_local local = ours(c, SG_SDP_ACTPASS);
	struct sg_sdp_offer_track tracks[2] = {0};
	size_t count = 0;

	for (int i = 0; i < 2; i++) {
		struct sg_sdp_offer_track *t = &tracks[count];
		if (!c->tracks[i].codec)
			continue;
		t->codec = c->tracks[i].codec;
		t->ssrc = c->tracks[i].ssrc;
		snprintf(t->msid_stream, sizeof(t->msid_stream), "streamplay");
		snprintf(t->msid_track, sizeof(t->msid_track), i ? "audio" : "video");
		count++;
	}
	sg_sdp_write_offer(out, &local, tracks, count);
}

/* What a viewer can take: everything that the depacketizers know. */
static const char *const video_lines[] = {
    "a=rtpmap:96 H264/90000",
    "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    "a=rtpmap:97 H264/90000",
    "a=fmtp:97 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640033",
    "a=rtpmap:98 VP8/90000",
    "a=rtpmap:99 VP9/90000",
    "a=fmtp:99 profile-id=0",
    "a=rtpmap:100 AV1/90000",
};
static const char *const audio_lines[] = {
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1",
};

static void put_lines(struct sg_buf *out, const char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sg_buf_printf(out, "%s\r\n", lines[i]);
}

static void put_section(struct sg_rtc_client *c, struct sg_buf *out, bool video, unsigned mid)
{
	sg_buf_printf(out,
	    "m=%s 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0\r\na=mid:%u\r\na=recvonly\r\n"
	    "a=rtcp-mux\r\na=rtcp-rsize\r\na=setup:actpass\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n",
	    video ? "video" : "audio", video ? "96 97 98 99 100" : "111", mid, c->ufrag, c->pwd);
	sg_buf_puts(out, "a=fingerprint:sha-256 ");
	const uint8_t *print = sg_dtls_fingerprint(c->cfg.identity);
	for (int i = 0; i < SG_FINGERPRINT_BYTES; i++)
		sg_buf_printf(out, "%s%02X", i ? ":" : "", print[i]);
	sg_buf_puts(out, "\r\n");
	if (!video) {
		put_lines(out, audio_lines, sizeof(audio_lines) / sizeof(audio_lines[0]));
		return;
	}
	put_lines(out, video_lines, sizeof(video_lines) / sizeof(video_lines[0]));
	for (int pt = 96; pt <= 100; pt++)
		sg_buf_printf(out,
		    "a=rtcp-fb:%d nack\r\na=rtcp-fb:%d nack pli\r\na=rtcp-fb:%d ccm fir\r\n", pt,
		    pt, pt);
}

static void offer_to_play(struct sg_rtc_client *c, struct sg_buf *out)
{
	unsigned mid = 0;

	sg_buf_printf(out,
	    "v=0\r\no=- %llu 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE%s%s\r\n",
	    (unsigned long long)c->session_id, " 0", c->cfg.video && c->cfg.audio ? " 1" : "");
	if (c->cfg.video)
		put_section(c, out, true, mid++);
	if (c->cfg.audio)
		put_section(c, out, false, mid);
}

void sg_rtc_client_offer(struct sg_rtc_client *c, struct sg_buf *out)
{
	if (c->cfg.publish)
		offer_to_publish(c, out);
	else
		offer_to_play(c, out);
}

/* ---- theirs ---- */

/* The transport's part: who they are and where. */
static enum sg_result take_transport(struct sg_rtc_client *c, const struct sg_sdp *sdp)
{
	const struct sg_sdp_media *t = sg_sdp_transport(sdp);

	if (!t) {
		client_fail(c, "the server takes none of what was offered");
		return SG_ERR_UNSUPPORTED;
	}
	if (!t->has_fingerprint || t->setup == SG_SDP_ACTIVE ||
	    !sg_str_copy(c->remote_ufrag, sizeof(c->remote_ufrag), t->ufrag) ||
	    !sg_str_copy(c->remote_pwd, sizeof(c->remote_pwd), t->pwd) || !t->ufrag.len) {
		client_fail(
		    c, "the server's description lacks a fingerprint, credentials or a role");
		return SG_ERR_BAD_INPUT;
	}
	memcpy(c->remote_fingerprint, t->fingerprint, sizeof(c->remote_fingerprint));
	c->extensions = t->extensions;
	for (size_t i = 0; i < t->candidate_count; i++)
		client_add_remote(c, &t->candidates[i]);
	return SG_OK;
}

/* The codec of one section, as the server has agreed to it. */
static void take_section(
    struct sg_rtc_client *c, const struct sg_sdp_media *m, const struct sg_sdp_codec *codec)
{
	struct client_track *t = &c->tracks[m->kind == SG_SDP_AUDIO];

	t->codec = codec->codec;
	t->payload_type = codec->payload_type;
	t->other_count = 0;
	for (size_t i = 0; i < m->codec_count && t->other_count < SG_SDP_OTHERS_MAX; i++)
		if (m->codecs[i].codec != SG_CODEC_NONE && m->codecs[i].codec != t->codec)
			t->others[t->other_count++] = m->codecs[i].payload_type;
}

/* What comes now is the first in the server's order; it may name others that could come later. */
static const struct sg_sdp_codec *first_known(const struct sg_sdp_media *m)
{
	for (size_t i = 0; i < m->codec_count; i++)
		if (m->codecs[i].codec != SG_CODEC_NONE)
			return &m->codecs[i];
	return NULL;
}

static const struct sg_sdp_codec *agreed(
    const struct sg_rtc_client *c, const struct sg_sdp_media *m)
{
	enum sg_codec sent = c->tracks[m->kind == SG_SDP_AUDIO].codec;

	if (m->rejected || m->direction == SG_SDP_INACTIVE ||
	    (m->kind != SG_SDP_VIDEO && m->kind != SG_SDP_AUDIO))
		return NULL;
	return c->cfg.publish ? sg_sdp_match(m, sent, NULL, 0) : first_known(m);
}

static enum sg_result take(struct sg_rtc_client *c, const struct sg_sdp *sdp)
{
	bool video = false, audio = false;
	enum sg_result res = take_transport(c, sdp);

	if (res != SG_OK)
		return res;
	for (size_t i = 0; i < sdp->media_count; i++) {
		const struct sg_sdp_codec *codec = agreed(c, &sdp->media[i]);
		if (!codec)
			continue;
		take_section(c, &sdp->media[i], codec);
		*(sdp->media[i].kind == SG_SDP_AUDIO ? &audio : &video) = true;
	}
	if (!video)
		c->tracks[0].codec = SG_CODEC_NONE;
	if (!audio)
		c->tracks[1].codec = SG_CODEC_NONE;
	if (!video && !audio) {
		client_fail(c, "there is no codec that both sides speak");
		return SG_ERR_UNSUPPORTED;
	}
	if ((res = client_media_open(c)) != SG_OK) {
		client_fail(c, "%s", sg_result_text(res));
		return res;
	}
	c->state = SG_RTC_CHECKING;
	return SG_OK;
}

static enum sg_result parse(struct sg_rtc_client *c, struct sg_str text, struct sg_sdp **out)
{
	char why[100] = "";
	enum sg_result res = sg_sdp_parse(out, text, why, sizeof(why));

	if (res != SG_OK)
		client_fail(c, "the server's description is malformed: %s", why);
	return res;
}

enum sg_result sg_rtc_client_set_answer(struct sg_rtc_client *c, struct sg_str text)
{
	struct sg_sdp *sdp;
	enum sg_result res = parse(c, text, &sdp);

	if (res != SG_OK)
		return res;
	res = take(c, sdp);
	if (res == SG_OK && !c->remote_count) {
		client_fail(c, "the server's description has no UDP address in it");
		res = SG_ERR_UNSUPPORTED;
	}
	sg_sdp_free(sdp);
	return res;
}

enum sg_result sg_rtc_client_answer(
    struct sg_rtc_client *c, struct sg_str offer, struct sg_buf *out)
{
	struct sg_sdp_section sections[SG_SDP_SECTIONS_MAX] = {0};
	const struct sg_sdp_local local = ours(c, SG_SDP_ACTIVE);
	struct sg_sdp *sdp;
	enum sg_result res = parse(c, offer, &sdp);

	if (res != SG_OK)
		return res;
	res = take(c, sdp);
	for (size_t i = 0; res == SG_OK && i < sdp->media_count; i++) {
		sections[i].codec = agreed(c, &sdp->media[i]);
		sections[i].direction = SG_SDP_RECVONLY;
		sections[i].feedback = SG_SDP_FB_NACK | SG_SDP_FB_PLI | SG_SDP_FB_FIR;
	}
	if (res == SG_OK)
		sg_sdp_write_answer(out, sdp, &local, sections);
	sg_sdp_free(sdp);
	return res;
}
