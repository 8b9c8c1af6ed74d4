/* client.c - asks the running streamd over its Unix socket (`[admin] socket`), or the one at --url.
 * HTTP/1.0 (RFC 1945): one request, one answer, the end of the connection ends the body. */
#include "base/url.h"
#include "transport.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_MAX (32u << 20)
#define PATIENCE_MS 10000
#define REQUEST_MAX (1u << 20)
#define FILE_HEAD_MAX (64u << 10)
#define PAGE_MAX 1000 /* what streamd gives at a time */

/* The value of a header, {NULL, 0} when it is not there. */
static struct sg_str header(struct sg_str head, const char *name)
{
	struct sg_str line, rest = head, key, value;

	while (rest.p) {
		sg_str_cut(rest, '\n', &line, &rest);
		if (!sg_str_cut(line, ':', &key, &value) ||
		    !sg_str_equal_nocase(key, sg_str_from(name)))
			continue;
		while (value.len && (*value.p == ' ' || *value.p == '\t'))
			value.p++, value.len--;
		while (
		    value.len && (value.p[value.len - 1] == '\r' || value.p[value.len - 1] == ' '))
			value.len--;
		return value;
	}
	return (struct sg_str){NULL, 0};
}

/* The end of the headers, NULL while it has not come. */
static const char *head_end(const struct sg_buf *in)
{
	return in->len ? memmem(in->p, in->len, "\r\n\r\n", 4) : NULL;
}

/* "HTTP/1.1 200 OK", headers, an empty line; the body is what is behind *head and those four bytes. */
static bool read_head(const struct sg_buf *in, int *status, struct sg_str *head)
{
	const char *text = (const char *)in->p, *end = head_end(in);
	uint64_t n;

	if (!end || end - text < 12 || memcmp(text, "HTTP/1.", 7) || text[8] != ' ' ||
	    !sg_str_to_u64((struct sg_str){text + 9, 3}, 999, &n))
		return false;
	*status = (int)n;
	*head = (struct sg_str){text, (size_t)(end - text)};
	return true;
}

static bool read_answer(const struct sg_buf *in, int *status, json_t **body)
{
	struct sg_str head;
	uint64_t n;

	if (!read_head(in, status, &head))
		return false;
	size_t len = in->len - head.len - 4;
	struct sg_str claimed = header(head, "content-length");
	if (claimed.p && (!sg_str_to_u64(claimed, ANSWER_MAX, &n) || n != len))
		return false; /* cut short */
	*body = len ? json_loadb(head.p + head.len + 4, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	return true;
}

/* The request as it goes out; its buffer holds the key, and perhaps a token. */
static bool write_request(struct sg_buf *out, const struct ctl_remote *r, const char *method,
    const char *path, const json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	sg_buf_init(out, REQUEST_MAX);
	/* One allocation: growing would leave copies behind. */
	if ((body && !text) ||
	    !sg_buf_reserve(out, (text ? strlen(text) : 0) + strlen(path) + 1200))
		out->failed = true;
	bool v6 = r && strchr(r->host, ':');
	sg_buf_printf(out, "%s %s%s HTTP/1.0\r\nHost: ", method, r ? r->prefix : "", path);
	if (r)
		sg_buf_printf(out, "%s%s%s:%s", v6 ? "[" : "", r->host, v6 ? "]" : "", r->port);
	else
		sg_buf_puts(out, "localhost");
	if (r && *r->key)
		sg_buf_printf(out, "\r\nAuthorization: Bearer %s", r->key);
	sg_buf_printf(out,
	    "\r\nAccept: application/json\r\nUser-Agent: tokenctl/" SG_VERSION "%s"
	    "\r\nContent-Length: %zu\r\n\r\n",
	    text ? "\r\nContent-Type: application/json" : "", text ? strlen(text) : 0);
	if (text) {
		sg_buf_puts(out, text);
		sg_wipe(text, strlen(text));
	}
	free(text);
	return !out->failed;
}

static const char *place(const struct ctl *c)
{
	return c->remote ? c->remote->name : c->cfg->admin_socket;
}

static enum sg_result connect_streamd(
    const struct ctl *c, struct ctl_conn *k, int patience_ms, char *error, size_t size)
{
	return c->remote ? ctl_conn_open_remote(k, c->remote, patience_ms, error, size)
			 : ctl_conn_open_unix(k, c->cfg->admin_socket, patience_ms, error, size);
}

static void no_proper_answer(const struct ctl *c, char *error, size_t size)
{
	snprintf(error, size,
	    c->remote ? "%s gives no proper answer: is streamd there?"
		      : "streamd at %s gives no proper answer: look at its log",
	    place(c));
}

static enum sg_result exchange(const struct ctl *c, const struct sg_buf *request, int *status,
    json_t **answer, char *error, size_t size)
{
	int patience = c->patience_ms ? c->patience_ms : PATIENCE_MS;
	struct ctl_conn k;
	struct sg_buf in;
	enum sg_result res = connect_streamd(c, &k, patience, error, size);

	if (res != SG_OK)
		return res;
	sg_buf_init(&in, ANSWER_MAX);
	if (!ctl_conn_send(&k, request->p, request->len) || !ctl_conn_receive(&k, patience, &in) ||
	    !read_answer(&in, status, answer)) {
		no_proper_answer(c, error, size);
		res = SG_ERR_IO;
	}
	if (in.p)
		sg_wipe(in.p, in.cap);
	sg_buf_reset(&in);
	ctl_conn_close(&k);
	return res;
}

enum sg_result ctl_ask(const struct ctl *c, const char *method, const char *path,
    const json_t *body, int *status, json_t **answer, char *error, size_t error_size)
{
	struct sg_buf request;
	enum sg_result res = SG_ERR_NO_MEMORY;

	*answer = NULL;
	*status = 0;
	if (write_request(&request, c->remote, method, path, body))
		res = exchange(c, &request, status, answer, error, error_size);
	else
		snprintf(error, error_size, "out of memory: close something and try again");
	if (request.p)
		sg_wipe(request.p, request.cap);
	sg_buf_reset(&request);
	return res;
}

static int ask_failed(const struct ctl *c, enum sg_result res, const char *error)
{
	if (ctl_interrupted())
		return ctl_fail(CTL_FAILED, "%s was not waited for: interrupted", place(c));
	if (res == SG_ERR_NOT_FOUND)
		return ctl_fail(CTL_FAILED,
		    "streamd is not running (nobody answers at %s): start it", place(c));
	return ctl_fail(CTL_FAILED, "%s", error);
}

int ctl_ask_streamd(const struct ctl *c, const char *method, const char *path, const json_t *body,
    int *status, json_t **answer)
{
	char error[400];
	enum sg_result res = ctl_ask(c, method, path, body, status, answer, error, sizeof(error));

	return res == SG_OK ? CTL_DONE : ask_failed(c, res, error);
}

int ctl_call_failed(const struct ctl *c, int status, const json_t *answer, const char *missing)
{
	struct ctl_shown detail = ctl_show_long(sg_str_from(ctl_json_get(answer, "detail")));

	if (!*detail.text)
		detail = ctl_show_long(sg_str_from(ctl_json_get(answer, "message")));
	const char *why = *detail.text ? detail.text : "it does not say why";
	if (status == 404 && missing)
		return *missing ? ctl_fail(CTL_UNKNOWN, "%s", missing) : CTL_UNKNOWN;
	if (status == 401 && c->remote && !*c->remote->key)
		return ctl_fail(CTL_FAILED,
		    "%s asks for an API key: --key-file FILE, or $STREAMGATE_API_KEY", place(c));
	if (status == 401)
		return ctl_fail(CTL_FAILED,
		    "%s does not know the API key: 'tokenctl apikey create' makes one there",
		    place(c));
	if (status == 400 || status == 422)
		return ctl_fail(CTL_USAGE, "%s does not take this: %s", place(c), why);
	return ctl_fail(CTL_FAILED, "%s refuses (HTTP status %d): %s", place(c), status, why);
}

int ctl_call(const struct ctl *c, const char *method, const char *path, const json_t *body,
    const char *missing, json_t **answer)
{
	int status, res = ctl_ask_streamd(c, method, path, body, &status, answer);

	if (res == CTL_DONE && (status / 100 != 2 || !json_is_object(*answer)))
		res = ctl_call_failed(c, status, *answer, missing);
	if (res != CTL_DONE) {
		json_decref(*answer);
		*answer = NULL;
	}
	return res;
}

/* ---- files ---- */

/* A file on its way: `in` begins with the answer's head. */
struct download {
	const struct ctl *c;
	struct ctl_conn k;
	struct sg_buf in;
	int fd;
	uint64_t size, done;
	char error[400];
};

static bool write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR && !ctl_interrupted())
			continue;
		if (n < 0)
			return false;
		p += n, len -= (size_t)n;
	}
	return true;
}

static bool keep(struct download *d, const void *p, size_t len)
{
	d->done += len;
	if (d->done <= d->size && write_all(d->fd, p, len))
		return true;
	if (d->done > d->size)
		no_proper_answer(d->c, d->error, sizeof(d->error));
	else
		snprintf(d->error, sizeof(d->error), "the file cannot be written: %s", strerror(errno));
	return false;
}

static bool receive_head(struct download *d, int *status, struct sg_str *head)
{
	char chunk[4096];
	ssize_t n = 1;

	while (n > 0 && !d->in.failed && !head_end(&d->in))
		if ((n = ctl_conn_read(&d->k, chunk, sizeof(chunk))) > 0)
			sg_buf_append(&d->in, chunk, (size_t)n);
	return !d->in.failed && read_head(&d->in, status, head);
}

static bool receive_body(struct download *d)
{
	struct ctl_progress progress;
	char chunk[65536];
	ssize_t n = 1;
	bool ok = true;

	ctl_progress_start(&progress, d->c);
	while (ok && n > 0 && d->done < d->size)
		if ((n = ctl_conn_read(&d->k, chunk, sizeof(chunk))) > 0) {
			ok = keep(d, chunk, (size_t)n);
			ctl_progress_show(&progress, "bytes received", d->done, d->size);
		}
	ctl_progress_end(&progress);
	if (ok && d->done < d->size)
		snprintf(d->error, sizeof(d->error), "%s stopped in the middle of the file: try again",
		    place(d->c));
	return ok && d->done == d->size;
}

/* The head has come: the file, or why there is none. */
static int receive_file(struct download *d, int status, struct sg_str head, const char *missing)
{
	json_t *answer = NULL;

	if (status == 200) {
		const char *body = head.p + head.len + 4;
		if (!sg_str_to_u64(header(head, "content-length"), INT64_MAX, &d->size))
			no_proper_answer(d->c, d->error, sizeof(d->error));
		else if (keep(d, body, (size_t)((char *)d->in.p + d->in.len - body)) && receive_body(d))
			return CTL_DONE;
		return ask_failed(d->c, SG_ERR_IO, d->error);
	}
	if (ctl_conn_receive(&d->k, PATIENCE_MS, &d->in))
		read_answer(&d->in, &status, &answer);
	int res = ctl_call_failed(d->c, status, answer, missing);
	json_decref(answer);
	return res;
}

static int fetch(struct download *d, const struct sg_buf *request, const char *missing)
{
	enum sg_result res = connect_streamd(d->c, &d->k, PATIENCE_MS, d->error, sizeof(d->error));
	struct sg_str head;
	int status, answer;

	if (res != SG_OK)
		return ask_failed(d->c, res, d->error);
	sg_buf_init(&d->in, FILE_HEAD_MAX);
	if (ctl_conn_send(&d->k, request->p, request->len) && receive_head(d, &status, &head)) {
		answer = receive_file(d, status, head, missing);
	} else {
		no_proper_answer(d->c, d->error, sizeof(d->error));
		answer = ask_failed(d->c, SG_ERR_IO, d->error);
	}
	sg_buf_reset(&d->in);
	ctl_conn_close(&d->k);
	return answer;
}

int ctl_call_file(const struct ctl *c, const char *path, int fd, const char *missing)
{
	struct download d = {.c = c, .fd = fd};
	struct sg_buf request;
	int res;

	if (write_request(&request, c->remote, "GET", path, NULL))
		res = fetch(&d, &request, missing);
	else
		res = ctl_fail(CTL_FAILED, "out of memory: close something and try again");
	if (request.p)
		sg_wipe(request.p, request.cap);
	sg_buf_reset(&request);
	return res;
}

/* ---- lists ---- */

void ctl_add_query(struct sg_buf *path, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	sg_buf_put_u8(path, path->len && memchr(path->p, '?', path->len) ? '&' : '?');
	sg_buf_printf(path, "%s=", name);
	sg_percent_encode(path, sg_str_from(value));
}

struct pages {
	bool (*each)(void *user, json_t *item);
	void *user;
	uint64_t left;
	char next[CTL_CURSOR_SIZE]; /* what the next page is asked for with, or "" */
	bool stopped;
};

static bool take_page(struct pages *p, json_t *body)
{
	json_t *items = json_is_array(body) ? body : json_object_get(body, "items"), *item;
	const char *cursor = json_string_value(json_object_get(body, "next"));
	char last[CTL_CURSOR_SIZE];
	size_t i;

	memcpy(last, p->next, sizeof(last));
	*p->next = 0;
	if (!json_is_array(items))
		return false;
	json_array_foreach(items, i, item)
	{
		if (!p->left || !p->each(p->user, item)) {
			p->stopped = true;
			return true;
		}
		p->left--;
	}
	/* The same cursor again would go on for ever. */
	return !cursor || (sg_str_copy(p->next, sizeof(p->next), sg_str_from(cursor)) &&
			      (!*p->next || strcmp(p->next, last) != 0));
}

/* One page; SG_ERR_BAD_INPUT: streamd answered something else than a list, *status and *body are it. */
static enum sg_result ask_page(const struct ctl *c, const char *path, struct pages *p, int *status,
    json_t **body, char *error, size_t size)
{
	struct sg_buf full;
	char limit[24] = "";

	if (p->left < PAGE_MAX)
		snprintf(limit, sizeof(limit), "%llu", (unsigned long long)p->left);
	sg_buf_init(&full, 4096);
	sg_buf_puts(&full, path);
	ctl_add_query(&full, "limit", p->left < PAGE_MAX ? limit : c->remote ? "1000" : NULL);
	ctl_add_query(&full, "cursor", p->next);
	sg_buf_put_u8(&full, 0);
	*body = NULL;
	*status = 0;
	enum sg_result res = SG_ERR_LIMIT;
	if (full.failed)
		snprintf(error, size, "there is too much in it: ask for less");
	else
		res = ctl_ask(c, "GET", (char *)full.p, NULL, status, body, error, size);
	sg_buf_reset(&full);
	if (res != SG_OK || (*status == 200 && take_page(p, *body)))
		return res;
	snprintf(error, size,
	    "streamd does not tell its list (HTTP status %d): is it of this version?", *status);
	return SG_ERR_BAD_INPUT;
}

enum sg_result ctl_ask_list(const struct ctl *c, const char *path,
    bool (*each)(void *user, json_t *item), void *user, char *error, size_t error_size)
{
	struct pages p = {.each = each, .user = user, .left = UINT64_MAX};
	enum sg_result res;
	json_t *body;
	int status;

	do {
		res = ask_page(c, path, &p, &status, &body, error, error_size);
		json_decref(body);
	} while (res == SG_OK && !p.stopped && *p.next);
	return res;
}

int ctl_call_list(const struct ctl *c, const char *path, uint64_t limit, const char *after,
    bool (*each)(void *user, json_t *item), void *user, char next[CTL_CURSOR_SIZE])
{
	struct pages p = {.each = each, .user = user, .left = limit};
	char error[400];
	json_t *body;
	int status, res = CTL_DONE;

	snprintf(p.next, sizeof(p.next), "%s", after);
	do {
		enum sg_result asked = ask_page(c, path, &p, &status, &body, error, sizeof(error));
		if (asked == SG_ERR_BAD_INPUT && status != 200)
			res = ctl_call_failed(c, status, body, NULL);
		else if (asked != SG_OK)
			res = ask_failed(c, asked, error);
		json_decref(body);
	} while (res == CTL_DONE && !p.stopped && *p.next && p.left && !ctl_interrupted());
	snprintf(next, CTL_CURSOR_SIZE, "%s", p.next);
	return res;
}

struct search {
	struct sg_str app, stream;
	bool found;
};

static bool is_the_one(void *user, json_t *item)
{
	struct search *s = user;

	/* One whose publisher is gone for a moment is listed, too: it is not live. */
	s->found = !json_is_false(json_object_get(item, "live")) &&
		   sg_str_is(s->app, ctl_json_get(item, "app")) &&
		   sg_str_is(s->stream, ctl_json_get(item, "streamId"));
	return !s->found;
}

enum ctl_liveness ctl_stream_is_live(const struct ctl *c, struct sg_str app, struct sg_str stream)
{
	struct search s = {app, stream, false};
	char path[300], error[400];

	snprintf(path, sizeof(path), "/api/v1/streams?app=%.*s&streamId=%.*s", SG_STR_ARG(app),
	    SG_STR_ARG(stream));
	if (ctl_ask_list(c, path, is_the_one, &s, error, sizeof(error)) != SG_OK)
		return CTL_LIVE_UNKNOWN;
	return s.found ? CTL_LIVE_YES : CTL_LIVE_NO;
}
