/* Request targets and media names: hostile paths name nothing. */
#include "http/media_internal.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char text[HTTP_TARGET_MAX + 8];

static enum sg_result parse(struct http_target *t, const char *target)
{
	return http_target_parse(t, sg_str_from(target), text);
}

static void a_target_is_taken_apart(void **state)
{
	static const struct {
		const char *target, *path, *query;
		unsigned segments;
	} rows[] = {
		{ "/", "/", NULL, 1 },
		{ "/live/streams/cam.m3u8?token=a%2Fb", "/live/streams/cam.m3u8", "token=a%2Fb", 3 },
		{ "/a%20b/%c3%a9", "/a b/\xc3\xa9", NULL, 2 },
		{ "/a/", "/a/", NULL, 2 },
		{ "//a", "//a", NULL, 2 },
		{ "http://example.net:80/a?b", "/a", "b", 1 },
		{ "HTTPS://example.net", "/", NULL, 1 },
		{ "http://example.net?x=1", "/", "x=1", 1 },
		{ "*", "*", NULL, 0 },
		{ "/a?", "/a", "", 1 },
		{ "/a?b?c#", "/a", "b?c#", 1 },
	};
	struct http_target t;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(&t, rows[i].target), SG_OK);
		assert_true(sg_str_is(t.path, rows[i].path));
		assert_int_equal(t.segment_count, rows[i].segments);
		assert_int_equal(t.query.p != NULL, rows[i].query != NULL);
		if (rows[i].query)
			assert_true(sg_str_is(t.query, rows[i].query));
	}
}

static void a_hostile_target_is_refused(void **state)
{
	static const char *const rows[] = {
		"live/x",
		"?a",
		"/..",
		"/../etc/passwd",
		"/live/streams/..",
		"/live/streams/../x.mp4",
		"/live/./x",
		"/live/%2e%2e/x",
		"/live/%2E./x",
		"/live/.%2e/x",
		"/live%2fstreams/x.mp4",
		"/live/streams/a%2F..%2Fb.mp4",
		"/live/streams/a%5cb.mp4",
		"/live/streams/a\\b.mp4",
		"/live/streams/a%00.mp4",
		"/live/streams/a%0d%0aX:y.mp4",
		"/live/streams/a%7f",
		"/live/streams/a%",
		"/live/streams/a%2",
		"/live/streams/a%zz",
		"/live/streams/%ff%fe",
		"/live/streams/%c0%ae%c0%ae/x", /* overlong ".." */
		"/live/streams/a#b",
		"ftp://example.net/x",
	};
	struct http_target t;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse(&t, rows[i]) == SG_OK)
			fail_msg("taken: %s", rows[i]);
	assert_int_equal(parse(&t, "/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h"), SG_ERR_LIMIT);
}

static void a_path_decoded_twice_stays_as_it_was_once(void **state)
{
	struct http_target t;

	(void)state;
	assert_int_equal(parse(&t, "/live/streams/%252e%252e"), SG_OK);
	assert_true(sg_str_is(t.segments[2], "%2e%2e"));
}

#define SID "0123456789abcdefghij_-"

static void a_media_name_is_understood(void **state)
{
	static const struct {
		const char *rest;
		enum media_kind kind;
		const char *name, *sid, *object, *alias;
	} rows[] = {
		{ "cam.m3u8", MEDIA_HLS, "cam", NULL, NULL, NULL },
		{ "cam_adaptive.m3u8", MEDIA_HLS, "cam_adaptive", NULL, NULL, "cam" },
		{ "my_cam.1.m3u8", MEDIA_HLS, "my_cam.1", NULL, NULL, NULL },
		{ "cam.flv", MEDIA_FLV, "cam", NULL, NULL, NULL },
		{ "cam2024.ts", MEDIA_TS, "cam2024", NULL, NULL, NULL },
		{ "cam_2.mp4", MEDIA_RECORDING, "cam_2.mp4", NULL, NULL, NULL },
		{ "cam-2021-05-18_11-26-26.842.mp4", MEDIA_RECORDING,
		    "cam-2021-05-18_11-26-26.842.mp4", NULL, NULL, NULL },
		{ "s.m3u8", MEDIA_HLS, "s", NULL, NULL, NULL },
		{ "s/" SID "/cam/index.m3u8", MEDIA_HLS, "cam", SID, "index.m3u8", NULL },
		{ "s/" SID "/cam/main-7.m4s", MEDIA_HLS, "cam", SID, "main-7.m4s", NULL },
		{ "s/" SID "/cam.mp4", MEDIA_RECORDING, "cam.mp4", SID, NULL, NULL },
	};
	struct media_name n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(http_media_name_parse(&n, sg_str_from(rows[i].rest)));
		assert_int_equal(n.kind, rows[i].kind);
		assert_true(sg_str_is(n.name, rows[i].name));
		assert_true(sg_str_is(n.sid, rows[i].sid ? rows[i].sid : ""));
		assert_true(sg_str_is(n.object, rows[i].object ? rows[i].object : ""));
		assert_true(sg_str_is(n.alias, rows[i].alias ? rows[i].alias : ""));
	}
}

/* Ant Media's names, those of its rows that are right: each is of its stream. A recording keeps its file's
 * name, since the catalogue says whose it is, and the name does not. */
static void ant_medias_names_are_of_their_streams(void **state)
{
	static const struct {
		const char *rest;
		enum media_kind kind;
		const char *name, *alias;
	} rows[] = {
		{ "stream1.m3u8", MEDIA_HLS, "stream1", "" },
		{ "stream1_adaptive.m3u8", MEDIA_HLS, "stream1_adaptive", "stream1" },
		{ "my_stream.m3u8", MEDIA_HLS, "my_stream", "" },
		{ "my_stream_adaptive.m3u8", MEDIA_HLS, "my_stream_adaptive", "my_stream" },
		{ "cam_2.m3u8", MEDIA_HLS, "cam_2", "" },
		{ "mpdtest.m3u8", MEDIA_HLS, "mpdtest", "" },
		{ "stream1.mpd", MEDIA_DASH, "stream1", "" },
		{ "stream1.mp4", MEDIA_RECORDING, "stream1.mp4", "" },
		{ "stream1_1.mp4", MEDIA_RECORDING, "stream1_1.mp4", "" },
		{ "my_stream_1.mp4", MEDIA_RECORDING, "my_stream_1.mp4", "" },
		{ "stream1-2021-05-18_11-26-26.842_1.mp4", MEDIA_RECORDING,
		    "stream1-2021-05-18_11-26-26.842_1.mp4", "" },
	};
	struct media_name n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(http_media_name_parse(&n, sg_str_from(rows[i].rest)));
		assert_int_equal(n.kind, rows[i].kind);
		assert_true(sg_str_is(n.name, rows[i].name));
		assert_true(sg_str_is(n.alias, rows[i].alias));
		assert_int_equal(n.sid.len, 0);
	}
}

static void what_is_no_media_name_is_nothing(void **state)
{
	static const char *const rows[] = {
		"",
		"cam",
		"cam.jpg",
		".m3u8",
		".mp4",
		".hidden.mp4",
		"cam.mp4;x=y",
		"cam;x=y.mp4",
		"a/cam.mp4",
		"/cam.mp4",
		"cam.mp4/",
		"cam .mp4",
		"c\xc3\xa4m.mp4",
		"s/" SID,
		"s/" SID "/cam.m3u8",
		"s/" SID "x/cam.mp4",
		"s/short/cam.mp4",
		"s//cam.mp4",
		"s/" SID "//index.m3u8",
		"s/" SID "/cam/",
		"s/" SID "/.cam/index.m3u8",
		"s/" SID "/cam/a/index.m3u8",
		"x/" SID "/cam/index.m3u8",
		/* Ant Media's places that are none here. */
		"stream1.jpg",
		"stream1.u8",
		"stream1000000001.fmp4",
		"stream1.webm",
		"stream1/stream1.mpd",
		"stream1/stream1_0segment00139.m4s",
		"ll-hls/stream1/stream1__master.m3u8",
		"drm/stream1/hls/master.m3u8",
		"sub/dir/stream1.m3u8",
	};
	struct media_name n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (http_media_name_parse(&n, sg_str_from(rows[i])))
			fail_msg("taken: %s", rows[i]);
}

static void a_long_name_is_no_name(void **state)
{
	char name[200];
	struct media_name n;

	(void)state;
	memset(name, 'a', sizeof(name));
	memcpy(name + SG_STREAM_MAX - 4, ".mp4", 5);
	assert_true(http_media_name_parse(&n, sg_str_from(name)));
	memset(name, 'a', sizeof(name));
	memcpy(name + SG_STREAM_MAX + 1, ".m3u8", 6);
	assert_false(http_media_name_parse(&n, sg_str_from(name)));
}

/* ---- recordings ---- */

static void make(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool exists(const char *folder, const char *app, const char *name)
{
	struct sg_config cfg = { .recording_path = (char *)folder };

	return sg_http_recording_exists(&cfg, sg_str_from(app), sg_str_from(name));
}

/* The folder itself may be reached by a link, which only who runs the server makes. What lies in it may not: no link
 * leads out, or on. */
static void no_link_leads_out_of_the_recordings(void **state)
{
	char dir[] = "/tmp/sg-path-XXXXXX", folders[2][64], command[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	int fd = open(dir, O_PATH | O_DIRECTORY);
	assert_int_equal(mkdirat(fd, "rec", 0700), 0);
	assert_int_equal(mkdirat(fd, "rec/live", 0700), 0);
	assert_int_equal(symlinkat("rec", fd, "linked"), 0);
	make(fd, "secret.mp4");
	make(fd, "rec/live/film.mp4");
	make(fd, "rec/old.mp4");
	assert_int_equal(symlinkat("../../secret.mp4", fd, "rec/live/out.mp4"), 0);
	assert_int_equal(symlinkat("film.mp4", fd, "rec/live/on.mp4"), 0);
	assert_int_equal(symlinkat("..", fd, "rec/up"), 0);
	assert_int_equal(mkdirat(fd, "rec/live/folder.mp4", 0700), 0);
	assert_int_equal(mkfifoat(fd, "rec/live/pipe.mp4", 0600), 0);
	snprintf(folders[0], sizeof(folders[0]), "%s/rec", dir);
	snprintf(folders[1], sizeof(folders[1]), "%s/linked", dir);
	for (size_t i = 0; i < 2; i++) {
		assert_true(exists(folders[i], "live", "film.mp4"));
		assert_true(exists(folders[i], "live", "old.mp4")); /* put into the folder itself */
		assert_false(exists(folders[i], "other", "old.mp4"));
		assert_false(exists(folders[i], "live", "out.mp4"));
		assert_false(exists(folders[i], "live", "on.mp4"));
		assert_false(exists(folders[i], "up", "secret.mp4"));
		assert_false(exists(folders[i], "live", "folder.mp4"));
		assert_false(exists(folders[i], "live", "pipe.mp4"));
		assert_false(exists(folders[i], "..", "secret.mp4"));
		assert_false(exists(folders[i], "live", "../old.mp4"));
	}
	close(fd);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_is_taken_apart),
		cmocka_unit_test(a_hostile_target_is_refused),
		cmocka_unit_test(a_path_decoded_twice_stays_as_it_was_once),
		cmocka_unit_test(a_media_name_is_understood),
		cmocka_unit_test(ant_medias_names_are_of_their_streams),
		cmocka_unit_test(what_is_no_media_name_is_nothing),
		cmocka_unit_test(a_long_name_is_no_name),
		cmocka_unit_test(no_link_leads_out_of_the_recordings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
