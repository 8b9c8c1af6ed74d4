/* far_tls.h - the certificates of servers elsewhere, which libavformat checks only when told to. For intake.c
 * and outlet.c. */
#ifndef SG_MEDIA_FAR_TLS_H
#define SG_MEDIA_FAR_TLS_H

#include <libavformat/avformat.h>
#include <stdbool.h>

/* Has whatever is opened with `options` check them: against the authorities in `ca_file` (PEM), or where that is
 * NULL against the system's, and against the host's name. */
void far_tls_check(AVDictionary **options, const char *ca_file);
#define FAR_TLS_REFUSED "its certificate is not trusted, or not for this name ([relay] tls_ca)"
/* Is it the certificate that kept us from opening `url`? libavformat does not tell, so it is asked again: only
 * without the check does the server's TLS open. Waits for the network; false where the URL has no TLS. */
bool far_tls_is_refused(const char *url, const char *ca_file, const AVIOInterruptCB *interrupt);

#endif
