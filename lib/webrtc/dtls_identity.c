/* dtls_identity.c - our certificate, in its file, and the context of all handshakes. */
#include "webrtc/dtls_internal.h"
#include "base/clock.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VALID_S (10ll * 366 * 86400)
#define BACKDATED_S 86400 /* clocks differ */
#define CIPHERS                                                                                    \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                             \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"

#define CERTIFICATES_MAX (16 << 10) /* bytes a peer may send; a browser's is about 300 */

/* ---- making ---- */

static bool set_name(X509 *cert)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(
		   name, "CN", MBSTRING_ASC, (const unsigned char *)"streamgate", -1, -1, 0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1;
}

static bool set_serial(X509 *cert)
{
	uint8_t bytes[8];

	sg_random(bytes, sizeof(bytes));
	BIGNUM *n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return ok;
}

static bool make(struct sg_dtls_identity *id)
{
	time_t from = (time_t)(sg_wall_s() - BACKDATED_S), until = (time_t)(sg_wall_s() + VALID_S);

	id->key = EVP_EC_gen("P-256");
	id->cert = X509_new();
	return id->key && id->cert && X509_set_version(id->cert, 2) == 1 && set_serial(id->cert) &&
	       set_name(id->cert) && X509_time_adj(X509_getm_notBefore(id->cert), 0, &from) &&
	       X509_time_adj(X509_getm_notAfter(id->cert), 0, &until) &&
	       X509_set_pubkey(id->cert, id->key) == 1 && X509_sign(id->cert, id->key, EVP_sha256()) > 0;
}

static bool write_pem(const struct sg_dtls_identity *id, FILE *f)
{
	return PEM_write_PrivateKey(f, id->key, NULL, NULL, 0, NULL, NULL) == 1 &&
	       PEM_write_X509(f, id->cert) == 1 && fflush(f) == 0 && fsync(fileno(f)) == 0;
}

/* Whole or not at all: beside it, then renamed. */
static bool store(const struct sg_dtls_identity *id, const char *path)
{
	char beside[4096];

	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside)) {
		errno = ENAMETOOLONG;
		return false;
	}
	unlink(beside); /* of one that was cut short */
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	bool ok = write_pem(id, f);
	ok = fclose(f) == 0 && ok;
	if (ok && rename(beside, path) == 0)
		return true;
	unlink(beside);
	return false;
}

/* ---- reading ---- */

static void drop(struct sg_dtls_identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	id->key = NULL;
	id->cert = NULL;
}

/* False with errno 0: the file is not what it should be. */
static bool load(struct sg_dtls_identity *id, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	id->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	id->cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	errno = 0;
	return id->key && id->cert && X509_check_private_key(id->cert, id->key) == 1;
}

static bool is_out_of_date(const struct sg_dtls_identity *id)
{
	time_t soon = (time_t)(sg_wall_s() + 30ll * 86400);

	return X509_cmp_time(X509_get0_notAfter(id->cert), &soon) < 0;
}

static enum sg_result load_or_make(
    struct sg_dtls_identity *id, const char *path, char *error, size_t size)
{
	if (path && load(id, path)) {
		if (!is_out_of_date(id))
			return SG_OK;
	} else if (path && errno != ENOENT) {
		snprintf(error, size, "%s: %s: remove it, and a new one is made", path,
		    errno ? strerror(errno) : "not a key and its certificate");
		return SG_ERR_IO;
	}
	drop(id);
	if (!make(id)) {
		snprintf(error, size, "a certificate for DTLS could not be made");
		return SG_ERR_NO_MEMORY;
	}
	if (path && !store(id, path)) {
		snprintf(error, size, "%s: %s: make its directory writable", path, strerror(errno));
		return SG_ERR_IO;
	}
	return SG_OK;
}

/* ---- the context ---- */

/* Who the peer is, its fingerprint tells: sg_dtls_feed compares it. */
static int accept_any(int preverified, X509_STORE_CTX *store_ctx)
{
	(void)preverified, (void)store_ctx;
	return 1;
}

static bool set_up(struct sg_dtls_identity *id)
{
	unsigned len = sizeof(id->fingerprint);
	SSL_CTX *ctx = id->ctx = SSL_CTX_new(DTLS_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) ||
	    SSL_CTX_use_certificate(ctx, id->cert) != 1 || SSL_CTX_use_PrivateKey(ctx, id->key) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1 ||
	    /* Answers 0 when it is done. */
	    SSL_CTX_set_tlsext_use_srtp(ctx, "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") != 0 ||
	    X509_digest(id->cert, EVP_sha256(), id->fingerprint, &len) != 1)
		return false;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ctx, CERTIFICATES_MAX);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	id->method = sg_dtls_bio_method();
	return id->method;
}

enum sg_result sg_dtls_identity_open(
    struct sg_dtls_identity **out, const char *path, char *error, size_t error_size)
{
	struct sg_dtls_identity *id = calloc(1, sizeof(*id));
	enum sg_result res = SG_ERR_NO_MEMORY;

	*out = NULL;
	snprintf(error, error_size, "out of memory");
	if (id && (res = load_or_make(id, path, error, error_size)) == SG_OK && !set_up(id)) {
		snprintf(error, error_size, "DTLS: OpenSSL refuses the certificate or its settings");
		res = SG_ERR_IO;
	}
	if (res != SG_OK) {
		sg_dtls_identity_close(id);
		return res;
	}
	*out = id;
	return SG_OK;
}

void sg_dtls_identity_close(struct sg_dtls_identity *id)
{
	if (!id)
		return;
	SSL_CTX_free(id->ctx);
	BIO_meth_free(id->method);
	drop(id);
	free(id);
}

const uint8_t *sg_dtls_fingerprint(const struct sg_dtls_identity *id)
{
	return id->fingerprint;
}

void sg_dtls_restrict(struct sg_dtls_identity *id, enum sg_srtp_profile profile)
{
	SSL_CTX_set_tlsext_use_srtp(id->ctx, sg_srtp_profile_name(profile));
}
