#include "rtmp/target.h"
#include "base/url.h"

#define PIECES 3

/* Escapes are resolved; what does not decode or fit becomes "/", which is neither valid nor a token. */
static void decode(char *out, size_t size, struct sg_str s)
{
	if (!sg_percent_decode(out, size, s, false))
		sg_str_copy(out, size, SG_STR("/"));
}

static bool cut_slash(struct sg_str s, struct sg_str *head, struct sg_str *tail)
{
	for (size_t i = 0; i < s.len; i++) {
		bool escaped = s.len - i >= 3 && s.p[i] == '%' && s.p[i + 1] == '2' && (s.p[i + 2] | 32) == 'f';
		if (s.p[i] != '/' && !escaped)
			continue;
		size_t skip = escaped ? 3 : 1;
		*head = (struct sg_str){ s.p, i };
		*tail = (struct sg_str){ s.p + i + skip, s.len - i - skip };
		return true;
	}
	*head = s;
	*tail = (struct sg_str){ NULL, 0 };
	return false;
}

/* Adds the path's non-empty pieces; those beyond the third are Ant Media's subscriber fields. */
static void split(struct sg_str path, struct sg_str pieces[PIECES], size_t *count)
{
	struct sg_str piece;

	while (path.len && *count < PIECES) {
		cut_slash(path, &piece, &path);
		if (piece.len)
			pieces[(*count)++] = piece;
	}
}

static bool token_in(struct sg_str query, struct sg_rtmp_target *out)
{
	enum sg_result res = sg_query_get(query, "token", out->token, sizeof(out->token));

	if (res == SG_ERR_NOT_FOUND)
		return false;
	if (res != SG_OK)
		sg_str_copy(out->token, sizeof(out->token), SG_STR("/"));
	return out->token[0] != '\0';
}

void sg_rtmp_target_parse(
    struct sg_rtmp_target *out, struct sg_str app, struct sg_str tc_url, struct sg_str name)
{
	struct sg_str app_path, app_query, name_path, name_query, url_path, url_query;
	struct sg_str pieces[PIECES] = { 0 };
	size_t count = 0;

	memset(out, 0, sizeof(*out));
	sg_str_cut(app, '?', &app_path, &app_query);
	sg_str_cut(name, '?', &name_path, &name_query);
	sg_str_cut(tc_url, '?', &url_path, &url_query);
	split(app_path, pieces, &count);
	split(name_path, pieces, &count);
	decode(out->app, sizeof(out->app), pieces[0]);
	if (sg_str_starts(pieces[1], "mp4:") || sg_str_starts(pieces[1], "flv:"))
		pieces[1] = (struct sg_str){ pieces[1].p + 4, pieces[1].len - 4 };
	decode(out->stream, sizeof(out->stream), pieces[1]);
	out->has_token = token_in(name_query, out) || token_in(app_query, out) || token_in(url_query, out);
	if (!out->has_token && pieces[2].len) {
		decode(out->token, sizeof(out->token), pieces[2]);
		out->has_token = true;
	}
}
