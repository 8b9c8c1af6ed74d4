/* intake_hls.c - HLS in fragments of MP4 whose header changes.
 *
 * libavformat reads the header (EXT-X-MAP, RFC 8216 4.3.2.5) of each playlist once, and takes what comes behind
 * another one for more of the same. So the other one is not handed to it: there the playlist is opened again, at the
 * segment that begins with it. */
#include "media/intake_internal.h"
#include "base/bytes.h"
#include <libavutil/crc.h>

#define HEAD 2048 /* no less is probed; a header's first track is in it */
#define BOX(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* ISO/IEC 14496-12 8.2.1: how long it is with its movie box, as far as it lies in `r`; 0 = it is no header. */
static size_t header_length(struct sg_reader r)
{
	size_t whole = r.left;
	uint32_t size, type;

	while (sg_read_be32(&r, &size) && sg_read_be32(&r, &type) && size >= 8) {
		bool lies_in = sg_read_skip(&r, size - 8);
		if (type == BOX('m', 'o', 'o', 'v'))
			return lies_in ? whole - r.left : whole;
		if (type == BOX('m', 'o', 'o', 'f') || !lies_in)
			return 0;
	}
	return 0;
}

/* What `io` will give first is left in it. */
static size_t peek(AVIOContext *io, const char *url, uint8_t *head)
{
	const AVInputFormat *format = NULL;

	/* Goes back to the beginning, whatever it finds. */
	av_probe_input_buffer2(io, &format, url, NULL, 0, HEAD);
	int n = avio_read(io, head, HEAD);
	return n > 0 && avio_seek(io, -n, SEEK_CUR) >= 0 ? (size_t)n : 0;
}

static uint32_t checksum(const char *text)
{
	return av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0, (const uint8_t *)text, strlen(text));
}

static bool is_known(const struct intake_headers *h, uint32_t crc)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->known[i] == crc)
			return true;
	return false;
}

bool intake_hls_changes(struct sg_intake *in, AVIOContext *io, const char *url)
{
	struct intake_headers *h = &in->headers;
	uint8_t head[HEAD];
	struct sg_reader r = {head, peek(io, url, head)};
	size_t len = header_length(r);
	uint32_t crc = len ? av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0, head, len) : 0;

	if (!len || is_known(h, crc) || (!h->are_read && h->count == HEADERS_MAX))
		return false;
	if (!h->are_read) {
		h->known[h->count++] = crc;
		return false;
	}
	h->wanted = crc;
	h->url = checksum(url);
	return true;
}

bool intake_hls_is_cut_at(const struct sg_intake *in, const char *url)
{
	return in->is_cut && in->headers.url == checksum(url);
}

void intake_hls_begin(struct sg_intake *in)
{
	in->headers.count = 0;
	in->headers.are_read = false;
}

bool intake_hls_is_there(const struct sg_intake *in)
{
	return !in->headers.wanted || is_known(&in->headers, in->headers.wanted);
}
