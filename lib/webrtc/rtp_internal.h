/* rtp_internal.h - what the files of RTP's payloads share.
 *
 * rtp.c          header and extensions, tracks on one timeline
 * rtp_pack.c     frames to packets
 * rtp_track.c    packets in order, gaps, NACK
 * rtp_unpack.c   payloads to frames, all but AV1's
 * rtp_h264.c     parameter sets and avcC
 * rtp_av1.c      OBUs, both ways */
#ifndef SG_WEBRTC_RTP_INTERNAL_H
#define SG_WEBRTC_RTP_INTERNAL_H

#include "webrtc/rtp.h"

/* ---- rtp_h264.c ---- */

enum { NAL_IDR = 5, NAL_SEI = 6, NAL_SPS = 7, NAL_PPS = 8, NAL_AUD = 9, NAL_FILLER = 12,
	NAL_STAP_A = 24, NAL_FU_A = 28 };

/* The parameter sets in force, by their ids; a set that comes again replaces its former. */
#define H264_SETS_MAX 8
#define H264_SET_BYTES_MAX 1024
struct h264_set {
	uint8_t type, id;
	uint16_t size; /* 0: free */
	uint8_t p[H264_SET_BYTES_MAX];
};
struct h264_sets {
	struct h264_set set[2][H264_SETS_MAX]; /* SPS, PPS */
	bool changed;                          /* since the last avcC */
};
/* Takes an SPS or PPS. False: malformed, or too large or too many. */
bool h264_sets_take(struct h264_sets *s, const uint8_t *nal, size_t size);
bool h264_sets_are_complete(const struct h264_sets *s); /* an SPS and a PPS */
/* avcC (ISO 14496-15 section 5.3.3.1), appended. */
void h264_sets_write_avcc(const struct h264_sets *s, struct sg_buf *b);
/* Calls `each` with every SPS and PPS of an avcC; false: malformed. */
bool h264_each_parameter_set(const uint8_t *avcc, size_t len,
    void (*each)(void *user, const uint8_t *nal, size_t size), void *user);

/* ---- rtp_av1.c ---- */

enum { OBU_SEQUENCE_HEADER = 1, OBU_TEMPORAL_DELIMITER = 2, OBU_TILE_LIST = 8, OBU_PADDING = 15 };

/* An OBU out of a byte stream, or an element of a packet (then what has no size reaches to the end). */
struct av1_obu {
	uint8_t type, header[2], header_len; /* with the size flag cleared */
	const uint8_t *payload;
	size_t size;
};
/* False: malformed. */
bool av1_read_obu(struct sg_reader *r, struct av1_obu *out);
bool av1_read_leb128(struct sg_reader *r, size_t *out); /* at most 2^32 - 1 */
size_t av1_put_leb128(uint8_t out[5], size_t v);
/* Appends it with a size field. */
void av1_write_obu(struct sg_buf *b, const struct av1_obu *obu);
/* av1C ("AV1 in ISOBMFF" section 2.3.3) for the sequence header `obu`, appended; false: malformed. */
bool av1_write_av1c(struct sg_buf *b, const struct av1_obu *obu);

/* ---- rtp_unpack.c ---- */

/* Payloads in order, without gaps, to frames. */
struct unpacker {
	enum sg_codec codec;
	size_t max_frame_bytes;
	struct sg_buf frame;      /* what there is of the present one */
	bool key;
	bool in_fragment;         /* H.264: FU-A begun; AV1: an element continues */
	size_t fragment_at;       /* H.264: where its prefix stands */
	/* VP9: spatial layers of this picture */
	size_t layer_at[8];
	unsigned layers;
	struct h264_sets *h264;
	struct sg_buf pending;    /* AV1: an element in pieces */
	struct sg_buf av1_header; /* AV1: the last sequence header, with size */
	bool config_changed;      /* AV1, Opus */
	int channels;
};
bool unpacker_init(struct unpacker *u, enum sg_codec codec, size_t max_frame_bytes, int channels);
void unpacker_reset(struct unpacker *u); /* frees */
void unpacker_drop(struct unpacker *u);  /* forgets the present frame */
/* False: malformed (or too large): the frame is lost. */
bool unpacker_take(struct unpacker *u, const uint8_t *p, size_t size);
/* The frame is whole: what it is. NULL: nothing in it, or no memory. `*config`: a configuration frame that
 * must come before it, or NULL. */
struct sg_frame *unpacker_finish(struct unpacker *u, struct sg_frame **config);

#endif
