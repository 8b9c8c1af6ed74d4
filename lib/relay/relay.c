/* relay.c - the manager: which lines there must be; lists, numbers, opening and closing. */
#include "base/url.h"
#include "relay/relay_internal.h"

/* ---- addresses ---- */

/* `form` with every "{stream}" replaced. */
static char *url_for(const char *form, const char *stream)
{
	static const char mark[] = "{stream}";
	struct sg_buf b;
	const char *at;

	sg_buf_init(&b, 8192);
	if (!sg_buf_reserve(&b, 8191))
		return NULL;
	while ((at = strstr(form, mark))) {
		sg_buf_append(&b, form, (size_t)(at - form));
		sg_buf_puts(&b, stream);
		form = at + sizeof(mark) - 1;
	}
	sg_buf_puts(&b, form);
	sg_buf_put_u8(&b, 0);
	if (!b.failed)
		return (char *)b.p;
	sg_buf_reset(&b);
	return NULL;
}

/* ---- pulls ---- */

/* The relay's lock is held, here and below, except where it is taken. */
static struct relay_line *pull_of(struct sg_relay *r, struct sg_str app, struct sg_str stream)
{
	struct relay_line *l;

	DL_FOREACH(r->pulls, l)
	{
		if (sg_str_is(app, l->app) && sg_str_is(stream, l->stream))
			break;
	}
	return l;
}

static bool add_pull(struct sg_relay *r, const struct sg_pull_config *pc)
{
	struct relay_line *l = line_new(r, false, pc->app, pc->stream);

	if (!l || !(l->url = url_for(pc->url, pc->stream))) {
		line_free(l);
		return false;
	}
	l->always = pc->when == SG_PULL_ALWAYS;
	l->wanted_ms = sg_mono_ms() - r->unwatched_ms;
	sg_url_show(l->shown, sizeof(l->shown), sg_str_from(l->url));
	if (!line_start(l)) {
		line_free(l);
		return false;
	}
	DL_APPEND(r->pulls, l);
	return true;
}

/* Those of the configuration that are not there. False: no memory, or no thread. */
static bool add_pulls(struct sg_relay *r)
{
	bool ok = true;

	for (size_t i = 0; i < r->now->pull_count && ok; i++) {
		const struct sg_pull_config *pc = &r->now->pulls[i];
		if (!pull_of(r, sg_str_from(pc->app), sg_str_from(pc->stream)))
			ok = add_pull(r, pc);
	}
	return ok;
}

/* Does the configuration still say what this line does? When it is to be done may have changed. */
static bool pull_is_due(struct sg_relay *r, struct relay_line *l)
{
	for (size_t i = 0; i < r->now->pull_count; i++) {
		const struct sg_pull_config *pc = &r->now->pulls[i];
		if (strcmp(pc->app, l->app) != 0 || strcmp(pc->stream, l->stream) != 0)
			continue;
		char *url = url_for(pc->url, pc->stream);
		bool same = url && strcmp(url, l->url) == 0, always = pc->when == SG_PULL_ALWAYS;
		atomic_store(&l->moves, !same);
		if (same && atomic_exchange(&l->always, always) != always)
			line_wake(l);
		line_free_url(url);
		return same;
	}
	return false;
}

bool sg_relay_want(struct sg_relay *r, struct sg_str app, struct sg_str stream)
{
	pthread_mutex_lock(&r->lock);
	struct relay_line *l = pull_of(r, app, stream);
	bool comes = l && pull_want(l);
	pthread_mutex_unlock(&r->lock);
	return comes;
}

/* ---- pushes ---- */

static const char *forward_of(struct sg_relay *r, const char *app)
{
	const struct sg_app_config *a = sg_config_app(r->now, sg_str_from(app));

	return a ? a->forward : NULL;
}

static void add_push(struct sg_relay *r, struct sg_stream *s, const char *form)
{
	struct relay_line *l = line_new(r, true, sg_stream_app(s), sg_stream_id(s));

	if (l && (l->url = url_for(form, l->stream))) {
		l->source = sg_stream_ref(s);
		sg_url_show(l->shown, sizeof(l->shown), sg_str_from(l->url));
		if (line_start(l)) {
			DL_APPEND(r->pushes, l);
			r->push_count++;
			return;
		}
	}
	line_free(l);
}

static struct relay_line *push_of(struct sg_relay *r, const struct sg_stream *s)
{
	struct relay_line *l;

	DL_FOREACH(r->pushes, l)
	{
		if (l->source == s)
			break;
	}
	return l;
}

static void look_at(void *user, struct sg_stream *s)
{
	struct sg_relay *r = user;

	pthread_mutex_lock(&r->lock);
	const char *form = forward_of(r, sg_stream_app(s));
	if (form && sg_stream_is_live(s) && !push_of(r, s) && !atomic_load(&r->stop)) {
		if (r->push_count < SG_RELAYS_MAX)
			add_push(r, s, form);
		else
			sg_log_limited(SG_LOG_WARNING,
			    "relay: %d streams go on already: %s/%s does not", SG_RELAYS_MAX,
			    sg_stream_app(s), sg_stream_id(s));
	}
	pthread_mutex_unlock(&r->lock);
}

static bool push_is_due(struct sg_relay *r, const struct relay_line *l)
{
	const char *form = forward_of(r, l->app);
	char *url = form ? url_for(form, l->stream) : NULL;
	bool due = url && strcmp(url, l->url) == 0;

	line_free_url(url);
	return due;
}

/* ---- lines that are over ---- */

/* Those that are not due are stopped; those that have finished are taken out, to be joined without the lock. */
static void sort_out(struct sg_relay *r, struct relay_line **list, struct relay_line **done)
{
	struct relay_line *l, *tmp;

	DL_FOREACH_SAFE(*list, l, tmp)
	{
		if (!(l->push ? push_is_due(r, l) : pull_is_due(r, l)))
			line_stop(l);
		if (!atomic_load(&l->finished))
			continue;
		DL_DELETE(*list, l);
		r->push_count -= l->push;
		DL_APPEND(*done, l);
	}
}

static struct relay_line *take_finished(struct sg_relay *r)
{
	struct relay_line *done = NULL;

	pthread_mutex_lock(&r->lock);
	sort_out(r, &r->pushes, &done);
	sort_out(r, &r->pulls, &done);
	pthread_mutex_unlock(&r->lock);
	return done;
}

static void join_all(struct relay_line **list)
{
	struct relay_line *l, *tmp;

	DL_FOREACH_SAFE(*list, l, tmp)
	{
		pthread_join(l->thread, NULL);
		DL_DELETE(*list, l);
		line_free(l);
	}
}

/* ---- the manager ---- */

static bool has_work(const struct sg_relay *r)
{
	for (size_t i = 0; i < r->now->app_count; i++)
		if (r->now->apps[i].forward)
			return true;
	return r->now->pull_count || r->pulls || r->pushes;
}

/* Where nothing is pulled or forwarded there is nothing to look after until the configuration says so. */
static void tick(struct sg_relay *r)
{
	struct timespec until = sg_mono_in_us(TICK_MS * 1000);

	pthread_mutex_lock(&r->lock);
	while (!atomic_load(&r->stop) && !has_work(r))
		pthread_cond_wait(&r->wake, &r->lock);
	if (!atomic_load(&r->stop))
		pthread_cond_timedwait(&r->wake, &r->lock, &until);
	pthread_mutex_unlock(&r->lock);
}

static void *manage(void *arg)
{
	struct sg_relay *r = arg;

	while (!atomic_load(&r->stop)) {
		struct relay_line *done = take_finished(r);
		join_all(&done);
		pthread_mutex_lock(&r->lock);
		if (!atomic_load(&r->stop) && !add_pulls(r)) /* where one was changed its former line has ended */
			sg_log_limited(SG_LOG_WARNING, "relay: not all %zu pulls can be begun: out of memory, or threads",
			    r->now->pull_count);
		pthread_mutex_unlock(&r->lock);
		sg_hub_each(r->cfg.hub, look_at, r);
		tick(r);
	}
	return NULL;
}

/* ---- opening and closing ---- */

enum sg_result sg_relay_open(struct sg_relay **out, const struct sg_relay_config *cfg)
{
	struct sg_relay *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return SG_ERR_NO_MEMORY;
	r->cfg = *cfg;
	r->now = cfg->cfg;
	r->unwatched_ms = cfg->unwatched_ms ? cfg->unwatched_ms : UNWATCHED_MS;
	pthread_mutex_init(&r->lock, NULL);
	sg_cond_init(&r->wake);
	if (!add_pulls(r) || pthread_create(&r->manager, NULL, manage, r) != 0) {
		sg_relay_close(r);
		return SG_ERR_NO_MEMORY;
	}
	pthread_setname_np(r->manager, "sg-relay");
	r->has_manager = true;
	*out = r;
	return SG_OK;
}

void sg_relay_reconfigure(struct sg_relay *r, const struct sg_config *cfg)
{
	pthread_mutex_lock(&r->lock);
	r->now = cfg;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void sg_relay_drain(struct sg_relay *r)
{
	struct relay_line *l;

	pthread_mutex_lock(&r->lock);
	atomic_store(&r->stop, true);
	pthread_cond_signal(&r->wake);
	DL_FOREACH(r->pulls, l)
	{
		line_stop(l);
	}
	DL_FOREACH(r->pushes, l)
	{
		line_stop(l);
	}
	pthread_mutex_unlock(&r->lock);
}

void sg_relay_stop(struct sg_relay *r)
{
	sg_relay_drain(r);
	if (r->has_manager)
		pthread_join(r->manager, NULL);
	r->has_manager = false;
	pthread_mutex_lock(&r->lock);
	struct relay_line *pulls = r->pulls, *pushes = r->pushes;
	r->pulls = r->pushes = NULL;
	pthread_mutex_unlock(&r->lock);
	join_all(&pulls);
	join_all(&pushes);
}

void sg_relay_close(struct sg_relay *r)
{
	if (!r)
		return;
	sg_relay_stop(r);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->wake);
	free(r);
}

/* ---- what is going on ---- */

static void tell(struct relay_line *l, struct sg_relay_info *out)
{
	*out = (struct sg_relay_info){.push = l->push, .bytes = atomic_load(&l->bytes)};
	memcpy(out->app, l->app, sizeof(out->app));
	memcpy(out->stream, l->stream, sizeof(out->stream));
	memcpy(out->url, l->shown, sizeof(out->url));
	pthread_mutex_lock(&l->lock);
	out->state = l->state;
	out->since_ms = l->since_ms;
	out->attempts = l->state == SG_RELAY_RUNNING ? 0 : l->attempts; /* that one has not failed */
	memcpy(out->problem, l->problem, sizeof(out->problem));
	pthread_mutex_unlock(&l->lock);
}

size_t sg_relay_list(struct sg_relay *r, struct sg_relay_info *out, size_t max)
{
	struct relay_line *l;
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	DL_FOREACH(r->pulls, l)
	{
		if (n < max)
			tell(l, &out[n++]);
	}
	DL_FOREACH(r->pushes, l)
	{
		if (n < max)
			tell(l, &out[n++]);
	}
	pthread_mutex_unlock(&r->lock);
	return n;
}

void sg_relay_stats(struct sg_relay *r, struct sg_relay_stats *out)
{
	struct sg_relay_info info;
	struct relay_line *l;

	*out = (struct sg_relay_stats){.skipped_frames = atomic_load(&r->skipped)};
	for (int i = 0; i < 2; i++) {
		out->bytes[i] = atomic_load(&r->bytes[i]);
		out->failures[i] = atomic_load(&r->failures[i]);
	}
	pthread_mutex_lock(&r->lock);
	DL_FOREACH(r->pulls, l)
	{
		tell(l, &info);
		out->states[0][info.state]++;
	}
	DL_FOREACH(r->pushes, l)
	{
		tell(l, &info);
		out->states[1][info.state]++;
	}
	pthread_mutex_unlock(&r->lock);
}
