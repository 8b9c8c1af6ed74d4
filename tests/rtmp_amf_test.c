/* AMF0, by Adobe's "Action Message Format -- AMF 0": the bytes are the specification's. */
#include "rtmp/amf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define VALUE(literal) { (const uint8_t *)(literal), sizeof(literal) - 1 }

/* connect as an encoder sends it: app, type, flashVer, tcUrl, capabilities, an array. */
#define CONNECT                                                                                    \
	"\x03\0\x04type\x02\0\x0anonprivate\0\x03"                                               \
	"app\x02\0\x04live\0\x05"                                                                 \
	"codec\x08\0\0\0\x01\0\x03"                                                                \
	"app\x02\0\x05inner\0\0\x09\0\x05"                                                         \
	"tcUrl\x02\0\x0drtmp://h/live\0\x0c"                                                       \
	"capabilities\0\x40\x2e\0\0\0\0\0\0\0\x04list\x0a\0\0\0\x02\x01\x01\x05\0\0\x09"

/* Whole values, each of another type. */
static const struct {
	const char *what;
	struct sg_reader bytes;
} values[] = {
	{ "number", VALUE("\0\x3f\xf0\0\0\0\0\0\0") },
	{ "boolean", VALUE("\x01\x01") },
	{ "string", VALUE("\x02\0\x03"
			  "foo") },
	{ "empty string", VALUE("\x02\0\0") },
	{ "object", VALUE("\x03\0\x01"
			  "a\0\x3f\xf0\0\0\0\0\0\0\0\0\x09") },
	{ "empty object", VALUE("\x03\0\0\x09") },
	{ "member with an empty name", VALUE("\x03\0\0\x05\0\x01"
					     "b\x05\0\0\x09") },
	{ "null", VALUE("\x05") },
	{ "undefined", VALUE("\x06") },
	{ "reference", VALUE("\x07\0\x01") },
	{ "ECMA array", VALUE("\x08\0\0\0\x01\0\x01"
			      "a\x01\0\0\0\x09") },
	{ "ECMA array that counts wrong", VALUE("\x08\xff\xff\xff\xff\0\x01"
						"a\x01\0\0\0\x09") },
	{ "strict array", VALUE("\x0a\0\0\0\x03\x05\x06\x02\0\x01x") },
	{ "date", VALUE("\x0b\x42\x5d\0\0\0\0\0\0\0\0") },
	{ "long string", VALUE("\x0c\0\0\0\x03"
			       "foo") },
	{ "XML", VALUE("\x0f\0\0\0\x04<a/>") },
	{ "connect", VALUE(CONNECT) },
};

/* A copy of exactly these bytes, so that a read past the end is seen. */
static struct sg_reader copy_of(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	if (len)
		memcpy(copy, p, len);
	return (struct sg_reader){ copy, len };
}

static bool skips(const uint8_t *p, size_t len)
{
	struct sg_reader all = copy_of(p, len), r = all;
	bool ok = sg_amf_skip(&r);

	if (ok)
		assert_int_equal(r.left, 0);
	else
		assert_true(r.p == all.p && r.left == len);
	free((void *)all.p);
	return ok;
}

/* ---- the claims ---- */

static void a_number_is_a_double_in_network_order(void **state)
{
	static const struct {
		const char *bytes;
		double want;
	} rows[] = {
		{ "\0\x3f\xf0\0\0\0\0\0\0", 1 },
		{ "\0\0\0\0\0\0\0\0\0", 0 },
		{ "\0\xc0\0\0\0\0\0\0\0", -2 },
		{ "\0\x40\x09\x21\xfb\x54\x44\x2d\x18", 3.141592653589793 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sg_reader r = { (const uint8_t *)rows[i].bytes, 9 };
		struct sg_buf b;
		double v = 77;
		assert_true(sg_amf_read_number(&r, &v));
		assert_memory_equal(&v, &rows[i].want, sizeof(v));
		assert_int_equal(r.left, 0);
		sg_buf_init(&b, 64);
		sg_amf_put_number(&b, rows[i].want);
		assert_int_equal(b.len, 9);
		assert_memory_equal(b.p, rows[i].bytes, 9);
		sg_buf_reset(&b);
	}
}

static void short_and_long_strings_are_slices_with_any_bytes(void **state)
{
	static const struct sg_reader rows[] = { VALUE("\x02\0\x03"
						       "f\0\xff"),
		VALUE("\x0c\0\0\0\x03"
		      "f\0\xff") };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sg_reader r = rows[i];
		struct sg_str s;
		assert_true(sg_amf_read_string(&r, &s));
		assert_int_equal(s.len, 3);
		assert_memory_equal(s.p, "f\0\xff", 3);
		assert_true((const uint8_t *)s.p == rows[i].p + rows[i].left - 3);
	}
}

static void a_reader_that_meets_another_type_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct sg_reader r = values[i].bytes, object;
		uint8_t marker = *r.p;
		struct sg_str s;
		double d;
		bool b;
		bool takes = sg_amf_read_number(&r, &d);
		assert_int_equal(takes, marker == 0);
		assert_int_equal(takes, r.p != values[i].bytes.p);
		r = values[i].bytes;
		takes = sg_amf_read_bool(&r, &b);
		assert_int_equal(takes, marker == 1);
		assert_int_equal(takes, r.p != values[i].bytes.p);
		r = values[i].bytes;
		takes = sg_amf_read_string(&r, &s);
		assert_int_equal(takes, marker == 2 || marker == 12);
		assert_int_equal(takes, r.p != values[i].bytes.p);
		r = values[i].bytes;
		takes = sg_amf_read_object(&r, &object);
		assert_int_equal(takes, marker == 3 || marker == 8 || marker == 5 || marker == 6);
		assert_int_equal(takes, r.p != values[i].bytes.p);
	}
}

static void every_type_is_passed_over_whole_and_at_no_shorter_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct sg_reader v = values[i].bytes;
		if (!skips(v.p, v.left))
			fail_msg("%s is not taken", values[i].what);
		for (size_t len = 0; len < v.left; len++)
			if (skips(v.p, len))
				fail_msg("%s cut at %zu is taken", values[i].what, len);
	}
}

static void types_that_cannot_be_passed_over_are_refused(void **state)
{
	/* Movie clip, object end, unsupported, record set, typed object, AMF3, and what is none. */
	static const uint8_t markers[] = { 4, 9, 13, 14, 16, 17, 18, 255 };

	(void)state;
	for (size_t i = 0; i < COUNT(markers); i++) {
		uint8_t bytes[16] = { markers[i] };
		assert_false(skips(bytes, sizeof(bytes)));
	}
}

static bool skips_nested(uint8_t marker, size_t levels)
{
	struct sg_buf b;

	sg_buf_init(&b, 4096);
	for (size_t i = 0; i < levels; i++) {
		sg_buf_put_u8(&b, marker);
		if (marker != 3)
			sg_buf_put_be32(&b, 1);
		if (marker != 10)
			sg_amf_put_key(&b, "k");
	}
	sg_buf_put_u8(&b, 5);
	for (size_t i = 0; i < levels && marker != 10; i++)
		sg_amf_end_object(&b);
	bool ok = skips(b.p, b.len);
	sg_buf_reset(&b);
	return ok;
}

static void values_nest_to_the_limit_and_not_one_deeper(void **state)
{
	static const uint8_t markers[] = { 3, 8, 10 };

	(void)state;
	for (size_t i = 0; i < COUNT(markers); i++) {
		assert_true(skips_nested(markers[i], SG_AMF_DEPTH_MAX));
		assert_false(skips_nested(markers[i], SG_AMF_DEPTH_MAX + 1));
		assert_false(skips_nested(markers[i], 300));
	}
}

static void an_array_that_claims_four_thousand_million_values_ends_with_its_bytes(void **state)
{
	static const struct sg_reader v = VALUE("\x0a\xff\xff\xff\xff\x05\x05\x05");

	(void)state;
	assert_false(skips(v.p, v.left));
}

static void members_are_found_by_name_at_the_top_only(void **state)
{
	struct sg_reader r = VALUE(CONNECT), object;
	struct sg_str s;
	double d;

	(void)state;
	assert_true(sg_amf_read_object(&r, &object));
	assert_int_equal(r.left, 0);
	assert_true(sg_amf_member_string(object, "app", &s));
	assert_true(sg_str_is(s, "live"));
	assert_true(sg_amf_member_string(object, "tcUrl", &s));
	assert_true(sg_str_is(s, "rtmp://h/live"));
	assert_true(sg_amf_member_number(object, "capabilities", &d));
	assert_true(d == 15);
	/* Absent, of another type, or a part of a name. */
	assert_false(sg_amf_member_string(object, "flashVer", &s));
	assert_false(sg_amf_member_string(object, "capabilities", &s));
	assert_false(sg_amf_member_number(object, "app", &d));
	assert_false(sg_amf_member_string(object, "ap", &s));
	assert_false(sg_amf_member_string(object, "", &s));
	assert_false(sg_amf_member_string(object, "inner", &s));
}

static void null_is_an_object_without_members(void **state)
{
	struct sg_reader r = VALUE("\x05\x02\0\x01x"), object;
	struct sg_str s;

	(void)state;
	assert_true(sg_amf_read_object(&r, &object));
	assert_int_equal(object.left, 0);
	assert_false(sg_amf_member_string(object, "app", &s));
	assert_true(sg_amf_read_string(&r, &s)); /* what follows is next */
	assert_true(sg_str_is(s, "x"));
}

static void what_is_written_is_what_the_specification_says(void **state)
{
	static const struct sg_reader want = VALUE("\x02\0\x03"
						   "foo\x05\x01\x01\x01\0\x03\0\x01"
						   "a\0\x3f\xf0\0\0\0\0\0\0\0\0\x09");
	struct sg_buf b;

	(void)state;
	sg_buf_init(&b, 256);
	sg_amf_put_string(&b, "foo");
	sg_amf_put_null(&b);
	sg_amf_put_bool(&b, true);
	sg_amf_put_bool(&b, false);
	sg_amf_begin_object(&b);
	sg_amf_put_key(&b, "a");
	sg_amf_put_number(&b, 1);
	sg_amf_end_object(&b);
	assert_int_equal(b.len, want.left);
	assert_memory_equal(b.p, want.p, want.left);
	sg_buf_reset(&b);
}

/* Enhanced RTMP v2: what a player can take, in both forms. */
static void lists_are_looked_into(void **state)
{
	static const struct {
		struct sg_reader object;
		bool has;
	} objects[] = {
		{ VALUE("\x03\0\x0a" "fourCcList\x0a\0\0\0\x03\x02\0\x04" "av01\0\0\0\0\0\0\0\0\0\x02\0\x04Opus\0\0\x09"), true },
		{ VALUE("\x03\0\x0a" "fourCcList\x0a\0\0\0\x01\x02\0\x04" "av01\0\0\x09"), false },
		{ VALUE("\x03\0\x0a" "fourCcList\x0a\0\0\0\0\0\0\x09"), false },
		{ VALUE("\x03\0\x0a" "fourCcList\x03\0\x04Opus\0\x3f\xf0\0\0\0\0\0\0\0\0\x09\0\0\x09"), true },
		{ VALUE("\x03\0\x0a" "fourCcList\x02\0\x04Opus\0\0\x09"), false },
		{ VALUE("\x03\0\x03" "app\x02\0\x04Opus\0\0\x09"), false },
		{ VALUE("\x05"), false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(objects); i++) {
		struct sg_reader r = objects[i].object, object;
		assert_true(sg_amf_read_object(&r, &object));
		assert_int_equal(sg_amf_member_lists(object, "fourCcList", "Opus"), objects[i].has);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_looked_into),
		cmocka_unit_test(a_number_is_a_double_in_network_order),
		cmocka_unit_test(short_and_long_strings_are_slices_with_any_bytes),
		cmocka_unit_test(a_reader_that_meets_another_type_changes_nothing),
		cmocka_unit_test(every_type_is_passed_over_whole_and_at_no_shorter_length),
		cmocka_unit_test(types_that_cannot_be_passed_over_are_refused),
		cmocka_unit_test(values_nest_to_the_limit_and_not_one_deeper),
		cmocka_unit_test(
		    an_array_that_claims_four_thousand_million_values_ends_with_its_bytes),
		cmocka_unit_test(members_are_found_by_name_at_the_top_only),
		cmocka_unit_test(null_is_an_object_without_members),
		cmocka_unit_test(what_is_written_is_what_the_specification_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
