/* Encodings, hashes, durations, times, identifiers; vectors from the RFCs. */
#include "base/clock.h"
#include "base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* RFC 4648, section 10, without the padding; the last two rows use the URL alphabet. */
static const struct {
	const char *plain, *text;
} base64_rows[] = {
    {"", ""},
    {"f", "Zg"},
    {"fo", "Zm8"},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg"},
    {"fooba", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "-__-"},
    {"\xff\xef", "_-8"},
};

static void base64url_follows_rfc_4648(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(base64_rows); i++) {
		const char *plain = base64_rows[i].plain, *text = base64_rows[i].text;
		size_t len = strlen(plain);
		char out[SG_BASE64URL_SIZE(6)];
		uint8_t back[6];
		sg_base64url_encode(out, (const uint8_t *)plain, len);
		assert_string_equal(out, text);
		assert_true(sg_base64url_decode(back, len, sg_str_from(text)));
		assert_memory_equal(back, plain, len);
	}
}

static void base64url_takes_one_text_per_value(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {
	    {"Zg==", 1}, /* padding */
	    {"Zh", 1}, /* bits behind the value */
	    {"Zm9", 2}, /* the same */
	    {"Z", 1}, /* cut */
	    {"Zm8", 1}, /* longer than asked */
	    {"Zm8", 3}, /* shorter than asked */
	    {"+//+", 3}, /* the other alphabet */
	    {"Zm9v\n", 3}, /* a newline */
	    {" Zm9", 3}, /* a blank */
	    {"Zm9\xc3", 3},
	};
	uint8_t out[8];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (sg_base64url_decode(out, rows[i].len, sg_str_from(rows[i].text)))
			fail_msg("'%s' was taken", rows[i].text);
}

static const struct {
	uint64_t id;
	const char *text;
} id_rows[] = {
    /* Python: base64.b32hexencode(id.to_bytes(8, 'big')).lower().rstrip(b'=') */
    {0, "0000000000000"},
    {1, "0000000000002"},
    {15, "000000000000u"},
    {16, "0000000000010"},
    {UINT64_C(0x0123456789abcdef), "04hkaps9lf6uu"},
    {UINT64_C(0x7fffffffffffffff), "fvvvvvvvvvvvu"},
    {UINT64_MAX, "vvvvvvvvvvvvu"},
};

static void ids_are_base32hex_and_sort_as_numbers(void **state)
{
	char text[SG_ID_TEXT_SIZE], previous[SG_ID_TEXT_SIZE] = "";
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(id_rows); i++) {
		sg_id_format(text, id_rows[i].id);
		assert_string_equal(text, id_rows[i].text);
		assert_true(strcmp(previous, text) < 0);
		assert_true(sg_id_parse(sg_str_from(text), &back));
		assert_true(back == id_rows[i].id);
		memcpy(previous, text, sizeof(text));
	}
}

static void other_texts_are_no_ids(void **state)
{
	static const char *const rows[] = {"", "000000000000", "00000000000000", "0000000000001",
	    "000000000000w", "000000000000U", "00000000 0000", "000000000000-"};
	uint64_t id = 7;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (sg_id_parse(sg_str_from(rows[i]), &id))
			fail_msg("'%s' was taken", rows[i]);
	assert_true(id == 7);
}

static void assert_hex(const uint8_t *p, size_t len, const char *expected)
{
	char text[2 * SG_SHA256_BYTES + 1];

	sg_hex_encode(text, p, len);
	assert_string_equal(text, expected);
}

/* FIPS 180-2, appendix B.1 and B.2; the empty text from RFC 6234's test driver. */
static void sha256_gives_the_standards_digests(void **state)
{
	uint8_t out[SG_SHA256_BYTES];

	(void)state;
	sg_sha256(out, "abc", 3);
	assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	sg_sha256(out, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
	assert_hex(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	sg_sha256(out, NULL, 0);
	assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, cases 1, 2 and 6. */
static void hmac_gives_the_digests_of_rfc_4231(void **state)
{
	uint8_t out[SG_SHA256_BYTES], key[131];

	(void)state;
	memset(key, 0x0b, 20);
	sg_hmac_sha256(out, key, 20, "Hi There", 8);
	assert_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	sg_hmac_sha256(out, "Jefe", 4, "what do ya want for nothing?", 28);
	assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	sg_hmac_sha256(
	    out, key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54);
	assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	/* A key of no bytes is a key, not "the last one". */
	sg_hmac_sha256(out, NULL, 0, "", 0);
	assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void secrets_are_compared_wiped_and_drawn(void **state)
{
	uint8_t a[300] = {0}, b[300] = {0}, zero[300] = {0};

	(void)state;
	sg_random(a, sizeof(a));
	sg_random(b, sizeof(b));
	assert_false(sg_equal_constant_time(a, b, sizeof(a)));
	assert_true(sg_equal_constant_time(a, a, sizeof(a)));
	/* More than 256 bytes may come in pieces: the end must be filled as well. */
	assert_memory_not_equal(a + 268, zero, 32);
	sg_wipe(a, sizeof(a));
	assert_memory_equal(a, zero, sizeof(a));
	sg_wipe(NULL, 0);
}

static void durations_have_a_number_and_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {
	    {"30s", 30000},
	    {"15m", 900000},
	    {"2h", 7200000},
	    {"7d", 604800000},
	    {"350ms", 350},
	    {"0", 0},
	    {"0s", 0},
	    {"36525d", INT64_C(3155760000000)},
	    {"36526d", -1},
	    {"3155760000001ms", -1},
	    {"99999999999999999999s", -1},
	    {"9223372036854775807d", -1},
	    {"", -1},
	    {"s", -1},
	    {"30", -1},
	    {"-1s", -1},
	    {"1.5h", -1},
	    {"1h30m", -1},
	    {"30 s", -1},
	    {" 30s", -1},
	    {"30S", -1},
	    {"30sec", -1},
	    {"2w", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t ms = -1;
		if (sg_duration_parse(sg_str_from(rows[i].text), &ms) != (rows[i].ms >= 0) ||
		    ms != rows[i].ms)
			fail_msg("'%s' gave %lld", rows[i].text, (long long)ms);
	}
}

static void durations_are_written_shortest(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
	    {0, "0s"},
	    {350, "350ms"},
	    {1000, "1s"},
	    {90000, "90s"},
	    {900000, "15m"},
	    {86400000, "24h"},
	    {172800000, "2d"},
	    {604800000, "7d"},
	    {90000000, "25h"},
	    {1001, "1001ms"},
	    {-1, "-1ms"},
	    {INT64_MIN, "-9223372036854775808ms"},
	};
	char text[24];
	int64_t back;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		sg_duration_format(text, sizeof(text), rows[i].ms);
		assert_string_equal(text, rows[i].text);
		if (rows[i].ms < 0)
			continue;
		assert_true(sg_duration_parse(sg_str_from(text), &back));
		assert_true(back == rows[i].ms);
	}
}

static void times_are_rfc_3339_or_unix(void **state)
{
	static const struct {
		const char *text;
		int64_t unix_s; /* -1: refused */
	} rows[] = {
	    /* RFC 3339, section 5.8 */
	    {"1985-04-12T23:20:50.52Z", 482196050},
	    {"1996-12-19T16:39:57-08:00", 851042397},
	    {"1990-12-31T23:59:60Z", 662688000},
	    {"1990-12-31T15:59:60-08:00", 662688000},
	    {"2026-11-24T10:00:00Z", 1795514400},
	    {"2026-11-24t10:00:00z", 1795514400},
	    {"2026-11-24 12:30:00+02:30", 1795514400},
	    {"2024-02-29T00:00:00Z", 1709164800},
	    {"1970-01-01T00:00:00Z", 0},
	    {"9999-12-31T23:59:59Z", INT64_C(253402300799)},
	    {"1795514400", 1795514400},
	    {"0", 0},
	    {"253402300800", -1},
	    {"2026-02-29T00:00:00Z", -1},
	    {"2026-04-31T00:00:00Z", -1},
	    {"2026-00-01T00:00:00Z", -1},
	    {"2026-13-01T00:00:00Z", -1},
	    {"2026-01-00T00:00:00Z", -1},
	    {"2026-01-01T24:00:00Z", -1},
	    {"2026-01-01T00:60:00Z", -1},
	    {"2026-01-01T00:00:61Z", -1},
	    {"2026-01-01T00:00:00", -1},
	    {"2026-01-01T00:00Z", -1},
	    {"2026-01-01", -1},
	    {"2026-01-01T00:00:00.Z", -1},
	    {"2026-01-01T00:00:00+24:00", -1},
	    {"2026-01-01T00:00:00+0200", -1},
	    {"2026-01-01T00:00:00Zx", -1},
	    {"1969-12-31T23:59:59Z", -1},
	    {"1970-01-01T00:00:00+00:01", -1},
	    {"9999-12-31T23:59:59-00:01", -1},
	    {"-1", -1},
	    {"tomorrow", -1},
	    {"", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t at = -1;
		if (sg_time_parse(sg_str_from(rows[i].text), &at) != (rows[i].unix_s >= 0) ||
		    at != rows[i].unix_s)
			fail_msg("'%s' gave %lld", rows[i].text, (long long)at);
	}
}

static void a_time_cut_anywhere_is_refused(void **state)
{
	struct sg_str whole = SG_STR("1996-12-19T16:39:57.25-08:00");
	int64_t at;

	(void)state;
	/* Of its prefixes only "1996" is something else that is meant: Unix seconds. */
	for (size_t len = 0; len < whole.len; len++)
		if (sg_time_parse((struct sg_str){whole.p, len}, &at) && len > 4)
			fail_msg("%.*s", (int)len, whole.p);
	assert_true(sg_time_parse(whole, &at));
}

static void times_are_written_in_utc(void **state)
{
	char text[SG_TIME_TEXT_SIZE];

	(void)state;
	setenv("TZ", "America/New_York", 1);
	sg_time_format(text, 1795514400);
	assert_string_equal(text, "2026-11-24T10:00:00Z");
	sg_time_format_ms(text, INT64_C(1795514400007));
	assert_string_equal(text, "2026-11-24T10:00:00.007Z");
	sg_time_format(text, INT64_C(253402300799));
	assert_string_equal(text, "9999-12-31T23:59:59Z");
	sg_time_format(text, INT64_MAX);
	assert_string_equal(text, "9223372036854775807");
	sg_time_format_ms(text, INT64_MIN);
	unsetenv("TZ");
}

static void the_clocks_run(void **state)
{
	int64_t us = sg_mono_us(), ms = sg_mono_ms();

	(void)state;
	assert_true(ms >= us / 1000);
	assert_true(sg_mono_us() >= us);
	/* After this was written, and in the same unit as each other. */
	assert_true(sg_wall_s() > 1700000000);
	assert_true(sg_wall_ms() / 1000 - sg_wall_s() <= 0);
}

static void names_keep_to_their_alphabets(void **state)
{
	char longest[SG_STREAM_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_true(sg_app_is_valid(SG_STR("Live_1-x")));
	assert_true(sg_app_is_valid((struct sg_str){longest, SG_APP_MAX}));
	assert_false(sg_app_is_valid((struct sg_str){longest, SG_APP_MAX + 1}));
	assert_false(sg_app_is_valid(SG_STR("")) || sg_app_is_valid(SG_STR("a.b")) ||
		     sg_app_is_valid(SG_STR("a/b")) || sg_app_is_valid(SG_STR("a\0")));
	assert_true(sg_stream_is_valid(SG_STR("cam.1-x_Y")));
	assert_true(sg_stream_is_valid(SG_STR("a..b")));
	assert_true(sg_stream_is_valid((struct sg_str){longest, SG_STREAM_MAX}));
	assert_false(sg_stream_is_valid((struct sg_str){longest, SG_STREAM_MAX + 1}));
	assert_false(sg_stream_is_valid(SG_STR("")) || sg_stream_is_valid(SG_STR(".")) ||
		     sg_stream_is_valid(SG_STR("..")) || sg_stream_is_valid(SG_STR(".x")) ||
		     sg_stream_is_valid(SG_STR("a/b")) || sg_stream_is_valid(SG_STR("\xc3\xbc")) ||
		     sg_stream_is_valid(SG_STR("a b")) || sg_stream_is_valid(SG_STR("a%")));
}

static void the_nearest_word_is_found(void **state)
{
	static const char *const words[] = {
	    "listen", "tls_listen", "publish_token", "play_token", "on"};
	static const struct {
		const char *word, *nearest;
	} rows[] = {
	    {"listen", "listen"},
	    {"lissen", "listen"},
	    {"LISTEN", "listen"},
	    {"lsiten", "listen"},
	    {"tls-listen", "tls_listen"},
	    {"playtoken", "play_token"},
	    {"publsh_tken", "publish_token"},
	    {"true", NULL},
	    {"xyz", NULL}, /* three edits from "on", and nothing like it */
	    {"", NULL},
	    {"a_very_long_word_that_is_longer_than_anything_that_is_looked_up_here", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *near = sg_nearest(sg_str_from(rows[i].word), words, COUNT_OF(words));
		if (!rows[i].nearest != !near || (near && strcmp(near, rows[i].nearest) != 0))
			fail_msg("'%s' gave '%s'", rows[i].word, near ? near : "nothing");
	}
	assert_null(sg_nearest(SG_STR("x"), NULL, 0));
}

/* draft-eastlake-fnv, appendix C: 64 bits. */
static void fnv1a_is_fnv1a(void **state)
{
	(void)state;
	assert_true(sg_fnv1a(SG_FNV1A_START, NULL, 0) == UINT64_C(0xcbf29ce484222325));
	assert_true(sg_fnv1a(SG_FNV1A_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
	assert_true(sg_fnv1a(SG_FNV1A_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
	assert_true(sg_fnv1a(sg_fnv1a(SG_FNV1A_START, "foo", 3), "bar", 3) == UINT64_C(0x85944171f73967e8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(base64url_follows_rfc_4648),
	    cmocka_unit_test(base64url_takes_one_text_per_value),
	    cmocka_unit_test(ids_are_base32hex_and_sort_as_numbers),
	    cmocka_unit_test(other_texts_are_no_ids),
	    cmocka_unit_test(sha256_gives_the_standards_digests),
	    cmocka_unit_test(hmac_gives_the_digests_of_rfc_4231),
	    cmocka_unit_test(fnv1a_is_fnv1a),
	    cmocka_unit_test(secrets_are_compared_wiped_and_drawn),
	    cmocka_unit_test(durations_have_a_number_and_a_unit),
	    cmocka_unit_test(durations_are_written_shortest),
	    cmocka_unit_test(times_are_rfc_3339_or_unix),
	    cmocka_unit_test(a_time_cut_anywhere_is_refused),
	    cmocka_unit_test(times_are_written_in_utc),
	    cmocka_unit_test(the_clocks_run),
	    cmocka_unit_test(names_keep_to_their_alphabets),
	    cmocka_unit_test(the_nearest_word_is_found),
	};

	return cmocka_run_group_tests_name("base_text", tests, NULL, NULL);
}
