/* live.c - HTTP-FLV and HTTP-TS: an answer without an end.
 *
 * Once admitted, the socket leaves libmicrohttpd: a duplicate of it goes to the lane's loop, where
 * the stream's followers share their work, and libmicrohttpd drops its own, which says nothing to
 * the peer. We write the answer's header ourselves: HTTP/1.1, no length, so the body ends with the
 * connection (RFC 9112 section 6.3, rule 8). */
#include "http/media_internal.h"
#include <fcntl.h>

#define TS_ASK_MS 20000 /* the packager rests when nobody has asked for a minute */

/* ---- the end ---- */

static void count_bytes(struct http_play *p)
{
	struct sg_follower_stats stats;

	if (!p->follower)
		return;
	sg_follower_stats(p->follower, &stats);
	if (stats.bytes_sent == p->counted)
		return;
	sg_session_add_bytes(p->session, stats.bytes_sent - p->counted);
	atomic_fetch_add(&p->lane->media->bytes, stats.bytes_sent - p->counted);
	p->counted = stats.bytes_sent;
}

void live_stop(struct http_play *p, enum sg_goodbye why)
{
	struct sg_http_media *m = p->lane->media;

	count_bytes(p);
	sg_follower_close(p->follower);
	if (why == SG_BYE_STREAM_ENDED || why == SG_BYE_SHUTDOWN)
		sg_conn_close(p->conn);
	else { /* R6: what is on its way does not reach one who was shown out */
		http_pump_cut(p->pump);
		sg_conn_abort(p->conn);
	}
	play_end(p, why);
	atomic_fetch_sub(&m->viewers, 1);
}

static void on_follower_ended(void *user, enum sg_follower_end why)
{
	live_stop(user, why == SG_FOLLOWER_STREAM_ENDED ? SG_BYE_STREAM_ENDED
			: why == SG_FOLLOWER_STALLED    ? SG_BYE_STALLED
							: SG_BYE_BROKEN);
}

/* ---- the socket ---- */

/* Nothing is expected from the peer but its end. */
static void on_readable(void *user)
{
	struct http_play *p = user;
	char drain[4096];

	for (int i = 0; i < 4; i++) {
		ssize_t n = sg_conn_read(p->conn, drain, sizeof(drain));
		if (n < 0) {
			live_stop(p, SG_BYE_CLOSED);
			return;
		}
		if (n == 0)
			return;
	}
}

static void on_writable(void *user)
{
	struct http_play *p = user;

	sg_follower_writable(p->follower);
}

static const struct sg_conn_events conn_events = { on_readable, on_writable };

/* ---- the beginning ---- */

static enum play_state find_stream(struct http_play *p)
{
	struct sg_stream *s = sg_hub_find(
	    p->lane->media->srv->cfg.hub, sg_str_from(p->app), sg_str_from(p->name));
	p->stream = s ? sg_stream_classic(s) : NULL;
	return p->stream ? PLAY_READY : PLAY_GONE;
}

static enum play_state find_ts(struct http_play *p)
{
	enum play_state state = find_stream(p);

	if (state == PLAY_READY && !sg_stream_ts_ring(p->stream))
		state = PLAY_UNFIT;
	return state;
}

/* The answer's header and, for FLV, the file's (FLV 1.0, annex E.2). */
static void put_header(struct http_play *p, struct sg_buf *out)
{
	struct sg_str origin = sg_http_header(p->req, "Origin");
	char date[HTTP_DATE_SIZE];

	http_date_format(date, sg_wall_s());
	sg_buf_printf(out,
	    "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: %s\r\nConnection: close\r\n"
	    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nVary: Origin\r\n",
	    date, p->kind->type);
	if (origin.len && origin.len <= 300)
		sg_buf_printf(out,
		    "Access-Control-Allow-Origin: %s\r\nAccess-Control-Allow-Credentials: true\r\n",
		    origin.p);
	sg_buf_puts(out, "\r\n");
	if (p->kind != &play_flv)
		return;
	struct sg_stream_info info;
	sg_stream_info(p->stream, &info);
	const uint8_t flv[13] = { 'F', 'L', 'V', 1,
		(uint8_t)((info.audio ? 4 : 0) | (info.video ? 1 : 0)), 0, 0, 0, 9, 0, 0, 0, 0 };
	sg_buf_append(out, flv, sizeof(flv));
}

/* A fresh socket takes a few hundred bytes at once; one that does not is broken. */
static bool write_all(struct sg_conn *conn, const struct sg_buf *b)
{
	struct iovec iov = { b->p, b->len };

	return !b->failed && sg_conn_writev(conn, &iov, 1) == (ssize_t)b->len;
}

static bool follow(struct http_play *p)
{
	struct sg_follower_config cfg = { .conn = p->conn, .ended = on_follower_ended, .user = p };
	struct sg_join join = { 0 };
	enum sg_result res;

	if (p->kind == &play_flv) {
		sg_stream_join(p->stream, &join);
		cfg.ring = sg_stream_ring(p->stream);
		cfg.form = SG_FORM_FLV;
		cfg.cursor = join.cursor;
		cfg.lead = join.lead;
		cfg.lead_count = join.lead_count;
	} else {
		if (!(cfg.ring = sg_stream_ts_ring(p->stream)))
			return false;
		cfg.form = SG_FORM_RAW;
		cfg.cursor = sg_ring_start(cfg.ring);
		p->asked_ms = sg_mono_ms();
	}
	res = sg_follower_open(&p->follower, p->lane->fanout, &cfg);
	sg_stream_join_reset(&join);
	return res == SG_OK;
}

static void start(struct http_play *p)
{
	struct sg_http_request *req = p->req;
	struct sg_http_media *m = p->lane->media;
	struct sg_buf head;

	int fd = atomic_load(&m->draining) ? -1 : fcntl(req->connection->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || sg_conn_open(&p->conn, p->lane->loop, fd, &conn_events, p) != SG_OK) {
		if (fd >= 0)
			close(fd);
		play_refuse(p, SG_OVERLOAD, SG_BYE_BROKEN);
		return;
	}
	p->pump = http_pump_ref(req->connection->pump);
	sg_buf_init(&head, 4096);
	put_header(p, &head);
	atomic_fetch_add(&m->viewers, 1);
	atomic_fetch_add(&m->srv->status[2], 1);
	p->req = NULL;
	http_drop(req);
	bool ok = write_all(p->conn, &head) && follow(p);
	sg_buf_reset(&head);
	if (!ok)
		live_stop(p, SG_BYE_BROKEN);
}

const struct play_kind play_flv = { .protocol = "flv", .type = "video/x-flv",
	.prepare = find_stream, .start = start };
const struct play_kind play_ts = { .protocol = "ts", .type = "video/mp2t", .prepare = find_ts,
	.start = start };

/* ---- once a second ---- */

void live_tick(void *user)
{
	struct http_lane *lane = user;
	int64_t now_ms = sg_mono_ms();

	hls_wait_tick(lane);
	for (struct http_play *p = lane->plays; p; p = p->next) {
		if (!p->conn)
			continue;
		count_bytes(p);
		if (p->kind == &play_ts && now_ms - p->asked_ms > TS_ASK_MS) {
			p->asked_ms = now_ms;
			(void)sg_stream_ts_ring(p->stream); /* somebody still watches */
		}
	}
}
