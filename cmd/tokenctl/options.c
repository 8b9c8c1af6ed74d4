/* options.c - from argv to a command and its options.
 * Options may stand anywhere, "--" ends them; "--name value" and "--name=value" are the same. */
#include "tokenctl.h"

_Static_assert(OPT_COUNT_ <= 64, "a command's options are bits of 64");

const struct ctl_option ctl_options[OPT_COUNT_] = {
#define CTL_OPT(name, text, value, help) {text, value, help},
    CTL_OPTIONS(CTL_OPT)
#undef CTL_OPT
};

enum ctl_opt ctl_find_option(const char *arg, const char **value)
{
	struct sg_str name, rest;

	*value = NULL;
	if (!strcmp(arg, "-h"))
		return OPT_HELP;
	if (!sg_str_starts(sg_str_from(arg), "--"))
		return OPT_COUNT_;
	if (sg_str_cut(sg_str_from(arg + 2), '=', &name, &rest))
		*value = rest.p;
	for (int i = 0; i < OPT_COUNT_; i++)
		if (sg_str_is(name, ctl_options[i].name))
			return (enum ctl_opt)i;
	return OPT_COUNT_;
}

/* A value in brackets stands behind '=' or is left out. */
bool ctl_takes_word(enum ctl_opt opt)
{
	return opt != OPT_COUNT_ && ctl_options[opt].value && *ctl_options[opt].value != '[';
}

static bool is_option(const char *arg)
{
	return arg[0] == '-' && arg[1];
}

/* The index of the next argument from `i` on that is neither an option nor an option's value. */
static int next_word(int i, int argc, char **argv)
{
	const char *value;

	for (; i < argc && is_option(argv[i]); i++) {
		if (!strcmp(argv[i], "--"))
			return argc;
		enum ctl_opt opt = ctl_find_option(argv[i], &value);
		if (ctl_takes_word(opt) && !value)
			i++;
	}
	return i < argc ? i : argc;
}

/* Is `name` this one word, or (two words) does it begin with `first` and go on with `second`? */
static bool command_is(const char *name, const char *first, const char *second, bool *two)
{
	struct sg_str head, tail;

	*two = sg_str_cut(sg_str_from(name), ' ', &head, &tail);
	return sg_str_is(head, first) && (!*two || (second && sg_str_is(tail, second)));
}

const struct ctl_command *ctl_find_command(const char *first, const char *second, int *used)
{
	bool two;

	for (size_t i = 0; i < ctl_command_count; i++)
		if (command_is(ctl_commands[i].name, first, second, &two)) {
			*used = two ? 2 : 1;
			return &ctl_commands[i];
		}
	return NULL;
}

static int no_such_command(const char *first, const char *second)
{
	const char *names[64];
	size_t count = 0;
	struct sg_str word = sg_str_from(first);
	struct sg_str head, tail;

	for (size_t i = 0; i < ctl_command_count && count < 64; i++)
		if (sg_str_cut(sg_str_from(ctl_commands[i].name), ' ', &head, &tail) &&
		    sg_str_is(head, first))
			names[count++] = tail.p;
	if (count) { /* the family is right */
		const char *near = second ? sg_nearest(sg_str_from(second), names, count) : NULL;
		if (near)
			return ctl_fail(CTL_USAGE,
			    "there is no command '%s %s': did you mean '%s %s'?", first,
			    CTL_SHOW(second), first, near);
		return ctl_fail(
		    CTL_USAGE, "'%s' wants to know what to do: create, list or revoke", first);
	}
	for (size_t i = 0; i < ctl_command_count && count < 64; i++)
		names[count++] =
		    strchr(ctl_commands[i].name, ' ') ? "apikey" : ctl_commands[i].name;
	const char *near = sg_nearest(word, names, count);
	if (near)
		return ctl_fail(CTL_USAGE, "there is no command '%s': did you mean '%s'?",
		    CTL_SHOW(first), near);
	return ctl_fail(
	    CTL_USAGE, "there is no command '%s': 'tokenctl --help' lists them", CTL_SHOW(first));
}

/* Without a command: what may hold for all commands of the shell. */
static uint64_t allowed_options(const struct ctl *c)
{
	return CTL_COMMON | (c->command ? c->command->options : CTL_REMOTE);
}

/* The REST interface cannot do all that the store can. */
static int not_remote(const struct ctl *c)
{
	return ctl_fail(CTL_USAGE,
	    "%s cannot be done from afar: run it without --url on the machine that has the store",
	    c->command->name);
}

static int no_such_option(const struct ctl *c, const char *arg)
{
	const char *names[OPT_COUNT_];
	size_t count = 0;
	struct sg_str name, rest;
	uint64_t allowed = allowed_options(c);

	sg_str_cut(sg_str_from(arg), '=', &name, &rest);
	for (int i = 0; i < OPT_COUNT_; i++)
		if (allowed & ((uint64_t)1 << i))
			names[count++] = ctl_options[i].name;
	struct sg_str bare = {name.p + (name.len > 1 && name.p[1] == '-' ? 2 : 1), 0};
	bare.len = name.len - (size_t)(bare.p - name.p);
	const char *near = sg_nearest(bare, names, count);
	const char *command = c->command ? c->command->name : "tokenctl";
	if (near)
		return ctl_fail(CTL_USAGE, "%s has no option %s: did you mean --%s?", command,
		    ctl_show(name).text, near);
	return ctl_fail(CTL_USAGE, "%s has no option %s: 'tokenctl %s%s--help' lists them", command,
	    ctl_show(name).text, c->command ? command : "", c->command ? " " : "");
}

/* Takes the option at argv[*i], and its value. */
static int take_option(struct ctl *c, int argc, char **argv, int *i)
{
	uint64_t allowed = allowed_options(c);
	const char *value;
	enum ctl_opt opt = ctl_find_option(argv[*i], &value);

	if (opt != OPT_COUNT_ && (CTL_REMOTE & ~allowed & (uint64_t)1 << opt))
		return not_remote(c);
	if (opt == OPT_COUNT_ || !(allowed & (uint64_t)1 << opt))
		return no_such_option(c, argv[*i]);
	if (ctl_options[opt].value && !ctl_takes_word(opt)) {
		c->opt[opt] = value ? value : "";
		return CTL_DONE;
	}
	if (!ctl_options[opt].value) {
		if (value)
			return ctl_fail(CTL_USAGE,
			    "--%s takes no value: leave out what is behind '='",
			    ctl_options[opt].name);
		c->opt[opt] = "";
		return CTL_DONE;
	}
	if (!value && *i + 1 < argc)
		value = argv[++*i];
	if (!value)
		return ctl_fail(CTL_USAGE, "--%s wants a value: --%s %s", ctl_options[opt].name,
		    ctl_options[opt].name, ctl_options[opt].value);
	c->opt[opt] = value;
	return CTL_DONE;
}

static int check_arguments(const struct ctl *c)
{
	const struct ctl_command *cmd = c->command;

	if (!cmd || c->opt[OPT_HELP] || c->opt[OPT_VERSION])
		return CTL_DONE;
	if (c->opt[OPT_URL] && !(cmd->options & CTL_BIT(URL)) && cmd->run != ctl_help)
		return not_remote(c);
	if (c->arg_count < cmd->args_min)
		return ctl_fail(CTL_USAGE, "%s wants more: tokenctl %s %s", cmd->name, cmd->name,
		    cmd->arguments);
	if (c->arg_count > cmd->args_max)
		return ctl_fail(CTL_USAGE, "%s does not know what to do with '%s': tokenctl %s%s%s",
		    cmd->name, CTL_SHOW(c->args[cmd->args_max]), cmd->name,
		    *cmd->arguments ? " " : "", cmd->arguments);
	if (c->opt[OPT_JSON] && c->opt[OPT_CSV])
		return ctl_fail(CTL_USAGE, "--json and --csv exclude each other: choose one");
	return CTL_DONE;
}

/* "apikey --help": a first word that is no command alone. */
static bool asks_about_family(const char *first, int argc, char **argv)
{
	struct sg_str head, tail;
	bool family = false, help = false;

	for (size_t i = 0; i < ctl_command_count; i++)
		family |= sg_str_cut(sg_str_from(ctl_commands[i].name), ' ', &head, &tail) &&
			  sg_str_is(head, first);
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		help |= !strcmp(argv[i], "--help");
	return family && help;
}

/* Sets c->command from the first word or two; their places go to *first and *second. */
static int find_command(struct ctl *c, int argc, char **argv, int *first, int *second)
{
	int used = 1;

	*first = *second = next_word(1, argc, argv);
	if (*first == argc)
		return CTL_DONE;
	int then = next_word(*first + 1, argc, argv);
	const char *word = then < argc ? argv[then] : NULL;
	if (!(c->command = ctl_find_command(argv[*first], word, &used))) {
		if (word || !asks_about_family(argv[*first], argc, argv))
			return no_such_command(argv[*first], word);
		c->command = ctl_find_command("help", NULL, &used);
		*first = *second = 0; /* the word is what help is asked for */
	}
	if (used == 2)
		*second = then;
	return CTL_DONE;
}

int ctl_parse(struct ctl *c, int argc, char **argv)
{
	int first, second, kept = 0, res;
	bool options = true;

	if ((res = find_command(c, argc, argv, &first, &second)) != CTL_DONE)
		return res;
	c->args = argv; /* reused from slot 0 on: what is kept never outruns what is read */
	for (int i = 1; i < argc; i++) {
		if (i == first || i == second)
			continue;
		if (options && !strcmp(argv[i], "--"))
			options = false;
		else if (!options || !is_option(argv[i]))
			argv[kept++] = argv[i];
		else if ((res = take_option(c, argc, argv, &i)) != CTL_DONE)
			return res;
	}
	c->arg_count = kept;
	return check_arguments(c);
}
