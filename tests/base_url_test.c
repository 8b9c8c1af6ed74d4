/* URLs, percent encoding, queries. */
#include "base/url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

struct parts {
	const char *url, *scheme, *userinfo, *host, *path, *query, *fragment;
	uint16_t port;
};

/* NULL: absent, which for path is the same as empty. */
static const struct parts good[] = {
    /* RFC 3986, section 3 */
    {"foo://example.com:8042/over/there?name=ferret#nose", "foo", NULL, "example.com",
	"/over/there", "name=ferret", "nose", 8042},
    {"rtmp://h/live/cam?token=T", "rtmp", NULL, "h", "/live/cam", "token=T", NULL, 0},
    {"srt://host:4200?streamid=#!::r=live/cam,m=publish,token=T", "srt", NULL, "host", NULL,
	"streamid=#!::r=live/cam,m=publish,token=T", NULL, 4200},
    {"SRT://h:1?a#b?c", "SRT", NULL, "h", NULL, "a#b?c", NULL, 1},
    {"http://[::1]:5080/x", "http", NULL, "::1", "/x", NULL, NULL, 5080},
    {"http://[fe80::1%25eth0]/", "http", NULL, "fe80::1%25eth0", "/", NULL, NULL, 0},
    {"ftp://user:pw@h/", "ftp", "user:pw", "h", "/", NULL, NULL, 0},
    {"http://h", "http", NULL, "h", NULL, NULL, NULL, 0},
    {"http://h:/", "http", NULL, "h", "/", NULL, NULL, 0}, /* section 3.2.3: a port may be empty */
    {"http://h?q", "http", NULL, "h", NULL, "q", NULL, 0},
    {"http://h#f?no-query", "http", NULL, "h", NULL, NULL, "f?no-query", 0},
    {"http://h/a@b:c", "http", NULL, "h", "/a@b:c", NULL, NULL, 0},
    {"http://h?", "http", NULL, "h", NULL, "", NULL, 0},
};

static bool part_is(struct sg_str s, const char *z)
{
	return z ? s.p && sg_str_is(s, z) : s.len == 0;
}

static void urls_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		const struct parts *g = &good[i];
		struct sg_url u;
		if (!sg_url_parse(sg_str_from(g->url), &u))
			fail_msg("'%s' was refused", g->url);
		if (!part_is(u.scheme, g->scheme) || !part_is(u.userinfo, g->userinfo) ||
		    !part_is(u.host, g->host) || !part_is(u.path, g->path) ||
		    !part_is(u.query, g->query) || !part_is(u.fragment, g->fragment) ||
		    u.port_number != g->port)
			fail_msg("'%s' was split otherwise", g->url);
	}
}

static void other_texts_are_no_urls(void **state)
{
	static const char *const rows[] = {
	    "",
	    "http",
	    "http:",
	    "http:/",
	    "http://",
	    "://h",
	    "1http://h",
	    "ht tp://h",
	    "h/live/cam",
	    "http:///path",
	    "http://:80",
	    "http://h:0",
	    "http://h:65536",
	    "http://h:8x",
	    "http://[::1",
	    "http://[::1]x",
	    "http://::1/",
	    "http://[]/",
	    "http://a@b@c/",
	    "http://h/a b",
	    "http://h/\n",
	    "http://h\x7f",
	    "http://a\"b/",
	    "http://a\\b/",
	    "srt://h#x:1",
	};
	struct sg_url u;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (sg_url_parse(sg_str_from(rows[i]), &u))
			fail_msg("'%s' was taken", rows[i]);
	assert_false(sg_url_parse(SG_STR("http://h/\0x"), &u));
	assert_false(sg_url_parse(SG_STR("ht\0tp://h/"), &u));
}

static void escapes_are_decoded_or_refused(void **state)
{
	static const struct {
		const char *in;
		bool plus;
		const char *out; /* NULL: refused */
	} rows[] = {
	    {"", false, ""},
	    {"a%20b", false, "a b"},
	    {"a+b", false, "a+b"},
	    {"a+b", true, "a b"},
	    {"%2b", true, "+"},
	    {"%2F%2f", false, "//"},
	    {"%2541", false, "%41"}, /* once */
	    {"%", false, NULL},
	    {"%4", false, NULL},
	    {"a%4", false, NULL},
	    {"%4g", false, NULL},
	    {"%%41", false, NULL},
	    {"%00", false, NULL},
	    {"a%00b", false, NULL},
	    {"1234567", false, "1234567"},
	    {"12345678", false, NULL}, /* no room for the NUL */
	    {"1234567%38", false, NULL},
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool ok =
		    sg_percent_decode(out, sizeof(out), sg_str_from(rows[i].in), rows[i].plus);
		if (ok != (rows[i].out != NULL) || (ok && strcmp(out, rows[i].out) != 0))
			fail_msg("'%s'", rows[i].in);
	}
	assert_false(sg_percent_decode(out, sizeof(out), SG_STR("a\0b"), false));
	assert_false(sg_percent_decode(out, 0, SG_STR(""), false));
	/* The text ends before the escape does, whatever lies behind it. */
	assert_false(sg_percent_decode(out, sizeof(out), (struct sg_str){"%41", 2}, false));
	assert_false(sg_percent_decode(out, sizeof(out), (struct sg_str){"%41", 1}, false));
}

static void all_but_unreserved_is_escaped(void **state)
{
	char all[256], back[257];
	struct sg_buf b;

	(void)state;
	sg_buf_init(&b, 1000);
	sg_percent_encode(&b, SG_STR("AZaz09-._~ /?#%+&=\xc3\xbc"));
	sg_buf_put_u8(&b, 0);
	assert_string_equal((char *)b.p, "AZaz09-._~%20%2F%3F%23%25%2B%26%3D%C3%BC");
	b.len = 0;
	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = 0;
	sg_percent_encode(&b, sg_str_from(all));
	assert_true(
	    sg_percent_decode(back, sizeof(back), (struct sg_str){(char *)b.p, b.len}, true));
	assert_string_equal(back, all);
	sg_buf_reset(&b);
}

static void queries_are_walked(void **state)
{
	struct sg_str rest = SG_STR("&a=b&&c&d=&=e&f=g=h&"), key, value;

	(void)state;
	assert_true(sg_query_next(&rest, &key, &value));
	assert_true(sg_str_is(key, "a") && sg_str_is(value, "b"));
	assert_true(sg_query_next(&rest, &key, &value));
	assert_true(sg_str_is(key, "c") && !value.p);
	assert_true(sg_query_next(&rest, &key, &value));
	assert_true(sg_str_is(key, "d") && value.p && !value.len);
	assert_true(sg_query_next(&rest, &key, &value));
	assert_true(!key.len && sg_str_is(value, "e"));
	assert_true(sg_query_next(&rest, &key, &value));
	assert_true(sg_str_is(key, "f") && sg_str_is(value, "g=h"));
	assert_false(sg_query_next(&rest, &key, &value));
	rest = sg_str_from(NULL);
	assert_false(sg_query_next(&rest, &key, &value));
}

static void a_key_is_looked_up(void **state)
{
	static const struct {
		const char *query;
		enum sg_result res;
		const char *value;
	} rows[] = {
	    {"token=T", SG_OK, "T"}, {"x=1&token=T&token=U", SG_OK, "T"}, {"%74oken=T", SG_OK, "T"},
	    {"token=a%26b+c", SG_OK, "a&b c"}, {"token", SG_OK, ""}, {"token=", SG_OK, ""},
	    {"", SG_ERR_NOT_FOUND, NULL}, {"Token=T", SG_ERR_NOT_FOUND, NULL},
	    {"xtoken=T&tokenx=T", SG_ERR_NOT_FOUND, NULL}, {"%zztoken=T", SG_ERR_NOT_FOUND, NULL},
	    {"token=%", SG_ERR_BAD_INPUT, NULL}, {"token=T%00", SG_ERR_BAD_INPUT, NULL},
	    {"token=12345678", SG_ERR_BAD_INPUT, NULL},
	    {"token=%&token=T", SG_ERR_BAD_INPUT, NULL}, /* the first one counts */
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum sg_result res =
		    sg_query_get(sg_str_from(rows[i].query), "token", out, sizeof(out));
		if (res != rows[i].res || (res == SG_OK && strcmp(out, rows[i].value) != 0))
			fail_msg("'%s' gave %s", rows[i].query, sg_result_text(res));
	}
}

static void what_may_be_secret_is_not_shown(void **state)
{
	static const char *const rows[][2] = {
	    {"rtmp://a.example.org/live2/abcd-key", "rtmp://a.example.org/live2/[redacted]"},
	    {"rtmp://h:1936/live/cam?token=T", "rtmp://h:1936/live/[redacted]"},
	    {"rtmp://h/key", "rtmp://h/[redacted]"},
	    {"rtsp://joe:secret@192.0.2.1:554/cam/1", "rtsp://192.0.2.1:554/cam/[redacted]"},
	    {"srt://[2001:db8::1]:4200?streamid=#!::r=live/cam,token=T", "srt://[2001:db8::1]:4200/[redacted]"},
	    {"srt://h:4200", "srt://h:4200"},
	    {"http://h/", "http://h"},
	    {"http://h/live/", "http://h/[redacted]"},
	    {"https://h/live/streams/cam.m3u8", "https://h/live/[redacted]"},
	    {"no url", "[redacted]"},
	};
	char shown[80];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sg_url_show(shown, sizeof(shown), sg_str_from(rows[i][0]));
		assert_string_equal(shown, rows[i][1]);
		for (size_t size = 1; size < sizeof(shown); size++) { /* cut to fit, never past it */
			char *cut = malloc(size);
			sg_url_show(cut, size, sg_str_from(rows[i][0]));
			assert_true(strlen(cut) < size);
			assert_null(strstr(cut, "token"));
			free(cut);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_may_be_secret_is_not_shown),
	    cmocka_unit_test(urls_are_split),
	    cmocka_unit_test(other_texts_are_no_urls),
	    cmocka_unit_test(escapes_are_decoded_or_refused),
	    cmocka_unit_test(all_but_unreserved_is_escaped),
	    cmocka_unit_test(queries_are_walked),
	    cmocka_unit_test(a_key_is_looked_up),
	};

	return cmocka_run_group_tests_name("base_url", tests, NULL, NULL);
}
