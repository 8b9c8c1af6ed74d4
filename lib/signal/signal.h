/* signal.h - signalling for WebRTC: how browsers and the media engine (webrtc/webrtc.h) find each other.
 *
 * Spoken, at the web server (README.md in this folder tells what of each):
 *   /APP/websocket    Ant Media's messages, for their SDKs unchanged
 *   /APP/whip/S       WHIP (RFC 9725): publish
 *   /APP/whep/S       WHEP (draft-ietf-wish-whep): play
 * Who may come in is the gate's to say, which the engine asks; here are only its words for it. */
#ifndef SG_SIGNAL_SIGNAL_H
#define SG_SIGNAL_SIGNAL_H

#include "http/http.h"
#include "webrtc/webrtc.h"

struct sg_signal;

struct sg_signal_config {
	const struct sg_config *cfg; /* [webrtc] ice_servers; NULL: none */
	struct sg_http_server *http;
	struct sg_gate *gate;
	struct sg_hub *hub;
	struct sg_webrtc_server *webrtc;
	struct sg_loop *const *loops; /* the web server's */
	size_t loop_count;
};
/* Adds its routes: before the web server is started. All is borrowed until sg_signal_close. */
SG_MUST_CHECK enum sg_result sg_signal_open(
    struct sg_signal **out, const struct sg_signal_config *cfg);
/* Nobody new; those on WebSockets are told, those that wait for an answer get one. Before the web
 * server's and the engine's. Not on a loop. */
void sg_signal_drain(struct sg_signal *sig);
/* After the web server has been closed, before the engine is. Not on a loop. NULL allowed. */
void sg_signal_close(struct sg_signal *sig);

/* ---- previews: WHEP for administrators, at an address of whoever has asked who they are (the API) ----
 * `owner` is what let them in, as text: only requests with the same one find the preview, and when it
 * is worth nothing any more sg_signal_end_previews is called. It is wiped with the preview. */

#define SG_SIGNAL_OWNER_SIZE 64
#define SG_SIGNAL_PREVIEWS_MAX 256 /* then 503 */
/* POST makes one, for which no token is asked: parts 0 and 1 of the request are application and stream; its
 * Location is the request's own path and an id. PATCH and DELETE are about that: part 2. Answers, now
 * or later. */
void sg_signal_preview(struct sg_signal *sig, struct sg_http_request *req, const char *owner);
/* Each owner of one once; how many, at most `max`. Not on a loop. */
size_t sg_signal_preview_owners(struct sg_signal *sig, char (*out)[SG_SIGNAL_OWNER_SIZE], size_t max);
/* All of this owner's, also those that have not been answered yet. Not on a loop. */
void sg_signal_end_previews(struct sg_signal *sig, const char *owner);

struct sg_signal_stats {
	size_t sockets, streams, resources, previews; /* streams: on the sockets; resources: WHIP and WHEP */
	uint64_t messages, over_budget;
};
void sg_signal_get_stats(struct sg_signal *sig, struct sg_signal_stats *out); /* any thread */

#endif
