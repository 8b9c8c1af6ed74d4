/* demux.c - a datagram's way to its peer.
 *
 * The kernel deals datagrams out over the lanes' sockets by the sender's address, and knows nothing of
 * peers: what comes in on another lane than the peer's travels on through that lane's inbox, which has
 * its room from the start. What belongs to nobody goes no further than a look into the table. */
#include "webrtc/rtc_internal.h"
#include "webrtc/stun.h"
#include <stdlib.h>

/* ---- the inbox ---- */

bool rtc_inbox_init(struct rtc_inbox *in)
{
	pthread_mutex_init(&in->lock, NULL);
	in->task.run = rtc_inbox_run;
	in->parcels = calloc(RTC_INBOX, sizeof(*in->parcels));
	return in->parcels;
}

void rtc_inbox_destroy(struct rtc_inbox *in)
{
	free(in->parcels);
	pthread_mutex_destroy(&in->lock);
}

static void hand_over(struct rtc_lane *to, const struct sg_path *path, const uint8_t *p, size_t len)
{
	struct rtc_inbox *in = &to->inbox;
	struct sg_executor *ex = sg_loop_executor(to->loop);

	pthread_mutex_lock(&in->lock);
	if (in->count == RTC_INBOX || len > SG_UDP_DATAGRAM_MAX) {
		COUNT(to->srv, dropped, 1);
	} else {
		struct rtc_parcel *parcel = &in->parcels[(in->first + in->count++) % RTC_INBOX];
		parcel->path = *path;
		parcel->len = len;
		memcpy(parcel->p, p, len);
		if (!in->posted)
			ex->post(ex, &in->task);
		in->posted = true;
	}
	pthread_mutex_unlock(&in->lock);
}

/* ---- finding ---- */

struct found rtc_demux_stun(struct sg_webrtc_server *srv, const uint8_t *p, size_t len)
{
	struct sg_str ours, theirs;
	struct sg_stun m;

	if (!sg_stun_parse(&m, p, len) || m.class != SG_STUN_REQUEST) {
		COUNT(srv, stun_bad, 1);
		return (struct found){ 0 };
	}
	sg_str_cut(m.username, ':', &ours, &theirs);
	struct found f = rtc_table_find_name(&srv->table, ours);
	if (!f.peer)
		COUNT(srv, stun_bad, 1);
	return f;
}

static struct found find(struct sg_webrtc_server *srv, const struct sg_path *path, const uint8_t *p,
    size_t len, int64_t now_ms)
{
	if (sg_stun_is(p, len))
		return rtc_demux_stun(srv, p, len);
	return rtc_table_find_path(&srv->table, &path->remote, now_ms);
}

void rtc_demux_feed(struct sg_webrtc_peer *p, const struct sg_path *path, uint8_t *data, size_t len)
{
	if (!p->transport || p->dead)
		return;
	COUNT(p->srv, packets_in, 1);
	COUNT(p->srv, bytes_in, len);
	sg_transport_feed(p->transport, path, data, len, p->lane->now_ms);
	rtc_peer_settle(p);
}

static void take(struct rtc_lane *lane, const struct sg_path *path, uint8_t *p, size_t len, bool may_travel)
{
	struct found f = find(lane->srv, path, p, len, lane->now_ms);

	if (f.lane == lane)
		rtc_demux_feed(f.peer, path, p, len);
	else if (f.lane && may_travel)
		hand_over(f.lane, path, p, len);
}

/* ---- from the sockets, and from other lanes ---- */

static void on_datagram(
    void *user, uint8_t *p, size_t len, const struct sockaddr *from, const struct sockaddr *to)
{
	struct rtc_socket *s = user;
	struct sg_path path = { .socket = s->index };
	size_t size = from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	if (from->sa_family != AF_INET && from->sa_family != AF_INET6)
		return;
	s->lane->now_ms = sg_mono_ms();
	memcpy(&path.remote, from, size);
	if (to->sa_family == from->sa_family)
		memcpy(&path.local, to, size);
	take(s->lane, &path, p, len, true);
}

const struct sg_udp_events rtc_demux_events = { .datagram = on_datagram };

void rtc_inbox_run(struct sg_task *task)
{
	struct rtc_lane *lane = SG_CONTAINER_OF(task, struct rtc_lane, inbox.task);
	struct rtc_inbox *in = &lane->inbox;
	struct rtc_parcel parcel;

	lane->now_ms = sg_mono_ms();
	pthread_mutex_lock(&in->lock);
	in->posted = false;
	for (unsigned n = in->count; n; n--) {
		struct rtc_parcel *first = &in->parcels[in->first];
		parcel.path = first->path;
		parcel.len = first->len;
		memcpy(parcel.p, first->p, first->len);
		in->first = (in->first + 1) % RTC_INBOX;
		in->count--;
		pthread_mutex_unlock(&in->lock);
		take(lane, &parcel.path, parcel.p, parcel.len, false);
		pthread_mutex_lock(&in->lock);
	}
	if (in->count && !in->posted) { /* came in between */
		struct sg_executor *ex = sg_loop_executor(lane->loop);
		in->posted = true;
		ex->post(ex, &in->task);
	}
	pthread_mutex_unlock(&in->lock);
}
