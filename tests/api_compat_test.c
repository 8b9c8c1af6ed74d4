/* Ant Media's REST over a real server: who may call, tokens. The numbers in comments are those of the
 * compatibility checklist. */
#include "api_compat_fixture.h"

/* ---- who may call ---- */

static const struct {
	const char *method, *target, *body;
	int scope;
} calls[] = {
    {"GET", V2 "/x/token?type=play&expireDate=" FUTURE, NULL, SG_SCOPE_TOKENS},
    {"GET", V2 "/x/jwt-token?type=play&expireDate=" FUTURE, NULL, SG_SCOPE_TOKENS},
    {"POST", V2 "/validate-token", "{}", SG_SCOPE_TOKENS},
    {"DELETE", V2 "/x/tokens", NULL, SG_SCOPE_TOKENS},
    {"GET", V2 "/x/tokens/list/0/5", NULL, SG_SCOPE_READ},
    {"POST", V2 "/create", "{\"streamId\":\"who\"}", SG_SCOPE_TOKENS},
    {"GET", V2 "/list/0/5", NULL, SG_SCOPE_READ}, {"GET", V2 "/count", NULL, SG_SCOPE_READ},
    {"GET", V2 "/count/x", NULL, SG_SCOPE_READ},
    {"GET", V2 "/active-live-stream-count", NULL, SG_SCOPE_READ},
    {"GET", V2 "/x", NULL, SG_SCOPE_READ}, {"PUT", V2 "/x", "{}", SG_SCOPE_TOKENS},
    {"DELETE", V2 "/x", NULL, SG_SCOPE_ADMIN}, {"DELETE", V2 "/?ids=x", NULL, SG_SCOPE_ADMIN},
    {"POST", V2 "/x/start", NULL, SG_SCOPE_ADMIN}, {"POST", V2 "/x/stop", NULL, SG_SCOPE_ADMIN},
    {"GET", V2 "/x/broadcast-statistics", NULL, SG_SCOPE_READ},
    {"GET", V1 "getToken?id=x&type=play", NULL, SG_SCOPE_TOKENS},
    {"POST", V1 "validateToken", "{}", SG_SCOPE_TOKENS},
    {"POST", V1 "revokeTokens?id=x", NULL, SG_SCOPE_TOKENS},
    {"GET", V1 "listTokens/x/0/5", NULL, SG_SCOPE_READ},
    {"POST", V1 "create", NULL, SG_SCOPE_TOKENS}, {"GET", V1 "get?id=x", NULL, SG_SCOPE_READ},
    {"GET", V1 "getList/0/5", NULL, SG_SCOPE_READ}, {"POST", V1 "delete/x", NULL, SG_SCOPE_ADMIN},
    {"POST", V1 "stop/x", NULL, SG_SCOPE_ADMIN},
    {"GET", V1 "getTotalBroadcastNumber", NULL, SG_SCOPE_READ},
    {"GET", V1 "getVersion", NULL, SG_SCOPE_READ}, {"GET", SETTINGS, NULL, SG_SCOPE_READ},
    {"POST", SETTINGS, "{}", SG_SCOPE_ADMIN},
    {"GET", OLD_SETTINGS "getSettings/live", NULL, SG_SCOPE_READ},
    {"POST", OLD_SETTINGS "changeSettings/live", "{}", SG_SCOPE_ADMIN},
};

/* `status` 0: let in, whatever the answer. */
static void expect(struct fixture *f, const char *from, size_t i, const char *headers, int status)
{
	char text[300];

	snprintf(text, sizeof(text), "%s%s", calls[i].body ? JSON : "", headers);
	struct answer a = send_as(f, from, calls[i].method, calls[i].target, text, calls[i].body);
	bool let_in = a.r.status != 401 && a.r.status != 403 && a.r.status != 405 &&
		      a.r.status != 429 && a.r.status < 500;
	if (status ? a.r.status != status : !let_in)
		fail_msg("%s %s from %s with %s: %d, not %d", calls[i].method, calls[i].target,
		    from, headers, a.r.status, status);
	done(&a);
}

/* 15, and 14's other half. */
static void a_call_needs_a_trusted_address_or_a_key_of_its_scope(void **state)
{
	struct fixture *f = *state;
	char header[150];

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		bool console = strncmp(calls[i].target, "/live/", 6) != 0;
		expect(f, TRUSTED, i, "", 0);
		expect(f, "127.0.0.1", i, "", console ? 403 : 401);
		expect(f, PROXY, i, "X-Forwarded-For: 198.51.100.7\r\n", 403);
		snprintf(header, sizeof(header), "X-Forwarded-For: 198.51.100.7\r\nAuthorization: Bearer %s\r\n",
		    keys[SG_SCOPE_ADMIN]);
		expect(f, PROXY, i, header, 403);
		expect(f, PROXY, i, "X-Forwarded-For: " TRUSTED "\r\n", 0);
		for (int s = SG_SCOPE_READ; s <= SG_SCOPE_ADMIN; s++) {
			snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", keys[s]);
			expect(f, "127.0.0.1", i, header, s < calls[i].scope ? 403 : 0);
		}
	}
}

static void what_is_no_key_of_ours_opens_nothing(void **state)
{
	struct fixture *f = *state;
	static const char *const wrong[] = {"Authorization: Bearer sgk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
	    "Authorization: Bearer x.y.z\r\n", "Authorization: Basic c2drOng=\r\n"};

	for (size_t i = 0; i < 3; i++) {
		struct answer a = send_as(f, "127.0.0.1", "GET", V2 "/count", wrong[i], NULL);
		assert_int_equal(a.r.status, 401);
		assert_memory_equal(reply_header(&a.r, "WWW-Authenticate"), "Bearer", 6);
		done(&a);
		a = send_as(f, "127.0.0.1", "GET", SETTINGS, wrong[i], NULL);
		assert_int_equal(a.r.status, i ? 403 : 401);
		done(&a);
		a = send_as(f, TRUSTED, "GET", V2 "/count", wrong[i], NULL);
		assert_int_equal(a.r.status, 200);
		done(&a);
	}
}

/* 14. The login lets nobody in: it tells who is in by address or key. */
static void a_login_tells_who_is_in(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *method, *target, *body;
		bool in, out; /* success with credentials, and without */
	} rows[] = {
	    {"GET", "/rest/v2/authentication-status", NULL, true, false},
	    {"GET", OLD_SETTINGS "isAuthenticated", NULL, true, false},
	    {"POST", "/rest/v2/users/authenticate", "{\"email\":\"a\",\"password\":\"b\"}", true, false},
	    {"POST", OLD_SETTINGS "authenticateUser", "{\"email\":\"a\",\"password\":\"b\"}", true, false},
	    {"DELETE", "/rest/v2/users/logout", NULL, true, true},
	    {"GET", "/rest/v2/first-login-status", NULL, true, true}, /* no password is set */
	    {"POST", "/rest/v2/users/initial", "{\"email\":\"a\",\"password\":\"b\"}", false, false},
	    {"POST", OLD_SETTINGS "addInitialUser", "{}", false, false},
	};
	char key[100];

	snprintf(key, sizeof(key), JSON "Authorization: Bearer %s\r\n", keys[SG_SCOPE_ADMIN]);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const who[][2] = {{TRUSTED, JSON}, {"127.0.0.1", key}, {"127.0.0.1", JSON}};
		for (int w = 0; w < 3; w++) {
			struct answer a = send_as(f, who[w][0], rows[i].method, rows[i].target, who[w][1], rows[i].body);
			bool want = w == 2 ? rows[i].out : rows[i].in;
			if (a.r.status != 200 || json_is_true(json_object_get(a.json, "success")) != want)
				fail_msg("%s as %d: %d %s", rows[i].target, w, a.r.status, a.r.body);
			assert_string_equal(reply_header(&a.r, "Set-Cookie"), "");
			done(&a);
		}
		struct answer a = send_as(f, PROXY, rows[i].method, rows[i].target, JSON "X-Forwarded-For: 198.51.100.7\r\n", rows[i].body);
		assert_int_equal(a.r.status, 403);
		done(&a);
	}
	struct answer a = send_as(f, "127.0.0.1", "GET", "/rest/v2/authentication-status",
	    "Authorization: Bearer sgk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n", NULL);
	assert_int_equal(a.r.status, 401);
	done(&a);
}

static int status_with(struct fixture *f, const char *from, const char *method, const char *target, const char *headers)
{
	struct answer a = send_as(f, from, method, target, headers, NULL);
	int status = a.r.status;

	done(&a);
	return status;
}

/* A trusted address may belong to a browser, and that to somebody's page. */
static void a_page_from_elsewhere_is_not_trusted(void **state)
{
	struct fixture *f = *state;
	char headers[200];
	static const struct {
		const char *headers;
		int status;
	} rows[] = {
	    {"Origin: http://evil.example\r\n", 403}, {"Origin: null\r\n", 403},
	    {"Sec-Fetch-Site: cross-site\r\n", 403}, {"Sec-Fetch-Site: same-site\r\n", 403},
	    {"Host: evil.example\r\n", 403}, {"Host: evil.example\r\nOrigin: http://evil.example\r\n", 403},
	    {"Host: localhost:5080\r\nOrigin: http://localhost:5080\r\n", 200},
	    {"Host: [::1]:5080\r\n", 200}, {"Host: 10.0.0.5\r\n", 200}, {"Host: media\r\n", 200},
	    {"Sec-Fetch-Site: same-origin\r\n", 200}, {"Sec-Fetch-Site: none\r\n", 200},
	    {"Host: localhost:5080\r\nOrigin: http://localhost:5081\r\n", 403},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (status_with(f, TRUSTED, "GET", V2 "/count", rows[i].headers) != rows[i].status)
			fail_msg("%s: not %d", rows[i].headers, rows[i].status);
	/* With a key it is its owner's doing, and the page may read the answer. */
	snprintf(headers, sizeof(headers), "Origin: http://panel.example\r\nAuthorization: Bearer %s\r\n", keys[SG_SCOPE_READ]);
	struct answer a = send_as(f, "127.0.0.1", "GET", V2 "/count", headers, NULL);
	assert_int_equal(a.r.status, 200);
	assert_string_equal(reply_header(&a.r, "Access-Control-Allow-Origin"), "*");
	done(&a);
	a = send_as(f, "127.0.0.1", "OPTIONS", V2 "/validate-token", "Origin: http://panel.example\r\n", NULL);
	assert_int_equal(a.r.status, 204);
	assert_non_null(strstr(reply_header(&a.r, "Access-Control-Allow-Headers"), "Authorization"));
	assert_string_equal(reply_header(&a.r, "Access-Control-Allow-Credentials"), "");
	done(&a);
}

static void paths_methods_and_bodies_that_are_none(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *method, *target, *headers, *body;
		int status;
	} rows[] = {
	    {"GET", "/live/rest/v2/nothing", "", NULL, 404}, {"GET", "/rest/v2/nothing", "", NULL, 404},
	    {"GET", "/none/rest/v2/broadcasts/count", "", NULL, 404},
	    {"GET", V2 "//token?type=play&expireDate=" FUTURE, "", NULL, 404},
	    {"GET", V2 "/a%2Fb/token?type=play&expireDate=" FUTURE, "", NULL, 400},
	    {"GET", V2 "/../token", "", NULL, 400},
	    {"GET", V2 "/.a/token?type=play&expireDate=" FUTURE, "", NULL, 400},
	    {"GET", V2 "/a%20b/token?type=play&expireDate=" FUTURE, "", NULL, 400},
	    {"POST", V2 "/cam/token?type=play&expireDate=" FUTURE, "", NULL, 405},
	    {"DELETE", V2 "/cam/token", "", NULL, 405}, {"PATCH", V2 "/count", "", NULL, 405},
	    {"GET", V2 "/validate-token/", "", NULL, 404}, /* there is no broadcast of that name */
	    {"POST", V2 "/validate-token", "", "{}", 415},
	    {"POST", V2 "/validate-token", "Content-Type: text/plain\r\n", "{}", 415},
	    {"POST", V2 "/validate-token", "Content-Type: application/x-www-form-urlencoded\r\n", "{}", 415},
	    {"POST", V2 "/validate-token", "Content-Type: Application/JSON ; charset=utf-8\r\n", "{}", 200},
	    {"POST", V2 "/validate-token", JSON, "{", 400}, {"POST", V2 "/validate-token", JSON, "[]", 400},
	    {"POST", V2 "/validate-token", JSON, "null", 200}, {"POST", V2 "/create", JSON, "7", 400},
	    {"GET", V2 "/list/x/5", "", NULL, 404}, {"GET", V2 "/list/0/", "", NULL, 404},
	    {"GET", V2 "/list/0/5/", "", NULL, 200}, {"GET", V2 "/list/99999999999/5", "", NULL, 404},
	    {"GET", "/rest/v2/request", "", NULL, 404}, {"GET", "/rest/v2/request?_path=", "", NULL, 404},
	    {"GET", "/rest/v2/request?_path=rest/v2/applications/settings/live", "", NULL, 404},
	    {"GET", "/rest/v2/request?_path=/rest/v2/request", "", NULL, 404},
	    {"GET", "/rest/v2/request?_path=live/rest/v2/broadcasts/count", "", NULL, 200},
	    {"GET", "/rest/v2/request?_path=/live/rest/v2/broadcasts/count?x=y", "", NULL, 200},
	    {"GET", "/rest/v2/applications/settings/none", "", NULL, 404},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = send_as(f, TRUSTED, rows[i].method, rows[i].target, rows[i].headers, rows[i].body);
		if (a.r.status != rows[i].status)
			fail_msg("%s %s %s: %d, not %d", rows[i].method, rows[i].target,
			    rows[i].body ? rows[i].body : "", a.r.status, rows[i].status);
		if (a.r.status == 405)
			assert_non_null(strstr(reply_header(&a.r, "Allow"), "OPTIONS"));
		done(&a);
	}
	struct answer a = call(f, "HEAD", V2 "/count", NULL);
	assert_int_equal(a.r.status, 200);
	done(&a);
	/* The console's way, with the inner query joined by '&'. */
	char secret[SG_TOKEN_TEXT_SIZE];
	create(f, "/rest/v2/request?_path=live/rest/v2/broadcasts/cam/token&type=play&expireDate=" FUTURE, secret);
	assert_int_equal(check(f, secret, "cam", SG_PLAY), SG_ADMITTED);
	assert_result(f, "DELETE", "/rest/v2/request?_path=live/rest/v2/broadcasts/cam/tokens", NULL, 200, true);
}

/* ---- tokens, version 1 ---- */

/* 1. */
static void v1_makes_a_token_of_four_fields(void **state)
{
	struct fixture *f = *state;
	json_t *t = get(f, "GET", V1 "getToken?id=one&expireDate=" FUTURE "&type=publish", NULL, 200);

	assert_true(json_is_string(json_object_get(t, "tokenId")));
	assert_string_equal(text_of(t, "streamId"), "one");
	assert_int_equal(number_of(t, "expireDate"), 1893456000);
	assert_string_equal(text_of(t, "type"), "publish");
	assert_null(json_object_get(t, "roomId"));
	assert_int_equal(check(f, text_of(t, "tokenId"), "one", SG_PUBLISH), SG_ADMITTED);
	json_decref(t);
	assert_empty(f, "GET", V1 "getToken?expireDate=" FUTURE "&type=play", NULL, 204);
	assert_empty(f, "GET", V1 "getToken?id=&type=play", NULL, 204);
	/* Without a date, or with 0, the application's own lifetime. */
	t = get(f, "GET", "/vod/rest/broadcast/getToken?id=one&type=play", NULL, 200);
	assert_in_range(number_of(t, "expireDate"), sg_wall_s() + 3590, sg_wall_s() + 3600);
	json_decref(t);
	t = get(f, "GET", V1 "getToken?id=one&type=play&expireDate=0", NULL, 200);
	assert_in_range(number_of(t, "expireDate"), sg_wall_s() + 86390, sg_wall_s() + 86400);
	json_decref(t);
	t = get(f, "GET", V1 "getToken?id=one&type=play&expireDate=-5", NULL, 200);
	assert_int_equal(check(f, text_of(t, "tokenId"), "one", SG_PLAY), SG_EXPIRED);
	json_decref(t);
	assert_result(f, "GET", V1 "getToken?id=one", NULL, 400, false);
	assert_result(f, "GET", V1 "getToken?id=one&type=Play", NULL, 400, false);
	assert_result(f, "GET", V1 "getToken?id=one&type=play&expireDate=soon", NULL, 404, false);
}

/* 2. */
static void v1_validates_once(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE];

	create(f, V1 "getToken?id=once&type=play", secret);
	assert_empty(f, "POST", V1 "validateToken", token_body(secret, "once", "publish", ""), 204);
	assert_empty(f, "POST", V1 "validateToken", token_body(secret, "twice", "play", ""), 204);
	assert_empty(f, "POST", V1 "validateToken", token_body("x", "once", "play", ""), 204);
	json_t *t = get(f, "POST", V1 "validateToken", token_body(secret, "once", "play", ""), 200);
	assert_string_equal(text_of(t, "streamId"), "once");
	assert_string_equal(text_of(t, "type"), "play");
	assert_true(number_of(t, "expireDate") > sg_wall_s());
	assert_string_not_equal(text_of(t, "tokenId"), secret);
	json_decref(t);
	assert_empty(f, "POST", V1 "validateToken", token_body(secret, "once", "play", ""), 204);
	assert_empty(f, "POST", V1 "validateToken", NULL, 204);
}

/* 3. */
static void v1_revokes_and_says_whether_there_was_anything(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE];

	create(f, V1 "getToken?id=gone&type=play", secret);
	create(f, V1 "getToken?id=kept&type=play", secret);
	assert_int_equal(length_of(f, V1 "listTokens/gone/0/50"), 1);
	assert_result(f, "POST", V1 "revokeTokens?id=gone", NULL, 200, true);
	assert_int_equal(length_of(f, V1 "listTokens/gone/0/50"), 0);
	assert_int_equal(length_of(f, V1 "listTokens/kept/0/50"), 1);
	assert_result(f, "POST", V1 "revokeTokens?id=gone", "{}", 200, false);
	assert_result(f, "POST", V1 "revokeTokens", NULL, 200, false);
	/* What was used up is not there any more, so nothing of it can be removed. */
	json_decref(get(f, "POST", V1 "validateToken", token_body(secret, "kept", "play", ""), 200));
	assert_result(f, "POST", V1 "revokeTokens?id=kept", NULL, 200, false);
}

/* 4, and version 2's cap. */
static void lists_are_paged(void **state)
{
	struct fixture *f = *state;
	struct sg_token model = {.app = "live", .stream = "many", .type = SG_PLAY, .max_uses = 1,
	    .expires_at = sg_wall_s() + 60};
	struct sg_token_key many[300];
	static const struct {
		const char *target;
		size_t count;
	} rows[] = {
	    {V1 "listTokens/many/0/10", 10}, {V1 "listTokens/many/0/99", 50},
	    {V1 "listTokens/many/-295/50", 50}, {V1 "listTokens/many/295/50", 5},
	    {V1 "listTokens/many/300/50", 0}, {V1 "listTokens/many/0/0", 0},
	    {V1 "listTokens/none/0/50", 0}, {V2 "/many/tokens/list/0/1000", 250},
	    {V2 "/many/tokens/list/290/250", 10}, {V2 "/many/tokens/list/-1/3", 3},
	    {"/vod/rest/v2/broadcasts/many/tokens/list/0/250", 0}, {V2 "/.x/tokens/list/0/250", 0},
	};
	assert_int_equal(sg_store_token_create(f->store, &model, sg_wall_s(), many, 300), SG_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (length_of(f, rows[i].target) != rows[i].count)
			fail_msg("%s: not %zu", rows[i].target, rows[i].count);
	json_t *first = get(f, "GET", V2 "/many/tokens/list/0/250", NULL, 200);
	json_t *second = get(f, "GET", V2 "/many/tokens/list/250/250", NULL, 200);
	json_t *seen = json_object(), *t;
	size_t i;
	json_array_foreach(first, i, t) json_object_set_new(seen, text_of(t, "tokenId"), json_true());
	json_array_foreach(second, i, t) json_object_set_new(seen, text_of(t, "tokenId"), json_true());
	assert_int_equal(json_object_size(seen), 300);
	json_decref(first);
	json_decref(second);
	json_decref(seen);
}

/* ---- tokens, version 2 ---- */

/* 5, 6, 7. */
static void v2_wants_a_date_and_a_type(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *query;
		int status;
	} rows[] = {
	    {"type=play", 400}, {"type=play&expireDate=0", 400}, {"type=play&expireDate=-1", 400},
	    {"expireDate=" FUTURE, 400}, {"type=Play&expireDate=" FUTURE, 400},
	    {"type=&expireDate=" FUTURE, 400}, {"", 400}, {"type=play&expireDate=x", 404},
	    {"type=play&expireDate=99999999999999999999", 404},
	    {"type=play&expireDate=999999999999999999", 400},
	};
	char target[200];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(target, sizeof(target), V2 "/five/token?%s", rows[i].query);
		assert_result(f, "GET", target, NULL, rows[i].status, false);
	}
	assert_int_equal(length_of(f, V2 "/five/tokens/list/0/50"), 0);
	assert_result(f, "GET", V2 "/five/jwt-token?type=play&expireDate=" FUTURE, NULL, 400, false);
	json_t *t = get(f, "GET", V2 "/five/token?type=play&roomId=hall&expireDate=" FUTURE, NULL, 200);
	assert_string_equal(text_of(t, "roomId"), "hall");
	assert_string_equal(text_of(t, "type"), "play");
	json_decref(t);
	t = get(f, "GET", V2 "/five/token?type=publish&expireDate=" FUTURE "000", NULL, 200);
	assert_true(json_is_null(json_object_get(t, "roomId")));
	assert_int_equal(number_of(t, "expireDate"), 1893456000000); /* milliseconds, by mistake */
	json_decref(t);
	t = get(f, "GET", V2 "/five/token?type=play&expireDate=1", NULL, 200);
	assert_int_equal(check(f, text_of(t, "tokenId"), "five", SG_PLAY), SG_EXPIRED);
	assert_result(f, "POST", V2 "/validate-token", token_body(text_of(t, "tokenId"), "five", "play", ""), 200, false);
	json_decref(t);
	assert_int_equal(length_of(f, V2 "/five/tokens/list/0/50"), 3); /* an expired one, too */
	struct answer a = call(f, "HEAD", V2 "/five/token?type=play&expireDate=" FUTURE, NULL);
	assert_int_equal(a.r.status, 200);
	done(&a);
	assert_int_equal(length_of(f, V2 "/five/tokens/list/0/50"), 3);
}

/* 8, 9. */
static void v2_validates_once_whatever_the_room(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE];
	struct sg_token_key key;
	struct sg_token row;
	static const char room[] = ",\"roomId\":\"hall\"";

	create(f, V2 "/eight/token?type=play&roomId=hall&expireDate=" FUTURE, secret);
	const char *const no[][4] = {
	    {secret, "other", "play", ""}, {secret, "eight", "publish", ""}, {secret, "eight", "Play", ""},
	    {secret, "eight", "", ""}, {secret, "", "play", ""}, {"", "eight", "play", ""},
	    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "eight", "play", ""}, {secret, "other", "play", room},
	    {secret, "", "play", room}, {secret, "hall", "play", room}, {secret, "a/b", "play", room},
	};
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_result(f, "POST", V2 "/validate-token", token_body(no[i][0], no[i][1], no[i][2], no[i][3]), 200, false);
	assert_result(f, "POST", "/vod/rest/v2/broadcasts/validate-token", token_body(secret, "eight", "play", ""), 200, false);
	assert_int_equal(check(f, secret, "eight", SG_PLAY), SG_ADMITTED); /* none of these spent it */
	assert_result(f, "POST", V2 "/validate-token", token_body(secret, "eight", "play", room), 200, true);
	assert_result(f, "POST", V2 "/validate-token", token_body(secret, "eight", "play", room), 200, false);
	assert_result(f, "POST", V2 "/validate-token", token_body(secret, "eight", "play", ""), 200, false);
	assert_true(sg_token_parse(sg_str_from(secret), &key));
	assert_int_equal(sg_store_token_get(f->store, key.id, &row), SG_OK);
	assert_int_equal(row.uses, 1);
	assert_string_equal(row.created_by, "compat " TRUSTED);
	assert_int_equal(length_of(f, V2 "/eight/tokens/list/0/50"), 0); /* used up */
}

/* 10, 49. */
static void v2_revokes_once(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE];

	create(f, V2 "/ten/token?type=play&expireDate=" FUTURE, secret);
	assert_result(f, "DELETE", V2 "/ten/tokens", NULL, 200, true);
	assert_int_equal(check(f, secret, "ten", SG_PLAY), SG_REVOKED);
	assert_result(f, "POST", V2 "/validate-token", token_body(secret, "ten", "play", ""), 200, false);
	assert_result(f, "DELETE", V2 "/ten/tokens", NULL, 200, false);
	assert_result(f, "DELETE", V2 "/.ten/tokens", NULL, 200, false);
}

static void the_secret_is_in_the_creating_answer_alone(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE], want[SG_ID_TEXT_SIZE];
	struct sg_token_key key;
	static const char *const targets[] = {V2 "/shy/tokens/list/0/50", V1 "listTokens/shy/0/50", V2 "/list/0/50"};

	create(f, V2 "/shy/token?type=play&expireDate=" FUTURE, secret);
	assert_true(sg_token_parse(sg_str_from(secret), &key));
	for (size_t i = 0; i < 3; i++) {
		struct answer a = call(f, "GET", targets[i], NULL);
		assert_null(strstr(a.r.body, secret));
		done(&a);
	}
	json_t *list = get(f, "GET", targets[0], NULL, 200), *one = json_array_get(list, 0);
	sg_id_format(want, key.id);
	assert_string_equal(text_of(one, "tokenId"), want);
	assert_string_equal(text_of(one, "streamId"), "shy");
	assert_true(json_is_null(json_object_get(one, "roomId")));
	assert_int_equal(number_of(one, "uses"), 0);
	/* Nor does the id open anything. */
	assert_result(f, "POST", V2 "/validate-token", token_body(want, "shy", "play", ""), 200, false);
	json_decref(list);
}

/* ---- one use ---- */

struct racer {
	struct fixture *f;
	const char *body;
	pthread_t thread;
	bool won, answered;
};

/* With a connection read to its end: the fixture's client keeps headers in one place for all. */
static void *race(void *arg)
{
	struct racer *r = arg;
	char text[1024], answer[4096] = "";
	size_t len = 0;
	int fd = client_connect_from(r->f, TRUSTED), c;

	snprintf(text, sizeof(text),
	    "POST " V2 "/validate-token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" JSON
	    "Content-Length: %zu\r\n\r\n%s", strlen(r->body), r->body);
	client_send(fd, text);
	while (len < sizeof(answer) - 1 && (c = client_byte(fd, 15000)) >= 0)
		answer[len++] = (char)c;
	close(fd);
	r->won = strstr(answer, "\"success\":true") != NULL;
	r->answered = strstr(answer, "\"success\":") != NULL;
	return NULL;
}

/* 47, its part here. */
static void of_a_hundred_at_once_one_is_let_in(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE], body[300];
	struct racer racers[100];
	int won = 0;

	create(f, V2 "/race/token?type=play&expireDate=" FUTURE, secret);
	snprintf(body, sizeof(body), "%s", token_body(secret, "race", "play", ""));
	for (int i = 0; i < 100; i++) {
		racers[i] = (struct racer){.f = f, .body = body};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 100; i++) {
		pthread_join(racers[i].thread, NULL);
		assert_true(racers[i].answered);
		won += racers[i].won;
	}
	assert_int_equal(won, 1);
}

static void verdicts_are_in_the_audit(void **state)
{
	struct fixture *f = *state;
	char secret[SG_TOKEN_TEXT_SIZE], id[SG_ID_TEXT_SIZE];
	struct sg_token_key key;
	struct sg_audit rows[8];
	size_t count = 0;

	create(f, V2 "/audited/token?type=publish&expireDate=" FUTURE, secret);
	assert_true(sg_token_parse(sg_str_from(secret), &key));
	sg_id_format(id, key.id);
	assert_result(f, "POST", V2 "/validate-token", token_body(secret, "audited", "play", ""), 200, false);
	assert_result(f, "POST", V2 "/validate-token", token_body(secret, "audited", "publish", ""), 200, true);
	assert_result(f, "POST", V2 "/validate-token", token_body(secret, "audited", "publish", ""), 200, false);
	struct sg_audit_filter filter = {.app = SG_STR("live"), .stream = SG_STR("audited")};
	for (int i = 0; i < 5000 && count < 3; i++) { /* refusals are written by another thread */
		assert_int_equal(sg_store_audit_list(f->store, &filter, 0, 0, rows, 8, &count), SG_OK);
		usleep(1000);
	}
	assert_int_equal(count, 3);
	int admitted = 0;
	for (size_t i = 0; i < 3; i++) {
		admitted += !strcmp(rows[i].event, "admitted");
		assert_true(!strcmp(rows[i].event, "admitted") || !strcmp(rows[i].reason, "used") ||
			    !strcmp(rows[i].reason, "wrong_type"));
		assert_string_equal(rows[i].protocol, "rest");
		assert_string_equal(rows[i].address, TRUSTED);
		assert_true(rows[i].token_id == key.id);
	}
	assert_int_equal(admitted, 1);
}

/* ---- bodies of all kinds ---- */

static uint32_t dice(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static json_t *something(uint32_t *seed)
{
	static const char *const words[] = {"", "cam", "play", "publish", "a/b", "..", "\xc3\xa9", "\x1b[2J", "<b>",
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "true", "-1", "99999999999999999999"};

	switch (dice(seed) % 8) {
	case 0: return json_null();
	case 1: return json_boolean(dice(seed) & 1);
	case 2: return json_integer((json_int_t)dice(seed) - 5000000);
	case 3: return json_integer(dice(seed) & 1 ? INT64_MAX : INT64_MIN);
	case 4: return json_real(1e300);
	case 5: return json_pack("[{s:[]}]", "streamId");
	default: return json_string(words[dice(seed) % (sizeof(words) / sizeof(words[0]))]);
	}
}

/* One body: an object of some fields, and now and then with a byte bent or the end cut off. */
static char *some_body(uint32_t *seed)
{
	static const char *const fields[] = {"tokenId", "streamId", "type", "roomId", "expireDate", "name",
	    "description", "publishTokenControlEnabled", "playTokenControlEnabled", "tokenControlEnabled",
	    "enableTimeTokenForPlay", "acceptOnlyStreamsInDataStore", "email", "password", "unknown"};
	json_t *body = json_object();

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (dice(seed) % 3 == 0)
			json_object_set_new(body, fields[i], something(seed));
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	size_t len = strlen(text);
	if (dice(seed) % 4 == 0)
		text[dice(seed) % len] = (char)(1 + dice(seed) % 255);
	else if (dice(seed) % 8 == 0)
		text[dice(seed) % len] = '\0';
	return text;
}

static void no_body_whatever_breaks_a_call(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *method, *target;
	} doors[] = {
	    {"POST", V2 "/create"}, {"POST", V2 "/validate-token"}, {"PUT", V2 "/cam"}, {"POST", V2 "/cam/stop"},
	    {"POST", V1 "create"}, {"POST", V1 "validateToken"},
	    {"POST", "/rest/v2/applications/settings/live"}, {"POST", "/rest/v2/users/authenticate"},
	};
	uint32_t seed = 7;

	for (int i = 0; i < 1600; i++) {
		const char *method = doors[i % 8].method, *target = doors[i % 8].target;
		char *body = some_body(&seed);
		struct answer a = send_as(f, TRUSTED, method, target, JSON, body);
		if (a.r.status < 200 || a.r.status >= 500 || a.r.status == 404 || a.r.status == 405)
			fail_msg("%s %s %s: %d", method, target, body, a.r.status);
		done(&a);
		free(body);
	}
	/* It is as it was: what is asked rightly is answered rightly. */
	json_t *o = get(f, "GET", V2 "/count", NULL, 200);
	json_decref(o);
	assert_result(f, "DELETE", V2 "/none/tokens", NULL, 200, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_call_needs_a_trusted_address_or_a_key_of_its_scope),
	    cmocka_unit_test(what_is_no_key_of_ours_opens_nothing),
	    cmocka_unit_test(a_login_tells_who_is_in),
	    cmocka_unit_test(a_page_from_elsewhere_is_not_trusted),
	    cmocka_unit_test(paths_methods_and_bodies_that_are_none),
	    cmocka_unit_test(v1_makes_a_token_of_four_fields),
	    cmocka_unit_test(v1_validates_once),
	    cmocka_unit_test(v1_revokes_and_says_whether_there_was_anything),
	    cmocka_unit_test(lists_are_paged),
	    cmocka_unit_test(v2_wants_a_date_and_a_type),
	    cmocka_unit_test(v2_validates_once_whatever_the_room),
	    cmocka_unit_test(v2_revokes_once),
	    cmocka_unit_test(the_secret_is_in_the_creating_answer_alone),
	    cmocka_unit_test(of_a_hundred_at_once_one_is_let_in),
	    cmocka_unit_test(verdicts_are_in_the_audit),
	    cmocka_unit_test(no_body_whatever_breaks_a_call),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
