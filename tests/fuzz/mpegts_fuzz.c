/* Feeds MPEG-TS as a hostile publisher sends it, through libavformat, to the frames that come of it. */
#include "media/intake.h"
#include <libavutil/log.h>
#include <stdlib.h>

struct bytes {
	const uint8_t *p;
	size_t left;
};

static int take(void *user, uint8_t *out, int size)
{
	struct bytes *b = user;
	size_t n = b->left < (size_t)size ? b->left : (size_t)size;

	if (!n)
		return -1;
	memcpy(out, b->p, n);
	b->p += n;
	b->left -= n;
	return (int)n;
}

static bool never(void *user)
{
	(void)user;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes bytes = {data, size};
	struct sg_intake_config cfg = {
	    .read = take, .format = "mpegts", .stop = never, .user = &bytes};
	struct sg_intake *in;
	struct sg_frame *f;
	const char *why = NULL;

	av_log_set_level(AV_LOG_QUIET);
	if (sg_intake_open(&in, &cfg, &why) != SG_OK)
		return 0;
	while (sg_intake_next(in, &f) == SG_OK) {
		if (!f || f->size > SG_FRAME_MAX_BYTES ||
		    (f->kind != SG_FRAME_VIDEO && f->kind != SG_FRAME_AUDIO))
			abort();
		sg_frame_unref(f);
	}
	sg_intake_close(in);
	return 0;
}
