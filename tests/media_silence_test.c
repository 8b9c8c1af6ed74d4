/* Silence that we make: frames in which decoders hear nothing. */
#include "media_fixture.h"
#include "media/silence.h"
#include <libavcodec/avcodec.h>

static void assert_silent(enum AVCodecID codec, const uint8_t *config, size_t len, struct sg_frame *silence,
    int samples)
{
	AVCodecContext *ctx = avcodec_alloc_context3(avcodec_find_decoder(codec));
	AVPacket *pkt = av_packet_alloc();
	AVFrame *out = av_frame_alloc();

	assert_non_null(silence);
	ctx->extradata = av_mallocz(len + AV_INPUT_BUFFER_PADDING_SIZE);
	memcpy(ctx->extradata, config, len);
	ctx->extradata_size = (int)len;
	ctx->err_recognition = AV_EF_EXPLODE;
	ctx->request_sample_fmt = AV_SAMPLE_FMT_FLTP;
	assert_int_equal(avcodec_open2(ctx, NULL, NULL), 0);
	pkt->data = silence->payload;
	pkt->size = (int)silence->size;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(avcodec_send_packet(ctx, pkt), 0);
		if (avcodec_receive_frame(ctx, out) != 0)
			continue;
		assert_in_range(out->nb_samples, samples / 2, samples);
		for (int c = 0; c < out->ch_layout.nb_channels; c++)
			for (int n = 0; n < out->nb_samples; n++)
				assert_true(((float *)out->extended_data[c])[n] < 1e-4f &&
					    ((float *)out->extended_data[c])[n] > -1e-4f);
	}
	av_frame_free(&out);
	pkt->data = NULL;
	av_packet_free(&pkt);
	avcodec_free_context(&ctx);
	sg_frame_unref(silence);
}

static void decoders_hear_nothing_of_silence(void **state)
{
	uint8_t opus[19] = "OpusHead\1\0\0\0\x80\xbb";
	struct sg_audio_params ap;
	int samples;

	(void)state;
	for (unsigned layout = 1; layout <= 7; layout++) {
		const uint8_t asc[] = { 2 << 3 | 3 >> 1, (uint8_t)((3 & 1) << 7 | layout << 3) }; /* 48 kHz */
		assert_int_equal(sg_audio_params_parse(SG_CODEC_AAC, asc, 2, &ap), SG_OK);
		struct sg_frame *f = sg_silence(SG_CODEC_AAC, &ap, &samples);
		assert_int_equal(samples, 1024);
		assert_silent(AV_CODEC_ID_AAC, asc, 2, f, samples);
	}
	for (uint8_t channels = 1; channels <= 2; channels++) {
		opus[9] = channels;
		assert_int_equal(sg_audio_params_parse(SG_CODEC_OPUS, opus, sizeof(opus), &ap), SG_OK);
		struct sg_frame *f = sg_silence(SG_CODEC_OPUS, &ap, &samples);
		assert_int_equal(samples, 960);
		assert_silent(AV_CODEC_ID_OPUS, opus, sizeof(opus), f, samples);
	}
}

static void there_is_no_silence_in_layouts_that_stand_elsewhere(void **state)
{
	const uint8_t asc[] = { 2 << 3 | 3 >> 1, (3 & 1) << 7 }; /* its channels stand in a program config element */
	struct sg_audio_params ap = { 0 };
	int samples;

	(void)state;
	assert_null(sg_silence(SG_CODEC_MP3, &ap, &samples));
	assert_null(sg_silence(SG_CODEC_NONE, &ap, &samples));
	assert_int_equal(sg_audio_params_parse(SG_CODEC_AAC, asc, 2, &ap), SG_OK);
	assert_null(sg_silence(SG_CODEC_AAC, &ap, &samples));
	ap = (struct sg_audio_params){ .channels = 6 };
	assert_null(sg_silence(SG_CODEC_OPUS, &ap, &samples));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decoders_hear_nothing_of_silence),
		cmocka_unit_test(there_is_no_silence_in_layouts_that_stand_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
