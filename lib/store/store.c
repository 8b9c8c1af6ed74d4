/* store.c - the store's front: chooses the database by the scheme of the URL and checks what
 * callers hand in, so that every database holds the same kind of rows. */
#include "store/sqlite.h"
#include <stdio.h>

static const struct scheme {
	const char *prefix;
	enum sg_result (*open)(struct sg_store **out, const char *location, bool create,
	    char *error, size_t error_size);
} schemes[] = {
    {"sqlite:", sg_sqlite_open},
};

enum sg_result sg_store_open(
    struct sg_store **out, const char *url, bool create, char *error, size_t error_size)
{
	*out = NULL;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const char *prefix = schemes[i].prefix;

		if (sg_str_starts(sg_str_from(url), prefix))
			return schemes[i].open(
			    out, url + strlen(prefix), create, error, error_size);
	}
	snprintf(error, error_size,
	    "the store's url does not start with \"sqlite:\": write url = sqlite:/path/to/file");
	return SG_ERR_CONFIG;
}

void sg_store_close(struct sg_store *st)
{
	if (st)
		st->backend->close(st);
}

void sg_store_set_patience(struct sg_store *st, int64_t ms)
{
	st->backend->set_patience(st, ms);
}

void sg_store_set_cache(struct sg_store *st, int mib)
{
	st->backend->set_cache(st, mib);
}

const char *sg_store_error(const struct sg_store *st)
{
	return st->error;
}

/* ---- checks ---- */

/* The text of a fixed array; a missing NUL makes it longer than any limit. */
#define FIELD(a) ((struct sg_str){(a), strnlen((a), sizeof(a))})
#define FITS(a) (strnlen((a), sizeof(a)) < sizeof(a))

/* The last moment that a selector's 42 bits of milliseconds can tell. */
#define NOW_MAX ((INT64_C(1) << 42) / 1000 - 1)

static enum sg_result refuse(struct sg_store *st, const char *why)
{
	snprintf(st->error, sizeof(st->error), "%s", why);
	return SG_ERR_BAD_INPUT;
}

static bool type_is_valid(int type)
{
	return type == SG_PUBLISH || type == SG_PLAY;
}

static const char *token_fault(const struct sg_token *t, int64_t now)
{
	if (!sg_app_is_valid(FIELD(t->app)))
		return "not an application's name: 1 to 32 of A-Z a-z 0-9 _ -";
	if (!sg_stream_is_valid(FIELD(t->stream)))
		return "not a stream id: 1 to 128 of A-Z a-z 0-9 . _ -, no leading dot";
	if (!type_is_valid((int)t->type))
		return "not a token type: publish or play";
	if (t->max_uses < 1 || t->max_uses > SG_MAX_USES_MAX)
		return "a token has 1 to 1000000 uses";
	if (!FITS(t->label) || !sg_str_is_utf8(FIELD(t->label)))
		return "a label is at most 200 bytes of UTF-8";
	if (!FITS(t->created_by) || !sg_str_is_utf8(FIELD(t->created_by)))
		return "a creator's name is at most 64 bytes of UTF-8";
	if (now <= 0 || now > NOW_MAX || t->expires_at < 0)
		return "a time out of range: check the clock";
	return NULL;
}

static bool audit_is_valid(const struct sg_audit *a)
{
	return FITS(a->app) && FITS(a->stream) && FITS(a->protocol) && FITS(a->address) &&
	       FITS(a->event) && FITS(a->reason) && FITS(a->session) && FITS(a->detail) &&
	       a->token_id <= INT64_MAX;
}

static bool audits_are_valid(const struct sg_audit *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!audit_is_valid(&rows[i]))
			return false;
	return true;
}

/* ---- tokens ---- */

enum sg_result sg_store_token_create(struct sg_store *st, const struct sg_token *model, int64_t now,
    struct sg_token_key *keys, size_t count)
{
	const char *fault = token_fault(model, now);

	if (fault)
		return refuse(st, fault);
	if (count > SG_STORE_CREATE_MAX) {
		refuse(st, "more than 10000 tokens at once: create them in several steps");
		return SG_ERR_LIMIT;
	}
	if (count == 0)
		return SG_OK;
	sg_token_keys_draw(keys, count, now);
	enum sg_result res = st->backend->token_create(st, model, now, keys, count);
	if (res != SG_OK) /* keys of tokens that do not exist would only mislead */
		sg_wipe(keys, count * sizeof(*keys));
	return res;
}

enum sg_result sg_store_token_get(struct sg_store *st, uint64_t id, struct sg_token *out)
{
	return id > INT64_MAX ? SG_ERR_NOT_FOUND : st->backend->token_get(st, id, out);
}

enum sg_result sg_store_token_lookup(
    struct sg_store *st, const struct sg_token_key *key, struct sg_token *out)
{
	return key->id > INT64_MAX ? SG_ERR_NOT_FOUND : st->backend->token_lookup(st, key, out);
}

enum sg_result sg_store_token_look(
    struct sg_store *st, const struct sg_token_key *key, struct sg_token *out)
{
	return key->id > INT64_MAX ? SG_ERR_NOT_FOUND : st->backend->token_look(st, key, out);
}

void sg_store_look_begin(struct sg_store *st)
{
	st->backend->look_begin(st);
}

void sg_store_look_end(struct sg_store *st)
{
	st->backend->look_end(st);
}

enum sg_result sg_store_token_list(struct sg_store *st, const struct sg_token_filter *f,
    uint64_t before, int64_t now, struct sg_token *out, size_t max, size_t *count, bool *more,
    uint64_t *next)
{
	*count = 0;
	*more = false;
	*next = 0;
	if (f->stream.p && !f->app.p)
		return refuse(st, "a list of a stream needs its application");
	if (max == 0)
		return refuse(st, "a list needs room for one token");
	if (before == 0 || before > INT64_MAX)
		before = INT64_MAX;
	return st->backend->token_list(st, f, before, now, out, max, count, more, next);
}

enum sg_result sg_store_token_revoke(
    struct sg_store *st, uint64_t id, bool keep_sessions, int64_t now, size_t *revoked)
{
	*revoked = 0;
	if (now <= 0)
		return refuse(st, "a time out of range: check the clock");
	if (id > INT64_MAX)
		return SG_ERR_NOT_FOUND;
	return st->backend->token_revoke(st, id, keep_sessions, now, revoked);
}

enum sg_result sg_store_token_revoke_stream(struct sg_store *st, struct sg_str app,
    struct sg_str stream, int type, bool keep_sessions, int64_t now, size_t *revoked)
{
	*revoked = 0;
	if (!sg_app_is_valid(app) || !sg_stream_is_valid(stream))
		return refuse(st, "revoking by stream needs an application and a stream id");
	if (type != 0 && !type_is_valid(type))
		return refuse(st, "not a token type: publish or play");
	if (now <= 0)
		return refuse(st, "a time out of range: check the clock");
	return st->backend->token_revoke_stream(st, app, stream, type, keep_sessions, now, revoked);
}

enum sg_result sg_store_token_purge(
    struct sg_store *st, int64_t older_than, int64_t now, size_t max, size_t *purged)
{
	*purged = 0;
	return max == 0 ? SG_OK : st->backend->token_purge(st, older_than, now, max, purged);
}

/* ---- audit and spending ---- */

enum sg_result sg_store_audit_add(struct sg_store *st, const struct sg_audit *rows, size_t count)
{
	if (!audits_are_valid(rows, count))
		return refuse(st, "a text of an audit row is too long");
	return count == 0 ? SG_OK : st->backend->audit_add(st, rows, count);
}

enum sg_result sg_store_audit_list(struct sg_store *st, const struct sg_audit_filter *f,
    int64_t before, int64_t after, struct sg_audit *out, size_t max, size_t *count)
{
	*count = 0;
	if (max == 0)
		return SG_OK;
	return st->backend->audit_list(
	    st, f, before > 0 ? before : INT64_MAX, after, out, max, count);
}

static bool spend_is_valid(const struct sg_spend *s)
{
	return !s->audit || audit_is_valid(s->audit);
}

enum sg_result sg_store_spend(struct sg_store *st, struct sg_spend *const *spends, size_t count,
    const struct sg_audit *audit, size_t audit_count)
{
	enum sg_result res = SG_OK;

	/* Until proven otherwise; a path that forgets to answer must not admit anybody. */
	for (size_t i = 0; i < count; i++) {
		spends[i]->result = SG_SPEND_FAILED;
		if (!spend_is_valid(spends[i]))
			res = refuse(st, "a text of an audit row is too long");
	}
	if (res == SG_OK && !audits_are_valid(audit, audit_count))
		res = refuse(st, "a text of an audit row is too long");
	if (res != SG_OK || count + audit_count == 0)
		return res;
	res = st->backend->spend(st, spends, count, audit, audit_count);
	for (size_t i = 0; res != SG_OK && i < count; i++)
		spends[i]->result = SG_SPEND_FAILED;
	return res;
}

enum sg_result sg_store_checkpoint(struct sg_store *st)
{
	return st->backend->checkpoint(st);
}

/* ---- settings and changes ---- */

enum sg_result sg_store_setting_set(struct sg_store *st, const struct sg_setting *s, int64_t now)
{
	if (!sg_app_is_valid(FIELD(s->app)))
		return refuse(st, "not an application's name: 1 to 32 of A-Z a-z 0-9 _ -");
	if (s->stream[0] && !sg_stream_is_valid(FIELD(s->stream)))
		return refuse(st, "not a stream id: 1 to 128 of A-Z a-z 0-9 . _ -, no leading dot");
	if (!s->key[0] || !FITS(s->key) || !FITS(s->value))
		return refuse(st, "a setting has a key and a value of at most 127 bytes");
	return st->backend->setting_set(st, s, now);
}

enum sg_result sg_store_settings(
    struct sg_store *st, void (*each)(void *user, const struct sg_setting *s), void *user)
{
	return st->backend->settings(st, each, user);
}

enum sg_result sg_store_poll(struct sg_store *st, bool *changed)
{
	*changed = false;
	return st->backend->poll(st, changed);
}

int sg_store_watch(struct sg_store *st)
{
	return st->backend->watch(st);
}

bool sg_store_watched(struct sg_store *st)
{
	return st->backend->watched(st);
}

enum sg_result sg_store_changes(struct sg_store *st, int64_t after, struct sg_change *out,
    size_t max, size_t *count, int64_t *last)
{
	*count = 0;
	*last = after;
	return st->backend->changes(st, after, out, max, count, last);
}

/* ---- API keys ---- */

#define APIKEY_PREFIX "sgk_"

enum sg_result sg_store_apikey_create(struct sg_store *st, enum sg_scope scope, struct sg_str label,
    int64_t now, struct sg_apikey *out, char secret[SG_APIKEY_TEXT_SIZE])
{
	struct sg_apikey k = {.scope = scope, .created_at = now};
	struct sg_token_key key;

	memset(out, 0, sizeof(*out));
	secret[0] = '\0';
	if (scope < SG_SCOPE_READ || scope > SG_SCOPE_ADMIN)
		return refuse(st, "not a scope: read, tokens or admin");
	if (!sg_str_copy(k.label, sizeof(k.label), label) || !sg_str_is_utf8(label))
		return refuse(st, "a label is at most 200 bytes of UTF-8");
	if (now <= 0 || now > NOW_MAX)
		return refuse(st, "a time out of range: check the clock");
	sg_token_keys_draw(&key, 1, now);
	enum sg_result res = st->backend->apikey_create(st, &k, &key);
	if (res == SG_OK) {
		k.id = key.id;
		*out = k;
		memcpy(secret, APIKEY_PREFIX, strlen(APIKEY_PREFIX));
		sg_token_format(secret + strlen(APIKEY_PREFIX), &key);
	}
	sg_wipe(&key, sizeof(key));
	return res;
}

enum sg_result sg_store_apikey_verify(
    struct sg_store *st, struct sg_str secret, struct sg_apikey *out)
{
	size_t skip = strlen(APIKEY_PREFIX);
	struct sg_token_key key;

	if (!sg_str_starts(secret, APIKEY_PREFIX) ||
	    !sg_token_parse((struct sg_str){secret.p + skip, secret.len - skip}, &key))
		return SG_ERR_NOT_FOUND;
	enum sg_result res = st->backend->apikey_verify(st, &key, out);
	sg_wipe(&key, sizeof(key));
	return res;
}

enum sg_result sg_store_apikey_list(
    struct sg_store *st, struct sg_apikey *out, size_t max, size_t *count)
{
	*count = 0;
	return st->backend->apikey_list(st, out, max, count);
}

enum sg_result sg_store_apikey_revoke(struct sg_store *st, uint64_t id, int64_t now)
{
	if (now <= 0)
		return refuse(st, "a time out of range: check the clock");
	return id > INT64_MAX ? SG_ERR_NOT_FOUND : st->backend->apikey_revoke(st, id, now);
}

/* ---- the administrator's password ---- */

enum sg_result sg_store_password_get(struct sg_store *st, char hash[SG_PASSWORD_HASH_SIZE])
{
	hash[0] = '\0';
	return st->backend->password_get(st, hash);
}

enum sg_result sg_store_password_set(
    struct sg_store *st, const char *hash, bool first, int64_t now)
{
	size_t len = strlen(hash);

	if (hash[0] != '$' || len >= SG_PASSWORD_HASH_SIZE)
		return refuse(st, "not the hash of a password");
	if (now <= 0)
		return refuse(st, "a time out of range: check the clock");
	return st->backend->password_set(st, hash, first, now);
}

/* ---- recordings and secrets ---- */

enum sg_result sg_store_recording_add(struct sg_store *st, const struct sg_recording *r)
{
	if (!sg_app_is_valid(FIELD(r->app)) || !sg_stream_is_valid(FIELD(r->stream)))
		return refuse(st, "a recording needs an application and a stream id");
	/* The name becomes part of a path: what a stream id allows is safe there. */
	if (!FITS(r->name) || !r->name[0] || r->name[0] == '.' || strchr(r->name, '/'))
		return refuse(st, "not a recording's file name");
	return st->backend->recording_add(st, r);
}

enum sg_result sg_store_recording_delete(
    struct sg_store *st, struct sg_str app, struct sg_str name)
{
	return st->backend->recording_delete(st, app, name);
}

enum sg_result sg_store_recordings(
    struct sg_store *st, void (*each)(void *user, const struct sg_recording *r), void *user)
{
	return st->backend->recordings(st, each, user);
}

enum sg_result sg_store_recording_get(
    struct sg_store *st, struct sg_str app, struct sg_str name, struct sg_recording *out)
{
	return st->backend->recording_get(st, app, name, out);
}

enum sg_result sg_store_secret(struct sg_store *st, const char *name, uint8_t *value, size_t len)
{
	if (!name[0] || len == 0 || len > 64)
		return refuse(st, "a kept value has a name and 1 to 64 bytes");
	return st->backend->secret(st, name, value, len);
}
