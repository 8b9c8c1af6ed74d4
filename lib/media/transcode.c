/* transcode.c - what transcoding sound and pictures have in common. */
#include "media/transcode_internal.h"
#include "media/codec.h"
#include <stdlib.h>

#define PIXELS_MAX (8192 * 4352) /* of a picture: H.264's own limit (level 6.2, table A-1) */

struct sg_transcoder *sg_transcoder_new(enum sg_codec to, uint64_t bit_rate, sg_transcoder_out out, void *user)
{
	struct sg_transcoder *t = to == SG_CODEC_AAC || to == SG_CODEC_OPUS ? transcoder_sound_new()
				  : to == SG_CODEC_H264			    ? transcoder_pictures_new(bit_rate)
									    : NULL;

	if (!t)
		return NULL;
	t->to = to;
	t->out = out;
	t->user = user;
	t->pkt = av_packet_alloc();
	t->frame = av_frame_alloc();
	if (t->pkt && t->frame)
		return t;
	sg_transcoder_free(t);
	return NULL;
}

/* In the place of the former, not open yet. */
static bool new_decoder(struct sg_transcoder *t, const AVCodec *codec)
{
	avcodec_free_context(&t->dec);
	if (!codec || !(t->dec = avcodec_alloc_context3(codec)))
		return false;
	t->dec->pkt_timebase = (AVRational){ 1, 90000 };
	t->dec->max_pixels = PIXELS_MAX;
	t->dec->thread_count = 1; /* the thread is ours; more would only add delay */
	return true;
}

/* Everything the decoder has. */
static bool take_all(struct sg_transcoder *t)
{
	bool ok = true;

	while (avcodec_receive_frame(t->dec, t->frame) == 0) {
		ok = t->take(t, t->frame) && ok;
		av_frame_unref(t->frame);
	}
	return ok;
}

void sg_transcoder_free(struct sg_transcoder *t)
{
	if (!t)
		return;
	avcodec_free_context(&t->dec);
	avcodec_free_context(&t->enc);
	av_packet_free(&t->pkt);
	av_frame_free(&t->frame);
	sg_frame_unref(t->config);
	t->free(t);
}

bool sg_transcoder_write(struct sg_transcoder *t, const struct sg_frame *f)
{
	return t->write(t, f);
}

bool sg_transcoder_open(struct sg_transcoder *t, const struct AVCodecParameters *from)
{
	const AVCodec *codec = avcodec_find_decoder(from->codec_id);

	t->from = SG_CODEC_NONE;
	return new_decoder(t, codec) && avcodec_parameters_to_context(t->dec, from) >= 0 &&
	       avcodec_open2(t->dec, codec, NULL) == 0;
}

void sg_transcoder_end(struct sg_transcoder *t)
{
	if (t->dec && avcodec_send_packet(t->dec, NULL) == 0)
		take_all(t);
}

bool transcoder_keep_config(struct sg_transcoder *t, const struct sg_frame *f)
{
	const struct sg_frame *c = t->config;

	if (c && c->codec == f->codec && c->size == f->size && memcmp(c->payload, f->payload, f->size) == 0)
		return false;
	sg_frame_unref(t->config);
	t->config = sg_frame_ref((struct sg_frame *)f);
	return true;
}

bool transcoder_open_decoder(struct sg_transcoder *t, enum sg_codec from)
{
	const AVCodec *codec = avcodec_find_decoder((enum AVCodecID)sg_codec_av_id(from));
	const struct sg_frame *c = t->config && t->config->codec == from ? t->config : NULL;

	t->from = from;
	if (!new_decoder(t, codec))
		return false;
	if (c) {
		t->dec->extradata = av_mallocz(c->size + AV_INPUT_BUFFER_PADDING_SIZE);
		if (!t->dec->extradata)
			return false;
		memcpy(t->dec->extradata, c->payload, c->size);
		t->dec->extradata_size = (int)c->size;
	}
	if (avcodec_open2(t->dec, codec, NULL) == 0)
		return true;
	avcodec_free_context(&t->dec);
	return false;
}

bool transcoder_decode(struct sg_transcoder *t, const struct sg_frame *f)
{
	/* Borrowed: decoders copy what they keep. The payload has zeros behind it, as they want. */
	t->pkt->data = (uint8_t *)f->payload;
	t->pkt->size = (int)f->size;
	t->pkt->dts = f->dts_90khz;
	t->pkt->pts = f->pts_90khz;
	t->pkt->flags = f->flags & SG_FRAME_KEY ? AV_PKT_FLAG_KEY : 0;
	int res = avcodec_send_packet(t->dec, t->pkt);
	av_packet_unref(t->pkt);
	return res == 0 && take_all(t);
}

struct sg_frame *transcoder_frame(enum sg_frame_kind kind, enum sg_codec codec, const void *p, size_t size)
{
	struct sg_frame *f = sg_frame_new(kind, codec, size);

	if (f && size)
		memcpy(f->payload, p, size);
	return f;
}
