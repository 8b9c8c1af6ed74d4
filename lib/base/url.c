/* url.c - URLs, paths and queries from outside. */
#include "base/url.h"
#include "base/log.h"
#include <stdio.h>

static bool is_alpha(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 3986, section 2.3. */
static bool is_unreserved(char c)
{
	return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static struct sg_str slice(struct sg_str s, size_t from, size_t to)
{
	return (struct sg_str){s.p + from, to - from};
}

/* Up to the first character of `set`, or to the end. */
static size_t span_before(struct sg_str s, size_t from, const char *set)
{
	while (from < s.len && (s.p[from] == 0 || !strchr(set, s.p[from])))
		from++;
	return from;
}

/* ---- splitting ---- */

/* RFC 3986, section 3.1; answers the length, 0 when there is none. */
static size_t scheme_length(struct sg_str s)
{
	size_t n = 0;

	if (s.len == 0 || !is_alpha(s.p[0]))
		return 0;
	while (
	    n < s.len && (is_alpha(s.p[n]) || is_digit(s.p[n]) || strchr("+-.", s.p[n]) != NULL)) {
		if (s.p[n] == 0)
			return 0;
		n++;
	}
	return n;
}

static bool host_is_valid(struct sg_str host, bool literal)
{
	if (host.len == 0)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.p[i];
		if (literal ? !(is_unreserved(c) || c == ':' || c == '%')
			    : c == ':' || (c != 0 && strchr("[]<>\"\\^`{|}#", c)))
			return false;
	}
	return true;
}

/* [user@]host[:port], RFC 3986, section 3.2. */
static bool split_authority(struct sg_str a, struct sg_url *u)
{
	struct sg_str head, tail;
	size_t end;

	if (sg_str_cut(a, '@', &head, &tail)) {
		u->userinfo = head;
		a = tail;
		/* A second '@' is where readers disagree about which part is the host. */
		if (memchr(a.p, '@', a.len))
			return false;
	}
	bool literal = a.len > 0 && a.p[0] == '[';
	if (literal) {
		end = span_before(a, 1, "]");
		if (end == a.len)
			return false;
		u->host = slice(a, 1, end);
		end++;
	} else {
		end = span_before(a, 0, ":");
		u->host = slice(a, 0, end);
	}
	if (!host_is_valid(u->host, literal) || (end < a.len && a.p[end] != ':'))
		return false;
	if (end < a.len)
		u->port = slice(a, end + 1, a.len);
	if (u->port.len == 0)
		return true;
	uint64_t port;
	if (!sg_str_to_u64(u->port, 65535, &port) || port == 0)
		return false;
	u->port_number = (uint16_t)port;
	return true;
}

/* /path?query#fragment, all of it optional. */
static void split_rest(struct sg_str s, bool fragments, struct sg_url *u)
{
	size_t end = span_before(s, 0, fragments ? "?#" : "?");

	u->path = slice(s, 0, end);
	if (end < s.len && s.p[end] == '?') {
		size_t start = end + 1;
		end = fragments ? span_before(s, start, "#") : s.len;
		u->query = slice(s, start, end);
	}
	if (end < s.len)
		u->fragment = slice(s, end + 1, s.len);
}

bool sg_url_parse(struct sg_str s, struct sg_url *out)
{
	struct sg_url u = {0};
	size_t n = scheme_length(s);

	if (n == 0 || s.len - n < 3 || memcmp(s.p + n, "://", 3) != 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	u.scheme = slice(s, 0, n);
	/* SRT's access control begins its stream id with "#!::", unescaped more often than not. */
	bool fragments = !sg_str_equal_nocase(u.scheme, SG_STR("srt"));
	size_t end = span_before(s, n + 3, fragments ? "/?#" : "/?");
	if (!split_authority(slice(s, n + 3, end), &u))
		return false;
	split_rest(slice(s, end, s.len), fragments, &u);
	*out = u;
	return true;
}

/* ---- percent encoding (RFC 3986, section 2.1) ---- */

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool sg_percent_decode(char *out, size_t size, struct sg_str s, bool plus)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		if (c == '%') {
			int high = i + 2 < s.len ? hex_value(s.p[i + 1]) : -1;
			int low = i + 2 < s.len ? hex_value(s.p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == 0 || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	if (n >= size)
		return false;
	out[n] = 0;
	return true;
}

void sg_percent_encode(struct sg_buf *out, struct sg_str s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.p[i];
		char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
		if (is_unreserved(s.p[i]))
			sg_buf_put_u8(out, c);
		else
			sg_buf_append(out, escape, sizeof(escape));
	}
}

/* ---- queries ---- */

bool sg_query_next(struct sg_str *rest, struct sg_str *key, struct sg_str *value)
{
	struct sg_str pair, tail;

	while (rest->len) {
		sg_str_cut(*rest, '&', &pair, &tail);
		*rest = tail;
		if (pair.len == 0)
			continue;
		sg_str_cut(pair, '=', key, value);
		return true;
	}
	return false;
}

/* Escaped or not: "%74oken" is "token". */
static bool key_is(struct sg_str written, const char *key)
{
	char plain[64];

	return sg_percent_decode(plain, sizeof(plain), written, true) && strcmp(plain, key) == 0;
}

enum sg_result sg_query_get(struct sg_str query, const char *key, char *out, size_t size)
{
	struct sg_str k, v;

	while (sg_query_next(&query, &k, &v))
		if (key_is(k, key))
			return sg_percent_decode(out, size, v, true) ? SG_OK : SG_ERR_BAD_INPUT;
	return SG_ERR_NOT_FOUND;
}

void sg_url_show(char *out, size_t size, struct sg_str url)
{
	struct sg_url u;
	struct sg_str first, rest;

	if (!sg_url_parse(url, &u)) {
		snprintf(out, size, SG_REDACTED);
		return;
	}
	bool v6 = memchr(u.host.p, ':', u.host.len);
	int n = snprintf(out, size, v6 ? "%.*s://[%.*s]" : "%.*s://%.*s", SG_STR_ARG(u.scheme),
	    SG_STR_ARG(u.host));
	if (n >= 0 && (size_t)n < size && u.port.len)
		n += snprintf(out + n, size - (size_t)n, ":%.*s", SG_STR_ARG(u.port));
	if (u.path.len)
		u.path = (struct sg_str){u.path.p + 1, u.path.len - 1};
	bool more = sg_str_cut(u.path, '/', &first, &rest) && rest.len;
	if (!more && !u.query.len && !u.fragment.len) /* it may be a key where nothing else is */
		more = first.len > 0, first.len = 0;
	if (n >= 0 && (size_t)n < size && first.len)
		n += snprintf(out + n, size - (size_t)n, "/%.*s", SG_STR_ARG(first));
	if (n >= 0 && (size_t)n < size && (more || u.query.len || u.fragment.len))
		snprintf(out + n, size - (size_t)n, "/" SG_REDACTED);
}
