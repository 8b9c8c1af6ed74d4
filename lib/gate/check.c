/* check.c - the names of verdicts, and the token's part of the order of checks. */
#include "gate/gate_internal.h"

const char *sg_reason_name(enum sg_reason r)
{
	static const char *const names[] = {
#define TEXT(name, text) text,
	    SG_REASONS(TEXT)
#undef TEXT
	};
	return (unsigned)r < SG_REASON_COUNT ? names[r] : "?";
}

const char *sg_goodbye_name(enum sg_goodbye g)
{
	static const char *const names[] = {
#define TEXT(name, text) text,
	    SG_GOODBYES(TEXT)
#undef TEXT
	};
	return (unsigned)g < SG_BYE_COUNT ? names[g] : "?";
}

enum sg_reason sg_gate_judge_token(const struct sg_token *t, struct sg_str app,
    struct sg_str stream, enum sg_token_type type, int64_t now)
{
	/* The order is INTERFACE.md 3.3's; the first that fails names the reason. */
	if (!sg_str_is(app, t->app) || !sg_str_is(stream, t->stream))
		return SG_WRONG_STREAM;
	if (t->type != type)
		return SG_WRONG_TYPE;
	if (t->revoked_at)
		return SG_REVOKED;
	if (t->expires_at <= now)
		return SG_EXPIRED;
	if (t->uses >= t->max_uses)
		return SG_USED;
	return SG_ADMITTED;
}

enum sg_reason sg_gate_check_token(struct sg_store *store, struct sg_str token, struct sg_str app,
    struct sg_str stream, enum sg_token_type type, int64_t now, struct sg_token *out)
{
	struct sg_token row;
	struct sg_token_key key;

	if (out)
		*out = (struct sg_token){0};
	if (!token.len)
		return SG_MISSING_TOKEN;
	if (!sg_token_parse(token, &key))
		return SG_UNKNOWN_TOKEN;
	enum sg_result res = sg_store_token_lookup(store, &key, &row);
	sg_wipe(&key, sizeof(key));
	if (res == SG_ERR_NOT_FOUND)
		return SG_UNKNOWN_TOKEN;
	if (res != SG_OK)
		return SG_OVERLOAD;
	if (out)
		*out = row;
	return sg_gate_judge_token(&row, app, stream, type, now);
}
