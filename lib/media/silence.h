/* silence.h - frames of silence, for a source whose sound does not come. Pure. */
#ifndef SG_MEDIA_SILENCE_H
#define SG_MEDIA_SILENCE_H

#include "media/codec.h"

/* A frame, not sealed, without times, and *samples = how long it lasts. NULL: no memory, or there is none
 * for this codec and layout. */
struct sg_frame *sg_silence(enum sg_codec codec, const struct sg_audio_params *ap, int *samples);

#endif
