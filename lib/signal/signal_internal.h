/* signal_internal.h - what the files of this folder share. */
#ifndef SG_SIGNAL_INTERNAL_H
#define SG_SIGNAL_INTERNAL_H

#include "base/clock.h"
#include "base/log.h"
#include "signal/ant.h"
#include "signal/signal.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#define SIGNAL_USER_AGENT_MAX 255

struct signal_lane {
	struct sg_signal *sig;
	struct sg_loop *loop;
	struct sg_timer *timer;
	struct signal_socket *sockets;
	struct signal_resource *resources; /* all of this loop, listed or not */
};

/* What is asked for over HTTP by SDP: WHIP, WHEP, an administrator's preview. */
struct signal_way {
	struct sg_signal *sig;
	const char *protocol; /* as the gate's */
	enum sg_token_type type;
	bool by_admin; /* no token, but an owner; no other site's page may ask */
};

struct sg_signal {
	struct sg_signal_config cfg;
	struct signal_lane *lanes;
	size_t lane_count;
	atomic_uint next_lane;
	atomic_bool draining;
	struct signal_way whip, whep, preview;
	atomic_size_t socket_count, stream_count, resource_count, preview_count;
	atomic_uint_fast64_t messages, over_budget;
	pthread_mutex_t lock; /* guards `listed` and what is said about its members */
	struct signal_resource *listed; /* those with a URL, by its id */
};

/* socket.c */
void signal_on_websocket(struct sg_http_request *req, void *sig);
void signal_sockets_tick(struct signal_lane *lane);
void signal_sockets_drain(struct signal_lane *lane);

/* ice.c */
/* RFC 9725 section 4.6; `admitted`: TURN servers and their credentials as well. */
void signal_add_ice_links(struct sg_http_request *req, const struct sg_config *cfg, bool admitted);
struct ant_ice signal_ant_ice(const struct sg_config *cfg); /* borrows from `cfg` */

/* whip.c */
void signal_whip_routes(struct sg_signal *sig);
void signal_resources_drain(struct signal_lane *lane); /* those not answered yet */
void signal_resources_close(struct signal_lane *lane);

#endif
