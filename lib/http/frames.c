/* frames.c - WebSocket handshake and frames, on wslay. */
#include "http/frames.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <wslay/wslay.h>

/* ---- the handshake ---- */

/* Does a list such as "keep-alive, Upgrade" name `word`? */
static bool list_has(struct sg_str list, const char *word)
{
	struct sg_str one;

	for (bool more = list.len > 0; more;) {
		more = sg_str_cut(list, ',', &one, &list);
		while (one.len && (*one.p == ' ' || *one.p == '\t'))
			one.p++, one.len--;
		while (one.len && (one.p[one.len - 1] == ' ' || one.p[one.len - 1] == '\t'))
			one.len--;
		if (sg_str_equal_nocase(one, sg_str_from(word)))
			return true;
	}
	return false;
}

/* 16 bytes in base64: 22 characters and two of padding (section 4.1, item 7). */
static bool is_key(struct sg_str key)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (key.len != 24 || key.p[22] != '=' || key.p[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!memchr(alphabet, key.p[i], sizeof(alphabet) - 1))
			return false;
	return true;
}

enum ws_handshake ws_handshake(const struct ws_handshake_fields *f, char accept[WS_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* section 1.3 */
	uint8_t digest[EVP_MAX_MD_SIZE];
	char text[24 + sizeof(guid)];

	if (!list_has(f->upgrade, "websocket") || !list_has(f->connection, "upgrade"))
		return WS_HANDSHAKE_BAD;
	if (!sg_str_is(f->version, "13"))
		return WS_HANDSHAKE_VERSION;
	if (!is_key(f->key))
		return WS_HANDSHAKE_BAD;
	memcpy(text, f->key.p, 24);
	memcpy(text + 24, guid, sizeof(guid));
	if (EVP_Digest(text, 24 + sizeof(guid) - 1, digest, NULL, EVP_sha1(), NULL) != 1)
		return WS_HANDSHAKE_BAD;
	EVP_EncodeBlock((unsigned char *)accept, digest, 20);
	return WS_HANDSHAKE_GOOD;
}

/* ---- frames ---- */

struct ws_frames {
	struct wslay_event_context *wslay;
	struct sg_reader in; /* of the feed under way */
	struct sg_buf message; /* what there is of the one under way */
	bool in_message; /* the frame under way is a part of it, not a control frame */
	struct sg_buf out;
	bool feeding;
	void (*text)(void *user, struct sg_str message);
	void *user;
};

static ssize_t give_bytes(
    wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
	struct ws_frames *f = user;
	size_t n = f->in.left < len ? f->in.left : len;

	(void)flags;
	if (!n) {
		wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(buf, f->in.p, n);
	f->in.p += n;
	f->in.left -= n;
	return (ssize_t)n;
}

static ssize_t take_bytes(
    wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user)
{
	struct ws_frames *f = user;

	(void)flags;
	sg_buf_append(&f->out, data, len);
	if (!f->out.failed)
		return (ssize_t)len;
	wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* Messages are put together here: wslay would keep each of their frames apart, and a message of very many
 * small ones would take a hundred times its length. */
static void on_frame(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_start_arg *arg,
    void *user)
{
	struct ws_frames *f = user;

	f->in_message = !wslay_is_ctrl_frame(arg->opcode);
	if (!f->in_message || sg_buf_reserve(&f->message, (size_t)arg->payload_length))
		return;
	wslay_event_shutdown_read(ctx);
	(void)wslay_event_queue_close(ctx, WSLAY_CODE_MESSAGE_TOO_BIG, NULL, 0);
}

static void on_piece(wslay_event_context_ptr ctx, const struct wslay_event_on_frame_recv_chunk_arg *arg,
    void *user)
{
	struct ws_frames *f = user;

	(void)ctx;
	if (f->in_message)
		sg_buf_append(&f->message, arg->data, arg->data_length);
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
    void *user)
{
	struct ws_frames *f = user;

	if (wslay_is_ctrl_frame(arg->opcode))
		return;
	if (arg->opcode == WSLAY_TEXT_FRAME && !f->message.failed && !wslay_event_get_close_sent(ctx))
		f->text(f->user, (struct sg_str){ (const char *)f->message.p, f->message.len });
	sg_buf_reset(&f->message);
}

enum sg_result ws_frames_open(struct ws_frames **out, size_t message_max, size_t out_max,
    void (*text)(void *user, struct sg_str message), void *user)
{
	static const struct wslay_event_callbacks callbacks = { .recv_callback = give_bytes,
		.send_callback = take_bytes, .on_frame_recv_start_callback = on_frame,
		.on_frame_recv_chunk_callback = on_piece, .on_msg_recv_callback = on_message };
	struct ws_frames *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (!f || wslay_event_context_server_init(&f->wslay, &callbacks, f) != 0) {
		free(f);
		return SG_ERR_NO_MEMORY;
	}
	wslay_event_config_set_no_buffering(f->wslay, 1);
	wslay_event_config_set_max_recv_msg_length(f->wslay, message_max); /* here: of a frame */
	sg_buf_init(&f->message, message_max);
	sg_buf_init(&f->out, out_max);
	f->text = text;
	f->user = user;
	*out = f;
	return SG_OK;
}

void ws_frames_close(struct ws_frames *f)
{
	if (!f)
		return;
	wslay_event_context_free(f->wslay);
	sg_buf_reset(&f->message);
	sg_buf_reset(&f->out);
	free(f);
}

/* Moves what is queued to `out`. */
static enum sg_result flush(struct ws_frames *f)
{
	if (f->feeding)
		return SG_OK; /* when all that came has been taken */
	if (wslay_event_want_write(f->wslay) && wslay_event_send(f->wslay) != 0)
		return f->out.failed ? SG_ERR_LIMIT : SG_ERR_NO_MEMORY;
	return SG_OK;
}

enum sg_result ws_frames_feed(struct ws_frames *f, const uint8_t *p, size_t len)
{
	f->in = (struct sg_reader){ p, len };
	f->feeding = true;
	int broken = wslay_event_want_read(f->wslay) ? wslay_event_recv(f->wslay) : 0;
	f->feeding = false;
	f->in = (struct sg_reader){ 0 };
	if (broken == WSLAY_ERR_NOMEM)
		return SG_ERR_NO_MEMORY;
	enum sg_result res = flush(f);
	if (res != SG_OK)
		return res;
	/* Of some mistakes wslay both answers an error and has the goodbye in its queue. */
	return wslay_event_want_read(f->wslay) && !broken ? SG_OK : SG_ERR_CLOSED;
}

static enum sg_result queue(struct ws_frames *f, uint8_t opcode, struct sg_str body)
{
	struct wslay_event_msg m = { opcode, (const uint8_t *)body.p, body.len };

	/* Within a feed nothing has been moved to `out` yet: what is queued counts as well. */
	if (f->out.len + wslay_event_get_queued_msg_length(f->wslay) + body.len > f->out.max)
		return SG_ERR_LIMIT;
	int res = wslay_event_queue_msg(f->wslay, &m);
	if (res == WSLAY_ERR_NO_MORE_MSG)
		return SG_OK; /* after the goodbye: not said */
	return res == 0 ? flush(f) : SG_ERR_NO_MEMORY;
}

enum sg_result ws_frames_text(struct ws_frames *f, struct sg_str text)
{
	return queue(f, WSLAY_TEXT_FRAME, text);
}

enum sg_result ws_frames_ping(struct ws_frames *f)
{
	return queue(f, WSLAY_PING, (struct sg_str){ 0 });
}

enum sg_result ws_frames_goodbye(struct ws_frames *f, unsigned code, const char *why)
{
	int res = wslay_event_queue_close(
	    f->wslay, (uint16_t)code, (const uint8_t *)why, strlen(why));

	return res == 0 || res == WSLAY_ERR_NO_MORE_MSG ? flush(f) : SG_ERR_NO_MEMORY;
}

struct sg_buf *ws_frames_out(struct ws_frames *f)
{
	return &f->out;
}

bool ws_frames_heard_goodbye(const struct ws_frames *f)
{
	return wslay_event_get_close_received(f->wslay);
}

bool ws_frames_is_over(const struct ws_frames *f)
{
	return wslay_event_get_close_sent(f->wslay) && wslay_event_get_close_received(f->wslay);
}
