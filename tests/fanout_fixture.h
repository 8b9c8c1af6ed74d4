/* fanout_fixture.h - a room with one ring and one fanout, and its viewers. Each viewer is a socketpair:
 * one end is the follower's, the other is read here, by a thread or by the test itself. */
#ifndef FANOUT_FIXTURE_H
#define FANOUT_FIXTURE_H

#include "media_fixture.h"
#include "base/config.h"
#include "fanout/fanout.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#define KEY SG_FRAME_KEY
#define CONFIG SG_FRAME_CONFIG

struct viewer;

struct room {
	struct sg_loop *loop;
	struct sg_fanout *fo;
	struct sg_ring *ring;
	int64_t gather_ms;
	uint32_t written;
};

struct viewer {
	struct room *room;
	struct sg_follower_config cfg;
	struct sg_conn *conn;
	struct sg_follower *f;
	int fd[2]; /* the follower's, ours */
	sem_t ended;
	atomic_int times_ended, why;
	bool stays_open; /* when it has ended; else it is closed inside `ended` */
	struct sg_follower_stats stats; /* when it was closed */
	/* what has come */
	pthread_t thread;
	bool drained;
	struct sg_buf got;
	atomic_size_t got_len;
	atomic_llong *last_us;
};

/* ---- the room ---- */

static inline void open_fanout(void *user)
{
	struct room *room = user;

	assert_int_equal(sg_fanout_open(&room->fo, room->loop, room->gather_ms), SG_OK);
}

static inline void room_open(struct room *room, int64_t gather_ms, size_t frames)
{
	*room = (struct room){ .gather_ms = gather_ms };
	assert_int_equal(sg_loop_start(&room->loop, "fanout"), SG_OK);
	assert_int_equal(sg_ring_create(&room->ring, frames, 64u << 20), SG_OK);
	sg_loop_call(room->loop, open_fanout, room);
}

static inline void close_fanout(void *user)
{
	sg_fanout_close(user);
}

static inline void room_close(struct room *room)
{
	sg_loop_call(room->loop, close_fanout, room->fo);
	sg_loop_stop(room->loop);
	sg_ring_unref(room->ring);
}

static inline struct sg_frame *write_frame(struct room *room, enum sg_frame_kind kind, unsigned flags, size_t size)
{
	struct sg_frame *f = sg_frame_ref(numbered_frame(kind, flags, room->written++, size));

	sg_ring_write(room->ring, f);
	return f;
}

static inline void write_video(struct room *room, unsigned count, unsigned key_every, size_t size)
{
	for (unsigned i = 0; i < count; i++)
		sg_frame_unref(write_frame(
		    room, SG_FRAME_VIDEO, room->written % key_every ? 0 : KEY, size));
}

/* What a viewer of `form` is to get of this frame: RTMP's header or FLV's, the payload, FLV's trailer. */
static inline void expect_frame(struct sg_buf *b, const struct sg_frame *f, enum sg_form form)
{
	if (form == SG_FORM_RTMP)
		sg_buf_append(b, f->rtmp_header, f->rtmp_header_len);
	if (form == SG_FORM_FLV)
		sg_buf_append(b, f->flv_header, f->flv_header_len);
	sg_buf_append(b, f->payload, f->size);
	if (form == SG_FORM_FLV)
		sg_buf_put_be32(b, f->flv_header_len + f->size);
}

/* ---- viewers ---- */

static inline void on_readable(void *user)
{
	struct viewer *v = user;
	char byte;

	if (sg_conn_read(v->conn, &byte, 1) < 0)
		sg_conn_want_read(v->conn, false);
}

static inline void on_writable(void *user)
{
	sg_follower_writable(((struct viewer *)user)->f);
}

static const struct sg_conn_events conn_events = { on_readable, on_writable };

static inline void shut(void *user)
{
	struct viewer *v = user;

	if (!v->f)
		return;
	sg_follower_stats(v->f, &v->stats);
	sg_follower_close(v->f);
	sg_conn_close(v->conn);
	v->f = NULL;
}

static inline void on_ended(void *user, enum sg_follower_end why)
{
	struct viewer *v = user;

	atomic_store(&v->why, (int)why);
	atomic_fetch_add(&v->times_ended, 1);
	if (!v->stays_open)
		shut(v);
	sem_post(&v->ended);
}

static inline void open_follower(void *user)
{
	struct viewer *v = user;

	assert_int_equal(sg_conn_open(&v->conn, v->room->loop, v->fd[0], &conn_events, v), SG_OK);
	v->cfg.conn = v->conn;
	assert_int_equal(sg_follower_open(&v->f, v->room->fo, &v->cfg), SG_OK);
	assert_int_equal(atomic_load(&v->times_ended), 0); /* never inside */
}

static inline void make_sockets(struct viewer *v, int send_buffer)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, v->fd), 0);
	assert_int_equal(fcntl(v->fd[0], F_SETFL, O_NONBLOCK), 0);
	if (send_buffer)
		setsockopt(v->fd[0], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
}

/* With `v->cfg` as far as the test has filled it in. */
static inline void viewer_open(struct room *room, struct viewer *v, enum sg_form form, int send_buffer)
{
	v->room = room;
	v->cfg.ring = room->ring;
	v->cfg.form = form;
	v->cfg.ended = on_ended;
	v->cfg.user = v;
	sem_init(&v->ended, 0, 0);
	sg_buf_init(&v->got, 256u << 20);
	make_sockets(v, send_buffer);
	sg_loop_call(room->loop, open_follower, v);
}

static inline void viewer_close(struct viewer *v)
{
	sg_loop_call(v->room->loop, shut, v);
	if (v->drained)
		pthread_join(v->thread, NULL);
	close(v->fd[1]);
	sg_buf_reset(&v->got);
	sem_destroy(&v->ended);
}

/* Takes what comes until there are `want` bytes in all; false: it ended, or nothing came. */
static inline bool take(struct viewer *v, size_t want)
{
	uint8_t piece[65536];

	while (v->got.len < want) {
		struct pollfd p = { .fd = v->fd[1], .events = POLLIN };
		size_t room = want - v->got.len;
		ssize_t n = poll(&p, 1, WAIT_S * 1000) == 1
				? recv(v->fd[1], piece, room < sizeof(piece) ? room : sizeof(piece), 0)
				: -1;
		if (n <= 0)
			return false;
		sg_buf_append(&v->got, piece, (size_t)n);
		if (v->last_us)
			atomic_store(v->last_us, sg_mono_us());
		atomic_store(&v->got_len, v->got.len);
	}
	return true;
}

static inline void *drain(void *arg)
{
	take(arg, SIZE_MAX);
	return NULL;
}

static inline void drain_on_thread(struct viewer *v)
{
	v->drained = true;
	assert_int_equal(pthread_create(&v->thread, NULL, drain, v), 0);
}

/* Nothing more has come than what was taken; after an event that says that nothing will. */
static inline void assert_no_more(struct viewer *v)
{
	char byte;

	assert_true(recv(v->fd[1], &byte, 1, MSG_DONTWAIT) <= 0);
}

/* What was posted to the loop before has run. */
static inline void nothing(void *user)
{
	(void)user;
}

static inline void settle(struct room *room)
{
	sg_loop_call(room->loop, nothing, NULL);
	sg_loop_call(room->loop, nothing, NULL);
}

struct call {
	struct viewer *v;
	const char *text;
	size_t len;
	bool on;
	enum sg_result res;
};

static inline void call_send(void *user)
{
	struct call *c = user;

	c->res = sg_follower_send(c->v->f, c->text, c->len);
}

static inline enum sg_result send_own(struct viewer *v, const char *text, size_t len)
{
	struct call c = { .v = v, .text = text, .len = len };

	sg_loop_call(v->room->loop, call_send, &c);
	return c.res;
}

static inline void call_pause(void *user)
{
	struct call *c = user;

	sg_follower_pause(c->v->f, c->on);
}

static inline void pause_viewer(struct viewer *v, bool on)
{
	struct call c = { .v = v, .on = on };

	sg_loop_call(v->room->loop, call_pause, &c);
}

static inline void call_stats(void *user)
{
	struct viewer *v = user;

	sg_follower_stats(v->f, &v->stats);
}

static inline const struct sg_follower_stats *stats_of(struct viewer *v)
{
	sg_loop_call(v->room->loop, call_stats, v);
	return &v->stats;
}

/* Reads RAW frames of `size` bytes until the end; answers how many there were. Claims that each is whole
 * and that every step but to the next is to a keyframe. */
static inline unsigned assert_whole_frames(const struct viewer *v, size_t size, unsigned key_every, unsigned *jumps)
{
	uint32_t last = 0;

	*jumps = 0;
	assert_int_equal(v->got.len % size, 0);
	for (size_t at = 0; at < v->got.len; at += size) {
		const uint8_t *p = v->got.p + at;
		uint32_t n = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
		for (size_t i = 4; i < size; i++)
			if (p[i] != (uint8_t)(n * 7 + i))
				fail_msg("frame %u, byte %zu", n, i);
		if (at && n != last + 1) {
			assert_true(n > last);
			assert_int_equal(n % key_every, 0);
			++*jumps;
		}
		last = n;
	}
	return (unsigned)(v->got.len / size);
}

static inline void await_bytes(struct viewer *v, size_t want)
{
	int64_t until_ms = sg_mono_ms() + WAIT_S * 1000;

	while (atomic_load(&v->got_len) < want) {
		assert_true(sg_mono_ms() < until_ms);
		usleep(200);
	}
}

#endif
