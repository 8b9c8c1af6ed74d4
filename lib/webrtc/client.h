/* client.h - WebRTC, the client's side: plays or publishes one stream. For streamplay and tests.
 *
 * A state machine that takes datagrams and a clock and gives datagrams; it knows no socket. SDP goes
 * by whatever signalling the caller speaks:
 *
 *   WHEP, WHIP:     sg_rtc_client_offer ─▶ (they answer) ─▶ sg_rtc_client_set_answer
 *   the WebSocket:  (they offer) ─▶ sg_rtc_client_answer
 *
 * It is the controlling agent (RFC 8445 section 8) towards a server that is ICE-lite, and DTLS's
 * client. Everything belongs to one thread; times are monotonic microseconds. */
#ifndef SG_WEBRTC_CLIENT_H
#define SG_WEBRTC_CLIENT_H

#include "webrtc/dtls.h"
#include "webrtc/rtp.h"
#include <sys/socket.h>

struct sg_rtc_client;

#define SG_RTC_STATES(X)                                                                           \
	X(SG_RTC_NEW, "new") /* no remote description yet */                                       \
	X(SG_RTC_CHECKING, "checking") /* looking for a way to the server */                       \
	X(SG_RTC_HANDSHAKE, "handshaking") /* DTLS */                                              \
	X(SG_RTC_OPEN, "open") /* media may flow */                                                \
	X(SG_RTC_CLOSED, "closed") /* the server said goodbye */                                   \
	X(SG_RTC_FAILED, "failed") /* sg_rtc_client_error says why */
enum sg_rtc_state {
#define SG_RTC_STATE_NAME(name, text) name,
	SG_RTC_STATES(SG_RTC_STATE_NAME)
#undef SG_RTC_STATE_NAME
};
const char *sg_rtc_state_name(enum sg_rtc_state s);

struct sg_rtc_client_config {
	struct sg_dtls_identity *identity; /* borrowed */
	bool publish;
	/* What is published; NONE: no such track. When playing: NONE for what is not wanted. */
	enum sg_codec video, audio;
	/* One datagram to be sent; may be called in any call below. */
	void (*send)(
	    void *user, const struct sockaddr *to, socklen_t to_len, const uint8_t *p, size_t len);
	void *user;
};
SG_MUST_CHECK enum sg_result sg_rtc_client_open(
    struct sg_rtc_client **out, const struct sg_rtc_client_config *cfg);
void sg_rtc_client_close(struct sg_rtc_client *c); /* says goodbye; NULL allowed */

/* Appends our offer. */
void sg_rtc_client_offer(struct sg_rtc_client *c, struct sg_buf *out);
/* SG_ERR_BAD_INPUT: malformed; SG_ERR_UNSUPPORTED: no codec, or no address of theirs, that we could
 * use. sg_rtc_client_error says which. Then begins: call sg_rtc_client_tick. */
SG_MUST_CHECK enum sg_result sg_rtc_client_set_answer(struct sg_rtc_client *c, struct sg_str sdp);
/* Takes their offer and appends our answer; otherwise the same. Playing only. */
SG_MUST_CHECK enum sg_result sg_rtc_client_answer(
    struct sg_rtc_client *c, struct sg_str offer, struct sg_buf *out);
/* A candidate that came on its own; what is not ours to use is ignored. */
void sg_rtc_client_add_candidate(struct sg_rtc_client *c, struct sg_str candidate);

/* One datagram that came; `p` is changed. */
void sg_rtc_client_feed(struct sg_rtc_client *c, const struct sockaddr *from, socklen_t from_len,
    uint8_t *p, size_t len, int64_t now_us);
/* Does what is due; answers when to call again (monotonic microseconds). */
int64_t sg_rtc_client_tick(struct sg_rtc_client *c, int64_t now_us);
enum sg_rtc_state sg_rtc_client_state(const struct sg_rtc_client *c);
const char *sg_rtc_client_error(const struct sg_rtc_client *c); /* "" none */
/* What was agreed on, once there is a remote description; NONE: no such track. */
enum sg_codec sg_rtc_client_codec(const struct sg_rtc_client *c, enum sg_frame_kind kind);

/* Playing: the next whole frame, owned by the caller, or NULL; configuration frames come too. Times
 * are on one timeline of both tracks. */
struct sg_frame *sg_rtc_client_next(struct sg_rtc_client *c, int64_t now_us);
/* Publishing: sends a frame (configuration frames are fed too), packed and sealed, at once. False:
 * not open, or not a frame that can be sent. */
bool sg_rtc_client_write(struct sg_rtc_client *c, const struct sg_frame *f, int64_t now_us);
/* Publishing: the server has asked for a keyframe since the last call. */
bool sg_rtc_client_key_wanted(struct sg_rtc_client *c);

struct sg_rtc_client_stats {
	uint64_t packets, bytes;
	uint64_t lost, nacks, recovered, plis; /* playing: packets that did not come in time; NACK packets sent,
						  packets that came after one; PLIs sent */
	uint64_t retransmitted; /* publishing */
	double jitter_s; /* playing: of the picture, or of the sound where there is none (RFC 3550 section 6.4.1) */
	double round_trip_ms; /* of the last check; -1 unknown */
};
void sg_rtc_client_stats(const struct sg_rtc_client *c, struct sg_rtc_client_stats *out);

#endif
