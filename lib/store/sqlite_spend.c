/* sqlite_spend.c - the spending of tokens. All that is asked for at once becomes one
 * transaction, so that one flush of the disk serves many admissions. */
#include "store/sqlite_internal.h"

#define DOING "spending tokens"

enum column { C_HASH, C_APP, C_STREAM, C_TYPE, C_MAX_USES, C_USES, C_EXPIRES, C_REVOKED };

static struct sg_str text_of(sqlite3_stmt *q, enum column c)
{
	const char *p = (const char *)sqlite3_column_text(q, c);

	return (struct sg_str){p, (size_t)sqlite3_column_bytes(q, c)};
}

static bool secret_is_right(sqlite3_stmt *q, const struct sg_token_key *key)
{
	uint8_t hash[SG_STORE_HASH_BYTES];
	const void *kept = sqlite3_column_blob(q, C_HASH);

	sg_token_hash(hash, key);
	return kept && sqlite3_column_bytes(q, C_HASH) == SG_STORE_HASH_BYTES &&
	       sg_equal_constant_time(kept, hash, sizeof(hash));
}

/* In the order of INTERFACE.md section 3.3. */
static enum sg_spend_result judge(sqlite3_stmt *q, const struct sg_spend *w)
{
	if (!secret_is_right(q, &w->key))
		return SG_SPEND_UNKNOWN;
	if (!sg_str_equal(text_of(q, C_APP), w->app) ||
	    !sg_str_equal(text_of(q, C_STREAM), w->stream))
		return SG_SPEND_WRONG_STREAM;
	if (sqlite3_column_int(q, C_TYPE) != (int)w->type)
		return SG_SPEND_WRONG_TYPE;
	if (sqlite3_column_int64(q, C_REVOKED) != 0)
		return SG_SPEND_REVOKED;
	if (w->now >= sqlite3_column_int64(q, C_EXPIRES))
		return SG_SPEND_EXPIRED;
	if (sqlite3_column_int64(q, C_USES) >= sqlite3_column_int64(q, C_MAX_USES))
		return SG_SPEND_USED;
	return SG_SPENT;
}

static enum sg_result read_and_judge(
    struct sg_sqlite *s, const struct sg_spend *w, enum sg_spend_result *verdict)
{
	bool row;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_SPEND_READ,
	    "SELECT hash, app, stream, type, max_uses, uses, expires_at, revoked_at"
	    " FROM token WHERE id = ?");

	*verdict = SG_SPEND_UNKNOWN;
	if (w->key.id > INT64_MAX)
		return SG_OK;
	sg_sq_int(q, 1, (int64_t)w->key.id);
	enum sg_result res = sg_sqlite_row(s, q, &row, DOING);
	if (res == SG_OK && row)
		*verdict = judge(q, w);
	sqlite3_reset(q);
	return res;
}

/* All conditions at once, where the use is counted: this alone decides. The hash in it tells an
 * attacker who watches the clock nothing: what he varies is not the hash but what is hashed. */
static enum sg_result count_use(struct sg_sqlite *s, const struct sg_spend *w, bool *counted)
{
	uint8_t hash[SG_STORE_HASH_BYTES];
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_SPEND_WRITE,
	    "UPDATE token SET uses = uses + 1, last_used_at = ?1,"
	    " first_used_at = CASE uses WHEN 0 THEN ?1 ELSE first_used_at END"
	    " WHERE id = ?2 AND hash = ?3 AND app = ?4 AND stream = ?5 AND type = ?6"
	    " AND revoked_at = 0 AND expires_at > ?1 AND uses < max_uses");

	sg_token_hash(hash, &w->key);
	sg_sq_int(q, 1, w->now);
	sg_sq_int(q, 2, (int64_t)w->key.id);
	sg_sq_blob(q, 3, hash, sizeof(hash));
	sg_sq_str(q, 4, w->app);
	sg_sq_str(q, 5, w->stream);
	sg_sq_int(q, 6, (int64_t)w->type);
	enum sg_result res = sg_sqlite_run(s, q, DOING);
	*counted = res == SG_OK && sqlite3_changes(s->db) == 1;
	return res;
}

static enum sg_result spend_one(
    struct sg_sqlite *s, struct sg_spend *w, struct sg_audit_group *group)
{
	enum sg_spend_result verdict = SG_SPENT;
	bool counted = false;
	enum sg_result res = SG_OK;

	if (w->key.id <= INT64_MAX)
		res = count_use(s, w, &counted);
	if (res == SG_OK && !counted) {
		/* Why not? Nothing has changed since: the lock is held. */
		res = read_and_judge(s, w, &verdict);
		if (verdict == SG_SPENT)
			verdict = SG_SPEND_FAILED;
	}
	w->result = verdict;
	if (res == SG_OK && counted && w->audit)
		res = sg_sqlite_audit_put(s, group, w->audit, DOING);
	return res;
}

enum sg_result sg_sqlite_spend(struct sg_store *st, struct sg_spend *const *spends, size_t count,
    const struct sg_audit *audit, size_t audit_count)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	struct sg_audit_group group = {.count = 0};
	enum sg_result res = sg_sqlite_begin(s, DOING);

	if (res != SG_OK)
		return res;
	for (size_t i = 0; res == SG_OK && i < count; i++)
		res = spend_one(s, spends[i], &group);
	for (size_t i = 0; res == SG_OK && i < audit_count; i++)
		res = sg_sqlite_audit_put(s, &group, &audit[i], DOING);
	if (res == SG_OK)
		res = sg_sqlite_audit_flush(s, &group, DOING);
	return sg_sqlite_end(s, res, DOING);
}
