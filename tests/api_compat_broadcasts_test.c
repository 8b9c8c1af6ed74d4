/* Ant Media's REST over a real server: settings and broadcasts. The numbers in comments are those of
 * the compatibility checklist. */
#include "api_compat_fixture.h"
#include <stdatomic.h>

/* ---- settings ---- */

static void switches_are(struct fixture *f, bool publish, bool play, const char *why)
{
	if (sg_gate_needs_token(f->gate, SG_STR("live"), SG_STR("x"), SG_PUBLISH) != publish ||
	    sg_gate_needs_token(f->gate, SG_STR("live"), SG_STR("x"), SG_PLAY) != play)
		fail_msg("%s: not %d %d", why, publish, play);
	json_t *o = get(f, "GET", SETTINGS, NULL, 200);
	assert_int_equal(json_is_true(json_object_get(o, "publishTokenControlEnabled")), publish);
	assert_int_equal(json_is_true(json_object_get(o, "playTokenControlEnabled")), play);
	json_decref(o);
}

/* 13, 50: in force when the answer comes. */
static void settings_are_read_changed_and_written_back(void **state)
{
	struct fixture *f = *state;
	json_t *o = get(f, "GET", SETTINGS, NULL, 200);

	switches_are(f, false, false, "at first");
	json_object_set_new(o, "playTokenControlEnabled", json_true());
	char *text = json_dumps(o, 0);
	assert_result(f, "POST", SETTINGS, text, 200, true);
	free(text);
	json_decref(o);
	switches_are(f, false, true, "written back");
	static const struct {
		const char *target, *body;
		int status;
		bool success, publish, play;
	} rows[] = {
	    {SETTINGS, "{}", 200, true, false, true},
	    {SETTINGS, "{\"publishTokenControlEnabled\":true}", 200, true, true, true},
	    {SETTINGS, "{\"playTokenControlEnabled\":false}", 200, true, true, false},
	    {SETTINGS, "{\"tokenControlEnabled\":true}", 200, true, true, true},
	    {SETTINGS, "{\"tokenControlEnabled\":false,\"playTokenControlEnabled\":true}", 200, true, false, true},
	    {SETTINGS, "{\"neverHeardOf\":{\"x\":[1]},\"tokenControlEnabled\":null}", 200, true, false, true},
	    {SETTINGS, "{\"publishTokenControlEnabled\":\"true\"}", 200, true, true, true},
	    {SETTINGS, "{\"publishTokenControlEnabled\":7}", 400, false, true, true},
	    {SETTINGS, "{\"playJwtControlEnabled\":true}", 200, false, true, true},
	    {SETTINGS, "{\"publishTokenControlEnabled\":false,\"enableTimeTokenForPlay\":true}", 200, false, true, true},
	    {SETTINGS, "{\"playTokenControlEnabled\":false,\"playJwtControlEnabled\":true,"
		       "\"enableTimeTokenForPlay\":true}", 200, false, true, true},
	    {SETTINGS, "{\"playTokenControlEnabled\":false,\"hashControlPlayEnabled\":true}", 200, false, true, true},
	    {SETTINGS, "{\"playTokenControlEnabled\":false,\"acceptOnlyStreamsInDataStore\":true}", 200, false, true, true},
	    {SETTINGS, "{\"webhookPlayAuthUrl\":\"http://x/\"}", 200, false, true, true},
	    {SETTINGS, "{\"webhookPlayAuthUrl\":\"\",\"ipFilterEnabled\":true,\"hlsMuxingEnabled\":true}", 200, true, true, true},
	    {OLD_SETTINGS "changeSettings/live", "{\"tokenControlEnabled\":false}", 200, true, false, false},
	    {OLD_SETTINGS "changeSettings/live", "{\"tokenControlEnabled\":true}", 200, true, true, true},
	    {SETTINGS, "{\"playTokenControlEnabled\":false}", 200, true, true, false},
	    /* Read as false, written back: no wish to turn the other one off. */
	    {OLD_SETTINGS "changeSettings/live", "{\"tokenControlEnabled\":false,\"hlsMuxingEnabled\":true}", 200, true, true, false},
	    {OLD_SETTINGS "changeSettings/live", "{\"tokenControlEnabled\":false}", 200, true, false, false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_result(f, "POST", rows[i].target, rows[i].body, rows[i].status, rows[i].success);
		switches_are(f, rows[i].publish, rows[i].play, rows[i].body);
	}
	o = get(f, "POST", SETTINGS, "{\"playTokenControlEnabled\":true,\"playJwtControlEnabled\":true}", 200);
	assert_non_null(strstr(text_of(o, "message"), "only one"));
	json_decref(o);
	o = get(f, "GET", OLD_SETTINGS "getSettings/live", NULL, 200);
	assert_true(json_is_false(json_object_get(o, "tokenControlEnabled")));
	assert_null(json_object_get(o, "playTokenControlEnabled"));
	json_decref(o);
	assert_result(f, "POST", "/rest/v2/applications/settings/none", "{}", 404, false);
}

/* ---- broadcasts ---- */

static const char *id_of(const json_t *list, size_t i)
{
	return text_of(json_array_get(list, i), "streamId");
}

/* 12. */
static void a_created_broadcast_is_kept_under_its_name(void **state)
{
	struct fixture *f = *state;
	static const char *const refused[] = {"a/b", "a b", ".a", "\\u00e4", "a?b", "a%2fb"};
	char body[400], long_name[300];

	json_t *b = get(f, "POST", V2 "/create?autoStart=false", "{\"streamId\":\" cam \",\"name\":\"Gate \\u00e9\",\"type\":\"liveStream\"}", 200);
	assert_string_equal(text_of(b, "streamId"), "cam");
	assert_string_equal(text_of(b, "name"), "Gate \xc3\xa9");
	assert_string_equal(text_of(b, "status"), "created");
	assert_in_range(number_of(b, "date"), sg_wall_ms() - 60000, sg_wall_ms());
	assert_true(json_is_false(json_object_get(b, "zombi")));
	json_t *again = get(f, "GET", V2 "/cam", NULL, 200);
	assert_true(json_equal(b, again));
	json_decref(again);
	again = get(f, "GET", V1 "get?id=cam", NULL, 200);
	assert_true(json_equal(b, again));
	json_decref(again);
	json_decref(b);
	assert_result(f, "POST", V2 "/create", "{\"streamId\":\"cam\"}", 400, false);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		snprintf(body, sizeof(body), "{\"streamId\":\"%s\"}", refused[i]);
		assert_result(f, "POST", V2 "/create", body, 400, false);
	}
	memset(long_name, 'x', 129);
	long_name[129] = '\0';
	snprintf(body, sizeof(body), "{\"streamId\":\"%s\"}", long_name);
	assert_result(f, "POST", V2 "/create", body, 400, false);
	/* A name is cut to what is kept, between characters. */
	snprintf(body, sizeof(body), "{\"streamId\":\"long\",\"name\":\"%.99s\\u00e9\"}", long_name);
	b = get(f, "POST", V2 "/create", body, 200);
	assert_int_equal(strlen(text_of(b, "name")), 99);
	json_decref(b);
	/* Without a name of its own it gets one; version 1 gives one in any case. */
	b = get(f, "POST", V2 "/create", NULL, 200);
	again = get(f, "POST", V1 "create", "{\"streamId\":\"cam\",\"name\":\"\"}", 200);
	assert_true(strlen(text_of(b, "streamId")) >= 16);
	assert_true(strlen(text_of(again, "streamId")) >= 16);
	assert_string_not_equal(text_of(b, "streamId"), text_of(again, "streamId"));
	assert_true(json_is_null(json_object_get(b, "name")));
	assert_true(json_is_string(json_object_get(again, "name")));
	json_decref(b);
	json_decref(again);
	assert_result(f, "PUT", V2 "/cam", "{\"name\":\"Door\"}", 200, true);
	assert_result(f, "PUT", V2 "/cam", "{\"description\":\"not kept\"}", 200, true);
	assert_result(f, "PUT", V2 "/none", "{\"name\":\"Door\"}", 200, false);
	b = get(f, "GET", V2 "/cam", NULL, 200);
	assert_string_equal(text_of(b, "name"), "Door");
	json_decref(b);
}

/* 11. */
static void broadcasts_are_listed_counted_and_deleted(void **state)
{
	struct fixture *f = *state;
	char body[100];
	static const char *const names[] = {"delta", "alpha", "charlie", "bravo"};

	for (int i = 0; i < 4; i++) {
		snprintf(body, sizeof(body), "{\"streamId\":\"z-%s\",\"name\":\"%c\"}", names[i], 'A' + i);
		json_decref(get(f, "POST", "/vod/rest/v2/broadcasts/create", body, 200));
		usleep(2000); /* dates are in milliseconds: no two alike */
	}
#define VOD "/vod/rest/v2/broadcasts"
	static const struct {
		const char *target, *first;
		size_t count;
	} rows[] = {
	    {VOD "/list/0/50", "z-alpha", 4}, {VOD "/list/1/2", "z-bravo", 2}, {VOD "/list/4/50", "", 0},
	    {VOD "/list/-3/1", "z-alpha", 1}, {VOD "/list/0/0", "", 0},
	    {VOD "/list/0/50?order_by=desc", "z-delta", 4}, {VOD "/list/0/50?sort_by=name", "z-delta", 4},
	    {VOD "/list/0/50?sort_by=name&order_by=desc", "z-bravo", 4},
	    {VOD "/list/0/50?sort_by=date", "z-delta", 4}, {VOD "/list/0/50?search=CHAR", "z-charlie", 1},
	    {VOD "/list/0/50?search=nothing", "", 0}, {VOD "/list/0/50?type_by=liveStream", "z-alpha", 4},
	    {VOD "/list/0/50?type_by=ipCamera", "", 0}, {"/vod/rest/broadcast/getList/1/50", "z-bravo", 3},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *list = get(f, "GET", rows[i].target, NULL, 200);
		if (!json_is_array(list) || json_array_size(list) != rows[i].count || strcmp(id_of(list, 0), rows[i].first))
			fail_msg("%s: %zu, first %s", rows[i].target, json_array_size(list), id_of(list, 0));
		json_decref(list);
	}
	static const struct {
		const char *target;
		long long number;
	} counts[] = {{VOD "/count", 4}, {VOD "/count/BRAVO", 1}, {VOD "/active-live-stream-count", 0}};
	for (size_t i = 0; i < 3; i++) {
		json_t *o = get(f, "GET", counts[i].target, NULL, 200);
		assert_int_equal(json_object_size(o), 1);
		assert_int_equal(number_of(o, "number"), counts[i].number);
		json_decref(o);
	}
	json_t *bare = get(f, "GET", "/vod/rest/broadcast/getTotalBroadcastNumber", NULL, 200);
	assert_int_equal(json_integer_value(bare), 4);
	json_decref(bare);
	assert_empty(f, "GET", VOD "/none", NULL, 404);
	assert_empty(f, "GET", VOD "/.a", NULL, 404);
	bare = get(f, "GET", "/vod/rest/broadcast/get?id=none", NULL, 200);
	const char *key;
	json_t *value;
	json_object_foreach(bare, key, value) assert_true(json_is_null(value));
	assert_true(json_object_size(bare) > 20);
	json_decref(bare);
	assert_result(f, "DELETE", VOD "/none", NULL, 200, false);
	assert_result(f, "DELETE", VOD "/z-alpha?deleteSubtracks=true", NULL, 200, true);
	assert_result(f, "DELETE", VOD "/z-alpha", NULL, 200, false);
	assert_empty(f, "GET", VOD "/z-alpha", NULL, 404);
	assert_result(f, "DELETE", VOD "/?ids=z-bravo,z-none", NULL, 200, false);
	assert_result(f, "DELETE", VOD "?ids=z-charlie", NULL, 200, true);
	assert_result(f, "DELETE", VOD, NULL, 200, false);
	assert_result(f, "POST", "/vod/rest/broadcast/delete/z-delta", NULL, 200, true);
	assert_result(f, "POST", "/vod/rest/broadcast/delete/z-delta", NULL, 200, false);
	assert_int_equal(length_of(f, VOD "/list/0/50"), 0);
}

static void created_broadcasts_have_a_limit(void **state)
{
	struct fixture *f = *state;
	char command[300];

	/* As sqlite3's own shell would: ten thousand calls would each wait for the disk. */
	snprintf(command, sizeof(command), "sqlite3 %s/t.db \"INSERT INTO setting (app,stream,key,value,changed_at)"
	    " WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<10000)"
	    " SELECT 'vod','n'||i,'broadcast','1',1 FROM n\"", f->dir);
	assert_int_equal(system(command), 0);
	assert_result(f, "POST", V2 "/create", "{\"streamId\":\"late\"}", 400, false);
	json_t *o = get(f, "GET", VOD "/count", NULL, 200);
	assert_int_equal(number_of(o, "number"), 10000);
	json_decref(o);
	assert_int_equal(length_of(f, VOD "/list/9990/250"), 10);
	snprintf(command, sizeof(command), "sqlite3 %s/t.db \"DELETE FROM setting WHERE app = 'vod'\"", f->dir);
	assert_int_equal(system(command), 0);
}

/* ---- live ---- */

struct session {
	struct sg_session *s;
	atomic_int verdict; /* -1: not known */
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

static void await_gone(struct session *s)
{
	for (int i = 0; i < 5000 && !atomic_load(&s->gone); i++)
		usleep(1000);
	assert_true(atomic_load(&s->gone));
}

static void enter(struct fixture *f, struct session *s, const char *protocol, enum sg_token_type type, const char *token)
{
	struct sg_request q = {.protocol = protocol, .app = SG_STR("live"), .stream = SG_STR("on-air"),
	    .type = type, .token = sg_str_from(token), .user_agent = SG_STR("test/1"), .at_once = true};
	struct sg_gate_client c = {.executor = sg_loop_executor(f->loops[0]),
	    .admitted = on_admitted, .kicked = on_kicked, .user = s};

	assert_true(sg_addr_parse(SG_STR("192.0.2.1"), &q.peer));
	atomic_store(&s->verdict, -1);
	atomic_store(&s->gone, false);
	assert_non_null(s->s = sg_gate_admit(f->gate, &q, &c));
	for (int i = 0; i < 5000 && atomic_load(&s->verdict) < 0; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&s->verdict), SG_ADMITTED);
}

static struct sg_publisher *go_live(struct fixture *f)
{
	static const uint8_t config[] = {0xaf, 0, 0x12, 0x10}, frame[] = {0xaf, 1, 0x21, 0x10, 4, 0x60, 0x8c, 0x1c};
	struct sg_publisher *pub;

	assert_int_equal(sg_hub_publish(f->hub, SG_STR("live"), SG_STR("on-air"), "rtmp", &pub), SG_OK);
	assert_int_equal(sg_publisher_write_flv(pub, 8, 0, config, sizeof(config)), SG_OK);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(sg_publisher_write_flv(pub, 8, i * 23, frame, sizeof(frame)), SG_OK);
	return pub;
}

/* 49 as well: revoking ends what the token has opened. */
static void a_live_stream_is_a_broadcast(void **state)
{
	struct fixture *f = *state;
	struct session publisher, viewers[3], revoked;
	static const char *const protocols[] = {"hls", "rtmp", "hls"};
	char secret[SG_TOKEN_TEXT_SIZE];

	assert_result(f, "POST", SETTINGS, "{\"tokenControlEnabled\":false}", 200, true);
	enter(f, &publisher, "rtmp", SG_PUBLISH, "");
	struct sg_publisher *pub = go_live(f);
	for (int i = 0; i < 3; i++)
		enter(f, &viewers[i], protocols[i], SG_PLAY, "");
	json_t *b = get(f, "GET", V2 "/on-air", NULL, 200);
	assert_string_equal(text_of(b, "status"), "broadcasting");
	assert_string_equal(text_of(b, "publishType"), "RTMP");
	assert_string_equal(text_of(b, "remoteIp"), "192.0.2.1");
	assert_string_equal(text_of(b, "userAgent"), "test/1");
	assert_true(json_is_true(json_object_get(b, "zombi")));
	assert_int_equal(number_of(b, "hlsViewerCount"), 2);
	assert_int_equal(number_of(b, "rtmpViewerCount"), 1);
	assert_int_equal(number_of(b, "webRTCViewerCount"), 0);
	assert_true(number_of(b, "receivedBytes") > 0);
	assert_in_range(number_of(b, "startTime"), sg_wall_ms() - 60000, sg_wall_ms());
	json_decref(b);
	b = get(f, "GET", V2 "/on-air/broadcast-statistics", NULL, 200);
	assert_int_equal(json_object_size(b), 4);
	assert_int_equal(number_of(b, "totalHLSWatchersCount"), 2);
	assert_int_equal(number_of(b, "totalRTMPWatchersCount"), 1);
	assert_true(json_is_integer(json_object_get(b, "totalWebRTCWatchersCount")));
	assert_true(json_is_integer(json_object_get(b, "totalDASHWatchersCount")));
	json_decref(b);
	b = get(f, "GET", V2 "/active-live-stream-count", NULL, 200);
	assert_int_equal(number_of(b, "number"), 1);
	json_decref(b);
	b = get(f, "GET", V2 "/list/0/5?search=on-air&sort_by=status", NULL, 200);
	assert_int_equal(json_array_size(b), 1);
	assert_int_equal(number_of(json_array_get(b, 0), "hlsViewerCount"), 2);
	json_decref(b);
	assert_result(f, "POST", V2 "/create", "{\"streamId\":\"on-air\"}", 400, false);
	assert_result(f, "PUT", V2 "/on-air", "{\"name\":\"Now\"}", 200, true); /* kept from now on */
	b = get(f, "GET", V2 "/on-air", NULL, 200);
	assert_string_equal(text_of(b, "name"), "Now");
	assert_string_equal(text_of(b, "status"), "broadcasting");
	assert_true(json_is_false(json_object_get(b, "zombi")));
	json_decref(b);

	assert_result(f, "POST", SETTINGS, "{\"playTokenControlEnabled\":true}", 200, true);
	create(f, V2 "/on-air/token?type=play&expireDate=" FUTURE, secret);
	enter(f, &revoked, "flv", SG_PLAY, secret);
	assert_int_equal(length_of(f, V2 "/on-air/tokens/list/0/50"), 0); /* used up, but he is in */
	assert_result(f, "DELETE", V2 "/on-air/tokens", NULL, 200, true);
	await_gone(&revoked);
	assert_result(f, "DELETE", V2 "/on-air/tokens", NULL, 200, false);
	assert_result(f, "POST", SETTINGS, "{\"playTokenControlEnabled\":false}", 200, true);

	assert_result(f, "POST", V2 "/on-air/start", NULL, 200, false);
	assert_result(f, "POST", V2 "/on-air/stop", NULL, 200, true);
	await_gone(&publisher);
	assert_result(f, "POST", V2 "/on-air/stop", NULL, 200, false);
	assert_result(f, "POST", V1 "stop/.x", NULL, 200, false);
	enter(f, &publisher, "rtmp", SG_PUBLISH, "");
	assert_result(f, "DELETE", V2 "/on-air", NULL, 200, true);
	await_gone(&publisher);
	sg_publisher_close(pub, true);
	/* The hub keeps its place for a while; to scripts it is gone, and the name is free. */
	assert_empty(f, "GET", V2 "/on-air", NULL, 404);
	assert_result(f, "DELETE", V2 "/on-air", NULL, 200, false);
	json_decref(get(f, "POST", V2 "/create", "{\"streamId\":\"on-air\"}", 200));
	for (int i = 0; i < 3; i++)
		sg_gate_end(viewers[i].s, SG_BYE_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(settings_are_read_changed_and_written_back),
	    cmocka_unit_test(a_created_broadcast_is_kept_under_its_name),
	    cmocka_unit_test(broadcasts_are_listed_counted_and_deleted),
	    cmocka_unit_test(created_broadcasts_have_a_limit),
	    cmocka_unit_test(a_live_stream_is_a_broadcast),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
