/* complete.h - what may stand next in a line: commands, options, values, ids. */
#ifndef TOKENCTL_COMPLETE_H
#define TOKENCTL_COMPLETE_H

#include "words.h"

#define OFFERS_MAX 2000
struct offers {
	const char *prefix;
	size_t prefix_len;
	char **items; /* malloc, each; NULL behind the last */
	size_t count;
	bool files; /* names of files are asked for instead */
};
/* Offers what begins with `prefix` behind the words `before`. Asks store and streamd, quietly, and
 * for no longer than a moment. Ends with offers_free. */
void ctl_offer(
    const struct ctl *base, const struct words *before, const char *prefix, struct offers *out);
void offers_free(struct offers *o);

#endif
