/* panel.h - the web panel: the files of web-panel/, built into the program.
 *
 * They hold no secrets and need no sign-in, only an address in [admin] allow; what they show comes
 * from the REST calls, which ask for both. */
#ifndef SG_API_PANEL_H
#define SG_API_PANEL_H

struct sg_api;

/* "/" and what it leads to, below "/panel/". Before the web server is started; `api` is borrowed
 * until that has been closed. */
void api_panel_routes(struct sg_api *api);

#endif
