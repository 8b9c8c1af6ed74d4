/* window.c - shows the picture when it is due. SDL is used by the main thread alone; the decoding
 * thread hands frames over through a short queue.
 *
 * The clock says which moment of the media is now: it runs with the computer's, and is drawn to
 * what the sound device is playing, as ears notice what eyes do not. */
#include "streamplay.h"
#include "base/clock.h"
#include <SDL2/SDL.h>
#include <fcntl.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUE_MAX 24
#define SIDE_MAX 4096 /* larger pictures are scaled down: textures have limits */
#define CLOCK_JUMP_US 2000000
#define AHEAD_US 5000 /* a frame this early is on time */

struct shown {
	AVFrame *frame;
	int64_t pts_us;
};

struct window {
	SDL_Window *win;
	SDL_Renderer *renderer;
	SDL_Texture *texture;
	int width, height; /* of the texture */
	struct SwsContext *sws;
	struct sound *sound; /* may be NULL */
	bool full_screen, redraw, paused, live;
	int64_t base_us; /* computer's clock minus the media's */
	bool clock_runs;
	int64_t paused_us;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t room;
	struct shown queue[QUEUE_MAX];
	size_t first, count;
	bool ended, quit;
};

bool window_wanted(const struct options *o)
{
	const char *x11 = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");

	if (o->arg[OPT_NO_WINDOW])
		return false;
	return o->arg[OPT_WINDOW] || (x11 && *x11) || (wayland && *wayland);
}

/* Without a display SDL falls back to drivers that show nothing to anyone, and calls that success;
 * fine for whoever asked for them by name. */
static bool shows_nothing(void)
{
	static const char *const blind[] = {"dummy", "offscreen", "evdev"};
	const char *driver = SDL_GetCurrentVideoDriver();

	for (size_t i = 0; driver && i < sizeof(blind) / sizeof(blind[0]); i++)
		if (!strcmp(driver, blind[i]))
			return !getenv("SDL_VIDEODRIVER");
	return false;
}

/* The libraries below SDL complain on standard error by themselves when there is no device. We say
 * it in one line of our own; theirs go nowhere. No other thread runs yet. */
static int quiet_begin(void)
{
	int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (kept >= 0 && null >= 0)
		dup2(null, STDERR_FILENO);
	if (null >= 0)
		close(null);
	return kept;
}

static void quiet_end(int kept)
{
	if (kept < 0)
		return;
	dup2(kept, STDERR_FILENO);
	close(kept);
}

static bool open_display(struct window *w, const char *title)
{
	SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1"); /* they are ours */
	SDL_SetHint(SDL_HINT_RENDER_SCALE_QUALITY, "linear");
	SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "0");
	if (SDL_Init(SDL_INIT_VIDEO) < 0)
		return false;
	if (shows_nothing()) {
		SDL_SetError("there is no display");
		return false;
	}
	w->win = SDL_CreateWindow(title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 640, 360,
	    SDL_WINDOW_RESIZABLE);
	if (!w->win)
		return false;
	w->renderer = SDL_CreateRenderer(w->win, -1, 0);
	return w->renderer != NULL;
}

struct window *window_open(const char *title, char *why, size_t size)
{
	struct window *w = calloc(1, sizeof(*w));

	if (!w) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->room, NULL);
	int kept = quiet_begin();
	bool open = open_display(w, title);
	w->sound = open ? sound_open() : NULL;
	quiet_end(kept);
	if (!open) {
		snprintf(why, size, "%s", SDL_GetError());
		window_close(w);
		return NULL;
	}
	w->redraw = true;
	if (!w->sound)
		play_warn("cannot open a sound device: %s: playing without sound", SDL_GetError());
	return w;
}

void window_close(struct window *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->count; i++)
		av_frame_free(&w->queue[(w->first + i) % QUEUE_MAX].frame);
	sound_close(w->sound);
	sws_freeContext(w->sws);
	if (w->texture)
		SDL_DestroyTexture(w->texture);
	if (w->renderer)
		SDL_DestroyRenderer(w->renderer);
	if (w->win)
		SDL_DestroyWindow(w->win);
	SDL_Quit();
	pthread_cond_destroy(&w->room);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* ---- the decoding thread's side ---- */

static void drop_first(struct window *w)
{
	av_frame_free(&w->queue[w->first].frame);
	w->first = (w->first + 1) % QUEUE_MAX;
	w->count--;
}

void window_frame(struct window *w, const AVFrame *frame, int64_t pts_us, bool live)
{
	AVFrame *mine = av_frame_clone(frame);

	if (!mine)
		return;
	pthread_mutex_lock(&w->lock);
	w->live = live;
	/* A file waits for its viewer. A live stream does not: the oldest picture goes, and the
	 * viewer is nearer to now. */
	while (!live && w->count == QUEUE_MAX && !w->quit)
		pthread_cond_wait(&w->room, &w->lock);
	if (w->count == QUEUE_MAX)
		drop_first(w);
	if (w->quit)
		av_frame_free(&mine);
	else
		w->queue[(w->first + w->count++) % QUEUE_MAX] = (struct shown){mine, pts_us};
	pthread_mutex_unlock(&w->lock);
}

void window_sound(struct window *w, const AVFrame *frame, int64_t pts_us, bool live)
{
	bool quit;

	if (!w->sound)
		return;
	/* Not beyond a second ahead of what is heard, unless the picture waits for us as well. */
	for (;;) {
		pthread_mutex_lock(&w->lock);
		quit = w->quit;
		bool starving = !w->count;
		pthread_mutex_unlock(&w->lock);
		if (quit || live || sound_buffered_s(w->sound) < (starving ? 8.0 : 1.0))
			break;
		usleep(10000);
	}
	if (!quit)
		sound_put(w->sound, frame, pts_us, live);
}

void window_end(struct window *w)
{
	pthread_mutex_lock(&w->lock);
	w->ended = true;
	pthread_mutex_unlock(&w->lock);
}

void window_quit(struct window *w)
{
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
}

double window_buffered_s(struct window *w)
{
	double sound = w->sound ? sound_buffered_s(w->sound) : 0, video = 0;

	pthread_mutex_lock(&w->lock);
	if (w->count) {
		size_t last = (w->first + w->count - 1) % QUEUE_MAX;
		video = (double)(w->queue[last].pts_us - w->queue[w->first].pts_us) / 1e6;
	}
	pthread_mutex_unlock(&w->lock);
	return video > sound ? video : sound;
}

/* ---- drawing ---- */

static void fit(int width, int height, int *out_width, int *out_height)
{
	while (width > SIDE_MAX || height > SIDE_MAX)
		width = (width + 1) / 2, height = (height + 1) / 2;
	*out_width = width;
	*out_height = height;
}

static bool make_texture(struct window *w, const AVFrame *f)
{
	int width, height;
	AVRational sar = f->sample_aspect_ratio;

	fit(f->width, f->height, &width, &height);
	if (w->texture && w->width == width && w->height == height)
		return true;
	if (!w->texture) /* the first picture gives the window its size; later the viewer does */
		SDL_SetWindowSize(
		    w->win, width > 1920 ? 1920 : width, height > 1080 ? 1080 : height);
	else
		SDL_DestroyTexture(w->texture);
	w->texture = SDL_CreateTexture(
	    w->renderer, SDL_PIXELFORMAT_IYUV, SDL_TEXTUREACCESS_STREAMING, width, height);
	w->width = width;
	w->height = height;
	if (sar.num > 0 && sar.den > 0 && sar.num < 10 * sar.den && sar.den < 10 * sar.num)
		width = (int)av_rescale(width, sar.num, sar.den);
	SDL_RenderSetLogicalSize(w->renderer, width, height);
	return w->texture != NULL;
}

static bool convert(struct window *w, const AVFrame *f, uint8_t *data[4], int stride[4])
{
	w->sws = sws_getCachedContext(w->sws, f->width, f->height, (enum AVPixelFormat)f->format,
	    w->width, w->height, AV_PIX_FMT_YUV420P, SWS_BILINEAR, NULL, NULL, NULL);
	if (!w->sws ||
	    av_image_alloc(data, stride, w->width, w->height, AV_PIX_FMT_YUV420P, 32) < 0)
		return false;
	sws_scale(w->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, data, stride);
	return true;
}

static void put_picture(struct window *w, const AVFrame *f)
{
	uint8_t *data[4] = {0};
	int stride[4];

	if (!make_texture(w, f))
		return;
	bool as_it_is = (f->format == AV_PIX_FMT_YUV420P || f->format == AV_PIX_FMT_YUVJ420P) &&
			f->width == w->width && f->height == w->height && f->linesize[0] > 0;
	if (as_it_is)
		SDL_UpdateYUVTexture(w->texture, NULL, f->data[0], f->linesize[0], f->data[1],
		    f->linesize[1], f->data[2], f->linesize[2]);
	else if (convert(w, f, data, stride))
		SDL_UpdateYUVTexture(
		    w->texture, NULL, data[0], stride[0], data[1], stride[1], data[2], stride[2]);
	av_freep(&data[0]);
	w->redraw = true;
}

static void draw(struct window *w)
{
	SDL_SetRenderDrawColor(w->renderer, 0, 0, 0, 255);
	SDL_RenderClear(w->renderer);
	if (w->texture)
		SDL_RenderCopy(w->renderer, w->texture, NULL, NULL);
	SDL_RenderPresent(w->renderer);
	w->redraw = false;
}

/* ---- the clock ---- */

/* Draws the clock to the sound: at once when it is far off, else gently. */
static void follow_sound(struct window *w, int64_t now_us)
{
	int64_t heard;

	if (!w->sound || !sound_clock(w->sound, &heard))
		return;
	int64_t off = now_us - heard - w->base_us;
	w->base_us += !w->clock_runs || off > 200000 || off < -200000 ? off : off / 8;
	w->clock_runs = true;
}

/* The newest frame that is due, or NULL; those before it are late and go. */
static AVFrame *take_due(struct window *w, int64_t now_us)
{
	AVFrame *due = NULL;

	pthread_mutex_lock(&w->lock);
	while (w->count) {
		int64_t pts = w->queue[w->first].pts_us, early = pts - (now_us - w->base_us);
		if (!w->clock_runs || early > CLOCK_JUMP_US || early < -CLOCK_JUMP_US) {
			w->base_us = now_us - pts; /* another timeline */
			w->clock_runs = true;
			early = 0;
		}
		if (early > AHEAD_US)
			break;
		av_frame_free(&due);
		due = w->queue[w->first].frame;
		w->queue[w->first].frame = NULL;
		drop_first(w);
	}
	pthread_cond_signal(&w->room);
	pthread_mutex_unlock(&w->lock);
	return due;
}

/* ---- the viewer ---- */

static void toggle_pause(struct window *w)
{
	if (w->live)
		return;
	w->paused = !w->paused;
	if (w->paused)
		w->paused_us = sg_mono_us();
	else
		w->base_us += sg_mono_us() - w->paused_us;
	if (w->sound)
		sound_pause(w->sound, w->paused);
}

static bool take_key(struct window *w, SDL_Keycode key)
{
	if (key == SDLK_q || key == SDLK_ESCAPE)
		return false;
	if (key == SDLK_SPACE)
		toggle_pause(w);
	if (key == SDLK_f) {
		w->full_screen = !w->full_screen;
		SDL_SetWindowFullscreen(w->win, w->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
	}
	return true;
}

static bool take_event(struct window *w, const SDL_Event *e)
{
	if (e->type == SDL_WINDOWEVENT)
		w->redraw = true;
	if (e->type == SDL_KEYDOWN && !e->key.repeat)
		return take_key(w, e->key.keysym.sym);
	return e->type != SDL_QUIT;
}

static bool all_shown(struct window *w)
{
	pthread_mutex_lock(&w->lock);
	bool done = w->ended && !w->count;
	pthread_mutex_unlock(&w->lock);
	return done && (w->live || !w->sound || sound_buffered_s(w->sound) <= 0.05);
}

bool window_turn(struct window *w)
{
	SDL_Event e;

	for (bool any = SDL_WaitEventTimeout(&e, 5); any; any = SDL_PollEvent(&e))
		if (!take_event(w, &e))
			return false;
	if (!w->paused) {
		int64_t now = sg_mono_us();
		follow_sound(w, now);
		AVFrame *due = take_due(w, now);
		if (due)
			put_picture(w, due);
		av_frame_free(&due);
	}
	if (w->redraw)
		draw(w);
	return w->paused || !all_shown(w);
}
