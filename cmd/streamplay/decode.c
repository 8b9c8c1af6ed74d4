/* decode.c - decodes the first picture and the first sound of a stream, so that what is measured
 * was really there. */
#include "streamplay.h"
#include "base/clock.h"
#include <libavutil/pixdesc.h>

/* 8K and some. A header may claim any size; memory is taken for none above this. */
#define PIXELS_MAX (8192LL * 4608)
#define CHANNELS_MAX 64

bool decoding_init(struct decoding *d, struct measure *m, struct window *w)
{
	*d = (struct decoding){.measure = m, .window = w};
	d->video.index = d->sound.index = -1;
	return (d->frame = av_frame_alloc()) != NULL;
}

void decoding_reset(struct decoding *d)
{
	avcodec_free_context(&d->video.ctx);
	avcodec_free_context(&d->sound.ctx);
	av_frame_free(&d->frame);
}

static AVCodecContext *open_codec(const AVStream *st)
{
	const AVCodec *codec = avcodec_find_decoder(st->codecpar->codec_id);
	AVCodecContext *ctx = codec ? avcodec_alloc_context3(codec) : NULL;

	if (!ctx || avcodec_parameters_to_context(ctx, st->codecpar) < 0)
		goto fail;
	ctx->pkt_timebase = st->time_base;
	ctx->max_pixels = PIXELS_MAX;
	ctx->thread_count = 2;
	ctx->thread_type =
	    FF_THREAD_SLICE; /* threads by frame would add their number of frames of delay */
	if (avcodec_open2(ctx, codec, NULL) < 0)
		goto fail;
	return ctx;
fail:
	avcodec_free_context(&ctx);
	return NULL;
}

/* The decoder for a packet of stream `st`, opened for the first of its kind; NULL for the rest. */
static struct decoder *decoder_for(struct decoding *d, const AVStream *st)
{
	enum AVMediaType type = st->codecpar->codec_type;

	if (type != AVMEDIA_TYPE_VIDEO && type != AVMEDIA_TYPE_AUDIO)
		return NULL;
	struct decoder *dec = type == AVMEDIA_TYPE_VIDEO ? &d->video : &d->sound;
	if (dec->index >= 0)
		return dec->index == st->index ? dec : NULL;
	dec->index = st->index;
	measure_codec(d->measure, st->codecpar);
	if (!(dec->ctx = open_codec(st))) {
		dec->unknown = true;
		if (st->codecpar->codec_id == AV_CODEC_ID_NONE) /* Enhanced RTMP's, to an FFmpeg before it */
			play_warn("FFmpeg does not know the %s's codec in this form: it is counted, but "
				  "not shown; HLS may tell more",
			    type == AVMEDIA_TYPE_VIDEO ? "picture" : "sound");
		else
			play_warn("cannot decode %s: it is counted, but not shown",
			    avcodec_get_name(st->codecpar->codec_id));
	}
	return dec;
}

static bool frame_is_sane(const AVFrame *f, enum AVMediaType type)
{
	if (type == AVMEDIA_TYPE_VIDEO)
		return f->width > 0 && f->height > 0 &&
		       av_pix_fmt_desc_get((enum AVPixelFormat)f->format);
	return f->sample_rate > 0 && f->nb_samples > 0 && f->ch_layout.nb_channels > 0 &&
	       f->ch_layout.nb_channels <= CHANNELS_MAX;
}

static void take_frame(struct decoding *d, struct decoder *dec, AVRational tb)
{
	AVFrame *f = d->frame;
	enum AVMediaType type = dec->ctx->codec_type;
	int64_t ts = f->best_effort_timestamp;
	int64_t pts_us = ts == AV_NOPTS_VALUE ? ts : av_rescale_q(ts, tb, AV_TIME_BASE_Q);

	if (!frame_is_sane(f, type)) {
		measure_broken(d->measure);
		return;
	}
	measure_frame(d->measure, type, pts_us, f, sg_mono_us());
	if (!d->window || pts_us == AV_NOPTS_VALUE)
		return;
	if (type == AVMEDIA_TYPE_VIDEO)
		window_frame(d->window, f, pts_us, d->live);
	else
		window_sound(d->window, f, pts_us, d->live);
}

static void take_frames(struct decoding *d, struct decoder *dec, AVRational tb)
{
	while (avcodec_receive_frame(dec->ctx, d->frame) == 0) {
		take_frame(d, dec, tb);
		av_frame_unref(d->frame);
	}
}

static void decode(struct decoding *d, struct decoder *dec, const AVPacket *pkt, AVRational tb)
{
	int err = avcodec_send_packet(dec->ctx, pkt);

	/* EAGAIN cannot be: everything decoded is taken out each time. */
	if (err < 0 && err != AVERROR_EOF && pkt)
		measure_broken(d->measure);
	take_frames(d, dec, tb);
}

void decoding_packet(struct decoding *d, AVFormatContext *fmt, const AVPacket *pkt)
{
	if (pkt) {
		struct decoder *dec = decoder_for(d, fmt->streams[pkt->stream_index]);
		if (dec && dec->ctx)
			decode(d, dec, pkt, fmt->streams[pkt->stream_index]->time_base);
		return;
	}
	struct decoder *both[] = {&d->video, &d->sound};
	for (int i = 0; i < 2; i++)
		if (both[i]->ctx)
			decode(d, both[i], NULL, fmt->streams[both[i]->index]->time_base);
}
