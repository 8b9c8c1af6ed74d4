/* words.h - a line that was typed, taken apart as a shell would. */
#ifndef TOKENCTL_WORDS_H
#define TOKENCTL_WORDS_H

#include "tokenctl.h"

#define WORDS_MAX 4096
/* 'single quotes', "double quotes" with \" \\ \$ \`, \x outside of them, # begins a comment. */
struct words {
	char *text; /* where they stand */
	char **argv; /* argv[0] is "tokenctl"; NULL behind the last */
	int argc;
	const char *wrong; /* what is wrong with the line, or NULL; the words before it are there */
};
/* False: out of memory. Ends with words_free. */
bool words_split(struct words *w, const char *line, size_t len);
void words_free(struct words *w); /* wipes them */
/* The line as it may be kept: secrets are [redacted]. malloc; NULL: it is not to be kept. */
char *words_for_history(const char *line);

#endif
