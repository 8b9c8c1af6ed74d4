/* publish_file.c - a file's packets as frames that WebRTC takes: as they are where that will do, else transcoded,
 * in the order of their times. */
#include "rtc.h"
#include "media/annexb.h"
#include "media/codec.h"
#include "media/transcode.h"
#include <libavutil/pixdesc.h>
#include <stdio.h>
#include <stdlib.h>

/* Read ahead of what is sent: a picture comes out of the transcoder behind those that are shown after it, and
 * files need not hold picture and sound side by side. */
#define AHEAD_90KHZ 90000
#define QUEUE_MAX 2048
#define PACKET_FRAMES_MAX 256 /* that one packet may become */
#define SETS_MAX 65536

struct lane { /* video, sound */
	int index; /* of the file's stream; -1 = none */
	enum sg_codec codec; /* of what is sent */
	struct sg_transcoder *transcoder; /* NULL: sent as it is */
	bool byte_stream; /* H.264 with start codes, as in MPEG-TS */
	struct sg_annexb annexb;
	struct sg_frame *config; /* waits for the frame that it is for */
	bool complained;
	struct feed *feed;
};

struct feed {
	AVFormatContext *file;
	AVPacket *pkt;
	struct lane lanes[2];
	struct sg_frame *queue[QUEUE_MAX]; /* by time */
	size_t count;
	int64_t newest_90khz;
	bool ended;
	int err;
};

/* ---- the queue ---- */

static void push(struct feed *f, struct sg_frame *frame)
{
	size_t at = f->count;

	if (f->count == QUEUE_MAX) {
		sg_frame_unref(frame);
		return;
	}
	while (at && f->queue[at - 1]->pts_90khz > frame->pts_90khz)
		at--;
	memmove(f->queue + at + 1, f->queue + at, (f->count - at) * sizeof(f->queue[0]));
	f->queue[at] = frame;
	f->count++;
}

/* From the transcoder, or as it is. */
static void put_out(void *user, struct sg_frame *frame)
{
	struct lane *l = user;

	if (frame->flags & SG_FRAME_CONFIG) {
		sg_frame_unref(l->config);
		l->config = frame;
		return;
	}
	if (l->config) {
		l->config->pts_90khz = l->config->dts_90khz = frame->pts_90khz;
		push(l->feed, l->config);
		l->config = NULL;
	}
	push(l->feed, frame);
}

/* ---- which tracks, and how ---- */

static enum sg_codec codec_of(const AVCodecParameters *par)
{
	static const enum sg_codec known[] = {
	    SG_CODEC_H264, SG_CODEC_VP8, SG_CODEC_VP9, SG_CODEC_AV1, SG_CODEC_OPUS};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sg_codec_av_id(known[i]) == (int)par->codec_id)
			return known[i];
	return SG_CODEC_NONE;
}

/* avcC (ISO 14496-15 5.3.3) with lengths of four bytes, which is how frames hold NAL units. */
static bool has_lengths_of_four(const AVCodecParameters *par)
{
	return par->extradata_size >= 7 && par->extradata[0] == 1 && (par->extradata[4] & 3) == 3;
}

static bool is_byte_stream(const AVCodecParameters *par)
{
	return par->extradata_size < 7 || par->extradata[0] != 1;
}

static bool goes_as_it_is(const AVCodecParameters *par)
{
	enum sg_codec codec = codec_of(par);

	if (codec != SG_CODEC_H264)
		return codec != SG_CODEC_NONE;
	return par->video_delay == 0 && (has_lengths_of_four(par) || is_byte_stream(par));
}

static bool set_config(struct lane *l, enum sg_frame_kind kind, const void *p, size_t size)
{
	struct sg_frame *c = sg_frame_new(kind, l->codec, size);

	if (!c)
		return false;
	memcpy(c->payload, p, size);
	c->flags = SG_FRAME_CONFIG;
	put_out(l, c);
	return true;
}

static int open_as_it_is(struct lane *l, const AVCodecParameters *par)
{
	bool video = par->codec_type == AVMEDIA_TYPE_VIDEO;

	l->codec = codec_of(par);
	l->byte_stream = l->codec == SG_CODEC_H264 && is_byte_stream(par);
	sg_annexb_init(&l->annexb, l->codec);
	if (!l->byte_stream && par->extradata_size > 0 &&
	    !set_config(l, video ? SG_FRAME_VIDEO : SG_FRAME_AUDIO, par->extradata, (size_t)par->extradata_size))
		return play_fail(PLAY_FAILED, "out of memory: free some");
	return PLAYED;
}

static int open_transcoder(struct lane *l, const AVCodecParameters *par)
{
	bool video = par->codec_type == AVMEDIA_TYPE_VIDEO;
	const char *format = video ? av_get_pix_fmt_name((enum AVPixelFormat)par->format) : NULL;

	l->codec = video ? SG_CODEC_H264 : SG_CODEC_OPUS;
	if (video && par->format != AV_PIX_FMT_YUV420P && par->format != AV_PIX_FMT_YUVJ420P)
		return play_fail(PLAY_FAILED, "the picture's format %s cannot be transcoded: make it yuv420p "
			"(ffmpeg -pix_fmt yuv420p)", format ? format : "is not known and");
	l->transcoder = sg_transcoder_new(l->codec, par->bit_rate > 0 ? (uint64_t)par->bit_rate : 0, put_out, l);
	if (!l->transcoder)
		return play_fail(PLAY_FAILED, "out of memory: free some");
	if (sg_transcoder_open(l->transcoder, par))
		return PLAYED;
	return play_fail(PLAY_FAILED, "%s cannot be decoded: %s of another codec can be sent",
	    avcodec_get_name(par->codec_id), video ? "a picture" : "sound");
}

static int choose(struct feed *f, int i, enum AVMediaType type)
{
	struct lane *l = &f->lanes[i];

	l->feed = f;
	l->index = av_find_best_stream(f->file, type, -1, -1, NULL, 0);
	if (l->index >= 0 && f->file->streams[l->index]->disposition & AV_DISPOSITION_ATTACHED_PIC)
		l->index = -1; /* the cover of a piece of music */
	if (l->index < 0)
		return PLAYED;
	const AVCodecParameters *par = f->file->streams[l->index]->codecpar;
	return goes_as_it_is(par) ? open_as_it_is(l, par) : open_transcoder(l, par);
}

static void describe(const struct feed *f, int i, char *out, size_t size)
{
	const struct lane *l = &f->lanes[i];

	*out = '\0';
	if (!l->transcoder)
		return;
	const AVCodecParameters *par = f->file->streams[l->index]->codecpar;
	snprintf(out, size, "%s from %s%s to %s", i ? "the sound" : "the picture", avcodec_get_name(par->codec_id),
	    par->codec_id == AV_CODEC_ID_H264 && par->video_delay > 0 ? " with B-frames" : "",
	    sg_codec_name(l->codec));
}

static void tell(const struct feed *f)
{
	char picture[80], sound[80];

	describe(f, 0, picture, sizeof(picture));
	describe(f, 1, sound, sizeof(sound));
	if (*picture || *sound)
		play_warn("transcoded, since WebRTC does not take it: %s%s%s", picture,
		    *picture && *sound ? ", " : "", sound);
}

/* ---- open and close ---- */

static int give_up(void *user)
{
	(void)user;
	return play_interrupted();
}

static int open_file(struct feed *f, const char *path)
{
	char text[200];
	int err = AVERROR(ENOMEM), status;

	f->pkt = av_packet_alloc();
	f->file = avformat_alloc_context();
	if (f->pkt && f->file) {
		f->file->interrupt_callback = (AVIOInterruptCB){give_up, NULL};
		err = avformat_open_input(&f->file, path, NULL, NULL);
	}
	if (!err)
		err = avformat_find_stream_info(f->file, NULL);
	if (err < 0) {
		av_strerror(err, text, sizeof(text));
		return play_fail(PLAY_FAILED, "cannot read %s: %s", path, text);
	}
	if ((status = choose(f, 0, AVMEDIA_TYPE_VIDEO)) != PLAYED ||
	    (status = choose(f, 1, AVMEDIA_TYPE_AUDIO)) != PLAYED)
		return status;
	if (f->lanes[0].index < 0 && f->lanes[1].index < 0)
		return play_fail(PLAY_FAILED, "%s has nothing to publish: give a file with picture or sound", path);
	tell(f);
	return PLAYED;
}

int feed_open(struct feed **out, const char *path)
{
	struct feed *f = *out = calloc(1, sizeof(*f));

	if (!f)
		return play_fail(PLAY_FAILED, "out of memory: free some");
	f->newest_90khz = INT64_MIN;
	f->lanes[0].index = f->lanes[1].index = -1;
	return open_file(f, path);
}

void feed_close(struct feed *f)
{
	if (!f)
		return;
	for (int i = 0; i < 2; i++) {
		sg_transcoder_free(f->lanes[i].transcoder);
		sg_annexb_reset(&f->lanes[i].annexb);
		sg_frame_unref(f->lanes[i].config);
	}
	while (f->count)
		sg_frame_unref(f->queue[--f->count]);
	av_packet_free(&f->pkt);
	avformat_close_input(&f->file);
	free(f);
}

enum sg_codec feed_codec(const struct feed *f, enum sg_frame_kind kind)
{
	return f->lanes[kind == SG_FRAME_AUDIO].codec;
}

/* ---- frames ---- */

static int64_t ticks(const AVStream *st, int64_t time)
{
	return time == AV_NOPTS_VALUE ? time : av_rescale_q(time, st->time_base, (AVRational){1, 90000});
}

static struct sg_frame *frame_of(const struct feed *f, int i, enum sg_codec codec, const void *p, size_t size)
{
	const AVStream *st = f->file->streams[f->lanes[i].index];
	struct sg_frame *frame = sg_frame_new(i ? SG_FRAME_AUDIO : SG_FRAME_VIDEO, codec, size);

	if (!frame)
		return NULL;
	memcpy(frame->payload, p, size);
	frame->flags = f->pkt->flags & AV_PKT_FLAG_KEY ? SG_FRAME_KEY : 0;
	frame->pts_90khz = ticks(st, f->pkt->pts);
	frame->dts_90khz = ticks(st, f->pkt->dts);
	return frame;
}

/* The access unit without start codes, and the parameter sets where they are new. */
static struct sg_frame *read_byte_stream(struct feed *f, struct lane *l)
{
	struct sg_frame *frame = NULL;
	struct sg_buf unit, record;
	bool changed;

	sg_buf_init(&unit, SG_FRAME_MAX_BYTES);
	sg_buf_init(&record, SETS_MAX);
	if (sg_annexb_read(&l->annexb, f->pkt->data, (size_t)f->pkt->size, &unit, &changed) == SG_OK && unit.len)
		frame = frame_of(f, 0, l->codec, unit.p, unit.len);
	if (frame && changed && sg_annexb_config(&l->annexb, &record) == SG_OK)
		set_config(l, SG_FRAME_VIDEO, record.p, record.len);
	sg_buf_reset(&unit);
	sg_buf_reset(&record);
	return frame;
}

static bool take_as_it_is(struct feed *f, int i)
{
	struct lane *l = &f->lanes[i];
	struct sg_frame *frame = l->byte_stream ? read_byte_stream(f, l)
						: frame_of(f, i, l->codec, f->pkt->data, (size_t)f->pkt->size);

	if (!frame)
		return false;
	/* Nothing is reordered: both are the same but for a constant. */
	if (frame->pts_90khz == AV_NOPTS_VALUE)
		frame->pts_90khz = frame->dts_90khz;
	frame->dts_90khz = frame->pts_90khz;
	if (frame->pts_90khz == AV_NOPTS_VALUE) {
		sg_frame_unref(frame);
		return false;
	}
	put_out(l, frame);
	return true;
}

static bool take_transcoded(struct feed *f, int i)
{
	struct sg_frame *frame = frame_of(f, i, SG_CODEC_NONE, f->pkt->data, (size_t)f->pkt->size);
	bool ok = frame && sg_transcoder_write(f->lanes[i].transcoder, frame);

	sg_frame_unref(frame);
	return ok;
}

static void take_packet(struct feed *f)
{
	int i = f->pkt->stream_index == f->lanes[0].index ? 0 : 1;
	struct lane *l = &f->lanes[i];

	if (f->pkt->stream_index != l->index || f->pkt->size <= 0)
		return;
	int64_t ts = f->pkt->dts != AV_NOPTS_VALUE ? f->pkt->dts : f->pkt->pts;
	if (ts != AV_NOPTS_VALUE && ticks(f->file->streams[l->index], ts) > f->newest_90khz)
		f->newest_90khz = ticks(f->file->streams[l->index], ts);
	bool ok = l->transcoder ? take_transcoded(f, i) : take_as_it_is(f, i);
	if (!ok && !l->complained) {
		l->complained = true;
		play_warn("something of %s cannot be read: it is left out", i ? "the sound" : "the picture");
	}
}

bool feed_read(struct feed *f)
{
	if (f->ended || f->count + PACKET_FRAMES_MAX > QUEUE_MAX ||
	    (f->count && f->newest_90khz - f->queue[0]->pts_90khz >= AHEAD_90KHZ))
		return false;
	int err = av_read_frame(f->file, f->pkt);
	if (!err)
		take_packet(f);
	else if (err != AVERROR(EAGAIN)) {
		f->ended = true;
		f->err = err == AVERROR_EOF ? 0 : err;
		for (int i = 0; i < 2; i++)
			if (f->lanes[i].transcoder)
				sg_transcoder_end(f->lanes[i].transcoder);
	}
	av_packet_unref(f->pkt);
	return true;
}

const struct sg_frame *feed_peek(const struct feed *f)
{
	return f->count ? f->queue[0] : NULL;
}

struct sg_frame *feed_take(struct feed *f)
{
	struct sg_frame *first = f->queue[0];

	memmove(f->queue, f->queue + 1, --f->count * sizeof(f->queue[0]));
	return first;
}

int feed_error(const struct feed *f)
{
	return f->err;
}
