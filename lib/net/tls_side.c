/* tls_side.c - the TLS side of a connection.
 *
 * What is written is sealed into a buffer of the connection's own and goes to the socket from there:
 * the bytes taken are then taken for good, and whoever writes may go on with other bytes when the socket
 * has room again (SSL_write on a full socket would insist on the same ones). Another write is taken only
 * when the buffer is empty, so that it holds at most one write's records. */
#include "net/tls_internal.h"
#include "base/bytes.h"
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RECORD_BYTES 16384
#define WRITE_BYTES (4 * RECORD_BYTES) /* taken by one write at most */
#define OUT_MAX (256u << 10) /* a peer that asks for new keys and does not read ends here */

struct tls_side {
	SSL *ssl;
	int fd;
	struct sg_buf out; /* sealed */
	size_t sent;       /* of `out` */
	bool ready, broken;
	bool ended, said_goodbye; /* the peer's close_notify, or its end; ours */
};

/* ---- OpenSSL's view of the socket ---- */

static int bio_read(BIO *bio, char *buf, int len)
{
	struct tls_side *t = BIO_get_data(bio);
	ssize_t n = recv(t->fd, buf, (size_t)len, 0);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static int bio_write(BIO *bio, const char *buf, int len)
{
	struct tls_side *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	sg_buf_append(&t->out, buf, (size_t)len);
	return t->out.failed ? -1 : len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio, (void)num, (void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *net_tls_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "streamgate");

	if (!m)
		return NULL;
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	return m;
}

/* ---- the beginning and the end ---- */

struct tls_side *net_tls_open(struct sg_tls *tls, int fd)
{
	struct tls_side *t = calloc(1, sizeof(*t));
	BIO *bio = t ? BIO_new(tls->method) : NULL;

	if (!bio) {
		free(t);
		return NULL;
	}
	pthread_mutex_lock(&tls->lock);
	t->ssl = SSL_new(tls->ctx);
	pthread_mutex_unlock(&tls->lock);
	if (!t->ssl) {
		BIO_free(bio);
		free(t);
		return NULL;
	}
	t->fd = fd;
	sg_buf_init(&t->out, OUT_MAX);
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_accept_state(t->ssl);
	return t;
}

void net_tls_close(struct tls_side *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	sg_buf_reset(&t->out);
	free(t);
}

/* What a call's answer means; false: it is broken, or the peer's end. */
static bool is_waiting(struct tls_side *t, int answer)
{
	int error = SSL_get_error(t->ssl, answer);

	ERR_clear_error(); /* the queue is the thread's: the next connection must not see it */
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return true;
	if (error == SSL_ERROR_ZERO_RETURN && t->ready)
		t->ended = true; /* it may still be written to */
	else
		t->broken = true;
	return false;
}

void net_tls_handshake(struct tls_side *t)
{
	if (t->ready || t->broken)
		return;
	int answer = SSL_do_handshake(t->ssl);
	if (answer == 1)
		t->ready = true;
	else
		(void)is_waiting(t, answer);
	bool broken = t->broken;
	t->broken = false; /* an alert tells the peer why */
	net_tls_flush(t);
	t->broken |= broken;
}

void net_tls_give_up(struct tls_side *t)
{
	t->broken = true;
}

bool net_tls_is_ready(const struct tls_side *t)
{
	return t->ready;
}

bool net_tls_is_broken(const struct tls_side *t)
{
	return t->broken;
}

/* ---- bytes ---- */

void net_tls_flush(struct tls_side *t)
{
	while (!t->broken && t->sent < t->out.len) {
		ssize_t n = send(t->fd, t->out.p + t->sent, t->out.len - t->sent, MSG_NOSIGNAL);
		if (n >= 0)
			t->sent += (size_t)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (errno != EINTR)
			t->broken = true;
	}
	t->out.len = t->sent = 0;
	if (t->out.cap > RECORD_BYTES) /* many connections wait: no memory for those */
		sg_buf_reset(&t->out);
}

bool net_tls_has_unsent(const struct tls_side *t)
{
	return !t->broken && t->sent < t->out.len;
}

bool net_tls_has_read(const struct tls_side *t)
{
	return t->ready && !t->broken && SSL_pending(t->ssl) > 0;
}

ssize_t net_tls_read(struct tls_side *t, void *buf, size_t size)
{
	if (t->broken || t->ended)
		return -1;
	if (!t->ready)
		return 0;
	int n = SSL_read(t->ssl, buf, size > INT_MAX ? INT_MAX : (int)size);
	if (n <= 0 && !is_waiting(t, n))
		return -1;
	net_tls_flush(t); /* an answer to what was read: new keys */
	return n > 0 ? n : 0;
}

/* Takes up to a record's bytes from the list at (*i, *at); they stay where they are when they already
 * lie together. */
static size_t gather(const struct iovec *iov, int iovcnt, int *i, size_t *at, uint8_t *room,
    const uint8_t **from)
{
	size_t len = 0, left = iov[*i].iov_len - *at;

	if (left >= RECORD_BYTES || *i + 1 == iovcnt) {
		len = left < RECORD_BYTES ? left : RECORD_BYTES;
		*from = (const uint8_t *)iov[*i].iov_base + *at;
		*at += len;
	} else {
		*from = room;
		while (*i < iovcnt && len < RECORD_BYTES) {
			left = iov[*i].iov_len - *at;
			size_t n = left < RECORD_BYTES - len ? left : RECORD_BYTES - len;
			memcpy(room + len, (const uint8_t *)iov[*i].iov_base + *at, n);
			len += n;
			*at += n;
			if (*at < iov[*i].iov_len)
				break;
			++*i;
			*at = 0;
		}
	}
	if (*i < iovcnt && *at == iov[*i].iov_len) {
		++*i;
		*at = 0;
	}
	return len;
}

ssize_t net_tls_writev(struct tls_side *t, const struct iovec *iov, int iovcnt)
{
	uint8_t room[RECORD_BYTES];
	const uint8_t *from;
	size_t taken = 0, at = 0;
	int i = 0;

	net_tls_flush(t);
	if (t->broken || t->said_goodbye)
		return -1;
	if (!t->ready || net_tls_has_unsent(t))
		return 0;
	while (i < iovcnt && taken < WRITE_BYTES) {
		size_t len = gather(iov, iovcnt, &i, &at, room, &from);
		if (!len)
			continue;
		/* The buffer takes all of it, so this never has to be repeated. */
		int n = SSL_write(t->ssl, from, (int)len);
		if (n != (int)len) {
			ERR_clear_error();
			t->broken = true;
			return -1;
		}
		taken += len;
	}
	net_tls_flush(t);
	return t->broken ? -1 : (ssize_t)taken;
}

void net_tls_goodbye(struct tls_side *t)
{
	if (!t->ready || t->broken || t->said_goodbye)
		return;
	t->said_goodbye = true;
	SSL_shutdown(t->ssl);
	ERR_clear_error();
	net_tls_flush(t);
}
