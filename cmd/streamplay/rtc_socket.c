/* rtc_socket.c - the WebSocket of Ant Media's clients: play, an offer, our answer, candidates. libcurl
 * connects (TLS and proxies with it), the frames are wslay's. */
#include "rtc.h"
#include "base/text.h"
#include "base/clock.h"
#include "webrtc/sdp.h"
#include <curl/curl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#define PATIENCE_MS 10000
#define PING_MS 3000
#define MESSAGE_MAX (128u << 10)
#define HEAD_MAX 8192

struct rtc_socket {
	CURL *curl;
	curl_socket_t fd;
	wslay_event_context_ptr frames;
	struct sg_buf messages; /* texts that have come, each with a NUL behind */
	size_t early_at;
	struct sg_buf early; /* bytes read behind the handshake */
	char stream[SG_STREAM_MAX + 1];
	struct trouble *trouble;
	int64_t ping_ms;
	bool gone;
};

/* ---- bytes ---- */

static ssize_t read_some(struct rtc_socket *w, void *p, size_t size)
{
	size_t n = w->early.len - w->early_at;

	if (n) {
		n = n < size ? n : size;
		memcpy(p, w->early.p + w->early_at, n);
		w->early_at += n;
		return (ssize_t)n;
	}
	CURLcode code = curl_easy_recv(w->curl, p, size, &n);
	if (code == CURLE_AGAIN)
		return 0;
	return code == CURLE_OK && n ? (ssize_t)n : -1;
}

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *p, size_t size, int flags, void *user)
{
	struct rtc_socket *w = user;
	ssize_t n = read_some(w, p, size);

	(void)flags;
	if (n > 0)
		return n;
	wslay_event_set_error(ctx, n < 0 ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static ssize_t on_send(
    wslay_event_context_ptr ctx, const uint8_t *p, size_t size, int flags, void *user)
{
	struct rtc_socket *w = user;
	size_t n = 0;

	(void)flags;
	CURLcode code = curl_easy_send(w->curl, p, size, &n);
	if (code == CURLE_OK)
		return (ssize_t)n;
	wslay_event_set_error(
	    ctx, code == CURLE_AGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *p, size_t size, void *user)
{
	(void)ctx, (void)user;
	sg_random(p, size);
	return 0;
}

static void on_message(
    wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
	struct rtc_socket *w = user;

	(void)ctx;
	if (arg->opcode == WSLAY_CONNECTION_CLOSE)
		w->gone = true;
	if (arg->opcode != WSLAY_TEXT_FRAME || memchr(arg->msg, 0, arg->msg_length))
		return;
	sg_buf_append(&w->messages, arg->msg, arg->msg_length);
	sg_buf_put_u8(&w->messages, 0);
}

static bool flush(struct rtc_socket *w)
{
	int64_t until = sg_mono_ms() + 1000;

	while (wslay_event_want_write(w->frames)) {
		struct pollfd p = {.fd = w->fd, .events = POLLOUT};
		if (wslay_event_send(w->frames) != 0 || sg_mono_ms() > until)
			return false;
		if (wslay_event_want_write(w->frames))
			poll(&p, 1, 50);
	}
	return true;
}

static bool say(struct rtc_socket *w, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	struct wslay_event_msg m = {.opcode = WSLAY_TEXT_FRAME,
	    .msg = (uint8_t *)text,
	    .msg_length = text ? strlen(text) : 0};
	bool ok = text && wslay_event_queue_msg(w->frames, &m) == 0 && flush(w);

	if (text)
		sg_wipe(text, strlen(text));
	free(text);
	json_decref(message);
	return ok;
}

/* ---- the beginning ---- */

struct patience {
	bool (*give_up)(void *user);
	void *user;
};

static int wait_for(
    struct rtc_socket *w, short events, int64_t until_ms, bool (*give_up)(void *), void *user)
{
	struct pollfd p = {.fd = w->fd, .events = events};

	if (give_up(user))
		return AVERROR_EXIT;
	if (sg_mono_ms() > until_ms)
		return AVERROR(ETIMEDOUT);
	poll(&p, 1, 50);
	return 0;
}

/* RFC 6455 section 4.1 */
static int send_request(struct rtc_socket *w, const char *endpoint)
{
	char key[32], request[2048];
	uint8_t raw[16];
	char *host = NULL, *port = NULL, *path = NULL;
	CURLU *u = curl_url();
	size_t n = 0, len = 0;

	/* Base64 of 16 bytes: 22 characters of the common alphabet, and padding. */
	sg_random(raw, sizeof(raw));
	sg_base64url_encode(key, raw, sizeof(raw));
	for (char *p = key; *p; p++)
		*p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
	if (u && !curl_url_set(u, CURLUPART_URL, endpoint, 0) &&
	    !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
	    !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) &&
	    !curl_url_get(u, CURLUPART_PATH, &path, 0))
		len = (size_t)snprintf(request, sizeof(request),
		    "GET %s?target=edge HTTP/1.1\r\nHost: %s:%s\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\nSec-WebSocket-Key: %s==\r\nSec-WebSocket-Version: "
		    "13\r\n"
		    "User-Agent: streamplay/" SG_VERSION "\r\n\r\n",
		    path, host, port, key);
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_url_cleanup(u);
	if (!len || len >= sizeof(request) ||
	    curl_easy_send(w->curl, request, len, &n) != CURLE_OK || n != len)
		return AVERROR(EIO);
	return 0;
}

static int take_response(
    struct rtc_socket *w, struct trouble *t, bool (*give_up)(void *), void *user)
{
	int64_t until = sg_mono_ms() + PATIENCE_MS;
	char chunk[2048];
	uint8_t *end = NULL;
	int err = 0;

	while (!end) {
		ssize_t n = read_some(w, chunk, sizeof(chunk));
		if (n < 0 || w->early.len > HEAD_MAX)
			return AVERROR(EIO);
		if (n == 0 && (err = wait_for(w, POLLIN, until, give_up, user)))
			return err;
		sg_buf_append(&w->early, chunk, (size_t)n);
		w->early_at = w->early.len; /* not to be read again before the end is found */
		end = w->early.len ? memmem(w->early.p, w->early.len, "\r\n\r\n", 4) : NULL;
	}
	w->early_at = (size_t)(end - w->early.p) + 4;
	int status = w->early.len > 12 ? atoi((const char *)w->early.p + 9) : 0;
	if (status == 101)
		return 0;
	t->http_code = status >= 400 ? status : 0;
	snprintf(
	    t->last, sizeof(t->last), "the server answered HTTP %d where 101 was wanted", status);
	return AVERROR(EIO);
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct patience *p = user;

	(void)a, (void)b, (void)c, (void)d;
	return p->give_up(p->user);
}

static int connect_to(struct rtc_socket *w, const char *endpoint, struct trouble *t, struct patience *patience)
{
	curl_easy_setopt(w->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(w->curl, CURLOPT_XFERINFODATA, patience);
	curl_easy_setopt(w->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(w->curl, CURLOPT_URL, endpoint);
	curl_easy_setopt(w->curl, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(w->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(w->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(w->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(w->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)PATIENCE_MS);
	rtc_trust(w->curl);
	CURLcode code = curl_easy_perform(w->curl);
	curl_easy_setopt(w->curl, CURLOPT_NOPROGRESS, 1L); /* `patience` ends here */
	if (code == CURLE_OK)
		code = curl_easy_getinfo(w->curl, CURLINFO_ACTIVESOCKET, &w->fd);
	if (code == CURLE_OK)
		return 0;
	snprintf(t->last, sizeof(t->last), "%s", curl_easy_strerror(code));
	return code == CURLE_ABORTED_BY_CALLBACK ? AVERROR_EXIT
	       : code == CURLE_COULDNT_CONNECT	 ? AVERROR(ECONNREFUSED)
						 : AVERROR(EIO);
}

int rtc_socket_open(struct rtc_socket **out, const char *endpoint, const char *stream,
    const char *token, struct trouble *t, bool (*give_up)(void *user), void *user)
{
	static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
	    .send_callback = on_send,
	    .genmask_callback = on_mask,
	    .on_msg_recv_callback = on_message};
	struct rtc_socket *w = *out = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return AVERROR(ENOMEM);
	w->trouble = t;
	sg_buf_init(&w->messages, 4 * MESSAGE_MAX);
	sg_buf_init(&w->early, HEAD_MAX + 4096);
	sg_str_copy(w->stream, sizeof(w->stream), sg_str_from(stream));
	if (!(w->curl = curl_easy_init()) ||
	    wslay_event_context_client_init(&w->frames, &callbacks, w) != 0)
		return AVERROR(ENOMEM);
	wslay_event_config_set_max_recv_msg_length(w->frames, MESSAGE_MAX);
	if ((err = connect_to(w, endpoint, t, &(struct patience){give_up, user})) || (err = send_request(w, endpoint)) ||
	    (err = take_response(w, t, give_up, user)))
		return err;
	if (!say(w, json_pack("{s:s, s:s, s:s, s:s, s:[]}", "command", "play", "streamId",
			w->stream, "token", token ? token : "", "room", "", "trackList")))
		return AVERROR(EIO);
	return 0;
}

void rtc_socket_close(struct rtc_socket *w)
{
	if (!w)
		return;
	if (w->frames && !w->gone && w->ping_ms) {
		say(w, json_pack("{s:s, s:s}", "command", "stop", "streamId", w->stream));
		wslay_event_queue_close(w->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
		flush(w);
	}
	wslay_event_context_free(w->frames);
	curl_easy_cleanup(w->curl);
	sg_buf_reset(&w->messages);
	sg_buf_reset(&w->early);
	free(w);
}

int rtc_socket_fd(const struct rtc_socket *w)
{
	return (int)w->fd;
}

/* ---- what they say ---- */

static enum rtc_news take_error(struct rtc_socket *w, const char *definition)
{
	struct trouble *t = w->trouble;

	if (!strcmp(definition, "unauthorized_access"))
		t->http_code = 403;
	else if (!strcmp(definition, "no_stream_exist"))
		t->http_code = 404;
	sg_str_copy(t->last, sizeof(t->last), sg_str_from(definition));
	return RTC_BROKEN;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static enum rtc_news take_message(struct rtc_socket *w, const json_t *o, struct sg_buf *text)
{
	const char *command = text_of(o, "command"), *definition = text_of(o, "definition");

	if (strcmp(text_of(o, "streamId"), w->stream) && *text_of(o, "streamId"))
		return RTC_NOTHING;
	if (!strcmp(command, "error"))
		return take_error(w, definition);
	if (!strcmp(command, "takeConfiguration") && !strcmp(text_of(o, "type"), "offer")) {
		sg_buf_puts(text, text_of(o, "sdp"));
		return RTC_OFFER;
	}
	if (!strcmp(command, "takeCandidate")) {
		sg_buf_puts(text, text_of(o, "candidate"));
		return RTC_CANDIDATE;
	}
	if (!strcmp(command, "stop") ||
	    (!strcmp(command, "notification") && !strcmp(definition, "play_finished")))
		return RTC_ENDED;
	return RTC_NOTHING;
}

enum rtc_news rtc_socket_read(struct rtc_socket *w, struct sg_buf *text)
{
	if (!w->gone && (wslay_event_recv(w->frames) != 0 || !flush(w)))
		w->gone = true;
	while (w->messages.len) {
		size_t len = strlen((const char *)w->messages.p);
		json_t *o = json_loadb((const char *)w->messages.p, len, 0, NULL);
		enum rtc_news news = o ? take_message(w, o, text) : RTC_NOTHING;
		json_decref(o);
		sg_buf_consume(&w->messages, len + 1);
		if (news != RTC_NOTHING)
			return news;
	}
	if (!w->gone)
		return RTC_NOTHING;
	snprintf(w->trouble->last, sizeof(w->trouble->last), "the WebSocket was closed");
	return RTC_BROKEN;
}

bool rtc_socket_answer(struct rtc_socket *w, const struct sg_buf *sdp)
{
	return say(w, json_pack("{s:s, s:s, s:s, s:s%}", "command", "takeConfiguration", "streamId",
			  w->stream, "type", "answer", "sdp", (const char *)sdp->p, sdp->len));
}

void rtc_socket_tick(struct rtc_socket *w, int64_t now_ms)
{
	if (now_ms - w->ping_ms < PING_MS)
		return;
	w->ping_ms = now_ms;
	say(w, json_pack("{s:s}", "command", "ping"));
}
