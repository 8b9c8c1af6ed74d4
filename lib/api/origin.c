/* origin.c - what a browser must show before its cookie counts.
 *
 * Two attacks are kept out. DNS rebinding: a stranger's page whose name now points here is same-origin
 * to itself, but its Host is a name that is not ours. Forged requests: a stranger's page makes the
 * browser send our cookie, but cannot send our header, nor say that it is our page. */
#include "api/api_internal.h"
#include "base/url.h"

/* "host", "host:port", "[v6]:port" without its port. */
static struct sg_str name_of(struct sg_str host)
{
	struct sg_str name, rest;

	if (host.len && host.p[0] == '[') {
		bool closed = sg_str_cut(
		    (struct sg_str){host.p + 1, host.len - 1}, ']', &name, &rest);
		return closed ? name : (struct sg_str){0};
	}
	sg_str_cut(host, ':', &name, &rest);
	return name;
}

static struct sg_str without_dot(struct sg_str name)
{
	if (name.len && name.p[name.len - 1] == '.')
		name.len--;
	return name;
}

bool api_host_is_known(struct sg_str host, const char *public_url)
{
	struct sg_str name = without_dot(name_of(host));
	struct sg_addr address;
	struct sg_url url;

	if (!name.len)
		return false;
	if (sg_addr_parse(name, &address) || sg_str_equal_nocase(name, SG_STR("localhost")))
		return true;
	return public_url && sg_url_parse(sg_str_from(public_url), &url) &&
	       sg_str_equal_nocase(name, without_dot(url.host));
}

bool api_check_host(struct sg_api *api, struct sg_http_request *req)
{
	if (sg_http_is_local(req) ||
	    api_host_is_known(sg_http_header(req, "Host"), api->cfg.cfg->public_url))
		return true;
	api_problem(req, 421,
	    "this server is not known by that name: use its address, or set [http] public_url");
	return false;
}

/* Is `a` the beginning of `text`, up to where a path may begin? */
static bool begins_with_origin(struct sg_str text, const char *scheme, struct sg_str host)
{
	size_t len = strlen(scheme);

	if (!host.len || text.len < len + host.len || memcmp(text.p, scheme, len) ||
	    !sg_str_equal_nocase((struct sg_str){text.p + len, host.len}, host))
		return false;
	return text.len == len + host.len || text.p[len + host.len] == '/';
}

bool api_origin_is_ours(struct sg_str origin, struct sg_str host, const char *public_url)
{
	struct sg_str ours = sg_str_from(public_url);

	if (begins_with_origin(origin, "http://", host) ||
	    begins_with_origin(origin, "https://", host))
		return true;
	while (ours.len && ours.p[ours.len - 1] == '/')
		ours.len--;
	return begins_with_origin(origin, "", ours);
}

/* Fetch metadata is the browser's own word, which no page can change; older ones have none. */
static bool is_our_page(struct sg_api *api, const struct sg_http_request *req)
{
	struct sg_str site = sg_http_header(req, "Sec-Fetch-Site");
	struct sg_str from = sg_http_header(req, "Origin");

	if (site.p)
		return sg_str_is(site, "same-origin");
	if (!from.p)
		from = sg_http_header(req, "Referer");
	return api_origin_is_ours(from, sg_http_header(req, "Host"), api->cfg.cfg->public_url);
}

bool api_check_browser(struct sg_api *api, struct sg_http_request *req)
{
	enum sg_http_method method = sg_http_method(req);

	if (!api_check_host(api, req))
		return false;
	if (method == SG_HTTP_GET || method == SG_HTTP_HEAD)
		return true;
	if (sg_str_is(sg_http_header(req, "X-Streamgate"), "1") && is_our_page(api, req))
		return true;
	api_problem(req, 403,
	    "this does not come from the panel: it needs the header X-Streamgate: 1, and an Origin "
	    "(or Sec-Fetch-Site) of this server");
	return false;
}
