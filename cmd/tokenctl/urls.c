/* urls.c - the addresses at which a token opens its stream (INTERFACE section 4). */
#include "tokenctl.h"
#include "base/url.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>

#define HOST_SIZE 264 /* a DNS name, or an address in brackets */

static uint16_t listen_port(const struct sg_listen *l)
{
	if (l->sa.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)&l->sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)(const void *)&l->sa)->sin_port);
}

static bool is_any(const struct sg_listen *l)
{
	struct sg_addr a = sg_addr_from_sockaddr((const struct sockaddr *)&l->sa);
	static const uint8_t zero[16];

	return !memcmp(a.bytes, zero, sizeof(zero));
}

/* The first address others could reach this machine at, IPv4 before IPv6; else localhost. */
static void machine_host(char out[HOST_SIZE])
{
	struct ifaddrs *all = NULL;
	char text[SG_ADDR_TEXT_SIZE];
	bool found = false;

	snprintf(out, HOST_SIZE, "localhost");
	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & (IFF_UP | IFF_RUNNING | IFF_LOOPBACK)) !=
			(IFF_UP | IFF_RUNNING))
			continue;
		struct sg_addr a = sg_addr_from_sockaddr(i->ifa_addr);
		sg_addr_format(text, &a);
		snprintf(out, HOST_SIZE, "%s", text);
		found = true;
	}
	for (const struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET6 ||
		    (i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP) ||
		    IN6_IS_ADDR_LINKLOCAL(
			&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr))
			continue;
		struct sg_addr a = sg_addr_from_sockaddr(i->ifa_addr);
		sg_addr_format(text, &a);
		snprintf(out, HOST_SIZE, "[%s]", text);
		found = true;
	}
	freeifaddrs(all);
}

/* The host that others are told: public_url's, else the listener's own. */
static void public_host(const struct sg_config *cfg, const struct sg_listen *l, char out[HOST_SIZE])
{
	struct sg_url url;
	char text[SG_ADDR_TEXT_SIZE];

	if (cfg->public_url && sg_url_parse(sg_str_from(cfg->public_url), &url) && url.host.len &&
	    url.host.len < HOST_SIZE - 3) {
		bool v6 = memchr(url.host.p, ':', url.host.len) != NULL;
		snprintf(
		    out, HOST_SIZE, "%s%.*s%s", v6 ? "[" : "", SG_STR_ARG(url.host), v6 ? "]" : "");
		return;
	}
	if (is_any(l)) {
		machine_host(out);
		return;
	}
	struct sg_addr a = sg_addr_from_sockaddr((const struct sockaddr *)&l->sa);
	sg_addr_format(text, &a);
	snprintf(out, HOST_SIZE, a.family == 6 ? "[%s]" : "%s", text);
}

/* The first listener whose port is known beforehand; NULL = there is no URL to print. */
static const struct sg_listen *usable(const struct sg_listen_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (listen_port(&list->items[i]))
			return &list->items[i];
	return NULL;
}

/* "scheme://host[:port]", the port left out where it is the scheme's own. */
static bool put_base(struct sg_buf *out, const struct sg_config *cfg,
    const struct sg_listen_list *list, const char *scheme, uint16_t usual_port)
{
	const struct sg_listen *l = usable(list);
	char host[HOST_SIZE];

	if (!l)
		return false;
	public_host(cfg, l, host);
	sg_buf_printf(out, "%s://%s", scheme, host);
	if (listen_port(l) != usual_port)
		sg_buf_printf(out, ":%u", listen_port(l));
	return true;
}

static bool put_http_base(struct sg_buf *out, const struct sg_config *cfg)
{
	if (cfg->public_url) {
		struct sg_str url = sg_str_from(cfg->public_url);
		while (url.len && url.p[url.len - 1] == '/')
			url.len--;
		sg_buf_append(out, url.p, url.len);
		return true;
	}
	return put_base(out, cfg, &cfg->http_listen, "http", 80) ||
	       put_base(out, cfg, &cfg->http_tls_listen, "https", 443);
}

static void take_url(json_t *urls, const char *name, struct sg_buf *url)
{
	if (!url->failed)
		json_object_set_new(urls, name, json_stringn((char *)url->p, url->len));
	if (url->p)
		sg_wipe(url->p, url->cap);
	url->len = 0;
}

static void add_rtmp(json_t *urls, const struct sg_config *cfg, const struct sg_token *t,
    const char *token, struct sg_buf *url)
{
	if (put_base(url, cfg, &cfg->rtmp_listen, "rtmp", 1935)) {
		sg_buf_printf(url, "/%s/%s?token=%s", t->app, t->stream, token);
		take_url(urls, "rtmp", url);
	}
	if (put_base(url, cfg, &cfg->rtmp_tls_listen, "rtmps", 443)) {
		sg_buf_printf(url, "/%s/%s?token=%s", t->app, t->stream, token);
		take_url(urls, "rtmps", url);
	}
}

static void add_http(json_t *urls, const struct sg_config *cfg, const struct sg_token *t,
    const char *token, struct sg_buf *url)
{
	static const char *const formats[][2] = {{"hls", "m3u8"}, {"flv", "flv"}, {"ts", "ts"}};

	for (size_t i = 0; t->type == SG_PLAY && i < 3 && put_http_base(url, cfg); i++) {
		sg_buf_printf(
		    url, "/%s/streams/%s.%s?token=%s", t->app, t->stream, formats[i][1], token);
		take_url(urls, formats[i][0], url);
	}
	if (usable(&cfg->webrtc_listen) && put_http_base(url, cfg)) {
		const char *name = t->type == SG_PUBLISH ? "whip" : "whep";
		sg_buf_printf(url, "/%s/%s/%s?token=%s", t->app, name, t->stream, token);
		take_url(urls, name, url);
	}
}

json_t *ctl_urls(const struct sg_config *cfg, const struct sg_token *t, const char *token)
{
	json_t *urls = json_object();
	struct sg_buf url;

	if (!urls)
		return NULL;
	sg_buf_init(&url, 4096);
	if (sg_buf_reserve(&url, 1024)) {
		add_rtmp(urls, cfg, t, token, &url);
		if (put_base(&url, cfg, &cfg->srt_listen, "srt", 0)) {
			sg_buf_printf(&url, "?streamid=#!::r=%s/%s,m=%s,token=%s", t->app,
			    t->stream, t->type == SG_PUBLISH ? "publish" : "request", token);
			take_url(urls, "srt", &url);
		}
		add_http(urls, cfg, t, token, &url);
	}
	sg_buf_reset(&url);
	return urls;
}
