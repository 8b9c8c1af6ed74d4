/* cmaf.h - fragmented MP4 as CMAF has it (ISO/IEC 23000-19): initialization segments, fragments.
 *
 * libavformat makes the initialization segment, which is where the codecs are; fragments are made
 * here, since they are few boxes and made for every part of every stream. Pure; any thread. */
#ifndef SG_MEDIA_CMAF_H
#define SG_MEDIA_CMAF_H

#include "media/stream_internal.h"

struct sg_cmaf_sample {
	struct sg_frame *frame; /* the maker's reference */
	uint32_t duration;      /* in the track's time scale */
};

/* The track's time scale: 90000 for video, samples per second for audio. */
int sg_cmaf_scale(enum sg_frame_kind kind, const struct sg_audio_params *ap);
/* The initialization segment of the tracks whose codec is given (SG_CODEC_NONE: no such track). The
 * first is track 1, the sound behind a picture track 2. NULL: no memory, or a codec does not go into
 * MP4. */
struct sg_blob *sg_cmaf_init(const struct lead *lead, enum sg_codec video,
    const struct sg_video_params *vp, enum sg_codec audio, const struct sg_audio_params *ap);

struct sg_cmaf_track {
	unsigned id;
	uint64_t time; /* of the first sample, in the track's scale */
	const struct sg_cmaf_sample *samples;
	size_t count;
};
/* What samples hold, one after the other. NULL: no memory. */
struct sg_blob *sg_cmaf_payload(const struct sg_cmaf_sample *samples, size_t count);
/* A fragment, moof and mdat (ISO/IEC 14496-12 8.8.4, 8.1.1), up to and with what `inner` holds; the
 * payload of `behind` belongs right behind it, so that several fragments share one. Either may be NULL
 * or empty. NULL: no memory. */
struct sg_blob *sg_cmaf_fragment(uint32_t sequence, const struct sg_cmaf_track *inner,
    const struct sg_cmaf_track *behind);

#endif
