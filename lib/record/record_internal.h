/* record_internal.h - what the recorder's files share.
 *
 * record.c   opening, closing, the writing thread
 * modes.c    what is to be recorded
 * files.c    names, leftovers, space, retention
 * finish.c   the finishing thread */
#ifndef SG_RECORD_RECORD_INTERNAL_H
#define SG_RECORD_RECORD_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "media/record.h"
#include "record/record.h"
#include "store/store.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_SIZE 4352
#define QUEUE_MAX 10000 /* files that wait to be finished; more are left for the next start */

/* A file that has been written. */
struct finishing {
	struct finishing *next;
	struct sg_recording row;
	bool known; /* the catalogue has it */
};

/* ---- modes.c ---- */
struct modes {
	struct sg_setting *items;
	size_t count, cap;
};
/* False: the store failed; what was known stays. */
bool modes_load(struct modes *m, struct sg_store *store);
bool modes_want(const struct modes *m, const struct sg_config *cfg, const char *app, const char *stream);

/* ---- files.c ---- */
/* Paths of a recording, its file while it is written and its file while it is finished. */
void path_of(char out[PATH_SIZE], const struct sg_config *cfg, const char *app, const char *name);
void part_path_of(char out[PATH_SIZE], const struct sg_config *cfg, const char *app, const char *name);
void temp_path_of(char out[PATH_SIZE], const struct sg_config *cfg, const char *app, const char *name);
/* A free name for a recording of `stream`, and its file to write; -1: errno. */
int file_create(const struct sg_config *cfg, const char *app, const char *stream,
    char name[sizeof(((struct sg_recording *)0)->name)]);
int64_t free_bytes(const struct sg_config *cfg); /* INT64_MAX: not known */
void leftovers_each(const struct sg_config *cfg,
    void (*each)(void *user, const char *app, const char *name), void *user);
/* Before anything is written: rows of recordings that are neither being written nor left over become those of finished
 * files, or go with files that are gone. A crash leaves them, right behind a file's finishing. */
void rows_settle(const struct sg_config *cfg, struct sg_store *store);
/* What the clocks said at the last sweep; zeroed at first. */
struct keep_clock {
	int64_t wall_s, mono_ms, doubted_until_ms;
};
/* Deletes what is to be kept no longer. */
void keep_sweep(const struct sg_config *cfg, struct sg_store *store, struct keep_clock *clock);

/* ---- record.c ---- */
struct writing {
	struct writing *next;
	struct sg_stream *stream;
	struct sg_ring_waiter waiter; /* it says when the stream is read next */
	struct sg_record_file *file; /* NULL: none open now */
	struct sg_recording row;
	uint64_t after;
	int64_t retry_ms; /* not before */
	int64_t sync_ms;  /* when it is synced next */
	bool wanted;
};
struct sg_recorder {
	const struct sg_config *cfg;
	struct sg_hub *hub;
	struct sg_store *store, *finish_store; /* of each thread */
	struct modes modes;
	struct writing *writing;
	void *buffer; /* the writer's */
	pthread_t writer, finisher;
	bool has_writer, has_finisher;
	struct keep_clock keep; /* the writer's */
	int64_t roll_ms; /* after so long another file is begun; set before there is a stream */

	pthread_mutex_t lock;
	pthread_cond_t woken;
	struct finishing *queue, **queue_last;
	size_t queued;
	const struct sg_config *apps; /* whose sections of applications hold */
	bool stopping, no_more; /* the writer is to stop; nothing more is queued */
	bool finished; /* the finisher has ended */
	atomic_bool hurry; /* it is to end now, and to leave the rest for the next start */
	int64_t finish_at_end_ms; /* how long it may go on at the end */

	atomic_size_t active;
	atomic_uint_fast64_t files, failed, bytes;
};

/* ---- finish.c ---- */
void finish_queue(struct sg_recorder *r, const struct sg_recording *row, bool known);
void *finish_main(void *recorder);

#endif
