/* api_compat_fixture.h - asking a real server as Ant Media's scripts do, and reading its shapes. */
#ifndef API_COMPAT_FIXTURE_H
#define API_COMPAT_FIXTURE_H

#include "http_fixture.h"
#include "api/api.h"
#include <jansson.h>
#include <signal.h>

#define APPS "[admin]\nallow = 127.0.0.1\ncompat_allow = 127.0.0.3\n[app live]\n[app vod]\ntoken_lifetime = 1h\n"
#define PROXY "127.0.0.2"   /* trusted: what it forwards for is the caller */
#define TRUSTED "127.0.0.3" /* needs no credentials */
#define V1 "/live/rest/broadcast/"
#define V2 "/live/rest/v2/broadcasts"
#define SETTINGS "/rest/v2/applications/settings/live"
#define OLD_SETTINGS "/ConsoleApp/rest/"
#define JSON "Content-Type: application/json\r\n"
#define FUTURE "1893456000"

static struct sg_api *api;
static char keys[4][SG_APIKEY_TEXT_SIZE]; /* by scope */

static void add_api(struct sg_http_server *srv, struct fixture *f)
{
	struct sg_api_config ac = {.cfg = f->cfg, .http = srv, .gate = f->gate, .hub = f->hub,
	    .fanouts = f->fanouts, .fanout_count = 2};

	assert_int_equal(sg_api_open(&api, &ac), SG_OK);
}

static int set_up(void **state)
{
	struct fixture *f = fixture_open(APPS, add_api);

	for (int s = SG_SCOPE_READ; s <= SG_SCOPE_ADMIN; s++) {
		struct sg_apikey k;
		assert_int_equal(sg_store_apikey_create(f->store, (enum sg_scope)s, SG_STR("test"),
				     sg_wall_s(), &k, keys[s]), SG_OK);
	}
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	fixture_close(*state);
	sg_api_close(api);
	return 0;
}

/* ---- asking ---- */

struct answer {
	struct reply r;
	json_t *json; /* NULL: no body, or not JSON */
};

static struct answer send_as(struct fixture *f, const char *from, const char *method,
    const char *target, const char *headers, const char *body)
{
	struct answer a = {0};
	char text[4096];
	int fd = client_connect_from(f, from);

	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\n%sContent-Length: %zu\r\n%s\r\n%s", method, target,
	    headers && strstr(headers, "Host:") ? "" : "Host: 127.0.0.1\r\n",
	    body ? strlen(body) : 0, headers ? headers : "", body ? body : "");
	client_send(fd, text);
	client_read(fd, &a.r, strcmp(method, "HEAD") != 0);
	if (a.r.body)
		a.json = json_loadb(a.r.body, a.r.body_len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	close(fd);
	return a;
}

/* As a script of Ant Media's does it: no credentials, JSON where there is a body. */
static struct answer call(struct fixture *f, const char *method, const char *target, const char *body)
{
	return send_as(f, TRUSTED, method, target, body ? JSON : "", body);
}

static void done(struct answer *a)
{
	json_decref(a->json);
	reply_free(&a->r);
}

/* The JSON that a call answers with `status`; the caller gives it back. */
static json_t *get(struct fixture *f, const char *method, const char *target, const char *body, int status)
{
	struct answer a = call(f, method, target, body);

	if (a.r.status != status || !a.json)
		fail_msg("%s %s %s: %d %s", method, target, body ? body : "", a.r.status, a.r.body ? a.r.body : "");
	assert_string_equal(reply_header(&a.r, "Content-Type"), "application/json");
	assert_string_equal(reply_header(&a.r, "Cache-Control"), "no-store");
	reply_free(&a.r);
	return a.json;
}

/* A status and no body. */
static void assert_empty(struct fixture *f, const char *method, const char *target, const char *body, int status)
{
	struct answer a = call(f, method, target, body);

	if (a.r.status != status || a.r.body_len)
		fail_msg("%s %s: %d %s", method, target, a.r.status, a.r.body ? a.r.body : "");
	done(&a);
}

/* A Result is four fields; in version 2 none of them is null. */
static void assert_result(struct fixture *f, const char *method, const char *target,
    const char *body, int status, bool success)
{
	json_t *o = get(f, method, target, body, status);
	bool v1 = strstr(target, "/rest/broadcast/") || strstr(target, "/ConsoleApp/");
	const json_t *message = json_object_get(o, "message"), *id = json_object_get(o, "dataId");

	if (json_is_true(json_object_get(o, "success")) != success)
		fail_msg("%s %s %s: success is not %d", method, target, body ? body : "", success);
	assert_int_equal(json_object_size(o), 4);
	assert_true(json_is_integer(json_object_get(o, "errorId")));
	assert_true(v1 ? json_is_null(id) : json_is_string(id));
	assert_true(json_is_string(message) || (v1 && json_is_null(message)));
	json_decref(o);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

static long long number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void create(struct fixture *f, const char *target, char secret[SG_TOKEN_TEXT_SIZE])
{
	json_t *t = get(f, "GET", target, NULL, 200);

	snprintf(secret, SG_TOKEN_TEXT_SIZE, "%s", text_of(t, "tokenId"));
	assert_int_equal(strlen(secret), 32);
	json_decref(t);
}

static const char *token_body(const char *secret, const char *stream, const char *type, const char *more)
{
	static char text[300];

	snprintf(text, sizeof(text), "{\"tokenId\":\"%s\",\"streamId\":\"%s\",\"type\":\"%s\"%s}", secret, stream, type, more);
	return text;
}

static size_t length_of(struct fixture *f, const char *target)
{
	json_t *list = get(f, "GET", target, NULL, 200);
	size_t size = json_array_size(list);

	assert_true(json_is_array(list));
	json_decref(list);
	return size;
}

static enum sg_reason check(struct fixture *f, const char *secret, const char *stream, enum sg_token_type type)
{
	return sg_gate_check_token(f->store, sg_str_from(secret), SG_STR("live"), sg_str_from(stream), type, sg_wall_s(), NULL);
}

/* Not every test needs all of this. */
static inline void compat_fixture_unused(void)
{
	(void)assert_empty, (void)number_of, (void)create, (void)token_body, (void)length_of, (void)check;
}

#endif
