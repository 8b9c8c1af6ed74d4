/* rtmp_internal.h - one peer, and what the files around it share.
 *
 *   server.c    listening, one lane per loop, limits, statistics
 *   peer.c      bytes: handshake, chunks, control messages, answers, the end
 *   command.c   connect, createStream, publish, play, ...: AMF commands
 *   publish.c   a publisher's way through the gate to the hub
 *   play.c      a viewer's way through the gate to the fanout
 *
 * A peer belongs to its lane's loop. Whatever ends a peer sets `dead`; the function that libuv, the gate
 * or the fanout called destroys it, last of all, with peer_settle(). */
#ifndef SG_RTMP_INTERNAL_H
#define SG_RTMP_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "rtmp/amf.h"
#include "rtmp/chunk.h"
#include "rtmp/handshake.h"
#include "rtmp/rtmp.h"
#include "rtmp/target.h"

#define RTMP_STREAM 1 /* the one message stream that we give out */
#define WINDOW_BYTES 2500000
/* Defaults of what the configuration may set. */
#define SAY_SOMETHING_MS 10000
#define FIRST_MEDIA_MS 15000
#define PUBLISHER_SILENT_MS 30000
#define LINGER_MS 500 /* for a peer to read why it is sent away; with a tick, within R6's second */
#define STREAM_END_LINGER_MS 5000 /* for a slow viewer to see the end */
#define PING_MS 30000
#define SWEEP_MS 250
#define SCRATCH_BYTES 65536

enum peer_state { PEER_C1, PEER_C2, PEER_OPEN, PEER_CLOSING };
enum peer_role { ROLE_NONE, ROLE_PUBLISH, ROLE_PLAY };
/* Where the role stands at the gate. While ASKING and COMMITTING nothing is read. */
enum peer_stage { STAGE_ASKING, STAGE_HELD, STAGE_COMMITTING, STAGE_ACTIVE };

struct rtmp_lane;

struct rtmp_peer {
	struct rtmp_peer *prev, *next;
	struct rtmp_lane *lane;
	struct sg_conn *conn;
	uint8_t state, role, stage;
	bool dead, counted_role;
	bool takes_opus; /* has said so when it connected: Enhanced RTMP */
	int64_t deadline_ms; /* monotonic; 0 = none */
	struct sg_rtmp_chunks chunks;
	struct sg_buf in;  /* read, not yet taken */
	struct sg_buf out; /* not yet written; a viewer's goes through its follower */
	uint64_t bytes_in, acked, counted;
	uint32_t window; /* the peer wants an acknowledgement this often */
	char *app, *tc_url, *flash_ver;
	struct sg_session *session;
	enum sg_goodbye bye; /* how the session ends */
	/* a publisher */
	struct sg_publisher *publisher;
	struct sg_buf meta, first; /* kept from before the commit: metadata, and the first media */
	uint8_t first_type;
	uint32_t first_ms;
	struct sg_timer *retry;
	int retries;
	struct sg_timer *look; /* when it is read again, if not before */
	/* a viewer */
	struct sg_stream *stream;
	struct sg_follower *follower;
	int64_t ping_ms;
	int64_t until_ms; /* as long as it wants to play; 0 = as long as there is something */
	uint32_t play_for_ms; /* likewise, before it plays */
};

struct rtmp_lane {
	struct sg_rtmp_server *srv;
	struct sg_loop *loop;
	struct sg_fanout *fanout;
	struct sg_timer *sweep; /* runs while there are peers */
	struct rtmp_peer *peers;
	struct sg_task drain;
	uint8_t scratch[SCRATCH_BYTES];
};

struct sg_rtmp_server {
	struct sg_rtmp_config cfg;
	struct sg_listener *listener, *tls_listener;
	struct rtmp_lane *lanes;
	atomic_size_t connections, publishers, players;
	atomic_ullong accepted, rejected, bad_input, bytes_in, bytes_out;
	atomic_bool draining;
};

/* peer.c */
void peer_start(struct rtmp_lane *lane, int fd, struct sg_tls *tls); /* tls NULL: plain */
void peer_settle(struct rtmp_peer *p);
void peer_destroy(struct rtmp_peer *p);
void peer_tick(struct rtmp_peer *p, int64_t now_ms);
/* Appends to what goes out, and sends. */
void peer_send(struct rtmp_peer *p, const struct sg_buf *b);
/* Ends with a word to the peer where there is still a way to say it. */
void peer_say_and_close(struct rtmp_peer *p, const char *level, const char *code, const char *text,
    enum sg_goodbye bye);
void peer_drop(struct rtmp_peer *p, enum sg_goodbye bye); /* at once */
void peer_count_bytes(struct rtmp_peer *p); /* carried since the last time */
/* One log line: this peer sent what nobody should send. */
void peer_bad_input(struct rtmp_peer *p, const char *what);
void peer_read_rest(struct rtmp_peer *p); /* of a publisher: what was left with the kernel; does not destroy it */
void peer_read(struct rtmp_peer *p); /* what has come; destroys it if it is dead then */
void peer_go_on(struct rtmp_peer *p); /* reads again, with what was read before first */
void peer_end_role(struct rtmp_peer *p, enum sg_goodbye bye); /* the connection stays */
void put_status(struct sg_buf *out, const char *level, const char *code, const char *text);
void put_user_control(struct sg_buf *out, uint16_t event, uint32_t value);
const char *peer_name(const struct rtmp_peer *p); /* for logs */

/* command.c */
void command_handle(struct rtmp_peer *p, struct sg_reader body);
/* Asks the gate for `name`, as it stands in the command. */
void ask_gate(struct rtmp_peer *p, enum peer_role role, struct sg_str name);
void peer_refuse(struct rtmp_peer *p, enum sg_reason reason);

/* publish.c */
void publisher_admitted(struct rtmp_peer *p);
void publisher_committed(struct rtmp_peer *p);
void publisher_message(struct rtmp_peer *p, const struct sg_rtmp_message *m);
/* After it was read; `drained`: nothing is left, and there was something. */
void publisher_put_off(struct rtmp_peer *p, bool drained);
void publisher_end(struct rtmp_peer *p);

/* play.c */
void viewer_admitted(struct rtmp_peer *p);
void viewer_end(struct rtmp_peer *p);

#endif
