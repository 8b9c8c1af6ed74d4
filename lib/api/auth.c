/* auth.c - who may call: addresses, API keys, and what wrong keys cost. */
#include "api/api_internal.h"

/* ---- wrong keys ---- */

/* The row of an address whose window is still open, or -1. */
static int find_row(const struct api_wrong_keys *w, const struct sg_addr *net, int64_t now_ms)
{
	for (size_t i = 0; i < w->count; i++)
		if (sg_addr_equal(&w->rows[i].net, net) &&
		    now_ms - w->rows[i].since_ms < API_WRONG_KEYS_WINDOW_MS)
			return (int)i;
	return -1;
}

bool api_wrong_keys_over(struct api_wrong_keys *w, const struct sg_addr *peer, int64_t now_ms)
{
	struct sg_addr net = sg_addr_network(peer);

	pthread_mutex_lock(&w->lock);
	int i = find_row(w, &net, now_ms);
	bool over = i >= 0 && w->rows[i].times >= API_WRONG_KEYS_MAX;
	pthread_mutex_unlock(&w->lock);
	return over;
}

/* A free row, one whose window is over, or else the oldest. */
static size_t take_row(struct api_wrong_keys *w)
{
	size_t oldest = 0;

	if (w->count < API_WRONG_ADDRESSES_MAX)
		return w->count++;
	for (size_t i = 1; i < w->count; i++)
		if (w->rows[i].since_ms < w->rows[oldest].since_ms)
			oldest = i;
	return oldest;
}

void api_wrong_keys_note(struct api_wrong_keys *w, const struct sg_addr *peer, int64_t now_ms)
{
	struct sg_addr net = sg_addr_network(peer);

	pthread_mutex_lock(&w->lock);
	int i = find_row(w, &net, now_ms);
	if (i < 0) {
		i = (int)take_row(w);
		w->rows[i].net = net;
		w->rows[i].since_ms = now_ms;
		w->rows[i].times = 0;
	}
	w->rows[i].times++;
	pthread_mutex_unlock(&w->lock);
}

size_t api_wrong_keys_count(struct api_wrong_keys *w)
{
	pthread_mutex_lock(&w->lock);
	size_t count = w->count;
	pthread_mutex_unlock(&w->lock);
	return count;
}

/* ---- who asks ---- */

struct sg_str api_bearer(const struct sg_http_request *req)
{
	struct sg_str scheme, rest, all = sg_http_header(req, "Authorization");

	if (!all.p || !sg_str_cut(all, ' ', &scheme, &rest) ||
	    !sg_str_equal_nocase(scheme, SG_STR("Bearer")))
		return (struct sg_str){0};
	while (rest.len && *rest.p == ' ')
		rest.p++, rest.len--;
	return rest.len ? rest : (struct sg_str){0};
}

bool api_check_address(struct sg_api *api, struct sg_http_request *req)
{
	if (sg_http_is_local(req) ||
	    sg_cidr_list_has(&api->cfg.cfg->admin_allow, sg_http_peer(req)))
		return true;
	atomic_fetch_add(&api->refused_addresses, 1);
	api_problem(req, 403, "this address may not: see [admin] allow in the configuration");
	return false;
}

static bool refuse_stranger(struct sg_http_request *req, const char *detail)
{
	sg_http_add_header(req, "WWW-Authenticate", "Bearer");
	api_problem(req, 401, "%s", detail);
	return false;
}

#define SESSION_OVER "this session is over: sign in again"

static bool check_cookie(struct sg_api *api, struct sg_http_request *req, struct sg_str cookie)
{
	if (!api_check_browser(api, req))
		return false;
	if (api_admin_find(&api->admins, cookie, sg_mono_ms(), true, NULL))
		return true;
	return refuse_stranger(req, SESSION_OVER);
}

/* Before the key is looked at: else an answer would tell whether it was a good one. */
static bool check_wrong_keys(struct sg_api *api, struct sg_http_request *req)
{
	if (!api_wrong_keys_over(&api->wrong_keys, sg_http_peer(req), sg_mono_ms()))
		return true;
	api_try_later(req, 429, API_WRONG_KEYS_WINDOW_MS / 1000,
	    "too many wrong API keys from this address: try again in a minute");
	return false;
}

bool api_check_sender(struct sg_api *api, struct sg_http_request *req)
{
	struct sg_str cookie = sg_http_cookie(req, API_ADMIN_COOKIE);

	if (!api_check_address(api, req))
		return false;
	if (sg_http_is_local(req))
		return true;
	if (api_bearer(req).p)
		return check_wrong_keys(api, req);
	if (cookie.len && !sg_http_header(req, "Authorization").p)
		return check_cookie(api, req, cookie);
	return refuse_stranger(req,
	    "an API key or a session is needed: Authorization: Bearer sgk_... ('tokenctl apikey "
	    "create' makes one), or POST /api/v1/login");
}

bool api_check_open(struct sg_api *api, struct sg_http_request *req)
{
	if (!api_check_address(api, req))
		return false;
	if (sg_http_is_local(req))
		return true;
	/* Signing in and out is about the cookie, whatever else is sent along. */
	if (sg_http_method(req) == SG_HTTP_POST || !api_bearer(req).p)
		return api_check_browser(api, req);
	return check_wrong_keys(api, req);
}

static bool refuse_key(struct api_call *c)
{
	char peer[SG_ADDR_TEXT_SIZE];

	sg_addr_format(peer, sg_http_peer(c->req));
	sg_log_limited(SG_LOG_WARNING, "api: a wrong or revoked API key from %s", peer);
	atomic_fetch_add(&c->api->refused_keys, 1);
	api_wrong_keys_note(&c->api->wrong_keys, sg_http_peer(c->req), sg_mono_ms());
	sg_http_add_header(c->req, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
	api_problem(c->req, 401, "this API key is unknown or revoked");
	return false;
}

static bool check_bearer(struct api_call *c)
{
	struct sg_apikey key;

	/* Calls that queued up together count together. */
	if (!check_wrong_keys(c->api, c->req))
		return false;
	enum sg_result res = sg_store_apikey_verify(c->store, api_bearer(c->req), &key);
	if (res == SG_ERR_NOT_FOUND)
		return refuse_key(c);
	if (res != SG_OK) {
		api_store_failed(c, "verifying an API key");
		return false;
	}
	c->via = API_VIA_KEY;
	c->scope = key.scope;
	sg_id_format(c->who, key.id);
	return true;
}

/* A session lasts while its password does: `tokenctl passwd` ends it. SG_ERR_NOT_FOUND: it is over. */
static enum sg_result verify_session(struct api_call *c)
{
	struct sg_str cookie = sg_http_cookie(c->req, API_ADMIN_COOKIE);
	struct api_admins *admins = &c->api->admins;
	char hash[SG_PASSWORD_HASH_SIZE];
	struct api_admin row;

	if (!api_admin_find(admins, cookie, sg_mono_ms(), true, &row))
		return SG_ERR_NOT_FOUND;
	enum sg_result res = sg_store_password_get(c->store, hash);
	if (res == SG_OK && !api_admin_is_of(admins, &row, hash))
		res = SG_ERR_NOT_FOUND;
	sg_wipe(hash, sizeof(hash));
	if (res != SG_OK)
		return res;
	c->via = API_VIA_SESSION;
	c->scope = SG_SCOPE_ADMIN;
	snprintf(c->who, sizeof(c->who), "admin");
	return SG_OK;
}

/* `needed`: without a session the call is over. */
static bool check_session(struct api_call *c, bool needed)
{
	enum sg_result res = verify_session(c);

	if (res == SG_OK || (res == SG_ERR_NOT_FOUND && !needed))
		return true;
	if (res == SG_ERR_NOT_FOUND)
		return refuse_stranger(c->req, SESSION_OVER);
	api_store_failed(c, "reading the administrator's password");
	return false;
}

static bool check_credentials(struct api_call *c)
{
	if (sg_http_is_local(c->req)) {
		c->via = API_VIA_SOCKET;
		c->scope = SG_SCOPE_ADMIN;
		snprintf(c->who, sizeof(c->who), "admin-socket");
		return true;
	}
	/* Where none are needed, those that are good are used all the same (/me). */
	if (c->route->scope == API_OPEN && sg_http_method(c->req) == SG_HTTP_POST)
		return true;
	return api_bearer(c->req).p ? check_bearer(c)
				    : check_session(c, c->route->scope != API_OPEN);
}

static bool check_rate(struct api_call *c)
{
	char who[sizeof(c->api->rates.rows[0].who)];
	struct api_admin row;

	/* Who serves media through us asks once for every viewer: the gate's own budgets bound that. */
	if (c->via == API_VIA_SOCKET || c->via == API_VIA_NOBODY ||
	    c->route->handle == api_authorize)
		return true;
	snprintf(who, sizeof(who), "%s", c->who);
	if (c->via == API_VIA_SESSION &&
	    api_admin_find(&c->api->admins, sg_http_cookie(c->req, API_ADMIN_COOKIE), sg_mono_ms(),
		false, &row))
		sg_hex_encode(who, row.id, 8);
	unsigned wait_s = api_rate_take(&c->api->rates, who, sg_mono_ms());
	if (!wait_s)
		return true;
	atomic_fetch_add(&c->api->refused_rates, 1);
	api_try_later(c->req, 429, wait_s, "too many calls by one caller: slow down");
	return false;
}

bool api_check_key(struct api_call *c)
{
	if (!check_credentials(c))
		return false;
	if (c->scope < c->route->scope) {
		api_problem(c->req, 403, "this needs an API key of scope '%s'; this one has '%s'",
		    sg_scope_name(c->route->scope), sg_scope_name(c->scope));
		return false;
	}
	return check_rate(c);
}
