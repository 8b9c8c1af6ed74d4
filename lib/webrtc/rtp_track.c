/* rtp_track.c - packets in order, gaps waited for and asked for again, frames out. */
#include "webrtc/rtp_internal.h"
#include <stdlib.h>

#define VIDEO_PACKETS 512
#define AUDIO_PACKETS 64
#define STRAY_DISTANCE 8192 /* a step of more is a stray packet, or a source that began anew */
#define REORDER_MS 10
#define ASK_PAUSE_MIN_MS 20
#define ASK_PAUSE_MAX_MS 500
#define ASK_TRIES 10
#define WAIT_MAX_MS 1000

enum slot_state { EMPTY, MISSING, HELD };

struct slot {
	enum slot_state state;
	int64_t since_ms; /* MISSING: noticed */
	int64_t asked_ms;
	int tries;
	/* HELD */
	uint8_t *payload;
	size_t size;
	uint32_t timestamp;
	bool marker;
};

struct sg_rtp_track {
	struct sg_rtp_track_config cfg;
	struct unpacker unpacker;
	struct slot *slots; /* by number, modulo capacity */
	size_t capacity;
	bool started;
	int64_t next, highest; /* unwrapped: the next to be taken, the newest seen */
	size_t held, missing;
	int rtt_ms; /* last heard of */
	bool has_stray;
	uint16_t stray_next;
	/* the frame being put together */
	bool video, has_timestamp;
	uint32_t timestamp;
	bool in_step;     /* nothing of the present frame is lost */
	bool waiting_key;
	bool sets_in_band;
	bool has_ticks;
	int64_t ticks; /* of the last frame */
	struct sg_frame *out[4]; /* the last one finished, and the one before it; configurations in front */
	int64_t out_ticks[4];
	size_t out_count;
	struct sg_rtp_track_stats stats;
};

static struct slot *slot_of(const struct sg_rtp_track *t, int64_t number)
{
	return &t->slots[(size_t)number & (t->capacity - 1)];
}

struct sg_rtp_track *sg_rtp_track_new(const struct sg_rtp_track_config *cfg)
{
	struct sg_rtp_track *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->cfg = *cfg;
	t->video = cfg->codec != SG_CODEC_OPUS;
	t->waiting_key = t->video;
	if (!t->cfg.max_packets)
		t->cfg.max_packets = t->video ? VIDEO_PACKETS : AUDIO_PACKETS;
	if (!t->cfg.max_frame_bytes || t->cfg.max_frame_bytes > SG_FRAME_MAX_BYTES)
		t->cfg.max_frame_bytes = SG_FRAME_MAX_BYTES;
	/* Gaps take room as well as packets. */
	for (t->capacity = 16; t->capacity < 2 * t->cfg.max_packets && t->capacity < STRAY_DISTANCE;)
		t->capacity *= 2;
	t->slots = calloc(t->capacity, sizeof(*t->slots));
	if (unpacker_init(&t->unpacker, cfg->codec, t->cfg.max_frame_bytes, cfg->channels) && t->slots)
		return t;
	sg_rtp_track_free(t);
	return NULL;
}

static void release(struct sg_rtp_track *t, struct slot *s)
{
	if (s->state == HELD)
		t->held--;
	else if (s->state == MISSING)
		t->missing--;
	free(s->payload);
	*s = (struct slot){ .state = EMPTY };
}

void sg_rtp_track_free(struct sg_rtp_track *t)
{
	if (!t)
		return;
	for (size_t i = 0; t->slots && i < t->capacity; i++)
		release(t, &t->slots[i]);
	while (t->out_count)
		sg_frame_unref(t->out[--t->out_count]);
	unpacker_reset(&t->unpacker);
	free(t->slots);
	free(t);
}

/* ---- parameter sets out of band (RFC 6184 section 8.1) ---- */

static int base64_digit(char c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '+'	      ? 62
	       : c == '/'	      ? 63
				      : -1;
}

/* Answers the length; 0 when malformed or too large. */
static size_t base64_decode(uint8_t *out, size_t size, struct sg_str text)
{
	uint32_t bits = 0;
	size_t len = 0;
	unsigned have = 0;

	while (text.len && text.p[text.len - 1] == '=')
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		int digit = base64_digit(text.p[i]);
		if (digit < 0)
			return 0;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8)
			continue;
		if (len == size)
			return 0;
		have -= 8;
		out[len++] = (uint8_t)(bits >> have);
	}
	return len;
}

void sg_rtp_track_set_parameters(struct sg_rtp_track *t, struct sg_str sprop)
{
	uint8_t nal[H264_SET_BYTES_MAX];
	struct sg_str one;

	if (!t->unpacker.h264)
		return;
	while (sprop.p) {
		sg_str_cut(sprop, ',', &one, &sprop);
		size_t len = base64_decode(nal, sizeof(nal), one);
		if (len && ((nal[0] & 31) == NAL_SPS || (nal[0] & 31) == NAL_PPS))
			(void)h264_sets_take(t->unpacker.h264, nal, len); /* left out when malformed */
	}
}

/* ---- packets come ---- */

static void start_at(struct sg_rtp_track *t, int64_t number)
{
	for (size_t i = 0; i < t->capacity; i++)
		release(t, &t->slots[i]);
	t->next = number;
	t->highest = number - 1;
	t->started = true;
}

/* Something is lost: what was begun is thrown away. */
static void note_loss(struct sg_rtp_track *t)
{
	if (t->unpacker.frame.len || t->unpacker.in_fragment)
		t->stats.frames_dropped++;
	unpacker_drop(&t->unpacker);
	t->in_step = false;
	t->has_timestamp = false;
	t->waiting_key = t->video;
}

/* Is the number plausible? One far off is remembered: two in a row are a new beginning. */
static bool is_stray(struct sg_rtp_track *t, uint16_t seq)
{
	int ahead = sg_rtp_seq_ahead(seq, (uint16_t)t->highest);

	if (ahead > -STRAY_DISTANCE && ahead < STRAY_DISTANCE) {
		t->has_stray = false;
		return false;
	}
	if (t->has_stray && seq == t->stray_next) {
		note_loss(t);
		start_at(t, seq);
		t->has_stray = false;
		return false;
	}
	t->has_stray = true;
	t->stray_next = (uint16_t)(seq + 1);
	return true;
}

/* The newest so far: those between it and its former are missing. */
static void open_gap(struct sg_rtp_track *t, int64_t number, int64_t now_ms)
{
	for (int64_t n = t->highest + 1; n < number; n++) {
		*slot_of(t, n) = (struct slot){ .state = MISSING, .since_ms = now_ms };
		t->missing++;
	}
	t->highest = number;
}

static bool hold(struct slot *s, const struct sg_rtp_packet *p)
{
	uint8_t *copy = malloc(p->size ? p->size : 1);

	if (!copy)
		return false;
	if (p->size)
		memcpy(copy, p->payload, p->size);
	*s = (struct slot){ .state = HELD, .payload = copy, .size = p->size, .timestamp = p->timestamp,
		.marker = p->marker };
	return true;
}

void sg_rtp_track_feed(struct sg_rtp_track *t, const struct sg_rtp_packet *p, int64_t now_ms)
{
	if (!t->started)
		start_at(t, p->seq);
	if (is_stray(t, p->seq)) {
		t->stats.late++;
		return;
	}
	int64_t number = t->highest + sg_rtp_seq_ahead(p->seq, (uint16_t)t->highest);
	if (number < t->next) {
		t->stats.late++;
		return;
	}
	if (number - t->next >= (int64_t)t->capacity) {
		t->stats.lost += (uint64_t)(number - t->next) - t->held;
		note_loss(t);
		start_at(t, number);
	}
	if (number > t->highest)
		open_gap(t, number, now_ms);
	struct slot *s = slot_of(t, number);
	if (s->state == HELD) {
		t->stats.duplicates++;
		return;
	}
	bool was_missing = s->state == MISSING, was_asked = s->tries > 0;
	if (!hold(s, p)) { /* no memory: as if it had not come */
		if (!was_missing) {
			*s = (struct slot){ .state = MISSING, .since_ms = now_ms };
			t->missing++;
		}
		return;
	}
	t->missing -= was_missing;
	t->held++;
	t->stats.recovered += was_asked;
	t->stats.packets++;
	t->stats.bytes += p->size;
}

/* ---- frames come out ---- */

static void emit(struct sg_rtp_track *t, struct sg_frame *f)
{
	/* At most two frames with a configuration each are finished by one packet. */
	t->out[t->out_count] = f;
	t->out_ticks[t->out_count++] = t->ticks;
}

static void finish_frame(struct sg_rtp_track *t)
{
	bool had_some = t->unpacker.frame.len || t->unpacker.in_fragment;
	struct sg_frame *config, *f = unpacker_finish(&t->unpacker, &config);

	t->has_timestamp = false;
	if (!f) {
		if (had_some) {
			t->stats.frames_dropped++;
			t->waiting_key = t->video;
		}
		return;
	}
	bool key = f->flags & SG_FRAME_KEY;
	if (t->waiting_key && !key) {
		t->stats.frames_dropped++;
		sg_frame_unref(f);
		return;
	}
	t->waiting_key = false;
	t->stats.frames++;
	t->stats.keyframes += key;
	if (!t->has_ticks)
		t->ticks = t->timestamp;
	t->has_ticks = true;
	t->ticks += (int32_t)(t->timestamp - (uint32_t)t->ticks);
	if (config)
		emit(t, config);
	emit(t, f);
}

/* Does a picture begin with this payload, whatever was lost before it? Wrong only to the side of no. */
static bool begins_picture(struct sg_rtp_track *t, const uint8_t *p, size_t size)
{
	enum { VP8_S_PID = 0x17, VP8_S = 0x10, VP9_B = 8, AV1_Z = 0x80, AV1_N = 8 };

	switch (t->cfg.codec) {
	case SG_CODEC_VP8:
		return (p[0] & VP8_S_PID) == VP8_S;
	case SG_CODEC_VP9:
		return p[0] & VP9_B && t->unpacker.layers == 0;
	case SG_CODEC_AV1:
		return p[0] & AV1_N && !(p[0] & AV1_Z);
	case SG_CODEC_H264: {
		/* A slice is the first when its first_mb_in_slice is 0: one bit set (H.264 7.3.3). But parameter
		 * sets could have stood before it. */
		if ((p[0] & 31) == NAL_STAP_A && size > 3)
			p += 3, size -= 3;
		uint8_t type = p[0] & 31;
		if (type == NAL_FU_A && size > 2)
			return p[1] & 0x80 && (p[1] & 31) == NAL_IDR && p[2] & 0x80 && !t->sets_in_band;
		return type == NAL_SPS || type == NAL_AUD ||
		       (type == NAL_IDR && size > 1 && p[1] & 0x80 && !t->sets_in_band);
	}
	default:
		return true;
	}
}

static void note_sets(struct sg_rtp_track *t, const uint8_t *p, size_t size)
{
	if (t->cfg.codec != SG_CODEC_H264)
		return;
	uint8_t type = p[0] & 31;
	if (type == NAL_STAP_A && size > 3)
		type = p[3] & 31;
	t->sets_in_band = t->sets_in_band || type == NAL_SPS || type == NAL_PPS;
}

static void take_packet(struct sg_rtp_track *t, const struct slot *s)
{
	if (!s->size)
		return; /* sent to probe: part of no frame */
	/* Without the marker a frame ends where the next begins. */
	if (t->has_timestamp && s->timestamp != t->timestamp) {
		finish_frame(t);
		t->in_step = true;
	}
	t->has_timestamp = true;
	t->timestamp = s->timestamp;
	note_sets(t, s->payload, s->size);
	if (!t->in_step)
		t->in_step = begins_picture(t, s->payload, s->size);
	if (t->in_step && !unpacker_take(&t->unpacker, s->payload, s->size)) {
		t->stats.malformed++;
		note_loss(t);
		t->has_timestamp = true;
	}
	if (!s->marker && t->video)
		return;
	if (t->in_step)
		finish_frame(t);
	t->has_timestamp = false;
	t->in_step = true;
}

/* What is missing at the front is lost, up to the first packet kept. */
static void skip_gap(struct sg_rtp_track *t)
{
	while (t->next <= t->highest && slot_of(t, t->next)->state != HELD) {
		release(t, slot_of(t, t->next++));
		t->stats.lost++;
	}
	note_loss(t);
}

/* What is asked for has its way to make, twice where the first request or its answer is lost too; the caller's time
 * may be shorter than that over a long one. */
static int64_t wait_ms(const struct sg_rtp_track *t)
{
	int64_t twice_ms = REORDER_MS + 2 * (int64_t)t->rtt_ms + ASK_PAUSE_MIN_MS;

	if (!t->cfg.nack || twice_ms <= t->cfg.wait_ms)
		return t->cfg.wait_ms;
	return twice_ms < WAIT_MAX_MS ? twice_ms : WAIT_MAX_MS;
}

static bool is_given_up(const struct sg_rtp_track *t, const struct slot *s, int64_t now_ms)
{
	return now_ms - s->since_ms >= wait_ms(t) || t->held >= t->cfg.max_packets;
}

struct sg_frame *sg_rtp_track_next(struct sg_rtp_track *t, int64_t now_ms, int64_t *ticks)
{
	while (!t->out_count) {
		struct slot *s = t->started && t->next <= t->highest ? slot_of(t, t->next) : NULL;
		if (!s || (s->state == MISSING && !is_given_up(t, s, now_ms)))
			return NULL;
		if (s->state != HELD) {
			skip_gap(t);
			continue;
		}
		t->next++;
		take_packet(t, s);
		release(t, s);
	}
	struct sg_frame *f = t->out[0];
	*ticks = t->out_ticks[0];
	t->out_count--;
	memmove(t->out, t->out + 1, t->out_count * sizeof(t->out[0]));
	memmove(t->out_ticks, t->out_ticks + 1, t->out_count * sizeof(t->out_ticks[0]));
	return f;
}

bool sg_rtp_track_wants_key(const struct sg_rtp_track *t)
{
	return t->waiting_key;
}

/* ---- asking again (RFC 4585 section 6.2.1) ---- */

static int64_t ask_at(const struct slot *s, int rtt_ms)
{
	int64_t pause = rtt_ms > ASK_PAUSE_MIN_MS ? rtt_ms : ASK_PAUSE_MIN_MS;

	if (!s->tries)
		return s->since_ms + REORDER_MS;
	pause <<= s->tries > 5 ? 4 : s->tries - 1;
	return s->asked_ms + (pause < ASK_PAUSE_MAX_MS ? pause : ASK_PAUSE_MAX_MS);
}

size_t sg_rtp_track_nacks(
    struct sg_rtp_track *t, int64_t now_ms, int rtt_ms, uint16_t *seqs, size_t max)
{
	size_t count = 0;

	t->rtt_ms = rtt_ms;
	if (!t->cfg.nack || !t->missing)
		return 0;
	for (int64_t n = t->next; n <= t->highest && count < max; n++) {
		struct slot *s = slot_of(t, n);
		if (s->state != MISSING || s->tries >= ASK_TRIES || now_ms < ask_at(s, rtt_ms))
			continue;
		s->tries++;
		s->asked_ms = now_ms;
		t->stats.nacked++;
		seqs[count++] = (uint16_t)n;
	}
	return count;
}

int64_t sg_rtp_track_deadline(const struct sg_rtp_track *t)
{
	int64_t at = INT64_MAX;

	if (!t->missing)
		return at;
	for (int64_t n = t->next; n <= t->highest; n++) {
		const struct slot *s = slot_of(t, n);
		if (s->state != MISSING)
			continue;
		if (s->since_ms + wait_ms(t) < at)
			at = s->since_ms + wait_ms(t);
		if (t->cfg.nack && s->tries < ASK_TRIES && ask_at(s, t->rtt_ms) < at)
			at = ask_at(s, t->rtt_ms);
	}
	return at;
}

void sg_rtp_track_stats(const struct sg_rtp_track *t, struct sg_rtp_track_stats *out)
{
	*out = t->stats;
	out->waiting = t->held;
}
