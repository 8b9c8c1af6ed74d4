/* hls.c - cutting a stream into segments and parts, on the publisher's thread.
 *
 * The main rendition goes by the pictures and takes the sound that has come meanwhile; the audio
 * rendition is cut on its own. A segment begins at a keyframe (without video: anywhere) and lasts at least HLS_SEGMENT_TICKS; the
 * audio's segments end where the video's do. A part is published when the next frame would make it
 * longer than the part target; each frame waits for the next of its track, which tells how long it
 * lasts. */
#include "media/hls_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

#define AUDIO_SEGMENT_TICKS 180000
#define SEGMENT_MAX_TICKS (30 * 90000) /* a source without keyframes */
#define SEGMENT_MAX_BYTES (16u << 20)
/* How long the first frames wait for the other track to show itself. */
#define OTHER_TRACK_TICKS 63000
/* How long pictures that are announced are waited for where there is sound. */
#define PICTURES_WAIT_MS 3500
#define WANTED_MS 60000
#define TRY_TICKS 9000      /* how often it tries to begin */
#define WALL_STEP_MS 1      /* how fast EXT-X-PROGRAM-DATE-TIME follows the clock on the wall */

const char *const hls_track_names[HLS_TRACKS] = { "main", "video", "audio" };

struct sg_hls *sg_hls_new(struct sg_stream *s, int64_t part_ms)
{
	struct sg_hls *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->stream = s;
	h->part_ms = part_ms;
	h->first_dts = h->cut_at = -1;
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->waiters_lock, NULL);
	return h;
}

/* ---- runs ---- */

struct hls_run *hls_run_ref(struct hls_run *run)
{
	run->refs++;
	return run;
}

void hls_run_unref(struct hls_run *run)
{
	if (!run || --run->refs)
		return;
	for (int i = 0; i < HLS_TRACKS; i++)
		sg_blob_unref(run->init[i]);
	free(run);
}

/* Which of the stream's codecs go into CMAF here. */
static enum sg_codec carried(enum sg_codec c)
{
	return c == SG_CODEC_VP8 || c == SG_CODEC_VP9 ? SG_CODEC_NONE : c;
}

static bool add_track(struct hls_run *run, int track, const struct lead *lead, enum sg_codec video,
    const struct sg_video_params *vp, enum sg_codec audio, const struct sg_audio_params *ap)
{
	run->scale[track] = sg_cmaf_scale(video ? SG_FRAME_VIDEO : SG_FRAME_AUDIO, ap);
	run->init[track] = sg_cmaf_init(lead, video, vp, audio, ap);
	if ((!video || *vp->rfc6381) && (!audio || *ap->rfc6381))
		snprintf(run->codecs[track], sizeof(run->codecs[track]), "%s%s%s",
		    video ? vp->rfc6381 : "", video && audio ? "," : "", audio ? ap->rfc6381 : "");
	return run->init[track];
}

/* What is in force now. NULL: it does not go into CMAF. */
static struct hls_run *make_run(struct sg_stream *s)
{
	struct hls_run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->refs = 1;
	pthread_mutex_lock(&s->lock);
	struct lead lead = lead_ref(&s->now);
	struct sg_video_params vp = s->video;
	struct sg_audio_params ap = s->audio;
	enum sg_codec video = carried(s->info.video), audio = carried(s->info.audio);
	run->fps = s->info.fps;
	run->video = video;
	run->audio = audio;
	pthread_mutex_unlock(&s->lock);
	if (video) {
		run->width = vp.width;
		run->height = vp.height;
	}
	if (audio) {
		run->sample_rate = ap.sample_rate;
		run->channels = ap.channels;
	}
	bool ok = (video || audio) &&
		  (!video || add_track(run, HLS_MAIN, &lead, video, &vp, audio, &ap)) &&
		  (!video || !audio || add_track(run, HLS_VIDEO, &lead, video, &vp, SG_CODEC_NONE, &ap)) &&
		  (!audio || add_track(run, HLS_AUDIO, &lead, SG_CODEC_NONE, &vp, audio, &ap));
	lead_drop(&lead);
	if (ok)
		return run;
	hls_run_unref(run);
	return NULL;
}

/* ---- what is kept; locked ---- */

static void forget_playlists(struct sg_hls *h)
{
	for (int i = 0; i < HLS_TRACKS; i++)
		for (int form = 0; form < HLS_FORMS; form++) {
			sg_blob_unref(h->tracks[i].playlists[form]);
			h->tracks[i].playlists[form] = NULL;
		}
}

static void drop_part(struct hls_part *p)
{
	sg_blob_unref(p->blobs[0]);
	sg_blob_unref(p->blobs[1]);
}

static void drop_oldest(struct sg_hls *h, struct hls_track *t)
{
	struct hls_segment *seg = &t->segments[0];

	for (size_t i = 0; i < seg->part_count; i++)
		drop_part(&seg->parts[i]);
	free(seg->parts);
	h->bytes -= seg->own;
	seg->run->is_cut = true;
	hls_run_unref(seg->run);
	memmove(seg, seg + 1, --t->count * sizeof(*seg));
}

static void drop_all(struct sg_hls *h)
{
	for (int i = 0; i < HLS_TRACKS; i++)
		while (h->tracks[i].count)
			drop_oldest(h, &h->tracks[i]);
	forget_playlists(h);
}

static struct hls_segment *begin_segment(struct sg_hls *h, struct hls_track *t, int64_t start)
{
	int64_t at_90khz = start * 90000 / t->scale;

	while (t->count > HLS_KEPT || (h->bytes > HLS_KEPT_BYTES && t->count > HLS_LEAST))
		drop_oldest(h, t);
	struct hls_segment *seg = &t->segments[t->count++];
	*seg = (struct hls_segment){ .number = t->next_number++, .first_part = t->next_part,
		.start = start, .discontinuity = h->discontinuity, .run = hls_run_ref(h->run),
		.wall_ms = h->anchor_wall_ms + (at_90khz - h->anchor_90khz) / TICKS_PER_MS };
	return seg;
}

static bool append(struct hls_segment *seg, const struct hls_part *part)
{
	if (seg->part_count == seg->part_cap) {
		size_t cap = seg->part_cap ? seg->part_cap * 2 : 16;
		struct hls_part *grown = realloc(seg->parts, cap * sizeof(*grown));
		if (!grown)
			return false;
		seg->parts = grown;
		seg->part_cap = cap;
	}
	seg->parts[seg->part_count++] = *part;
	return true;
}

/* Takes the part's references. */
static void add_part(struct sg_hls *h, struct hls_track *t, int64_t start, struct hls_part *part)
{
	struct hls_segment *seg = hls_last(t);
	int64_t part_us = part->ticks * 1000000 / t->scale;

	if (!part->blobs[0]) { /* no memory */
		drop_part(part);
		return;
	}
	if (!seg || seg->whole)
		seg = begin_segment(h, t, start);
	if (!append(seg, part)) {
		drop_part(part);
		return;
	}
	seg->ticks += part->ticks;
	seg->bytes += hls_part_size(part);
	seg->own += part->own;
	h->bytes += part->own;
	t->next_part++;
	if (h->part_us && part_us > h->part_us) /* a source whose pictures come more rarely */
		h->part_us = part_us;
}

/* ---- cutting; the publisher's thread ---- */

static void drop_samples(struct sg_cmaf_sample *samples, size_t *count)
{
	while (*count)
		sg_frame_unref(samples[--*count].frame);
}

static void drop_first_sounds(struct hls_track *t, size_t count)
{
	if (!count) /* there may be no array yet */
		return;
	for (size_t i = 0; i < count; i++) {
		t->sound_start += t->sounds[i].duration;
		t->sound_bytes -= t->sounds[i].frame->size;
		sg_frame_unref(t->sounds[i].frame);
	}
	t->sound_count -= count;
	memmove(t->sounds, t->sounds + count, t->sound_count * sizeof(*t->sounds));
}

/* How many of the sounds begin before `end`: those that are ahead of the pictures go with the ones they belong to. */
static size_t sounds_before(const struct sg_hls *h, const struct hls_track *t, int64_t end)
{
	int64_t at = t->sound_start, until = end * h->tracks[HLS_AUDIO].scale / t->scale;
	size_t n = 0;

	while (n < t->sound_count && at < until)
		at += t->sounds[n++].duration;
	return n;
}

/* The parts that are made of what has been gathered: [0] the track's own, [1] the video rendition's. */
static void make_parts(struct sg_hls *h, struct hls_track *t, int64_t end, struct hls_part parts[2])
{
	struct sg_cmaf_track own = { 1, (uint64_t)t->part_start, t->samples, t->sample_count };
	bool is_main = t == &h->tracks[HLS_MAIN];
	size_t sounds = is_main ? sounds_before(h, t, end) : 0;
	struct sg_cmaf_track sound = { 2, (uint64_t)t->sound_start, t->sounds, sounds };

	parts[0] = (struct hls_part){ .ticks = end - t->part_start, .is_independent = !is_main };
	for (size_t i = 0; i < t->sample_count; i++)
		parts[0].is_independent |= (t->samples[i].frame->flags & SG_FRAME_KEY) != 0;
	parts[1] = parts[0];
	t->sequence++;
	if (!is_main) {
		parts[0].blobs[0] = sg_cmaf_fragment(t->sequence, &own, NULL);
	} else if ((parts[0].blobs[1] = sg_cmaf_payload(t->samples, t->sample_count))) {
		parts[0].blobs[0] = sg_cmaf_fragment(t->sequence, &sound, &own);
		if (h->tracks[HLS_VIDEO].present)
			parts[1].blobs[0] = sg_cmaf_fragment(t->sequence, NULL, &own);
		if (parts[1].blobs[0])
			parts[1].blobs[1] = sg_blob_ref(parts[0].blobs[1]);
	}
	if (parts[0].blobs[0])
		parts[0].own = hls_part_size(&parts[0]);
	if (parts[1].blobs[0])
		parts[1].own = parts[1].blobs[0]->size;
	drop_samples(t->samples, &t->sample_count);
	drop_first_sounds(t, sounds);
}

/* Publishes what has been gathered as a part that ends at `end`. */
static void close_part(struct sg_hls *h, struct hls_track *t, int64_t end)
{
	struct hls_part parts[2];

	if (!t->sample_count)
		return;
	make_parts(h, t, end, parts);
	pthread_mutex_lock(&h->lock);
	add_part(h, t, t->part_start, &parts[0]);
	if (parts[1].blobs[0])
		add_part(h, &h->tracks[HLS_VIDEO], t->part_start, &parts[1]);
	forget_playlists(h);
	pthread_mutex_unlock(&h->lock);
	h->changed = true;
}

/* Locked. */
static void finish_segment(struct sg_hls *h, struct hls_track *t)
{
	struct hls_segment *seg = hls_last(t);

	if (!seg || seg->whole || seg->ticks <= 0)
		return;
	seg->whole = true;
	int64_t seconds = (seg->ticks + t->scale / 2) / t->scale;
	uint64_t bits = (uint64_t)seg->bytes * 8 * (uint64_t)t->scale / (uint64_t)seg->ticks;
	if (seconds > h->target_s)
		h->target_s = seconds;
	if (bits > seg->run->peak_bits[t - h->tracks])
		seg->run->peak_bits[t - h->tracks] = bits;
	h->changed = true;
}

static void close_segment(struct sg_hls *h, struct hls_track *t, int64_t end)
{
	close_part(h, t, end);
	t->in_segment = false;
	t->segment_bytes = 0;
	pthread_mutex_lock(&h->lock);
	finish_segment(h, t);
	if (t == &h->tracks[HLS_MAIN])
		finish_segment(h, &h->tracks[HLS_VIDEO]);
	forget_playlists(h);
	pthread_mutex_unlock(&h->lock);
}

/* Takes the reference unless it answers false. */
static bool gather(struct sg_cmaf_sample **samples, size_t *count, size_t *cap, struct sg_frame *f,
    int64_t duration)
{
	if (*count == *cap) {
		size_t more = *cap ? *cap * 2 : 32;
		struct sg_cmaf_sample *grown = realloc(*samples, more * sizeof(*grown));
		if (!grown)
			return false;
		*samples = grown;
		*cap = more;
	}
	(*samples)[(*count)++] = (struct sg_cmaf_sample){ f, (uint32_t)duration };
	return true;
}

/* The same sound beside the pictures. */
static void gather_sound(struct sg_hls *h, struct sg_frame *f, int64_t at, int64_t duration)
{
	struct hls_track *t = &h->tracks[HLS_MAIN];

	if (!t->present || t->sound_bytes > SEGMENT_MAX_BYTES)
		return;
	if (!t->sound_count)
		t->sound_start = at;
	if (gather(&t->sounds, &t->sound_count, &t->sound_cap, f, duration)) {
		sg_frame_ref(f);
		t->sound_bytes += f->size;
		t->segment_bytes += f->size;
	}
}

static int64_t part_limit(const struct sg_hls *h, const struct hls_track *t)
{
	return h->part_ms ? h->part_us * t->scale / 1000000 : INT64_MAX / 2;
}

/* The frame that is held lasts until `at`. */
static void settle(struct sg_hls *h, struct hls_track *t, int64_t at)
{
	struct sg_frame *f = t->held;
	int64_t duration = at > t->held_at ? at - t->held_at : 1;

	if (!f)
		return;
	t->held = NULL;
	if (t->sample_count && at - t->part_start > part_limit(h, t))
		close_part(h, t, t->held_at);
	if (!t->sample_count)
		t->part_start = t->held_at;
	if (!t->in_segment)
		t->segment_start = t->held_at;
	t->in_segment = true;
	t->usual = duration;
	if (f->kind == SG_FRAME_AUDIO)
		gather_sound(h, f, t->held_at, duration);
	size_t size = f->size;
	if (!gather(&t->samples, &t->sample_count, &t->sample_cap, f, duration)) {
		sg_frame_unref(f);
		return;
	}
	t->segment_bytes += size;
	if (at - t->part_start + duration > part_limit(h, t))
		close_part(h, t, at);
}

/* ---- where frames lie ---- */

/* False: nowhere, it is left out. */
static bool place(struct sg_hls *h, struct hls_track *t, const struct sg_frame *f, int64_t *at)
{
	struct sg_stream *s = h->stream;

	*at = f->dts_90khz;
	if (f->kind == SG_FRAME_VIDEO)
		return true;
	pthread_mutex_lock(&s->lock);
	int samples = f->codec == SG_CODEC_AAC ? s->audio.frame_samples : 0;
	pthread_mutex_unlock(&s->lock);
	return sg_sound_place(&t->counted, t->scale, samples, f->dts_90khz * t->scale / 90000, at);
}

static int64_t arrived_wall_ms(const struct sg_frame *f)
{
	return sg_wall_ms() - (sg_mono_us() - f->arrived_us) / 1000;
}

/* The dates of segments follow their durations, and slowly the clock on the wall. */
static void follow_wall(struct sg_hls *h, const struct sg_frame *f)
{
	int64_t due_ms = h->anchor_wall_ms + (f->dts_90khz - h->anchor_90khz) / TICKS_PER_MS;
	int64_t off_ms = arrived_wall_ms(f) - due_ms;

	h->anchor_wall_ms += off_ms > WALL_STEP_MS    ? WALL_STEP_MS
			     : off_ms < -WALL_STEP_MS ? -WALL_STEP_MS
						      : off_ms;
}

/* ---- beginning ---- */

/* Both tracks must be known before the initialization segment is made; one that does not come is
 * not waited for. */
static bool may_begin(struct sg_hls *h, const struct sg_frame *f)
{
	struct sg_stream *s = h->stream;

	pthread_mutex_lock(&s->lock);
	bool has_video = carried(s->info.video), has_audio = carried(s->info.audio);
	pthread_mutex_unlock(&s->lock);
	if (has_video && !(f->flags & SG_FRAME_KEY))
		return false;
	if (!has_video && sg_mono_ms() < h->pictures_by_ms)
		return false;
	return (has_video && has_audio) || s->last_dts - h->first_dts >= OTHER_TRACK_TICKS;
}

/* Locked. Where DASH's period begins that starts at `start`: where the former's media end, whatever lay between. One
 * that lacks a track is no period. */
static int64_t period_begin_ms(struct sg_hls *h, int64_t start)
{
	const struct hls_run *former = h->run;
	bool is_first = true;
	int64_t end = INT64_MAX;

	for (int i = 0; i < HLS_TRACKS; i++)
		is_first = is_first && !h->tracks[i].count;
	if (is_first)
		return start / TICKS_PER_MS;
	for (int i = 0; i < HLS_TRACKS; i++) {
		const struct hls_segment *last = hls_last(&h->tracks[i]);
		if (!former->init[i])
			continue;
		if (!last || last->run != former)
			return former->period_ms;
		int64_t at = (last->start + last->ticks) * 90000 / former->scale[i];
		end = at < end ? at : end;
	}
	return former->period_ms + (end - former->start_90khz) / TICKS_PER_MS;
}

static bool open_run(struct sg_hls *h, const struct sg_frame *f)
{
	struct hls_run *run = make_run(h->stream);

	if (!run) {
		sg_log_limited(SG_LOG_WARNING,
		    "stream %s cannot be had as HLS: its codecs do not go into it", h->stream->key);
		h->refused = true;
		return false;
	}
	run->start_90khz = h->anchor_90khz = f->dts_90khz;
	h->anchor_wall_ms = arrived_wall_ms(f);
	pthread_mutex_lock(&h->lock);
	h->discontinuity += h->broken;
	h->broken = false;
	run->number = h->run ? h->run->number + 1 : 0;
	run->period_ms = period_begin_ms(h, f->dts_90khz);
	for (int i = 0; i < HLS_TRACKS; i++) {
		h->tracks[i].present = run->init[i];
		h->tracks[i].scale = run->scale[i];
		h->tracks[i].counted = (struct sg_sound_time){ .next = -1 };
	}
	hls_run_unref(h->run);
	h->run = run;
	h->open = true;
	if (!h->zero_wall_ms)
		h->zero_wall_ms = h->anchor_wall_ms - f->dts_90khz / TICKS_PER_MS;
	if (h->target_s < HLS_USUAL_TARGET_S && !run->init[HLS_MAIN])
		h->target_s = HLS_USUAL_TARGET_S;
	pthread_mutex_unlock(&h->lock);
	return true;
}

static bool is_time_to_cut(struct sg_hls *h, struct hls_track *t, const struct sg_frame *f, int64_t at)
{
	int64_t length = (at - t->segment_start) * 90000 / t->scale;

	if (!t->in_segment)
		return false;
	if (length >= SEGMENT_MAX_TICKS || t->segment_bytes >= SEGMENT_MAX_BYTES)
		return true;
	if (f->kind == SG_FRAME_VIDEO)
		return (f->flags & SG_FRAME_KEY) && length >= HLS_SEGMENT_TICKS - HLS_TOLERANCE_TICKS;
	if (!h->tracks[HLS_MAIN].present)
		return length >= AUDIO_SEGMENT_TICKS;
	/* Where the video's ended; or else before it would be rounded over the target. */
	int64_t longer = length + t->usual * 90000 / t->scale;
	return (h->cut_at >= 0 && f->dts_90khz >= h->cut_at) || longer > h->target_s * 90000 + 44000;
}

static void cut(struct sg_hls *h, struct hls_track *t, const struct sg_frame *f, int64_t at)
{
	close_segment(h, t, at);
	if (f->kind == SG_FRAME_VIDEO) {
		h->cut_at = f->dts_90khz;
		follow_wall(h, f);
	} else if (h->cut_at >= 0 && f->dts_90khz >= h->cut_at) {
		h->cut_at = -1;
	}
}

/* Neither a segment nor a part is to last as long as that: players' buffers and targets would. */
static bool is_behind_gap(const struct hls_track *t, const struct sg_frame *f)
{
	int64_t at = f->dts_90khz * t->scale / 90000;

	return t->held && hls_is_gap((at - t->held_at) * 90000 / t->scale, t->usual * 90000 / t->scale);
}

void hls_feed(struct sg_hls *h, struct sg_frame *f)
{
	struct hls_track *t = &h->tracks[f->kind == SG_FRAME_AUDIO ? HLS_AUDIO : HLS_MAIN];
	struct hls_track *video = &h->tracks[HLS_MAIN];

	if (h->refused || (!h->open && (!may_begin(h, f) || !open_run(h, f))))
		return;
	/* Of a codec that does not go in, or the former one's, or from before the beginning. */
	if (!t->present || f->codec != (t == video ? h->run->video : h->run->audio) || f->dts_90khz < h->run->start_90khz)
		return;
	bool no_picture = t != video && video->present && video->held &&
			  f->dts_90khz - video->held_at > SEGMENT_MAX_TICKS;
	if (no_picture || is_behind_gap(t, f)) {
		sg_hls_break(h);
		return;
	}
	h->next_seq = f->seq + 1;
	int64_t at;
	if (!place(h, t, f, &at))
		return;
	settle(h, t, at);
	if (is_time_to_cut(h, t, f, at))
		cut(h, t, f, at);
	t->held = sg_frame_ref(f);
	t->held_at = at;
}

static void tell(struct sg_hls *h)
{
	if (h->changed)
		hls_wake(h);
	h->changed = false;
}

/* ---- going on ---- */

/* Nobody has asked for a while. */
static void rest(struct sg_hls *h)
{
	long long since = atomic_load(&h->wanted_ms);

	if (!atomic_compare_exchange_strong(&h->wanted_ms, &since, 0))
		return; /* somebody asks right now */
	sg_hls_break(h);
	h->going = false;
	pthread_mutex_lock(&h->lock);
	drop_all(h);
	pthread_mutex_unlock(&h->lock);
	h->changed = false;
}

void sg_hls_write(struct sg_hls *h, struct sg_frame *f)
{
	int64_t wanted_ms = atomic_load_explicit(&h->wanted_ms, memory_order_relaxed);

	if (h->first_dts < 0)
		h->first_dts = f->dts_90khz;
	if (!wanted_ms)
		return;
	if (sg_mono_ms() - wanted_ms > WANTED_MS) {
		rest(h);
		return;
	}
	if (h->open)
		hls_feed(h, f);
	else if (!h->refused && (!h->going || (f->flags & SG_FRAME_KEY) ||
				    f->dts_90khz - h->tried_dts >= TRY_TICKS))
		hls_catch_up(h);
	h->going = true;
	tell(h);
}

bool sg_hls_is_wanted(const struct sg_hls *h)
{
	return atomic_load_explicit(&h->wanted_ms, memory_order_relaxed) != 0;
}

/* ---- ending ---- */

void sg_hls_expect_pictures(struct sg_hls *h)
{
	pthread_mutex_lock(&h->lock);
	h->pictures_by_ms = sg_mono_ms() + PICTURES_WAIT_MS;
	pthread_mutex_unlock(&h->lock);
}

/* Their configuration is here, and they are not in what there is. */
static void expect_known_pictures(struct sg_hls *h)
{
	struct sg_stream *s = h->stream;

	pthread_mutex_lock(&s->lock);
	bool has_video = carried(s->info.video);
	pthread_mutex_unlock(&s->lock);
	if (has_video && h->run && !h->run->init[HLS_MAIN])
		sg_hls_expect_pictures(h);
}

void sg_hls_break(struct sg_hls *h)
{
	h->refused = false;
	h->first_dts = h->cut_at = -1;
	expect_known_pictures(h);
	if (!h->open)
		return;
	for (int i = HLS_TRACKS - 1; i >= 0; i--) { /* the sound first: the main rendition takes it */
		struct hls_track *t = &h->tracks[i];
		int64_t end = t->held_at + (t->usual ? t->usual : t->scale / 30);
		if (!t->present || i == HLS_VIDEO)
			continue;
		settle(h, t, end);
		close_segment(h, t, end);
		t->usual = 0;
	}
	/* Nor does sound go on without pictures: players would go back from where it ends. */
	drop_first_sounds(&h->tracks[HLS_MAIN], h->tracks[HLS_MAIN].sound_count);
	pthread_mutex_lock(&h->lock);
	h->open = false;
	for (int i = 0; i < HLS_TRACKS; i++)
		h->tracks[i].next_part++; /* the one that was hinted at does not come */
	forget_playlists(h);
	pthread_mutex_unlock(&h->lock);
	h->broken = h->changed = true;
	tell(h);
}

void sg_hls_end(struct sg_hls *h)
{
	pthread_mutex_lock(&h->lock);
	h->ended = true;
	forget_playlists(h);
	pthread_mutex_unlock(&h->lock);
	hls_wake(h);
}

void sg_hls_free(struct sg_hls *h)
{
	if (!h)
		return;
	for (int i = 0; i < HLS_TRACKS; i++) {
		drop_samples(h->tracks[i].samples, &h->tracks[i].sample_count);
		drop_samples(h->tracks[i].sounds, &h->tracks[i].sound_count);
		free(h->tracks[i].samples);
		free(h->tracks[i].sounds);
		sg_frame_unref(h->tracks[i].held);
	}
	drop_all(h);
	hls_run_unref(h->run);
	pthread_mutex_destroy(&h->lock);
	pthread_mutex_destroy(&h->waiters_lock);
	free(h);
}

size_t sg_hls_bytes(struct sg_hls *h)
{
	pthread_mutex_lock(&h->lock);
	size_t n = h->bytes;
	pthread_mutex_unlock(&h->lock);
	return n;
}
