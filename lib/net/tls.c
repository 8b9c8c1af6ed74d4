/* tls.c - the certificate, and what we speak with it. */
#include "net/tls_internal.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The only application protocol that we serve by name; RTMPS has none. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl, (void)arg;
	return SSL_select_next_proto((unsigned char **)out, out_len, ours, sizeof(ours) - 1, in,
		   in_len) == OPENSSL_NPN_NEGOTIATED
		   ? SSL_TLSEXT_ERR_OK
		   : SSL_TLSEXT_ERR_NOACK;
}

/* OpenSSL's own words for what went wrong last. */
static const char *ssl_reason(void)
{
	unsigned long e = ERR_peek_last_error();
	const char *text = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return text ? text : "not what it should be";
}

static enum sg_result check_readable(
    const char *what, const char *path, char *error, size_t error_size)
{
	FILE *f = fopen(path, "re");

	if (f) {
		fclose(f);
		return SG_OK;
	}
	snprintf(error, error_size, "[http] %s: %s: %s", what, path, strerror(errno));
	return SG_ERR_IO;
}

/* A key with a passphrase would ask for it at the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *user)
{
	(void)buf, (void)size, (void)rwflag, (void)user;
	return 0;
}

static enum sg_result set_up(SSL_CTX *ctx, const char *cert_path, const char *key_path, char *error,
    size_t error_size)
{
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) {
		snprintf(error, error_size, "TLS: %s", ssl_reason());
		return SG_ERR_UNSUPPORTED;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
				     SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1) {
		snprintf(error, error_size, "[http] tls_cert: %s: %s: a certificate chain in PEM is needed",
		    cert_path, ssl_reason());
		return SG_ERR_CONFIG;
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) == 1)
		return SG_OK;
	/* The key is compared with the certificate when it is set. */
	unsigned long e = ERR_peek_last_error();
	if (ERR_GET_LIB(e) == ERR_LIB_X509)
		snprintf(error, error_size,
		    "[http] tls_key: %s is not the key of tls_cert %s: give the two that belong together",
		    key_path, cert_path);
	else
		snprintf(error, error_size,
		    "[http] tls_key: %s: %s: a private key in PEM without a passphrase is needed",
		    key_path, ssl_reason());
	ERR_clear_error();
	return SG_ERR_CONFIG;
}

static enum sg_result make_context(
    SSL_CTX **out, const char *cert_path, const char *key_path, char *error, size_t error_size)
{
	enum sg_result res;

	*out = NULL;
	if ((res = check_readable("tls_cert", cert_path, error, error_size)) != SG_OK ||
	    (res = check_readable("tls_key", key_path, error, error_size)) != SG_OK)
		return res;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx) {
		snprintf(error, error_size, "TLS: out of memory");
		return SG_ERR_NO_MEMORY;
	}
	if ((res = set_up(ctx, cert_path, key_path, error, error_size)) != SG_OK)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return res;
}

enum sg_result sg_tls_open(struct sg_tls **out, const char *cert_path, const char *key_path,
    char *error, size_t error_size)
{
	SSL_CTX *ctx;
	enum sg_result res = make_context(&ctx, cert_path, key_path, error, error_size);

	*out = NULL;
	if (res != SG_OK)
		return res;
	struct sg_tls *tls = calloc(1, sizeof(*tls));
	if (!tls) {
		SSL_CTX_free(ctx);
		snprintf(error, error_size, "TLS: out of memory");
		return SG_ERR_NO_MEMORY;
	}
	pthread_mutex_init(&tls->lock, NULL);
	tls->ctx = ctx;
	if (!(tls->method = net_tls_method())) {
		sg_tls_close(tls);
		snprintf(error, error_size, "TLS: out of memory");
		return SG_ERR_NO_MEMORY;
	}
	*out = tls;
	return SG_OK;
}

enum sg_result sg_tls_reload(struct sg_tls *tls, const char *cert_path, const char *key_path,
    char *error, size_t error_size)
{
	SSL_CTX *fresh;
	enum sg_result res = make_context(&fresh, cert_path, key_path, error, error_size);

	if (res != SG_OK)
		return res;
	pthread_mutex_lock(&tls->lock);
	SSL_CTX *old = tls->ctx;
	tls->ctx = fresh;
	pthread_mutex_unlock(&tls->lock);
	SSL_CTX_free(old); /* connections hold references of their own */
	return SG_OK;
}

void sg_tls_close(struct sg_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->method);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}
