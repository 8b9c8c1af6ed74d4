/* stream_fixture.h - streams fed from FLV tags under a clock that the test sets: what ffmpeg encodes
 * once for the whole run, and tags made by hand. Included once in a program: it takes the clock's
 * place. */
#ifndef STREAM_FIXTURE_H
#define STREAM_FIXTURE_H

#include "media_fixture.h"
#include "base/log.h"
#include "media/flvtag.h"
#include "media/stream.h"

/* ---- the clock ---- */

#define BEGIN_US INT64_C(1000000000)
#define WALL_MINUS_MONO_MS INT64_C(1799999000000) /* so that it begins at a whole second */

static _Atomic int64_t now_us = BEGIN_US, wall_step_ms; /* a recorder's threads look, too */

int64_t sg_mono_us(void)
{
	return now_us;
}

int64_t sg_mono_ms(void)
{
	return now_us / 1000;
}

int64_t sg_wall_ms(void)
{
	return now_us / 1000 + WALL_MINUS_MONO_MS + wall_step_ms;
}

int64_t sg_wall_s(void)
{
	return sg_wall_ms() / 1000;
}

static inline void pass_ms(int64_t ms)
{
	now_us += ms * 1000;
}

/* ---- what ffmpeg encodes: four seconds, 25 pictures a second, a keyframe each second ---- */

#define SOURCE_ALL_MS 5000 /* all of it: audio ends a little after the pictures */
#define SOURCE_PICTURES 100

struct tag {
	uint8_t type;
	uint32_t ms;
	const uint8_t *body;
	size_t len;
};

struct source {
	struct sg_buf file;
	struct tag tags[1000];
	size_t count, audio_frames;
	const struct tag *meta, *avc, *aac, *key; /* the configurations and the first keyframe */
};
static struct source source;

static inline bool is_config(const struct tag *t)
{
	return t->len > 1 && t->type != SG_FLV_SCRIPT && t->body[1] == 0;
}

static inline void note_tag(struct source *s, struct tag *t)
{
	if (t->type == SG_FLV_SCRIPT)
		s->meta = t;
	else if (is_config(t) && t->type == SG_FLV_VIDEO)
		s->avc = t;
	else if (is_config(t))
		s->aac = t;
	else if (t->type == SG_FLV_AUDIO && t->len > 2)
		s->audio_frames++;
	else if (t->type == SG_FLV_VIDEO && !s->key && t->body[0] == 0x17)
		s->key = t;
}

static inline int source_encode(struct source *s, const char *size)
{
	char command[512];
	uint8_t piece[65536];
	size_t n;

	snprintf(command, sizeof(command),
	    "ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=%s:rate=25 -f lavfi -i "
	    "sine=440:sample_rate=48000 -t 4 -c:v libx264 -preset veryfast -bf 2 -g 25 -keyint_min 25 "
	    "-sc_threshold 0 -b:v 300k -c:a aac -b:a 64k -f flv -flvflags no_duration_filesize -",
	    size);
	sg_log_set_level(SG_LOG_ERROR);
	sg_buf_init(&s->file, 16u << 20);
	FILE *p = popen(command, "r");
	if (!p)
		return -1;
	while ((n = fread(piece, 1, sizeof(piece), p)) > 0)
		sg_buf_append(&s->file, piece, n);
	if (pclose(p) != 0 || s->file.failed)
		return -1;
	for (size_t at = 13; at + 15 <= s->file.len && s->count < COUNT(s->tags);) {
		const uint8_t *h = s->file.p + at;
		struct tag *t = &s->tags[s->count++];
		*t = (struct tag){ h[0], (uint32_t)h[7] << 24 | (uint32_t)h[4] << 16 | (uint32_t)h[5] << 8 | h[6],
			h + 11, (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3] };
		note_tag(s, t);
		at += 11 + t->len + 4;
	}
	return s->meta && s->avc && s->aac && s->key ? 0 : -1;
}

static inline int source_open(void **state)
{
	(void)state;
	return source_encode(&source, "320x180");
}

static inline int source_close(void **state)
{
	(void)state;
	sg_buf_reset(&source.file);
	return 0;
}

/* ---- publishing ---- */

static inline struct sg_hub *hub_open(void)
{
	struct sg_hub *hub;

	now_us = BEGIN_US;
	assert_int_equal(sg_hub_open(&hub, 4), SG_OK);
	return hub;
}

static inline struct sg_publisher *publish(struct sg_hub *hub)
{
	struct sg_publisher *pub;

	assert_int_equal(sg_hub_publish(hub, SG_STR("live"), SG_STR("cam"), "rtmp", &pub), SG_OK);
	return pub;
}

static inline void write_tag_at(struct sg_publisher *pub, const struct tag *t, uint32_t ms)
{
	assert_int_equal(sg_publisher_write_flv(pub, t->type, ms, t->body, t->len), SG_OK);
}

enum { AUDIO = 1, VIDEO = 2, BOTH = AUDIO | VIDEO };

/* The source's tags of [from_ms, to_ms), its times moved by `shift_ms`; the clock goes with them.
 * Configurations and metadata come with from_ms 0. */
static inline void feed(
    struct sg_publisher *pub, int what, uint32_t from_ms, uint32_t to_ms, uint32_t shift_ms)
{
	int64_t start_us = now_us;

	for (size_t i = 0; i < source.count; i++) {
		const struct tag *t = &source.tags[i];
		bool wanted = t->type == SG_FLV_VIDEO ? what & VIDEO : t->type == SG_FLV_AUDIO ? what & AUDIO : true;
		if (!wanted || t->ms < from_ms || t->ms >= to_ms ||
		    (from_ms && (is_config(t) || t->type == SG_FLV_SCRIPT)))
			continue;
		now_us = start_us + (int64_t)(t->ms - from_ms) * 1000;
		write_tag_at(pub, t, t->ms + shift_ms);
	}
	now_us = start_us + (int64_t)(to_ms - from_ms) * 1000;
}

/* ---- tags by hand ---- */

static const uint8_t AAC_CONFIG[] = { 0xaf, 0, 0x12, 0x10 }; /* AAC-LC, 44.1 kHz, 2 channels */
static const uint8_t AAC_CONFIG_48[] = { 0xaf, 0, 0x11, 0x90 };
static const uint8_t AAC_FRAME[] = { 0xaf, 1, 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c };

static inline void write_audio(struct sg_publisher *pub, uint32_t ms)
{
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, ms, AAC_FRAME, sizeof(AAC_FRAME)), SG_OK);
}

/* A picture of `size` bytes in one NAL unit. */
static inline void write_picture(
    struct sg_publisher *pub, uint32_t ms, bool key, int32_t cts_ms, size_t size)
{
	uint8_t *body = calloc(1, 9 + size);

	assert_non_null(body);
	body[0] = key ? 0x17 : 0x27;
	body[1] = 1;
	sg_put_be24(body + 2, (uint32_t)cts_ms & 0xffffff);
	sg_put_be32(body + 5, (uint32_t)size);
	if (size)
		body[9] = key ? 0x65 : 0x41;
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, ms, body, 9 + size), SG_OK);
	free(body);
}

/* ---- what came of it ---- */

/* The ring's frames from `cursor` on, configurations and metadata apart. */
struct frames {
	struct sg_frame *all[4096];
	size_t count, configs, metas;
};

static inline struct frames *frames_from(struct sg_ring *ring, uint64_t cursor)
{
	struct frames *f = calloc(1, sizeof(*f));
	struct sg_frame *got[64];
	struct sg_ring_read rd = { .frames = got, .max = 64, .next = cursor };

	assert_non_null(f);
	do {
		sg_ring_read(ring, &rd, false);
		for (size_t i = 0; i < rd.count; i++) {
			if (got[i]->flags & SG_FRAME_CONFIG || got[i]->kind == SG_FRAME_META) {
				f->configs += (got[i]->flags & SG_FRAME_CONFIG) != 0;
				f->metas += got[i]->kind == SG_FRAME_META;
				sg_frame_unref(got[i]);
			} else {
				f->all[f->count++] = got[i];
			}
		}
	} while (rd.count);
	return f;
}

static inline void frames_free(struct frames *f)
{
	while (f->count)
		sg_frame_unref(f->all[--f->count]);
	free(f);
}

/* Claims the times, in milliseconds, of all frames that the stream's ring holds. */
static inline void assert_times(struct sg_stream *s, const int64_t *ms, size_t count)
{
	struct frames *f = frames_from(sg_stream_ring(s), 0);

	if (f->count != count)
		fail_msg("%zu frames, not %zu", f->count, count);
	for (size_t i = 0; i < count; i++)
		if (f->all[i]->dts_90khz != ms[i] * 90)
			fail_msg("frame %zu at %.2f ms, not %lld", i, (double)f->all[i]->dts_90khz / 90,
			    (long long)ms[i]);
	frames_free(f);
}

static inline struct sg_stream_info info_of(struct sg_stream *s)
{
	struct sg_stream_info info;

	sg_stream_info(s, &info);
	return info;
}

#endif
