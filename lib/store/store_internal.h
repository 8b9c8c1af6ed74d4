/* store_internal.h - what the files of this folder share, whatever database is behind.
 * store.c checks what callers give and hands it to a backend; a backend may therefore take
 * its arguments as valid. */
#ifndef SG_STORE_STORE_INTERNAL_H
#define SG_STORE_STORE_INTERNAL_H

#include "store/store.h"

#define SG_STORE_ERROR_SIZE 512
#define SG_STORE_HASH_BYTES 16
#define SG_STORE_CREATE_MAX 10000 /* tokens in one transaction */

/* The functions of one kind of database; each does what its namesake in store.h says. */
struct sg_store_backend {
	void (*close)(struct sg_store *st);
	void (*set_patience)(struct sg_store *st, int64_t ms);
	void (*set_cache)(struct sg_store *st, int mib);
	enum sg_result (*token_create)(struct sg_store *st, const struct sg_token *model,
	    int64_t now, struct sg_token_key *keys, size_t count);
	enum sg_result (*token_get)(struct sg_store *st, uint64_t id, struct sg_token *out);
	enum sg_result (*token_lookup)(
	    struct sg_store *st, const struct sg_token_key *key, struct sg_token *out);
	enum sg_result (*token_look)(
	    struct sg_store *st, const struct sg_token_key *key, struct sg_token *out);
	void (*look_begin)(struct sg_store *st);
	void (*look_end)(struct sg_store *st);
	enum sg_result (*token_list)(struct sg_store *st, const struct sg_token_filter *f,
	    uint64_t before, int64_t now, struct sg_token *out, size_t max, size_t *count,
	    bool *more, uint64_t *next);
	enum sg_result (*token_revoke)(
	    struct sg_store *st, uint64_t id, bool keep_sessions, int64_t now, size_t *revoked);
	enum sg_result (*token_revoke_stream)(struct sg_store *st, struct sg_str app,
	    struct sg_str stream, int type, bool keep_sessions, int64_t now, size_t *revoked);
	enum sg_result (*token_purge)(
	    struct sg_store *st, int64_t older_than, int64_t now, size_t max, size_t *purged);
	enum sg_result (*audit_add)(struct sg_store *st, const struct sg_audit *rows, size_t count);
	enum sg_result (*audit_list)(struct sg_store *st, const struct sg_audit_filter *f,
	    int64_t before, int64_t after, struct sg_audit *out, size_t max, size_t *count);
	enum sg_result (*spend)(struct sg_store *st, struct sg_spend *const *spends, size_t count,
	    const struct sg_audit *audit, size_t audit_count);
	enum sg_result (*checkpoint)(struct sg_store *st);
	enum sg_result (*setting_set)(struct sg_store *st, const struct sg_setting *s, int64_t now);
	enum sg_result (*settings)(
	    struct sg_store *st, void (*each)(void *user, const struct sg_setting *s), void *user);
	enum sg_result (*poll)(struct sg_store *st, bool *changed);
	int (*watch)(struct sg_store *st);
	bool (*watched)(struct sg_store *st);
	enum sg_result (*changes)(struct sg_store *st, int64_t after, struct sg_change *out,
	    size_t max, size_t *count, int64_t *last);
	/* Inserts key->id and the hash; draws the key again while its id is taken. */
	enum sg_result (*apikey_create)(
	    struct sg_store *st, const struct sg_apikey *k, struct sg_token_key *key);
	enum sg_result (*apikey_verify)(
	    struct sg_store *st, const struct sg_token_key *key, struct sg_apikey *out);
	enum sg_result (*apikey_list)(
	    struct sg_store *st, struct sg_apikey *out, size_t max, size_t *count);
	enum sg_result (*apikey_revoke)(struct sg_store *st, uint64_t id, int64_t now);
	enum sg_result (*recording_add)(struct sg_store *st, const struct sg_recording *r);
	enum sg_result (*recording_delete)(struct sg_store *st, struct sg_str app, struct sg_str name);
	enum sg_result (*recordings)(struct sg_store *st,
	    void (*each)(void *user, const struct sg_recording *r), void *user);
	enum sg_result (*recording_get)(
	    struct sg_store *st, struct sg_str app, struct sg_str name, struct sg_recording *out);
	enum sg_result (*password_get)(struct sg_store *st, char hash[SG_PASSWORD_HASH_SIZE]);
	enum sg_result (*password_set)(
	    struct sg_store *st, const char *hash, bool first, int64_t now);
	enum sg_result (*secret)(struct sg_store *st, const char *name, uint8_t *value, size_t len);
};

/* The head of every backend's own handle. */
struct sg_store {
	const struct sg_store_backend *backend;
	char error[SG_STORE_ERROR_SIZE];
};

/* Draws `count` keys in ascending order of id for tokens made at `now`. An id may be taken, even
 * within the batch: whoever inserts it finds out, and draws it again. */
void sg_token_keys_draw(struct sg_token_key *keys, size_t count, int64_t now);
/* Another id of the same millisecond, for the rare key whose id is taken. */
void sg_token_key_redraw(struct sg_token_key *key);
/* The first id that a token made at `unix_s` can have. */
uint64_t sg_token_id_floor(int64_t unix_s);
void sg_token_hash(uint8_t out[SG_STORE_HASH_BYTES], const struct sg_token_key *key);
bool sg_token_matches(const struct sg_token *t, const struct sg_token_filter *f, int64_t now);

#endif
