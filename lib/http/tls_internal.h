/* tls_internal.h - what tls.c (the pump) and tls_apart.c (bodies that go past libmicrohttpd) share. */
#ifndef SG_HTTP_TLS_INTERNAL_H
#define SG_HTTP_TLS_INTERNAL_H

#include "http/http_internal.h"
#include <sys/uio.h>

#define DOWN_BYTES 65536 /* what a write to the TLS side takes at once: four records */

struct http_apart {
	struct http_pump *pump;
	bool follows;    /* its header is on its way */
	uint64_t at;     /* where that begins, of all that the plain side brings */
	unsigned ending; /* how much of the header's end has been seen */
	bool begun;      /* the header is whole, in `down` */
	uint64_t size;
	struct sg_attachment attachment; /* when libmicrohttpd is through with the request */
	size_t next, sent;               /* the blob that is next, and how much of that is out */
	size_t count;
	struct sg_blob *blobs[];
};

struct http_pump {
	struct http_pump *prev, *next; /* lane->pumps */
	struct http_pump *unclaimed;   /* room->unclaimed */
	struct http_tls_lane *lane;
	struct sg_conn *outer, *inner; /* TLS; plain, once the handshake is over */
	struct sg_buf up, down;        /* what the other side had no room for */
	int server_fd;                 /* the server's end, by which its connection finds us */
	bool outer_ended;              /* the peer says no more */
	int64_t ended_ms;              /* the server has said all; 0: not yet */
	int64_t moved_ms;              /* when the peer last took something */
	struct sockaddr_storage peer;
	socklen_t peer_len;
	pthread_mutex_t lock;   /* guards the three below, and reading from `inner` */
	struct http_apart *body; /* NULL: none */
	uint64_t inner_bytes;   /* read */
	bool over;
	atomic_bool cut;
	struct sg_task cut_task;
	atomic_int refs;
};

/* ---- tls_apart.c; the pump's loop, which alone ends a body that follows ---- */

/* The body that is to be written now; NULL: none. */
struct http_apart *http_apart_now(struct http_pump *p);
/* All of it is out, or never will be. */
void http_apart_end(struct http_pump *p);
/* How much of what lies in the socket belongs to the header behind which a body follows, or to what comes before. With
 * p->lock held; `buf` is scratch. */
size_t http_apart_header(struct http_pump *p, struct http_apart *b, char *buf, size_t size, bool *is_header);
/* In the header, which is whole in `down`. False: it has no place for that, or no memory. */
bool http_apart_put_length(struct http_pump *p, const struct http_apart *b);
/* What is to be written next, and that so much of it was. */
int http_apart_iov(const struct http_apart *b, struct iovec *iov, int max);
void http_apart_took(struct http_apart *b, size_t n);

#endif
