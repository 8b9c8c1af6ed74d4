/* Event loops: listeners, and who is at the other end. */
#include "net_fixture.h"
#include "base/log.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

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

struct guest {
	struct sg_loop *loop;
	struct sg_conn *conn;
	int fd;
	char name[64];
};

static const struct sg_conn_events no_events = { nothing, nothing };

static void own_end(void *user)
{
	struct guest *p = user;

	assert_int_equal(sg_conn_open(&p->conn, p->loop, p->fd, &no_events, p), SG_OK);
	assert_int_equal(sg_conn_peer(p->conn)->family, 4);
	snprintf(p->name, sizeof(p->name), "%s", sg_conn_peer_text(p->conn));
	sg_conn_abort(p->conn);
}

static void a_peers_address_is_told_and_an_abort_resets_it(void **state)
{
	static const char *const at[] = { "127.0.0.1:0" };
	struct door d;
	struct guest p = { 0 };
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
	p.fd = d.fds[0];
	sg_loop_call(p.loop, own_end, &p);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(want, sizeof(want), "127.0.0.1:%d", ntohs(sa.sin_port));
	assert_string_equal(p.name, want);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	door_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_are_listened_on_and_the_ports_are_told),
		cmocka_unit_test(connections_are_spread_over_the_loops),
		cmocka_unit_test(an_address_in_use_is_told_with_what_to_do),
		cmocka_unit_test(an_address_that_is_not_ours_is_told),
		cmocka_unit_test(closing_while_connections_arrive_ends_them_all_first),
		cmocka_unit_test(running_out_of_descriptors_is_waited_out),
		cmocka_unit_test(a_peers_address_is_told_and_an_abort_resets_it),
	};

	return cmocka_run_group_tests_name("net: listeners", tests, NULL, NULL);
}
