/* preview.c - an administrator's look at a stream: WHEP without a token, for the API, which knows who they
 * are and says when they are nobody any more. */
#include "signal/whip_internal.h"
#include <utlist.h>

void sg_signal_preview(struct sg_signal *sig, struct sg_http_request *req, const char *owner)
{
	(sg_http_method(req) == SG_HTTP_POST ? whip_post : whip_session)(req, &sig->preview, owner);
}

/* ---- on each loop in turn ---- */

struct owners {
	struct signal_lane *lane;
	char (*out)[SG_SIGNAL_OWNER_SIZE];
	size_t count, max;
};

static bool has(const struct owners *o, const char *owner)
{
	for (size_t i = 0; i < o->count; i++)
		if (!strcmp(o->out[i], owner))
			return true;
	return false;
}

static void collect(void *user)
{
	struct owners *o = user;
	struct signal_resource *r;

	DL_FOREACH (o->lane->resources, r)
		if (r->way->by_admin && o->count < o->max && !has(o, r->owner))
			memcpy(o->out[o->count++], r->owner, SG_SIGNAL_OWNER_SIZE);
}

size_t sg_signal_preview_owners(struct sg_signal *sig, char (*out)[SG_SIGNAL_OWNER_SIZE], size_t max)
{
	struct owners o = { .out = out, .max = max };

	for (size_t i = 0; i < sig->lane_count; i++) {
		o.lane = &sig->lanes[i];
		sg_loop_call(o.lane->loop, collect, &o);
	}
	return o.count;
}

struct ending {
	struct signal_lane *lane;
	const char *owner;
};

static void end_on_lane(void *user)
{
	const struct ending *e = user;
	struct signal_resource *r, *next;

	DL_FOREACH_SAFE (e->lane->resources, r, next) {
		if (!r->way->by_admin || strcmp(r->owner, e->owner) != 0)
			continue;
		if (r->req)
			whip_end_refused(r, SG_OVERLOAD); /* asked again, they are told who may */
		else
			whip_end(r, SG_BYE_CLOSED);
	}
}

void sg_signal_end_previews(struct sg_signal *sig, const char *owner)
{
	for (size_t i = 0; i < sig->lane_count; i++) {
		struct ending e = { &sig->lanes[i], owner };
		sg_loop_call(e.lane->loop, end_on_lane, &e);
	}
}
