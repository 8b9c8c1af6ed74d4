/* fragment.c - SDP fragments. */
#include "signal/fragment.h"
#include <ctype.h>

/* The next line, without its end; false: there is none. */
static bool next_line(struct sg_str *rest, struct sg_str *line)
{
	if (!rest->len)
		return false;
	sg_str_cut(*rest, '\n', line, rest);
	if (line->len && line->p[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* The value behind `prefix`; false: another line. */
static bool value_of(struct sg_str line, const char *prefix, struct sg_str *value)
{
	size_t len = strlen(prefix);

	if (!sg_str_starts(line, prefix))
		return false;
	*value = (struct sg_str){ line.p + len, line.len - len };
	return true;
}

/* RFC 8839 section 5.4; the last three are not allowed, and sent by some. */
static bool is_ice_chars(struct sg_str s, size_t min)
{
	for (size_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.p[i]) && !memchr("+/-_=", s.p[i], 5))
			return false;
	return s.len >= min && s.len <= 256;
}

/* ice-ufrag and ice-pwd; the first counts: all are of one transport (BUNDLE). */
static bool take_credential(struct sg_str *kept, struct sg_str value, size_t min)
{
	if (!kept->p)
		*kept = value;
	return is_ice_chars(value, min);
}

static bool take_line(struct fragment *f, struct sg_str line)
{
	struct sg_str value;

	if (line.len < 2 || line.p[0] < 'a' || line.p[0] > 'z' || line.p[1] != '=')
		return false;
	if (value_of(line, "a=ice-ufrag:", &value))
		return take_credential(&f->ufrag, value, 4);
	if (value_of(line, "a=ice-pwd:", &value))
		return take_credential(&f->pwd, value, 22);
	if (!sg_str_starts(line, "a=candidate:"))
		return true;
	if (f->candidate_count < FRAGMENT_CANDIDATES_MAX)
		f->candidates[f->candidate_count++] = (struct sg_str){ line.p + 2, line.len - 2 };
	return true;
}

bool fragment_parse(struct fragment *out, struct sg_str text)
{
	struct sg_str line;

	*out = (struct fragment){ 0 };
	while (next_line(&text, &line))
		if (line.len && !take_line(out, line))
			return false;
	return true;
}

void fragment_put_restart(struct sg_buf *out, struct sg_str sdp, const char *ufrag, const char *pwd)
{
	struct sg_str line;
	unsigned sections = 0;

	while (next_line(&sdp, &line)) {
		bool keep = sections ? sg_str_starts(line, "a=candidate:") ||
					   sg_str_is(line, "a=end-of-candidates")
				     : sg_str_is(line, "a=ice-lite") ||
					   sg_str_starts(line, "a=group:");
		if (sg_str_starts(line, "m=") && sections++)
			return; /* one transport: the first section tells it */
		if (keep || sg_str_starts(line, "m=") || (sections && sg_str_starts(line, "a=mid:")))
			sg_buf_printf(out, "%.*s\r\n", SG_STR_ARG(line));
		if (sections && sg_str_starts(line, "a=mid:"))
			sg_buf_printf(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ufrag, pwd);
	}
}
