/* Streams packaged for players: HLS with CMAF segments, MPEG-TS. What comes out is read back by
 * libavformat, from memory. */
#include "stream_fixture.h"
#include <libavformat/avformat.h>

/* ---- reading back ---- */

struct track {
	enum AVCodecID codec;
	unsigned packets, keys;
	int64_t first_us, last_us;
	bool monotonic;
	int width, height, sample_rate;
};

struct media {
	struct sg_buf bytes;
	size_t at;
	struct track video, audio;
	unsigned others;
};

static int read_bytes(void *opaque, uint8_t *p, int size)
{
	struct media *m = opaque;
	size_t n = m->bytes.len - m->at;

	if (!n)
		return AVERROR_EOF;
	n = n < (size_t)size ? n : (size_t)size;
	memcpy(p, m->bytes.p + m->at, n);
	m->at += n;
	return (int)n;
}

static void note_packet(struct track *t, const AVPacket *pkt, AVRational base)
{
	int64_t us = av_rescale_q(pkt->dts, base, (AVRational){ 1, 1000000 });

	t->monotonic = t->packets == 0 || (t->monotonic && us > t->last_us);
	t->first_us = t->packets++ ? t->first_us : us;
	t->last_us = us;
	t->keys += (pkt->flags & AV_PKT_FLAG_KEY) != 0;
}

static void note_stream(struct track *t, const AVCodecParameters *par)
{
	t->codec = par->codec_id;
	t->width = par->width;
	t->height = par->height;
	t->sample_rate = par->sample_rate;
}

/* Demuxes m->bytes, and drops them. */
static void read_back(struct media *m, const char *format)
{
	AVFormatContext *ic = avformat_alloc_context();
	AVPacket *pkt = av_packet_alloc();

	ic->pb = avio_alloc_context(av_malloc(4096), 4096, 0, m, read_bytes, NULL, NULL);
	ic->pb->seekable = 0;
	assert_int_equal(avformat_open_input(&ic, NULL, av_find_input_format(format), NULL), 0);
	assert_true(avformat_find_stream_info(ic, NULL) >= 0);
	while (av_read_frame(ic, pkt) >= 0) {
		const AVStream *st = ic->streams[pkt->stream_index];
		bool video = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
		note_packet(video ? &m->video : &m->audio, pkt, st->time_base);
		av_packet_unref(pkt);
	}
	for (unsigned i = 0; i < ic->nb_streams; i++) {
		const AVCodecParameters *par = ic->streams[i]->codecpar;
		if (par->codec_type == AVMEDIA_TYPE_VIDEO)
			note_stream(&m->video, par);
		else if (par->codec_type == AVMEDIA_TYPE_AUDIO)
			note_stream(&m->audio, par);
		else
			m->others++;
	}
	AVIOContext *pb = ic->pb;
	avformat_close_input(&ic);
	av_freep(&pb->buffer);
	avio_context_free(&pb);
	av_packet_free(&pkt);
	sg_buf_reset(&m->bytes);
}

/* ---- HLS ---- */

static struct sg_blob *object(struct sg_stream *s, const char *name)
{
	return sg_hls_object(s, sg_str_from(name));
}

static bool has_object(struct sg_stream *s, const char *name)
{
	struct sg_blob *b = object(s, name);

	sg_blob_unref(b);
	return b;
}

static void append_object(struct media *m, struct sg_stream *s, const char *name)
{
	struct sg_blob *b = object(s, name);

	if (!b)
		fail_msg("no %s", name);
	sg_buf_append(&m->bytes, b->p, b->size);
	sg_blob_unref(b);
}

/* An initialization segment and the segments [first, first + count) behind it, read back. */
static struct media segments_of(struct sg_stream *s, unsigned init, unsigned first, unsigned count)
{
	struct media m = { 0 };
	char name[32];

	sg_buf_init(&m.bytes, 64u << 20);
	snprintf(name, sizeof(name), "init-%u.mp4", init);
	append_object(&m, s, name);
	for (unsigned i = first; i < first + count; i++) {
		snprintf(name, sizeof(name), "seg-%u.m4s", i);
		append_object(&m, s, name);
	}
	read_back(&m, "mp4");
	return m;
}

/* The playlist's text; static storage, "" when there is none. */
static const char *playlist(struct sg_stream *s)
{
	static char text[8192];
	struct sg_blob *b = sg_hls_playlist(s);

	snprintf(text, sizeof(text), "%.*s", b ? (int)b->size : 0, b ? (const char *)b->p : "");
	sg_blob_unref(b);
	return text;
}

static unsigned occurrences(const char *text, const char *of)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, of)); p += strlen(of))
		n++;
	return n;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void the_playlist_names_its_segments(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	assert_null(sg_hls_master(s));
	feed(pub, BOTH, 0, 1000, 0);
	assert_string_equal(playlist(s), "");
	feed(pub, BOTH, 1000, 3500, 0);
	/* The clock on the wall began at 2027-01-15 08:00. */
	assert_string_equal(playlist(s),
	    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
	    "#EXT-X-INDEPENDENT-SEGMENTS\n"
	    "#EXT-X-MAP:URI=\"init-0.mp4\"\n"
	    "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.000Z\n#EXTINF:1.00000,\nseg-0.m4s\n"
	    "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:01.000Z\n#EXTINF:1.00000,\nseg-1.m4s\n"
	    "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:02.000Z\n#EXTINF:1.00000,\nseg-2.m4s\n");
	sg_publisher_close(pub, true);
	assert_has(playlist(s), "#EXTINF:0.51333,\nseg-3.m4s\n");
	sg_hub_close(hub);
}

static void the_master_playlist_tells_codecs_and_size(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	unsigned long long bits = 0;
	char codecs[40] = "", size[20] = "";

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	struct sg_blob *b = sg_hls_master(sg_publisher_stream(pub));
	assert_non_null(b);
	char *text = sg_str_dup((struct sg_str){ (const char *)b->p, b->size });
	assert_int_equal(sscanf(text,
			     "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-STREAM-INF:"
			     "BANDWIDTH=%llu,CODECS=\"%39[^\"]\",RESOLUTION=%19s\nindex.m3u8\n",
			     &bits, codecs, size),
	    3);
	assert_string_equal(codecs, "avc1.64000D,mp4a.40.2");
	assert_string_equal(size, "320x180");
	assert_in_range(bits, 200000, 800000);
	free(text);
	sg_blob_unref(b);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void segments_behind_their_init_are_what_was_published(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
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
	assert_int_equal(m.audio.packets, source.audio_frames);
	assert_true(m.video.monotonic && m.audio.monotonic);
	assert_int_equal(m.video.first_us, 0);
	assert_int_equal(m.video.last_us, 3960000);
	assert_in_range(m.audio.first_us, 50000, 70000); /* as ffmpeg had it, behind the first picture */
	assert_in_range(m.audio.last_us - m.audio.first_us, (int)(source.audio_frames - 2) * 21333,
	    (int)source.audio_frames * 21333);
	sg_hub_close(hub);
}

static void each_segment_stands_on_its_own(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

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

/* The source again and again, a keyframe each second for `seconds`. */
static void feed_seconds(struct sg_publisher *pub, uint32_t seconds)
{
	for (uint32_t i = 0; i < seconds; i++)
		feed(pub, BOTH, i % 4 * 1000, i % 4 * 1000 + 1000, i / 4 * 4000);
}

static void six_segments_are_listed_and_nine_are_kept(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed_seconds(pub, 13); /* twelve are whole: 0 to 11 */
	const char *text = playlist(s);
	assert_has(text, "#EXT-X-MEDIA-SEQUENCE:6\n");
	assert_int_equal(occurrences(text, "#EXTINF:1.00000,"), 6);
	assert_int_equal(occurrences(text, "#EXT-X-MAP"), 1);
	assert_null(strstr(text, "seg-5.m4s"));
	assert_has(text, "seg-6.m4s");
	assert_has(text, "seg-11.m4s");
	assert_null(strstr(text, "ENDLIST"));
	assert_false(has_object(s, "seg-2.m4s"));
	assert_true(has_object(s, "seg-3.m4s"));
	assert_true(has_object(s, "seg-11.m4s"));
	assert_false(has_object(s, "seg-12.m4s"));
	assert_true(has_object(s, "init-0.mp4"));
	struct media m = segments_of(s, 0, 3, 9);
	assert_int_equal(m.video.packets, 9 * 25);
	assert_true(m.video.monotonic && m.audio.monotonic);
	assert_true(info_of(s).hls_bytes > 200000 && info_of(s).hls_bytes < 800000);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void other_names_are_no_objects(void **state)
{
	static const char *const names[] = { "", "seg-.m4s", "seg-0", "seg-0.mp4", "init-0.m4s", "init-1.mp4",
		"seg-0.m4s ", "../seg-0.m4s", "seg--1.m4s", "seg-18446744073709551616.m4s", "index.m3u8" };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	assert_true(has_object(sg_publisher_stream(pub), "seg-0.m4s"));
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
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);
	struct waiter w = { .w.wake = count_wake }, gone = { .w.wake = count_wake };

	(void)state;
	sg_hls_add_waiter(s, &w.w);
	sg_hls_add_waiter(s, &gone.w);
	feed(pub, BOTH, 0, 1500, 0);
	assert_int_equal(w.woken, 1);
	sg_hls_remove_waiter(s, &gone.w);
	feed(pub, BOTH, 1500, 2500, 0);
	assert_int_equal(w.woken, 2);
	sg_publisher_close(pub, true); /* what is left */
	assert_int_equal(w.woken, 3);
	assert_null(strstr(playlist(s), "ENDLIST"));
	pass_ms(SG_STREAM_GOODBYE_GAP_MS);
	sg_hub_tick(hub, sg_mono_ms());
	assert_int_equal(w.woken, 4);
	const char *text = playlist(s);
	assert_string_equal(text + strlen(text) - 15, "#EXT-X-ENDLIST\n");
	assert_int_equal(gone.woken, 1);
	sg_hls_remove_waiter(s, &w.w);
	sg_hub_close(hub);
}

static void another_configuration_begins_with_an_init_of_its_own(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 2500, 0);
	assert_int_equal(
	    sg_publisher_write_flv(pub, SG_FLV_AUDIO, 2500, AAC_CONFIG, sizeof(AAC_CONFIG)), SG_OK);
	feed(pub, BOTH, 2500, SOURCE_ALL_MS, 0);
	sg_publisher_close(pub, true);
	const char *text = playlist(s);
	assert_has(text, "seg-2.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-3.mp4\"\n");
	assert_int_equal(occurrences(text, "#EXT-X-MAP"), 2);
	struct media before = segments_of(s, 0, 0, 3), after = segments_of(s, 3, 3, 1);
	assert_int_equal(before.audio.sample_rate, 48000);
	assert_int_equal(before.video.packets, 63);
	assert_int_equal(after.audio.sample_rate, 44100);
	assert_int_equal(after.video.packets, 25);
	assert_int_equal(after.video.first_us, 3000000);
	sg_hub_close(hub);
}

static void the_next_publisher_is_a_discontinuity(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 1500, 0);
	sg_publisher_close(pub, false);
	pass_ms(2000);
	pub = publish(hub);
	feed(pub, BOTH, 0, 1500, 77000);
	const char *text = playlist(s);
	assert_int_equal(occurrences(text, "#EXT-X-DISCONTINUITY\n"), 1);
	assert_has(text, "seg-1.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-2.mp4\"\n");
	assert_int_equal(segments_of(s, 2, 2, 1).video.packets, 25);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void discontinuities_that_have_left_the_playlist_are_counted(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 2000, 0); /* segments 0 and 1 */
	sg_publisher_close(pub, true);
	pub = publish(hub);
	feed_seconds(pub, 6); /* 2 to 6: the sixth is not whole */
	const char *text = playlist(s); /* 1 to 6 */
	assert_has(text, "#EXT-X-MEDIA-SEQUENCE:1\n");
	assert_has(text, "seg-1.m4s\n#EXT-X-DISCONTINUITY\n");
	assert_null(strstr(text, "DISCONTINUITY-SEQUENCE"));
	feed(pub, BOTH, 2000, 3000, 4000);
	text = playlist(s); /* 2 to 7: the tag before 2 is gone */
	assert_has(text, "#EXT-X-MEDIA-SEQUENCE:2\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n");
	assert_null(strstr(text, "#EXT-X-DISCONTINUITY\n"));
	feed(pub, BOTH, 3000, 4000, 4000);
	assert_has(playlist(s), "#EXT-X-DISCONTINUITY-SEQUENCE:1\n");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void audio_alone_is_cut_every_two_seconds(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
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
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, VIDEO, 0, SOURCE_ALL_MS, 0);
	sg_publisher_close(pub, true);
	struct media m = segments_of(s, 0, 0, 3);
	assert_int_equal(m.audio.packets, 0);
	assert_int_equal(m.video.packets, 75);
	assert_int_equal(m.video.first_us, 1000000);
	sg_hub_close(hub);
}

static void a_track_that_comes_late_is_taken_in(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, VIDEO, 0, 2500, 0);
	write_tag_at(pub, source.aac, 2500);
	feed(pub, BOTH, 2500, SOURCE_ALL_MS, 0);
	sg_publisher_close(pub, true);
	assert_has(playlist(s), "#EXT-X-DISCONTINUITY\n");
	struct media m = segments_of(s, 2, 2, 1);
	assert_int_equal(m.audio.codec, AV_CODEC_ID_AAC);
	assert_int_equal(m.video.packets, 25);
	sg_hub_close(hub);
}

static void a_source_without_further_keyframes_is_cut_all_the_same(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 500, 0);
	for (uint32_t ms = 500; ms < 31000; ms += 100) {
		write_picture(pub, ms, false, 0, 100);
		write_audio(pub, ms);
		pass_ms(100);
	}
	assert_has(playlist(s), "#EXTINF:30.00000,\nseg-0.m4s\n");
	assert_has(playlist(s), "#EXT-X-TARGETDURATION:30\n");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_segment_that_holds_too_many_bytes_is_cut(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 500, 0);
	for (uint32_t i = 0; i < 30; i++)
		write_picture(pub, 500 + i * 40, false, 0, 4u << 20);
	assert_true(has_object(s, "seg-0.m4s"));
	assert_true(has_object(s, "seg-1.m4s"));
	assert_true(info_of(s).hls_bytes < 100u << 20);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void sound_without_pictures_is_not_gathered_for_ever(void **state)
{
	uint8_t *large = malloc(4u << 20);
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	assert_non_null(large);
	feed(pub, BOTH, 0, 500, 0);
	memset(large, 0x21, 4u << 20);
	memcpy(large, AAC_FRAME, 2);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_AUDIO, 500 + i * 21, large, 4u << 20), SG_OK);
	assert_has(playlist(s), "seg-0.m4s"); /* what there was was brought to an end */
	assert_true(info_of(s).hls_bytes < 48u << 20);
	feed(pub, BOTH, 1000, 2500, 0);
	assert_has(playlist(s), "#EXT-X-DISCONTINUITY\n");
	/* Nor when it is little, but long. */
	for (uint32_t ms = 2500; ms < 34000; ms += 21)
		write_audio(pub, ms);
	assert_has(playlist(s), "seg-2.m4s");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
	free(large);
}

static void the_target_duration_is_never_nought(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);

	(void)state;
	feed(pub, BOTH, 0, 300, 0);
	sg_publisher_close(pub, true); /* all that there is */
	pub = publish(hub);
	assert_has(playlist(sg_publisher_stream(pub)), "#EXT-X-TARGETDURATION:1\n");
	assert_has(playlist(sg_publisher_stream(pub)), "seg-0.m4s");
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void codecs_that_do_not_go_into_cmaf_are_left_out(void **state)
{
	static const uint8_t vp8[] = { 0x91, 'v', 'p', '0', '8', 0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xb4, 0, 0,
		0 };
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(sg_publisher_write_flv(pub, SG_FLV_VIDEO, i * 40, vp8, sizeof(vp8)), SG_OK);
	assert_null(sg_hls_playlist(s));
	assert_null(sg_hls_master(s));
	write_tag_at(pub, source.aac, 2000); /* its sound alone can be had */
	feed(pub, AUDIO, 1, 4000, 2000);
	struct media m = segments_of(s, 0, 0, 1);
	assert_int_equal(m.audio.codec, AV_CODEC_ID_AAC);
	assert_int_equal(m.video.packets, 0);
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

static void a_codec_without_a_record_takes_over_from_one_that_has_one(void **state)
{
	uint8_t mp3[1 + 417] = { 0x2f, 0xff, 0xfb, 0x90, 0x00 }; /* 128 kbit/s, 44.1 kHz, stereo */
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, AUDIO, 0, 2500, 0);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(
		    sg_publisher_write_flv(pub, SG_FLV_AUDIO, 2500 + i * 26, mp3, sizeof(mp3)), SG_OK);
	assert_has(playlist(s), "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n");
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

/* ---- MPEG-TS ---- */

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
		size_t at = 0;
		while (at < t->size && pid_at(t->payload + at) == 17) /* a service description may come first */
			at += 188;
		assert_int_equal(pid_at(t->payload + at), 0); /* PAT */
		assert_int_equal(pid_at(t->payload + at + 188), 0x1000); /* PMT, where libavformat has it */
	}
	assert_int_equal(keys, 4);
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
		cmocka_unit_test(the_playlist_names_its_segments),
		cmocka_unit_test(the_master_playlist_tells_codecs_and_size),
		cmocka_unit_test(segments_behind_their_init_are_what_was_published),
		cmocka_unit_test(each_segment_stands_on_its_own),
		cmocka_unit_test(six_segments_are_listed_and_nine_are_kept),
		cmocka_unit_test(other_names_are_no_objects),
		cmocka_unit_test(waiters_are_woken_by_each_segment_and_by_the_end),
		cmocka_unit_test(another_configuration_begins_with_an_init_of_its_own),
		cmocka_unit_test(the_next_publisher_is_a_discontinuity),
		cmocka_unit_test(discontinuities_that_have_left_the_playlist_are_counted),
		cmocka_unit_test(audio_alone_is_cut_every_two_seconds),
		cmocka_unit_test(video_alone_begins_when_audio_is_no_longer_waited_for),
		cmocka_unit_test(a_track_that_comes_late_is_taken_in),
		cmocka_unit_test(a_source_without_further_keyframes_is_cut_all_the_same),
		cmocka_unit_test(a_segment_that_holds_too_many_bytes_is_cut),
		cmocka_unit_test(sound_without_pictures_is_not_gathered_for_ever),
		cmocka_unit_test(the_target_duration_is_never_nought),
		cmocka_unit_test(codecs_that_do_not_go_into_cmaf_are_left_out),
		cmocka_unit_test(a_codec_without_a_record_takes_over_from_one_that_has_one),
		cmocka_unit_test(ts_is_whole_packets_with_tables_at_each_keyframe),
		cmocka_unit_test(ts_is_what_was_published),
		cmocka_unit_test(the_first_who_wants_ts_gets_it_from_the_last_keyframe),
		cmocka_unit_test(ts_rests_when_nobody_has_asked_for_a_minute_and_begins_again),
		cmocka_unit_test(ts_goes_on_behind_another_configuration_and_repeats_nothing),
		cmocka_unit_test(ts_goes_on_when_the_sound_alone_is_configured_anew),
		cmocka_unit_test(ts_goes_on_with_the_next_publisher_and_repeats_nothing),
		cmocka_unit_test(ts_that_is_first_wanted_between_a_configuration_and_its_keyframe_waits_for_it),
		cmocka_unit_test(sound_alone_goes_as_ts),
		cmocka_unit_test(ts_ends_with_its_stream),
		cmocka_unit_test(codecs_that_ts_does_not_carry_have_no_ts),
	};

	return cmocka_run_group_tests_name("media_package", tests, source_open, source_close);
}
