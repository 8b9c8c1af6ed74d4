/* output.c - results: an aligned table on a terminal, tab-separated fields on a pipe, CSV, JSON.
 * What others wrote (labels, user agents) never reaches a terminal as control characters, and
 * never breaks a line of fields. */
#include "tokenctl.h"
#include "base/clock.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

enum ctl_format ctl_format(const struct ctl *c)
{
	if (c->opt[OPT_JSON])
		return CTL_JSON;
	if (c->opt[OPT_CSV])
		return CTL_CSV;
	return c->out_tty ? CTL_TABLE : CTL_TSV;
}

/* ---- standard output ---- */

bool ctl_flush(struct ctl *c)
{
	if (c->out.failed && !c->out_error)
		c->out_error = ENOMEM;
	for (size_t done = 0; done < c->out.len && !c->out_error;) {
		ssize_t n = write(STDOUT_FILENO, c->out.p + done, c->out.len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			c->out_error = n ? errno : EIO;
	}
	if (c->out.p)
		sg_wipe(c->out.p, c->out.len); /* new tokens pass through here */
	c->out.len = 0;
	return !c->out_error;
}

bool ctl_printf(struct ctl *c, const char *fmt, ...)
{
	char small[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		sg_buf_append(&c->out, small, (size_t)n);
	} else if (n > 0 && sg_buf_reserve(&c->out, (size_t)n + 1)) {
		va_start(ap, fmt);
		vsnprintf((char *)c->out.p + c->out.len, (size_t)n + 1, fmt, ap);
		va_end(ap);
		c->out.len += (size_t)n;
	}
	sg_wipe(small, sizeof(small));
	return c->out.len < 65536 && !c->out.failed ? !c->out_error : ctl_flush(c);
}

static int dump_to_out(const char *p, size_t len, void *user)
{
	sg_buf_append(&((struct ctl *)user)->out, p, len);
	return 0;
}

static bool put_json(struct ctl *c, json_t *value, const char *end)
{
	if (!value || json_dump_callback(value, dump_to_out, c, JSON_COMPACT | JSON_ENCODE_ANY))
		c->out.failed = true;
	json_decref(value);
	return ctl_printf(c, "%s", end);
}

bool ctl_print_json(struct ctl *c, json_t *value)
{
	return put_json(c, value, "\n");
}

/* ---- members ---- */

json_t *ctl_json_text(const char *z)
{
	size_t len = strlen(z);
	json_t *text = json_stringn(z, len);

	if (text || len > 4096)
		return text;
	char ascii[4097];
	for (size_t i = 0; i < len; i++)
		ascii[i] = (unsigned char)z[i] < 0x80 ? z[i] : '?';
	return json_stringn(ascii, len);
}

json_t *ctl_json_time(int64_t unix_s)
{
	return unix_s ? json_integer(unix_s) : json_null();
}

json_t *ctl_json_id(uint64_t id)
{
	char text[SG_ID_TEXT_SIZE];

	if (!id)
		return json_null();
	sg_id_format(text, id);
	return json_string(text);
}

const char *ctl_json_get(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* INTERFACE 3.1. */
json_t *ctl_json_token(const struct ctl *c, const struct sg_token *t)
{
	return json_pack("{so ss ss ss so si si si sI so so so so so ss}", "id", ctl_json_id(t->id),
	    "streamId", t->stream, "app", t->app, "type", sg_token_type_name(t->type), "label",
	    ctl_json_text(t->label), "maxUses", (int)t->max_uses, "uses", (int)t->uses, "resume",
	    (int)t->resume_s, "createdAt", (json_int_t)t->created_at, "createdBy",
	    ctl_json_text(t->created_by), "firstUsedAt", ctl_json_time(t->first_used_at),
	    "lastUsedAt", ctl_json_time(t->last_used_at), "revokedAt", ctl_json_time(t->revoked_at),
	    "expireDate", ctl_json_time(t->expires_at), "state",
	    sg_token_state_name(sg_token_state(t, c->now)));
}

/* ---- one cell ---- */

static void format_bytes(char *out, size_t size, double n)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	size_t u = 0;

	for (; n >= 1000 && u < 5; u++)
		n /= 1000;
	snprintf(out, size, u && n < 10 ? "%.1f %s" : "%.0f %s", n, units[u]);
}

static void format_local(char *out, size_t size, int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(out, size, "%lld", (long long)unix_s);
}

static void format_time(
    char *out, size_t size, const struct ctl_column *col, int64_t at, bool table)
{
	char text[SG_TIME_TEXT_SIZE];

	if (table) {
		format_local(out, size, col->kind == CTL_TIME_MS ? at / 1000 : at);
		return;
	}
	if (col->kind == CTL_TIME_MS)
		sg_time_format_ms(text, at);
	else
		sg_time_format(text, at);
	snprintf(out, size, "%s", text);
}

/* The cell's text, before escaping; `scratch` may hold it. */
static const char *cell_text(
    const struct ctl_column *col, const json_t *row, bool table, char *scratch, size_t size)
{
	const json_t *v = json_object_get(row, col->key);

	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_boolean(v))
		return json_is_true(v) ? "yes" : "no";
	if (!json_is_number(v))
		return "";
	int64_t n = (int64_t)json_number_value(v);
	if (json_is_integer(v))
		n = json_integer_value(v);
	if (col->kind == CTL_TIME || col->kind == CTL_TIME_MS)
		format_time(scratch, size, col, n, table);
	else if (table && col->kind == CTL_BYTES)
		format_bytes(scratch, size, (double)n);
	else if (table && col->kind == CTL_USES)
		snprintf(scratch, size, "%lld/%lld", (long long)n,
		    (long long)json_integer_value(json_object_get(row, "maxUses")));
	else
		snprintf(scratch, size, "%lld", (long long)n);
	return scratch;
}

/* Marks that turn the direction of what follows: they would garble a table (Unicode, UAX 9). */
static bool turns_text(wchar_t ch)
{
	return (ch >= 0x200e && ch <= 0x200f) || (ch >= 0x202a && ch <= 0x202e) ||
	       (ch >= 0x2066 && ch <= 0x2069);
}

/* Appends `text` for a terminal, at most `room` columns of it (an ellipsis ends what was cut);
 * answers how many columns it takes. */
static size_t put_shown(struct sg_buf *out, const char *text, size_t room)
{
	size_t used = 0, left = strlen(text);
	mbstate_t state = {0};

	while (left) {
		wchar_t ch = 0;
		size_t n = mbrtowc(&ch, text, left, &state);
		bool bad = n == 0 || n > left;
		if (bad)
			n = 1, memset(&state, 0, sizeof(state));
		int columns = bad || turns_text(ch) || !iswprint((wint_t)ch) ? -1 : wcwidth(ch);
		size_t width = columns < 0 ? 1 : (size_t)columns;
		/* The last column is kept free for the ellipsis as long as more follows. */
		if (used + width + (left > n ? 1 : 0) > room) {
			sg_buf_puts(out, "\xe2\x80\xa6");
			return used + 1;
		}
		if (columns < 0)
			sg_buf_put_u8(out, '?');
		else
			sg_buf_append(out, text, n);
		used += width, text += n, left -= n;
	}
	return used;
}

/* As PostgreSQL's COPY writes it: a backslash escapes what would break the line. */
static void put_field(struct sg_buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char ch = (unsigned char)*text;
		if (ch == '\t')
			sg_buf_puts(out, "\\t");
		else if (ch == '\n')
			sg_buf_puts(out, "\\n");
		else if (ch == '\r')
			sg_buf_puts(out, "\\r");
		else if (ch == '\\')
			sg_buf_puts(out, "\\\\");
		else if (ch < 0x20 || ch == 0x7f)
			sg_buf_printf(out, "\\x%02x", ch);
		else
			sg_buf_put_u8(out, ch);
	}
}

static void put_csv(struct sg_buf *out, const char *text) /* RFC 4180 */
{
	if (!strpbrk(text, "\",\r\n")) {
		sg_buf_puts(out, text);
		return;
	}
	sg_buf_put_u8(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			sg_buf_put_u8(out, '"');
		sg_buf_put_u8(out, (uint8_t)*text);
	}
	sg_buf_put_u8(out, '"');
}

/* ---- rows ---- */

#define CHUNK_ROWS 1000 /* a table's columns are fitted to so many rows at a time */
#define COLUMNS_MAX 16
#define CELL_MAX 400 /* columns of a terminal */

struct ctl_rows {
	struct ctl *c;
	const struct ctl_column *columns;
	size_t count, shown; /* shown: with a title */
	enum ctl_format format;
	bool live, begun;
	uint64_t total;
	size_t width[COLUMNS_MAX];
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
	*r = (struct ctl_rows){
	    .c = c, .columns = columns, .count = count, .format = ctl_format(c), .live = live};
	sg_buf_init(&r->cell, 1u << 20);
	for (size_t i = 0; i < count; i++) {
		if (!columns[i].title)
			continue;
		size_t title = strlen(columns[i].title);
		r->shown = i + 1;
		r->width[i] = title > columns[i].width ? title : columns[i].width;
	}
	if (r->format == CTL_CSV)
		put_csv_header(r);
	else if (r->format == CTL_JSON && !live)
		ctl_printf(c, "{\"items\":[");
	return r;
}

static size_t terminal_columns(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
		return w.ws_col;
	return 80;
}

static void put_cell(struct ctl_rows *r, size_t i, const char *text, size_t *at, size_t *owed)
{
	bool last = i + 1 == r->shown;
	size_t room = CELL_MAX, screen = terminal_columns();

	ctl_printf(r->c, "%*s", (int)*owed, "");
	*at += *owed;
	if (last) /* free text stands last, and gives way */
		room = screen > *at + 8 ? screen - *at : 8;
	r->cell.len = 0;
	size_t used = put_shown(&r->cell, *text ? text : "-", room);
	ctl_printf(r->c, "%.*s", (int)r->cell.len, (char *)r->cell.p);
	*at += used;
	*owed = (r->width[i] > used ? r->width[i] - used : 0) + 2;
}

static void put_table_row(struct ctl_rows *r, const json_t *row /* NULL: the header */)
{
	char scratch[64];
	size_t at = 0, owed = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct ctl_column *col = &r->columns[i];
		if (col->title)
			put_cell(r, i,
			    row ? cell_text(col, row, true, scratch, sizeof(scratch)) : col->title,
			    &at, &owed);
	}
	ctl_printf(r->c, "\n");
}

static void widen(struct ctl_rows *r, const json_t *row)
{
	char scratch[64];

	for (size_t i = 0; i < r->shown; i++) {
		if (!r->columns[i].title)
			continue;
		r->cell.len = 0;
		size_t n = put_shown(&r->cell,
		    cell_text(&r->columns[i], row, true, scratch, sizeof(scratch)), CELL_MAX);
		if (n > r->width[i])
			r->width[i] = n;
	}
}

static void print_waiting(struct ctl_rows *r)
{
	for (size_t k = 0; k < r->waiting_count; k++)
		widen(r, r->waiting[k]);
	if (!r->begun && (r->waiting_count || r->live))
		put_table_row(r, NULL);
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
		const char *text = cell_text(&r->columns[i], row, false, scratch, sizeof(scratch));
		if (i)
			sg_buf_put_u8(&r->cell, r->format == CTL_CSV ? ',' : '\t');
		if (r->format == CTL_CSV)
			put_csv(&r->cell, text);
		else
			put_field(&r->cell, text);
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
		put_json(r->c, json_incref(row), r->live ? "\n" : "");
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
	return r->live ? ctl_flush(r->c) : !r->c->out_error;
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
		put_json(r->c, next && *next ? json_string(next) : json_null(), "}\n");
	}
	sg_buf_reset(&r->cell);
	free(r);
	return CTL_DONE;
}

/* ---- one record ---- */

/* " (in 3h)", " (2d ago)": the largest unit is enough. */
static void format_distance(char *out, size_t size, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t n = seconds < 0 ? -seconds : seconds;
	size_t u = 0;

	while (u < 3 && n < units[u].seconds * 2)
		u++;
	snprintf(out, size, seconds < 0 ? " (%lld%c ago)" : " (in %lld%c)",
	    (long long)((n + units[u].seconds / 2) / units[u].seconds), units[u].unit);
}

static void print_member(struct ctl *c, const char *name, const char *text, const char *tail)
{
	bool table = ctl_format(c) == CTL_TABLE;
	struct sg_buf cell;

	sg_buf_init(&cell, 1u << 20);
	if (table)
		put_shown(&cell, *text ? text : "-", CELL_MAX);
	else
		put_field(&cell, text);
	ctl_printf(c, table ? "%-12s " : "%s\t", name);
	sg_buf_append(&c->out, cell.p, cell.len);
	ctl_printf(c, "%s\n", table ? tail : "");
	if (cell.p)
		sg_wipe(cell.p, cell.len);
	sg_buf_reset(&cell);
}

static void print_urls(struct ctl *c, json_t *urls)
{
	const char *name;
	json_t *url;

	json_object_foreach(urls, name, url)
	    print_member(c, name, json_string_value(url) ? json_string_value(url) : "", "");
}

int ctl_print_record(struct ctl *c, const struct ctl_column *columns, size_t count, json_t *record)
{
	bool table = ctl_format(c) == CTL_TABLE;
	char scratch[64], tail[40];

	if (!record)
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	if (ctl_format(c) == CTL_JSON) {
		ctl_print_json(c, record);
		return CTL_DONE;
	}
	for (size_t i = 0; i < count; i++) {
		const struct ctl_column *col = &columns[i];
		const json_t *v = json_object_get(record, col->key);
		if (table && !col->title)
			continue;
		tail[0] = 0;
		if (col->kind == CTL_TIME && json_is_integer(v))
			format_distance(tail, sizeof(tail), json_integer_value(v) - c->now);
		print_member(c, table ? col->title : col->key,
		    cell_text(col, record, table, scratch, sizeof(scratch)), tail);
	}
	print_urls(c, json_object_get(record, "urls"));
	json_decref(record);
	return CTL_DONE;
}

/* ---- progress ---- */

void ctl_progress_start(struct ctl_progress *p, const struct ctl *c)
{
	*p = (struct ctl_progress){.started_ms = sg_mono_ms(), .on = c->err_tty};
}

void ctl_progress_show(struct ctl_progress *p, const char *what, uint64_t done, uint64_t total)
{
	int64_t now = sg_mono_ms();

	if (!p->on || now - p->started_ms < 1000 || now - p->shown_ms < 100)
		return;
	p->shown = true;
	p->shown_ms = now;
	if (total)
		fprintf(stderr, "\r%s %llu of %llu (%llu%%)\033[K", what, (unsigned long long)done,
		    (unsigned long long)total, (unsigned long long)(done * 100 / total));
	else
		fprintf(stderr, "\r%s %llu\033[K", what, (unsigned long long)done);
	fflush(stderr);
}

void ctl_progress_end(struct ctl_progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\033[K");
	p->shown = false;
}
