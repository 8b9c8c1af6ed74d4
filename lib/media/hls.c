/* hls.c - the stream as HLS (RFC 8216, version 7): CMAF segments and playlists, kept in memory,
 * made once on the publisher's thread, read by anybody under a lock.
 *
 * A segment begins at a keyframe (without video: anywhere) and lasts at least SEGMENT_TICKS. Each
 * frame is written when the next of its track tells how long it lasts. */
#include "media/mux.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

#define SEGMENT_TICKS 90000
#define AUDIO_SEGMENT_TICKS 180000
#define TOLERANCE_TICKS 9000 /* a keyframe that comes a little early still ends the segment */
#define SEGMENT_MAX_TICKS (30 * 90000) /* a source without keyframes */
#define SEGMENT_MAX_BYTES (32u << 20)
#define LISTED 6
#define KEPT 9 /* those that have just left the playlist may still be asked for */
/* How long the first frames wait for the other track to show itself. */
#define OTHER_TRACK_TICKS 63000

/* MEDIA: fragments cut by us, exact times, no edit list. */
#define MP4_OPTIONS                                                                                \
	"movflags=empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer:"             \
	"use_editlist=0:avoid_negative_ts=disabled"

struct segment {
	struct sg_blob *blob;
	struct sg_blob *init;
	uint64_t number, init_number;
	int64_t ticks;
	int64_t wall_ms; /* of its first frame */
	bool discontinuity;
};

struct sg_hls {
	struct sg_stream *stream; /* whose part it is */

	/* ---- the publisher's thread ---- */
	struct sg_mux *mux;
	struct sg_buf out;
	struct sg_blob *init;
	struct sg_frame *held[2]; /* video, audio: waiting for their duration */
	int64_t first_dts;        /* of anything since the last break; -1 = nothing yet */
	int64_t start_dts;        /* of the segment; -1 = not begun */
	int64_t start_wall_ms;
	int64_t written_to;       /* end of what has been written of the leading track */
	size_t written_bytes;     /* which the muxer holds, since the last cut */
	uint64_t next_number, init_number;
	bool refused, broken;

	pthread_mutex_t lock; /* what is below */
	struct segment segments[KEPT]; /* oldest first */
	size_t count;
	int64_t target_ticks; /* the longest so far; never so short that it would be rounded to 0 */
	uint64_t discontinuities; /* that have left the playlist */
	uint64_t peak_bits;
	char codecs[80];
	int width, height;
	double fps;
	bool ended;
	struct sg_blob *master, *playlist;
	size_t bytes;

	pthread_mutex_t waiters_lock;
	struct sg_ring_waiter *waiters;
};

struct sg_hls *sg_hls_new(struct sg_stream *s)
{
	struct sg_hls *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->stream = s;
	h->first_dts = h->start_dts = -1;
	h->target_ticks = SEGMENT_TICKS;
	sg_buf_init(&h->out, 2 * SEGMENT_MAX_BYTES);
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->waiters_lock, NULL);
	return h;
}

static void drop_segment(struct sg_hls *h, struct segment *seg)
{
	h->bytes -= seg->blob->size;
	sg_blob_unref(seg->blob);
	sg_blob_unref(seg->init);
}

static void close_mux(struct sg_hls *h)
{
	sg_mux_close(h->mux);
	h->mux = NULL;
	sg_blob_unref(h->init);
	h->init = NULL;
	for (int i = 0; i < 2; i++) {
		sg_frame_unref(h->held[i]);
		h->held[i] = NULL;
	}
	h->first_dts = h->start_dts = -1;
	h->written_bytes = 0;
	sg_buf_reset(&h->out);
}

void sg_hls_free(struct sg_hls *h)
{
	if (!h)
		return;
	close_mux(h);
	for (size_t i = 0; i < h->count; i++)
		drop_segment(h, &h->segments[i]);
	sg_blob_unref(h->master);
	sg_blob_unref(h->playlist);
	pthread_mutex_destroy(&h->lock);
	pthread_mutex_destroy(&h->waiters_lock);
	free(h);
}

/* ---- playlists; locked ---- */

static struct sg_blob *blob_of(struct sg_buf *b)
{
	struct sg_blob *blob = b->failed ? NULL : sg_blob_new(b->len);

	if (blob)
		memcpy(blob->p, b->p, b->len);
	sg_buf_reset(b);
	return blob;
}

static void write_playlist(struct sg_hls *h)
{
	size_t first = h->count > LISTED ? h->count - LISTED : 0;
	uint64_t init = UINT64_MAX;
	char time[SG_TIME_TEXT_SIZE];
	struct sg_buf b;

	sg_buf_init(&b, 65536);
	sg_buf_printf(&b,
	    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%lld\n#EXT-X-MEDIA-SEQUENCE:%llu\n",
	    (long long)((h->target_ticks + 45000) / 90000),
	    (unsigned long long)h->segments[first].number);
	if (h->discontinuities)
		sg_buf_printf(&b, "#EXT-X-DISCONTINUITY-SEQUENCE:%llu\n",
		    (unsigned long long)h->discontinuities);
	sg_buf_puts(&b, "#EXT-X-INDEPENDENT-SEGMENTS\n");
	for (size_t i = first; i < h->count; i++) {
		const struct segment *seg = &h->segments[i];
		if (seg->discontinuity && i > first)
			sg_buf_puts(&b, "#EXT-X-DISCONTINUITY\n");
		if (seg->init_number != init)
			sg_buf_printf(&b, "#EXT-X-MAP:URI=\"init-%llu.mp4\"\n",
			    (unsigned long long)(init = seg->init_number));
		sg_time_format_ms(time, seg->wall_ms);
		sg_buf_printf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n#EXTINF:%.5f,\nseg-%llu.m4s\n", time,
		    (double)seg->ticks / 90000, (unsigned long long)seg->number);
	}
	if (h->ended)
		sg_buf_puts(&b, "#EXT-X-ENDLIST\n");
	sg_blob_unref(h->playlist);
	h->playlist = blob_of(&b);
}

static void write_master(struct sg_hls *h)
{
	struct sg_buf b;

	sg_buf_init(&b, 4096);
	sg_buf_printf(&b,
	    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-STREAM-INF:BANDWIDTH=%llu",
	    (unsigned long long)h->peak_bits);
	if (h->codecs[0])
		sg_buf_printf(&b, ",CODECS=\"%s\"", h->codecs);
	if (h->width && h->height)
		sg_buf_printf(&b, ",RESOLUTION=%dx%d", h->width, h->height);
	if (h->fps > 0)
		sg_buf_printf(&b, ",FRAME-RATE=%.3f", h->fps);
	sg_buf_puts(&b, "\nindex.m3u8\n");
	sg_blob_unref(h->master);
	h->master = blob_of(&b);
}

/* ---- waiters ---- */

static void wake(struct sg_hls *h)
{
	pthread_mutex_lock(&h->waiters_lock);
	for (struct sg_ring_waiter *w = h->waiters; w; w = w->next)
		w->wake(w);
	pthread_mutex_unlock(&h->waiters_lock);
}

void sg_hls_add_waiter(struct sg_stream *s, struct sg_ring_waiter *w)
{
	pthread_mutex_lock(&s->hls->waiters_lock);
	w->next = s->hls->waiters;
	s->hls->waiters = w;
	pthread_mutex_unlock(&s->hls->waiters_lock);
}

void sg_hls_remove_waiter(struct sg_stream *s, struct sg_ring_waiter *w)
{
	pthread_mutex_lock(&s->hls->waiters_lock);
	for (struct sg_ring_waiter **p = &s->hls->waiters; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			break;
		}
	}
	pthread_mutex_unlock(&s->hls->waiters_lock);
}

/* ---- cutting; the publisher's thread ---- */

/* Makes a segment of what the muxer has; `end_dts` is where it ends. */
static void cut(struct sg_hls *h, int64_t end_dts)
{
	struct segment seg = { .number = h->next_number, .init_number = h->init_number,
		.ticks = end_dts - h->start_dts, .wall_ms = h->start_wall_ms, .discontinuity = h->broken };

	if (h->start_dts < 0 || seg.ticks <= 0 || !sg_mux_flush(h->mux, true) || !h->out.len)
		return;
	if (!(seg.blob = blob_of(&h->out)))
		return;
	seg.init = sg_blob_ref(h->init);
	h->next_number++;
	h->broken = false;
	h->start_dts = -1;
	h->written_bytes = 0;

	pthread_mutex_lock(&h->lock);
	if (h->count == KEPT) {
		drop_segment(h, &h->segments[0]);
		memmove(h->segments, h->segments + 1, (KEPT - 1) * sizeof(seg));
		h->count--;
	}
	h->segments[h->count++] = seg;
	h->bytes += seg.blob->size;
	if (h->count > LISTED && h->segments[h->count - LISTED].discontinuity)
		h->discontinuities++; /* now the first one listed: its tag is gone */
	if (seg.ticks > h->target_ticks)
		h->target_ticks = seg.ticks;
	uint64_t bits = (uint64_t)seg.blob->size * 8 * 90000 / (uint64_t)seg.ticks;
	if (bits > h->peak_bits || !h->master) {
		h->peak_bits = bits > h->peak_bits ? bits : h->peak_bits;
		write_master(h);
	}
	write_playlist(h);
	pthread_mutex_unlock(&h->lock);
	wake(h);
}

/* Which of the stream's codecs go into CMAF here. */
static enum sg_codec carried(enum sg_codec c)
{
	return c == SG_CODEC_VP8 || c == SG_CODEC_VP9 ? SG_CODEC_NONE : c;
}

static bool open_mux(struct sg_hls *h)
{
	struct sg_stream *s = h->stream;

	pthread_mutex_lock(&s->lock);
	struct lead lead = lead_ref(&s->now);
	struct sg_video_params vp = s->video;
	struct sg_audio_params ap = s->audio;
	enum sg_codec video = carried(s->info.video), audio = carried(s->info.audio);
	double fps = s->info.fps;
	pthread_mutex_unlock(&s->lock);
	if (video != SG_CODEC_NONE || audio != SG_CODEC_NONE)
		h->mux = sg_mux_open("mp4", MP4_OPTIONS, &lead, video, &vp, audio, &ap, &h->out);
	lead_drop(&lead);
	if (!h->mux || !(h->init = blob_of(&h->out))) {
		sg_log_warning("stream %s cannot be had as HLS: its codecs do not go into it", s->key);
		h->refused = true;
		return false;
	}
	h->init_number = h->next_number;
	pthread_mutex_lock(&h->lock);
	snprintf(h->codecs, sizeof(h->codecs), "%s%s%s", video ? vp.rfc6381 : "",
	    video && audio ? "," : "", audio ? ap.rfc6381 : "");
	h->width = video ? vp.width : 0;
	h->height = video ? vp.height : 0;
	h->fps = fps;
	sg_blob_unref(h->master);
	h->master = NULL;
	pthread_mutex_unlock(&h->lock);
	return true;
}

/* Both tracks must be known before the initialization segment is made; one that does not come is
 * not waited for. */
static bool may_begin(struct sg_hls *h, const struct sg_frame *f)
{
	struct sg_stream *s = h->stream;

	pthread_mutex_lock(&s->lock);
	bool has_video = carried(s->info.video), has_audio = carried(s->info.audio);
	pthread_mutex_unlock(&s->lock);
	if (h->first_dts < 0)
		h->first_dts = f->dts_90khz;
	if (has_video && !(f->flags & SG_FRAME_KEY))
		return false;
	return (has_video && has_audio) || f->dts_90khz - h->first_dts >= OTHER_TRACK_TICKS;
}

static void begin_segment(struct sg_hls *h, const struct sg_frame *f)
{
	h->start_dts = f->dts_90khz;
	h->start_wall_ms = sg_wall_ms();
}

static void write_held(struct sg_hls *h, int track, int64_t end_dts)
{
	struct sg_frame *f = h->held[track];

	if (!f)
		return;
	h->held[track] = NULL;
	h->written_bytes += f->size;
	if (!sg_mux_write(h->mux, f, end_dts > f->dts_90khz ? end_dts - f->dts_90khz : 1))
		sg_log_limited(SG_LOG_WARNING, "stream %s: a frame does not go into HLS: left out",
		    h->stream->key);
	sg_frame_unref(f);
}

static bool is_time_to_cut(struct sg_hls *h, const struct sg_frame *f, bool leads)
{
	if (!leads || h->start_dts < 0)
		return false;
	int64_t length = f->dts_90khz - h->start_dts;
	if (length >= SEGMENT_MAX_TICKS || h->written_bytes >= SEGMENT_MAX_BYTES)
		return true;
	if (f->kind == SG_FRAME_AUDIO)
		return length >= AUDIO_SEGMENT_TICKS;
	return (f->flags & SG_FRAME_KEY) && length >= SEGMENT_TICKS - TOLERANCE_TICKS;
}

void sg_hls_write(struct sg_hls *h, struct sg_frame *f)
{
	int track = f->kind == SG_FRAME_AUDIO;

	if (h->refused)
		return;
	if (!h->mux && (!may_begin(h, f) || !open_mux(h)))
		return;
	if (!sg_mux_has(h->mux, f->kind)) /* of a codec that does not go in: others broke with the former */
		return;
	/* Segments go by the video, where there is one. */
	bool leads = !track || !sg_mux_has(h->mux, SG_FRAME_VIDEO);
	if (!leads && (h->written_bytes >= SEGMENT_MAX_BYTES ||
			  f->dts_90khz - h->written_to > SEGMENT_MAX_TICKS)) {
		sg_hls_break(h); /* no picture comes that would end the segment */
		return;
	}
	write_held(h, track, f->dts_90khz);
	if (is_time_to_cut(h, f, leads))
		cut(h, f->dts_90khz);
	if (leads && h->start_dts < 0)
		begin_segment(h, f);
	h->held[track] = sg_frame_ref(f);
	if (leads)
		h->written_to = f->dts_90khz;
}

void sg_hls_break(struct sg_hls *h)
{
	h->refused = false;
	if (!h->mux)
		return;
	int64_t end = h->written_to + 3000;
	write_held(h, 0, end);
	write_held(h, 1, end);
	cut(h, end);
	close_mux(h);
	h->broken = true;
}

void sg_hls_end(struct sg_hls *h)
{
	pthread_mutex_lock(&h->lock);
	h->ended = true;
	if (h->count)
		write_playlist(h);
	pthread_mutex_unlock(&h->lock);
	wake(h);
}

/* ---- reading; any thread ---- */

static struct sg_blob *get(struct sg_hls *h, struct sg_blob *const *which)
{
	pthread_mutex_lock(&h->lock);
	struct sg_blob *b = *which ? sg_blob_ref(*which) : NULL;
	pthread_mutex_unlock(&h->lock);
	return b;
}

struct sg_blob *sg_hls_master(struct sg_stream *s)
{
	return get(s->hls, &s->hls->master);
}

struct sg_blob *sg_hls_playlist(struct sg_stream *s)
{
	return get(s->hls, &s->hls->playlist);
}

static bool number_in(struct sg_str name, const char *prefix, const char *suffix, uint64_t *out)
{
	size_t before = strlen(prefix), after = strlen(suffix);

	return sg_str_starts(name, prefix) && sg_str_ends(name, suffix) &&
	       name.len > before + after &&
	       sg_str_to_u64((struct sg_str){ name.p + before, name.len - before - after }, UINT64_MAX,
		   out);
}

struct sg_blob *sg_hls_object(struct sg_stream *s, struct sg_str name)
{
	struct sg_hls *h = s->hls;
	struct sg_blob *found = NULL;
	uint64_t n;
	bool is_init = number_in(name, "init-", ".mp4", &n);

	if (!is_init && !number_in(name, "seg-", ".m4s", &n))
		return NULL;
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->count && !found; i++) {
		struct segment *seg = &h->segments[i];
		if ((is_init ? seg->init_number : seg->number) == n)
			found = sg_blob_ref(is_init ? seg->init : seg->blob);
	}
	pthread_mutex_unlock(&h->lock);
	return found;
}

size_t sg_hls_bytes(struct sg_hls *h)
{
	pthread_mutex_lock(&h->lock);
	size_t n = h->bytes;
	pthread_mutex_unlock(&h->lock);
	return n;
}
