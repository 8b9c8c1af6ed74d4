/* create.c - tokenctl create: the one place where a token's secret is shown. */
#include "tokenctl.h"
#include "api/urls.h"
#include "base/clock.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT_MAX 10000000
#define BATCH 10000 /* what the store takes at a time; uses get through in between */
#define LIFETIME_MAX_S (100ll * 365 * 86400)
#define RESUME_MAX_S 86400

static const struct ctl_column columns[] = {
    {"tokenId", "token", CTL_TEXT, 0, 0},
    {"id", "id", CTL_TEXT, 0, 0},
    {"app", "app", CTL_TEXT, 0, 0},
    {"streamId", "stream", CTL_TEXT, 0, 0},
    {"type", "type", CTL_TEXT, 0, 0},
    {"maxUses", "sessions", CTL_TEXT, 0, 0},
    {"expireDate", "expires", CTL_TIME, 0, 0},
    {"label", NULL, CTL_TEXT, 0, 0},
};

static const struct ctl_column columns_of_many[] = {
    {"tokenId", "TOKEN", CTL_TEXT, SG_TOKEN_TEXT_SIZE - 1, 0},
    {"id", "ID", CTL_TEXT, SG_ID_TEXT_SIZE - 1, 0},
};

/* 0: the server's application says (`app` is NULL with --url). */
static int get_expiry(struct ctl *c, const struct sg_app_config *app, int64_t *out)
{
	const char *at = c->opt[OPT_EXPIRES_AT];
	int64_t lifetime_s = app ? (app->token_lifetime_ms + 999) / 1000 : 0;

	if (at && c->opt[OPT_EXPIRES])
		return ctl_fail(
		    CTL_USAGE, "--expires and --expires-at exclude each other: choose one");
	int res = ctl_get_duration(c, OPT_EXPIRES, 1, LIFETIME_MAX_S, &lifetime_s);
	if (res != CTL_DONE)
		return res;
	*out = lifetime_s ? c->now + lifetime_s : 0;
	if (!at)
		return CTL_DONE;
	if (!sg_time_parse(sg_str_from(at), out))
		return ctl_fail(CTL_USAGE,
		    "--expires-at cannot be '%s': use a time such as 2030-01-31T18:00:00Z, or Unix "
		    "seconds",
		    CTL_SHOW(at));
	if (*out <= c->now)
		return ctl_fail(
		    CTL_USAGE, "--expires-at %s is past: use a time to come", CTL_SHOW(at));
	if (*out > c->now + LIFETIME_MAX_S)
		return ctl_fail(CTL_USAGE, "--expires-at %s is over a hundred years away: use less",
		    CTL_SHOW(at));
	return CTL_DONE;
}

/* What all new tokens have in common. */
static int get_model(struct ctl *c, struct sg_token *model, uint64_t *count)
{
	const char *app = "live";
	int type = SG_PLAY, res;
	uint64_t max_uses = 1;
	int64_t resume_s = 0;

	*model = (struct sg_token){.created_by = "tokenctl"};
	if ((res = ctl_check_stream(c->args[0])) || (res = ctl_get_app(c, &app)) ||
	    (res = ctl_get_type(c, &type)) ||
	    (res = ctl_get_number(c, OPT_MAX_USES, 1, SG_MAX_USES_MAX, &max_uses)) ||
	    (res = ctl_get_number(c, OPT_COUNT, 1, COUNT_MAX, count)) ||
	    (res = ctl_get_duration(c, OPT_RESUME, 1, RESUME_MAX_S, &resume_s)) ||
	    (res = ctl_get_label(c, model->label)) ||
	    (res = get_expiry(
		 c, c->cfg ? sg_config_app(c->cfg, sg_str_from(app)) : NULL, &model->expires_at)))
		return res;
	snprintf(model->app, sizeof(model->app), "%s", app);
	snprintf(model->stream, sizeof(model->stream), "%s", c->args[0]);
	model->type = (enum sg_token_type)type;
	model->max_uses = (uint32_t)max_uses;
	model->resume_s = (uint32_t)resume_s;
	return CTL_DONE;
}

/* The object that the REST interface answers with, too. */
static json_t *new_token(
    struct ctl *c, const struct sg_token *model, const struct sg_token_key *key)
{
	struct sg_token t = *model;
	char text[SG_TOKEN_TEXT_SIZE];

	t.id = key->id;
	t.created_at = c->now;
	sg_token_format(text, key);
	json_t *object = ctl_json_token(c, &t);
	if (object) {
		json_object_set_new(object, "tokenId", json_string(text));
		json_object_set_new(object, "urls",
		    api_urls(c->cfg, NULL,
			(struct api_served){
			    .rtmp = c->cfg->rtmp_listen.count || c->cfg->rtmp_tls_listen.count,
			    .srt = c->cfg->srt_listen.count,
			    .webrtc = c->cfg->webrtc_listen.count},
			&t, text));
	}
	sg_wipe(text, sizeof(text));
	return object;
}

static bool print_bare(struct ctl *c, const struct sg_token_key *key)
{
	char text[SG_TOKEN_TEXT_SIZE];

	sg_token_format(text, key);
	bool ok = ctl_printf(c, "%s\n", text);
	sg_wipe(text, sizeof(text));
	return ok;
}

static void print_batch(struct ctl *c, const struct sg_token *model, struct ctl_rows *rows,
    const struct sg_token_key *keys, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count && ok; i++)
		ok = rows ? ctl_rows_add(rows, new_token(c, model, &keys[i]))
			  : print_bare(c, &keys[i]);
	ctl_flush(c);
}

/* Tokens whose secrets could not be written are of no use to anyone. */
static int tokens_lost(struct ctl *c, const struct sg_token *model)
{
	int why = c->out_error;

	c->out_error = 0;
	return ctl_fail(CTL_FAILED,
	    "cannot write out the tokens made: %s: end them with 'tokenctl revoke --stream %s "
	    "--app %s'",
	    strerror(why), model->stream, model->app);
}

static int token_lost(struct ctl *c, const char *id)
{
	int why = c->out_error;

	c->out_error = 0;
	return ctl_fail(CTL_FAILED,
	    "cannot write out the token made: %s: end it with 'tokenctl revoke %s'", strerror(why),
	    id);
}

static int create_batches(struct ctl *c, const struct sg_token *model, uint64_t count,
    struct ctl_rows *rows, struct sg_token_key *keys)
{
	struct ctl_progress progress;
	int status = CTL_DONE;

	ctl_progress_start(&progress, c);
	progress.on = progress.on && !c->out_tty; /* there, the tokens themselves show it */
	for (uint64_t done = 0; done < count && status == CTL_DONE && !ctl_interrupted();) {
		size_t n = count - done < BATCH ? (size_t)(count - done) : BATCH;
		if (sg_store_token_create(c->store, model, c->now, keys, n) != SG_OK) {
			status = ctl_store_failed(c, "make the tokens");
			break;
		}
		print_batch(c, model, rows, keys, n);
		sg_wipe(keys, n * sizeof(*keys));
		if (c->out_error)
			status = tokens_lost(c, model);
		done += n;
		ctl_progress_show(&progress, "tokens made:", done, count);
	}
	ctl_progress_end(&progress);
	return status;
}

static int create_many(struct ctl *c, const struct sg_token *model, uint64_t count)
{
	bool quiet = c->opt[OPT_QUIET] && !c->opt[OPT_JSON];
	struct ctl_rows *rows = quiet ? NULL : ctl_rows_open(c, columns_of_many, 2, false);
	struct sg_token_key *keys = calloc(count < BATCH ? (size_t)count : BATCH, sizeof(*keys));
	int status = CTL_FAILED;

	if (keys && (quiet || rows))
		status = create_batches(c, model, count, rows, keys);
	else if (!keys)
		ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	free(keys);
	if (rows)
		ctl_rows_close(rows, NULL);
	return status;
}

/* Takes the token, its secret in it. */
static int print_one(struct ctl *c, json_t *token)
{
	int status = CTL_DONE;

	if (!token)
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	if (c->opt[OPT_QUIET] && !c->opt[OPT_JSON])
		ctl_printf(c, "%s\n", ctl_json_get(token, "tokenId"));
	else
		status = ctl_print_record(
		    c, columns, sizeof(columns) / sizeof(columns[0]), json_incref(token));
	if (c->opt[OPT_QR] && status == CTL_DONE)
		status = ctl_print_qr(c, json_object_get(token, "urls"));
	ctl_json_drop(token);
	return status;
}

static int create_one(struct ctl *c, const struct sg_token *model)
{
	struct sg_token_key key;

	if (sg_store_token_create(c->store, model, c->now, &key, 1) != SG_OK)
		return ctl_store_failed(c, "make the token");
	char id[SG_ID_TEXT_SIZE];
	sg_id_format(id, key.id);
	int status = print_one(c, new_token(c, model, &key));
	sg_wipe(&key, sizeof(key));
	if (!ctl_flush(c))
		return token_lost(c, id);
	return status;
}

/* ---- another machine's ---- */

#define FAR_BATCH 1000 /* what the REST interface makes at a time */

static json_t *order(const struct ctl *c, const struct sg_token *model, uint64_t count)
{
	json_t *o = json_pack("{ss ss ss sI ss}", "app", model->app, "streamId", model->stream,
	    "type", sg_token_type_name(model->type), "maxUses", (json_int_t)model->max_uses,
	    "label", model->label);

	if (model->expires_at && c->opt[OPT_EXPIRES_AT])
		json_object_set_new(o, "expireDate", json_integer(model->expires_at));
	else if (model->expires_at)
		json_object_set_new(o, "expiresIn", json_integer(model->expires_at - c->now));
	if (model->resume_s)
		json_object_set_new(o, "resume", json_integer(model->resume_s));
	if (count > 1)
		json_object_set_new(o, "count", json_integer((json_int_t)count));
	return o;
}

static bool print_far(struct ctl *c, struct ctl_rows *rows, json_t *token)
{
	if (rows)
		return ctl_rows_add(rows, json_incref(token));
	return ctl_printf(c, "%s\n", ctl_json_get(token, "tokenId"));
}

static int order_batch(
    struct ctl *c, const struct sg_token *model, struct ctl_rows *rows, uint64_t count)
{
	json_t *answer, *body = order(c, model, count), *token;
	int status = ctl_call(c, "POST", "/api/v1/tokens", body, NULL, &answer);
	json_t *items = json_object_get(answer, "items");
	size_t i;

	json_decref(body);
	if (status != CTL_DONE)
		return status;
	if (!items)
		print_far(c, rows, answer);
	json_array_foreach(items, i, token) if (!print_far(c, rows, token)) break;
	ctl_flush(c);
	ctl_json_drop(answer);
	return c->out_error ? tokens_lost(c, model) : CTL_DONE;
}

static int order_many(struct ctl *c, const struct sg_token *model, uint64_t count)
{
	bool quiet = c->opt[OPT_QUIET] && !c->opt[OPT_JSON];
	struct ctl_rows *rows = quiet ? NULL : ctl_rows_open(c, columns_of_many, 2, false);
	struct ctl_progress progress;
	int status = quiet || rows ? CTL_DONE : CTL_FAILED;

	ctl_progress_start(&progress, c);
	progress.on = progress.on && !c->out_tty;
	for (uint64_t done = 0; done < count && status == CTL_DONE && !ctl_interrupted();) {
		uint64_t n = count - done < FAR_BATCH ? count - done : FAR_BATCH;
		status = order_batch(c, model, rows, n);
		done += n;
		ctl_progress_show(&progress, "tokens made:", done, count);
	}
	ctl_progress_end(&progress);
	if (rows)
		ctl_rows_close(rows, NULL);
	return status;
}

static int order_one(struct ctl *c, const struct sg_token *model)
{
	json_t *answer, *body = order(c, model, 1);
	int status = ctl_call(c, "POST", "/api/v1/tokens", body, NULL, &answer);
	char id[SG_ID_TEXT_SIZE];

	json_decref(body);
	snprintf(id, sizeof(id), "%s", ctl_json_get(answer, "id"));
	if (status == CTL_DONE)
		status = print_one(c, answer);
	return ctl_flush(c) ? status : token_lost(c, id);
}

/* What the drawing would spoil, or be of no use to. */
static int check_qr(const struct ctl *c)
{
	if (!c->opt[OPT_QR])
		return CTL_DONE;
	if (c->opt[OPT_JSON] || c->opt[OPT_QUIET])
		return ctl_fail(CTL_USAGE,
		    "--qr draws for people, --json and --quiet are for programs: choose one");
	if (c->opt[OPT_COUNT])
		return ctl_fail(CTL_USAGE, "--qr draws one token: leave --count out");
	return CTL_DONE;
}

int ctl_create(struct ctl *c)
{
	struct sg_token model;
	uint64_t count = 1;
	int res;

	if ((res = check_qr(c)) || (res = get_model(c, &model, &count)))
		return res;
	if (c->remote)
		return c->opt[OPT_COUNT] ? order_many(c, &model, count) : order_one(c, &model);
	if ((res = ctl_open_store(c)))
		return res;
	return c->opt[OPT_COUNT] ? create_many(c, &model, count) : create_one(c, &model);
}
