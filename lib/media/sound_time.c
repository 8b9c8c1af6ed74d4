/* sound_time.c - where frames of sound lie. */
#include "media/sound_time.h"

#define FAR_MS 50     /* what is off by more is believed */
#define AHEAD_MS 1000 /* if it stays so: some sources give several frames the time of the first */

bool sg_sound_place(struct sg_sound_time *t, int rate, int samples, int64_t said, int64_t *at)
{
	int64_t far = (int64_t)rate * FAR_MS / 1000, off = said - t->next;
	bool is_first = t->next < 0;

	*at = said;
	if (!samples)
		return true;
	t->ahead = !is_first && off < -far ? t->ahead + samples : 0;
	if (t->ahead > (int64_t)rate * AHEAD_MS / 1000)
		return false;
	if (!is_first && off <= far)
		*at = t->next;
	t->next = *at + samples;
	return true;
}
