/* output.h - shared by what prints: output.c, rows.c, cells.c. */
#ifndef TOKENCTL_OUTPUT_H
#define TOKENCTL_OUTPUT_H

#include "tokenctl.h"

#define CTL_CELL_MAX 400 /* columns of a terminal */

/* The value of `col` in `row` before any escaping; `scratch` may hold it. */
const char *ctl_cell_text(
    const struct ctl_column *col, const json_t *row, bool table, char *scratch, size_t size);
/* As PostgreSQL's COPY writes it: a backslash escapes what would break the line. */
void ctl_put_field(struct sg_buf *out, const char *text);
void ctl_put_csv(struct sg_buf *out, const char *text); /* RFC 4180 */
bool ctl_put_json(struct ctl *c, json_t *value, const char *end); /* takes the value */
/* How a terminal colours a word such as "active" that is the value of `key`: NULL = not at all. */
const char *ctl_colour_of(const struct ctl *c, const char *key, const char *word);

#endif
