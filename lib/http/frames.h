/* frames.h - WebSocket (RFC 6455) without a socket: bytes in, messages and bytes out. Frames are taken
 * apart and made by wslay. For this folder and its tests. */
#ifndef SG_HTTP_FRAMES_H
#define SG_HTTP_FRAMES_H

#include "base/bytes.h"

/* ---- the handshake, section 4.2 ---- */

enum ws_handshake { WS_HANDSHAKE_GOOD, WS_HANDSHAKE_BAD, WS_HANDSHAKE_VERSION };
struct ws_handshake_fields {
	struct sg_str upgrade, connection, version, key; /* absent = no such field */
};
#define WS_ACCEPT_SIZE 29
/* WS_HANDSHAKE_GOOD: `accept` holds the value of Sec-WebSocket-Accept. */
enum ws_handshake ws_handshake(
    const struct ws_handshake_fields *f, char accept[WS_ACCEPT_SIZE]);

/* ---- frames, sections 5 and 7 ---- */

struct ws_frames;
/* `text` gets whole messages, inside ws_frames_feed; it may send and close. */
SG_MUST_CHECK enum sg_result ws_frames_open(struct ws_frames **out, size_t message_max,
    size_t out_max, void (*text)(void *user, struct sg_str message), void *user);
void ws_frames_close(struct ws_frames *f); /* NULL allowed */
/* Takes all of it. SG_ERR_CLOSED: nothing more is to be read (the goodbye has come, or what came broke
 * the rules): once ws_frames_out() is sent the connection is over. SG_ERR_NO_MEMORY: broken. */
SG_MUST_CHECK enum sg_result ws_frames_feed(struct ws_frames *f, const uint8_t *p, size_t len);
/* Anything but SG_OK (SG_ERR_LIMIT: out_max): the peer does not read, or there is no memory. */
SG_MUST_CHECK enum sg_result ws_frames_text(struct ws_frames *f, struct sg_str text);
SG_MUST_CHECK enum sg_result ws_frames_ping(struct ws_frames *f);
/* The goodbye; nothing is sent after it. */
SG_MUST_CHECK enum sg_result ws_frames_goodbye(struct ws_frames *f, unsigned code, const char *why);
/* What is to be sent; the caller consumes it. */
struct sg_buf *ws_frames_out(struct ws_frames *f);
bool ws_frames_heard_goodbye(const struct ws_frames *f); /* the peer's */
/* Goodbyes have gone both ways. */
bool ws_frames_is_over(const struct ws_frames *f);

#endif
