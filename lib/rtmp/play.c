/* play.c - a viewer: admitted, and then a follower of the stream's ring. */
#include "rtmp/rtmp_internal.h"
#include <stdlib.h>

static void on_follower_ended(void *user, enum sg_follower_end why)
{
	struct rtmp_peer *p = user;

	if (why == SG_FOLLOWER_STREAM_ENDED) {
		struct sg_buf out;
		peer_count_bytes(p);
		viewer_end(p); /* what is said now does not go through the follower any more */
		sg_buf_init(&out, 64);
		put_user_control(&out, 1, RTMP_STREAM); /* StreamEOF */
		peer_send(p, &out);
		sg_buf_reset(&out);
		peer_say_and_close(p, "status", "NetStream.Play.Stop", "The stream has ended.",
		    SG_BYE_STREAM_ENDED);
	} else {
		peer_drop(p, why == SG_FOLLOWER_STALLED ? SG_BYE_STALLED : SG_BYE_BROKEN);
	}
	peer_settle(p);
}

static void put_sample_access(struct sg_buf *out)
{
	struct sg_buf b;

	sg_buf_init(&b, 64);
	sg_amf_put_string(&b, "|RtmpSampleAccess");
	sg_amf_put_bool(&b, true);
	sg_amf_put_bool(&b, true);
	sg_rtmp_put_message(out, 5, SG_RTMP_DATA, RTMP_STREAM, b.p, b.len);
	sg_buf_reset(&b);
}

static bool follow(struct rtmp_peer *p)
{
	struct sg_join join;

	sg_stream_join(p->stream, &join);
	const struct sg_follower_config cfg = { .conn = p->conn, .ring = sg_stream_ring(p->stream),
		.form = SG_FORM_RTMP, .cursor = join.cursor, .lead = join.lead,
		.lead_count = join.lead_count, .ended = on_follower_ended, .user = p };
	enum sg_result res = sg_follower_open(&p->follower, p->lane->fanout, &cfg);
	sg_stream_join_reset(&join);
	return res == SG_OK;
}

/* The order that players expect (MEDIA: StreamBegin, Reset, Start, then headers and a keyframe). */
void viewer_admitted(struct rtmp_peer *p)
{
	struct sg_buf out;
	char id[SG_SESSION_ID_SIZE];

	p->stream = sg_hub_find(p->lane->srv->cfg.hub, sg_str_from(sg_session_app(p->session)),
	    sg_str_from(sg_session_stream(p->session)));
	if (!p->stream) { /* it ended in these milliseconds */
		peer_refuse(p, SG_STREAM_NOT_LIVE);
		return;
	}
	if (!p->takes_opus)
		p->stream = sg_stream_classic(p->stream);
	p->stage = STAGE_ACTIVE;
	sg_buf_init(&out, 4096);
	put_user_control(&out, 0, RTMP_STREAM); /* StreamBegin */
	put_status(&out, "status", "NetStream.Play.Reset", "Playing anew.");
	put_status(&out, "status", "NetStream.Play.Start", "Playing.");
	put_sample_access(&out);
	peer_send(p, &out);
	sg_buf_reset(&out);
	if (p->dead)
		return;
	if (p->out.len || !follow(p)) { /* a fresh socket takes this much, or it is broken */
		peer_drop(p, SG_BYE_BROKEN);
		return;
	}
	p->deadline_ms = 0;
	p->counted = 0;
	p->ping_ms = sg_mono_ms();
	p->until_ms = p->play_for_ms ? p->ping_ms + p->play_for_ms : 0;
	p->counted_role = true;
	atomic_fetch_add(&p->lane->srv->players, 1);
	sg_session_id(p->session, id);
	sg_log_debug("rtmp %s: plays %s/%s, session %s", peer_name(p), sg_session_app(p->session),
	    sg_session_stream(p->session), id);
	peer_go_on(p);
}

void viewer_end(struct rtmp_peer *p)
{
	sg_follower_close(p->follower);
	p->follower = NULL;
	sg_stream_unref(p->stream);
	p->stream = NULL;
	if (p->counted_role)
		atomic_fetch_sub(&p->lane->srv->players, 1);
	p->counted_role = false;
}
