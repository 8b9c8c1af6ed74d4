/* publish.c - what a publisher writes, up to the ring and the packagers. */
#include "media/flvtag.h"
#include "media/stream_internal.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdlib.h>

#define WINDOW_US 2000000

/* ---- configurations ---- */

static struct sg_frame **config_slot(struct lead *l, const struct sg_frame *f)
{
	return f->kind == SG_FRAME_META    ? &l->meta
	       : f->kind == SG_FRAME_VIDEO ? &l->video
					   : &l->audio;
}

static bool is_same(const struct sg_frame *a, const struct sg_frame *b)
{
	return a && a->codec == b->codec && a->size == b->size &&
	       memcmp(a->payload, b->payload, a->size) == 0;
}

/* Checks and keeps a configuration; *changed = it differs from the one in force. */
static enum sg_result keep_config(struct sg_publisher *pub, struct sg_frame *f, bool *changed)
{
	struct sg_stream *s = pub->stream;
	struct sg_video_params video;
	struct sg_audio_params audio;
	enum sg_result res = SG_OK;

	if (f->kind == SG_FRAME_VIDEO) {
		res = sg_video_params_parse(f->codec, f->payload, f->size, NULL, &video);
		pub->video_probed = false;
	} else if (f->kind == SG_FRAME_AUDIO) {
		res = sg_audio_params_parse(f->codec, f->payload, f->size, &audio);
	}
	if (res != SG_OK)
		return res;
	pthread_mutex_lock(&s->lock);
	struct sg_frame **slot = config_slot(&s->now, f);
	*changed = !is_same(*slot, f);
	if (*changed) {
		sg_frame_unref(*slot);
		*slot = sg_frame_ref(f);
		if (f->kind == SG_FRAME_VIDEO) {
			s->video = video;
			s->info.video = f->codec;
		} else if (f->kind == SG_FRAME_AUDIO) {
			s->audio = audio;
			s->info.audio = f->codec;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return SG_OK;
}

static void break_packagers(struct sg_stream *s)
{
	if (s->hls)
		sg_hls_break(s->hls);
	sg_tspack_break(s->ts);
}

/* Codecs without a configuration record: the first frame tells. */
static void learn_codec(struct sg_publisher *pub, const struct sg_frame *f)
{
	struct sg_stream *s = pub->stream;
	struct sg_audio_params audio = { 0 };

	pthread_mutex_lock(&s->lock);
	enum sg_codec *codec = f->kind == SG_FRAME_VIDEO ? &s->info.video : &s->info.audio;
	bool changed = *codec != f->codec;
	if (changed) {
		struct sg_frame **former = config_slot(&s->now, f);
		sg_frame_unref(*former); /* another codec's */
		*former = NULL;
		*codec = f->codec;
		if (f->kind == SG_FRAME_AUDIO &&
		    sg_audio_params_parse(f->codec, f->payload, f->size, &audio) == SG_OK)
			s->audio = audio;
	}
	pthread_mutex_unlock(&s->lock);
	if (changed)
		break_packagers(s);
}

static void probe_video(struct sg_publisher *pub, const struct sg_frame *key)
{
	struct sg_stream *s = pub->stream;
	struct lead lead = sg_stream_lead(s);
	struct sg_video_params params;
	const struct sg_frame *c = lead.video;

	if (sg_video_params_parse(key->codec, c ? c->payload : NULL, c ? c->size : 0, key, &params) ==
	    SG_OK) {
		pthread_mutex_lock(&s->lock);
		s->video = params;
		pthread_mutex_unlock(&s->lock);
	}
	lead_drop(&lead);
	pub->video_probed = true;
}

/* ---- writing ---- */

void sg_publisher_init(struct sg_publisher *pub, struct sg_stream *s)
{
	*pub = (struct sg_publisher){ .stream = s };
	sg_timeline_begin(pub);
}

static bool needs_config(const struct sg_frame *f)
{
	return f->codec == SG_CODEC_H264 || f->codec == SG_CODEC_HEVC || f->codec == SG_CODEC_AV1 ||
	       f->codec == SG_CODEC_AAC || f->codec == SG_CODEC_OPUS;
}

static bool has_config(struct sg_stream *s, const struct sg_frame *f)
{
	if (!needs_config(f))
		return true;
	pthread_mutex_lock(&s->lock);
	const struct sg_frame *c = *config_slot(&s->now, f);
	bool ok = c && c->codec == f->codec;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static void count(struct sg_publisher *pub, const struct sg_frame *f)
{
	struct sg_stream_info *info = &pub->stream->info;
	int64_t now_us = f->arrived_us;

	pthread_mutex_lock(&pub->stream->lock);
	info->bytes_in += f->size;
	info->frames_in++;
	if (f->pts_90khz != f->dts_90khz)
		info->has_b_frames = true;
	if (!pub->window_us) {
		pub->window_us = now_us;
	} else if (now_us - pub->window_us >= WINDOW_US) {
		double seconds = (double)(now_us - pub->window_us) / 1e6;
		info->video_bit_rate = (uint64_t)((double)pub->window_bytes[0] * 8 / seconds);
		info->audio_bit_rate = (uint64_t)((double)pub->window_bytes[1] * 8 / seconds);
		info->bit_rate = info->video_bit_rate + info->audio_bit_rate;
		info->fps = (double)pub->window_pictures / seconds;
		pub->window_us = now_us;
		pub->window_bytes[0] = pub->window_bytes[1] = pub->window_pictures = 0;
	}
	pub->window_bytes[f->kind != SG_FRAME_VIDEO] += f->size;
	pub->window_pictures += f->kind == SG_FRAME_VIDEO;
	pthread_mutex_unlock(&pub->stream->lock);
}

static enum sg_result drop(struct sg_publisher *pub, struct sg_frame *f)
{
	pthread_mutex_lock(&pub->stream->lock);
	pub->stream->info.frames_dropped++;
	pthread_mutex_unlock(&pub->stream->lock);
	sg_frame_unref(f);
	return SG_OK;
}

static enum sg_result write_config(struct sg_publisher *pub, struct sg_frame *f)
{
	struct sg_stream *s = pub->stream;
	bool changed = false, first = s->last_dts < 0;

	f->dts_90khz = f->pts_90khz = first ? 0 : s->last_dts;
	sg_frame_seal(f);
	if (f->kind == SG_FRAME_META && sg_flv_meta_has_pictures(f->payload, f->size))
		sg_publisher_expect_pictures(pub);
	enum sg_result res = keep_config(pub, f, &changed);
	if (res != SG_OK || !changed) {
		sg_frame_unref(f);
		return res;
	}
	if (f->kind == SG_FRAME_VIDEO)
		pub->seen_key = false; /* the next picture must stand on its own */
	if (f->kind != SG_FRAME_META)
		break_packagers(s);
	sg_ring_write(s->ring, f);
	return SG_OK;
}

/* The configurations in force at this keyframe are what joins it. */
static void note_key(struct sg_stream *s, uint64_t seq)
{
	pthread_mutex_lock(&s->lock);
	lead_drop(&s->at_key);
	s->at_key = lead_ref(&s->now);
	s->key_seq = seq;
	pthread_mutex_unlock(&s->lock);
}

/* Takes the reference. */
static void hand_on(struct sg_stream *s, struct sg_frame *f)
{
	sg_ring_write(s->ring, sg_frame_ref(f));
	if (f->flags & SG_FRAME_KEY)
		note_key(s, f->seq);
	atomic_store_explicit(&s->has_media, true, memory_order_release);
	if (s->hls)
		sg_hls_write(s->hls, f);
	sg_tspack_write(s->ts, f);
	sg_frame_unref(f);
}

static void hand_on_silence(struct sg_publisher *pub, const struct sg_frame *picture)
{
	struct sg_frame *f;

	while ((f = sg_timeline_silence(pub, picture))) {
		sg_frame_seal(f);
		hand_on(pub->stream, f);
	}
}

enum sg_result sg_publisher_write(struct sg_publisher *pub, struct sg_frame *f)
{
	struct sg_stream *s = pub->stream;

	f->arrived_us = sg_mono_us();
	if (f->kind == SG_FRAME_META || (f->flags & SG_FRAME_CONFIG))
		return write_config(pub, f);
	if (!has_config(s, f))
		return drop(pub, f);
	if (f->kind == SG_FRAME_VIDEO) {
		if (!pub->seen_key && !(f->flags & SG_FRAME_KEY))
			return drop(pub, f); /* nobody could decode it */
		pub->seen_key = true;
	}
	if (!needs_config(f))
		learn_codec(pub, f);
	if (!sg_timeline_place(pub, f))
		return drop(pub, f);
	if (f->kind == SG_FRAME_VIDEO)
		hand_on_silence(pub, f);
	sg_frame_seal(f);
	if ((f->flags & SG_FRAME_KEY) && !pub->video_probed)
		probe_video(pub, f);
	count(pub, f);
	hand_on(s, f);
	return SG_OK;
}

void sg_publisher_hold(struct sg_publisher *pub)
{
	sg_ring_hold(pub->stream->ring);
	sg_ring_hold(sg_tspack_ring(pub->stream->ts));
}

void sg_publisher_release(struct sg_publisher *pub)
{
	sg_ring_release(pub->stream->ring);
	sg_ring_release(sg_tspack_ring(pub->stream->ts));
}

int64_t sg_publisher_due_us(struct sg_publisher *pub)
{
	struct sg_stream *s = pub->stream;
	int64_t due_us = sg_ring_due_us(s->ring), ts_us = sg_ring_due_us(sg_tspack_ring(s->ts));

	if ((s->hls && sg_hls_is_wanted(s->hls)) || !sg_stream_is_live(s))
		return 0;
	return ts_us < due_us ? ts_us : due_us;
}

void sg_publisher_expect_pictures(struct sg_publisher *pub)
{
	bool is_first = !pub->expects_pictures;

	pub->expects_pictures = true;
	if (is_first && pub->stream->hls)
		sg_hls_expect_pictures(pub->stream->hls);
}

void sg_publisher_end_media(struct sg_publisher *pub)
{
	break_packagers(pub->stream);
}

/* ---- FLV tags ---- */

static struct sg_frame *copy_frame(
    struct sg_publisher *pub, enum sg_frame_kind kind, const struct sg_flv_tag *tag)
{
	size_t size = tag->data.left;
	bool has_nals = kind == SG_FRAME_VIDEO && !(tag->flags & SG_FRAME_CONFIG) &&
			(tag->codec == SG_CODEC_H264 || tag->codec == SG_CODEC_HEVC);

	if (has_nals &&
	    (!pub->nal_length || !sg_nalus_are_whole(tag->data.p, size, pub->nal_length, &size)))
		return NULL;
	struct sg_frame *f = sg_frame_new(kind, tag->codec, size);
	if (!f)
		return NULL;
	if (has_nals && pub->nal_length != 4)
		sg_nalus_widen(f->payload, tag->data.p, tag->data.left, pub->nal_length);
	else
		memcpy(f->payload, tag->data.p, size);
	f->flags = (uint8_t)tag->flags;
	return f;
}

/* Our frames have prefixes of four bytes, whatever the source's have. */
static enum sg_result note_nal_length(struct sg_publisher *pub, struct sg_frame *config)
{
	struct sg_video_params source;
	enum sg_result res =
	    sg_video_params_parse(config->codec, config->payload, config->size, NULL, &source);

	if (res != SG_OK)
		return res;
	pub->nal_length = source.nal_length;
	if (config->codec == SG_CODEC_H264)
		config->payload[4] |= 3;
	else if (config->codec == SG_CODEC_HEVC)
		config->payload[21] |= 3;
	return SG_OK;
}

static enum sg_result write_tag(struct sg_publisher *pub, enum sg_frame_kind kind, uint32_t ms,
    const struct sg_flv_tag *tag)
{
	int64_t own_ms = sg_timeline_unwrap_ms(pub, ms);

	if (tag->ignored || !tag->data.left)
		return SG_OK;
	if (tag->data.left > SG_FRAME_MAX_BYTES)
		return SG_ERR_LIMIT;
	struct sg_frame *f = copy_frame(pub, kind, tag);
	if (!f)
		return drop(pub, NULL);
	f->dts_90khz = own_ms * TICKS_PER_MS;
	f->pts_90khz = f->dts_90khz + (int64_t)tag->cts_ms * TICKS_PER_MS;
	if (kind == SG_FRAME_VIDEO && (f->flags & SG_FRAME_CONFIG)) {
		enum sg_result res = note_nal_length(pub, f);
		if (res != SG_OK) {
			sg_frame_unref(f);
			return res;
		}
	}
	return sg_publisher_write(pub, f);
}

enum sg_result sg_publisher_write_flv(struct sg_publisher *pub, uint8_t tag_type,
    uint32_t timestamp_ms, const uint8_t *body, size_t len)
{
	struct sg_reader r = { body, len };
	struct sg_flv_tag tag;
	enum sg_result res;

	switch (tag_type) {
	case SG_FLV_VIDEO:
		res = sg_flv_parse_video(r, &tag);
		return res == SG_OK ? write_tag(pub, SG_FRAME_VIDEO, timestamp_ms, &tag) : res;
	case SG_FLV_AUDIO:
		res = sg_flv_parse_audio(r, &tag);
		return res == SG_OK ? write_tag(pub, SG_FRAME_AUDIO, timestamp_ms, &tag) : res;
	case SG_FLV_SCRIPT:
		res = sg_flv_parse_script(r, &tag);
		return res == SG_OK ? write_tag(pub, SG_FRAME_META, timestamp_ms, &tag) : res;
	default:
		return SG_OK;
	}
}
