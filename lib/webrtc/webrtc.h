/* webrtc.h - WebRTC, the server's side: browsers that publish in, browsers that play out.
 *
 * Signalling (the WebSocket that Ant Media's clients speak, WHIP, WHEP; in lib/signal) carries SDP
 * and candidates; this room does everything behind it: ICE-lite on one UDP port (RFC 8445 section
 * 2.5), ICE-TCP (RFC 6544) on the TCP port of the same number, DTLS 1.2 (RFC 5764), SRTP, RTCP,
 * packets to frames and back. See README.md in this folder.
 *
 * A peer connection carries one stream in one direction. Its way through the gate:
 *
 *   open ─▶ sg_gate_admit ─HELD─▶ `described` ─▶ ICE, DTLS ─▶ first media at hand: sg_gate_commit
 *        └─ refused ─▶ `ended`                    ─▶ ACTIVE: `started`, media flows ─▶ `ended`
 *
 * Nothing is spent before ICE and DTLS are up and, for a publisher, a whole first frame has come;
 * for a viewer, the first frame is about to be sent (R2, R3).
 *
 * Threads: functions may be called on any thread and never block. Callbacks come through the
 * executor given, in order, never inside a call; after sg_webrtc_close() returns no callback comes
 * when the caller is on that executor's thread. */
#ifndef SG_WEBRTC_WEBRTC_H
#define SG_WEBRTC_WEBRTC_H

#include "gate/gate.h"
#include "media/stream.h"
#include "net/loop.h"
#include "webrtc/sdp.h" /* SG_SDP_MAX: the largest SDP taken and given */

struct sg_webrtc_server;
struct sg_webrtc_peer;

struct sg_webrtc_config {
	const struct sg_config *cfg;  /* [webrtc] listen, public_ip; borrowed until close */
	struct sg_loop *const *loops; /* a socket per loop and address (SO_REUSEPORT) */
	size_t loop_count;
	struct sg_gate *gate;
	struct sg_hub *hub;
	size_t max_peers; /* more are refused as SG_OVERLOAD */
	int64_t media_deadline_ms; /* from described to media; 0: 15 s */
	int64_t consent_ms; /* RFC 7675: a peer that is not heard from for so long is gone; 0: 30 s */
	const char *certificate_path; /* PEM, key and certificate; made (mode 0600) when it is not there */
	void (*bound)(void *user, const struct sockaddr *sa); /* each UDP address really bound */
	void *bound_user;
};
SG_MUST_CHECK enum sg_result sg_webrtc_server_open(struct sg_webrtc_server **out,
    const struct sg_webrtc_config *cfg, char *error, size_t error_size);
void sg_webrtc_server_drain(struct sg_webrtc_server *srv); /* ends every peer as SG_BYE_SHUTDOWN */
/* Waits until every peer is gone. Not on a loop. NULL allowed. */
void sg_webrtc_server_close(struct sg_webrtc_server *srv);

struct sg_webrtc_events {
	/* Admitted and held. `sdp` is the answer to the offer given; or, where none was given, our offer
	 * to a viewer, or absent for a publisher: its offer is awaited (sg_webrtc_set_offer, which leads
	 * here again). One candidate line per address is inside, and end-of-candidates. Valid for
	 * the call. */
	void (*described)(void *user, struct sg_str sdp);
	/* The use is durable and media flows. */
	void (*started)(void *user);
	/* Once, and the last callback: refused (`verdict` is not SG_ADMITTED, `why` tells nothing), or
	 * SG_ADMITTED and `why` it ended. `detail` is one line for the log and for clients that are
	 * admitted ("no codec in common", "H.264 with B-frames cannot be played over WebRTC"), "" none.
	 * The owner then calls sg_webrtc_close. */
	void (*ended)(void *user, enum sg_reason verdict, enum sg_goodbye why, const char *detail);
	/* Our next offer to a viewer that was offered to: the stream has got a track more. Its answer is taken as
	 * the first one's was. Who makes offers itself is never told: such a viewer is ended when the picture
	 * comes, and comes back. NULL: likewise. */
	void (*offered)(void *user, struct sg_str sdp);
};

struct sg_webrtc_open {
	const char *protocol; /* static: "webrtc", "whip", "whep", "preview" */
	struct sg_str app, stream, token, user_agent; /* copied */
	enum sg_token_type type;
	struct sg_addr peer;  /* of the signalling connection; R5, R13 */
	/* The peer's offer (WHIP, WHEP), or absent (the WebSocket). Copied. */
	struct sg_str offer;
	bool video, audio;    /* wanted; both true for all */
	bool by_admin;        /* as in struct sg_request */
	/* The Ant Media names of tracks in our offer: msid track ids ARDAMSvS and ARDAMSaS, mids "0"
	 * (video) and "1" (audio), as far as the stream has them. */
	struct sg_executor *executor;
	const struct sg_webrtc_events *events;
	void *user;
};
/* NULL: over the limit, or out of memory (refuse as SG_OVERLOAD). Else `ended` will come, unless
 * sg_webrtc_close is first. Admission goes on in the background. */
struct sg_webrtc_peer *sg_webrtc_open(struct sg_webrtc_server *srv, const struct sg_webrtc_open *cfg);
/* An ID for this peer's resource URL: 128 random bits, base64url; opens only PATCH and DELETE. */
#define SG_WEBRTC_ID_SIZE 23
const char *sg_webrtc_id(const struct sg_webrtc_peer *p);
/* The peer's offer, later than sg_webrtc_open: a publisher on the WebSocket is first told `start`.
 * The answer comes through `described`. A second offer of a running peer (renegotiation) is
 * answered the same way. */
void sg_webrtc_set_offer(struct sg_webrtc_peer *p, struct sg_str sdp);
/* The peer's answer to our offer. Malformed or nothing in common: `ended`. */
void sg_webrtc_set_answer(struct sg_webrtc_peer *p, struct sg_str sdp);
/* Trickle ICE (RFC 8838): ICE-lite needs no candidate of theirs; read only for its mistakes.
 * False: malformed. */
bool sg_webrtc_add_candidate(struct sg_webrtc_peer *p, struct sg_str candidate);
/* ICE restart (RFC 9725 section 4.3.1): the peer's new ufrag and password are taken, ours are drawn
 * anew into the buffers (SG_ICE_UFRAG_SIZE, SG_ICE_PWD_SIZE). */
#define SG_ICE_UFRAG_SIZE 9
#define SG_ICE_PWD_SIZE 33
void sg_webrtc_restart(struct sg_webrtc_peer *p, struct sg_str ufrag, struct sg_str pwd,
    char our_ufrag[SG_ICE_UFRAG_SIZE], char our_pwd[SG_ICE_PWD_SIZE]);
/* Ends it if it runs (DTLS close_notify goes out) and gives the handle back. NULL allowed. */
void sg_webrtc_close(struct sg_webrtc_peer *p, enum sg_goodbye why);

/* What is going on, for REST and metrics; any thread. */
struct sg_webrtc_peer_stats {
	uint64_t session_id;      /* the gate's public one */
	double round_trip_ms;     /* -1 unknown: none has been reported yet, or the peer reports none */
	double loss;              /* fraction of the last reports, 0 to 1 */
	uint64_t packets, bytes, retransmitted, nacks, plis, firs, frames_skipped;
	uint64_t bit_rate;        /* bits per second over the last seconds */
	uint64_t estimate;        /* a viewer's own, of what its line carries, in bits per second; 0: not told */
	const char *transport;    /* "udp", "tcp" */
	enum sg_codec video, audio;
};
void sg_webrtc_peer_stats(struct sg_webrtc_peer *p, struct sg_webrtc_peer_stats *out);
/* Copies at most `max`, answers how many there are. */
size_t sg_webrtc_peers(struct sg_webrtc_server *srv, struct sg_webrtc_peer_stats *out, size_t max);

struct sg_webrtc_stats {
	size_t peers, peers_max, publishers, viewers;
	uint64_t opened, stun_bad, dtls_failed, srtp_bad, packets_in, packets_out, bytes_in, bytes_out,
	    retransmitted, nacks, plis, skipped, bad_input,
	    b_frames, /* viewers refused or ended because of them */
	    dropped; /* datagrams between loops, connections over the limit */
};
void sg_webrtc_server_stats(struct sg_webrtc_server *srv, struct sg_webrtc_stats *out);

#endif
