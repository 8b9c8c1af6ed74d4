/* rtc.h - what the parts of streamplay's WebRTC share.
 *
 * rtc_url.c     which URLs these are, and what they mean
 * rtc_http.c    WHEP and WHIP: SDP over HTTP (RFC 9725, by libcurl)
 * rtc_socket.c  the WebSocket that Ant Media's clients speak (by libcurl and wslay)
 * rtc.c         the datagrams; a source that av_read_frame could have been
 * publish.c     --publish: a file over WHIP
 * publish_file.c   the file's frames, transcoded where that is needed */
#ifndef STREAMPLAY_RTC_H
#define STREAMPLAY_RTC_H

#include "streamplay.h"
#include "webrtc/client.h"

/* ---- rtc_url.c ---- */

enum rtc_way { RTC_NONE, RTC_HTTP, RTC_SOCKET };
/* whep+http, whep+https, whip+http, whip+https; http, https of /APP/whep/S; webrtc, webrtcs. */
enum rtc_way rtc_way(const char *url);
/* The HTTP URL behind it: without "whep+"; of webrtc://HOST/APP/S, http://HOST/APP/websocket and, in
 * `stream`, S. NULL: malformed, or no memory. The caller ends it with token_free. */
char *rtc_endpoint(const char *url, char *stream, size_t stream_size);
/* A token that stands in the query, decoded; "" none. `out` holds TOKEN_MAX bytes. */
void rtc_token_of(const char *url, char *out, size_t size);

/* ---- rtc_http.c ---- */

struct rtc_http;
/* POSTs `offer`; the answer is appended. 0, or an AVERROR with what is known in `t`. What is open is
 * ended with rtc_http_close (which DELETEs it) in either case. */
int rtc_http_open(struct rtc_http **out, const char *endpoint, const char *token,
    const struct sg_buf *offer, struct sg_buf *answer, struct trouble *t,
    bool (*give_up)(void *user), void *user);
void rtc_http_close(struct rtc_http *h); /* NULL allowed */
/* Whose certificates are trusted: SSL_CERT_FILE's, else the system's. `curl` is a CURL. */
void rtc_trust(void *curl);

/* ---- rtc_socket.c ---- */

struct rtc_socket;
enum rtc_news { RTC_NOTHING, RTC_OFFER, RTC_CANDIDATE, RTC_ENDED, RTC_BROKEN };
/* Connects and asks to play `stream`. Errors as above. */
int rtc_socket_open(struct rtc_socket **out, const char *endpoint, const char *stream,
    const char *token, struct trouble *t, bool (*give_up)(void *user), void *user);
void rtc_socket_close(struct rtc_socket *w); /* NULL allowed */
int rtc_socket_fd(const struct rtc_socket *w); /* to wait on */
/* Reads what has come without waiting; `text` is the SDP or the candidate. RTC_BROKEN: why is in the
 * trouble. Call until RTC_NOTHING. */
enum rtc_news rtc_socket_read(struct rtc_socket *w, struct sg_buf *text);
bool rtc_socket_answer(struct rtc_socket *w, const struct sg_buf *sdp);
void rtc_socket_tick(struct rtc_socket *w, int64_t now_ms); /* pings */

/* ---- rtc.c ---- */

/* The sockets under a client. */
struct rtc_link {
	int fds[2]; /* IPv4, IPv6; -1 = none */
	struct sg_dtls_identity *identity;
	struct sg_rtc_client *client;
};
/* `cfg` without identity and send. False: no sockets or no memory. */
bool rtc_link_open(struct rtc_link *l, struct sg_rtc_client_config cfg);
void rtc_link_close(struct rtc_link *l);
/* Waits for datagrams (and for `other_fd`, or -1) until something came or `until_us`; does what is
 * due. */
void rtc_link_wait(struct rtc_link *l, int other_fd, int64_t until_us);

/* ---- as a source ---- */

struct rtc;
/* As source_open does for all else: fills s->fmt. */
int rtc_open(struct source *s, const char *url, const char *token, bool analyze);
int rtc_read(struct source *s, AVPacket *pkt);
void rtc_close(struct rtc *r); /* NULL allowed */
void rtc_line(const struct rtc *r, struct line *out);

/* ---- publish_file.c ---- */

struct feed;
/* PLAYED, and what is to be transcoded has been told; or the error has been printed. feed_close in either case. */
int feed_open(struct feed **out, const char *path);
void feed_close(struct feed *f); /* NULL allowed */
enum sg_codec feed_codec(const struct feed *f, enum sg_frame_kind kind); /* of what is sent; NONE: no such track */
/* Reads a packet, unless enough has been read ahead or nothing is left: false. */
bool feed_read(struct feed *f);
/* The earliest frame that has been read, borrowed; NULL none. pts_90khz is the file's own; dts_90khz is the same. */
const struct sg_frame *feed_peek(const struct feed *f);
struct sg_frame *feed_take(struct feed *f); /* the same, owned by the caller; there must be one */
int feed_error(const struct feed *f); /* why the reading ended: 0 at the file's end, or an AVERROR */

#endif
