/* signal_fixture.h - signalling on a real web server and a real gate, with an engine that has no media, and
 * a client of its WebSocket. One `room` per test. */
#ifndef SIGNAL_FIXTURE_H
#define SIGNAL_FIXTURE_H

#include "http_fixture.h"
#include "signal/signal.h"
#include "webrtc_fake.h"
#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>

static struct sg_webrtc_server engine = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct sg_signal *sig;
static struct fixture *room;
static struct sg_publisher *cam;

#define ON \
	"[webrtc]\nice_servers = stun:s.example.org, turn:t.example.org?transport=tcp\n"             \
	"turn_username = me\nturn_credential = geheim\n[app live]\npublish_token = on\nplay_token = on\n[app open]\n"

static inline void add_routes(struct sg_http_server *srv, struct fixture *f)
{
	const struct sg_signal_config cfg = { .cfg = f->cfg, .http = srv, .gate = f->gate, .hub = f->hub,
		.webrtc = &engine, .loops = f->loops, .loop_count = 2 };

	engine.gate = f->gate;
	engine.hub = f->hub;
	assert_int_equal(sg_signal_open(&sig, &cfg), SG_OK);
}

/* A stream is live when its publisher has sent media. */
static inline struct sg_publisher *make_live(const char *app, const char *stream)
{
	static const uint8_t config[] = { 0xaf, 0, 0x12, 0x10 }, sound[] = { 0xaf, 1, 1, 2, 3, 4 };
	struct sg_publisher *p;

	assert_int_equal(
	    sg_hub_publish(room->hub, sg_str_from(app), sg_str_from(stream), "rtmp", &p), SG_OK);
	assert_int_equal(sg_publisher_write_flv(p, 8, 0, config, sizeof(config)), SG_OK);
	assert_int_equal(sg_publisher_write_flv(p, 8, 20, sound, sizeof(sound)), SG_OK);
	assert_true(fixture_is_live(room, sg_str_from(app), sg_str_from(stream)));
	return p;
}

static inline int set_up(void **state)
{
	(void)state;
	room = fixture_open(ON, add_routes);
	cam = make_live("live", "cam");
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	sg_signal_drain(sig);
	sg_http_server_drain(room->http);
	sg_http_server_close(room->http);
	sg_signal_close(sig);
	assert_int_equal(fake_count(&engine), 0);
	room->http = NULL;
	sg_publisher_close(cam, true);
	fixture_close(room);
	return 0;
}

static inline struct token token_of(const char *app, const char *stream, enum sg_token_type type, uint32_t resume_s)
{
	struct sg_token model = { .type = type, .max_uses = 1, .expires_at = sg_wall_s() + 3600,
		.resume_s = resume_s };
	struct sg_token_key key;
	struct token t;

	snprintf(model.app, sizeof(model.app), "%s", app);
	snprintf(model.stream, sizeof(model.stream), "%s", stream);
	snprintf(model.created_by, sizeof(model.created_by), "test");
	assert_int_equal(sg_store_token_create(room->store, &model, sg_wall_s(), &key, 1), SG_OK);
	sg_token_format(t.text, &key);
	t.id = key.id;
	return t;
}

static inline struct token token_for(const char *stream, enum sg_token_type type)
{
	return token_of("live", stream, type, 0);
}

static inline bool no_peers_left(void)
{
	for (int i = 0; i < 500 && fake_count(&engine); i++)
		usleep(10000);
	return !fake_count(&engine);
}

static inline size_t await_sessions(const char *stream, int type, size_t want)
{
	size_t n = 0;

	for (int i = 0; i < 500; i++, usleep(10000))
		if ((n = sg_gate_count(room->gate, SG_STR("live"), sg_str_from(stream), type)) == want)
			break;
	return n;
}

/* ---- a WebSocket client ---- */

static inline int ws_connect_by(const char *from, const char *target)
{
	char text[400];
	struct reply r;
	int fd = client_connect_from(room, from);

	snprintf(text, sizeof(text),
	    "GET %s HTTP/1.1\r\nHost: t\r\nUser-Agent: test\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	    target);
	client_send(fd, text);
	client_read(fd, &r, false);
	assert_int_equal(r.status, 101);
	return fd;
}

static inline int ws_connect(const char *app)
{
	char target[100];

	snprintf(target, sizeof(target), "/%s/websocket?target=origin&rtmpForward=true", app);
	return ws_connect_by(NULL, target);
}

static inline void ws_say_text(int fd, const char *text, size_t len)
{
	uint8_t head[14] = { 0x81, 0x80 }; /* the mask is zero */
	size_t head_len = len < 126 ? 6 : len < 65536 ? 8 : 14;

	head[1] |= (uint8_t)(len < 126 ? len : len < 65536 ? 126 : 127);
	if (head_len == 8)
		sg_put_be16(head + 2, (uint16_t)len);
	else if (head_len == 14)
		sg_put_be32(head + 6, (uint32_t)len);
	assert_int_equal(send(fd, head, head_len, MSG_NOSIGNAL), (ssize_t)head_len);
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static inline void ws_say(int fd, const char *fmt, ...)
{
	char text[2000];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ws_say_text(fd, text, (size_t)len);
}

/* The next message within `ms`; "" when nothing came, "closed" at the end. Static storage. */
static inline const char *ws_hear(int fd, int ms)
{
	static char out[4000];
	int opcode = client_byte(fd, ms), len = 0;

	if (opcode == -2)
		return "";
	if (opcode == 0x88 || opcode == -1)
		return "closed";
	assert_int_equal(opcode, 0x81);
	len = client_byte(fd, 20000);
	if (len == 126)
		len = client_byte(fd, 20000) << 8, len |= client_byte(fd, 20000);
	assert_in_range(len, 1, sizeof(out) - 1);
	for (int i = 0; i < len; i++)
		out[i] = (char)client_byte(fd, 20000);
	out[len] = '\0';
	return out;
}

/* "start", "error unauthorized_access", "notification play_started", ... */
static inline const char *ws_gist(int fd, int ms)
{
	static char out[100];
	const char *text = ws_hear(fd, ms);

	while (strstr(text, "bitrateMeasurement")) /* comes when it likes */
		text = ws_hear(fd, ms);
	json_t *m = json_loads(text, 0, NULL);

	if (!m)
		return text;
	const char *definition = json_string_value(json_object_get(m, "definition"));
	snprintf(out, sizeof(out), "%s%s%s", json_string_value(json_object_get(m, "command")),
	    definition ? " " : "", definition ? definition : "");
	json_decref(m);
	return out;
}

#define HEARS(fd, gist) assert_string_equal(ws_gist(fd, 20000), gist)

static inline void ws_publish(int fd, const char *stream, const char *token)
{
	ws_say(fd, "{\"command\":\"publish\",\"streamId\":\"%s\",\"token\":\"%s\"}", stream, token);
}

static inline void ws_play(int fd, const char *stream, const char *token)
{
	ws_say(fd, "{\"command\":\"play\",\"streamId\":\"%s\",\"token\":\"%s\"}", stream, token);
}

static inline void ws_describe(int fd, const char *stream, const char *type)
{
	ws_say(fd,
	    "{\"command\":\"takeConfiguration\",\"streamId\":\"%s\",\"type\":\"%s\",\"sdp\":\"v=0\"}",
	    stream, type);
}

#endif
