/* Session descriptions: Chromium's offers, RFC 8866, 9143 (BUNDLE), 8839 (ICE), 8842 (DTLS), 6184 section 8 (H.264);
 * our answers and offers; fragments (RFC 8840, 9725). */
#include "media_fixture.h"
#include "webrtc/sdp.h"
#include "webrtc_chromium_sdp.h"

#define HEAD "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
#define VIDEO "m=video 9 UDP/TLS/RTP/SAVPF "
#define AUDIO "m=audio 9 UDP/TLS/RTP/SAVPF "
#define FINGERPRINT                                                                                                  \
	"sha-256 BA:80:19:25:B8:26:23:81:72:28:60:BC:4C:EA:BC:45:A9:B8:49:FC:EF:F3:EE:8E:1C:BD:A9:4B:C7:A6:05:10"

static struct sg_sdp *parsed(const char *text)
{
	char error[100];
	struct sg_sdp *sdp;

	if (sg_sdp_parse(&sdp, sg_str_from(text), error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	return sdp;
}

/* Is `line` a whole line of what was written? */
static bool has_line(const struct sg_buf *b, const char *line)
{
	struct sg_str text = { (char *)b->p, b->len }, one;

	while (text.p) {
		sg_str_cut(text, '\n', &one, &text);
		if (one.len == strlen(line) + 1 && one.p[one.len - 1] == '\r' && memcmp(one.p, line, one.len - 1) == 0)
			return true;
	}
	return false;
}

#define assert_line(b, line)                                                                                         \
	do {                                                                                                         \
		if (!has_line(b, line))                                                                              \
			fail_msg("missing: %s\nin:\n%.*s", line, (int)(b)->len, (char *)(b)->p);                     \
	} while (0)

static size_t count_text(const struct sg_buf *b, const char *text)
{
	size_t n = 0;

	for (const char *p = memmem(b->p, b->len, text, strlen(text)); p; n++)
		p = memmem(p + 1, b->len - (size_t)((const uint8_t *)p + 1 - b->p), text, strlen(text));
	return n;
}

/* ---- Chromium ---- */

static void chromiums_offer_to_publish_is_read(void **state)
{
	struct sg_sdp *sdp = parsed(CHROMIUM_PUBLISHES);
	const struct sg_sdp_media *audio = &sdp->media[0], *video = &sdp->media[1], *data = &sdp->media[2];

	(void)state;
	assert_int_equal(sdp->media_count, 3);
	assert_true(sdp->has_bundle && !sdp->ice_lite);
	assert_true(sg_str_is(sdp->origin_id, "2276129995748264572"));
	assert_true(sg_sdp_transport(sdp) == audio);
	assert_int_equal(audio->kind, SG_SDP_AUDIO);
	assert_int_equal(video->kind, SG_SDP_VIDEO);
	assert_int_equal(data->kind, SG_SDP_DATA);
	assert_int_equal(data->sctp_port, 5000);
	for (size_t i = 0; i < 3; i++) {
		const struct sg_sdp_media *m = &sdp->media[i];
		assert_false(m->rejected);
		assert_true(m->bundled);
		assert_true(sg_str_is(m->ufrag, "leTS"));
		assert_true(sg_str_is(m->pwd, "GqDP3dyUmBjh8kPIqsYGYUuM"));
		assert_true(m->has_fingerprint);
		assert_int_equal(m->fingerprint[0], 0xba);
		assert_int_equal(m->fingerprint[31], 0x10);
		assert_int_equal(m->setup, SG_SDP_ACTPASS);
		assert_int_equal(m->mid.p[0], '0' + (int)i);
	}
	assert_true(audio->rtcp_mux && video->rtcp_mux);
	assert_int_equal(video->direction, SG_SDP_SENDRECV);
	assert_int_equal(audio->ssrc, 2607942518);
	assert_int_equal(video->ssrc, 217076696);
	assert_true(sg_str_is(video->msid_track, "0dfd380d-281c-4143-908d-cd124261695c"));
	assert_int_equal(video->extensions.mid, 4);
	assert_int_equal(video->extensions.transport_cc, 3);
	assert_int_equal(video->extensions.abs_send_time, 2);
	assert_int_equal(audio->extensions.audio_level, 1);
	assert_int_equal(video->codec_count, 23);
	assert_int_equal(audio->codec_count, 8);
	sg_sdp_free(sdp);
}

static void chromiums_codecs_are_understood(void **state)
{
	struct sg_sdp *sdp = parsed(CHROMIUM_PUBLISHES);
	const struct sg_sdp_media *video = &sdp->media[1];
	const struct sg_sdp_codec *c;
	unsigned of[SG_CODEC_MP3 + 1] = { 0 };

	(void)state;
	for (size_t i = 0; i < video->codec_count; i++)
		of[video->codecs[i].codec]++;
	assert_int_equal(of[SG_CODEC_H264], 6);
	assert_int_equal(of[SG_CODEC_VP8], 1);
	assert_int_equal(of[SG_CODEC_VP9], 1); /* profile 2 has ten bits */
	assert_int_equal(of[SG_CODEC_AV1], 1);
	assert_int_equal(of[SG_CODEC_NONE], 14);
	/* Constrained baseline in mode 1, which comes third. */
	c = sg_sdp_choose(video);
	assert_int_equal(c->payload_type, 108);
	assert_int_equal(c->packetization_mode, 1);
	assert_int_equal(c->profile_idc, 0x42);
	assert_int_equal(c->profile_iop, 0xe0);
	assert_int_equal(c->level_idc, 0x1f);
	assert_int_equal(c->feedback, SG_SDP_FB_NACK | SG_SDP_FB_PLI | SG_SDP_FB_FIR | SG_SDP_FB_REMB |
					  SG_SDP_FB_TRANSPORT_CC);
	c = sg_sdp_choose(&sdp->media[0]);
	assert_int_equal(c->payload_type, 111);
	assert_int_equal(c->codec, SG_CODEC_OPUS);
	assert_int_equal(c->channels, 2);
	assert_true(sg_str_is(sg_fmtp_get(c->fmtp, "useinbandfec"), "1"));
	sg_sdp_free(sdp);
}

static void chromiums_offer_to_view_is_read(void **state)
{
	struct sg_sdp *sdp = parsed(CHROMIUM_VIEWS);
	const struct sg_sdp_media *video = &sdp->media[0];
	static const uint8_t high[] = { 1, 100, 0, 31 }, main_[] = { 1, 77, 0, 31 }, high422[] = { 1, 122, 0, 31 },
		predictive[] = { 1, 0xf4, 0, 31 };

	(void)state;
	assert_int_equal(video->direction, SG_SDP_RECVONLY);
	assert_int_equal(video->candidate_count, 4);
	assert_true(sg_str_is(video->candidates[0].address, "192.0.2.2"));
	assert_int_equal(video->candidates[0].port, 54589);
	assert_true(sg_str_is(video->candidates[3].address, "fd00::2"));
	assert_true(video->candidates[3].tcp && sg_str_is(video->candidates[3].tcp_type, "active"));
	/* The stream's own profile where it is offered, else one that browsers decode it under. */
	assert_int_equal(sg_sdp_match(video, SG_CODEC_H264, NULL, 0)->payload_type, 108);
	assert_int_equal(sg_sdp_match(video, SG_CODEC_H264, high, 4)->payload_type, 108);
	assert_int_equal(sg_sdp_match(video, SG_CODEC_H264, main_, 4)->payload_type, 116);
	assert_int_equal(sg_sdp_match(video, SG_CODEC_H264, predictive, 4)->payload_type, 41);
	assert_null(sg_sdp_match(video, SG_CODEC_H264, high422, 4));
	assert_int_equal(sg_sdp_match(video, SG_CODEC_VP8, NULL, 0)->payload_type, 96);
	assert_int_equal(sg_sdp_match(video, SG_CODEC_VP9, NULL, 0)->payload_type, 98);
	assert_int_equal(sg_sdp_match(video, SG_CODEC_AV1, NULL, 0)->payload_type, 45);
	assert_null(sg_sdp_match(video, SG_CODEC_HEVC, NULL, 0));
	assert_null(sg_sdp_match(video, SG_CODEC_NONE, NULL, 0));
	assert_int_equal(sg_sdp_match(&sdp->media[1], SG_CODEC_OPUS, NULL, 0)->payload_type, 111);
	sg_sdp_free(sdp);
}

/* ---- choosing ---- */

static void what_other_protocols_carry_is_preferred(void **state)
{
	static const struct {
		const char *text;
		int payload_type; /* -1: nothing */
	} offers[] = {
		{ VIDEO "96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n", 97 }, /* mode 0, baseline */
		{ VIDEO "96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 VP9/90000\r\n", 97 },
		{ VIDEO "96 97\r\na=rtpmap:96 AV1/90000\r\na=rtpmap:97 VP9/90000\r\n", 96 },
		{ VIDEO "96 97\r\na=rtpmap:96 VP9/90000\r\na=rtpmap:97 AV1/90000\r\n", 96 },
		{ VIDEO "96\r\na=rtpmap:96 VP8/90000\r\n", 96 },
		{ VIDEO "96 97\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=0;profile-level-id=42e01f\r\n"
			"a=rtpmap:97 h264/90000\r\na=fmtp:97 Profile-Level-Id=64001F; packetization-mode=1\r\n", 97 },
		{ VIDEO "96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=2\r\n", -1 },
		{ VIDEO "96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01\r\n", -1 },
		{ VIDEO "96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=f4001f\r\n", -1 },
		{ VIDEO "96\r\na=rtpmap:96 H265/90000\r\n", -1 },
		{ VIDEO "96\r\na=rtpmap:96 VP8/8000\r\n", -1 },
		{ VIDEO "96 97\r\na=rtpmap:97 rtx/90000\r\n", -1 },
		{ AUDIO "0 111\r\na=rtpmap:111 OPUS/48000/2\r\n", 111 },
		{ AUDIO "0 111\r\na=rtpmap:111 opus/48000\r\n", -1 },
		{ AUDIO "0 8\r\n", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(offers); i++) {
		char text[1000];
		snprintf(text, sizeof(text), HEAD "%s", offers[i].text);
		struct sg_sdp *sdp = parsed(text);
		const struct sg_sdp_codec *c = sg_sdp_choose(&sdp->media[0]);
		if ((c ? c->payload_type : -1) != offers[i].payload_type)
			fail_msg("%s gave %d", offers[i].text, c ? c->payload_type : -1);
		sg_sdp_free(sdp);
	}
}

static void parameters_are_found_with_blanks_and_in_any_case(void **state)
{
	/* Ant Media's SDK writes the blank. */
	const struct sg_str fmtp = SG_STR("minptime=10;useinbandfec=1; stereo=1;Flag;x = y ");

	(void)state;
	assert_true(sg_str_is(sg_fmtp_get(fmtp, "stereo"), "1"));
	assert_true(sg_str_is(sg_fmtp_get(fmtp, "MINPTIME"), "10"));
	assert_true(sg_str_is(sg_fmtp_get(fmtp, "x"), "y"));
	assert_null(sg_fmtp_get(fmtp, "flag").p);
	assert_null(sg_fmtp_get(fmtp, "time").p);
	assert_null(sg_fmtp_get((struct sg_str){ NULL, 0 }, "x").p);
}

/* ---- what is wrong is refused ---- */

static void malformed_descriptions_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "", "the SDP is empty" },
		{ "\r\n\r\n", "the SDP is empty" },
		{ "v=1\r\n", "SDP line 1: it does not begin with v=0" },
		{ "hello\r\n", "SDP line 1: not of the form x=..." },
		{ HEAD "a=ok\r\nV=0\r\n", "SDP line 6: not of the form x=..." },
		{ "v=0\r\na=mid:\0010\r\n", "SDP line 2: not of the form x=..." },
		{ "v=0\r\na=fmtp:1 x\ry\r\n", "SDP line 2: not of the form x=..." },
		{ "v=0\r\no=-\r\n", "SDP line 2: malformed o= line" },
		{ HEAD "m=video\r\n", "SDP line 5: malformed m= line" },
		{ HEAD "m=video 70000 UDP/TLS/RTP/SAVPF 96\r\n", "SDP line 5: malformed port" },
		{ HEAD VIDEO "96 x\r\n", "SDP line 5: a payload type is not a number up to 127" },
		{ HEAD VIDEO "128\r\n", "SDP line 5: a payload type is not a number up to 127" },
		{ HEAD VIDEO "96\r\na=rtpmap:x VP8/90000\r\n", "SDP line 6: a payload type is not a number up to 127" },
		{ HEAD VIDEO "96\r\na=rtpmap:96 VP8\r\n", "SDP line 6: malformed rtpmap" },
		{ HEAD VIDEO "96\r\na=ice-ufrag:abc\r\n", "SDP line 6: malformed ice-ufrag" },
		{ HEAD VIDEO "96\r\na=ice-pwd:short\r\n", "SDP line 6: malformed ice-pwd" },
		{ HEAD VIDEO "96\r\na=ice-ufrag:ab cd\r\n", "SDP line 6: malformed ice-ufrag" },
		{ HEAD VIDEO "96\r\na=fingerprint:sha-256 BA:80\r\n", "SDP line 6: malformed fingerprint" },
		{ HEAD VIDEO "96\r\na=setup:holdconn2\r\n", "SDP line 6: unknown setup" },
		{ HEAD VIDEO "96\r\na=mid:\r\n", "SDP line 6: malformed mid" },
		{ HEAD VIDEO "96\r\na=mid:0\r\n" AUDIO "96\r\na=mid:0\r\n", "SDP line 8: a mid is there twice" },
		{ HEAD VIDEO "96\r\na=ssrc:x cname:y\r\n", "SDP line 6: malformed ssrc" },
		{ HEAD VIDEO "96\r\na=extmap:0 urn:x\r\n", "SDP line 6: malformed extmap" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct sg_sdp *sdp = (void *)1;
		char error[100];
		enum sg_result res = sg_sdp_parse(&sdp, sg_str_from(bad[i].text), error, sizeof(error));
		assert_int_equal(res, SG_ERR_BAD_INPUT);
		assert_null(sdp);
		assert_string_equal(error, bad[i].error);
	}
}

static void size_and_sections_have_limits(void **state)
{
	struct sg_buf b;
	struct sg_sdp *sdp;
	char error[100];

	(void)state;
	sg_buf_init(&b, 200000);
	sg_buf_puts(&b, HEAD);
	while (b.len < SG_SDP_MAX - 100)
		sg_buf_puts(&b, "a=unknown:0123456789012345678901234567890123456789\r\n");
	assert_int_equal(sg_sdp_parse(&sdp, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)), SG_OK);
	sg_sdp_free(sdp);
	while (b.len <= SG_SDP_MAX)
		sg_buf_puts(&b, "a=unknown:0123456789012345678901234567890123456789\r\n");
	assert_int_equal(sg_sdp_parse(&sdp, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)), SG_ERR_LIMIT);
	assert_null(sdp);
	b.len = 0;
	sg_buf_puts(&b, HEAD);
	for (int i = 0; i < SG_SDP_SECTIONS_MAX; i++)
		sg_buf_puts(&b, VIDEO "96\r\n");
	assert_int_equal(sg_sdp_parse(&sdp, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)), SG_OK);
	sg_sdp_free(sdp);
	sg_buf_puts(&b, VIDEO "96\r\n");
	assert_int_equal(sg_sdp_parse(&sdp, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)), SG_ERR_BAD_INPUT);
	/* More codecs and candidates than are looked at. */
	b.len = 0;
	sg_buf_puts(&b, HEAD "m=video 9 UDP/TLS/RTP/SAVPF");
	for (int i = 0; i < 128; i++)
		sg_buf_printf(&b, " %d", i);
	for (int i = 0; i < 100; i++)
		sg_buf_puts(&b, "\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host");
	assert_int_equal(sg_sdp_parse(&sdp, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)), SG_OK);
	assert_int_equal(sdp->media[0].codec_count, SG_SDP_CODECS_MAX);
	assert_int_equal(sdp->media[0].candidate_count, SG_SDP_CANDIDATES_MAX);
	sg_sdp_free(sdp);
	sg_buf_reset(&b);
}

static void a_description_cut_anywhere_or_flipped_harms_nobody(void **state)
{
	struct sg_str whole = SG_STR(CHROMIUM_PUBLISHES);
	struct sg_sdp *sdp;
	char error[100];

	(void)state;
	for (size_t len = 0; len < whole.len; len += len < 1000 ? 1 : 7) {
		char *copy = malloc(len + 1);
		memcpy(copy, whole.p, len);
		if (sg_sdp_parse(&sdp, (struct sg_str){ copy, len }, error, sizeof(error)) != SG_OK)
			assert_non_null(strstr(error, "SDP"));
		sg_sdp_free(sdp);
		free(copy);
	}
	char *copy = malloc(whole.len);
	for (size_t bit = 0; bit < whole.len * 8; bit += 13) {
		memcpy(copy, whole.p, whole.len);
		copy[bit / 8] ^= (char)(1 << bit % 8);
		if (sg_sdp_parse(&sdp, (struct sg_str){ copy, whole.len }, error, sizeof(error)) == SG_OK)
			for (size_t i = 0; i < sdp->media_count; i++)
				(void)sg_sdp_choose(&sdp->media[i]);
		sg_sdp_free(sdp);
	}
	free(copy);
}

static void what_the_session_says_holds_for_its_sections(void **state)
{
	/* As Firefox writes it: fingerprint, direction and more before the first section; lines end in LF alone. */
	struct sg_sdp *sdp = parsed("v=0\no=mozilla 1 0 IN IP4 0.0.0.0\ns=-\nt=0 0\na=sendrecv\na=fingerprint:" FINGERPRINT
				    "\na=group:BUNDLE 0 one\na=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n"
				    "a=setup:actpass\n" VIDEO "120\na=mid:0\na=sendonly\na=rtpmap:120 VP8/90000\n"
				    "m=audio 0 UDP/TLS/RTP/SAVPF 109\na=mid:one\na=bundle-only\na=ice-ufrag:efgh\n"
				    "m=video 0 UDP/TLS/RTP/SAVPF 120\na=mid:2\n");

	(void)state;
	assert_true(sdp->media[0].has_fingerprint && sdp->media[1].has_fingerprint);
	assert_int_equal(sdp->media[0].fingerprint[1], 0x80);
	assert_int_equal(sdp->media[0].direction, SG_SDP_SENDONLY);
	assert_int_equal(sdp->media[1].direction, SG_SDP_SENDRECV);
	assert_true(sg_str_is(sdp->media[0].ufrag, "abcd"));
	assert_true(sg_str_is(sdp->media[1].ufrag, "efgh"));
	assert_int_equal(sdp->media[0].setup, SG_SDP_ACTPASS);
	assert_false(sdp->media[1].rejected);
	assert_true(sdp->media[2].rejected && !sdp->media[2].bundled);
	sg_sdp_free(sdp);
	/* Another hash than ours is not taken, and not malformed. */
	sdp = parsed(HEAD VIDEO "96\r\na=fingerprint:sha-1 AA:BB\r\na=fingerprint:" FINGERPRINT "\r\n");
	assert_true(sdp->media[0].has_fingerprint);
	sg_sdp_free(sdp);
}

/* ---- answers ---- */

static const struct sg_sdp_address addresses[] = { { "192.0.2.1", 50000, false }, { "2001:db8::1", 50000, false },
	{ "192.0.2.1", 50000, true } };
static const struct sg_sdp_local local = { .session_id = 5, .version = 2, .ufrag = "ourU",
	.pwd = "ourPasswordOf24Letters00", .fingerprint = { 0xab, 0xcd }, .setup = SG_SDP_PASSIVE,
	.addresses = addresses, .address_count = 3, .cname = "streamgate" };

static void a_publisher_is_answered(void **state)
{
	struct sg_sdp *offer = parsed(CHROMIUM_PUBLISHES), *back;
	struct sg_sdp_section sections[3] = { 0 };
	struct sg_buf b;
	char error[100];

	(void)state;
	for (int i = 0; i < 2; i++)
		sections[i] = (struct sg_sdp_section){ .codec = sg_sdp_choose(&offer->media[i]),
			.direction = SG_SDP_RECVONLY, .transport_cc = true, .mid_extension = true,
			.feedback = SG_SDP_FB_NACK | SG_SDP_FB_PLI | SG_SDP_FB_REMB };
	sg_buf_init(&b, SG_SDP_MAX);
	sg_sdp_write_answer(&b, offer, &local, sections);
	assert_memory_equal(b.p, "v=0\r\no=- 5 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", 40);
	assert_line(&b, "a=group:BUNDLE 0 1");
	assert_line(&b, "a=ice-lite");
	assert_line(&b, "m=audio 9 UDP/TLS/RTP/SAVPF 111");
	assert_line(&b, "m=video 9 UDP/TLS/RTP/SAVPF 108");
	assert_line(&b, "a=rtpmap:108 H264/90000");
	assert_line(&b, "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
	assert_line(&b, "a=rtcp-fb:108 nack");
	assert_line(&b, "a=rtcp-fb:108 nack pli");
	assert_line(&b, "a=rtcp-fb:108 goog-remb");
	assert_line(&b, "a=rtcp-fb:108 transport-cc");
	assert_false(has_line(&b, "a=rtcp-fb:108 ccm fir")); /* not wanted */
	assert_line(&b, "a=rtcp-fb:111 transport-cc");
	assert_false(has_line(&b, "a=rtcp-fb:111 nack")); /* not offered */
	assert_line(&b, "a=fmtp:111 minptime=10;useinbandfec=1;stereo=1");
	assert_line(&b, "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01");
	assert_line(&b, "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid");
	assert_line(&b, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel");
	assert_line(&b, "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host");
	assert_line(&b, "a=candidate:2 1 udp 2130706175 2001:db8::1 50000 typ host");
	assert_line(&b, "a=candidate:3 1 tcp 1526726143 192.0.2.1 50000 typ host tcptype passive");
	assert_int_equal(count_text(&b, "a=recvonly\r\n"), 2);
	assert_int_equal(count_text(&b, "a=inactive\r\n"), 1);
	assert_int_equal(count_text(&b, "a=setup:passive\r\n"), 2);
	assert_int_equal(count_text(&b, "a=rtcp-mux\r\n"), 2);
	assert_int_equal(count_text(&b, "a=end-of-candidates\r\n"), 2);
	assert_int_equal(count_text(&b, "a=ssrc:"), 0);
	/* What was written is well-formed. */
	assert_int_equal(sg_sdp_parse(&back, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)), SG_OK);
	assert_int_equal(back->media_count, 3);
	assert_true(back->ice_lite && back->media[2].rejected);
	assert_int_equal(back->media[1].fingerprint[1], 0xcd);
	assert_true(sg_str_is(back->media[1].pwd, local.pwd));
	sg_sdp_free(back);
	sg_buf_reset(&b);
	sg_sdp_free(offer);
}

static void a_viewer_is_answered(void **state)
{
	struct sg_sdp *offer = parsed(CHROMIUM_VIEWS);
	struct sg_sdp_section sections[2] = { 0 };
	struct sg_buf b;

	(void)state;
	sections[0] = (struct sg_sdp_section){ .codec = sg_sdp_match(&offer->media[0], SG_CODEC_H264, NULL, 0),
		.direction = SG_SDP_SENDONLY, .feedback = SG_SDP_FB_NACK, .ssrc = 1234, .msid_stream = "cam",
		.msid_track = "ARDAMSvcam" };
	/* The stream has no sound: refused, in its place, and not in the bundle. */
	sg_buf_init(&b, SG_SDP_MAX);
	sg_sdp_write_answer(&b, offer, &local, sections);
	assert_line(&b, "a=group:BUNDLE 0");
	assert_line(&b, "a=sendonly");
	assert_line(&b, "a=ssrc:1234 cname:streamgate");
	assert_line(&b, "a=msid:cam ARDAMSvcam");
	assert_line(&b, "m=audio 0 UDP/TLS/RTP/SAVPF 111");
	assert_line(&b, "a=mid:1");
	assert_false(has_line(&b, "a=rtcp-fb:108 transport-cc"));
	assert_int_equal(count_text(&b, "a=extmap:"), 0);
	sg_buf_reset(&b);
	sg_sdp_free(offer);
}

static void what_the_offer_refused_stays_refused(void **state)
{
	struct sg_sdp *offer = parsed(HEAD "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n");
	struct sg_sdp_section section = { .codec = sg_sdp_choose(&offer->media[0]), .direction = SG_SDP_RECVONLY };
	struct sg_buf b;

	(void)state;
	assert_non_null(section.codec);
	sg_buf_init(&b, SG_SDP_MAX);
	sg_sdp_write_answer(&b, offer, &local, &section);
	assert_line(&b, "m=video 0 UDP/TLS/RTP/SAVPF 96");
	assert_int_equal(count_text(&b, "a=group"), 0); /* none was offered */
	assert_null(sg_sdp_transport(offer));
	sg_buf_reset(&b);
	sg_sdp_free(offer);
}

/* ---- offers ---- */

static void our_offer_has_ant_medias_names(void **state)
{
	static const uint8_t high[] = { 1, 100, 0, 31 };
	struct sg_sdp_offer_track tracks[2] = {
		{ .codec = SG_CODEC_H264, .avcc = high, .avcc_len = 4, .ssrc = 11, .msid_stream = "cam",
			.msid_track = "ARDAMSvcam" },
		{ .codec = SG_CODEC_OPUS, .ssrc = 12, .msid_stream = "cam", .msid_track = "ARDAMSacam",
			.transport_cc = true } };
	struct sg_sdp_local ours = local;
	struct sg_sdp *back;
	struct sg_buf b;
	char error[100];

	(void)state;
	ours.setup = SG_SDP_ACTPASS;
	sg_buf_init(&b, SG_SDP_MAX);
	sg_sdp_write_offer(&b, &ours, tracks, 2);
	assert_line(&b, "a=group:BUNDLE 0 1");
	assert_line(&b, "m=video 9 UDP/TLS/RTP/SAVPF 96 97");
	assert_line(&b, "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
	assert_line(&b, "a=fmtp:97 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f");
	assert_line(&b, "a=msid:cam ARDAMSvcam");
	assert_line(&b, "a=ssrc:11 msid:cam ARDAMSvcam");
	assert_line(&b, "m=audio 9 UDP/TLS/RTP/SAVPF 111");
	assert_line(&b, "a=fmtp:111 minptime=10;useinbandfec=1");
	assert_line(&b, "a=msid:cam ARDAMSacam");
	assert_line(&b, "a=rtcp-fb:111 transport-cc");
	assert_line(&b, "a=mid:0");
	assert_line(&b, "a=mid:1");
	assert_int_equal(sg_sdp_parse(&back, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)), SG_OK);
	assert_int_equal(back->media_count, 2);
	assert_int_equal(back->media[0].setup, SG_SDP_ACTPASS);
	assert_int_equal(sg_sdp_match(&back->media[0], SG_CODEC_H264, high, 4)->payload_type, SG_SDP_PT_H264_MODE1);
	assert_int_equal(sg_sdp_match(&back->media[1], SG_CODEC_OPUS, NULL, 0)->payload_type, SG_SDP_PT_OPUS);
	sg_sdp_free(back);
	static const enum sg_codec others[] = { SG_CODEC_VP8, SG_CODEC_VP9, SG_CODEC_AV1 };
	for (size_t i = 0; i < COUNT(others); i++) {
		tracks[0].codec = others[i];
		b.len = 0;
		sg_sdp_write_offer(&b, &ours, tracks, 1);
		assert_int_equal(sg_sdp_parse(&back, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)), SG_OK);
		assert_int_equal(sg_sdp_choose(&back->media[0])->codec, others[i]);
		sg_sdp_free(back);
	}
	sg_buf_reset(&b);
}

static void the_sdks_answer_is_read(void **state)
{
	/* Ant Media's SDK puts "stereo=1" with a blank into what Chromium answers. */
	struct sg_sdp *sdp = parsed(HEAD "a=group:BUNDLE 0 1\r\n" VIDEO "97\r\na=mid:0\r\na=recvonly\r\na=rtpmap:97 H264/90000\r\n"
		"a=fmtp:97 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\na=setup:active\r\n"
		AUDIO "111\r\na=mid:1\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1; stereo=1\r\n");

	(void)state;
	assert_int_equal(sdp->media[0].setup, SG_SDP_ACTIVE);
	const struct sg_sdp_codec *c = sg_sdp_match(&sdp->media[0], SG_CODEC_H264, NULL, 0);
	assert_int_equal(c->packetization_mode, 0);
	assert_int_equal(c->payload_type, SG_SDP_PT_H264_MODE0);
	assert_true(sg_str_is(sg_fmtp_get(sdp->media[1].codecs[0].fmtp, "stereo"), "1"));
	sg_sdp_free(sdp);
}

/* ---- candidates and fragments ---- */

static void candidates_are_read(void **state)
{
	struct sg_candidate c;

	(void)state;
	assert_int_equal(sg_candidate_parse(SG_STR("candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 10.0.0.5 "
						   "rport 46154 generation 0 ufrag EsAw network-cost 999"), &c), SG_OK);
	assert_true(sg_str_is(c.foundation, "842163049"));
	assert_int_equal(c.priority, 1677729535);
	assert_int_equal(c.type, SG_CANDIDATE_SRFLX);
	assert_false(c.tcp);
	/* What browsers without permission for the camera name. */
	assert_int_equal(sg_candidate_parse(SG_STR("a=candidate:1 1 UDP 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 "
						   "typ host"), &c), SG_OK);
	assert_true(sg_str_ends(c.address, ".local"));
	assert_int_equal(c.port, 54596);
	assert_int_equal(sg_candidate_parse(SG_STR("candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active"), &c), SG_OK);
	assert_true(c.tcp && sg_str_is(c.tcp_type, "active"));
	assert_int_equal(sg_candidate_parse(SG_STR("candidate:1 1 sctp 1 192.0.2.1 9 typ host"), &c), SG_ERR_UNSUPPORTED);
	assert_int_equal(sg_candidate_parse(SG_STR("candidate:1 1 udp 1 192.0.2.1 9 typ pigeon"), &c), SG_ERR_UNSUPPORTED);
	static const char *const bad[] = { "", "candidate:", "candidate:1 1 udp 1 192.0.2.1 9", "candidate:1 0 udp 1 192.0.2.1 9 typ host",
		"candidate:1 1 udp x 192.0.2.1 9 typ host", "candidate:1 1 udp 4294967296 192.0.2.1 9 typ host",
		"candidate:1 1 udp 1 192.0.2.1 65536 typ host", "candidate:1 1 udp 1 192.0.2.1 9 type host", "udp" };
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(sg_candidate_parse(sg_str_from(bad[i]), &c), SG_ERR_BAD_INPUT);
}

static void fragments_are_read(void **state)
{
	/* RFC 8840 section 9, figure 12, as RFC 9725 section 4.3.1 uses it. */
	static const char text[] = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
				   "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
				   "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw\r\n"
				   "a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw\r\n"
				   "a=candidate:1 1 pigeon 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n";
	struct sg_sdp_fragment f;

	(void)state;
	assert_int_equal(sg_sdp_fragment_parse(&f, SG_STR("")), SG_OK);
	assert_null(f.ufrag.p);
	assert_int_equal(sg_sdp_fragment_parse(&f, sg_str_from(text)), SG_OK);
	assert_true(sg_str_is(f.ufrag, "EsAw"));
	assert_true(sg_str_is(f.pwd, "P2uYro0UCOQ4zxjKXaWCBui1"));
	assert_true(sg_str_is(f.mid, "0"));
	assert_int_equal(f.candidate_count, 2);
	assert_int_equal(f.candidates[1].port, 61765);
	assert_true(f.end_of_candidates);
	assert_int_equal(sg_sdp_fragment_parse(&f, SG_STR("a=candidate:1\r\n")), SG_ERR_BAD_INPUT);
	assert_int_equal(sg_sdp_fragment_parse(&f, SG_STR("a=ice-ufrag:x\r\n")), SG_ERR_BAD_INPUT);
	assert_int_equal(sg_sdp_fragment_parse(&f, SG_STR("what?\r\n")), SG_ERR_BAD_INPUT);
}

static void our_fragment_is_read_back(void **state)
{
	struct sg_sdp_fragment f;
	struct sg_buf b;

	(void)state;
	sg_buf_init(&b, SG_SDP_MAX);
	sg_sdp_fragment_write(&b, &local, "video", SG_STR("1"));
	assert_line(&b, "m=video 9 UDP/TLS/RTP/SAVPF 0");
	assert_int_equal(sg_sdp_fragment_parse(&f, (struct sg_str){ (char *)b.p, b.len }), SG_OK);
	assert_true(sg_str_is(f.ufrag, local.ufrag));
	assert_true(sg_str_is(f.pwd, local.pwd));
	assert_true(sg_str_is(f.mid, "1"));
	assert_int_equal(f.candidate_count, 3);
	assert_true(f.end_of_candidates);
	sg_buf_reset(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chromiums_offer_to_publish_is_read),
		cmocka_unit_test(chromiums_codecs_are_understood),
		cmocka_unit_test(chromiums_offer_to_view_is_read),
		cmocka_unit_test(what_other_protocols_carry_is_preferred),
		cmocka_unit_test(parameters_are_found_with_blanks_and_in_any_case),
		cmocka_unit_test(malformed_descriptions_are_refused_with_their_line),
		cmocka_unit_test(size_and_sections_have_limits),
		cmocka_unit_test(a_description_cut_anywhere_or_flipped_harms_nobody),
		cmocka_unit_test(what_the_session_says_holds_for_its_sections),
		cmocka_unit_test(a_publisher_is_answered),
		cmocka_unit_test(a_viewer_is_answered),
		cmocka_unit_test(what_the_offer_refused_stays_refused),
		cmocka_unit_test(our_offer_has_ant_medias_names),
		cmocka_unit_test(the_sdks_answer_is_read),
		cmocka_unit_test(candidates_are_read),
		cmocka_unit_test(fragments_are_read),
		cmocka_unit_test(our_fragment_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
