/* play.c - one viewer. A thread reads and decodes; the main thread shows, and watches the clock. */
#include "rtc.h"
#include "base/clock.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct player {
	const struct options *o;
	char *url, *token; /* secrets */
	struct measure measure;
	struct window *window; /* may be NULL */
	struct record *record; /* may be NULL */
	atomic_bool stop, done;
	/* Of the thread until it is done: */
	struct source source;
	struct outcome end;
};

/* ---- the thread that reads ---- */

/* Wall time is watched by the main thread; a file comes faster than that. */
static bool long_enough(struct player *p)
{
	struct facts f;

	if (!p->o->duration_ms)
		return false;
	measure_facts(&p->measure, sg_mono_us(), &f);
	return !f.live && f.media_s * 1000 >= (double)p->o->duration_ms;
}

static int read_all(struct player *p, struct decoding *d)
{
	AVFormatContext *fmt = p->source.fmt;
	AVPacket *pkt = av_packet_alloc();
	int err = pkt ? 0 : AVERROR(ENOMEM);

	while (!err && !atomic_load(&p->stop) && !play_interrupted() && !long_enough(p)) {
		int64_t asked = sg_mono_us();
		if ((err = source_read(&p->source, pkt)) < 0)
			break;
		int64_t now = sg_mono_us();
		const AVStream *st = fmt->streams[pkt->stream_index];
		enum AVMediaType type = st->codecpar->codec_type;
		int64_t ts = pkt->dts != AV_NOPTS_VALUE ? pkt->dts : pkt->pts;
		int64_t us =
		    ts == AV_NOPTS_VALUE ? ts : av_rescale_q(ts, st->time_base, AV_TIME_BASE_Q);
		/* A parser holds the last packet back until it sees the end: it did not come now. */
		if (p->source.live && !p->source.rtc && source_at_end(&p->source))
			us = AV_NOPTS_VALUE;
		decoding_packet(d, fmt, pkt); /* first, so that the codecs are known */
		if (pkt->stream_index == d->video.index || pkt->stream_index == d->sound.index)
			measure_packet(&p->measure, type, us, pkt, now - asked > 2000, now);
		if (p->source.rtc) {
			struct line line;
			rtc_line(p->source.rtc, &line);
			measure_line(&p->measure, &line);
		}
		if (p->record && !record_packet(p->record, fmt, pkt))
			err = AVERROR_EXTERNAL; /* has been told */
		av_packet_unref(pkt);
	}
	av_packet_free(&pkt);
	return err;
}

/* How the reading ended: `err` is what the last read said, 0 when it was we who stopped. */
static void judge(struct player *p, int err)
{
	struct facts f;

	measure_facts(&p->measure, sg_mono_us(), &f);
	bool ours =
	    !err || atomic_load(&p->stop) || (play_interrupted() && err != AVERROR_EXTERNAL);
	bool played = f.decoded || f.samples;
	if (err == AVERROR_EXTERNAL)
		p->end.status = PLAY_FAILED;
	else if (played && !p->source.trouble.server[0] && (ours || source_ended(&p->source, err)))
		p->end.status = PLAYED;
	else if (ours && !played && !play_interrupted() && !p->source.trouble.server[0]) {
		p->end.status = PLAY_FAILED;
		snprintf(p->end.why, sizeof(p->end.why),
		    "nothing was played: no picture or sound came in this time");
	} else
		p->end.status = source_explain(&p->source, err, p->end.why, sizeof(p->end.why));
}

static void *read_thread(void *arg)
{
	struct player *p = arg;
	struct decoding d;
	int err = AVERROR(ENOMEM);

	if (decoding_init(&d, &p->measure, p->window)) {
		err = source_open(&p->source, p->url, p->token, &p->stop, true);
		if (!err) {
			measure_open(&p->measure, &p->source);
			d.live = p->source.live;
			err = read_all(p, &d);
			decoding_packet(&d, p->source.fmt, NULL);
		}
	}
	judge(p, err);
	decoding_reset(&d);
	source_close(&p->source);
	if (p->window)
		window_end(p->window); /* the viewer goes on for a while */
	else
		measure_end(&p->measure, sg_mono_us());
	atomic_store(&p->done, true);
	return NULL;
}

/* ---- the main thread ---- */

static void draw(struct player *p)
{
	struct facts f;

	measure_facts(&p->measure, sg_mono_us(), &f);
	if (p->window)
		f.buffered_s = window_buffered_s(p->window);
	status_draw(&f);
}

/* Is it time to stop? */
static bool over(struct player *p, int64_t began_ms)
{
	struct facts f;

	if (play_interrupted())
		return true;
	if (!p->o->duration_ms)
		return false;
	measure_facts(&p->measure, sg_mono_us(), &f);
	/* What is played is what counts, not the time it took to connect. */
	int64_t waited = f.startup_ms >= 0 ? f.startup_ms : 0;
	return sg_mono_ms() - began_ms - waited >= p->o->duration_ms;
}

static void watch(struct player *p)
{
	int64_t began = sg_mono_ms(), drawn = 0;
	bool status = status_wanted(p->o);

	while (p->window || !atomic_load(&p->done)) {
		if (over(p, began) || (p->window && !window_turn(p->window)))
			break;
		if (!p->window)
			usleep(10000);
		if (status && sg_mono_ms() - drawn >= 200) {
			drawn = sg_mono_ms();
			draw(p);
		}
	}
	atomic_store(&p->stop, true);
	if (p->window) {
		measure_end(&p->measure, sg_mono_us());
		window_quit(p->window);
	}
}

static int open_window(struct player *p)
{
	char why[300];

	if (!window_wanted(p->o))
		return PLAYED;
	char *title = url_shown(p->o->url);
	p->window = window_open(title ? title : "streamplay", why, sizeof(why));
	free(title);
	if (p->window)
		return PLAYED;
	if (p->o->arg[OPT_WINDOW])
		return play_fail(PLAY_FAILED, "cannot open a window: %s: leave --window out", why);
	play_warn("cannot open a window: %s: playing without", why);
	return PLAYED;
}

static int prepare(struct player *p)
{
	int status;

	if ((status = token_read(p->o, &p->token)) != PLAYED)
		return status;
	if (!(p->url = url_with_token(p->o->url, p->token)))
		return play_fail(PLAY_FAILED, "out of memory: free some");
	if (p->o->arg[OPT_RECORD] &&
	    (status = record_open(&p->record, p->o->arg[OPT_RECORD])) != PLAYED)
		return status;
	return open_window(p);
}

/* Tells how it ended, and answers the exit status. */
static int report(struct player *p)
{
	struct facts f;

	measure_facts(&p->measure, sg_mono_us(), &f);
	if (status_wanted(p->o))
		status_erase();
	if (*p->end.why)
		play_fail(0, "%s", p->end.why);
	if (p->end.status == PLAYED && !expect_check(p->o->expect, p->o->expect_count, &f))
		p->end.status = PLAY_UNMET;
	if (p->o->arg[OPT_JSON])
		status_json(p->o->url, &p->end, &f);
	else if (p->end.status == PLAYED || p->end.status == PLAY_UNMET)
		status_summary(&f);
	return p->end.status;
}

static void on_nudge(int sig)
{
	(void)sig;
}

/* libav asks us now and then whether to go on, but not while it waits in read() for a pipe: a signal
 * that is not followed by a restart ends that. */
static void join(struct player *p, pthread_t thread)
{
	struct sigaction act = {.sa_handler = on_nudge};

	sigaction(SIGUSR1, &act, NULL);
	while (!atomic_load(&p->done)) {
		pthread_kill(thread, SIGUSR1);
		usleep(20000);
	}
	pthread_join(thread, NULL);
}

static int play(struct player *p)
{
	pthread_t thread;

	measure_init(&p->measure, sg_mono_us());
	if (pthread_create(&thread, NULL, read_thread, p)) {
		measure_reset(&p->measure);
		return play_fail(PLAY_FAILED, "cannot make a thread: free some memory");
	}
	watch(p);
	join(p, thread);
	int recorded = record_close(p->record);
	p->record = NULL;
	if (p->end.status == PLAYED)
		p->end.status = recorded;
	int status = report(p);
	measure_reset(&p->measure);
	return status;
}

int play_run(const struct options *o)
{
	struct player p = {.o = o};
	int status = prepare(&p);

	if (status == PLAYED)
		status = play(&p);
	else if (p.record)
		record_drop(p.record);
	window_close(p.window);
	token_free(p.url);
	token_free(p.token);
	return status;
}
