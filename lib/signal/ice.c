/* ice.c - the STUN and TURN servers that clients are told of ([webrtc] ice_servers).
 *
 * We are reached directly; a TURN server serves browsers whose way out is closed. Whoever knows its
 * credentials may send through it, so they are told only to those who have been let in. */
#include "signal/signal_internal.h"
#include <stdio.h>

/* The next of "stun:a,turn:b"; false at the end. */
static bool next_server(struct sg_str *rest, struct sg_str *url)
{
	if (!rest->len)
		return false;
	sg_str_cut(*rest, ',', url, rest);
	return true;
}

static bool is_turn(struct sg_str url)
{
	return sg_str_starts(url, "turn");
}

static bool is_plain_turn(struct sg_str url)
{
	return sg_str_starts(url, "turn:");
}

static bool is_plain_stun(struct sg_str url)
{
	return sg_str_starts(url, "stun:");
}

static struct sg_str servers_of(const struct sg_config *cfg)
{
	return sg_str_from(cfg ? cfg->webrtc_ice_servers : NULL);
}

void signal_add_ice_links(struct sg_http_request *req, const struct sg_config *cfg, bool admitted)
{
	struct sg_str rest = servers_of(cfg), url;
	char link[1024];

	while (next_server(&rest, &url)) {
		if (!is_turn(url))
			snprintf(link, sizeof(link), "<%.*s>; rel=\"ice-server\"", SG_STR_ARG(url));
		else if (admitted)
			snprintf(link, sizeof(link),
			    "<%.*s>; rel=\"ice-server\"; username=\"%s\"; credential=\"%s\"; "
			    "credential-type=\"password\"",
			    SG_STR_ARG(url), cfg->webrtc_turn_username, cfg->webrtc_turn_credential);
		else
			continue;
		sg_http_add_header(req, "Link", link);
	}
	sg_wipe(link, sizeof(link));
}

/* Ant Media's message has room for one, and their SDK reads "stun:" and "turn:" alone. */
static struct sg_str first_of(const struct sg_config *cfg, bool (*is_it)(struct sg_str url))
{
	struct sg_str rest = servers_of(cfg), url;

	while (next_server(&rest, &url))
		if (is_it(url))
			return url;
	return (struct sg_str){ 0 };
}

struct ant_ice signal_ant_ice(const struct sg_config *cfg)
{
	struct ant_ice ice = { .stun = first_of(cfg, is_plain_stun), .turn = first_of(cfg, is_plain_turn) };

	if (ice.turn.len) {
		ice.username = cfg->webrtc_turn_username;
		ice.credential = cfg->webrtc_turn_credential;
	}
	return ice;
}
