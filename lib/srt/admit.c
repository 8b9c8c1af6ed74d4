/* admit.c - the handshake: who is let in, decided in libsrt's callback. */
#include "srt/srt_internal.h"
#include <access_control.h>

int srt_code_of(enum sg_reason reason)
{
	switch (reason) {
	case SG_MISSING_TOKEN:
		return SRT_REJX_UNAUTHORIZED;
	case SG_STREAM_NOT_LIVE:
		return SRT_REJX_NOTFOUND;
	case SG_ALREADY_PUBLISHING:
		return SRT_REJX_CONFLICT;
	case SG_OVERLOAD:
		return SRT_REJX_OVERLOAD;
	default:
		return SRT_REJX_FORBIDDEN; /* why stands in the audit (R12) */
	}
}

static int refuse(struct sg_srt_server *srv, SRTSOCKET sock, int code)
{
	atomic_fetch_add(&srv->rejected, 1);
	srt_setrejectreason(sock, code);
	return -1;
}

/* ---- the peer ---- */

static struct srt_peer *new_peer(
    struct sg_srt_server *srv, SRTSOCKET sock, enum sg_token_type type, const struct sockaddr *from)
{
	struct srt_peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->lane = &srv->lanes[atomic_fetch_add(&srv->next_lane, 1) % srv->cfg.loop_count];
	p->sock = sock;
	p->type = type;
	p->verdict = SG_REASON_COUNT;
	p->arrive.run = srt_peer_arrive;
	p->connect.run = srt_peer_connect;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->told, NULL);
	sg_endpoint_format(p->name, from);
	return p;
}

/* The application's passphrase, for libsrt to check in what follows of the handshake. */
static bool set_passphrase(struct sg_srt_server *srv, struct srt_peer *p, struct sg_str app_name)
{
	bool ok = true;

	pthread_mutex_lock(&srv->lock);
	const struct sg_app_config *app = sg_config_app(srv->apps, app_name);
	if (app && app->srt_passphrase) {
		ok = srt_setsockflag(p->sock, SRTO_PASSPHRASE, app->srt_passphrase,
			 (int)strlen(app->srt_passphrase)) == 0;
		p->encrypted = true;
	}
	pthread_mutex_unlock(&srv->lock);
	return ok;
}

static enum sg_reason ask_gate(
    struct srt_peer *p, const struct sg_srt_streamid *id, const struct sockaddr *from)
{
	struct sg_request req = {.protocol = "srt",
	    .app = sg_str_from(id->app),
	    .stream = sg_str_from(id->stream),
	    .type = id->type,
	    .token = sg_str_from(id->has_token ? id->token : NULL),
	    .peer = sg_addr_from_sockaddr(from)};
	struct sg_gate_client client = {sg_loop_executor(p->lane->loop), srt_peer_on_admitted,
	    srt_peer_on_committed, srt_peer_on_kicked, p};
	enum sg_reason verdict = SG_OVERLOAD;

	p->session = sg_gate_admit_now(p->lane->srv->cfg.gate, &req, &client, &verdict);
	return p->session ? verdict : SG_OVERLOAD;
}

/* From here on the lane has it. */
static void hand_over(struct srt_peer *p, enum sg_reason verdict)
{
	struct sg_srt_server *srv = p->lane->srv;
	struct sg_executor *ex = sg_loop_executor(p->lane->loop);

	if (verdict == SG_ADMITTED) {
		p->verdict_known = true;
		p->verdict = verdict;
	}
	pthread_mutex_lock(&srv->lock);
	p->handshaking = true;
	HASH_ADD_INT(srv->handshakes, sock, p);
	pthread_mutex_unlock(&srv->lock);
	ex->post(ex, &p->arrive);
}

static int admit(struct sg_srt_server *srv, SRTSOCKET sock, const struct sg_srt_streamid *id,
    const struct sockaddr *from)
{
	struct sg_str app = sg_str_from(id->app), stream = sg_str_from(id->stream);
	struct srt_peer *p = new_peer(srv, sock, id->type, from);

	if (!p) {
		atomic_fetch_sub(&srv->connections, 1);
		return SRT_REJX_OVERLOAD;
	}
	enum sg_reason verdict = set_passphrase(srv, p, app) ? ask_gate(p, id, from) : SG_OVERLOAD;
	if (verdict != SG_ADMITTED && verdict != SG_REASON_COUNT) {
		srt_peer_free(p); /* refused: the gate has nothing to tell it any more */
		return srt_code_of(verdict);
	}
	/* To those alone who may know what there is; who has to wait is asked again. */
	p->unwanted = verdict == SG_ADMITTED && id->type == SG_PLAY &&
		      !srt_viewer_can_have(srv, app, stream);
	bool unwanted = p->unwanted;
	hand_over(p, verdict);
	return unwanted ? SRT_REJX_NOTSUP_MEDIA : 0;
}

/* libsrt.h: called on its one receive thread, for every caller that has proved its address; nothing here
 * waits. README.md tells what that costs. */
int srt_on_handshake(
    void *opaque, SRTSOCKET sock, int hs_version, const struct sockaddr *from, const char *streamid)
{
	struct sg_srt_server *srv = opaque;
	struct sg_srt_streamid id;
	char name[SG_ENDPOINT_TEXT_SIZE];

	(void)hs_version;
	if (atomic_load(&srv->draining))
		return refuse(srv, sock, SRT_REJX_DOWN);
	enum sg_result res = sg_srt_streamid_parse(&id, sg_str_from(streamid ? streamid : ""));
	if (res != SG_OK) {
		sg_endpoint_format(name, from);
		sg_log_limited(SG_LOG_WARNING, "srt %s: refused: its stream id %s", name,
		    res == SG_ERR_UNSUPPORTED ? "asks for a mode that is not spoken"
					      : "names no stream");
		atomic_fetch_add(&srv->bad_input, 1);
		return refuse(srv, sock,
		    res == SG_ERR_UNSUPPORTED ? SRT_REJX_BAD_MODE : SRT_REJX_BAD_REQUEST);
	}
	if (atomic_fetch_add(&srv->connections, 1) >= srv->cfg.max_connections) {
		atomic_fetch_sub(&srv->connections, 1);
		sg_log_limited(SG_LOG_WARNING, "srt: %zu connections: no more are taken",
		    srv->cfg.max_connections);
		return refuse(srv, sock, SRT_REJX_OVERLOAD);
	}
	int code = admit(srv, sock, &id, from);
	sg_wipe(&id, sizeof(id));
	return code ? refuse(srv, sock, code) : 0;
}
