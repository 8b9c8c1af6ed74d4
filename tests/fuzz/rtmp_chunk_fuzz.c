/* Feeds the chunk reader, whole and cut at places that the input itself chooses: the messages must be
 * the same, and what is claimed within the limits. */
#include "base/text.h"
#include "rtmp/chunk.h"
#include <stdlib.h>

#define MAX_MESSAGE (1u << 20)

struct run {
	struct sg_rtmp_chunks c;
	enum sg_result res;
	size_t messages;
	uint8_t sum[SG_SHA256_BYTES]; /* of all messages so far */
};

static void note(struct run *r, const struct sg_rtmp_message *m)
{
	struct sg_buf b;

	if (m->body.left > r->c.max_message)
		abort();
	sg_buf_init(&b, 2 * MAX_MESSAGE);
	sg_buf_append(&b, r->sum, sizeof(r->sum));
	sg_buf_put_u8(&b, m->type);
	sg_buf_put_be32(&b, m->timestamp);
	sg_buf_put_be32(&b, m->stream_id);
	sg_buf_append(&b, m->body.p, m->body.left);
	sg_sha256(r->sum, b.p, b.len);
	sg_buf_reset(&b);
	r->messages++;
	/* What the owner does when somebody is let in. */
	if (m->type == SG_RTMP_COMMAND)
		r->c.max_message = MAX_MESSAGE;
}

/* Takes what it can of p[taken, end); answers where it stands. */
static size_t feed(struct run *r, const uint8_t *p, size_t taken, size_t end)
{
	size_t len = end - taken;
	uint8_t *copy = malloc(len ? len : 1); /* a read past the end is seen */
	struct sg_reader in = { copy, len };
	struct sg_rtmp_message m;
	const char *why;

	if (!copy)
		exit(1);
	if (len)
		memcpy(copy, p + taken, len);
	while ((r->res = sg_rtmp_chunks_read(&r->c, &in, &m, &why)) == SG_OK)
		note(r, &m);
	if ((r->res == SG_NEED_MORE && in.left > 18) || !why ||
	    r->c.count > SG_RTMP_CHUNK_STREAMS_MAX ||
	    r->c.claimed > r->c.max_message + SG_RTMP_SMALL_MESSAGE_MAX)
		abort();
	free(copy);
	return end - in.left;
}

static void begin(struct run *r)
{
	memset(r, 0, sizeof(*r));
	sg_rtmp_chunks_init(&r->c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole, cut;
	size_t taken = 0, end = 0;

	if (size < 4)
		return 0;
	const uint8_t *p = data + 4; /* the first four say where to cut */
	size -= 4;
	begin(&whole);
	begin(&cut);
	feed(&whole, p, 0, size);
	for (uint32_t i = 0; end < size && (!i || cut.res == SG_NEED_MORE); i++) {
		end += 1 + (data[i % 4] ^ (i >> 2)) % 37;
		taken = feed(&cut, p, taken, end < size ? end : size);
	}
	if (size && (whole.res != cut.res || whole.messages != cut.messages ||
			memcmp(whole.sum, cut.sum, sizeof(cut.sum)) != 0))
		abort();
	sg_rtmp_chunks_reset(&whole.c);
	sg_rtmp_chunks_reset(&cut.c);
	return 0;
}
