/* api.c - the table of routes, and the way of a call from the web server's thread to the store's. */
#include "api/api_internal.h"
#include "api/panel.h"
#include "api/compat.h"

/* The only list of calls below /api. A call is one row and one handler. */
static const struct api_route routes[] = {
    {SG_HTTP_POST, "/api/v1/tokens", SG_SCOPE_TOKENS, api_tokens_create},
    {SG_HTTP_GET, "/api/v1/tokens", SG_SCOPE_READ, api_tokens_list},
    {SG_HTTP_DELETE, "/api/v1/tokens", SG_SCOPE_TOKENS, api_tokens_revoke_stream},
    {SG_HTTP_POST, "/api/v1/tokens/check", SG_SCOPE_TOKENS, api_tokens_check},
    {SG_HTTP_GET, "/api/v1/tokens/{}", SG_SCOPE_READ, api_tokens_show},
    {SG_HTTP_DELETE, "/api/v1/tokens/{}", SG_SCOPE_TOKENS, api_tokens_revoke},
    {SG_HTTP_GET, "/api/v1/apps/{}", SG_SCOPE_READ, api_apps_show},
    {SG_HTTP_PATCH, "/api/v1/apps/{}", SG_SCOPE_ADMIN, api_apps_change},
    {SG_HTTP_GET, "/api/v1/streams", SG_SCOPE_READ, api_streams_list},
    {SG_HTTP_GET, "/api/v1/streams/{}/{}", SG_SCOPE_READ, api_streams_show},
    {SG_HTTP_DELETE, "/api/v1/streams/{}/{}", SG_SCOPE_ADMIN, api_streams_end},
    {SG_HTTP_GET, "/api/v1/sessions", SG_SCOPE_READ, api_sessions_list},
    {SG_HTTP_DELETE, "/api/v1/sessions/{}", SG_SCOPE_ADMIN, api_sessions_end},
    {SG_HTTP_GET, "/api/v1/audit", SG_SCOPE_READ, api_audit_list},
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))
_Static_assert(ROUTE_COUNT <= API_ROUTES_MAX, "struct sg_api has a slot for every route");

/* ---- the way of a call ---- */

/* On the query thread. */
static void run(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct api_call *c = user;

	(void)gate;
	c->store = store;
	c->now = sg_wall_s();
	if (api_check_key(c))
		c->route->handle(c);
	free(c);
}

/* On the web server's thread. */
static void enter(struct sg_http_request *req, void *user)
{
	const struct api_slot *slot = user;
	struct sg_api *api = slot->api;

	atomic_fetch_add(&api->calls, 1);
	if (!api_check_sender(api, req))
		return;
	struct api_call *c = calloc(1, sizeof(*c));
	if (!c) {
		api_problem(req, 500, "out of memory");
		return;
	}
	*c = (struct api_call){.api = api, .route = slot->route, .req = req};
	/* From here on the request stays until it is answered, by whichever thread. */
	sg_http_defer(req, c);
	if (sg_gate_query(api->cfg.gate, run, c))
		return;
	free(c);
	atomic_fetch_add(&api->busy, 1);
	api_try_later(req, 503, 1, "too many calls at a time: try again in a second");
}

static void healthz(struct sg_http_request *req, void *user)
{
	(void)user;
	sg_http_add_header(req, "Cache-Control", "no-store");
	sg_http_respond(req, 200, "text/plain", SG_STR("ok\n"));
}

static void readyz(struct sg_http_request *req, void *user)
{
	struct sg_api *api = user;
	bool ready = atomic_load(&api->ready);

	sg_http_add_header(req, "Cache-Control", "no-store");
	sg_http_respond(
	    req, ready ? 200 : 503, "text/plain", ready ? SG_STR("ok\n") : SG_STR("not ready\n"));
}

/* ---- open and close ---- */

enum sg_result sg_api_open(struct sg_api **out, const struct sg_api_config *cfg)
{
	*out = NULL;
	struct sg_api *api = calloc(1, sizeof(*api));
	if (!api)
		return SG_ERR_NO_MEMORY;
	api->cfg = *cfg;
	api->apps = cfg->cfg;
	api->started_s = sg_wall_s();
	pthread_mutex_init(&api->apps_lock, NULL);
	pthread_mutex_init(&api->wrong_keys.lock, NULL);
	sg_http_route(cfg->http, SG_HTTP_GET, "/healthz", healthz, api);
	sg_http_route(cfg->http, SG_HTTP_GET, "/readyz", readyz, api);
	sg_http_route(cfg->http, SG_HTTP_GET, "/metrics", api_metrics, api);
	api_panel_routes(api);
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		api->slots[i] = (struct api_slot){api, &routes[i]};
		sg_http_route(
		    cfg->http, routes[i].method, routes[i].pattern, enter, &api->slots[i]);
	}
	api_compat_routes(api, cfg->http);
	*out = api;
	return SG_OK;
}

void sg_api_set_ready(struct sg_api *api, bool ready)
{
	atomic_store(&api->ready, ready);
}

void sg_api_reconfigure(struct sg_api *api, const struct sg_config *cfg)
{
	pthread_mutex_lock(&api->apps_lock);
	api->apps = cfg;
	pthread_mutex_unlock(&api->apps_lock);
}

bool api_app_config(struct sg_api *api, struct sg_str app, struct sg_app_config *out)
{
	pthread_mutex_lock(&api->apps_lock);
	const struct sg_app_config *found = sg_config_app(api->apps, app);
	if (found)
		*out = *found;
	pthread_mutex_unlock(&api->apps_lock);
	return found != NULL;
}

void sg_api_close(struct sg_api *api)
{
	if (!api)
		return;
	pthread_mutex_destroy(&api->apps_lock);
	pthread_mutex_destroy(&api->wrong_keys.lock);
	free(api);
}
