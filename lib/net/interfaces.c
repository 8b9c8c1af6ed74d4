/* interfaces.c - the addresses of this machine's interfaces. */
#include "net/interfaces.h"
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define INTERFACES_MAX 64 /* addresses of IPv4 that are looked at */

/* netdevice(7). */
static size_t list_v4(struct sg_addr *out, size_t max, bool loopback)
{
	struct ifreq all[INTERFACES_MAX];
	struct ifconf conf = {.ifc_len = sizeof(all), .ifc_req = all};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n = 0;

	if (fd < 0)
		return 0;
	if (ioctl(fd, SIOCGIFCONF, &conf) != 0)
		conf.ifc_len = 0;
	for (size_t i = 0; n < max && i < (size_t)conf.ifc_len / sizeof(all[0]); i++) {
		struct ifreq flags = all[i];
		if (ioctl(fd, SIOCGIFFLAGS, &flags) == 0 && flags.ifr_flags & IFF_UP &&
		    !!(flags.ifr_flags & IFF_LOOPBACK) == loopback)
			out[n++] = sg_addr_from_sockaddr(&all[i].ifr_addr);
	}
	close(fd);
	return n;
}

static bool read_hex(struct sg_addr *out, const char *hex)
{
	*out = (struct sg_addr){.family = 6};
	for (size_t i = 0; i < sizeof(out->bytes); i++)
		if (sscanf(hex + 2 * i, "%2hhx", &out->bytes[i]) != 1)
			return false;
	return true;
}

/* A line each: address, interface, prefix, scope, flags, name. */
static size_t list_v6(struct sg_addr *out, size_t max, bool loopback)
{
	enum { OF_HOST = 0x10, OF_LINK = 0x20 };
	FILE *f = fopen("/proc/net/if_inet6", "re");
	char hex[33];
	unsigned scope;
	size_t n = 0;

	while (f && n < max && fscanf(f, "%32s %*x %*x %x %*x %*s", hex, &scope) == 2)
		if (scope != OF_LINK && (scope == OF_HOST) == loopback && read_hex(&out[n], hex))
			n++;
	if (f)
		fclose(f);
	return n;
}

size_t sg_interface_addresses(struct sg_addr *out, size_t max, int family, bool loopback)
{
	return (family == 6 ? list_v6 : list_v4)(out, max, loopback);
}
