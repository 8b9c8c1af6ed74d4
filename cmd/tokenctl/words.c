/* words.c - a line that was typed, taken apart as a shell would; and what of it may be kept. */
#include "words.h"
#include "base/log.h"
#include <stdlib.h>


static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

/* Where one is in the line, and in the words that are written. */
struct cursor {
	const char *p, *end;
	char *out;
};

/* Copies what stands between quotes; false: they are never closed. */
static bool take_quoted(struct cursor *k)
{
	char quote = *k->p++;

	for (; k->p < k->end && *k->p != quote; k->p++) {
		if (quote == '"' && *k->p == '\\' && k->p + 1 < k->end && strchr("\"\\$`", k->p[1]))
			k->p++;
		*k->out++ = *k->p;
	}
	return k->p++ < k->end;
}

static const char *take_word(struct cursor *k)
{
	while (k->p < k->end && !is_blank(*k->p)) {
		char ch = *k->p;
		if (ch == '\'' || ch == '"') {
			if (!take_quoted(k))
				return ch == '"' ? "a \" is never closed: close it"
						 : "a ' is never closed: close it, or write \\'";
			continue;
		}
		if (ch == '\\' && ++k->p == k->end)
			return "there is nothing behind the \\: leave it out";
		*k->out++ = *k->p++;
	}
	return NULL;
}

static const char *take_words(struct words *w, struct cursor *k)
{
	const char *wrong = NULL;

	while (!wrong) {
		while (k->p < k->end && is_blank(*k->p))
			k->p++;
		if (k->p == k->end || *k->p == '#')
			break;
		if (strchr("|<>", *k->p))
			return "there are no pipes and redirections here: run tokenctl from your "
			       "shell for those";
		if (w->argc == WORDS_MAX)
			return "there are too many words: use fewer";
		w->argv[w->argc++] = k->out;
		wrong = take_word(k);
		*k->out++ = 0;
	}
	return wrong;
}

bool words_split(struct words *w, const char *line, size_t len)
{
	static char name[] = "tokenctl";

	*w = (struct words){0};
	w->text = calloc(1, 2 * len + 2); /* each word has at least one byte, and gets a NUL */
	w->argv = calloc(WORDS_MAX + 2, sizeof(*w->argv));
	if (!w->text || !w->argv) {
		words_free(w);
		return false;
	}
	struct cursor k = {line, line + len, w->text};
	w->argv[w->argc++] = name;
	w->wrong = take_words(w, &k);
	w->argv[w->argc] = NULL;
	/* As the manual and the errors write it. */
	if (w->argc > 1 && !strcmp(w->argv[1], name))
		memmove(w->argv + 1, w->argv + 2, (size_t)w->argc-- * sizeof(*w->argv));
	return true;
}

void words_free(struct words *w)
{
	for (int i = 1; w->argv && i < w->argc; i++)
		sg_wipe(w->argv[i], strlen(w->argv[i]));
	free(w->argv);
	free(w->text);
	*w = (struct words){0};
}

/* ---- what may be kept ---- */

/* Commands whose arguments may be secrets even where they do not look like one: a token with a
 * letter missing is one still. */
static bool takes_secrets(const struct ctl_command *cmd)
{
	static const char *const names[] = {"check", "show", "revoke", "passwd"};

	for (size_t i = 0; cmd && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(cmd->name, names[i]))
			return true;
	return false;
}

static bool is_harmless(const char *arg)
{
	uint64_t id;

	return !strcmp(arg, "-") || arg[0] == '@' || sg_id_parse(sg_str_from(arg), &id);
}

/* Appends the word, quoted where that is needed; "[redacted]" in it for what is secret. */
static bool keep_word(struct sg_buf *out, const char *word, bool secret)
{
	size_t size = strlen(word) + 1024;
	char *clear = malloc(size);
	bool changed = secret;

	if (!clear) {
		out->failed = true;
		return false;
	}
	sg_redact(clear, size, secret ? SG_STR(SG_REDACTED) : sg_str_from(word));
	changed = changed || strcmp(clear, word) != 0;
	bool quote = !*clear || strpbrk(clear, " \t\"'\\#|<>");
	sg_buf_puts(out, out->len ? " " : "");
	sg_buf_puts(out, quote ? "'" : "");
	for (const char *p = clear; *p; p++) {
		if (*p == '\'')
			sg_buf_puts(out, "'\\'");
		sg_buf_put_u8(out, (uint8_t)*p);
	}
	sg_buf_puts(out, quote ? "'" : "");
	sg_wipe(clear, size);
	free(clear);
	return changed;
}

/* True: something in it had to be hidden. */
static bool keep_words(struct words *w, struct sg_buf *out)
{
	int used = 1, words = 0;
	bool changed = false, value = false;
	const struct ctl_command *cmd =
	    w->argc > 1 ? ctl_find_command(w->argv[1], w->argc > 2 ? w->argv[2] : NULL, &used)
			: NULL;

	for (int i = 1; i < w->argc; i++) {
		const char *behind, *word = w->argv[i];
		bool option = word[0] == '-' && word[1], secret = false;
		if (!value && !option && words++ >= used)
			secret = takes_secrets(cmd) && !is_harmless(word);
		value =
		    !value && option && ctl_takes_word(ctl_find_option(word, &behind)) && !behind;
		changed |= keep_word(out, word, secret);
	}
	return changed;
}

char *words_for_history(const char *line)
{
	struct sg_buf kept;
	struct words w;
	char *out = NULL;

	if (!words_split(&w, line, strlen(line)))
		return NULL;
	sg_buf_init(&kept, 1u << 20);
	bool changed = keep_words(&w, &kept);
	/* What does not come apart is not known well enough to be kept. */
	if (w.argc > 1 && !w.wrong && !kept.failed)
		out = changed ? sg_str_dup((struct sg_str){(char *)kept.p, kept.len})
			      : sg_str_dup(sg_str_from(line));
	if (kept.p)
		sg_wipe(kept.p, kept.cap);
	sg_buf_reset(&kept);
	words_free(&w);
	return out;
}
