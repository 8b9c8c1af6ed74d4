/* package_fixture.h - what packagers made, read back by libavformat from memory. */
#ifndef PACKAGE_FIXTURE_H
#define PACKAGE_FIXTURE_H

#include "stream_fixture.h"
#include <libavformat/avformat.h>

struct track {
	enum AVCodecID codec;
	unsigned packets, keys;
	int64_t first_us, last_us, least_step_us, longest_step_us;
	bool monotonic;
	int width, height, sample_rate;
};

struct media {
	struct sg_buf bytes;
	size_t at;
	struct track video, audio;
	unsigned others;
};

static inline int read_bytes(void *opaque, uint8_t *p, int size)
{
	struct media *m = opaque;
	size_t n = m->bytes.len - m->at;

	if (!n)
		return AVERROR_EOF;
	n = n < (size_t)size ? n : (size_t)size;
	memcpy(p, m->bytes.p + m->at, n);
	m->at += n;
	return (int)n;
}

static inline void note_packet(struct track *t, const AVPacket *pkt, AVRational base)
{
	int64_t us = av_rescale_q(pkt->dts, base, (AVRational){ 1, 1000000 });

	if (t->packets) {
		int64_t step = us - t->last_us;
		t->least_step_us = t->packets == 1 || step < t->least_step_us ? step : t->least_step_us;
		t->longest_step_us = step > t->longest_step_us ? step : t->longest_step_us;
	}
	t->monotonic = t->packets == 0 || (t->monotonic && us > t->last_us);
	t->first_us = t->packets++ ? t->first_us : us;
	t->last_us = us;
	t->keys += (pkt->flags & AV_PKT_FLAG_KEY) != 0;
}

static inline void note_stream(struct track *t, const AVCodecParameters *par)
{
	t->codec = par->codec_id;
	t->width = par->width;
	t->height = par->height;
	t->sample_rate = par->sample_rate;
}

/* Demuxes m->bytes, and drops them. */
static inline void read_back(struct media *m, const char *format)
{
	AVFormatContext *ic = avformat_alloc_context();
	AVPacket *pkt = av_packet_alloc();

	ic->pb = avio_alloc_context(av_malloc(4096), 4096, 0, m, read_bytes, NULL, NULL);
	ic->pb->seekable = 0;
	assert_int_equal(avformat_open_input(&ic, NULL, av_find_input_format(format), NULL), 0);
	assert_true(avformat_find_stream_info(ic, NULL) >= 0);
	while (av_read_frame(ic, pkt) >= 0) {
		const AVStream *st = ic->streams[pkt->stream_index];
		bool video = st->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
		note_packet(video ? &m->video : &m->audio, pkt, st->time_base);
		av_packet_unref(pkt);
	}
	for (unsigned i = 0; i < ic->nb_streams; i++) {
		const AVCodecParameters *par = ic->streams[i]->codecpar;
		if (par->codec_type == AVMEDIA_TYPE_VIDEO)
			note_stream(&m->video, par);
		else if (par->codec_type == AVMEDIA_TYPE_AUDIO)
			note_stream(&m->audio, par);
		else
			m->others++;
	}
	AVIOContext *pb = ic->pb;
	avformat_close_input(&ic);
	av_freep(&pb->buffer);
	avio_context_free(&pb);
	av_packet_free(&pkt);
	sg_buf_reset(&m->bytes);
}

/* The source again and again, a keyframe each second for `seconds`. */
static inline void feed_seconds(struct sg_publisher *pub, uint32_t seconds)
{
	for (uint32_t i = 0; i < seconds; i++)
		feed(pub, BOTH, i % 4 * 1000, i % 4 * 1000 + 1000, i / 4 * 4000);
}

#endif
