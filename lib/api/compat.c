/* compat.c - Ant Media's REST: the table of calls, who may make them, and their way to the query
 * thread. */
#include "api/compat_internal.h"
#include "base/url.h"
#include <unistd.h>

#define READ SG_SCOPE_READ
#define TOKENS SG_SCOPE_TOKENS
#define ADMIN SG_SCOPE_ADMIN
#define GET SG_HTTP_GET
#define POST SG_HTTP_POST
#define PUT SG_HTTP_PUT
#define DELETE SG_HTTP_DELETE

#define V1 "{app}/rest/broadcast/"
#define V2 "{app}/rest/v2/broadcasts"
#define OLD_CONSOLE "ConsoleApp/rest/"

/* The only list of compatible calls; the first row that fits a path is meant, so that words stand
 * before "{}". */
static const struct compat_route routes[] = {
    {{GET, V2 "/{}/token", TOKENS, compat_token_create, NULL}, 0},
    {{GET, V2 "/{}/jwt-token", TOKENS, compat_token_jwt, NULL}, 0},
    {{POST, V2 "/validate-token", TOKENS, compat_token_validate, NULL}, 0},
    {{DELETE, V2 "/{}/tokens", TOKENS, compat_tokens_revoke, NULL}, 0},
    {{GET, V2 "/{}/tokens/list/{}/{}", READ, compat_tokens_list, NULL}, 0},
    {{POST, V2 "/create", TOKENS, compat_broadcast_create, NULL}, 0},
    {{GET, V2 "/list/{}/{}", READ, compat_broadcast_list, NULL}, 0},
    {{GET, V2 "/count", READ, compat_broadcast_count, NULL}, 0},
    {{GET, V2 "/count/{}", READ, compat_broadcast_count, NULL}, 0},
    {{GET, V2 "/active-live-stream-count", READ, compat_broadcast_count_live, NULL}, 0},
    {{DELETE, V2, ADMIN, compat_broadcasts_delete, NULL}, 0},
    {{GET, V2 "/{}", READ, compat_broadcast_show, NULL}, 0},
    {{PUT, V2 "/{}", TOKENS, compat_broadcast_change, NULL}, 0},
    {{DELETE, V2 "/{}", ADMIN, compat_broadcast_delete, NULL}, 0},
    {{POST, V2 "/{}/start", ADMIN, compat_broadcast_start, NULL}, 0},
    {{POST, V2 "/{}/stop", ADMIN, compat_broadcast_stop, NULL}, 0},
    {{GET, V2 "/{}/broadcast-statistics", READ, compat_broadcast_statistics, NULL}, 0},

    {{GET, V1 "getToken", TOKENS, compat_token_create, NULL}, COMPAT_V1},
    {{POST, V1 "validateToken", TOKENS, compat_token_validate, NULL}, COMPAT_V1},
    {{POST, V1 "revokeTokens", TOKENS, compat_tokens_revoke, NULL}, COMPAT_V1},
    {{GET, V1 "listTokens/{}/{}/{}", READ, compat_tokens_list, NULL}, COMPAT_V1},
    {{POST, V1 "create", TOKENS, compat_broadcast_create, NULL}, COMPAT_V1},
    {{GET, V1 "get", READ, compat_broadcast_show, NULL}, COMPAT_V1},
    {{GET, V1 "getList/{}/{}", READ, compat_broadcast_list, NULL}, COMPAT_V1},
    {{POST, V1 "delete/{}", ADMIN, compat_broadcast_delete, NULL}, COMPAT_V1},
    {{POST, V1 "stop/{}", ADMIN, compat_broadcast_stop, NULL}, COMPAT_V1},
    {{GET, V1 "getTotalBroadcastNumber", READ, compat_broadcast_count, NULL}, COMPAT_V1},
    {{GET, V1 "getVersion", READ, compat_version, NULL}, COMPAT_V1},

    {{GET, "rest/v2/applications/settings/{app}", READ, compat_settings_show, NULL}, 0},
    {{POST, "rest/v2/applications/settings/{app}", ADMIN, compat_settings_change, NULL}, 0},
    {{POST, "rest/v2/users/authenticate", READ, compat_login, NULL}, COMPAT_OPEN},
    {{DELETE, "rest/v2/users/logout", READ, compat_logout, NULL}, COMPAT_OPEN},
    {{GET, "rest/v2/authentication-status", READ, compat_login_status, NULL}, COMPAT_OPEN},
    {{GET, "rest/v2/first-login-status", READ, compat_first_login, NULL}, COMPAT_OPEN},
    {{POST, "rest/v2/users/initial", READ, compat_first_user, NULL}, COMPAT_OPEN},
    {{GET, OLD_CONSOLE "getSettings/{app}", READ, compat_settings_show, NULL}, COMPAT_V1},
    {{POST, OLD_CONSOLE "changeSettings/{app}", ADMIN, compat_settings_change, NULL}, COMPAT_V1},
    {{POST, OLD_CONSOLE "authenticateUser", READ, compat_login, NULL}, COMPAT_V1 | COMPAT_OPEN},
    {{GET, OLD_CONSOLE "isAuthenticated", READ, compat_login_status, NULL}, COMPAT_V1 | COMPAT_OPEN},
    {{GET, OLD_CONSOLE "isFirstLogin", READ, compat_first_login, NULL}, COMPAT_V1 | COMPAT_OPEN},
    {{POST, OLD_CONSOLE "addInitialUser", READ, compat_first_user, NULL}, COMPAT_V1 | COMPAT_OPEN},
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

/* ---- which call ---- */

/* Fills in c->app and c->parts. `path` without a slash at its start. */
static bool matches(const char *pattern, struct sg_str path, struct compat_call *c)
{
	struct sg_str rest = sg_str_from(pattern), want, have;
	unsigned part = 0;

	c->app = (struct sg_str){0};
	memset(c->parts, 0, sizeof(c->parts));
	for (bool more = true; more;) {
		more = sg_str_cut(rest, '/', &want, &rest);
		if (sg_str_cut(path, '/', &have, &path) != more)
			return false;
		if (sg_str_is(want, "{app}"))
			c->app = have;
		else if (sg_str_is(want, "{}"))
			c->parts[part++] = have;
		else if (!sg_str_equal(want, have))
			return false;
		if (!have.len)
			return false;
	}
	return true;
}

/* The route of `path`; else *allowed says which other methods there are. */
static const struct compat_route *find_route(
    struct compat_call *c, unsigned method, struct sg_str path, unsigned *allowed)
{
	*allowed = 0;
	while (path.len && *path.p == '/')
		path.p++, path.len--;
	if (path.len && path.p[path.len - 1] == '/')
		path.len--;
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (!matches(routes[i].call.pattern, path, c))
			continue;
		if (routes[i].call.method & method)
			return &routes[i];
		*allowed |= routes[i].call.method;
	}
	return NULL;
}

/* "/rest/v2/request?_path=APP/rest/...": the console's way to an application. Only to those: what it
 * leads to is no call of the console, so there is no going round. */
static struct sg_str forwarded(const struct sg_http_request *req, struct sg_str path)
{
	struct sg_str to = sg_http_query(req, "_path"), query;

	if (!sg_str_is(path, "/rest/v2/request"))
		return path;
	sg_str_cut(to, '?', &to, &query);
	return sg_str_starts(to, "rest/") || sg_str_starts(to, "/rest/") ||
		       sg_str_starts(to, "ConsoleApp/")
		   ? (struct sg_str){0}
		   : to;
}

static void refuse_method(struct sg_http_request *req, unsigned allowed)
{
	char list[64] = "OPTIONS";
	static const struct {
		unsigned method;
		const char *name;
	} names[] = {{GET, ", GET, HEAD"}, {POST, ", POST"}, {PUT, ", PUT"}, {DELETE, ", DELETE"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (allowed & names[i].method)
			strcat(list, names[i].name);
	sg_http_add_header(req, "Allow", list);
	compat_refuse(req, 405, "method not allowed");
}

/* False: answered. */
static bool choose(struct compat_call *c)
{
	struct sg_http_request *req = c->c.req;
	unsigned allowed, method = sg_http_method(req);

	if (method == SG_HTTP_HEAD)
		method = GET; /* the handler leaves out what GET would do */
	c->route = find_route(c, method, forwarded(req, sg_http_path(req)), &allowed);
	if (c->route) {
		c->c.route = &c->route->call;
		return true;
	}
	if (allowed)
		refuse_method(req, allowed);
	else
		compat_refuse(req, 404, "not found");
	return false;
}

/* ---- who may ---- */

static struct sg_str host_of(struct sg_str host_and_port)
{
	struct sg_str host, port;
	size_t end = host_and_port.len;

	if (end && *host_and_port.p == '[') {
		const char *close = memchr(host_and_port.p, ']', end);
		if (close)
			return (struct sg_str){
			    host_and_port.p + 1, (size_t)(close - host_and_port.p) - 1};
	}
	sg_str_cut(host_and_port, ':', &host, &port);
	return host;
}

/* A page at `origin` that is not ours? No Origin: no page, or one that only reads what its own
 * address answers. */
static bool is_foreign_page(struct sg_api *api, struct sg_http_request *req)
{
	struct sg_str origin = sg_http_header(req, "Origin"), host = sg_http_header(req, "Host");
	struct sg_str site = sg_http_header(req, "Sec-Fetch-Site");
	struct sg_str ours = sg_str_from(sg_http_public_url(api->cfg.http));

	if (site.p && !sg_str_is(site, "same-origin") && !sg_str_is(site, "none"))
		return true;
	if (!origin.p || sg_str_equal_nocase(origin, ours))
		return false;
	for (size_t i = 0; i + 3 <= origin.len; i++)
		if (!memcmp(origin.p + i, "://", 3))
			return !sg_str_equal_nocase(
			    (struct sg_str){origin.p + i + 3, origin.len - i - 3}, host);
	return true; /* "null" */
}

/* A page whose name was rebound to this address (DNS rebinding) is at home here for its browser; what
 * it cannot have is one of our names. */
static bool is_our_name(struct sg_api *api, struct sg_str host)
{
	char machine[256] = "";
	struct sg_addr address;
	struct sg_url ours;

	host = host_of(host);
	if (!host.len || sg_addr_parse(host, &address) || !memchr(host.p, '.', host.len))
		return true;
	if (gethostname(machine, sizeof(machine) - 1) == 0 &&
	    sg_str_equal_nocase(host, sg_str_from(machine)))
		return true;
	return sg_url_parse(sg_str_from(sg_http_public_url(api->cfg.http)), &ours) &&
	       sg_str_equal_nocase(host, ours.host);
}

/* Does it bring an API key of ours? Other texts in Authorization are for Ant Media's own kinds. */
static bool has_key(const struct sg_http_request *req)
{
	struct sg_str scheme, key, all = sg_http_header(req, "Authorization");

	return sg_str_cut(all, ' ', &scheme, &key) &&
	       sg_str_equal_nocase(scheme, SG_STR("Bearer")) && sg_str_starts(key, "sgk_");
}

/* What a browser may carry in without its user's doing: an address, or a cookie. False: answered. */
static bool check_page(struct sg_api *api, struct sg_http_request *req)
{
	if (is_foreign_page(api, req)) {
		compat_refuse(req, 403, "a page from elsewhere needs an API key");
		return false;
	}
	if (!is_our_name(api, sg_http_header(req, "Host"))) {
		compat_refuse(
		    req, 403, "this name is not ours: call by address, or set [http] public_url");
		return false;
	}
	return true;
}

/* False: answered. */
static bool check_caller(struct sg_api *api, struct compat_call *c)
{
	struct sg_http_request *req = c->c.req;
	const struct sg_config *cfg = api->cfg.cfg;
	bool admin =
	    sg_http_is_local(req) || sg_cidr_list_has(&cfg->admin_allow, sg_http_peer(req));
	bool trusted = sg_cidr_list_has(&cfg->compat_allow, sg_http_peer(req));

	if (!admin && !trusted) {
		atomic_fetch_add(&api->refused_addresses, 1);
		compat_refuse(req, 403, "Not allowed IP");
		return false;
	}
	if (sg_http_is_local(req))
		return true;
	c->keyed = admin && has_key(req);
	if (c->keyed)
		return api_check_sender(api, req);
	if (!check_page(api, req))
		return false;
	c->trusted = trusted;
	if (trusted || c->route->flags & COMPAT_OPEN)
		return true;
	if (sg_str_starts(sg_str_from(c->route->call.pattern), "{app}"))
		return api_check_sender(api, req);
	compat_refuse(req, 403, "Not authenticated user");
	return false;
}

/* JSON or nothing: a form would not be Ant Media's, and could come from any page. False: answered. */
static bool check_type(struct sg_http_request *req)
{
	struct sg_str type = sg_http_header(req, "Content-Type"), options;

	if (!sg_http_body(req).len)
		return true;
	sg_str_cut(type, ';', &type, &options);
	while (type.len && type.p[type.len - 1] == ' ')
		type.len--;
	if (sg_str_equal_nocase(type, SG_STR("application/json")))
		return true;
	compat_refuse(req, 415, "the body must be application/json");
	return false;
}

/* ---- the way of a call ---- */

/* On the query thread. */
static void run(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct compat_call *c = user;
	bool open = c->trusted || (c->route->flags & COMPAT_OPEN && !c->keyed);

	c->c.store = store;
	c->c.now = sg_wall_s();
	if (c->trusted)
		snprintf(c->c.who, sizeof(c->c.who), "compat");
	if (open || api_check_key(&c->c)) {
		if (c->app.p && !sg_gate_has_app(gate, c->app))
			compat_result(&c->c, 404, false, "there is no such application", NULL);
		else
			c->route->call.handle(&c->c);
	}
	free(c);
}

static void answer_preflight(struct sg_http_request *req)
{
	sg_http_add_header(req, "Access-Control-Allow-Methods", "GET,POST,HEAD,OPTIONS,PUT,DELETE");
	sg_http_add_header(req, "Access-Control-Allow-Headers",
	    "Accept, Origin, X-Requested-With, Access-Control-Request-Headers, Content-Type, "
	    "Access-Control-Request-Method, Authorization");
	sg_http_add_header(req, "Access-Control-Max-Age", "600");
	sg_http_respond(req, 204, NULL, (struct sg_str){0});
}

/* True: it waits for the query thread; else it has been answered. */
static bool enter_call(struct sg_api *api, struct compat_call *c)
{
	if (!choose(c) || !check_caller(api, c) || !check_type(c->c.req))
		return false;
	/* From here on the request stays until it is answered, by whichever thread. */
	sg_http_defer(c->c.req, c);
	if (sg_gate_query(api->cfg.gate, run, c))
		return true;
	atomic_fetch_add(&api->busy, 1);
	sg_http_add_header(c->c.req, "Retry-After", "1");
	compat_refuse(c->c.req, 503, "too many calls at a time: try again in a second");
	return false;
}

/* On the web server's thread. */
static void enter(struct sg_http_request *req, void *user)
{
	struct sg_api *api = user;

	/* Any origin, and no credentials with it: a page brings an API key, or gets nothing. */
	sg_http_add_header(req, "Access-Control-Allow-Origin", "*");
	if (sg_http_method(req) == SG_HTTP_OPTIONS) {
		answer_preflight(req);
		return;
	}
	atomic_fetch_add(&api->calls, 1);
	struct compat_call *c = calloc(1, sizeof(*c));
	if (!c) {
		compat_refuse(req, 500, "out of memory");
		return;
	}
	c->c.api = api;
	c->c.req = req;
	if (!enter_call(api, c))
		free(c);
}

void api_compat_routes(struct sg_api *api, struct sg_http_server *http)
{
	unsigned all = GET | POST | PUT | SG_HTTP_PATCH | DELETE | SG_HTTP_OPTIONS;

	sg_http_route(http, all, "/{}/rest/{...}", enter, api);
	sg_http_route(http, all, "/rest/{...}", enter, api);
}
