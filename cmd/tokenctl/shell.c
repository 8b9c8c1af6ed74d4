/* shell.c - tokenctl alone on a terminal: a line at a time, with history and completion (readline).
 * Each line is a run of its own (ctl_run): nothing of one is left for the next but its exit status. */
#include "base/log.h"
#include "complete.h"
#include "history.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* After the C headers, which it needs but does not include. */
#include <readline/readline.h>

/* readline's callbacks get no argument of ours; there is one shell in a process. */
static const struct ctl *shell_base;

/* ---- completion ---- */

/* "@na" -> "@name": the names of files behind an '@'. */
static char **complete_files(const char *text)
{
	char **matches = rl_completion_matches(text + 1, rl_filename_completion_function);

	for (size_t i = 0; matches && matches[i]; i++) {
		size_t len = strlen(matches[i]);
		char *with = malloc(len + 2);
		if (!with)
			continue;
		with[0] = '@';
		memcpy(with + 1, matches[i], len + 1);
		free(matches[i]);
		matches[i] = with;
	}
	return matches;
}

/* What readline wants: what all have in common, then each. Takes the items. */
static char **as_matches(struct offers *o)
{
	size_t same = o->count ? strlen(o->items[0]) : 0;
	char **matches = o->count ? calloc(o->count + 2, sizeof(*matches)) : NULL;

	if (!matches)
		return NULL;
	for (size_t i = 1; i < o->count; i++)
		for (size_t k = 0; k < same; k++)
			if (o->items[i][k] != o->items[0][k])
				same = k;
	matches[0] = strndup(o->items[0], same);
	for (size_t i = 0; o->count > 1 && i < o->count; i++)
		matches[i + 1] = strdup(o->items[i]);
	return matches;
}

static char **complete(const char *text, int start, int end)
{
	char **matches = NULL;
	struct words before;
	struct offers o;

	(void)end;
	rl_attempted_completion_over = 1; /* names of files only where they are meant */
	if (!words_split(&before, rl_line_buffer, (size_t)start))
		return NULL;
	ctl_offer(shell_base, &before, text, &o);
	if (o.files && *text == '@')
		matches = complete_files(text);
	else if (o.files)
		rl_attempted_completion_over = 0;
	else
		matches = as_matches(&o);
	rl_filename_completion_desired = o.files && matches;
	offers_free(&o);
	words_free(&before);
	return matches;
}

/* ---- lines ---- */

/* As readline's own input.c has it: the line ends at once, as it is. */
#define READ_ERROR (-2)

/* A key. readline's own would go on to wait after a signal; here Ctrl-C gives the line up, and being
 * told to end is heard. */
static int get_key(FILE *in)
{
	unsigned char key;
	bool ready = false;

	(void)in;
	while (!ready) {
		bool going = ctl_wait(STDIN_FILENO, POLLIN, 60000, &ready);
		rl_check_signals(); /* its handlers stood in for ours: now ours hear, too */
		if (!going || ctl_interrupted())
			return READ_ERROR;
	}
	return read(STDIN_FILENO, &key, 1) == 1 ? key : EOF;
}

static void set_up_readline(void)
{
	rl_readline_name = "tokenctl"; /* for $if in inputrc */
	rl_attempted_completion_function = complete;
	rl_completion_entry_function = rl_filename_completion_function;
	rl_completer_word_break_characters = (char *)" \t\n\"'=";
	rl_completer_quote_characters = "\"'";
	rl_filename_quote_characters = " \t\"'\\#|<>";
	rl_getc_function = get_key;
	rl_bind_key('\t', rl_complete);
}

static bool is_exit(const struct words *w)
{
	return w->argc == 2 && (!strcmp(w->argv[1], "exit") || !strcmp(w->argv[1], "quit"));
}

/* Runs a line; false: it says to leave. */
static bool run_line(const char *line, int *status)
{
	struct words w;

	if (!words_split(&w, line, strlen(line))) {
		*status = ctl_fail(CTL_FAILED, "out of memory: close something and try again");
		return true;
	}
	bool leave = !w.wrong && is_exit(&w);
	if (w.wrong)
		*status = ctl_fail(CTL_USAGE, "the line does not come apart: %s", w.wrong);
	else if (!leave && w.argc > 1)
		*status = ctl_run(w.argc, w.argv, shell_base);
	words_free(&w);
	return !leave;
}

static void make_prompt(const struct ctl *base, char *out, size_t size)
{
	/* \001 and \002 tell readline what takes no room. */
	const char *bold = base->colour ? "\001\033[1m\002" : "";
	const char *plain = base->colour ? "\001\033[0m\002" : "";
	const char *where = base->remote ? strstr(base->remote->name, "://") + 3 : "";

	snprintf(out, size, "%sstreamgate%s%.60s>%s ", bold, *where ? " " : "", where, plain);
}

static void greet(const struct ctl *base)
{
	char store[400];

	printf("tokenctl %s, ", SG_VERSION);
	if (base->remote)
		printf("asking %s\n", base->remote->name);
	else
		printf("the store is %s\n",
		    (sg_redact(store, sizeof(store), sg_str_from(base->cfg->store_url)), store));
	printf("'help' lists the commands, Tab completes, 'exit' or Ctrl-D leaves\n");
}

/* Behind a line that was given up, and behind Ctrl-D. Where readline takes the terminal's pasting
 * back it has begun a new line itself (rltty.c, rl_deprep_terminal). */
static void end_line(void)
{
	const char *pasting = rl_variable_value("enable-bracketed-paste");

	if (!pasting || strcmp(pasting, "on") != 0)
		printf("\n");
}

static int read_lines(const struct ctl *base)
{
	char prompt[160];
	int status = CTL_DONE;
	bool going = true;

	make_prompt(base, prompt, sizeof(prompt));
	while (going && !ctl_terminated()) {
		ctl_forget_interrupt();
		fflush(stdout);
		char *line = readline(prompt);
		if (ctl_interrupted()) {
			end_line();
			free(line);
			continue;
		}
		if (!line) {
			end_line();
			break;
		}
		ctl_history_add(line);
		going = run_line(line, &status);
		if (ctl_interrupted())
			printf("\n"); /* behind the "^C" */
		sg_wipe(line, strlen(line));
		free(line);
	}
	return status;
}

int ctl_shell(struct ctl *base)
{
	char error[600];
	int res = ctl_remote_open(base);

	if (res != CTL_DONE)
		return res;
	if (!base->remote &&
	    sg_config_load(&base->cfg, base->opt[OPT_CONFIG], error, sizeof(error)) != SG_OK)
		return ctl_fail(CTL_USAGE, "%s", error);
	shell_base = base;
	set_up_readline();
	ctl_history_open();
	ctl_catch_interrupt(true);
	greet(base);
	res = read_lines(base);
	ctl_catch_end();
	ctl_history_close();
	return res;
}
