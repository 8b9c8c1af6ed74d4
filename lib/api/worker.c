/* worker.c - one thread and its queue. */
#include "api/api_internal.h"

static void *work(void *arg)
{
	struct api_worker *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!w->head && !w->stop)
			pthread_cond_wait(&w->wake, &w->lock);
		struct sg_task *task = w->head;
		if (!task)
			break;
		if (!(w->head = task->next))
			w->tail = &w->head;
		pthread_mutex_unlock(&w->lock);
		task->run(task);
		pthread_mutex_lock(&w->lock);
		w->count--; /* what is under way counts as well */
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

enum sg_result api_worker_open(struct api_worker *w, const char *name)
{
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->tail = &w->head;
	if (pthread_create(&w->thread, NULL, work, w) != 0)
		return SG_ERR_NO_MEMORY;
	pthread_setname_np(w->thread, name);
	w->running = true;
	return SG_OK;
}

bool api_worker_post(struct api_worker *w, struct sg_task *task)
{
	pthread_mutex_lock(&w->lock);
	bool fits = w->count < API_PASSWORDS_MAX && !w->stop;
	if (fits) {
		task->next = NULL;
		*w->tail = task;
		w->tail = &task->next;
		w->count++;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	return fits;
}

size_t api_worker_count(struct api_worker *w)
{
	pthread_mutex_lock(&w->lock);
	size_t count = w->count;
	pthread_mutex_unlock(&w->lock);
	return count;
}

void api_worker_close(struct api_worker *w)
{
	if (w->running) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
}
