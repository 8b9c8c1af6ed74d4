/* audit.c - the audit: reading it, and noting what an administrator did. */
#include "api/api_internal.h"

json_t *api_audit_row(const struct sg_audit *a)
{
	char time[SG_TIME_TEXT_SIZE];

	sg_time_format_ms(time, a->at_ms);
	return json_pack("{sI sI ss ss so so so ss so so so so so}", "seq", (json_int_t)a->seq,
	    "at", (json_int_t)a->at_ms, "time", time, "event", a->event, "reason",
	    api_json_text(a->reason), "app", api_json_text(a->app), "streamId",
	    api_json_text(a->stream), "type",
	    a->type ? sg_token_type_name((enum sg_token_type)a->type) : "", "protocol",
	    api_json_text(a->protocol), "address", api_json_text(a->address), "token",
	    api_json_id(a->token_id), "session", api_json_text(a->session), "detail",
	    api_json_text(a->detail));
}

static bool query_seq(struct api_call *c, const char *key, int64_t *out)
{
	struct sg_str text = api_query(c, key);
	uint64_t n = 0;

	*out = 0;
	if (text.p && (!sg_str_to_u64(text, INT64_MAX, &n) || !n)) {
		api_problem(c->req, 400, "'%s' must be the seq of an entry", key);
		return false;
	}
	*out = (int64_t)n;
	return true;
}

static bool query_filter(
    struct api_call *c, struct sg_audit_filter *f, int64_t *before, int64_t *after)
{
	*f = (struct sg_audit_filter){
	    .event = api_query(c, "event"), .reason = api_query(c, "reason")};
	if (!api_query_stream(c, &f->app, &f->stream) ||
	    !api_query_id(c, "tokenId", &f->token_id) || !api_query_id(c, "token", &f->token_id) ||
	    !query_seq(c, "cursor", before) || !query_seq(c, "after", after))
		return false;
	if (*before && *after) {
		api_problem(c->req, 400, "'cursor' and 'after' exclude each other");
		return false;
	}
	return true;
}

void api_audit_list(struct api_call *c)
{
	struct sg_audit_filter f;
	int64_t before, after;
	size_t limit, count = 0;
	char next[24] = "";

	if (!query_filter(c, &f, &before, &after) || !api_query_limit(c, API_PAGE, &limit))
		return;
	struct sg_audit *rows = calloc(limit + 1, sizeof(*rows));
	if (!rows) {
		api_problem(c->req, 500, "out of memory");
		return;
	}
	/* One more than asked for tells whether others follow. */
	if (sg_store_audit_list(c->store, &f, before, after, rows, limit + 1, &count) != SG_OK) {
		api_store_failed(c, "reading the audit");
		free(rows);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < count && i < limit; i++)
		json_array_append_new(items, api_audit_row(&rows[i]));
	if (count > limit)
		snprintf(next, sizeof(next), "%lld", (long long)rows[limit - 1].seq);
	free(rows);
	api_answer_list(c, items, next);
}

void api_audit(struct api_call *c, const struct api_act *act)
{
	struct sg_audit row = {.at_ms = sg_wall_ms(),
	    .token_id = act->token_id,
	    .type = (uint8_t)act->type,
	    .protocol = "api"};

	if (!sg_http_is_local(c->req))
		sg_addr_format(row.address, sg_http_peer(c->req));
	sg_str_copy(row.app, sizeof(row.app), act->app);
	sg_str_copy(row.stream, sizeof(row.stream), act->stream);
	snprintf(row.event, sizeof(row.event), "%s", act->event);
	if (act->session_id)
		sg_id_format(row.session, act->session_id);
	if (c->via == API_VIA_NOBODY)
		snprintf(row.detail, sizeof(row.detail), "%s", act->detail);
	else
		snprintf(row.detail, sizeof(row.detail), "%s%sby %s%s", act->detail,
		    *act->detail ? ", " : "", c->via == API_VIA_KEY ? "key " : "", c->who);
	if (act->reason)
		snprintf(row.reason, sizeof(row.reason), "%s", act->reason);
	sg_gate_audit(c->api->cfg.gate, &row);
}
