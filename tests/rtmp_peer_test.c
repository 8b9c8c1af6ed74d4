/* An RTMP connection's bytes: control messages, forms of commands and media, limits, deadlines, and
 * peers that mean harm. Who may come in is in rtmp_server_test.c. */
#include "rtmp_fixture.h"

/* Lives as long as a test takes; only what is under test is short. */
static const struct sg_rtmp_config patient = { .say_something_ms = 60000, .first_media_ms = 60000,
	.publisher_silent_ms = 60000 };

/* ---- control messages (RTMP 1.0 sections 5.4, 7.1.7) ---- */

static void connect_is_answered_with_window_bandwidth_chunk_size_and_success(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *c = client_open(f);

	(void)state;
	client_send_connect(c, "live");
	assert_int_equal(client_next(c), 5);
	assert_int_equal(client_next(c), 6);
	assert_int_equal(c->len, 5);
	assert_int_equal(client_next(c), 1);
	assert_true(c->chunk_in > SG_FRAME_MAX_BYTES); /* any frame is one chunk */
	assert_int_equal(client_next(c), 20);
	assert_string_equal(c->text, "_result");
	assert_non_null(memmem(c->body, c->len, BYTES("NetConnection.Connect.Success")));
	client_close(c);
	fixture_close(f);
}

static void a_ping_is_answered_with_its_own_time(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *viewer = play(f, "cam"), *idle = client_open(f);
	struct client *all[] = { source, viewer, idle };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		client_send(all[i], 4, 0, 0, BYTES("\0\x06\x12\x34\x56\x78"));
		expect(all[i], 4, BYTES("\0\x07\x12\x34\x56\x78"));
	}
	/* Other events, and those cut short, need no answer and do no harm. */
	client_send(idle, 4, 0, 0, BYTES("\0\x03\0\0\0\x01\0\0\0\x64"));
	client_send(idle, 4, 0, 0, BYTES("\0"));
	client_send(idle, 4, 0, 0, BYTES("\0\x06\x12"));
	client_send(idle, 4, 0, 0, BYTES("\0\x06\0\0\0\x01"));
	assert_int_equal(client_next(idle), 4);
	assert_memory_equal(idle->body, "\0\x07\0\0\0\x01", 6);
	for (size_t i = 0; i < COUNT(all); i++)
		client_close(all[i]);
	fixture_close(f);
}

static void bytes_are_acknowledged_once_a_window_has_come(void **state)
{
	static uint8_t body[4000];
	struct fixture *f = fixture_open("", NULL);
	struct client *c = client_open(f);
	uint32_t acknowledged = 0, sent = 3073 + 16; /* the handshake, a chunk size */

	(void)state;
	client_send(c, 5, 0, 0, BYTES("\0\0\x20\0")); /* 8 KiB */
	sent += 16;
	for (int i = 0; i < 20; i++) {
		client_send(c, 8, 1, 0, body, sizeof(body)); /* from nobody: thrown away */
		client_send(c, 4, 0, 0, BYTES("\0\x06\0\0\0\x01"));
		sent += 12 + sizeof(body) + 18;
		/* The answer tells that all of it has been read. */
		while (client_next(c) != 4) {
			struct sg_reader r = { c->body, c->len };
			uint32_t now;
			assert_int_equal(c->type, 3);
			assert_true(sg_read_be32(&r, &now));
			assert_true(now >= acknowledged + 8192 && now <= sent);
			acknowledged = now;
		}
		assert_true(sent < acknowledged + 2 * 8192);
	}
	client_close(c);
	fixture_close(f);
}

/* ---- forms ---- */

static void commands_and_data_may_come_wrapped_for_amf3(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token pub = make_token(f, SG_PUBLISH), t = make_token(f, SG_PLAY);
	struct client *source = client_open(f), *viewer = client_open(f);

	(void)state;
	source->wrapped = viewer->wrapped = true;
	client_begin(source, "publish", pub.query);
	assert_string_equal(client_status(source), "NetStream.Publish.Start");
	client_send(source, 15, 1, 0, BYTES("\0" SET_METADATA));
	client_send(source, 15, 1, 0, "", 0);
	send_video(source, 0, BYTES(VIDEO_CONFIG));
	send_video(source, 0, BYTES(VIDEO_KEY));
	await(is_live(f, "cam"));
	client_play(viewer, t.query);
	expect(viewer, 18, BYTES(METADATA));
	expect(viewer, 9, BYTES(VIDEO_KEY));
	client_close(source);
	client_close(viewer);
	fixture_close(f);
}

/* An FLV tag with its back pointer (RTMP 1.0 section 7.1.6). */
static void put_tag(struct sg_buf *b, uint8_t type, uint32_t ms, const void *p, size_t len)
{
	sg_buf_put_u8(b, type);
	sg_buf_put_be24(b, (uint32_t)len);
	sg_buf_put_be24(b, ms & 0xffffff);
	sg_buf_put_u8(b, (uint8_t)(ms >> 24));
	sg_buf_put_be24(b, 1);
	sg_buf_append(b, p, len);
	sg_buf_put_be32(b, (uint32_t)len + 11);
}

static void an_aggregate_is_its_messages_counted_from_its_own_time(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *source = client_open(f), *viewer;
	struct sg_buf b;

	(void)state;
	client_begin(source, "publish", "cam");
	assert_string_equal(client_status(source), "NetStream.Publish.Start");
	sg_buf_init(&b, 4096);
	put_tag(&b, 9, 0x01000000, BYTES(VIDEO_CONFIG));
	put_tag(&b, 9, 0x01000000, BYTES(VIDEO_KEY));
	client_send(source, 22, 1, 1000, b.p, b.len); /* the first media, too */
	await(is_live(f, "cam"));
	viewer = play(f, "cam");
	expect(viewer, 9, BYTES(VIDEO_KEY));
	uint32_t first_ms = viewer->ms;
	sg_buf_reset(&b);
	put_tag(&b, 9, 500, BYTES(VIDEO_INTER));
	put_tag(&b, 9, 540, BYTES(VIDEO_KEY));
	client_send(source, 22, 1, 1100, b.p, b.len - 4); /* the last back pointer may lack */
	expect(viewer, 9, BYTES(VIDEO_INTER));
	assert_int_equal(viewer->ms - first_ms, 100);
	expect(viewer, 9, BYTES(VIDEO_KEY));
	assert_int_equal(viewer->ms - first_ms, 140);
	sg_buf_reset(&b);
	put_tag(&b, 9, 580, BYTES(VIDEO_INTER));
	client_send(source, 22, 1, 1180, b.p, b.len - 5); /* but not a byte of the tag */
	await_end(source);
	await_audit(f, SG_PUBLISH, "ended", "bad_input");
	sg_buf_reset(&b);
	client_close(source);
	client_close(viewer);
	fixture_close(f);
}

static void media_in_small_interleaved_chunks_is_the_same(void **state)
{
	/* Set Chunk Size 8; then video of 14 bytes and audio of 8, a chunk of each in turn. */
	static const char wire[] =
	    "\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\x08"
	    "\x06\0\0\x28\0\0\x0e\x09\x01\0\0\0\x27\x01\0\0\0\0\0\0"
	    "\x04\0\0\x28\0\0\x08\x08\x01\0\0\0\xaf\x01\x21\x10\x04\x60\x8c\x1c"
	    "\xc6\x05\x41\x9a\0\x11\x22";
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *viewer = play(f, "cam");

	(void)state;
	expect(viewer, 9, BYTES(VIDEO_KEY));
	for (size_t i = 0; i < sizeof(wire) - 1; i++) /* and each byte by itself */
		client_write(source, wire + i, 1);
	expect(viewer, 8, BYTES(AUDIO_FRAME));
	expect(viewer, 9, BYTES(VIDEO_INTER));
	client_close(source);
	client_close(viewer);
	fixture_close(f);
}

/* ---- what nobody should send ---- */

enum when { AFTER_CONNECTION, AFTER_HANDSHAKE, AFTER_CONNECT, AFTER_PUBLISH, AFTER_MEDIA, AFTER_PLAY };

static struct client *client_at(struct fixture *f, enum when when)
{
	if (when == AFTER_CONNECTION)
		return client_dial(f, NULL, 0);
	if (when == AFTER_MEDIA)
		return publish(f, "cam");
	if (when == AFTER_PLAY)
		return play(f, "stage");
	struct client *c = client_open(f);
	if (when == AFTER_CONNECT) {
		client_send_connect(c, "live");
		assert_string_equal(client_status(c), "_result");
	} else if (when == AFTER_PUBLISH) {
		client_begin(c, "publish", "cam");
		assert_string_equal(client_status(c), "NetStream.Publish.Start");
	}
	return c;
}

#define PUBLISH_COMMAND "\x02\0\x07publish\0\0\0\0\0\0\0\0\0\x05\x02\0\x03" "dog"

static void whoever_sends_what_nobody_should_is_closed_and_nobody_else(void **state)
{
	static const struct {
		const char *what;
		enum when when;
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "HTTP", AFTER_CONNECTION, BYTES("GET / HTTP/1.1\r\n\r\n") },
		{ "TLS", AFTER_CONNECTION, BYTES("\x16\x03\x01\x02\0\x01") },
		{ "a zero", AFTER_CONNECTION, BYTES("\0") },
		{ "type 3 first", AFTER_HANDSHAKE, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff") },
		{ "a message of 16 MiB", AFTER_HANDSHAKE, BYTES("\x04\0\0\0\xff\xff\xff\x09\0\0\0\0") },
		{ "a message over 64 KiB", AFTER_CONNECT, BYTES("\x04\0\0\0\1\0\1\x09\0\0\0\0") },
		{ "a command over 64 KiB", AFTER_MEDIA, BYTES("\x04\0\0\0\1\0\1\x14\0\0\0\0") },
		{ "16 MiB of media", AFTER_MEDIA, BYTES("\x04\0\0\0\xff\xff\xff\x09\1\0\0\0") },
		{ "16 MiB from a viewer", AFTER_PLAY, BYTES("\x04\0\0\0\xff\xff\xff\x09\1\0\0\0") },
		{ "a chunk size of zero", AFTER_HANDSHAKE, BYTES("\x02\0\0\0\0\0\4\1\0\0\0\0\0\0\0\0") },
		{ "a command without a name", AFTER_HANDSHAKE, BYTES("\3\0\0\0\0\0\1\x14\0\0\0\0\5") },
		{ "an empty command", AFTER_HANDSHAKE, BYTES("\3\0\0\0\0\0\0\x14\0\0\0\0") },
		{ "a connect without an object", AFTER_HANDSHAKE,
		    BYTES("\3\0\0\0\0\0\x13\x14\0\0\0\0\2\0\7connect\0\0\0\0\0\0\0\0\0") },
		{ "publish before connect", AFTER_HANDSHAKE,
		    BYTES("\3\0\0\0\0\0\x1a\x14\0\0\0\0" PUBLISH_COMMAND) },
		{ "publish twice", AFTER_PUBLISH, BYTES("\3\0\0\0\0\0\x1a\x14\1\0\0\0" PUBLISH_COMMAND) },
		{ "publish after media", AFTER_MEDIA,
		    BYTES("\3\0\0\0\0\0\x1a\x14\1\0\0\0" PUBLISH_COMMAND) },
		{ "publish while it plays", AFTER_PLAY,
		    BYTES("\3\0\0\0\0\0\x1a\x14\1\0\0\0" PUBLISH_COMMAND) },
		{ "a codec of another age", AFTER_MEDIA, BYTES("\6\0\0\0\0\0\4\x09\1\0\0\0\x12\0\0\0") },
		{ "media cut short", AFTER_MEDIA, BYTES("\6\0\0\0\0\0\2\x09\1\0\0\0\x17\1") },
		{ "an avcC that is none", AFTER_MEDIA,
		    BYTES("\6\0\0\0\0\0\7\x09\1\0\0\0\x17\0\0\0\0\xff\xff") },
	};
	struct fixture *f = fixture_open("", &patient);
	struct client *source = client_open(f), *viewer;

	(void)state;
	client_begin(source, "publish", "stage");
	assert_string_equal(client_status(source), "NetStream.Publish.Start");
	send_video(source, 0, BYTES(VIDEO_CONFIG));
	send_video(source, 0, BYTES(VIDEO_KEY));
	await(is_live(f, "stage"));
	viewer = play(f, "stage");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct client *c = client_at(f, rows[i].when);
		client_write(c, rows[i].bytes, rows[i].len);
		await_end(c);
		client_close(c);
		if (stats_of(f).bad_input != i + 1)
			fail_msg("%s: it was not that", rows[i].what);
		await(stats_of(f).connections == 2 && stats_of(f).publishers == 1);
	}
	send_video(source, 40, BYTES(VIDEO_INTER));
	expect(viewer, 9, BYTES(VIDEO_INTER));
	client_close(source);
	client_close(viewer);
	fixture_close(f);
}

static void the_encrypted_kind_is_closed(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *c = client_dial(f, NULL, 0);
	uint8_t c0c1[1537] = { 6 };

	(void)state;
	client_write(c, c0c1, sizeof(c0c1));
	assert_true(client_next(c) < 0);
	client_close(c);
	fixture_close(f);
}

static void unknown_commands_and_messages_are_passed_over(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *c = client_open(f);

	(void)state;
	client_send_connect(c, "live");
	assert_string_equal(client_status(c), "_result");
	client_call(c, "setPlaylist", 3, "x", 0);
	client_call(c, "_error", 4, NULL, 0);
	for (unsigned type = 0; type < 256; type++)
		if (type != 1 && type != 2 && type != 20 && type != 5)
			client_send(c, (uint8_t)type, 0, 0, BYTES("\x55\x55\x55\x55\x55"));
	client_call(c, "createStream", 5, NULL, 0);
	assert_string_equal(client_status(c), "_result");
	client_close(c);
	fixture_close(f);
}

static void one_that_asks_and_asks_but_does_not_read_is_closed(void **state)
{
	struct fixture *f = fixture_open("", &patient);
	struct client *c = client_dial(f, NULL, 4096);
	struct sg_buf b;

	(void)state;
	client_shake_hands(c);
	sg_buf_init(&b, 4u << 20);
	while (b.len < 1u << 20) /* pings: each has an answer of the same length */
		sg_buf_append(&b, "\x02\0\0\0\0\0\x06\x04\0\0\0\0\0\x06\0\0\0\x01", 18);
	/* More than the kernel keeps for one socket. */
	for (int i = 0; i < 32 && send(c->fd, b.p, b.len, MSG_NOSIGNAL) > 0; i++)
		;
	await(stats_of(f).connections == 0);
	sg_buf_reset(&b);
	client_close(c);
	fixture_close(f);
}

/* ---- limits ---- */

static void no_more_connections_are_taken_than_are_allowed(void **state)
{
	struct sg_rtmp_config limits = patient;
	struct client *all[64];
	size_t in = 0;

	(void)state;
	limits.max_connections = 5;
	struct fixture *f = fixture_open("", &limits);
	for (size_t i = 0; i < COUNT(all); i++)
		all[i] = client_dial(f, NULL, 0);
	await(stats_of(f).accepted + stats_of(f).rejected == COUNT(all));
	assert_int_equal(stats_of(f).accepted, 5);
	assert_int_equal(stats_of(f).connections, 5);
	/* Those that were taken are served, the others are at their end. */
	for (size_t i = 0; i < COUNT(all); i++) {
		struct pollfd p = { .fd = all[i]->fd, .events = POLLIN };
		bool closed = poll(&p, 1, 0) == 1;
		if (!closed) {
			client_shake_hands(all[i]);
			in++;
		}
		client_close(all[i]);
	}
	assert_int_equal(in, 5);
	await(stats_of(f).connections == 0);
	struct client *c = client_open(f); /* and there is room again */
	client_close(c);
	fixture_close(f);
}

/* ---- deadlines ---- */

static void a_silent_connection_is_closed(void **state)
{
	struct sg_rtmp_config limits = patient;
	uint8_t part[1000] = { 3 };

	(void)state;
	limits.say_something_ms = 300;
	struct fixture *f = fixture_open("", &limits);
	struct client *silent = client_dial(f, NULL, 0), *half = client_dial(f, NULL, 0),
		      *shaken = client_open(f), *connected = client_open(f),
		      *inside = client_open(f);
	struct client *all[] = { silent, half, shaken, connected, inside };
	client_write(half, part, sizeof(part)); /* within C1 */
	client_send_connect(connected, "live");
	client_write(inside, BYTES("\x03\0\0\0\0\0\x64\x14\0\0\0\0xxx")); /* within a chunk */
	for (size_t i = 0; i < COUNT(all); i++) {
		await_end(all[i]);
		client_close(all[i]);
	}
	await(stats_of(f).connections == 0);
	assert_int_equal(stats_of(f).bad_input, 0);
	fixture_close(f);
}

static void one_that_drips_is_closed_all_the_same(void **state)
{
	struct sg_rtmp_config limits = patient;
	const uint8_t byte = 3;

	(void)state;
	limits.say_something_ms = 500;
	struct fixture *f = fixture_open("", &limits);
	struct client *c = client_dial(f, NULL, 0);
	client_write(c, &byte, 1);
	await(stats_of(f).connections == 1);
	for (int64_t until = sg_mono_ms() + WAIT_MS; stats_of(f).connections; usleep(50000)) {
		assert_true(sg_mono_ms() < until); /* C1 would take longer */
		(void)!send(c->fd, &byte, 1, MSG_NOSIGNAL);
	}
	client_close(c);
	fixture_close(f);
}

static void a_publisher_without_media_is_closed_and_keeps_its_token(void **state)
{
	struct sg_rtmp_config limits = patient;

	(void)state;
	limits.first_media_ms = 300;
	struct fixture *f = fixture_open(ON, &limits);
	struct token t = make_token(f, SG_PUBLISH);
	struct client *c = client_open(f);
	client_begin(c, "publish", t.query);
	assert_string_equal(client_status(c), "NetStream.Publish.Start");
	for (int64_t until = sg_mono_ms() + WAIT_MS; stats_of(f).connections; usleep(20000)) {
		static const uint8_t ping[18] = { 2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 6 };
		assert_true(sg_mono_ms() < until); /* talking is not media */
		(void)!send(c->fd, ping, sizeof(ping), MSG_NOSIGNAL);
	}
	assert_int_equal(uses_of(f, &t), 0);
	client_close(c);
	c = publish(f, t.query); /* the use is free again */
	assert_int_equal(uses_of(f, &t), 1);
	client_close(c);
	fixture_close(f);
}

static void a_publisher_that_falls_silent_is_a_broken_connection(void **state)
{
	struct sg_rtmp_config limits = patient;

	(void)state;
	limits.publisher_silent_ms = 300;
	struct fixture *f = fixture_open("", &limits);
	struct client *c = publish(f, "cam");
	client_write(c, BYTES("\x06\0\0\x28\0\0\x64\x09\x01\0\0\0\x27\x01")); /* within a chunk */
	await_audit(f, SG_PUBLISH, "ended", "broken");
	await_end(c);
	client_close(c);
	fixture_close(f);
}

static void a_viewer_may_be_silent(void **state)
{
	struct sg_rtmp_config limits = { .say_something_ms = 300, .first_media_ms = 60000,
		.publisher_silent_ms = 60000 };
	struct fixture *f = fixture_open("", &limits);
	struct client *source = publish(f, "cam"), *viewer = play(f, "cam"), *other = client_open(f);

	(void)state;
	await_end(other); /* its deadline has passed, and the viewer's would have, which came first */
	send_video(source, 40, BYTES(VIDEO_INTER));
	expect(viewer, 9, BYTES(VIDEO_INTER));
	client_close(source);
	client_close(viewer);
	client_close(other);
	fixture_close(f);
}

/* ---- numbers ---- */

static void what_a_viewer_got_is_counted_to_the_last_byte(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct client *source = publish(f, "cam"), *viewer = play(f, "cam");
	/* Media messages and their headers, as the viewer gets them after Play.Start. */
	uint64_t want = 4 * 12 + sizeof(METADATA) - 1 + sizeof(VIDEO_CONFIG) - 1 +
			sizeof(AUDIO_CONFIG) - 1 + sizeof(VIDEO_KEY) - 1;

	(void)state;
	expect(viewer, 9, BYTES(VIDEO_KEY));
	await(stats_of(f).bytes_out == want);
	/* The last picture goes out just before the end does. */
	send_video(source, 40, BYTES(VIDEO_INTER));
	client_call(source, "FCUnpublish", 0, NULL, 1);
	want += 12 + sizeof(VIDEO_INTER) - 1;
	expect(viewer, 9, BYTES(VIDEO_INTER));
	await(stats_of(f).publishers == 0);
	sg_hub_tick(f->hub, sg_mono_ms() + 3600000);
	assert_string_equal(client_status(viewer), "NetStream.Play.Stop");
	assert_string_equal(client_status(viewer), "(end)");
	await_audit(f, SG_PLAY, "ended", "stream_ended");
	assert_int_equal(stats_of(f).bytes_out, want);
	client_close(source);
	client_close(viewer);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_is_answered_with_window_bandwidth_chunk_size_and_success),
		cmocka_unit_test(a_ping_is_answered_with_its_own_time),
		cmocka_unit_test(bytes_are_acknowledged_once_a_window_has_come),
		cmocka_unit_test(commands_and_data_may_come_wrapped_for_amf3),
		cmocka_unit_test(an_aggregate_is_its_messages_counted_from_its_own_time),
		cmocka_unit_test(media_in_small_interleaved_chunks_is_the_same),
		cmocka_unit_test(whoever_sends_what_nobody_should_is_closed_and_nobody_else),
		cmocka_unit_test(the_encrypted_kind_is_closed),
		cmocka_unit_test(unknown_commands_and_messages_are_passed_over),
		cmocka_unit_test(one_that_asks_and_asks_but_does_not_read_is_closed),
		cmocka_unit_test(no_more_connections_are_taken_than_are_allowed),
		cmocka_unit_test(a_silent_connection_is_closed),
		cmocka_unit_test(one_that_drips_is_closed_all_the_same),
		cmocka_unit_test(a_publisher_without_media_is_closed_and_keeps_its_token),
		cmocka_unit_test(a_publisher_that_falls_silent_is_a_broken_connection),
		cmocka_unit_test(a_viewer_may_be_silent),
		cmocka_unit_test(what_a_viewer_got_is_counted_to_the_last_byte),
	};
	sg_log_set_level(SG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
