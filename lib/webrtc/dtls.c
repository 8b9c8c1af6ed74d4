/* dtls.c - one DTLS association. */
#include "webrtc/dtls_internal.h"
#include "base/text.h"
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/time.h>

#define FIRST_TIMEOUT_US 100000u
#define TIMEOUT_MAX_US 1000000u
#define GCM_SALT_BYTES 12
#define CM_SALT_BYTES 14

enum state { HANDSHAKE, OPEN, FAILED };

struct sg_dtls {
	struct sg_dtls_config cfg;
	SSL *ssl;
	enum state state;
	const char *error;
	/* The datagram at hand, during a call. */
	const uint8_t *in;
	size_t in_len;
	struct sg_srtp_keys keys;
};

/* ---- the BIO ---- */

static int bio_write(BIO *bio, const char *p, int len)
{
	struct sg_dtls *d = BIO_get_data(bio);

	d->cfg.send(d->cfg.user, (const uint8_t *)p, (size_t)len);
	return len; /* what is lost is sent again */
}

static int bio_read(BIO *bio, char *p, int size)
{
	struct sg_dtls *d = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (!d->in) {
		BIO_set_retry_read(bio);
		return -1;
	}
	int len = d->in_len < (size_t)size ? (int)d->in_len : size;
	memcpy(p, d->in, (size_t)len);
	d->in = NULL;
	return len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	(void)bio, (void)num, (void)ptr;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_MTU:
		return SG_DTLS_MTU;
	default:
		return 0;
	}
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *sg_dtls_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");

	if (!m)
		return NULL;
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_ctrl(m, bio_ctrl);
	BIO_meth_set_create(m, bio_create);
	return m;
}

/* ---- the association ---- */

/* RFC 6347 section 4.2.4.1 begins with a second; who waits for a picture should not. */
static unsigned next_timeout(SSL *ssl, unsigned former_us)
{
	(void)ssl;
	if (!former_us)
		return FIRST_TIMEOUT_US;
	return former_us * 2 < TIMEOUT_MAX_US ? former_us * 2 : TIMEOUT_MAX_US;
}

enum sg_result sg_dtls_open(struct sg_dtls **out, const struct sg_dtls_config *cfg)
{
	struct sg_dtls *d = calloc(1, sizeof(*d));

	*out = NULL;
	if (!d)
		return SG_ERR_NO_MEMORY;
	d->cfg = *cfg;
	d->error = "";
	d->ssl = SSL_new(cfg->identity->ctx);
	BIO *bio = d->ssl ? BIO_new(cfg->identity->method) : NULL;
	if (!bio) {
		sg_dtls_close(d, false);
		return SG_ERR_NO_MEMORY;
	}
	BIO_set_data(bio, d);
	SSL_set_bio(d->ssl, bio, bio);
	SSL_set_mtu(d->ssl, SG_DTLS_MTU);
	DTLS_set_timer_cb(d->ssl, next_timeout);
	if (cfg->client)
		SSL_set_connect_state(d->ssl);
	else
		SSL_set_accept_state(d->ssl);
	*out = d;
	return SG_OK;
}

void sg_dtls_close(struct sg_dtls *d, bool notify)
{
	if (!d)
		return;
	if (notify && d->state == OPEN) {
		SSL_shutdown(d->ssl);
		ERR_clear_error();
	}
	SSL_free(d->ssl);
	sg_wipe(&d->keys, sizeof(d->keys));
	free(d);
}

static enum sg_result fail(struct sg_dtls *d, const char *why)
{
	d->state = FAILED;
	d->error = why;
	return SG_ERR_BAD_INPUT;
}

static bool fingerprint_is_right(const struct sg_dtls *d)
{
	uint8_t have[SG_FINGERPRINT_BYTES];
	unsigned len = sizeof(have);
	X509 *cert = SSL_get1_peer_certificate(d->ssl);
	bool ok = cert && X509_digest(cert, EVP_sha256(), have, &len) == 1 && len == sizeof(have) &&
		  sg_equal_constant_time(have, d->cfg.fingerprint, sizeof(have));

	X509_free(cert);
	return ok;
}

/* RFC 5764 section 4.2: client's key, server's key, client's salt, server's salt. */
static bool export_keys(struct sg_dtls *d)
{
	static const char label[] = "EXTRACTOR-dtls_srtp";
	const SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(d->ssl);
	uint8_t m[2 * (SG_SRTP_KEY_BYTES + CM_SALT_BYTES)];

	if (!profile)
		return false;
	d->keys.profile = (enum sg_srtp_profile)profile->id;
	size_t salt = d->keys.profile == SG_SRTP_AEAD_AES_128_GCM ? GCM_SALT_BYTES : CM_SALT_BYTES;
	if (SSL_export_keying_material(d->ssl, m, 2 * (SG_SRTP_KEY_BYTES + salt), label, sizeof(label) - 1,
		NULL, 0, 0) != 1)
		return false;
	memcpy(d->keys.client_key, m, SG_SRTP_KEY_BYTES);
	memcpy(d->keys.server_key, m + SG_SRTP_KEY_BYTES, SG_SRTP_KEY_BYTES);
	memcpy(d->keys.client_salt, m + 2 * SG_SRTP_KEY_BYTES, salt);
	memcpy(d->keys.server_salt, m + 2 * SG_SRTP_KEY_BYTES + salt, salt);
	sg_wipe(m, sizeof(m));
	return true;
}

static enum sg_result shake_hands(struct sg_dtls *d)
{
	ERR_clear_error();
	int n = SSL_do_handshake(d->ssl);

	if (n == 1) {
		if (!fingerprint_is_right(d))
			return fail(d, "the certificate is not the one in the peer's SDP");
		if (!export_keys(d))
			return fail(d, "no SRTP profile in common");
		d->state = OPEN;
		return SG_OK;
	}
	int err = SSL_get_error(d->ssl, n);
	ERR_clear_error();
	if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
		return SG_NEED_MORE;
	return fail(d, err == SSL_ERROR_ZERO_RETURN ? "the peer broke the handshake off"
						    : "the handshake failed");
}

/* Application data (a data channel's) is nothing for us. */
static enum sg_result read_on(struct sg_dtls *d)
{
	uint8_t scratch[SG_DTLS_MTU + 400];
	int n;

	ERR_clear_error();
	while ((n = SSL_read(d->ssl, scratch, sizeof(scratch))) > 0)
		;
	int err = SSL_get_error(d->ssl, n);
	ERR_clear_error();
	if (err == SSL_ERROR_ZERO_RETURN)
		return SG_ERR_CLOSED;
	return err == SSL_ERROR_SSL || err == SSL_ERROR_SYSCALL ? fail(d, "a fatal alert") : SG_OK;
}

enum sg_result sg_dtls_feed(struct sg_dtls *d, const uint8_t *p, size_t len)
{
	if (d->state == FAILED)
		return SG_ERR_BAD_INPUT;
	d->in = p;
	d->in_len = len;
	enum sg_result res = d->state == OPEN ? read_on(d) : shake_hands(d);
	if (res == SG_OK && d->in) /* one datagram may hold more behind the Finished */
		res = read_on(d);
	d->in = NULL;
	return res;
}

enum sg_result sg_dtls_tick(struct sg_dtls *d)
{
	if (d->state == FAILED)
		return SG_ERR_BAD_INPUT;
	if (DTLSv1_handle_timeout(d->ssl) < 0) {
		ERR_clear_error();
		return fail(d, "the peer does not answer");
	}
	return d->state == OPEN ? SG_OK : SG_NEED_MORE;
}

int64_t sg_dtls_wait_ms(struct sg_dtls *d)
{
	struct timeval left;

	if (d->state == FAILED || DTLSv1_get_timeout(d->ssl, &left) != 1)
		return -1;
	return (int64_t)left.tv_sec * 1000 + (left.tv_usec + 999) / 1000;
}

bool sg_dtls_keys(const struct sg_dtls *d, struct sg_srtp_keys *out)
{
	if (d->state != OPEN)
		return false;
	*out = d->keys;
	return true;
}

const char *sg_dtls_error(const struct sg_dtls *d)
{
	return d->error;
}
