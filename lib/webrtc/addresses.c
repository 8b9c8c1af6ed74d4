/* addresses.c - the addresses at which browsers can reach us. */
#include "net/interfaces.h"
#include "webrtc/rtc_internal.h"
#include <arpa/inet.h>

#define INTERFACES_MAX 64 /* addresses of one family that are looked at */

struct list {
	struct sg_sdp_address *out;
	size_t max, count;
	bool tcp;
};

static void add(struct list *l, const char *ip, uint16_t port)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->out[i].ip, ip) == 0 && l->out[i].port == port)
			return;
	if (l->count == l->max)
		return;
	struct sg_sdp_address *a = &l->out[l->count++];
	*a = (struct sg_sdp_address){ .port = port, .tcp = l->tcp };
	sg_str_copy(a->ip, sizeof(a->ip), sg_str_from(ip));
}

static void add_addr(struct list *l, const struct sg_addr *a, uint16_t port)
{
	char ip[SG_ADDR_TEXT_SIZE];

	sg_addr_format(ip, a);
	add(l, ip, port);
}

static uint16_t port_of(const struct sockaddr *sa)
{
	return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
					       : ((const struct sockaddr_in *)sa)->sin_port);
}

/* Of this machine alone only when there are no others. */
static void add_interfaces(struct list *l, int family, uint16_t port)
{
	struct sg_addr all[INTERFACES_MAX];
	size_t n = 0;

	for (int loopback = 0; loopback < 2 && !n; loopback++) {
		n = sg_interface_addresses(all, INTERFACES_MAX, family, loopback);
		for (size_t i = 0; i < n; i++)
			add_addr(l, &all[i], port);
	}
}

size_t rtc_find_candidates(struct sg_sdp_address *out, size_t max, const struct sg_listen *bound,
    size_t count, bool tcp, const char *public_ip)
{
	struct list l = { .out = out, .max = max, .tcp = tcp };

	for (size_t i = 0; i < count; i++) {
		const struct sockaddr *sa = (const struct sockaddr *)&bound[i].sa;
		struct sg_addr a = sg_addr_from_sockaddr(sa);
		if (public_ip && !!strchr(public_ip, ':') == (a.family == 6))
			add(&l, public_ip, port_of(sa));
		else if (!sg_addr_is_any(&a))
			add_addr(&l, &a, port_of(sa));
		else if (!public_ip)
			add_interfaces(&l, a.family, port_of(sa));
	}
	return l.count;
}
