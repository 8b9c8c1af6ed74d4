/* client.c - the way to the server: checks (RFC 8445 section 7.2), DTLS, consent (RFC 7675), the end. */
#include "webrtc/client_internal.h"
#include "base/text.h"
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK_US 50000ll /* between checks until one is answered (section 14.2) */
#define CONSENT_US 4000000ll /* and afterwards */
#define GIVE_UP_US 15000000ll /* without an answer, or without a handshake */
#define PRIORITY_HOST 0x7e0000ffu /* of a peer-reflexive candidate of ours (section 7.1.1) */

const char *sg_rtc_state_name(enum sg_rtc_state s)
{
	static const char *const names[] = {
#define SG_RTC_STATE_TEXT(name, text) [name] = text,
	    SG_RTC_STATES(SG_RTC_STATE_TEXT)
#undef SG_RTC_STATE_TEXT
	};
	return names[s];
}

void client_fail(struct sg_rtc_client *c, const char *fmt, ...)
{
	va_list ap;

	if (c->state == SG_RTC_FAILED || c->state == SG_RTC_CLOSED)
		return;
	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	c->state = SG_RTC_FAILED;
}

void client_send(struct sg_rtc_client *c, const uint8_t *p, size_t len)
{
	if (c->way)
		c->cfg.send(c->cfg.user, (const struct sockaddr *)&c->way->sa, c->way->len, p, len);
}

static void random_text(char *out, size_t characters)
{
	uint8_t raw[32];

	sg_random(raw, sizeof(raw));
	for (size_t i = 0; i < characters; i++)
		out[i] =
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[raw[i] & 63];
	out[characters] = '\0';
}

enum sg_result sg_rtc_client_open(
    struct sg_rtc_client **out, const struct sg_rtc_client_config *cfg)
{
	struct sg_rtc_client *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return SG_ERR_NO_MEMORY;
	c->cfg = *cfg;
	c->round_trip_ms = -1;
	random_text(c->ufrag, sizeof(c->ufrag) - 1);
	random_text(c->pwd, 32);
	sg_random(&c->tie_breaker, sizeof(c->tie_breaker));
	sg_random(&c->session_id, sizeof(c->session_id));
	c->session_id >>= 2; /* RFC 8829 section 5.2.1: 62 bits and a bit */
	c->tracks[0].codec = cfg->video;
	c->tracks[1].codec = cfg->audio;
	for (int i = 0; i < 2; i++)
		sg_random(&c->tracks[i].ssrc, sizeof(c->tracks[i].ssrc));
	sg_random(&c->report_ssrc, sizeof(c->report_ssrc));
	*out = c;
	return SG_OK;
}

void sg_rtc_client_close(struct sg_rtc_client *c)
{
	if (!c)
		return;
	if (c->state == SG_RTC_OPEN)
		client_media_bye(c);
	sg_dtls_close(c->dtls, c->state == SG_RTC_OPEN);
	client_media_close(c);
	sg_srtp_close(c->srtp);
	sg_wipe(c->pwd, sizeof(c->pwd));
	free(c);
}

enum sg_rtc_state sg_rtc_client_state(const struct sg_rtc_client *c)
{
	return c->state;
}

const char *sg_rtc_client_error(const struct sg_rtc_client *c)
{
	return c->error;
}

enum sg_codec sg_rtc_client_codec(const struct sg_rtc_client *c, enum sg_frame_kind kind)
{
	return c->tracks[kind == SG_FRAME_AUDIO].codec;
}

void sg_rtc_client_stats(const struct sg_rtc_client *c, struct sg_rtc_client_stats *out)
{
	*out = c->stats;
	out->round_trip_ms = c->round_trip_ms;
	const struct sg_rtcp_source *source = &c->tracks[!c->tracks[0].source.started].source;
	if (source->started)
		out->jitter_s = source->jitter_16 / 16.0 / source->rate;
	for (int i = 0; i < 2; i++) {
		struct sg_rtp_track_stats t;
		if (!c->tracks[i].in)
			continue;
		sg_rtp_track_stats(c->tracks[i].in, &t);
		out->lost += t.lost;
		out->recovered += t.recovered;
	}
}

/* ---- candidates ---- */

void client_add_remote(struct sg_rtc_client *c, const struct sg_candidate *k)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	char host[64], port[8];
	struct addrinfo *list = NULL;

	if (k->tcp || c->remote_count == CLIENT_REMOTES_MAX ||
	    !sg_str_copy(host, sizeof(host), k->address))
		return;
	snprintf(port, sizeof(port), "%u", k->port);
	if (getaddrinfo(host, port, &hints, &list) != 0) /* an mDNS name: not a server's */
		return;
	struct client_remote *r = &c->remotes[c->remote_count++];
	*r = (struct client_remote){.len = list->ai_addrlen};
	memcpy(&r->sa, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
}

void sg_rtc_client_add_candidate(struct sg_rtc_client *c, struct sg_str candidate)
{
	struct sg_candidate k;

	if (candidate.len && sg_candidate_parse(candidate, &k) == SG_OK)
		client_add_remote(c, &k);
}

/* ---- checks ---- */

static void ask(struct sg_rtc_client *c, struct client_remote *r, int64_t now_us)
{
	struct sg_stun_writer w;
	char username[2 * CLIENT_CREDENTIAL_SIZE];

	snprintf(username, sizeof(username), "%s:%s", c->remote_ufrag, c->ufrag);
	/* The way may take longer than the pause between two checks: an answer to any of the copies counts. */
	if (c->way || !r->asked_us) {
		sg_random(r->transaction, sizeof(r->transaction));
		r->asked_us = now_us;
	}
	sg_stun_begin(&w, SG_STUN_REQUEST, r->transaction);
	sg_stun_put_username(&w, sg_str_from(username));
	sg_stun_put_role(&w, true, c->tie_breaker);
	sg_stun_put_use_candidate(&w);
	sg_stun_put_priority(&w, PRIORITY_HOST);
	if (sg_stun_finish(&w, sg_str_from(c->remote_pwd)))
		c->cfg.send(c->cfg.user, (const struct sockaddr *)&r->sa, r->len, w.p, w.len);
}

static void send_dtls(void *user, const uint8_t *p, size_t len)
{
	client_send(user, p, len);
}

static void take_keys(struct sg_rtc_client *c)
{
	struct sg_srtp_keys keys;

	if (!sg_dtls_keys(c->dtls, &keys) || sg_srtp_open(&c->srtp, &keys, true) != SG_OK)
		client_fail(c, "no keys for SRTP came out of the handshake");
	else
		c->state = SG_RTC_OPEN;
	sg_wipe(&keys, sizeof(keys));
}

static void note_dtls(struct sg_rtc_client *c, enum sg_result res)
{
	if (res == SG_OK && c->state == SG_RTC_HANDSHAKE)
		take_keys(c);
	else if (res == SG_ERR_CLOSED)
		c->state = SG_RTC_CLOSED;
	else if (res != SG_OK && res != SG_NEED_MORE)
		client_fail(c, "DTLS: %s", sg_dtls_error(c->dtls));
}

static void begin_dtls(struct sg_rtc_client *c)
{
	struct sg_dtls_config cfg = {
	    .identity = c->cfg.identity, .client = true, .send = send_dtls, .user = c};

	memcpy(cfg.fingerprint, c->remote_fingerprint, sizeof(cfg.fingerprint));
	c->state = SG_RTC_HANDSHAKE;
	if (sg_dtls_open(&c->dtls, &cfg) != SG_OK)
		client_fail(c, "DTLS could not be begun");
	else
		note_dtls(c, sg_dtls_feed(c->dtls, NULL, 0));
}

static struct client_remote *asked(struct sg_rtc_client *c, const uint8_t *transaction)
{
	for (size_t i = 0; i < c->remote_count; i++)
		if (c->remotes[i].asked_us &&
		    !memcmp(c->remotes[i].transaction, transaction, SG_STUN_TRANSACTION_BYTES))
			return &c->remotes[i];
	return NULL;
}

static void take_stun(struct sg_rtc_client *c, const uint8_t *p, size_t len, int64_t now_us)
{
	struct sg_stun m;

	if (!sg_stun_parse(&m, p, len) || (m.class != SG_STUN_SUCCESS && m.class != SG_STUN_ERROR))
		return; /* a server that is ICE-lite asks nothing */
	struct client_remote *r = asked(c, m.transaction);
	if (!r || !sg_stun_is_from(&m, p, sg_str_from(c->remote_pwd)))
		return;
	if (m.class == SG_STUN_ERROR) {
		client_fail(c, "the server answered a check with error %u", m.error_code);
		return;
	}
	c->answered_us = now_us;
	c->round_trip_ms = (double)(now_us - r->asked_us) / 1000;
	r->asked_us = 0;
	if (c->way)
		return;
	c->way = r;
	c->began_us = now_us; /* the handshake has a time of its own */
	begin_dtls(c);
}

static int64_t check(struct sg_rtc_client *c, int64_t now_us)
{
	if (now_us < c->check_us)
		return c->check_us;
	if (c->way)
		ask(c, c->way, now_us);
	else
		for (size_t i = 0; i < c->remote_count; i++)
			ask(c, &c->remotes[i], now_us);
	return c->check_us = now_us + (c->way ? CONSENT_US : CHECK_US);
}

/* ---- bytes and the clock ---- */

void sg_rtc_client_feed(struct sg_rtc_client *c, const struct sockaddr *from, socklen_t from_len,
    uint8_t *p, size_t len, int64_t now_us)
{
	(void)from, (void)from_len; /* who it is from is proven by keys, not by addresses */
	if (!len || c->state == SG_RTC_FAILED || c->state == SG_RTC_CLOSED)
		return;
	/* RFC 7983 section 7 */
	if (sg_stun_is(p, len))
		take_stun(c, p, len, now_us);
	else if (p[0] >= 20 && p[0] <= 63 && c->dtls)
		note_dtls(c, sg_dtls_feed(c->dtls, p, len));
	else if (p[0] >= 128 && p[0] <= 191 && c->srtp && sg_rtp_is_rtcp(p, len))
		client_media_rtcp(c, p, len, now_us);
	else if (p[0] >= 128 && p[0] <= 191 && c->srtp)
		client_media_rtp(c, p, len, now_us);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t sg_rtc_client_tick(struct sg_rtc_client *c, int64_t now_us)
{
	if (c->state == SG_RTC_NEW || c->state == SG_RTC_FAILED || c->state == SG_RTC_CLOSED)
		return INT64_MAX;
	if (!c->began_us)
		c->began_us = c->answered_us = now_us;
	int64_t next = check(c, now_us);
	if (c->dtls) {
		int64_t wait_ms = sg_dtls_wait_ms(c->dtls);
		if (wait_ms == 0) {
			note_dtls(c, sg_dtls_tick(c->dtls));
			wait_ms = sg_dtls_wait_ms(c->dtls);
		}
		if (wait_ms >= 0)
			next = sooner(next, now_us + wait_ms * 1000);
	}
	if (c->state == SG_RTC_OPEN)
		next = sooner(next, client_media_tick(c, now_us));
	if (now_us - c->answered_us > GIVE_UP_US)
		client_fail(c, "the server does not answer at the address in its description");
	else if (c->state == SG_RTC_HANDSHAKE && now_us - c->began_us > GIVE_UP_US)
		client_fail(c, "the DTLS handshake does not come to its end");
	return next;
}
