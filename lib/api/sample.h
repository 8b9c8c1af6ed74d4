/* sample.h - the sample pages: the files of web-panel/sample/, built into the program.
 *
 * /APP/publish.html and /APP/play.html?id=S&token=T, for everybody: they hold nothing and may do what
 * any WHIP or WHEP client may. */
#ifndef SG_API_SAMPLE_H
#define SG_API_SAMPLE_H

struct sg_http_server;
struct sg_gate;

/* Before the web server is started; `gate` is borrowed until that has been closed. */
void api_sample_routes(struct sg_http_server *http, struct sg_gate *gate);

#endif
