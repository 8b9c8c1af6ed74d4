/* transport.c - ICE, DTLS and SRTP of one peer connection. */
#include "webrtc/transport.h"
#include "base/text.h"
#include "webrtc/rtp.h"
#include "webrtc/stun.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK_FIRST_MS 50   /* RFC 8445 section 14.2: Ta, then doubling */
#define CHECK_SLOWEST_MS 500
#define CONSENTS 7 /* are asked for before it has run out: every 4 s of 30 (RFC 7675 section 5.1: about 5 s) */
/* Type preference of host, local preference, component 1 (RFC 8445 section 5.1.2.1), peer reflexive. */
#define CHECK_PRIORITY ((110u << 24) | (65535u << 8) | 255u)

struct sg_transport {
	struct sg_transport_config cfg;
	char ufrag[SG_ICE_UFRAG_SIZE], pwd[SG_ICE_PWD_SIZE];
	char remote_ufrag[SG_ICE_REMOTE_MAX + 1], remote_pwd[SG_ICE_REMOTE_MAX + 1];
	bool has_remote, dtls_client, has_path, connected, failed;
	uint8_t fingerprint[SG_FINGERPRINT_BYTES];
	struct sg_path path;
	int64_t consent_ms; /* last proof that the peer wants this */
	int64_t media_ms;   /* last packet of its that was opened; 0 none */
	struct sg_dtls *dtls;
	struct sg_srtp *srtp;
	struct sg_transport_stats stats;
	/* A client's checks. */
	bool checking, answered;
	struct sg_path check_path;
	uint8_t transaction[SG_STUN_TRANSACTION_BYTES];
	uint64_t tie_breaker;
	int64_t check_ms, check_wait_ms;
};

/* ---- paths ---- */

static bool sockaddr_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;
		return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a, *y = (const struct sockaddr_in6 *)b;
	return x->sin6_port == y->sin6_port &&
	       memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

bool sg_path_equal(const struct sg_path *a, const struct sg_path *b)
{
	return a->tcp == b->tcp && sockaddr_equal(&a->remote, &b->remote);
}

/* ---- opening ---- */

/* Letters and digits of ice-char (RFC 8839 section 5.4): 8 and 32 of them, 48 and 192 bits nearly. */
void sg_ice_credentials(char ufrag[SG_ICE_UFRAG_SIZE], char pwd[SG_ICE_PWD_SIZE])
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t r[SG_ICE_UFRAG_SIZE + SG_ICE_PWD_SIZE];

	sg_random(r, sizeof(r));
	for (int i = 0; i < SG_ICE_UFRAG_SIZE - 1; i++)
		ufrag[i] = chars[r[i] & 63];
	for (int i = 0; i < SG_ICE_PWD_SIZE - 1; i++)
		pwd[i] = chars[r[SG_ICE_UFRAG_SIZE + i] & 63];
	ufrag[SG_ICE_UFRAG_SIZE - 1] = pwd[SG_ICE_PWD_SIZE - 1] = 0;
	sg_wipe(r, sizeof(r));
}

enum sg_result sg_transport_open(
    struct sg_transport **out, const struct sg_transport_config *cfg, int64_t now_ms)
{
	struct sg_transport *t = calloc(1, sizeof(*t));

	*out = t;
	if (!t)
		return SG_ERR_NO_MEMORY;
	t->cfg = *cfg;
	if (!t->cfg.consent_ms)
		t->cfg.consent_ms = SG_CONSENT_MS;
	t->consent_ms = now_ms;
	sg_ice_credentials(t->ufrag, t->pwd);
	sg_random(&t->tie_breaker, sizeof(t->tie_breaker));
	return SG_OK;
}

void sg_transport_close(struct sg_transport *t, bool notify)
{
	if (!t)
		return;
	sg_dtls_close(t->dtls, notify && t->has_path && !t->failed);
	sg_srtp_close(t->srtp);
	sg_wipe(t->pwd, sizeof(t->pwd));
	sg_wipe(t->remote_pwd, sizeof(t->remote_pwd));
	free(t);
}

const char *sg_transport_ufrag(const struct sg_transport *t)
{
	return t->ufrag;
}

const char *sg_transport_pwd(const struct sg_transport *t)
{
	return t->pwd;
}

static bool set_remote_credentials(struct sg_transport *t, struct sg_str ufrag, struct sg_str pwd)
{
	return ufrag.len && pwd.len && sg_str_copy(t->remote_ufrag, sizeof(t->remote_ufrag), ufrag) &&
	       sg_str_copy(t->remote_pwd, sizeof(t->remote_pwd), pwd);
}

bool sg_transport_set_remote(struct sg_transport *t, struct sg_str ufrag, struct sg_str pwd,
    const uint8_t fingerprint[SG_FINGERPRINT_BYTES], bool dtls_client)
{
	if (!set_remote_credentials(t, ufrag, pwd))
		return false;
	memcpy(t->fingerprint, fingerprint, sizeof(t->fingerprint));
	t->dtls_client = dtls_client;
	t->has_remote = true;
	return true;
}

bool sg_transport_restart(struct sg_transport *t, struct sg_str ufrag, struct sg_str pwd,
    const char *our_ufrag, const char *our_pwd)
{
	memcpy(t->ufrag, our_ufrag, sizeof(t->ufrag));
	memcpy(t->pwd, our_pwd, sizeof(t->pwd));
	return set_remote_credentials(t, ufrag, pwd);
}

const struct sg_path *sg_transport_path(const struct sg_transport *t)
{
	return t->has_path ? &t->path : NULL;
}

bool sg_transport_is_connected(const struct sg_transport *t)
{
	return t->connected;
}

int64_t sg_transport_heard_ms(const struct sg_transport *t)
{
	return t->media_ms > t->consent_ms ? t->media_ms : t->consent_ms;
}

struct sg_srtp *sg_transport_srtp(struct sg_transport *t)
{
	return t->srtp;
}

void sg_transport_stats(const struct sg_transport *t, struct sg_transport_stats *out)
{
	*out = t->stats;
}

static void fail(struct sg_transport *t, enum sg_goodbye why, const char *detail)
{
	if (t->failed)
		return;
	t->failed = true;
	t->cfg.events->failed(t->cfg.user, why, detail);
}

static void send_to(struct sg_transport *t, const struct sg_path *to, const uint8_t *p, size_t len)
{
	t->cfg.events->send(t->cfg.user, to, p, len);
}

/* ---- DTLS ---- */

static void dtls_send(void *user, const uint8_t *p, size_t len)
{
	struct sg_transport *t = user;

	if (t->has_path)
		send_to(t, &t->path, p, len);
}

static void after_dtls(struct sg_transport *t, enum sg_result res)
{
	struct sg_srtp_keys keys;

	if (res == SG_NEED_MORE)
		return;
	if (res == SG_ERR_CLOSED) {
		fail(t, SG_BYE_CLOSED, "");
	} else if (res != SG_OK) {
		fail(t, t->connected ? SG_BYE_BROKEN : SG_BYE_NO_MEDIA, sg_dtls_error(t->dtls));
	} else if (!t->connected && sg_dtls_keys(t->dtls, &keys)) {
		res = sg_srtp_open(&t->srtp, &keys, t->dtls_client);
		sg_wipe(&keys, sizeof(keys));
		if (res != SG_OK) {
			fail(t, SG_BYE_NO_MEDIA, "out of memory");
			return;
		}
		t->connected = true;
		t->cfg.events->connected(t->cfg.user);
	}
}

static bool open_dtls(struct sg_transport *t)
{
	struct sg_dtls_config cfg = { .identity = t->cfg.identity, .client = t->dtls_client,
		.send = dtls_send, .user = t };

	if (t->dtls)
		return true;
	if (!t->has_remote || !t->has_path)
		return false;
	memcpy(cfg.fingerprint, t->fingerprint, sizeof(cfg.fingerprint));
	return sg_dtls_open(&t->dtls, &cfg) == SG_OK;
}

static void begin_dtls(struct sg_transport *t)
{
	if (t->dtls_client && !t->dtls && open_dtls(t))
		after_dtls(t, sg_dtls_feed(t->dtls, NULL, 0));
}

/* ---- ICE ---- */

static void take_path(struct sg_transport *t, const struct sg_path *from)
{
	t->path = *from;
	t->has_path = true;
}

static void answer_check(struct sg_transport *t, const struct sg_stun *m, const struct sg_path *from)
{
	struct sg_stun_writer w;

	if (m->unknown_count) { /* RFC 8489 section 6.3.1 */
		sg_stun_begin(&w, SG_STUN_ERROR, m->transaction);
		sg_stun_put_error(&w, 420, "Unknown Attribute");
		sg_stun_put_unknown(&w, m->unknown, m->unknown_count);
	} else if (!t->cfg.ice_client && m->controlled) { /* RFC 8445 section 7.3.1.1: we are lite */
		sg_stun_begin(&w, SG_STUN_ERROR, m->transaction);
		sg_stun_put_error(&w, 487, "Role Conflict");
	} else {
		sg_stun_begin(&w, SG_STUN_SUCCESS, m->transaction);
		sg_stun_put_mapped(&w, (const struct sockaddr *)&from->remote);
	}
	if (sg_stun_finish(&w, sg_str_from(t->pwd)))
		send_to(t, from, w.p, w.len);
}

static bool is_for_us(const struct sg_transport *t, const struct sg_stun *m)
{
	struct sg_str ours, theirs;

	sg_str_cut(m->username, ':', &ours, &theirs);
	return sg_str_is(ours, t->ufrag);
}

static bool take_check(struct sg_transport *t, const struct sg_stun *m, const uint8_t *p,
    const struct sg_path *from, int64_t now_ms)
{
	if (!m->has_fingerprint || !is_for_us(t, m) || !sg_stun_is_from(m, p, sg_str_from(t->pwd))) {
		t->stats.stun_bad++;
		return false;
	}
	t->stats.checks++;
	answer_check(t, m, from);
	if (m->unknown_count || (!t->cfg.ice_client && m->controlled))
		return true;
	t->consent_ms = now_ms;
	t->cfg.events->proven(t->cfg.user, from);
	/* The client's Hello comes before its first USE-CANDIDATE: the first proven path will do. */
	if (!t->has_path || (m->use_candidate && !sg_path_equal(&t->path, from)))
		take_path(t, from);
	else if (sg_path_equal(&t->path, from))
		t->path = *from; /* our own address may have become known */
	begin_dtls(t);
	return true;
}

static bool take_check_answer(struct sg_transport *t, const struct sg_stun *m, const uint8_t *p,
    const struct sg_path *from, int64_t now_ms)
{
	if (!t->checking || memcmp(m->transaction, t->transaction, sizeof(t->transaction)) != 0 ||
	    !sg_stun_is_from(m, p, sg_str_from(t->remote_pwd))) {
		t->stats.stun_bad++;
		return false;
	}
	if (m->class != SG_STUN_SUCCESS)
		return true; /* asked again later */
	t->consent_ms = now_ms;
	t->answered = true;
	t->check_ms = now_ms + t->cfg.consent_ms / CONSENTS;
	t->cfg.events->proven(t->cfg.user, from);
	take_path(t, from);
	begin_dtls(t);
	return true;
}

static bool take_stun(
    struct sg_transport *t, const struct sg_path *from, const uint8_t *p, size_t len, int64_t now_ms)
{
	struct sg_stun m;

	if (!sg_stun_parse(&m, p, len) || m.method != SG_STUN_BINDING) {
		t->stats.stun_bad++;
		return false;
	}
	if (m.class == SG_STUN_REQUEST)
		return take_check(t, &m, p, from, now_ms);
	if (m.class == SG_STUN_INDICATION)
		return true; /* a keepalive (RFC 8445 section 11); nothing is proven by it */
	return t->cfg.ice_client && take_check_answer(t, &m, p, from, now_ms);
}

void sg_transport_connect(struct sg_transport *t, const struct sg_path *path, int64_t now_ms)
{
	t->check_path = *path;
	t->checking = true;
	t->answered = false;
	t->check_wait_ms = CHECK_FIRST_MS;
	t->check_ms = now_ms;
	sg_transport_tick(t, now_ms);
}

static void send_check(struct sg_transport *t, int64_t now_ms)
{
	char name[2 * SG_ICE_REMOTE_MAX];
	struct sg_stun_writer w;

	int len = snprintf(name, sizeof(name), "%s:%s", t->remote_ufrag, t->ufrag);
	/* While it waits, an answer to any of the copies counts. */
	if (t->answered || t->check_wait_ms == CHECK_FIRST_MS)
		sg_random(t->transaction, sizeof(t->transaction));
	if (t->answered)
		t->check_wait_ms = CHECK_FIRST_MS;
	t->answered = false;
	sg_stun_begin(&w, SG_STUN_REQUEST, t->transaction);
	sg_stun_put_username(&w, (struct sg_str){ name, (size_t)len });
	sg_stun_put_role(&w, true, t->tie_breaker);
	sg_stun_put_priority(&w, CHECK_PRIORITY);
	sg_stun_put_use_candidate(&w);
	if (sg_stun_finish(&w, sg_str_from(t->remote_pwd)))
		send_to(t, &t->check_path, w.p, w.len);
	t->check_ms = now_ms + t->check_wait_ms;
	t->check_wait_ms *= 2;
	if (t->check_wait_ms > CHECK_SLOWEST_MS)
		t->check_wait_ms = CHECK_SLOWEST_MS;
}

/* ---- datagrams ---- */

static bool take_media(struct sg_transport *t, uint8_t *p, size_t len)
{
	bool rtcp = sg_rtp_is_rtcp(p, len);

	if (!t->srtp)
		return false;
	if (!(rtcp ? sg_srtp_unprotect_rtcp(t->srtp, p, &len) : sg_srtp_unprotect(t->srtp, p, &len))) {
		t->stats.srtp_bad++;
		return false;
	}
	(rtcp ? t->cfg.events->rtcp : t->cfg.events->rtp)(t->cfg.user, p, len);
	return true;
}

/* By the first byte: RFC 7983 section 7. */
bool sg_transport_feed(
    struct sg_transport *t, const struct sg_path *from, uint8_t *p, size_t len, int64_t now_ms)
{
	if (!len || t->failed)
		return false;
	if (p[0] < 4)
		return take_stun(t, from, p, len, now_ms);
	if (p[0] >= 20 && p[0] <= 63) {
		if (!open_dtls(t))
			return false;
		after_dtls(t, sg_dtls_feed(t->dtls, p, len));
		return true;
	}
	if (p[0] < 128 || p[0] > 191 || !take_media(t, p, len))
		return false;
	t->media_ms = now_ms;
	return true;
}

void sg_transport_send_rtcp(struct sg_transport *t, const uint8_t *p, size_t len)
{
	uint8_t out[SG_RTCP_MAX + SG_SRTCP_TRAILER_MAX];

	if (!t->srtp || !t->has_path || t->failed || len > SG_RTCP_MAX)
		return;
	memcpy(out, p, len);
	if (sg_srtp_protect_rtcp(t->srtp, out, &len))
		send_to(t, &t->path, out, len);
}

/* ---- time ---- */

void sg_transport_tick(struct sg_transport *t, int64_t now_ms)
{
	if (t->failed)
		return;
	if (now_ms - t->consent_ms >= t->cfg.consent_ms) {
		fail(t, t->connected ? SG_BYE_BROKEN : SG_BYE_NO_MEDIA, "the peer has fallen silent");
		return;
	}
	if (t->checking && t->has_remote && now_ms >= t->check_ms)
		send_check(t, now_ms);
	if (t->dtls && !t->connected && sg_dtls_wait_ms(t->dtls) == 0)
		after_dtls(t, sg_dtls_tick(t->dtls));
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t sg_transport_deadline(struct sg_transport *t, int64_t now_ms)
{
	int64_t at = t->consent_ms + t->cfg.consent_ms;

	if (t->failed)
		return INT64_MAX;
	if (t->checking && t->has_remote)
		at = earlier(at, t->check_ms);
	if (t->dtls && !t->connected) {
		int64_t wait_ms = sg_dtls_wait_ms(t->dtls);
		if (wait_ms >= 0)
			at = earlier(at, now_ms + wait_ms);
	}
	return at;
}

void sg_transport_lost(struct sg_transport *t, const void *tcp)
{
	if (t->has_path && t->path.tcp == tcp)
		t->has_path = false;
}
