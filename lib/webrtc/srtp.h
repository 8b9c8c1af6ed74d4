/* srtp.h - SRTP and SRTCP (RFC 3711, RFC 7714).
 *
 * What comes in, and RTCP both ways, goes through libsrtp2. RTP packets that go out are sealed with
 * OpenSSL, its contexts kept per session: three to eight times faster, and that is what a viewer
 * costs. A value belongs to one thread at a time. */
#ifndef SG_WEBRTC_SRTP_H
#define SG_WEBRTC_SRTP_H

#include "base/bytes.h"

/* The numbers of RFC 5764 section 4.1.2 and RFC 7714 section 14.2. */
enum sg_srtp_profile { SG_SRTP_NONE = 0, SG_SRTP_AES128_CM_SHA1_80 = 1, SG_SRTP_AEAD_AES_128_GCM = 7 };
const char *sg_srtp_profile_name(enum sg_srtp_profile profile); /* OpenSSL's spelling */

#define SG_SRTP_KEY_BYTES 16
#define SG_SRTP_SALT_MAX 14
#define SG_SRTP_AUTH_KEY_BYTES 20
#define SG_SRTP_TAG_MAX 16          /* what sealing adds to an RTP packet at most */
#define SG_SRTCP_TRAILER_MAX 24     /* and protecting to an RTCP one */
#define SG_SRTP_SOURCES_MAX 16      /* SSRCs that a peer may send with */

struct sg_srtp_keys {
	enum sg_srtp_profile profile;
	uint8_t client_key[SG_SRTP_KEY_BYTES], server_key[SG_SRTP_KEY_BYTES];
	uint8_t client_salt[SG_SRTP_SALT_MAX], server_salt[SG_SRTP_SALT_MAX];
};

/* ---- sealing: RTP out ---- */

struct sg_srtp_sealer;
/* From the master key and salt (12 bytes of it with GCM, 14 else). */
SG_MUST_CHECK enum sg_result sg_srtp_sealer_open(struct sg_srtp_sealer **out,
    enum sg_srtp_profile profile, const uint8_t *key, const uint8_t *salt);
/* From session keys, as the vectors of RFC 7714 give them. `auth` is not used with GCM. */
SG_MUST_CHECK enum sg_result sg_srtp_sealer_open_session(struct sg_srtp_sealer **out,
    enum sg_srtp_profile profile, const uint8_t *key, const uint8_t *salt, const uint8_t *auth);
void sg_srtp_sealer_close(struct sg_srtp_sealer *s); /* NULL allowed */
/* The session keys of RFC 3711 section 4.3 for labels 0 (key), 1 (authentication), 2 (salt). */
bool sg_srtp_derive(uint8_t *out, size_t len, const uint8_t *key, const uint8_t *salt,
    size_t salt_len, uint8_t label);
/* Writes the packet made of `header` and `payload`, sealed, to `out` (header_len + payload_len +
 * SG_SRTP_TAG_MAX bytes); answers its length, 0 on failure. `index` is the packet's 48 bit index:
 * rollover counter and sequence number; the header's sequence number must be its low half. `out` may
 * not overlap the payload. */
size_t sg_srtp_seal(struct sg_srtp_sealer *s, uint8_t *out, const uint8_t *header, size_t header_len,
    const uint8_t *payload, size_t payload_len, uint64_t index);

/* ---- both ways ---- */

struct sg_srtp;
SG_MUST_CHECK enum sg_result sg_srtp_open(struct sg_srtp **out, const struct sg_srtp_keys *keys,
    bool we_are_client);
void sg_srtp_close(struct sg_srtp *s); /* NULL allowed */
struct sg_srtp_sealer *sg_srtp_sealer(struct sg_srtp *s); /* borrowed */
/* In place; false: not theirs, seen before, too old, malformed, or one SSRC too many. */
bool sg_srtp_unprotect(struct sg_srtp *s, uint8_t *p, size_t *len);
bool sg_srtp_unprotect_rtcp(struct sg_srtp *s, uint8_t *p, size_t *len);
/* In place, with SG_SRTCP_TRAILER_MAX bytes of room behind. */
bool sg_srtp_protect_rtcp(struct sg_srtp *s, uint8_t *p, size_t *len);

#endif
