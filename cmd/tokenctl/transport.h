/* transport.h - bytes to streamd and back: its Unix socket, TCP, TLS. */
#ifndef TOKENCTL_TRANSPORT_H
#define TOKENCTL_TRANSPORT_H

#include "tokenctl.h"
#include <openssl/ssl.h>

struct ctl_conn {
	int fd; /* -1 = none */
	SSL_CTX *tls;
	SSL *ssl; /* NULL: in clear */
};
/* SG_OK: end it with ctl_conn_close. SG_ERR_NOT_FOUND: nobody listens there. Else `error` says what;
 * then, too, nothing stays open. Sends and receives give up after `patience_ms`. */
enum sg_result ctl_conn_open_unix(
    struct ctl_conn *k, const char *path, int patience_ms, char *error, size_t size);
enum sg_result ctl_conn_open_remote(
    struct ctl_conn *k, const struct ctl_remote *r, int patience_ms, char *error, size_t size);
bool ctl_conn_send(struct ctl_conn *k, const void *p, size_t len);
/* What has come, as read(2); 0: the end. */
ssize_t ctl_conn_read(struct ctl_conn *k, void *out, size_t size);
/* Everything up to the end of the connection. */
bool ctl_conn_receive(struct ctl_conn *k, int patience_ms, struct sg_buf *in);
void ctl_conn_close(struct ctl_conn *k);

#endif
