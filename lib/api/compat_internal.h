/* compat_internal.h - what the compat*.c files share.
 *
 * A compatible call goes the way of all calls (api_internal.h): looked at on the web server's thread,
 * run on the gate's query thread. It has a table of its own, since its paths are matched here. */
#ifndef SG_API_COMPAT_INTERNAL_H
#define SG_API_COMPAT_INTERNAL_H

#include "api/api_internal.h"
#include "api/compat.h"

#define COMPAT_PAGE_MAX 250	/* version 2; a list's size asked for above it is cut to it */
#define COMPAT_PAGE_MAX_V1 50
#define COMPAT_PARTS_MAX 3

enum compat_flag {
	COMPAT_V1 = 1, /* the shapes of 1.5.0 */
	COMPAT_OPEN = 2, /* needs no credentials; those that it brings must be good */
};

struct compat_route {
	/* `pattern` begins with "{app}" where it is about one; its "{}" are the call's parts. */
	struct api_route call;
	unsigned flags;
};

struct compat_call {
	struct api_call c;
	const struct compat_route *route;
	struct sg_str app; /* absent: a call of the console */
	struct sg_str parts[COMPAT_PARTS_MAX];
	bool trusted; /* [admin] compat_allow: needs no credentials */
	bool keyed;   /* brings an API key, which is good when a handler runs */
};

static inline struct compat_call *compat_of(struct api_call *c)
{
	return SG_CONTAINER_OF(c, struct compat_call, c);
}
static inline bool compat_is_v1(struct api_call *c)
{
	return compat_of(c)->route->flags & COMPAT_V1;
}

/* ---- compat_answer.c ---- */

/* The universal small answer. `message`, `data_id`: NULL = none. */
void compat_result(struct api_call *c, unsigned status, bool success, const char *message,
    const char *data_id);
/* The same before there is a call. */
void compat_refuse(struct sg_http_request *req, unsigned status, const char *message);
void compat_nothing(struct api_call *c, unsigned status); /* no body */
void compat_store_failed(struct api_call *c, const char *doing);

/* The body as a JSON object, an empty one where there is no body; NULL: answered. */
json_t *compat_body(struct api_call *c);
/* The stream that the path (or ?id=) names; false: answered. */
bool compat_is_stream(struct api_call *c, struct sg_str stream);
/* Parts `first` and `first + 1`: offset and size, within bounds; false: answered. */
bool compat_page(struct api_call *c, unsigned first, size_t *offset, size_t *size);

#define COMPAT_WHO_SIZE 65
/* Who asks, for createdBy and the audit: "compat ADDRESS" where it needed no credentials. */
void compat_who(struct api_call *c, char out[COMPAT_WHO_SIZE]);
/* A row of the audit with who asks and from where; `detail` may be "". */
void compat_audit_row(struct api_call *c, struct sg_audit *row, const char *event,
    struct sg_str stream, int type, const char *detail);

/* ---- compat_kept.c: broadcasts that were created, in the store ---- */

#define COMPAT_KEPT_MAX 10000 /* in all applications together */
#define COMPAT_NAME_MAX 100   /* bytes of UTF-8; what is longer is cut */

struct compat_kept {
	char stream[SG_STREAM_MAX + 1];
	char name[COMPAT_NAME_MAX + 1];
	bool has_name;
	int64_t created_ms;
};
/* Calls `each` with those of `app`, by stream id; *total (or NULL) counts all applications'. */
enum sg_result compat_kept_each(struct sg_store *store, struct sg_str app,
    void (*each)(void *user, const struct compat_kept *k), void *user, size_t *total);
enum sg_result compat_kept_set(
    struct api_call *c, struct sg_str app, const struct compat_kept *k);
enum sg_result compat_kept_forget(struct api_call *c, struct sg_str app, struct sg_str stream);

/* ---- compat_broadcasts.c: all there are ---- */

struct compat_broadcast {
	struct compat_kept kept; /* `stream` in any case */
	bool is_kept;
	struct sg_stream *stream; /* in the hub now; NULL: not */
};
struct compat_broadcasts {
	struct sg_str app, only; /* absent = all */
	struct compat_broadcast *items; /* by stream id */
	size_t count, cap, kept_total;
	bool failed;
};
/* What was gathered is given back with compat_broadcasts_drop in any case. */
enum sg_result compat_broadcasts_gather(
    struct api_call *c, struct sg_str only, struct compat_broadcasts *out);
void compat_broadcasts_drop(struct compat_broadcasts *b);
/* An array of the items as answers show them, with their viewers; NULL: no memory. */
json_t *compat_broadcasts_show(
    struct api_call *c, const struct compat_broadcast *const *items, size_t count);
struct compat_viewers {
	json_int_t hls, dash, rtmp, webrtc, flv, ts;
};
bool compat_viewers_of(struct api_call *c, struct sg_str stream, struct compat_viewers *out);

/* ---- the handlers ---- */

void compat_token_create(struct api_call *c);
void compat_token_jwt(struct api_call *c);
void compat_token_validate(struct api_call *c);
void compat_tokens_list(struct api_call *c);
void compat_tokens_revoke(struct api_call *c);

void compat_broadcast_create(struct api_call *c);
void compat_broadcast_show(struct api_call *c);
void compat_broadcast_list(struct api_call *c);
void compat_broadcast_count(struct api_call *c);
void compat_broadcast_count_live(struct api_call *c);
void compat_broadcast_change(struct api_call *c);
void compat_broadcast_delete(struct api_call *c);
void compat_broadcasts_delete(struct api_call *c);
void compat_broadcast_start(struct api_call *c);
void compat_broadcast_stop(struct api_call *c);
void compat_broadcast_statistics(struct api_call *c);
void compat_version(struct api_call *c);

void compat_settings_show(struct api_call *c);
void compat_settings_change(struct api_call *c);

void compat_login(struct api_call *c);
void compat_logout(struct api_call *c);
void compat_login_status(struct api_call *c);
void compat_first_login(struct api_call *c);
void compat_first_user(struct api_call *c);

#endif
