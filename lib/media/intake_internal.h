/* intake_internal.h - what the files that make an intake share.
 *
 * intake.c         opening, tracks, frames
 * intake_source.c  the bytes, before libavformat has them
 * intake_hls.c     HLS whose header changes */
#ifndef SG_MEDIA_INTAKE_INTERNAL_H
#define SG_MEDIA_INTAKE_INTERNAL_H

#include "media/annexb.h"
#include "media/intake.h"
#include "media/ts_tables.h"
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

#define IO_BUFFER 5264 /* four messages of SRT */
/* libavformat's parsers gather a frame until its end comes, however long that takes: so much may come in
 * without one. Several frames' worth, since filler of a constant rate stands in a source's gaps. */
#define UNREAD_MAX (4ll * SG_FRAME_MAX_BYTES)

#define STREAMS_MAX 32 /* at opening */
/* libavformat forgets no stream: so many may turn up later, then somebody plays with us. */
#define LATER_MAX 32

struct track {
	int index; /* of libavformat's stream, -1 = none */
	enum sg_codec codec;
	AVRational time_base;
	bool lengths; /* NAL units stand behind lengths already, of so many bytes: */
	int nal_length;
	struct sg_annexb annexb;
	AVBSFContext *adts; /* AAC: takes ADTS headers off */
	uint32_t adts_kind; /* what the headers say of profile, rate and channels */
	int64_t frame_lasts; /* of AAC, by the headers, and of Opus the last one; 0 = not known */
	bool has_config; /* one has been handed out */
	bool needs_key; /* nothing before its first keyframe: another one's pictures stand there */
	int64_t last_dts;
	int heir; /* the stream that takes its place if it stops, -1 = none */
	int64_t heir_since; /* its time when it began to be alone */
};

/* Of HLS in fragments of MP4: checksums of the headers that its playlists were opened with. */
#define HEADERS_MAX 64
struct intake_headers {
	uint32_t known[HEADERS_MAX];
	size_t count;
	bool are_read; /* of all playlists: another one is a change */
	uint32_t wanted; /* the one to go on at; 0 = any */
	uint32_t url; /* checksum of where that one is */
	int from; /* the segment to begin with, from the end; 0 = libavformat's choice */
};

struct sg_intake {
	struct sg_intake_config cfg;
	AVFormatContext *ic;
	/* libavformat's own, behind ours. */
	int (*open_url)(AVFormatContext *ic, AVIOContext **io, const char *url, int flags,
	    AVDictionary **options);
	AVIOContext *io; /* ours, where bytes pass through intake_source.c */
	AVIOContext *far; /* what they are read from, if not from the caller: a URL that turned out to be MPEG-TS */
	AVPacket *pkt;
	struct track video, audio;
	struct sg_frame *pending; /* behind a configuration that was handed out first */
	struct sg_buf scratch;
	unsigned bad;
	unsigned known; /* streams of libavformat's that have been looked at */
	unsigned at_opening; /* how many there were */
	int64_t unread,
	    unseen; /* bytes since the last packet of ours, of the picture's; counted where they pass */
	int64_t unheard; /* ... and of an heir's, or since there is one */
	unsigned silent_heirs;
	unsigned packets, heard[STREAMS_MAX + LATER_MAX + 2]; /* so far; when each stream last had one */
	bool is_cut; /* libavformat is to begin anew */
	unsigned since_cut; /* packets */
	struct intake_headers headers;
	/* Of MPEG-TS: where it is cut, and with which bytes it begins. */
	struct sg_ts_tables *tables;
	uint8_t rest[2 * SG_TS_PACKET + IO_BUFFER];
	size_t rest_at, rest_len;
	bool is_unsteady; /* its tracks change more often than they may */
	unsigned again;
	int64_t again_since_ms;
};

/* intake_source.c: plugs `ic` to its bytes, anew if it was before; *format says which it is to be opened with.
 * False: out of memory. */
bool intake_source_open(struct sg_intake *in, AVFormatContext *ic, const AVInputFormat **format);
/* Behind the closing of what was plugged; what the bytes are read from stays open. */
void intake_source_unplug(struct sg_intake *in);
void intake_source_close(struct sg_intake *in);

/* intake_hls.c: is this which was opened a header that is not one of its playlists'? */
bool intake_hls_changes(struct sg_intake *in, AVIOContext *io, const char *url);
void intake_hls_begin(struct sg_intake *in); /* nothing is opened */
/* Is this where it has changed? There is nothing more then. */
bool intake_hls_is_cut_at(const struct sg_intake *in, const char *url);
bool intake_hls_is_there(const struct sg_intake *in); /* opened at what it is to go on with */

#endif
