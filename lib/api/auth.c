/* auth.c - who may call: addresses, API keys, and what wrong keys cost. */
#include "api/api_internal.h"

/* ---- wrong keys ---- */

static struct sg_addr network_of(const struct sg_addr *peer)
{
	struct sg_addr net = *peer;

	if (net.family == 6)
		memset(net.bytes + 8, 0, 8);
	return net;
}

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
	struct sg_addr net = network_of(peer);

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
	struct sg_addr net = network_of(peer);

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

/* The credentials of "Bearer T" (RFC 6750 section 2.1), else absent. */
static struct sg_str bearer(const struct sg_http_request *req)
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

bool api_check_sender(struct sg_api *api, struct sg_http_request *req)
{
	if (!api_check_address(api, req))
		return false;
	if (sg_http_is_local(req))
		return true;
	if (!bearer(req).p) {
		sg_http_add_header(req, "WWW-Authenticate", "Bearer");
		api_problem(req, 401,
		    "an API key is needed: Authorization: Bearer sgk_...; "
		    "'tokenctl apikey create' makes one");
		return false;
	}
	/* Before the key is looked at: else an answer would tell whether it was a good one. */
	if (api_wrong_keys_over(&api->wrong_keys, sg_http_peer(req), sg_mono_ms())) {
		api_try_later(req, 429, API_WRONG_KEYS_WINDOW_MS / 1000,
		    "too many wrong API keys from this address: try again in a minute");
		return false;
	}
	return true;
}

static void refuse_key(struct api_call *c)
{
	char peer[SG_ADDR_TEXT_SIZE];

	sg_addr_format(peer, sg_http_peer(c->req));
	sg_log_limited(SG_LOG_WARNING, "api: a wrong or revoked API key from %s", peer);
	atomic_fetch_add(&c->api->refused_keys, 1);
	api_wrong_keys_note(&c->api->wrong_keys, sg_http_peer(c->req), sg_mono_ms());
	sg_http_add_header(c->req, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
	api_problem(c->req, 401, "this API key is unknown or revoked");
}

bool api_check_key(struct api_call *c)
{
	struct sg_apikey key;

	if (sg_http_is_local(c->req)) {
		snprintf(c->who, sizeof(c->who), "admin-socket");
		return true;
	}
	/* Calls that queued up together count together. */
	if (api_wrong_keys_over(&c->api->wrong_keys, sg_http_peer(c->req), sg_mono_ms())) {
		api_try_later(c->req, 429, API_WRONG_KEYS_WINDOW_MS / 1000,
		    "too many wrong API keys from this address: try again in a minute");
		return false;
	}
	enum sg_result res = sg_store_apikey_verify(c->store, bearer(c->req), &key);
	if (res == SG_ERR_NOT_FOUND) {
		refuse_key(c);
		return false;
	}
	if (res != SG_OK) {
		api_store_failed(c, "verifying an API key");
		return false;
	}
	if (key.scope < c->route->scope) {
		api_problem(c->req, 403, "this needs an API key of scope '%s'; this one has '%s'",
		    sg_scope_name(c->route->scope), sg_scope_name(key.scope));
		return false;
	}
	sg_id_format(c->who, key.id);
	return true;
}
