/* Header fields: ranges (RFC 9110 section 14), dates, entity tags, cookies, forwarded addresses. */
#include "http/http_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ranges_are_those_of_rfc_9110(void **state)
{
	static const struct {
		const char *value;
		uint64_t size;
		enum http_range verdict;
		uint64_t offset, length;
	} rows[] = {
		/* section 14.1.2, of a representation of 10000 bytes */
		{ "bytes=0-499", 10000, HTTP_RANGE_ONE, 0, 500 },
		{ "bytes=500-999", 10000, HTTP_RANGE_ONE, 500, 500 },
		{ "bytes=-500", 10000, HTTP_RANGE_ONE, 9500, 500 },
		{ "bytes=9500-", 10000, HTTP_RANGE_ONE, 9500, 500 },
		{ "bytes=0-0", 10000, HTTP_RANGE_ONE, 0, 1 },
		{ "bytes=0-0,-1", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes= 0-999, 4500-5499, -1000", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=0-", 10000, HTTP_RANGE_ONE, 0, 10000 },
		{ "BYTES=9999-20000", 10000, HTTP_RANGE_ONE, 9999, 1 },
		{ "bytes=-20000", 10000, HTTP_RANGE_ONE, 0, 10000 },
		{ "bytes=10000-", 10000, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=18446744073709551615-", 10000, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=1-18446744073709551615", 10000, HTTP_RANGE_ONE, 1, 9999 },
		{ "bytes=-0", 10000, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=0-0", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		{ "bytes=-1", 0, HTTP_RANGE_UNSATISFIABLE, 0, 0 },
		/* malformed: as if it were not there */
		{ "bytes=18446744073709551616-", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=5-4", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=-", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=a-b", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=1-2x", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=+1-2", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes=--1", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "seconds=1-2", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "bytes", 10000, HTTP_RANGE_NONE, 0, 0 },
		{ "", 10000, HTTP_RANGE_NONE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t offset = 0, length = 0;
		enum http_range got =
		    http_range_parse(sg_str_from(rows[i].value), rows[i].size, &offset, &length);
		if (got != rows[i].verdict)
			fail_msg("%s: %d", rows[i].value, (int)got);
		if (got != HTTP_RANGE_ONE)
			continue;
		assert_int_equal(offset, rows[i].offset);
		assert_int_equal(length, rows[i].length);
	}
}

static void all_three_forms_of_a_date_are_read(void **state)
{
	/* RFC 9110 section 5.6.7 */
	static const char *const forms[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" };
	static const char *const not_dates[] = { "", "yesterday", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 GMT and more", "784111777" };
	int64_t s;
	char out[HTTP_DATE_SIZE];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(http_date_parse(sg_str_from(forms[i]), &s));
		assert_int_equal(s, 784111777);
	}
	for (size_t i = 0; i < sizeof(not_dates) / sizeof(not_dates[0]); i++)
		assert_false(http_date_parse(sg_str_from(not_dates[i]), &s));
	http_date_format(out, 784111777);
	assert_string_equal(out, forms[0]);
	http_date_format(out, 4102444799);
	assert_string_equal(out, "Thu, 31 Dec 2099 23:59:59 GMT");
	http_date_format(out, INT64_MAX);
	assert_string_equal(out, "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void numbers_are_put_as_printf_would(void **state)
{
	static const uint64_t numbers[] = { 0, 9, 10, 15, 16, 65536, INT64_MAX, UINT64_MAX };
	char out[21], same[32], *end;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		end = http_put_number(out, numbers[i], 10);
		assert_ptr_equal(end, out + strlen(out));
		snprintf(same, sizeof(same), "%llu", (unsigned long long)numbers[i]);
		assert_string_equal(out, same);
		end = http_put_number(out, numbers[i], 16);
		assert_ptr_equal(end, out + strlen(out));
		snprintf(same, sizeof(same), "%llx", (unsigned long long)numbers[i]);
		assert_string_equal(out, same);
	}
}

static void entity_tags_compare_weakly_in_lists(void **state)
{
	(void)state;
	/* RFC 9110 section 13.1.2 */
	assert_true(http_etag_listed(SG_STR("\"xyzzy\""), SG_STR("\"xyzzy\"")));
	assert_true(http_etag_listed(SG_STR("W/\"xyzzy\""), SG_STR("\"xyzzy\"")));
	assert_true(http_etag_listed(
	    SG_STR("\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\""), SG_STR("\"c3piozzzz\"")));
	assert_true(http_etag_listed(SG_STR("*"), SG_STR("\"a\"")));
	assert_false(http_etag_listed(SG_STR("\"xyzz\""), SG_STR("\"xyzzy\"")));
	assert_false(http_etag_listed(SG_STR(""), SG_STR("\"xyzzy\"")));
}

static void a_cookie_is_found_by_its_whole_name(void **state)
{
	(void)state;
	/* RFC 6265 section 3.1 */
	assert_true(
	    sg_str_is(http_cookie_find(SG_STR("SID=31d4d96e407aad42; lang=en-US"), "lang"), "en-US"));
	assert_true(sg_str_is(http_cookie_find(SG_STR("a=1;b=\"2\""), "b"), "2"));
	assert_true(sg_str_is(http_cookie_find(SG_STR("a=b=c"), "a"), "b=c"));
	assert_true(sg_str_is(http_cookie_find(SG_STR("a=1; a=2"), "a"), "1"));
	assert_null(http_cookie_find(SG_STR("xa=1; a"), "a").p);
	assert_null(http_cookie_find(SG_STR("A=1"), "a").p);
	assert_null(http_cookie_find((struct sg_str){ 0 }, "a").p);
}

static void a_bearer_token_is_read_in_any_case_of_the_word(void **state)
{
	(void)state;
	assert_true(sg_str_is(http_bearer(SG_STR("Bearer mF_9.B5f-4.1JqM")), "mF_9.B5f-4.1JqM"));
	assert_true(sg_str_is(http_bearer(SG_STR("bEARER  x ")), "x"));
	assert_null(http_bearer(SG_STR("Basic QWxhZGRpbg==")).p);
	assert_null(http_bearer(SG_STR("Bearer ")).p);
	assert_null(http_bearer(SG_STR("Bearer")).p);
	assert_null(http_bearer((struct sg_str){ 0 }).p);
}

static struct sg_addr addr(const char *s)
{
	struct sg_addr a;

	assert_true(sg_addr_parse(sg_str_from(s), &a));
	return a;
}

static void only_trusted_proxies_are_believed(void **state)
{
	static const struct {
		const char *peer, *forwarded, *client;
	} rows[] = {
		{ "203.0.113.9", "198.51.100.1", "203.0.113.9" }, /* anybody can write that */
		{ "10.0.0.1", "198.51.100.1", "198.51.100.1" },
		{ "10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1" },
		{ "10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1" },
		{ "10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3" },
		{ "10.0.0.1", "198.51.100.1:4711", "198.51.100.1" },
		{ "10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7" },
		{ "10.0.0.1", "2001:db8::7", "2001:db8::7" },
		{ "10.0.0.1", "198.51.100.1, ", "198.51.100.1" }, /* RFC 9110 section 5.6.1: nothing said */
		{ "10.0.0.1", ", 198.51.100.1,,10.0.0.2 ,", "198.51.100.1" },
		{ "10.0.0.1", "", "10.0.0.1" },
		{ "10.0.0.1", " , ", "10.0.0.1" },
		{ "203.0.113.9", "nonsense", "203.0.113.9" }, /* not believed, and not read */
		{ "10.0.0.1", "nonsense, 198.51.100.1", "198.51.100.1" },
		/* Who it is that a trusted one stands for is not known. */
		{ "10.0.0.1", "198.51.100.1, nonsense", NULL },
		{ "10.0.0.1", "198.51.100.1, unknown", NULL },
		{ "10.0.0.1", "unix:", NULL },
		{ "10.0.0.1", "_hidden:80, 10.0.0.2", NULL },
		{ "10.0.0.1", "[2001:db8::7", NULL },
		{ "10.0.0.1", "[2001:db8::7]x", NULL },
		{ "10.0.0.1", "198.51.100.1:port", NULL },
	};
	struct sg_cidr net;
	struct sg_cidr_list trusted = { &net, 1 };

	(void)state;
	assert_true(sg_cidr_parse(SG_STR("10.0.0.0/8"), &net));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sg_addr client = addr(rows[i].peer), want = addr(rows[i].client ? rows[i].client : rows[i].peer);
		struct sg_str line = sg_str_from(rows[i].forwarded);
		bool known = http_client_addr(&client, &line, 1, &trusted);
		if (known != (rows[i].client != NULL) || (known && !sg_addr_equal(&client, &want)))
			fail_msg("%s / %s", rows[i].peer, rows[i].forwarded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_those_of_rfc_9110),
		cmocka_unit_test(all_three_forms_of_a_date_are_read),
		cmocka_unit_test(numbers_are_put_as_printf_would),
		cmocka_unit_test(entity_tags_compare_weakly_in_lists),
		cmocka_unit_test(a_cookie_is_found_by_its_whole_name),
		cmocka_unit_test(a_bearer_token_is_read_in_any_case_of_the_word),
		cmocka_unit_test(only_trusted_proxies_are_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
