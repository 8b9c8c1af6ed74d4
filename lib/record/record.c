/* record.c - the recorder: opening, closing, the writing thread. */
#include "record/record_internal.h"
#include "base/clock.h"
#include <errno.h>
#include <unistd.h>

#define TICK_MS 900 /* a fragment of each recording: less than a second is only in memory */
#define BROUGHT_MS 50 /* before the tick: what a source has collected until then is in the ring in time */
#define SLACK_US 2000 /* a source's timer may be a little early */
#define SYNC_MS 5000  /* what a power cut may cost; the program's own death costs no more than is in memory */
#define SWEEP_MS 60000 /* how often what is kept too long is looked for */
#define RETRY_MS 60000 /* after a disk that was full or broken */
#define FINISH_AT_END_MS 10000
#define ROLL_MS (4 * 3600 * INT64_C(1000)) /* a file's length: finishing takes memory for each frame (100 bytes) */

/* ---- one file ---- */

static void end_file(struct sg_recorder *r, struct writing *w)
{
	if (!w->file)
		return;
	(void)!sg_record_pump(w->file); /* the last words */
	w->row.duration_ms = sg_record_ms(w->file);
	w->after = sg_record_position(w->file);
	atomic_fetch_add(&r->bytes, sg_record_bytes(w->file));
	sg_record_close(w->file);
	w->file = NULL;
	atomic_fetch_sub(&r->active, 1);
	finish_queue(r, &w->row, true);
}

static void give_up(struct sg_recorder *r, struct writing *w, const char *why)
{
	sg_log_error("stream %s/%s is not recorded%s: %s (%s); trying again in a minute", w->row.app, w->row.stream,
	    w->file ? " any more" : "", why, r->cfg->recording_path);
	atomic_fetch_add(&r->failed, 1);
	w->retry_ms = sg_mono_ms() + RETRY_MS;
	end_file(r, w);
}

static bool enter_catalogue(struct sg_recorder *r, struct sg_recording *row)
{
	row->created_at = sg_wall_s();
	row->state = SG_RECORDING_WRITTEN;
	row->size = row->duration_ms = 0;
	return sg_store_recording_add(r->store, row) == SG_OK;
}

/* `fd`: its new file, which does not remain when nothing comes of it. */
static void abandon(struct sg_recorder *r, const struct sg_recording *row, int fd)
{
	char path[PATH_SIZE];

	close(fd);
	part_path_of(path, r->cfg, row->app, row->name);
	unlink(path);
}

/* The next free name of the row's stream, in the catalogue, too, and its file; -1: why. */
static int enter_file(struct sg_recorder *r, struct sg_recording *row, const char **why)
{
	int fd = file_create(r->cfg, row->app, row->stream, row->name);

	if (fd < 0) {
		*why = strerror(errno);
	} else if (!enter_catalogue(r, row)) {
		abandon(r, row, fd);
		*why = "the catalogue cannot be written";
		return -1;
	}
	return fd;
}

static void leave_file(struct sg_recorder *r, const struct sg_recording *row, int fd)
{
	abandon(r, row, fd);
	(void)!sg_store_recording_delete(r->store, sg_str_from(row->app), sg_str_from(row->name));
}

static void file_has_begun(struct sg_recorder *r, struct writing *w)
{
	w->sync_ms = sg_mono_ms() + SYNC_MS;
	atomic_fetch_add(&r->active, 1);
	sg_log_info("stream %s/%s is recorded into %s", w->row.app, w->row.stream, w->row.name);
}

static void begin_file(struct sg_recorder *r, struct writing *w)
{
	int64_t free_now = free_bytes(r->cfg);
	const char *why = NULL;

	if (sg_mono_ms() < w->retry_ms || !sg_record_may_begin(w->stream, w->after))
		return;
	if (free_now < r->cfg->recording_min_free) {
		give_up(r, w, "there is too little space on the disk ([recording] min_free)");
		return;
	}
	int fd = enter_file(r, &w->row, &why);
	if (fd < 0) {
		give_up(r, w, why);
		return;
	}
	enum sg_result res = sg_record_open(&w->file, w->stream, w->after, fd, r->buffer);
	if (res == SG_OK) {
		sg_record_limit(w->file, r->roll_ms);
		file_has_begun(r, w);
		return;
	}
	why = res == SG_ERR_IO ? strerror(errno) : sg_result_text(res);
	leave_file(r, &w->row, fd);
	if (res != SG_NEED_MORE)
		give_up(r, w, why);
}

/* The file is long enough: another one goes on where it ends. It takes in what is there before the old one is waited
 * for. If there can be none, the next tick begins one, or says why not. */
static void next_file(struct sg_recorder *r, struct writing *w)
{
	struct sg_recording row = w->row;
	struct sg_record_file *file = NULL;
	const char *why;
	int fd = enter_file(r, &row, &why);

	if (fd >= 0 && sg_record_go_on(&file, w->file, fd) != SG_OK)
		leave_file(r, &row, fd);
	if (file)
		(void)!sg_record_pump(file); /* how that went is told again by the next */
	end_file(r, w);
	if (!file)
		return;
	w->row = row;
	w->file = file;
	file_has_begun(r, w);
}

/* ---- which streams ---- */

/* The recorder looks by the clock. On the source's thread, which will want to know at once: what it has just
 * written is in time for this tick, what comes now is for the next. */
static void on_written(struct sg_ring_waiter *w)
{
	int64_t due_us = atomic_load_explicit(&w->due_us, memory_order_relaxed);

	if (due_us && sg_mono_us() >= due_us - SLACK_US)
		atomic_store_explicit(&w->due_us, due_us + TICK_MS * 1000, memory_order_relaxed);
}

static struct writing *writing_new(struct sg_stream *s)
{
	struct writing *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->stream = sg_stream_ref(s);
	w->waiter.wake = on_written;
	snprintf(w->row.app, sizeof(w->row.app), "%s", sg_stream_app(s));
	snprintf(w->row.stream, sizeof(w->row.stream), "%s", sg_stream_id(s));
	sg_ring_add_waiter(sg_stream_ring(s), &w->waiter);
	return w;
}

static void writing_free(struct sg_recorder *r, struct writing *w)
{
	end_file(r, w);
	sg_ring_remove_waiter(sg_stream_ring(w->stream), &w->waiter);
	sg_stream_unref(w->stream);
	free(w);
}

static void look_at(void *user, struct sg_stream *s)
{
	struct sg_recorder *r = user;
	struct writing *w = r->writing;

	pthread_mutex_lock(&r->lock);
	bool wanted = modes_want(&r->modes, r->apps, sg_stream_app(s), sg_stream_id(s));
	pthread_mutex_unlock(&r->lock);
	if (!wanted)
		return;
	while (w && w->stream != s)
		w = w->next;
	if (!w && sg_stream_is_live(s) && (w = writing_new(s))) {
		w->next = r->writing;
		r->writing = w;
	}
	if (w)
		w->wanted = true;
}

/* One that is not asked for any more, or whose stream has gone, ends. */
static void look_around(struct sg_recorder *r)
{
	struct writing **link = &r->writing, *w;

	for (w = r->writing; w; w = w->next)
		w->wanted = false;
	sg_hub_each(r->hub, look_at, r);
	while ((w = *link)) {
		if (w->wanted) {
			link = &w->next;
			continue;
		}
		*link = w->next;
		writing_free(r, w);
	}
}

/* ---- the writing thread ---- */

static void write_one(struct sg_recorder *r, struct writing *w)
{
	if (!w->file)
		begin_file(r, w);
	if (!w->file)
		return;
	switch (sg_record_pump(w->file)) {
	case SG_OK:
		return;
	case SG_ERR_LIMIT:
		next_file(r, w);
		return;
	case SG_ERR_EXISTS: /* another configuration: another file */
	case SG_ERR_NOT_FOUND:
		end_file(r, w);
		return;
	default:
		give_up(r, w, strerror(errno));
	}
}

static void sync_one(struct sg_recorder *r, struct writing *w)
{
	int64_t now_ms = sg_mono_ms();

	if (now_ms < w->sync_ms)
		return;
	w->sync_ms = now_ms + SYNC_MS;
	if (sg_record_sync(w->file) != SG_OK)
		give_up(r, w, strerror(errno));
}

static void write_all(struct sg_recorder *r)
{
	if (!r->writing)
		return;
	bool room = free_bytes(r->cfg) >= r->cfg->recording_min_free;

	for (struct writing *w = r->writing; w; w = w->next) {
		write_one(r, w);
		if (w->file && !room)
			give_up(r, w, "there is too little space left on the disk ([recording] min_free)");
		else if (w->file)
			sync_one(r, w);
	}
}

/* What the writing thread does now and then. */
struct chores {
	int64_t sweep_ms;
	bool is_to_load; /* somebody wrote to the store, and the modes could not be read since */
};

static void look_at_settings(struct sg_recorder *r, struct chores *c)
{
	int64_t now_ms = sg_mono_ms();
	bool changed = false;

	if (sg_store_poll(r->store, &changed) == SG_OK && changed)
		c->is_to_load = true;
	if (c->is_to_load)
		c->is_to_load = !modes_load(&r->modes, r->store);
	look_around(r);
	if (now_ms < c->sweep_ms)
		return;
	c->sweep_ms = now_ms + SWEEP_MS;
	keep_sweep(r->cfg, r->store, &r->keep);
}

/* False: it is to stop. */
static bool pause_a_little(struct sg_recorder *r)
{
	struct timespec until = sg_mono_in_us(TICK_MS * 1000);
	int64_t due_us = sg_mono_us() + (TICK_MS - BROUGHT_MS) * 1000;

	for (struct writing *w = r->writing; w; w = w->next)
		atomic_store_explicit(&w->waiter.due_us, due_us, memory_order_relaxed);
	pthread_mutex_lock(&r->lock);
	while (!r->stopping && pthread_cond_timedwait(&r->woken, &r->lock, &until) == 0)
		;
	bool go_on = !r->stopping;
	pthread_mutex_unlock(&r->lock);
	return go_on;
}

static void *write_main(void *recorder)
{
	struct sg_recorder *r = recorder;
	struct chores chores = { 0 };

	pthread_setname_np(pthread_self(), "sg-record");
	do {
		look_at_settings(r, &chores);
		write_all(r);
	} while (pause_a_little(r));
	write_all(r); /* what the publishers' last words were */
	while (r->writing) {
		struct writing *w = r->writing;
		r->writing = w->next;
		writing_free(r, w);
	}
	return NULL;
}

/* ---- opening and closing ---- */

static void take_leftover(void *user, const char *app, const char *name)
{
	struct sg_recorder *r = user;
	struct sg_recording row = { 0 };
	enum sg_result res = sg_store_recording_get(r->store, sg_str_from(app), sg_str_from(name), &row);

	if (res != SG_OK && res != SG_ERR_NOT_FOUND) { /* nobody knows whose it is, and it would be its stem's */
		sg_log_error("recording %s/%s was cut off, and is finished at the next start: the catalogue cannot be read",
		    app, name);
		return;
	}
	bool known = res == SG_OK && row.state == SG_RECORDING_WRITTEN; /* else it is of another file of that name */
	if (!known)
		row = (struct sg_recording){ 0 };
	snprintf(row.app, sizeof(row.app), "%s", app);
	snprintf(row.name, sizeof(row.name), "%s", name);
	sg_log_info("recording %s/%s was cut off: finishing it", app, name);
	finish_queue(r, &row, known);
}

static enum sg_result open_stores(struct sg_recorder *r, char *error, size_t size)
{
	enum sg_result res = sg_store_open(&r->store, r->cfg->store_url, true, error, size);

	if (res == SG_OK)
		res = sg_store_open(&r->finish_store, r->cfg->store_url, true, error, size);
	return res;
}

enum sg_result sg_recorder_open(struct sg_recorder **out, const struct sg_config *cfg,
    struct sg_hub *hub, char *error, size_t error_size)
{
	struct sg_recorder *r = calloc(1, sizeof(*r));
	bool changed;

	*out = NULL;
	if (!r)
		return SG_ERR_NO_MEMORY;
	r->cfg = r->apps = cfg;
	r->hub = hub;
	r->queue_last = &r->queue;
	r->finish_at_end_ms = FINISH_AT_END_MS;
	r->roll_ms = ROLL_MS;
	pthread_mutex_init(&r->lock, NULL);
	sg_cond_init(&r->woken);
	enum sg_result res = open_stores(r, error, error_size);
	if (res == SG_OK && !(r->buffer = sg_record_buffer_new())) {
		snprintf(error, error_size, "recording: %s", sg_result_text(SG_ERR_NO_MEMORY));
		res = SG_ERR_NO_MEMORY;
	}
	if (res == SG_OK) {
		(void)!sg_store_poll(r->store, &changed); /* what comes after this is seen */
		modes_load(&r->modes, r->store);
		rows_settle(cfg, r->store);
		leftovers_each(cfg, take_leftover, r);
		r->has_writer = pthread_create(&r->writer, NULL, write_main, r) == 0;
		r->has_finisher = pthread_create(&r->finisher, NULL, finish_main, r) == 0;
		if (!r->has_writer || !r->has_finisher) {
			snprintf(error, error_size, "recording: starting a thread: %s", strerror(errno));
			res = SG_ERR_IO;
		}
	}
	if (res != SG_OK) {
		sg_recorder_close(r);
		return res;
	}
	*out = r;
	return SG_OK;
}

void sg_recorder_reconfigure(struct sg_recorder *r, const struct sg_config *cfg)
{
	pthread_mutex_lock(&r->lock);
	r->apps = cfg;
	pthread_mutex_unlock(&r->lock);
}

void sg_recorder_close(struct sg_recorder *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->woken);
	pthread_mutex_unlock(&r->lock);
	if (r->has_writer)
		pthread_join(r->writer, NULL);
	pthread_mutex_lock(&r->lock);
	r->no_more = true;
	pthread_cond_broadcast(&r->woken);
	struct timespec until = sg_mono_in_us(r->finish_at_end_ms * 1000);
	while (r->has_finisher && !r->finished && pthread_cond_timedwait(&r->woken, &r->lock, &until) == 0)
		;
	atomic_store(&r->hurry, true);
	pthread_mutex_unlock(&r->lock);
	if (r->has_finisher)
		pthread_join(r->finisher, NULL);
	while (r->queue) {
		struct finishing *f = r->queue;
		r->queue = f->next;
		free(f);
	}
	sg_store_close(r->store);
	sg_store_close(r->finish_store);
	free(r->buffer);
	free(r->modes.items);
	pthread_cond_destroy(&r->woken);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void sg_recorder_stats(struct sg_recorder *r, struct sg_recorder_stats *out)
{
	pthread_mutex_lock(&r->lock);
	size_t queued = r->queued;
	pthread_mutex_unlock(&r->lock);
	*out = (struct sg_recorder_stats){ .active = atomic_load(&r->active), .finishing = queued,
		.files = atomic_load(&r->files), .failed = atomic_load(&r->failed),
		.bytes = atomic_load(&r->bytes) };
}
