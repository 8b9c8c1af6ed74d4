/* Streams: the hub, who publishes, one timeline whatever sources do, what those who join are sent. */
#include "stream_fixture.h"

#define LIVE SG_STR("live")
#define CAM SG_STR("cam")

/* ---- who publishes ---- */

static void a_stream_has_one_publisher_at_a_time(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *first = publish(hub), *second, *other;

	(void)state;
	assert_int_equal(sg_hub_publish(hub, LIVE, CAM, "srt", &second), SG_ERR_EXISTS);
	assert_null(second);
	assert_int_equal(sg_hub_publish(hub, SG_STR("vod"), CAM, "srt", &other), SG_OK);
	write_tag_at(first, source.aac, 0);
	write_audio(first, 0);
	sg_publisher_close(first, true);
	assert_int_equal(sg_hub_publish(hub, LIVE, CAM, "srt", &second), SG_OK);
	assert_string_equal(info_of(sg_publisher_stream(second)).protocol, "srt");
	sg_publisher_close(second, true);
	sg_publisher_close(other, true);
	sg_publisher_close(NULL, true);
	sg_hub_close(hub);
	sg_hub_close(NULL);
}

static void a_full_hub_takes_no_more_streams(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub[4], *more;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(sg_hub_publish(hub, LIVE, sg_str_from(names[i]), "rtmp", &pub[i]), SG_OK);
	assert_int_equal(sg_hub_publish(hub, LIVE, SG_STR("e"), "rtmp", &more), SG_ERR_LIMIT);
	for (size_t i = 0; i < 4; i++)
		sg_publisher_close(pub[i], true);
	sg_hub_close(hub);
}

static void count_stream(void *user, struct sg_stream *s)
{
	assert_string_equal(sg_stream_app(s), "live");
	assert_true(strcmp(sg_stream_id(s), "cam") == 0 || strcmp(sg_stream_id(s), "two") == 0);
	++*(int *)user;
}

static void the_hub_shows_every_stream_that_has_not_ended(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub), *two;
	int seen = 0;

	(void)state;
	assert_int_equal(sg_hub_publish(hub, LIVE, SG_STR("two"), "rtmp", &two), SG_OK);
	sg_hub_each(hub, count_stream, &seen);
	assert_int_equal(seen, 2);
	sg_publisher_close(two, true); /* never sent anything: has ended */
	sg_hub_each(hub, count_stream, &seen);
	assert_int_equal(seen, 3);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static bool exists(struct sg_hub *hub)
{
	struct sg_stream *s = sg_hub_find(hub, LIVE, CAM);

	sg_stream_unref(s);
	return s;
}

static bool exists_ended(struct sg_hub *hub)
{
	struct sg_stream *s = sg_hub_find_ended(hub, LIVE, CAM);

	sg_stream_unref(s);
	return s;
}

static bool has_ended(struct sg_ring *ring)
{
	struct sg_ring_read rd = { .next = sg_ring_head(ring) };

	sg_ring_read(ring, &rd, false);
	return rd.ended;
}

static void a_stream_waits_for_its_publisher_longer_after_a_break_than_after_a_goodbye(void **state)
{
	static const struct {
		bool goodbye;
		int64_t gap_ms;
	} rows[] = { { false, SG_STREAM_GAP_MS }, { true, SG_STREAM_GOODBYE_GAP_MS } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sg_hub *hub = hub_open();
		struct sg_publisher *pub = publish(hub);
		struct sg_stream *s = sg_stream_ref(sg_publisher_stream(pub));
		write_tag_at(pub, source.aac, 0);
		write_audio(pub, 0);
		assert_true(sg_stream_is_live(s));
		sg_publisher_close(pub, rows[i].goodbye);
		assert_false(sg_stream_is_live(s));
		pass_ms(rows[i].gap_ms - 1);
		sg_hub_tick(hub, sg_mono_ms());
		assert_true(exists(hub));
		assert_false(has_ended(sg_stream_ring(s)));
		pass_ms(1);
		sg_hub_tick(hub, sg_mono_ms());
		assert_false(exists(hub));
		assert_true(has_ended(sg_stream_ring(s)));
		assert_true(exists_ended(hub)); /* for players of HLS who ask once more */
		pass_ms(60000);
		sg_hub_tick(hub, sg_mono_ms());
		assert_false(exists_ended(hub));
		sg_stream_unref(s);
		sg_hub_close(hub);
	}
}

static void a_stream_is_live_when_media_has_come(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	assert_true(exists(hub));
	write_tag_at(pub, source.meta, 0);
	write_tag_at(pub, source.aac, 0);
	assert_false(sg_stream_is_live(s));
	write_audio(pub, 0);
	assert_true(sg_stream_is_live(s));
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_stream_that_never_had_media_ends_with_its_publisher(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	sg_publisher_close(pub, false);
	assert_false(exists(hub));
	sg_hub_close(hub);
}

static void publishing_after_the_end_makes_another_stream(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *old = sg_stream_ref(sg_publisher_stream(pub));

	(void)state;
	write_tag_at(pub, source.aac, 0);
	write_audio(pub, 0);
	sg_publisher_close(pub, true);
	pass_ms(SG_STREAM_GOODBYE_GAP_MS);
	sg_hub_tick(hub, sg_mono_ms());
	pub = publish(hub);
	assert_true(sg_publisher_stream(pub) != old);
	assert_int_equal(sg_ring_head(sg_stream_ring(sg_publisher_stream(pub))), 0);
	sg_publisher_close(pub, true);
	sg_stream_unref(old);
	sg_hub_close(hub);
}

static void shutting_down_ends_those_in_their_gap_and_the_live_ones_with_their_publisher(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *live = publish(hub), *left;
	struct sg_stream *s = sg_stream_ref(sg_publisher_stream(live)), *gap;

	(void)state;
	assert_int_equal(sg_hub_publish(hub, LIVE, SG_STR("two"), "rtmp", &left), SG_OK);
	gap = sg_stream_ref(sg_publisher_stream(left));
	write_tag_at(live, source.aac, 0);
	write_audio(live, 0);
	write_tag_at(left, source.aac, 0);
	write_audio(left, 0);
	sg_publisher_close(left, false);
	sg_hub_end_all(hub);
	assert_true(has_ended(sg_stream_ring(gap)));
	assert_false(has_ended(sg_stream_ring(s)));
	sg_publisher_close(live, false);
	assert_true(has_ended(sg_stream_ring(s)));
	sg_hub_close(hub);
	sg_stream_unref(s);
	sg_stream_unref(gap);
}

static void closing_the_hub_ends_what_waits(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_stream_ref(sg_publisher_stream(pub));

	(void)state;
	write_tag_at(pub, source.aac, 0);
	write_audio(pub, 0);
	sg_publisher_close(pub, false);
	sg_hub_close(hub);
	assert_true(has_ended(sg_stream_ring(s)));
	sg_stream_unref(s);
}

/* ---- one timeline ---- */

static void a_stream_begins_at_nought_wherever_its_source_does(void **state)
{
	static const uint32_t starts[] = { 0, 7, 123456789, 0x7fffff00, 0xfffffff0 };
	static const int64_t want[] = { 0, 23, 46, 69 };

	(void)state;
	for (size_t i = 0; i < COUNT(starts); i++) {
		struct sg_hub *hub = hub_open();
		struct sg_publisher *pub = publish(hub);
		write_tag_at(pub, source.aac, 0); /* many encoders say 0 here, whatever comes after */
		for (uint32_t n = 0; n < 4; n++)
			write_audio(pub, starts[i] + n * 23);
		assert_times(sg_publisher_stream(pub), want, 4);
		sg_publisher_close(pub, true);
		sg_hub_close(hub);
	}
}

static void the_next_publisher_goes_on_behind_the_former(void **state)
{
	static const struct {
		int64_t away_ms, want_ms; /* how long nobody published; where it goes on */
	} rows[] = { { 3000, 23 + 3000 }, { 0, 23 + 40 }, { 10, 23 + 40 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const int64_t want[] = { 0, 23, rows[i].want_ms, rows[i].want_ms + 23 };
		struct sg_hub *hub = hub_open();
		struct sg_publisher *pub = publish(hub);
		write_tag_at(pub, source.aac, 0);
		write_audio(pub, 5000);
		write_audio(pub, 5023);
		sg_publisher_close(pub, false);
		pass_ms(rows[i].away_ms);
		pub = publish(hub);
		write_tag_at(pub, source.aac, 0);
		write_audio(pub, 100);
		write_audio(pub, 123);
		assert_times(sg_publisher_stream(pub), want, 4);
		sg_publisher_close(pub, true);
		sg_hub_close(hub);
	}
}

/* Audio and video around the wrap, in the order in which encoders interleave them. */
static void clocks_of_31_and_32_bits_wrap_unnoticed(void **state)
{
	static const int64_t times[] = { 0, 13, 40, 36, 80, 59, 120, 82, 105, 160 };
	static const uint64_t periods[] = { 1ull << 31, 1ull << 32 };

	(void)state;
	for (size_t p = 0; p < COUNT(periods); p++) {
		for (int64_t before = 0; before <= 170; before += 10) {
			struct sg_hub *hub = hub_open();
			struct sg_publisher *pub = publish(hub);
			uint64_t start = periods[p] - (uint64_t)before;
			write_tag_at(pub, source.aac, (uint32_t)(start % periods[p]));
			write_tag_at(pub, source.avc, (uint32_t)(start % periods[p]));
			for (size_t i = 0; i < COUNT(times); i++) {
				uint32_t ms = (uint32_t)((start + (uint64_t)times[i]) % periods[p]);
				if (times[i] % 40)
					write_audio(pub, ms);
				else
					write_picture(pub, ms, i == 0, 0, 100);
			}
			assert_times(sg_publisher_stream(pub), times, COUNT(times));
			sg_publisher_close(pub, true);
			sg_hub_close(hub);
		}
	}
}

static void a_jump_of_the_sources_clock_is_left_out(void **state)
{
	static const struct {
		uint32_t to_ms;
		int64_t waited_ms, want_ms;
	} rows[] = {
		{ 30000, 20, 63 },       /* forward, which the clock on the wall does not confirm */
		{ 30000, 15000, 20000 }, /* forward, as it was */
		{ 20024, 0, 63 },
		{ 20023, 0, 10023 },     /* just not too far */
		{ 10000, 20, 24 },       /* a little back: behind the last of its track */
		{ 9000, 20, 63 },        /* back by over a second */
		{ 0, 20, 63 },           /* the source began anew */
		{ 3000000000u, 20, 63 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const int64_t want[] = { 0, 23, rows[i].want_ms, rows[i].want_ms + 23 };
		struct sg_hub *hub = hub_open();
		struct sg_publisher *pub = publish(hub);
		write_tag_at(pub, source.aac, 10000);
		write_audio(pub, 10000);
		write_audio(pub, 10023);
		pass_ms(rows[i].waited_ms);
		write_audio(pub, rows[i].to_ms);
		write_audio(pub, rows[i].to_ms + (rows[i].want_ms == 24 ? 47 : 23));
		assert_times(sg_publisher_stream(pub), want, 4);
		sg_publisher_close(pub, true);
		sg_hub_close(hub);
	}
}

static void frames_of_one_track_never_share_a_time(void **state)
{
	static const int64_t want[] = { 0, 1, 2, 3 };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	write_tag_at(pub, source.aac, 0);
	for (int i = 0; i < 4; i++)
		write_audio(pub, 50);
	assert_times(sg_publisher_stream(pub), want, 4);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void pictures_are_shown_when_the_source_says_but_never_before_they_come(void **state)
{
	static const int32_t cts[] = { 80, 160, 0, 40, -40 };
	static const int64_t shown[] = { 80, 200, 80, 160, 160 };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	write_tag_at(pub, source.avc, 0);
	write_picture(pub, 0, true, 0, 10);
	assert_false(info_of(sg_publisher_stream(pub)).has_b_frames);
	sg_publisher_close(pub, true);
	pub = publish(hub);
	write_tag_at(pub, source.avc, 0);
	for (uint32_t i = 0; i < 5; i++)
		write_picture(pub, i * 40, i == 0, cts[i], 10);
	struct frames *f = frames_from(sg_stream_ring(sg_publisher_stream(pub)), 0);
	assert_int_equal(f->count, 6);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(f->all[1 + i]->pts_90khz - f->all[1]->dts_90khz, shown[i] * 90);
	assert_true(info_of(sg_publisher_stream(pub)).has_b_frames);
	frames_free(f);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void frames_made_elsewhere_go_onto_the_same_timeline(void **state)
{
	static const int64_t want[] = { 0, 20, 61 };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	static const int64_t own_ms[] = { -500, -480, -439 };

	(void)state;
	write_tag_at(pub, source.aac, 0);
	for (size_t i = 0; i < 3; i++) {
		struct sg_frame *f = sg_frame_new(SG_FRAME_AUDIO, SG_CODEC_AAC, 6);
		assert_non_null(f);
		memset(f->payload, 0x21, 6);
		f->dts_90khz = f->pts_90khz = own_ms[i] * 90;
		assert_int_equal(sg_publisher_write(pub, f), SG_OK);
	}
	assert_times(sg_publisher_stream(pub), want, 3);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* ---- configurations ---- */

static void a_configuration_that_is_repeated_is_not_passed_on(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	for (int i = 0; i < 3; i++) {
		write_tag_at(pub, source.meta, 0);
		write_tag_at(pub, source.avc, 0);
		write_tag_at(pub, source.aac, 0);
		feed(pub, BOTH, 1000, 1200, 0);
	}
	struct frames *f = frames_from(sg_stream_ring(sg_publisher_stream(pub)), 0);
	assert_int_equal(f->configs, 2);
	assert_int_equal(f->metas, 1);
	assert_int_equal(info_of(sg_publisher_stream(pub)).frames_dropped, 0);
	frames_free(f);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void the_next_publishers_configurations_are_passed_on_again(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	write_tag_at(pub, source.aac, 0);
	write_audio(pub, 0);
	sg_publisher_close(pub, false);
	pub = publish(hub);
	write_audio(pub, 0); /* before its configuration: whose is it? */
	write_tag_at(pub, source.aac, 0);
	write_audio(pub, 23);
	struct frames *f = frames_from(sg_stream_ring(sg_publisher_stream(pub)), 0);
	assert_int_equal(f->configs, 2);
	assert_int_equal(f->count, 2);
	assert_int_equal(info_of(sg_publisher_stream(pub)).frames_dropped, 1);
	frames_free(f);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void what_cannot_be_decoded_is_left_out_and_counted(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	write_audio(pub, 0);                     /* no configuration yet */
	write_picture(pub, 0, true, 0, 10);
	assert_int_equal(info_of(s).frames_dropped, 2);
	write_tag_at(pub, source.avc, 0);
	write_picture(pub, 0, false, 0, 10);     /* no keyframe yet */
	assert_int_equal(info_of(s).frames_dropped, 3);
	write_picture(pub, 40, true, 0, 10);
	write_picture(pub, 80, false, 0, 10);
	assert_int_equal(info_of(s).frames_dropped, 3);
	assert_int_equal(info_of(s).frames_in, 2);
	/* Another configuration: pictures that refer to what was before it are of no use. */
	uint8_t other[64];
	memcpy(other, source.avc->body, source.avc->len);
	other[5 + 2] ^= 0x40; /* the constraint flags */
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 120, other, source.avc->len), SG_OK);
	write_picture(pub, 120, false, 0, 10);
	assert_int_equal(info_of(s).frames_dropped, 4);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void malformed_nal_units_are_left_out_and_counted(void **state)
{
	static const uint8_t cut[] = { 0x27, 1, 0, 0, 0, 0, 0, 0, 9, 0x41, 1, 2 };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, VIDEO, 0, 200, 0);
	uint64_t head = sg_ring_head(sg_stream_ring(s));
	for (size_t len = 6; len <= sizeof(cut); len++)
		assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 200, cut, len), SG_OK);
	assert_int_equal(info_of(s).frames_dropped, sizeof(cut) - 5);
	assert_int_equal(sg_ring_head(sg_stream_ring(s)), head);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void short_nal_prefixes_become_four_bytes(void **state)
{
	static const uint8_t picture[] = { 0x17, 1, 0, 0, 0, 0, 2, 0x65, 0xaa, 0, 1, 0x06 };
	static const uint8_t want[] = { 0, 0, 0, 2, 0x65, 0xaa, 0, 0, 0, 1, 0x06 };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_join join;
	uint8_t config[64];

	(void)state;
	memcpy(config, source.avc->body, source.avc->len);
	config[5 + 4] = 0xfd; /* lengthSizeMinusOne 1 */
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 0, config, source.avc->len), SG_OK);
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 0, picture, sizeof(picture)), SG_OK);
	sg_stream_join(sg_publisher_stream(pub), &join);
	assert_int_equal(join.lead_count, 1);
	assert_int_equal(join.lead[0]->size, source.avc->len - 5);
	assert_memory_equal(join.lead[0]->payload, source.avc->body + 5, source.avc->len - 5);
	struct frames *f = frames_from(sg_stream_ring(sg_publisher_stream(pub)), join.cursor);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->all[0]->size, sizeof(want));
	assert_memory_equal(f->all[0]->payload, want, sizeof(want));
	frames_free(f);
	sg_stream_join_reset(&join);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void broken_configurations_and_unknown_codecs_are_refused(void **state)
{
	static const uint8_t avc[] = { 0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff };
	static const uint8_t aac[] = { 0xaf, 0, 0x02, 0x10 };
	static const uint8_t vp6[] = { 0x14, 0, 0, 0, 0, 1 }, speex[] = { 0xb2, 1 }, any[] = { 1 };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 0, avc, sizeof(avc)), SG_ERR_BAD_INPUT);
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, 0, aac, sizeof(aac)), SG_ERR_BAD_INPUT);
	assert_int_equal(
	    sg_publisher_write_flv(pub, SG_FLV_VIDEO, 0, vp6, sizeof(vp6)), SG_ERR_UNSUPPORTED);
	assert_int_equal(
	    sg_publisher_write_flv(pub, SG_FLV_AUDIO, 0, speex, sizeof(speex)), SG_ERR_UNSUPPORTED);
	assert_int_equal(sg_publisher_write_flv(pub, 77, 0, any, 1), SG_OK); /* not ours to judge */
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 0, any, 0), SG_OK);
	assert_int_equal(sg_ring_head(sg_stream_ring(sg_publisher_stream(pub))), 0);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* ---- joining ---- */

static void those_who_join_get_what_was_in_force_at_their_keyframe(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_join join;

	(void)state;
	sg_stream_join(s, &join);
	assert_int_equal(join.lead_count, 0);
	write_tag_at(pub, source.aac, 0); /* in any order; they are told in one */
	write_tag_at(pub, source.avc, 0);
	write_tag_at(pub, source.meta, 0);
	feed(pub, BOTH, 0, 1100, 0); /* keyframes at 0 and 1000 */
	uint64_t before = sg_ring_head(sg_stream_ring(s));
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, 1100, AAC_CONFIG, sizeof(AAC_CONFIG)), SG_OK);
	sg_stream_join(s, &join);
	assert_true(join.cursor < before);
	assert_int_equal(join.lead_count, 3);
	assert_int_equal(join.lead[0]->kind, SG_FRAME_META);
	assert_int_equal(join.lead[1]->kind, SG_FRAME_VIDEO);
	assert_int_equal(join.lead[2]->kind, SG_FRAME_AUDIO);
	assert_memory_equal(join.lead[2]->payload, source.aac->body + 2, 2);
	struct frames *f = frames_from(sg_stream_ring(s), join.cursor);
	assert_int_equal(f->all[0]->flags, SG_FRAME_KEY);
	assert_int_equal(f->all[0]->dts_90khz, 90000);
	assert_int_equal(f->configs, 1); /* the new one comes in its place */
	frames_free(f);
	sg_stream_join_reset(&join);
	/* From the next keyframe on the new one stands in front. */
	feed(pub, BOTH, 1100, 2100, 0);
	sg_stream_join(s, &join);
	assert_true(join.cursor > before);
	assert_memory_equal(join.lead[2]->payload, AAC_CONFIG + 2, 2);
	f = frames_from(sg_stream_ring(s), join.cursor);
	assert_int_equal(f->configs, 0);
	frames_free(f);
	sg_stream_join_reset(&join);
	assert_int_equal(join.lead_count, 0);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void in_the_gap_those_who_join_get_what_the_former_publisher_left(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_join join;

	(void)state;
	feed(pub, BOTH, 0, 500, 0);
	sg_publisher_close(pub, false);
	for (int i = 0; i < 2; i++) {
		sg_stream_join(s, &join);
		assert_int_equal(join.lead_count, 3);
		struct frames *f = frames_from(sg_stream_ring(s), join.cursor);
		assert_int_equal(f->all[0]->flags, SG_FRAME_KEY);
		frames_free(f);
		sg_stream_join_reset(&join);
		if (i == 0)
			pub = publish(hub); /* who has not sent anything yet */
	}
	sg_publisher_close(pub, false);
	sg_hub_close(hub);
}

static void audio_alone_is_joined_a_second_back(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_join join;

	(void)state;
	feed(pub, AUDIO, 0, 3000, 0);
	sg_stream_join(s, &join);
	assert_int_equal(join.lead_count, 2);
	assert_int_equal(join.lead[1]->kind, SG_FRAME_AUDIO);
	struct frames *f = frames_from(sg_stream_ring(s), join.cursor);
	assert_in_range(f->count, 45, 48); /* of 1024 samples at 48 kHz */
	frames_free(f);
	sg_stream_join_reset(&join);
	struct sg_stream_info info = info_of(s);
	assert_int_equal(info.video, SG_CODEC_NONE);
	assert_int_equal(info.audio, SG_CODEC_AAC);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void video_alone_is_joined_at_its_keyframe(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_join join;

	(void)state;
	feed(pub, VIDEO, 0, 2500, 0);
	sg_stream_join(s, &join);
	assert_int_equal(join.lead_count, 2);
	assert_int_equal(join.lead[1]->kind, SG_FRAME_VIDEO);
	struct frames *f = frames_from(sg_stream_ring(s), join.cursor);
	assert_int_equal(f->count, 13);
	assert_int_equal(f->all[0]->dts_90khz, 2 * 90000);
	frames_free(f);
	sg_stream_join_reset(&join);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* ---- the bytes that viewers get ---- */

static const struct sealed {
	const char *what;
	uint8_t kind, codec, flags;
	uint32_t ms;
	int32_t cts_ms;
	uint8_t rtmp[28], rtmp_len, flv[28], flv_len;
} sealed[] = {
	/* RTMP: csid, time (3), length (3), type, stream id (4, little-endian), the body's header. FLV: type,
	 * length (3), time (3), time's top byte, stream id (3), the body's header. Payloads of 5 bytes. */
	{ "AVC keyframe", SG_FRAME_VIDEO, SG_CODEC_H264, SG_FRAME_KEY, 0x010203, 80,
	    { 6, 1, 2, 3, 0, 0, 10, 9, 1, 0, 0, 0, 0x17, 1, 0, 0, 80 }, 17,
	    { 9, 0, 0, 10, 1, 2, 3, 0, 0, 0, 0, 0x17, 1, 0, 0, 80 }, 16 },
	{ "AVC inter frame, the last time that needs no extension", SG_FRAME_VIDEO, SG_CODEC_H264, 0,
	    0xfffffe, 0x010000, { 6, 0xff, 0xff, 0xfe, 0, 0, 10, 9, 1, 0, 0, 0, 0x27, 1, 1, 0, 0 }, 17,
	    { 9, 0, 0, 10, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0x27, 1, 1, 0, 0 }, 16 },
	{ "AVC inter frame, the first that needs one", SG_FRAME_VIDEO, SG_CODEC_H264, 0, 0xffffff, 0,
	    { 6, 0xff, 0xff, 0xff, 0, 0, 10, 9, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x27, 1, 0, 0, 0 }, 21,
	    { 9, 0, 0, 10, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x27, 1, 0, 0, 0 }, 16 },
	{ "AVC configuration, a month on", SG_FRAME_VIDEO, SG_CODEC_H264, SG_FRAME_CONFIG, 0x9a7ec800, 0,
	    { 6, 0xff, 0xff, 0xff, 0, 0, 10, 9, 1, 0, 0, 0, 0x9a, 0x7e, 0xc8, 0, 0x17, 0, 0, 0, 0 }, 21,
	    { 9, 0, 0, 10, 0x7e, 0xc8, 0, 0x9a, 0, 0, 0, 0x17, 0, 0, 0, 0 }, 16 },
	{ "HEVC keyframe", SG_FRAME_VIDEO, SG_CODEC_HEVC, SG_FRAME_KEY, 40, 0x0102,
	    { 6, 0, 0, 40, 0, 0, 13, 9, 1, 0, 0, 0, 0x91, 'h', 'v', 'c', '1', 0, 1, 2 }, 20,
	    { 9, 0, 0, 13, 0, 0, 40, 0, 0, 0, 0, 0x91, 'h', 'v', 'c', '1', 0, 1, 2 }, 19 },
	{ "HEVC configuration over the extension", SG_FRAME_VIDEO, SG_CODEC_HEVC, SG_FRAME_CONFIG,
	    0x01000000, 0,
	    { 6, 0xff, 0xff, 0xff, 0, 0, 10, 9, 1, 0, 0, 0, 1, 0, 0, 0, 0x90, 'h', 'v', 'c', '1' }, 21,
	    { 9, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0x90, 'h', 'v', 'c', '1' }, 16 },
	{ "AV1 inter frame", SG_FRAME_VIDEO, SG_CODEC_AV1, 0, 0, 0,
	    { 6, 0, 0, 0, 0, 0, 10, 9, 1, 0, 0, 0, 0xa1, 'a', 'v', '0', '1' }, 17,
	    { 9, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0xa1, 'a', 'v', '0', '1' }, 16 },
	{ "VP9 keyframe", SG_FRAME_VIDEO, SG_CODEC_VP9, SG_FRAME_KEY, 0, 0,
	    { 6, 0, 0, 0, 0, 0, 10, 9, 1, 0, 0, 0, 0x91, 'v', 'p', '0', '9' }, 17,
	    { 9, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0x91, 'v', 'p', '0', '9' }, 16 },
	{ "AAC configuration", SG_FRAME_AUDIO, SG_CODEC_AAC, SG_FRAME_CONFIG, 0, 0,
	    { 4, 0, 0, 0, 0, 0, 7, 8, 1, 0, 0, 0, 0xaf, 0 }, 14,
	    { 8, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0xaf, 0 }, 13 },
	{ "AAC frame", SG_FRAME_AUDIO, SG_CODEC_AAC, 0, 23, 0,
	    { 4, 0, 0, 23, 0, 0, 7, 8, 1, 0, 0, 0, 0xaf, 1 }, 14,
	    { 8, 0, 0, 7, 0, 0, 23, 0, 0, 0, 0, 0xaf, 1 }, 13 },
	{ "MP3 frame", SG_FRAME_AUDIO, SG_CODEC_MP3, 0, 23, 0,
	    { 4, 0, 0, 23, 0, 0, 6, 8, 1, 0, 0, 0, 0x2f }, 13,
	    { 8, 0, 0, 6, 0, 0, 23, 0, 0, 0, 0, 0x2f }, 12 },
	{ "Opus frame", SG_FRAME_AUDIO, SG_CODEC_OPUS, 0, 20, 0,
	    { 4, 0, 0, 20, 0, 0, 10, 8, 1, 0, 0, 0, 0x91, 'O', 'p', 'u', 's' }, 17,
	    { 8, 0, 0, 10, 0, 0, 20, 0, 0, 0, 0, 0x91, 'O', 'p', 'u', 's' }, 16 },
	{ "metadata", SG_FRAME_META, SG_CODEC_NONE, 0, 5, 0, { 5, 0, 0, 5, 0, 0, 5, 18, 1, 0, 0, 0 }, 12,
	    { 18, 0, 0, 5, 0, 0, 5, 0, 0, 0, 0 }, 11 },
	{ "MPEG-TS, which goes as it is", SG_FRAME_TS, SG_CODEC_NONE, 0, 5, 0, { 0 }, 0, { 0 }, 0 },
};

static void headers_are_sealed_as_rtmp_and_flv_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sealed); i++) {
		const struct sealed *w = &sealed[i];
		struct sg_frame *f = sg_frame_new((enum sg_frame_kind)w->kind, (enum sg_codec)w->codec, 5);
		struct iovec iov[2];
		assert_non_null(f);
		memset(f->payload, 0x55, 5);
		f->flags = w->flags;
		f->dts_90khz = (int64_t)w->ms * 90;
		f->pts_90khz = f->dts_90khz + w->cts_ms * 90;
		sg_frame_seal(f);
		if (f->rtmp_header_len != w->rtmp_len || memcmp(f->rtmp_header, w->rtmp, w->rtmp_len))
			fail_msg("%s: RTMP", w->what);
		if (f->flv_header_len != w->flv_len || memcmp(f->flv_header, w->flv, w->flv_len))
			fail_msg("%s: FLV", w->what);
		if (w->kind != SG_FRAME_TS) {
			/* PreviousTagSize: the tag without itself. */
			const uint8_t size[] = { 0, 0, 0, (uint8_t)(w->flv_len + 5) };
			assert_memory_equal(f->payload + 5, size, 4);
			assert_int_equal(sg_frame_iov(f, SG_FORM_FLV, iov), 2);
			assert_int_equal(iov[0].iov_len + iov[1].iov_len, w->flv_len + 5 + 4);
			assert_int_equal(sg_frame_iov(f, SG_FORM_RTMP, iov), 2);
			assert_int_equal(iov[0].iov_len + iov[1].iov_len, w->rtmp_len + 5);
		}
		assert_int_equal(sg_frame_iov(f, SG_FORM_RAW, iov), 1);
		assert_int_equal(iov[0].iov_len, 5);
		sg_frame_unref(f);
	}
}

/* What ffmpeg wrote comes out as it went in, but for the audio's rate and channel bits, which say nothing
 * for AAC. */
static void tags_come_out_as_they_came_in(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	size_t n = 0;

	(void)state;
	feed(pub, BOTH, 0, SOURCE_ALL_MS, 0);
	struct frames *f = frames_from(sg_stream_ring(sg_publisher_stream(pub)), 0);
	assert_int_equal(f->count, SOURCE_PICTURES + source.audio_frames);
	for (size_t i = 0; i < source.count; i++) {
		const struct tag *t = &source.tags[i];
		if (is_config(t) || t->type == SG_FLV_SCRIPT || t->len == 2 ||
		    (t->type == SG_FLV_VIDEO && t->body[1] == 2))
			continue;
		const struct sg_frame *g = f->all[n++];
		size_t header = t->type == SG_FLV_VIDEO ? 5 : 2;
		assert_memory_equal(g->flv_header, t->body - 11, 11);
		assert_memory_equal(g->flv_header + 12, t->body + 1, header - 1);
		assert_int_equal(g->size + header, t->len);
		assert_memory_equal(g->payload, t->body + header, g->size);
	}
	assert_int_equal(n, f->count);
	frames_free(f);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_frame_too_large_is_not_made(void **state)
{
	(void)state;
	struct sg_frame *f = sg_frame_new(SG_FRAME_VIDEO, SG_CODEC_H264, SG_FRAME_MAX_BYTES);
	assert_non_null(f);
	sg_frame_unref(f);
	assert_null(sg_frame_new(SG_FRAME_VIDEO, SG_CODEC_H264, SG_FRAME_MAX_BYTES + 1));
}

/* ---- what is told of a stream ---- */

static void a_stream_tells_what_it_carries(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	feed(pub, BOTH, 0, SOURCE_ALL_MS, 0);
	struct sg_stream_info i = info_of(sg_publisher_stream(pub));
	assert_string_equal(i.app, "live");
	assert_string_equal(i.stream, "cam");
	assert_string_equal(i.protocol, "rtmp");
	assert_true(i.live);
	assert_int_equal(i.video, SG_CODEC_H264);
	assert_int_equal(i.audio, SG_CODEC_AAC);
	assert_int_equal(strncmp(i.video_profile, "High@1.", 7), 0);
	assert_int_equal(i.width, 320);
	assert_int_equal(i.height, 180);
	assert_int_equal(i.sample_rate, 48000);
	assert_int_equal(i.channels, 1);
	assert_in_range(i.fps * 100, 2400, 2600);
	assert_in_range(i.bit_rate, 200000, 600000);
	assert_int_equal(i.frames_in, SOURCE_PICTURES + source.audio_frames);
	assert_true(i.bytes_in > 100000 && i.bytes_in < source.file.len);
	assert_true(i.has_b_frames);
	assert_int_equal(i.frames_dropped, 0);
	assert_int_equal(i.started_ms, BEGIN_US / 1000 + WALL_MINUS_MONO_MS);
	assert_int_equal(i.ring_frames, i.frames_in + 3);
	assert_int_equal(i.hls_bytes, 0); /* nobody has asked for it */
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* They are kept for a while, for who asks once more; not where a publisher needs the room. */
static void ended_streams_take_no_room(void **state)
{
	struct sg_hub *hub = hub_open(); /* of four streams */
	struct sg_publisher *pub;
	char name[8];

	(void)state;
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "cam%d", i);
		assert_int_equal(sg_hub_publish(hub, SG_STR("live"), sg_str_from(name), "rtmp", &pub), SG_OK);
		sg_publisher_close(pub, true); /* nothing has come: it ends at once */
	}
	struct sg_stream *s = sg_hub_find_ended(hub, SG_STR("live"), SG_STR("cam9"));
	assert_non_null(s);
	sg_stream_unref(s);
	sg_hub_close(hub);
}

/* Nobody who comes is shown what a former publisher has left in the ring. */
static void who_comes_to_sound_alone_hears_what_is_now(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct sg_join join;

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	sg_publisher_close(pub, true);
	uint64_t head = sg_ring_head(sg_stream_ring(s));
	pass_ms(1000);
	pub = publish(hub);
	sg_stream_join(s, &join);
	assert_true(join.cursor < head && join.lead_count >= 2); /* the last picture, while nothing else is there */
	sg_stream_join_reset(&join);
	feed(pub, AUDIO, 0, 300, 0);
	sg_stream_join(s, &join);
	assert_in_range(join.cursor, head, head + 3); /* all of it */
	assert_int_equal(join.lead[join.lead_count - 1]->kind, SG_FRAME_AUDIO);
	for (size_t i = 0; i < join.lead_count; i++)
		assert_int_not_equal(join.lead[i]->kind, SG_FRAME_VIDEO);
	sg_stream_join_reset(&join);
	feed(pub, AUDIO, 300, 3500, 0);
	sg_stream_join(s, &join);
	assert_in_range(sg_ring_head(sg_stream_ring(s)) - join.cursor, 40, 50); /* a second */
	sg_stream_join_reset(&join);
	write_tag_at(pub, source.avc, 3500); /* pictures come after all */
	write_tag_at(pub, source.key, 3500);
	sg_stream_join(s, &join);
	assert_int_equal(join.cursor, sg_ring_head(sg_stream_ring(s)) - 1);
	sg_stream_join_reset(&join);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_has_one_publisher_at_a_time),
		cmocka_unit_test(a_full_hub_takes_no_more_streams),
		cmocka_unit_test(the_hub_shows_every_stream_that_has_not_ended),
		cmocka_unit_test(a_stream_waits_for_its_publisher_longer_after_a_break_than_after_a_goodbye),
		cmocka_unit_test(a_stream_is_live_when_media_has_come),
		cmocka_unit_test(a_stream_that_never_had_media_ends_with_its_publisher),
		cmocka_unit_test(publishing_after_the_end_makes_another_stream),
		cmocka_unit_test(shutting_down_ends_those_in_their_gap_and_the_live_ones_with_their_publisher),
		cmocka_unit_test(closing_the_hub_ends_what_waits),
		cmocka_unit_test(a_stream_begins_at_nought_wherever_its_source_does),
		cmocka_unit_test(the_next_publisher_goes_on_behind_the_former),
		cmocka_unit_test(clocks_of_31_and_32_bits_wrap_unnoticed),
		cmocka_unit_test(a_jump_of_the_sources_clock_is_left_out),
		cmocka_unit_test(frames_of_one_track_never_share_a_time),
		cmocka_unit_test(pictures_are_shown_when_the_source_says_but_never_before_they_come),
		cmocka_unit_test(frames_made_elsewhere_go_onto_the_same_timeline),
		cmocka_unit_test(a_configuration_that_is_repeated_is_not_passed_on),
		cmocka_unit_test(the_next_publishers_configurations_are_passed_on_again),
		cmocka_unit_test(what_cannot_be_decoded_is_left_out_and_counted),
		cmocka_unit_test(malformed_nal_units_are_left_out_and_counted),
		cmocka_unit_test(short_nal_prefixes_become_four_bytes),
		cmocka_unit_test(broken_configurations_and_unknown_codecs_are_refused),
		cmocka_unit_test(those_who_join_get_what_was_in_force_at_their_keyframe),
		cmocka_unit_test(in_the_gap_those_who_join_get_what_the_former_publisher_left),
		cmocka_unit_test(audio_alone_is_joined_a_second_back),
		cmocka_unit_test(video_alone_is_joined_at_its_keyframe),
		cmocka_unit_test(headers_are_sealed_as_rtmp_and_flv_say),
		cmocka_unit_test(tags_come_out_as_they_came_in),
		cmocka_unit_test(a_frame_too_large_is_not_made),
		cmocka_unit_test(a_stream_tells_what_it_carries),
		cmocka_unit_test(who_comes_to_sound_alone_hears_what_is_now),
		cmocka_unit_test(ended_streams_take_no_room),
	};

	return cmocka_run_group_tests_name("media_stream", tests, source_open, source_close);
}
