#include "media/mux.h"
#include "media/sound_time.h"
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <stdlib.h>

#define IO_BUFFER 32768
/* Of MPEG-TS, whichever tracks there are: a PID that changed its kind would confuse receivers. */
#define VIDEO_PID 0x100
#define AUDIO_PID 0x101

struct sg_mux {
	AVFormatContext *oc;
	AVPacket *pkt;
	struct sg_buf *out;
	int index[2]; /* of the video and the audio stream, -1 = none */
	int frame_samples, sample_rate;
	struct sg_sound_time counted;
};

static int on_write(void *opaque, uint8_t *p, int len)
{
	struct sg_mux *m = opaque;

	sg_buf_append(m->out, p, (size_t)len);
	return m->out->failed ? AVERROR(ENOMEM) : len;
}

static AVStream *add_stream(struct sg_mux *m, enum sg_codec codec, const struct sg_frame *config)
{
	AVStream *st = avformat_new_stream(m->oc, NULL);

	if (!st)
		return NULL;
	st->codecpar->codec_id = sg_codec_av_id(codec);
	if (!config)
		return st;
	st->codecpar->extradata = av_mallocz(config->size + AV_INPUT_BUFFER_PADDING_SIZE);
	if (!st->codecpar->extradata)
		return NULL;
	memcpy(st->codecpar->extradata, config->payload, config->size);
	st->codecpar->extradata_size = (int)config->size;
	return st;
}

static bool add_video(struct sg_mux *m, enum sg_codec codec, const struct sg_frame *config,
    const struct sg_video_params *vp)
{
	AVStream *st = add_stream(m, codec, config);

	if (!st)
		return false;
	m->index[0] = st->index;
	st->id = VIDEO_PID;
	st->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
	st->codecpar->width = vp->width;
	st->codecpar->height = vp->height;
	if (codec == SG_CODEC_HEVC && strcmp(m->oc->oformat->name, "mp4") == 0)
		st->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1'); /* what Apple's players take */
	st->time_base = (AVRational){ 1, 90000 };
	return true;
}

static bool add_audio(struct sg_mux *m, enum sg_codec codec, const struct sg_frame *config,
    const struct sg_audio_params *ap)
{
	AVStream *st = add_stream(m, codec, config);

	if (!st || ap->sample_rate <= 0)
		return false;
	m->index[1] = st->index;
	st->id = AUDIO_PID;
	st->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
	st->codecpar->sample_rate = ap->sample_rate;
	av_channel_layout_default(&st->codecpar->ch_layout, ap->channels);
	st->codecpar->frame_size = ap->frame_samples;
	st->time_base = (AVRational){ 1, ap->sample_rate };
	m->sample_rate = ap->sample_rate;
	if (codec == SG_CODEC_AAC)
		m->frame_samples = ap->frame_samples;
	return true;
}

static bool open_output(struct sg_mux *m, const char *options)
{
	AVDictionary *dict = NULL;
	uint8_t *buffer = av_malloc(IO_BUFFER);

	if (!buffer ||
	    !(m->oc->pb = avio_alloc_context(buffer, IO_BUFFER, 1, m, NULL, on_write, NULL))) {
		av_free(buffer);
		return false;
	}
	m->oc->pb->seekable = 0;
	m->oc->flags |= AVFMT_FLAG_CUSTOM_IO;
	m->oc->max_interleave_delta = 0;
	m->oc->flush_packets = 0;
	av_dict_parse_string(&dict, options, "=", ":", 0);
	int res = avformat_write_header(m->oc, &dict);
	av_dict_free(&dict);
	if (res < 0)
		return false;
	avio_flush(m->oc->pb);
	return !m->out->failed;
}

struct sg_mux *sg_mux_open(const char *format, const char *options, const struct lead *lead,
    enum sg_codec video, const struct sg_video_params *vp, enum sg_codec audio,
    const struct sg_audio_params *ap, struct sg_buf *out)
{
	struct sg_mux *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->index[0] = m->index[1] = -1;
	m->out = out;
	m->counted.next = -1;
	if ((m->pkt = av_packet_alloc()) &&
	    avformat_alloc_output_context2(&m->oc, NULL, format, NULL) >= 0 &&
	    (video == SG_CODEC_NONE || add_video(m, video, lead->video, vp)) &&
	    (audio == SG_CODEC_NONE || add_audio(m, audio, lead->audio, ap)) &&
	    open_output(m, options))
		return m;
	sg_mux_close(m);
	return NULL;
}

void sg_mux_close(struct sg_mux *m)
{
	if (!m)
		return;
	if (m->oc) {
		if (m->oc->pb) {
			av_freep(&m->oc->pb->buffer);
			avio_context_free(&m->oc->pb);
		}
		avformat_free_context(m->oc);
	}
	av_packet_free(&m->pkt);
	free(m);
}

bool sg_mux_has(const struct sg_mux *m, enum sg_frame_kind kind)
{
	return m->index[kind == SG_FRAME_AUDIO] >= 0;
}

static bool place_sound(struct sg_mux *m, const struct sg_frame *f, int64_t *at)
{
	int64_t said = av_rescale_q(f->pts_90khz, (AVRational){ 1, 90000 }, (AVRational){ 1, m->sample_rate });

	return sg_sound_place(&m->counted, m->sample_rate, m->frame_samples, said, at);
}

bool sg_mux_write(struct sg_mux *m, const struct sg_frame *f, int64_t duration)
{
	AVPacket *pkt = m->pkt;
	const AVRational ticks = { 1, 90000 };
	int64_t at = f->dts_90khz;

	if (f->kind == SG_FRAME_AUDIO && !place_sound(m, f, &at))
		return true;
	av_packet_unref(pkt);
	pkt->data = (uint8_t *)f->payload;
	pkt->size = (int)f->size;
	pkt->stream_index = m->index[f->kind == SG_FRAME_AUDIO];
	pkt->pts = f->pts_90khz;
	pkt->dts = at;
	pkt->duration = duration;
	if (f->kind == SG_FRAME_AUDIO) {
		pkt->pts = at;
		pkt->duration = m->frame_samples
				    ? m->frame_samples
				    : av_rescale_q(duration, ticks, (AVRational){ 1, m->sample_rate });
		pkt->flags |= AV_PKT_FLAG_KEY;
		/* The muxer may have chosen another time base (mpegts: 90 kHz). */
		av_packet_rescale_ts(pkt, (AVRational){ 1, m->sample_rate },
		    m->oc->streams[pkt->stream_index]->time_base);
	} else if (f->flags & SG_FRAME_KEY) {
		pkt->flags |= AV_PKT_FLAG_KEY;
	}
	return av_write_frame(m->oc, pkt) >= 0 && !m->out->failed;
}

bool sg_mux_flush(struct sg_mux *m, bool fragment)
{
	if (fragment && av_write_frame(m->oc, NULL) < 0)
		return false;
	avio_flush(m->oc->pb);
	return !m->out->failed && m->oc->pb->error >= 0;
}

void sg_mux_resend_headers(struct sg_mux *m)
{
	av_opt_set(m->oc->priv_data, "mpegts_flags", "+resend_headers", 0);
}
