/* screen.c - a whole terminal, for `watch` (xterm's control sequences, which all have today). */
#include "screen.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

static struct termios before;
static struct sigaction winch_before, stop_before;
static volatile sig_atomic_t suspended;

static void put(const void *p, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(STDOUT_FILENO, (const char *)p + done, len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			return; /* nobody looks any more: ctl_wait tells */
	}
}

/* A new size just ends the wait; the next frame asks for it. */
static void on_winch(int number)
{
	(void)number;
}

static void on_stop(int number)
{
	(void)number;
	suspended = 1;
}

static void take_terminal(void)
{
	struct termios keys = before;

	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 1;
	keys.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	put(ENTER, sizeof(ENTER) - 1);
}

static void give_terminal(void)
{
	put(LEAVE, sizeof(LEAVE) - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

bool ctl_screen_enter(void)
{
	const char *term = getenv("TERM");
	struct sigaction winch = {.sa_handler = on_winch}, stop = {.sa_handler = on_stop};

	if (!term || !*term || !strcmp(term, "dumb") || tcgetattr(STDIN_FILENO, &before))
		return false;
	suspended = 0;
	sigaction(SIGWINCH, &winch, &winch_before);
	sigaction(SIGTSTP, &stop, &stop_before);
	take_terminal();
	return true;
}

void ctl_screen_leave(void)
{
	give_terminal();
	sigaction(SIGWINCH, &winch_before, NULL);
	sigaction(SIGTSTP, &stop_before, NULL);
}

/* Ctrl-Z: the shell gets its screen back until it says fg. */
static void suspend(void)
{
	suspended = 0;
	give_terminal();
	raise(SIGSTOP);
	take_terminal();
}

int ctl_screen_key(int timeout_ms)
{
	unsigned char key = 0;
	bool ready = false;

	if (suspended)
		suspend();
	if (!ctl_wait(STDIN_FILENO, POLLIN, timeout_ms, &ready) || !ready)
		return 0;
	/* No keys to come any more: as if told to leave. */
	return read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}

/* One character, or one escape sequence: its bytes; *width becomes the columns it takes. */
static size_t step(struct sg_str s, size_t *width)
{
	mbstate_t state = {0};
	wchar_t ch;

	*width = 0;
	if (*s.p == '\033') {
		size_t n = 1;
		while (n < s.len && !(s.p[n] >= 'A' && s.p[n] <= 'z' && s.p[n] != '['))
			n++;
		return n < s.len ? n + 1 : n;
	}
	size_t n = mbrtowc(&ch, s.p, s.len, &state);
	if (n == 0 || n > s.len) {
		*width = 1;
		return 1;
	}
	int columns = wcwidth(ch);
	*width = columns > 0 ? (size_t)columns : 0;
	return n;
}

static void put_line(struct sg_buf *out, struct sg_str line, size_t columns)
{
	size_t used = 0, width;

	while (line.len) {
		size_t n = step(line, &width);
		if (used + width > columns)
			break;
		sg_buf_append(out, line.p, n);
		used += width, line.p += n, line.len -= n;
	}
	/* Behind the last column there is nothing to erase, and some terminals would take it itself. */
	sg_buf_puts(out, used < columns ? "\033[0m\033[K" : "\033[0m");
}

void ctl_screen_draw(struct sg_str text, size_t columns, size_t lines)
{
	struct sg_buf out;
	struct sg_str line, rest = text;
	size_t n = 0;

	sg_buf_init(&out, 16u << 20);
	sg_buf_puts(&out, "\033[H");
	while (rest.len && n < lines) {
		sg_str_cut(rest, '\n', &line, &rest);
		sg_buf_puts(&out, n++ ? "\r\n" : "");
		put_line(&out, line, columns);
	}
	sg_buf_puts(&out, n < lines ? "\033[J" : "");
	put(out.p, out.len);
	sg_buf_reset(&out);
}
