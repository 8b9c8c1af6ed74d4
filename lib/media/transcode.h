/* transcode.h - one track's frames in another codec, by libavcodec. Belongs to one thread; see variant.c for
 * whose that is.
 *
 * Sound: anything to AAC (stereo or mono, at the source's rate, 48 kHz from Opus) or Opus (stereo). Samples are
 * counted from an anchor, so that clocks in milliseconds do not make them stutter; the anchor moves only where
 * the source's timestamps leave it by more than SG_TRANSCODE_DRIFT_MS.
 * Pictures: H.264 with frames that are reordered, or what a file has (sg_transcoder_open), to H.264 without (8
 * bits, 4:2:0), keyframes where the source has them. */
#ifndef SG_MEDIA_TRANSCODE_H
#define SG_MEDIA_TRANSCODE_H

#include "media/frame.h"

#define SG_TRANSCODE_DRIFT_MS 100

struct AVCodecParameters;
struct sg_transcoder;

/* Takes the reference of `f`, which is not sealed; called within sg_transcoder_write. */
typedef void (*sg_transcoder_out)(void *user, struct sg_frame *f);

/* To SG_CODEC_AAC, SG_CODEC_OPUS or SG_CODEC_H264. NULL: no memory, or another codec. `bit_rate`: of pictures, at
 * most, in bits per second; 0: not known. */
struct sg_transcoder *sg_transcoder_new(enum sg_codec to, uint64_t bit_rate, sg_transcoder_out out, void *user);
void sg_transcoder_free(struct sg_transcoder *t); /* NULL allowed; what it still holds is lost */

/* Before the first write, for a source that libavformat reads, in any codec that libavcodec decodes: its packets
 * are then written as frames of SG_CODEC_NONE, without configurations; times may be AV_NOPTS_VALUE. False: there
 * is no such decoder. */
SG_MUST_CHECK bool sg_transcoder_open(struct sg_transcoder *t, const struct AVCodecParameters *from);

/* A frame of the source, configurations included, in decoding order; borrowed. What comes out of it, a
 * configuration first, goes to `out` with times on the source's timeline. False: it could not be decoded or
 * encoded and is left out; those after it may do. */
bool sg_transcoder_write(struct sg_transcoder *t, const struct sg_frame *f);

/* The source has come to its end: what was held back for what might follow goes to `out`, but for the last
 * part of a frame of sound. Then only sg_transcoder_free is left. */
void sg_transcoder_end(struct sg_transcoder *t);

#endif
