/* push.c - a stream that goes on to a server elsewhere. */
#include "media/outlet.h"
#include "relay/relay_internal.h"

#define FRAMES_AT_ONCE 32
#define FAR_BEHIND_US 3000000
#define IDLE_MS 200

/* FLV 10.1 annex E.2, E.3: the header and the first PreviousTagSize. */
static const uint8_t flv_header[] = {'F', 'L', 'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0};

struct cursor {
	struct sg_ring *ring;
	enum sg_form form;
	uint64_t next;
	bool late; /* its line is too thin: on at the newest keyframe */
};

static enum sg_result write_frame(
    struct relay_line *l, struct sg_outlet *o, const struct sg_frame *f, enum sg_form form)
{
	struct iovec iov[2];
	int n = sg_frame_iov(f, form, iov);
	enum sg_result res = SG_OK;
	size_t bytes = 0;

	for (int i = 0; i < n && res == SG_OK; i++) {
		res = sg_outlet_write(o, iov[i].iov_base, iov[i].iov_len);
		bytes += iov[i].iov_len;
	}
	if (res == SG_OK)
		line_heard(l, bytes);
	return res;
}

/* What a new viewer would be sent: headers and configurations, then from a keyframe on. */
static enum sg_result join(struct relay_line *l, struct sg_outlet *o, struct cursor *c)
{
	struct sg_join join;
	enum sg_result res = SG_OK;

	if (!sg_outlet_takes_flv(o)) {
		*c = (struct cursor){sg_stream_ts_ring(l->source), SG_FORM_RAW, 0, false};
		c->next = c->ring ? sg_ring_start(c->ring) : 0;
		return c->ring ? SG_OK : SG_ERR_UNSUPPORTED;
	}
	sg_stream_join(l->source, &join);
	*c = (struct cursor){sg_stream_ring(l->source), SG_FORM_FLV, join.cursor, false};
	res = sg_outlet_write(o, flv_header, sizeof(flv_header));
	for (size_t i = 0; i < join.lead_count && res == SG_OK; i++)
		res = write_frame(l, o, join.lead[i], c->form);
	sg_stream_join_reset(&join);
	return res;
}

static void on_wake(struct sg_ring_waiter *w)
{
	line_wake(SG_CONTAINER_OF(w, struct relay_line, waiter));
}

/* One turn: what is there. *ended: the stream is over, and all of it was sent. */
static enum sg_result send_some(
    struct relay_line *l, struct sg_outlet *o, struct cursor *c, bool *ended)
{
	struct sg_frame *frames[FRAMES_AT_ONCE];
	struct sg_ring_read rd = {.frames = frames, .max = FRAMES_AT_ONCE, .next = c->next};
	enum sg_result res = SG_OK;

	sg_ring_read(c->ring, &rd, c->late);
	c->late = rd.count == FRAMES_AT_ONCE &&
		  sg_mono_us() - frames[FRAMES_AT_ONCE - 1]->arrived_us > FAR_BEHIND_US;
	for (size_t i = 0; i < rd.count; i++) {
		if (res == SG_OK)
			res = write_frame(l, o, frames[i], c->form);
		sg_frame_unref(frames[i]);
	}
	c->next = rd.next;
	atomic_fetch_add(&l->relay->skipped, rd.skipped);
	*ended = rd.ended;
	if (res == SG_OK && !rd.count)
		res = sg_outlet_flush(o);
	return res;
}

/* NULL: the stream is over, or we are stopped. */
static const char *carry(struct relay_line *l, struct sg_outlet *o)
{
	struct cursor c;
	bool ended = false;
	enum sg_result res = join(l, o, &c);
	uint64_t before;
	int64_t wanted_ms = sg_mono_ms();

	if (res == SG_ERR_UNSUPPORTED)
		return "its codecs do not go into MPEG-TS";
	l->waiter.wake = on_wake;
	sg_ring_add_waiter(c.ring, &l->waiter);
	while (res == SG_OK && !ended && !atomic_load(&l->stop)) {
		before = c.next;
		res = send_some(l, o, &c, &ended);
		if (res == SG_OK && c.next != before)
			line_set(l, SG_RELAY_RUNNING);
		if (res != SG_OK || ended || c.next != before)
			continue;
		line_heard(l, 0); /* it is our source that has a gap */
		line_sleep(l, IDLE_MS);
		if (c.form == SG_FORM_RAW && sg_mono_ms() - wanted_ms > 20000) {
			wanted_ms = sg_mono_ms();
			sg_stream_ts_ring(l->source);
		}
	}
	sg_ring_remove_waiter(c.ring, &l->waiter);
	if (res == SG_OK)
		return NULL;
	return "it broke off, or takes nothing";
}

static const char *attempt(struct relay_line *l)
{
	char *ca_file = line_ca_file(l);
	struct sg_outlet_config cfg = {
	    .url = l->url, .ca_file = ca_file, .stop = line_is_stopped, .user = l};
	struct sg_outlet *o;
	const char *why;

	line_set(l, SG_RELAY_CONNECTING);
	line_heard(l, 0);
	if (sg_outlet_open(&o, &cfg, &why) == SG_OK)
		why = carry(l, o);
	sg_outlet_close(o);
	free(ca_file);
	return why;
}

static bool is_over(struct relay_line *l)
{
	struct sg_stream *s =
	    sg_hub_find(l->relay->cfg.hub, sg_str_from(l->app), sg_str_from(l->stream));
	bool over = s != l->source;

	sg_stream_unref(s);
	return over;
}

void push_run(struct relay_line *l)
{
	while (!atomic_load(&l->stop) && !is_over(l)) {
		if (!sg_stream_is_live(l->source)) { /* a gap: there is nothing to send */
			line_sleep(l, IDLE_MS);
			continue;
		}
		const char *why = attempt(l);
		if (why)
			line_failed(l, why);
	}
	if (is_over(l))
		sg_log_info("relay: pushes %s/%s no longer: it has ended", l->app, l->stream);
}
