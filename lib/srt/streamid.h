/* streamid.h - what an SRT caller asks for: all the ways encoders write the stream id. Pure.
 *
 *   #!::r=APP/S,m=publish,token=T     SRT Access Control guidelines (libsrt), with our key
 *   #!::r=APP/S,s=T                   `s` is there a session id that is used up: a one-time token.
 *                                     Without `m` it is `request`: play (guidelines, "m")
 *   #!:{r=APP/S,m=publish,token=T}    the nested form, one level deep
 *   #!::u=APP/S,bmd_uuid=...          Blackmagic's encoders: the key is in `u`, and they publish
 *   APP/S,token=T                     Ant Media's form: publish, unless it says m=request
 *   APP/S?token=T                     the same as a query
 *
 * Each may be percent-encoded as a whole or in part, and a value may stand in double quotes. Of a
 * key that is given twice the first counts; unknown ones are passed over. */
#ifndef SG_SRT_STREAMID_H
#define SG_SRT_STREAMID_H

#include "base/text.h"
#include "store/store.h"

#define SG_SRT_STREAMID_MAX                                                                        \
	512 /* SRT protocol draft, section 3.2.1.3: Stream ID Extension Message */

struct sg_srt_streamid {
	char app[SG_APP_MAX + 2],
	    stream[SG_STREAM_MAX + 2]; /* one longer than valid: not checked here */
	char token[256];
	bool has_token;
	enum sg_token_type type;
};
/* SG_OK: what is asked for; what cannot be an application or stream id comes out as something that is
 * not valid, what cannot be a token as one that nobody has.
 * SG_ERR_BAD_INPUT: no stream is named, the escapes are wrong, or it is too long.
 * SG_ERR_UNSUPPORTED: a mode (m) or kind (t) that is not spoken here. */
SG_MUST_CHECK enum sg_result sg_srt_streamid_parse(struct sg_srt_streamid *out, struct sg_str id);

#endif
