/* limits.c - what calls and failed logins cost: buckets by caller, delays by address. */
#include "api/api_internal.h"

/* ---- calls ---- */

/* The caller's row: its own, a new one, or that of who was quiet longest. */
static size_t rate_row(struct api_rates *r, const char *who, int64_t now_ms)
{
	size_t oldest = 0, i = 0;

	for (; i < r->count; i++) {
		if (!strcmp(r->rows[i].who, who))
			return i;
		if (r->rows[i].at_ms < r->rows[oldest].at_ms)
			oldest = i;
	}
	if (r->count < API_RATES_MAX)
		oldest = r->count++;
	snprintf(r->rows[oldest].who, sizeof(r->rows[oldest].who), "%s", who);
	r->rows[oldest].left = r->burst;
	r->rows[oldest].at_ms = now_ms;
	return oldest;
}

unsigned api_rate_take(struct api_rates *r, const char *who, int64_t now_ms)
{
	pthread_mutex_lock(&r->lock);
	size_t i = rate_row(r, who, now_ms);
	double left = r->rows[i].left + (double)(now_ms - r->rows[i].at_ms) * r->per_s / 1000;
	bool ok = left >= 1;
	if (left > r->burst)
		left = r->burst;
	r->rows[i].left = ok ? left - 1 : left;
	r->rows[i].at_ms = now_ms;
	pthread_mutex_unlock(&r->lock);
	return ok ? 0 : 1; /* at least one call a second is everybody's */
}

size_t api_rates_count(struct api_rates *r)
{
	pthread_mutex_lock(&r->lock);
	size_t count = r->count;
	pthread_mutex_unlock(&r->lock);
	return count;
}

/* ---- failed logins ---- */

static size_t cost_row(struct api_costs *t, const struct sg_addr *net, int64_t now_ms)
{
	size_t oldest = 0, i = 0;

	for (; i < t->count; i++) {
		if (sg_addr_equal(&t->rows[i].net, net)) {
			if (now_ms - t->rows[i].last_ms > API_COST_FORGET_MS)
				t->rows[i].failures = 0;
			return i;
		}
		if (t->rows[i].last_ms < t->rows[oldest].last_ms)
			oldest = i;
	}
	if (t->count < API_WRONG_ADDRESSES_MAX)
		oldest = t->count++;
	memset(&t->rows[oldest], 0, sizeof(t->rows[oldest]));
	t->rows[oldest].net = *net;
	return oldest;
}

static int64_t price_ms(unsigned failures)
{
	unsigned over = failures > API_COST_FREE ? failures - API_COST_FREE : 0;

	if (!over)
		return 0;
	return over > 6 ? API_COST_MAX_S * 1000 : INT64_C(1000) << (over - 1);
}

unsigned api_cost_begin(struct api_costs *t, const struct sg_addr *peer, int64_t now_ms)
{
	struct sg_addr net = sg_addr_network(peer);
	int64_t wait_ms;

	pthread_mutex_lock(&t->lock);
	size_t i = cost_row(t, &net, now_ms);
	wait_ms = t->rows[i].until_ms - now_ms;
	if (wait_ms <= 0) {
		t->rows[i].failures++;
		t->rows[i].last_ms = now_ms;
		t->rows[i].until_ms = now_ms + price_ms(t->rows[i].failures);
	}
	pthread_mutex_unlock(&t->lock);
	return wait_ms > 0 ? (unsigned)((wait_ms + 999) / 1000) : 0;
}

void api_cost_forgive(struct api_costs *t, const struct sg_addr *peer, bool all)
{
	struct sg_addr net = sg_addr_network(peer);

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->count; i++) {
		if (!sg_addr_equal(&t->rows[i].net, &net) || !t->rows[i].failures)
			continue;
		t->rows[i].failures = all ? 0 : t->rows[i].failures - 1;
		t->rows[i].until_ms = 0;
	}
	pthread_mutex_unlock(&t->lock);
}

size_t api_costs_count(struct api_costs *t)
{
	pthread_mutex_lock(&t->lock);
	size_t count = t->count;
	pthread_mutex_unlock(&t->lock);
	return count;
}
