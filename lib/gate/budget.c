/* budget.c - what failed attempts cost an address.
 *
 * An address has 400 points and gets 4 back a second. Guessing at tokens costs 4 a try, so 100 in a
 * row; presenting a token that exists but does not open this costs 1 (a client that retries a used
 * token every few seconds, as Ant Media's SDK does, never runs out). Coming without a token costs
 * nothing: it is answered from memory. With nothing left an address is refused unseen. */
#include "gate/gate_internal.h"

#define BUDGET_POINTS 400.0
#define BUDGET_PER_S 4.0

#define BUDGET_TELL_MS 10000

static struct sg_addr network_of(const struct sg_addr *peer)
{
	struct sg_addr net = *peer;

	/* One IPv6 customer holds a /64 at the least. */
	if (net.family == 6)
		memset(net.bytes + 8, 0, 8);
	return net;
}

static double points_now(const struct budget_entry *e, int64_t now_ms)
{
	double points = e->points + BUDGET_PER_S * (double)(now_ms - e->at_ms) / 1000.0;
	return points > BUDGET_POINTS ? BUDGET_POINTS : points;
}

static struct budget_entry *find(struct sg_gate *g, const struct sg_addr *peer)
{
	struct sg_addr net = network_of(peer);
	struct budget_entry *e;

	HASH_FIND(hh, g->budgets, &net, sizeof(net), e);
	return e;
}

bool sg_gate_budget_allows(struct sg_gate *g, const struct sg_addr *peer)
{
	struct budget_entry *e = find(g, peer);

	return !e || points_now(e, sg_mono_ms()) >= 1.0;
}

static double price(enum sg_reason why)
{
	switch (why) {
	case SG_UNKNOWN_TOKEN:
		return 4;
	case SG_WRONG_STREAM:
	case SG_WRONG_TYPE:
	case SG_REVOKED:
	case SG_EXPIRED:
	case SG_USED:
		return 1;
	default:
		return 0;
	}
}

void sg_gate_budget_charge(struct sg_gate *g, const struct sg_addr *peer, enum sg_reason why)
{
	double cost = price(why);
	int64_t now_ms = sg_mono_ms();

	/* A family of 0 is the administrator's own socket. */
	if (cost == 0 || peer->family == 0)
		return;
	struct budget_entry *e = find(g, peer);
	if (!e) {
		if (HASH_COUNT(g->budgets) >= SG_GATE_BUDGET_MAX) {
			sg_gate_budget_tick(g, now_ms);
			if (HASH_COUNT(g->budgets) >= SG_GATE_BUDGET_MAX) {
				/* The oldest entry makes room: uthash keeps insertion order. */
				struct budget_entry *oldest = g->budgets;
				HASH_DEL(g->budgets, oldest);
				free(oldest);
			}
		}
		if (!(e = calloc(1, sizeof(*e))))
			return;
		e->net = network_of(peer);
		e->points = BUDGET_POINTS;
		e->at_ms = now_ms;
		HASH_ADD(hh, g->budgets, net, sizeof(e->net), e);
	}
	e->points = points_now(e, now_ms) - cost;
	if (e->points < 0)
		e->points = 0;
	e->at_ms = now_ms;
}

bool sg_gate_may_ask(struct sg_gate *g, const struct sg_addr *peer)
{
	pthread_mutex_lock(&g->lock);
	bool allowed = sg_gate_budget_allows(g, peer);
	pthread_mutex_unlock(&g->lock);
	return allowed;
}

void sg_gate_has_asked(struct sg_gate *g, const struct sg_addr *peer, enum sg_reason verdict)
{
	pthread_mutex_lock(&g->lock);
	sg_gate_budget_charge(g, peer, verdict);
	pthread_mutex_unlock(&g->lock);
}

/* Whether a refusal for want of points is worth an audit row: one in ten seconds, so that a flood
 * does not fill the audit. */
bool sg_gate_budget_tell(struct sg_gate *g, const struct sg_addr *peer)
{
	struct budget_entry *e = find(g, peer);
	int64_t now_ms = sg_mono_ms();

	if (!e || (e->told_ms && now_ms - e->told_ms < BUDGET_TELL_MS))
		return false;
	e->told_ms = now_ms;
	return true;
}

void sg_gate_budget_tick(struct sg_gate *g, int64_t now_ms)
{
	struct budget_entry *e, *tmp;

	HASH_ITER(hh, g->budgets, e, tmp)
	{
		if (points_now(e, now_ms) < BUDGET_POINTS)
			continue;
		HASH_DEL(g->budgets, e);
		free(e);
	}
}

void sg_gate_budget_free(struct sg_gate *g)
{
	struct budget_entry *e, *tmp;

	HASH_ITER(hh, g->budgets, e, tmp)
	{
		HASH_DEL(g->budgets, e);
		free(e);
	}
}
