/* record.h - the recorder: which streams are recorded, into which files, for how long they are kept.
 *
 * A stream's own setting "record" in the store rules, then its application's there, then the
 * configuration's: "on" records, "off" does not, and "ask" records those streams alone whose own setting
 * is "on". Files are [recording] path / APP / NAME.mp4; NAME is the stream's id, with _1, _2, ... where
 * there is one already; what lasts longer than four hours goes on in the next. The catalogue (store.h) says whose a file is.
 *
 * Two threads of its own wait for the disk: one writes, one finishes files. While a file is written it is
 * called ".NAME.mp4.part", so that nobody takes it for a recording; what a crash has left behind is
 * finished at the next start. */
#ifndef SG_RECORD_RECORD_H
#define SG_RECORD_RECORD_H

#include "base/config.h"
#include "media/stream.h"
#include <stddef.h>

struct sg_recorder;

/* `cfg` and `hub` outlive it. */
SG_MUST_CHECK enum sg_result sg_recorder_open(struct sg_recorder **out, const struct sg_config *cfg,
    struct sg_hub *hub, char *error, size_t error_size);
/* From now on `cfg` has the applications' sections; the former one is not used any more. */
void sg_recorder_reconfigure(struct sg_recorder *r, const struct sg_config *cfg);
/* What is being written is ended and, for some seconds, finished; the rest is at the next start. NULL
 * allowed. */
void sg_recorder_close(struct sg_recorder *r);

/* Is a recording being written, or finished, that will have this name? Any thread. */
bool sg_recording_is_coming(const struct sg_config *cfg, const char *app, struct sg_str name);

struct sg_recorder_stats {
	size_t active, finishing;
	uint64_t files, failed, bytes;
};
void sg_recorder_stats(struct sg_recorder *r, struct sg_recorder_stats *out); /* any thread */

#endif
