/* Variants of streams: begun with their first user, shared, ended after the last; through gaps of the publisher and
 * other codecs. On the real clock, with threads. */
#include "encode_fixture.h"
#include "base/config.h"
#include "base/log.h"
#include "media/stream.h"
#include <libavformat/avformat.h>
#include <sched.h>

static struct sg_hub *hub;

static void configure(const char *text)
{
	struct sg_config *cfg;
	char error[200];

	assert_int_equal(sg_config_parse(&cfg, "test", sg_str_from(text), error, sizeof(error)), SG_OK);
	assert_int_equal(sg_hub_configure(hub, cfg), SG_OK);
	sg_config_free(cfg);
}

static int begin(void **state)
{
	(void)state;
	if (sg_hub_open(&hub, 8) != SG_OK)
		return 1;
	configure("[app live]\ntranscode_video = on\n");
	return 0;
}

static int end(void **state)
{
	(void)state;
	sg_hub_close(hub);
	return 0;
}

static struct sg_publisher *publish(void)
{
	struct sg_publisher *pub;

	assert_int_equal(sg_hub_publish(hub, SG_STR("live"), SG_STR("cam"), "test", &pub), SG_OK);
	return pub;
}

static void write_copy(struct sg_publisher *pub, const struct sg_frame *f)
{
	struct sg_frame *copy = frame_of((enum sg_frame_kind)f->kind, (enum sg_codec)f->codec, f->payload, f->size);

	copy->flags = f->flags;
	copy->pts_90khz = f->pts_90khz;
	copy->dts_90khz = f->dts_90khz;
	assert_int_equal(sg_publisher_write(pub, copy), SG_OK);
}

/* Both tracks (either may be NULL) in the order of their times, all at once. */
static void write_all(struct sg_publisher *pub, const struct coded *video, const struct coded *audio)
{
	const struct coded *both[] = { video, audio };
	size_t at[2] = { 0, 0 };

	for (int k = 0; k < 2; k++)
		if (both[k] && both[k]->config)
			write_copy(pub, both[k]->config);
	for (;;) {
		int next = -1;
		for (int k = 0; k < 2; k++)
			if (both[k] && at[k] < both[k]->count &&
			    (next < 0 || both[k]->frames[at[k]]->dts_90khz < both[next]->frames[at[next]]->dts_90khz))
				next = k;
		if (next < 0)
			return;
		write_copy(pub, both[next]->frames[at[next]++]);
	}
}

static const struct picture_options plain = { "libx264", SG_CODEC_H264, 160, 90, 75, 25, 0, 200000, NULL };
static const struct picture_options reordered = { "libx264", SG_CODEC_H264, 160, 90, 75, 25, 3, 200000, NULL };

/* ---- following ---- */

static struct sg_stream *variant(struct sg_publisher *pub, int sound, bool no_b_frames)
{
	const struct sg_want want = { .sound = sound, .no_b_frames = no_b_frames };
	struct sg_stream *v = sg_stream_variant(sg_publisher_stream(pub), &want);

	assert_non_null(v);
	return v;
}

struct news {
	struct sg_ring_waiter waiter;
	sem_t sem;
};

static void on_news(struct sg_ring_waiter *w)
{
	sem_post(&((struct news *)w)->sem);
}

/* All frames from `*cursor` on until `is_enough`; waits for them. Referenced, into `out`. */
static void read_until(struct sg_ring *ring, uint64_t *cursor, struct coded *out,
    bool (*is_enough)(const struct coded *c, const void *user), const void *user)
{
	struct news news = { .waiter.wake = on_news };
	struct sg_frame *frames[64];
	struct sg_ring_read rd = { .frames = frames, .max = 64, .next = *cursor };

	sem_init(&news.sem, 0, 0);
	sg_ring_add_waiter(ring, &news.waiter);
	for (;;) {
		sg_ring_read(ring, &rd, false);
		for (size_t i = 0; i < rd.count; i++) {
			assert_true(out->count < CODED_MAX);
			out->frames[out->count++] = frames[i];
		}
		if (is_enough(out, user) || rd.ended)
			break;
		if (!rd.count)
			await(&news.sem);
	}
	sg_ring_remove_waiter(ring, &news.waiter);
	sem_destroy(&news.sem);
	*cursor = rd.next;
}

static size_t count_of(const struct coded *c, enum sg_codec codec, unsigned flags)
{
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->frames[i]->codec == codec && (c->frames[i]->flags & SG_FRAME_CONFIG) == flags;
	return n;
}

struct enough {
	enum sg_codec codec;
	size_t count;
};
static bool has(const struct coded *c, const void *user)
{
	const struct enough *e = user;

	return count_of(c, e->codec, 0) >= e->count;
}

static bool never(const struct coded *c, const void *user)
{
	(void)c;
	(void)user;
	return false;
}

static struct sg_variant_stats stats(void)
{
	struct sg_variant_stats s;

	sg_hub_variant_stats(hub, &s);
	return s;
}

/* ---- what is asked for ---- */

static void what_needs_no_change_is_the_stream_itself(void **state)
{
	struct sg_publisher *pub = publish();
	struct sg_stream *s = sg_publisher_stream(pub), *v;
	struct coded video, audio;

	(void)state;
	v = variant(pub, SG_SOUND_OPUS, true); /* nothing is known yet */
	assert_ptr_equal(v, s);
	sg_stream_unref(v);
	encode_pictures(&plain, &video);
	encode_tone(SG_CODEC_AAC, 48000, 1000, 3, 0, &audio);
	write_all(pub, &video, &audio);
	for (int i = 0; i < 2; i++) {
		v = variant(pub, i ? SG_SOUND_ANY : SG_SOUND_AAC, true); /* the pictures are in order already */
		assert_ptr_equal(v, s);
		sg_stream_unref(v);
	}
	assert_int_equal(stats().started, 0);
	sg_publisher_close(pub, true);
	coded_drop(&video);
	coded_drop(&audio);
}

static void sound_comes_in_opus_and_pictures_as_they_are(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded video, audio, out = { 0 };
	struct sg_join join;

	(void)state;
	encode_pictures(&plain, &video);
	encode_tone(SG_CODEC_AAC, 44100, 1000, 3, 0, &audio);
	write_all(pub, &video, &audio);
	struct sg_stream *v = variant(pub, SG_SOUND_OPUS, false);
	assert_ptr_not_equal(v, sg_publisher_stream(pub));
	sg_stream_join(v, &join);
	/* From the last keyframe on: a second of each. */
	const struct enough e = { SG_CODEC_OPUS, 48 };
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	assert_int_equal(count_of(&out, SG_CODEC_AAC, 0), 0);
	assert_int_equal(count_of(&out, SG_CODEC_AAC, SG_FRAME_CONFIG), 0);
	assert_int_equal(join.lead_count + count_of(&out, SG_CODEC_OPUS, SG_FRAME_CONFIG) +
			     count_of(&out, SG_CODEC_H264, SG_FRAME_CONFIG), 2);
	assert_int_equal(count_of(&out, SG_CODEC_H264, 0), 25);
	/* The very pictures, at their times on the stream's clock, which the sound keeps to as well. */
	struct coded source = { 0 };
	uint64_t from = sg_ring_start(sg_stream_ring(sg_publisher_stream(pub)));
	const struct enough pictures = { SG_CODEC_H264, 25 };
	read_until(sg_stream_ring(sg_publisher_stream(pub)), &from, &source, has, &pictures);
	size_t k = 0;
	for (size_t i = 0; i < out.count; i++) {
		const struct sg_frame *f = out.frames[i];
		assert_true(f->rtmp_header_len > 0); /* sealed */
		if (f->codec != SG_CODEC_H264 || f->flags & SG_FRAME_CONFIG)
			continue;
		while (source.frames[k]->codec != SG_CODEC_H264)
			k++;
		assert_int_equal(f->pts_90khz, source.frames[k]->pts_90khz);
		assert_int_equal(f->size, source.frames[k]->size);
		assert_memory_equal(f->payload, source.frames[k]->payload, f->size);
		k++;
	}
	int64_t first_picture = 0, first_sound = 0;
	for (size_t i = out.count; i--;) {
		if (!(out.frames[i]->flags & SG_FRAME_CONFIG))
			*(out.frames[i]->kind == SG_FRAME_VIDEO ? &first_picture : &first_sound) = out.frames[i]->pts_90khz;
	}
	assert_true(llabs(first_sound - first_picture) < 4000);
	struct sg_stream_info info;
	sg_stream_info(v, &info);
	assert_int_equal(info.audio, SG_CODEC_OPUS);
	assert_int_equal(info.video, SG_CODEC_H264);
	assert_int_equal(info.width, 160);
	assert_int_equal(info.sample_rate, 48000);
	assert_int_equal(stats().sound_running, 1);
	assert_int_equal(stats().pictures_running, 0);
	assert_int_equal(stats().dropped, 0);
	sg_stream_join_reset(&join);
	coded_drop(&source);
	coded_drop(&out);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&video);
	coded_drop(&audio);
}

static void who_want_the_same_share_one(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded audio;

	(void)state;
	encode_tone(SG_CODEC_OPUS, 48000, 1000, 1, 0, &audio);
	write_all(pub, NULL, &audio);
	struct sg_stream *a = variant(pub, SG_SOUND_AAC, false), *b = variant(pub, SG_SOUND_AAC, true);
	assert_ptr_equal(a, b);
	assert_int_equal(stats().started, 1);
	sg_stream_unref(a);
	sg_stream_unref(b);
	sg_publisher_close(pub, true);
	coded_drop(&audio);
}

static void only_where_the_application_says_so(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded video;

	(void)state;
	encode_pictures(&reordered, &video);
	write_all(pub, &video, NULL);
	configure("[app other]\ntranscode_video = on\n");
	struct sg_stream *v = variant(pub, SG_SOUND_OPUS, true);
	assert_ptr_equal(v, sg_publisher_stream(pub));
	sg_stream_unref(v);
	configure("[app live]\ntranscode_video = on\n");
	v = variant(pub, SG_SOUND_OPUS, true);
	assert_ptr_not_equal(v, sg_publisher_stream(pub));
	assert_ptr_equal(sg_stream_source(v), sg_publisher_stream(pub));
	assert_ptr_equal(sg_stream_source(sg_stream_source(v)), sg_publisher_stream(pub));
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&video);
}

static void pictures_come_in_order_where_that_is_wanted(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded video, audio, out = { 0 };
	struct sg_join join;

	(void)state;
	encode_pictures(&reordered, &video);
	encode_tone(SG_CODEC_AAC, 48000, 1000, 3, 0, &audio);
	write_all(pub, &video, &audio);
	struct sg_stream *v = variant(pub, SG_SOUND_OPUS, true);
	sg_stream_join(v, &join);
	const struct enough e = { SG_CODEC_H264, 20 };
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	for (size_t i = 0; i < out.count; i++)
		assert_int_equal(out.frames[i]->pts_90khz, out.frames[i]->dts_90khz);
	struct sg_stream_info info;
	sg_stream_info(v, &info);
	assert_false(info.has_b_frames);
	sg_stream_info(sg_publisher_stream(pub), &info);
	assert_true(info.has_b_frames);
	assert_int_equal(stats().pictures_running, 1);
	/* Others want other variants of it. */
	struct sg_stream *w = variant(pub, SG_SOUND_OPUS, false);
	assert_ptr_not_equal(v, w);
	sg_stream_info(w, &info);
	assert_true(info.has_b_frames); /* told before the first of them has come through */
	sg_stream_unref(w);
	sg_stream_join_reset(&join);
	coded_drop(&out);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&video);
	coded_drop(&audio);
}

/* ---- life ---- */

static void the_end_of_the_stream_is_the_variants(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded audio, out = { 0 };
	uint64_t cursor = 0;

	(void)state;
	encode_tone(SG_CODEC_OPUS, 48000, 1000, 1, 0, &audio);
	write_all(pub, NULL, &audio);
	struct sg_stream *v = variant(pub, SG_SOUND_AAC, false);
	sg_hub_end_all(hub);
	sg_publisher_close(pub, true);
	read_until(sg_stream_ring(v), &cursor, &out, never, NULL); /* returns: it has ended */
	assert_true(count_of(&out, SG_CODEC_AAC, 0) > 30); /* and what there was has come */
	coded_drop(&out);
	sg_stream_unref(v);
	coded_drop(&audio);
}

static void it_rests_after_its_last_user_and_begins_again(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded audio;

	(void)state;
	encode_tone(SG_CODEC_OPUS, 48000, 1000, 1, 0, &audio);
	write_all(pub, NULL, &audio);
	sg_stream_unref(variant(pub, SG_SOUND_AAC, false));
	struct sg_stream *v = variant(pub, SG_SOUND_AAC, false); /* at once: the same still runs */
	assert_int_equal(stats().started, 1);
	sg_stream_unref(v);
	for (int64_t since = sg_mono_ms(); stats().sound_running;) {
		assert_true(sg_mono_ms() - since < WAIT_S * 1000);
		usleep(50000);
	}
	sg_hub_tick(hub, sg_mono_ms());
	v = variant(pub, SG_SOUND_AAC, false);
	assert_int_equal(stats().started, 2);
	assert_int_equal(stats().sound_running, 1);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&audio);
}

static void a_publisher_may_come_back_with_other_codecs(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded aac, opus, out = { 0 };
	struct sg_join join;
	struct enough e = { SG_CODEC_OPUS, 90 };

	(void)state;
	encode_tone(SG_CODEC_AAC, 44100, 1000, 2, 0, &aac);
	encode_tone(SG_CODEC_OPUS, 48000, 1000, 2, 0, &opus);
	write_copy(pub, aac.config);
	write_copy(pub, aac.frames[0]);
	struct sg_stream *v = variant(pub, SG_SOUND_OPUS, false);
	sg_stream_join(v, &join);
	write_all(pub, NULL, &aac);
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_publisher_close(pub, false);
	pub = publish();
	write_all(pub, NULL, &opus); /* what needs nothing passes */
	e.count = count_of(&out, SG_CODEC_OPUS, 0) + opus.count;
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_publisher_close(pub, false);
	pub = publish();
	write_all(pub, NULL, &aac);
	e.count += 90;
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	int64_t last = -1;
	for (size_t i = 0; i < out.count; i++) {
		assert_int_equal(out.frames[i]->codec, SG_CODEC_OPUS);
		if (out.frames[i]->flags & SG_FRAME_CONFIG)
			continue;
		assert_true(out.frames[i]->pts_90khz > last);
		last = out.frames[i]->pts_90khz;
	}
	sg_stream_join_reset(&join);
	coded_drop(&out);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&aac);
	coded_drop(&opus);
}

static void what_is_transcoded_again_is_described_again(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded opus, aac, out = { 0 };
	struct enough e = { SG_CODEC_AAC, 80 };
	struct sg_stream_info info;
	struct sg_join join;

	(void)state;
	encode_tone(SG_CODEC_OPUS, 48000, 1000, 2, 0, &opus);
	encode_tone(SG_CODEC_AAC, 32000, 1000, 2, 0, &aac);
	write_copy(pub, opus.config);
	write_copy(pub, opus.frames[0]);
	struct sg_stream *v = variant(pub, SG_SOUND_AAC, false);
	sg_stream_join(v, &join);
	write_all(pub, NULL, &opus);
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_publisher_close(pub, false);
	pub = publish();
	write_all(pub, NULL, &aac); /* passes, and is described by its own configuration */
	e.count = count_of(&out, SG_CODEC_AAC, 0) + aac.count;
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_stream_info(v, &info);
	assert_int_equal(info.sample_rate, 32000);
	sg_publisher_close(pub, false);
	pub = publish();
	write_all(pub, NULL, &opus);
	e.count = count_of(&out, SG_CODEC_AAC, 0) + 80;
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_stream_info(v, &info);
	assert_int_equal(info.sample_rate, 48000);
	sg_stream_join_reset(&join);
	coded_drop(&out);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&opus);
	coded_drop(&aac);
}

static void pictures_are_transcoded_again_behind_those_of_another_codec(void **state)
{
	const struct picture_options other = { "libvpx", SG_CODEC_VP8, 160, 90, 25, 25, 0, 200000, NULL };
	struct sg_publisher *pub = publish();
	struct coded video, vp8, out = { 0 };
	struct enough e = { SG_CODEC_H264, 20 };
	struct sg_join join;

	(void)state;
	encode_pictures(&reordered, &video);
	encode_pictures(&other, &vp8);
	write_all(pub, &video, NULL);
	struct sg_stream *v = variant(pub, SG_SOUND_OPUS, true);
	sg_stream_join(v, &join);
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_publisher_close(pub, false);
	pub = publish();
	write_all(pub, &vp8, NULL);
	e = (struct enough){ SG_CODEC_VP8, vp8.count };
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_publisher_close(pub, false);
	pub = publish();
	write_all(pub, &video, NULL);
	e = (struct enough){ SG_CODEC_H264, count_of(&out, SG_CODEC_H264, 0) + 20 };
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_stream_join_reset(&join);
	coded_drop(&out);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&video);
	coded_drop(&vp8);
}

static void what_a_former_publisher_was_like_is_forgotten(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded video, other, audio, out = { 0 };
	struct enough e = { SG_CODEC_OPUS, 90 };
	struct sg_stream_info info;
	struct sg_join join;

	(void)state;
	encode_pictures(&reordered, &video);
	encode_pictures(&plain, &other);
	encode_tone(SG_CODEC_AAC, 48000, 1000, 3, 0, &audio);
	write_copy(pub, video.config);
	write_copy(pub, audio.config);
	write_copy(pub, video.frames[0]);
	write_copy(pub, audio.frames[0]);
	struct sg_stream *v = variant(pub, SG_SOUND_OPUS, false);
	sg_stream_join(v, &join);
	write_all(pub, &video, &audio);
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_stream_join_reset(&join);
	sg_stream_info(v, &info);
	assert_true(info.has_b_frames);
	sg_publisher_close(pub, false);
	usleep(2000); /* publishers are told apart by milliseconds */
	pub = publish();
	write_all(pub, &other, &audio);
	e.count = count_of(&out, SG_CODEC_OPUS, 0) + 90;
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_stream_info(v, &info);
	assert_int_equal(info.video, SG_CODEC_H264);
	assert_false(info.has_b_frames);
	sg_publisher_close(pub, false);
	usleep(2000);
	pub = publish();
	write_all(pub, NULL, &audio);
	e.count = count_of(&out, SG_CODEC_OPUS, 0) + 150; /* the former's, too */
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	sg_stream_info(v, &info);
	assert_int_equal(info.video, SG_CODEC_NONE);
	assert_int_equal(info.audio, SG_CODEC_OPUS);
	sg_stream_join(v, &join);
	assert_int_equal(join.lead_count, 1);
	assert_int_equal(join.lead[0]->kind, SG_FRAME_AUDIO);
	sg_stream_join_reset(&join);
	coded_drop(&out);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&video);
	coded_drop(&other);
	coded_drop(&audio);
}

/* *config: what is in force there, or NULL. */
static bool has_picture(const struct coded *c, const struct sg_frame *picture, const struct sg_frame **config)
{
	*config = NULL;
	for (size_t i = 0; i < c->count; i++) {
		const struct sg_frame *f = c->frames[i];
		if (f->kind == SG_FRAME_VIDEO && f->flags & SG_FRAME_CONFIG)
			*config = f;
		else if (f->size == picture->size && memcmp(f->payload, picture->payload, f->size) == 0)
			return true;
	}
	return false;
}

static bool has_come(const struct coded *c, const void *picture)
{
	const struct sg_frame *config;

	return has_picture(c, picture, &config);
}

/* Its thread decodes, while so much is written that it cannot keep up with. */
static void who_falls_behind_misses_no_configuration(void **state)
{
	const struct picture_options wide = { "libx264", SG_CODEC_H264, 320, 90, 5, 5, 0, 200000, NULL };
	struct sg_publisher *pub = publish();
	struct coded video, other, audio, out = { 0 };
	struct enough e = { SG_CODEC_OPUS, 10 };
	const struct sg_frame *config;
	struct sg_join join;

	(void)state;
	encode_pictures(&plain, &video);
	encode_pictures(&wide, &other);
	encode_tone(SG_CODEC_AAC, 48000, 1000, 3, 0, &audio);
	write_all(pub, &video, &audio);
	struct sg_stream *v = variant(pub, SG_SOUND_OPUS, false);
	sg_stream_join(v, &join);
	read_until(sg_stream_ring(v), &join.cursor, &out, has, &e);
	int64_t at = audio.frames[audio.count - 1]->dts_90khz;
	write_copy(pub, other.config);
	for (int i = 0; i < 5000; i++) {
		audio.frames[0]->dts_90khz = audio.frames[0]->pts_90khz = at += 1920;
		write_copy(pub, audio.frames[0]);
	}
	for (size_t i = 0; i < other.count; i++) {
		other.frames[i]->dts_90khz = other.frames[i]->pts_90khz = at += 3600;
		write_copy(pub, other.frames[i]);
	}
	read_until(sg_stream_ring(v), &join.cursor, &out, has_come, other.frames[0]);
	assert_true(has_picture(&out, other.frames[0], &config) && config);
	assert_int_equal(config->size, other.config->size);
	assert_memory_equal(config->payload, other.config->payload, config->size);
	sg_stream_join_reset(&join);
	coded_drop(&out);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&video);
	coded_drop(&other);
	coded_drop(&audio);
}

static void many_come_and_go_while_it_runs(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded audio;

	(void)state;
	encode_tone(SG_CODEC_OPUS, 48000, 1000, 1, 0, &audio);
	write_copy(pub, audio.config);
	for (size_t i = 0; i < audio.count; i++) {
		write_copy(pub, audio.frames[i]);
		struct sg_stream *v = variant(pub, SG_SOUND_AAC, false);
		struct sg_stream_info info;
		struct sg_join join;
		sg_stream_join(v, &join);
		sg_stream_info(v, &info);
		assert_int_equal(info.audio, SG_CODEC_AAC);
		sg_stream_join_reset(&join);
		sg_stream_unref(v);
	}
	assert_int_equal(stats().started, 1);
	sg_publisher_close(pub, true);
	coded_drop(&audio);
	/* The hub is closed with the variant running. */
}

/* ---- MPEG-TS of a variant ---- */

struct bytes {
	struct coded frames;
	size_t frame, at;
};

static int read_bytes(void *user, uint8_t *out, int size)
{
	struct bytes *b = user;

	if (b->frame == b->frames.count)
		return AVERROR_EOF;
	const struct sg_frame *f = b->frames.frames[b->frame];
	size_t n = f->size - b->at < (size_t)size ? f->size - b->at : (size_t)size;
	memcpy(out, f->payload + b->at, n);
	b->at += n;
	if (b->at == f->size)
		b->frame++, b->at = 0;
	return (int)n;
}

static bool has_frames(const struct coded *c, const void *user)
{
	return c->count >= *(const size_t *)user;
}

static void what_was_opus_is_aac_in_ts(void **state)
{
	struct sg_publisher *pub = publish();
	struct coded video, audio;
	struct bytes b = { .frames.count = 0 };
	const size_t wanted = 60;
	uint64_t cursor = 0;

	(void)state;
	encode_pictures(&plain, &video);
	encode_tone(SG_CODEC_OPUS, 48000, 1000, 3, 0, &audio);
	write_all(pub, &video, &audio);
	struct sg_stream *v = variant(pub, SG_SOUND_AAC, false);
	struct sg_ring *ring = sg_stream_ts_ring(v);
	assert_non_null(ring);
	for (int i = 0; i < 2; i++) { /* the next pictures, behind the first ones */
		for (size_t k = 0; k < video.count; k++) {
			video.frames[k]->pts_90khz += 3 * 90000;
			video.frames[k]->dts_90khz += 3 * 90000;
		}
		for (size_t k = 0; k < audio.count; k++)
			audio.frames[k]->pts_90khz = audio.frames[k]->dts_90khz += 3 * 90000;
		write_all(pub, &video, &audio);
	}
	read_until(ring, &cursor, &b.frames, has_frames, &wanted);
	AVFormatContext *ic = avformat_alloc_context();
	ic->pb = avio_alloc_context(av_malloc(4096), 4096, 0, &b, read_bytes, NULL, NULL);
	assert_int_equal(avformat_open_input(&ic, NULL, av_find_input_format("mpegts"), NULL), 0);
	assert_true(avformat_find_stream_info(ic, NULL) >= 0);
	assert_int_equal(ic->nb_streams, 2);
	for (unsigned i = 0; i < 2; i++) {
		const AVCodecParameters *p = ic->streams[i]->codecpar;
		assert_int_equal(p->codec_id, p->codec_type == AVMEDIA_TYPE_AUDIO ? AV_CODEC_ID_AAC : AV_CODEC_ID_H264);
	}
	av_freep(&ic->pb->buffer);
	avio_context_free(&ic->pb);
	avformat_close_input(&ic);
	coded_drop(&b.frames);
	sg_stream_unref(v);
	sg_publisher_close(pub, true);
	coded_drop(&video);
	coded_drop(&audio);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(what_needs_no_change_is_the_stream_itself),
		TEST(sound_comes_in_opus_and_pictures_as_they_are),
		TEST(who_want_the_same_share_one),
		TEST(only_where_the_application_says_so),
		TEST(pictures_come_in_order_where_that_is_wanted),
		TEST(the_end_of_the_stream_is_the_variants),
		TEST(it_rests_after_its_last_user_and_begins_again),
		TEST(a_publisher_may_come_back_with_other_codecs),
		TEST(what_is_transcoded_again_is_described_again),
		TEST(pictures_are_transcoded_again_behind_those_of_another_codec),
		TEST(what_a_former_publisher_was_like_is_forgotten),
		TEST(who_falls_behind_misses_no_configuration),
		TEST(many_come_and_go_while_it_runs),
		TEST(what_was_opus_is_aac_in_ts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
