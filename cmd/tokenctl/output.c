/* output.c - standard output, JSON, one record, progress. */
#include "output.h"
#include "base/clock.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum ctl_format ctl_format(const struct ctl *c)
{
	if (c->opt[OPT_JSON])
		return CTL_JSON;
	if (c->opt[OPT_CSV])
		return CTL_CSV;
	return c->out_tty ? CTL_TABLE : CTL_TSV;
}

/* ---- standard output ---- */

void ctl_terminal_size(size_t *columns, size_t *lines)
{
	struct winsize w;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0;

	*columns = known && w.ws_col ? w.ws_col : 80;
	*lines = known && w.ws_row ? w.ws_row : 24;
}

bool ctl_flush(struct ctl *c)
{
	if (c->hold)
		return true;
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
	return c->hold || (c->out.len < 65536 && !c->out.failed) ? !c->out_error : ctl_flush(c);
}

static int dump_to_out(const char *p, size_t len, void *user)
{
	sg_buf_append(&((struct ctl *)user)->out, p, len);
	return 0;
}

bool ctl_put_json(struct ctl *c, json_t *value, const char *end)
{
	if (!value || json_dump_callback(value, dump_to_out, c, JSON_COMPACT | JSON_ENCODE_ANY))
		c->out.failed = true;
	json_decref(value);
	return ctl_printf(c, "%s", end);
}

bool ctl_print_json(struct ctl *c, json_t *value)
{
	return ctl_put_json(c, value, "\n");
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

void ctl_json_drop(json_t *value)
{
	const char *key;
	json_t *item;
	size_t i;

	if (!value)
		return;
	/* Only what nobody else holds. */
	if (value->refcount == 1 && json_is_string(value))
		sg_wipe((char *)json_string_value(value), json_string_length(value));
	if (value->refcount == 1) {
		json_array_foreach(value, i, item) ctl_json_drop(json_incref(item));
		json_object_foreach(value, key, item) ctl_json_drop(json_incref(item));
	}
	json_decref(value);
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

	if (!n) {
		snprintf(out, size, " (now)");
		return;
	}
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
		ctl_put_shown(&cell, *text ? text : "-", CTL_CELL_MAX);
	else
		ctl_put_field(&cell, text);
	ctl_printf(c, table ? "%-12s " : "%s\t", name);
	const char *colour = table ? ctl_colour_of(c, name, text) : NULL;
	if (colour)
		ctl_printf(c, "\033[%sm", colour);
	sg_buf_append(&c->out, cell.p, cell.len);
	ctl_printf(c, "%s%s\n", colour ? "\033[0m" : "", table ? tail : "");
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
		    ctl_cell_text(col, record, table, scratch, sizeof(scratch)), tail);
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
