/* check.c - tokenctl check: would this token open that stream? Spends nothing. */
#include "tokenctl.h"

static const char *const liveness[] = {"unknown", "no", "yes"};

struct question {
	const char *app, *stream;
	int type;
};

static void print_people(struct ctl *c, bool ok, const char *reason, const char *live, bool needed,
    const struct question *q)
{
	ctl_print_word(c, ok ? "admitted" : "refused");
	if (!ok)
		ctl_printf(c, ": %s", reason);
	ctl_printf(c, "\n");
	ctl_printf(c, "stream live: %s\n", live);
	if (!needed)
		ctl_printf(c, "note: no token is needed to %s %s/%s: tokenctl enable %s\n",
		    sg_token_type_name((enum sg_token_type)q->type), q->app, q->stream,
		    sg_token_type_name((enum sg_token_type)q->type));
}

/* `verdict` is an object as the REST interface answers it. */
static int answer(struct ctl *c, const struct question *q, json_t *verdict)
{
	const char *word = ctl_json_get(verdict, "verdict");
	const char *reason = ctl_json_get(verdict, "reason");
	const char *live = ctl_json_get(verdict, "streamLive");
	bool ok = !strcmp(word, "admitted");

	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_incref(verdict));
	else if (ctl_format(c) == CTL_TSV)
		ctl_printf(c, "%s\t%s\t%s\n", ok ? "admitted" : "refused", CTL_SHOW(reason),
		    CTL_SHOW(live));
	else
		print_people(c, ok, CTL_SHOW(reason), CTL_SHOW(live),
		    !json_is_false(json_object_get(verdict, "tokenNeeded")), q);
	json_decref(verdict);
	return ok ? CTL_DONE : CTL_REFUSED;
}

static int check_here(struct ctl *c, const struct question *q, struct sg_str token)
{
	struct sg_str app = sg_str_from(q->app), stream = sg_str_from(q->stream);
	enum sg_token_type type = (enum sg_token_type)q->type;
	struct sg_token t;
	bool needed;
	enum sg_reason verdict =
	    sg_gate_check_token(c->store, token, app, stream, type, c->now, &t);

	if (verdict == SG_OVERLOAD)
		return ctl_store_failed(c, "look the token up");
	const char *live = liveness[ctl_stream_is_live(c, app, stream)];
	int res = ctl_token_needed(c, app, stream, type, &needed);
	if (res != CTL_DONE)
		return res;
	return answer(c, q,
	    json_pack("{ss ss so so ss sb}", "verdict",
		verdict == SG_ADMITTED ? "admitted" : "refused", "reason", sg_reason_name(verdict),
		"id", ctl_json_id(t.id), "expireDate", ctl_json_time(t.expires_at), "streamLive",
		live, "tokenNeeded", (int)needed));
}

static int check_far(struct ctl *c, const struct question *q, struct sg_str token)
{
	json_t *verdict, *body = json_pack("{ss% ss ss ss}", "tokenId", token.p ? token.p : "",
			     token.len, "app", q->app, "streamId", q->stream, "type",
			     sg_token_type_name((enum sg_token_type)q->type));
	int res = ctl_call(c, "POST", "/api/v1/tokens/check", body, NULL, &verdict);

	ctl_json_drop(body);
	return res ? res : answer(c, q, verdict);
}

int ctl_check(struct ctl *c)
{
	struct question q = {"live", c->opt[OPT_STREAM], SG_PLAY};
	struct sg_buf token;
	int res;

	if (!q.stream)
		return ctl_fail(CTL_USAGE, "check wants to know for which stream: --stream STREAM");
	if ((res = ctl_check_stream(q.stream)) || (res = ctl_get_app(c, &q.app)) ||
	    (res = ctl_get_type(c, &q.type)) || (!c->remote && (res = ctl_open_store(c))))
		return res;
	res = ctl_secret_read(c->args[0], "token", &token);
	struct sg_str text = {(char *)token.p, token.len};
	if (res == CTL_DONE)
		res = c->remote ? check_far(c, &q, text) : check_here(c, &q, text);
	ctl_secret_free(&token);
	return res;
}
