/* webrtc_fixture.h - a WebRTC server of its own on loopback, with a gate, a store and a hub behind it, an
 * owner as signalling would be, and clients of the other side. */
#ifndef WEBRTC_FIXTURE_H
#define WEBRTC_FIXTURE_H

#include "base/clock.h"
#include "base/log.h"
#include "webrtc_browser.h"
#include "webrtc/webrtc.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 20000 /* for what comes at once, also on a loaded machine under a sanitizer */
#define ON "publish_token = on\nplay_token = on\n"
#define LOOPS 2

struct fixture {
	char dir[64], url[128];
	struct sg_config *cfg;
	struct sg_loop *loops[LOOPS], *owner_loop;
	struct sg_hub *hub;
	struct sg_gate *gate;
	struct sg_store *store;
	struct sg_webrtc_server *rtc;
	struct sg_dtls_identity *identity; /* of the clients */
	int port;
};

static inline bool fixture_is_live(void *user, struct sg_str app, struct sg_str stream)
{
	struct fixture *f = user;
	struct sg_stream *s = sg_hub_find(f->hub, app, stream);
	bool live = s && sg_stream_is_live(s);

	sg_stream_unref(s);
	return live;
}

static inline bool fixture_no_recording(void *user, struct sg_str app, struct sg_str name)
{
	(void)user, (void)app, (void)name;
	return false;
}

static inline void fixture_bound(void *user, const struct sockaddr *sa)
{
	((struct fixture *)user)->port = ntohs(((const struct sockaddr_in *)sa)->sin_port);
}

struct limits {
	size_t max_peers;
	int64_t media_deadline_ms, consent_ms; /* 0: as they are */
};

static inline struct fixture *fixture_open_with(const char *app, const char *listen, struct limits limits)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[1024], error[400] = "";

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/sg-webrtc-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->url, sizeof(f->url), "sqlite:%s/t.db", f->dir);
	snprintf(text, sizeof(text), "[store]\nurl = %s\n[webrtc]\nlisten = %s\n[app live]\n%s\n", f->url,
	    listen, app);
	if (sg_config_parse(&f->cfg, "test", sg_str_from(text), error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	assert_int_equal(sg_hub_open(&f->hub, 100), SG_OK);
	assert_int_equal(sg_hub_configure(f->hub, f->cfg), SG_OK);
	for (int i = 0; i < LOOPS; i++)
		assert_int_equal(sg_loop_start(&f->loops[i], "test"), SG_OK);
	assert_int_equal(sg_loop_start(&f->owner_loop, "owner"), SG_OK);
	struct sg_gate_media media = { fixture_is_live, fixture_no_recording, f, NULL };
	if (sg_gate_open(&f->gate, f->cfg, &media, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	assert_int_equal(sg_store_open(&f->store, f->url, false, error, sizeof(error)), SG_OK);
	assert_int_equal(sg_dtls_identity_open(&f->identity, NULL, error, sizeof(error)), SG_OK);
	const struct sg_webrtc_config rc = { .cfg = f->cfg, .loops = f->loops, .loop_count = LOOPS,
		.gate = f->gate, .hub = f->hub, .max_peers = limits.max_peers,
		.media_deadline_ms = limits.media_deadline_ms, .consent_ms = limits.consent_ms, .bound = fixture_bound, .bound_user = f };
	if (sg_webrtc_server_open(&f->rtc, &rc, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	assert_true(f->port > 0);
	return f;
}

static inline struct fixture *fixture_open(const char *app, const char *listen, size_t max_peers)
{
	return fixture_open_with(app, listen, (struct limits){ .max_peers = max_peers });
}

static inline void fixture_close(struct fixture *f)
{
	char command[128];

	sg_webrtc_server_close(f->rtc);
	sg_gate_close(f->gate);
	for (int i = 0; i < LOOPS; i++)
		sg_loop_stop(f->loops[i]);
	sg_loop_stop(f->owner_loop);
	sg_hub_close(f->hub);
	sg_store_close(f->store);
	sg_config_free(f->cfg);
	sg_dtls_identity_close(f->identity);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
}

/* ---- tokens ---- */

struct token {
	char text[SG_TOKEN_TEXT_SIZE];
	uint64_t id;
};

static inline struct token make_token_for(struct fixture *f, enum sg_token_type type, const char *stream)
{
	struct sg_token model = { .type = type, .max_uses = 1, .expires_at = sg_wall_s() + 3600 };
	struct sg_token_key key;
	struct token t;

	strcpy(model.app, "live");
	sg_str_copy(model.stream, sizeof(model.stream), sg_str_from(stream));
	strcpy(model.created_by, "test");
	assert_int_equal(sg_store_token_create(f->store, &model, sg_wall_s(), &key, 1), SG_OK);
	sg_token_format(t.text, &key);
	t.id = key.id;
	return t;
}

static inline struct token make_token(struct fixture *f, enum sg_token_type type)
{
	return make_token_for(f, type, "cam");
}

static inline uint32_t uses_of(struct fixture *f, const struct token *t)
{
	struct sg_token row;

	assert_int_equal(sg_store_token_get(f->store, t->id, &row), SG_OK);
	return row.uses;
}

/* ---- an owner: what signalling would be ---- */

struct owner {
	struct sg_webrtc_peer *peer;
	pthread_mutex_t lock;
	pthread_cond_t more;
	int described, offered, started, ended;
	char *sdp; /* the last */
	enum sg_reason verdict;
	enum sg_goodbye why;
	char detail[160];
};

static inline void owner_take(struct owner *o, struct sg_str sdp, int *count)
{
	pthread_mutex_lock(&o->lock);
	free(o->sdp);
	o->sdp = sdp.p ? sg_str_dup(sdp) : NULL;
	++*count;
	pthread_cond_broadcast(&o->more);
	pthread_mutex_unlock(&o->lock);
}

static inline void owner_described(void *user, struct sg_str sdp)
{
	owner_take(user, sdp, &((struct owner *)user)->described);
}

static inline void owner_offered(void *user, struct sg_str sdp)
{
	owner_take(user, sdp, &((struct owner *)user)->offered);
}

static inline void owner_started(void *user)
{
	struct owner *o = user;

	pthread_mutex_lock(&o->lock);
	o->started++;
	pthread_cond_broadcast(&o->more);
	pthread_mutex_unlock(&o->lock);
}

static inline void owner_ended(
    void *user, enum sg_reason verdict, enum sg_goodbye why, const char *detail)
{
	struct owner *o = user;

	pthread_mutex_lock(&o->lock);
	o->ended++;
	o->verdict = verdict;
	o->why = why;
	sg_str_copy(o->detail, sizeof(o->detail), sg_str_from(detail));
	pthread_cond_broadcast(&o->more);
	pthread_mutex_unlock(&o->lock);
}

static const struct sg_webrtc_events owner_events = { owner_described, owner_started, owner_ended, owner_offered };

static inline struct owner *owner_open_for(struct fixture *f, enum sg_token_type type, struct sg_str offer,
    const char *token, const char *stream, const char *address)
{
	struct owner *o = calloc(1, sizeof(*o));
	struct sg_webrtc_open cfg = { .protocol = type == SG_PUBLISH ? "whip" : "whep", .app = SG_STR("live"),
		.stream = sg_str_from(stream), .token = sg_str_from(token), .type = type, .offer = offer, .video = true,
		.audio = true, .executor = sg_loop_executor(f->owner_loop), .events = &owner_events, .user = o };

	assert_non_null(o);
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->more, NULL);
	sg_addr_parse(sg_str_from(address), &cfg.peer);
	o->peer = sg_webrtc_open(f->rtc, &cfg);
	return o;
}

static inline struct owner *owner_open(struct fixture *f, enum sg_token_type type, struct sg_str offer,
    const char *token)
{
	return owner_open_for(f, type, offer, token, "cam", "127.0.0.1");
}

/* True once *count has reached `least`, or the owner was told the end. */
static inline bool owner_wait(struct owner *o, const int *count, int least)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	pthread_mutex_lock(&o->lock);
	while (*count < least && !o->ended)
		if (pthread_cond_timedwait(&o->more, &o->lock, &until) != 0)
			break;
	bool ok = *count >= least;
	pthread_mutex_unlock(&o->lock);
	return ok;
}

static inline int owner_get(struct owner *o, const int *count)
{
	pthread_mutex_lock(&o->lock);
	int n = *count;
	pthread_mutex_unlock(&o->lock);
	return n;
}

struct close_call {
	struct sg_webrtc_peer *peer;
};

static inline void owner_close_now(void *user)
{
	sg_webrtc_close(((struct close_call *)user)->peer, SG_BYE_CLOSED);
}

static inline void owner_close(struct fixture *f, struct owner *o)
{
	struct close_call call = { o->peer };

	sg_loop_call(f->owner_loop, owner_close_now, &call);
	free(o->sdp);
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->more);
	free(o);
}

/* ---- frames of a stream that nobody needs to decode ---- */

/* 320x180, Baseline, as x264 writes it. */
static const uint8_t AVCC[] = { 1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, 25, 0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01,
	0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42,
	0xa4, 0x80, 1, 0, 5, 0x68, 0xcb, 0x83, 0xcb, 0x20 };
static const uint8_t OPUS_HEAD[] = { 'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 2, 0x38, 1, 0x80, 0xbb, 0,
	0, 0, 0, 0 };

static inline struct sg_frame *config_frame(enum sg_frame_kind kind)
{
	bool video = kind == SG_FRAME_VIDEO;
	size_t size = video ? sizeof(AVCC) : sizeof(OPUS_HEAD);
	struct sg_frame *f = sg_frame_new(kind, video ? SG_CODEC_H264 : SG_CODEC_OPUS, size);

	assert_non_null(f);
	memcpy(f->payload, video ? AVCC : OPUS_HEAD, size);
	f->flags = SG_FRAME_CONFIG;
	return f;
}

/* One NAL unit; its number stands behind the header, so that each is known again. */
static inline struct sg_frame *picture(unsigned n, bool key, size_t size)
{
	struct sg_frame *f = sg_frame_new(SG_FRAME_VIDEO, SG_CODEC_H264, size + 4);

	assert_non_null(f);
	sg_put_be32(f->payload, (uint32_t)size);
	memset(f->payload + 4, 0x55, size);
	f->payload[4] = key ? 0x65 : 0x41;
	f->payload[5] = 0x80; /* first_mb_in_slice 0 */
	sg_put_be32(f->payload + 6, n | 0x80000000u);
	f->flags = key ? SG_FRAME_KEY : 0;
	f->pts_90khz = f->dts_90khz = (int64_t)n * 3000;
	return f;
}

static inline unsigned picture_number(const struct sg_frame *f)
{
	return ((unsigned)f->payload[6] << 24 | (unsigned)f->payload[7] << 16 | (unsigned)f->payload[8] << 8 |
		   f->payload[9]) & 0x7fffffffu;
}

static inline struct sg_frame *sound(unsigned n)
{
	struct sg_frame *f = sg_frame_new(SG_FRAME_AUDIO, SG_CODEC_OPUS, 80);

	assert_non_null(f);
	memset(f->payload, 0x33, 80);
	f->payload[0] = 0xfc; /* 20 ms, stereo */
	sg_put_be32(f->payload + 4, n);
	f->pts_90khz = f->dts_90khz = (int64_t)n * 1800;
	return f;
}

#endif
