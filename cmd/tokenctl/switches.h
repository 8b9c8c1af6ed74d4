/* switches.h - what switches.c (here) and switches_far.c (at --url) share. */
#ifndef TOKENCTL_SWITCHES_H
#define TOKENCTL_SWITCHES_H

#include "tokenctl.h"

/* Prints what is in force, whatever was asked for. stream "": of the application. */
int ctl_report_switches(
    struct ctl *c, const char *app, const char *stream, bool publish, bool play);
/* `only`: 0 = both switches; `value`: "on", "off", "" = reset. */
int ctl_switch_far(struct ctl *c, const char *app, const char *stream, int only, const char *value);
/* The rows of `status`. CTL_DONE, or the error has been printed. */
int ctl_switch_rows_far(struct ctl *c, json_t **rows);

#endif
