/* The sample pages: who gets them, and what keeps them to themselves. */
#include "api/sample.h"
#include "http_fixture.h"

static void add_routes(struct sg_http_server *srv, struct fixture *f)
{
	api_sample_routes(srv, f->gate);
}

static int set_up(void **state)
{
	*state = fixture_open("[app live]\nplay_token = on\n", add_routes);
	return 0;
}

static int tear_down(void **state)
{
	fixture_close(*state);
	return 0;
}

static void pages_and_what_they_load_are_there(void **state)
{
	static const struct {
		const char *path, *type;
	} rows[] = { { "/live/publish.html", "text/html; charset=utf-8" },
		{ "/live/play.html?id=cam&token=T", "text/html; charset=utf-8" },
		{ "/live/sample/sample.css", "text/css; charset=utf-8" },
		{ "/live/sample/rtc.js", "text/javascript; charset=utf-8" },
		{ "/live/sample/publish.js", "text/javascript; charset=utf-8" },
		{ "/live/sample/play.js", "text/javascript; charset=utf-8" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply r = ask(*state, "GET", rows[i].path, NULL);
		assert_int_equal(r.status, 200);
		assert_string_equal(reply_header(&r, "Content-Type"), rows[i].type);
		assert_string_equal(reply_header(&r, "Referrer-Policy"), "no-referrer");
		assert_true(r.body_len > 500);
		reply_free(&r);
	}
}

static void nothing_comes_from_elsewhere(void **state)
{
	static const char *const paths[] = { "/live/publish.html", "/live/play.html",
		"/live/sample/rtc.js", "/live/sample/publish.js", "/live/sample/play.js",
		"/live/sample/sample.css" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct reply r = ask(*state, "GET", paths[i], NULL);
		const char *csp = reply_header(&r, "Content-Security-Policy");
		assert_non_null(strstr(csp, "default-src 'none'"));
		assert_null(strstr(csp, "unsafe"));
		assert_null(strstr(r.body, "http:"));
		assert_null(strstr(r.body, "https:"));
		assert_null(strstr(r.body, " style="));
		assert_null(strstr(r.body, "innerHTML"));
		reply_free(&r);
	}
}

static void what_is_not_there_is_not_found(void **state)
{
	assert_int_equal(status_of(*state, "GET", "/nowhere/publish.html", NULL), 404);
	assert_int_equal(status_of(*state, "GET", "/nowhere/sample/rtc.js", NULL), 404);
	assert_int_equal(status_of(*state, "GET", "/live/sample/play.html", NULL), 404);
	assert_int_equal(status_of(*state, "GET", "/live/sample/other.js", NULL), 404);
	assert_int_equal(status_of(*state, "POST", "/live/publish.html", NULL), 405);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_and_what_they_load_are_there),
		cmocka_unit_test(nothing_comes_from_elsewhere),
		cmocka_unit_test(what_is_not_there_is_not_found),
	};

	sg_log_set_level(SG_LOG_ERROR);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
