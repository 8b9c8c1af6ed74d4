/* DTLS-SRTP: two ends of our own, datagrams lost between them, and ends that are not who they say. */
#include "webrtc/dtls.h"
#include "base/clock.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define QUEUE 64

struct end {
	struct sg_dtls *dtls;
	struct end *other;
	struct {
		uint8_t p[1500];
		size_t len;
	} queue[QUEUE]; /* what is on its way to this end */
	size_t first, last, longest;
	unsigned lose, sent; /* the first `lose` datagrams sent by this end are lost */
	enum sg_result result;
};

static void on_send(void *user, const uint8_t *p, size_t len)
{
	struct end *e = user, *to = e->other;

	if (len > e->longest)
		e->longest = len;
	if (e->sent++ < e->lose)
		return;
	assert_true(to->last - to->first < QUEUE && len <= sizeof(to->queue[0].p));
	memcpy(to->queue[to->last % QUEUE].p, p, len);
	to->queue[to->last++ % QUEUE].len = len;
}

static void deliver(struct end *e)
{
	while (e->first < e->last && e->result != SG_ERR_BAD_INPUT) {
		size_t i = e->first++ % QUEUE;
		e->result = sg_dtls_feed(e->dtls, e->queue[i].p, e->queue[i].len);
	}
}

struct pair {
	struct sg_dtls_identity *ids[2];
	struct end client, server;
};

static void open_pair(struct pair *t, bool wrong_fingerprint)
{
	char error[200];

	memset(t, 0, sizeof(*t));
	t->client.other = &t->server;
	t->server.other = &t->client;
	t->client.result = t->server.result = SG_NEED_MORE;
	for (int i = 0; i < 2; i++)
		assert_int_equal(sg_dtls_identity_open(&t->ids[i], NULL, error, sizeof(error)), SG_OK);
	for (int i = 0; i < 2; i++) {
		struct end *e = i ? &t->server : &t->client;
		struct sg_dtls_config cfg = { .identity = t->ids[i], .client = !i, .send = on_send, .user = e };
		memcpy(cfg.fingerprint, sg_dtls_fingerprint(t->ids[!i]), sizeof(cfg.fingerprint));
		if (wrong_fingerprint && i)
			cfg.fingerprint[31] ^= 1;
		assert_int_equal(sg_dtls_open(&e->dtls, &cfg), SG_OK);
	}
}

static void close_pair(struct pair *t)
{
	sg_dtls_close(t->client.dtls, false);
	sg_dtls_close(t->server.dtls, false);
	for (int i = 0; i < 2; i++)
		sg_dtls_identity_close(t->ids[i]);
}

/* True when both ends are done. */
static bool shake_hands(struct pair *t, int64_t limit_ms)
{
	int64_t until = sg_mono_ms() + limit_ms;

	t->client.result = sg_dtls_feed(t->client.dtls, NULL, 0);
	while (sg_mono_ms() < until) {
		deliver(&t->server);
		deliver(&t->client);
		if (t->client.result != SG_NEED_MORE && t->server.result != SG_NEED_MORE)
			break;
		if (t->server.first < t->server.last)
			continue;
		usleep(5000);
		for (int i = 0; i < 2; i++) {
			struct end *e = i ? &t->server : &t->client;
			if (e->result == SG_NEED_MORE && sg_dtls_wait_ms(e->dtls) == 0)
				e->result = sg_dtls_tick(e->dtls);
		}
	}
	return t->client.result == SG_OK && t->server.result == SG_OK;
}

static void both_ends_have_the_same_keys(void **state)
{
	struct sg_srtp_keys a, b;
	struct pair t;

	(void)state;
	open_pair(&t, false);
	assert_false(sg_dtls_keys(t.client.dtls, &a));
	assert_true(shake_hands(&t, 10000));
	assert_true(sg_dtls_keys(t.client.dtls, &a) && sg_dtls_keys(t.server.dtls, &b));
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.profile, SG_SRTP_AEAD_AES_128_GCM);
	assert_true(t.client.longest <= SG_DTLS_MTU && t.server.longest <= SG_DTLS_MTU);
	sg_dtls_close(t.client.dtls, true);
	t.client.dtls = NULL;
	deliver(&t.server);
	assert_int_equal(t.server.result, SG_ERR_CLOSED);
	close_pair(&t);
}

static void the_older_profile_is_taken_where_the_peer_has_no_other(void **state)
{
	struct sg_srtp_keys a, b;
	struct pair t;

	(void)state;
	open_pair(&t, false);
	sg_dtls_close(t.client.dtls, false);
	sg_dtls_restrict(t.ids[0], SG_SRTP_AES128_CM_SHA1_80);
	struct sg_dtls_config cfg = { .identity = t.ids[0], .client = true, .send = on_send, .user = &t.client };
	memcpy(cfg.fingerprint, sg_dtls_fingerprint(t.ids[1]), sizeof(cfg.fingerprint));
	assert_int_equal(sg_dtls_open(&t.client.dtls, &cfg), SG_OK);
	assert_true(shake_hands(&t, 10000));
	assert_true(sg_dtls_keys(t.client.dtls, &a) && sg_dtls_keys(t.server.dtls, &b));
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(a.profile, SG_SRTP_AES128_CM_SHA1_80);
	close_pair(&t);
}

static void lost_datagrams_are_sent_again_soon(void **state)
{
	struct pair t;

	(void)state;
	open_pair(&t, false);
	t.server.lose = 3;
	t.client.lose = 1;
	assert_true(shake_hands(&t, 20000));
	close_pair(&t);
}

static void a_certificate_that_is_not_in_the_sdp_gives_no_keys(void **state)
{
	struct sg_srtp_keys keys;
	struct pair t;

	(void)state;
	open_pair(&t, true);
	assert_false(shake_hands(&t, 10000));
	assert_int_equal(t.server.result, SG_ERR_BAD_INPUT);
	assert_string_equal(sg_dtls_error(t.server.dtls), "the certificate is not the one in the peer's SDP");
	assert_false(sg_dtls_keys(t.server.dtls, &keys));
	close_pair(&t);
}

static void rubbish_is_passed_over_or_ends_it(void **state)
{
	uint8_t p[64] = { 22, 0xfe, 0xfd };
	struct pair t;

	(void)state;
	open_pair(&t, false);
	for (size_t len = 1; len < sizeof(p); len++) {
		enum sg_result res = sg_dtls_feed(t.server.dtls, p, len);
		assert_true(res == SG_NEED_MORE || res == SG_ERR_BAD_INPUT);
	}
	close_pair(&t);
}

static void the_certificate_is_kept_and_is_secret(void **state)
{
	char dir[] = "/tmp/sg-dtls-XXXXXX", path[100], error[300];
	uint8_t first[SG_FINGERPRINT_BYTES];
	struct sg_dtls_identity *id;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/cert.pem", dir);
	assert_int_equal(sg_dtls_identity_open(&id, path, error, sizeof(error)), SG_OK);
	memcpy(first, sg_dtls_fingerprint(id), sizeof(first));
	sg_dtls_identity_close(id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(sg_dtls_identity_open(&id, path, error, sizeof(error)), SG_OK);
	assert_memory_equal(sg_dtls_fingerprint(id), first, sizeof(first));
	sg_dtls_identity_close(id);

	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0 && write(fd, "nonsense\n", 9) == 9);
	close(fd);
	assert_int_equal(sg_dtls_identity_open(&id, path, error, sizeof(error)), SG_ERR_IO);
	assert_non_null(strstr(error, "not a key and its certificate"));
	assert_null(id);
	unlink(path);
	rmdir(dir);
	assert_int_equal(sg_dtls_identity_open(&id, path, error, sizeof(error)), SG_ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_have_the_same_keys),
		cmocka_unit_test(the_older_profile_is_taken_where_the_peer_has_no_other),
		cmocka_unit_test(lost_datagrams_are_sent_again_soon),
		cmocka_unit_test(a_certificate_that_is_not_in_the_sdp_gives_no_keys),
		cmocka_unit_test(rubbish_is_passed_over_or_ends_it),
		cmocka_unit_test(the_certificate_is_kept_and_is_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
