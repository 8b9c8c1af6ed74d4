/* addresses.c - the addresses at which browsers can reach us. */
#include "webrtc/rtc_internal.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

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

static const void *bytes_of(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr
					 : (const void *)&((const struct sockaddr_in *)sa)->sin_addr;
}

static bool is_any(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6
		   ? IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)sa)->sin6_addr)
		   : ((const struct sockaddr_in *)sa)->sin_addr.s_addr == htonl(INADDR_ANY);
}

static uint16_t port_of(const struct sockaddr *sa)
{
	return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
					       : ((const struct sockaddr_in *)sa)->sin_port);
}

/* Those of the interfaces that are up; of this machine alone only when there are no others. */
static void add_interfaces(struct list *l, const struct ifaddrs *all, int family, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN];
	size_t before = l->count;

	for (int loopback = 0; loopback < 2 && l->count == before; loopback++) {
		for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
			if (!i->ifa_addr || i->ifa_addr->sa_family != family || !(i->ifa_flags & IFF_UP) ||
			    !!(i->ifa_flags & IFF_LOOPBACK) != loopback)
				continue;
			if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(
						      &((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr))
				continue;
			if (inet_ntop(family, bytes_of(i->ifa_addr), ip, sizeof(ip)))
				add(l, ip, port);
		}
	}
}

size_t rtc_find_candidates(struct sg_sdp_address *out, size_t max, const struct sg_listen *bound,
    size_t count, bool tcp, const char *public_ip)
{
	struct list l = { .out = out, .max = max, .tcp = tcp };
	struct ifaddrs *all = NULL;
	char ip[INET6_ADDRSTRLEN];

	if (!public_ip && getifaddrs(&all) != 0)
		all = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct sockaddr *sa = (const struct sockaddr *)&bound[i].sa;
		bool of_public = public_ip && !!strchr(public_ip, ':') == (sa->sa_family == AF_INET6);
		if (of_public)
			add(&l, public_ip, port_of(sa));
		else if (!is_any(sa) && inet_ntop(sa->sa_family, bytes_of(sa), ip, sizeof(ip)))
			add(&l, ip, port_of(sa));
		else
			add_interfaces(&l, all, sa->sa_family, port_of(sa));
	}
	if (all)
		freeifaddrs(all);
	return l.count;
}
