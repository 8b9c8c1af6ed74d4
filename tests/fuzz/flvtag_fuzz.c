/* Feeds hostile FLV tags to a publisher: parsing, the timeline, the ring, HLS and MPEG-TS see them. The input
 * is a list of steps, each a byte that says what (the enum below), a step of the clock in milliseconds
 * (2 bytes, or 4 for a jump), a length (2 bytes) and so many bytes of a tag's body. */
#include "base/log.h"
#include "media/flvtag.h"
#include "media/hls.h"
#include <stdlib.h>

#define INPUT_MAX 16384
#define STEPS_MAX 400

enum { KIND = 3, JUMP = 4, CONFIGURED = 8, REOPEN = 16, WANT_TS = 32, PICTURE = 64, KEY = 128 };

/* High profile, 320 by 180; AAC-LC, 48 kHz: so that what is hostile comes behind what is not. */
static const uint8_t avc[] = { 0x17, 0x00, 0x00, 0x00, 0x00, 0x01, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64,
	0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
	0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60, 0x01, 0x00, 0x04, 0x68, 0xef, 0xbc,
	0xb0, 0xfd, 0xf8, 0xf8, 0x00 };
static const uint8_t aac[] = { 0xaf, 0, 0x11, 0x88 };

struct tracks {
	int64_t last_dts[4];
};

/* What players are sent keeps these promises whatever came in. */
static void check_frame(struct tracks *t, const struct sg_frame *f, bool ts)
{
	if (f->size == 0 || f->pts_90khz < f->dts_90khz || f->dts_90khz < 0)
		abort();
	if (ts && (f->kind != SG_FRAME_TS || f->size % 188 || f->payload[0] != 0x47))
		abort();
	if (ts || f->kind == SG_FRAME_META || (f->flags & SG_FRAME_CONFIG))
		return;
	if (f->dts_90khz <= t->last_dts[f->kind] || !f->rtmp_header_len || !f->flv_header_len ||
	    f->rtmp_header_len > sizeof(f->rtmp_header) || f->flv_header_len > sizeof(f->flv_header))
		abort();
	t->last_dts[f->kind] = f->dts_90khz;
}

static void check_ring(struct sg_ring *ring, bool ts)
{
	struct tracks tracks = { { -1, -1, -1, -1 } };
	struct sg_frame *frames[64];
	struct sg_ring_read rd = { .frames = frames, .max = 64 };

	do {
		sg_ring_read(ring, &rd, false);
		for (size_t i = 0; i < rd.count; i++) {
			check_frame(&tracks, frames[i], ts);
			sg_frame_unref(frames[i]);
		}
	} while (rd.count);
}

static void check_hls(struct sg_stream *s)
{
	static const char *const names[] = { "main.m3u8", "audio.m3u8", "main-0.m4s", "video-p0.m4s",
		"audio-p1.m4s", "main-init-0.mp4" };
	struct sg_hls_object *o;

	sg_blob_unref(sg_hls_master(s, "s/x/"));
	sg_blob_unref(sg_hls_mpd(s, ""));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct sg_hls_ask ask = { .name = sg_str_from(names[i]), .skip = i == 1 };
		(void)sg_hls_get(s, &ask, &o);
		sg_hls_object_free(o);
	}
}

static void check_stream(struct sg_stream *s)
{
	struct sg_ring *ts = sg_stream_ts_ring(s);
	struct sg_stream_info info;
	struct sg_join join;

	check_ring(sg_stream_ring(s), false);
	if (ts)
		check_ring(ts, true);
	sg_stream_join(s, &join);
	sg_stream_join_reset(&join);
	sg_stream_info(s, &info);
	check_hls(s);
}

struct session {
	struct sg_hub *hub;
	struct sg_publisher *pub;
	uint32_t ms;
};

static void publish(struct session *se)
{
	if (sg_hub_publish(se->hub, SG_STR("a"), SG_STR("s"), "fuzz", &se->pub) != SG_OK)
		abort();
}

static void configure(struct session *se)
{
	if (sg_publisher_write_flv(se->pub, SG_FLV_VIDEO, se->ms, avc, sizeof(avc)) != SG_OK ||
	    sg_publisher_write_flv(se->pub, SG_FLV_AUDIO, se->ms, aac, sizeof(aac)) != SG_OK)
		abort();
}

/* A copy of its own, so that a read past the end is seen. */
static void write_tag(struct session *se, uint8_t type, const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		return;
	if (len)
		memcpy(copy, p, len);
	if (sg_publisher_write_flv(se->pub, type, se->ms, copy, len) != SG_OK) {
		/* As a server does: the publisher is closed. Another may come. */
		sg_publisher_close(se->pub, false);
		publish(se);
	}
	free(copy);
}

/* A well-formed picture around hostile bytes, so that they come as far as the packagers. */
static void write_picture(struct session *se, bool key, const uint8_t *p, size_t len)
{
	uint8_t *body = malloc(len + 9);

	if (!body)
		return;
	body[0] = key ? 0x17 : 0x27;
	body[1] = 1;
	sg_put_be24(body + 2, len % 5 * 40);
	sg_put_be32(body + 5, (uint32_t)len);
	if (len)
		memcpy(body + 9, p, len);
	write_tag(se, SG_FLV_VIDEO, body, len + 9);
	free(body);
}

static bool step(struct session *se, struct sg_reader *in)
{
	static const uint8_t types[] = { SG_FLV_AUDIO, SG_FLV_VIDEO, SG_FLV_SCRIPT, SG_FLV_VIDEO };
	uint8_t what;
	uint16_t ms, len;
	uint32_t jump;

	if (!sg_read_u8(in, &what))
		return false;
	if (what & JUMP) {
		if (!sg_read_be32(in, &jump))
			return false;
		se->ms += jump;
	} else {
		if (!sg_read_be16(in, &ms))
			return false;
		se->ms += ms % 2048;
	}
	if (what & REOPEN) {
		sg_publisher_close(se->pub, what & JUMP);
		publish(se);
	}
	if (what & CONFIGURED)
		configure(se);
	if (what & WANT_TS)
		(void)sg_stream_ts_ring(sg_publisher_stream(se->pub));
	if (!sg_read_be16(in, &len))
		return false;
	size_t n = len < in->left ? len : in->left;
	const uint8_t *p = in->p;
	if (what & PICTURE)
		write_picture(se, what & KEY, p, n);
	else
		write_tag(se, types[what & KIND], p, n);
	return sg_read_skip(in, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sg_reader in = { data, size };
	struct session se = { 0 };

	if (size > INPUT_MAX)
		return 0;
	sg_log_set_level(0);
	if (sg_hub_open(&se.hub, 4) != SG_OK)
		return 0;
	publish(&se);
	check_stream(sg_publisher_stream(se.pub)); /* from here on somebody wants it as HLS */
	for (int i = 0; i < STEPS_MAX && step(&se, &in); i++)
		;
	struct sg_stream *s = sg_stream_ref(sg_publisher_stream(se.pub));
	check_stream(s);
	sg_publisher_close(se.pub, false);
	check_stream(s);
	sg_hub_close(se.hub);
	check_stream(s);
	sg_stream_unref(s);
	return 0;
}
