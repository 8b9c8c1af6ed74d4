/* store.h - where tokens, settings, API keys, recordings and the audit are kept.
 *
 * A handle belongs to one thread; open one per worker. Every call may wait for the disk (and,
 * for at most 5 s, for another process's write lock), so none may run on an event loop.
 * SQLite is behind it (sqlite.c); the text of `url` chooses. No function here logs or keeps a
 * token's secret.
 *
 * A token is 24 bytes, written as 32 base64url characters: an 8 byte selector and a 16 byte
 * secret. The selector is the row's number: 42 bits of Unix milliseconds and 21 random bits, so
 * it tells when a token was made but not how many there are, new rows stay close together in
 * the table, and a token never begins with '-'. The token id that people see is the selector
 * in base32hex (base/text.h). Kept is SHA-256 of the secret, cut to 16 bytes: as hard to
 * invert as the 128 random bits it hides.
 *
 * Times are Unix seconds unless the name says milliseconds. */
#ifndef SG_STORE_STORE_H
#define SG_STORE_STORE_H

#include "base/bytes.h"
#include "base/text.h"

struct sg_store; /* opaque */

enum sg_token_type { SG_PUBLISH = 1, SG_PLAY = 2 };
const char *sg_token_type_name(enum sg_token_type type); /* "publish", "play" */
bool sg_token_type_parse(struct sg_str s, enum sg_token_type *out);

#define SG_TOKEN_SECRET_BYTES 16
#define SG_TOKEN_TEXT_SIZE 33 /* 32 characters and a NUL */
#define SG_LABEL_MAX 200      /* bytes of UTF-8 */
#define SG_MAX_USES_MAX 1000000

/* What a peer presented, taken apart. */
struct sg_token_key {
	uint64_t id;
	uint8_t secret[SG_TOKEN_SECRET_BYTES];
};
bool sg_token_parse(struct sg_str text, struct sg_token_key *out); /* false: no such shape */
void sg_token_format(char out[SG_TOKEN_TEXT_SIZE], const struct sg_token_key *key);

struct sg_token {
	uint64_t id;
	char app[SG_APP_MAX + 1];
	char stream[SG_STREAM_MAX + 1];
	enum sg_token_type type;
	uint32_t max_uses, uses;
	int64_t created_at, expires_at;
	int64_t first_used_at, last_used_at, revoked_at; /* 0 = never */
	uint32_t resume_s;  /* R13: this token's resume window in seconds; 0 = application's */
	char created_by[65]; /* "tokenctl", or an API key's or administrator's handle */
	char label[SG_LABEL_MAX + 1];
};

enum sg_token_state { SG_TOKEN_ACTIVE, SG_TOKEN_USED, SG_TOKEN_EXPIRED, SG_TOKEN_REVOKED };
/* Revoked before used before expired. */
enum sg_token_state sg_token_state(const struct sg_token *t, int64_t now);
const char *sg_token_state_name(enum sg_token_state s);

/* Opens (and with `create`, makes and migrates) the store, "sqlite:/path" or
 * "sqlite:relative". On SG_OK the caller owns *out. Otherwise *out is NULL and `error` is one
 * line: what is wrong and what to do. SG_ERR_NOT_FOUND: no store there, and no `create`;
 * SG_ERR_STORE_FUTURE: written by a newer version, left untouched; SG_ERR_STORE_CORRUPT: damaged,
 * or another program's file, left untouched; SG_ERR_STORE_BUSY; SG_ERR_STORE_FULL; SG_ERR_IO;
 * SG_ERR_CONFIG: not such a URL; SG_ERR_STORE: written by an older version, and no `create`.
 * A new file has mode 0600; its directory is made, 0700, when the one above it exists. */
SG_MUST_CHECK enum sg_result sg_store_open(struct sg_store **out, const char *url, bool create,
    char *error, size_t error_size);
void sg_store_close(struct sg_store *st); /* NULL allowed */
/* From now on a call on this handle waits at most so long for another's lock, then SG_ERR_STORE_BUSY;
 * 0: not at all. */
void sg_store_set_patience(struct sg_store *st, int64_t ms);
/* How much of the store this handle keeps in memory, at most; 64 MiB as long as nothing is said. */
void sg_store_set_cache(struct sg_store *st, int mib);
/* One line about the last failure of this handle; valid until the next call. */
const char *sg_store_error(const struct sg_store *st);

/* ---- tokens ---- */

/* Makes `count` tokens like `model` (id, uses and times other than expires_at are set here,
 * created_at from `now`), all of them or none up to 10,000; for more, call again (that lets
 * uses through in between). keys[i] is the i-th new token: the only place its secret ever is. */
SG_MUST_CHECK enum sg_result sg_store_token_create(struct sg_store *st, const struct sg_token *model,
    int64_t now, struct sg_token_key *keys, size_t count);

SG_MUST_CHECK enum sg_result sg_store_token_get(struct sg_store *st, uint64_t id, struct sg_token *out);

/* The row of a presented token, its secret compared in constant time.
 * SG_ERR_NOT_FOUND for an unknown row and for a wrong secret alike. */
SG_MUST_CHECK enum sg_result sg_store_token_lookup(struct sg_store *st,
    const struct sg_token_key *key, struct sg_token *out);

/* The same without label and created_by ("" then): what an admission asks for. */
SG_MUST_CHECK enum sg_result sg_store_token_look(struct sg_store *st,
    const struct sg_token_key *key, struct sg_token *out);

/* Between these two the handle's reads see one moment, and many cost little more than one: a read by
 * itself finds its caches void as soon as another handle has written. Short, and without writes. */
void sg_store_look_begin(struct sg_store *st);
void sg_store_look_end(struct sg_store *st);

struct sg_token_filter {
	struct sg_str app, stream; /* absent = any; stream needs app */
	int type;                  /* 0 = any, else enum sg_token_type */
	int state;                 /* -1 = any, else enum sg_token_state */
	struct sg_str search;      /* absent = any, else a part of stream or label, no case (ASCII) */
};
/* Newest first. `before` 0 = from the newest, else ids below it: the cursor is the last id
 * returned. Fills at most `max` and sets *count; *more says whether others follow. A filter
 * that matches little may stop early after 20,000 rows looked at: then *more is true and
 * *next (the cursor to go on with) is set all the same. */
SG_MUST_CHECK enum sg_result sg_store_token_list(struct sg_store *st, const struct sg_token_filter *f,
    uint64_t before, int64_t now, struct sg_token *out, size_t max, size_t *count, bool *more,
    uint64_t *next);

/* Revoke: durable when SG_OK. *revoked counts those that were not revoked before. Writes a
 * change (below), so that every streamd on the store hears of it. */
SG_MUST_CHECK enum sg_result sg_store_token_revoke(struct sg_store *st, uint64_t id,
    bool keep_sessions, int64_t now, size_t *revoked); /* SG_ERR_NOT_FOUND: no such token */
SG_MUST_CHECK enum sg_result sg_store_token_revoke_stream(struct sg_store *st, struct sg_str app,
    struct sg_str stream, int type /* 0 = both */, bool keep_sessions, int64_t now, size_t *revoked);

/* Deletes tokens that can never admit again (expired, revoked, or used up and without a resume window of
 * their own) and whose last event is older than `older_than`, at most `max` of them (call again until
 * *purged is 0; pause in between). Whom one has let in may be in still: it cannot be revoked by its id any
 * more. */
SG_MUST_CHECK enum sg_result sg_store_token_purge(struct sg_store *st, int64_t older_than,
    int64_t now, size_t max, size_t *purged);

/* ---- audit ---- */

struct sg_audit {
	int64_t seq;        /* set by the store, grows */
	int64_t at_ms;      /* Unix milliseconds */
	uint64_t token_id;  /* 0 = none or unknown */
	char app[SG_APP_MAX + 1];
	char stream[SG_STREAM_MAX + 1];
	uint8_t type;       /* enum sg_token_type, 0 = unknown */
	char protocol[12];  /* "rtmp", "hls", "flv", "ts", "mp4", "srt", "webrtc", "whip", ... */
	char address[48];
	char event[12];     /* "admitted", "refused", "ended", "kicked", "revoked", "setting" */
	char reason[24];    /* INTERFACE.md 3.4 for a refusal; how it ended; "" */
	char session[24];   /* public session id, "" = none */
	char detail[128];   /* what an administrator did, say */
};
struct sg_audit_filter {
	struct sg_str app, stream, event, reason;
	uint64_t token_id; /* 0 = any */
	int64_t span; /* looks at so many numbers (seq) from where it begins, 0 = all: for steps of a long search */
};
/* Appends; the store keeps the newest 1,000,000 rows. */
SG_MUST_CHECK enum sg_result sg_store_audit_add(struct sg_store *st, const struct sg_audit *rows,
    size_t count);
/* Newest first below `before` (0 = newest), or, with `after` > 0, oldest first above it. */
SG_MUST_CHECK enum sg_result sg_store_audit_list(struct sg_store *st, const struct sg_audit_filter *f,
    int64_t before, int64_t after, struct sg_audit *out, size_t max, size_t *count);

/* ---- the spending of tokens: group commit ---- */

/* One wish to spend one use. `result` and `token` are answers. */
struct sg_spend {
	struct sg_token_key key;
	struct sg_str app, stream;
	enum sg_token_type type;
	int64_t now;
	const struct sg_audit *audit; /* borrowed; written in the same transaction if spent; or NULL */
	enum sg_spend_result {
		SG_SPENT,            /* durable: this caller, and no other, has this use */
		SG_SPEND_UNKNOWN,    /* no such token, or wrong secret */
		SG_SPEND_WRONG_STREAM,
		SG_SPEND_WRONG_TYPE,
		SG_SPEND_REVOKED,
		SG_SPEND_EXPIRED,
		SG_SPEND_USED,
		SG_SPEND_FAILED,     /* the store failed: refuse; the use may be gone, it is not given twice */
	} result;
};
/* Spends all wishes, and appends `audit_count` further audit rows, in one durable transaction
 * (BEGIN IMMEDIATE ... COMMIT with synchronous=FULL). On a result other than SG_OK every
 * spend's result is SG_SPEND_FAILED. */
SG_MUST_CHECK enum sg_result sg_store_spend(struct sg_store *st, struct sg_spend *const *spends,
    size_t count, const struct sg_audit *audit, size_t audit_count);

/* Housekeeping for the one thread that checkpoints (its own handle): moves the write-ahead log
 * into the database; keeps the log near 64 MiB (a file of at most 128). Cheap when there is nothing to do. */
SG_MUST_CHECK enum sg_result sg_store_checkpoint(struct sg_store *st);

/* ---- settings and changes ---- */

/* A switch or other setting; stream "" = the whole application. Keys today:
 * "publish_token", "play_token" ("on"/"off"), "record" ("on"/"off"/"ask"). */
struct sg_setting {
	char app[SG_APP_MAX + 1];
	char stream[SG_STREAM_MAX + 1];
	char key[32];
	char value[128];
};
/* Sets, or with value "" forgets (the override ends, the application's or the file's rules). */
SG_MUST_CHECK enum sg_result sg_store_setting_set(struct sg_store *st, const struct sg_setting *s,
    int64_t now);
/* Calls `each` for every setting. */
SG_MUST_CHECK enum sg_result sg_store_settings(struct sg_store *st,
    void (*each)(void *user, const struct sg_setting *s), void *user);

enum sg_change_kind { SG_CHANGE_SETTING = 1, SG_CHANGE_REVOKE_TOKEN = 2, SG_CHANGE_REVOKE_STREAM = 3,
	SG_CHANGE_APIKEY = 4 };
struct sg_change {
	int64_t seq;
	enum sg_change_kind kind;
	uint64_t token_id;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1];
	int type; /* 0 = both */
	bool keep_sessions;
};
/* Cheap poll: true in *changed when another handle or process wrote since the last call on
 * this handle (SQLite's data_version; no disk read). */
SG_MUST_CHECK enum sg_result sg_store_poll(struct sg_store *st, bool *changed);
/* A descriptor that is readable when somebody, this process too, is writing to the store; -1: there is none, poll by
 * the clock. What is being written need not be there yet for sg_store_poll: look once more a little later. It stays
 * the handle's. */
int sg_store_watch(struct sg_store *st);
/* Empties the descriptor; false: nobody has written since. */
bool sg_store_watched(struct sg_store *st);
/* Changes above `after` in order, at most `max`; `after` -1 just sets *last to the newest. */
SG_MUST_CHECK enum sg_result sg_store_changes(struct sg_store *st, int64_t after,
    struct sg_change *out, size_t max, size_t *count, int64_t *last);

/* ---- API keys ---- */

/* An API key is "sgk_" and 32 base64url characters; kept like a token's secret. */
#define SG_APIKEY_TEXT_SIZE 37
enum sg_scope { SG_SCOPE_READ = 1, SG_SCOPE_TOKENS = 2, SG_SCOPE_ADMIN = 3 }; /* each holds the lower */
const char *sg_scope_name(enum sg_scope s); /* "read", "tokens", "admin" */
bool sg_scope_parse(struct sg_str s, enum sg_scope *out);
struct sg_apikey {
	uint64_t id;
	enum sg_scope scope;
	int64_t created_at, revoked_at;
	char label[SG_LABEL_MAX + 1];
};
SG_MUST_CHECK enum sg_result sg_store_apikey_create(struct sg_store *st, enum sg_scope scope,
    struct sg_str label, int64_t now, struct sg_apikey *out, char secret[SG_APIKEY_TEXT_SIZE]);
/* SG_ERR_NOT_FOUND: unknown, wrong or revoked. */
SG_MUST_CHECK enum sg_result sg_store_apikey_verify(struct sg_store *st, struct sg_str secret,
    struct sg_apikey *out);
SG_MUST_CHECK enum sg_result sg_store_apikey_list(struct sg_store *st, struct sg_apikey *out,
    size_t max, size_t *count);
SG_MUST_CHECK enum sg_result sg_store_apikey_revoke(struct sg_store *st, uint64_t id, int64_t now);

/* ---- the administrator's password (password.c) ---- */

#define SG_PASSWORD_MIN 8 /* bytes of UTF-8, no NUL */
#define SG_PASSWORD_MAX 256
#define SG_PASSWORD_HASH_SIZE 256 /* of a crypt(5) text, NUL included */
/* yescrypt with a fresh salt: tens of milliseconds and 16 MiB, as is meant. Needs no store.
 * SG_ERR_BAD_INPUT: not a password by the limits above. */
SG_MUST_CHECK enum sg_result sg_password_hash(char out[SG_PASSWORD_HASH_SIZE],
    struct sg_str password);
/* Takes as long as making one. False: another password, or no such hash. */
bool sg_password_matches(const char *hash, struct sg_str password);
/* SG_ERR_NOT_FOUND: none has been set yet; *hash is "" then. */
SG_MUST_CHECK enum sg_result sg_store_password_get(struct sg_store *st,
    char hash[SG_PASSWORD_HASH_SIZE]);
/* `first`: only where there is none; else SG_ERR_EXISTS. */
SG_MUST_CHECK enum sg_result sg_store_password_set(struct sg_store *st, const char *hash,
    bool first, int64_t now);

/* ---- recordings: which file belongs to which stream ---- */

struct sg_recording {
	char app[SG_APP_MAX + 1];
	char name[SG_STREAM_MAX + 5]; /* file name, "cam-1.mp4" */
	char stream[SG_STREAM_MAX + 1];
	int64_t created_at;
	enum sg_recording_state {
		SG_RECORDING_DONE,
		SG_RECORDING_WRITTEN, /* just now */
		SG_RECORDING_PLACED,  /* put there by hand: kept whatever its age and size */
	} state;
	int64_t size, duration_ms; /* 0 = not known */
};
/* Adds, or replaces what was known of a file of that name. */
SG_MUST_CHECK enum sg_result sg_store_recording_add(struct sg_store *st, const struct sg_recording *r);
/* SG_ERR_NOT_FOUND: the catalogue has no such file. */
SG_MUST_CHECK enum sg_result sg_store_recording_delete(
    struct sg_store *st, struct sg_str app, struct sg_str name);
/* Calls `each` for every file of the catalogue, the oldest first; it may not use the store. */
SG_MUST_CHECK enum sg_result sg_store_recordings(
    struct sg_store *st, void (*each)(void *user, const struct sg_recording *r), void *user);
SG_MUST_CHECK enum sg_result sg_store_recording_get(struct sg_store *st, struct sg_str app,
    struct sg_str name, struct sg_recording *out);

/* A value kept once per store (the panel's cookie key, say): returns the kept one, or keeps and
 * returns `fresh`. Lengths up to 64 bytes. */
SG_MUST_CHECK enum sg_result sg_store_secret(struct sg_store *st, const char *name, uint8_t *value,
    size_t len);

#endif
