/* sqlite.c - the handle of an SQLite store: its file, its connection, its statements and
 * transactions, and what its failures are called. */
#include "store/sqlite.h"
#include "store/sqlite_internal.h"
#include "base/clock.h"
#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- failures ---- */

enum sg_result sg_sqlite_refuse(struct sg_sqlite *s, enum sg_result res, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->base.error, sizeof(s->base.error), fmt, ap);
	va_end(ap);
	return res;
}

/* What the kernel said. Of a commit that failed SQLite itself keeps no cause, but the log's file
 * does. */
static int cause_of(struct sg_sqlite *s, int code)
{
	sqlite3_file *log = NULL;
	int cause = 0;

	if (!s->db)
		return 0;
	if (code == SQLITE_IOERR_WRITE || code == SQLITE_IOERR_FSYNC) {
		sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
		if (log && log->pMethods)
			log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &cause);
	}
	return cause ? cause : sqlite3_system_errno(s->db);
}

/* SQLITE_FULL is only the ENOSPC of a write; there are other ways to have no room. */
static bool disk_is_full(struct sg_sqlite *s, int code)
{
	int cause = cause_of(s, code);

	return (code & 0xff) == SQLITE_FULL ||
	       ((code & 0xff) == SQLITE_IOERR &&
		   (cause == ENOSPC || cause == EDQUOT || cause == EFBIG));
}

static enum sg_result result_of(struct sg_sqlite *s, int code)
{
	if (disk_is_full(s, code))
		return SG_ERR_STORE_FULL;
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL: /* lost the race for the log's locks too often */
		return SG_ERR_STORE_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return SG_ERR_STORE_CORRUPT;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return SG_ERR_IO;
	case SQLITE_NOMEM:
		return SG_ERR_NO_MEMORY;
	default:
		return SG_ERR_STORE;
	}
}

static enum sg_result fail_with(struct sg_sqlite *s, int code, const char *doing)
{
	enum sg_result res = result_of(s, code);
	int cause = cause_of(s, code);

	switch (res) {
	case SG_ERR_STORE_BUSY:
		return sg_sqlite_refuse(s, res,
		    "%s is locked by another process (%s): end that process or try again", s->path,
		    doing);
	case SG_ERR_STORE_FULL:
		return sg_sqlite_refuse(
		    s, res, "the disk of %s is full (%s): free some space", s->path, doing);
	case SG_ERR_STORE_CORRUPT:
		return sg_sqlite_refuse(s, res,
		    "%s is damaged or not a streamgate store (%s): restore a backup or name "
		    "another "
		    "file",
		    s->path, doing);
	case SG_ERR_IO:
		return sg_sqlite_refuse(s, res,
		    "cannot read or write %s (%s; %s): check the directory's and the file's "
		    "permissions, and the disk",
		    s->path, doing, cause ? strerror(cause) : sqlite3_errstr(code));
	case SG_ERR_NO_MEMORY:
		return sg_sqlite_refuse(s, res, "out of memory (%s): free some", doing);
	default:
		return sg_sqlite_refuse(s, res, "%s failed (%s; %s): report this", s->path, doing,
		    s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code));
	}
}

enum sg_result sg_sqlite_fail(struct sg_sqlite *s, const char *doing)
{
	return fail_with(s, s->db ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM, doing);
}

enum sg_result sg_sqlite_corrupt(struct sg_sqlite *s, const char *doing)
{
	return fail_with(s, SQLITE_CORRUPT, doing);
}

/* ---- statements ---- */

sqlite3_stmt *sg_sqlite_stmt(struct sg_sqlite *s, enum sg_sqlite_slot slot, const char *sql)
{
	sqlite3_stmt **q = &s->statements[slot];

	if (!*q)
		sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, q, NULL);
	return *q;
}

enum sg_result sg_sqlite_row(struct sg_sqlite *s, sqlite3_stmt *q, bool *row, const char *doing)
{
	int code = q ? sqlite3_step(q) : SQLITE_ERROR;

	*row = code == SQLITE_ROW;
	if (*row)
		return SG_OK;
	enum sg_result res = code == SQLITE_DONE ? SG_OK : sg_sqlite_fail(s, doing);
	sqlite3_reset(q);
	return res;
}

enum sg_result sg_sqlite_run(struct sg_sqlite *s, sqlite3_stmt *q, const char *doing)
{
	bool row;
	enum sg_result res = sg_sqlite_row(s, q, &row, doing);

	sqlite3_reset(q);
	return res;
}

enum sg_result sg_sqlite_column(
    struct sg_sqlite *s, sqlite3_stmt *q, int column, char *out, size_t size, const char *doing)
{
	const char *text = (const char *)sqlite3_column_text(q, column);
	size_t len = (size_t)sqlite3_column_bytes(q, column);

	out[0] = '\0';
	if (!text)
		return sg_sqlite_fail(s, doing); /* our columns are NOT NULL: no memory */
	if (len >= size)
		return sg_sqlite_corrupt(s, doing);
	memcpy(out, text, len);
	out[len] = '\0';
	return SG_OK;
}

/* ---- transactions ---- */

/* After some failures SQLite has already rolled back by itself. */
static void roll_back(struct sg_sqlite *s)
{
	if (sqlite3_get_autocommit(s->db))
		return;
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_ROLLBACK, "ROLLBACK");
	sqlite3_step(q);
	sqlite3_reset(q);
}

enum sg_result sg_sqlite_begin(struct sg_sqlite *s, const char *doing)
{
	/* Prepared before it is needed: when memory has run out is too late. Should it have
	 * failed all the same, the last transaction is still open. */
	if (!sg_sqlite_stmt(s, SG_SQ_ROLLBACK, "ROLLBACK"))
		return sg_sqlite_fail(s, doing);
	roll_back(s);
	/* IMMEDIATE: a transaction that reads first and writes later could be refused half-way. */
	return sg_sqlite_run(s, sg_sqlite_stmt(s, SG_SQ_BEGIN, "BEGIN IMMEDIATE"), doing);
}

enum sg_result sg_sqlite_end(struct sg_sqlite *s, enum sg_result res, const char *doing)
{
	if (res == SG_OK)
		res = sg_sqlite_run(s, sg_sqlite_stmt(s, SG_SQ_COMMIT, "COMMIT"), doing);
	if (res != SG_OK)
		roll_back(s);
	return res;
}

/* Should it fail, each read is a transaction of its own, and says what is wrong. */
void sg_sqlite_look_begin(struct sg_store *st)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	sqlite3_stmt *q = sg_sqlite_stmt(s, SG_SQ_LOOK, "BEGIN");

	sqlite3_step(q);
	sqlite3_reset(q);
}

void sg_sqlite_look_end(struct sg_store *st)
{
	struct sg_sqlite *s = sg_sqlite_of(st);

	/* Nothing was written, so there is nothing to keep; and a commit could fail. */
	roll_back(s);
}

/* Polls finely: beside a busy writer SQLite's own handler, which sleeps ever longer, was seen
 * to wait for seconds while the lock was free time and again. */
static int wait_for_lock(void *user, int tries)
{
	struct sg_sqlite *s = user;
	int64_t now_us = sg_mono_us();

	if (tries == 0)
		s->busy_since_us = now_us;
	if (now_us - s->busy_since_us >= s->busy_ms * INT64_C(1000))
		return 0;
	long nap_us = tries < 20 ? 50 : tries < 200 ? 200 : 1000;
	nanosleep(&(struct timespec){.tv_nsec = nap_us * 1000}, NULL);
	return 1;
}

/* ---- the write-ahead log ---- */

/* The log begins again once it is longer than this, and by then it has grown further: what it has beyond is kept.
 * To write over a file costs half the sync that making it longer does. */
#define WAL_BYTES_MAX (64 << 20)
#define WAL_BYTES_KEPT "134217728"
#define RESTART_WAIT_MS 50

enum sg_result sg_sqlite_checkpoint(struct sg_store *st)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	int frames = 0, moved = 0;
	int code =
	    sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_PASSIVE, &frames, &moved);

	if (code == SQLITE_OK && frames > WAL_BYTES_MAX / s->page_size) {
		/* RESTART waits for readers while it keeps writers out, so it must not wait long:
		 * when it does not succeed now, the next call will try again. */
		int patience_ms = s->busy_ms;

		s->busy_ms = patience_ms < RESTART_WAIT_MS ? patience_ms : RESTART_WAIT_MS;
		code =
		    sqlite3_wal_checkpoint_v2(s->db, "main", SQLITE_CHECKPOINT_RESTART, NULL, NULL);
		s->busy_ms = patience_ms;
	}
	if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY)
		return SG_OK;
	return sg_sqlite_fail(s, "checkpointing");
}

/* ---- the file ---- */

static enum sg_result make_directory(struct sg_sqlite *s)
{
	char *copy = strdup(s->path);
	enum sg_result res = SG_OK;

	if (!copy)
		return sg_sqlite_refuse(s, SG_ERR_NO_MEMORY, "out of memory: free some");
	const char *dir = dirname(copy);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		res = sg_sqlite_refuse(s, SG_ERR_IO,
		    "cannot create the directory %s (%s): create it, writable for streamgate", dir,
		    strerror(errno));
	free(copy);
	return res;
}

/* An empty file of mode 0600 that appears under its name complete. It must not be opened under
 * that name here: closing a descriptor would drop the locks that another thread's connection
 * to the same file holds (fcntl(2), POSIX record locks). */
static enum sg_result make_file(struct sg_sqlite *s)
{
	char *temp = sqlite3_mprintf("%s.new-XXXXXX", s->path);
	enum sg_result res = SG_OK;

	if (!temp)
		return sg_sqlite_refuse(s, SG_ERR_NO_MEMORY, "out of memory: free some");
	int fd = mkstemp(temp);
	if (fd >= 0)
		close(fd);
	if (fd < 0 || (link(temp, s->path) != 0 && errno != EEXIST))
		res = sg_sqlite_refuse(s,
		    errno == ENOSPC || errno == EDQUOT ? SG_ERR_STORE_FULL : SG_ERR_IO,
		    "cannot create %s (%s): check the directory's permissions and the disk",
		    s->path, strerror(errno));
	if (fd >= 0)
		unlink(temp);
	sqlite3_free(temp);
	return res;
}

static enum sg_result prepare_file(struct sg_sqlite *s, bool create)
{
	struct stat sb;
	enum sg_result res = SG_OK;

	if (stat(s->path, &sb) == 0) {
		if (!S_ISREG(sb.st_mode))
			return sg_sqlite_refuse(
			    s, SG_ERR_IO, "%s is not a file: name a file", s->path);
		return SG_OK;
	}
	if (errno != ENOENT)
		return sg_sqlite_refuse(s, SG_ERR_IO, "cannot reach %s (%s): check its directory",
		    s->path, strerror(errno));
	if (!create)
		return sg_sqlite_refuse(s, SG_ERR_NOT_FOUND,
		    "there is no store at %s: start streamd once, or correct [store] url", s->path);
	if ((res = make_directory(s)) == SG_OK)
		res = make_file(s);
	return res;
}

/* ---- open and close ---- */

static void sqlite_close(struct sg_store *st)
{
	struct sg_sqlite *s = sg_sqlite_of(st);

	for (int i = 0; i < SG_SQ_COUNT; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	if (s->watch_fd >= 0)
		close(s->watch_fd);
	free(s->path);
	free(s);
}

static void set_patience(struct sg_store *st, int64_t ms)
{
	sg_sqlite_of(st)->busy_ms = ms;
}

/* A wish: should it fail, the cache stays as it was. */
static void set_cache(struct sg_store *st, int mib)
{
	char sql[64];

	sqlite3_snprintf(sizeof(sql), sql, "PRAGMA cache_size=-%d", mib * 1024);
	sqlite3_exec(sg_sqlite_of(st)->db, sql, NULL, NULL, NULL);
}

/* All that is written goes to the log first, by write(2), and the log stays the same file as long as anybody has the
 * database open. */
static int watch(struct sg_store *st)
{
	struct sg_sqlite *s = sg_sqlite_of(st);
	const char *log = sqlite3_filename_wal(sqlite3_db_filename(s->db, "main"));

	if (s->watch_fd < 0)
		s->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->watch_fd >= 0 && inotify_add_watch(s->watch_fd, log, IN_MODIFY) < 0) {
		close(s->watch_fd);
		s->watch_fd = -1;
	}
	return s->watch_fd;
}

static bool watched(struct sg_store *st)
{
	char events[4096];
	bool any = false;

	while (read(sg_sqlite_of(st)->watch_fd, events, sizeof(events)) > 0)
		any = true;
	return any;
}

static const struct sg_store_backend sqlite_backend = {
    .close = sqlite_close,
    .set_patience = set_patience,
    .set_cache = set_cache,
    .token_create = sg_sqlite_token_create,
    .token_get = sg_sqlite_token_get,
    .token_lookup = sg_sqlite_token_lookup,
    .token_look = sg_sqlite_token_look,
    .look_begin = sg_sqlite_look_begin,
    .look_end = sg_sqlite_look_end,
    .token_list = sg_sqlite_token_list,
    .token_revoke = sg_sqlite_token_revoke,
    .token_revoke_stream = sg_sqlite_token_revoke_stream,
    .token_purge = sg_sqlite_token_purge,
    .audit_add = sg_sqlite_audit_add,
    .audit_list = sg_sqlite_audit_list,
    .spend = sg_sqlite_spend,
    .checkpoint = sg_sqlite_checkpoint,
    .setting_set = sg_sqlite_setting_set,
    .settings = sg_sqlite_settings,
    .poll = sg_sqlite_poll,
    .watch = watch,
    .watched = watched,
    .changes = sg_sqlite_changes,
    .apikey_create = sg_sqlite_apikey_create,
    .apikey_verify = sg_sqlite_apikey_verify,
    .apikey_list = sg_sqlite_apikey_list,
    .apikey_revoke = sg_sqlite_apikey_revoke,
    .recording_add = sg_sqlite_recording_add,
    .recording_delete = sg_sqlite_recording_delete,
    .recordings = sg_sqlite_recordings,
    .recording_get = sg_sqlite_recording_get,
    .password_get = sg_sqlite_password_get,
    .password_set = sg_sqlite_password_set,
    .secret = sg_sqlite_secret,
};

static enum sg_result exec(struct sg_sqlite *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK
		   ? SG_OK
		   : sg_sqlite_fail(s, "opening");
}

static enum sg_result connect_file(struct sg_sqlite *s)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		    SQLITE_OPEN_EXRESCODE;

	if (sqlite3_open_v2(s->path, &s->db, flags, sg_sqlite_vfs()) != SQLITE_OK)
		return sg_sqlite_fail(s, "opening");
	/* SQLite quietly opens for reading what it may not write. */
	if (sqlite3_db_readonly(s->db, "main") == 1)
		return sg_sqlite_refuse(
		    s, SG_ERR_IO, "cannot write %s: check its permissions", s->path);
	/* A file that turns out not to be ours is left as it is, its log included. */
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_busy_handler(s->db, wait_for_lock, s);
	return SG_OK;
}

/* A new file gets pages of 2 KiB: a use dirties one page, which is then summed, written to the log
 * and copied back, and half a page is half of all that. 1 KiB and 4 KiB were measured slower. */
static enum sg_result enter_wal(struct sg_sqlite *s)
{
	sqlite3_stmt *q = NULL;
	bool row = false;

	if (sqlite3_exec(s->db, "PRAGMA page_size=2048", NULL, NULL, NULL) != SQLITE_OK)
		return sg_sqlite_fail(s, "opening");
	sqlite3_prepare_v2(s->db, "PRAGMA journal_mode=WAL", -1, &q, NULL);
	enum sg_result res = sg_sqlite_row(s, q, &row, "opening");
	if (res == SG_OK &&
	    (!row || sqlite3_stricmp((const char *)sqlite3_column_text(q, 0), "wal") != 0))
		res = sg_sqlite_refuse(s, SG_ERR_IO,
		    "%s is on a file system without shared memory: move it to a local disk",
		    s->path);
	sqlite3_finalize(q);
	return res;
}

/* Of several processes that make a new file's log at once, all but one are told "busy" without
 * being asked to wait (sqlite.org/wal.html, section 8). */
static enum sg_result enter_wal_in_turn(struct sg_sqlite *s)
{
	int64_t until_us = sg_mono_us() + s->busy_ms * INT64_C(1000);
	enum sg_result res;

	while ((res = enter_wal(s)) == SG_ERR_STORE_BUSY && sg_mono_us() < until_us)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	return res;
}

static enum sg_result set_up(struct sg_sqlite *s)
{
	enum sg_result res = exec(s, "PRAGMA synchronous=FULL;"
				     "PRAGMA cache_size=-65536;"
				     "PRAGMA mmap_size=0;"
				     "PRAGMA temp_store=MEMORY;"
				     "PRAGMA cell_size_check=ON;"
				     "PRAGMA journal_size_limit=" WAL_BYTES_KEPT ";"
				     /* Only for programs that write much and have no thread that
				      * checkpoints; where there is one, the log stays below this. */
				     "PRAGMA wal_autocheckpoint=49152;");
	bool changed;

	if (res == SG_OK)
		res = sg_sqlite_page_size(s);
	if (res == SG_OK)
		res = sg_sqlite_poll(&s->base, &changed);
	if (res == SG_OK)
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return res;
}

static enum sg_result open_steps(struct sg_sqlite *s, bool create)
{
	enum sg_result res;

	if ((res = prepare_file(s, create)) != SG_OK || (res = connect_file(s)) != SG_OK ||
	    (res = sg_sqlite_identify(s, sg_sqlite_schema_version, create)) != SG_OK ||
	    (res = enter_wal_in_turn(s)) != SG_OK ||
	    (res = sg_sqlite_migrate(s, sg_sqlite_schema, sg_sqlite_schema_version, create)) !=
		SG_OK)
		return res;
	return set_up(s);
}

static struct sg_sqlite *new_handle(const char *path)
{
	struct sg_sqlite *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base.backend = &sqlite_backend;
	s->busy_ms = SG_SQLITE_BUSY_MS;
	s->watch_fd = -1;
	s->audit_keep = SG_AUDIT_KEEP;
	s->audit_trim_every = SG_AUDIT_TRIM_EVERY;
	s->list_look_max = SG_LIST_LOOK_MAX;
	/* "./" keeps SQLite from reading ":memory:" or "file:..." into a plain name. */
	if (asprintf(&s->path, "%s%s", path[0] == '/' ? "" : "./", path) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

enum sg_result sg_sqlite_open(
    struct sg_store **out, const char *path, bool create, char *error, size_t error_size)
{
	*out = NULL;
	sg_sqlite_vfs(); /* before anything else of SQLite: see there */
	if (!path[0]) {
		snprintf(
		    error, error_size, "the store's url names no file: write sqlite:/path/to/file");
		return SG_ERR_CONFIG;
	}
	struct sg_sqlite *s = new_handle(path);
	if (!s) {
		snprintf(error, error_size, "out of memory: free some");
		return SG_ERR_NO_MEMORY;
	}
	enum sg_result res = open_steps(s, create);
	if (res == SG_OK) {
		*out = &s->base;
		return SG_OK;
	}
	snprintf(error, error_size, "%s", s->base.error);
	sqlite_close(&s->base);
	return res;
}
