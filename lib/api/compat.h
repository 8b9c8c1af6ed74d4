/* compat.h - Ant Media Server's REST calls, so that scripts written for it go on working: what is
 * answered, what is kept and what is not is in README-compat.md. */
#ifndef SG_API_COMPAT_H
#define SG_API_COMPAT_H

#include "api/api.h"

/* Adds the routes "/APP/rest/..." and "/rest/..."; before the web server is started. */
void api_compat_routes(struct sg_api *api, struct sg_http_server *http);

#endif
