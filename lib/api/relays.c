/* relays.c - the lines to servers elsewhere. */
#include "api/api_internal.h"

static json_t *relay_row(const struct sg_relay_info *i)
{
	return json_pack("{ss ss ss ss ss sI sI sI so}", "direction", i->push ? "push" : "pull",
	    "app", i->app, "streamId", i->stream, "url", i->url, "state",
	    sg_relay_state_name(i->state), "since", (json_int_t)(i->since_ms / 1000), "bytes",
	    (json_int_t)i->bytes, "failures", (json_int_t)i->attempts, "problem",
	    *i->problem ? json_string(i->problem) : json_null());
}

void api_relays_list(struct api_call *c)
{
	struct sg_relay_info *all = calloc(2 * SG_RELAYS_MAX, sizeof(*all));
	json_t *items = all ? json_array() : NULL;

	if (items && c->api->cfg.relay) {
		size_t n = sg_relay_list(c->api->cfg.relay, all, 2 * SG_RELAYS_MAX);
		for (size_t i = 0; i < n; i++)
			json_array_append_new(items, relay_row(&all[i]));
	}
	free(all);
	api_answer_list(c, items, NULL);
}
