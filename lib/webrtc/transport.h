/* transport.h - the transport of one peer connection: ICE, DTLS, SRTP on one flow of datagrams.
 *
 * A state machine without sockets: it takes datagrams, with the path on which each came, and a
 * clock; it gives datagrams and events. As a server it is ICE-lite (RFC 8445 section 2.5): it
 * answers checks, takes the first path that a check proves, and lets USE-CANDIDATE move it. As a
 * client (streamplay, tests) it is controlling and makes checks itself, on one path at a time.
 * Nothing is done, and nothing kept, for a datagram that is not proven: by its integrity (STUN), or
 * by having come on a path that was. One thread. */
#ifndef SG_WEBRTC_TRANSPORT_H
#define SG_WEBRTC_TRANSPORT_H

#include "webrtc/dtls.h"
#include "webrtc/webrtc.h"

/* RFC 7675 section 5.1. */
#define SG_CONSENT_MS 30000

/* Where datagrams come from and go to. Only `remote` and `tcp` make a path another one. */
struct sg_path {
	struct sockaddr_storage remote, local; /* local: family 0 unknown */
	uint8_t socket; /* the owner's: which of its sockets */
	void *tcp;      /* the owner's: a connection, NULL for UDP */
};
bool sg_path_equal(const struct sg_path *a, const struct sg_path *b);

struct sg_transport;
struct sg_transport_events {
	void (*send)(void *user, const struct sg_path *to, const uint8_t *p, size_t len);
	/* A check has proven this path: datagrams from there are this transport's. */
	void (*proven)(void *user, const struct sg_path *path);
	void (*connected)(void *user); /* SRTP is up, once */
	void (*rtp)(void *user, uint8_t *p, size_t len);  /* decrypted */
	void (*rtcp)(void *user, uint8_t *p, size_t len); /* likewise, a compound packet */
	/* Once, the last event. `detail` is one line. The transport must not be closed inside it. */
	void (*failed)(void *user, enum sg_goodbye why, const char *detail);
};
struct sg_transport_config {
	struct sg_dtls_identity *identity; /* borrowed */
	bool ice_client;
	int64_t consent_ms; /* without a proof for so long it fails; 0: SG_CONSENT_MS */
	const struct sg_transport_events *events;
	void *user;
};
SG_MUST_CHECK enum sg_result sg_transport_open(
    struct sg_transport **out, const struct sg_transport_config *cfg, int64_t now_ms);
void sg_transport_close(struct sg_transport *t, bool notify); /* NULL allowed */

const char *sg_transport_ufrag(const struct sg_transport *t); /* ours */
const char *sg_transport_pwd(const struct sg_transport *t);
/* Credentials as sg_transport_open draws them. */
void sg_ice_credentials(char ufrag[SG_ICE_UFRAG_SIZE], char pwd[SG_ICE_PWD_SIZE]);
/* What the peer's SDP says. Longer credentials than RFC 8839 section 5.4 has (256): false. Before
 * it DTLS is not answered. */
#define SG_ICE_REMOTE_MAX 256
bool sg_transport_set_remote(struct sg_transport *t, struct sg_str ufrag, struct sg_str pwd,
    const uint8_t fingerprint[SG_FINGERPRINT_BYTES], bool dtls_client);
/* ICE restart: new credentials on both sides; the way in use stays until a check proves another. */
bool sg_transport_restart(struct sg_transport *t, struct sg_str ufrag, struct sg_str pwd,
    const char *our_ufrag, const char *our_pwd);
/* A client begins to check this path, instead of any before. */
void sg_transport_connect(struct sg_transport *t, const struct sg_path *path, int64_t now_ms);

/* Takes a datagram; its bytes are overwritten. False: it was nothing for this transport. */
bool sg_transport_feed(
    struct sg_transport *t, const struct sg_path *from, uint8_t *p, size_t len, int64_t now_ms);
/* To be called when its time has come, or more often. */
void sg_transport_tick(struct sg_transport *t, int64_t now_ms);
int64_t sg_transport_deadline(struct sg_transport *t, int64_t now_ms);
/* This path exists no longer (a connection was closed). */
void sg_transport_lost(struct sg_transport *t, const void *tcp);

const struct sg_path *sg_transport_path(const struct sg_transport *t); /* NULL: none yet */
bool sg_transport_is_connected(const struct sg_transport *t);
int64_t sg_transport_heard_ms(const struct sg_transport *t); /* when something came that only the peer can send */
struct sg_srtp *sg_transport_srtp(struct sg_transport *t); /* NULL before connected */
/* Encrypts and sends one compound RTCP packet of at most SG_RTCP_MAX bytes. */
#define SG_RTCP_MAX 1200
void sg_transport_send_rtcp(struct sg_transport *t, const uint8_t *p, size_t len);

struct sg_transport_stats {
	uint64_t stun_bad, srtp_bad, checks;
};
void sg_transport_stats(const struct sg_transport *t, struct sg_transport_stats *out);

#endif
