/* list.c - tokenctl list: tokens, newest first. */
#include "tokenctl.h"
#include <stdlib.h>

#define PAGE 500

static const struct ctl_column columns[] = {
    {"id", "ID", CTL_TEXT, 13, 0},
    {"app", "APP", CTL_TEXT, 0, 2},
    {"streamId", "STREAM", CTL_TEXT, 0, 0},
    {"type", "TYPE", CTL_TEXT, 0, 0},
    {"state", "STATE", CTL_TEXT, 0, 0},
    {"uses", "USES", CTL_USES, 0, 3},
    {"maxUses", NULL, CTL_TEXT, 0, 0},
    {"createdAt", "CREATED", CTL_TIME, 0, 4},
    {"expireDate", "EXPIRES", CTL_TIME, 0, 1},
    {"firstUsedAt", NULL, CTL_TIME, 0, 0},
    {"lastUsedAt", NULL, CTL_TIME, 0, 0},
    {"revokedAt", NULL, CTL_TIME, 0, 0},
    {"createdBy", NULL, CTL_TEXT, 0, 0},
    {"label", "LABEL", CTL_TEXT, 0, 0},
};

static int get_state(const struct ctl *c, int *out)
{
	const char *text = c->opt[OPT_STATE];

	*out = -1;
	if (!text || !strcmp(text, "all"))
		return CTL_DONE;
	for (int s = SG_TOKEN_ACTIVE; s <= SG_TOKEN_REVOKED; s++)
		if (!strcmp(text, sg_token_state_name((enum sg_token_state)s)))
			*out = s;
	if (*out < 0)
		return ctl_fail(CTL_USAGE,
		    "there is no state '%s': use active, used, expired, revoked or all",
		    CTL_SHOW(text));
	return CTL_DONE;
}

static int get_filter(struct ctl *c, struct sg_token_filter *f, uint64_t *before)
{
	const char *app = c->arg_count ? "live" : NULL;
	int res;

	*f = (struct sg_token_filter){0};
	if ((res = ctl_get_app(c, &app)) || (res = ctl_get_type(c, &f->type)) ||
	    (res = get_state(c, &f->state)))
		return res;
	f->app = sg_str_from(app);
	if (c->arg_count && (res = ctl_check_stream(c->args[0])))
		return res;
	if (c->arg_count)
		f->stream = sg_str_from(c->args[0]);
	if (c->opt[OPT_AFTER] && !sg_id_parse(sg_str_from(c->opt[OPT_AFTER]), before))
		return ctl_fail(CTL_USAGE,
		    "--after cannot be '%s': use the id that the last list ended with",
		    CTL_SHOW(c->opt[OPT_AFTER]));
	return CTL_DONE;
}

/* Prints up to `limit` tokens; *before becomes the cursor, *more whether there are others. */
static int print_pages(struct ctl *c, const struct sg_token_filter *f, uint64_t limit,
    struct ctl_rows *rows, struct sg_token *page, uint64_t *before, bool *more)
{
	size_t count;
	bool going = true;

	for (*more = true; *more && limit && going && !ctl_interrupted(); limit -= count) {
		size_t max = limit < PAGE ? (size_t)limit : PAGE;
		if (sg_store_token_list(
			c->store, f, *before, c->now, page, max, &count, more, before) != SG_OK)
			return ctl_store_failed(c, "list the tokens");
		for (size_t i = 0; i < count && going; i++)
			going = ctl_rows_add(rows, ctl_json_token(c, &page[i]));
	}
	return CTL_DONE;
}

static bool print_item(void *user, json_t *item)
{
	return ctl_rows_add(user, json_incref(item));
}

/* The same from the server: the cursor is the same id. */
static int print_far(struct ctl *c, const struct sg_token_filter *f, uint64_t limit,
    struct ctl_rows *rows, char next[CTL_CURSOR_SIZE])
{
	struct sg_buf path;

	sg_buf_init(&path, 2048);
	sg_buf_puts(&path, "/api/v1/tokens");
	ctl_add_query(&path, "app", f->app.p);
	ctl_add_query(&path, "streamId", f->stream.p);
	ctl_add_query(&path, "type", c->opt[OPT_TYPE]);
	ctl_add_query(&path, "state", c->opt[OPT_STATE]);
	sg_buf_put_u8(&path, 0);
	int res = path.failed
		      ? ctl_fail(CTL_FAILED, "out of memory: close something and try again")
		      : ctl_call_list(c, (char *)path.p, limit,
			    c->opt[OPT_AFTER] ? c->opt[OPT_AFTER] : "", print_item, rows, next);
	sg_buf_reset(&path);
	return res;
}

static int list_far(struct ctl *c, const struct sg_token_filter *f, uint64_t limit)
{
	struct ctl_rows *rows =
	    ctl_rows_open(c, columns, sizeof(columns) / sizeof(columns[0]), false);
	char next[CTL_CURSOR_SIZE] = "";

	if (!rows)
		return CTL_FAILED;
	int res = print_far(c, f, limit, rows, next);
	return ctl_rows_end(rows, next, res);
}

int ctl_list(struct ctl *c)
{
	struct sg_token_filter f;
	uint64_t limit, before = 0;
	char next[SG_ID_TEXT_SIZE] = "";
	bool more = false;
	int res;

	if ((res = get_filter(c, &f, &before)) || (res = ctl_get_limit(c, &limit)))
		return res;
	if (c->remote)
		return list_far(c, &f, limit);
	if ((res = ctl_open_store(c)))
		return res;
	struct sg_token *page = calloc(PAGE, sizeof(*page));
	if (!page)
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	struct ctl_rows *rows =
	    ctl_rows_open(c, columns, sizeof(columns) / sizeof(columns[0]), false);
	if (rows)
		res = print_pages(c, &f, limit, rows, page, &before, &more);
	free(page);
	if (more)
		sg_id_format(next, before);
	return ctl_rows_end(rows, next, res);
}
