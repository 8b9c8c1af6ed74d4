/* finish.c - the finishing thread: files that have been written become plain MP4 under their name. */
#include "record/record_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_TRIED 10 /* somebody would have to copy files in just as fast */

void finish_queue(struct sg_recorder *r, const struct sg_recording *row, bool known)
{
	struct finishing *f = calloc(1, sizeof(*f));

	if (f) {
		f->row = *row;
		f->known = known;
	}
	pthread_mutex_lock(&r->lock);
	if (f && r->queued < QUEUE_MAX) {
		*r->queue_last = f;
		r->queue_last = &f->next;
		r->queued++;
		f = NULL;
		pthread_cond_broadcast(&r->woken);
	} else {
		sg_log_limited(SG_LOG_WARNING, "recording %s/%s is finished at the next start: too many wait",
		    row->app, row->name);
	}
	pthread_mutex_unlock(&r->lock);
	free(f);
}

static int64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* So that the name survives a power cut, too. */
static void sync_folder(const char *path)
{
	char copy[PATH_SIZE];

	snprintf(copy, sizeof(copy), "%s", path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!fsync(fd);
	close(fd);
}

static void note(struct sg_recorder *r, struct finishing *f)
{
	/* One that the catalogue did not know is like one that was put there by hand. */
	f->row.state = f->row.created_at ? SG_RECORDING_DONE : SG_RECORDING_PLACED;
	if (f->known && sg_store_recording_add(r->finish_store, &f->row) != SG_OK)
		sg_log_limited(SG_LOG_WARNING, "recording %s/%s: the catalogue cannot be written",
		    f->row.app, f->row.name);
	sg_log_info("recording %s/%s is ready: %lld.%lld s, %lld bytes", f->row.app, f->row.name,
	    (long long)f->row.duration_ms / 1000, (long long)f->row.duration_ms % 1000 / 100,
	    (long long)f->row.size);
	atomic_fetch_add(&r->files, 1);
}

static void forget(struct sg_recorder *r, struct finishing *f, const char *part)
{
	unlink(part);
	if (f->known)
		(void)!sg_store_recording_delete(
		    r->finish_store, sg_str_from(f->row.app), sg_str_from(f->row.name));
}

/* ---- its place ---- */

/* Nothing else is called that from now on. Old and foreign file systems cannot do it in one step. */
static bool rename_to_free(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	if (access(to, F_OK) == 0) {
		errno = EEXIST;
		return false;
	}
	return rename(from, to) == 0;
}

/* The row of a name that somebody else's file has got is not ours any more; ours is of one being written. */
static void forget_name(struct sg_recorder *r, const struct sg_recording *of)
{
	struct sg_str app = sg_str_from(of->app), name = sg_str_from(of->name);
	struct sg_recording row;

	if (sg_store_recording_get(r->finish_store, app, name, &row) == SG_OK &&
	    row.state == SG_RECORDING_WRITTEN)
		(void)!sg_store_recording_delete(r->finish_store, app, name);
}

/* There is a file of its name: it goes on under its stream's next one. Whose it is goes with it, row first. */
static bool take_next_name(struct sg_recorder *r, struct finishing *f)
{
	char from[PATH_SIZE], to[PATH_SIZE];
	struct sg_recording row = f->row;
	struct sg_str stem = sg_str_from(f->row.name);

	stem.len -= strlen(".mp4");
	if (!*row.stream && !sg_str_copy(row.stream, sizeof(row.stream), stem))
		return false;
	int fd = file_create(r->cfg, row.app, row.stream, row.name);
	if (fd < 0)
		return false;
	close(fd);
	part_path_of(from, r->cfg, f->row.app, f->row.name);
	part_path_of(to, r->cfg, row.app, row.name);
	row.state = SG_RECORDING_WRITTEN;
	if (sg_store_recording_add(r->finish_store, &row) != SG_OK || rename(from, to) != 0) {
		unlink(to);
		forget_name(r, &row);
		return false;
	}
	if (f->known)
		forget_name(r, &f->row);
	sg_log_warning("recording %s/%s: there is a file of that name already, so it becomes %s", row.app,
	    f->row.name, row.name);
	f->row = row;
	f->known = true;
	return true;
}

static bool put_in_place(struct sg_recorder *r, struct finishing *f)
{
	char part[PATH_SIZE], path[PATH_SIZE];

	for (int tries = 0; tries < NAMES_TRIED; tries++) {
		part_path_of(part, r->cfg, f->row.app, f->row.name);
		path_of(path, r->cfg, f->row.app, f->row.name);
		if (rename_to_free(part, path)) {
			sync_folder(path);
			return true;
		}
		if (errno != EEXIST || !take_next_name(r, f))
			return false;
	}
	return false;
}

/* ---- one file ---- */

/* Into the part's own place, so that there is never more than one whole file of it. It is there twice for a while;
 * where there is no room for that, it stays fragmented. */
static enum sg_result make_plain(struct sg_recorder *r, struct finishing *f, const char *part)
{
	char temp[PATH_SIZE];
	int64_t ms = 0;

	if (free_bytes(r->cfg) - size_of(part) <= r->cfg->recording_min_free)
		return SG_ERR_IO;
	temp_path_of(temp, r->cfg, f->row.app, f->row.name);
	enum sg_result res = sg_record_finish(part, temp, &r->hurry, &ms);
	if (res == SG_OK && rename(temp, part) != 0) {
		unlink(temp);
		res = SG_ERR_IO;
	}
	if (ms > 0 && (res == SG_OK || !f->row.duration_ms))
		f->row.duration_ms = ms;
	return res;
}

static void finish(struct sg_recorder *r, struct finishing *f)
{
	char part[PATH_SIZE];
	const char *why = NULL;

	part_path_of(part, r->cfg, f->row.app, f->row.name);
	enum sg_result res = make_plain(r, f, part);
	if (res == SG_ERR_CLOSED) {
		sg_log_info("recording %s/%s is finished at the next start", f->row.app, f->row.name);
		return;
	}
	if (res != SG_OK && sg_record_is_empty(part)) {
		forget(r, f, part);
		return;
	}
	f->row.size = size_of(part);
	/* How long it is stands there before the file does: all that the next start needs, should we die in between. */
	if (f->known)
		(void)!sg_store_recording_add(r->finish_store, &f->row);
	if (res == SG_ERR_BAD_INPUT)
		why = "there is more in its part than can be read";
	else if (!put_in_place(r, f))
		why = strerror(errno);
	if (!why) {
		note(r, f);
		return;
	}
	sg_log_error("recording %s/%s cannot be finished: %s; trying again at the next start", f->row.app,
	    f->row.name, why);
	atomic_fetch_add(&r->failed, 1);
}

void *finish_main(void *recorder)
{
	struct sg_recorder *r = recorder;

	pthread_setname_np(pthread_self(), "sg-rec-finish");
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while (!r->queue && !r->no_more)
			pthread_cond_wait(&r->woken, &r->lock);
		struct finishing *f = r->queue;
		if (!f || atomic_load(&r->hurry))
			break;
		pthread_mutex_unlock(&r->lock);
		finish(r, f);
		pthread_mutex_lock(&r->lock);
		if (!(r->queue = f->next))
			r->queue_last = &r->queue;
		r->queued--;
		free(f);
	}
	r->finished = true;
	pthread_cond_broadcast(&r->woken);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}
