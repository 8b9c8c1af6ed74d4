/* compat_tokens.c - tokens as Ant Media's scripts know them: create, validate, list, revoke.
 *
 * Two things differ, since a token's secret is kept nowhere: only the creating answer has it, and
 * elsewhere `tokenId` is the token's id, which opens nothing. */
#include "api/compat_internal.h"

#define EXPIRE_DATE_MAX 253402300799999 /* the year 9999, even if it was written in milliseconds */
#define LIST_STEP 256
#define LIST_LOOK_MAX 100000 /* rows looked at for one page */

/* ---- shown ---- */

/* `shown`: the secret or the id. */
static json_t *token_object(
    struct api_call *c, const struct sg_token *t, const char *shown, struct sg_str room)
{
	json_t *o = json_pack("{ss ss sI ss so}", "tokenId", shown, "streamId", t->stream,
	    "expireDate", (json_int_t)t->expires_at, "type", sg_token_type_name(t->type), "id",
	    api_json_id(t->id));

	/* Told back to who named it, no more. */
	json_t *told = room.len ? json_stringn(room.p, room.len) : NULL;
	if (!compat_is_v1(c))
		json_object_set_new(o, "roomId", told ? told : json_null());
	else
		json_decref(told);
	return o;
}

static json_t *listed_object(struct api_call *c, const struct sg_token *t)
{
	char id[SG_ID_TEXT_SIZE];

	sg_id_format(id, t->id);
	json_t *o = token_object(c, t, id, (struct sg_str){0});
	json_object_set_new(o, "label", api_json_text(t->label));
	json_object_set_new(o, "maxUses", json_integer(t->max_uses));
	json_object_set_new(o, "uses", json_integer(t->uses));
	json_object_set_new(
	    o, "state", json_string(sg_token_state_name(sg_token_state(t, c->now))));
	return o;
}

/* ---- create ---- */

/* A parameter that is a whole number, perhaps negative; absent leaves *out. */
static bool query_integer(struct api_call *c, const char *key, int64_t *out)
{
	struct sg_str text = api_query(c, key);
	bool negative = text.len > 1 && *text.p == '-';
	uint64_t n;

	if (!text.p)
		return true;
	if (negative)
		text.p++, text.len--;
	if (!sg_str_to_u64(text, INT64_MAX, &n))
		return false;
	*out = negative ? -(int64_t)n : (int64_t)n;
	return true;
}

/* Version 1 creates whatever it is given: nothing and 0 mean the application's own lifetime. A date
 * that is past is refused when the token is used. */
static bool take_expiry(struct api_call *c, struct sg_token *model)
{
	struct sg_app_config app = {.token_lifetime_ms = 86400000};
	int64_t date = 0;

	if (!query_integer(c, "expireDate", &date)) {
		compat_result(c, 404, false, "expireDate is a whole number of Unix seconds", NULL);
		return false;
	}
	if (date > EXPIRE_DATE_MAX) {
		compat_result(c, 400, false, "expireDate is too far away", NULL);
		return false;
	}
	if (!compat_is_v1(c) && date <= 0) {
		compat_result(
		    c, 400, false, "stream id, token type and expire date are needed", NULL);
		return false;
	}
	if (!date) {
		api_app_config(c->api, compat_of(c)->app, &app);
		date = c->now + (app.token_lifetime_ms + 999) / 1000;
	}
	model->expires_at = date > 0 ? date : 1;
	return true;
}

static bool take_model(struct api_call *c, struct sg_str stream, struct sg_token *model)
{
	*model = (struct sg_token){.max_uses = 1};
	if (!compat_is_stream(c, stream) || !take_expiry(c, model))
		return false;
	if (!sg_token_type_parse(api_query(c, "type"), &model->type)) {
		compat_result(c, 400, false, "type must be play or publish", NULL);
		return false;
	}
	sg_str_copy(model->app, sizeof(model->app), compat_of(c)->app);
	sg_str_copy(model->stream, sizeof(model->stream), stream);
	compat_who(c, model->created_by);
	return true;
}

static void answer_created(struct api_call *c, struct sg_token *t, const struct sg_token_key *key)
{
	char secret[SG_TOKEN_TEXT_SIZE];

	t->id = key->id;
	sg_token_format(secret, key);
	api_answer(c, 200, token_object(c, t, secret, api_query(c, "roomId")));
	sg_wipe(secret, sizeof(secret));
}

void compat_token_create(struct api_call *c)
{
	struct sg_str stream = compat_is_v1(c) ? api_query(c, "id") : compat_of(c)->parts[0];
	struct sg_token_key key;
	struct sg_token t;

	if (!stream.len) {
		compat_nothing(c, 204);
		return;
	}
	if (!take_model(c, stream, &t))
		return;
	if (sg_http_method(c->req) == SG_HTTP_HEAD) { /* nobody would see it */
		compat_nothing(c, 200);
		return;
	}
	if (sg_store_token_create(c->store, &t, c->now, &key, 1) == SG_OK)
		answer_created(c, &t, &key);
	else
		compat_store_failed(c, "making a token");
	sg_wipe(&key, sizeof(key));
}

void compat_token_jwt(struct api_call *c)
{
	compat_result(c, 400, false, "JWT tokens are not offered: ask for a one-time token", NULL);
}

/* ---- validate: an admission to something that somebody else serves ---- */

static const char *refusal_of(enum sg_spend_result r)
{
	static const enum sg_reason reasons[] = {
	    [SG_SPEND_UNKNOWN] = SG_UNKNOWN_TOKEN,
	    [SG_SPEND_WRONG_STREAM] = SG_WRONG_STREAM,
	    [SG_SPEND_WRONG_TYPE] = SG_WRONG_TYPE,
	    [SG_SPEND_REVOKED] = SG_REVOKED,
	    [SG_SPEND_EXPIRED] = SG_EXPIRED,
	    [SG_SPEND_USED] = SG_USED,
	    [SG_SPEND_FAILED] = SG_OVERLOAD,
	};
	return sg_reason_name(reasons[r]);
}

/* One use, in one transaction with its row in the audit; exactly one of all who try has it. The
 * stream need not be live here: it may be another server's. */
static enum sg_spend_result spend(struct api_call *c, const struct sg_token_key *key,
    struct sg_str stream, enum sg_token_type type)
{
	struct sg_audit row;
	struct sg_spend wish = {.key = *key,
	    .app = compat_of(c)->app,
	    .stream = stream,
	    .type = type,
	    .now = c->now,
	    .audit = &row,
	    .result = SG_SPEND_FAILED};
	struct sg_spend *wishes[] = {&wish};

	compat_audit_row(c, &row, "admitted", stream, (int)type, "validated");
	row.token_id = key->id;
	if (sg_store_spend(c->store, wishes, 1, NULL, 0) != SG_OK)
		sg_log_limited(
		    SG_LOG_ERROR, "api: validating a token: %s", sg_store_error(c->store));
	sg_wipe(&wish.key, sizeof(wish.key));
	return wish.result;
}

static void note_refusal(struct api_call *c, const struct sg_token_key *key, struct sg_str stream,
    enum sg_token_type type, enum sg_spend_result why)
{
	struct sg_audit row;

	compat_audit_row(c, &row, "refused", stream, (int)type, "validated");
	if (why != SG_SPEND_UNKNOWN)
		row.token_id = key->id;
	snprintf(row.reason, sizeof(row.reason), "%s", refusal_of(why));
	sg_gate_audit(c->api->cfg.gate, &row);
}

static void answer_validated(struct api_call *c, uint64_t id)
{
	struct sg_token t;

	if (!compat_is_v1(c))
		compat_result(c, 200, true, NULL, NULL);
	else if (sg_store_token_get(c->store, id, &t) == SG_OK)
		api_answer(c, 200, listed_object(c, &t));
	else
		compat_store_failed(c, "reading a token");
}

static void answer_invalid(struct api_call *c)
{
	if (compat_is_v1(c))
		compat_nothing(c, 204);
	else
		compat_result(c, 200, false, NULL, NULL);
}

/* A wrong token costs the caller nothing: who may call this may make tokens, and has no need to guess; and a
 * server that asks for all its viewers is not to be shut out by one of them. */
void compat_token_validate(struct api_call *c)
{
	json_t *body = compat_body(c);
	enum sg_spend_result result = SG_SPEND_UNKNOWN;
	struct sg_token_key key = {0};
	enum sg_token_type type;

	if (!body)
		return;
	/* A room in it is not looked at: it would open every stream of the type to any token. */
	struct sg_str stream = api_string(body, "streamId");
	if (!sg_stream_is_valid(stream) || !sg_token_type_parse(api_string(body, "type"), &type)) {
		answer_invalid(c);
	} else {
		if (sg_token_parse(api_string(body, "tokenId"), &key))
			result = spend(c, &key, stream, type);
		if (result == SG_SPENT) {
			answer_validated(c, key.id);
		} else {
			note_refusal(c, &key, stream, type, result);
			if (result == SG_SPEND_FAILED)
				compat_result(c, 503, false, "the store does not answer", NULL);
			else
				answer_invalid(c);
		}
	}
	sg_wipe(&key, sizeof(key));
	api_json_drop(body);
}

/* ---- list ---- */

/* To Ant Media a token that was used up or revoked is not there any more, an expired one is. */
static bool is_there(const struct sg_token *t, int64_t now)
{
	enum sg_token_state s = sg_token_state(t, now);

	return s == SG_TOKEN_ACTIVE || s == SG_TOKEN_EXPIRED;
}

/* Newest first. Appends to `items` what is there after `offset` of it, at most `size`. */
static enum sg_result list_tokens(
    struct api_call *c, struct sg_str stream, size_t offset, size_t size, json_t *items)
{
	struct sg_token_filter f = {.app = compat_of(c)->app, .stream = stream, .state = -1};
	struct sg_token *rows = calloc(LIST_STEP, sizeof(*rows));
	enum sg_result res = rows ? SG_OK : SG_ERR_NO_MEMORY;
	uint64_t before = 0, next = 0;
	bool more = rows != NULL;

	for (size_t looked = 0; more && looked < LIST_LOOK_MAX && size; before = next) {
		size_t count = 0;
		res = sg_store_token_list(
		    c->store, &f, before, c->now, rows, LIST_STEP, &count, &more, &next);
		if (res != SG_OK)
			break;
		looked += count ? count : LIST_LOOK_MAX;
		for (size_t i = 0; i < count && size; i++) {
			if (!is_there(&rows[i], c->now))
				continue;
			if (offset) {
				offset--;
				continue;
			}
			json_array_append_new(items, listed_object(c, &rows[i]));
			size--;
		}
	}
	free(rows);
	return res;
}

void compat_tokens_list(struct api_call *c)
{
	struct sg_str stream = compat_of(c)->parts[0];
	size_t offset, size;

	if (!compat_page(c, 1, &offset, &size))
		return;
	json_t *items = json_array();
	/* What is no stream id has no tokens. */
	if (items && sg_stream_is_valid(stream) &&
	    list_tokens(c, stream, offset, size, items) != SG_OK) {
		json_decref(items);
		compat_store_failed(c, "listing tokens");
		return;
	}
	api_answer(c, 200, items);
}

/* ---- revoke ---- */

/* As the native call does (tokens.c): the sessions before the tokens, and once more after. *ended
 * counts them. */
static enum sg_result revoke(struct api_call *c, struct sg_str stream, bool keep, size_t *ended)
{
	struct sg_str app = compat_of(c)->app;
	size_t revoked = 0;
	struct sg_audit row;
	char detail[64];

	*ended = keep ? 0 : api_end_token_sessions(c, app, stream, 0);
	enum sg_result res =
	    sg_store_token_revoke_stream(c->store, app, stream, 0, keep, c->now, &revoked);
	if (res != SG_OK)
		return res;
	if (!keep)
		*ended += api_end_token_sessions(c, app, stream, 0);
	sg_gate_poke(c->api->cfg.gate);
	snprintf(detail, sizeof(detail), "%zu token%s of the stream%s", revoked,
	    revoked == 1 ? "" : "s", keep ? ", sessions kept" : "");
	compat_audit_row(c, &row, "revoked", stream, 0, detail);
	sg_gate_audit(c->api->cfg.gate, &row);
	return SG_OK;
}

/* `success`: a token that a list would have shown, or somebody that one had let in, is gone. */
void compat_tokens_revoke(struct api_call *c)
{
	struct sg_str stream = compat_is_v1(c) ? api_query(c, "id") : compat_of(c)->parts[0];
	bool keep = sg_str_is(api_query(c, "keepSessions"), "true");
	size_t ended;

	if (!sg_stream_is_valid(stream)) {
		compat_result(c, 200, false, "there is no such stream", NULL);
		return;
	}
	json_t *there = json_array();
	enum sg_result res = there ? list_tokens(c, stream, 0, 1, there) : SG_ERR_NO_MEMORY;
	bool any = json_array_size(there) > 0;
	json_decref(there);
	if (res == SG_OK)
		res = revoke(c, stream, keep, &ended);
	if (res != SG_OK)
		compat_store_failed(c, "revoking a stream's tokens");
	else
		compat_result(c, 200, any || ended, NULL, NULL);
}
