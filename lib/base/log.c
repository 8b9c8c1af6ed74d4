/* log.c - writes lines to standard error; what must stay secret is taken out in redact.c. */
#include "base/log.h"
#include "base/clock.h"
#include "base/text.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A pipe takes this much in one piece (PIPE_BUF), so that lines of several processes do not mix. */
#define LINE_MAX_BYTES 4096
#define BUDGET_LINES 5
#define BUDGET_WINDOW_MS 1000

/* Standard error is the process's own, and so is what may be written to it. */
static atomic_int max_level = SG_LOG_INFO;
static pthread_mutex_t budget_lock = PTHREAD_MUTEX_INITIALIZER;

void sg_log_set_level(enum sg_log_level max)
{
	atomic_store(&max_level, (int)max);
}

static const char *level_name(enum sg_log_level level)
{
	switch (level) {
	case SG_LOG_ERROR:
		return "error";
	case SG_LOG_WARNING:
		return "warning";
	case SG_LOG_INFO:
		return "info";
	case SG_LOG_DEBUG:
		return "debug";
	}
	return "unknown";
}

static size_t put_prefix(char *line, size_t size, enum sg_log_level level)
{
	char time[SG_TIME_TEXT_SIZE];

	/* The journal keeps the time itself and takes the level from sd-daemon(3)'s prefix. */
	if (getenv("JOURNAL_STREAM"))
		return (size_t)snprintf(line, size, "<%d>", (int)level);
	sg_time_format_ms(time, sg_wall_ms());
	return (size_t)snprintf(line, size, "%s %s: ", time, level_name(level));
}

/* The bytes of one character that may be shown as they are, 0 when they may not. */
static size_t plain_char(const char *p)
{
	unsigned char c = (unsigned char)p[0];

	if (c < 0x80)
		return c >= ' ' && c != 0x7f;
	/* C1 controls move a terminal's cursor as C0 do: U+0080 to U+009F. */
	if (c == 0xc2 && (unsigned char)p[1] < 0xa0)
		return 0;
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	return sg_str_is_utf8((struct sg_str){p, strnlen(p, len)}) ? len : 0;
}

/* Appends `text` with everything escaped that is no plain character; leaves room for '\n'. */
static size_t put_escaped(char *line, size_t len, const char *text)
{
	static const char digits[] = "0123456789abcdef";

	while (*text) {
		size_t n = plain_char(text);
		unsigned char c = (unsigned char)*text;
		char escape[4] = {'\\', 'x', digits[c >> 4], digits[c & 15]};
		size_t width = n ? n : sizeof(escape);
		if (len + width + 1 > LINE_MAX_BYTES)
			break;
		memcpy(line + len, n ? text : escape, width);
		len += width;
		text += n ? n : 1;
	}
	return len;
}

/* A message that was cut must not end in a piece of a secret, which nobody would know as one. */
static void drop_cut_word(char *text)
{
	size_t len = strlen(text);

	while (len && (sg_app_is_valid((struct sg_str){text + len - 1, 1}) || text[len - 1] == '%'))
		len--;
	text[len] = 0;
}

static void write_line(const char *line, size_t len)
{
	/* Nothing can be done, nor said, about a log that cannot be written. */
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
}

void sg_log_write(enum sg_log_level level, const char *fmt, ...)
{
	char message[LINE_MAX_BYTES], clear[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
	int saved_errno = errno;
	va_list args;

	if ((int)level > atomic_load(&max_level))
		return;
	va_start(args, fmt);
	int wanted = vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (wanted < 0)
		return;
	if ((size_t)wanted >= sizeof(message))
		drop_cut_word(message);
	sg_redact(clear, sizeof(clear), sg_str_from(message));
	size_t len = put_prefix(line, sizeof(line), level);
	len = put_escaped(line, len, clear);
	line[len++] = '\n';
	write_line(line, len);
	sg_wipe(message, sizeof(message));
	errno = saved_errno;
}

bool sg_log_allow(struct sg_log_budget *b, unsigned *left_out)
{
	int64_t now_ms = sg_mono_ms();
	bool allowed;

	*left_out = 0;
	pthread_mutex_lock(&budget_lock);
	if (b->used == 0 || now_ms - b->window_ms >= BUDGET_WINDOW_MS) {
		b->window_ms = now_ms;
		b->used = 0;
		*left_out = b->dropped;
		b->dropped = 0;
	}
	allowed = b->used < BUDGET_LINES;
	if (allowed)
		b->used++;
	else
		b->dropped++;
	pthread_mutex_unlock(&budget_lock);
	return allowed;
}
