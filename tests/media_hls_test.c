/* Streams as HLS: playlists, segments, what is kept. */
#include "hls_fixture.h"

static void the_playlist_names_its_segments(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	assert_null(sg_hls_master(s, ""));
	feed(pub, BOTH, 0, 1000, 0);
	assert_string_equal(playlist(s), "");
	feed(pub, BOTH, 1000, 3500, 0);
	/* The clock on the wall began at 2027-01-15 08:00. */
	assert_string_equal(playlist(s),
	    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
	    "#EXT-X-INDEPENDENT-SEGMENTS\n"
	    "#EXT-X-MAP:URI=\"main-init-0.mp4\"\n"
	    "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.000Z\n#EXTINF:1.00000,\nmain-0.m4s\n"
	    "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:01.000Z\n#EXTINF:1.00000,\nmain-1.m4s\n"
	    "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:02.000Z\n#EXTINF:1.00000,\nmain-2.m4s\n");
	sg_publisher_close(pub, true);
	assert_has(playlist(s), "#EXTINF:0.52000,\nmain-3.m4s\n");
	sg_hub_close(hub);
}

static void the_master_playlist_tells_codecs_and_size(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	unsigned long long bits = 0;
	char codecs[40] = "", size[20] = "";

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	struct sg_blob *b = sg_hls_master(sg_publisher_stream(pub), "s/x/");
	assert_non_null(b);
	char *text = sg_str_dup((struct sg_str){ (const char *)b->p, b->size });
	assert_int_equal(sscanf(text,
			     "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
			     "#EXT-X-STREAM-INF:BANDWIDTH=%llu,CODECS=\"%39[^\"]\",RESOLUTION=%19s\n"
			     "s/x/main.m3u8\n",
			     &bits, codecs, size),
	    3);
	assert_string_equal(codecs, "avc1.64000D,mp4a.40.2");
	assert_string_equal(size, "320x180");
	/* The sound alone, for those whose line is too thin. */
	assert_has(text, ",CODECS=\"mp4a.40.2\"\ns/x/audio.m3u8\n");
	assert_in_range(bits, 200000, 800000);
	free(text);
	sg_blob_unref(b);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void segments_behind_their_init_are_what_was_published(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, SOURCE_ALL_MS, 0);
	sg_publisher_close(pub, true);
	struct media m = segments_of(s, 0, 0, 4);
	assert_int_equal(m.video.codec, AV_CODEC_ID_H264);
	assert_int_equal(m.audio.codec, AV_CODEC_ID_AAC);
	assert_int_equal(m.others, 0);
	assert_int_equal(m.video.width, 320);
	assert_int_equal(m.video.height, 180);
	assert_int_equal(m.audio.sample_rate, 48000);
	assert_int_equal(m.video.packets, SOURCE_PICTURES);
	assert_int_equal(m.video.keys, 4);
	/* The source's sound lasts longer: without pictures only where there never are any. */
	size_t beyond = 0;
	for (size_t i = 0; i < source.count; i++)
		beyond += source.tags[i].type == SG_FLV_AUDIO && source.tags[i].ms >= SOURCE_PICTURES * 40;
	assert_in_range(beyond, 1, 8);
	assert_int_equal(m.audio.packets, source.audio_frames - beyond);
	assert_true(m.video.monotonic && m.audio.monotonic);
	assert_int_equal(m.video.first_us, 0);
	assert_int_equal(m.video.last_us, 3960000);
	assert_in_range(m.audio.first_us, 50000, 70000); /* as ffmpeg had it, behind the first picture */
	assert_in_range(m.audio.last_us - m.audio.first_us, (int)(m.audio.packets - 2) * 21333,
	    (int)m.audio.packets * 21333);
	read_track(&m, s, "audio", 0, "", 0, 4);
	assert_int_equal(m.audio.packets, source.audio_frames);
	sg_hub_close(hub);
}

static void each_segment_stands_on_its_own(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);

	(void)state;
	feed(pub, BOTH, 0, SOURCE_ALL_MS, 0);
	for (unsigned i = 0; i < 3; i++) {
		struct media m = segments_of(sg_publisher_stream(pub), 0, i, 1);
		assert_int_equal(m.video.packets, 25);
		assert_int_equal(m.video.first_us, i * 1000000);
		assert_in_range(m.audio.packets, 43, 48);
	}
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void twelve_segments_are_listed_and_some_more_are_kept(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed_seconds(pub, 20); /* nineteen are whole: 0 to 18 */
	const char *text = playlist(s);
	assert_has(text, "#EXT-X-MEDIA-SEQUENCE:7\n");
	assert_int_equal(occurrences(text, "#EXTINF:1.00000,"), 12);
	assert_int_equal(occurrences(text, "#EXT-X-MAP"), 1);
	assert_null(strstr(text, "main-6.m4s"));
	assert_has(text, "main-7.m4s");
	assert_has(text, "main-18.m4s");
	assert_null(strstr(text, "ENDLIST"));
	assert_false(has_object(s, "main-3.m4s"));
	assert_true(has_object(s, "main-5.m4s"));
	assert_true(has_object(s, "main-18.m4s"));
	assert_false(has_object(s, "main-19.m4s"));
	assert_true(has_object(s, "main-init-0.mp4"));
	struct media m = segments_of(s, 0, 5, 13);
	assert_int_equal(m.video.packets, 13 * 25);
	assert_true(m.video.monotonic && m.audio.monotonic);
	assert_true(info_of(s).hls_bytes > 200000 && info_of(s).hls_bytes < 1000000);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void other_names_are_no_objects(void **state)
{
	static const char *const names[] = { "", "main-.m4s", "main-0", "main-0.mp4",
		"main-init-0.m4s", "main-init-1.mp4", "main-0.m4s ", "../main-0.m4s", "main--1.m4s",
		"main-p.m4s", "main-p-0.m4s", "mainp0.m4s", "audio-0x1.m4s", "audio-+1.m4s", "text.m3u8",
		"main-18446744073709551616.m4s", "main-9223372036854775808.m4s", "index.m3u8", "main", "a" };
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	assert_true(has_object(sg_publisher_stream(pub), "main-0.m4s"));
	for (size_t i = 0; i < COUNT(names); i++)
		if (has_object(sg_publisher_stream(pub), names[i]))
			fail_msg("%s", names[i]);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

struct waiter {
	struct sg_ring_waiter w;
	unsigned woken;
};

static void count_wake(struct sg_ring_waiter *w)
{
	((struct waiter *)w)->woken++;
}

static void waiters_are_woken_by_each_segment_and_by_the_end(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct waiter w = { .w.wake = count_wake }, gone = { .w.wake = count_wake };

	(void)state;
	sg_hls_add_waiter(s, &w.w);
	sg_hls_add_waiter(s, &gone.w);
	feed(pub, VIDEO, 0, 1500, 0); /* that of the first second */
	assert_int_equal(w.woken, 1);
	sg_hls_remove_waiter(s, &gone.w);
	feed(pub, VIDEO, 1500, 2500, 0);
	assert_int_equal(w.woken, 2);
	sg_publisher_close(pub, true); /* what is left */
	assert_int_equal(w.woken, 3);
	assert_null(strstr(playlist(s), "ENDLIST"));
	pass_ms(SG_STREAM_GOODBYE_GAP_MS);
	sg_hub_tick(hub, sg_mono_ms());
	assert_int_equal(w.woken, 4);
	const char *text = playlist(s);
	assert_string_equal(strstr(text, "#EXT-X-ENDLIST"), "#EXT-X-ENDLIST\n");
	assert_null(strstr(text, "#EXT-X-DISCONTINUITY\n")); /* nothing comes any more */
	assert_int_equal(gone.woken, 1);
	sg_hls_remove_waiter(s, &w.w);
	sg_hub_close(hub);
}

static void another_configuration_begins_with_an_init_of_its_own(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	assert_int_equal(
	    sg_publisher_write_flv(pub, SG_FLV_AUDIO, 2500, AAC_CONFIG, sizeof(AAC_CONFIG)), SG_OK);
	feed(pub, BOTH, 2500, SOURCE_ALL_MS, 0);
	sg_publisher_close(pub, true);
	const char *text = playlist(s);
	assert_has(text, "main-2.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"main-init-1.mp4\"\n");
	assert_int_equal(occurrences(text, "#EXT-X-MAP"), 2);
	struct media before = segments_of(s, 0, 0, 3), after = segments_of(s, 1, 3, 1);
	assert_int_equal(before.audio.sample_rate, 48000);
	assert_int_equal(before.video.packets, 63);
	assert_int_equal(after.audio.sample_rate, 44100);
	assert_int_equal(after.video.packets, 25);
	assert_int_equal(after.video.first_us, 3000000);
	sg_hub_close(hub);
}

static void the_next_publisher_is_a_discontinuity(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	sg_publisher_close(pub, false);
	pass_ms(2000);
	pub = publish_wanted(hub);
	feed(pub, BOTH, 0, 1500, 77000);
	const char *text = playlist(s);
	assert_int_equal(occurrences(text, "#EXT-X-DISCONTINUITY\n"), 1);
	assert_has(text, "main-1.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"main-init-1.mp4\"\n");
	assert_int_equal(segments_of(s, 1, 2, 1).video.packets, 25);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* A playlist numbers its segments by counting, and its discontinuities too. */
static void a_rendition_that_was_away_goes_on_where_it_was(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_stream *s = NULL;
	struct sg_publisher *pub;

	(void)state;
	for (int i = 0; i < 3; i++) {
		pub = publish_wanted(hub);
		s = sg_publisher_stream(pub);
		feed(pub, i == 1 ? VIDEO : BOTH, 0, 3500, (uint32_t)i * 5000);
		if (i < 2)
			sg_publisher_close(pub, false);
	}
	const char *text = text_of(s, "audio.m3u8");
	unsigned first = 0, n = 0, segments = 0;
	assert_int_equal(sscanf(strstr(text, "#EXT-X-MEDIA-SEQUENCE:"), "#EXT-X-MEDIA-SEQUENCE:%u", &first), 1);
	for (const char *p = text; (p = strstr(p, "\naudio-")); p++) {
		if (sscanf(p, "\naudio-%u.m4s", &n) == 1)
			assert_int_equal(n, first + segments++);
	}
	assert_true(segments >= 3);
	assert_int_equal(occurrences(text, "#EXT-X-DISCONTINUITY\n"), 2);
	assert_int_equal(occurrences(text_of(s, "main.m3u8"), "#EXT-X-DISCONTINUITY\n"), 2);
	sg_publisher_close(pub, false); /* and one more lies ahead */
	assert_int_equal(occurrences(text_of(s, "audio.m3u8"), "#EXT-X-DISCONTINUITY\n"), 3);
	sg_hub_close(hub);
}

static void discontinuities_that_have_left_the_playlist_are_counted(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 2000, 0); /* segments 0 and 1 */
	sg_publisher_close(pub, true);
	pub = publish_wanted(hub);
	feed_seconds(pub, 12); /* 2 to 12: the twelfth is not whole */
	const char *text = playlist(s); /* 1 to 12 */
	assert_has(text, "#EXT-X-MEDIA-SEQUENCE:1\n");
	assert_has(text, "main-1.m4s\n#EXT-X-DISCONTINUITY\n");
	assert_null(strstr(text, "DISCONTINUITY-SEQUENCE"));
	feed(pub, BOTH, 0, 1000, 12000);
	text = playlist(s); /* 2 to 13: the tag before 2 is gone */
	assert_has(text, "#EXT-X-MEDIA-SEQUENCE:2\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n");
	assert_null(strstr(text, "#EXT-X-DISCONTINUITY\n"));
	feed(pub, BOTH, 1000, 2000, 12000);
	assert_has(playlist(s), "#EXT-X-DISCONTINUITY-SEQUENCE:1\n");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void audio_alone_is_cut_every_two_seconds(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, AUDIO, 0, 4000, 0);
	feed(pub, AUDIO, 1, 4000, 4000);
	struct media m = segments_of(s, 0, 0, 3);
	assert_int_equal(m.video.packets, 0);
	assert_in_range(m.audio.packets, 3 * 93, 3 * 96);
	assert_true(m.audio.monotonic);
	assert_has(playlist(s), "#EXT-X-TARGETDURATION:2\n");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void video_alone_begins_when_audio_is_no_longer_waited_for(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, VIDEO, 0, SOURCE_ALL_MS, 0);
	sg_publisher_close(pub, true);
	struct media m = segments_of(s, 0, 0, 3);
	assert_int_equal(m.audio.packets, 0);
	assert_int_equal(m.video.packets, 75);
	assert_int_equal(m.video.first_us, 0); /* from what the ring has kept */
	sg_hub_close(hub);
}

static void a_track_that_comes_late_is_taken_in(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, VIDEO, 0, 2500, 0);
	write_tag_at(pub, source.aac, 2500);
	feed(pub, BOTH, 2500, SOURCE_ALL_MS, 0);
	sg_publisher_close(pub, true);
	assert_has(playlist(s), "#EXT-X-DISCONTINUITY\n");
	struct media m = segments_of(s, 1, 3, 1);
	assert_int_equal(m.audio.codec, AV_CODEC_ID_AAC);
	assert_int_equal(m.video.packets, 25);
	sg_hub_close(hub);
}

/* A player numbers what it expects, and is not to take it for the former publisher's. */
static void a_discontinuity_is_told_before_what_is_behind_it(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_stream_ref(sg_publisher_stream(pub));

	(void)state;
	feed(pub, BOTH, 0, 3000, 0);
	assert_true(!strstr(playlist(s), "#EXT-X-DISCONTINUITY"));
	sg_publisher_close(pub, true);
	assert_has(playlist(s), "\n#EXT-X-DISCONTINUITY\n#EXT-X-RENDITION-REPORT");
	assert_has(text_of(s, "audio.m3u8"), "\n#EXT-X-DISCONTINUITY\n#EXT-X-RENDITION-REPORT");
	pub = publish(hub);
	feed(pub, BOTH, 0, 3000, 0);
	assert_int_equal(occurrences(playlist(s), "#EXT-X-DISCONTINUITY\n"), 1);
	assert_int_equal(occurrences(text_of(s, "audio.m3u8"), "#EXT-X-DISCONTINUITY\n"), 1);
	sg_publisher_close(pub, true);
	sg_stream_unref(s);
	sg_hub_close(hub);
}

/* Of a source that tells of no pictures. */
static void feed_sound_alone(struct sg_publisher *pub, uint32_t to_ms)
{
	write_tag_at(pub, source.aac, 0);
	feed(pub, AUDIO, 1, to_ms, 0);
}

/* The multivariant playlist; static storage, "" when there is none. */
static const char *master(struct sg_stream *s)
{
	static char text[4096];
	struct sg_blob *b = sg_hls_master(s, "");

	snprintf(text, sizeof(text), "%.*s", b ? (int)b->size : 0, b ? (const char *)b->p : "");
	sg_blob_unref(b);
	return text;
}

/* onMetaData tells of pictures, and comes with the sound. */
static void pictures_that_are_announced_are_waited_for(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	for (uint32_t ms = 0; ms < 3000; ms += 500) {
		feed(pub, AUDIO, ms, ms + 500, 0);
		assert_string_equal(master(s), "");
	}
	write_tag_at(pub, source.avc, 3000);
	for (uint32_t ms = 3000; ms < SOURCE_ALL_MS; ms += 500) {
		feed(pub, BOTH, ms, ms + 500, 0);
		assert_true(!*master(s) || strstr(master(s), "main.m3u8"));
	}
	feed(pub, BOTH, 1000, 2000, SOURCE_ALL_MS - 1000);
	assert_has(master(s), "main.m3u8\n");
	assert_true(!strstr(playlist(s), "#EXT-X-DISCONTINUITY"));
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void pictures_that_are_announced_and_do_not_come_are_waited_for_a_while(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, AUDIO, 0, 4500, 0);
	assert_has(master(s), "audio.m3u8\n");
	assert_true(!strstr(master(s), "main.m3u8"));
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* What nobody could know: those who are there go on with the sound, whoever comes gets both. */
static void pictures_that_nobody_announced_come_into_the_master_playlist(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed_sound_alone(pub, 4000);
	assert_has(master(s), "audio.m3u8\n");
	assert_true(!strstr(master(s), "main.m3u8"));
	write_tag_at(pub, source.avc, 4000);
	assert_string_equal(master(s), "");
	feed(pub, BOTH, 0, SOURCE_ALL_MS, 4000);
	assert_has(master(s), "main.m3u8\n");
	assert_has(master(s), "audio.m3u8\n");
	assert_has(text_of(s, "audio.m3u8"), "#EXT-X-DISCONTINUITY\n");
	assert_has(text_of(s, "audio.m3u8"), "audio-0.m4s\n");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_source_without_further_keyframes_is_cut_all_the_same(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 500, 0);
	for (uint32_t ms = 500; ms < 31000; ms += 100) {
		write_picture(pub, ms, false, 0, 100);
		write_audio(pub, ms);
		pass_ms(100);
	}
	assert_has(playlist(s), "#EXTINF:30.00000,\nmain-0.m4s\n");
	assert_has(playlist(s), "#EXT-X-TARGETDURATION:30\n");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_segment_that_holds_too_many_bytes_is_cut(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 500, 0);
	for (uint32_t i = 0; i < 30; i++)
		write_picture(pub, 500 + i * 40, false, 0, 4u << 20);
	assert_false(has_object(s, "main-0.m4s"));
	assert_true(has_object(s, "main-5.m4s"));
	assert_true(info_of(s).hls_bytes < 100u << 20);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void sound_without_pictures_is_not_gathered_for_ever(void **state)
{
	uint8_t *large = malloc(4u << 20);
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	assert_non_null(large);
	feed(pub, BOTH, 0, 500, 0);
	memset(large, 0x21, 4u << 20);
	memcpy(large, AAC_FRAME, 2);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, 500 + i * 21, large, 4u << 20), SG_OK);
	assert_true(has_object(s, "audio-3.m4s")); /* it goes on alone, */
	assert_true(info_of(s).hls_bytes < 96u << 20); /* with no more than the newest kept */
	feed(pub, BOTH, 1000, 2500, 0);
	assert_null(strstr(playlist(s), "#EXT-X-DISCONTINUITY\n"));
	/* Nor when it is little, but long. */
	for (uint32_t ms = 2500; ms < 34000; ms += 21)
		write_audio(pub, ms);
	feed(pub, BOTH, 2000, 3500, 32500);
	assert_has(playlist(s), "#EXT-X-DISCONTINUITY\n");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
	free(large);
}

static void the_target_duration_is_two_seconds_until_more_is_known(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);

	(void)state;
	feed(pub, BOTH, 0, 300, 0);
	sg_publisher_close(pub, true); /* all that there is */
	pub = publish_wanted(hub);
	assert_has(playlist(sg_publisher_stream(pub)), "#EXT-X-TARGETDURATION:2\n");
	assert_has(playlist(sg_publisher_stream(pub)), "main-0.m4s");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void codecs_that_do_not_go_into_cmaf_are_left_out(void **state)
{
	static const uint8_t vp8[] = { 0x91, 'v', 'p', '0', '8', 0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0, 0,
		0 };
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, i * 40, vp8, sizeof(vp8)), SG_OK);
	assert_string_equal(playlist(s), "");
	assert_null(sg_hls_master(s, ""));
	write_tag_at(pub, source.aac, 2000); /* its sound alone can be had */
	for (uint32_t ms = 0; ms < 4000; ms += 250) {
		feed(pub, AUDIO, ms ? ms : 1, ms + 250, 2000);
		assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, 2250 + ms, vp8, sizeof(vp8)), SG_OK);
	}
	assert_has(playlist(s), "#EXTINF:2.0"); /* cut as sound is, not at the pictures */
	struct media m = segments_of(s, 0, 0, 1);
	assert_int_equal(m.audio.codec, AV_CODEC_ID_AAC);
	assert_int_equal(m.video.packets, 0);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_codec_without_a_record_takes_over_from_one_that_has_one(void **state)
{
	uint8_t mp3[1 + 417] = { 0x2f, 0xff, 0xfb, 0x90, 0x00 }; /* 128 kbit/s, 44.1 kHz, stereo */
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed_sound_alone(pub, 2500);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(
		    sg_publisher_write_flv(pub, SG_FLV_AUDIO, 2500 + i * 26, mp3, sizeof(mp3)), SG_OK);
	assert_has(playlist(s), "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"audio-init-1.mp4\"\n");
	assert_int_equal(segments_of(s, 0, 0, 1).audio.codec, AV_CODEC_ID_AAC);
	assert_int_equal(segments_of(s, 1, 1, 1).audio.codec, AV_CODEC_ID_MP3);
	struct sg_join join;
	sg_stream_join(s, &join);
	for (size_t i = 0; i < join.lead_count; i++)
		assert_int_not_equal(join.lead[i]->codec, SG_CODEC_AAC);
	sg_stream_join_reset(&join);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* Where packaging begins some seconds back, nothing in the ring tells where MP3 began. */
static void what_was_there_before_another_codec_is_left_out(void **state)
{
	static const uint8_t mp3[100] = { 0x2f, 0xff, 0xfb, 0x90, 0x00 };
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 900, 0);
	for (uint32_t ms = 900; ms < 4000; ms += 100) {
		feed(pub, VIDEO, ms, ms + 100, 0);
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, ms + 26 * i, mp3, sizeof(mp3)), SG_OK);
		if (ms >= 2000)
			(void)sg_hls_is_ready(s);
	}
	struct media m;
	read_track(&m, s, "audio", 0, "", 0, 1);
	assert_int_equal(m.audio.codec, AV_CODEC_ID_MP3);
	assert_true(m.audio.monotonic && m.audio.first_us >= 900000);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* Milliseconds are too coarse for frames of 1024 samples: counted, they lie evenly. */
static void sound_is_counted_in_samples_unless_its_source_is_far_off(void **state)
{
	static const int jitter_ms[] = { 0, 20, -15, 7, -20 };
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, 0, AAC_CONFIG, sizeof(AAC_CONFIG)), SG_OK);
	for (int i = 0; i < 150; i++)
		write_audio(pub, (uint32_t)(1000 + i * 1024 * 1000 / 44100 + (i < 60 ? 0 : jitter_ms[i % 5])));
	for (int i = 0; i < 150; i++) /* after a gap of 300 ms */
		write_audio(pub, (uint32_t)(1300 + (150 + i) * 1024 * 1000 / 44100));
	struct media m = segments_of(s, 0, 0, 1);
	assert_in_range(m.audio.packets, 80, 100);
	assert_in_range(m.audio.least_step_us, 23219, 23221);
	assert_in_range(m.audio.longest_step_us, 23219, 23221);
	m = segments_of(s, 0, 0, 2);
	assert_in_range(m.audio.longest_step_us, 300000, 350000);
	assert_true(m.audio.monotonic);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* As a source sends it whose pictures wait for an encoder. */
static void sound_that_is_ahead_stays_with_its_pictures(void **state)
{
	struct sg_hub *hub = hub_plain();
	struct sg_publisher *pub = publish_wanted(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 900, 0);
	feed(pub, AUDIO, 900, 1600, 0);
	feed(pub, VIDEO, 900, 1600, 0);
	feed(pub, BOTH, 1600, 2500, 0);
	feed(pub, AUDIO, 2500, 3200, 0);
	sg_publisher_close(pub, false);
	for (unsigned i = 0; i < 3; i++) {
		struct media m = segments_of(s, 0, i, 1);
		if (m.audio.last_us > m.video.last_us + 60000)
			fail_msg("segment %u: sound until %lld us, pictures until %lld", i, (long long)m.audio.last_us,
			    (long long)m.video.last_us);
	}
	struct media m = segments_of(s, 0, 0, 3);
	assert_true(m.audio.longest_step_us < 22000 && m.audio.last_us >= 2450000);
	sg_hub_close(hub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_playlist_names_its_segments),
		cmocka_unit_test(the_master_playlist_tells_codecs_and_size),
		cmocka_unit_test(segments_behind_their_init_are_what_was_published),
		cmocka_unit_test(each_segment_stands_on_its_own),
		cmocka_unit_test(twelve_segments_are_listed_and_some_more_are_kept),
		cmocka_unit_test(other_names_are_no_objects),
		cmocka_unit_test(waiters_are_woken_by_each_segment_and_by_the_end),
		cmocka_unit_test(another_configuration_begins_with_an_init_of_its_own),
		cmocka_unit_test(the_next_publisher_is_a_discontinuity),
		cmocka_unit_test(a_rendition_that_was_away_goes_on_where_it_was),
		cmocka_unit_test(discontinuities_that_have_left_the_playlist_are_counted),
		cmocka_unit_test(audio_alone_is_cut_every_two_seconds),
		cmocka_unit_test(video_alone_begins_when_audio_is_no_longer_waited_for),
		cmocka_unit_test(a_track_that_comes_late_is_taken_in),
		cmocka_unit_test(a_discontinuity_is_told_before_what_is_behind_it),
		cmocka_unit_test(pictures_that_are_announced_are_waited_for),
		cmocka_unit_test(pictures_that_are_announced_and_do_not_come_are_waited_for_a_while),
		cmocka_unit_test(pictures_that_nobody_announced_come_into_the_master_playlist),
		cmocka_unit_test(a_source_without_further_keyframes_is_cut_all_the_same),
		cmocka_unit_test(a_segment_that_holds_too_many_bytes_is_cut),
		cmocka_unit_test(sound_without_pictures_is_not_gathered_for_ever),
		cmocka_unit_test(the_target_duration_is_two_seconds_until_more_is_known),
		cmocka_unit_test(codecs_that_do_not_go_into_cmaf_are_left_out),
		cmocka_unit_test(a_codec_without_a_record_takes_over_from_one_that_has_one),
		cmocka_unit_test(what_was_there_before_another_codec_is_left_out),
		cmocka_unit_test(sound_is_counted_in_samples_unless_its_source_is_far_off),
		cmocka_unit_test(sound_that_is_ahead_stays_with_its_pictures),
	};

	return cmocka_run_group_tests_name("media_hls", tests, source_open, source_close);
}
