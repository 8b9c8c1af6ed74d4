/* play.c - one viewer's way through the gate.
 *
 *   request ─▶ admit ─▶ held ─▶ is media at hand? ─▶ commit ─▶ start
 *
 * Nothing is spent before media is at hand (R3): a viewer who comes before a stream's first segment
 * waits with the token held, and one whose peer has left meanwhile spends nothing. A stranger is
 * refused before any of that, so that how long an answer takes tells nothing about the stream. */
#include "http/media_internal.h"
#include <fcntl.h>
#include <sys/socket.h>

static void unlink_play(struct http_play *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		p->lane->plays = p->next;
	if (p->next)
		p->next->prev = p->prev;
}

/* The waiter's wake may still be in the loop's queue: then it frees. */
static void release(struct http_play *p)
{
	p->over = true;
	if (!atomic_load(&p->woken))
		free(p);
}

void play_end(struct http_play *p, enum sg_goodbye why)
{
	hls_stop_waiting(p);
	sg_gate_end(p->session, why);
	unlink_play(p);
	sg_stream_unref(p->stream);
	http_pump_unref(p->pump);
	if (p->fd >= 0)
		close(p->fd);
	release(p);
}

/* Ends the attempt with an answer. The answer comes last: the server may close behind it. */
void play_refuse(struct http_play *p, enum sg_reason reason, enum sg_goodbye why)
{
	struct sg_http_request *req = p->req;

	play_end(p, why);
	sg_http_refuse_media(req, reason);
}

static bool peer_is_gone(const struct http_play *p)
{
	char byte;

	return recv(p->req->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void play_go_on(struct http_play *p)
{
	if (peer_is_gone(p)) {
		struct sg_http_request *req = p->req;
		play_end(p, SG_BYE_CLOSED);
		http_drop(req);
		return;
	}
	sg_gate_commit(p->session);
}

static void prepare(struct http_play *p)
{
	struct sg_http_request *req = p->req;

	switch (p->kind->prepare(p)) {
	case PLAY_READY:
		play_go_on(p);
		return;
	case PLAY_WAIT:
		return;
	case PLAY_GONE:
		play_refuse(p, SG_STREAM_NOT_LIVE, SG_BYE_NO_MEDIA);
		return;
	case PLAY_UNFIT:
		play_end(p, SG_BYE_NO_MEDIA);
		sg_http_refuse(req, 406, "the stream cannot be had in this form");
		return;
	}
}

/* ---- the gate's callbacks, on the lane ---- */

static void on_admitted(void *user, enum sg_reason verdict)
{
	struct http_play *p = user;

	if (verdict == SG_ADMITTED && atomic_load(&p->lane->media->draining))
		verdict = SG_OVERLOAD;
	if (verdict != SG_ADMITTED)
		play_refuse(p, verdict, SG_BYE_CLOSED);
	else
		prepare(p);
}

static void on_committed(void *user, enum sg_reason verdict)
{
	struct http_play *p = user;

	if (verdict != SG_ADMITTED)
		play_refuse(p, verdict, SG_BYE_CLOSED);
	else
		p->kind->start(p);
}

static void on_kicked(void *user, enum sg_goodbye why)
{
	struct http_play *p = user;

	if (p->conn)
		live_stop(p, why);
	else
		play_refuse(p, SG_REVOKED, why);
}

/* Those that wait for the gate are answered when it has answered. */
void play_drain(struct http_play *p)
{
	if (p->conn)
		live_stop(p, SG_BYE_SHUTDOWN);
	else if (p->waiting)
		play_refuse(p, SG_OVERLOAD, SG_BYE_NO_MEDIA);
}

/* ---- the beginning ---- */

static void start(struct sg_task *task)
{
	struct http_play *p = SG_CONTAINER_OF(task, struct http_play, task);
	struct sg_http_request *req = p->req;
	struct sg_request r = { .protocol = p->kind->protocol, .app = sg_str_from(p->app),
		.type = SG_PLAY, .token = media_token(req), .peer = *sg_http_peer(req),
		.user_agent = sg_http_header(req, "User-Agent") };
	const struct sg_gate_client client = { .executor = sg_loop_executor(p->lane->loop),
		.admitted = on_admitted, .committed = on_committed, .kicked = on_kicked, .user = p };

	*(p->kind->recording ? &r.recording : &r.stream) = sg_str_from(p->name);
	if ((p->next = p->lane->plays))
		p->next->prev = p;
	p->lane->plays = p;
	p->session = sg_gate_admit(p->lane->media->srv->cfg.gate, &r, &client);
	if (!p->session)
		play_refuse(p, SG_OVERLOAD, SG_BYE_CLOSED);
}

void play_begin(struct sg_http_media *m, struct sg_http_request *req, const struct play_kind *kind,
    struct sg_str app, struct sg_str name, int fd, const struct stat *st)
{
	struct http_play *p = calloc(1, sizeof(*p));

	if (!p || !m->lane_count || !sg_str_copy(p->app, sizeof(p->app), app) ||
	    !sg_str_copy(p->name, sizeof(p->name), name)) {
		free(p);
		if (fd >= 0)
			close(fd);
		sg_http_refuse_media(req, SG_OVERLOAD);
		return;
	}
	p->lane = &m->lanes[atomic_fetch_add(&m->next_lane, 1) % m->lane_count];
	p->req = req;
	p->kind = kind;
	p->fd = fd;
	if (fd >= 0)
		p->st = *st;
	p->task.run = start;
	/* On the lane's own thread, so that the gate's answer cannot overtake the session. */
	sg_http_defer(req, p);
	struct sg_executor *ex = sg_loop_executor(p->lane->loop);
	ex->post(ex, &p->task);
}
