/* url.h - URLs, paths and queries from outside (RFC 3986). Nothing here allocates. */
#ifndef SG_BASE_URL_H
#define SG_BASE_URL_H

#include "base/bytes.h"

struct sg_url {
	struct sg_str scheme, userinfo, host, port, path, query, fragment; /* undecoded slices */
	uint16_t port_number; /* 0 when none is written */
};
/* Splits scheme://[user@]host[:port][/path][?query][#fragment]. The host of "[::1]" has no
 * brackets. SRT's "?streamid=#!::..." is kept whole: for scheme "srt" a '#' does not start a
 * fragment. */
bool sg_url_parse(struct sg_str s, struct sg_url *out);

/* The URL as it may be shown: its scheme, host, port and the first part of its path. What comes after is
 * "[redacted]", for it may be a key; a user and a password are left out. */
void sg_url_show(char *out, size_t size, struct sg_str url);

/* Decodes %XX into `out` with a NUL; false on a bad escape, a decoded NUL, or no room.
 * `plus` makes '+' a blank (queries of forms). out may not overlap s. */
bool sg_percent_decode(char *out, size_t size, struct sg_str s, bool plus);
/* Escapes all but RFC 3986 unreserved characters. */
void sg_percent_encode(struct sg_buf *out, struct sg_str s);

/* Walks "a=b&c=d": false at the end. A key without '=' has value {NULL, 0}. Slices are
 * undecoded. */
bool sg_query_next(struct sg_str *rest, struct sg_str *key, struct sg_str *value);
/* The first value of `key`, decoded into `out`. SG_ERR_NOT_FOUND when absent,
 * SG_ERR_BAD_INPUT when it does not decode or does not fit. */
enum sg_result sg_query_get(struct sg_str query, const char *key, char *out, size_t size);

#endif
