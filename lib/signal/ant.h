/* ant.h - one client's conversation in Ant Media's words: JSON in, JSON out.
 *
 * Pure: it owns neither socket nor peer connection. Messages and news about peers go in, what is to
 * be said and done comes out through the actions, inside the call. README.md tells what is spoken.
 * Of one thread. For this folder and its tests. */
#ifndef SG_SIGNAL_ANT_H
#define SG_SIGNAL_ANT_H

#include "gate/gate.h"
#include "media/stream.h"

struct ant;
struct ant_stream; /* one stream of the conversation: what it publishes, or what it plays */

#define ANT_STREAMS_MAX 32 /* of one conversation */
#define ANT_WAITS_MAX 32   /* streams that were not live and may become so */
#define ANT_PER_S 50       /* messages; a browser sends some twenty candidates for each stream */
#define ANT_BURST 600
#define ANT_MEASURE_MS 5000 /* between bitrateMeasurement */

struct ant_want {
	enum sg_token_type type;
	struct sg_str stream, token; /* token absent: none given */
	bool video, audio;
};

struct ant_actions {
	void (*send)(void *user, struct sg_str text);
	/* A peer connection; news about it come with `s`. NULL: overload. */
	void *(*open)(void *user, const struct ant_want *want, struct ant_stream *s);
	void (*offer)(void *peer, struct sg_str sdp);
	void (*answer)(void *peer, struct sg_str sdp);
	void (*candidate)(void *peer, struct sg_str candidate);
	/* What its line carries, in bits per second, as its player estimates; 0: it has not told. */
	uint64_t (*estimate)(void *peer);
	/* The peer connection is gone afterwards, and so are news about it. */
	void (*close)(void *peer, enum sg_goodbye why);
	/* Is the stream live? Then `out` tells about it. */
	bool (*info)(void *user, struct sg_str stream, struct sg_stream_info *out);
	size_t (*viewers)(void *user, struct sg_str stream);
	/* May anybody play it? Else only those who were let in learn about it (R12). */
	bool (*is_open)(void *user, struct sg_str stream);
};

/* Servers that help browsers out, by URL; absent: none. */
struct ant_ice {
	struct sg_str stun, turn;
	const char *username, *credential; /* with `turn` */
};

struct ant *ant_new(const struct ant_actions *actions, void *user); /* NULL: out of memory */
/* What getIceServerConfig is answered with; borrowed. The TURN server is told once a stream has been
 * admitted. */
void ant_set_ice(struct ant *a, const struct ant_ice *ice);
/* Closes every peer connection. NULL allowed. */
void ant_free(struct ant *a, enum sg_goodbye why);

/* A message. What is no JSON object, or not for us, is ignored. False: more came than anybody needs;
 * the conversation is to be closed. */
SG_MUST_CHECK bool ant_take(struct ant *a, struct sg_str message, int64_t now_ms);
/* About once a second. */
void ant_tick(struct ant *a, int64_t now_ms);
/* The server is going to stop: the client is told to go elsewhere. */
void ant_stopping(struct ant *a);
size_t ant_count(const struct ant *a); /* streams */

/* News, as sg_webrtc_events tells them. */
void ant_described(struct ant_stream *s, struct sg_str sdp);
void ant_offered(struct ant_stream *s, struct sg_str sdp); /* a track more, to who watches */
void ant_started(struct ant_stream *s);
/* `s` and its peer connection are gone afterwards. */
void ant_ended(
    struct ant_stream *s, enum sg_reason verdict, enum sg_goodbye why, const char *detail);

#endif
