/* Event loops: tasks, timers. */
#include "net_fixture.h"

/* ---- tasks ---- */

#define POSTERS 4
#define TASKS 5000

struct numbered {
	struct sg_task task;
	struct sg_loop *loop;
	unsigned poster, n;
};

static struct {
	unsigned next[POSTERS], ran;
	bool in_order, on_loop;
} seen;

static void note_task(struct sg_task *task)
{
	struct numbered *t = SG_CONTAINER_OF(task, struct numbered, task);

	seen.in_order = seen.in_order && t->n == seen.next[t->poster];
	seen.next[t->poster]++;
	seen.on_loop = seen.on_loop && sg_loop_is_current(t->loop);
	seen.ran++;
	free(t);
}

struct poster {
	pthread_t thread;
	struct sg_loop *loop;
	unsigned number;
};

static void *post_many(void *arg)
{
	struct poster *p = arg;
	struct sg_executor *ex = sg_loop_executor(p->loop);

	for (unsigned i = 0; i < TASKS; i++) {
		struct numbered *t = malloc(sizeof(*t));
		*t = (struct numbered){ { .run = note_task }, p->loop, p->number, i };
		ex->post(ex, &t->task);
	}
	return NULL;
}

static void tasks_of_many_threads_run_on_the_loop_in_each_ones_order(void **state)
{
	struct poster posters[POSTERS];
	struct sg_loop *loop = loop_start();

	(void)state;
	memset(&seen, 0, sizeof(seen));
	seen.in_order = seen.on_loop = true;
	for (unsigned i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){ .loop = loop, .number = i };
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
	}
	for (unsigned i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	sg_loop_stop(loop); /* runs what has been posted */
	assert_int_equal(seen.ran, POSTERS * TASKS);
	assert_true(seen.in_order);
	assert_true(seen.on_loop);
}

struct again {
	struct sg_task task;
	struct sg_loop *loop;
	unsigned left;
	sem_t done;
};

static void post_again(struct sg_task *task)
{
	struct again *a = SG_CONTAINER_OF(task, struct again, task);
	struct sg_executor *ex = sg_loop_executor(a->loop);

	if (a->left--)
		ex->post(ex, task);
	else
		sem_post(&a->done);
}

static void a_task_may_post_itself(void **state)
{
	struct again a = { .task.run = post_again, .loop = loop_start(), .left = 100 };
	struct sg_executor *ex = sg_loop_executor(a.loop);

	(void)state;
	sem_init(&a.done, 0, 0);
	ex->post(ex, &a.task);
	await(&a.done);
	sg_loop_stop(a.loop);
}

struct held {
	struct sg_task task;
	sem_t entered, leave;
};

static void hold_loop(struct sg_task *task)
{
	struct held *h = SG_CONTAINER_OF(task, struct held, task);

	sem_post(&h->entered);
	sem_wait(&h->leave);
}

static void *leave_soon(void *arg)
{
	usleep(20000); /* time for the stop to be asked for */
	sem_post(&((struct held *)arg)->leave);
	return NULL;
}

static void what_a_task_posts_while_the_loop_is_being_stopped_runs_too(void **state)
{
	struct held held = { .task.run = hold_loop };
	struct again a = { .task.run = post_again, .loop = loop_start(), .left = 1 };
	struct sg_executor *ex = sg_loop_executor(a.loop);
	pthread_t thread;

	(void)state;
	sem_init(&held.entered, 0, 0);
	sem_init(&held.leave, 0, 0);
	sem_init(&a.done, 0, 0);
	ex->post(ex, &held.task);
	await(&held.entered);
	ex->post(ex, &a.task);
	assert_int_equal(pthread_create(&thread, NULL, leave_soon, &held), 0);
	sg_loop_stop(a.loop);
	pthread_join(thread, NULL);
	assert_int_equal(sem_trywait(&a.done), 0);
}

static void note_call(void *user)
{
	struct again *a = user;

	a->left = sg_loop_is_current(a->loop) ? 7 : 0;
}

static void a_call_returns_when_it_has_run_on_the_loop(void **state)
{
	struct again a = { .loop = loop_start() };

	(void)state;
	assert_false(sg_loop_is_current(a.loop));
	sg_loop_call(a.loop, note_call, &a);
	assert_int_equal(a.left, 7);
	sg_loop_stop(a.loop);
	sg_loop_stop(NULL);
}

static void there_is_a_processor(void **state)
{
	(void)state;
	assert_in_range(sg_cpu_count(), 1, 4096);
}

/* ---- timers ---- */

struct clocked {
	struct sg_loop *loop;
	struct sg_timer *timer, *other;
	int64_t delay_ms, repeat_ms, started_ms, fired_ms[64];
	unsigned fired, close_at;
	sem_t done;
};

static void on_fire(void *user)
{
	struct clocked *c = user;

	c->fired_ms[c->fired++ % COUNT(c->fired_ms)] = sg_mono_ms();
	if (c->fired == c->close_at) {
		sg_timer_close(c->timer);
		c->timer = NULL;
		sem_post(&c->done);
	}
}

static void start_timer(void *user)
{
	struct clocked *c = user;

	assert_int_equal(sg_timer_open(&c->timer, c->loop, on_fire, c), SG_OK);
	c->started_ms = sg_mono_ms();
	sg_timer_start(c->timer, c->delay_ms, c->repeat_ms);
}

static void a_timer_fires_once_after_its_delay(void **state)
{
	struct clocked c = { .loop = loop_start(), .delay_ms = 30, .close_at = 1 };

	(void)state;
	sem_init(&c.done, 0, 0);
	sg_loop_call(c.loop, start_timer, &c);
	await(&c.done);
	settle(c.loop);
	assert_int_equal(c.fired, 1);
	assert_true(c.fired_ms[0] - c.started_ms >= 29);
	sg_loop_stop(c.loop);
}

static void a_timer_repeats_until_it_is_closed_in_its_own_callback(void **state)
{
	struct clocked c = { .loop = loop_start(), .delay_ms = 1, .repeat_ms = 10, .close_at = 5 };

	(void)state;
	sem_init(&c.done, 0, 0);
	sg_loop_call(c.loop, start_timer, &c);
	await(&c.done);
	assert_false(await_within(&c.done, 50));
	assert_int_equal(c.fired, 5);
	assert_true(c.fired_ms[4] - c.started_ms >= 40);
	sg_loop_stop(c.loop);
}

static void close_before_fire(void *user)
{
	struct clocked *c = user;

	start_timer(c);
	usleep(5000); /* it is due already, but the loop has not come to it */
	sg_timer_close(c->timer);
	sg_timer_close(NULL);
}

static void stop_and_start(void *user)
{
	struct clocked *c = user;

	start_timer(c);
	sg_timer_stop(c->timer);
	sg_timer_start(c->timer, 20000, 0); /* a second start takes the place of the first */
	sg_timer_start(c->timer, 1, 0);
}

static void a_closed_timer_does_not_fire_and_a_started_one_fires_as_last_said(void **state)
{
	struct clocked closed = { .loop = loop_start(), .delay_ms = 1 },
		       again = { .loop = closed.loop, .delay_ms = 1, .close_at = 1 };

	(void)state;
	sem_init(&again.done, 0, 0);
	sg_loop_call(closed.loop, close_before_fire, &closed);
	sg_loop_call(closed.loop, stop_and_start, &again);
	await(&again.done);
	settle(closed.loop);
	assert_int_equal(closed.fired, 0);
	assert_int_equal(again.fired, 1);
	sg_loop_stop(closed.loop);
}

static void start_after_work(void *user)
{
	struct clocked *c = user;

	usleep(60000); /* the turn is long */
	start_timer(c);
}

static void a_delay_counts_from_now_and_not_from_the_turns_beginning(void **state)
{
	struct clocked c = { .loop = loop_start(), .delay_ms = 50, .close_at = 1 };

	(void)state;
	sem_init(&c.done, 0, 0);
	sg_loop_call(c.loop, start_after_work, &c);
	await(&c.done);
	assert_true(c.fired_ms[0] - c.started_ms >= 49);
	sg_loop_stop(c.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_of_many_threads_run_on_the_loop_in_each_ones_order),
		cmocka_unit_test(a_task_may_post_itself),
		cmocka_unit_test(what_a_task_posts_while_the_loop_is_being_stopped_runs_too),
		cmocka_unit_test(a_call_returns_when_it_has_run_on_the_loop),
		cmocka_unit_test(there_is_a_processor),
		cmocka_unit_test(a_timer_fires_once_after_its_delay),
		cmocka_unit_test(a_timer_repeats_until_it_is_closed_in_its_own_callback),
		cmocka_unit_test(a_closed_timer_does_not_fire_and_a_started_one_fires_as_last_said),
		cmocka_unit_test(a_delay_counts_from_now_and_not_from_the_turns_beginning),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
