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

/* A filter may fit few rows or none, and no index leads to them: a search goes by steps, in between which
 * the query thread serves others. */
#define SPAN 20000

struct search {
	struct api_call *call;
	struct sg_audit_filter filter;
	int64_t before, after; /* one of them is 0 */
	int64_t newest, oldest; /* seqs when it began */
	size_t limit, count;
	struct sg_audit rows[]; /* limit + 1: the one more tells whether others follow */
};

static void answer_search(struct search *s)
{
	json_t *items = json_array();
	char next[24] = "";

	for (size_t i = 0; i < s->count && i < s->limit; i++)
		json_array_append_new(items, api_audit_row(&s->rows[i]));
	if (s->count > s->limit)
		snprintf(next, sizeof(next), "%lld", (long long)s->rows[s->limit - 1].seq);
	api_answer_list(s->call, items, next);
}

static void end_search(struct search *s)
{
	free(s->call);
	free(s);
}

/* The ends of what there is. With `after` the list does not tell of row 1, which is as well. */
static enum sg_result find_ends(struct search *s, struct sg_store *store)
{
	const struct sg_audit_filter all = {0};
	size_t count;
	enum sg_result res = sg_store_audit_list(store, &all, 0, 0, s->rows, 1, &count);

	s->newest = res == SG_OK && count ? s->rows->seq : 0;
	if (res == SG_OK)
		res = sg_store_audit_list(store, &all, 0, 1, s->rows, 1, &count);
	s->oldest = res == SG_OK && count ? s->rows->seq : s->newest;
	if (s->after && s->after < s->oldest)
		s->after = s->oldest - 1 > 0 ? s->oldest - 1 : 1;
	return res;
}

static enum sg_result step(struct search *s, struct sg_store *store, bool *done)
{
	size_t count = 0;
	enum sg_result res = sg_store_audit_list(store, &s->filter, s->before, s->after,
	    s->rows + s->count, s->limit + 1 - s->count, &count);

	s->count += count;
	if (s->after)
		s->after = s->after < s->newest ? s->after + SPAN : s->newest;
	else
		s->before = (s->before && s->before <= s->newest ? s->before : s->newest + 1) - SPAN;
	*done = s->count > s->limit || (s->after ? s->after >= s->newest : s->before < s->oldest);
	return res;
}

/* On the query thread. */
static void go_on(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct search *s = user;
	bool done = false;

	s->call->store = store;
	if (step(s, store, &done) != SG_OK)
		api_store_failed(s->call, "reading the audit");
	else if (done)
		answer_search(s);
	else if (sg_gate_query(gate, go_on, s))
		return;
	else
		api_try_later(s->call->req, 503, 1, "too many calls at a time: try again in a second");
	end_search(s);
}

void api_audit_list(struct api_call *c)
{
	struct sg_audit_filter f;
	int64_t before, after;
	size_t limit;

	if (!query_filter(c, &f, &before, &after) || !api_query_limit(c, API_PAGE, &limit))
		return;
	f.span = SPAN;
	struct search *s = calloc(1, sizeof(*s) + (limit + 1) * sizeof(s->rows[0]));
	if (!s) {
		api_problem(c->req, 500, "out of memory");
		return;
	}
	s->filter = f;
	s->before = before;
	s->after = after;
	s->limit = limit;
	if (find_ends(s, c->store) != SG_OK) {
		api_store_failed(c, "reading the audit");
		free(s);
	} else if (!(s->call = api_call_keep(c))) {
		free(s);
	} else {
		go_on(s, c->api->cfg.gate, c->store);
	}
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
