/* history.c - the lines typed before. Each is written as it is typed, so that shells at the same
 * time do not undo each other's; the file is cut when one starts. */
#include "history.h"
#include "words.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>

#define LINES_MAX 1000
#define FILE_MAX (1 << 20) /* bytes; a larger file is begun anew */

static char path[4096]; /* "" = it is kept nowhere */

/* XDG Base Directory Specification: $XDG_STATE_HOME, else ~/.local/state. */
static bool find_directory(char *out, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n = -1;

	if (state && *state == '/')
		n = snprintf(out, size, "%s/streamgate", state);
	else if (home && *home == '/')
		n = snprintf(out, size, "%s/.local/state/streamgate", home);
	return n > 0 && (size_t)n < size;
}

/* With those above it, as the specification asks: mode 0700. */
static bool make_directory(char *dir)
{
	for (char *p = dir + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		int made = mkdir(dir, 0700);
		int why = errno;
		*p = '/';
		if (made && why != EEXIST && why != EROFS && why != EACCES)
			return false;
	}
	return !mkdir(dir, 0700) || errno == EEXIST;
}

/* The file, nobody else's to read; -1 with errno. */
static int open_file(int flags)
{
	struct stat st;
	int fd = open(path, flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || fchmod(fd, 0600)) {
		int why = errno;
		close(fd);
		errno = why ? why : EINVAL;
		return -1;
	}
	if (st.st_size > FILE_MAX && ftruncate(fd, 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

void ctl_history_open(void)
{
	char dir[4000];

	using_history();
	stifle_history(LINES_MAX);
	if (!find_directory(dir, sizeof(dir)))
		return;
	snprintf(path, sizeof(path), "%s/history", dir);
	int fd = make_directory(dir) ? open_file(O_RDWR) : -1;
	if (fd < 0) {
		ctl_warn("warning: the history is not kept: %s: %s", path, strerror(errno));
		*path = 0;
		return;
	}
	close(fd);
	read_history(path);
	history_truncate_file(path, LINES_MAX);
}

static void write_line(const char *line)
{
	int fd = *path ? open_file(O_WRONLY | O_APPEND) : -1;
	struct sg_buf out;

	if (fd < 0)
		return;
	sg_buf_init(&out, 1u << 20);
	sg_buf_puts(&out, line);
	sg_buf_put_u8(&out, '\n');
	/* A line that could not be kept is no reason to stop the work. */
	if (!out.failed && write(fd, out.p, out.len) < 0)
		*path = 0;
	sg_buf_reset(&out);
	close(fd);
}

void ctl_history_add(const char *line)
{
	HIST_ENTRY *last = history_length ? history_get(history_base + history_length - 1) : NULL;
	char *kept = *line == ' ' || *line == '\t' ? NULL : words_for_history(line);

	for (size_t n = kept ? strlen(kept) : 0; n && strchr(" \t", kept[n - 1]); n--)
		kept[n - 1] = 0;
	if (kept && *kept && !(last && !strcmp(last->line, kept))) {
		add_history(kept);
		write_line(kept);
	}
	free(kept);
}

void ctl_history_close(void)
{
	clear_history();
	*path = 0;
}
