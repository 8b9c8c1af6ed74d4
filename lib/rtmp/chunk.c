#include "rtmp/chunk.h"
#include <stdlib.h>

#define CHUNK_SIZE_DEFAULT 128
#define CHUNK_SIZE_MAX 0xffffffu /* no message is longer */
#define EXTENDED 0xffffffu
/* Media messages up to this size get their memory in one piece, which the next one uses again. */
#define BODY_KEPT 65536u

struct sg_rtmp_chunk_stream {
	uint32_t id;
	uint32_t field;     /* the timestamp or difference last sent */
	uint32_t timestamp;
	uint32_t length, stream_id;
	uint8_t type;
	bool known, extended;
	bool busy; /* a message has begun */
	struct sg_buf body;
};

void sg_rtmp_chunks_init(struct sg_rtmp_chunks *c)
{
	*c = (struct sg_rtmp_chunks){ .chunk_size = CHUNK_SIZE_DEFAULT,
		.max_message = SG_RTMP_SMALL_MESSAGE_MAX, .current = -1, .done = -1 };
}

void sg_rtmp_chunks_reset(struct sg_rtmp_chunks *c)
{
	for (size_t i = 0; i < c->count; i++)
		sg_buf_reset(&c->streams[i].body);
	sg_buf_reset(&c->spare);
	free(c->streams);
	sg_rtmp_chunks_init(c);
}

static struct sg_rtmp_chunk_stream *find(struct sg_rtmp_chunks *c, uint32_t id)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->streams[i].id == id)
			return &c->streams[i];
	return NULL;
}

static enum sg_result find_or_add(
    struct sg_rtmp_chunks *c, uint32_t id, struct sg_rtmp_chunk_stream **out)
{
	if ((*out = find(c, id)))
		return SG_OK;
	if (c->count == SG_RTMP_CHUNK_STREAMS_MAX)
		return SG_ERR_LIMIT;
	struct sg_rtmp_chunk_stream *grown = realloc(c->streams, (c->count + 1) * sizeof(*grown));
	if (!grown)
		return SG_ERR_NO_MEMORY;
	c->streams = grown;
	*out = &grown[c->count++];
	memset(*out, 0, sizeof(**out));
	(*out)->id = id;
	sg_buf_init(&(*out)->body, 0);
	return SG_OK;
}

/* ---- headers ---- */

struct header {
	uint8_t format;
	uint32_t id;
	uint32_t field, length, stream_id;
	uint8_t type;
};

/* Section 5.3.1.1. */
static bool read_basic(struct sg_reader *r, struct header *h)
{
	uint8_t b, low, high;

	if (!sg_read_u8(r, &b))
		return false;
	h->format = b >> 6;
	h->id = b & 63;
	if (h->id == 0) {
		if (!sg_read_u8(r, &low))
			return false;
		h->id = 64u + low;
	} else if (h->id == 1) {
		if (!sg_read_u8(r, &low) || !sg_read_u8(r, &high))
			return false;
		h->id = 64u + low + 256u * high;
	}
	return true;
}

/* Section 5.3.1.2. */
static bool read_message_header(struct sg_reader *r, struct header *h)
{
	const uint8_t *id;

	if (h->format <= 2 && !sg_read_be24(r, &h->field))
		return false;
	if (h->format <= 1 && (!sg_read_be24(r, &h->length) || !sg_read_u8(r, &h->type)))
		return false;
	if (h->format == 0) {
		if (!sg_read_bytes(r, 4, &id))
			return false;
		h->stream_id = id[0] | (uint32_t)id[1] << 8 | (uint32_t)id[2] << 16 | (uint32_t)id[3] << 24;
	}
	return true;
}

/* Section 5.3.1.3. A chunk of type 3 repeats the extended field, but not every encoder does so: it
 * is taken when it is the same. What differs in its first bytes need not be waited for: the last chunk
 * may be shorter than the field. */
static bool read_extended(struct sg_reader *r, struct header *h, struct sg_rtmp_chunk_stream *s)
{
	uint8_t field[4];

	if (h->format <= 2) {
		s->extended = h->field == EXTENDED;
		if (s->extended && !sg_read_be32(r, &h->field))
			return false;
		return true;
	}
	if (!s->extended)
		return true;
	sg_put_be32(field, s->field);
	if (r->left && memcmp(field, r->p, r->left < 4 ? r->left : 4) != 0)
		return true;
	return sg_read_skip(r, 4);
}

static enum sg_result begin(
    struct sg_rtmp_chunks *c, struct sg_rtmp_chunk_stream *s, const struct header *h, const char **why)
{
	if (h->format <= 1) {
		s->length = h->length;
		s->type = h->type;
	}
	if (h->format <= 2)
		s->field = h->field;
	if (h->format == 0) {
		s->stream_id = h->stream_id;
		s->timestamp = s->field;
	} else {
		s->timestamp += s->field;
	}
	bool media = s->type == SG_RTMP_AUDIO || s->type == SG_RTMP_VIDEO || s->type == SG_RTMP_AGGREGATE;
	size_t max = media ? c->max_message : SG_RTMP_SMALL_MESSAGE_MAX;
	if (s->length > max || c->claimed + s->length > c->max_message + SG_RTMP_SMALL_MESSAGE_MAX) {
		*why = "a message larger than is allowed here";
		return SG_ERR_LIMIT;
	}
	s->busy = true;
	c->claimed += s->length;
	s->body.max = s->length;
	if (media && s->length <= BODY_KEPT) {
		s->body = c->spare;
		sg_buf_init(&c->spare, 0);
		s->body.max = s->length;
		if (s->body.cap < s->length)
			sg_buf_reset(&s->body);
		sg_buf_reserve(&s->body, s->length);
	}
	return SG_OK;
}

static void finish(struct sg_rtmp_chunks *c, struct sg_rtmp_chunk_stream *s)
{
	s->busy = false;
	c->claimed -= s->length;
	bool media = s->type == SG_RTMP_AUDIO || s->type == SG_RTMP_VIDEO;
	if (media && s->body.cap <= BODY_KEPT && s->body.cap > c->spare.cap) {
		sg_buf_reset(&c->spare);
		c->spare = s->body;
		c->spare.len = 0;
		sg_buf_init(&s->body, 0);
	}
	sg_buf_reset(&s->body);
}

static enum sg_result read_header(struct sg_rtmp_chunks *c, struct sg_reader *in,
    struct sg_rtmp_chunk_stream **out, const char **why)
{
	struct sg_reader r = *in;
	struct header h = { 0 };

	if (!read_basic(&r, &h) || !read_message_header(&r, &h))
		return SG_NEED_MORE;
	enum sg_result res = find_or_add(c, h.id, out);
	if (res != SG_OK) {
		*why = "too many chunk streams";
		return res;
	}
	struct sg_rtmp_chunk_stream *s = *out;
	/* librtmp begins a chunk stream with type 1: its time then counts from zero. */
	if (h.format >= 2 && !s->known) {
		*why = "a chunk that refers to one before it, but there was none";
		return SG_ERR_BAD_INPUT;
	}
	bool was_extended = s->extended;
	if (!read_extended(&r, &h, s)) {
		s->extended = was_extended;
		return SG_NEED_MORE;
	}
	if (s->busy && h.format != 3) {
		*why = "a new message inside another of the same chunk stream";
		return SG_ERR_BAD_INPUT;
	}
	if (!s->busy && (res = begin(c, s, &h, why)) != SG_OK)
		return res;
	s->known = true;
	*in = r;
	return SG_OK;
}

/* ---- messages ---- */

static enum sg_result obey(struct sg_rtmp_chunks *c, const struct sg_rtmp_message *m, const char **why)
{
	struct sg_reader r = m->body;
	uint32_t v;

	if (m->type != SG_RTMP_SET_CHUNK_SIZE && m->type != SG_RTMP_ABORT)
		return SG_OK;
	if (!sg_read_be32(&r, &v)) {
		*why = "a control message that is too short";
		return SG_ERR_BAD_INPUT;
	}
	if (m->type == SG_RTMP_ABORT) {
		struct sg_rtmp_chunk_stream *s = find(c, v);
		if (s && s->busy && s != &c->streams[c->done])
			finish(c, s);
		return SG_OK;
	}
	if (v == 0 || v > 0x7fffffff) {
		*why = "a chunk size of zero, or over 31 bits";
		return SG_ERR_BAD_INPUT;
	}
	c->chunk_size = v > CHUNK_SIZE_MAX ? CHUNK_SIZE_MAX : v;
	return SG_OK;
}

enum sg_result sg_rtmp_chunks_read(struct sg_rtmp_chunks *c, struct sg_reader *in,
    struct sg_rtmp_message *out, const char **why)
{
	const uint8_t *p;
	enum sg_result res;

	*why = "";
	if (c->done >= 0)
		finish(c, &c->streams[c->done]);
	c->done = -1;
	for (;;) {
		struct sg_rtmp_chunk_stream *s = c->current < 0 ? NULL : &c->streams[c->current];
		if (!s) {
			if ((res = read_header(c, in, &s, why)) != SG_OK)
				return res;
			c->current = s - c->streams;
			c->left = s->length - s->body.len;
			if (c->left > c->chunk_size)
				c->left = c->chunk_size;
		}
		size_t n = c->left < in->left ? c->left : in->left;
		if (!sg_read_bytes(in, n, &p))
			return SG_ERR_BAD_INPUT;
		sg_buf_append(&s->body, p, n);
		if (s->body.failed) {
			*why = "no memory for its message";
			return SG_ERR_NO_MEMORY;
		}
		c->left -= n;
		if (c->left)
			return SG_NEED_MORE;
		c->current = -1;
		if (s->body.len < s->length)
			continue;
		c->done = s - c->streams;
		*out = (struct sg_rtmp_message){ s->type, s->timestamp, s->stream_id,
			{ s->body.p, s->body.len } };
		return obey(c, out, why);
	}
}

void sg_rtmp_put_message(struct sg_buf *out, uint8_t chunk_stream, enum sg_rtmp_type type,
    uint32_t stream_id, const void *body, size_t len)
{
	sg_buf_put_u8(out, chunk_stream);
	sg_buf_put_be24(out, 0);
	sg_buf_put_be24(out, (uint32_t)len);
	sg_buf_put_u8(out, (uint8_t)type);
	sg_buf_put_u8(out, (uint8_t)stream_id); /* little-endian */
	sg_buf_put_u8(out, (uint8_t)(stream_id >> 8));
	sg_buf_put_u8(out, (uint8_t)(stream_id >> 16));
	sg_buf_put_u8(out, (uint8_t)(stream_id >> 24));
	sg_buf_append(out, body, len);
}
