/* publish.c - --publish: a file over WHIP, at its own pace, as a camera would. */
#include "rtc.h"
#include "base/clock.h"
#include "base/text.h"
#include "webrtc/sdp.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define OPEN_PATIENCE_MS 10000

struct sender {
	const struct options *o;
	struct source source; /* of the trouble and the patience alone */
	struct feed *feed;
	uint64_t frames[2]; /* sent: pictures, sounds */
	struct rtc_link link;
	struct rtc_http *http;
	int64_t began_us, zero_90khz; /* when, and which of the file's times, the first frame was */
	double seconds;
};

/* ---- the connection ---- */

static bool give_up(void *user)
{
	return source_gives_up(user);
}

static int ask(struct sender *p, const char *token)
{
	struct trouble *t = &p->source.trouble;
	char *made = rtc_way(p->o->url) ? rtc_endpoint(p->o->url, NULL, 0) : strdup(p->o->url);
	struct sg_buf offer, answer;

	if (!made)
		return AVERROR(EINVAL);
	sg_buf_init(&offer, SG_SDP_MAX);
	sg_buf_init(&answer, SG_SDP_MAX);
	sg_rtc_client_offer(p->link.client, &offer);
	int err = rtc_http_open(&p->http, made, token, &offer, &answer, t, give_up, &p->source);
	if (!err && sg_rtc_client_set_answer(
			p->link.client, (struct sg_str){(char *)answer.p, answer.len}) != SG_OK) {
		snprintf(t->last, sizeof(t->last), "%s", sg_rtc_client_error(p->link.client));
		err = AVERROR_INVALIDDATA;
	}
	sg_buf_reset(&offer);
	sg_buf_reset(&answer);
	token_free(made);
	return err;
}

/* 0 while the connection is well. */
static int state_of(struct sender *p)
{
	enum sg_rtc_state state = sg_rtc_client_state(p->link.client);
	struct trouble *t = &p->source.trouble;

	if (play_interrupted())
		return AVERROR_EXIT;
	if (state == SG_RTC_CLOSED)
		snprintf(t->last, sizeof(t->last), "the server ended it");
	else if (state == SG_RTC_FAILED)
		snprintf(t->last, sizeof(t->last), "%s", sg_rtc_client_error(p->link.client));
	return state == SG_RTC_CLOSED || state == SG_RTC_FAILED ? AVERROR(EIO) : 0;
}

static int wait_until_open(struct sender *p)
{
	int64_t until = sg_mono_ms() + OPEN_PATIENCE_MS;
	int err;

	while (!(err = state_of(p)) && sg_rtc_client_state(p->link.client) != SG_RTC_OPEN) {
		if (sg_mono_ms() > until)
			return AVERROR(ETIMEDOUT);
		rtc_link_wait(&p->link, -1, sg_mono_us() + 50000);
	}
	return err;
}

/* ---- sending ---- */

static bool over(const struct sender *p)
{
	return p->o->duration_ms && p->began_us &&
	       sg_mono_us() - p->began_us >= p->o->duration_ms * 1000;
}

static void send_first(struct sender *p)
{
	struct sg_frame *f = feed_take(p->feed);

	f->pts_90khz = f->dts_90khz = f->pts_90khz - p->zero_90khz;
	if (sg_rtc_client_write(p->link.client, f, sg_mono_us()) && !(f->flags & SG_FRAME_CONFIG))
		p->frames[f->kind == SG_FRAME_AUDIO]++;
	sg_frame_unref(f);
}

/* When the first in the queue is due; now, where there is more to be read before. */
static int64_t due_us(struct sender *p, bool reading)
{
	const struct sg_frame *f = feed_peek(p->feed);

	if (!f || (reading && !p->began_us))
		return sg_mono_us();
	if (!p->began_us) {
		p->began_us = sg_mono_us();
		p->zero_90khz = f->pts_90khz;
	}
	return p->began_us + (f->pts_90khz - p->zero_90khz) * 100 / 9;
}

static int send_all(struct sender *p)
{
	int err = 0;

	while (!err && !over(p)) {
		bool reading = feed_read(p->feed);
		if (!reading && !feed_peek(p->feed))
			break;
		int64_t due = due_us(p, reading), now = sg_mono_us();
		rtc_link_wait(&p->link, -1, reading || due < now ? now : due);
		err = state_of(p);
		if (!err && p->began_us && feed_peek(p->feed) && sg_mono_us() >= due)
			send_first(p);
	}
	if (p->began_us)
		p->seconds = (double)(sg_mono_us() - p->began_us) / 1e6;
	return err ? err : feed_error(p->feed);
}

/* ---- all of it ---- */

static int report(struct sender *p, int status, const char *why)
{
	struct sg_rtc_client_stats s = {.round_trip_ms = -1};

	if (p->link.client)
		sg_rtc_client_stats(p->link.client, &s);
	if (*why)
		play_fail(0, "%s", why);
	if (p->o->arg[OPT_JSON]) {
		json_t *o = json_pack("{s:o, s:s, s:i, s:f, s:I, s:I, s:I, s:I, s:I}", "url",
		    status_url_json(p->o->url), "status", status == PLAYED ? "published" : status_name(status), "exit",
		    status, "seconds", p->seconds, "videoFrames", (json_int_t)p->frames[0],
		    "audioFrames", (json_int_t)p->frames[1], "packets", (json_int_t)s.packets,
		    "bytes", (json_int_t)s.bytes, "retransmitted", (json_int_t)s.retransmitted);
		if (o && s.round_trip_ms >= 0)
			json_object_set_new(o, "roundTripMs", json_real(s.round_trip_ms));
		if (o && *why)
			json_object_set_new(o, "error", json_string(why));
		if (o) {
			json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
			putchar('\n');
		}
		json_decref(o);
	} else if (status == PLAYED) {
		printf("published %.1f s  %llu frames  %llu packets  %llu bytes  %llu sent again\n",
		    p->seconds, (unsigned long long)p->frames[0],
		    (unsigned long long)s.packets, (unsigned long long)s.bytes,
		    (unsigned long long)s.retransmitted);
	}
	return status;
}

static int run(struct sender *p, const char *token)
{
	char why[600] = "";
	int err = ask(p, token), status = PLAYED;

	if (!err)
		err = wait_until_open(p);
	if (!err)
		err = send_all(p);
	bool sent = p->frames[0] || p->frames[1];
	if (err && !(err == AVERROR_EXIT && sent))
		status = source_explain(&p->source, err, why, sizeof(why));
	else if (!sent) {
		status = PLAY_FAILED;
		snprintf(why, sizeof(why), "nothing was published: the file has no frame");
	}
	return report(p, status, why);
}

int publish_run(const struct options *o)
{
	struct sender p = {.o = o, .link.fds = {-1, -1}};
	char *token = NULL;
	int status = feed_open(&p.feed, o->arg[OPT_PUBLISH]);

	p.source.progress_ms = sg_mono_ms();
	p.source.publishing = true;
	if (status == PLAYED && (status = token_read(o, &token)) == PLAYED) {
		p.source.trouble.token = token;
		if (rtc_link_open(&p.link,
			(struct sg_rtc_client_config){
			    .publish = true,
			    .video = feed_codec(p.feed, SG_FRAME_VIDEO),
			    .audio = feed_codec(p.feed, SG_FRAME_AUDIO)}))
			status = run(&p, token);
		else
			status =
			    play_fail(PLAY_FAILED, "cannot make a socket: free some descriptors");
	}
	if (p.link.identity)
		rtc_link_close(&p.link);
	rtc_http_close(p.http);
	feed_close(p.feed);
	token_free(token);
	return status;
}
