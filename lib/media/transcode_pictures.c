/* transcode_pictures.c - H.264 with frames that are reordered to H.264 without, by libx264.
 *
 * Costs of a core at 720p30: about a tenth (MEDIA 1.6), so it is done only where it is asked for. */
#include "media/transcode_internal.h"
#include <libavutil/opt.h>
#include <stdlib.h>

#define PRESET "superfast"
#define QUALITY "21"
#define KEY_INTERVAL 600 /* the source's keyframes count; this is for those who have none */
#define BITS_MIN 500000

struct pictures {
	struct sg_transcoder t;
	uint64_t bit_rate;
	int width, height;
};

static void pictures_free(struct sg_transcoder *t)
{
	free(t);
}

/* ---- the encoder ---- */

struct sets {
	const uint8_t *sps, *pps;
	size_t sps_size, pps_size;
};

/* The encoder's header is units with lengths, as its packets are. */
static bool find_sets(const AVCodecContext *enc, struct sets *out)
{
	struct sg_reader r = { enc->extradata, (size_t)enc->extradata_size };
	const uint8_t *nal;
	uint32_t size;

	*out = (struct sets){ 0 };
	while (sg_read_be32(&r, &size) && sg_read_bytes(&r, size, &nal) && size) {
		if ((nal[0] & 31) == 7)
			out->sps = nal, out->sps_size = size;
		else if ((nal[0] & 31) == 8)
			out->pps = nal, out->pps_size = size;
	}
	return out->sps_size >= 4 && out->sps_size < 65536 && out->pps_size && out->pps_size < 65536;
}

/* avcC (ISO 14496-15 5.3.3.1). */
static bool tell_config(struct pictures *p)
{
	struct sets sets;
	struct sg_buf b;

	if (!find_sets(p->t.enc, &sets))
		return false;
	sg_buf_init(&b, 200000);
	sg_buf_append(&b, (const uint8_t[]){ 1, sets.sps[1], sets.sps[2], sets.sps[3], 0xff, 0xe1 }, 6);
	sg_buf_put_be16(&b, (uint16_t)sets.sps_size);
	sg_buf_append(&b, sets.sps, sets.sps_size);
	sg_buf_put_u8(&b, 1);
	sg_buf_put_be16(&b, (uint16_t)sets.pps_size);
	sg_buf_append(&b, sets.pps, sets.pps_size);
	struct sg_frame *f = b.failed ? NULL : transcoder_frame(SG_FRAME_VIDEO, SG_CODEC_H264, b.p, b.len);
	sg_buf_reset(&b);
	if (!f)
		return false;
	f->flags = SG_FRAME_CONFIG;
	p->t.out(p->t.user, f);
	return true;
}

static bool set_options(struct pictures *p, AVCodecContext *enc, const AVFrame *pic)
{
	enc->width = pic->width;
	enc->height = pic->height;
	enc->sample_aspect_ratio = pic->sample_aspect_ratio;
	enc->pix_fmt = AV_PIX_FMT_YUV420P;
	enc->color_range = pic->color_range;
	enc->colorspace = pic->colorspace;
	enc->color_primaries = pic->color_primaries;
	enc->color_trc = pic->color_trc;
	enc->time_base = (AVRational){ 1, 90000 };
	enc->gop_size = KEY_INTERVAL;
	enc->max_b_frames = 0;
	enc->thread_count = 1;
	enc->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	if (p->bit_rate) {
		int64_t most = p->bit_rate < BITS_MIN ? BITS_MIN : (int64_t)(p->bit_rate + p->bit_rate / 4);
		enc->rc_max_rate = most;
		enc->rc_buffer_size = (int)(most > INT32_MAX ? INT32_MAX : most);
	}
	/* Main profile, which browsers take; rate control by frames, since times need not be even. */
	return av_opt_set(enc->priv_data, "preset", PRESET, 0) == 0 &&
	       av_opt_set(enc->priv_data, "tune", "zerolatency", 0) == 0 &&
	       av_opt_set(enc->priv_data, "profile", "main", 0) == 0 &&
	       av_opt_set(enc->priv_data, "crf", QUALITY, 0) == 0 &&
	       av_opt_set(enc->priv_data, "forced-idr", "1", 0) == 0 &&
	       av_opt_set(enc->priv_data, "x264-params", "annexb=0", 0) == 0;
}

/* For pictures of this size; another size needs another. */
static bool open_encoder(struct pictures *p, const AVFrame *pic)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");

	if (p->t.enc && p->width == pic->width && p->height == pic->height)
		return true;
	avcodec_free_context(&p->t.enc);
	/* Other formats would be played by few browsers in any case. */
	if (pic->format != AV_PIX_FMT_YUV420P && pic->format != AV_PIX_FMT_YUVJ420P)
		return false;
	if (!codec || !(p->t.enc = avcodec_alloc_context3(codec)) || !set_options(p, p->t.enc, pic) ||
	    avcodec_open2(p->t.enc, codec, NULL) != 0 || !tell_config(p)) {
		avcodec_free_context(&p->t.enc);
		return false;
	}
	p->width = pic->width;
	p->height = pic->height;
	return true;
}

static void take_packets(struct pictures *p)
{
	while (avcodec_receive_packet(p->t.enc, p->t.pkt) == 0) {
		struct sg_frame *f = transcoder_frame(
		    SG_FRAME_VIDEO, SG_CODEC_H264, p->t.pkt->data, (size_t)p->t.pkt->size);
		if (f) {
			f->flags = p->t.pkt->flags & AV_PKT_FLAG_KEY ? SG_FRAME_KEY : 0;
			f->dts_90khz = f->pts_90khz = p->t.pkt->pts;
			p->t.out(p->t.user, f);
		}
		av_packet_unref(p->t.pkt);
	}
}

/* ---- the way to it ---- */

static bool take_picture(struct sg_transcoder *t, AVFrame *pic)
{
	struct pictures *p = (struct pictures *)t;
	int64_t pts = pic->best_effort_timestamp;

	if (pts == AV_NOPTS_VALUE || !open_encoder(p, pic))
		return false;
	bool key = pic->key_frame;
	pic->pts = pts;
	pic->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	if (avcodec_send_frame(p->t.enc, pic) != 0)
		return false;
	take_packets(p);
	return true;
}

static bool pictures_write(struct sg_transcoder *t, const struct sg_frame *f)
{
	if (f->codec != SG_CODEC_H264 && !(f->codec == SG_CODEC_NONE && t->from == SG_CODEC_NONE))
		return false;
	if (f->flags & SG_FRAME_CONFIG)
		return !transcoder_keep_config(t, f) || transcoder_open_decoder(t, SG_CODEC_H264);
	return t->dec && transcoder_decode(t, f);
}

struct sg_transcoder *transcoder_pictures_new(uint64_t bit_rate)
{
	struct pictures *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->t.write = pictures_write;
	p->t.take = take_picture;
	p->t.free = pictures_free;
	p->bit_rate = bit_rate;
	return &p->t;
}
