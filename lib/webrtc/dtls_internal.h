/* dtls_internal.h - what dtls.c and dtls_identity.c share. */
#ifndef SG_WEBRTC_DTLS_INTERNAL_H
#define SG_WEBRTC_DTLS_INTERNAL_H

#include "webrtc/dtls.h"
#include <openssl/bio.h>
#include <openssl/ssl.h>

struct sg_dtls_identity {
	EVP_PKEY *key;
	X509 *cert;
	SSL_CTX *ctx;
	BIO_METHOD *method;
	uint8_t fingerprint[SG_FINGERPRINT_BYTES];
};

/* A BIO whose every write is one datagram and whose every read takes the one at hand. */
BIO_METHOD *sg_dtls_bio_method(void);

#endif
