/* target.c - the request target, from outside to names that are safe to compare.
 *
 * The path is split at its slashes before it is decoded, and a segment that decodes to a slash, a
 * backslash, a dot segment or a control character is refused: what the routes compare is what was
 * meant, and nothing that is found later in a segment can move it to another folder. */
#include "http/http_internal.h"
#include <strings.h>

static bool has_bad_byte(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c < 0x20 || c == 0x7f || c == '/' || c == '\\')
			return true;
	}
	return false;
}

static bool is_dots(struct sg_str s)
{
	return sg_str_is(s, ".") || sg_str_is(s, "..");
}

/* Cuts "http://host:port" off an absolute form (RFC 9112 section 3.2.2). */
static struct sg_str without_authority(struct sg_str t)
{
	size_t start = 0;

	if (t.len >= 7 && !strncasecmp(t.p, "http://", 7))
		start = 7;
	else if (t.len >= 8 && !strncasecmp(t.p, "https://", 8))
		start = 8;
	else
		return t;
	while (start < t.len && t.p[start] != '/' && t.p[start] != '?')
		start++;
	return (struct sg_str){ t.p + start, t.len - start };
}

/* Decodes one segment to `out`; its length, or -1. */
static ssize_t decode_segment(char *out, struct sg_str raw)
{
	size_t len = raw.len;

	if (!memchr(raw.p, '%', raw.len)) {
		memcpy(out, raw.p, raw.len);
	} else {
		if (!sg_percent_decode(out, raw.len + 1, raw, false))
			return -1;
		len = strlen(out);
	}
	struct sg_str s = { out, len };
	return has_bad_byte(out, len) || is_dots(s) || !sg_str_is_utf8(s) ? -1 : (ssize_t)len;
}

enum sg_result http_target_parse(struct http_target *t, struct sg_str target, char *out)
{
	char *end = out;
	struct sg_str as_sent = target;

	*t = (struct http_target){ 0 };
	target = without_authority(target);
	bool is_absolute = target.p != as_sent.p;
	sg_str_cut(target, '?', &target, &t->query);
	if (sg_str_is(target, "*")) { /* OPTIONS * */
		*end++ = '*';
		t->path = (struct sg_str){ out, 1 };
		return SG_OK;
	}
	if (!target.len && is_absolute)
		target = SG_STR("/");
	if (!target.len || target.p[0] != '/' || memchr(target.p, '#', target.len))
		return SG_ERR_BAD_INPUT;
	for (size_t at = 0; at < target.len;) {
		const char *p = target.p + at + 1;
		size_t left = target.len - at - 1;
		const char *slash = memchr(p, '/', left);
		size_t len = slash ? (size_t)(slash - p) : left;

		if (t->segment_count == HTTP_SEGMENTS_MAX)
			return SG_ERR_LIMIT;
		*end++ = '/';
		ssize_t n = len ? decode_segment(end, (struct sg_str){ p, len }) : 0;
		if (n < 0)
			return SG_ERR_BAD_INPUT;
		t->segments[t->segment_count++] = (struct sg_str){ end, (size_t)n };
		end += n;
		at += 1 + len;
	}
	t->path = (struct sg_str){ out, (size_t)(end - out) };
	return SG_OK;
}
