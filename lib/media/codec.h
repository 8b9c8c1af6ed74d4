/* codec.h - what a codec's configuration record says: sizes, rates, names. Pure. */
#ifndef SG_MEDIA_CODEC_H
#define SG_MEDIA_CODEC_H

#include "media/frame.h"

struct sg_video_params {
	int width, height; /* 0 = unknown */
	char profile[24];  /* "High@3.1" */
	char rfc6381[40];  /* "avc1.64001F" */
	int nal_length;    /* bytes of a NAL unit's length prefix, 0 = not such a codec */
};
struct sg_audio_params {
	int sample_rate, channels;
	int frame_samples; /* 0 = varies */
	int object_type, layout; /* AAC: ISO 14496-3 tables 1.17 (audioObjectType) and 1.19 (channelConfiguration) */
	char rfc6381[24];
};

/* `config`: avcC (ISO 14496-15 5.3.3), hvcC (8.3.3), av1C; `frame`: a keyframe for those whose sizes
 * stand there, or NULL. */
SG_MUST_CHECK enum sg_result sg_video_params_parse(enum sg_codec codec, const uint8_t *config,
    size_t config_len, const struct sg_frame *key, struct sg_video_params *out);
/* `config`: AudioSpecificConfig (ISO 14496-3 1.6.2.1), OpusHead (RFC 7845 5.1); MP3: a frame. */
SG_MUST_CHECK enum sg_result sg_audio_params_parse(enum sg_codec codec, const uint8_t *config,
    size_t len, struct sg_audio_params *out);

/* Are the length-prefixed NAL units in [p, p+len) whole, with prefixes of `nal_length` bytes?
 * *size4: how many bytes they take with prefixes of four. */
bool sg_nalus_are_whole(const uint8_t *p, size_t len, int nal_length, size_t *size4);
/* The same units with prefixes of four bytes; `out` holds size4 bytes. */
void sg_nalus_widen(uint8_t *out, const uint8_t *p, size_t len, int nal_length);

/* FFmpeg's number for it (enum AVCodecID), 0 = none. */
int sg_codec_av_id(enum sg_codec codec);

#endif
