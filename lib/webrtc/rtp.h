/* rtp.h - RTP: packets read and written, frames cut into packets, packets put together to frames.
 *
 * Pure: bytes and a clock, no sockets, no threads; an object belongs to whoever calls it.
 *
 *   publisher: datagram ─▶ sg_rtp_parse ─▶ sg_rtp_track_feed ─▶ sg_rtp_track_next ─▶ struct sg_frame
 *   viewers:   struct sg_frame ─▶ sg_rtp_pack ─▶ struct sg_rtp_frame, shared: each viewer writes 12
 *              bytes of header in front of each payload and encrypts
 *
 * Sources: RFC 3550 (RTP), 8285 (header extensions), 6184 (H.264), 7587 (Opus), 7741 (VP8), 9628
 * (VP9), "RTP Payload Format For AV1" v1.0, 4585 (NACK). Not spoken: RTX, FEC, RED, FU-B, STAP-B,
 * MTAP, simulcast. */
#ifndef SG_WEBRTC_RTP_H
#define SG_WEBRTC_RTP_H

#include "media/frame.h"

/* A datagram of ours is never larger, extensions and SRTP's tag included. */
#define SG_RTP_MTU 1200
#define SG_RTP_HEADER_BYTES 12
/* Left for a payload: 16 bytes for header extensions, 16 for the tag (AES-GCM). */
#define SG_RTP_PAYLOAD_MAX (SG_RTP_MTU - SG_RTP_HEADER_BYTES - 16 - 16)

/* ---- a packet ---- */

/* IDs of header extensions as negotiated (a=extmap), 1 to 255; 0 = not negotiated. */
struct sg_rtp_extmap {
	uint8_t mid, transport_cc, abs_send_time, audio_level;
};

struct sg_rtp_packet {
	uint8_t payload_type;
	bool marker;
	uint16_t seq;
	uint32_t timestamp, ssrc;
	bool has_transport_cc, has_abs_send_time, has_audio_level;
	uint16_t transport_cc;   /* transport-wide sequence number */
	uint32_t abs_send_time;  /* 6.18 fixed point seconds, 24 bits */
	uint8_t audio_level;     /* RFC 6464: -dBov, 0 loud, 127 silent */
	struct sg_str mid;       /* absent: not there. Borrowed from the datagram */
	const uint8_t *payload;  /* borrowed; padding is taken off */
	size_t size;             /* 0: padding only, sent to probe; its number still counts */
};

/* Is this RTCP rather than RTP, given that the first byte is 128 to 191 (RFC 5761 section 4)? */
static inline bool sg_rtp_is_rtcp(const uint8_t *p, size_t len)
{
	return len >= 2 && p[1] >= 192 && p[1] <= 223;
}

/* Reads a decrypted packet. `ids` may be NULL. SG_ERR_BAD_INPUT: malformed, drop it. */
SG_MUST_CHECK enum sg_result sg_rtp_parse(struct sg_rtp_packet *out, const uint8_t *p, size_t len,
    const struct sg_rtp_extmap *ids);

/* The fixed header, without extensions: 12 bytes. */
static inline void sg_rtp_write_header(uint8_t out[SG_RTP_HEADER_BYTES], uint8_t payload_type,
    bool marker, uint16_t seq, uint32_t timestamp, uint32_t ssrc)
{
	out[0] = 0x80;
	out[1] = (uint8_t)((marker ? 0x80 : 0) | (payload_type & 0x7f));
	sg_put_be16(out + 2, seq);
	sg_put_be32(out + 4, timestamp);
	sg_put_be32(out + 8, ssrc);
}

/* Header with the extensions that `p` has and `ids` names (one-byte form; two-byte where an id or a
 * length needs it). Answers its length, 0 when `size` is too small. SG_RTP_HEADER_MAX is enough
 * for a mid of up to 16 bytes. */
#define SG_RTP_HEADER_MAX 64
size_t sg_rtp_build_header(uint8_t *out, size_t size, const struct sg_rtp_packet *p,
    const struct sg_rtp_extmap *ids);

/* Wrap-safe: how far `a` lies ahead of `b` (negative: behind). */
static inline int sg_rtp_seq_ahead(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(a - b);
}

/* ---- frames to packets ---- */

struct sg_rtp_slice {
	const uint8_t *payload; /* inside the frame */
	uint16_t size;          /* at most SG_RTP_PAYLOAD_MAX */
	bool marker;
};
/* One frame as packets, immutable, shared by reference count on any threads. Sequence numbers,
 * payload type, SSRC and the timestamp's offset are each viewer's own. */
struct sg_rtp_frame {
	atomic_uint refs;
	uint8_t kind, codec; /* enum sg_frame_kind, enum sg_codec */
	bool key;            /* a viewer may start here: parameter sets are in it */
	bool reordered;      /* shown at another time than decoded: browsers do not play such streams */
	uint16_t count;      /* of packets, 1 or more */
	uint32_t size;       /* bytes of all payloads */
	uint32_t timestamp;  /* of pts, in the RTP clock (90 kHz video, 48 kHz Opus), without offset */
	int64_t pts_90khz, arrived_us; /* as in the frame */
	struct sg_rtp_slice packets[];
};
struct sg_rtp_frame *sg_rtp_frame_ref(struct sg_rtp_frame *f);
void sg_rtp_frame_unref(struct sg_rtp_frame *f); /* NULL allowed */

struct sg_rtp_packer;
enum { SG_RTP_H264_SINGLE_NAL = 0, SG_RTP_H264_NON_INTERLEAVED = 1 }; /* packetization-mode */
/* One per stream and packetization mode; NULL: no memory. */
struct sg_rtp_packer *sg_rtp_packer_new(int h264_mode);
void sg_rtp_packer_free(struct sg_rtp_packer *p); /* NULL allowed */
/* Makes packets of a frame, audio or video, in decoding order; configuration frames are to be fed
 * too (avcC and av1C: their parameter sets go in front of every keyframe that has none). On SG_OK the
 * caller owns *out; on all else it is NULL:
 *   SG_NEED_MORE        nothing to be sent (configuration, metadata, an empty frame)
 *   SG_ERR_UNSUPPORTED  this codec does not travel over RTP here (AAC, MP3, HEVC)
 *   SG_ERR_LIMIT        an Opus packet larger than ours, a frame of too many packets: skip to the next
 *                       keyframe (video) or frame
 *   SG_ERR_BAD_INPUT    NAL units or OBUs that are not whole: likewise */
SG_MUST_CHECK enum sg_result sg_rtp_pack(
    struct sg_rtp_packer *p, const struct sg_frame *f, struct sg_rtp_frame **out);

/* ---- packets to frames ---- */

/* One source (SSRC) of one codec. Packets wait for those that are missing, up to `wait_ms` and
 * `max_packets`; then what is missing is lost. After a loss, video waits for the next keyframe: no
 * damaged frame comes out. */
struct sg_rtp_track;
struct sg_rtp_track_config {
	enum sg_codec codec; /* H264, VP8, VP9, AV1, OPUS */
	/* How long a gap is waited for; about 300 for video with NACK, 60 for audio. With `nack` as long as it takes to
	 * ask twice by the rtt_ms of sg_rtp_track_nacks, where that is longer, up to a second. */
	int wait_ms;
	size_t max_packets; /* kept at most while waiting; 0 = 512 (video), 64 (audio) */
	size_t max_frame_bytes; /* 0 = SG_FRAME_MAX_BYTES */
	bool nack;
	int channels; /* Opus: 1 or 2, what OpusHead is to say */
};
struct sg_rtp_track *sg_rtp_track_new(const struct sg_rtp_track_config *cfg); /* NULL: no memory, or a codec not spoken */
void sg_rtp_track_free(struct sg_rtp_track *t);                               /* NULL allowed */
/* Parameter sets told in the offer (fmtp sprop-parameter-sets, base64, comma separated), for
 * encoders that do not repeat them in-band. What is malformed is left out. */
void sg_rtp_track_set_parameters(struct sg_rtp_track *t, struct sg_str sprop);

/* Takes a packet; its payload is copied. Duplicates and packets too late are counted and ignored.
 * A malformed payload is counted and treated as lost. Then call sg_rtp_track_next until it gives NULL. */
void sg_rtp_track_feed(struct sg_rtp_track *t, const struct sg_rtp_packet *p, int64_t now_ms);

/* The next whole frame, which the caller owns, or NULL. Configuration frames (SG_FRAME_CONFIG: avcC,
 * av1C, OpusHead) come before the first frame that needs them, and again when they change. Not
 * sealed; pts_90khz = dts_90khz = 0: *ticks is the RTP timestamp, unwrapped to 64 bits, in the
 * codec's clock; see sg_rtp_sync. H.264: NAL units with prefixes of 4 bytes, without parameter sets,
 * delimiters and filler. VP9: one superframe per picture. AV1: OBUs with sizes, no temporal
 * delimiter. Gives up on gaps whose time is over. */
struct sg_frame *sg_rtp_track_next(struct sg_rtp_track *t, int64_t now_ms, int64_t *ticks);

/* Video: nothing can be shown before a keyframe comes: send PLI, rate-limited by the caller. True
 * before the first keyframe and after a loss. */
bool sg_rtp_track_wants_key(const struct sg_rtp_track *t);

/* Sequence numbers to ask for again now, at most `max`; each is named up to 10 times, first after
 * 10 ms (reordering), then after `rtt_ms` (at least 20), with a growing pause. Answers how many. */
size_t sg_rtp_track_nacks(
    struct sg_rtp_track *t, int64_t now_ms, int rtt_ms, uint16_t *seqs, size_t max);
/* When to call sg_rtp_track_next and sg_rtp_track_nacks again, should no packet come; INT64_MAX
 * never. */
int64_t sg_rtp_track_deadline(const struct sg_rtp_track *t);

struct sg_rtp_track_stats {
	uint64_t packets, bytes, duplicates, late, lost, malformed, nacked, recovered;
	uint64_t frames, keyframes, frames_dropped;
	size_t waiting; /* packets kept now */
};
void sg_rtp_track_stats(const struct sg_rtp_track *t, struct sg_rtp_track_stats *out);

/* ---- the clocks of one peer's tracks on one timeline ---- */

/* Each track has a clock and an offset of its own; sender reports tie them to one wall clock (RFC
 * 3550 section 6.4.1). Before the first reports a track is placed by its arrival, later it is moved
 * to where its report says when that differs by more than 10 ms. A value: zero it to begin; up to
 * two tracks (0 video, 1 audio). */
struct sg_rtp_sync {
	struct {
		uint32_t rate;
		bool anchored, has_report;
		int64_t offset_90khz; /* timeline = ticks in 90 kHz + offset */
		int64_t report_ticks, report_ntp_90khz;
	} track[2];
	bool has_wall;
	int64_t wall_offset_90khz; /* timeline = NTP in 90 kHz + this */
};
void sg_rtp_sync_init(struct sg_rtp_sync *s, uint32_t video_rate, uint32_t audio_rate);
/* A sender report of `track`: `ntp` (32.32 fixed point) is when `rtp_timestamp` was; `ticks_near` any
 * recent unwrapped timestamp of that track. */
void sg_rtp_sync_report(
    struct sg_rtp_sync *s, int track, uint64_t ntp, uint32_t rtp_timestamp, int64_t ticks_near);
/* A frame's time on the timeline (90 kHz; begins near `now_us`'s). */
int64_t sg_rtp_sync_place(struct sg_rtp_sync *s, int track, int64_t ticks, int64_t now_us);

#endif
