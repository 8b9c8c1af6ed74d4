/* client.c - asks the running streamd over its Unix socket (`[admin] socket`).
 * HTTP/1.0 (RFC 1945): one request, one answer, the end of the connection ends the body. */
#include "tokenctl.h"
#include "base/clock.h"
#include "base/url.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (32u << 20)
#define PATIENCE_MS 10000

static enum sg_result dial(const char *path, int *fd, char *error, size_t size)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};

	if (strlen(path) >= sizeof(sa.sun_path)) {
		snprintf(error, size,
		    "the path of streamd's socket is too long: shorten [admin] socket");
		return SG_ERR_IO;
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0) {
		snprintf(error, size, "cannot make a socket: %s", strerror(errno));
		return SG_ERR_IO;
	}
	setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(*fd, (const struct sockaddr *)&sa, sizeof(sa)))
		return SG_OK;
	int why = errno;
	close(*fd);
	if (why == ENOENT || why == ECONNREFUSED)
		return SG_ERR_NOT_FOUND;
	snprintf(error, size, "cannot reach streamd at %s: %s%s", path, strerror(why),
	    why == EACCES ? ": be root or streamd's user" : "");
	return SG_ERR_IO;
}

static bool send_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n, len -= (size_t)n;
	}
	return true;
}

static bool receive_all(int fd, struct sg_buf *in)
{
	int64_t deadline = sg_mono_ms() + PATIENCE_MS;
	char chunk[16384];

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - sg_mono_ms();
		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return false;
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
		if (n == 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			sg_buf_append(in, chunk, (size_t)n);
		if (in->failed)
			return false;
	}
}

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

/* "HTTP/1.1 200 OK", headers, an empty line, the body. */
static bool read_answer(const struct sg_buf *in, int *status, json_t **body)
{
	const char *text = (const char *)in->p;
	const char *end = in->len ? memmem(text, in->len, "\r\n\r\n", 4) : NULL;
	uint64_t n;

	if (!end || end - text < 12 || memcmp(text, "HTTP/1.", 7) || text[8] != ' ' ||
	    !sg_str_to_u64((struct sg_str){text + 9, 3}, 999, &n))
		return false;
	*status = (int)n;
	struct sg_str head = {text, (size_t)(end - text)};
	size_t len = in->len - head.len - 4;
	struct sg_str claimed = header(head, "content-length");
	if (claimed.p && (!sg_str_to_u64(claimed, ANSWER_MAX, &n) || n != len))
		return false; /* cut short */
	*body = len ? json_loadb(end + 4, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
	return true;
}

enum sg_result ctl_ask(const struct ctl *c, const char *method, const char *path, int *status,
    json_t **body, char *error, size_t error_size)
{
	char request[1024];
	struct sg_buf in;
	int fd;

	*body = NULL;
	*status = 0;
	int len = snprintf(request, sizeof(request),
	    "%s %s HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\nContent-Length: "
	    "0\r\n\r\n",
	    method, path);
	if (len < 0 || (size_t)len >= sizeof(request))
		return SG_ERR_LIMIT;
	enum sg_result res = dial(c->cfg->admin_socket, &fd, error, error_size);
	if (res != SG_OK)
		return res;
	sg_buf_init(&in, ANSWER_MAX);
	if (!send_all(fd, request, (size_t)len) || !receive_all(fd, &in) ||
	    !read_answer(&in, status, body)) {
		snprintf(error, error_size, "streamd at %s gives no proper answer: look at its log",
		    c->cfg->admin_socket);
		res = SG_ERR_IO;
	}
	sg_buf_reset(&in);
	close(fd);
	return res;
}

int ctl_ask_streamd(
    const struct ctl *c, const char *method, const char *path, int *status, json_t **body)
{
	char error[400];
	enum sg_result res = ctl_ask(c, method, path, status, body, error, sizeof(error));

	if (res == SG_OK)
		return CTL_DONE;
	if (res == SG_ERR_NOT_FOUND)
		return ctl_fail(CTL_FAILED,
		    "streamd is not running (nobody answers at %s): start it",
		    c->cfg->admin_socket);
	return ctl_fail(CTL_FAILED, "%s", error);
}

/* One page; *next is what the next page is asked for with, or "". */
static enum sg_result take_page(
    json_t *body, bool (*each)(void *, json_t *), void *user, char *next, size_t next_size)
{
	json_t *items = json_is_array(body) ? body : json_object_get(body, "items"), *item;
	const char *cursor = json_string_value(json_object_get(body, "next"));
	size_t i;

	*next = 0;
	if (!json_is_array(items))
		return SG_ERR_BAD_INPUT;
	json_array_foreach(items, i, item) if (!each(user, item)) return SG_OK;
	if (cursor && !sg_str_copy(next, next_size, sg_str_from(cursor)))
		return SG_ERR_BAD_INPUT;
	return SG_OK;
}

static void page_path(char *out, size_t size, const char *path, const char *next)
{
	struct sg_buf cursor;

	sg_buf_init(&cursor, size);
	sg_percent_encode(&cursor, sg_str_from(next));
	if (*next && !cursor.failed)
		snprintf(out, size, "%s%ccursor=%.*s", path, strchr(path, '?') ? '&' : '?',
		    (int)cursor.len, (char *)cursor.p);
	else
		snprintf(out, size, "%s", path);
	sg_buf_reset(&cursor);
}

enum sg_result ctl_ask_list(const struct ctl *c, const char *path,
    bool (*each)(void *user, json_t *item), void *user, char *error, size_t error_size)
{
	char next[128] = "", last[128], full[700];
	enum sg_result res;
	json_t *body;
	int status;

	do {
		page_path(full, sizeof(full), path, next);
		if ((res = ctl_ask(c, "GET", full, &status, &body, error, error_size)) != SG_OK)
			return res;
		snprintf(last, sizeof(last), "%s", next);
		res = status == 200 ? take_page(body, each, user, next, sizeof(next))
				    : SG_ERR_BAD_INPUT;
		json_decref(body);
		if (res != SG_OK || (*next && !strcmp(next, last))) {
			snprintf(error, error_size,
			    "streamd does not tell its list (HTTP status %d): "
			    "is it of this version?",
			    status);
			return SG_ERR_BAD_INPUT;
		}
	} while (*next);
	return SG_OK;
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
