/* screen.h - a whole terminal, for `watch`: entered, drawn line by line, left as it was. */
#ifndef TOKENCTL_SCREEN_H
#define TOKENCTL_SCREEN_H

#include "tokenctl.h"

/* The alternate screen, no cursor, keys at once. False: this is no terminal that can (TERM=dumb). */
bool ctl_screen_enter(void);
void ctl_screen_leave(void);
/* Draws what `text` has as lines: as many as there is room for, each cut to the terminal's width.
 * Escape sequences (SGR) in it take no room. */
void ctl_screen_draw(struct sg_str text, size_t columns, size_t lines);
/* Waits at most so long for a key (0 = none came, or the terminal has another size now). */
int ctl_screen_key(int timeout_ms);

#endif
