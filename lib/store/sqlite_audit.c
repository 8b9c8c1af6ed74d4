/* sqlite_audit.c - the record of verdicts and of what administrators did. Rows are appended in
 * order of `seq` and have no other index: they are written beside every use of a token. */
#include "store/sqlite_internal.h"

#define COLUMNS                                                                                    \
	"seq, at_ms, token_id, app, stream, type, protocol, address, event, reason, session, "     \
	"detail"

/* At most this many old rows go at a time, four times as many as come. */
#define TRIM_CHUNK(s) ((s)->audit_trim_every * 4)

/* Not at every row: deleting is cheap only when whole pages fall empty. */
static enum sg_result trim_now_and_then(
    struct sg_sqlite *s, int64_t newest, size_t added, const char *doing)
{
	if (newest % s->audit_trim_every >= (int64_t)added)
		return SG_OK;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_AUDIT_TRIM,
	    "DELETE FROM audit WHERE seq <= ?1 AND seq < (SELECT min(seq) FROM audit) + ?2");
	sg_sq_int(q, 1, newest - s->audit_keep);
	sg_sq_int(q, 2, TRIM_CHUNK(s));
	return sg_sqlite_run(s, q, doing);
}

#define ROW "(?,?,?,?,?,?,?,?,?,?,?)"
#define INSERT                                                                                     \
	"INSERT INTO audit (at_ms, token_id, app, stream, type, protocol, address, event, "       \
	"reason, session, detail) VALUES "

static int bind_row(sqlite3_stmt *q, int at, const struct sg_audit *a)
{
	sg_sq_int(q, ++at, a->at_ms);
	sg_sq_int(q, ++at, (int64_t)a->token_id);
	sg_sq_text(q, ++at, a->app);
	sg_sq_text(q, ++at, a->stream);
	sg_sq_int(q, ++at, a->type);
	sg_sq_text(q, ++at, a->protocol);
	sg_sq_text(q, ++at, a->address);
	sg_sq_text(q, ++at, a->event);
	sg_sq_text(q, ++at, a->reason);
	sg_sq_text(q, ++at, a->session);
	sg_sq_text(q, ++at, a->detail);
	return at;
}

static enum sg_result insert(struct sg_sqlite *s, sqlite3_stmt *q,
    const struct sg_audit *const *rows, size_t count, const char *doing)
{
	int at = 0;

	for (size_t i = 0; i < count; i++)
		at = bind_row(q, at, rows[i]);
	enum sg_result res = sg_sqlite_run(s, q, doing);
	return res != SG_OK
		   ? res
		   : trim_now_and_then(s, sqlite3_last_insert_rowid(s->db), count, doing);
}

enum sg_result sg_sqlite_audit_put(
    struct sg_sqlite *s, struct sg_audit_group *g, const struct sg_audit *row, const char *doing)
{
	_Static_assert(SG_AUDIT_GROUP == 8, "as many as the statement has");
	g->rows[g->count++] = row;
	if (g->count < SG_AUDIT_GROUP)
		return SG_OK;
	g->count = 0;
	return insert(s,
	    sg_sqlite_stmt(s, SG_SQ_AUDIT_INSERT_GROUP, INSERT ROW "," ROW "," ROW "," ROW "," ROW "," ROW "," ROW "," ROW), g->rows,
	    SG_AUDIT_GROUP, doing);
}

enum sg_result sg_sqlite_audit_flush(
    struct sg_sqlite *s, struct sg_audit_group *g, const char *doing)
{
	enum sg_result res = SG_OK;

	for (size_t i = 0; res == SG_OK && i < g->count; i++)
		res = insert(s, sg_sqlite_stmt(s, SG_SQ_AUDIT_INSERT, INSERT ROW), g->rows + i, 1, doing);
	g->count = 0;
	return res;
}

enum sg_result sg_sqlite_audit_add(struct sg_store *st, const struct sg_audit *rows, size_t count)
{
	const char *doing = "writing the audit";
	struct sg_sqlite *s = sg_sqlite_of(st);
	struct sg_audit_group group = {.count = 0};
	enum sg_result res = sg_sqlite_begin(s, doing);

	if (res != SG_OK)
		return res;
	for (size_t i = 0; res == SG_OK && i < count; i++)
		res = sg_sqlite_audit_put(s, &group, &rows[i], doing);
	if (res == SG_OK)
		res = sg_sqlite_audit_flush(s, &group, doing);
	return sg_sqlite_end(s, res, doing);
}

/* ---- lists ---- */

static enum sg_result read_row(struct sg_sqlite *s, sqlite3_stmt *q, struct sg_audit *a)
{
	const struct {
		int column;
		char *out;
		size_t size;
	} texts[] = {
	    {3, a->app, sizeof(a->app)},
	    {4, a->stream, sizeof(a->stream)},
	    {6, a->protocol, sizeof(a->protocol)},
	    {7, a->address, sizeof(a->address)},
	    {8, a->event, sizeof(a->event)},
	    {9, a->reason, sizeof(a->reason)},
	    {10, a->session, sizeof(a->session)},
	    {11, a->detail, sizeof(a->detail)},
	};
	enum sg_result res = SG_OK;

	a->seq = sqlite3_column_int64(q, 0);
	a->at_ms = sqlite3_column_int64(q, 1);
	a->token_id = (uint64_t)sqlite3_column_int64(q, 2);
	a->type = (uint8_t)sqlite3_column_int(q, 5);
	for (size_t i = 0; res == SG_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
		res = sg_sqlite_column(
		    s, q, texts[i].column, texts[i].out, texts[i].size, "reading the audit");
	return res;
}

/* Trimming lags behind; what is over the limit is not shown. Rows are found by `seq` alone, so each list
 * has one bound at either end: of two, SQLite would go by one and look at all that the other leaves out. */
#define NEWEST "(SELECT max(seq) FROM audit)"
#define FILTER                                                                                     \
	" AND (?3 IS NULL OR app = ?3) AND (?4 IS NULL OR stream = ?4)"                            \
	" AND (?5 IS NULL OR event = ?5) AND (?6 IS NULL OR reason = ?6)"                          \
	" AND (?7 = 0 OR token_id = ?7)"

#define SPAN_ALL INT64_C(0x3fffffffffffffff)

static sqlite3_stmt *list_statement(struct sg_sqlite *s, int64_t before, int64_t after)
{
	sqlite3_stmt *q;

	if (after > 0)
		q = sg_sqlite_stmt(s, SG_SQ_AUDIT_OLDEST,
		    "SELECT " COLUMNS " FROM audit WHERE seq > max(?1, " NEWEST " - ?2) AND seq <= ?1 + ?9"
		    FILTER " ORDER BY seq LIMIT ?8");
	else
		q = sg_sqlite_stmt(s, SG_SQ_AUDIT_NEWEST,
		    "SELECT " COLUMNS " FROM audit WHERE seq < ?1"
		    " AND seq >= max(min(?1, " NEWEST " + 1) - ?9, " NEWEST " - ?2 + 1)" FILTER
		    " ORDER BY seq DESC LIMIT ?8");
	sg_sq_int(q, 1, after > 0 ? after : before);
	sg_sq_int(q, 2, s->audit_keep);
	return q;
}

enum sg_result sg_sqlite_audit_list(struct sg_store *st, const struct sg_audit_filter *f,
    int64_t before, int64_t after, struct sg_audit *out, size_t max, size_t *count)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	sqlite3_stmt *q = list_statement(s, before, after);
	bool row;
	enum sg_result res;

	sg_sq_str(q, 3, f->app);
	sg_sq_str(q, 4, f->stream);
	sg_sq_str(q, 5, f->event);
	sg_sq_str(q, 6, f->reason);
	sg_sq_int(q, 7, f->token_id <= INT64_MAX ? (int64_t)f->token_id : -1);
	sg_sq_int(q, 8, (int64_t)max);
	sg_sq_int(q, 9, f->span ? f->span : SPAN_ALL);
	while ((res = sg_sqlite_row(s, q, &row, "reading the audit")) == SG_OK && row) {
		if ((res = read_row(s, q, &out[*count])) != SG_OK)
			break;
		(*count)++;
	}
	sqlite3_reset(q);
	return res;
}
