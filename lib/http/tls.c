/* tls.c - HTTPS and WSS: a pump between the TLS connection and a plain socket.
 *
 * libmicrohttpd is given one end of a socket pair and never sees TLS: its own carries a WebSocket four
 * bytes a record, and ours can change its certificate. What leaves libmicrohttpd (media sockets,
 * WebSockets) leaves with that end. The pair is made when the handshake is over, so that one that never
 * ends costs a socket and no more.
 *
 * A large body goes past both (tls_apart.c).
 *
 * A pump lives on its loop. Others may hold a reference, to cut it off: what it still holds is then thrown
 * away (R6). */
#include "http/tls_internal.h"
#include <sys/socket.h>

#define UP_BYTES 16384
#define PAIR_BYTES 65536  /* of the plain socket's buffer, each way */
#define LINGER_MS 10000   /* for a peer that has not read the end */
#define BODY_IOV 8
#define BODY_TURNS 4 /* writes of a body before others have their turn */

/* ---- references ---- */

void http_pump_unref(struct http_pump *p)
{
	if (p && atomic_fetch_sub(&p->refs, 1) == 1) {
		pthread_mutex_destroy(&p->lock);
		free(p);
	}
}

struct http_pump *http_pump_ref(struct http_pump *p)
{
	if (p)
		atomic_fetch_add(&p->refs, 1);
	return p;
}

static void cut_now(struct sg_task *task);

void http_pump_cut(struct http_pump *p)
{
	if (!p || atomic_exchange(&p->cut, true))
		return;
	struct sg_executor *ex = sg_loop_executor(p->lane->loop);
	http_pump_ref(p);
	p->cut_task.run = cut_now;
	ex->post(ex, &p->cut_task);
}

/* Takes `p` out of the list of those whose end the server has not looked at yet. */
static bool take_unclaimed(struct http_tls *room, const struct http_pump *p)
{
	for (struct http_pump **at = &room->unclaimed; *at; at = &(*at)->unclaimed)
		if (*at == p) {
			*at = p->unclaimed;
			return true;
		}
	return false;
}

struct http_pump *http_pump_claim(struct sg_http_server *srv, int fd)
{
	struct http_tls *room = srv->tls;
	struct http_pump *p = NULL;

	if (!room)
		return NULL;
	pthread_mutex_lock(&room->lock);
	for (p = room->unclaimed; p && p->server_fd != fd; p = p->unclaimed)
		;
	if (p) {
		take_unclaimed(room, p);
		http_pump_ref(p);
	}
	pthread_mutex_unlock(&room->lock);
	return p;
}

/* ---- the end ---- */

static void end(struct http_pump *p)
{
	struct http_tls *room = p->lane->room;

	pthread_mutex_lock(&p->lock);
	p->over = true;
	pthread_mutex_unlock(&p->lock);
	http_apart_end(p);
	if (p->prev)
		p->prev->next = p->next;
	else
		p->lane->pumps = p->next;
	if (p->next)
		p->next->prev = p->prev;
	pthread_mutex_lock(&room->lock);
	take_unclaimed(room, p);
	pthread_mutex_unlock(&room->lock);
	sg_conn_close(p->inner);
	if (atomic_load(&p->cut))
		sg_conn_abort(p->outer);
	else
		sg_conn_close(p->outer);
	sg_buf_reset(&p->up);
	sg_buf_reset(&p->down);
	http_pump_unref(p);
	atomic_fetch_sub(&room->count, 1);
}

static void cut_now(struct sg_task *task)
{
	struct http_pump *p = SG_CONTAINER_OF(task, struct http_pump, cut_task);

	if (!p->over) /* which is set on this loop */
		end(p);
	http_pump_unref(p);
}

/* The server has said all: the peer is to have the rest, and is waited for a little. */
static void finish(struct http_pump *p)
{
	if (atomic_load(&p->cut)) {
		end(p);
		return;
	}
	p->ended_ms = sg_mono_ms();
	sg_conn_want_read(p->inner, false);
	if (!p->down.len)
		sg_conn_finish(p->outer);
}

/* ---- bytes ---- */

/* Writes what it can and keeps the rest in `rest`; false: the pump is gone. */
static bool give(struct http_pump *p, struct sg_conn *to, const void *bytes, size_t len,
    struct sg_buf *rest)
{
	struct iovec iov = { (void *)bytes, len };
	ssize_t n = len ? sg_conn_writev(to, &iov, 1) : 0;

	if (n >= 0 && (size_t)n < len)
		sg_buf_append(rest, (const char *)bytes + n, len - (size_t)n);
	if (to == p->outer)
		p->moved_ms = sg_mono_ms();
	if (n >= 0 && !rest->failed)
		return true;
	end(p);
	return false;
}

/* The same for what was kept. */
static bool give_rest(struct http_pump *p, struct sg_conn *to, struct sg_buf *rest)
{
	struct iovec iov = { rest->p, rest->len };
	ssize_t n = rest->len ? sg_conn_writev(to, &iov, 1) : 0;

	if (n < 0) {
		end(p);
		return false;
	}
	if (n > 0 && to == p->outer)
		p->moved_ms = sg_mono_ms();
	sg_buf_consume(rest, (size_t)n);
	if (!rest->len)
		sg_buf_reset(rest);
	return true;
}

/* A body, behind what was kept of its header; false: the pump is gone. */
static bool give_body(struct http_pump *p, struct http_apart *b)
{
	for (int turn = 0; turn < BODY_TURNS && b->next < b->count; turn++) {
		struct iovec iov[1 + BODY_IOV];
		int len = 0;
		if (p->down.len)
			iov[len++] = (struct iovec){ p->down.p, p->down.len };
		len += http_apart_iov(b, iov + len, BODY_IOV);
		ssize_t n = sg_conn_writev(p->outer, iov, len);
		if (n < 0) {
			end(p);
			return false;
		}
		if (n == 0)
			break;
		p->moved_ms = sg_mono_ms();
		size_t kept = (size_t)n < p->down.len ? (size_t)n : p->down.len;
		sg_buf_consume(&p->down, kept);
		http_apart_took(b, (size_t)n - kept);
	}
	if (b->next < b->count)
		return true;
	sg_buf_reset(&p->down);
	http_apart_end(p);
	return true;
}

/* To the peer, a part of a header aside. Loop only. */
static bool has_to_give(struct http_pump *p)
{
	pthread_mutex_lock(&p->lock);
	const struct http_apart *b = p->body;
	bool is_header = b && b->follows && !b->begun && p->inner_bytes > b->at;
	bool gives = (b && b->begun) || (p->down.len && !is_header);
	pthread_mutex_unlock(&p->lock);
	return gives;
}

/* Each side is read only while the other takes. */
static void balance(struct http_pump *p)
{
	bool waits = has_to_give(p);

	sg_conn_want_read(p->outer, !p->up.len && !p->outer_ended);
	sg_conn_want_write(p->outer, waits);
	if (!p->inner)
		return;
	sg_conn_want_read(p->inner, !waits && !p->ended_ms);
	sg_conn_want_write(p->inner, p->up.len > 0);
}

/* ---- the plain side ---- */

static ssize_t read_inner(struct http_pump *p, char *buf, size_t size, bool *is_header)
{
	*is_header = false;
	pthread_mutex_lock(&p->lock);
	if (p->body && p->body->follows)
		size = http_apart_header(p, p->body, buf, size, is_header);
	ssize_t n = sg_conn_read(p->inner, buf, size);
	if (n > 0)
		p->inner_bytes += (uint64_t)n;
	pthread_mutex_unlock(&p->lock);
	return n;
}

static void on_inner_readable(void *user)
{
	struct http_pump *p = user;
	char buf[DOWN_BYTES];
	bool is_header;

	if (atomic_load(&p->cut)) {
		end(p);
		return;
	}
	ssize_t n = read_inner(p, buf, sizeof(buf), &is_header);
	struct http_apart *b = http_apart_now(p);
	if (n < 0) {
		finish(p);
		return;
	}
	if (is_header) {
		sg_buf_append(&p->down, buf, (size_t)n);
		if (p->down.failed || (b && !http_apart_put_length(p, b)))
			end(p);
		else if (!b || give_body(p, b))
			balance(p);
	} else if (give(p, p->outer, buf, (size_t)n, &p->down)) {
		balance(p);
	}
}

static void on_inner_writable(void *user)
{
	struct http_pump *p = user;

	if (give_rest(p, p->inner, &p->up))
		balance(p);
}

static const struct sg_conn_events inner_events = { on_inner_readable, on_inner_writable };

/* ---- the TLS side ---- */

/* The handshake is over: the server gets its end. */
static bool join(struct http_pump *p)
{
	struct sg_http_server *srv = p->lane->room->srv;
	int pair[2], size = PAIR_BYTES;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (sg_conn_open(&p->inner, p->lane->loop, pair[0], &inner_events, p) != SG_OK) {
		p->inner = NULL;
		close(pair[0]);
		close(pair[1]);
		return false;
	}
	p->server_fd = pair[1];
	pthread_mutex_lock(&p->lane->room->lock);
	p->unclaimed = p->lane->room->unclaimed;
	p->lane->room->unclaimed = p;
	pthread_mutex_unlock(&p->lane->room->lock);
	http_take_socket(srv, pair[1], (struct sockaddr *)&p->peer, p->peer_len);
	return true;
}

static void on_outer_readable(void *user)
{
	struct http_pump *p = user;
	char buf[UP_BYTES];
	ssize_t n = sg_conn_read(p->outer, buf, sizeof(buf));

	if (n < 0 && p->inner && !p->ended_ms) {
		/* It may still want the answer: the server learns that no more is asked. */
		p->outer_ended = true;
		sg_conn_finish(p->inner);
		balance(p);
	} else if (n < 0 || (!p->inner && !join(p))) {
		end(p);
	} else if (give(p, p->inner, buf, (size_t)n, &p->up)) {
		balance(p);
	}
}

static void on_outer_writable(void *user)
{
	struct http_pump *p = user;
	struct http_apart *b = http_apart_now(p);

	if (atomic_load(&p->cut)) {
		end(p);
		return;
	}
	if (!(b ? give_body(p, b) : give_rest(p, p->outer, &p->down)))
		return;
	if (p->ended_ms && !p->down.len)
		sg_conn_finish(p->outer);
	balance(p);
}

static const struct sg_conn_events outer_events = { on_outer_readable, on_outer_writable };

/* ---- the beginning ---- */

static struct http_tls_lane *lane_of(struct http_tls *room, const struct sg_loop *loop)
{
	size_t i = 0;

	while (i + 1 < room->lane_count && room->lanes[i].loop != loop)
		i++;
	return &room->lanes[i];
}

void http_tls_accepted(void *user, struct sg_loop *loop, int fd)
{
	struct sg_http_server *srv = user;
	struct http_tls *room = srv->tls;
	/* Each is three descriptors. */
	bool room_left = atomic_fetch_add(&room->count, 1) < srv->cfg.max_connections / 3;
	struct http_pump *p = room_left ? calloc(1, sizeof(*p)) : NULL;

	if (!room_left)
		sg_log_limited(SG_LOG_WARNING, "https: %zu connections are open: turning others away",
		    atomic_load(&room->count) - 1);
	if (p) {
		p->peer_len = sizeof(p->peer);
		p->lane = lane_of(room, loop);
		pthread_mutex_init(&p->lock, NULL);
		atomic_store(&p->refs, 1);
		sg_buf_init(&p->up, UP_BYTES);
		sg_buf_init(&p->down, DOWN_BYTES);
	}
	if (!p || getpeername(fd, (struct sockaddr *)&p->peer, &p->peer_len) != 0 ||
	    sg_conn_open_tls(&p->outer, loop, fd, srv->cfg.tls, &outer_events, p) != SG_OK) {
		close(fd);
		http_pump_unref(p);
		atomic_fetch_sub(&room->count, 1);
		return;
	}
	if ((p->next = p->lane->pumps))
		p->next->prev = p;
	p->lane->pumps = p;
}

/* ---- once a second ---- */

static void tick(void *user)
{
	struct http_tls_lane *lane = user;
	int64_t now_ms = sg_mono_ms();

	for (struct http_pump *p = lane->pumps, *next; p; p = next) {
		next = p->next;
		bool waits = has_to_give(p);
		if (atomic_load(&p->cut) || (p->ended_ms && now_ms - p->ended_ms > LINGER_MS) ||
		    (waits && now_ms - p->moved_ms > HTTP_IDLE_MS))
			end(p);
	}
}

/* ---- opening and closing ---- */

static void open_lane(void *user)
{
	struct http_tls_lane *lane = user;

	if (sg_timer_open(&lane->timer, lane->loop, tick, lane) != SG_OK)
		lane->timer = NULL;
	else
		sg_timer_start(lane->timer, 1000, 1000);
}

static void close_lane(void *user)
{
	struct http_tls_lane *lane = user;

	while (lane->pumps)
		end(lane->pumps);
	sg_timer_close(lane->timer);
	lane->timer = NULL;
}

enum sg_result http_tls_open(struct http_tls **out, struct sg_http_server *srv)
{
	struct http_tls *room = calloc(1, sizeof(*room));

	*out = room;
	if (!room)
		return SG_ERR_NO_MEMORY;
	room->srv = srv;
	pthread_mutex_init(&room->lock, NULL);
	room->lanes = calloc(srv->cfg.loop_count, sizeof(*room->lanes));
	if (!room->lanes)
		return SG_ERR_NO_MEMORY;
	for (; room->lane_count < srv->cfg.loop_count; room->lane_count++) {
		struct http_tls_lane *lane = &room->lanes[room->lane_count];
		lane->room = room;
		lane->loop = srv->cfg.loops[room->lane_count];
		sg_loop_call(lane->loop, open_lane, lane);
		if (!lane->timer)
			return SG_ERR_NO_MEMORY;
	}
	return SG_OK;
}

void http_tls_close(struct http_tls *room)
{
	if (!room)
		return;
	for (size_t i = 0; i < room->lane_count; i++)
		sg_loop_call(room->lanes[i].loop, close_lane, &room->lanes[i]);
	pthread_mutex_destroy(&room->lock);
	free(room->lanes);
	free(room);
}

size_t http_tls_count(const struct http_tls *room)
{
	return room ? atomic_load(&room->count) : 0;
}
