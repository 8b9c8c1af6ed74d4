/* sound.c - plays the sound: converted to 48 kHz stereo, queued at the device. */
#include "streamplay.h"
#include <SDL2/SDL.h>
#include <libswresample/swresample.h>
#include <stdlib.h>

#define RATE 48000
#define FRAME_BYTES 4 /* two channels of 16 bits */
#define QUEUE_MAX_S 2.0

struct sound {
	SDL_AudioDeviceID device;
	SwrContext *swr;
	int rate, format; /* of what swr was made for */
	AVChannelLayout layout;
	uint8_t *buf;
	int buf_frames;

	pthread_mutex_t lock;
	int64_t queued_to_us; /* the media time behind the last sample queued */
	bool any, paused;
};

struct sound *sound_open(void)
{
	SDL_AudioSpec want = {.freq = RATE, .format = AUDIO_S16SYS, .channels = 2, .samples = 1024};
	struct sound *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (SDL_InitSubSystem(SDL_INIT_AUDIO) == 0)
		s->device = SDL_OpenAudioDevice(NULL, 0, &want, NULL, 0);
	if (!s->device) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	SDL_PauseAudioDevice(s->device, 0);
	return s;
}

void sound_close(struct sound *s)
{
	if (!s)
		return;
	SDL_CloseAudioDevice(s->device);
	swr_free(&s->swr);
	av_channel_layout_uninit(&s->layout);
	av_freep(&s->buf);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

double sound_buffered_s(struct sound *s)
{
	return (double)SDL_GetQueuedAudioSize(s->device) / FRAME_BYTES / RATE;
}

bool sound_clock(struct sound *s, int64_t *pts_us)
{
	double left = sound_buffered_s(s);

	pthread_mutex_lock(&s->lock);
	bool heard = s->any && !s->paused && left > 0;
	*pts_us = s->queued_to_us - (int64_t)(left * 1e6);
	pthread_mutex_unlock(&s->lock);
	return heard;
}

void sound_pause(struct sound *s, bool paused)
{
	SDL_PauseAudioDevice(s->device, paused);
	pthread_mutex_lock(&s->lock);
	s->paused = paused;
	pthread_mutex_unlock(&s->lock);
}

static bool set_input(struct sound *s, const AVFrame *f)
{
	AVChannelLayout in = {0}, stereo = AV_CHANNEL_LAYOUT_STEREO;
	bool same = s->swr && s->rate == f->sample_rate && s->format == f->format &&
		    !av_channel_layout_compare(&s->layout, &f->ch_layout);

	if (same)
		return true;
	swr_free(&s->swr);
	av_channel_layout_uninit(&s->layout);
	if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
		av_channel_layout_default(&in, f->ch_layout.nb_channels);
	else if (av_channel_layout_copy(&in, &f->ch_layout) < 0)
		return false;
	int err = swr_alloc_set_opts2(&s->swr, &stereo, AV_SAMPLE_FMT_S16, RATE, &in,
	    (enum AVSampleFormat)f->format, f->sample_rate, 0, NULL);
	av_channel_layout_uninit(&in);
	if (err < 0 || swr_init(s->swr) < 0 ||
	    av_channel_layout_copy(&s->layout, &f->ch_layout) < 0) {
		swr_free(&s->swr);
		return false;
	}
	s->rate = f->sample_rate;
	s->format = f->format;
	return true;
}

/* Converts into s->buf; the number of sound frames there, or less than 0. */
static int convert(struct sound *s, const AVFrame *f)
{
	int room = swr_get_out_samples(s->swr, f->nb_samples);

	if (room <= 0 || room > 10 * RATE)
		return -1;
	if (room > s->buf_frames) {
		av_freep(&s->buf);
		s->buf = av_malloc((size_t)room * FRAME_BYTES);
		s->buf_frames = s->buf ? room : 0;
		if (!s->buf)
			return -1;
	}
	return swr_convert(
	    s->swr, &s->buf, s->buf_frames, (const uint8_t **)f->extended_data, f->nb_samples);
}

void sound_put(struct sound *s, const AVFrame *f, int64_t pts_us, bool live)
{
	int64_t length_us = (int64_t)f->nb_samples * 1000000 / f->sample_rate;

	if (!set_input(s, f))
		return;
	int count = convert(s, f);
	if (count <= 0)
		return;
	/* A live stream that has piled up so much is taken up again at its end. */
	if (live && sound_buffered_s(s) > QUEUE_MAX_S)
		SDL_ClearQueuedAudio(s->device);
	SDL_QueueAudio(s->device, s->buf, (Uint32)count * FRAME_BYTES);
	pthread_mutex_lock(&s->lock);
	s->queued_to_us = pts_us + length_us;
	s->any = true;
	pthread_mutex_unlock(&s->lock);
}
