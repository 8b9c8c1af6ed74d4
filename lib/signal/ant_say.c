/* ant_say.c - what we say to Ant Media's clients. Each message names its stream: without it their
 * SDK makes a peer connection named "undefined", and the one for iOS crashes. */
#include "signal/ant_internal.h"
#include <stdlib.h>

void ant_say(struct ant *a, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	if (text)
		a->actions->send(a->user, sg_str_from(text));
	free(text);
	json_decref(object);
}

static json_t *message(const char *command, struct sg_str stream)
{
	return json_pack("{s:s, s:s%}", "command", command, "streamId", stream.p, stream.len);
}

void ant_say_error(struct ant *a, struct sg_str stream, const char *definition)
{
	json_t *m = stream.p ? message("error", stream) : json_pack("{s:s}", "command", "error");

	json_object_set_new(m, "definition", json_string(definition));
	if (!strcmp(definition, "no_stream_exist")) {
		json_object_set_new(m, "error_code", json_string("404"));
		json_object_set_new(
		    m, "information", json_string("stream_not_exist_or_not_streaming"));
	}
	ant_say(a, m);
}

void ant_say_note(struct ant *a, struct sg_str stream, const char *definition)
{
	json_t *m = message("notification", stream);

	json_object_set_new(m, "definition", json_string(definition));
	json_object_set_new(m, "subscriberId", json_string(""));
	ant_say(a, m);
}

void ant_say_stop(struct ant *a, struct sg_str stream)
{
	ant_say(a, message("stop", stream));
}

void ant_say_ice(struct ant *a, bool turn)
{
	const struct ant_ice *ice = &a->ice;
	struct sg_str url = turn ? ice->turn : ice->stun;

	if (!url.len)
		return; /* silence is no error */
	json_t *m = json_pack("{s:s, s:s%}", "command", "iceServerConfig", "stunServerUri", url.p, url.len);
	if (turn) {
		json_object_set_new(m, "turnServerUsername", json_string(ice->username));
		json_object_set_new(m, "turnServerCredential", json_string(ice->credential));
		a->told_turn = true;
	}
	ant_say(a, m);
}

void ant_say_description(struct ant_stream *s, const char *type, struct sg_str sdp)
{
	json_t *m = message("takeConfiguration", sg_str_from(s->id));

	json_object_set_new(m, "type", json_string(type));
	json_object_set_new(m, "sdp", json_stringn(sdp.p, sdp.len));
	/* Without it the SDK's track handler throws, unless the page gave it a video element. */
	if (!strcmp(type, "offer"))
		json_object_set_new(m, "idMapping", ant_id_mapping(sdp, s->id));
	ant_say(s->ant, m);
}

/* Ant Media's pages cut the first seven characters off a track's id and take the rest for the stream. */
json_t *ant_id_mapping(struct sg_str sdp, const char *stream)
{
	json_t *mapping = json_object();
	struct sg_str line;
	char kind = 0, mid[32], track[SG_STREAM_MAX + 16];

	for (bool more = true; more;) {
		more = sg_str_cut(sdp, '\n', &line, &sdp);
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		if (sg_str_starts(line, "m="))
			kind = sg_str_starts(line, "m=video ") ? 'v'
			       : sg_str_starts(line, "m=audio ") ? 'a'
								 : 0;
		if (!kind || !sg_str_starts(line, "a=mid:") ||
		    !sg_str_copy(mid, sizeof(mid), (struct sg_str){ line.p + 6, line.len - 6 }))
			continue;
		snprintf(track, sizeof(track), "ARDAMS%c%s", kind, stream);
		json_object_set_new(mapping, mid, json_string(track));
	}
	return mapping;
}
