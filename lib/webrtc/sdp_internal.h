/* sdp_internal.h - what the files of session descriptions share.
 *
 * sdp.c         reading
 * sdp_choose.c  codecs: what an fmtp says, which to take
 * sdp_write.c   answers and offers
 * candidate.c   candidates and trickled fragments */
#ifndef SG_WEBRTC_SDP_INTERNAL_H
#define SG_WEBRTC_SDP_INTERNAL_H

#include "webrtc/sdp.h"

#define SDP_URI_MID "urn:ietf:params:rtp-hdrext:sdes:mid"
#define SDP_URI_TRANSPORT_CC "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define SDP_URI_ABS_SEND_TIME "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
#define SDP_URI_AUDIO_LEVEL "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

struct sdp_line {
	char type;
	struct sg_str value;
};
/* The next line that is not empty. False: none left, or (then *ok is false) not "x=...". */
bool sdp_next_line(struct sg_str *text, struct sdp_line *out, bool *ok);
/* Cuts the next word at a blank; false when there is none. */
bool sdp_next_word(struct sg_str *text, struct sg_str *word);
/* RFC 8839 section 5.4: ice-char, 4 to 256 of them for a name, 22 to 256 for a password. */
bool sdp_is_ice_text(struct sg_str s, size_t min);

/* sdp_choose.c: fills what rtpmap and fmtp say together; what we cannot take becomes SG_CODEC_NONE. */
void sdp_settle_codec(struct sg_sdp_codec *c);

#endif
