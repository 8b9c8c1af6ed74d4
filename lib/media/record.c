#include "media/record.h"
#include "base/clock.h"
#include "media/cmaf.h"
#include "media/sound_time.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define READ_FRAMES 64
#define BLOCK_BYTES 4096u /* of disks and memory, or several of them */
#define BUFFER_BYTES (2u << 20) /* a huge page: to pin one costs less than 512 */
#define FRAGMENT_MAX_BYTES (16u << 20)
#define LATE_MAX_90KHZ 90000 /* how long a sound may come behind its pictures */

struct track {
	enum sg_codec codec; /* NONE: not there */
	int scale;
	unsigned id;
	struct sg_frame *config; /* referenced, or NULL */
	struct sg_frame *held;   /* until the next one tells how long it lasts */
	int64_t held_at, usual;
	struct sg_sound_time counted;
	struct sg_cmaf_sample *samples;
	size_t count, cap;
	int64_t start; /* of the first sample */
};

struct sg_record_file {
	struct sg_stream *stream;
	int fd;
	uint8_t *buffer; /* borrowed */
	size_t filled;
	uint64_t cursor;
	int64_t zero_90khz; /* the file's beginning on the stream's timeline */
	int64_t last_90khz;
	int64_t limit_90khz; /* from there on the next keyframe is another file's; 0: none */
	int64_t cut_90khz;   /* that keyframe's time, */
	uint64_t cut_seq;    /* and its number in the ring; 0: not come yet */
	struct track video, audio;
	struct sg_video_params video_params;
	struct sg_audio_params audio_params;
	int frame_samples;
	uint32_t sequence;
	size_t gathered;
	uint64_t bytes;
	int error; /* errno of a write that failed */
	bool dirty, ended, changed;
	bool full; /* cut, and all has come that belongs before the cut */
};

/* ---- the file ----
 *
 * Fragments are laid out in a buffer and written past the page cache, which would copy every byte once more, and
 * write it back at some other time: most of what a recording would cost. For that the file has to be written in
 * whole blocks, so a fragment is filled up to the next one with a "free" box (ISO/IEC 14496-12, 8.1.2). */

/* One that cannot be written past the page cache, wholly or from here on, is written through it. */
static bool falls_back(struct sg_record_file *r)
{
	int flags = fcntl(r->fd, F_GETFL);

	return flags >= 0 && (flags & O_DIRECT) && fcntl(r->fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

static bool write_out(struct sg_record_file *r)
{
	size_t done = 0;

	while (done < r->filled && !r->error) {
		ssize_t n = write(r->fd, r->buffer + done, r->filled - done);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR && !(errno == EINVAL && falls_back(r)))
			r->error = errno;
	}
	r->bytes += done;
	r->filled = 0;
	r->dirty = true;
	return !r->error;
}

static bool put(struct sg_record_file *r, const void *p, size_t len)
{
	const uint8_t *at = p;

	while (len && !r->error) {
		size_t n = BUFFER_BYTES - r->filled < len ? BUFFER_BYTES - r->filled : len;
		memcpy(r->buffer + r->filled, at, n);
		r->filled += n;
		at += n;
		len -= n;
		if (r->filled == BUFFER_BYTES)
			write_out(r);
	}
	return !r->error;
}

static bool end_block(struct sg_record_file *r)
{
	static const uint8_t zeros[BLOCK_BYTES];
	uint8_t head[8] = "    free";
	size_t size = (BLOCK_BYTES - r->filled % BLOCK_BYTES) % BLOCK_BYTES;

	if (size && size < sizeof(head))
		size += BLOCK_BYTES;
	sg_put_be32(head, (uint32_t)size);
	return (!size || (put(r, head, sizeof(head)) && put(r, zeros, size - sizeof(head)))) && write_out(r);
}

static bool write_samples(struct sg_record_file *r, const struct track *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (!put(r, t->samples[i].frame->payload, t->samples[i].frame->size))
			return false;
	return true;
}

static void drop_samples(struct track *t)
{
	while (t->count)
		sg_frame_unref(t->samples[--t->count].frame);
}

static struct sg_cmaf_track cmaf_track(const struct track *t)
{
	return (struct sg_cmaf_track){ t->id, (uint64_t)t->start, t->samples, t->count };
}

static bool write_fragment(struct sg_record_file *r)
{
	struct sg_cmaf_track video = cmaf_track(&r->video), audio = cmaf_track(&r->audio);
	bool ok = true;

	if (video.count || audio.count) {
		struct sg_blob *head = sg_cmaf_fragment(++r->sequence, &audio, &video);
		ok = head && put(r, head->p, head->size) && write_samples(r, &r->video) && end_block(r);
		sg_blob_unref(head);
		if (!ok && !r->error)
			r->error = ENOMEM;
	}
	drop_samples(&r->video);
	drop_samples(&r->audio);
	r->gathered = 0;
	return ok;
}

/* ---- frames ---- */

static bool gather(struct track *t, struct sg_frame *f, int64_t at, int64_t duration)
{
	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct sg_cmaf_sample *grown = realloc(t->samples, cap * sizeof(*grown));
		if (!grown)
			return false;
		t->samples = grown;
		t->cap = cap;
	}
	if (!t->count)
		t->start = at;
	t->samples[t->count++] = (struct sg_cmaf_sample){ f, (uint32_t)duration };
	return true;
}

static void settle(struct sg_record_file *r, struct track *t, int64_t at)
{
	struct sg_frame *f = t->held;

	if (!f)
		return;
	t->held = NULL;
	t->usual = at > t->held_at ? at - t->held_at : 1;
	size_t size = f->size;
	if (gather(t, f, t->held_at, t->usual)) {
		r->gathered += size;
	} else {
		sg_frame_unref(f);
		r->error = ENOMEM;
	}
}

/* False: nowhere, it is left out. */
static bool place(struct sg_record_file *r, struct track *t, const struct sg_frame *f, int64_t *at)
{
	*at = (f->dts_90khz - r->zero_90khz) * t->scale / 90000;
	return t == &r->video || sg_sound_place(&t->counted, t->scale, r->frame_samples, *at, at);
}

static bool is_new_config(struct sg_record_file *r, const struct sg_frame *f)
{
	const struct track *t = f->kind == SG_FRAME_VIDEO ? &r->video : &r->audio;
	const struct sg_frame *c = t->config;

	return !c || c->codec != f->codec || c->size != f->size || memcmp(c->payload, f->payload, f->size);
}

/* Is it the next file's? That begins at a keyframe, with what is not older. A sound may come behind the keyframe and be
 * older all the same: so this file goes on until one comes that is not, or pictures have gone far ahead. */
static bool is_beyond(struct sg_record_file *r, const struct sg_frame *f)
{
	bool is_video = f->kind == SG_FRAME_VIDEO;

	if (!r->cut_seq && r->limit_90khz && f->dts_90khz - r->zero_90khz >= r->limit_90khz &&
	    (r->video.codec ? is_video && f->flags & SG_FRAME_KEY : !is_video)) {
		r->cut_seq = f->seq;
		r->cut_90khz = f->dts_90khz;
		int64_t at;
		if (is_video && r->video.held && place(r, &r->video, f, &at))
			settle(r, &r->video, at); /* that tells how long the last one lasts */
	}
	if (!r->cut_seq || f->dts_90khz < r->cut_90khz)
		return false;
	r->full = !r->video.codec || !r->audio.codec || !is_video ||
		  f->dts_90khz - r->cut_90khz > LATE_MAX_90KHZ;
	return true;
}

static void take(struct sg_record_file *r, struct sg_frame *f)
{
	struct track *t = f->kind == SG_FRAME_VIDEO ? &r->video : &r->audio;

	if (f->kind == SG_FRAME_META)
		return;
	if (f->flags & SG_FRAME_CONFIG) {
		r->changed = is_new_config(r, f);
		return;
	}
	if (t->codec != f->codec) { /* of a codec without a configuration record */
		r->changed = sg_codec_av_id(f->codec) && f->codec != SG_CODEC_VP8 && f->codec != SG_CODEC_VP9;
		return;
	}
	if (f->dts_90khz < r->zero_90khz || is_beyond(r, f))
		return;
	int64_t at;
	if (!place(r, t, f, &at))
		return;
	settle(r, t, at);
	if (r->gathered > FRAGMENT_MAX_BYTES)
		write_fragment(r);
	t->held = sg_frame_ref(f);
	t->held_at = at;
	if (f->dts_90khz > r->last_90khz)
		r->last_90khz = f->dts_90khz;
}

enum sg_result sg_record_pump(struct sg_record_file *r)
{
	struct sg_frame *frames[READ_FRAMES];
	struct sg_ring_read rd = { .frames = frames, .max = READ_FRAMES, .next = r->cursor };

	do {
		sg_ring_read(sg_stream_ring(r->stream), &rd, false);
		for (size_t i = 0; i < rd.count; i++) {
			if (!r->changed && !r->full && !r->error) {
				take(r, frames[i]);
				r->cursor = frames[i]->seq + !r->changed;
			}
			sg_frame_unref(frames[i]);
		}
	} while (rd.count && !r->changed && !r->full && !r->error);
	if (!r->error)
		write_fragment(r);
	if (r->error) {
		errno = r->error;
		return SG_ERR_IO;
	}
	/* One that was cut goes on behind the cut, whatever comes there: the next file will see. */
	r->full |= r->cut_seq && (r->changed || rd.ended);
	return r->full ? SG_ERR_LIMIT : r->changed ? SG_ERR_EXISTS : rd.ended ? SG_ERR_NOT_FOUND : SG_OK;
}

uint64_t sg_record_position(const struct sg_record_file *r)
{
	return r->cut_seq ? r->cut_seq : r->cursor;
}

uint64_t sg_record_bytes(const struct sg_record_file *r)
{
	return r->bytes;
}

int64_t sg_record_ms(const struct sg_record_file *r)
{
	return (r->last_90khz - r->zero_90khz) / TICKS_PER_MS;
}

enum sg_result sg_record_sync(struct sg_record_file *r)
{
	if (!r->dirty)
		return SG_OK;
	r->dirty = false;
	return fdatasync(r->fd) == 0 ? SG_OK : SG_ERR_IO;
}

/* ---- beginning and end ---- */

static enum sg_codec carried(enum sg_codec c)
{
	return c == SG_CODEC_VP8 || c == SG_CODEC_VP9 ? SG_CODEC_NONE : c;
}

/* Of what the stream is now. */
static void look_up_tracks(struct sg_record_file *r)
{
	struct sg_stream *s = r->stream;

	pthread_mutex_lock(&s->lock);
	r->video.config = s->now.video ? sg_frame_ref(s->now.video) : NULL;
	r->audio.config = s->now.audio ? sg_frame_ref(s->now.audio) : NULL;
	r->video_params = s->video;
	r->audio_params = s->audio;
	r->video.codec = carried(s->info.video);
	r->audio.codec = carried(s->info.audio);
	pthread_mutex_unlock(&s->lock);
}

static bool write_init(struct sg_record_file *r)
{
	const struct lead lead = { .video = r->video.config, .audio = r->audio.config };
	const struct sg_audio_params *ap = &r->audio_params;

	r->video.scale = sg_cmaf_scale(SG_FRAME_VIDEO, ap);
	r->audio.scale = sg_cmaf_scale(SG_FRAME_AUDIO, ap);
	r->video.id = 1;
	r->audio.id = r->video.codec ? 2 : 1;
	r->frame_samples = r->audio.codec == SG_CODEC_AAC ? ap->frame_samples : 0;
	struct sg_blob *init = r->video.codec || r->audio.codec
				   ? sg_cmaf_init(&lead, r->video.codec, &r->video_params, r->audio.codec, ap)
				   : NULL;
	bool ok = init && put(r, init->p, init->size) && end_block(r);
	sg_blob_unref(init);
	return ok;
}

/* Where it may begin: the newest keyframe, if the configurations in force are its own. */
static bool find_start(struct sg_stream *s, uint64_t after, uint64_t *cursor, int64_t *zero_90khz)
{
	struct sg_frame *f = NULL;
	struct sg_ring_read rd = { .frames = &f, .max = 1 };

	pthread_mutex_lock(&s->lock);
	rd.next = sg_stream_start(s);
	bool has_video = carried(s->info.video), has_audio = carried(s->info.audio);
	bool ok = rd.next >= after &&
		  (!has_video || (s->at_key.video == s->now.video && s->key_seq == rd.next));
	/* A source's second track comes soon, if at all. */
	ok = ok && ((has_video && has_audio) || sg_mono_ms() - s->published_ms > 700);
	pthread_mutex_unlock(&s->lock);
	if (!ok)
		return false;
	sg_ring_read(s->ring, &rd, false);
	if (!rd.count)
		return false;
	*cursor = f->seq;
	*zero_90khz = f->dts_90khz;
	sg_frame_unref(f);
	return true;
}

bool sg_record_may_begin(struct sg_stream *s, uint64_t after)
{
	uint64_t cursor;
	int64_t zero;

	return sg_stream_is_live(s) && find_start(s, after, &cursor, &zero);
}

static void release(struct sg_record_file *r)
{
	struct track *tracks[] = { &r->video, &r->audio };

	for (size_t i = 0; i < 2; i++) {
		drop_samples(tracks[i]);
		free(tracks[i]->samples);
		sg_frame_unref(tracks[i]->held);
		sg_frame_unref(tracks[i]->config);
	}
	sg_stream_unref(r->stream);
	free(r);
}

void *sg_record_buffer_new(void)
{
	void *buffer = aligned_alloc(BUFFER_BYTES, BUFFER_BYTES);

	if (buffer)
		(void)!madvise(buffer, BUFFER_BYTES, MADV_HUGEPAGE);
	return buffer;
}

/* A file system that cannot says so here, or at the first write. */
static void write_past_cache(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		(void)!fcntl(fd, F_SETFL, flags | O_DIRECT);
}

static struct sg_record_file *file_new(
    struct sg_stream *s, uint64_t cursor, int64_t zero_90khz, int fd, void *buffer)
{
	struct sg_record_file *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->stream = sg_stream_ref(s);
	r->fd = fd;
	r->cursor = cursor;
	r->zero_90khz = r->last_90khz = zero_90khz;
	r->audio.counted.next = -1;
	r->buffer = buffer;
	return r;
}

/* Its tracks are known: the file's head. Otherwise it ends. */
static enum sg_result begin(struct sg_record_file **out, struct sg_record_file *r)
{
	write_past_cache(r->fd);
	if (!write_init(r)) {
		enum sg_result res = r->error ? SG_ERR_IO : SG_ERR_UNSUPPORTED;
		errno = r->error;
		release(r);
		return res;
	}
	*out = r;
	return SG_OK;
}

enum sg_result sg_record_open(
    struct sg_record_file **out, struct sg_stream *s, uint64_t after, int fd, void *buffer)
{
	struct sg_record_file *r;
	uint64_t cursor;
	int64_t zero;

	*out = NULL;
	if (!sg_stream_is_live(s) || !find_start(s, after, &cursor, &zero))
		return SG_NEED_MORE;
	if (!(r = file_new(s, cursor, zero, fd, buffer)))
		return SG_ERR_NO_MEMORY;
	look_up_tracks(r);
	return begin(out, r);
}

enum sg_result sg_record_go_on(struct sg_record_file **out, const struct sg_record_file *full, int fd)
{
	struct sg_record_file *r = file_new(full->stream, full->cut_seq, full->cut_90khz, fd, full->buffer);

	*out = NULL;
	if (!r)
		return SG_ERR_NO_MEMORY;
	r->limit_90khz = full->limit_90khz;
	r->video.codec = full->video.codec;
	r->audio.codec = full->audio.codec;
	r->video.config = full->video.config ? sg_frame_ref(full->video.config) : NULL;
	r->audio.config = full->audio.config ? sg_frame_ref(full->audio.config) : NULL;
	r->video_params = full->video_params;
	r->audio_params = full->audio_params;
	return begin(out, r);
}

void sg_record_limit(struct sg_record_file *r, int64_t ms)
{
	r->limit_90khz = ms * TICKS_PER_MS;
}

void sg_record_close(struct sg_record_file *r)
{
	if (!r)
		return;
	struct track *tracks[] = { &r->audio, &r->video };
	for (size_t i = 0; i < 2 && !r->error; i++)
		settle(r, tracks[i],
		    tracks[i]->held_at + (tracks[i]->usual ? tracks[i]->usual : tracks[i]->scale / 30));
	if (!r->error)
		write_fragment(r);
	if (fdatasync(r->fd) != 0 && !r->error)
		r->error = errno;
	close(r->fd);
	release(r);
}
