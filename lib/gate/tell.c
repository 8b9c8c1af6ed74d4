/* tell.c - what a session's owner is told, on its own executor: verdicts, and that it must go. */
#include "gate/gate_internal.h"

static void tell_verdict(struct sg_session *s)
{
	pthread_mutex_lock(&s->gate->lock);
	bool tell = s->handle;
	enum sg_reason verdict = s->verdict;
	void (*callback)(void *, enum sg_reason) =
	    s->verdict_is_commit ? s->client.committed : s->client.admitted;
	pthread_mutex_unlock(&s->gate->lock);
	if (tell)
		callback(s->client.user, verdict);
	sg_session_unref(s);
}

void sg_session_run_verdict(struct sg_task *task)
{
	struct sg_session *s = SG_CONTAINER_OF(task, struct sg_session, verdict_task), *next;

	for (; s; s = next) {
		next = s->verdict_next;
		tell_verdict(s);
	}
}

void sg_session_run_kick(struct sg_task *task)
{
	struct sg_session *s = SG_CONTAINER_OF(task, struct sg_session, kick_task);

	pthread_mutex_lock(&s->gate->lock);
	bool tell = s->handle && s->state != ST_ENDED;
	enum sg_goodbye why = s->kick_why;
	pthread_mutex_unlock(&s->gate->lock);
	if (tell)
		s->client.kicked(s->client.user, why);
	sg_session_unref(s);
}

static void post_chain(struct sg_session *first)
{
	first->client.executor->post(first->client.executor, &first->verdict_task);
}

void sg_session_post_verdict(struct sg_session *s)
{
	s->verdict_next = NULL;
	post_chain(s);
}

void sg_gate_post_chains(struct sg_gate_chains *c)
{
	for (unsigned i = 0; i < c->count; i++)
		post_chain(c->at[i].first);
	c->count = 0;
}

void sg_gate_chain(struct sg_gate_chains *c, struct sg_session *s)
{
	unsigned i = 0;

	s->verdict_next = NULL;
	while (i < c->count && c->at[i].first->client.executor != s->client.executor)
		i++;
	if (i < c->count) {
		c->at[i].last->verdict_next = s;
		c->at[i].last = s;
		return;
	}
	if (c->count == SG_GATE_CHAINS)
		sg_gate_post_chains(c);
	c->at[c->count].first = c->at[c->count].last = s;
	c->count++;
}

bool sg_gate_kick_locked(struct sg_session *s, enum sg_goodbye why)
{
	if (s->kicked || s->detached || s->state == ST_ENDED)
		return false;
	s->kicked = true;
	s->kick_why = why;
	atomic_fetch_add(&s->refs, 1);
	return true;
}
