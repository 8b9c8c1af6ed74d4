/* stream_internal.h - what the files of this room know of a stream.
 *
 * stream.c   the hub, a stream's life, joining
 * publish.c  what a publisher writes: parsing, the ring, the packagers
 * timeline.c where its frames lie, and silence where no sound comes (on the publisher's thread)
 * hls.c      CMAF parts and segments          (on the publisher's thread; hls_internal.h tells more)
 * ts.c       MPEG-TS                          (on the publisher's thread)
 * variant.c  the stream in other codecs       (a thread per variant, which is its publisher's thread) */
#ifndef SG_MEDIA_STREAM_INTERNAL_H
#define SG_MEDIA_STREAM_INTERNAL_H

#include "media/codec.h"
#include "media/stream.h"
#include <pthread.h>
#include <uthash.h>

/* A ring of about ten seconds at 10 Mb/s, or a minute at 1: one long GOP must fit. */
#define RING_FRAMES 4096
#define RING_BYTES (16u << 20)

#define TICKS_PER_MS 90

struct sg_hls;
struct sg_tspack;
struct sg_variants;

/* What must come before a given frame: metadata and configurations. */
struct lead {
	struct sg_frame *meta, *video, *audio; /* referenced or NULL */
};

enum stream_state { STREAM_LIVE, STREAM_GAP, STREAM_ENDED };

struct sg_stream {
	atomic_uint refs;
	struct sg_hub *hub; /* NULL when no longer in its table */
	UT_hash_handle hh;
	char key[SG_APP_MAX + SG_STREAM_MAX + 2]; /* "app/stream" */
	char app[SG_APP_MAX + 1], id[SG_STREAM_MAX + 1];
	struct sg_ring *ring;
	struct sg_hls *hls; /* NULL: a variant's */
	struct sg_tspack *ts;
	struct sg_variants *variants; /* the hub's, borrowed */
	struct sg_stream *source;     /* a variant's, referenced; else NULL */
	atomic_bool has_media; /* the present publisher has sent some */

	/* ---- the hub's lock ---- */
	enum stream_state state;
	struct sg_publisher *publisher;
	int64_t deadline_ms; /* GAP: when it ends; ENDED: when it is forgotten */

	/* ---- the publisher's thread; handed on under the hub's lock ---- */
	int64_t last_dts; /* of all tracks, on the stream's timeline; -1 = none yet */
	int64_t last_arrived_us;

	pthread_mutex_t lock; /* what is below */
	struct lead now, at_key;
	uint64_t key_seq; /* at_key belongs to this frame */
	struct sg_video_params video;
	struct sg_audio_params audio;
	int64_t published_ms;       /* monotonic: when the present publisher came; a variant's: when its frames did */
	struct sg_stream_info info; /* the counters and texts; the rest is filled on reading */
};

/* A track's own timeline, and where it lies on the stream's. */
struct track_clock {
	bool anchored;
	int64_t base;     /* stream dts = own dts + base; a multiple of TICKS_PER_MS */
	int64_t last_own; /* when anchored */
	int64_t last_dts; /* on the stream's; -1 = none */
};

struct sg_publisher {
	struct sg_stream *stream;
	/* timeline.c */
	bool has_clock;
	uint32_t last_ms32;
	int64_t media_ms; /* unwrapped */
	bool on_timeline; /* frames come with the stream's own times: a variant's */
	struct track_clock clocks[2]; /* of video and of audio */
	int64_t begin_dts; /* behind what the former publisher sent */
	int64_t picture_dts, due_dts; /* of the last picture, -1 = none; from where on sound is due */
	bool is_silent; /* the last sound was silence */
	int64_t silence_from, silent_samples, silence_end, silence_after_ms;

	bool expects_pictures; /* they were announced */
	bool seen_key;
	bool video_probed;
	int nal_length; /* of the source's prefixes; ours are 4 */
	/* rates over the present window */
	int64_t window_us;
	uint64_t window_bytes[2], window_pictures; /* bytes of video, of all else */
};

/* publish.c */
void sg_publisher_init(struct sg_publisher *pub, struct sg_stream *s); /* takes no reference */
void sg_publisher_end_media(struct sg_publisher *pub); /* flushes the packagers */

/* timeline.c */
void sg_timeline_begin(struct sg_publisher *pub);
/* A tag's time on the publisher's own timeline. */
int64_t sg_timeline_unwrap_ms(struct sg_publisher *pub, uint32_t ms);
/* Gives `f` its place: behind what was there, whatever the source does. False: it has none, leave it out. */
bool sg_timeline_place(struct sg_publisher *pub, struct sg_frame *f);
/* Before `picture`, which has its place, goes out: a frame of silence where the sound that was announced does not
 * come, until it answers NULL. Players would wait for it with the pictures. Not sealed. */
struct sg_frame *sg_timeline_silence(struct sg_publisher *pub, const struct sg_frame *picture);

/* variant.c: one pool per hub */
struct sg_variants *sg_variants_new(void);
void sg_variants_free(struct sg_variants *pool); /* ends all, and waits for them; NULL allowed */
/* Joins threads that have ended; `all`: ends all first. */
void sg_variants_reap(struct sg_variants *pool, bool all);
enum sg_result sg_variants_configure(struct sg_variants *pool, const struct sg_config *cfg);
void sg_variants_stats(struct sg_variants *pool, struct sg_variant_stats *out);
/* stream.c: like `source`, in no table and without HLS. */
struct sg_stream *sg_stream_new_variant(struct sg_stream *source);

/* hls.c: created with the stream (a variant has none) */
struct sg_hls *sg_hls_new(struct sg_stream *s, int64_t part_ms);
void sg_hls_free(struct sg_hls *h);
/* A sealed frame, after it went to the ring; the caller keeps its reference. */
void sg_hls_write(struct sg_hls *h, struct sg_frame *f);
void sg_hls_break(struct sg_hls *h); /* the publisher left, or the configuration changed */
/* They are announced: a stream that has none yet is not described without them for a while. */
void sg_hls_expect_pictures(struct sg_hls *h);
void sg_hls_end(struct sg_hls *h);
bool sg_hls_is_wanted(const struct sg_hls *h);
size_t sg_hls_bytes(struct sg_hls *h);

/* ts.c */
struct sg_tspack *sg_tspack_new(struct sg_stream *s);
void sg_tspack_free(struct sg_tspack *t);
void sg_tspack_write(struct sg_tspack *t, struct sg_frame *f); /* after it went to the ring */
void sg_tspack_break(struct sg_tspack *t);
void sg_tspack_end(struct sg_tspack *t);
struct sg_ring *sg_tspack_ring(struct sg_tspack *t); /* borrowed; unlike sg_stream_ts_ring this wants nothing */

/* Where who comes to the stream begins in its ring, as sg_ring_start has it; but pictures of a former publisher are
 * nothing to begin at where the present one sends sound alone. Locked. */
uint64_t sg_stream_start(struct sg_stream *s);

/* A copy of what is in force, to be dropped with lead_drop. */
struct lead sg_stream_lead(struct sg_stream *s);
static inline struct lead lead_ref(const struct lead *l)
{
	if (l->meta)
		sg_frame_ref(l->meta);
	if (l->video)
		sg_frame_ref(l->video);
	if (l->audio)
		sg_frame_ref(l->audio);
	return *l;
}
static inline void lead_drop(struct lead *l)
{
	sg_frame_unref(l->meta);
	sg_frame_unref(l->video);
	sg_frame_unref(l->audio);
	*l = (struct lead){ 0 };
}

#endif
