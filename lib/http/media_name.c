/* media_name.c - what a path below /APP/streams/ names. */
#include "http/media_internal.h"

static const struct {
	const char *suffix;
	enum media_kind kind;
} files[] = {
	{ ".m3u8", MEDIA_HLS },
	{ ".mpd", MEDIA_DASH },
	{ ".flv", MEDIA_FLV },
	{ ".ts", MEDIA_TS },
	{ ".mp4", MEDIA_RECORDING },
};

static struct sg_str without(struct sg_str s, const char *suffix)
{
	return (struct sg_str){ s.p, s.len - strlen(suffix) };
}

static bool parse_file(struct media_name *out, struct sg_str file)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!sg_str_ends(file, files[i].suffix))
			continue;
		struct sg_str stem = without(file, files[i].suffix);
		out->kind = files[i].kind;
		out->name = out->kind == MEDIA_RECORDING ? file : stem;
		if (out->kind == MEDIA_HLS && sg_str_ends(stem, "_adaptive"))
			out->alias = without(stem, "_adaptive");
		return sg_stream_is_valid(stem) && sg_stream_is_valid(out->name);
	}
	return false;
}

bool http_media_name_parse(struct media_name *out, struct sg_str rest)
{
	struct sg_str parts[4], one;
	unsigned count = 0;

	*out = (struct media_name){ 0 };
	for (bool more = true; more; count++) {
		more = sg_str_cut(rest, '/', &one, &rest);
		/* ";x=y" is a path parameter to some servers and part of the name to others. */
		if (count == 4 || !one.len || memchr(one.p, ';', one.len))
			return false;
		parts[count] = one;
	}
	if (count == 1)
		return parse_file(out, parts[0]);
	if (!sg_str_is(parts[0], "s") || parts[1].len != SG_SID_TEXT_SIZE - 1)
		return false;
	if (count == 3) {
		if (!parse_file(out, parts[2]) || out->kind != MEDIA_RECORDING)
			return false;
	} else if (count == 4 && sg_stream_is_valid(parts[2])) {
		out->kind = MEDIA_HLS;
		out->name = parts[2];
		out->object = parts[3];
	} else {
		return false;
	}
	out->sid = parts[1];
	return true;
}
