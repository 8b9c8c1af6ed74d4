/* What sources do to a stream, and what every output makes of it: the ring (RTMP, FLV, WebRTC), MPEG-TS (HTTP,
 * SRT), HLS with its parts, DASH, recordings. */
#include "dash_fixture.h"
#include "media/intake.h"
#include "media/silence.h"
#include "record_fixture.h"
#include <fcntl.h>
#include <libavcodec/avcodec.h>

#define SOURCE_MS 4000
#define HOUR_MS 3600000u

static struct source larger;

static int begin(void **state)
{
	return source_open(state) != 0 || source_encode(&larger, "480x270") != 0 ? -1 : record_place_open();
}

static int end(void **state)
{
	record_place_close();
	sg_buf_reset(&larger.file);
	return source_close(state);
}

/* ---- a source that is watched in every way ---- */

struct show {
	struct sg_hub *hub;
	struct sg_publisher *pub;
	struct sg_stream *s;
	struct sg_ring *ts;
	int64_t zero_us; /* what the clock says at the source's beginning */
	uint32_t at_ms;  /* how much of the source has been sent */
	struct sg_record_file *file;
	uint64_t after;
	unsigned files;
	int64_t recorded_ms;
	struct dash dash; /* the last description; none has no periods */
};

static void end_file(struct show *w)
{
	int64_t ms;

	if (!w->file)
		return;
	w->after = sg_record_position(w->file);
	sg_record_close(w->file);
	w->file = NULL;
	assert_int_equal(sg_record_finish(part, whole, NULL, &ms), SG_OK);
	struct media m = { 0 };
	uint8_t piece[65536];
	size_t n;
	FILE *f = fopen(whole, "rb");
	assert_non_null(f);
	sg_buf_init(&m.bytes, 64u << 20);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		sg_buf_append(&m.bytes, piece, n);
	fclose(f);
	read_back(&m, "mp4");
	assert_true(m.video.packets + m.audio.packets);
	assert_true((!m.video.packets || m.video.monotonic) && (!m.audio.packets || m.audio.monotonic));
	w->recorded_ms += ms;
	w->files++;
}

static void record(struct show *w)
{
	if (!w->file && sg_record_may_begin(w->s, w->after)) {
		int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_true(fd >= 0);
		if (sg_record_open(&w->file, w->s, w->after, fd, buffer) != SG_OK)
			close(fd);
	}
	if (w->file && sg_record_pump(w->file) == SG_ERR_EXISTS)
		end_file(w);
}

static void describe(struct show *w)
{
	struct dash now;

	if (!dash_read(&now, w->s))
		return;
	dash_check_times(&now);
	dash_check_change(&w->dash, &now);
	w->dash = now;
}

static struct show raise(void)
{
	struct show w = { .hub = hub_open(), .zero_us = BEGIN_US };

	w.pub = publish_wanted(w.hub);
	w.s = sg_stream_ref(sg_publisher_stream(w.pub));
	w.ts = sg_stream_ts_ring(w.s);
	return w;
}

static void lower(struct show *w)
{
	end_file(w);
	sg_publisher_close(w->pub, true);
	sg_stream_unref(w->s);
	sg_hub_close(w->hub);
}

static void configure(struct show *w, const struct source *src, int what)
{
	if (what & VIDEO)
		write_tag_at(w->pub, src->avc, 0);
	if (what & AUDIO)
		write_tag_at(w->pub, src->aac, 0);
}

/* The next `ms` of the source, which goes round and round; its clocks are off by so much. */
static void run(struct show *w, const struct source *src, int what, uint32_t ms, uint32_t video, uint32_t audio)
{
	uint32_t end_ms = w->at_ms + ms;

	while (w->at_ms < end_ms) {
		uint32_t round = w->at_ms / SOURCE_MS * SOURCE_MS, from = w->at_ms - round;
		uint32_t to = end_ms - round < SOURCE_MS ? end_ms - round : SOURCE_MS;
		to = to > from + 200 ? from + 200 : to;
		for (size_t i = 0; i < src->count; i++) {
			const struct tag *t = &src->tags[i];
			bool is_video = t->type == SG_FLV_VIDEO;
			if (t->type == SG_FLV_SCRIPT || is_config(t) || t->ms < from || t->ms >= to ||
			    !(what & (is_video ? VIDEO : AUDIO)))
				continue;
			now_us = w->zero_us + (int64_t)(round + t->ms) * 1000;
			write_tag_at(w->pub, t, round + t->ms + (is_video ? video : audio));
		}
		w->at_ms = round + to;
		now_us = w->zero_us + (int64_t)w->at_ms * 1000;
		record(w);
		describe(w);
		(void)sg_stream_ts_ring(w->s);
	}
}

/* Nothing comes for a while, though the connection stands. */
static void stall(struct show *w, int64_t ms)
{
	w->zero_us += ms * 1000;
	now_us += ms * 1000;
}

/* ---- what came of it ---- */

static void check_ring(struct show *w, int64_t pictures_ms, int64_t sound_ms, int64_t step_ms)
{
	const int64_t length_ms[] = { pictures_ms, sound_ms };
	struct frames *f = frames_from(sg_stream_ring(w->s), 0);
	int64_t last[2] = { -1, -1 };

	for (size_t i = 0; i < f->count; i++) {
		const struct sg_frame *g = f->all[i];
		int64_t *at = &last[g->kind == SG_FRAME_AUDIO];
		if (*at >= 0 && (g->dts_90khz <= *at || g->dts_90khz - *at > step_ms * 90))
			fail_msg("%s: at %.2f ms, after %.2f", g->kind == SG_FRAME_AUDIO ? "sound" : "picture",
			    (double)g->dts_90khz / 90, (double)*at / 90);
		if (g->pts_90khz < g->dts_90khz || g->pts_90khz - g->dts_90khz > 90000)
			fail_msg("shown %.2f ms after", (double)(g->pts_90khz - g->dts_90khz) / 90);
		*at = g->dts_90khz;
	}
	for (int i = 0; i < 2; i++)
		if (llabs(last[i] / 90 - length_ms[i]) > 700)
			fail_msg("%s ends at %lld ms, not %lld", i ? "sound" : "picture", (long long)last[i] / 90,
			    (long long)length_ms[i]);
	frames_free(f);
}

/* ISO/IEC 13818-1 2.4.3.3: what each PID counts has no gap, unless it is said that there is one; another table
 * has another version. */
static void check_packets(const struct sg_buf *ts)
{
	uint8_t count[8192], pmt[188] = { 0 };
	bool known[8192] = { false };

	assert_int_equal(ts->len % 188, 0);
	for (const uint8_t *p = ts->p; p < ts->p + ts->len; p += 188) {
		unsigned pid = (p[1] & 0x1fu) << 8 | p[2];
		bool payload = p[3] & 0x10, said = (p[3] & 0x20) && p[4] && (p[5] & 0x80);
		if (known[pid] && payload && !said && (p[3] & 15) != ((count[pid] + 1) & 15))
			fail_msg("PID %u counts %u after %u", pid, p[3] & 15, count[pid]);
		if (payload)
			count[pid] = p[3] & 15;
		known[pid] = true;
		if (pid != 0x1000)
			continue;
		const uint8_t *section = p + 188 - 183; /* behind the pointer, where nothing is adapted */
		if (p[3] & 0x20)
			section += 1 + p[4];
		size_t len = (size_t)((section[1] & 15) << 8 | section[2]) + 3;
		assert_true(section[0] == 2 && len < sizeof(pmt));
		if (pmt[0] && (pmt[5] & 0x3e) == (section[5] & 0x3e))
			assert_memory_equal(pmt, section, len);
		memcpy(pmt, section, len);
	}
}

static void check_ts(struct show *w, int64_t length_ms)
{
	struct frames *f = frames_from(w->ts, 0);
	struct media m = { 0 };

	sg_buf_init(&m.bytes, 64u << 20);
	for (size_t i = 0; i < f->count; i++)
		sg_buf_append(&m.bytes, f->all[i]->payload, f->all[i]->size);
	frames_free(f);
	check_packets(&m.bytes);
	read_back(&m, "mpegts");
	if (!m.video.monotonic || !m.audio.monotonic)
		fail_msg("steps of %lld us in the picture, %lld in the sound", (long long)m.video.least_step_us,
		    (long long)m.audio.least_step_us);
	assert_in_range(m.video.last_us / 1000 + 1000, length_ms, length_ms + 2000);
	assert_in_range(m.audio.last_us / 1000 + 1000, length_ms, length_ms + 2000);
}

/* One run's segments, which its playlist says last `seconds`. */
static void check_run(struct media *m, double seconds)
{
	if (!m->bytes.len)
		return;
	read_back(m, "mp4");
	assert_true(m->video.packets && m->video.monotonic);
	assert_true(!m->audio.packets || m->audio.monotonic);
	double lasts = (double)(m->video.last_us - m->video.first_us) / 1e6;
	if (lasts > seconds || lasts < seconds - 0.3)
		fail_msg("a run of %.3f s is said to last %.3f", lasts, seconds);
	if (m->audio.packets && llabs(m->audio.first_us - m->video.first_us) > 1000000)
		fail_msg("sound begins at %.3f s, pictures at %.3f", (double)m->audio.first_us / 1e6,
		    (double)m->video.first_us / 1e6);
}

/* Holes in periods, as there are none in runs. */
static void check_dash(struct show *w, unsigned periods)
{
	struct sg_stream_info info = info_of(w->s);

	describe(w);
	assert_int_equal(w->dash.count, periods);
	const struct dash_period *last = &w->dash.periods[w->dash.count - 1];
	assert_int_equal(dash_check_times(&w->dash), 0);
	dash_check_objects(w->s, &w->dash);
	assert_int_equal(last->count, (info.video != SG_CODEC_NONE) + (info.audio != SG_CODEC_NONE));
	for (size_t i = 0; i < last->count; i++) {
		const struct dash_track *t = &last->tracks[i];
		assert_int_equal(t->width ? t->width : t->sample_rate, t->width ? info.width : info.sample_rate);
		double apart = dash_presented(last, t, t->segments[0].t) -
			       dash_presented(last, last->tracks, last->tracks->segments[0].t);
		if (apart > 1 || apart < -1)
			fail_msg("%s begins %.3f s after %s", t->name, apart, last->tracks->name);
	}
}

static void check_hls(struct show *w, double longest_s, unsigned discontinuities)
{
	char text[32768], name[64];
	double seconds = 0, length;
	struct media m = { 0 };
	unsigned seen = 0;

	snprintf(text, sizeof(text), "%s", text_of(w->s, "main.m3u8"));
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		if (strcmp(line, "#EXT-X-DISCONTINUITY") == 0)
			seen++;
		if (sscanf(line, "#EXT-X-MAP:URI=\"%63[^\"]", name) == 1) {
			check_run(&m, seconds);
			m = (struct media){ 0 };
			sg_buf_init(&m.bytes, 64u << 20);
			append_object(&m, w->s, name);
			seconds = 0;
		}
		if (sscanf(line, "#EXTINF:%lf", &length) == 1 && (line = strsep(&rest, "\n"))) {
			if (length > longest_s)
				fail_msg("a segment of %.3f s in:\n%s", length, playlist(w->s));
			append_object(&m, w->s, line);
			seconds += length;
		}
		if (sscanf(line, "#EXT-X-PART-INF:PART-TARGET=%lf", &length) == 1 && length > 1)
			fail_msg("parts of %.3f s", length);
		if (sscanf(line, "#EXT-X-TARGETDURATION:%lf", &length) == 1 && length > longest_s + 0.5)
			fail_msg("a target of %.0f s", length);
	}
	check_run(&m, seconds);
	if (seen != discontinuities)
		fail_msg("%u discontinuities, not %u, in:\n%s", seen, discontinuities, playlist(w->s));
	check_dash(w, discontinuities + 1);
	assert_true(info_of(w->s).hls_bytes < 64u << 20 && info_of(w->s).ring_bytes <= 16u << 20);
	assert_non_null(strstr(text_of(w->s, "audio.m3u8"), "#EXTINF"));
}

/* When a playlist's last segment begins, in seconds of its day. */
static double last_begins_s(const char *playlist)
{
	double at_s = -1, seconds;
	int hours, minutes;

	for (const char *p = playlist; (p = strstr(p, "#EXT-X-PROGRAM-DATE-TIME:")); p++)
		if (sscanf(p, "#EXT-X-PROGRAM-DATE-TIME:%*d-%*d-%*dT%d:%d:%lfZ", &hours, &minutes, &seconds) == 3)
			at_s = hours * 3600 + minutes * 60 + seconds;
	return at_s;
}

/* The sound goes on where the pictures do. */
static void check_sound(struct show *w)
{
	double video_s = last_begins_s(text_of(w->s, "main.m3u8")), audio_s = last_begins_s(text_of(w->s, "audio.m3u8"));

	if (video_s < 0 || audio_s < 0 || fabs(video_s - audio_s) > 2.5)
		fail_msg("pictures are at %.3f s, sound at %.3f", video_s, audio_s);
}

/* Where the pictures do, in everything that counts samples. */
static void check_sounds_end(struct show *w, int64_t length_ms)
{
	double apart_s = last_begins_s(text_of(w->s, "audio.m3u8")) - last_begins_s(text_of(w->s, "main.m3u8"));
	struct frames *f = frames_from(w->ts, 0);
	struct media m = { 0 };

	if (fabs(apart_s) > 0.15)
		fail_msg("HLS: sound lies %.3f s behind its pictures", apart_s);
	sg_buf_init(&m.bytes, 64u << 20);
	for (size_t i = 0; i < f->count; i++)
		sg_buf_append(&m.bytes, f->all[i]->payload, f->all[i]->size);
	frames_free(f);
	read_back(&m, "mpegts");
	if (llabs(m.audio.last_us - m.video.last_us) > 200000)
		fail_msg("MPEG-TS: sound ends at %lld us, pictures at %lld", (long long)m.audio.last_us,
		    (long long)m.video.last_us);
	end_file(w);
	if (llabs(w->recorded_ms - length_ms) > 200)
		fail_msg("%lld ms are recorded, not %lld", (long long)w->recorded_ms, (long long)length_ms);
}

static void check(struct show *w, int64_t length_ms, unsigned discontinuities, unsigned files)
{
	check_ring(w, length_ms, length_ms, 2500);
	check_ts(w, length_ms);
	check_hls(w, 2.5, discontinuities);
	check_sound(w);
	end_file(w);
	if (w->files != files)
		fail_msg("%u files, not %u", w->files, files);
	if (llabs(w->recorded_ms - length_ms) > 2000)
		fail_msg("%lld ms are recorded, not %lld", (long long)w->recorded_ms, (long long)length_ms);
	lower(w);
}

/* ---- what sources do ---- */

static void nothing_special(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, BOTH, 10000, 0, 0);
	check(&w, 10000, 0, 1);
}

static void another_size(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, BOTH, 6000, 0, 0);
	configure(&w, &larger, BOTH);
	run(&w, &larger, BOTH, 4000, 0, 0);
	assert_int_equal(info_of(w.s).width, 480);
	check(&w, 10000, 1, 2);
}

static void sound_that_stops_and_comes_back(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, BOTH, 4000, 0, 0);
	run(&w, &source, VIDEO, 20000, 0, 0);
	check_sound(&w);
	run(&w, &source, BOTH, 4000, 0, 0);
	check(&w, 28000, 0, 1);
}

static void sound_that_is_announced_and_never_comes(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, VIDEO, 10000, 0, 0);
	assert_true(sg_hls_is_ready(w.s));
	check(&w, 10000, 0, 1);
}

static void sound_that_comes_back_with_a_clock_of_its_own(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, BOTH, 12000, HOUR_MS, HOUR_MS);
	run(&w, &source, VIDEO, 4000, HOUR_MS, HOUR_MS);
	run(&w, &source, BOTH, 8000, HOUR_MS, 0);
	check(&w, 24000, 0, 1);
}

static void both_clocks_jump(void **state)
{
	static const uint32_t to[] = { HOUR_MS, -HOUR_MS, 30000, -30000u, 1u << 31, 0x7fff0000 };

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 6000, 2 * HOUR_MS, 2 * HOUR_MS);
		run(&w, &source, BOTH, 6000, 2 * HOUR_MS + to[i], 2 * HOUR_MS + to[i]);
		check(&w, 12000, 0, 1);
	}
}

/* The one a second after the other: they are together again after that. */
static void the_clocks_jump_one_after_the_other(void **state)
{
	static const uint32_t to[] = { HOUR_MS, -HOUR_MS };

	(void)state;
	for (size_t i = 0; i < COUNT(to); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 6000, 2 * HOUR_MS, 2 * HOUR_MS);
		run(&w, &source, BOTH, 1000, 2 * HOUR_MS + to[i], 2 * HOUR_MS);
		run(&w, &source, BOTH, 6000, 2 * HOUR_MS + to[i], 2 * HOUR_MS + to[i]);
		check(&w, 13000, 0, 1);
	}
}

static void tracks_whose_clocks_have_nothing_in_common(void **state)
{
	static const uint32_t off[] = { HOUR_MS, -HOUR_MS, 1u << 31 };

	(void)state;
	for (size_t i = 0; i < COUNT(off); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 12000, 2 * HOUR_MS, 2 * HOUR_MS + off[i]);
		check(&w, 12000, 0, 1);
	}
}

/* As an encoder or a multiplexer that keeps one of them back has it. */
static void sound_behind_the_pictures(void **state)
{
	static const uint32_t late_ms[] = { 800, 1300, 2500 };

	(void)state;
	for (size_t i = 0; i < COUNT(late_ms); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 12000, HOUR_MS, HOUR_MS - late_ms[i]);
		check_ring(&w, 12000, 12000 - late_ms[i], 3000);
		lower(&w);
	}
}

/* It is too far behind to be waited for, and not so far that its clock is not believed: there is no such distance. */
static void sound_that_falls_behind_is_heard(void **state)
{
	(void)state;
	for (uint32_t jump_ms = 2600; jump_ms <= 3200; jump_ms += 50) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 4000, HOUR_MS, HOUR_MS);
		run(&w, &source, BOTH, 20000, HOUR_MS + jump_ms, HOUR_MS);
		if (info_of(w.s).frames_dropped > 250)
			fail_msg("behind by %u ms %llu are left out", jump_ms, (unsigned long long)info_of(w.s).frames_dropped);
		lower(&w);
	}
}

/* More samples come than the source's own time has room for, or fewer: 1.6 % here, where a crystal is off by 0.01 %
 * and a stream goes on for days. */
static void sound_that_is_counted_by_another_clock(void **state)
{
	static const double lasts_ms[] = { 21, 21.7 };

	(void)state;
	for (size_t i = 0; i < COUNT(lasts_ms); i++) {
		struct show w = raise();
		double next_ms = 0;
		configure(&w, &source, BOTH);
		while (w.at_ms < 40000) {
			run(&w, &source, VIDEO, 200, 0, 0);
			for (; next_ms < w.at_ms; next_ms += lasts_ms[i])
				write_audio(w.pub, (uint32_t)next_ms);
		}
		check_ring(&w, 40000, 40000, 2500);
		check_sounds_end(&w, 40000);
		lower(&w);
	}
}

static void clocks_that_wrap(void **state)
{
	static const uint32_t from[] = { 0xffffffff - 3000, 0x7fffffff - 3000, 0xffffff - 3000 };

	(void)state;
	for (size_t i = 0; i < COUNT(from); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 8000, from[i], from[i]);
		check(&w, 8000, 0, 1);
	}
}

static void sound_seconds_before_the_first_picture(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	run(&w, &source, AUDIO, 4000, 0, 0);
	run(&w, &source, BOTH, 6000, 0, 0);
	check_ring(&w, 10000, 10000, 2500);
	check_ts(&w, 10000);
	check_hls(&w, 2.5, 0);
	check_sound(&w);
	lower(&w);
}

/* Decoding times that go back, in pairs and by half a second. */
static void decoding_times_that_go_back(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, BOTH);
	for (uint32_t i = 0; i < 40; i++)
		run(&w, &source, BOTH, 200, 10000 + (i % 2 ? 0 : 500), 10000 + (i % 3 ? 0 : 300));
	check(&w, 8000, 0, 1);
}

static void a_source_that_stalls(void **state)
{
	static const int64_t rows[][2] = { { 8000, 8000 }, { 8000, 0 }, { 20000, 20000 }, { 0, 8000 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 6000, 0, 0);
		stall(&w, rows[i][0]);
		run(&w, &source, BOTH, 6000, (uint32_t)rows[i][1], (uint32_t)rows[i][1]);
		check_ring(&w, 12000 + rows[i][1], 12000 + rows[i][1], rows[i][1] + 2000);
		check_hls(&w, 2.5, rows[i][1] != 0);
		check_sound(&w);
		end_file(&w);
		assert_int_equal(w.files, 1);
		assert_in_range(w.recorded_ms, 11000 + rows[i][1], 13000 + rows[i][1]);
		lower(&w);
	}
}

static double now_s(void)
{
	return (double)(now_us - BEGIN_US) / 1e6;
}

static double period_end_s(const struct dash_period *p)
{
	const struct dash_track *t = &p->tracks[0];
	const struct dash_segment *last = &t->segments[t->count - 1];

	return dash_presented(p, t, last->t + last->d);
}

/* A player that goes by the clock on the wall stays where the media end, and goes on there; one that comes begins
 * near the end. */
static void a_publisher_that_goes_and_comes_back(void **state)
{
	static const int64_t gap_ms[] = { 1000, 6000, 20000, 29000 };

	(void)state;
	for (size_t i = 0; i < COUNT(gap_ms); i++) {
		struct show w = raise();
		configure(&w, &source, BOTH);
		run(&w, &source, BOTH, 6000, 0, 0);
		sg_publisher_close(w.pub, false);
		for (int64_t ms = 0; ms < gap_ms[i]; ms += 1000) {
			stall(&w, 1000);
			describe(&w);
			assert_int_equal(w.dash.count, 1);
			double end_s = period_end_s(w.dash.periods);
			assert_true(now_s() - w.dash.depth_s < end_s - 4 && now_s() - w.dash.delay_s < end_s + 1);
		}
		w.pub = publish(w.hub);
		configure(&w, &source, BOTH);
		while (w.dash.count == 1)
			run(&w, &source, BOTH, 200, 0, 0);
		assert_true(now_s() - w.dash.depth_s < period_end_s(&w.dash.periods[0]) - 4);
		double live_s = period_end_s(&w.dash.periods[1]) - (now_s() - w.dash.delay_s);
		if (live_s < 1 || live_s > 5)
			fail_msg("after %lld ms one begins %.1f s from the end", (long long)gap_ms[i], live_s);
		run(&w, &source, BOTH, 4000, 0, 0);
		check_hls(&w, 2.5, 1);
		check_sound(&w);
		lower(&w);
	}
}

static void a_publisher_that_comes_back_as_another(void **state)
{
	struct show w = raise();

	(void)state;
	configure(&w, &source, VIDEO);
	run(&w, &source, VIDEO, 3000, 0, 0);
	sg_publisher_close(w.pub, false);
	stall(&w, 2000);
	w.pub = publish(w.hub);
	configure(&w, &larger, BOTH);
	run(&w, &larger, BOTH, 6000, 0, 0);
	check_hls(&w, 2.5, 1);
	assert_int_equal(w.dash.periods[0].count, 1);
	lower(&w);
}

/* Each description is held against the former: what has been said stays, and there is no hole. */
static void publishers_with_pictures_or_sound_alone(void **state)
{
	static const int tracks[] = { VIDEO, AUDIO, BOTH, AUDIO, VIDEO, VIDEO, BOTH };
	struct show w = raise();

	(void)state;
	for (size_t i = 0; i < COUNT(tracks); i++) {
		configure(&w, &source, tracks[i]);
		run(&w, &source, tracks[i], 4400, 0, 0);
		assert_true(w.dash.count >= 2 || i == 0);
		assert_int_equal(w.dash.periods[w.dash.count - 1].id, i);
		for (size_t k = 0; k < w.dash.count; k++)
			for (size_t t = 0; t < w.dash.periods[k].count; t++)
				assert_true(w.dash.periods[k].tracks[t].bandwidth > 0);
		sg_publisher_close(w.pub, false);
		stall(&w, 3000);
		describe(&w);
		w.pub = publish(w.hub);
	}
	lower(&w);
}

/* Whoever comes first to its HLS sees nothing of it. */
static void a_source_that_stalled(void **state)
{
	struct sg_hub *hub = hub_open();
	struct sg_publisher *pub = publish(hub);
	struct sg_stream *s = sg_publisher_stream(pub);

	(void)state;
	feed(pub, BOTH, 0, 2000, 0);
	pass_ms(20000);
	feed(pub, BOTH, 2000, 4000, 20000);
	(void)sg_hls_is_ready(s);
	feed(pub, BOTH, 1, SOURCE_MS, 24000);
	assert_has(text_of(s, "main.m3u8"), "#EXT-X-TARGETDURATION:2\n");
	assert_null(strstr(text_of(s, "main.m3u8"), "#EXT-X-DISCONTINUITY"));
	sg_publisher_close(pub, true);
	sg_hub_close(hub);
}

/* ---- the same over SRT: MPEG-TS ---- */

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

/* ---- silence ---- */

static void assert_silent(enum AVCodecID codec, const uint8_t *config, size_t len, struct sg_frame *silence,
    int samples)
{
	AVCodecContext *ctx = avcodec_alloc_context3(avcodec_find_decoder(codec));
	AVPacket *pkt = av_packet_alloc();
	AVFrame *out = av_frame_alloc();

	assert_non_null(silence);
	ctx->extradata = av_mallocz(len + AV_INPUT_BUFFER_PADDING_SIZE);
	memcpy(ctx->extradata, config, len);
	ctx->extradata_size = (int)len;
	ctx->err_recognition = AV_EF_EXPLODE;
	ctx->request_sample_fmt = AV_SAMPLE_FMT_FLTP;
	assert_int_equal(avcodec_open2(ctx, NULL, NULL), 0);
	pkt->data = silence->payload;
	pkt->size = (int)silence->size;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(avcodec_send_packet(ctx, pkt), 0);
		if (avcodec_receive_frame(ctx, out) != 0)
			continue;
		assert_in_range(out->nb_samples, samples / 2, samples);
		for (int c = 0; c < out->ch_layout.nb_channels; c++)
			for (int n = 0; n < out->nb_samples; n++)
				assert_true(((float *)out->extended_data[c])[n] < 1e-4f &&
					    ((float *)out->extended_data[c])[n] > -1e-4f);
	}
	av_frame_free(&out);
	pkt->data = NULL;
	av_packet_free(&pkt);
	avcodec_free_context(&ctx);
	sg_frame_unref(silence);
}

static void decoders_hear_nothing_of_silence(void **state)
{
	uint8_t opus[19] = "OpusHead\1\0\0\0\x80\xbb";
	struct sg_audio_params ap;
	int samples;

	(void)state;
	for (unsigned layout = 1; layout <= 7; layout++) {
		const uint8_t asc[] = { 2 << 3 | 3 >> 1, (uint8_t)((3 & 1) << 7 | layout << 3) }; /* 48 kHz */
		assert_int_equal(sg_audio_params_parse(SG_CODEC_AAC, asc, 2, &ap), SG_OK);
		struct sg_frame *f = sg_silence(SG_CODEC_AAC, &ap, &samples);
		assert_int_equal(samples, 1024);
		assert_silent(AV_CODEC_ID_AAC, asc, 2, f, samples);
	}
	for (uint8_t channels = 1; channels <= 2; channels++) {
		opus[9] = channels;
		assert_int_equal(sg_audio_params_parse(SG_CODEC_OPUS, opus, sizeof(opus), &ap), SG_OK);
		struct sg_frame *f = sg_silence(SG_CODEC_OPUS, &ap, &samples);
		assert_int_equal(samples, 960);
		assert_silent(AV_CODEC_ID_OPUS, opus, sizeof(opus), f, samples);
	}
}

static void there_is_no_silence_in_layouts_that_stand_elsewhere(void **state)
{
	const uint8_t asc[] = { 2 << 3 | 3 >> 1, (3 & 1) << 7 }; /* its channels stand in a program config element */
	struct sg_audio_params ap = { 0 };
	int samples;

	(void)state;
	assert_null(sg_silence(SG_CODEC_MP3, &ap, &samples));
	assert_null(sg_silence(SG_CODEC_NONE, &ap, &samples));
	assert_int_equal(sg_audio_params_parse(SG_CODEC_AAC, asc, 2, &ap), SG_OK);
	assert_null(sg_silence(SG_CODEC_AAC, &ap, &samples));
	ap = (struct sg_audio_params){ .channels = 6 };
	assert_null(sg_silence(SG_CODEC_OPUS, &ap, &samples));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_special),
		cmocka_unit_test(another_size),
		cmocka_unit_test(sound_that_stops_and_comes_back),
		cmocka_unit_test(sound_that_is_announced_and_never_comes),
		cmocka_unit_test(sound_that_comes_back_with_a_clock_of_its_own),
		cmocka_unit_test(both_clocks_jump),
		cmocka_unit_test(the_clocks_jump_one_after_the_other),
		cmocka_unit_test(tracks_whose_clocks_have_nothing_in_common),
		cmocka_unit_test(sound_behind_the_pictures),
		cmocka_unit_test(sound_that_falls_behind_is_heard),
		cmocka_unit_test(sound_that_is_counted_by_another_clock),
		cmocka_unit_test(clocks_that_wrap),
		cmocka_unit_test(sound_seconds_before_the_first_picture),
		cmocka_unit_test(decoding_times_that_go_back),
		cmocka_unit_test(a_source_that_stalls),
		cmocka_unit_test(a_publisher_that_goes_and_comes_back),
		cmocka_unit_test(a_publisher_that_comes_back_as_another),
		cmocka_unit_test(publishers_with_pictures_or_sound_alone),
		cmocka_unit_test(a_source_that_stalled),
		cmocka_unit_test(over_srt_another_size),
		cmocka_unit_test(over_srt_another_sampling_rate),
		cmocka_unit_test(over_srt_sound_that_stops_and_comes_back),
		cmocka_unit_test(over_srt_sound_that_comes_late),
		cmocka_unit_test(over_srt_clocks_that_wrap),
		cmocka_unit_test(decoders_hear_nothing_of_silence),
		cmocka_unit_test(there_is_no_silence_in_layouts_that_stand_elsewhere),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
