/* api_fixture.h - what the tests of the REST interface share: a server with the API on it and an engine
 * that has no media, calls with whatever headers, answers as JSON. */
#ifndef API_FIXTURE_H
#define API_FIXTURE_H

#include "http_fixture.h"
#include "api/api_internal.h"
#include "webrtc_fake.h"
#include <signal.h>

#define PASSWORD "correct horse battery"
#define PAGE "X-Streamgate: 1\r\nSec-Fetch-Site: same-origin\r\n" /* what the panel's pages send */

struct api_fixture {
	struct fixture *f;
	struct sg_api *api;
	struct sg_signal *sig;
	struct sg_webrtc_server engine;
	char keys[4][SG_APIKEY_TEXT_SIZE]; /* by scope */
	char bearer[100];		   /* the header line of the key of scope admin */
	char cookie[100];		   /* the header line, once signed in */
};

static struct api_fixture *opening; /* sg_http_route's hook has no place for it */

static void api_fixture_routes(struct sg_http_server *srv, struct fixture *f)
{
	struct sg_signal_config sc = {.cfg = f->cfg, .http = srv, .gate = f->gate, .hub = f->hub,
	    .webrtc = &opening->engine, .loops = f->loops, .loop_count = 2};
	opening->engine.gate = f->gate;
	opening->engine.hub = f->hub;
	assert_int_equal(sg_signal_open(&opening->sig, &sc), SG_OK);
	struct sg_api_config ac = {.signal = opening->sig, .cfg = f->cfg, .http = srv, .gate = f->gate, .hub = f->hub,
	    .fanouts = f->fanouts, .fanout_count = 2, .loops = f->loops, .loop_count = 2,
	    .calls_per_s = 100000};

	assert_int_equal(sg_api_open(&opening->api, &ac), SG_OK);
}

static struct api_fixture *api_fixture_open(const char *more)
{
	struct api_fixture *a = calloc(1, sizeof(*a));
	struct sg_apikey k;

	assert_non_null(opening = a);
	pthread_mutex_init(&a->engine.lock, NULL);
	a->f = fixture_open(more, api_fixture_routes);
	for (int s = SG_SCOPE_READ; s <= SG_SCOPE_ADMIN; s++)
		assert_int_equal(sg_store_apikey_create(a->f->store, (enum sg_scope)s, SG_STR("test"),
				     sg_wall_s(), &k, a->keys[s]), SG_OK);
	snprintf(a->bearer, sizeof(a->bearer), "Authorization: Bearer %s\r\n", a->keys[SG_SCOPE_ADMIN]);
	return a;
}

static void api_fixture_close(struct api_fixture *a)
{
	/* As streamd does: the web server, the API, signalling, then the gate. */
	sg_signal_drain(a->sig);
	sg_http_server_close(a->f->http);
	a->f->http = NULL;
	sg_api_close(a->api);
	sg_signal_close(a->sig);
	fixture_close(a->f);
	free(a);
}

struct answer {
	struct reply r;
	json_t *json; /* NULL: not JSON */
};

static void done(struct answer *a)
{
	json_decref(a->json);
	reply_free(&a->r);
}

/* `headers` are whole lines; without a Host among them it is 127.0.0.1. */
static struct answer call_from(struct api_fixture *a, const char *from, const char *method,
    const char *target, const char *headers, const char *body)
{
	struct answer answer = {0};
	char text[8192];
	int fd = client_connect_from(a->f, from);

	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\n%s%sContent-Length: %zu\r\n\r\n%s", method, target,
	    strstr(headers, "Host:") ? "" : "Host: 127.0.0.1\r\n", headers, body ? strlen(body) : 0,
	    body ? body : "");
	client_send(fd, text);
	client_read(fd, &answer.r, strcmp(method, "HEAD") != 0);
	if (answer.r.body)
		answer.json = json_loadb(answer.r.body, answer.r.body_len, JSON_REJECT_DUPLICATES, NULL);
	close(fd);
	return answer;
}

static struct answer call(struct api_fixture *a, const char *method, const char *target,
    const char *headers, const char *body)
{
	return call_from(a, NULL, method, target, headers, body);
}

/* The answer's JSON, which must come with `status`; the caller gives it back. */
static json_t *get(struct api_fixture *a, const char *method, const char *target, const char *body,
    int status)
{
	struct answer answer = call(a, method, target, a->bearer, body);

	if (answer.r.status != status || (!answer.json && status != 204))
		fail_msg("%s %s: %d %s", method, target, answer.r.status,
		    answer.r.body ? answer.r.body : "");
	reply_free(&answer.r);
	return answer.json;
}

static void assert_status(struct api_fixture *a, const char *method, const char *target,
    const char *headers, const char *body, int status)
{
	struct answer answer = call(a, method, target, headers, body);

	if (answer.r.status != status)
		fail_msg("%s %s\n%s%s: %d, not %d: %s", method, target, headers, body ? body : "",
		    answer.r.status, status, answer.r.body ? answer.r.body : "");
	if (status >= 400 && *reply_header(&answer.r, "Content-Type"))
		assert_string_equal(reply_header(&answer.r, "Content-Type"), "application/problem+json");
	done(&answer);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

/* The code of the link that streamd would print. */
static void setup_code(struct api_fixture *a, char code[64])
{
	char link[400];

	assert_true(sg_api_offer_setup(a->api, link, sizeof(link)));
	assert_non_null(strstr(link, "/#setup="));
	snprintf(code, 64, "%s", strstr(link, "=") + 1);
}

static void set_password(struct api_fixture *a, const char *password)
{
	char hash[SG_PASSWORD_HASH_SIZE];

	assert_int_equal(sg_password_hash(hash, sg_str_from(password)), SG_OK);
	assert_int_equal(sg_store_password_set(a->f->store, hash, false, sg_wall_s()), SG_OK);
}

/* Keeps the cookie that the answer sets. */
static void take_cookie(struct api_fixture *a, const struct answer *answer)
{
	const char *set = reply_header(&answer->r, "Set-Cookie");

	assert_int_equal(strncmp(set, "sg_admin=", 9), 0);
	snprintf(a->cookie, sizeof(a->cookie), "Cookie: %.*s\r\n", (int)strcspn(set, ";"), set);
}

static void sign_in(struct api_fixture *a)
{
	struct answer answer =
	    call(a, "POST", "/api/v1/login", PAGE, "{\"password\":\"" PASSWORD "\"}");

	assert_int_equal(answer.r.status, 200);
	take_cookie(a, &answer);
	done(&answer);
}

/* The session's cookie and the panel's headers. */
static const char *as_page(struct api_fixture *a)
{
	static char headers[300];

	snprintf(headers, sizeof(headers), "%s" PAGE, a->cookie);
	return headers;
}

static inline void api_fixture_unused(void)
{
	(void)get, (void)assert_status, (void)text_of, (void)setup_code, (void)set_password,
	    (void)sign_in, (void)as_page, (void)api_fixture_open, (void)api_fixture_close;
}

#endif
