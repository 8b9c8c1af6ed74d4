/* client_internal.h - what the files of the client share.
 *
 * client.c        ICE and DTLS: the way to the server, and its end
 * client_sdp.c    descriptions, ours and theirs
 * client_media.c  RTP and RTCP, in and out */
#ifndef SG_WEBRTC_CLIENT_INTERNAL_H
#define SG_WEBRTC_CLIENT_INTERNAL_H

#include "webrtc/client.h"
#include "webrtc/rtcp.h"
#include "webrtc/sdp.h"
#include "webrtc/stun.h"

#define CLIENT_REMOTES_MAX 8
#define CLIENT_CREDENTIAL_SIZE 257 /* RFC 8839 section 5.4: up to 256 characters */
#define CLIENT_STORE 1024 /* sent packets kept for NACKs; a power of two */

struct client_remote {
	struct sockaddr_storage sa;
	socklen_t len;
	uint8_t transaction[SG_STUN_TRANSACTION_BYTES];
	int64_t asked_us; /* the first copy of this transaction; 0: none waits */
};

struct client_track {
	enum sg_codec codec; /* NONE: there is no such track */
	uint8_t payload_type;
	uint8_t others[SG_SDP_OTHERS_MAX], other_count; /* playing: of codecs that the server may change to */
	uint32_t ssrc; /* ours when publishing; theirs, once seen, when playing */
	bool has_ssrc;
	/* playing */
	struct sg_rtp_track *in;
	struct sg_rtcp_source source;
	int64_t last_ticks;
	int64_t pli_us; /* when a keyframe was last asked for */
	/* publishing */
	uint64_t index; /* of the next packet: rollover counter and sequence number */
	uint32_t offset; /* of timestamps */
	uint32_t packets, octets;
	uint32_t last_timestamp;
	int64_t last_sent_us;
};

struct client_sent {
	uint16_t seq, len;
	uint32_t ssrc;
	uint8_t bytes[SG_RTP_MTU];
};

struct sg_rtc_client {
	struct sg_rtc_client_config cfg;
	enum sg_rtc_state state;
	char error[160];
	char ufrag[9], pwd[33];
	char remote_ufrag[CLIENT_CREDENTIAL_SIZE], remote_pwd[CLIENT_CREDENTIAL_SIZE];
	uint8_t remote_fingerprint[SG_FINGERPRINT_BYTES];
	uint64_t tie_breaker, session_id;

	struct client_remote remotes[CLIENT_REMOTES_MAX];
	size_t remote_count;
	struct client_remote *way; /* the one that answered; NULL none yet */
	int64_t began_us, check_us, answered_us;
	double round_trip_ms;

	struct sg_dtls *dtls;
	struct sg_srtp *srtp;

	struct client_track tracks[2]; /* video, audio */
	struct sg_rtp_extmap extensions;
	struct sg_rtp_packer *packer;
	struct sg_rtp_sync sync;
	struct client_sent *sent; /* CLIENT_STORE of them, publishing only */
	uint16_t sent_at;
	int64_t report_us;
	uint32_t report_ssrc; /* who our reports are from when we send nothing */
	bool key_wanted;
	struct sg_rtc_client_stats stats;
};

void client_fail(struct sg_rtc_client *c, const char *fmt, ...) SG_PRINTF(2, 3);
/* To the server, by the way that was found. */
void client_send(struct sg_rtc_client *c, const uint8_t *p, size_t len);
void client_add_remote(struct sg_rtc_client *c, const struct sg_candidate *k);

enum sg_result client_media_open(struct sg_rtc_client *c); /* once codecs are known */
void client_media_close(struct sg_rtc_client *c);
void client_media_rtp(struct sg_rtc_client *c, uint8_t *p, size_t len, int64_t now_us);
void client_media_rtcp(struct sg_rtc_client *c, uint8_t *p, size_t len, int64_t now_us);
int64_t client_media_tick(struct sg_rtc_client *c, int64_t now_us); /* answers when next */
void client_media_bye(struct sg_rtc_client *c);

#endif
