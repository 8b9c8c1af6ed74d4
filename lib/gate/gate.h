/* gate.h - may this one in, who is in, and who must leave?
 *
 * A protocol makes a request and gets a session or a refusal; nothing reaches media without a
 * session (INTERFACE.md R1 to R13). The way of a session:
 *
 *   sg_gate_admit ─▶ CHECKING ─admitted()─▶ HELD ─sg_gate_commit─▶ COMMITTING ─committed()─▶ ACTIVE
 *                        └─ refused ─▶ (ended)   └─ refused ─▶ (ended)              sg_gate_end ─▶ (ended)
 *
 * CHECKING reads the token's row; HELD keeps a use for this attempt, in memory, nothing spent;
 * COMMITTING spends it in the store; ACTIVE may carry media, and only ACTIVE may.
 *
 * Threads: all functions are thread-safe and none waits for the disk, except where said. A
 * session's callbacks run through the client's executor, in order, never inside a call into the
 * gate. A session handle belongs to whoever asked, until sg_gate_end (or sg_gate_detach); when the
 * handle's owner lives on the executor's thread, no callback comes after sg_gate_end.
 *
 * No function here logs, prints or keeps a token's text. */
#ifndef SG_GATE_GATE_H
#define SG_GATE_GATE_H

#include "base/addr.h"
#include "base/config.h"
#include "base/task.h"
#include "store/store.h"

struct sg_gate;
struct sg_session;

/* INTERFACE.md section 3.4; the names are what audit, metrics and JSON show. */
#define SG_REASONS(X)                                                                              \
	X(SG_ADMITTED, "admitted")                                                                 \
	X(SG_MISSING_TOKEN, "missing_token")                                                       \
	X(SG_UNKNOWN_TOKEN, "unknown_token")                                                       \
	X(SG_WRONG_STREAM, "wrong_stream")                                                         \
	X(SG_WRONG_TYPE, "wrong_type")                                                             \
	X(SG_REVOKED, "revoked")                                                                   \
	X(SG_EXPIRED, "expired")                                                                   \
	X(SG_USED, "used")                                                                         \
	X(SG_STREAM_NOT_LIVE, "stream_not_live")                                                   \
	X(SG_ALREADY_PUBLISHING, "already_publishing")                                             \
	X(SG_TOO_MANY_ATTEMPTS, "too_many_attempts")                                               \
	X(SG_ADDRESS_REFUSED, "address_refused")                                                   \
	X(SG_SHARED, "shared")                                                                     \
	X(SG_OVERLOAD, "overload")
enum sg_reason {
#define SG_REASON_NAME(name, text) name,
	SG_REASONS(SG_REASON_NAME)
#undef SG_REASON_NAME
	SG_REASON_COUNT
};
const char *sg_reason_name(enum sg_reason r);

/* How a session ended; the audit shows the name. */
#define SG_GOODBYES(X)                                                                             \
	X(SG_BYE_CLOSED, "closed")         /* the peer said goodbye */                             \
	X(SG_BYE_BROKEN, "broken")         /* the connection broke without one: R13 may apply */   \
	X(SG_BYE_STREAM_ENDED, "stream_ended")                                                     \
	X(SG_BYE_IDLE, "idle")             /* an HTTP viewer that did not come back */             \
	X(SG_BYE_STALLED, "stalled")       /* took nothing for too long */                         \
	X(SG_BYE_BAD_INPUT, "bad_input")                                                           \
	X(SG_BYE_NO_MEDIA, "no_media")     /* held, but media never came: nothing was spent */     \
	X(SG_BYE_KICKED, "kicked")         /* an administrator */                                  \
	X(SG_BYE_REVOKED, "revoked")       /* R6 */                                                \
	X(SG_BYE_EXPIRED, "expired")       /* R7, expiry_ends_session */                           \
	X(SG_BYE_SHARED, "shared")         /* R5 */                                                \
	X(SG_BYE_RESUMED, "resumed")       /* R13: its owner came back on another connection */    \
	X(SG_BYE_SHUTDOWN, "shutdown")
enum sg_goodbye {
#define SG_BYE_NAME(name, text) name,
	SG_GOODBYES(SG_BYE_NAME)
#undef SG_BYE_NAME
	SG_BYE_COUNT
};
const char *sg_goodbye_name(enum sg_goodbye g);

/* What the gate asks of the media side. Called on the gate's own threads, which may wait for the
 * disk. */
struct sg_gate_media {
	bool (*stream_is_live)(void *user, struct sg_str app, struct sg_str stream);
	bool (*recording_exists)(void *user, struct sg_str app, struct sg_str name);
	void *user;
	/* Asked about what is not live, to play it: is a relay going for it, which has it reserved? NULL: never. */
	bool (*stream_is_coming)(void *user, struct sg_str app, struct sg_str stream);
};

/* Opens the store named in `cfg` (borrowed until sg_gate_close) and starts the gate's threads:
 * lookups, commits, checkpoints, changes made by others, queries. */
SG_MUST_CHECK enum sg_result sg_gate_open(struct sg_gate **out, const struct sg_config *cfg,
    const struct sg_gate_media *media, char *error, size_t error_size);
/* All sessions must have been ended, detached ones are ended here. Writes out the audit. NULL
 * allowed. */
void sg_gate_close(struct sg_gate *gate);
/* After SIGHUP: the applications' sections are read from `cfg` (borrowed) from now on. When it
 * returns the gate does not look at the former configuration any more. */
void sg_gate_reconfigure(struct sg_gate *gate, const struct sg_config *cfg);

/* ---- admission ---- */

struct sg_request {
	const char *protocol;      /* static: "rtmp", "hls", "flv", "ts", "mp4", ... */
	struct sg_str app, stream; /* as the peer wrote them; checked here */
	enum sg_token_type type;
	struct sg_str token;       /* absent = none given */
	struct sg_addr peer;
	struct sg_str user_agent;  /* absent = none */
	/* A recording's file name ("cam.mp4") instead of a stream: the catalogue says which stream it
	 * belongs to, else its stem. `stream` is then ignored. */
	struct sg_str recording;
	/* Media is at hand: commit in the same go. `admitted` then means ACTIVE, and `committed` is
	 * not called. */
	bool at_once;
	/* The media is not ours (another server asks): whether it is live or recorded is not looked at. */
	bool elsewhere;
	/* An administrator looks, and has shown elsewhere who they are: no token is asked for, none is
	 * spent, and no switch concerns the session. */
	bool by_admin;
};

struct sg_gate_client {
	struct sg_executor *executor;
	/* SG_ADMITTED, or the refusal: the session has then ended, but its handle must still be given
	 * back with sg_gate_end. */
	void (*admitted)(void *user, enum sg_reason verdict);
	void (*committed)(void *user, enum sg_reason verdict); /* NULL with at_once */
	/* Stop this session's media now, tell the peer what the protocol has for it, close, and call
	 * sg_gate_end. */
	void (*kicked)(void *user, enum sg_goodbye why);
	void *user;
};

/* Everything is copied. NULL: out of memory or over the limit of sessions (then refuse as
 * SG_OVERLOAD); else `admitted` will be called, unless sg_gate_end comes first. */
struct sg_session *sg_gate_admit(struct sg_gate *gate, const struct sg_request *req,
    const struct sg_gate_client *client);
/* The same, decided where it is called, for a protocol that must answer a handshake on a thread that
 * many peers share (SRT): the token's row is read on this thread, which takes microseconds from the page
 * cache and never waits for a writer. Not with at_once or a recording.
 *   *verdict SG_ADMITTED: HELD; a refusal: it has ended; `admitted` is not called in either case.
 *   *verdict SG_REASON_COUNT: not known yet (another attempt's commit is under way, a hanging connection
 *   has to go first, the store is busy): `admitted` will be called, as after sg_gate_admit. */
struct sg_session *sg_gate_admit_now(struct sg_gate *gate, const struct sg_request *req,
    const struct sg_gate_client *client, enum sg_reason *verdict);
/* Once, in HELD. `committed` is called with SG_ADMITTED, or with why not. */
void sg_gate_commit(struct sg_session *s);
/* In any state; frees the handle. Before ACTIVE nothing has been spent (but for a commit that is
 * under way). NULL allowed. */
void sg_gate_end(struct sg_session *s, enum sg_goodbye why);
void sg_session_add_bytes(struct sg_session *s, uint64_t bytes); /* media carried, for statistics */

#define SG_SESSION_ID_SIZE SG_ID_TEXT_SIZE
/* The public handle, for logs, `tokenctl kick` and the audit; opens nothing. */
void sg_session_id(const struct sg_session *s, char out[SG_SESSION_ID_SIZE]);
/* The stream it is for: the request's, or the recording's. Valid once admitted. */
const char *sg_session_app(const struct sg_session *s);
const char *sg_session_stream(const struct sg_session *s);

/* Would this be admitted now? Spends and holds nothing, writes no audit. Waits for the store:
 * to be called with a store of the caller's own, on a thread that may wait (`tokenctl check`, the
 * query thread). `now` Unix seconds. Checks the token's part of section 3.3 only. */
enum sg_reason sg_gate_check_token(struct sg_store *store, struct sg_str token, struct sg_str app,
    struct sg_str stream, enum sg_token_type type, int64_t now, struct sg_token *out /* or NULL */);

/* What a stranger asks beside an admission (HEAD) costs as much as there: to be asked before the store is, and
 * told the verdict after. False: the address has nothing left, SG_TOO_MANY_ATTEMPTS. Memory only. */
bool sg_gate_may_ask(struct sg_gate *gate, const struct sg_addr *peer);
void sg_gate_has_asked(struct sg_gate *gate, const struct sg_addr *peer, enum sg_reason verdict);

/* Must this have a token now? Memory only. */
bool sg_gate_needs_token(struct sg_gate *gate, struct sg_str app, struct sg_str stream,
    enum sg_token_type type);
bool sg_gate_has_app(struct sg_gate *gate, struct sg_str app);

/* ---- streams that a relay publishes: the operator's, without a session ---- */

/* True: nobody publishes it here, and until sg_gate_unreserve nobody is let in to (SG_ALREADY_PUBLISHING, and
 * nothing spent), except `elsewhere`. False: somebody does, or there is no memory. Names that are valid. */
bool sg_gate_reserve(struct sg_gate *gate, const char *app, const char *stream);
/* Its media has come. Who wants to play it before that waits, with the token held and no verdict, for this, for
 * sg_gate_unreserve or for half a minute; then it is SG_STREAM_NOT_LIVE, and nothing was spent. */
void sg_gate_reserved_is_live(struct sg_gate *gate, const char *app, const char *stream);
/* Once it is out of the relay's hands: the next one may publish at once. */
void sg_gate_unreserve(struct sg_gate *gate, const char *app, const char *stream);

/* ---- sessions that come back: HTTP ---- */

/* A viewer over HTTP makes many requests. After the first, its session is detached: it belongs to
 * the gate, is found by its secret id (128 random bits, 22 base64url characters: in the path of
 * playlists or in a cookie), and ends when no request has come for SG_PAUSE_MS. */
#define SG_SID_TEXT_SIZE 23
/* ACTIVE only. The handle is gone afterwards. */
void sg_gate_detach(struct sg_session *s, char sid[SG_SID_TEXT_SIZE]);

/* A request under way on a detached session; embedded in the request. While attached the session is
 * not idle. `kicked` runs on a gate thread with the gate's lock held: it may only do what cannot
 * block or call back, such as shutdown(2). */
struct sg_attachment {
	struct sg_attachment *next, **link; /* the gate's */
	struct sg_session *session;         /* the gate's; for sg_session_add_bytes */
	void (*kicked)(struct sg_attachment *at);
};
struct sg_reentry {
	struct sg_str sid;
	struct sg_str app, stream; /* absent stream = recording below */
	struct sg_str recording;   /* the file name the session was opened with */
	const char *protocol;
	struct sg_addr peer;
	struct sg_str user_agent;
};
/* SG_ADMITTED: `at` is attached until sg_gate_leave. SG_UNKNOWN_TOKEN: no such session, or not for
 * this. SG_SHARED: it was in two places and has ended (R5). Memory only. */
enum sg_reason sg_gate_enter(struct sg_gate *gate, const struct sg_reentry *re,
    struct sg_attachment *at);
void sg_gate_leave(struct sg_gate *gate, struct sg_attachment *at);
/* `to` is attached in the place of `from`, which has left. `to->kicked` is set; that of `from` may have been called. */
void sg_gate_move(struct sg_gate *gate, struct sg_attachment *to, struct sg_attachment *from);

/* ---- administration ---- */

/* Runs `fn` on the gate's query thread, with a store handle that it may use and wait for. False:
 * the queue is full (answer "try again later"). */
bool sg_gate_query(struct sg_gate *gate, void (*fn)(void *user, struct sg_gate *gate,
    struct sg_store *store), void *user);
/* After a change to settings or tokens was written through sg_gate_query: act on it now rather than
 * at the next poll. Any thread. */
void sg_gate_poke(struct sg_gate *gate);

/* Ends sessions; how many. `token_id` 0 = any, app/stream absent = any, type 0 = any,
 * session_id 0 = any; `without_token` = only those that came in without one, administrators apart. */
struct sg_end_filter {
	uint64_t token_id, session_id;
	struct sg_str app, stream;
	int type;
	bool without_token;
};
size_t sg_gate_end_sessions(struct sg_gate *gate, const struct sg_end_filter *f, enum sg_goodbye why);

struct sg_session_info {
	uint64_t id, token_id; /* token_id 0 = came in without one */
	bool by_admin;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1];
	enum sg_token_type type;
	const char *protocol;
	const char *state; /* "checking", "held", "committing", "active" */
	struct sg_addr peer;
	char user_agent[128];
	int64_t started_ms; /* Unix milliseconds */
	uint64_t bytes;
};
/* Copies at most `max` sessions, oldest first, with id > after; answers how many. */
size_t sg_gate_sessions(struct sg_gate *gate, uint64_t after, struct sg_session_info *out, size_t max);
size_t sg_gate_count(struct sg_gate *gate, struct sg_str app, struct sg_str stream, int type);

struct sg_switch_info {
	bool publish_token, play_token;
	bool publish_overridden, play_overridden; /* by the store, against the file */
};
void sg_gate_switches(struct sg_gate *gate, struct sg_str app, struct sg_str stream /* or absent */,
    struct sg_switch_info *out);

/* Appends to the audit from outside an admission (an administrator's act). */
void sg_gate_audit(struct sg_gate *gate, const struct sg_audit *row);
/* Called with every audit row as it happens, on a gate thread; must be quick. NULL stops. */
void sg_gate_on_audit(struct sg_gate *gate, void (*each)(void *user, const struct sg_audit *row),
    void *user);

#define SG_GATE_PROTOCOLS_MAX 16
struct sg_gate_stats {
	struct {
		const char *protocol;
		uint64_t verdicts[3][SG_REASON_COUNT]; /* [0 unused | publish | play][reason] */
		size_t sessions[3];
	} protocols[SG_GATE_PROTOCOLS_MAX];
	size_t protocol_count;
	uint64_t ended[SG_BYE_COUNT];
	size_t sessions, sessions_max, holds, detached;
	size_t tokenless, tokenless_max; /* came in without one, administrators apart */
	size_t lookup_queue, commit_queue, queue_max;
	size_t audit_queue, audit_queue_max, query_queue, query_queue_max;
	uint64_t commits, commit_batches, commit_failures;
	/* Cumulative counts of batches by size, and of commits by wait, for histograms. */
	uint64_t batch_le[8]; /* 1 4 16 64 256 1024 4096 inf */
	uint64_t wait_le[10]; /* seconds: .0005 .001 .0025 .005 .01 .025 .05 .1 1 inf */
	double batch_sum, wait_sum_s;
	uint64_t audit_dropped, audit_left_out;
	size_t budget_addresses, budget_addresses_max;
};
void sg_gate_get_stats(struct sg_gate *gate, struct sg_gate_stats *out);

#endif
