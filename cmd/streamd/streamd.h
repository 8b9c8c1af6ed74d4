/* streamd.h - what the server's files share. */
#ifndef STREAMD_H
#define STREAMD_H

/* Tells systemd (sd_notify(3)'s protocol): a datagram to $NOTIFY_SOCKET, nothing without one. */
void streamd_notify(const char *state);

#endif
