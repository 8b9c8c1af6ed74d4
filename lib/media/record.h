/* record.h - one recording: a stream's frames into a file, and the file made ready for players.
 *
 * While it is written it is fragmented MP4, a fragment at each sg_record_pump(), so that whatever happens to
 * the program the file can be played up to the last one of these; up to the last sg_record_sync() after a
 * power cut. In the end it is rewritten as plain MP4 with its index in front. A recording belongs to one
 * thread, which waits for the disk; it follows the stream's ring as a viewer does, so a slow disk costs the
 * recording pictures, and nobody else. */
#ifndef SG_MEDIA_RECORD_H
#define SG_MEDIA_RECORD_H

#include "media/stream.h"

struct sg_record_file;

/* Where fragments are laid out to be written: one for all recordings of a thread, which borrow it; free(3) it.
 * NULL: no memory. */
void *sg_record_buffer_new(void);

/* Is there a keyframe to begin at, which is not older than the ring's frame `after`? Cheap. */
bool sg_record_may_begin(struct sg_stream *s, uint64_t after);
/* Begins at the newest keyframe that is not older than the ring's frame `after` (0: any), in `fd`, an
 * empty file that is taken and closed by sg_record_close, and written past the page cache where that can be.
 *   SG_NEED_MORE        there is no such keyframe yet: try again later (fd stays the caller's)
 *   SG_ERR_UNSUPPORTED  none of the stream's codecs goes into MP4 (likewise)
 *   SG_ERR_IO           it cannot be written (likewise) */
SG_MUST_CHECK enum sg_result sg_record_open(
    struct sg_record_file **out, struct sg_stream *s, uint64_t after, int fd, void *buffer);
/* From `ms` on the next keyframe belongs to another file (0, as at first: none does). */
void sg_record_limit(struct sg_record_file *r, int64_t ms);
/* Goes on in `fd`, as sg_record_open takes it, where `full` was cut, which stays to be closed. Nothing is between the
 * two, and nothing in both; what the ring has dropped meanwhile is lost, as always. The limit is the same. */
SG_MUST_CHECK enum sg_result sg_record_go_on(struct sg_record_file **out, const struct sg_record_file *full, int fd);
/* Writes what has come as one fragment, but for the last frame of each track, whose duration the next one
 * tells. How often it is called is how much may be lost, and most of what a recording costs.
 *   SG_OK             there may be more
 *   SG_ERR_NOT_FOUND  the stream has ended
 *   SG_ERR_LIMIT      it is as long as sg_record_limit says: sg_record_go_on, then close it
 *   SG_ERR_EXISTS     another configuration has come: close it, and go on in another file after
 *                     sg_record_position()
 *   SG_ERR_IO         errno: the file cannot be written; what was written stays as it is */
SG_MUST_CHECK enum sg_result sg_record_pump(struct sg_record_file *r);
uint64_t sg_record_position(const struct sg_record_file *r);
/* Sees to it that what has been written survives a power cut. */
SG_MUST_CHECK enum sg_result sg_record_sync(struct sg_record_file *r);
uint64_t sg_record_bytes(const struct sg_record_file *r);
int64_t sg_record_ms(const struct sg_record_file *r); /* how long it is */
/* Writes the rest, syncs, closes. NULL allowed. */
void sg_record_close(struct sg_record_file *r);

/* Rewrites the fragmented file `from` as plain MP4 into `to`, both paths; *ms is how long it is. `from`
 * may be cut off anywhere. Waits for the disk. On any result but SG_OK `to` is gone. Any thread may set *stop
 * (NULL: nobody does), and then it comes to an end soon.
 *   SG_ERR_BAD_INPUT  there is nothing in it that could be played; see sg_record_is_empty
 *   SG_ERR_IO         it cannot be read or written: `from` may hold more than what was read. Or its head was cut off
 *   SG_ERR_CLOSED     it was stopped */
SG_MUST_CHECK enum sg_result sg_record_finish(
    const char *from, const char *to, const atomic_bool *stop, int64_t *ms);
/* Is there no whole piece of media in the fragmented file? False also when that cannot be told. */
bool sg_record_is_empty(const char *path);

#endif
