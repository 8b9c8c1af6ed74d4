/* revoke.c - tokenctl revoke: ends tokens, and (in streamd, within a second) their sessions. */
#include "tokenctl.h"
#include <stdio.h>

static int report(struct ctl *c, size_t revoked)
{
	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_pack("{sI}", "revoked", (json_int_t)revoked));
	else if (ctl_format(c) == CTL_TSV)
		ctl_printf(c, "%zu\n", revoked);
	else
		ctl_printf(c, "%zu token%s revoked\n", revoked, revoked == 1 ? "" : "s");
	return CTL_DONE;
}

/* ---- another machine's ---- */

static int revoke_far(const struct ctl *c, struct sg_buf *path, const char *missing, size_t *total)
{
	json_t *answer;
	int res;

	ctl_add_query(path, "keepSessions", c->opt[OPT_KEEP_SESSIONS] ? "true" : "");
	sg_buf_put_u8(path, 0);
	if (path->failed)
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	if ((res = ctl_call(c, "DELETE", (char *)path->p, NULL, missing, &answer)) != CTL_DONE)
		return res;
	*total += (size_t)json_integer_value(json_object_get(answer, "revoked"));
	json_decref(answer);
	return CTL_DONE;
}

static int revoke_stream_far(const struct ctl *c, const char *app, size_t *total)
{
	struct sg_buf path;

	sg_buf_init(&path, 2048);
	sg_buf_puts(&path, "/api/v1/tokens");
	ctl_add_query(&path, "app", app);
	ctl_add_query(&path, "streamId", c->opt[OPT_STREAM]);
	ctl_add_query(&path, "type", c->opt[OPT_TYPE]);
	int res = revoke_far(c, &path, NULL, total);
	sg_buf_reset(&path);
	return res;
}

static int revoke_one_far(const struct ctl *c, uint64_t id, size_t *total)
{
	char text[SG_ID_TEXT_SIZE];
	struct sg_buf path;

	sg_id_format(text, id);
	sg_buf_init(&path, 256);
	sg_buf_printf(&path, "/api/v1/tokens/%s", text);
	int res = revoke_far(c, &path, "", total);
	sg_buf_reset(&path);
	return res == CTL_UNKNOWN ? ctl_no_such_token(text) : res;
}

/* ---- here ---- */

static int revoke_stream(struct ctl *c, bool keep)
{
	const char *app = "live", *stream = c->opt[OPT_STREAM];
	size_t revoked = 0;
	int type = 0, res;

	if (c->arg_count)
		return ctl_fail(CTL_USAGE, "token ids and --stream exclude each other: choose one");
	if ((res = ctl_check_stream(stream)) || (res = ctl_get_app(c, &app)) ||
	    (res = ctl_get_type(c, &type)))
		return res;
	if (c->remote)
		return (res = revoke_stream_far(c, app, &revoked)) ? res : report(c, revoked);
	if ((res = ctl_open_store(c)))
		return res;
	if (sg_store_token_revoke_stream(c->store, sg_str_from(app), sg_str_from(stream), type,
		keep, c->now, &revoked) != SG_OK)
		return ctl_store_failed(c, "revoke the tokens");
	char detail[64];
	snprintf(detail, sizeof(detail), "%zu token%s of the stream%s", revoked,
	    revoked == 1 ? "" : "s", keep ? ", sessions kept" : "");
	ctl_audit(c, "revoked", NULL, sg_str_from(app), sg_str_from(stream), type, detail);
	return report(c, revoked);
}

/* One after the other: an unknown id does not save those that follow it. */
static int revoke_one(struct ctl *c, char *arg, bool keep, size_t *total)
{
	struct sg_token t;
	size_t revoked = 0;
	int res = ctl_find_token(c, arg, &t);

	if (res != CTL_DONE)
		return res;
	if (c->remote)
		return revoke_one_far(c, t.id, total);
	if (sg_store_token_revoke(c->store, t.id, keep, c->now, &revoked) != SG_OK)
		return ctl_store_failed(c, "revoke the token");
	if (revoked)
		ctl_audit(c, "revoked", &t, sg_str_from(t.app), sg_str_from(t.stream), (int)t.type,
		    keep ? "sessions kept" : "");
	*total += revoked;
	return CTL_DONE;
}

int ctl_revoke(struct ctl *c)
{
	bool keep = c->opt[OPT_KEEP_SESSIONS] != NULL;
	size_t total = 0;
	int res, worst = CTL_DONE;

	if (c->opt[OPT_STREAM])
		return revoke_stream(c, keep);
	if (!c->arg_count)
		return ctl_fail(
		    CTL_USAGE, "revoke wants to know which: give token ids, or --stream STREAM");
	if (c->opt[OPT_TYPE] || c->opt[OPT_APP])
		return ctl_fail(
		    CTL_USAGE, "--app and --type go with --stream: leave them out for token ids");
	if (!c->remote && (res = ctl_open_store(c)) != CTL_DONE)
		return res;
	for (int i = 0; i < c->arg_count && !ctl_interrupted(); i++)
		if ((res = revoke_one(c, c->args[i], keep, &total)) != CTL_DONE)
			worst = res;
	report(c, total);
	return worst;
}
