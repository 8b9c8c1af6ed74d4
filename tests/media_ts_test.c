/* Streams as MPEG-TS: packets, tables, where it begins, how it goes on. */
#include "package_fixture.h"

/* What a viewer who joins the ring now has got so far. */
static struct sg_buf ts_bytes(struct sg_ring *ring, uint64_t cursor)
{
	struct frames *f = frames_from(ring, cursor);
	struct sg_buf b;

	sg_buf_init(&b, 64u << 20);
	for (size_t i = 0; i < f->count; i++) {
		assert_int_equal(f->all[i]->kind, SG_FRAME_TS);
		sg_buf_append(&b, f->all[i]->payload, f->all[i]->size);
	}
	frames_free(f);
	return b;
}

static struct media ts_from(struct sg_ring *ring, uint64_t cursor)
{
	struct media m = { .bytes = ts_bytes(ring, cursor) };

	read_back(&m, "mpegts");
	return m;
}

static unsigned pid_at(const uint8_t *p)
{
	return (p[1] & 0x1fu) << 8 | p[2];
}

static void assert_begins_with_tables(const struct sg_frame *t)
{
	size_t at = 0;

	while (at < t->size && pid_at(t->payload + at) == 17) /* a service description may come first */
		at += 188;
	assert_int_equal(pid_at(t->payload + at), 0); /* PAT */
	assert_int_equal(pid_at(t->payload + at + 188), 0x1000); /* PMT, where libavformat has it */
}

static void ts_is_whole_packets_with_tables_at_each_keyframe(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));
	unsigned keys = 0;

	(void)state;
	assert_non_null(ring);
	feed(pub, BOTH, 0, SOURCE_ALL_MS, 0);
	struct frames *f = frames_from(ring, 0);
	assert_int_equal(f->count, SOURCE_PICTURES + source.audio_frames); /* none waits for the next */
	for (size_t i = 0; i < f->count; i++) {
		const struct sg_frame *t = f->all[i];
		assert_int_equal(t->size % 188, 0);
		for (size_t at = 0; at < t->size; at += 188)
			assert_int_equal(t->payload[at], 0x47);
		if (!(t->flags & SG_FRAME_KEY))
			continue;
		keys++;
		assert_begins_with_tables(t);
	}
	assert_int_equal(keys, 4);
	frames_free(f);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void keyframes_that_come_fast_have_their_tables_each(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));

	(void)state;
	write_tag_at(pub, source.avc, 0);
	for (uint32_t i = 0; i < 20; i++)
		write_tag_at(pub, source.key, i * 20);
	struct frames *f = frames_from(ring, 0);
	assert_int_equal(f->count, 20);
	for (size_t i = 0; i < f->count; i++)
		assert_begins_with_tables(f->all[i]);
	frames_free(f);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void ts_is_what_was_published(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));

	(void)state;
	feed(pub, BOTH, 0, SOURCE_ALL_MS, 0);
	struct media m = ts_from(ring, 0);
	assert_int_equal(m.video.codec, AV_CODEC_ID_H264);
	assert_int_equal(m.audio.codec, AV_CODEC_ID_AAC);
	assert_int_equal(m.video.width, 320);
	assert_int_equal(m.audio.sample_rate, 48000);
	assert_int_equal(m.video.packets, SOURCE_PICTURES);
	assert_int_equal(m.audio.packets, source.audio_frames);
	assert_true(m.video.monotonic && m.audio.monotonic);
	assert_int_equal(m.video.first_us, 0);
	assert_int_equal(m.video.last_us, 3960000);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void the_first_who_wants_ts_gets_it_from_the_last_keyframe(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	struct sg_ring *ring = sg_stream_ts_ring(s);
	assert_int_equal(sg_ring_head(ring), 0);
	feed(pub, BOTH, 2500, SOURCE_ALL_MS, 0);
	struct media m = ts_from(ring, sg_ring_start(ring)); /* the last one */
	assert_int_equal(m.video.first_us, 3000000);
	m = ts_from(ring, 0);
	assert_int_equal(m.video.first_us, 2000000);
	assert_int_equal(m.video.packets, 50);
	assert_int_equal(m.video.keys, 2);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void ts_rests_when_nobody_has_asked_for_a_minute_and_begins_again(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_ring *ring = sg_stream_ts_ring(s);
	struct sg_ring_stats stats;

	(void)state;
	feed_seconds(pub, 60);
	uint64_t head = sg_ring_head(ring);
	feed(pub, BOTH, 0, 1000, 60000); /* a minute is over in its first frames */
	assert_in_range(sg_ring_head(ring), head, head + 2);
	sg_ring_stats(ring, &stats);
	assert_int_equal(stats.frames, 0);
	head = sg_ring_head(ring);
	feed(pub, BOTH, 1000, 3500, 60000);
	assert_int_equal(sg_ring_head(ring), head);
	assert_ptr_equal(sg_stream_ts_ring(s), ring);
	feed(pub, BOTH, 3500, 4000, 60000);
	struct media m = ts_from(ring, head);
	assert_int_equal(m.video.packets, 25);
	assert_int_equal(m.video.first_us, 63000000);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* Those who watch as TS while something changes: what comes must go on, and nothing come twice. */
static void assert_ts_goes_on(struct sg_ring *ring, unsigned pictures)
{
	struct frames *f = frames_from(ring, 0);
	int64_t last[2] = { -1, -1 };
	unsigned seen = 0;

	for (size_t i = 0; i < f->count; i++) {
		/* In the order of each track; the two are interleaved as they came. */
		bool video = false;
		for (size_t at = 0; at < f->all[i]->size; at += 188)
			video = video || pid_at(f->all[i]->payload + at) == 0x100;
		if (f->all[i]->dts_90khz <= last[video])
			fail_msg("at %.2f ms again, after %.2f", (double)f->all[i]->dts_90khz / 90,
			    (double)last[video] / 90);
		last[video] = f->all[i]->dts_90khz;
		seen += video;
	}
	frames_free(f);
	assert_int_equal(seen, pictures);
}

static void ts_goes_on_behind_another_configuration_and_repeats_nothing(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));
	uint8_t other[64];

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	memcpy(other, source.avc->body, source.avc->len);
	other[5 + 2] ^= 0x40;
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 2500, other, source.avc->len), SG_OK);
	feed(pub, BOTH, 2500, SOURCE_ALL_MS, 0); /* sound first, pictures from 3000 on */
	assert_ts_goes_on(ring, 63 + 25);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void ts_goes_on_when_the_sound_alone_is_configured_anew(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	assert_int_equal(
	    sg_publisher_write_flv(pub, SG_FLV_AUDIO, 2500, AAC_CONFIG, sizeof(AAC_CONFIG)), SG_OK);
	feed(pub, BOTH, 2500, SOURCE_ALL_MS, 0);
	assert_ts_goes_on(ring, SOURCE_PICTURES); /* no picture is lost by it */
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void ts_goes_on_with_the_next_publisher_and_repeats_nothing(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	sg_publisher_close(pub, false);
	pass_ms(1000);
	pub = publish(hub);
	write_tag_at(pub, source.avc, 0);
	write_tag_at(pub, source.aac, 0);
	write_audio(pub, 0); /* sound before the first picture, as many encoders have it */
	write_audio(pub, 21);
	feed(pub, BOTH, 0, 1500, 42);
	assert_ts_goes_on(ring, 38 + 38);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void ts_goes_on_when_the_next_publisher_has_sound_alone(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	sg_publisher_close(pub, false);
	uint64_t head = sg_ring_head(ring);
	pub = publish(hub);
	feed(pub, AUDIO, 0, 1500, 0);
	struct frames *f = frames_from(ring, head);
	assert_in_range(f->count, 65, 72);
	assert_true(f->all[0]->dts_90khz >= 1500 * 90);
	frames_free(f);
	assert_true(sg_ring_start(ring) >= head); /* nor does who comes now see the former's pictures */
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void ts_that_is_first_wanted_between_a_configuration_and_its_keyframe_waits_for_it(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	uint8_t other[64];

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	memcpy(other, source.avc->body, source.avc->len);
	other[5 + 2] ^= 0x40;
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 2500, other, source.avc->len), SG_OK);
	struct sg_ring *ring = sg_stream_ts_ring(s);
	feed(pub, BOTH, 2500, 2900, 0);
	assert_int_equal(sg_ring_head(ring), 0); /* what is in the ring needs the former one */
	feed(pub, BOTH, 2900, SOURCE_ALL_MS, 0);
	assert_ts_goes_on(ring, 25);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void what_was_there_before_another_codec_is_left_out(void **state)
{
	static const uint8_t mp3[418] = { 0x2f, 0xff, 0xfb, 0x90, 0x00 }; /* 128 kbit/s, 44.1 kHz, stereo */
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_ring *ring = NULL;

	(void)state;
	feed(pub, BOTH, 0, 700, 0);
	for (uint32_t ms = 700; ms < 3000; ms += 100) {
		feed(pub, VIDEO, ms, ms + 100, 0);
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, ms + 26 * i, mp3, sizeof(mp3)), SG_OK);
		if (ms == 800)
			ring = sg_stream_ts_ring(s);
	}
	struct media m = ts_from(ring, 0);
	assert_int_equal(m.audio.codec, AV_CODEC_ID_MP3);
	assert_true(m.video.first_us < 100000 && m.audio.first_us >= 700000);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_picture_that_is_too_large_for_ts_is_all_that_is_lost(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	write_picture(pub, 1500, false, 0, SG_FRAME_MAX_BYTES - 1000); /* with TS's headers it is no frame any more */
	feed(pub, BOTH, 1500, SOURCE_ALL_MS, 1);
	assert_ts_goes_on(ring, SOURCE_PICTURES);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void nor_does_it_keep_ts_from_beginning(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	write_picture(pub, 1500, false, 0, SG_FRAME_MAX_BYTES - 1000);
	feed(pub, BOTH, 1500, 1700, 1);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub)); /* from a second on, across it */
	feed(pub, BOTH, 1700, SOURCE_ALL_MS, 1);
	struct media m = ts_from(ring, sg_ring_start(ring));
	assert_int_equal(m.video.packets, 25);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void sound_alone_goes_as_ts(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_stream_ts_ring(sg_publisher_stream(pub));

	(void)state;
	feed(pub, AUDIO, 0, SOURCE_ALL_MS, 0);
	struct media m = ts_from(ring, 0);
	assert_int_equal(m.audio.packets, source.audio_frames);
	assert_int_equal(m.video.packets, 0);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void ts_ends_with_its_stream(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_ring *ring = sg_ring_ref(sg_stream_ts_ring(sg_publisher_stream(pub)));
	struct sg_ring_read rd = { 0 };

	(void)state;
	feed(pub, BOTH, 0, 500, 0);
	sg_publisher_close(pub, false);
	sg_hub_close(hub);
	rd.next = sg_ring_head(ring);
	assert_true(rd.next > 0);
	sg_ring_read(ring, &rd, false);
	assert_true(rd.ended);
	sg_ring_unref(ring);
}

static void codecs_that_ts_does_not_carry_have_no_ts(void **state)
{
	static const uint8_t config[] = { 0x90, 'a', 'v', '0', '1', 0x81, 0, 0x0c, 0 };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 0, config, sizeof(config)), SG_OK);
	assert_null(sg_stream_ts_ring(sg_publisher_stream(pub)));
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ts_is_whole_packets_with_tables_at_each_keyframe),
		cmocka_unit_test(keyframes_that_come_fast_have_their_tables_each),
		cmocka_unit_test(ts_is_what_was_published),
		cmocka_unit_test(the_first_who_wants_ts_gets_it_from_the_last_keyframe),
		cmocka_unit_test(ts_rests_when_nobody_has_asked_for_a_minute_and_begins_again),
		cmocka_unit_test(ts_goes_on_behind_another_configuration_and_repeats_nothing),
		cmocka_unit_test(ts_goes_on_when_the_sound_alone_is_configured_anew),
		cmocka_unit_test(ts_goes_on_with_the_next_publisher_and_repeats_nothing),
		cmocka_unit_test(ts_goes_on_when_the_next_publisher_has_sound_alone),
		cmocka_unit_test(ts_that_is_first_wanted_between_a_configuration_and_its_keyframe_waits_for_it),
		cmocka_unit_test(what_was_there_before_another_codec_is_left_out),
		cmocka_unit_test(a_picture_that_is_too_large_for_ts_is_all_that_is_lost),
		cmocka_unit_test(nor_does_it_keep_ts_from_beginning),
		cmocka_unit_test(sound_alone_goes_as_ts),
		cmocka_unit_test(ts_ends_with_its_stream),
		cmocka_unit_test(codecs_that_ts_does_not_carry_have_no_ts),
	};

	return cmocka_run_group_tests_name("media_ts", tests, source_open, source_close);
}
