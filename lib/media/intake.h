/* intake.h - a container's packets as frames: MPEG-TS that a peer sends, or whatever a URL has, through
 * libavformat. H.264, HEVC, AAC, Opus and MP3 are taken, the first picture and the first sound track.
 *
 * Tracks may change while it goes on: a first sound or picture may come later, and another track takes the place
 * of one that the source announces no longer (MPEG-TS: a new PAT or PMT), or that is silent while the other goes
 * on; pictures then go on at a keyframe. Of those that come later there may be 32. MPEG-TS is followed alike whether
 * a peer sends it or a URL has it. HLS's segments libavformat reads by itself: there, and in FLV, a track that begins
 * to speak takes the place of the one that spoke; a playlist whose fragments of MP4 get another header is opened again
 * at that segment; a PID of HLS's that comes again as another kind of stream is not understood.
 *
 * An intake belongs to one thread, and its calls wait for the source: give it a thread of its own. */
#ifndef SG_MEDIA_INTAKE_H
#define SG_MEDIA_INTAKE_H

#include "media/frame.h"

struct sg_intake;

struct sg_intake_config {
	/* Either a source of bytes in a container that is named ("mpegts"): waits for some, answers how many
	 * it put into `p`, or -1 at the end ... */
	int (*read)(void *user, uint8_t *p, int size);
	const char *format;
	/* ... or a URL that libavformat opens, with its options "key=value:key=value" (NULL: none). */
	const char *url, *options;
	const char *ca_file; /* of a URL with TLS: the authorities of certificates, PEM; NULL: the system's */
	/* Asked again and again while waiting; true ends what goes on. */
	bool (*stop)(void *user);
	void *user;
};

/* Opens and reads ahead until the tracks are known, two seconds of them at most. Otherwise *out is NULL,
 * and *why one line without the URL. SG_ERR_BAD_INPUT: this is no such container; SG_ERR_UNSUPPORTED: it
 * has no track that is taken; SG_ERR_IO: the URL cannot be opened; SG_ERR_CLOSED: it was stopped, or ended. */
SG_MUST_CHECK enum sg_result sg_intake_open(
    struct sg_intake **out, const struct sg_intake_config *cfg, const char **why);
void sg_intake_close(struct sg_intake *in); /* NULL allowed */
bool sg_intake_has_pictures(const struct sg_intake *in); /* a track of them, whether anything has come or not */

/* The next frame, for sg_publisher_write: configurations come before the frames that need them. Times are
 * the source's own. SG_ERR_CLOSED: the end, or stopped; SG_ERR_LIMIT: a frame larger than any may be,
 * or one whose end does not come, or too many tracks;
 * SG_ERR_BAD_INPUT: what comes does not make sense (too many packets in a row that are no frames). */
SG_MUST_CHECK enum sg_result sg_intake_next(struct sg_intake *in, struct sg_frame **out);
/* Behind an error of sg_intake_next: one line about what came. */
const char *sg_intake_trouble(const struct sg_intake *in);

#endif
