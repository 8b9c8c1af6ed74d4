/* hls_playlist.c - HLS's texts: the multivariant playlist and the media playlists
 * (draft-pantos-hls-rfc8216bis; section numbers are its). */
#include "media/hls_internal.h"

#define PLAYLIST_MAX_BYTES (1u << 20)
#define HOLD_BACK_PARTS 3      /* 4.4.3.8: at least two, better three part targets */
#define SKIP_UNTIL_TARGETS 6   /* 4.4.3.8: at least six target durations */
#define PARTS_FOR_TARGETS 3    /* 6.2.2: parts may go when they are three target durations back */

struct sg_blob *hls_blob_of(struct sg_buf *b)
{
	struct sg_blob *blob = b->failed ? NULL : sg_blob_new(b->len);

	if (blob && b->len)
		memcpy(blob->p, b->p, b->len);
	sg_buf_reset(b);
	return blob;
}

static double seconds(int64_t ticks, const struct hls_segment *seg, int track)
{
	return (double)ticks / seg->run->scale[track];
}

/* ---- media playlists ---- */

struct window {
	size_t first, skipped; /* the first that is listed; how many are skipped */
	size_t parts;          /* the first that is listed with its parts */
	double behind[HLS_KEPT + 1]; /* from the end of each segment to the end of all */
};

static void look(struct window *w, struct sg_hls *h, struct hls_track *t, int track, bool skip)
{
	double end = 0;
	size_t whole = t->count;

	if (whole && !t->segments[whole - 1].whole)
		whole--;
	w->first = whole > HLS_LISTED ? whole - HLS_LISTED : 0;
	w->skipped = 0;
	for (size_t i = t->count; i-- > 0;) {
		w->behind[i] = end;
		end += seconds(t->segments[i].ticks, &t->segments[i], track);
	}
	for (w->parts = w->first; w->parts < t->count; w->parts++)
		if (t->segments[w->parts].number >= t->parts_from &&
		    w->behind[w->parts] < (double)(PARTS_FOR_TARGETS * h->target_s))
			break;
	/* Parts that have gone stay gone, also when the target grows: where some appear in front of those it has,
	 * hls.js takes all for new ones. */
	if (w->parts < t->count)
		t->parts_from = t->segments[w->parts].number;
	while (skip && w->first + w->skipped < whole &&
	       w->behind[w->first + w->skipped] >= (double)(SKIP_UNTIL_TARGETS * h->target_s))
		w->skipped++;
}

static void put_head(struct sg_buf *b, struct sg_hls *h, struct hls_track *t, const struct window *w)
{
	const struct hls_segment *first = &t->segments[w->first];
	int64_t part_ms = (h->part_us + 999) / 1000;

	sg_buf_printf(b, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%lld\n",
	    h->part_us ? 9 : 7, (long long)h->target_s);
	if (h->part_us)
		sg_buf_printf(b,
		    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=%.3f,CAN-SKIP-UNTIL=%lld.0\n"
		    "#EXT-X-PART-INF:PART-TARGET=%.3f\n",
		    (double)(HOLD_BACK_PARTS * part_ms) / 1000,
		    (long long)(SKIP_UNTIL_TARGETS * h->target_s), (double)part_ms / 1000);
	sg_buf_printf(b, "#EXT-X-MEDIA-SEQUENCE:%llu\n", (unsigned long long)first->number);
	if (first->discontinuity)
		sg_buf_printf(b, "#EXT-X-DISCONTINUITY-SEQUENCE:%llu\n",
		    (unsigned long long)first->discontinuity);
	sg_buf_puts(b, "#EXT-X-INDEPENDENT-SEGMENTS\n");
	if (w->skipped)
		sg_buf_printf(b, "#EXT-X-SKIP:SKIPPED-SEGMENTS=%zu\n", w->skipped);
}

static void put_parts(struct sg_buf *b, const struct hls_segment *seg, int track)
{
	for (size_t i = 0; i < seg->part_count; i++)
		sg_buf_printf(b, "#EXT-X-PART:DURATION=%.5f,URI=\"%s-p%llu.m4s\"%s\n",
		    seconds(seg->parts[i].ticks, seg, track), hls_track_names[track],
		    (unsigned long long)(seg->first_part + i),
		    seg->parts[i].is_independent ? ",INDEPENDENT=YES" : "");
}

/* As many as lie between: those that a rendition has nothing of are counted too (6.2.2). */
static void put_discontinuities(struct sg_buf *b, uint64_t count)
{
	while (count--)
		sg_buf_puts(b, "#EXT-X-DISCONTINUITY\n");
}

/* `itself`: not its parts alone. */
static void put_segment(struct sg_buf *b, const struct hls_segment *seg,
    const struct hls_segment *former, int track, bool has_parts, bool itself)
{
	const char *name = hls_track_names[track];
	char time[SG_TIME_TEXT_SIZE];

	put_discontinuities(b, former ? seg->discontinuity - former->discontinuity : 0);
	if (!former || former->run != seg->run)
		sg_buf_printf(b, "#EXT-X-MAP:URI=\"%s-init-%llu.mp4\"\n", name,
		    (unsigned long long)seg->run->number);
	sg_time_format_ms(time, seg->wall_ms);
	sg_buf_printf(b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", time);
	if (has_parts)
		put_parts(b, seg, track);
	if (itself)
		sg_buf_printf(b, "#EXTINF:%.5f,\n%s-%llu.m4s\n", seconds(seg->ticks, seg, track), name,
		    (unsigned long long)seg->number);
}

/* 4.4.5.4: where the other renditions are. */
static void put_reports(struct sg_buf *b, struct sg_hls *h, int track)
{
	for (int i = 0; i < HLS_TRACKS; i++) {
		const struct hls_segment *last = hls_last(&h->tracks[i]);
		if (i != track && i != HLS_VIDEO && last && last->run == h->run)
			sg_buf_printf(b,
			    "#EXT-X-RENDITION-REPORT:URI=\"%s.m3u8\",LAST-MSN=%llu,LAST-PART=%zu\n",
			    hls_track_names[i], (unsigned long long)last->number, last->part_count - 1);
	}
}

/* What comes next is of another run: players number what they expect, and are not to take it for the former's
 * (hls.js gives up then). How many discontinuities lie before it. */
static uint64_t breaks_ahead(const struct sg_hls *h, const struct hls_segment *last)
{
	return h->ended ? 0 : h->discontinuity + !h->open - last->discontinuity;
}

bool hls_may_put_parts_first(const struct sg_hls *h, struct hls_track *t)
{
	const struct hls_segment *last = hls_last(t);

	/* Where it is the only one, a playlist without it would have none. */
	return t->count > 1 && last->whole && h->part_us && !h->ended && !breaks_ahead(h, last);
}

struct sg_blob *hls_playlist(struct sg_hls *h, int track, unsigned form)
{
	struct hls_track *t = &h->tracks[track];
	struct window w;
	struct sg_buf b;

	sg_buf_init(&b, PLAYLIST_MAX_BYTES);
	look(&w, h, t, track, form & HLS_SKIP);
	put_head(&b, h, t, &w);
	for (size_t i = w.first + w.skipped; i < t->count; i++) {
		const struct hls_segment *seg = &t->segments[i];
		bool itself = seg->whole && !((form & HLS_PARTS_FIRST) && i + 1 == t->count);
		if (itself || h->part_us)
			put_segment(&b, seg, i > w.first ? seg - 1 : NULL, track, h->part_us && i >= w.parts,
			    itself);
	}
	put_discontinuities(&b, breaks_ahead(h, hls_last(t)));
	if (h->ended) {
		sg_buf_puts(&b, "#EXT-X-ENDLIST\n");
	} else if (h->part_us) {
		if (h->open && t->present)
			sg_buf_printf(&b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"%s-p%llu.m4s\"\n",
			    hls_track_names[track], (unsigned long long)t->next_part);
		put_reports(&b, h, track);
	}
	return hls_blob_of(&b);
}

/* ---- the multivariant playlist ---- */

uint64_t hls_bandwidth(struct sg_hls *h, const struct hls_run *run, int track)
{
	const struct hls_segment *last = hls_last(&h->tracks[track]);

	if (run->peak_bits[track] || !last || last->run != run || !last->ticks)
		return run->peak_bits[track] ? run->peak_bits[track] : 1;
	return (uint64_t)last->bytes * 8 * (uint64_t)run->scale[track] / (uint64_t)last->ticks;
}

static void put_variant(struct sg_buf *b, struct sg_hls *h, int track, const char *prefix)
{
	const struct hls_run *run = h->run;

	if (!run->init[track])
		return;
	sg_buf_printf(
	    b, "#EXT-X-STREAM-INF:BANDWIDTH=%llu", (unsigned long long)hls_bandwidth(h, run, track));
	if (run->codecs[track][0])
		sg_buf_printf(b, ",CODECS=\"%s\"", run->codecs[track]);
	if (track == HLS_MAIN && run->width && run->height)
		sg_buf_printf(b, ",RESOLUTION=%dx%d", run->width, run->height);
	if (track == HLS_MAIN && run->fps > 0)
		sg_buf_printf(b, ",FRAME-RATE=%.3f", run->fps);
	sg_buf_printf(b, "\n%s%s.m3u8\n", prefix, hls_track_names[track]);
}

/* The sound alone comes last: for those whose line is too thin, or who only listen. */
struct sg_blob *hls_master(struct sg_hls *h, const char *prefix)
{
	struct sg_buf b;

	sg_buf_init(&b, 65536);
	sg_buf_printf(
	    &b, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-INDEPENDENT-SEGMENTS\n", h->part_us ? 9 : 7);
	put_variant(&b, h, HLS_MAIN, prefix);
	put_variant(&b, h, HLS_AUDIO, prefix);
	return hls_blob_of(&b);
}
