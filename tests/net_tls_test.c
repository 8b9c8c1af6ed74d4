/* TLS on a loop's connections, against OpenSSL's own client. */
#include "base/bytes.h"
#include "net/loop.h"
#include "net/tls.h"
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];
static struct sg_loop *loop;
static struct sg_tls *tls;

static const char *path_of(const char *name)
{
	static char out[4][128];
	static int i;

	i = (i + 1) % 4;
	snprintf(out[i], sizeof(out[i]), "%s/%s", dir, name);
	return out[i];
}

static void run(const char *fmt, ...)
{
	char command[600];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void make_certificate(const char *name)
{
	run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s "
	    "-keyout %s/%s.key -out %s/%s.pem 2>/dev/null",
	    name, dir, name, dir, name);
}

static int set_up(void **state)
{
	char error[256] = "";

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/sg-tls-XXXXXX");
	assert_non_null(mkdtemp(dir));
	make_certificate("one");
	make_certificate("two");
	assert_int_equal(sg_loop_start(&loop, "tls"), SG_OK);
	if (sg_tls_open(&tls, path_of("one.pem"), path_of("one.key"), error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sg_loop_stop(loop);
	sg_tls_close(tls);
	run("rm -rf %s", dir);
	return 0;
}

/* ---- the server's side ---- */

struct side {
	struct sg_conn *conn;
	int fd;
	enum { ECHO, POUR, COUNT_ONLY } does;
	uint8_t rest[70000];
	size_t rest_len;
	uint32_t poured, pour_end; /* numbers written: of 4 bytes each */
	size_t pour_at;            /* bytes taken */
	atomic_size_t read;
	atomic_bool ended;
	bool finish_at_end;
};

static void give_rest(struct side *s)
{
	struct iovec iov = { s->rest, s->rest_len };
	ssize_t n = s->rest_len ? sg_conn_writev(s->conn, &iov, 1) : 0;

	if (n > 0) {
		memmove(s->rest, s->rest + n, s->rest_len - (size_t)n);
		s->rest_len -= (size_t)n;
	}
	sg_conn_want_read(s->conn, !s->rest_len);
	sg_conn_want_write(s->conn, s->rest_len > 0);
}

/* Writes a sequence from wherever it stands, in pieces of odd sizes, and never the same bytes again
 * after a full socket: what is taken counts, nothing else. */
static void pour(struct side *s)
{
	uint8_t bytes[30000];
	struct iovec iov[40];
	static unsigned turn;

	for (;;) {
		size_t end = (size_t)s->pour_end * 4, len = sizeof(bytes) - turn++ % 7777;
		if (len > end - s->pour_at)
			len = end - s->pour_at;
		if (!len)
			break;
		for (size_t i = 0; i < len; i++) {
			size_t at = s->pour_at + i;
			bytes[i] = (uint8_t)((at / 4) >> (8 * (at % 4)));
		}
		int count = 0;
		for (size_t at = 0; at < len && count < 40; count++) {
			size_t piece = count == 39 ? len - at : 1 + (at * 31 + turn) % 1500;
			if (piece > len - at)
				piece = len - at;
			iov[count] = (struct iovec){ bytes + at, piece };
			at += piece;
		}
		ssize_t n = sg_conn_writev(s->conn, iov, count);
		assert_true(n >= 0);
		s->pour_at += (size_t)n;
		if (n == 0)
			break;
	}
	bool over = s->pour_at == (size_t)s->pour_end * 4;
	sg_conn_want_write(s->conn, !over);
	if (over && s->finish_at_end) {
		s->finish_at_end = false;
		sg_conn_finish(s->conn);
	}
}

static void on_readable(void *user)
{
	struct side *s = user;
	ssize_t n = sg_conn_read(s->conn, s->rest + s->rest_len, sizeof(s->rest) - s->rest_len);

	if (n < 0) {
		sg_conn_close(s->conn);
		s->conn = NULL;
		atomic_store(&s->ended, true); /* the test may go on: nothing after it */
		return;
	}
	atomic_fetch_add(&s->read, (size_t)n);
	if (s->does == ECHO) {
		s->rest_len += (size_t)n;
		give_rest(s);
	} else if (s->does == POUR) {
		pour(s);
	}
}

static void on_writable(void *user)
{
	struct side *s = user;

	(s->does == ECHO ? give_rest : pour)(s);
}

static const struct sg_conn_events events = { on_readable, on_writable };

static void open_side(void *user)
{
	struct side *s = user;

	assert_int_equal(sg_conn_open_tls(&s->conn, loop, s->fd, tls, &events, s), SG_OK);
}

static void close_side(void *user)
{
	struct side *s = user;

	sg_conn_close(s->conn);
	s->conn = NULL;
}

/* Answers the client's socket. */
static int start(struct side *s)
{
	int pair[2], small = 8192;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	s->fd = pair[0];
	sg_loop_call(loop, open_side, s);
	return pair[1];
}

static bool has_ended(struct side *s)
{
	for (int i = 0; i < 1500 && !atomic_load(&s->ended); i++)
		usleep(10000);
	return atomic_load(&s->ended);
}

/* ---- the client's side ---- */

static SSL_CTX *client_ctx;

static SSL *client(int fd, int min, int max)
{
	client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(client_ctx, min);
	SSL_CTX_set_max_proto_version(client_ctx, max);
	SSL_CTX_set_cipher_list(client_ctx, "ALL:@SECLEVEL=0");
	SSL *ssl = SSL_new(client_ctx);
	SSL_set_fd(ssl, fd);
	return ssl;
}

static SSL *connected(int fd)
{
	SSL *ssl = client(fd, TLS1_2_VERSION, 0);

	assert_int_equal(SSL_connect(ssl), 1);
	return ssl;
}

static void client_free(SSL *ssl, int fd)
{
	SSL_free(ssl);
	SSL_CTX_free(client_ctx);
	close(fd);
}

static void name_of(SSL *ssl, char out[64])
{
	X509 *x = SSL_get1_peer_certificate(ssl);

	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, out, 64);
	X509_free(x);
}

/* ---- connections ---- */

static void what_is_said_comes_back(void **state)
{
	struct side s = { .does = ECHO };
	int fd = start(&s);
	SSL *ssl = connected(fd);
	static uint8_t out[60000], in[60000];

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7);
	for (size_t size = 1; size <= sizeof(out); size = size * 3 + 1) {
		assert_int_equal(SSL_write(ssl, out, (int)size), (int)size);
		for (size_t got = 0; got < size;) {
			int n = SSL_read(ssl, in + got, (int)(size - got));
			assert_true(n > 0);
			got += (size_t)n;
		}
		assert_memory_equal(in, out, size);
	}
	SSL_shutdown(ssl);
	assert_true(has_ended(&s));
	client_free(ssl, fd);
}

static void what_was_taken_arrives_once_and_in_order(void **state)
{
	struct side s = { .does = POUR, .pour_end = 2000000, .finish_at_end = true };
	int fd = start(&s);
	SSL *ssl = connected(fd);
	uint8_t buf[5000];
	size_t at = 0;
	int n;

	(void)state;
	while ((n = SSL_read(ssl, buf, sizeof(buf))) > 0) {
		for (int i = 0; i < n; i++, at++)
			if (buf[i] != (uint8_t)((at / 4) >> (8 * (at % 4))))
				fail_msg("byte %zu is not what it should be", at);
		if (at % 50 == 0)
			usleep(1000); /* slower than it writes */
	}
	assert_int_equal(at, 8000000);
	assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN); /* a goodbye, not a cut */
	client_free(ssl, fd);
	assert_true(has_ended(&s));
}

static void stop_reading(void *user)
{
	sg_conn_want_read(((struct side *)user)->conn, false);
}

static void go_on_reading(void *user)
{
	sg_conn_want_read(((struct side *)user)->conn, true);
}

static void nothing(void *user)
{
	(void)user;
}

/* Ten bytes at a time of a record of 16 KiB: the socket tells of the first ten alone. */
static void on_readable_in_tens(void *user)
{
	struct side *s = user;
	uint8_t ten[10];
	ssize_t n = sg_conn_read(s->conn, ten, sizeof(ten));

	if (n > 0 && atomic_fetch_add(&s->read, (size_t)n) + (size_t)n == 8000)
		sg_conn_want_read(s->conn, false);
}

static void open_in_tens(void *user)
{
	static const struct sg_conn_events tens = { on_readable_in_tens, on_writable };
	struct side *s = user;

	assert_int_equal(sg_conn_open_tls(&s->conn, loop, s->fd, tls, &tens, s), SG_OK);
}

static void what_the_socket_does_not_tell_of_is_told(void **state)
{
	struct side s = { .does = COUNT_ONLY };
	int pair[2];
	static uint8_t record[16000];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	s.fd = pair[0];
	sg_loop_call(loop, open_in_tens, &s);
	SSL *ssl = connected(pair[1]);
	assert_int_equal(SSL_write(ssl, record, sizeof(record)), sizeof(record));
	for (int i = 0; i < 1000 && atomic_load(&s.read) < 8000; i++)
		usleep(10000);
	usleep(50000); /* it has stopped reading: nothing more is told */
	assert_int_equal(atomic_load(&s.read), 8000);
	sg_loop_call(loop, go_on_reading, &s);
	for (int i = 0; i < 1000 && atomic_load(&s.read) < sizeof(record); i++)
		usleep(10000);
	assert_int_equal(atomic_load(&s.read), sizeof(record));
	sg_loop_call(loop, close_side, &s);
	client_free(ssl, pair[1]);
}

static void one_that_does_not_want_to_read_is_left_alone(void **state)
{
	struct side s = { .does = COUNT_ONLY };
	int fd = start(&s);
	SSL *ssl = connected(fd);

	(void)state;
	assert_int_equal(SSL_write(ssl, "a", 1), 1);
	for (int i = 0; i < 1000 && atomic_load(&s.read) < 1; i++)
		usleep(10000);
	sg_loop_call(loop, stop_reading, &s);
	assert_int_equal(SSL_write(ssl, "b", 1), 1);
	usleep(50000);
	sg_loop_call(loop, nothing, NULL);
	assert_int_equal(atomic_load(&s.read), 1);
	sg_loop_call(loop, go_on_reading, &s);
	for (int i = 0; i < 1000 && atomic_load(&s.read) < 2; i++)
		usleep(10000);
	assert_int_equal(atomic_load(&s.read), 2);
	sg_loop_call(loop, close_side, &s);
	client_free(ssl, fd);
}

static void what_is_no_handshake_ends_it(void **state)
{
	static const char *const rows[] = { "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", "\x03" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct side s = { .does = ECHO };
		int fd = start(&s);
		assert_true(send(fd, rows[i], strlen(rows[i]), 0) > 0);
		shutdown(fd, SHUT_WR);
		assert_true(has_ended(&s));
		assert_int_equal(atomic_load(&s.read), 0);
		close(fd);
	}
}

static void a_peer_that_leaves_in_the_handshake_is_noticed_at_every_step(void **state)
{
	(void)state;
	for (int steps = 0; steps < 3; steps++) {
		struct side s = { .does = ECHO };
		int fd = start(&s);
		SSL *ssl = client(fd, TLS1_2_VERSION, TLS1_2_VERSION);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		for (int i = 0; i < steps; i++) {
			SSL_do_handshake(ssl);
			SSL_connect(ssl);
			usleep(20000);
		}
		client_free(ssl, fd);
		assert_true(has_ended(&s));
	}
}

static void old_versions_are_refused(void **state)
{
	static const struct {
		int version;
		bool good;
	} rows[] = { { TLS1_VERSION, false }, { TLS1_1_VERSION, false }, { TLS1_2_VERSION, true },
		{ TLS1_3_VERSION, true } };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct side s = { .does = ECHO };
		int fd = start(&s);
		SSL *ssl = client(fd, rows[i].version, rows[i].version);
		assert_int_equal(SSL_connect(ssl) == 1, rows[i].good);
		if (rows[i].good)
			assert_int_equal(SSL_version(ssl), rows[i].version);
		client_free(ssl, fd);
		assert_true(has_ended(&s));
	}
}

/* ---- the certificate ---- */

static void a_new_certificate_is_for_new_connections(void **state)
{
	struct side old = { .does = ECHO }, fresh = { .does = ECHO };
	char error[256], name[64], c;

	(void)state;
	int fd = start(&old);
	SSL *ssl = connected(fd);
	SSL_CTX *ctx = client_ctx;
	name_of(ssl, name);
	assert_string_equal(name, "one");
	/* One that cannot be had changes nothing. */
	assert_int_equal(
	    sg_tls_reload(tls, path_of("gone.pem"), path_of("one.key"), error, sizeof(error)),
	    SG_ERR_IO);
	assert_int_equal(
	    sg_tls_reload(tls, path_of("two.pem"), path_of("two.key"), error, sizeof(error)), SG_OK);
	int fd2 = start(&fresh);
	SSL *ssl2 = connected(fd2);
	name_of(ssl2, name);
	assert_string_equal(name, "two");
	/* The old one goes on. */
	assert_int_equal(SSL_write(ssl, "x", 1), 1);
	assert_int_equal(SSL_read(ssl, &c, 1), 1);
	client_free(ssl2, fd2);
	client_ctx = ctx;
	client_free(ssl, fd);
	assert_true(has_ended(&old));
	assert_true(has_ended(&fresh));
	assert_int_equal(
	    sg_tls_reload(tls, path_of("one.pem"), path_of("one.key"), error, sizeof(error)), SG_OK);
}

static void what_is_wrong_with_the_files_is_told(void **state)
{
	static const struct {
		const char *cert, *key;
		enum sg_result res;
		const char *says[3];
	} rows[] = {
		{ "gone.pem", "one.key", SG_ERR_IO, { "tls_cert", "gone.pem", "No such file" } },
		{ "one.pem", "gone.key", SG_ERR_IO, { "tls_key", "gone.key", "No such file" } },
		{ "text", "one.key", SG_ERR_CONFIG, { "tls_cert", "text", "PEM" } },
		{ "one.pem", "text", SG_ERR_CONFIG, { "tls_key", "text", "PEM" } },
		{ "one.key", "one.key", SG_ERR_CONFIG, { "tls_cert", "one.key", "PEM" } },
		{ "one.pem", "two.key", SG_ERR_CONFIG, { "two.key", "is not the key of", "one.pem" } },
		{ "one.pem", "locked.key", SG_ERR_CONFIG, { "tls_key", "locked.key", "passphrase" } },
	};
	struct sg_tls *t;
	char error[512];

	(void)state;
	run("echo hello >%s/text && openssl ec -in %s/one.key -aes128 -passout pass:x -out %s/locked.key "
	    "2>/dev/null",
	    dir, dir, dir);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(sg_tls_open(&t, path_of(rows[i].cert), path_of(rows[i].key), error,
				     sizeof(error)),
		    rows[i].res);
		assert_null(t);
		for (int k = 0; k < 3; k++)
			if (!strstr(error, rows[i].says[k]))
				fail_msg("'%s' does not say '%s'", error, rows[i].says[k]);
		assert_null(strchr(error, '\n'));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_comes_back),
		cmocka_unit_test(what_was_taken_arrives_once_and_in_order),
		cmocka_unit_test(what_the_socket_does_not_tell_of_is_told),
		cmocka_unit_test(one_that_does_not_want_to_read_is_left_alone),
		cmocka_unit_test(what_is_no_handshake_ends_it),
		cmocka_unit_test(a_peer_that_leaves_in_the_handshake_is_noticed_at_every_step),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(a_new_certificate_is_for_new_connections),
		cmocka_unit_test(what_is_wrong_with_the_files_is_told),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
