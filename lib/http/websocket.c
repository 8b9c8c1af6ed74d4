/* websocket.c - WebSocket conversations: their sockets, on the loops.
 *
 * The socket leaves libmicrohttpd as live.c tells; we write the 101 ourselves. libmicrohttpd's own
 * upgrade would need a thread's buffer per peer, and under TLS carries four bytes a record. */
#include "http/websocket.h"
#include "http/frames.h"
#include "http/http_internal.h"
#include <fcntl.h>

#define SILENT_PING_MS 25000
#define SILENT_CLOSE_MS 60000
#define GOODBYE_MS 2000
#define READ_BYTES 16384

enum ws_state { WS_OPEN, WS_CLOSING, WS_DEAD };

struct sg_ws {
	struct sg_ws *prev, *next; /* lane->conversations */
	struct http_ws_lane *lane;
	struct sg_task task; /* the beginning, then the end */
	int fd;              /* until it is a connection */
	struct sg_conn *conn;
	struct ws_frames *frames;
	enum ws_state state;
	bool ending; /* the task is on its way */
	char accept[WS_ACCEPT_SIZE];
	int64_t heard_ms, pinged_ms, closing_ms;
	const struct sg_ws_events *events;
	void *user;
};

/* ---- the end ---- */

static void finish(struct sg_task *task)
{
	struct sg_ws *ws = SG_CONTAINER_OF(task, struct sg_ws, task);
	struct http_ws *room = ws->lane->room;

	if (ws->prev)
		ws->prev->next = ws->next;
	else
		ws->lane->conversations = ws->next;
	if (ws->next)
		ws->next->prev = ws->prev;
	bool goodbye = ws->frames && ws_frames_heard_goodbye(ws->frames);
	sg_conn_close(ws->conn);
	ws_frames_close(ws->frames);
	ws->events->closed(ws->user, goodbye);
	free(ws);
	atomic_fetch_sub(&room->count, 1);
}

/* From a task of its own, so that nobody's call frees what they hold. */
static void die(struct sg_ws *ws)
{
	ws->state = WS_DEAD;
	if (ws->ending)
		return;
	ws->ending = true;
	if (ws->conn) {
		sg_conn_want_read(ws->conn, false);
		sg_conn_want_write(ws->conn, false);
	}
	ws->task.run = finish;
	struct sg_executor *ex = sg_loop_executor(ws->lane->loop);
	ex->post(ex, &ws->task);
}

/* ---- out ---- */

static void flush(struct sg_ws *ws)
{
	struct sg_buf *out = ws_frames_out(ws->frames);

	while (out->len) {
		struct iovec iov = { out->p, out->len };
		ssize_t n = sg_conn_writev(ws->conn, &iov, 1);
		if (n < 0) {
			die(ws);
			return;
		}
		if (n == 0)
			break;
		sg_buf_consume(out, (size_t)n);
	}
	sg_conn_want_write(ws->conn, out->len > 0);
	if (out->len)
		return;
	sg_buf_reset(out);
	if (ws_frames_is_over(ws->frames))
		die(ws); /* RFC 6455 section 7.1.1: the server closes first */
}

/* After anything was queued. */
static void sent(struct sg_ws *ws, enum sg_result res)
{
	if (res == SG_OK) {
		flush(ws);
		return;
	}
	sg_log_limited(SG_LOG_INFO, "websocket %s: does not read (%s): closed",
	    sg_conn_peer_text(ws->conn), sg_result_text(res));
	die(ws);
}

void sg_ws_send(struct sg_ws *ws, struct sg_str text)
{
	if (ws->state == WS_OPEN)
		sent(ws, ws_frames_text(ws->frames, text));
}

void sg_ws_close(struct sg_ws *ws, unsigned code, const char *why)
{
	if (ws->state != WS_OPEN)
		return;
	ws->state = WS_CLOSING;
	ws->closing_ms = sg_mono_ms();
	sent(ws, ws_frames_goodbye(ws->frames, code, why));
}

struct sg_loop *sg_ws_loop(const struct sg_ws *ws)
{
	return ws->lane->loop;
}

/* ---- in ---- */

static void on_text(void *user, struct sg_str message)
{
	struct sg_ws *ws = user;

	if (ws->state == WS_OPEN)
		ws->events->text(ws->user, message);
}

static void on_readable(void *user)
{
	struct sg_ws *ws = user;
	uint8_t buf[READ_BYTES];

	if (ws->state == WS_DEAD)
		return;
	ssize_t n = sg_conn_read(ws->conn, buf, sizeof(buf));
	if (n < 0) {
		die(ws);
		return;
	}
	if (n == 0)
		return;
	ws->heard_ms = sg_mono_ms();
	enum sg_result res = ws_frames_feed(ws->frames, buf, (size_t)n);
	if (ws->state == WS_DEAD)
		return;
	if (res != SG_OK && res != SG_ERR_CLOSED) {
		sent(ws, res);
		return;
	}
	if (res == SG_ERR_CLOSED) { /* what is queued ends with our goodbye */
		if (ws->state == WS_OPEN)
			ws->closing_ms = ws->heard_ms;
		ws->state = WS_CLOSING;
		sg_conn_want_read(ws->conn, false);
	}
	flush(ws);
	if (res == SG_ERR_CLOSED && ws->state != WS_DEAD && !ws_frames_out(ws->frames)->len)
		die(ws);
}

static void on_writable(void *user)
{
	struct sg_ws *ws = user;

	if (ws->state != WS_DEAD)
		flush(ws);
}

static const struct sg_conn_events conn_events = { on_readable, on_writable };

/* ---- once a second ---- */

static void tick(void *user)
{
	struct http_ws_lane *lane = user;
	int64_t now_ms = sg_mono_ms();

	for (struct sg_ws *ws = lane->conversations; ws; ws = ws->next) {
		if (ws->state == WS_CLOSING && now_ms - ws->closing_ms > GOODBYE_MS) {
			die(ws);
		} else if (ws->state == WS_OPEN && now_ms - ws->heard_ms > SILENT_CLOSE_MS) {
			sg_ws_close(ws, SG_WS_GOING_AWAY, "silent");
		} else if (ws->state == WS_OPEN && now_ms - ws->heard_ms > SILENT_PING_MS &&
			   ws->pinged_ms < ws->heard_ms) {
			ws->pinged_ms = now_ms;
			sent(ws, ws_frames_ping(ws->frames));
		}
	}
}

/* ---- the beginning ---- */

/* A fresh socket takes this at once; one that does not is broken. */
static bool greet(struct sg_ws *ws)
{
	char text[256];
	int len = snprintf(text, sizeof(text),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    ws->accept);
	struct iovec iov = { text, (size_t)len };

	return sg_conn_writev(ws->conn, &iov, 1) == len;
}

static void begin(struct sg_task *task)
{
	struct sg_ws *ws = SG_CONTAINER_OF(task, struct sg_ws, task);
	struct http_ws_lane *lane = ws->lane;

	if ((ws->next = lane->conversations))
		ws->next->prev = ws;
	lane->conversations = ws;
	ws->heard_ms = sg_mono_ms();
	if (sg_conn_open(&ws->conn, lane->loop, ws->fd, &conn_events, ws) != SG_OK) {
		ws->conn = NULL;
		close(ws->fd);
		die(ws);
	} else if (ws_frames_open(&ws->frames, SG_WS_MESSAGE_MAX, SG_WS_QUEUE_MAX, on_text, ws) !=
		       SG_OK ||
		   !greet(ws) || atomic_load(&lane->room->srv->draining)) {
		die(ws);
	} else {
		ws->events->opened(ws->user, ws);
	}
}

static bool refuse(struct sg_http_request *req, enum ws_handshake what)
{
	if (what == WS_HANDSHAKE_VERSION) { /* section 4.4 */
		sg_http_add_header(req, "Sec-WebSocket-Version", "13");
		sg_http_refuse(req, 426, "this WebSocket version is not spoken here");
	} else {
		sg_http_add_header(req, "Upgrade", "websocket");
		sg_http_refuse(req, 400, "a WebSocket handshake is expected here");
	}
	return false;
}

static bool refuse_busy(struct sg_http_request *req)
{
	sg_http_add_header(req, "Retry-After", "2");
	sg_http_refuse(req, 503, "try again");
	return false;
}

bool sg_http_upgrade(struct sg_http_request *req, const struct sg_ws_events *events, void *user)
{
	struct http_ws *room = req->srv->websockets;
	struct ws_handshake_fields f = { .upgrade = sg_http_header(req, "Upgrade"),
		.connection = sg_http_header(req, "Connection"),
		.version = sg_http_header(req, "Sec-WebSocket-Version"),
		.key = sg_http_header(req, "Sec-WebSocket-Key") };
	char accept[WS_ACCEPT_SIZE];

	enum ws_handshake what = ws_handshake(&f, accept);
	if (what != WS_HANDSHAKE_GOOD || req->method != SG_HTTP_GET || req->body.len)
		return refuse(req, what);
	struct sg_ws *ws = calloc(1, sizeof(*ws));
	if (!ws || !room->lane_count || atomic_load(&req->srv->draining) ||
	    (ws->fd = fcntl(req->connection->fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		free(ws);
		return refuse_busy(req);
	}
	memcpy(ws->accept, accept, sizeof(accept));
	ws->lane = &room->lanes[atomic_fetch_add(&room->next_lane, 1) % room->lane_count];
	ws->events = events;
	ws->user = user;
	ws->task.run = begin;
	atomic_fetch_add(&room->count, 1);
	atomic_fetch_add(&req->srv->status[1], 1);
	http_drop(req);
	struct sg_executor *ex = sg_loop_executor(ws->lane->loop);
	ex->post(ex, &ws->task);
	return true;
}

/* ---- opening and closing ---- */

static void open_lane(void *user)
{
	struct http_ws_lane *lane = user;

	if (sg_timer_open(&lane->timer, lane->loop, tick, lane) != SG_OK)
		lane->timer = NULL;
	else
		sg_timer_start(lane->timer, 1000, 1000);
}

static void drain_lane(void *user)
{
	struct http_ws_lane *lane = user;

	for (struct sg_ws *ws = lane->conversations; ws; ws = ws->next)
		sg_ws_close(ws, SG_WS_GOING_AWAY, "the server is stopping");
}

static void close_lane(void *user)
{
	struct http_ws_lane *lane = user;

	for (struct sg_ws *ws = lane->conversations; ws; ws = ws->next)
		die(ws);
	sg_timer_close(lane->timer);
	lane->timer = NULL;
}

static void nothing(void *user)
{
	(void)user;
}

enum sg_result http_ws_open(struct http_ws **out, struct sg_http_server *srv)
{
	struct http_ws *room = calloc(1, sizeof(*room));

	*out = room;
	if (!room)
		return SG_ERR_NO_MEMORY;
	room->srv = srv;
	room->lanes = calloc(srv->cfg.loop_count ? srv->cfg.loop_count : 1, sizeof(*room->lanes));
	if (!room->lanes)
		return SG_ERR_NO_MEMORY;
	for (; room->lane_count < srv->cfg.loop_count; room->lane_count++) {
		struct http_ws_lane *lane = &room->lanes[room->lane_count];
		lane->room = room;
		lane->loop = srv->cfg.loops[room->lane_count];
		sg_loop_call(lane->loop, open_lane, lane);
		if (!lane->timer)
			return SG_ERR_NO_MEMORY;
	}
	return SG_OK;
}

void http_ws_drain(struct http_ws *room)
{
	for (size_t i = 0; room && i < room->lane_count; i++)
		sg_loop_call(room->lanes[i].loop, drain_lane, &room->lanes[i]);
}

void http_ws_close(struct http_ws *room)
{
	if (!room)
		return;
	for (size_t i = 0; i < room->lane_count; i++) {
		sg_loop_call(room->lanes[i].loop, close_lane, &room->lanes[i]);
		/* Queues are in order: the ends that have been posted have now run. */
		sg_loop_call(room->lanes[i].loop, nothing, NULL);
	}
	free(room->lanes);
	free(room);
}

size_t http_ws_count(const struct http_ws *room)
{
	return room ? atomic_load(&room->count) : 0;
}
