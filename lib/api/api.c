/* api.c - the table of routes, and the way of a call from the web server's thread to the store's. */
#include "api/api_internal.h"
#include "api/panel.h"
#include "api/sample.h"
#include "api/compat.h"

/* The only list of calls below /api. A call is one row and one handler. */
static const struct api_route routes[] = {
    {SG_HTTP_POST, "/api/v1/setup", API_OPEN, api_setup, ""},
    {SG_HTTP_POST, "/api/v1/login", API_OPEN, api_login, ""},
    {SG_HTTP_POST, "/api/v1/logout", API_OPEN, api_logout, ""},
    {SG_HTTP_GET, "/api/v1/me", API_OPEN, api_me, ""},
    {SG_HTTP_POST, "/api/v1/tokens", SG_SCOPE_TOKENS, api_tokens_create, ""},
    {SG_HTTP_GET, "/api/v1/tokens", SG_SCOPE_READ, api_tokens_list,
        "app streamId type state q search limit cursor"},
    {SG_HTTP_DELETE, "/api/v1/tokens", SG_SCOPE_TOKENS, api_tokens_revoke_stream,
        "app streamId type keepSessions"},
    {SG_HTTP_POST, "/api/v1/tokens/check", SG_SCOPE_TOKENS, api_tokens_check, ""},
    {SG_HTTP_GET, "/api/v1/tokens/{}", SG_SCOPE_READ, api_tokens_show, ""},
    {SG_HTTP_DELETE, "/api/v1/tokens/{}", SG_SCOPE_TOKENS, api_tokens_revoke,
        "keepSessions"},
    {SG_HTTP_GET, "/api/v1/apps", SG_SCOPE_READ, api_apps_list,
        "limit cursor"},
    {SG_HTTP_GET, "/api/v1/apps/{}", SG_SCOPE_READ, api_apps_show, ""},
    {SG_HTTP_PATCH, "/api/v1/apps/{}", SG_SCOPE_ADMIN, api_apps_change, ""},
    {SG_HTTP_GET, "/api/v1/streams", SG_SCOPE_READ, api_streams_list,
        "app streamId limit cursor"},
    {SG_HTTP_GET, "/api/v1/streams/{}/{}", SG_SCOPE_READ, api_streams_show, ""},
    {SG_HTTP_DELETE, "/api/v1/streams/{}/{}", SG_SCOPE_ADMIN, api_streams_end, ""},
    {SG_HTTP_POST, "/api/v1/streams/{}/{}/preview", SG_SCOPE_ADMIN, api_streams_preview,
        "video audio"},
    {SG_HTTP_PATCH, "/api/v1/streams/{}/{}/preview/{}", SG_SCOPE_ADMIN, api_streams_preview, ""},
    {SG_HTTP_DELETE, "/api/v1/streams/{}/{}/preview/{}", SG_SCOPE_ADMIN, api_streams_preview, ""},
    {SG_HTTP_GET, "/api/v1/sessions", SG_SCOPE_READ, api_sessions_list,
        "app streamId type protocol limit cursor"},
    {SG_HTTP_DELETE, "/api/v1/sessions/{}", SG_SCOPE_ADMIN, api_sessions_end, ""},
    {SG_HTTP_GET, "/api/v1/recordings", SG_SCOPE_READ, api_recordings_list,
        "app streamId q limit cursor"},
    {SG_HTTP_GET, "/api/v1/recordings/{}/{}", SG_SCOPE_READ, api_recordings_show, ""},
    {SG_HTTP_PATCH, "/api/v1/recordings/{}/{}", SG_SCOPE_ADMIN, api_recordings_rename, ""},
    {SG_HTTP_DELETE, "/api/v1/recordings/{}/{}", SG_SCOPE_ADMIN, api_recordings_delete, ""},
    {SG_HTTP_GET, "/api/v1/recordings/{}/{}/file", SG_SCOPE_ADMIN, api_recordings_file, ""},
    {SG_HTTP_GET, "/api/v1/relays", SG_SCOPE_READ, api_relays_list, "limit cursor"},
    {SG_HTTP_GET, "/api/v1/audit", SG_SCOPE_READ, api_audit_list,
        "app streamId event reason token tokenId after limit cursor"},
    {SG_HTTP_GET, "/api/v1/events", SG_SCOPE_READ, api_events,
        "app streamId after"},
    {SG_HTTP_GET, "/api/v1/authorize", SG_SCOPE_TOKENS, api_authorize, NULL},
    {SG_HTTP_POST, "/api/v1/authorize", SG_SCOPE_TOKENS, api_authorize, NULL},
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))
_Static_assert(ROUTE_COUNT <= API_ROUTES_MAX, "struct sg_api has a slot for every route");

const struct api_route *api_routes(size_t *count)
{
	*count = ROUTE_COUNT;
	return routes;
}

/* ---- the way of a call ---- */

struct api_call *api_call_keep(const struct api_call *c)
{
	struct api_call *kept = malloc(sizeof(*kept));

	if (!kept) {
		api_problem(c->req, 500, "out of memory");
		return NULL;
	}
	*kept = *c;
	kept->store = NULL; /* the query thread's alone */
	return kept;
}

/* On the query thread. */
static void run(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct api_call *c = user;

	(void)gate;
	c->store = store;
	c->now = sg_wall_s();
	if (api_check_key(c) && api_check_query(c))
		c->route->handle(c);
	free(c);
}

/* On the web server's thread. */
static void enter(struct sg_http_request *req, void *user)
{
	const struct api_slot *slot = user;
	struct sg_api *api = slot->api;

	atomic_fetch_add(&api->calls, 1);
	sg_http_refuse_by(req, api_refuse);
	if (!(slot->route->scope == API_OPEN ? api_check_open : api_check_sender)(api, req))
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

/* ---- what is no call ---- */

/* Does the path have the pattern's shape, segment by segment? */
static bool matches(const char *pattern, struct sg_str path)
{
	struct sg_str want, have, left = sg_str_from(pattern);

	for (bool more = true, others; more;) {
		more = sg_str_cut(left, '/', &want, &left);
		others = sg_str_cut(path, '/', &have, &path);
		if (more != others || !(sg_str_is(want, "{}") ? have.len > 0
							      : sg_str_equal(want, have)))
			return false;
	}
	return true;
}

/* "GET, HEAD, POST, OPTIONS" of all calls with this path; "" for none. */
static void name_methods(char out[64], struct sg_str path)
{
	static const struct {
		unsigned method;
		const char *name;
	} names[] = {{SG_HTTP_GET, "GET, HEAD, "}, {SG_HTTP_POST, "POST, "},
	    {SG_HTTP_PATCH, "PATCH, "}, {SG_HTTP_DELETE, "DELETE, "}};
	unsigned all = 0;
	size_t len = 0;

	for (size_t i = 0; i < ROUTE_COUNT; i++)
		if (matches(routes[i].pattern, path))
			all |= routes[i].method;
	*out = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (all & names[i].method)
			len += (size_t)snprintf(out + len, 64 - len, "%s", names[i].name);
	if (all)
		snprintf(out + len, 64 - len, "OPTIONS");
}

static void no_call(struct sg_http_request *req, void *api)
{
	char methods[64];

	if (!api_check_address(api, req))
		return;
	name_methods(methods, sg_http_path(req));
	if (!*methods) {
		api_problem(req, 404, "there is no such call: /api/openapi.json tells them all");
		return;
	}
	sg_http_add_header(req, "Allow", methods);
	if (sg_http_method(req) == SG_HTTP_OPTIONS)
		sg_http_respond(req, 204, NULL, (struct sg_str){0});
	else
		api_problem(req, 405, "this has other methods: %s", methods);
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

static void add_routes(struct sg_api *api)
{
	struct sg_http_server *http = api->cfg.http;
	const unsigned all = SG_HTTP_GET | SG_HTTP_POST | SG_HTTP_PUT | SG_HTTP_PATCH |
			     SG_HTTP_DELETE | SG_HTTP_OPTIONS;

	sg_http_route(http, SG_HTTP_GET, "/healthz", healthz, api);
	sg_http_route(http, SG_HTTP_GET, "/readyz", readyz, api);
	sg_http_route(http, SG_HTTP_GET, "/metrics", api_metrics, api);
	sg_http_route(http, SG_HTTP_GET, "/api/openapi.json", api_openapi, api);
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		api->slots[i] = (struct api_slot){api, &routes[i]};
		sg_http_route(http, routes[i].method, routes[i].pattern, enter, &api->slots[i]);
	}
	api_panel_routes(api);
	api_sample_routes(http, api->cfg.gate);
	api_compat_routes(api, http);
	/* Last: the first route that matches wins. */
	sg_http_route(http, all, "/api", no_call, api);
	sg_http_route(http, all, "/api/", no_call, api);
	sg_http_route(http, all, "/api/{...}", no_call, api);
}

enum sg_result sg_api_open(struct sg_api **out, const struct sg_api_config *cfg)
{
	enum sg_result res = SG_ERR_NO_MEMORY;

	*out = NULL;
	struct sg_api *api = calloc(1, sizeof(*api));
	if (!api)
		return res;
	api->cfg = *cfg;
	api->apps = cfg->cfg;
	api->started_s = sg_wall_s();
	api->rates.per_s = cfg->calls_per_s ? cfg->calls_per_s : API_RATE_PER_S;
	api->rates.burst = api->rates.per_s * (API_RATE_BURST / API_RATE_PER_S);
	pthread_mutex_init(&api->apps_lock, NULL);
	pthread_mutex_init(&api->wrong_keys.lock, NULL);
	pthread_mutex_init(&api->rates.lock, NULL);
	pthread_mutex_init(&api->costs.lock, NULL);
	pthread_mutex_init(&api->admins.lock, NULL);
	if ((res = api_worker_open(&api->passwords, "sg-passwords")) != SG_OK ||
	    (res = api_events_open(&api->events, api)) != SG_OK)
		goto fail;
	if (!(api->onces = api_onces_open())) {
		res = SG_ERR_NO_MEMORY;
		goto fail;
	}
	add_routes(api);
	*out = api;
	return SG_OK;
fail:
	sg_api_close(api);
	return res;
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
	api_events_close(api->events);
	api_worker_close(&api->passwords);
	api_onces_close(api->onces);
	pthread_mutex_destroy(&api->apps_lock);
	pthread_mutex_destroy(&api->wrong_keys.lock);
	pthread_mutex_destroy(&api->rates.lock);
	pthread_mutex_destroy(&api->costs.lock);
	pthread_mutex_destroy(&api->admins.lock);
	sg_wipe(&api->setup, sizeof(api->setup));
	free(api);
}
