/* interfaces.h - the addresses of this machine's interfaces, at which others may reach it. Any thread.
 *
 * They are asked for by ioctl(2) and read from /proc: getifaddrs(3) speaks netlink, which a service that may open
 * sockets of the internet alone (RestrictAddressFamilies of our unit) is not allowed to. */
#ifndef SG_NET_INTERFACES_H
#define SG_NET_INTERFACES_H

#include "base/addr.h"

/* Those of a family (4 or 6) that are up, at most `max`: of the loopback interface, or of all others; of IPv6 not those
 * of a link alone. Answers how many; none where the machine does not tell. */
size_t sg_interface_addresses(struct sg_addr *out, size_t max, int family, bool loopback);

#endif
