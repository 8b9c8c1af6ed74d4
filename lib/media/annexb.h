/* annexb.h - H.264 and HEVC as byte streams (ITU-T H.264 annex B, H.265 annex B), made into what frames
 * hold: NAL units behind lengths of four bytes, and the parameter sets apart, in a configuration record.
 * Pure; one reader per track. */
#ifndef SG_MEDIA_ANNEXB_H
#define SG_MEDIA_ANNEXB_H

#include "media/frame.h"

#define SG_ANNEXB_SETS_MAX 24 /* parameter sets of a stream */

struct sg_annexb {
	enum sg_codec codec; /* SG_CODEC_H264 or SG_CODEC_HEVC */
	struct {
		uint8_t *p;
		size_t len;
	} sets[SG_ANNEXB_SETS_MAX]; /* with their NAL headers */
	size_t set_count;
};

void sg_annexb_init(struct sg_annexb *a, enum sg_codec codec);
void sg_annexb_reset(struct sg_annexb *a); /* frees */

/* One access unit (or parameter sets alone). Its pictures, and what belongs to them, are appended to
 * `out`, which may stay empty; delimiters, fillers and parameter sets are not. *changed: the parameter
 * sets in force differ from those before.
 * SG_ERR_BAD_INPUT: no start code; SG_ERR_LIMIT: too many sets; SG_ERR_NO_MEMORY, also when `out` is full. */
SG_MUST_CHECK enum sg_result sg_annexb_read(
    struct sg_annexb *a, const uint8_t *p, size_t len, struct sg_buf *out, bool *changed);
/* Appends the avcC (ISO 14496-15 5.3.3.1) or hvcC (8.3.3.1) of the sets in force.
 * SG_NEED_MORE: they are not complete; SG_ERR_BAD_INPUT: they are malformed. */
SG_MUST_CHECK enum sg_result sg_annexb_config(const struct sg_annexb *a, struct sg_buf *out);

#endif
