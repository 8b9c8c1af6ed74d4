/* move.c - a viewer that goes on elsewhere: at another variant of its stream, with a track more, or out. */
#include "webrtc/rtc_internal.h"
#include <stdio.h>

#define VIDEO 0

/* Where a reader begins who comes now; `otherwise` when nothing is there yet. */
static int64_t first_pts(struct sg_stream *s, int64_t otherwise)
{
	struct sg_frame *f;
	struct sg_join join;

	sg_stream_join(s, &join);
	struct sg_ring_read rd = { .frames = &f, .max = 1, .next = join.cursor };
	sg_ring_read(sg_stream_ring(s), &rd, false);
	sg_stream_join_reset(&join);
	if (!rd.count)
		return otherwise;
	int64_t pts = f->pts_90khz;
	sg_frame_unref(f);
	return pts < otherwise ? pts : otherwise;
}

/* The other one begins at a keyframe of the past, which is shown in quick motion like any beginning, but behind
 * what has been shown already: no timestamp comes twice. */
static void begin_behind(struct rtc_viewer *v, struct sg_stream *s)
{
	int64_t from = first_pts(s, first_pts(sg_stream_source(s), v->shown_pts));
	int64_t newest = rtc_live_pts(v->peer);

	v->live_pts = v->shown_pts + (v->shown_pts - from) / (RTC_PRESS - 1) + 1;
	if (v->live_pts < newest)
		v->live_pts = newest;
}

static bool follow(struct rtc_viewer *v, struct sg_stream *s)
{
	struct sg_webrtc_peer *p = v->peer;
	int mode = rtc_h264_mode(p);
	uint64_t cursor;
	struct sg_rtp_packer *packer = rtc_packer_for(s, mode, &cursor);

	if (!packer)
		return false;
	rtc_channel_leave(v->channel, v);
	if (!(v->channel = rtc_channel_join(p->lane, s, mode, v))) {
		sg_rtp_packer_free(packer);
		return false;
	}
	sg_rtp_packer_free(v->packer);
	v->packer = packer;
	v->cursor = cursor;
	v->catching_up = v->skipping = true;
	begin_behind(v, s);
	sg_stream_ref(s); /* it may be the same */
	sg_stream_unref(p->stream);
	p->stream = s;
	return true;
}

void rtc_viewer_begin_again(struct rtc_viewer *v)
{
	if (!follow(v, v->peer->stream))
		rtc_peer_drop(v->peer, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
}

static void end_of_agreement(struct sg_webrtc_peer *p, enum sg_codec codec)
{
	char why[120];

	snprintf(why, sizeof(why), "the stream's picture is %s now, which this viewer has not agreed to",
	    sg_codec_name(codec));
	rtc_peer_drop(p, SG_ADMITTED, SG_BYE_STREAM_ENDED, why);
}

/* What came was not what had been agreed on: is there a variant of the stream that is? Sound may be missing, as
 * it may be from the beginning; without its picture a viewer is told and ended. */
void rtc_viewer_move(struct rtc_viewer *v, int64_t now_ms)
{
	struct sg_webrtc_peer *p = v->peer;
	struct sg_stream_info info;

	v->moved_ms = now_ms;
	v->astray = false;
	struct sg_stream *s = rtc_find_variant(p);
	if (!s)
		return; /* its ring's end tells */
	sg_stream_info(s, &info);
	if (p->tracks[VIDEO].on && info.video != SG_CODEC_NONE && !rtc_track_takes(&p->tracks[VIDEO], info.video))
		end_of_agreement(p, info.video);
	else if (p->tracks[VIDEO].on && info.video == SG_CODEC_H264 && info.has_b_frames)
		rtc_refuse_b_frames(p);
	else if (s != p->stream && !follow(v, s))
		rtc_peer_drop(p, SG_OVERLOAD, SG_BYE_NO_MEDIA, "");
	else
		rtc_describe_more(p);
	sg_stream_unref(s);
}
