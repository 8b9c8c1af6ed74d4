/* Feeds hostile RTCP to the reader, and everything that can be asked of a packet; transport-wide feedback that was
 * read is written again from what it says. */
#include "webrtc/rtcp.h"
#include <stdlib.h>

static struct sg_twcc_status statuses[70000];

static void ask(const struct sg_rtcp_packet *p, struct sg_twcc *twcc)
{
	struct sg_rtcp_block block;
	uint16_t seqs[64];
	size_t count;

	if (p->type == SG_RTCP_SR || p->type == SG_RTCP_RR) {
		for (unsigned i = 0; i < p->count; i++) {
			sg_rtcp_get_block(p, i, &block);
			(void)sg_rtcp_round_trip_ms(&block, 0x123456789abcdef);
		}
	}
	(void)sg_rtcp_names(p, 1);
	(void)sg_rtcp_get_answer(p, 1, &block);
	(void)sg_rtcp_reference_time(p);
	(void)sg_rtcp_fir_number(p, 1);
	if (sg_rtcp_nack_seqs(p, seqs, 64) > 64)
		abort();
	if (p->type != SG_RTCP_TRANSPORT_CC ||
	    sg_rtcp_twcc_parse(p, statuses, sizeof(statuses) / sizeof(statuses[0]), &count) != SG_OK)
		return;
	for (size_t i = 0; i < count; i++)
		if (statuses[i].received)
			sg_twcc_arrived(twcc, statuses[i].seq, statuses[i].arrived_us & 0xffffffffff);
}

static void rewrite(struct sg_twcc *twcc)
{
	struct sg_buf b;
	struct sg_rtcp_packet p;
	size_t count;

	sg_buf_init(&b, 1100);
	for (int i = 0; i < 100 && sg_twcc_write(twcc, &b, 1, 2); i++, b.len = 0) {
		struct sg_reader r = { b.p, b.len };
		if (sg_rtcp_next(&r, &p) != SG_OK || p.type != SG_RTCP_TRANSPORT_CC || r.left ||
		    sg_rtcp_twcc_parse(&p, statuses, 1000, &count) != SG_OK || !count)
			abort();
	}
	if (b.failed)
		abort();
	sg_buf_reset(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sg_twcc twcc;
	uint8_t *copy = malloc(size ? size : 1);
	struct sg_reader r = { copy, size };
	struct sg_rtcp_packet p;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	sg_twcc_init(&twcc);
	for (size_t left = r.left; sg_rtcp_next(&r, &p) == SG_OK; left = r.left) {
		if (r.left >= left)
			abort();
		ask(&p, &twcc);
	}
	rewrite(&twcc);
	free(copy);
	return 0;
}
