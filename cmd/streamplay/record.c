/* record.c - writes what comes into a file, as it is. The file has a name of its own while it is
 * written, and gets the one wanted when it is whole: what is found under that name can be played. */
#include "streamplay.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STREAMS_MAX 32

struct record {
	char *path, *part;
	const char *muxer;
	AVFormatContext *out;
	AVPacket *pkt;
	int map[STREAMS_MAX]; /* stream of the source -> of the file, or -1 */
	int64_t last_dts[STREAMS_MAX];
	int64_t zero_us; /* of the first packet, which becomes 0 */
	int video; /* of the source; -1 = none */
	bool begun, failed;
};

static const char *muxer_for(const char *path)
{
	static const struct {
		const char *end, *muxer;
	} known[] = {{".mp4", "mp4"}, {".mkv", "matroska"}, {".flv", "flv"}, {".ts", "mpegts"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sg_str_ends(sg_str_from(path), known[i].end))
			return known[i].muxer;
	return NULL;
}

static void record_free(struct record *r)
{
	if (!r)
		return;
	if (r->out && r->out->pb)
		avio_closep(&r->out->pb);
	avformat_free_context(r->out);
	av_packet_free(&r->pkt);
	free(r->path);
	free(r->part);
	free(r);
}

/* "dir/cam.mp4" is written as "dir/cam.mp4.part-PID". */
static bool name_parts(struct record *r, const char *path)
{
	r->path = strdup(path);
	if (asprintf(&r->part, "%s.part-%ld", path, (long)getpid()) < 0)
		r->part = NULL;
	return r->path && r->part;
}

static int cannot(struct record *r, int err)
{
	char text[200] = "unknown error";

	av_strerror(err, text, sizeof(text));
	return play_fail(PLAY_FAILED, "cannot write %s: %s", r->path, text);
}

/* Takes the temporary name, so that a directory that cannot be written is told before playing. */
static int make_part(struct record *r)
{
	int fd = open(r->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return play_fail(PLAY_FAILED, "cannot write %s: %s", r->path, strerror(errno));
	close(fd);
	int err = avio_open(&r->out->pb, r->part, AVIO_FLAG_WRITE);
	if (err >= 0)
		return PLAYED;
	unlink(r->part);
	return cannot(r, err);
}

int record_open(struct record **out, const char *path)
{
	const char *muxer = muxer_for(path);

	*out = NULL;
	if (!muxer)
		return play_fail(PLAY_USAGE,
		    "--record %s: unknown kind of file: end it with .mp4, .mkv, .flv or .ts", path);
	if (access(path, F_OK) == 0)
		return play_fail(
		    PLAY_FAILED, "%s exists already: choose another name, or remove it", path);
	struct record *r = calloc(1, sizeof(*r));
	if (!r || !name_parts(r, path) || !(r->pkt = av_packet_alloc()) ||
	    avformat_alloc_output_context2(&r->out, NULL, muxer, r->part) < 0) {
		record_free(r);
		return play_fail(PLAY_FAILED, "out of memory: free some");
	}
	int status = make_part(r);
	if (status != PLAYED) {
		record_free(r);
		return status;
	}
	*out = r;
	return PLAYED;
}

static bool add_stream(struct record *r, const AVStream *from)
{
	AVStream *st = avformat_new_stream(r->out, NULL);

	if (!st || avcodec_parameters_copy(st->codecpar, from->codecpar) < 0)
		return false;
	st->codecpar->codec_tag = 0; /* of another container */
	st->time_base = from->time_base;
	st->avg_frame_rate = from->avg_frame_rate;
	r->last_dts[st->index] = AV_NOPTS_VALUE;
	return true;
}

static bool is_wanted(const AVStream *st)
{
	const AVCodecParameters *par = st->codecpar;

	if (par->codec_type == AVMEDIA_TYPE_VIDEO)
		return par->width > 0 && par->height > 0;
	return par->codec_type == AVMEDIA_TYPE_AUDIO && par->sample_rate > 0;
}

static int begin(struct record *r, AVFormatContext *from)
{
	r->video = -1;
	for (unsigned i = 0; i < STREAMS_MAX; i++)
		r->map[i] = -1;
	for (unsigned i = 0; i < from->nb_streams && i < STREAMS_MAX; i++) {
		if (!is_wanted(from->streams[i]))
			continue;
		if (!add_stream(r, from->streams[i]))
			return AVERROR(ENOMEM);
		r->map[i] = (int)r->out->nb_streams - 1;
		if (r->video < 0 && from->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO)
			r->video = (int)i;
	}
	if (!r->out->nb_streams)
		return AVERROR_INVALIDDATA;
	return avformat_write_header(r->out, NULL);
}

/* Times begin at 0 and never go back in a stream: muxers refuse what live streams do. */
static void set_times(struct record *r, const AVStream *from, AVStream *to)
{
	AVPacket *p = r->pkt;
	int64_t zero = av_rescale_q(r->zero_us, AV_TIME_BASE_Q, from->time_base);
	int64_t *last = &r->last_dts[to->index];

	if (p->dts == AV_NOPTS_VALUE)
		p->dts = p->pts;
	if (p->pts == AV_NOPTS_VALUE)
		p->pts = p->dts;
	p->dts -= zero;
	p->pts -= zero;
	av_packet_rescale_ts(p, from->time_base, to->time_base);
	if (*last != AV_NOPTS_VALUE && p->dts <= *last)
		p->dts = *last + 1;
	if (p->pts < p->dts)
		p->pts = p->dts;
	*last = p->dts;
	p->stream_index = to->index;
	p->pos = -1;
}

static int write_packet(struct record *r, AVFormatContext *from, const AVPacket *pkt)
{
	AVStream *st = from->streams[pkt->stream_index];
	int err, to = r->map[pkt->stream_index];

	if (to < 0 || (err = av_packet_ref(r->pkt, pkt)) < 0)
		return to < 0 ? 0 : err;
	set_times(r, st, r->out->streams[to]);
	err = av_interleaved_write_frame(r->out, r->pkt);
	av_packet_unref(r->pkt);
	return err;
}

static bool give_up(struct record *r, int err)
{
	r->failed = true;
	cannot(r, err);
	return false;
}

bool record_packet(struct record *r, AVFormatContext *from, const AVPacket *pkt)
{
	int64_t ts = pkt->dts != AV_NOPTS_VALUE ? pkt->dts : pkt->pts;
	int err;

	if (r->failed || pkt->stream_index >= STREAMS_MAX || ts == AV_NOPTS_VALUE)
		return !r->failed;
	if (!r->out->nb_streams && (err = begin(r, from)) < 0)
		return give_up(r, err);
	/* A picture can only be taken up at a key frame; the sound begins with it. */
	if (!r->begun) {
		if (r->video >= 0 &&
		    (pkt->stream_index != r->video || !(pkt->flags & AV_PKT_FLAG_KEY)))
			return true;
		r->zero_us =
		    av_rescale_q(ts, from->streams[pkt->stream_index]->time_base, AV_TIME_BASE_Q);
		r->begun = true;
	}
	err = write_packet(r, from, pkt);
	return err < 0 ? give_up(r, err) : true;
}

/* link() and not rename(): it takes no name that someone else took meanwhile. */
static int give_name(struct record *r)
{
	int err = link(r->part, r->path) ? errno : 0;

	if ((err == EPERM || err == EOPNOTSUPP) && access(r->path, F_OK) != 0)
		return rename(r->part, r->path) ? errno : 0; /* a file system without links */
	if (!err)
		unlink(r->part);
	return err;
}

int record_close(struct record *r)
{
	int status = PLAYED, err;

	if (!r)
		return PLAYED;
	if (r->begun && !r->failed && (err = av_write_trailer(r->out)) < 0)
		give_up(r, err);
	if (r->out->pb && (err = avio_closep(&r->out->pb)) < 0 && !r->failed)
		give_up(r, err);
	if (!r->begun || r->failed) {
		unlink(r->part);
		status = PLAY_FAILED;
		if (!r->failed)
			play_warn("nothing came to be recorded: %s was not written", r->path);
	} else if ((err = give_name(r))) {
		status = play_fail(PLAY_FAILED, "cannot name the recording %s: %s; it is %s",
		    r->path, strerror(err), r->part);
	}
	record_free(r);
	return status;
}

void record_drop(struct record *r)
{
	unlink(r->part);
	record_free(r);
}
