/* torture_fixture.h - a source that is watched in every way: the ring (RTMP, FLV, WebRTC), MPEG-TS (HTTP, SRT), HLS with its
 * parts, DASH, recordings; and what must have come of it. */
#ifndef SG_TESTS_TORTURE_FIXTURE_H
#define SG_TESTS_TORTURE_FIXTURE_H

#include "dash_fixture.h"
#include "record_fixture.h"
#include <fcntl.h>

#define SOURCE_MS 4000
#define HOUR_MS 3600000u

static struct source larger;

static inline int begin(void **state)
{
	return source_open(state) != 0 || source_encode(&larger, "480x270") != 0 ? -1 : record_place_open();
}

static inline int end(void **state)
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

static inline void end_file(struct show *w)
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

static inline void record(struct show *w)
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

static inline void describe(struct show *w)
{
	struct dash now;

	if (!dash_read(&now, w->s))
		return;
	dash_check_times(&now);
	dash_check_change(&w->dash, &now);
	w->dash = now;
}

static inline struct show raise(void)
{
	struct show w = { .hub = hub_open(), .zero_us = BEGIN_US };

	w.pub = publish_wanted(w.hub);
	w.s = sg_stream_ref(sg_publisher_stream(w.pub));
	w.ts = sg_stream_ts_ring(w.s);
	return w;
}

static inline void lower(struct show *w)
{
	end_file(w);
	sg_publisher_close(w->pub, true);
	sg_stream_unref(w->s);
	sg_hub_close(w->hub);
}

static inline void configure(struct show *w, const struct source *src, int what)
{
	if (what & VIDEO)
		write_tag_at(w->pub, src->avc, 0);
	if (what & AUDIO)
		write_tag_at(w->pub, src->aac, 0);
}

/* The next `ms` of the source, which goes round and round; its clocks are off by so much. */
static inline void run(struct show *w, const struct source *src, int what, uint32_t ms, uint32_t video, uint32_t audio)
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
static inline void stall(struct show *w, int64_t ms)
{
	w->zero_us += ms * 1000;
	now_us += ms * 1000;
}

/* ---- what came of it ---- */

static inline void check_ring(struct show *w, int64_t pictures_ms, int64_t sound_ms, int64_t step_ms)
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
static inline void check_packets(const struct sg_buf *ts)
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

static inline void check_ts(struct show *w, int64_t length_ms)
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
static inline void check_run(struct media *m, double seconds)
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
static inline void check_dash(struct show *w, unsigned periods)
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

static inline void check_hls(struct show *w, double longest_s, unsigned discontinuities)
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
static inline double last_begins_s(const char *playlist)
{
	double at_s = -1, seconds;
	int hours, minutes;

	for (const char *p = playlist; (p = strstr(p, "#EXT-X-PROGRAM-DATE-TIME:")); p++)
		if (sscanf(p, "#EXT-X-PROGRAM-DATE-TIME:%*d-%*d-%*dT%d:%d:%lfZ", &hours, &minutes, &seconds) == 3)
			at_s = hours * 3600 + minutes * 60 + seconds;
	return at_s;
}

/* The sound goes on where the pictures do. */
static inline void check_sound(struct show *w)
{
	double video_s = last_begins_s(text_of(w->s, "main.m3u8")), audio_s = last_begins_s(text_of(w->s, "audio.m3u8"));

	if (video_s < 0 || audio_s < 0 || fabs(video_s - audio_s) > 2.5)
		fail_msg("pictures are at %.3f s, sound at %.3f", video_s, audio_s);
}

/* Where the pictures do, in everything that counts samples. */
static inline void check_sounds_end(struct show *w, int64_t length_ms)
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

static inline void check(struct show *w, int64_t length_ms, unsigned discontinuities, unsigned files)
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

#endif
