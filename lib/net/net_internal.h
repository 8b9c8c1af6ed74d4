/* net_internal.h - what the files of this room share. */
#ifndef SG_NET_INTERNAL_H
#define SG_NET_INTERNAL_H

#include "net/loop.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct sg_loop {
	struct sg_executor executor;
	uv_loop_t uv;
	uv_async_t async;
	uv_prepare_t before_poll;
	uv_check_t after_poll;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the queue */
	struct sg_task *first, **last;
	/* The loop's own. `in_events`: the turn's tasks are yet to be run, after its events. */
	bool stopping, in_events;
	char name[16];
};

#endif
