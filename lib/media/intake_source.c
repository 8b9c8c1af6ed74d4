/* intake_source.c - the bytes, before libavformat has them: counted, and those of MPEG-TS cut where it could not
 * follow. */
#include "media/far_tls.h"
#include "media/intake_internal.h"
#include <libavutil/avstring.h>
#include <stdlib.h>

/* The tables, then what came behind them. */
static void keep_rest(struct sg_intake *in, const uint8_t *p, size_t len)
{
	const struct sg_ts_tables *t = in->tables;
	size_t left = in->rest_len - in->rest_at;

	memmove(in->rest + 2 * SG_TS_PACKET + len, in->rest + in->rest_at, left);
	memcpy(in->rest, t->pat, SG_TS_PACKET);
	memcpy(in->rest + SG_TS_PACKET, t->packet, SG_TS_PACKET);
	memcpy(in->rest + 2 * SG_TS_PACKET, p, len);
	in->rest_at = 0;
	in->rest_len = 2 * SG_TS_PACKET + len + left;
}

static int take_bytes(struct sg_intake *in, uint8_t *p, int size)
{
	size_t left = in->rest_len - in->rest_at;

	if (!left)
		return in->far ? avio_read_partial(in->far, p, size) : in->cfg.read(in->cfg.user, p, size);
	if (left > (size_t)size)
		left = (size_t)size;
	memcpy(p, in->rest + in->rest_at, left);
	in->rest_at += left;
	return (int)left;
}

static int on_read(void *opaque, uint8_t *p, int size)
{
	struct sg_intake *in = opaque;
	bool over = in->is_cut || in->cfg.stop(in->cfg.user) || in->unread > UNREAD_MAX;
	int n = over ? -1 : take_bytes(in, p, size < IO_BUFFER ? size : IO_BUFFER);
	size_t before, behind;

	if (n <= 0)
		return AVERROR_EOF;
	in->unread += n;
	in->unseen += n;
	in->unheard += n;
	if (in->tables && sg_ts_tables_watch(in->tables, p, (size_t)n, &before, &behind)) {
		in->is_cut = true;
		keep_rest(in, p + behind, (size_t)n - behind);
		n = (int)before;
	}
	return n ? n : AVERROR_EOF;
}

/* NULL: out of memory. */
static AVIOContext *make_io(struct sg_intake *in)
{
	uint8_t *buffer = av_malloc(IO_BUFFER);

	if (!buffer)
		return NULL;
	in->io = avio_alloc_context(buffer, IO_BUFFER, 0, in, on_read, NULL, NULL);
	if (in->io)
		in->io->seekable = 0;
	else
		av_free(buffer);
	return in->io;
}

static void watch_tables(struct sg_intake *in, const AVInputFormat *format)
{
	if (!in->tables && !strcmp(format->name, "mpegts"))
		in->tables = calloc(1, sizeof(*in->tables));
}

/* The bytes of a URL: those of MPEG-TS pass here, as those that the caller reads do. Of other containers, their
 * demuxers may want more of it than to be read. */
static int find_format(struct sg_intake *in, AVFormatContext *ic, AVIOContext **io, const char *url)
{
	int res = av_probe_input_buffer2(*io, &ic->iformat, url, ic, 0, (unsigned)ic->format_probesize);

	if (res < 0) {
		avio_closep(io);
		return res;
	}
	watch_tables(in, ic->iformat);
	if (!in->tables)
		return 0;
	in->far = *io;
	ic->flags |= AVFMT_FLAG_CUSTOM_IO; /* it is not libavformat's to close */
	return (*io = make_io(in)) ? 0 : AVERROR(ENOMEM);
}

/* What HLS's playlists name. */
static int look_at_segment(struct sg_intake *in, AVFormatContext *ic, AVIOContext **io, const char *url)
{
	/* What has a length is whole: it cannot be gone on with at its end. */
	if (!av_match_name("hls", ic->iformat->name) || ic->duration != AV_NOPTS_VALUE ||
	    !intake_hls_changes(in, *io, url))
		return 0;
	in->is_cut = true;
	avio_closep(io);
	return AVERROR_EOF;
}

/* A URL, and those that its playlist names: the demuxer of HLS does not hand on what it was told of TLS. */
static int open_checked(
    AVFormatContext *ic, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
	struct sg_intake *in = ic->opaque;
	AVDictionary *own = NULL, **all = options ? options : &own;

	/* The demuxer tries it again for each packet of another playlist that has not come so far. */
	if (ic->iformat && intake_hls_is_cut_at(in, url))
		return AVERROR_EOF;
	far_tls_check(all, in->cfg.ca_file);
	int res = in->open_url(ic, io, url, flags, all);
	av_dict_free(&own);
	if (res < 0)
		return res;
	return ic->iformat ? look_at_segment(in, ic, io, url) : find_format(in, ic, io, url);
}

bool intake_source_open(struct sg_intake *in, AVFormatContext *ic, const AVInputFormat **format)
{
	ic->opaque = in;
	in->open_url = ic->io_open;
	ic->io_open = open_checked;
	*format = in->far ? av_find_input_format("mpegts") : in->cfg.format ? av_find_input_format(in->cfg.format) : NULL;
	if (!in->far && !in->cfg.read)
		return true;
	if (*format)
		watch_tables(in, *format);
	ic->flags |= AVFMT_FLAG_CUSTOM_IO;
	return (ic->pb = make_io(in));
}

void intake_source_unplug(struct sg_intake *in)
{
	if (in->io)
		av_freep(&in->io->buffer);
	avio_context_free(&in->io);
}

void intake_source_close(struct sg_intake *in)
{
	intake_source_unplug(in);
	avio_closep(&in->far);
	free(in->tables);
}
