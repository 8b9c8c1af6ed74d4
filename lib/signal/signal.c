/* signal.c - opening, draining, closing; numbers. */
#include "signal/signal_internal.h"
#include <stdlib.h>

static void tick(void *user)
{
	signal_sockets_tick(user);
}

static void open_lane(void *user)
{
	struct signal_lane *lane = user;

	if (sg_timer_open(&lane->timer, lane->loop, tick, lane) != SG_OK)
		lane->timer = NULL;
	else
		sg_timer_start(lane->timer, 1000, 1000);
}

static void drain_lane(void *user)
{
	signal_sockets_drain(user);
	signal_resources_drain(user);
}

static void close_lane(void *user)
{
	struct signal_lane *lane = user;

	signal_resources_close(lane);
	sg_timer_close(lane->timer);
	lane->timer = NULL;
}

static void nothing(void *user)
{
	(void)user;
}

enum sg_result sg_signal_open(struct sg_signal **out, const struct sg_signal_config *cfg)
{
	struct sg_signal *sig = calloc(1, sizeof(*sig));

	*out = NULL;
	if (!sig)
		return SG_ERR_NO_MEMORY;
	sig->cfg = *cfg;
	pthread_mutex_init(&sig->lock, NULL);
	if (!(sig->lanes = calloc(cfg->loop_count, sizeof(*sig->lanes))))
		goto fail;
	for (; sig->lane_count < cfg->loop_count; sig->lane_count++) {
		struct signal_lane *lane = &sig->lanes[sig->lane_count];
		lane->sig = sig;
		lane->loop = cfg->loops[sig->lane_count];
		sg_loop_call(lane->loop, open_lane, lane);
		if (!lane->timer)
			goto fail;
	}
	sg_http_route(cfg->http, SG_HTTP_GET, "/{}/websocket", signal_on_websocket, sig);
	signal_whip_routes(sig);
	*out = sig;
	return SG_OK;
fail:
	sg_signal_close(sig);
	return SG_ERR_NO_MEMORY;
}

void sg_signal_drain(struct sg_signal *sig)
{
	atomic_store(&sig->draining, true);
	for (size_t i = 0; i < sig->lane_count; i++)
		sg_loop_call(sig->lanes[i].loop, drain_lane, &sig->lanes[i]);
}

void sg_signal_close(struct sg_signal *sig)
{
	if (!sig)
		return;
	for (size_t i = 0; i < sig->lane_count; i++) {
		/* Queues are in order: what was deleted over HTTP has then gone. */
		sg_loop_call(sig->lanes[i].loop, nothing, NULL);
		sg_loop_call(sig->lanes[i].loop, close_lane, &sig->lanes[i]);
	}
	pthread_mutex_destroy(&sig->lock);
	free(sig->lanes);
	free(sig);
}

void sg_signal_get_stats(struct sg_signal *sig, struct sg_signal_stats *out)
{
	*out = (struct sg_signal_stats){
		.sockets = atomic_load(&sig->socket_count),
		.streams = atomic_load(&sig->stream_count),
		.resources = atomic_load(&sig->resource_count),
		.previews = atomic_load(&sig->preview_count),
		.messages = atomic_load(&sig->messages),
		.over_budget = atomic_load(&sig->over_budget),
	};
}
