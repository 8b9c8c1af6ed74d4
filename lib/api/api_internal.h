/* api_internal.h - what the files of this folder share.
 *
 * A call below /api/v1 is looked at twice: on the web server's thread for what needs no store (its
 * address, is there a key at all), then on the gate's query thread, which verifies the key and runs
 * the handler. So handlers may use the store and wait for it, and one runs at a time. */
#ifndef SG_API_INTERNAL_H
#define SG_API_INTERNAL_H

#include "api/api.h"
#include "api/urls.h"
#include "base/clock.h"
#include "base/log.h"
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define API_PAGE 100 /* of a list, when the caller names no limit */
#define API_PAGE_MAX 1000
#define API_SESSIONS_STEP 1024 /* sessions copied from the gate at a time */

/* ---- auth.c: wrong keys cost an address time ---- */

#define API_WRONG_KEYS_MAX 20 /* from one address within */
#define API_WRONG_KEYS_WINDOW_MS 60000
#define API_WRONG_ADDRESSES_MAX 1024 /* addresses remembered; then the oldest is forgotten */
struct api_wrong_keys {
	pthread_mutex_t lock;
	size_t count;
	struct {
		struct sg_addr net; /* sg_addr_network */
		int64_t since_ms;
		unsigned times;
	} rows[API_WRONG_ADDRESSES_MAX];
};
bool api_wrong_keys_over(struct api_wrong_keys *w, const struct sg_addr *peer, int64_t now_ms);
void api_wrong_keys_note(struct api_wrong_keys *w, const struct sg_addr *peer, int64_t now_ms);
size_t api_wrong_keys_count(struct api_wrong_keys *w);

/* ---- limits.c: what calls and failed logins cost ---- */

#define API_RATES_MAX 1024 /* callers remembered; then the one quiet longest is forgotten */
#define API_RATE_PER_S 50
#define API_RATE_BURST 200
struct api_rates {
	pthread_mutex_t lock;
	unsigned per_s, burst;
	size_t count;
	struct {
		char who[SG_ID_TEXT_SIZE + 16];
		double left;
		int64_t at_ms;
	} rows[API_RATES_MAX];
};
/* Seconds to wait; 0: this call is one of those that `who` may make. */
unsigned api_rate_take(struct api_rates *r, const char *who, int64_t now_ms);

#define API_COST_FREE 2 /* failures that cost nothing */
#define API_COST_MAX_S 60
#define API_COST_FORGET_MS 900000
struct api_costs {
	pthread_mutex_t lock;
	size_t count;
	struct {
		struct sg_addr net;
		unsigned failures;
		int64_t until_ms, last_ms;
	} rows[API_WRONG_ADDRESSES_MAX];
};
/* Seconds to wait; 0: go on. An attempt counts as failed until it is forgiven, so that many at once
 * cost as much as one after the other. */
unsigned api_cost_begin(struct api_costs *t, const struct sg_addr *peer, int64_t now_ms);
void api_cost_forgive(struct api_costs *t, const struct sg_addr *peer, bool all);
size_t api_costs_count(struct api_costs *t);
size_t api_rates_count(struct api_rates *r);

/* ---- worker.c: a thread for what takes long without waiting: hashing passwords ---- */

#define API_PASSWORDS_MAX 16 /* being hashed, or waiting for it */
struct api_worker {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool running, stop;
	struct sg_task *head, **tail;
	size_t count;
};
SG_MUST_CHECK enum sg_result api_worker_open(struct api_worker *w, const char *name);
/* False: full. */
bool api_worker_post(struct api_worker *w, struct sg_task *task);
size_t api_worker_count(struct api_worker *w);
void api_worker_close(struct api_worker *w); /* runs what has been posted */

/* ---- admins.c: administrators' sessions ---- */

#define API_ADMINS_MAX 64
#define API_ADMIN_IDLE_MS (30 * 60 * 1000ll)
#define API_ADMIN_END_MS (12 * 3600 * 1000ll)
#define API_ADMIN_COOKIE "sg_admin"
#define API_ADMIN_ID_BYTES 32
#define API_ADMIN_ID_SIZE SG_BASE64URL_SIZE(API_ADMIN_ID_BYTES)
struct api_admin {
	uint8_t id[SG_SHA256_BYTES]; /* of the cookie's text */
	uint8_t password[SG_SHA256_BYTES]; /* of the hash that it was opened with */
	int64_t began_ms, seen_ms; /* monotonic */
};
struct api_admins {
	pthread_mutex_t lock;
	size_t count;
	struct api_admin rows[API_ADMINS_MAX];
};
/* A session under a new id, which goes to `id` alone. */
void api_admin_new(
    struct api_admins *a, const char *password_hash, int64_t now_ms, char id[API_ADMIN_ID_SIZE]);
/* `touch`: this counts as a call. False: there is none such, or it is over. */
bool api_admin_find(struct api_admins *a, struct sg_str id, int64_t now_ms, bool touch,
    struct api_admin *out /* or NULL */);
/* Was it opened with this password? If not, it ends. */
bool api_admin_is_of(struct api_admins *a, const struct api_admin *row, const char *password_hash);
void api_admin_end(struct api_admins *a, struct sg_str id);
size_t api_admins_count(struct api_admins *a);

/* ---- origin.c: what browsers must show ---- */

/* Is the Host one of ours? No: answered with 421. For cookies, and for the panel's files. */
bool api_check_host(struct sg_api *api, struct sg_http_request *req);
/* The same, and that a change comes from our own pages. */
bool api_check_browser(struct sg_api *api, struct sg_http_request *req);
bool api_host_is_known(struct sg_str host, const char *public_url); /* for tests */
bool api_origin_is_ours(struct sg_str origin, struct sg_str host, const char *public_url);

/* ---- calls ---- */

struct api_call;
/* Runs on the query thread; answers exactly once (api_answer, api_problem), as its last act on
 * the request. */
typedef void (*api_handler)(struct api_call *c);

struct api_route {
	unsigned method;
	const char *pattern;
	enum sg_scope scope; /* the least that a key must have; API_OPEN: no credentials */
	api_handler handle;
	const char *query; /* the names that its query may have, by spaces; NULL: any */
};

#define API_OPEN ((enum sg_scope)0)
enum api_via { API_VIA_NOBODY, API_VIA_KEY, API_VIA_SESSION, API_VIA_SOCKET };

struct api_call {
	struct sg_api *api;
	const struct api_route *route;
	struct sg_http_request *req;
	struct sg_store *store;
	int64_t now; /* Unix seconds */
	enum api_via via;
	enum sg_scope scope; /* the caller's */
	char who[SG_ID_TEXT_SIZE + 8]; /* the key's id, "admin" or "admin-socket": createdBy */
};
/* For a handler that answers later, on another thread, and then frees it. NULL: answered. */
struct api_call *api_call_keep(const struct api_call *c);

/* The code of the link by which the first password is set. `offered` says whether the rest holds. */
struct api_setup {
	atomic_bool offered;
	uint8_t code[SG_SHA256_BYTES];
	int64_t until_ms;
};

struct api_slot { /* a route's `user` */
	struct sg_api *api;
	const struct api_route *route;
};
#define API_ROUTES_MAX 64

struct sg_api {
	struct sg_api_config cfg;
	pthread_mutex_t apps_lock;
	const struct sg_config *apps; /* whose [app ...] sections are in effect */
	atomic_bool ready;
	int64_t started_s;
	struct api_wrong_keys wrong_keys;
	struct api_rates rates;
	struct api_costs costs;
	struct api_admins admins;
	struct api_worker passwords;
	struct api_setup setup;
	struct api_onces *onces;
	struct api_events *events;
	atomic_uint_fast64_t calls, busy, refused_keys, refused_addresses, refused_rates,
	    failed_logins;
	atomic_size_t authorizing;
	struct api_slot slots[API_ROUTES_MAX];
};

/* The key of "Authorization: Bearer KEY", else absent. */
struct sg_str api_bearer(const struct sg_http_request *req);
/* May this request's sender ask at all? No: it has been answered. Web server's thread. */
bool api_check_sender(struct sg_api *api, struct sg_http_request *req);
/* The same for /metrics: by address alone. */
bool api_check_address(struct sg_api *api, struct sg_http_request *req);
/* The same for a call that needs no credentials. */
bool api_check_open(struct sg_api *api, struct sg_http_request *req);
/* Are the key, or the session, good for c->route? Fills c->who, via and scope. No: it has been
 * answered. Query thread. */
bool api_check_key(struct api_call *c);

static inline struct api_served api_served(const struct sg_api_config *cfg)
{
	return (struct api_served){
	    .rtmp = cfg->rtmp != NULL, .srt = cfg->srt != NULL, .webrtc = cfg->webrtc != NULL};
}
/* The application's section as it is in effect; false: there is none. */
bool api_app_config(struct sg_api *api, struct sg_str app, struct sg_app_config *out);
/* The name of the i-th application in effect; false: there are no more. */
bool api_app_at(struct sg_api *api, size_t i, char out[SG_APP_MAX + 1]);

/* ---- problem.c: errors as application/problem+json (RFC 9457) ---- */

/* `detail` is for people, and never holds what the caller sent as a secret. */
void api_problem(struct sg_http_request *req, unsigned status, const char *detail, ...)
    SG_PRINTF(3, 4);
/* The same for what other rooms refuse: sg_http_refuse_by. */
void api_refuse(struct sg_http_request *req, unsigned status, const char *message);
/* The same with further members, which it takes (NULL: none). */
void api_problem_with(
    struct sg_http_request *req, unsigned status, const char *detail, json_t *members);
/* The store failed: logged, answered with 503. */
void api_store_failed(struct api_call *c, const char *doing);
/* "Try again later", after `seconds`. */
void api_try_later(
    struct sg_http_request *req, unsigned status, unsigned seconds, const char *detail);

/* ---- json.c ---- */

/* Takes `body`; NULL (out of memory) is answered with 500. Its strings are wiped. */
void api_answer(struct api_call *c, unsigned status, json_t *body);
void api_answer_list(struct api_call *c, json_t *items, const char *next /* or NULL, "" */);

/* Gives a reference back; the strings in it are wiped: tokens pass through here. NULL allowed. */
void api_json_drop(json_t *value);
/* 204. */
void api_answer_empty(struct api_call *c);
json_t *api_json_text(const char *z); /* '?' for what is not UTF-8 */
json_t *api_json_time(int64_t unix_s); /* null for 0 */
json_t *api_json_id(uint64_t id); /* null for 0 */

enum api_kind { API_STRING = 1, API_INTEGER = 2, API_BOOL = 4, API_NULL = 8, API_OBJECT = 16 };
struct api_field {
	const char *name;
	unsigned kinds;
};
/* Is `object` an object of these fields and kinds? No: answered with 400, naming the field. */
bool api_check_fields(
    struct api_call *c, json_t *object, const struct api_field *fields, size_t count);
/* The request's body, checked; NULL: answered. */
json_t *api_body(struct api_call *c, const struct api_field *fields, size_t count);
/* A string member; absent when there is none. */
struct sg_str api_string(const json_t *object, const char *key);
/* A member that is a duration ("2h") or whole seconds, from 1 to max_s; *out_s keeps its value when
 * there is none. False: answered. */
bool api_seconds(
    struct api_call *c, const json_t *object, const char *key, int64_t max_s, int64_t *out_s);
bool api_integer(struct api_call *c, const json_t *object, const char *key, int64_t min,
    int64_t max, int64_t *out);

/* What a list or a creation is about, checked; false: answered with 400. Absent stays absent,
 * empty is absent. */
bool api_is_app(struct api_call *c, struct sg_str app);
bool api_is_stream(struct api_call *c, struct sg_str stream);
bool api_is_type(struct api_call *c, struct sg_str text, int *type);

/* Has the query only names of the route's, and none twice? Else answered: a filter that is mistyped is
 * not a filter less, least of all where something is revoked. */
bool api_check_query(struct api_call *c);
struct sg_str api_query(const struct api_call *c, const char *key); /* empty is absent */
bool api_query_stream(struct api_call *c, struct sg_str *app, struct sg_str *stream);
bool api_query_type(struct api_call *c, int *type);
bool api_query_limit(struct api_call *c, size_t fallback, size_t *out);
bool api_query_id(struct api_call *c, const char *key, uint64_t *out);
bool api_query_flag(struct api_call *c, const char *key, bool *out);

/* ---- audit.c ---- */

/* An administrator's act. `detail` is completed with who did it. */
struct api_act {
	const char *event; /* "kicked", "revoked", "setting", "login" */
	const char *reason; /* NULL: none */
	uint64_t token_id, session_id;
	struct sg_str app, stream;
	int type;
	const char *detail;
};
void api_audit(struct api_call *c, const struct api_act *act);
json_t *api_audit_row(const struct sg_audit *a);

/* ---- once.c: Idempotency-Key ---- */

#define API_ONCES_MAX 1024
#define API_ONCE_IDS_MAX 65536 /* of all together */
struct api_onces *api_onces_open(void); /* NULL: no memory */
void api_onces_close(struct api_onces *o); /* NULL allowed */
/* Was this made before? Then it has been answered. Query thread. */
bool api_once_repeated(struct api_call *c);
/* Tokens were made for this call. */
void api_once_note(struct api_call *c, const struct sg_token_key *keys, size_t count);
size_t api_onces_count(struct api_onces *o, size_t *ids);

/* ---- proof.c: what let a caller in, for what outlasts the call ---- */

#define API_PROOF_SIZE 64 /* a secret: to be wiped */
void api_proof_of(const struct api_call *c, char out[API_PROOF_SIZE]);
/* Query thread. */
bool api_proof_holds(struct sg_api *api, struct sg_store *store, const char *proof);

/* ---- preview.c ---- */

size_t api_previews_count(struct sg_api *api);
/* Ends those whose owners may look no longer. Query thread. */
void api_previews_verify(struct sg_api *api, struct sg_store *store);

/* ---- events.c: server-sent events, and the clock of what is verified again ---- */

#define API_LISTENERS_MAX 64
SG_MUST_CHECK enum sg_result api_events_open(struct api_events **out, struct sg_api *api);
void api_events_close(struct api_events *e); /* the web server is closed; NULL allowed */
void api_events_wake(struct api_events *e); /* there is something to verify now */
size_t api_events_count(struct api_events *e);

/* ---- sessions.c ---- */

/* Calls `each` with every session there is, oldest first, above `after`, until it says false. False:
 * out of memory. */
bool api_each_session(struct sg_gate *gate, uint64_t after,
    bool (*each)(void *user, const struct sg_session_info *s), void *user);
/* Ends the stream's sessions that came in by a token; how many. */
size_t api_end_token_sessions(
    struct api_call *c, struct sg_str app, struct sg_str stream, int type);

/* ---- the handlers ---- */

void api_tokens_create(struct api_call *c);
void api_tokens_list(struct api_call *c);
void api_tokens_show(struct api_call *c);
void api_tokens_revoke(struct api_call *c);
void api_tokens_revoke_stream(struct api_call *c);
void api_tokens_check(struct api_call *c);
void api_sessions_list(struct api_call *c);
void api_sessions_end(struct api_call *c);
void api_streams_list(struct api_call *c);
void api_streams_show(struct api_call *c);
void api_streams_end(struct api_call *c);
void api_streams_preview(struct api_call *c);
void api_audit_list(struct api_call *c);
void api_apps_list(struct api_call *c);
void api_apps_show(struct api_call *c);
void api_apps_change(struct api_call *c);

void api_recordings_list(struct api_call *c);
void api_recordings_show(struct api_call *c);
void api_recordings_rename(struct api_call *c);
void api_recordings_delete(struct api_call *c);
void api_recordings_file(struct api_call *c);
void api_relays_list(struct api_call *c);
void api_events(struct api_call *c);
void api_authorize(struct api_call *c);
void api_setup(struct api_call *c);
void api_login(struct api_call *c);
void api_logout(struct api_call *c);
void api_me(struct api_call *c);
/* GET /api/openapi.json; on the web server's thread. */
void api_openapi(struct sg_http_request *req, void *api);
struct sg_str api_openapi_text(void);

/* The table of calls. */
const struct api_route *api_routes(size_t *count);

/* A token's row as all answers show it; never its secret. */
json_t *api_token(const struct sg_token *t, int64_t now);

/* metrics.c; on the web server's thread. */
void api_metrics(struct sg_http_request *req, void *api);

#endif
