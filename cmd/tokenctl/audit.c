/* audit.c - tokenctl audit: verdicts and administrators' acts, from the store. */
#include "tokenctl.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>

#define PAGE 500
#define FOLLOW_TAIL 10
#define FOLLOW_EVERY_MS 250
#define FOLLOW_FAR_EVERY_MS 500

const struct ctl_column ctl_audit_columns[] = {
    {"at", "TIME", CTL_TIME_MS, 19, 1},
    {"event", "EVENT", CTL_TEXT, 8, 0},
    {"reason", "REASON", CTL_TEXT, 15, 0},
    {"app", "APP", CTL_TEXT, 4, 7},
    {"streamId", "STREAM", CTL_TEXT, 6, 0},
    {"type", "TYPE", CTL_TEXT, 7, 4},
    {"protocol", "PROTOCOL", CTL_TEXT, 8, 5},
    {"address", "ADDRESS", CTL_TEXT, 15, 2},
    {"token", "TOKEN", CTL_TEXT, 13, 3},
    {"session", "SESSION", CTL_TEXT, 13, 6},
    {"seq", NULL, CTL_TEXT, 0, 0},
    {"detail", "DETAIL", CTL_TEXT, 0, 0},
};
#define COLUMNS (sizeof(ctl_audit_columns) / sizeof(ctl_audit_columns[0]))
const size_t ctl_audit_column_count = COLUMNS;

void ctl_audit(struct ctl *c, const char *event, const struct sg_token *token, struct sg_str app,
    struct sg_str stream, int type, const char *detail)
{
	struct sg_audit row = {
	    .at_ms = sg_wall_ms(), .type = (uint8_t)type, .protocol = "tokenctl"};

	row.token_id = token ? token->id : 0;
	sg_str_copy(row.app, sizeof(row.app), app);
	sg_str_copy(row.stream, sizeof(row.stream), stream);
	snprintf(row.event, sizeof(row.event), "%s", event);
	snprintf(row.detail, sizeof(row.detail), "%s", detail);
	if (sg_store_audit_add(c->store, &row, 1) != SG_OK)
		ctl_warn("warning: it is done, but could not be noted in the audit: %s",
		    sg_store_error(c->store));
}

static json_t *audit_row(const struct sg_audit *a)
{
	return json_pack("{sI sI ss so so so ss so so so so so}", "seq", (json_int_t)a->seq, "at",
	    (json_int_t)a->at_ms, "event", a->event, "reason", ctl_json_text(a->reason), "app",
	    ctl_json_text(a->app), "streamId", ctl_json_text(a->stream), "type",
	    a->type ? sg_token_type_name((enum sg_token_type)a->type) : "", "protocol",
	    ctl_json_text(a->protocol), "address", ctl_json_text(a->address), "token",
	    ctl_json_id(a->token_id), "session", ctl_json_text(a->session), "detail",
	    ctl_json_text(a->detail));
}

const char *const ctl_audit_events[CTL_EVENT_COUNT] = {
    "admitted", "refused", "ended", "kicked", "revoked", "setting", "login"};

const char *ctl_audit_reason(size_t i)
{
	static const char *const logins[] = {"wrong_password", "wrong_code"};

	if (i < SG_REASON_COUNT - 1)
		return sg_reason_name((enum sg_reason)(SG_ADMITTED + 1 + i));
	i -= SG_REASON_COUNT - 1;
	return i < SG_BYE_COUNT ? sg_goodbye_name((enum sg_goodbye)i) : logins[i - SG_BYE_COUNT];
}

/* A name that nothing is ever called would list nothing, and say nothing of the mistake. */
static int check_event(const char *event)
{
	if (!event)
		return CTL_DONE;
	for (size_t i = 0; i < CTL_EVENT_COUNT; i++)
		if (!strcmp(event, ctl_audit_events[i]))
			return CTL_DONE;
	return ctl_fail(CTL_USAGE,
	    "there is no event '%s': use admitted, refused, ended, kicked, revoked, setting or login",
	    CTL_SHOW(event));
}

static int check_reason(const char *reason)
{
	const char *names[CTL_REASON_COUNT];

	if (!reason)
		return CTL_DONE;
	for (size_t i = 0; i < CTL_REASON_COUNT; i++) {
		names[i] = ctl_audit_reason(i);
		if (!strcmp(reason, names[i]))
			return CTL_DONE;
	}
	const char *near = sg_nearest(sg_str_from(reason), names, CTL_REASON_COUNT);
	if (near)
		return ctl_fail(CTL_USAGE, "there is no reason '%s': did you mean '%s'?",
		    CTL_SHOW(reason), near);
	return ctl_fail(CTL_USAGE, "there is no reason '%s': REASONS in tokenctl(1) lists them",
	    CTL_SHOW(reason));
}

static int get_filter(struct ctl *c, struct sg_audit_filter *f)
{
	const char *app = NULL;
	int res;

	*f = (struct sg_audit_filter){0};
	if ((res = ctl_get_app(c, &app)))
		return res;
	if (c->opt[OPT_STREAM] && (res = ctl_check_stream(c->opt[OPT_STREAM])))
		return res;
	if ((res = check_event(c->opt[OPT_EVENT])) || (res = check_reason(c->opt[OPT_REASON])))
		return res;
	f->app = sg_str_from(app);
	f->stream = sg_str_from(c->opt[OPT_STREAM]);
	f->event = sg_str_from(c->opt[OPT_EVENT]);
	f->reason = sg_str_from(c->opt[OPT_REASON]);
	if (c->opt[OPT_TOKEN] && !sg_id_parse(sg_str_from(c->opt[OPT_TOKEN]), &f->token_id))
		return ctl_fail(CTL_UNKNOWN, "'%s' is no token id: 'tokenctl list' shows them",
		    CTL_SHOW(c->opt[OPT_TOKEN]));
	return CTL_DONE;
}

/* ---- what has been ---- */

/* Prints up to `limit` rows below `before`; *more: others follow below the last one, *before. */
static int print_pages(struct ctl *c, const struct sg_audit_filter *f, uint64_t limit,
    struct ctl_rows *rows, struct sg_audit *page, int64_t *before, bool *more)
{
	size_t count = PAGE;

	while (count == PAGE && !*more) {
		if (sg_store_audit_list(c->store, f, *before, 0, page, PAGE, &count) != SG_OK)
			return ctl_store_failed(c, "read the audit");
		for (size_t i = 0; i < count && !*more; i++) {
			if (!limit--) {
				*more = true;
				break;
			}
			*before = page[i].seq;
			if (!ctl_rows_add(rows, audit_row(&page[i])))
				return CTL_DONE;
		}
	}
	return CTL_DONE;
}

static int print_past(struct ctl *c, const struct sg_audit_filter *f, uint64_t limit,
    int64_t before, struct sg_audit *page)
{
	struct ctl_rows *rows = ctl_rows_open(c, ctl_audit_columns, COLUMNS, false);
	char next[24] = "";
	bool more = false;

	if (!rows)
		return CTL_FAILED;
	int res = print_pages(c, f, limit, rows, page, &before, &more);
	if (more)
		snprintf(next, sizeof(next), "%lld", (long long)before);
	return ctl_rows_end(rows, next, res);
}

/* ---- what comes ---- */

/* Prints what is above *last, oldest first; while nothing has been seen yet, the newest few. */
static int print_new(struct ctl *c, const struct sg_audit_filter *f, struct ctl_rows *rows,
    struct sg_audit *page, int64_t *last)
{
	size_t count;

	do {
		bool first = *last == 0;
		if (sg_store_audit_list(
			c->store, f, 0, *last, page, first ? FOLLOW_TAIL : PAGE, &count) != SG_OK)
			return ctl_store_failed(c, "read the audit");
		for (size_t i = 0; i < count; i++) {
			const struct sg_audit *a = &page[first ? count - 1 - i : i];
			*last = a->seq;
			if (!ctl_rows_add(rows, audit_row(a)))
				return CTL_DONE;
		}
	} while (count == PAGE);
	return CTL_DONE;
}

static int print_coming(struct ctl *c, const struct sg_audit_filter *f, struct ctl_rows *rows)
{
	struct sg_audit *page = calloc(PAGE, sizeof(*page));
	bool changed = true;
	int64_t last = 0;
	int res =
	    page ? CTL_DONE : ctl_fail(CTL_FAILED, "out of memory: close something and try again");

	/* Asked before the first look, so that nothing falls between the two. */
	if (page && sg_store_poll(c->store, &changed) != SG_OK)
		res = ctl_store_failed(c, "watch the audit");
	for (changed = true; res == CTL_DONE && !c->out_error;) {
		if (changed && (res = print_new(c, f, rows, page, &last)))
			break;
		if (c->out_error || !ctl_wait(-1, 0, FOLLOW_EVERY_MS, NULL))
			break;
		if (sg_store_poll(c->store, &changed) != SG_OK)
			res = ctl_store_failed(c, "watch the audit");
	}
	free(page);
	return res;
}

/* ---- another machine's ---- */

static bool audit_path(const struct ctl *c, struct sg_buf *path, int64_t after)
{
	char seq[24] = "";

	if (after)
		snprintf(seq, sizeof(seq), "%lld", (long long)after);
	sg_buf_init(path, 4096);
	sg_buf_puts(path, "/api/v1/audit");
	ctl_add_query(path, "app", c->opt[OPT_APP]);
	ctl_add_query(path, "streamId", c->opt[OPT_STREAM]);
	ctl_add_query(path, "event", c->opt[OPT_EVENT]);
	ctl_add_query(path, "reason", c->opt[OPT_REASON]);
	ctl_add_query(path, "token", c->opt[OPT_TOKEN]);
	ctl_add_query(path, "after", seq);
	sg_buf_put_u8(path, 0);
	if (path->failed)
		ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	return !path->failed;
}

/* A row as the store's would be shown: `at` says the time already. */
static json_t *far_row(json_t *item)
{
	json_object_del(item, "time");
	return json_incref(item);
}

static bool print_item(void *user, json_t *item)
{
	return ctl_rows_add(user, far_row(item));
}

static int past_far(struct ctl *c, uint64_t limit, const char *before)
{
	struct ctl_rows *rows = ctl_rows_open(c, ctl_audit_columns, COLUMNS, false);
	char next[CTL_CURSOR_SIZE] = "";
	struct sg_buf path;

	if (!rows)
		return CTL_FAILED;
	int res = audit_path(c, &path, 0)
		      ? ctl_call_list(c, (char *)path.p, limit, before, print_item, rows, next)
		      : CTL_FAILED;
	sg_buf_reset(&path);
	return ctl_rows_end(rows, next, res);
}

struct heard {
	json_t *items; /* oldest first */
	int64_t last;
	bool first;
};

static bool hear(void *user, json_t *item)
{
	struct heard *h = user;
	int64_t seq = json_integer_value(json_object_get(item, "seq"));

	if (seq > h->last)
		h->last = seq;
	return !json_array_insert_new(
	    h->items, h->first ? 0 : json_array_size(h->items), far_row(item));
}

/* The newest few, newest first; from then on what is above *last, oldest first. */
static int print_new_far(struct ctl *c, struct ctl_rows *rows, int64_t *last)
{
	struct heard h = {.items = json_array(), .last = *last, .first = !*last};
	char next[CTL_CURSOR_SIZE];
	struct sg_buf path;
	json_t *item;
	size_t i;

	int res =
	    audit_path(c, &path, *last)
		? ctl_call_list(c, (char *)path.p, h.first ? FOLLOW_TAIL : PAGE, "", hear, &h, next)
		: CTL_FAILED;
	json_array_foreach(h.items, i, item) if (!ctl_rows_add(rows, json_incref(item))) break;
	*last = h.last;
	json_decref(h.items);
	sg_buf_reset(&path);
	return ctl_interrupted() ? CTL_DONE : res;
}

static int coming_far(struct ctl *c, struct ctl_rows *rows)
{
	int64_t last = 0;
	int res;

	while (!(res = print_new_far(c, rows, &last)) && !c->out_error &&
	       ctl_wait(-1, 0, FOLLOW_FAR_EVERY_MS, NULL))
		;
	return res;
}

/* ---- the command ---- */

static int follow(struct ctl *c, const struct sg_audit_filter *f)
{
	struct ctl_rows *rows = ctl_rows_open(c, ctl_audit_columns, COLUMNS, true);

	if (!rows)
		return CTL_FAILED;
	ctl_catch_interrupt(true);
	int res = c->remote ? coming_far(c, rows) : print_coming(c, f, rows);
	ctl_catch_end();
	return ctl_rows_end(rows, NULL, res);
}

static int past(struct ctl *c, const struct sg_audit_filter *f, uint64_t limit, int64_t before)
{
	struct sg_audit *page = calloc(PAGE, sizeof(*page));

	if (!page)
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	int res = print_past(c, f, limit, before, page);
	free(page);
	return res;
}

int ctl_audit_list(struct ctl *c)
{
	struct sg_audit_filter f;
	uint64_t limit, before = 0;
	int res;

	if ((res = get_filter(c, &f)) || (res = ctl_get_limit(c, &limit)))
		return res;
	if (c->opt[OPT_FOLLOW] && (c->opt[OPT_AFTER] || c->opt[OPT_LIMIT]))
		return ctl_fail(CTL_USAGE, "--follow has no end: leave out --after and --limit");
	if (c->opt[OPT_AFTER] &&
	    (!sg_str_to_u64(sg_str_from(c->opt[OPT_AFTER]), INT64_MAX, &before) || !before))
		return ctl_fail(CTL_USAGE,
		    "--after cannot be '%s': use what the last list ended with",
		    CTL_SHOW(c->opt[OPT_AFTER]));
	if (!c->remote && (res = ctl_open_store(c)) != CTL_DONE)
		return res;
	if (c->opt[OPT_FOLLOW])
		return follow(c, &f);
	return c->remote ? past_far(c, limit, c->opt[OPT_AFTER] ? c->opt[OPT_AFTER] : "")
			 : past(c, &f, limit, (int64_t)before);
}

/* ---- for watch.c ---- */

int ctl_follow_audit(struct ctl *c)
{
	const struct sg_audit_filter all = {0};
	int res = c->remote ? CTL_DONE : ctl_open_store(c);

	return res ? res : follow(c, &all);
}

static enum sg_result newest_here(struct ctl *c, size_t max, bool (*each)(void *user, json_t *row),
    void *user, char *error, size_t size)
{
	const struct sg_audit_filter all = {0};
	struct sg_audit *page = calloc(max, sizeof(*page));
	size_t count = 0;
	enum sg_result res =
	    page ? sg_store_audit_list(c->store, &all, 0, 0, page, max, &count) : SG_ERR_NO_MEMORY;

	if (res != SG_OK)
		snprintf(error, size, "cannot read the audit: %s",
		    page ? sg_store_error(c->store) : "out of memory");
	for (size_t i = 0; i < count && res == SG_OK; i++) {
		json_t *row = audit_row(&page[i]);
		if (row && !each(user, row))
			count = i;
		json_decref(row);
	}
	free(page);
	return res;
}

enum sg_result ctl_newest_audit(struct ctl *c, size_t max, bool (*each)(void *user, json_t *row),
    void *user, char *error, size_t size)
{
	char path[64];
	json_t *answer, *item;
	int status;
	size_t i;

	if (!c->remote)
		return newest_here(c, max, each, user, error, size);
	snprintf(path, sizeof(path), "/api/v1/audit?limit=%zu", max);
	enum sg_result res = ctl_ask(c, "GET", path, NULL, &status, &answer, error, size);
	if (res == SG_OK && status != 200) {
		snprintf(error, size, "%s does not tell its audit (HTTP status %d)",
		    c->remote->name, status);
		res = SG_ERR_BAD_INPUT;
	}
	if (res == SG_OK)
		json_array_foreach(
		    json_object_get(answer, "items"), i, item) if (!each(user, item)) break;
	json_decref(answer);
	return res;
}
