/* A WebRTC viewer while its publisher is away, and after it has come back: with the same codecs, with others, with
 * B-frames. Peers that vanish without a word. */
#include "webrtc_people.h"
#include "encode_fixture.h"

#define PICTURES 50
#define CONSENT_MS 4000

/* ---- a publisher with real media, which comes and goes ---- */

struct media {
	struct coded pictures, sound;
	unsigned next[2];
	int64_t begun_us;
	struct sg_publisher *pub;
};

static struct coded plain, with_b, vp8, aac, opus;

static int encode_all(void **state)
{
	const struct picture_options h264 = { .encoder = "libx264", .codec = SG_CODEC_H264, .width = 320,
		.height = 180, .frames = PICTURES, .gop = 25, .bit_rate = 300000, .x264_opts = "keyint=25:scenecut=0" };
	struct picture_options other = h264;

	(void)state;
	encode_pictures(&h264, &plain);
	other.b_frames = 2;
	other.x264_opts = "keyint=25:scenecut=0:bframes=2:b-adapt=0";
	encode_pictures(&other, &with_b);
	other = (struct picture_options){ .encoder = "libvpx", .codec = SG_CODEC_VP8, .width = 320, .height = 180,
		.frames = PICTURES, .gop = 25, .bit_rate = 300000 };
	encode_pictures(&other, &vp8);
	encode_tone(SG_CODEC_AAC, 48000, 440, 2, 0, &aac);
	encode_tone(SG_CODEC_OPUS, 48000, 440, 2, 0, &opus);
	return 0;
}

static int drop_all(void **state)
{
	(void)state;
	coded_drop(&plain);
	coded_drop(&with_b);
	coded_drop(&vp8);
	coded_drop(&aac);
	coded_drop(&opus);
	return 0;
}

static struct sg_frame *copy_of(const struct sg_frame *f, int64_t later)
{
	struct sg_frame *copy = sg_frame_new((enum sg_frame_kind)f->kind, (enum sg_codec)f->codec, f->size);

	assert_non_null(copy);
	memcpy(copy->payload, f->payload, f->size);
	copy->flags = f->flags;
	copy->pts_90khz = f->pts_90khz + later;
	copy->dts_90khz = f->dts_90khz + later;
	return copy;
}

static void media_open(struct media *m, struct fixture *f, const struct coded *pictures, const struct coded *sound)
{
	*m = (struct media){ .pictures = *pictures, .sound = *sound, .begun_us = sg_mono_us() };
	/* The former one may still be leaving. */
	while (sg_hub_publish(f->hub, SG_STR("live"), SG_STR("cam"), "test", &m->pub) == SG_ERR_EXISTS)
		usleep(10000);
	assert_non_null(m->pub);
	if (pictures->config)
		assert_int_equal(sg_publisher_write(m->pub, copy_of(pictures->config, 0)), SG_OK);
	assert_int_equal(sg_publisher_write(m->pub, copy_of(sound->config, 0)), SG_OK);
}

/* All whose time has come; two seconds long, again and again. */
static void media_run(struct media *m)
{
	int64_t now = (sg_mono_us() - m->begun_us) * 9 / 100;
	const struct coded *tracks[2] = { &m->pictures, &m->sound };

	for (int i = 0; m->pub && i < 2; i++) {
		for (;;) {
			const struct coded *t = tracks[i];
			const struct sg_frame *next = t->frames[m->next[i] % t->count];
			int64_t later = (int64_t)(m->next[i] / t->count) * 180000;
			if (next->dts_90khz - t->frames[0]->dts_90khz + later > now)
				break;
			assert_int_equal(sg_publisher_write(m->pub, copy_of(next, later)), SG_OK);
			m->next[i]++;
		}
	}
}

static void media_break(struct media *m)
{
	sg_publisher_close(m->pub, false);
	m->pub = NULL;
}

static void step(struct viewer *v, struct media *m)
{
	media_run(m);
	client_step(v->client, NULL);
}

#define UNTIL(v, m, condition)                                                                     \
	do {                                                                                       \
		int64_t until_ = sg_mono_ms() + WAIT_MS;                                           \
		while (!(condition) && sg_mono_ms() < until_)                                      \
			step(v, m);                                                                \
		assert_true(condition);                                                            \
	} while (0)

/* Both tracks go on. */
static void goes_on(struct viewer *v, struct media *m)
{
	unsigned pictures = v->pictures + PICTURES, sounds = v->sounds + 50;

	UNTIL(v, m, (v->pictures >= pictures && v->sounds >= sounds) || v->ended);
	assert_false(v->ended);
}

static void waits(struct viewer *v, struct media *m)
{
	media_break(m);
	/* What is on its way arrives; then there is nothing, and nobody is ended. */
	int64_t until = sg_mono_ms() + WAIT_MS, quiet_ms = sg_mono_ms();
	for (unsigned seen = v->pictures; sg_mono_ms() < until && sg_mono_ms() - quiet_ms < 400; step(v, m))
		if (v->pictures != seen) {
			seen = v->pictures;
			quiet_ms = sg_mono_ms();
		}
	assert_true(sg_mono_ms() < until);
	assert_false(v->ended);
}

static bool has_b_frames(struct fixture *f)
{
	struct sg_stream *s = sg_hub_find(f->hub, SG_STR("live"), SG_STR("cam"));
	struct sg_stream_info info;

	assert_non_null(s);
	sg_stream_info(s, &info);
	sg_stream_unref(s);
	return info.has_b_frames;
}

static void viewer_open_for_h264(struct viewer *v, struct fixture *f)
{
	const struct browser_config cfg = { .identity = f->identity, .video = SG_CODEC_H264,
		.audio = SG_CODEC_OPUS, .events = &client_events, .user = v, .only = true };

	*v = (struct viewer){ .opened_ms = sg_mono_ms() };
	assert_int_equal(browser_open(&v->client, &cfg), SG_OK);
}

static struct owner *watch(struct fixture *f, struct viewer *v, struct media *m)
{
	media_run(m);
	viewer_open(v, f);
	v->real = true;
	return join(f, v, NULL);
}

static void leave(struct fixture *f, struct viewer *v, struct owner *o, struct media *m)
{
	browser_close(v->client, true);
	owner_close(f, o);
	media_break(m);
	fixture_close(f);
}

static void a_viewer_goes_on_when_its_publisher_is_back(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct media m;
	struct viewer v;

	(void)state;
	media_open(&m, f, &plain, &opus);
	struct owner *o = watch(f, &v, &m);
	for (int i = 0; i < 3; i++) {
		goes_on(&v, &m);
		waits(&v, &m);
		media_open(&m, f, &plain, &opus);
	}
	goes_on(&v, &m);
	leave(f, &v, o, &m);
}

static void it_goes_on_with_other_sound_and_with_b_frames(void **state)
{
	static const struct coded *const come[][2] = { { &plain, &aac }, { &with_b, &aac }, { &plain, &opus },
		{ &with_b, &opus }, { &plain, &aac } };
	struct fixture *f = fixture_open("transcode_video = on", "127.0.0.1:0", 10);
	struct media m;
	struct viewer v;

	(void)state;
	media_open(&m, f, &plain, &opus);
	struct owner *o = watch(f, &v, &m);
	goes_on(&v, &m);
	for (size_t i = 0; i < sizeof(come) / sizeof(come[0]); i++) {
		waits(&v, &m);
		media_open(&m, f, come[i][0], come[i][1]);
		assert_false(has_b_frames(f));
		goes_on(&v, &m);
		assert_int_equal(has_b_frames(f), come[i][0] == &with_b);
	}
	assert_int_equal(owner_get(o, &o->ended), 0);
	leave(f, &v, o, &m);
}

/* Browsers take all that is offered: one goes on at the next keyframe, by the other payload type. */
static void go_on_with_other_pictures(struct fixture *f, struct viewer *v, struct owner *o, struct media *m)
{
	static const struct coded *const come[] = { &vp8, &plain, &vp8 };

	goes_on(v, m);
	for (size_t i = 0; i < sizeof(come) / sizeof(come[0]); i++) {
		waits(v, m);
		media_open(m, f, come[i], &opus);
		goes_on(v, m);
		assert_int_equal(v->client->tracks[0].codec, come[i] == &vp8 ? SG_CODEC_VP8 : SG_CODEC_H264);
	}
	assert_int_equal(owner_get(o, &o->ended), 0);
	assert_int_equal(owner_get(o, &o->described), 1);
}

static void it_goes_on_with_another_picture_codec(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct media m;
	struct viewer v;

	(void)state;
	media_open(&m, f, &plain, &opus);
	struct owner *o = watch(f, &v, &m);
	go_on_with_other_pictures(f, &v, o, &m);
	struct sg_webrtc_peer_stats one;
	UNTIL(&v, &m, sg_webrtc_peers(f->rtc, &one, 1) == 1 && one.video == SG_CODEC_VP8);
	leave(f, &v, o, &m);
}

/* As it is with Ant Media's SDK. */
static void it_goes_on_where_we_have_offered(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct media m;
	struct viewer v;

	(void)state;
	media_open(&m, f, &plain, &opus);
	media_run(&m);
	viewer_open(&v, f);
	v.real = true;
	struct owner *o = join_by_offer(f, &v);
	go_on_with_other_pictures(f, &v, o, &m);
	leave(f, &v, o, &m);
}

static void a_picture_codec_that_it_does_not_take_ends_it_with_a_reason(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct media m;
	struct viewer v;

	(void)state;
	media_open(&m, f, &plain, &opus);
	media_run(&m);
	viewer_open_for_h264(&v, f);
	v.real = true;
	struct owner *o = join(f, &v, NULL);
	goes_on(&v, &m);
	waits(&v, &m);
	media_open(&m, f, &vp8, &opus);
	UNTIL(&v, &m, v.ended);
	assert_false(owner_wait(o, &o->described, 2));
	assert_int_equal(o->why, SG_BYE_STREAM_ENDED);
	assert_string_equal(o->detail, "the stream's picture is vp8 now, which this viewer has not agreed to");
	leave(f, &v, o, &m);
}

/* Known from the first reordered picture on: who has come before it is told, and shown no judder. */
static void late_b_frames_end_it_with_a_reason(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct sg_webrtc_stats stats;
	struct viewer v;

	(void)state;
	struct owner *o = begin_to_watch(f, &v, &s, NULL);
	struct sg_frame *b = picture(s.pictures++, false, 100);
	b->pts_90khz += 6000;
	assert_int_equal(sg_publisher_write(s.pub, b), SG_OK);
	unsigned last = s.pictures - 2;
	RUN_UNTIL(v.client, &s, v.ended);
	assert_true(v.last <= last); /* nothing from there on */
	assert_false(owner_wait(o, &o->described, 2));
	assert_int_equal(o->why, SG_BYE_NO_MEDIA);
	assert_string_equal(o->detail, "H.264 with B-frames cannot be played over WebRTC");
	sg_webrtc_server_stats(f->rtc, &stats);
	assert_int_equal(stats.b_frames, 1);
	browser_close(v.client, false);
	owner_close(f, o);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

static void late_b_frames_are_transcoded_where_that_is_wanted(void **state)
{
	struct fixture *f = fixture_open("transcode_video = on", "127.0.0.1:0", 10);
	struct media m;
	struct viewer v;

	(void)state;
	media_open(&m, f, &plain, &opus);
	struct owner *o = watch(f, &v, &m);
	goes_on(&v, &m);
	/* The same publisher, from now on with them. */
	m.pictures = with_b;
	assert_int_equal(sg_publisher_write(m.pub, copy_of(with_b.config, 0)), SG_OK);
	m.next[0] += PICTURES - m.next[0] % PICTURES; /* from a keyframe on */
	UNTIL(&v, &m, has_b_frames(f));
	goes_on(&v, &m);
	leave(f, &v, o, &m);
}

/* ---- a publisher that offers again ---- */

static unsigned pictures_of(struct fixture *f, enum sg_codec codec, uint64_t *next)
{
	struct sg_stream *s = sg_hub_find(f->hub, SG_STR("live"), SG_STR("cam"));
	struct sg_frame *frames[64];
	struct sg_ring_read rd = { .frames = frames, .max = 64, .next = *next };
	unsigned n = 0;

	if (!s)
		return 0;
	sg_ring_read(sg_stream_ring(s), &rd, false);
	*next = rd.next;
	for (size_t i = 0; i < rd.count; i++) {
		n += frames[i]->codec == codec && !(frames[i]->flags & SG_FRAME_CONFIG);
		sg_frame_unref(frames[i]);
	}
	sg_stream_unref(s);
	return n;
}

/* Thirty pictures a second, until so many have reached the hub. */
static void publish_pictures(struct fixture *f, struct camera *c, const struct coded *from, enum sg_codec codec)
{
	struct pollfd fd = { .fd = browser_fd(c->client), .events = POLLIN };
	uint64_t next = 0;
	int64_t until = sg_mono_ms() + WAIT_MS, at_ms = sg_mono_ms();
	unsigned sent = 0, seen = 0;

	while (seen < 30 && sg_mono_ms() < until) {
		poll(&fd, 1, 5);
		browser_run(c->client);
		seen += pictures_of(f, codec, &next);
		if (!c->connected || sg_mono_ms() < at_ms)
			continue;
		at_ms += 33;
		if (!sent && from->config)
			write_and_free(c->client, copy_of(from->config, 0));
		struct sg_frame *p = copy_of(from->frames[sent % from->count], 0);
		p->pts_90khz = p->dts_90khz = (int64_t)c->pictures++ * 3000;
		sent++;
		write_and_free(c->client, p);
	}
	assert_true(seen >= 30);
}

static void a_publisher_may_agree_on_another_codec(void **state)
{
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct camera c;

	(void)state;
	camera_open(&c, f);
	struct owner *o = publish(f, &c, NULL);
	publish_pictures(f, &c, &plain, SG_CODEC_H264);
	c.client->cfg.video = SG_CODEC_VP8;
	c.client->offer.len = 0;
	assert_true(make_offer(c.client));
	sg_webrtc_set_offer(o->peer, browser_offer(c.client));
	assert_true(owner_wait(o, &o->described, 2));
	assert_non_null(strstr(o->sdp, "VP8/90000"));
	c.client->tracks[0].codec = SG_CODEC_VP8;
	c.client->tracks[0].payload_type = 98;
	publish_pictures(f, &c, &vp8, SG_CODEC_VP8);
	assert_false(c.ended);
	browser_close(c.client, true);
	owner_close(f, o);
	fixture_close(f);
}

/* ---- RFC 7675 ---- */

static size_t sessions_of(struct fixture *f)
{
	return sg_gate_count(f->gate, SG_STR("live"), SG_STR("cam"), SG_PLAY) +
	       sg_gate_count(f->gate, SG_STR("live"), SG_STR("cam"), SG_PUBLISH);
}

static void viewer_open_briefly(struct viewer *v, struct fixture *f)
{
	const struct browser_config cfg = { .identity = f->identity, .video = SG_CODEC_H264,
		.audio = SG_CODEC_OPUS, .events = &client_events, .user = v, .consent_ms = CONSENT_MS };

	*v = (struct viewer){ .opened_ms = sg_mono_ms() };
	assert_int_equal(browser_open(&v->client, &cfg), SG_OK);
}

static void who_vanishes_is_gone_within_the_limit(void **state)
{
	struct fixture *f = fixture_open_with(
	    ON, "127.0.0.1:0", (struct limits){ .max_peers = 10, .consent_ms = CONSENT_MS });
	struct token gone = make_token(f, SG_PLAY), stays = make_token(f, SG_PLAY);
	struct source s = source_open(f);
	struct viewer v[2];
	struct owner *o[2];

	(void)state;
	source_step(&s);
	for (int i = 0; i < 2; i++) {
		viewer_open_briefly(&v[i], f);
		o[i] = join(f, &v[i], i ? stays.text : gone.text);
		RUN_UNTIL(v[i].client, &s, v[i].pictures >= 5);
	}
	assert_int_equal(sessions_of(f), 2);
	int64_t vanished_ms = sg_mono_ms();
	while (!owner_get(o[0], &o[0]->ended) && sg_mono_ms() < vanished_ms + WAIT_MS)
		client_step(v[1].client, &s); /* the other one is not run any more */
	int64_t took_ms = sg_mono_ms() - vanished_ms;
	print_message("gone %lld ms after its last word (limit %d ms)\n", (long long)took_ms, CONSENT_MS);
	assert_int_equal(o[0]->why, SG_BYE_BROKEN);
	assert_string_equal(o[0]->detail, "the peer has fallen silent");
	assert_true(took_ms <= CONSENT_MS + WAIT_MS / 4);
	RUN_UNTIL(v[1].client, &s, sessions_of(f) == 1);
	/* A whole limit later the other one, who is heard from, is still there. */
	unsigned pictures = v[1].pictures;
	int64_t until = sg_mono_ms() + CONSENT_MS + CONSENT_MS / 4;
	while (sg_mono_ms() < until)
		client_step(v[1].client, &s);
	assert_false(v[1].ended);
	assert_true(v[1].pictures > pictures + 30);
	for (int i = 0; i < 2; i++) {
		browser_close(v[i].client, i == 1);
		owner_close(f, o[i]);
	}
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

/* Its stream waits for the next publisher, and so do its viewers. */
static void a_camera_that_vanishes_leaves_its_viewers_waiting(void **state)
{
	struct fixture *f = fixture_open_with(
	    "", "127.0.0.1:0", (struct limits){ .max_peers = 10, .consent_ms = CONSENT_MS });
	struct camera c;
	struct viewer v;

	(void)state;
	camera_open(&c, f);
	struct owner *po = publish(f, &c, NULL);
	int64_t until = sg_mono_ms() + WAIT_MS;
	while (!owner_get(po, &po->started) && sg_mono_ms() < until)
		camera_run(&c);
	viewer_open_briefly(&v, f);
	struct owner *vo = join(f, &v, NULL);
	for (until = sg_mono_ms() + WAIT_MS; v.pictures < 20 && sg_mono_ms() < until;) {
		camera_run(&c);
		client_step(v.client, NULL);
	}
	assert_true(v.pictures >= 20);
	/* The tab is killed. */
	RUN_UNTIL(v.client, NULL, owner_get(po, &po->ended));
	assert_int_equal(po->why, SG_BYE_BROKEN);
	assert_false(v.ended);
	browser_close(c.client, false);
	owner_close(f, po);
	unsigned pictures = v.pictures, sounds = v.sounds, begin = v.last + 1000;
	camera_open(&c, f);
	c.pictures = begin - begin % KEY_EVERY; /* its own count, and its own clock */
	c.sounds = c.pictures * 3000 / 1800;
	po = publish(f, &c, NULL);
	while (c.connected == false && sg_mono_ms() < until + WAIT_MS)
		camera_run(&c);
	write_and_free(c.client, config_frame(SG_FRAME_VIDEO));
	for (until = sg_mono_ms() + WAIT_MS; v.pictures < pictures + 60 && sg_mono_ms() < until;) {
		camera_run(&c);
		client_step(v.client, NULL);
	}
	assert_true(v.pictures >= pictures + 60 && v.sounds > sounds + 30);
	assert_false(v.ended);
	browser_close(v.client, true);
	browser_close(c.client, true);
	owner_close(f, vo);
	owner_close(f, po);
	fixture_close(f);
}

/* Of a variant that has just begun nothing is known but what its source tells: the first viewer of sound that has to
 * become Opus is told like the second. */
static void a_profile_that_browsers_lack_is_refused_to_the_first_as_well(void **state)
{
	struct fixture *f = fixture_open(ON, "127.0.0.1:0", 10);
	struct coded high = plain;
	struct token t = make_token(f, SG_PLAY);
	struct viewer v;
	struct media m;

	(void)state;
	high.config = copy_of(plain.config, 0);
	high.config->payload[1] = 244; /* High 4:4:4 Predictive */
	media_open(&m, f, &high, &aac);
	for (int64_t until = sg_mono_ms() + 300; sg_mono_ms() < until; usleep(5000))
		media_run(&m);
	for (int i = 0; i < 2; i++) {
		viewer_open(&v, f);
		struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), t.text);
		assert_false(owner_wait(o, &o->described, 1));
		assert_string_equal(o->detail, "no codec in common");
		assert_int_equal(uses_of(f, &t), 0);
		owner_close(f, o);
		browser_close(v.client, false);
		await_peers(f, 0);
	}
	sg_publisher_close(m.pub, true);
	sg_frame_unref(high.config);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_that_browsers_lack_is_refused_to_the_first_as_well),
		cmocka_unit_test(a_viewer_goes_on_when_its_publisher_is_back),
		cmocka_unit_test(it_goes_on_with_other_sound_and_with_b_frames),
		cmocka_unit_test(it_goes_on_with_another_picture_codec),
		cmocka_unit_test(it_goes_on_where_we_have_offered),
		cmocka_unit_test(a_picture_codec_that_it_does_not_take_ends_it_with_a_reason),
		cmocka_unit_test(late_b_frames_end_it_with_a_reason),
		cmocka_unit_test(late_b_frames_are_transcoded_where_that_is_wanted),
		cmocka_unit_test(a_publisher_may_agree_on_another_codec),
		cmocka_unit_test(who_vanishes_is_gone_within_the_limit),
		cmocka_unit_test(a_camera_that_vanishes_leaves_its_viewers_waiting),
	};

	return cmocka_run_group_tests(tests, encode_all, drop_all);
}
