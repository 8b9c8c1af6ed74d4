/* recordings.c - recordings: the files in their folders; the catalogue says whose they are.
 *
 * A folder is read on the query thread, which may wait for the disk. A row is a file that the web server
 * would serve, under the name that it has there (http/media.h). */
#include "api/api_internal.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 100000 /* looked at by one list */

struct file {
	char app[SG_APP_MAX + 1], name[SG_STREAM_MAX + 1];
	int64_t size, modified;
	size_t found; /* which of several of that name came first */
};
struct folder {
	struct sg_str app, stream, search; /* filters; absent: any */
	const char *after; /* "app/name", or "" */
	struct file *items;
	size_t count, cap, looked;
	bool failed;
};

static bool grow(struct folder *f)
{
	size_t cap = f->cap ? f->cap * 2 : 64;
	struct file *more = f->count < f->cap ? f->items : realloc(f->items, cap * sizeof(*more));

	if (!more) {
		f->failed = true;
		return false;
	}
	if (f->count == f->cap)
		f->cap = cap;
	f->items = more;
	return true;
}

static bool comes_after(const char *app, const char *name, const char *after)
{
	char key[SG_APP_MAX + SG_STREAM_MAX + 2];

	snprintf(key, sizeof(key), "%s/%s", app, name);
	return strcmp(key, after) > 0;
}

static void take_file(struct folder *f, int dir, const char *app, const char *name)
{
	struct sg_str s = sg_str_from(name);
	struct stat st;

	if (!sg_stream_is_valid(s) || !sg_str_ends(s, ".mp4") ||
	    !comes_after(app, name, f->after) ||
	    (f->search.p && !strcasestr(name, f->search.p)) ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) || !grow(f))
		return;
	struct file *file = &f->items[f->count++];
	snprintf(file->app, sizeof(file->app), "%s", app);
	snprintf(file->name, sizeof(file->name), "%s", name);
	file->found = f->count;
	file->size = (int64_t)st.st_size;
	file->modified = (int64_t)st.st_mtim.tv_sec;
}

/* Takes `fd`. */
static void read_folder(struct folder *f, int fd, const char *app)
{
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && f->looked < FILES_MAX && !f->failed && (entry = readdir(dir))) {
		f->looked++;
		take_file(f, dirfd(dir), app, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static void read_app(struct folder *f, int root, const char *app)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (f->app.p && !sg_str_is(f->app, app))
		return;
	read_folder(f, openat(root, app, flags), app);
	if (!strcmp(app, "live")) /* whose recordings may lie in the folder itself, too */
		read_folder(f, openat(root, ".", flags), app);
}

static int by_name(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	int order = strcmp(x->app, y->app);

	/* As the cursor's text is compared: '-' comes before '/'. */
	if (order) {
		char one[SG_APP_MAX + 2], other[SG_APP_MAX + 2];
		snprintf(one, sizeof(one), "%s/", x->app);
		snprintf(other, sizeof(other), "%s/", y->app);
		return strcmp(one, other);
	}
	return strcmp(x->name, y->name);
}

static int by_name_found(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	int order = by_name(a, b);

	return order ? order : (x->found > y->found) - (x->found < y->found);
}

/* All files, in order; those in an application's own folder hide those beside it. */
static void read_all(struct api_call *c, struct folder *f)
{
	const struct sg_config *cfg = c->api->cfg.cfg;
	int root = cfg->recording_path
		       ? open(cfg->recording_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		       : -1;
	size_t kept = 0;

	for (size_t i = 0; root >= 0 && i < cfg->app_count; i++)
		read_app(f, root, cfg->apps[i].name);
	if (root >= 0)
		close(root);
	if (f->count)
		qsort(f->items, f->count, sizeof(*f->items), by_name_found);
	for (size_t i = 0; i < f->count; i++)
		if (!kept || by_name(&f->items[kept - 1], &f->items[i]))
			f->items[kept++] = f->items[i];
	f->count = kept;
}

/* Whose it is: the catalogue's word, else its stem. False: the store failed. */
static bool stream_of(struct api_call *c, const struct file *file, char out[SG_STREAM_MAX + 1])
{
	struct sg_str name = sg_str_from(file->name);
	struct sg_recording r;
	enum sg_result res = sg_store_recording_get(c->store, sg_str_from(file->app), name, &r);

	if (res == SG_OK)
		return sg_str_copy(out, SG_STREAM_MAX + 1, sg_str_from(r.stream));
	name.len -= strlen(".mp4");
	return res == SG_ERR_NOT_FOUND && sg_str_copy(out, SG_STREAM_MAX + 1, name);
}

static json_t *recording(const struct file *file, const char *stream)
{
	char path[SG_APP_MAX + SG_STREAM_MAX + 12];

	snprintf(path, sizeof(path), "/%s/streams/%s", file->app, file->name);
	return json_pack("{ss ss ss sI sI ss}", "app", file->app, "name", file->name, "streamId",
	    stream, "size", (json_int_t)file->size, "modified", (json_int_t)file->modified, "path",
	    path);
}

static void answer(struct api_call *c, const struct folder *f, size_t limit)
{
	char stream[SG_STREAM_MAX + 1], next[SG_APP_MAX + SG_STREAM_MAX + 2] = "";
	const struct file *last = NULL;
	json_t *items = json_array();
	size_t i = 0;

	for (; i < f->count && json_array_size(items) < limit; i++) {
		if (!stream_of(c, &f->items[i], stream)) {
			json_decref(items);
			api_store_failed(c, "reading the recordings' catalogue");
			return;
		}
		if (!f->stream.p || sg_str_is(f->stream, stream))
			json_array_append_new(items, recording(last = &f->items[i], stream));
	}
	if (i < f->count && last)
		snprintf(next, sizeof(next), "%s/%s", last->app, last->name);
	api_answer_list(c, items, next);
}

void api_recordings_list(struct api_call *c)
{
	struct sg_str cursor = api_query(c, "cursor");
	struct folder f = {.search = api_query(c, "q"), .after = cursor.p ? cursor.p : ""};
	size_t limit;

	if (!api_query_stream(c, &f.app, &f.stream) || !api_query_limit(c, API_PAGE, &limit))
		return;
	read_all(c, &f);
	if (f.failed)
		api_problem(c->req, 500, "out of memory");
	else
		answer(c, &f, limit);
	free(f.items);
}
