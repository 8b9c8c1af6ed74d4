/* media_internal.h - what the media files of this folder share.
 *
 * A play is one viewer's attempt, from its request to its answer (HLS, recordings: the session is
 * then found again by its id) or to the end of its socket (FLV, TS). It lives on one loop, its lane,
 * and all of it runs there. */
#ifndef SG_HTTP_MEDIA_INTERNAL_H
#define SG_HTTP_MEDIA_INTERNAL_H

#include "http/http_internal.h"
#include "media/hls.h"
#include <sys/stat.h>

#define MEDIA_COOKIE "sg_session"
#define MEDIA_WAIT_MS 6000 /* for a stream's first segment */
#define MEDIA_CHECKS_MAX 64 /* HEAD requests that ask the store at a time */

/* ---- media_name.c: what a path below /APP/streams/ names ---- */

enum media_kind { MEDIA_NONE, MEDIA_HLS, MEDIA_DASH, MEDIA_FLV, MEDIA_TS, MEDIA_RECORDING };
struct media_name {
	enum media_kind kind;
	struct sg_str name;   /* the stream id; of a recording the file's name */
	struct sg_str sid;    /* of "s/SID/...", else absent */
	struct sg_str object; /* HLS, DASH: "video.m3u8", "audio-5.m4s"; absent: what leads to them */
	struct sg_str alias;  /* "S_adaptive.m3u8": S, else absent */
};
/* `rest` is the decoded path after /APP/streams/. False: nothing of ours, whatever exists. */
bool http_media_name_parse(struct media_name *out, struct sg_str rest);

/* ---- media.c ---- */

struct play_kind;

struct http_play {
	struct http_play *prev, *next; /* lane->plays */
	struct http_lane *lane;
	struct sg_http_request *req; /* until it is answered */
	const struct play_kind *kind;
	struct sg_task task; /* start, then the waiter's wake */
	struct sg_session *session;
	char app[SG_APP_MAX + 1], name[SG_STREAM_MAX + 1];
	struct sg_stream *stream;
	/* HLS, DASH */
	struct sg_ring_waiter waiter;
	struct sg_timer *timer;
	atomic_bool woken; /* the task is in the loop's queue */
	bool waiting, over;
	/* recordings */
	int fd;
	struct stat st;
	/* FLV, TS */
	struct sg_conn *conn;
	struct http_pump *pump; /* a reference; HTTPS */
	struct sg_follower *follower;
	uint64_t counted; /* bytes told to the session */
	int64_t asked_ms; /* TS: the packager was last asked */
};

enum play_state { PLAY_READY, PLAY_WAIT, PLAY_GONE, PLAY_UNFIT };
struct play_kind {
	const char *protocol, *type;
	bool recording;
	enum play_state (*prepare)(struct http_play *p); /* token held, nothing spent */
	void (*start)(struct http_play *p); /* the session is active */
};
extern const struct play_kind play_hls, play_dash, play_flv, play_ts, play_recording; /* by file */

struct http_lane {
	struct sg_http_media *media;
	struct sg_loop *loop;
	struct sg_fanout *fanout;
	struct http_play *plays;
	struct hls_desk *desks; /* hls_wait.c */
	struct sg_timer *timer;
};

struct sg_http_media {
	struct sg_http_server *srv;
	struct http_lane *lanes;
	size_t lane_count;
	atomic_uint next_lane;
	atomic_bool draining;
	atomic_size_t viewers, checks;
	atomic_uint_fast64_t bytes;
};

struct sg_str media_token(const struct sg_http_request *req);
/* What browsers on other origins need to see; every media answer has them. */
void media_add_cors(struct sg_http_request *req);
/* Sets the cookie that brings this path back to its session. */
void media_add_cookie(struct sg_http_request *req, const char *sid);
/* Makes the request part of session `sid`: a kick then cuts its connection. */
enum sg_reason media_enter(struct sg_http_request *req, struct sg_str sid, struct sg_str app,
    struct sg_str name, const struct play_kind *kind);

/* ---- play.c ---- */
/* Takes the request: defers it, asks the gate, answers. `fd` and `st`: of a recording, else -1. */
void play_begin(struct sg_http_media *m, struct sg_http_request *req, const struct play_kind *kind,
    struct sg_str app, struct sg_str name, int fd, const struct stat *st);
/* On the lane: everything it holds is given back; the session, if any, ends. */
void play_end(struct http_play *p, enum sg_goodbye why);
void play_go_on(struct http_play *p); /* PLAY_WAIT is over */
void play_refuse(struct http_play *p, enum sg_reason reason, enum sg_goodbye why);
void play_drain(struct http_play *p);

/* ---- hls.c ---- */

/* What a request that goes on in a session asks for. */
struct hls_wanted {
	enum { HLS_MASTER, HLS_MPD, HLS_OBJECT } what;
	const char *prefix; /* of a master or MPD: what its links begin with */
	struct sg_hls_ask ask;
};
/* "s/SID/S/" */
#define HLS_PREFIX_SIZE (SG_SID_TEXT_SIZE + SG_STREAM_MAX + 4)
void hls_prefix(char out[HLS_PREFIX_SIZE], const char *sid, struct sg_str name);
/* Answers unless what is wanted is still to come. */
bool hls_try(struct sg_http_request *req, struct sg_stream *stream, const struct hls_wanted *w);
/* What leads to the session's objects; it holds the session. */
void hls_answer(struct sg_http_request *req, struct sg_blob *text, bool dash);
void hls_serve(struct sg_http_media *m, struct sg_http_request *req, struct sg_str app,
    const struct media_name *n);
void hls_stop_waiting(struct http_play *p);

/* ---- hls_wait.c: requests for what is still to come ---- */
/* Takes the request, which is answered as soon as there is what it wants, or with 503. What `w`
 * points at is copied. */
void hls_wait(struct sg_http_media *m, struct sg_http_request *req, struct sg_stream *stream,
    const struct hls_wanted *w);
void hls_wait_tick(struct http_lane *lane);
void hls_wait_drain(struct http_lane *lane); /* all are answered now */

/* ---- recording.c ---- */
/* Answers with the file or the part asked for; takes `fd`. `sid`: NULL when there is none to
 * tell. */
void recording_answer(
    struct sg_http_request *req, int fd, const struct stat *st, struct sg_str name, const char *sid);
int recording_open(const struct sg_config *cfg, struct sg_str app, struct sg_str name,
    struct stat *st);

/* ---- live.c ---- */
void live_tick(void *lane);
void live_stop(struct http_play *p, enum sg_goodbye why); /* p->conn is there */

/* ---- head.c ---- */
/* HEAD: what GET would say, spending nothing. `fd` as for play_begin. */
void head_begin(struct sg_http_media *m, struct sg_http_request *req, const struct play_kind *kind,
    struct sg_str app, struct sg_str name, int fd, const struct stat *st);

#endif
