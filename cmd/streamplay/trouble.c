/* trouble.c - listens to what libav says. Its results are often just "I/O error"; which answer of
 * the server was behind it stands only in its log. Nothing of that log is printed as it is: it
 * holds URLs, and they hold tokens. */
#include "streamplay.h"
#include "base/clock.h"
#include "base/log.h"
#include <srt.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local struct trouble *watched;

void trouble_watch(struct trouble *t)
{
	watched = t;
}

/* A token that sg_redact would not know by its shape: it may be any text. */
static void hide_token(char *text, const char *token)
{
	size_t len = token ? strlen(token) : 0;

	for (char *p = text; len && (p = strstr(p, token)); p += len)
		memset(p, '*', len);
}

static void note(struct trouble *t, char *line)
{
	static const char said[] = "Server error: ", http[] = "HTTP error ";
	char *p;

	line[strcspn(line, "\r\n")] = 0;
	hide_token(line, t->token);
	if ((p = strstr(line, http)))
		t->http_code = atoi(p + sizeof(http) - 1);
	if ((p = strstr(line, said)))
		sg_redact(t->server, sizeof(t->server), sg_str_from(p + sizeof(said) - 1));
	sg_redact(t->last, sizeof(t->last), sg_str_from(line));
}

static bool is_http(void *ctx)
{
	const AVClass *class = ctx ? *(const AVClass **)ctx : NULL;

	return class && class->class_name && !strcmp(class->class_name, "http");
}

static void listen_to(void *ctx, int level, const char *fmt, va_list ap)
{
	char line[1024];

	if (!watched)
		return;
	/* Playlists are fetched where no packet tells that something came. */
	if (level > AV_LOG_WARNING) {
		if (is_http(ctx))
			watched->heard_ms = sg_mono_ms();
		return;
	}
	vsnprintf(line, sizeof(line), fmt, ap);
	note(watched, line);
}

/* libsrt, below libav, says why on threads of its own, and by itself on standard error. */
static atomic_uint srt_rejections;

static void listen_to_srt(
    void *opaque, int level, const char *file, int line, const char *area, const char *text)
{
	(void)opaque, (void)level, (void)file, (void)line, (void)area;
	if (strstr(text, "REJECT"))
		atomic_fetch_add(&srt_rejections, 1);
}

unsigned trouble_srt_rejections(void)
{
	return atomic_load(&srt_rejections);
}

void trouble_install(void)
{
	av_log_set_callback(listen_to);
	srt_setloghandler(NULL, listen_to_srt);
}
