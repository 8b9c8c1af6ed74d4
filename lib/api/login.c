/* login.c - signing in: the first password, login, logout, who am I.
 *
 * A password is hashed on a thread of its own: that takes tens of milliseconds, for which neither the
 * web server's threads nor the store's can be had. The way of a login:
 *
 *   query thread: what attempts cost, the kept hash ─▶ worker: hash and compare ─▶ answer
 *
 * and of a set-up: query thread: the code ─▶ worker: hash ─▶ query thread: keep it ─▶ answer. */
#include "api/api_internal.h"

#define CODE_BYTES 16
#define SETUP_MS (3600 * 1000ll)

struct signing {
	struct sg_task task;
	struct api_call *c; /* ours */
	char hash[SG_PASSWORD_HASH_SIZE]; /* kept (login), or made (setup) */
	char password[SG_PASSWORD_MAX + 2];
};

static void free_signing(struct signing *s)
{
	free(s->c);
	sg_wipe(s, sizeof(*s));
	free(s);
}

/* ---- who am I ---- */

/* A monotonic moment as Unix seconds, or null. */
static json_t *moment(int64_t mono_ms)
{
	return mono_ms ? json_integer((sg_wall_ms() + mono_ms - sg_mono_ms()) / 1000) : json_null();
}

static json_t *describe(const struct api_call *c, bool password_set, const struct api_admin *row)
{
	static const char *const vias[] = {NULL, "key", "session", "socket"};
	int64_t began = row ? row->began_ms : 0, idle = row ? row->seen_ms + API_ADMIN_IDLE_MS : 0;
	int64_t end = row ? began + API_ADMIN_END_MS : 0;
	bool known = c->via != API_VIA_NOBODY;

	return json_pack("{ss? ss? ss? sb so so so ss}", "who", known ? c->who : NULL, "via",
	    vias[c->via], "scope", known ? sg_scope_name(c->scope) : NULL, "passwordSet",
	    (int)password_set, "startedAt", moment(began), "idleEndsAt",
	    moment(idle < end ? idle : end), "endsAt", moment(end), "version", SG_VERSION);
}

/* Is there a password? False: answered, the store failed. */
static bool kept_hash(struct api_call *c, char hash[SG_PASSWORD_HASH_SIZE], bool *there)
{
	enum sg_result res = sg_store_password_get(c->store, hash);

	*there = res == SG_OK;
	if (res == SG_OK || res == SG_ERR_NOT_FOUND)
		return true;
	api_store_failed(c, "reading the administrator's password");
	return false;
}

void api_me(struct api_call *c)
{
	char hash[SG_PASSWORD_HASH_SIZE];
	struct api_admin row;
	bool there;

	if (!kept_hash(c, hash, &there))
		return;
	sg_wipe(hash, sizeof(hash));
	bool session = c->via == API_VIA_SESSION &&
		       api_admin_find(&c->api->admins, sg_http_cookie(c->req, API_ADMIN_COOKIE),
			   sg_mono_ms(), false, &row);
	api_answer(c, 200, describe(c, there, session ? &row : NULL));
}

/* ---- a new session ---- */

static void set_cookie(struct sg_http_request *req, const char *id, long long max_age_s)
{
	char text[160];

	snprintf(text, sizeof(text),
	    API_ADMIN_COOKIE "=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s", id,
	    max_age_s, sg_http_is_secure(req) ? "; Secure" : "");
	sg_http_add_header(req, "Set-Cookie", text);
	sg_wipe(text, sizeof(text));
}

/* Always under a new id: one that was there before, a stranger may know. */
static void let_in(struct api_call *c, const char *hash, const char *detail)
{
	struct api_admins *admins = &c->api->admins;
	char id[API_ADMIN_ID_SIZE];
	struct api_admin row = {0};

	api_admin_end(admins, sg_http_cookie(c->req, API_ADMIN_COOKIE));
	api_admin_new(admins, hash, sg_mono_ms(), id);
	api_cost_forgive(&c->api->costs, sg_http_peer(c->req), true);
	c->via = API_VIA_SESSION;
	c->scope = SG_SCOPE_ADMIN;
	snprintf(c->who, sizeof(c->who), "admin");
	api_audit(c, &(struct api_act){.event = "login", .detail = detail});
	api_admin_find(admins, sg_str_from(id), sg_mono_ms(), false, &row);
	set_cookie(c->req, id, API_ADMIN_END_MS / 1000);
	sg_wipe(id, sizeof(id));
	api_answer(c, 200, describe(c, true, &row));
}

/* Takes the password out of the body, and the call to the worker. False: answered. */
static bool hash_it(
    struct api_call *c, struct sg_str password, const char *hash, void (*run)(struct sg_task *))
{
	struct signing *s = calloc(1, sizeof(*s));

	if (!s || !(s->c = api_call_keep(c))) {
		if (!s)
			api_problem(c->req, 500, "out of memory");
		free(s);
		return false;
	}
	s->task.run = run;
	snprintf(s->hash, sizeof(s->hash), "%s", hash);
	sg_str_copy(s->password, sizeof(s->password), password);
	if (api_worker_post(&c->api->passwords, &s->task))
		return true;
	free_signing(s);
	api_cost_forgive(&c->api->costs, sg_http_peer(c->req), false);
	api_try_later(c->req, 503, 1, "too many logins at a time: try again in a second");
	return false;
}

/* May this address try? No: it has been answered. */
static bool begin_attempt(struct api_call *c)
{
	unsigned wait_s = api_cost_begin(&c->api->costs, sg_http_peer(c->req), sg_mono_ms());

	if (!wait_s)
		return true;
	api_try_later(c->req, 429, wait_s, "too many failures from this address: wait a little");
	return false;
}

static void note_failure(struct api_call *c, const char *reason)
{
	char peer[SG_ADDR_TEXT_SIZE];

	sg_addr_format(peer, sg_http_peer(c->req));
	sg_log_limited(SG_LOG_WARNING, "api: a failed login (%s) from %s", reason, peer);
	atomic_fetch_add(&c->api->failed_logins, 1);
	api_audit(c, &(struct api_act){.event = "login", .reason = reason, .detail = "refused"});
}

/* ---- login ---- */

static void compare(struct sg_task *task)
{
	struct signing *s = SG_CONTAINER_OF(task, struct signing, task);

	if (sg_password_matches(s->hash, sg_str_from(s->password))) {
		let_in(s->c, s->hash, "");
	} else {
		note_failure(s->c, "wrong_password");
		api_problem(s->c->req, 401, "this is not the password");
	}
	free_signing(s);
}

static const struct api_field login_fields[] = {{"password", API_STRING}};

void api_login(struct api_call *c)
{
	char hash[SG_PASSWORD_HASH_SIZE];
	json_t *body = api_body(c, login_fields, 1);
	struct sg_str password = api_string(body, "password");
	bool there;

	if (!body)
		return;
	if (!password.p) {
		api_problem(c->req, 400, "'password' is needed");
	} else if (kept_hash(c, hash, &there) && !there) {
		api_problem(c->req, 409,
		    "there is no password yet: open the link that streamd printed when it started, "
		    "or use 'tokenctl passwd'");
	} else if (there && begin_attempt(c)) {
		(void)hash_it(c, password, hash, compare);
	}
	sg_wipe(hash, sizeof(hash));
	api_json_drop(body);
}

/* ---- the first password ---- */

static void keep(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct signing *s = user;
	struct api_call *c = s->c;

	(void)gate;
	c->store = store;
	switch (sg_store_password_set(store, s->hash, true, sg_wall_s())) {
	case SG_OK:
		let_in(c, s->hash, "first password set");
		break;
	case SG_ERR_EXISTS:
		api_problem(c->req, 409, "there is a password already");
		break;
	default:
		c->api->setup.offered = true; /* nothing came of it */
		api_store_failed(c, "keeping the administrator's password");
	}
	free_signing(s);
}

static void make_hash(struct sg_task *task)
{
	struct signing *s = SG_CONTAINER_OF(task, struct signing, task);
	bool made = sg_password_hash(s->hash, sg_str_from(s->password)) == SG_OK;

	if (made && sg_gate_query(s->c->api->cfg.gate, keep, s))
		return;
	s->c->api->setup.offered = true;
	api_try_later(s->c->req, 503, 1, "too much to do: use 'tokenctl passwd'");
	free_signing(s);
}

static bool code_is_good(struct sg_api *api, struct sg_str code)
{
	uint8_t hash[SG_SHA256_BYTES];

	sg_sha256(hash, code.len ? code.p : "", code.len);
	return api->setup.offered && sg_mono_ms() < api->setup.until_ms &&
	       sg_equal_constant_time(hash, api->setup.code, sizeof(hash));
}

static void try_code(struct api_call *c, struct sg_str code, struct sg_str password)
{
	char hash[SG_PASSWORD_HASH_SIZE];
	bool there;

	if (!kept_hash(c, hash, &there))
		return;
	sg_wipe(hash, sizeof(hash));
	if (there) {
		api_problem(c->req, 409, "there is a password already");
	} else if (!begin_attempt(c)) {
		return;
	} else if (!code_is_good(c->api, code)) {
		note_failure(c, "wrong_code");
		api_problem(c->req, 403,
		    "the code is wrong, used or over an hour old: start streamd again for a new one, "
		    "or use 'tokenctl passwd'");
	} else {
		c->api->setup.offered = false; /* good once */
		if (!hash_it(c, password, "", make_hash))
			c->api->setup.offered = true;
	}
}

static const struct api_field setup_fields[] = {{"code", API_STRING}, {"password", API_STRING}};

void api_setup(struct api_call *c)
{
	json_t *body = api_body(c, setup_fields, 2);
	struct sg_str password = api_string(body, "password"), code = api_string(body, "code");

	if (!body)
		return;
	if (!code.p)
		api_problem(c->req, 400, "'code' is needed: it is in the link that streamd printed");
	else if (password.len < SG_PASSWORD_MIN || password.len > SG_PASSWORD_MAX ||
		 !sg_str_is_utf8(password))
		api_problem(c->req, 400, "'password' must have %d to %d bytes", SG_PASSWORD_MIN,
		    SG_PASSWORD_MAX);
	else
		try_code(c, code, password);
	api_json_drop(body);
}

/* ---- logout ---- */

void api_logout(struct api_call *c)
{
	api_admin_end(&c->api->admins, sg_http_cookie(c->req, API_ADMIN_COOKIE));
	api_previews_verify(c->api, c->store);
	set_cookie(c->req, "", 0);
	api_answer_empty(c);
}

/* ---- the link ---- */

struct look {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool answered;
	enum sg_result res;
};

static void look(void *user, struct sg_gate *gate, struct sg_store *store)
{
	char hash[SG_PASSWORD_HASH_SIZE];
	struct look *l = user;

	(void)gate;
	enum sg_result res = sg_store_password_get(store, hash);
	sg_wipe(hash, sizeof(hash));
	pthread_mutex_lock(&l->lock);
	l->res = res;
	l->answered = true;
	pthread_cond_signal(&l->done);
	pthread_mutex_unlock(&l->lock);
}

static bool has_no_password(struct sg_gate *gate)
{
	struct look l = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

	if (!sg_gate_query(gate, look, &l))
		return false;
	pthread_mutex_lock(&l.lock);
	while (!l.answered)
		pthread_cond_wait(&l.done, &l.lock);
	pthread_mutex_unlock(&l.lock);
	return l.res == SG_ERR_NOT_FOUND;
}

bool sg_api_offer_setup(struct sg_api *api, char *out, size_t size)
{
	uint8_t random[CODE_BYTES];
	char code[SG_BASE64URL_SIZE(CODE_BYTES)];

	*out = '\0';
	if (!api->cfg.cfg->http_listen.count || !has_no_password(api->cfg.gate))
		return false;
	sg_random(random, sizeof(random));
	sg_base64url_encode(code, random, sizeof(random));
	sg_sha256(api->setup.code, code, strlen(code));
	api->setup.until_ms = sg_mono_ms() + SETUP_MS;
	api->setup.offered = true;
	snprintf(out, size, "%s/#setup=%s", sg_http_public_url(api->cfg.http), code);
	sg_wipe(random, sizeof(random));
	sg_wipe(code, sizeof(code));
	return true;
}
