/* hls_wait.c - requests for what is still to come: a playlist that will be longer, the part that was
 * hinted at (RFC 8216bis sections 6.2.5.2 and 6.2.6).
 *
 * Their connections are suspended. All that wait for one stream stand at one desk, on one lane: the
 * packager wakes the desk once, however many they are. */
#include "http/media_internal.h"

struct waiting {
	struct waiting *next;
	struct sg_task task; /* brings it to its lane */
	struct http_lane *lane;
	struct sg_stream *stream;
	struct sg_http_request *req;
	struct hls_wanted wanted;
	int64_t until_ms;
	char name[64], prefix[HLS_PREFIX_SIZE];
};

struct hls_desk {
	struct hls_desk *next; /* lane->desks */
	struct http_lane *lane;
	struct sg_stream *stream;
	struct sg_ring_waiter waiter;
	struct sg_task task;
	atomic_bool woken; /* the task is in the loop's queue */
	bool over;
	struct waiting *first, **last;
};

static void finish(struct waiting *w)
{
	sg_stream_unref(w->stream);
	sg_wipe(w->prefix, sizeof(w->prefix));
	free(w);
}

static void give_up(struct waiting *w)
{
	sg_http_refuse_media(w->req, SG_OVERLOAD);
	finish(w);
}

/* ---- desks ---- */

static void close_desk(struct hls_desk *d)
{
	struct hls_desk **link = &d->lane->desks;

	while (*link != d)
		link = &(*link)->next;
	*link = d->next;
	sg_hls_remove_waiter(d->stream, &d->waiter);
	sg_stream_unref(d->stream);
	d->over = true;
	if (!atomic_load(&d->woken)) /* else the task frees it */
		free(d);
}

/* Answers those who have waited long enough, or for what is there now. */
static void attend(struct hls_desk *d, bool look)
{
	int64_t now_ms = sg_mono_ms();
	struct waiting **link = &d->first, *w;

	while ((w = *link)) {
		bool answered = look && hls_try(w->req, w->stream, &w->wanted);
		if (!answered && now_ms < w->until_ms) {
			link = &w->next;
			continue;
		}
		*link = w->next;
		if (answered)
			finish(w);
		else
			give_up(w);
	}
	d->last = link;
	if (!d->first)
		close_desk(d);
}

static void on_task(struct sg_task *task)
{
	struct hls_desk *d = SG_CONTAINER_OF(task, struct hls_desk, task);

	atomic_store(&d->woken, false);
	if (d->over)
		free(d);
	else
		attend(d, true);
}

static void on_wake(struct sg_ring_waiter *waiter)
{
	struct hls_desk *d = SG_CONTAINER_OF(waiter, struct hls_desk, waiter);
	struct sg_executor *ex = sg_loop_executor(d->lane->loop);

	if (!atomic_exchange(&d->woken, true))
		ex->post(ex, &d->task);
}

static struct hls_desk *desk_of(struct http_lane *lane, struct sg_stream *stream)
{
	struct hls_desk *d = lane->desks;

	while (d && d->stream != stream)
		d = d->next;
	if (d || !(d = calloc(1, sizeof(*d))))
		return d;
	d->lane = lane;
	d->stream = sg_stream_ref(stream);
	d->task.run = on_task;
	d->waiter.wake = on_wake;
	d->last = &d->first;
	d->next = lane->desks;
	lane->desks = d;
	sg_hls_add_waiter(stream, &d->waiter);
	return d;
}

/* ---- requests ---- */

static void join(struct sg_task *task)
{
	struct waiting *w = SG_CONTAINER_OF(task, struct waiting, task);
	struct hls_desk *d = atomic_load(&w->lane->media->draining) ? NULL : desk_of(w->lane, w->stream);

	if (!d) {
		give_up(w);
		return;
	}
	/* It may have come before the desk's waiter was there. */
	if (hls_try(w->req, w->stream, &w->wanted)) {
		finish(w);
		if (!d->first)
			close_desk(d);
		return;
	}
	*d->last = w;
	d->last = &w->next;
}

void hls_wait(struct sg_http_media *m, struct sg_http_request *req, struct sg_stream *stream,
    const struct hls_wanted *wanted)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w || !m->lane_count || !sg_str_copy(w->name, sizeof(w->name), wanted->ask.name)) {
		free(w);
		sg_http_refuse_media(req, SG_OVERLOAD);
		return;
	}
	w->wanted = *wanted;
	w->wanted.ask.name = sg_str_from(w->name);
	snprintf(w->prefix, sizeof(w->prefix), "%s", wanted->prefix);
	w->wanted.prefix = w->prefix;
	w->stream = sg_stream_ref(stream);
	w->req = req;
	w->until_ms = sg_mono_ms() + sg_hls_patience_ms(stream);
	w->lane = &m->lanes[(uintptr_t)stream / 64 % m->lane_count];
	w->task.run = join;
	sg_http_defer(req, w);
	struct sg_executor *ex = sg_loop_executor(w->lane->loop);
	ex->post(ex, &w->task);
}

void hls_wait_tick(struct http_lane *lane)
{
	for (struct hls_desk *d = lane->desks, *next; d; d = next) {
		next = d->next;
		attend(d, false);
	}
}

void hls_wait_drain(struct http_lane *lane)
{
	for (struct hls_desk *d = lane->desks, *next; d; d = next) {
		next = d->next;
		for (struct waiting *w = d->first; w; w = w->next)
			w->until_ms = 0;
		attend(d, false);
	}
}
