/* qr.c - a token's URL as a QR code (ISO/IEC 18004), for a phone to look at.
 *
 * A terminal draws two modules in one character cell, an upper and a lower half block; where it can
 * colour, black on white, which every reader takes. Without colour light modules are drawn with ink,
 * as most terminals are dark. Elsewhere a dark module is "##": text can be put anywhere. */
#include "tokenctl.h"
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <qrencode.h>
#include <stdio.h>

#define MARGIN 4 /* modules of quiet zone around it (ISO/IEC 18004, 6.3.8) */
#define MARGIN_MIN 2 /* what readers make do with where there is no room */

static bool is_dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       code->data[y * code->width + x] & 1;
}

/* Is the terminal one for UTF-8? main() makes the program's own locale UTF-8 whatever it is. */
static bool terminal_is_utf8(void)
{
	locale_t own = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	bool utf8 = own && !strcmp(nl_langinfo_l(CODESET, own), "UTF-8");

	if (own)
		freelocale(own);
	return utf8;
}

static void draw_blocks(struct ctl *c, const QRcode *code, int margin)
{
	static const char *const blocks[] = {" ", "\xe2\x96\x84", "\xe2\x96\x80", "\xe2\x96\x88"};
	bool inverse = !c->colour;

	for (int y = -margin; y < code->width + margin; y += 2) {
		ctl_printf(c, "%s", c->colour ? "\033[30;47m" : "");
		for (int x = -margin; x < code->width + margin; x++) {
			bool upper = is_dark(code, x, y), lower = is_dark(code, x, y + 1);
			/* The row below the last one is no part of it. */
			bool last = y + 1 >= code->width + margin;
			ctl_printf(c, "%s",
			    blocks[(upper != inverse) * 2 +
				   (!(last && inverse) && lower != inverse)]);
		}
		ctl_printf(c, "%s\n", c->colour ? "\033[0m" : "");
	}
}

static void draw_text(struct ctl *c, const QRcode *code, int margin)
{
	for (int y = -margin; y < code->width + margin; y++) {
		ctl_printf(c, "%s", c->colour ? "\033[30;47m" : "");
		for (int x = -margin; x < code->width + margin; x++)
			ctl_printf(c, "%s", is_dark(code, x, y) ? "##" : "  ");
		ctl_printf(c, "%s\n", c->colour ? "\033[0m" : "");
	}
}

/* A code that is wrapped or cut cannot be read: better none. */
static int draw(struct ctl *c, const QRcode *code, const char *protocol)
{
	bool blocks = c->out_tty && terminal_is_utf8();
	size_t columns = SIZE_MAX, lines, per = blocks ? 1 : 2;
	int margin = MARGIN;

	if (c->out_tty)
		ctl_terminal_size(&columns, &lines);
	while (margin > MARGIN_MIN && (size_t)(code->width + 2 * margin) * per > columns)
		margin--;
	size_t wanted = (size_t)(code->width + 2 * margin) * per;
	if (wanted > columns) {
		ctl_flush(c);
		ctl_warn(
		    "the QR code needs %zu columns and the terminal has %zu: make it wider for "
		    "the next one, or give the URL to qrencode",
		    wanted, columns);
		return CTL_DONE; /* the token is made, and has been shown */
	}
	ctl_printf(c, c->out_tty ? "\n%s:\n" : "\n", protocol);
	if (blocks)
		draw_blocks(c, code, margin);
	else
		draw_text(c, code, margin);
	return CTL_DONE;
}

/* The URL that --qr names; its name in *protocol. NULL: told what there is. */
static const char *choose(struct ctl *c, const json_t *urls, const char **protocol)
{
	const char *name, *wanted = c->opt[OPT_QR];
	char known[200] = "";
	size_t len = 0;
	json_t *url;

	json_object_foreach((json_t *)urls, name, url)
	{
		if (!*wanted || !strcmp(wanted, name)) {
			*protocol = name;
			return json_string_value(url);
		}
		int n = snprintf(known + len, sizeof(known) - len, "%s%s", len ? ", " : "", name);
		len += n > 0 && (size_t)n < sizeof(known) - len ? (size_t)n : 0;
	}
	ctl_flush(c);
	if (!len)
		ctl_warn("there is no URL to draw: no protocol is on");
	else
		ctl_warn("there is no %s URL to draw: use --qr=PROTOCOL with one of %s",
		    CTL_SHOW(wanted), known);
	return NULL;
}

int ctl_print_qr(struct ctl *c, const json_t *urls)
{
	const char *protocol, *url = choose(c, urls, &protocol);

	if (!url)
		return CTL_USAGE;
	QRcode *code = QRcode_encodeString8bit(url, 0, QR_ECLEVEL_L);
	if (!code)
		return ctl_fail(CTL_FAILED, "cannot draw the QR code: %s", strerror(errno));
	int res = draw(c, code, protocol);
	QRcode_free(code);
	return res;
}
