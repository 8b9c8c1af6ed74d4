/* follower.c - one follower: what it is sent, and where it stands (see fanout_internal.h). */
#include "fanout/fanout_internal.h"
#include <limits.h>

#define OWN_FRAMES 64     /* read at a time for one that catches up */
#define OWN_ROUNDS 16     /* then the others have their turn */
#define OWN_BYTES_MAX 65536

/* ---- places ---- */

static struct sg_follower **list_of(struct sg_follower *f)
{
	struct sg_fanout *fo = f->feed->fo;

	return f->place == IN_STEP ? &f->feed->in_step : f->place == BLOCKED ? &fo->blocked : &fo->ended;
}

static void leave(struct sg_follower *f)
{
	if (f->place == STANDING)
		follower_step_out(f);
	DL_DELETE(*list_of(f), f);
}

static void move(struct sg_follower *f, enum place place)
{
	if (f->place == place)
		return;
	if (place == BLOCKED)
		f->blocked_ms = sg_mono_ms();
	leave(f);
	f->place = (uint8_t)place;
	if (place == ENDED)
		DL_PREPEND(*list_of(f), f);
	else
		DL_APPEND(*list_of(f), f);
	sg_conn_want_write(f->conn, place == BLOCKED);
}

void followers_tell(struct sg_task *task)
{
	struct sg_fanout *fo = SG_CONTAINER_OF(task, struct sg_fanout, tell);

	fo->telling = false;
	while (fo->ended && !fo->telling) {
		struct sg_follower *f = fo->ended;
		if (!f->ended)
			break;
		void (*ended)(void *, enum sg_follower_end) = f->ended;
		DL_DELETE(fo->ended, f);
		DL_APPEND(fo->ended, f);
		f->ended = NULL; /* once */
		ended(f->user, f->why);
	}
}

void follower_end(struct sg_follower *f, enum sg_follower_end why)
{
	struct sg_fanout *fo = f->feed->fo;

	if (f->place == ENDED)
		return;
	f->why = (uint8_t)why;
	move(f, ENDED);
	if (!fo->telling) {
		struct sg_executor *ex = sg_loop_executor(fo->loop);
		fo->telling = true;
		ex->post(ex, &fo->tell);
	}
}

/* ---- writing ---- */

static bool is_media(const struct sg_frame *f)
{
	return f->kind != SG_FRAME_META && !(f->flags & SG_FRAME_CONFIG);
}

static void note_skipped(struct sg_follower *f, uint64_t frames)
{
	f->sent.skipped += frames;
	atomic_fetch_add_explicit(&f->feed->fo->skipped, frames, memory_order_relaxed);
}

/* What a write has brought. -1: it is broken, and the follower has been ended. */
static ssize_t note_sent(struct sg_follower *f, ssize_t sent)
{
	struct sg_fanout *fo = f->feed->fo;

	atomic_fetch_add_explicit(&fo->writes, 1, memory_order_relaxed);
	if (sent < 0) {
		follower_end(f, SG_FOLLOWER_BROKEN);
		return -1;
	}
	if (sent > 0) {
		f->sent.bytes += (uint64_t)sent;
		f->blocked_ms = 0;
		atomic_fetch_add_explicit(&fo->bytes, (uint64_t)sent, memory_order_relaxed);
	}
	return sent;
}

static ssize_t write_some(struct sg_follower *f, const struct iovec *iov, int n)
{
	return note_sent(f, sg_conn_writev(f->conn, iov, n > IOV_MAX ? IOV_MAX : n));
}

/* `frame` has been begun: what lies before it is not sent any more. */
static void step_to(struct sg_follower *f, const struct sg_frame *frame)
{
	if (f->cursor < frame->seq)
		note_skipped(f, frame->seq - f->cursor);
	f->cursor = frame->seq + 1;
}

/* Of `count` frames `sent` bytes went out: the cursor goes behind those that are begun, the one that is
 * not whole is kept. True when all is out. */
static bool advance(struct sg_follower *f, struct sg_frame *const *frames, size_t count, size_t sent)
{
	for (size_t i = 0; i < count; i++) {
		struct iovec iov[2];
		size_t size = iov_total(iov, sg_frame_iov(frames[i], f->form, iov));
		if (sent == 0 && size > 0)
			return false;
		step_to(f, frames[i]);
		if (sent < size) {
			f->partial = sg_frame_ref(frames[i]);
			f->partial_sent = (uint32_t)sent;
			return false;
		}
		sent -= size;
		f->sent.frames++;
		f->media_sent = f->media_sent || is_media(frames[i]);
	}
	return true;
}

/* What must go before the next frame: the rest of one that was begun, the owner's bytes, the lead.
 * False: the socket is full, or broken. */
static bool write_owed(struct sg_follower *f)
{
	for (;;) {
		if (f->partial) {
			struct iovec iov[2], *p = iov;
			int n = sg_frame_iov(f->partial, f->form, iov);
			size_t skip = f->partial_sent;
			if (skip >= p->iov_len && n > 1) {
				skip -= p->iov_len;
				p++, n--;
			}
			p->iov_base = (char *)p->iov_base + skip;
			p->iov_len -= skip;
			size_t rest = iov_total(p, n);
			ssize_t sent = write_some(f, p, n);
			if (sent < 0)
				return false;
			f->partial_sent += (uint32_t)sent;
			if ((size_t)sent < rest)
				return false;
			f->sent.frames++;
			f->media_sent = f->media_sent || is_media(f->partial);
			sg_frame_unref(f->partial);
			f->partial = NULL;
		} else if (f->own.len) {
			struct iovec iov = { f->own.p, f->own.len };
			ssize_t sent = write_some(f, &iov, 1);
			if (sent < 0)
				return false;
			if ((size_t)sent < f->own.len) {
				sg_buf_consume(&f->own, (size_t)sent);
				return false;
			}
			sg_buf_reset(&f->own);
		} else if (f->lead_next < f->lead_count) {
			f->partial = f->lead[f->lead_next];
			f->lead[f->lead_next++] = NULL;
			f->partial_sent = 0;
		} else {
			return true;
		}
	}
}

/* The follower's own reading, up to where the feed stands. False: socket full or broken; *more: its
 * turn is over, though there is more to write. */
static bool catch_up(struct sg_follower *f, bool *more)
{
	struct feed *feed = f->feed;
	struct sg_frame *frames[OWN_FRAMES];
	struct iovec iov[OWN_FRAMES * 2];

	*more = false;
	for (int round = 0; f->cursor < feed->cursor; round++) {
		if (round == OWN_ROUNDS) {
			*more = true;
			return true;
		}
		uint64_t behind = feed->cursor - f->cursor;
		struct sg_ring_read rd = { .frames = frames, .next = f->cursor,
			.max = f->skip_to_key || behind > OWN_FRAMES ? OWN_FRAMES : behind };
		sg_ring_read(feed->ring, &rd, f->skip_to_key);
		if (!rd.count) { /* it has been cleared */
			note_skipped(f, rd.skipped);
			f->cursor = rd.next;
			break;
		}
		int n = 0;
		for (size_t i = 0; i < rd.count; i++)
			n += sg_frame_iov(frames[i], f->form, iov + n);
		ssize_t sent = write_some(f, iov, n);
		f->skip_to_key = f->skip_to_key && sent == 0;
		bool all = sent >= 0 && advance(f, frames, rd.count, (size_t)sent);
		for (size_t i = 0; i < rd.count; i++)
			sg_frame_unref(frames[i]);
		if (!all)
			return false;
	}
	return true;
}

/* One that stands too far behind when it can write again goes on at the newest keyframe. Called at a
 * frame's boundary. */
static void look_behind(struct sg_follower *f)
{
	struct sg_frame *frame;
	struct sg_ring_read rd = { .frames = &frame, .max = 1, .next = f->cursor };

	sg_ring_read(f->feed->ring, &rd, false);
	if (!rd.count)
		return;
	if (sg_mono_us() - frame->arrived_us > SG_FOLLOWER_BEHIND_MS * 1000ll)
		f->skip_to_key = true;
	sg_frame_unref(frame);
}

/* Brings one follower as far as its socket takes it. */
static void pump(struct sg_follower *f)
{
	bool more = false;

	if (f->place == ENDED)
		return;
	if (f->place == STANDING)
		follower_step_out(f);
	bool was_blocked = f->place == BLOCKED;
	if (!write_owed(f)) {
		if (f->place != ENDED)
			move(f, BLOCKED);
		return;
	}
	if (was_blocked && !f->paused)
		look_behind(f);
	if (!f->paused && !catch_up(f, &more)) {
		/* One that broke off at a frame's boundary owes nothing, but its socket is full. */
		if (f->place != ENDED)
			move(f, BLOCKED);
		return;
	}
	if (more) {
		move(f, BLOCKED); /* called again when writable, which it is */
		return;
	}
	move(f, IN_STEP);
	f->blocked_ms = 0;
	f->skip_to_key = false;
	if (f->feed->ended && (f->paused || f->cursor >= f->feed->cursor))
		follower_end(f, SG_FOLLOWER_STREAM_ENDED);
}

/* ---- what a flush passes on ---- */

static size_t first_for(const struct sg_follower *f, struct sg_frame *const *frames, size_t count)
{
	size_t i = 0;

	while (i < count && frames[i]->seq < f->cursor)
		i++;
	return i;
}

/* `sent` of the batch, from the frame `first` on, whose bytes are `want`. */
static void took(struct sg_follower *f, const struct batch *b, size_t first, size_t want, ssize_t sent)
{
	struct sg_frame **frames = f->feed->fo->frames;

	if (note_sent(f, sent) < 0)
		return;
	if ((size_t)sent == want) {
		uint64_t behind = frames[b->count - 1]->seq + 1;
		if (behind - f->cursor > b->count - first) /* the loop itself was late */
			note_skipped(f, behind - f->cursor - (b->count - first));
		f->cursor = behind;
		f->sent.frames += b->count - first;
		for (size_t i = first; i < b->count && !f->media_sent; i++)
			f->media_sent = is_media(frames[i]);
	} else if (!advance(f, frames + first, b->count - first, (size_t)sent)) {
		move(f, BLOCKED);
	}
}

static ssize_t write_batch(struct sg_conn *conn, const struct batch *b, int at, size_t before)
{
	struct iovec one = { b->joined ? (void *)(b->joined + before) : NULL, b->sum - before };

	return b->joined ? sg_conn_writev(conn, &one, 1) : sg_conn_writev(conn, b->iov + at, b->len - at);
}

void follower_pass(struct sg_follower *f, const struct batch *b)
{
	struct sg_frame **frames = f->feed->fo->frames;
	size_t first = f->cursor <= frames[0]->seq ? 0 : first_for(f, frames, b->count);

	if (first == b->count) /* it began ahead of the others */
		return;
	int at = (int)first * (f->form == SG_FORM_RAW ? 1 : 2);
	size_t before = first ? iov_total(b->iov, at) : 0;
	took(f, b, first, b->sum - before, write_batch(f->conn, b, at, before));
}

/* ---- the row ---- */

static struct row *row_of(const struct sg_follower *f)
{
	return &f->feed->rows[f->form];
}

/* What it was sent while it stood. */
static void add_passed(struct passed *sent, const struct passed *since, const struct passed *now)
{
	sent->bytes += now->bytes - since->bytes;
	sent->frames += now->frames - since->frames;
	sent->skipped += now->skipped - since->skipped;
}

bool follower_stand(struct sg_follower *f)
{
	struct row *row = row_of(f);
	int fd = sg_conn_plain_fd(f->conn);

	if (f->paused || !f->media_sent || f->cursor != f->feed->cursor || fd < 0)
		return false;
	if (row->count == row->cap) {
		size_t cap = row->cap ? row->cap * 2 : 64;
		struct standing *grown = realloc(row->at, cap * sizeof(*grown));
		if (!grown)
			return false;
		row->at = grown;
		row->cap = cap;
	}
	DL_DELETE(f->feed->in_step, f);
	f->place = STANDING;
	f->since = row->passed;
	f->index = row->count;
	row->at[row->count++] = (struct standing){ f, fd };
	return true;
}

void follower_step_out(struct sg_follower *f)
{
	struct row *row = row_of(f);
	struct standing *last = &row->at[--row->count];

	last->f->index = f->index;
	row->at[f->index] = *last;
	add_passed(&f->sent, &f->since, &row->passed);
	f->cursor = f->feed->cursor;
	f->place = IN_STEP;
	DL_APPEND(f->feed->in_step, f);
}

void row_pass(struct feed *feed, enum sg_form form, const struct batch *b, uint64_t skipped)
{
	struct row *row = &feed->rows[form];
	struct sg_fanout *fo = feed->fo;

	for (size_t i = 0; i < row->count;) {
		struct standing *s = &row->at[i];
		ssize_t sent = b->joined ? sg_socket_send(s->fd, b->joined, b->sum)
					 : write_batch(s->f->conn, b, 0, 0);
		if (sent == (ssize_t)b->sum) {
			i++;
			continue;
		}
		struct sg_follower *f = s->f;
		follower_step_out(f); /* the last one stands here now */
		took(f, b, 0, b->sum, sent);
	}
	row->passed.bytes += b->sum;
	row->passed.frames += b->count;
	row->passed.skipped += skipped;
	atomic_fetch_add_explicit(&fo->writes, row->count, memory_order_relaxed);
	atomic_fetch_add_explicit(&fo->bytes, row->count * b->sum, memory_order_relaxed);
	atomic_fetch_add_explicit(&fo->skipped, row->count * skipped, memory_order_relaxed);
}

/* ---- opening and closing ---- */

enum sg_result sg_follower_open(
    struct sg_follower **out, struct sg_fanout *fo, const struct sg_follower_config *cfg)
{
	struct sg_follower *f = calloc(1, sizeof(*f));

	*out = NULL;
	if (!f)
		return SG_ERR_NO_MEMORY;
	if (!(f->feed = feed_for(fo, cfg->ring))) {
		free(f);
		return SG_ERR_NO_MEMORY;
	}
	f->feed->followers++;
	atomic_fetch_add(&fo->followers, 1);
	f->conn = cfg->conn;
	f->form = (uint8_t)cfg->form;
	f->cursor = cfg->cursor;
	f->stall_ms = cfg->stall_ms ? cfg->stall_ms : SG_PAUSE_MS;
	f->ended = cfg->ended;
	f->user = cfg->user;
	sg_buf_init(&f->own, OWN_BYTES_MAX);
	for (size_t i = 0; i < cfg->lead_count && i < 4; i++)
		f->lead[f->lead_count++] = sg_frame_ref(cfg->lead[i]);
	f->place = IN_STEP;
	DL_APPEND(f->feed->in_step, f);
	*out = f;
	pump(f);
	return SG_OK;
}

void sg_follower_close(struct sg_follower *f)
{
	if (!f)
		return;
	struct feed *feed = f->feed;
	leave(f);
	sg_conn_want_write(f->conn, false);
	sg_frame_unref(f->partial);
	for (size_t i = f->lead_next; i < f->lead_count; i++)
		sg_frame_unref(f->lead[i]);
	sg_buf_reset(&f->own);
	atomic_fetch_sub(&feed->fo->followers, 1);
	if (--feed->followers == 0)
		feed_drop(feed);
	free(f);
}

void sg_follower_writable(struct sg_follower *f)
{
	if (f->place == BLOCKED)
		pump(f);
}

enum sg_result sg_follower_send(struct sg_follower *f, const void *p, size_t len)
{
	sg_buf_append(&f->own, p, len);
	if (f->own.failed)
		return SG_ERR_LIMIT;
	if (f->place != BLOCKED)
		pump(f);
	return SG_OK;
}

void sg_follower_pause(struct sg_follower *f, bool paused)
{
	if (f->place == STANDING)
		follower_step_out(f);
	if (f->paused && !paused) {
		uint64_t start = sg_ring_start(f->feed->ring);
		f->skip_to_key = start > f->cursor;
		if (!f->skip_to_key)
			f->cursor = start;
	}
	f->paused = paused;
	if (f->place != BLOCKED)
		pump(f);
}

void sg_follower_stats(const struct sg_follower *f, struct sg_follower_stats *out)
{
	struct passed sent = f->sent;

	if (f->place == STANDING)
		add_passed(&sent, &f->since, &row_of(f)->passed);
	*out = (struct sg_follower_stats){ .bytes_sent = sent.bytes, .frames_sent = sent.frames,
		.frames_skipped = sent.skipped, .first_media_sent = f->media_sent };
}
