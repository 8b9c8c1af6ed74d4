/* sqlite_settings.c - settings, the list of changes by which other processes hear of them,
 * recordings, and values kept once per store. */
#include "store/sqlite_internal.h"

/* ---- changes ---- */

enum sg_result sg_sqlite_change_append(
    struct sg_sqlite *s, const struct sg_change *c, const char *doing)
{
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_CHANGE_INSERT,
	    "INSERT INTO change (kind, token_id, app, stream, type, keep_sessions)"
	    " VALUES (?,?,?,?,?,?)");

	sg_sq_int(q, 1, c->kind);
	sg_sq_int(q, 2, (int64_t)c->token_id);
	sg_sq_text(q, 3, c->app);
	sg_sq_text(q, 4, c->stream);
	sg_sq_int(q, 5, c->type);
	sg_sq_int(q, 6, c->keep_sessions);
	enum sg_result res = sg_sqlite_run(s, q, doing);
	if (res != SG_OK)
		return res;
	q = sg_sqlite_stmt(s, SG_SQ_CHANGE_TRIM, "DELETE FROM change WHERE seq <= ?");
	sg_sq_int(q, 1, sqlite3_last_insert_rowid(s->db) - SG_CHANGES_KEEP);
	return sg_sqlite_run(s, q, doing);
}

enum sg_result sg_sqlite_poll(struct sg_store *st, bool *changed)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_DATA_VERSION, "PRAGMA data_version");
	bool row;
	enum sg_result res = sg_sqlite_row(s, q, &row, "looking for changes");

	if (res == SG_OK && row) {
		int64_t version = sqlite3_column_int64(q, 0);

		*changed = version != s->data_version;
		s->data_version = version;
	}
	sqlite3_reset(q);
	return res;
}

static enum sg_result newest_change(struct sg_sqlite *s, int64_t *last)
{
	bool row;
	sqlite3_stmt *q =
	    sg_sqlite_stmt(s, SG_SQ_CHANGE_LAST, "SELECT ifnull(max(seq), 0) FROM change");
	enum sg_result res = sg_sqlite_row(s, q, &row, "reading changes");

	*last = row ? sqlite3_column_int64(q, 0) : 0;
	sqlite3_reset(q);
	return res;
}

static enum sg_result read_change(struct sg_sqlite *s, sqlite3_stmt *q, struct sg_change *c)
{
	memset(c, 0, sizeof(*c));
	c->seq = sqlite3_column_int64(q, 0);
	c->kind = (enum sg_change_kind)sqlite3_column_int(q, 1);
	c->token_id = (uint64_t)sqlite3_column_int64(q, 2);
	c->type = sqlite3_column_int(q, 5);
	c->keep_sessions = sqlite3_column_int(q, 6) != 0;
	enum sg_result res = sg_sqlite_column(s, q, 3, c->app, sizeof(c->app), "reading changes");
	if (res == SG_OK)
		res = sg_sqlite_column(s, q, 4, c->stream, sizeof(c->stream), "reading changes");
	return res;
}

enum sg_result sg_sqlite_changes(struct sg_store *st, int64_t after, struct sg_change *out,
    size_t max, size_t *count, int64_t *last)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	bool row;
	enum sg_result res;

	if (after < 0)
		return newest_change(s, last);
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_CHANGE_LIST,
	    "SELECT seq, kind, token_id, app, stream, type, keep_sessions FROM change"
	    " WHERE seq > ? ORDER BY seq LIMIT ?");
	sg_sq_int(q, 1, after);
	sg_sq_int(q, 2, (int64_t)max);
	while ((res = sg_sqlite_row(s, q, &row, "reading changes")) == SG_OK && row) {
		if ((res = read_change(s, q, &out[*count])) != SG_OK)
			break;
		*last = out[(*count)++].seq;
	}
	sqlite3_reset(q);
	return res;
}

/* ---- settings ---- */

static enum sg_result write_setting(struct sg_sqlite *s, const struct sg_setting *v, int64_t now)
{
	sqlite3_stmt *q;

	if (v->value[0]) {
		q = sg_sqlite_stmt(s, SG_SQ_SETTING_SET,
		    "INSERT OR REPLACE INTO setting (app, stream, key, value, changed_at)"
		    " VALUES (?,?,?,?,?)");
		sg_sq_text(q, 4, v->value);
		sg_sq_int(q, 5, now);
	} else {
		q = sg_sqlite_stmt(s, SG_SQ_SETTING_FORGET,
		    "DELETE FROM setting WHERE app = ? AND stream = ? AND key = ?");
	}
	sg_sq_text(q, 1, v->app);
	sg_sq_text(q, 2, v->stream);
	sg_sq_text(q, 3, v->key);
	return sg_sqlite_run(s, q, "changing a setting");
}

enum sg_result sg_sqlite_setting_set(struct sg_store *st, const struct sg_setting *v, int64_t now)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	struct sg_change c = {.kind = SG_CHANGE_SETTING};
	enum sg_result res = sg_sqlite_begin(s, "changing a setting");

	if (res != SG_OK)
		return res;
	memcpy(c.app, v->app, sizeof(c.app));
	memcpy(c.stream, v->stream, sizeof(c.stream));
	if ((res = write_setting(s, v, now)) == SG_OK)
		res = sg_sqlite_change_append(s, &c, "changing a setting");
	return sg_sqlite_end(s, res, "changing a setting");
}

static enum sg_result read_setting(struct sg_sqlite *s, sqlite3_stmt *q, struct sg_setting *v)
{
	const char *doing = "reading settings";
	enum sg_result res;

	if ((res = sg_sqlite_column(s, q, 0, v->app, sizeof(v->app), doing)) == SG_OK &&
	    (res = sg_sqlite_column(s, q, 1, v->stream, sizeof(v->stream), doing)) == SG_OK &&
	    (res = sg_sqlite_column(s, q, 2, v->key, sizeof(v->key), doing)) == SG_OK)
		res = sg_sqlite_column(s, q, 3, v->value, sizeof(v->value), doing);
	return res;
}

enum sg_result sg_sqlite_settings(
    struct sg_store *st, void (*each)(void *user, const struct sg_setting *v), void *user)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_SETTING_LIST,
	    "SELECT app, stream, key, value FROM setting ORDER BY app, stream, key");
	struct sg_setting v;
	bool row;
	enum sg_result res;

	while ((res = sg_sqlite_row(s, q, &row, "reading settings")) == SG_OK && row) {
		if ((res = read_setting(s, q, &v)) != SG_OK)
			break;
		each(user, &v);
	}
	sqlite3_reset(q);
	return res;
}

/* ---- recordings ---- */

enum sg_result sg_sqlite_recording_add(struct sg_store *st, const struct sg_recording *r)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	/* The last to write a file of that name says whose it is. */
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_RECORDING_SET,
	    "INSERT OR REPLACE INTO recording"
	    " (app, name, stream, created_at, state, size, duration_ms) VALUES (?,?,?,?,?,?,?)");

	sg_sq_text(q, 1, r->app);
	sg_sq_text(q, 2, r->name);
	sg_sq_text(q, 3, r->stream);
	sg_sq_int(q, 4, r->created_at);
	sg_sq_int(q, 5, r->state);
	sg_sq_int(q, 6, r->size);
	sg_sq_int(q, 7, r->duration_ms);
	return sg_sqlite_run(s, q, "noting a recording");
}

enum sg_result sg_sqlite_recording_delete(
    struct sg_store *st, struct sg_str app, struct sg_str name)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	sqlite3_stmt *q = sg_sqlite_stmt(
	    s, SG_SQ_RECORDING_DELETE, "DELETE FROM recording WHERE app = ? AND name = ?");

	sg_sq_str(q, 1, app);
	sg_sq_str(q, 2, name);
	enum sg_result res = sg_sqlite_run(s, q, "forgetting a recording");
	return res == SG_OK && !sqlite3_changes(s->db) ? SG_ERR_NOT_FOUND : res;
}

#define RECORDING_COLUMNS "app, name, stream, created_at, state, size, duration_ms"

static enum sg_result read_recording(
    struct sg_sqlite *s, sqlite3_stmt *q, struct sg_recording *out)
{
	const char *doing = "reading recordings";
	enum sg_result res;

	out->created_at = sqlite3_column_int64(q, 3);
	int state = sqlite3_column_int(q, 4);
	out->state = state == SG_RECORDING_DONE || state == SG_RECORDING_PLACED ? (enum sg_recording_state)state
										: SG_RECORDING_WRITTEN;
	out->size = sqlite3_column_int64(q, 5);
	out->duration_ms = sqlite3_column_int64(q, 6);
	if ((res = sg_sqlite_column(s, q, 0, out->app, sizeof(out->app), doing)) == SG_OK &&
	    (res = sg_sqlite_column(s, q, 1, out->name, sizeof(out->name), doing)) == SG_OK)
		res = sg_sqlite_column(s, q, 2, out->stream, sizeof(out->stream), doing);
	return res;
}

enum sg_result sg_sqlite_recordings(
    struct sg_store *st, void (*each)(void *user, const struct sg_recording *r), void *user)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_RECORDING_LIST,
	    "SELECT " RECORDING_COLUMNS " FROM recording ORDER BY created_at, app, name");
	struct sg_recording r;
	bool row;
	enum sg_result res;

	while ((res = sg_sqlite_row(s, q, &row, "reading recordings")) == SG_OK && row) {
		if ((res = read_recording(s, q, &r)) != SG_OK)
			break;
		each(user, &r);
	}
	sqlite3_reset(q);
	return res;
}

enum sg_result sg_sqlite_recording_get(
    struct sg_store *st, struct sg_str app, struct sg_str name, struct sg_recording *out)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	const char *doing = "reading recordings";
	bool row;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_RECORDING_GET,
	    "SELECT " RECORDING_COLUMNS " FROM recording WHERE app = ? AND name = ?");

	sg_sq_str(q, 1, app);
	sg_sq_str(q, 2, name);
	enum sg_result res = sg_sqlite_row(s, q, &row, doing);
	if (res == SG_OK && !row)
		return SG_ERR_NOT_FOUND;
	if (res != SG_OK)
		return res;
	res = read_recording(s, q, out);
	sqlite3_reset(q);
	return res;
}

/* ---- values kept once ---- */

#define KEEPING "reading a kept value"

static enum sg_result read_secret(struct sg_sqlite *s, const char *name, uint8_t *value, size_t len)
{
	bool row;
	sqlite3_stmt *q =
	    sg_sqlite_stmt(s, SG_SQ_SECRET_GET, "SELECT value FROM secret WHERE name = ?");

	sg_sq_text(q, 1, name);
	enum sg_result res = sg_sqlite_row(s, q, &row, KEEPING);
	if (res == SG_OK && !row)
		return SG_ERR_NOT_FOUND;
	if (res != SG_OK)
		return res;
	if (sqlite3_column_bytes(q, 0) == (int)len)
		memcpy(value, sqlite3_column_blob(q, 0), len);
	else
		res = sg_sqlite_corrupt(s, KEEPING);
	sqlite3_reset(q);
	return res;
}

enum sg_result sg_sqlite_secret(struct sg_store *st, const char *name, uint8_t *value, size_t len)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	enum sg_result res = read_secret(s, name, value, len);

	if (res != SG_ERR_NOT_FOUND)
		return res;
	/* Whoever comes first decides; the others read what was decided. */
	sqlite3_stmt *q = sg_sqlite_stmt(
	    s, SG_SQ_SECRET_KEEP, "INSERT OR IGNORE INTO secret (name, value) VALUES (?,?)");
	sg_sq_text(q, 1, name);
	sg_sq_blob(q, 2, value, len);
	res = sg_sqlite_run(s, q, KEEPING);
	return res == SG_OK ? read_secret(s, name, value, len) : res;
}
