/* Sources of MPEG-TS whose tracks change while they go on: pieces with other tables, one behind the other; as bytes
 * that a peer sends, as what a URL has, as HLS. */
#include "media_fixture.h"
#include "media/codec.h"
#include "media/intake.h"
#include <libavutil/log.h>

#define PIECES 4
#define FRAMES_S 25 /* pictures in a second */

/* Two seconds, a keyframe each; what differs from the usual. */
#define V "-map 0:v -c:v libx264 -preset ultrafast -tune zerolatency -g 25 "
#define A "-map 1:a -c:a aac "
#define MOVED "-mpegts_start_pid 0x300 "
#define OTHER_PROGRAM "-mpegts_service_id 7 -mpegts_pmt_start_pid 0x400 "

struct bytes {
	uint8_t *p;
	size_t len, at;
	size_t ends[PIECES], pieces;
};

static void append_piece(struct bytes *b, const char *size, const char *options)
{
	char command[1024];
	size_t n;

	snprintf(command, sizeof(command),
	    "ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=%s:rate=25:duration=2 "
	    "-f lavfi -i sine=sample_rate=48000:duration=2 %s -f mpegts -",
	    size, options);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	do {
		assert_non_null(b->p = realloc(b->p, b->len + 65536));
		n = fread(b->p + b->len, 1, 65536, f);
		b->len += n;
	} while (n);
	assert_int_equal(pclose(f), 0);
	b->ends[b->pieces++] = b->len;
}

static int read_bytes(void *user, uint8_t *out, int size)
{
	struct bytes *b = user;
	size_t n = b->len - b->at < (size_t)size ? b->len - b->at : (size_t)size;

	memcpy(out, b->p + b->at, n);
	b->at += n;
	return n ? (int)n : -1;
}

static bool go_on(void *user)
{
	(void)user;
	return false;
}

/* What came out. */
struct seen {
	unsigned pictures, keys, sounds;
	struct sg_frame *config; /* until its keyframe */
	int width; /* the last */
	enum sg_codec video, audio;
};

static void look_at(struct seen *seen, struct sg_frame *f)
{
	struct sg_video_params vp;

	if (f->kind == SG_FRAME_AUDIO) {
		seen->sounds += !(f->flags & SG_FRAME_CONFIG);
		seen->audio = f->codec;
		return;
	}
	seen->video = f->codec;
	if (f->flags & SG_FRAME_CONFIG) {
		sg_frame_unref(seen->config);
		seen->config = sg_frame_ref(f);
		return;
	}
	if (seen->config) {
		assert_true(f->flags & SG_FRAME_KEY); /* it must stand on its own */
		assert_int_equal(sg_video_params_parse(
				     f->codec, seen->config->payload, seen->config->size, f, &vp),
		    SG_OK);
		seen->width = vp.width;
		sg_frame_unref(seen->config);
		seen->config = NULL;
	}
	seen->pictures++;
	seen->keys += (f->flags & SG_FRAME_KEY) != 0;
}

static struct seen read_all(const struct sg_intake_config *cfg)
{
	struct sg_intake *in;
	struct seen seen = {0};
	struct sg_frame *f;
	const char *why;
	enum sg_result res;

	if (sg_intake_open(&in, cfg, &why) != SG_OK)
		fail_msg("%s", why);
	while ((res = sg_intake_next(in, &f)) == SG_OK) {
		look_at(&seen, f);
		sg_frame_unref(f);
	}
	assert_int_equal(res, SG_ERR_CLOSED);
	sg_intake_close(in);
	return seen;
}

static struct seen read_from_peer(struct bytes *b)
{
	b->at = 0;
	return read_all(&(struct sg_intake_config){
	    .read = read_bytes, .format = "mpegts", .stop = go_on, .user = b});
}

/* The pieces in one file, and each in its own with a playlist. */
static char folder[] = "/tmp/sg-tracks-XXXXXX";
static const char all_file[] = "all.ts", playlist[] = "list.m3u8";

static FILE *create(const char *name)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_non_null(f = fopen(path, "wb"));
	return f;
}

static void write_file(const char *name, const uint8_t *p, size_t len)
{
	FILE *f = create(name);

	assert_int_equal(fwrite(p, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static struct seen read_url(const char *name)
{
	char url[200];

	snprintf(url, sizeof(url), "file:%s/%s", folder, name);
	return read_all(&(struct sg_intake_config){
	    .url = url, .options = "protocol_whitelist=file,crypto,data", .stop = go_on});
}

static struct seen read_from_file(struct bytes *b)
{
	write_file(all_file, b->p, b->len);
	return read_url(all_file);
}

static struct seen read_from_hls(struct bytes *b)
{
	FILE *list = create(playlist);
	size_t begin = 0;

	fputs("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n", list);
	for (size_t i = 0; i < b->pieces; begin = b->ends[i++]) {
		char name[32];
		snprintf(name, sizeof(name), "%zu.ts", i);
		write_file(name, b->p + begin, b->ends[i] - begin);
		fprintf(list, "#EXTINF:2,\n%s\n#EXT-X-DISCONTINUITY\n", name);
	}
	fputs("#EXT-X-ENDLIST\n", list);
	assert_int_equal(fclose(list), 0);
	return read_url(playlist);
}

static const struct {
	const char *name;
	struct seen (*read)(struct bytes *b);
} ways[] = {{"from a peer", read_from_peer}, {"from a URL", read_from_file}, {"from HLS", read_from_hls}};
enum { HLS = 2 };

static const struct change {
	const char *what;
	struct {
		const char *size, *options;
	} pieces[PIECES];
	int seconds_of_pictures, seconds_of_sound;
	int width; /* at the end */
	enum sg_codec video, audio; /* at the end */
	/* There the tables are libavformat's alone: late is a second, which sound lacks. */
	enum { IN_HLS, LATE_IN_HLS, NOT_IN_HLS } in_hls;
} changes[] = {
    {"sound comes later", {{"320x180", V}, {"320x180", V A}}, 4, 2, 320, SG_CODEC_H264,
	SG_CODEC_AAC, IN_HLS},
    {"sound comes later, in Opus", {{"320x180", V}, {"320x180", V "-map 1:a -c:a libopus "}}, 4, 2, 320,
	SG_CODEC_H264, SG_CODEC_OPUS, IN_HLS},
    {"sound in Opus behind another", {{"320x180", V A}, {"320x180", MOVED V "-map 1:a -c:a libopus "}}, 4, 4, 320,
	SG_CODEC_H264, SG_CODEC_OPUS, IN_HLS},
    {"sound ends and comes again", {{"320x180", V A}, {"320x180", V}, {"320x180", V A}}, 6, 4, 320,
	SG_CODEC_H264, SG_CODEC_AAC, IN_HLS},
    {"pictures come later", {{"320x180", "-mpegts_start_pid 0x101 " A}, {"320x180", V A}}, 2, 4,
	320, SG_CODEC_H264, SG_CODEC_AAC, IN_HLS},
    {"sound ends", {{"320x180", V A}, {"320x180", V}}, 4, 2, 320, SG_CODEC_H264, SG_CODEC_AAC, IN_HLS},
    {"sound ends and comes again elsewhere",
	{{"320x180", V A}, {"320x180", V}, {"320x180", MOVED V A}}, 6, 4, 320, SG_CODEC_H264,
	SG_CODEC_AAC, IN_HLS},
    {"other numbers", {{"320x180", V A}, {"320x180", MOVED V A}}, 4, 4, 320, SG_CODEC_H264,
	SG_CODEC_AAC, IN_HLS},
    {"other numbers and back", {{"320x180", V A}, {"320x180", MOVED V A}, {"320x180", V A}}, 6, 6,
	320, SG_CODEC_H264, SG_CODEC_AAC, IN_HLS},
    {"another program", {{"320x180", V A}, {"320x180", MOVED OTHER_PROGRAM V A}}, 4, 4, 320,
	SG_CODEC_H264, SG_CODEC_AAC, IN_HLS},
    {"another table's number",
	{{"320x180", V A}, {"320x180", MOVED "-mpegts_pmt_start_pid 0x400 " V A}}, 4, 4, 320,
	SG_CODEC_H264, SG_CODEC_AAC, IN_HLS},
    {"another size", {{"320x180", V A}, {"640x360", V A}}, 4, 4, 640, SG_CODEC_H264, SG_CODEC_AAC, IN_HLS},
    {"another size and other numbers", {{"320x180", V A}, {"640x360", MOVED V A}}, 4, 4, 640,
	SG_CODEC_H264, SG_CODEC_AAC, IN_HLS},
    {"other codecs and other numbers",
	{{"320x180", V A},
	    {"320x180", MOVED
		"-map 0:v -c:v libx265 -preset ultrafast -x265-params keyint=25:log-level=none "
		"-map 1:a -c:a libmp3lame "}},
	4, 4, 320, SG_CODEC_HEVC, SG_CODEC_MP3, IN_HLS},
    {"the first of two kinds of sound ends",
	{{"320x180", V A A}, {"320x180", V A "-streamid 1:0x102 "}}, 4, 4, 320, SG_CODEC_H264,
	SG_CODEC_AAC, LATE_IN_HLS},
    {"pictures take the number that sound had", {{"320x180", A}, {"320x180", V A}}, 2, 4, 320,
	SG_CODEC_H264, SG_CODEC_AAC, NOT_IN_HLS},
    {"the same number, another codec",
	{{"320x180", V A}, {"320x180", V "-map 1:a -c:a libmp3lame "}}, 4, 4, 320, SG_CODEC_H264,
	SG_CODEC_MP3, NOT_IN_HLS},
};

static void assert_about(
    const char *what, const char *of, unsigned is, unsigned whole, unsigned may_lack)
{
	if (is > whole + may_lack || is + may_lack < whole)
		fail_msg("%s: %u of %u %s", what, is, whole, of);
}

static void assert_follows(const struct change *c, size_t way, struct bytes *b)
{
	struct seen seen = ways[way].read(b);
	char what[100];
	unsigned late_s = way == HLS && c->in_hls == LATE_IN_HLS;

	snprintf(what, sizeof(what), "%s, %s", c->what, ways[way].name);
	/* A piece's last frames may be in libavformat's hands still when the next begins. */
	assert_about(
	    what, "pictures", seen.pictures, (unsigned)c->seconds_of_pictures * FRAMES_S, 2 * PIECES);
	assert_about(what, "sounds", seen.sounds, ((unsigned)c->seconds_of_sound - late_s) * 48000 / 1024,
	    4 * PIECES);
	if (seen.width != c->width || seen.video != c->video || seen.audio != c->audio)
		fail_msg("%s: ends %d wide, with %s and %s", what, seen.width, sg_codec_name(seen.video),
		    sg_codec_name(seen.audio));
}

static void a_source_goes_on_when_its_tracks_change(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		const struct change *c = &changes[i];
		struct bytes b = {0};
		for (int j = 0; j < PIECES && c->pieces[j].size; j++)
			append_piece(&b, c->pieces[j].size, c->pieces[j].options);
		for (size_t way = 0; way < COUNT(ways); way++)
			if (way != HLS || c->in_hls != NOT_IN_HLS)
				assert_follows(c, way, &b);
		free(b.p);
	}
}

/* Before the opening is over: it reads as far as what comes then. */
static void a_source_that_changes_at_once_goes_on(void **state)
{
	struct bytes b = {0};

	(void)state;
	append_piece(&b, "320x180", V A "-t 0.4 ");
	append_piece(&b, "640x360", MOVED V A);
	append_piece(&b, "640x360", MOVED V A);
	struct seen seen = read_from_peer(&b);
	assert_int_equal(seen.width, 640);
	assert_about("at once", "pictures", seen.pictures, 4 * FRAMES_S + 10, FRAMES_S + 10);
	assert_about("at once", "sounds", seen.sounds, 4 * 48000 / 1024, 48000 / 1024 + 20);
	free(b.p);
}

static void a_sound_that_is_announced_and_silent_gives_place_to_the_other(void **state)
{
	struct bytes b = {0};

	(void)state;
	append_piece(&b, "320x180", "-f lavfi -i sine=duration=0.05 " V "-map 2:a -map 1:a -c:a aac ");
	struct seen seen = read_from_peer(&b);
	assert_about("announced", "sounds", seen.sounds, 48000 / 1024, 10);
	free(b.p);
}

/* It says that the pictures are HEVC. */
static void a_table_that_was_damaged_on_its_way_changes_nothing(void **state)
{
	static const uint8_t entry[] = {0x1b, 0xe1, 0x00, 0xf0, 0x00};
	struct bytes b = {0};
	unsigned damaged = 0;

	(void)state;
	append_piece(&b, "320x180", V A);
	append_piece(&b, "320x180", V A);
	for (size_t at = b.len / 8; at + 188 <= b.len && damaged < 6; at++) {
		if (b.p[at] != 0x47 || (b.p[at + 1] & 0x1f) != 0x10 || b.p[at + 2]) /* libavformat's PMT */
			continue;
		uint8_t *type = memmem(b.p + at, 188, entry, sizeof(entry));
		if (type && damaged++ % 2 == 0)
			*type = 0x24;
	}
	assert_int_equal(damaged, 6);
	struct seen seen = read_from_peer(&b);
	assert_about("damaged", "pictures", seen.pictures, 4 * FRAMES_S, 3);
	free(b.p);
}

/* Both are announced all the time. */
static void a_picture_that_falls_silent_gives_place_to_the_other(void **state)
{
	struct bytes b = {0};

	(void)state;
	append_piece(&b, "320x180", V);
	append_piece(&b, "640x360",
	    "-f lavfi -i testsrc2=size=320x180:rate=25:duration=0.2 -map 2:v -map 0:v "
	    "-c:v libx264 -preset ultrafast -tune zerolatency -g 10 ");
	struct seen seen = read_from_peer(&b);
	assert_int_equal(seen.width, 640);
	assert_about("silent", "pictures", seen.pictures, 2 * FRAMES_S + 5 + 20, 3);
	free(b.p);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[sizeof(folder) + 20];

	(void)state;
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_source_goes_on_when_its_tracks_change),
	    cmocka_unit_test(a_source_that_changes_at_once_goes_on),
	    cmocka_unit_test(a_sound_that_is_announced_and_silent_gives_place_to_the_other),
	    cmocka_unit_test(a_table_that_was_damaged_on_its_way_changes_nothing),
	    cmocka_unit_test(a_picture_that_falls_silent_gives_place_to_the_other),
	};

	av_log_set_level(AV_LOG_QUIET);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
