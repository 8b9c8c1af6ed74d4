/* Frames to packets and back: RFC 6184 (H.264), 7741 (VP8), 9628 (VP9), AV1's payload format, 7587 (Opus); real
 * coded pictures, FFmpeg's own packetizer and decoders as the second opinion. */
#include "encode_fixture.h"
#include "media/codec.h"
#include "webrtc/rtp.h"
#include <libavformat/avformat.h>
#include <libavutil/base64.h>

/* ---- helpers ---- */

static struct sg_rtp_track *new_track(enum sg_codec codec)
{
	const struct sg_rtp_track_config cfg = { .codec = codec, .wait_ms = 100, .channels = 2 };
	struct sg_rtp_track *t = sg_rtp_track_new(&cfg);

	assert_non_null(t);
	return t;
}

static void feed(struct sg_rtp_track *t, uint16_t seq, uint32_t timestamp, bool marker, const void *p, size_t size)
{
	const struct sg_rtp_packet packet = { .payload_type = 96, .seq = seq, .timestamp = timestamp,
		.marker = marker, .payload = p, .size = size };

	sg_rtp_track_feed(t, &packet, 0);
}

static void feed_frame(struct sg_rtp_track *t, const struct sg_rtp_frame *f, uint16_t *seq)
{
	for (size_t i = 0; i < f->count; i++)
		feed(t, (*seq)++, f->timestamp, f->packets[i].marker, f->packets[i].payload, f->packets[i].size);
}

static struct sg_rtp_frame *pack(struct sg_rtp_packer *p, const struct sg_frame *f)
{
	struct sg_rtp_frame *out;

	assert_int_equal(sg_rtp_pack(p, f, &out), SG_OK);
	assert_non_null(out);
	return out;
}

/* The next frame that is no configuration; *config is replaced by one that comes before it. */
static struct sg_frame *next_media(struct sg_rtp_track *t, struct sg_frame **config, int64_t *ticks)
{
	struct sg_frame *f;

	while ((f = sg_rtp_track_next(t, 0, ticks)) && f->flags & SG_FRAME_CONFIG) {
		sg_frame_unref(*config);
		*config = f;
	}
	return f;
}

static void assert_payload(const struct sg_frame *f, const void *p, size_t size)
{
	assert_non_null(f);
	assert_int_equal(f->size, size);
	assert_memory_equal(f->payload, p, size);
}

/* ---- there and back, with real pictures ---- */

static const struct picture_options kinds[] = {
	{ "libx264", SG_CODEC_H264, 320, 180, 40, 15, 0, 800000, NULL },
	{ "libx264", SG_CODEC_H264, 320, 180, 20, 10, 0, 300000, "slices=4" },
	{ "libvpx", SG_CODEC_VP8, 320, 180, 30, 12, 0, 800000, NULL },
	{ "libvpx-vp9", SG_CODEC_VP9, 320, 180, 30, 12, 0, 800000, NULL },
	{ "libaom-av1", SG_CODEC_AV1, 320, 180, 12, 6, 0, 800000, NULL },
};

/* Pictures decoded from frames; what is decoded must not be damaged. */
static int decode(enum sg_codec codec, const struct sg_frame *config, struct sg_frame *const *frames, size_t count)
{
	AVCodecContext *dec = avcodec_alloc_context3(avcodec_find_decoder(sg_codec_av_id(codec)));
	AVPacket *pkt = av_packet_alloc();
	AVFrame *pic = av_frame_alloc();
	int pictures = 0;

	dec->err_recognition = AV_EF_EXPLODE;
	if (config) {
		dec->extradata = av_mallocz(config->size + AV_INPUT_BUFFER_PADDING_SIZE);
		memcpy(dec->extradata, config->payload, config->size);
		dec->extradata_size = (int)config->size;
	}
	assert_int_equal(avcodec_open2(dec, NULL, NULL), 0);
	for (size_t i = 0; i <= count; i++) {
		if (i < count) {
			pkt->data = frames[i]->payload;
			pkt->size = (int)frames[i]->size;
		}
		assert_int_equal(avcodec_send_packet(dec, i < count ? pkt : NULL), 0);
		while (avcodec_receive_frame(dec, pic) == 0) {
			assert_int_equal(pic->decode_error_flags, 0);
			pictures++;
		}
	}
	pkt->data = NULL, pkt->size = 0;
	av_packet_free(&pkt);
	av_frame_free(&pic);
	avcodec_free_context(&dec);
	return pictures;
}

static void there_and_back(const struct picture_options *o, int mode)
{
	struct sg_rtp_packer *packer = sg_rtp_packer_new(mode);
	struct sg_rtp_track *t = new_track(o->codec);
	struct sg_frame *config = NULL, *back[CODED_MAX] = { NULL };
	struct sg_rtp_frame *packets;
	struct coded in;
	uint16_t seq = 65500; /* wraps on the way */
	size_t n = 0;
	int64_t ticks;

	encode_pictures(o, &in);
	if (in.config)
		assert_int_equal(sg_rtp_pack(packer, in.config, &packets), SG_NEED_MORE);
	for (size_t i = 0; i < in.count; i++) {
		packets = pack(packer, in.frames[i]);
		assert_int_equal(packets->key, in.frames[i]->flags & SG_FRAME_KEY);
		assert_int_equal(packets->timestamp, in.frames[i]->pts_90khz);
		for (size_t k = 0; k < packets->count; k++)
			assert_true(packets->packets[k].size && packets->packets[k].size <= SG_RTP_PAYLOAD_MAX);
		feed_frame(t, packets, &seq);
		sg_rtp_frame_unref(packets);
		back[n] = next_media(t, &config, &ticks);
		assert_non_null(back[n]);
		assert_int_equal(back[n]->flags, in.frames[i]->flags);
		assert_int_equal((uint32_t)ticks, in.frames[i]->pts_90khz);
		n++;
		assert_null(next_media(t, &config, &ticks));
	}
	assert_int_equal(decode(o->codec, config, back, n), o->frames);
	while (n)
		sg_frame_unref(back[--n]);
	sg_frame_unref(config);
	sg_rtp_track_free(t);
	sg_rtp_packer_free(packer);
	coded_drop(&in);
}

static void every_codec_comes_back_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++)
		there_and_back(&kinds[i], SG_RTP_H264_NON_INTERLEAVED);
}

static void single_nal_mode_carries_small_slices(void **state)
{
	const struct picture_options o = { "libx264", SG_CODEC_H264, 320, 180, 20, 10, 0, 300000,
		"slice-max-size=1000" };

	(void)state;
	there_and_back(&o, SG_RTP_H264_SINGLE_NAL);
}

static void the_configuration_that_comes_back_says_the_same(void **state)
{
	struct sg_rtp_packer *packer = sg_rtp_packer_new(1);
	struct sg_rtp_track *t = new_track(SG_CODEC_H264), *av1 = new_track(SG_CODEC_AV1);
	struct sg_video_params params;
	struct sg_rtp_frame *packets;
	struct sg_frame *config = NULL;
	struct coded in;
	uint16_t seq = 1;
	int64_t ticks;

	(void)state;
	encode_pictures(&kinds[0], &in);
	assert_int_equal(sg_rtp_pack(packer, in.config, &packets), SG_NEED_MORE);
	packets = pack(packer, in.frames[0]);
	feed_frame(t, packets, &seq);
	sg_rtp_frame_unref(packets);
	sg_frame_unref(next_media(t, &config, &ticks));
	assert_payload(config, in.config->payload, in.config->size);
	sg_frame_unref(config);
	coded_drop(&in);

	config = NULL;
	encode_pictures(&kinds[4], &in);
	packets = pack(packer, in.frames[0]);
	feed_frame(av1, packets, &seq);
	sg_rtp_frame_unref(packets);
	struct sg_frame *key = next_media(av1, &config, &ticks);
	assert_non_null(config);
	/* "AV1 in ISOBMFF" 2.3: version 1, profile 0, 8 bits, 4:2:0. */
	assert_int_equal(config->payload[0], 0x81);
	assert_int_equal(config->payload[1] >> 5, 0);
	assert_int_equal(config->payload[2] & 0x7c, 0x0c);
	assert_int_equal(sg_video_params_parse(SG_CODEC_AV1, config->payload, config->size, key, &params), SG_OK);
	assert_int_equal(params.width, 320);
	assert_int_equal(params.height, 180);
	sg_frame_unref(key);
	sg_frame_unref(config);
	coded_drop(&in);
	sg_rtp_track_free(t);
	sg_rtp_track_free(av1);
	sg_rtp_packer_free(packer);
}

/* ---- FFmpeg's packetizer into our tracks ---- */

struct sink {
	struct sg_rtp_track *track;
	struct sg_frame *config, *frames[CODED_MAX];
	size_t count;
};

static int take_packet(void *user, uint8_t *p, int size)
{
	struct sink *s = user;
	struct sg_rtp_packet packet;
	struct sg_frame *f;
	int64_t ticks;

	if (sg_rtp_is_rtcp(p, (size_t)size))
		return size;
	assert_int_equal(sg_rtp_parse(&packet, p, (size_t)size, NULL), SG_OK);
	sg_rtp_track_feed(s->track, &packet, 0);
	while ((f = next_media(s->track, &s->config, &ticks)))
		s->frames[s->count++] = f;
	return size;
}

static void mux_with_ffmpeg(const struct coded *in, enum sg_codec codec, struct sink *out)
{
	AVFormatContext *oc;
	AVPacket *pkt = av_packet_alloc();

	assert_true(avformat_alloc_output_context2(&oc, NULL, "rtp", NULL) >= 0);
	oc->pb = avio_alloc_context(av_malloc(1200), 1200, 1, out, NULL, take_packet, NULL);
	oc->pb->max_packet_size = 1200;
	oc->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
	AVStream *st = avformat_new_stream(oc, NULL);
	st->codecpar->codec_id = sg_codec_av_id(codec);
	st->codecpar->codec_type = codec == SG_CODEC_OPUS ? AVMEDIA_TYPE_AUDIO : AVMEDIA_TYPE_VIDEO;
	st->codecpar->width = 320, st->codecpar->height = 180, st->codecpar->sample_rate = 48000;
	av_channel_layout_default(&st->codecpar->ch_layout, 2);
	if (in->config) {
		st->codecpar->extradata = av_mallocz(in->config->size + AV_INPUT_BUFFER_PADDING_SIZE);
		memcpy(st->codecpar->extradata, in->config->payload, in->config->size);
		st->codecpar->extradata_size = (int)in->config->size;
	}
	assert_true(avformat_write_header(oc, NULL) >= 0);
	for (size_t i = 0; i < in->count; i++) {
		pkt->data = in->frames[i]->payload;
		pkt->size = (int)in->frames[i]->size;
		pkt->pts = pkt->dts = av_rescale_q(in->frames[i]->pts_90khz, (AVRational){ 1, 90000 }, st->time_base);
		assert_true(av_write_frame(oc, pkt) >= 0);
	}
	av_write_trailer(oc);
	av_packet_free(&pkt);
	av_freep(&oc->pb->buffer);
	avio_context_free(&oc->pb);
	avformat_free_context(oc);
}

/* One SPS and one PPS, as an fmtp tells them. */
static void set_out_of_band(struct sg_rtp_track *t, const struct sg_frame *config)
{
	const uint8_t *sps = config->payload + 8, *pps;
	size_t sps_size = (size_t)(config->payload[6] << 8 | config->payload[7]), pps_size;
	char first[512], second[512], both[1100];

	pps = sps + sps_size + 3;
	pps_size = (size_t)(pps[-2] << 8 | pps[-1]);
	assert_non_null(av_base64_encode(first, sizeof(first), sps, (int)sps_size));
	assert_non_null(av_base64_encode(second, sizeof(second), pps, (int)pps_size));
	snprintf(both, sizeof(both), "%s,%s", first, second);
	sg_rtp_track_set_parameters(t, sg_str_from(both));
}

static void ffmpegs_packets_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) { /* its AV1 came later than Debian 12 */
		struct sink s = { .track = new_track(kinds[i].codec) };
		struct coded in;

		encode_pictures(&kinds[i], &in);
		if (in.config) /* it leaves parameter sets to the description */
			set_out_of_band(s.track, in.config);
		mux_with_ffmpeg(&in, kinds[i].codec, &s);
		assert_int_equal(s.count, in.count);
		assert_int_equal(decode(kinds[i].codec, s.config, s.frames, s.count), kinds[i].frames);
		while (s.count)
			sg_frame_unref(s.frames[--s.count]);
		sg_frame_unref(s.config);
		sg_rtp_track_free(s.track);
		coded_drop(&in);
	}
}

static void opus_goes_as_it_is(void **state)
{
	struct sg_rtp_packer *packer = sg_rtp_packer_new(1);
	struct sg_rtp_track *t = new_track(SG_CODEC_OPUS);
	struct sg_rtp_frame *packets;
	struct sg_frame *config = NULL, *f;
	struct coded in;
	uint16_t seq = 0;
	int64_t ticks = 0, before = -1;

	(void)state;
	encode_tone(SG_CODEC_OPUS, 48000, 440, 0.5, 0, &in);
	assert_int_equal(sg_rtp_pack(packer, in.config, &packets), SG_NEED_MORE);
	for (size_t i = 0; i < in.count; i++) {
		packets = pack(packer, in.frames[i]);
		assert_int_equal(packets->count, 1);
		assert_false(packets->packets[0].marker);
		feed_frame(t, packets, &seq);
		sg_rtp_frame_unref(packets);
		f = next_media(t, &config, &ticks);
		assert_payload(f, in.frames[i]->payload, in.frames[i]->size);
		assert_int_equal(f->flags, 0);
		assert_true(before < 0 || ticks - before == 960);
		before = ticks;
		sg_frame_unref(f);
	}
	assert_non_null(config);
	struct sg_audio_params params;
	assert_int_equal(sg_audio_params_parse(SG_CODEC_OPUS, config->payload, config->size, &params), SG_OK);
	assert_int_equal(params.channels, 2);
	sg_frame_unref(config);
	sg_rtp_track_free(t);
	sg_rtp_packer_free(packer);
	coded_drop(&in);
}

/* ---- H.264's packets (RFC 6184) ---- */

#define SPS "\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\x88"
#define PPS "\x68\xce\x3c\x80"
#define LEN(literal) (sizeof(literal) - 1)

static const uint8_t avcc[] = "\x01\x42\xc0\x1e\xff\xe1\x00\x0a" SPS "\x01\x00\x04" PPS;

static struct sg_frame *h264_config(void)
{
	struct sg_frame *f = frame_of(SG_FRAME_VIDEO, SG_CODEC_H264, avcc, sizeof(avcc) - 1);

	f->flags = SG_FRAME_CONFIG;
	return f;
}

static void a_keyframe_begins_with_its_parameter_sets(void **state)
{
	/* Section 5.7.1: STAP-A with NRI 3, sizes of 16 bits. */
	static const uint8_t want[] = "\x78\x00\x0a" SPS "\x00\x04" PPS "\x00\x03\x65\x88\x84";
	struct sg_rtp_packer *packer = sg_rtp_packer_new(1);
	struct sg_frame *config = h264_config(), *key = frame_of(SG_FRAME_VIDEO, SG_CODEC_H264, "\0\0\0\3\x65\x88\x84", 7);
	struct sg_rtp_frame *f;

	(void)state;
	key->flags = SG_FRAME_KEY;
	assert_int_equal(sg_rtp_pack(packer, config, &f), SG_NEED_MORE);
	f = pack(packer, key);
	assert_int_equal(f->count, 1);
	assert_true(f->packets[0].marker);
	assert_int_equal(f->packets[0].size, LEN("") + sizeof(want) - 1);
	assert_memory_equal(f->packets[0].payload, want, sizeof(want) - 1);
	sg_rtp_frame_unref(f);
	/* In single NAL mode each by itself. */
	struct sg_rtp_packer *single = sg_rtp_packer_new(0);
	assert_int_equal(sg_rtp_pack(single, config, &f), SG_NEED_MORE);
	f = pack(single, key);
	assert_int_equal(f->count, 3);
	assert_memory_equal(f->packets[0].payload, SPS, LEN(SPS));
	assert_memory_equal(f->packets[1].payload, PPS, LEN(PPS));
	assert_false(f->packets[0].marker || f->packets[1].marker);
	assert_true(f->packets[2].marker);
	sg_rtp_frame_unref(f);
	/* Another picture does not. */
	key->flags = 0;
	f = pack(packer, key);
	assert_int_equal(f->packets[0].size, 3);
	sg_rtp_frame_unref(f);
	sg_rtp_packer_free(single);
	sg_rtp_packer_free(packer);
	sg_frame_unref(config);
	sg_frame_unref(key);
}

static void sets_in_the_frame_are_not_doubled(void **state)
{
	static const uint8_t bytes[] = "\0\0\0\x02\x09\xf0\0\0\0\x0a" SPS "\0\0\0\x04" PPS "\0\0\0\x03\x65\x88\x84";
	static const uint8_t want[] = "\x78\x00\x0a" SPS "\x00\x04" PPS "\x00\x03\x65\x88\x84";
	struct sg_rtp_packer *packer = sg_rtp_packer_new(1);
	struct sg_frame *config = h264_config(), *key = frame_of(SG_FRAME_VIDEO, SG_CODEC_H264, bytes, sizeof(bytes) - 1);
	struct sg_rtp_frame *f;

	(void)state;
	key->flags = SG_FRAME_KEY;
	assert_int_equal(sg_rtp_pack(packer, config, &f), SG_NEED_MORE);
	f = pack(packer, key); /* and the delimiter is left out */
	assert_int_equal(f->count, 1);
	assert_int_equal(f->packets[0].size, sizeof(want) - 1);
	assert_memory_equal(f->packets[0].payload, want, sizeof(want) - 1);
	sg_rtp_frame_unref(f);
	sg_rtp_packer_free(packer);
	sg_frame_unref(config);
	sg_frame_unref(key);
}

static void a_large_unit_is_cut_into_fragments(void **state)
{
	size_t size = 3 * SG_RTP_PAYLOAD_MAX;
	struct sg_rtp_packer *packer = sg_rtp_packer_new(1), *single = sg_rtp_packer_new(0);
	struct sg_frame *frame = sg_frame_new(SG_FRAME_VIDEO, SG_CODEC_H264, 4 + size);
	struct sg_rtp_frame *f;
	size_t got = 1;

	(void)state;
	sg_put_be32(frame->payload, (uint32_t)size);
	for (size_t i = 0; i < size; i++)
		frame->payload[4 + i] = (uint8_t)(i * 31);
	frame->payload[4] = 0x41; /* NRI 2, not IDR */
	f = pack(packer, frame);
	assert_int_equal(f->count, 4);
	for (size_t i = 0; i < f->count; i++) { /* section 5.8 */
		const struct sg_rtp_slice *s = &f->packets[i];
		assert_int_equal(s->payload[0], 0x40 | 28);
		assert_int_equal(s->payload[1], (i == 0 ? 0x80 : 0) | (i == 3 ? 0x40 : 0) | 1);
		assert_true(i == 3 || s->size == SG_RTP_PAYLOAD_MAX); /* one size, for segmentation offload */
		assert_int_equal(s->marker, i == 3);
		assert_memory_equal(s->payload + 2, frame->payload + 4 + got, s->size - 2u);
		got += s->size - 2u;
	}
	assert_int_equal(got, size);
	sg_rtp_frame_unref(f);
	/* Who has not asked for fragments gets them rather than no picture. */
	f = pack(single, frame);
	assert_int_equal(f->count, 4);
	assert_int_equal(f->packets[0].payload[0], 0x40 | 28);
	sg_rtp_frame_unref(f);
	sg_rtp_packer_free(packer);
	sg_rtp_packer_free(single);
	sg_frame_unref(frame);
}

static void units_that_are_not_whole_are_refused(void **state)
{
	static const uint8_t bytes[] = "\0\0\0\x03\x41\x88\x84\0\0\0\x05\x41\x9a";
	struct sg_rtp_packer *packer = sg_rtp_packer_new(1);
	struct sg_rtp_frame *f;

	(void)state;
	for (size_t len = 1; len < sizeof(bytes) - 1; len++) {
		struct sg_frame *frame = frame_of(SG_FRAME_VIDEO, SG_CODEC_H264, bytes, len);
		assert_int_equal(sg_rtp_pack(packer, frame, &f), len == 7 ? SG_OK : SG_ERR_BAD_INPUT);
		sg_rtp_frame_unref(f);
		sg_frame_unref(frame);
	}
	sg_rtp_packer_free(packer);
}

static void codecs_rtp_does_not_carry_are_told(void **state)
{
	struct sg_rtp_packer *packer = sg_rtp_packer_new(1);
	struct sg_frame *aac = frame_of(SG_FRAME_AUDIO, SG_CODEC_AAC, "abc", 3);
	struct sg_frame *hevc = frame_of(SG_FRAME_VIDEO, SG_CODEC_HEVC, "\0\0\0\1a", 5);
	struct sg_frame *large = sg_frame_new(SG_FRAME_AUDIO, SG_CODEC_OPUS, SG_RTP_PAYLOAD_MAX + 1);
	struct sg_rtp_frame *f;

	(void)state;
	assert_int_equal(sg_rtp_pack(packer, aac, &f), SG_ERR_UNSUPPORTED);
	assert_int_equal(sg_rtp_pack(packer, hevc, &f), SG_ERR_UNSUPPORTED);
	assert_int_equal(sg_rtp_pack(packer, large, &f), SG_ERR_LIMIT);
	sg_frame_unref(aac);
	sg_frame_unref(hevc);
	sg_frame_unref(large);
	sg_rtp_packer_free(packer);
}

static void pictures_that_are_reordered_are_marked(void **state)
{
	struct sg_rtp_packer *packer = sg_rtp_packer_new(1);
	struct sg_frame *frame = frame_of(SG_FRAME_VIDEO, SG_CODEC_H264, "\0\0\0\3\x41\x88\x84", 7);

	(void)state;
	for (int i = 0; i < 2; i++) {
		frame->pts_90khz = frame->dts_90khz + i * 3600;
		struct sg_rtp_frame *f = pack(packer, frame);
		assert_int_equal(f->reordered, i);
		sg_rtp_frame_unref(f);
	}
	sg_frame_unref(frame);
	sg_rtp_packer_free(packer);
}

/* ---- what browsers send: sets told in the description, resolution that changes ---- */

static void sets_out_of_band_make_the_configuration(void **state)
{
	struct sg_rtp_track *t = new_track(SG_CODEC_H264);
	struct sg_frame *config = NULL, *f;
	int64_t ticks;

	(void)state;
	/* A keyframe without sets is of no use to anybody. */
	feed(t, 1, 0, true, "\x65\x88\x84", 3);
	assert_null(next_media(t, &config, &ticks));
	assert_true(sg_rtp_track_wants_key(t));
	/* base64 of SPS, PPS; what is malformed between them is left out. */
	sg_rtp_track_set_parameters(t, SG_STR("Z0LAHtkAoEf+iA==,!!,Zw==,aM48gA=="));
	feed(t, 2, 3000, true, "\x65\x88\x84", 3);
	f = next_media(t, &config, &ticks);
	assert_payload(f, "\0\0\0\3\x65\x88\x84", 7);
	assert_payload(config, avcc, sizeof(avcc) - 1);
	assert_false(sg_rtp_track_wants_key(t));
	sg_frame_unref(f);
	sg_frame_unref(config);
	sg_rtp_track_free(t);
}

static void changed_sets_are_told_before_their_picture(void **state)
{
	static const uint8_t first[] = "\x78\x00\x0a" SPS "\x00\x04" PPS "\x00\x03\x65\x88\x84";
	static const uint8_t second[] = "\x78\x00\x0a\x67\x42\xc0\x1f\xd9\x00\xa0\x47\xfe\x88\x00\x04" PPS "\x00\x03\x65\x88\x85";
	struct sg_rtp_track *t = new_track(SG_CODEC_H264);
	struct sg_frame *f;
	int64_t ticks;
	const int want[] = { SG_FRAME_CONFIG, SG_FRAME_KEY, SG_FRAME_KEY, SG_FRAME_CONFIG, SG_FRAME_KEY };

	(void)state;
	feed(t, 1, 0, true, first, sizeof(first) - 1);
	feed(t, 2, 3000, true, first, sizeof(first) - 1);
	feed(t, 3, 6000, true, second, sizeof(second) - 1);
	for (size_t i = 0; i < COUNT(want); i++) {
		f = sg_rtp_track_next(t, 0, &ticks);
		assert_non_null(f);
		assert_int_equal(f->flags, want[i]);
		if (i == 3)
			assert_int_equal(f->payload[3], 0x1f);
		sg_frame_unref(f);
	}
	assert_null(sg_rtp_track_next(t, 0, &ticks));
	sg_rtp_track_free(t);
}

/* ---- descriptors of others (VP8: RFC 7741 4.2, VP9: RFC 9628 4.2) ---- */

static void vp8_descriptors_of_every_length_are_skipped(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} heads[] = { { "\x10", 1 }, { "\x90\x80\x11", 3 }, { "\x90\x80\x81\x23", 4 }, { "\x90\xe0\x81\x23\x05\x40", 6 },
		{ "\x90\xf0\x11\x05\x40", 5 }, { "\x90\x10\x05", 3 } };
	struct sg_rtp_track *t = new_track(SG_CODEC_VP8);
	struct sg_frame *config = NULL;
	uint8_t bytes[16];
	int64_t ticks;

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		memcpy(bytes, heads[i].bytes, heads[i].len);
		memcpy(bytes + heads[i].len, "\x50pic", 4); /* an even first byte: a keyframe */
		feed(t, (uint16_t)(2 * i), (uint32_t)i * 3000, false, bytes, heads[i].len + 4);
		feed(t, (uint16_t)(2 * i + 1), (uint32_t)i * 3000, true, "\0ture", 5);
		struct sg_frame *f = next_media(t, &config, &ticks);
		assert_payload(f, "\x50picture", 8);
		assert_int_equal(f->flags, SG_FRAME_KEY);
		sg_frame_unref(f);
	}
	sg_rtp_track_free(t);
}

static void vp9_layers_become_one_superframe(void **state)
{
	/* Flexible mode with a scalability structure, as Chromium sends SVC: key picture of two layers. */
	static const uint8_t base[] = "\xba\x81\x01\x00\x38\x01\x40\x00\xb4\x02\x80\x01\x68\x00" "low";
	static const uint8_t upper[] = "\xbc\x81\x01\x03" "upper";
	static const uint8_t want[] = "lowupper\xd9\x03\0\0\0\x05\0\0\0\xd9";
	struct sg_rtp_track *t = new_track(SG_CODEC_VP9);
	struct sg_frame *config = NULL, *f;
	uint8_t lower[sizeof(base)];
	int64_t ticks;

	(void)state;
	memcpy(lower, base, sizeof(base));
	lower[0] |= 0x04; /* begins and ends */
	feed(t, 1, 0, false, lower, sizeof(base) - 1);
	feed(t, 2, 0, true, upper, sizeof(upper) - 1);
	f = next_media(t, &config, &ticks);
	assert_payload(f, want, sizeof(want) - 1);
	assert_int_equal(f->flags, SG_FRAME_KEY);
	sg_frame_unref(f);
	sg_rtp_track_free(t);
}

static void malformed_payloads_are_counted_and_lost(void **state)
{
	static const struct {
		enum sg_codec codec;
		const char *bytes;
		size_t len;
	} bad[] = {
		{ SG_CODEC_H264, "\x1c\xc5\x88", 3 },		  /* FU-A, both start and end */
		{ SG_CODEC_H264, "\x67\x42", 2 },		  /* an SPS that ends in its profile */
		{ SG_CODEC_H264, "\x78\x00\x09\x67", 4 },	  /* STAP-A, a size over the end */
		{ SG_CODEC_VP8, "\x90\x80\x80", 3 },		  /* a descriptor that is cut */
		{ SG_CODEC_VP9, "\x0a\xf8\x01", 3 },		  /* a structure that is cut */
		{ SG_CODEC_AV1, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10 }, /* a length without end */
		{ SG_CODEC_AV1, "\x18\x8a", 2 },		  /* an OBU with the forbidden bit */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct sg_rtp_track *t = new_track(bad[i].codec);
		struct sg_rtp_track_stats stats;
		int64_t ticks;

		feed(t, 1, 0, true, bad[i].bytes, bad[i].len);
		assert_null(sg_rtp_track_next(t, 0, &ticks));
		sg_rtp_track_stats(t, &stats);
		assert_int_equal(stats.malformed, 1);
		assert_true(sg_rtp_track_wants_key(t));
		sg_rtp_track_free(t);
	}
}

int main(void)
{
	av_log_set_level(AV_LOG_QUIET);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_codec_comes_back_whole),
		cmocka_unit_test(single_nal_mode_carries_small_slices),
		cmocka_unit_test(the_configuration_that_comes_back_says_the_same),
		cmocka_unit_test(ffmpegs_packets_are_understood),
		cmocka_unit_test(opus_goes_as_it_is),
		cmocka_unit_test(a_keyframe_begins_with_its_parameter_sets),
		cmocka_unit_test(sets_in_the_frame_are_not_doubled),
		cmocka_unit_test(a_large_unit_is_cut_into_fragments),
		cmocka_unit_test(units_that_are_not_whole_are_refused),
		cmocka_unit_test(codecs_rtp_does_not_carry_are_told),
		cmocka_unit_test(pictures_that_are_reordered_are_marked),
		cmocka_unit_test(sets_out_of_band_make_the_configuration),
		cmocka_unit_test(changed_sets_are_told_before_their_picture),
		cmocka_unit_test(vp8_descriptors_of_every_length_are_skipped),
		cmocka_unit_test(vp9_layers_become_one_superframe),
		cmocka_unit_test(malformed_payloads_are_counted_and_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
