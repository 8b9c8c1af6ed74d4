/* media_fixture.h - what the tests of frames, rings, streams and followers share: frames that are known
 * by their number, events to wait for. */
#ifndef MEDIA_FIXTURE_H
#define MEDIA_FIXTURE_H

#include "base/clock.h"
#include "media/frame.h"
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WAIT_S 30 /* for what comes at once, also on a loaded machine under a sanitizer */

static inline bool await_within(sem_t *event, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (sem_timedwait(event, &until) != 0)
		if (errno != EINTR)
			return false;
	return true;
}

#define await(event) assert_true(await_within(event, WAIT_S * 1000))

/* A sealed frame that arrived now; `n` stands in its first four bytes, the rest is made of it. */
static inline struct sg_frame *numbered_frame(
    enum sg_frame_kind kind, unsigned flags, uint32_t n, size_t size)
{
	enum sg_codec codec = kind == SG_FRAME_VIDEO   ? SG_CODEC_H264
			      : kind == SG_FRAME_AUDIO ? SG_CODEC_AAC
						       : SG_CODEC_NONE;
	struct sg_frame *f = sg_frame_new(kind, codec, size);

	assert_non_null(f);
	assert_true(size >= 4);
	f->flags = (uint8_t)flags;
	f->dts_90khz = f->pts_90khz = (int64_t)n * 3600;
	f->arrived_us = sg_mono_us();
	for (size_t i = 4; i < size; i++)
		f->payload[i] = (uint8_t)(n * 7 + i);
	sg_put_be32(f->payload, n);
	sg_frame_seal(f);
	return f;
}

static inline uint32_t number_of(const struct sg_frame *f)
{
	struct sg_reader r = { f->payload, f->size };
	uint32_t n = UINT32_MAX;

	assert_true(sg_read_be32(&r, &n));
	return n;
}

#endif
