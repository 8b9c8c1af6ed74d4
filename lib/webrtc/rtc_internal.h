/* rtc_internal.h - the server's inside, shared by the files of this room.
 *
 *   server.c     opening and closing, one lane per loop, the clock, statistics
 *   addresses.c  our candidates
 *   table.c      who belongs to a name or an address; who publishes a stream; limits per network
 *   demux.c      a datagram's way to its peer, from one lane to another when need be
 *   tcp.c        ICE-TCP: framed datagrams on connections
 *   peer.c       a peer's life: calls from its owner, the gate, the end
 *   describe.c   offers and answers
 *   publish.c    packets to frames, frames to the hub, feedback to the browser
 *   channel.c    a stream's frames, packed once for a lane's viewers
 *   view.c       a viewer: where it begins, what it is sent, what it is sent again
 *   move.c       a viewer that goes on elsewhere: another variant, a track more
 *   thin.c       a viewer whose line carries less than the stream
 *   report.c     RTCP that comes in from viewers, and reports that go out
 *
 * A peer belongs to its lane's loop. Whatever ends it sets `dead` (rtc_peer_drop); the function that the
 * loop, the gate or the transport called ends it, last of all, with rtc_peer_settle(). */
#ifndef SG_WEBRTC_RTC_INTERNAL_H
#define SG_WEBRTC_RTC_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "webrtc/rtcp.h"
#include "webrtc/rtp.h"
#include "webrtc/sdp.h"
#include "webrtc/transport.h"
#include "webrtc/webrtc.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#define RTC_TICK_MS 20
#define RTC_ADDRESSES_MAX 16  /* that we listen on */
#define RTC_CANDIDATES_MAX 16 /* that an SDP of ours names */
#define RTC_LANES_MAX 64
#define RTC_PATHS_MAX 8       /* proven ones kept per peer */
#define RTC_INBOX 512         /* datagrams on their way to another lane */
#define RTC_UNFINISHED_MAX 2000 /* peers without DTLS yet, in all */
#define RTC_UNFINISHED_PER_NETWORK 100 /* of what one customer has whole: sg_addr_network */
#define RTC_MEDIA_DEADLINE_MS 15000 /* from described to media */
#define RTC_TCP_MAX 4000            /* connections per lane */
#define RTC_TCP_PER_PEER 8          /* of them, proven */
#define RTC_TCP_UNPROVEN_MAX 200    /* of a lane's, on which no check was right yet */
#define RTC_TCP_UNPROVEN_PER_NETWORK 50
#define RTC_TCP_UNPROVEN_MS 5000
#define RTC_TCP_OUT_MAX (1u << 20)  /* bytes that wait for a peer that does not read */
#define RTC_TRACKS_MS 2000 /* a publisher's second track comes soon, if at all; their SDK waits for 3 s */
#define RTC_KEY_EVERY_MS 2000 /* other protocols cut at keyframes; browsers send none unless asked */
#define RTC_KEY_PAUSE_MS 500  /* between requests for a keyframe */
#define RTC_PUBLISH_BITS 6000000u /* the most that a publishing browser is asked for */
#define RTC_SCRATCH_BYTES (SG_UDP_RUN_MAX + 2048)

struct rtc_lane;
struct rtc_publisher;
struct rtc_viewer;
struct rtc_channel;
struct rtc_tcp;

/* ---- table.c ---- */

struct rtc_path_key {
	uint8_t address[16];
	uint16_t port, family;
};
void rtc_path_key(struct rtc_path_key *out, const struct sockaddr_storage *sa);

struct rtc_name { /* a peer's ufrag */
	UT_hash_handle hh;
	char ufrag[SG_ICE_UFRAG_SIZE];
	struct sg_webrtc_peer *peer;
};
struct rtc_route { /* a proven address */
	UT_hash_handle hh;
	struct rtc_path_key key;
	struct sg_webrtc_peer *peer; /* NULL: not in the table */
	atomic_llong heard_ms;
};
struct rtc_crowd { /* unfinished peers of one network */
	UT_hash_handle hh;
	struct sg_addr net;
	size_t count;
};
struct rtc_table {
	pthread_rwlock_t lock;
	struct rtc_name *names;
	struct rtc_route *routes;
	struct rtc_crowd *crowds;
	struct sg_webrtc_peer *publishers; /* by their stream; linked by next_publisher */
	size_t unfinished;
};
void rtc_table_init(struct rtc_table *t);
void rtc_table_destroy(struct rtc_table *t);
/* The peer may be looked into on its own lane only. */
struct found {
	struct sg_webrtc_peer *peer;
	struct rtc_lane *lane;
};
struct found rtc_table_find_name(struct rtc_table *t, struct sg_str ufrag);
struct found rtc_table_find_path(struct rtc_table *t, const struct sockaddr_storage *sa, int64_t now_ms);
void rtc_table_add_name(struct rtc_table *t, struct sg_webrtc_peer *p, const char *ufrag); /* instead of the former */
/* An address in use by another peer stays that one's. */
void rtc_table_add_path(struct rtc_table *t, struct sg_webrtc_peer *p, const struct sg_path *path, int64_t now_ms);
void rtc_table_remove(struct rtc_table *t, struct sg_webrtc_peer *p); /* names and paths */
bool rtc_table_count_in(struct rtc_table *t, const struct sg_addr *a); /* false: too many */
void rtc_table_count_out(struct rtc_table *t, const struct sg_addr *a);
void rtc_table_add_publisher(struct rtc_table *t, struct sg_webrtc_peer *p, struct sg_stream *s);
void rtc_table_remove_publisher(struct rtc_table *t, struct sg_webrtc_peer *p);
/* Asks whoever publishes `s` for a keyframe, if it is one of ours. */
void rtc_table_request_key(struct rtc_table *t, const struct sg_stream *s);

/* ---- peers ---- */

enum peer_state { PEER_ASKING, PEER_HELD, PEER_COMMITTING, PEER_ACTIVE };

/* One of our two tracks, as negotiated. */
struct rtc_track {
	bool on;
	bool awaited; /* a viewer's: it would take it, but the stream had none when this was described */
	enum sg_codec codec;
	uint8_t payload_type;
	uint8_t agreed[SG_CODEC_MP3 + 1]; /* a viewer's: payload types of all codecs that may come; 0 none */
	uint32_t ssrc; /* ours (viewer) */
	int h264_mode; /* a viewer's: of H.264, whatever comes now */
	int channels;
	struct sg_rtp_extmap extensions;
	bool remb, transport_cc;
};

static inline bool rtc_track_takes(const struct rtc_track *t, enum sg_codec codec)
{
	return t->on && (t->codec == codec || t->agreed[codec]);
}

struct sg_webrtc_peer {
	struct sg_webrtc_peer *prev, *next;         /* the lane's list */
	struct sg_webrtc_peer *all_prev, *all_next; /* the server's, under its stats lock */
	struct sg_webrtc_peer *leaving_prev, *leaving_next; /* likewise: given back, but not ended yet */
	bool leaving, left; /* likewise; left: it has ended */
	struct sg_webrtc_server *srv;
	struct rtc_lane *lane;
	atomic_uint refs; /* the owner's, the loop's, one per message on its way */
	char id[SG_WEBRTC_ID_SIZE];

	/* As opened. */
	const char *protocol;
	char *app, *stream_id, *token, *user_agent;
	enum sg_token_type type;
	struct sg_addr addr;
	bool want_video, want_audio, by_admin, unfinished, in_list;
	struct sg_executor *executor;
	const struct sg_webrtc_events *events;
	void *user;
	atomic_bool closed; /* the owner wants no callback any more */

	/* The loop's. */
	enum peer_state state;
	bool dead, ended, described, opened;
	bool waits; /* to be described, until the stream's tracks are known */
	bool answer_due; /* to an offer of ours */
	enum sg_reason verdict;
	enum sg_goodbye bye;
	char detail[160];
	int64_t deadline_ms; /* 0 none */
	struct sg_session *session;
	struct sg_transport *transport;
	struct rtc_name name;
	struct rtc_route routes[RTC_PATHS_MAX];
	unsigned next_route;
	char *offer; /* until admitted */
	uint64_t sdp_session, sdp_version;
	struct rtc_track tracks[2]; /* 0 video, 1 audio */
	uint8_t offered[2], offered_count; /* tracks, as the sections of our offer have them */
	struct sg_stream *stream;   /* a viewer's, or what a publisher publishes */
	struct rtc_publisher *publisher;
	struct rtc_viewer *viewer;
	char name_text[SG_ENDPOINT_TEXT_SIZE]; /* for logs */

	/* Keyframe requests from any lane (publishers). */
	struct sg_webrtc_peer *next_publisher;
	const struct sg_stream *publishes;
	struct sg_task key_task;
	atomic_bool key_posted;

	struct sg_webrtc_peer_stats stats; /* shown; under the server's stats lock */
	struct sg_webrtc_peer_stats count; /* the loop's, copied there every second */
	int64_t stats_ms, told_ms;
	uint64_t stats_bytes, told_bytes;
};

struct sg_webrtc_peer *rtc_peer_ref(struct sg_webrtc_peer *p);
void rtc_peer_unref(struct sg_webrtc_peer *p);
void rtc_peer_drop(struct sg_webrtc_peer *p, enum sg_reason verdict, enum sg_goodbye why, const char *detail);
void rtc_peer_settle(struct sg_webrtc_peer *p);
void rtc_peer_tick(struct sg_webrtc_peer *p, int64_t now_ms);
void rtc_peer_described(struct sg_webrtc_peer *p, struct sg_str sdp); /* tells the owner */
void rtc_peer_offers_more(struct sg_webrtc_peer *p, struct sg_str sdp); /* likewise, later */
void rtc_peer_started(struct sg_webrtc_peer *p); /* committed, and media flows */
void rtc_peer_send(void *user, const struct sg_path *to, const uint8_t *p, size_t len);

/* describe.c: false: the peer has been dropped. */
bool rtc_describe_answer(struct sg_webrtc_peer *p, struct sg_str offer);
bool rtc_describe_offer(struct sg_webrtc_peer *p);
bool rtc_describe_take_answer(struct sg_webrtc_peer *p, struct sg_str answer);
/* May a viewer be described now? Not while a track that it wants may still come. */
bool rtc_describe_is_due(const struct sg_webrtc_peer *p);
/* The stream has a track now that it did not have: it is offered, or, where only they can offer, the viewer ends,
 * to come back. */
void rtc_describe_more(struct sg_webrtc_peer *p);
/* What is sent from now on. */
void rtc_note_codecs(struct sg_webrtc_peer *p);
/* The stream as this peer can play it, referenced; NULL: it has ended. */
struct sg_stream *rtc_find_variant(struct sg_webrtc_peer *p);
/* Browsers show reordered pictures in the order in which they come. */
void rtc_refuse_b_frames(struct sg_webrtc_peer *p);

/* ---- publish.c ---- */

void rtc_publisher_connected(struct sg_webrtc_peer *p);
void rtc_publisher_rtp(struct sg_webrtc_peer *p, const uint8_t *data, size_t len);
void rtc_publisher_rtcp(struct sg_webrtc_peer *p, const uint8_t *data, size_t len);
void rtc_publisher_committed(struct sg_webrtc_peer *p);
void rtc_publisher_tick(struct sg_webrtc_peer *p, int64_t now_ms);
void rtc_publisher_wants_key(struct sg_webrtc_peer *p);
void rtc_publisher_end(struct sg_webrtc_peer *p);

/* ---- channel.c, view.c, report.c ---- */

struct rtc_channel {
	struct rtc_channel *prev, *next;
	struct rtc_lane *lane;
	struct sg_stream *stream; /* referenced */
	struct sg_ring *ring;
	struct sg_ring_waiter waiter;
	struct sg_task task;
	atomic_bool posted;
	bool closing, running;
	int h264_mode;
	struct sg_rtp_packer *packer;
	uint64_t cursor;
	struct rtc_viewer *viewers;
	bool anchored; /* the stream's time and ours */
	int64_t anchor_pts, anchor_us;
	int64_t live_pts; /* of the newest frame */
};
struct rtc_channel *rtc_channel_join(struct rtc_lane *lane, struct sg_stream *s, int h264_mode, struct rtc_viewer *v);
/* A packer that knows the configurations in force at the newest keyframe, which *cursor names. */
struct sg_rtp_packer *rtc_packer_for(struct sg_stream *s, int h264_mode, uint64_t *cursor);
void rtc_channel_leave(struct rtc_channel *c, struct rtc_viewer *v);
/* The stream's time now, in 90 kHz. */
int64_t rtc_channel_now(const struct rtc_channel *c, int64_t now_us);

/* One frame sent, kept so that it can be sent again. */
struct rtc_sent {
	struct sg_rtp_frame *frame; /* NULL: free */
	uint64_t index; /* of its first packet */
	uint32_t timestamp;
	int64_t sent_ms;
};
#define RTC_SENT_VIDEO 256
#define RTC_SENT_AUDIO 64
#define RTC_SENT_MS 1500 /* older ones are of no use to anybody */
struct rtc_out {
	uint64_t index; /* of the next packet: rollover counter and sequence number */
	uint32_t offset; /* of timestamps */
	uint32_t packets, octets;
	struct rtc_sent *sent;
	unsigned sent_size, sent_next;
};

/* ---- thin.c: a value, zero to begin ---- */

struct rtc_thin {
	double rate; /* bytes a second; 0: no limit */
	double room; /* bytes, at filled_ms; less than nothing after a large picture */
	int64_t filled_ms, bound_ms; /* bound: when it last kept something back */
	unsigned heavy_reports; /* in a row */
	unsigned tightened;     /* times in a row */
	uint8_t lost_at_first;  /* when it was tightened first */
	uint8_t floor;          /* is lost however little is sent; as the others of 256 */
};
/* A report about the pictures, while so much is sent. True: nothing more up to the next keyframe. */
bool rtc_thin_report(struct rtc_thin *t, uint64_t bit_rate, uint64_t estimate, uint8_t lost, int64_t now_ms);
bool rtc_thin_has_room(struct rtc_thin *t, bool key, int64_t now_ms);
void rtc_thin_spend(struct rtc_thin *t, size_t bytes);

struct rtc_viewer {
	struct rtc_viewer *prev, *next; /* the channel's list */
	struct sg_webrtc_peer *peer;
	struct rtc_channel *channel;
	struct rtc_out out[2];
	bool catching_up, skipping;
	bool astray;     /* what comes is not what was agreed on: another variant, or offer, may be */
	int64_t moved_ms; /* when that was tried */
	int64_t shown_pts; /* the last picture's, as it was sent */
	struct sg_rtp_packer *packer; /* its own, while it catches up */
	uint64_t cursor;
	int64_t live_pts; /* what lay before it when it began is shown in quick motion */
	int64_t report_ms, key_ms;
	struct rtc_thin thin;
	unsigned resent, asked; /* packets sent, numbers looked for, since resent_ms */
	int64_t resent_ms;
	int fir_number;
};
void rtc_viewer_connected(struct sg_webrtc_peer *p);
void rtc_viewer_committed(struct sg_webrtc_peer *p);
void rtc_viewer_tick(struct sg_webrtc_peer *p, int64_t now_ms);
void rtc_viewer_end(struct sg_webrtc_peer *p);
/* What its stream has now is not what this viewer can take: it looks for a variant that is. */
void rtc_viewer_went_astray(struct rtc_viewer *v, bool video);
/* It went astray: is there a variant of the stream, or an offer to make, that helps? */
void rtc_viewer_move(struct rtc_viewer *v, int64_t now_ms);
/* It has a track more. */
void rtc_viewer_begin_again(struct rtc_viewer *v);
void rtc_viewer_deliver(struct rtc_viewer *v, struct sg_rtp_frame *f);
void rtc_viewer_catch_up(struct rtc_viewer *v);
#define RTC_PRESS 20 /* quick motion: so much faster */
int64_t rtc_live_pts(const struct sg_webrtc_peer *p); /* of the newest frame of what it watches */
int rtc_h264_mode(const struct sg_webrtc_peer *p);
/* May another number be looked for now? Counts it. */
bool rtc_viewer_may_ask(struct rtc_viewer *v);
void rtc_viewer_resend(struct rtc_viewer *v, int track, uint16_t seq);
void rtc_viewer_rtcp(struct sg_webrtc_peer *p, const uint8_t *data, size_t len);
void rtc_viewer_report(struct rtc_viewer *v, int64_t now_ms); /* sends SR and SDES */

/* ---- tcp.c ---- */

struct rtc_tcp {
	struct rtc_tcp *prev, *next; /* the lane's */
	struct rtc_lane *lane;
	struct sg_conn *conn;
	struct sg_webrtc_peer *peer; /* NULL: nobody's yet */
	struct sg_path path;
	struct sg_addr net;
	struct sg_buf out;
	int64_t deadline_ms;
	bool dead, proven;
	size_t in_len;
	uint8_t in[SG_UDP_DATAGRAM_MAX + 2];
};
void rtc_tcp_accepted(void *user, struct sg_loop *loop, int fd);
void rtc_tcp_settle(struct rtc_tcp *c);
void rtc_tcp_proven(struct rtc_tcp *c); /* a check on it was right */
void rtc_tcp_tick(struct rtc_lane *lane, int64_t now_ms);
/* Frames and sends; false: too much is waiting, nothing of it has been taken. */
bool rtc_tcp_send(struct rtc_tcp *c, const uint8_t *p, size_t len);
void rtc_tcp_forget_peer(struct rtc_lane *lane, struct sg_webrtc_peer *p); /* closes its connections */
void rtc_tcp_close_all(struct rtc_lane *lane);

/* ---- demux.c ---- */

struct rtc_inbox {
	pthread_mutex_t lock;
	struct sg_task task;
	bool posted;
	unsigned first, count;
	struct rtc_parcel {
		struct sg_path path;
		size_t len;
		uint8_t p[SG_UDP_DATAGRAM_MAX];
	} *parcels;
};
extern const struct sg_udp_events rtc_demux_events; /* `user` is a struct rtc_socket */
bool rtc_inbox_init(struct rtc_inbox *in);
void rtc_inbox_destroy(struct rtc_inbox *in);
void rtc_inbox_run(struct sg_task *task);
/* Whose is it, by the ufrag in a STUN request? */
struct found rtc_demux_stun(struct sg_webrtc_server *srv, const uint8_t *p, size_t len);
/* On the peer's lane. */
void rtc_demux_feed(struct sg_webrtc_peer *p, const struct sg_path *path, uint8_t *data, size_t len);

/* ---- server.c ---- */

struct rtc_socket {
	struct rtc_lane *lane;
	struct sg_udp *udp;
	uint8_t index;
};
struct rtc_lane {
	struct sg_webrtc_server *srv;
	struct sg_loop *loop;
	struct rtc_socket sockets[RTC_ADDRESSES_MAX];
	struct sg_timer *tick;
	struct sg_webrtc_peer *peers;
	struct rtc_channel *channels;
	struct rtc_tcp *tcps; /* proven ones first, the newest in front; then the others, the newest at the end */
	size_t tcp_count, tcp_unproven;
	struct rtc_inbox inbox;
	struct sg_task drain;
	int64_t now_ms;
	uint8_t scratch[RTC_SCRATCH_BYTES]; /* a frame, sealed */
};
struct rtc_counts {
	atomic_ullong opened, stun_bad, dtls_failed, srtp_bad, packets_in, packets_out, bytes_in,
	    bytes_out, retransmitted, nacks, plis, skipped, bad_input, b_frames, dropped;
};
struct sg_webrtc_server {
	struct sg_webrtc_config cfg;
	struct sg_dtls_identity *identity;
	struct rtc_lane *lanes[RTC_LANES_MAX];
	size_t address_count;
	struct sg_listener *listener;
	struct sg_listen tcp_addresses[RTC_ADDRESSES_MAX];
	struct sg_sdp_address candidates[RTC_CANDIDATES_MAX];
	size_t candidate_count;
	struct rtc_table table;
	pthread_mutex_t stats_lock;
	struct sg_webrtc_peer *all, *leaving;
	atomic_size_t peers, publishers, viewers;
	atomic_uint next_lane;
	atomic_bool draining;
	struct rtc_counts counts;
};
#define COUNT(srv, what, n) atomic_fetch_add_explicit(&(srv)->counts.what, (n), memory_order_relaxed)

/* addresses.c: one candidate per address for UDP, and one for TCP; `bound` as bound. */
size_t rtc_find_candidates(struct sg_sdp_address *out, size_t max, const struct sg_listen *bound,
    size_t count, bool tcp, const char *public_ip);

#endif
