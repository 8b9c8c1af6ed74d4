#include "rtmp/amf.h"

enum { NUMBER = 0, BOOLEAN = 1, STRING = 2, OBJECT = 3, NIL = 5, UNDEFINED = 6, REFERENCE = 7,
	ECMA_ARRAY = 8, OBJECT_END = 9, STRICT_ARRAY = 10, DATE = 11, LONG_STRING = 12, XML = 15 };

static bool read_text(struct sg_reader *r, bool is_long, struct sg_str *out)
{
	const uint8_t *p;
	uint32_t len = 0;
	uint16_t len16 = 0;

	if (is_long ? !sg_read_be32(r, &len) : !sg_read_be16(r, &len16))
		return false;
	if (!is_long)
		len = len16;
	if (!sg_read_bytes(r, len, &p))
		return false;
	*out = (struct sg_str){ (const char *)p, len };
	return true;
}

static bool take_marker(struct sg_reader *r, uint8_t want)
{
	uint8_t marker;

	return sg_read_u8(r, &marker) && marker == want;
}

static bool read_double(struct sg_reader *r, double *out)
{
	uint64_t bits;

	if (!sg_read_be64(r, &bits))
		return false;
	memcpy(out, &bits, sizeof(bits));
	return true;
}

bool sg_amf_read_number(struct sg_reader *r, double *out)
{
	struct sg_reader copy = *r;

	if (!take_marker(&copy, NUMBER) || !read_double(&copy, out))
		return false;
	*r = copy;
	return true;
}

bool sg_amf_read_bool(struct sg_reader *r, bool *out)
{
	struct sg_reader copy = *r;
	uint8_t v;

	if (!take_marker(&copy, BOOLEAN) || !sg_read_u8(&copy, &v))
		return false;
	*out = v;
	*r = copy;
	return true;
}

bool sg_amf_read_string(struct sg_reader *r, struct sg_str *out)
{
	struct sg_reader copy = *r;
	uint8_t marker;

	if (!sg_read_u8(&copy, &marker) || (marker != STRING && marker != LONG_STRING) ||
	    !read_text(&copy, marker == LONG_STRING, out))
		return false;
	*r = copy;
	return true;
}

/* ---- passing over ---- */

static bool skip(struct sg_reader *r, int depth);

/* Members up to and with the empty name and the end marker. */
static bool skip_members(struct sg_reader *r, int depth)
{
	struct sg_str name;

	while (read_text(r, false, &name)) {
		if (name.len == 0 && r->left && *r->p == OBJECT_END)
			return sg_read_skip(r, 1);
		if (!skip(r, depth + 1))
			return false;
	}
	return false;
}

static bool skip_array(struct sg_reader *r, int depth)
{
	uint32_t n;

	if (!sg_read_be32(r, &n))
		return false;
	for (; n; n--) /* each takes a byte at least: bounded by the message */
		if (!skip(r, depth + 1))
			return false;
	return true;
}

static bool skip(struct sg_reader *r, int depth)
{
	struct sg_str text;
	uint8_t marker;

	if (depth > SG_AMF_DEPTH_MAX || !sg_read_u8(r, &marker))
		return false;
	switch (marker) {
	case NUMBER:
		return sg_read_skip(r, 8);
	case BOOLEAN:
		return sg_read_skip(r, 1);
	case STRING:
		return read_text(r, false, &text);
	case LONG_STRING:
	case XML:
		return read_text(r, true, &text);
	case OBJECT:
		return skip_members(r, depth);
	case ECMA_ARRAY:
		return sg_read_skip(r, 4) && skip_members(r, depth);
	case STRICT_ARRAY:
		return skip_array(r, depth);
	case DATE:
		return sg_read_skip(r, 10);
	case REFERENCE:
		return sg_read_skip(r, 2);
	case NIL:
	case UNDEFINED:
		return true;
	default:
		return false;
	}
}

bool sg_amf_skip(struct sg_reader *r)
{
	struct sg_reader copy = *r;

	if (!skip(&copy, 0))
		return false;
	*r = copy;
	return true;
}

/* ---- objects ---- */

bool sg_amf_read_object(struct sg_reader *r, struct sg_reader *object)
{
	struct sg_reader all = *r, members = *r;
	uint8_t marker;

	if (!sg_amf_skip(&all) || !sg_read_u8(&members, &marker))
		return false;
	if (marker == NIL || marker == UNDEFINED)
		members.left = 0;
	else if (marker == ECMA_ARRAY ? !sg_read_skip(&members, 4) : marker != OBJECT)
		return false;
	else
		members.left = (size_t)(all.p - members.p);
	*object = members;
	*r = all;
	return true;
}

static bool find_member(struct sg_reader *object, const char *name)
{
	struct sg_str found;

	while (read_text(object, false, &found)) {
		if (sg_str_is(found, name))
			return true;
		if (!sg_amf_skip(object))
			return false;
	}
	return false;
}

bool sg_amf_member_string(struct sg_reader object, const char *name, struct sg_str *out)
{
	return find_member(&object, name) && sg_amf_read_string(&object, out);
}

bool sg_amf_member_number(struct sg_reader object, const char *name, double *out)
{
	return find_member(&object, name) && sg_amf_read_number(&object, out);
}

static bool array_has(struct sg_reader *r, const char *text)
{
	struct sg_reader item;
	struct sg_str s;
	uint32_t n;

	if (!sg_read_be32(r, &n))
		return false;
	for (; n; n--) {
		item = *r;
		if (sg_amf_read_string(&item, &s) && sg_str_is(s, text))
			return true;
		if (!sg_amf_skip(r))
			return false;
	}
	return false;
}

bool sg_amf_member_lists(struct sg_reader object, const char *name, const char *text)
{
	struct sg_reader members;
	uint8_t marker;

	if (!find_member(&object, name) || !object.left)
		return false;
	if (object.p[0] == STRICT_ARRAY)
		return sg_read_u8(&object, &marker) && array_has(&object, text);
	return sg_amf_read_object(&object, &members) && find_member(&members, text);
}

/* ---- writing ---- */

void sg_amf_put_number(struct sg_buf *out, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	sg_buf_put_u8(out, NUMBER);
	sg_buf_put_be32(out, (uint32_t)(bits >> 32));
	sg_buf_put_be32(out, (uint32_t)bits);
}

void sg_amf_put_string(struct sg_buf *out, const char *z)
{
	sg_buf_put_u8(out, STRING);
	sg_amf_put_key(out, z);
}

void sg_amf_put_bool(struct sg_buf *out, bool v)
{
	sg_buf_put_u8(out, BOOLEAN);
	sg_buf_put_u8(out, v);
}

void sg_amf_put_null(struct sg_buf *out)
{
	sg_buf_put_u8(out, NIL);
}

void sg_amf_begin_object(struct sg_buf *out)
{
	sg_buf_put_u8(out, OBJECT);
}

void sg_amf_put_key(struct sg_buf *out, const char *key)
{
	size_t len = strlen(key);

	sg_buf_put_be16(out, (uint16_t)len);
	sg_buf_append(out, key, len);
}

void sg_amf_end_object(struct sg_buf *out)
{
	sg_buf_put_be24(out, OBJECT_END);
}
