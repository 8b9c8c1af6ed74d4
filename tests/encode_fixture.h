/* encode_fixture.h - real coded media, made by libavcodec: moving pictures and tones, as frames of a stream. */
#ifndef ENCODE_FIXTURE_H
#define ENCODE_FIXTURE_H

#include "media_fixture.h"
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <math.h>

#define CODED_MAX 1024
struct coded {
	struct sg_frame *config; /* NULL: this codec has none */
	struct sg_frame *frames[CODED_MAX]; /* unsealed */
	size_t count;
};

static inline void coded_drop(struct coded *c)
{
	sg_frame_unref(c->config);
	while (c->count)
		sg_frame_unref(c->frames[--c->count]);
	c->config = NULL;
}

/* ---- Annex B to length prefixes and avcC ---- */

/* The next unit in [*p, end); false when there is none. */
static inline bool next_annexb(const uint8_t **p, const uint8_t *end, const uint8_t **nal, size_t *size)
{
	const uint8_t *at = *p;

	while (end - at >= 3 && !(at[0] == 0 && at[1] == 0 && at[2] == 1))
		at++;
	if (end - at < 4)
		return false;
	*nal = at + 3;
	for (at = *nal; at < end; at++)
		if (end - at >= 3 && at[0] == 0 && at[1] == 0 && at[2] <= 1)
			break;
	*size = (size_t)(at - *nal);
	*p = at;
	return true;
}

static inline struct sg_frame *frame_of(enum sg_frame_kind kind, enum sg_codec codec, const void *p, size_t size)
{
	struct sg_frame *f = sg_frame_new(kind, codec, size);

	assert_non_null(f);
	if (size)
		memcpy(f->payload, p, size);
	return f;
}

static inline struct sg_frame *avcc_of(const uint8_t *annexb, size_t len)
{
	const uint8_t *p = annexb, *nal, *sps = NULL, *pps = NULL;
	size_t size, sps_size = 0, pps_size = 0;
	struct sg_buf b;

	while (next_annexb(&p, annexb + len, &nal, &size)) {
		if ((nal[0] & 31) == 7)
			sps = nal, sps_size = size;
		else if ((nal[0] & 31) == 8)
			pps = nal, pps_size = size;
	}
	assert_true(sps && pps);
	sg_buf_init(&b, 4096);
	sg_buf_append(&b, (uint8_t[]){ 1, sps[1], sps[2], sps[3], 0xff, 0xe1 }, 6);
	sg_buf_put_be16(&b, (uint16_t)sps_size);
	sg_buf_append(&b, sps, sps_size);
	sg_buf_put_u8(&b, 1);
	sg_buf_put_be16(&b, (uint16_t)pps_size);
	sg_buf_append(&b, pps, pps_size);
	if (sps[1] == 100)
		sg_buf_append(&b, (uint8_t[]){ 0xfd, 0xf8, 0xf8, 0 }, 4);
	struct sg_frame *f = frame_of(SG_FRAME_VIDEO, SG_CODEC_H264, b.p, b.len);
	f->flags = SG_FRAME_CONFIG;
	sg_buf_reset(&b);
	return f;
}

static inline struct sg_frame *h264_frame_of(const uint8_t *annexb, size_t len)
{
	const uint8_t *p = annexb, *nal;
	struct sg_buf b;
	size_t size;

	sg_buf_init(&b, SG_FRAME_MAX_BYTES);
	while (next_annexb(&p, annexb + len, &nal, &size)) {
		sg_buf_put_be32(&b, (uint32_t)size);
		sg_buf_append(&b, nal, size);
	}
	struct sg_frame *f = frame_of(SG_FRAME_VIDEO, SG_CODEC_H264, b.p, b.len);
	sg_buf_reset(&b);
	return f;
}

/* ---- pictures ---- */

struct picture_options {
	const char *encoder; /* "libx264", "libvpx", "libvpx-vp9", "libaom-av1" */
	enum sg_codec codec;
	int width, height, frames, gop, b_frames;
	int64_t bit_rate;
	const char *x264_opts;
};

/* A bar that moves over noise, so that there is something to code. */
static inline void draw(AVFrame *pic, int n)
{
	uint32_t noise = 12345;

	for (int y = 0; y < pic->height; y++) {
		for (int x = 0; x < pic->width; x++) {
			noise = noise * 1103515245 + 12345;
			int bar = (x + 4 * n) / 16 % 4 == 0 ? 120 : 0;
			pic->data[0][y * pic->linesize[0] + x] = (uint8_t)(60 + bar + (noise >> 28));
		}
	}
	for (int y = 0; y < pic->height / 2; y++) {
		memset(pic->data[1] + y * pic->linesize[1], 100 + n % 50, (size_t)pic->width / 2);
		memset(pic->data[2] + y * pic->linesize[2], 140, (size_t)pic->width / 2);
	}
}

static inline void take_pictures(AVCodecContext *enc, const struct picture_options *o, struct coded *out)
{
	AVPacket *pkt = av_packet_alloc();

	while (avcodec_receive_packet(enc, pkt) == 0) {
		struct sg_frame *f = o->codec == SG_CODEC_H264
					 ? h264_frame_of(pkt->data, (size_t)pkt->size)
					 : frame_of(SG_FRAME_VIDEO, o->codec, pkt->data, (size_t)pkt->size);
		f->flags = pkt->flags & AV_PKT_FLAG_KEY ? SG_FRAME_KEY : 0;
		/* Moved so that nothing is negative with frames that are reordered. */
		f->pts_90khz = (pkt->pts + 2) * 3600;
		f->dts_90khz = (pkt->dts + 2) * 3600;
		assert_true(out->count < CODED_MAX);
		out->frames[out->count++] = f;
		av_packet_unref(pkt);
	}
	av_packet_free(&pkt);
}

/* At 25 frames a second. */
static inline void encode_pictures(const struct picture_options *o, struct coded *out)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(o->encoder);
	AVDictionary *opts = NULL;

	*out = (struct coded){ 0 };
	assert_non_null(codec);
	AVCodecContext *enc = avcodec_alloc_context3(codec);
	enc->width = o->width, enc->height = o->height;
	enc->time_base = (AVRational){ 1, 25 };
	enc->framerate = (AVRational){ 25, 1 };
	enc->pix_fmt = AV_PIX_FMT_YUV420P;
	enc->gop_size = o->gop;
	enc->max_b_frames = o->b_frames;
	enc->bit_rate = o->bit_rate;
	enc->thread_count = 1;
	enc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	if (o->codec == SG_CODEC_H264) {
		av_dict_set(&opts, "preset", "ultrafast", 0);
		if (o->b_frames == 0)
			av_dict_set(&opts, "tune", "zerolatency", 0);
		if (o->x264_opts)
			av_dict_set(&opts, "x264-params", o->x264_opts, 0);
	} else {
		av_dict_set(&opts, "cpu-used", "8", 0);
		av_dict_set(&opts, "deadline", "realtime", 0);
		av_dict_set(&opts, "lag-in-frames", "0", 0);
	}
	assert_int_equal(avcodec_open2(enc, codec, &opts), 0);
	av_dict_free(&opts);
	if (o->codec == SG_CODEC_H264)
		out->config = avcc_of(enc->extradata, (size_t)enc->extradata_size);
	AVFrame *pic = av_frame_alloc();
	pic->format = AV_PIX_FMT_YUV420P, pic->width = o->width, pic->height = o->height;
	assert_int_equal(av_frame_get_buffer(pic, 0), 0);
	for (int n = 0; n < o->frames; n++) {
		assert_int_equal(av_frame_make_writable(pic), 0);
		draw(pic, n);
		pic->pts = n;
		assert_int_equal(avcodec_send_frame(enc, pic), 0);
		take_pictures(enc, o, out);
	}
	assert_int_equal(avcodec_send_frame(enc, NULL), 0);
	take_pictures(enc, o, out);
	av_frame_free(&pic);
	avcodec_free_context(&enc);
}

/* ---- sound ---- */

/* A tone of `hz` in both channels, `seconds` long, that begins after `onset` seconds of silence. SG_CODEC_AAC or
 * SG_CODEC_OPUS. Times are such that the sound decoded from a frame lies at its pts. */
static inline void encode_tone(
    enum sg_codec which, int rate, double hz, double seconds, double onset, struct coded *out)
{
	const AVCodec *codec = avcodec_find_encoder_by_name(which == SG_CODEC_AAC ? "aac" : "libopus");
	const AVChannelLayout stereo = AV_CHANNEL_LAYOUT_STEREO;

	*out = (struct coded){ 0 };
	assert_non_null(codec);
	AVCodecContext *enc = avcodec_alloc_context3(codec);
	enc->sample_rate = rate;
	enc->sample_fmt = which == SG_CODEC_AAC ? AV_SAMPLE_FMT_FLTP : AV_SAMPLE_FMT_FLT;
	av_channel_layout_copy(&enc->ch_layout, &stereo);
	enc->bit_rate = 128000;
	enc->time_base = (AVRational){ 1, rate };
	enc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	assert_int_equal(avcodec_open2(enc, codec, NULL), 0);
	out->config = frame_of(SG_FRAME_AUDIO, which, enc->extradata, (size_t)enc->extradata_size);
	out->config->flags = SG_FRAME_CONFIG;
	AVFrame *s = av_frame_alloc();
	AVPacket *pkt = av_packet_alloc();
	s->nb_samples = enc->frame_size, s->format = enc->sample_fmt, s->sample_rate = rate;
	av_channel_layout_copy(&s->ch_layout, &stereo);
	assert_int_equal(av_frame_get_buffer(s, 0), 0);
	int64_t total = (int64_t)(seconds * rate), at = 0;
	for (bool draining = false; !draining;) {
		draining = at >= total;
		if (!draining) {
			assert_int_equal(av_frame_make_writable(s), 0);
			for (int i = 0; i < enc->frame_size; i++) {
				double t = (double)(at + i) / rate;
				float v = t < onset ? 0 : (float)(0.5 * sin(2 * M_PI * hz * t));
				if (which == SG_CODEC_AAC)
					((float *)s->data[0])[i] = ((float *)s->data[1])[i] = v;
				else
					((float *)s->data[0])[2 * i] = ((float *)s->data[0])[2 * i + 1] = v;
			}
			s->pts = at;
			at += enc->frame_size;
		}
		assert_int_equal(avcodec_send_frame(enc, draining ? NULL : s), 0);
		while (avcodec_receive_packet(enc, pkt) == 0) {
			struct sg_frame *f = frame_of(SG_FRAME_AUDIO, which, pkt->data, (size_t)pkt->size);
			/* A second later, so that the encoder's run-up is not negative. */
			f->dts_90khz = f->pts_90khz = av_rescale(pkt->pts + rate, 90000, rate);
			assert_true(out->count < CODED_MAX);
			out->frames[out->count++] = f;
			av_packet_unref(pkt);
		}
	}
	av_packet_free(&pkt);
	av_frame_free(&s);
	avcodec_free_context(&enc);
}

#endif
