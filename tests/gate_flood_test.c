/* What many attempts that cost nothing may take: of the audit, of its queue, of the sessions. */
#include "gate_fixture.h"
#include "gate/gate_internal.h"

#define ROWS_MAX 8192

struct told {
	size_t rows, left_out;
};

/* How many rows there are, and how many more those tell of. */
static struct told audit_of(struct fixture *f, const char *event, const char *reason)
{
	struct sg_audit *rows = calloc(ROWS_MAX, sizeof(*rows));
	struct sg_audit_filter filter = {.event = sg_str_from(event), .reason = sg_str_from(reason)};
	struct told told = {0};

	assert_non_null(rows);
	assert_int_equal(sg_store_audit_list(f->store, &filter, 0, 0, rows, ROWS_MAX, &told.rows), SG_OK);
	for (size_t i = 0; i < told.rows; i++) {
		const char *at = strstr(rows[i].detail, " more not written");
		while (at && at > rows[i].detail && at[-1] >= '0' && at[-1] <= '9')
			at--;
		told.left_out += at ? strtoul(at, NULL, 10) : 0;
	}
	free(rows);
	return told;
}

/* Once they tell of so many in all. */
static struct told await_audit(struct fixture *f, const char *event, const char *reason, size_t all)
{
	struct told told = {0};

	for (int i = 0; i < 1000 && told.rows + told.left_out < all; i++) {
		usleep(10000);
		told = audit_of(f, event, reason);
	}
	assert_int_equal(told.rows + told.left_out, all);
	return told;
}

static uint64_t verdicts(struct fixture *f, enum sg_reason reason)
{
	struct sg_gate_stats stats;

	sg_gate_get_stats(f->gate, &stats);
	return stats.protocols[0].verdicts[SG_PLAY][reason];
}

static void knock(struct fixture *f, const char *token, const char *peer, enum sg_reason want)
{
	struct attempt a;

	assert_verdict(admit_from(f, &a, SG_PLAY, "cam", token, peer), want);
	leave(&a);
}

/* ---- the audit ---- */

static void who_comes_without_a_token_again_and_again_has_few_rows_which_tell_of_all(void **state)
{
	struct fixture *f = begin(ON);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		knock(f, "", "2001:db8::1", SG_MISSING_TOKEN);
		knock(f, "", "2001:db8::2", SG_MISSING_TOKEN); /* the same /64 */
	}
	knock(f, "", "192.0.2.1", SG_MISSING_TOKEN);
	struct told told = await_audit(f, "refused", "missing_token", 2001);
	assert_in_range(told.rows, 102, 250);
	assert_int_equal(verdicts(f, SG_MISSING_TOKEN), 2001);
	finish(f);
}

static void a_stream_that_is_not_there_is_told_as_seldom(void **state)
{
	struct fixture *f = begin("");

	(void)state;
	f->live = false;
	for (int i = 0; i < 1000; i++)
		knock(f, "", "203.0.113.5", SG_STREAM_NOT_LIVE);
	struct told told = await_audit(f, "refused", "stream_not_live", 1000);
	assert_in_range(told.rows, 100, 250);
	finish(f);
}

static void sessions_without_a_token_have_both_their_rows_or_none(void **state)
{
	struct fixture *f = begin("");
	struct attempt a;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		start(f, &a, SG_PLAY, "cam", "", "203.0.113.5", true);
		assert_verdict(wait_for(f, &a.admitted), SG_ADMITTED);
		leave(&a);
	}
	struct told in = await_audit(f, "admitted", "", 1000), out = audit_of(f, "ended", "closed");
	assert_in_range(in.rows, 100, 250);
	assert_in_range(out.rows, 100, in.rows);
	assert_int_equal(verdicts(f, SG_ADMITTED), 1000);
	finish(f);
}

static void attempts_with_a_token_are_all_told(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY), other = make(f, "cam", SG_PLAY);
	struct attempt a;

	(void)state;
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	leave(&a);
	for (int i = 0; i < 300; i++)
		knock(f, "", "203.0.113.5", SG_MISSING_TOKEN);
	for (int i = 0; i < 300; i++)
		knock(f, m.text, "203.0.113.5", SG_USED);
	f->live = false;
	for (int i = 0; i < 300; i++)
		knock(f, other.text, "203.0.113.5", SG_STREAM_NOT_LIVE);
	assert_int_equal(await_audit(f, "refused", "used", 300).rows, 300);
	assert_int_equal(await_audit(f, "refused", "stream_not_live", 300).rows, 300);
	finish(f);
}

static void who_tries_anothers_session_is_told_though_the_viewer_stays(void **state)
{
	struct fixture *f = begin(ON "session_lock = strict\n");
	struct made m = make(f, "cam", SG_PLAY);
	struct attempt a;
	char sid[SG_SID_TEXT_SIZE];
	struct sg_audit row;
	struct sg_audit_filter filter = {.token_id = m.id, .event = SG_STR("refused")};
	struct sg_attachment at = {0};
	size_t n;

	(void)state;
	start(f, &a, SG_PLAY, "cam", m.text, "192.0.2.1", true);
	assert_verdict(wait_for(f, &a.admitted), SG_ADMITTED);
	sg_gate_detach(a.s, sid);
	struct sg_reentry re = {.sid = sg_str_from(sid), .app = LIVE, .stream = CAM, .protocol = "hls",
	    .peer = addr("203.0.113.5")};
	for (int i = 0; i < 1000; i++)
		assert_verdict(sg_gate_enter(f->gate, &re, &at), SG_SHARED);
	assert_in_range(await_audit(f, "refused", "shared", 1000).rows, 100, 250);
	assert_int_equal(sg_store_audit_list(f->store, &filter, 0, 0, &row, 1, &n), SG_OK);
	assert_int_equal(n, 1);
	assert_string_equal(row.address, "203.0.113.5");
	assert_string_equal(row.protocol, "hls");
	assert_string_equal(row.stream, "cam");
	re.peer = addr("192.0.2.1");
	assert_verdict(sg_gate_enter(f->gate, &re, &at), SG_ADMITTED);
	sg_gate_leave(f->gate, &at);
	finish(f);
}

/* ---- its queue ---- */

static pthread_mutex_t gate_waits = PTHREAD_MUTEX_INITIALIZER;

static void on_row(void *user, const struct sg_audit *row)
{
	(void)row;
	atomic_store((atomic_bool *)user, true);
	pthread_mutex_lock(&gate_waits);
	pthread_mutex_unlock(&gate_waits);
}

static uint64_t dropped(struct fixture *f)
{
	struct sg_gate_stats stats;

	sg_gate_get_stats(f->gate, &stats);
	return stats.audit_dropped;
}

static void a_full_queue_has_room_for_tokens_and_administrators(void **state)
{
	struct fixture *f = begin(ON);
	struct sg_audit row = {.event = "refused", .reason = "missing_token"},
			used = {.event = "refused", .reason = "used", .token_id = 1},
			act = {.event = "setting"};
	atomic_bool waits = false;

	(void)state;
	sg_gate_on_audit(f->gate, on_row, &waits);
	pthread_mutex_lock(&gate_waits);
	sg_gate_audit(f->gate, &act);
	while (!waits)
		usleep(1000);
	for (int i = 0; i < SG_GATE_AUDIT_QUEUE_MAX; i++)
		sg_gate_audit_push(f->gate, &row);
	uint64_t before = dropped(f);
	for (int i = 0; i < 1000; i++) {
		sg_gate_audit_push(f->gate, &used);
		sg_gate_audit(f->gate, &act);
	}
	assert_int_equal(dropped(f), before);
	pthread_mutex_unlock(&gate_waits);
	sg_gate_on_audit(f->gate, NULL, NULL);
	assert_int_equal(await_audit(f, "setting", "", 1001).rows, 1001);
	finish(f);
}

/* ---- the table of sessions ---- */

static int arrive(struct fixture *f, const char *peer)
{
	struct attempt a;
	char sid[SG_SID_TEXT_SIZE];

	start(f, &a, SG_PLAY, "cam", "", peer, true);
	int verdict = wait_for(f, &a.admitted);
	if (verdict == SG_ADMITTED)
		sg_gate_detach(a.s, sid);
	else
		leave(&a);
	return verdict;
}

static size_t show_out(struct fixture *f)
{
	const struct sg_end_filter all = {.app = LIVE};

	return sg_gate_end_sessions(f->gate, &all, SG_BYE_KICKED);
}

static void a_network_has_so_many_sessions_that_need_no_token(void **state)
{
	struct fixture *f = begin("publish_token = on\n");
	struct made m = make(f, "cam", SG_PUBLISH);
	struct attempt a;

	(void)state;
	for (int i = 0; i < SG_GATE_NETWORK_MAX; i++)
		assert_verdict(arrive(f, i % 2 ? "2001:db8::1" : "2001:db8::2"), SG_ADMITTED);
	assert_verdict(arrive(f, "2001:db8::3"), SG_OVERLOAD);
	assert_verdict(arrive(f, "2001:db8:0:1::3"), SG_ADMITTED);
	assert_verdict(
	    admit_from(f, &a, SG_PUBLISH, "cam", m.text, "2001:db8::3"), SG_ADMITTED);
	leave(&a);
	assert_int_equal(show_out(f), SG_GATE_NETWORK_MAX + 1);
	assert_null(f->gate->networks);
	assert_verdict(arrive(f, "2001:db8::3"), SG_ADMITTED);
	finish(f);
}

static void a_proxy_stands_for_many(void **state)
{
	struct fixture *f = begin("[admin]\ntrusted_proxies = 198.51.100.0/24\n");

	(void)state;
	for (int i = 0; i <= SG_GATE_NETWORK_MAX; i++) {
		assert_verdict(arrive(f, "127.0.0.1"), SG_ADMITTED);
		assert_verdict(arrive(f, "198.51.100.7"), SG_ADMITTED);
	}
	finish(f);
}

static void a_quarter_of_the_sessions_is_for_tokens(void **state)
{
	struct fixture *f = begin("publish_token = on\n");
	struct made m = make(f, "cam", SG_PUBLISH);
	struct sg_gate_stats *stats = &f->gate->stats;
	struct attempt a;

	(void)state;
	pthread_mutex_lock(&f->gate->lock);
	stats->tokenless = SG_GATE_TOKENLESS_MAX - 1;
	pthread_mutex_unlock(&f->gate->lock);
	assert_verdict(arrive(f, "192.0.2.1"), SG_ADMITTED);
	assert_verdict(arrive(f, "192.0.2.2"), SG_OVERLOAD);
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	leave(&a);
	assert_int_equal(show_out(f), 1);
	assert_verdict(arrive(f, "192.0.2.2"), SG_ADMITTED);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_comes_without_a_token_again_and_again_has_few_rows_which_tell_of_all),
	    cmocka_unit_test(a_stream_that_is_not_there_is_told_as_seldom),
	    cmocka_unit_test(sessions_without_a_token_have_both_their_rows_or_none),
	    cmocka_unit_test(attempts_with_a_token_are_all_told),
	    cmocka_unit_test(who_tries_anothers_session_is_told_though_the_viewer_stays),
	    cmocka_unit_test(a_full_queue_has_room_for_tokens_and_administrators),
	    cmocka_unit_test(a_network_has_so_many_sessions_that_need_no_token),
	    cmocka_unit_test(a_proxy_stands_for_many),
	    cmocka_unit_test(a_quarter_of_the_sessions_is_for_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
