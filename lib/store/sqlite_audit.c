/* sqlite_audit.c - the record of verdicts and of what administrators did. Rows are appended in
 * order of `seq` and have no other index: they are written beside every use of a token. */
#include "store/sqlite_internal.h"

#define COLUMNS                                                                                    \
	"seq, at_ms, token_id, app, stream, type, protocol, address, event, reason, session, "     \
	"detail"

/* At most this many old rows go at a time, four times as many as come. */
#define TRIM_CHUNK(s) ((s)->audit_trim_every * 4)

/* Not at every row: deleting is cheap only when whole pages fall empty. */
static enum sg_result trim_now_and_then(struct sg_sqlite *s, int64_t newest, const char *doing)
{
	if (newest % s->audit_trim_every != 0)
		return SG_OK;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_AUDIT_TRIM,
	    "DELETE FROM audit WHERE seq <= ?1 AND seq < (SELECT min(seq) FROM audit) + ?2");
	sg_sq_int(q, 1, newest - s->audit_keep);
	sg_sq_int(q, 2, TRIM_CHUNK(s));
	return sg_sqlite_run(s, q, doing);
}

static void bind_row(sqlite3_stmt *q, const struct sg_audit *a)
{
	sg_sq_int(q, 1, a->at_ms);
	sg_sq_int(q, 2, (int64_t)a->token_id);
	sg_sq_text(q, 3, a->app);
	sg_sq_text(q, 4, a->stream);
	sg_sq_int(q, 5, a->type);
	sg_sq_text(q, 6, a->protocol);
	sg_sq_text(q, 7, a->address);
	sg_sq_text(q, 8, a->event);
	sg_sq_text(q, 9, a->reason);
	sg_sq_text(q, 10, a->session);
	sg_sq_text(q, 11, a->detail);
}

enum sg_result sg_sqlite_audit_append(
    struct sg_sqlite *s, const struct sg_audit *rows, size_t count, const char *doing)
{
	enum sg_result res = SG_OK;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_AUDIT_INSERT,
	    "INSERT INTO audit (at_ms, token_id, app, stream, type, protocol, address, event, "
	    "reason,"
	    " session, detail) VALUES (?,?,?,?,?,?,?,?,?,?,?)");

	for (size_t i = 0; res == SG_OK && i < count; i++) {
		bind_row(q, &rows[i]);
		if ((res = sg_sqlite_run(s, q, doing)) == SG_OK)
			res = trim_now_and_then(s, sqlite3_last_insert_rowid(s->db), doing);
	}
	return res;
}

enum sg_result sg_sqlite_audit_add(struct sg_store *st, const struct sg_audit *rows, size_t count)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	enum sg_result res = sg_sqlite_begin(s, "writing the audit");

	if (res != SG_OK)
		return res;
	res = sg_sqlite_audit_append(s, rows, count, "writing the audit");
	return sg_sqlite_end(s, res, "writing the audit");
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

/* Trimming lags behind; what is over the limit is not shown. */
#define FILTER                                                                                     \
	" AND seq > (SELECT max(seq) FROM audit) - ?2"                                             \
	" AND (?3 IS NULL OR app = ?3) AND (?4 IS NULL OR stream = ?4)"                            \
	" AND (?5 IS NULL OR event = ?5) AND (?6 IS NULL OR reason = ?6)"                          \
	" AND (?7 = 0 OR token_id = ?7)"

static sqlite3_stmt *list_statement(struct sg_sqlite *s, int64_t before, int64_t after)
{
	sqlite3_stmt *q;

	if (after > 0)
		q = sg_sqlite_stmt(s, SG_SQ_AUDIT_OLDEST,
		    "SELECT " COLUMNS " FROM audit WHERE seq > ?1" FILTER " ORDER BY seq LIMIT ?8");
	else
		q = sg_sqlite_stmt(s, SG_SQ_AUDIT_NEWEST,
		    "SELECT " COLUMNS " FROM audit WHERE seq < ?1" FILTER
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
	while ((res = sg_sqlite_row(s, q, &row, "reading the audit")) == SG_OK && row) {
		if ((res = read_row(s, q, &out[*count])) != SG_OK)
			break;
		(*count)++;
	}
	sqlite3_reset(q);
	return res;
}
