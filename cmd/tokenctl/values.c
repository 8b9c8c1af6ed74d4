/* values.c - what people type, checked; what is wrong is told in one line. */
#include "tokenctl.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

static struct ctl_shown show(struct sg_str s, size_t columns)
{
	struct ctl_shown out;
	char clear[CTL_SHOWN_SIZE];
	struct sg_buf shown;

	/* Secrets first, while the text is whole: a piece of one would no longer be known as one. */
	sg_redact(clear, sizeof(clear), s);
	/* One line, short, and nothing that a terminal would obey. */
	sg_buf_init(&shown, sizeof(out.text) * 4);
	ctl_put_shown(&shown, clear, columns);
	sg_str_copy(out.text, sizeof(out.text), (struct sg_str){(char *)shown.p, shown.len});
	sg_buf_reset(&shown);
	return out;
}

struct ctl_shown ctl_show(struct sg_str s)
{
	return show(s, 60);
}

struct ctl_shown ctl_show_long(struct sg_str s)
{
	return show(s, 200);
}

int ctl_check_app(struct ctl *c, struct sg_str app)
{
	char known[300] = "";
	size_t len = 0;

	if (c->remote && sg_app_is_valid(app))
		return CTL_DONE; /* the server knows which there are */
	if (c->remote)
		return ctl_fail(CTL_UNKNOWN,
		    "there is no application '%s': a name is 1 to 32 of A-Z a-z 0-9 _ -",
		    ctl_show(app).text);
	if (sg_config_app(c->cfg, app))
		return CTL_DONE;
	for (size_t i = 0; i < c->cfg->app_count; i++) {
		int n = snprintf(
		    known + len, sizeof(known) - len, "%s%s", i ? ", " : "", c->cfg->apps[i].name);
		if (n < 0 || (size_t)n >= sizeof(known) - len)
			break;
		len += (size_t)n;
	}
	return ctl_fail(CTL_UNKNOWN,
	    "there is no application '%s': known are %s; others need a section [app NAME] in the "
	    "configuration",
	    ctl_show(app).text, known);
}

int ctl_get_app(struct ctl *c, const char **out)
{
	if (!c->opt[OPT_APP])
		return CTL_DONE;
	*out = c->opt[OPT_APP];
	return ctl_check_app(c, sg_str_from(*out));
}

int ctl_check_stream(const char *stream)
{
	if (sg_stream_is_valid(sg_str_from(stream)))
		return CTL_DONE;
	return ctl_fail(CTL_USAGE,
	    "'%s' is not a stream id: use 1 to 128 of A-Z a-z 0-9 . _ - and no dot at the start",
	    CTL_SHOW(stream));
}

int ctl_get_type(const struct ctl *c, int *out)
{
	enum sg_token_type type;
	const char *text = c->opt[OPT_TYPE];

	if (!text)
		return CTL_DONE;
	if (!sg_token_type_parse(sg_str_from(text), &type))
		return ctl_fail(
		    CTL_USAGE, "there is no type '%s': use play or publish", CTL_SHOW(text));
	*out = (int)type;
	return CTL_DONE;
}

int ctl_get_number(const struct ctl *c, enum ctl_opt opt, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = c->opt[opt];
	uint64_t n;

	if (!text)
		return CTL_DONE;
	if (!sg_str_to_u64(sg_str_from(text), max, &n) || n < min)
		return ctl_fail(CTL_USAGE,
		    "--%s cannot be '%s': use a whole number from %llu to %llu",
		    ctl_options[opt].name, CTL_SHOW(text), (unsigned long long)min,
		    (unsigned long long)max);
	*out = n;
	return CTL_DONE;
}

int ctl_get_duration(
    const struct ctl *c, enum ctl_opt opt, int64_t min_s, int64_t max_s, int64_t *out_s)
{
	const char *text = c->opt[opt], *name = ctl_options[opt].name;
	char least[24], most[24];
	int64_t ms;

	if (!text)
		return CTL_DONE;
	if (!sg_duration_parse(sg_str_from(text), &ms))
		return ctl_fail(CTL_USAGE,
		    "--%s cannot be '%s': use a number with s, m, h or d, such as 2h", name,
		    CTL_SHOW(text));
	int64_t s = ms / 1000 + (ms % 1000 ? 1 : 0);
	if (s < min_s || s > max_s) {
		sg_duration_format(least, sizeof(least), min_s * 1000);
		sg_duration_format(most, sizeof(most), max_s * 1000);
		return ctl_fail(CTL_USAGE, "--%s cannot be '%s': use %s to %s", name,
		    CTL_SHOW(text), least, most);
	}
	*out_s = s;
	return CTL_DONE;
}

int ctl_get_label(const struct ctl *c, char out[SG_LABEL_MAX + 1])
{
	struct sg_str label = sg_str_from(c->opt[OPT_LABEL]);

	if (!label.p)
		return CTL_DONE;
	if (label.len > SG_LABEL_MAX)
		return ctl_fail(
		    CTL_USAGE, "the label has %zu bytes: use at most %d", label.len, SG_LABEL_MAX);
	bool control = false;
	for (size_t i = 0; i < label.len; i++)
		control |= (unsigned char)label.p[i] < 0x20 || label.p[i] == 0x7f ||
			   /* U+0080 to U+009F */
			   ((unsigned char)label.p[i] == 0xc2 && i + 1 < label.len &&
			       (unsigned char)label.p[i + 1] < 0xa0);
	if (!sg_str_is_utf8(label) || control)
		return ctl_fail(CTL_USAGE, "the label is not plain text: use UTF-8 without control "
					   "characters");
	sg_str_copy(out, SG_LABEL_MAX + 1, label);
	return CTL_DONE;
}

int ctl_get_limit(const struct ctl *c, uint64_t *out)
{
	*out = ctl_format(c) == CTL_TABLE ? 50 : UINT64_MAX;
	return ctl_get_number(c, OPT_LIMIT, 1, 1000000000, out);
}

/* ---- secrets ---- */

static int read_secret_from(int fd, const char *what, struct sg_buf *out)
{
	uint8_t chunk[4096];
	ssize_t n = 0;

	/* It may have no end (/dev/zero): what is too long is not read on. */
	while (
	    !out->failed && ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0)
			sg_buf_append(out, chunk, (size_t)n);
	int saved = errno;
	sg_wipe(chunk, sizeof(chunk));
	if (n < 0)
		return ctl_fail(CTL_FAILED, "cannot read the %s: %s", what, strerror(saved));
	if (out->failed)
		return ctl_fail(CTL_USAGE, "what was read is over %d bytes: that is no %s",
		    CTL_SECRET_MAX, what);
	return CTL_DONE;
}

/* From a terminal one line, which is not shown while it is typed. */
static int read_secret_typed(const char *what, struct sg_buf *out)
{
	struct termios shown, hidden;
	uint8_t ch;
	ssize_t n = 0;

	if (tcgetattr(STDIN_FILENO, &shown))
		return read_secret_from(STDIN_FILENO, what, out);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	ctl_catch_interrupt(true);
	/* First, so that nothing of an answer is shown or lost. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fprintf(stderr, "%s (not shown): ", what);
	while (!ctl_interrupted() && !out->failed && (n = read(STDIN_FILENO, &ch, 1)) == 1 &&
	       ch != '\n')
		sg_buf_put_u8(out, ch);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fprintf(stderr, "\n");
	bool stop = ctl_interrupted();
	ctl_catch_end();
	if (stop || n < 0)
		return ctl_fail(CTL_FAILED, "no %s: interrupted", what);
	if (out->failed)
		return ctl_fail(CTL_USAGE, "what was typed is too long: that is no %s", what);
	return CTL_DONE;
}

static int read_secret_file(const char *path, const char *what, struct sg_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return ctl_fail(errno == ENOENT ? CTL_UNKNOWN : CTL_FAILED,
		    "cannot read the %s from '%s': %s", what, CTL_SHOW(path), strerror(errno));
	int res = read_secret_from(fd, what, out);
	close(fd);
	return res;
}

static bool is_blank(uint8_t ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

int ctl_secret_read(char *arg, const char *what, struct sg_buf *out)
{
	int res = CTL_DONE;

	sg_buf_init(out, CTL_SECRET_MAX);
	/* One allocation: growing would leave copies behind. */
	if (!sg_buf_reserve(out, CTL_SECRET_MAX))
		return ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	if (!strcmp(arg, "-") && isatty(STDIN_FILENO))
		res = read_secret_typed(what, out);
	else if (!strcmp(arg, "-"))
		res = read_secret_from(STDIN_FILENO, what, out);
	else if (arg[0] == '@')
		res = read_secret_file(arg + 1, what, out);
	else {
		size_t len = strlen(arg);
		sg_buf_append(out, arg, len);
		memset(arg, '*', len);
		if (out->failed)
			res = ctl_fail(CTL_USAGE, "the %s has %zu bytes: use at most %d", what, len,
			    CTL_SECRET_MAX);
	}
	if (res != CTL_DONE)
		return res;
	while (out->len && is_blank(out->p[out->len - 1]))
		out->len--;
	while (out->len && is_blank(out->p[0]))
		sg_buf_consume(out, 1);
	if (out->len && memchr(out->p, 0, out->len))
		return ctl_fail(CTL_USAGE, "there is a NUL byte in the %s: give it as text", what);
	if (!sg_str_is_utf8((struct sg_str){(char *)out->p, out->len}))
		return ctl_fail(CTL_USAGE, "the %s is not UTF-8: give it as text", what);
	return CTL_DONE;
}

void ctl_secret_free(struct sg_buf *secret)
{
	if (secret->p)
		sg_wipe(secret->p, secret->cap);
	sg_buf_reset(secret);
}

static enum sg_result find_by_text(struct ctl *c, struct sg_str text, struct sg_token *out)
{
	struct sg_token_key key;
	uint64_t id;

	if (sg_id_parse(text, &id))
		return sg_store_token_get(c->store, id, out);
	if (!sg_token_parse(text, &key))
		return SG_ERR_NOT_FOUND;
	enum sg_result res = sg_store_token_lookup(c->store, &key, out);
	sg_wipe(&key, sizeof(key));
	return res;
}

int ctl_no_such_token(const char *id)
{
	return ctl_fail(CTL_UNKNOWN, "there is no token%s%s: 'tokenctl list' shows them",
	    *id ? " " : " like that", CTL_SHOW(id));
}

/* The server is asked whose token it is; the token travels in the body, never in a path. */
static enum sg_result find_far(struct ctl *c, struct sg_str text, struct sg_token *out, int *status)
{
	struct sg_token_key key;
	json_t *body, *answer = NULL;

	*out = (struct sg_token){0};
	*status = CTL_DONE;
	if (sg_id_parse(text, &out->id))
		return SG_OK;
	if (!sg_token_parse(text, &key))
		return SG_ERR_NOT_FOUND;
	sg_wipe(&key, sizeof(key));
	/* Any stream will do: what counts is the id in the answer, null for an unknown token. */
	body = json_pack("{ss% ss}", "tokenId", text.p, text.len, "streamId", "any");
	*status = ctl_call(c, "POST", "/api/v1/tokens/check", body, NULL, &answer);
	ctl_json_drop(body);
	bool known = sg_id_parse(sg_str_from(ctl_json_get(answer, "id")), &out->id) &&
		     strcmp(ctl_json_get(answer, "reason"), "unknown_token") != 0;
	json_decref(answer);
	return known ? SG_OK : SG_ERR_NOT_FOUND;
}

int ctl_find_token(struct ctl *c, char *arg, struct sg_token *out)
{
	struct sg_buf secret;
	char id[SG_ID_TEXT_SIZE] = "";

	/* What is typed is told in the error, unless it may be a secret. */
	if (strlen(arg) < sizeof(id) && arg[0] != '@' && strcmp(arg, "-"))
		snprintf(id, sizeof(id), "%s", arg);
	int status = ctl_secret_read(arg, "token", &secret);
	if (status == CTL_DONE) {
		struct sg_str text = {(char *)secret.p, secret.len};
		enum sg_result res =
		    c->remote ? find_far(c, text, out, &status) : find_by_text(c, text, out);
		if (status == CTL_DONE && res == SG_ERR_NOT_FOUND)
			status = ctl_no_such_token(id);
		else if (status == CTL_DONE && res != SG_OK)
			status = ctl_store_failed(c, "read the token");
	}
	ctl_secret_free(&secret);
	return status;
}
