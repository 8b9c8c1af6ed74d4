/* rows.c - many things: an aligned table on a terminal, tab-separated fields on a pipe, CSV, JSON. */
#include "output.h"
#include <stdlib.h>

#define CHUNK_ROWS 1000 /* a table's columns are fitted to so many rows at a time */
#define COLUMNS_MAX 16
#define LAST_MIN 16 /* what the last column is given before others are hidden for it */
#define LAST_ROOM_MIN 4 /* and what it is given whatever the screen */

struct ctl_rows {
	struct ctl *c;
	const struct ctl_column *columns;
	size_t count, shown; /* shown: with a title */
	enum ctl_format format;
	bool live, begun;
	size_t mark; /* what was waiting to be written when the rows began */
	uint64_t total;
	size_t width[COLUMNS_MAX];
	bool hidden[COLUMNS_MAX]; /* in a table: no title, or no room */
	json_t *waiting[CHUNK_ROWS]; /* rows of a table whose widths are not known yet */
	size_t waiting_count;
	struct sg_buf cell;
};

static void put_csv_header(struct ctl_rows *r)
{
	for (size_t i = 0; i < r->count; i++)
		ctl_printf(r->c, "%s%s", i ? "," : "", r->columns[i].key);
	ctl_printf(r->c, "\n");
}

struct ctl_rows *ctl_rows_open(
    struct ctl *c, const struct ctl_column *columns, size_t count, bool live)
{
	struct ctl_rows *r = calloc(1, sizeof(*r));

	if (!r) {
		ctl_fail(CTL_FAILED, "out of memory: close something and try again");
		return NULL;
	}
	*r = (struct ctl_rows){.c = c,
	    .columns = columns,
	    .count = count,
	    .format = ctl_format(c),
	    .live = live,
	    .mark = c->out.len};
	sg_buf_init(&r->cell, 1u << 20);
	for (size_t i = 0; i < count; i++) {
		if ((r->hidden[i] = !columns[i].title))
			continue;
		size_t title = strlen(columns[i].title);
		r->shown = i + 1;
		r->width[i] = live && columns[i].width > title ? columns[i].width : title;
	}
	if (r->format == CTL_CSV)
		put_csv_header(r);
	else if (r->format == CTL_JSON && !live)
		ctl_printf(c, "{\"items\":[");
	return r;
}

static size_t terminal_columns(void)
{
	size_t columns, lines;

	ctl_terminal_size(&columns, &lines);
	return columns;
}

/* The columns before the last one and the gaps behind them. */
static size_t room_taken(const struct ctl_rows *r)
{
	size_t taken = 0;

	for (size_t i = 0; i + 1 < r->shown; i++)
		taken += r->hidden[i] ? 0 : r->width[i] + 2;
	return taken;
}

/* Hides what yields first, until the rest and a useful piece of the last column fit the screen. */
static void fit(struct ctl_rows *r)
{
	size_t screen = terminal_columns(), last = r->shown ? r->width[r->shown - 1] : 0;

	if (last > LAST_MIN)
		last = LAST_MIN;
	while (room_taken(r) + last > screen) {
		size_t victim = r->count;
		for (size_t i = 0; i + 1 < r->shown; i++)
			if (!r->hidden[i] && r->columns[i].yields &&
			    (victim == r->count ||
				r->columns[i].yields > r->columns[victim].yields))
				victim = i;
		if (victim == r->count)
			return;
		r->hidden[victim] = true;
	}
}

/* `at`: the column that the line has come to; `owed`: blanks before the next cell. */
static void put_cell(
    struct ctl_rows *r, size_t i, const char *text, bool title, size_t *at, size_t *owed)
{
	size_t room = CTL_CELL_MAX, screen = terminal_columns();
	const char *colour = ctl_colour_of(r->c, r->columns[i].key, text);

	if (title)
		colour = r->c->colour ? "1" : NULL;
	/* Free text stands last, and gives way. */
	if (i + 1 == r->shown && r->columns[i].kind != CTL_WHOLE)
		room = screen > *at + *owed + LAST_ROOM_MIN ? screen - *at - *owed : LAST_ROOM_MIN;
	r->cell.len = 0;
	size_t used = ctl_put_shown(&r->cell, *text ? text : "-", room);
	ctl_printf(r->c, "%*s", (int)*owed, "");
	ctl_printf(r->c, colour ? "\033[%sm%.*s\033[0m" : "%s%.*s", colour ? colour : "",
	    (int)r->cell.len, (char *)r->cell.p);
	*at += *owed + used;
	*owed = (r->width[i] > used ? r->width[i] - used : 0) + 2;
}

static void put_table_row(struct ctl_rows *r, const json_t *row /* NULL: the header */)
{
	char scratch[64];
	size_t at = 0, owed = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct ctl_column *col = &r->columns[i];
		if (!r->hidden[i])
			put_cell(r, i,
			    row ? ctl_cell_text(col, row, true, scratch, sizeof(scratch))
				: col->title,
			    !row, &at, &owed);
	}
	ctl_printf(r->c, "\n");
}

static void widen(struct ctl_rows *r, const json_t *row)
{
	char scratch[64];

	for (size_t i = 0; i < r->shown; i++) {
		if (r->hidden[i])
			continue;
		r->cell.len = 0;
		const char *text =
		    ctl_cell_text(&r->columns[i], row, true, scratch, sizeof(scratch));
		size_t n = ctl_put_shown(&r->cell, text, CTL_CELL_MAX);
		if (n > r->width[i])
			r->width[i] = n;
	}
}

static void print_waiting(struct ctl_rows *r)
{
	for (size_t k = 0; k < r->waiting_count; k++)
		widen(r, r->waiting[k]);
	if (!r->begun && (r->waiting_count || r->live)) {
		fit(r);
		put_table_row(r, NULL);
	}
	r->begun = r->begun || r->waiting_count;
	for (size_t k = 0; k < r->waiting_count; k++) {
		put_table_row(r, r->waiting[k]);
		json_decref(r->waiting[k]);
	}
	r->waiting_count = 0;
}

static void put_line(struct ctl_rows *r, const json_t *row)
{
	char scratch[64];

	r->cell.len = 0;
	for (size_t i = 0; i < r->count; i++) {
		const char *text =
		    ctl_cell_text(&r->columns[i], row, false, scratch, sizeof(scratch));
		if (i)
			sg_buf_put_u8(&r->cell, r->format == CTL_CSV ? ',' : '\t');
		if (r->format == CTL_CSV)
			ctl_put_csv(&r->cell, text);
		else
			ctl_put_field(&r->cell, text);
	}
	sg_buf_put_u8(&r->cell, '\n');
	sg_buf_append(&r->c->out, r->cell.p, r->cell.len);
	ctl_printf(r->c, "%s", "");
}

bool ctl_rows_add(struct ctl_rows *r, json_t *row)
{
	bool first = r->total++ == 0;

	if (!row) {
		r->c->out.failed = true;
		return ctl_flush(r->c);
	}
	switch (r->format) {
	case CTL_JSON:
		if (!r->live)
			ctl_printf(r->c, first ? "\n" : ",\n");
		ctl_put_json(r->c, json_incref(row), r->live ? "\n" : "");
		break;
	case CTL_TABLE:
		r->waiting[r->waiting_count++] = json_incref(row);
		if (r->live || r->waiting_count == CHUNK_ROWS)
			print_waiting(r);
		break;
	default:
		put_line(r, row);
	}
	json_decref(row);
	return (r->live ? ctl_flush(r->c) : !r->c->out_error) && !ctl_interrupted();
}

int ctl_rows_close(struct ctl_rows *r, const char *next)
{
	if (!r)
		return CTL_FAILED;
	if (r->format == CTL_TABLE) {
		print_waiting(r);
		if (!r->total && !r->live)
			ctl_printf(r->c, "none\n");
		if (next && *next)
			ctl_printf(r->c, "more follow: --after %s\n", next);
	} else if (r->format == CTL_JSON && !r->live) {
		ctl_printf(r->c, "],\"next\":");
		ctl_put_json(r->c, next && *next ? json_string(next) : json_null(), "}\n");
	}
	sg_buf_reset(&r->cell);
	free(r);
	return CTL_DONE;
}

int ctl_rows_end(struct ctl_rows *r, const char *next, int res)
{
	if (res == CTL_DONE || r->total)
		return ctl_rows_close(r, next) ? CTL_FAILED : res;
	r->c->out.len = r->mark; /* the header */
	sg_buf_reset(&r->cell);
	free(r);
	return res;
}
