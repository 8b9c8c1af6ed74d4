/* rtmp_fixture.h - an RTMP server of its own on loopback, with a gate, a store and a hub behind it, and
 * a small client written by the specification to talk to it. */
#ifndef RTMP_FIXTURE_H
#define RTMP_FIXTURE_H

#include "base/clock.h"
#include "base/log.h"
#include "media/stream.h"
#include "rtmp/amf.h"
#include "rtmp/rtmp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WAIT_MS 20000 /* for what comes at once, also on a loaded machine under a sanitizer */
#define ON "publish_token = on\nplay_token = on\n"

struct fixture {
	char dir[64], url[128];
	struct sg_config *cfg;
	struct sg_loop *loops[2];
	struct sg_fanout *fanouts[2];
	struct sg_hub *hub;
	struct sg_gate *gate;
	struct sg_store *store; /* as tokenctl would have it */
	struct sg_rtmp_server *rtmp;
	int port;
	/* the audit, as it happens */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct sg_audit audit[256];
	size_t audits;
};

static inline bool fixture_is_live(void *user, struct sg_str app, struct sg_str stream)
{
	struct fixture *f = user;
	struct sg_stream *s = sg_hub_find(f->hub, app, stream);
	bool live = s && sg_stream_is_live(s);

	sg_stream_unref(s);
	return live;
}

static inline bool fixture_no_recording(void *user, struct sg_str app, struct sg_str name)
{
	(void)user, (void)app, (void)name;
	return false;
}

static inline void fixture_bound(void *user, const struct sockaddr *sa)
{
	((struct fixture *)user)->port = ntohs(((const struct sockaddr_in *)sa)->sin_port);
}

static inline void fixture_on_audit(void *user, const struct sg_audit *row)
{
	struct fixture *f = user;

	pthread_mutex_lock(&f->lock);
	if (f->audits < COUNT(f->audit))
		f->audit[f->audits++] = *row;
	pthread_cond_broadcast(&f->more);
	pthread_mutex_unlock(&f->lock);
}

static inline void fixture_open_fanout(void *user)
{
	struct fixture *f = user;

	for (int i = 0; i < 2; i++)
		if (f->loops[i] && sg_loop_is_current(f->loops[i]))
			assert_int_equal(sg_fanout_open(&f->fanouts[i], f->loops[i], 0), SG_OK);
}

static inline void fixture_close_fanout(void *user)
{
	sg_fanout_close(user);
}

/* `app`: lines of [app live]. `limits`: what differs from the defaults of the server, or NULL. */
static inline struct fixture *fixture_open(const char *app, const struct sg_rtmp_config *limits)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[1024], error[256] = "";

	assert_non_null(f);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->more, NULL);
	snprintf(f->dir, sizeof(f->dir), "/tmp/sg-rtmp-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->url, sizeof(f->url), "sqlite:%s/t.db", f->dir);
	snprintf(text, sizeof(text),
	    "[store]\nurl = %s\n[rtmp]\nlisten = 127.0.0.1:0\n[app live]\n%s\n", f->url, app);
	if (sg_config_parse(&f->cfg, "test", sg_str_from(text), error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	assert_int_equal(sg_hub_open(&f->hub, 100), SG_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sg_loop_start(&f->loops[i], "test"), SG_OK);
		sg_loop_call(f->loops[i], fixture_open_fanout, f);
	}
	struct sg_gate_media media = { fixture_is_live, fixture_no_recording, f, NULL };
	if (sg_gate_open(&f->gate, f->cfg, &media, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	sg_gate_on_audit(f->gate, fixture_on_audit, f);
	assert_int_equal(sg_store_open(&f->store, f->url, false, error, sizeof(error)), SG_OK);
	struct sg_rtmp_config rc = limits ? *limits : (struct sg_rtmp_config){ 0 };
	rc.listen = &f->cfg->rtmp_listen;
	rc.loops = f->loops;
	rc.fanouts = f->fanouts;
	rc.loop_count = 2;
	rc.gate = f->gate;
	rc.hub = f->hub;
	rc.max_connections = rc.max_connections ? rc.max_connections : 100;
	rc.bound = fixture_bound;
	rc.bound_user = f;
	if (sg_rtmp_server_open(&f->rtmp, &rc, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	assert_true(f->port > 0);
	return f;
}

static inline void fixture_close(struct fixture *f)
{
	char command[128];

	sg_rtmp_server_close(f->rtmp);
	sg_gate_close(f->gate);
	for (int i = 0; i < 2; i++) {
		sg_loop_call(f->loops[i], fixture_close_fanout, f->fanouts[i]);
		sg_loop_stop(f->loops[i]);
	}
	sg_hub_close(f->hub);
	sg_store_close(f->store);
	sg_config_free(f->cfg);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
}

/* ---- tokens ---- */

struct token {
	char text[SG_TOKEN_TEXT_SIZE];
	uint64_t id;
	char query[80]; /* "cam?token=..." */
};

static inline struct token make_token_for(struct fixture *f, const char *stream,
    enum sg_token_type type, int64_t lives_s, uint32_t resume_s)
{
	struct sg_token model = { .type = type, .max_uses = 1, .expires_at = sg_wall_s() + lives_s,
		.resume_s = resume_s };
	struct sg_token_key key;
	struct token t;

	strcpy(model.app, "live");
	snprintf(model.stream, sizeof(model.stream), "%s", stream);
	strcpy(model.created_by, "test");
	assert_int_equal(sg_store_token_create(f->store, &model, sg_wall_s(), &key, 1), SG_OK);
	sg_token_format(t.text, &key);
	t.id = key.id;
	snprintf(t.query, sizeof(t.query), "cam?token=%s", t.text);
	return t;
}

static inline struct token make_token(struct fixture *f, enum sg_token_type type)
{
	return make_token_for(f, "cam", type, 3600, 0);
}

static inline uint32_t uses_of(struct fixture *f, const struct token *t)
{
	struct sg_token row;

	assert_int_equal(sg_store_token_get(f->store, t->id, &row), SG_OK);
	return row.uses;
}

/* ---- waiting for what the server does ---- */

/* Waits for a row of the audit, which is then forgotten. */
static inline void await_audit(
    struct fixture *f, enum sg_token_type type, const char *event, const char *reason)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&f->lock);
	for (;;) {
		for (size_t i = 0; i < f->audits; i++) {
			struct sg_audit *row = &f->audit[i];
			if (row->type == type && strcmp(row->event, event) == 0 &&
			    strcmp(row->reason, reason) == 0) {
				*row = f->audit[--f->audits];
				pthread_mutex_unlock(&f->lock);
				return;
			}
		}
		if (pthread_cond_timedwait(&f->more, &f->lock, &until) != 0)
			break;
	}
	for (size_t i = 0; i < f->audits; i++)
		print_message("audit: %s %s\n", f->audit[i].event, f->audit[i].reason);
	pthread_mutex_unlock(&f->lock);
	fail_msg("no \"%s %s\" in the audit", event, reason);
}

#define await(condition)                                                                           \
	do {                                                                                       \
		int64_t until_ = sg_mono_ms() + WAIT_MS;                                           \
		while (!(condition)) {                                                             \
			if (sg_mono_ms() > until_)                                                 \
				fail_msg("still not: %s", #condition);                             \
			usleep(2000);                                                              \
		}                                                                                  \
	} while (0)

static inline struct sg_rtmp_stats stats_of(struct fixture *f)
{
	struct sg_rtmp_stats st;

	sg_rtmp_server_stats(f->rtmp, &st);
	return st;
}

static inline bool is_live(struct fixture *f, const char *stream)
{
	return fixture_is_live(f, SG_STR("live"), sg_str_from(stream));
}

/* ---- a client ---- */

#define MESSAGE_MAX (1u << 20)
enum { ENDED = -1, BROKEN = -2 }; /* instead of a message's type */

struct client {
	int fd;
	uint32_t chunk_in; /* the server's chunk size */
	bool wrapped;      /* commands as AMF3 messages */
	/* the last message */
	int type;
	uint32_t ms, stream;
	size_t len;
	uint8_t body[MESSAGE_MAX];
	char text[256]; /* of a command: the name; of onStatus: the code */
};

static inline void client_write(struct client *c, const void *p, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
		assert_true(n > 0);
		p = (const char *)p + n;
		len -= (size_t)n;
	}
}

/* 1: all came; else ENDED or BROKEN. */
static inline int client_read(struct client *c, void *out, size_t len)
{
	uint8_t *p = out;

	while (len) {
		struct pollfd pf = { .fd = c->fd, .events = POLLIN };
		if (poll(&pf, 1, WAIT_MS) != 1)
			fail_msg("the server said nothing");
		ssize_t n = recv(c->fd, p, len, 0);
		if (n <= 0)
			return n == 0 ? ENDED : BROKEN;
		p += n;
		len -= (size_t)n;
	}
	return 1;
}

static inline struct client *client_dial(struct fixture *f, const char *from, int receive_buffer)
{
	struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_in sa = { .sin_family = AF_INET };

	assert_non_null(c);
	c->chunk_in = 128;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0);
	if (receive_buffer)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	if (from) {
		assert_int_equal(inet_pton(AF_INET, from, &sa.sin_addr), 1);
		assert_int_equal(bind(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	}
	sa.sin_port = htons((uint16_t)f->port);
	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return c;
}

static inline void client_close(struct client *c)
{
	close(c->fd);
	free(c);
}

/* Section 5.2; and larger chunks from here on (5.4.1), so that a message is one. */
static inline void client_shake_hands(struct client *c)
{
	static const uint8_t chunk_size[] = { 2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0x10, 0, 0 };
	uint8_t c0c1[1537] = { 3 }, s[3073];

	for (size_t i = 9; i < sizeof(c0c1); i++)
		c0c1[i] = (uint8_t)(i * 11);
	client_write(c, c0c1, sizeof(c0c1));
	assert_int_equal(client_read(c, s, sizeof(s)), 1);
	assert_int_equal(s[0], 3);
	assert_memory_equal(s + 1537, c0c1 + 1, 1536);
	client_write(c, s + 1, 1536);
	client_write(c, chunk_size, sizeof(chunk_size));
}

static inline struct client *client_open_from(struct fixture *f, const char *from)
{
	struct client *c = client_dial(f, from, 0);

	client_shake_hands(c);
	return c;
}

static inline struct client *client_open(struct fixture *f)
{
	return client_open_from(f, NULL);
}

/* A chunk of type 0 (5.3.1.2.1). */
static inline void client_send(
    struct client *c, uint8_t type, uint32_t stream, uint32_t ms, const void *p, size_t len)
{
	uint8_t head[12] = { (uint8_t)(type == 8 ? 4 : type == 9 ? 6 : stream ? 5 : 3) };

	sg_put_be24(head + 1, ms);
	sg_put_be24(head + 4, (uint32_t)len);
	head[7] = type;
	sg_put_le32(head + 8, stream);
	client_write(c, head, sizeof(head));
	client_write(c, p, len);
}

static inline void client_command(struct client *c, const struct sg_buf *body, uint32_t stream)
{
	struct sg_buf b;

	assert_false(body->failed);
	sg_buf_init(&b, 65536);
	if (c->wrapped)
		sg_buf_put_u8(&b, 0);
	sg_buf_append(&b, body->p, body->len);
	client_send(c, c->wrapped ? 17 : 20, stream, 0, b.p, b.len);
	sg_buf_reset(&b);
}

/* A command with a transaction, null, and a string when not NULL. */
static inline void client_call(
    struct client *c, const char *name, double transaction, const char *arg, uint32_t stream)
{
	struct sg_buf b;

	sg_buf_init(&b, 65536);
	sg_amf_put_string(&b, name);
	sg_amf_put_number(&b, transaction);
	sg_amf_put_null(&b);
	if (arg)
		sg_amf_put_string(&b, arg);
	client_command(c, &b, stream);
	sg_buf_reset(&b);
}

static inline void read_command(struct client *c)
{
	struct sg_reader r = { c->body, c->len }, object;
	struct sg_str s = { NULL, 0 };
	double n;

	assert_true(sg_amf_read_string(&r, &s) && sg_amf_read_number(&r, &n));
	sg_str_copy(c->text, sizeof(c->text), s);
	if (!sg_str_is(s, "onStatus"))
		return;
	assert_true(sg_amf_skip(&r) && sg_amf_read_object(&r, &object));
	assert_true(sg_amf_member_string(object, "code", &s));
	sg_str_copy(c->text, sizeof(c->text), s);
}

/* The next message; the server's are always one chunk of type 0. Answers its type. */
static inline int client_next(struct client *c)
{
	uint8_t h[12], extended[4];
	struct sg_reader r = { h + 1, 6 };
	uint32_t len;

	c->text[0] = '\0';
	if ((c->type = client_read(c, h, sizeof(h))) != 1)
		return c->type;
	assert_true(h[0] >= 2 && h[0] < 64);
	assert_true(sg_read_be24(&r, &c->ms) && sg_read_be24(&r, &len));
	if (c->ms == 0xffffff) {
		if ((c->type = client_read(c, extended, 4)) != 1)
			return c->type;
		r = (struct sg_reader){ extended, 4 };
		assert_true(sg_read_be32(&r, &c->ms));
	}
	/* Longer than a chunk before a larger one was announced: nobody could read it. */
	assert_true(len <= c->chunk_in && len <= sizeof(c->body));
	c->len = len;
	c->stream = h[8];
	if ((c->type = client_read(c, c->body, len)) != 1)
		return c->type;
	c->type = h[7];
	r = (struct sg_reader){ c->body, c->len };
	if (c->type == 1)
		assert_true(sg_read_be32(&r, &c->chunk_in));
	if (c->type == 20)
		read_command(c);
	return c->type;
}

/* The next command or status; "(end)", "(broken)". */
static inline const char *client_status(struct client *c)
{
	while (client_next(c) > 0)
		if (c->type == 20)
			return c->text;
	return c->type == ENDED ? "(end)" : "(broken)";
}

static inline void await_end(struct client *c)
{
	while (client_next(c) > 0)
		;
}

static inline void client_send_connect(struct client *c, const char *app)
{
	struct sg_buf b;

	sg_buf_init(&b, 65536);
	sg_amf_put_string(&b, "connect");
	sg_amf_put_number(&b, 1);
	sg_amf_begin_object(&b);
	sg_amf_put_key(&b, "app");
	sg_amf_put_string(&b, app);
	sg_amf_put_key(&b, "tcUrl");
	sg_amf_put_string(&b, "rtmp://127.0.0.1/live");
	sg_amf_put_key(&b, "flashVer");
	sg_amf_put_string(&b, "test");
	sg_amf_put_key(&b, "audioFourCcInfoMap"); /* else Opus would come as AAC */
	sg_amf_begin_object(&b);
	sg_amf_put_key(&b, "Opus");
	sg_amf_put_number(&b, 1); /* CanDecode */
	sg_amf_end_object(&b);
	sg_amf_end_object(&b);
	client_command(c, &b, 0);
	sg_buf_reset(&b);
}

/* Up to the command that asks the gate. */
static inline void client_begin(struct client *c, const char *command, const char *name)
{
	client_send_connect(c, "live");
	assert_string_equal(client_status(c), "_result");
	client_call(c, "createStream", 2, NULL, 0);
	assert_string_equal(client_status(c), "_result");
	client_call(c, command, 0, name, 1);
}

/* ---- media ---- */

#define BYTES(literal) literal, sizeof(literal) - 1
#define SPS                                                                                        \
	"\x67\x42\xc0\x0a\xd9\x04\x26\xc0\x44\0\0\x03\0\x04\0\0\x03\0\x28\x3c\x48\x99\x20"
#define VIDEO_CONFIG                                                                               \
	"\x17\0\0\0\0\x01\x42\xc0\x0a\xff\xe1\0\x17" SPS "\x01\0\x05\x68\xcb\x83\xcb\x20"
#define VIDEO_KEY "\x17\x01\0\0\0\0\0\0\x05\x65\x88\x84\0\x10"
#define VIDEO_INTER "\x27\x01\0\0\0\0\0\0\x05\x41\x9a\0\x11\x22"
#define AUDIO_CONFIG "\xaf\0\x12\x10"
#define AUDIO_FRAME "\xaf\x01\x21\x10\x04\x60\x8c\x1c"
#define METADATA                                                                                   \
	"\x02\0\x0aonMetaData\x08\0\0\0\x01\0\x05width\0\x40\x50\0\0\0\0\0\0\0\0\x09"
#define SET_METADATA "\x02\0\x0d@setDataFrame" METADATA

static inline void send_video(struct client *c, uint32_t ms, const char *p, size_t len)
{
	client_send(c, 9, 1, ms, p, len);
}

/* Publishes and is live: metadata, configurations, a keyframe. */
static inline struct client *publish_from(struct fixture *f, const char *from, const char *name)
{
	struct client *c = client_open_from(f, from);

	client_begin(c, "publish", name);
	assert_string_equal(client_status(c), "NetStream.Publish.Start");
	client_send(c, 18, 1, 0, BYTES(SET_METADATA));
	send_video(c, 0, BYTES(VIDEO_CONFIG));
	client_send(c, 8, 1, 0, BYTES(AUDIO_CONFIG));
	send_video(c, 0, BYTES(VIDEO_KEY));
	await(is_live(f, "cam"));
	return c;
}

static inline struct client *publish(struct fixture *f, const char *name)
{
	return publish_from(f, NULL, name);
}

/* Plays, up to Play.Start. */
static inline void client_play(struct client *c, const char *name)
{
	client_begin(c, "play", name);
	assert_string_equal(client_status(c), "NetStream.Play.Reset");
	assert_string_equal(client_status(c), "NetStream.Play.Start");
}

static inline struct client *play(struct fixture *f, const char *name)
{
	struct client *c = client_open(f);

	client_play(c, name);
	return c;
}

/* Reads until a message of this type and these bytes. */
static inline void expect(struct client *c, int type, const void *p, size_t len)
{
	do {
		if (client_next(c) < 0)
			fail_msg("the connection ended");
	} while (c->type != type || c->len != len || memcmp(c->body, p, len) != 0);
}

#endif
