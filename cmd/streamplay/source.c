/* source.c - opens a stream with libavformat, never waits for ever, and tells why it failed. */
#include "rtc.h"
#include "base/clock.h"
#include "base/url.h"
#include <stdio.h>
#include <unistd.h>

/* What a stream may be made of. The rest of libavformat (playlists of local files, scripts,
 * pictures) is nothing that streamgate serves, and need not see what a hostile server sends. */
#define FORMATS "flv,live_flv,hls,mpegts,mov,matroska,webm,aac,mp3,ogg,wav"
#define STREAMS_MAX_TEXT "32"
/* Of decoding times: what is further behind is no packet that was read before, but another timeline. */
#define SEEN_S 60
#define SEEN_PAUSE_US 5000

static bool remote(const char *url)
{
	return strstr(url, "://") && strncmp(url, "file:", 5);
}

bool source_gives_up(struct source *s)
{
	int64_t now = sg_mono_ms();

	if (play_interrupted() || (s->stop && atomic_load(s->stop)))
		return true;
	if (s->fmt && s->fmt->pb && s->fmt->pb->bytes_read != s->bytes_seen) {
		s->bytes_seen = s->fmt->pb->bytes_read;
		s->progress_ms = now;
	}
	if (s->trouble.heard_ms > s->progress_ms)
		s->progress_ms = s->trouble.heard_ms;
	if (now - s->progress_ms > SOURCE_PATIENCE_MS)
		s->silent = true;
	return s->silent;
}

/* Called by libav again and again while it waits. */
static int give_up(void *opaque)
{
	return source_gives_up(opaque);
}

static void set_options(AVDictionary **opts, const char *url, bool alone)
{
	/* libavformat ends libxml2 for the whole process after each MPD: not beside other threads that read one. */
	av_dict_set(opts, "format_whitelist", alone ? "dash," FORMATS : FORMATS, 0);
	/* A playlist from the net may not name our files. */
	av_dict_set(opts, "protocol_whitelist",
	    remote(url) ? "rtmp,rtmps,rtmpt,ffrtmphttp,http,https,httpproxy,tcp,tls,crypto,srt,udp"
			: "file,crypto",
	    0);
	av_dict_set(opts, "max_streams", STREAMS_MAX_TEXT, 0);
	av_dict_set(opts, "user_agent", "streamplay/" SG_VERSION, 0);
	/* Look at half a second, not at five: a viewer waits, and latency is measured. */
	av_dict_set(opts, "analyzeduration", "1000000", 0);
	av_dict_set(opts, "fpsprobesize", "0", 0);
}

static bool is_dash(const AVFormatContext *fmt)
{
	return !strcmp(fmt->iformat->name, "dash");
}

static bool is_playlist(const AVFormatContext *fmt)
{
	return !strcmp(fmt->iformat->name, "hls") || is_dash(fmt);
}

/* Live is what has no length in bytes; a playlist or an MPD, what has none in time. (The length in time that
 * FLV states is not asked: a publisher that sends a file states the file's.) */
static bool is_live(const AVFormatContext *fmt)
{
	if (is_playlist(fmt))
		return fmt->duration <= 0; /* AV_NOPTS_VALUE is less */
	return !fmt->pb || avio_size(fmt->pb) <= 0;
}

int source_open(
    struct source *s, const char *url, const char *token, const atomic_bool *stop, bool analyze)
{
	AVDictionary *opts = NULL;

	*s = (struct source){.stop = stop, .opened_us = sg_mono_us(), .progress_ms = sg_mono_ms()};
	for (int i = 0; i < SOURCE_STREAMS_MAX; i++)
		s->newest_dts[i] = AV_NOPTS_VALUE;
	s->trouble.token = token;
	s->trouble.srt_rejections = trouble_srt_rejections();
	trouble_watch(&s->trouble);
	if (!(s->fmt = avformat_alloc_context()))
		return AVERROR(ENOMEM);
	if (rtc_way(url))
		return rtc_open(s, url, token, analyze);
	s->srt = !strncasecmp(url, "srt:", 4);
	s->fmt->interrupt_callback = (AVIOInterruptCB){give_up, s};
	set_options(&opts, url, analyze);
	int err = avformat_open_input(&s->fmt, url, NULL, &opts); /* frees s->fmt when it fails */
	av_dict_free(&opts);
	if (err < 0)
		return err;
	s->connected_us = sg_mono_us();
	s->progress_ms = sg_mono_ms();
	if (analyze && (err = avformat_find_stream_info(s->fmt, NULL)) < 0)
		return err;
	s->live = is_live(s->fmt);
	s->progress_ms = sg_mono_ms();
	return s->silent || play_interrupted() ? AVERROR_EXIT : 0;
}

void source_close(struct source *s)
{
	rtc_close(s->rtc);
	avformat_close_input(&s->fmt);
	trouble_watch(NULL);
}

/* At the end of a live MPD libavformat reads the newest segment again and again, until there is another. */
static bool seen_before(struct source *s, const AVPacket *pkt)
{
	const AVStream *st = s->fmt->streams[pkt->stream_index];

	if (!s->live || !is_dash(s->fmt) || pkt->stream_index >= SOURCE_STREAMS_MAX || pkt->dts == AV_NOPTS_VALUE)
		return false;
	int64_t *newest = &s->newest_dts[pkt->stream_index];
	if (*newest != AV_NOPTS_VALUE && pkt->dts <= *newest &&
	    pkt->dts > *newest - av_rescale_q(SEEN_S, (AVRational){1, 1}, st->time_base))
		return true;
	*newest = pkt->dts;
	return false;
}

/* Passes over what was seen before, slowly, for all of it has come from the server. */
static int read_unseen(struct source *s, AVPacket *pkt)
{
	int err;

	while (!(err = av_read_frame(s->fmt, pkt)) && seen_before(s, pkt)) {
		av_packet_unref(pkt);
		if (source_gives_up(s))
			return AVERROR_EXIT;
		/* The server answers, but the stream does not go on: it has ended. */
		if (sg_mono_ms() - s->read_ms > SOURCE_PATIENCE_MS)
			return AVERROR_EOF;
		usleep(SEEN_PAUSE_US);
	}
	return err;
}

int source_read(struct source *s, AVPacket *pkt)
{
	int err;

	s->progress_ms = s->read_ms = sg_mono_ms();
	if (s->rtc)
		return rtc_read(s, pkt);
	while ((err = read_unseen(s, pkt)) == AVERROR(EAGAIN) && !give_up(s))
		usleep(5000);
	if (!err) /* what was refused before was something else, and we got over it */
		s->trouble.http_code = 0;
	if (!err && !s->begun) { /* likewise; later a parser may give packets after the end was complained of */
		s->begun = true;
		s->trouble.last[0] = '\0';
	}
	return err;
}

bool source_at_end(const struct source *s)
{
	/* A playlist has been read to its end every time. */
	return s->fmt->pb && s->fmt->pb->eof_reached && !is_playlist(s->fmt);
}

bool source_ended(const struct source *s, int err)
{
	const struct trouble *t = &s->trouble;

	/* A body without a length ends where the connection does (RFC 9112, 6.3); libav calls that an
	 * error, and names the length it had expected, UINT64_MAX. */
	if (err == AVERROR(EIO) && strstr(t->last, "Stream ends prematurely") &&
	    strstr(t->last, "should be 18446744073709551615"))
		return true;
	/* libsrt has one word for a goodbye and for a line that is cut. */
	if (err == AVERROR(EIO) && s->srt)
		return true;
	if (err != AVERROR_EOF || t->server[0])
		return false;
	/* The playlist of a live stream is gone when the stream is. */
	return !t->http_code || (s->live && (t->http_code == 404 || t->http_code == 410));
}

/* ---- why ---- */

static bool says_not_found(const char *words)
{
	static const char *const known[] = {
	    "not found", "notfound", "no such", "not exist", "unknown stream"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasestr(words, known[i]))
			return true;
	return false;
}

static int not_found(char *why, size_t size)
{
	snprintf(
	    why, size, "there is no such stream: see its name, and whether it is being published");
	return PLAY_NOT_FOUND;
}

static int refused(const struct source *s, char *why, size_t size, const char *by)
{
	if (s->begun) {
		snprintf(why, size,
		    "the gate ended the session (%s): 'tokenctl audit' tells why, where the server is", by);
		return PLAY_REFUSED;
	}
	snprintf(why, size, "the gate refused it (%s): %s", by,
	    strstr(by, "429") || strcasestr(by, "later")
		? "wait a while, then try again"
		: "give a token that is good for this stream, and was not used before");
	return PLAY_REFUSED;
}

/* An answer in words, as RTMP has them. */
static int server_said(const struct source *s, char *why, size_t size)
{
	const char *words = s->trouble.server;

	if (says_not_found(words))
		return not_found(why, size);
	if (strcasestr(words, "being stopped")) {
		snprintf(why, size, "the server is being stopped: try again when it is back");
		return PLAY_FAILED;
	}
	return refused(s, why, size, words);
}

static int http_failed(const struct source *s, int code, char *why, size_t size)
{
	char by[32];

	snprintf(by, sizeof(by), "HTTP %d", code);
	if (code == 404 || code == 410)
		return not_found(why, size);
	if (code == 401 || code == 403 || code == 429)
		return refused(s, why, size, by);
	if (code == 406) {
		snprintf(why, size, "the stream's codecs do not go into this form (%s): give its URL of HLS", by);
		return PLAY_FAILED;
	}
	snprintf(why, size, "the server answered %s: %s", by,
	    code >= 500 ? "look into the server's log" : "see whether the URL is right");
	return PLAY_FAILED;
}

static int code_of(int err)
{
	switch (err) {
	case AVERROR_HTTP_UNAUTHORIZED:
		return 401;
	case AVERROR_HTTP_FORBIDDEN:
		return 403;
	case AVERROR_HTTP_NOT_FOUND:
		return 404;
	case AVERROR_HTTP_BAD_REQUEST:
		return 400;
	case AVERROR_HTTP_SERVER_ERROR:
		return 500;
	default:
		return 0;
	}
}

static const char *advice(int err)
{
	switch (err) {
	case AVERROR(ENOENT):
		return "see whether the name is right";
	case AVERROR_INVALIDDATA:
	case AVERROR(EINVAL):
		return "see whether the URL is that of a stream";
	default:
		return "see whether the server runs and the URL is right";
	}
}

static int other_failure(const struct source *s, int err, char *why, size_t size)
{
	char text[200];

	if (av_strerror(err, text, sizeof(text)) < 0)
		snprintf(text, sizeof(text), "error %d", err);
	if (err == AVERROR_EOF)
		snprintf(text, sizeof(text), "the server ended it");
	if (strstr(s->trouble.last, "Stream ends prematurely")) {
		snprintf(why, size,
		    "the server broke the stream off: see whether it still runs, and look into its "
		    "log");
		return PLAY_FAILED;
	}
	/* What libav said last tells more than its result, but for the plain ones of the system. */
	bool more = (err == AVERROR(EIO) || err == AVERROR_INVALIDDATA || err == AVERROR_UNKNOWN) &&
		    s->trouble.last[0];
	snprintf(why, size, "cannot %s it: %s%s%s: %s", s->publishing ? "publish" : "play", text, more ? ": " : "",
	    more ? s->trouble.last : "", advice(err));
	return PLAY_FAILED;
}

int source_explain(const struct source *s, int err, char *why, size_t size)
{
	const struct trouble *t = &s->trouble;
	int code = t->http_code ? t->http_code : code_of(err);

	if (code)
		return http_failed(s, code, why, size);
	if (t->server[0])
		return server_said(s, why, size);
	if (t->srt_rejections != trouble_srt_rejections()) {
		/* Which of 1401, 1403 and 1404 it was libavformat keeps to itself. */
		snprintf(why, size,
		    "the gate refused it (SRT): see whether the stream is being published, and "
		    "give a token that is good for it, and was not used before");
		return PLAY_REFUSED;
	}
	if (s->silent) {
		snprintf(why, size,
		    "no data for %d s: see whether the server and the stream are alive",
		    SOURCE_PATIENCE_MS / 1000);
		return PLAY_FAILED;
	}
	if (play_interrupted()) {
		snprintf(why, size, "interrupted before anything was %s: begin again",
		    s->publishing ? "published" : "played");
		return PLAY_FAILED;
	}
	return other_failure(s, err, why, size);
}
