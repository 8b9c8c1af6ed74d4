/* clients.c - many viewers in one process. Each is a thread that opens the stream with a token of
 * its own and reads, but decodes nothing. */
#include "streamplay.h"
#include "base/clock.h"
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_BYTES (512u << 10)
#define STALL_MS 3000 /* nothing for so long is what a viewer sees as standing still */

struct crowd;
struct client {
	struct crowd *crowd;
	const char *token;
	pthread_t thread;
	bool started, stalled;
	int status;
	uint64_t frames, bytes;
	int64_t startup_ms; /* -1 = nothing came */
	char why[300];
};

struct crowd {
	const struct options *o;
	atomic_bool stop;
	atomic_uint open, ended;
	char *token; /* the one for all, or NULL */
	char **tokens; /* one each, or NULL */
	struct client *clients;
};

struct tally {
	unsigned served, refused, failed, missing, stalled, begun;
	uint64_t frames_min, frames_median, frames_max, bytes;
	int64_t startup_median, startup_p95, startup_max; /* -1 = none */
	const char *why; /* the first that failed */
};

/* ---- one client ---- */

static void count_packet(struct client *c, const struct source *s, const AVPacket *pkt)
{
	enum AVMediaType type = s->fmt->streams[pkt->stream_index]->codecpar->codec_type;

	if (c->startup_ms < 0) {
		c->startup_ms = (sg_mono_us() - s->opened_us) / 1000;
		atomic_fetch_add(&c->crowd->open, 1);
	}
	c->bytes += (uint64_t)pkt->size;
	c->frames += type == AVMEDIA_TYPE_VIDEO;
}

static int read_on(struct client *c, struct source *s)
{
	AVPacket *pkt = av_packet_alloc();
	int64_t last = sg_mono_ms();
	int err = pkt ? 0 : AVERROR(ENOMEM);

	while (!err && !atomic_load(&c->crowd->stop) && !play_interrupted()) {
		if ((err = source_read(s, pkt)) == 0) {
			count_packet(c, s, pkt);
			av_packet_unref(pkt);
		}
		int64_t now = sg_mono_ms();
		if (now - last > STALL_MS)
			c->stalled = true;
		last = now;
	}
	av_packet_free(&pkt);
	return err;
}

static void *client_thread(void *arg)
{
	struct client *c = arg;
	struct source s;
	char *url = url_with_token(c->crowd->o->url, c->token);
	int err = url ? source_open(&s, url, c->token, &c->crowd->stop, false) : AVERROR(ENOMEM);

	if (!url) {
		c->status = PLAY_FAILED;
		goto out;
	}
	if (!err)
		err = read_on(c, &s);
	bool ours = !err || atomic_load(&c->crowd->stop) || play_interrupted();
	if (c->startup_ms >= 0 && !s.trouble.server[0] && (ours || source_ended(&s, err)))
		c->status = PLAYED;
	else if (ours && !play_interrupted() && !s.trouble.server[0]) {
		c->status = PLAY_FAILED;
		snprintf(c->why, sizeof(c->why), "nothing was played: no picture or sound came in this time");
	} else
		c->status = source_explain(&s, err, c->why, sizeof(c->why));
	if (c->startup_ms >= 0)
		atomic_fetch_sub(&c->crowd->open, 1);
	source_close(&s);
out:
	token_free(url);
	atomic_fetch_add(&c->crowd->ended, 1);
	return NULL;
}

/* ---- all of them ---- */

static bool start_client(struct client *c)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	c->started = pthread_create(&c->thread, &attr, client_thread, c) == 0;
	pthread_attr_destroy(&attr);
	if (!c->started) {
		c->status = PLAY_FAILED;
		snprintf(c->why, sizeof(c->why), "cannot make a thread: free memory, or try fewer");
		atomic_fetch_add(&c->crowd->ended, 1);
	}
	return c->started;
}

/* How many should have begun by now. */
static unsigned due(const struct options *o, int64_t elapsed_ms)
{
	double n = 1 + (double)elapsed_ms * o->ramp / 1000;

	return !o->ramp || n > o->clients ? o->clients : (unsigned)n;
}

static void draw(struct crowd *w, unsigned begun, int64_t elapsed_ms)
{
	printf("\r%lld s  %u of %u begun  %u watching  %u ended\033[K",
	    (long long)elapsed_ms / 1000, begun, w->o->clients, atomic_load(&w->open),
	    atomic_load(&w->ended));
	fflush(stdout);
}

static unsigned run_crowd(struct crowd *w)
{
	int64_t began = sg_mono_ms(), drawn = 0, elapsed = 0;
	unsigned begun = 0;
	bool status = status_wanted(w->o);

	while (!play_interrupted() && atomic_load(&w->ended) < w->o->clients) {
		elapsed = sg_mono_ms() - began;
		if (w->o->duration_ms && elapsed >= w->o->duration_ms)
			break;
		for (unsigned n = due(w->o, elapsed); begun < n; begun++)
			start_client(&w->clients[begun]);
		if (status && elapsed - drawn >= 200)
			draw(w, begun, drawn = elapsed);
		usleep(10000);
	}
	atomic_store(&w->stop, true);
	for (unsigned i = 0; i < begun; i++)
		if (w->clients[i].started)
			pthread_join(w->clients[i].thread, NULL);
	if (status)
		status_erase();
	return begun;
}

/* ---- the summary ---- */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t rank(const int64_t *sorted, size_t n, unsigned percent)
{
	return n ? sorted[(n - 1) * percent / 100] : -1;
}

static void count_client(struct tally *t, const struct client *c)
{
	t->served += c->status == PLAYED;
	t->refused += c->status == PLAY_REFUSED;
	t->missing += c->status == PLAY_NOT_FOUND;
	t->failed += c->status == PLAY_FAILED;
	t->stalled += c->stalled;
	t->bytes += c->bytes;
	if (c->status != PLAYED && !t->why)
		t->why = c->why;
}

static bool count_all(const struct crowd *w, unsigned begun, struct tally *t)
{
	int64_t *frames = calloc(begun + 1, sizeof(*frames));
	int64_t *startup = calloc(begun + 1, sizeof(*startup));
	size_t nf = 0, ns = 0;

	*t = (struct tally){.begun = begun};
	for (unsigned i = 0; frames && startup && i < begun; i++) {
		const struct client *c = &w->clients[i];
		count_client(t, c);
		if (c->startup_ms >= 0) {
			frames[nf++] = (int64_t)c->frames;
			startup[ns++] = c->startup_ms;
		}
	}
	bool ok = frames && startup;
	if (ok) {
		qsort(frames, nf, sizeof(*frames), by_value);
		qsort(startup, ns, sizeof(*startup), by_value);
		t->frames_min = nf ? (uint64_t)frames[0] : 0;
		t->frames_median = nf ? (uint64_t)rank(frames, nf, 50) : 0;
		t->frames_max = nf ? (uint64_t)frames[nf - 1] : 0;
		t->startup_median = rank(startup, ns, 50);
		t->startup_p95 = rank(startup, ns, 95);
		t->startup_max = rank(startup, ns, 100);
	}
	free(frames);
	free(startup);
	return ok;
}

static int verdict(const struct tally *t)
{
	if (t->refused)
		return PLAY_REFUSED;
	if (t->missing && t->missing == t->begun)
		return PLAY_NOT_FOUND;
	return t->served && t->served == t->begun ? PLAYED : PLAY_FAILED;
}

static json_t *known(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static void print_json(const struct crowd *w, const struct tally *t, double seconds)
{
	int status = verdict(t);
	json_t *clients = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:{s:I, s:I, s:I}, "
				    "s:{s:o, s:o, s:o}}",
	    "wanted", (int)w->o->clients, "opened", (int)t->begun, "served", (int)t->served,
	    "refused", (int)t->refused, "notFound", (int)t->missing, "failed", (int)t->failed,
	    "stalled", (int)t->stalled, "frames", "min", (json_int_t)t->frames_min, "median",
	    (json_int_t)t->frames_median, "max", (json_int_t)t->frames_max, "startupMs", "median",
	    known(t->startup_median), "p95", known(t->startup_p95), "max", known(t->startup_max));
	json_t *o = json_pack("{s:o, s:s, s:i, s:f, s:I, s:o}", "url", status_url_json(w->o->url), "status",
	    status_name(status), "exit", status, "seconds", seconds, "bytes", (json_int_t)t->bytes,
	    "clients", clients);

	if (o && t->why)
		json_object_set_new(o, "error", json_string(t->why));
	if (o) {
		json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
		putchar('\n');
	}
	json_decref(o);
}

static void print_line(const struct tally *t)
{
	printf("clients %u  served %u  refused %u  failed %u  stalled %u  frames %llu/%llu/%llu  "
	       "%llu bytes",
	    t->begun, t->served, t->refused, t->failed + t->missing, t->stalled,
	    (unsigned long long)t->frames_min, (unsigned long long)t->frames_median,
	    (unsigned long long)t->frames_max, (unsigned long long)t->bytes);
	if (t->startup_max >= 0)
		printf("  startup %lld/%lld/%lld ms", (long long)t->startup_median,
		    (long long)t->startup_p95, (long long)t->startup_max);
	putchar('\n');
}

static int report(const struct crowd *w, unsigned begun, double seconds)
{
	struct tally t;

	if (!count_all(w, begun, &t))
		return play_fail(PLAY_FAILED, "out of memory: free some");
	if (t.why && *t.why)
		play_warn("%u of %u clients were not served, the first one because: %s",
		    t.begun - t.served, t.begun, t.why);
	if (w->o->arg[OPT_JSON])
		print_json(w, &t, seconds);
	else
		print_line(&t);
	return verdict(&t);
}

static int prepare(struct crowd *w)
{
	int status = w->o->arg[OPT_TOKENS]
			 ? tokens_read(w->o->arg[OPT_TOKENS], w->o->clients, &w->tokens)
			 : token_read(w->o, &w->token);

	if (status != PLAYED)
		return status;
	if (!(w->clients = calloc(w->o->clients, sizeof(*w->clients))))
		return play_fail(PLAY_FAILED, "out of memory: free some");
	for (unsigned i = 0; i < w->o->clients; i++)
		w->clients[i] = (struct client){
		    .crowd = w, .token = w->tokens ? w->tokens[i] : w->token, .startup_ms = -1};
	return PLAYED;
}

int clients_run(const struct options *o)
{
	struct crowd w = {.o = o};
	int status = prepare(&w);

	if (status == PLAYED) {
		int64_t began = sg_mono_us();
		unsigned begun = run_crowd(&w);
		status = report(&w, begun, (double)(sg_mono_us() - began) / 1e6);
	}
	free(w.clients);
	tokens_free(w.tokens, o->clients);
	token_free(w.token);
	return status;
}
