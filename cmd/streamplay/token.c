/* token.c - where the token comes from, and how it goes into the URL (INTERFACE.md section 4). */
#include "rtc.h"
#include "base/log.h"
#include "base/text.h"
#include "base/url.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

void token_free(char *token)
{
	if (token)
		sg_wipe(token, strlen(token));
	free(token);
}

void tokens_free(char **tokens, unsigned count)
{
	for (unsigned i = 0; tokens && i < count; i++)
		token_free(tokens[i]);
	free(tokens);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct sg_str trim(struct sg_str s)
{
	while (s.len && is_blank(s.p[0]))
		s.p++, s.len--;
	while (s.len && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

/* The first line of `in`; NULL when it is empty, too long or unreadable. */
static char *read_line(FILE *in)
{
	char line[TOKEN_MAX + 2];
	char *token = NULL;

	if (fgets(line, sizeof(line), in) && strlen(line) <= TOKEN_MAX) {
		struct sg_str text = trim(sg_str_from(line));
		token = text.len ? sg_str_dup(text) : NULL;
	}
	sg_wipe(line, sizeof(line));
	return token;
}

static int read_from(const char *path, char **token)
{
	FILE *in = fopen(path, "re");

	if (!in)
		return play_fail(
		    PLAY_FAILED, "cannot read the token in %s: %s", path, strerror(errno));
	*token = read_line(in);
	fclose(in);
	if (!*token)
		return play_fail(
		    PLAY_FAILED, "there is no token in %s: put it on the first line", path);
	return PLAYED;
}

/* Until a line has been typed; false: interrupted, if only just before. */
static bool await_line(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	sigset_t ours, before;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigprocmask(SIG_BLOCK, &ours, &before);
	fprintf(stderr, "token (not shown): ");
	bool typed = ppoll(&in, 1, NULL, &before) > 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return typed;
}

/* Typed at a terminal it is not shown. */
static char *read_stdin(void)
{
	struct termios shown, hidden;

	if (tcgetattr(STDIN_FILENO, &shown))
		return read_line(stdin);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	/* First, so that nothing of the answer is shown or lost. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	char *token = await_line() ? read_line(stdin) : NULL;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fprintf(stderr, "\n");
	return token;
}

int token_read(const struct options *o, char **token)
{
	char *arg = o->arg[OPT_TOKEN];

	*token = NULL;
	if (!arg) {
		const char *env = getenv("STREAMGATE_TOKEN");
		*token = env && *env ? strdup(env) : NULL;
		return PLAYED;
	}
	if (!strcmp(arg, "-")) {
		if (!(*token = read_stdin()))
			return play_fail(PLAY_FAILED,
			    "there is no token on standard input: give it as the first line");
		return PLAYED;
	}
	if (*arg == '@')
		return read_from(arg + 1, token);
	if (!*arg || strlen(arg) > TOKEN_MAX)
		return play_fail(
		    PLAY_USAGE, "--token is empty or too long: give a token, - or @FILE");
	*token = strdup(arg);
	memset(arg, 'x', strlen(arg));
	return *token ? PLAYED : play_fail(PLAY_FAILED, "out of memory: free some");
}

int tokens_read(const char *path, unsigned wanted, char ***out)
{
	FILE *in = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char **tokens = calloc(wanted, sizeof(*tokens));
	unsigned count = 0;

	*out = NULL;
	if (!in || !tokens) {
		free(tokens);
		return play_fail(
		    PLAY_FAILED, "cannot read the tokens in %s: %s", path, strerror(errno));
	}
	while (count < wanted && !feof(in) && !ferror(in)) {
		tokens[count] = read_line(in);
		count += tokens[count] != NULL; /* empty lines are passed over */
	}
	if (in != stdin)
		fclose(in);
	if (count < wanted) {
		tokens_free(tokens, count);
		return play_fail(PLAY_FAILED,
		    "%s has %u tokens for %u clients: add some, or --clients %u", path, count,
		    wanted, count ? count : 1);
	}
	*out = tokens;
	return PLAYED;
}

/* ---- URLs ---- */

static bool has_token(const struct sg_url *u)
{
	struct sg_str rest = u->query, key, value;

	while (sg_query_next(&rest, &key, &value))
		if (sg_str_equal_nocase(key, SG_STR("token")))
			return true;
	/* In SRT it is a part of the stream id, plain or escaped. */
	if (!sg_str_equal_nocase(u->scheme, SG_STR("srt")) || !u->query.len)
		return false;
	return memmem(u->query.p, u->query.len, "token=", 6) ||
	       memmem(u->query.p, u->query.len, "token%3D", 8) ||
	       memmem(u->query.p, u->query.len, "token%3d", 8);
}

/* The end of SRT's "streamid=#!::r=live/cam,m=request", where the token goes on; NULL without. */
static const char *stream_id_end(const struct sg_url *u)
{
	struct sg_str rest = u->query, key, value;

	if (!sg_str_equal_nocase(u->scheme, SG_STR("srt")))
		return NULL;
	while (sg_query_next(&rest, &key, &value))
		if (sg_str_is(key, "streamid") && value.p)
			return value.p + value.len;
	return NULL;
}

char *url_with_token(const char *url, const char *token)
{
	struct sg_url u;
	struct sg_buf b;
	struct sg_str all = sg_str_from(url);
	char *out = NULL;

	/* Over HTTP and the WebSocket of WebRTC it travels in a header or a message (rtc.h). */
	if (!token || !sg_url_parse(all, &u) || has_token(&u) || rtc_way(url))
		return strdup(url);
	sg_buf_init(&b, 2 * URL_MAX + 4 * TOKEN_MAX);
	const char *id_end = stream_id_end(&u);
	size_t cut = u.fragment.p ? (size_t)(u.fragment.p - url) - 1 : all.len;
	if (id_end)
		cut = (size_t)(id_end - url);
	sg_buf_append(&b, url, cut);
	sg_buf_puts(&b, id_end ? ",token=" : u.query.p ? "&token=" : "?token=");
	sg_percent_encode(&b, sg_str_from(token));
	if (id_end)
		sg_buf_puts(&b, id_end);
	if (!b.failed)
		out = sg_str_dup((struct sg_str){(char *)b.p, b.len});
	if (b.p)
		sg_wipe(b.p, b.len);
	sg_buf_reset(&b);
	return out;
}

char *url_shown(const char *url)
{
	size_t size = 3 * strlen(url) + 64;
	char *out = malloc(size);

	if (out)
		sg_redact(out, size, sg_str_from(url));
	return out;
}

int url_check(const char *url)
{
	static const char *const speaks[] = {"rtmp", "rtmps", "http", "https", "srt", "file"};
	struct sg_url u;
	char scheme[16];

	if (strlen(url) > URL_MAX - TOKEN_MAX / 4)
		return play_fail(PLAY_USAGE, "the URL is too long: %d characters at most",
		    URL_MAX - TOKEN_MAX / 4);
	if (!*url || !strstr(url, "://"))
		return *url ? PLAYED : play_fail(PLAY_USAGE, "the URL is empty: give one");
	if (!sg_url_parse(sg_str_from(url), &u))
		return play_fail(
		    PLAY_USAGE, "this is no URL: write it like rtmp://host/live/stream");
	for (size_t i = 0; i < sizeof(speaks) / sizeof(speaks[0]); i++)
		if (sg_str_equal_nocase(u.scheme, sg_str_from(speaks[i])))
			return PLAYED;
	if (rtc_way(url))
		return PLAYED;
	sg_str_copy(scheme, sizeof(scheme), u.scheme);
	return play_fail(PLAY_USAGE,
	    "streamplay does not speak %s: use the stream's URL of rtmp, http, srt, whep+http or webrtc",
	    scheme);
}
