/* main.c - tokenctl: administration of streamgate's tokens. Start, dispatch, end. */
#include "tokenctl.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void complain(const char *fmt, va_list ap)
{
	char line[1200];

	vsnprintf(line, sizeof(line), fmt, ap);
	fprintf(stderr, "tokenctl: %s\n", line);
}

int ctl_fail(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	return status;
}

void ctl_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
}

int ctl_open_store(struct ctl *c)
{
	char error[600];
	const char *path = c->cfg->store_url;
	struct stat st;

	if (c->store)
		return CTL_DONE;
	path += strncmp(path, "sqlite:", 7) ? 0 : 7;
	bool fresh = stat(path, &st) != 0;
	enum sg_result res =
	    sg_store_open(&c->store, c->cfg->store_url, true, error, sizeof(error));
	if (res != SG_OK)
		return ctl_fail(res == SG_ERR_CONFIG ? CTL_USAGE : CTL_FAILED, "%s", error);
	/* Whoever forgot --config is about to look at an empty store: say so. */
	if (fresh && c->err_tty)
		ctl_warn("made a new, empty store: %s", c->cfg->store_url);
	return CTL_DONE;
}

int ctl_store_failed(struct ctl *c, const char *doing)
{
	return ctl_fail(CTL_FAILED, "cannot %s: %s", doing, sg_store_error(c->store));
}

/* ---- from start to end ---- */

/* A descriptor that is closed would be given to the next file opened, the store, say, and be
 * written to as standard output. */
static bool hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			return false;
	return true;
}

static int run(struct ctl *c)
{
	char error[600];
	int res;

	if (c->opt[OPT_VERSION]) {
		ctl_printf(c, "tokenctl (streamgate) %s\n", SG_VERSION);
		return CTL_DONE;
	}
	if (!c->command && c->opt[OPT_HELP]) {
		ctl_print_all_help(c);
		return CTL_DONE;
	}
	if (!c->command)
		return ctl_fail(
		    CTL_USAGE, "nothing to do: give a command; 'tokenctl --help' lists them");
	if (c->opt[OPT_HELP] && !(c->command->run == ctl_help && c->arg_count)) {
		ctl_print_help(c, c->command);
		return CTL_DONE;
	}
	if (c->command->run == ctl_help)
		return ctl_help(c);
	if ((res = ctl_remote_open(c)) != CTL_DONE)
		return res;
	if (!c->remote &&
	    sg_config_load(&c->cfg, c->opt[OPT_CONFIG], error, sizeof(error)) != SG_OK)
		return ctl_fail(CTL_USAGE, "%s", error);
	return c->command->run(c);
}

/* Standard output that nobody reads any more is fine (`tokenctl list | head`); a full disk is not. */
static int finish_output(struct ctl *c, int status)
{
	ctl_flush(c);
	if (!c->out_error || c->out_error == EPIPE)
		return status;
	int failed = ctl_fail(CTL_FAILED, "cannot write the output: %s", strerror(c->out_error));
	return status == CTL_DONE ? failed : status;
}

/* https://no-color.org; a terminal that does not say what it is gets none either. */
static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

void ctl_init(struct ctl *c)
{
	*c = (struct ctl){.now = sg_wall_s()};
	sg_buf_init(&c->out, 64u << 20);
	c->out_tty = isatty(STDOUT_FILENO) == 1;
	c->colour = c->out_tty && wants_colour();
	c->err_tty = isatty(STDERR_FILENO) == 1;
}

static int end(struct ctl *c, int status)
{
	status = finish_output(c, status);
	sg_buf_reset(&c->out);
	sg_store_close(c->store);
	sg_config_free(c->cfg);
	ctl_remote_close(c);
	return status;
}

int ctl_run(int argc, char **argv, const struct ctl *base)
{
	struct ctl c;

	ctl_init(&c);
	if (base)
		memcpy(c.opt, base->opt, sizeof(c.opt));
	int status = ctl_parse(&c, argc, argv);
	if (base && c.command && c.command->options & CTL_BIT(URL))
		ctl_remote_inherit(&c, base);
	return end(&c, status == CTL_DONE ? run(&c) : status);
}

/* `tokenctl`, perhaps with --config or --url, where somebody sits at both ends. */
static bool wants_shell(const struct ctl *c)
{
	return !c->command && !c->arg_count && !c->opt[OPT_HELP] && !c->opt[OPT_VERSION] &&
	       !c->opt[OPT_JSON] && c->out_tty && isatty(STDIN_FILENO) == 1;
}

int main(int argc, char **argv)
{
	struct ctl c;

	if (!hold_standard_descriptors())
		return CTL_FAILED;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file over the limit (ulimit -f): the write says so */
	if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
		setlocale(
		    LC_CTYPE, "C.UTF-8"); /* names and labels are UTF-8 whatever the terminal */
	ctl_init(&c);
	int status = ctl_parse(&c, argc, argv);
	if (status == CTL_DONE)
		status = wants_shell(&c) ? ctl_shell(&c) : run(&c);
	return end(&c, status);
}
