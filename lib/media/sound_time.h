/* sound_time.h - where frames of sound lie, counted in samples: a source's milliseconds are too coarse for them. Pure. */
#ifndef SG_MEDIA_SOUND_TIME_H
#define SG_MEDIA_SOUND_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct sg_sound_time {
	int64_t next;  /* where counting leads; -1 = nowhere yet */
	int64_t ahead; /* samples that have come while that was far ahead of what the source says */
};

/* Where a frame of `samples` lies (0: that varies), in samples at `rate`; `said` is where the source has it. It lies
 * behind the former, unless the source has it quite elsewhere: later, then it lies there; earlier, and for a second,
 * then frames are left out (false) until the two agree, since time does not go back. The clock that a source counts its
 * samples by need not be the one that it tells the time by, and in a day they are seconds apart. */
bool sg_sound_place(struct sg_sound_time *t, int rate, int samples, int64_t said, int64_t *at);

#endif
