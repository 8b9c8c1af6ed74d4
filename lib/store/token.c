/* token.c - tokens as values: their text, their keys, their state; nothing here is stored. */
#include "store/store_internal.h"
#include "base/clock.h"
#include <stdlib.h>

/* A selector is 42 bits of Unix milliseconds (until the year 2109) above 21 random bits. The
 * top bit is never set: SQLite's row numbers are signed, and base64url then starts with a
 * letter, which no command line takes for an option. */
#define RANDOM_BITS 21
#define RANDOM_MASK ((UINT64_C(1) << RANDOM_BITS) - 1)
#define MILLISECONDS_MASK ((UINT64_C(1) << 42) - 1)

static const char *const type_names[] = {[SG_PUBLISH] = "publish", [SG_PLAY] = "play"};
static const char *const state_names[] = {
    [SG_TOKEN_ACTIVE] = "active",
    [SG_TOKEN_USED] = "used",
    [SG_TOKEN_EXPIRED] = "expired",
    [SG_TOKEN_REVOKED] = "revoked",
};
static const char *const scope_names[] = {
    [SG_SCOPE_READ] = "read",
    [SG_SCOPE_TOKENS] = "tokens",
    [SG_SCOPE_ADMIN] = "admin",
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
	return value < count && names[value] ? names[value] : "unknown";
}

/* The index of `s` in names, or 0, which names nothing in the tables that are parsed. */
static unsigned value_of(const char *const *names, size_t count, struct sg_str s)
{
	for (unsigned i = 1; i < count; i++)
		if (sg_str_is(s, names[i]))
			return i;
	return 0;
}

const char *sg_token_type_name(enum sg_token_type type)
{
	return name_of(type_names, COUNT_OF(type_names), type);
}

bool sg_token_type_parse(struct sg_str s, enum sg_token_type *out)
{
	unsigned v = value_of(type_names, COUNT_OF(type_names), s);

	if (v)
		*out = v;
	return v != 0;
}

const char *sg_token_state_name(enum sg_token_state s)
{
	return name_of(state_names, COUNT_OF(state_names), s);
}

const char *sg_scope_name(enum sg_scope s)
{
	return name_of(scope_names, COUNT_OF(scope_names), s);
}

bool sg_scope_parse(struct sg_str s, enum sg_scope *out)
{
	unsigned v = value_of(scope_names, COUNT_OF(scope_names), s);

	if (v)
		*out = v;
	return v != 0;
}

enum sg_token_state sg_token_state(const struct sg_token *t, int64_t now)
{
	if (t->revoked_at)
		return SG_TOKEN_REVOKED;
	if (t->uses >= t->max_uses)
		return SG_TOKEN_USED;
	return now >= t->expires_at ? SG_TOKEN_EXPIRED : SG_TOKEN_ACTIVE;
}

/* ---- text ---- */

#define KEY_BYTES (8 + SG_TOKEN_SECRET_BYTES)

bool sg_token_parse(struct sg_str text, struct sg_token_key *out)
{
	uint8_t raw[KEY_BYTES];
	bool ok = sg_base64url_decode(raw, sizeof(raw), text) && !(raw[0] & 0x80);

	if (ok) {
		out->id = 0;
		for (int i = 0; i < 8; i++)
			out->id = out->id << 8 | raw[i];
		memcpy(out->secret, raw + 8, sizeof(out->secret));
	}
	sg_wipe(raw, sizeof(raw));
	return ok;
}

void sg_token_format(char out[SG_TOKEN_TEXT_SIZE], const struct sg_token_key *key)
{
	uint8_t raw[KEY_BYTES];

	sg_put_be32(raw, (uint32_t)(key->id >> 32));
	sg_put_be32(raw + 4, (uint32_t)key->id);
	memcpy(raw + 8, key->secret, sizeof(key->secret));
	sg_base64url_encode(out, raw, sizeof(raw));
	sg_wipe(raw, sizeof(raw));
}

/* ---- keys ---- */

void sg_token_hash(uint8_t out[SG_STORE_HASH_BYTES], const struct sg_token_key *key)
{
	uint8_t full[SG_SHA256_BYTES];

	sg_sha256(full, key->secret, sizeof(key->secret));
	memcpy(out, full, SG_STORE_HASH_BYTES);
}

uint64_t sg_token_id_floor(int64_t unix_s)
{
	if (unix_s <= 0)
		return 0;
	if ((uint64_t)unix_s > MILLISECONDS_MASK / 1000)
		return MILLISECONDS_MASK << RANDOM_BITS;
	return (uint64_t)unix_s * 1000 << RANDOM_BITS;
}

/* The wall clock orders tokens made within a second. A caller whose `now` is of another time
 * (a test, a replay) still gets ids of that time. */
static uint64_t selector_prefix(int64_t now)
{
	int64_t wall_ms = sg_wall_ms(), off_ms = wall_ms - now * 1000;
	int64_t ms = off_ms >= 0 && off_ms < 2000 ? wall_ms : now * 1000 + wall_ms % 1000;

	return ((uint64_t)ms & MILLISECONDS_MASK) << RANDOM_BITS;
}

static int key_order(const void *a, const void *b)
{
	uint64_t x = ((const struct sg_token_key *)a)->id, y = ((const struct sg_token_key *)b)->id;

	return x < y ? -1 : x > y;
}

void sg_token_keys_draw(struct sg_token_key *keys, size_t count, int64_t now)
{
	uint64_t prefix = selector_prefix(now);

	sg_random(keys, count * sizeof(*keys));
	for (size_t i = 0; i < count; i++)
		keys[i].id = prefix | (keys[i].id & RANDOM_MASK);
	/* In order, so that a batch is appended to the table and not scattered over it. */
	qsort(keys, count, sizeof(*keys), key_order);
}

void sg_token_key_redraw(struct sg_token_key *key)
{
	uint64_t fresh;

	sg_random(&fresh, sizeof(fresh));
	key->id = (key->id & ~RANDOM_MASK) | (fresh & RANDOM_MASK);
}

/* ---- lists ---- */

static bool contains_nocase(const char *text, struct sg_str part)
{
	size_t len = strlen(text);

	for (size_t i = 0; i + part.len <= len; i++)
		if (sg_str_equal_nocase((struct sg_str){text + i, part.len}, part))
			return true;
	return false;
}

bool sg_token_matches(const struct sg_token *t, const struct sg_token_filter *f, int64_t now)
{
	return (!f->app.p || sg_str_is(f->app, t->app)) &&
	       (!f->stream.p || sg_str_is(f->stream, t->stream)) &&
	       (f->type == 0 || f->type == (int)t->type) &&
	       (f->state < 0 || f->state == (int)sg_token_state(t, now)) &&
	       (!f->search.p || contains_nocase(t->stream, f->search) ||
		   contains_nocase(t->label, f->search));
}
