/* room.c - how many may be in without a token.
 *
 * Who has a token finds room whatever strangers do: those fill three quarters of the table at most.
 * And one network cannot keep the other strangers out: a session that was detached costs its peer
 * nothing, neither a connection nor a use, and lasts for more than a minute. */
#include "gate/gate_internal.h"

static bool is_tokenless(const struct sg_session *s)
{
	return !s->token_id && !s->by_admin;
}

/* Whoever comes through a proxy that does not tell from where, or is here. */
static bool stands_for_many(struct sg_gate *g, const struct sg_addr *peer)
{
	static const struct sg_addr here = {.family = 6, .bytes = {[15] = 1}};

	return !peer->family || (peer->family == 4 && peer->bytes[0] == 127) ||
	       sg_addr_equal(peer, &here) || sg_cidr_list_has(&g->cfg->trusted_proxies, peer);
}

static struct network_entry *find(struct sg_gate *g, const struct sg_addr *net)
{
	struct network_entry *e;

	HASH_FIND(hh, g->networks, net, sizeof(*net), e);
	return e;
}

bool sg_gate_room_take(struct sg_session *s)
{
	struct sg_gate *g = s->gate;
	struct sg_addr net = sg_addr_network(&s->peer);

	if (!is_tokenless(s))
		return true;
	struct network_entry *e = find(g, &net);
	if (g->stats.tokenless >= SG_GATE_TOKENLESS_MAX || (e && e->detached >= SG_GATE_NETWORK_MAX))
		return false;
	g->stats.tokenless++;
	return true;
}

void sg_gate_room_give_back(struct sg_session *s)
{
	struct network_entry *e = s->network;

	if (is_tokenless(s))
		s->gate->stats.tokenless--;
	s->network = NULL;
	if (!e || --e->detached)
		return;
	HASH_DEL(s->gate->networks, e);
	free(e);
}

void sg_gate_room_detached(struct sg_session *s)
{
	struct sg_gate *g = s->gate;
	struct sg_addr net = sg_addr_network(&s->peer);

	if (!is_tokenless(s) || stands_for_many(g, &s->peer))
		return;
	struct network_entry *e = find(g, &net);
	if (!e) {
		if (!(e = calloc(1, sizeof(*e))))
			return;
		e->net = net;
		HASH_ADD(hh, g->networks, net, sizeof(e->net), e);
	}
	e->detached++;
	s->network = e;
}
