/* addresses.c - the addresses at which browsers can reach us.
 *
 * Those of the interfaces are asked for by ioctl(2) and read from /proc: getifaddrs(3) speaks netlink, which a service
 * that may open sockets of the internet alone (RestrictAddressFamilies of our unit) is not allowed to. */
#include "webrtc/rtc_internal.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INTERFACES_MAX 64 /* addresses of IPv4 that are looked at */

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

static void add_bytes(struct list *l, int family, const void *bytes, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN];

	if (inet_ntop(family, bytes, ip, sizeof(ip)))
		add(l, ip, port);
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

/* ---- of the interfaces ---- */

/* netdevice(7). */
static void add_v4(struct list *l, uint16_t port, bool loopback)
{
	struct ifreq all[INTERFACES_MAX];
	struct ifconf conf = { .ifc_len = sizeof(all), .ifc_req = all };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCGIFCONF, &conf) != 0)
		conf.ifc_len = 0;
	for (size_t i = 0; i < (size_t)conf.ifc_len / sizeof(all[0]); i++) {
		struct ifreq flags = all[i];
		if (ioctl(fd, SIOCGIFFLAGS, &flags) == 0 && flags.ifr_flags & IFF_UP &&
		    !!(flags.ifr_flags & IFF_LOOPBACK) == loopback)
			add_bytes(l, AF_INET, bytes_of(&all[i].ifr_addr), port);
	}
	close(fd);
}

static bool read_hex(struct in6_addr *out, const char *hex)
{
	for (size_t i = 0; i < sizeof(out->s6_addr); i++)
		if (sscanf(hex + 2 * i, "%2hhx", &out->s6_addr[i]) != 1)
			return false;
	return true;
}

/* A line each: address, interface, prefix, scope, flags, name. Those of a link alone are of no use to browsers. */
static void add_v6(struct list *l, uint16_t port, bool loopback)
{
	enum { OF_HOST = 0x10, OF_LINK = 0x20 };
	FILE *f = fopen("/proc/net/if_inet6", "re");
	struct in6_addr address;
	char hex[33];
	unsigned scope;

	while (f && fscanf(f, "%32s %*x %*x %x %*x %*s", hex, &scope) == 2)
		if (scope != OF_LINK && (scope == OF_HOST) == loopback && read_hex(&address, hex))
			add_bytes(l, AF_INET6, &address, port);
	if (f)
		fclose(f);
}

/* Those that are up; of this machine alone only when there are no others. */
static void add_interfaces(struct list *l, int family, uint16_t port)
{
	size_t before = l->count;

	for (int loopback = 0; loopback < 2 && l->count == before; loopback++)
		(family == AF_INET6 ? add_v6 : add_v4)(l, port, loopback);
}

size_t rtc_find_candidates(struct sg_sdp_address *out, size_t max, const struct sg_listen *bound,
    size_t count, bool tcp, const char *public_ip)
{
	struct list l = { .out = out, .max = max, .tcp = tcp };

	for (size_t i = 0; i < count; i++) {
		const struct sockaddr *sa = (const struct sockaddr *)&bound[i].sa;
		bool of_public = public_ip && !!strchr(public_ip, ':') == (sa->sa_family == AF_INET6);
		if (of_public)
			add(&l, public_ip, port_of(sa));
		else if (!is_any(sa))
			add_bytes(&l, sa->sa_family, bytes_of(sa), port_of(sa));
		else if (!public_ip)
			add_interfaces(&l, sa->sa_family, port_of(sa));
	}
	return l.count;
}
