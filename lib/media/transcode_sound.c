/* transcode_sound.c - sound to AAC or Opus. */
#include "media/transcode_internal.h"
#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <stdlib.h>

#define DRIFT_TICKS (SG_TRANSCODE_DRIFT_MS * 90)
#define AAC_BITS_PER_CHANNEL 64000
#define OPUS_BITS 96000
#define FIFO_SECONDS 2 /* never more than a frame stays in it; a guard */

struct sound {
	struct sg_transcoder t;
	SwrContext *swr;
	AVAudioFifo *fifo;
	AVFrame *chunk; /* what the encoder is fed */
	/* what the resampler was made for */
	int in_rate, in_format, in_channels;
	bool anchored;
	int64_t anchor_90khz; /* where sample 0 of the count lies */
	int64_t samples;      /* taken into the fifo since then, at the encoder's rate */
	int64_t encoded;      /* of them, sent to the encoder */
};

static void sound_free(struct sg_transcoder *t)
{
	struct sound *s = (struct sound *)t;

	swr_free(&s->swr);
	av_audio_fifo_free(s->fifo);
	av_frame_free(&s->chunk);
	free(s);
}

/* ---- the encoder ---- */

static bool set_format(struct sound *s, AVCodecContext *enc)
{
	bool aac = s->t.to == SG_CODEC_AAC;
	int channels = aac && s->t.dec->ch_layout.nb_channels == 1 ? 1 : 2;
	int rate = aac && s->t.dec->sample_rate > 0 ? s->t.dec->sample_rate : 48000;

	av_channel_layout_default(&enc->ch_layout, channels);
	enc->sample_rate = rate;
	enc->sample_fmt = aac ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_FLT;
	enc->bit_rate = aac ? AAC_BITS_PER_CHANNEL * channels : OPUS_BITS;
	enc->time_base = (AVRational){ 1, 90000 };
	enc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	if (aac)
		return true;
	/* MEDIA: half a percent of a core a stream, 2.5 ms of delay. */
	return av_opt_set(enc->priv_data, "application", "lowdelay", 0) == 0 &&
	       av_opt_set(enc->priv_data, "frame_duration", "20", 0) == 0 &&
	       av_opt_set_int(enc, "compression_level", 5, 0) == 0;
}

static bool tell_config(struct sound *s)
{
	struct sg_frame *f = transcoder_frame(
	    SG_FRAME_AUDIO, s->t.to, s->t.enc->extradata, (size_t)s->t.enc->extradata_size);

	if (!f)
		return false;
	f->flags = SG_FRAME_CONFIG;
	s->t.out(s->t.user, f);
	return true;
}

static bool open_chunk(struct sound *s)
{
	const AVCodecContext *enc = s->t.enc;

	if (!(s->chunk = av_frame_alloc()))
		return false;
	s->chunk->nb_samples = enc->frame_size;
	s->chunk->format = enc->sample_fmt;
	s->chunk->sample_rate = enc->sample_rate;
	return av_channel_layout_copy(&s->chunk->ch_layout, &enc->ch_layout) == 0 &&
	       av_frame_get_buffer(s->chunk, 0) == 0;
}

/* Once: what players were told does not change when the source does. */
static bool open_encoder(struct sound *s)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(s->t.to == SG_CODEC_AAC ? "aac" : "libopus");

	if (s->t.enc)
		return true;
	if (!codec || !(s->t.enc = avcodec_alloc_context3(codec)) || !set_format(s, s->t.enc) ||
	    avcodec_open2(s->t.enc, codec, NULL) != 0 || s->t.enc->frame_size <= 0 ||
	    !(s->fifo = av_audio_fifo_alloc(s->t.enc->sample_fmt, s->t.enc->ch_layout.nb_channels,
		  s->t.enc->sample_rate)) ||
	    !open_chunk(s)) {
		avcodec_free_context(&s->t.enc);
		av_audio_fifo_free(s->fifo);
		s->fifo = NULL;
		av_frame_free(&s->chunk);
		return false;
	}
	return tell_config(s);
}

/* Everything the encoder has. */
static void take_packets(struct sound *s)
{
	AVCodecContext *enc = s->t.enc;

	while (avcodec_receive_packet(enc, s->t.pkt) == 0) {
		struct sg_frame *f =
		    transcoder_frame(SG_FRAME_AUDIO, s->t.to, s->t.pkt->data, (size_t)s->t.pkt->size);
		if (f) {
			/* The encoder counts its run-up in: its packets are as early as their sound is late. */
			f->dts_90khz = s->t.pkt->pts;
			f->pts_90khz = s->t.pkt->pts;
			s->t.out(s->t.user, f);
		}
		av_packet_unref(s->t.pkt);
	}
}

static int64_t sample_time(const struct sound *s, int64_t sample)
{
	return s->anchor_90khz + av_rescale(sample, 90000, s->t.enc->sample_rate);
}

static bool encode_chunks(struct sound *s)
{
	int size = s->t.enc->frame_size;

	while (av_audio_fifo_size(s->fifo) >= size) {
		if (av_frame_make_writable(s->chunk) < 0 ||
		    av_audio_fifo_read(s->fifo, (void **)s->chunk->data, size) != size)
			return false;
		s->chunk->pts = sample_time(s, s->encoded);
		s->encoded += size;
		if (avcodec_send_frame(s->t.enc, s->chunk) != 0)
			return false;
		take_packets(s);
	}
	return true;
}

/* ---- the way to it ---- */

static bool open_resampler(struct sound *s, AVFrame *in)
{
	AVCodecContext *enc = s->t.enc;

	if (s->swr && s->in_rate == in->sample_rate && s->in_format == in->format &&
	    s->in_channels == in->ch_layout.nb_channels)
		return true;
	swr_free(&s->swr);
	s->in_rate = in->sample_rate;
	s->in_format = in->format;
	s->in_channels = in->ch_layout.nb_channels;
	return swr_alloc_set_opts2(&s->swr, &enc->ch_layout, enc->sample_fmt, enc->sample_rate, &in->ch_layout,
		   (enum AVSampleFormat)in->format, in->sample_rate, 0, NULL) == 0 &&
	       swr_init(s->swr) == 0;
}

/* Where does this sound lie? Where the count says, unless the source says something quite different. */
static void keep_time(struct sound *s, int64_t pts)
{
	int64_t counted = s->anchored ? sample_time(s, s->samples) : 0, off = pts - counted;

	if (s->anchored && off <= DRIFT_TICKS && off >= -DRIFT_TICKS)
		return;
	/* The rest of a frame that was begun belongs to before. */
	av_audio_fifo_reset(s->fifo);
	s->anchored = true;
	s->anchor_90khz = pts;
	s->samples = s->encoded = 0;
}

static bool resample(struct sound *s, const AVFrame *in)
{
	uint8_t **data = NULL;
	int most = swr_get_out_samples(s->swr, in->nb_samples), channels = s->t.enc->ch_layout.nb_channels;

	if (most < 0 || most > FIFO_SECONDS * s->t.enc->sample_rate ||
	    av_samples_alloc_array_and_samples(&data, NULL, channels, most, s->t.enc->sample_fmt, 0) < 0)
		return false;
	int n = swr_convert(s->swr, data, most, (const uint8_t **)in->extended_data, in->nb_samples);
	/* What an encoder that fails left there may stay until the count is too far off: see keep_time. */
	bool ok = n >= 0 && av_audio_fifo_size(s->fifo) + n <= FIFO_SECONDS * s->t.enc->sample_rate &&
		  av_audio_fifo_write(s->fifo, (void **)data, n) == n;
	if (ok)
		s->samples += n;
	av_freep(&data[0]);
	av_freep(&data);
	return ok;
}

static bool take_sound(struct sg_transcoder *t, AVFrame *in)
{
	struct sound *s = (struct sound *)t;

	if (in->nb_samples <= 0 || in->sample_rate <= 0 || !open_encoder(s) || !open_resampler(s, in))
		return false;
	if (in->pts != AV_NOPTS_VALUE)
		/* What the resampler still holds comes out before this. */
		keep_time(s, in->pts - swr_get_delay(s->swr, 90000));
	return s->anchored && resample(s, in) && encode_chunks(s);
}

static bool sound_write(struct sg_transcoder *t, const struct sg_frame *f)
{
	struct sound *s = (struct sound *)t;

	if (f->flags & SG_FRAME_CONFIG) {
		if (!transcoder_keep_config(t, f) && t->dec && t->from == f->codec)
			return true;
		/* Told at once, so that who joins knows before the first sound. */
		return transcoder_open_decoder(t, (enum sg_codec)f->codec) &&
		       (t->dec->sample_rate <= 0 || open_encoder(s));
	}
	if ((!t->dec || t->from != f->codec) && !transcoder_open_decoder(t, (enum sg_codec)f->codec))
		return false;
	return transcoder_decode(t, f);
}

struct sg_transcoder *transcoder_sound_new(void)
{
	struct sound *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->t.write = sound_write;
	s->t.take = take_sound;
	s->t.free = sound_free;
	return &s->t;
}
