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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_unfinished_of_one_network_are_counted_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
