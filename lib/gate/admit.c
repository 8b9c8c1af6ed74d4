/* admit.c - an attempt's way in: screened, looked up, held, committed. */
#include "gate/gate_internal.h"

/* A connection that has carried media more recently than this is alive: nobody takes its place
 * (R13 is for one that hangs). */
#define HANGING_MS 1000

/* ---- admission ---- */

static void copy_agent(struct sg_session *s, struct sg_str agent)
{
	size_t len = agent.len < sizeof(s->user_agent) ? agent.len : sizeof(s->user_agent) - 1;

	/* Shown to people: printable ASCII is enough to tell players apart. */
	for (size_t i = 0; i < len; i++)
		s->user_agent[i] = agent.p[i] < 0x20 || agent.p[i] > 0x7e ? '?' : agent.p[i];
}

static uint64_t new_session_id(struct sg_gate *g)
{
	uint64_t id = 0;
	struct sg_session *other;

	/* Made as a token's selector is: sorted by time, not telling how many there are. */
	do {
		sg_random(&id, sizeof(id));
		id = ((uint64_t)sg_wall_ms() & ((1ull << 42) - 1)) << 21 | (id & ((1u << 21) - 1));
		/* They always grow, whatever the clock does: the table is in their order. */
		if (id <= g->last_session)
			id = g->last_session + 1;
		HASH_FIND(hh, g->sessions, &id, sizeof(id), other);
	} while (other || !id);
	g->last_session = id;
	return id;
}

/* What can be said from memory, before the store is asked. */
static enum sg_reason screen_locked(
    struct sg_session *s, const struct sg_request *req, bool names_ok)
{
	struct sg_gate *g = s->gate;

	if (!sg_gate_budget_allows(g, &s->peer))
		return SG_TOO_MANY_ATTEMPTS;
	if (!names_ok)
		return req->token.len ? SG_WRONG_STREAM : SG_MISSING_TOKEN;
	if (*s->recording || s->by_admin ||
	    !sg_gate_needs_token_locked(g, s->app, s->stream, s->type))
		return SG_ADMITTED;
	return !req->token.len	  ? SG_MISSING_TOKEN
	       : s->key_malformed ? SG_UNKNOWN_TOKEN
				  : SG_ADMITTED;
}

static bool take_names(struct sg_session *s, const struct sg_request *req)
{
	if (!sg_app_is_valid(req->app) || !sg_str_copy(s->app, sizeof(s->app), req->app)) {
		s->app[0] = '\0';
		return false;
	}
	if (req->recording.len)
		return sg_stream_is_valid(req->recording) &&
		       sg_str_copy(s->recording, sizeof(s->recording), req->recording);
	if (sg_stream_is_valid(req->stream) &&
	    sg_str_copy(s->stream, sizeof(s->stream), req->stream))
		return true;
	s->stream[0] = '\0';
	return false;
}

/* NULL: no memory, or over the limit. *verdict: what memory says; a refusal has been dealt with. */
static struct sg_session *new_session(struct sg_gate *g, const struct sg_request *req,
    const struct sg_gate_client *client, enum sg_reason *verdict)
{
	struct sg_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->gate = g;
	s->refs = 3; /* handle, tables, and the queue or verdict that follows */
	s->handle = true;
	s->at_once = req->at_once;
	s->elsewhere = req->elsewhere;
	s->by_admin = req->by_admin;
	s->protocol = req->protocol;
	s->type = req->type;
	s->peer = req->peer;
	s->client = *client;
	s->started_ms = sg_wall_ms();
	s->verdict_task.run = sg_session_run_verdict;
	s->kick_task.run = sg_session_run_kick;
	copy_agent(s, req->user_agent);
	if (req->token.len) {
		s->has_key = sg_token_parse(req->token, &s->key);
		s->key_malformed = !s->has_key;
	}
	bool names_ok = take_names(s, req);

	pthread_mutex_lock(&g->lock);
	if (HASH_COUNT(g->sessions) >= SG_GATE_SESSIONS_MAX) {
		sg_gate_count_verdict(g, s->protocol, s->type, SG_OVERLOAD);
		pthread_mutex_unlock(&g->lock);
		free(s);
		return NULL;
	}
	atomic_fetch_add(&g->refs, 1);
	s->id = new_session_id(g);
	HASH_ADD(hh, g->sessions, id, sizeof(s->id), s);
	*verdict = screen_locked(s, req, names_ok);
	if (*verdict != SG_ADMITTED)
		sg_gate_refuse_locked(s, *verdict);
	pthread_mutex_unlock(&g->lock);
	return s;
}

/* False: the queue is full, and the session refused for it. */
static bool queue_lookup(struct sg_session *s)
{
	struct sg_gate *g = s->gate;

	if (sg_queue_push(&g->lookups, s)) {
		sg_session_unref(s); /* the queue has its own */
		return true;
	}
	pthread_mutex_lock(&g->lock);
	sg_gate_refuse_locked(s, SG_OVERLOAD);
	pthread_mutex_unlock(&g->lock);
	return false;
}

struct sg_session *sg_gate_admit(
    struct sg_gate *g, const struct sg_request *req, const struct sg_gate_client *client)
{
	enum sg_reason verdict;
	struct sg_session *s = new_session(g, req, client, &verdict);

	if (s && (verdict != SG_ADMITTED || !queue_lookup(s)))
		sg_session_post_verdict(s);
	return s;
}

struct sg_session *sg_gate_admit_now(struct sg_gate *g, const struct sg_request *req,
    const struct sg_gate_client *client, enum sg_reason *verdict)
{
	struct sg_session *s = new_session(g, req, client, verdict);
	bool looked = false;

	if (!s)
		return NULL;
	if (*verdict != SG_ADMITTED) {
		sg_session_unref(s); /* no verdict follows */
		return s;
	}
	s->now = true;
	pthread_mutex_lock(&g->now_lock);
	looked = sg_gate_look_up(g, g->stores[5], s);
	pthread_mutex_unlock(&g->now_lock);
	pthread_mutex_lock(&g->lock);
	s->now = false;
	*verdict = s->decided ? s->verdict : SG_REASON_COUNT;
	pthread_mutex_unlock(&g->lock);
	if (!looked && !queue_lookup(s)) {
		*verdict = SG_OVERLOAD;
		sg_session_unref(s);
	}
	return s;
}

/* ---- after the lookup ---- */

/* R13. `s` presents a token whose use may be its own to go on with.
 * SG_ADMITTED: it is; SG_USED: it is not; SG_OVERLOAD with s in ST_WAITING: once *hanging is gone. */
static enum sg_reason try_resume(
    struct sg_session *s, enum sg_reason verdict, struct sg_session **hanging)
{
	struct sg_gate *g = s->gate;
	const struct sg_app_config *app = sg_gate_app_locked(g, s->app);
	struct resume_slot *slot;
	struct token_entry *te = sg_gate_token_locked(g, s->token_id);
	struct sg_session *o;
	int64_t now_ms = sg_mono_ms();

	if (!sg_gate_resume_ms_locked(s) || (verdict == SG_EXPIRED && app && app->expiry_ends_session))
		return SG_USED;
	HASH_FIND(hh, g->resumes, &s->token_id, sizeof(s->token_id), slot);
	if (slot && now_ms < slot->until_ms && sg_addr_equal(&slot->peer, &s->peer)) {
		s->resume_until_ms = slot->until_ms;
		HASH_DEL(g->resumes, slot);
		free(slot);
		return SG_ADMITTED;
	}
	/* Of several viewers with one token nobody takes another's place while there is one of his own. */
	if (!te || (s->type == SG_PLAY && verdict == SG_ADMITTED))
		return SG_USED;
	DL_FOREACH2(te->sessions, o, token_next)
	{
		if (o->state != ST_ACTIVE || o->detached || o->successor || o->kicked ||
		    !sg_addr_equal(&o->peer, &s->peer) ||
		    now_ms - atomic_load(&o->active_ms) < HANGING_MS)
			continue;
		if (!sg_gate_kick_locked(o, SG_BYE_RESUMED))
			continue;
		o->successor = s;
		s->state = ST_WAITING;
		*hanging = o;
		return SG_OVERLOAD;
	}
	return SG_USED;
}

/* Is a use left once the attempts under way are counted? *wait: not known until a commit is done. */
static enum sg_reason count_holds(struct sg_session *s, const struct sg_token *row, bool *wait)
{
	struct token_entry *te = sg_gate_token_locked(s->gate, s->token_id);

	*wait = false;
	if (!te || te->held + te->committing < row->max_uses - row->uses)
		return SG_ADMITTED;
	*wait = te->committing > 0;
	if (*wait)
		LL_APPEND2(te->waiters, s, queue_next);
	return SG_USED;
}

/* Puts an admitted attempt in its place. */
static enum sg_reason hold_locked(struct sg_session *s)
{
	struct stream_entry *se = sg_gate_stream_locked(s->gate, s->app, s->stream, false);

	if (s->type == SG_PUBLISH && se && se->publisher)
		return SG_ALREADY_PUBLISHING;
	if (!sg_gate_link_locked(s))
		return SG_OVERLOAD;
	if (s->token && !s->resumed)
		s->token->held++;
	s->state = ST_HELD;
	s->gate->stats.holds++;
	return SG_ADMITTED;
}

/* HELD to COMMITTING, or to ACTIVE where nothing is spent. True: the verdict is known. */
static bool start_commit_locked(struct sg_session *s)
{
	struct sg_gate *g = s->gate;

	s->verdict_is_commit = !s->at_once;
	if (s->kicked) {
		sg_gate_refuse_locked(s, SG_REVOKED);
		return true;
	}
	if (!s->token || s->resumed) {
		g->stats.holds--;
		s->verdict = SG_ADMITTED;
		sg_gate_activate_locked(s);
		return true;
	}
	s->commit_us = sg_mono_us();
	if (!sg_queue_push(&g->commits, s)) {
		sg_gate_refuse_locked(s, SG_OVERLOAD);
		return true;
	}
	g->stats.holds--;
	s->token->held--;
	s->token->committing++;
	s->state = ST_COMMITTING;
	return false;
}

/* RESERVED_...: what it asks for, by a relay? */
static int reserved_for(const struct sg_session *s)
{
	const struct stream_entry *se =
	    sg_gate_stream_locked(s->gate, s->app, s->stream, false);

	return s->elsewhere || *s->recording || !se ? RESERVED_NOT : (int)se->reserved;
}

/* Its use is held; its verdict is known when media has come, or is known not to come. */
static bool park_locked(struct sg_session *s)
{
	if (s->type != SG_PLAY || reserved_for(s) != RESERVED_SILENT)
		return false;
	s->parked_ms = sg_mono_ms();
	return true;
}

bool sg_gate_unpark_locked(struct sg_session *s, enum sg_reason verdict)
{
	s->parked_ms = 0;
	if (verdict != SG_ADMITTED) {
		sg_gate_refuse_locked(s, verdict);
		return true;
	}
	if (!s->at_once || start_commit_locked(s))
		return true;
	sg_session_unref(s); /* the commit queue has taken its own */
	return false;
}

/* Decides an attempt. True: there is a verdict to post. */
static bool settle_locked(struct sg_session *s, enum sg_reason token_verdict,
    enum sg_reason media_verdict, const struct sg_token *row, struct sg_session **hanging)
{
	enum sg_reason verdict = token_verdict;
	bool wait = false;

	/* Before a use that is resumed is taken from where it was kept. */
	if (s->type == SG_PUBLISH && reserved_for(s))
		media_verdict = SG_ALREADY_PUBLISHING;
	if (row && (verdict == SG_ADMITTED || verdict == SG_USED || verdict == SG_EXPIRED)) {
		enum sg_reason resume =
		    media_verdict == SG_ADMITTED ? try_resume(s, verdict, hanging) : SG_USED;
		if (resume == SG_OVERLOAD)
			return false;
		s->resumed = resume == SG_ADMITTED;
		if (s->resumed)
			verdict = SG_ADMITTED;
		else if (verdict == SG_ADMITTED)
			verdict = count_holds(s, row, &wait);
		if (wait)
			return false;
	}
	if (verdict == SG_ADMITTED)
		verdict = media_verdict;
	if (verdict == SG_ADMITTED)
		verdict = hold_locked(s);
	if (verdict != SG_ADMITTED) {
		sg_gate_refuse_locked(s, verdict);
		return true;
	}
	s->verdict = SG_ADMITTED;
	return !park_locked(s) && (!s->at_once || start_commit_locked(s));
}

static void looked_up_locked(struct sg_lookup *l)
{
	struct sg_session *s = l->session;
	const struct sg_token *row = l->row.id ? &l->row : NULL;

	l->hanging = NULL;
	l->post = false;
	l->drop = true;
	if (s->state != ST_CHECKING)
		return;
	if (row) {
		s->token_id = row->id;
		s->expires_at = row->expires_at;
		s->resume_s = row->resume_s;
	}
	if (l->coming && !reserved_for(s))
		l->media = SG_STREAM_NOT_LIVE; /* the relay has failed meanwhile */
	l->post = settle_locked(s, l->token, l->media, row, &l->hanging);
	/* Waiting (for a commit, for a hanging connection, for media) keeps the reference; the commit queue has
	 * taken its own. */
	l->drop = !l->post && s->state == ST_COMMITTING;
	if (l->post && s->now) { /* told where it was asked */
		s->decided = l->drop = true;
		l->post = false;
	}
	s->now = false;
}

void sg_gate_looked_up(struct sg_gate *g, struct sg_lookup *batch, size_t count)
{
	struct sg_gate_chains chains = {.count = 0};

	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < count; i++)
		looked_up_locked(&batch[i]);
	pthread_mutex_unlock(&g->lock);
	for (size_t i = 0; i < count; i++) {
		struct sg_session *hanging = batch[i].hanging;
		if (batch[i].post)
			sg_gate_chain(&chains, batch[i].session);
		if (hanging)
			hanging->client.executor->post(
			    hanging->client.executor, &hanging->kick_task);
		if (batch[i].drop)
			sg_session_unref(batch[i].session);
	}
	sg_gate_post_chains(&chains);
}

void sg_gate_commit(struct sg_session *s)
{
	struct sg_gate *g = s->gate;
	bool post = false;

	pthread_mutex_lock(&g->lock);
	if (s->state == ST_HELD && (post = start_commit_locked(s)))
		atomic_fetch_add(&s->refs, 1);
	pthread_mutex_unlock(&g->lock);
	if (post)
		sg_session_post_verdict(s);
}

/* Waiters that there was no room for are refused, and put before *refused. */
static void wake_waiters_locked(
    struct sg_gate *g, struct token_entry *te, struct sg_session **refused)
{
	struct sg_session *w, *tmp, *waiters = te->waiters;

	te->waiters = NULL;
	LL_FOREACH_SAFE2(waiters, w, tmp, queue_next)
	{
		if (w->state == ST_CHECKING && !sg_queue_push(&g->lookups, w)) {
			sg_gate_refuse_locked(w, SG_OVERLOAD);
			LL_PREPEND2(*refused, w, kick_next);
		} else {
			sg_session_unref(w);
		}
	}
}

static void committed_locked(struct sg_session *s, enum sg_reason verdict)
{
	struct token_entry *te = s->token;

	s->verdict = verdict;
	if (s->state == ST_ENDED) {
		/* its owner left meanwhile: a use may be gone, nobody has it twice */
		s->token = NULL;
		sg_gate_token_drop_locked(s->gate, te);
	} else if (verdict == SG_ADMITTED && !s->kicked) {
		sg_gate_activate_locked(s);
	} else {
		/* Settled before: the ordinary way out must not count it again. */
		s->state = ST_CHECKING;
		sg_gate_refuse_locked(s, verdict == SG_ADMITTED ? SG_REVOKED : verdict);
	}
}

/* So many at a time, and others may have the lock in between. */
#define TOLD_AT_ONCE 64

void sg_gate_committed(struct sg_gate *g, struct sg_session *const *sessions,
    const enum sg_reason *verdicts, size_t count)
{
	struct sg_session *w, *tmp, *refused = NULL;
	struct sg_gate_chains chains = {.count = 0};

	for (size_t i = 0; i < count;) {
		size_t from = i, to = count - i < TOLD_AT_ONCE ? count : i + TOLD_AT_ONCE;
		pthread_mutex_lock(&g->lock);
		for (; i < to; i++) {
			/* Whether a use is left for those who wait is known now. */
			sessions[i]->token->committing--;
			wake_waiters_locked(g, sessions[i]->token, &refused);
			committed_locked(sessions[i], verdicts[i]);
		}
		pthread_mutex_unlock(&g->lock);
		for (; from < to; from++)
			sg_gate_chain(&chains, sessions[from]);
		sg_gate_post_chains(&chains);
	}
	LL_FOREACH_SAFE2(refused, w, tmp, kick_next)
	sg_session_post_verdict(w);
}
