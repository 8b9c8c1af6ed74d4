/* HLS with low latency: parts, hints, what is waited for, delta updates, reports; DASH. */
#include "hls_fixture.h"

struct live {
	struct sg_hub *hub;
	struct sg_publisher *pub;
	struct sg_stream *s;
};

/* The source's first `ms`, wanted from the beginning: 25 pictures and a keyframe each second. */
static struct live go_live(uint32_t ms)
{
	struct live l = { .hub = hub_open() };

	l.pub = publish_wanted(l.hub);
	l.s = sg_publisher_stream(l.pub);
	feed(l.pub, BOTH, 0, ms, 0);
	return l;
}

static void end(struct live *l)
{
	sg_publisher_close(l->pub, true);
	sg_hub_close(l->hub);
}

static enum sg_hls_when ask(struct sg_stream *s, const char *name, const char *msn, const char *part)
{
	struct sg_hls_ask a = { .name = sg_str_from(name) };
	struct sg_hls_object *o;

	assert_true(sg_hls_ask_parse(&a, sg_str_from(msn), sg_str_from(part), (struct sg_str){ 0 }));
	enum sg_hls_when when = sg_hls_get(s, &a, &o);
	assert_true((o != NULL) == (when == SG_HLS_HERE));
	sg_hls_object_free(o);
	return when;
}

static void the_playlist_is_as_the_draft_has_it(void **state)
{
	struct live l = go_live(1500);

	(void)state;
	/* A part of 200 ms is five pictures; it is there when the sixth tells how long the fifth lasts. */
	assert_string_equal(text_of(l.s, "main.m3u8"),
	    "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n"
	    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.603,CAN-SKIP-UNTIL=12.0\n"
	    "#EXT-X-PART-INF:PART-TARGET=0.201\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n"
	    "#EXT-X-MAP:URI=\"main-init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.000Z\n"
	    "#EXT-X-PART:DURATION=0.20000,URI=\"main-p0.m4s\",INDEPENDENT=YES\n"
	    "#EXT-X-PART:DURATION=0.20000,URI=\"main-p1.m4s\"\n"
	    "#EXT-X-PART:DURATION=0.20000,URI=\"main-p2.m4s\"\n"
	    "#EXT-X-PART:DURATION=0.20000,URI=\"main-p3.m4s\"\n"
	    "#EXT-X-PART:DURATION=0.20000,URI=\"main-p4.m4s\"\n"
	    "#EXTINF:1.00000,\nmain-0.m4s\n#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:01.000Z\n"
	    "#EXT-X-PART:DURATION=0.20000,URI=\"main-p5.m4s\",INDEPENDENT=YES\n"
	    "#EXT-X-PART:DURATION=0.20000,URI=\"main-p6.m4s\"\n"
	    "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"main-p7.m4s\"\n"
	    "#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN=1,LAST-PART=1\n");
	end(&l);
}

static void a_segment_is_its_parts(void **state)
{
	static const char *const tracks[] = { "main", "video", "audio" };
	struct live l = go_live(2500);
	struct media parts, whole;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		read_track(&whole, l.s, tracks[i], 0, "", 0, 1);
		read_track(&parts, l.s, tracks[i], 0, "p", 0, 5);
		assert_int_equal(parts.video.packets, whole.video.packets);
		assert_int_equal(parts.audio.packets, whole.audio.packets);
		assert_int_equal(whole.video.packets, i == 2 ? 0 : 25);
		assert_true(i == 1 ? !whole.audio.packets : whole.audio.packets > 40);
	}
	end(&l);
}

/* 6.2.5.2; the last whole segment is 1, of 2 there are two parts. */
static void playlists_are_waited_for_within_reason(void **state)
{
	static const struct {
		const char *msn, *part;
		enum sg_hls_when when;
	} rows[] = {
		{ "0", NULL, SG_HLS_HERE },
		{ "1", NULL, SG_HLS_HERE },
		{ "2", NULL, SG_HLS_SOON },
		{ "3", NULL, SG_HLS_SOON },
		{ "4", NULL, SG_HLS_TOO_FAR },
		{ "9223372036854775807", NULL, SG_HLS_TOO_FAR },
		{ "1", "4", SG_HLS_HERE },
		{ "1", "5", SG_HLS_HERE }, /* there is none: the first of 2 */
		{ "1", "9223372036854775807", SG_HLS_HERE },
		{ "2", "0", SG_HLS_HERE },
		{ "2", "1", SG_HLS_HERE },
		{ "2", "2", SG_HLS_SOON },
		{ "2", "16", SG_HLS_SOON }, /* fifteen parts are three seconds */
		{ "2", "17", SG_HLS_TOO_FAR },
		{ "2", "9223372036854775807", SG_HLS_TOO_FAR },
		{ "3", "0", SG_HLS_SOON },
		{ "3", "15", SG_HLS_TOO_FAR },
	};
	struct live l = go_live(2500);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		enum sg_hls_when when = ask(l.s, "main.m3u8", rows[i].msn, rows[i].part);
		if (when != rows[i].when)
			fail_msg("msn %s part %s: %d", rows[i].msn, rows[i].part ? rows[i].part : "-", when);
	}
	feed(l.pub, BOTH, 2500, 3100, 0);
	assert_int_equal(ask(l.s, "main.m3u8", "2", NULL), SG_HLS_HERE);
	assert_int_equal(ask(l.s, "main.m3u8", "2", "4"), SG_HLS_HERE);
	assert_int_equal(ask(l.s, "main.m3u8", "2", "5"), SG_HLS_SOON); /* the first of 3 */
	end(&l);
}

static void malformed_questions_are_told(void **state)
{
	static const struct {
		const char *msn, *part, *skip;
		bool ok;
	} rows[] = {
		{ NULL, NULL, NULL, true },
		{ "1", NULL, NULL, true },
		{ "1", "2", "YES", true },
		{ NULL, NULL, "v2", true },
		{ NULL, "1", NULL, false },
		{ "", NULL, NULL, false },
		{ "-1", NULL, NULL, false },
		{ "+1", NULL, NULL, false },
		{ " 1", NULL, NULL, false },
		{ "1.5", NULL, NULL, false },
		{ "0x1", NULL, NULL, false },
		{ "9223372036854775808", NULL, NULL, false },
		{ "1", "", NULL, false },
		{ "1", "a", NULL, false },
		{ "1", "1", "NO", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sg_hls_ask a = { 0 };
		if (sg_hls_ask_parse(&a, sg_str_from(rows[i].msn), sg_str_from(rows[i].part),
			sg_str_from(rows[i].skip)) != rows[i].ok)
			fail_msg("row %zu", i);
	}
}

static void the_part_that_was_hinted_at_is_waited_for(void **state)
{
	struct live l = go_live(2500);

	(void)state;
	assert_has(text_of(l.s, "main.m3u8"), "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"main-p12.m4s\"\n");
	assert_int_equal(ask(l.s, "main-p11.m4s", NULL, NULL), SG_HLS_HERE);
	assert_int_equal(ask(l.s, "main-p12.m4s", NULL, NULL), SG_HLS_SOON);
	assert_int_equal(ask(l.s, "main-p13.m4s", NULL, NULL), SG_HLS_NEVER);
	assert_int_equal(ask(l.s, "main-2.m4s", NULL, NULL), SG_HLS_SOON); /* DASH asks a little early */
	assert_int_equal(ask(l.s, "main-3.m4s", NULL, NULL), SG_HLS_NEVER);
	feed(l.pub, BOTH, 2500, 2700, 0);
	assert_int_equal(ask(l.s, "main-p12.m4s", NULL, NULL), SG_HLS_HERE);
	/* The publisher leaves: what was hinted at never comes, and the next has another name. */
	sg_publisher_close(l.pub, false);
	assert_null(strstr(text_of(l.s, "main.m3u8"), "PRELOAD-HINT"));
	assert_int_equal(ask(l.s, "main-p14.m4s", NULL, NULL), SG_HLS_NEVER);
	pass_ms(1000);
	l.pub = publish_wanted(l.hub);
	feed(l.pub, BOTH, 0, 500, 0);
	assert_int_equal(ask(l.s, "main-p14.m4s", NULL, NULL), SG_HLS_NEVER);
	assert_int_equal(ask(l.s, "main-p15.m4s", NULL, NULL), SG_HLS_HERE);
	end(&l);
}

static unsigned first_part(struct sg_stream *s)
{
	const char *text = text_of(s, "main.m3u8"), *p = strstr(text, "#EXT-X-PART:");
	unsigned n = 0;

	assert_true(p && sscanf(strstr(p, "main-p"), "main-p%u.m4s", &n) == 1);
	return n;
}

/* 4.4.3.1: the target is not to change. hls.js stands still where parts appear in front of those it has. */
static void a_publisher_that_comes_back_changes_nothing_of_what_was_said(void **state)
{
	struct live l = { .hub = hub_open() };

	(void)state;
	l.pub = publish(l.hub);
	l.s = sg_publisher_stream(l.pub);
	feed_seconds(l.pub, 3); /* so that the distance of keyframes is known */
	(void)sg_hls_is_ready(l.s);
	for (uint32_t i = 3; i < 9; i++)
		feed(l.pub, BOTH, i % 4 * 1000, i % 4 * 1000 + 1000, i / 4 * 4000);
	assert_has(text_of(l.s, "main.m3u8"), "#EXT-X-TARGETDURATION:1\n");
	unsigned first = first_part(l.s);
	sg_publisher_close(l.pub, false);
	pass_ms(20000);
	l.pub = publish(l.hub);
	feed(l.pub, BOTH, 0, 500, 0);
	assert_has(text_of(l.s, "main.m3u8"), "#EXT-X-TARGETDURATION:1\n");
	assert_true(first_part(l.s) >= first);
	/* A target that must grow. */
	first = first_part(l.s);
	for (uint32_t ms = 520; ms <= 4000; ms += 40)
		write_picture(l.pub, ms, ms >= 4000, 0, 100);
	assert_has(text_of(l.s, "main.m3u8"), "#EXT-X-TARGETDURATION:4\n");
	assert_true(first_part(l.s) >= first);
	end(&l);
}

static void at_the_end_nobody_waits(void **state)
{
	struct live l = go_live(2500);

	(void)state;
	sg_stream_ref(l.s);
	sg_publisher_close(l.pub, true);
	pass_ms(SG_STREAM_GOODBYE_GAP_MS);
	sg_hub_tick(l.hub, sg_mono_ms());
	assert_int_equal(ask(l.s, "main.m3u8", "3", "0"), SG_HLS_HERE);
	assert_int_equal(ask(l.s, "main-p14.m4s", NULL, NULL), SG_HLS_NEVER);
	assert_int_equal(ask(l.s, "main-3.m4s", NULL, NULL), SG_HLS_NEVER);
	assert_has(text_of(l.s, "main.m3u8"), "#EXT-X-ENDLIST\n");
	struct sg_blob *mpd = sg_hls_mpd(l.s, "");
	char *text = sg_str_dup((struct sg_str){ (const char *)mpd->p, mpd->size });
	assert_has(text, "mediaPresentationDuration=\"PT2.5");
	assert_null(strstr(text, "minimumUpdatePeriod"));
	free(text);
	sg_blob_unref(mpd);
	sg_hub_close(l.hub);
	sg_stream_unref(l.s);
}

static void a_delta_update_skips_what_is_old(void **state)
{
	struct live l = { .hub = hub_open() };
	struct sg_hls_ask a = { .name = SG_STR("main.m3u8"), .skip = true };
	struct sg_hls_object *o;

	(void)state;
	l.pub = publish(l.hub);
	l.s = sg_publisher_stream(l.pub);
	feed_seconds(l.pub, 3); /* so that the distance of keyframes is known */
	(void)sg_hls_is_ready(l.s);
	for (uint32_t i = 3; i < 13; i++)
		feed(l.pub, BOTH, i % 4 * 1000, i % 4 * 1000 + 1000, i / 4 * 4000);
	assert_int_equal(sg_hls_get(l.s, &a, &o), SG_HLS_HERE);
	char *text = sg_str_dup((struct sg_str){ (const char *)o->blobs[0]->p, o->size });
	/* Twelve are listed; six targets of a second, and what is made now, are not skipped. */
	assert_has(text, "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-SKIP:SKIPPED-SEGMENTS=6\n"
			 "#EXT-X-PROGRAM-DATE-TIME:");
	assert_null(strstr(text, "main-5.m4s"));
	assert_has(text, "main-6.m4s");
	assert_null(strstr(text, "#EXT-X-MAP")); /* as it was */
	assert_null(strstr(text_of(l.s, "main.m3u8"), "#EXT-X-SKIP"));
	free(text);
	sg_hls_object_free(o);
	end(&l);
}

/* The playlist that has this part; the caller frees it. */
static char *playlist_with(struct sg_stream *s, uint64_t msn, uint64_t part)
{
	struct sg_hls_ask a = { .name = SG_STR("main.m3u8"), .has_msn = true, .has_part = true, .msn = msn, .part = part };
	struct sg_hls_object *o;

	assert_int_equal(sg_hls_get(s, &a, &o), SG_HLS_HERE);
	char *text = sg_str_dup((struct sg_str){ (const char *)o->blobs[0]->p, o->size });
	sg_hls_object_free(o);
	return text;
}

/* hls.js takes a segment that it is loading for loaded when it sees it listed. */
static void who_follows_the_parts_sees_a_segment_listed_after_them(void **state)
{
	struct live l = go_live(3100); /* the third segment is whole, of the fourth there is nothing yet */

	(void)state;
	char *parts = playlist_with(l.s, 2, 4);
	assert_has(parts, "main-1.m4s");
	assert_has(parts, "URI=\"main-p14.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"main-p15.m4s\"\n");
	assert_null(strstr(parts, "main-2.m4s"));
	assert_has(text_of(l.s, "main.m3u8"), "URI=\"main-p14.m4s\"\n#EXTINF:1.00000,\nmain-2.m4s\n");
	free(parts);
	feed(l.pub, BOTH, 3100, 3300, 0);
	parts = playlist_with(l.s, 3, 0);
	assert_string_equal(parts, text_of(l.s, "main.m3u8"));
	assert_has(parts, "main-2.m4s\n");
	free(parts);
	/* Where nothing comes after them, nothing is waited for. */
	feed(l.pub, BOTH, 3300, 4000, 0);
	sg_publisher_close(l.pub, true);
	parts = playlist_with(l.s, 3, 4);
	assert_has(parts, "main-3.m4s\n");
	free(parts);
	sg_hub_close(l.hub);
}

static void pictures_that_come_rarely_make_longer_parts(void **state)
{
	struct live l = go_live(1500);

	(void)state;
	for (uint32_t ms = 1500; ms < 5000; ms += 500)
		write_picture(l.pub, ms, false, 0, 100);
	const char *text = text_of(l.s, "main.m3u8");
	assert_has(text, "#EXT-X-PART:DURATION=0.50000,");
	assert_has(text, "#EXT-X-PART-INF:PART-TARGET=0.500\n");
	assert_has(text, ",PART-HOLD-BACK=1.500,");
	end(&l);
}

static void nothing_is_packaged_while_nobody_asks(void **state)
{
	struct live l = { .hub = hub_open() };

	(void)state;
	l.pub = publish(l.hub);
	l.s = sg_publisher_stream(l.pub);
	feed_seconds(l.pub, 8);
	assert_int_equal(info_of(l.s).hls_bytes, 0);
	assert_false(sg_hls_is_ready(l.s));
	feed(l.pub, BOTH, 0, 40, 8000); /* the next picture: all that the ring has of the last seconds */
	assert_true(sg_hls_is_ready(l.s));
	assert_true(occurrences(text_of(l.s, "main.m3u8"), "#EXTINF:1.00000,") >= 7);
	assert_has(text_of(l.s, "main.m3u8"), "#EXT-X-TARGETDURATION:1\n");
	assert_has(text_of(l.s, "main.m3u8"), "#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:01.000Z\n");
	/* A minute without a question, and it rests; then it goes on counting. */
	feed(l.pub, BOTH, 40, 1000, 8000);
	pass_ms(61000);
	feed(l.pub, BOTH, 1000, 2000, 70000);
	assert_int_equal(info_of(l.s).hls_bytes, 0);
	assert_false(sg_hls_is_ready(l.s));
	feed(l.pub, BOTH, 2000, 3500, 70000);
	const char *text = text_of(l.s, "main.m3u8");
	assert_null(strstr(text, "#EXT-X-MEDIA-SEQUENCE:0\n"));
	assert_has(text, "#EXT-X-DISCONTINUITY-SEQUENCE:1\n");
	end(&l);
}

static void dash_describes_the_same_objects(void **state)
{
	struct live l = go_live(2500);
	struct sg_blob *b = sg_hls_mpd(l.s, "s/x/cam/");

	(void)state;
	assert_non_null(b);
	char *text = sg_str_dup((struct sg_str){ (const char *)b->p, b->size });
	assert_has(text, " type=\"dynamic\" availabilityStartTime=\"2027-01-15T08:00:00.000Z\" ");
	assert_has(text, "<BaseURL>s/x/cam/</BaseURL>\n<Location>s/x/cam/index.mpd</Location>\n"
			 "<Period id=\"0\" start=\"PT0.000S\">\n");
	assert_has(text, "<Representation id=\"video\" ");
	assert_has(text, " codecs=\"avc1.64000D\" width=\"320\" height=\"180\">");
	assert_has(text, "initialization=\"video-init-0.mp4\" media=\"video-$Number$.m4s\" startNumber=\"0\">"
			 "<SegmentTimeline><S t=\"0\" d=\"90000\"/><S d=\"90000\"/></SegmentTimeline>");
	assert_has(text, " codecs=\"mp4a.40.2\" audioSamplingRate=\"48000\">");
	assert_null(strstr(text, "\"main")); /* nothing twice */
	free(text);
	sg_blob_unref(b);
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_playlist_is_as_the_draft_has_it),
		cmocka_unit_test(a_segment_is_its_parts),
		cmocka_unit_test(playlists_are_waited_for_within_reason),
		cmocka_unit_test(malformed_questions_are_told),
		cmocka_unit_test(the_part_that_was_hinted_at_is_waited_for),
		cmocka_unit_test(a_publisher_that_comes_back_changes_nothing_of_what_was_said),
		cmocka_unit_test(at_the_end_nobody_waits),
		cmocka_unit_test(a_delta_update_skips_what_is_old),
		cmocka_unit_test(who_follows_the_parts_sees_a_segment_listed_after_them),
		cmocka_unit_test(pictures_that_come_rarely_make_longer_parts),
		cmocka_unit_test(nothing_is_packaged_while_nobody_asks),
		cmocka_unit_test(dash_describes_the_same_objects),
	};

	return cmocka_run_group_tests_name("media_hls_parts", tests, source_open, source_close);
}
