/* stream.h - live streams: one publisher, any number of followers, packaged once.
 *
 * The hub holds the streams by application and stream id. A publisher object belongs to one
 * thread; everything else here is thread-safe. Nothing here decides who may publish or play: that
 * is the gate's.
 *
 * A stream outlives its publisher: after a connection that broke it waits SG_STREAM_GAP_MS for
 * the next publisher, after a goodbye SG_STREAM_GOODBYE_GAP_MS (an encoder that is restarted).
 * Followers stay and see one timeline: the new publisher's timestamps are moved behind the old
 * ones'. Then the stream ends and its rings end.
 *
 * A source's clocks may jump, both or one alone, and may have nothing in common: each track goes on without
 * the jump. Where sound was announced and does not come, the pictures go on with silence (AAC, Opus), since
 * players wait for both. */
#ifndef SG_MEDIA_STREAM_H
#define SG_MEDIA_STREAM_H

#include "base/text.h"
#include "media/ring.h"

#define SG_STREAM_GAP_MS 30000
#define SG_STREAM_GOODBYE_GAP_MS 5000

struct sg_hub;
struct sg_stream;    /* reference-counted */
struct sg_publisher; /* one per publishing session */

SG_MUST_CHECK enum sg_result sg_hub_open(struct sg_hub **out, size_t max_streams);
void sg_hub_close(struct sg_hub *hub); /* ends every stream first */
/* To be called about once a second, from one thread: ends streams whose gap is over. */
void sg_hub_tick(struct sg_hub *hub, int64_t mono_ms);
/* Ends all streams now (shutdown): followers drain what is there and are told. */
void sg_hub_end_all(struct sg_hub *hub);

/* A reference to a stream that exists (live or in its gap), or NULL. */
struct sg_stream *sg_hub_find(struct sg_hub *hub, struct sg_str app, struct sg_str stream);
/* The same, but also for a little while after its end, when its last playlist says so. */
struct sg_stream *sg_hub_find_ended(struct sg_hub *hub, struct sg_str app, struct sg_str stream);
struct sg_stream *sg_stream_ref(struct sg_stream *s);
void sg_stream_unref(struct sg_stream *s); /* NULL allowed */
bool sg_stream_is_live(const struct sg_stream *s); /* has a publisher that has sent media */
const char *sg_stream_app(const struct sg_stream *s);
const char *sg_stream_id(const struct sg_stream *s);

/* ---- publishing (one thread) ---- */

/* SG_ERR_EXISTS: somebody publishes it now. SG_ERR_LIMIT: the hub is full. */
SG_MUST_CHECK enum sg_result sg_hub_publish(struct sg_hub *hub, struct sg_str app,
    struct sg_str stream, const char *protocol, struct sg_publisher **out);
void sg_publisher_close(struct sg_publisher *pub, bool goodbye); /* NULL allowed */
struct sg_stream *sg_publisher_stream(struct sg_publisher *pub);  /* borrowed */
/* The source has said that it will send pictures: where its sound comes first, HLS and DASH wait for them a
 * while. What onMetaData says of it is found without. */
void sg_publisher_expect_pictures(struct sg_publisher *pub);

/* One FLV tag body as RTMP carries it (message types 8, 9, 18; timestamp in milliseconds, already
 * unwrapped by the caller or not: jumps of over 2^30 ms are wraps of 31 or 32 bits). Parses
 * classic and Enhanced RTMP video and audio headers (Enhanced RTMP v1/v2 ExVideoTagHeader,
 * ExAudioTagHeader; single-track).
 * SG_ERR_BAD_INPUT: malformed, the publisher is to be closed; SG_ERR_UNSUPPORTED: a codec we do
 * not carry. Unknown but harmless tags are ignored with SG_OK. */
SG_MUST_CHECK enum sg_result sg_publisher_write_flv(struct sg_publisher *pub, uint8_t tag_type,
    uint32_t timestamp_ms, const uint8_t *body, size_t len);
/* What is written between the two, followers are woken for once, at the release. A close releases it. */
void sg_publisher_hold(struct sg_publisher *pub);
void sg_publisher_release(struct sg_publisher *pub);
/* When the next media is wanted (monotonic): until then the source may collect what comes. 0: at once; INT64_MAX:
 * nobody is looking. */
int64_t sg_publisher_due_us(struct sg_publisher *pub);
/* A frame made elsewhere (SRT, WebRTC); times on the publisher's own timeline; takes the
 * reference; not yet sealed. */
SG_MUST_CHECK enum sg_result sg_publisher_write(struct sg_publisher *pub, struct sg_frame *f);

/* ---- following (any thread) ---- */

/* What a viewer is sent before the ring's frames: metadata and the codec configurations in force
 * at `cursor`. Frames are referenced; sg_stream_join_reset() drops them. */
struct sg_join {
	struct sg_frame *lead[4];
	size_t lead_count;
	uint64_t cursor;
};
void sg_stream_join(struct sg_stream *s, struct sg_join *out);
void sg_stream_join_reset(struct sg_join *j);
struct sg_ring *sg_stream_ring(struct sg_stream *s); /* borrowed: frames, for RTMP, FLV (and RTP) */

/* The same stream as MPEG-TS: frames of kind SG_FRAME_TS whose payload is whole 188 byte packets,
 * PAT and PMT at each keyframe. Packaged once for everybody, from the first call on (starting at
 * the last keyframe), until nobody has called for a minute. Borrowed. NULL: this stream's codecs
 * cannot be carried in TS, or no memory. */
struct sg_ring *sg_stream_ts_ring(struct sg_stream *s);

/* ---- in other codecs ---- */

/* What a player can take. SG_SOUND_AAC: Opus becomes AAC, all else stays; SG_SOUND_OPUS: all becomes Opus.
 * no_b_frames: H.264 whose frames are reordered becomes H.264 without, where the application's transcode_video is
 * on; else it stays (has_b_frames of sg_stream_info tells). */
struct sg_want {
	enum { SG_SOUND_ANY, SG_SOUND_AAC, SG_SOUND_OPUS } sound;
	bool no_b_frames;
};
/* The stream to follow instead of `s`: `s` itself where nothing need be changed, else a variant of it, a stream
 * like any other for sg_stream_join, sg_stream_ring, sg_stream_ts_ring and sg_stream_info, on the same timeline;
 * it has no HLS. One thread per variant transcodes for all who want the same, from the source's last keyframe on.
 * Referenced: keep the reference while following, for a variant rests some seconds after its last one is
 * gone. Its ring ends with the source's. A publisher that comes back with other codecs is transcoded or
 * not as needed. NULL: over the limit, or no memory. */
struct sg_stream *sg_stream_variant(struct sg_stream *s, const struct sg_want *want);

/* For players of RTMP, FLV and TS as they are, which know no Opus: takes over the reference of `s` and gives one of
 * its variant with AAC; `s` itself where that is not needed or cannot be had. */
struct sg_stream *sg_stream_classic(struct sg_stream *s);
/* Of a variant its source, of a stream itself; borrowed. */
struct sg_stream *sg_stream_source(struct sg_stream *s);
/* Which applications transcode video; copied. At the start, and after SIGHUP. SG_ERR_NO_MEMORY: as before. */
struct sg_config;
SG_MUST_CHECK enum sg_result sg_hub_configure(struct sg_hub *hub, const struct sg_config *cfg);

struct sg_variant_stats {
	size_t sound_running, pictures_running;
	uint64_t started, refused;
	uint64_t frames, dropped; /* taken in; left out (behind, or not decodable) */
};
void sg_hub_variant_stats(struct sg_hub *hub, struct sg_variant_stats *out);

/* HLS and DASH: hls.h. */

/* ---- what is going on ---- */

struct sg_stream_info {
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1];
	char protocol[12]; /* the publisher's */
	bool live;
	enum sg_codec video, audio;
	char video_profile[24]; /* "High@3.1", "" unknown */
	int width, height;
	double fps;
	int sample_rate, channels;
	uint64_t bytes_in, frames_in;
	uint64_t bit_rate;      /* bits per second over the last seconds */
	uint64_t video_bit_rate, audio_bit_rate; /* likewise, apart */
	int64_t started_ms;     /* Unix milliseconds of the first publisher */
	int64_t published_ms;   /* when the present publisher came, monotonic */
	bool has_b_frames;       /* of the present publisher, as far as it has sent */
	uint64_t frames_dropped; /* malformed or out of order */
	size_t ring_frames, ring_bytes, hls_bytes;
};
void sg_stream_info(struct sg_stream *s, struct sg_stream_info *out);
/* Calls `each` with every stream; the stream is borrowed for the call. */
void sg_hub_each(struct sg_hub *hub, void (*each)(void *user, struct sg_stream *s), void *user);

#endif
