/* stun.h - STUN messages (RFC 8489) as ICE uses them (RFC 8445 section 7): Binding alone, short-term
 * credentials, fingerprints. Pure: bytes in, bytes out; nothing is allocated. */
#ifndef SG_WEBRTC_STUN_H
#define SG_WEBRTC_STUN_H

#include "base/bytes.h"
#include <sys/socket.h>

#define SG_STUN_HEADER_BYTES 20
#define SG_STUN_MAX_BYTES 548 /* RFC 8489 section 6.1: without path MTU discovery */
#define SG_STUN_TRANSACTION_BYTES 12
#define SG_STUN_UNKNOWN_MAX 8
#define SG_STUN_BINDING 1

enum sg_stun_class { SG_STUN_REQUEST, SG_STUN_INDICATION, SG_STUN_SUCCESS, SG_STUN_ERROR };

struct sg_stun {
	enum sg_stun_class class;
	uint16_t method;
	const uint8_t *transaction; /* SG_STUN_TRANSACTION_BYTES, in the message */
	struct sg_str username;     /* in the message; absent: none */
	bool use_candidate, controlling, controlled, has_priority;
	uint32_t priority;
	uint64_t tie_breaker;
	uint16_t error_code;            /* 0: none; 487 and the like */
	struct sockaddr_storage mapped; /* XOR-MAPPED-ADDRESS; ss_family 0: none */
	/* Attributes that have to be understood, and are not (section 6.3.1): answered with 420. */
	uint16_t unknown[SG_STUN_UNKNOWN_MAX];
	size_t unknown_count;
	size_t integrity_at; /* where MESSAGE-INTEGRITY begins; 0: none */
	bool has_fingerprint; /* and it was right */
};

/* Is this datagram STUN? By the first two bits, the length and the cookie (RFC 7983, RFC 8489). */
bool sg_stun_is(const uint8_t *p, size_t len);
/* False: not STUN, cut short, an attribute of the wrong size, or a fingerprint that is wrong. What
 * stands behind MESSAGE-INTEGRITY is not looked at, but for the fingerprint (section 14.5). */
bool sg_stun_parse(struct sg_stun *out, const uint8_t *p, size_t len);
/* MESSAGE-INTEGRITY with the short-term password (section 9.1.3); in constant time. */
bool sg_stun_is_from(const struct sg_stun *m, const uint8_t *p, struct sg_str password);

/* A message being written; `failed` once something did not fit. */
struct sg_stun_writer {
	uint8_t p[SG_STUN_MAX_BYTES];
	size_t len;
	bool failed;
};
void sg_stun_begin(struct sg_stun_writer *w, enum sg_stun_class class,
    const uint8_t transaction[SG_STUN_TRANSACTION_BYTES]);
void sg_stun_put_username(struct sg_stun_writer *w, struct sg_str username);
void sg_stun_put_priority(struct sg_stun_writer *w, uint32_t priority);
void sg_stun_put_role(struct sg_stun_writer *w, bool controlling, uint64_t tie_breaker);
void sg_stun_put_use_candidate(struct sg_stun_writer *w);
void sg_stun_put_mapped(struct sg_stun_writer *w, const struct sockaddr *sa);
void sg_stun_put_error(struct sg_stun_writer *w, uint16_t code, const char *reason);
void sg_stun_put_unknown(struct sg_stun_writer *w, const uint16_t *types, size_t count);
/* MESSAGE-INTEGRITY (unless the password is absent) and FINGERPRINT; false: it did not fit. */
bool sg_stun_finish(struct sg_stun_writer *w, struct sg_str password);

#endif
