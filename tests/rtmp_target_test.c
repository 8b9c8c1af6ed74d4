/* Which application, stream and token a peer means: the rows of the table of what encoders send, and
 * what nobody should send. */
#include "rtmp/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define T "AZP5nq2_cQ8tVn4-xJf0aBcDeFgHiJkL"

struct row {
	const char *what, *app, *tc_url, *name;
	const char *want_app, *want_stream, *want_token; /* NULL: none was given */
};

/* A copy of exactly these bytes; absent stays absent. */
static struct sg_str copy_of(struct sg_str s)
{
	char *copy = s.p ? malloc(s.len ? s.len : 1) : NULL;

	if (s.len)
		memcpy(copy, s.p, s.len);
	return (struct sg_str){ copy, s.len };
}

static struct sg_rtmp_target parse(struct sg_str app, struct sg_str tc_url, struct sg_str name)
{
	struct sg_str a = copy_of(app), u = copy_of(tc_url), n = copy_of(name);
	struct sg_rtmp_target t;

	memset(&t, 0x5a, sizeof(t));
	sg_rtmp_target_parse(&t, a, u, n);
	free((void *)a.p);
	free((void *)u.p);
	free((void *)n.p);
	return t;
}

static void check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		struct sg_rtmp_target t = parse(
		    sg_str_from(r->app), sg_str_from(r->tc_url), sg_str_from(r->name));
		const char *token = t.has_token ? t.token : "(none)";
		const char *want = r->want_token ? r->want_token : "(none)";
		if (strcmp(t.app, r->want_app) != 0 || strcmp(t.stream, r->want_stream) != 0 ||
		    strcmp(token, want) != 0)
			fail_msg("%s: app %s, stream %s, token %s", r->what, t.app, t.stream, token);
	}
}

static bool is_valid(const struct sg_rtmp_target *t)
{
	return sg_app_is_valid(sg_str_from(t->app)) && sg_stream_is_valid(sg_str_from(t->stream));
}

/* ---- the claims ---- */

static void every_form_that_an_encoder_makes_of_a_url_is_understood(void **state)
{
	static const struct row rows[] = {
		{ "ffmpeg, token in the query", "live", "rtmp://h:1935/live", "cam-1?token=" T, "live",
		    "cam-1", T },
		{ "ffmpeg, with an instance", "live/inst", "rtmp://h/live/inst", "cam-1?token=" T,
		    "live", "inst", T },
		{ "ffmpeg, path form", "live/cam-1", "rtmp://h/live/cam-1", T, "live", "cam-1", T },
		{ "ffmpeg, path form with a subscriber", "live/cam-1", "rtmp://h/live/cam-1",
		    T "/sub/code", "live", "cam-1", T },
		{ "ffmpeg, escaped path form", "live", "rtmp://h/live", "cam-1%2F" T, "live", "cam-1",
		    T },
		{ "ffmpeg, lower case escape", "live", "rtmp://h/live", "cam-1%2f" T, "live", "cam-1",
		    T },
		{ "ffmpeg, token in the server", "live?token=" T, "rtmp://h/live?token=" T, "cam-1",
		    "live", "cam-1", T },
		{ "ffmpeg, a slash tears the token", "live/cam-1?token=a", "rtmp://h/live/cam-1?token=a",
		    "b", "live", "cam-1", "a" },
		{ "ffmpeg, an escaped slash in the token", "live", "rtmp://h/live", "cam-1?token=a%2Fb",
		    "live", "cam-1", "a/b" },
		{ "ffmpeg, .flv dropped", "live", "rtmp://h/live", "cam-1", "live", "cam-1", NULL },
		{ "ffmpeg, .mp4", "live", "rtmp://h/live", "mp4:cam-1.mp4", "live", "cam-1.mp4", NULL },
		{ "ffmpeg, no stream", "live", "rtmp://h/live", "", "live", "", NULL },
		{ "OBS, token in the key", "live", "rtmp://h/live", "cam-1?token=" T, "live", "cam-1",
		    T },
		{ "OBS, token in the server", "live?token=" T, "rtmp://h/live?token=" T, "cam-1",
		    "live", "cam-1", T },
		{ "OBS, stream in the server", "live/cam-1", "rtmp://h/live/cam-1", "?token=" T, "live",
		    "cam-1", T },
		{ "OBS, decoded", "live", "rtmp://h/live", "cam-1?token=a/b", "live", "cam-1", "a/b" },
		{ "Larix", "live", "rtmp://h/live", "cam-1?token=" T, "live", "cam-1", T },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void the_token_is_the_names_then_the_applications_then_the_urls_then_the_paths(void **state)
{
	static const struct row rows[] = {
		{ "all four", "live/cam?token=app", "rtmp://h/live?token=url", "path?token=name",
		    "live", "cam", "name" },
		{ "three", "live/cam?token=app", "rtmp://h/live?token=url", "path", "live", "cam",
		    "app" },
		{ "two", "live/cam", "rtmp://h/live?token=url", "path", "live", "cam", "url" },
		{ "one", "live/cam", "rtmp://h/live", "path", "live", "cam", "path" },
		{ "an empty one counts as none", "live?token=app", "", "cam?token=", "live", "cam",
		    "app" },
		{ "empty everywhere", "live?token=", "x?token=", "cam?token=", "live", "cam", NULL },
		{ "the first of two", "live", "", "cam?token=a&token=b", "live", "cam", "a" },
		{ "among others", "live", "", "cam?a=1&token=b&c", "live", "cam", "b" },
		{ "no value", "live", "", "cam?token", "live", "cam", NULL },
		{ "another name", "live", "", "cam?tokens=a&xtoken=b", "live", "cam", NULL },
		{ "an application as members only", "live", NULL, "cam", "live", "cam", NULL },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void escapes_prefixes_slashes_and_dots(void **state)
{
	static const struct row rows[] = {
		{ "escaped letters", "l%69ve", "", "c%61m?token=%54", "live", "cam", "T" },
		{ "an escape that is none", "live", "", "cam%zz", "live", "/", NULL },
		{ "an escape cut short", "live", "", "cam%2", "live", "/", NULL },
		{ "a bad escape in the application", "%", "", "cam", "/", "cam", NULL },
		{ "a bad escape in the token", "live", "", "cam?token=%2", "live", "cam", "/" },
		{ "an escaped NUL", "live", "", "cam%00?token=a%00b", "live", "/", "/" },
		{ "mp4: with a token in the path", "live", "", "mp4:cam/T", "live", "cam", "T" },
		{ "flv: with a query", "live", "", "flv:cam?token=T", "live", "cam", "T" },
		{ "mp4: twice", "live", "", "mp4:mp4:cam", "live", "mp4:cam", NULL },
		{ "slashes around", "/live/", "", "/cam/", "live", "cam", NULL },
		{ "many slashes", "//live//", "", "//cam//T//", "live", "cam", "T" },
		{ "escaped slashes around", "%2Flive%2F", "", "%2Fcam%2F", "live", "cam", NULL },
		{ "only slashes", "///", "", "///", "", "", NULL },
		{ "a dot", "live", "", ".", "live", ".", NULL },
		{ "two dots", "live/..", "", "..", "live", "..", ".." },
		{ "UTF-8", "live", "", "k\xc3\xa4se", "live", "k\xc3\xa4se", NULL },
		{ "escaped UTF-8", "live", "", "k%C3%A4se", "live", "k\xc3\xa4se", NULL },
		{ "nothing at all", NULL, NULL, NULL, "", "", NULL },
		{ "questions", "?", "?", "?", "", "", NULL },
		{ "a second question mark belongs to the value", "live", "", "cam?token=a?b", "live",
		    "cam", "a?b" },
	};

	(void)state;
	check(rows, COUNT(rows));
}

static void names_that_are_not_valid_stay_so(void **state)
{
	static const char *const names[] = { ".", "..", "../x", ".hidden", "k\xc3\xa4se", "a b", "cam%",
		"cam%00", "cam%0a", "mp4:", "", "/", "?token=T", "a\\b", "cam#x", "\xff" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct sg_rtmp_target t = parse(SG_STR("live"), SG_STR(""), sg_str_from(names[i]));
		if (is_valid(&t))
			fail_msg("%s became %s", names[i], t.stream);
	}
}

static void a_nul_does_not_end_a_name(void **state)
{
	struct sg_rtmp_target t;

	(void)state;
	t = parse(SG_STR("live"), SG_STR(""), SG_STR("cam\0dog"));
	assert_string_equal(t.stream, "/");
	t = parse(SG_STR("live\0dog"), SG_STR(""), SG_STR("cam"));
	assert_string_equal(t.app, "/");
	t = parse(SG_STR("live"), SG_STR(""), SG_STR("cam?token=" T "\0x"));
	assert_string_equal(t.token, "/");
	assert_true(t.has_token);
}

static void texts_that_are_too_long_are_refused_not_cut(void **state)
{
	static char text[10240];
	struct sg_rtmp_target t;

	(void)state;
	memset(text, 'a', sizeof(text));
	struct sg_str all = { text, sizeof(text) };
	t = parse(SG_STR("live"), SG_STR(""), all);
	assert_string_equal(t.stream, "/");
	t = parse(all, SG_STR(""), SG_STR("cam"));
	assert_string_equal(t.app, "/");
	memcpy(text, "cam?token=", 10);
	t = parse(SG_STR("live"), SG_STR(""), all);
	assert_string_equal(t.stream, "cam");
	assert_string_equal(t.token, "/");
	memcpy(text, "cam/aaaaaa", 10);
	t = parse(SG_STR("live"), SG_STR(""), all);
	assert_string_equal(t.token, "/");
	/* The longest that is valid, and one more, can be told apart. */
	memset(text, 'a', sizeof(text));
	t = parse(SG_STR("live"), SG_STR(""), (struct sg_str){ text, SG_STREAM_MAX });
	assert_true(is_valid(&t));
	t = parse(SG_STR("live"), SG_STR(""), (struct sg_str){ text, SG_STREAM_MAX + 1 });
	assert_false(is_valid(&t));
	t = parse((struct sg_str){ text, SG_APP_MAX }, SG_STR(""), SG_STR("cam"));
	assert_true(is_valid(&t));
	t = parse((struct sg_str){ text, SG_APP_MAX + 1 }, SG_STR(""), SG_STR("cam"));
	assert_false(is_valid(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_that_an_encoder_makes_of_a_url_is_understood),
		cmocka_unit_test(
		    the_token_is_the_names_then_the_applications_then_the_urls_then_the_paths),
		cmocka_unit_test(escapes_prefixes_slashes_and_dots),
		cmocka_unit_test(names_that_are_not_valid_stay_so),
		cmocka_unit_test(a_nul_does_not_end_a_name),
		cmocka_unit_test(texts_that_are_too_long_are_refused_not_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
