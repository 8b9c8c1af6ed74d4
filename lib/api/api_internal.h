/* api_internal.h - what the files of this folder share.
 *
 * A call below /api/v1 is looked at twice: on the web server's thread for what needs no store (its
 * address, is there a key at all), then on the gate's query thread, which verifies the key and runs
 * the handler. So handlers may use the store and wait for it, and one runs at a time. */
#ifndef SG_API_INTERNAL_H
#define SG_API_INTERNAL_H

#include "api/api.h"
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
		struct sg_addr net; /* IPv6: the /64, which one customer has whole */
		int64_t since_ms;
		unsigned times;
	} rows[API_WRONG_ADDRESSES_MAX];
};
bool api_wrong_keys_over(struct api_wrong_keys *w, const struct sg_addr *peer, int64_t now_ms);
void api_wrong_keys_note(struct api_wrong_keys *w, const struct sg_addr *peer, int64_t now_ms);
size_t api_wrong_keys_count(struct api_wrong_keys *w);

/* ---- calls ---- */

struct api_call;
/* Runs on the query thread; answers exactly once (api_answer, api_problem), as its last act on
 * the request. */
typedef void (*api_handler)(struct api_call *c);

struct api_route {
	unsigned method;
	const char *pattern;
	enum sg_scope scope; /* the least that a key must have */
	api_handler handle;
};

struct api_call {
	struct sg_api *api;
	const struct api_route *route;
	struct sg_http_request *req;
	struct sg_store *store;
	int64_t now; /* Unix seconds */
	char who[SG_ID_TEXT_SIZE + 8]; /* the key's id, or "admin-socket": createdBy */
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
	atomic_uint_fast64_t calls, busy, refused_keys, refused_addresses;
	struct api_slot slots[API_ROUTES_MAX];
};

/* May this request's sender ask at all? No: it has been answered. Web server's thread. */
bool api_check_sender(struct sg_api *api, struct sg_http_request *req);
/* The same for /metrics: by address alone. */
bool api_check_address(struct sg_api *api, struct sg_http_request *req);
/* Is the key good for c->route? Fills c->who. No: it has been answered. Query thread. */
bool api_check_key(struct api_call *c);

/* The application's section as it is in effect; false: there is none. */
bool api_app_config(struct sg_api *api, struct sg_str app, struct sg_app_config *out);

/* ---- problem.c: errors as application/problem+json (RFC 9457) ---- */

/* `detail` is for people, and never holds what the caller sent as a secret. */
void api_problem(struct sg_http_request *req, unsigned status, const char *detail, ...)
    SG_PRINTF(3, 4);
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

struct sg_str api_query(const struct api_call *c, const char *key); /* empty is absent */
bool api_query_stream(struct api_call *c, struct sg_str *app, struct sg_str *stream);
bool api_query_type(struct api_call *c, int *type);
bool api_query_limit(struct api_call *c, size_t fallback, size_t *out);
bool api_query_id(struct api_call *c, const char *key, uint64_t *out);
bool api_query_flag(struct api_call *c, const char *key, bool *out);

/* ---- audit.c ---- */

/* An administrator's act. `detail` is completed with who did it. */
struct api_act {
	const char *event; /* "kicked", "revoked", "setting" */
	uint64_t token_id, session_id;
	struct sg_str app, stream;
	int type;
	const char *detail;
};
void api_audit(struct api_call *c, const struct api_act *act);

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
void api_audit_list(struct api_call *c);
void api_apps_show(struct api_call *c);
void api_apps_change(struct api_call *c);

/* A token's row as all answers show it; never its secret. */
json_t *api_token(const struct sg_token *t, int64_t now);

/* metrics.c; on the web server's thread. */
void api_metrics(struct sg_http_request *req, void *api);

#endif
