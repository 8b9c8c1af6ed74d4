/* Feeds hostile session descriptions: what is read is answered, and the answer can be read; the same bytes as a
 * trickled fragment and as a candidate. */
#include "webrtc/sdp.h"
#include <stdlib.h>

static const struct sg_sdp_address addresses[] = { { "192.0.2.1", 50000, false }, { "2001:db8::1", 50000, true } };
static const struct sg_sdp_local local = { .session_id = 1, .version = 2, .ufrag = "abcd",
	.pwd = "0123456789012345678901", .setup = SG_SDP_PASSIVE, .addresses = addresses, .address_count = 2,
	.cname = "c" };

static void answer(const struct sg_sdp *offer, bool viewer)
{
	struct sg_sdp_section sections[SG_SDP_SECTIONS_MAX] = { 0 };
	struct sg_sdp *back;
	struct sg_buf b;
	char error[100];

	for (size_t i = 0; i < offer->media_count; i++) {
		const struct sg_sdp_media *m = &offer->media[i];
		if (m->kind != SG_SDP_VIDEO && m->kind != SG_SDP_AUDIO)
			continue;
		sections[i] = (struct sg_sdp_section){ .direction = viewer ? SG_SDP_SENDONLY : SG_SDP_RECVONLY,
			.feedback = 31, .transport_cc = true, .mid_extension = true, .abs_send_time = true,
			.ssrc = viewer ? 7 : 0, .msid_stream = "s", .msid_track = "t" };
		sections[i].codec = !viewer ? sg_sdp_choose(m)
					    : sg_sdp_match(m, m->kind == SG_SDP_VIDEO ? SG_CODEC_H264 : SG_CODEC_OPUS,
						  (const uint8_t *)"\1\x64\0\x1f", 4);
		static const enum sg_codec others[] = { SG_CODEC_VP8, SG_CODEC_VP9, SG_CODEC_AV1 };
		for (size_t k = 0, n = 0; viewer && k < SG_SDP_OTHERS_MAX; k++) {
			const struct sg_sdp_codec *c = sg_sdp_match(m, others[k], NULL, 0);
			if (c)
				sections[i].others[n++] = c;
		}
	}
	sg_buf_init(&b, 4 * SG_SDP_MAX);
	sg_sdp_write_answer(&b, offer, &local, sections);
	if (b.failed)
		abort();
	if (b.len <= SG_SDP_MAX) {
		if (sg_sdp_parse(&back, (struct sg_str){ (char *)b.p, b.len }, error, sizeof(error)) != SG_OK ||
		    back->media_count != offer->media_count)
			abort();
		sg_sdp_free(back);
	}
	sg_buf_reset(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1), error[100];
	struct sg_str text = { copy, size };
	struct sg_sdp_fragment fragment;
	struct sg_candidate candidate;
	struct sg_sdp *sdp;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	if (sg_sdp_parse(&sdp, text, error, sizeof(error)) == SG_OK) {
		(void)sg_sdp_transport(sdp);
		answer(sdp, false);
		answer(sdp, true);
	} else if (sdp || !error[0]) {
		abort();
	}
	sg_sdp_free(sdp);
	(void)sg_sdp_fragment_parse(&fragment, text);
	(void)sg_candidate_parse(text, &candidate);
	free(copy);
	return 0;
}
