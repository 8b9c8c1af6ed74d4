/* preview.c - an administrator's look at a stream: WHEP, for which no token is asked, and which lasts no
 * longer than what let them in.
 *
 *   query thread: who asks ─▶ signal: SDP, the gate, the engine ─▶ 201
 *   five times a second, and when somebody signs out: does each owner's proof still hold? */
#include "api/api_internal.h"

_Static_assert(API_PROOF_SIZE <= SG_SIGNAL_OWNER_SIZE, "an owner is named by their proof");

void api_streams_preview(struct api_call *c)
{
	struct sg_api *api = c->api;
	char proof[API_PROOF_SIZE];

	if (!sg_gate_has_app(api->cfg.gate, sg_http_part(c->req, 0)) ||
	    !sg_stream_is_valid(sg_http_part(c->req, 1))) {
		api_problem(c->req, 404, "there is no such stream");
		return;
	}
	if (!api->cfg.signal) {
		api_problem(c->req, 501, "previews need WebRTC: see [webrtc] listen in the configuration");
		return;
	}
	api_proof_of(c, proof);
	sg_signal_preview(api->cfg.signal, c->req, proof);
	sg_wipe(proof, sizeof(proof));
	api_events_wake(api->events);
}

size_t api_previews_count(struct sg_api *api)
{
	struct sg_signal_stats stats = {0};

	if (api->cfg.signal)
		sg_signal_get_stats(api->cfg.signal, &stats);
	return stats.previews;
}

void api_previews_verify(struct sg_api *api, struct sg_store *store)
{
	char (*owners)[SG_SIGNAL_OWNER_SIZE];

	if (!api_previews_count(api) || !(owners = calloc(SG_SIGNAL_PREVIEWS_MAX, sizeof(*owners))))
		return;
	size_t n = sg_signal_preview_owners(api->cfg.signal, owners, SG_SIGNAL_PREVIEWS_MAX);
	for (size_t i = 0; i < n; i++)
		if (!api_proof_holds(api, store, owners[i]))
			sg_signal_end_previews(api->cfg.signal, owners[i]);
	sg_wipe(owners, SG_SIGNAL_PREVIEWS_MAX * sizeof(*owners));
	free(owners);
}
