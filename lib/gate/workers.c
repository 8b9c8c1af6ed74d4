/* workers.c - the gate's threads, each with a store handle of its own: they wait for the disk, so
 * that nobody else has to. */
#include "gate/gate_internal.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How soon a change made by another process is noticed (R6 asks for 1 s, R8 "at once"): while anybody writes, and without
 * that. */
#define WATCH_MS 50
#define WATCH_IDLE_MS 500
#define WATCH_BUSY_MS 2000 /* since the last write that was heard of; a sync takes no longer */
#define CHECKPOINT_MS 250
#define TICK_MS 1000
#define LOOKUP_BATCH 64
#define AUDIT_LINGER_US 10000

/* ---- queues ---- */

void sg_queue_init(struct session_queue *q)
{
	*q = (struct session_queue){0};
	pthread_mutex_init(&q->lock, NULL);
	sg_cond_init(&q->wake);
	q->tail = &q->head;
}

void sg_queue_destroy(struct session_queue *q)
{
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->wake);
}

bool sg_queue_push(struct session_queue *q, struct sg_session *s)
{
	pthread_mutex_lock(&q->lock);
	bool fits = q->count < SG_GATE_QUEUE_MAX && !q->stop;
	if (fits) {
		atomic_fetch_add(&s->refs, 1);
		s->queue_next = NULL;
		*q->tail = s;
		q->tail = &s->queue_next;
		if (q->count++ == 0)
			pthread_cond_signal(&q->wake);
	}
	pthread_mutex_unlock(&q->lock);
	return fits;
}

/* Takes up to `max` sessions off the queue, which must be locked. */
static size_t take(struct session_queue *q, struct sg_session **out, size_t max)
{
	size_t n = 0;

	while (n < max && q->head) {
		out[n++] = q->head;
		q->head = q->head->queue_next;
	}
	if (!q->head)
		q->tail = &q->head;
	q->count -= n;
	return n;
}

static void stop_queue(struct session_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->stop = true;
	pthread_cond_broadcast(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

/* ---- lookups ---- */

/* A recording's file belongs to the stream that the catalogue names, or else to the stream of its
 * own stem. Never to a stream guessed from a part of its name (cam_2.mp4 is not cam's).
 * SG_ERR_NOT_FOUND: nobody's. */
static enum sg_result resolve_recording(struct sg_store *store, struct sg_session *s)
{
	struct sg_recording rec;
	struct sg_str name = sg_str_from(s->recording);
	enum sg_result res = sg_store_recording_get(store, sg_str_from(s->app), name, &rec);

	if (res == SG_OK)
		memcpy(s->stream, rec.stream, sizeof(s->stream));
	if (res != SG_ERR_NOT_FOUND)
		return res;
	if (sg_str_ends(name, ".mp4"))
		name.len -= 4;
	return sg_stream_is_valid(name) && sg_str_copy(s->stream, sizeof(s->stream), name)
		   ? SG_OK
		   : SG_ERR_NOT_FOUND;
}

/* Who may not enter starts no relay. */
static enum sg_reason media_verdict(struct sg_session *s, bool may_start, bool *coming)
{
	const struct sg_gate_media *m = &s->gate->media;
	bool there = true;

	if (s->elsewhere)
		return SG_ADMITTED;
	if (*s->recording)
		there =
		    m->recording_exists(m->user, sg_str_from(s->app), sg_str_from(s->recording));
	else if (s->type == SG_PLAY)
		there = m->stream_is_live(m->user, sg_str_from(s->app), sg_str_from(s->stream));
	if (!there && may_start && !*s->recording && m->stream_is_coming)
		there = *coming = m->stream_is_coming(
		    m->user, sg_str_from(s->app), sg_str_from(s->stream));
	return there ? SG_ADMITTED : SG_STREAM_NOT_LIVE;
}

/* False: the store is busy, and this handle does not wait. */
static bool store_failed(
    struct sg_store *store, const struct sg_session *s, enum sg_result res, enum sg_reason *verdict)
{
	if (res == SG_ERR_STORE_BUSY && s->now)
		return false;
	sg_log_limited(SG_LOG_ERROR, "gate: lookup: %s", sg_store_error(store));
	*verdict = SG_OVERLOAD;
	return true;
}

/* False as above. */
static bool token_verdict(struct sg_store *store, struct sg_session *s, struct sg_token *row,
    enum sg_reason *verdict)
{
	*verdict = s->key_malformed ? SG_UNKNOWN_TOKEN : SG_MISSING_TOKEN;
	if (!s->has_key)
		return true;
	enum sg_result res = sg_store_token_look(store, &s->key, row);
	if (res == SG_OK)
		*verdict = sg_gate_judge_token(
		    row, sg_str_from(s->app), sg_str_from(s->stream), s->type, sg_wall_s());
	else if (res == SG_ERR_NOT_FOUND)
		*verdict = SG_UNKNOWN_TOKEN;
	else
		return store_failed(store, s, res, verdict);
	return true;
}

/* What memory says about a batch: who needs a token? */
static void ask_switches(struct sg_gate *g, struct sg_lookup *batch, size_t count)
{
	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < count; i++) {
		const struct sg_session *s = batch[i].session;
		batch[i].needs_token =
		    !s->by_admin && sg_gate_needs_token_locked(g, s->app, s->stream, s->type);
	}
	pthread_mutex_unlock(&g->lock);
}

/* False: the store is busy, and the handle of one that cannot wait. */
static bool ask_store(
    struct sg_gate *g, struct sg_store *store, struct sg_lookup *batch, size_t count)
{
	bool answered = true;

	for (size_t i = 0; i < count; i++)
		batch[i].resolved =
		    *batch[i].session->recording ? resolve_recording(store, batch[i].session) : SG_OK;
	ask_switches(g, batch, count);
	for (size_t i = 0; i < count; i++) {
		struct sg_lookup *l = &batch[i];
		l->token = SG_ADMITTED;
		l->row.id = 0;
		if (l->resolved == SG_ERR_NOT_FOUND)
			l->token = l->session->has_key || l->session->key_malformed
				       ? SG_WRONG_STREAM
				       : SG_MISSING_TOKEN;
		else if (l->resolved != SG_OK)
			answered &= store_failed(store, l->session, l->resolved, &l->token);
		else if (l->needs_token)
			answered &= token_verdict(store, l->session, &l->row, &l->token);
	}
	return answered;
}

static void ask_media(struct sg_lookup *l)
{
	bool may_enter = l->token == SG_ADMITTED || l->token == SG_USED || l->token == SG_EXPIRED;

	l->coming = false;
	l->media = may_enter
		       ? media_verdict(l->session, l->token == SG_ADMITTED, &l->coming)
		       : SG_ADMITTED;
}

bool sg_gate_look_up(struct sg_gate *g, struct sg_store *store, struct sg_session *s)
{
	struct sg_lookup l = {.session = s};

	if (!ask_store(g, store, &l, 1))
		return false;
	ask_media(&l);
	sg_gate_looked_up(g, &l, 1);
	return true;
}

/* The store is read as of one moment, which is after all of the batch had asked. */
static void look_up(struct sg_gate *g, struct sg_lookup *batch, size_t count)
{
	sg_store_look_begin(g->stores[0]);
	ask_store(g, g->stores[0], batch, count);
	sg_store_look_end(g->stores[0]);
	for (size_t i = 0; i < count; i++)
		ask_media(&batch[i]);
	sg_gate_looked_up(g, batch, count);
}

static void *lookup_thread(void *arg)
{
	struct sg_gate *g = arg;
	struct sg_session *sessions[LOOKUP_BATCH];
	struct sg_lookup *batch = calloc(LOOKUP_BATCH, sizeof(*batch));

	if (!batch)
		abort(); /* at start-up, before anybody could be let in */
	for (;;) {
		pthread_mutex_lock(&g->lookups.lock);
		while (!g->lookups.head && !g->lookups.stop)
			pthread_cond_wait(&g->lookups.wake, &g->lookups.lock);
		size_t n = take(&g->lookups, sessions, LOOKUP_BATCH);
		pthread_mutex_unlock(&g->lookups.lock);
		if (!n)
			break;
		for (size_t i = 0; i < n; i++)
			batch[i].session = sessions[i];
		look_up(g, batch, n);
	}
	free(batch);
	return NULL;
}

/* ---- commits ---- */

struct commit_batch {
	struct sg_session *sessions[SG_GATE_BATCH];
	struct sg_spend spends[SG_GATE_BATCH], *spend_ptrs[SG_GATE_BATCH];
	struct sg_audit spend_rows[SG_GATE_BATCH];
	struct sg_audit rows[SG_GATE_BATCH];
	enum sg_reason verdicts[SG_GATE_BATCH];
	size_t count, row_count;
};

/* Until there is something to write, commits.lock held. Rows for the audit alone can wait a little for
 * an admission to go with: each transaction costs a flush of the disk, and an admission would have to
 * wait for theirs. */
static void await_work(struct sg_gate *g)
{
	struct session_queue *q = &g->commits;
	struct timespec until;
	bool patient = false;

	while (!q->head && !q->stop && !g->audit_urgent && g->audit_count < SG_GATE_AUDIT_MANY) {
		if (!g->audit_head) {
			pthread_cond_wait(&q->wake, &q->lock);
			continue;
		}
		if (!patient) {
			until = sg_mono_in_us(AUDIT_LINGER_US);
			patient = true;
		}
		if (pthread_cond_timedwait(&q->wake, &q->lock, &until) != 0)
			return;
	}
}

/* Whatever has queued up: no waiting to fill a batch (lingering halves the rate). */
static bool gather(struct sg_gate *g, struct commit_batch *b)
{
	pthread_mutex_lock(&g->commits.lock);
	await_work(g);
	b->count = take(&g->commits, b->sessions, SG_GATE_BATCH);
	struct audit_node *list = g->audit_head, *node = list;
	for (b->row_count = 0; node && b->row_count < SG_GATE_BATCH; node = node->next)
		b->rows[b->row_count++] = node->row;
	g->audit_head = node;
	g->audit_urgent &= node != NULL;
	if (!node)
		g->audit_tail = &g->audit_head;
	g->audit_count -= b->row_count;
	pthread_mutex_unlock(&g->commits.lock);
	while (list != node) {
		struct audit_node *next = list->next;
		free(list);
		list = next;
	}
	return b->count || b->row_count;
}

/* Attempts that were given up while they queued spend nothing. */
static void drop_ended(struct sg_gate *g, struct commit_batch *b)
{
	size_t kept = 0, gone = 0;
	struct sg_session *ended[SG_GATE_BATCH];
	enum sg_reason verdicts[SG_GATE_BATCH];

	pthread_mutex_lock(&g->lock);
	for (size_t i = 0; i < b->count; i++) {
		if (b->sessions[i]->state == ST_ENDED) {
			verdicts[gone] = SG_OVERLOAD;
			ended[gone++] = b->sessions[i];
		} else {
			b->sessions[kept++] = b->sessions[i];
		}
	}
	pthread_mutex_unlock(&g->lock);
	b->count = kept;
	sg_gate_committed(g, ended, verdicts, gone);
}

static void prepare(struct commit_batch *b)
{
	int64_t now = sg_wall_s();

	for (size_t i = 0; i < b->count; i++) {
		struct sg_session *s = b->sessions[i];
		sg_gate_audit_session(s, "admitted", "", "", &b->spend_rows[i]);
		b->spends[i] = (struct sg_spend){.key = s->key,
		    .app = sg_str_from(s->app),
		    .stream = sg_str_from(s->stream),
		    .type = s->type,
		    .now = now,
		    .audit = &b->spend_rows[i],
		    .result = SG_SPEND_FAILED};
		b->spend_ptrs[i] = &b->spends[i];
	}
}

static enum sg_reason reason_from(enum sg_spend_result r)
{
	static const enum sg_reason reasons[] = {
	    [SG_SPENT] = SG_ADMITTED,
	    [SG_SPEND_UNKNOWN] = SG_UNKNOWN_TOKEN,
	    [SG_SPEND_WRONG_STREAM] = SG_WRONG_STREAM,
	    [SG_SPEND_WRONG_TYPE] = SG_WRONG_TYPE,
	    [SG_SPEND_REVOKED] = SG_REVOKED,
	    [SG_SPEND_EXPIRED] = SG_EXPIRED,
	    [SG_SPEND_USED] = SG_USED,
	    [SG_SPEND_FAILED] = SG_OVERLOAD,
	};
	return reasons[r];
}

static void tell_audit(struct sg_gate *g, const struct commit_batch *b)
{
	pthread_mutex_lock(&g->lock);
	void (*each)(void *, const struct sg_audit *) = g->on_audit;
	void *user = g->on_audit_user;
	pthread_mutex_unlock(&g->lock);
	if (!each)
		return;
	for (size_t i = 0; i < b->row_count; i++)
		each(user, &b->rows[i]);
	for (size_t i = 0; i < b->count; i++)
		if (b->spends[i].result == SG_SPENT)
			each(user, &b->spend_rows[i]);
}

static void note_batch(struct sg_gate *g)
{
	atomic_fetch_add(&g->batches_done, 1);
	if (!atomic_load(&g->checkpoint_rests))
		return;
	pthread_mutex_lock(&g->watch_lock);
	pthread_cond_signal(&g->checkpoint_wake);
	pthread_mutex_unlock(&g->watch_lock);
}

static void commit(struct sg_gate *g, struct commit_batch *b)
{
	drop_ended(g, b);
	prepare(b);
	enum sg_result res =
	    sg_store_spend(g->stores[1], b->spend_ptrs, b->count, b->rows, b->row_count);
	if (res != SG_OK) {
		sg_log_limited(SG_LOG_ERROR,
		    "gate: %zu admissions refused, %zu audit rows lost: %s", b->count, b->row_count,
		    sg_store_error(g->stores[1]));
		atomic_fetch_add(&g->audit_dropped, b->row_count);
	}
	if (b->count) {
		pthread_mutex_lock(&g->lock);
		sg_gate_count_batch(g, b->sessions, b->count, res != SG_OK);
		pthread_mutex_unlock(&g->lock);
	}
	tell_audit(g, b);
	for (size_t i = 0; i < b->count; i++)
		b->verdicts[i] = res == SG_OK ? reason_from(b->spends[i].result) : SG_OVERLOAD;
	sg_gate_committed(g, b->sessions, b->verdicts, b->count);
	sg_wipe(b->spends, b->count * sizeof(b->spends[0]));
	note_batch(g);
}

static void *commit_thread(void *arg)
{
	struct sg_gate *g = arg;
	struct commit_batch *b = calloc(1, sizeof(*b));

	if (!b)
		abort(); /* at start-up, before anybody could be let in */
	while (gather(g, b))
		commit(g, b);
	free(b);
	return NULL;
}

/* ---- checkpoints, changes, the clock ---- */

/* Sleeps until `ms` have passed; false at the end. */
static bool checkpoint_sleep(struct sg_gate *g, int64_t ms)
{
	struct timespec until = sg_mono_in_us(ms * 1000);

	pthread_mutex_lock(&g->watch_lock);
	if (!g->watch_stop)
		pthread_cond_timedwait(&g->checkpoint_wake, &g->watch_lock, &until);
	bool on = !g->watch_stop;
	pthread_mutex_unlock(&g->watch_lock);
	return on;
}

/* Until more than `seen` batches have been written, or the end. */
static void await_batch(struct sg_gate *g, uint_fast64_t seen)
{
	pthread_mutex_lock(&g->watch_lock);
	atomic_store(&g->checkpoint_rests, true);
	while (!g->watch_stop && atomic_load(&g->batches_done) == seen)
		pthread_cond_wait(&g->checkpoint_wake, &g->watch_lock);
	atomic_store(&g->checkpoint_rests, false);
	pthread_mutex_unlock(&g->watch_lock);
}

static void *checkpoint_thread(void *arg)
{
	struct sg_gate *g = arg;
	uint_fast64_t seen = 0;

	for (;;) {
		await_batch(g, seen);
		if (!checkpoint_sleep(g, CHECKPOINT_MS))
			break;
		seen = atomic_load(&g->batches_done);
		if (sg_store_checkpoint(g->stores[2]) != SG_OK)
			sg_log_limited(
			    SG_LOG_WARNING, "gate: checkpoint: %s", sg_store_error(g->stores[2]));
	}
	return NULL;
}

/* What of others' writes has not been taken over yet: a reading that failed is tried again. */
struct watched {
	bool changes, settings;
};

static void apply_changes(struct sg_gate *g, struct sg_store *store, struct watched *w)
{
	struct sg_change changes[64];
	size_t count;
	enum sg_result res;

	do {
		int64_t last = g->last_change;
		count = 0;
		res = sg_store_changes(store, last, changes, 64, &count, &last);
		for (size_t i = 0; i < count; i++) {
			if (changes[i].kind == SG_CHANGE_SETTING)
				w->settings = true;
			else
				sg_gate_apply_change(g, &changes[i]);
		}
		g->last_change = last; /* also those before one that could not be read */
	} while (res == SG_OK && count == 64);
	if (res != SG_OK)
		sg_log_limited(SG_LOG_ERROR, "gate: reading changes: %s", sg_store_error(store));
	w->changes = res != SG_OK;
}

static void take_over(struct sg_gate *g, struct sg_store *store, struct watched *w)
{
	bool changed = false;

	if (sg_store_poll(store, &changed) != SG_OK)
		sg_log_limited(SG_LOG_ERROR, "gate: watching the store: %s", sg_store_error(store));
	w->changes = w->changes || changed;
	if (w->changes)
		apply_changes(g, store, w);
	if (!w->settings)
		return;
	w->settings = sg_gate_load_settings(g, store) != SG_OK;
	if (w->settings)
		sg_log_limited(SG_LOG_ERROR, "gate: reading settings: %s", sg_store_error(store));
}

/* Until a poke, somebody writes to the store (`fd`; -1: whoever does), `ms` have passed, or the end: then false. */
static bool watch_sleep(struct sg_gate *g, int fd, int ms)
{
	struct pollfd fds[2] = {{.fd = g->watch_event, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	uint64_t pokes;

	if (poll(fds, 2, ms) > 0 && fds[0].revents)
		(void)!read(g->watch_event, &pokes, sizeof(pokes));
	pthread_mutex_lock(&g->watch_lock);
	bool on = !g->watch_stop;
	pthread_mutex_unlock(&g->watch_lock);
	return on;
}

static void *watch_thread(void *arg)
{
	struct sg_gate *g = arg;
	struct sg_store *store = g->stores[3];
	struct watched watched = {0};
	int64_t ticked_ms = sg_mono_ms(), busy_until_ms = 0;
	int fd = sg_store_watch(store);
	bool is_busy = fd < 0; /* looked at by the clock: what is being written is seen when it has been synced */

	while (watch_sleep(g, is_busy ? -1 : fd, is_busy ? WATCH_MS : WATCH_IDLE_MS)) {
		if (fd >= 0 && sg_store_watched(store))
			busy_until_ms = sg_mono_ms() + WATCH_BUSY_MS;
		take_over(g, store, &watched);
		is_busy = fd < 0 || watched.changes || watched.settings || sg_mono_ms() < busy_until_ms;
		if (sg_mono_ms() - ticked_ms >= TICK_MS) {
			ticked_ms = sg_mono_ms();
			sg_gate_tick(g);
		}
	}
	return NULL;
}

void sg_gate_poke(struct sg_gate *g)
{
	(void)!eventfd_write(g->watch_event, 1);
}

/* ---- queries ---- */

bool sg_gate_query(struct sg_gate *g,
    void (*fn)(void *user, struct sg_gate *gate, struct sg_store *store), void *user)
{
	pthread_mutex_lock(&g->query_lock);
	bool fits = g->query_count < SG_GATE_QUERY_QUEUE_MAX && !g->query_stop;
	if (fits) {
		size_t at = (g->query_first + g->query_count++) % SG_GATE_QUERY_QUEUE_MAX;
		g->queries[at] = (struct query_node){fn, user};
		pthread_cond_signal(&g->query_wake);
	}
	pthread_mutex_unlock(&g->query_lock);
	return fits;
}

static void *query_thread(void *arg)
{
	struct sg_gate *g = arg;

	for (;;) {
		pthread_mutex_lock(&g->query_lock);
		while (!g->query_count && !g->query_stop)
			pthread_cond_wait(&g->query_wake, &g->query_lock);
		if (!g->query_count) {
			pthread_mutex_unlock(&g->query_lock);
			return NULL;
		}
		struct query_node q = g->queries[g->query_first];
		g->query_first = (g->query_first + 1) % SG_GATE_QUERY_QUEUE_MAX;
		g->query_count--;
		pthread_mutex_unlock(&g->query_lock);
		q.fn(q.user, g, g->stores[4]);
	}
}

/* ---- start and stop ---- */

enum sg_result sg_gate_start_threads(struct sg_gate *g)
{
	static const struct {
		void *(*run)(void *);
		const char *name;
	} threads[5] = {
	    {lookup_thread, "sg-lookup"},
	    {commit_thread, "sg-commit"},
	    {checkpoint_thread, "sg-checkpoint"},
	    {watch_thread, "sg-watch"},
	    {query_thread, "sg-query"},
	};

	if ((g->watch_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return SG_ERR_IO;
	for (unsigned i = 0; i < 5; i++) {
		if (pthread_create(&g->threads[i], NULL, threads[i].run, g) != 0)
			return SG_ERR_NO_MEMORY;
		pthread_setname_np(g->threads[i], threads[i].name);
		g->thread_count++;
	}
	return SG_OK;
}

void sg_gate_stop_threads(struct sg_gate *g)
{
	pthread_mutex_lock(&g->watch_lock);
	g->watch_stop = true;
	pthread_cond_signal(&g->checkpoint_wake);
	pthread_mutex_unlock(&g->watch_lock);
	sg_gate_poke(g);
	pthread_mutex_lock(&g->query_lock);
	g->query_stop = true;
	pthread_cond_broadcast(&g->query_wake);
	pthread_mutex_unlock(&g->query_lock);
	/* Lookups feed commits, and queries end sessions: the commit thread goes last. */
	stop_queue(&g->lookups);
	for (unsigned i = 0; i < g->thread_count; i++)
		if (i != 1)
			pthread_join(g->threads[i], NULL);
	stop_queue(&g->commits);
	if (g->thread_count > 1)
		pthread_join(g->threads[1], NULL);
	g->thread_count = 0;
}
