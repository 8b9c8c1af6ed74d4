/* Addresses, networks, listen addresses. */
#include "base/addr.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <cmocka.h>

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static struct sg_addr addr(const char *text)
{
	struct sg_addr a;

	if (!sg_addr_parse(sg_str_from(text), &a))
		fail_msg("'%s' is no address", text);
	return a;
}

static void addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} rows[] = {
	    {"127.0.0.1", "127.0.0.1"},
	    {"::1", "::1"},
	    {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"}, /* RFC 5952 */
	    {"::ffff:192.0.2.7", "192.0.2.7"},
	    {"0.0.0.0", "0.0.0.0"},
	    {"::", "::"},
	    {"1.2.3", NULL},
	    {"1.2.3.256", NULL},
	    {"010.0.0.1", NULL}, /* eight or ten? */
	    {"[::1]", NULL},
	    {"fe80::1%eth0", NULL},
	    {"localhost", NULL},
	    {"", NULL},
	    {" 127.0.0.1", NULL},
	    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", NULL},
	};
	char text[SG_ADDR_TEXT_SIZE];
	struct sg_addr a;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (sg_addr_parse(sg_str_from(rows[i].in), &a) != (rows[i].out != NULL))
			fail_msg("'%s'", rows[i].in);
		if (!rows[i].out)
			continue;
		sg_addr_format(text, &a);
		assert_string_equal(text, rows[i].out);
	}
	assert_false(sg_addr_parse(SG_STR("127.0.0.1\0"), &a));
}

static void a_mapped_address_is_the_ipv4_one(void **state)
{
	struct sg_addr plain = addr("192.0.2.7"), mapped = addr("::ffff:192.0.2.7");
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	(void)state;
	assert_true(sg_addr_equal(&plain, &mapped));
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr);
	struct sg_addr from = sg_addr_from_sockaddr((struct sockaddr *)&in6);
	assert_true(sg_addr_equal(&plain, &from));
	assert_int_equal(from.family, 4);
}

static void an_unknown_address_is_in_no_network(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sg_addr unknown = sg_addr_from_sockaddr((struct sockaddr *)&un);
	struct sg_addr zero4 = addr("0.0.0.0"), none = sg_addr_from_sockaddr(NULL);
	struct sg_cidr all[] = {
	    {.net = {.family = 4}}, {.net = {.family = 6}}, {.net = {.family = 0}}};
	struct sg_cidr_list list = {all, COUNT_OF(all)};
	char text[SG_ADDR_TEXT_SIZE];

	(void)state;
	sg_addr_format(text, &unknown);
	assert_string_equal(text, "-");
	assert_false(sg_cidr_list_has(&list, &unknown));
	assert_true(sg_addr_equal(&unknown, &none));
	assert_false(sg_addr_equal(&unknown, &zero4));
	assert_true(sg_cidr_list_has(&list, &zero4));
}

static void networks_hold_what_they_say(void **state)
{
	static const struct {
		const char *net, *in, *out;
	} rows[] = {
	    {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
	    {"10.1.2.3/8", "10.9.9.9", "9.255.255.255"}, /* bits of the host do not matter */
	    {"192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
	    {"192.0.2.6/31", "192.0.2.7", "192.0.2.8"},
	    {"192.0.2.7", "192.0.2.7", "192.0.2.6"},
	    {"0.0.0.0/0", "203.0.113.1", "2001:db8::1"},
	    {"::1", "::1", "::2"},
	    {"::/0", "2001:db8::1", "192.0.2.1"},
	    {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
	    {"::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sg_cidr c;
		assert_true(sg_cidr_parse(sg_str_from(rows[i].net), &c));
		struct sg_cidr_list list = {&c, 1};
		struct sg_addr in = addr(rows[i].in), out = addr(rows[i].out);
		if (!sg_cidr_list_has(&list, &in) || sg_cidr_list_has(&list, &out))
			fail_msg("%s", rows[i].net);
	}
	struct sg_addr a = addr("127.0.0.1");
	assert_false(sg_cidr_list_has(&(struct sg_cidr_list){0}, &a));
}

static void other_texts_are_no_networks(void **state)
{
	static const char *const rows[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129",
	    "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/0000000008", "10/8", "any",
	    "::ffff:0.0.0.0/95"};
	struct sg_cidr c;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (sg_cidr_parse(sg_str_from(rows[i]), &c))
			fail_msg("'%s' was taken", rows[i]);
}

static void listen_addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *in;
		bool ok;
	} rows[] = {
	    {"0.0.0.0:5080", true},
	    {"127.0.0.1:0", true},
	    {"[::]:5080", true},
	    {"[::1]:65535", true},
	    {"127.0.0.1:65536", false},
	    {"127.0.0.1:", false},
	    {"127.0.0.1", false},
	    {":5080", false},
	    {"5080", false},
	    {"::1:5080", false}, /* where does the port begin? */
	    {"[::1]", false},
	    {"[::1]5080", false},
	    {"[]:5080", false},
	    {"[127.0.0.1]:5080", false},
	    {"[::ffff:127.0.0.1]:5080", false}, /* sockets of IPv6 are of IPv6 alone here */
	    {"[fe80::1]:5080", false}, /* on which link? */
	    {"localhost:5080", false},
	    {"127.0.0.1:+80", false},
	    {"127.0.0.1:0080000", false},
	    {"", false},
	};
	char text[SG_ENDPOINT_TEXT_SIZE];
	struct sg_listen l;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (sg_listen_parse(sg_str_from(rows[i].in), &l) != rows[i].ok)
			fail_msg("'%s'", rows[i].in);
		if (!rows[i].ok)
			continue;
		sg_endpoint_format(text, (struct sockaddr *)&l.sa);
		assert_string_equal(text, rows[i].in);
		assert_int_equal(l.len, l.sa.ss_family == AF_INET ? sizeof(struct sockaddr_in)
								  : sizeof(struct sockaddr_in6));
	}
}

static void endpoints_without_an_address_are_a_dash(void **state)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char text[SG_ENDPOINT_TEXT_SIZE];

	(void)state;
	sg_endpoint_format(text, (struct sockaddr *)&un);
	assert_string_equal(text, "-");
}

static void a_network_is_what_one_customer_has(void **state)
{
	static const char *const rows[][2] = {{"192.0.2.7", "192.0.2.7"}, {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
	    {"::ffff:192.0.2.7", "192.0.2.7"}};
	struct sg_addr a, want;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(sg_addr_parse(sg_str_from(rows[i][0]), &a));
		assert_true(sg_addr_parse(sg_str_from(rows[i][1]), &want));
		struct sg_addr net = sg_addr_network(&a);
		assert_true(sg_addr_equal(&net, &want));
	}
}

static void any_address_is_told_from_others(void **state)
{
	static const struct {
		const char *text;
		bool any;
	} rows[] = {{"0.0.0.0", true}, {"::", true}, {"127.0.0.1", false}, {"::1", false}, {"0.0.0.1", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sg_addr a;
		assert_true(sg_addr_parse(sg_str_from(rows[i].text), &a));
		assert_int_equal(sg_addr_is_any(&a), rows[i].any);
	}
	assert_false(sg_addr_is_any(&(struct sg_addr){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_address_is_told_from_others),
		cmocka_unit_test(addresses_are_read_and_written),
	    cmocka_unit_test(a_mapped_address_is_the_ipv4_one),
	    cmocka_unit_test(an_unknown_address_is_in_no_network),
	    cmocka_unit_test(a_network_is_what_one_customer_has),
	    cmocka_unit_test(networks_hold_what_they_say),
	    cmocka_unit_test(other_texts_are_no_networks),
	    cmocka_unit_test(listen_addresses_are_read_and_written),
	    cmocka_unit_test(endpoints_without_an_address_are_a_dash),
	};

	return cmocka_run_group_tests_name("base_addr", tests, NULL, NULL);
}
