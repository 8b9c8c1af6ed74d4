/* record_finish.c - a fragmented recording becomes plain MP4 with its index in front. */
#include "media/record.h"
#include <fcntl.h>
#include <libavformat/avformat.h>
#include <libavutil/intreadwrite.h>
#include <sys/stat.h>
#include <unistd.h>

struct copying {
	AVFormatContext *in, *out;
	AVIOContext *from;
	const atomic_bool *stop; /* or NULL */
	int64_t end_us; /* of what has been copied */
	struct lasting {
		int64_t dts, step; /* of the one before, and how long after the one before that it came */
		bool any;
	} tracks[2];
	bool any, failed; /* failed: what has been written could not be read again */
};

static int is_stopped(void *copying)
{
	const struct copying *c = copying;

	return c->stop && atomic_load_explicit(c->stop, memory_order_relaxed);
}

/* libavformat takes a read that failed for the end of the file, here and there; this stays. */
static bool has_failed(const AVIOContext *pb)
{
	return pb->error < 0 && pb->error != AVERROR_EOF;
}

static enum sg_result open_input(struct copying *c, const char *from)
{
	if (avio_open2(&c->from, from, AVIO_FLAG_READ, &(AVIOInterruptCB){ is_stopped, c }, NULL) < 0)
		return SG_ERR_IO;
	if (!(c->in = avformat_alloc_context()))
		return SG_ERR_NO_MEMORY;
	c->in->pb = c->from;
	/* Fragment after fragment: else a last one that was cut off in its head spoils the whole file. */
	c->in->flags |= AVFMT_FLAG_IGNIDX;
	int res = avformat_open_input(&c->in, from, av_find_input_format("mp4"), NULL);
	if (has_failed(c->from))
		return SG_ERR_IO;
	if (res == AVERROR_INVALIDDATA || res == AVERROR_EOF || (res >= 0 && !c->in->nb_streams))
		return SG_ERR_BAD_INPUT;
	return res < 0 ? SG_ERR_IO : SG_OK;
}

/* What the index is put in front of is read again, and libavformat does not look whether it could be. */
static int open_again(AVFormatContext *out, AVIOContext **pb, const char *url, int flags, AVDictionary **options)
{
	return avio_open2(pb, url, flags, &out->interrupt_callback, options);
}

static int close_again(AVFormatContext *out, AVIOContext *pb)
{
	struct copying *c = out->opaque;

	c->failed |= has_failed(pb);
	return avio_close(pb);
}

static enum sg_result open_output(struct copying *c, const char *to)
{
	AVDictionary *options = NULL;

	if (avformat_alloc_output_context2(&c->out, NULL, "mp4", to) < 0)
		return SG_ERR_NO_MEMORY;
	c->out->opaque = c;
	c->out->interrupt_callback = (AVIOInterruptCB){ is_stopped, c };
	c->out->io_open = open_again;
	c->out->io_close2 = close_again;
	for (unsigned i = 0; i < c->in->nb_streams; i++) {
		AVStream *st = avformat_new_stream(c->out, NULL);
		if (!st || avcodec_parameters_copy(st->codecpar, c->in->streams[i]->codecpar) < 0)
			return SG_ERR_NO_MEMORY;
		st->time_base = c->in->streams[i]->time_base;
	}
	if (avio_open2(&c->out->pb, to, AVIO_FLAG_READ_WRITE, &c->out->interrupt_callback, NULL) < 0)
		return SG_ERR_IO;
	av_dict_set(&options, "movflags", "faststart", 0);
	int res = avformat_write_header(c->out, &options);
	av_dict_free(&options);
	return res < 0 ? SG_ERR_IO : SG_OK;
}

static enum sg_result copy_packet(struct copying *c, AVPacket *pkt)
{
	AVRational base = c->in->streams[pkt->stream_index]->time_base;
	struct lasting *track = &c->tracks[pkt->stream_index != 0];

	/* The demuxer may not say how long one lasts; the next one tells, but a track's last would last no time at all,
	 * and players leave that out. One behind a gap lasts no longer than those before it. */
	int64_t step = track->any && pkt->dts > track->dts ? pkt->dts - track->dts : 0;
	if (pkt->duration <= 0)
		pkt->duration = track->step && track->step < step ? track->step : step;
	*track = (struct lasting){ pkt->dts, step, true };
	int64_t end = av_rescale_q(pkt->dts + pkt->duration, base, AV_TIME_BASE_Q);

	if (pkt->flags & AV_PKT_FLAG_CORRUPT)
		return SG_OK;
	c->end_us = end > c->end_us ? end : c->end_us;
	c->any = true;
	av_packet_rescale_ts(pkt, base, c->out->streams[pkt->stream_index]->time_base);
	pkt->pos = -1;
	return av_interleaved_write_frame(c->out, pkt) < 0 ? SG_ERR_IO : SG_OK;
}

static enum sg_result copy(struct copying *c)
{
	AVPacket *pkt = av_packet_alloc();
	enum sg_result res = pkt ? SG_OK : SG_ERR_NO_MEMORY;
	int got = 0;

	while (res == SG_OK && (got = av_read_frame(c->in, pkt)) >= 0) {
		res = copy_packet(c, pkt);
		av_packet_unref(pkt);
	}
	av_packet_free(&pkt);
	/* A file that was cut off ends as one that makes no sense, or in the middle of a packet: that is its end. What
	 * cannot be read is not. */
	if (res == SG_OK && ((got != AVERROR_EOF && got != AVERROR_INVALIDDATA) || has_failed(c->from)))
		res = SG_ERR_IO;
	if (res == SG_OK && !c->any)
		res = SG_ERR_BAD_INPUT;
	if (res == SG_OK && (av_write_trailer(c->out) < 0 || c->failed || has_failed(c->out->pb)))
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

static void close_both(struct copying *c, enum sg_result *res)
{
	if (c->out && c->out->pb && avio_closep(&c->out->pb) < 0 && *res == SG_OK)
		*res = SG_ERR_IO;
	avformat_free_context(c->out);
	avformat_close_input(&c->in);
	avio_closep(&c->from);
}

enum sg_result sg_record_finish(const char *from, const char *to, const atomic_bool *stop, int64_t *ms)
{
	struct copying c = { .stop = stop };
	enum sg_result res;

	if ((res = open_input(&c, from)) == SG_OK && (res = open_output(&c, to)) == SG_OK)
		res = copy(&c);
	close_both(&c, &res);
	if (res == SG_OK && !sync_file(to))
		res = SG_ERR_IO;
	if (is_stopped(&c))
		res = SG_ERR_CLOSED;
	if (res != SG_OK)
		unlink(to);
	*ms = c.end_us / 1000;
	return res;
}

/* ---- is anything lost with it? ---- */

/* Zeros from `at` on: what a power cut leaves of blocks that were promised. */
static bool ends_in_zeros(int fd, int64_t at)
{
	uint8_t piece[65536];
	ssize_t n;

	while ((n = pread(fd, piece, sizeof(piece), at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (piece[i])
				return false;
		at += n;
	}
	return n == 0;
}

/* Box after box (ISO/IEC 14496-12, 4.2) to the end: none is a whole one with media. */
static bool is_without_media(int fd, int64_t size)
{
	uint8_t head[8];

	for (int64_t at = 0; at + (int64_t)sizeof(head) <= size;) {
		if (pread(fd, head, sizeof(head), at) != (ssize_t)sizeof(head))
			return false;
		uint32_t len = AV_RB32(head);
		if (len < sizeof(head))
			return ends_in_zeros(fd, at);
		if (memcmp(head + 4, "mdat", 4) == 0 && len > sizeof(head) && at + len <= size)
			return false;
		at += len;
	}
	return true;
}

bool sg_record_is_empty(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool empty = fd >= 0 && fstat(fd, &st) == 0 && is_without_media(fd, st.st_size);

	if (fd >= 0)
		close(fd);
	return empty;
}
