/* net_fixture.h - what the tests of the loop share. */
#ifndef NET_FIXTURE_H
#define NET_FIXTURE_H

#include "media_fixture.h"
#include "net/loop.h"
#include <poll.h>

static inline struct sg_loop *loop_start(void)
{
	struct sg_loop *loop;

	assert_int_equal(sg_loop_start(&loop, "net"), SG_OK);
	return loop;
}

static inline void nothing(void *user)
{
	(void)user;
}

static inline void settle(struct sg_loop *loop)
{
	sg_loop_call(loop, nothing, NULL);
	sg_loop_call(loop, nothing, NULL);
}

static inline void assert_eof(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&p, 1, WAIT_S * 1000), 1);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
}

#endif
