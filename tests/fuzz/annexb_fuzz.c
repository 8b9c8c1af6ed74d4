/* Feeds byte streams; the first byte says of which codec. */
#include "media/annexb.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sg_annexb a;
	struct sg_buf out, record;
	bool changed;

	if (size < 1)
		return 0;
	uint8_t *copy = malloc(size); /* of its own, so that a read past the end is seen */
	if (!copy)
		exit(1);
	memcpy(copy, data, size);
	sg_annexb_init(&a, copy[0] & 1 ? SG_CODEC_HEVC : SG_CODEC_H264);
	sg_buf_init(&out, 2 * size + 64);
	sg_buf_init(&record, 1 << 20);
	/* The whole, and then half of it again: sets come and go. */
	if (sg_annexb_read(&a, copy + 1, size - 1, &out, &changed) == SG_OK && out.failed)
		abort();
	sg_buf_reset(&out);
	(void)!sg_annexb_config(&a, &record);
	(void)!sg_annexb_read(&a, copy + 1, (size - 1) / 2, &out, &changed);
	(void)!sg_annexb_config(&a, &record);
	if (a.set_count > SG_ANNEXB_SETS_MAX)
		abort();
	sg_buf_reset(&out);
	sg_buf_reset(&record);
	sg_annexb_reset(&a);
	free(copy);
	return 0;
}
