/* line.c - one line: its state, how its thread waits, what its attempts came to. */
#include "relay/relay_internal.h"

const char *sg_relay_state_name(enum sg_relay_state s)
{
	static const char *const names[] = {
#define STATE_TEXT(name, text) text,
	    SG_RELAY_STATES(STATE_TEXT)
#undef STATE_TEXT
	};

	return names[s];
}

struct relay_line *line_new(struct sg_relay *r, bool push, const char *app, const char *stream)
{
	struct relay_line *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->relay = r;
	l->push = push;
	snprintf(l->app, sizeof(l->app), "%s", app);
	snprintf(l->stream, sizeof(l->stream), "%s", stream);
	l->since_ms = sg_wall_ms();
	pthread_mutex_init(&l->lock, NULL);
	sg_cond_init(&l->wake);
	return l;
}

void line_free_url(char *url)
{
	if (url)
		sg_wipe(url, strlen(url));
	free(url);
}

void line_free(struct relay_line *l)
{
	if (!l)
		return;
	line_free_url(l->url);
	sg_stream_unref(l->source);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->wake);
	free(l);
}

/* ---- waiting ---- */

void line_wake(struct relay_line *l)
{
	pthread_mutex_lock(&l->lock);
	l->woken = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

void line_sleep(struct relay_line *l, int64_t ms)
{
	struct timespec until = sg_mono_in_us(ms * 1000);

	pthread_mutex_lock(&l->lock);
	while (!l->woken && !atomic_load(&l->stop))
		if (pthread_cond_timedwait(&l->wake, &l->lock, &until) != 0)
			break;
	l->woken = false;
	pthread_mutex_unlock(&l->lock);
}

void line_stop(struct relay_line *l)
{
	atomic_store(&l->stop, true);
	line_wake(l);
}

/* ---- what the far end does ---- */

bool line_is_stopped(void *user)
{
	struct relay_line *l = user;

	return atomic_load(&l->stop) || sg_mono_ms() - atomic_load(&l->heard_ms) > SILENT_MS;
}

void line_heard(struct relay_line *l, size_t bytes)
{
	atomic_store(&l->heard_ms, sg_mono_ms());
	atomic_fetch_add(&l->bytes, bytes);
	atomic_fetch_add(&l->relay->bytes[l->push], bytes);
}

/* ---- states ---- */

/* The line's lock is held. */
static void set_state(struct relay_line *l, enum sg_relay_state state)
{
	if (l->state == state)
		return;
	l->state = state;
	l->since_ms = sg_wall_ms();
	l->began_ms = sg_mono_ms();
	if (state == SG_RELAY_RUNNING)
		l->problem[0] = '\0';
}

void line_set(struct relay_line *l, enum sg_relay_state state)
{
	bool began;

	pthread_mutex_lock(&l->lock);
	began = state == SG_RELAY_RUNNING && l->state != state;
	set_state(l, state);
	pthread_mutex_unlock(&l->lock);
	if (began)
		sg_log_info("relay: %s %s/%s %s %s", l->push ? "pushes" : "pulls", l->app,
		    l->stream, l->push ? "to" : "from", l->shown);
}

static int64_t wait_of(unsigned attempts)
{
	int64_t ms = BACKOFF_MIN_MS;

	while (--attempts && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* Waiting, because of this. True: it is news. The line's lock is held. */
static bool set_problem(struct relay_line *l, const char *why)
{
	bool news = strcmp(l->problem, why) != 0;

	snprintf(l->problem, sizeof(l->problem), "%s", why);
	set_state(l, SG_RELAY_WAITING);
	return news;
}

void line_rests(struct relay_line *l, const char *why)
{
	pthread_mutex_lock(&l->lock);
	bool news = set_problem(l, why);
	pthread_mutex_unlock(&l->lock);
	if (news && !atomic_load(&l->stop))
		sg_log_info("relay: %s/%s is not taken from %s: %s", l->app, l->stream, l->shown, why);
	line_sleep(l, REST_MS);
}

void line_failed(struct relay_line *l, const char *why)
{
	int64_t wait_ms;

	pthread_mutex_lock(&l->lock);
	if (l->state == SG_RELAY_RUNNING && sg_mono_ms() - l->began_ms > STEADY_MS)
		l->attempts = 0;
	wait_ms = wait_of(++l->attempts);
	bool news = set_problem(l, why);
	pthread_mutex_unlock(&l->lock);
	if (atomic_load(&l->stop))
		return;
	atomic_fetch_add(&l->relay->failures[l->push], 1);
	sg_log_write(news ? SG_LOG_WARNING : SG_LOG_DEBUG, "relay: %s/%s %s %s: %s: again in %lld s", l->app, l->stream,
	    l->push ? "to" : "from", l->shown, why, (long long)(wait_ms / 1000));
	int64_t until_ms = sg_mono_ms() + wait_ms, left_ms = wait_ms;
	while (left_ms > 0 && !atomic_load(&l->stop)) {
		line_sleep(l, left_ms);
		left_ms = until_ms - sg_mono_ms();
	}
}

/* ---- the thread ---- */

static void *run(void *arg)
{
	struct relay_line *l = arg;

	if (l->push)
		push_run(l);
	else
		pull_run(l);
	atomic_store(&l->finished, true);
	return NULL;
}

bool line_start(struct relay_line *l)
{
	if (pthread_create(&l->thread, NULL, run, l) != 0)
		return false;
	pthread_setname_np(l->thread, l->push ? "sg-push" : "sg-pull");
	return true;
}

/* ---- what it is told ---- */

char *line_ca_file(struct relay_line *l)
{
	struct sg_relay *r = l->relay;

	pthread_mutex_lock(&r->lock);
	char *copy = r->now->relay_tls_ca ? strdup(r->now->relay_tls_ca) : NULL;
	pthread_mutex_unlock(&r->lock);
	return copy;
}
