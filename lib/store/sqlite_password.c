/* sqlite_password.c - the administrator's password. */
#include "store/sqlite_internal.h"

enum sg_result sg_sqlite_password_get(struct sg_store *st, char hash[SG_PASSWORD_HASH_SIZE])
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	const char *doing = "reading the administrator's password";
	bool row;
	sqlite3_stmt *q = sg_sqlite_stmt(
	    s, SG_SQ_PASSWORD_GET, "SELECT password FROM administrator WHERE name = 'admin'");
	enum sg_result res = sg_sqlite_row(s, q, &row, doing);

	if (res == SG_OK && !row)
		return SG_ERR_NOT_FOUND;
	if (res == SG_OK)
		res = sg_sqlite_column(s, q, 0, hash, SG_PASSWORD_HASH_SIZE, doing);
	sqlite3_reset(q);
	return res;
}

enum sg_result sg_sqlite_password_set(
    struct sg_store *st, const char *hash, bool first, int64_t now)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	/* Whoever comes first sets it: no look before, which another process could overtake. */
	sqlite3_stmt *q = first ? sg_sqlite_stmt(s, SG_SQ_PASSWORD_FIRST,
				      "INSERT OR IGNORE INTO administrator (name, password, changed_at)"
				      " VALUES ('admin',?,?)")
				: sg_sqlite_stmt(s, SG_SQ_PASSWORD_SET,
				      "INSERT OR REPLACE INTO administrator (name, password, changed_at)"
				      " VALUES ('admin',?,?)");

	sg_sq_text(q, 1, hash);
	sg_sq_int(q, 2, now);
	enum sg_result res = sg_sqlite_run(s, q, "setting the administrator's password");
	return res == SG_OK && first && !sqlite3_changes(s->db) ? SG_ERR_EXISTS : res;
}
