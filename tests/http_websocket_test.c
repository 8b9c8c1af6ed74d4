/* WebSocket: the handshake, frames without a socket, conversations on a web server. */
#include "http/frames.h"
#include "http/websocket.h"
#include "http_fixture.h"
#include <malloc.h>

/* ---- the handshake ---- */

static enum ws_handshake shake(const char *upgrade, const char *connection, const char *version,
    const char *key, char accept[WS_ACCEPT_SIZE])
{
	struct ws_handshake_fields f = { sg_str_from(upgrade), sg_str_from(connection),
		sg_str_from(version), sg_str_from(key) };

	return ws_handshake(&f, accept);
}

/* RFC 6455 section 1.3 */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

static void the_specifications_handshake_is_answered(void **state)
{
	char accept[WS_ACCEPT_SIZE];

	(void)state;
	assert_int_equal(shake("websocket", "Upgrade", "13", KEY, accept), WS_HANDSHAKE_GOOD);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_int_equal(
	    shake("h2c, WebSocket", "keep-alive, upgrade", "13", KEY, accept), WS_HANDSHAKE_GOOD);
}

static void what_is_no_handshake_is_refused(void **state)
{
	char accept[WS_ACCEPT_SIZE];

	(void)state;
	assert_int_equal(shake(NULL, "Upgrade", "13", KEY, accept), WS_HANDSHAKE_BAD);
	assert_int_equal(shake("websockets", "Upgrade", "13", KEY, accept), WS_HANDSHAKE_BAD);
	assert_int_equal(shake("websocket", "close", "13", KEY, accept), WS_HANDSHAKE_BAD);
	assert_int_equal(shake("websocket", "Upgrade", "8", KEY, accept), WS_HANDSHAKE_VERSION);
	assert_int_equal(shake("websocket", "Upgrade", NULL, KEY, accept), WS_HANDSHAKE_VERSION);
	assert_int_equal(shake("websocket", "Upgrade", "13", NULL, accept), WS_HANDSHAKE_BAD);
	assert_int_equal(
	    shake("websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZQ=", accept), WS_HANDSHAKE_BAD);
	assert_int_equal(
	    shake("websocket", "Upgrade", "13", "dGhlIHNhb\nBsZSBub25jZQ==", accept), WS_HANDSHAKE_BAD);
}

/* ---- frames ---- */

static struct heard {
	unsigned messages;
	size_t bytes;
	char last[256];
} heard;

static void hear(void *user, struct sg_str message)
{
	(void)user;
	heard.messages++;
	heard.bytes += message.len;
	snprintf(heard.last, sizeof(heard.last), "%.*s", SG_STR_ARG(message));
}

static struct ws_frames *frames_open(void)
{
	struct ws_frames *f;

	memset(&heard, 0, sizeof(heard));
	assert_int_equal(ws_frames_open(&f, 1000, 4000, hear, NULL), SG_OK);
	return f;
}

/* RFC 6455 section 5.7: "Hello", masked, whole and in two. */
static const uint8_t hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58 };
static const uint8_t masked_ping[] = { 0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51,
	0x58 };
static const uint8_t pong[] = { 0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f };

static void the_specifications_message_is_read_at_every_cut(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= sizeof(hello); cut++) {
		struct ws_frames *f = frames_open();
		assert_int_equal(ws_frames_feed(f, hello, cut), SG_OK);
		assert_int_equal(heard.messages, cut == sizeof(hello));
		assert_int_equal(ws_frames_feed(f, hello + cut, sizeof(hello) - cut), SG_OK);
		assert_int_equal(heard.messages, 1);
		assert_string_equal(heard.last, "Hello");
		ws_frames_close(f);
	}
}

static void a_ping_is_answered_with_its_own_text(void **state)
{
	struct ws_frames *f = frames_open();

	(void)state;
	assert_int_equal(ws_frames_feed(f, masked_ping, sizeof(masked_ping)), SG_OK);
	assert_int_equal(ws_frames_out(f)->len, sizeof(pong));
	assert_memory_equal(ws_frames_out(f)->p, pong, sizeof(pong));
	assert_int_equal(heard.messages, 0);
	ws_frames_close(f);
}

/* A frame of one byte, masked with zeros. */
static enum sg_result feed_letter(struct ws_frames *f, bool first, bool last)
{
	const uint8_t frame[] = { (uint8_t)((last ? 0x80 : 0) | (first ? 1 : 0)), 0x81, 0, 0, 0, 0, 'x' };

	return ws_frames_feed(f, frame, sizeof(frame));
}

static void a_message_of_many_frames_takes_what_its_bytes_take(void **state)
{
	enum { LETTERS = 60000 };
	struct ws_frames *f;

	(void)state;
	memset(&heard, 0, sizeof(heard));
	assert_int_equal(ws_frames_open(&f, LETTERS, 4000, hear, NULL), SG_OK);
	size_t before = mallinfo2().uordblks;
	for (int i = 0; i < LETTERS - 1; i++)
		assert_int_equal(feed_letter(f, i == 0, false), SG_OK);
	assert_true(mallinfo2().uordblks - before <= 4 * LETTERS);
	assert_int_equal(feed_letter(f, false, true), SG_OK);
	assert_int_equal(heard.messages, 1);
	assert_int_equal(heard.bytes, LETTERS);
	ws_frames_close(f);
}

static void a_message_too_large_in_small_frames_is_refused(void **state)
{
	static const uint8_t too_big[] = { 0x88, 0x02, 0x03, 0xf1 }; /* 1009 */
	struct ws_frames *f = frames_open();

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(feed_letter(f, i == 0, false), SG_OK);
	assert_int_equal(feed_letter(f, false, true), SG_ERR_CLOSED);
	assert_int_equal(heard.messages, 0);
	assert_int_equal(ws_frames_out(f)->len, sizeof(too_big));
	assert_memory_equal(ws_frames_out(f)->p, too_big, sizeof(too_big));
	ws_frames_close(f);
}

static void our_text_is_framed_without_a_mask(void **state)
{
	static const uint8_t framed[] = { 0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f };
	struct ws_frames *f = frames_open();

	(void)state;
	assert_int_equal(ws_frames_text(f, SG_STR("Hello")), SG_OK);
	assert_int_equal(ws_frames_out(f)->len, sizeof(framed));
	assert_memory_equal(ws_frames_out(f)->p, framed, sizeof(framed));
	ws_frames_close(f);
}

/* The status of the close frame that lies in `out`; 0: there is none. */
static unsigned goodbye_in(struct ws_frames *f)
{
	const struct sg_buf *out = ws_frames_out(f);

	return out->len >= 4 && out->p[0] == 0x88 ? (unsigned)out->p[2] << 8 | out->p[3] : 0;
}

static void what_breaks_the_rules_ends_it_with_the_reason(void **state)
{
	static const struct {
		uint8_t bytes[16];
		size_t len;
		unsigned code;
	} rows[] = {
		{ { 0x81, 0x05, 'H', 'e', 'l', 'l', 'o' }, 7, 1002 },           /* no mask */
		{ { 0xc1, 0x80, 0, 0, 0, 0 }, 6, 1002 },                        /* a reserved bit */
		{ { 0x83, 0x80, 0, 0, 0, 0 }, 6, 1002 },                        /* an unknown opcode */
		{ { 0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0 }, 8, 0 }, /* a long ping: wslay gives no code */
		{ { 0x80, 0x80, 0, 0, 0, 0 }, 6, 1002 },                        /* nothing to continue */
		{ { 0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28 }, 8, 1007 },            /* not UTF-8 */
		{ { 0x81, 0xfe, 0x03, 0xe9, 0, 0, 0, 0, 'a' }, 9, 1009 },       /* 1001 bytes */
		{ { 0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 'a' }, 15,
		    1009 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ws_frames *f = frames_open();
		assert_int_equal(ws_frames_feed(f, rows[i].bytes, rows[i].len), SG_ERR_CLOSED);
		assert_int_equal(ws_frames_out(f)->p[0], 0x88);
		assert_int_equal(goodbye_in(f), rows[i].code);
		assert_int_equal(heard.messages, 0);
		ws_frames_close(f);
	}
}

static void a_goodbye_is_answered_and_ends_it(void **state)
{
	static const uint8_t goodbye[] = { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8 };
	struct ws_frames *f = frames_open();

	(void)state;
	assert_int_equal(ws_frames_feed(f, goodbye, sizeof(goodbye)), SG_ERR_CLOSED);
	assert_int_equal(goodbye_in(f), 1000);
	assert_true(ws_frames_is_over(f));
	assert_int_equal(ws_frames_text(f, SG_STR("too late")), SG_OK); /* not said */
	assert_int_equal(ws_frames_out(f)->len, 4);
	ws_frames_close(f);

	f = frames_open();
	assert_int_equal(ws_frames_goodbye(f, 1001, "stopping"), SG_OK);
	assert_int_equal(goodbye_in(f), 1001);
	assert_int_equal(ws_frames_feed(f, hello, sizeof(hello)), SG_OK);
	assert_int_equal(heard.messages, 0); /* after our goodbye nothing is delivered */
	assert_int_equal(ws_frames_feed(f, goodbye, sizeof(goodbye)), SG_ERR_CLOSED);
	assert_true(ws_frames_is_over(f));
	ws_frames_close(f);
}

static void what_waits_for_the_peer_is_bounded(void **state)
{
	struct ws_frames *f = frames_open();
	char text[1000];
	int sent = 0;

	(void)state;
	memset(text, 'a', sizeof(text));
	while (ws_frames_text(f, (struct sg_str){ text, sizeof(text) }) == SG_OK && sent < 10)
		sent++;
	assert_int_equal(sent, 3);
	ws_frames_close(f);
	/* The answers to pings count as well. */
	f = frames_open();
	enum sg_result res = SG_OK;
	for (sent = 0; sent < 5000 && res == SG_OK; sent++)
		res = ws_frames_feed(f, masked_ping, sizeof(masked_ping));
	assert_int_equal(res, SG_ERR_LIMIT);
	assert_true(ws_frames_out(f)->len <= 4000);
	ws_frames_close(f);
}

/* ---- conversations ---- */

static struct talk {
	pthread_mutex_t lock;
	struct sg_ws *ws;
	unsigned opened, closed;
	bool goodbye;
	char peer[SG_ADDR_TEXT_SIZE], query[32];
} talk = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void on_opened(void *user, struct sg_ws *ws)
{
	pthread_mutex_lock(&talk.lock);
	assert_true(sg_loop_is_current(sg_ws_loop(ws)));
	talk.ws = ws;
	talk.opened++;
	(void)user;
	pthread_mutex_unlock(&talk.lock);
}

static void on_text(void *user, struct sg_str message)
{
	(void)user;
	if (sg_str_is(message, "bye"))
		sg_ws_close(talk.ws, SG_WS_POLICY, "as you wish");
	else if (sg_str_is(message, "flood"))
		for (int i = 0; i < 100; i++) {
			static char text[20000];
			memset(text, 'x', sizeof(text));
			sg_ws_send(talk.ws, (struct sg_str){ text, sizeof(text) });
		}
	else
		sg_ws_send(talk.ws, message);
}

static void on_closed(void *user, bool goodbye)
{
	(void)user;
	pthread_mutex_lock(&talk.lock);
	talk.goodbye = goodbye;
	talk.ws = NULL;
	talk.closed++;
	pthread_mutex_unlock(&talk.lock);
}

static const struct sg_ws_events talk_events = { on_opened, on_text, on_closed };

static void on_upgrade(struct sg_http_request *req, void *user)
{
	sg_addr_format(talk.peer, sg_http_peer(req));
	sg_str_copy(talk.query, sizeof(talk.query), sg_http_query(req, "target"));
	(void)sg_http_upgrade(req, &talk_events, user);
}

static void add_routes(struct sg_http_server *srv, struct fixture *f)
{
	sg_http_route(srv, SG_HTTP_GET, "/{}/websocket", on_upgrade, f);
}

#define UPGRADE                                                                                    \
	"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"   \
	"Sec-WebSocket-Key: " KEY "\r\n"

static int talk_open(const struct fixture *f, const char *from, const char *more)
{
	struct reply r;
	char text[1024];
	int fd = client_connect_from(f, from);

	snprintf(text, sizeof(text), "GET /live/websocket?target=edge HTTP/1.1\r\nHost: t\r\n%s%s\r\n",
	    UPGRADE, more);
	client_send(fd, text);
	client_read(fd, &r, false);
	assert_int_equal(r.status, 101);
	assert_string_equal(reply_header(&r, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	return fd;
}

/* A masked text frame (the mask is zero). */
static void talk_say(int fd, const char *text, size_t len)
{
	uint8_t head[14] = { 0x81 };
	size_t n = 2;

	if (len < 126) {
		head[1] = (uint8_t)(0x80 | len);
	} else if (len < 65536) {
		head[1] = 0x80 | 126;
		sg_put_be16(head + 2, (uint16_t)len);
		n = 4;
	} else {
		head[1] = 0x80 | 127;
		sg_put_be32(head + 6, (uint32_t)len);
		n = 10;
	}
	assert_int_equal(send(fd, head, n + 4, MSG_NOSIGNAL), (ssize_t)n + 4);
	while (len) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
		assert_true(sent > 0);
		text += sent;
		len -= (size_t)sent;
	}
}

/* The next frame: its first byte, or -1 at the end. */
static int talk_hear(int fd, char *out, size_t size, size_t *len)
{
	int opcode = client_byte(fd, 15000), n = opcode < 0 ? -1 : client_byte(fd, 15000);
	uint64_t left = (uint64_t)n;

	if (n < 0)
		return -1;
	int more = n == 126 ? 2 : n == 127 ? 8 : 0;
	for (left = more ? 0 : left; more; more--)
		left = left << 8 | (uint64_t)client_byte(fd, 15000);
	assert_true(left < size);
	for (*len = 0; *len < left;) {
		ssize_t got = recv(fd, out + *len, left - *len, 0);
		assert_true(got > 0);
		*len += (size_t)got;
	}
	out[*len] = '\0';
	return opcode;
}

static bool talk_is_over(void *user)
{
	pthread_mutex_lock(&talk.lock);
	bool over = talk.closed == *(unsigned *)user;
	pthread_mutex_unlock(&talk.lock);
	return over;
}

static void talk_await_closed(unsigned times)
{
	for (int i = 0; i < 500 && !talk_is_over(&times); i++)
		usleep(10000);
	assert_true(talk_is_over(&times));
}

static char big[SG_WS_MESSAGE_MAX + 1024], back[SG_WS_MESSAGE_MAX + 1024];

static void messages_of_80_kib_and_more_go_both_ways(void **state)
{
	struct fixture *f = *state;
	int fd = talk_open(f, NULL, "");
	size_t len;

	memset(big, 'b', sizeof(big));
	talk_say(fd, "hello", 5);
	assert_int_equal(talk_hear(fd, back, sizeof(back), &len), 0x81);
	assert_string_equal(back, "hello");
	assert_string_equal(talk.query, "edge");
	for (size_t size = 80u << 10; size <= SG_WS_MESSAGE_MAX; size += 16u << 10) {
		talk_say(fd, big, size);
		assert_int_equal(talk_hear(fd, back, sizeof(back), &len), 0x81);
		assert_int_equal(len, size);
	}
	talk_say(fd, big, SG_WS_MESSAGE_MAX + 1);
	assert_int_equal(talk_hear(fd, back, sizeof(back), &len), 0x88);
	assert_int_equal((uint8_t)back[0] << 8 | (uint8_t)back[1], 1009);
	close(fd);
	talk_await_closed(1);
}

static void many_messages_in_one_packet_are_all_heard(void **state)
{
	struct fixture *f = *state;
	int fd = talk_open(f, NULL, "");
	uint8_t three[3 * sizeof(hello)];
	size_t len;

	talk.closed = 0;
	for (int i = 0; i < 3; i++)
		memcpy(three + (size_t)i * sizeof(hello), hello, sizeof(hello));
	assert_int_equal(send(fd, three, sizeof(three), 0), sizeof(three));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(talk_hear(fd, back, sizeof(back), &len), 0x81);
		assert_string_equal(back, "Hello");
	}
	close(fd);
	talk_await_closed(1);
}

static void the_peer_behind_a_trusted_proxy_is_the_client(void **state)
{
	struct fixture *f = *state;

	talk.closed = 0;
	int fd = talk_open(f, "127.0.0.2", "X-Forwarded-For: 192.0.2.7\r\n");
	assert_string_equal(talk.peer, "192.0.2.7");
	close(fd);
	talk_await_closed(1);
	fd = talk_open(f, "127.0.0.3", "X-Forwarded-For: 192.0.2.7\r\n");
	assert_string_equal(talk.peer, "127.0.0.3");
	close(fd);
	talk_await_closed(2);
}

static void our_goodbye_waits_for_the_peers(void **state)
{
	struct fixture *f = *state;
	static const uint8_t goodbye[] = { 0x88, 0x80, 0, 0, 0, 0 };
	int fd = talk_open(f, NULL, "");
	size_t len;

	talk.closed = 0;
	talk_say(fd, "bye", 3);
	assert_int_equal(talk_hear(fd, back, sizeof(back), &len), 0x88);
	assert_string_equal(back + 2, "as you wish");
	assert_int_equal((uint8_t)back[0] << 8 | (uint8_t)back[1], SG_WS_POLICY);
	assert_int_equal(send(fd, goodbye, sizeof(goodbye), 0), sizeof(goodbye));
	assert_int_equal(client_byte(fd, 15000), -1);
	talk_await_closed(1);
	assert_true(talk.goodbye);
	close(fd);
	/* One who never answers is not waited for long. */
	fd = talk_open(f, NULL, "");
	talk_say(fd, "bye", 3);
	talk_await_closed(2);
	assert_false(talk.goodbye);
	close(fd);
}

static void one_who_does_not_read_is_closed(void **state)
{
	struct fixture *f = *state;
	int fd = talk_open(f, NULL, ""), small = 4096;

	talk.closed = 0;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 5; i++)
		talk_say(fd, "flood", 5);
	talk_await_closed(1);
	close(fd);
}

static void what_is_no_handshake_is_told_so(void **state)
{
	struct fixture *f = *state;
	struct reply r;

	assert_int_equal(status_of(f, "GET", "/live/websocket", NULL), 400);
	r = ask(f, "GET", "/live/websocket",
	    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\n"
	    "Sec-WebSocket-Key: " KEY "\r\n");
	assert_int_equal(r.status, 426);
	assert_string_equal(reply_header(&r, "Sec-WebSocket-Version"), "13");
	reply_free(&r);
	assert_int_equal(status_of(f, "POST", "/live/websocket", UPGRADE), 405);
}

static void stopping_tells_those_who_talk(void **state)
{
	struct fixture *f = fixture_open("", add_routes);
	int fd = talk_open(f, NULL, ""), silent = talk_open(f, NULL, "");
	struct sg_http_stats stats;
	size_t len;

	(void)state;
	talk.closed = 0;
	sg_http_server_stats(f->http, &stats);
	assert_int_equal(stats.websockets, 2);
	sg_http_server_drain(f->http);
	assert_int_equal(talk_hear(fd, back, sizeof(back), &len), 0x88);
	assert_int_equal((uint8_t)back[0] << 8 | (uint8_t)back[1], SG_WS_GOING_AWAY);
	fixture_close(f); /* waits for nobody */
	assert_int_equal(talk.closed, 2);
	close(fd);
	close(silent);
}

static int set_up(void **state)
{
	*state = fixture_open("", add_routes);
	return 0;
}

static int tear_down(void **state)
{
	fixture_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_specifications_handshake_is_answered),
		cmocka_unit_test(what_is_no_handshake_is_refused),
		cmocka_unit_test(the_specifications_message_is_read_at_every_cut),
		cmocka_unit_test(a_ping_is_answered_with_its_own_text),
		cmocka_unit_test(a_message_of_many_frames_takes_what_its_bytes_take),
		cmocka_unit_test(a_message_too_large_in_small_frames_is_refused),
		cmocka_unit_test(our_text_is_framed_without_a_mask),
		cmocka_unit_test(what_breaks_the_rules_ends_it_with_the_reason),
		cmocka_unit_test(a_goodbye_is_answered_and_ends_it),
		cmocka_unit_test(what_waits_for_the_peer_is_bounded),
		cmocka_unit_test(messages_of_80_kib_and_more_go_both_ways),
		cmocka_unit_test(many_messages_in_one_packet_are_all_heard),
		cmocka_unit_test(the_peer_behind_a_trusted_proxy_is_the_client),
		cmocka_unit_test(our_goodbye_waits_for_the_peers),
		cmocka_unit_test(one_who_does_not_read_is_closed),
		cmocka_unit_test(what_is_no_handshake_is_told_so),
		cmocka_unit_test(stopping_tells_those_who_talk),
	};

	sg_log_set_level(SG_LOG_ERROR);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
