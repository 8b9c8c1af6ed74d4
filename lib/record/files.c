/* files.c - the recordings' folder: names, what a crash has left, there and in the catalogue, space, what is kept. */
#include "record/record_internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NUMBERS_MAX 100000 /* recordings of one stream */
#define CLOCK_STEP_S 3600 /* a clock that was set by more is not believed for a while: */
#define CLOCK_DOUBT_MS (24 * 3600 * INT64_C(1000))
#define PART ".part"
#define TEMP ".tmp"

void path_of(char out[PATH_SIZE], const struct sg_config *cfg, const char *app, const char *name)
{
	snprintf(out, PATH_SIZE, "%s/%s/%s", cfg->recording_path, app, name);
}

void part_path_of(char out[PATH_SIZE], const struct sg_config *cfg, const char *app, const char *name)
{
	snprintf(out, PATH_SIZE, "%s/%s/.%s" PART, cfg->recording_path, app, name);
}

bool sg_recording_is_coming(const struct sg_config *cfg, const char *app, struct sg_str name)
{
	char path[PATH_SIZE], text[SG_STREAM_MAX + 5];

	if (!sg_str_copy(text, sizeof(text), name))
		return false;
	part_path_of(path, cfg, app, text);
	return access(path, F_OK) == 0;
}

void temp_path_of(char out[PATH_SIZE], const struct sg_config *cfg, const char *app, const char *name)
{
	snprintf(out, PATH_SIZE, "%s/%s/.%s" TEMP, cfg->recording_path, app, name);
}

/* The folder is its owner's and group's: what was live behind tokens is not the machine's to see. */
static bool make_folder(const struct sg_config *cfg, const char *app)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s", cfg->recording_path);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0750) != 0 && errno != EEXIST)
			return false;
		*p = '/';
	}
	if (mkdir(path, 0750) != 0 && errno != EEXIST)
		return false;
	snprintf(path, sizeof(path), "%s/%s", cfg->recording_path, app);
	return mkdir(path, 0750) == 0 || errno == EEXIST;
}

int file_create(const struct sg_config *cfg, const char *app, const char *stream,
    char name[sizeof(((struct sg_recording *)0)->name)])
{
	char path[PATH_SIZE];
	const int stem = SG_STREAM_MAX - 12; /* a name is as long as a stream id may be */

	if (!make_folder(cfg, app))
		return -1;
	for (unsigned i = 0; i < NUMBERS_MAX; i++) {
		if (i)
			snprintf(name, SG_STREAM_MAX + 5, "%.*s_%u.mp4", stem, stream, i);
		else
			snprintf(name, SG_STREAM_MAX + 5, "%.*s.mp4", stem, stream);
		path_of(path, cfg, app, name);
		if (access(path, F_OK) == 0)
			continue;
		part_path_of(path, cfg, app, name);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
		if (fd < 0 && errno != EEXIST)
			return fd;
		path_of(path, cfg, app, name);
		if (fd >= 0 && access(path, F_OK) != 0)
			return fd;
		if (fd >= 0) { /* renamed to that just now; who did may have seen our part (api/recordings.c) */
			part_path_of(path, cfg, app, name);
			unlink(path);
			close(fd);
		}
	}
	errno = EEXIST;
	return -1;
}

int64_t free_bytes(const struct sg_config *cfg)
{
	struct statvfs v;

	if (statvfs(cfg->recording_path, &v) != 0)
		return INT64_MAX; /* not there yet; creating it will tell */
	return (int64_t)(v.f_bavail * v.f_frsize);
}

/* ---- what a crash has left ---- */

/* ".cam.mp4.part" is cam.mp4's. */
static bool name_of_part(const char *file, char *name, size_t size)
{
	struct sg_str s = sg_str_from(file);

	if (!sg_str_starts(s, ".") || !sg_str_ends(s, ".mp4" PART))
		return false;
	s.p++;
	s.len -= 1 + strlen(PART);
	return sg_stream_is_valid(s) && sg_str_copy(name, size, s);
}

void leftovers_each(const struct sg_config *cfg,
    void (*each)(void *user, const char *app, const char *name), void *user)
{
	char path[PATH_SIZE], name[SG_STREAM_MAX + 5];
	struct dirent *entry;

	for (size_t i = 0; i < cfg->app_count; i++) {
		const char *app = cfg->apps[i].name;
		snprintf(path, sizeof(path), "%s/%s", cfg->recording_path, app);
		DIR *dir = opendir(path);
		while (dir && (entry = readdir(dir))) {
			if (name_of_part(entry->d_name, name, sizeof(name)))
				each(user, app, name);
			else if (entry->d_name[0] == '.' &&
				 sg_str_ends(sg_str_from(entry->d_name), ".mp4" TEMP))
				unlinkat(dirfd(dir), entry->d_name, 0);
		}
		if (dir)
			closedir(dir);
	}
}

/* ---- the catalogue ---- */

struct rows {
	enum sg_recording_state state; /* of those that are wanted */
	struct sg_recording *items; /* the oldest first */
	size_t count, cap;
	int64_t bytes;
};

static void take(void *user, const struct sg_recording *row)
{
	struct rows *k = user;

	if (row->state != k->state)
		return;
	if (k->count == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 64;
		struct sg_recording *grown = realloc(k->items, cap * sizeof(*grown));
		if (!grown)
			return;
		k->items = grown;
		k->cap = cap;
	}
	k->items[k->count++] = *row;
	k->bytes += row->size;
}

/* ---- what says that it is being written, and is not ---- */

static void settle(const struct sg_config *cfg, struct sg_store *store, struct sg_recording *row)
{
	char path[PATH_SIZE];
	struct stat st;

	part_path_of(path, cfg, row->app, row->name);
	if (lstat(path, &st) == 0 || errno != ENOENT)
		return;
	path_of(path, cfg, row->app, row->name);
	if (lstat(path, &st) == 0) {
		row->state = SG_RECORDING_DONE;
		row->size = (int64_t)st.st_size;
		(void)!sg_store_recording_add(store, row);
	} else if (errno == ENOENT) {
		/* Without its folder all of them seem to be gone, while it may only not be mounted yet. */
		*strrchr(path, '/') = '\0';
		if (access(path, F_OK) == 0)
			(void)!sg_store_recording_delete(store, sg_str_from(row->app), sg_str_from(row->name));
	}
}

void rows_settle(const struct sg_config *cfg, struct sg_store *store)
{
	struct rows k = { .state = SG_RECORDING_WRITTEN };

	if (sg_store_recordings(store, take, &k) == SG_OK)
		for (size_t i = 0; i < k.count; i++)
			settle(cfg, store, &k.items[i]);
	free(k.items);
}

/* ---- what is kept ---- */

static void delete_one(
    const struct sg_config *cfg, struct sg_store *store, const struct sg_recording *row)
{
	char path[PATH_SIZE];

	path_of(path, cfg, row->app, row->name);
	if (unlink(path) != 0 && errno != ENOENT) {
		sg_log_limited(SG_LOG_WARNING, "recording %s/%s cannot be deleted: %s", row->app, row->name,
		    strerror(errno));
		return;
	}
	sg_log_info("recording %s/%s is deleted: it was kept as long as [recording] says", row->app,
	    row->name);
	(void)!sg_store_recording_delete(store, sg_str_from(row->app), sg_str_from(row->name));
}

/* May what the wall clock says be counted on? One that was set, wrongly perhaps, would make all recordings old at
 * once: there is a day to set it right. */
static bool is_clock_steady(struct keep_clock *c)
{
	int64_t now_ms = sg_mono_ms(), now_s = sg_wall_s();
	int64_t step_s = c->mono_ms ? now_s - c->wall_s - (now_ms - c->mono_ms) / 1000 : 0;

	c->mono_ms = now_ms;
	c->wall_s = now_s;
	if (step_s > CLOCK_STEP_S || step_s < -CLOCK_STEP_S) {
		c->doubted_until_ms = now_ms + CLOCK_DOUBT_MS;
		sg_log_warning("the clock was set by %lld s: for a day no recording is deleted for its age",
		    (long long)step_s);
	}
	return now_ms >= c->doubted_until_ms;
}

void keep_sweep(const struct sg_config *cfg, struct sg_store *store, struct keep_clock *clock)
{
	struct rows k = { .state = SG_RECORDING_DONE };
	bool by_age = cfg->recording_keep_ms && is_clock_steady(clock);
	int64_t now_s = sg_wall_s();

	if (!cfg->recording_keep_ms && !cfg->recording_max_size)
		return;
	if (sg_store_recordings(store, take, &k) != SG_OK)
		k.count = 0;
	for (size_t i = 0; i < k.count; i++) {
		const struct sg_recording *row = &k.items[i];
		int64_t ended_at = row->created_at + row->duration_ms / 1000;
		bool old = by_age && now_s - ended_at > cfg->recording_keep_ms / 1000;
		if (!old && !(cfg->recording_max_size && k.bytes > cfg->recording_max_size))
			continue;
		delete_one(cfg, store, row);
		k.bytes -= row->size;
	}
	free(k.items);
}
