/* The gate: INTERFACE.md's rules as claims. */
#include "gate_fixture.h"
#include <sqlite3.h>

/* ---- the claims ---- */

static void without_the_switch_no_token_is_needed_and_none_is_spent(void **state)
{
	struct fixture *f = begin("");
	struct made m = make(f, "cam", SG_PLAY);
	struct attempt a;

	(void)state;
	assert_verdict(enter(f, &a, SG_PLAY, NULL), SG_ADMITTED);
	leave(&a);
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	leave(&a);
	assert_int_equal(uses_of(f, m.id), 0);
	finish(f);
}

static void every_refusal_has_its_reason_and_spends_nothing(void **state)
{
	struct fixture *f = begin(ON);
	int64_t now = sg_wall_s();
	struct made good = make(f, "cam", SG_PLAY), other = make(f, "dog", SG_PLAY),
		    publish = make(f, "cam", SG_PUBLISH), revoked = make(f, "cam", SG_PLAY),
		    expired = make_until(f, "cam", SG_PLAY, 1, 0, now - 1),
		    now_expired = make_until(f, "cam", SG_PLAY, 1, 0, now);
	size_t n;
	struct attempt a;

	(void)state;
	assert_int_equal(sg_store_token_revoke(f->store, revoked.id, false, now, &n), SG_OK);
	const struct {
		const char *token;
		enum sg_reason want;
	} rows[] = {
	    {NULL, SG_MISSING_TOKEN},
	    {"", SG_MISSING_TOKEN},
	    {"x", SG_UNKNOWN_TOKEN},
	    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SG_UNKNOWN_TOKEN},
	    {other.text, SG_WRONG_STREAM},
	    {publish.text, SG_WRONG_TYPE},
	    {revoked.text, SG_REVOKED},
	    {expired.text, SG_EXPIRED},
	    {now_expired.text, SG_EXPIRED},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_verdict(admit(f, &a, SG_PLAY, "cam", rows[i].token), rows[i].want);
		leave(&a);
	}
	f->live = false;
	assert_verdict(admit(f, &a, SG_PLAY, "cam", good.text), SG_STREAM_NOT_LIVE);
	leave(&a);
	f->live = true;
	assert_int_equal(uses_of(f, good.id), 0);
	assert_verdict(enter(f, &a, SG_PLAY, good.text), SG_ADMITTED);
	leave(&a);
	assert_int_equal(uses_of(f, good.id), 1);
	assert_verdict(admit(f, &a, SG_PLAY, "cam", good.text), SG_USED);
	leave(&a);
	finish(f);
}

static void a_wrong_secret_is_an_unknown_token(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	struct attempt a;

	(void)state;
	m.text[31] = m.text[31] == 'A' ? 'B' : 'A';
	assert_verdict(admit(f, &a, SG_PLAY, "cam", m.text), SG_UNKNOWN_TOKEN);
	leave(&a);
	finish(f);
}

static void a_hold_keeps_others_out_and_is_free_again_when_it_fails(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	struct attempt a, b;

	(void)state;
	assert_verdict(admit(f, &a, SG_PLAY, "cam", m.text), SG_ADMITTED);
	assert_verdict(admit(f, &b, SG_PLAY, "cam", m.text), SG_USED);
	leave(&b);
	leave(&a);
	assert_int_equal(uses_of(f, m.id), 0);
	assert_verdict(enter(f, &b, SG_PLAY, m.text), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 1);
	leave(&b);
	finish(f);
}

static void a_use_is_in_the_store_before_commit_is_answered(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make_until(f, "cam", SG_PLAY, 2, 0, sg_wall_s() + 60);
	struct attempt a, b, c;

	(void)state;
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 1);
	assert_verdict(enter(f, &b, SG_PLAY, m.text), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 2);
	assert_verdict(enter(f, &c, SG_PLAY, m.text), SG_USED);
	leave(&a), leave(&b), leave(&c);
	finish(f);
}

static void one_publisher_at_a_time(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PUBLISH), n = make(f, "cam", SG_PUBLISH);
	struct attempt a, b;

	(void)state;
	f->live = false; /* publishing needs no live stream */
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_ADMITTED);
	assert_verdict(admit(f, &b, SG_PUBLISH, "cam", n.text), SG_ALREADY_PUBLISHING);
	leave(&b);
	assert_verdict(commit(f, &a), SG_ADMITTED);
	assert_verdict(admit(f, &b, SG_PUBLISH, "cam", n.text), SG_ALREADY_PUBLISHING);
	leave(&b);
	leave(&a);
	assert_verdict(enter(f, &b, SG_PUBLISH, n.text), SG_ADMITTED);
	leave(&b);
	finish(f);
}

static void revoking_between_hold_and_commit_refuses(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	struct attempt a;
	size_t n;

	(void)state;
	assert_verdict(admit(f, &a, SG_PLAY, "cam", m.text), SG_ADMITTED);
	assert_int_equal(sg_store_token_revoke(f->store, m.id, true, sg_wall_s(), &n), SG_OK);
	assert_verdict(commit(f, &a), SG_REVOKED);
	leave(&a);
	assert_int_equal(uses_of(f, m.id), 0);
	finish(f);
}

static void revoking_elsewhere_ends_the_session_within_a_second(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY), kept = make(f, "cam", SG_PLAY);
	struct attempt a, b;
	size_t n;

	(void)state;
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	assert_verdict(enter(f, &b, SG_PLAY, kept.text), SG_ADMITTED);
	int64_t before = sg_mono_ms();
	assert_int_equal(sg_store_token_revoke(f->store, kept.id, true, sg_wall_s(), &n), SG_OK);
	assert_int_equal(sg_store_token_revoke(f->store, m.id, false, sg_wall_s(), &n), SG_OK);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_REVOKED);
	assert_true(sg_mono_ms() - before < 1000);
	assert_int_equal(b.kicked, -1);
	leave(&a), leave(&b);
	finish(f);
}

static void revoking_a_stream_ends_its_tokens_sessions_only(void **state)
{
	struct fixture *f = begin("play_token = off\n");
	struct made m = make(f, "cam", SG_PLAY);
	struct sg_setting on = {"live", "", "play_token", "on"};
	struct attempt open, tokened;
	size_t n;

	(void)state;
	assert_verdict(enter(f, &open, SG_PLAY, NULL), SG_ADMITTED);
	assert_int_equal(sg_store_setting_set(f->store, &on, sg_wall_s()), SG_OK);
	for (int i = 0; !sg_gate_needs_token(f->gate, LIVE, CAM, SG_PLAY); i++) {
		assert_true(i < 100);
		usleep(10000);
	}
	assert_verdict(enter(f, &tokened, SG_PLAY, m.text), SG_ADMITTED);
	assert_int_equal(
	    sg_store_token_revoke_stream(f->store, LIVE, CAM, 0, false, sg_wall_s(), &n), SG_OK);
	assert_int_equal(n, 1);
	assert_int_equal(wait_for(f, &tokened.kicked), SG_BYE_REVOKED);
	assert_int_equal(open.kicked, -1);
	leave(&open), leave(&tokened);
	finish(f);
}

static void switches_act_at_once_and_a_stream_overrides_its_application(void **state)
{
	struct fixture *f = begin("");
	struct sg_setting on = {"live", "", "play_token", "on"},
			  off = {"live", "cam", "play_token", "off"};
	struct attempt a;

	(void)state;
	assert_int_equal(sg_store_setting_set(f->store, &on, sg_wall_s()), SG_OK);
	sg_gate_poke(f->gate);
	usleep(100000);
	assert_verdict(admit(f, &a, SG_PLAY, "cam", NULL), SG_MISSING_TOKEN);
	leave(&a);
	assert_int_equal(sg_store_setting_set(f->store, &off, sg_wall_s()), SG_OK);
	sg_gate_poke(f->gate);
	usleep(100000);
	assert_verdict(enter(f, &a, SG_PLAY, NULL), SG_ADMITTED);
	leave(&a);
	assert_verdict(admit(f, &a, SG_PLAY, "dog", NULL), SG_MISSING_TOKEN);
	leave(&a);
	finish(f);
}

static void an_unknown_application_is_closed(void **state)
{
	struct fixture *f = begin("");
	struct sg_request req = {.protocol = "rtmp",
	    .app = SG_STR("nope"),
	    .stream = CAM,
	    .type = SG_PLAY,
	    .peer = addr("192.0.2.1")};
	struct attempt a = {.admitted = -1};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, on_committed, on_kicked, &a};

	(void)state;
	a.s = sg_gate_admit(f->gate, &req, &client);
	assert_verdict(wait_for(f, &a.admitted), SG_MISSING_TOKEN);
	leave(&a);
	req.app = SG_STR("../etc");
	a.admitted = -1;
	a.s = sg_gate_admit(f->gate, &req, &client);
	assert_verdict(wait_for(f, &a.admitted), SG_MISSING_TOKEN);
	leave(&a);
	finish(f);
}

static void expiry_closes_the_door_but_not_the_room(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make_until(f, "cam", SG_PLAY, 2, 0, sg_wall_s() + 1);
	struct attempt a, b;

	(void)state;
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	usleep(2300000);
	assert_verdict(admit(f, &b, SG_PLAY, "cam", m.text), SG_EXPIRED);
	while (pump_one(&f->pump, 0))
		;
	assert_int_equal(a.kicked, -1);
	leave(&a), leave(&b);
	finish(f);
}

static void expiry_empties_the_room_where_the_application_says_so(void **state)
{
	struct fixture *f = begin(ON "expiry_ends_session = on\n");
	struct made m = make_until(f, "cam", SG_PLAY, 1, 0, sg_wall_s() + 1);
	struct attempt a;

	(void)state;
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_EXPIRED);
	leave(&a);
	finish(f);
}

/* ---- detached sessions ---- */

static void detach(
    struct fixture *f, const char *token, const char *agent, char sid[SG_SID_TEXT_SIZE])
{
	struct attempt a = {.admitted = -1, .committed = -1, .kicked = -1};
	struct sg_request req = {.protocol = "hls",
	    .app = LIVE,
	    .stream = CAM,
	    .type = SG_PLAY,
	    .token = sg_str_from(token),
	    .peer = addr("192.0.2.1"),
	    .user_agent = sg_str_from(agent),
	    .at_once = true};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, NULL, on_kicked, &a};

	a.s = sg_gate_admit(f->gate, &req, &client);
	assert_non_null(a.s);
	assert_verdict(wait_for(f, &a.admitted), SG_ADMITTED);
	sg_gate_detach(a.s, sid);
}

static int come_back(
    struct fixture *f, const char *sid, const char *stream, const char *peer, const char *agent)
{
	struct sg_reentry re = {.sid = sg_str_from(sid),
	    .app = LIVE,
	    .stream = sg_str_from(stream),
	    .protocol = "hls",
	    .peer = addr(peer),
	    .user_agent = sg_str_from(agent)};
	struct sg_attachment at = {0};
	enum sg_reason r = sg_gate_enter(f->gate, &re, &at);

	sg_gate_leave(f->gate, &at);
	return (int)r;
}

static void a_session_id_opens_one_stream_only(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	char sid[SG_SID_TEXT_SIZE];

	(void)state;
	detach(f, m.text, "vlc", sid);
	assert_int_equal(strlen(sid), 22);
	assert_verdict(come_back(f, sid, "cam", "192.0.2.1", "vlc"), SG_ADMITTED);
	assert_verdict(come_back(f, sid, "dog", "192.0.2.1", "vlc"), SG_UNKNOWN_TOKEN);
	assert_verdict(
	    come_back(f, "AAAAAAAAAAAAAAAAAAAAAA", "cam", "192.0.2.1", "vlc"), SG_UNKNOWN_TOKEN);
	assert_verdict(come_back(f, "", "cam", "192.0.2.1", "vlc"), SG_UNKNOWN_TOKEN);
	finish(f);
}

static void a_session_follows_its_viewer_but_is_not_shared(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY), n = make(f, "cam", SG_PLAY);
	char sid[SG_SID_TEXT_SIZE];

	(void)state;
	detach(f, m.text, "vlc", sid);
	assert_verdict(
	    come_back(f, sid, "cam", "2001:db8::1", "vlc"), SG_ADMITTED); /* same place */
	assert_verdict(come_back(f, sid, "cam", "192.0.2.1", "vlc"), SG_ADMITTED);
	assert_verdict(come_back(f, sid, "cam", "198.51.100.7", "vlc"), SG_ADMITTED); /* moved */
	assert_verdict(come_back(f, sid, "cam", "198.51.100.7", "vlc"), SG_ADMITTED);
	assert_verdict(come_back(f, sid, "cam", "192.0.2.1", "vlc"), SG_SHARED); /* in two places */
	assert_verdict(come_back(f, sid, "cam", "198.51.100.7", "vlc"), SG_UNKNOWN_TOKEN);

	detach(f, n.text, "vlc", sid);
	assert_verdict(come_back(f, sid, "cam", "192.0.2.1", "mpv"), SG_ADMITTED);
	assert_verdict(come_back(f, sid, "cam", "192.0.2.1", "vlc"), SG_SHARED);
	finish(f);
}

static void strict_keeps_the_first_place_and_off_asks_nothing(void **state)
{
	struct fixture *f = begin(ON "session_lock = strict\n");
	struct made m = make(f, "cam", SG_PLAY);
	char sid[SG_SID_TEXT_SIZE];

	(void)state;
	detach(f, m.text, "vlc", sid);
	assert_verdict(come_back(f, sid, "cam", "198.51.100.7", "vlc"), SG_SHARED);
	assert_verdict(come_back(f, sid, "cam", "192.0.2.1", "vlc"), SG_ADMITTED);
	finish(f);

	f = begin(ON "session_lock = off\n");
	m = make(f, "cam", SG_PLAY);
	detach(f, m.text, "vlc", sid);
	for (int i = 0; i < 3; i++) {
		assert_verdict(come_back(f, sid, "cam", "198.51.100.7", "mpv"), SG_ADMITTED);
		assert_verdict(come_back(f, sid, "cam", "192.0.2.1", "vlc"), SG_ADMITTED);
	}
	finish(f);
}

static atomic_int cut;
static void on_cut(struct sg_attachment *at)
{
	(void)at;
	cut++;
}

static void revoking_ends_a_detached_session_and_cuts_what_is_under_way(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	char sid[SG_SID_TEXT_SIZE];
	struct sg_attachment at = {.kicked = on_cut};
	size_t n;

	(void)state;
	cut = 0;
	detach(f, m.text, "vlc", sid);
	struct sg_reentry re = {.sid = sg_str_from(sid),
	    .app = LIVE,
	    .stream = CAM,
	    .protocol = "hls",
	    .peer = addr("192.0.2.1"),
	    .user_agent = SG_STR("vlc")};
	assert_verdict(sg_gate_enter(f->gate, &re, &at), SG_ADMITTED);
	assert_int_equal(sg_store_token_revoke(f->store, m.id, false, sg_wall_s(), &n), SG_OK);
	for (int i = 0; i < 100 && !cut; i++)
		usleep(10000);
	assert_int_equal(cut, 1);
	sg_gate_leave(f->gate, &at);
	assert_verdict(come_back(f, sid, "cam", "192.0.2.1", "vlc"), SG_UNKNOWN_TOKEN);
	finish(f);
}

static void a_recording_belongs_to_its_catalogued_stream_or_its_stem(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	struct sg_recording odd = {.app = "live", .name = "odd.mp4", .stream = "cam", .created_at = 1};
	const struct {
		const char *name;
		enum sg_reason want;
	} rows[] = {{"cam_2.mp4", SG_WRONG_STREAM}, {"cam.mp4x", SG_WRONG_STREAM},
	    {"../cam.mp4", SG_WRONG_STREAM}, {"odd.mp4", SG_ADMITTED}, {"cam.mp4", SG_USED}};

	(void)state;
	assert_int_equal(sg_store_recording_add(f->store, &odd), SG_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct attempt a = {.admitted = -1};
		struct sg_request req = {.protocol = "mp4",
		    .app = LIVE,
		    .recording = sg_str_from(rows[i].name),
		    .type = SG_PLAY,
		    .token = sg_str_from(m.text),
		    .peer = addr("192.0.2.1"),
		    .at_once = true};
		struct sg_gate_client client = {&f->pump.ex, on_admitted, NULL, on_kicked, &a};
		a.s = sg_gate_admit(f->gate, &req, &client);
		assert_verdict(wait_for(f, &a.admitted), rows[i].want);
		leave(&a);
	}
	finish(f);
}

static void a_recording_whose_stream_cannot_be_read_is_overload(void **state)
{
	struct fixture *f = begin("publish_token = off\nplay_token = off\n");
	struct sg_request req = {.protocol = "mp4", .app = LIVE, .recording = SG_STR("cam.mp4"),
	    .type = SG_PLAY, .peer = addr("192.0.2.1")};
	struct attempt a = {.admitted = -1};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, on_committed, on_kicked, &a};
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(f->url + strlen("sqlite:"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE recording", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	a.s = sg_gate_admit(f->gate, &req, &client);
	assert_verdict(wait_for(f, &a.admitted), SG_OVERLOAD);
	leave(&a);
	finish(f);
}

static void sessions_are_listed_in_their_order_from_anywhere(void **state)
{
	struct fixture *f = begin("publish_token = off\nplay_token = off\n");
	enum { COUNT = 40 };
	struct attempt a[COUNT];
	struct sg_session_info all[COUNT + 1], some[COUNT];

	(void)state;
	for (int i = 0; i < COUNT; i++)
		assert_verdict(enter(f, &a[i], SG_PLAY, NULL), SG_ADMITTED);
	assert_int_equal(sg_gate_sessions(f->gate, 0, all, COUNT + 1), COUNT);
	for (int i = 1; i < COUNT; i++)
		assert_true(all[i].id > all[i - 1].id);
	assert_int_equal(sg_gate_sessions(f->gate, all[9].id, some, 5), 5);
	assert_int_equal(some[0].id, all[10].id);
	leave(&a[9]); /* where the last page ended nobody is any more */
	leave(&a[10]);
	assert_int_equal(sg_gate_sessions(f->gate, all[9].id, some, COUNT), COUNT - 11);
	assert_int_equal(some[0].id, all[11].id);
	for (int i = 0; i < COUNT; i++)
		if (i != 9 && i != 10)
			leave(&a[i]);
	finish(f);
}

/* ---- administrators ---- */

static void an_administrator_looks_without_a_token_and_stays_out_of_the_switches_way(void **state)
{
	struct fixture *f = begin(ON);
	struct attempt a = {.admitted = -1, .kicked = -1};
	struct sg_request req = {.protocol = "preview",
	    .app = LIVE,
	    .stream = CAM,
	    .type = SG_PLAY,
	    .peer = addr("192.0.2.1"),
	    .at_once = true,
	    .by_admin = true};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, NULL, on_kicked, &a};
	struct sg_session_info info;

	(void)state;
	a.s = sg_gate_admit(f->gate, &req, &client);
	assert_verdict(wait_for(f, &a.admitted), SG_ADMITTED);
	assert_int_equal(sg_gate_sessions(f->gate, 0, &info, 1), 1);
	assert_true(info.by_admin);
	const struct sg_end_filter tokenless = {.app = LIVE, .without_token = true},
				   all = {.app = LIVE};
	assert_int_equal(sg_gate_end_sessions(f->gate, &tokenless, SG_BYE_KICKED), 0);
	assert_int_equal(sg_gate_end_sessions(f->gate, &all, SG_BYE_KICKED), 1);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_KICKED);
	leave(&a);
	/* What is not there is not there for an administrator either. */
	f->live = false;
	a = (struct attempt){.admitted = -1};
	a.s = sg_gate_admit(f->gate, &req, &client);
	assert_verdict(wait_for(f, &a.admitted), SG_STREAM_NOT_LIVE);
	leave(&a);
	finish(f);
}

/* ---- the rest ---- */

static void guessing_costs_an_address_its_attempts_and_nobody_elses(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	struct attempt a;
	int verdict = SG_UNKNOWN_TOKEN, tries = 0;

	(void)state;
	while (verdict == SG_UNKNOWN_TOKEN && tries++ < 300) {
		verdict = admit_from(
		    f, &a, SG_PLAY, "cam", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "203.0.113.5");
		leave(&a);
	}
	assert_verdict(verdict, SG_TOO_MANY_ATTEMPTS);
	assert_in_range(tries, 100, 130);
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	leave(&a);
	finish(f);
}

static void the_audit_tells_every_verdict(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make(f, "cam", SG_PLAY);
	struct sg_audit rows[8];
	struct sg_audit_filter any = {0};
	struct attempt a;
	size_t n = 0;

	(void)state;
	assert_verdict(enter(f, &a, SG_PLAY, m.text), SG_ADMITTED);
	leave(&a);
	assert_verdict(admit(f, &a, SG_PLAY, "cam", m.text), SG_USED);
	leave(&a);
	for (int i = 0; i < 100 && n < 3; i++) {
		assert_int_equal(sg_store_audit_list(f->store, &any, 0, 0, rows, 8, &n), SG_OK);
		usleep(10000);
	}
	assert_int_equal(n, 3);
	assert_string_equal(rows[2].event, "admitted");
	assert_string_equal(rows[1].event, "ended");
	assert_string_equal(rows[1].reason, "closed");
	assert_string_equal(rows[0].event, "refused");
	assert_string_equal(rows[0].reason, "used");
	assert_int_equal(rows[0].token_id, m.id);
	assert_string_equal(rows[0].address, "192.0.2.1");
	finish(f);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_the_switch_no_token_is_needed_and_none_is_spent),
	    cmocka_unit_test(every_refusal_has_its_reason_and_spends_nothing),
	    cmocka_unit_test(a_wrong_secret_is_an_unknown_token),
	    cmocka_unit_test(a_hold_keeps_others_out_and_is_free_again_when_it_fails),
	    cmocka_unit_test(a_use_is_in_the_store_before_commit_is_answered),
	    cmocka_unit_test(one_publisher_at_a_time),
	    cmocka_unit_test(revoking_between_hold_and_commit_refuses),
	    cmocka_unit_test(revoking_elsewhere_ends_the_session_within_a_second),
	    cmocka_unit_test(revoking_a_stream_ends_its_tokens_sessions_only),
	    cmocka_unit_test(switches_act_at_once_and_a_stream_overrides_its_application),
	    cmocka_unit_test(an_unknown_application_is_closed),
	    cmocka_unit_test(expiry_closes_the_door_but_not_the_room),
	    cmocka_unit_test(expiry_empties_the_room_where_the_application_says_so),
	    cmocka_unit_test(a_session_id_opens_one_stream_only),
	    cmocka_unit_test(a_session_follows_its_viewer_but_is_not_shared),
	    cmocka_unit_test(strict_keeps_the_first_place_and_off_asks_nothing),
	    cmocka_unit_test(revoking_ends_a_detached_session_and_cuts_what_is_under_way),
	    cmocka_unit_test(a_recording_belongs_to_its_catalogued_stream_or_its_stem),
	    cmocka_unit_test(a_recording_whose_stream_cannot_be_read_is_overload),
	    cmocka_unit_test(sessions_are_listed_in_their_order_from_anywhere),
	    cmocka_unit_test(
		an_administrator_looks_without_a_token_and_stays_out_of_the_switches_way),
	    cmocka_unit_test(guessing_costs_an_address_its_attempts_and_nobody_elses),
	    cmocka_unit_test(the_audit_tells_every_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
