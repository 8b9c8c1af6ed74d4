/* preview.c - an administrator's look at a stream: a session of its own, for which no token is asked.
 *
 *   query thread: who asks ─▶ a loop: the gate ─▶ 201 and where the playlist is
 *
 * The session is play's alone, detached at once as HLS's are: it is listed and audited (protocol
 * "preview"), stays in one place (R5), ends by itself when it is not used (SG_HTTP_IDLE_MS), and is not
 * counted among the viewers. */
#include "api/api_internal.h"
#include "net/loop.h"

#define IN_FLIGHT_MAX 64

struct preview {
	struct sg_task task;
	struct api_call *c; /* ours */
	struct sg_session *session;
};

static struct api_call *forget(struct preview *p)
{
	struct api_call *c = p->c;

	atomic_fetch_sub(&c->api->previewing, 1);
	free(p);
	return c;
}

static void finish(struct preview *p, enum sg_reason verdict, const char *sid)
{
	struct api_call *c = forget(p);
	struct sg_str app = sg_http_part(c->req, 0), stream = sg_http_part(c->req, 1);

	if (verdict == SG_ADMITTED)
		api_answer(c, 201,
		    json_pack("{so}", "url",
			json_sprintf("/%.*s/streams/s/%s/%.*s/master.m3u8", SG_STR_ARG(app), sid,
			    SG_STR_ARG(stream))));
	else if (verdict == SG_STREAM_NOT_LIVE || verdict == SG_MISSING_TOKEN)
		api_problem(c->req, 404, "there is no such stream");
	else
		api_try_later(c->req, 503, 1, "there are too many sessions: try again in a second");
	free(c);
}

static void on_admitted(void *user, enum sg_reason verdict)
{
	struct preview *p = user;
	char sid[SG_SID_TEXT_SIZE] = "";

	if (verdict == SG_ADMITTED)
		sg_gate_detach(p->session, sid);
	else
		sg_gate_end(p->session, SG_BYE_CLOSED);
	finish(p, verdict, sid);
	sg_wipe(sid, sizeof(sid));
}

static void on_kicked(void *user, enum sg_goodbye why)
{
	struct preview *p = user;

	sg_gate_end(p->session, why);
	finish(p, SG_OVERLOAD, "");
}

static void run(struct sg_task *task)
{
	struct preview *p = SG_CONTAINER_OF(task, struct preview, task);
	struct sg_http_request *req = p->c->req;
	const struct sg_gate_client client = {
	    .executor = sg_loop_executor(p->c->api->cfg.loops[0]),
	    .admitted = on_admitted,
	    .kicked = on_kicked,
	    .user = p};
	const struct sg_request r = {.protocol = "preview",
	    .app = sg_http_part(req, 0),
	    .stream = sg_http_part(req, 1),
	    .type = SG_PLAY,
	    .peer = *sg_http_peer(req),
	    .user_agent = sg_http_header(req, "User-Agent"),
	    .at_once = true,
	    .by_admin = true};

	if (!(p->session = sg_gate_admit(p->c->api->cfg.gate, &r, &client)))
		finish(p, SG_OVERLOAD, "");
}

void api_streams_preview(struct api_call *c)
{
	struct sg_str app = sg_http_part(c->req, 0);
	struct preview *p = NULL;

	if (!sg_gate_has_app(c->api->cfg.gate, app) || !sg_stream_is_valid(sg_http_part(c->req, 1))) {
		api_problem(c->req, 404, "there is no such stream");
		return;
	}
	if (!c->api->cfg.loop_count || atomic_fetch_add(&c->api->previewing, 1) >= IN_FLIGHT_MAX) {
		if (c->api->cfg.loop_count)
			atomic_fetch_sub(&c->api->previewing, 1);
		api_try_later(c->req, 503, 1, "too many at a time: try again in a second");
		return;
	}
	if (!(p = calloc(1, sizeof(*p))) || !(p->c = api_call_keep(c))) {
		if (!p)
			api_problem(c->req, 500, "out of memory");
		free(p);
		atomic_fetch_sub(&c->api->previewing, 1);
		return;
	}
	p->task.run = run;
	struct sg_executor *ex = sg_loop_executor(c->api->cfg.loops[0]);
	ex->post(ex, &p->task);
}
