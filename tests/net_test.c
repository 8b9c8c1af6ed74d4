/* Event loops: tasks, timers, connections, listeners. */
#include "media_fixture.h"
#include "base/log.h"
#include "net/loop.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct sg_loop *loop_start(void)
{
	struct sg_loop *loop;

	assert_int_equal(sg_loop_start(&loop, "net"), SG_OK);
	return loop;
}

static void nothing(void *user)
{
	(void)user;
}

static void settle(struct sg_loop *loop)
{
	sg_loop_call(loop, nothing, NULL);
	sg_loop_call(loop, nothing, NULL);
}

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

/* ---- connections ---- */

struct peer {
	struct sg_loop *loop;
	struct sg_conn *conn;
	int fd[2]; /* the conn's, ours */
	unsigned readable, writable;
	char got[64];
	ssize_t len, last;
	atomic_bool close_in_event;
	bool stop_writing;
	sem_t event;
};

static void on_readable(void *user)
{
	struct peer *p = user;

	p->readable++;
	if (p->close_in_event) {
		sg_conn_close(p->conn);
		p->conn = NULL;
		sem_post(&p->event);
		return;
	}
	p->last = sg_conn_read(p->conn, p->got + p->len, sizeof(p->got) - (size_t)p->len);
	if (p->last > 0)
		p->len += p->last;
	else
		sg_conn_want_read(p->conn, false);
	sem_post(&p->event);
}

static void on_writable(void *user)
{
	struct peer *p = user;

	p->writable++;
	if (p->stop_writing)
		sg_conn_want_write(p->conn, false);
	sem_post(&p->event);
}

static const struct sg_conn_events events = { on_readable, on_writable };

static void open_conn(void *user)
{
	struct peer *p = user;

	assert_int_equal(sg_conn_open(&p->conn, p->loop, p->fd[0], &events, p), SG_OK);
}

static void close_conn(void *user)
{
	struct peer *p = user;

	sg_conn_close(p->conn);
	p->conn = NULL;
}

static void peer_open(struct peer *p)
{
	*p = (struct peer){ .loop = loop_start(), .stop_writing = true };
	sem_init(&p->event, 0, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->fd), 0);
	assert_int_equal(fcntl(p->fd[0], F_SETFL, O_NONBLOCK), 0);
	sg_loop_call(p->loop, open_conn, p);
}

static void peer_close(struct peer *p)
{
	sg_loop_call(p->loop, close_conn, p);
	close(p->fd[1]);
	sg_loop_stop(p->loop);
}

/* Our end sees the end of what the other sends. */
static void assert_eof(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&p, 1, WAIT_S * 1000), 1);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
}

static void bytes_are_told_and_then_the_peers_end(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p);
	assert_int_equal(write(p.fd[1], "abc", 3), 3);
	await(&p.event);
	assert_int_equal(write(p.fd[1], "def", 3), 3);
	await(&p.event);
	settle(p.loop);
	assert_int_equal(p.len, 6);
	assert_memory_equal(p.got, "abcdef", 6);
	assert_int_equal(p.writable, 0); /* was not asked for */
	shutdown(p.fd[1], SHUT_WR);
	await(&p.event);
	settle(p.loop);
	assert_int_equal(p.last, -1);
	peer_close(&p);
}

/* ---- what a peer sent before its connection broke ---- */

struct sips {
	struct sg_loop *loop;
	struct sg_conn *conn;
	int fd[2];
	size_t bytes;
	sem_t over;
};

static void sip(void *user)
{
	struct sips *s = user;
	char few[16];
	ssize_t n = sg_conn_read(s->conn, few, sizeof(few));

	if (n > 0) {
		s->bytes += (size_t)n;
	} else if (n < 0) {
		sg_conn_want_read(s->conn, false);
		sem_post(&s->over);
	}
}

/* All of it is there before the loop looks. */
static void open_broken(void *user)
{
	static const struct sg_conn_events sip_events = { sip, NULL };
	struct sips *s = user;
	char bytes[100] = { 0 };

	assert_int_equal(sg_conn_open(&s->conn, s->loop, s->fd[0], &sip_events, s), SG_OK);
	assert_int_equal(write(s->fd[1], bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(write(s->fd[0], bytes, 1), 1);
	close(s->fd[1]); /* with a byte unread: not its end, but an error */
}

static void close_sips(void *user)
{
	sg_conn_close(((struct sips *)user)->conn);
}

static void a_connection_that_broke_is_read_to_its_end(void **state)
{
	struct sips s = { .loop = loop_start() };

	(void)state;
	sem_init(&s.over, 0, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s.fd), 0);
	sg_loop_call(s.loop, open_broken, &s);
	await(&s.over);
	assert_int_equal(s.bytes, 100);
	sg_loop_call(s.loop, close_sips, &s);
	sg_loop_stop(s.loop);
}

static void read_nothing(void *user)
{
	struct peer *p = user;

	p->last = sg_conn_read(p->conn, p->got, sizeof(p->got));
}

static void a_read_that_would_block_says_nought(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p);
	p.last = 7;
	sg_loop_call(p.loop, read_nothing, &p);
	assert_int_equal(p.last, 0);
	peer_close(&p);
}

static void stop_reading(void *user)
{
	sg_conn_want_read(((struct peer *)user)->conn, false);
}

static void go_on_reading(void *user)
{
	sg_conn_want_read(((struct peer *)user)->conn, true);
}

static void one_that_does_not_want_to_read_is_left_alone(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p);
	sg_loop_call(p.loop, stop_reading, &p);
	assert_int_equal(write(p.fd[1], "x", 1), 1);
	assert_false(await_within(&p.event, 50));
	assert_int_equal(p.readable, 0);
	sg_loop_call(p.loop, go_on_reading, &p);
	await(&p.event);
	settle(p.loop);
	assert_int_equal(p.len, 1);
	peer_close(&p);
}

static void fill(void *user)
{
	static char block[65536];
	struct peer *p = user;
	struct iovec iov[2] = { { block, sizeof(block) }, { block, sizeof(block) } };

	assert_int_equal(sg_conn_writev(p->conn, iov, 0), 0);
	do
		p->last = sg_conn_writev(p->conn, iov, 2);
	while (p->last > 0);
	p->writable = 0;
	sg_conn_want_write(p->conn, true);
}

static void writable_is_told_when_there_is_room_and_while_it_is_wanted(void **state)
{
	static char sink[1 << 20];
	struct peer p;

	(void)state;
	peer_open(&p);
	sg_loop_call(p.loop, fill, &p);
	assert_int_equal(p.last, 0); /* would block */
	assert_false(await_within(&p.event, 50));
	while (recv(p.fd[1], sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
	await(&p.event);
	settle(p.loop);
	assert_int_equal(p.writable, 1); /* it then said that it was enough */
	peer_close(&p);
}

static void write_to_gone(void *user)
{
	struct peer *p = user;
	struct iovec iov = { (void *)"x", 1 };

	p->last = sg_conn_writev(p->conn, &iov, 1);
}

static void writing_to_one_that_is_gone_says_so_without_a_signal(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p);
	sg_loop_call(p.loop, stop_reading, &p);
	shutdown(p.fd[1], SHUT_RDWR);
	sg_loop_call(p.loop, write_to_gone, &p);
	assert_int_equal(p.last, -1);
	peer_close(&p);
}

static void a_connection_may_be_closed_inside_its_event(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p);
	p.close_in_event = true;
	assert_int_equal(write(p.fd[1], "abc", 3), 3);
	await(&p.event);
	assert_eof(p.fd[1]);
	settle(p.loop);
	assert_int_equal(p.readable, 1);
	peer_close(&p);
}

static void finish(void *user)
{
	sg_conn_finish(((struct peer *)user)->conn);
}

static void one_that_has_finished_sends_no_more_but_reads_on(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p);
	sg_loop_call(p.loop, finish, &p);
	assert_eof(p.fd[1]);
	assert_int_equal(write(p.fd[1], "abc", 3), 3);
	await(&p.event);
	settle(p.loop);
	assert_int_equal(p.len, 3);
	peer_close(&p);
}

static void release(void *user)
{
	struct peer *p = user;

	p->last = sg_conn_release(p->conn);
	p->conn = NULL;
}

static void a_released_socket_is_open_and_no_longer_watched(void **state)
{
	struct peer p;
	char byte = 0;

	(void)state;
	peer_open(&p);
	sg_loop_call(p.loop, release, &p);
	assert_int_equal(p.last, p.fd[0]);
	assert_int_equal(write(p.fd[1], "x", 1), 1);
	assert_int_equal(read(p.fd[0], &byte, 1), 1);
	settle(p.loop);
	assert_int_equal(p.readable, 0);
	close(p.fd[0]);
	peer_close(&p);
}

/* ---- listeners ---- */

struct door {
	struct sg_loop *loops[3];
	size_t loop_count;
	struct sg_listener *listener;
	struct sg_listen items[2];
	int ports[2], bound;
	char error[256];
	atomic_uint accepted, on[3], wrong;
	int fds[1024]; /* kept open until the end */
	bool keep;
	sem_t event;
};

static void on_accepted(void *user, struct sg_loop *loop, int fd)
{
	struct door *d = user;
	int on = 0;
	socklen_t len = sizeof(on);

	if (!sg_loop_is_current(loop) || !(fcntl(fd, F_GETFL) & O_NONBLOCK) ||
	    !(fcntl(fd, F_GETFD) & FD_CLOEXEC) ||
	    getsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, &len) != 0 || !on)
		atomic_fetch_add(&d->wrong, 1);
	for (size_t i = 0; i < d->loop_count; i++)
		if (d->loops[i] == loop)
			atomic_fetch_add(&d->on[i], 1);
	unsigned n = atomic_fetch_add(&d->accepted, 1);
	if (d->keep && n < COUNT(d->fds))
		d->fds[n] = fd;
	else
		close(fd);
	sem_post(&d->event);
}

static void on_bound(void *user, const struct sockaddr *sa)
{
	struct door *d = user;

	d->ports[d->bound++] = ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
							      : ((const struct sockaddr_in *)sa)->sin_port);
}

static enum sg_result door_listen(struct door *d, const char *const *at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_true(sg_listen_parse(sg_str_from(at[i]), &d->items[i]));
	return sg_listener_open(&d->listener, &(struct sg_listen_list){ d->items, count }, d->loops,
	    d->loop_count, on_accepted, d, on_bound, d, d->error, sizeof(d->error));
}

static void door_open(struct door *d, size_t loops)
{
	memset(d, 0, sizeof(*d));
	sem_init(&d->event, 0, 0);
	for (; d->loop_count < loops; d->loop_count++)
		d->loops[d->loop_count] = loop_start();
}

static void door_close(struct door *d)
{
	sg_listener_close(d->listener);
	while (d->loop_count)
		sg_loop_stop(d->loops[--d->loop_count]);
}

static int connect_to(const char *host, int port)
{
	char text[64];
	struct sg_listen at;

	snprintf(text, sizeof(text), "%s:%d", host, port);
	assert_true(sg_listen_parse(sg_str_from(text), &at));
	int fd = socket(at.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&at.sa, at.len) == 0)
		return fd;
	close(fd);
	return -1;
}

static void both_families_are_listened_on_and_the_ports_are_told(void **state)
{
	static const char *const at[] = { "127.0.0.1:0", "[::1]:0" };
	struct door d;

	(void)state;
	door_open(&d, 1);
	assert_int_equal(door_listen(&d, at, 2), SG_OK);
	assert_int_equal(d.bound, 2);
	assert_true(d.ports[0] > 0 && d.ports[1] > 0);
	int a = connect_to("127.0.0.1", d.ports[0]), b = connect_to("[::1]", d.ports[1]);
	assert_true(a >= 0 && b >= 0);
	await(&d.event);
	await(&d.event);
	assert_eof(a);
	assert_eof(b);
	assert_int_equal(d.wrong, 0);
	close(a);
	close(b);
	door_close(&d);
	assert_int_equal(connect_to("127.0.0.1", d.ports[0]), -1);
	sg_listener_close(NULL);
}

static void connections_are_spread_over_the_loops(void **state)
{
	static const char *const at[] = { "127.0.0.1:0" };
	struct door d;
	int fds[30];

	(void)state;
	door_open(&d, 3);
	assert_int_equal(door_listen(&d, at, 1), SG_OK);
	for (size_t i = 0; i < COUNT(fds); i++)
		assert_true((fds[i] = connect_to("127.0.0.1", d.ports[0])) >= 0);
	for (size_t i = 0; i < COUNT(fds); i++) {
		await(&d.event);
		close(fds[i]);
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(d.on[i], 10);
	assert_int_equal(d.wrong, 0);
	door_close(&d);
}

static void an_address_in_use_is_told_with_what_to_do(void **state)
{
	static const char *const any[] = { "127.0.0.1:0" };
	char taken[32], want[160];
	const char *const both[] = { "[::1]:0", taken };
	struct door d, second;

	(void)state;
	door_open(&d, 1);
	door_open(&second, 1);
	assert_int_equal(door_listen(&d, any, 1), SG_OK);
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", d.ports[0]);
	assert_int_equal(door_listen(&second, both, 2), SG_ERR_IO);
	assert_null(second.listener);
	snprintf(want, sizeof(want),
	    "%s: Address already in use: stop the other server or choose another port", taken);
	assert_string_equal(second.error, want);
	door_close(&second);
	door_close(&d);
}

static void an_address_that_is_not_ours_is_told(void **state)
{
	static const char *const at[] = { "192.0.2.1:0" };
	struct door d;

	(void)state;
	door_open(&d, 1);
	assert_int_equal(door_listen(&d, at, 1), SG_ERR_IO);
	assert_non_null(strstr(d.error, "192.0.2.1:0"));
	assert_non_null(strstr(d.error, "no such address"));
	door_close(&d);
}

struct caller {
	pthread_t thread;
	int port;
	atomic_bool stop;
	atomic_uint made;
};

static void *call_again_and_again(void *arg)
{
	struct caller *c = arg;

	while (!atomic_load(&c->stop)) {
		int fd = connect_to("127.0.0.1", c->port);
		if (fd < 0)
			break;
		atomic_fetch_add(&c->made, 1);
		close(fd);
	}
	return NULL;
}

static void closing_while_connections_arrive_ends_them_all_first(void **state)
{
	static const char *const at[] = { "127.0.0.1:0" };

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct door d;
		struct caller c = { 0 };
		door_open(&d, 3);
		assert_int_equal(door_listen(&d, at, 1), SG_OK);
		c.port = d.ports[0];
		assert_int_equal(pthread_create(&c.thread, NULL, call_again_and_again, &c), 0);
		for (int i = 0; i < 10; i++)
			await(&d.event);
		sg_listener_close(d.listener);
		d.listener = NULL;
		unsigned accepted = atomic_load(&d.accepted);
		atomic_store(&c.stop, true);
		pthread_join(c.thread, NULL);
		for (size_t i = 0; i < d.loop_count; i++)
			settle(d.loops[i]);
		assert_int_equal(atomic_load(&d.accepted), accepted); /* none came after */
		assert_int_equal(d.wrong, 0);
		door_close(&d);
	}
}

/* In a process of its own: accepts until there are no descriptors, waits, gives some back. */
static int run_out_of_descriptors(void)
{
	static const char *const at[] = { "127.0.0.1:0" };
	static struct door d;
	int fds[40];
	struct rlimit limit;

	door_open(&d, 1);
	d.keep = true;
	if (door_listen(&d, at, 1) != SG_OK)
		return 2;
	/* Half of what comes can be accepted: our own ends count as well. */
	for (size_t i = 0; i < COUNT(fds); i++)
		if ((fds[i] = socket(AF_INET, SOCK_STREAM, 0)) < 0)
			return 3;
	int next = dup(0);
	close(next);
	limit.rlim_cur = limit.rlim_max = (rlim_t)next + COUNT(fds) / 2;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 4;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)d.ports[0]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (size_t i = 0; i < COUNT(fds); i++)
		if (connect(fds[i], (struct sockaddr *)&sa, sizeof(sa)) != 0)
			return 5;
	for (size_t i = 0; i < COUNT(fds) / 2; i++)
		if (!await_within(&d.event, WAIT_S * 1000))
			return 6;
	/* It pauses, and does not spin: hardly any processor time in several pauses. */
	struct timespec before, after;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	if (await_within(&d.event, 350))
		return 7;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	if ((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 > 100)
		return 8;
	for (size_t i = 0; i < COUNT(fds) / 2; i++)
		close(d.fds[i]);
	for (size_t i = 0; i < COUNT(fds) / 2; i++)
		if (!await_within(&d.event, WAIT_S * 1000))
			return 9;
	d.keep = false;
	door_close(&d);
	return 0;
}

static void running_out_of_descriptors_is_waited_out(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		sg_log_set_level(0);
		_exit(run_out_of_descriptors());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void own_end(void *user)
{
	struct peer *p = user;

	assert_int_equal(sg_conn_open(&p->conn, p->loop, p->fd[0], &events, p), SG_OK);
	assert_int_equal(sg_conn_peer(p->conn)->family, 4);
	snprintf(p->got, sizeof(p->got), "%s", sg_conn_peer_text(p->conn));
	sg_conn_abort(p->conn);
}

static void a_peers_address_is_told_and_an_abort_resets_it(void **state)
{
	static const char *const at[] = { "127.0.0.1:0" };
	struct door d;
	struct peer p = { 0 };
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	char want[32], byte;

	(void)state;
	door_open(&d, 1);
	d.keep = true;
	assert_int_equal(door_listen(&d, at, 1), SG_OK);
	int fd = connect_to("127.0.0.1", d.ports[0]);
	await(&d.event);
	p.loop = d.loops[0];
	p.fd[0] = d.fds[0];
	sg_loop_call(p.loop, own_end, &p);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(want, sizeof(want), "127.0.0.1:%d", ntohs(sa.sin_port));
	assert_string_equal(p.got, want);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	door_close(&d);
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
		cmocka_unit_test(bytes_are_told_and_then_the_peers_end),
		cmocka_unit_test(a_connection_that_broke_is_read_to_its_end),
		cmocka_unit_test(a_read_that_would_block_says_nought),
		cmocka_unit_test(one_that_does_not_want_to_read_is_left_alone),
		cmocka_unit_test(writable_is_told_when_there_is_room_and_while_it_is_wanted),
		cmocka_unit_test(writing_to_one_that_is_gone_says_so_without_a_signal),
		cmocka_unit_test(a_connection_may_be_closed_inside_its_event),
		cmocka_unit_test(one_that_has_finished_sends_no_more_but_reads_on),
		cmocka_unit_test(a_released_socket_is_open_and_no_longer_watched),
		cmocka_unit_test(both_families_are_listened_on_and_the_ports_are_told),
		cmocka_unit_test(connections_are_spread_over_the_loops),
		cmocka_unit_test(an_address_in_use_is_told_with_what_to_do),
		cmocka_unit_test(an_address_that_is_not_ours_is_told),
		cmocka_unit_test(closing_while_connections_arrive_ends_them_all_first),
		cmocka_unit_test(running_out_of_descriptors_is_waited_out),
		cmocka_unit_test(a_peers_address_is_told_and_an_abort_resets_it),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
