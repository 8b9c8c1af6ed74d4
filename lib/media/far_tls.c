#include "media/far_tls.h"
#include "base/url.h"
#include <stdio.h>

void far_tls_check(AVDictionary **options, const char *ca_file)
{
	av_dict_set(options, "tls_verify", "1", 0);
	if (ca_file)
		av_dict_set(options, "ca_file", ca_file, 0);
}

static bool opens(const char *url, AVDictionary **options, const AVIOInterruptCB *interrupt)
{
	AVIOContext *io = NULL;
	bool ok = avio_open2(&io, url, AVIO_FLAG_READ_WRITE, interrupt, options) >= 0;

	avio_close(io);
	av_dict_free(options);
	return ok;
}

bool far_tls_is_refused(const char *url, const char *ca_file, const AVIOInterruptCB *interrupt)
{
	AVDictionary *checked = NULL, *unchecked = NULL;
	struct sg_url u;
	char server[400];

	if (!sg_url_parse(sg_str_from(url), &u) || !(sg_str_is(u.scheme, "rtmps") || sg_str_is(u.scheme, "https")))
		return false;
	bool v6 = memchr(u.host.p, ':', u.host.len);
	int n = snprintf(server, sizeof(server), v6 ? "tls://[%.*s]:%.*s" : "tls://%.*s:%.*s", SG_STR_ARG(u.host),
	    SG_STR_ARG(u.port.len ? u.port : SG_STR("443")));
	if (n < 0 || (size_t)n >= sizeof(server))
		return false;
	far_tls_check(&checked, ca_file);
	return !opens(server, &checked, interrupt) && opens(server, &unchecked, interrupt);
}
