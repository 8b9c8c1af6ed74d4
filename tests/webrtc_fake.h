/* webrtc_fake.h - webrtc/webrtc.h without media: it asks the real gate, describes in a few words, and
 * has media when the test says so. For tests of signalling. */
#ifndef WEBRTC_FAKE_H
#define WEBRTC_FAKE_H

#include "webrtc/webrtc.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct sg_webrtc_server {
	struct sg_gate *gate;
	struct sg_hub *hub;
	pthread_mutex_t lock;
	struct sg_webrtc_peer *peers;
	size_t count;
	unsigned candidates, restarts;
	char last_detail[64]; /* what the next description ends with, "" = it is described */
	bool overload;
	enum sg_goodbye last_bye;
};

struct sg_webrtc_peer {
	struct sg_webrtc_peer *prev, *next;
	struct sg_webrtc_server *srv;
	struct sg_session *session;
	struct sg_executor *executor;
	const struct sg_webrtc_events *events;
	void *user;
	enum sg_token_type type;
	bool has_offer, closed;
	atomic_int tasks; /* on their way */
	char id[SG_WEBRTC_ID_SIZE], app[64], stream[256], sdp[128];
	enum sg_goodbye bye;
};

/* Runs `fn` on the peer's thread. */
struct fake_task {
	struct sg_task task;
	struct sg_webrtc_peer *p;
	void (*fn)(struct sg_webrtc_peer *p);
};

static inline void fake_free(struct sg_webrtc_peer *p)
{
	if (p->closed && !atomic_load(&p->tasks))
		free(p);
}

static inline void fake_run(struct sg_task *task)
{
	struct fake_task *t = SG_CONTAINER_OF(task, struct fake_task, task);
	struct sg_webrtc_peer *p = t->p;

	if (!p->closed)
		t->fn(p);
	free(t);
	atomic_fetch_sub(&p->tasks, 1);
	fake_free(p);
}

static inline void fake_post(struct sg_webrtc_peer *p, void (*fn)(struct sg_webrtc_peer *p))
{
	struct fake_task *t = malloc(sizeof(*t));

	*t = (struct fake_task){ { .run = fake_run }, p, fn };
	atomic_fetch_add(&p->tasks, 1);
	p->executor->post(p->executor, &t->task);
}

static inline void fake_describe(struct sg_webrtc_peer *p)
{
	char detail[64];

	pthread_mutex_lock(&p->srv->lock);
	snprintf(detail, sizeof(detail), "%s", p->srv->last_detail);
	p->srv->last_detail[0] = '\0';
	pthread_mutex_unlock(&p->srv->lock);
	if (*detail)
		p->events->ended(p->user, SG_ADMITTED, SG_BYE_NO_MEDIA, detail);
	else
		p->events->described(p->user, sg_str_from(p->sdp[0] ? p->sdp : NULL));
}

#define FAKE_OFFER                                                                                 \
	"v=0\r\nm=video 9 X 96\r\na=mid:0\r\nm=audio 9 X 111\r\na=mid:1\r\n"
#define FAKE_ANSWER                                                                                \
	"v=0\r\na=ice-lite\r\na=group:BUNDLE 0\r\nm=video 9 X 96\r\na=mid:0\r\na=candidate:1\r\n"

static inline void fake_admitted(void *user, enum sg_reason verdict)
{
	struct sg_webrtc_peer *p = user;

	if (verdict != SG_ADMITTED) {
		p->events->ended(p->user, verdict, SG_BYE_CLOSED, "");
		return;
	}
	if (p->has_offer)
		snprintf(p->sdp, sizeof(p->sdp), FAKE_ANSWER);
	else if (p->type == SG_PLAY)
		snprintf(p->sdp, sizeof(p->sdp), FAKE_OFFER);
	fake_describe(p);
}

static inline void fake_committed(void *user, enum sg_reason verdict)
{
	struct sg_webrtc_peer *p = user;

	if (verdict == SG_ADMITTED)
		p->events->started(p->user);
	else
		p->events->ended(p->user, verdict, SG_BYE_CLOSED, "");
}

static inline void fake_kicked(void *user, enum sg_goodbye why)
{
	struct sg_webrtc_peer *p = user;

	p->bye = why;
	p->events->ended(p->user, SG_ADMITTED, why, "");
}

struct sg_webrtc_peer *sg_webrtc_open(struct sg_webrtc_server *srv, const struct sg_webrtc_open *cfg)
{
	uint8_t id[16];

	if (srv->overload)
		return NULL;
	struct sg_webrtc_peer *p = calloc(1, sizeof(*p));
	p->srv = srv;
	p->executor = cfg->executor;
	p->events = cfg->events;
	p->user = cfg->user;
	p->type = cfg->type;
	p->has_offer = cfg->offer.p;
	sg_random(id, sizeof(id));
	sg_base64url_encode(p->id, id, sizeof(id));
	sg_str_copy(p->app, sizeof(p->app), cfg->app);
	sg_str_copy(p->stream, sizeof(p->stream), cfg->stream);
	const struct sg_request req = { .protocol = cfg->protocol, .app = cfg->app,
		.stream = cfg->stream, .type = cfg->type, .token = cfg->token, .peer = cfg->peer,
		.user_agent = cfg->user_agent, .by_admin = cfg->by_admin };
	const struct sg_gate_client client = { cfg->executor, fake_admitted, fake_committed,
		fake_kicked, p };
	pthread_mutex_lock(&srv->lock);
	if ((p->next = srv->peers))
		p->next->prev = p;
	srv->peers = p;
	srv->count++;
	pthread_mutex_unlock(&srv->lock);
	p->session = sg_gate_admit(srv->gate, &req, &client);
	return p;
}

const char *sg_webrtc_id(const struct sg_webrtc_peer *p)
{
	return p->id;
}

void sg_webrtc_set_offer(struct sg_webrtc_peer *p, struct sg_str sdp)
{
	snprintf(p->sdp, sizeof(p->sdp), "v=0 answer to %.*s", SG_STR_ARG(sdp));
	fake_post(p, fake_describe);
}

static inline void fake_commit(struct sg_webrtc_peer *p)
{
	sg_gate_commit(p->session);
}

/* The answer is good, and media flows. */
void sg_webrtc_set_answer(struct sg_webrtc_peer *p, struct sg_str sdp)
{
	(void)sdp;
	fake_commit(p);
}

bool sg_webrtc_add_candidate(struct sg_webrtc_peer *p, struct sg_str candidate)
{
	pthread_mutex_lock(&p->srv->lock);
	p->srv->candidates++;
	pthread_mutex_unlock(&p->srv->lock);
	return sg_str_starts(candidate, "candidate:");
}

void sg_webrtc_restart(struct sg_webrtc_peer *p, struct sg_str ufrag, struct sg_str pwd,
    char our_ufrag[SG_ICE_UFRAG_SIZE], char our_pwd[SG_ICE_PWD_SIZE])
{
	(void)ufrag, (void)pwd;
	p->srv->restarts++;
	snprintf(our_ufrag, SG_ICE_UFRAG_SIZE, "ufrag%u", p->srv->restarts % 1000);
	snprintf(our_pwd, SG_ICE_PWD_SIZE, "password0123456789012345678901");
}

void sg_webrtc_peer_stats(struct sg_webrtc_peer *p, struct sg_webrtc_peer_stats *out)
{
	(void)p;
	*out = (struct sg_webrtc_peer_stats){ .round_trip_ms = -1 };
}

void sg_webrtc_close(struct sg_webrtc_peer *p, enum sg_goodbye why)
{
	if (!p)
		return;
	struct sg_webrtc_server *srv = p->srv;
	sg_gate_end(p->session, p->bye ? p->bye : why);
	pthread_mutex_lock(&srv->lock);
	if (p->prev)
		p->prev->next = p->next;
	else
		srv->peers = p->next;
	if (p->next)
		p->next->prev = p->prev;
	srv->count--;
	srv->last_bye = why;
	p->closed = true;
	pthread_mutex_unlock(&srv->lock);
	fake_free(p);
}

void sg_webrtc_server_stats(struct sg_webrtc_server *srv, struct sg_webrtc_stats *out)
{
	*out = (struct sg_webrtc_stats){ .peers = srv->count };
}

size_t sg_webrtc_peers(struct sg_webrtc_server *srv, struct sg_webrtc_peer_stats *out, size_t max)
{
	(void)srv, (void)out, (void)max;
	return 0;
}

/* ---- for tests ---- */

/* The newest peer has its first media. */
static inline void fake_media(struct sg_webrtc_server *srv)
{
	pthread_mutex_lock(&srv->lock);
	if (srv->peers)
		fake_post(srv->peers, fake_commit);
	pthread_mutex_unlock(&srv->lock);
}

static inline void fake_stream_end(struct sg_webrtc_peer *p)
{
	p->events->ended(p->user, SG_ADMITTED, SG_BYE_STREAM_ENDED, "");
}

static inline size_t fake_count(struct sg_webrtc_server *srv)
{
	pthread_mutex_lock(&srv->lock);
	size_t count = srv->count;
	pthread_mutex_unlock(&srv->lock);
	return count;
}

#endif
