/* The handshake: RTMP 1.0 section 5.2, and the signed kind, checked by a client's own computation. */
#include "rtmp/handshake.h"
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define PART 1536
#define DIGEST 32

/* What the clients that sign have built in: two names, and 32 bytes that follow them. */
static const char player_key[] = "Genuine Adobe Flash Player 001";
static const char server_key[] = "Genuine Adobe Flash Media Server 001";
static const uint8_t tail[32] = { 0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0,
	0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8,
	0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae };

static void hmac(
    uint8_t out[DIGEST], const void *key, size_t key_len, const uint8_t *p, size_t len)
{
	assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, p, len, out, NULL));
}

/* Where a part keeps its digest; the digest of the rest. */
static size_t digest_of(uint8_t out[DIGEST], const uint8_t *part, size_t field, const char *key)
{
	unsigned sum = part[field] + part[field + 1] + part[field + 2] + part[field + 3];
	size_t at = field + 4 + sum % 728;
	uint8_t rest[PART - DIGEST];

	for (size_t i = 0, n = 0; i < PART; i++)
		if (i < at || i >= at + DIGEST)
			rest[n++] = part[i];
	hmac(out, key, strlen(key), rest, sizeof(rest));
	return at;
}

static void make_c0c1(uint8_t c0c1[SG_RTMP_C0C1_BYTES], uint32_t version)
{
	c0c1[0] = 3;
	for (size_t i = 1; i < SG_RTMP_C0C1_BYTES; i++)
		c0c1[i] = (uint8_t)(i * 37 + i / 256);
	sg_put_be32(c0c1 + 1, 0);
	sg_put_be32(c0c1 + 5, version);
}

/* `field` 8 or 772: where the four bytes are that tell the place. They are set so that they sum up to
 * `sum`. */
static void make_signed(uint8_t c0c1[SG_RTMP_C0C1_BYTES], size_t field, unsigned sum)
{
	uint8_t digest[DIGEST], *c1 = c0c1 + 1;

	make_c0c1(c0c1, 0x80000702);
	for (int i = 0; i < 4; i++) {
		c1[field + (size_t)i] = (uint8_t)(sum > 255 ? 255 : sum);
		sum -= c1[field + (size_t)i];
	}
	size_t at = digest_of(digest, c1, field, player_key);
	memcpy(c1 + at, digest, DIGEST);
}

static bool is_signed(const uint8_t *s1, size_t field)
{
	uint8_t digest[DIGEST];
	size_t at = digest_of(digest, s1, field, server_key);

	return memcmp(digest, s1 + at, DIGEST) == 0;
}

/* ---- the claims ---- */

static void a_simple_client_gets_its_c1_back(void **state)
{
	uint8_t c0c1[SG_RTMP_C0C1_BYTES], out[SG_RTMP_S0S1S2_BYTES];

	(void)state;
	make_c0c1(c0c1, 0);
	assert_int_equal(sg_rtmp_handshake(out, c0c1), SG_OK);
	assert_int_equal(out[0], 3);
	assert_memory_equal(out + 1 + PART, c0c1 + 1, PART);
}

static void a_simple_answer_says_version_zero_and_is_random(void **state)
{
	static const uint8_t zeros[8];
	uint8_t c0c1[SG_RTMP_C0C1_BYTES], one[SG_RTMP_S0S1S2_BYTES], two[SG_RTMP_S0S1S2_BYTES];

	(void)state;
	make_c0c1(c0c1, 0);
	assert_int_equal(sg_rtmp_handshake(one, c0c1), SG_OK);
	assert_int_equal(sg_rtmp_handshake(two, c0c1), SG_OK);
	assert_memory_equal(one + 1, zeros, 8);
	assert_memory_not_equal(one + 9, two + 9, PART - 8);
}

static void a_signed_client_of_either_scheme_gets_an_answer_that_it_can_verify(void **state)
{
	static const size_t fields[] = { 8, 772 };
	static const unsigned sums[] = { 0, 1, 727, 728, 1020 };

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		uint8_t c0c1[SG_RTMP_C0C1_BYTES], out[SG_RTMP_S0S1S2_BYTES];
		uint8_t key[sizeof(server_key) - 1 + sizeof(tail)], digest[DIGEST], want[DIGEST];
		const uint8_t *s1 = out + 1, *s2 = out + 1 + PART;
		size_t field = fields[i % 2];

		make_signed(c0c1, field, sums[i / 2]);
		assert_int_equal(sg_rtmp_handshake(out, c0c1), SG_OK);
		assert_int_equal(out[0], 3);
		assert_true(s1[4] != 0); /* a version: this is not the simple kind */
		assert_true(is_signed(s1, field));
		/* S2 proves that C1's digest was read, and that its sender knows the long key. */
		memcpy(key, server_key, sizeof(server_key) - 1);
		memcpy(key + sizeof(server_key) - 1, tail, sizeof(tail));
		size_t at = digest_of(digest, c0c1 + 1, field, player_key);
		hmac(digest, key, sizeof(key), c0c1 + 1 + at, DIGEST);
		hmac(want, digest, DIGEST, s2, PART - DIGEST);
		assert_memory_equal(s2 + PART - DIGEST, want, DIGEST);
	}
}

static void a_signature_that_is_wrong_in_one_bit_gets_the_simple_answer(void **state)
{
	static const size_t fields[] = { 8, 772 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t c0c1[SG_RTMP_C0C1_BYTES], out[SG_RTMP_S0S1S2_BYTES];
		make_signed(c0c1, fields[i], 300);
		c0c1[SG_RTMP_C0C1_BYTES - 1] ^= 1;
		assert_int_equal(sg_rtmp_handshake(out, c0c1), SG_OK);
		assert_memory_equal(out + 1 + PART, c0c1 + 1, PART);
		assert_false(is_signed(out + 1, fields[i]));
	}
}

static void the_encrypted_versions_are_unsupported_and_all_others_bad(void **state)
{
	uint8_t c0c1[SG_RTMP_C0C1_BYTES], out[SG_RTMP_S0S1S2_BYTES];

	(void)state;
	make_c0c1(c0c1, 0);
	for (unsigned v = 0; v < 256; v++) {
		c0c1[0] = (uint8_t)v;
		enum sg_result want = v == 3		? SG_OK
				      : v == 6 || v == 8 ? SG_ERR_UNSUPPORTED
							 : SG_ERR_BAD_INPUT;
		assert_int_equal(sg_rtmp_handshake(out, c0c1), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_simple_client_gets_its_c1_back),
		cmocka_unit_test(a_simple_answer_says_version_zero_and_is_random),
		cmocka_unit_test(a_signed_client_of_either_scheme_gets_an_answer_that_it_can_verify),
		cmocka_unit_test(a_signature_that_is_wrong_in_one_bit_gets_the_simple_answer),
		cmocka_unit_test(the_encrypted_versions_are_unsupported_and_all_others_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
