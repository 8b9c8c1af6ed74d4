/* ant.c - Ant Media's messages: what each does to the streams of a conversation. */
#include "signal/ant_internal.h"
#include <stdlib.h>
#include <utlist.h>
#include "webrtc/webrtc.h" /* SG_SDP_MAX */

#define BAD_JSON_COST 10 /* messages */

/* ---- streams ---- */

struct ant_stream *ant_find(struct ant *a, struct sg_str stream)
{
	struct ant_stream *s;

	DL_FOREACH (a->streams, s)
		if (sg_str_is(stream, s->id))
			return s;
	return NULL;
}

static void drop(struct ant_stream *s, enum sg_goodbye why)
{
	struct ant *a = s->ant;

	if (s->peer)
		a->actions->close(s->peer, why);
	DL_DELETE(a->streams, s);
	a->count--;
	free(s);
}

static const char *finished(enum sg_token_type type)
{
	return type == SG_PUBLISH ? "publish_finished" : "play_finished";
}

/* ---- streams that were asked for in vain ---- */

static void forget_wait(struct ant *a, struct sg_str stream)
{
	for (size_t i = 0; i < ANT_WAITS_MAX; i++)
		if (stream.len && sg_str_is(stream, a->waits[i]))
			a->waits[i][0] = '\0';
}

static void note_wait(struct ant *a, struct sg_str stream)
{
	forget_wait(a, stream);
	for (size_t i = 0; i < ANT_WAITS_MAX; i++)
		if (!a->waits[i][0]) {
			sg_str_copy(a->waits[i], sizeof(a->waits[i]), stream);
			return;
		}
}

/* ---- what a message holds ---- */

/* A member that is a string; absent otherwise. */
static struct sg_str text_of(const json_t *m, const char *key)
{
	const json_t *v = json_object_get(m, key);

	return (struct sg_str){ json_string_value(v), json_string_length(v) };
}

/* Missing, null and "" all mean none. */
static struct sg_str token_of(const json_t *m)
{
	struct sg_str token = text_of(m, "token");

	return token.len ? token : (struct sg_str){ 0 };
}

/* Hand-written clients send "true" as a string; absent means true. */
static bool is_wanted(const json_t *m, const char *key)
{
	const json_t *v = json_object_get(m, key);

	return !json_is_false(v) && !sg_str_equal_nocase(text_of(m, key), SG_STR("false"));
}

/* ---- the commands ---- */

static void on_ping(struct ant *a, const json_t *m, struct sg_str stream)
{
	(void)m, (void)stream;
	ant_say(a, json_pack("{s:s}", "command", "pong"));
}

static bool has_admitted(const struct ant *a)
{
	const struct ant_stream *s;

	DL_FOREACH (a->streams, s)
		if (s->state != ANT_ASKING)
			return true;
	return false;
}

/* Before anybody has been let in, TURN's credentials are not told: they follow with the first stream's
 * "start" or offer, which is where the SDK makes its peer connection. */
static void on_ice_servers(struct ant *a, const json_t *m, struct sg_str stream)
{
	(void)m, (void)stream;
	a->asked_ice = true;
	ant_say_ice(a, a->ice.turn.len && has_admitted(a));
}

static void begin(struct ant *a, const json_t *m, struct sg_str stream, enum sg_token_type type)
{
	struct ant_want want = { .type = type, .stream = stream, .token = token_of(m),
		.video = is_wanted(m, "video"), .audio = is_wanted(m, "audio") };
	struct ant_stream *s = ant_find(a, stream);

	if (s) {
		ant_say_error(
		    a, stream, type == SG_PUBLISH ? "already_publishing" : "already_playing");
		return;
	}
	if (a->count >= ANT_STREAMS_MAX || !(s = calloc(1, sizeof(*s)))) {
		ant_say_error(a, stream, "highResourceUsage");
		return;
	}
	s->ant = a;
	s->type = type;
	sg_str_copy(s->id, sizeof(s->id), stream);
	DL_APPEND(a->streams, s);
	a->count++;
	if (!(s->peer = a->actions->open(a->user, &want, s))) {
		drop(s, SG_BYE_CLOSED);
		ant_say_error(a, stream, "highResourceUsage");
	}
}

static void on_publish(struct ant *a, const json_t *m, struct sg_str stream)
{
	begin(a, m, stream, SG_PUBLISH);
}

static void on_play(struct ant *a, const json_t *m, struct sg_str stream)
{
	begin(a, m, stream, SG_PLAY);
}

static void on_stop(struct ant *a, const json_t *m, struct sg_str stream)
{
	struct ant_stream *s = ant_find(a, stream);

	(void)m;
	forget_wait(a, stream);
	if (!s)
		return; /* the SDK says so before each retry */
	const char *definition = finished(s->type);
	drop(s, SG_BYE_CLOSED);
	ant_say_note(a, stream, definition);
}

static void on_configuration(struct ant *a, const json_t *m, struct sg_str stream)
{
	struct ant_stream *s = ant_find(a, stream);
	struct sg_str sdp = text_of(m, "sdp"), type = text_of(m, "type");

	/* Nothing is described before we have said so. */
	if (!s || s->state == ANT_ASKING)
		return;
	if (!sdp.len || sdp.len > SG_SDP_MAX) {
		ant_say_error(a, stream, "notSetRemoteDescription");
	} else if (sg_str_is(type, "offer")) {
		a->actions->offer(s->peer, sdp);
	} else if (sg_str_is(type, "answer") && s->type == SG_PLAY) {
		if (s->state == ANT_DESCRIBED)
			s->state = ANT_ANSWERED;
		a->actions->answer(s->peer, sdp);
	}
}

/* Ours is the address that matters (ICE-lite): theirs are read for form's sake. "" ends them. */
static void on_candidate(struct ant *a, const json_t *m, struct sg_str stream)
{
	struct ant_stream *s = ant_find(a, stream);
	struct sg_str candidate = text_of(m, "candidate");

	if (s && s->state != ANT_ASKING && candidate.len)
		a->actions->candidate(s->peer, candidate);
}

static const struct rule {
	const char *command;
	bool needs_stream, quiet; /* quiet: a bad stream id is not complained about */
	void (*handle)(struct ant *a, const json_t *m, struct sg_str stream);
} rules[] = {
	{ "ping", false, true, on_ping },
	{ "publish", true, false, on_publish }, /* asks the gate */
	{ "play", true, false, on_play },       /* asks the gate */
	{ "takeConfiguration", true, false, on_configuration },
	{ "takeCandidate", true, true, on_candidate },
	{ "stop", true, true, on_stop },
	{ "getStreamInfo", true, false, ant_ask_stream_info },
	{ "getBroadcastObject", true, false, ant_ask_broadcast },
	{ "getSubscriberCount", true, false, ant_ask_subscribers },
	{ "getTrackList", true, false, ant_ask_tracks },
	{ "getIceServerConfig", false, true, on_ice_servers },
};

/* Ids come back as they were sent, so that the client knows its own again; up to a length. */
static void refuse_id(struct ant *a, struct sg_str stream)
{
	if (!stream.len) {
		ant_say_error(a, (struct sg_str){ 0 }, "noStreamNameSpecified");
	} else if (stream.len > 1024) {
		ant_say_error(a, (struct sg_str){ 0 }, "invalidStreamName");
	} else {
		ant_say_error(a, stream, "invalidStreamName");
		ant_say_stop(a, stream);
	}
}

static void dispatch(struct ant *a, const json_t *m)
{
	struct sg_str command = text_of(m, "command"), stream = text_of(m, "streamId");
	size_t i = 0, count = sizeof(rules) / sizeof(rules[0]);

	while (i < count && !sg_str_is(command, rules[i].command))
		i++;
	if (i == count)
		return; /* unknown ones are ignored */
	if (!rules[i].needs_stream || sg_stream_is_valid(stream))
		rules[i].handle(a, m, stream);
	else if (!rules[i].quiet)
		refuse_id(a, stream);
}

static void wipe_token(json_t *m)
{
	struct sg_str token = token_of(m);

	if (token.len)
		sg_wipe((char *)token.p, token.len);
}

static void refill(struct ant *a, int64_t now_ms)
{
	a->budget += ANT_PER_S * (double)(now_ms - a->budget_ms) / 1000.0;
	if (a->budget > ANT_BURST || !a->budget_ms)
		a->budget = ANT_BURST;
	a->budget_ms = now_ms;
}

bool ant_take(struct ant *a, struct sg_str message, int64_t now_ms)
{
	refill(a, now_ms);
	json_t *m = json_loadb(message.p ? message.p : "", message.len, 0, NULL);
	a->budget -= json_is_object(m) ? 1 : BAD_JSON_COST;
	bool within = a->budget >= 0;
	if (within && json_is_object(m))
		dispatch(a, m);
	if (json_is_object(m))
		wipe_token(m);
	json_decref(m);
	return within;
}

/* ---- news ---- */

void ant_described(struct ant_stream *s, struct sg_str sdp)
{
	struct sg_str stream = sg_str_from(s->id);
	bool first = s->state == ANT_ASKING;

	if (first) {
		s->state = ANT_DESCRIBED;
		forget_wait(s->ant, stream);
		/* A page that has servers of its own does not ask, and keeps them. */
		if (s->ant->asked_ice && !s->ant->told_turn)
			ant_say_ice(s->ant, true);
	}
	if (s->type == SG_PLAY && first) {
		ant_say_description(s, "offer", sdp);
	} else if (sdp.len) {
		if (s->state == ANT_DESCRIBED)
			s->state = ANT_ANSWERED;
		ant_say_description(s, "answer", sdp);
	} else {
		ant_say(s->ant, json_pack("{s:s, s:s}", "command", "start", "streamId", s->id));
	}
}

/* Their SDKs answer it as they did the first. */
void ant_offered(struct ant_stream *s, struct sg_str sdp)
{
	ant_say_description(s, "offer", sdp);
}

void ant_started(struct ant_stream *s)
{
	s->state = ANT_STARTED;
	ant_say_note(s->ant, sg_str_from(s->id),
	    s->type == SG_PUBLISH ? "publish_started" : "play_started");
}

/* Refused. What may come right by itself may be asked for again; the rest is final. */
static void say_refused(struct ant *a, struct sg_str stream, enum sg_reason verdict)
{
	switch (verdict) {
	case SG_STREAM_NOT_LIVE:
		note_wait(a, stream);
		ant_say_error(a, stream, "no_stream_exist");
		return;
	case SG_ALREADY_PUBLISHING:
		ant_say_error(a, stream, "streamIdInUse");
		return;
	case SG_OVERLOAD:
		ant_say_error(a, stream, "highResourceUsage");
		return;
	default:
		ant_say_error(a, stream, "unauthorized_access");
		ant_say_stop(a, stream);
	}
}

/* Admitted, but media never flowed: nothing was spent. */
static void say_failed(struct ant *a, struct sg_str stream, enum sg_token_type type,
    enum ant_state state, enum sg_goodbye why, const char *detail)
{
	if (why == SG_BYE_BAD_INPUT || (why == SG_BYE_NO_MEDIA && state < ANT_ANSWERED && *detail)) {
		json_t *m = json_pack("{s:s, s:s, s:s%}", "command", "error", "definition",
		    "notSetRemoteDescription", "streamId", stream.p, stream.len);
		if (*detail)
			json_object_set_new(m, "information", json_string(detail));
		ant_say(a, m);
		ant_say_stop(a, stream);
	} else if (type == SG_PUBLISH) {
		ant_say_error(a, stream, "publishTimeoutError");
	} else {
		ant_say_note(a, stream, "play_finished");
	}
}

/* Was it sent away, so that coming back with the same token is no use? */
static bool is_final(enum sg_goodbye why)
{
	return why == SG_BYE_KICKED || why == SG_BYE_REVOKED || why == SG_BYE_EXPIRED ||
	       why == SG_BYE_SHARED;
}

void ant_ended(
    struct ant_stream *s, enum sg_reason verdict, enum sg_goodbye why, const char *detail)
{
	struct ant *a = s->ant;
	enum sg_token_type type = s->type;
	enum ant_state state = s->state;
	char id[SG_STREAM_MAX + 1];

	memcpy(id, s->id, sizeof(id));
	struct sg_str stream = sg_str_from(id);
	drop(s, why);
	if (verdict != SG_ADMITTED) {
		say_refused(a, stream, verdict);
	} else if (state != ANT_STARTED && !is_final(why) && why != SG_BYE_SHUTDOWN &&
		   why != SG_BYE_STREAM_ENDED) {
		say_failed(a, stream, type, state, why, detail);
	} else {
		ant_say_note(a, stream, finished(type));
		if (is_final(why))
			ant_say_stop(a, stream);
	}
}

/* ---- time ---- */

void ant_tick(struct ant *a, int64_t now_ms)
{
	struct sg_stream_info info;
	struct ant_stream *s;

	DL_FOREACH (a->streams, s)
		ant_measure(s, now_ms);
	for (size_t i = 0; i < ANT_WAITS_MAX; i++) {
		struct sg_str stream = sg_str_from(a->waits[i]);
		if (!stream.len || !a->actions->info(a->user, stream, &info))
			continue;
		ant_say_note(a, stream, "streaming_started");
		a->waits[i][0] = '\0';
	}
}

void ant_stopping(struct ant *a)
{
	ant_say(a, json_pack("{s:s, s:s, s:s}", "command", "notification", "definition",
		       "server_will_stop", "streamId", ""));
}

size_t ant_count(const struct ant *a)
{
	return a->count;
}

/* ---- the beginning and the end ---- */

struct ant *ant_new(const struct ant_actions *actions, void *user)
{
	struct ant *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->actions = actions;
	a->user = user;
	a->budget = ANT_BURST;
	return a;
}

void ant_set_ice(struct ant *a, const struct ant_ice *ice)
{
	a->ice = *ice;
}

void ant_free(struct ant *a, enum sg_goodbye why)
{
	struct ant_stream *s, *next;

	if (!a)
		return;
	DL_FOREACH_SAFE (a->streams, s, next)
		drop(s, why);
	free(a);
}
