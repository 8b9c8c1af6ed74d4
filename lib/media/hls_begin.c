/* hls_begin.c - where packaging begins when somebody first asks: some seconds back in what the ring has, which also
 * tells how long segments and parts will be. On the publisher's thread. */
#include "media/hls_internal.h"
#include "base/clock.h"

#define CATCH_UP_US 8000000 /* how far back it begins */
#define CATCH_UP 64         /* frames read at a time */

struct scan {
	uint64_t from;         /* where to begin */
	int64_t keys_90khz;    /* the longest way between two keyframes; 0 = not known */
	int64_t picture_90khz; /* how long a picture lasts; 0 = not known */
};

struct scanning {
	struct scan result;
	bool found, has_sound;
	int64_t since_us, last_key, first_picture, last_picture, usual;
	uint64_t pictures, sound; /* how many; the first sound that is not too old */
};

static void scan_frame(struct scanning *sc, const struct sg_frame *f)
{
	if (f->kind == SG_FRAME_META)
		return;
	bool is_config = f->flags & SG_FRAME_CONFIG;
	int64_t lasts = f->kind == SG_FRAME_VIDEO && sc->pictures ? f->dts_90khz - sc->last_picture : 0;
	if (is_config || hls_is_gap(lasts, sc->usual)) { /* what was before does not go on here */
		*sc = (struct scanning){ .since_us = sc->since_us, .last_key = -1 };
		sc->result.from = f->seq + is_config;
	}
	if (is_config)
		return;
	if (f->kind == SG_FRAME_VIDEO) {
		if (!sc->pictures++)
			sc->first_picture = f->dts_90khz;
		else
			sc->usual = lasts;
		sc->last_picture = f->dts_90khz;
	} else if (!sc->has_sound && f->arrived_us >= sc->since_us) {
		sc->has_sound = true;
		sc->sound = f->seq;
	}
	if (!(f->flags & SG_FRAME_KEY))
		return;
	if (sc->last_key >= 0 && f->dts_90khz - sc->last_key > sc->result.keys_90khz)
		sc->result.keys_90khz = f->dts_90khz - sc->last_key;
	sc->last_key = f->dts_90khz;
	if (!sc->found)
		sc->result.from = f->seq;
	sc->found = f->arrived_us >= sc->since_us; /* else the next one, if there is one */
}

static void read_ring(struct sg_hls *h, uint64_t from,
    void (*each)(void *user, struct sg_frame *f), void *user)
{
	struct sg_frame *frames[CATCH_UP];
	struct sg_ring_read rd = { .frames = frames, .max = CATCH_UP, .next = from };

	do {
		sg_ring_read(h->stream->ring, &rd, false);
		for (size_t i = 0; i < rd.count; i++) {
			each(user, frames[i]);
			sg_frame_unref(frames[i]);
		}
	} while (rd.count);
}

static void scan_each(void *user, struct sg_frame *f)
{
	scan_frame(user, f);
}

static void feed_each(void *user, struct sg_frame *f)
{
	struct sg_hls *h = user;

	if (f->kind != SG_FRAME_META && !(f->flags & SG_FRAME_CONFIG) && f->seq >= h->next_seq)
		hls_feed(h, f);
}

static struct scan scan_ring(struct sg_hls *h)
{
	struct scanning sc = { .last_key = -1, .since_us = sg_mono_us() - CATCH_UP_US };

	uint64_t tail = sg_ring_tail(h->stream->ring);

	read_ring(h, tail > h->next_seq ? tail : h->next_seq, scan_each, &sc);
	if (!sc.pictures && sc.has_sound)
		sc.result.from = sc.sound;
	if (sc.pictures > 8)
		sc.result.picture_90khz =
		    (sc.last_picture - sc.first_picture) / (int64_t)(sc.pictures - 1);
	return sc.result;
}

/* How long parts are to be: whole pictures, near what is asked for. A part may be no shorter than
 * 85 % of the part target (4.4.4.9), and RTMP's times are off by a millisecond. */
static int64_t part_target_us(int64_t part_ms, int64_t picture_90khz)
{
	int64_t asked = part_ms * TICKS_PER_MS, length = asked;

	if (picture_90khz > 0) {
		int64_t pictures = (asked + TICKS_PER_MS) / picture_90khz;
		if (pictures < 1 || pictures * picture_90khz * 100 < asked * 85)
			pictures++;
		if (pictures * picture_90khz > asked)
			length = pictures * picture_90khz;
	}
	return (length + TICKS_PER_MS) * 1000 / TICKS_PER_MS;
}

static void choose_targets(struct sg_hls *h, const struct scan *scan)
{
	int64_t length = scan->keys_90khz ? scan->keys_90khz : HLS_USUAL_TARGET_S * 90000;

	while (length < HLS_SEGMENT_TICKS - HLS_TOLERANCE_TICKS)
		length += scan->keys_90khz;
	pthread_mutex_lock(&h->lock);
	int64_t target_s = (length + 45000) / 90000;
	/* It is not to change (4.4.3.1): one that comes back and is not known yet has what it had. */
	if (target_s > h->target_s && (scan->keys_90khz || !h->target_s))
		h->target_s = target_s;
	int64_t part_us = part_target_us(h->part_ms, scan->picture_90khz);
	if (h->part_ms && part_us > h->part_us)
		h->part_us = part_us;
	pthread_mutex_unlock(&h->lock);
}

void hls_catch_up(struct sg_hls *h)
{
	struct scan scan = scan_ring(h);

	h->tried_dts = h->stream->last_dts;
	choose_targets(h, &scan);
	read_ring(h, scan.from, feed_each, h);
}
