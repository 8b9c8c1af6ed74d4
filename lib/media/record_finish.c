/* record_finish.c - a fragmented recording becomes plain MP4 with its index in front. */
#include "media/record.h"
#include <fcntl.h>
#include <inttypes.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct copying {
	AVFormatContext *in, *out;
	int64_t end_us; /* of what has been copied */
	bool any;
};

/* How much of it libavformat can read: all, but for a box in which the file was cut off. (Part of a "moof" has
 * it refuse the whole file.) What has come of a "mdat" counts: its frames are read up to where it ends. Boxes
 * are those of ISO/IEC 14496-12, 4.2; none of a recording has a 64-bit size. -1: it cannot be read. */
static int64_t readable_part(const char *from)
{
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t head[8];
	int64_t at = 0;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		st.st_size = 0;
	while (pread(fd, head, sizeof(head), at) == (ssize_t)sizeof(head)) {
		int64_t end = at + (int64_t)AV_RB32(head);
		if (end < at + (int64_t)sizeof(head))
			break;
		if (end > st.st_size) {
			at = memcmp(head + 4, "mdat", 4) == 0 ? st.st_size : at;
			break;
		}
		at = end;
	}
	close(fd);
	return at;
}

static enum sg_result open_input(struct copying *c, const char *from)
{
	int64_t size = readable_part(from);

	if (size < 0)
		return SG_ERR_IO;
	char *url = av_asprintf("subfile,,start,0,end,%" PRId64 ",,:file:%s", size, from);
	if (!url)
		return SG_ERR_NO_MEMORY;
	/* An empty file: to the protocol an end of 0 would be the file's own. */
	bool opened = size > 0 && avformat_open_input(&c->in, url, av_find_input_format("mp4"), NULL) >= 0;
	av_free(url);
	return opened && c->in->nb_streams ? SG_OK : SG_ERR_BAD_INPUT;
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
