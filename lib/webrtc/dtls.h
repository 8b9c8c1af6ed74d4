/* dtls.h - DTLS 1.2 (RFC 6347) for its keys: DTLS-SRTP (RFC 5764), on OpenSSL.
 *
 * A handshake takes datagrams and gives datagrams; who the peer is, is proven by the fingerprint in
 * its SDP (RFC 8122), never by a name. The client's Hello comes in several datagrams from browsers of
 * today: OpenSSL puts it together. Addresses are proven by ICE before, so there are no cookies.
 * OpenSSL keeps its own clock for what is sent again: first after 100 ms, doubling up to 1 s. */
#ifndef SG_WEBRTC_DTLS_H
#define SG_WEBRTC_DTLS_H

#include "webrtc/srtp.h"

#define SG_FINGERPRINT_BYTES 32 /* SHA-256 */
#define SG_DTLS_MTU 1200

/* Our certificate (ECDSA, P-256, signed by itself) and what all handshakes share. Any thread. */
struct sg_dtls_identity;
/* Reads key and certificate from `path` (PEM); where there is no such file, or its certificate is out
 * of date, they are made and written there, mode 0600. NULL: made, and kept nowhere. */
SG_MUST_CHECK enum sg_result sg_dtls_identity_open(struct sg_dtls_identity **out, const char *path,
    char *error, size_t error_size);
void sg_dtls_identity_close(struct sg_dtls_identity *id); /* NULL allowed; after the last handshake */
const uint8_t *sg_dtls_fingerprint(const struct sg_dtls_identity *id); /* SG_FINGERPRINT_BYTES */
/* One profile alone, for tests; both, GCM first, otherwise. */
void sg_dtls_restrict(struct sg_dtls_identity *id, enum sg_srtp_profile profile);

/* One association; belongs to one thread. */
struct sg_dtls;
struct sg_dtls_config {
	struct sg_dtls_identity *identity; /* borrowed */
	bool client;
	uint8_t fingerprint[SG_FINGERPRINT_BYTES]; /* the peer's */
	void (*send)(void *user, const uint8_t *p, size_t len); /* one datagram; may be called in any call below */
	void *user;
};
SG_MUST_CHECK enum sg_result sg_dtls_open(struct sg_dtls **out, const struct sg_dtls_config *cfg);
/* Says close_notify when asked to. NULL allowed. */
void sg_dtls_close(struct sg_dtls *d, bool notify);
/* Takes one datagram (NULL, 0: begin, for a client).
 *   SG_NEED_MORE      the handshake goes on
 *   SG_OK             it is done: sg_dtls_keys
 *   SG_ERR_CLOSED     the peer said close_notify
 *   SG_ERR_BAD_INPUT  failed; sg_dtls_error says why. Close it. */
SG_MUST_CHECK enum sg_result sg_dtls_feed(struct sg_dtls *d, const uint8_t *p, size_t len);
/* Sends again what is due; to be called when sg_dtls_wait_ms is over. Results as above. */
SG_MUST_CHECK enum sg_result sg_dtls_tick(struct sg_dtls *d);
int64_t sg_dtls_wait_ms(struct sg_dtls *d); /* -1: nothing to wait for */
/* False before the handshake is done. */
bool sg_dtls_keys(const struct sg_dtls *d, struct sg_srtp_keys *out);
const char *sg_dtls_error(const struct sg_dtls *d); /* static text */

#endif
