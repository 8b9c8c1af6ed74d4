/* REST, health and metrics, over a real server: who may call, and what each call does. */
#include "http_fixture.h"
#include "api/api.h"
#include <jansson.h>
#include <regex.h>
#include <signal.h>
#include <stdatomic.h>

#define APPS "[app live]\n[app vod]\ntoken_lifetime = 1h\n"
#define PROXY "127.0.0.2" /* trusted: what it forwards for is the caller */

static struct sg_api *api;
static char keys[4][SG_APIKEY_TEXT_SIZE]; /* by scope */
static char key_ids[4][SG_ID_TEXT_SIZE];

static void add_api(struct sg_http_server *srv, struct fixture *f)
{
	struct sg_api_config ac = {.cfg = f->cfg, .http = srv, .gate = f->gate, .hub = f->hub,
	    .fanouts = f->fanouts, .fanout_count = 2, .loops = f->loops, .loop_count = 2, .calls_per_s = 100000};

	assert_int_equal(sg_api_open(&api, &ac), SG_OK);
}

static int set_up(void **state)
{
	struct fixture *f = fixture_open(APPS, add_api);

	for (int s = SG_SCOPE_READ; s <= SG_SCOPE_ADMIN; s++) {
		struct sg_apikey k;
		assert_int_equal(sg_store_apikey_create(f->store, (enum sg_scope)s, SG_STR("test"),
				     sg_wall_s(), &k, keys[s]), SG_OK);
		sg_id_format(key_ids[s], k.id);
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
	json_t *json; /* NULL: not JSON */
};

static struct answer ask_on(int fd, const char *method, const char *target, const char *key,
    const char *body)
{
	struct answer a = {0};
	char text[4096];

	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: t\r\nContent-Length: %zu\r\n%s%s%s\r\n%s",
	    method, target, body ? strlen(body) : 0, key ? "Authorization: Bearer " : "",
	    key ? key : "", key ? "\r\n" : "", body ? body : "");
	client_send(fd, text);
	client_read(fd, &a.r, strcmp(method, "HEAD") != 0);
	if (a.r.body)
		a.json = json_loadb(a.r.body, a.r.body_len, JSON_REJECT_DUPLICATES, NULL);
	close(fd);
	return a;
}

static struct answer call(struct fixture *f, const char *method, const char *target, const char *body)
{
	return ask_on(client_connect(f), method, target, keys[SG_SCOPE_ADMIN], body);
}

static void done(struct answer *a)
{
	json_decref(a->json);
	reply_free(&a->r);
}

/* An error is a problem+json that says the same as the status line, and `words` in its detail. */
static void assert_problem(const struct answer *a, int status, const char *words, const char *what)
{
	const char *detail = json_string_value(json_object_get(a->json, "detail"));

	if (a->r.status != status || !detail || !strstr(detail, words))
		fail_msg("%s: %d %s", what, a->r.status, a->r.body ? a->r.body : "");
	assert_string_equal(reply_header(&a->r, "Content-Type"), "application/problem+json");
	assert_int_equal(json_integer_value(json_object_get(a->json, "status")), status);
	assert_string_equal(json_string_value(json_object_get(a->json, "type")), "about:blank");
	assert_true(json_is_string(json_object_get(a->json, "title")));
}

static void assert_refused(struct fixture *f, const char *method, const char *target,
    const char *body, int status, const char *words)
{
	struct answer a = call(f, method, target, body);

	assert_problem(&a, status, words, body ? body : target);
	done(&a);
}

/* What a call answers with `status`; the caller gives it back. */
static json_t *get(struct fixture *f, const char *method, const char *target, const char *body,
    int status)
{
	struct answer a = call(f, method, target, body);

	if (a.r.status != status || !a.json)
		fail_msg("%s %s: %d %s", method, target, a.r.status, a.r.body ? a.r.body : "");
	assert_string_equal(reply_header(&a.r, "Cache-Control"), "no-store");
	reply_free(&a.r);
	return a.json;
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

static json_t *item(const json_t *list, size_t i)
{
	return json_array_get(json_object_get(list, "items"), i);
}

static size_t count_of(struct fixture *f, const char *target)
{
	json_t *list = get(f, "GET", target, NULL, 200);
	size_t count = json_array_size(json_object_get(list, "items"));

	json_decref(list);
	return count;
}

/* ---- sessions ---- */

struct session {
	struct sg_session *s;
	atomic_int verdict; /* -1: not known */
	atomic_bool gone;
};

static void on_admitted(void *user, enum sg_reason verdict)
{
	atomic_store(&((struct session *)user)->verdict, (int)verdict);
}

static void on_kicked(void *user, enum sg_goodbye why)
{
	struct session *s = user;

	sg_gate_end(s->s, why);
	atomic_store(&s->gone, true);
}

static void enter(struct fixture *f, struct session *s, enum sg_token_type type, const char *stream,
    const char *token)
{
	struct sg_request q = {.protocol = type == SG_PLAY ? "flv" : "rtmp", .app = SG_STR("live"),
	    .stream = sg_str_from(stream), .type = type, .token = sg_str_from(token),
	    .user_agent = SG_STR("test/1"), .at_once = true};
	struct sg_gate_client c = {.executor = sg_loop_executor(f->loops[0]),
	    .admitted = on_admitted, .kicked = on_kicked, .user = s};

	assert_true(sg_addr_parse(SG_STR("192.0.2.1"), &q.peer));
	atomic_store(&s->verdict, -1);
	atomic_store(&s->gone, false);
	assert_non_null(s->s = sg_gate_admit(f->gate, &q, &c));
	for (int i = 0; i < 5000 && atomic_load(&s->verdict) < 0; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&s->verdict), SG_ADMITTED);
}

static void await_gone(struct session *s)
{
	for (int i = 0; i < 5000 && !atomic_load(&s->gone); i++)
		usleep(1000);
	assert_true(atomic_load(&s->gone));
}

static void switch_tokens(struct fixture *f, const char *body)
{
	json_decref(get(f, "PATCH", "/api/v1/apps/live", body, 200));
}

/* A new token's secret. */
static void create(struct fixture *f, const char *body, char secret[SG_TOKEN_TEXT_SIZE], char id[SG_ID_TEXT_SIZE])
{
	json_t *t = get(f, "POST", "/api/v1/tokens", body, 201);

	snprintf(secret, SG_TOKEN_TEXT_SIZE, "%s", text_of(t, "tokenId"));
	snprintf(id, SG_ID_TEXT_SIZE, "%s", text_of(t, "id"));
	json_decref(t);
}

/* ---- who may call ---- */

static void health_is_open_and_readiness_follows(void **state)
{
	struct fixture *f = *state;
	const char *far = "X-Forwarded-For: 198.51.100.7\r\n";
	struct reply r = ask_from(f, PROXY, "GET", "/healthz", far);

	assert_int_equal(r.status, 200);
	assert_string_equal(r.body, "ok\n");
	reply_free(&r);
	assert_int_equal(status_of(f, "GET", "/readyz", NULL), 503);
	sg_api_set_ready(api, true);
	assert_int_equal(status_of(f, "GET", "/readyz", NULL), 200);
	sg_api_set_ready(api, false);
	assert_int_equal(status_of(f, "GET", "/readyz", NULL), 503);
}

static void a_call_needs_an_address_and_a_key_of_its_scope(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *method, *target;
		int scope;
	} rows[] = {
	    {"POST", "/api/v1/tokens", SG_SCOPE_TOKENS}, {"GET", "/api/v1/tokens", SG_SCOPE_READ},
	    {"DELETE", "/api/v1/tokens", SG_SCOPE_TOKENS},
	    {"POST", "/api/v1/tokens/check", SG_SCOPE_TOKENS},
	    {"GET", "/api/v1/tokens/0000000000000", SG_SCOPE_READ},
	    {"DELETE", "/api/v1/tokens/0000000000000", SG_SCOPE_TOKENS},
	    {"GET", "/api/v1/apps/live", SG_SCOPE_READ}, {"PATCH", "/api/v1/apps/x", SG_SCOPE_ADMIN},
	    {"GET", "/api/v1/streams", SG_SCOPE_READ}, {"GET", "/api/v1/streams/live/x", SG_SCOPE_READ},
	    {"DELETE", "/api/v1/streams/live/x", SG_SCOPE_ADMIN},
	    {"GET", "/api/v1/sessions", SG_SCOPE_READ},
	    {"DELETE", "/api/v1/sessions/0000000000000", SG_SCOPE_ADMIN},
	    {"GET", "/api/v1/audit", SG_SCOPE_READ},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char headers[200];
		struct answer a = ask_on(client_connect(f), rows[i].method, rows[i].target, NULL, NULL);
		assert_problem(&a, 401, "API key", rows[i].target);
		assert_string_equal(reply_header(&a.r, "WWW-Authenticate"), "Bearer");
		done(&a);
		snprintf(headers, sizeof(headers), "X-Forwarded-For: 198.51.100.7\r\n"
		    "Content-Length: 0\r\nAuthorization: Bearer %s\r\n", keys[SG_SCOPE_ADMIN]);
		a = (struct answer){.r = ask_from(f, PROXY, rows[i].method, rows[i].target, headers)};
		a.json = json_loads(a.r.body, 0, NULL);
		assert_problem(&a, 403, "address", rows[i].target);
		done(&a);
		for (int s = SG_SCOPE_READ; s <= SG_SCOPE_ADMIN; s++) {
			a = ask_on(client_connect(f), rows[i].method, rows[i].target, keys[s], NULL);
			if (s < rows[i].scope)
				assert_problem(&a, 403, "scope", rows[i].target);
			else if (a.r.status == 401 || a.r.status == 403 || a.r.status >= 500)
				fail_msg("%s %s: %d", rows[i].method, rows[i].target, a.r.status);
			done(&a);
		}
	}
}

static void what_is_no_key_of_ours_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = {"x", "sgk_", "sgk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	struct sg_apikey k;
	char revoked[SG_APIKEY_TEXT_SIZE], basic[] = "Authorization: Basic c2drOng=\r\n";

	for (size_t i = 0; i < 3; i++) {
		struct answer a = ask_on(client_connect(f), "GET", "/api/v1/tokens", wrong[i], NULL);
		assert_problem(&a, 401, "unknown or revoked", wrong[i]);
		done(&a);
	}
	assert_int_equal(status_of(f, "GET", "/api/v1/tokens", basic), 401);
	assert_int_equal(sg_store_apikey_create(f->store, SG_SCOPE_READ, SG_STR(""), sg_wall_s(), &k,
			     revoked), SG_OK);
	struct answer a = ask_on(client_connect(f), "GET", "/api/v1/tokens", revoked, NULL);
	assert_int_equal(a.r.status, 200);
	done(&a);
	assert_int_equal(sg_store_apikey_revoke(f->store, k.id, sg_wall_s()), SG_OK);
	a = ask_on(client_connect(f), "GET", "/api/v1/tokens", revoked, NULL);
	assert_int_equal(a.r.status, 401);
	done(&a);
}

static void wrong_keys_cost_an_address_time(void **state)
{
	struct fixture *f = *state;
	struct answer a;

	for (int i = 0; i < 20; i++) {
		a = ask_on(client_connect_from(f, "127.0.0.9"), "GET", "/api/v1/tokens", "x", NULL);
		assert_int_equal(a.r.status, 401);
		done(&a);
	}
	for (int i = 0; i < 2; i++) { /* a good key, too: it would tell that it is one */
		a = ask_on(client_connect_from(f, "127.0.0.9"), "GET", "/api/v1/tokens",
		    i ? keys[SG_SCOPE_ADMIN] : "x", NULL);
		assert_problem(&a, 429, "too many", "429");
		assert_true(atoi(reply_header(&a.r, "Retry-After")) > 0);
		done(&a);
	}
	a = call(f, "GET", "/api/v1/tokens", NULL); /* others go on */
	assert_int_equal(a.r.status, 200);
	done(&a);
}

static void the_admin_socket_needs_no_key(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", f->cfg->admin_socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	struct answer a = ask_on(fd, "POST", "/api/v1/tokens", NULL, "{\"streamId\":\"cam\"}");
	assert_int_equal(a.r.status, 201);
	assert_string_equal(text_of(a.json, "createdBy"), "admin-socket");
	done(&a);
}

/* ---- tokens ---- */

static void a_created_token_admits_and_says_all_about_itself(void **state)
{
	struct fixture *f = *state;
	struct answer a = call(f, "POST", "/api/v1/tokens", "{\"streamId\":\"new\",\"expiresIn\":\"2h\","
	    "\"maxUses\":3,\"resume\":\"30s\",\"label\":\"caf\\u00e9\"}");
	char want[200], place[64];
	struct sg_token row;

	assert_int_equal(a.r.status, 201);
	assert_string_equal(reply_header(&a.r, "Cache-Control"), "no-store");
	snprintf(place, sizeof(place), "/api/v1/tokens/%s", text_of(a.json, "id"));
	assert_string_equal(reply_header(&a.r, "Location"), place);
	const char *secret = text_of(a.json, "tokenId");
	assert_int_equal(strlen(secret), 32);
	assert_int_equal(sg_gate_check_token(f->store, sg_str_from(secret), SG_STR("live"),
			     SG_STR("new"), SG_PLAY, sg_wall_s(), &row), SG_ADMITTED);
	assert_int_equal(row.max_uses, 3);
	assert_int_equal(row.resume_s, 30);
	assert_string_equal(row.label, "caf\xc3\xa9");
	assert_string_equal(row.created_by, key_ids[SG_SCOPE_ADMIN]);
	assert_in_range(row.expires_at, sg_wall_s() + 7190, sg_wall_s() + 7200);
	assert_int_equal(number_of(a.json, "expireDate"), row.expires_at);
	assert_string_equal(text_of(a.json, "state"), "active");
	snprintf(want, sizeof(want), "http://127.0.0.1:%d/live/streams/new.m3u8?token=%s", f->port, secret);
	assert_string_equal(text_of(json_object_get(a.json, "urls"), "hls"), want);
	assert_int_equal(json_object_size(json_object_get(a.json, "urls")), 5); /* RTMP is off here */
	done(&a);
	/* Without an expiry the application's own holds. */
	json_t *t = get(f, "POST", "/api/v1/tokens", "{\"app\":\"vod\",\"streamId\":\"a\",\"type\":\"publish\"}", 201);
	assert_in_range(number_of(t, "expireDate"), sg_wall_s() + 3590, sg_wall_s() + 3600);
	assert_string_equal(text_of(t, "type"), "publish");
	assert_int_equal(json_object_size(json_object_get(t, "urls")), 0);
	json_decref(t);
	/* After a reload the new configuration's. */
	struct sg_config *fresh;
	assert_int_equal(sg_config_parse(&fresh, "fresh", SG_STR("[app vod]\ntoken_lifetime = 2h\n"),
			     place, sizeof(place)), SG_OK);
	sg_api_reconfigure(api, fresh);
	t = get(f, "POST", "/api/v1/tokens", "{\"app\":\"vod\",\"streamId\":\"a\"}", 201);
	assert_in_range(number_of(t, "expireDate"), sg_wall_s() + 7190, sg_wall_s() + 7200);
	json_decref(t);
	sg_api_reconfigure(api, f->cfg);
	sg_config_free(fresh);
	t = get(f, "POST", "/api/v1/tokens", "{\"streamId\":\"a\",\"count\":1000}", 201);
	assert_int_equal(json_array_size(json_object_get(t, "items")), 1000);
	assert_string_not_equal(text_of(item(t, 0), "tokenId"), text_of(item(t, 999), "tokenId"));
	json_decref(t);
}

static void what_cannot_be_made_names_its_field(void **state)
{
	static const struct {
		const char *body, *words;
	} rows[] = {
	    {"", "JSON object"}, {"[]", "object"}, {"{", "not JSON"}, {"{\"streamId\":\"a\"} x", "not JSON"},
	    {"{\"streamId\":\"a\",\"streamId\":\"b\"}", "twice"}, {"{}", "streamId"},
	    {"{\"streamId\":7}", "'streamId' must be a string"}, {"{\"streamId\":\".a\"}", "streamId"},
	    {"{\"streamId\":\"a/b\"}", "streamId"}, {"{\"streamId\":\"a\",\"app\":\"\"}", "app"},
	    {"{\"streamId\":\"a\",\"app\":\"none\"}", "app"}, {"{\"streamId\":\"a\",\"type\":\"x\"}", "type"},
	    {"{\"streamID\":\"a\"}", "did you mean 'streamId'"}, {"{\"streamId\":\"a\",\"room\":1}", "room"},
	    {"{\"streamId\":\"a\",\"expiresIn\":0}", "expiresIn"},
	    {"{\"streamId\":\"a\",\"expiresIn\":\"soon\"}", "expiresIn"},
	    {"{\"streamId\":\"a\",\"expiresIn\":true}", "expiresIn"},
	    {"{\"streamId\":\"a\",\"expireDate\":1}", "expireDate"},
	    {"{\"streamId\":\"a\",\"expireDate\":9999999999999}", "expireDate"},
	    {"{\"streamId\":\"a\",\"expireDate\":2.5e9}", "expireDate"},
	    {"{\"streamId\":\"a\",\"expireDate\":4000000000,\"expiresIn\":1}", "exclude"},
	    {"{\"streamId\":\"a\",\"maxUses\":0}", "maxUses"}, {"{\"streamId\":\"a\",\"maxUses\":1000001}", "maxUses"},
	    {"{\"streamId\":\"a\",\"count\":1001}", "count"}, {"{\"streamId\":\"a\",\"count\":0}", "count"},
	    {"{\"streamId\":\"a\",\"resume\":\"2d\"}", "resume"}, {"{\"streamId\":\"a\",\"label\":\"\\n\"}", "label"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_refused(*state, "POST", "/api/v1/tokens", rows[i].body, 400, rows[i].words);
	assert_int_equal(status_of(*state, "POST", "/api/v1/tokens", "Content-Length: 1048577\r\n"), 413);
}

static void lists_are_filtered_and_paged(void **state)
{
	struct fixture *f = *state;
	char target[128] = "/api/v1/tokens?app=live&streamId=paged&limit=2", last[16] = "~";
	size_t seen = 0;

	json_decref(get(f, "POST", "/api/v1/tokens", "{\"streamId\":\"paged\",\"count\":5}", 201));
	for (bool more = true; more;) {
		json_t *page = get(f, "GET", target, NULL, 200);
		for (size_t i = 0; item(page, i); i++, seen++) {
			assert_true(strcmp(text_of(item(page, i), "id"), last) < 0); /* newest first */
			snprintf(last, sizeof(last), "%s", text_of(item(page, i), "id"));
		}
		more = !json_is_null(json_object_get(page, "next"));
		snprintf(target, sizeof(target), "/api/v1/tokens?app=live&streamId=paged&limit=2&cursor=%s",
		    text_of(page, "next"));
		json_decref(page);
	}
	assert_int_equal(seen, 5);
	assert_int_equal(count_of(f, "/api/v1/tokens?streamId=paged&state=revoked"), 0);
	assert_int_equal(count_of(f, "/api/v1/tokens?streamId=paged&type=publish"), 0);
	static const char *const bad[] = {"limit=0", "limit=1001", "limit=x", "cursor=x", "state=x", "type=x",
	    "app=a/b", "streamId=.x"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(target, sizeof(target), "/api/v1/tokens?%s", bad[i]);
		assert_refused(f, "GET", target, NULL, 400, "'");
	}
}

static void the_secret_is_in_no_other_answer(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE], id[SG_ID_TEXT_SIZE], body[256], path[128], field[64];
	struct session s;

	create(f, "{\"streamId\":\"hush\",\"type\":\"publish\"}", secret, id);
	switch_tokens(f, "{\"publishTokenControlEnabled\":true}");
	enter(f, &s, SG_PUBLISH, "hush", secret);
	snprintf(body, sizeof(body), "{\"tokenId\":\"%s\",\"streamId\":\"hush\",\"type\":\"publish\"}", secret);
	const struct {
		const char *method, *target, *body;
		int status;
	} rows[] = {
	    {"GET", "/api/v1/tokens", NULL, 200}, {"POST", "/api/v1/tokens/check", body, 200},
	    {"GET", "/api/v1/sessions", NULL, 200}, {"GET", "/api/v1/audit", NULL, 200},
	    {"GET", "/api/v1/streams", NULL, 200}, {"GET", "/metrics", NULL, 200},
	    {"GET", path, NULL, 404}, {"DELETE", path, NULL, 404},
	    {"POST", "/api/v1/tokens/check", body + 1, 400}, {"POST", "/api/v1/tokens", body, 400},
	    {"POST", "/api/v1/tokens", field, 400},
	};
	snprintf(field, sizeof(field), "{\"%s\":1}", secret);
	snprintf(path, sizeof(path), "/api/v1/tokens/%s", secret);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = call(f, rows[i].method, rows[i].target, rows[i].body);
		assert_int_equal(a.r.status, rows[i].status);
		assert_null(strstr(a.r.body, secret));
		assert_null(strstr(a.r.body, secret + 11)); /* what follows the public half */
		done(&a);
	}
	snprintf(path, sizeof(path), "/api/v1/tokens/%s", id);
	json_t *t = get(f, "GET", path, NULL, 200);
	assert_null(json_object_get(t, "tokenId"));
	assert_string_equal(text_of(t, "state"), "used");
	json_decref(t);
	switch_tokens(f, "{\"publishTokenControlEnabled\":null}");
	sg_gate_end(s.s, SG_BYE_CLOSED);
}

static size_t revoked_by(struct fixture *f, const char *target, long long sessions)
{
	json_t *o = get(f, "DELETE", target, NULL, 200);
	long long revoked = number_of(o, "revoked");

	assert_int_equal(number_of(o, "sessionsEnded"), sessions);
	json_decref(o);
	return (size_t)revoked;
}

static void revoking_ends_the_token_and_its_session(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE], id[SG_ID_TEXT_SIZE], path[80];
	struct session s;

	switch_tokens(f, "{\"publishTokenControlEnabled\":true}");
	create(f, "{\"streamId\":\"rev\",\"type\":\"publish\",\"maxUses\":5}", secret, id);
	enter(f, &s, SG_PUBLISH, "rev", secret);
	snprintf(path, sizeof(path), "/api/v1/tokens/%s?keepSessions=maybe", id);
	assert_refused(f, "DELETE", path, NULL, 400, "keepSessions");
	path[15 + strlen(id)] = '\0';
	assert_int_equal(revoked_by(f, path, 1), 1);
	await_gone(&s);
	assert_int_equal(revoked_by(f, path, 0), 0); /* again: nothing is left to do */
	assert_int_equal(sg_gate_check_token(f->store, sg_str_from(secret), SG_STR("live"),
			     SG_STR("rev"), SG_PUBLISH, sg_wall_s(), NULL), SG_REVOKED);
	/* Told to, it leaves the session. */
	create(f, "{\"streamId\":\"rev\",\"type\":\"publish\"}", secret, id);
	enter(f, &s, SG_PUBLISH, "rev", secret);
	snprintf(path, sizeof(path), "/api/v1/tokens/%s?keepSessions=true", id);
	assert_int_equal(revoked_by(f, path, 0), 1);
	usleep(300000); /* the gate looks at changes every 200 ms */
	assert_false(atomic_load(&s.gone));
	sg_gate_end(s.s, SG_BYE_CLOSED);
	switch_tokens(f, "{\"publishTokenControlEnabled\":null}");
	assert_refused(f, "DELETE", "/api/v1/tokens/0000000000000", NULL, 404, "no such token");
}

static void revoking_a_streams_tokens_counts_exactly(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE], id[SG_ID_TEXT_SIZE];
	struct session with, without;

	for (int i = 0; i < 3; i++)
		create(f, "{\"streamId\":\"many\",\"type\":\"publish\"}", secret, id);
	create(f, "{\"streamId\":\"many.2\",\"type\":\"publish\"}", secret, id);
	enter(f, &without, SG_PUBLISH, "many", "");
	assert_int_equal(revoked_by(f, "/api/v1/tokens?app=live&streamId=many&type=play", 0), 0);
	assert_int_equal(revoked_by(f, "/api/v1/tokens?app=live&streamId=many", 0), 3);
	assert_int_equal(revoked_by(f, "/api/v1/tokens?streamId=many", 0), 0);
	assert_false(atomic_load(&without.gone)); /* it came in without one */
	sg_gate_end(without.s, SG_BYE_CLOSED);
	switch_tokens(f, "{\"publishTokenControlEnabled\":true}");
	enter(f, &with, SG_PUBLISH, "many.2", secret);
	assert_int_equal(revoked_by(f, "/api/v1/tokens?app=live&streamId=many.2", 1), 1);
	await_gone(&with);
	switch_tokens(f, "{\"publishTokenControlEnabled\":null}");
	assert_refused(f, "DELETE", "/api/v1/tokens?app=live", NULL, 400, "streamId");
}

static void a_check_tells_and_spends_nothing(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE], id[SG_ID_TEXT_SIZE], body[200];
	static const struct {
		const char *stream, *type, *reason;
	} rows[] = {{"chk", "play", "admitted"}, {"chk", "play", "admitted"},
	    {"other", "play", "wrong_stream"}, {"chk", "publish", "wrong_type"}};

	create(f, "{\"streamId\":\"chk\"}", secret, id);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(body, sizeof(body), "{\"tokenId\":\"%s\",\"streamId\":\"%s\",\"type\":\"%s\"}",
		    secret, rows[i].stream, rows[i].type);
		json_t *o = get(f, "POST", "/api/v1/tokens/check", body, 200);
		assert_string_equal(text_of(o, "reason"), rows[i].reason);
		assert_string_equal(text_of(o, "verdict"), strcmp(rows[i].reason, "admitted") ? "refused" : "admitted");
		assert_string_equal(text_of(o, "id"), id);
		assert_string_equal(text_of(o, "streamLive"), "no");
		assert_true(json_is_false(json_object_get(o, "tokenNeeded")));
		json_decref(o);
	}
	json_t *o = get(f, "POST", "/api/v1/tokens/check", "{\"streamId\":\"chk\"}", 200);
	assert_string_equal(text_of(o, "reason"), "missing_token");
	json_decref(o);
	assert_refused(f, "POST", "/api/v1/tokens/check", "{}", 400, "streamId");
}

/* ---- sessions, streams ---- */

static void sessions_are_listed_and_shown_out(void **state)
{
	struct fixture *f = *state;
	struct session s[3];
	char name[16], target[100];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "who%d", i);
		enter(f, &s[i], SG_PUBLISH, name, "");
		usleep(2000); /* ids order by milliseconds */
	}
	assert_int_equal(count_of(f, "/api/v1/sessions"), 3);
	assert_int_equal(count_of(f, "/api/v1/sessions?type=play"), 0);
	assert_int_equal(count_of(f, "/api/v1/sessions?protocol=rtmp&app=live"), 3);
	json_t *page = get(f, "GET", "/api/v1/sessions?limit=2", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(page, "items")), 2);
	assert_string_equal(text_of(page, "next"), text_of(item(page, 1), "id"));
	snprintf(target, sizeof(target), "/api/v1/sessions?limit=2&cursor=%s", text_of(page, "next"));
	json_decref(page);
	page = get(f, "GET", target, NULL, 200);
	json_t *one = item(page, 0);
	assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
	assert_true(json_is_null(json_object_get(page, "next")));
	assert_string_equal(text_of(one, "streamId"), "who2");
	assert_string_equal(text_of(one, "type"), "publish");
	assert_string_equal(text_of(one, "protocol"), "rtmp");
	assert_string_equal(text_of(one, "address"), "192.0.2.1");
	assert_string_equal(text_of(one, "userAgent"), "test/1");
	assert_string_equal(text_of(one, "state"), "active");
	assert_true(json_is_null(json_object_get(one, "token")));
	assert_in_range(number_of(one, "startedAt"), sg_wall_s() - 60, sg_wall_s());
	snprintf(target, sizeof(target), "/api/v1/sessions/%s", text_of(one, "id"));
	json_decref(page);
	json_t *o = get(f, "DELETE", target, NULL, 200);
	assert_int_equal(number_of(o, "ended"), 1);
	json_decref(o);
	await_gone(&s[2]);
	assert_refused(f, "DELETE", target, NULL, 404, "no such session");
	assert_refused(f, "DELETE", "/api/v1/sessions/x", NULL, 404, "no such session");
	assert_refused(f, "GET", "/api/v1/sessions?cursor=x", NULL, 400, "cursor");
	assert_int_equal(count_of(f, "/api/v1/sessions"), 2);
	for (int i = 0; i < 2; i++)
		sg_gate_end(s[i].s, SG_BYE_CLOSED);
	/* Who did it is noted once, and so is the end. */
	for (int i = 0; i < 2000 && !count_of(f, "/api/v1/audit?streamId=who2&event=ended"); i++)
		usleep(1000);
	page = get(f, "GET", "/api/v1/audit?streamId=who2&event=kicked", NULL, 200);
	snprintf(target, sizeof(target), "by key %s", key_ids[SG_SCOPE_ADMIN]);
	assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
	assert_string_equal(text_of(item(page, 0), "detail"), target);
	assert_string_equal(text_of(item(page, 0), "address"), "127.0.0.1");
	json_decref(page);
	assert_int_equal(count_of(f, "/api/v1/audit?streamId=who2&event=ended&reason=kicked"), 1);
}

static void live_streams_tell_what_they_carry(void **state)
{
	static const uint8_t config[] = {0xaf, 0, 0x12, 0x10}; /* AAC-LC, 44.1 kHz, 2 channels */
	static const uint8_t frame[] = {0xaf, 1, 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c};
	struct fixture *f = *state;
	struct sg_publisher *pub;
	struct session publisher, viewer;

	assert_int_equal(count_of(f, "/api/v1/streams"), 0);
	enter(f, &publisher, SG_PUBLISH, "cam", "");
	assert_int_equal(sg_hub_publish(f->hub, SG_STR("live"), SG_STR("cam"), "rtmp", &pub), SG_OK);
	assert_int_equal(sg_publisher_write_flv(pub, 8, 0, config, sizeof(config)), SG_OK);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(sg_publisher_write_flv(pub, 8, i * 23, frame, sizeof(frame)), SG_OK);
	enter(f, &viewer, SG_PLAY, "cam", "");
	json_t *list = get(f, "GET", "/api/v1/streams?app=live&streamId=cam", NULL, 200);
	json_t *one = item(list, 0), *audio = json_object_get(one, "audio");
	assert_string_equal(text_of(one, "streamId"), "cam");
	assert_string_equal(text_of(one, "protocol"), "rtmp");
	assert_true(json_is_true(json_object_get(one, "live")));
	assert_true(json_is_null(json_object_get(one, "video")));
	assert_string_equal(text_of(audio, "codec"), "aac");
	assert_int_equal(number_of(audio, "sampleRate"), 44100);
	assert_int_equal(number_of(audio, "channels"), 2);
	assert_true(number_of(one, "bytesIn") > 0);
	assert_int_equal(number_of(one, "viewers"), 1);
	assert_int_equal(number_of(json_object_get(one, "viewersByProtocol"), "flv"), 1);
	assert_in_range(number_of(one, "startedAt"), sg_wall_s() - 60, sg_wall_s());
	json_decref(list);
	assert_int_equal(count_of(f, "/api/v1/streams?streamId=other"), 0);
	one = get(f, "GET", "/api/v1/streams/live/cam", NULL, 200);
	assert_string_equal(text_of(one, "app"), "live");
	json_decref(one);
	assert_refused(f, "GET", "/api/v1/streams/live/other", NULL, 404, "no such stream");
	one = get(f, "DELETE", "/api/v1/streams/live/cam", NULL, 200);
	assert_int_equal(number_of(one, "sessionsEnded"), 1);
	json_decref(one);
	await_gone(&publisher);
	assert_false(atomic_load(&viewer.gone));
	assert_refused(f, "DELETE", "/api/v1/streams/live/other", NULL, 404, "no such stream");
	sg_gate_end(viewer.s, SG_BYE_CLOSED);
	sg_publisher_close(pub, true);
}

/* ---- audit ---- */

static void the_audit_is_read_backwards_and_followed_forwards(void **state)
{
	struct fixture *f = *state;
	struct sg_audit rows[5] = {{0}};
	char target[128];

	for (int i = 0; i < 5; i++) {
		rows[i] = (struct sg_audit){.at_ms = 1700000000123, .token_id = 7, .type = SG_PLAY};
		snprintf(rows[i].app, sizeof(rows[i].app), "aud");
		snprintf(rows[i].stream, sizeof(rows[i].stream), "s%d", i);
		snprintf(rows[i].event, sizeof(rows[i].event), "refused");
		snprintf(rows[i].reason, sizeof(rows[i].reason), i ? "used" : "expired");
		snprintf(rows[i].protocol, sizeof(rows[i].protocol), "hls");
	}
	assert_int_equal(sg_store_audit_add(f->store, rows, 5), SG_OK);
	json_t *page = get(f, "GET", "/api/v1/audit?app=aud&limit=2", NULL, 200);
	assert_string_equal(text_of(item(page, 0), "streamId"), "s4");
	assert_string_equal(text_of(item(page, 0), "time"), "2023-11-14T22:13:20.123Z");
	assert_int_equal(number_of(item(page, 0), "at"), 1700000000123);
	assert_string_equal(text_of(item(page, 0), "reason"), "used");
	assert_string_equal(text_of(item(page, 0), "type"), "play");
	assert_int_equal(strlen(text_of(item(page, 0), "token")), 13);
	long long seq = number_of(item(page, 1), "seq");
	snprintf(target, sizeof(target), "/api/v1/audit?app=aud&limit=3&cursor=%s", text_of(page, "next"));
	json_decref(page);
	page = get(f, "GET", target, NULL, 200);
	assert_string_equal(text_of(item(page, 0), "streamId"), "s2");
	assert_string_equal(text_of(item(page, 2), "streamId"), "s0");
	assert_true(json_is_null(json_object_get(page, "next")));
	json_decref(page);
	snprintf(target, sizeof(target), "/api/v1/audit?app=aud&after=%lld", seq - 2);
	page = get(f, "GET", target, NULL, 200);
	assert_string_equal(text_of(item(page, 0), "streamId"), "s2");
	assert_string_equal(text_of(item(page, 2), "streamId"), "s4");
	json_decref(page);
	assert_int_equal(count_of(f, "/api/v1/audit?app=aud&reason=expired"), 1);
	assert_int_equal(count_of(f, "/api/v1/audit?app=aud&event=admitted"), 0);
	static const char *const bad[] = {"after=0", "after=x", "cursor=-1", "cursor=1&after=1", "token=x",
	    "limit=0", "app=a%20b"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(target, sizeof(target), "/api/v1/audit?%s", bad[i]);
		assert_refused(f, "GET", target, NULL, 400, "'");
	}
}

/* ---- switches ---- */

static void a_switch_is_in_force_when_the_answer_comes(void **state)
{
	struct fixture *f = *state;
	struct sg_str live = SG_STR("live"), cam = SG_STR("cam"), other = SG_STR("other");

	for (int i = 0; i < 20; i++) {
		switch_tokens(f, i % 2 ? "{\"playTokenControlEnabled\":false}"
				       : "{\"playTokenControlEnabled\":true}");
		assert_int_equal(sg_gate_needs_token(f->gate, live, cam, SG_PLAY), i % 2 == 0);
	}
	json_t *o = get(f, "PATCH", "/api/v1/apps/live", "{\"publishTokenControlEnabled\":true,\"streams\":"
	    "{\"cam\":{\"playTokenControlEnabled\":true,\"publishTokenControlEnabled\":false}}}", 200);
	assert_true(json_is_true(json_object_get(o, "publishTokenControlEnabled")));
	assert_true(json_is_true(json_object_get(json_object_get(json_object_get(o, "streams"), "cam"),
	    "playTokenControlEnabled")));
	json_decref(o);
	assert_true(sg_gate_needs_token(f->gate, live, cam, SG_PLAY));
	assert_false(sg_gate_needs_token(f->gate, live, cam, SG_PUBLISH));
	assert_false(sg_gate_needs_token(f->gate, live, other, SG_PLAY));
	assert_true(sg_gate_needs_token(f->gate, live, other, SG_PUBLISH));
	o = get(f, "PATCH", "/api/v1/apps/live", "{\"publishTokenControlEnabled\":null,"
	    "\"playTokenControlEnabled\":null,\"streams\":{\"cam\":null}}", 200);
	assert_true(json_is_false(json_object_get(o, "publishOverridden")));
	assert_int_equal(json_object_size(json_object_get(o, "streams")), 0);
	json_decref(o);
	assert_false(sg_gate_needs_token(f->gate, live, cam, SG_PLAY));
	assert_true(count_of(f, "/api/v1/audit?event=setting&streamId=cam&limit=1") > 0);
	static const char *const bad[][2] = {{"{\"play\":true}", "play"},
	    {"{\"playTokenControlEnabled\":1}", "playTokenControlEnabled"},
	    {"{\"streams\":{\"a/b\":null}}", "streams"}, {"{\"streams\":{\"a\":true}}", "streams"},
	    {"{\"streams\":{\"a\":{\"x\":true}}}", "x"}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(f, "PATCH", "/api/v1/apps/live", bad[i][0], 400, bad[i][1]);
	assert_refused(f, "PATCH", "/api/v1/apps/none", "{}", 404, "no such application");
	assert_refused(f, "GET", "/api/v1/apps/none", NULL, 404, "no such application");
}

/* ---- metrics ---- */

static bool line_is(const char *line, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bool ok = regexec(&re, line, 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

/* Text format 0.0.4: HELP, TYPE, then the samples of this family and of no other. */
static void metrics_are_well_formed(void **state)
{
	struct fixture *f = *state;
	struct reply r = ask(f, "GET", "/metrics", NULL); /* no key */
	char family[100] = "", *all, *rest, *line;
	size_t families = 0;
	static const char *const wanted[] = {"\nstreamgate_build_info{version=\"", "\nstreamgate_sessions_max ",
	    "\nstreamgate_gate_queue_max{queue=\"commit\"} ", "\nstreamgate_http_connections_max 2000\n",
	    "\nstreamgate_commit_wait_seconds_bucket{le=\"+Inf\"} ", "\nstreamgate_commit_batch_size_count ",
	    "\nstreamgate_audit_dropped_total 0\n", "\nstreamgate_fanout_followers 0\n",
	    "\nstreamgate_admissions_total{protocol=\"rtmp\",type=\"publish\",verdict=\"admitted\",reason=\"admitted\"} "};

	assert_int_equal(r.status, 200);
	assert_string_equal(reply_header(&r, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!strstr(r.body, wanted[i]))
			fail_msg("no%s in %s", wanted[i], r.body);
	assert_int_equal(r.body[r.body_len - 1], '\n');
	rest = all = strdup(r.body);
	while ((line = strsep(&rest, "\n")) && *line) {
		char pattern[300], name[100];
		if (sscanf(line, "# HELP %99s", name) == 1) {
			snprintf(pattern, sizeof(pattern), "# HELP %s ", name);
			assert_ptr_equal(strstr(strstr(r.body, pattern) + 1, pattern), NULL);
			snprintf(family, sizeof(family), "%s", name);
			families++;
			line = strsep(&rest, "\n");
			snprintf(pattern, sizeof(pattern), "^# TYPE %s (counter|gauge|histogram)$", family);
		} else
			snprintf(pattern, sizeof(pattern), "^%s(_bucket|_sum|_count)?"
			    "(\\{[a-z]+=\"[^\"\\]*\"(,[a-z]+=\"[^\"\\]*\")*\\})? [0-9]+(\\.[0-9]+)?(e[-+][0-9]+)?$", family);
		if (!line_is(line, pattern))
			fail_msg("%s: is not %s", line, pattern);
	}
	assert_true(families > 30);
	free(all);
	reply_free(&r);
	r = ask_from(f, PROXY, "GET", "/metrics", "X-Forwarded-For: 198.51.100.7\r\n");
	assert_int_equal(r.status, 403);
	reply_free(&r);
}

/* ---- limits ---- */

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void wait_for_it(void *user, struct sg_gate *gate, struct sg_store *store)
{
	(void)user, (void)gate, (void)store;
	pthread_mutex_lock(&held);
	pthread_mutex_unlock(&held);
}

static void too_many_at_a_time_are_told_to_come_again(void **state)
{
	struct fixture *f = *state;

	pthread_mutex_lock(&held);
	for (int full = 0; full < 100;) /* the thread takes the first one out */
		if (!sg_gate_query(f->gate, wait_for_it, NULL)) {
			full++;
			usleep(1000);
		}
	struct answer a = call(f, "GET", "/api/v1/tokens", NULL);
	pthread_mutex_unlock(&held);
	assert_problem(&a, 503, "try again", "full");
	assert_string_equal(reply_header(&a.r, "Retry-After"), "1");
	done(&a);
	for (int i = 0; i < 5000 && (a = call(f, "GET", "/api/v1/tokens", NULL)).r.status == 503; i++) {
		done(&a);
		usleep(1000);
	}
	assert_int_equal(a.r.status, 200);
	done(&a);
}

static void other_methods_are_told_which_there_are(void **state)
{
	struct answer a = call(*state, "PUT", "/api/v1/tokens", NULL);

	assert_int_equal(a.r.status, 405);
	assert_string_equal(reply_header(&a.r, "Allow"), "GET, HEAD, POST, DELETE, OPTIONS");
	done(&a);
	a = call(*state, "HEAD", "/api/v1/tokens", NULL);
	assert_int_equal(a.r.status, 200);
	done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(health_is_open_and_readiness_follows),
	    cmocka_unit_test(a_call_needs_an_address_and_a_key_of_its_scope),
	    cmocka_unit_test(what_is_no_key_of_ours_is_refused),
	    cmocka_unit_test(wrong_keys_cost_an_address_time),
	    cmocka_unit_test(the_admin_socket_needs_no_key),
	    cmocka_unit_test(a_created_token_admits_and_says_all_about_itself),
	    cmocka_unit_test(what_cannot_be_made_names_its_field),
	    cmocka_unit_test(lists_are_filtered_and_paged),
	    cmocka_unit_test(the_secret_is_in_no_other_answer),
	    cmocka_unit_test(revoking_ends_the_token_and_its_session),
	    cmocka_unit_test(revoking_a_streams_tokens_counts_exactly),
	    cmocka_unit_test(a_check_tells_and_spends_nothing),
	    cmocka_unit_test(sessions_are_listed_and_shown_out),
	    cmocka_unit_test(live_streams_tell_what_they_carry),
	    cmocka_unit_test(the_audit_is_read_backwards_and_followed_forwards),
	    cmocka_unit_test(a_switch_is_in_force_when_the_answer_comes),
	    cmocka_unit_test(metrics_are_well_formed),
	    cmocka_unit_test(too_many_at_a_time_are_told_to_come_again),
	    cmocka_unit_test(other_methods_are_told_which_there_are),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
