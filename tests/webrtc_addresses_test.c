/* Our candidates: the addresses at which browsers can reach us, also where little is allowed. */
#include "webrtc/rtc_internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define MOST 64
#define PORT 50000

static struct sg_listen any(int family)
{
	struct sg_listen at = { 0 };

	at.sa.ss_family = (sa_family_t)family;
	((struct sockaddr_in *)&at.sa)->sin_port = htons(PORT); /* at the same place in both families */
	return at;
}

static bool names(const struct sg_sdp_address *list, size_t count, const char *ip)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i].ip, ip))
			return true;
	return false;
}

/* What getifaddrs tells, which is not asked. */
static size_t count_others(int family, const struct sg_sdp_address *list, size_t count, bool loopback)
{
	struct ifaddrs *all;
	char ip[INET6_ADDRSTRLEN];
	size_t n = 0;

	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != family || !(i->ifa_flags & IFF_UP) ||
		    !!(i->ifa_flags & IFF_LOOPBACK) != loopback)
			continue;
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr;
		if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(v6))
			continue;
		const void *bytes = family == AF_INET6 ? (const void *)v6
						       : &((const struct sockaddr_in *)i->ifa_addr)->sin_addr;
		assert_non_null(inet_ntop(family, bytes, ip, sizeof(ip)));
		assert_true(names(list, count, ip));
		n++;
	}
	freeifaddrs(all);
	return n;
}

static void every_address_of_the_interfaces_is_named(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct sg_sdp_address list[MOST];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct sg_listen at = any(families[i]);
		size_t count = rtc_find_candidates(list, MOST, &at, 1, false, NULL);
		size_t others = count_others(families[i], list, count, false);
		if (!others) /* loopback alone */
			others = count_others(families[i], list, count, true);
		assert_int_equal(count, others);
		for (size_t k = 0; k < count; k++)
			assert_int_equal(list[k].port, PORT);
	}
}

/* As RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX of our unit does it. */
static bool restrict_families(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 && socket(AF_NETLINK, SOCK_RAW, 0) < 0;
}

static bool is_the_same(const struct sg_sdp_address *a, const struct sg_sdp_address *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(a[i].ip, b[i].ip) != 0 || a[i].port != b[i].port || a[i].tcp != b[i].tcp)
			return false;
	return true;
}

static void they_are_found_without_netlink(void **state)
{
	const struct sg_listen at[] = { any(AF_INET), any(AF_INET6) };
	struct sg_sdp_address want[MOST], have[MOST];
	size_t count = rtc_find_candidates(want, MOST, at, 2, true, NULL);
	int status = -1;

	(void)state;
	assert_true(count);
	pid_t child = fork();
	if (!child) {
		bool same = restrict_families() && rtc_find_candidates(have, MOST, at, 2, true, NULL) == count &&
			    is_the_same(want, have, count);
		_exit(same ? 0 : 1);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
}

static void what_is_bound_or_told_is_taken_as_it_is(void **state)
{
	struct sg_sdp_address list[MOST];
	struct sg_listen at[] = { any(AF_INET), any(AF_INET6) };

	(void)state;
	assert_int_equal(rtc_find_candidates(list, MOST, at, 2, false, "198.51.100.7"), 1);
	assert_string_equal(list[0].ip, "198.51.100.7");
	inet_pton(AF_INET, "192.0.2.9", &((struct sockaddr_in *)&at[0].sa)->sin_addr);
	inet_pton(AF_INET6, "2001:db8::9", &((struct sockaddr_in6 *)&at[1].sa)->sin6_addr);
	assert_int_equal(rtc_find_candidates(list, MOST, at, 2, false, NULL), 2);
	assert_string_equal(list[0].ip, "192.0.2.9");
	assert_string_equal(list[1].ip, "2001:db8::9");
	assert_int_equal(rtc_find_candidates(list, 1, at, 2, false, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_of_the_interfaces_is_named),
		cmocka_unit_test(they_are_found_without_netlink),
		cmocka_unit_test(what_is_bound_or_told_is_taken_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
