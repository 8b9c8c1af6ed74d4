/* http_media_fixture.h - a live source and players, for tests of media over HTTP. */
#ifndef SG_TESTS_HTTP_MEDIA_FIXTURE_H
#define SG_TESTS_HTTP_MEDIA_FIXTURE_H

#include "http_fixture.h"
#include "media/hls.h"
#include <signal.h>

#define ON "[app live]\nplay_token = on\n[app vod]\nplay_token = on\n[app open]\n"

/* ---- a source: an FLV file made by ffmpeg, published for ever ---- */

static struct {
	uint8_t *p;
	size_t size;
	uint32_t last_ms;
} flv;

static inline void read_flv(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	flv.size = (size_t)st.st_size;
	flv.p = malloc(flv.size);
	assert_non_null(flv.p);
	assert_int_equal(fread(flv.p, 1, flv.size, file), flv.size);
	fclose(file);
}

struct source {
	struct fixture *f;
	char app[33], stream[64];
	int speed; /* times real time */
	bool held; /* nothing is sent until it is false */
	pthread_t thread;
	atomic_bool stop, hold;
	struct sg_publisher *pub;
};

/* Sends the file once, timestamps from `base_ms`; answers the base of the next round. */
static inline uint32_t send_once(struct source *s, uint32_t base_ms, int64_t *start_ms, bool first)
{
	uint32_t ts = 0;

	for (size_t at = 13; at + 15 <= flv.size && !atomic_load(&s->stop);) {
		const uint8_t *t = flv.p + at;
		uint32_t len = (uint32_t)t[1] << 16 | (uint32_t)t[2] << 8 | t[3];
		ts = (uint32_t)t[7] << 24 | (uint32_t)t[4] << 16 | (uint32_t)t[5] << 8 | t[6];
		at += 11 + len + 4;
		bool config = (t[0] == 9 && t[12] == 0) || (t[0] == 8 && t[12] == 0) || t[0] == 18;
		bool sequence_end = t[0] == 9 && t[12] == 2;
		if ((config && !first) || sequence_end)
			continue;
		while (!atomic_load(&s->stop) &&
		       (sg_mono_ms() - *start_ms) * s->speed < (int64_t)(base_ms + ts))
			usleep(1000);
		assert_int_equal(
		    sg_publisher_write_flv(s->pub, t[0], base_ms + ts, t + 11, len), SG_OK);
	}
	return base_ms + ts + 40;
}

static inline void *run_source(void *arg)
{
	struct source *s = arg;
	uint32_t base_ms = 0;

	while (atomic_load(&s->hold) && !atomic_load(&s->stop))
		usleep(1000);
	int64_t start_ms = sg_mono_ms();
	for (bool first = true; !atomic_load(&s->stop); first = false)
		base_ms = send_once(s, base_ms, &start_ms, first);
	return NULL;
}

static inline struct source *source_open(struct fixture *f, const char *app, const char *stream, int speed)
{
	struct source *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->f = f;
	s->speed = speed;
	assert_int_equal(sg_hub_publish(f->hub, sg_str_from(app), sg_str_from(stream), "test", &s->pub),
	    SG_OK);
	assert_int_equal(pthread_create(&s->thread, NULL, run_source, s), 0);
	for (int i = 0; i < 500 && !fixture_is_live(f, sg_str_from(app), sg_str_from(stream)); i++)
		usleep(10000);
	assert_true(fixture_is_live(f, sg_str_from(app), sg_str_from(stream)));
	return s;
}

static inline void source_close(struct source *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	sg_publisher_close(s->pub, true);
	free(s);
}

static inline void await_segment(struct fixture *f, const char *app, const char *stream)
{
	struct sg_stream *s = sg_hub_find(f->hub, sg_str_from(app), sg_str_from(stream));
	bool ready = false;

	assert_non_null(s);
	for (int i = 0; i < 1500 && !(ready = sg_hls_is_ready(s)); i++)
		usleep(10000);
	assert_true(ready);
	sg_stream_unref(s);
}

/* ---- the room ---- */

static struct fixture *room;
static struct source *cam;

static inline void run_or_fail(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static inline int set_up(void **state)
{
	char command[1024];

	room = fixture_open(ON, NULL);
	*state = room;
	snprintf(command, sizeof(command),
	    "ffmpeg -nostdin -v error -f lavfi -i testsrc=size=320x180:rate=25 -f lavfi -i "
	    "sine=sample_rate=44100 -c:v libx264 -preset ultrafast -g 25 -bf 0 -c:a aac -t 10 -f flv "
	    "%s/src.flv && ffmpeg -nostdin -v error -i %s/src.flv -c copy -f mp4 %s/rec/live/cam.mp4",
	    room->dir, room->dir, room->dir);
	run_or_fail(command);
	snprintf(command, sizeof(command), "%s/src.flv", room->dir);
	read_flv(command);
	snprintf(command, sizeof(command),
	    "cd %s/rec && cp live/cam.mp4 live/cam_2.mp4 && cp live/cam.mp4 top.mp4 && "
	    "cp live/cam.mp4 vod/film.mp4 && ln -s /etc/passwd live/link.mp4 && "
	    "ln -s ../vod/film.mp4 live/inner.mp4 && mkdir live/dir.mp4 && mkfifo live/pipe.mp4 && "
	    ": >live/empty.mp4 && cp live/cam.mp4 ../secret.mp4",
	    room->dir);
	run_or_fail(command);
	cam = source_open(room, "live", "cam", 4);
	await_segment(room, "live", "cam");
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	source_close(cam);
	fixture_close(room);
	free(flv.p);
	return 0;
}

/* ---- small helpers ---- */

/* "TARGET?token=T"; static storage, four at a time. */
static const char *with(const char *target, const struct token *t)
{
	static char out[4][512];
	static int i;

	i = (i + 1) % 4;
	snprintf(out[i], sizeof(out[i]), "%s?token=%s", target, t->text);
	return out[i];
}

/* The cookie to send back, as a header line; static storage. */
static const char *cookie_of(const struct reply *r)
{
	static char out[256];
	const char *set = reply_header(r, "Set-Cookie");

	snprintf(out, sizeof(out), "Cookie: %.*s\r\n", (int)strcspn(set, ";"), set);
	return out;
}

/* The first link of a playlist, resolved against /APP/streams/. */
static inline void first_link(char *out, size_t size, const char *folder, const struct reply *r)
{
	const char *p = r->body;

	while (p && *p && (*p == '#' || *p == '\n' || *p == '\r'))
		p = strchr(p, '\n') ? strchr(p, '\n') + 1 : "";
	snprintf(out, size, "%s%.*s", folder, (int)strcspn(p, "\r\n"), p);
	assert_true(strlen(out) > strlen(folder));
}

static inline char *output_of(const char *command)
{
	static char out[65536];
	FILE *p = popen(command, "r");

	assert_non_null(p);
	size_t n = fread(out, 1, sizeof(out) - 1, p);
	out[n] = '\0';
	pclose(p);
	return out;
}

static inline bool await(bool (*holds)(void *user), void *user, int ms)
{
	for (int i = 0; i < ms / 10; i++, usleep(10000))
		if (holds(user))
			return true;
	return holds(user);
}

#endif
