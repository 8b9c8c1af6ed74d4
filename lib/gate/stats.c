/* stats.c - counting, for /metrics. */
#include "gate/gate_internal.h"

static const uint64_t batch_bounds[] = {1, 4, 16, 64, 256, 1024, 4096};
static const double wait_bounds_s[] = {.0005, .001, .0025, .005, .01, .025, .05, .1, 1};

static unsigned row_of(struct sg_gate *g, const char *protocol)
{
	unsigned i;

	for (i = 0; i < g->stats.protocol_count; i++)
		if (!strcmp(g->stats.protocols[i].protocol, protocol))
			return i;
	if (i == SG_GATE_PROTOCOLS_MAX)
		return i -
		       1; /* protocols are our own names: more than 16 is a mistake, not an attack */
	g->stats.protocols[i].protocol = protocol;
	g->stats.protocol_count++;
	return i;
}

void sg_gate_count_verdict(
    struct sg_gate *g, const char *protocol, enum sg_token_type type, enum sg_reason verdict)
{
	g->stats.protocols[row_of(g, protocol)].verdicts[type][verdict]++;
}

void sg_gate_count_batch(
    struct sg_gate *g, struct sg_session *const *batch, size_t count, bool failed)
{
	int64_t now_us = sg_mono_us();

	g->stats.commit_batches++;
	g->stats.commits += count;
	if (failed)
		g->stats.commit_failures += count;
	g->stats.batch_sum += (double)count;
	for (size_t b = 0; b < 8; b++)
		if (b == 7 || count <= batch_bounds[b])
			g->stats.batch_le[b]++;
	for (size_t i = 0; i < count; i++) {
		double wait_s = (double)(now_us - batch[i]->commit_us) / 1e6;
		g->stats.wait_sum_s += wait_s;
		for (size_t b = 0; b < 10; b++)
			if (b == 9 || wait_s <= wait_bounds_s[b])
				g->stats.wait_le[b]++;
	}
}

void sg_gate_get_stats(struct sg_gate *g, struct sg_gate_stats *out)
{
	struct sg_session *s, *tmp;

	pthread_mutex_lock(&g->lock);
	*out = g->stats;
	out->detached = HASH_CNT(hh_sid, g->by_sid);
	out->budget_addresses = HASH_COUNT(g->budgets);
	for (size_t i = 0; i < out->protocol_count; i++)
		memset(out->protocols[i].sessions, 0, sizeof(out->protocols[i].sessions));
	HASH_ITER(hh, g->sessions, s, tmp)
	if (s->state == ST_ACTIVE)
		out->protocols[row_of(g, s->protocol)].sessions[s->type]++;
	pthread_mutex_unlock(&g->lock);
	out->sessions_max = SG_GATE_SESSIONS_MAX;
	out->tokenless_max = SG_GATE_TOKENLESS_MAX;
	out->queue_max = SG_GATE_QUEUE_MAX;
	out->budget_addresses_max = SG_GATE_BUDGET_MAX;
	out->audit_dropped = atomic_load(&g->audit_dropped);
	pthread_mutex_lock(&g->lookups.lock);
	out->lookup_queue = g->lookups.count;
	pthread_mutex_unlock(&g->lookups.lock);
	pthread_mutex_lock(&g->commits.lock);
	out->commit_queue = g->commits.count;
	out->audit_queue = g->audit_count;
	pthread_mutex_unlock(&g->commits.lock);
	pthread_mutex_lock(&g->query_lock);
	out->query_queue = g->query_count;
	pthread_mutex_unlock(&g->query_lock);
	out->audit_queue_max = SG_GATE_AUDIT_QUEUE_MAX;
	out->query_queue_max = SG_GATE_QUERY_QUEUE_MAX;
}
