/* Ant Media's messages: JSON in, JSON out, without sockets or media. */
#include "signal/ant_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- the other side: what was said, what was done ---- */

static struct {
	json_t *said;     /* array */
	char done[4096];  /* "open publish cam token=T video audio; offer v=0; close closed; " */
	struct ant_stream *last;
	bool overload, live, open;
	int peers;
	uint64_t estimate;
} world;
static struct ant *ant;
static int64_t now_ms;

static void act_send(void *user, struct sg_str text)
{
	json_t *m = json_loadb(text.p, text.len, 0, NULL);

	(void)user;
	assert_non_null(m); /* never plain text */
	assert_true(json_is_object(m));
	json_array_append_new(world.said, m);
}

static void note(const char *fmt, ...)
{
	va_list args;
	size_t len = strlen(world.done);

	va_start(args, fmt);
	vsnprintf(world.done + len, sizeof(world.done) - len, fmt, args);
	va_end(args);
}

static void *act_open(void *user, const struct ant_want *want, struct ant_stream *s)
{
	(void)user;
	if (world.overload)
		return NULL;
	note("open %s %.*s token=%.*s%s%s; ", want->type == SG_PUBLISH ? "publish" : "play",
	    SG_STR_ARG(want->stream), SG_STR_ARG(want->token), want->video ? " video" : "",
	    want->audio ? " audio" : "");
	world.last = s;
	world.peers++;
	return s;
}

static void act_offer(void *peer, struct sg_str sdp)
{
	(void)peer;
	note("offer %.*s; ", SG_STR_ARG(sdp));
}

static void act_answer(void *peer, struct sg_str sdp)
{
	(void)peer;
	note("answer %.*s; ", SG_STR_ARG(sdp));
}

static void act_candidate(void *peer, struct sg_str c)
{
	(void)peer;
	note("candidate %.*s; ", SG_STR_ARG(c));
}

static uint64_t act_estimate(void *peer)
{
	(void)peer;
	return world.estimate;
}

static void act_close(void *peer, enum sg_goodbye why)
{
	(void)peer;
	world.peers--;
	note("close %s; ", sg_goodbye_name(why));
}

static bool act_info(void *user, struct sg_str stream, struct sg_stream_info *out)
{
	(void)user, (void)stream;
	*out = (struct sg_stream_info){ .protocol = "rtmp", .video = SG_CODEC_H264, .width = 1280,
		.height = 720, .bit_rate = 2000000, .video_bit_rate = 1936000,
		.audio_bit_rate = 64000, .started_ms = 1767225600000 };
	return world.live;
}

static size_t act_viewers(void *user, struct sg_str stream)
{
	(void)user, (void)stream;
	return 3;
}

static bool act_is_open(void *user, struct sg_str stream)
{
	(void)user, (void)stream;
	return world.open;
}

static const struct ant_actions actions = { act_send, act_open, act_offer, act_answer,
	act_candidate, act_estimate, act_close, act_info, act_viewers, act_is_open };

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.said = json_array();
	world.open = true;
	now_ms = 1000;
	ant = ant_new(&actions, NULL);
	assert_non_null(ant);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ant_free(ant, SG_BYE_BROKEN);
	assert_int_equal(world.peers, 0);
	json_decref(world.said);
	return 0;
}

static bool take(const char *text)
{
	return ant_take(ant, sg_str_from(text), now_ms += 20);
}

/* What was said since the last look, as compact JSON, sorted keys; static storage. */
static const char *said(void)
{
	static char out[8192];
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < json_array_size(world.said); i++) {
		char *one = json_dumps(json_array_get(world.said, i), JSON_COMPACT | JSON_SORT_KEYS);
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%s", i ? " " : "", one);
		free(one);
	}
	json_array_clear(world.said);
	return out;
}

static const char *done(void)
{
	static char out[4096];

	memcpy(out, world.done, sizeof(out));
	world.done[0] = '\0';
	return out;
}

#define SAID(text) assert_string_equal(said(), text)
#define DONE(text) assert_string_equal(done(), text)
#define NOTE(definition)                                                                           \
	"{\"command\":\"notification\",\"definition\":\"" definition                               \
	"\",\"streamId\":\"cam-1\",\"subscriberId\":\"\"}"
#define ERROR(definition)                                                                          \
	"{\"command\":\"error\",\"definition\":\"" definition "\",\"streamId\":\"cam-1\"}"
#define NOT_THERE                                                                                  \
	"{\"command\":\"error\",\"definition\":\"no_stream_exist\",\"error_code\":\"404\","        \
	"\"information\":\"stream_not_exist_or_not_streaming\",\"streamId\":\"cam-1\"}"
#define STOP "{\"command\":\"stop\",\"streamId\":\"cam-1\"}"
#define PUBLISH                                                                                    \
	"{\"command\":\"publish\",\"streamId\":\"cam-1\",\"token\":\"T\",\"subscriberId\":\"\","   \
	"\"subscriberCode\":\"\",\"streamName\":\"\",\"mainTrack\":\"\",\"video\":true,"           \
	"\"audio\":true,\"metaData\":\"\",\"role\":\"\"}"
#define PLAY                                                                                       \
	"{\"command\":\"play\",\"streamId\":\"cam-1\",\"token\":\"T\",\"room\":\"\","              \
	"\"trackList\":[],\"subscriberId\":\"\",\"subscriberCode\":\"\",\"viewerInfo\":\"\","      \
	"\"role\":\"\",\"userPublishId\":\"\"}"
#define CONFIGURATION(type)                                                                        \
	"{\"command\":\"takeConfiguration\",\"streamId\":\"cam-1\",\"type\":\"" type               \
	"\",\"sdp\":\"v=0\"}"

/* ---- connections ---- */

static void a_ping_has_a_pong(void **state)
{
	(void)state;
	assert_true(take("{\"command\":\"ping\"}"));
	SAID("{\"command\":\"pong\"}");
}

static void asking_for_ice_servers_is_no_error(void **state)
{
	(void)state;
	assert_true(take("{\"command\":\"getIceServerConfig\"}"));
	SAID("");
}

static void ice_servers_are_told_as_far_as_one_was_let_in(void **state)
{
	const struct ant_ice ice = { .stun = SG_STR("stun:s.example.org"),
		.turn = SG_STR("turn:t.example.org:3478?transport=udp"), .username = "me", .credential = "geheim" };
	static const char stun[] = "{\"command\":\"iceServerConfig\",\"stunServerUri\":\"stun:s.example.org\"}";
	static const char turn[] = "{\"command\":\"iceServerConfig\","
				   "\"stunServerUri\":\"turn:t.example.org:3478?transport=udp\","
				   "\"turnServerCredential\":\"geheim\",\"turnServerUsername\":\"me\"}";
	char want[1000];

	(void)state;
	ant_set_ice(ant, &ice);
	assert_true(take("{\"command\":\"getIceServerConfig\"}"));
	SAID(stun);
	assert_true(take(PUBLISH));
	assert_true(take("{\"command\":\"getIceServerConfig\"}"));
	SAID(stun);
	/* The SDK makes its peer connection at "start". */
	ant_described(world.last, (struct sg_str){ 0 });
	snprintf(want, sizeof(want), "%s {\"command\":\"start\",\"streamId\":\"cam-1\"}", turn);
	SAID(want);
	assert_true(take("{\"command\":\"getIceServerConfig\"}"));
	SAID(turn);
}

static void who_did_not_ask_for_ice_servers_keeps_its_own(void **state)
{
	const struct ant_ice ice = { .turn = SG_STR("turn:t"), .username = "me", .credential = "geheim" };

	(void)state;
	ant_set_ice(ant, &ice);
	assert_true(take(PUBLISH));
	ant_described(world.last, (struct sg_str){ 0 });
	SAID("{\"command\":\"start\",\"streamId\":\"cam-1\"}");
}

static void what_is_not_understood_is_ignored(void **state)
{
	static const char *const rows[] = { "", "{", "[]", "null", "hello", "{}", "{\"command\":7}",
		"{\"command\":\"flyToTheMoon\",\"streamId\":\"cam-1\"}", "{\"streamId\":\"cam-1\"}",
		"{\"command\":\"joinRoom\",\"room\":\"r\"}", "{\"command\":\"ping\"} x",
		"{\"command\":\"enableTrack\",\"streamId\":\"cam-1\",\"trackId\":\"x\",\"enabled\":true}",
		"\xff\xfe", "{\"command\":\"pu\\u0000blish\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(take(rows[i]));
	SAID("");
	DONE("");
}

static void deep_nesting_is_ignored(void **state)
{
	static char deep[90000];

	(void)state;
	memset(deep, '[', sizeof(deep) - 1);
	assert_true(take(deep));
	SAID("");
}

/* ---- publish: ANT_MEDIA_COMPAT 3.7 ---- */

static void publishing_goes_in_order(void **state)
{
	(void)state;
	take(PUBLISH);
	DONE("open publish cam-1 token=T video audio; ");
	SAID(""); /* the gate is being asked */
	ant_described(world.last, (struct sg_str){ 0 });
	SAID("{\"command\":\"start\",\"streamId\":\"cam-1\"}");
	take(CONFIGURATION("offer"));
	DONE("offer v=0; ");
	ant_described(world.last, SG_STR("v=0 answer"));
	SAID("{\"command\":\"takeConfiguration\",\"sdp\":\"v=0 answer\",\"streamId\":\"cam-1\","
	     "\"type\":\"answer\"}");
	take("{\"command\":\"takeCandidate\",\"streamId\":\"cam-1\",\"label\":0,\"id\":\"0\","
	     "\"candidate\":\"candidate:1 1 udp 1 192.0.2.7 51000 typ host\"}");
	DONE("candidate candidate:1 1 udp 1 192.0.2.7 51000 typ host; ");
	ant_started(world.last);
	SAID(NOTE("publish_started"));
	take(STOP);
	DONE("close closed; ");
	SAID(NOTE("publish_finished"));
	take(STOP);
	SAID("");
}

static void a_token_may_be_missing_in_three_ways(void **state)
{
	static const char *const rows[] = { "", ",\"token\":null", ",\"token\":\"\"", ",\"token\":7" };
	char text[200];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "{\"command\":\"publish\",\"streamId\":\"cam-1\"%s}", rows[i]);
		take(text);
		DONE("open publish cam-1 token= video audio; ");
		take(STOP);
		DONE("close closed; ");
	}
}

static void video_and_audio_may_be_text(void **state)
{
	(void)state;
	take("{\"command\":\"publish\",\"streamId\":\"a\",\"video\":\"true\",\"audio\":\"false\"}");
	take("{\"command\":\"publish\",\"streamId\":\"b\",\"video\":false,\"audio\":true}");
	take("{\"command\":\"publish\",\"streamId\":\"c\",\"video\":null,\"audio\":1}");
	DONE("open publish a token= video; open publish b token= audio; "
	     "open publish c token= video audio; ");
}

static void who_is_refused_is_told_and_stopped(void **state)
{
	static const enum sg_reason rows[] = { SG_MISSING_TOKEN, SG_UNKNOWN_TOKEN, SG_WRONG_STREAM,
		SG_WRONG_TYPE, SG_REVOKED, SG_EXPIRED, SG_USED, SG_TOO_MANY_ATTEMPTS,
		SG_ADDRESS_REFUSED, SG_SHARED };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		take(i % 2 ? PUBLISH : PLAY);
		ant_ended(world.last, rows[i], SG_BYE_CLOSED, "");
		SAID(ERROR("unauthorized_access") " " STOP);
		assert_int_equal(ant_count(ant), 0);
	}
}

static void what_may_come_right_is_not_stopped(void **state)
{
	(void)state;
	take(PUBLISH);
	ant_ended(world.last, SG_ALREADY_PUBLISHING, SG_BYE_CLOSED, "");
	SAID(ERROR("streamIdInUse"));
	take(PUBLISH);
	ant_ended(world.last, SG_OVERLOAD, SG_BYE_CLOSED, "");
	SAID(ERROR("highResourceUsage"));
	world.overload = true;
	take(PUBLISH);
	SAID(ERROR("highResourceUsage"));
	assert_int_equal(ant_count(ant), 0);
}

static void a_second_request_leaves_the_first_alone(void **state)
{
	(void)state;
	take(PUBLISH);
	done();
	take(PUBLISH);
	take(PLAY);
	SAID(ERROR("already_publishing") " " ERROR("already_playing"));
	DONE("");
	assert_int_equal(ant_count(ant), 1);
}

static void stopping_before_the_start_frees_the_token_for_the_next_try(void **state)
{
	(void)state;
	take(PUBLISH); /* slow: 3 s later the SDK stops and asks again */
	take(STOP);
	DONE("open publish cam-1 token=T video audio; close closed; ");
	SAID(NOTE("publish_finished"));
	take(PUBLISH);
	DONE("open publish cam-1 token=T video audio; ");
}

static void media_that_does_not_come_is_a_timeout(void **state)
{
	(void)state;
	take(PUBLISH);
	ant_described(world.last, (struct sg_str){ 0 });
	ant_described(world.last, SG_STR("v=0"));
	said();
	ant_ended(world.last, SG_ADMITTED, SG_BYE_NO_MEDIA, "no media came");
	SAID(ERROR("publishTimeoutError"));
}

static void an_offer_that_cannot_be_answered_is_told(void **state)
{
	(void)state;
	take(PUBLISH);
	ant_described(world.last, (struct sg_str){ 0 });
	said();
	ant_ended(world.last, SG_ADMITTED, SG_BYE_NO_MEDIA, "no codec in common");
	SAID("{\"command\":\"error\",\"definition\":\"notSetRemoteDescription\","
	     "\"information\":\"no codec in common\",\"streamId\":\"cam-1\"} " STOP);
	take(PUBLISH);
	ant_described(world.last, (struct sg_str){ 0 });
	said();
	take("{\"command\":\"takeConfiguration\",\"streamId\":\"cam-1\",\"type\":\"offer\"}");
	SAID(ERROR("notSetRemoteDescription"));
}

static void how_a_publisher_ends_is_told(void **state)
{
	static const struct {
		enum sg_goodbye why;
		const char *says;
	} rows[] = { { SG_BYE_CLOSED, NOTE("publish_finished") },
		{ SG_BYE_BROKEN, NOTE("publish_finished") },
		{ SG_BYE_SHUTDOWN, NOTE("publish_finished") },
		{ SG_BYE_KICKED, NOTE("publish_finished") " " STOP },
		{ SG_BYE_REVOKED, NOTE("publish_finished") " " STOP },
		{ SG_BYE_EXPIRED, NOTE("publish_finished") " " STOP } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		take(PUBLISH);
		ant_described(world.last, (struct sg_str){ 0 });
		ant_described(world.last, SG_STR("v=0"));
		ant_started(world.last);
		said();
		ant_ended(world.last, SG_ADMITTED, rows[i].why, "");
		SAID(rows[i].says);
	}
}

/* ---- play: 3.8 ---- */

#define OFFER                                                                                      \
	"v=0\r\na=group:BUNDLE 0 1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"               \
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\n"

static void playing_goes_in_order(void **state)
{
	(void)state;
	take(PLAY);
	DONE("open play cam-1 token=T video audio; ");
	ant_described(world.last, SG_STR(OFFER));
	json_t *m = json_array_get(world.said, 0);
	assert_string_equal(json_string_value(json_object_get(m, "type")), "offer");
	assert_string_equal(json_string_value(json_object_get(m, "sdp")), OFFER);
	char *mapping = json_dumps(json_object_get(m, "idMapping"), JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(mapping, "{\"0\":\"ARDAMSvcam-1\",\"1\":\"ARDAMSacam-1\"}");
	free(mapping);
	said();
	take(CONFIGURATION("answer"));
	DONE("answer v=0; ");
	SAID("");
	ant_started(world.last);
	SAID(NOTE("play_started"));
	ant_ended(world.last, SG_ADMITTED, SG_BYE_STREAM_ENDED, "");
	SAID(NOTE("play_finished")); /* the publisher left */
}

static void a_running_play_may_be_renegotiated(void **state)
{
	(void)state;
	take(PLAY);
	ant_described(world.last, SG_STR(OFFER));
	take(CONFIGURATION("answer"));
	ant_started(world.last);
	said();
	done();
	take(CONFIGURATION("offer"));
	DONE("offer v=0; ");
	ant_described(world.last, SG_STR("v=0 again"));
	SAID("{\"command\":\"takeConfiguration\",\"sdp\":\"v=0 again\",\"streamId\":\"cam-1\","
	     "\"type\":\"answer\"}");
}

static void what_cannot_be_played_is_told_with_its_reason(void **state)
{
	(void)state;
	take(PLAY);
	ant_ended(world.last, SG_ADMITTED, SG_BYE_NO_MEDIA, "H.264 with B-frames");
	SAID("{\"command\":\"error\",\"definition\":\"notSetRemoteDescription\","
	     "\"information\":\"H.264 with B-frames\",\"streamId\":\"cam-1\"} " STOP);
	/* A viewer whose ICE came to nothing may come again. */
	take(PLAY);
	ant_described(world.last, SG_STR(OFFER));
	take(CONFIGURATION("answer"));
	said();
	ant_ended(world.last, SG_ADMITTED, SG_BYE_NO_MEDIA, "ICE came to nothing");
	SAID(NOTE("play_finished"));
}

static void a_stream_asked_for_in_vain_is_told_when_it_is_live(void **state)
{
	(void)state;
	take(PLAY);
	ant_ended(world.last, SG_STREAM_NOT_LIVE, SG_BYE_CLOSED, "");
	SAID(NOT_THERE);
	ant_tick(ant, now_ms);
	SAID("");
	world.live = true;
	ant_tick(ant, now_ms);
	SAID(NOTE("streaming_started"));
	ant_tick(ant, now_ms);
	SAID("");
	/* Not one who was refused, and not one who has stopped. */
	world.live = false;
	take(PLAY);
	ant_ended(world.last, SG_USED, SG_BYE_CLOSED, "");
	take(PLAY);
	ant_ended(world.last, SG_STREAM_NOT_LIVE, SG_BYE_CLOSED, "");
	take(STOP);
	said();
	world.live = true;
	ant_tick(ant, now_ms);
	SAID("");
}

static void a_track_more_is_offered_to_who_watches(void **state)
{
	(void)state;
	take(PLAY);
	ant_described(world.last, SG_STR(OFFER));
	ant_started(world.last);
	said();
	ant_offered(world.last, SG_STR("v=0\r\nm=audio 9 X 111\r\na=mid:0\r\nm=video 9 X 96\r\na=mid:1\r\n"));
	SAID("{\"command\":\"takeConfiguration\",\"idMapping\":{\"0\":\"ARDAMSacam-1\",\"1\":\"ARDAMSvcam-1\"},"
	     "\"sdp\":\"v=0\\r\\nm=audio 9 X 111\\r\\na=mid:0\\r\\nm=video 9 X 96\\r\\na=mid:1\\r\\n\",\"streamId\":\"cam-1\","
	     "\"type\":\"offer\"}");
}

static void viewers_are_told_bit_rates(void **state)
{
	(void)state;
	world.live = true;
	take(PLAY);
	ant_described(world.last, SG_STR(OFFER));
	ant_started(world.last);
	said();
	ant_tick(ant, 95000);
	SAID("");
	ant_tick(ant, 100000);
	SAID("{\"audioBitrate\":64000,\"command\":\"notification\",\"definition\":\"bitrateMeasurement\","
	     "\"streamId\":\"cam-1\",\"targetBitrate\":2000000,\"videoBitrate\":1936000}");
	ant_tick(ant, 101000);
	SAID("");
	world.estimate = 900000; /* a line that is too thin for it */
	ant_tick(ant, 105000);
	SAID("{\"audioBitrate\":64000,\"command\":\"notification\",\"definition\":\"bitrateMeasurement\","
	     "\"streamId\":\"cam-1\",\"targetBitrate\":900000,\"videoBitrate\":1936000}");
}

/* ---- both ---- */

static void several_streams_share_a_socket(void **state)
{
	struct ant_stream *first, *second;

	(void)state;
	take("{\"command\":\"publish\",\"streamId\":\"a\",\"token\":\"1\"}");
	first = world.last;
	take("{\"command\":\"play\",\"streamId\":\"b\",\"token\":\"2\"}");
	second = world.last;
	done();
	ant_described(second, SG_STR(OFFER));
	ant_described(first, (struct sg_str){ 0 });
	said();
	take("{\"command\":\"takeCandidate\",\"streamId\":\"b\",\"candidate\":\"c\"}");
	DONE("candidate c; ");
	ant_ended(first, SG_ADMITTED, SG_BYE_KICKED, "");
	assert_int_equal(ant_count(ant), 1);
	take("{\"command\":\"stop\",\"streamId\":\"b\"}");
	assert_int_equal(ant_count(ant), 0);
}

static void streams_of_one_socket_are_limited(void **state)
{
	char text[100];

	(void)state;
	for (int i = 0; i < ANT_STREAMS_MAX + 1; i++) {
		snprintf(text, sizeof(text), "{\"command\":\"play\",\"streamId\":\"s%d\"}", i);
		take(text);
	}
	SAID("{\"command\":\"error\",\"definition\":\"highResourceUsage\",\"streamId\":\"s32\"}");
	assert_int_equal(ant_count(ant), ANT_STREAMS_MAX);
	/* And so is what it waits for. */
	for (int i = 0; i < 2 * ANT_WAITS_MAX; i++) {
		struct ant_stream *s = ant->streams;
		if (s)
			ant_ended(s, SG_STREAM_NOT_LIVE, SG_BYE_CLOSED, "");
		snprintf(text, sizeof(text), "{\"command\":\"play\",\"streamId\":\"w%d\"}", i);
		take(text);
	}
}

static void stray_messages_do_nothing(void **state)
{
	static const char *const rows[] = {
		"{\"command\":\"takeCandidate\",\"streamId\":\"cam-1\",\"label\":0,\"candidate\":\"c\"}",
		"{\"command\":\"takeCandidate\",\"label\":0,\"candidate\":\"c\"}",
		"{\"command\":\"takeConfiguration\",\"streamId\":\"cam-1\",\"type\":\"offer\",\"sdp\":\"v=0\"}",
		"{\"command\":\"stop\",\"streamId\":\"cam-1\"}", "{\"command\":\"stop\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		take(rows[i]);
	SAID("");
	DONE("");
	take(PUBLISH);
	done();
	for (size_t i = 0; i < 3; i++) /* nothing is described before "start" */
		take(rows[i]);
	ant_described(world.last, (struct sg_str){ 0 });
	said();
	take("{\"command\":\"takeCandidate\",\"streamId\":\"cam-1\",\"label\":\"0\",\"candidate\":\"\"}");
	take("{\"command\":\"takeCandidate\",\"streamId\":\"cam-1\",\"candidate\":null}");
	take("{\"command\":\"takeConfiguration\",\"streamId\":\"cam-1\",\"type\":\"answer\",\"sdp\":\"v=0\"}");
	take("{\"command\":\"takeConfiguration\",\"streamId\":\"cam-1\",\"type\":\"rollback\",\"sdp\":\"v=0\"}");
	SAID("");
	DONE("");
}

static void a_candidate_is_taken_whatever_its_label_is(void **state)
{
	static const char *const labels[] = { "0", "\"0\"", "\"video\"", "null", "-1", "1e99" };
	char text[200];

	(void)state;
	take(PUBLISH);
	ant_described(world.last, (struct sg_str){ 0 });
	said();
	done();
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		static const char form[] = "{\"command\":\"takeCandidate\",\"streamId\":\"%s\","
					   "\"label\":%s,\"id\":%s,\"candidate\":\"%s\"}";
		snprintf(text, sizeof(text), form, "cam-1", labels[i], labels[i], "candidate:1");
		take(text);
		DONE("candidate candidate:1; ");
		snprintf(text, sizeof(text), form, "cam-1", labels[i], labels[i], "");
		take(text);
		snprintf(text, sizeof(text), form, "nobody", labels[i], labels[i], "candidate:1");
		take(text);
		DONE("");
	}
	SAID("");
}

static void bad_ids_are_named(void **state)
{
	char text[3000] = "{\"command\":\"publish\",\"streamId\":\"";

	(void)state;
	take("{\"command\":\"publish\"}");
	SAID("{\"command\":\"error\",\"definition\":\"noStreamNameSpecified\"}");
	take("{\"command\":\"play\",\"streamId\":\"a/b\"}");
	SAID("{\"command\":\"error\",\"definition\":\"invalidStreamName\",\"streamId\":\"a/b\"} "
	     "{\"command\":\"stop\",\"streamId\":\"a/b\"}");
	take("{\"command\":\"publish\",\"streamId\":\"\xc3\xa4\"}");
	SAID("{\"command\":\"error\",\"definition\":\"invalidStreamName\",\"streamId\":\"\xc3\xa4\"} "
	     "{\"command\":\"stop\",\"streamId\":\"\xc3\xa4\"}");
	size_t at = strlen(text);
	memset(text + at, 'x', 2000);
	strcpy(text + at + 2000, "\"}");
	take(text);
	SAID("{\"command\":\"error\",\"definition\":\"invalidStreamName\"}");
	DONE("");
}

static void floods_end_the_conversation(void **state)
{
	int n = 0;

	(void)state;
	for (now_ms = 1000000; n < 10000 && ant_take(ant, SG_STR("{\"command\":\"ping\"}"), now_ms); n++)
		;
	assert_int_equal(n, ANT_BURST);
	/* What a browser sends, for ever: a ping each 3 s, and now and then a publish. */
	for (int i = 0; i < 1000; i++)
		assert_true(ant_take(ant, SG_STR("{\"command\":\"ping\"}"), now_ms += 3000));
	for (n = 0; n < 10000 && ant_take(ant, SG_STR("not JSON"), now_ms); n++)
		;
	assert_in_range(n, ANT_BURST / 10 - 1, ANT_BURST / 10);
}

static void stopping_is_told(void **state)
{
	(void)state;
	ant_stopping(ant);
	SAID("{\"command\":\"notification\",\"definition\":\"server_will_stop\",\"streamId\":\"\"}");
}

/* ---- questions ---- */

#define ASK(command) take("{\"command\":\"" command "\",\"streamId\":\"cam-1\",\"token\":\"\"}")

static void questions_are_answered_in_numbers(void **state)
{
	(void)state;
	world.live = true;
	ASK("getStreamInfo");
	SAID("{\"command\":\"streamInformation\",\"streamId\":\"cam-1\",\"streamInfo\":[{"
	     "\"audioBitrate\":64000,\"streamHeight\":720,\"streamWidth\":1280,\"videoBitrate\":1936000,"
	     "\"videoCodec\":\"H264\"}]}");
	ASK("getSubscriberCount");
	SAID("{\"command\":\"notification\",\"count\":3,\"definition\":\"subscriberCount\","
	     "\"streamId\":\"cam-1\"}");
	ASK("getTrackList");
	SAID("{\"command\":\"trackList\",\"streamId\":\"cam-1\",\"trackList\":[\"cam-1\"]}");
	ASK("getBroadcastObject");
	const json_t *m = json_array_get(world.said, 0);
	json_t *b = json_loads(json_string_value(json_object_get(m, "broadcast")), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(b, "status")), "broadcasting");
	assert_string_equal(json_string_value(json_object_get(b, "publishType")), "RTMP");
	json_decref(b);
	said();
	take("{\"command\":\"getStreamInfo\"}");
	SAID("{\"command\":\"error\",\"definition\":\"noStreamNameSpecified\"}");
}

static void what_is_not_live_is_not_there(void **state)
{
	(void)state;
	ASK("getStreamInfo");
	SAID(NOT_THERE);
	ASK("getBroadcastObject");
	SAID(NOT_THERE);
}

/* R12: where playing needs a token, only those who were let in learn whether there is a stream. */
static void strangers_learn_nothing(void **state)
{
	(void)state;
	world.live = true;
	world.open = false;
	ASK("getStreamInfo");
	SAID(NOT_THERE);
	ASK("getBroadcastObject");
	SAID(NOT_THERE);
	ASK("getSubscriberCount");
	SAID("{\"command\":\"notification\",\"count\":0,\"definition\":\"subscriberCount\","
	     "\"streamId\":\"cam-1\"}");
	take(PLAY); /* asked, but not yet let in */
	ASK("getStreamInfo");
	SAID(NOT_THERE);
	ant_described(world.last, SG_STR(OFFER));
	said();
	ASK("getSubscriberCount");
	SAID("{\"command\":\"notification\",\"count\":3,\"definition\":\"subscriberCount\","
	     "\"streamId\":\"cam-1\"}");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_ping_has_a_pong),
		CASE(asking_for_ice_servers_is_no_error),
		CASE(ice_servers_are_told_as_far_as_one_was_let_in),
		CASE(who_did_not_ask_for_ice_servers_keeps_its_own),
		CASE(what_is_not_understood_is_ignored),
		CASE(deep_nesting_is_ignored),
		CASE(publishing_goes_in_order),
		CASE(a_token_may_be_missing_in_three_ways),
		CASE(video_and_audio_may_be_text),
		CASE(who_is_refused_is_told_and_stopped),
		CASE(what_may_come_right_is_not_stopped),
		CASE(a_second_request_leaves_the_first_alone),
		CASE(stopping_before_the_start_frees_the_token_for_the_next_try),
		CASE(media_that_does_not_come_is_a_timeout),
		CASE(an_offer_that_cannot_be_answered_is_told),
		CASE(how_a_publisher_ends_is_told),
		CASE(playing_goes_in_order),
		CASE(a_running_play_may_be_renegotiated),
		CASE(what_cannot_be_played_is_told_with_its_reason),
		CASE(a_stream_asked_for_in_vain_is_told_when_it_is_live),
		CASE(a_track_more_is_offered_to_who_watches),
		CASE(viewers_are_told_bit_rates),
		CASE(several_streams_share_a_socket),
		CASE(streams_of_one_socket_are_limited),
		CASE(stray_messages_do_nothing),
		CASE(a_candidate_is_taken_whatever_its_label_is),
		CASE(bad_ids_are_named),
		CASE(floods_end_the_conversation),
		CASE(stopping_is_told),
		CASE(questions_are_answered_in_numbers),
		CASE(what_is_not_live_is_not_there),
		CASE(strangers_learn_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
