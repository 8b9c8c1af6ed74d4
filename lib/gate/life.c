/* life.c - a session from its place in the tables to its end. */
#include "gate/gate_internal.h"

void sg_session_unref(struct sg_session *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	struct sg_gate *g = s->gate;
	sg_wipe(&s->key, sizeof(s->key));
	sg_wipe(s->sid, sizeof(s->sid));
	free(s);
	sg_gate_unref(g);
}

void sg_session_add_bytes(struct sg_session *s, uint64_t bytes)
{
	atomic_fetch_add_explicit(&s->bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&s->active_ms, sg_mono_ms(), memory_order_relaxed);
}

void sg_session_id(const struct sg_session *s, char out[SG_SESSION_ID_SIZE])
{
	sg_id_format(out, s->id);
}

const char *sg_session_app(const struct sg_session *s)
{
	return s->app;
}

const char *sg_session_stream(const struct sg_session *s)
{
	return s->stream;
}

/* ---- tables ---- */

struct token_entry *sg_gate_token_locked(struct sg_gate *g, uint64_t id)
{
	struct token_entry *e;

	HASH_FIND(hh, g->tokens, &id, sizeof(id), e);
	return e;
}

static struct token_entry *token_entry(struct sg_gate *g, uint64_t id)
{
	struct token_entry *e = sg_gate_token_locked(g, id);

	if (e || !(e = calloc(1, sizeof(*e))))
		return e;
	e->id = id;
	HASH_ADD(hh, g->tokens, id, sizeof(e->id), e);
	return e;
}

void sg_gate_token_drop_locked(struct sg_gate *g, struct token_entry *e)
{
	if (e->sessions || e->held || e->committing || e->waiters)
		return;
	HASH_DEL(g->tokens, e);
	free(e);
}

bool sg_gate_link_locked(struct sg_session *s)
{
	struct sg_gate *g = s->gate;
	struct stream_entry *se = sg_gate_stream_locked(g, s->app, s->stream, true);

	if (!se)
		return false;
	if (s->token_id && !(s->token = token_entry(g, s->token_id))) {
		sg_gate_stream_drop_locked(g, se);
		return false;
	}
	if (!sg_gate_room_take(s)) {
		sg_gate_stream_drop_locked(g, se);
		return false;
	}
	s->stream_at = se;
	DL_APPEND2(se->sessions, s, stream_prev, stream_next);
	if (s->type == SG_PUBLISH)
		se->publisher = s;
	if (s->token)
		DL_APPEND2(s->token->sessions, s, token_prev, token_next);
	return true;
}

static void unlink_session(struct sg_session *s, enum session_state was)
{
	struct sg_gate *g = s->gate;
	struct stream_entry *se = s->stream_at;

	if (se) {
		sg_gate_room_give_back(s);
		if (se->publisher == s)
			se->publisher = NULL;
		DL_DELETE2(se->sessions, s, stream_prev, stream_next);
		sg_gate_stream_drop_locked(g, se);
		s->stream_at = NULL;
	}
	if (!s->token)
		return;
	DL_DELETE2(s->token->sessions, s, token_prev, token_next);
	if (was == ST_COMMITTING)
		return; /* sg_gate_committed settles the count */
	if (was == ST_HELD && !s->resumed)
		s->token->held--;
	sg_gate_token_drop_locked(g, s->token);
	s->token = NULL;
}

/* ---- how it ends ---- */

uint32_t sg_gate_resume_ms_locked(struct sg_session *s)
{
	const struct sg_app_config *app = sg_gate_app_locked(s->gate, s->app);

	if (s->type != SG_PUBLISH && strncmp(s->protocol, "w", 1) != 0)
		return 0; /* publishers, and viewers over WebRTC ("webrtc", "whep") */
	return s->resume_s ? s->resume_s * 1000u : app ? (uint32_t)app->resume_window_ms : 0;
}

static void keep_for_resume(struct sg_session *s, int64_t until_ms)
{
	struct sg_gate *g = s->gate;
	struct resume_slot *slot;

	if (!s->token_id || until_ms <= sg_mono_ms())
		return;
	HASH_FIND(hh, g->resumes, &s->token_id, sizeof(s->token_id), slot);
	if (!slot) {
		if (HASH_COUNT(g->resumes) >= SG_GATE_RESUME_MAX ||
		    !(slot = calloc(1, sizeof(*slot))))
			return;
		slot->token_id = s->token_id;
		HASH_ADD(hh, g->resumes, token_id, sizeof(slot->token_id), slot);
	}
	slot->peer = s->peer;
	slot->until_ms = until_ms;
	slot->expires_at = s->expires_at;
	slot->resume_s = s->resume_s;
}

void sg_gate_activate_locked(struct sg_session *s)
{
	struct sg_gate *g = s->gate;

	s->state = ST_ACTIVE;
	atomic_store(&s->active_ms, sg_mono_ms());
	g->stats.sessions++;
	sg_gate_count_verdict(g, s->protocol, s->type, SG_ADMITTED);
	if (!s->token_id || s->resumed) {
		struct sg_audit row;
		sg_gate_audit_session(
		    s, "admitted", "", s->resumed	  ? "resumed"
					: s->by_admin ? "by an administrator"
						      : "no token needed", &row);
		if (s->token_id || s->by_admin)
			sg_gate_audit_push(g, &row);
		else
			s->unwritten = !sg_gate_budget_write(g, &s->peer, &row);
	}
}

/* R13: the connection that `s` replaces is gone; `s` has its place. */
static void resume_after_locked(struct sg_session *s)
{
	s->resumed = true;
	s->resume_until_ms = sg_mono_ms() + sg_gate_resume_ms_locked(s);
	s->verdict = SG_ADMITTED;
	if (s->kicked) {
		sg_gate_refuse_locked(s, SG_REVOKED);
	} else if (!sg_gate_link_locked(s)) {
		sg_gate_refuse_locked(s, SG_OVERLOAD);
	} else if (s->at_once) {
		sg_gate_activate_locked(s);
	} else {
		s->state = ST_HELD;
		s->gate->stats.holds++;
	}
}

/* Does somebody wait to go on with its use? Who asked for it may have given up meanwhile. */
static bool has_heir(const struct sg_session *s)
{
	return s->successor && s->successor->state == ST_WAITING;
}

struct sg_session *sg_gate_end_locked(struct sg_session *s, enum sg_goodbye why)
{
	struct sg_gate *g = s->gate;
	enum session_state was = s->state;
	struct sg_session *next = NULL;

	if (was == ST_ENDED)
		return NULL;
	if (s->kicked)
		why = s->kick_why;
	s->state = ST_ENDED;
	unlink_session(s, was);
	HASH_DEL(g->sessions, s);
	if (s->detached)
		HASH_DELETE(hh_sid, g->by_sid, s);
	if (was == ST_HELD)
		g->stats.holds--;
	if (was == ST_ACTIVE) {
		struct sg_audit row;
		g->stats.sessions--;
		g->stats.ended[why]++;
		sg_gate_audit_session(s, "ended", sg_goodbye_name(why), "", &row);
		if (!s->unwritten)
			sg_gate_audit_push(g, &row);
		if (why == SG_BYE_BROKEN || (why == SG_BYE_RESUMED && !has_heir(s)))
			keep_for_resume(s, sg_mono_ms() + sg_gate_resume_ms_locked(s));
	} else if (s->resumed && !s->kicked) {
		keep_for_resume(s, s->resume_until_ms); /* it has not gone on yet: no use is lost by that */
	}
	if (has_heir(s)) {
		next = s->successor;
		resume_after_locked(next);
	} else if (s->successor) {
		sg_session_unref(s->successor);
	}
	s->successor = NULL;
	if (s->parked_ms)
		sg_session_unref(s); /* no verdict follows */
	s->parked_ms = 0;
	sg_session_unref(s); /* the tables' reference; the caller holds another */
	return next;
}

void sg_gate_end(struct sg_session *s, enum sg_goodbye why)
{
	if (!s)
		return;
	struct sg_gate *g = s->gate;
	pthread_mutex_lock(&g->lock);
	s->handle = false;
	struct sg_session *next = sg_gate_end_locked(s, why);
	pthread_mutex_unlock(&g->lock);
	if (next)
		sg_session_post_verdict(next);
	sg_session_unref(s);
}

void sg_gate_refuse_locked(struct sg_session *s, enum sg_reason why)
{
	struct sg_gate *g = s->gate;
	struct sg_audit row;

	s->verdict = why;
	sg_gate_count_verdict(g, s->protocol, s->type, why);
	bool has_cost = sg_gate_budget_charge(g, &s->peer, why);
	if (why != SG_TOO_MANY_ATTEMPTS || sg_gate_budget_tell(g, &s->peer)) {
		sg_gate_audit_session(s, "refused", sg_reason_name(why), "", &row);
		if (has_cost || s->token_id || s->by_admin || why == SG_TOO_MANY_ATTEMPTS)
			sg_gate_audit_push(g, &row);
		else
			sg_gate_budget_write(g, &s->peer, &row);
	}
	sg_gate_end_locked(s, SG_BYE_CLOSED);
}
