/* dash_fixture.h - DASH's description read as a player would, and held against the objects that it names
 * (ISO/IEC 23009-1 for the description, ISO/IEC 14496-12 for the fragments). */
#ifndef SG_TESTS_DASH_FIXTURE_H
#define SG_TESTS_DASH_FIXTURE_H

#include "hls_fixture.h"

struct dash_segment {
	uint64_t number;
	int64_t t, d;
};

struct dash_track {
	char name[16], init[64], codecs[80];
	int scale, width, height, sample_rate, bandwidth;
	int64_t offset; /* presentationTimeOffset */
	struct dash_segment segments[64];
	size_t count;
};

struct dash_period {
	uint64_t id;
	double start_s;
	struct dash_track tracks[3];
	size_t count;
};

struct dash {
	char published[32];
	double longest_s, depth_s, delay_s; /* maxSegmentDuration, timeShiftBufferDepth, suggestedPresentationDelay */
	struct dash_period periods[16];
	size_t count;
};

static inline const char *dash_value(const char *element, const char *name)
{
	static char value[4][128];
	static unsigned turn;
	char *out = value[turn++ % 4], key[64];

	snprintf(key, sizeof(key), " %s=\"", name);
	const char *end = strchr(element, '>'), *p = strstr(element, key);
	snprintf(out, sizeof(value[0]), "%.*s", p && p < end ? (int)strcspn(p + strlen(key), "\"") : 0,
	    p && p < end ? p + strlen(key) : "");
	return out;
}

static inline double dash_seconds(const char *element, const char *name)
{
	double s = -1;

	sscanf(dash_value(element, name), "PT%lfS", &s);
	return s;
}

static inline void dash_read_times(struct dash_track *t, const char *from, const char *end, uint64_t number)
{
	int64_t at = 0;

	for (const char *p = from; (p = strstr(p, "<S ")) && p < end; p++) {
		const char *said = dash_value(p, "t");
		at = *said ? atoll(said) : at;
		assert_true(*said || t->count);
		assert_true(t->count < COUNT(t->segments));
		t->segments[t->count++] = (struct dash_segment){ number++, at, atoll(dash_value(p, "d")) };
		at += atoll(dash_value(p, "d"));
	}
}

static inline void dash_read_track(struct dash_track *t, const char *p)
{
	const char *rep = strstr(p, "<Representation"), *tmpl = strstr(p, "<SegmentTemplate");
	const char *end = strstr(p, "</AdaptationSet>");

	assert_true(rep && tmpl && rep < tmpl && tmpl < end);
	*t = (struct dash_track){ .scale = atoi(dash_value(tmpl, "timescale")),
		.offset = atoll(dash_value(tmpl, "presentationTimeOffset")), .width = atoi(dash_value(rep, "width")),
		.height = atoi(dash_value(rep, "height")), .sample_rate = atoi(dash_value(rep, "audioSamplingRate")),
		.bandwidth = atoi(dash_value(rep, "bandwidth")) };
	snprintf(t->name, sizeof(t->name), "%s", dash_value(rep, "id"));
	snprintf(t->codecs, sizeof(t->codecs), "%s", dash_value(rep, "codecs"));
	snprintf(t->init, sizeof(t->init), "%s", dash_value(tmpl, "initialization"));
	dash_read_times(t, tmpl, end, strtoull(dash_value(tmpl, "startNumber"), NULL, 10));
}

static inline void dash_read_period(struct dash_period *period, const char *p)
{
	const char *end = strstr(p, "</Period>");

	*period = (struct dash_period){ .id = strtoull(dash_value(p, "id"), NULL, 10), .start_s = dash_seconds(p, "start") };
	assert_non_null(end);
	for (; (p = strstr(p, "<AdaptationSet")) && p < end; p++) {
		assert_true(period->count < COUNT(period->tracks));
		dash_read_track(&period->tracks[period->count++], p);
	}
}

/* False: there is none yet. */
static inline bool dash_read(struct dash *out, struct sg_stream *s)
{
	struct sg_blob *b = sg_hls_mpd(s, "");

	*out = (struct dash){ 0 };
	if (!b)
		return false;
	char *text = sg_str_dup((struct sg_str){ (const char *)b->p, b->size });
	const char *mpd = strstr(text, "<MPD");
	assert_non_null(mpd);
	snprintf(out->published, sizeof(out->published), "%s", dash_value(mpd, "publishTime"));
	out->longest_s = dash_seconds(mpd, "maxSegmentDuration");
	out->depth_s = dash_seconds(mpd, "timeShiftBufferDepth");
	out->delay_s = dash_seconds(mpd, "suggestedPresentationDelay");
	for (const char *p = mpd; (p = strstr(p, "<Period")); p++) {
		assert_true(out->count < COUNT(out->periods));
		dash_read_period(&out->periods[out->count++], p);
	}
	free(text);
	sg_blob_unref(b);
	return true;
}

/* Where a time of the track's media is presented, in seconds. */
static inline double dash_presented(const struct dash_period *p, const struct dash_track *t, int64_t at)
{
	return p->start_s + (double)(at - t->offset) / t->scale;
}

/* ---- what it says, and said before ---- */

/* From one description to the next: what was said of a period or a segment stays. */
static inline void dash_check_change(const struct dash *was, const struct dash *is)
{
	assert_true(strcmp(was->published, is->published) <= 0);
	for (size_t i = 0; i < was->count; i++)
		for (size_t j = 0; j < is->count; j++) {
			const struct dash_period *p = &was->periods[i], *q = &is->periods[j];
			if (p->id != q->id)
				continue;
			if (j + was->count - i > is->count || p->count != q->count)
				fail_msg("period %llu has other tracks, or others are gone", (unsigned long long)p->id);
			assert_true(p->start_s == q->start_s);
			for (size_t k = 0; k < p->count; k++) {
				const struct dash_track *t = &p->tracks[k], *u = &q->tracks[k];
				assert_string_equal(t->init, u->init);
				assert_string_equal(t->codecs, u->codecs);
				assert_true(t->offset == u->offset && t->scale == u->scale && t->width == u->width);
				/* Segments are added at the end, and go at the beginning. */
				const struct dash_segment *a = t->segments, *b = u->segments;
				uint64_t skip = b->number - a->number;
				assert_true(b->number >= a->number && skip <= t->count && t->count - skip <= u->count);
				assert_true(j + 1 == is->count || i + 1 == was->count || t->count - skip == u->count);
				assert_memory_equal(a + skip, b, (t->count - skip) * sizeof(*a));
			}
		}
}

/* Where the media of the former end, of whichever track first: there are no holes between them. */
static inline void dash_check_period(const struct dash_period *former, const struct dash_period *p)
{
	double end_s = 1e9;

	for (size_t k = 0; k < former->count; k++) {
		const struct dash_segment *last = &former->tracks[k].segments[former->tracks[k].count - 1];
		double at = dash_presented(former, &former->tracks[k], last->t + last->d);
		end_s = at < end_s ? at : end_s;
	}
	if (p->id <= former->id || p->start_s < end_s - 0.002 || p->start_s > end_s + 0.002)
		fail_msg("period %llu begins at %.3f s, the former ends at %.3f", (unsigned long long)p->id,
		    p->start_s, end_s);
	for (size_t k = 0; k < p->count; k++) {
		double at = dash_presented(p, &p->tracks[k], p->tracks[k].segments[0].t);
		if (at > p->start_s + 1)
			fail_msg("%s of period %llu begins at %.3f s, its period at %.3f", p->tracks[k].name,
			    (unsigned long long)p->id, at, p->start_s);
	}
}

/* The track's own times; answers how many holes there are. */
static inline unsigned dash_check_track_times(const struct dash *d, const struct dash_period *p,
    const struct dash_track *t)
{
	unsigned holes = 0;

	assert_true(t->count && t->scale > 0);
	if (dash_presented(p, t, t->segments[0].t) < p->start_s - 0.002)
		fail_msg("%s begins at %.3f s, before its period at %.3f", t->name,
		    dash_presented(p, t, t->segments[0].t), p->start_s);
	for (size_t n = 0; n < t->count; n++) {
		const struct dash_segment *seg = &t->segments[n];
		if (seg->d <= 0 || (double)seg->d / t->scale > d->longest_s)
			fail_msg("%s-%llu lasts %lld", t->name, (unsigned long long)seg->number, (long long)seg->d);
		if (n && seg->t < seg[-1].t + seg[-1].d)
			fail_msg("%s-%llu begins too early", t->name, (unsigned long long)seg->number);
		holes += n && seg->t > seg[-1].t + seg[-1].d;
	}
	return holes;
}

/* One description: times go on, from one period to the next too. Answers how many holes there are in periods. */
static inline unsigned dash_check_times(const struct dash *d)
{
	unsigned holes = 0;

	assert_true(d->count && d->delay_s > 0 && d->depth_s >= d->delay_s);
	for (size_t i = 0; i < d->count; i++) {
		const struct dash_period *p = &d->periods[i];
		assert_true(p->count);
		for (size_t k = 0; k < p->count; k++)
			holes += dash_check_track_times(d, p, &p->tracks[k]);
		if (i)
			dash_check_period(p - 1, p);
	}
	return holes;
}

/* ---- the objects ---- */

static inline uint32_t dash_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The next box of [*p, end) with its header, into which *p goes on; NULL at the end. */
static inline const uint8_t *dash_box(const uint8_t **p, const uint8_t *end, char type[5])
{
	const uint8_t *box = *p;

	if (box == end)
		return NULL;
	assert_true(end - box >= 8 && dash_be32(box) >= 8 && dash_be32(box) <= end - box);
	memcpy(type, box + 4, 4);
	type[4] = 0;
	*p = box + dash_be32(box);
	return box;
}

/* One fragment of one track begins at *at, which goes on by what its samples last. */
static inline void dash_check_traf(const uint8_t *p, const uint8_t *end, int64_t *at, bool begins_picture)
{
	const uint8_t *box;
	char type[5];

	while ((box = dash_box(&p, end, type))) {
		if (strcmp(type, "tfdt") == 0) {
			int64_t said = (int64_t)((uint64_t)dash_be32(box + 12) << 32 | dash_be32(box + 16));
			if (said != *at)
				fail_msg("a fragment begins at %lld, not %lld", (long long)said, (long long)*at);
		}
		if (strcmp(type, "trun") != 0)
			continue;
		uint32_t count = dash_be32(box + 12);
		assert_true(count && dash_be32(box) == 20 + 16 * count);
		for (uint32_t i = 0; i < count; i++) {
			const uint8_t *row = box + 20 + 16 * i;
			assert_true(dash_be32(row) > 0 && dash_be32(row) < INT32_MAX);
			if (i == 0 && begins_picture)
				assert_int_equal(dash_be32(row + 8), 0x02000000); /* a sync sample */
			*at += dash_be32(row);
		}
	}
}

static inline void dash_check_segment(struct sg_stream *s, const struct dash_track *t, const struct dash_segment *seg)
{
	struct media m = { 0 };
	char name[64], type[5];
	int64_t at = seg->t;
	const uint8_t *box;

	snprintf(name, sizeof(name), "%s-%llu.m4s", t->name, (unsigned long long)seg->number);
	sg_buf_init(&m.bytes, 64u << 20);
	append_object(&m, s, name);
	for (const uint8_t *p = m.bytes.p, *end = p + m.bytes.len; (box = dash_box(&p, end, type));) {
		if (strcmp(type, "moof") != 0)
			continue;
		unsigned trafs = 0;
		for (const uint8_t *q = box + 8, *r; (r = dash_box(&q, p, type));)
			if (strcmp(type, "traf") == 0 && ++trafs)
				dash_check_traf(r + 8, q, &at, t->width && at == seg->t);
		assert_int_equal(trafs, 1);
	}
	if (at != seg->t + seg->d)
		fail_msg("%s lasts %lld, not %lld", name, (long long)(at - seg->t), (long long)seg->d);
	sg_buf_reset(&m.bytes);
}

/* Decoded with its initialization segment, it is what is said of it. */
static inline void dash_check_track(struct sg_stream *s, const struct dash_track *t)
{
	struct media m = { 0 };
	char name[64];

	sg_buf_init(&m.bytes, 64u << 20);
	append_object(&m, s, t->init);
	for (size_t i = 0; i < t->count; i++) {
		dash_check_segment(s, t, &t->segments[i]);
		snprintf(name, sizeof(name), "%s-%llu.m4s", t->name, (unsigned long long)t->segments[i].number);
		append_object(&m, s, name);
	}
	read_back(&m, "mp4");
	const struct track *of = t->width ? &m.video : &m.audio;
	assert_true(m.others == 0 && of->packets && of->monotonic);
	assert_int_equal((t->width ? &m.audio : &m.video)->codec, AV_CODEC_ID_NONE);
	assert_true(of->width == t->width && of->height == t->height && of->sample_rate == t->sample_rate);
	assert_int_equal(of->codec, strncmp(t->codecs, "avc1.", 5) == 0	  ? AV_CODEC_ID_H264
				    : strcmp(t->codecs, "mp4a.40.2") == 0 ? AV_CODEC_ID_AAC
				    : strcmp(t->codecs, "opus") == 0	  ? AV_CODEC_ID_OPUS
									  : AV_CODEC_ID_NONE);
}

static inline void dash_check_objects(struct sg_stream *s, const struct dash *d)
{
	for (size_t i = 0; i < d->count; i++)
		for (size_t k = 0; k < d->periods[i].count; k++)
			dash_check_track(s, &d->periods[i].tracks[k]);
}

#endif
