/* events.c - server-sent events (WHATWG HTML, section 9.2): the audit as it grows, streams as they come
 * and go.
 *
 * Each listener has a place in the audit and a buffer. While there are listeners a thread asks, five
 * times a second, for a job on the gate's query thread; the job reads rows above the listeners' places
 * and puts them into the buffers that have room. A listener that does not read keeps its place and loses
 * nothing; neither does it cost more than its buffer. Rows come from the store, so that those of other
 * processes on it are told as well, and a place can be taken up again after a break (Last-Event-ID).
 * The same job asks whether listeners, and those who look at previews, still hold what let them in.
 *
 * A listener belongs to the web server from sg_http_respond_stream until `done`; e->lock guards the
 * list, and all that is in it. */
#include "api/api_internal.h"

#define TICK_MS 200
#define BEAT_MS 15000
#define VERIFY_MS 500 /* they are to be gone within a second */
#define BUFFER_MAX (256u << 10)
#define ROWS 256   /* read at a time */
#define ROUNDS 8   /* in one job */
#define TEXT_MAX 4096

struct listener {
	struct listener *next;
	struct api_events *events;
	struct sg_http_request *req;
	unsigned refs; /* the web server's, and the handler's until it is through */
	bool ready, over;
	uint64_t number;
	struct sg_buf out;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1]; /* "" = any */
	int64_t after;
	int64_t beat_ms, verified_ms;
	char proof[API_PROOF_SIZE];
};

struct api_events {
	struct sg_api *api;
	pthread_mutex_t lock;
	pthread_cond_t wake, fed;
	pthread_t thread;
	bool running, stop, feeding;
	struct listener *listeners;
	size_t count;
	uint64_t numbers;
	uint64_t turn; /* the query thread's: the number of who was last read for in turn */
	json_t *live; /* the thread's: streams that were live at the last look; NULL: not looked */
};

/* ---- listeners; with the lock held ---- */

static void unref(struct listener *l)
{
	if (--l->refs)
		return;
	sg_buf_reset(&l->out);
	sg_wipe(l->proof, sizeof(l->proof));
	free(l);
}

/* Puts all of it, or nothing where there is no room. */
static bool put(struct listener *l, const char *text, size_t len)
{
	if (l->out.len + len > BUFFER_MAX)
		return false;
	sg_buf_append(&l->out, text, len);
	sg_http_wake(l->req);
	return true;
}

static bool wants(const struct listener *l, const char *app, const char *stream)
{
	return (!*l->app || !strcmp(l->app, app)) && (!*l->stream || !strcmp(l->stream, stream));
}

static bool has_room(const struct listener *l)
{
	return l->out.len < BUFFER_MAX / 2;
}

/* ---- the web server's side ---- */

static ssize_t pull(void *data, char *out, size_t max)
{
	struct listener *l = data;
	struct api_events *e = l->events;

	pthread_mutex_lock(&e->lock);
	size_t n = l->out.len < max ? l->out.len : max;
	bool end = !n && (l->over || l->out.failed);
	if (n) {
		memcpy(out, l->out.p, n);
		sg_buf_consume(&l->out, n);
	}
	pthread_mutex_unlock(&e->lock);
	return end ? -1 : (ssize_t)n;
}

static void done(void *data)
{
	struct listener *l = data, **at;
	struct api_events *e = l->events;

	pthread_mutex_lock(&e->lock);
	for (at = &e->listeners; *at && *at != l; at = &(*at)->next)
		;
	if (*at) {
		*at = l->next;
		e->count--;
	}
	l->ready = false;
	l->over = true;
	unref(l);
	pthread_mutex_unlock(&e->lock);
}

/* ---- feeding, on the query thread ---- */

static size_t format_row(char out[TEXT_MAX], const struct sg_audit *row)
{
	json_t *object = api_audit_row(row);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int len = text ? snprintf(out, TEXT_MAX, "id: %lld\nevent: audit\ndata: %s\n\n",
			     (long long)row->seq, text)
		       : 0;

	json_decref(object);
	free(text);
	return len > 0 && len < TEXT_MAX ? (size_t)len : 0;
}

/* `above`: the seq of the row before this one. Whoever is not there yet (no room for that one), or is
 * further already, reads in another round. */
static void give_row(struct api_events *e, const struct sg_audit *row, int64_t above)
{
	char text[TEXT_MAX];
	size_t len = format_row(text, row);

	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->listeners; l; l = l->next)
		if (l->ready && l->after >= above && l->after < row->seq &&
		    (!len || !wants(l, row->app, row->stream) || put(l, text, len)))
			l->after = row->seq;
	pthread_mutex_unlock(&e->lock);
}

static bool reads(const struct listener *l, int64_t newest)
{
	return l->ready && l->after < newest && has_room(l);
}

/* The place of those in front: a reading from there is for all who are not further behind than that. */
static int64_t front_place(const struct api_events *e, int64_t newest)
{
	int64_t front = 0, place;

	for (const struct listener *l = e->listeners; l; l = l->next)
		if (reads(l, newest) && l->after > front)
			front = l->after;
	place = front;
	for (const struct listener *l = e->listeners; l; l = l->next)
		if (reads(l, newest) && l->after < place && l->after >= front - ROWS)
			place = l->after;
	return place;
}

/* The one whose turn it is; NULL: nobody has anything to read. */
static struct listener *next_in_turn(const struct api_events *e, int64_t newest)
{
	struct listener *next = NULL, *first = NULL;

	for (struct listener *l = e->listeners; l; l = l->next) {
		if (!reads(l, newest))
			continue;
		if (!first || l->number < first->number)
			first = l;
		if (l->number > e->turn && (!next || l->number < next->number))
			next = l;
	}
	return next ? next : first;
}

/* Where to read from. Every other round is for those in front, the rest go around: whoever takes up an
 * old place has far to go, and holds up nobody. False: there is nothing to read. */
static bool choose(struct api_events *e, int round, int64_t newest, int64_t *after)
{
	pthread_mutex_lock(&e->lock);
	struct listener *l = next_in_turn(e, newest);
	if (l && round % 2) {
		e->turn = l->number;
		*after = l->after;
	} else if (l) {
		*after = front_place(e, newest);
	}
	pthread_mutex_unlock(&e->lock);
	return l != NULL;
}

/* Rows above `after`, oldest first. The store's list has no place before its first row: there it is read
 * backwards from the end of what can be its first rows. Where they are gone, so is the very first, and
 * the list begins with what is kept. */
static enum sg_result read_rows(
    struct sg_store *store, int64_t after, struct sg_audit rows[ROWS], size_t *count)
{
	const struct sg_audit_filter all = {0};
	enum sg_result res =
	    sg_store_audit_list(store, &all, after ? 0 : ROWS + 1, after, rows, ROWS, count);

	if (res == SG_OK && !after && !*count)
		return sg_store_audit_list(store, &all, 0, 1, rows, ROWS, count);
	for (size_t i = 0; res == SG_OK && !after && i < *count / 2; i++) {
		struct sg_audit other = rows[i];
		rows[i] = rows[*count - 1 - i];
		rows[*count - 1 - i] = other;
	}
	return res;
}

static enum sg_result newest_seq(struct sg_store *store, struct sg_audit *row, int64_t *seq)
{
	const struct sg_audit_filter all = {0};
	size_t count;
	enum sg_result res = sg_store_audit_list(store, &all, 0, 0, row, 1, &count);

	*seq = res == SG_OK && count ? row->seq : 0;
	return res;
}

static void feed_rows(struct api_events *e, struct sg_store *store)
{
	struct sg_audit *rows = api_events_count(e) ? calloc(ROWS, sizeof(*rows)) : NULL;
	int64_t newest, above;
	size_t count;

	if (!rows)
		return;
	enum sg_result res = newest_seq(store, rows, &newest);
	for (int i = 0; res == SG_OK && i < ROUNDS && choose(e, i, newest, &above); i++) {
		if ((res = read_rows(store, above, rows, &count)) != SG_OK)
			break;
		for (size_t k = 0; k < count; above = rows[k++].seq)
			give_row(e, &rows[k], above);
	}
	if (res != SG_OK)
		sg_log_limited(SG_LOG_ERROR, "api: reading events: %s", sg_store_error(store));
	free(rows);
}

/* ---- do they still hold what let them in? ---- */

struct proof {
	uint64_t number;
	char text[API_PROOF_SIZE];
};

static size_t take_proofs(struct api_events *e, struct proof out[API_LISTENERS_MAX])
{
	int64_t now_ms = sg_mono_ms();
	size_t n = 0;

	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->listeners; l; l = l->next) {
		if (!l->ready || now_ms - l->verified_ms < VERIFY_MS)
			continue;
		l->verified_ms = now_ms;
		out[n].number = l->number;
		memcpy(out[n++].text, l->proof, sizeof(l->proof));
	}
	pthread_mutex_unlock(&e->lock);
	return n;
}

static void end_listener(struct api_events *e, uint64_t number)
{
	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->listeners; l; l = l->next)
		if (l->number == number && l->ready) {
			l->over = true;
			sg_http_wake(l->req);
		}
	pthread_mutex_unlock(&e->lock);
}

static void verify(struct api_events *e, struct sg_store *store)
{
	struct proof *proofs = calloc(API_LISTENERS_MAX, sizeof(*proofs));
	size_t n = proofs ? take_proofs(e, proofs) : 0;

	for (size_t i = 0; i < n; i++)
		if (!api_proof_holds(e->api, store, proofs[i].text))
			end_listener(e, proofs[i].number);
	if (proofs)
		sg_wipe(proofs, API_LISTENERS_MAX * sizeof(*proofs));
	free(proofs);
}

static void feed(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct api_events *e = user;

	(void)gate;
	verify(e, store);
	api_previews_verify(e->api, store);
	feed_rows(e, store);
	pthread_mutex_lock(&e->lock);
	e->feeding = false;
	pthread_cond_signal(&e->fed);
	pthread_mutex_unlock(&e->lock);
}

/* ---- the thread: streams, heartbeats, asking to be fed ---- */

static void note_live(void *user, struct sg_stream *s)
{
	char key[SG_APP_MAX + SG_STREAM_MAX + 2];

	if (!sg_stream_is_live(s))
		return;
	snprintf(key, sizeof(key), "%s/%s", sg_stream_app(s), sg_stream_id(s));
	json_object_set_new(user, key, json_true());
}

static void tell_stream(struct api_events *e, const char *key, bool live)
{
	struct sg_str app, stream;
	char text[512], name[SG_APP_MAX + 1];

	sg_str_cut(sg_str_from(key), '/', &app, &stream);
	sg_str_copy(name, sizeof(name), app);
	int len = snprintf(text, sizeof(text),
	    "event: stream\ndata: {\"app\":\"%s\",\"streamId\":\"%s\",\"live\":%s}\n\n", name,
	    stream.p, live ? "true" : "false");
	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->listeners; l; l = l->next)
		if (l->ready && wants(l, name, stream.p))
			(void)put(l, text, (size_t)len); /* one who does not read misses it */
	pthread_mutex_unlock(&e->lock);
}

static void look_at_streams(struct api_events *e)
{
	json_t *now = json_object(), *before = e->live, *value;
	const char *key;

	if (!now)
		return;
	sg_hub_each(e->api->cfg.hub, note_live, now);
	e->live = now;
	if (!before)
		return;
	json_object_foreach(now, key, value) if (!json_object_get(before, key))
	    tell_stream(e, key, true);
	json_object_foreach(before, key, value) if (!json_object_get(now, key))
	    tell_stream(e, key, false);
	json_decref(before);
}

static void beat(struct api_events *e)
{
	int64_t now_ms = sg_mono_ms();

	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->listeners; l; l = l->next)
		if (l->ready && now_ms - l->beat_ms >= BEAT_MS) {
			l->beat_ms = now_ms;
			(void)put(l, ":\n\n", 3);
		}
	pthread_mutex_unlock(&e->lock);
}

static void ask_for_food(struct api_events *e)
{
	pthread_mutex_lock(&e->lock);
	bool ask = !e->feeding && !e->stop;
	e->feeding |= ask;
	pthread_mutex_unlock(&e->lock);
	if (!ask || sg_gate_query(e->api->cfg.gate, feed, e))
		return;
	pthread_mutex_lock(&e->lock); /* the queue is full: at the next tick */
	e->feeding = false;
	pthread_mutex_unlock(&e->lock);
}

static bool is_idle(const struct api_events *e)
{
	return !e->listeners && !e->stop && !api_previews_count(e->api);
}

/* A tick, or as long as nobody listens or looks. False: the end. */
static bool sleep_a_tick(struct api_events *e)
{
	pthread_mutex_lock(&e->lock);
	if (is_idle(e)) {
		json_decref(e->live);
		e->live = NULL;
		while (is_idle(e))
			pthread_cond_wait(&e->wake, &e->lock);
	} else if (!e->stop) {
		struct timespec until = sg_mono_in_us(TICK_MS * 1000);
		pthread_cond_timedwait(&e->wake, &e->lock, &until);
	}
	bool go_on = !e->stop;
	pthread_mutex_unlock(&e->lock);
	return go_on;
}

static void *events_thread(void *arg)
{
	struct api_events *e = arg;

	while (sleep_a_tick(e)) {
		look_at_streams(e);
		beat(e);
		ask_for_food(e);
	}
	return NULL;
}

/* ---- listening ---- */

/* The place to begin at. False: answered. */
static bool begin_at(struct api_call *c, int64_t *after)
{
	const struct sg_audit_filter all = {0};
	struct sg_str last = sg_http_header(c->req, "Last-Event-ID");
	struct sg_audit newest;
	uint64_t n;
	size_t count;

	if (!last.len)
		last = api_query(c, "after");
	if (last.len) {
		if (!sg_str_to_u64(last, INT64_MAX, &n)) {
			api_problem(c->req, 400, "'Last-Event-ID' must be the id of an event");
			return false;
		}
		*after = (int64_t)n;
		return true;
	}
	if (sg_store_audit_list(c->store, &all, 0, 0, &newest, 1, &count) != SG_OK) {
		api_store_failed(c, "reading the audit");
		return false;
	}
	*after = count ? newest.seq : 0;
	return true;
}

static struct listener *new_listener(struct api_call *c, struct sg_str app, struct sg_str stream)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->events = c->api->events;
	l->req = c->req;
	l->refs = 2;
	l->beat_ms = l->verified_ms = sg_mono_ms();
	sg_buf_init(&l->out, BUFFER_MAX);
	sg_buf_puts(&l->out, "retry: 3000\n\n"); /* also: the answer begins at once */
	sg_str_copy(l->app, sizeof(l->app), app);
	sg_str_copy(l->stream, sizeof(l->stream), stream);
	api_proof_of(c, l->proof);
	return l;
}

static bool join(struct api_events *e, struct listener *l)
{
	pthread_mutex_lock(&e->lock);
	bool room = e->count < API_LISTENERS_MAX;
	if (room) {
		l->number = ++e->numbers;
		l->next = e->listeners;
		e->listeners = l;
		e->count++;
	}
	pthread_mutex_unlock(&e->lock);
	return room;
}

/* From here on it may be woken, unless it is gone already. */
static void set_ready(struct api_events *e, struct listener *l)
{
	pthread_mutex_lock(&e->lock);
	l->ready = !l->over;
	unref(l);
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

void api_events(struct api_call *c)
{
	struct api_events *e = c->api->events;
	struct sg_str app, stream;
	struct listener *l;
	int64_t after;

	if (!api_query_stream(c, &app, &stream) || !begin_at(c, &after))
		return;
	sg_http_add_header(c->req, "Cache-Control", "no-store");
	sg_http_add_header(c->req, "X-Accel-Buffering", "no"); /* nginx: pass it on at once */
	if (sg_http_method(c->req) == SG_HTTP_HEAD) {
		sg_http_respond(c->req, 200, "text/event-stream", (struct sg_str){0});
		return;
	}
	if (!(l = new_listener(c, app, stream))) {
		api_problem(c->req, 500, "out of memory");
		return;
	}
	l->after = after;
	if (!join(e, l)) {
		l->refs = 1;
		unref(l);
		api_try_later(c->req, 503, 5, "too many listeners: try again later");
		return;
	}
	sg_http_respond_stream(c->req, "text/event-stream", pull, done, l);
	set_ready(e, l);
}

/* ---- open and close ---- */

enum sg_result api_events_open(struct api_events **out, struct sg_api *api)
{
	struct api_events *e = calloc(1, sizeof(*e));

	*out = e;
	if (!e)
		return SG_ERR_NO_MEMORY;
	e->api = api;
	pthread_mutex_init(&e->lock, NULL);
	sg_cond_init(&e->wake);
	pthread_cond_init(&e->fed, NULL);
	if (pthread_create(&e->thread, NULL, events_thread, e) != 0)
		return SG_ERR_NO_MEMORY;
	pthread_setname_np(e->thread, "sg-events");
	e->running = true;
	return SG_OK;
}

void api_events_close(struct api_events *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->stop = true;
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
	if (e->running)
		pthread_join(e->thread, NULL);
	pthread_mutex_lock(&e->lock);
	while (e->feeding) /* the query thread still has it */
		pthread_cond_wait(&e->fed, &e->lock);
	pthread_mutex_unlock(&e->lock);
	json_decref(e->live);
	pthread_mutex_destroy(&e->lock);
	pthread_cond_destroy(&e->wake);
	pthread_cond_destroy(&e->fed);
	free(e);
}

void api_events_wake(struct api_events *e)
{
	pthread_mutex_lock(&e->lock);
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

size_t api_events_count(struct api_events *e)
{
	pthread_mutex_lock(&e->lock);
	size_t count = e->count;
	pthread_mutex_unlock(&e->lock);
	return count;
}
