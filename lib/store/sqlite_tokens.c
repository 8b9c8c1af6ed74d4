/* sqlite_tokens.c - tokens made, shown and listed. Spending is sqlite_spend.c, revoking and
 * purging sqlite_revoke.c. */
#include "store/sqlite_internal.h"

#define FEW_COLUMNS                                                                                \
	"hash, id, app, stream, type, max_uses, uses, created_at, expires_at, first_used_at, "     \
	"last_used_at, revoked_at, resume_s"
#define COLUMNS FEW_COLUMNS ", created_by, label"
enum column {
	C_HASH,
	C_ID,
	C_APP,
	C_STREAM,
	C_TYPE,
	C_MAX_USES,
	C_USES,
	C_CREATED,
	C_EXPIRES,
	C_FIRST_USED,
	C_LAST_USED,
	C_REVOKED,
	C_RESUME,
	C_CREATED_BY,
	C_LABEL
};

/* ---- create ---- */

/* A token that was never used has the negative of its making for the times of its uses: a number as
 * wide as the one that comes there, so that a use writes over a row in place. Rows are packed
 * tightly when they are made, and one that grew would split its page. */

static void bind_model(sqlite3_stmt *q, const struct sg_token *model, int64_t now)
{
	sg_sq_text(q, 3, model->app);
	sg_sq_text(q, 4, model->stream);
	sg_sq_int(q, 5, model->type);
	sg_sq_int(q, 6, model->max_uses);
	sg_sq_int(q, 7, now);
	sg_sq_int(q, 8, model->expires_at);
	sg_sq_int(q, 9, model->resume_s);
	sg_sq_text(q, 10, model->created_by);
	sg_sq_text(q, 11, model->label);
}

/* A millisecond has two million ids: taken ones are rare, and drawn again. */
static enum sg_result insert_token(struct sg_sqlite *s, sqlite3_stmt *q, struct sg_token_key *key)
{
	uint8_t hash[SG_STORE_HASH_BYTES];

	sg_token_hash(hash, key);
	sg_sq_blob(q, 2, hash, sizeof(hash));
	for (int tries = 0; tries < SG_DRAW_TRIES; tries++) {
		sg_sq_int(q, 1, (int64_t)key->id);
		enum sg_result res = sg_sqlite_run(s, q, "creating tokens");
		if (res != SG_OK || sqlite3_changes(s->db) == 1)
			return res;
		sg_token_key_redraw(key);
	}
	return sg_sqlite_refuse(s, SG_ERR_STORE, "no free token id: try again in a moment");
}

enum sg_result sg_sqlite_token_create(struct sg_store *st, const struct sg_token *model,
    int64_t now, struct sg_token_key *keys, size_t count)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	enum sg_result res = sg_sqlite_begin(s, "creating tokens");

	if (res != SG_OK)
		return res;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_TOKEN_INSERT,
	    "INSERT OR IGNORE INTO token (id, hash, app, stream, type, max_uses, created_at, "
	    "expires_at,"
	    " resume_s, created_by, label, first_used_at, last_used_at)"
	    " VALUES (?,?,?,?,?,?,?7,?,?,?,?,-?7,-?7)");
	bind_model(q, model, now);
	for (size_t i = 0; res == SG_OK && i < count; i++)
		res = insert_token(s, q, &keys[i]);
	return sg_sqlite_end(s, res, "creating tokens");
}

/* ---- one row ---- */

static int64_t use_time(sqlite3_stmt *q, int column)
{
	int64_t at = sqlite3_column_int64(q, column);

	return at < 0 ? 0 : at;
}

static enum sg_result read_few(struct sg_sqlite *s, sqlite3_stmt *q, struct sg_token *t)
{
	const char *doing = "reading tokens";
	enum sg_result res;

	memset(t, 0, sizeof(*t));
	t->id = (uint64_t)sqlite3_column_int64(q, C_ID);
	t->type = (enum sg_token_type)sqlite3_column_int(q, C_TYPE);
	t->max_uses = (uint32_t)sqlite3_column_int64(q, C_MAX_USES);
	t->uses = (uint32_t)sqlite3_column_int64(q, C_USES);
	t->created_at = sqlite3_column_int64(q, C_CREATED);
	t->expires_at = sqlite3_column_int64(q, C_EXPIRES);
	t->first_used_at = use_time(q, C_FIRST_USED);
	t->last_used_at = use_time(q, C_LAST_USED);
	t->revoked_at = sqlite3_column_int64(q, C_REVOKED);
	t->resume_s = (uint32_t)sqlite3_column_int64(q, C_RESUME);
	if ((res = sg_sqlite_column(s, q, C_APP, t->app, sizeof(t->app), doing)) == SG_OK)
		res = sg_sqlite_column(s, q, C_STREAM, t->stream, sizeof(t->stream), doing);
	return res;
}

static enum sg_result read_token(struct sg_sqlite *s, sqlite3_stmt *q, struct sg_token *t)
{
	const char *doing = "reading tokens";
	enum sg_result res = read_few(s, q, t);

	if (res == SG_OK)
		res = sg_sqlite_column(
		    s, q, C_CREATED_BY, t->created_by, sizeof(t->created_by), doing);
	if (res == SG_OK)
		res = sg_sqlite_column(s, q, C_LABEL, t->label, sizeof(t->label), doing);
	return res;
}

/* Without `hash` the row alone decides. */
static enum sg_result find_token(struct sg_sqlite *s, sqlite3_stmt *q, uint64_t id,
    const uint8_t *hash,
    enum sg_result (*read)(struct sg_sqlite *s, sqlite3_stmt *q, struct sg_token *t),
    struct sg_token *out)
{
	bool row;

	sg_sq_int(q, 1, (int64_t)id);
	enum sg_result res = sg_sqlite_row(s, q, &row, "reading tokens");
	if (res == SG_OK && !row)
		return SG_ERR_NOT_FOUND;
	if (res == SG_OK && hash &&
	    (sqlite3_column_bytes(q, C_HASH) != SG_STORE_HASH_BYTES ||
		!sg_equal_constant_time(
		    sqlite3_column_blob(q, C_HASH), hash, SG_STORE_HASH_BYTES)))
		res = SG_ERR_NOT_FOUND;
	if (res == SG_OK)
		res = read(s, q, out);
	sqlite3_reset(q);
	return res;
}

static sqlite3_stmt *whole_row(struct sg_sqlite *s)
{
	return sg_sqlite_stmt(s, SG_SQ_TOKEN_GET, "SELECT " COLUMNS " FROM token WHERE id = ?");
}

enum sg_result sg_sqlite_token_get(struct sg_store *st, uint64_t id, struct sg_token *out)
{
	struct sg_sqlite *s = sg_sqlite_of(st);

	return find_token(s, whole_row(s), id, NULL, read_token, out);
}

enum sg_result sg_sqlite_token_lookup(
    struct sg_store *st, const struct sg_token_key *key, struct sg_token *out)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	uint8_t hash[SG_STORE_HASH_BYTES];

	sg_token_hash(hash, key);
	return find_token(s, whole_row(s), key->id, hash, read_token, out);
}

enum sg_result sg_sqlite_token_look(
    struct sg_store *st, const struct sg_token_key *key, struct sg_token *out)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	uint8_t hash[SG_STORE_HASH_BYTES];
	sqlite3_stmt *q = sg_sqlite_stmt(
	    s, SG_SQ_TOKEN_LOOK, "SELECT " FEW_COLUMNS " FROM token WHERE id = ?");

	sg_token_hash(hash, key);
	return find_token(s, q, key->id, hash, read_few, out);
}

/* ---- lists ---- */

static sqlite3_stmt *list_statement(
    struct sg_sqlite *s, const struct sg_token_filter *f, uint64_t before)
{
	sqlite3_stmt *q;

	if (!f->stream.p) {
		q = sg_sqlite_stmt(s, SG_SQ_TOKEN_LIST,
		    "SELECT " COLUMNS " FROM token WHERE id < ? ORDER BY id DESC");
	} else {
		q = sg_sqlite_stmt(s, SG_SQ_TOKEN_LIST_STREAM,
		    "SELECT " COLUMNS " FROM token INDEXED BY token_by_stream"
		    " WHERE id < ? AND app = ? AND stream = ? ORDER BY id DESC");
		sg_sq_str(q, 2, f->app);
		sg_sq_str(q, 3, f->stream);
	}
	sg_sq_int(q, 1, (int64_t)before);
	return q;
}

enum sg_result sg_sqlite_token_list(struct sg_store *st, const struct sg_token_filter *f,
    uint64_t before, int64_t now, struct sg_token *out, size_t max, size_t *count, bool *more,
    uint64_t *next)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	sqlite3_stmt *q = list_statement(s, f, before);
	struct sg_token t;
	uint64_t cursor = 0;
	int64_t looked = 0;
	bool row;
	enum sg_result res;

	while ((res = sg_sqlite_row(s, q, &row, "listing tokens")) == SG_OK && row) {
		if ((res = read_token(s, q, &t)) != SG_OK)
			break;
		bool match = sg_token_matches(&t, f, now);
		if ((match && *count == max) || looked++ == s->list_look_max) {
			*more = true;
			*next = cursor;
			break;
		}
		/* After the page is full the cursor stays at its last row. */
		if (match)
			out[(*count)++] = t;
		if (match || *count < max)
			cursor = t.id;
	}
	sqlite3_reset(q);
	return res;
}
