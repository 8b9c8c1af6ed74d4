/* watch.c - tokenctl watch: who is in and what the gate says, as it happens. On a terminal a screen
 * that is drawn anew every second; elsewhere lines, as `audit --follow` prints them. */
#include "base/clock.h"
#include "screen.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EVERY_MS 1000
#define SESSIONS_MAX 5000 /* read for one frame; the rest is only said to be there */
#define VERDICTS_MAX 200
#define SIDE_LINES 6 /* what stands around the rows: titles, headers, blank lines */

static const struct ctl_column session_columns[] = {
    {"streamId", "STREAM", CTL_TEXT, 0, 0},
    {"type", "TYPE", CTL_TEXT, 0, 0},
    {"protocol", "PROTOCOL", CTL_TEXT, 0, 3},
    {"address", "ADDRESS", CTL_TEXT, 0, 2},
    {"state", "STATE", CTL_TEXT, 0, 5},
    {"since", "SINCE", CTL_TEXT, 0, 4},
    {"bytes", "MEDIA", CTL_BYTES, 0, 6},
    {"rate", "RATE", CTL_TEXT, 0, 0},
    {"app", "APP", CTL_TEXT, 0, 8},
    {"id", "ID", CTL_TEXT, 0, 7},
    {"token", "TOKEN", CTL_TEXT, 0, 9},
    {"userAgent", "USER AGENT", CTL_TEXT, 0, 0},
};
static const struct ctl_column verdict_columns[] = {
    {"clock", "TIME", CTL_TEXT, 0, 3},
    {"event", "EVENT", CTL_TEXT, 0, 0},
    {"streamId", "STREAM", CTL_TEXT, 0, 0},
    {"type", "TYPE", CTL_TEXT, 0, 4},
    {"protocol", "PROTOCOL", CTL_TEXT, 0, 5},
    {"address", "ADDRESS", CTL_TEXT, 0, 2},
    {"token", "TOKEN", CTL_TEXT, 0, 6},
    {"why", "WHY", CTL_TEXT, 0, 0},
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct view {
	struct ctl *c;
	json_t *sessions; /* array, as streamd tells them */
	json_t *bytes; /* {session id: bytes} of the frame before */
	int64_t at_ms, before_ms; /* when this frame and the one before were read */
	json_t *verdicts; /* newest first */
	size_t publishers, viewers;
	bool more; /* sessions than were read */
	char trouble[400]; /* what could not be read, or "" */
};

/* ---- what is shown ---- */

static bool take_session(void *user, json_t *item)
{
	struct view *v = user;

	if (json_array_size(v->sessions) >= SESSIONS_MAX) {
		v->more = true;
		return false;
	}
	if (!strcmp(ctl_json_get(item, "type"), "publish"))
		v->publishers++;
	else
		v->viewers++;
	return !json_array_append(v->sessions, item);
}

static bool take_verdict(void *user, json_t *row)
{
	return !json_array_append(((struct view *)user)->verdicts, row);
}

/* What the next frame's rates are counted from. */
static void keep_bytes(struct view *v)
{
	json_t *item;
	size_t i;

	json_decref(v->bytes);
	v->bytes = json_object();
	json_array_foreach(v->sessions, i, item)
	    json_object_set(v->bytes, ctl_json_get(item, "id"), json_object_get(item, "bytes"));
	v->before_ms = v->at_ms;
}

static void forget(struct view *v)
{
	json_decref(v->sessions);
	json_decref(v->verdicts);
	v->sessions = json_array();
	v->verdicts = json_array();
	v->publishers = v->viewers = 0;
	v->more = false;
	*v->trouble = 0;
}

static void read_view(struct view *v)
{
	enum sg_result res;

	if (v->sessions)
		keep_bytes(v);
	forget(v);
	res =
	    ctl_ask_list(v->c, "/api/v1/sessions", take_session, v, v->trouble, sizeof(v->trouble));
	if (res == SG_OK)
		*v->trouble = 0;
	else if (res == SG_ERR_NOT_FOUND)
		snprintf(v->trouble, sizeof(v->trouble), "streamd is not running");
	v->at_ms = sg_mono_ms();
	v->c->now = sg_wall_s();
	char error[400];
	if (ctl_newest_audit(v->c, VERDICTS_MAX, take_verdict, v, error, sizeof(error)) != SG_OK &&
	    !*v->trouble)
		snprintf(v->trouble, sizeof(v->trouble), "%s", error);
}

/* Publishers first (they are few), then the newest. */
static int by_interest(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int order = strcmp(ctl_json_get(y, "type"), ctl_json_get(x, "type"));

	return order ? order : strcmp(ctl_json_get(y, "id"), ctl_json_get(x, "id"));
}

static void format_since(char *out, size_t size, int64_t s)
{
	if (s < 0)
		s = 0;
	if (s < 86400)
		snprintf(
		    out, size, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(out, size, "%lldd %dh", (long long)(s / 86400), (int)(s / 3600 % 24));
}

static void format_rate(char *out, size_t size, const struct view *v, const json_t *item)
{
	const json_t *was = json_object_get(v->bytes, ctl_json_get(item, "id"));
	int64_t ms = v->at_ms - v->before_ms;
	double bits = 8e3 * (double)(json_integer_value(json_object_get(item, "bytes")) -
				     json_integer_value(was));

	*out = 0;
	if (!was || ms <= 0)
		return;
	bits /= (double)ms;
	if (bits >= 1e6)
		snprintf(out, size, "%.1f Mbit/s", bits / 1e6);
	else
		snprintf(out, size, "%.0f kbit/s", bits < 0 ? 0 : bits / 1e3);
}

/* The session as it is shown: with what is counted from the clock. A new reference. */
static json_t *session_row(const struct view *v, const json_t *item)
{
	char since[40], rate[40];
	json_t *row = json_copy((json_t *)item);

	format_since(since, sizeof(since),
	    v->c->now - json_integer_value(json_object_get(item, "startedAt")));
	format_rate(rate, sizeof(rate), v, item);
	json_object_set_new(row, "since", json_string(since));
	json_object_set_new(row, "rate", json_string(rate));
	return row;
}

static json_t *verdict_row(const json_t *item)
{
	time_t at = (time_t)(json_integer_value(json_object_get(item, "at")) / 1000);
	char clock[16] = "";
	json_t *row = json_copy((json_t *)item);
	struct tm tm;

	if (localtime_r(&at, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	json_object_set_new(row, "clock", json_string(clock));
	/* Verdicts have a reason, administrators' acts are described. */
	const char *reason = ctl_json_get(item, "reason");
	json_object_set(row, "why", json_object_get(item, *reason ? "reason" : "detail"));
	return row;
}

/* ---- drawing ---- */

#define NARROW 60

static void put_head(const struct view *v, size_t columns)
{
	struct ctl *c = v->c;
	char clock[16] = "";
	time_t now = (time_t)c->now;
	struct tm tm;

	if (columns >= NARROW && localtime_r(&now, &tm)) {
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
		ctl_printf(c, c->colour ? "\033[1;7m %s \033[0m %s  " : "%s %s  ",
		    c->remote ? c->remote->name : "streamgate", clock);
	}
	ctl_printf(c, "%zu publishing, %zu watching%s  ", v->publishers, v->viewers,
	    v->more ? " and more" : "");
	ctl_printf(c, c->colour ? "\033[2mq leaves\033[0m\n" : "(q leaves)\n");
	if (*v->trouble)
		ctl_printf(c, c->colour ? "\033[31m%s\033[0m\n" : "%s\n",
		    ctl_show_long(sg_str_from(v->trouble)).text);
}

static void put_sessions(const struct view *v, size_t room)
{
	if (!json_array_size(v->sessions)) {
		ctl_printf(v->c, "nobody is in\n");
		return;
	}
	size_t count = json_array_size(v->sessions), i = 0;
	json_t **order = calloc(count + 1, sizeof(*order)), *item;
	struct ctl_rows *rows = ctl_rows_open(v->c, session_columns, COUNT(session_columns), false);

	if (!order || !rows)
		room = 0;
	if (order)
		json_array_foreach(v->sessions, i, item) order[i] = item;
	if (order && count)
		qsort(order, count, sizeof(*order), by_interest);
	for (i = 0; i < count && i < room; i++)
		ctl_rows_add(rows, session_row(v, order[i]));
	if (rows)
		ctl_rows_end(rows, NULL, CTL_FAILED); /* without rows nothing, not "none" */
	free(order);
}

static void put_verdicts(const struct view *v, size_t room)
{
	struct ctl_rows *rows = ctl_rows_open(v->c, verdict_columns, COUNT(verdict_columns), false);
	json_t *item;
	size_t i;

	if (!json_array_size(v->verdicts))
		ctl_printf(v->c, "nothing has happened yet\n");
	json_array_foreach(v->verdicts, i, item)
	{
		if (!rows || i >= room)
			break;
		ctl_rows_add(rows, verdict_row(item));
	}
	if (rows)
		ctl_rows_end(rows, NULL, CTL_FAILED);
}

/* Sessions get what they need, up to two thirds where the verdicts want the rest. */
static size_t rows_for_sessions(const struct view *v, size_t room)
{
	size_t wanted = json_array_size(v->sessions), other = json_array_size(v->verdicts);
	size_t least = room - room / 3;

	if (wanted + other <= room)
		return wanted;
	if (other < room - least)
		least = room - other;
	return wanted < least ? wanted : least;
}

static void draw(struct view *v)
{
	struct ctl *c = v->c;
	size_t columns, lines;

	ctl_terminal_size(&columns, &lines);
	size_t side = SIDE_LINES + (*v->trouble ? 1 : 0);
	size_t room = lines > side ? lines - side : 0;
	size_t sessions = rows_for_sessions(v, room);

	c->hold = true; /* the lines are cut to the screen before they are written */
	c->out.len = 0;
	put_head(v, columns);
	ctl_printf(c, "\n");
	put_sessions(v, sessions);
	ctl_printf(c, "\n");
	/* A session's "none" takes a header's place. */
	put_verdicts(v, room - sessions + 1);
	ctl_screen_draw((struct sg_str){(char *)c->out.p, c->out.len}, columns, lines);
	c->out.len = 0;
	c->hold = false;
}

static void watch_screen(struct view *v)
{
	bool going = true;

	while (going && !ctl_interrupted()) {
		read_view(v);
		draw(v);
		int64_t until = sg_mono_ms() + EVERY_MS;
		for (int64_t left = EVERY_MS; going && left > 0 && !ctl_interrupted();
		     left = until - sg_mono_ms()) {
			int key = ctl_screen_key((int)left);
			going = key != 'q' && key != 'Q' && key != 4;
			if (going && !key)
				draw(v); /* the terminal may have another size */
		}
	}
}

int ctl_watch(struct ctl *c)
{
	struct view v = {.c = c};
	int res = CTL_DONE;

	if (ctl_format(c) != CTL_TABLE)
		return ctl_follow_audit(c);
	if (!c->remote && (res = ctl_open_store(c)) != CTL_DONE)
		return res;
	ctl_catch_interrupt(true);
	if (!ctl_screen_enter()) {
		ctl_catch_end();
		return ctl_follow_audit(c);
	}
	watch_screen(&v);
	ctl_screen_leave();
	ctl_catch_end();
	json_decref(v.sessions);
	json_decref(v.verdicts);
	json_decref(v.bytes);
	return CTL_DONE;
}
