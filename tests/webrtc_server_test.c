/* A WebRTC server on loopback, from offer to media to the end, with clients of the other side. */
#include "webrtc_people.h"
#include "webrtc/stun.h"

static void a_viewer_plays_from_the_last_keyframe(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	for (int i = 0; i < KEY_EVERY + 20; i++)
		source_step(&s);
	viewer_open(&v, f);
	struct owner *o = join(f, &v, t.text);
	assert_int_equal(uses_of(f, &t), 0); /* nothing has flowed yet */
	RUN_UNTIL(v.client, NULL, v.pictures); /* no later keyframe comes on its way in */
	assert_int_equal(v.first, KEY_EVERY);
	s.next_ms = sg_mono_ms();
	RUN_UNTIL(v.client, &s, v.pictures >= 60 && v.sounds >= 40);
	assert_int_equal(uses_of(f, &t), 1);
	assert_int_equal(owner_get(o, &o->started), 1);
	assert_int_equal(v.gaps, 0);
	assert_true(v.configs >= 1);
	assert_false(v.ended);
	struct sg_webrtc_stats stats;
	sg_webrtc_server_stats(f->rtc, &stats);
	assert_int_equal(stats.viewers, 1);
	struct sg_webrtc_peer_stats one;
	RUN_UNTIL(v.client, &s, sg_webrtc_peers(f->rtc, &one, 1) == 1 && one.round_trip_ms >= 0);
	assert_int_equal(one.video, SG_CODEC_H264);
	assert_string_equal(one.transport, "udp");
	/* A goodbye ends it at the server. */
	browser_close(v.client, true);
	assert_false(owner_wait(o, &o->described, 2));
	assert_int_equal(o->ended, 1);
	assert_int_equal(o->verdict, SG_ADMITTED);
	assert_int_equal(o->why, SG_BYE_CLOSED);
	owner_close(f, o);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

static void lost_packets_are_sent_again(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct sg_webrtc_stats stats;
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, NULL);
	v.lose_in_percent = 5;
	RUN_UNTIL(v.client, &s, v.pictures >= 150);
	sg_webrtc_server_stats(f->rtc, &stats);
	assert_true(stats.retransmitted > 5);
	/* One packet may be lost as often as it is sent. */
	assert_true(v.gaps <= 2);
	all_leave(f, &v, o, &s);
}

/* One datagram that asks for as many packets as fit into it, none of which is there. */
static void ask_for_thousands(struct browser *c)
{
	uint16_t seqs[200];
	struct sg_buf b;

	sg_buf_init(&b, SG_RTCP_MAX);
	for (int packet = 0; packet < 15; packet++) {
		for (size_t i = 0; i < 200; i++)
			seqs[i] = (uint16_t)(0xc000 + i);
		sg_rtcp_write_nack(&b, 1, c->tracks[0].source.ssrc, seqs, 200);
	}
	assert_false(b.failed);
	sg_transport_send_rtcp(c->transport, b.p, b.len);
	sg_buf_reset(&b);
}

static void whoever_asks_for_thousands_of_packets_is_not_listened_to(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct sg_webrtc_stats before, after;
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, NULL);
	sg_webrtc_server_stats(f->rtc, &before);
	ask_for_thousands(v.client);
	RUN_UNTIL(v.client, &s, (sg_webrtc_server_stats(f->rtc, &after), after.nacks > before.nacks + 400));
	RUN_UNTIL(v.client, &s, v.pictures >= 10);
	sg_webrtc_server_stats(f->rtc, &after);
	assert_true(after.nacks - before.nacks < 1500); /* of three thousand */
	all_leave(f, &v, o, &s);
}

static void a_refusal_tells_only_the_owner_why(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PUBLISH);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	source_step(&s);
	viewer_open(&v, f);
	struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), t.text);
	assert_false(owner_wait(o, &o->described, 1));
	assert_int_equal(o->verdict, SG_WRONG_TYPE);
	assert_int_equal(uses_of(f, &t), 0);
	owner_close(f, o);
	browser_close(v.client, false);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

static void whoever_is_kicked_is_out_at_once(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, t.text);
	const struct sg_end_filter all = { .token_id = t.id };
	int64_t kicked_ms = sg_mono_ms();
	assert_int_equal(sg_gate_end_sessions(f->gate, &all, SG_BYE_KICKED), 1);
	RUN_UNTIL(v.client, &s, v.ended);
	assert_int_equal(v.why, SG_BYE_CLOSED);
	assert_true(sg_mono_ms() - kicked_ms < WAIT_MS / 2);
	assert_false(owner_wait(o, &o->described, 2));
	assert_int_equal(o->why, SG_BYE_KICKED);
	owner_close(f, o);
	browser_close(v.client, false);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

/* One of more units than anybody makes packets of. */
static struct sg_frame *unsendable_picture(unsigned n)
{
	enum { UNITS = 5000 };
	struct sg_frame *f = sg_frame_new(SG_FRAME_VIDEO, SG_CODEC_H264, UNITS * 5);

	assert_non_null(f);
	for (int i = 0; i < UNITS; i++) {
		sg_put_be32(f->payload + 5 * i, 1);
		f->payload[5 * i + 4] = 0x41;
	}
	f->pts_90khz = f->dts_90khz = (int64_t)n * 3000;
	return f;
}

/* What leans on a picture that was not sent is not sent either. */
static void a_picture_that_cannot_be_sent_breaks_no_other(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, NULL);
	RUN_UNTIL(v.client, &s, v.pictures >= 10);
	assert_int_equal(sg_publisher_write(s.pub, unsendable_picture(s.pictures++)), SG_OK);
	unsigned before = v.pictures;
	RUN_UNTIL(v.client, &s, v.pictures >= before + 40);
	assert_true(v.gaps);
	assert_int_equal(v.broken, 0);
	all_leave(f, &v, o, &s);
}

static void a_stream_that_ends_ends_its_viewers(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, NULL);
	sg_publisher_close(s.pub, true);
	s.pub = NULL;
	sg_hub_end_all(f->hub);
	RUN_UNTIL(v.client, &s, v.ended);
	assert_false(owner_wait(o, &o->described, 2));
	assert_int_equal(o->why, SG_BYE_STREAM_ENDED);
	owner_close(f, o);
	browser_close(v.client, false);
	fixture_close(f);
}

static void b_frames_are_refused_clearly(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct sg_webrtc_stats stats;
	struct viewer v;

	(void)state;
	source_step(&s);
	struct sg_frame *b = picture(1, false, 100);
	b->pts_90khz += 6000;
	assert_int_equal(sg_publisher_write(s.pub, b), SG_OK);
	viewer_open(&v, f);
	struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), NULL);
	assert_false(owner_wait(o, &o->described, 1));
	assert_int_equal(o->verdict, SG_ADMITTED);
	assert_string_equal(o->detail, "H.264 with B-frames cannot be played over WebRTC");
	sg_webrtc_server_stats(f->rtc, &stats);
	assert_int_equal(stats.b_frames, 1);
	owner_close(f, o);
	browser_close(v.client, false);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

static void nonsense_is_refused(void **state)
{
	static const char *const offers[] = { "", "v=0", "hello\r\n",
		"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
		"a=rtpmap:96 H264/90000\r\n" };
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);

	(void)state;
	source_step(&s);
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		struct owner *o = owner_open(f, SG_PLAY, sg_str_from(offers[i]), NULL);
		assert_false(owner_wait(o, &o->described, 1));
		assert_int_equal(o->verdict, SG_ADMITTED);
		assert_int_equal(o->why, SG_BYE_BAD_INPUT);
		assert_true(*o->detail);
		owner_close(f, o);
	}
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

static void peers_have_a_limit(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 3);
	struct source s = source_open(f);
	struct owner *o[4];
	struct viewer v;

	(void)state;
	source_step(&s);
	viewer_open(&v, f);
	for (int i = 0; i < 4; i++)
		o[i] = owner_open(f, SG_PLAY, browser_offer(v.client), NULL);
	assert_null(o[3]->peer);
	free(o[3]);
	for (int i = 0; i < 3; i++)
		owner_close(f, o[i]);
	browser_close(v.client, false);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

static void a_drain_ends_all(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, NULL);
	sg_webrtc_server_drain(f->rtc);
	RUN_UNTIL(v.client, &s, v.ended);
	assert_false(owner_wait(o, &o->described, 2));
	assert_int_equal(o->why, SG_BYE_SHUTDOWN);
	owner_close(f, o);
	browser_close(v.client, false);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

static void it_works_over_ipv6(void **state)
{
	struct fixture *f = fixture_open("", "[::1]:0", 10);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, NULL);
	all_leave(f, &v, o, &s);
}

static void it_works_over_tcp(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct sg_webrtc_peer_stats one;
	struct viewer v[3];
	struct owner *o[3];

	(void)state;
	source_step(&s);
	/* More than loops: some connections have to move to their peer's. */
	for (int i = 0; i < 3; i++) {
		viewer_open_by(&v[i], f, true);
		o[i] = join(f, &v[i], NULL);
	}
	for (int i = 0; i < 3; i++)
		RUN_UNTIL(v[i].client, &s, v[i].pictures >= 20);
	for (int i = 0; i < 3; i++)
		RUN_UNTIL(v[i].client, &s, v[i].pictures >= 40 && sg_webrtc_peers(f->rtc, &one, 1) == 3);
	assert_string_equal(one.transport, "tcp");
	for (int i = 0; i < 3; i++) {
		browser_close(v[i].client, i != 2); /* the last one breaks off */
		if (i != 2) {
			assert_false(owner_wait(o[i], &o[i]->described, 2));
			assert_int_equal(o[i]->why, SG_BYE_CLOSED);
		}
		owner_close(f, o[i]);
	}
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

/* Its connection breaks, and it makes another: what it was not sent in between has no number, so that it could not
 * miss it. */
static void whoever_connects_anew_over_tcp_sees_no_broken_picture(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	source_step(&s);
	viewer_open_by(&v, f, true);
	struct owner *o = join(f, &v, NULL);
	RUN_UNTIL(v.client, &s, v.pictures >= 10);
	close(v.client->fd);
	v.client->fd = -1;
	for (unsigned until = s.pictures + 12; s.pictures < until; usleep(2000))
		source_run(&s);
	v.client->in_len = 0;
	assert_true(open_socket(v.client, &v.client->way.remote));
	sg_transport_connect(v.client->transport, &v.client->way, sg_mono_ms());
	unsigned before = v.pictures;
	RUN_UNTIL(v.client, &s, v.pictures >= before + 40);
	assert_int_equal(v.broken, 0);
	assert_true(v.gaps);
	all_leave(f, &v, o, &s);
}

/* ---- many connections of one peer ---- */

static int connect_tcp(struct fixture *f)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)f->port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void send_check(int fd, const struct sg_sdp_media *theirs, struct sg_str pwd)
{
	static const uint8_t transaction[SG_STUN_TRANSACTION_BYTES] = { 7 };
	struct sg_stun_writer w;
	uint8_t head[2];
	char name[100];

	int len = snprintf(name, sizeof(name), "%.*s:anybody", SG_STR_ARG(theirs->ufrag));
	sg_stun_begin(&w, SG_STUN_REQUEST, transaction);
	sg_stun_put_username(&w, (struct sg_str){ name, (size_t)len });
	sg_stun_put_role(&w, true, 1);
	sg_stun_put_priority(&w, 1);
	assert_true(sg_stun_finish(&w, pwd));
	sg_put_be16(head, (uint16_t)w.len);
	assert_int_equal(send(fd, head, 2, MSG_NOSIGNAL), 2);
	assert_int_equal(send(fd, w.p, w.len, MSG_NOSIGNAL), (ssize_t)w.len);
}

/* The kernel tells when the server has closed it: what was answered before is read first. */
static bool is_closed(int fd)
{
	uint8_t p[2000];

	ssize_t n = recv(fd, p, sizeof(p), MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static int closed_of(const int *fds, int count)
{
	int closed = 0;

	for (int i = 0; i < count; i++)
		closed += is_closed(fds[i]);
	return closed;
}

/* It may have eight, and the one in use is not the one to go. */
static void a_peer_has_a_limited_number_of_connections(void **state)
{
	enum { MORE = 14, MAX = 8 };
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct sg_sdp *answer;
	struct viewer v;
	char error[160];
	int fds[MORE];

	(void)state;
	source_step(&s);
	viewer_open_by(&v, f, true);
	struct owner *o = join(f, &v, NULL);
	RUN_UNTIL(v.client, &s, v.pictures >= 5);
	assert_int_equal(sg_sdp_parse(&answer, sg_str_from(o->sdp), error, sizeof(error)), SG_OK);
	const struct sg_sdp_media *theirs = sg_sdp_transport(answer);
	for (int i = 0; i < MORE; i++) {
		fds[i] = connect_tcp(f);
		send_check(fds[i], theirs, theirs->pwd);
	}
	RUN_UNTIL(v.client, &s, closed_of(fds, MORE) >= MORE + 1 - MAX);
	unsigned pictures = v.pictures;
	RUN_UNTIL(v.client, &s, v.pictures >= pictures + 30);
	assert_int_equal(closed_of(fds, MORE), MORE + 1 - MAX);
	assert_false(v.ended);
	for (int i = 0; i < MORE; i++)
		close(fds[i]);
	sg_sdp_free(answer);
	all_leave(f, &v, o, &s);
}

struct restart_call {
	struct sg_webrtc_peer *peer;
	const char *ufrag, *pwd;
	char our_ufrag[SG_ICE_UFRAG_SIZE], our_pwd[SG_ICE_PWD_SIZE];
};

static void restart_now(void *user)
{
	struct restart_call *r = user;

	sg_webrtc_restart(r->peer, sg_str_from(r->ufrag), sg_str_from(r->pwd), r->our_ufrag, r->our_pwd);
}

static void a_restart_moves_a_peer_to_another_address(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	char ufrag[SG_ICE_UFRAG_SIZE], pwd[SG_ICE_PWD_SIZE];
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, NULL);
	sg_ice_credentials(ufrag, pwd);
	struct restart_call r = { .peer = o->peer, .ufrag = ufrag, .pwd = pwd };
	sg_loop_call(f->owner_loop, restart_now, &r);
	browser_restart(v.client, r.our_ufrag, r.our_pwd, ufrag, pwd);
	unsigned before = v.pictures;
	RUN_UNTIL(v.client, &s, v.pictures >= before + 40);
	assert_false(v.ended);
	all_leave(f, &v, o, &s);
}

/* A token is free again, and the peer gone, at whichever step its owner stopped. */
static void whoever_stops_on_the_way_is_sent_away(void **state)
{
	struct fixture *f = fixture_open_with(
	    ON, "127.0.0.1:0", (struct limits){ .max_peers = 10, .media_deadline_ms = 400 });
	struct token t = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v;

	(void)state;
	source_step(&s);
	for (int step = 0; step < 2; step++) {
		viewer_open(&v, f);
		struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), t.text);
		assert_true(owner_wait(o, &o->described, 1));
		/* 0: nothing is ever sent; 1: a check goes out, and then nothing follows. */
		if (step)
			assert_int_equal(browser_answer(v.client, sg_str_from(o->sdp)), SG_OK);
		assert_false(owner_wait(o, &o->described, 2));
		assert_int_equal(o->why, SG_BYE_NO_MEDIA);
		assert_string_equal(o->detail, step ? "DTLS was not finished in time" : "no connection came");
		assert_int_equal(uses_of(f, &t), 0);
		owner_close(f, o);
		browser_close(v.client, false);
		await_peers(f, 0);
	}
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

/* ---- publishing ---- */

struct followed {
	uint64_t next;
	unsigned pictures, sounds, last, gaps;
	int64_t video_pts, audio_pts;
};

static void follow(struct fixture *f, struct followed *w)
{
	struct sg_stream *s = sg_hub_find(f->hub, SG_STR("live"), SG_STR("cam"));
	struct sg_frame *frames[64];
	struct sg_ring_read rd = { .frames = frames, .max = 64, .next = w->next };

	if (!s)
		return;
	sg_ring_read(sg_stream_ring(s), &rd, false);
	w->next = rd.next;
	for (size_t i = 0; i < rd.count; i++) {
		if (frames[i]->flags & SG_FRAME_CONFIG) {
			;
		} else if (frames[i]->kind == SG_FRAME_VIDEO) {
			unsigned n = picture_number(frames[i]);
			w->gaps += w->pictures && n != w->last + 1;
			w->last = n;
			w->pictures++;
			w->video_pts = frames[i]->pts_90khz;
		} else {
			w->sounds++;
			w->audio_pts = frames[i]->pts_90khz;
		}
		sg_frame_unref(frames[i]);
	}
	sg_stream_unref(s);
}

static void a_publisher_reaches_the_hub(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PUBLISH);
	struct followed w = { 0 };
	struct camera c;

	(void)state;
	camera_open(&c, f);
	struct owner *o = publish(f, &c, t.text);
	assert_int_equal(uses_of(f, &t), 0);
	int64_t until = sg_mono_ms() + WAIT_MS;
	while ((w.pictures < 100 || w.sounds < 100) && sg_mono_ms() < until) {
		camera_run(&c);
		follow(f, &w);
	}
	assert_true(w.pictures >= 100 && w.sounds >= 100);
	assert_int_equal(w.gaps, 0);
	assert_int_equal(uses_of(f, &t), 1);
	assert_int_equal(owner_get(o, &o->started), 1);
	/* Both tracks lie on one timeline. */
	int64_t apart = w.video_pts - w.audio_pts;
	assert_true(apart > -20000 && apart < 20000);
	/* The browser is told how much it may send, and asked for keyframes. */
	struct browser_stats stats;
	browser_stats(c.client, &stats);
	assert_true(stats.bit_rate_wanted >= 1000000);
	assert_true(stats.feedbacks > 5);
	assert_true(stats.reports >= 1);
	assert_true(c.keys_wanted >= 1);
	/* Each track is measured: 3000 bytes thirty times a second, 80 fifty times. */
	struct sg_stream *cam = sg_hub_find(f->hub, SG_STR("live"), SG_STR("cam"));
	struct sg_stream_info info;
	sg_stream_info(cam, &info);
	sg_stream_unref(cam);
	assert_true(info.video_bit_rate > 300000 && info.video_bit_rate < 1500000);
	assert_true(info.audio_bit_rate > 10000 && info.audio_bit_rate < 100000);
	assert_int_equal(info.bit_rate, info.video_bit_rate + info.audio_bit_rate);
	/* It answers what its way takes. */
	struct sg_webrtc_peer_stats one = { .round_trip_ms = -1 };
	for (until = sg_mono_ms() + WAIT_MS; one.round_trip_ms < 0 && sg_mono_ms() < until; camera_run(&c))
		assert_int_equal(sg_webrtc_peers(f->rtc, &one, 1), 1);
	assert_true(one.round_trip_ms >= 0 && one.round_trip_ms < WAIT_MS);
	browser_close(c.client, true);
	assert_false(owner_wait(o, &o->described, 2));
	assert_int_equal(o->why, SG_BYE_CLOSED);
	owner_close(f, o);
	fixture_close(f);
}

static void what_a_publisher_loses_is_asked_for_again(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct followed w = { 0 };
	struct camera c;

	(void)state;
	camera_open(&c, f);
	struct owner *o = publish(f, &c, NULL);
	c.lose_out_percent = 5;
	int64_t until = sg_mono_ms() + WAIT_MS;
	while (w.pictures < 150 && sg_mono_ms() < until) {
		camera_run(&c);
		follow(f, &w);
	}
	struct browser_stats stats;
	browser_stats(c.client, &stats);
	assert_true(w.pictures >= 150);
	assert_true(stats.retransmitted > 5);
	assert_true(w.gaps <= 2);
	browser_close(c.client, true);
	owner_close(f, o);
	fixture_close(f);
}

static void a_publisher_that_never_connects_spends_nothing(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct token t = make_token(f, SG_PUBLISH);
	struct camera c;

	(void)state;
	camera_open(&c, f);
	struct owner *o = owner_open(f, SG_PUBLISH, browser_offer(c.client), t.text);
	assert_true(owner_wait(o, &o->described, 1));
	owner_close(f, o);
	await_peers(f, 0);
	/* The token is free for the next attempt. */
	o = publish(f, &c, t.text);
	int64_t until = sg_mono_ms() + WAIT_MS;
	while (!owner_get(o, &o->started) && sg_mono_ms() < until)
		camera_run(&c);
	assert_int_equal(owner_get(o, &o->started), 1);
	assert_int_equal(uses_of(f, &t), 1);
	browser_close(c.client, true);
	owner_close(f, o);
	fixture_close(f);
}

static void browser_to_browser(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct camera c;
	struct viewer v;

	(void)state;
	camera_open(&c, f);
	struct owner *po = publish(f, &c, NULL);
	int64_t until = sg_mono_ms() + WAIT_MS;
	while (!owner_get(po, &po->started) && sg_mono_ms() < until)
		camera_run(&c);
	viewer_open(&v, f);
	struct owner *vo = join(f, &v, NULL);
	while (v.pictures < 60 && sg_mono_ms() < until) {
		camera_run(&c);
		client_step(v.client, NULL);
	}
	assert_true(v.pictures >= 60 && v.sounds > 30);
	assert_int_equal(v.gaps, 0);
	/* A viewer's wish for a keyframe reaches the camera. */
	unsigned wanted = c.keys_wanted;
	browser_request_key(v.client);
	while (c.keys_wanted == wanted && sg_mono_ms() < until) {
		camera_run(&c);
		client_step(v.client, NULL);
	}
	assert_true(c.keys_wanted > wanted);
	browser_close(v.client, true);
	browser_close(c.client, true);
	owner_close(f, vo);
	owner_close(f, po);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_viewer_plays_from_the_last_keyframe),
		cmocka_unit_test(lost_packets_are_sent_again),
		cmocka_unit_test(whoever_asks_for_thousands_of_packets_is_not_listened_to),
		cmocka_unit_test(a_refusal_tells_only_the_owner_why),
		cmocka_unit_test(whoever_is_kicked_is_out_at_once),
		cmocka_unit_test(a_picture_that_cannot_be_sent_breaks_no_other),
		cmocka_unit_test(a_stream_that_ends_ends_its_viewers),
		cmocka_unit_test(b_frames_are_refused_clearly),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(peers_have_a_limit),
		cmocka_unit_test(a_drain_ends_all),
		cmocka_unit_test(it_works_over_ipv6),
		cmocka_unit_test(it_works_over_tcp),
		cmocka_unit_test(whoever_connects_anew_over_tcp_sees_no_broken_picture),
		cmocka_unit_test(a_peer_has_a_limited_number_of_connections),
		cmocka_unit_test(a_restart_moves_a_peer_to_another_address),
		cmocka_unit_test(whoever_stops_on_the_way_is_sent_away),
		cmocka_unit_test(a_publisher_reaches_the_hub),
		cmocka_unit_test(what_a_publisher_loses_is_asked_for_again),
		cmocka_unit_test(a_publisher_that_never_connects_spends_nothing),
		cmocka_unit_test(browser_to_browser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
