/* Feeds the readers of URLs, escapes and queries, and of addresses. */
#include "base/addr.h"
#include "base/url.h"
#include <stdlib.h>

static bool is_within(struct sg_str part, struct sg_str whole)
{
	return !part.p || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static void check_url(struct sg_str s)
{
	struct sg_url u;

	if (!sg_url_parse(s, &u))
		return;
	if (!u.scheme.len || !u.host.len || memchr(u.host.p, '@', u.host.len) ||
	    memchr(u.host.p, '/', u.host.len) || !is_within(u.userinfo, s) ||
	    !is_within(u.host, s) || !is_within(u.port, s) || !is_within(u.path, s) ||
	    !is_within(u.query, s) || !is_within(u.fragment, s))
		abort();
}

static void check_query(struct sg_str s)
{
	struct sg_str rest = s, key, value;
	char out[64];
	size_t turns = 0;

	while (sg_query_next(&rest, &key, &value))
		if (turns++ > s.len || !is_within(key, s) || !is_within(value, s) ||
		    memchr(key.p, '&', key.len))
			abort();
	if (sg_query_get(s, "token", out, sizeof(out)) == SG_OK && strlen(out) >= sizeof(out))
		abort();
}

/* What is decoded, encoded and decoded again is the same. */
static void check_escapes(struct sg_str s)
{
	char *first = malloc(s.len + 1), *second = malloc(s.len + 1), tiny[3];
	struct sg_buf b;

	sg_buf_init(&b, 3 * s.len + 1);
	if (first && second && sg_percent_decode(first, s.len + 1, s, true)) {
		sg_percent_encode(&b, sg_str_from(first));
		if (b.failed ||
		    !sg_percent_decode(
			second, s.len + 1, (struct sg_str){(char *)b.p, b.len}, false) ||
		    strcmp(first, second) != 0)
			abort();
	}
	(void)sg_percent_decode(tiny, sizeof(tiny), s, false);
	sg_buf_reset(&b);
	free(first);
	free(second);
}

static void check_addresses(struct sg_str s)
{
	char text[SG_ENDPOINT_TEXT_SIZE], plain[SG_ADDR_TEXT_SIZE];
	struct sg_listen l, again;
	struct sg_addr a, b;
	struct sg_cidr c;

	if (sg_listen_parse(s, &l)) {
		sg_endpoint_format(text, (struct sockaddr *)&l.sa);
		if (!sg_listen_parse(sg_str_from(text), &again))
			abort();
	}
	if (sg_addr_parse(s, &a)) {
		sg_addr_format(plain, &a);
		if (!sg_addr_parse(sg_str_from(plain), &b) || !sg_addr_equal(&a, &b))
			abort();
	}
	if (sg_cidr_parse(s, &c) && !sg_cidr_list_has(&(struct sg_cidr_list){&c, 1}, &c.net))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own, so that a read past the end is seen. */
	char *copy = malloc(size ? size : 1);
	struct sg_str s = {copy, size};

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	check_url(s);
	check_query(s);
	check_escapes(s);
	check_addresses(s);
	free(copy);
	return 0;
}
