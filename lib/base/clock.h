/* clock.h - two clocks. Deadlines use the monotonic one, which never goes back; what is
 * shown or kept uses the wall clock. Thread-safe. */
#ifndef SG_BASE_CLOCK_H
#define SG_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

int64_t sg_mono_ms(void);
int64_t sg_mono_us(void);
int64_t sg_wall_ms(void); /* Unix time in milliseconds */
int64_t sg_wall_s(void);
/* Unix time in microseconds as far as it was known when the process asked first, and from there by the monotonic clock:
 * for times that are compared with one another, which a step of the wall clock must not part. */
int64_t sg_steady_us(void);

/* R4: a viewer may pause for a minute, whatever carries the stream; and a margin. */
#define SG_PAUSE_MS 75000

/* For waits that a step of the wall clock neither stretches nor cuts short: a condition that counts by the
 * monotonic clock, and the moment to hand to pthread_cond_timedwait() or sem_clockwait(). */
void sg_cond_init(pthread_cond_t *cond);
struct timespec sg_mono_in_us(int64_t us); /* `us` from now, not negative */

#endif
