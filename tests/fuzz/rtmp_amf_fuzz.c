/* Feeds the reader of AMF0 as a command's arguments: what it takes lies within the message, and it
 * takes nothing when it says no. */
#include "rtmp/amf.h"
#include <stdlib.h>

static bool is_within(const void *p, size_t len, struct sg_reader all)
{
	const uint8_t *q = p;

	return len <= all.left && q >= all.p && q + len <= all.p + all.left;
}

static void check_object(struct sg_reader object, struct sg_reader all)
{
	static const char *const names[] = { "app", "tcUrl", "flashVer", "" };
	struct sg_str s;
	double d;

	if (!is_within(object.p, object.left, all))
		abort();
	for (size_t i = 0; i < 4; i++) {
		if (sg_amf_member_string(object, names[i], &s) && !is_within(s.p, s.len, object))
			abort();
		(void)sg_amf_member_number(object, names[i], &d);
	}
}

static void check_typed(struct sg_reader at, struct sg_reader all)
{
	struct sg_reader r = at, object;
	struct sg_str s;
	double d;
	bool b;

	if (!sg_amf_read_number(&r, &d) && r.left != at.left)
		abort();
	r = at;
	if (!sg_amf_read_bool(&r, &b) && r.left != at.left)
		abort();
	r = at;
	if (sg_amf_read_string(&r, &s)) {
		struct sg_reader again = at;
		if (!is_within(s.p, s.len, all) || !sg_amf_skip(&again) || again.left != r.left)
			abort();
	}
	r = at;
	if (sg_amf_read_object(&r, &object))
		check_object(object, all);
	else if (r.left != at.left)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own, so that a read past the end is seen. */
	uint8_t *copy = malloc(size ? size : 1);
	struct sg_reader all = { copy, size }, r = all;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	for (;;) {
		size_t left = r.left;
		check_typed(r, all);
		if (!sg_amf_skip(&r)) {
			if (r.left != left)
				abort();
			break;
		}
		if (r.left >= left)
			abort();
	}
	free(copy);
	return 0;
}
