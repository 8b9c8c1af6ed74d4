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

struct sg_signal_stats {
	size_t sockets, streams, resources; /* streams: on the sockets; resources: WHIP and WHEP */
	uint64_t messages, over_budget;
};
void sg_signal_get_stats(struct sg_signal *sig, struct sg_signal_stats *out); /* any thread */

#endif
