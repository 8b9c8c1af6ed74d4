/* explain_url.c - from a URL to what it asks of the gate (INTERFACE section 4). */
#include "explain.h"
#include "base/url.h"
#include "srt/streamid.h"
#include <stdio.h>

static int not_ours(const char *why)
{
	return ctl_fail(CTL_USAGE, "the URL is not one of streamgate's: %s", why);
}

static void take_token(struct asked *out, enum sg_result res)
{
	/* What does not decode, or is longer than any token, was issued to nobody. */
	if (res != SG_OK && res != SG_ERR_NOT_FOUND)
		out->token_garbled = true;
}

static int take_names(struct asked *out, struct sg_str app, struct sg_str stream)
{
	if (!sg_app_is_valid(app) || !sg_str_copy(out->app, sizeof(out->app), app))
		return not_ours("it names no application");
	if (!sg_stream_is_valid(stream) || !sg_str_copy(out->stream, sizeof(out->stream), stream))
		return not_ours("it names no stream, or one that cannot be a stream id");
	return CTL_DONE;
}

/* ---- RTMP: /APP/S?token=T ---- */

static int read_rtmp(const struct sg_url *url, struct asked *out)
{
	struct sg_str path = url->path, app, stream;

	if (path.len)
		path.p++, path.len--;
	if (!sg_str_cut(path, '/', &app, &stream))
		return not_ours("it should end in /APP/STREAM?token=TOKEN");
	take_token(out, sg_query_get(url->query, "token", out->token, sizeof(out->token)));
	return take_names(out, app, stream);
}

/* ---- SRT: ?streamid=..., read as the server does ---- */

static int read_srt_id(struct sg_str id, struct asked *out)
{
	struct sg_srt_streamid s;

	switch (sg_srt_streamid_parse(&s, id)) {
	case SG_OK:
		break;
	case SG_ERR_UNSUPPORTED:
		return not_ours("the mode m in its stream id should be publish or request");
	default:
		return not_ours("its stream id should hold r=APP/STREAM");
	}
	out->type = s.type;
	if (s.has_token && !sg_str_copy(out->token, sizeof(out->token), sg_str_from(s.token)))
		out->token_garbled = true;
	sg_wipe(s.token, sizeof(s.token));
	return take_names(out, sg_str_from(s.app), sg_str_from(s.stream));
}

static int read_srt(const struct sg_url *url, struct asked *out)
{
	struct sg_str rest = url->query, key, value;

	while (sg_query_next(&rest, &key, &value))
		if (sg_str_is(key, "streamid"))
			return read_srt_id(value, out);
	return not_ours("it should hold ?streamid=#!::r=APP/STREAM,m=request,token=TOKEN");
}

/* ---- HTTP and WebSocket ---- */

/* "S.m3u8", "S.mpd", "S.flv", "S.ts", "NAME.mp4". */
static int read_file(struct sg_str app, struct sg_str file, struct asked *out)
{
	static const struct {
		const char *ending, *protocol;
	} kinds[] = {{".m3u8", "hls"}, {".mpd", "dash"}, {".flv", "flv"}, {".ts", "ts"}, {".mp4", "mp4"}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!sg_str_ends(file, kinds[i].ending))
			continue;
		out->protocol = kinds[i].protocol;
		out->type = SG_PLAY;
		if (i == 4 && !sg_str_copy(out->recording, sizeof(out->recording), file))
			return not_ours("the name of its file is too long");
		return take_names(
		    out, app, (struct sg_str){file.p, file.len - strlen(kinds[i].ending)});
	}
	return not_ours("below /streams/ it should end in .m3u8, .mpd, .flv, .ts or .mp4");
}

static int read_web(const struct sg_url *url, struct asked *out)
{
	struct sg_str path = url->path, app, kind, name;
	char stream[SG_STREAM_MAX + 1] = "";

	if (path.len)
		path.p++, path.len--;
	sg_str_cut(path, '/', &app, &path);
	sg_str_cut(path, '/', &kind, &name);
	take_token(out, sg_query_get(url->query, "token", out->token, sizeof(out->token)));
	if (sg_str_is(kind, "streams"))
		return read_file(app, name, out);
	if (sg_str_is(kind, "whip") || sg_str_is(kind, "whep")) {
		out->protocol = sg_str_is(kind, "whip") ? "whip" : "whep";
		out->type = sg_str_is(kind, "whip") ? SG_PUBLISH : SG_PLAY;
		return take_names(out, app, name);
	}
	if (sg_str_is(kind, "play.html") || sg_str_is(kind, "publish.html")) {
		out->protocol = sg_str_is(kind, "play.html") ? "whep" : "whip";
		out->type = sg_str_is(kind, "play.html") ? SG_PLAY : SG_PUBLISH;
		return sg_query_get(url->query, "id", stream, sizeof(stream)) == SG_OK
			   ? take_names(out, app, sg_str_from(stream))
			   : not_ours("a page's names the stream: add &id=STREAM");
	}
	if (!sg_str_is(kind, "websocket"))
		return not_ours("it should go on with /APP/streams/, /APP/whip/, /APP/whep/ or "
				"/APP/websocket");
	out->protocol = "websocket";
	if (sg_query_get(url->query, "streamId", stream, sizeof(stream)) != SG_OK)
		return not_ours(
		    "a WebSocket's names the stream in its messages: add &streamId=STREAM");
	return take_names(out, app, sg_str_from(stream));
}

int ctl_read_url(struct sg_str text, struct asked *out)
{
	static const struct {
		const char *scheme, *protocol;
		int (*read)(const struct sg_url *url, struct asked *out);
	} schemes[] = {
	    {"rtmp", "rtmp", read_rtmp},
	    {"rtmps", "rtmps", read_rtmp},
	    {"srt", "srt", read_srt},
	    {"http", "http", read_web},
	    {"https", "https", read_web},
	    {"ws", "ws", read_web},
	    {"wss", "wss", read_web},
	};
	struct sg_url url;

	*out = (struct asked){0};
	if (!sg_url_parse(text, &url))
		return not_ours("it should be SCHEME://HOST/...");
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (!sg_str_equal_nocase(url.scheme, sg_str_from(schemes[i].scheme)))
			continue;
		out->protocol = schemes[i].protocol;
		return schemes[i].read(&url, out);
	}
	return not_ours("it should begin with rtmp, rtmps, srt, http, https, ws or wss");
}
