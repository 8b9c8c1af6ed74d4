/* reserve.c - who is at a stream: sessions, or a relay that publishes it. */
#include "gate/gate_internal.h"

struct stream_entry *sg_gate_stream_locked(
    struct sg_gate *g, const char *app, const char *stream, bool create)
{
	char key[sizeof(((struct stream_entry *)0)->key)];
	struct stream_entry *e;

	snprintf(key, sizeof(key), "%s/%s", app, stream);
	HASH_FIND_STR(g->streams, key, e);
	if (e || !create || !(e = calloc(1, sizeof(*e))))
		return e;
	memcpy(e->key, key, sizeof(key));
	HASH_ADD_STR(g->streams, key, e);
	return e;
}

void sg_gate_stream_drop_locked(struct sg_gate *g, struct stream_entry *e)
{
	if (e->sessions || e->reserved)
		return;
	HASH_DEL(g->streams, e);
	free(e);
}

bool sg_gate_reserve(struct sg_gate *g, const char *app, const char *stream)
{
	pthread_mutex_lock(&g->lock);
	struct stream_entry *e = sg_gate_stream_locked(g, app, stream, true);
	bool ok = e && !e->reserved && (!e->publisher || e->publisher->elsewhere);
	if (ok)
		e->reserved = true;
	else if (e)
		sg_gate_stream_drop_locked(g, e);
	pthread_mutex_unlock(&g->lock);
	return ok;
}

void sg_gate_unreserve(struct sg_gate *g, const char *app, const char *stream)
{
	pthread_mutex_lock(&g->lock);
	struct stream_entry *e = sg_gate_stream_locked(g, app, stream, false);
	if (e) {
		e->reserved = false;
		sg_gate_stream_drop_locked(g, e);
	}
	pthread_mutex_unlock(&g->lock);
}
