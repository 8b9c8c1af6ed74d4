/* Calls beyond tokens: what repeats, what is too much, applications, recordings, events, authorize. */
#include "api_fixture.h"

static int set_up(void **state)
{
	*state = api_fixture_open("[app live]\npublish_token = on\nplay_token = on\n[app vod]\n");
	return 0;
}

static int tear_down(void **state)
{
	api_fixture_close(*state);
	return 0;
}

static size_t items_of(struct api_fixture *a, const char *target)
{
	json_t *list = get(a, "GET", target, NULL, 200);
	size_t count = json_array_size(json_object_get(list, "items"));

	json_decref(list);
	return count;
}

/* ---- what is no call ---- */

static void an_unknown_path_or_method_is_a_problem(void **state)
{
	struct api_fixture *a = *state;
	static const struct {
		const char *method, *path, *allow;
		int status;
	} rows[] = {
	    {"GET", "/api", "", 404},
	    {"GET", "/api/", "", 404},
	    {"GET", "/api/v1", "", 404},
	    {"POST", "/api/v2/tokens", "", 404},
	    {"GET", "/api/v1/tokens/a/b", "", 404},
	    {"GET", "/api/v1/tokens/", "", 404},
	    {"PUT", "/api/v1/tokens", "GET, HEAD, POST, DELETE, OPTIONS", 405},
	    {"PATCH", "/api/v1/tokens/0000000000000", "GET, HEAD, DELETE, OPTIONS", 405},
	    {"DELETE", "/api/v1/apps/live", "GET, HEAD, PATCH, OPTIONS", 405},
	    {"GET", "/api/v1/login", "POST, OPTIONS", 405},
	    {"OPTIONS", "/api/v1/streams/a/b", "GET, HEAD, DELETE, OPTIONS", 204},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer answer = call(a, rows[i].method, rows[i].path, a->bearer, NULL);
		if (answer.r.status != rows[i].status ||
		    strcmp(reply_header(&answer.r, "Allow"), rows[i].allow))
			fail_msg("%s %s: %d %s", rows[i].method, rows[i].path, answer.r.status,
			    reply_header(&answer.r, "Allow"));
		if (rows[i].status >= 400)
			assert_string_equal(reply_header(&answer.r, "Content-Type"), "application/problem+json");
		done(&answer);
	}
}

/* ---- too much ---- */

static void too_many_calls_of_one_caller_are_refused_and_others_go_on(void **state)
{
	struct api_fixture *a = *state;
	int status = 0, calls = 0;
	char other[100];

	a->api->rates.per_s = 1; /* nobody calls yet */
	a->api->rates.burst = 5;
	for (; calls < 50 && status != 429; calls++) {
		struct answer answer = call(a, "GET", "/api/v1/apps", a->bearer, NULL);
		status = answer.r.status;
		if (status == 429)
			assert_string_equal(reply_header(&answer.r, "Retry-After"), "1");
		done(&answer);
	}
	assert_in_range(calls, 6, 12);
	snprintf(other, sizeof(other), "Authorization: Bearer %s\r\n", a->keys[SG_SCOPE_READ]);
	assert_status(a, "GET", "/api/v1/apps", other, NULL, 200);
}

/* ---- Idempotency-Key ---- */

static void a_repeated_creation_makes_nothing_and_tells_what_was_made(void **state)
{
	struct api_fixture *a = *state;
	char headers[300], others[300];
	const char *body = "{\"streamId\":\"once\",\"count\":2}";

	snprintf(headers, sizeof(headers), "%sIdempotency-Key: order-17\r\n", a->bearer);
	struct answer first = call(a, "POST", "/api/v1/tokens", headers, body);
	assert_int_equal(first.r.status, 201);
	struct answer again = call(a, "POST", "/api/v1/tokens", headers, body);
	assert_int_equal(again.r.status, 409);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(json_string_value(json_array_get(json_object_get(again.json, "ids"), i)),
		    text_of(json_array_get(json_object_get(first.json, "items"), i), "id"));
	assert_null(strstr(again.r.body, "tokenId"));
	done(&first);
	done(&again);
	assert_status(a, "POST", "/api/v1/tokens", headers, "{\"streamId\":\"other\"}", 422);
	assert_int_equal(items_of(a, "/api/v1/tokens?q=once"), 2);
	/* Another caller's key is another key. */
	snprintf(others, sizeof(others), "Authorization: Bearer %s\r\nIdempotency-Key: order-17\r\n",
	    a->keys[SG_SCOPE_TOKENS]);
	assert_status(a, "POST", "/api/v1/tokens", others, body, 201);
	snprintf(headers, sizeof(headers), "%sIdempotency-Key: %0129d\r\n", a->bearer, 1);
	assert_status(a, "POST", "/api/v1/tokens", headers, body, 400);
	/* What failed may be tried again. */
	snprintf(headers, sizeof(headers), "%sIdempotency-Key: order-18\r\n", a->bearer);
	assert_status(a, "POST", "/api/v1/tokens", headers, "{\"streamId\":\"..\"}", 400);
	assert_status(a, "POST", "/api/v1/tokens", headers, body, 201);
}

static void keys_are_remembered_up_to_a_limit(void **state)
{
	struct api_fixture *a = *state;
	char headers[300];
	size_t ids;

	for (int i = 0; i < 70; i++) { /* 70,000 ids */
		snprintf(headers, sizeof(headers), "%sIdempotency-Key: k%d\r\n", a->bearer, i);
		assert_status(a, "POST", "/api/v1/tokens", headers, "{\"streamId\":\"many\",\"count\":1000}", 201);
	}
	assert_int_equal(api_onces_count(a->api->onces, &ids), 65);
	assert_int_equal(ids, 65000);
	assert_status(a, "POST", "/api/v1/tokens", headers, "{\"streamId\":\"many\",\"count\":1000}", 409);
}

/* ---- tokens: search and pages ---- */

static void tokens_are_searched_and_paged(void **state)
{
	struct api_fixture *a = *state;
	char path[200] = "/api/v1/tokens?limit=2", cursor[64];
	size_t seen = 0, pages = 0;

	json_decref(get(a, "POST", "/api/v1/tokens", "{\"streamId\":\"north\",\"count\":3,\"label\":\"Gate A\"}", 201));
	json_decref(get(a, "POST", "/api/v1/tokens", "{\"streamId\":\"south\",\"count\":2}", 201));
	assert_int_equal(items_of(a, "/api/v1/tokens?q=NOR"), 3);
	assert_int_equal(items_of(a, "/api/v1/tokens?q=gate%20a"), 3);
	assert_int_equal(items_of(a, "/api/v1/tokens?q=nowhere"), 0);
	do {
		json_t *list = get(a, "GET", path, NULL, 200);
		seen += json_array_size(json_object_get(list, "items"));
		snprintf(cursor, sizeof(cursor), "%s", text_of(list, "next"));
		snprintf(path, sizeof(path), "/api/v1/tokens?limit=2&cursor=%s", cursor);
		json_decref(list);
		pages++;
	} while (*cursor);
	assert_int_equal(seen, 5);
	assert_int_equal(pages, 3);
}

/* ---- sessions for what follows ---- */

struct session {
	struct sg_session *s;
	atomic_int verdict;
	atomic_bool gone;
};

static void on_admitted(void *user, enum sg_reason verdict)
{
	atomic_store(&((struct session *)user)->verdict, (int)verdict);
}

static void on_kicked(void *user, enum sg_goodbye why)
{
	struct session *s = user;

	sg_gate_end(s->s, why);
	atomic_store(&s->gone, true);
}

/* Without a token, from somewhere. */
static void enter(struct api_fixture *a, struct session *s, const char *app, const char *stream)
{
	struct sg_request q = {.protocol = "flv", .app = sg_str_from(app), .stream = sg_str_from(stream),
	    .type = SG_PLAY, .at_once = true, .elsewhere = true};
	struct sg_gate_client c = {.executor = sg_loop_executor(a->f->loops[1]), .admitted = on_admitted,
	    .kicked = on_kicked, .user = s};

	assert_true(sg_addr_parse(SG_STR("192.0.2.1"), &q.peer));
	atomic_store(&s->verdict, -1);
	atomic_store(&s->gone, false);
	assert_non_null(s->s = sg_gate_admit(a->f->gate, &q, &c));
	for (int i = 0; i < 5000 && atomic_load(&s->verdict) < 0; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&s->verdict), SG_ADMITTED);
}

static void await_gone(struct session *s)
{
	for (int i = 0; i < 5000 && !atomic_load(&s->gone); i++)
		usleep(1000);
	assert_true(atomic_load(&s->gone));
}

/* ---- applications ---- */

static void applications_tell_whom_a_switch_would_concern(void **state)
{
	struct api_fixture *a = *state;
	struct session one, two, other;

	enter(a, &one, "vod", "film");
	enter(a, &two, "vod", "open");
	json_t *list = get(a, "GET", "/api/v1/apps", NULL, 200), *apps = json_object_get(list, "items");
	assert_int_equal(json_array_size(apps), 2);
	json_t *vod = json_array_get(apps, 1);
	assert_string_equal(text_of(vod, "app"), "vod");
	assert_true(json_is_false(json_object_get(vod, "playTokenControlEnabled")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(vod, "sessionsWithoutToken"), "play")), 2);
	assert_true(json_is_true(json_object_get(json_array_get(apps, 0), "playTokenControlEnabled")));
	json_decref(list);

	/* Left in, unless it is asked for; and then only those whom a switch concerns. */
	json_t *now = get(a, "PATCH", "/api/v1/apps/vod", "{\"playTokenControlEnabled\":true,"
	    "\"streams\":{\"open\":{\"playTokenControlEnabled\":false}}}", 200);
	assert_int_equal(json_integer_value(json_object_get(now, "sessionsEnded")), 0);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(now, "sessions"), "play")), 2);
	json_decref(now);
	enter(a, &other, "vod", "open");
	now = get(a, "PATCH", "/api/v1/apps/vod", "{\"endSessions\":true}", 200);
	assert_int_equal(json_integer_value(json_object_get(now, "sessionsEnded")), 1);
	json_decref(now);
	await_gone(&one);
	assert_false(atomic_load(&two.gone));
	now = get(a, "PATCH", "/api/v1/apps/vod", "{\"endSessions\":true,\"streams\":{\"open\":null}}", 200);
	assert_int_equal(json_integer_value(json_object_get(now, "sessionsEnded")), 2);
	json_decref(now);
	await_gone(&two);
	await_gone(&other);
	assert_status(a, "PATCH", "/api/v1/apps/vod", a->bearer, "{\"endSessions\":\"yes\"}", 400);
}

/* ---- sessions in order ---- */

static void sessions_are_listed_in_the_order_they_came(void **state)
{
	struct api_fixture *a = *state;
	static struct session all[50];
	char stream[16];

	for (int i = 0; i < 50; i++) { /* many within a millisecond */
		snprintf(stream, sizeof(stream), "s%02d", i);
		enter(a, &all[i], "vod", stream);
	}
	json_t *list = get(a, "GET", "/api/v1/sessions?app=vod", NULL, 200);
	for (int i = 0; i < 50; i++) {
		snprintf(stream, sizeof(stream), "s%02d", i);
		assert_string_equal(text_of(json_array_get(json_object_get(list, "items"), (size_t)i), "streamId"), stream);
	}
	json_decref(list);
	for (int i = 0; i < 50; i++)
		sg_gate_end(all[i].s, SG_BYE_CLOSED);
}

/* ---- recordings ---- */

static void recordings_are_the_files_and_the_catalogue_says_whose(void **state)
{
	struct api_fixture *a = *state;
	struct sg_recording r = {.app = "live", .name = "cam_2.mp4", .stream = "cam", .created_at = 1};
	char command[400];

	snprintf(command, sizeof(command),
	    "cd %s/rec && printf 12345 >live/cam.mp4 && printf 1 >live/cam_2.mp4 && printf 1 >root.mp4 && "
	    "printf 1 >cam.mp4 && printf 1 >vod/film.mp4 && touch live/note.txt live/.hidden.mp4 && "
	    "ln -s /etc/hostname live/link.mp4 && mkdir live/folder.mp4 && touch -d @1700000000 live/cam.mp4", a->f->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(sg_store_recording_add(a->f->store, &r), SG_OK);
	json_t *list = get(a, "GET", "/api/v1/recordings", NULL, 200);
	char *text = json_dumps(json_object_get(list, "items"), JSON_COMPACT);
	static const char *const want[] = {"cam.mp4", "cam_2.mp4", "root.mp4", "film.mp4"};
	assert_int_equal(json_array_size(json_object_get(list, "items")), 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(text_of(json_array_get(json_object_get(list, "items"), i), "name"), want[i]);
	assert_non_null(strstr(text, "{\"app\":\"live\",\"name\":\"cam.mp4\",\"streamId\":\"cam\",\"size\":5,"
	    "\"modified\":1700000000,\"startedAt\":null,\"duration\":null,\"path\":\"/live/streams/cam.mp4\"}"));
	free(text);
	json_decref(list);
	assert_int_equal(items_of(a, "/api/v1/recordings?streamId=cam"), 2);
	assert_int_equal(items_of(a, "/api/v1/recordings?app=vod"), 1);
	assert_int_equal(items_of(a, "/api/v1/recordings?q=FILM"), 1);
	assert_int_equal(items_of(a, "/api/v1/recordings?app=none"), 0);
	list = get(a, "GET", "/api/v1/recordings?limit=3", NULL, 200);
	assert_string_equal(text_of(list, "next"), "live/root.mp4");
	json_decref(list);
	assert_int_equal(items_of(a, "/api/v1/recordings?limit=3&cursor=live/root.mp4"), 1);
}

/* ---- long searches ---- */

/* The needles' seqs: 5, 25000, 45000. */
static void fill_audit(struct api_fixture *a)
{
	struct sg_audit *rows = calloc(50000, sizeof(*rows));

	assert_non_null(rows);
	for (size_t i = 0; i < 50000; i++)
		rows[i] = (struct sg_audit){.at_ms = 1, .app = "live", .event = "setting", .stream = "hay"};
	strcpy(rows[4].stream, "needle");
	strcpy(rows[24999].stream, "needle");
	strcpy(rows[44999].stream, "needle");
	assert_int_equal(sg_store_audit_add(a->f->store, rows, 50000), SG_OK);
	free(rows);
}

static void a_long_search_of_the_audit_finds_all(void **state)
{
	struct api_fixture *a = *state;
	static const struct {
		const char *query;
		int seqs[3];
		const char *next;
	} rows[] = {
	    {"streamId=needle", {45000, 25000, 5}, NULL},
	    {"streamId=needle&limit=2", {45000, 25000}, "25000"},
	    {"streamId=needle&limit=2&cursor=25000", {5}, NULL},
	    {"streamId=needle&cursor=5", {0}, NULL},
	    {"streamId=needle&cursor=900000", {45000, 25000, 5}, NULL},
	    {"streamId=needle&after=1", {5, 25000, 45000}, NULL},
	    {"streamId=needle&after=5&limit=1", {25000}, "25000"},
	    {"streamId=needle&after=45000", {0}, NULL},
	    {"streamId=needle&after=900000", {0}, NULL},
	    {"streamId=nothing", {0}, NULL},
	};

	assert_int_equal(items_of(a, "/api/v1/audit?streamId=needle"), 0);
	fill_audit(a);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char target[128];
		size_t count = 0;
		snprintf(target, sizeof(target), "/api/v1/audit?%s", rows[i].query);
		json_t *list = get(a, "GET", target, NULL, 200), *items = json_object_get(list, "items");
		for (; count < 3 && rows[i].seqs[count]; count++)
			if (json_integer_value(json_object_get(json_array_get(items, count), "seq")) !=
			    rows[i].seqs[count])
				fail_msg("%s: item %zu", target, count);
		assert_int_equal(json_array_size(items), count);
		const char *next = json_string_value(json_object_get(list, "next"));
		if (next ? !rows[i].next || strcmp(next, rows[i].next) != 0 : rows[i].next != NULL)
			fail_msg("%s: next %s", target, next ? next : "null");
		json_decref(list);
	}
}

struct in_between {
	int fd; /* on which the search is answered */
	atomic_bool go, done, answered;
};

static void wait_for_go(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct in_between *b = user;

	(void)gate, (void)store;
	while (!atomic_load(&b->go))
		usleep(1000);
}

static void look_for_the_answer(void *user, struct sg_gate *gate, struct sg_store *store)
{
	struct in_between *b = user;
	struct pollfd p = {.fd = b->fd, .events = POLLIN};

	(void)gate, (void)store;
	atomic_store(&b->answered, poll(&p, 1, 500) == 1);
	atomic_store(&b->done, true);
}

static void others_are_served_during_a_long_search(void **state)
{
	struct api_fixture *a = *state;
	struct in_between b = {.fd = client_connect(a->f)};
	struct reply r;
	char text[300];

	fill_audit(a);
	assert_true(sg_gate_query(a->f->gate, wait_for_go, &b));
	unsigned calls = (unsigned)atomic_load(&a->api->calls);
	snprintf(text, sizeof(text), "GET /api/v1/audit?streamId=nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", a->bearer);
	client_send(b.fd, text);
	for (int i = 0; i < 5000 && (unsigned)atomic_load(&a->api->calls) == calls; i++)
		usleep(1000);
	usleep(50000); /* counted, and then put in the queue */
	assert_true(sg_gate_query(a->f->gate, look_for_the_answer, &b));
	atomic_store(&b.go, true);
	client_read(b.fd, &r, true);
	assert_int_equal(r.status, 200);
	assert_true(atomic_load(&b.done));
	assert_false(atomic_load(&b.answered));
	reply_free(&r);
	close(b.fd);
}

/* ---- recordings ---- */

static void sh(struct api_fixture *a, const char *what)
{
	char command[400];

	snprintf(command, sizeof(command), "cd %s/rec && %s", a->f->dir, what);
	assert_int_equal(system(command), 0);
}

static void a_file_put_there_by_hand_stays_so_when_it_is_renamed(void **state)
{
	struct api_fixture *a = *state;
	struct sg_recording r = {.app = "live", .name = "cam.mp4", .stream = "cam", .created_at = 1};

	sh(a, "printf 1 >live/film.mp4 && printf 1 >live/cam.mp4");
	assert_int_equal(sg_store_recording_add(a->f->store, &r), SG_OK);
	json_decref(get(a, "PATCH", "/api/v1/recordings/live/film.mp4", "{\"name\":\"one.mp4\"}", 200));
	json_decref(get(a, "PATCH", "/api/v1/recordings/live/one.mp4", "{\"name\":\"two.mp4\"}", 200));
	assert_int_equal(sg_store_recording_get(a->f->store, SG_STR("live"), SG_STR("two.mp4"), &r), SG_OK);
	assert_int_equal(r.state, SG_RECORDING_PLACED);
	assert_string_equal(r.stream, "film");
	json_decref(get(a, "PATCH", "/api/v1/recordings/live/cam.mp4", "{\"name\":\"three.mp4\"}", 200));
	assert_int_equal(sg_store_recording_get(a->f->store, SG_STR("live"), SG_STR("three.mp4"), &r), SG_OK);
	assert_int_equal(r.state, SG_RECORDING_DONE);
}

static void no_file_takes_the_name_of_one_that_is_being_written(void **state)
{
	struct api_fixture *a = *state;
	struct sg_recording r = {.app = "live", .name = "cam.mp4", .stream = "cam", .created_at = 1,
	    .state = SG_RECORDING_WRITTEN};

	sh(a, "printf 1 >live/film.mp4 && printf 1 >live/.cam.mp4.part && printf 1 >root.mp4");
	assert_int_equal(sg_store_recording_add(a->f->store, &r), SG_OK);
	assert_status(a, "PATCH", "/api/v1/recordings/live/film.mp4", a->bearer, "{\"name\":\"cam.mp4\"}", 409);
	assert_status(a, "PATCH", "/api/v1/recordings/live/root.mp4", a->bearer, "{\"name\":\"cam.mp4\"}", 409);
	sh(a, "test ! -e live/cam.mp4 && test ! -e cam.mp4 && test -e live/film.mp4 && test -e root.mp4");
	assert_int_equal(sg_store_recording_get(a->f->store, SG_STR("live"), SG_STR("cam.mp4"), &r), SG_OK);
	assert_string_equal(r.stream, "cam");
	assert_int_equal(r.state, SG_RECORDING_WRITTEN);
	/* Nor does one that was put there meanwhile take that one's row along. */
	sh(a, "printf 1 >live/cam.mp4");
	assert_status(a, "PATCH", "/api/v1/recordings/live/cam.mp4", a->bearer, "{\"name\":\"new.mp4\"}", 409);
	assert_status(a, "DELETE", "/api/v1/recordings/live/cam.mp4", a->bearer, NULL, 200);
	assert_int_equal(sg_store_recording_get(a->f->store, SG_STR("live"), SG_STR("cam.mp4"), &r), SG_OK);
	/* Files of one application lie in two folders, and share the catalogue's rows. */
	assert_status(a, "PATCH", "/api/v1/recordings/live/root.mp4", a->bearer, "{\"name\":\"film.mp4\"}", 409);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    CASE(an_unknown_path_or_method_is_a_problem),
	    CASE(too_many_calls_of_one_caller_are_refused_and_others_go_on),
	    CASE(a_repeated_creation_makes_nothing_and_tells_what_was_made),
	    CASE(keys_are_remembered_up_to_a_limit),
	    CASE(tokens_are_searched_and_paged),
	    CASE(applications_tell_whom_a_switch_would_concern),
	    CASE(sessions_are_listed_in_the_order_they_came),
	    CASE(recordings_are_the_files_and_the_catalogue_says_whose),
	    CASE(a_long_search_of_the_audit_finds_all),
	    CASE(others_are_served_during_a_long_search),
	    CASE(a_file_put_there_by_hand_stays_so_when_it_is_renamed),
	    CASE(no_file_takes_the_name_of_one_that_is_being_written),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
