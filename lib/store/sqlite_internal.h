/* sqlite_internal.h - what the sqlite_*.c files share, and the knobs that tests turn. */
#ifndef SG_STORE_SQLITE_INTERNAL_H
#define SG_STORE_SQLITE_INTERNAL_H

#include "store/store_internal.h"
#include <sqlite3.h>

/* "SGst": tells our files from other programs' SQLite files. */
#define SG_SQLITE_APPLICATION_ID 0x53477374
#define SG_SQLITE_BUSY_MS 5000
#define SG_AUDIT_KEEP 1000000
#define SG_AUDIT_TRIM_EVERY 1024
#define SG_CHANGES_KEEP 1000000
#define SG_LIST_LOOK_MAX 20000
#define SG_DRAW_TRIES 64 /* ids drawn before giving up */

/* One prepared statement each, made when first needed and kept with the handle. */
enum sg_sqlite_slot {
	SG_SQ_BEGIN,
	SG_SQ_COMMIT,
	SG_SQ_ROLLBACK,
	SG_SQ_LOOK,
	SG_SQ_DATA_VERSION,
	SG_SQ_TOKEN_INSERT,
	SG_SQ_TOKEN_GET,
	SG_SQ_TOKEN_LOOK,
	SG_SQ_TOKEN_LIST,
	SG_SQ_TOKEN_LIST_STREAM,
	SG_SQ_TOKEN_REVOKE,
	SG_SQ_STREAM_NEXT,
	SG_SQ_STREAM_REVOKE,
	SG_SQ_TOKEN_EXISTS,
	SG_SQ_TOKEN_DEAD,
	SG_SQ_TOKEN_DELETE,
	SG_SQ_SPEND_READ,
	SG_SQ_SPEND_WRITE,
	SG_SQ_AUDIT_INSERT,
	SG_SQ_AUDIT_INSERT_GROUP,
	SG_SQ_AUDIT_TRIM,
	SG_SQ_AUDIT_NEWEST,
	SG_SQ_AUDIT_OLDEST,
	SG_SQ_CHANGE_INSERT,
	SG_SQ_CHANGE_TRIM,
	SG_SQ_CHANGE_LAST,
	SG_SQ_CHANGE_LIST,
	SG_SQ_SETTING_SET,
	SG_SQ_SETTING_FORGET,
	SG_SQ_SETTING_LIST,
	SG_SQ_APIKEY_INSERT,
	SG_SQ_APIKEY_GET,
	SG_SQ_APIKEY_LIST,
	SG_SQ_APIKEY_REVOKE,
	SG_SQ_RECORDING_SET,
	SG_SQ_RECORDING_GET,
	SG_SQ_RECORDING_DELETE,
	SG_SQ_RECORDING_LIST,
	SG_SQ_PASSWORD_GET,
	SG_SQ_PASSWORD_SET,
	SG_SQ_PASSWORD_FIRST,
	SG_SQ_SECRET_KEEP,
	SG_SQ_SECRET_GET,
	SG_SQ_COUNT,
};

struct sg_sqlite {
	struct sg_store base; /* first: a handle is both */
	sqlite3 *db;
	sqlite3_stmt *statements[SG_SQ_COUNT];
	char *path;
	int64_t data_version; /* as of the last poll */
	int64_t busy_since_us; /* when the present wait for a lock began */
	int busy_ms; /* how long to wait for a lock */
	int watch_fd; /* inotify, of the log; -1: it is not watched */
	int64_t page_size;
	int64_t audit_keep; /* rows */
	int64_t audit_trim_every;
	int64_t list_look_max; /* rows looked at by one list */
	uint64_t purge_after; /* id where the next purge goes on */
};

static inline struct sg_sqlite *sg_sqlite_of(struct sg_store *st)
{
	return (struct sg_sqlite *)(void *)st;
}

/* ---- statements (sqlite.c) ---- */

/* The slot's statement, ready to be bound; NULL when it cannot be prepared, which binding and
 * stepping tolerate: sg_sqlite_run and _row then fail. */
sqlite3_stmt *sg_sqlite_stmt(struct sg_sqlite *s, enum sg_sqlite_slot slot, const char *sql);

static inline void sg_sq_int(sqlite3_stmt *q, int i, int64_t v)
{
	if (q)
		sqlite3_bind_int64(q, i, v);
}
/* Text and blobs are borrowed until the statement is reset. {NULL, 0} binds NULL. */
static inline void sg_sq_str(sqlite3_stmt *q, int i, struct sg_str v)
{
	if (q)
		sqlite3_bind_text(q, i, v.p, (int)v.len, SQLITE_STATIC);
}
static inline void sg_sq_text(sqlite3_stmt *q, int i, const char *z)
{
	sg_sq_str(q, i, sg_str_from(z));
}
static inline void sg_sq_blob(sqlite3_stmt *q, int i, const void *p, size_t len)
{
	if (q)
		sqlite3_bind_blob(q, i, p, (int)len, SQLITE_STATIC);
}

/* Runs a statement that gives no rows, and resets it. `doing` ("creating tokens") goes into the
 * handle's error. */
SG_MUST_CHECK enum sg_result sg_sqlite_run(struct sg_sqlite *s, sqlite3_stmt *q, const char *doing);
/* The next row: SG_OK with *row true; false at the end. After the end or a failure the statement
 * is reset; a caller that stops earlier resets it. */
SG_MUST_CHECK enum sg_result sg_sqlite_row(
    struct sg_sqlite *s, sqlite3_stmt *q, bool *row, const char *doing);
/* Copies a column's text; SG_ERR_STORE_CORRUPT when it is longer than anything we write. */
SG_MUST_CHECK enum sg_result sg_sqlite_column(
    struct sg_sqlite *s, sqlite3_stmt *q, int column, char *out, size_t size, const char *doing);

/* ---- transactions (sqlite.c) ---- */

SG_MUST_CHECK enum sg_result sg_sqlite_begin(struct sg_sqlite *s, const char *doing);
/* Commits when `res` is SG_OK, else rolls back; answers what became of it. */
SG_MUST_CHECK enum sg_result sg_sqlite_end(
    struct sg_sqlite *s, enum sg_result res, const char *doing);

/* ---- failures (sqlite.c) ---- */

/* Names the database's present error, writes the handle's one line about it. */
enum sg_result sg_sqlite_fail(struct sg_sqlite *s, const char *doing);
/* The same for a row that cannot be ours. */
enum sg_result sg_sqlite_corrupt(struct sg_sqlite *s, const char *doing);
enum sg_result sg_sqlite_refuse(struct sg_sqlite *s, enum sg_result res, const char *fmt, ...)
    SG_PRINTF(3, 4);

/* ---- the log's way to the disk (sqlite_log.c) ---- */

/* The name of the VFS to open with; NULL: SQLite's own. */
const char *sg_sqlite_vfs(void);

/* ---- schema (sqlite_schema.c) ---- */

/* Is this file ours, and not from the future? Changes nothing. */
SG_MUST_CHECK enum sg_result sg_sqlite_identify(struct sg_sqlite *s, int version, bool create);
/* Brings the file to the newest of `steps`, one after the other, all in one transaction. */
SG_MUST_CHECK enum sg_result sg_sqlite_migrate(
    struct sg_sqlite *s, const char *const *steps, int count, bool create);
/* Finds out s->page_size. */
SG_MUST_CHECK enum sg_result sg_sqlite_page_size(struct sg_sqlite *s);
extern const char *const sg_sqlite_schema[];
extern const int sg_sqlite_schema_version;

/* ---- within a transaction of the caller ---- */

/* Rows of the audit go by groups: a statement for each costs about as much as its row. What was put is
 * written by the flush at the latest; rows stay the caller's until then. */
#define SG_AUDIT_GROUP 8
struct sg_audit_group {
	const struct sg_audit *rows[SG_AUDIT_GROUP];
	size_t count;
};
SG_MUST_CHECK enum sg_result sg_sqlite_audit_put(
    struct sg_sqlite *s, struct sg_audit_group *g, const struct sg_audit *row, const char *doing);
SG_MUST_CHECK enum sg_result sg_sqlite_audit_flush(
    struct sg_sqlite *s, struct sg_audit_group *g, const char *doing);
SG_MUST_CHECK enum sg_result sg_sqlite_change_append(
    struct sg_sqlite *s, const struct sg_change *c, const char *doing);

/* ---- the backend's functions, each as its namesake in store.h ---- */

enum sg_result sg_sqlite_token_create(struct sg_store *st, const struct sg_token *model,
    int64_t now, struct sg_token_key *keys, size_t count);
enum sg_result sg_sqlite_token_get(struct sg_store *st, uint64_t id, struct sg_token *out);
enum sg_result sg_sqlite_token_lookup(
    struct sg_store *st, const struct sg_token_key *key, struct sg_token *out);
enum sg_result sg_sqlite_token_look(
    struct sg_store *st, const struct sg_token_key *key, struct sg_token *out);
void sg_sqlite_look_begin(struct sg_store *st);
void sg_sqlite_look_end(struct sg_store *st);
enum sg_result sg_sqlite_token_list(struct sg_store *st, const struct sg_token_filter *f,
    uint64_t before, int64_t now, struct sg_token *out, size_t max, size_t *count, bool *more,
    uint64_t *next);
enum sg_result sg_sqlite_token_revoke(
    struct sg_store *st, uint64_t id, bool keep_sessions, int64_t now, size_t *revoked);
enum sg_result sg_sqlite_token_revoke_stream(struct sg_store *st, struct sg_str app,
    struct sg_str stream, int type, bool keep_sessions, int64_t now, size_t *revoked);
enum sg_result sg_sqlite_token_purge(
    struct sg_store *st, int64_t older_than, int64_t now, size_t max, size_t *purged);
enum sg_result sg_sqlite_audit_add(struct sg_store *st, const struct sg_audit *rows, size_t count);
enum sg_result sg_sqlite_audit_list(struct sg_store *st, const struct sg_audit_filter *f,
    int64_t before, int64_t after, struct sg_audit *out, size_t max, size_t *count);
enum sg_result sg_sqlite_spend(struct sg_store *st, struct sg_spend *const *spends, size_t count,
    const struct sg_audit *audit, size_t audit_count);
enum sg_result sg_sqlite_checkpoint(struct sg_store *st);
enum sg_result sg_sqlite_setting_set(struct sg_store *st, const struct sg_setting *v, int64_t now);
enum sg_result sg_sqlite_settings(
    struct sg_store *st, void (*each)(void *user, const struct sg_setting *v), void *user);
enum sg_result sg_sqlite_poll(struct sg_store *st, bool *changed);
enum sg_result sg_sqlite_changes(struct sg_store *st, int64_t after, struct sg_change *out,
    size_t max, size_t *count, int64_t *last);
enum sg_result sg_sqlite_apikey_create(
    struct sg_store *st, const struct sg_apikey *k, struct sg_token_key *key);
enum sg_result sg_sqlite_apikey_verify(
    struct sg_store *st, const struct sg_token_key *key, struct sg_apikey *out);
enum sg_result sg_sqlite_apikey_list(
    struct sg_store *st, struct sg_apikey *out, size_t max, size_t *count);
enum sg_result sg_sqlite_apikey_revoke(struct sg_store *st, uint64_t id, int64_t now);
enum sg_result sg_sqlite_recording_add(struct sg_store *st, const struct sg_recording *r);
enum sg_result sg_sqlite_recording_delete(
    struct sg_store *st, struct sg_str app, struct sg_str name);
enum sg_result sg_sqlite_recordings(
    struct sg_store *st, void (*each)(void *user, const struct sg_recording *r), void *user);
enum sg_result sg_sqlite_recording_get(
    struct sg_store *st, struct sg_str app, struct sg_str name, struct sg_recording *out);
enum sg_result sg_sqlite_password_get(struct sg_store *st, char hash[SG_PASSWORD_HASH_SIZE]);
enum sg_result sg_sqlite_password_set(
    struct sg_store *st, const char *hash, bool first, int64_t now);
enum sg_result sg_sqlite_secret(struct sg_store *st, const char *name, uint8_t *value, size_t len);

#endif
