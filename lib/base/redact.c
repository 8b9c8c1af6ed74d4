/* redact.c - takes secrets out of text that people will read.
 *
 * Text is read as its last reader would: "%3D", "%253D" and "\u003d" are '=', so that one set of
 * rules finds a token in a URL, in a URL inside another, in JSON and in a header. It is taken
 * apart into words, which are runs of base64url characters, and what stands between them. When
 * in doubt a value is hidden: a line that says less is better than one that opens a stream. */
#include "base/log.h"

#define SECRET_CHARS 32 /* a token, or what follows API_KEY_PREFIX */
#define API_KEY_PREFIX "sgk_"
#define SID_CHARS 22 /* a viewer's session in the path of a playlist: /s/SID/ */

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- reading ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that two hexadecimal digits at `at` stand for, or -1. */
static int hex_byte(struct sg_str s, size_t at)
{
	if (at + 2 > s.len || hex_value(s.p[at]) < 0 || hex_value(s.p[at + 1]) < 0)
		return -1;
	return hex_value(s.p[at]) << 4 | hex_value(s.p[at + 1]);
}

/* "%41", and "%2541" from a URL that was escaped again. */
static size_t read_percent(struct sg_str s, size_t at, unsigned char *c)
{
	size_t digits = at + 1;

	while (hex_byte(s, digits) == '%' && hex_byte(s, digits + 2) >= 0)
		digits += 2;
	int byte = hex_byte(s, digits);
	if (byte < 0)
		return 1;
	*c = (unsigned char)byte;
	return digits + 2 - at;
}

/* JSON's escapes of what matters here. Not \n and its like: "\token" may be no escape at all. */
static size_t read_backslash(struct sg_str s, size_t at, unsigned char *c)
{
	char next = at + 1 < s.len ? s.p[at + 1] : 0;

	if (next == '"' || next == '\'' || next == '/' || next == '\\') {
		*c = (unsigned char)next;
		return 2;
	}
	if (next == 'x' && hex_byte(s, at + 2) >= 0) {
		*c = (unsigned char)hex_byte(s, at + 2);
		return 4;
	}
	if (next == 'u' && hex_byte(s, at + 2) == 0 && hex_byte(s, at + 4) >= 0) {
		*c = (unsigned char)hex_byte(s, at + 4);
		return 6;
	}
	return 1;
}

/* The character at `at` (which must be before the end); answers how many bytes spell it. */
static size_t read_char(struct sg_str s, size_t at, unsigned char *c)
{
	*c = (unsigned char)s.p[at];
	if (*c == '%')
		return read_percent(s, at, c);
	return *c == '\\' ? read_backslash(s, at, c) : 1;
}

/* The bytes that spell `want` at `at`, 0 when something else is there. */
static size_t char_is(struct sg_str s, size_t at, unsigned char want)
{
	unsigned char c;
	size_t n = at < s.len ? read_char(s, at, &c) : 0;

	return n && c == want ? n : 0;
}

static bool is_word_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '-' || c == '_';
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '+'; /* '+' as in queries */
}

static size_t skip_blanks(struct sg_str s, size_t at)
{
	unsigned char c;

	while (at < s.len) {
		size_t n = read_char(s, at, &c);
		if (!is_blank(c))
			break;
		at += n;
	}
	return at;
}

/* ---- words ---- */

#define WORD_TAIL 64

struct word {
	size_t start, end; /* in the text */
	size_t chars;
	char tail[WORD_TAIL]; /* its last characters in lower case */
	size_t tail_len;
	char head[5]; /* its first as they are, NUL-terminated */
};

static void add_to_word(struct word *w, unsigned char c)
{
	if (w->chars < sizeof(w->head) - 1)
		w->head[w->chars] = (char)c;
	w->chars++;
	if (w->tail_len == WORD_TAIL) {
		memmove(w->tail, w->tail + 1, WORD_TAIL - 1);
		w->tail_len--;
	}
	w->tail[w->tail_len++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* The word that begins at `at`; of no characters when none does. */
static struct word read_word(struct sg_str s, size_t at)
{
	struct word w = {.start = at, .end = at};
	unsigned char c;

	while (w.end < s.len) {
		size_t n = read_char(s, w.end, &c);
		if (!is_word_char(c))
			break;
		add_to_word(&w, c);
		w.end += n;
	}
	return w;
}

static struct sg_str tail_of(const struct word *w)
{
	return (struct sg_str){w->tail, w->tail_len};
}

static bool word_is(const struct word *w, const char *text)
{
	return sg_str_is(tail_of(w), text);
}

/* ---- what names a secret ---- */

enum key_kind { KEY_NONE, KEY_VALUE, KEY_LINE };

/* A name that ends so, in any case, has a secret behind it: "X-Token", "accessToken". */
static const struct {
	const char *ending;
	enum key_kind kind;
} secret_keys[] = {
    {"token", KEY_VALUE},
    {"tokenid", KEY_VALUE}, /* what the interface calls the secret */
    {"bearer", KEY_VALUE},
    {"password", KEY_VALUE},
    {"passwd", KEY_VALUE},
    {"passphrase", KEY_VALUE},
    {"pwd", KEY_VALUE},
    {"secret", KEY_VALUE},
    {"credential", KEY_VALUE},
    {"apikey", KEY_VALUE},
    {"api_key", KEY_VALUE},
    {"api-key", KEY_VALUE},
    {"jwt", KEY_VALUE},
    {"sg_session", KEY_VALUE}, /* a viewer's cookie */
    {"authorization", KEY_LINE},
    {"cookie", KEY_LINE},
};

/* Settings and reasons that sound like it. */
static const char *const harmless_keys[] = {
    "publish_token",
    "play_token",
    "missing_token",
    "unknown_token",
};

static enum key_kind kind_of_key(const struct word *w)
{
	for (size_t i = 0; i < COUNT_OF(harmless_keys); i++)
		if (word_is(w, harmless_keys[i]))
			return KEY_NONE;
	for (size_t i = 0; i < COUNT_OF(secret_keys); i++)
		if (sg_str_ends(tail_of(w), secret_keys[i].ending))
			return secret_keys[i].kind;
	return KEY_NONE;
}

/* ---- values ---- */

struct value {
	size_t start, end;
};

/* To the quote that is spelled as the opening one is, or to the end of a text cut short. */
static struct value quoted_value(struct sg_str s, size_t open, size_t quote_len)
{
	struct value v = {open + quote_len, open + quote_len};
	unsigned char quote, c;

	read_char(s, open, &quote);
	while (v.end < s.len) {
		size_t n = read_char(s, v.end, &c);
		if (c == quote && n == quote_len)
			break;
		v.end += n;
	}
	return v;
}

static bool ends_value(unsigned char c)
{
	return c <= ' ' || c == 0x7f || strchr("&\"'<>,;)]}|", c) != NULL;
}

/* To what ends a value in a URL, a stream id, a header or a sentence. An escaped byte is part of
 * the value: whoever escaped it wanted that. */
static struct value bare_value(struct sg_str s, size_t start)
{
	struct value v = {start, start};
	unsigned char c;

	while (v.end < s.len) {
		size_t n = read_char(s, v.end, &c);
		if (ends_value(c) && s.p[v.end] != '%')
			break;
		v.end += n;
	}
	return v;
}

static size_t quote_at(struct sg_str s, size_t at)
{
	size_t n = char_is(s, at, '"');

	return n ? n : char_is(s, at, '\'');
}

static struct value value_at(struct sg_str s, size_t at)
{
	size_t quote = quote_at(s, at);

	return quote ? quoted_value(s, at, quote) : bare_value(s, at);
}

/* Header fields with several words: to the end of the line or of the quotes around it. */
static struct value line_value(struct sg_str s, size_t at)
{
	struct value v = {at, at};
	unsigned char c;

	if (quote_at(s, at))
		return value_at(s, at);
	while (v.end < s.len) {
		size_t n = read_char(s, v.end, &c);
		if (c == '\r' || c == '\n' || c == '"')
			break;
		v.end += n;
	}
	return v;
}

static bool is_marked(struct sg_str s, size_t at)
{
	return sg_str_starts((struct sg_str){s.p + at, s.len - at}, SG_REDACTED);
}

/* Behind a key that ends at `at`: `=` or `:`, with the closing quote of the key before it and
 * blanks around it where there may be some. Answers where the value begins, 0 for "no value". */
static size_t find_assignment(struct sg_str s, size_t at)
{
	size_t quote = quote_at(s, at);
	size_t sign = skip_blanks(s, at + quote);
	size_t equals = char_is(s, sign, '='), colon = equals ? 0 : char_is(s, sign, ':');

	if (!equals && !colon)
		return 0;
	size_t start = sign + equals + colon;
	/* "GET /?token= HTTP/1.1" has an empty value. */
	if (equals && !quote && sign == at)
		return start;
	start = skip_blanks(s, start);
	if (quote && char_is(s, start, '[') && !is_marked(s, start)) /* an array */
		start = skip_blanks(s, start + char_is(s, start, '['));
	return start;
}

/* "Bearer T", where the blank may be escaped. */
static size_t find_credentials(struct sg_str s, const struct word *w)
{
	size_t start = skip_blanks(s, w->end);

	return sg_str_ends(tail_of(w), "bearer") && start > w->end ? start : 0;
}

/* ---- finding ---- */

struct scan {
	struct sg_str in;
	size_t at; /* all before it has been looked at */
	unsigned char before; /* the character before `at`, 0 at the start */
	bool after_s_dir; /* "/s/" ends at `at` */
	struct value password; /* of a URL, until it is passed */
};

/* The value of SRT's session key ("s=" in "#!::r=live/cam,s=T") or of a key named above. */
static bool value_of_word(const struct scan *sc, const struct word *w, struct value *out)
{
	struct sg_str s = sc->in;
	enum key_kind kind = kind_of_key(w);
	bool srt_session = word_is(w, "s") && sc->before && strchr(",:{", sc->before);
	size_t start = 0;

	if (kind != KEY_NONE || (srt_session && char_is(s, w->end, '=')))
		start = find_assignment(s, w->end);
	if (!start)
		start = find_credentials(s, w);
	if (!start || is_marked(s, start))
		return false;
	if (kind != KEY_LINE) {
		*out = value_at(s, start);
		return true;
	}
	/* The scheme may stay; "Bearer" itself hides what comes after it. */
	struct word scheme = read_word(s, start + quote_at(s, start));
	if (word_is(&scheme, "bearer"))
		return false;
	*out = line_value(s, start);
	return true;
}

/* Does the word look like a secret by itself? */
static bool word_is_secret(const struct scan *sc, const struct word *w)
{
	if (w->chars == SECRET_CHARS || (sc->after_s_dir && w->chars == SID_CHARS))
		return true;
	if (w->chars == SECRET_CHARS + sizeof(API_KEY_PREFIX) - 1)
		return strcmp(w->head, API_KEY_PREFIX) == 0;
	/* "\nTOKEN" in JSON: the letter belongs to the escape. */
	return w->chars == SECRET_CHARS + 1 && sc->before == '\\';
}

/* Notes where the password of "://user:PASSWORD@host" is, whose first ':' is at sc->at. */
static void find_url_password(struct scan *sc)
{
	struct sg_str s = sc->in;
	size_t n = char_is(s, sc->at, ':'), slash = char_is(s, sc->at + n, '/');
	size_t second = slash ? char_is(s, sc->at + n + slash, '/') : 0;
	struct value found = {0, 0};
	unsigned char c;

	if (!second)
		return;
	for (size_t at = sc->at + n + slash + second; at < s.len; at += n) {
		n = read_char(s, at, &c);
		if (c <= ' ' || strchr("/?#\"<>", c))
			break;
		if (c == ':' && !found.start)
			found.start = at + n;
		else if (c == '@' && found.start)
			found.end = at; /* the last one: a password may hold an '@' */
	}
	if (found.end && !is_marked(s, found.start))
		sc->password = found;
}

/* ---- writing ---- */

struct output {
	char *p;
	size_t size, len;
};

static void put(struct output *o, const char *p, size_t len)
{
	for (size_t i = 0; i < len && o->len + 1 < o->size; i++)
		o->p[o->len++] = p[i] ? p[i] : '?'; /* a NUL would hide what follows it */
}

/* Copies up to the value, and the mark in its place. */
static void hide(struct scan *sc, struct output *o, struct value v)
{
	put(o, sc->in.p + sc->at, v.start - sc->at);
	if (v.end > v.start)
		put(o, SG_REDACTED, sizeof(SG_REDACTED) - 1);
	sc->at = v.end;
	sc->before = 0;
	sc->after_s_dir = false;
}

static void keep(struct scan *sc, struct output *o, size_t end, unsigned char last)
{
	put(o, sc->in.p + sc->at, end - sc->at);
	sc->at = end;
	sc->before = last;
}

static void step_over_word(struct scan *sc, struct output *o)
{
	struct word w = read_word(sc->in, sc->at);
	struct value value, itself = {w.start, w.end};
	bool s_dir = word_is(&w, "s") && sc->before == '/' && char_is(sc->in, w.end, '/');
	bool has_value = value_of_word(sc, &w, &value), is_secret = word_is_secret(sc, &w);

	if (is_secret)
		hide(sc, o, itself);
	if (has_value)
		hide(sc, o, value);
	if (is_secret || has_value)
		return;
	keep(sc, o, w.end, 'w');
	sc->after_s_dir = false;
	if (s_dir) {
		keep(sc, o, w.end + char_is(sc->in, w.end, '/'), '/');
		sc->after_s_dir = true;
	}
}

static void step_over_other(struct scan *sc, struct output *o, size_t len, unsigned char c)
{
	sc->after_s_dir = false;
	if (c == ':')
		find_url_password(sc);
	keep(sc, o, sc->at + len, c);
}

/* True when a URL's password begins here, or what is left of it: it may look like something else,
 * of which a part has been hidden already. */
static bool is_in_password(const struct scan *sc)
{
	return sc->at >= sc->password.start && sc->at < sc->password.end;
}

void sg_redact(char *out, size_t size, struct sg_str in)
{
	struct scan sc = {.in = in};
	struct output o = {out, size, 0};
	unsigned char c;

	if (size == 0)
		return;
	while (sc.at < in.len && o.len + 1 < size) {
		size_t n = read_char(in, sc.at, &c);
		if (is_in_password(&sc))
			hide(&sc, &o, (struct value){sc.at, sc.password.end});
		else if (is_word_char(c))
			step_over_word(&sc, &o);
		else
			step_over_other(&sc, &o, n, c);
	}
	out[o.len] = 0;
}
