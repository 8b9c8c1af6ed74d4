/* sessions.c - tokenctl sessions: who is in, as the running streamd tells. */
#include "tokenctl.h"

static const struct ctl_column columns[] = {
    {"id", "ID", CTL_TEXT, 13, 0},
    {"app", "APP", CTL_TEXT, 0, 4},
    {"streamId", "STREAM", CTL_TEXT, 0, 0},
    {"type", "TYPE", CTL_TEXT, 0, 0},
    {"protocol", "PROTOCOL", CTL_TEXT, 0, 0},
    {"address", "ADDRESS", CTL_TEXT, 0, 0},
    {"state", "STATE", CTL_TEXT, 0, 5},
    {"startedAt", "SINCE", CTL_TIME, 0, 2},
    {"bytes", "MEDIA", CTL_BYTES, 0, 1},
    {"token", "TOKEN", CTL_TEXT, 0, 3},
    {"userAgent", "USER AGENT", CTL_TEXT, 0, 0},
};

struct walk {
	struct ctl_rows *rows;
	const char *app, *stream, *type;
};

static bool matches(const char *wanted, const json_t *item, const char *key)
{
	return !wanted || !strcmp(wanted, ctl_json_get(item, key));
}

static bool print_one(void *user, json_t *item)
{
	struct walk *w = user;

	if (!matches(w->app, item, "app") || !matches(w->stream, item, "streamId") ||
	    !matches(w->type, item, "type"))
		return true;
	return ctl_rows_add(w->rows, json_incref(item));
}

int ctl_sessions(struct ctl *c)
{
	struct walk w = {.stream = c->opt[OPT_STREAM]};
	char next[CTL_CURSOR_SIZE];
	int type = 0, res;

	if ((res = ctl_get_app(c, &w.app)) || (res = ctl_get_type(c, &type)) ||
	    (w.stream && (res = ctl_check_stream(w.stream))))
		return res;
	if (type)
		w.type = sg_token_type_name((enum sg_token_type)type);
	if (!(w.rows = ctl_rows_open(c, columns, sizeof(columns) / sizeof(columns[0]), false)))
		return CTL_FAILED;
	res = ctl_call_list(c, "/api/v1/sessions", UINT64_MAX, "", print_one, &w, next);
	return ctl_rows_end(w.rows, NULL, res);
}
