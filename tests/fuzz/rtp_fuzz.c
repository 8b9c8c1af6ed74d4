/* Feeds hostile RTP to a receiving track of each codec, and hostile frames to the packetizer. The first byte says
 * which codec; then come packets, each a length (2 bytes), a step of the clock (1 byte) and its bytes. What comes
 * out is packed again and must survive that. */
#include "webrtc/rtp.h"
#include <stdlib.h>

static const enum sg_codec codecs[] = { SG_CODEC_H264, SG_CODEC_VP8, SG_CODEC_VP9, SG_CODEC_AV1, SG_CODEC_OPUS };

static void check_packets(const struct sg_rtp_frame *f)
{
	if (!f->count)
		abort();
	for (size_t i = 0; i < f->count; i++)
		if (!f->packets[i].size || f->packets[i].size > SG_RTP_PAYLOAD_MAX ||
		    f->packets[i].marker != (i + 1u == f->count && f->kind == SG_FRAME_VIDEO))
			abort();
}

static void pack(struct sg_rtp_packer *p, const struct sg_frame *f, bool must)
{
	struct sg_rtp_frame *out;
	enum sg_result res = sg_rtp_pack(p, f, &out);

	if ((res == SG_OK) != (out != NULL) || (must && res != SG_OK && res != SG_ERR_LIMIT))
		abort();
	if (out)
		check_packets(out);
	sg_rtp_frame_unref(out);
}

static void drain(struct sg_rtp_track *t, struct sg_rtp_packer *packers[2], int64_t now_ms)
{
	uint16_t seqs[64];
	struct sg_frame *f;
	int64_t ticks;

	while ((f = sg_rtp_track_next(t, now_ms, &ticks))) {
		for (int i = 0; i < 2; i++)
			pack(packers[i], f, i == 1 && !(f->flags & SG_FRAME_CONFIG));
		sg_frame_unref(f);
	}
	if (sg_rtp_track_nacks(t, now_ms, 50, seqs, 64) > 64)
		abort();
	(void)sg_rtp_track_deadline(t);
}

/* The bytes as a frame's payload, and as a configuration. */
static void pack_raw(struct sg_rtp_packer *packers[2], enum sg_codec codec, const uint8_t *p, size_t size)
{
	for (int config = 1; config >= 0; config--) {
		struct sg_frame *f = sg_frame_new(
		    codec == SG_CODEC_OPUS ? SG_FRAME_AUDIO : SG_FRAME_VIDEO, codec, size);
		if (!f)
			return;
		memcpy(f->payload, p, size);
		f->flags = config ? SG_FRAME_CONFIG : SG_FRAME_KEY;
		for (int i = 0; i < 2; i++)
			pack(packers[i], f, false);
		sg_frame_unref(f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sg_rtp_extmap ids = { 4, 3, 2, 1 };
	struct sg_reader r = { data, size };
	uint8_t first, step;
	uint16_t len;
	const uint8_t *bytes;
	int64_t now_ms = 1000;

	if (!sg_read_u8(&r, &first))
		return 0;
	struct sg_rtp_track_config cfg = { .codec = codecs[first % 5], .wait_ms = 200, .nack = first & 16,
		.max_packets = 32, .max_frame_bytes = 1 << 16, .channels = 2 };
	struct sg_rtp_track *t = sg_rtp_track_new(&cfg);
	struct sg_rtp_packer *packers[2] = { sg_rtp_packer_new(0), sg_rtp_packer_new(1) };
	if (!t || !packers[0] || !packers[1])
		abort();
	if (first & 32)
		sg_rtp_track_set_parameters(t, SG_STR("Z0IACpZTBYmI,aMljiA=="));
	while (sg_read_be16(&r, &len) && sg_read_u8(&r, &step)) {
		struct sg_rtp_packet p;
		len = (uint16_t)(len % 1500 < r.left ? len % 1500 : r.left);
		if (!sg_read_bytes(&r, len, &bytes))
			break;
		uint8_t *copy = malloc(len ? len : 1);
		if (!copy)
			break;
		memcpy(copy, bytes, len);
		if (sg_rtp_parse(&p, copy, len, &ids) == SG_OK)
			sg_rtp_track_feed(t, &p, now_ms);
		free(copy);
		now_ms += step;
		drain(t, packers, now_ms);
	}
	drain(t, packers, now_ms + 10000);
	pack_raw(packers, cfg.codec, data, size);
	sg_rtp_packer_free(packers[0]);
	sg_rtp_packer_free(packers[1]);
	sg_rtp_track_free(t);
	return 0;
}
