/* switches_far.c - enable, disable, reset and status for the streamd at --url. */
#include "switches.h"
#include <stdio.h>

static const char *const fields[] = {
    [SG_PUBLISH] = "publishTokenControlEnabled", [SG_PLAY] = "playTokenControlEnabled"};
static const char *const overridden[] = {
    [SG_PUBLISH] = "publishOverridden", [SG_PLAY] = "playOverridden"};

/* ---- enable, disable, reset ---- */

/* Of an APP (lib/api/README.md): what holds for the stream, or (stream "") for the application. */
static bool needed(const json_t *app, const char *stream, enum sg_token_type type)
{
	const json_t *own = json_object_get(json_object_get(app, "streams"), stream);
	const json_t *set = *stream ? json_object_get(own, fields[type]) : NULL;

	/* What the server does not tell is closed. */
	return !json_is_false(set ? set : json_object_get(app, fields[type]));
}

static json_t *change_of(const char *stream, int only, const char *value)
{
	json_t *change = json_object();

	for (int type = SG_PUBLISH; type <= SG_PLAY; type++)
		if (!only || type == only)
			json_object_set_new(change, fields[type],
			    *value ? json_boolean(!strcmp(value, "on")) : json_null());
	return *stream ? json_pack("{s{so}}", "streams", stream, change) : change;
}

int ctl_switch_far(struct ctl *c, const char *app, const char *stream, int only, const char *value)
{
	json_t *answer, *change = change_of(stream, only, value);
	char path[100], missing[600];

	snprintf(path, sizeof(path), "/api/v1/apps/%s", app);
	snprintf(missing, sizeof(missing),
	    "there is no application '%s': %s has no section [app %s] in its configuration", app,
	    c->remote->name, app);
	int res = ctl_call(c, "PATCH", path, change, missing, &answer);
	json_decref(change);
	if (res == CTL_DONE)
		res = ctl_report_switches(c, app, stream, needed(answer, stream, SG_PUBLISH),
		    needed(answer, stream, SG_PLAY));
	json_decref(answer);
	return res;
}

/* ---- status ---- */

static const char *word(const json_t *app, const char *stream, enum sg_token_type type)
{
	const json_t *own = json_object_get(json_object_get(app, "streams"), stream);

	if (*stream && !json_object_get(own, fields[type]))
		return "as app";
	return needed(app, stream, type) ? "token" : "open";
}

static const char *origin(const json_t *app)
{
	bool publish = json_is_true(json_object_get(app, overridden[SG_PUBLISH]));
	bool play = json_is_true(json_object_get(app, overridden[SG_PLAY]));

	if (publish && play)
		return "administrator";
	return publish || play ? "both" : "configuration";
}

static json_t *row(const json_t *app, const char *stream)
{
	return json_pack("{ss so ss ss sb sb ss}", "app", ctl_json_get(app, "app"), "streamId",
	    *stream ? json_string(stream) : json_null(), "publish", word(app, stream, SG_PUBLISH),
	    "play", word(app, stream, SG_PLAY), "publishTokenControlEnabled",
	    (int)needed(app, stream, SG_PUBLISH), "playTokenControlEnabled",
	    (int)needed(app, stream, SG_PLAY), "from", *stream ? "administrator" : origin(app));
}

static bool take_app(void *user, json_t *app)
{
	const char *stream;
	json_t *own;

	json_array_append_new(user, row(app, ""));
	json_object_foreach(json_object_get(app, "streams"), stream, own)
		if (json_object_get(own, fields[SG_PUBLISH]) || json_object_get(own, fields[SG_PLAY]))
			json_array_append_new(user, row(app, stream));
	return true;
}

int ctl_switch_rows_far(struct ctl *c, json_t **rows)
{
	char next[CTL_CURSOR_SIZE];

	*rows = json_array();
	int res = ctl_call_list(c, "/api/v1/apps", UINT64_MAX, "", take_app, *rows, next);
	if (res != CTL_DONE) {
		json_decref(*rows);
		*rows = NULL;
	}
	return res;
}
