/* The log: a line is one write, cannot be forged, and holds no secret. */
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* Standard error is a datagram socket while a test runs: each read is one write. */
static int lines_fd, saved_stderr;

static int catch_stderr(void **state)
{
	int pair[2], size = 1 << 20;

	(void)state;
	unsetenv("JOURNAL_STREAM");
	sg_log_set_level(SG_LOG_INFO);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0)
		return -1;
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	lines_fd = pair[0];
	fcntl(lines_fd, F_SETFL, O_NONBLOCK);
	saved_stderr = dup(STDERR_FILENO);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	return 0;
}

static int release_stderr(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(lines_fd);
	return 0;
}

/* The next write, NUL-terminated; "" when there was none. */
static const char *next_write(void)
{
	static char buf[8192];
	ssize_t n = recv(lines_fd, buf, sizeof(buf) - 1, 0);

	buf[n > 0 ? n : 0] = 0;
	return buf;
}

static void a_line_has_time_and_level(void **state)
{
	int y, mo, d, h, mi, s, ms, end = 0;

	(void)state;
	sg_log_warning("disk %d%% full", 90);
	const char *line = next_write();
	assert_int_equal(
	    sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &y, &mo, &d, &h, &mi, &s, &ms, &end),
	    7);
	assert_int_equal(end, 25);
	assert_string_equal(line + end, "warning: disk 90% full\n");
	assert_string_equal(next_write(), "");
}

static void under_systemd_a_line_has_its_priority(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:1234", 1);
	sg_log_set_level(SG_LOG_DEBUG);
	sg_log_error("a");
	assert_string_equal(next_write(), "<3>a\n");
	sg_log_warning("b");
	assert_string_equal(next_write(), "<4>b\n");
	sg_log_info("c");
	assert_string_equal(next_write(), "<6>c\n");
	sg_log_debug("d");
	assert_string_equal(next_write(), "<7>d\n");
}

static void what_is_above_the_level_is_left_out(void **state)
{
	(void)state;
	sg_log_debug("x");
	assert_string_equal(next_write(), "");
	sg_log_set_level(SG_LOG_ERROR);
	sg_log_warning("x");
	assert_string_equal(next_write(), "");
	sg_log_error("x");
	assert_string_not_equal(next_write(), "");
}

static void a_peer_cannot_forge_a_line(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:1234", 1);
	sg_log_info("from %s", "a\n<3>forged\r\t\x1b[2J\x7f");
	assert_string_equal(next_write(), "<6>from a\\x0a<3>forged\\x0d\\x09\\x1b[2J\\x7f\n");
	/* C1 controls, and bytes that are no UTF-8; what is UTF-8 stays readable. */
	sg_log_info("\xc2\x9b"
		    "2J \xff\xc3 \xc3\xbc\xe2\x82\xac\xf0\x9f\x8e\xa5 \xf0\x9f");
	assert_string_equal(next_write(),
	    "<6>\\xc2\\x9b"
	    "2J \\xff\\xc3 \xc3\xbc\xe2\x82\xac\xf0\x9f\x8e\xa5 \\xf0\\x9f\n");
}

static void secrets_are_taken_out(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:1234", 1);
	sg_log_info("play %s", "/live/streams/cam.flv?token=ABC");
	assert_string_equal(next_write(), "<6>play /live/streams/cam.flv?token=[redacted]\n");
}

static void a_long_line_is_cut_and_stays_one_line(void **state)
{
	char text[5000];

	(void)state;
	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = 0;
	sg_log_info("%s", text);
	size_t len = strlen(next_write());
	assert_in_range(len, 4000, 4096);
	memset(text, '\x01', sizeof(text) - 1);
	sg_log_info("%s", text);
	const char *line = next_write();
	assert_in_range(strlen(line), 4000, 4096);
	assert_int_equal(line[strlen(line) - 1], '\n');
	assert_string_equal(next_write(), "");
}

/* Wherever the cut goes through a token, no piece of it is left. */
static void a_cut_line_ends_in_no_piece_of_a_token(void **state)
{
	char text[4200];

	(void)state;
	setenv("JOURNAL_STREAM", "8:1234", 1); /* the short prefix, so that the end is in sight */
	for (size_t at = 4095 - 40; at < 4095 + 4; at++) {
		memset(text, ' ', sizeof(text));
		memcpy(text + at, "AZP5nq2_cQ8tVn4-xJf0aBcDeFgHiJkL", 32);
		text[sizeof(text) - 1] = 0;
		sg_log_info("%s", text);
		if (strstr(next_write(), "AZ"))
			fail_msg("a token at %zu is left", at);
	}
}

static void errno_is_left_alone(void **state)
{
	(void)state;
	errno = ENOENT;
	sg_log_info("x");
	assert_int_equal(errno, ENOENT);
	close(STDERR_FILENO);
	sg_log_info("nobody listens");
	assert_int_equal(errno, ENOENT);
}

static void a_budget_allows_five_lines_a_second(void **state)
{
	struct sg_log_budget b = {0};
	unsigned left_out;

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_true(sg_log_allow(&b, &left_out));
		assert_int_equal(left_out, 0);
	}
	for (int i = 0; i < 7; i++)
		assert_false(sg_log_allow(&b, &left_out));
	b.window_ms -= 1000; /* a second later */
	assert_true(sg_log_allow(&b, &left_out));
	assert_int_equal(left_out, 7);
	assert_true(sg_log_allow(&b, &left_out));
	assert_int_equal(left_out, 0);
}

static void a_limited_line_tells_how_many_it_stands_for(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "8:1234", 1);
	for (int i = 0; i < 20; i++)
		sg_log_limited(SG_LOG_INFO, "line %d", i);
	for (int i = 0; i < 5; i++) {
		char expected[32];
		snprintf(expected, sizeof(expected), "<6>line %d\n", i);
		assert_string_equal(next_write(), expected);
	}
	assert_string_equal(next_write(), "");
}

struct shared_budget {
	struct sg_log_budget budget;
	unsigned allowed;
};

static void *spend(void *arg)
{
	struct shared_budget *s = arg;
	unsigned left_out;

	for (int i = 0; i < 1000; i++)
		if (sg_log_allow(&s->budget, &left_out))
			__atomic_fetch_add(&s->allowed, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void threads_share_a_budget(void **state)
{
	struct shared_budget s = {.allowed = 0};
	pthread_t threads[4];
	struct timespec from, to;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, spend, &s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &to);
	/* Five for each window that was begun; on a slow machine there may be several. */
	assert_in_range(s.allowed, 5, 5 * (unsigned)(to.tv_sec - from.tv_sec + 2));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, catch_stderr, release_stderr)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_line_has_time_and_level),
	    CASE(under_systemd_a_line_has_its_priority),
	    CASE(what_is_above_the_level_is_left_out),
	    CASE(a_peer_cannot_forge_a_line),
	    CASE(secrets_are_taken_out),
	    CASE(a_long_line_is_cut_and_stays_one_line),
	    CASE(a_cut_line_ends_in_no_piece_of_a_token),
	    CASE(errno_is_left_alone),
	    CASE(a_budget_allows_five_lines_a_second),
	    CASE(a_limited_line_tells_how_many_it_stands_for),
	    CASE(threads_share_a_budget),
	};

	return cmocka_run_group_tests_name("base_log", tests, NULL, NULL);
}
