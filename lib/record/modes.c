/* modes.c - what is to be recorded. */
#include "record/record_internal.h"

#define MODES_MAX 100000

static void take(void *user, const struct sg_setting *s)
{
	struct modes *m = user;

	if (strcmp(s->key, "record") != 0 || m->count >= MODES_MAX)
		return;
	if (m->count == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct sg_setting *grown = realloc(m->items, cap * sizeof(*grown));
		if (!grown)
			return;
		m->items = grown;
		m->cap = cap;
	}
	m->items[m->count++] = *s;
}

bool modes_load(struct modes *m, struct sg_store *store)
{
	struct modes fresh = { 0 };

	if (sg_store_settings(store, take, &fresh) != SG_OK) {
		free(fresh.items);
		return false;
	}
	free(m->items);
	*m = fresh;
	return true;
}

static const char *setting_of(const struct modes *m, const char *app, const char *stream)
{
	for (size_t i = 0; i < m->count; i++)
		if (!strcmp(m->items[i].app, app) && !strcmp(m->items[i].stream, stream))
			return m->items[i].value;
	return NULL;
}

bool modes_want(const struct modes *m, const struct sg_config *cfg, const char *app, const char *stream)
{
	const struct sg_app_config *a = sg_config_app(cfg, sg_str_from(app));
	const char *value = setting_of(m, app, stream);

	if (!value)
		value = setting_of(m, app, "");
	return value ? !strcmp(value, "on") : a && a->record == SG_RECORD_ON;
}
