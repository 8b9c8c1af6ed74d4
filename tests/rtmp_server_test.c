/* RTMP publishers and viewers against the gate: INTERFACE.md's rules, over loopback. How the server
 * deals with the bytes themselves is in rtmp_peer_test.c. */
#include "log_fixture.h"
#include "rtmp_fixture.h"

/* ---- publishing ---- */

static void a_publisher_spends_its_token_with_the_first_media_and_not_before(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token t = make_token(f, SG_PUBLISH);
	struct client *c = client_open(f);

	(void)state;
	client_begin(c, "publish", t.query);
	assert_string_equal(client_status(c), "NetStream.Publish.Start");
	assert_int_equal(uses_of(f, &t), 0);
	/* Neither metadata nor an empty message is media. The answer tells that they have been read. */
	client_send(c, 18, 1, 0, BYTES(SET_METADATA));
	send_video(c, 0, "", 0);
	client_send(c, 8, 1, 0, "", 0);
	client_call(c, "_checkbw", 9, NULL, 0);
	assert_string_equal(client_status(c), "_result");
	assert_int_equal(uses_of(f, &t), 0);
	assert_false(is_live(f, "cam"));
	send_video(c, 0, BYTES(VIDEO_CONFIG));
	send_video(c, 0, BYTES(VIDEO_KEY));
	await(is_live(f, "cam"));
	assert_int_equal(uses_of(f, &t), 1); /* R2: before anybody is given it */
	assert_int_equal(stats_of(f).publishers, 1);
	client_close(c);
	fixture_close(f);
}

static void one_that_leaves_before_media_has_its_token_still(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token t = make_token(f, SG_PUBLISH);
	struct client *c = client_open(f);

	(void)state;
	client_begin(c, "publish", t.query);
	assert_string_equal(client_status(c), "NetStream.Publish.Start");
	client_close(c);
	await(stats_of(f).connections == 0);
	assert_int_equal(uses_of(f, &t), 0);
	c = publish(f, t.query);
	assert_int_equal(uses_of(f, &t), 1);
	client_close(c);
	fixture_close(f);
}

static void commands_that_name_the_token_do_not_spend_it(void **state)
{
	static const char *const names[] = { "releaseStream", "FCPublish", "FCSubscribe",
		"getStreamLength" };
	struct fixture *f = fixture_open(ON, NULL);
	struct token t = make_token(f, SG_PUBLISH);
	struct client *c = client_open(f);

	(void)state;
	client_send_connect(c, "live");
	assert_string_equal(client_status(c), "_result");
	for (size_t i = 0; i < COUNT(names); i++) {
		client_call(c, names[i], 10 + (double)i, t.query, 0);
		assert_string_equal(client_status(c), "_result");
	}
	assert_int_equal(uses_of(f, &t), 0);
	client_close(c);
	fixture_close(f);
}

/* The commands before "publish", the publishing itself, and refusals, with the most talkative log. */
static void no_token_is_in_the_log(void **state)
{
	static const char *const names[] = { "releaseStream", "FCPublish", "getStreamLength" };
	struct logged l;
	struct fixture *f = fixture_open(ON, NULL);
	struct token t = make_token(f, SG_PUBLISH);

	(void)state;
	log_begin(&l, SG_LOG_DEBUG);
	struct client *c = client_open(f);
	client_send_connect(c, "live");
	assert_string_equal(client_status(c), "_result");
	for (size_t i = 0; i < COUNT(names); i++) {
		client_call(c, names[i], 10 + (double)i, t.query, 0);
		assert_string_equal(client_status(c), "_result");
	}
	client_close(c);
	struct client *source = publish(f, t.query), *again = client_open(f);
	client_begin(again, "publish", t.query);
	assert_string_equal(client_status(again), "NetStream.Publish.Denied");
	assert_string_equal(client_status(again), "(end)");
	client_close(again);
	client_close(source);
	await(stats_of(f).connections == 0);
	fixture_close(f);
	log_end(&l);
	assert_non_null(strstr(l.text, "publishes live/cam"));
	assert_null(strstr(l.text, strchr(t.query, '=') + 1));
}

/* What is wrong with a token, and how often it says it has been used afterwards. */
enum wrong { NONE, UNKNOWN, OTHER_STREAM, OTHER_TYPE, EXPIRED, REVOKED, WRONGS };

static struct token make_wrong(struct fixture *f, enum sg_token_type type, enum wrong wrong)
{
	enum sg_token_type other = type == SG_PLAY ? SG_PUBLISH : SG_PLAY;
	struct token t = make_token_for(f, wrong == OTHER_STREAM ? "dog" : "cam",
	    wrong == OTHER_TYPE ? other : type, wrong == EXPIRED ? -1 : 3600, 0);
	size_t n;

	if (wrong == REVOKED)
		assert_int_equal(
		    sg_store_token_revoke(f->store, t.id, false, sg_wall_s(), &n), SG_OK);
	if (wrong == NONE)
		strcpy(t.query, "cam");
	if (wrong == UNKNOWN) /* another secret */
		t.query[strlen(t.query) - 1] ^= 1;
	return t;
}

static void whoever_has_no_good_token_is_refused_in_one_way(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token good = make_token(f, SG_PUBLISH);
	struct client *source = publish(f, good.query);

	(void)state;
	for (int i = 0; i < 2 * WRONGS; i++) {
		bool is_play = i % 2;
		struct token t =
		    make_wrong(f, is_play ? SG_PLAY : SG_PUBLISH, (enum wrong)(i / 2));
		struct client *c = client_open(f);
		client_begin(c, is_play ? "play" : "publish", t.query);
		assert_string_equal(client_status(c),
		    is_play ? "NetStream.Play.Failed" : "NetStream.Publish.Denied");
		assert_string_equal(client_status(c), "(end)");
		assert_int_equal(uses_of(f, &t), 0);
		client_close(c);
	}
	assert_int_equal(stats_of(f).rejected, 2 * WRONGS);
	await_audit(f, SG_PLAY, "refused", "expired");
	await_audit(f, SG_PUBLISH, "refused", "wrong_type");
	assert_int_equal(stats_of(f).publishers, 1); /* who is in stays in */
	client_close(source);
	fixture_close(f);
}

static void a_name_that_cannot_be_is_refused(void **state)
{
	static const char *const names[] = { "", "..", "a%00b", "k\xc3\xa4se", "cam%zz" };
	struct fixture *f = fixture_open("", NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct client *c = client_open(f);
		client_begin(c, "publish", names[i]);
		assert_string_equal(client_status(c), "NetStream.Publish.Denied");
		client_close(c);
	}
	fixture_close(f);
}

static void a_token_used_before_is_refused_and_the_connection_closed(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token pub = make_token(f, SG_PUBLISH), t = make_token(f, SG_PLAY);
	struct client *source = publish(f, pub.query), *first = play(f, t.query);
	struct client *second = client_open(f), *third = client_open(f);

	(void)state;
	assert_int_equal(uses_of(f, &t), 1);
	client_begin(second, "play", t.query);
	assert_string_equal(client_status(second), "NetStream.Play.Failed");
	assert_string_equal(client_status(second), "(end)");
	client_begin(third, "publish", pub.query);
	assert_string_equal(client_status(third), "NetStream.Publish.Denied");
	assert_string_equal(client_status(third), "(end)");
	assert_int_equal(uses_of(f, &t), 1);
	expect(first, 9, BYTES(VIDEO_CONFIG)); /* and the first goes on */
	client_close(first);
	client_close(second);
	client_close(third);
	client_close(source);
	fixture_close(f);
}

static void a_second_publisher_is_refused_and_keeps_its_token(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token one = make_token(f, SG_PUBLISH), two = make_token(f, SG_PUBLISH);
	struct client *first = publish(f, one.query), *second = client_open(f);

	(void)state;
	client_begin(second, "publish", two.query);
	assert_string_equal(client_status(second), "NetStream.Publish.Denied");
	assert_string_equal(client_status(second), "(end)");
	assert_int_equal(uses_of(f, &two), 0);
	assert_int_equal(stats_of(f).publishers, 1);
	client_close(first);
	client_close(second);
	fixture_close(f);
}

static void a_publisher_that_is_refused_reads_why_though_it_sent_media_already(void **state)
{
	static uint8_t media[150000];
	struct fixture *f = fixture_open(ON, NULL);
	struct client *c = client_open(f);

	(void)state;
	/* An encoder that waits for no answer. */
	client_send_connect(c, "live");
	client_call(c, "createStream", 2, NULL, 0);
	client_call(c, "publish", 0, "cam?token=wrong", 1);
	client_send(c, 9, 1, 0, media, sizeof(media));
	assert_string_equal(client_status(c), "_result");
	assert_string_equal(client_status(c), "_result");
	assert_string_equal(client_status(c), "NetStream.Publish.Denied");
	assert_string_equal(client_status(c), "(end)");
	/* What it sent meanwhile was taken and thrown away, not answered with a reset. */
	await(stats_of(f).bytes_in > sizeof(media));
	client_close(c);
	fixture_close(f);
}

/* ---- playing ---- */

/* As librtmp sends --stop: milliseconds, behind name and start. */
static void a_viewer_is_played_to_as_long_as_it_asked(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token pub = make_token(f, SG_PUBLISH), t = make_token(f, SG_PLAY);
	struct client *source = publish(f, pub.query), *c = client_open(f);
	struct sg_buf b;

	(void)state;
	client_send_connect(c, "live");
	assert_string_equal(client_status(c), "_result");
	sg_buf_init(&b, 65536);
	sg_amf_put_string(&b, "play");
	sg_amf_put_number(&b, 0);
	sg_amf_put_null(&b);
	sg_amf_put_string(&b, t.query);
	sg_amf_put_number(&b, -1000);
	sg_amf_put_number(&b, 700);
	int64_t since = sg_mono_ms();
	client_command(c, &b, 1);
	sg_buf_reset(&b);
	assert_string_equal(client_status(c), "NetStream.Play.Reset");
	assert_string_equal(client_status(c), "NetStream.Play.Start");
	assert_string_equal(client_status(c), "NetStream.Play.Stop");
	assert_true(sg_mono_ms() - since >= 700);
	assert_string_equal(client_status(c), "(end)");
	assert_true(is_live(f, "cam"));
	client_close(c);
	client_close(source);
	fixture_close(f);
}

static void a_viewer_gets_reset_start_metadata_configurations_and_a_keyframe(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token pub = make_token(f, SG_PUBLISH), t = make_token(f, SG_PLAY);
	struct client *source = publish(f, pub.query), *c = client_open(f);

	(void)state;
	client_begin(c, "play", t.query);
	assert_int_equal(client_next(c), 4); /* StreamBegin 1 */
	assert_memory_equal(c->body, "\0\0\0\0\0\x01", 6);
	assert_string_equal(client_status(c), "NetStream.Play.Reset");
	assert_string_equal(client_status(c), "NetStream.Play.Start");
	assert_int_equal(uses_of(f, &t), 1); /* R2: before media */
	assert_int_equal(client_next(c), 18);
	assert_memory_equal(c->body, "\x02\0\x11|RtmpSampleAccess", 20);
	assert_int_equal(client_next(c), 18);
	assert_int_equal(c->len, sizeof(METADATA) - 1);
	assert_memory_equal(c->body, METADATA, c->len);
	assert_int_equal(client_next(c), 9);
	assert_memory_equal(c->body, VIDEO_CONFIG, sizeof(VIDEO_CONFIG) - 1);
	assert_int_equal(client_next(c), 8);
	assert_memory_equal(c->body, AUDIO_CONFIG, sizeof(AUDIO_CONFIG) - 1);
	assert_int_equal(client_next(c), 9);
	assert_memory_equal(c->body, VIDEO_KEY, sizeof(VIDEO_KEY) - 1);
	assert_int_equal(c->stream, 1);
	/* And from there on what comes, as it comes. */
	client_send(source, 8, 1, 40, BYTES(AUDIO_FRAME));
	send_video(source, 80, BYTES(VIDEO_INTER));
	assert_int_equal(client_next(c), 8);
	assert_int_equal(c->ms, 40);
	assert_memory_equal(c->body, AUDIO_FRAME, sizeof(AUDIO_FRAME) - 1);
	assert_int_equal(client_next(c), 9);
	assert_int_equal(c->ms, 80);
	assert_memory_equal(c->body, VIDEO_INTER, sizeof(VIDEO_INTER) - 1);
	assert_int_equal(stats_of(f).players, 1);
	client_close(c);
	client_close(source);
	fixture_close(f);
}

static void a_stream_that_is_not_live_is_not_found_and_spends_nothing(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token t = make_token(f, SG_PLAY);
	struct client *c = client_open(f);

	(void)state;
	client_begin(c, "play", t.query);
	assert_string_equal(client_status(c), "NetStream.Play.StreamNotFound");
	assert_string_equal(client_status(c), "(end)");
	assert_int_equal(uses_of(f, &t), 0);
	client_close(c);
	/* Without a token nobody learns whether it is there (R12). */
	c = client_open(f);
	client_begin(c, "play", "cam");
	assert_string_equal(client_status(c), "NetStream.Play.Failed");
	client_close(c);
	fixture_close(f);
}

static void without_the_switches_no_token_is_needed_and_none_is_spent(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct token pub = make_token(f, SG_PUBLISH), t = make_token(f, SG_PLAY);
	struct client *source = publish(f, pub.query), *a = play(f, t.query), *b = play(f, "cam");

	(void)state;
	assert_int_equal(uses_of(f, &pub), 0);
	assert_int_equal(uses_of(f, &t), 0);
	expect(a, 9, BYTES(VIDEO_CONFIG));
	expect(b, 9, BYTES(VIDEO_CONFIG));
	client_close(a);
	client_close(b);
	client_close(source);
	fixture_close(f);
}

/* Two tracks of Enhanced RTMP: what the viewer gets is what the publisher sent. */
static void carry(struct fixture *f, const char *fourcc, const char *config, size_t config_len,
    const char *frame, size_t frame_len)
{
	bool is_audio = strcmp(fourcc, "Opus") == 0;
	uint8_t type = is_audio ? 8 : 9;
	struct client *source = client_open(f);

	client_begin(source, "publish", fourcc);
	assert_string_equal(client_status(source), "NetStream.Publish.Start");
	client_send(source, type, 1, 0, config, config_len);
	client_send(source, type, 1, 0, frame, frame_len);
	await(is_live(f, fourcc));
	struct client *c = play(f, fourcc);
	expect(c, type, config, config_len);
	expect(c, type, frame, frame_len);
	client_close(c);
	client_close(source);
}

static void codecs_with_a_fourcc_go_through_as_they_are(void **state)
{
	struct fixture *f = fixture_open("", NULL);

	(void)state;
	/* Enhanced RTMP v2, ExVideoTagHeader and ExAudioTagHeader: sequence start, then coded frames. */
	carry(f, "hvc1",
	    BYTES("\x90hvc1\x01\x01\x60\0\0\0\x90\0\0\0\0\0\x3c\xf0\0\xfc\xfd\xf8\xf8\0\0\x0f\0"),
	    BYTES("\x91hvc1\0\0\x28\0\0\0\x04\x26\x01\xaf\x08"));
	carry(f, "av01", BYTES("\x90\x61v01\x81\0\x0c\0"), BYTES("\x91\x61v01\x12\0\x32\x02\x10\0"));
	carry(f, "Opus", BYTES("\x90OpusOpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0"),
	    BYTES("\x91Opus\xfc\xff\xfe"));
	fixture_close(f);
}

static void a_viewer_that_does_not_read_does_not_stop_the_others(void **state)
{
	static char frame[200000] = VIDEO_KEY;
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *good = play(f, "cam"),
		      *bad = client_dial(f, NULL, 4096);

	(void)state;
	client_shake_hands(bad);
	client_play(bad, "cam"); /* and reads no more */
	sg_put_be32((uint8_t *)frame + 5, sizeof(frame) - 9);
	expect(good, 9, BYTES(VIDEO_KEY));
	for (uint32_t i = 1; i <= 100; i++) { /* 20 MB: no socket takes that */
		sg_put_be32((uint8_t *)frame + 12, i);
		send_video(source, i * 40, frame, sizeof(frame));
		expect(good, 9, frame, sizeof(frame));
		assert_int_equal(good->ms, i * 40);
	}
	assert_int_equal(stats_of(f).players, 2);
	client_close(bad);
	client_close(good);
	client_close(source);
	fixture_close(f);
}

static uint64_t frames_in(struct fixture *f, const char *stream)
{
	struct sg_stream *s = sg_hub_find(f->hub, SG_STR("live"), sg_str_from(stream));
	struct sg_stream_info info = { 0 };

	if (s)
		sg_stream_info(s, &info);
	sg_stream_unref(s);
	return info.frames_in;
}

/* Nobody watches: it is left with the kernel for a while. What comes alone is taken all the same, and a heap of it
 * that is larger than is read at a time. */
static void what_nobody_watches_is_taken_in_too(void **state)
{
	static char frame[60000] = VIDEO_KEY;
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam");

	(void)state;
	await(frames_in(f, "cam") == 1);
	for (uint32_t i = 1; i <= 3; i++) {
		send_video(source, i * 40, BYTES(VIDEO_INTER));
		send_video(source, i * 40 + 1, BYTES(VIDEO_INTER));
		await(frames_in(f, "cam") == 1 + i * 2);
	}
	sg_put_be32((uint8_t *)frame + 5, sizeof(frame) - 9);
	for (uint32_t i = 1; i <= 100; i++)
		send_video(source, 200 + i * 40, frame, sizeof(frame));
	await(frames_in(f, "cam") == 107);
	struct client *c = play(f, "cam"); /* and who comes then does not wait for what is due later */
	expect(c, 9, frame, sizeof(frame));
	send_video(source, 5000, BYTES(VIDEO_INTER));
	expect(c, 9, BYTES(VIDEO_INTER));
	client_close(c);
	client_close(source);
	fixture_close(f);
}

static void a_paused_viewer_gets_nothing_and_goes_on_at_a_keyframe(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *c = play(f, "cam"), *other = play(f, "cam");
	struct sg_buf b;

	(void)state;
	expect(c, 9, BYTES(VIDEO_KEY));
	for (int pause = 1; pause >= 0; pause--) {
		sg_buf_init(&b, 256);
		sg_amf_put_string(&b, "pause");
		sg_amf_put_number(&b, 0);
		sg_amf_put_null(&b);
		sg_amf_put_bool(&b, pause);
		sg_amf_put_number(&b, 0);
		client_command(c, &b, 1);
		sg_buf_reset(&b);
		if (!pause)
			break;
		assert_string_equal(client_status(c), "NetStream.Pause.Notify");
		send_video(source, 40, BYTES(VIDEO_INTER));
		expect(other, 9, BYTES(VIDEO_INTER));
	}
	do /* and not the picture between */
		assert_int_not_equal(client_next(c), 9);
	while (c->type != 20);
	assert_string_equal(c->text, "NetStream.Unpause.Notify");
	assert_int_equal(client_next(c), 9);
	assert_memory_equal(c->body, VIDEO_KEY, sizeof(VIDEO_KEY) - 1);
	client_close(c);
	client_close(other);
	client_close(source);
	fixture_close(f);
}

/* ---- ends ---- */

static void a_goodbye_is_told_from_a_break_in_the_audit(void **state)
{
	static const struct {
		const char *command, *reason;
	} rows[] = { { "FCUnpublish", "closed" }, { "deleteStream", "closed" },
		{ "closeStream", "closed" }, { NULL, "broken" } };
	struct fixture *f = fixture_open(ON, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct token t = make_token(f, SG_PUBLISH);
		struct client *c = publish(f, t.query);
		if (rows[i].command)
			client_call(c, rows[i].command, 0, NULL, 1);
		else
			shutdown(c->fd, SHUT_RDWR);
		await_audit(f, SG_PUBLISH, "ended", rows[i].reason);
		await(stats_of(f).publishers == 0);
		client_close(c);
	}
	fixture_close(f);
}

static void one_connection_may_publish_again_after_a_goodbye(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token one = make_token(f, SG_PUBLISH), two = make_token(f, SG_PUBLISH);
	struct client *c = publish(f, one.query);

	(void)state;
	client_call(c, "deleteStream", 0, NULL, 0);
	client_call(c, "createStream", 5, NULL, 0);
	assert_string_equal(client_status(c), "_result");
	client_call(c, "publish", 0, two.query, 1);
	assert_string_equal(client_status(c), "NetStream.Publish.Start");
	assert_int_equal(uses_of(f, &two), 0);
	send_video(c, 0, BYTES(VIDEO_CONFIG));
	send_video(c, 0, BYTES(VIDEO_KEY));
	await(uses_of(f, &two) == 1);
	await(is_live(f, "cam"));
	client_close(c);
	fixture_close(f);
}

static void whoever_is_shown_out_is_out_within_a_second(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *viewer = play(f, "cam");
	struct sg_end_filter all = { .app = SG_STR("live") };

	(void)state;
	expect(viewer, 9, BYTES(VIDEO_KEY));
	int64_t since = sg_mono_ms();
	assert_int_equal(sg_gate_end_sessions(f->gate, &all, SG_BYE_KICKED), 2);
	assert_string_equal(client_status(viewer), "NetStream.Play.Failed");
	assert_string_equal(client_status(viewer), "(end)");
	assert_string_equal(client_status(source), "NetStream.Publish.Denied");
	assert_string_equal(client_status(source), "(end)");
	/* Nor are they kept connected, though they do not leave. */
	await(stats_of(f).connections == 0);
	assert_true(sg_mono_ms() - since < 1000);
	await_audit(f, SG_PUBLISH, "ended", "kicked");
	await_audit(f, SG_PLAY, "ended", "kicked");
	client_close(source);
	client_close(viewer);
	fixture_close(f);
}

static void a_revoked_token_ends_its_viewer_and_no_other(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token pub = make_token(f, SG_PUBLISH), one = make_token(f, SG_PLAY),
		     two = make_token(f, SG_PLAY);
	struct client *source = publish(f, pub.query), *a = play(f, one.query),
		      *b = play(f, two.query);
	size_t n;

	(void)state;
	assert_int_equal(sg_store_token_revoke(f->store, one.id, false, sg_wall_s(), &n), SG_OK);
	assert_string_equal(client_status(a), "NetStream.Play.Failed");
	assert_string_equal(client_status(a), "(end)");
	expect(b, 9, BYTES(VIDEO_KEY));
	send_video(source, 40, BYTES(VIDEO_INTER));
	expect(b, 9, BYTES(VIDEO_INTER));
	client_close(a);
	client_close(b);
	client_close(source);
	fixture_close(f);
}

static void a_stream_that_ends_is_told_to_a_viewer_however_slow(void **state)
{
	static char frame[100000] = VIDEO_KEY;
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *c = client_dial(f, NULL, 4096);

	(void)state;
	client_shake_hands(c);
	client_play(c, "cam");
	await(stats_of(f).players == 1);
	sg_put_be32((uint8_t *)frame + 5, sizeof(frame) - 9);
	send_video(source, 40, frame, sizeof(frame));
	await(stats_of(f).bytes_out > sizeof(frame)); /* in the kernel's hands */
	client_call(source, "FCUnpublish", 0, NULL, 1);
	await(stats_of(f).publishers == 0);
	client_close(source);
	sg_hub_tick(f->hub, sg_mono_ms() + 3600000);
	await_audit(f, SG_PLAY, "ended", "stream_ended");
	await(stats_of(f).connections == 0); /* the server waits for it no longer */
	expect(c, 9, frame, sizeof(frame));
	assert_int_equal(client_next(c), 4); /* StreamEOF 1 */
	assert_memory_equal(c->body, "\0\x01\0\0\0\x01", 6);
	assert_string_equal(client_status(c), "NetStream.Play.Stop");
	assert_string_equal(client_status(c), "(end)");
	client_close(c);
	fixture_close(f);
}

/* Connects again and again with the same token, as an encoder does. */
static struct client *come_back(struct fixture *f, const char *name)
{
	for (int64_t until = sg_mono_ms() + WAIT_MS; sg_mono_ms() < until; usleep(50000)) {
		struct client *c = client_open(f);
		client_begin(c, "publish", name);
		if (strcmp(client_status(c), "NetStream.Publish.Start") == 0)
			return c;
		assert_string_equal(c->text, "NetStream.Publish.Denied");
		client_close(c);
	}
	fail_msg("it was not let in again");
	return NULL;
}

static void a_publisher_that_comes_back_takes_over_from_a_connection_that_hangs(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token t = make_token_for(f, "cam", SG_PUBLISH, 3600, 30), v = make_token(f, SG_PLAY);
	struct client *hanging = publish(f, t.query), *viewer = play(f, v.query);

	(void)state;
	expect(viewer, 9, BYTES(VIDEO_KEY));
	struct client *again = come_back(f, t.query);
	assert_string_equal(client_status(hanging), "NetStream.Publish.Denied");
	assert_string_equal(client_status(hanging), "(end)");
	send_video(again, 0, BYTES(VIDEO_CONFIG));
	send_video(again, 0, BYTES(VIDEO_KEY));
	expect(viewer, 9, BYTES(VIDEO_KEY)); /* the viewer stays */
	assert_int_equal(uses_of(f, &t), 1);
	await_audit(f, SG_PUBLISH, "ended", "resumed");
	assert_int_equal(stats_of(f).publishers, 1);
	client_close(hanging);
	client_close(again);
	client_close(viewer);
	fixture_close(f);
}

static void a_drain_tells_everybody_and_closes(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *viewer = play(f, "cam"), *idle = client_open(f),
		      *early = client_dial(f, NULL, 0), *silent = client_open(f);

	(void)state;
	client_send_connect(idle, "live");
	assert_string_equal(client_status(idle), "_result");
	await(stats_of(f).connections == 5);
	sg_rtmp_server_drain(f->rtmp);
	assert_string_equal(client_status(source), "NetConnection.Connect.AppShutdown");
	assert_string_equal(client_status(source), "(end)");
	assert_string_equal(client_status(viewer), "NetConnection.Connect.AppShutdown");
	assert_string_equal(client_status(viewer), "(end)");
	assert_string_equal(client_status(idle), "NetConnection.Connect.AppShutdown");
	assert_string_equal(client_status(idle), "(end)");
	/* Before connect there are no words that would be understood. */
	char c;
	assert_true(client_read(early, &c, 1) < 0);
	assert_true(client_read(silent, &c, 1) < 0);
	await_audit(f, SG_PUBLISH, "ended", "shutdown");
	await_audit(f, SG_PLAY, "ended", "shutdown");
	await(stats_of(f).connections == 0);
	struct client *all[] = { source, viewer, idle, early, silent };
	for (size_t i = 0; i < COUNT(all); i++)
		client_close(all[i]);
	fixture_close(f);
}

static void what_was_left_with_the_kernel_is_taken_in_before_a_drain(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam");

	(void)state;
	send_video(source, 40, BYTES(VIDEO_INTER));
	await(frames_in(f, "cam") == 2); /* nobody watches: it looks again in a tenth of a second */
	send_video(source, 80, BYTES(VIDEO_INTER));
	sg_rtmp_server_drain(f->rtmp);
	await_audit(f, SG_PUBLISH, "ended", "shutdown");
	assert_int_equal(frames_in(f, "cam"), 3);
	client_close(source);
	fixture_close(f);
}

static void closing_with_everybody_connected_ends_their_sessions(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *viewer = play(f, "cam");

	(void)state;
	sg_rtmp_server_close(f->rtmp);
	f->rtmp = NULL;
	await_audit(f, SG_PUBLISH, "ended", "shutdown");
	await_audit(f, SG_PLAY, "ended", "shutdown");
	await_end(viewer);
	client_close(source);
	client_close(viewer);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_publisher_spends_its_token_with_the_first_media_and_not_before),
		cmocka_unit_test(one_that_leaves_before_media_has_its_token_still),
		cmocka_unit_test(commands_that_name_the_token_do_not_spend_it),
		cmocka_unit_test(no_token_is_in_the_log),
		cmocka_unit_test(whoever_has_no_good_token_is_refused_in_one_way),
		cmocka_unit_test(a_name_that_cannot_be_is_refused),
		cmocka_unit_test(a_token_used_before_is_refused_and_the_connection_closed),
		cmocka_unit_test(a_second_publisher_is_refused_and_keeps_its_token),
		cmocka_unit_test(
		    a_publisher_that_is_refused_reads_why_though_it_sent_media_already),
		cmocka_unit_test(a_viewer_is_played_to_as_long_as_it_asked),
		cmocka_unit_test(a_viewer_gets_reset_start_metadata_configurations_and_a_keyframe),
		cmocka_unit_test(a_stream_that_is_not_live_is_not_found_and_spends_nothing),
		cmocka_unit_test(without_the_switches_no_token_is_needed_and_none_is_spent),
		cmocka_unit_test(codecs_with_a_fourcc_go_through_as_they_are),
		cmocka_unit_test(a_viewer_that_does_not_read_does_not_stop_the_others),
		cmocka_unit_test(what_nobody_watches_is_taken_in_too),
		cmocka_unit_test(a_paused_viewer_gets_nothing_and_goes_on_at_a_keyframe),
		cmocka_unit_test(a_goodbye_is_told_from_a_break_in_the_audit),
		cmocka_unit_test(one_connection_may_publish_again_after_a_goodbye),
		cmocka_unit_test(whoever_is_shown_out_is_out_within_a_second),
		cmocka_unit_test(a_revoked_token_ends_its_viewer_and_no_other),
		cmocka_unit_test(a_stream_that_ends_is_told_to_a_viewer_however_slow),
		cmocka_unit_test(
		    a_publisher_that_comes_back_takes_over_from_a_connection_that_hangs),
		cmocka_unit_test(a_drain_tells_everybody_and_closes),
		cmocka_unit_test(what_was_left_with_the_kernel_is_taken_in_before_a_drain),
		cmocka_unit_test(closing_with_everybody_connected_ends_their_sessions),
	};
	sg_log_set_level(SG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
