/* ant_ask.c - what Ant Media's clients ask about streams. Where playing needs a token, only those who
 * were let in learn whether a stream exists (INTERFACE.md R12). */
#include "signal/ant_internal.h"
#include <stdlib.h>

static bool may_know(struct ant *a, struct sg_str stream)
{
	struct ant_stream *s = ant_find(a, stream);

	return (s && s->state != ANT_ASKING) || a->actions->is_open(a->user, stream);
}

/* False: there is none, or it is not for this client to know. */
static bool look_up(struct ant *a, struct sg_str stream, struct sg_stream_info *info)
{
	return may_know(a, stream) && a->actions->info(a->user, stream, info);
}

static const char *codec_name(enum sg_codec codec)
{
	switch (codec) {
	case SG_CODEC_H264:
		return "H264";
	case SG_CODEC_HEVC:
		return "H265";
	case SG_CODEC_VP8:
		return "VP8";
	case SG_CODEC_VP9:
		return "VP9";
	case SG_CODEC_AV1:
		return "AV1";
	default:
		return "";
	}
}

void ant_ask_stream_info(struct ant *a, const json_t *m, struct sg_str stream)
{
	struct sg_stream_info info;

	(void)m;
	if (!look_up(a, stream, &info)) {
		ant_say_error(a, stream, "no_stream_exist");
		return;
	}
	ant_say(a, json_pack("{s:s, s:s%, s:[{s:i, s:i, s:I, s:I, s:s}]}", "command",
		       "streamInformation", "streamId", stream.p, stream.len, "streamInfo",
		       "streamWidth", info.width, "streamHeight", info.height, "videoBitrate",
		       (json_int_t)info.video_bit_rate, "audioBitrate", (json_int_t)info.audio_bit_rate, "videoCodec", codec_name(info.video)));
}

static const char *publish_type(const struct sg_stream_info *info)
{
	return !strcmp(info->protocol, "rtmp")	? "RTMP"
	       : !strcmp(info->protocol, "srt") ? "SRT"
						: "WebRTC";
}

/* The broadcast is a JSON document inside a string. */
void ant_ask_broadcast(struct ant *a, const json_t *m, struct sg_str stream)
{
	struct sg_stream_info info;

	(void)m;
	if (!look_up(a, stream, &info)) {
		ant_say_error(a, stream, "no_stream_exist");
		return;
	}
	json_t *b = json_pack("{s:s%, s:s%, s:s, s:s, s:s, s:b, s:i, s:i, s:I, s:I, s:I}", "streamId",
	    stream.p, stream.len, "name", stream.p, stream.len, "status", "broadcasting", "type",
	    "liveStream", "publishType", publish_type(&info), "publish", 1, "width", info.width,
	    "height", info.height, "bitrate", (json_int_t)info.bit_rate, "startTime",
	    (json_int_t)info.started_ms, "webRTCViewerCount",
	    (json_int_t)a->actions->viewers(a->user, stream));
	char *text = b ? json_dumps(b, JSON_COMPACT) : NULL;
	if (text)
		ant_say(a, json_pack("{s:s, s:s, s:s%, s:s}", "command", "notification", "definition",
			       "broadcastObject", "streamId", stream.p, stream.len, "broadcast", text));
	free(text);
	json_decref(b);
}

void ant_ask_subscribers(struct ant *a, const json_t *m, struct sg_str stream)
{
	size_t count = may_know(a, stream) ? a->actions->viewers(a->user, stream) : 0;

	(void)m;
	ant_say(a, json_pack("{s:s, s:s, s:s%, s:I}", "command", "notification", "definition",
		       "subscriberCount", "streamId", stream.p, stream.len, "count",
		       (json_int_t)count));
}

/* A stream has one track of each kind, and is its own: this tells nothing. */
void ant_ask_tracks(struct ant *a, const json_t *m, struct sg_str stream)
{
	(void)m;
	ant_say(a, json_pack("{s:s, s:s%, s:[s%]}", "command", "trackList", "streamId", stream.p,
		       stream.len, "trackList", stream.p, stream.len));
}

/* Ant Media's player warns of a weak network where the target is less than picture and sound: it is what the line
 * carries. Who has not told has room for all. */
void ant_measure(struct ant_stream *s, int64_t now_ms)
{
	struct ant *a = s->ant;
	struct sg_str stream = sg_str_from(s->id);
	struct sg_stream_info info;

	if (s->type != SG_PLAY || s->state != ANT_STARTED)
		return;
	if (!s->measured_ms) /* there is nothing to measure yet */
		s->measured_ms = now_ms;
	if (now_ms - s->measured_ms < ANT_MEASURE_MS)
		return;
	s->measured_ms = now_ms;
	if (!a->actions->info(a->user, stream, &info))
		return;
	json_int_t video = (json_int_t)info.video_bit_rate, audio = (json_int_t)info.audio_bit_rate;
	json_int_t target = (json_int_t)a->actions->estimate(s->peer);
	ant_say(a, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "command", "notification",
		       "definition", "bitrateMeasurement", "streamId", s->id, "targetBitrate",
		       target ? target : video + audio, "videoBitrate", video, "audioBitrate", audio));
}
