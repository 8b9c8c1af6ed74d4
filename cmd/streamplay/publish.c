/* publish.c - --publish: a file over WHIP, at its own pace, as a camera would. */
#include "rtc.h"
#include "base/clock.h"
#include "base/text.h"
#include "media/codec.h"
#include "webrtc/sdp.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define OPEN_PATIENCE_MS 10000

struct lane { /* video, sound */
	int index; /* of the file's stream; -1 = none */
	enum sg_codec codec;
	uint64_t frames;
};

struct sender {
	const struct options *o;
	struct source source; /* of the trouble and the patience alone */
	AVFormatContext *file;
	struct lane lanes[2];
	struct rtc_link link;
	struct rtc_http *http;
	int64_t began_us, first_us; /* when, and which of the file's times, the first packet was */
	double seconds;
};

/* ---- the file ---- */

static enum sg_codec codec_of(const AVCodecParameters *par)
{
	static const enum sg_codec known[] = {
	    SG_CODEC_H264, SG_CODEC_VP8, SG_CODEC_VP9, SG_CODEC_AV1, SG_CODEC_OPUS};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sg_codec_av_id(known[i]) == (int)par->codec_id)
			return known[i];
	return SG_CODEC_NONE;
}

static int choose(struct sender *p, int i, enum AVMediaType type)
{
	struct lane *l = &p->lanes[i];

	l->index = av_find_best_stream(p->file, type, -1, -1, NULL, 0);
	if (l->index < 0)
		return PLAYED;
	const AVCodecParameters *par = p->file->streams[l->index]->codecpar;
	l->codec = codec_of(par);
	if (!l->codec) {
		play_warn("%s does not travel over WebRTC: %s is left out%s",
		    avcodec_get_name(par->codec_id), i ? "the sound" : "the picture",
		    i ? " (make it Opus: ffmpeg -c:v copy -c:a libopus)" : "");
		l->index = -1;
		return PLAYED;
	}
	if (l->codec == SG_CODEC_H264 && (par->extradata_size < 7 || par->extradata[0] != 1))
		return play_fail(PLAY_FAILED,
		    "this file's H.264 is not in MP4's form: ffmpeg -c copy "
		    "turns it into an .mp4 or .mkv");
	if (l->codec == SG_CODEC_H264 && par->video_delay > 0)
		return play_fail(PLAY_FAILED,
		    "the picture has B-frames, which browsers cannot play: "
		    "encode it with -bf 0");
	return PLAYED;
}

static int open_file(struct sender *p, const char *path)
{
	char text[200];
	int err = avformat_open_input(&p->file, path, NULL, NULL), status;

	if (!err)
		err = avformat_find_stream_info(p->file, NULL);
	if (err < 0) {
		av_strerror(err, text, sizeof(text));
		return play_fail(PLAY_FAILED, "cannot read %s: %s", path, text);
	}
	if ((status = choose(p, 0, AVMEDIA_TYPE_VIDEO)) != PLAYED ||
	    (status = choose(p, 1, AVMEDIA_TYPE_AUDIO)) != PLAYED)
		return status;
	if (p->lanes[0].index < 0 && p->lanes[1].index < 0)
		return play_fail(PLAY_FAILED,
		    "%s has nothing to publish: H.264, VP8, VP9, AV1 and Opus can be", path);
	return PLAYED;
}

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

static bool send_config(struct sender *p, int i)
{
	const AVCodecParameters *par =
	    p->lanes[i].index < 0 ? NULL : p->file->streams[p->lanes[i].index]->codecpar;

	if (!par || par->extradata_size <= 0)
		return true;
	struct sg_frame *f = sg_frame_new(
	    i ? SG_FRAME_AUDIO : SG_FRAME_VIDEO, p->lanes[i].codec, (size_t)par->extradata_size);
	if (!f)
		return false;
	f->flags = SG_FRAME_CONFIG;
	memcpy(f->payload, par->extradata, (size_t)par->extradata_size);
	bool ok = sg_rtc_client_write(p->link.client, f, sg_mono_us());
	sg_frame_unref(f);
	return ok;
}

static int send_packet(struct sender *p, int i, const AVPacket *pkt, int64_t us)
{
	struct sg_frame *f =
	    sg_frame_new(i ? SG_FRAME_AUDIO : SG_FRAME_VIDEO, p->lanes[i].codec, (size_t)pkt->size);

	if (!f)
		return AVERROR(ENOMEM);
	memcpy(f->payload, pkt->data, (size_t)pkt->size);
	f->flags = pkt->flags & AV_PKT_FLAG_KEY ? SG_FRAME_KEY : 0;
	f->pts_90khz = f->dts_90khz = us * 9 / 100;
	if (sg_rtc_client_write(p->link.client, f, sg_mono_us()))
		p->lanes[i].frames++;
	sg_frame_unref(f);
	return 0;
}

static bool over(const struct sender *p)
{
	return p->o->duration_ms && p->began_us &&
	       sg_mono_us() - p->began_us >= p->o->duration_ms * 1000;
}

/* Waits until it is the packet's time. */
static int keep_pace(struct sender *p, int64_t us)
{
	int err = 0;

	if (!p->began_us) {
		p->began_us = sg_mono_us();
		p->first_us = us;
	}
	int64_t due = p->began_us + us - p->first_us;
	while (!(err = state_of(p)) && !over(p) && sg_mono_us() < due)
		rtc_link_wait(&p->link, -1, due);
	return err;
}

static int send_all(struct sender *p)
{
	AVPacket *pkt = av_packet_alloc();
	int err = pkt ? 0 : AVERROR(ENOMEM);

	if (!err && (!send_config(p, 0) || !send_config(p, 1)))
		err = AVERROR_INVALIDDATA;
	while (!err && !over(p) && (err = av_read_frame(p->file, pkt)) == 0) {
		const AVStream *st = p->file->streams[pkt->stream_index];
		int i = pkt->stream_index == p->lanes[0].index ? 0 : 1;
		int64_t ts = pkt->pts != AV_NOPTS_VALUE ? pkt->pts : pkt->dts;
		if (pkt->stream_index == p->lanes[i].index && ts != AV_NOPTS_VALUE) {
			int64_t us = av_rescale_q(ts, st->time_base, AV_TIME_BASE_Q);
			if (!(err = keep_pace(p, us)) && !over(p))
				err = send_packet(p, i, pkt, us);
		}
		av_packet_unref(pkt);
	}
	av_packet_free(&pkt);
	if (p->began_us)
		p->seconds = (double)(sg_mono_us() - p->began_us) / 1e6;
	return err == AVERROR_EOF ? 0 : err;
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
		char *shown = url_shown(p->o->url);
		json_t *o = json_pack("{s:s?, s:s, s:i, s:f, s:I, s:I, s:I, s:I, s:I}", "url",
		    shown, "status", status == PLAYED ? "published" : status_name(status), "exit",
		    status, "seconds", p->seconds, "videoFrames", (json_int_t)p->lanes[0].frames,
		    "audioFrames", (json_int_t)p->lanes[1].frames, "packets", (json_int_t)s.packets,
		    "bytes", (json_int_t)s.bytes, "retransmitted", (json_int_t)s.retransmitted);
		free(shown);
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
		    p->seconds, (unsigned long long)p->lanes[0].frames,
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
	bool sent = p->lanes[0].frames || p->lanes[1].frames;
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
	int status = open_file(&p, o->arg[OPT_PUBLISH]);

	p.source.progress_ms = sg_mono_ms();
	if (status == PLAYED && (status = token_read(o, &token)) == PLAYED) {
		p.source.trouble.token = token;
		if (rtc_link_open(&p.link,
			(struct sg_rtc_client_config){
			    .publish = true, .video = p.lanes[0].codec, .audio = p.lanes[1].codec}))
			status = run(&p, token);
		else
			status =
			    play_fail(PLAY_FAILED, "cannot make a socket: free some descriptors");
	}
	if (p.link.identity)
		rtc_link_close(&p.link);
	rtc_http_close(p.http);
	avformat_close_input(&p.file);
	token_free(token);
	return status;
}
