/* relay.h - streams that come from, or go to, servers elsewhere: `[app NAME] forward` pushes every live
 * stream of an application on, `[pull S]` takes one in, always or while somebody watches.
 *
 * The operator's, so no token is asked for; whoever watches a stream that was pulled passes the gate like
 * anybody. While a pull connects or runs it has the stream reserved in the gate, so that an encoder is refused
 * before its token is spent; a stream that somebody publishes here, or may come back to, is left to them.
 *
 * Each relay has a thread of its own, which connects again, after 1 s and ever longer up to 30 s, when its far
 * end fails. Everything here may be called on any thread, unless said otherwise. */
#ifndef SG_RELAY_RELAY_H
#define SG_RELAY_RELAY_H

#include "base/config.h"
#include "gate/gate.h"
#include "media/stream.h"

struct sg_relay;

#define SG_RELAYS_MAX 256 /* of each direction; each has a thread */

struct sg_relay_config {
	const struct sg_config *cfg; /* [pull] sections, [app] forward, [relay] */
	struct sg_gate *gate; /* tells whether somebody watches, or publishes */
	struct sg_hub *hub;
	int64_t unwatched_ms; /* until a pull that nobody watches ends; 0 = 30 s */
};
/* Starts what is always pulled. Everything is borrowed until close. */
SG_MUST_CHECK enum sg_result sg_relay_open(
    struct sg_relay **out, const struct sg_relay_config *cfg);
/* Ends all connections. Does not wait. */
void sg_relay_drain(struct sg_relay *r);
/* And waits for the threads: seconds, when one of them is looking up a name. Before the gate is closed. */
void sg_relay_stop(struct sg_relay *r);
/* After the gate was closed, whose threads may ask sg_relay_want until then. NULL allowed. */
void sg_relay_close(struct sg_relay *r);
/* After SIGHUP: the applications' `forward`, the [pull] sections and [relay] are read from `cfg` (borrowed) from
 * now on. A line whose URL is another one now ends, and its successor begins, soon after. When it returns the
 * former configuration is not looked at any more. */
void sg_relay_reconfigure(struct sg_relay *r, const struct sg_config *cfg);

/* Somebody wants to watch it. True: it is pulled, or its pull begins now, and it is in the hub and
 * reserved in the gate, where its viewers wait for its media. False: there is no such pull, its far end has
 * just failed, or somebody else publishes it. Does not wait. */
bool sg_relay_want(struct sg_relay *r, struct sg_str app, struct sg_str stream);

#define SG_RELAY_STATES(X)                                                                         \
	X(SG_RELAY_IDLE, "idle") /* a pull that nobody watches */                                  \
	X(SG_RELAY_CONNECTING, "connecting") /* or waiting for the first frame */                  \
	X(SG_RELAY_RUNNING, "running")                                                             \
	X(SG_RELAY_WAITING, "waiting") /* to try again */
enum sg_relay_state {
#define SG_RELAY_STATE_NAME(name, text) name,
	SG_RELAY_STATES(SG_RELAY_STATE_NAME)
#undef SG_RELAY_STATE_NAME
	    SG_RELAY_STATE_COUNT
};
const char *sg_relay_state_name(enum sg_relay_state s);

struct sg_relay_info {
	bool push;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1];
	char url[200]; /* sg_url_show: without what may be secret */
	enum sg_relay_state state;
	int64_t since_ms; /* Unix milliseconds: when this state began */
	uint64_t bytes;
	unsigned attempts; /* that failed in a row */
	char problem[100]; /* of the last one, "" = none */
};
/* Copies at most `max`, pulls first; answers how many. */
size_t sg_relay_list(struct sg_relay *r, struct sg_relay_info *out, size_t max);

struct sg_relay_stats {
	size_t states[2][SG_RELAY_STATE_COUNT]; /* [0 pull | 1 push] */
	uint64_t bytes[2], failures[2];
	uint64_t skipped_frames; /* left out of pushes whose line is too thin */
};
void sg_relay_stats(struct sg_relay *r, struct sg_relay_stats *out);

#endif
