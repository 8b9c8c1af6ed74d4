#include "srt/streamid.h"
#include "base/url.h"

/* What was found, as slices of the decoded id; p NULL = not given. */
struct found {
	struct sg_str resource, user, mode, kind, token, session;
};

static struct sg_str unquoted(struct sg_str s)
{
	if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"')
		return (struct sg_str){s.p + 1, s.len - 2};
	return s;
}

static void take_pair(struct found *f, struct sg_str key, struct sg_str value)
{
	const struct {
		const char *name;
		struct sg_str *at;
	} keys[] = {{"r", &f->resource}, {"u", &f->user}, {"m", &f->mode}, {"t", &f->kind},
	    {"s", &f->session}, {"token", &f->token}};

	for (size_t i = 0; value.p && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (sg_str_is(key, keys[i].name) && !keys[i].at->p)
			*keys[i].at = unquoted(value);
}

/* "a=b,c=d", or with another separator. */
static void take_pairs(struct found *f, struct sg_str pairs, char separator)
{
	struct sg_str pair, key, value;

	while (pairs.len) {
		sg_str_cut(pairs, separator, &pair, &pairs);
		sg_str_cut(pair, '=', &key, &value);
		take_pair(f, key, value);
	}
}

static struct sg_str skip(struct sg_str s, size_t n)
{
	return (struct sg_str){s.p + n, s.len - n};
}

/* Is it the standard syntax, behind its prefix? *pairs: what follows. */
static bool is_standard(struct sg_str id, struct sg_str *pairs)
{
	if (sg_str_starts(id, "#!::")) {
		*pairs = skip(id, 4);
		return true;
	}
	if (!sg_str_starts(id, "#!:{"))
		return false;
	*pairs = skip(id, 4);
	if (pairs->len && pairs->p[pairs->len - 1] == '}')
		pairs->len--;
	return true;
}

/* "APP/S", with or without a slash in front. */
static enum sg_result take_resource(struct sg_srt_streamid *out, struct sg_str resource)
{
	struct sg_str app, stream;

	if (resource.len && resource.p[0] == '/')
		resource = skip(resource, 1);
	if (!sg_str_cut(resource, '/', &app, &stream) || !app.len || !stream.len)
		return SG_ERR_BAD_INPUT;
	if (!sg_str_copy(out->app, sizeof(out->app), app))
		sg_str_copy(out->app, sizeof(out->app), SG_STR("/"));
	if (!sg_str_copy(out->stream, sizeof(out->stream), stream))
		sg_str_copy(out->stream, sizeof(out->stream), SG_STR("/"));
	return SG_OK;
}

static void take_token(struct sg_srt_streamid *out, const struct found *f)
{
	struct sg_str token = f->token.len ? f->token : f->session;

	out->has_token = token.len > 0;
	if (out->has_token && !sg_str_copy(out->token, sizeof(out->token), token))
		sg_str_copy(out->token, sizeof(out->token), SG_STR("/"));
}

static enum sg_result take_mode(struct sg_srt_streamid *out, const struct found *f, bool publish)
{
	if (f->kind.p && !sg_str_is(f->kind, "stream"))
		return SG_ERR_UNSUPPORTED;
	if (f->mode.p && !sg_str_is(f->mode, "publish") && !sg_str_is(f->mode, "request"))
		return SG_ERR_UNSUPPORTED;
	if (f->mode.p)
		publish = sg_str_is(f->mode, "publish");
	out->type = publish ? SG_PUBLISH : SG_PLAY;
	return SG_OK;
}

static enum sg_result parse_decoded(struct sg_srt_streamid *out, struct sg_str id)
{
	struct found f = {0};
	struct sg_str pairs, query;
	bool publish = true; /* what an id without the prefix means */

	if (is_standard(id, &pairs)) {
		take_pairs(&f, pairs, ',');
		publish = !f.resource.p;
		if (!f.resource.p)
			f.resource = f.user;
	} else {
		sg_str_cut(id, ',', &f.resource, &pairs);
		take_pairs(&f, pairs, ',');
		sg_str_cut(f.resource, '?', &f.resource, &query);
		take_pairs(&f, query, '&');
		f.resource = unquoted(f.resource);
	}
	enum sg_result res = take_resource(out, f.resource);
	if (res == SG_OK)
		res = take_mode(out, &f, publish);
	if (res == SG_OK)
		take_token(out, &f);
	return res;
}

enum sg_result sg_srt_streamid_parse(struct sg_srt_streamid *out, struct sg_str id)
{
	char decoded[SG_SRT_STREAMID_MAX + 1];
	enum sg_result res = SG_ERR_BAD_INPUT;

	memset(out, 0, sizeof(*out));
	if (id.len && id.len <= SG_SRT_STREAMID_MAX &&
	    sg_percent_decode(decoded, sizeof(decoded), id, false))
		res = parse_decoded(out, sg_str_from(decoded));
	sg_wipe(decoded, sizeof(decoded));
	if (res != SG_OK)
		memset(out, 0, sizeof(*out));
	return res;
}
