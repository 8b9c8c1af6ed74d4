/* tokens.c - tokens: list, show, revoke, check. Their secrets are in token_create.c alone. */
#include "api/api_internal.h"

json_t *api_token(const struct sg_token *t, int64_t now)
{
	return json_pack("{so ss ss ss so sI sI sI sI so so so so so ss}", "id", api_json_id(t->id),
	    "streamId", t->stream, "app", t->app, "type", sg_token_type_name(t->type), "label",
	    api_json_text(t->label), "maxUses", (json_int_t)t->max_uses, "uses",
	    (json_int_t)t->uses, "resume", (json_int_t)t->resume_s, "createdAt",
	    (json_int_t)t->created_at, "createdBy", api_json_text(t->created_by), "firstUsedAt",
	    api_json_time(t->first_used_at), "lastUsedAt", api_json_time(t->last_used_at),
	    "revokedAt", api_json_time(t->revoked_at), "expireDate", api_json_time(t->expires_at),
	    "state", sg_token_state_name(sg_token_state(t, now)));
}

/* ---- list ---- */

static bool query_state(struct api_call *c, int *state)
{
	struct sg_str text = api_query(c, "state");

	*state = -1;
	if (!text.p || sg_str_is(text, "all"))
		return true;
	for (int s = SG_TOKEN_ACTIVE; s <= SG_TOKEN_REVOKED; s++)
		if (sg_str_is(text, sg_token_state_name((enum sg_token_state)s)))
			*state = s;
	if (*state >= 0)
		return true;
	api_problem(c->req, 400, "'state' must be active, used, expired, revoked or all");
	return false;
}

static bool query_filter(struct api_call *c, struct sg_token_filter *f)
{
	*f = (struct sg_token_filter){.search = api_query(c, "q")};
	if (!f->search.p)
		f->search = api_query(c, "search");
	if (!api_query_stream(c, &f->app, &f->stream) || !api_query_type(c, &f->type) ||
	    !query_state(c, &f->state))
		return false;
	if (f->stream.p && !f->app.p)
		f->app = SG_STR("live");
	return true;
}

void api_tokens_list(struct api_call *c)
{
	struct sg_token_filter f;
	size_t limit, count = 0;
	uint64_t before = 0, next = 0;
	char cursor[SG_ID_TEXT_SIZE] = "";
	bool more = false;

	if (!query_filter(c, &f) || !api_query_limit(c, API_PAGE, &limit) ||
	    !api_query_id(c, "cursor", &before))
		return;
	struct sg_token *rows = calloc(limit, sizeof(*rows));
	if (!rows) {
		api_problem(c->req, 500, "out of memory");
		return;
	}
	if (sg_store_token_list(c->store, &f, before, c->now, rows, limit, &count, &more, &next) !=
	    SG_OK) {
		api_store_failed(c, "listing tokens");
		free(rows);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(items, api_token(&rows[i], c->now));
	free(rows);
	if (more)
		sg_id_format(cursor, next);
	api_answer_list(c, items, cursor);
}

/* ---- one ---- */

/* The token that the path names; false: answered. What was sent is not repeated: it may be a secret
 * that somebody took for an id. */
static bool find_token(struct api_call *c, struct sg_token *out)
{
	uint64_t id;
	enum sg_result res = SG_ERR_NOT_FOUND;

	if (sg_id_parse(sg_http_part(c->req, 0), &id))
		res = sg_store_token_get(c->store, id, out);
	if (res == SG_ERR_NOT_FOUND)
		api_problem(
		    c->req, 404, "there is no such token: its id is asked for, not its secret");
	else if (res != SG_OK)
		api_store_failed(c, "reading a token");
	return res == SG_OK;
}

void api_tokens_show(struct api_call *c)
{
	struct sg_token t;

	if (find_token(c, &t))
		api_answer(c, 200, api_token(&t, c->now));
}

/* ---- revoke ---- */

static void answer_revoked(struct api_call *c, size_t revoked, size_t ended)
{
	/* This streamd has been dealt with; what else waits on the store's changes hears now. */
	sg_gate_poke(c->api->cfg.gate);
	api_answer(c, 200,
	    json_pack(
		"{sI sI}", "revoked", (json_int_t)revoked, "sessionsEnded", (json_int_t)ended));
}

/* Sessions are ended before the token as well as after it. Before, so that all of them are counted
 * here: the gate's own watch, which sees the change in the store, would race us for them. After, for
 * who came in between. */
void api_tokens_revoke(struct api_call *c)
{
	struct sg_gate *gate = c->api->cfg.gate;
	size_t revoked = 0, ended = 0;
	struct sg_token t;
	bool keep;

	if (!api_query_flag(c, "keepSessions", &keep) || !find_token(c, &t))
		return;
	struct sg_end_filter f = {.token_id = t.id};
	if (!keep)
		ended = sg_gate_end_sessions(gate, &f, SG_BYE_REVOKED);
	if (sg_store_token_revoke(c->store, t.id, keep, c->now, &revoked) != SG_OK) {
		api_store_failed(c, "revoking a token");
		return;
	}
	if (!keep)
		ended += sg_gate_end_sessions(gate, &f, SG_BYE_REVOKED);
	if (revoked)
		api_audit(c, &(struct api_act){.event = "revoked",
				 .token_id = t.id,
				 .app = sg_str_from(t.app),
				 .stream = sg_str_from(t.stream),
				 .type = (int)t.type,
				 .detail = keep ? "sessions kept" : ""});
	answer_revoked(c, revoked, ended);
}

void api_tokens_revoke_stream(struct api_call *c)
{
	size_t revoked = 0, ended = 0;
	struct sg_str app, stream;
	char detail[64];
	int type;
	bool keep;

	if (!api_query_stream(c, &app, &stream) || !api_query_type(c, &type) ||
	    !api_query_flag(c, "keepSessions", &keep))
		return;
	if (!stream.p) {
		api_problem(c->req, 400, "'streamId' is needed: whose tokens are to be revoked?");
		return;
	}
	if (!app.p)
		app = SG_STR("live");
	if (!keep)
		ended = api_end_token_sessions(c, app, stream, type);
	if (sg_store_token_revoke_stream(c->store, app, stream, type, keep, c->now, &revoked) !=
	    SG_OK) {
		api_store_failed(c, "revoking a stream's tokens");
		return;
	}
	if (!keep)
		ended += api_end_token_sessions(c, app, stream, type);
	snprintf(detail, sizeof(detail), "%zu token%s of the stream%s", revoked,
	    revoked == 1 ? "" : "s", keep ? ", sessions kept" : "");
	api_audit(c,
	    &(struct api_act){
		.event = "revoked", .app = app, .stream = stream, .type = type, .detail = detail});
	answer_revoked(c, revoked, ended);
}

/* ---- check ---- */

static const struct api_field check_fields[] = {
    {"tokenId", API_STRING}, {"app", API_STRING}, {"streamId", API_STRING}, {"type", API_STRING}};

static bool is_live(struct api_call *c, struct sg_str app, struct sg_str stream)
{
	struct sg_stream *s = sg_hub_find(c->api->cfg.hub, app, stream);
	bool live = s && sg_stream_is_live(s);

	sg_stream_unref(s);
	return live;
}

static void answer_check(
    struct api_call *c, struct sg_str token, struct sg_str app, struct sg_str stream, int type)
{
	struct sg_token t;
	enum sg_reason verdict =
	    sg_gate_check_token(c->store, token, app, stream, (enum sg_token_type)type, c->now, &t);

	if (verdict == SG_OVERLOAD) {
		api_store_failed(c, "checking a token");
		return;
	}
	api_answer(c, 200,
	    json_pack("{ss ss so so ss sb}", "verdict",
		verdict == SG_ADMITTED ? "admitted" : "refused", "reason", sg_reason_name(verdict),
		"id", api_json_id(t.id), "expireDate", api_json_time(t.expires_at), "streamLive",
		is_live(c, app, stream) ? "yes" : "no", "tokenNeeded",
		(int)sg_gate_needs_token(c->api->cfg.gate, app, stream, (enum sg_token_type)type)));
}

void api_tokens_check(struct api_call *c)
{
	json_t *body = api_body(c, check_fields, sizeof(check_fields) / sizeof(check_fields[0]));
	int type = SG_PLAY;

	if (!body)
		return;
	struct sg_str app = api_string(body, "app"), stream = api_string(body, "streamId");
	if (api_is_app(c, app) && api_is_stream(c, stream) &&
	    api_is_type(c, api_string(body, "type"), &type)) {
		if (!stream.p)
			api_problem(c->req, 400, "'streamId' is needed");
		else
			answer_check(c, api_string(body, "tokenId"), app.p ? app : SG_STR("live"),
			    stream, type);
	}
	api_json_drop(body);
}
