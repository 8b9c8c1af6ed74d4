/* sqlite_log.c - how the write-ahead log is written: a transaction's frames in few writes.
 *
 * SQLite writes each frame of its log in two pieces, a header and a page (walWriteOneFrame), and a
 * group commit has dozens: that took as much time as all the SQL. Here pieces that follow one another are
 * put together. Nothing is kept back that anybody could miss: a transaction's last frame, which its
 * header tells (sqlite.org/fileformat2.html, section 4.1), goes out at once with what was kept, and so
 * does all before a sync, a read, a change of size or the end. Frames before the last one are for no
 * other connection to read. A write that fails late fails the transaction all the same, since it
 * cannot end without having been written. */
#include "store/sqlite_internal.h"
#include <pthread.h>
#include <stdlib.h>

#define VFS_NAME "streamgate"
#define FRAME_HEADER 24
#define KEPT_MAX 65536 /* SQLite's unix VFS takes at most 128 KiB at a time */

struct log_file {
	sqlite3_file base; /* first: what SQLite sees */
	uint8_t *kept;
	sqlite3_int64 at; /* where in the file the kept bytes belong */
	int len;
	bool last_frame; /* the page that comes next ends a transaction */
	sqlite3_file *real; /* behind this struct, in the same memory */
};

static struct log_file *log_of(sqlite3_file *f)
{
	return (struct log_file *)(void *)f;
}

/* What cannot be written is forgotten: no transaction that it was part of will end well. */
static int write_out(struct log_file *l)
{
	int len = l->len;

	l->len = 0;
	return len ? l->real->pMethods->xWrite(l->real, l->kept, len, l->at) : SQLITE_OK;
}

/* Bytes 4 to 7 of a frame's header are the size of the database after the transaction, or zero. */
static bool is_last_header(const void *p, int n)
{
	const uint8_t *h = p;

	return n == FRAME_HEADER && (h[4] | h[5] | h[6] | h[7]) != 0;
}

static int log_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct log_file *l = log_of(f);
	bool end = l->last_frame;
	int res = SQLITE_OK;

	l->last_frame = is_last_header(p, n);
	if (l->len && (at != l->at + l->len || l->len + n > KEPT_MAX))
		res = write_out(l);
	if (res != SQLITE_OK)
		return res;
	if (!l->kept)
		l->kept = malloc(KEPT_MAX);
	if (!l->kept || n > KEPT_MAX)
		return l->real->pMethods->xWrite(l->real, p, n, at);
	if (!l->len)
		l->at = at;
	memcpy(l->kept + l->len, p, (size_t)n);
	l->len += n;
	return end ? write_out(l) : SQLITE_OK;
}

static int log_close(sqlite3_file *f)
{
	struct log_file *l = log_of(f);

	write_out(l);
	free(l->kept);
	return l->real->pMethods->xClose(l->real);
}

static int log_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	struct log_file *l = log_of(f);
	int res = write_out(l);

	return res != SQLITE_OK ? res : l->real->pMethods->xRead(l->real, p, n, at);
}

static int log_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct log_file *l = log_of(f);
	int res = write_out(l);

	return res != SQLITE_OK ? res : l->real->pMethods->xTruncate(l->real, size);
}

static int log_sync(sqlite3_file *f, int flags)
{
	struct log_file *l = log_of(f);
	int res = write_out(l);

	return res != SQLITE_OK ? res : l->real->pMethods->xSync(l->real, flags);
}

static int log_size(sqlite3_file *f, sqlite3_int64 *size)
{
	struct log_file *l = log_of(f);
	int res = write_out(l);

	return res != SQLITE_OK ? res : l->real->pMethods->xFileSize(l->real, size);
}

static int log_lock(sqlite3_file *f, int level)
{
	return log_of(f)->real->pMethods->xLock(log_of(f)->real, level);
}

static int log_unlock(sqlite3_file *f, int level)
{
	return log_of(f)->real->pMethods->xUnlock(log_of(f)->real, level);
}

static int log_check_lock(sqlite3_file *f, int *out)
{
	return log_of(f)->real->pMethods->xCheckReservedLock(log_of(f)->real, out);
}

static int log_control(sqlite3_file *f, int op, void *arg)
{
	return log_of(f)->real->pMethods->xFileControl(log_of(f)->real, op, arg);
}

static int log_sector_size(sqlite3_file *f)
{
	return log_of(f)->real->pMethods->xSectorSize(log_of(f)->real);
}

static int log_device(sqlite3_file *f)
{
	return log_of(f)->real->pMethods->xDeviceCharacteristics(log_of(f)->real);
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1, /* the log is neither shared memory nor mapped */
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_check_lock,
    .xFileControl = log_control,
    .xSectorSize = log_sector_size,
    .xDeviceCharacteristics = log_device,
};

/* ---- the VFS ---- */

static sqlite3_vfs *system_vfs, our_vfs;

/* Only the log is ours; all else is the system's own. */
static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	struct log_file *l = log_of(f);

	(void)vfs;
	if (!(flags & SQLITE_OPEN_WAL))
		return system_vfs->xOpen(system_vfs, name, f, flags, out_flags);
	*l = (struct log_file){.real = (sqlite3_file *)(void *)(l + 1)};
	int res = system_vfs->xOpen(system_vfs, name, l->real, flags, out_flags);
	if (l->real->pMethods) /* it may want to be closed even when it failed to open */
		l->base.pMethods = &log_methods;
	return res;
}

static void register_vfs(void)
{
	/* Its statistics, which nobody reads, take one lock for all threads at every allocation. It
	 * cannot be said later than this: any other call of SQLite's, even to format a string, begins it. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	system_vfs = sqlite3_vfs_find(NULL);
	if (!system_vfs)
		return;
	our_vfs = *system_vfs;
	our_vfs.pNext = NULL;
	our_vfs.zName = VFS_NAME;
	our_vfs.szOsFile = (int)sizeof(struct log_file) + system_vfs->szOsFile;
	our_vfs.xOpen = open_file;
	if (sqlite3_vfs_register(&our_vfs, 0) != SQLITE_OK)
		system_vfs = NULL;
}

const char *sg_sqlite_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_vfs);
	return system_vfs ? VFS_NAME : NULL;
}
