/* publish.c - a publisher: held until the first media, then committed, then at the hub. */
#include "rtmp/rtmp_internal.h"
#include <stdlib.h>

#define META_MAX 65536
/* When a publisher comes back (R13), the one that hangs may still be leaving. */
#define RETRY_MS 20
#define RETRIES 50
/* To be woken for each message costs more than what there is to do with it. While nobody wants it at once it is left
 * with the kernel until it is due; but those who wait for a picture only (no longer than PICTURE_US) get it when it
 * comes, which is when there is more than some sound. */
#define PUT_OFF_MIN_US 5000
#define PUT_OFF_MAX_US 400000 /* who looks later than that does not say when a viewer will */
#define UNWATCHED_US 100000 /* so old may be the newest that a viewer finds who comes now */
#define PICTURE_US 45000
#define SOUND_BYTES 1024
#define BURST_BYTES 262144

void publisher_admitted(struct rtmp_peer *p)
{
	struct sg_buf out;

	p->stage = STAGE_HELD;
	p->deadline_ms = sg_mono_ms() + p->lane->srv->cfg.first_media_ms;
	p->chunks.max_message = SG_FRAME_MAX_BYTES + 64;
	sg_buf_init(&p->meta, META_MAX);
	sg_buf_init(&p->first, p->chunks.max_message);
	sg_buf_init(&out, 1024);
	put_user_control(&out, 0, RTMP_STREAM); /* StreamBegin */
	put_status(&out, "status", "NetStream.Publish.Start", "Publishing.");
	peer_send(p, &out);
	sg_buf_reset(&out);
	if (!p->dead)
		peer_go_on(p);
}

/* ---- media ---- */

static void write_tag(struct rtmp_peer *p, uint8_t type, uint32_t ms, struct sg_reader body)
{
	enum sg_result res = sg_publisher_write_flv(p->publisher, type, ms, body.p, body.left);

	if (res == SG_OK)
		return;
	peer_bad_input(p, res == SG_ERR_UNSUPPORTED ? "a codec that is not carried here"
			  : res == SG_ERR_LIMIT      ? "a frame larger than any may be"
						     : "media that is malformed");
}

/* An aggregate holds FLV tags whose times count from the first one's (RTMP 1.0 section 7.1.6). */
static void write_aggregate(struct rtmp_peer *p, uint32_t ms, struct sg_reader body)
{
	uint32_t len, at, first = 0, stream;
	uint8_t type, high;
	const uint8_t *data;
	bool has_first = false;

	while (body.left && !p->dead) {
		if (!sg_read_u8(&body, &type) || !sg_read_be24(&body, &len) || !sg_read_be24(&body, &at) ||
		    !sg_read_u8(&body, &high) || !sg_read_be24(&body, &stream) ||
		    !sg_read_bytes(&body, len, &data)) {
			peer_bad_input(p, "an aggregate message that is cut short");
			return;
		}
		sg_read_skip(&body, 4); /* the back pointer; the last one may lack */
		at |= (uint32_t)high << 24;
		if (!has_first)
			first = at;
		has_first = true;
		write_tag(p, type, ms + (at - first), (struct sg_reader){ data, len });
	}
}

static void write_media(struct rtmp_peer *p, uint8_t type, uint32_t ms, struct sg_reader body)
{
	if (type == SG_RTMP_AGGREGATE)
		write_aggregate(p, ms, body);
	else
		write_tag(p, type, ms, body);
}

/* Metadata may come before media: it is kept, the newest only. */
static void keep_meta(struct rtmp_peer *p, struct sg_reader body)
{
	sg_buf_reset(&p->meta);
	sg_buf_append(&p->meta, body.p, body.left);
}

void publisher_message(struct rtmp_peer *p, const struct sg_rtmp_message *m)
{
	struct sg_reader body = m->body;
	uint8_t type = m->type;

	if (type == SG_RTMP_DATA_AMF3) { /* a zero, then AMF0 */
		if (!sg_read_skip(&body, 1))
			return;
		type = SG_RTMP_DATA;
	}
	if (p->stage == STAGE_ACTIVE) {
		write_media(p, type, m->timestamp, body);
	} else if (type == SG_RTMP_DATA) {
		keep_meta(p, body);
	} else if (body.left) { /* some encoders send an empty one first: that is no media yet */
		/* Media is here: the use is spent now, and nothing is taken on before that is durable. */
		p->first_type = type;
		p->first_ms = m->timestamp;
		sg_buf_append(&p->first, body.p, body.left);
		p->stage = STAGE_COMMITTING;
		sg_gate_commit(p->session);
	}
}

/* ---- reading ---- */

void publisher_put_off(struct rtmp_peer *p, bool drained)
{
	int64_t left_us = 0, bytes = 1;

	if (drained && p->stage == STAGE_ACTIVE) {
		int64_t now_us = sg_mono_us(), due_us = sg_publisher_due_us(p->publisher);
		left_us = due_us > now_us + PUT_OFF_MAX_US ? UNWATCHED_US : due_us - now_us;
	}
	if (left_us > PICTURE_US)
		bytes = BURST_BYTES;
	else if (left_us > PUT_OFF_MIN_US && !p->chunks.claimed) /* the rest of a picture may be as short as sound */
		bytes = SOUND_BYTES;
	/* One that stops until it is acknowledged is acknowledged in time. */
	int64_t open = (int64_t)p->window - (int64_t)(p->bytes_in - p->acked);
	if (bytes > open)
		bytes = open > 1 ? open : 1;
	sg_conn_want_at_least(p->conn, (int)bytes);
	if (bytes > 1)
		sg_timer_start(p->look, left_us / 1000, 0);
	else
		sg_timer_stop(p->look);
}

static void on_look(void *user)
{
	peer_read(user);
}

/* ---- committed ---- */

static void start(struct rtmp_peer *p)
{
	struct sg_buf first = p->first, meta = p->meta;
	char id[SG_SESSION_ID_SIZE];

	sg_buf_init(&p->first, 0);
	sg_buf_init(&p->meta, 0);
	p->stage = STAGE_ACTIVE;
	p->counted_role = true;
	p->deadline_ms = sg_mono_ms() + p->lane->srv->cfg.publisher_silent_ms;
	atomic_fetch_add(&p->lane->srv->publishers, 1);
	sg_session_id(p->session, id);
	sg_log_info("rtmp %s: publishes %s/%s, session %s", peer_name(p), sg_session_app(p->session),
	    sg_session_stream(p->session), id);
	if (meta.len)
		write_tag(p, SG_RTMP_DATA, p->first_ms, (struct sg_reader){ meta.p, meta.len });
	if (!p->dead)
		write_media(p, p->first_type, p->first_ms, (struct sg_reader){ first.p, first.len });
	sg_buf_reset(&first);
	sg_buf_reset(&meta);
	if (!p->dead)
		peer_go_on(p);
}

static void try_start(struct rtmp_peer *p)
{
	enum sg_result res = sg_hub_publish(p->lane->srv->cfg.hub, sg_str_from(sg_session_app(p->session)),
	    sg_str_from(sg_session_stream(p->session)), "rtmp", &p->publisher);

	if (res == SG_ERR_EXISTS && p->retries++ < RETRIES)
		return;
	sg_timer_close(p->retry);
	p->retry = NULL;
	if (res == SG_OK)
		start(p);
	else
		peer_refuse(p, res == SG_ERR_EXISTS ? SG_ALREADY_PUBLISHING : SG_OVERLOAD);
}

static void on_retry(void *user)
{
	struct rtmp_peer *p = user;

	try_start(p);
	peer_settle(p);
}

void publisher_committed(struct rtmp_peer *p)
{
	if (sg_timer_open(&p->retry, p->lane->loop, on_retry, p) != SG_OK ||
	    sg_timer_open(&p->look, p->lane->loop, on_look, p) != SG_OK) {
		peer_refuse(p, SG_OVERLOAD);
		return;
	}
	p->retries = 0;
	sg_timer_start(p->retry, RETRY_MS, RETRY_MS);
	try_start(p);
}

void publisher_end(struct rtmp_peer *p)
{
	sg_timer_close(p->retry);
	sg_timer_close(p->look);
	p->retry = p->look = NULL;
	sg_conn_want_at_least(p->conn, 1);
	if (p->publisher)
		sg_log_info("rtmp %s: no longer publishes %s/%s: %s", peer_name(p),
		    sg_session_app(p->session), sg_session_stream(p->session), sg_goodbye_name(p->bye));
	sg_publisher_close(p->publisher, p->bye != SG_BYE_BROKEN);
	p->publisher = NULL;
	if (p->counted_role)
		atomic_fetch_sub(&p->lane->srv->publishers, 1);
	p->counted_role = false;
	sg_buf_reset(&p->first);
	sg_buf_reset(&p->meta);
}
