/* sqlite_revoke.c - tokens taken back, and dead ones cleared away. Both may concern millions
 * of rows, so both go in short transactions with a pause in between, in which uses go on. */
#include "store/sqlite_internal.h"
#include <time.h>

#define REVOKE_CHUNK 2000
#define PURGE_CHUNK 500
#define PAUSE_NS 500000

static void pause_for_others(void)
{
	nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

/* ---- one token ---- */

static enum sg_result token_exists(struct sg_sqlite *s, uint64_t id)
{
	bool row;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_TOKEN_EXISTS, "SELECT 1 FROM token WHERE id = ?");

	sg_sq_int(q, 1, (int64_t)id);
	enum sg_result res = sg_sqlite_row(s, q, &row, "revoking a token");
	sqlite3_reset(q);
	return res == SG_OK && !row ? SG_ERR_NOT_FOUND : res;
}

static enum sg_result revoke_one(
    struct sg_sqlite *s, const struct sg_change *c, int64_t now, size_t *revoked)
{
	enum sg_result res = token_exists(s, c->token_id);

	if (res != SG_OK)
		return res;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_TOKEN_REVOKE,
	    "UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at = 0");
	sg_sq_int(q, 1, now);
	sg_sq_int(q, 2, (int64_t)c->token_id);
	if ((res = sg_sqlite_run(s, q, "revoking a token")) != SG_OK)
		return res;
	*revoked = (size_t)sqlite3_changes(s->db);
	/* Also when it was revoked before: that may have kept its sessions, this may not. */
	return sg_sqlite_change_append(s, c, "revoking a token");
}

enum sg_result sg_sqlite_token_revoke(
    struct sg_store *st, uint64_t id, bool keep_sessions, int64_t now, size_t *revoked)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	struct sg_change c = {
	    .kind = SG_CHANGE_REVOKE_TOKEN, .token_id = id, .keep_sessions = keep_sessions};
	size_t found = 0;
	enum sg_result res = sg_sqlite_begin(s, "revoking a token");

	if (res == SG_OK)
		res = sg_sqlite_end(s, revoke_one(s, &c, now, &found), "revoking a token");
	*revoked = res == SG_OK ? found : 0;
	return res;
}

/* ---- a stream's tokens ---- */

/* *last becomes the id at which the next chunk above `after` ends, *ids how many it has. */
static enum sg_result next_chunk(
    struct sg_sqlite *s, const struct sg_change *c, uint64_t after, uint64_t *last, int *ids)
{
	bool row;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_STREAM_NEXT,
	    "SELECT max(id), count(*) FROM (SELECT id FROM token INDEXED BY token_by_stream"
	    " WHERE app = ? AND stream = ? AND id > ? ORDER BY id LIMIT ?)");

	sg_sq_text(q, 1, c->app);
	sg_sq_text(q, 2, c->stream);
	sg_sq_int(q, 3, (int64_t)after);
	sg_sq_int(q, 4, REVOKE_CHUNK);
	enum sg_result res = sg_sqlite_row(s, q, &row, "revoking a stream's tokens");
	*last = row ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
	*ids = row ? sqlite3_column_int(q, 1) : 0;
	sqlite3_reset(q);
	return res;
}

static enum sg_result revoke_range(struct sg_sqlite *s, const struct sg_change *c, int64_t now,
    uint64_t after, uint64_t last, size_t *revoked)
{
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_STREAM_REVOKE,
	    "UPDATE token INDEXED BY token_by_stream SET revoked_at = ?"
	    " WHERE app = ? AND stream = ? AND id > ? AND id <= ? AND revoked_at = 0"
	    " AND (?6 = 0 OR type = ?6)");

	sg_sq_int(q, 1, now);
	sg_sq_text(q, 2, c->app);
	sg_sq_text(q, 3, c->stream);
	sg_sq_int(q, 4, (int64_t)after);
	sg_sq_int(q, 5, (int64_t)last);
	sg_sq_int(q, 6, c->type);
	enum sg_result res = sg_sqlite_run(s, q, "revoking a stream's tokens");
	*revoked = res == SG_OK ? (size_t)sqlite3_changes(s->db) : 0;
	return res;
}

/* One transaction. The change goes with the first chunk, so that sessions end at once, and
 * with the last, for those who slipped in on a token whose turn had not come. */
static enum sg_result revoke_chunk(struct sg_sqlite *s, const struct sg_change *c, int64_t now,
    uint64_t *after, size_t *revoked, bool *done)
{
	uint64_t last;
	int ids;
	enum sg_result res = next_chunk(s, c, *after, &last, &ids);

	if (res == SG_OK && ids > 0)
		res = revoke_range(s, c, now, *after, last, revoked);
	*done = ids < REVOKE_CHUNK;
	if (res == SG_OK && (*after == 0 || *done))
		res = sg_sqlite_change_append(s, c, "revoking a stream's tokens");
	*after = last;
	return res;
}

enum sg_result sg_sqlite_token_revoke_stream(struct sg_store *st, struct sg_str app,
    struct sg_str stream, int type, bool keep_sessions, int64_t now, size_t *revoked)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	struct sg_change c = {
	    .kind = SG_CHANGE_REVOKE_STREAM, .type = type, .keep_sessions = keep_sessions};
	const char *doing = "revoking a stream's tokens";
	uint64_t after = 0;
	bool done = false;
	enum sg_result res = SG_OK;

	if (!sg_str_copy(c.app, sizeof(c.app), app) ||
	    !sg_str_copy(c.stream, sizeof(c.stream), stream))
		return SG_ERR_BAD_INPUT;
	while (res == SG_OK && !done) {
		size_t in_chunk = 0;

		if (after)
			pause_for_others();
		if ((res = sg_sqlite_begin(s, doing)) != SG_OK)
			break;
		res = sg_sqlite_end(s, revoke_chunk(s, &c, now, &after, &in_chunk, &done), doing);
		*revoked += res == SG_OK ? in_chunk : 0;
	}
	return res;
}

/* ---- purge ---- */

/* Ids of dead tokens from `after` upwards. Only reads: nobody waits for a long search. A used-up one with
 * a resume window of its own may be presented again (R13) until it has expired. */
static enum sg_result find_dead(struct sg_sqlite *s, int64_t older_than, int64_t now,
    uint64_t after, int64_t *ids, size_t max, size_t *found)
{
	bool row;
	enum sg_result res;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_TOKEN_DEAD,
	    "SELECT id FROM token WHERE id > ?1 AND id < ?2"
	    " AND max(created_at, last_used_at, revoked_at) < ?3"
	    " AND (revoked_at <> 0 OR (uses >= max_uses AND resume_s = 0) OR (expires_at <= ?4 AND expires_at < ?3))"
	    " ORDER BY id LIMIT ?5");

	*found = 0;
	sg_sq_int(q, 1, (int64_t)after);
	/* Ids tell the time of creation to within two seconds. */
	sg_sq_int(q, 2, (int64_t)sg_token_id_floor(older_than + 2));
	sg_sq_int(q, 3, older_than);
	sg_sq_int(q, 4, now);
	sg_sq_int(q, 5, (int64_t)max);
	while ((res = sg_sqlite_row(s, q, &row, "purging")) == SG_OK && row)
		ids[(*found)++] = sqlite3_column_int64(q, 0);
	return res;
}

/* What is dead stays dead, so nothing needs to be asked again. */
static enum sg_result delete_tokens(
    struct sg_sqlite *s, const int64_t *ids, size_t count, size_t *purged)
{
	size_t gone = 0;
	enum sg_result res = sg_sqlite_begin(s, "purging");

	if (res != SG_OK)
		return res;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_TOKEN_DELETE, "DELETE FROM token WHERE id = ?");
	for (size_t i = 0; res == SG_OK && i < count; i++) {
		sg_sq_int(q, 1, ids[i]);
		res = sg_sqlite_run(s, q, "purging");
		gone += res == SG_OK ? (size_t)sqlite3_changes(s->db) : 0;
	}
	if ((res = sg_sqlite_end(s, res, "purging")) == SG_OK)
		*purged += gone;
	return res;
}

/* From where the last call stopped to the end of the table, at most `max`. */
static enum sg_result purge_onwards(
    struct sg_sqlite *s, int64_t older_than, int64_t now, size_t max, size_t *purged)
{
	int64_t ids[PURGE_CHUNK];

	for (;;) {
		size_t room = max - *purged < PURGE_CHUNK ? max - *purged : PURGE_CHUNK, found;
		enum sg_result res =
		    find_dead(s, older_than, now, s->purge_after, ids, room, &found);

		if (res == SG_OK && found)
			res = delete_tokens(s, ids, found, purged);
		if (res != SG_OK)
			return res;
		s->purge_after = found == room ? (uint64_t)ids[found - 1] : 0;
		if (!s->purge_after || *purged >= max)
			return SG_OK;
		pause_for_others();
	}
}

enum sg_result sg_sqlite_token_purge(
    struct sg_store *st, int64_t older_than, int64_t now, size_t max, size_t *purged)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	bool from_start = s->purge_after == 0;
	enum sg_result res = purge_onwards(s, older_than, now, max, purged);

	/* Nothing left behind the last call's end: tokens before it may have died since. */
	if (res == SG_OK && *purged == 0 && !from_start)
		res = purge_onwards(s, older_than, now, max, purged);
	return res;
}
