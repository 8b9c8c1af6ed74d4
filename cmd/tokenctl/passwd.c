/* passwd.c - tokenctl passwd: the administrator's password for the panel.
 *
 * Asked for twice on a terminal, without echo; else read from a pipe, `-` or @FILE. It is never an
 * argument, which `ps` would show. */
#include "tokenctl.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

/* ---- the terminal ---- */

/* Signals that would leave the terminal without its echo wait until it has it back. */
static void hold_signals(sigset_t *former)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, former);
}

/* One line into `out`; false at its end, when interrupted (^C, ^D), or when it is too long. */
static bool read_line(int tty, struct sg_buf *out)
{
	char ch;

	while (!out->failed && read(tty, &ch, 1) == 1) {
		if (ch == '\n' || ch == '\r')
			return true;
		if (ch == 3 || ch == 4)
			return false;
		sg_buf_append(out, &ch, 1);
	}
	return false;
}

/* ^C arrives as a character, since the terminal is asked to send no signals meanwhile. */
static int ask(int tty, const char *prompt, struct sg_buf *out)
{
	struct termios former, quiet;
	sigset_t signals;
	bool ok;

	sg_buf_init(out, LINE_MAX_BYTES);
	/* One allocation: growing would leave copies behind. */
	if (!sg_buf_reserve(out, LINE_MAX_BYTES))
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	if (tcgetattr(tty, &former) != 0)
		return ctl_fail(CTL_FAILED, "cannot use the terminal: %s", strerror(errno));
	quiet = former;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ISIG);
	hold_signals(&signals);
	ok = tcsetattr(tty, TCSAFLUSH, &quiet) == 0 && dprintf(tty, "%s", prompt) > 0 &&
	     read_line(tty, out);
	tcsetattr(tty, TCSAFLUSH, &former);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	dprintf(tty, "\n");
	return ok ? CTL_DONE : ctl_fail(CTL_FAILED, "no password was typed: nothing is changed");
}

static int ask_twice(int tty, struct sg_buf *out)
{
	struct sg_buf again;
	int res = ask(tty, "New password: ", out);

	if (res != CTL_DONE)
		return res;
	res = ask(tty, "The same again: ", &again);
	if (res == CTL_DONE &&
	    !(out->len == again.len && (!out->len || !memcmp(out->p, again.p, out->len))))
		res = ctl_fail(CTL_FAILED, "the two are not the same: nothing is changed");
	ctl_secret_free(&again);
	return res;
}

/* ---- elsewhere ---- */

/* The whole of it but one line's end: blanks may be part of a password. */
static int read_file(int fd, struct sg_buf *out)
{
	uint8_t chunk[512];
	ssize_t n = 0;

	sg_buf_init(out, LINE_MAX_BYTES);
	if (!sg_buf_reserve(out, LINE_MAX_BYTES))
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	while (!out->failed &&
	       ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0)
			sg_buf_append(out, chunk, (size_t)n);
	int saved = errno;
	sg_wipe(chunk, sizeof(chunk));
	if (n < 0)
		return ctl_fail(CTL_FAILED, "cannot read the password: %s", strerror(saved));
	if (out->len && out->p[out->len - 1] == '\n')
		out->len--;
	if (out->len && out->p[out->len - 1] == '\r')
		out->len--;
	return CTL_DONE;
}

static int read_password(struct ctl *c, struct sg_buf *out)
{
	const char *from = c->arg_count ? c->args[0] : isatty(STDIN_FILENO) ? NULL : "-";
	int fd, res;

	if (from && !strcmp(from, "-"))
		return read_file(STDIN_FILENO, out);
	if (from && from[0] != '@') {
		memset(c->args[0], '*', strlen(from));
		return ctl_fail(CTL_USAGE,
		    "a password is not given as an argument, which others can see: leave it out to "
		    "be asked, or give '-' or @FILE");
	}
	fd = open(from ? from + 1 : "/dev/tty", (from ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return ctl_fail(from && errno == ENOENT ? CTL_UNKNOWN : CTL_FAILED,
		    "cannot open '%s': %s", CTL_SHOW(from ? from + 1 : "/dev/tty"),
		    strerror(errno));
	res = from ? read_file(fd, out) : ask_twice(fd, out);
	close(fd);
	return res;
}

/* ---- keeping it ---- */

static int keep(struct ctl *c, struct sg_str password)
{
	char hash[SG_PASSWORD_HASH_SIZE], kept[SG_PASSWORD_HASH_SIZE];
	int res = ctl_open_store(c);

	if (res != CTL_DONE)
		return res;
	switch (sg_password_hash(hash, password)) {
	case SG_OK:
		break;
	case SG_ERR_BAD_INPUT:
		return ctl_fail(CTL_USAGE,
		    "a password has %d to %d bytes of UTF-8 text: choose another, such as some "
		    "words",
		    SG_PASSWORD_MIN, SG_PASSWORD_MAX);
	default:
		return ctl_fail(CTL_FAILED, "cannot hash the password: out of memory?");
	}
	if (sg_store_password_set(c->store, hash, false, c->now) != SG_OK)
		return ctl_store_failed(c, "keep the password");
	/* As a login would: what cannot be opened again is no password. */
	if (sg_store_password_get(c->store, kept) != SG_OK)
		return ctl_store_failed(c, "read the password back");
	if (!sg_password_matches(kept, password))
		return ctl_fail(CTL_FAILED, "the password kept does not open: set it again");
	ctl_audit(c, "setting", NULL, SG_STR(""), SG_STR(""), 0, "administrator's password set");
	return CTL_DONE;
}

int ctl_passwd(struct ctl *c)
{
	struct sg_buf password = {0};
	int res = read_password(c, &password);

	if (res == CTL_DONE)
		res = keep(c, (struct sg_str){(char *)password.p, password.len});
	ctl_secret_free(&password);
	if (res != CTL_DONE)
		return res;
	if (c->opt[OPT_JSON])
		ctl_print_json(c, json_pack("{sb}", "passwordSet", 1));
	else if (ctl_format(c) == CTL_TABLE)
		ctl_printf(c, "password set: whoever is signed in to the panel must sign in again\n");
	return CTL_DONE;
}
