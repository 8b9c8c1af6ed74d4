/* dash.c - DASH's description of the same objects (ISO/IEC 23009-1, live profile). A run is a period; it begins
 * where the former ends, so that the presentation has no holes: players take their time over those. What a
 * publisher was away is a delay from then on, which all are told of. */
#include "media/hls_internal.h"
#include "base/clock.h"

#define MPD_MAX_BYTES (1u << 20)
#define RUNS_MAX (HLS_TRACKS * (HLS_KEPT + 1)) /* that there may be something of */

static size_t first_listed(const struct hls_track *t)
{
	return t->count > HLS_LISTED ? t->count - HLS_LISTED : 0;
}

/* The segments [*from, *to) of the track belong to `run` and are whole. */
static void range_of(
    const struct hls_track *t, const struct hls_run *run, size_t *from, size_t *to)
{
	size_t first = first_listed(t);

	while (first < t->count && t->segments[first].run != run)
		first++;
	*from = *to = first;
	while (*to < t->count && t->segments[*to].run == run && t->segments[*to].whole)
		++*to;
}

/* A period has all its tracks or is not there: none is added or taken away later. */
static bool is_listed(struct sg_hls *h, const struct hls_run *run)
{
	size_t from, to;

	for (int i = 0; i < HLS_TRACKS; i++) {
		range_of(&h->tracks[i], run, &from, &to);
		if (run->init[i] && from == to)
			return false;
	}
	return true;
}

static void put_times(struct sg_buf *b, const struct hls_track *t, size_t from, size_t to)
{
	sg_buf_puts(b, "<SegmentTimeline>");
	for (size_t i = from; i < to; i++) {
		const struct hls_segment *seg = &t->segments[i];
		if (i == from || t->segments[i - 1].start + t->segments[i - 1].ticks != seg->start)
			sg_buf_printf(b, "<S t=\"%lld\" d=\"%lld\"/>", (long long)seg->start,
			    (long long)seg->ticks);
		else
			sg_buf_printf(b, "<S d=\"%lld\"/>", (long long)seg->ticks);
	}
	sg_buf_puts(b, "</SegmentTimeline>");
}

static void put_track(struct sg_buf *b, struct sg_hls *h, const struct hls_run *run, int track)
{
	const struct hls_track *t = &h->tracks[track];
	const char *name = hls_track_names[track], *kind = track == HLS_AUDIO ? "audio" : "video";
	size_t from, to;

	range_of(t, run, &from, &to);
	/* Pictures and sound apart; those without sound are the main rendition. */
	if (!run->init[track] || (track == HLS_MAIN && run->init[HLS_VIDEO]))
		return;
	sg_buf_printf(b,
	    "<AdaptationSet id=\"%d\" contentType=\"%s\" mimeType=\"%s/mp4\" segmentAlignment=\"true\" "
	    "startWithSAP=\"1\"><Representation id=\"%s\" bandwidth=\"%llu\" codecs=\"%s\"",
	    track, kind, kind, name, (unsigned long long)hls_bandwidth(h, run, track), run->codecs[track]);
	if (track == HLS_AUDIO)
		sg_buf_printf(b,
		    " audioSamplingRate=\"%d\"><AudioChannelConfiguration schemeIdUri=\""
		    "urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" value=\"%d\"/>",
		    run->sample_rate, run->channels);
	else
		sg_buf_printf(b, " width=\"%d\" height=\"%d\">", run->width, run->height);
	sg_buf_printf(b,
	    "<SegmentTemplate timescale=\"%d\" presentationTimeOffset=\"%lld\" "
	    "initialization=\"%s-init-%llu.mp4\" media=\"%s-$Number$.m4s\" startNumber=\"%llu\">",
	    run->scale[track], (long long)(run->start_90khz * run->scale[track] / 90000), name,
	    (unsigned long long)run->number, name, (unsigned long long)t->segments[from].number);
	put_times(b, t, from, to);
	sg_buf_puts(b, "</SegmentTemplate></Representation></AdaptationSet>\n");
}

/* The last run before `run` (NULL: of all) that there is something of; publishers need not have the same tracks. */
static const struct hls_run *run_before(const struct sg_hls *h, const struct hls_run *run)
{
	const struct hls_run *found = NULL;

	for (int i = 0; i < HLS_TRACKS; i++)
		for (size_t k = 0; k < h->tracks[i].count; k++) {
			const struct hls_run *r = h->tracks[i].segments[k].run;
			if ((!run || r->number < run->number) && (!found || r->number > found->number))
				found = r;
		}
	return found;
}

/* Are its first segments gone, or not listed any more? */
static bool is_cut(const struct sg_hls *h, const struct hls_run *run)
{
	bool cut = run->is_cut;

	for (int i = 0; i < HLS_TRACKS; i++) {
		const struct hls_track *t = &h->tracks[i];
		for (size_t k = 0; k < first_listed(t); k++)
			cut = cut || t->segments[k].run == run;
	}
	return cut;
}

/* The runs that are periods, the newest first; answers how many. Those in front of one whose beginning is gone would
 * have a hole behind them. */
static size_t list_runs(struct sg_hls *h, const struct hls_run *runs[RUNS_MAX])
{
	size_t count = 0;

	for (const struct hls_run *run = run_before(h, NULL); run; run = run_before(h, run)) {
		if (is_listed(h, run))
			runs[count++] = run;
		if (is_cut(h, run))
			break;
	}
	return count;
}

static void put_periods(struct sg_buf *b, struct sg_hls *h)
{
	const struct hls_run *runs[RUNS_MAX];

	for (size_t i = list_runs(h, runs); i-- > 0;) {
		sg_buf_printf(b, "<Period id=\"%llu\" start=\"PT%.3fS\">\n",
		    (unsigned long long)runs[i]->number, (double)runs[i]->period_ms / 1000);
		for (int track = 0; track < HLS_TRACKS; track++)
			put_track(b, h, runs[i], track);
		sg_buf_puts(b, "</Period>\n");
	}
}

/* How far back from the clock on the wall one may go, and at which distance one is to follow, in seconds. */
struct window {
	int64_t depth_s, delay_s;
};

/* When what the segment has is over, as it is presented. */
static int64_t end_ms(const struct hls_segment *seg, int track)
{
	const struct hls_run *run = seg->run;

	return run->period_ms + (seg->start + seg->ticks) * 1000 / run->scale[track] -
	       run->start_90khz / TICKS_PER_MS;
}

/* Both have room for the holes that were left out. While nothing comes, or where the stream's clock has fallen
 * behind, they grow: what was last stays in the window. One whose window has passed the last segment takes all
 * that follow for as late (dash.js's fallbackToSegmentTimeline). */
static struct window window_of(struct sg_hls *h, int64_t now_ms)
{
	const struct hls_run *runs[RUNS_MAX];
	int64_t left_out_ms = 0, late_ms = 0;

	if (list_runs(h, runs)) {
		const int track = runs[0]->init[HLS_MAIN] ? HLS_MAIN : HLS_AUDIO;
		const struct hls_track *t = &h->tracks[track];
		size_t from, to;
		range_of(t, runs[0], &from, &to);
		left_out_ms = runs[0]->start_90khz / TICKS_PER_MS - runs[0]->period_ms;
		late_ms = now_ms - left_out_ms - end_ms(&t->segments[to - 1], track) - (h->target_s + 1) * 1000;
	}
	int64_t more_s = ((left_out_ms > 0 ? left_out_ms : 0) + (late_ms > 0 ? late_ms : 0)) / 1000;
	return (struct window){ (HLS_LISTED - 2) * h->target_s + more_s, 2 * h->target_s + more_s };
}

/* When the last of all ends as it is presented, in seconds. */
static double end_of_all(struct sg_hls *h)
{
	int64_t end = 0;

	for (int i = 0; i < HLS_TRACKS; i++) {
		const struct hls_segment *last = hls_last(&h->tracks[i]);
		int64_t at = last ? end_ms(last, i) : 0;
		end = at > end ? at : end;
	}
	return (double)end / 1000;
}

struct sg_blob *hls_mpd(struct sg_hls *h, const char *prefix)
{
	char begun[SG_TIME_TEXT_SIZE], now[SG_TIME_TEXT_SIZE];
	int64_t target_s = h->target_s, now_ms = sg_wall_ms();
	struct window w = window_of(h, now_ms - h->zero_wall_ms);
	struct sg_buf b;

	sg_time_format_ms(begun, h->zero_wall_ms);
	sg_time_format_ms(now, now_ms);
	sg_buf_init(&b, MPD_MAX_BYTES);
	/* The target is rounded: segments last up to half a second more. */
	sg_buf_printf(&b,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" "
	    "profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" type=\"dynamic\" "
	    "availabilityStartTime=\"%s\" publishTime=\"%s\" minBufferTime=\"PT1S\" "
	    "maxSegmentDuration=\"PT%lld.5S\" timeShiftBufferDepth=\"PT%lldS\" "
	    "suggestedPresentationDelay=\"PT%lldS\"",
	    begun, now, (long long)target_s, (long long)w.depth_s, (long long)w.delay_s);
	if (h->ended)
		sg_buf_printf(&b, " mediaPresentationDuration=\"PT%.3fS\">\n", end_of_all(h));
	else
		sg_buf_printf(&b, " minimumUpdatePeriod=\"PT%.1fS\">\n", (double)target_s / 2);
	if (*prefix)
		sg_buf_printf(&b, "<BaseURL>%s</BaseURL>\n<Location>%sindex.mpd</Location>\n", prefix, prefix);
	put_periods(&b, h);
	sg_buf_printf(&b, "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"%s\"/>\n</MPD>\n",
	    now);
	return hls_blob_of(&b);
}
