/* fields.c - header fields: ranges, dates, entity tags, cookies, credentials, forwarded addresses. */
#include "http/http_internal.h"
#include <ctype.h>
#include <strings.h>
#include <time.h>

static struct sg_str trim(struct sg_str s)
{
	while (s.len && (*s.p == ' ' || *s.p == '\t'))
		s.p++, s.len--;
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool starts_nocase(struct sg_str s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && !strncasecmp(s.p, prefix, len);
}

/* ---- ranges ---- */

enum http_range http_range_parse(
    struct sg_str value, uint64_t size, uint64_t *offset, uint64_t *length)
{
	struct sg_str first, last;
	uint64_t from, to;

	value = trim(value);
	if (!starts_nocase(value, "bytes="))
		return HTTP_RANGE_NONE;
	value = (struct sg_str){ value.p + 6, value.len - 6 };
	/* Several ranges may be answered with the whole (RFC 9110 section 14.2). */
	if (memchr(value.p, ',', value.len) || !sg_str_cut(trim(value), '-', &first, &last))
		return HTTP_RANGE_NONE;
	if (!first.len) { /* the last N bytes */
		if (!sg_str_to_u64(last, UINT64_MAX, &to))
			return HTTP_RANGE_NONE;
		if (!to || !size)
			return HTTP_RANGE_UNSATISFIABLE;
		*length = to < size ? to : size;
		*offset = size - *length;
		return HTTP_RANGE_ONE;
	}
	if (!sg_str_to_u64(first, UINT64_MAX, &from))
		return HTTP_RANGE_NONE;
	to = UINT64_MAX;
	if (last.len && (!sg_str_to_u64(last, UINT64_MAX, &to) || to < from))
		return HTTP_RANGE_NONE;
	if (from >= size)
		return HTTP_RANGE_UNSATISFIABLE;
	if (to >= size)
		to = size - 1;
	*offset = from;
	*length = to - from + 1;
	return HTTP_RANGE_ONE;
}

/* ---- dates ---- */

bool http_date_parse(struct sg_str value, int64_t *out_s)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", /* IMF-fixdate */
		"%A, %d-%b-%y %H:%M:%S GMT", /* RFC 850 */
		"%a %b %d %H:%M:%S %Y",      /* asctime */
	};
	char text[64];

	value = trim(value);
	if (!value.len || !sg_str_copy(text, sizeof(text), value))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);
		if (end && !*end) {
			*out_s = timegm(&tm);
			return true;
		}
	}
	return false;
}

static char *put_two(char *at, int n)
{
	*at++ = (char)('0' + n / 10 % 10);
	*at++ = (char)('0' + n % 10);
	return at;
}

/* By hand: it is in each answer, and printf takes longer than all the rest of it. */
void http_date_format(char out[HTTP_DATE_SIZE], int64_t unix_s)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year > 8099 || tm.tm_year < 0)
		tm = (struct tm){ .tm_year = 70, .tm_mday = 1, .tm_wday = 4 };
	memcpy(out, days[tm.tm_wday], 3);
	memcpy(out + 3, ", ", 2);
	char *at = put_two(out + 5, tm.tm_mday);
	*at++ = ' ';
	at = mempcpy(at, months[tm.tm_mon], 3);
	*at++ = ' ';
	at = put_two(put_two(at, (tm.tm_year + 1900) / 100), tm.tm_year % 100);
	*at++ = ' ';
	at = put_two(at, tm.tm_hour);
	*at++ = ':';
	at = put_two(at, tm.tm_min);
	*at++ = ':';
	at = put_two(at, tm.tm_sec);
	memcpy(at, " GMT", sizeof(" GMT"));
}

/* ---- numbers ---- */

char *http_put_number(char *at, uint64_t n, unsigned base)
{
	char digits[20];
	size_t len = 0;

	do {
		digits[len++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	while (len)
		*at++ = digits[--len];
	*at = '\0';
	return at;
}

/* ---- entity tags ---- */

static struct sg_str without_weakness(struct sg_str tag)
{
	if (tag.len > 2 && tag.p[0] == 'W' && tag.p[1] == '/')
		return (struct sg_str){ tag.p + 2, tag.len - 2 };
	return tag;
}

bool http_etag_listed(struct sg_str list, struct sg_str etag)
{
	struct sg_str one;

	if (sg_str_is(trim(list), "*"))
		return true;
	/* Our own tags hold no comma, so cutting at each is enough to find them. */
	for (bool more = list.len > 0; more;) {
		more = sg_str_cut(list, ',', &one, &list);
		if (sg_str_equal(without_weakness(trim(one)), without_weakness(etag)))
			return true;
	}
	return false;
}

/* ---- cookies and credentials ---- */

struct sg_str http_cookie_find(struct sg_str header, const char *name)
{
	struct sg_str pair, key, value;

	for (bool more = header.len > 0; more;) {
		more = sg_str_cut(header, ';', &pair, &header);
		if (!sg_str_cut(trim(pair), '=', &key, &value) || !sg_str_is(key, name))
			continue;
		if (value.len >= 2 && value.p[0] == '"' && value.p[value.len - 1] == '"')
			value = (struct sg_str){ value.p + 1, value.len - 2 };
		return value;
	}
	return (struct sg_str){ 0 };
}

struct sg_str http_bearer(struct sg_str authorization)
{
	struct sg_str s = trim(authorization);

	if (!starts_nocase(s, "bearer "))
		return (struct sg_str){ 0 };
	s = trim((struct sg_str){ s.p + 7, s.len - 7 });
	return s.len ? s : (struct sg_str){ 0 };
}

/* ---- who is behind a proxy ---- */

static bool is_port(struct sg_str s)
{
	uint64_t port;

	return !s.len || (s.p[0] == ':' && sg_str_to_u64((struct sg_str){ s.p + 1, s.len - 1 }, 65535, &port));
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80". */
static bool parse_forwarded(struct sg_str s, struct sg_addr *out)
{
	struct sg_str host, rest;

	if (s.p[0] == '[')
		return sg_str_cut((struct sg_str){ s.p + 1, s.len - 1 }, ']', &host, &rest) && is_port(rest) &&
		       sg_addr_parse(host, out);
	if (sg_addr_parse(s, out))
		return true;
	host = (struct sg_str){ s.p, 0 };
	while (host.len < s.len && s.p[host.len] != ':')
		host.len++;
	return is_port((struct sg_str){ s.p + host.len, s.len - host.len }) && sg_addr_parse(host, out);
}

/* The last one of a list, which is cut off it; empty ones are none (RFC 9110 section 5.6.1). */
static struct sg_str take_last(struct sg_str *list)
{
	struct sg_str one = { 0 };

	while (list->len && !one.len) {
		size_t start = list->len;
		while (start && list->p[start - 1] != ',')
			start--;
		one = trim((struct sg_str){ list->p + start, list->len - start });
		list->len = start ? start - 1 : 0;
	}
	return one;
}

bool http_client_addr(struct sg_addr *client, const struct sg_str *forwarded_for, size_t count,
    const struct sg_cidr_list *trusted)
{
	for (; count; count--) {
		struct sg_str list = forwarded_for[count - 1], one;
		while (sg_cidr_list_has(trusted, client) && (one = take_last(&list)).len)
			if (!parse_forwarded(one, client))
				return false;
	}
	return true;
}
