/* bytes.h - text and bytes with a length; reading and collecting them.
 * Everything here is thread-agnostic: a value belongs to whoever holds it. */
#ifndef SG_BASE_BYTES_H
#define SG_BASE_BYTES_H

#include "base/result.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed text: `len` bytes at `p`, no terminating NUL promised. {NULL, 0} is
 * "absent", which is not the same as empty where a comment says so. */
struct sg_str {
	const char *p;
	size_t len;
};

#define SG_STR(literal) ((struct sg_str){ "" literal, sizeof(literal) - 1 })
#define SG_STR_ARG(s) (int)(s).len, (s).p /* for "%.*s"; s.p may be NULL only when len is 0 */

static inline struct sg_str sg_str_from(const char *z) /* NULL gives {NULL, 0} */
{
	return (struct sg_str){ z, z ? strlen(z) : 0 };
}
static inline bool sg_str_equal(struct sg_str a, struct sg_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
static inline bool sg_str_is(struct sg_str a, const char *z)
{
	return sg_str_equal(a, sg_str_from(z));
}
bool sg_str_equal_nocase(struct sg_str a, struct sg_str b); /* ASCII only */
bool sg_str_starts(struct sg_str s, const char *prefix);
bool sg_str_ends(struct sg_str s, const char *suffix);
/* Cuts at the first `sep`: *head is what is before it, *tail what is after it.
 * Without a `sep`: *head is all, *tail is {NULL, 0}, and the answer is false. */
bool sg_str_cut(struct sg_str s, char sep, struct sg_str *head, struct sg_str *tail);
/* Copies with a NUL, cut to fit; false when it did not fit or held a NUL. size > 0. */
bool sg_str_copy(char *out, size_t size, struct sg_str s);
char *sg_str_dup(struct sg_str s); /* malloc; NULL when out of memory */
/* Decimal digits only, no sign, no blanks; false when empty, other, or over `max`. */
bool sg_str_to_u64(struct sg_str s, uint64_t max, uint64_t *out);
/* True when `s` is well-formed UTF-8 without NUL. */
bool sg_str_is_utf8(struct sg_str s);

/* A cursor over wire bytes. Every read can fail: it answers false and changes nothing. */
struct sg_reader {
	const uint8_t *p;
	size_t left;
};
bool sg_read_u8(struct sg_reader *r, uint8_t *out);
bool sg_read_be16(struct sg_reader *r, uint16_t *out);
bool sg_read_be24(struct sg_reader *r, uint32_t *out);
bool sg_read_be32(struct sg_reader *r, uint32_t *out);
bool sg_read_le32(struct sg_reader *r, uint32_t *out);
bool sg_read_be64(struct sg_reader *r, uint64_t *out);
bool sg_read_bytes(struct sg_reader *r, size_t len, const uint8_t **out);
bool sg_read_skip(struct sg_reader *r, size_t len);

static inline void sg_put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
}
static inline void sg_put_be24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16), p[1] = (uint8_t)(v >> 8), p[2] = (uint8_t)v;
}
static inline void sg_put_be32(uint8_t *p, uint32_t v)
{
	sg_put_be16(p, (uint16_t)(v >> 16)), sg_put_be16(p + 2, (uint16_t)v);
}
static inline void sg_put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8), p[2] = (uint8_t)(v >> 16), p[3] = (uint8_t)(v >> 24);
}

/* A growing buffer that never passes `max` bytes. After a failure (no memory, or over
 * max) `failed` stays set and further appends do nothing, so a caller checks once. */
struct sg_buf {
	uint8_t *p;
	size_t len, cap, max;
	bool failed;
};
void sg_buf_init(struct sg_buf *b, size_t max);
void sg_buf_reset(struct sg_buf *b); /* frees; the buffer can be used again */
bool sg_buf_reserve(struct sg_buf *b, size_t more);
void sg_buf_append(struct sg_buf *b, const void *p, size_t len);
void sg_buf_puts(struct sg_buf *b, const char *z);
void sg_buf_printf(struct sg_buf *b, const char *fmt, ...) SG_PRINTF(2, 3);
void sg_buf_put_u8(struct sg_buf *b, uint8_t v);
void sg_buf_put_be16(struct sg_buf *b, uint16_t v);
void sg_buf_put_be24(struct sg_buf *b, uint32_t v);
void sg_buf_put_be32(struct sg_buf *b, uint32_t v);
void sg_buf_consume(struct sg_buf *b, size_t len); /* drops `len` bytes at the front */

#endif
