/* addr.c - addresses, networks, listen addresses. */
#include "base/addr.h"
#include <arpa/inet.h>
#include <stdio.h>

/* RFC 4291, section 2.5.5.2: ::ffff:a.b.c.d is the IPv4 address a.b.c.d. */
static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
#define MAPPED_BITS 96

static struct sg_addr from_ipv4(const void *bytes)
{
	struct sg_addr a = {.family = 4};

	memcpy(a.bytes, bytes, 4);
	return a;
}

static struct sg_addr from_ipv6(const void *bytes)
{
	struct sg_addr a = {.family = 6};

	if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0)
		return from_ipv4((const uint8_t *)bytes + sizeof(mapped_prefix));
	memcpy(a.bytes, bytes, 16);
	return a;
}

static size_t addr_bytes(const struct sg_addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

struct sg_addr sg_addr_from_sockaddr(const struct sockaddr *sa)
{
	if (sa && sa->sa_family == AF_INET)
		return from_ipv4(&((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	if (sa && sa->sa_family == AF_INET6)
		return from_ipv6(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
	return (struct sg_addr){0};
}

/* `family` tells how it is written, which for a mapped address is not what it is. */
static bool parse_addr(struct sg_str s, struct sg_addr *out, int *family)
{
	char text[SG_ADDR_TEXT_SIZE];
	uint8_t raw[16];

	if (!sg_str_copy(text, sizeof(text), s))
		return false;
	if (inet_pton(AF_INET, text, raw) == 1) {
		*family = AF_INET;
		*out = from_ipv4(raw);
		return true;
	}
	if (inet_pton(AF_INET6, text, raw) != 1)
		return false;
	*family = AF_INET6;
	*out = from_ipv6(raw);
	return true;
}

bool sg_addr_parse(struct sg_str s, struct sg_addr *out)
{
	int family;

	return parse_addr(s, out, &family);
}

/* inet_ntop takes ten times as long, and every admission writes an address. */
static void format_ipv4(char *out, const uint8_t *bytes)
{
	for (int i = 0; i < 4; i++) {
		unsigned v = bytes[i];

		if (v >= 100)
			*out++ = (char)('0' + v / 100);
		if (v >= 10)
			*out++ = (char)('0' + v / 10 % 10);
		*out++ = (char)('0' + v % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

void sg_addr_format(char out[SG_ADDR_TEXT_SIZE], const struct sg_addr *a)
{
	if (a->family == 4)
		format_ipv4(out, a->bytes);
	else if (a->family != 6 || !inet_ntop(AF_INET6, a->bytes, out, SG_ADDR_TEXT_SIZE))
		memcpy(out, "-", 2);
}

bool sg_addr_is_any(const struct sg_addr *a)
{
	static const uint8_t any[sizeof(a->bytes)];

	return a->family && memcmp(a->bytes, any, sizeof(any)) == 0;
}

bool sg_addr_equal(const struct sg_addr *a, const struct sg_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, addr_bytes(a)) == 0;
}

/* ---- networks ---- */

struct sg_addr sg_addr_network(const struct sg_addr *a)
{
	struct sg_addr net = *a;

	if (net.family == 6)
		memset(net.bytes + 8, 0, 8);
	return net;
}

static void clear_host_bits(struct sg_cidr *c)
{
	for (unsigned bit = c->bits; bit < addr_bytes(&c->net) * 8; bit++)
		c->net.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

bool sg_cidr_parse(struct sg_str s, struct sg_cidr *out)
{
	struct sg_str addr, bits_text;
	struct sg_cidr c;
	int family;
	bool has_bits = sg_str_cut(s, '/', &addr, &bits_text);

	if (!parse_addr(addr, &c.net, &family))
		return false;
	uint64_t width = family == AF_INET ? 32 : 128, bits = width;
	if (has_bits && (bits_text.len > 3 || !sg_str_to_u64(bits_text, width, &bits)))
		return false;
	if (family == AF_INET6 && c.net.family == 4) {
		/* Written as a mapped network: one that is shorter would hold IPv6 as well. */
		if (bits < MAPPED_BITS)
			return false;
		bits -= MAPPED_BITS;
	}
	c.bits = (uint8_t)bits;
	clear_host_bits(&c);
	*out = c;
	return true;
}

static bool cidr_has(const struct sg_cidr *c, const struct sg_addr *a)
{
	unsigned whole = c->bits / 8, rest = c->bits % 8;

	if (a->family != c->net.family || addr_bytes(a) == 0)
		return false;
	if (memcmp(a->bytes, c->net.bytes, whole) != 0)
		return false;
	return rest == 0 || (uint8_t)(a->bytes[whole] ^ c->net.bytes[whole]) >> (8 - rest) == 0;
}

bool sg_cidr_list_has(const struct sg_cidr_list *l, const struct sg_addr *a)
{
	for (size_t i = 0; i < l->count; i++)
		if (cidr_has(&l->items[i], a))
			return true;
	return false;
}

/* ---- listen addresses ---- */

static bool listen_ipv4(const char *host, uint16_t port, struct sg_listen *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	*out = (struct sg_listen){.len = sizeof(in)};
	memcpy(&out->sa, &in, sizeof(in));
	return true;
}

/* What no socket could be bound to is no address to listen on. */
static bool listen_ipv6(const char *host, uint16_t port, struct sg_listen *out)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1 || IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) ||
	    IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
		return false;
	*out = (struct sg_listen){.len = sizeof(in6)};
	memcpy(&out->sa, &in6, sizeof(in6));
	return true;
}

bool sg_listen_parse(struct sg_str s, struct sg_listen *out)
{
	char host[SG_ADDR_TEXT_SIZE];
	uint64_t port;
	size_t colon = s.len;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon < 2)
		return false;
	struct sg_str h = {s.p, colon - 1}, port_text = {s.p + colon, s.len - colon};
	if (port_text.len > 5 || !sg_str_to_u64(port_text, 65535, &port))
		return false;
	bool brackets = h.len > 2 && h.p[0] == '[' && h.p[h.len - 1] == ']';
	if (brackets)
		h = (struct sg_str){h.p + 1, h.len - 2};
	if (!sg_str_copy(host, sizeof(host), h))
		return false;
	return (brackets ? listen_ipv6 : listen_ipv4)(host, (uint16_t)port, out);
}

static uint16_t port_of(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
}

bool sg_listen_collides(const struct sg_listen *a, const struct sg_listen *b)
{
	const struct sockaddr *x = (const struct sockaddr *)&a->sa, *y = (const struct sockaddr *)&b->sa;
	struct sg_addr one = sg_addr_from_sockaddr(x), other = sg_addr_from_sockaddr(y);

	if (one.family != other.family || port_of(x) == 0 || port_of(x) != port_of(y))
		return false;
	return sg_addr_is_any(&one) || sg_addr_is_any(&other) || sg_addr_equal(&one, &other);
}

void sg_endpoint_format(char out[SG_ENDPOINT_TEXT_SIZE], const struct sockaddr *sa)
{
	struct sg_addr a = sg_addr_from_sockaddr(sa);
	char host[SG_ADDR_TEXT_SIZE];

	sg_addr_format(host, &a);
	if (a.family == 0)
		snprintf(out, SG_ENDPOINT_TEXT_SIZE, "-");
	else
		snprintf(out, SG_ENDPOINT_TEXT_SIZE, a.family == 6 ? "[%s]:%u" : "%s:%u", host,
		    port_of(sa));
}
