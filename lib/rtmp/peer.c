/* peer.c - a connection: its bytes in and out, and its end. */
#include "rtmp/rtmp_internal.h"
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#define IN_MAX (2 * SCRATCH_BYTES)
#define OUT_MAX 65536
#define READS_MAX 8 /* then the others have their turn */
#define RESTS_MAX 64 /* so many turns at the end */

const char *peer_name(const struct rtmp_peer *p)
{
	return sg_conn_peer_text(p->conn);
}

/* ---- out ---- */

static void flush_out(struct rtmp_peer *p)
{
	while (p->out.len) {
		struct iovec iov = { p->out.p, p->out.len };
		ssize_t n = sg_conn_writev(p->conn, &iov, 1);
		if (n < 0) {
			peer_drop(p, SG_BYE_BROKEN);
			return;
		}
		if (n == 0)
			break;
		sg_buf_consume(&p->out, (size_t)n);
	}
	sg_conn_want_write(p->conn, p->out.len > 0);
	if (p->out.len)
		return;
	sg_buf_reset(&p->out);
	if (p->state == PEER_CLOSING)
		sg_conn_finish(p->conn);
}

void peer_send(struct rtmp_peer *p, const struct sg_buf *b)
{
	if (p->dead)
		return;
	if (p->follower) {
		if (sg_follower_send(p->follower, b->p, b->len) != SG_OK)
			peer_drop(p, SG_BYE_STALLED);
		return;
	}
	sg_buf_append(&p->out, b->p, b->len);
	if (p->out.failed || b->failed)
		peer_drop(p, SG_BYE_STALLED); /* asks and asks, but does not read */
	else
		flush_out(p);
}

void put_user_control(struct sg_buf *out, uint16_t event, uint32_t value)
{
	uint8_t body[6];

	sg_put_be16(body, event);
	sg_put_be32(body + 2, value);
	sg_rtmp_put_message(out, 2, SG_RTMP_USER_CONTROL, 0, body, sizeof(body));
}

void put_status(struct sg_buf *out, const char *level, const char *code, const char *text)
{
	struct sg_buf b;

	sg_buf_init(&b, 1024);
	sg_amf_put_string(&b, "onStatus");
	sg_amf_put_number(&b, 0);
	sg_amf_put_null(&b);
	sg_amf_begin_object(&b);
	sg_amf_put_key(&b, "level");
	sg_amf_put_string(&b, level);
	sg_amf_put_key(&b, "code");
	sg_amf_put_string(&b, code);
	sg_amf_put_key(&b, "description");
	sg_amf_put_string(&b, text);
	sg_amf_end_object(&b);
	sg_rtmp_put_message(out, 3, SG_RTMP_COMMAND, RTMP_STREAM, b.p, b.len);
	sg_buf_reset(&b);
}

/* ---- the end ---- */

void peer_drop(struct rtmp_peer *p, enum sg_goodbye bye)
{
	/* Why it is closing has been said already. */
	if (!p->dead && p->state != PEER_CLOSING)
		p->bye = bye;
	p->dead = true;
}

void peer_count_bytes(struct rtmp_peer *p)
{
	struct sg_follower_stats stats = { 0 };
	uint64_t now = p->bytes_in;

	if (p->role == ROLE_PLAY && !p->follower)
		return;
	if (p->follower) {
		sg_follower_stats(p->follower, &stats);
		now = stats.bytes_sent;
		atomic_fetch_add_explicit(
		    &p->lane->srv->bytes_out, now - p->counted, memory_order_relaxed);
	}
	if (p->session && p->stage == STAGE_ACTIVE && now > p->counted)
		sg_session_add_bytes(p->session, now - p->counted);
	p->counted = now;
}

void peer_end_role(struct rtmp_peer *p, enum sg_goodbye bye)
{
	if (p->role == ROLE_NONE)
		return;
	p->bye = bye;
	peer_count_bytes(p);
	if (p->role == ROLE_PUBLISH)
		publisher_end(p);
	else
		viewer_end(p);
	sg_gate_end(p->session, bye);
	p->session = NULL;
	p->role = ROLE_NONE;
	p->deadline_ms = sg_mono_ms() + p->lane->srv->cfg.say_something_ms;
}

void peer_say_and_close(
    struct rtmp_peer *p, const char *level, const char *code, const char *text, enum sg_goodbye bye)
{
	struct sg_buf b;

	if (p->dead || p->state == PEER_CLOSING)
		return;
	if (!p->app) { /* before connect nothing that we could say is understood */
		peer_drop(p, bye);
		return;
	}
	sg_buf_init(&b, OUT_MAX);
	put_status(&b, level, code, text);
	peer_send(p, &b); /* through the follower, at a frame's boundary, if it can */
	sg_buf_reset(&b);
	if (p->dead)
		return;
	bool was_viewer = p->follower;
	peer_end_role(p, bye);
	p->state = PEER_CLOSING;
	sg_buf_reset(&p->in);
	p->deadline_ms =
	    sg_mono_ms() + (bye == SG_BYE_STREAM_ENDED ? STREAM_END_LINGER_MS : LINGER_MS);
	sg_conn_want_read(p->conn, true);
	if (was_viewer)
		sg_conn_finish(p->conn);
	else
		flush_out(p);
}

void peer_bad_input(struct rtmp_peer *p, const char *what)
{
	atomic_fetch_add(&p->lane->srv->bad_input, 1);
	sg_log_limited(SG_LOG_WARNING, "rtmp %s: %s: closed", peer_name(p), what);
	peer_drop(p, SG_BYE_BAD_INPUT);
}

void peer_destroy(struct rtmp_peer *p)
{
	struct sg_rtmp_server *srv = p->lane->srv;

	peer_end_role(p, p->bye);
	DL_DELETE(p->lane->peers, p);
	/* R6: what the kernel still holds does not reach one who was shown out. */
	if (p->bye == SG_BYE_STREAM_ENDED || p->bye == SG_BYE_SHUTDOWN)
		sg_conn_close(p->conn);
	else
		sg_conn_abort(p->conn);
	sg_rtmp_chunks_reset(&p->chunks);
	sg_buf_reset(&p->in);
	sg_buf_reset(&p->out);
	free(p->app);
	free(p->tc_url);
	free(p->flash_ver);
	free(p);
	atomic_fetch_sub(&srv->connections, 1);
}

void peer_settle(struct rtmp_peer *p)
{
	if (p->dead)
		peer_destroy(p);
}

/* ---- in: handshake ---- */

static bool take_c1(struct rtmp_peer *p, struct sg_reader *in)
{
	uint8_t answer[SG_RTMP_S0S1S2_BYTES];
	const uint8_t *c0c1;
	struct sg_buf b;

	/* What is not RTMP is known by its first byte. */
	if (in->left && in->p[0] != 3 && in->p[0] != 6 && in->p[0] != 8) {
		peer_bad_input(p, "this is not RTMP");
		return false;
	}
	if (!sg_read_bytes(in, SG_RTMP_C0C1_BYTES, &c0c1))
		return false;
	if (sg_rtmp_handshake(answer, c0c1) != SG_OK) {
		peer_bad_input(p, "encrypted RTMP (rtmpe) is not spoken here");
		return false;
	}
	sg_buf_init(&b, sizeof(answer));
	sg_buf_append(&b, answer, sizeof(answer));
	peer_send(p, &b);
	sg_buf_reset(&b);
	p->state = PEER_C2;
	return !p->dead;
}

/* C2 should repeat S1; many clients do not bother, and nothing depends on it. */
static bool take_c2(struct rtmp_peer *p, struct sg_reader *in)
{
	if (!sg_read_skip(in, SG_RTMP_C2_BYTES))
		return false;
	p->state = PEER_OPEN;
	return true;
}

/* ---- in: messages ---- */

static void user_control(struct rtmp_peer *p, struct sg_reader body)
{
	struct sg_buf b;
	uint16_t event;
	uint32_t value;

	/* 6: a ping, to be answered with 7 (RTMP 1.0 section 7.1.7). */
	if (!sg_read_be16(&body, &event) || event != 6 || !sg_read_be32(&body, &value))
		return;
	sg_buf_init(&b, 64);
	put_user_control(&b, 7, value);
	peer_send(p, &b);
	sg_buf_reset(&b);
}

static void handle(struct rtmp_peer *p, const struct sg_rtmp_message *m)
{
	struct sg_reader body = m->body;
	uint8_t format;

	switch (m->type) {
	case SG_RTMP_USER_CONTROL:
		user_control(p, body);
		break;
	case SG_RTMP_WINDOW_ACK_SIZE:
		if (sg_read_be32(&body, &p->window) && p->window < 1000)
			p->window = 1000; /* no storm of acknowledgements */
		break;
	case SG_RTMP_COMMAND_AMF3: /* a zero, then AMF0 */
		if (sg_read_u8(&body, &format) && format == 0)
			command_handle(p, body);
		break;
	case SG_RTMP_COMMAND:
		command_handle(p, body);
		break;
	case SG_RTMP_AUDIO:
	case SG_RTMP_VIDEO:
	case SG_RTMP_DATA:
	case SG_RTMP_DATA_AMF3:
	case SG_RTMP_AGGREGATE:
		if (p->role == ROLE_PUBLISH)
			publisher_message(p, m);
		break;
	default:
		break; /* obeyed by the chunk reader, or nothing for us */
	}
}

static void acknowledge(struct rtmp_peer *p)
{
	uint8_t body[4];
	struct sg_buf b;

	if (p->bytes_in - p->acked < p->window)
		return;
	p->acked = p->bytes_in;
	sg_put_be32(body, (uint32_t)p->bytes_in);
	sg_buf_init(&b, 64);
	sg_rtmp_put_message(&b, 2, SG_RTMP_ACK, 0, body, sizeof(body));
	peer_send(p, &b);
	sg_buf_reset(&b);
}

static bool waits_for_gate(const struct rtmp_peer *p)
{
	return p->role != ROLE_NONE && (p->stage == STAGE_ASKING || p->stage == STAGE_COMMITTING);
}

/* Takes what it can. */
static void process(struct rtmp_peer *p, struct sg_reader *in)
{
	struct sg_rtmp_message m;
	const char *why;

	while (!p->dead && !waits_for_gate(p)) {
		if (p->state == PEER_CLOSING) {
			in->left = 0;
			return;
		}
		if (p->state == PEER_C1) {
			if (!take_c1(p, in))
				return;
		} else if (p->state == PEER_C2) {
			if (!take_c2(p, in))
				return;
		} else {
			enum sg_result res = sg_rtmp_chunks_read(&p->chunks, in, &m, &why);
			if (res == SG_NEED_MORE)
				return;
			if (res == SG_OK)
				handle(p, &m);
			else
				peer_bad_input(p, why);
		}
	}
}

static void keep_rest(struct rtmp_peer *p, struct sg_reader rest)
{
	if (rest.left)
		sg_buf_append(&p->in, rest.p, rest.left);
	if (p->in.failed)
		peer_drop(p, SG_BYE_BAD_INPUT);
	if (!p->dead)
		sg_conn_want_read(p->conn, !waits_for_gate(p));
}

void peer_go_on(struct rtmp_peer *p)
{
	struct sg_buf in = p->in;

	sg_buf_init(&p->in, IN_MAX);
	struct sg_reader r = { in.p, in.len };
	process(p, &r);
	keep_rest(p, r);
	sg_buf_reset(&in);
}

/* True: there may be more. */
static bool read_some(struct rtmp_peer *p)
{
	uint8_t *scratch = p->lane->scratch;
	size_t before = p->in.len;

	/* What is left over is less than a header, or a handshake that is not whole. */
	if (before > SCRATCH_BYTES / 2) {
		peer_drop(p, SG_BYE_BAD_INPUT);
		return false;
	}
	if (before)
		memcpy(scratch, p->in.p, before);
	ssize_t n = sg_conn_read(p->conn, scratch + before, SCRATCH_BYTES - before);
	if (n < 0) {
		/* A goodbye is a command; an end without one is a break (R13). */
		peer_drop(p, SG_BYE_BROKEN);
	} else if (n > 0) {
		sg_buf_reset(&p->in);
		p->bytes_in += (uint64_t)n;
		atomic_fetch_add_explicit(&p->lane->srv->bytes_in, (uint64_t)n, memory_order_relaxed);
		if (p->role == ROLE_PUBLISH && p->stage == STAGE_ACTIVE)
			p->deadline_ms = sg_loop_now_ms(p->lane->loop) +
					 p->lane->srv->cfg.publisher_silent_ms;
		struct sg_reader r = { scratch, before + (size_t)n };
		process(p, &r);
		keep_rest(p, r);
		if (!p->dead && p->state == PEER_OPEN)
			acknowledge(p);
	}
	/* TLS gives a record at a time, however many there are. */
	return n == (ssize_t)(SCRATCH_BYTES - before) || (n > 0 && sg_conn_plain_fd(p->conn) < 0);
}

/* What a publisher's socket was left to collect comes in one go, and followers are told of all of it. */
static bool read_burst(struct rtmp_peer *p)
{
	struct sg_publisher *pub = p->publisher;

	if (pub)
		sg_publisher_hold(pub);
	bool more = read_some(p);
	for (int i = 1; more && i < READS_MAX && p->publisher && !p->dead; i++)
		more = read_some(p);
	if (pub && pub == p->publisher)
		sg_publisher_release(pub);
	return more;
}

void peer_read_rest(struct rtmp_peer *p)
{
	for (int i = 0; i < RESTS_MAX && p->publisher && !p->dead; i++)
		if (!read_burst(p))
			break;
}

void peer_read(struct rtmp_peer *p)
{
	uint64_t before = p->bytes_in;
	bool more = read_burst(p);

	if (p->publisher && !p->dead)
		publisher_put_off(p, !more && p->bytes_in > before);
	peer_settle(p);
}

static void on_readable(void *user)
{
	peer_read(user);
}

static void on_writable(void *user)
{
	struct rtmp_peer *p = user;

	if (p->follower)
		sg_follower_writable(p->follower);
	else
		flush_out(p);
	peer_settle(p);
}

static const struct sg_conn_events conn_events = { on_readable, on_writable };

/* ---- at each sweep ---- */

static const char *what_it_waited_for(const struct rtmp_peer *p)
{
	if (p->state != PEER_OPEN)
		return "the handshake did not come";
	if (p->role == ROLE_NONE)
		return "neither publish nor play came";
	return p->stage == STAGE_HELD ? "no media came" : "the publisher fell silent";
}

void peer_tick(struct rtmp_peer *p, int64_t now_ms)
{
	struct sg_buf b;

	peer_count_bytes(p);
	if (p->deadline_ms && now_ms > p->deadline_ms && !waits_for_gate(p)) {
		if (p->state != PEER_CLOSING)
			sg_log_limited(SG_LOG_INFO, "rtmp %s: %s: closed", peer_name(p),
			    what_it_waited_for(p));
		peer_drop(p, p->role == ROLE_PUBLISH && p->stage == STAGE_HELD ? SG_BYE_NO_MEDIA
									      : SG_BYE_BROKEN);
	} else if (p->follower && p->until_ms && now_ms >= p->until_ms) {
		peer_say_and_close(
		    p, "status", "NetStream.Play.Stop", "As long as asked.", SG_BYE_CLOSED);
	} else if (p->follower && now_ms - p->ping_ms > PING_MS) {
		p->ping_ms = now_ms;
		sg_buf_init(&b, 64);
		put_user_control(&b, 6, (uint32_t)now_ms);
		peer_send(p, &b);
		sg_buf_reset(&b);
	}
	peer_settle(p);
}

/* ---- the beginning ---- */

static enum sg_result open_conn(struct rtmp_peer *p, struct sg_loop *loop, int fd, struct sg_tls *tls)
{
	return tls ? sg_conn_open_tls(&p->conn, loop, fd, tls, &conn_events, p)
		   : sg_conn_open(&p->conn, loop, fd, &conn_events, p);
}

void peer_start(struct rtmp_lane *lane, int fd, struct sg_tls *tls)
{
	struct rtmp_peer *p = calloc(1, sizeof(*p));

	if (!p || open_conn(p, lane->loop, fd, tls) != SG_OK) {
		free(p);
		close(fd);
		atomic_fetch_sub(&lane->srv->connections, 1);
		return;
	}
	p->lane = lane;
	p->deadline_ms = sg_mono_ms() + lane->srv->cfg.say_something_ms;
	p->window = WINDOW_BYTES;
	p->bye = SG_BYE_BROKEN;
	sg_rtmp_chunks_init(&p->chunks);
	sg_buf_init(&p->in, IN_MAX);
	sg_buf_init(&p->out, OUT_MAX);
	if (!lane->peers)
		sg_timer_start(lane->sweep, SWEEP_MS, SWEEP_MS);
	DL_APPEND(lane->peers, p);
	sg_log_debug("rtmp %s: connected", peer_name(p));
}
