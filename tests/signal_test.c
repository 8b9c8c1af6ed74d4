/* Signalling: the token's way over WebSocket, WHIP and WHEP; what each protocol answers; ends and limits. */
#include "signal_fixture.h"

/* ---- WebSocket ---- */

static void a_publisher_is_let_in_once(void **state)
{
	struct token t = token_for("new", SG_PUBLISH);
	int fd = ws_connect("live");

	(void)state;
	ws_publish(fd, "new", t.text);
	HEARS(fd, "start");
	ws_describe(fd, "new", "offer");
	HEARS(fd, "takeConfiguration");
	assert_int_equal(uses_of(room, &t), 0); /* nothing flows yet */
	fake_media(&engine);
	HEARS(fd, "notification publish_started");
	assert_int_equal(uses_of(room, &t), 1);
	ws_say(fd, "{\"command\":\"stop\",\"streamId\":\"new\"}");
	HEARS(fd, "notification publish_finished");
	ws_publish(fd, "new", t.text);
	HEARS(fd, "error unauthorized_access");
	HEARS(fd, "stop");
	assert_string_equal(ws_gist(fd, 300), ""); /* no storm: nothing more, and the socket stays */
	ws_say(fd, "{\"command\":\"ping\"}");
	HEARS(fd, "pong");
	close(fd);
	assert_true(no_peers_left());
}

static void the_sdk_restarts_with_the_same_token(void **state)
{
	struct token t = token_for("slow", SG_PUBLISH);
	int fd = ws_connect("live");

	(void)state;
	for (int i = 0; i < 3; i++) {
		ws_publish(fd, "slow", t.text);
		HEARS(fd, "start");
		ws_say(fd, "{\"command\":\"stop\",\"streamId\":\"slow\"}");
		HEARS(fd, "notification publish_finished");
	}
	assert_int_equal(uses_of(room, &t), 0);
	/* While one holds it, another socket does not get it. */
	ws_publish(fd, "slow", t.text);
	HEARS(fd, "start");
	int other = ws_connect("live");
	ws_publish(other, "slow", t.text);
	HEARS(other, "error unauthorized_access");
	HEARS(other, "stop");
	close(other);
	close(fd);
	assert_true(no_peers_left());
}

static void a_viewer_is_let_in_once(void **state)
{
	struct token t = token_for("cam", SG_PLAY);
	int fd = ws_connect("live");

	(void)state;
	ws_play(fd, "cam", t.text);
	const char *offer = ws_hear(fd, 20000);
	assert_non_null(strstr(offer, "\"idMapping\":{\"0\":\"ARDAMSvcam\",\"1\":\"ARDAMSacam\"}"));
	ws_describe(fd, "cam", "answer");
	HEARS(fd, "notification play_started");
	assert_int_equal(uses_of(room, &t), 1);
	int other = ws_connect("live");
	ws_play(other, "cam", t.text);
	HEARS(other, "error unauthorized_access");
	HEARS(other, "stop");
	close(other);
	/* The publisher leaves. */
	pthread_mutex_lock(&engine.lock);
	fake_post(engine.peers, fake_stream_end);
	pthread_mutex_unlock(&engine.lock);
	HEARS(fd, "notification play_finished");
	close(fd);
	assert_true(no_peers_left());
}

static void what_is_not_live_spends_nothing_and_is_told_later(void **state)
{
	struct token t = token_for("later", SG_PLAY);
	int fd = ws_connect("live");

	(void)state;
	ws_play(fd, "later", t.text);
	assert_non_null(strstr(ws_hear(fd, 20000), "\"error_code\":\"404\""));
	assert_int_equal(uses_of(room, &t), 0);
	struct sg_publisher *p = make_live("live", "later");
	HEARS(fd, "notification streaming_started");
	ws_play(fd, "later", t.text);
	HEARS(fd, "takeConfiguration");
	close(fd);
	assert_true(no_peers_left());
	sg_publisher_close(p, true);
}

static void revoking_ends_it_and_its_retries(void **state)
{
	struct token t = token_for("cam", SG_PLAY);
	int fd = ws_connect("live");
	struct sg_end_filter all = { .token_id = t.id };

	(void)state;
	ws_play(fd, "cam", t.text);
	HEARS(fd, "takeConfiguration");
	ws_describe(fd, "cam", "answer");
	HEARS(fd, "notification play_started");
	assert_int_equal(sg_gate_end_sessions(room->gate, &all, SG_BYE_REVOKED), 1);
	HEARS(fd, "notification play_finished");
	HEARS(fd, "stop");
	close(fd);
	assert_true(no_peers_left());
}

static void a_socket_that_goes_takes_its_streams_along(void **state)
{
	static const uint8_t goodbye[] = { 0x88, 0x80, 0, 0, 0, 0 };
	struct token t = token_for("gone", SG_PUBLISH);
	struct sg_signal_stats stats;
	int fd = ws_connect("live");

	(void)state;
	ws_publish(fd, "gone", t.text);
	HEARS(fd, "start");
	sg_signal_get_stats(sig, &stats);
	assert_int_equal(stats.sockets, 1);
	assert_int_equal(stats.streams, 1);
	close(fd);
	assert_true(no_peers_left());
	assert_int_equal(engine.last_bye, SG_BYE_BROKEN);
	fd = ws_connect("live");
	ws_publish(fd, "gone", t.text);
	HEARS(fd, "start");
	assert_int_equal(send(fd, goodbye, sizeof(goodbye), 0), sizeof(goodbye));
	HEARS(fd, "closed");
	assert_true(no_peers_left());
	assert_int_equal(engine.last_bye, SG_BYE_CLOSED);
	close(fd);
	for (int i = 0; i < 500 && (sg_signal_get_stats(sig, &stats), stats.sockets); i++)
		usleep(10000);
	assert_int_equal(stats.sockets, 0);
	assert_int_equal(stats.streams, 0);
}

static void tokens_are_not_needed_where_the_switch_is_off(void **state)
{
	struct token t = make_token(room, "open", "free");
	struct sg_publisher *p = make_live("open", "free");
	int fd = ws_connect("open");

	(void)state;
	ws_play(fd, "free", t.text);
	HEARS(fd, "takeConfiguration");
	ws_describe(fd, "free", "answer");
	HEARS(fd, "notification play_started");
	assert_int_equal(uses_of(room, &t), 0);
	ws_say(fd, "{\"command\":\"getSubscriberCount\",\"streamId\":\"free\"}");
	assert_non_null(strstr(ws_hear(fd, 20000), "\"count\":1"));
	close(fd);
	assert_true(no_peers_left());
	sg_publisher_close(p, true);
	assert_int_equal(status_of(room, "GET", "/nowhere/websocket", NULL), 404);
}

static void too_many_messages_close_the_socket(void **state)
{
	int fd = ws_connect("live");

	(void)state;
	for (int i = 0; i < 900; i++) {
		uint8_t frame[] = { 0x81, 0x82, 0, 0, 0, 0, '{', '}' };
		if (send(fd, frame, sizeof(frame), MSG_NOSIGNAL) < 0)
			break;
	}
	HEARS(fd, "closed");
	close(fd);
	int other = ws_connect("live"); /* and nobody else's */
	ws_say(other, "{\"command\":\"ping\"}");
	HEARS(other, "pong");
	close(other);
}

/* ---- WHIP and WHEP ---- */

#define OFFER "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 X 96\r\n"

static struct reply post(const char *path, const char *headers, const char *body)
{
	struct reply r;
	char text[16000];
	int fd = client_connect(room);

	snprintf(text, sizeof(text),
	    "POST %s HTTP/1.1\r\nHost: t\r\nContent-Type: application/sdp\r\n%sContent-Length: %zu\r\n\r\n%s",
	    path, headers, strlen(body), body);
	client_send(fd, text);
	client_read(fd, &r, true);
	close(fd);
	return r;
}

static int post_status(const char *path, const char *headers, const char *body)
{
	struct reply r = post(path, headers, body);

	reply_free(&r);
	return r.status;
}

static struct reply patch(const char *path, const char *headers, const char *body)
{
	struct reply r;
	char text[2000];
	int fd = client_connect(room);

	snprintf(text, sizeof(text), "PATCH %s HTTP/1.1\r\nHost: t\r\n%sContent-Length: %zu\r\n\r\n%s",
	    path, headers, strlen(body), body);
	client_send(fd, text);
	client_read(fd, &r, true);
	close(fd);
	return r;
}

#define FRAGMENT "Content-Type: application/trickle-ice-sdpfrag\r\n"

static int patch_status(const char *path, const char *headers, const char *body)
{
	struct reply r = patch(path, headers, body);

	reply_free(&r);
	return r.status;
}

static const char *bearer(const struct token *t, const char *word)
{
	static char out[4][128];
	static int i;

	i = (i + 1) % 4;
	snprintf(out[i], sizeof(out[i]), "Authorization: %s%s\r\n", word, t->text);
	return out[i];
}

static void whip_publishes_and_its_url_ends_it(void **state)
{
	struct token t = token_for("w", SG_PUBLISH);
	char location[256];

	(void)state;
	struct reply r = post("/live/whip/w", bearer(&t, "Bearer "), OFFER);
	assert_int_equal(r.status, 201);
	assert_string_equal(reply_header(&r, "Content-Type"), "application/sdp");
	assert_string_equal(r.body, FAKE_ANSWER);
	assert_string_equal(reply_header(&r, "ETag"), "\"ice-0\"");
	assert_string_equal(reply_header(&r, "Accept-Patch"), "application/trickle-ice-sdpfrag");
	assert_string_equal(reply_header(&r, "Access-Control-Allow-Origin"), "*");
	assert_non_null(strstr(reply_header(&r, "Access-Control-Expose-Headers"), "Location"));
	snprintf(location, sizeof(location), "%s", reply_header(&r, "Location"));
	reply_free(&r);
	assert_memory_equal(location, "/live/whip/w/", 13);
	assert_int_equal(strlen(location), 13 + SG_WEBRTC_ID_SIZE - 1);
	fake_media(&engine);
	assert_int_equal(await_sessions("w", SG_PUBLISH, 1), 1);
	for (int i = 0; i < 500 && !uses_of(room, &t); i++)
		usleep(10000);
	/* The token is spent: another POST is refused, the session's own URL goes on working. */
	assert_int_equal(post_status("/live/whip/w", bearer(&t, "Bearer "), OFFER), 403);
	assert_int_equal(patch_status(location, FRAGMENT "If-Match: \"ice-0\"\r\n",
			     "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
			     "m=video 9 X 96\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"),
	    204);
	assert_true(engine.candidates > 0);
	/* The method and the place must fit. */
	char wrong[256];
	snprintf(wrong, sizeof(wrong), "/live/whep/w/%s", location + 13);
	assert_int_equal(status_of(room, "DELETE", wrong, NULL), 404);
	snprintf(wrong, sizeof(wrong), "/live/whip/x/%s", location + 13);
	assert_int_equal(status_of(room, "DELETE", wrong, NULL), 404);
	assert_int_equal(status_of(room, "GET", location, NULL), 405);
	assert_int_equal(status_of(room, "DELETE", location, NULL), 200);
	assert_int_equal(fake_count(&engine), 0); /* who has this answer may begin again */
	assert_int_equal(status_of(room, "DELETE", location, NULL), 404);
	assert_int_equal(await_sessions("w", SG_PUBLISH, 0), 0);
}

/* A machine of many interfaces names more candidates than anybody looks at, and some clients draw their names
 * from more characters than they may. */
static void an_offer_may_name_many_candidates(void **state)
{
	struct token t = token_for("cam", SG_PLAY);
	struct sg_buf offer;

	(void)state;
	sg_buf_init(&offer, SG_SDP_MAX);
	sg_buf_printf(&offer, "%sm=video 9 X 96\r\na=mid:0\r\na=ice-ufrag:ab-d\r\na=ice-pwd:0123456789_123456789=1\r\n", OFFER);
	for (int i = 1; i <= 200; i++)
		sg_buf_printf(&offer, "a=candidate:%d 1 udp 1 192.0.2.%d 9 typ host\r\n", i, i);
	sg_buf_put_u8(&offer, 0);
	assert_int_equal(post_status("/live/whep/cam", bearer(&t, "Bearer "), (const char *)offer.p), 201);
	sg_buf_reset(&offer);
}

static void the_token_travels_in_four_ways(void **state)
{
	static const char *const words[] = { "Bearer ", "bearer ", "BEARER  ", "" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct token t = token_for("cam", SG_PLAY);
		assert_int_equal(post_status("/live/whep/cam", bearer(&t, words[i]), OFFER), 201);
	}
	struct token t = token_for("cam", SG_PLAY);
	snprintf(path, sizeof(path), "/live/whep/cam?token=%s", t.text);
	assert_int_equal(post_status(path, "", OFFER), 201);
	assert_int_equal(
	    post_status("/live/whep/cam", "Authorization: Basic dTpw\r\n", OFFER), 401);
	struct sg_end_filter all = { .app = SG_STR("live") };
	sg_gate_end_sessions(room->gate, &all, SG_BYE_KICKED);
	assert_true(no_peers_left());
}

static void refusals_have_their_statuses(void **state)
{
	struct token wrong = token_for("other", SG_PUBLISH), good = token_for("w", SG_PUBLISH);
	struct token play = token_for("nobody", SG_PLAY), publish = token_for("w2", SG_PUBLISH);

	(void)state;
	struct reply r = post("/live/whip/w", "", OFFER);
	assert_int_equal(r.status, 401);
	assert_string_equal(reply_header(&r, "WWW-Authenticate"), "Bearer");
	assert_string_equal(reply_header(&r, "Access-Control-Allow-Origin"), "*");
	reply_free(&r);
	assert_int_equal(post_status("/live/whip/w", bearer(&wrong, "Bearer "), OFFER), 403);
	assert_int_equal(post_status("/live/whep/nobody", bearer(&play, "Bearer "), OFFER), 404);
	assert_int_equal(uses_of(room, &play), 0);
	assert_int_equal(post_status("/live/whep/nobody", "", OFFER), 401); /* R12 */
	assert_int_equal(post_status("/no.app/whip/w", "", OFFER), 404);
	/* One publishes; who may publish as well is told so. */
	assert_int_equal(post_status("/live/whip/w", bearer(&good, "Bearer "), OFFER), 201);
	fake_media(&engine);
	assert_int_equal(await_sessions("w", SG_PUBLISH, 1), 1);
	for (int i = 0; i < 500 && !uses_of(room, &good); i++)
		usleep(10000);
	struct token second = token_for("w", SG_PUBLISH);
	assert_int_equal(post_status("/live/whip/w", bearer(&second, "Bearer "), OFFER), 409);
	assert_int_equal(post_status("/live/whip/w", "", OFFER), 401);
	/* The offer itself. */
	snprintf(engine.last_detail, sizeof(engine.last_detail), "no codec in common");
	r = post("/live/whip/w2", bearer(&publish, "Bearer "), OFFER);
	assert_int_equal(r.status, 422);
	assert_non_null(strstr(r.body, "no codec in common"));
	reply_free(&r);
	assert_int_equal(uses_of(room, &publish), 0);
	assert_int_equal(post_status("/live/whip/w2", "", "hello"), 400);
	assert_int_equal(post_status("/live/whip/w2", "", ""), 400);
	engine.overload = true;
	assert_int_equal(post_status("/live/whip/w2", bearer(&publish, "Bearer "), OFFER), 503);
	engine.overload = false;
	struct sg_end_filter all = { .app = SG_STR("live") };
	sg_gate_end_sessions(room->gate, &all, SG_BYE_KICKED);
	assert_true(no_peers_left());
}

static void another_type_of_content_is_refused(void **state)
{
	int fd = client_connect(room);
	struct reply r;

	(void)state;
	client_send(fd, "POST /live/whip/w HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
			"Content-Length: 2\r\n\r\n{}");
	client_read(fd, &r, true);
	close(fd);
	assert_int_equal(r.status, 415);
	assert_string_equal(reply_header(&r, "Accept-Post"), "application/sdp");
	reply_free(&r);
}

static void preflights_need_no_token(void **state)
{
	(void)state;
	struct reply r = ask(room, "OPTIONS", "/live/whip/w", "Origin: https://example.org\r\n");
	assert_int_equal(r.status, 204);
	assert_string_equal(reply_header(&r, "Access-Control-Allow-Origin"), "*");
	assert_string_equal(reply_header(&r, "Access-Control-Allow-Methods"), "POST, OPTIONS");
	assert_string_equal(reply_header(&r, "Access-Control-Allow-Headers"),
	    "Authorization, Content-Type, If-Match");
	assert_string_equal(reply_header(&r, "Accept-Post"), "application/sdp");
	reply_free(&r);
	r = ask(room, "OPTIONS", "/live/whep/w/AAAAAAAAAAAAAAAAAAAAAA", NULL);
	assert_int_equal(r.status, 204);
	assert_string_equal(
	    reply_header(&r, "Access-Control-Allow-Methods"), "PATCH, DELETE, OPTIONS");
	reply_free(&r);
	assert_int_equal(status_of(room, "GET", "/live/whip/w", NULL), 405);
}

#define STUN_LINK "\r\nLink: <stun:s.example.org>; rel=\"ice-server\"\r\n"
#define TURN_LINK                                                                                  \
	"\r\nLink: <turn:t.example.org?transport=tcp>; rel=\"ice-server\"; username=\"me\"; "    \
	"credential=\"geheim\"; credential-type=\"password\"\r\n"

/* RFC 9725 section 4.6; credentials are for those who have been let in. */
static void ice_servers_are_linked(void **state)
{
	struct token t = token_for("cam", SG_PLAY);
	struct reply r = ask(room, "OPTIONS", "/live/whep/cam", NULL);

	(void)state;
	assert_non_null(strstr(r.head, STUN_LINK));
	assert_null(strstr(r.head, "turn:"));
	reply_free(&r);
	r = ask(room, "OPTIONS", "/nowhere/whep/cam", NULL);
	assert_null(strstr(r.head, "turn:"));
	reply_free(&r);
	r = ask(room, "OPTIONS", "/open/whep/cam", NULL);
	assert_non_null(strstr(r.head, STUN_LINK));
	assert_non_null(strstr(r.head, TURN_LINK));
	reply_free(&r);
	r = post("/live/whep/cam", "", OFFER);
	assert_int_equal(r.status, 401);
	assert_null(strstr(r.head, "ice-server"));
	reply_free(&r);
	r = post("/live/whep/cam", bearer(&t, "Bearer "), OFFER);
	assert_int_equal(r.status, 201);
	assert_non_null(strstr(r.head, STUN_LINK));
	assert_non_null(strstr(r.head, TURN_LINK));
	assert_int_equal(status_of(room, "DELETE", reply_header(&r, "Location"), NULL), 200);
	reply_free(&r);
	assert_true(no_peers_left());
}

static void ice_restarts_follow_their_rules(void **state)
{
	struct token t = token_for("cam", SG_PLAY);
	char location[256];
	struct reply r = post("/live/whep/cam", bearer(&t, "Bearer "), OFFER);

	(void)state;
	assert_int_equal(r.status, 201);
	snprintf(location, sizeof(location), "%s", reply_header(&r, "Location"));
	reply_free(&r);
#define NEW "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
	assert_int_equal(patch_status(location, FRAGMENT, NEW), 428);
	assert_int_equal(patch_status(location, FRAGMENT "If-Match: \"ice-9\"\r\n", NEW), 412);
	assert_int_equal(patch_status(location, "Content-Type: text/plain\r\nIf-Match: *\r\n", NEW), 415);
	assert_int_equal(patch_status(location, FRAGMENT "If-Match: *\r\n", "a=ice-ufrag:efgh\r\n"), 400);
	assert_int_equal(patch_status(location, FRAGMENT "If-Match: *\r\n", "nonsense"), 400);
	assert_int_equal(patch_status("/live/whep/cam/AAAAAAAAAAAAAAAAAAAAAA", FRAGMENT "If-Match: *\r\n", NEW), 404);
	assert_int_equal(engine.restarts, 0);
	r = patch(location, FRAGMENT "If-Match: *\r\n", NEW);
	assert_int_equal(r.status, 200);
	assert_string_equal(reply_header(&r, "Content-Type"), "application/trickle-ice-sdpfrag");
	assert_string_equal(reply_header(&r, "ETag"), "\"ice-1\"");
	assert_string_equal(r.body,
	    "a=ice-lite\r\na=group:BUNDLE 0\r\nm=video 9 X 96\r\na=mid:0\r\na=ice-ufrag:ufrag1\r\n"
	    "a=ice-pwd:password0123456789012345678901\r\na=candidate:1\r\n");
	reply_free(&r);
	assert_int_equal(engine.restarts, 1);
	/* The former session's trickle is too late; the new one's is not another restart. */
	assert_int_equal(patch_status(location, FRAGMENT "If-Match: \"ice-0\"\r\n", NEW), 412);
	assert_int_equal(patch_status(location, FRAGMENT "If-Match: \"ice-1\"\r\n", NEW), 204);
	assert_int_equal(patch_status(location, FRAGMENT "If-Match: \"ice-1\"\r\n",
			     NEW "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"),
	    204);
	assert_int_equal(engine.restarts, 1);
	assert_int_equal(status_of(room, "DELETE", location, NULL), 200);
	assert_true(no_peers_left());
}

static void a_session_that_ended_is_not_found(void **state)
{
	struct token t = token_for("cam", SG_PLAY);
	char location[256];
	struct reply r = post("/live/whep/cam", bearer(&t, "Bearer "), OFFER);
	struct sg_end_filter all = { .token_id = t.id };
	struct sg_signal_stats stats;

	(void)state;
	snprintf(location, sizeof(location), "%s", reply_header(&r, "Location"));
	reply_free(&r);
	sg_signal_get_stats(sig, &stats);
	assert_int_equal(stats.resources, 1);
	assert_int_equal(sg_gate_end_sessions(room->gate, &all, SG_BYE_KICKED), 1);
	assert_true(no_peers_left());
	assert_int_equal(status_of(room, "DELETE", location, NULL), 404);
	for (int i = 0; i < 500 && (sg_signal_get_stats(sig, &stats), stats.resources); i++)
		usleep(10000);
	assert_int_equal(stats.resources, 0);
}

/* R1: of many at once on all three, one. */
struct attempt {
	pthread_t thread;
	const struct token *t;
	bool admitted;
};

static void *attempt_whep(void *arg)
{
	struct attempt *a = arg; /* the fixture's helpers are of one thread */
	int fd = client_connect(room);
	char text[500], status[13] = "";

	snprintf(text, sizeof(text),
	    "POST /live/whep/cam?token=%s HTTP/1.1\r\nHost: t\r\nContent-Type: application/sdp\r\n"
	    "Content-Length: %zu\r\n\r\n" OFFER,
	    a->t->text, strlen(OFFER));
	client_send(fd, text);
	for (int i = 0; i < 12; i++)
		status[i] = (char)client_byte(fd, 15000);
	a->admitted = !strcmp(status, "HTTP/1.1 201");
	close(fd);
	return NULL;
}

static void of_many_at_once_one_is_let_in(void **state)
{
	struct token t = token_for("cam", SG_PLAY);
	struct attempt a[20];
	int admitted = 0, socks[10];

	(void)state;
	for (int i = 0; i < 10; i++)
		socks[i] = ws_connect("live");
	for (int i = 0; i < 20; i++) {
		a[i] = (struct attempt){ .t = &t };
		assert_int_equal(pthread_create(&a[i].thread, NULL, attempt_whep, &a[i]), 0);
	}
	for (int i = 0; i < 10; i++)
		ws_play(socks[i], "cam", t.text);
	for (int i = 0; i < 20; i++) {
		pthread_join(a[i].thread, NULL);
		admitted += a[i].admitted;
	}
	for (int i = 0; i < 10; i++)
		admitted += !strcmp(ws_gist(socks[i], 20000), "takeConfiguration");
	assert_int_equal(admitted, 1);
	for (int i = 0; i < 10; i++)
		close(socks[i]);
	struct sg_end_filter all = { .token_id = t.id };
	sg_gate_end_sessions(room->gate, &all, SG_BYE_KICKED);
	assert_true(no_peers_left());
}

/* ---- the end ---- */

static void stopping_is_told_and_waits_for_nobody(void **state)
{
	struct token t = token_for("cam", SG_PLAY);
	int fd = ws_connect("live");

	(void)state;
	ws_play(fd, "cam", t.text);
	HEARS(fd, "takeConfiguration");
	ws_describe(fd, "cam", "answer");
	HEARS(fd, "notification play_started");
	sg_signal_drain(sig);
	HEARS(fd, "notification server_will_stop");
	ws_play(fd, "other", "x");
	HEARS(fd, "error highResourceUsage");
	assert_int_equal(post_status("/live/whep/cam", "", OFFER), 503);
	close(fd);
	assert_true(no_peers_left());
	assert_int_equal(engine.last_bye, SG_BYE_SHUTDOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_publisher_is_let_in_once),
		cmocka_unit_test(the_sdk_restarts_with_the_same_token),
		cmocka_unit_test(a_viewer_is_let_in_once),
		cmocka_unit_test(what_is_not_live_spends_nothing_and_is_told_later),
		cmocka_unit_test(revoking_ends_it_and_its_retries),
		cmocka_unit_test(a_socket_that_goes_takes_its_streams_along),
		cmocka_unit_test(tokens_are_not_needed_where_the_switch_is_off),
		cmocka_unit_test(too_many_messages_close_the_socket),
		cmocka_unit_test(whip_publishes_and_its_url_ends_it),
		cmocka_unit_test(an_offer_may_name_many_candidates),
		cmocka_unit_test(the_token_travels_in_four_ways),
		cmocka_unit_test(refusals_have_their_statuses),
		cmocka_unit_test(another_type_of_content_is_refused),
		cmocka_unit_test(preflights_need_no_token),
		cmocka_unit_test(ice_servers_are_linked),
		cmocka_unit_test(ice_restarts_follow_their_rules),
		cmocka_unit_test(a_session_that_ended_is_not_found),
		cmocka_unit_test(of_many_at_once_one_is_let_in),
		cmocka_unit_test(stopping_is_told_and_waits_for_nobody),
	};

	signal(SIGPIPE, SIG_IGN);
	sg_log_set_level(SG_LOG_ERROR);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
