/* record_finish.c - a fragmented recording becomes plain MP4 with its index in front. */
#include "media/record.h"
#include <fcntl.h>
#include <libavformat/avformat.h>
#include <sys/stat.h>
#include <unistd.h>

struct copying {
	AVFormatContext *in, *out;
	int64_t end_us; /* of what has been copied */
	bool any;
};

static enum sg_result open_input(struct copying *c, const char *from)
{
	if (!(c->in = avformat_alloc_context()))
		return SG_ERR_NO_MEMORY;
	/* Fragment after fragment: else a last one that was cut off in its head spoils the whole file. */
	c->in->flags |= AVFMT_FLAG_IGNIDX;
	int res = avformat_open_input(&c->in, from, av_find_input_format("mp4"), NULL);
	if (res == AVERROR_INVALIDDATA || res == AVERROR_EOF || (res >= 0 && !c->in->nb_streams))
		return SG_ERR_BAD_INPUT;
	return res < 0 ? SG_ERR_IO : SG_OK;
}

static enum sg_result open_output(struct copying *c, const char *to)
{
	AVDictionary *options = NULL;

	if (avformat_alloc_output_context2(&c->out, NULL, "mp4", to) < 0)
		return SG_ERR_NO_MEMORY;
	for (unsigned i = 0; i < c->in->nb_streams; i++) {
		AVStream *st = avformat_new_stream(c->out, NULL);
		if (!st || avcodec_parameters_copy(st->codecpar, c->in->streams[i]->codecpar) < 0)
			return SG_ERR_NO_MEMORY;
		st->time_base = c->in->streams[i]->time_base;
	}
	if (avio_open(&c->out->pb, to, AVIO_FLAG_READ_WRITE) < 0)
		return SG_ERR_IO;
	av_dict_set(&options, "movflags", "faststart", 0);
	int res = avformat_write_header(c->out, &options);
	av_dict_free(&options);
	return res < 0 ? SG_ERR_BAD_INPUT : SG_OK;
}

static enum sg_result copy(struct copying *c)
{
	AVPacket *pkt = av_packet_alloc();
	enum sg_result res = pkt ? SG_OK : SG_ERR_NO_MEMORY;

	/* A file that was cut off ends with an error, or in the middle of a packet: that is its end. */
	while (res == SG_OK && av_read_frame(c->in, pkt) >= 0) {
		AVRational base = c->in->streams[pkt->stream_index]->time_base;
		int64_t end = av_rescale_q(pkt->dts + pkt->duration, base, AV_TIME_BASE_Q);
		if (pkt->flags & AV_PKT_FLAG_CORRUPT) {
			av_packet_unref(pkt);
			continue;
		}
		c->end_us = end > c->end_us ? end : c->end_us;
		c->any = true;
		av_packet_rescale_ts(pkt, base, c->out->streams[pkt->stream_index]->time_base);
		pkt->pos = -1;
		if (av_interleaved_write_frame(c->out, pkt) < 0)
			res = SG_ERR_IO;
		av_packet_unref(pkt);
	}
	av_packet_free(&pkt);
	if (res == SG_OK && !c->any)
		res = SG_ERR_BAD_INPUT;
	if (res == SG_OK && (av_write_trailer(c->out) < 0 || c->out->pb->error < 0))
		res = SG_ERR_IO;
	return res;
}

/* Readable for those that may read what is written; and to survive a power cut. */
static bool sync_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fchmod(fd, 0640) == 0 && fdatasync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

enum sg_result sg_record_finish(const char *from, const char *to, int64_t *ms)
{
	struct copying c = { 0 };
	enum sg_result res;

	if ((res = open_input(&c, from)) == SG_OK && (res = open_output(&c, to)) == SG_OK)
		res = copy(&c);
	if (c.out) {
		if (c.out->pb && avio_closep(&c.out->pb) < 0 && res == SG_OK)
			res = SG_ERR_IO;
		avformat_free_context(c.out);
	}
	avformat_close_input(&c.in);
	if (res == SG_OK && !sync_file(to))
		res = SG_ERR_IO;
	if (res != SG_OK)
		unlink(to);
	*ms = c.end_us / 1000;
	return res;
}
