/* What sources do that come as MPEG-TS, over SRT, and what every output makes of it. */
#include "torture_fixture.h"
#include "media/intake.h"

enum { PICTURE = 1, SOUND = 2, LARGE = 4, OTHER_RATE = 8, AT_WRAP = 16 };

/* Four seconds of it behind what is there, as an encoder sends them that begins anew. */
static void encode_ts(struct sg_buf *out, unsigned what)
{
	char command[1024];
	uint8_t piece[65536];
	size_t n;

	snprintf(command, sizeof(command),
	    "ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=%s:rate=25 -f lavfi -i sine=sample_rate=%d -t 4 %s %s "
	    "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -c:a aac -muxdelay 0 -muxpreload 0 "
	    "-output_ts_offset %s -f mpegts -",
	    what & LARGE ? "480x270" : "320x180", what & OTHER_RATE ? 44100 : 48000, what & PICTURE ? "-map 0:v" : "",
	    what & SOUND ? "-map 1:a" : "", what & AT_WRAP ? "95441.7" : "0");
	FILE *f = popen(command, "r");
	assert_non_null(f);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		sg_buf_append(out, piece, n);
	assert_int_equal(pclose(f), 0);
}

static int read_ts(void *user, uint8_t *p, int size)
{
	struct media *m = user;
	int n = read_bytes(m, p, size);

	return n > 0 ? n : -1;
}

static bool never(void *user)
{
	(void)user;
	return false;
}

/* Publishes pieces of four seconds, one behind the other, over one connection. */
static void run_ts(struct show *w, const unsigned *pieces, size_t count)
{
	struct media m = { 0 };
	struct sg_intake_config cfg = { .read = read_ts, .format = "mpegts", .stop = never, .user = &m };
	struct sg_intake *in;
	struct sg_frame *f;
	const char *why;
	int64_t last = INT64_MIN / 2; /* far back, and yet to be reckoned with */

	sg_buf_init(&m.bytes, 64u << 20);
	for (size_t i = 0; i < count; i++)
		encode_ts(&m.bytes, pieces[i]);
	assert_int_equal(sg_intake_open(&in, &cfg, &why), SG_OK);
	while (sg_intake_next(in, &f) == SG_OK) {
		if (!(f->flags & SG_FRAME_CONFIG)) { /* the clock goes with it, but not with its jumps */
			int64_t step = f->dts_90khz - last;
			now_us += step > 0 && step < 90000 ? step * 100 / 9 : 0;
			last = step > 0 || step < -90000 ? f->dts_90khz : last;
		}
		assert_int_equal(sg_publisher_write(w->pub, f), SG_OK);
		record(w);
		describe(w);
	}
	sg_intake_close(in);
	sg_buf_reset(&m.bytes);
}

static void check_over_srt(const unsigned *pieces, size_t count, unsigned discontinuities, unsigned files)
{
	struct show w = raise();

	run_ts(&w, pieces, count);
	check(&w, (int64_t)count * SOURCE_MS, discontinuities, files);
}

static void over_srt_another_size(void **state)
{
	const unsigned pieces[] = { PICTURE | SOUND, PICTURE | SOUND | LARGE };

	(void)state;
	check_over_srt(pieces, 2, 1, 2);
}

static void over_srt_another_sampling_rate(void **state)
{
	const unsigned pieces[] = { PICTURE | SOUND, PICTURE | SOUND | OTHER_RATE };
	struct show w = raise();

	(void)state;
	run_ts(&w, pieces, 2);
	assert_int_equal(info_of(w.s).sample_rate, 44100);
	check(&w, 8000, 1, 2);
}

static void over_srt_sound_that_stops_and_comes_back(void **state)
{
	const unsigned pieces[] = { PICTURE | SOUND, PICTURE, PICTURE | SOUND };

	(void)state;
	check_over_srt(pieces, 3, 0, 1);
}

static void over_srt_sound_that_comes_late(void **state)
{
	const unsigned pieces[] = { PICTURE, PICTURE | SOUND, PICTURE | SOUND };
	struct show w = raise();

	(void)state;
	run_ts(&w, pieces, 3);
	assert_int_equal(info_of(w.s).audio, SG_CODEC_AAC);
	check_hls(&w, 2.5, 1);
	check_sound(&w);
	end_file(&w);
	assert_int_equal(w.files, 2);
	lower(&w);
}

static void over_srt_clocks_that_wrap(void **state)
{
	const unsigned pieces[] = { PICTURE | SOUND | AT_WRAP };

	(void)state;
	check_over_srt(pieces, 1, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_srt_another_size),
		cmocka_unit_test(over_srt_another_sampling_rate),
		cmocka_unit_test(over_srt_sound_that_stops_and_comes_back),
		cmocka_unit_test(over_srt_sound_that_comes_late),
		cmocka_unit_test(over_srt_clocks_that_wrap),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
