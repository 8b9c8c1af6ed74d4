/* http_fixture.h - a web server of its own on loopback, with a gate, a store and a hub behind it, and
 * a plain client to talk to it. */
#ifndef HTTP_FIXTURE_H
#define HTTP_FIXTURE_H

#include "base/clock.h"
#include "base/log.h"
#include "http/http.h"
#include "http/media.h"
#include "media/stream.h"
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
	char dir[64], url[128];
	struct sg_config *cfg;
	struct sg_loop *loops[2];
	struct sg_fanout *fanouts[2];
	struct sg_hub *hub;
	struct sg_gate *gate;
	struct sg_store *store; /* as tokenctl would have it */
	struct sg_http_server *http;
	int port;
};

static bool fixture_is_live(void *user, struct sg_str app, struct sg_str stream)
{
	struct fixture *f = user;
	struct sg_stream *s = sg_hub_find(f->hub, app, stream);
	bool live = s && sg_stream_is_live(s);

	sg_stream_unref(s);
	return live;
}

static bool fixture_recording_exists(void *user, struct sg_str app, struct sg_str name)
{
	return sg_http_recording_exists(((struct fixture *)user)->cfg, app, name);
}

static void fixture_bound(void *user, const struct sockaddr *sa)
{
	((struct fixture *)user)->port = ntohs(((const struct sockaddr_in *)sa)->sin_port);
}

static void fixture_open_fanout(void *user)
{
	struct fixture *f = user;

	for (int i = 0; i < 2; i++)
		if (f->loops[i] && sg_loop_is_current(f->loops[i]))
			assert_int_equal(
			    sg_fanout_open(&f->fanouts[i], f->loops[i], SG_GATHER_AUTO), SG_OK);
}

static void fixture_close_fanout(void *user)
{
	sg_fanout_close(user);
}

/* `more`: further lines of the configuration. `routes`: adds routes before the start, or NULL. */
static struct fixture *fixture_open(
    const char *more, void (*routes)(struct sg_http_server *srv, struct fixture *f))
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[2048], error[256] = "", command[256];

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/sg-http-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(command, sizeof(command), "mkdir -p %s/rec/live %s/rec/vod", f->dir, f->dir);
	assert_int_equal(system(command), 0);
	snprintf(f->url, sizeof(f->url), "sqlite:%s/t.db", f->dir);
	snprintf(text, sizeof(text),
	    "[store]\nurl = %s\n[http]\nlisten = 127.0.0.1:0\n[admin]\nsocket = %s/admin.sock\n"
	    "trusted_proxies = 127.0.0.2\n[recording]\npath = %s/rec\n%s\n",
	    f->url, f->dir, f->dir, more);
	if (sg_config_parse(&f->cfg, "test", sg_str_from(text), error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	assert_int_equal(sg_hub_open(&f->hub, 100), SG_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sg_loop_start(&f->loops[i], "test"), SG_OK);
		sg_loop_call(f->loops[i], fixture_open_fanout, f);
	}
	struct sg_gate_media media = { fixture_is_live, fixture_recording_exists, f, NULL };
	if (sg_gate_open(&f->gate, f->cfg, &media, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	assert_int_equal(sg_store_open(&f->store, f->url, false, error, sizeof(error)), SG_OK);
	struct sg_http_config hc = { .cfg = f->cfg, .loops = f->loops, .fanouts = f->fanouts,
		.loop_count = 2, .gate = f->gate, .hub = f->hub, .max_connections = 2000,
		.threads = 2, .bound = fixture_bound, .bound_user = f };
	if (sg_http_server_open(&f->http, &hc, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	if (routes)
		routes(f->http, f);
	if (sg_http_server_start(f->http, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	assert_true(f->port > 0);
	return f;
}

static void fixture_close(struct fixture *f)
{
	char command[128];

	sg_http_server_close(f->http);
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

/* ---- a client ---- */

static int client_connect_from(const struct fixture *f, const char *from)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (from) {
		assert_int_equal(inet_pton(AF_INET, from, &sa.sin_addr), 1);
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	}
	sa.sin_port = htons((uint16_t)f->port);
	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static int client_connect(const struct fixture *f)
{
	return client_connect_from(f, NULL);
}

static void client_send(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

struct reply {
	int status;      /* 0: the connection ended without an answer */
	char head[8192]; /* status line and headers */
	char *body;
	size_t body_len;
	long length; /* Content-Length, -1 none */
};

static void reply_free(struct reply *r)
{
	free(r->body);
	r->body = NULL;
}

/* The value of a header, "" when absent; static storage. */
static const char *reply_header(const struct reply *r, const char *name)
{
	static char value[1024];
	char want[64];

	snprintf(want, sizeof(want), "\r\n%s: ", name);
	const char *p = strcasestr(r->head, want);
	if (!p)
		return "";
	p += strlen(want);
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\r"), p);
	return value;
}

/* One more byte within `ms`; -1: the end, -2: nothing came. */
static int client_byte(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned char c;

	if (poll(&p, 1, ms) != 1)
		return -2;
	return recv(fd, &c, 1, 0) == 1 ? c : -1;
}

/* Reads an answer's head, and its body when it has a length (and `has_body`). */
static void client_read(int fd, struct reply *r, bool has_body)
{
	size_t len = 0;
	int c;

	memset(r, 0, sizeof(*r));
	r->length = -1;
	while (len < sizeof(r->head) - 1 && (c = client_byte(fd, 15000)) >= 0) {
		r->head[len++] = (char)c;
		if (len >= 4 && !memcmp(r->head + len - 4, "\r\n\r\n", 4))
			break;
	}
	if (sscanf(r->head, "HTTP/1.%*d %d", &r->status) != 1)
		r->status = 0;
	if (*reply_header(r, "Content-Length"))
		r->length = atol(reply_header(r, "Content-Length"));
	if (r->length < 0 || !has_body)
		return;
	r->body = calloc(1, (size_t)r->length + 1);
	assert_non_null(r->body);
	while (r->body_len < (size_t)r->length) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, 15000) == 1
				? recv(fd, r->body + r->body_len, (size_t)r->length - r->body_len, 0)
				: -1;
		if (n <= 0)
			break;
		r->body_len += (size_t)n;
	}
}

/* A request on a connection of its own; `headers` are whole lines. */
static struct reply ask_from(const struct fixture *f, const char *from, const char *method,
    const char *target, const char *headers)
{
	struct reply r;
	char text[20000];
	int fd = client_connect_from(f, from);

	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: test\r\n%s\r\n", method, target,
	    headers ? headers : "");
	client_send(fd, text);
	client_read(fd, &r, strcmp(method, "HEAD") != 0);
	close(fd);
	return r;
}

static struct reply ask(
    const struct fixture *f, const char *method, const char *target, const char *headers)
{
	return ask_from(f, NULL, method, target, headers);
}

/* Just the status. */
static int status_of(
    const struct fixture *f, const char *method, const char *target, const char *headers)
{
	struct reply r = ask(f, method, target, headers);

	reply_free(&r);
	return r.status;
}

/* ---- tokens ---- */

struct token {
	char text[SG_TOKEN_TEXT_SIZE];
	uint64_t id;
};

static struct token make_token(struct fixture *f, const char *app, const char *stream)
{
	struct sg_token model = { .type = SG_PLAY, .max_uses = 1, .expires_at = sg_wall_s() + 3600 };
	struct sg_token_key key;
	struct token t;

	snprintf(model.app, sizeof(model.app), "%s", app);
	snprintf(model.stream, sizeof(model.stream), "%s", stream);
	snprintf(model.created_by, sizeof(model.created_by), "test");
	assert_int_equal(sg_store_token_create(f->store, &model, sg_wall_s(), &key, 1), SG_OK);
	sg_token_format(t.text, &key);
	t.id = key.id;
	return t;
}

static uint32_t uses_of(struct fixture *f, const struct token *t)
{
	struct sg_token row;

	assert_int_equal(sg_store_token_get(f->store, t->id, &row), SG_OK);
	return row.uses;
}

/* Not every test needs all of this. */
static inline void fixture_unused(void)
{
	(void)make_token, (void)uses_of, (void)status_of, (void)ask, (void)fixture_open,
	    (void)fixture_close, (void)client_connect;
}

#endif
