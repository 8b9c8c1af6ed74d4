/* media.h - media over HTTP: HLS, HTTP-FLV, HTTP-TS, recordings (INTERFACE.md section 4).
 *
 * The web server registers the routes below /APP/streams/ itself; README.md beside this file tells
 * how a session travels. */
#ifndef SG_HTTP_MEDIA_H
#define SG_HTTP_MEDIA_H

#include "base/config.h"
#include "gate/gate.h"

struct sg_http_media;
struct sg_http_request;

/* Answers with the status for the gate's reason (RFC 9110 section 15), and tells nothing else (R12). */
void sg_http_refuse_media(struct sg_http_request *req, enum sg_reason why);
/* Is `name` ("cam-1.mp4") a recording of `app`: a regular file in [recording] path, below APP/, or,
 * for the application "live", also in the folder itself? No path leaves the folder. Waits for the
 * disk. Any thread; for struct sg_gate_media. */
bool sg_http_recording_exists(const struct sg_config *cfg, struct sg_str app, struct sg_str name);
/* Answers with the file, or the part of it that is asked for, as a download; no session is needed: the
 * caller has seen to it that the asker may. False: there is no such recording, and no answer yet. Waits for
 * the disk. */
bool sg_http_recording_answer(
    struct sg_http_request *req, const struct sg_config *cfg, struct sg_str app, struct sg_str name);
/* The same file opened for reading, or -1. The caller closes it. */
int sg_http_recording_open(const struct sg_config *cfg, struct sg_str app, struct sg_str name);

#endif
