/* addr.h - network addresses as values, lists of networks, listen addresses. */
#ifndef SG_BASE_ADDR_H
#define SG_BASE_ADDR_H

#include "base/bytes.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* An IPv4 address is kept as itself, an IPv4-mapped IPv6 one as IPv4. family 0 = unknown
 * (a Unix socket, say): equal only to itself and in no network. */
struct sg_addr {
	uint8_t family; /* 4, 6 or 0 */
	uint8_t bytes[16];
};
#define SG_ADDR_TEXT_SIZE 48
struct sg_addr sg_addr_from_sockaddr(const struct sockaddr *sa);
bool sg_addr_parse(struct sg_str s, struct sg_addr *out);
void sg_addr_format(char out[SG_ADDR_TEXT_SIZE], const struct sg_addr *a); /* "-" when unknown */
bool sg_addr_equal(const struct sg_addr *a, const struct sg_addr *b);
bool sg_addr_is_any(const struct sg_addr *a); /* 0.0.0.0, :: */
/* What one customer has whole: an IPv4 address as it is, of an IPv6 one the /64 (RFC 6177). */
struct sg_addr sg_addr_network(const struct sg_addr *a);

struct sg_cidr {
	struct sg_addr net;
	uint8_t bits;
};
struct sg_cidr_list {
	struct sg_cidr *items;
	size_t count;
};
bool sg_cidr_parse(struct sg_str s, struct sg_cidr *out); /* "10.0.0.0/8", "::1" */
bool sg_cidr_list_has(const struct sg_cidr_list *l, const struct sg_addr *a);

/* "0.0.0.0:5080", "[::]:5080", port 0 to 65535. */
struct sg_listen {
	struct sockaddr_storage sa;
	socklen_t len;
};
struct sg_listen_list {
	struct sg_listen *items;
	size_t count;
};
bool sg_listen_parse(struct sg_str s, struct sg_listen *out);
/* Does one take what the other wants? Port 0 is another each time. */
bool sg_listen_collides(const struct sg_listen *a, const struct sg_listen *b);
/* "127.0.0.1:5080" or "[::1]:5080". */
#define SG_ENDPOINT_TEXT_SIZE 64
void sg_endpoint_format(char out[SG_ENDPOINT_TEXT_SIZE], const struct sockaddr *sa);

#endif
