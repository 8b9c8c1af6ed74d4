/* transport.c - bytes to streamd and back: its Unix socket, TCP, TLS. Everything waits, but never for
 * longer than the caller's patience, and an interrupt ends it. */
#include "transport.h"
#include "base/clock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket whose connect, sends and receives have an end. */
static int make_socket(int family, int patience_ms)
{
	struct timeval patience = {patience_ms / 1000, patience_ms % 1000 * 1000};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	}
	return fd;
}

enum sg_result ctl_conn_open_unix(
    struct ctl_conn *k, const char *path, int patience_ms, char *error, size_t size)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	*k = (struct ctl_conn){.fd = -1};
	if (strlen(path) >= sizeof(sa.sun_path)) {
		snprintf(error, size,
		    "the path of streamd's socket is too long: shorten [admin] socket");
		return SG_ERR_IO;
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	k->fd = make_socket(AF_UNIX, patience_ms);
	if (k->fd < 0) {
		snprintf(error, size, "cannot make a socket: %s", strerror(errno));
		return SG_ERR_IO;
	}
	if (!connect(k->fd, (const struct sockaddr *)&sa, sizeof(sa)))
		return SG_OK;
	int why = errno;
	ctl_conn_close(k);
	if (why == ENOENT || why == ECONNREFUSED)
		return SG_ERR_NOT_FOUND;
	snprintf(error, size, "cannot reach streamd at %s: %s%s", path, strerror(why),
	    why == EACCES ? ": be root or streamd's user" : "");
	return SG_ERR_IO;
}

/* ---- another machine's ---- */

/* One address after the other, as getaddrinfo sorts them. */
static int connect_any(const struct addrinfo *list, int patience_ms)
{
	int why = EADDRNOTAVAIL;

	for (const struct addrinfo *a = list; a && !ctl_interrupted(); a = a->ai_next) {
		int fd = make_socket(a->ai_family, patience_ms);
		if (fd >= 0 && !connect(fd, a->ai_addr, a->ai_addrlen))
			return fd;
		why = errno == EINPROGRESS ? ETIMEDOUT : errno;
		if (fd >= 0)
			close(fd);
	}
	errno = why;
	return -1;
}

static enum sg_result dial(
    struct ctl_conn *k, const struct ctl_remote *r, int patience_ms, char *error, size_t size)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	int res = getaddrinfo(r->host, r->port, &hints, &list);

	if (res) {
		snprintf(error, size, "cannot find '%s': %s", r->host, gai_strerror(res));
		return SG_ERR_IO;
	}
	k->fd = connect_any(list, patience_ms);
	int why = errno;
	freeaddrinfo(list);
	if (k->fd >= 0)
		return SG_OK;
	snprintf(
	    error, size, "cannot reach %s: %s: is streamd running there?", r->name, strerror(why));
	return SG_ERR_IO;
}

/* The certificate must be for the host that was asked for: a name, or an address. */
static bool expect_host(SSL *ssl, const char *host)
{
	uint8_t address[16];

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static void tell_tls(const struct ctl_conn *k, const struct ctl_remote *r, char *error, size_t size)
{
	long verdict = k->ssl ? SSL_get_verify_result(k->ssl) : X509_V_OK;
	const char *why = ERR_reason_error_string(ERR_get_error());

	if (verdict != X509_V_OK)
		snprintf(error, size,
		    "the certificate of %s is not to be trusted: %s (SSL_CERT_FILE may name the "
		    "one "
		    "that is)",
		    r->name, X509_verify_cert_error_string(verdict));
	else
		snprintf(error, size, "no TLS with %s: %s", r->name, why ? why : "it hung up");
}

static enum sg_result begin_tls(
    struct ctl_conn *k, const struct ctl_remote *r, char *error, size_t size)
{
	ERR_clear_error();
	k->tls = SSL_CTX_new(TLS_client_method());
	if (k->tls && SSL_CTX_set_min_proto_version(k->tls, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_default_verify_paths(k->tls) == 1) {
		SSL_CTX_set_verify(k->tls, SSL_VERIFY_PEER, NULL);
		/* HTTP/1.0's bodies have a length: many servers just hang up behind them. */
		SSL_CTX_set_options(k->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
		k->ssl = SSL_new(k->tls);
	}
	if (k->ssl && expect_host(k->ssl, r->host) && SSL_set_fd(k->ssl, k->fd) == 1 &&
	    SSL_connect(k->ssl) == 1)
		return SG_OK;
	tell_tls(k, r, error, size);
	ctl_conn_close(k);
	return SG_ERR_IO;
}

enum sg_result ctl_conn_open_remote(
    struct ctl_conn *k, const struct ctl_remote *r, int patience_ms, char *error, size_t size)
{
	*k = (struct ctl_conn){.fd = -1};
	enum sg_result res = dial(k, r, patience_ms, error, size);
	return res == SG_OK && r->tls ? begin_tls(k, r, error, size) : res;
}

/* ---- bytes ---- */

bool ctl_conn_send(struct ctl_conn *k, const void *data, size_t len)
{
	const char *p = data;

	if (k->ssl)
		return SSL_write(k->ssl, p, (int)len) == (int)len;
	while (len) {
		ssize_t n = send(k->fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR && !ctl_interrupted())
			continue;
		if (n <= 0)
			return false;
		p += n, len -= (size_t)n;
	}
	return true;
}

static ssize_t read_tls(SSL *ssl, void *out, size_t size)
{
	int n = SSL_read(ssl, out, (int)size);

	if (n > 0)
		return n;
	return SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t ctl_conn_read(struct ctl_conn *k, void *out, size_t size)
{
	ssize_t n;

	if (k->ssl)
		return read_tls(k->ssl, out, size);
	do
		n = recv(k->fd, out, size, 0);
	while (n < 0 && errno == EINTR && !ctl_interrupted());
	return n;
}

bool ctl_conn_receive(struct ctl_conn *k, int patience_ms, struct sg_buf *in)
{
	int64_t deadline = sg_mono_ms() + patience_ms;
	char chunk[16384];
	ssize_t n;

	do {
		n = ctl_conn_read(k, chunk, sizeof(chunk));
		if (n > 0)
			sg_buf_append(in, chunk, (size_t)n);
		if (n < 0 || in->failed || sg_mono_ms() > deadline) {
			sg_wipe(chunk, sizeof(chunk));
			return false;
		}
	} while (n);
	sg_wipe(chunk, sizeof(chunk)); /* new tokens pass through here */
	return true;
}

void ctl_conn_close(struct ctl_conn *k)
{
	if (k->ssl)
		SSL_shutdown(k->ssl);
	SSL_free(k->ssl);
	SSL_CTX_free(k->tls);
	if (k->fd >= 0)
		close(k->fd);
	*k = (struct ctl_conn){.fd = -1};
}
