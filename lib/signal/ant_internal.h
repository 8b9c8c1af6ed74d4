/* ant_internal.h - what ant.c, ant_say.c and ant_ask.c share. */
#ifndef SG_SIGNAL_ANT_INTERNAL_H
#define SG_SIGNAL_ANT_INTERNAL_H

#include "signal/ant.h"
#include <jansson.h>

enum ant_state {
	ANT_ASKING,    /* the gate has been asked */
	ANT_DESCRIBED, /* admitted and held: "start", or our offer, has been said */
	ANT_ANSWERED,  /* publisher: its offer has been answered; viewer: its answer has come */
	ANT_STARTED,   /* media flows */
};

struct ant_stream {
	struct ant_stream *prev, *next;
	struct ant *ant;
	void *peer;
	enum sg_token_type type;
	enum ant_state state;
	int64_t measured_ms;
	char id[SG_STREAM_MAX + 1];
};

struct ant {
	const struct ant_actions *actions;
	void *user;
	struct ant_stream *streams;
	size_t count;
	char waits[ANT_WAITS_MAX][SG_STREAM_MAX + 1]; /* "": free */
	struct ant_ice ice;
	bool asked_ice, told_turn;
	double budget;
	int64_t budget_ms;
};

struct ant_stream *ant_find(struct ant *a, struct sg_str stream);

/* ---- ant_say.c ---- */

/* Takes `object`; NULL (out of memory) is not said: the client's own timers go on. */
void ant_say(struct ant *a, json_t *object);
void ant_say_error(struct ant *a, struct sg_str stream, const char *definition);
void ant_say_note(struct ant *a, struct sg_str stream, const char *definition);
/* Ends the retries of Ant Media's SDK for this stream: else it asks again every 3.5 s for ever. */
void ant_say_stop(struct ant *a, struct sg_str stream);
/* `turn`: with what only those may know who have been let in. */
void ant_say_ice(struct ant *a, bool turn);
void ant_say_description(struct ant_stream *s, const char *type, struct sg_str sdp);
/* What {mid: track id} an offer of ours has; a new reference. */
json_t *ant_id_mapping(struct sg_str sdp, const char *stream);

/* ---- ant_ask.c: what clients ask about streams ---- */

void ant_ask_stream_info(struct ant *a, const json_t *m, struct sg_str stream);
void ant_ask_broadcast(struct ant *a, const json_t *m, struct sg_str stream);
void ant_ask_subscribers(struct ant *a, const json_t *m, struct sg_str stream);
void ant_ask_tracks(struct ant *a, const json_t *m, struct sg_str stream);
void ant_measure(struct ant_stream *s, int64_t now_ms);

#endif
