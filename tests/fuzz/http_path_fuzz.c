/* Feeds the parsers of what comes over HTTP: target, query, range, dates, tags, cookies, addresses. */
#include "http/media_internal.h"

static void check_media(const struct http_target *t)
{
	struct media_name n;

	if (t->segment_count < 3)
		return;
	struct sg_str rest = { t->segments[2].p,
		(size_t)(t->path.p + t->path.len - t->segments[2].p) };
	if (!http_media_name_parse(&n, rest))
		return;
	/* What is taken for a name can be put into a path. */
	if (!n.name.len || n.name.p[0] == '.' || memchr(n.name.p, '/', n.name.len) ||
	    memchr(n.name.p, 0, n.name.len))
		abort();
}

static void check_target(struct sg_str s)
{
	struct http_target t;
	char *out = malloc(s.len + 2);
	struct sg_str key, value;

	if (out && http_target_parse(&t, s, out) == SG_OK) {
		for (unsigned i = 0; i < t.segment_count; i++)
			if (sg_str_is(t.segments[i], "..") ||
			    memchr(t.segments[i].p, '/', t.segments[i].len))
				abort();
		while (sg_query_next(&t.query, &key, &value))
			;
		check_media(&t);
	}
	free(out);
}

static void check_fields(struct sg_str s)
{
	uint64_t offset, length, size = s.len * 97 + 1;
	int64_t date;
	struct sg_cidr any = { .net = { .family = 4 }, .bits = 0 };
	struct sg_cidr_list trusted = { &any, 1 };
	struct sg_addr peer = { .family = 4 };

	if (http_range_parse(s, size, &offset, &length) == HTTP_RANGE_ONE &&
	    (!length || offset >= size || length > size - offset))
		abort();
	if (http_date_parse(s, &date)) {
		char text[HTTP_DATE_SIZE];
		http_date_format(text, date);
	}
	(void)http_etag_listed(s, SG_STR("\"1-2-3\""));
	(void)http_cookie_find(s, "sg_session");
	(void)http_bearer(s);
	(void)http_client_addr(&peer, &s, 1, &trusted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > HTTP_TARGET_MAX)
		return 0;
	/* A copy of its own, so that a read past the end is seen; never NULL. */
	char *copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	check_target((struct sg_str){ copy, size });
	check_fields((struct sg_str){ copy, size });
	free(copy);
	return 0;
}
