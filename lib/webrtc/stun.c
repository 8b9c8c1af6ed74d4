/* stun.c - STUN messages. */
#include "webrtc/stun.h"
#include "base/text.h"
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define COOKIE 0x2112a442u
#define FINGERPRINT_XOR 0x5354554eu
#define INTEGRITY_BYTES 20
#define USERNAME_MAX 513 /* RFC 8489 section 14.3: fewer than 509 bytes; ICE's are at most 513 */

enum attribute {
	ATTR_MAPPED_ADDRESS = 0x0001,
	ATTR_USERNAME = 0x0006,
	ATTR_MESSAGE_INTEGRITY = 0x0008,
	ATTR_ERROR_CODE = 0x0009,
	ATTR_UNKNOWN_ATTRIBUTES = 0x000a,
	ATTR_XOR_MAPPED_ADDRESS = 0x0020,
	ATTR_PRIORITY = 0x0024,
	ATTR_USE_CANDIDATE = 0x0025,
	ATTR_FINGERPRINT = 0x8028,
	ATTR_ICE_CONTROLLED = 0x8029,
	ATTR_ICE_CONTROLLING = 0x802a,
};

static const uint8_t cookie[4] = { 0x21, 0x12, 0xa4, 0x42 };

/* ITU V.42's, as RFC 8489 section 14.7 asks; messages are short, so four bits at a time will do. */
static uint32_t crc32_of(const uint8_t *p, size_t len)
{
	static const uint32_t step[16] = { 0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190,
		0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c };
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		crc = (crc >> 4) ^ step[crc & 15];
		crc = (crc >> 4) ^ step[crc & 15];
	}
	return ~crc;
}

/* HMAC-SHA1 over the first `len` bytes, with the header's length field as if the message ended
 * `behind` bytes later: the attribute itself counts (section 14.5). */
static bool integrity_of(
    uint8_t out[INTEGRITY_BYTES], const uint8_t *p, size_t len, size_t behind, struct sg_str password)
{
	uint8_t copy[SG_STUN_MAX_BYTES];
	unsigned size = INTEGRITY_BYTES;

	if (len > sizeof(copy))
		return false;
	memcpy(copy, p, len);
	sg_put_be16(copy + 2, (uint16_t)(len + behind - SG_STUN_HEADER_BYTES));
	return HMAC(EVP_sha1(), password.p, (int)password.len, copy, len, out, &size) != NULL;
}

bool sg_stun_is(const uint8_t *p, size_t len)
{
	return len >= SG_STUN_HEADER_BYTES && p[0] < 4 && memcmp(p + 4, cookie, sizeof(cookie)) == 0;
}

/* ---- reading ---- */

static bool read_mapped(struct sg_stun *out, struct sg_reader r)
{
	uint8_t zero, family;
	uint16_t port;
	const uint8_t *address;

	if (!sg_read_u8(&r, &zero) || !sg_read_u8(&r, &family) || !sg_read_be16(&r, &port))
		return false;
	size_t size = family == 1 ? 4 : family == 2 ? 16 : 0;
	if (!size || r.left != size || !sg_read_bytes(&r, size, &address))
		return false;
	port ^= COOKIE >> 16;
	uint8_t plain[16];
	for (size_t i = 0; i < size; i++)
		plain[i] = address[i] ^ (i < 4 ? cookie[i] : out->transaction[i - 4]);
	if (family == 1) {
		struct sockaddr_in *sa = (struct sockaddr_in *)&out->mapped;
		sa->sin_family = AF_INET;
		sa->sin_port = htons(port);
		memcpy(&sa->sin_addr, plain, 4);
	} else {
		struct sockaddr_in6 *sa = (struct sockaddr_in6 *)&out->mapped;
		sa->sin6_family = AF_INET6;
		sa->sin6_port = htons(port);
		memcpy(&sa->sin6_addr, plain, 16);
	}
	return true;
}

static bool read_error(struct sg_stun *out, struct sg_reader r)
{
	uint16_t zero;
	uint8_t class, number;

	if (!sg_read_be16(&r, &zero) || !sg_read_u8(&r, &class) || !sg_read_u8(&r, &number))
		return false;
	out->error_code = (uint16_t)((class & 7) * 100 + number);
	return true;
}

static bool read_tie_breaker(struct sg_stun *out, struct sg_reader r)
{
	return r.left == 8 && sg_read_be64(&r, &out->tie_breaker);
}

static bool read_attribute(struct sg_stun *out, uint16_t type, struct sg_reader value)
{
	switch (type) {
	case ATTR_USERNAME:
		if (value.left > USERNAME_MAX)
			return false;
		out->username = (struct sg_str){ (const char *)value.p, value.left };
		return true;
	case ATTR_PRIORITY:
		out->has_priority = true;
		return value.left == 4 && sg_read_be32(&value, &out->priority);
	case ATTR_USE_CANDIDATE:
		out->use_candidate = true;
		return value.left == 0;
	case ATTR_ICE_CONTROLLED:
		out->controlled = true;
		return read_tie_breaker(out, value);
	case ATTR_ICE_CONTROLLING:
		out->controlling = true;
		return read_tie_breaker(out, value);
	case ATTR_XOR_MAPPED_ADDRESS:
		return read_mapped(out, value);
	case ATTR_ERROR_CODE:
		return read_error(out, value);
	case ATTR_MAPPED_ADDRESS:
	case ATTR_UNKNOWN_ATTRIBUTES:
		return true;
	default:
		/* The upper half may be passed over (section 14). */
		if (type < 0x8000 && out->unknown_count < SG_STUN_UNKNOWN_MAX)
			out->unknown[out->unknown_count++] = type;
		return true;
	}
}

static bool fingerprint_is_right(const uint8_t *p, size_t at, struct sg_reader value)
{
	uint32_t given;

	return value.left == 4 && sg_read_be32(&value, &given) &&
	       given == (crc32_of(p, at) ^ FINGERPRINT_XOR);
}

static bool read_attributes(struct sg_stun *out, const uint8_t *p, struct sg_reader r)
{
	while (r.left) {
		size_t at = (size_t)(r.p - p);
		uint16_t type, len;
		const uint8_t *value;
		if (!sg_read_be16(&r, &type) || !sg_read_be16(&r, &len) || !sg_read_bytes(&r, len, &value) ||
		    !sg_read_skip(&r, -(size_t)len & 3))
			return false;
		struct sg_reader v = { value, len };
		if (type == ATTR_FINGERPRINT) { /* the last one */
			out->has_fingerprint = fingerprint_is_right(p, at, v);
			return out->has_fingerprint && !r.left;
		}
		if (out->integrity_at)
			continue; /* not protected: not looked at */
		if (type == ATTR_MESSAGE_INTEGRITY) {
			if (len != INTEGRITY_BYTES)
				return false;
			out->integrity_at = at;
		} else if (!read_attribute(out, type, v)) {
			return false;
		}
	}
	return true;
}

bool sg_stun_parse(struct sg_stun *out, const uint8_t *p, size_t len)
{
	struct sg_reader r = { p, len };
	uint16_t type, length;

	*out = (struct sg_stun){ 0 };
	if (!sg_stun_is(p, len) || len > SG_STUN_MAX_BYTES || !sg_read_be16(&r, &type) ||
	    !sg_read_be16(&r, &length) || length != len - SG_STUN_HEADER_BYTES || length & 3)
		return false;
	/* Section 5: the class's two bits stand among the method's. */
	out->class = (enum sg_stun_class)((type >> 4 & 1) | (type >> 7 & 2));
	out->method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
	sg_read_skip(&r, sizeof(cookie));
	sg_read_bytes(&r, SG_STUN_TRANSACTION_BYTES, &out->transaction);
	return read_attributes(out, p, r);
}

bool sg_stun_is_from(const struct sg_stun *m, const uint8_t *p, struct sg_str password)
{
	uint8_t want[INTEGRITY_BYTES];

	return m->integrity_at && integrity_of(want, p, m->integrity_at, 4 + INTEGRITY_BYTES, password) &&
	       sg_equal_constant_time(want, p + m->integrity_at + 4, INTEGRITY_BYTES);
}

/* ---- writing ---- */

void sg_stun_begin(struct sg_stun_writer *w, enum sg_stun_class class,
    const uint8_t transaction[SG_STUN_TRANSACTION_BYTES])
{
	w->failed = false;
	w->len = SG_STUN_HEADER_BYTES;
	sg_put_be16(w->p, (uint16_t)(SG_STUN_BINDING | (class & 1) << 4 | (class & 2) << 7));
	sg_put_be16(w->p + 2, 0);
	memcpy(w->p + 4, cookie, sizeof(cookie));
	memcpy(w->p + 8, transaction, SG_STUN_TRANSACTION_BYTES);
}

/* Room for an attribute of `len` bytes; the padding is zeros. NULL: no room. */
static uint8_t *put(struct sg_stun_writer *w, enum attribute type, size_t len)
{
	size_t padded = (len + 3) & ~(size_t)3;

	if (w->failed || padded + 4 > sizeof(w->p) - w->len) {
		w->failed = true;
		return NULL;
	}
	uint8_t *p = w->p + w->len;
	sg_put_be16(p, (uint16_t)type);
	sg_put_be16(p + 2, (uint16_t)len);
	memset(p + 4, 0, padded);
	w->len += 4 + padded;
	return p + 4;
}

void sg_stun_put_username(struct sg_stun_writer *w, struct sg_str username)
{
	uint8_t *p = put(w, ATTR_USERNAME, username.len);

	if (p)
		memcpy(p, username.p, username.len);
}

void sg_stun_put_priority(struct sg_stun_writer *w, uint32_t priority)
{
	uint8_t *p = put(w, ATTR_PRIORITY, 4);

	if (p)
		sg_put_be32(p, priority);
}

void sg_stun_put_role(struct sg_stun_writer *w, bool controlling, uint64_t tie_breaker)
{
	uint8_t *p = put(w, controlling ? ATTR_ICE_CONTROLLING : ATTR_ICE_CONTROLLED, 8);

	if (!p)
		return;
	sg_put_be32(p, (uint32_t)(tie_breaker >> 32));
	sg_put_be32(p + 4, (uint32_t)tie_breaker);
}

void sg_stun_put_use_candidate(struct sg_stun_writer *w)
{
	put(w, ATTR_USE_CANDIDATE, 0);
}

void sg_stun_put_mapped(struct sg_stun_writer *w, const struct sockaddr *sa)
{
	bool v6 = sa->sa_family == AF_INET6;
	const void *address = v6 ? (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr
				 : (const void *)&((const struct sockaddr_in *)sa)->sin_addr;
	uint16_t port = ntohs(v6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
				 : ((const struct sockaddr_in *)sa)->sin_port);
	size_t size = v6 ? 16 : 4;
	uint8_t *p = put(w, ATTR_XOR_MAPPED_ADDRESS, 4 + size);

	if (!p)
		return;
	p[1] = v6 ? 2 : 1;
	sg_put_be16(p + 2, (uint16_t)(port ^ COOKIE >> 16));
	memcpy(p + 4, address, size);
	for (size_t i = 0; i < size; i++) /* cookie and transaction stand in a row */
		p[4 + i] ^= w->p[4 + i];
}

void sg_stun_put_error(struct sg_stun_writer *w, uint16_t code, const char *reason)
{
	size_t len = strlen(reason);
	uint8_t *p = put(w, ATTR_ERROR_CODE, 4 + len);

	if (!p)
		return;
	p[2] = (uint8_t)(code / 100);
	p[3] = (uint8_t)(code % 100);
	memcpy(p + 4, reason, len);
}

void sg_stun_put_unknown(struct sg_stun_writer *w, const uint16_t *types, size_t count)
{
	uint8_t *p = put(w, ATTR_UNKNOWN_ATTRIBUTES, 2 * count);

	for (size_t i = 0; p && i < count; i++)
		sg_put_be16(p + 2 * i, types[i]);
}

static void set_length(struct sg_stun_writer *w)
{
	sg_put_be16(w->p + 2, (uint16_t)(w->len - SG_STUN_HEADER_BYTES));
}

bool sg_stun_finish(struct sg_stun_writer *w, struct sg_str password)
{
	size_t at = w->len;
	uint8_t *p;

	if (password.p) {
		p = put(w, ATTR_MESSAGE_INTEGRITY, INTEGRITY_BYTES);
		if (!p || !integrity_of(p, w->p, at, 4 + INTEGRITY_BYTES, password))
			w->failed = true;
	}
	at = w->len;
	p = put(w, ATTR_FINGERPRINT, 4);
	set_length(w);
	if (p)
		sg_put_be32(p, crc32_of(w->p, at) ^ FINGERPRINT_XOR);
	return !w->failed;
}
