/* tls_internal.h - what tls.c, tls_side.c and conn.c share. */
#ifndef SG_NET_TLS_INTERNAL_H
#define SG_NET_TLS_INTERNAL_H

#include "net/tls.h"
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/uio.h>

struct sg_tls {
	pthread_mutex_t lock; /* guards ctx */
	SSL_CTX *ctx;
	BIO_METHOD *method;
};
BIO_METHOD *net_tls_method(void);

/* ---- tls_side.c: the TLS side of a connection; of its loop ---- */

struct tls_side;
struct tls_side *net_tls_open(struct sg_tls *tls, int fd); /* NULL: out of memory */
void net_tls_close(struct tls_side *t);                    /* NULL allowed; the socket stays */
/* Goes on with the handshake; then, until it is over, neither reads nor writes move anything. */
void net_tls_handshake(struct tls_side *t);
void net_tls_give_up(struct tls_side *t); /* it is broken from now on */
bool net_tls_is_ready(const struct tls_side *t);
bool net_tls_is_broken(const struct tls_side *t);
/* As sg_conn_read and sg_conn_writev. */
ssize_t net_tls_read(struct tls_side *t, void *buf, size_t size);
ssize_t net_tls_writev(struct tls_side *t, const struct iovec *iov, int iovcnt);
bool net_tls_has_read(const struct tls_side *t); /* bytes that the socket does not tell of */
bool net_tls_has_unsent(const struct tls_side *t);
void net_tls_flush(struct tls_side *t);
void net_tls_goodbye(struct tls_side *t); /* close_notify; nothing is written after it */

#endif
