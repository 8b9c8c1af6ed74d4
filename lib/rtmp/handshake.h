/* handshake.h - RTMP 1.0 section 5.2, and the digest variant of Flash and its imitators. Pure. */
#ifndef SG_RTMP_HANDSHAKE_H
#define SG_RTMP_HANDSHAKE_H

#include "base/bytes.h"

#define SG_RTMP_C0C1_BYTES 1537
#define SG_RTMP_C2_BYTES 1536
#define SG_RTMP_S0S1S2_BYTES 3073

/* The answer to C0 and C1. SG_ERR_BAD_INPUT: not RTMP; SG_ERR_UNSUPPORTED: its encrypted variants. */
SG_MUST_CHECK enum sg_result sg_rtmp_handshake(
    uint8_t out[SG_RTMP_S0S1S2_BYTES], const uint8_t c0c1[SG_RTMP_C0C1_BYTES]);

#endif
