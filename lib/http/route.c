/* route.c - the table of routes. */
#include "http/http_internal.h"

static const struct {
	const char *name;
	enum sg_http_method method;
} methods[] = {
	{ "GET", SG_HTTP_GET },
	{ "HEAD", SG_HTTP_HEAD },
	{ "POST", SG_HTTP_POST },
	{ "PUT", SG_HTTP_PUT },
	{ "PATCH", SG_HTTP_PATCH },
	{ "DELETE", SG_HTTP_DELETE },
	{ "OPTIONS", SG_HTTP_OPTIONS },
};
#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

enum sg_http_method http_method_parse(const char *text)
{
	for (size_t i = 0; i < METHOD_COUNT; i++)
		if (!strcmp(text, methods[i].name))
			return methods[i].method;
	return 0;
}

void http_methods_format(char *out, unsigned set)
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < METHOD_COUNT; i++)
		if (set & (unsigned)methods[i].method)
			len += (size_t)snprintf(
			    out + len, 64 - len, "%s%s", len ? ", " : "", methods[i].name);
}

void sg_http_route(struct sg_http_server *srv, unsigned method_set, const char *pattern,
    sg_http_handler handler, void *user)
{
	struct http_routes *r = &srv->routes;

	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 32;
		struct http_route *grown =
		    cap <= HTTP_ROUTES_MAX ? realloc(r->items, cap * sizeof(*grown)) : NULL;
		if (!grown) {
			r->failed = true;
			return;
		}
		r->items = grown;
		r->cap = cap;
	}
	if (method_set & SG_HTTP_GET)
		method_set |= SG_HTTP_HEAD;
	r->items[r->count++] = (struct http_route){ method_set, pattern, handler, user };
}

static bool matches(const char *pattern, const struct http_target *t, struct sg_str *parts)
{
	unsigned part = 0, i = 0;
	struct sg_str rest = sg_str_from(pattern + 1), want;

	memset(parts, 0, HTTP_SEGMENTS_MAX * sizeof(*parts));
	for (bool more = true; more; i++) {
		more = sg_str_cut(rest, '/', &want, &rest);
		if (i >= t->segment_count)
			return false;
		struct sg_str have = t->segments[i];
		if (!more && sg_str_is(want, "{...}")) {
			const char *end = t->path.p + t->path.len;
			parts[part] = (struct sg_str){ have.p, (size_t)(end - have.p) };
			return parts[part].len > 0;
		}
		if (sg_str_is(want, "{}")) {
			if (!have.len)
				return false;
			parts[part++] = have;
		} else if (!sg_str_equal(want, have)) {
			return false;
		}
	}
	return i == t->segment_count;
}

const struct http_route *http_route_find(const struct http_routes *routes, unsigned method,
    const struct http_target *t, struct sg_str parts[HTTP_SEGMENTS_MAX], unsigned *allowed)
{
	*allowed = 0;
	for (size_t i = 0; i < routes->count; i++) {
		const struct http_route *r = &routes->items[i];
		if (!matches(r->pattern, t, parts))
			continue;
		if (r->methods & method)
			return r;
		*allowed |= r->methods;
	}
	memset(parts, 0, HTTP_SEGMENTS_MAX * sizeof(*parts));
	return NULL;
}
