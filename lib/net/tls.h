/* tls.h - TLS for listeners: a certificate that can be changed while connections go on.
 *
 * TLS 1.2 and 1.3, forward-secret AEAD ciphers alone. A connection keeps the certificate that it began
 * with. Thread-safe. */
#ifndef SG_NET_TLS_H
#define SG_NET_TLS_H

#include "base/result.h"
#include <stddef.h>

struct sg_tls;

/* Reads the certificate chain and the private key, PEM. On failure `error` is one line that names the
 * file: SG_ERR_IO, it cannot be read; SG_ERR_CONFIG, it is not what it should be, or the two do not
 * belong together. */
SG_MUST_CHECK enum sg_result sg_tls_open(struct sg_tls **out, const char *cert_path,
    const char *key_path, char *error, size_t error_size);
/* The same for connections that begin from now on. On failure nothing changes. */
SG_MUST_CHECK enum sg_result sg_tls_reload(struct sg_tls *tls, const char *cert_path,
    const char *key_path, char *error, size_t error_size);
/* After all of its connections. NULL allowed. */
void sg_tls_close(struct sg_tls *tls);

#endif
