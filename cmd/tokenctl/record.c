/* record.c - tokenctl record and recordings: what is recorded, and what has been. */
#include "switches.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what is recorded ---- */

struct search {
	const char *app, *stream;
	char own[8], of_app[8]; /* "" = none */
};

static void take(void *user, const struct sg_setting *s)
{
	struct search *f = user;

	if (strcmp(s->key, "record") || strcmp(s->app, f->app))
		return;
	if (!*s->stream)
		snprintf(f->of_app, sizeof(f->of_app), "%.7s", s->value);
	else if (!strcmp(s->stream, f->stream))
		snprintf(f->own, sizeof(f->own), "%.7s", s->value);
}

static const char *configured(const struct ctl *c, const char *app)
{
	static const char *const words[] = {
	    [SG_RECORD_OFF] = "off", [SG_RECORD_ON] = "on", [SG_RECORD_ASK] = "ask"};
	const struct sg_app_config *cfg = sg_config_app(c->cfg, sg_str_from(app));

	return words[cfg ? cfg->record : SG_RECORD_OFF];
}

/* What holds: of a stream "on" or "off", of an application also "ask". */
static int report(struct ctl *c, const char *app, const char *stream, const char *record)
{
	bool off = *stream && strcmp(record, "on") != 0;

	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_pack("{ss so ss}", "app", app, "streamId",
				      *stream ? json_string(stream) : json_null(), "record",
				      off ? "off" : record));
	else if (ctl_format(c) == CTL_TSV)
		ctl_printf(c, "%s\t%s\t%s\n", app, stream, off ? "off" : record);
	else
		ctl_printf(c, "%s%s%s: %s\n", app, *stream ? "/" : "", stream,
		    off                       ? "not recorded"
		    : !strcmp(record, "on")  ? "recorded"
		    : !strcmp(record, "ask") ? "those streams are recorded that are turned on by name"
					      : "not recorded");
	return CTL_DONE;
}

static int set_here(struct ctl *c, const char *app, const char *stream, const char *value)
{
	struct search f = {.app = app, .stream = stream};
	struct sg_setting s = {.key = "record"};
	char detail[64];
	int res;

	if ((res = ctl_open_store(c)))
		return res;
	snprintf(s.app, sizeof(s.app), "%s", app);
	snprintf(s.stream, sizeof(s.stream), "%s", stream);
	snprintf(s.value, sizeof(s.value), "%s", value);
	if (sg_store_setting_set(c->store, &s, c->now) != SG_OK)
		return ctl_store_failed(c, "change what is recorded");
	snprintf(detail, sizeof(detail), "record %s", *value ? value : "reset");
	ctl_audit(c, "setting", NULL, sg_str_from(app), sg_str_from(stream), 0, detail);
	if (sg_store_settings(c->store, take, &f) != SG_OK)
		return ctl_store_failed(c, "read what is recorded");
	return report(c, app, stream, *f.own ? f.own : *f.of_app ? f.of_app : configured(c, app));
}

static int set_far(struct ctl *c, const char *app, const char *stream, const char *value)
{
	json_t *answer, *change = json_object();
	char path[100], missing[200];

	json_object_set_new(change, "record", *value ? json_string(value) : json_null());
	if (*stream)
		change = json_pack("{s{so}}", "streams", stream, change);
	snprintf(path, sizeof(path), "/api/v1/apps/%s", app);
	snprintf(missing, sizeof(missing), "there is no application '%s' there", app);
	int res = ctl_call(c, "PATCH", path, change, missing, &answer);
	json_decref(change);
	if (res == CTL_DONE) {
		const json_t *own = json_object_get(json_object_get(answer, "streams"), stream);
		const char *of_stream = *stream ? json_string_value(json_object_get(own, "record")) : NULL;
		res = report(c, app, stream, of_stream ? of_stream : ctl_json_get(answer, "record"));
	}
	json_decref(answer);
	return res;
}

/* ---- what is recorded: the list ---- */

static const struct ctl_column modes[] = {
    {"app", "APP", CTL_TEXT, 0, 0},
    {"streamId", "STREAM", CTL_TEXT, 0, 0},
    {"record", "RECORD", CTL_TEXT, 0, 0},
};

struct list {
	struct ctl_rows *rows;
	const char *only; /* an application; NULL = all */
	const char *app;  /* whose streams are looked for */
};

static bool add_mode(struct list *l, const char *app, const char *stream, const char *record)
{
	return ctl_rows_add(l->rows, json_pack("{ss so ss}", "app", app, "streamId",
					 *stream ? json_string(stream) : json_null(), "record", record));
}

static void list_stream(void *user, const struct sg_setting *s)
{
	struct list *l = user;

	if (!strcmp(s->key, "record") && !strcmp(s->app, l->app) && *s->stream)
		add_mode(l, s->app, s->stream, s->value);
}

static int list_here(struct ctl *c, struct list *l)
{
	int res = ctl_open_store(c);

	for (size_t i = 0; i < c->cfg->app_count && res == CTL_DONE; i++) {
		struct search f = {.app = l->app = c->cfg->apps[i].name, .stream = ""};
		if (l->only && strcmp(l->only, l->app))
			continue;
		if (sg_store_settings(c->store, take, &f) != SG_OK)
			return ctl_store_failed(c, "read what is recorded");
		add_mode(l, l->app, "", *f.of_app ? f.of_app : configured(c, l->app));
		if (sg_store_settings(c->store, list_stream, l) != SG_OK)
			return ctl_store_failed(c, "read what is recorded");
	}
	return res;
}

static bool list_app(void *user, json_t *app)
{
	struct list *l = user;
	const char *name = ctl_json_get(app, "app"), *stream;
	json_t *own;

	if (l->only && strcmp(l->only, name))
		return true;
	add_mode(l, name, "", ctl_json_get(app, "record"));
	json_object_foreach(json_object_get(app, "streams"), stream, own)
		if (json_object_get(own, "record"))
			add_mode(l, name, stream, ctl_json_get(own, "record"));
	return true;
}

static int list_modes(struct ctl *c)
{
	struct list l = {0};
	char next[CTL_CURSOR_SIZE];
	int res;

	if ((res = ctl_get_app(c, &l.only)))
		return res;
	if (!(l.rows = ctl_rows_open(c, modes, sizeof(modes) / sizeof(modes[0]), false)))
		return CTL_FAILED;
	res = c->remote ? ctl_call_list(c, "/api/v1/apps", UINT64_MAX, "", list_app, &l, next) : list_here(c, &l);
	return ctl_rows_end(l.rows, NULL, res);
}

int ctl_record(struct ctl *c)
{
	if (!c->arg_count)
		return list_modes(c);
	const char *app = "live", *stream = c->arg_count > 1 ? c->args[1] : "", *value = c->args[0];
	int res;

	if (strcmp(value, "on") && strcmp(value, "off") && strcmp(value, "ask") && strcmp(value, "reset"))
		return ctl_fail(CTL_USAGE, "'%s' is not known here: use on, off, ask or reset", CTL_SHOW(value));
	if (*stream && !strcmp(value, "ask"))
		return ctl_fail(CTL_USAGE, "ask is for applications: use on, off or reset for a stream");
	if ((*stream && (res = ctl_check_stream(stream))) || (res = ctl_get_app(c, &app)))
		return res;
	if (!strcmp(value, "reset"))
		value = "";
	return c->remote ? set_far(c, app, stream, value) : set_here(c, app, stream, value);
}

/* ---- recordings ---- */

static const struct ctl_column columns[] = {
    {"app", "APP", CTL_TEXT, 0, 3},
    {"name", "NAME", CTL_TEXT, 0, 0},
    {"streamId", "STREAM", CTL_TEXT, 0, 0},
    {"startedAt", "FROM", CTL_TIME, 0, 1},
    {"duration", "SECONDS", CTL_TEXT, 0, 0},
    {"size", "SIZE", CTL_BYTES, 0, 2},
};

struct walk {
	struct ctl_rows *rows;
	const char *app, *stream;
	bool json;
};

static bool print_one(void *user, json_t *item)
{
	struct walk *w = user;
	const json_t *s = json_object_get(item, "duration");
	json_t *row;
	char text[32];

	if ((w->app && strcmp(w->app, ctl_json_get(item, "app"))) ||
	    (w->stream && strcmp(w->stream, ctl_json_get(item, "streamId"))))
		return true;
	if (w->json) /* as the REST interface tells it: a number, or null */
		return ctl_rows_add(w->rows, json_incref(item));
	row = json_copy(item);
	snprintf(text, sizeof(text), "%.1f", json_number_value(s));
	json_object_set_new(row, "duration", json_is_null(s) ? json_string("") : json_string(text));
	return ctl_rows_add(w->rows, row);
}

int ctl_recordings(struct ctl *c)
{
	struct walk w = {
	    .stream = c->arg_count ? c->args[0] : NULL, .json = c->opt[OPT_JSON] != NULL};
	char next[CTL_CURSOR_SIZE];
	int res;

	if ((res = ctl_get_app(c, &w.app)) || (w.stream && (res = ctl_check_stream(w.stream))))
		return res;
	if (!(w.rows = ctl_rows_open(c, columns, sizeof(columns) / sizeof(columns[0]), false)))
		return CTL_FAILED;
	res = ctl_call_list(c, "/api/v1/recordings", UINT64_MAX, "", print_one, &w, next);
	return ctl_rows_end(w.rows, NULL, res);
}

#define NO_RECORDING "there is no recording '%s': 'tokenctl recordings' lists them"

/* The path of a file that an argument names; false: told. */
static bool path_of(struct ctl *c, const char *name, char *out, size_t size, int *res)
{
	const char *app = "live";

	if ((*res = ctl_get_app(c, &app)))
		return false;
	if (!sg_stream_is_valid(sg_str_from(name))) {
		*res = ctl_fail(CTL_UNKNOWN, NO_RECORDING, CTL_SHOW(name));
		return false;
	}
	snprintf(out, size, "/api/v1/recordings/%s/%s", app, name);
	return true;
}

static int call_one(struct ctl *c, const char *method, const char *name, json_t *body, json_t **answer)
{
	char path[300], missing[300];
	int res;

	if (!path_of(c, name, path, sizeof(path), &res))
		return res;
	snprintf(missing, sizeof(missing), NO_RECORDING, name);
	return ctl_call(c, method, path, body, missing, answer);
}

int ctl_recordings_delete(struct ctl *c)
{
	for (int i = 0; i < c->arg_count; i++) {
		json_t *answer = NULL;
		int res = call_one(c, "DELETE", c->args[i], NULL, &answer);
		json_decref(answer);
		if (res != CTL_DONE)
			return res;
		if (c->opt[OPT_JSON])
			ctl_print_json(c, json_pack("{sb ss}", "success", 1, "name", c->args[i]));
		else
			ctl_printf(c, ctl_format(c) == CTL_TABLE ? "%s deleted\n" : "%s\n", c->args[i]);
	}
	return CTL_DONE;
}

int ctl_recordings_rename(struct ctl *c)
{
	json_t *body = json_pack("{ss}", "name", c->args[1]), *answer = NULL;
	int res = call_one(c, "PATCH", c->args[0], body, &answer);

	json_decref(body);
	if (res == CTL_DONE && c->opt[OPT_JSON])
		ctl_print_json(c, json_incref(answer));
	else if (res == CTL_DONE)
		ctl_printf(c, ctl_format(c) == CTL_TABLE ? "it is called %s now\n" : "%s\n", c->args[1]);
	json_decref(answer);
	return res;
}

/* ---- download ---- */

/* Replaces nothing that has come meanwhile, as plain rename does. Where a file system has no such call the name is
 * taken first, by an empty file that is ours to replace. */
static bool move_in_place(const char *part, const char *file)
{
	if (renameat2(AT_FDCWD, part, AT_FDCWD, file, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return false;
	close(fd);
	if (rename(part, file) == 0)
		return true;
	int why = errno;
	unlink(file);
	errno = why;
	return false;
}

/* Into "FILE.part" first: FILE is there when all of it is. */
static int download(struct ctl *c, const char *path, const char *file, const char *missing)
{
	char part[4200];

	if ((size_t)snprintf(part, sizeof(part), "%s.part", file) >= sizeof(part))
		return ctl_fail(CTL_USAGE, "the file's name is too long: give a shorter one");
	if (access(file, F_OK) == 0)
		return ctl_fail(CTL_FAILED, "%s is there already: give another name", CTL_SHOW(file));
	/* Of an earlier one; or a link that somebody laid, in /tmp say, and that must not be followed. */
	unlink(part);
	int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return ctl_fail(CTL_FAILED, "%s cannot be made: %s", CTL_SHOW(part), strerror(errno));
	ctl_catch_interrupt(true);
	int res = ctl_call_file(c, path, fd, missing);
	if (close(fd) != 0 && res == CTL_DONE)
		res = ctl_fail(CTL_FAILED, "%s cannot be written: %s", CTL_SHOW(part), strerror(errno));
	if (res == CTL_DONE && !move_in_place(part, file))
		res = ctl_fail(CTL_FAILED, "%s cannot be made: %s", CTL_SHOW(file), strerror(errno));
	if (res != CTL_DONE)
		unlink(part);
	ctl_catch_end();
	return res;
}

int ctl_recordings_download(struct ctl *c)
{
	const char *name = c->args[0], *file = c->arg_count > 1 ? c->args[1] : name;
	char path[320], missing[300];
	int res;

	if (!path_of(c, name, path, sizeof(path), &res))
		return res;
	snprintf(missing, sizeof(missing), NO_RECORDING, name);
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "/file");
	if (!strcmp(file, "-"))
		return ctl_call_file(c, path, STDOUT_FILENO, missing);
	if ((res = download(c, path, file, missing)) != CTL_DONE)
		return res;
	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_pack("{sb ss so}", "success", 1, "name", name, "file", ctl_json_text(file)));
	else
		ctl_printf(c, ctl_format(c) == CTL_TABLE ? "%s is here\n" : "%s\n", file);
	return CTL_DONE;
}
