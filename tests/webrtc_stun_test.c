/* STUN against the vectors of RFC 5769, and what a message that is not right comes to. */
#include "webrtc/stun.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const char password[] = "VOkJxbRl1RmTxUk/WvJxBt";
#define TRANSACTION "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"

/* RFC 5769 section 2.1 */
static const char request[] = "\x00\x01\x00\x58\x21\x12\xa4\x42" TRANSACTION
			      "\x80\x22\x00\x10"
			      "STUN test client"
			      "\x00\x24\x00\x04\x6e\x00\x01\xff"
			      "\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
			      "\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20"
			      "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e"
			      "\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
			      "\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
/* 2.2 */
static const char response4[] = "\x01\x01\x00\x3c\x21\x12\xa4\x42" TRANSACTION
				"\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20"
				"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
				"\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9"
				"\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7"
				"\x80\x28\x00\x04\xc0\x7d\x4c\x96";
/* 2.3 */
static const char response6[] = "\x01\x01\x00\x48\x21\x12\xa4\x42" TRANSACTION
				"\x80\x22\x00\x0b\x74\x65\x73\x74\x20\x76\x65\x63\x74\x6f\x72\x20"
				"\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79"
				"\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
				"\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c"
				"\x82\x92\xc2\x75\xbf\xe3\xed\x41"
				"\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

#define MESSAGE(m) (const uint8_t *)(m), sizeof(m) - 1

static void the_request_of_the_rfc_is_read(void **state)
{
	struct sg_stun m;

	(void)state;
	assert_true(sg_stun_parse(&m, MESSAGE(request)));
	assert_int_equal(m.class, SG_STUN_REQUEST);
	assert_int_equal(m.method, SG_STUN_BINDING);
	assert_memory_equal(m.transaction, TRANSACTION, 12);
	assert_true(sg_str_is(m.username, "evtj:h6vY"));
	assert_true(m.has_priority && m.priority == 0x6e0001ff);
	assert_true(m.controlled && m.tie_breaker == 0x932ff9b151263b36ull);
	assert_false(m.controlling || m.use_candidate);
	assert_int_equal(m.unknown_count, 0);
	assert_true(m.has_fingerprint);
	assert_true(sg_stun_is_from(&m, (const uint8_t *)request, sg_str_from(password)));
	assert_false(sg_stun_is_from(&m, (const uint8_t *)request, SG_STR("VOkJxbRl1RmTxUk/WvJxBu")));
}

static void the_responses_of_the_rfc_are_read(void **state)
{
	struct sg_stun m;
	char text[64];

	(void)state;
	assert_true(sg_stun_parse(&m, MESSAGE(response4)));
	assert_int_equal(m.class, SG_STUN_SUCCESS);
	assert_true(sg_stun_is_from(&m, (const uint8_t *)response4, sg_str_from(password)));
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&m.mapped;
	assert_string_equal(inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text)), "192.0.2.1");
	assert_int_equal(ntohs(v4->sin_port), 32853);

	assert_true(sg_stun_parse(&m, MESSAGE(response6)));
	assert_true(sg_stun_is_from(&m, (const uint8_t *)response6, sg_str_from(password)));
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&m.mapped;
	assert_string_equal(inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text)),
	    "2001:db8:1234:5678:11:2233:4455:6677");
	assert_int_equal(ntohs(v6->sin6_port), 32853);
}

/* The vectors carry SOFTWARE, which we do not write; the mapped address within is compared. */
static void a_mapped_address_is_written_as_the_rfc_has_it(void **state)
{
	struct sg_stun_writer w;
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(32853) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(32853) };

	(void)state;
	inet_pton(AF_INET6, "2001:db8:1234:5678:11:2233:4455:6677", &v6.sin6_addr);
	inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
	sg_stun_begin(&w, SG_STUN_SUCCESS, (const uint8_t *)TRANSACTION);
	sg_stun_put_mapped(&w, (struct sockaddr *)&v6);
	assert_memory_equal(w.p + 20, response6 + 36, 24);
	sg_stun_begin(&w, SG_STUN_SUCCESS, (const uint8_t *)TRANSACTION);
	sg_stun_put_mapped(&w, (struct sockaddr *)&v4);
	assert_memory_equal(w.p, "\x01\x01", 2);
	assert_memory_equal(w.p + 20, response4 + 36, 12);
}

static void what_is_written_is_read_back(void **state)
{
	static const uint16_t odd[] = { 0x7001, 0x7002, 0x7003 };
	struct sg_stun_writer w;
	struct sg_stun m;

	(void)state;
	sg_stun_begin(&w, SG_STUN_REQUEST, (const uint8_t *)TRANSACTION);
	sg_stun_put_username(&w, SG_STR("theirs:ours"));
	sg_stun_put_role(&w, true, 0x0102030405060708ull);
	sg_stun_put_priority(&w, 7);
	sg_stun_put_use_candidate(&w);
	assert_true(sg_stun_finish(&w, SG_STR("secret")));
	assert_true(sg_stun_parse(&m, w.p, w.len));
	assert_true(sg_str_is(m.username, "theirs:ours"));
	assert_true(m.controlling && m.tie_breaker == 0x0102030405060708ull && m.use_candidate);
	assert_true(sg_stun_is_from(&m, w.p, SG_STR("secret")));
	assert_false(sg_stun_is_from(&m, w.p, SG_STR("secreu")));

	sg_stun_begin(&w, SG_STUN_ERROR, (const uint8_t *)TRANSACTION);
	sg_stun_put_error(&w, 487, "Role Conflict");
	sg_stun_put_unknown(&w, odd, 3);
	assert_true(sg_stun_finish(&w, SG_STR("secret")));
	assert_true(sg_stun_parse(&m, w.p, w.len));
	assert_int_equal(m.class, SG_STUN_ERROR);
	assert_int_equal(m.error_code, 487);
}

static void attributes_that_must_be_understood_are_told(void **state)
{
	uint8_t p[] = { 0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x70,
		0x01, 0, 1, 9, 0, 0, 0, 0xf0, 0x01, 0, 4, 1, 1, 1, 1 };
	struct sg_stun m;

	(void)state;
	assert_true(sg_stun_parse(&m, p, sizeof(p)));
	assert_int_equal(m.unknown_count, 1);
	assert_int_equal(m.unknown[0], 0x7001);
}

static void no_cut_or_flipped_message_passes(void **state)
{
	uint8_t copy[sizeof(request)];
	struct sg_stun m;

	(void)state;
	for (size_t len = 0; len < sizeof(request) - 1; len++) {
		uint8_t *cut = malloc(len + 1); /* so that a sanitizer sees a read beyond it */
		memcpy(cut, request, len);
		assert_false(sg_stun_parse(&m, cut, len));
		free(cut);
	}
	for (size_t bit = 0; bit < 8 * (sizeof(request) - 1); bit++) {
		memcpy(copy, request, sizeof(copy));
		copy[bit / 8] ^= (uint8_t)(1u << (bit & 7));
		assert_false(sg_stun_parse(&m, copy, sizeof(request) - 1) && m.has_fingerprint &&
			     sg_stun_is_from(&m, copy, sg_str_from(password)));
	}
}

static void what_does_not_fit_is_said(void **state)
{
	char name[513];
	struct sg_stun_writer w;

	(void)state;
	memset(name, 'a', sizeof(name));
	sg_stun_begin(&w, SG_STUN_REQUEST, (const uint8_t *)TRANSACTION);
	sg_stun_put_username(&w, (struct sg_str){ name, sizeof(name) });
	sg_stun_put_priority(&w, 1);
	assert_false(sg_stun_finish(&w, SG_STR("x")));
}

static void other_packets_are_not_stun(void **state)
{
	static const uint8_t dtls[30] = { 22, 0xfe, 0xfd }, rtp[30] = { 0x80, 96 }, dns[30] = { 0, 1 };

	(void)state;
	assert_false(sg_stun_is(dtls, sizeof(dtls)));
	assert_false(sg_stun_is(rtp, sizeof(rtp)));
	assert_false(sg_stun_is(dns, sizeof(dns)));
	assert_true(sg_stun_is(MESSAGE(request)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_of_the_rfc_is_read),
		cmocka_unit_test(the_responses_of_the_rfc_are_read),
		cmocka_unit_test(a_mapped_address_is_written_as_the_rfc_has_it),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(attributes_that_must_be_understood_are_told),
		cmocka_unit_test(no_cut_or_flipped_message_passes),
		cmocka_unit_test(what_does_not_fit_is_said),
		cmocka_unit_test(other_packets_are_not_stun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
