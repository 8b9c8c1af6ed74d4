/* hls_internal.h - what the files that make HLS and DASH share.
 *
 * hls.c           cutting: segments, parts       (the publisher's thread)
 * hls_begin.c     where it begins                (likewise)
 * hls_playlist.c  HLS's texts
 * dash.c          DASH's text
 * hls_read.c      what is asked for, and waiting (any thread) */
#ifndef SG_MEDIA_HLS_INTERNAL_H
#define SG_MEDIA_HLS_INTERNAL_H

#include "media/cmaf.h"
#include "media/hls.h"
#include "media/sound_time.h"

#define HLS_LISTED 12 /* segments in a playlist */
#define HLS_KEPT 14   /* those that have just left the playlist may still be asked for */
#define HLS_LEAST 3   /* kept however large they are */
#define HLS_KEPT_BYTES (48u << 20)
#define HLS_SEGMENT_TICKS 90000  /* the shortest, but for: */
#define HLS_TOLERANCE_TICKS 9000 /* a keyframe that comes a little early still ends the segment */
#define HLS_USUAL_TARGET_S 2     /* as long as the source's keyframes are not known */
/* A frame that lasts so long, and so many times as long as the former, is a gap of the source. */
#define HLS_GAP_TICKS (3 * 90000)
#define HLS_GAP_TIMES 8

/* Pictures and sound; the pictures of a stream that has sound too; the sound. */
enum { HLS_MAIN, HLS_VIDEO, HLS_AUDIO, HLS_TRACKS };
extern const char *const hls_track_names[HLS_TRACKS];

/* A playlist's forms, for those who follow the parts. */
enum {
	HLS_SKIP = 1, /* EXT-X-SKIP stands for what is old */
	/* The newest segment is listed no sooner than the first part of the next: where hls.js is loading a segment's
	 * parts and sees it listed meanwhile, it takes it for loaded, waits for seconds and leaves a hole. */
	HLS_PARTS_FIRST = 2,
	HLS_FORMS = 4,
};

/* What a stretch without a discontinuity has in common. Counted under the lock. */
struct hls_run {
	unsigned refs;
	uint64_t number;
	int64_t start_90khz;
	int64_t period_ms; /* when DASH presents it: holes before it are left out */
	struct sg_blob *init[HLS_TRACKS]; /* NULL: no such track */
	char codecs[HLS_TRACKS][80];      /* RFC 6381 */
	int scale[HLS_TRACKS];
	uint64_t peak_bits[HLS_TRACKS]; /* of its segments so far */
	bool is_cut; /* its first segments are gone */
	enum sg_codec video, audio;
	int width, height, sample_rate, channels;
	double fps;
};

struct hls_part {
	struct sg_blob *blobs[2]; /* one after the other; main and video share the second. NULL: none */
	size_t own;    /* bytes that are not shared */
	int64_t ticks; /* in the track's scale, as all below */
	bool is_independent;
};

struct hls_segment {
	uint64_t number, first_part;
	struct hls_part *parts;
	size_t part_count, part_cap, bytes, own;
	int64_t start, ticks;
	int64_t wall_ms; /* of its first frame */
	uint64_t discontinuity; /* how many there were up to here */
	struct hls_run *run;
	bool whole; /* nothing is added any more */
};

struct hls_track {
	/* ---- the publisher's thread ---- */
	bool present; /* in the present run */
	int scale;
	struct sg_frame *held; /* until the next one tells how long it lasts */
	int64_t held_at, usual; /* where it lies; how long the last one lasted */
	struct sg_sound_time counted; /* audio */
	struct sg_cmaf_sample *samples; /* of the part that is being made */
	size_t sample_count, sample_cap, segment_bytes;
	int64_t part_start, segment_start;
	uint32_t sequence;
	struct sg_cmaf_sample *sounds; /* main: what goes in beside the pictures */
	size_t sound_count, sound_cap, sound_bytes;
	int64_t sound_start; /* in the audio's scale */
	bool in_segment; /* something of the present segment has been made */

	/* ---- the lock ---- */
	struct hls_segment segments[HLS_KEPT + 1]; /* oldest first; the last may be unfinished */
	size_t count;
	uint64_t next_number, next_part;
	uint64_t parts_from; /* the first segment whose parts the playlist may still have */
	struct sg_blob *playlists[HLS_FORMS]; /* made when asked for */
};

struct sg_hls {
	struct sg_stream *stream; /* whose part it is */
	int64_t part_ms;          /* 0 = no parts */
	atomic_llong wanted_ms;   /* when somebody last asked; 0 = nobody does */

	/* ---- the publisher's thread ---- */
	int64_t first_dts; /* of anything since the last break; -1 = nothing yet */
	int64_t cut_at;    /* 90 kHz: where the audio's segment ends; -1 = not known */
	int64_t tried_dts; /* when it was last tried to begin */
	uint64_t next_seq; /* of the ring: what has been packaged is not packaged again */
	int64_t anchor_wall_ms, anchor_90khz;
	bool going, refused, broken, changed;

	pthread_mutex_t lock; /* what is below, and what the tracks say is */
	struct hls_track tracks[HLS_TRACKS];
	struct hls_run *run;   /* the newest; also when it is over */
	bool open;             /* the run goes on */
	uint64_t discontinuity; /* of the newest run */
	int64_t pictures_by_ms; /* monotonic: until then those that are announced are waited for */
	int64_t target_s;      /* EXT-X-TARGETDURATION */
	int64_t part_us;       /* EXT-X-PART-INF:PART-TARGET */
	int64_t zero_wall_ms;  /* when the stream's timeline began; 0 = not known */
	bool ended;
	size_t bytes;

	pthread_mutex_t waiters_lock;
	struct sg_ring_waiter *waiters;
};

static inline size_t hls_part_size(const struct hls_part *p)
{
	return p->blobs[0]->size + (p->blobs[1] ? p->blobs[1]->size : 0);
}

static inline struct hls_segment *hls_last(struct hls_track *t)
{
	return t->count ? &t->segments[t->count - 1] : NULL;
}

static inline bool hls_is_gap(int64_t lasts, int64_t usual)
{
	return lasts > HLS_GAP_TICKS && usual > 0 && lasts > usual * HLS_GAP_TIMES;
}

/* hls.c; a frame into segments and parts */
void hls_feed(struct sg_hls *h, struct sg_frame *f);
/* hls_begin.c */
void hls_catch_up(struct sg_hls *h);

/* hls.c; locked */
struct hls_run *hls_run_ref(struct hls_run *run);
void hls_run_unref(struct hls_run *run); /* NULL allowed */

/* hls_playlist.c; locked. NULL: no memory. */
struct sg_blob *hls_playlist(struct sg_hls *h, int track, unsigned form);
/* Is the newest segment whole, and one that HLS_PARTS_FIRST is about? */
bool hls_may_put_parts_first(const struct sg_hls *h, struct hls_track *t);
struct sg_blob *hls_master(struct sg_hls *h, const char *prefix);
/* The peak of one of its tracks in bits per second. */
uint64_t hls_bandwidth(struct sg_hls *h, const struct hls_run *run, int track);
struct sg_blob *hls_blob_of(struct sg_buf *b); /* its bytes; resets `b` */

/* dash.c; locked */
struct sg_blob *hls_mpd(struct sg_hls *h, const char *prefix);

/* hls_read.c */
void hls_wake(struct sg_hls *h);

#endif
