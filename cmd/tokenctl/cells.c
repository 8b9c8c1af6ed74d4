/* cells.c - one value as a terminal, a line of fields or CSV shows it.
 * What others wrote (labels, user agents) never reaches a terminal as control characters, and
 * never breaks a line of fields. */
#include "output.h"
#include <stdio.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

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

const char *ctl_cell_text(
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

size_t ctl_put_shown(struct sg_buf *out, const char *text, size_t room)
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

/* U+0080 to U+009F, which some terminals obey like escape sequences, are C2 80 to C2 9F. */
static bool is_c1(const char *text)
{
	return (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] >= 0x80 &&
	       (unsigned char)text[1] < 0xa0;
}

void ctl_put_field(struct sg_buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char ch = (unsigned char)*text;
		if (is_c1(text))
			sg_buf_printf(out, "\\x%02x\\x%02x", ch, (unsigned char)*++text);
		else if (ch == '\t')
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

void ctl_put_csv(struct sg_buf *out, const char *text)
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

/* ---- colour ---- */

#define DIM "2"
#define RED "31"
#define GREEN "32"
#define YELLOW "33"

static const struct {
	const char *word, *sgr; /* ECMA-48, 8.3.117 */
} colours[] = {
    {"active", GREEN},
    {"pass", GREEN},
    {"admitted", GREEN},
    {"running", GREEN},
    {"token", GREEN},
    {"revoked", RED},
    {"fail", RED},
    {"refused", RED},
    {"kicked", RED},
    {"expired", YELLOW},
    {"unknown", YELLOW},
    {"open", YELLOW},
    {"not running", YELLOW},
    {"not answering", RED},
    {"used", DIM},
    {"skip", DIM},
    {"ended", DIM},
    {"as app", DIM},
};

/* What others named (a stream called "open") keeps out of it. */
static bool is_coloured(const char *key)
{
	static const char *const keys[] = {
	    "state", "result", "event", "publish", "play", "verdict"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

const char *ctl_colour_of(const struct ctl *c, const char *key, const char *word)
{
	if (!c->colour || !is_coloured(key))
		return NULL;
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (!strcmp(word, colours[i].word))
			return colours[i].sgr;
	return NULL;
}

bool ctl_print_word(struct ctl *c, const char *word)
{
	const char *sgr = ctl_colour_of(c, "verdict", word);

	return sgr ? ctl_printf(c, "\033[%sm%s\033[0m", sgr, word) : ctl_printf(c, "%s", word);
}
