/* Feeds the reader of application, URL and name; the input's first two zeros part them. */
#include "rtmp/target.h"
#include <stdlib.h>

/* A copy of its own, so that a read past the end is seen. */
static struct sg_str take(const uint8_t **p, size_t *left, bool last)
{
	const uint8_t *end = last ? NULL : memchr(*p, 0, *left);
	size_t len = end ? (size_t)(end - *p) : *left;
	char *copy = malloc(len ? len : 1);

	if (!copy)
		exit(1);
	if (len)
		memcpy(copy, *p, len);
	*p += len + (end != NULL);
	*left -= len + (end != NULL);
	return (struct sg_str){ copy, len };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sg_rtmp_target t;

	if (!size)
		return 0;
	struct sg_str app = take(&data, &size, false), url = take(&data, &size, false),
		      name = take(&data, &size, true);
	memset(&t, 0x5a, sizeof(t));
	sg_rtmp_target_parse(&t, app, url, name);
	/* What comes out ends within its place, and what was not given is not there. */
	if (strnlen(t.app, sizeof(t.app)) == sizeof(t.app) ||
	    strnlen(t.stream, sizeof(t.stream)) == sizeof(t.stream) ||
	    strnlen(t.token, sizeof(t.token)) == sizeof(t.token) || (t.has_token != (*t.token != 0)))
		abort();
	if (sg_stream_is_valid(sg_str_from(t.stream)) && strchr(t.stream, '/'))
		abort();
	free((void *)app.p);
	free((void *)url.p);
	free((void *)name.p);
	return 0;
}
