/* help.c - tokenctl help, and --help: from the tables of commands and options. */
#include "tokenctl.h"
#include <stdio.h>

void ctl_print_all_help(struct ctl *c)
{
	ctl_printf(c, "usage: tokenctl COMMAND [ARGUMENTS] [OPTIONS]\n\n");
	for (size_t i = 0; i < ctl_command_count; i++)
		ctl_printf(c, "  %-19s %s\n", ctl_commands[i].name, ctl_commands[i].summary);
	ctl_printf(c,
	    "\nAlone on a terminal tokenctl is a shell that takes these commands.\n"
	    "Every command takes --config FILE, --json and --help, which lists its options.\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage, 3 no such thing, 4 the answer is no.\n"
	    "The whole story: man tokenctl\n");
}

static void print_options(struct ctl *c, uint64_t options)
{
	char left[40];

	for (int i = 0; i < OPT_COUNT_; i++) {
		if (!(options & ((uint64_t)1 << i)))
			continue;
		const struct ctl_option *o = &ctl_options[i];
		snprintf(left, sizeof(left), "--%s%s%s", o->name,
		    o->value && *o->value != '[' ? " " : "", o->value ? o->value : "");
		ctl_printf(c, "  %-22s %s\n", left, o->help);
	}
}

void ctl_print_help(struct ctl *c, const struct ctl_command *cmd)
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
		ctl_print_all_help(c);
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
		ctl_print_help(c, &ctl_commands[i]);
		found = true;
	}
	if (!found)
		return ctl_fail(CTL_USAGE, "there is no command '%s': 'tokenctl --help' lists them",
		    CTL_SHOW(name));
	return CTL_DONE;
}
