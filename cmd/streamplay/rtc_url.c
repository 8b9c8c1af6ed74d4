/* rtc_url.c - URLs of WebRTC. */
#include "rtc.h"
#include "base/text.h"
#include "base/url.h"
#include <stdio.h>
#include <string.h>

static const struct {
	const char *scheme, *http;
	enum rtc_way way;
} table[] = {
    {"whep+http", "http", RTC_HTTP},
    {"whep+https", "https", RTC_HTTP},
    {"whip+http", "http", RTC_HTTP},
    {"whip+https", "https", RTC_HTTP},
    {"webrtc", "http", RTC_SOCKET},
    {"webrtcs", "https", RTC_SOCKET},
    {"http", "http", RTC_HTTP}, /* .../APP/whep/S alone */
    {"https", "https", RTC_HTTP},
};

/* "/APP/whep/S", as it stands in the links that are handed out. */
static bool is_whep(struct sg_str path)
{
	size_t end = path.len;

	while (end && path.p[end - 1] != '/')
		end--;
	return end < path.len && end >= 6 && !strncmp(path.p + end - 6, "/whep/", 6);
}

static int row_of(const char *url, struct sg_url *u)
{
	if (sg_url_parse(sg_str_from(url), u))
		for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
			if (sg_str_equal_nocase(u->scheme, sg_str_from(table[i].scheme)))
				return *table[i].scheme != 'h' || is_whep(u->path) ? (int)i : -1;
	return -1;
}

enum rtc_way rtc_way(const char *url)
{
	struct sg_url u;
	int row = row_of(url, &u);

	return row < 0 ? RTC_NONE : table[row].way;
}

char *rtc_endpoint(const char *url, char *stream, size_t stream_size)
{
	struct sg_url u;
	struct sg_buf b;
	int row = row_of(url, &u);
	char *out = NULL;

	if (row < 0)
		return NULL;
	sg_buf_init(&b, 16384);
	sg_buf_puts(&b, table[row].http);
	if (table[row].way == RTC_HTTP) {
		sg_buf_puts(&b, url + u.scheme.len);
	} else {
		/* "/APP/S" */
		struct sg_str path = u.path, app, id;
		if (path.len)
			path.p++, path.len--;
		if (!sg_str_cut(path, '/', &app, &id) || !app.len || !id.len ||
		    !sg_percent_decode(stream, stream_size, id, false)) {
			sg_buf_reset(&b);
			return NULL;
		}
		sg_buf_puts(&b, "://");
		sg_buf_append(&b, u.host.p - (u.host.p[-1] == '['),
		    (size_t)(u.path.p - u.host.p) + (u.host.p[-1] == '['));
		sg_buf_printf(&b, "/%.*s/websocket", SG_STR_ARG(app));
	}
	if (!b.failed)
		out = sg_str_dup((struct sg_str){(char *)b.p, b.len});
	if (b.p)
		sg_wipe(b.p, b.len);
	sg_buf_reset(&b);
	return out;
}

void rtc_token_of(const char *url, char *out, size_t size)
{
	struct sg_url u;

	if (!sg_url_parse(sg_str_from(url), &u) ||
	    sg_query_get(u.query, "token", out, size) != SG_OK)
		*out = '\0';
}
