/* Signing in: the first password, login and logout, and what a browser must show. */
#include "api_fixture.h"

static int set_up(void **state)
{
	*state = api_fixture_open("");
	return 0;
}

static int tear_down(void **state)
{
	api_fixture_close(*state);
	return 0;
}

static const char *setup_body(const char *code, const char *password)
{
	static char text[400];

	snprintf(text, sizeof(text), "{\"code\":\"%s\",\"password\":\"%s\"}", code, password);
	return text;
}

/* ---- the first password ---- */

static void the_link_sets_the_first_password_once(void **state)
{
	struct api_fixture *a = *state;
	char code[64], hash[SG_PASSWORD_HASH_SIZE];

	setup_code(a, code);
	assert_int_equal(strlen(code), 22); /* 128 bits */
	assert_null(memmem(&a->api->setup, sizeof(a->api->setup), code, 16));
	assert_status(a, "POST", "/api/v1/setup", PAGE, setup_body(code, "short 7"), 400);
	assert_status(a, "POST", "/api/v1/setup", PAGE, "{\"password\":\"" PASSWORD "\"}", 400);
	assert_status(a, "POST", "/api/v1/setup", PAGE, setup_body("AAAAAAAAAAAAAAAAAAAAAA", PASSWORD), 403);
	assert_status(a, "POST", "/api/v1/login", PAGE, "{\"password\":\"" PASSWORD "\"}", 409);
	struct answer answer = call(a, "POST", "/api/v1/setup", PAGE, setup_body(code, PASSWORD));
	assert_int_equal(answer.r.status, 200);
	assert_string_equal(text_of(answer.json, "who"), "admin");
	take_cookie(a, &answer);
	done(&answer);
	assert_int_equal(sg_store_password_get(a->f->store, hash), SG_OK);
	assert_true(sg_password_matches(hash, SG_STR(PASSWORD)));
	assert_status(a, "GET", "/api/v1/tokens", a->cookie, NULL, 200);
	assert_status(a, "POST", "/api/v1/setup", PAGE, setup_body(code, "another one"), 409);
	assert_int_equal(sg_store_password_get(a->f->store, hash), SG_OK);
	assert_true(sg_password_matches(hash, SG_STR(PASSWORD)));
	assert_false(sg_api_offer_setup(a->api, hash, sizeof(hash)));
}

static void the_link_is_good_for_an_hour_and_while_there_is_no_password(void **state)
{
	struct api_fixture *a = *state;
	char code[64];

	assert_status(a, "POST", "/api/v1/setup", PAGE, setup_body("", PASSWORD), 403); /* none offered */
	setup_code(a, code);
	assert_true(a->api->setup.until_ms - sg_mono_ms() > 3590000);
	assert_true(a->api->setup.until_ms - sg_mono_ms() <= 3600000);
	a->api->setup.until_ms = sg_mono_ms();
	assert_status(a, "POST", "/api/v1/setup", PAGE, setup_body(code, PASSWORD), 403);
	a->api->setup.until_ms = sg_mono_ms() + 3600000;
	set_password(a, PASSWORD); /* tokenctl passwd was quicker */
	assert_status(a, "POST", "/api/v1/setup", PAGE, setup_body(code, "another one"), 409);
}

static void of_many_who_use_the_link_at_once_one_gets_in(void **state)
{
	struct api_fixture *a = *state;
	char code[64], text[1000];
	int fds[3], in = 0; /* failures are dear: three may try at once */

	setup_code(a, code);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "POST /api/v1/setup HTTP/1.1\r\nHost: localhost\r\n" PAGE
		    "Content-Length: %zu\r\n\r\n%s", strlen(setup_body(code, PASSWORD)), setup_body(code, PASSWORD));
		client_send(fds[i] = client_connect(a->f), text);
	}
	for (int i = 0; i < 3; i++) {
		struct reply r;
		client_read(fds[i], &r, true);
		in += r.status == 200;
		assert_true(r.status == 200 || r.status == 403 || r.status == 409);
		reply_free(&r);
		close(fds[i]);
	}
	assert_int_equal(in, 1);
}

/* ---- sessions ---- */

static void a_login_opens_a_session_that_a_logout_ends(void **state)
{
	struct api_fixture *a = *state;

	set_password(a, PASSWORD);
	assert_status(a, "POST", "/api/v1/login", PAGE, "{\"password\":\"wrong horse\"}", 401);
	struct answer answer = call(a, "POST", "/api/v1/login", PAGE, "{\"password\":\"" PASSWORD "\"}");
	const char *set = reply_header(&answer.r, "Set-Cookie");
	assert_non_null(strstr(set, "; Path=/;"));
	assert_non_null(strstr(set, "; HttpOnly"));
	assert_non_null(strstr(set, "; SameSite=Strict"));
	assert_null(strstr(set, "Secure"));
	take_cookie(a, &answer);
	assert_string_equal(text_of(answer.json, "via"), "session");
	assert_string_equal(text_of(answer.json, "scope"), "admin");
	json_int_t began = json_integer_value(json_object_get(answer.json, "startedAt"));
	assert_in_range(began, sg_wall_s() - 5, sg_wall_s() + 1);
	assert_in_range(json_integer_value(json_object_get(answer.json, "endsAt")), began + 43199, began + 43201);
	done(&answer);
	assert_status(a, "PATCH", "/api/v1/apps/live", as_page(a), "{}", 200);
	answer = call(a, "POST", "/api/v1/logout", as_page(a), NULL);
	assert_int_equal(answer.r.status, 204);
	assert_non_null(strstr(reply_header(&answer.r, "Set-Cookie"), "sg_admin=; Path=/; Max-Age=0"));
	done(&answer);
	assert_status(a, "GET", "/api/v1/tokens", a->cookie, NULL, 401);
	assert_status(a, "POST", "/api/v1/logout", PAGE, NULL, 204); /* twice does no harm */
}

/* Logs in with this header more: is the cookie for https alone? */
static bool gets_a_secure_cookie(struct api_fixture *a, const char *header)
{
	char headers[300];

	snprintf(headers, sizeof(headers), PAGE "%s", header);
	struct answer answer = call(a, "POST", "/api/v1/login", headers, "{\"password\":\"" PASSWORD "\"}");
	assert_int_equal(answer.r.status, 200);
	bool secure = strstr(reply_header(&answer.r, "Set-Cookie"), "; Secure");
	done(&answer);
	return secure;
}

static void the_cookie_is_secure_where_a_trusted_proxy_says_so(void **state)
{
	struct api_fixture *a = *state;
	struct sg_cidr_list *trusted = &a->f->cfg->trusted_proxies, none = *trusted;
	struct sg_cidr here;

	set_password(a, PASSWORD);
	assert_false(gets_a_secure_cookie(a, "X-Forwarded-Proto: https\r\n")); /* anybody can say it */
	assert_true(sg_cidr_parse(SG_STR("127.0.0.1"), &here));
	*trusted = (struct sg_cidr_list){ .items = &here, .count = 1 };
	assert_true(gets_a_secure_cookie(a, "X-Forwarded-Proto: https\r\n"));
	assert_false(gets_a_secure_cookie(a, "X-Forwarded-Proto: http\r\n"));
	assert_false(gets_a_secure_cookie(a, ""));
	*trusted = none;
}

static void a_login_makes_a_new_session_and_ends_the_one_it_came_with(void **state)
{
	struct api_fixture *a = *state;
	char first[100], headers[300];

	set_password(a, PASSWORD);
	sign_in(a);
	memcpy(first, a->cookie, sizeof(first));
	snprintf(headers, sizeof(headers), "%s" PAGE, first);
	struct answer answer = call(a, "POST", "/api/v1/login", headers, "{\"password\":\"" PASSWORD "\"}");
	take_cookie(a, &answer);
	done(&answer);
	assert_string_not_equal(first, a->cookie);
	assert_status(a, "GET", "/api/v1/tokens", first, NULL, 401);
	assert_status(a, "GET", "/api/v1/tokens", a->cookie, NULL, 200);
	/* One that a stranger has set beforehand does not become a session. */
	snprintf(first, sizeof(first), "Cookie: sg_admin=%043d\r\n", 7);
	snprintf(headers, sizeof(headers), "%s" PAGE, first);
	answer = call(a, "POST", "/api/v1/login", headers, "{\"password\":\"" PASSWORD "\"}");
	assert_int_equal(answer.r.status, 200);
	done(&answer);
	assert_status(a, "GET", "/api/v1/tokens", first, NULL, 401);
}

static void another_password_ends_all_sessions(void **state)
{
	struct api_fixture *a = *state;

	set_password(a, PASSWORD);
	sign_in(a);
	assert_status(a, "GET", "/api/v1/tokens", a->cookie, NULL, 200);
	set_password(a, "another password");
	assert_status(a, "GET", "/api/v1/tokens", a->cookie, NULL, 401);
	set_password(a, PASSWORD); /* the session does not come back */
	assert_status(a, "GET", "/api/v1/tokens", a->cookie, NULL, 401);
}

static void me_tells_who_asks(void **state)
{
	struct api_fixture *a = *state;
	struct answer answer = call(a, "GET", "/api/v1/me", "", NULL);

	assert_int_equal(answer.r.status, 200);
	assert_true(json_is_null(json_object_get(answer.json, "who")));
	assert_true(json_is_false(json_object_get(answer.json, "passwordSet")));
	done(&answer);
	set_password(a, PASSWORD);
	sign_in(a);
	answer = call(a, "GET", "/api/v1/me", a->cookie, NULL);
	assert_string_equal(text_of(answer.json, "who"), "admin");
	assert_true(json_is_true(json_object_get(answer.json, "passwordSet")));
	done(&answer);
	json_t *me = get(a, "GET", "/api/v1/me", NULL, 200);
	assert_string_equal(text_of(me, "via"), "key");
	assert_true(json_is_null(json_object_get(me, "endsAt")));
	json_decref(me);
	answer = call(a, "GET", "/api/v1/me", "Cookie: sg_admin=over\r\n", NULL);
	assert_int_equal(answer.r.status, 200);
	assert_true(json_is_null(json_object_get(answer.json, "who")));
	done(&answer);
	assert_status(a, "GET", "/api/v1/me", "Authorization: Bearer sgk_wrong\r\n", NULL, 401);
}

/* ---- browsers ---- */

static void a_change_by_cookie_must_come_from_our_page(void **state)
{
	struct api_fixture *a = *state;
	static const struct {
		const char *headers;
		int status;
	} rows[] = {
	    {"X-Streamgate: 1\r\nSec-Fetch-Site: same-origin\r\n", 201},
	    {"X-Streamgate: 1\r\nOrigin: http://127.0.0.1\r\n", 201},
	    {"X-Streamgate: 1\r\nReferer: http://127.0.0.1/#tokens\r\n", 201},
	    {"", 403},
	    {"X-Streamgate: 1\r\n", 403},
	    {"Sec-Fetch-Site: same-origin\r\n", 403},
	    {"Origin: http://127.0.0.1\r\n", 403},
	    {"X-Streamgate: 0\r\nOrigin: http://127.0.0.1\r\n", 403},
	    {"X-Streamgate: 1\r\nOrigin: http://evil.example\r\n", 403},
	    {"X-Streamgate: 1\r\nOrigin: null\r\n", 403},
	    {"X-Streamgate: 1\r\nSec-Fetch-Site: cross-site\r\nOrigin: http://127.0.0.1\r\n", 403},
	    {"X-Streamgate: 1\r\nSec-Fetch-Site: same-site\r\n", 403},
	    {"X-Streamgate: 1\r\nSec-Fetch-Site: none\r\n", 403},
	    {"X-Streamgate: 1\r\nOrigin: http://evil.example\r\nReferer: http://127.0.0.1/\r\n", 403},
	};
	char headers[400];

	set_password(a, PASSWORD);
	sign_in(a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(headers, sizeof(headers), "%s%s", a->cookie, rows[i].headers);
		assert_status(a, "POST", "/api/v1/tokens", headers, "{\"streamId\":\"cam\"}", rows[i].status);
		assert_status(a, "GET", "/api/v1/tokens", headers, NULL, 200); /* reading is free */
	}
	/* A key does what it says, whoever's page it comes with. */
	snprintf(headers, sizeof(headers), "%sOrigin: http://evil.example\r\nHost: evil.example\r\n", a->bearer);
	assert_status(a, "POST", "/api/v1/tokens", headers, "{\"streamId\":\"cam\"}", 201);
}

static void every_change_is_guarded_so(void **state)
{
	struct api_fixture *a = *state;
	size_t count, changes = 0;
	const struct api_route *routes = api_routes(&count);
	static const char *const methods[] = {[SG_HTTP_POST] = "POST", [SG_HTTP_PATCH] = "PATCH",
	    [SG_HTTP_DELETE] = "DELETE"};

	set_password(a, PASSWORD);
	sign_in(a);
	for (size_t i = 0; i < count; i++) {
		if (routes[i].method == SG_HTTP_GET)
			continue;
		changes++;
		assert_status(a, methods[routes[i].method], routes[i].pattern, a->cookie, NULL, 403);
	}
	assert_true(changes >= 10);
	assert_status(a, "GET", "/api/v1/tokens", a->cookie, NULL, 200); /* not even logged out */
}

static void a_name_that_is_not_ours_gets_nothing_by_cookie(void **state)
{
	struct api_fixture *a = *state;
	static const char *const paths[] = {"/api/v1/me", "/api/v1/tokens", "/api/v1/events", "/", "/panel/main.js"};
	char headers[300];

	set_password(a, PASSWORD);
	sign_in(a);
	snprintf(headers, sizeof(headers), "%sHost: evil.example\r\n", a->cookie);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_status(a, "GET", paths[i], headers, NULL, 421);
	assert_status(a, "POST", "/api/v1/login", PAGE "Host: evil.example\r\n", "{\"password\":\"" PASSWORD "\"}", 421);
	snprintf(headers, sizeof(headers), "%sHost: LOCALHOST:5080\r\n", a->cookie);
	assert_status(a, "GET", "/api/v1/tokens", headers, NULL, 200);
}

static void an_address_that_may_not_cannot_sign_in(void **state)
{
	struct api_fixture *a = *state;

	set_password(a, PASSWORD);
	struct answer answer = call_from(a, "127.0.0.2", "POST", "/api/v1/login",
	    PAGE "X-Forwarded-For: 198.51.100.7\r\n", "{\"password\":\"" PASSWORD "\"}");
	assert_int_equal(answer.r.status, 403);
	done(&answer);
}

/* ---- failures ---- */

static void wrong_passwords_cost_an_address_time_and_others_none(void **state)
{
	struct api_fixture *a = *state;
	struct answer answer;

	set_password(a, PASSWORD);
	for (int i = 0; i < 3; i++)
		assert_status(a, "POST", "/api/v1/login", PAGE, "{\"password\":\"wrong horse\"}", 401);
	answer = call(a, "POST", "/api/v1/login", PAGE, "{\"password\":\"" PASSWORD "\"}");
	assert_int_equal(answer.r.status, 429); /* the right one, too */
	assert_in_range(atoi(reply_header(&answer.r, "Retry-After")), 1, 60);
	done(&answer);
	answer = call_from(a, "127.0.0.9", "POST", "/api/v1/login", PAGE, "{\"password\":\"" PASSWORD "\"}");
	assert_int_equal(answer.r.status, 200);
	done(&answer);
	for (int i = 0; i < 300; i++) { /* the second is over some time */
		answer = call(a, "POST", "/api/v1/login", PAGE, "{\"password\":\"" PASSWORD "\"}");
		int status = answer.r.status;
		done(&answer);
		if (status == 200)
			return;
		usleep(10000);
	}
	fail_msg("the right password never got in");
}

static void bodies_that_are_none_are_refused(void **state)
{
	struct api_fixture *a = *state;
	static const char *const bodies[] = {"", "{", "[]", "{}", "{\"password\":1}", "{\"password\":null}",
	    "{\"password\":\"a\\u0000bcdefgh\"}", "{\"passwort\":\"" PASSWORD "\"}"};
	char *huge = malloc(300000);

	set_password(a, PASSWORD);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_status(a, "POST", "/api/v1/login", PAGE, bodies[i], 400);
		assert_status(a, "POST", "/api/v1/setup", PAGE, bodies[i], 400);
	}
	memset(huge, 'x', 3000);
	memcpy(huge, "{\"password\":\"", 13);
	strcpy(huge + 3000, "\"}");
	assert_status(a, "POST", "/api/v1/login", PAGE, huge, 401);
	free(huge);
}

static void passwords_are_in_no_log_and_no_audit(void **state)
{
	struct api_fixture *a = *state;

	set_password(a, PASSWORD);
	assert_status(a, "POST", "/api/v1/login", PAGE, "{\"password\":\"a secret of mine\"}", 401);
	sign_in(a);
	for (int i = 0; i < 500; i++) { /* the audit is written a moment later */
		json_t *list = get(a, "GET", "/api/v1/audit?event=login", NULL, 200);
		char *text = json_dumps(list, 0);
		size_t count = json_array_size(json_object_get(list, "items"));
		assert_null(strstr(text, "secret of mine"));
		assert_null(strstr(text, "horse"));
		free(text);
		bool reason = strcmp(text_of(json_array_get(json_object_get(list, "items"), 1), "reason"),
				  "wrong_password") == 0;
		json_decref(list);
		if (count == 2) {
			assert_true(reason);
			return;
		}
		usleep(10000);
	}
	fail_msg("the audit does not tell the logins");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_link_sets_the_first_password_once),
	    CASE(the_link_is_good_for_an_hour_and_while_there_is_no_password),
	    CASE(of_many_who_use_the_link_at_once_one_gets_in),
	    CASE(a_login_opens_a_session_that_a_logout_ends),
	    CASE(the_cookie_is_secure_where_a_trusted_proxy_says_so),
	    CASE(a_login_makes_a_new_session_and_ends_the_one_it_came_with),
	    CASE(another_password_ends_all_sessions),
	    CASE(me_tells_who_asks),
	    CASE(a_change_by_cookie_must_come_from_our_page),
	    CASE(every_change_is_guarded_so),
	    CASE(a_name_that_is_not_ours_gets_nothing_by_cookie),
	    CASE(an_address_that_may_not_cannot_sign_in),
	    CASE(wrong_passwords_cost_an_address_time_and_others_none),
	    CASE(bodies_that_are_none_are_refused),
	    CASE(passwords_are_in_no_log_and_no_audit),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
