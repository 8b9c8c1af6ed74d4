/* command.c - the AMF commands (RTMP 1.0 section 7.2) and asking the gate. */
#include "rtmp/rtmp_internal.h"
#include <stdlib.h>

#define TEXT_MAX 2048 /* of app, tcUrl, flashVer, a name: the rest of the message is ignored */
#define ANSWER_MAX 4096

static void put_command(struct sg_buf *out, const struct sg_buf *body)
{
	sg_rtmp_put_message(out, 3, SG_RTMP_COMMAND, 0, body->p, body->len);
}

/* "_result" with null, and a number where one is expected. */
static void answer(struct rtmp_peer *p, double transaction, const double *value)
{
	struct sg_buf body, out;

	if (transaction == 0)
		return; /* no answer is wanted */
	sg_buf_init(&body, ANSWER_MAX);
	sg_buf_init(&out, ANSWER_MAX);
	sg_amf_put_string(&body, "_result");
	sg_amf_put_number(&body, transaction);
	sg_amf_put_null(&body);
	if (value)
		sg_amf_put_number(&body, *value);
	else
		sg_amf_put_null(&body);
	put_command(&out, &body);
	peer_send(p, &out);
	sg_buf_reset(&body);
	sg_buf_reset(&out);
}

/* ---- connect ---- */

static void put_connect_result(struct sg_buf *out, double transaction, double encoding)
{
	struct sg_buf b;

	sg_buf_init(&b, ANSWER_MAX);
	sg_amf_put_string(&b, "_result");
	sg_amf_put_number(&b, transaction);
	sg_amf_begin_object(&b);
	sg_amf_put_key(&b, "fmsVer");
	sg_amf_put_string(&b, "FMS/3,5,7,7009"); /* what old players look for */
	sg_amf_put_key(&b, "capabilities");
	sg_amf_put_number(&b, 31);
	sg_amf_put_key(&b, "mode");
	sg_amf_put_number(&b, 1);
	sg_amf_end_object(&b);
	sg_amf_begin_object(&b);
	sg_amf_put_key(&b, "level");
	sg_amf_put_string(&b, "status");
	sg_amf_put_key(&b, "code");
	sg_amf_put_string(&b, "NetConnection.Connect.Success");
	sg_amf_put_key(&b, "description");
	sg_amf_put_string(&b, "Connection succeeded.");
	sg_amf_put_key(&b, "objectEncoding");
	sg_amf_put_number(&b, encoding);
	sg_amf_end_object(&b);
	put_command(out, &b);
	sg_buf_reset(&b);
}

static char *keep(char *old, struct sg_reader object, const char *name)
{
	struct sg_str s = { NULL, 0 };

	free(old);
	sg_amf_member_string(object, name, &s);
	if (s.len > TEXT_MAX)
		s.len = TEXT_MAX;
	return sg_str_dup(s);
}

/* Enhanced RTMP v2, "Enhancing NetConnection connect Command". */
static bool takes_opus(struct sg_reader object)
{
	return sg_amf_member_lists(object, "audioFourCcInfoMap", "Opus") ||
	       sg_amf_member_lists(object, "audioFourCcInfoMap", "*") ||
	       sg_amf_member_lists(object, "fourCcList", "Opus") || sg_amf_member_lists(object, "fourCcList", "*");
}

static void on_connect(struct rtmp_peer *p, double transaction, struct sg_reader *args)
{
	struct sg_reader object;
	struct sg_buf out;
	uint8_t number[5];
	double encoding = 0;

	if (p->role != ROLE_NONE || !sg_amf_read_object(args, &object)) {
		peer_bad_input(p, "a connect command that makes no sense");
		return;
	}
	p->app = keep(p->app, object, "app");
	p->tc_url = keep(p->tc_url, object, "tcUrl");
	p->flash_ver = keep(p->flash_ver, object, "flashVer");
	p->takes_opus = takes_opus(object);
	sg_amf_member_number(object, "objectEncoding", &encoding);
	sg_buf_init(&out, ANSWER_MAX);
	sg_put_be32(number, WINDOW_BYTES);
	number[4] = 2; /* "dynamic" */
	sg_rtmp_put_message(&out, 2, SG_RTMP_WINDOW_ACK_SIZE, 0, number, 4);
	sg_rtmp_put_message(&out, 2, SG_RTMP_SET_PEER_BANDWIDTH, 0, number, 5);
	/* From here on whatever we send is one chunk. */
	sg_put_be32(number, SG_RTMP_CHUNK_OUT);
	sg_rtmp_put_message(&out, 2, SG_RTMP_SET_CHUNK_SIZE, 0, number, 4);
	put_connect_result(&out, transaction, encoding);
	peer_send(p, &out);
	sg_buf_reset(&out);
}

/* ---- the gate ---- */

static void on_admitted(void *user, enum sg_reason verdict)
{
	struct rtmp_peer *p = user;

	if (verdict != SG_ADMITTED)
		peer_refuse(p, verdict);
	else if (p->role == ROLE_PUBLISH)
		publisher_admitted(p);
	else
		viewer_admitted(p);
	peer_settle(p);
}

static void on_committed(void *user, enum sg_reason verdict)
{
	struct rtmp_peer *p = user;

	if (verdict != SG_ADMITTED)
		peer_refuse(p, verdict);
	else
		publisher_committed(p);
	peer_settle(p);
}

static void on_kicked(void *user, enum sg_goodbye why)
{
	struct rtmp_peer *p = user;

	sg_log_info("rtmp %s: shown out: %s", peer_name(p), sg_goodbye_name(why));
	peer_say_and_close(p, "error",
	    p->role == ROLE_PUBLISH ? "NetStream.Publish.Denied" : "NetStream.Play.Failed",
	    "The session was ended.", why);
	peer_settle(p);
}

void ask_gate(struct rtmp_peer *p, enum peer_role role, struct sg_str name)
{
	struct sg_rtmp_target target;

	if (name.len > TEXT_MAX)
		name.len = TEXT_MAX;
	sg_rtmp_target_parse(&target, sg_str_from(p->app), sg_str_from(p->tc_url), name);
	const struct sg_request r = { .protocol = "rtmp", .app = sg_str_from(target.app),
		.stream = sg_str_from(target.stream), .type = role == ROLE_PUBLISH ? SG_PUBLISH : SG_PLAY,
		.token = target.has_token ? sg_str_from(target.token) : (struct sg_str){ NULL, 0 },
		.peer = *sg_conn_peer(p->conn), .user_agent = sg_str_from(p->flash_ver),
		.at_once = role == ROLE_PLAY };
	const struct sg_gate_client client = { .executor = sg_loop_executor(p->lane->loop),
		.admitted = on_admitted, .committed = on_committed, .kicked = on_kicked, .user = p };

	p->role = (uint8_t)role;
	p->stage = STAGE_ASKING;
	p->session = sg_gate_admit(p->lane->srv->cfg.gate, &r, &client);
	sg_wipe(&target, sizeof(target));
	if (!p->session)
		peer_refuse(p, SG_OVERLOAD);
}

/* The peer learns that it was refused, the audit why (R12). */
void peer_refuse(struct rtmp_peer *p, enum sg_reason reason)
{
	const char *code = "NetStream.Publish.Denied", *text = "Not allowed.";

	if (p->role == ROLE_PLAY)
		code = reason == SG_STREAM_NOT_LIVE ? "NetStream.Play.StreamNotFound"
						    : "NetStream.Play.Failed";
	if (reason == SG_STREAM_NOT_LIVE)
		text = "No such stream.";
	else if (reason == SG_OVERLOAD || reason == SG_TOO_MANY_ATTEMPTS)
		text = "Try again later.";
	atomic_fetch_add(&p->lane->srv->rejected, 1);
	sg_log_limited(SG_LOG_INFO, "rtmp %s: %s refused: %s", peer_name(p),
	    p->role == ROLE_PLAY ? "play" : "publish", sg_reason_name(reason));
	peer_say_and_close(p, "error", code, text, SG_BYE_CLOSED);
}

/* ---- publish, play and the rest ---- */

/* RTMP 1.0 section 7.2.2.1: behind the name come start and duration. Players count both in milliseconds
 * (librtmp, as Flash did), and mean "to the end" by what is not above zero. */
static uint32_t play_for_ms(struct sg_reader *args)
{
	double start, duration;

	if (!sg_amf_read_number(args, &start) || !sg_amf_read_number(args, &duration) || !(duration >= 1))
		return 0;
	return duration < UINT32_MAX ? (uint32_t)duration : 0;
}

static void on_publish_or_play(struct rtmp_peer *p, enum peer_role role, struct sg_reader *args)
{
	struct sg_str name = { NULL, 0 };

	if (!p->app) {
		peer_bad_input(p, "publish or play before connect");
		return;
	}
	if (p->role != ROLE_NONE) {
		peer_bad_input(p, "a second publish or play on one connection");
		return;
	}
	if (!sg_amf_skip(args) || !sg_amf_read_string(args, &name))
		name = (struct sg_str){ "", 0 };
	else if (role == ROLE_PLAY)
		p->play_for_ms = play_for_ms(args);
	ask_gate(p, role, name);
}

static void on_pause(struct rtmp_peer *p, struct sg_reader *args)
{
	bool pause;

	if (p->follower && sg_amf_skip(args) && sg_amf_read_bool(args, &pause)) {
		struct sg_buf out;
		if (pause)
			sg_follower_pause(p->follower, true);
		sg_buf_init(&out, ANSWER_MAX);
		put_status(&out, "status",
		    pause ? "NetStream.Pause.Notify" : "NetStream.Unpause.Notify", "As asked.");
		peer_send(p, &out); /* before the media that it speaks of */
		sg_buf_reset(&out);
		if (!pause)
			sg_follower_pause(p->follower, false);
	}
}

void command_handle(struct rtmp_peer *p, struct sg_reader body)
{
	struct sg_str name;
	double transaction = 0;
	const double stream = RTMP_STREAM;

	if (!sg_amf_read_string(&body, &name)) {
		peer_bad_input(p, "a command without a name");
		return;
	}
	if (!sg_amf_read_number(&body, &transaction))
		transaction = 0;
	if (sg_str_is(name, "connect"))
		on_connect(p, transaction, &body);
	else if (sg_str_is(name, "createStream"))
		answer(p, transaction, &stream);
	else if (sg_str_is(name, "publish"))
		on_publish_or_play(p, ROLE_PUBLISH, &body);
	else if (sg_str_is(name, "play") || sg_str_is(name, "play2"))
		on_publish_or_play(p, ROLE_PLAY, &body);
	else if (sg_str_is(name, "pause") || sg_str_is(name, "pauseRaw"))
		on_pause(p, &body);
	else if (sg_str_is(name, "deleteStream") || sg_str_is(name, "closeStream") ||
		 sg_str_is(name, "FCUnpublish"))
		peer_end_role(p, SG_BYE_CLOSED);
	else if (sg_str_is(name, "releaseStream") || sg_str_is(name, "FCPublish") ||
		 sg_str_is(name, "FCSubscribe") || sg_str_is(name, "getStreamLength") ||
		 sg_str_is(name, "_checkbw"))
		answer(p, transaction, NULL); /* they name the stream and the token, which they do not spend */
	/* Others are for nobody: results, and what players tell about themselves. */
}
