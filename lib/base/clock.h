/* clock.h - two clocks. Deadlines use the monotonic one, which never goes back; what is
 * shown or kept uses the wall clock. Thread-safe. */
#ifndef SG_BASE_CLOCK_H
#define SG_BASE_CLOCK_H

#include <stdint.h>

int64_t sg_mono_ms(void);
int64_t sg_mono_us(void);
int64_t sg_wall_ms(void); /* Unix time in milliseconds */
int64_t sg_wall_s(void);

#endif
