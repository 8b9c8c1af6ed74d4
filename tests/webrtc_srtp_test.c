/* SRTP: sealing against the vectors of RFC 3711 and 7714 and against libsrtp2. */
#include "webrtc/srtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint8_t master_key[16] = { 0xe1, 0xf9, 0x7a, 0x0d, 0x3e, 0x01, 0x8b, 0xe0, 0xd6, 0x4f, 0xa3,
	0x2c, 0x06, 0xde, 0x41, 0x39 };
static const uint8_t master_salt[14] = { 0x0e, 0xc6, 0x75, 0xad, 0x49, 0x8a, 0xfe, 0xeb, 0xb6, 0x96,
	0x0b, 0x3a, 0xab, 0xe6 };

/* RFC 3711 appendix B.3 */
static void keys_are_derived_as_the_rfc_has_them(void **state)
{
	static const uint8_t key[] = { 0xc6, 0x1e, 0x7a, 0x93, 0x74, 0x4f, 0x39, 0xee, 0x10, 0x73, 0x4a,
		0xfe, 0x3f, 0xf7, 0xa0, 0x87 };
	static const uint8_t salt[] = { 0x30, 0xcb, 0xbc, 0x08, 0x86, 0x3d, 0x8c, 0x85, 0xd4, 0x9d, 0xb3,
		0x4a, 0x9a, 0xe1 };
	static const uint8_t auth[] = { 0xce, 0xbe, 0x32, 0x1f, 0x6f, 0xf7, 0x71, 0x6b, 0x6f, 0xd4, 0xab,
		0x49, 0xaf, 0x25, 0x6a, 0x15, 0x6d, 0x38, 0xba, 0xa4 };
	uint8_t out[32];

	(void)state;
	assert_true(sg_srtp_derive(out, 16, master_key, master_salt, 14, 0));
	assert_memory_equal(out, key, sizeof(key));
	assert_true(sg_srtp_derive(out, 20, master_key, master_salt, 14, 1));
	assert_memory_equal(out, auth, sizeof(auth));
	assert_true(sg_srtp_derive(out, 14, master_key, master_salt, 14, 2));
	assert_memory_equal(out, salt, sizeof(salt));
}

/* The packet with which libsrtp's own test compares AES_CM_128_HMAC_SHA1_80. */
static void counter_mode_gives_the_packet_known(void **state)
{
	static const uint8_t header[] = { 0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba,
		0xbe };
	static const uint8_t want[] = { 0x80, 0x0f, 0x12, 0x34, 0xde, 0xca, 0xfb, 0xad, 0xca, 0xfe, 0xba,
		0xbe, 0x4e, 0x55, 0xdc, 0x4c, 0xe7, 0x99, 0x78, 0xd8, 0x8c, 0xa4, 0xd2, 0x15, 0x94, 0x9d,
		0x24, 0x02, 0xb7, 0x8d, 0x6a, 0xcc, 0x99, 0xea, 0x17, 0x9b, 0x8d, 0xbb };
	uint8_t payload[16], out[64];
	struct sg_srtp_sealer *s;

	(void)state;
	memset(payload, 0xab, sizeof(payload));
	assert_int_equal(
	    sg_srtp_sealer_open(&s, SG_SRTP_AES128_CM_SHA1_80, master_key, master_salt), SG_OK);
	for (int again = 0; again < 2; again++) {
		size_t len = sg_srtp_seal(s, out, header, sizeof(header), payload, sizeof(payload), 0x1234);
		assert_int_equal(len, sizeof(want));
		assert_memory_equal(out, want, sizeof(want));
	}
	sg_srtp_sealer_close(s);
}

/* RFC 7714 section 16.1.1; it gives session keys. */
static void gcm_gives_the_packet_of_the_rfc(void **state)
{
	static const uint8_t header[] = { 0x80, 0x40, 0xf1, 0x7b, 0x80, 0x41, 0xf8, 0xd3, 0x55, 0x01, 0xa0,
		0xb2 };
	static const char payload[] = "Gallia est omnis divisa in partes tres";
	static const uint8_t want[] = { 0xf2, 0x4d, 0xe3, 0xa3, 0xfb, 0x34, 0xde, 0x6c, 0xac, 0xba, 0x86,
		0x1c, 0x9d, 0x7e, 0x4b, 0xca, 0xbe, 0x63, 0x3b, 0xd5, 0x0d, 0x29, 0x4e, 0x6f, 0x42, 0xa5,
		0xf4, 0x7a, 0x51, 0xc7, 0xd1, 0x9b, 0x36, 0xde, 0x3a, 0xdf, 0x88, 0x33, 0x89, 0x9d, 0x7f,
		0x27, 0xbe, 0xb1, 0x6a, 0x91, 0x52, 0xcf, 0x76, 0x5e, 0xe4, 0x39, 0x0c, 0xce };
	uint8_t key[16], out[96];
	struct sg_srtp_sealer *s;

	(void)state;
	for (int i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	assert_int_equal(sg_srtp_sealer_open_session(&s, SG_SRTP_AEAD_AES_128_GCM, key,
			     (const uint8_t *)"Quid pro quo", NULL), SG_OK);
	size_t len = sg_srtp_seal(s, out, header, sizeof(header), (const uint8_t *)payload,
	    sizeof(payload) - 1, 0xf17b);
	assert_int_equal(len, sizeof(header) + sizeof(want));
	assert_memory_equal(out, header, sizeof(header));
	assert_memory_equal(out + sizeof(header), want, sizeof(want));
	sg_srtp_sealer_close(s);
}

/* ---- between two ends: ours seals, libsrtp2 opens ---- */

struct ends {
	struct sg_srtp *client, *server;
};

static struct ends open_ends(enum sg_srtp_profile profile)
{
	struct sg_srtp_keys keys = { .profile = profile };
	struct ends e;

	for (int i = 0; i < 16; i++)
		keys.client_key[i] = (uint8_t)(i * 7 + 1), keys.server_key[i] = (uint8_t)(i * 5 + 3);
	for (int i = 0; i < 14; i++)
		keys.client_salt[i] = (uint8_t)(i * 3 + 9), keys.server_salt[i] = (uint8_t)(i * 11 + 2);
	assert_int_equal(sg_srtp_open(&e.client, &keys, true), SG_OK);
	assert_int_equal(sg_srtp_open(&e.server, &keys, false), SG_OK);
	return e;
}

static void close_ends(struct ends *e)
{
	sg_srtp_close(e->client);
	sg_srtp_close(e->server);
}

static size_t seal(struct sg_srtp *s, uint8_t *out, uint32_t ssrc, uint64_t index, size_t payload_len)
{
	uint8_t header[12] = { 0x80, 96 }, payload[1200];

	sg_put_be16(header + 2, (uint16_t)index);
	sg_put_be32(header + 8, ssrc);
	memset(payload, (int)index, sizeof(payload));
	return sg_srtp_seal(sg_srtp_sealer(s), out, header, sizeof(header), payload, payload_len, index);
}

static void what_is_sealed_is_opened(struct ends *e)
{
	uint8_t p[1300];

	/* Over the wrap of sequence numbers, with some lost on the way. */
	for (uint64_t index = 65000; index < 66100; index += index % 7 ? 1 : 3) {
		size_t len = seal(e->server, p, 0x1234, index, index % 1201);
		assert_true(len > 0);
		assert_true(sg_srtp_unprotect(e->client, p, &len));
		assert_int_equal(len, 12 + index % 1201);
		if (len > 12)
			assert_int_equal(p[12], (uint8_t)index);
	}
	size_t len = seal(e->client, p, 0x99, 5, 100), kept = len;
	uint8_t copy[1300];
	memcpy(copy, p, len);
	for (size_t bit = 0; bit < 8 * kept; bit += 5) {
		memcpy(p, copy, kept);
		p[bit / 8] ^= (uint8_t)(1u << (bit & 7));
		len = kept;
		assert_false(sg_srtp_unprotect(e->server, p, &len));
	}
	for (size_t cut = 0; cut < kept; cut++) {
		memcpy(p, copy, kept);
		len = cut;
		assert_false(sg_srtp_unprotect(e->server, p, &len));
	}
	memcpy(p, copy, kept);
	len = kept;
	assert_true(sg_srtp_unprotect(e->server, p, &len));
	memcpy(p, copy, kept);
	len = kept;
	assert_false(sg_srtp_unprotect(e->server, p, &len)); /* a replay */
}

static void rtcp_goes_both_ways(struct ends *e)
{
	const uint8_t rr[8] = { 0x80, 201, 0, 1, 1, 2, 3, 4 };
	uint8_t p[8 + SG_SRTCP_TRAILER_MAX];
	size_t len = sizeof(rr);

	memcpy(p, rr, len);
	assert_true(sg_srtp_protect_rtcp(e->client, p, &len));
	assert_true(len > sizeof(rr) && len <= sizeof(p));
	assert_true(sg_srtp_unprotect_rtcp(e->server, p, &len));
	assert_int_equal(len, sizeof(rr));
	assert_memory_equal(p, rr, len);
	assert_true(sg_srtp_protect_rtcp(e->server, p, &len));
	assert_true(sg_srtp_unprotect_rtcp(e->client, p, &len));
	p[5] ^= 1;
	assert_false(sg_srtp_unprotect_rtcp(e->client, p, &len));
}

static void a_peer_has_so_many_sources_and_no_more(struct ends *e)
{
	uint8_t p[200];

	for (uint32_t i = 0; i < SG_SRTP_SOURCES_MAX + 3; i++) {
		size_t len = seal(e->server, p, 0x10000 + i, 1, 100);
		/* One source is known already. */
		assert_int_equal(sg_srtp_unprotect(e->client, p, &len), i + 1 < SG_SRTP_SOURCES_MAX);
	}
	size_t len = seal(e->server, p, 0x10000, 2, 100);
	assert_true(sg_srtp_unprotect(e->client, p, &len));
}

static void both_ends_agree_with_gcm(void **state)
{
	struct ends e = open_ends(SG_SRTP_AEAD_AES_128_GCM);

	(void)state;
	what_is_sealed_is_opened(&e);
	rtcp_goes_both_ways(&e);
	a_peer_has_so_many_sources_and_no_more(&e);
	close_ends(&e);
}

static void both_ends_agree_with_counter_mode(void **state)
{
	struct ends e = open_ends(SG_SRTP_AES128_CM_SHA1_80);

	(void)state;
	what_is_sealed_is_opened(&e);
	rtcp_goes_both_ways(&e);
	a_peer_has_so_many_sources_and_no_more(&e);
	close_ends(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_derived_as_the_rfc_has_them),
		cmocka_unit_test(counter_mode_gives_the_packet_known),
		cmocka_unit_test(gcm_gives_the_packet_of_the_rfc),
		cmocka_unit_test(both_ends_agree_with_gcm),
		cmocka_unit_test(both_ends_agree_with_counter_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
