/* bytes.c - borrowed text, the cursor over wire bytes, the growing buffer. */
#include "base/bytes.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- text ---- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool sg_str_equal_nocase(struct sg_str a, struct sg_str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool sg_str_starts(struct sg_str s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && (len == 0 || memcmp(s.p, prefix, len) == 0);
}

bool sg_str_ends(struct sg_str s, const char *suffix)
{
	size_t len = strlen(suffix);

	return s.len >= len && (len == 0 || memcmp(s.p + s.len - len, suffix, len) == 0);
}

bool sg_str_cut(struct sg_str s, char sep, struct sg_str *head, struct sg_str *tail)
{
	const char *at = s.len ? memchr(s.p, sep, s.len) : NULL;

	if (!at) {
		*head = s;
		*tail = (struct sg_str){NULL, 0};
		return false;
	}
	size_t len = (size_t)(at - s.p);
	*head = (struct sg_str){s.p, len};
	*tail = (struct sg_str){at + 1, s.len - len - 1};
	return true;
}

bool sg_str_copy(char *out, size_t size, struct sg_str s)
{
	const char *nul = s.len ? memchr(s.p, 0, s.len) : NULL;
	size_t len = nul ? (size_t)(nul - s.p) : s.len;
	bool whole = !nul && len < size;

	if (len >= size)
		len = size - 1;
	if (len)
		memcpy(out, s.p, len);
	out[len] = 0;
	return whole;
}

char *sg_str_dup(struct sg_str s)
{
	char *z = malloc(s.len + 1);

	if (!z)
		return NULL;
	if (s.len)
		memcpy(z, s.p, s.len);
	z[s.len] = 0;
	return z;
}

bool sg_str_to_u64(struct sg_str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		unsigned digit = (unsigned)(s.p[i] - '0');
		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

/* The length of the UTF-8 sequence at the start of `p` (RFC 3629, section 4: the table of
 * well-formed byte ranges), 0 when there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t first_from, first_to, second_from, second_to, len;
	} forms[] = {
	    {0x01, 0x7f, 0, 0, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, /* no surrogates */
	    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
	    {0xf4, 0xf4, 0x80, 0x8f, 4}, /* up to U+10FFFF */
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (p[0] < forms[i].first_from || p[0] > forms[i].first_to)
			continue;
		size_t len = forms[i].len;
		if (len > left)
			return 0;
		if (len > 1 && (p[1] < forms[i].second_from || p[1] > forms[i].second_to))
			return 0;
		for (size_t k = 2; k < len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return len;
	}
	return 0;
}

bool sg_str_is_utf8(struct sg_str s)
{
	for (size_t at = 0; at < s.len;) {
		size_t len = utf8_sequence((const uint8_t *)s.p + at, s.len - at);
		if (!len)
			return false;
		at += len;
	}
	return true;
}

/* ---- reading ---- */

/* Reads `len` (at most 8) bytes, the highest first. */
static bool read_be(struct sg_reader *r, size_t len, uint64_t *out)
{
	uint64_t v = 0;

	if (r->left < len)
		return false;
	for (size_t i = 0; i < len; i++)
		v = v << 8 | r->p[i];
	r->p += len;
	r->left -= len;
	*out = v;
	return true;
}

bool sg_read_u8(struct sg_reader *r, uint8_t *out)
{
	uint64_t v;

	if (!read_be(r, 1, &v))
		return false;
	*out = (uint8_t)v;
	return true;
}

bool sg_read_be16(struct sg_reader *r, uint16_t *out)
{
	uint64_t v;

	if (!read_be(r, 2, &v))
		return false;
	*out = (uint16_t)v;
	return true;
}

bool sg_read_be24(struct sg_reader *r, uint32_t *out)
{
	uint64_t v;

	if (!read_be(r, 3, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

bool sg_read_be32(struct sg_reader *r, uint32_t *out)
{
	uint64_t v;

	if (!read_be(r, 4, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

bool sg_read_le32(struct sg_reader *r, uint32_t *out)
{
	uint32_t v;

	if (!sg_read_be32(r, &v))
		return false;
	*out = __builtin_bswap32(v);
	return true;
}

bool sg_read_be64(struct sg_reader *r, uint64_t *out)
{
	return read_be(r, 8, out);
}

bool sg_read_bytes(struct sg_reader *r, size_t len, const uint8_t **out)
{
	if (r->left < len)
		return false;
	*out = r->p;
	return sg_read_skip(r, len);
}

bool sg_read_skip(struct sg_reader *r, size_t len)
{
	if (r->left < len)
		return false;
	if (len) /* r->p may be NULL when nothing is left */
		r->p += len;
	r->left -= len;
	return true;
}

/* ---- the buffer ---- */

#define FIRST_CAPACITY 256

void sg_buf_init(struct sg_buf *b, size_t max)
{
	*b = (struct sg_buf){.max = max};
}

void sg_buf_reset(struct sg_buf *b)
{
	free(b->p);
	sg_buf_init(b, b->max);
}

static bool fail(struct sg_buf *b)
{
	b->failed = true;
	return false;
}

bool sg_buf_reserve(struct sg_buf *b, size_t more)
{
	if (b->failed)
		return false;
	if (more <= b->cap - b->len)
		return true;
	if (b->len > b->max || more > b->max - b->len)
		return fail(b);
	size_t want = b->len + more, cap = b->cap ? b->cap : FIRST_CAPACITY;
	while (cap < want)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (cap > b->max)
		cap = b->max;
	uint8_t *p = realloc(b->p, cap);
	if (!p)
		return fail(b);
	b->p = p;
	b->cap = cap;
	return true;
}

void sg_buf_append(struct sg_buf *b, const void *p, size_t len)
{
	if (!sg_buf_reserve(b, len) || len == 0)
		return;
	memcpy(b->p + b->len, p, len);
	b->len += len;
}

void sg_buf_puts(struct sg_buf *b, const char *z)
{
	sg_buf_append(b, z, strlen(z));
}

void sg_buf_printf(struct sg_buf *b, const char *fmt, ...)
{
	char small[256];
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (len < 0) {
		fail(b);
		return;
	}
	if ((size_t)len < sizeof(small)) {
		sg_buf_append(b, small, (size_t)len);
		return;
	}
	/* vsnprintf wants room for its NUL, which is not part of the buffer and may not fit in it. */
	char *large = malloc((size_t)len + 1);
	if (!large) {
		fail(b);
		return;
	}
	va_start(args, fmt);
	vsnprintf(large, (size_t)len + 1, fmt, args);
	va_end(args);
	sg_buf_append(b, large, (size_t)len);
	free(large);
}

void sg_buf_put_u8(struct sg_buf *b, uint8_t v)
{
	sg_buf_append(b, &v, 1);
}

void sg_buf_put_be16(struct sg_buf *b, uint16_t v)
{
	uint8_t raw[2];

	sg_put_be16(raw, v);
	sg_buf_append(b, raw, sizeof(raw));
}

void sg_buf_put_be24(struct sg_buf *b, uint32_t v)
{
	uint8_t raw[3];

	sg_put_be24(raw, v);
	sg_buf_append(b, raw, sizeof(raw));
}

void sg_buf_put_be32(struct sg_buf *b, uint32_t v)
{
	uint8_t raw[4];

	sg_put_be32(raw, v);
	sg_buf_append(b, raw, sizeof(raw));
}

void sg_buf_consume(struct sg_buf *b, size_t len)
{
	if (len > b->len)
		len = b->len;
	if (len == 0)
		return;
	memmove(b->p, b->p + len, b->len - len);
	b->len -= len;
}
