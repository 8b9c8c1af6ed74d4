/* Event loops: connections. */
#include "net_fixture.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>

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

/* Sockets of the other kind tell of each byte all the same. */
static void tcp_pair(int fd[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd[1], (struct sockaddr *)&at, len), 0);
	fd[0] = accept(listener, NULL, NULL);
	assert_int_equal(fcntl(fd[0], F_SETFL, O_NONBLOCK), 0);
	close(listener);
}

static void want_ten(void *user)
{
	sg_conn_want_at_least(((struct peer *)user)->conn, 10);
}

static void readable_may_be_told_when_there_is_enough_or_at_the_end(void **state)
{
	struct peer p = { .loop = loop_start() };

	(void)state;
	sem_init(&p.event, 0, 0);
	tcp_pair(p.fd);
	sg_loop_call(p.loop, open_conn, &p);
	sg_loop_call(p.loop, want_ten, &p);
	assert_int_equal(write(p.fd[1], "abcde", 5), 5);
	settle(p.loop);
	assert_int_equal(p.readable, 0);
	settle(p.loop); /* which knows now that it was looked at */
	assert_int_equal(write(p.fd[1], "fghij", 5), 5);
	await(&p.event);
	settle(p.loop);
	assert_int_equal(p.readable, 1);
	assert_memory_equal(p.got, "abcdefghij", 10);
	settle(p.loop);
	assert_int_equal(write(p.fd[1], "klm", 3), 3);
	shutdown(p.fd[1], SHUT_WR);
	await(&p.event);
	await(&p.event);
	settle(p.loop);
	assert_memory_equal(p.got, "abcdefghijklm", 13);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_told_and_then_the_peers_end),
		cmocka_unit_test(a_connection_that_broke_is_read_to_its_end),
		cmocka_unit_test(a_read_that_would_block_says_nought),
		cmocka_unit_test(one_that_does_not_want_to_read_is_left_alone),
		cmocka_unit_test(writable_is_told_when_there_is_room_and_while_it_is_wanted),
		cmocka_unit_test(writing_to_one_that_is_gone_says_so_without_a_signal),
		cmocka_unit_test(readable_may_be_told_when_there_is_enough_or_at_the_end),
		cmocka_unit_test(a_connection_may_be_closed_inside_its_event),
		cmocka_unit_test(one_that_has_finished_sends_no_more_but_reads_on),
		cmocka_unit_test(a_released_socket_is_open_and_no_longer_watched),
	};

	return cmocka_run_group_tests_name("net: connections", tests, NULL, NULL);
}
