/* sqlite_apikeys.c - keys of programs that use the REST interface. */
#include "store/sqlite_internal.h"

static enum sg_result insert_key(
    struct sg_sqlite *s, const struct sg_apikey *k, struct sg_token_key *key)
{
	uint8_t hash[SG_STORE_HASH_BYTES];
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_APIKEY_INSERT,
	    "INSERT OR IGNORE INTO apikey (id, hash, scope, created_at, label) VALUES (?,?,?,?,?)");

	sg_token_hash(hash, key);
	sg_sq_blob(q, 2, hash, sizeof(hash));
	sg_sq_int(q, 3, k->scope);
	sg_sq_int(q, 4, k->created_at);
	sg_sq_text(q, 5, k->label);
	for (int tries = 0; tries < SG_DRAW_TRIES; tries++) {
		sg_sq_int(q, 1, (int64_t)key->id);
		enum sg_result res = sg_sqlite_run(s, q, "creating an API key");
		if (res != SG_OK || sqlite3_changes(s->db) == 1)
			return res;
		sg_token_key_redraw(key);
	}
	return sg_sqlite_refuse(
	    s, SG_ERR_STORE, "no free id for an API key: try again in a moment");
}

static enum sg_result announce(struct sg_sqlite *s, uint64_t id, const char *doing)
{
	struct sg_change c = {.kind = SG_CHANGE_APIKEY, .token_id = id};

	return sg_sqlite_change_append(s, &c, doing);
}

enum sg_result sg_sqlite_apikey_create(
    struct sg_store *st, const struct sg_apikey *k, struct sg_token_key *key)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	const char *doing = "creating an API key";
	enum sg_result res = sg_sqlite_begin(s, doing);

	if (res != SG_OK)
		return res;
	if ((res = insert_key(s, k, key)) == SG_OK)
		res = announce(s, key->id, doing);
	return sg_sqlite_end(s, res, doing);
}

static enum sg_result read_key(struct sg_sqlite *s, sqlite3_stmt *q, struct sg_apikey *k)
{
	memset(k, 0, sizeof(*k));
	k->id = (uint64_t)sqlite3_column_int64(q, 0);
	k->scope = (enum sg_scope)sqlite3_column_int(q, 1);
	k->created_at = sqlite3_column_int64(q, 2);
	k->revoked_at = sqlite3_column_int64(q, 3);
	return sg_sqlite_column(s, q, 4, k->label, sizeof(k->label), "reading API keys");
}

enum sg_result sg_sqlite_apikey_verify(
    struct sg_store *st, const struct sg_token_key *key, struct sg_apikey *out)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	uint8_t hash[SG_STORE_HASH_BYTES];
	struct sg_apikey k;
	bool row;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_APIKEY_GET,
	    "SELECT id, scope, created_at, revoked_at, label, hash FROM apikey WHERE id = ?");

	sg_token_hash(hash, key);
	sg_sq_int(q, 1, (int64_t)key->id);
	enum sg_result res = sg_sqlite_row(s, q, &row, "reading API keys");
	if (res == SG_OK && !row)
		return SG_ERR_NOT_FOUND;
	if (res == SG_OK &&
	    (sqlite3_column_bytes(q, 5) != SG_STORE_HASH_BYTES ||
		!sg_equal_constant_time(sqlite3_column_blob(q, 5), hash, sizeof(hash))))
		res = SG_ERR_NOT_FOUND;
	if (res == SG_OK && (res = read_key(s, q, &k)) == SG_OK) {
		if (k.revoked_at)
			res = SG_ERR_NOT_FOUND;
		else
			*out = k;
	}
	sqlite3_reset(q);
	return res;
}

enum sg_result sg_sqlite_apikey_list(
    struct sg_store *st, struct sg_apikey *out, size_t max, size_t *count)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	bool row;
	enum sg_result res;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_APIKEY_LIST,
	    "SELECT id, scope, created_at, revoked_at, label FROM apikey ORDER BY id DESC LIMIT ?");

	sg_sq_int(q, 1, (int64_t)max);
	while ((res = sg_sqlite_row(s, q, &row, "reading API keys")) == SG_OK && row) {
		if ((res = read_key(s, q, &out[*count])) != SG_OK)
			break;
		(*count)++;
	}
	sqlite3_reset(q);
	return res;
}

static enum sg_result revoke_key(struct sg_sqlite *s, uint64_t id, int64_t now, const char *doing)
{
	/* The time of the first revocation stays. */
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_APIKEY_REVOKE,
	    "UPDATE apikey SET revoked_at = CASE revoked_at WHEN 0 THEN ?1 ELSE revoked_at END"
	    " WHERE id = ?2");

	sg_sq_int(q, 1, now);
	sg_sq_int(q, 2, (int64_t)id);
	enum sg_result res = sg_sqlite_run(s, q, doing);
	if (res == SG_OK && sqlite3_changes(s->db) == 0)
		return SG_ERR_NOT_FOUND;
	return res == SG_OK ? announce(s, id, doing) : res;
}

enum sg_result sg_sqlite_apikey_revoke(struct sg_store *st, uint64_t id, int64_t now)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	const char *doing = "revoking an API key";
	enum sg_result res = sg_sqlite_begin(s, doing);

	return res == SG_OK ? sg_sqlite_end(s, revoke_key(s, id, now, doing), doing) : res;
}
