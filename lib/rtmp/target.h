/* target.h - which application, stream and token a peer means: all the ways encoders split one URL
 * into `app`, `tcUrl` and the name of `publish` or `play`. Pure.
 *
 *   app "live", name "cam?token=T"        FFmpeg, OBS with the token in the key
 *   app "live?token=T", name "cam"        OBS with the token in the server
 *   app "live/cam", name "?token=T"       OBS with the stream in the server
 *   app "live/cam", name "T"              path form APP/S/T
 *   app "live", name "cam%2FT"            the same, escaped */
#ifndef SG_RTMP_TARGET_H
#define SG_RTMP_TARGET_H

#include "base/text.h"

struct sg_rtmp_target {
	char app[SG_APP_MAX + 2], stream[SG_STREAM_MAX + 2]; /* one longer than valid: not checked here */
	char token[256];
	bool has_token;
};
/* Any bytes are accepted; what cannot be an application or stream id comes out as something that is not
 * valid, what cannot be a token as one that nobody has. */
void sg_rtmp_target_parse(struct sg_rtmp_target *out, struct sg_str app, struct sg_str tc_url,
    struct sg_str name);

#endif
