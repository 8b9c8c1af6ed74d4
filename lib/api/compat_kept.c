/* compat_kept.c - broadcasts that were created by a call, as settings of their streams: key
 * "broadcast", value "UNIX-MILLISECONDS[ NAME]". */
#include "api/compat_internal.h"

#define KEY "broadcast"

struct walk {
	struct sg_str app;
	void (*each)(void *user, const struct compat_kept *k);
	void *user;
	size_t total;
};

static void take(void *user, const struct sg_setting *s)
{
	struct walk *w = user;
	struct compat_kept k = {0};
	struct sg_str at, name;
	uint64_t ms = 0;

	if (strcmp(s->key, KEY) || !*s->stream)
		return;
	w->total++;
	if (!w->each || !sg_str_is(w->app, s->app))
		return;
	k.has_name = sg_str_cut(sg_str_from(s->value), ' ', &at, &name);
	if (sg_str_to_u64(at, INT64_MAX, &ms))
		k.created_ms = (int64_t)ms;
	memcpy(k.stream, s->stream, sizeof(k.stream));
	if (k.has_name)
		sg_str_copy(k.name, sizeof(k.name), name);
	w->each(w->user, &k);
}

enum sg_result compat_kept_each(struct sg_store *store, struct sg_str app,
    void (*each)(void *user, const struct compat_kept *k), void *user, size_t *total)
{
	struct walk w = {app, each, user, 0};
	enum sg_result res = sg_store_settings(store, take, &w);

	if (total)
		*total = w.total;
	return res;
}

static enum sg_result write_setting(
    struct api_call *c, struct sg_str app, struct sg_str stream, struct sg_setting *s)
{
	sg_str_copy(s->app, sizeof(s->app), app);
	sg_str_copy(s->stream, sizeof(s->stream), stream);
	snprintf(s->key, sizeof(s->key), KEY);
	return sg_store_setting_set(c->store, s, c->now);
}

enum sg_result compat_kept_set(struct api_call *c, struct sg_str app, const struct compat_kept *k)
{
	struct sg_setting s = {0};

	snprintf(s.value, sizeof(s.value), "%lld%s%s", (long long)k->created_ms,
	    k->has_name ? " " : "", k->has_name ? k->name : "");
	return write_setting(c, app, sg_str_from(k->stream), &s);
}

enum sg_result compat_kept_forget(struct api_call *c, struct sg_str app, struct sg_str stream)
{
	struct sg_setting s = {0};

	return write_setting(c, app, stream, &s);
}
