/* The client's side of WebRTC against a server's transport, over a line that takes time. No socket; the clock is the
 * test's. */
#include "webrtc/client.h"
#include "webrtc/rtcp.h"
#include "webrtc/sdp.h"
#include "webrtc/transport.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define STEP_US 5000
#define ON_THE_WAY 256
#define SSRC 0x1234u
#define VP8_PT 98

struct datagram {
	int64_t due_us;
	bool to_server;
	size_t len;
	uint8_t p[SG_UDP_DATAGRAM_MAX];
};

struct line {
	struct sg_dtls_identity *identity;
	struct sg_rtc_client *client;
	struct sg_transport *server;
	struct sg_path way; /* the client, as the server sees it */
	int64_t now_us, delay_us; /* one way */
	struct datagram queue[ON_THE_WAY]; /* a ring, in the order of sending */
	size_t first, count;
	uint64_t index; /* of the next packet to the client */
};

static void put(struct line *l, bool to_server, const uint8_t *p, size_t len)
{
	assert_true(l->count < ON_THE_WAY && len <= SG_UDP_DATAGRAM_MAX);
	struct datagram *d = &l->queue[(l->first + l->count++) % ON_THE_WAY];
	d->due_us = l->now_us + l->delay_us;
	d->to_server = to_server;
	d->len = len;
	memcpy(d->p, p, len);
}

static void client_sends(void *user, const struct sockaddr *to, socklen_t to_len, const uint8_t *p, size_t len)
{
	(void)to, (void)to_len;
	put(user, true, p, len);
}

static void server_sends(void *user, const struct sg_path *to, const uint8_t *p, size_t len)
{
	(void)to;
	put(user, false, p, len);
}

static void on_proven(void *user, const struct sg_path *path)
{
	(void)user, (void)path;
}

static void on_connected(void *user)
{
	(void)user;
}

static void on_media(void *user, uint8_t *p, size_t len)
{
	(void)user, (void)p, (void)len;
}

static void on_failed(void *user, enum sg_goodbye why, const char *detail)
{
	(void)user, (void)why;
	fail_msg("%s", detail);
}

static const struct sg_transport_events server_events = { server_sends, on_proven, on_connected, on_media, on_media,
	on_failed };

/* ---- descriptions ---- */

static void write_answer(struct line *l, const struct sg_sdp *offer, struct sg_buf *out)
{
	const struct sg_sdp_address address = { .ip = "127.0.0.1", .port = 5000 };
	struct sg_sdp_local local = { .session_id = 1, .version = 1, .ufrag = sg_transport_ufrag(l->server),
		.pwd = sg_transport_pwd(l->server), .setup = SG_SDP_PASSIVE, .addresses = &address, .address_count = 1 };
	struct sg_sdp_section sections[SG_SDP_SECTIONS_MAX] = { 0 };

	memcpy(local.fingerprint, sg_dtls_fingerprint(l->identity), sizeof(local.fingerprint));
	sections[0].codec = sg_sdp_match(&offer->media[0], SG_CODEC_VP8, NULL, 0);
	sections[0].direction = SG_SDP_SENDONLY;
	assert_non_null(sections[0].codec);
	sg_sdp_write_answer(out, offer, &local, sections);
}

static void describe(struct line *l)
{
	struct sg_buf offer, answer;
	struct sg_sdp *sdp;
	char error[160];

	sg_buf_init(&offer, SG_SDP_MAX);
	sg_buf_init(&answer, SG_SDP_MAX);
	sg_rtc_client_offer(l->client, &offer);
	assert_int_equal(
	    sg_sdp_parse(&sdp, (struct sg_str){ (char *)offer.p, offer.len }, error, sizeof(error)), SG_OK);
	const struct sg_sdp_media *m = sg_sdp_transport(sdp);
	assert_true(sg_transport_set_remote(l->server, m->ufrag, m->pwd, m->fingerprint, false));
	write_answer(l, sdp, &answer);
	assert_int_equal(
	    sg_rtc_client_set_answer(l->client, (struct sg_str){ (char *)answer.p, answer.len }), SG_OK);
	sg_sdp_free(sdp);
	sg_buf_reset(&offer);
	sg_buf_reset(&answer);
}

static struct line *line_open(int64_t delay_us)
{
	struct line *l = calloc(1, sizeof(*l));
	struct sockaddr_in *sa = (struct sockaddr_in *)&l->way.remote;
	char error[160];

	assert_non_null(l);
	l->now_us = 1000000;
	l->delay_us = delay_us;
	sa->sin_family = AF_INET;
	sa->sin_port = htons(6000);
	assert_int_equal(sg_dtls_identity_open(&l->identity, NULL, error, sizeof(error)), SG_OK);
	const struct sg_transport_config tc = { .identity = l->identity, .events = &server_events, .user = l };
	assert_int_equal(sg_transport_open(&l->server, &tc, l->now_us / 1000), SG_OK);
	const struct sg_rtc_client_config cc = { .identity = l->identity, .video = SG_CODEC_VP8, .send = client_sends,
		.user = l };
	assert_int_equal(sg_rtc_client_open(&l->client, &cc), SG_OK);
	describe(l);
	return l;
}

static void line_close(struct line *l)
{
	sg_rtc_client_close(l->client);
	sg_transport_close(l->server, false);
	sg_dtls_identity_close(l->identity);
	free(l);
}

/* ---- time ---- */

static void deliver(struct line *l)
{
	const struct sockaddr_in from = { .sin_family = AF_INET };

	while (l->count && l->queue[l->first].due_us <= l->now_us) {
		struct datagram d = l->queue[l->first];
		l->first = (l->first + 1) % ON_THE_WAY;
		l->count--;
		if (d.to_server)
			sg_transport_feed(l->server, &l->way, d.p, d.len, l->now_us / 1000);
		else
			sg_rtc_client_feed(
			    l->client, (const struct sockaddr *)&from, sizeof(from), d.p, d.len, l->now_us);
	}
}

static void step(struct line *l)
{
	sg_rtc_client_tick(l->client, l->now_us);
	sg_transport_tick(l->server, l->now_us / 1000);
	deliver(l);
	l->now_us += STEP_US;
}

static void run(struct line *l, int64_t us)
{
	for (int64_t until = l->now_us + us; l->now_us < until;)
		step(l);
}

/* ---- the way to the server ---- */

static void a_server_is_found_however_long_the_way(void **state)
{
	static const int delays_ms[] = { 0, 20, 30, 100, 400 };

	(void)state;
	for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		struct line *l = line_open(delays_ms[i] * 1000);
		run(l, 10000000);
		if (sg_rtc_client_state(l->client) != SG_RTC_OPEN)
			fail_msg("%d ms: %s", delays_ms[i], sg_rtc_state_name(sg_rtc_client_state(l->client)));
		/* And it stays: consent is asked for, and given. */
		run(l, 60000000);
		assert_int_equal(sg_rtc_client_state(l->client), SG_RTC_OPEN);
		struct sg_rtc_client_stats stats;
		sg_rtc_client_stats(l->client, &stats);
		assert_true(stats.round_trip_ms >= 2 * delays_ms[i] && stats.round_trip_ms <= 2 * delays_ms[i] + 20);
		line_close(l);
	}
}

/* ---- time ---- */

/* A keyframe of one packet: RFC 7741 section 4.2, and the frame's own first bit. */
static void send_picture(struct line *l, uint32_t timestamp)
{
	static const uint8_t payload[] = { 0x10, 0x00, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	uint8_t header[SG_RTP_HEADER_BYTES], out[SG_RTP_MTU];

	sg_rtp_write_header(header, VP8_PT, true, (uint16_t)l->index, timestamp, SSRC);
	size_t len = sg_srtp_seal(sg_srtp_sealer(sg_transport_srtp(l->server)), out, header, sizeof(header), payload,
	    sizeof(payload), l->index++);
	assert_true(len);
	put(l, false, out, len);
}

static void send_report(struct line *l, uint32_t timestamp)
{
	const struct sg_rtcp_sender s = { .ssrc = SSRC, .rtp_timestamp = timestamp,
		.ntp = sg_ntp_from_unix_us(1700000000000000 + l->now_us) };
	struct sg_buf b;

	sg_buf_init(&b, SG_RTCP_MAX);
	sg_rtcp_write_sr(&b, &s, NULL, 0);
	sg_transport_send_rtcp(l->server, b.p, b.len);
	sg_buf_reset(&b);
}

static int64_t next_pts(struct line *l)
{
	struct sg_frame *f = sg_rtc_client_next(l->client, l->now_us);

	assert_non_null(f);
	int64_t pts = f->pts_90khz;
	sg_frame_unref(f);
	assert_null(sg_rtc_client_next(l->client, l->now_us));
	return pts;
}

/* The server's clock may begin anywhere, and its report come in one go with its first picture. */
static void a_report_that_comes_with_the_first_picture_moves_nothing(void **state)
{
	static const uint32_t begins[] = { 0, 0x7ffffff0, 0x80000000, 0xffffff00 };

	(void)state;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		struct line *l = line_open(0);
		uint32_t ticks = begins[i];
		int64_t began = 0;
		run(l, 2000000);
		assert_int_equal(sg_rtc_client_state(l->client), SG_RTC_OPEN);
		for (int second = 0; second < 4; second++, ticks += 90000) {
			send_picture(l, ticks);
			send_report(l, ticks);
			deliver(l);
			int64_t pts = next_pts(l);
			if (!second)
				began = pts;
			assert_in_range(pts - began - second * 90000 + 900, 0, 1800);
			run(l, 1000000);
		}
		line_close(l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_found_however_long_the_way),
		cmocka_unit_test(a_report_that_comes_with_the_first_picture_moves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
