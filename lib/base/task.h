/* task.h - handing work from one thread to another without allocating.
 * A task is embedded in the object it is about. An executor runs it on its own thread,
 * once per post, in the order posted. Event loops (net/loop.h) are executors; so is the
 * store worker's side of the gate. */
#ifndef SG_BASE_TASK_H
#define SG_BASE_TASK_H

struct sg_task {
	struct sg_task *next; /* the executor's while queued */
	void (*run)(struct sg_task *task);
};

struct sg_executor {
	/* Thread-safe, never blocks, never runs the task before returning. */
	void (*post)(struct sg_executor *ex, struct sg_task *task);
};

#define SG_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
