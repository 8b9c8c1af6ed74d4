/* flvtag.h - the body of one FLV tag, which is what RTMP carries: which codec, what kind, where the
 * codec's own bytes are. Pure; nothing is copied.
 * Sources: FLV 10.1 annex E.4; Enhanced RTMP v2 (ExVideoTagHeader, ExAudioTagHeader, ModEx). */
#ifndef SG_MEDIA_FLVTAG_H
#define SG_MEDIA_FLVTAG_H

#include "media/frame.h"

enum { SG_FLV_AUDIO = 8, SG_FLV_VIDEO = 9, SG_FLV_SCRIPT = 18 };

struct sg_flv_tag {
	bool ignored;     /* well-formed, but nothing for us: end of sequence, a command, ... */
	enum sg_codec codec;
	unsigned flags;   /* SG_FRAME_KEY, SG_FRAME_CONFIG */
	int32_t cts_ms;   /* pts - dts, may be negative */
	struct sg_reader data; /* the codec's bytes */
};

/* SG_ERR_BAD_INPUT: malformed; SG_ERR_UNSUPPORTED: a codec (or several tracks) we do not carry. */
SG_MUST_CHECK enum sg_result sg_flv_parse_video(struct sg_reader body, struct sg_flv_tag *out);
SG_MUST_CHECK enum sg_result sg_flv_parse_audio(struct sg_reader body, struct sg_flv_tag *out);
/* The script data without "@setDataFrame" in front; ignored unless it is onMetaData. */
SG_MUST_CHECK enum sg_result sg_flv_parse_script(struct sg_reader body, struct sg_flv_tag *out);
/* Does an onMetaData, as sg_flv_parse_script gives it, say that there are pictures? */
bool sg_flv_meta_has_pictures(const uint8_t *p, size_t len);

#endif
