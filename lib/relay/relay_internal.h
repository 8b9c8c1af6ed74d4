/* relay_internal.h - one line to a server elsewhere, and what the files around it share.
 *
 *   relay.c  the manager: which pushes there must be; lists, numbers, opening and closing
 *   line.c   one line: its state, its thread's waiting, its attempts
 *   pull.c   media in, through media/intake.h
 *   push.c   media out, through media/outlet.h
 *
 * A line's thread works on it; others look at it, and want or stop it, under its lock. */
#ifndef SG_RELAY_RELAY_INTERNAL_H
#define SG_RELAY_RELAY_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "relay/relay.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 30000
#define REST_MS 1000
#define STEADY_MS 10000 /* who ran for so long begins again with the shortest wait */
#define SILENT_MS 15000 /* without anything from, or taken by, the far end */
#define UNWATCHED_MS 30000
#define TICK_MS 250

struct relay_line {
	struct relay_line *prev, *next; /* the relay's */
	struct sg_relay *relay;
	bool push;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1];
	char *url; /* with its secrets; `{stream}` replaced */
	char shown[200]; /* without them */
	atomic_bool always; /* a pull that runs unwatched */
	pthread_t thread;
	struct sg_stream *source; /* a push: what is sent */
	struct sg_ring_waiter waiter;
	atomic_bool stop; /* for good */
	atomic_bool moves; /* a pull: its successor goes on with the stream from elsewhere */
	atomic_bool finished; /* the thread has nothing more to do: it may be joined */
	atomic_llong heard_ms; /* monotonic: the far end last did something */
	atomic_ullong bytes;

	pthread_mutex_t lock; /* what is below */
	pthread_cond_t wake;
	bool woken;
	enum sg_relay_state state;
	int64_t since_ms, began_ms; /* its state began: Unix, and monotonic */
	unsigned attempts;
	char problem[100];
	int64_t wanted_ms; /* monotonic: a pull: somebody last watched, or wanted to */
	struct sg_publisher
	    *publisher; /* a pull: while it connects or runs; then the thread's alone */
};

struct sg_relay {
	struct sg_relay_config cfg;
	int64_t unwatched_ms;
	pthread_t manager;
	bool has_manager;
	atomic_bool stop;
	atomic_ullong bytes[2], failures[2], skipped;

	pthread_mutex_t lock; /* the lists, and the configuration in effect */
	pthread_cond_t wake;
	const struct sg_config *now;
	struct relay_line *pulls, *pushes;
	size_t push_count;
};

/* line.c */
struct relay_line *line_new(struct sg_relay *r, bool push, const char *app, const char *stream);
void line_free(struct relay_line *l);
void line_free_url(char *url); /* which may hold secrets; NULL allowed */
bool line_start(struct relay_line *l);
void line_stop(struct relay_line *l);
void line_set(struct relay_line *l, enum sg_relay_state state);
/* An attempt is over; why is one line without secrets. Waits until the next one is due. */
void line_failed(struct relay_line *l, const char *why);
/* There is no attempt while this holds, which is no failure. Waits a second. */
void line_rests(struct relay_line *l, const char *why);
/* The configuration's [relay] tls_ca as it is now; NULL: the system's. The caller's, to free. */
char *line_ca_file(struct relay_line *l);
/* For sg_intake and sg_outlet: stopped, or the far end does nothing. */
bool line_is_stopped(void *user);
void line_heard(struct relay_line *l, size_t bytes);
/* Until somebody wakes it, or `ms` are over. */
void line_sleep(struct relay_line *l, int64_t ms);
void line_wake(struct relay_line *l);

/* pull.c */
void pull_run(struct relay_line *l); /* the thread */
bool pull_want(struct relay_line *l);

/* push.c */
void push_run(struct relay_line *l);

#endif
