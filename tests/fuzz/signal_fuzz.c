/* What a WebSocket's peer may send, from the handshake to Ant Media's messages, and SDP fragments. The
 * first byte says where the input begins. */
#include "http/frames.h"
#include "signal/ant.h"
#include "signal/fragment.h"
#include <jansson.h>
#include <stdlib.h>

static struct ant_stream *open_streams[2 * ANT_STREAMS_MAX];
static int64_t now_ms;

static void act_send(void *user, struct sg_str text)
{
	json_t *m = json_loadb(text.p, text.len, 0, NULL);

	(void)user;
	if (!json_is_object(m))
		abort(); /* never plain text */
	json_decref(m);
}

static void *act_open(void *user, const struct ant_want *want, struct ant_stream *s)
{
	(void)user;
	if (!sg_stream_is_valid(want->stream))
		abort();
	for (size_t i = 0; i < 2 * ANT_STREAMS_MAX; i++)
		if (!open_streams[i]) {
			open_streams[i] = s;
			return s;
		}
	abort(); /* over its limit */
}

static void act_text(void *peer, struct sg_str text)
{
	(void)peer, (void)text;
}

static void act_close(void *peer, enum sg_goodbye why)
{
	(void)why;
	for (size_t i = 0; i < 2 * ANT_STREAMS_MAX; i++)
		if (open_streams[i] == peer)
			open_streams[i] = NULL;
}

static bool act_info(void *user, struct sg_str stream, struct sg_stream_info *out)
{
	(void)user;
	*out = (struct sg_stream_info){ .video = SG_CODEC_H264, .bit_rate = 1 };
	return stream.len % 2;
}

static size_t act_viewers(void *user, struct sg_str stream)
{
	(void)user;
	return stream.len;
}

static bool act_is_open(void *user, struct sg_str stream)
{
	(void)user;
	return stream.len % 3;
}

static const struct ant_actions actions = { act_send, act_open, act_text, act_text, act_text,
	act_close, act_info, act_viewers, act_is_open };

/* The engine's news, as they might come between two messages. */
static void news(size_t i)
{
	struct ant_stream *s = open_streams[i % ANT_STREAMS_MAX];

	if (!s)
		return;
	switch (i / 3 % 4) {
	case 0:
		ant_described(s, SG_STR("v=0\r\nm=video 9 X 96\r\na=mid:0\r\n"));
		break;
	case 1:
		ant_started(s);
		break;
	case 2:
		ant_ended(s, (enum sg_reason)(i % SG_REASON_COUNT), SG_BYE_CLOSED, "");
		break;
	default:
		ant_ended(s, SG_ADMITTED, (enum sg_goodbye)(i % SG_BYE_COUNT), "why");
	}
}

static void on_text(void *user, struct sg_str message)
{
	if (!sg_str_is_utf8(message) && !memchr(message.p, 0, message.len))
		abort(); /* RFC 6455 section 8.1 */
	(void)ant_take(user, message, now_ms += 10);
	news(message.len);
	ant_tick(user, now_ms);
}

static void check_frames(const uint8_t *p, size_t len)
{
	struct ant *a = ant_new(&actions, NULL);
	struct ws_frames *f;

	if (!a || ws_frames_open(&f, 1 << 16, 1 << 16, on_text, a) != SG_OK)
		abort();
	size_t half = len / 2;
	if (ws_frames_feed(f, p, half) == SG_OK && ws_frames_feed(f, p + half, len - half) == SG_OK)
		(void)ws_frames_ping(f);
	(void)ws_frames_goodbye(f, 1000, "bye");
	if (ws_frames_out(f)->len > 1 << 16)
		abort();
	ws_frames_close(f);
	ant_free(a, SG_BYE_CLOSED);
}

/* Messages, a line each. */
static void check_messages(struct sg_str all)
{
	struct ant *a = ant_new(&actions, NULL);
	struct sg_str line;

	for (bool more = a != NULL; more;) {
		more = sg_str_cut(all, '\n', &line, &all);
		(void)ant_take(a, line, now_ms += 10);
		news(line.len);
		ant_tick(a, now_ms);
	}
	ant_free(a, SG_BYE_CLOSED);
}

static void check_handshake(struct sg_str s)
{
	struct ws_handshake_fields f;
	char accept[WS_ACCEPT_SIZE];

	sg_str_cut(s, '\n', &f.upgrade, &s);
	sg_str_cut(s, '\n', &f.connection, &s);
	sg_str_cut(s, '\n', &f.version, &f.key);
	if (ws_handshake(&f, accept) == WS_HANDSHAKE_GOOD && strlen(accept) != WS_ACCEPT_SIZE - 1)
		abort();
}

static void check_fragment(struct sg_str s)
{
	struct fragment f;
	struct sg_buf out;

	if (fragment_parse(&f, s) && (f.ufrag.len > 256 || f.pwd.len > 256))
		abort();
	sg_buf_init(&out, 1 << 20);
	fragment_put_restart(&out, s, "ufrag", "password");
	sg_buf_reset(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	/* A copy of its own, so that a read past the end is seen; never NULL. */
	size_t len = size - 1;
	char *copy = malloc(len ? len : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, len);
	struct sg_str s = { copy, len };
	switch (data[0] % 4) {
	case 0:
		check_frames((uint8_t *)copy, len);
		break;
	case 1:
		check_messages(s);
		break;
	case 2:
		check_handshake(s);
		break;
	default:
		check_fragment(s);
	}
	free(copy);
	return 0;
}
