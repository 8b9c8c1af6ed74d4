/* tls_apart.c - a large body's own way from where it lies to TLS.
 *
 *   handler ──blobs─────────────────────────┐
 *      └─answer─▶ libmicrohttpd ──header─▶ pump ─▶ TLS
 *
 * libmicrohttpd says the header of an empty answer, in which the pump puts the length right, and goes on with the body
 * behind it. One at a time: who asks for more before he has the first one (pipelining) gets those through
 * libmicrohttpd, so that he cannot hold more in memory than the sockets do. */
#include "http/tls_internal.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

static void free_body(struct http_apart *b)
{
	if (b->attachment.session)
		sg_gate_leave(b->pump->lane->room->srv->cfg.gate, &b->attachment);
	for (size_t i = b->next; i < b->count; i++)
		sg_blob_unref(b->blobs[i]);
	free(b);
}

struct http_apart *http_apart_open(struct http_pump *p, struct sg_blob *const *blobs, size_t count, uint64_t size)
{
	struct http_apart *b = calloc(1, sizeof(*b) + count * sizeof(b->blobs[0]));

	if (!b)
		return NULL;
	b->pump = p;
	b->count = count;
	b->size = size;
	memcpy(b->blobs, blobs, count * sizeof(*blobs));
	pthread_mutex_lock(&p->lock);
	bool taken = p->body || p->over;
	if (!taken)
		p->body = b;
	pthread_mutex_unlock(&p->lock);
	if (!taken)
		return b;
	free(b);
	return NULL;
}

void http_apart_drop(struct http_apart *b)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->pump->lock);
	b->pump->body = NULL;
	pthread_mutex_unlock(&b->pump->lock);
	free_body(b);
}

void http_apart_follow(struct http_apart *b)
{
	struct http_pump *p = b->pump;
	int unread = 0;

	pthread_mutex_lock(&p->lock);
	bool over = p->over;
	if (over) {
		p->body = NULL;
	} else {
		/* All that libmicrohttpd has said so far has been read or waits in the socket. */
		ioctl(sg_conn_fd(p->inner), FIONREAD, &unread);
		b->at = p->inner_bytes + (uint64_t)unread;
		b->follows = true;
	}
	pthread_mutex_unlock(&p->lock);
	if (over)
		free_body(b);
}

/* With the gate's lock held. */
static void on_kicked(struct sg_attachment *at)
{
	http_pump_cut(SG_CONTAINER_OF(at, struct http_apart, attachment)->pump);
}

void http_apart_attach(struct http_pump *p, struct sg_attachment *at)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	struct http_apart *b = p->body;
	if (b && b->follows && !b->attachment.session) {
		b->attachment.kicked = on_kicked;
		sg_gate_move(p->lane->room->srv->cfg.gate, &b->attachment, at);
	}
	pthread_mutex_unlock(&p->lock);
}

struct http_apart *http_apart_now(struct http_pump *p)
{
	pthread_mutex_lock(&p->lock);
	struct http_apart *b = p->body && p->body->begun ? p->body : NULL;
	pthread_mutex_unlock(&p->lock);
	return b;
}

void http_apart_end(struct http_pump *p)
{
	pthread_mutex_lock(&p->lock);
	struct http_apart *b = p->body && p->body->follows ? p->body : NULL;
	if (b)
		p->body = NULL;
	pthread_mutex_unlock(&p->lock);
	if (b)
		free_body(b);
}

size_t http_apart_header(struct http_pump *p, struct http_apart *b, char *buf, size_t size, bool *is_header)
{
	static const char end[] = "\r\n\r\n";

	*is_header = p->inner_bytes >= b->at;
	if (!*is_header)
		return b->at - p->inner_bytes < size ? (size_t)(b->at - p->inner_bytes) : size;
	ssize_t n = recv(sg_conn_fd(p->inner), buf, size, MSG_PEEK);
	for (ssize_t i = 0; i < n; i++) {
		b->ending = buf[i] == end[b->ending] ? b->ending + 1 : buf[i] == end[0];
		if ((b->begun = b->ending == sizeof(end) - 1))
			return (size_t)i + 1;
	}
	return n > 0 ? (size_t)n : size;
}

bool http_apart_put_length(struct http_pump *p, const struct http_apart *b)
{
	static const char none[] = "\r\nContent-Length: 0\r\n";
	const uint8_t *at = p->down.len ? memmem(p->down.p, p->down.len, none, sizeof(none) - 1) : NULL;
	struct sg_buf header;
	char length[24];

	if (!at)
		return false;
	at += sizeof(none) - sizeof("0\r\n");
	http_put_number(length, b->size, 10);
	sg_buf_init(&header, DOWN_BYTES);
	sg_buf_append(&header, p->down.p, (size_t)(at - p->down.p));
	sg_buf_append(&header, length, strlen(length));
	sg_buf_append(&header, at + 1, p->down.len - (size_t)(at + 1 - p->down.p));
	sg_buf_reset(&p->down);
	p->down = header;
	return !header.failed;
}

int http_apart_iov(const struct http_apart *b, struct iovec *iov, int max)
{
	int len = 0;

	for (size_t i = b->next, sent = b->sent; i < b->count && len < max; i++, sent = 0)
		iov[len++] = (struct iovec){ b->blobs[i]->p + sent, b->blobs[i]->size - sent };
	return len;
}

void http_apart_took(struct http_apart *b, size_t n)
{
	while (b->next < b->count) {
		size_t left = b->blobs[b->next]->size - b->sent;
		if (n < left) {
			b->sent += n;
			return;
		}
		n -= left;
		b->sent = 0;
		sg_blob_unref(b->blobs[b->next++]);
	}
}
