/* chunk.h - RTMP chunk streams (RTMP 1.0 section 5.3): bytes in, messages out. Pure. */
#ifndef SG_RTMP_CHUNK_H
#define SG_RTMP_CHUNK_H

#include "base/bytes.h"

enum sg_rtmp_type { SG_RTMP_SET_CHUNK_SIZE = 1, SG_RTMP_ABORT = 2, SG_RTMP_ACK = 3,
	SG_RTMP_USER_CONTROL = 4, SG_RTMP_WINDOW_ACK_SIZE = 5, SG_RTMP_SET_PEER_BANDWIDTH = 6,
	SG_RTMP_AUDIO = 8, SG_RTMP_VIDEO = 9, SG_RTMP_DATA_AMF3 = 15, SG_RTMP_COMMAND_AMF3 = 17,
	SG_RTMP_DATA = 18, SG_RTMP_COMMAND = 20, SG_RTMP_AGGREGATE = 22 };

/* Encoders use four or five; what is not used costs nothing. */
#define SG_RTMP_CHUNK_STREAMS_MAX 32
/* Before somebody is let in, and for all that is not media. */
#define SG_RTMP_SMALL_MESSAGE_MAX 65536

struct sg_rtmp_message {
	uint8_t type;
	uint32_t timestamp, stream_id;
	struct sg_reader body; /* valid until the next call */
};

struct sg_rtmp_chunk_stream;
struct sg_rtmp_chunks {
	uint32_t chunk_size;  /* the peer's, 128 at first; set from its message */
	size_t max_message;   /* bytes; the owner may raise it */
	size_t claimed;       /* by messages that have begun */
	struct sg_rtmp_chunk_stream *streams; /* as many as the peer has used */
	size_t count;
	ptrdiff_t current; /* the chunk being read is this stream's, -1 = a header comes next */
	size_t left;       /* of that chunk */
	ptrdiff_t done;    /* whose message was handed out last, -1 = nobody's */
	struct sg_buf spare; /* memory of a media message that is done, for the next one */
};
void sg_rtmp_chunks_init(struct sg_rtmp_chunks *c);
void sg_rtmp_chunks_reset(struct sg_rtmp_chunks *c);

/* Takes from `in` up to the end of a message.
 *   SG_OK          *out is a message
 *   SG_NEED_MORE   all is taken, but for at most 18 bytes of a header to be presented again
 *   SG_ERR_LIMIT   a message over max_message, or too many chunk streams
 *   SG_ERR_BAD_INPUT, SG_ERR_NO_MEMORY
 * `why`, on an error, says what was wrong (static). Set Chunk Size and Abort are obeyed here, and
 * handed out as well. */
SG_MUST_CHECK enum sg_result sg_rtmp_chunks_read(struct sg_rtmp_chunks *c, struct sg_reader *in,
    struct sg_rtmp_message *out, const char **why);

/* One message as one chunk: the sender's chunk size must be larger than `len`. */
void sg_rtmp_put_message(struct sg_buf *out, uint8_t chunk_stream, enum sg_rtmp_type type,
    uint32_t stream_id, const void *body, size_t len);

#endif
