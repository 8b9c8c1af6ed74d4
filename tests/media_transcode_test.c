/* Transcoding: what comes out is decoded and listened to, looked at, and held against the clock. */
#include "encode_fixture.h"
#include "media/codec.h"
#include "media/transcode.h"
#include <libswresample/swresample.h>

static void collect(void *user, struct sg_frame *f)
{
	struct coded *out = user;

	if (f->flags & SG_FRAME_CONFIG) {
		assert_null(out->config); /* players are told once */
		assert_int_equal(out->count, 0);
		out->config = f;
		return;
	}
	assert_true(out->count < CODED_MAX);
	out->frames[out->count++] = f;
}

static void transcode(const struct coded *in, enum sg_codec to, struct coded *out)
{
	struct sg_transcoder *t = sg_transcoder_new(to, 0, collect, out);

	*out = (struct coded){ 0 };
	assert_non_null(t);
	if (in->config)
		assert_true(sg_transcoder_write(t, in->config));
	for (size_t i = 0; i < in->count; i++)
		assert_true(sg_transcoder_write(t, in->frames[i]));
	sg_transcoder_end(t);
	sg_transcoder_free(t);
}

/* ---- listening ---- */

static float heard[48000 * 30]; /* left channel, at 48 kHz; index 0 lies at second 0 */
static size_t heard_to;

static void put_heard(const AVFrame *f)
{
	int64_t at = av_rescale(f->pts, 48000, 90000);
	AVChannelLayout layout = f->ch_layout;
	SwrContext *swr = NULL;
	float part[2 * 48000];
	uint8_t *to[1] = { (uint8_t *)part };

	assert_int_equal(layout.nb_channels, 2);
	assert_int_equal(swr_alloc_set_opts2(&swr, &layout, AV_SAMPLE_FMT_FLT, f->sample_rate, &layout,
			     (enum AVSampleFormat)f->format, f->sample_rate, 0, NULL), 0);
	assert_int_equal(swr_init(swr), 0);
	int n = swr_convert(swr, to, 48000, (const uint8_t **)f->extended_data, f->nb_samples);
	swr_free(&swr);
	int64_t count = av_rescale(n, 48000, f->sample_rate);
	for (int64_t i = 0; i < count; i++) {
		int64_t from = i * f->sample_rate / 48000;
		if (at + i >= 0 && at + i < (int64_t)COUNT(heard))
			heard[at + i] = part[2 * from];
	}
	if (at + count > (int64_t)heard_to)
		heard_to = (size_t)(at + count);
}

static void listen_to(enum sg_codec codec, const struct coded *c)
{
	AVCodecContext *dec = avcodec_alloc_context3(avcodec_find_decoder(sg_codec_av_id(codec)));
	AVPacket *pkt = av_packet_alloc();
	AVFrame *f = av_frame_alloc();

	memset(heard, 0, sizeof(heard));
	heard_to = 0;
	dec->pkt_timebase = (AVRational){ 1, 90000 };
	dec->extradata = av_mallocz(c->config->size + AV_INPUT_BUFFER_PADDING_SIZE);
	memcpy(dec->extradata, c->config->payload, c->config->size);
	dec->extradata_size = (int)c->config->size;
	assert_int_equal(avcodec_open2(dec, NULL, NULL), 0);
	for (size_t i = 0; i < c->count; i++) {
		pkt->data = c->frames[i]->payload;
		pkt->size = (int)c->frames[i]->size;
		pkt->pts = pkt->dts = c->frames[i]->pts_90khz;
		assert_int_equal(avcodec_send_packet(dec, pkt), 0);
		while (avcodec_receive_frame(dec, f) == 0)
			put_heard(f);
	}
	av_packet_unref(pkt);
	av_packet_free(&pkt);
	av_frame_free(&f);
	avcodec_free_context(&dec);
}

static double energy(double from_s, double to_s)
{
	double sum = 0;
	size_t a = (size_t)(from_s * 48000), b = (size_t)(to_s * 48000);

	for (size_t i = a; i < b; i++)
		sum += (double)heard[i] * heard[i];
	return sum / (double)(b - a);
}

/* The share of the energy that lies at `hz` (Goertzel). */
static double share_at(double hz, double from_s, double to_s)
{
	double re = 0, im = 0;
	size_t a = (size_t)(from_s * 48000), b = (size_t)(to_s * 48000);

	for (size_t i = a; i < b; i++) {
		re += heard[i] * cos(2 * M_PI * hz * (double)i / 48000);
		im += heard[i] * sin(2 * M_PI * hz * (double)i / 48000);
	}
	return 2 * (re * re + im * im) / ((double)(b - a) * (double)(b - a)) / energy(from_s, to_s);
}

/* When it becomes loud, in seconds. */
static double onset(void)
{
	for (size_t i = 0; i < heard_to; i++)
		if (fabsf(heard[i]) > 0.1f)
			return (double)i / 48000;
	return -1;
}

static const struct {
	enum sg_codec from, to;
	int rate;
	int step; /* of the output's times, in 90 kHz; 0: not a whole number */
} ways[] = {
	{ SG_CODEC_AAC, SG_CODEC_OPUS, 44100, 1800 },
	{ SG_CODEC_AAC, SG_CODEC_OPUS, 48000, 1800 },
	{ SG_CODEC_AAC, SG_CODEC_OPUS, 22050, 1800 },
	{ SG_CODEC_OPUS, SG_CODEC_AAC, 48000, 1920 },
};

static void a_tone_stays_a_tone(void **state)
{
	struct coded in, out;

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		encode_tone(ways[i].from, ways[i].rate, 1000, 4, 0, &in);
		transcode(&in, ways[i].to, &out);
		assert_non_null(out.config);
		listen_to(ways[i].to, &out);
		/* A sine of amplitude 0.5 has the mean square 0.125. */
		double e = energy(1.5, 4.5), share = share_at(1000, 1.5, 4.5);
		if (e < 0.11 || e > 0.14 || share < 0.99)
			fail_msg("way %zu: energy %f, at 1000 Hz %f", i, e, share);
		coded_drop(&in);
		coded_drop(&out);
	}
}

static void sound_stays_where_it_was(void **state)
{
	struct coded in, out;

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		encode_tone(ways[i].from, ways[i].rate, 1000, 4, 2, &in);
		listen_to(ways[i].from, &in);
		double before = onset();
		transcode(&in, ways[i].to, &out);
		listen_to(ways[i].to, &out);
		double after = onset();
		if (fabs(before - 3.0) > 0.004 || fabs(after - before) > 0.004)
			fail_msg("way %zu: began at %.4f s, now at %.4f s", i, before, after);
		coded_drop(&in);
		coded_drop(&out);
	}
}

static void times_are_even_though_the_sources_are_in_milliseconds(void **state)
{
	struct coded in, out;

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		encode_tone(ways[i].from, ways[i].rate, 1000, 4, 0, &in);
		for (size_t k = 0; k < in.count; k++)
			in.frames[k]->pts_90khz = in.frames[k]->dts_90khz = in.frames[k]->pts_90khz / 90 * 90;
		transcode(&in, ways[i].to, &out);
		assert_true(out.count > 150);
		for (size_t k = 1; k < out.count; k++)
			assert_in_range(out.frames[k]->pts_90khz - out.frames[k - 1]->pts_90khz, ways[i].step - 2,
			    ways[i].step + 2);
		coded_drop(&in);
		coded_drop(&out);
	}
}

/* From the middle on the source is `ms` later: does the output follow? */
static int64_t step_after_jump(int64_t ms)
{
	struct coded in, out;
	int64_t largest = 0;

	encode_tone(SG_CODEC_AAC, 48000, 1000, 3, 0, &in);
	for (size_t k = in.count / 2; k < in.count; k++)
		in.frames[k]->pts_90khz += ms * 90;
	transcode(&in, SG_CODEC_OPUS, &out);
	for (size_t k = 1; k < out.count; k++) {
		int64_t step = out.frames[k]->pts_90khz - out.frames[k - 1]->pts_90khz - 1800;
		if (llabs(step) > llabs(largest))
			largest = step;
	}
	coded_drop(&in);
	coded_drop(&out);
	return largest / 90;
}

static void only_large_jumps_move_the_anchor(void **state)
{
	(void)state;
	assert_int_equal(step_after_jump(90), 0);
	assert_int_equal(step_after_jump(-90), 0);
	assert_in_range(step_after_jump(500), 480, 520); /* part of a frame is lost at the seam */
	assert_in_range(step_after_jump(10000), 9980, 10020);
}

static void another_rate_of_the_source_changes_nothing_for_players(void **state)
{
	struct coded first, second, out = { 0 };
	struct sg_transcoder *t = sg_transcoder_new(SG_CODEC_OPUS, 0, collect, &out);

	(void)state;
	encode_tone(SG_CODEC_AAC, 44100, 1000, 2, 0, &first);
	encode_tone(SG_CODEC_AAC, 22050, 1000, 2, 0, &second);
	assert_true(sg_transcoder_write(t, first.config));
	for (size_t i = 0; i < first.count; i++)
		assert_true(sg_transcoder_write(t, first.frames[i]));
	assert_true(sg_transcoder_write(t, second.config));
	for (size_t i = 0; i < second.count; i++) {
		second.frames[i]->pts_90khz += 2 * 90000;
		assert_true(sg_transcoder_write(t, second.frames[i]));
	}
	listen_to(SG_CODEC_OPUS, &out); /* collect() has seen one configuration */
	assert_true(share_at(1000, 1.5, 2.5) > 0.99);
	assert_true(share_at(1000, 3.5, 4.5) > 0.99);
	sg_transcoder_free(t);
	coded_drop(&first);
	coded_drop(&second);
	coded_drop(&out);
}

static void what_cannot_be_decoded_is_left_out(void **state)
{
	struct coded in, out = { 0 };
	struct sg_transcoder *t = sg_transcoder_new(SG_CODEC_AAC, 0, collect, &out);
	struct sg_frame *bad = frame_of(SG_FRAME_AUDIO, SG_CODEC_OPUS, "\xff\xff\xff\xff", 4);
	struct sg_frame *config = frame_of(SG_FRAME_AUDIO, SG_CODEC_OPUS, "OpusHead", 8);

	(void)state;
	encode_tone(SG_CODEC_OPUS, 48000, 1000, 2, 0, &in);
	config->flags = SG_FRAME_CONFIG;
	(void)sg_transcoder_write(t, config); /* must not be the end of anything */
	assert_true(sg_transcoder_write(t, in.config));
	for (size_t i = 0; i < in.count; i++) {
		if (i % 10 == 5) {
			bad->pts_90khz = in.frames[i]->pts_90khz;
			assert_false(sg_transcoder_write(t, bad));
		}
		assert_true(sg_transcoder_write(t, in.frames[i]));
	}
	listen_to(SG_CODEC_AAC, &out);
	assert_true(share_at(1000, 1.5, 2.5) > 0.98);
	sg_transcoder_free(t);
	sg_frame_unref(bad);
	sg_frame_unref(config);
	coded_drop(&in);
	coded_drop(&out);
}

static void other_codecs_are_not_promised(void **state)
{
	struct coded out;

	(void)state;
	assert_null(sg_transcoder_new(SG_CODEC_VP8, 0, collect, &out));
	assert_null(sg_transcoder_new(SG_CODEC_MP3, 0, collect, &out));
}

/* ---- looking ---- */

#define W 320
#define H 180
struct seen {
	int64_t pts[CODED_MAX];
	uint8_t rows[CODED_MAX][W * 4]; /* four rows of luma */
	size_t count;
};

static void look_at(const struct coded *c, struct seen *out)
{
	AVCodecContext *dec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
	AVPacket *pkt = av_packet_alloc();
	AVFrame *f = av_frame_alloc();

	out->count = 0;
	dec->err_recognition = AV_EF_EXPLODE;
	dec->extradata = av_mallocz(c->config->size + AV_INPUT_BUFFER_PADDING_SIZE);
	memcpy(dec->extradata, c->config->payload, c->config->size);
	dec->extradata_size = (int)c->config->size;
	assert_int_equal(avcodec_open2(dec, NULL, NULL), 0);
	for (size_t i = 0; i <= c->count; i++) {
		if (i < c->count) {
			pkt->data = c->frames[i]->payload;
			pkt->size = (int)c->frames[i]->size;
			pkt->pts = c->frames[i]->pts_90khz;
			pkt->dts = c->frames[i]->dts_90khz;
		}
		assert_int_equal(avcodec_send_packet(dec, i < c->count ? pkt : NULL), 0);
		while (avcodec_receive_frame(dec, f) == 0) {
			for (int row = 0; row < 4; row++)
				memcpy(out->rows[out->count] + row * W, f->data[0] + (20 + 40 * row) * f->linesize[0], W);
			out->pts[out->count++] = f->best_effort_timestamp;
		}
	}
	av_packet_unref(pkt);
	av_packet_free(&pkt);
	av_frame_free(&f);
	avcodec_free_context(&dec);
}

static double difference(const uint8_t *a, const uint8_t *b)
{
	double sum = 0;

	for (size_t i = 0; i < W * 4; i++)
		sum += abs(a[i] - b[i]);
	return sum / (W * 4);
}

static void reordered_pictures_come_in_order_and_look_the_same(void **state)
{
	static struct seen before, after;
	const struct picture_options o = { "libx264", SG_CODEC_H264, W, H, 100, 25, 3, 1500000, NULL };
	struct coded in, out;
	size_t reordered = 0, keys_in = 0, keys_out = 0;

	(void)state;
	encode_pictures(&o, &in);
	for (size_t i = 0; i < in.count; i++) {
		reordered += in.frames[i]->pts_90khz != in.frames[i]->dts_90khz;
		keys_in += in.frames[i]->flags & SG_FRAME_KEY;
	}
	assert_true(reordered > 50);
	transcode(&in, SG_CODEC_H264, &out);
	assert_int_equal(out.count, in.count);
	for (size_t i = 0; i < out.count; i++) {
		assert_int_equal(out.frames[i]->pts_90khz, out.frames[i]->dts_90khz);
		assert_true(i == 0 || out.frames[i]->pts_90khz > out.frames[i - 1]->pts_90khz);
		keys_out += out.frames[i]->flags & SG_FRAME_KEY;
		size_t size4;
		assert_true(sg_nalus_are_whole(out.frames[i]->payload, out.frames[i]->size, 4, &size4));
	}
	assert_true(out.frames[0]->flags & SG_FRAME_KEY);
	assert_int_equal(keys_out, keys_in);
	look_at(&in, &before);
	look_at(&out, &after);
	assert_int_equal(after.count, out.count);
	for (size_t i = 0; i < after.count; i++) {
		assert_int_equal(after.pts[i], before.pts[i]);
		double d = difference(before.rows[i], after.rows[i]);
		if (d > 6)
			fail_msg("picture %zu differs by %f", i, d);
		if (i + 8 < after.count) /* and is no other: the bar has moved by then */
			assert_true(difference(before.rows[i], after.rows[i + 8]) > 20);
	}
	coded_drop(&in);
	coded_drop(&out);
}

static void take_last(void *user, struct sg_frame *f)
{
	struct sg_frame **last = user;

	if (!(f->flags & SG_FRAME_CONFIG)) {
		sg_frame_unref(f);
		return;
	}
	sg_frame_unref(*last);
	*last = f;
}

static void another_size_is_told(void **state)
{
	const struct picture_options small = { "libx264", SG_CODEC_H264, 160, 90, 20, 10, 2, 300000, NULL };
	const struct picture_options large = { "libx264", SG_CODEC_H264, 320, 180, 20, 10, 2, 300000, NULL };
	const struct picture_options *const both[] = { &small, &large };
	struct sg_frame *config = NULL, *first = NULL;
	struct sg_transcoder *t = sg_transcoder_new(SG_CODEC_H264, 500000, take_last, &config);
	struct coded in;

	(void)state;
	for (int i = 0; i < 2; i++) {
		encode_pictures(both[i], &in);
		assert_true(sg_transcoder_write(t, in.config));
		for (size_t k = 0; k < in.count; k++) {
			in.frames[k]->pts_90khz += i * 900000;
			in.frames[k]->dts_90khz += i * 900000;
			assert_true(sg_transcoder_write(t, in.frames[k]));
		}
		assert_non_null(config);
		if (i == 0)
			first = sg_frame_ref(config);
		coded_drop(&in);
	}
	assert_ptr_not_equal(first, config);
	assert_true(first->size != config->size || memcmp(first->payload, config->payload, first->size) != 0);
	sg_frame_unref(first);
	sg_frame_unref(config);
	sg_transcoder_free(t);
}

static void a_files_packets_are_taken_by_its_own_parameters(void **state)
{
	const struct picture_options o = { "libvpx", SG_CODEC_VP8, W, H, 50, 25, 0, 1500000, NULL };
	struct coded in, out = { 0 };
	struct sg_transcoder *t = sg_transcoder_new(SG_CODEC_H264, 0, collect, &out);
	AVCodecParameters *par = avcodec_parameters_alloc();

	(void)state;
	encode_pictures(&o, &in);
	in.frames[0]->codec = SG_CODEC_NONE;
	assert_false(sg_transcoder_write(t, in.frames[0])); /* of what, nobody has said */
	par->codec_type = AVMEDIA_TYPE_VIDEO;
	par->codec_id = AV_CODEC_ID_TTF;
	assert_false(sg_transcoder_open(t, par));
	par->codec_id = AV_CODEC_ID_VP8;
	assert_true(sg_transcoder_open(t, par));
	for (size_t i = 0; i < in.count; i++) {
		in.frames[i]->codec = SG_CODEC_NONE;
		in.frames[i]->dts_90khz = AV_NOPTS_VALUE;
		assert_true(sg_transcoder_write(t, in.frames[i]));
	}
	sg_transcoder_end(t);
	assert_non_null(out.config);
	assert_int_equal(out.count, in.count);
	for (size_t i = 0; i < out.count; i++)
		assert_int_equal(out.frames[i]->pts_90khz, in.frames[i]->pts_90khz);
	sg_transcoder_free(t);
	avcodec_parameters_free(&par);
	coded_drop(&in);
	coded_drop(&out);
}

int main(void)
{
	av_log_set_level(AV_LOG_QUIET);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tone_stays_a_tone),
		cmocka_unit_test(sound_stays_where_it_was),
		cmocka_unit_test(times_are_even_though_the_sources_are_in_milliseconds),
		cmocka_unit_test(only_large_jumps_move_the_anchor),
		cmocka_unit_test(another_rate_of_the_source_changes_nothing_for_players),
		cmocka_unit_test(what_cannot_be_decoded_is_left_out),
		cmocka_unit_test(other_codecs_are_not_promised),
		cmocka_unit_test(reordered_pictures_come_in_order_and_look_the_same),
		cmocka_unit_test(another_size_is_told),
		cmocka_unit_test(a_files_packets_are_taken_by_its_own_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
