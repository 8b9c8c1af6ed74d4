/* A peer connection's transport: datagrams of every kind, before and after a check has proven their path. The
 * input is a row of datagrams, each with its length in front; one of length zero is a right check. */
#include "webrtc/stun.h"
#include "webrtc/transport.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static void on_send(void *user, const struct sg_path *to, const uint8_t *p, size_t len)
{
	(void)user, (void)to, (void)p, (void)len;
}

static void on_proven(void *user, const struct sg_path *path)
{
	(void)user, (void)path;
}

static void on_connected(void *user)
{
	(void)user;
}

/* Nobody has shaken hands: what came as media was not. */
static void on_media(void *user, uint8_t *p, size_t len)
{
	(void)user, (void)p, (void)len;
	abort();
}

static void on_failed(void *user, enum sg_goodbye why, const char *detail)
{
	(void)user, (void)why, (void)detail;
}

static const struct sg_transport_events events = { on_send, on_proven, on_connected, on_media, on_media,
	on_failed };

static void feed_check(struct sg_transport *t, const struct sg_path *from, int64_t now_ms)
{
	static const uint8_t transaction[SG_STUN_TRANSACTION_BYTES] = { 1 };
	struct sg_stun_writer w;
	char name[40];

	int len = snprintf(name, sizeof(name), "%s:theirs", sg_transport_ufrag(t));
	sg_stun_begin(&w, SG_STUN_REQUEST, transaction);
	sg_stun_put_username(&w, (struct sg_str){ name, (size_t)len });
	sg_stun_put_role(&w, true, 1);
	if (sg_stun_finish(&w, sg_str_from(sg_transport_pwd(t))) &&
	    !sg_transport_feed(t, from, w.p, w.len, now_ms) && sg_transport_path(t))
		return; /* it had failed before */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sg_dtls_identity *identity;
	static const uint8_t fingerprint[SG_FINGERPRINT_BYTES];
	struct sg_reader in = { data, size };
	struct sg_path from = { 0 };
	struct sg_transport *t;
	char error[200];
	uint16_t len;

	if (!identity && sg_dtls_identity_open(&identity, NULL, error, sizeof(error)) != SG_OK)
		abort();
	const struct sg_transport_config cfg = { .identity = identity, .events = &events };
	if (sg_transport_open(&t, &cfg, 0) != SG_OK)
		return 0;
	((struct sockaddr_in *)&from.remote)->sin_family = AF_INET;
	sg_transport_set_remote(t, SG_STR("theirs"), SG_STR("password"), fingerprint, size & 1);
	for (int64_t now_ms = 0; sg_read_be16(&in, &len) && len <= in.left; now_ms += 50) {
		const uint8_t *p;
		if (!len) {
			feed_check(t, &from, now_ms);
		} else if (sg_read_bytes(&in, len, &p)) {
			uint8_t *copy = malloc(len);
			if (!copy)
				break;
			memcpy(copy, p, len);
			sg_transport_feed(t, &from, copy, len, now_ms);
			free(copy);
		}
		sg_transport_tick(t, now_ms);
	}
	sg_transport_close(t, true);
	return 0;
}
