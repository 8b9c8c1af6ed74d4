/* text.h - encodings, hashes and the small texts that people type: durations, times,
 * identifiers. Thread-agnostic. */
#ifndef SG_BASE_TEXT_H
#define SG_BASE_TEXT_H

#include "base/bytes.h"

/* RFC 4648 base64url without padding. `out` holds SG_BASE64URL_SIZE(len) bytes, NUL included. */
#define SG_BASE64URL_SIZE(len) (((len) * 4 + 2) / 3 + 1)
void sg_base64url_encode(char *out, const uint8_t *p, size_t len);
/* Exactly `len` bytes, or false: other characters, other length, non-zero trailing bits. */
bool sg_base64url_decode(uint8_t *out, size_t len, struct sg_str text);

/* RFC 4648 base32hex, lower case, no padding: 64 bits are 13 characters that sort as the
 * numbers do. */
#define SG_ID_TEXT_SIZE 14
void sg_id_format(char out[SG_ID_TEXT_SIZE], uint64_t id);
bool sg_id_parse(struct sg_str text, uint64_t *id);

void sg_hex_encode(char *out, const uint8_t *p, size_t len); /* 2*len + 1 bytes, lower case */

#define SG_SHA256_BYTES 32
void sg_sha256(uint8_t out[SG_SHA256_BYTES], const void *p, size_t len);
void sg_hmac_sha256(uint8_t out[SG_SHA256_BYTES], const void *key, size_t key_len, const void *p,
    size_t len);
/* FNV-1a, 64 bits, going on from `h`: tells things apart, and hides nothing. */
#define SG_FNV1A_START UINT64_C(0xcbf29ce484222325)
uint64_t sg_fnv1a(uint64_t h, const void *p, size_t len);
bool sg_equal_constant_time(const void *a, const void *b, size_t len);
void sg_wipe(void *p, size_t len); /* not removed by the optimizer */
/* Fills from the kernel (getrandom); aborts the program when the kernel refuses, since
 * nothing safe can be done then. */
void sg_random(void *out, size_t len);

/* "30s", "15m", "2h", "7d", "350ms", "0": whole numbers with a unit (a bare number only
 * when it is 0). Result in milliseconds, at most 100 years. */
bool sg_duration_parse(struct sg_str s, int64_t *out_ms);
/* The shortest exact form of the same, such as "7d" or "90s"; a single day is "24h", nothing is
 * "0s"; `size` at least 24. */
void sg_duration_format(char *out, size_t size, int64_t ms);
/* RFC 3339 ("2026-11-24T10:00:00Z", offsets, fraction dropped) or Unix seconds. */
bool sg_time_parse(struct sg_str s, int64_t *out_s);
#define SG_TIME_TEXT_SIZE 32
void sg_time_format(char out[SG_TIME_TEXT_SIZE], int64_t unix_s);       /* RFC 3339, UTC, "Z" */
void sg_time_format_ms(char out[SG_TIME_TEXT_SIZE], int64_t unix_ms);   /* with milliseconds */

/* INTERFACE.md section 1. */
#define SG_APP_MAX 32
#define SG_STREAM_MAX 128
bool sg_app_is_valid(struct sg_str s);    /* [A-Za-z0-9_-]{1,32} */
bool sg_stream_is_valid(struct sg_str s); /* [A-Za-z0-9._-]{1,128}, no leading dot */

/* For "did you mean": the candidate nearest to `word` (edit distance at most 3 and at
 * most half of the longer word, case apart), or NULL. */
const char *sg_nearest(struct sg_str word, const char *const *candidates, size_t count);

#endif
