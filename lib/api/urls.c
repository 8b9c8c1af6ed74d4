/* urls.c - the addresses at which a token opens its stream. */
#include "api/urls.h"
#include "base/url.h"
#include "net/interfaces.h"
#include <arpa/inet.h>
#include <stdio.h>

#define HOST_SIZE 264 /* a DNS name, or an address in brackets */

static uint16_t port_of(const struct sg_listen *l)
{
	const void *sa = &l->sa;

	return ntohs(l->sa.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
						 : ((const struct sockaddr_in *)sa)->sin_port);
}

static void put_addr(char out[HOST_SIZE], const struct sg_addr *a)
{
	char text[SG_ADDR_TEXT_SIZE];

	sg_addr_format(text, a);
	snprintf(out, HOST_SIZE, a->family == 6 ? "[%s]" : "%s", text);
}

/* The first address others could reach this machine at, IPv4 before IPv6; else localhost. */
static void machine_host(char out[HOST_SIZE])
{
	struct sg_addr first;

	if (sg_interface_addresses(&first, 1, 4, false) || sg_interface_addresses(&first, 1, 6, false))
		put_addr(out, &first);
	else
		snprintf(out, HOST_SIZE, "localhost");
}

static void public_host(const struct sg_config *cfg, const struct sg_listen *l, char out[HOST_SIZE])
{
	const struct sockaddr *sa = (const struct sockaddr *)&l->sa;
	struct sg_addr a = sg_addr_from_sockaddr(sa);
	struct sg_url url;

	if (cfg->public_url && sg_url_parse(sg_str_from(cfg->public_url), &url) && url.host.len &&
	    url.host.len < HOST_SIZE - 3)
		snprintf(out, HOST_SIZE, memchr(url.host.p, ':', url.host.len) ? "[%.*s]" : "%.*s",
		    SG_STR_ARG(url.host));
	else if (sg_addr_is_any(&a))
		machine_host(out);
	else
		put_addr(out, &a);
}

/* "scheme://host[:port]" of the first listener whose port is known beforehand, the port left out where
 * it is the scheme's own. False: there is none. */
static bool put_base(struct sg_buf *out, const struct sg_config *cfg,
    const struct sg_listen_list *list, const char *scheme, uint16_t usual_port)
{
	char host[HOST_SIZE];
	size_t i = 0;

	while (i < list->count && !port_of(&list->items[i]))
		i++;
	if (i == list->count)
		return false;
	public_host(cfg, &list->items[i], host);
	sg_buf_printf(out, "%s://%s", scheme, host);
	if (port_of(&list->items[i]) != usual_port)
		sg_buf_printf(out, ":%u", port_of(&list->items[i]));
	return true;
}

static bool put_http_base(struct sg_buf *out, const struct sg_config *cfg, const char *http_base)
{
	struct sg_str url = sg_str_from(cfg->public_url ? cfg->public_url : http_base);

	/* Where there is HTTPS, that is what others are told. */
	if (!cfg->public_url && (put_base(out, cfg, &cfg->http_tls_listen, "https", 443) ||
				    put_base(out, cfg, &cfg->http_listen, "http", 80)))
		return true;
	while (url.len && url.p[url.len - 1] == '/')
		url.len--;
	sg_buf_append(out, url.p, url.len);
	return url.len > 0;
}

static void take_url(json_t *urls, const char *name, struct sg_buf *url)
{
	if (!url->failed)
		json_object_set_new(urls, name, json_stringn((char *)url->p, url->len));
	if (url->p)
		sg_wipe(url->p, url->cap);
	url->len = 0;
}

/* WHIP's or WHEP's endpoint, and the sample page that uses it. */
static void put_webrtc(json_t *urls, struct sg_buf *url, const struct sg_config *cfg,
    const char *http_base, const struct sg_token *t, const char *token)
{
	const bool play = t->type == SG_PLAY;

	if (!put_http_base(url, cfg, http_base))
		return;
	sg_buf_printf(url, "/%s/%s.html?id=%s&token=%s", t->app, play ? "play" : "publish", t->stream,
	    token);
	take_url(urls, "webrtc", url);
	if (!put_http_base(url, cfg, http_base))
		return;
	sg_buf_printf(url, "/%s/%s/%s?token=%s", t->app, play ? "whep" : "whip", t->stream, token);
	take_url(urls, play ? "whep" : "whip", url);
}

json_t *api_urls(const struct sg_config *cfg, const char *http_base, struct api_served on,
    const struct sg_token *t, const char *token)
{
	static const char *const formats[][2] = {
	    {"hls", "m3u8"}, {"dash", "mpd"}, {"flv", "flv"}, {"ts", "ts"}, {"mp4", "mp4"}};
	json_t *urls = json_object();
	struct sg_buf url;

	if (!urls)
		return NULL;
	sg_buf_init(&url, 4096);
	/* One allocation: growing would leave copies of the token behind. */
	if (sg_buf_reserve(&url, 2048)) {
		if (on.rtmp && put_base(&url, cfg, &cfg->rtmp_listen, "rtmp", 1935)) {
			sg_buf_printf(&url, "/%s/%s?token=%s", t->app, t->stream, token);
			take_url(urls, "rtmp", &url);
		}
		if (on.rtmp && put_base(&url, cfg, &cfg->rtmp_tls_listen, "rtmps", 443)) {
			sg_buf_printf(&url, "/%s/%s?token=%s", t->app, t->stream, token);
			take_url(urls, "rtmps", &url);
		}
		if (on.srt && put_base(&url, cfg, &cfg->srt_listen, "srt", 0)) {
			sg_buf_printf(&url, "?streamid=#!::r=%s/%s,m=%s,token=%s", t->app, t->stream,
			    t->type == SG_PUBLISH ? "publish" : "request", token);
			take_url(urls, "srt", &url);
		}
		for (size_t i = 0; t->type == SG_PLAY && i < sizeof(formats) / sizeof(formats[0]); i++) {
			if (!put_http_base(&url, cfg, http_base))
				break;
			sg_buf_printf(&url, "/%s/streams/%s.%s?token=%s", t->app, t->stream,
			    formats[i][1], token);
			take_url(urls, formats[i][0], &url);
		}
		if (on.webrtc)
			put_webrtc(urls, &url, cfg, http_base, t, token);
	}
	sg_buf_reset(&url);
	return urls;
}
