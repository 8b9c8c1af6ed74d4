/* Text with a length, the cursor over wire bytes, the growing buffer. */
#include "base/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void results_have_texts(void **state)
{
	(void)state;
	assert_string_equal(sg_result_text(SG_OK), "ok");
	assert_string_equal(sg_result_text(SG_NEED_MORE), "need more input");
	assert_string_equal(sg_result_text((enum sg_result)999), "unknown result");
}

static void comparing_knows_lengths_and_ascii_case(void **state)
{
	(void)state;
	assert_true(sg_str_equal_nocase(SG_STR("Bearer"), SG_STR("bEARER")));
	assert_false(sg_str_equal_nocase(SG_STR("bear"), SG_STR("bearer")));
	/* '[' and '{' are 32 apart as letters are. */
	assert_false(sg_str_equal_nocase(SG_STR("["), SG_STR("{")));
	assert_true(sg_str_starts(SG_STR("sqlite:x"), "sqlite:"));
	assert_false(sg_str_starts(SG_STR("sql"), "sqlite:"));
	assert_true(sg_str_starts(sg_str_from(NULL), ""));
	assert_true(sg_str_ends(SG_STR("a.m3u8"), ".m3u8"));
	assert_false(sg_str_ends(SG_STR("3u8"), ".m3u8"));
}

static void cutting_leaves_absent_apart_from_empty(void **state)
{
	struct sg_str head, tail;

	(void)state;
	assert_true(sg_str_cut(SG_STR("a=b=c"), '=', &head, &tail));
	assert_true(sg_str_is(head, "a") && sg_str_is(tail, "b=c"));
	assert_true(sg_str_cut(SG_STR("a="), '=', &head, &tail));
	assert_non_null(tail.p);
	assert_int_equal(tail.len, 0);
	assert_false(sg_str_cut(SG_STR("a"), '=', &head, &tail));
	assert_true(sg_str_is(head, "a"));
	assert_null(tail.p);
	assert_false(sg_str_cut(sg_str_from(NULL), '=', &head, &tail));
}

static void a_copy_that_does_not_fit_is_told(void **state)
{
	char out[4];

	(void)state;
	assert_true(sg_str_copy(out, sizeof(out), SG_STR("abc")));
	assert_string_equal(out, "abc");
	assert_false(sg_str_copy(out, sizeof(out), SG_STR("abcd")));
	assert_string_equal(out, "abc");
	assert_false(sg_str_copy(out, sizeof(out), SG_STR("a\0b")));
	assert_string_equal(out, "a");
	assert_true(sg_str_copy(out, 1, sg_str_from(NULL)));
	assert_string_equal(out, "");
}

static void a_duplicate_ends_with_nul(void **state)
{
	char *z = sg_str_dup((struct sg_str){"abcdef", 3});

	(void)state;
	assert_string_equal(z, "abc");
	free(z);
	z = sg_str_dup(sg_str_from(NULL));
	assert_string_equal(z, "");
	free(z);
}

static void numbers_are_digits_within_bounds(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool ok;
		uint64_t value;
	} rows[] = {
	    {"0", 0, true, 0},
	    {"007", 10, true, 7},
	    {"65535", 65535, true, 65535},
	    {"65536", 65535, false, 0},
	    {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
	    {"18446744073709551616", UINT64_MAX, false, 0},
	    {"99999999999999999999999", UINT64_MAX, false, 0},
	    {"", 9, false, 0},
	    {"-1", 9, false, 0},
	    {"+1", 9, false, 0},
	    {" 1", 9, false, 0},
	    {"1 ", 9, false, 0},
	    {"0x1", 99, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t v = 42;
		bool ok = sg_str_to_u64(sg_str_from(rows[i].text), rows[i].max, &v);
		if (ok != rows[i].ok || v != (ok ? rows[i].value : 42))
			fail_msg("'%s' gave %d, %llu", rows[i].text, ok, (unsigned long long)v);
	}
}

/* The cases of RFC 3629, sections 3 and 4, at the edges of each range. */
static void utf8_is_well_formed_or_not(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
	    {"", true},
	    {"plain", true},
	    {"\xc3\xbc", true},
	    {"\xe2\x89\xa2\xce\x91.", true}, /* section 7 */
	    {"\xf0\xa3\x8e\xb4", true}, /* section 7 */
	    {"\xf4\x8f\xbf\xbf", true}, /* U+10FFFF */
	    {"\xf4\x90\x80\x80", false}, /* beyond */
	    {"\xf5\x80\x80\x80", false},
	    {"\xc0\x80", false}, /* overlong NUL, section 10 */
	    {"\xc1\xbf", false},
	    {"\xe0\x9f\xbf", false}, /* overlong */
	    {"\xf0\x8f\xbf\xbf", false}, /* overlong */
	    {"\xed\x9f\xbf", true},
	    {"\xed\xa0\x80", false}, /* a surrogate */
	    {"\xee\x80\x80", true},
	    {"\x80", false},
	    {"\xc3", false},
	    {"\xe2\x89", false},
	    {"\xf0\xa3\x8e", false},
	    {"\xe2\x89\x41", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (sg_str_is_utf8(sg_str_from(rows[i].text)) != rows[i].ok)
			fail_msg("row %zu", i);
	assert_false(sg_str_is_utf8(SG_STR("a\0b")));
}

static void reads_take_their_bytes_in_order(void **state)
{
	static const uint8_t wire[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
	    18, 19, 20, 21, 22, 23, 24, 25};
	struct sg_reader r = {wire, sizeof(wire)};
	uint8_t u8 = 0;
	uint16_t u16 = 0;
	uint32_t u24 = 0, u32 = 0, le32 = 0;
	uint64_t u64 = 0;
	const uint8_t *p = NULL;

	(void)state;
	assert_true(sg_read_u8(&r, &u8));
	assert_int_equal(u8, 1);
	assert_true(sg_read_be16(&r, &u16));
	assert_int_equal(u16, 0x0203);
	assert_true(sg_read_be24(&r, &u24));
	assert_int_equal(u24, 0x040506);
	assert_true(sg_read_be32(&r, &u32));
	assert_int_equal(u32, 0x0708090a);
	assert_true(sg_read_le32(&r, &le32));
	assert_int_equal(le32, 0x0e0d0c0b);
	assert_true(sg_read_be64(&r, &u64));
	assert_true(u64 == UINT64_C(0x0f10111213141516));
	assert_true(sg_read_skip(&r, 1));
	assert_true(sg_read_bytes(&r, 2, &p));
	assert_ptr_equal(p, wire + 23);
	assert_int_equal(r.left, 0);
}

static void a_read_that_fails_changes_nothing(void **state)
{
	static const uint8_t wire[7] = {1, 2, 3, 4, 5, 6, 7};
	uint16_t u16 = 9;
	uint32_t u32 = 9;
	uint64_t u64 = 9;
	uint8_t u8 = 9;
	const uint8_t *p = NULL;

	(void)state;
	for (size_t left = 0; left < 8; left++) {
		struct sg_reader r = {wire, left};
		if (left < 1)
			assert_false(sg_read_u8(&r, &u8));
		if (left < 2)
			assert_false(sg_read_be16(&r, &u16));
		if (left < 3)
			assert_false(sg_read_be24(&r, &u32));
		if (left < 4)
			assert_false(sg_read_be32(&r, &u32) || sg_read_le32(&r, &u32));
		assert_false(sg_read_be64(&r, &u64));
		assert_false(sg_read_bytes(&r, left + 1, &p) || sg_read_skip(&r, SIZE_MAX));
		assert_ptr_equal(r.p, wire);
		assert_int_equal(r.left, left);
	}
	assert_int_equal(u8 + u16 + u32 + u64, 36);
	assert_null(p);
	struct sg_reader none = {NULL, 0};
	assert_true(sg_read_skip(&none, 0));
}

static void puts_write_what_reads_read(void **state)
{
	static const uint8_t wire[] = {0xab, 0x01, 0x02, 0x01, 0x02, 0x03, 0x01, 0x02, 0x03, 0x04};
	struct sg_buf b;
	uint8_t le[4];

	(void)state;
	sg_buf_init(&b, 100);
	sg_buf_put_u8(&b, 0xab);
	sg_buf_put_be16(&b, 0x0102);
	sg_buf_put_be24(&b, 0x010203);
	sg_buf_put_be32(&b, 0x01020304);
	assert_false(b.failed);
	assert_int_equal(b.len, sizeof(wire));
	assert_memory_equal(b.p, wire, sizeof(wire));
	sg_put_le32(le, 0x04030201);
	assert_memory_equal(le, wire + 6, 4);
	sg_buf_reset(&b);
}

static void a_buffer_grows_up_to_its_max(void **state)
{
	struct sg_buf b;

	(void)state;
	sg_buf_init(&b, 1000);
	for (int i = 0; i < 100; i++)
		sg_buf_puts(&b, "0123456789");
	assert_false(b.failed);
	assert_int_equal(b.len, 1000);
	assert_true(b.cap <= 1000);
	sg_buf_put_u8(&b, 'x');
	assert_true(b.failed);
	assert_int_equal(b.len, 1000);
	sg_buf_reset(&b);
	assert_null(b.p);
	sg_buf_puts(&b, "again");
	assert_false(b.failed);
	assert_int_equal(b.len, 5);
	sg_buf_reset(&b);
}

static void a_failure_stays(void **state)
{
	struct sg_buf b;

	(void)state;
	sg_buf_init(&b, 4);
	sg_buf_puts(&b, "12345");
	assert_true(b.failed);
	sg_buf_puts(&b, "1");
	assert_int_equal(b.len, 0);
	assert_false(sg_buf_reserve(&b, 0));
	sg_buf_reset(&b);
	assert_false(sg_buf_reserve(&b, SIZE_MAX));
	sg_buf_reset(&b);
}

static void printing_needs_no_room_for_a_nul(void **state)
{
	char long_text[600];
	struct sg_buf b;

	(void)state;
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = 0;
	sg_buf_init(&b, 599 + 3);
	sg_buf_printf(&b, "%s", long_text);
	sg_buf_printf(&b, "%d", 123);
	assert_false(b.failed);
	assert_int_equal(b.len, 602);
	assert_memory_equal(b.p + 598, "a123", 4);
	sg_buf_printf(&b, "%s", "x");
	assert_true(b.failed);
	sg_buf_reset(&b);
}

static void consuming_drops_the_front(void **state)
{
	struct sg_buf b;

	(void)state;
	sg_buf_init(&b, 100);
	sg_buf_consume(&b, 5);
	sg_buf_puts(&b, "abcdef");
	sg_buf_consume(&b, 2);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.p, "cdef", 4);
	sg_buf_consume(&b, 100);
	assert_int_equal(b.len, 0);
	sg_buf_append(&b, NULL, 0);
	assert_false(b.failed);
	sg_buf_reset(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(results_have_texts),
	    cmocka_unit_test(comparing_knows_lengths_and_ascii_case),
	    cmocka_unit_test(cutting_leaves_absent_apart_from_empty),
	    cmocka_unit_test(a_copy_that_does_not_fit_is_told),
	    cmocka_unit_test(a_duplicate_ends_with_nul),
	    cmocka_unit_test(numbers_are_digits_within_bounds),
	    cmocka_unit_test(utf8_is_well_formed_or_not),
	    cmocka_unit_test(reads_take_their_bytes_in_order),
	    cmocka_unit_test(a_read_that_fails_changes_nothing),
	    cmocka_unit_test(puts_write_what_reads_read),
	    cmocka_unit_test(a_buffer_grows_up_to_its_max),
	    cmocka_unit_test(a_failure_stays),
	    cmocka_unit_test(printing_needs_no_room_for_a_nul),
	    cmocka_unit_test(consuming_drops_the_front),
	};

	return cmocka_run_group_tests_name("base_bytes", tests, NULL, NULL);
}
