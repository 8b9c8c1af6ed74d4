/* An administrator's look at a stream, by WHEP: who gets one, who may change and end it, and what ends it. */
#include "api_fixture.h"

#define PATH "/api/v1/streams/live/cam/preview"
#define SDP "Content-Type: application/sdp\r\n"
#define OFFER "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=video 9 X 96\r\n"
#define FRAGMENT "Content-Type: application/trickle-ice-sdpfrag\r\nIf-Match: *\r\n"
#define CANDIDATE                                                                                  \
	"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"                                  \
	"m=video 9 X 96\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"

static struct sg_publisher *cam;

static int set_up(void **state)
{
	static const uint8_t config[] = {0xaf, 0, 0x12, 0x10}, sound[] = {0xaf, 1, 1, 2, 3, 4};
	struct api_fixture *a = api_fixture_open("[app live]\npublish_token = on\nplay_token = on\n");

	*state = a;
	assert_int_equal(sg_hub_publish(a->f->hub, SG_STR("live"), SG_STR("cam"), "rtmp", &cam), SG_OK);
	assert_int_equal(sg_publisher_write_flv(cam, 8, 0, config, sizeof(config)), SG_OK);
	assert_int_equal(sg_publisher_write_flv(cam, 8, 20, sound, sizeof(sound)), SG_OK);
	set_password(a, PASSWORD);
	sign_in(a);
	return 0;
}

static int tear_down(void **state)
{
	struct api_fixture *a = *state;

	sg_signal_drain(a->sig);
	sg_publisher_close(cam, true);
	api_fixture_close(a);
	return 0;
}

static const char *with(const char *headers, const char *more)
{
	static char out[4][600];
	static int i;

	i = (i + 1) % 4;
	snprintf(out[i], sizeof(out[i]), "%s%s", headers, more);
	return out[i];
}

/* A preview for whoever `headers` are; its URL goes to `url`. */
static void look_as(struct api_fixture *a, const char *headers, char url[200])
{
	struct answer answer = call(a, "POST", PATH, with(headers, SDP), OFFER);

	assert_int_equal(answer.r.status, 201);
	snprintf(url, 200, "%s", reply_header(&answer.r, "Location"));
	done(&answer);
}

/* The promise is a second. */
static void assert_ends_within_a_second(struct api_fixture *a)
{
	int64_t until = sg_mono_ms() + 1000;

	while (fake_count(&a->engine) && sg_mono_ms() < until)
		usleep(2000);
	assert_int_equal(fake_count(&a->engine), 0);
	assert_int_equal(sg_gate_count(a->f->gate, SG_STR("live"), SG_STR("cam"), SG_PLAY), 0);
}

static void an_administrator_looks_without_a_token(void **state)
{
	struct api_fixture *a = *state;
	struct answer answer = call(a, "POST", PATH, with(as_page(a), SDP), OFFER);

	assert_int_equal(answer.r.status, 201);
	assert_string_equal(reply_header(&answer.r, "Content-Type"), "application/sdp");
	assert_string_equal(answer.r.body, FAKE_ANSWER);
	assert_string_equal(reply_header(&answer.r, "ETag"), "\"ice-0\"");
	assert_string_equal(reply_header(&answer.r, "Access-Control-Allow-Origin"), "");
	assert_memory_equal(reply_header(&answer.r, "Location"), PATH "/", strlen(PATH "/"));
	done(&answer);
	fake_media(&a->engine);
	struct sg_session_info s = {0};
	while (sg_gate_sessions(a->f->gate, 0, &s, 1) != 1 || strcmp(s.state, "active"))
		usleep(2000);
	assert_string_equal(s.protocol, "preview");
	assert_true(s.by_admin);
	assert_int_equal(s.token_id, 0);
	json_t *stream = get(a, "GET", "/api/v1/streams/live/cam", NULL, 200);
	assert_int_equal(json_integer_value(json_object_get(stream, "viewers")), 0);
	json_decref(stream);
	/* Shown out as all others are. */
	char path[100] = "/api/v1/sessions/";
	sg_id_format(path + strlen(path), s.id);
	json_decref(get(a, "DELETE", path, NULL, 200));
	assert_ends_within_a_second(a);
}

static void others_get_none_and_are_told_why(void **state)
{
	struct api_fixture *a = *state;
	char tokens[100], elsewhere[400];

	snprintf(tokens, sizeof(tokens), "Authorization: Bearer %s\r\n", a->keys[SG_SCOPE_TOKENS]);
	snprintf(elsewhere, sizeof(elsewhere), "%s" SDP "Sec-Fetch-Site: cross-site\r\n", a->cookie);
	assert_status(a, "POST", PATH, SDP, OFFER, 401);
	assert_status(a, "POST", PATH, with(tokens, SDP), OFFER, 403);
	assert_status(a, "POST", PATH, with(a->cookie, SDP), OFFER, 403);
	assert_status(a, "POST", PATH, elsewhere, OFFER, 403);
	assert_status(a, "POST", PATH, as_page(a), OFFER, 415);
	assert_status(a, "POST", PATH, with(as_page(a), SDP), "hello", 400);
	assert_status(a, "POST", "/api/v1/streams/live/none/preview", with(as_page(a), SDP), OFFER, 404);
	assert_status(a, "POST", "/api/v1/streams/none/cam/preview", with(as_page(a), SDP), OFFER, 404);
	a->engine.overload = true;
	assert_status(a, "POST", PATH, with(as_page(a), SDP), OFFER, 503);
	a->engine.overload = false;
	snprintf(a->engine.last_detail, sizeof(a->engine.last_detail), "hevc cannot be played over WebRTC");
	struct answer answer = call(a, "POST", PATH, with(as_page(a), SDP), OFFER);
	assert_int_equal(answer.r.status, 422);
	assert_string_equal(text_of(answer.json, "detail"), "hevc cannot be played over WebRTC");
	done(&answer);
	/* A key opens previews; it is no token for the stream. */
	answer = call(a, "POST", "/live/whep/cam", with(a->bearer, SDP), OFFER);
	assert_int_equal(answer.r.status, 403);
	done(&answer);
	assert_ends_within_a_second(a);
}

static void its_url_is_its_owners_alone(void **state)
{
	struct api_fixture *a = *state;
	char url[200], whep[200], mine[400];

	look_as(a, as_page(a), url);
	snprintf(mine, sizeof(mine), "%s", as_page(a));
	snprintf(whep, sizeof(whep), "/live/whep/cam/%s", strrchr(url, '/') + 1);
	sign_in(a); /* another session */
	for (int i = 0; i < 2; i++) {
		const char *method = i ? "DELETE" : "PATCH";
		assert_status(a, method, url, FRAGMENT, CANDIDATE, 401);
		assert_status(a, method, url, with(a->cookie, FRAGMENT), CANDIDATE, 403);
		assert_status(a, method, url, with(as_page(a), FRAGMENT), CANDIDATE, 404);
		assert_status(a, method, url, with(a->bearer, FRAGMENT), CANDIDATE, 404);
		struct answer answer = call(a, method, whep, FRAGMENT, CANDIDATE);
		assert_int_equal(answer.r.status, 404);
		done(&answer);
	}
	assert_int_equal(fake_count(&a->engine), 1);
	assert_status(a, "PATCH", url, with(mine, FRAGMENT), CANDIDATE, 204);
	assert_status(a, "PATCH", url, with(mine, "If-Match: *\r\n"), CANDIDATE, 415);
	assert_status(a, "PATCH", url, mine, CANDIDATE, 415);
	assert_status(a, "DELETE", url, mine, NULL, 200);
	assert_status(a, "DELETE", url, mine, NULL, 404);
	assert_ends_within_a_second(a);
}

static void it_ends_when_its_administrator_signs_out(void **state)
{
	struct api_fixture *a = *state;
	char url[200], first[400];

	look_as(a, as_page(a), url);
	fake_media(&a->engine);
	snprintf(first, sizeof(first), "%s", as_page(a));
	sign_in(a);
	look_as(a, as_page(a), url);
	assert_status(a, "POST", "/api/v1/logout", as_page(a), NULL, 204);
	/* Before the answer comes; and the other one stays. */
	assert_int_equal(fake_count(&a->engine), 1);
	assert_status(a, "POST", "/api/v1/logout", first, NULL, 204);
	assert_int_equal(fake_count(&a->engine), 0);
	assert_ends_within_a_second(a);
}

static void it_ends_with_the_password_it_was_opened_with(void **state)
{
	struct api_fixture *a = *state;
	char url[200];

	look_as(a, as_page(a), url);
	look_as(a, a->bearer, url);
	set_password(a, "another horse battery"); /* as tokenctl does: another process */
	int64_t until = sg_mono_ms() + 1000;
	while (fake_count(&a->engine) > 1 && sg_mono_ms() < until)
		usleep(2000);
	assert_int_equal(fake_count(&a->engine), 1);
	/* And the key's with the key. */
	struct sg_apikey keys[8];
	size_t n = 0;
	assert_int_equal(sg_store_apikey_list(a->f->store, keys, 8, &n), SG_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sg_store_apikey_revoke(a->f->store, keys[i].id, sg_wall_s()), SG_OK);
	assert_ends_within_a_second(a);
}

static void it_ends_with_its_session(void **state)
{
	struct api_fixture *a = *state;
	char url[200], id[API_ADMIN_ID_SIZE];

	look_as(a, as_page(a), url);
	for (int i = 0; i < API_ADMINS_MAX; i++) { /* more than there is room for */
		assert_int_equal(fake_count(&a->engine), 1);
		api_admin_new(&a->api->admins, "", sg_mono_ms() + 1, id);
	}
	assert_ends_within_a_second(a);
}

static void there_are_only_so_many(void **state)
{
	struct api_fixture *a = *state;
	char url[200];

	for (int i = 0; i < SG_SIGNAL_PREVIEWS_MAX; i++)
		look_as(a, as_page(a), url);
	assert_status(a, "POST", PATH, with(as_page(a), SDP), OFFER, 503);
	assert_status(a, "DELETE", url, as_page(a), NULL, 200);
	while (api_previews_count(a->api) == SG_SIGNAL_PREVIEWS_MAX)
		usleep(2000);
	look_as(a, as_page(a), url);
	assert_status(a, "POST", "/api/v1/logout", as_page(a), NULL, 204);
	assert_ends_within_a_second(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(an_administrator_looks_without_a_token, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(others_get_none_and_are_told_why, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(its_url_is_its_owners_alone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(it_ends_when_its_administrator_signs_out, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(it_ends_with_the_password_it_was_opened_with, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(it_ends_with_its_session, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(there_are_only_so_many, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	sg_log_set_level(SG_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
