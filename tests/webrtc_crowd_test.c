/* Strangers in numbers: what one customer's network can take, others still have. */
#include "webrtc_people.h"

/* The /64 of one customer has more addresses than there are places (RFC 6177). */
static void the_unfinished_of_one_network_are_counted_together(void **state)
{
	enum { MOST = 100 };
	struct fixture *f = fixture_open("", "127.0.0.1:0", 2 * MOST);
	struct source s = source_open(f);
	struct owner *o[MOST + 1];
	char address[40];
	struct viewer v;

	(void)state;
	source_step(&s);
	viewer_open(&v, f);
	for (int i = 0; i <= MOST; i++) {
		snprintf(address, sizeof(address), "2001:db8::1:%x", i);
		o[i] = owner_open_for(f, SG_PLAY, browser_offer(v.client), NULL, "cam", address);
	}
	assert_non_null(o[MOST - 1]->peer);
	assert_null(o[MOST]->peer);
	/* Another customer. */
	struct owner *other = owner_open_for(f, SG_PLAY, browser_offer(v.client), NULL, "cam", "2001:db8:0:1::1");
	assert_non_null(other->peer);
	owner_close(f, other);
	/* Whoever is gone leaves room. */
	for (int i = 0; i <= MOST; i++)
		owner_close(f, o[i]);
	await_peers(f, 0);
	o[0] = owner_open_for(f, SG_PLAY, browser_offer(v.client), NULL, "cam", "2001:db8::2");
	assert_non_null(o[0]->peer);
	owner_close(f, o[0]);
	browser_close(v.client, false);
	sg_publisher_close(s.pub, true);
	fixture_close(f);
}

static int connect_tcp(struct fixture *f)
{
	const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)f->port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Connections on which nothing comes are cheap to make, and last for seconds. */
static void connections_that_prove_nothing_leave_room_for_those_that_do(void **state)
{
	enum { MANY = 500 };
	struct fixture *f = fixture_open("", "127.0.0.1:0", 10);
	struct source s = source_open(f);
	struct viewer v;
	int fds[MANY];

	(void)state;
	source_step(&s);
	viewer_open_by(&v, f, true);
	struct owner *o = owner_open(f, SG_PLAY, browser_offer(v.client), NULL);
	assert_true(owner_wait(o, &o->described, 1));
	for (int i = 0; i < MANY; i++)
		fds[i] = connect_tcp(f);
	assert_int_equal(browser_answer(v.client, sg_str_from(o->sdp)), SG_OK);
	int64_t until = sg_mono_ms() + 3000; /* the others' time is not over yet */
	while (!v.pictures && sg_mono_ms() < until)
		client_step(v.client, &s);
	assert_true(v.pictures);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	all_leave(f, &v, o, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_unfinished_of_one_network_are_counted_together),
		cmocka_unit_test(connections_that_prove_nothing_leave_room_for_those_that_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
