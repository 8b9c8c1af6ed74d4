/* transcode_internal.h - what sound and pictures share. */
#ifndef SG_MEDIA_TRANSCODE_INTERNAL_H
#define SG_MEDIA_TRANSCODE_INTERNAL_H

#include "media/transcode.h"
#include <libavcodec/avcodec.h>

struct sg_transcoder {
	bool (*write)(struct sg_transcoder *t, const struct sg_frame *f);
	bool (*take)(struct sg_transcoder *t, AVFrame *f); /* what was decoded; false: it cannot be encoded */
	void (*free)(struct sg_transcoder *t);
	sg_transcoder_out out;
	void *user;
	enum sg_codec to;
	AVCodecContext *dec, *enc;
	AVPacket *pkt; /* for both; empty between calls */
	AVFrame *frame;
	enum sg_codec from;       /* what `dec` takes */
	struct sg_frame *config;  /* what `dec` was opened with, or NULL */
};

/* A decoder for `from` with the configuration `t->config`, times in 90 kHz. Replaces the former. */
bool transcoder_open_decoder(struct sg_transcoder *t, enum sg_codec from);
/* Takes over a configuration; true when it differs from the former. */
bool transcoder_keep_config(struct sg_transcoder *t, const struct sg_frame *f);
/* Decodes a frame and takes what comes out. False: it, or something of it, is left out. */
bool transcoder_decode(struct sg_transcoder *t, const struct sg_frame *f);
struct sg_frame *transcoder_frame(enum sg_frame_kind kind, enum sg_codec codec, const void *p, size_t size);

/* Allocate and set up; NULL: no memory. */
struct sg_transcoder *transcoder_sound_new(void);
struct sg_transcoder *transcoder_pictures_new(uint64_t bit_rate);

#endif
