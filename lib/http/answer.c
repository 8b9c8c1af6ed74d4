/* answer.c - answers: at once, later and from another thread, or endless. */
#include "http/http_internal.h"
#include <netinet/tcp.h>
#include <poll.h>

void sg_http_add_header(struct sg_http_request *req, const char *name, const char *value)
{
	/* A line break would start a header of its own (RFC 9110 section 5.5). */
	if (strpbrk(value, "\r\n"))
		return;
	sg_buf_append(&req->headers, name, strlen(name) + 1);
	sg_buf_append(&req->headers, value, strlen(value) + 1);
}

static bool is_set(const struct sg_http_request *req, const char *name)
{
	const char *p = (const char *)req->headers.p, *end = p + req->headers.len;

	while (p && p < end) {
		if (sg_str_equal_nocase(sg_str_from(p), sg_str_from(name)))
			return true;
		p += strlen(p) + 1;
		p += strlen(p) + 1;
	}
	return false;
}

static void put_headers(struct sg_http_request *req, struct MHD_Response *r, const char *type)
{
	const char *p = (const char *)req->headers.p, *end = p + req->headers.len;

	if (type)
		MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	while (p && p < end) {
		const char *value = p + strlen(p) + 1;
		MHD_add_response_header(r, p, value);
		p = value + strlen(value) + 1;
	}
	if (atomic_load(&req->srv->draining))
		MHD_add_response_header(r, "Connection", "close");
}

/* ---- the hand-over ---- */

/* The last thing anybody but the server's thread does with a request. */
static void settle(struct sg_http_request *req)
{
	struct sg_http_server *srv = req->srv;
	struct MHD_Connection *mhd = req->mhd;

	if (!req->deferred)
		return; /* on the server's own thread: the handler's caller goes on */
	if (atomic_exchange(&req->wait, WAIT_ANSWERED) == WAIT_SUSPENDED)
		MHD_resume_connection(mhd);
	atomic_fetch_sub(&srv->deferred_count, 1); /* sg_http_server_close may go on: nothing after it */
}

void http_answer(struct sg_http_request *req, unsigned status, struct MHD_Response *response)
{
	if (!response) {
		status = 500;
		response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	}
	req->status = status;
	req->answer = response;
	req->drop = !response; /* not even memory for that: close */
	settle(req);
}

void http_drop(struct sg_http_request *req)
{
	req->drop = true;
	settle(req);
}

void http_cork(struct sg_http_request *req, bool on)
{
	int value = on;

	if (req->is_file && !req->connection->pump)
		setsockopt(req->connection->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

enum MHD_Result http_queue(struct sg_http_request *req)
{
	if (req->drop || !req->answer)
		return MHD_NO;
	unsigned hundreds = req->status / 100;
	if (hundreds < 6)
		atomic_fetch_add(&req->srv->status[hundreds], 1);
	if (req->apart)
		http_apart_follow(req->apart);
	req->apart = NULL;
	http_cork(req, true);
	enum MHD_Result ok = MHD_queue_response(req->mhd, req->status, req->answer);
	MHD_destroy_response(req->answer);
	req->answer = NULL;
	req->drop = true; /* nothing more to say: a further call would close */
	return ok;
}

void sg_http_defer(struct sg_http_request *req, void *data)
{
	req->data = data;
	if (req->deferred)
		return;
	req->deferred = true;
	atomic_fetch_add(&req->srv->deferred_count, 1);
}

/* ---- whole answers ---- */

void sg_http_respond(
    struct sg_http_request *req, unsigned status, const char *type, struct sg_str body)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    body.len, (void *)(body.len ? body.p : ""), MHD_RESPMEM_MUST_COPY);

	if (r) {
		if (status == 401 && !is_set(req, "WWW-Authenticate"))
			sg_http_add_header(req, "WWW-Authenticate", "Bearer"); /* RFC 9110 11.6.1 */
		put_headers(req, r, type);
		req->answer_bytes = body.len;
	}
	http_answer(req, status, r);
}

static void unref_blob(void *cls)
{
	sg_blob_unref(cls);
}

void sg_http_respond_blob(
    struct sg_http_request *req, unsigned status, const char *type, struct sg_blob *blob)
{
	struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback_cls(
	    blob->size, blob->p, unref_blob, blob);

	if (r) {
		put_headers(req, r, type);
		req->answer_bytes = blob->size;
	} else {
		sg_blob_unref(blob);
	}
	http_answer(req, status, r);
}

struct blob_list {
	size_t count;
	struct sg_blob *blobs[];
};

static void unref_blobs(void *cls)
{
	struct blob_list *list = cls;

	for (size_t i = 0; i < list->count; i++)
		sg_blob_unref(list->blobs[i]);
	free(list);
}

/* From so many bytes on the way past libmicrohttpd is the shorter one. */
#define APART_BYTES 16384

/* False: it is to go through libmicrohttpd. */
static bool respond_apart(struct sg_http_request *req, unsigned status, const char *type,
    struct sg_blob *const *blobs, size_t count)
{
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += blobs[i]->size;
	if (!req->connection->pump || req->method != SG_HTTP_GET || size < APART_BYTES ||
	    !(req->apart = http_apart_open(req->connection->pump, blobs, count, size)))
		return false;
	struct MHD_Response *r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	if (r) {
		put_headers(req, r, type);
		req->answer_bytes = size;
	} else {
		http_apart_drop(req->apart);
		req->apart = NULL;
	}
	http_answer(req, status, r);
	return true;
}

void http_respond_blobs(struct sg_http_request *req, unsigned status, const char *type,
    struct sg_blob *const *blobs, size_t count)
{
	if (respond_apart(req, status, type, blobs, count))
		return;
	if (count == 1) {
		sg_http_respond_blob(req, status, type, blobs[0]);
		return;
	}
	struct blob_list *list = malloc(sizeof(*list) + count * sizeof(list->blobs[0]));
	struct MHD_IoVec *iov = calloc(count + 1, sizeof(*iov)); /* libmicrohttpd copies it */
	struct MHD_Response *r = NULL;

	if (list && iov) {
		list->count = count;
		memcpy(list->blobs, blobs, count * sizeof(*blobs));
		for (size_t i = 0; i < count; i++) {
			iov[i] = (struct MHD_IoVec){ blobs[i]->p, blobs[i]->size };
			req->answer_bytes += blobs[i]->size;
		}
		r = MHD_create_response_from_iovec(iov, (unsigned)count, unref_blobs, list);
	}
	free(iov);
	if (r) {
		put_headers(req, r, type);
	} else {
		for (size_t i = 0; i < count; i++)
			sg_blob_unref(blobs[i]);
		free(list);
	}
	http_answer(req, status, r);
}

void http_respond_file(struct sg_http_request *req, unsigned status, const char *type, int fd,
    uint64_t offset, uint64_t length)
{
	struct MHD_Response *r;

	if (length) {
		req->is_file = true;
		r = MHD_create_response_from_fd_at_offset64(length, fd, offset);
		if (!r)
			close(fd);
	} else { /* an empty file, or an answer without a body */
		close(fd);
		r = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	}
	if (r) {
		put_headers(req, r, type);
		req->answer_bytes = req->method == SG_HTTP_HEAD ? 0 : length;
	}
	http_answer(req, status, r);
}

void sg_http_refuse(struct sg_http_request *req, unsigned status, const char *message)
{
	char body[256];

	if (req->refuse) {
		req->refuse(req, status, message);
		return;
	}
	int len = snprintf(body, sizeof(body), "{\"success\":false,\"message\":\"%s\"}", message);
	if (!is_set(req, "Cache-Control"))
		sg_http_add_header(req, "Cache-Control", "no-store");
	sg_http_respond(req, status, "application/json",
	    (struct sg_str){ body, len < (int)sizeof(body) ? (size_t)len : sizeof(body) - 1 });
}

void sg_http_refuse_by(struct sg_http_request *req,
    void (*refuse)(struct sg_http_request *req, unsigned status, const char *message))
{
	req->refuse = refuse;
}

/* ---- endless answers ---- */

static ssize_t no_more(void *cls, uint64_t pos, char *buf, size_t max)
{
	(void)cls, (void)pos, (void)buf, (void)max;
	return MHD_CONTENT_READER_END_OF_STREAM;
}

void http_respond_endless(struct sg_http_request *req, const char *type)
{
	struct MHD_Response *r =
	    MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, no_more, NULL, NULL);

	if (r)
		put_headers(req, r, type);
	http_answer(req, 200, r);
}

static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct sg_http_request *req = cls;
	struct http_stream *st = req->stream;

	(void)pos;
	for (;;) {
		if (atomic_load(&req->srv->draining))
			return MHD_CONTENT_READER_END_OF_STREAM;
		ssize_t n = st->pull(st->data, buf, max);
		if (n < 0)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (n > 0) {
			atomic_fetch_add(&req->srv->bytes_out, (uint64_t)n);
			return n;
		}
		pthread_mutex_lock(&st->lock);
		bool again = st->woken, gone = st->gone;
		st->woken = false;
		if (!again && !gone) {
			st->suspended = true;
			MHD_suspend_connection(req->mhd);
		}
		pthread_mutex_unlock(&st->lock);
		if (gone)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		if (!again)
			return 0;
	}
}

void sg_http_respond_stream(struct sg_http_request *req, const char *type,
    ssize_t (*pull)(void *data, char *out, size_t max), void (*done)(void *data), void *data)
{
	struct sg_http_server *srv = req->srv;
	struct http_stream *st = calloc(1, sizeof(*st));
	struct MHD_Response *r =
	    st ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, req, NULL)
	       : NULL;

	if (!r) {
		free(st);
		done(data);
		http_answer(req, 500, NULL);
		return;
	}
	pthread_mutex_init(&st->lock, NULL);
	st->pull = pull;
	st->done = done;
	st->data = data;
	req->stream = st;
	pthread_mutex_lock(&srv->lock);
	st->linked = true;
	st->next = srv->streams;
	if (st->next)
		st->next->stream->prev = req;
	srv->streams = req;
	pthread_mutex_unlock(&srv->lock);
	atomic_fetch_add(&srv->stream_count, 1);
	put_headers(req, r, type);
	http_answer(req, 200, r);
}

static void wake(struct http_stream *st, struct MHD_Connection *mhd, bool gone)
{
	pthread_mutex_lock(&st->lock);
	st->woken = true;
	st->gone |= gone;
	if (st->suspended) {
		st->suspended = false;
		MHD_resume_connection(mhd);
	}
	pthread_mutex_unlock(&st->lock);
}

void sg_http_wake(struct sg_http_request *req)
{
	wake(req->stream, req->mhd, false);
}

/* The connection is gone, or the answer has ended. */
void http_stream_end(struct sg_http_request *req)
{
	struct sg_http_server *srv = req->srv;
	struct http_stream *st = req->stream;

	pthread_mutex_lock(&srv->lock);
	if (st->prev)
		st->prev->stream->next = st->next;
	else
		srv->streams = st->next;
	if (st->next)
		st->next->stream->prev = st->prev;
	pthread_mutex_unlock(&srv->lock);
	st->done(st->data);
	/* A wake that came before `done` may still be inside. */
	pthread_mutex_lock(&st->lock);
	pthread_mutex_unlock(&st->lock);
	pthread_mutex_destroy(&st->lock);
	free(st);
	req->stream = NULL;
	atomic_fetch_sub(&srv->stream_count, 1);
}

/* libmicrohttpd does not look at suspended connections: a peer that left would stay for ever. */
void http_streams_sweep(struct sg_http_server *srv, bool all)
{
	pthread_mutex_lock(&srv->lock);
	for (struct sg_http_request *req = srv->streams; req; req = req->stream->next) {
		struct pollfd p = { .fd = req->connection->fd, .events = POLLRDHUP };
		bool gone = poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
		if (all || gone)
			wake(req->stream, req->mhd, gone);
	}
	pthread_mutex_unlock(&srv->lock);
}
