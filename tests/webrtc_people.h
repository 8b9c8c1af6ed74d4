/* webrtc_people.h - who is around a WebRTC server in its tests: a stream that somebody else publishes, viewers,
 * cameras. Above webrtc_fixture.h. */
#ifndef WEBRTC_PEOPLE_H
#define WEBRTC_PEOPLE_H

#include "webrtc_fixture.h"

#define KEY_EVERY 30
#define PICTURE_BYTES 3000

/* ---- a stream that somebody else publishes ---- */

struct source {
	struct fixture *f;
	struct sg_publisher *pub;
	unsigned pictures, sounds;
	int64_t next_ms;
};

static inline struct source source_open(struct fixture *f)
{
	struct source s = { .f = f };

	assert_int_equal(sg_hub_publish(f->hub, SG_STR("live"), SG_STR("cam"), "test", &s.pub), SG_OK);
	assert_int_equal(sg_publisher_write(s.pub, config_frame(SG_FRAME_VIDEO)), SG_OK);
	assert_int_equal(sg_publisher_write(s.pub, config_frame(SG_FRAME_AUDIO)), SG_OK);
	s.next_ms = sg_mono_ms();
	return s;
}

static inline void source_step(struct source *s)
{
	unsigned n = s->pictures++;

	assert_int_equal(sg_publisher_write(s->pub, picture(n, n % KEY_EVERY == 0,
			     n % KEY_EVERY ? PICTURE_BYTES : 5 * PICTURE_BYTES)), SG_OK);
	while (s->sounds * 1800 < s->pictures * 3000)
		assert_int_equal(sg_publisher_write(s->pub, sound(s->sounds++)), SG_OK);
}

/* About thirty pictures a second. */
static inline void source_run(struct source *s)
{
	if (!s->pub || sg_mono_ms() < s->next_ms)
		return;
	s->next_ms += 33;
	source_step(s);
}

/* ---- a viewer ---- */

struct viewer {
	struct browser *client;
	bool connected, ended;
	enum sg_goodbye why;
	unsigned pictures, sounds, configs, first, last, gaps;
	unsigned broken; /* pictures that came without the one before, and were no keyframe */
	int64_t first_ms, opened_ms;
	unsigned lose_in_percent; /* of media that comes */
	unsigned dice;
	bool real; /* pictures that have no number of ours in them */
	int64_t ticks;
	unsigned in_bytes_a_second; /* the line's, for media that comes; 0: enough for all */
	double room; /* of the line, in bytes, since room_us */
	int64_t room_us;
	unsigned cut;
};

static inline void on_connected(void *user)
{
	((struct viewer *)user)->connected = true;
}

static inline void on_frame(void *user, struct sg_frame *f)
{
	struct viewer *v = user;

	if (f->flags & SG_FRAME_CONFIG) {
		v->configs++;
	} else if (f->kind == SG_FRAME_AUDIO) {
		v->sounds++;
	} else if (v->real) {
		/* No timestamp comes twice, and none goes back. */
		assert_true(!v->pictures || v->client->tracks[0].ticks > v->ticks);
		v->ticks = v->client->tracks[0].ticks;
		v->pictures++;
	} else {
		unsigned n = picture_number(f);
		if (!v->pictures) {
			v->first = n;
			v->first_ms = sg_mono_ms();
			assert_true(f->flags & SG_FRAME_KEY);
		} else {
			assert_true(n > v->last);
			v->gaps += n != v->last + 1;
			v->broken += n != v->last + 1 && !(f->flags & SG_FRAME_KEY);
		}
		v->last = n;
		v->pictures++;
	}
}

static inline void on_client_ended(void *user, enum sg_goodbye why, const char *detail)
{
	struct viewer *v = user;

	(void)detail;
	v->ended = true;
	v->why = why;
}

/* What is more than the line carries is lost, beyond half a second. */
static inline bool line_is_full(struct viewer *v, size_t len)
{
	int64_t now_us = sg_mono_us();
	double most = v->in_bytes_a_second / 2.0;

	v->room += (double)(now_us - v->room_us) / 1e6 * v->in_bytes_a_second;
	v->room_us = now_us;
	if (v->room > most)
		v->room = most;
	if (v->room < (double)len) {
		v->cut++;
		return true;
	}
	v->room -= (double)len;
	return false;
}

static inline bool on_lose(void *user, bool outgoing, const uint8_t *p, size_t len)
{
	struct viewer *v = user;

	if (outgoing || p[0] < 128 || sg_rtp_is_rtcp(p, len))
		return false;
	if (v->in_bytes_a_second && line_is_full(v, len))
		return true;
	v->dice = v->dice * 1103515245u + 12345u;
	return (v->dice >> 16) % 100 < v->lose_in_percent;
}

static const struct browser_events client_events = { .connected = on_connected, .frame = on_frame,
	.ended = on_client_ended };

static inline void viewer_open_by(struct viewer *v, struct fixture *f, bool tcp)
{
	const struct browser_config cfg = { .identity = f->identity, .video = SG_CODEC_H264,
		.audio = SG_CODEC_OPUS, .events = &client_events, .user = v, .tcp = tcp, .lose = on_lose };

	*v = (struct viewer){ .dice = 7, .opened_ms = sg_mono_ms() };
	assert_int_equal(browser_open(&v->client, &cfg), SG_OK);
}

static inline void viewer_open(struct viewer *v, struct fixture *f)
{
	viewer_open_by(v, f, false);
}

static inline void client_step(struct browser *c, struct source *s)
{
	struct pollfd fd = { .fd = browser_fd(c), .events = POLLIN };

	if (s)
		source_run(s);
	poll(&fd, 1, 5);
	browser_run(c);
}

/* Runs until `condition` holds, at most for WAIT_MS. */
#define RUN_UNTIL(client, source, condition)                                                       \
	do {                                                                                       \
		int64_t until_ = sg_mono_ms() + WAIT_MS;                                           \
		while (!(condition) && sg_mono_ms() < until_)                                      \
			client_step(client, source);                                               \
		assert_true(condition);                                                            \
	} while (0)

static inline void await_peers(struct fixture *f, size_t count)
{
	struct sg_webrtc_stats stats;
	int64_t until = sg_mono_ms() + WAIT_MS;

	do {
		usleep(5000);
		sg_webrtc_server_stats(f->rtc, &stats);
	} while (stats.peers != count && sg_mono_ms() < until);
	assert_int_equal(stats.peers, count);
}

static inline struct owner *join(struct fixture *f, struct viewer *v, const char *token)
{
	struct owner *o = owner_open(f, SG_PLAY, browser_offer(v->client), token);

	assert_non_null(o->peer);
	if (!owner_wait(o, &o->described, 1))
		fail_msg("not described: %s %s", sg_reason_name(o->verdict), o->detail);
	assert_int_equal(browser_answer(v->client, sg_str_from(o->sdp)), SG_OK);
	return o;
}

/* As Ant Media's SDK does it: the server offers, now and later. */
static inline void answer_offer(struct viewer *v, struct owner *o)
{
	struct sg_buf b;

	sg_buf_init(&b, SG_SDP_MAX);
	assert_int_equal(browser_take_offer(v->client, sg_str_from(o->sdp), &b), SG_OK);
	sg_webrtc_set_answer(o->peer, (struct sg_str){ (const char *)b.p, b.len });
	sg_buf_reset(&b);
}

static inline struct owner *join_by_offer(struct fixture *f, struct viewer *v)
{
	struct owner *o = owner_open(f, SG_PLAY, (struct sg_str){ 0 }, NULL);

	assert_non_null(o->peer);
	if (!owner_wait(o, &o->described, 1))
		fail_msg("not described: %s %s", sg_reason_name(o->verdict), o->detail);
	answer_offer(v, o);
	return o;
}

static inline size_t holds_of(struct fixture *f)
{
	struct sg_gate_stats stats;

	sg_gate_get_stats(f->gate, &stats);
	return stats.holds;
}

/* Describes it and sees its first picture. */
static inline struct owner *begin_to_watch(struct fixture *f, struct viewer *v, struct source *s, const char *token)
{
	source_step(s);
	viewer_open(v, f);
	struct owner *o = join(f, v, token);
	RUN_UNTIL(v->client, s, v->pictures >= 1);
	return o;
}

/* As people leave: with a goodbye. */
static inline void all_leave(struct fixture *f, struct viewer *v, struct owner *o, struct source *s)
{
	browser_close(v->client, true);
	owner_close(f, o);
	sg_publisher_close(s->pub, true);
	fixture_close(f);
}

/* ---- a camera ---- */

struct camera {
	struct browser *client;
	unsigned pictures, sounds, keys_wanted;
	bool connected, ended;
	enum sg_goodbye why;
	int64_t next_ms;
	unsigned lose_out_percent, dice;
};

static inline void camera_connected(void *user)
{
	((struct camera *)user)->connected = true;
}

static inline void camera_key_wanted(void *user)
{
	((struct camera *)user)->keys_wanted++;
}

static inline void camera_ended(void *user, enum sg_goodbye why, const char *detail)
{
	struct camera *c = user;

	(void)detail;
	c->ended = true;
	c->why = why;
}

static inline bool camera_lose(void *user, bool outgoing, const uint8_t *p, size_t len)
{
	struct camera *c = user;

	if (!outgoing || p[0] < 128 || sg_rtp_is_rtcp(p, len))
		return false;
	c->dice = c->dice * 1103515245u + 12345u;
	return (c->dice >> 16) % 100 < c->lose_out_percent;
}

static const struct browser_events camera_events = { .connected = camera_connected,
	.key_wanted = camera_key_wanted, .ended = camera_ended };

static inline void camera_open(struct camera *c, struct fixture *f)
{
	const struct browser_config cfg = { .identity = f->identity, .publish = true,
		.video = SG_CODEC_H264, .audio = SG_CODEC_OPUS, .events = &camera_events, .user = c,
		.lose = camera_lose };

	*c = (struct camera){ .dice = 11, .next_ms = sg_mono_ms() };
	assert_int_equal(browser_open(&c->client, &cfg), SG_OK);
}

static inline void write_and_free(struct browser *c, struct sg_frame *f)
{
	browser_write(c, f);
	sg_frame_unref(f);
}

static inline void camera_run(struct camera *c)
{
	struct pollfd fd = { .fd = browser_fd(c->client), .events = POLLIN };

	poll(&fd, 1, 5);
	browser_run(c->client);
	if (!c->connected || sg_mono_ms() < c->next_ms)
		return;
	c->next_ms += 33;
	if (!c->pictures)
		write_and_free(c->client, config_frame(SG_FRAME_VIDEO));
	unsigned n = c->pictures++;
	write_and_free(c->client, picture(n, n % KEY_EVERY == 0, PICTURE_BYTES));
	while (c->sounds * 1800 < c->pictures * 3000)
		write_and_free(c->client, sound(c->sounds++));
}

static inline struct owner *publish(struct fixture *f, struct camera *c, const char *token)
{
	struct owner *o = owner_open(f, SG_PUBLISH, browser_offer(c->client), token);

	assert_non_null(o->peer);
	if (!owner_wait(o, &o->described, 1))
		fail_msg("not described: %s %s", sg_reason_name(o->verdict), o->detail);
	assert_int_equal(browser_answer(c->client, sg_str_from(o->sdp)), SG_OK);
	return o;
}

#endif
