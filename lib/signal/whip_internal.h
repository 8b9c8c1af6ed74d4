/* whip_internal.h - what WHIP, WHEP and previews share: whip.c makes sessions, whip_session.c changes and
 * ends them, preview.c is the API's door to both.
 *
 * A session lives on one loop, where the engine's news come. Requests about it come on other threads and
 * find it by its id, under sig->lock. */
#ifndef SG_SIGNAL_WHIP_INTERNAL_H
#define SG_SIGNAL_WHIP_INTERNAL_H

#include "signal/fragment.h"
#include "signal/signal_internal.h"

#define SDP_TYPE "application/sdp"
#define FRAGMENT_TYPE "application/trickle-ice-sdpfrag"

struct signal_resource {
	struct signal_resource *prev, *next; /* lane->resources */
	UT_hash_handle hh;                   /* sig->listed */
	struct signal_lane *lane;
	const struct signal_way *way;
	struct sg_task task;         /* the beginning; the end by DELETE */
	struct sg_http_request *req; /* until it is answered */
	char owner[SG_SIGNAL_OWNER_SIZE]; /* a preview's */
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1];
	/* Under sig->lock: */
	struct sg_webrtc_peer *peer; /* NULL once it has been given back */
	char id[SG_WEBRTC_ID_SIZE];
	bool listed, deleted;
	unsigned restarts;
	char ufrag[257], pwd[257]; /* the peer's */
	char *answer;              /* our SDP */
};

/* The request's parts are application, stream and, about a session, its id. They answer, now or later. */
void whip_post(struct sg_http_request *req, struct signal_way *way, const char *owner);
void whip_session(struct sg_http_request *req, struct signal_way *way, const char *owner);

/* Nobody finds it any more; whoever calls gives the peer back. With sig->lock held. */
struct sg_webrtc_peer *whip_unlist_locked(struct signal_resource *r);
/* On its loop. With a DELETE on its way the memory is that task's. */
void whip_end(struct signal_resource *r, enum sg_goodbye why);
/* The same for one that has not been answered: it is refused. */
void whip_end_refused(struct signal_resource *r, enum sg_reason verdict);
void whip_end_deleted(struct sg_task *task);

void whip_add_cors(struct sg_http_request *req, const struct signal_way *way);
bool whip_is_type(const struct sg_http_request *req, const char *type);
#define WHIP_ETAG_SIZE 24
void whip_put_etag(char out[WHIP_ETAG_SIZE], unsigned restarts);

#endif
