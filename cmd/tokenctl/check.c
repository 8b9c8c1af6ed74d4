/* check.c - tokenctl check: would this token open that stream? Spends nothing. */
#include "tokenctl.h"

static const char *const liveness[] = {"unknown", "no", "yes"};

struct question {
	const char *app, *stream;
	int type;
};

static void print_people(
    struct ctl *c, enum sg_reason verdict, const char *live, bool needed, const struct question *q)
{
	ctl_print_word(c, verdict == SG_ADMITTED ? "admitted" : "refused");
	if (verdict != SG_ADMITTED)
		ctl_printf(c, ": %s", sg_reason_name(verdict));
	ctl_printf(c, "\n");
	ctl_printf(c, "stream live: %s\n", live);
	if (!needed)
		ctl_printf(c, "note: no token is needed to %s %s/%s: tokenctl enable %s\n",
		    sg_token_type_name((enum sg_token_type)q->type), q->app, q->stream,
		    sg_token_type_name((enum sg_token_type)q->type));
}

static int answer(
    struct ctl *c, const struct question *q, enum sg_reason verdict, const struct sg_token *t)
{
	const char *live =
	    liveness[ctl_stream_is_live(c, sg_str_from(q->app), sg_str_from(q->stream))];
	bool needed, ok = verdict == SG_ADMITTED;
	int res = ctl_token_needed(
	    c, sg_str_from(q->app), sg_str_from(q->stream), (enum sg_token_type)q->type, &needed);

	if (res != CTL_DONE)
		return res;
	if (c->opt[OPT_JSON])
		ctl_print_json(c,
		    json_pack("{ss ss so so ss sb}", "verdict", ok ? "admitted" : "refused",
			"reason", sg_reason_name(verdict), "id", ctl_json_id(t->id), "expireDate",
			ctl_json_time(t->expires_at), "streamLive", live, "tokenNeeded", needed));
	else if (ctl_format(c) == CTL_TSV)
		ctl_printf(
		    c, "%s\t%s\t%s\n", ok ? "admitted" : "refused", sg_reason_name(verdict), live);
	else
		print_people(c, verdict, live, needed, q);
	return ok ? CTL_DONE : CTL_REFUSED;
}

int ctl_check(struct ctl *c)
{
	struct question q = {"live", c->opt[OPT_STREAM], SG_PLAY};
	struct sg_token t;
	struct sg_buf token;
	int res;

	if (!q.stream)
		return ctl_fail(CTL_USAGE, "check wants to know for which stream: --stream STREAM");
	if ((res = ctl_check_stream(q.stream)) || (res = ctl_get_app(c, &q.app)) ||
	    (res = ctl_get_type(c, &q.type)) || (res = ctl_open_store(c)))
		return res;
	res = ctl_secret_read(c->args[0], "token", &token);
	enum sg_reason verdict = SG_OVERLOAD;
	if (res == CTL_DONE)
		verdict = sg_gate_check_token(c->store, (struct sg_str){(char *)token.p, token.len},
		    sg_str_from(q.app), sg_str_from(q.stream), (enum sg_token_type)q.type, c->now,
		    &t);
	ctl_secret_free(&token);
	if (res == CTL_DONE && verdict == SG_OVERLOAD)
		res = ctl_store_failed(c, "look the token up");
	return res ? res : answer(c, &q, verdict, &t);
}
