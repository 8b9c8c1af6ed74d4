/* fragment.h - SDP fragments of trickle ICE (RFC 8840 section 9) and what WHIP needs of whole SDP.
 * Pure; slices of the text given. For this folder and its tests. */
#ifndef SG_SIGNAL_FRAGMENT_H
#define SG_SIGNAL_FRAGMENT_H

#include "base/bytes.h"

#define FRAGMENT_CANDIDATES_MAX 64 /* more are not looked at */
struct fragment {
	struct sg_str ufrag, pwd; /* the first of each; absent when there is none */
	struct sg_str candidates[FRAGMENT_CANDIDATES_MAX]; /* "candidate:..." */
	size_t candidate_count;
};
/* Of a fragment, or of whole SDP. False: not lines of "x=...", or credentials that are none
 * (RFC 8839 section 5.4: 4 to 256 and 22 to 256 ice-chars). */
bool fragment_parse(struct fragment *out, struct sg_str text);
/* The answer to an ICE restart: the transport of our SDP answer `sdp`, with new credentials. */
void fragment_put_restart(
    struct sg_buf *out, struct sg_str sdp, const char *ufrag, const char *pwd);

#endif
