/* gate.c - opening and closing. */
#include "gate/gate_internal.h"
#include <unistd.h>

#define COMMIT_CACHE_MIB 256

void sg_gate_unref(struct sg_gate *g)
{
	if (atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	sg_queue_destroy(&g->lookups);
	sg_queue_destroy(&g->commits);
	pthread_mutex_destroy(&g->lock);
	pthread_mutex_destroy(&g->now_lock);
	pthread_mutex_destroy(&g->query_lock);
	pthread_mutex_destroy(&g->watch_lock);
	pthread_cond_destroy(&g->query_wake);
	pthread_cond_destroy(&g->checkpoint_wake);
	if (g->watch_event >= 0)
		close(g->watch_event);
	free(g);
}

static enum sg_result open_stores(struct sg_gate *g, const char *url, char *error, size_t size)
{
	/* The first makes and migrates; the others find it made. */
	for (unsigned i = 0; i < SG_GATE_STORES; i++) {
		enum sg_result res = sg_store_open(&g->stores[i], url, i == 0, error, size);
		if (res != SG_OK)
			return res;
	}
	sg_store_set_patience(g->stores[5], 0);
	/* Any of a million tokens may be the next. Whoever only reads would keep so much in vain: each
	 * write makes it read again. */
	sg_store_set_cache(g->stores[1], COMMIT_CACHE_MIB);
	return SG_OK;
}

static enum sg_result load(struct sg_gate *g, char *error, size_t size)
{
	struct sg_store *store = g->stores[3];
	bool changed;
	size_t count;
	enum sg_result res = sg_store_poll(store, &changed);

	/* The newest change first, then the settings: what comes in between is applied twice rather
	 * than never. */
	if (res == SG_OK)
		res = sg_store_changes(store, -1, NULL, 0, &count, &g->last_change);
	if (res == SG_OK)
		res = sg_gate_load_settings(g, store);
	if (res != SG_OK)
		snprintf(error, size, "%s", sg_store_error(store));
	return res;
}

enum sg_result sg_gate_open(struct sg_gate **out, const struct sg_config *cfg,
    const struct sg_gate_media *media, char *error, size_t error_size)
{
	struct sg_gate *g = calloc(1, sizeof(*g));
	enum sg_result res;

	*out = NULL;
	if (!g) {
		snprintf(error, error_size, "%s", sg_result_text(SG_ERR_NO_MEMORY));
		return SG_ERR_NO_MEMORY;
	}
	g->refs = 1;
	g->cfg = cfg;
	g->media = *media;
	pthread_mutex_init(&g->lock, NULL);
	pthread_mutex_init(&g->now_lock, NULL);
	pthread_mutex_init(&g->query_lock, NULL);
	pthread_mutex_init(&g->watch_lock, NULL);
	pthread_cond_init(&g->query_wake, NULL);
	sg_cond_init(&g->checkpoint_wake);
	g->watch_event = -1;
	sg_queue_init(&g->lookups);
	sg_queue_init(&g->commits);
	g->audit_tail = &g->audit_head;
	if ((res = open_stores(g, cfg->store_url, error, error_size)) != SG_OK)
		goto fail;
	if ((res = load(g, error, error_size)) != SG_OK)
		goto fail;
	if ((res = sg_gate_start_threads(g)) != SG_OK) {
		snprintf(error, error_size, "the gate's threads: %s", sg_result_text(res));
		goto fail;
	}
	*out = g;
	return SG_OK;
fail:
	sg_gate_close(g);
	return res;
}

static void free_tables(struct sg_gate *g)
{
	struct resume_slot *slot, *tmp;

	HASH_ITER(hh, g->resumes, slot, tmp)
	{
		HASH_DEL(g->resumes, slot);
		free(slot);
	}
	sg_gate_budget_free(g);
	sg_gate_settings_free(g->settings);
	g->settings = NULL;
}

void sg_gate_close(struct sg_gate *g)
{
	if (!g)
		return;
	sg_gate_detached_end_all(g);
	sg_gate_stop_threads(g);
	for (unsigned i = 0; i < SG_GATE_STORES; i++)
		sg_store_close(g->stores[i]);
	free_tables(g);
	sg_gate_unref(g);
}

void sg_gate_reconfigure(struct sg_gate *g, const struct sg_config *cfg)
{
	pthread_mutex_lock(&g->lock);
	g->cfg = cfg;
	pthread_mutex_unlock(&g->lock);
}
