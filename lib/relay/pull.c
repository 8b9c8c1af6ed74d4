/* pull.c - a stream that is taken in from elsewhere. */
#include "media/intake.h"
#include "relay/relay_internal.h"

#define AHEAD_MS 3000 /* a source may be ahead of the clock by so much, then it is held back */

/* What a far end may make libavformat do: these, and nothing that reads files. */
static const char options[] =
    "protocol_whitelist=rtmp,rtmps,rtmpt,ffrtmphttp,http,https,httpproxy,tcp,tls,crypto,srt,udp,"
    "rtp,"
    "rtsp:format_whitelist=flv,live_flv,hls,mpegts,mov,aac,mp3,rtsp,rtp,sdp:rtsp_transport=tcp";

/* ---- wanted, or not ---- */

/* Somebody else's, who may come back to it. */
static bool is_in_their_gap(struct relay_line *l)
{
	struct sg_stream *s =
	    sg_hub_find(l->relay->cfg.hub, sg_str_from(l->app), sg_str_from(l->stream));
	struct sg_stream_info info;

	if (!s)
		return false;
	sg_stream_info(s, &info);
	sg_stream_unref(s);
	return strcmp(info.protocol, "pull") != 0;
}

/* The line's lock is held. In the hub at once, so that whoever comes finds a stream to wait at. */
static bool claim(struct relay_line *l)
{
	if (l->publisher)
		return true;
	if (is_in_their_gap(l) || !sg_gate_reserve(l->relay->cfg.gate, l->app, l->stream))
		return false;
	if (sg_hub_publish(l->relay->cfg.hub, sg_str_from(l->app), sg_str_from(l->stream), "pull",
		&l->publisher) != SG_OK) {
		sg_gate_unreserve(l->relay->cfg.gate, l->app, l->stream);
		return false;
	}
	l->state = SG_RELAY_CONNECTING;
	l->since_ms = sg_wall_ms();
	return true;
}

bool pull_want(struct relay_line *l)
{
	bool comes = false;

	pthread_mutex_lock(&l->lock);
	l->wanted_ms = sg_mono_ms();
	if (!atomic_load(&l->stop) && l->state != SG_RELAY_WAITING)
		comes = l->state == SG_RELAY_IDLE ? claim(l) : l->publisher != NULL;
	pthread_mutex_unlock(&l->lock);
	if (comes)
		line_wake(l);
	return comes;
}

static bool is_wanted(struct relay_line *l)
{
	struct sg_relay *r = l->relay;
	int64_t now_ms = sg_mono_ms();

	if (l->always)
		return true;
	size_t viewers =
	    sg_gate_count(r->cfg.gate, sg_str_from(l->app), sg_str_from(l->stream), SG_PLAY);
	pthread_mutex_lock(&l->lock);
	if (viewers)
		l->wanted_ms = now_ms;
	bool wanted = now_ms - l->wanted_ms < r->unwatched_ms;
	pthread_mutex_unlock(&l->lock);
	return wanted;
}

/* ---- one attempt ---- */

/* Files and playlists are read faster than they play: what is far ahead of the clock waits. */
struct pace {
	bool begun;
	int64_t start_ms, first_dts;
};

static void keep_pace(struct relay_line *l, struct pace *p, const struct sg_frame *f)
{
	int64_t now_ms = sg_mono_ms();

	if (f->flags & SG_FRAME_CONFIG)
		return;
	int64_t media_90khz;
	bool jumps = !p->begun || __builtin_sub_overflow(f->dts_90khz, p->first_dts, &media_90khz);
	int64_t ahead_ms = jumps ? 0 : media_90khz / 90 - (now_ms - p->start_ms);
	/* Who is held back is never further ahead than that, but for timestamps that jump. */
	if (jumps || ahead_ms < -AHEAD_MS || ahead_ms > 2 * AHEAD_MS) {
		*p = (struct pace){true, now_ms, f->dts_90khz};
		return;
	}
	if (ahead_ms > AHEAD_MS)
		line_sleep(l, ahead_ms - AHEAD_MS);
}

/* NULL: nobody watches any more; else why it ended. */
static const char *carry(struct relay_line *l, struct sg_intake *in, struct sg_publisher *pub)
{
	struct pace pace = {0};
	struct sg_frame *f;
	int64_t looked_ms = sg_mono_ms();
	enum sg_result res;
	bool live = false;

	if (sg_intake_has_pictures(in))
		sg_publisher_expect_pictures(pub);
	while ((res = sg_intake_next(in, &f)) == SG_OK) {
		line_heard(l, f->size);
		line_set(l, SG_RELAY_RUNNING);
		keep_pace(l, &pace, f);
		if (sg_publisher_write(pub, f) != SG_OK)
			return "it sends media that is malformed";
		if (!live && (live = sg_stream_is_live(sg_publisher_stream(pub))))
			sg_gate_reserved_is_live(l->relay->cfg.gate, l->app, l->stream);
		if (sg_mono_ms() - looked_ms < 1000)
			continue;
		looked_ms = sg_mono_ms();
		if (!is_wanted(l))
			return NULL;
	}
	return res == SG_ERR_CLOSED ? "it ended, or fell silent" : sg_intake_trouble(in);
}

static const char *attempt(struct relay_line *l, struct sg_publisher *pub)
{
	char *ca_file = line_ca_file(l);
	struct sg_intake_config cfg = {.url = l->url, .options = options, .ca_file = ca_file,
	    .stop = line_is_stopped, .user = l};
	struct sg_intake *in;
	const char *why;

	line_heard(l, 0);
	if (sg_intake_open(&in, &cfg, &why) == SG_ERR_CLOSED)
		why = "nothing comes from there";
	if (in)
		why = carry(l, in, pub);
	sg_intake_close(in);
	free(ca_file);
	return why;
}

/* The publisher of this attempt; NULL: none is due. */
static struct sg_publisher *begin(struct relay_line *l, const char **why)
{
	struct sg_publisher *pub = NULL;
	bool due = is_wanted(l);

	*why = NULL;
	pthread_mutex_lock(&l->lock);
	if (due && !claim(l) && l->always) /* else it idles: those who watch are served */
		*why = "somebody publishes it here";
	pub = l->publisher; /* perhaps wanted since */
	if (!pub && !*why)
		l->state = SG_RELAY_IDLE;
	pthread_mutex_unlock(&l->lock);
	return pub;
}

/* A goodbye: nobody is kept waiting at a stream that nobody watches. */
static void finish(struct relay_line *l, bool goodbye)
{
	pthread_mutex_lock(&l->lock);
	struct sg_publisher *pub = l->publisher;
	l->publisher = NULL;
	if (goodbye && l->state != SG_RELAY_IDLE) {
		l->state = SG_RELAY_IDLE;
		l->since_ms = sg_wall_ms();
	} else if (!goodbye) {
		l->state =
		    SG_RELAY_WAITING; /* for line_failed; whoever comes meanwhile is told no */
	}
	pthread_mutex_unlock(&l->lock);
	sg_publisher_close(pub, goodbye);
	sg_gate_unreserve(l->relay->cfg.gate, l->app, l->stream);
}

void pull_run(struct relay_line *l)
{
	const char *why;

	while (!atomic_load(&l->stop)) {
		struct sg_publisher *pub = begin(l, &why);
		if (!pub && why) {
			line_rests(l, why);
		} else if (!pub) {
			line_sleep(l, 60000);
		} else if ((why = attempt(l, pub))) {
			finish(l, atomic_load(&l->stop) && !atomic_load(&l->moves));
			line_failed(l, why);
		} else {
			finish(l, true);
			sg_log_info("relay: pulls %s/%s no longer: nobody watches", l->app, l->stream);
		}
	}
	finish(l, true); /* wanted at the last moment */
}
