/* sqlite_schema.c - the tables, how a file is told to be ours, and how an older one is brought
 * up to date. PRAGMA user_version counts the steps that a file has been through. */
#include "store/sqlite_internal.h"

/* A step is never changed once released: add another. Row numbers are the ids; apart from them
 * a token costs one index entry, by which the tokens of a stream are listed and revoked. A
 * purge walks the table itself, since ids grow with time. */
const char *const sg_sqlite_schema[] = {
    "CREATE TABLE token ("
    " id INTEGER PRIMARY KEY,"
    " hash BLOB NOT NULL,"
    " app TEXT NOT NULL,"
    " stream TEXT NOT NULL,"
    " type INTEGER NOT NULL,"
    " max_uses INTEGER NOT NULL,"
    " uses INTEGER NOT NULL DEFAULT 0,"
    " created_at INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " first_used_at INTEGER NOT NULL DEFAULT 0,"
    " last_used_at INTEGER NOT NULL DEFAULT 0,"
    " revoked_at INTEGER NOT NULL DEFAULT 0,"
    " resume_s INTEGER NOT NULL DEFAULT 0,"
    " created_by TEXT NOT NULL DEFAULT '',"
    " label TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE INDEX token_by_stream ON token (app, stream);"
    "CREATE TABLE audit ("
    " seq INTEGER PRIMARY KEY,"
    " at_ms INTEGER NOT NULL,"
    " token_id INTEGER NOT NULL,"
    " app TEXT NOT NULL,"
    " stream TEXT NOT NULL,"
    " type INTEGER NOT NULL,"
    " protocol TEXT NOT NULL,"
    " address TEXT NOT NULL,"
    " event TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " session TEXT NOT NULL,"
    " detail TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE change ("
    " seq INTEGER PRIMARY KEY,"
    " kind INTEGER NOT NULL,"
    " token_id INTEGER NOT NULL,"
    " app TEXT NOT NULL,"
    " stream TEXT NOT NULL,"
    " type INTEGER NOT NULL,"
    " keep_sessions INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE setting ("
    " app TEXT NOT NULL,"
    " stream TEXT NOT NULL,"
    " key TEXT NOT NULL,"
    " value TEXT NOT NULL,"
    " changed_at INTEGER NOT NULL,"
    " PRIMARY KEY (app, stream, key)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE apikey ("
    " id INTEGER PRIMARY KEY,"
    " hash BLOB NOT NULL,"
    " scope INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " revoked_at INTEGER NOT NULL DEFAULT 0,"
    " label TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE recording ("
    " app TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " stream TEXT NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " PRIMARY KEY (app, name)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE secret ("
    " name TEXT PRIMARY KEY NOT NULL,"
    " value BLOB NOT NULL"
    ") STRICT, WITHOUT ROWID;",
    /* One administrator today; named, so that others can follow. */
    "CREATE TABLE administrator ("
    " name TEXT PRIMARY KEY NOT NULL,"
    " password TEXT NOT NULL,"
    " changed_at INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;",
    "ALTER TABLE recording ADD COLUMN state INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recording ADD COLUMN size INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recording ADD COLUMN duration_ms INTEGER NOT NULL DEFAULT 0;",
};
const int sg_sqlite_schema_version = sizeof(sg_sqlite_schema) / sizeof(sg_sqlite_schema[0]);

static enum sg_result read_number(struct sg_sqlite *s, const char *sql, int64_t *out)
{
	sqlite3_stmt *q = NULL;
	bool row = false;

	*out = 0;
	sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
	enum sg_result res = sg_sqlite_row(s, q, &row, "opening");
	if (row)
		*out = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return res;
}

enum sg_result sg_sqlite_page_size(struct sg_sqlite *s)
{
	return read_number(s, "PRAGMA page_size", &s->page_size);
}

/* All in one look: between two, another process may just be making the store. */
static enum sg_result read_marks(
    struct sg_sqlite *s, int64_t *app_id, int64_t *version, int64_t *objects)
{
	enum sg_result res;

	if (sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return sg_sqlite_fail(s, "opening");
	if ((res = read_number(s, "PRAGMA application_id", app_id)) == SG_OK &&
	    (res = read_number(s, "PRAGMA user_version", version)) == SG_OK)
		res = read_number(s, "SELECT count(*) FROM sqlite_schema", objects);
	sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL); /* only ends the reading */
	return res;
}

enum sg_result sg_sqlite_identify(struct sg_sqlite *s, int version, bool create)
{
	int64_t app_id, found, objects;
	enum sg_result res = read_marks(s, &app_id, &found, &objects);

	if (res != SG_OK)
		return res;
	if (app_id == 0 && found == 0 && objects == 0) {
		if (create)
			return SG_OK;
		return sg_sqlite_refuse(s, SG_ERR_NOT_FOUND,
		    "%s is empty: start streamd once, or correct [store] url", s->path);
	}
	if (app_id != SG_SQLITE_APPLICATION_ID)
		return sg_sqlite_refuse(s, SG_ERR_STORE_CORRUPT,
		    "%s belongs to another program: correct [store] url", s->path);
	if (found > version)
		return sg_sqlite_refuse(s, SG_ERR_STORE_FUTURE,
		    "%s was written by a newer streamgate (format %lld, this one knows %d): "
		    "upgrade "
		    "this program",
		    s->path, (long long)found, version);
	return SG_OK;
}

static enum sg_result take_steps(struct sg_sqlite *s, const char *const *steps, int count)
{
	int64_t found;
	char mark[96];
	/* Read again: between our first look and our lock another process may have done it. */
	enum sg_result res = read_number(s, "PRAGMA user_version", &found);

	for (int64_t i = found; res == SG_OK && i < count; i++)
		if (sqlite3_exec(s->db, steps[i], NULL, NULL, NULL) != SQLITE_OK)
			res = sg_sqlite_fail(s, "bringing it up to date");
	if (res != SG_OK || found >= count)
		return res;
	sqlite3_snprintf(sizeof(mark), mark, "PRAGMA application_id=%d;PRAGMA user_version=%d;",
	    SG_SQLITE_APPLICATION_ID, count);
	return sqlite3_exec(s->db, mark, NULL, NULL, NULL) == SQLITE_OK
		   ? SG_OK
		   : sg_sqlite_fail(s, "bringing it up to date");
}

enum sg_result sg_sqlite_migrate(
    struct sg_sqlite *s, const char *const *steps, int count, bool create)
{
	int64_t found;
	enum sg_result res = read_number(s, "PRAGMA user_version", &found);

	if (res != SG_OK || found >= count)
		return res;
	if (!create)
		return sg_sqlite_refuse(s, SG_ERR_STORE,
		    "%s was written by an older streamgate: start the new streamd once", s->path);
	if ((res = sg_sqlite_begin(s, "bringing it up to date")) != SG_OK)
		return res;
	return sg_sqlite_end(s, take_steps(s, steps, count), "bringing it up to date");
}
