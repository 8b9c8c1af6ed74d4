/* table.c - who belongs to a name or an address; who publishes; how many of one network are unfinished. */
#include "webrtc/rtc_internal.h"
#include <netinet/in.h>
#include <stdlib.h>

/* An address that another peer was heard from so lately stays that one's: who can make checks of his own
 * with a forged source could take it else. */
#define ROUTE_HELD_MS 3000

void rtc_path_key(struct rtc_path_key *out, const struct sockaddr_storage *sa)
{
	memset(out, 0, sizeof(*out));
	out->family = sa->ss_family;
	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
		out->port = v4->sin_port;
		memcpy(out->address, &v4->sin_addr, 4);
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
		out->port = v6->sin6_port;
		memcpy(out->address, &v6->sin6_addr, 16);
	}
}

void rtc_table_init(struct rtc_table *t)
{
	memset(t, 0, sizeof(*t));
	pthread_rwlock_init(&t->lock, NULL);
}

void rtc_table_destroy(struct rtc_table *t)
{
	struct rtc_crowd *c, *tmp;

	HASH_ITER(hh, t->crowds, c, tmp)
	{
		HASH_DEL(t->crowds, c);
		free(c);
	}
	pthread_rwlock_destroy(&t->lock);
}

/* ---- names and addresses ---- */

struct found rtc_table_find_name(struct rtc_table *t, struct sg_str ufrag)
{
	char key[SG_ICE_UFRAG_SIZE];
	struct found f = { 0 };
	struct rtc_name *n;

	if (ufrag.len != sizeof(key) - 1)
		return f;
	memcpy(key, ufrag.p, ufrag.len);
	pthread_rwlock_rdlock(&t->lock);
	HASH_FIND(hh, t->names, key, sizeof(key) - 1, n);
	if (n)
		f = (struct found){ n->peer, n->peer->lane };
	pthread_rwlock_unlock(&t->lock);
	return f;
}

struct found rtc_table_find_path(struct rtc_table *t, const struct sockaddr_storage *sa, int64_t now_ms)
{
	struct rtc_path_key key;
	struct found f = { 0 };
	struct rtc_route *r;

	rtc_path_key(&key, sa);
	pthread_rwlock_rdlock(&t->lock);
	HASH_FIND(hh, t->routes, &key, sizeof(key), r);
	if (r) {
		f = (struct found){ r->peer, r->peer->lane };
		atomic_store_explicit(&r->heard_ms, now_ms, memory_order_relaxed);
	}
	pthread_rwlock_unlock(&t->lock);
	return f;
}

static void drop_name(struct rtc_table *t, struct sg_webrtc_peer *p)
{
	if (p->name.peer)
		HASH_DEL(t->names, &p->name);
	p->name.peer = NULL;
}

void rtc_table_add_name(struct rtc_table *t, struct sg_webrtc_peer *p, const char *ufrag)
{
	pthread_rwlock_wrlock(&t->lock);
	drop_name(t, p);
	p->name.peer = p;
	memcpy(p->name.ufrag, ufrag, sizeof(p->name.ufrag));
	HASH_ADD(hh, t->names, ufrag, sizeof(p->name.ufrag) - 1, &p->name);
	pthread_rwlock_unlock(&t->lock);
}

static void drop_route(struct rtc_table *t, struct rtc_route *r)
{
	if (r->peer)
		HASH_DEL(t->routes, r);
	r->peer = NULL;
}

/* It was heard from there before: nearly always. */
static bool knows_path(
    struct rtc_table *t, struct sg_webrtc_peer *p, const struct rtc_path_key *key, int64_t now_ms)
{
	bool known = false;

	pthread_rwlock_rdlock(&t->lock); /* another peer may be taking a route over */
	for (size_t i = 0; i < RTC_PATHS_MAX && !known; i++) {
		struct rtc_route *r = &p->routes[i];
		known = r->peer && memcmp(&r->key, key, sizeof(*key)) == 0;
		if (known)
			atomic_store_explicit(&r->heard_ms, now_ms, memory_order_relaxed);
	}
	pthread_rwlock_unlock(&t->lock);
	return known;
}

void rtc_table_add_path(
    struct rtc_table *t, struct sg_webrtc_peer *p, const struct sg_path *path, int64_t now_ms)
{
	struct rtc_path_key key;
	struct rtc_route *r;

	rtc_path_key(&key, &path->remote);
	if (knows_path(t, p, &key, now_ms))
		return;
	pthread_rwlock_wrlock(&t->lock);
	HASH_FIND(hh, t->routes, &key, sizeof(key), r);
	if (!r || now_ms - atomic_load_explicit(&r->heard_ms, memory_order_relaxed) > ROUTE_HELD_MS) {
		if (r)
			drop_route(t, r);
		r = &p->routes[p->next_route++ % RTC_PATHS_MAX];
		drop_route(t, r);
		r->key = key;
		r->peer = p;
		atomic_store_explicit(&r->heard_ms, now_ms, memory_order_relaxed);
		HASH_ADD(hh, t->routes, key, sizeof(r->key), r);
	}
	pthread_rwlock_unlock(&t->lock);
}

void rtc_table_remove(struct rtc_table *t, struct sg_webrtc_peer *p)
{
	pthread_rwlock_wrlock(&t->lock);
	drop_name(t, p);
	for (size_t i = 0; i < RTC_PATHS_MAX; i++)
		drop_route(t, &p->routes[i]);
	pthread_rwlock_unlock(&t->lock);
}

/* ---- the unfinished ---- */

bool rtc_table_count_in(struct rtc_table *t, const struct sg_addr *a)
{
	struct sg_addr net = sg_addr_network(a);
	struct rtc_crowd *c;
	bool ok = false;

	pthread_rwlock_wrlock(&t->lock);
	HASH_FIND(hh, t->crowds, &net, sizeof(net), c);
	if (!c && t->unfinished < RTC_UNFINISHED_MAX && (c = calloc(1, sizeof(*c)))) {
		c->net = net;
		HASH_ADD(hh, t->crowds, net, sizeof(c->net), c);
	}
	if (c && t->unfinished < RTC_UNFINISHED_MAX && c->count < RTC_UNFINISHED_PER_NETWORK) {
		c->count++;
		t->unfinished++;
		ok = true;
	}
	pthread_rwlock_unlock(&t->lock);
	return ok;
}

void rtc_table_count_out(struct rtc_table *t, const struct sg_addr *a)
{
	struct sg_addr net = sg_addr_network(a);
	struct rtc_crowd *c;

	pthread_rwlock_wrlock(&t->lock);
	HASH_FIND(hh, t->crowds, &net, sizeof(net), c);
	if (c) {
		t->unfinished--;
		if (!--c->count) {
			HASH_DEL(t->crowds, c);
			free(c);
		}
	}
	pthread_rwlock_unlock(&t->lock);
}

/* ---- publishers ---- */

static void wants_key(struct sg_task *task)
{
	struct sg_webrtc_peer *p = SG_CONTAINER_OF(task, struct sg_webrtc_peer, key_task);

	atomic_store(&p->key_posted, false);
	if (p->publisher && !p->dead)
		rtc_publisher_wants_key(p);
	rtc_peer_settle(p);
	rtc_peer_unref(p);
}

void rtc_table_add_publisher(struct rtc_table *t, struct sg_webrtc_peer *p, struct sg_stream *s)
{
	p->key_task.run = wants_key;
	pthread_rwlock_wrlock(&t->lock);
	p->publishes = s;
	p->next_publisher = t->publishers;
	t->publishers = p;
	pthread_rwlock_unlock(&t->lock);
}

void rtc_table_remove_publisher(struct rtc_table *t, struct sg_webrtc_peer *p)
{
	pthread_rwlock_wrlock(&t->lock);
	for (struct sg_webrtc_peer **at = &t->publishers; *at; at = &(*at)->next_publisher)
		if (*at == p) {
			*at = p->next_publisher;
			break;
		}
	p->publishes = NULL;
	pthread_rwlock_unlock(&t->lock);
}

void rtc_table_request_key(struct rtc_table *t, const struct sg_stream *s)
{
	pthread_rwlock_rdlock(&t->lock);
	for (struct sg_webrtc_peer *p = t->publishers; p; p = p->next_publisher)
		if (p->publishes == s && !atomic_exchange(&p->key_posted, true)) {
			struct sg_executor *ex = sg_loop_executor(p->lane->loop);
			rtc_peer_ref(p);
			ex->post(ex, &p->key_task);
		}
	pthread_rwlock_unlock(&t->lock);
}
