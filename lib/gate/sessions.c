/* sessions.c - who is in: sessions that come back over HTTP, showing out, listing, the clock. */
#include "gate/gate_internal.h"

/* R5: coming back to a place left less than this ago is being in two places. */
#define PLACE_MEMORY_MS 60000

/* ---- detached sessions ---- */

static struct place place_from(const struct sg_addr *peer, struct sg_str agent)
{
	struct place p = {.agent = sg_fnv1a(SG_FNV1A_START, agent.p, agent.len)};

	if (peer->family == 4)
		p.v4 = *peer;
	else if (peer->family == 6)
		p.v6 = *peer;
	return p;
}

static bool addr_agrees(const struct sg_addr *known, const struct sg_addr *seen)
{
	return !known->family || !seen->family || sg_addr_equal(known, seen);
}

static bool place_agrees(const struct place *known, const struct place *seen)
{
	return known->agent == seen->agent && addr_agrees(&known->v4, &seen->v4) &&
	       addr_agrees(&known->v6, &seen->v6);
}

static void place_add(struct place *known, const struct place *seen)
{
	if (seen->v4.family)
		known->v4 = seen->v4;
	if (seen->v6.family)
		known->v6 = seen->v6;
}

/* False: the session has been in two places. */
static bool follow_locked(struct sg_session *s, const struct place *seen, int64_t now_ms)
{
	if (place_agrees(&s->place, seen)) {
		place_add(&s->place, seen);
		return true;
	}
	for (int i = 0; i < FORMER_PLACES; i++) {
		const struct place *f = &s->former[i];
		if (f->left_ms && now_ms - f->left_ms < PLACE_MEMORY_MS && place_agrees(f, seen))
			return false;
	}
	memmove(s->former + 1, s->former, sizeof(s->former) - sizeof(s->former[0]));
	s->former[0] = s->place;
	s->former[0].left_ms = now_ms;
	s->place = *seen;
	return true;
}

void sg_gate_detach(struct sg_session *s, char sid[SG_SID_TEXT_SIZE])
{
	struct sg_gate *g = s->gate;
	uint8_t random[16];

	sg_random(random, sizeof(random));
	sg_base64url_encode(s->sid, random, sizeof(random));
	sg_wipe(random, sizeof(random));
	memcpy(sid, s->sid, SG_SID_TEXT_SIZE);

	pthread_mutex_lock(&g->lock);
	s->handle = false;
	if (s->state == ST_ACTIVE) {
		s->detached = true;
		s->seen_ms = sg_mono_ms();
		s->place = place_from(&s->peer, sg_str_from(s->user_agent));
		HASH_ADD(hh_sid, g->by_sid, sid, SG_SID_TEXT_SIZE - 1, s);
		sg_gate_room_detached(s);
		/* Kicked a moment ago, and its owner will not hear it any more. */
		if (s->kicked)
			sg_gate_end_locked(s, s->kick_why);
	}
	pthread_mutex_unlock(&g->lock);
	sg_session_unref(s);
}

/* Attachments learn it, then the session is gone. The caller holds no reference of its own. */
static void end_detached_locked(struct sg_session *s, enum sg_goodbye why)
{
	struct sg_attachment *at = s->attachments;

	while (at) {
		struct sg_attachment *next = at->next;
		if (at->kicked)
			at->kicked(at);
		at = next;
	}
	sg_gate_end_locked(s, why);
}

static bool opens(const struct sg_session *s, const struct sg_reentry *re)
{
	if (!sg_str_is(re->app, s->app))
		return false;
	return re->stream.len ? !*s->recording && sg_str_is(re->stream, s->stream)
			      : *s->recording && sg_str_is(re->recording, s->recording);
}

/* Somebody else came with the session's id. */
static void audit_stranger_locked(struct sg_session *s, const struct sg_reentry *re)
{
	struct sg_audit row;

	sg_gate_audit_session(s, "refused", sg_reason_name(SG_SHARED), "", &row);
	snprintf(row.protocol, sizeof(row.protocol), "%s", re->protocol);
	sg_addr_format(row.address, &re->peer);
	sg_gate_budget_write(s->gate, &re->peer, &row);
}

enum sg_reason sg_gate_enter(
    struct sg_gate *g, const struct sg_reentry *re, struct sg_attachment *at)
{
	struct sg_session *s = NULL;
	enum sg_reason verdict = SG_UNKNOWN_TOKEN;
	char agent[sizeof(s->user_agent)] = "";

	*at = (struct sg_attachment){.kicked = at->kicked};
	if (re->sid.len != SG_SID_TEXT_SIZE - 1)
		return verdict;
	/* Compared as it was kept: cut to what a session remembers. */
	size_t len = re->user_agent.len < sizeof(agent) ? re->user_agent.len : sizeof(agent) - 1;
	for (size_t i = 0; i < len; i++)
		agent[i] = re->user_agent.p[i] < 0x20 || re->user_agent.p[i] > 0x7e
			       ? '?'
			       : re->user_agent.p[i];
	struct place seen = place_from(&re->peer, sg_str_from(agent));

	pthread_mutex_lock(&g->lock);
	HASH_FIND(hh_sid, g->by_sid, re->sid.p, SG_SID_TEXT_SIZE - 1, s);
	if (s && opens(s, re)) {
		const struct sg_app_config *app = sg_gate_app_locked(g, s->app);
		enum sg_session_lock mode = app ? app->session_lock : SG_LOCK_STRICT;
		int64_t now_ms = sg_mono_ms();

		verdict = SG_ADMITTED;
		if (mode == SG_LOCK_STRICT && !place_agrees(&s->place, &seen)) {
			verdict = SG_SHARED; /* the other one is refused, the viewer stays */
			audit_stranger_locked(s, re);
		} else if (mode == SG_LOCK_MOVING && !follow_locked(s, &seen, now_ms)) {
			verdict = SG_SHARED;
			end_detached_locked(s, SG_BYE_SHARED);
		} else {
			if (mode == SG_LOCK_STRICT)
				place_add(&s->place, &seen);
			s->seen_ms = now_ms;
			atomic_fetch_add(&s->refs, 1);
			at->session = s;
			at->next = s->attachments;
			at->link = &s->attachments;
			if (at->next)
				at->next->link = &at->next;
			s->attachments = at;
		}
		if (verdict != SG_ADMITTED)
			sg_gate_count_verdict(g, re->protocol, SG_PLAY, verdict);
	}
	pthread_mutex_unlock(&g->lock);
	return verdict;
}

void sg_gate_leave(struct sg_gate *g, struct sg_attachment *at)
{
	struct sg_session *s = at->session;

	if (!s)
		return;
	pthread_mutex_lock(&g->lock);
	*at->link = at->next;
	if (at->next)
		at->next->link = at->link;
	s->seen_ms = sg_mono_ms();
	pthread_mutex_unlock(&g->lock);
	at->session = NULL;
	sg_session_unref(s);
}

void sg_gate_move(struct sg_gate *g, struct sg_attachment *to, struct sg_attachment *from)
{
	void (*kicked)(struct sg_attachment *at) = to->kicked;

	pthread_mutex_lock(&g->lock);
	*to = *from;
	to->kicked = kicked;
	if (to->session) {
		*to->link = to;
		if (to->next)
			to->next->link = &to->next;
	}
	pthread_mutex_unlock(&g->lock);
	from->session = NULL;
}

/* ---- showing out ---- */

static bool matches(const struct sg_session *s, const struct sg_end_filter *f)
{
	if (s->state == ST_CHECKING || s->state == ST_ENDED)
		return false;
	return (!f->session_id || s->id == f->session_id) &&
	       (!f->token_id || s->token_id == f->token_id) &&
	       (!f->app.len || sg_str_is(f->app, s->app)) &&
	       (!f->stream.len || sg_str_is(f->stream, s->stream)) &&
	       (!f->type || (int)s->type == f->type) && 
	       (!f->without_token || (!s->token_id && !s->by_admin));
}

/* R13: a use that waits for its owner to come back ends with its token, too. */
static void forget_resumes_locked(struct sg_gate *g, const struct sg_end_filter *f)
{
	struct resume_slot *slot;

	HASH_FIND(hh, g->resumes, &f->token_id, sizeof(f->token_id), slot);
	if (slot) {
		HASH_DEL(g->resumes, slot);
		free(slot);
	}
}

struct ending {
	const struct sg_end_filter *filter;
	enum sg_goodbye why;
	size_t count;
	struct sg_session *kicked; /* to be told, by kick_next */
};

static void end_matching_locked(struct sg_session *s, struct ending *e)
{
	if (!matches(s, e->filter))
		return;
	if (s->detached) {
		e->count++;
		end_detached_locked(s, e->why);
	} else if (s->state == ST_WAITING) {
		/* R13: it is refused when its turn comes; its owner expects no more than a
		 * verdict. */
		e->count += !s->kicked;
		s->kicked = true;
		s->kick_why = e->why;
	} else if (sg_gate_kick_locked(s, e->why)) {
		e->count++;
		LL_PREPEND2(e->kicked, s, kick_next);
	}
}

/* A token's own, and who waits for one of them. There may be many tokens to be revoked and many more sessions. */
static void end_of_token_locked(struct sg_gate *g, struct ending *e)
{
	struct token_entry *te = sg_gate_token_locked(g, e->filter->token_id);
	struct sg_session *s, *tmp;

	if (te)
		DL_FOREACH_SAFE2(te->sessions, s, tmp, token_next)
		{
			if (s->successor)
				end_matching_locked(s->successor, e);
			end_matching_locked(s, e);
		}
	forget_resumes_locked(g, e->filter);
}

size_t sg_gate_end_sessions(struct sg_gate *g, const struct sg_end_filter *f, enum sg_goodbye why)
{
	struct sg_session *s, *tmp;
	struct ending e = {.filter = f, .why = why};

	pthread_mutex_lock(&g->lock);
	if (f->token_id)
		end_of_token_locked(g, &e);
	else
		HASH_ITER(hh, g->sessions, s, tmp)
		end_matching_locked(s, &e);
	pthread_mutex_unlock(&g->lock);
	LL_FOREACH_SAFE2(e.kicked, s, tmp, kick_next)
	s->client.executor->post(s->client.executor, &s->kick_task);
	return e.count;
}

void sg_gate_apply_change(struct sg_gate *g, const struct sg_change *c)
{
	struct sg_end_filter f = {.token_id = c->token_id,
	    .app = sg_str_from(c->app),
	    .stream = sg_str_from(c->stream),
	    .type = c->type};

	if (c->keep_sessions)
		return;
	if (c->kind == SG_CHANGE_REVOKE_TOKEN && c->token_id) {
		f.app = f.stream = (struct sg_str){0};
		f.type = 0;
		sg_gate_end_sessions(g, &f, SG_BYE_REVOKED);
	} else if (c->kind == SG_CHANGE_REVOKE_STREAM && *c->stream) {
		/* The stream's tokens were revoked: who came in without one stays. */
		f.token_id = 0;
		sg_gate_end_stream_tokens(g, &f);
	}
}

/* Every session of the stream that came in by a token. */
void sg_gate_end_stream_tokens(struct sg_gate *g, const struct sg_end_filter *filter)
{
	struct sg_session *s, *tmp;
	uint64_t ids[256];
	size_t count;

	/* By token, so that resume slots go too; in rounds, since the list may be long. */
	do {
		count = 0;
		pthread_mutex_lock(&g->lock);
		HASH_ITER(hh, g->sessions, s, tmp)
		{
			if (count < 256 && s->token_id && !s->kicked && matches(s, filter))
				ids[count++] = s->token_id;
		}
		pthread_mutex_unlock(&g->lock);
		for (size_t i = 0; i < count; i++) {
			struct sg_end_filter one = {.token_id = ids[i]};
			sg_gate_end_sessions(g, &one, SG_BYE_REVOKED);
		}
	} while (count == 256);
}

/* ---- looking ---- */

static const char *state_name(const struct sg_session *s)
{
	switch (s->state) {
	case ST_HELD:
		return "held";
	case ST_COMMITTING:
		return "committing";
	case ST_ACTIVE:
		return "active";
	default:
		return "checking";
	}
}

static void fill_info(struct sg_session_info *i, struct sg_session *s)
{
	*i = (struct sg_session_info){.id = s->id,
	    .token_id = s->token_id,
	    .by_admin = s->by_admin,
	    .type = s->type,
	    .protocol = s->protocol,
	    .state = state_name(s),
	    .started_ms = s->started_ms};
	memcpy(i->app, s->app, sizeof(i->app));
	memcpy(i->stream, s->stream, sizeof(i->stream));
	memcpy(i->user_agent, s->user_agent, sizeof(i->user_agent));
	i->peer = s->peer;
	if (s->detached)
		i->peer = s->place.v4.family   ? s->place.v4
			  : s->place.v6.family ? s->place.v6
					       : s->peer;
	i->bytes = atomic_load(&s->bytes);
}

size_t sg_gate_sessions(struct sg_gate *g, uint64_t after, struct sg_session_info *out, size_t max)
{
	struct sg_session *s;
	size_t count = 0;

	pthread_mutex_lock(&g->lock);
	HASH_FIND(hh, g->sessions, &after, sizeof(after), s);
	s = s ? s->hh.next : g->sessions;
	for (; s && count < max; s = s->hh.next) /* in the order of their ids */
		if (s->id > after)
			fill_info(&out[count++], s);
	pthread_mutex_unlock(&g->lock);
	return count;
}

size_t sg_gate_count(struct sg_gate *g, struct sg_str app, struct sg_str stream, int type)
{
	char key[sizeof(((struct stream_entry *)0)->key)];
	struct stream_entry *e;
	struct sg_session *s;
	size_t count = 0;

	if (app.len > SG_APP_MAX || stream.len > SG_STREAM_MAX)
		return 0;
	snprintf(key, sizeof(key), "%.*s/%.*s", SG_STR_ARG(app), SG_STR_ARG(stream));
	pthread_mutex_lock(&g->lock);
	HASH_FIND_STR(g->streams, key, e);
	if (e)
		DL_FOREACH2(e->sessions, s, stream_next)
	count += s->state == ST_ACTIVE && (!type || (int)s->type == type);
	pthread_mutex_unlock(&g->lock);
	return count;
}

/* ---- the clock ---- */

static bool is_over(struct sg_gate *g, const struct sg_session *s, int64_t now_ms, int64_t now_s,
    enum sg_goodbye *why)
{
	const struct sg_app_config *app = sg_gate_app_locked(g, s->app);

	if (s->state != ST_ACTIVE)
		return false;
	if (s->token_id && app && app->expiry_ends_session && s->expires_at <= now_s) {
		*why = SG_BYE_EXPIRED;
		return true;
	}
	*why = SG_BYE_IDLE;
	return s->detached && !s->attachments && now_ms - s->seen_ms > SG_PAUSE_MS;
}

void sg_gate_tick(struct sg_gate *g)
{
	struct sg_session *s, *tmp, *kicked = NULL, *refused = NULL;
	struct resume_slot *slot, *slot_tmp;
	int64_t now_ms = sg_mono_ms(), now_s = sg_wall_s();
	enum sg_goodbye why;

	pthread_mutex_lock(&g->lock);
	HASH_ITER(hh, g->sessions, s, tmp)
	{
		if (s->parked_ms && now_ms - s->parked_ms > SG_GATE_PARKED_MS &&
		    sg_gate_unpark_locked(s, SG_STREAM_NOT_LIVE))
			LL_PREPEND2(refused, s, verdict_next);
		if (!is_over(g, s, now_ms, now_s, &why))
			continue;
		if (s->detached)
			end_detached_locked(s, why);
		else if (sg_gate_kick_locked(s, why))
			LL_PREPEND2(kicked, s, kick_next);
	}
	HASH_ITER(hh, g->resumes, slot, slot_tmp)
	{
		if (now_ms < slot->until_ms)
			continue;
		HASH_DEL(g->resumes, slot);
		free(slot);
	}
	sg_gate_budget_tick(g, now_ms);
	pthread_mutex_unlock(&g->lock);
	LL_FOREACH_SAFE2(kicked, s, tmp, kick_next)
	s->client.executor->post(s->client.executor, &s->kick_task);
	LL_FOREACH_SAFE2(refused, s, tmp, verdict_next)
	sg_session_post_verdict(s);
}

void sg_gate_detached_end_all(struct sg_gate *g)
{
	struct sg_session *s, *tmp;

	pthread_mutex_lock(&g->lock);
	HASH_ITER(hh, g->sessions, s, tmp)
	if (s->detached)
		end_detached_locked(s, SG_BYE_SHUTDOWN);
	pthread_mutex_unlock(&g->lock);
}
