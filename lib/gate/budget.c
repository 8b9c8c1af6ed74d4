/* budget.c - what failed attempts cost an address, and how many rows of the audit it may fill.
 *
 * An address has 400 points and gets 4 back a second. Guessing at tokens costs 4 a try, so 100 in a
 * row; presenting a token that exists but does not open this costs 1 (a client that retries a used
 * token every few seconds, as Ant Media's SDK does, never runs out). Coming without a token costs
 * nothing: it is answered from memory. With nothing left an address is refused unseen.
 *
 * What costs nothing can be done without end, and must not push the others' rows out of the audit: an
 * address has 100 of them written, and 5 more a second. How many were not is told by the next that is,
 * or by the last of them as soon as there is room for it. */
#include "gate/gate_internal.h"

#define BUDGET_POINTS 400.0
#define BUDGET_PER_S 4.0

#define BUDGET_TELL_MS 10000

#define ROWS_AT_ONCE 100.0
#define ROWS_PER_S 5.0

static double points_now(const struct budget_entry *e, int64_t now_ms)
{
	double points = e->points + BUDGET_PER_S * (double)(now_ms - e->at_ms) / 1000.0;
	return points > BUDGET_POINTS ? BUDGET_POINTS : points;
}

static double rows_now(const struct budget_entry *e, int64_t now_ms)
{
	double rows = e->rows + ROWS_PER_S * (double)(now_ms - e->rows_at_ms) / 1000.0;
	return rows > ROWS_AT_ONCE ? ROWS_AT_ONCE : rows;
}

static struct budget_entry *find(struct sg_gate *g, const struct sg_addr *peer)
{
	struct sg_addr net = sg_addr_network(peer);
	struct budget_entry *e;

	HASH_FIND(hh, g->budgets, &net, sizeof(net), e);
	return e;
}

bool sg_gate_budget_allows(struct sg_gate *g, const struct sg_addr *peer)
{
	struct budget_entry *e = find(g, peer);

	return !e || points_now(e, sg_mono_ms()) >= 1.0;
}

static void forget(struct sg_gate *g, struct budget_entry *e)
{
	g->stats.audit_left_out += e->left_out;
	HASH_DEL(g->budgets, e);
	free(e->last);
	free(e);
}

/* NULL: no memory. */
static struct budget_entry *find_or_add(struct sg_gate *g, const struct sg_addr *peer, int64_t now_ms)
{
	struct budget_entry *e = find(g, peer);

	if (e)
		return e;
	/* The oldest makes room: uthash keeps insertion order. */
	if (HASH_COUNT(g->budgets) >= SG_GATE_BUDGET_MAX)
		forget(g, g->budgets);
	if (!(e = calloc(1, sizeof(*e))))
		return NULL;
	e->net = sg_addr_network(peer);
	e->points = BUDGET_POINTS;
	e->rows = ROWS_AT_ONCE;
	e->at_ms = e->rows_at_ms = now_ms;
	HASH_ADD(hh, g->budgets, net, sizeof(e->net), e);
	return e;
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

bool sg_gate_budget_charge(struct sg_gate *g, const struct sg_addr *peer, enum sg_reason why)
{
	double cost = price(why);
	int64_t now_ms = sg_mono_ms();

	/* A family of 0 is the administrator's own socket. */
	if (cost == 0 || peer->family == 0)
		return cost != 0;
	struct budget_entry *e = find_or_add(g, peer, now_ms);
	if (!e)
		return true;
	e->points = points_now(e, now_ms) - cost;
	if (e->points < 0)
		e->points = 0;
	e->at_ms = now_ms;
	return true;
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

static void write_row(struct sg_gate *g, struct budget_entry *e, struct sg_audit *row, int64_t now_ms)
{
	size_t len = strlen(row->detail);

	if (e->left_out)
		snprintf(row->detail + len, sizeof(row->detail) - len, "%s%u more not written",
		    len ? ", " : "", e->left_out);
	g->stats.audit_left_out += e->left_out;
	e->left_out = 0;
	free(e->last);
	e->last = NULL;
	e->rows = rows_now(e, now_ms) - 1;
	e->rows_at_ms = now_ms;
	sg_gate_audit_push(g, row);
}

bool sg_gate_budget_write(struct sg_gate *g, const struct sg_addr *peer, struct sg_audit *row)
{
	int64_t now_ms = sg_mono_ms();
	struct budget_entry *e = peer->family ? find_or_add(g, peer, now_ms) : NULL;

	if (!e) {
		sg_gate_audit_push(g, row);
		return true;
	}
	if (rows_now(e, now_ms) >= 1.0) {
		write_row(g, e, row, now_ms);
		return true;
	}
	e->left_out++;
	if (e->last || (e->last = malloc(sizeof(*e->last))))
		*e->last = *row;
	return false;
}

/* Nobody has come from there since, to tell how many were left out. */
static void write_last(struct sg_gate *g, struct budget_entry *e, int64_t now_ms)
{
	struct sg_audit row;

	if (!e->last || rows_now(e, now_ms) < 1.0)
		return;
	row = *e->last;
	e->left_out--;
	write_row(g, e, &row, now_ms);
}

void sg_gate_budget_tick(struct sg_gate *g, int64_t now_ms)
{
	struct budget_entry *e, *tmp;

	HASH_ITER(hh, g->budgets, e, tmp)
	{
		write_last(g, e, now_ms);
		if (points_now(e, now_ms) >= BUDGET_POINTS && rows_now(e, now_ms) >= ROWS_AT_ONCE)
			forget(g, e);
	}
}

void sg_gate_budget_free(struct sg_gate *g)
{
	struct budget_entry *e, *tmp;

	HASH_ITER(hh, g->budgets, e, tmp)
	forget(g, e);
}
