/* explain.h - what a URL asks of the gate (INTERFACE section 4). */
#ifndef TOKENCTL_EXPLAIN_H
#define TOKENCTL_EXPLAIN_H

#include "tokenctl.h"

#define ASKED_TOKEN_SIZE 4096
struct asked {
	const char *protocol;
	char app[SG_APP_MAX + 1], stream[SG_STREAM_MAX + 1];
	char recording[SG_STREAM_MAX + 5]; /* a file's name; "" = a live stream */
	int type; /* 0 = the URL does not tell */
	char token[ASKED_TOKEN_SIZE]; /* "" = none */
	bool token_garbled; /* there is one, and it cannot be anyone's */
};
/* CTL_DONE, or what is wrong with the URL has been printed. Wipe *out afterwards. */
int ctl_read_url(struct sg_str text, struct asked *out);

#endif
