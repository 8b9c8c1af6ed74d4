/* WebSockets against the gate: two at once, one that broke and comes back, what is larger than most. */
#include "signal_fixture.h"

/* Ant Media's clusters have two kinds of nodes; here one server is both. */
static void either_target_is_taken(void **state)
{
	static const char *const targets[] = { "/live/websocket?target=origin",
		"/live/websocket?target=edge", "/live/websocket" };

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		int fd = ws_connect_by(NULL, targets[i]);
		ws_say(fd, "{\"command\":\"ping\"}");
		HEARS(fd, "pong");
		close(fd);
	}
}

/* From "publish" to the first media. */
static void ws_go_live(int fd, const char *stream, const char *token)
{
	ws_publish(fd, stream, token);
	HEARS(fd, "start");
	ws_describe(fd, stream, "offer");
	HEARS(fd, "takeConfiguration");
	fake_media(&engine);
	HEARS(fd, "notification publish_started");
}

static void ws_refused(int fd, const char *stream, const char *token)
{
	ws_publish(fd, stream, token);
	HEARS(fd, "error unauthorized_access");
	HEARS(fd, "stop");
}

static void where_publishing_is_open_no_token_is_spent(void **state)
{
	struct token t = token_of("open", "given", SG_PUBLISH, 0);
	int fd = ws_connect("open");

	(void)state;
	ws_go_live(fd, "none", "");
	ws_go_live(fd, "given", t.text);
	ws_go_live(fd, "wrong", "nonsense");
	assert_int_equal(uses_of(room, &t), 0);
	close(fd);
	assert_true(no_peers_left());
	assert_int_equal(uses_of(room, &t), 0);
}

static void the_second_publisher_of_a_stream_keeps_its_token(void **state)
{
	struct token one = token_for("both", SG_PUBLISH), two = token_for("both", SG_PUBLISH);
	int first = ws_connect("live"), second = ws_connect("live");

	(void)state;
	ws_go_live(first, "both", one.text);
	ws_publish(second, "both", two.text);
	HEARS(second, "error streamIdInUse");
	ws_publish(first, "both", two.text);
	HEARS(first, "error already_publishing");
	assert_int_equal(uses_of(room, &two), 0);
	ws_say(first, "{\"command\":\"stop\",\"streamId\":\"both\"}");
	HEARS(first, "notification publish_finished");
	assert_int_equal(await_sessions("both", SG_PUBLISH, 0), 0);
	ws_go_live(second, "both", two.text);
	close(first);
	close(second);
	assert_true(no_peers_left());
}

/* The SDK comes back about a second after its socket broke, with what it had. */
static void a_spent_token_opens_no_second_socket(void **state)
{
	struct token t = token_for("broken", SG_PUBLISH);
	int fd = ws_connect("live");

	(void)state;
	ws_go_live(fd, "broken", t.text);
	close(fd);
	int again = ws_connect("live"); /* perhaps before the break is noticed */
	ws_refused(again, "broken", t.text);
	assert_true(no_peers_left());
	ws_refused(again, "broken", t.text);
	assert_int_equal(uses_of(room, &t), 1);
	close(again);
}

/* R13. */
static void one_that_may_resume_comes_back_and_nobody_in_its_place(void **state)
{
	struct token t = token_of("live", "back", SG_PUBLISH, 30), other = token_for("cam", SG_PUBLISH);
	int fd = ws_connect("live");

	(void)state;
	ws_go_live(fd, "back", t.text);
	close(fd);
	assert_true(no_peers_left());
	assert_int_equal(engine.last_bye, SG_BYE_BROKEN);
	int stranger = ws_connect_by("127.0.0.9", "/live/websocket"), near = ws_connect("live");
	ws_refused(stranger, "back", t.text);
	ws_refused(stranger, "back", "");
	ws_refused(near, "back", "");
	ws_refused(near, "back", other.text);
	ws_go_live(near, "back", t.text);
	assert_int_equal(uses_of(room, &t), 1);
	ws_refused(stranger, "back", t.text);
	/* After a goodbye there is nothing to resume. */
	ws_say(near, "{\"command\":\"stop\",\"streamId\":\"back\"}");
	HEARS(near, "notification publish_finished");
	assert_true(no_peers_left());
	ws_refused(near, "back", t.text);
	assert_int_equal(uses_of(room, &t), 1);
	close(stranger);
	close(near);
}

static size_t long_offer(char *out, size_t sdp_len)
{
	size_t len = (size_t)sprintf(out,
	    "{\"command\":\"takeConfiguration\",\"streamId\":\"long\",\"type\":\"offer\",\"sdp\":\"");

	memset(out + len, 'x', sdp_len);
	memcpy(out + len + sdp_len, "\"}", 2);
	return len + sdp_len + 2;
}

static void an_offer_of_70_kib_is_answered_and_a_larger_one_told(void **state)
{
	static char text[SG_SDP_MAX + 1000];
	struct token t = token_for("long", SG_PUBLISH), v = token_for("cam", SG_PLAY);
	int fd = ws_connect("live"), viewer = ws_connect("live");

	(void)state;
	ws_play(viewer, "cam", v.text);
	HEARS(viewer, "takeConfiguration");
	ws_publish(fd, "long", t.text);
	HEARS(fd, "start");
	ws_say_text(fd, text, long_offer(text, SG_SDP_MAX + 1));
	HEARS(fd, "error notSetRemoteDescription");
	ws_say_text(fd, text, long_offer(text, 70 << 10));
	HEARS(fd, "takeConfiguration");
	ws_describe(viewer, "cam", "answer");
	HEARS(viewer, "notification play_started");
	close(fd);
	close(viewer);
	assert_true(no_peers_left());
}

/* A binary frame is no message of this protocol: it is answered by nothing and ends nothing. */
static void a_binary_frame_is_ignored(void **state)
{
	static const uint8_t frame[] = "\x82\x92\0\0\0\0{\"command\":\"ping\"}";
	int fd = ws_connect("live"), other = ws_connect("live");

	(void)state;
	ws_play(other, "cam", token_for("cam", SG_PLAY).text);
	HEARS(other, "takeConfiguration");
	assert_int_equal(send(fd, frame, sizeof(frame) - 1, MSG_NOSIGNAL), sizeof(frame) - 1);
	ws_say(fd, "{\"command\":\"getTrackList\",\"streamId\":\"x\"}");
	HEARS(fd, "trackList"); /* and no "pong" before it */
	ws_describe(other, "cam", "answer");
	HEARS(other, "notification play_started");
	close(fd);
	close(other);
	assert_true(no_peers_left());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_target_is_taken),
		cmocka_unit_test(where_publishing_is_open_no_token_is_spent),
		cmocka_unit_test(the_second_publisher_of_a_stream_keeps_its_token),
		cmocka_unit_test(a_spent_token_opens_no_second_socket),
		cmocka_unit_test(one_that_may_resume_comes_back_and_nobody_in_its_place),
		cmocka_unit_test(an_offer_of_70_kib_is_answered_and_a_larger_one_told),
		cmocka_unit_test(a_binary_frame_is_ignored),
	};

	signal(SIGPIPE, SIG_IGN);
	sg_log_set_level(SG_LOG_ERROR);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
