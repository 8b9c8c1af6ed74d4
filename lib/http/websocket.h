/* websocket.h - WebSocket (RFC 6455): a request that becomes a conversation of text messages.
 *
 * The socket leaves libmicrohttpd for an event loop, as media sockets do, and stays there. Spoken:
 * version 13, no extensions, no subprotocols. Messages come whole, at most SG_WS_MESSAGE_MAX bytes of
 * UTF-8; binary ones are ignored. Pings are answered; a peer that has been silent is pinged and, when
 * nothing comes, let go. What waits for a peer that does not read is bounded: one that has more than
 * SG_WS_QUEUE_MAX bytes waiting is closed.
 *
 * Threads: sg_http_upgrade on the web server's thread, all else on the conversation's loop. `closed`
 * is the last callback, and never comes inside a call. */
#ifndef SG_HTTP_WEBSOCKET_H
#define SG_HTTP_WEBSOCKET_H

#include "http/http.h"

struct sg_ws;

#define SG_WS_MESSAGE_MAX (96u << 10)
#define SG_WS_QUEUE_MAX (512u << 10)

struct sg_ws_events {
	/* The handshake is over. Not called when the peer has left meanwhile: then `closed` alone. */
	void (*opened)(void *user, struct sg_ws *ws);
	void (*text)(void *user, struct sg_str message); /* valid for the call */
	/* `ws` is gone. `goodbye`: the peer said so, it did not just break. */
	void (*closed)(void *user, bool goodbye);
};
/* Answers the request: 101, and `user` is the conversation's until `closed`; or, for a request that
 * is no handshake, 400 or 426, and false. */
bool sg_http_upgrade(struct sg_http_request *req, const struct sg_ws_events *events, void *user);

struct sg_loop *sg_ws_loop(const struct sg_ws *ws);
/* Copied. Ignored once the conversation is closing. */
void sg_ws_send(struct sg_ws *ws, struct sg_str text);
/* Says goodbye (RFC 6455 section 7.4.1); nothing is delivered any more, and `closed` comes when the
 * peer has answered or a moment has passed. Repeated calls are ignored. */
#define SG_WS_NORMAL 1000
#define SG_WS_GOING_AWAY 1001
#define SG_WS_POLICY 1008
void sg_ws_close(struct sg_ws *ws, unsigned code, const char *why);

#endif
