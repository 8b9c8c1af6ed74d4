/* urls.h - the addresses at which a token opens its stream (INTERFACE.md section 4). */
#ifndef SG_API_URLS_H
#define SG_API_URLS_H

#include "base/config.h"
#include "store/store.h"
#include <jansson.h>

struct api_served { /* what is on, beside the web server */
	bool rtmp, srt, webrtc;
};
/* {protocol: URL} for every protocol that this version serves and that is on: rtmp, rtmps, srt; for playing
 * also hls, dash, flv, ts and mp4 (the recording of the same name); whip or whep, and webrtc, a page that
 * uses it. The host is [http] public_url's, else the listener's own, else (for a wildcard) this machine's
 * first address. `http_base` stands in where the configuration names no port: what the web server is reached
 * at. A new reference; its strings hold the token, so wipe them. NULL: out of memory. */
json_t *api_urls(const struct sg_config *cfg, const char *http_base, struct api_served on,
    const struct sg_token *t, const char *token);

#endif
