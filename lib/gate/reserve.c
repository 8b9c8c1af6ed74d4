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
	bool ok = e && e->reserved == RESERVED_NOT && (!e->publisher || e->publisher->elsewhere);
	if (ok)
		e->reserved = RESERVED_SILENT;
	else if (e)
		sg_gate_stream_drop_locked(g, e);
	pthread_mutex_unlock(&g->lock);
	return ok;
}

/* What its media is like has changed, and those who wait for it are told. */
static void change(struct sg_gate *g, const char *app, const char *stream, bool live)
{
	struct sg_session *s, *tmp, *told = NULL;

	pthread_mutex_lock(&g->lock);
	struct stream_entry *e = sg_gate_stream_locked(g, app, stream, false);
	if (e && e->reserved) {
		/* While it is reserved the entry stays, whoever leaves it. */
		DL_FOREACH_SAFE2(e->sessions, s, tmp, stream_next)
		if (s->parked_ms &&
		    sg_gate_unpark_locked(s, live ? SG_ADMITTED : SG_STREAM_NOT_LIVE))
			LL_PREPEND2(told, s, verdict_next);
		e->reserved = live ? RESERVED_LIVE : RESERVED_NOT;
		sg_gate_stream_drop_locked(g, e);
	}
	pthread_mutex_unlock(&g->lock);
	LL_FOREACH_SAFE2(told, s, tmp, verdict_next)
	sg_session_post_verdict(s);
}

void sg_gate_reserved_is_live(struct sg_gate *g, const char *app, const char *stream)
{
	change(g, app, stream, true);
}

void sg_gate_unreserve(struct sg_gate *g, const char *app, const char *stream)
{
	change(g, app, stream, false);
}
