/* hls.h - a stream as CMAF objects kept in memory, for HLS with low latency (RFC 8216bis, that is
 * draft-pantos-hls-rfc8216bis) and MPEG-DASH (ISO/IEC 23009-1).
 *
 * There are up to three renditions: "main" is pictures and sound (HLS), "video" the pictures of a stream
 * that has sound too (DASH), "audio" the sound. Each is a list of segments, a segment is a list of parts,
 * and a part is one fragment; a segment is its parts one after the other, and the pictures' bytes are
 * kept once for both renditions that have them. All of it is packaged on the publisher's thread, from the first question on (beginning some
 * seconds back in the stream's ring) until nobody has asked for a minute. Everything here may be
 * called on any thread; asking counts as wanting.
 *
 * Names, relative to one folder: "main.m3u8", "audio.m3u8" (playlists), and, with a rendition for V, "V-init-N.mp4", "V-N.m4s" (a segment), "V-pN.m4s" (a part; counted through, so that
 * the next one's name is known before it is known to which segment it will belong). */
#ifndef SG_MEDIA_HLS_H
#define SG_MEDIA_HLS_H

#include "media/stream.h"

/* The length of parts of streams that begin from now on; 0 = none: ordinary HLS. */
#define SG_HLS_PART_MS 200 /* as long as nothing is said */
void sg_hub_set_hls_part(struct sg_hub *hub, int64_t part_ms);

/* Is there enough to begin playing? A segment of each rendition; and pictures, where they are announced or have
 * just begun, for 3.5 seconds at most. */
bool sg_hls_is_ready(struct sg_stream *s);
/* The multivariant playlist, and DASH's description, with `prefix` in front of what they link to.
 * The description's own further readings go to prefix "index.mpd". While no publisher is there both stay as they
 * were, but for DASH's window, which goes on to reach back to the last segments; what comes after a gap is a
 * discontinuity, in DASH a period that is presented right behind the former, with a window and a delay that are
 * longer by the gap from then on. NULL: not ready (use the waiter)
 * or no memory. The caller unrefs. */
struct sg_blob *sg_hls_master(struct sg_stream *s, const char *prefix);
struct sg_blob *sg_hls_mpd(struct sg_stream *s, const char *prefix);

struct sg_hls_ask {
	struct sg_str name;
	/* Of playlists: section 6.2.5.2, "_HLS_msn", "_HLS_part", "_HLS_skip". */
	bool has_msn, has_part, skip;
	uint64_t msn, part;
};
/* Reads the three from texts, each absent or as in the query. False: malformed (answer 400). */
bool sg_hls_ask_parse(
    struct sg_hls_ask *ask, struct sg_str msn, struct sg_str part, struct sg_str skip);

struct sg_hls_object {
	size_t count, size; /* of all */
	bool changes; /* a playlist */
	struct sg_blob *blobs[]; /* one after the other */
};
void sg_hls_object_free(struct sg_hls_object *o); /* NULL allowed */

enum sg_hls_when {
	SG_HLS_HERE,
	SG_HLS_SOON,    /* not yet: ask again when the waiter is woken, for as long as patience lasts */
	SG_HLS_NEVER,   /* no such thing, or not any more */
	SG_HLS_TOO_FAR, /* 6.2.5.2: so far ahead that it is to be refused with 400 */
};
/* *out is NULL unless SG_HLS_HERE, or without memory. The caller frees it. */
enum sg_hls_when sg_hls_get(
    struct sg_stream *s, const struct sg_hls_ask *ask, struct sg_hls_object **out);
/* How long a request may be held: three target durations. */
int64_t sg_hls_patience_ms(struct sg_stream *s);

/* Woken when there is something new and at the end; rules as for sg_ring_waiter. */
void sg_hls_add_waiter(struct sg_stream *s, struct sg_ring_waiter *w);
void sg_hls_remove_waiter(struct sg_stream *s, struct sg_ring_waiter *w);

#endif
