/* The store's lists and records: pages of tokens, audit, settings, changes that others hear of,
 * API keys, recordings, kept values. */
#include "store_fixture.h"
#include <poll.h>
#include <sys/wait.h>

/* ---- lists of tokens ---- */

struct page {
	struct sg_token items[64];
	size_t count;
	bool more;
	uint64_t next;
};

static struct page list(
    struct sg_store *st, struct sg_token_filter filter, uint64_t before, size_t max)
{
	struct page p = {.count = 99};

	assert_ok(sg_store_token_list(
	    st, &filter, before, NOW + 10, p.items, max, &p.count, &p.more, &p.next));
	return p;
}

#define ANY                                                                                        \
	(struct sg_token_filter)                                                                   \
	{                                                                                          \
		.state = -1                                                                        \
	}

static void pages_are_newest_first_and_complete_over_ties(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key keys[25];
	uint64_t cursor = 0, previous = UINT64_MAX;
	size_t seen = 0;

	/* All in one millisecond. */
	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 25));
	for (int i = 0; i < 3; i++) {
		struct page p = list(f->st, ANY, cursor, 10);

		assert_int_equal(p.count, i < 2 ? 10 : 5);
		assert_int_equal(p.more, i < 2);
		for (size_t k = 0; k < p.count; k++) {
			assert_true(p.items[k].id < previous);
			previous = p.items[k].id;
			seen++;
		}
		if (p.more)
			assert_int_equal(p.next, previous);
		cursor = p.next;
	}
	assert_int_equal(seen, 25);
	assert_int_equal(cursor, 0);
}

static void a_page_that_just_fits_has_nothing_after_it(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key keys[10];

	assert_int_equal(list(f->st, ANY, 0, 10).count, 0);
	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 10));
	assert_false(list(f->st, ANY, 0, 10).more);
	assert_true(list(f->st, ANY, 0, 9).more);
	assert_int_equal(list(f->st, ANY, keys[0].id, 10).count, 0);
	assert_int_equal(list(f->st, ANY, keys[1].id, 10).items[0].id, keys[0].id);
}

static void a_list_filters_by_place_type_and_part_of_name(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();

	struct sg_token_key a = make(f->st, m);
	m.type = SG_PUBLISH;
	strcpy(m.label, "Studio One");
	struct sg_token_key b = make(f->st, m);
	strcpy(m.stream, "Camera-7");
	struct sg_token_key c = make(f->st, m);
	strcpy(m.app, "vod"), m.label[0] = '\0';
	struct sg_token_key d = make(f->st, m);
	struct {
		struct sg_token_filter filter;
		uint64_t want[4];
	} cases[] = {
	    {{.app = LIVE, .state = -1}, {c.id, b.id, a.id}},
	    {{.app = LIVE, .stream = CAM, .state = -1}, {b.id, a.id}},
	    {{.app = LIVE, .stream = SG_STR("ca"), .state = -1}, {0}},
	    {{.type = SG_PLAY, .state = -1}, {a.id}},
	    {{.app = LIVE, .stream = CAM, .type = SG_PUBLISH, .state = -1}, {b.id}},
	    {{.search = SG_STR("CAMERA"), .state = -1}, {d.id, c.id}},
	    {{.search = SG_STR("studio o"), .state = -1}, {c.id, b.id}},
	    {{.search = SG_STR("nothing"), .state = -1}, {0}},
	    {{.search = SG_STR(""), .state = -1}, {d.id, c.id, b.id, a.id}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct page p = list(f->st, cases[i].filter, 0, 4);
		uint64_t got = 0, want = 0;

		for (int k = 0; k < 4; k++) {
			/* Made within a second: their order is the ids', not the order here. */
			got += k < (int)p.count ? p.items[k].id : 0;
			want += cases[i].want[k];
		}
		assert_int_equal(got, want);
	}
	struct page p;
	assert_int_equal(
	    sg_store_token_list(f->st, &(struct sg_token_filter){.stream = CAM, .state = -1}, 0,
		NOW, p.items, 4, &p.count, &p.more, &p.next),
	    SG_ERR_BAD_INPUT);
}

static void a_list_filters_by_state(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key by_state[4];
	size_t n;

	for (int i = 0; i < 4; i++) {
		m.expires_at = i == SG_TOKEN_EXPIRED ? NOW + 10 : NOW + 3600;
		by_state[i] = make(f->st, m);
	}
	assert_int_equal(spend(f->st, by_state[SG_TOKEN_USED]), SG_SPENT);
	assert_ok(sg_store_token_revoke(f->st, by_state[SG_TOKEN_REVOKED].id, false, NOW, &n));
	for (int i = 0; i < 4; i++) {
		struct page p = list(f->st, (struct sg_token_filter){.state = i}, 0, 4);

		assert_int_equal(p.count, 1);
		assert_int_equal(p.items[0].id, by_state[i].id);
	}
	assert_int_equal(list(f->st, ANY, 0, 4).count, 4);
}

static void a_search_that_finds_little_stops_early_and_goes_on(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key keys[30];
	struct sg_token_filter filter = {.search = SG_STR("needle"), .state = -1};
	int calls = 0, found = 0;
	uint64_t cursor = 0;

	strcpy(m.label, "needle");
	struct sg_token_key needle = make(f->st, m);
	m.label[0] = '\0';
	assert_ok(sg_store_token_create(f->st, &m, NOW + 5, keys, 30));
	sg_sqlite_of(f->st)->list_look_max = 10;
	for (bool more = true; more; calls++) {
		struct page p = list(f->st, filter, cursor, 5);

		more = p.more;
		cursor = p.next;
		found += (int)p.count;
		if (p.count)
			assert_int_equal(p.items[0].id, needle.id);
		assert_true(!more || cursor > 0);
		assert_true(calls < 10);
	}
	assert_int_equal(found, 1);
	assert_int_equal(calls, 4);
}

/* ---- audit ---- */

static void add_audit(struct sg_store *st, int from, int to)
{
	for (int i = from; i < to; i++) {
		struct sg_audit a = {.at_ms = i, .token_id = (uint64_t)i % 3, .event = "refused"};

		snprintf(a.app, sizeof(a.app), "app%d", i % 2);
		snprintf(a.stream, sizeof(a.stream), "s%d", i % 5);
		snprintf(a.reason, sizeof(a.reason), "%s", i % 7 ? "used" : "expired");
		assert_ok(sg_store_audit_add(st, &a, 1));
	}
}

static size_t audit(struct sg_store *st, struct sg_audit_filter filter, int64_t before,
    int64_t after, struct sg_audit *out, size_t max)
{
	size_t n = 99;

	assert_ok(sg_store_audit_list(st, &filter, before, after, out, max, &n));
	return n;
}

static void an_audit_row_comes_back_as_written(void **state)
{
	struct fixture *f = *state;
	struct sg_audit a = {.at_ms = 1700000000123,
	    .token_id = 42,
	    .app = "live",
	    .stream = "cam",
	    .type = SG_PLAY,
	    .protocol = "rtmp",
	    .address = "2001:db8::1",
	    .event = "admitted",
	    .reason = "",
	    .session = "0123456789abc",
	    .detail = "d\xc3\xa9tail"};
	struct sg_audit got;

	assert_ok(sg_store_audit_add(f->st, &a, 1));
	reopen(f);
	memset(&got, 0x55, sizeof(got));
	assert_int_equal(audit(f->st, (struct sg_audit_filter){0}, 0, 0, &got, 1), 1);
	assert_int_equal(got.seq, 1);
	assert_int_equal(got.at_ms, a.at_ms);
	assert_int_equal(got.token_id, 42);
	assert_int_equal(got.type, SG_PLAY);
	assert_string_equal(got.app, a.app);
	assert_string_equal(got.stream, a.stream);
	assert_string_equal(got.protocol, a.protocol);
	assert_string_equal(got.address, a.address);
	assert_string_equal(got.event, a.event);
	assert_string_equal(got.reason, "");
	assert_string_equal(got.session, a.session);
	assert_string_equal(got.detail, a.detail);
}

static void the_audit_is_read_newest_first_or_followed(void **state)
{
	struct fixture *f = *state;
	struct sg_audit out[50];
	struct sg_audit_filter all = {0};

	assert_int_equal(audit(f->st, all, 0, 0, out, 50), 0);
	add_audit(f->st, 0, 20);
	assert_int_equal(audit(f->st, all, 0, 0, out, 8), 8);
	assert_int_equal(out[0].at_ms, 19);
	assert_int_equal(out[7].at_ms, 12);
	assert_int_equal(audit(f->st, all, out[7].seq, 0, out, 50), 12);
	assert_int_equal(out[0].at_ms, 11);
	assert_int_equal(audit(f->st, all, 0, out[0].seq, out, 5), 5);
	assert_int_equal(out[0].at_ms, 12);
	assert_int_equal(out[4].at_ms, 16);
	assert_int_equal(audit(f->st, all, 0, 20, out, 5), 0);
}

static void the_audit_filters(void **state)
{
	struct fixture *f = *state;
	struct sg_audit out[50];

	add_audit(f->st, 0, 42);
	assert_int_equal(
	    audit(f->st, (struct sg_audit_filter){.app = SG_STR("app0")}, 0, 0, out, 50), 21);
	assert_int_equal(
	    audit(f->st, (struct sg_audit_filter){.app = SG_STR("app1"), .stream = SG_STR("s1")}, 0,
		0, out, 50),
	    5);
	assert_int_equal(
	    audit(f->st, (struct sg_audit_filter){.reason = SG_STR("expired")}, 0, 0, out, 50), 6);
	assert_int_equal(
	    audit(f->st, (struct sg_audit_filter){.event = SG_STR("ended")}, 0, 0, out, 50), 0);
	assert_int_equal(audit(f->st, (struct sg_audit_filter){.token_id = 2}, 0, 0, out, 50), 14);
	assert_int_equal(audit(f->st, (struct sg_audit_filter){.token_id = 2}, 0, 10, out, 50), 11);
}

static void a_span_of_the_audit_is_looked_at(void **state)
{
	struct fixture *f = *state;
	static struct sg_audit out[50];
	struct sg_audit_filter span = {.span = 10}, expired = {.reason = SG_STR("expired"), .span = 10};

	assert_int_equal(audit(f->st, span, 0, 0, out, 50), 0);
	add_audit(f->st, 0, 40);
	assert_int_equal(audit(f->st, span, 0, 0, out, 50), 10);
	assert_int_equal(out[0].seq, 40);
	assert_int_equal(out[9].seq, 31);
	assert_int_equal(audit(f->st, span, 31, 0, out, 50), 10);
	assert_int_equal(out[9].seq, 21);
	assert_int_equal(audit(f->st, span, 5, 0, out, 50), 4);
	assert_int_equal(audit(f->st, span, 0, 7, out, 50), 10);
	assert_int_equal(out[0].seq, 8);
	assert_int_equal(out[9].seq, 17);
	assert_int_equal(audit(f->st, span, 0, 38, out, 50), 2);
	assert_int_equal(audit(f->st, span, 0, 0, out, 3), 3);
	assert_int_equal(audit(f->st, expired, 0, 0, out, 50), 1);
	/* And no more than that is looked at, whatever is kept. */
	add_audit(f->st, 40, 4000);
	sqlite3_stmt *q = sg_sqlite_of(f->st)->statements[SG_SQ_AUDIT_NEWEST];
	sqlite3_stmt_status(q, SQLITE_STMTSTATUS_VM_STEP, 1);
	expired.reason = SG_STR("nothing");
	assert_int_equal(audit(f->st, expired, 0, 0, out, 50), 0);
	assert_in_range(sqlite3_stmt_status(q, SQLITE_STMTSTATUS_VM_STEP, 1), 1, 600);
	expired.span = 0;
	assert_int_equal(audit(f->st, expired, 0, 0, out, 50), 0);
	assert_true(sqlite3_stmt_status(q, SQLITE_STMTSTATUS_VM_STEP, 1) > 4000);
}

static void the_audit_keeps_the_newest_rows(void **state)
{
	struct fixture *f = *state;
	struct sg_sqlite *s = sg_sqlite_of(f->st);
	static struct sg_audit out[1000];

	assert_int_equal(s->audit_keep, 1000000);
	s->audit_keep = 100;
	s->audit_trim_every = 16;
	add_audit(f->st, 0, 500);
	assert_in_range(ask(f->st, "SELECT count(*) FROM audit"), 100, 116);
	assert_int_equal(audit(f->st, (struct sg_audit_filter){0}, 0, 0, out, 1000), 100);
	assert_int_equal(out[0].at_ms, 499);
	assert_int_equal(out[99].at_ms, 400);
	assert_int_equal(out[0].seq, 500); /* numbers are never given again */
	assert_int_equal(audit(f->st, (struct sg_audit_filter){0}, 0, 1, out, 1000), 100);
	assert_int_equal(out[0].at_ms, 400);
	/* A much smaller limit is reached step by step, not in one long transaction. */
	s->audit_keep = 10;
	add_audit(f->st, 500, 516);
	assert_in_range(ask(f->st, "SELECT count(*) FROM audit"), 32, 64);
	add_audit(f->st, 516, 564);
	assert_in_range(ask(f->st, "SELECT count(*) FROM audit"), 10, 26);
}

static void an_overlong_audit_row_is_refused_whole(void **state)
{
	struct fixture *f = *state;
	struct sg_audit rows[2] = {{.event = "ended"}, {.event = "ended"}};

	memset(rows[1].address, '1', sizeof(rows[1].address));
	assert_int_equal(sg_store_audit_add(f->st, rows, 2), SG_ERR_BAD_INPUT);
	assert_int_equal(ask(f->st, "SELECT count(*) FROM audit"), 0);
	assert_ok(sg_store_audit_add(f->st, rows, 0));
}

/* ---- settings and changes ---- */

static void append_setting(void *user, const struct sg_setting *v)
{
	char *text = user;

	snprintf(text + strlen(text), 512 - strlen(text), "%s/%s %s=%s;", v->app, v->stream, v->key,
	    v->value);
}

static void assert_settings(struct sg_store *st, const char *want)
{
	char text[512] = "";

	assert_ok(sg_store_settings(st, append_setting, text));
	assert_string_equal(text, want);
}

static void set(struct sg_store *st, const char *stream, const char *key, const char *value)
{
	struct sg_setting v = {.app = "live"};

	snprintf(v.stream, sizeof(v.stream), "%s", stream);
	snprintf(v.key, sizeof(v.key), "%s", key);
	snprintf(v.value, sizeof(v.value), "%s", value);
	assert_ok(sg_store_setting_set(st, &v, NOW));
}

static void settings_are_set_replaced_and_forgotten(void **state)
{
	struct fixture *f = *state;

	assert_settings(f->st, "");
	set(f->st, "", "play_token", "on");
	set(f->st, "cam", "play_token", "off");
	assert_settings(f->st, "live/ play_token=on;live/cam play_token=off;");
	set(f->st, "", "play_token", "off");
	set(f->st, "cam", "play_token", "");
	set(f->st, "cam", "never_set", "");
	reopen(f);
	assert_settings(f->st, "live/ play_token=off;");
}

static void what_is_no_setting_is_refused(void **state)
{
	struct fixture *f = *state;
	struct sg_setting bad[4];

	for (int i = 0; i < 4; i++)
		bad[i] = (struct sg_setting){.app = "live", .key = "k", .value = "v"};
	bad[0].app[0] = '\0';
	strcpy(bad[1].stream, "a b");
	bad[2].key[0] = '\0';
	memset(bad[3].value, 'x', sizeof(bad[3].value));
	for (int i = 0; i < 4; i++)
		assert_int_equal(sg_store_setting_set(f->st, &bad[i], NOW), SG_ERR_BAD_INPUT);
	assert_settings(f->st, "");
}

static bool changed(struct sg_store *st)
{
	bool c;

	assert_ok(sg_store_poll(st, &c));
	return c;
}

static void another_handle_hears_of_a_change_once_and_the_writer_does_not(void **state)
{
	struct fixture *f = *state;
	struct sg_store *other = open_url(f->url);

	assert_false(changed(other));
	set(f->st, "", "play_token", "on");
	assert_false(changed(f->st));
	assert_true(changed(other));
	assert_false(changed(other));
	set(other, "", "play_token", "off");
	assert_true(changed(f->st));
	assert_false(changed(other));
	sg_store_close(other);
}

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) == 1;
}

static void whoever_watches_is_woken_by_another_process(void **state)
{
	struct fixture *f = *state;
	int fd = sg_store_watch(f->st), status;

	assert_true(fd >= 0);
	assert_false(is_readable(fd));
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			struct sg_store *other = open_url(f->url);
			set(other, "", "play_token", i ? "off" : "on");
			sg_store_close(other);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_true(is_readable(fd));
		assert_true(changed(f->st));
		assert_true(sg_store_watched(f->st));
		assert_false(is_readable(fd));
		assert_false(sg_store_watched(f->st));
	}
}

static void changes_come_in_order_with_what_is_needed_to_act(void **state)
{
	struct fixture *f = *state;
	struct sg_store *other = open_url(f->url);
	struct sg_token_key key = make(f->st, model());
	struct sg_change c[8];
	int64_t start, last;
	size_t n;

	assert_ok(sg_store_changes(other, -1, c, 8, &n, &start));
	assert_int_equal(n, 0);
	assert_int_equal(start, 0);
	set(f->st, "cam", "play_token", "on");
	assert_ok(sg_store_token_revoke(f->st, key.id, true, NOW, &n));
	assert_ok(sg_store_token_revoke(f->st, key.id, false, NOW, &n));
	assert_ok(sg_store_token_revoke_stream(f->st, LIVE, CAM, SG_PLAY, false, NOW, &n));

	assert_ok(sg_store_changes(other, start, c, 2, &n, &last));
	assert_int_equal(n, 2);
	assert_int_equal(c[0].kind, SG_CHANGE_SETTING);
	assert_string_equal(c[0].app, "live");
	assert_string_equal(c[0].stream, "cam");
	assert_int_equal(c[1].kind, SG_CHANGE_REVOKE_TOKEN);
	assert_int_equal(c[1].token_id, key.id);
	assert_true(c[1].keep_sessions);
	assert_int_equal(last, c[1].seq);
	assert_ok(sg_store_changes(other, last, c, 8, &n, &last));
	assert_int_equal(n, 2);
	assert_false(c[0].keep_sessions); /* revoked before, but now its sessions must go too */
	assert_int_equal(c[1].kind, SG_CHANGE_REVOKE_STREAM);
	assert_int_equal(c[1].type, SG_PLAY);
	assert_true(c[0].seq < c[1].seq);
	assert_ok(sg_store_changes(other, last, c, 8, &n, &start));
	assert_int_equal(n, 0);
	assert_int_equal(start, last);
	assert_ok(sg_store_changes(other, -1, c, 8, &n, &start));
	assert_int_equal(start, last);
	sg_store_close(other);
}

static void old_changes_are_dropped_and_numbers_go_on(void **state)
{
	struct fixture *f = *state;
	struct sg_change c[4];
	int64_t last;
	size_t n;

	set(f->st, "", "play_token", "on");
	sqlite3_exec(sg_sqlite_of(f->st)->db, "UPDATE change SET seq = 2", NULL, NULL, NULL);
	sqlite3_exec(sg_sqlite_of(f->st)->db,
	    "INSERT INTO change VALUES (1000001, 1, 0, 'live', '', 0, 0)", NULL, NULL, NULL);
	set(f->st, "", "play_token", "off");
	assert_ok(sg_store_changes(f->st, 0, c, 4, &n, &last));
	assert_int_equal(n, 2);
	assert_int_equal(c[0].seq, 1000001);
	assert_int_equal(last, 1000002);
}

/* ---- API keys ---- */

static void an_api_key_is_verified_until_it_is_revoked(void **state)
{
	struct fixture *f = *state;
	struct sg_store *other = open_url(f->url);
	struct sg_apikey k, got;
	char secret[SG_APIKEY_TEXT_SIZE];

	assert_ok(sg_store_apikey_create(f->st, SG_SCOPE_TOKENS, SG_STR("shop"), NOW, &k, secret));
	assert_int_equal(strlen(secret), 36);
	assert_memory_equal(secret, "sgk_", 4);
	assert_true(changed(other));
	assert_ok(sg_store_apikey_verify(other, sg_str_from(secret), &got));
	assert_int_equal(got.id, k.id);
	assert_int_equal(got.scope, SG_SCOPE_TOKENS);
	assert_int_equal(got.created_at, NOW);
	assert_string_equal(got.label, "shop");
	assert_ok(sg_store_apikey_revoke(f->st, k.id, NOW + 1));
	assert_int_equal(
	    sg_store_apikey_verify(other, sg_str_from(secret), &got), SG_ERR_NOT_FOUND);
	assert_ok(sg_store_apikey_revoke(f->st, k.id, NOW + 2));
	size_t n;
	assert_ok(sg_store_apikey_list(f->st, &got, 1, &n));
	assert_int_equal(got.revoked_at, NOW + 1);
	assert_int_equal(sg_store_apikey_revoke(f->st, k.id ^ 1, NOW), SG_ERR_NOT_FOUND);
	assert_int_equal(sg_store_apikey_revoke(f->st, UINT64_MAX, NOW), SG_ERR_NOT_FOUND);
	struct sg_change c[8];
	int64_t last;
	assert_ok(sg_store_changes(other, 0, c, 8, &n, &last));
	assert_int_equal(n, 3);
	assert_int_equal(c[2].kind, SG_CHANGE_APIKEY);
	assert_int_equal(c[2].token_id, k.id);
	sg_store_close(other);
}

static void a_wrong_api_key_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct sg_apikey k, got;
	char secret[SG_APIKEY_TEXT_SIZE], wrong[SG_APIKEY_TEXT_SIZE];

	assert_ok(sg_store_apikey_create(f->st, SG_SCOPE_READ, SG_STR(""), NOW, &k, secret));
	for (size_t i = 0; i < 36; i++) {
		memcpy(wrong, secret, sizeof(wrong));
		wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
		assert_int_equal(
		    sg_store_apikey_verify(f->st, sg_str_from(wrong), &got), SG_ERR_NOT_FOUND);
		assert_int_equal(sg_store_apikey_verify(f->st, (struct sg_str){secret, i}, &got),
		    SG_ERR_NOT_FOUND);
	}
	/* A token's text is no API key, and the other way round. */
	struct sg_token_key token = make(f->st, model());
	memcpy(wrong, "sgk_", 4);
	sg_token_format(wrong + 4, &token);
	assert_int_equal(sg_store_apikey_verify(f->st, sg_str_from(wrong), &got), SG_ERR_NOT_FOUND);
	assert_ok(sg_store_apikey_verify(f->st, sg_str_from(secret), &got));
}

static void api_keys_are_listed_newest_first(void **state)
{
	struct fixture *f = *state;
	struct sg_apikey made[3], got[3];
	char secret[SG_APIKEY_TEXT_SIZE];
	size_t n;

	for (int i = 0; i < 3; i++)
		assert_ok(sg_store_apikey_create(
		    f->st, SG_SCOPE_ADMIN, SG_STR("k"), NOW + i * 5, &made[i], secret));
	assert_ok(sg_store_apikey_list(f->st, got, 2, &n));
	assert_int_equal(n, 2);
	assert_int_equal(got[0].id, made[2].id);
	assert_int_equal(got[1].id, made[1].id);
	assert_int_equal(
	    sg_store_apikey_create(f->st, 0, SG_STR("k"), NOW, &made[0], secret), SG_ERR_BAD_INPUT);
	assert_int_equal(
	    sg_store_apikey_create(f->st, SG_SCOPE_READ, SG_STR("\xff"), NOW, &made[0], secret),
	    SG_ERR_BAD_INPUT);
	assert_string_equal(secret, "");
}

/* ---- recordings and kept values ---- */

static void a_recording_tells_its_stream(void **state)
{
	struct fixture *f = *state;
	struct sg_recording r = {.app = "live",
				.name = "cam-1.mp4",
				.stream = "cam",
				.created_at = NOW},
			    got;

	assert_ok(sg_store_recording_add(f->st, &r));
	assert_ok(sg_store_recording_get(f->st, LIVE, SG_STR("cam-1.mp4"), &got));
	assert_string_equal(got.app, "live");
	assert_string_equal(got.name, "cam-1.mp4");
	assert_string_equal(got.stream, "cam");
	assert_int_equal(got.created_at, NOW);
	strcpy(r.stream, "cam-1"); /* the file was written anew, by another stream */
	assert_ok(sg_store_recording_add(f->st, &r));
	assert_ok(sg_store_recording_get(f->st, LIVE, SG_STR("cam-1.mp4"), &got));
	assert_string_equal(got.stream, "cam-1");
	assert_int_equal(sg_store_recording_get(f->st, SG_STR("vod"), SG_STR("cam-1.mp4"), &got),
	    SG_ERR_NOT_FOUND);
	static const char *const bad[] = {"", ".mp4", "../x.mp4", "a/b.mp4"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(r.name, bad[i]);
		assert_int_equal(sg_store_recording_add(f->st, &r), SG_ERR_BAD_INPUT);
	}
}

static void a_kept_value_stays_what_it_was_first(void **state)
{
	struct fixture *f = *state;
	struct sg_store *other = open_url(f->url);
	uint8_t first[64], second[64];

	memset(first, 1, sizeof(first));
	memset(second, 2, sizeof(second));
	assert_ok(sg_store_secret(f->st, "cookie", first, 64));
	assert_ok(sg_store_secret(other, "cookie", second, 64));
	assert_memory_equal(first, second, 64);
	assert_int_equal(second[0], 1);
	second[0] = 9;
	assert_ok(sg_store_secret(other, "another", second, 1));
	assert_int_equal(second[0], 9);
	assert_int_equal(sg_store_secret(other, "cookie", second, 32), SG_ERR_STORE_CORRUPT);
	assert_int_equal(sg_store_secret(other, "cookie", second, 0), SG_ERR_BAD_INPUT);
	assert_int_equal(sg_store_secret(other, "cookie", second, 65), SG_ERR_BAD_INPUT);
	assert_int_equal(sg_store_secret(other, "", second, 64), SG_ERR_BAD_INPUT);
	sg_store_close(other);
}

/* ---- the administrator's password ---- */

static void a_password_is_kept_hashed_and_set_first_but_once(void **state)
{
	struct fixture *f = *state;
	struct sg_str good = SG_STR("correct horse");
	char hash[SG_PASSWORD_HASH_SIZE], kept[SG_PASSWORD_HASH_SIZE];

	assert_int_equal(sg_store_password_get(f->st, kept), SG_ERR_NOT_FOUND);
	assert_ok(sg_password_hash(hash, good));
	assert_ok(sg_store_password_set(f->st, hash, true, NOW));
	assert_int_equal(sg_store_password_set(f->st, "$y$other", true, NOW), SG_ERR_EXISTS);
	reopen(f);
	assert_ok(sg_store_password_get(f->st, kept));
	assert_string_equal(kept, hash);
	assert_ok(sg_store_password_set(f->st, "$y$other", false, NOW + 1));
	assert_ok(sg_store_password_get(f->st, kept));
	assert_string_equal(kept, "$y$other");
	assert_int_equal(sg_store_password_set(f->st, "plain", false, NOW), SG_ERR_BAD_INPUT);
}

static void a_password_matches_itself_alone(void **state)
{
	char hash[SG_PASSWORD_HASH_SIZE], again[SG_PASSWORD_HASH_SIZE], longest[SG_PASSWORD_MAX + 2];
	struct sg_str good = SG_STR("p\xc3\xa4ssword 1");
	static const char *const wrong[] = {"", "p\xc3\xa4ssword ", "P\xc3\xa4ssword 1"};
	static const char *const no_hash[] = {"", "*0", "$y$", "$y$j9T$", "p\xc3\xa4ssword 1"};

	(void)state;
	assert_ok(sg_password_hash(hash, good));
	assert_int_equal(strncmp(hash, "$y$", 3), 0);
	assert_null(strstr(hash, "ssword"));
	assert_ok(sg_password_hash(again, good));
	assert_string_not_equal(hash, again); /* salted */
	assert_true(sg_password_matches(hash, good));
	assert_true(sg_password_matches(again, good));
	for (size_t i = 0; i < 3; i++)
		assert_false(sg_password_matches(hash, sg_str_from(wrong[i])));
	for (size_t i = 0; i < 5; i++)
		assert_false(sg_password_matches(no_hash[i], good));
	memset(longest, 'x', sizeof(longest));
	assert_ok(sg_password_hash(hash, (struct sg_str){longest, SG_PASSWORD_MAX}));
	assert_true(sg_password_matches(hash, (struct sg_str){longest, SG_PASSWORD_MAX}));
	assert_false(sg_password_matches(hash, (struct sg_str){longest, SG_PASSWORD_MAX + 1}));
	assert_int_equal(sg_password_hash(hash, (struct sg_str){longest, SG_PASSWORD_MAX + 1}),
	    SG_ERR_BAD_INPUT);
	assert_int_equal(sg_password_hash(hash, SG_STR("short 7")), SG_ERR_BAD_INPUT);
	assert_int_equal(sg_password_hash(hash, SG_STR("nul \0 nul")), SG_ERR_BAD_INPUT);
	assert_int_equal(sg_password_hash(hash, SG_STR("latin \xe4 latin")), SG_ERR_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLAIM("pages are newest first, and complete over ties",
		pages_are_newest_first_and_complete_over_ties),
	    CLAIM("a page that just fits has nothing after it",
		a_page_that_just_fits_has_nothing_after_it),
	    CLAIM("a list filters by place, type and part of name",
		a_list_filters_by_place_type_and_part_of_name),
	    CLAIM("a list filters by state", a_list_filters_by_state),
	    CLAIM("a search that finds little stops early and goes on",
		a_search_that_finds_little_stops_early_and_goes_on),
	    CLAIM("an audit row comes back as written", an_audit_row_comes_back_as_written),
	    CLAIM("the audit is read newest first, or followed",
		the_audit_is_read_newest_first_or_followed),
	    CLAIM("the audit filters", the_audit_filters),
	    CLAIM("a span of the audit is looked at", a_span_of_the_audit_is_looked_at),
	    CLAIM("the audit keeps the newest rows", the_audit_keeps_the_newest_rows),
	    CLAIM("an overlong audit row is refused whole", an_overlong_audit_row_is_refused_whole),
	    CLAIM("settings are set, replaced and forgotten",
		settings_are_set_replaced_and_forgotten),
	    CLAIM("what is no setting is refused", what_is_no_setting_is_refused),
	    CLAIM("another handle hears of a change once, and the writer does not",
		another_handle_hears_of_a_change_once_and_the_writer_does_not),
	    CLAIM("whoever watches is woken by another process",
		whoever_watches_is_woken_by_another_process),
	    CLAIM("changes come in order, with what is needed to act",
		changes_come_in_order_with_what_is_needed_to_act),
	    CLAIM("old changes are dropped, and numbers go on",
		old_changes_are_dropped_and_numbers_go_on),
	    CLAIM("an API key is verified until it is revoked",
		an_api_key_is_verified_until_it_is_revoked),
	    CLAIM("a wrong API key is not found", a_wrong_api_key_is_not_found),
	    CLAIM("API keys are listed newest first", api_keys_are_listed_newest_first),
	    CLAIM("a recording tells its stream", a_recording_tells_its_stream),
	    CLAIM("a password is kept hashed, and set first but once",
		a_password_is_kept_hashed_and_set_first_but_once),
	    CLAIM("a password matches itself alone", a_password_matches_itself_alone),
	    CLAIM("a kept value stays what it was first", a_kept_value_stays_what_it_was_first),
	};

	return cmocka_run_group_tests_name("store records", tests, NULL, NULL);
}
