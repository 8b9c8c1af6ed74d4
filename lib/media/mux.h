/* mux.h - one libavformat muxer that writes into memory; what hls.c and ts.c have in common.
 * Belongs to one thread. */
#ifndef SG_MEDIA_MUX_H
#define SG_MEDIA_MUX_H

#include "media/stream_internal.h"

struct sg_mux;

/* A muxer of `format` ("mp4", "mpegts") for the tracks whose configuration (or codec, for those
 * without one) is given; `options` is FFmpeg's "key=value:key=value". What it writes is appended to
 * `out`. NULL: no memory, or libavformat refuses the codecs. */
struct sg_mux *sg_mux_open(const char *format, const char *options, const struct lead *lead,
    enum sg_codec video, const struct sg_video_params *vp, enum sg_codec audio,
    const struct sg_audio_params *ap, struct sg_buf *out);
void sg_mux_close(struct sg_mux *m); /* NULL allowed; writes nothing more */
bool sg_mux_has(const struct sg_mux *m, enum sg_frame_kind kind);
/* One frame at its own times (sound: counted, sound_time.h); `duration` in 90 kHz. */
bool sg_mux_write(struct sg_mux *m, const struct sg_frame *f, int64_t duration);
/* Brings everything into `out`; `fragment`: also what the muxer gathers (mp4: a fragment; mpegts: small
 * audio frames). */
bool sg_mux_flush(struct sg_mux *m, bool fragment);
/* The next packets are preceded by PAT and PMT (mpegts). */
void sg_mux_resend_headers(struct sg_mux *m);

#endif
