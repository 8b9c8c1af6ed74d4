/* audit.c - tokenctl audit: verdicts and administrators' acts, from the store. */
#include "tokenctl.h"
#include "base/clock.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE 500
#define FOLLOW_TAIL 10
#define FOLLOW_EVERY_MS 250

static const struct ctl_column columns[] = {
    {"at", "TIME", CTL_TIME_MS, 19, 0},
    {"event", "EVENT", CTL_TEXT, 8, 0},
    {"reason", "REASON", CTL_TEXT, 13, 0},
    {"app", "APP", CTL_TEXT, 4, 5},
    {"streamId", "STREAM", CTL_TEXT, 8, 0},
    {"type", "TYPE", CTL_TEXT, 7, 3},
    {"protocol", "PROTOCOL", CTL_TEXT, 8, 4},
    {"address", "ADDRESS", CTL_TEXT, 15, 1},
    {"token", "TOKEN", CTL_TEXT, 13, 2},
    {"session", "SESSION", CTL_TEXT, 13, 6},
    {"seq", NULL, CTL_TEXT, 0, 0},
    {"detail", "DETAIL", CTL_TEXT, 0, 0},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

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

static const char *const events[] = {
    "admitted", "refused", "ended", "kicked", "revoked", "setting"};

/* A name that nothing is ever called would list nothing, and say nothing of the mistake. */
static int check_event(const char *event)
{
	if (!event)
		return CTL_DONE;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (!strcmp(event, events[i]))
			return CTL_DONE;
	return ctl_fail(CTL_USAGE,
	    "there is no event '%s': use admitted, refused, ended, kicked, revoked or setting",
	    CTL_SHOW(event));
}

/* Why one was refused, or how a session ended. */
static int check_reason(const char *reason)
{
	const char *names[SG_REASON_COUNT + SG_BYE_COUNT];
	size_t count = 0;

	if (!reason)
		return CTL_DONE;
	for (int i = SG_ADMITTED + 1; i < SG_REASON_COUNT; i++)
		names[count++] = sg_reason_name((enum sg_reason)i);
	for (int i = 0; i < SG_BYE_COUNT; i++)
		names[count++] = sg_goodbye_name((enum sg_goodbye)i);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(reason, names[i]))
			return CTL_DONE;
	const char *near = sg_nearest(sg_str_from(reason), names, count);
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
	struct ctl_rows *rows = ctl_rows_open(c, columns, COLUMNS, false);
	char next[24] = "";
	bool more = false;

	if (!rows)
		return CTL_FAILED;
	int res = print_pages(c, f, limit, rows, page, &before, &more);
	if (more)
		snprintf(next, sizeof(next), "%lld", (long long)before);
	int closed = ctl_rows_close(rows, next);
	return res ? res : closed;
}

/* ---- what comes ---- */

static volatile sig_atomic_t interrupted; /* the one thing that a signal handler may touch */

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

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

/* Waits a moment; false when there is nothing more to wait for. */
static bool wait_a_moment(void)
{
	struct pollfd reader = {.fd = STDOUT_FILENO};

	if (interrupted)
		return false;
	int n = poll(&reader, 1, FOLLOW_EVERY_MS);
	return !interrupted && !(n > 0 && (reader.revents & (POLLERR | POLLNVAL)));
}

static int print_coming(struct ctl *c, const struct sg_audit_filter *f, struct sg_audit *page)
{
	struct sigaction stop = {.sa_handler = on_interrupt};
	struct ctl_rows *rows = ctl_rows_open(c, columns, COLUMNS, true);
	bool changed = true;
	int64_t last = 0;
	int res = rows ? CTL_DONE : CTL_FAILED;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	/* Asked before the first look, so that nothing falls between the two. */
	if (rows && sg_store_poll(c->store, &changed) != SG_OK)
		res = ctl_store_failed(c, "watch the audit");
	for (changed = true; res == CTL_DONE && !c->out_error;) {
		if (changed && (res = print_new(c, f, rows, page, &last)))
			break;
		if (c->out_error || !wait_a_moment())
			break;
		if (sg_store_poll(c->store, &changed) != SG_OK)
			res = ctl_store_failed(c, "watch the audit");
	}
	ctl_rows_close(rows, NULL);
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
	if ((res = ctl_open_store(c)) != CTL_DONE)
		return res;
	struct sg_audit *page = calloc(PAGE, sizeof(*page));
	if (!page)
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	res = c->opt[OPT_FOLLOW] ? print_coming(c, &f, page)
				 : print_past(c, &f, limit, (int64_t)before, page);
	free(page);
	return res;
}
