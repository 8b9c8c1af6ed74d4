/* status.c - what the viewer is told: a line that refreshes, a summary, or JSON. */
#include "streamplay.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool status_wanted(const struct options *o)
{
	const char *term = getenv("TERM");

	return !o->arg[OPT_JSON] && isatty(STDOUT_FILENO) == 1 && term && strcmp(term, "dumb") != 0;
}

static int columns(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || ws.ws_col < 20)
		return 80;
	return ws.ws_col;
}

static void describe(struct sg_buf *b, const struct facts *f)
{
	if (*f->video)
		sg_buf_printf(b, "  %s %dx%d %.1f fps", f->video, f->width, f->height, f->fps);
	if (*f->audio)
		sg_buf_printf(b, "  %s %.4g kHz", f->audio, f->sample_rate / 1000.0);
	sg_buf_printf(b, "  %.0f kbit/s", f->bit_rate / 1000);
}

/* As many whole fields, which two blanks part, as there is room for. */
static int fitting(const char *line, int len, int room)
{
	while (len > room) {
		len--;
		while (len && !(line[len] == ' ' && line[len + 1] == ' '))
			len--;
	}
	return len;
}

void status_draw(const struct facts *f)
{
	struct sg_buf b;
	int s = (int)f->seconds, width = columns() - 1;
	const char *no_color = getenv("NO_COLOR");
	bool red = f->lost && !(no_color && *no_color);

	sg_buf_init(&b, 4096);
	sg_buf_printf(&b, "%02d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
	describe(&b, f);
	sg_buf_printf(&b, "  buffered %.1f s", f->buffered_s);
	char lost[64];
	int len = snprintf(lost, sizeof(lost), "  lost %llu", (unsigned long long)f->lost);
	if (!b.failed)
		printf("\r%.*s%s%s%s\033[K", fitting((char *)b.p, (int)b.len, width - len), (char *)b.p,
		    red ? "\033[31m" : "", lost, red ? "\033[0m" : "");
	fflush(stdout);
	sg_buf_reset(&b);
}

void status_erase(void)
{
	printf("\r\033[K");
	fflush(stdout);
}

void status_summary(const struct facts *f)
{
	struct sg_buf b;

	sg_buf_init(&b, 4096);
	sg_buf_printf(&b, "played %.1f s", f->seconds);
	describe(&b, f);
	sg_buf_printf(&b, "  %llu frames  %llu bytes", (unsigned long long)f->decoded,
	    (unsigned long long)f->bytes);
	if (f->startup_ms >= 0)
		sg_buf_printf(&b, "  startup %lld ms", (long long)f->startup_ms);
	if (f->latency_ms >= 0)
		sg_buf_printf(&b, "  latency %lld ms", (long long)f->latency_ms);
	sg_buf_printf(&b, "  lost %llu", (unsigned long long)f->lost);
	if (f->over_webrtc)
		sg_buf_printf(&b, "  nacks %llu  retransmissions %llu  freezes %llu  jitter %.1f ms",
		    (unsigned long long)f->line.nacks, (unsigned long long)f->line.recovered,
		    (unsigned long long)f->freezes, f->line.jitter_s * 1000);
	if (!b.failed)
		printf("%.*s\n", (int)b.len, (char *)b.p);
	sg_buf_reset(&b);
}

/* ---- JSON ---- */

const char *status_name(int status)
{
	static const char *const names[] = {
	    "played", "failed", "usage", "not found", "refused", "unmet"};

	return names[status];
}

static json_t *known(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

json_t *status_url_json(const char *url)
{
	char *shown = url_shown(url);
	json_t *text = shown ? json_string(shown) : NULL;

	free(shown);
	return text ? text : json_null(); /* a file's name need not be UTF-8 */
}

static json_t *video_json(const struct facts *f)
{
	if (!*f->video)
		return json_null();
	return json_pack("{s:s, s:i, s:i, s:f, s:I, s:I}", "codec", f->video, "width", f->width,
	    "height", f->height, "fps", f->fps, "frames", (json_int_t)f->video_packets, "decoded",
	    (json_int_t)f->decoded);
}

static json_t *audio_json(const struct facts *f)
{
	if (!*f->audio)
		return json_null();
	return json_pack("{s:s, s:i, s:i, s:I}", "codec", f->audio, "sampleRate", f->sample_rate,
	    "channels", f->channels, "packets", (json_int_t)f->audio_packets);
}

/* In the words and units of webrtc-stats. */
static json_t *webrtc_json(const struct facts *f)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "packetsReceived",
	    (json_int_t)f->line.packets, "packetsLost", (json_int_t)f->line.lost, "nackCount",
	    (json_int_t)f->line.nacks, "pliCount", (json_int_t)f->line.plis, "retransmittedPacketsReceived",
	    (json_int_t)f->line.recovered, "freezeCount", (json_int_t)f->freezes, "totalFreezesDuration",
	    f->frozen_s, "jitter", f->line.jitter_s);
}

void status_json(const char *url, const struct outcome *end, const struct facts *f)
{
	json_t *o = json_pack("{s:o, s:s, s:i, s:f, s:b, s:o, s:o, s:I, s:I, s:o, s:o, s:I, s:I}",
	    "url", status_url_json(url), "status", status_name(end->status), "exit", end->status, "seconds",
	    f->seconds, "live", f->live, "video", video_json(f), "audio", audio_json(f), "bitRate",
	    (json_int_t)f->bit_rate, "bytes", (json_int_t)f->bytes, "startupMs",
	    known(f->startup_ms), "latencyMs", known(f->latency_ms), "lost", (json_int_t)f->lost,
	    "discontinuities", (json_int_t)f->discontinuities);

	if (o && f->over_webrtc)
		json_object_set_new(o, "webrtc", webrtc_json(f));
	if (o && *end->why)
		json_object_set_new(o, "error", json_string(end->why));
	if (o) {
		json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
		putchar('\n');
	}
	json_decref(o);
}
