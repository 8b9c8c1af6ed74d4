/* frame.h - one coded frame, immutable once shared, with the bytes that viewers get.
 *
 * A frame is made by a publisher's thread, then written to a ring (ring.h); from then on it is
 * shared by reference count and nobody changes it. The codec's bytes are kept once; the RTMP and
 * FLV headers in front of them are made with the frame, so that any number of viewers share
 * them: an RTMP viewer gets {rtmp_header, payload}, an FLV viewer {flv_header, payload + the 4
 * bytes of PreviousTagSize behind it}. */
#ifndef SG_MEDIA_FRAME_H
#define SG_MEDIA_FRAME_H

#include "base/bytes.h"
#include <stdatomic.h>
#include <sys/uio.h>

enum sg_codec { SG_CODEC_NONE, SG_CODEC_H264, SG_CODEC_HEVC, SG_CODEC_AV1, SG_CODEC_VP8,
	SG_CODEC_VP9, SG_CODEC_AAC, SG_CODEC_OPUS, SG_CODEC_MP3 };
const char *sg_codec_name(enum sg_codec codec); /* FFmpeg's spelling: "h264", "aac", "none" */

enum sg_frame_kind { SG_FRAME_VIDEO, SG_FRAME_AUDIO, SG_FRAME_META, SG_FRAME_TS };

enum {
	SG_FRAME_KEY = 1u << 0,    /* a viewer may start here */
	SG_FRAME_CONFIG = 1u << 1, /* codec configuration: avcC, hvcC, av1C, AudioSpecificConfig, OpusHead */
};

#define SG_FRAME_MAX_BYTES (8u << 20)
/* Larger than any frame, so that an outgoing RTMP message is always one chunk. */
#define SG_RTMP_CHUNK_OUT (9u << 20)

struct sg_frame {
	atomic_uint refs;
	uint8_t kind;  /* enum sg_frame_kind */
	uint8_t codec; /* enum sg_codec */
	uint8_t flags;
	uint8_t rtmp_header_len, flv_header_len;
	uint8_t rtmp_header[28], flv_header[28];
	int64_t dts_90khz, pts_90khz; /* on the stream's own, never resetting, timeline */
	int64_t arrived_us;           /* monotonic; when the frame was complete here */
	uint64_t seq;                 /* set by the ring */
	uint32_t size;                /* of payload */
	uint8_t payload[];            /* H.264/HEVC: length-prefixed NAL units (4 bytes); AAC: raw; META: AMF0 */
};

/* A frame of `size` payload bytes for the maker to fill; refs 1. NULL: no memory or over
 * SG_FRAME_MAX_BYTES. */
struct sg_frame *sg_frame_new(enum sg_frame_kind kind, enum sg_codec codec, size_t size);
/* Makes the RTMP (message stream 1) and FLV headers and trailer from kind, codec, flags, times
 * and size. Called once, after the payload is filled and before the frame is shared. AVC and AAC
 * use the classic tags, everything else Enhanced RTMP's FourCC ones. META and TS: META gets
 * script-data headers, TS none. */
void sg_frame_seal(struct sg_frame *f);
struct sg_frame *sg_frame_ref(struct sg_frame *f);
void sg_frame_unref(struct sg_frame *f); /* NULL allowed */

enum sg_form { SG_FORM_RTMP, SG_FORM_FLV, SG_FORM_RAW };
/* The one or two pieces that a viewer of `form` is sent; answers how many. */
static inline int sg_frame_iov(const struct sg_frame *f, enum sg_form form, struct iovec iov[2])
{
	int n = 0;
	if (form == SG_FORM_RTMP)
		iov[n++] = (struct iovec){ (void *)f->rtmp_header, f->rtmp_header_len };
	else if (form == SG_FORM_FLV)
		iov[n++] = (struct iovec){ (void *)f->flv_header, f->flv_header_len };
	iov[n++] = (struct iovec){ (void *)f->payload, f->size + (form == SG_FORM_FLV ? 4u : 0u) };
	return n;
}

/* Shared immutable bytes that are not frames: playlists, segments. */
struct sg_blob {
	atomic_uint refs;
	size_t size;
	uint8_t p[];
};
struct sg_blob *sg_blob_new(size_t size); /* NULL: no memory */
struct sg_blob *sg_blob_ref(struct sg_blob *b);
void sg_blob_unref(struct sg_blob *b); /* NULL allowed */

#endif
