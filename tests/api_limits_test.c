/* What calls and failures cost, which names and pages are ours, and how long a session lasts: without a
 * server, at any time of day. */
#include "api/api_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct sg_addr address(const char *text)
{
	struct sg_addr a;

	assert_true(sg_addr_parse(sg_str_from(text), &a));
	return a;
}

/* ---- calls ---- */

static void a_caller_has_a_burst_and_then_a_rate(void **state)
{
	struct api_rates *r = calloc(1, sizeof(*r));

	(void)state;
	pthread_mutex_init(&r->lock, NULL);
	r->per_s = 50;
	r->burst = 200;
	for (int i = 0; i < 200; i++)
		assert_int_equal(api_rate_take(r, "a", 1000), 0);
	assert_int_equal(api_rate_take(r, "a", 1000), 1);
	assert_int_equal(api_rate_take(r, "b", 1000), 0); /* another's is its own */
	for (int i = 0; i < 50; i++)
		assert_int_equal(api_rate_take(r, "a", 2000), 0);
	assert_int_equal(api_rate_take(r, "a", 2000), 1);
	for (int i = 0; i < 200; i++) /* a day's rest is worth a burst, not more */
		assert_int_equal(api_rate_take(r, "a", 86400000), 0);
	assert_int_equal(api_rate_take(r, "a", 86400000), 1);
	free(r);
}

static void callers_are_remembered_up_to_a_limit(void **state)
{
	struct api_rates *r = calloc(1, sizeof(*r));
	char who[16];

	(void)state;
	pthread_mutex_init(&r->lock, NULL);
	r->per_s = r->burst = 1;
	for (int i = 0; i < 3 * API_RATES_MAX; i++) {
		snprintf(who, sizeof(who), "k%d", i);
		assert_int_equal(api_rate_take(r, who, i), 0);
	}
	assert_int_equal(api_rates_count(r), API_RATES_MAX);
	assert_int_equal(api_rate_take(r, who, 3 * API_RATES_MAX - 1), 1); /* the newest is known */
	free(r);
}

/* ---- failed logins ---- */

static void failures_cost_an_address_more_and_more(void **state)
{
	static const unsigned waits[] = {0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60};
	struct api_costs *t = calloc(1, sizeof(*t));
	struct sg_addr a = address("192.0.2.1"), other = address("192.0.2.2");
	int64_t now_ms = 1000;

	(void)state;
	pthread_mutex_init(&t->lock, NULL);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		assert_int_equal(api_cost_begin(t, &a, now_ms), 0);
		assert_int_equal(api_cost_begin(t, &a, now_ms + 1) > 0, waits[i] > 0);
		if (!waits[i]) { /* that was a failure, too */
			api_cost_forgive(t, &a, false);
			continue;
		}
		assert_int_equal(api_cost_begin(t, &a, now_ms), waits[i]);
		now_ms += waits[i] * 1000;
	}
	assert_int_equal(api_cost_begin(t, &other, now_ms), 0);
	now_ms += API_COST_FORGET_MS + 1;
	assert_int_equal(api_cost_begin(t, &a, now_ms), 0);
	assert_int_equal(api_cost_begin(t, &a, now_ms), 0); /* forgotten */
	free(t);
}

static void many_at_once_cost_as_much_as_one_after_the_other(void **state)
{
	struct api_costs *t = calloc(1, sizeof(*t));
	struct sg_addr a = address("2001:db8::1"), neighbour = address("2001:db8::ffff:1");
	int through = 0;

	(void)state;
	pthread_mutex_init(&t->lock, NULL);
	for (int i = 0; i < 100; i++)
		through += api_cost_begin(t, i % 2 ? &a : &neighbour, 1000) == 0;
	assert_int_equal(through, 3); /* of a /64, before any of them is answered */
	api_cost_forgive(t, &a, true);
	assert_int_equal(api_cost_begin(t, &a, 1000), 0);
	free(t);
}

static void addresses_are_remembered_up_to_a_limit(void **state)
{
	struct api_costs *t = calloc(1, sizeof(*t));
	char text[32];

	(void)state;
	pthread_mutex_init(&t->lock, NULL);
	for (int i = 0; i < 3 * API_WRONG_ADDRESSES_MAX; i++) {
		snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
		struct sg_addr a = address(text);
		assert_int_equal(api_cost_begin(t, &a, i), 0);
	}
	assert_int_equal(api_costs_count(t), API_WRONG_ADDRESSES_MAX);
	free(t);
}

/* ---- sessions ---- */

static struct api_admins *admins_open(void)
{
	struct api_admins *a = calloc(1, sizeof(*a));

	pthread_mutex_init(&a->lock, NULL);
	return a;
}

static bool is_in(struct api_admins *a, const char *id, int64_t now_ms, bool touch)
{
	return api_admin_find(a, sg_str_from(id), now_ms, touch, NULL);
}

static void a_session_ends_when_idle_and_after_half_a_day(void **state)
{
	const int64_t minute = 60000;
	struct api_admins *a = admins_open();
	char id[API_ADMIN_ID_SIZE];
	int64_t t;

	(void)state;
	api_admin_new(a, "$y$1", 0, id);
	assert_true(is_in(a, id, 30 * minute - 1, false)); /* a look is no call */
	assert_false(is_in(a, id, 30 * minute, false));
	api_admin_new(a, "$y$1", 0, id);
	for (t = 0; t < 12 * 60 * minute; t += 29 * minute)
		assert_true(is_in(a, id, t, true));
	assert_false(is_in(a, id, 12 * 60 * minute, true));
	free(a);
}

static void ids_are_new_and_kept_nowhere(void **state)
{
	struct api_admins *a = admins_open();
	char one[API_ADMIN_ID_SIZE], other[API_ADMIN_ID_SIZE], bent[API_ADMIN_ID_SIZE];

	(void)state;
	api_admin_new(a, "$y$1", 0, one);
	api_admin_new(a, "$y$1", 0, other);
	assert_string_not_equal(one, other);
	assert_null(memmem(a, sizeof(*a), one, 20));
	memcpy(bent, one, sizeof(bent));
	bent[5] = bent[5] == 'A' ? 'B' : 'A';
	assert_false(is_in(a, bent, 1, false));
	assert_false(is_in(a, "", 1, false));
	assert_false(api_admin_find(a, (struct sg_str){one, 10}, 1, false, NULL));
	api_admin_end(a, sg_str_from(one));
	assert_false(is_in(a, one, 1, false));
	assert_true(is_in(a, other, 1, false));
	free(a);
}

static void the_quietest_session_gives_way(void **state)
{
	struct api_admins *a = admins_open();
	char ids[API_ADMINS_MAX + 1][API_ADMIN_ID_SIZE];

	(void)state;
	for (int i = 0; i < API_ADMINS_MAX; i++)
		api_admin_new(a, "$y$1", i, ids[i]);
	assert_true(is_in(a, ids[0], 1000, true));
	api_admin_new(a, "$y$1", 1001, ids[API_ADMINS_MAX]);
	assert_int_equal(a->count, API_ADMINS_MAX);
	assert_true(is_in(a, ids[0], 1002, false));
	assert_false(is_in(a, ids[1], 1002, false));
	assert_true(is_in(a, ids[API_ADMINS_MAX], 1002, false));
	free(a);
}

static void a_session_is_of_its_password(void **state)
{
	struct api_admins *a = admins_open();
	char id[API_ADMIN_ID_SIZE];
	struct api_admin row;

	(void)state;
	api_admin_new(a, "$y$1", 0, id);
	assert_true(api_admin_find(a, sg_str_from(id), 1, false, &row));
	assert_true(api_admin_is_of(a, &row, "$y$1"));
	assert_true(is_in(a, id, 1, false));
	assert_false(api_admin_is_of(a, &row, "$y$2"));
	assert_false(is_in(a, id, 1, false));
	free(a);
}

/* ---- names and pages ---- */

static void only_our_own_names_are_known(void **state)
{
	static const char *const ours[] = {"127.0.0.1", "127.0.0.1:5080", "[::1]:5080", "[2001:db8::1]",
	    "localhost", "LocalHost:80", "localhost.", "gate.example", "GATE.example:443"};
	static const char *const others[] = {"", ":80", "evil.example", "localhost.evil.example",
	    "127.0.0.1.evil.example", "gate.example.evil.example", "x.gate.example", "[::1", "[evil]",
	    "evil@127.0.0.1", "0x7f000001", "127.1"};

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!api_host_is_known(sg_str_from(ours[i]), "https://gate.example/"))
			fail_msg("%s", ours[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (api_host_is_known(sg_str_from(others[i]), "https://gate.example/"))
			fail_msg("%s", others[i]);
	assert_false(api_host_is_known(SG_STR("gate.example"), NULL));
	assert_false(api_host_is_known((struct sg_str){0}, NULL));
}

static void only_our_own_pages_are_ours(void **state)
{
	static const struct {
		const char *origin, *host;
		bool ours;
	} rows[] = {
	    {"http://127.0.0.1:5080", "127.0.0.1:5080", true},
	    {"https://localhost:5443", "localhost:5443", true},
	    {"http://127.0.0.1:5080/#sessions", "127.0.0.1:5080", true}, /* a Referer */
	    {"https://gate.example", "127.0.0.1:5080", true}, /* public_url, behind a proxy */
	    {"https://gate.example/x", "127.0.0.1:5080", true},
	    {"http://gate.example", "127.0.0.1:5080", false}, /* another scheme */
	    {"https://gate.example.evil.example", "127.0.0.1:5080", false},
	    {"http://127.0.0.1:5081", "127.0.0.1:5080", false}, /* another port */
	    {"http://127.0.0.1:50800", "127.0.0.1:5080", false},
	    {"http://127.0.0.1", "127.0.0.1:5080", false},
	    {"http://evil.example", "127.0.0.1:5080", false},
	    {"http://evil.example/http://127.0.0.1:5080", "127.0.0.1:5080", false},
	    {"null", "127.0.0.1:5080", false},
	    {"", "127.0.0.1:5080", false},
	    {"http://", "", false},
	    {"ftp://127.0.0.1:5080", "127.0.0.1:5080", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (api_origin_is_ours(sg_str_from(rows[i].origin), sg_str_from(rows[i].host),
			"https://gate.example/") != rows[i].ours)
			fail_msg("%s at %s", rows[i].origin, rows[i].host);
	assert_false(api_origin_is_ours(SG_STR(""), SG_STR("h"), NULL));
	assert_false(api_origin_is_ours((struct sg_str){0}, SG_STR("h"), NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_caller_has_a_burst_and_then_a_rate),
	    cmocka_unit_test(callers_are_remembered_up_to_a_limit),
	    cmocka_unit_test(failures_cost_an_address_more_and_more),
	    cmocka_unit_test(many_at_once_cost_as_much_as_one_after_the_other),
	    cmocka_unit_test(addresses_are_remembered_up_to_a_limit),
	    cmocka_unit_test(a_session_ends_when_idle_and_after_half_a_day),
	    cmocka_unit_test(ids_are_new_and_kept_nowhere),
	    cmocka_unit_test(the_quietest_session_gives_way),
	    cmocka_unit_test(a_session_is_of_its_password),
	    cmocka_unit_test(only_our_own_names_are_known),
	    cmocka_unit_test(only_our_own_pages_are_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
