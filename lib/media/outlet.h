/* outlet.h - bytes to a server elsewhere: FLV over RTMP, MPEG-TS over SRT, through libavformat's
 * protocols. Belongs to one thread, and its calls wait: give it a thread of its own. */
#ifndef SG_MEDIA_OUTLET_H
#define SG_MEDIA_OUTLET_H

#include "base/bytes.h"

struct sg_outlet;

struct sg_outlet_config {
	const char *url; /* rtmp, rtmps or srt */
	const char *ca_file; /* the authorities of certificates, PEM; NULL: the system's */
	/* Asked again and again while waiting; true ends what goes on. */
	bool (*stop)(void *user);
	void *user;
};

/* Connects and, over RTMP, publishes. Otherwise *out is NULL, and *why one line without the URL.
 * SG_ERR_CLOSED: it was stopped; SG_ERR_IO: nobody answers there, we are refused, or its certificate is. */
SG_MUST_CHECK enum sg_result sg_outlet_open(
    struct sg_outlet **out, const struct sg_outlet_config *cfg, const char **why);
void sg_outlet_close(struct sg_outlet *o); /* NULL allowed; says goodbye where there is a way to */
/* Is it FLV that goes in (a header, then tags), or MPEG-TS? */
bool sg_outlet_takes_flv(const struct sg_outlet *o);
/* SG_ERR_IO: the connection is broken. What does not fill a packet waits for sg_outlet_flush. */
SG_MUST_CHECK enum sg_result sg_outlet_write(struct sg_outlet *o, const void *p, size_t len);
SG_MUST_CHECK enum sg_result sg_outlet_flush(struct sg_outlet *o);

#endif
