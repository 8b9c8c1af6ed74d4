/* switches.c - tokenctl enable, disable, reset, status: where tokens are needed (R8). */
#include "switches.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const keys[] = {[SG_PUBLISH] = "publish_token", [SG_PLAY] = "play_token"};

/* ---- what is set ---- */

#define SETTINGS_MAX 100000

struct settings {
	struct sg_setting *items;
	size_t count;
	bool failed;
};

static void gather(void *user, const struct sg_setting *s)
{
	struct settings *all = user;

	if (all->failed || (strcmp(s->key, keys[SG_PUBLISH]) && strcmp(s->key, keys[SG_PLAY])))
		return;
	if (all->count % 64 == 0) {
		struct sg_setting *more =
		    all->count < SETTINGS_MAX
			? realloc(all->items, (all->count + 64) * sizeof(*all->items))
			: NULL;
		if (!more) {
			all->failed = true;
			return;
		}
		all->items = more;
	}
	all->items[all->count++] = *s;
}

/* By application, then stream; an application's own come first. */
static int by_name(const void *a, const void *b)
{
	const struct sg_setting *x = a, *y = b;
	int order = strcmp(x->app, y->app);

	return order ? order : strcmp(x->stream, y->stream);
}

static int load(struct ctl *c, struct settings *all)
{
	*all = (struct settings){0};
	if (sg_store_settings(c->store, gather, all) != SG_OK) {
		free(all->items);
		return ctl_store_failed(c, "read the switches");
	}
	if (all->failed) {
		free(all->items);
		return ctl_fail(
		    CTL_FAILED, "there are too many switches for the memory: reset some");
	}
	if (all->count)
		qsort(all->items, all->count, sizeof(*all->items), by_name);
	return CTL_DONE;
}

/* The store's word on exactly this: 1 on, 0 off, -1 none. */
static int setting_of(
    const struct settings *all, struct sg_str app, struct sg_str stream, enum sg_token_type type)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct sg_setting *s = &all->items[i];
		if (!strcmp(s->key, keys[type]) && sg_str_is(app, s->app) &&
		    sg_str_is(stream, s->stream))
			return !strcmp(s->value, "on");
	}
	return -1;
}

static bool needed(const struct ctl *c, const struct settings *all, struct sg_str app,
    struct sg_str stream, enum sg_token_type type)
{
	const struct sg_app_config *cfg = sg_config_app(c->cfg, app);
	int set = stream.len ? setting_of(all, app, stream, type) : -1;

	if (set < 0)
		set = setting_of(all, app, SG_STR(""), type);
	if (set >= 0 || !cfg)
		return set != 0; /* nothing is open in an application that is not there */
	return type == SG_PUBLISH ? cfg->publish_token : cfg->play_token;
}

int ctl_token_needed(
    struct ctl *c, struct sg_str app, struct sg_str stream, enum sg_token_type type, bool *out)
{
	struct settings all;
	int res = load(c, &all);

	if (res != CTL_DONE)
		return res;
	*out = needed(c, &all, app, stream, type);
	free(all.items);
	return CTL_DONE;
}

/* ---- enable, disable, reset ---- */

static int set_one(
    struct ctl *c, const char *app, const char *stream, enum sg_token_type type, const char *value)
{
	struct sg_setting s = {0};
	char detail[128];

	snprintf(s.app, sizeof(s.app), "%s", app);
	snprintf(s.stream, sizeof(s.stream), "%s", stream);
	snprintf(s.key, sizeof(s.key), "%s", keys[type]);
	snprintf(s.value, sizeof(s.value), "%s", value);
	if (sg_store_setting_set(c->store, &s, c->now) != SG_OK)
		return ctl_store_failed(c, "change the switch");
	snprintf(detail, sizeof(detail), "%s %s", keys[type], *value ? value : "reset");
	ctl_audit(c, "setting", NULL, sg_str_from(app), sg_str_from(stream), (int)type, detail);
	return CTL_DONE;
}

static const char *word(bool needs_token)
{
	return needs_token ? "token" : "open";
}

int ctl_report_switches(struct ctl *c, const char *app, const char *stream, bool publish, bool play)
{
	if (c->opt[OPT_JSON])
		ctl_print_json(
		    c, json_pack("{ss so sb sb}", "app", app, "streamId",
			   *stream ? json_string(stream) : json_null(),
			   "publishTokenControlEnabled", publish, "playTokenControlEnabled", play));
	else if (ctl_format(c) == CTL_TSV)
		ctl_printf(c, "%s\t%s\t%s\t%s\n", app, stream, word(publish), word(play));
	else
		ctl_printf(c, "%s%s%s: publish %s, play %s\n", app, *stream ? "/" : "", stream,
		    publish ? "needs a token" : "is open", play ? "needs a token" : "is open");
	return CTL_DONE;
}

static int report(struct ctl *c, const char *app, const char *stream)
{
	struct settings all;
	int res = load(c, &all);

	if (res != CTL_DONE)
		return res;
	bool publish = needed(c, &all, sg_str_from(app), sg_str_from(stream), SG_PUBLISH);
	bool play = needed(c, &all, sg_str_from(app), sg_str_from(stream), SG_PLAY);
	free(all.items);
	return ctl_report_switches(c, app, stream, publish, play);
}

static int set_switches(struct ctl *c, const char *value)
{
	const char *app = "live", *stream = c->opt[OPT_STREAM] ? c->opt[OPT_STREAM] : "";
	enum sg_token_type only = SG_PLAY;
	int res;

	if (c->arg_count && !sg_token_type_parse(sg_str_from(c->args[0]), &only))
		return ctl_fail(CTL_USAGE,
		    "there is no switch '%s': use publish or play, or leave it out "
		    "for both",
		    CTL_SHOW(c->args[0]));
	if (c->opt[OPT_STREAM] && (res = ctl_check_stream(stream)))
		return res;
	if ((res = ctl_get_app(c, &app)))
		return res;
	if (c->remote)
		return ctl_switch_far(c, app, stream, c->arg_count ? (int)only : 0, value);
	if ((res = ctl_open_store(c)))
		return res;
	for (int type = SG_PUBLISH; type <= SG_PLAY; type++)
		if ((!c->arg_count || type == (int)only) &&
		    (res = set_one(c, app, stream, (enum sg_token_type)type, value)))
			return res;
	return report(c, app, stream);
}

int ctl_enable(struct ctl *c)
{
	return set_switches(c, "on");
}

int ctl_disable(struct ctl *c)
{
	return set_switches(c, "off");
}

int ctl_reset(struct ctl *c)
{
	return set_switches(c, "");
}

/* ---- status ---- */

static const struct ctl_column columns[] = {
    {"app", "APP", CTL_TEXT, 0, 0},
    {"streamId", "STREAM", CTL_TEXT, 0, 0},
    {"publish", "PUBLISH", CTL_TEXT, 8, 0},
    {"play", "PLAY", CTL_TEXT, 8, 0},
    {"from", "SET BY", CTL_TEXT, 0, 0},
};

/* "token" or "open" for what holds here; `own`: only what was set for the stream itself. */
static const char *cell(const struct ctl *c, const struct settings *all, const char *app,
    const char *stream, enum sg_token_type type)
{
	if (*stream && setting_of(all, sg_str_from(app), sg_str_from(stream), type) < 0)
		return "as app";
	return word(needed(c, all, sg_str_from(app), sg_str_from(stream), type));
}

static const char *origin(const struct settings *all, const char *app, const char *stream)
{
	int publish = setting_of(all, sg_str_from(app), sg_str_from(stream), SG_PUBLISH);
	int play = setting_of(all, sg_str_from(app), sg_str_from(stream), SG_PLAY);

	if (publish < 0 && play < 0)
		return "configuration";
	return publish >= 0 && play >= 0 ? "administrator" : "both";
}

static json_t *switch_row(
    const struct ctl *c, const struct settings *all, const char *app, const char *stream)
{
	struct sg_str a = sg_str_from(app), s = sg_str_from(stream);

	return json_pack("{ss so ss ss sb sb ss}", "app", app, "streamId",
	    *stream ? json_string(stream) : json_null(), "publish",
	    cell(c, all, app, stream, SG_PUBLISH), "play", cell(c, all, app, stream, SG_PLAY),
	    "publishTokenControlEnabled", needed(c, all, a, s, SG_PUBLISH),
	    "playTokenControlEnabled", needed(c, all, a, s, SG_PLAY), "from",
	    *stream ? "administrator" : origin(all, app, stream));
}

static json_t *switch_rows(const struct ctl *c, const struct settings *all)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < c->cfg->app_count; i++) {
		const char *app = c->cfg->apps[i].name, *last = "";
		json_array_append_new(rows, switch_row(c, all, app, ""));
		for (size_t k = 0; k < all->count; k++) {
			const struct sg_setting *s = &all->items[k];
			if (strcmp(s->app, app) || !*s->stream || !strcmp(s->stream, last))
				continue;
			json_array_append_new(rows, switch_row(c, all, app, s->stream));
			last = s->stream;
		}
	}
	return rows;
}

static bool everything_is_open(const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach(rows, i,
	    row) if (json_is_true(json_object_get(row, "publishTokenControlEnabled")) ||
		     json_is_true(json_object_get(row, "playTokenControlEnabled"))) return false;
	return true;
}

static const char *streamd_state(const struct ctl *c)
{
	char error[400];
	json_t *body = NULL;
	int status;
	enum sg_result res =
	    ctl_ask(c, "GET", "/healthz", NULL, &status, &body, error, sizeof(error));

	json_decref(body);
	if (res == SG_ERR_NOT_FOUND)
		return "not running";
	return res == SG_OK && status == 200 ? "running" : "not answering";
}

#define OPEN_WARNING                                                                               \
	"everything is open: anyone may publish and play without a token; 'tokenctl enable' "      \
	"closes it"

static int print_status(struct ctl *c, json_t *switches, const char *streamd)
{
	bool open = everything_is_open(switches);
	size_t i;
	json_t *row;

	if (c->opt[OPT_JSON]) {
		ctl_print_json(c, json_pack("{ss sb so so}", "streamd", streamd, "open", open,
				      "warning", open ? json_string(OPEN_WARNING) : json_null(),
				      "switches", json_incref(switches)));
		return CTL_DONE;
	}
	char store[400];
	bool table = ctl_format(c) == CTL_TABLE;
	/* From afar all that is known of the store is whose it is. */
	sg_redact(
	    store, sizeof(store), sg_str_from(c->remote ? c->remote->name : c->cfg->store_url));
	ctl_printf(c, table ? "streamd is " : "streamd\t");
	ctl_print_word(c, streamd);
	if (table)
		ctl_printf(c, c->remote ? " at %s\n\n" : ", the store is %s\n\n", store);
	else
		ctl_printf(c, "\nstore\t%s\n", store);
	struct ctl_rows *rows =
	    ctl_rows_open(c, columns, sizeof(columns) / sizeof(columns[0]), false);
	if (rows)
		json_array_foreach(switches, i, row) ctl_rows_add(rows, json_incref(row));
	int res = ctl_rows_close(rows, NULL);
	ctl_flush(c);
	if (open)
		ctl_warn("warning: " OPEN_WARNING);
	return res;
}

static int switch_rows_here(struct ctl *c, json_t **rows)
{
	struct settings all;
	int res;

	if ((res = ctl_open_store(c)) || (res = load(c, &all)))
		return res;
	*rows = switch_rows(c, &all);
	free(all.items);
	return CTL_DONE;
}

int ctl_status(struct ctl *c)
{
	json_t *switches = NULL;
	int res = c->remote ? ctl_switch_rows_far(c, &switches) : switch_rows_here(c, &switches);

	if (res == CTL_DONE)
		res = print_status(c, switches, c->remote ? "running" : streamd_state(c));
	json_decref(switches);
	return res;
}
