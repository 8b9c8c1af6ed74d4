/* history.h - the lines typed before, in $XDG_STATE_HOME/streamgate/history, without secrets. */
#ifndef TOKENCTL_HISTORY_H
#define TOKENCTL_HISTORY_H

/* A history that cannot be kept is told once, and the shell goes on without. */
void ctl_history_open(void);
/* Keeps what may be kept of a line; not one that begins with a blank, or repeats the last. */
void ctl_history_add(const char *line);
void ctl_history_close(void);

#endif
