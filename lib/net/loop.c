/* loop.c - the thread, its queue of tasks, timers. */
#include "net/net_internal.h"
#include "base/log.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the queue ---- */

static void post(struct sg_executor *ex, struct sg_task *task)
{
	struct sg_loop *loop = SG_CONTAINER_OF(ex, struct sg_loop, executor);
	bool will_look = sg_loop_is_current(loop) && loop->in_events;

	task->next = NULL;
	pthread_mutex_lock(&loop->lock);
	/* Else the loop has been woken and has not looked yet, or comes by anyway. */
	bool wake = !loop->first && !will_look;
	*loop->last = task;
	loop->last = &task->next;
	pthread_mutex_unlock(&loop->lock);
	if (wake)
		uv_async_send(&loop->async);
}

static void run_tasks(struct sg_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	struct sg_task *task = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	pthread_mutex_unlock(&loop->lock);
	while (task) {
		struct sg_task *next = task->next; /* the task may free or post itself */
		task->run(task);
		task = next;
	}
}

/* It only wakes: the tasks are run after the events. */
static void on_async(uv_async_t *async)
{
	(void)async;
}

static void before_poll(uv_prepare_t *prepare)
{
	struct sg_loop *loop = prepare->data;

	loop->in_events = true;
}

/* After all events of a turn: what they posted needs no waking. */
static void after_poll(uv_check_t *check)
{
	struct sg_loop *loop = check->data;

	loop->in_events = false;
	run_tasks(loop);
	if (loop->stopping)
		uv_stop(&loop->uv);
}

/* ---- the thread ---- */

static void close_own(struct sg_loop *loop)
{
	uv_close((uv_handle_t *)&loop->async, NULL);
	uv_close((uv_handle_t *)&loop->before_poll, NULL);
	uv_close((uv_handle_t *)&loop->after_poll, NULL);
}

static void close_left(uv_handle_t *handle, void *user)
{
	unsigned *left = user;

	if (uv_is_closing(handle))
		return;
	++*left;
	uv_close(handle, NULL);
}

static void *run(void *user)
{
	struct sg_loop *loop = user;
	unsigned left = 0;

	pthread_setname_np(pthread_self(), loop->name);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	run_tasks(loop);
	close_own(loop);
	uv_walk(&loop->uv, close_left, &left);
	uv_run(&loop->uv, UV_RUN_DEFAULT); /* the closing callbacks */
	if (left)
		sg_log_error("%s: %u handles were left open", loop->name, left);
	return NULL;
}

enum sg_result sg_loop_start(struct sg_loop **out, const char *name)
{
	struct sg_loop *loop = calloc(1, sizeof(*loop));

	*out = NULL;
	if (!loop)
		return SG_ERR_NO_MEMORY;
	loop->executor.post = post;
	loop->last = &loop->first;
	snprintf(loop->name, sizeof(loop->name), "%s", name);
	pthread_mutex_init(&loop->lock, NULL);
	if (uv_loop_init(&loop->uv) != 0)
		goto fail;
	if (uv_async_init(&loop->uv, &loop->async, on_async) != 0)
		goto fail_loop;
	uv_prepare_init(&loop->uv, &loop->before_poll);
	uv_check_init(&loop->uv, &loop->after_poll);
	loop->before_poll.data = loop->after_poll.data = loop;
	uv_prepare_start(&loop->before_poll, before_poll);
	uv_check_start(&loop->after_poll, after_poll);
	if (pthread_create(&loop->thread, NULL, run, loop) != 0) {
		close_own(loop);
		uv_run(&loop->uv, UV_RUN_DEFAULT);
		goto fail_loop;
	}
	*out = loop;
	return SG_OK;
fail_loop:
	uv_loop_close(&loop->uv);
fail:
	pthread_mutex_destroy(&loop->lock);
	free(loop);
	return SG_ERR_NO_MEMORY;
}

struct stop {
	struct sg_task task;
	struct sg_loop *loop;
};

static void stop_now(struct sg_task *task)
{
	SG_CONTAINER_OF(task, struct stop, task)->loop->stopping = true;
}

void sg_loop_stop(struct sg_loop *loop)
{
	if (!loop)
		return;
	struct stop stop = { .task = { .run = stop_now }, .loop = loop };
	post(&loop->executor, &stop.task);
	pthread_join(loop->thread, NULL);
	uv_loop_close(&loop->uv);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

struct sg_executor *sg_loop_executor(struct sg_loop *loop)
{
	return &loop->executor;
}

bool sg_loop_is_current(const struct sg_loop *loop)
{
	return pthread_equal(pthread_self(), loop->thread);
}

int64_t sg_loop_now_ms(struct sg_loop *loop)
{
	return (int64_t)uv_now(&loop->uv);
}

struct call {
	struct sg_task task;
	void (*fn)(void *user);
	void *user;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void call_now(struct sg_task *task)
{
	struct call *call = SG_CONTAINER_OF(task, struct call, task);

	call->fn(call->user);
	pthread_mutex_lock(&call->lock);
	call->done = true;
	pthread_cond_signal(&call->cond);
	pthread_mutex_unlock(&call->lock);
}

void sg_loop_call(struct sg_loop *loop, void (*fn)(void *user), void *user)
{
	struct call call = { .task = { .run = call_now }, .fn = fn, .user = user,
		.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

	post(&loop->executor, &call.task);
	pthread_mutex_lock(&call.lock);
	while (!call.done)
		pthread_cond_wait(&call.cond, &call.lock);
	pthread_mutex_unlock(&call.lock);
	pthread_mutex_destroy(&call.lock);
	pthread_cond_destroy(&call.cond);
}

unsigned sg_cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	int n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

/* ---- timers ---- */

struct sg_timer {
	uv_timer_t uv;
	void (*fire)(void *user);
	void *user;
};

static void on_timer(uv_timer_t *uv)
{
	struct sg_timer *t = uv->data;

	t->fire(t->user);
}

enum sg_result sg_timer_open(
    struct sg_timer **out, struct sg_loop *loop, void (*fire)(void *user), void *user)
{
	struct sg_timer *t = calloc(1, sizeof(*t));

	*out = t;
	if (!t)
		return SG_ERR_NO_MEMORY;
	uv_timer_init(&loop->uv, &t->uv);
	t->uv.data = t;
	t->fire = fire;
	t->user = user;
	return SG_OK;
}

void sg_timer_start(struct sg_timer *t, int64_t delay_ms, int64_t repeat_ms)
{
	/* libuv counts from the beginning of the turn, which may be long ago. */
	uv_update_time(t->uv.loop);
	uv_timer_start(&t->uv, on_timer, (uint64_t)delay_ms, (uint64_t)repeat_ms);
}

void sg_timer_stop(struct sg_timer *t)
{
	uv_timer_stop(&t->uv);
}

static void free_timer(uv_handle_t *handle)
{
	free(handle->data);
}

void sg_timer_close(struct sg_timer *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, free_timer);
}
