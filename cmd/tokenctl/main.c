/* main.c - tokenctl: administration of streamgate's tokens. Start, help, dispatch, end. */
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

/* ---- help ---- */

static void print_all(struct ctl *c)
{
	ctl_printf(c, "usage: tokenctl COMMAND [ARGUMENTS] [OPTIONS]\n\n");
	for (size_t i = 0; i < ctl_command_count; i++)
		ctl_printf(c, "  %-14s %s\n", ctl_commands[i].name, ctl_commands[i].summary);
	ctl_printf(c,
	    "\nEvery command takes --config FILE, --json and --help, which lists its options.\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 no such thing, 4 the answer is no.\n"
	    "The whole story: man tokenctl\n");
}

static void print_options(struct ctl *c, unsigned options)
{
	char left[40];

	for (int i = 0; i < OPT_COUNT_; i++) {
		if (!(options & (1u << i)))
			continue;
		const struct ctl_option *o = &ctl_options[i];
		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "",
		    o->value ? o->value : "");
		ctl_printf(c, "  %-22s %s\n", left, o->help);
	}
}

static void print_one(struct ctl *c, const struct ctl_command *cmd)
{
	ctl_printf(c, "usage: tokenctl %s%s%s [OPTIONS]\n\n  %s\n\n", cmd->name,
	    *cmd->arguments ? " " : "", cmd->arguments, cmd->summary);
	print_options(c, cmd->options);
	print_options(c, CTL_COMMON);
	ctl_printf(c, "\nexample: %s\n", cmd->example);
}

int ctl_help(struct ctl *c)
{
	char name[64];

	if (!c->arg_count) {
		print_all(c);
		return CTL_DONE;
	}
	snprintf(name, sizeof(name), "%s%s%s", c->args[0], c->arg_count > 1 ? " " : "",
	    c->arg_count > 1 ? c->args[1] : "");
	bool found = false;
	for (size_t i = 0; i < ctl_command_count; i++) {
		struct sg_str head, tail;
		sg_str_cut(sg_str_from(ctl_commands[i].name), ' ', &head, &tail);
		if (strcmp(name, ctl_commands[i].name) && !sg_str_is(head, name))
			continue;
		ctl_printf(c, "%s", found ? "\n" : "");
		print_one(c, &ctl_commands[i]);
		found = true;
	}
	if (!found)
		return ctl_fail(CTL_USAGE, "there is no command '%s': 'tokenctl --help' lists them",
		    CTL_SHOW(name));
	return CTL_DONE;
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

	if (c->opt[OPT_VERSION]) {
		ctl_printf(c, "tokenctl (streamgate) %s\n", SG_VERSION);
		return CTL_DONE;
	}
	if (!c->command && c->opt[OPT_HELP]) {
		print_all(c);
		return CTL_DONE;
	}
	if (!c->command)
		return ctl_fail(
		    CTL_USAGE, "nothing to do: give a command; 'tokenctl --help' lists them");
	if (c->opt[OPT_HELP]) {
		print_one(c, c->command);
		return CTL_DONE;
	}
	if (c->command->run == ctl_help)
		return ctl_help(c);
	if (sg_config_load(&c->cfg, c->opt[OPT_CONFIG], error, sizeof(error)) != SG_OK)
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

int main(int argc, char **argv)
{
	struct ctl c = {.now = sg_wall_s()};

	if (!hold_standard_descriptors())
		return CTL_FAILED;
	signal(SIGPIPE, SIG_IGN);
	if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
		setlocale(
		    LC_CTYPE, "C.UTF-8"); /* names and labels are UTF-8 whatever the terminal */
	sg_buf_init(&c.out, 64u << 20);
	c.out_tty = isatty(STDOUT_FILENO) == 1;
	c.colour = c.out_tty && wants_colour();
	c.err_tty = isatty(STDERR_FILENO) == 1;
	int status = ctl_parse(&c, argc, argv);
	if (status == CTL_DONE)
		status = run(&c);
	status = finish_output(&c, status);
	sg_buf_reset(&c.out);
	sg_store_close(c.store);
	sg_config_free(c.cfg);
	return status;
}
