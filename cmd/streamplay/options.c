/* options.c - from argv to what is to be done.
 * Options may stand anywhere, "--" ends them; "--name value" and "--name=value" are the same. */
#include "rtc.h"
#include "base/text.h"
#include "base/url.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name, *value, *help;
} table[OPT_COUNT_] = {
#define PLAY_OPT(name, text, value, help) {text, value, help},
    PLAY_OPTIONS(PLAY_OPT)
#undef PLAY_OPT
};

void options_help(void)
{
	char left[40];

	printf(
	    "usage: streamplay URL [OPTIONS]\n\n"
	    "  Plays a stream (rtmp, http, srt, whep, webrtc) or a file, shows it where there is a display, and\n"
	    "  tells what it measured.\n\n");
	for (int i = 0; i < OPT_COUNT_; i++) {
		snprintf(left, sizeof(left), "--%s%s%s", table[i].name, table[i].value ? " " : "",
		    table[i].value ? table[i].value : "");
		printf("  %-18s %s\n", left, table[i].help);
	}
	printf(
	    "\nThe token may also stand in the URL or in $STREAMGATE_TOKEN.\n"
	    "In the window: q or Esc quits, f is full screen, space pauses a file.\n"
	    "Exit status: 0 played, 1 failed, 2 wrong usage, 3 no such stream, 4 refused by the\n"
	    "gate, 5 an expectation not met.\n\n"
	    "example: streamplay rtmp://localhost/live/cam-1 --token @token.txt\n");
}

static int no_such_option(const char *arg)
{
	const char *names[OPT_COUNT_];
	struct sg_str name, rest;

	for (int i = 0; i < OPT_COUNT_; i++)
		names[i] = table[i].name;
	while (*arg == '-')
		arg++;
	sg_str_cut(sg_str_from(arg), '=', &name, &rest);
	const char *near = sg_nearest(name, names, OPT_COUNT_);
	if (near)
		return play_fail(PLAY_USAGE, "there is no option --%.*s: did you mean --%s?",
		    SG_STR_ARG(name), near);
	return play_fail(PLAY_USAGE, "there is no option --%.*s: 'streamplay --help' lists them",
	    SG_STR_ARG(name));
}

static int find_option(const char *arg, char **value)
{
	*value = NULL;
	if (!strcmp(arg, "-h"))
		return OPT_HELP;
	if (strncmp(arg, "--", 2))
		return OPT_COUNT_;
	size_t len = strcspn(arg + 2, "=");
	if (arg[2 + len] == '=')
		*value = (char *)arg + 2 + len + 1;
	for (int i = 0; i < OPT_COUNT_; i++)
		if (strlen(table[i].name) == len && !strncmp(arg + 2, table[i].name, len))
			return i;
	return OPT_COUNT_;
}

static int take_option(struct options *o, int argc, char **argv, int *i)
{
	char *value;
	int opt = find_option(argv[*i], &value);

	if (opt == OPT_COUNT_)
		return no_such_option(argv[*i]);
	if (!table[opt].value && value)
		return play_fail(PLAY_USAGE, "--%s takes no value: leave out what is behind '='",
		    table[opt].name);
	if (table[opt].value && !value && *i + 1 < argc)
		value = argv[++*i];
	if (table[opt].value && !value)
		return play_fail(PLAY_USAGE, "--%s wants a value: --%s %s", table[opt].name,
		    table[opt].name, table[opt].value);
	if (o->arg[opt] && table[opt].value)
		return play_fail(PLAY_USAGE, "--%s stands there twice: keep one", table[opt].name);
	o->arg[opt] = table[opt].value ? value : (char *)"";
	return PLAYED;
}

static int take_duration(struct options *o)
{
	const char *text = o->arg[OPT_DURATION];

	if (!text)
		return PLAYED;
	if (!sg_duration_parse(sg_str_from(text), &o->duration_ms) || !o->duration_ms)
		return play_fail(
		    PLAY_USAGE, "--duration %s is no time: write it like 10s or 2m", text);
	return PLAYED;
}

/* "10/s", "10", "0.5/s" */
static bool parse_rate(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && (!*end || !strcmp(end, "/s")) && *out > 0 && *out <= 1e6;
}

static bool names_dash(const char *url)
{
	struct sg_url u;

	return sg_url_parse(sg_str_from(url), &u) && u.path.len > 4 &&
	       !strncasecmp(u.path.p + u.path.len - 4, ".mpd", 4);
}

static int take_clients(struct options *o)
{
	uint64_t n;

	if (!o->arg[OPT_CLIENTS]) {
		if (o->arg[OPT_RAMP] || o->arg[OPT_TOKENS])
			return play_fail(PLAY_USAGE, "--%s is for many viewers: add --clients N",
			    o->arg[OPT_RAMP] ? "ramp" : "tokens");
		return PLAYED;
	}
	if (!sg_str_to_u64(sg_str_from(o->arg[OPT_CLIENTS]), CLIENTS_MAX, &n) || !n)
		return play_fail(PLAY_USAGE, "--clients %s is out of range: 1 to %d",
		    o->arg[OPT_CLIENTS], CLIENTS_MAX);
	o->clients = (unsigned)n;
	if (o->arg[OPT_RAMP] && !parse_rate(o->arg[OPT_RAMP], &o->ramp))
		return play_fail(
		    PLAY_USAGE, "--ramp %s is no rate: write it like 20/s", o->arg[OPT_RAMP]);
	if (o->arg[OPT_TOKEN] && o->arg[OPT_TOKENS])
		return play_fail(PLAY_USAGE, "--token and --tokens exclude each other: choose one");
	if (names_dash(o->url))
		return play_fail(PLAY_USAGE, "--clients does not speak DASH: give the stream's URL of HLS");
	static const enum play_opt alone[] = {OPT_RECORD, OPT_WINDOW, OPT_EXPECT};
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		if (o->arg[alone[i]])
			return play_fail(PLAY_USAGE,
			    "--%s is for one viewer: leave it or --clients out",
			    table[alone[i]].name);
	return PLAYED;
}

/* Publishing is over WHIP, and nothing is shown or checked. */
static int take_publish(struct options *o)
{
	static const enum play_opt others[] = {OPT_RECORD, OPT_WINDOW, OPT_EXPECT, OPT_CLIENTS};

	if (!o->arg[OPT_PUBLISH])
		return PLAYED;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (o->arg[others[i]])
			return play_fail(PLAY_USAGE, "--%s is for playing: leave it or --publish out",
			    table[others[i]].name);
	if (!strncasecmp(o->url, "whep+", 5) ||
	    (rtc_way(o->url) != RTC_HTTP && strncasecmp(o->url, "http://", 7) &&
	    strncasecmp(o->url, "https://", 8)))
		return play_fail(PLAY_USAGE,
		    "--publish speaks WHIP: give a URL like http://host:5080/live/whip/stream");
	return PLAYED;
}

static int take_values(struct options *o)
{
	int status;

	if (o->arg[OPT_HELP] || o->arg[OPT_VERSION])
		return PLAYED;
	if (!o->url)
		return play_fail(PLAY_USAGE, "there is no URL: streamplay URL [OPTIONS]");
	if (o->arg[OPT_WINDOW] && o->arg[OPT_NO_WINDOW])
		return play_fail(
		    PLAY_USAGE, "--window and --no-window exclude each other: choose one");
	if ((status = url_check(o->url)) != PLAYED || (status = take_duration(o)) != PLAYED ||
	    (status = take_clients(o)) != PLAYED || (status = take_publish(o)) != PLAYED)
		return status;
	if (o->arg[OPT_EXPECT])
		return expect_parse(o->arg[OPT_EXPECT], &o->expect, &o->expect_count);
	return PLAYED;
}

/* The URL is kept; where it stood, `ps` shows it as people may see it. */
static int take_url(struct options *o, char *arg)
{
	size_t len = strlen(arg);
	char *shown = url_shown(arg);

	if (!shown || !(o->url = strdup(arg))) {
		free(shown);
		return play_fail(PLAY_FAILED, "out of memory: free some");
	}
	memset(arg, 0, len);
	memcpy(arg, shown, strnlen(shown, len));
	free(shown);
	return PLAYED;
}

int options_parse(struct options *o, int argc, char **argv)
{
	bool options = true;
	int status;

	for (int i = 1; i < argc; i++) {
		if (options && !strcmp(argv[i], "--"))
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1]) {
			if ((status = take_option(o, argc, argv, &i)) != PLAYED)
				return status;
		} else if (o->url)
			return play_fail(PLAY_USAGE, "there is more than one URL: give one");
		else if ((status = take_url(o, argv[i])) != PLAYED)
			return status;
	}
	return take_values(o);
}

void options_reset(struct options *o)
{
	free(o->expect);
	o->expect = NULL;
	token_free(o->url);
	o->url = NULL;
}
