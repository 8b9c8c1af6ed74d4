/* recordings.c - recordings: the files in their folders; the catalogue says whose they are.
 *
 * A folder is read on the query thread, which may wait for the disk. A row is a file that the web server
 * would serve, under the name that it has there (http/media.h). */
#include "api/api_internal.h"
#include "http/media.h"
#include <dirent.h>
#include <errno.h>
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
	char app[SG_APP_MAX + 1];
	size_t kept = 0;

	for (size_t i = 0; root >= 0 && api_app_at(c->api, i, app); i++)
		read_app(f, root, app);
	if (root >= 0)
		close(root);
	if (f->count)
		qsort(f->items, f->count, sizeof(*f->items), by_name_found);
	for (size_t i = 0; i < f->count; i++)
		if (!kept || by_name(&f->items[kept - 1], &f->items[i]))
			f->items[kept++] = f->items[i];
	f->count = kept;
}

/* What the catalogue says of a file, or else its stem does. False: the store failed. */
static bool look_up(struct api_call *c, const struct file *file, struct sg_recording *r)
{
	struct sg_str name = sg_str_from(file->name);
	enum sg_result res = sg_store_recording_get(c->store, sg_str_from(file->app), name, r);

	if (res == SG_OK)
		return true;
	*r = (struct sg_recording){.state = SG_RECORDING_PLACED};
	name.len -= strlen(".mp4");
	return res == SG_ERR_NOT_FOUND && sg_str_copy(r->stream, sizeof(r->stream), name);
}

/* Those that were put there by hand have neither a beginning nor a length that we know. */
static json_t *recording(const struct file *file, const struct sg_recording *r)
{
	char path[SG_APP_MAX + SG_STREAM_MAX + 12];

	snprintf(path, sizeof(path), "/%s/streams/%s", file->app, file->name);
	return json_pack("{ss ss ss sI sI so so ss}", "app", file->app, "name", file->name, "streamId",
	    r->stream, "size", (json_int_t)file->size, "modified", (json_int_t)file->modified,
	    "startedAt", r->created_at ? json_integer((json_int_t)r->created_at) : json_null(),
	    "duration", r->duration_ms ? json_real((double)r->duration_ms / 1000) : json_null(), "path",
	    path);
}

static void answer(struct api_call *c, const struct folder *f, size_t limit)
{
	char next[SG_APP_MAX + SG_STREAM_MAX + 2] = "";
	struct sg_recording r;
	const struct file *last = NULL;
	json_t *items = json_array();
	size_t i = 0;

	for (; i < f->count && json_array_size(items) < limit; i++) {
		if (!look_up(c, &f->items[i], &r)) {
			json_decref(items);
			api_store_failed(c, "reading the recordings' catalogue");
			return;
		}
		if (!f->stream.p || sg_str_is(f->stream, r.stream))
			json_array_append_new(items, recording(last = &f->items[i], &r));
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

/* ---- one file ---- */

struct one {
	struct file file;
	char path[4400];
};

/* The file that the path names; false: answered. */
static bool find_file(struct api_call *c, struct one *o)
{
	const struct sg_config *cfg = c->api->cfg.cfg;
	struct sg_str app = sg_http_part(c->req, 0), name = sg_http_part(c->req, 1);
	struct stat st;

	*o = (struct one){0};
	if (cfg->recording_path && sg_app_is_valid(app) && sg_stream_is_valid(name) &&
	    sg_str_ends(name, ".mp4")) {
		/* As the web server looks for it: of "live" also in the folder itself. */
		for (int i = 0; i < (sg_str_is(app, "live") ? 2 : 1); i++) {
			snprintf(o->path, sizeof(o->path), "%s/%.*s%s%.*s", cfg->recording_path,
			    i ? 0 : (int)app.len, app.p, i ? "" : "/", SG_STR_ARG(name));
			if (lstat(o->path, &st) != 0 || !S_ISREG(st.st_mode))
				continue;
			sg_str_copy(o->file.app, sizeof(o->file.app), app);
			sg_str_copy(o->file.name, sizeof(o->file.name), name);
			o->file.size = (int64_t)st.st_size;
			o->file.modified = (int64_t)st.st_mtim.tv_sec;
			return true;
		}
	}
	api_problem(c->req, 404, "there is no such recording");
	return false;
}

static bool find_recording(struct api_call *c, struct one *o, struct sg_recording *r)
{
	if (!find_file(c, o))
		return false;
	if (look_up(c, &o->file, r))
		return true;
	api_store_failed(c, "reading the recordings' catalogue");
	return false;
}

void api_recordings_show(struct api_call *c)
{
	struct sg_recording r;
	struct one o;

	if (find_recording(c, &o, &r))
		api_answer(c, 200, recording(&o.file, &r));
}

void api_recordings_file(struct api_call *c)
{
	if (!sg_http_recording_answer(
		c->req, c->api->cfg.cfg, sg_http_part(c->req, 0), sg_http_part(c->req, 1)))
		api_problem(c->req, 404, "there is no such recording");
}

static void audit(struct api_call *c, const struct file *file, const struct sg_recording *r,
    const char *what, const char *name)
{
	char detail[2 * SG_STREAM_MAX + 40];

	snprintf(detail, sizeof(detail), "recording %s %s%s%s", file->name, what, *name ? " " : "", name);
	api_audit(c, &(struct api_act){.event = "setting", .app = sg_str_from(file->app),
			 .stream = sg_str_from(r->stream), .detail = detail});
}

void api_recordings_delete(struct api_call *c)
{
	struct sg_recording r;
	struct one o;

	if (!find_recording(c, &o, &r))
		return;
	if (unlink(o.path) != 0) {
		api_problem(c->req, 500, "the file cannot be deleted");
		return;
	}
	enum sg_result res = SG_OK;
	if (!sg_recording_is_coming(c->api->cfg.cfg, o.file.app, sg_str_from(o.file.name))) /* else the row is that one's */
		res = sg_store_recording_delete(c->store, sg_str_from(o.file.app), sg_str_from(o.file.name));
	if (res != SG_OK && res != SG_ERR_NOT_FOUND) {
		api_store_failed(c, "forgetting a recording");
		return;
	}
	audit(c, &o.file, &r, "deleted", "");
	api_answer(c, 200, json_pack("{si}", "deleted", 1));
}

static const struct api_field rename_fields[] = {{"name", API_STRING}};

/* Whose it is stays, and whether it is to be kept: the row goes with the file, and is made where there was none. */
static bool move_row(struct api_call *c, struct one *o, struct sg_recording *r, const char *name)
{
	snprintf(r->app, sizeof(r->app), "%s", o->file.app);
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->size = o->file.size;
	return sg_store_recording_add(c->store, r) == SG_OK;
}

/* Why it cannot be called that; NULL: it can, and `to` is its second name from now on. Not over another file: link(2)
 * refuses where rename(2) would not. Nor over one that is to come, whose row is there already: the recorder looks
 * for the file behind its part, we for the part behind our link, so that one of us sees the other. */
static const char *take_name(struct api_call *c, const struct one *o, const char *to, struct sg_str name)
{
	const struct sg_config *cfg = c->api->cfg.cfg;

	if (sg_recording_is_coming(cfg, o->file.app, sg_str_from(o->file.name)))
		return "a recording of the old name is being written";
	if (sg_http_recording_exists(cfg, sg_str_from(o->file.app), name))
		return "there is a recording of that name";
	if (link(o->path, to) != 0)
		return errno == EEXIST ? "there is a recording of that name" : "";
	if (!sg_recording_is_coming(cfg, o->file.app, name))
		return NULL;
	unlink(to);
	return "a recording of that name is being written";
}

void api_recordings_rename(struct api_call *c)
{
	char to[sizeof(((struct one *)0)->path)];
	struct sg_recording r;
	struct one o;
	json_t *body;

	if (!find_recording(c, &o, &r) || !(body = api_body(c, rename_fields, 1)))
		return;
	struct sg_str name = api_string(body, "name");
	if (!sg_stream_is_valid(name) || !sg_str_ends(name, ".mp4") || name.len == strlen(".mp4")) {
		api_problem(c->req, 400, "'name' must be a file's name such as film.mp4: A-Z a-z 0-9 . _ -");
		json_decref(body);
		return;
	}
	snprintf(to, sizeof(to), "%.*s%.*s", (int)(strrchr(o.path, '/') + 1 - o.path), o.path,
	    SG_STR_ARG(name));
	/* The row comes before the old name goes, so that the new one is never anybody else's. */
	struct file old = o.file;
	const char *why = take_name(c, &o, to, name);
	if (why) {
		api_problem(c->req, *why ? 409 : 500, "%s", *why ? why : "the file cannot be renamed");
	} else if (!move_row(c, &o, &r, strrchr(to, '/') + 1)) {
		unlink(to);
		api_store_failed(c, "renaming a recording");
	} else {
		unlink(o.path);
		(void)!sg_store_recording_delete(
		    c->store, sg_str_from(old.app), sg_str_from(old.name));
		audit(c, &old, &r, "renamed to", r.name);
		sg_str_copy(o.file.name, sizeof(o.file.name), sg_str_from(r.name));
		api_answer(c, 200, recording(&o.file, &r));
	}
	json_decref(body);
}
