/* Server-sent events: what is told, from where on, to how many, and until when. */
#include "api_fixture.h"
#include "store/sqlite_internal.h"

static int set_up(void **state)
{
	*state = api_fixture_open("");
	return 0;
}

static int tear_down(void **state)
{
	api_fixture_close(*state);
	return 0;
}

struct listener {
	int fd;
	struct reply r;
	char text[200000]; /* what has come; HTTP/1.0, so without chunks */
	size_t len;
};

static struct listener *listen_as(struct api_fixture *a, const char *target, const char *headers)
{
	struct listener *l = calloc(1, sizeof(*l));
	char text[1000];

	l->fd = client_connect(a->f);
	snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n%s\r\n", target, headers);
	client_send(l->fd, text);
	client_read(l->fd, &l->r, false);
	return l;
}

static void leave(struct listener *l)
{
	close(l->fd);
	reply_free(&l->r);
	free(l);
}

/* Reads until `words` have come (or, NULL, until the end); false: they did not within `ms`. */
static bool await(struct listener *l, const char *words, int ms)
{
	int64_t until = sg_mono_ms() + ms;

	while (!words || !strstr(l->text, words)) {
		struct pollfd p = {.fd = l->fd, .events = POLLIN};
		int64_t left = until - sg_mono_ms();
		if (left <= 0 || l->len == sizeof(l->text) - 1 || poll(&p, 1, (int)left) != 1)
			return false;
		ssize_t n = recv(l->fd, l->text + l->len, sizeof(l->text) - 1 - l->len, 0);
		if (n <= 0)
			return words == NULL;
		l->len += (size_t)n;
	}
	return true;
}

/* Makes room: what is before `words` has been looked at. */
static void drop_until(struct listener *l, const char *words)
{
	char *from = strstr(l->text, words);

	l->len -= (size_t)(from - l->text);
	memmove(l->text, from, l->len + 1);
}

static void note(struct api_fixture *a, const char *stream, const char *detail)
{
	struct sg_audit row = {.at_ms = sg_wall_ms(), .app = "live", .event = "setting"};

	snprintf(row.stream, sizeof(row.stream), "%s", stream);
	snprintf(row.detail, sizeof(row.detail), "%s", detail);
	assert_int_equal(sg_store_audit_add(a->f->store, &row, 1), SG_OK);
}

static void what_is_noted_is_told_whoever_noted_it(void **state)
{
	struct api_fixture *a = *state;

	note(a, "cam", "before");
	struct listener *l = listen_as(a, "/api/v1/events", a->bearer);
	assert_int_equal(l->r.status, 200);
	assert_string_equal(reply_header(&l->r, "Content-Type"), "text/event-stream");
	assert_string_equal(reply_header(&l->r, "Cache-Control"), "no-store");
	assert_true(await(l, "retry: 3000\n\n", 20000));
	note(a, "cam", "a line\nof two"); /* another process */
	json_decref(get(a, "PATCH", "/api/v1/apps/live", "{\"playTokenControlEnabled\":true}", 200));
	assert_true(await(l, "play_token on", 20000));
	assert_true(await(l, "id: 2\nevent: audit\ndata: {\"seq\":2,", 20000));
	assert_non_null(strstr(l->text, "a line\\nof two"));
	assert_null(strstr(l->text, "before"));
	leave(l);
}

static void a_broken_connection_goes_on_where_it_was(void **state)
{
	struct api_fixture *a = *state;
	char headers[300], want[32];

	for (int i = 1; i <= 600; i++) /* more than one reading */
		note(a, "cam", "row");
	snprintf(headers, sizeof(headers), "%sLast-Event-ID: 100\r\n", a->bearer);
	struct listener *l = listen_as(a, "/api/v1/events", headers);
	for (int i = 101; i <= 600; i++) {
		snprintf(want, sizeof(want), "id: %d\n", i);
		assert_true(await(l, want, 20000));
	}
	assert_null(strstr(l->text, "id: 100\n"));
	/* Once, and in order. */
	const char *at = l->text;
	for (int i = 101; i <= 600; i++) {
		snprintf(want, sizeof(want), "id: %d\n", i);
		at = strstr(at, want);
		assert_non_null(at);
		assert_null(strstr(at + 1, want));
	}
	leave(l);
	l = listen_as(a, "/api/v1/events?after=0", a->bearer);
	assert_true(await(l, "id: 600\n", 20000));
	assert_non_null(strstr(l->text, "id: 1\n"));
	leave(l);
	snprintf(headers, sizeof(headers), "%sLast-Event-ID: x\r\n", a->bearer);
	assert_status(a, "GET", "/api/v1/events", headers, NULL, 400);
}

static void add_rows(struct api_fixture *a, size_t count)
{
	struct sg_audit *rows = calloc(count, sizeof(*rows));

	assert_non_null(rows);
	for (size_t i = 0; i < count; i++)
		rows[i] = (struct sg_audit){.at_ms = 1, .app = "live", .stream = "other", .event = "setting"};
	assert_int_equal(sg_store_audit_add(a->f->store, rows, count), SG_OK);
	free(rows);
}

static void who_begins_before_what_is_kept_gets_what_is(void **state)
{
	struct api_fixture *a = *state;
	struct sg_sqlite *s = sg_sqlite_of(a->f->store);

	s->audit_keep = 100;
	s->audit_trim_every = 16;
	for (int i = 0; i < 100; i++)
		add_rows(a, 10);
	struct listener *all = listen_as(a, "/api/v1/events?after=0", a->bearer);
	assert_true(await(all, "id: 1000\n", 5000));
	assert_non_null(strstr(all->text, "id: 901\n"));
	struct listener *now = listen_as(a, "/api/v1/events", a->bearer);
	assert_true(await(now, "retry", 20000));
	note(a, "cam", "now");
	assert_true(await(now, "now", 5000));
	assert_true(await(all, "now", 5000));
	leave(all);
	leave(now);
}

static void who_takes_up_an_old_place_holds_up_nobody(void **state)
{
	struct api_fixture *a = *state;

	add_rows(a, 60000);
	struct listener *now = listen_as(a, "/api/v1/events", a->bearer);
	struct listener *old = listen_as(a, "/api/v1/events?after=1&streamId=cam", a->bearer);
	struct listener *older = listen_as(a, "/api/v1/events?after=0&streamId=cam", a->bearer);
	assert_true(await(now, "retry", 20000));
	note(a, "cam", "news");
	assert_true(await(now, "news", 20000));
	assert_false(await(old, "news", 1));
	assert_false(await(older, "news", 1));
	assert_true(await(old, "news", 60000));
	assert_true(await(older, "news", 60000));
	leave(now);
	leave(old);
	leave(older);
}

static void the_first_row_of_an_empty_audit_is_told(void **state)
{
	struct api_fixture *a = *state;
	struct listener *l = listen_as(a, "/api/v1/events", a->bearer);

	assert_true(await(l, "retry", 20000));
	note(a, "cam", "first");
	note(a, "cam", "second");
	assert_true(await(l, "second", 20000));
	assert_true(strstr(l->text, "first") && strstr(l->text, "first") < strstr(l->text, "second"));
	leave(l);
}

static void filters_leave_out_the_rest(void **state)
{
	struct api_fixture *a = *state;
	struct listener *l = listen_as(a, "/api/v1/events?streamId=cam", a->bearer);

	assert_true(await(l, "retry", 20000));
	note(a, "other", "not this");
	note(a, "cam", "but this");
	assert_true(await(l, "but this", 20000));
	assert_null(strstr(l->text, "not this"));
	leave(l);
	assert_status(a, "GET", "/api/v1/events?streamId=..", a->bearer, NULL, 400);
}

static void one_who_does_not_read_loses_nothing_and_holds_up_nobody(void **state)
{
	struct api_fixture *a = *state;
	struct listener *slow = listen_as(a, "/api/v1/events", a->bearer);
	struct listener *quick = listen_as(a, "/api/v1/events", a->bearer);
	struct sg_audit *rows = calloc(10000, sizeof(*rows));
	char last[32];

	for (int i = 0; i < 10000; i++) {
		rows[i] = (struct sg_audit){.at_ms = 1, .app = "live", .event = "setting"};
		memset(rows[i].detail, 'x', sizeof(rows[i].detail) - 1);
	}
	assert_int_equal(sg_store_audit_add(a->f->store, rows, 10000), SG_OK); /* 3 MB of text */
	free(rows);
	for (int i = 1; i <= 10000; i++) {
		snprintf(last, sizeof(last), "id: %d\n", i);
		if (!await(quick, last, 20000))
			fail_msg("%s is missing", last);
		if (quick->len > 100000)
			drop_until(quick, last);
		if (i % 997 == 0)
			assert_true(await(slow, ":", 1)); /* hardly */
	}
	snprintf(last, sizeof(last), "id: 10000\n");
	while (!await(slow, last, 5000)) {
		assert_true(slow->len > 150000); /* full, not silent */
		char *keep = slow->text + slow->len - 2000;
		memmove(slow->text, keep, 2001);
		slow->len = 2000;
	}
	leave(slow);
	leave(quick);
}

static void there_is_room_for_so_many_and_again_when_they_leave(void **state)
{
	struct api_fixture *a = *state;
	static struct listener *all[API_LISTENERS_MAX];

	for (int i = 0; i < API_LISTENERS_MAX; i++) {
		all[i] = listen_as(a, "/api/v1/events", a->bearer);
		assert_int_equal(all[i]->r.status, 200);
	}
	assert_status(a, "GET", "/api/v1/events", a->bearer, NULL, 503);
	assert_int_equal(api_events_count(a->api->events), API_LISTENERS_MAX);
	for (int i = 0; i < API_LISTENERS_MAX; i++)
		leave(all[i]);
	for (int i = 0; i < 500 && api_events_count(a->api->events); i++)
		usleep(10000);
	assert_int_equal(api_events_count(a->api->events), 0);
	struct listener *l = listen_as(a, "/api/v1/events", a->bearer);
	assert_int_equal(l->r.status, 200);
	leave(l);
}

static void head_tells_the_type_and_ends(void **state)
{
	struct api_fixture *a = *state;
	struct answer answer = call(a, "HEAD", "/api/v1/events", a->bearer, NULL);

	assert_int_equal(answer.r.status, 200);
	assert_string_equal(reply_header(&answer.r, "Content-Type"), "text/event-stream");
	done(&answer);
	assert_int_equal(api_events_count(a->api->events), 0);
}

/* Takes a quarter of a minute: so often comes a comment. */
static void it_ends_with_what_let_it_in(void **state)
{
	struct api_fixture *a = *state;
	struct sg_apikey k;
	char secret[SG_APIKEY_TEXT_SIZE], headers[100];

	assert_int_equal(sg_store_apikey_create(a->f->store, SG_SCOPE_READ, SG_STR(""), sg_wall_s(), &k, secret), SG_OK);
	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", secret);
	set_password(a, PASSWORD);
	sign_in(a);
	struct listener *by_key = listen_as(a, "/api/v1/events", headers);
	struct listener *by_session = listen_as(a, "/api/v1/events", a->cookie);
	struct listener *stays = listen_as(a, "/api/v1/events", a->bearer);
	assert_int_equal(by_session->r.status, 200);
	assert_int_equal(sg_store_apikey_revoke(a->f->store, k.id, sg_wall_s()), SG_OK);
	set_password(a, "another password");
	assert_true(await(by_key, NULL, 5000)); /* 1 s, on a machine that has time */
	assert_true(await(by_session, NULL, 5000));
	assert_true(await(stays, "\n:\n\n", 20000) || await(stays, ":\n\n", 1));
	note(a, "cam", "still here");
	assert_true(await(stays, "still here", 20000));
	leave(by_key);
	leave(by_session);
	leave(stays);
}

static void closing_ends_all(void **state)
{
	struct api_fixture *a = *state;
	struct listener *l = listen_as(a, "/api/v1/events", a->bearer);

	note(a, "cam", "now");
	sg_http_server_close(a->f->http);
	a->f->http = NULL;
	assert_true(await(l, NULL, 20000));
	leave(l);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(what_is_noted_is_told_whoever_noted_it),
	    CASE(a_broken_connection_goes_on_where_it_was),
	    CASE(who_begins_before_what_is_kept_gets_what_is),
	    CASE(who_takes_up_an_old_place_holds_up_nobody),
	    CASE(the_first_row_of_an_empty_audit_is_told),
	    CASE(filters_leave_out_the_rest),
	    CASE(one_who_does_not_read_loses_nothing_and_holds_up_nobody),
	    CASE(there_is_room_for_so_many_and_again_when_they_leave),
	    CASE(head_tells_the_type_and_ends),
	    CASE(it_ends_with_what_let_it_in),
	    CASE(closing_ends_all),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
