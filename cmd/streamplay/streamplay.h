/* streamplay.h - what the parts of streamplay share. One part, one file; each block below is one. */
#ifndef STREAMPLAY_H
#define STREAMPLAY_H

#include "base/bytes.h"
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- main.c ---- */

enum play_status { PLAYED, PLAY_FAILED, PLAY_USAGE, PLAY_NOT_FOUND, PLAY_REFUSED, PLAY_UNMET };

/* Prints "streamplay: ..." on standard error, secrets taken out, and answers `status`. */
int play_fail(int status, const char *fmt, ...) SG_PRINTF(2, 3);
void play_warn(const char *fmt, ...) SG_PRINTF(1, 2);
/* Set by SIGINT and SIGTERM. */
bool play_interrupted(void);

/* ---- options.c ---- */

#define PLAY_OPTIONS(X)                                                                            \
	X(OPT_TOKEN, "token", "TOKEN", "the token; - reads it from standard input, @FILE a file")  \
	X(OPT_DURATION, "duration", "TIME", "stop after this time, such as 10s")                   \
	X(OPT_RECORD, "record", "FILE", "also write it to FILE: .mp4 .mkv .flv .ts")               \
	X(OPT_PUBLISH, "publish", "FILE", "send FILE to URL over WHIP, at its own pace")           \
	X(OPT_WINDOW, "window", NULL, "open a window, or fail")                                    \
	X(OPT_NO_WINDOW, "no-window", NULL, "open no window")                                      \
	X(OPT_JSON, "json", NULL, "print one object at the end")                                   \
	X(OPT_EXPECT, "expect", "LIST", "check: video=h264,audio=aac,fps>=25,latency<500ms")       \
	X(OPT_CLIENTS, "clients", "N", "be N viewers at once, without decoding")                   \
	X(OPT_RAMP, "ramp", "N/s", "begin with so many of them in a second")                       \
	X(OPT_TOKENS, "tokens", "FILE", "a token for each of them, one in a line")                 \
	X(OPT_CONFIG, "config", "FILE", "the configuration to use")                                \
	X(OPT_HELP, "help", NULL, "print this")                                                    \
	X(OPT_VERSION, "version", NULL, "print the version")

enum play_opt {
#define PLAY_OPT(name, text, value, help) name,
	PLAY_OPTIONS(PLAY_OPT)
#undef PLAY_OPT
	    OPT_COUNT_
};

#define CLIENTS_MAX 1000

struct expectation;
struct options {
	char *arg[OPT_COUNT_]; /* as typed; "" for a switch; NULL = not given */
	char *url; /* as typed; a secret. In argv what is secret in it is blotted out */
	int64_t duration_ms;   /* 0 = to the end */
	unsigned clients;      /* 0 = an ordinary player */
	double ramp;           /* clients a second; 0 = all at once */
	struct expectation *expect;
	size_t expect_count;
};
/* PLAYED, or the error has been printed. End with options_reset. */
int options_parse(struct options *o, int argc, char **argv);
void options_reset(struct options *o);
void options_help(void);

/* ---- token.c: the token and the URL it goes into ---- */

#define TOKEN_MAX 8192
#define URL_MAX 4096 /* libavformat keeps its own URLs in as much */

/* From --token, else $STREAMGATE_TOKEN; an argument is blotted out so that `ps` shows it no more.
 * *token is NULL when there is none; the caller wipes and frees it with token_free. */
int token_read(const struct options *o, char **token);
/* One token for each client from the lines of `path`. End with tokens_free. */
int tokens_read(const char *path, unsigned wanted, char ***out);
void token_free(char *token);
void tokens_free(char **tokens, unsigned count);
/* The URL with the token in it, unless it holds one already (or token is NULL); NULL when out of
 * memory. The caller ends it with token_free: it is a secret. */
char *url_with_token(const char *url, const char *token);
/* Is this a URL that streamplay speaks, or a file? PLAYED, or the error has been printed. */
int url_check(const char *url);

/* ---- trouble.c: what libav says, kept by thread ---- */

struct trouble {
	int http_code;       /* the last refusal of an HTTP server; 0 = none */
	char server[300];    /* an RTMP server's own words, "" = none */
	char last[300];      /* the last complaint, secrets taken out */
	unsigned srt_rejections; /* how many there were when it was opened */
	int64_t heard_ms;    /* when an HTTP server last answered anything */
	const char *token;   /* to be hidden besides what sg_redact knows; may be NULL */
};
void trouble_install(void); /* once, before anything else of libav */
/* How many handshakes of SRT have been rejected so far, of all threads. */
unsigned trouble_srt_rejections(void);
/* From now on what libav says in this thread goes to `t`; NULL: nowhere. */
void trouble_watch(struct trouble *t);

/* ---- source.c: a stream that is open ---- */

#define SOURCE_PATIENCE_MS 10000
#define SOURCE_STREAMS_MAX 32

struct rtc;
struct source {
	AVFormatContext *fmt; /* of WebRTC: made by us, without a demuxer */
	struct rtc *rtc;      /* WebRTC (rtc.h), else NULL */
	struct trouble trouble;
	const atomic_bool *stop; /* set by another thread */
	int64_t opened_us, connected_us; /* open began; the server had answered */
	int64_t progress_ms, bytes_seen;
	int64_t read_ms; /* the last read began */
	int64_t newest_dts[SOURCE_STREAMS_MAX]; /* DASH, by stream: see read_unseen */
	bool live, silent; /* silent: nothing came for too long */
	bool begun; /* a packet was read */
	bool srt, publishing;
};
/* Opens `url`, which holds its token, in the calling thread. `analyze`: the only source of the process; the
 * parameters of its streams are found out too, and DASH is spoken. 0 or an AVERROR; source_close in either case. */
int source_open(struct source *s, const char *url, const char *token, const atomic_bool *stop,
    bool analyze);
void source_close(struct source *s);
/* av_read_frame that does not wait for ever. */
int source_read(struct source *s, AVPacket *pkt);
/* Has all of it come? Of what is one body: RTMP, a file, FLV over HTTP. */
bool source_at_end(const struct source *s);
/* Does this `err` of a read, after something was played, mean that the stream came to its end? */
bool source_ended(const struct source *s, int err);
/* To be asked again and again by what waits: interrupted, stopped, or nothing came for too long. */
bool source_gives_up(struct source *s);
/* What `err` of an open or a read means: the status, and the reason and advice in `why`. */
int source_explain(const struct source *s, int err, char *why, size_t size);

/* ---- measure.c: what came, and when ---- */

struct line { /* what WebRTC's line did */
	uint64_t packets, lost, nacks, plis, recovered;
	double jitter_s;
};

struct facts { /* a snapshot */
	char video[32], audio[32]; /* codecs; "" = none */
	int width, height, sample_rate, channels;
	uint64_t video_packets, audio_packets, bytes;
	uint64_t decoded, samples; /* video frames, sound frames */
	uint64_t lost, discontinuities;
	double fps, bit_rate; /* 0 = not known yet */
	double seconds, media_s, buffered_s;
	int64_t startup_ms, latency_ms; /* -1 = not known */
	bool live;
	bool over_webrtc; /* then these too: */
	struct line line;
	uint64_t freezes;
	double frozen_s;
};

struct track { /* of one kind of media */
	int64_t last_us, span_us, steps; /* AV_NOPTS_VALUE: nothing yet */
};

#define RHYTHM_FRAMES 30
struct rhythm { /* of the pictures as they are shown */
	int64_t last_us, steps_us[RHYTHM_FRAMES]; /* the newest that were no freeze */
	unsigned count;
};

struct measure {
	pthread_mutex_t lock; /* guards all of it */
	struct rhythm rhythm;
	struct facts facts;
	int64_t began_us, connected_us, ended_us;
	struct track packets[2], frames; /* packets: video, sound */
	uint64_t reads;
	bool settled; /* what had piled up before we read has been read */
	int64_t settled_us, offset_min, offset_max, worst_us, first_dts;
	bool have_offset;
};
void measure_init(struct measure *m, int64_t now_us);
void measure_end(struct measure *m, int64_t now_us); /* the clock stops */
void measure_reset(struct measure *m);
void measure_open(struct measure *m, const struct source *s);
/* A packet of `type` with decoding time `dts_us` (or AV_NOPTS_VALUE); `waited`: it was not there
 * yet when it was asked for. */
void measure_packet(struct measure *m, enum AVMediaType type, int64_t dts_us, const AVPacket *pkt,
    bool waited, int64_t now_us);
void measure_codec(struct measure *m, const AVCodecParameters *par);
void measure_frame(struct measure *m, enum AVMediaType type, int64_t pts_us, const AVFrame *frame,
    int64_t now_us);
void measure_broken(struct measure *m);
void measure_line(struct measure *m, const struct line *line);
void measure_facts(struct measure *m, int64_t now_us, struct facts *out);

/* ---- decode.c ---- */

struct window;
struct decoder {
	AVCodecContext *ctx;
	int index; /* of the stream; -1 = not open */
	bool unknown; /* no decoder for it */
};
struct decoding {
	struct decoder video, sound;
	AVFrame *frame;
	struct measure *measure;
	struct window *window; /* may be NULL */
	bool live;
};
bool decoding_init(struct decoding *d, struct measure *m, struct window *w);
void decoding_reset(struct decoding *d);
/* Decodes what is of the chosen streams; pkt NULL: drain. */
void decoding_packet(struct decoding *d, AVFormatContext *fmt, const AVPacket *pkt);

/* ---- record.c ---- */

struct record;
/* PLAYED, or the error has been printed. Nothing is written yet. */
int record_open(struct record **out, const char *path);
/* The first call writes the header. false: it failed, and that has been told. */
bool record_packet(struct record *r, AVFormatContext *from, const AVPacket *pkt);
/* Finishes the file and gives it its name. PLAYED, or the error has been printed. */
int record_close(struct record *r);
void record_drop(struct record *r); /* leaves no file */

/* ---- window.c, sound.c ---- */

/* Is there a display? */
bool window_wanted(const struct options *o);
/* NULL with `why` filled in when there is no display after all. Main thread. */
struct window *window_open(const char *title, char *why, size_t size);
void window_close(struct window *w); /* NULL is allowed */
/* From the decoding thread; both may wait where the stream is a file. Frames are copied by
 * reference. */
void window_frame(struct window *w, const AVFrame *frame, int64_t pts_us, bool live);
void window_sound(struct window *w, const AVFrame *frame, int64_t pts_us, bool live);
void window_end(struct window *w);  /* nothing more will come */
void window_quit(struct window *w); /* nobody will look any more: wakes the decoding thread */
/* Handles events and shows what is due, for some milliseconds. false: the viewer quit, or all was
 * shown. Main thread. */
bool window_turn(struct window *w);
double window_buffered_s(struct window *w);

struct sound;
struct sound *sound_open(void); /* NULL when there is no device */
void sound_close(struct sound *s);
/* Converts and queues. Decoding thread. */
void sound_put(struct sound *s, const AVFrame *frame, int64_t pts_us, bool live);
/* What is being heard now; false when nothing is. */
bool sound_clock(struct sound *s, int64_t *pts_us);
double sound_buffered_s(struct sound *s);
void sound_pause(struct sound *s, bool paused);

/* ---- expect.c ---- */

/* "video=h264,fps>=25": PLAYED, or the error has been printed. *out is freed by the caller. */
int expect_parse(const char *list, struct expectation **out, size_t *count);
/* Prints each one that is not met. true when all are. */
bool expect_check(const struct expectation *e, size_t count, const struct facts *f);

/* ---- status.c: what the viewer is told ---- */

struct outcome {
	int status;
	char why[600]; /* "" when all went well */
};
bool status_wanted(const struct options *o);
void status_draw(const struct facts *f);
void status_erase(void);
void status_summary(const struct facts *f);
void status_json(const char *url, const struct outcome *end, const struct facts *f);
const char *status_name(int status);
struct json_t *status_url_json(const char *url); /* fit to be shown; null where it is no UTF-8 */
/* The URL fit to be shown. The caller frees it. */
char *url_shown(const char *url);

/* ---- play.c, clients.c, publish.c ---- */

int play_run(const struct options *o);
int clients_run(const struct options *o);
int publish_run(const struct options *o);

#endif
