/* explain.c - tokenctl explain: the gate's checks, one by one, for what a URL asks. */
#include "explain.h"
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

enum outcome { PASS, FAIL, SKIP, UNKNOWN };
static const char *const outcome_names[] = {"pass", "fail", "skip", "unknown"};

struct report {
	json_t *checks;
	enum sg_reason verdict; /* of the first check that failed */
	bool needed; /* a token is */
};

static const struct ctl_column columns[] = {
    {"check", "CHECK", CTL_TEXT, 0, 0},
    {"result", "RESULT", CTL_TEXT, 0, 0},
    {"why", "WHY", CTL_WHOLE, 0, 0},
};

static void note(struct report *r, const char *check, enum outcome outcome, enum sg_reason reason,
    const char *fmt, ...) SG_PRINTF(5, 6);

static void note(struct report *r, const char *check, enum outcome outcome, enum sg_reason reason,
    const char *fmt, ...)
{
	char why[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (outcome == FAIL && r->verdict == SG_ADMITTED)
		r->verdict = reason;
	json_array_append_new(r->checks,
	    json_pack("{ss ss so ss}", "check", check, "result", outcome_names[outcome], "reason",
		outcome == FAIL ? json_string(sg_reason_name(reason)) : json_null(), "why", why));
}

static void note_check(
    struct report *r, const char *check, bool ok, enum sg_reason reason, const char *why)
{
	if (r->needed)
		note(r, check, ok ? PASS : FAIL, reason, "%s", why);
	else
		note(r, check, SKIP, reason, "%s: %s", ok ? "would pass" : "would fail", why);
}

/* ---- the token's part of INTERFACE 3.3, in its order ---- */

static void note_time(struct report *r, const char *check, bool ok, enum sg_reason reason,
    const char *what, int64_t at)
{
	char text[SG_TIME_TEXT_SIZE], why[80];

	sg_time_format(text, at);
	snprintf(why, sizeof(why), "%s %s", what, text);
	note_check(r, check, ok, reason, why);
}

static void explain_row(
    struct report *r, const struct ctl *c, const struct asked *a, const struct sg_token *t)
{
	char why[400];
	bool match = !strcmp(t->app, a->app) && !strcmp(t->stream, a->stream);

	if (match)
		snprintf(why, sizeof(why), "it is for %s/%s", t->app, t->stream);
	else
		snprintf(why, sizeof(why), "it is for %s/%s, not for %s/%s", t->app, t->stream,
		    a->app, a->stream);
	note_check(r, "application and stream", match, SG_WRONG_STREAM, why);
	snprintf(why, sizeof(why), "it is to %s", sg_token_type_name(t->type));
	note_check(r, "type", (int)t->type == a->type, SG_WRONG_TYPE, why);
	if (t->revoked_at)
		note_time(r, "not revoked", false, SG_REVOKED, "revoked at", t->revoked_at);
	else
		note_check(r, "not revoked", true, SG_REVOKED, "nobody did");
	bool open = t->expires_at > c->now;
	note_time(r, "not expired", open, SG_EXPIRED, open ? "it opens until" : "it was over at",
	    t->expires_at);
	snprintf(why, sizeof(why), "%u of %u used", t->uses, t->max_uses);
	note_check(r, "uses left", t->uses < t->max_uses, SG_USED, why);
}

static void explain_unknown(struct report *r, bool given)
{
	static const char *const rest[] = {
	    "application and stream", "type", "not revoked", "not expired", "uses left"};

	note_check(r, "known token", false, given ? SG_UNKNOWN_TOKEN : SG_MISSING_TOKEN,
	    given ? "nobody was given this one, or it has been purged" : "the URL has none");
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		note(r, rest[i], SKIP, SG_ADMITTED, "there is no token to look at");
}

/* ---- the rest of it ---- */

static void explain_recording(struct report *r, struct ctl *c, const struct asked *a)
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s/%s", c->cfg->recording_path, a->app, a->recording);
	if (!stat(path, &st) && S_ISREG(st.st_mode))
		note(r, "recording exists", PASS, SG_STREAM_NOT_LIVE, "%s", a->recording);
	else
		note(r, "recording exists", FAIL, SG_STREAM_NOT_LIVE, "there is no %s", path);
}

static void explain_stream(struct report *r, struct ctl *c, const struct asked *a)
{
	enum ctl_liveness live = ctl_stream_is_live(c, sg_str_from(a->app), sg_str_from(a->stream));
	bool play = a->type == SG_PLAY;
	const char *check = play ? "stream is live" : "nobody publishes it";

	if (live == CTL_LIVE_UNKNOWN)
		note(r, check, UNKNOWN, SG_ADMITTED, "streamd does not answer");
	else if (play)
		note(r, check, live == CTL_LIVE_YES ? PASS : FAIL, SG_STREAM_NOT_LIVE, "%s",
		    live == CTL_LIVE_YES ? "it is being published" : "nobody publishes it now");
	else
		note(r, check, live == CTL_LIVE_NO ? PASS : FAIL, SG_ALREADY_PUBLISHING, "%s",
		    live == CTL_LIVE_NO ? "the stream is free" : "somebody is publishing it");
}

/* Looks the token up; *known tells whether *t is its row. */
static int look_up(struct ctl *c, const struct asked *a, struct sg_token *t, bool *known)
{
	struct sg_token_key key;

	*known = false;
	if (a->token_garbled || !sg_token_parse(sg_str_from(a->token), &key))
		return CTL_DONE;
	enum sg_result res = sg_store_token_lookup(c->store, &key, t);
	sg_wipe(&key, sizeof(key));
	*known = res == SG_OK;
	return res == SG_OK || res == SG_ERR_NOT_FOUND ? CTL_DONE
						       : ctl_store_failed(c, "look the token up");
}

/* A recording opens with its stream's token; the catalogue knows which that is. */
static int find_stream_of_recording(struct ctl *c, struct asked *a)
{
	struct sg_recording rec;

	if (!*a->recording)
		return CTL_DONE;
	enum sg_result res =
	    sg_store_recording_get(c->store, sg_str_from(a->app), sg_str_from(a->recording), &rec);
	if (res == SG_OK)
		snprintf(a->stream, sizeof(a->stream), "%s", rec.stream);
	return res == SG_OK || res == SG_ERR_NOT_FOUND
		   ? CTL_DONE
		   : ctl_store_failed(c, "look the recording up");
}

static int find_type(struct ctl *c, struct asked *a, const struct sg_token *t, bool known)
{
	int type = a->type ? a->type : known ? (int)t->type : SG_PLAY;
	int res = ctl_get_type(c, &type);

	if (res == CTL_DONE && a->type && type != a->type)
		return ctl_fail(CTL_USAGE, "the URL is one to %s: leave --type out",
		    sg_token_type_name((enum sg_token_type)a->type));
	a->type = type;
	return res;
}

static int examine(
    struct ctl *c, struct asked *a, struct report *r, struct sg_token *t, bool *known)
{
	char id[SG_ID_TEXT_SIZE], why[40];
	int res;

	if ((res = ctl_check_app(c, sg_str_from(a->app))) || (res = ctl_open_store(c)) ||
	    (res = find_stream_of_recording(c, a)) || (res = look_up(c, a, t, known)) ||
	    (res = find_type(c, a, t, *known)) ||
	    (res = ctl_token_needed(c, sg_str_from(a->app), sg_str_from(a->stream),
		 (enum sg_token_type)a->type, &r->needed)))
		return res;
	if (*known) {
		sg_id_format(id, t->id);
		snprintf(why, sizeof(why), "its id is %s", id);
		note_check(r, "known token", true, SG_UNKNOWN_TOKEN, why);
		explain_row(r, c, a, t);
	} else {
		explain_unknown(r, a->token_garbled || *a->token);
	}
	if (*a->recording)
		explain_recording(r, c, a);
	else
		explain_stream(r, c, a);
	return CTL_DONE;
}

/* ---- the answer ---- */

static void print_lines(struct ctl *c, const struct asked *a, const struct report *r)
{
	const char *type = sg_token_type_name((enum sg_token_type)a->type);
	bool table = ctl_format(c) == CTL_TABLE, ok = r->verdict == SG_ADMITTED;
	size_t i;
	json_t *check;

	if (table)
		ctl_printf(c, "%s asks to %s %s/%s: %s\n\n", a->protocol, type, a->app,
		    *a->recording ? a->recording : a->stream,
		    r->needed ? "a token is needed" : "no token is needed");
	struct ctl_rows *rows = ctl_rows_open(c, columns, 3, false);
	if (rows)
		json_array_foreach(r->checks, i, check) ctl_rows_add(rows, json_incref(check));
	ctl_rows_close(rows, NULL);
	const char *word = ok ? "admitted" : "refused";
	if (!table) {
		ctl_printf(c, "verdict\t%s\t%s\n", word, sg_reason_name(r->verdict));
		return;
	}
	ctl_printf(c, "\n");
	ctl_print_word(c, word);
	ctl_printf(c, "%s%s\n", ok ? "" : ": ", ok ? "" : sg_reason_name(r->verdict));
}

static int answer(struct ctl *c, const struct asked *a, const struct report *r,
    const struct sg_token *t, bool known)
{
	bool ok = r->verdict == SG_ADMITTED;

	if (c->opt[OPT_JSON])
		ctl_print_json(c,
		    json_pack("{ss ss ss ss ss so ss sb so so}", "verdict",
			ok ? "admitted" : "refused", "reason", sg_reason_name(r->verdict),
			"protocol", a->protocol, "app", a->app, "streamId", a->stream, "recording",
			*a->recording ? json_string(a->recording) : json_null(), "type",
			sg_token_type_name((enum sg_token_type)a->type), "tokenNeeded", r->needed,
			"id", ctl_json_id(known ? t->id : 0), "checks", json_incref(r->checks)));
	else
		print_lines(c, a, r);
	return ok ? CTL_DONE : CTL_REFUSED;
}

int ctl_explain(struct ctl *c)
{
	struct report r = {.checks = json_array(), .verdict = SG_ADMITTED};
	struct sg_buf url;
	struct asked a = {0};
	struct sg_token t;
	bool known = false;

	int res = ctl_secret_read(c->args[0], "URL", &url);
	if (res == CTL_DONE)
		res = ctl_read_url((struct sg_str){(char *)url.p, url.len}, &a);
	ctl_secret_free(&url);
	if (res == CTL_DONE)
		res = examine(c, &a, &r, &t, &known);
	sg_wipe(a.token, sizeof(a.token));
	if (res == CTL_DONE)
		res = answer(c, &a, &r, &t, known);
	json_decref(r.checks);
	return res;
}
