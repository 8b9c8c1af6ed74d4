/* gate_internal.h - what the files of this folder share.
 *
 * One mutex, gate->lock, guards everything in here but the queues, which have their own. It is
 * never held across a call to the store, the media side or an executor: what is to be told is
 * collected under the lock and posted after it. */
#ifndef SG_GATE_INTERNAL_H
#define SG_GATE_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "gate/gate.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#define HASH_NONFATAL_OOM 0
#include <uthash.h>
#include <utlist.h>

#define SG_GATE_STORES 6
#define SG_GATE_SESSIONS_MAX 200000
#define SG_GATE_TOKENLESS_MAX (SG_GATE_SESSIONS_MAX / 4 * 3) /* the rest is for tokens */
#define SG_GATE_NETWORK_MAX 4000 /* detached sessions without a token from one network */
#define SG_GATE_QUEUE_MAX 16384
#define SG_GATE_AUDIT_QUEUE_MAX 8192
#define SG_GATE_AUDIT_QUEUE_OPEN (SG_GATE_AUDIT_QUEUE_MAX / 4 * 3) /* the rest: tokens' and administrators' rows */
#define SG_GATE_QUERY_QUEUE_MAX 256
#define SG_GATE_RESUME_MAX 10000
#define SG_GATE_BATCH 1024
#define SG_GATE_AUDIT_MANY (SG_GATE_BATCH / 2) /* rows that are written even with no admission beside */
#define SG_GATE_BUDGET_MAX 65536
#define SG_GATE_PARKED_MS 30000 /* so long a viewer waits for a relay's media */

enum session_state {
	ST_CHECKING, /* in the lookup queue, or waiting for another's commit */
	ST_WAITING, /* R13: until the connection it replaces is gone */
	ST_HELD,
	ST_COMMITTING,
	ST_ACTIVE,
	ST_ENDED, /* also: refused */
};

/* R5: where a session is. One address of each family counts as one place. */
struct place {
	struct sg_addr v4, v6; /* family 0 = not seen yet */
	uint64_t agent; /* hash of the user agent */
	int64_t left_ms; /* monotonic; for places left behind */
};
#define FORMER_PLACES 4

struct token_entry {
	uint64_t id; /* key */
	unsigned held, committing;
	struct sg_session *sessions; /* by token_next */
	struct sg_session
	    *waiters; /* CHECKING, until a commit under way is decided; by queue_next */
	UT_hash_handle hh;
};

struct stream_entry {
	char key[SG_APP_MAX + 1 + SG_STREAM_MAX + 1]; /* "app/stream" */
	struct sg_session *publisher; /* HELD, COMMITTING or ACTIVE */
	struct sg_session *sessions; /* by stream_next */
	enum { RESERVED_NOT, RESERVED_SILENT, RESERVED_LIVE } reserved; /* a relay publishes it; has media come? */
	UT_hash_handle hh;
};

/* R13: a use whose connection broke, for its owner to come back to. */
struct resume_slot {
	uint64_t token_id; /* key */
	struct sg_addr peer;
	int64_t until_ms; /* monotonic */
	int64_t expires_at;
	uint32_t resume_s;
	UT_hash_handle hh;
};

struct budget_entry {
	struct sg_addr net; /* key: sg_addr_network */
	double points; /* left at `at_ms` */
	int64_t at_ms, told_ms;
	double rows; /* of the audit, left at `rows_at_ms` */
	int64_t rows_at_ms;
	unsigned left_out;
	struct sg_audit *last; /* of those that were left out */
	UT_hash_handle hh;
};

/* Where sessions that were detached came from without a token. */
struct network_entry {
	struct sg_addr net; /* key, as a budget's */
	unsigned detached;
	UT_hash_handle hh;
};

struct setting_entry {
	char key[SG_APP_MAX + SG_STREAM_MAX + 40]; /* "app/stream/key" */
	bool on;
	UT_hash_handle hh;
};

struct sg_session {
	struct sg_gate *gate;
	atomic_uint refs; /* the handle, the tables, each queue and task it is in */
	enum session_state state;
	bool at_once, elsewhere, by_admin, handle, in_tables, detached, resumed, kicked;
	bool unwritten; /* one of too many for the audit: its end is none of it either */
	bool verdict_is_commit; /* which callback verdict_task is for */
	bool now, decided; /* the caller of sg_gate_admit_now waits; it has its verdict */
	enum sg_reason verdict;
	enum sg_goodbye kick_why;
	uint64_t id, token_id;
	struct sg_token_key key; /* wiped once decided */
	bool has_key, key_malformed;
	const char *protocol;
	enum sg_token_type type;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1], recording[SG_STREAM_MAX + 5];
	struct sg_addr peer;
	char user_agent[128];
	int64_t started_ms, commit_us, expires_at;
	uint32_t resume_s;
	int64_t resume_until_ms; /* monotonic; R13: until then it, or who comes after it, may go on with its use */
	int64_t parked_ms; /* monotonic: HELD, and since then without its verdict; 0 = not so */
	atomic_uint_fast64_t bytes;
	atomic_int_fast64_t active_ms; /* monotonic: media last moved */
	struct sg_gate_client client;
	struct sg_task verdict_task, kick_task;
	struct sg_session *successor; /* R13: waits for this one to be gone */

	struct sg_session *queue_next, *kick_next;
	struct sg_session *verdict_next; /* is told its verdict after this one, by the same task */
	struct token_entry *token;
	struct sg_session *token_prev, *token_next;
	struct stream_entry *stream_at;
	struct sg_session *stream_prev, *stream_next;
	UT_hash_handle hh; /* by id */

	/* detached */
	char sid[SG_SID_TEXT_SIZE];
	UT_hash_handle hh_sid;
	int64_t seen_ms;
	struct place place, former[FORMER_PLACES];
	struct sg_attachment *attachments;
	struct network_entry *network; /* NULL: not counted */
};

/* What was found out about an attempt. */
struct sg_lookup {
	struct sg_session *session;
	enum sg_reason token, media; /* verdicts */
	enum sg_result resolved; /* SG_OK: the stream is known */
	bool needs_token;
	bool coming; /* not live, but a relay goes for it */
	struct sg_token row; /* id 0 where no token is needed or none was found */
	/* what is to be done once the lock is free */
	struct sg_session *hanging; /* the connection it wants to replace is to be kicked */
	bool post, drop;
};

/* A bounded first-in first-out of sessions for one worker thread. */
struct session_queue {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct sg_session *head, **tail;
	size_t count;
	bool stop;
};

struct audit_node {
	struct audit_node *next;
	struct sg_audit row;
};

struct query_node {
	void (*fn)(void *user, struct sg_gate *gate, struct sg_store *store);
	void *user;
};

struct sg_gate {
	const struct sg_config *cfg;
	struct sg_gate_media media;
	pthread_mutex_t lock;
	struct sg_session *sessions, *by_sid; /* uthash heads */
	uint64_t last_session; /* the newest one's id */
	struct token_entry *tokens;
	struct stream_entry *streams;
	struct resume_slot *resumes;
	struct budget_entry *budgets;
	struct network_entry *networks;
	struct setting_entry *settings;
	struct sg_gate_stats stats;
	void (*on_audit)(void *user, const struct sg_audit *row);
	void *on_audit_user;

	struct session_queue lookups, commits;
	/* Under commits.lock, drained by the commit thread. */
	struct audit_node *audit_head, **audit_tail;
	size_t audit_count;
	bool audit_urgent; /* not to wait for an admission */

	pthread_mutex_t query_lock;
	pthread_cond_t query_wake;
	struct query_node queries[SG_GATE_QUERY_QUEUE_MAX];
	size_t query_first, query_count;
	bool query_stop;

	pthread_mutex_t watch_lock;
	bool watch_stop;
	int watch_event; /* eventfd: a poke, or the end; -1 before the threads are started */
	pthread_cond_t checkpoint_wake; /* with watch_lock */
	atomic_bool checkpoint_rests; /* nothing has been written since the last */
	int64_t last_change;

	atomic_uint refs; /* the owner, and each session */
	atomic_uint_fast64_t batches_done, audit_dropped;
	struct sg_store *stores[SG_GATE_STORES]; /* lookup, commit, checkpoint, watch, query, now */
	pthread_mutex_t now_lock; /* stores[5], which callers of sg_gate_admit_now use in turn */
	pthread_t threads[5];
	unsigned thread_count;
};

/* check.c */
enum sg_reason sg_gate_judge_token(const struct sg_token *t, struct sg_str app,
    struct sg_str stream, enum sg_token_type type, int64_t now);

/* admit.c; `locked` functions want gate->lock held */
/* The lookup thread's and the commit thread's answers, in the order of the sessions; each takes the
 * queue's references. */
void sg_gate_looked_up(struct sg_gate *g, struct sg_lookup *batch, size_t count);
void sg_gate_committed(struct sg_gate *g, struct sg_session *const *sessions,
    const enum sg_reason *verdicts, size_t count);
/* One that was parked gets its verdict; true when the caller must post it after unlocking (a reference goes
 * along). */
bool sg_gate_unpark_locked(struct sg_session *s, enum sg_reason verdict);

/* tell.c */
/* Tells the session's owner its verdict, outside the lock; the reference goes along. */
void sg_session_post_verdict(struct sg_session *s);
void sg_session_run_verdict(struct sg_task *task);
void sg_session_run_kick(struct sg_task *task);
/* Marks it for its owner; true when the caller must post kick_task after unlocking (a reference
 * goes along). */
bool sg_gate_kick_locked(struct sg_session *s, enum sg_goodbye why);
/* The verdicts of a batch go to each executor in one post: posted one by one, each would wake a
 * thread that is done with it before the next one comes. */
#define SG_GATE_CHAINS 16
struct sg_gate_chains {
	struct {
		struct sg_session *first, *last;
	} at[SG_GATE_CHAINS];
	unsigned count;
};
void sg_gate_chain(struct sg_gate_chains *c, struct sg_session *s);
void sg_gate_post_chains(struct sg_gate_chains *c);

/* life.c */
void sg_session_unref(struct sg_session *s);
struct token_entry *sg_gate_token_locked(struct sg_gate *g, uint64_t id); /* NULL: nobody is at it */
void sg_gate_token_drop_locked(struct sg_gate *g, struct token_entry *e); /* if nobody is */
/* Into the lists by stream and by token. False: no memory, or no room for one without a token. */
bool sg_gate_link_locked(struct sg_session *s);
void sg_gate_activate_locked(struct sg_session *s);
uint32_t sg_gate_resume_ms_locked(struct sg_session *s); /* R13; 0: it cannot be resumed */
/* Takes the session out of all tables. Answers the session that waited for its end (R13), whose
 * verdict the caller posts after unlocking, or NULL. */
struct sg_session *sg_gate_end_locked(struct sg_session *s, enum sg_goodbye why);
/* Ends an attempt with a refusal; the caller posts the verdict. */
void sg_gate_refuse_locked(struct sg_session *s, enum sg_reason why);

/* reserve.c, locked: who is at a stream. NULL: nobody, or no memory to create it. */
struct stream_entry *sg_gate_stream_locked(
    struct sg_gate *g, const char *app, const char *stream, bool create);
void sg_gate_stream_drop_locked(struct sg_gate *g, struct stream_entry *e); /* if nobody is */

/* audit.c */
void sg_gate_audit_session(struct sg_session *s, const char *event, const char *reason,
    const char *detail, struct sg_audit *row);
void sg_gate_audit_push(struct sg_gate *g, const struct sg_audit *row);

/* room.c, locked: how many may be in without a token */
/* When it is put into the lists, and out of them. False: there is no room for it. */
bool sg_gate_room_take(struct sg_session *s);
void sg_gate_room_give_back(struct sg_session *s);
void sg_gate_room_detached(struct sg_session *s);

/* budget.c, locked */
bool sg_gate_budget_allows(struct sg_gate *g, const struct sg_addr *peer);
/* Answers whether it cost anything. */
bool sg_gate_budget_charge(struct sg_gate *g, const struct sg_addr *peer, enum sg_reason why);
bool sg_gate_budget_tell(struct sg_gate *g, const struct sg_addr *peer);
/* Pushes a row that has cost its peer nothing, if its address has not had too many of them. */
bool sg_gate_budget_write(struct sg_gate *g, const struct sg_addr *peer, struct sg_audit *row);
void sg_gate_budget_tick(struct sg_gate *g, int64_t now_ms);
void sg_gate_budget_free(struct sg_gate *g);

/* switches.c */
const struct sg_app_config *sg_gate_app_locked(struct sg_gate *g, const char *app);
bool sg_gate_needs_token_locked(
    struct sg_gate *g, const char *app, const char *stream, enum sg_token_type type);
enum sg_result sg_gate_load_settings(struct sg_gate *g, struct sg_store *store);
void sg_gate_settings_free(struct setting_entry *head);

/* sessions.c */
void sg_gate_tick(struct sg_gate *g);
void sg_gate_detached_end_all(struct sg_gate *g);
void sg_gate_apply_change(struct sg_gate *g, const struct sg_change *c);
void sg_gate_end_stream_tokens(struct sg_gate *g, const struct sg_end_filter *filter);

/* stats.c, locked */
void sg_gate_count_verdict(
    struct sg_gate *g, const char *protocol, enum sg_token_type type, enum sg_reason verdict);
void sg_gate_count_batch(
    struct sg_gate *g, struct sg_session *const *batch, size_t count, bool failed);

/* gate.c */
void sg_gate_unref(struct sg_gate *g);

/* workers.c */
enum sg_result sg_gate_start_threads(struct sg_gate *g);
void sg_gate_stop_threads(struct sg_gate *g);
/* Reads the token's row and gives sg_gate_looked_up its answer. False: the store is busy and the handle
 * has no patience; nothing was decided. */
bool sg_gate_look_up(struct sg_gate *g, struct sg_store *store, struct sg_session *s);
/* Takes a reference of its own; false when the queue is full. */
bool sg_queue_push(struct session_queue *q, struct sg_session *s);
void sg_queue_init(struct session_queue *q);
void sg_queue_destroy(struct session_queue *q);

#endif
