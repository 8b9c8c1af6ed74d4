/* measure.c - counts and times what came. Rates are by the media's own clock, so that a burst at
 * the beginning does not raise them and a gap lowers them.
 *
 * Latency. A packet's offset is the moment it came minus its decoding time; the least offset seen
 * is the fastest way from the publisher to here. A viewer who begins with the first packet when it
 * is there, and neither skips nor stops, lags behind the newest media by how much the first
 * packet's offset, and any later one's, is above the least. The constant part (encoder, wire) can
 * not be seen from here and is not in it. */
#include "streamplay.h"

/* A step of decoding times larger than this is another timeline, not a gap. */
#define JUMP_US 10000000
#define GAP_US 500000
/* So long must arrivals be watched before their least offset means something. */
#define WATCH_US 1000000

void measure_init(struct measure *m, int64_t now_us)
{
	*m = (struct measure){.began_us = now_us, .facts = {.startup_ms = -1, .latency_ms = -1}};
	for (int i = 0; i < 2; i++)
		m->packets[i].last_us = AV_NOPTS_VALUE;
	m->frames.last_us = AV_NOPTS_VALUE;
	pthread_mutex_init(&m->lock, NULL);
}

void measure_reset(struct measure *m)
{
	pthread_mutex_destroy(&m->lock);
}

void measure_end(struct measure *m, int64_t now_us)
{
	pthread_mutex_lock(&m->lock);
	m->ended_us = now_us;
	pthread_mutex_unlock(&m->lock);
}

void measure_open(struct measure *m, const struct source *s)
{
	pthread_mutex_lock(&m->lock);
	m->facts.live = s->live;
	m->facts.over_webrtc = s->rtc != NULL;
	m->connected_us = s->connected_us;
	pthread_mutex_unlock(&m->lock);
}

void measure_codec(struct measure *m, const AVCodecParameters *par)
{
	const char *name = avcodec_get_name(par->codec_id);

	pthread_mutex_lock(&m->lock);
	if (par->codec_type == AVMEDIA_TYPE_VIDEO) {
		sg_str_copy(m->facts.video, sizeof(m->facts.video), sg_str_from(name));
		m->facts.width = par->width;
		m->facts.height = par->height;
	} else {
		sg_str_copy(m->facts.audio, sizeof(m->facts.audio), sg_str_from(name));
		m->facts.sample_rate = par->sample_rate;
		m->facts.channels = par->ch_layout.nb_channels;
	}
	pthread_mutex_unlock(&m->lock);
}

/* false: the timeline broke here. */
static bool track_step(struct track *t, int64_t ts_us)
{
	int64_t last = t->last_us;

	t->last_us = ts_us;
	if (last == AV_NOPTS_VALUE)
		return true;
	if (ts_us < last || ts_us - last > JUMP_US)
		return false;
	t->span_us += ts_us - last;
	t->steps++;
	return ts_us - last <= GAP_US;
}

static void fold_offsets(struct measure *m)
{
	if (m->have_offset && m->offset_max - m->offset_min > m->worst_us)
		m->worst_us = m->offset_max - m->offset_min;
}

static void note_arrival(struct measure *m, int64_t dts_us, int64_t now_us)
{
	int64_t offset = now_us - dts_us;

	if (!m->have_offset) {
		/* The first one was there when the server had answered, however long it lay here. */
		m->offset_max = (m->reads == 1 ? m->connected_us : now_us) - dts_us;
		m->offset_min = offset;
		m->have_offset = true;
	}
	if (offset < m->offset_min)
		m->offset_min = offset;
	/* What was read before lay here for a time nobody knows: late by our own doing. */
	if (m->settled && offset > m->offset_max)
		m->offset_max = offset;
}

void measure_packet(struct measure *m, enum AVMediaType type, int64_t dts_us, const AVPacket *pkt,
    bool waited, int64_t now_us)
{
	bool video = type == AVMEDIA_TYPE_VIDEO;

	pthread_mutex_lock(&m->lock);
	struct facts *f = &m->facts;
	f->bytes += (uint64_t)pkt->size;
	*(video ? &f->video_packets : &f->audio_packets) += 1;
	if (pkt->flags & AV_PKT_FLAG_CORRUPT)
		f->lost++;
	m->reads++;
	if (!m->settled && waited) {
		m->settled = true;
		m->settled_us = now_us;
	}
	if (dts_us != AV_NOPTS_VALUE) {
		struct track *t = &m->packets[!video];
		int64_t last = t->last_us;
		if (!track_step(t, dts_us)) {
			f->discontinuities++;
			/* Another timeline has offsets of its own. */
			if (dts_us < last || dts_us - last > JUMP_US) {
				fold_offsets(m);
				m->have_offset = false;
			}
		}
		/* One kind is enough; two are never quite together. */
		if (video || !f->video[0])
			note_arrival(m, dts_us, now_us);
	}
	pthread_mutex_unlock(&m->lock);
}

/* webrtc-stats, freezeCount: a picture stands for three times the mean of the last thirty, and for 150 ms more
 * than it. Before there are five the mean means nothing. */
static void keep_rhythm(struct measure *m, int64_t now_us)
{
	struct rhythm *r = &m->rhythm;
	unsigned known = r->count < RHYTHM_FRAMES ? r->count : RHYTHM_FRAMES;
	int64_t step_us = now_us - r->last_us, sum_us = 0;
	bool first = !r->last_us;

	r->last_us = now_us;
	if (first)
		return;
	for (unsigned i = 0; i < known; i++)
		sum_us += r->steps_us[i];
	int64_t mean_us = known ? sum_us / known : 0;
	if (known >= 5 && step_us >= 3 * mean_us && step_us >= mean_us + 150000) {
		m->facts.freezes++;
		m->facts.frozen_s += (double)step_us / 1e6;
	} else {
		r->steps_us[r->count++ % RHYTHM_FRAMES] = step_us;
	}
}

void measure_frame(
    struct measure *m, enum AVMediaType type, int64_t pts_us, const AVFrame *frame, int64_t now_us)
{
	pthread_mutex_lock(&m->lock);
	struct facts *f = &m->facts;
	if (type == AVMEDIA_TYPE_VIDEO) {
		f->decoded++;
		f->width = frame->width;
		f->height = frame->height;
		if (frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT))
			f->lost++;
		if (pts_us != AV_NOPTS_VALUE)
			track_step(&m->frames, pts_us);
		if (f->over_webrtc) /* shown as they come; all else is buffered */
			keep_rhythm(m, now_us);
	} else {
		f->samples++;
		f->sample_rate = frame->sample_rate;
		f->channels = frame->ch_layout.nb_channels;
	}
	/* A stream begins when its picture does, where it has one. */
	if (f->startup_ms < 0 && (type == AVMEDIA_TYPE_VIDEO || !f->video[0]))
		f->startup_ms = (now_us - m->began_us) / 1000;
	pthread_mutex_unlock(&m->lock);
}

void measure_broken(struct measure *m)
{
	pthread_mutex_lock(&m->lock);
	m->facts.lost++;
	pthread_mutex_unlock(&m->lock);
}

void measure_line(struct measure *m, const struct line *line)
{
	pthread_mutex_lock(&m->lock);
	m->facts.line = *line;
	pthread_mutex_unlock(&m->lock);
}

static double tenth(double x)
{
	return (double)(int64_t)(x * 10 + 0.5) / 10;
}

static double max_double(double a, double b)
{
	return a > b ? a : b;
}

void measure_facts(struct measure *m, int64_t now_us, struct facts *out)
{
	pthread_mutex_lock(&m->lock);
	if (m->ended_us)
		now_us = m->ended_us;
	*out = m->facts;
	out->lost += m->facts.line.lost;
	out->seconds = (double)(now_us - m->began_us) / 1e6;
	out->media_s =
	    max_double((double)m->packets[0].span_us, (double)m->packets[1].span_us) / 1e6;
	/* Times of FLV are whole milliseconds: 24.99 is 25. */
	if (m->frames.span_us > 0)
		out->fps = tenth((double)m->frames.steps * 1e6 / (double)m->frames.span_us);
	if (out->media_s > 0)
		out->bit_rate = (double)out->bytes * 8 / out->media_s;
	if (m->connected_us && out->live)
		out->buffered_s =
		    max_double(0, out->media_s - (double)(now_us - m->connected_us) / 1e6);
	fold_offsets(m);
	if (out->live && m->settled && now_us - m->settled_us >= WATCH_US)
		out->latency_ms = m->worst_us / 1000;
	pthread_mutex_unlock(&m->lock);
}
