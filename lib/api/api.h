/* api.h - REST, health and metrics on the web server's routes (INTERFACE.md section 5).
 *
 * Who may call: an address in [admin] allow with an API key (`Authorization: Bearer sgk_...`) or an
 * administrator's session (a cookie), or the administrator's Unix socket, whose file permissions are the
 * proof. /healthz and /readyz are open to
 * everybody and tell nothing else; /metrics asks for [admin] allow alone.
 *
 * Handlers never wait: what needs the store runs on the gate's query thread. */
#ifndef SG_API_API_H
#define SG_API_API_H

#include "http/http.h"
#include "record/record.h"
#include "rtmp/rtmp.h"
#include "relay/relay.h"
#include "srt/srt.h"
#include "signal/signal.h"
#include "webrtc/webrtc.h"

struct sg_api;

struct sg_api_config {
	const struct sg_config *cfg;
	struct sg_http_server *http;
	struct sg_gate *gate;
	struct sg_hub *hub;
	struct sg_rtmp_server *rtmp; /* NULL when RTMP is off */
	struct sg_srt_server *srt;   /* NULL when SRT is off */
	struct sg_recorder *recorder; /* NULL: nothing is recorded */
	struct sg_relay *relay;      /* NULL when there is none */
	struct sg_webrtc_server *webrtc; /* NULL when WebRTC is off */
	struct sg_signal *signal;        /* the same */
	struct sg_fanout *const *fanouts;
	size_t fanout_count;
	struct sg_loop *const *loops; /* for /api/v1/authorize, which is 503 without; outlive the gate */
	size_t loop_count;
	unsigned calls_per_s; /* of one key or session, four times as many at once; 0: 50 */
};
/* Adds its routes to `http`, which must not have been started yet. Everything is borrowed until
 * close. */
SG_MUST_CHECK enum sg_result sg_api_open(struct sg_api **out, const struct sg_api_config *cfg);
/* /readyz says 200 from then on, and 503 again while draining. Any thread. */
void sg_api_set_ready(struct sg_api *api, bool ready);
/* While there is no administrator's password: writes a link to `out`, by which it can be set once,
 * within an hour ("http://host:port/#setup=CODE"; the code is kept hashed). Asks the store and waits for
 * it. False: there is a password, or nothing listens. Called once, after the web server's start. */
bool sg_api_offer_setup(struct sg_api *api, char *out, size_t size);
/* After SIGHUP: the applications' sections (the lifetime of a new token, say) are read from `cfg`
 * (borrowed) from now on; the rest of it is not looked at. When it returns the applications of the
 * former configuration are not looked at any more. Any thread. */
void sg_api_reconfigure(struct sg_api *api, const struct sg_config *cfg);
/* After the web server has been closed. NULL allowed. */
void sg_api_close(struct sg_api *api);

#endif
