/* log_fixture.h - what is logged meanwhile. */
#ifndef LOG_FIXTURE_H
#define LOG_FIXTURE_H

#include "base/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

struct logged {
	FILE *file;
	int saved;
	char text[65536]; /* after log_end */
};

static inline void log_begin(struct logged *l, enum sg_log_level level)
{
	assert_non_null(l->file = tmpfile());
	l->saved = dup(STDERR_FILENO);
	fflush(stderr);
	dup2(fileno(l->file), STDERR_FILENO);
	sg_log_set_level(level);
}

/* Something must have been. */
static inline void log_end(struct logged *l)
{
	sg_log_set_level(SG_LOG_ERROR);
	dup2(l->saved, STDERR_FILENO);
	close(l->saved);
	ssize_t len = pread(fileno(l->file), l->text, sizeof(l->text) - 1, 0);
	fclose(l->file);
	assert_in_range(len, 1, sizeof(l->text) - 2);
	l->text[len] = '\0';
}

#endif
