/* switches.c - must this have a token? The file's initial values, the store's over them, a stream's
 * over its application's (R8). */
#include "gate/gate_internal.h"

const struct sg_app_config *sg_gate_app_locked(struct sg_gate *g, const char *app)
{
	return sg_config_app(g->cfg, sg_str_from(app));
}

static const char *key_of(enum sg_token_type type)
{
	return type == SG_PUBLISH ? "publish_token" : "play_token";
}

static const struct setting_entry *find(
    struct sg_gate *g, const char *app, const char *stream, enum sg_token_type type)
{
	char key[sizeof(((struct setting_entry *)0)->key)];
	struct setting_entry *e;

	if (!g->settings)
		return NULL;
	/* Neither name can hold a slash, so no two settings share a key. */
	snprintf(key, sizeof(key), "%s/%s/%s", app, stream, key_of(type));
	HASH_FIND_STR(g->settings, key, e);
	return e;
}

bool sg_gate_needs_token_locked(
    struct sg_gate *g, const char *app, const char *stream, enum sg_token_type type)
{
	const struct sg_app_config *cfg = sg_gate_app_locked(g, app);
	const struct setting_entry *e;

	if (!cfg)
		return true; /* nothing is open in an application that is not there */
	if ((*stream && (e = find(g, app, stream, type))) || (e = find(g, app, "", type)))
		return e->on;
	return type == SG_PUBLISH ? cfg->publish_token : cfg->play_token;
}

bool sg_gate_needs_token(
    struct sg_gate *g, struct sg_str app, struct sg_str stream, enum sg_token_type type)
{
	char a[SG_APP_MAX + 1], s[SG_STREAM_MAX + 1] = "";

	if (!sg_app_is_valid(app) || !sg_str_copy(a, sizeof(a), app))
		return true;
	if (stream.len && (!sg_stream_is_valid(stream) || !sg_str_copy(s, sizeof(s), stream)))
		return true;
	pthread_mutex_lock(&g->lock);
	bool needs = sg_gate_needs_token_locked(g, a, s, type);
	pthread_mutex_unlock(&g->lock);
	return needs;
}

bool sg_gate_has_app(struct sg_gate *g, struct sg_str app)
{
	pthread_mutex_lock(&g->lock);
	bool has = sg_config_app(g->cfg, app) != NULL;
	pthread_mutex_unlock(&g->lock);
	return has;
}

void sg_gate_switches(
    struct sg_gate *g, struct sg_str app, struct sg_str stream, struct sg_switch_info *out)
{
	char a[SG_APP_MAX + 1], s[SG_STREAM_MAX + 1] = "";

	*out = (struct sg_switch_info){.publish_token = true, .play_token = true};
	if (!sg_app_is_valid(app) || !sg_str_copy(a, sizeof(a), app) ||
	    (stream.len && !sg_str_copy(s, sizeof(s), stream)))
		return;
	pthread_mutex_lock(&g->lock);
	out->publish_token = sg_gate_needs_token_locked(g, a, s, SG_PUBLISH);
	out->play_token = sg_gate_needs_token_locked(g, a, s, SG_PLAY);
	out->publish_overridden = find(g, a, s, SG_PUBLISH) != NULL;
	out->play_overridden = find(g, a, s, SG_PLAY) != NULL;
	pthread_mutex_unlock(&g->lock);
}

void sg_gate_settings_free(struct setting_entry *head)
{
	struct setting_entry *e, *tmp;

	HASH_ITER(hh, head, e, tmp)
	{
		HASH_DEL(head, e);
		free(e);
	}
}

struct load {
	struct setting_entry *head;
	bool failed;
};

static void load_one(void *user, const struct sg_setting *s)
{
	struct load *l = user;
	struct setting_entry *e = calloc(1, sizeof(*e));

	if (!e) {
		l->failed = true;
		return;
	}
	snprintf(e->key, sizeof(e->key), "%s/%s/%s", s->app, s->stream, s->key);
	e->on = !strcmp(s->value, "on");
	HASH_ADD_STR(l->head, key, e);
}

enum sg_result sg_gate_load_settings(struct sg_gate *g, struct sg_store *store)
{
	struct load l = {0};
	enum sg_result res = sg_store_settings(store, load_one, &l);

	if (res == SG_OK && l.failed)
		res = SG_ERR_NO_MEMORY;
	if (res == SG_OK) {
		/* The old table is freed below, the new one is in force from here. */
		pthread_mutex_lock(&g->lock);
		struct setting_entry *old = g->settings;
		g->settings = l.head;
		l.head = old;
		pthread_mutex_unlock(&g->lock);
	}
	sg_gate_settings_free(l.head);
	return res;
}
