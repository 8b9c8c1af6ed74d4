/* finish.c - the finishing thread: files that have been written become plain MP4 under their name. */
#include "record/record_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sys/stat.h>
#include <unistd.h>

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

static void note(struct sg_recorder *r, struct finishing *f, const char *path, int64_t ms)
{
	f->row.state = SG_RECORDING_DONE;
	f->row.size = size_of(path);
	if (ms > 0)
		f->row.duration_ms = ms;
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

static void finish(struct sg_recorder *r, struct finishing *f)
{
	char part[PATH_SIZE], temp[PATH_SIZE], path[PATH_SIZE];
	int64_t ms = 0;

	part_path_of(part, r->cfg, f->row.app, f->row.name);
	temp_path_of(temp, r->cfg, f->row.app, f->row.name);
	path_of(path, r->cfg, f->row.app, f->row.name);
	/* It is there twice for a while; where there is no room for that, it stays fragmented. */
	enum sg_result res = SG_ERR_IO;
	if (free_bytes(r->cfg) - size_of(part) > r->cfg->recording_min_free)
		res = sg_record_finish(part, temp, NULL, &ms);
	if (res != SG_OK && sg_record_is_empty(part)) {
		forget(r, f, part);
		return;
	}
	if (res == SG_ERR_BAD_INPUT) {
		sg_log_error("recording %s/%s cannot be finished: there is more in .%s.part than can be read",
		    f->row.app, f->row.name, f->row.name);
		atomic_fetch_add(&r->failed, 1);
		return;
	}
	if (rename(res == SG_OK ? temp : part, path) != 0) {
		sg_log_error("recording %s/%s cannot be finished: %s", f->row.app, f->row.name,
		    strerror(errno));
		atomic_fetch_add(&r->failed, 1);
		return;
	}
	if (res == SG_OK)
		unlink(part);
	sync_folder(path);
	note(r, f, path, ms);
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
		if (!f || (r->no_more && sg_mono_ms() > r->finish_until_ms))
			break;
		pthread_mutex_unlock(&r->lock);
		finish(r, f);
		pthread_mutex_lock(&r->lock);
		if (!(r->queue = f->next))
			r->queue_last = &r->queue;
		r->queued--;
		free(f);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}
