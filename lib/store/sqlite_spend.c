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

static enum sg_result spend_one(struct sg_sqlite *s, struct sg_spend *w)
{
	enum sg_spend_result verdict;
	enum sg_result res = read_and_judge(s, w, &verdict);

	if (res != SG_OK || verdict != SG_SPENT) {
		w->result = verdict;
		return res;
	}
	/* The row was judged under the lock that still holds; the last condition says once more,
	 * where the use is counted, what may never happen. */
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_SPEND_WRITE,
	    "UPDATE token SET uses = uses + 1, last_used_at = ?1,"
	    " first_used_at = CASE uses WHEN 0 THEN ?1 ELSE first_used_at END"
	    " WHERE id = ?2 AND uses < max_uses");
	sg_sq_int(q, 1, w->now);
	sg_sq_int(q, 2, (int64_t)w->key.id);
	if ((res = sg_sqlite_run(s, q, DOING)) != SG_OK)
		return res;
	w->result = sqlite3_changes(s->db) == 1 ? SG_SPENT : SG_SPEND_USED;
	if (w->result == SG_SPENT && w->audit)
		res = sg_sqlite_audit_append(s, w->audit, 1, DOING);
	return res;
}

enum sg_result sg_sqlite_spend(struct sg_store *st, struct sg_spend *const *spends, size_t count,
    const struct sg_audit *audit, size_t audit_count)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	enum sg_result res = sg_sqlite_begin(s, DOING);

	if (res != SG_OK)
		return res;
	for (size_t i = 0; res == SG_OK && i < count; i++)
		res = spend_one(s, spends[i]);
	if (res == SG_OK)
		res = sg_sqlite_audit_append(s, audit, audit_count, DOING);
	return sg_sqlite_end(s, res, DOING);
}
