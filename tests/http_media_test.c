/* Media over HTTP, end to end: tokens, sessions, HLS, FLV, TS, recordings; with curl and ffprobe as
 * players. INTERFACE.md's rules are claims here. */
#include "http_media_fixture.h"

/* ---- who may come in ---- */

static void without_a_good_token_nothing_opens(void **state)
{
	static const char *const targets[] = { "/live/streams/cam.m3u8", "/live/streams/cam.flv",
		"/live/streams/cam.ts", "/live/streams/cam.mp4", "/live/streams/nothing.m3u8",
		"/live/streams/nothing.mp4", "/nowhere/streams/cam.m3u8", "/nowhere/streams/cam.mp4" };
	struct token other = make_token(*state, "live", "other");

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct reply r = ask(*state, "GET", targets[i], NULL);
		assert_int_equal(r.status, 401);
		assert_string_equal(reply_header(&r, "WWW-Authenticate"), "Bearer");
		assert_string_equal(reply_header(&r, "Cache-Control"), "no-store");
		assert_non_null(strstr(r.body, "\"success\":false"));
		reply_free(&r);
		/* What is there and what is not cannot be told apart. */
		struct reply wrong = ask(*state, "GET", with(targets[i], &other), NULL);
		assert_int_equal(wrong.status, 403);
		assert_null(strstr(wrong.head, "Set-Cookie"));
		reply_free(&wrong);
		assert_int_equal(status_of(*state, "GET", targets[i],
				     "Authorization: Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"),
		    403);
		assert_int_equal(status_of(*state, "HEAD", targets[i], NULL), 401);
		assert_int_equal(status_of(*state, "HEAD", with(targets[i], &other), NULL), 403);
	}
	assert_int_equal(uses_of(*state, &other), 0);
}

static void what_is_not_there_spends_nothing(void **state)
{
	struct token t = make_token(*state, "live", "absent");

	assert_int_equal(status_of(*state, "GET", with("/live/streams/absent.m3u8", &t), NULL), 404);
	assert_int_equal(status_of(*state, "GET", with("/live/streams/absent.flv", &t), NULL), 404);
	assert_int_equal(status_of(*state, "GET", with("/live/streams/absent.ts", &t), NULL), 404);
	assert_int_equal(status_of(*state, "GET", with("/live/streams/absent.mp4", &t), NULL), 404);
	assert_int_equal(status_of(*state, "HEAD", with("/live/streams/absent.mp4", &t), NULL), 404);
	assert_int_equal(uses_of(*state, &t), 0);
}

static void head_and_options_spend_nothing(void **state)
{
	static const struct {
		const char *target, *type;
	} rows[] = { { "/live/streams/cam.m3u8", "application/vnd.apple.mpegurl" },
		{ "/live/streams/cam_adaptive.m3u8", "application/vnd.apple.mpegurl" },
		{ "/live/streams/cam.flv", "video/x-flv" }, { "/live/streams/cam.ts", "video/mp2t" },
		{ "/live/streams/cam.mp4", "video/mp4" } };
	struct token t = make_token(*state, "live", "cam");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply r = ask(*state, "HEAD", with(rows[i].target, &t), NULL);
		assert_int_equal(r.status, 200);
		assert_string_equal(reply_header(&r, "Content-Type"), rows[i].type);
		r = ask(*state, "OPTIONS", rows[i].target, "Origin: https://p.example\r\n");
		assert_int_equal(r.status, 204);
		assert_string_equal(
		    reply_header(&r, "Access-Control-Allow-Origin"), "https://p.example");
		reply_free(&r);
	}
	assert_int_equal(uses_of(*state, &t), 0);
	assert_int_equal(status_of(*state, "GET", with("/live/streams/cam.mp4", &t), NULL), 200);
	assert_int_equal(uses_of(*state, &t), 1);
}

static void hostile_paths_open_nothing(void **state)
{
	static const char *const targets[] = { "/live/streams/../streams/cam.mp4",
		"/live/streams/%2e%2e/secret.mp4", "/live/streams/..%2fsecret.mp4",
		"/live/streams//cam.mp4", "//live/streams/cam.mp4", "/live//streams/cam.mp4",
		"/live/streams/cam.mp4;x=y", "/live/streams;x/cam.mp4", "/live;/streams/cam.mp4",
		"/live/streams/cam.mp4%00", "/live/streams/cam%00.mp4", "/live/streams/cam.mp4/",
		"/live/streams/cam%2emp4%2f", "/live/streams/./cam.mp4", "/live/streams/live%2fcam.mp4",
		"/live/streams/live/cam.mp4", "/live/streams/link.mp4", "/live/streams/inner.mp4",
		"/live/streams/dir.mp4", "/live/streams/pipe.mp4", "/live%2fstreams/cam.mp4",
		"/../streams/top.mp4", "/./streams/top.mp4", "/live/streams/cam.mp4\\..\\x.mp4" };
	struct token t = make_token(*state, "live", "cam"), link = make_token(*state, "live", "link"),
		     inner = make_token(*state, "live", "inner"), dir = make_token(*state, "live", "dir"),
		     pipe = make_token(*state, "live", "pipe");
	const struct token *all[] = { &t, &link, &inner, &dir, &pipe };

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		for (size_t j = 0; j < 5; j++) {
			int status = status_of(*state, "GET", with(targets[i], all[j]), NULL);
			if (status != 400 && status != 403 && status != 404)
				fail_msg("%s: %d", targets[i], status);
		}
	for (size_t j = 0; j < 5; j++)
		assert_int_equal(uses_of(*state, all[j]), 0);
}

static void a_token_opens_its_own_stream_only(void **state)
{
	static const char *const targets[] = { "/live/streams/cam_2.mp4", "/live/streams/cam2024.ts",
		"/live/streams/cam_2.m3u8", "/live/streams/cam_2-2021-05-18_11-26-26.842.mp4",
		"/vod/streams/cam.mp4", "/live/streams/cam2.flv" };
	struct token t = make_token(*state, "live", "cam");

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		assert_int_equal(status_of(*state, "GET", with(targets[i], &t), NULL), 403);
	assert_int_equal(uses_of(*state, &t), 0);
}

/* ---- HLS ---- */

static struct reply open_hls(struct fixture *f, const char *target, char *index, size_t size)
{
	struct reply r = ask(f, "GET", target, NULL);

	assert_int_equal(r.status, 200);
	first_link(index, size, "/live/streams/", &r);
	return r;
}

static void hls_goes_on_in_its_session(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	char index[256], segment[512], folder[256];
	struct reply r = open_hls(*state, with("/live/streams/cam.m3u8", &t), index, sizeof(index));

	assert_string_equal(reply_header(&r, "Cache-Control"), "no-store");
	assert_null(strstr(r.body, t.text)); /* R11 */
	assert_null(strstr(r.head, t.text));
	const char *cookie = reply_header(&r, "Set-Cookie");
	assert_non_null(strstr(cookie, "; Path=/live/streams/cam.m3u8; HttpOnly; SameSite=Lax"));
	assert_null(strstr(cookie, "Secure"));
	char line[256];
	snprintf(line, sizeof(line), "%s", cookie_of(&r));
	reply_free(&r);
	assert_int_equal(uses_of(*state, &t), 1);

	for (int i = 0; i < 3; i++) { /* without a cookie, without a token */
		r = ask(*state, "GET", index, NULL);
		assert_int_equal(r.status, 200);
		assert_string_equal(reply_header(&r, "Cache-Control"), "private, no-cache");
		snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(index, '/') - index) + 1, index);
		first_link(segment, sizeof(segment), folder, &r);
		reply_free(&r);
		r = ask(*state, "GET", segment, NULL);
		assert_int_equal(r.status, 200);
		assert_true(r.body_len > 1000);
		struct reply head = ask(*state, "HEAD", segment, NULL);
		assert_int_equal(head.status, 200);
		assert_int_equal(head.length, r.length);
		reply_free(&r);
	}
	/* The same door again: the spent token alone, and the browser's session. */
	assert_int_equal(status_of(*state, "GET", with("/live/streams/cam.m3u8", &t), NULL), 403);
	char again[256];
	for (int i = 0; i < 2; i++) {
		r = ask(*state, "GET", i ? "/live/streams/cam.m3u8"
				       : with("/live/streams/cam.m3u8", &t), line);
		assert_int_equal(r.status, 200);
		first_link(again, sizeof(again), "/live/streams/", &r);
		assert_string_equal(again, index);
		reply_free(&r);
	}
	assert_int_equal(status_of(*state, "HEAD", "/live/streams/cam.m3u8", line), 200);
	assert_int_equal(uses_of(*state, &t), 1);
}

static void a_session_opens_its_own_stream_only(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	char index[256], sid[64], target[256];
	struct reply r = open_hls(*state, with("/live/streams/cam.m3u8", &t), index, sizeof(index));

	reply_free(&r);
	assert_int_equal(sscanf(index, "/live/streams/s/%22[^/]/", sid), 1);
	static const char *const others[] = { "/live/streams/s/%s/cam_2/index.m3u8",
		"/open/streams/s/%s/cam/index.m3u8", "/live/streams/s/%s/cam.mp4",
		"/vod/streams/s/%s/film.mp4" };
	for (size_t i = 0; i < 4; i++) {
		snprintf(target, sizeof(target), others[i], sid);
		assert_int_equal(status_of(*state, "GET", target, NULL), 403);
	}
	static const char *const missing[] = { "/live/streams/s/%s/cam/nothing.m4s",
		"/live/streams/s/%s/cam/nothing.m3u8", "/live/streams/s/%s/cam/main.m3u8x" };
	for (size_t i = 0; i < 3; i++) {
		snprintf(target, sizeof(target), missing[i], sid);
		assert_int_equal(status_of(*state, "GET", target, NULL), 404);
	}
	snprintf(target, sizeof(target), "/live/streams/s/%s/cam/master.m3u8", sid);
	assert_int_equal(status_of(*state, "GET", target, NULL), 200);
	sid[0] = sid[0] == 'A' ? 'B' : 'A';
	snprintf(target, sizeof(target), "/live/streams/s/%s/cam/index.m3u8", sid);
	assert_int_equal(status_of(*state, "GET", target, NULL), 403);
}

static void a_session_in_two_places_ends(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	char index[256];
	struct reply r = open_hls(*state, with("/live/streams/cam.m3u8", &t), index, sizeof(index));
	int last = 0;

	reply_free(&r);
	for (int i = 0; i < 4; i++) {
		r = ask_from(*state, i % 2 ? "127.0.0.5" : "127.0.0.6", "GET", index, NULL);
		last = r.status;
		reply_free(&r);
	}
	assert_int_equal(last, 403);
}

static void two_streams_in_one_browser_keep_their_own(void **state)
{
	struct source *second = source_open(*state, "live", "cam_2", 4);
	struct token a = make_token(*state, "live", "cam"), b = make_token(*state, "live", "cam_2");
	char jar[128], command[1024];

	await_segment(*state, "live", "cam_2");
	snprintf(jar, sizeof(jar), "%s/jar", room->dir);
	for (int i = 0; i < 6; i++) {
		snprintf(command, sizeof(command),
		    "curl -s -o /dev/null -w '%%{http_code}' -c %s -b %s "
		    "'http://127.0.0.1:%d/live/streams/%s.m3u8?token=%s'",
		    jar, jar, room->port, i % 2 ? "cam_2" : "cam", i % 2 ? b.text : a.text);
		assert_string_equal(output_of(command), "200");
	}
	assert_int_equal(uses_of(*state, &a), 1);
	assert_int_equal(uses_of(*state, &b), 1);
	source_close(second);
}

static void the_first_segment_is_waited_for(void **state)
{
	struct token t = make_token(*state, "live", "fresh"), u = make_token(*state, "live", "fresh");
	struct source *fresh = source_open(*state, "live", "fresh", 1);
	int64_t start_ms = sg_mono_ms();
	char index[256];

	/* A stranger is not made to wait. */
	assert_int_equal(status_of(*state, "GET", "/live/streams/fresh.m3u8", NULL), 401);
	assert_true(sg_mono_ms() - start_ms < 1000);
	struct reply r = open_hls(*state, with("/live/streams/fresh.m3u8", &t), index, sizeof(index));
	assert_true(sg_mono_ms() - start_ms < 8000);
	reply_free(&r);
	assert_int_equal(status_of(*state, "GET", index, NULL), 200);
	assert_int_equal(uses_of(*state, &t), 1);
	/* Who leaves while waiting has spent nothing. */
	source_close(fresh);
	fresh = source_open(*state, "live", "fresher", 1);
	u = make_token(*state, "live", "fresher");
	int fd = client_connect(*state);
	char text[256];
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
	    with("/live/streams/fresher.m3u8", &u));
	client_send(fd, text);
	usleep(200000);
	close(fd);
	await_segment(*state, "live", "fresher");
	usleep(300000);
	assert_int_equal(uses_of(*state, &u), 0);
	assert_int_equal(status_of(*state, "GET", with("/live/streams/fresher.m3u8", &u), NULL), 200);
	source_close(fresh);
}

static void where_no_token_is_needed_none_is_spent(void **state)
{
	struct source *open = source_open(*state, "open", "cam", 4);
	struct token t = make_token(*state, "open", "cam");
	size_t before = sg_gate_count(room->gate, SG_STR("open"), SG_STR("cam"), SG_PLAY);

	await_segment(*state, "open", "cam");
	assert_int_equal(status_of(*state, "GET", "/open/streams/cam.m3u8", NULL), 200);
	assert_int_equal(status_of(*state, "GET", with("/open/streams/cam.m3u8", &t), NULL), 200);
	assert_int_equal(status_of(*state, "GET", "/open/streams/nothing.m3u8", NULL), 404);
	assert_int_equal(status_of(*state, "HEAD", "/open/streams/cam.m3u8", NULL), 200);
	assert_int_equal(status_of(*state, "HEAD", "/open/streams/nothing.m3u8", NULL), 404);
	assert_int_equal(uses_of(*state, &t), 0);
	/* Viewers are counted all the same. */
	assert_int_equal(
	    sg_gate_count(room->gate, SG_STR("open"), SG_STR("cam"), SG_PLAY), before + 2);
	source_close(open);
}

static void a_kick_ends_an_hls_session(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	char index[256];
	struct reply r = open_hls(*state, with("/live/streams/cam.m3u8", &t), index, sizeof(index));
	struct sg_end_filter filter = { .token_id = t.id };

	reply_free(&r);
	assert_int_equal(status_of(*state, "GET", index, NULL), 200);
	assert_int_equal(sg_gate_end_sessions(room->gate, &filter, SG_BYE_KICKED), 1);
	assert_int_equal(status_of(*state, "GET", index, NULL), 403);
}

/* "main.m3u8?_HLS_msn=N" for the segment that is being made, and perhaps one more. */
static void future_of(char out[512], struct fixture *f, const char *index, unsigned ahead)
{
	struct reply r = ask(f, "GET", index, NULL);
	unsigned msn = 0, listed = 0;

	assert_int_equal(r.status, 200);
	assert_int_equal(sscanf(strstr(r.body, "#EXT-X-MEDIA-SEQUENCE:"), "#EXT-X-MEDIA-SEQUENCE:%u", &msn), 1);
	for (const char *p = r.body; (p = strstr(p, "#EXTINF")); p++)
		listed++;
	snprintf(out, 512, "%s?_HLS_msn=%u", index, msn + listed + ahead);
	reply_free(&r);
}

static void a_playlist_is_answered_when_it_is_as_long_as_asked(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	char index[256], target[512];
	struct reply r = open_hls(*state, with("/live/streams/cam.m3u8", &t), index, sizeof(index));

	reply_free(&r);
	for (unsigned i = 0; i < 4; i++) { /* the source makes four seconds in one */
		int64_t start_ms = sg_mono_ms();
		future_of(target, *state, index, 0);
		r = ask(*state, "GET", target, NULL);
		assert_int_equal(r.status, 200);
		assert_true(sg_mono_ms() - start_ms < 2000);
		reply_free(&r);
	}
	future_of(target, *state, index, 5);
	assert_int_equal(status_of(*state, "GET", target, NULL), 400);
	snprintf(target, sizeof(target), "%s?_HLS_part=1", index);
	assert_int_equal(status_of(*state, "GET", target, NULL), 400);
	snprintf(target, sizeof(target), "%s?_HLS_msn=1&_HLS_part=-1", index);
	assert_int_equal(status_of(*state, "GET", target, NULL), 400);
}

/* Waits in a source that has gone, so that nothing comes. */
static void who_waits_for_a_part_can_be_shown_out_or_told_that_it_takes_too_long(void **state)
{
	struct source *s = source_open(*state, "live", "still", 4);
	struct token t = make_token(*state, "live", "still"), u = make_token(*state, "live", "still");
	struct sg_end_filter filter = { .token_id = t.id };
	char index[256], other[256], target[512], text[640];
	struct reply r;

	await_segment(*state, "live", "still");
	r = open_hls(*state, with("/live/streams/still.m3u8", &t), index, sizeof(index));
	reply_free(&r);
	r = open_hls(*state, with("/live/streams/still.m3u8", &u), other, sizeof(other));
	reply_free(&r);
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	sg_publisher_close(s->pub, false); /* its viewers wait for it to come back */
	free(s);
	future_of(target, *state, index, 0);
	int fd = client_connect(*state);
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
	client_send(fd, text);
	usleep(100000);
	assert_int_equal(sg_gate_end_sessions(room->gate, &filter, SG_BYE_KICKED), 1);
	future_of(target, *state, other, 0);
	int64_t start_ms = sg_mono_ms();
	assert_int_equal(status_of(*state, "GET", target, NULL), 503);
	assert_in_range(sg_mono_ms() - start_ms, 2900, 9000); /* three target durations */
	assert_int_equal(client_byte(fd, 1000), -1); /* nothing has come to the other */
	close(fd);
}

static void other_origins_are_answered_by_name(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	struct reply r = ask(*state, "GET", with("/live/streams/cam.m3u8", &t),
	    "Origin: https://player.example\r\n");

	assert_int_equal(r.status, 200);
	assert_string_equal(
	    reply_header(&r, "Access-Control-Allow-Origin"), "https://player.example");
	assert_string_equal(reply_header(&r, "Access-Control-Allow-Credentials"), "true");
	assert_string_equal(reply_header(&r, "Vary"), "Origin");
	reply_free(&r);
	r = ask(*state, "GET", "/live/streams/cam.m3u8", NULL);
	assert_string_equal(reply_header(&r, "Access-Control-Allow-Origin"), "");
	assert_string_equal(reply_header(&r, "Vary"), "Origin");
	reply_free(&r);
}

/* ---- players ---- */

static void probe(const char *target, const struct token *t, const char *more)
{
	char command[1024];

	snprintf(command, sizeof(command),
	    "timeout 30 ffprobe -v error %s -show_entries stream=codec_name,width -of csv=p=0 "
	    "'http://127.0.0.1:%d%s?token=%s' 2>&1",
	    more, room->port, target, t->text);
	const char *out = output_of(command);
	if (!strstr(out, "h264,320") || !strstr(out, "aac"))
		fail_msg("%s: %s", target, out);
}

static void players_play_every_form(void **state)
{
	static const char *const targets[] = { "/live/streams/cam.m3u8", "/live/streams/cam.flv",
		"/live/streams/cam.ts", "/live/streams/cam.mp4" };

	for (size_t i = 0; i < 4; i++) {
		struct token t = make_token(*state, "live", "cam");
		probe(targets[i], &t, "");
		assert_int_equal(uses_of(*state, &t), 1);
	}
}

static void a_player_decodes_what_it_gets(void **state)
{
	static const char *const targets[] = { "cam.m3u8", "cam.flv", "cam.ts" };
	char command[1024];

	for (size_t i = 0; i < 3; i++) {
		struct token t = make_token(*state, "live", "cam");
		snprintf(command, sizeof(command),
		    "timeout 60 ffmpeg -nostdin -v error -xerror -i "
		    "'http://127.0.0.1:%d/live/streams/%s?token=%s' -t 3 -f null - 2>&1; echo $?",
		    room->port, targets[i], t.text);
		assert_string_equal(output_of(command), "0\n");
	}
}

/* ---- FLV and TS ---- */

static int open_live(struct fixture *f, const char *target, const struct token *t, struct reply *r)
{
	char text[512];
	int fd = client_connect(f);

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target,
	    "Origin: https://player.example\r\n");
	if (t)
		snprintf(text, sizeof(text),
		    "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", target, t->text);
	client_send(fd, text);
	client_read(fd, r, false);
	return fd;
}

static void read_exactly(int fd, uint8_t *out, size_t len)
{
	for (size_t n = 0; n < len; n++) {
		int c = client_byte(fd, 20000);
		assert_true(c >= 0);
		out[n] = (uint8_t)c;
	}
}

static void flv_begins_with_its_header_and_a_keyframe(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	struct reply r;
	uint8_t head[13], tag[11], body[2];
	bool saw_video_config = false, saw_key = false;
	int fd = open_live(*state, "/live/streams/cam.flv", &t, &r);

	assert_int_equal(r.status, 200);
	assert_string_equal(reply_header(&r, "Content-Type"), "video/x-flv");
	assert_string_equal(reply_header(&r, "Connection"), "close");
	assert_string_equal(reply_header(&r, "X-Content-Type-Options"), "nosniff");
	read_exactly(fd, head, 13);
	assert_memory_equal(head, "FLV\1\5\0\0\0\11\0\0\0\0", 13);
	for (int i = 0; i < 20 && !saw_key; i++) {
		read_exactly(fd, tag, 11);
		uint32_t len = (uint32_t)tag[1] << 16 | (uint32_t)tag[2] << 8 | tag[3];
		assert_true(len >= 2);
		read_exactly(fd, body, 2);
		if (tag[0] == 9 && body[1] == 0) {
			saw_video_config = true;
		} else if (tag[0] == 9) {
			assert_int_equal(body[0] >> 4, 1); /* the first picture is a key frame */
			saw_key = true;
		}
		for (uint32_t left = len - 2 + 4; left; left--)
			assert_true(client_byte(fd, 20000) >= 0);
	}
	assert_true(saw_video_config && saw_key);
	close(fd);
}

static bool no_viewers(void *user)
{
	struct sg_http_stats stats;

	sg_http_server_stats(((struct fixture *)user)->http, &stats);
	return stats.streaming == 0;
}

static void a_kick_closes_a_viewer_within_a_second(void **state)
{
	static const char *const targets[] = { "/live/streams/cam.flv", "/live/streams/cam.ts" };

	for (size_t i = 0; i < 2; i++) {
		struct token t = make_token(*state, "live", "cam");
		struct sg_end_filter filter = { .token_id = t.id };
		struct reply r;
		int fd = open_live(*state, targets[i], &t, &r), c;
		assert_int_equal(r.status, 200);
		assert_true(client_byte(fd, 20000) >= 0);
		int64_t start_ms = sg_mono_ms();
		assert_int_equal(sg_gate_end_sessions(room->gate, &filter, SG_BYE_KICKED), 1);
		char drain[65536];
		while ((c = (int)recv(fd, drain, sizeof(drain), 0)) > 0)
			;
		assert_true(sg_mono_ms() - start_ms < 1000);
		close(fd);
		assert_int_equal(status_of(*state, "GET", with(targets[i], &t), NULL), 403);
	}
	assert_true(await(no_viewers, room, 20000));
}

static void a_viewer_who_leaves_is_noticed(void **state)
{
	int fds[20];
	struct reply r;
	struct sg_http_stats stats;

	assert_true(await(no_viewers, room, 20000));
	for (int i = 0; i < 20; i++) {
		struct token t = make_token(*state, "live", "cam");
		fds[i] = open_live(
		    *state, i % 2 ? "/live/streams/cam.flv" : "/live/streams/cam.ts", &t, &r);
		assert_int_equal(r.status, 200);
	}
	sg_http_server_stats(room->http, &stats);
	assert_int_equal(stats.streaming, 20);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	assert_true(await(no_viewers, room, 20000));
}

static void the_end_of_the_stream_ends_its_viewers(void **state)
{
	struct source *s = source_open(*state, "live", "short", 4);
	struct token a = make_token(*state, "live", "short"), b = make_token(*state, "live", "short");
	struct reply r;
	int flv_fd = open_live(*state, "/live/streams/short.flv", &a, &r);
	int ts_fd = open_live(*state, "/live/streams/short.ts", &b, &r);
	char drain[65536];

	source_close(s);
	sg_hub_tick(room->hub, sg_mono_ms() + SG_STREAM_GAP_MS + 1000);
	while (recv(flv_fd, drain, sizeof(drain), 0) > 0)
		;
	while (recv(ts_fd, drain, sizeof(drain), 0) > 0)
		;
	close(flv_fd), close(ts_fd);
	assert_true(await(no_viewers, room, 20000));
}

/* ---- recordings ---- */

static void a_recording_is_read_in_ranges(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	struct stat st;
	char path[256], line[256], sid_path[256], headers[512], etag[80], modified[64], want[128];
	struct reply r = ask(*state, "GET", with("/live/streams/cam.mp4", &t), NULL), part;

	snprintf(path, sizeof(path), "%s/rec/live/cam.mp4", room->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body_len, st.st_size);
	assert_string_equal(reply_header(&r, "Accept-Ranges"), "bytes");
	assert_string_equal(reply_header(&r, "Content-Type"), "video/mp4");
	assert_non_null(strstr(reply_header(&r, "Set-Cookie"), "; Path=/live/streams/cam.mp4;"));
	snprintf(line, sizeof(line), "%s", cookie_of(&r));
	snprintf(sid_path, sizeof(sid_path), "/live/streams/%s", reply_header(&r, "Content-Location"));
	snprintf(etag, sizeof(etag), "%s", reply_header(&r, "ETag"));
	snprintf(modified, sizeof(modified), "%s", reply_header(&r, "Last-Modified"));
	assert_int_equal(uses_of(*state, &t), 1);

	static const struct {
		const char *range;
		int status;
		long from, to; /* to < 0: from the end */
	} rows[] = { { "bytes=0-99", 206, 0, 99 }, { "bytes=100-", 206, 100, -1 },
		{ "bytes=-50", 206, -50, -1 }, { "bytes=5-5", 206, 5, 5 },
		{ "bytes=0-1,5-6", 200, 0, -1 }, { "pages=1-2", 200, 0, -1 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		long from = rows[i].from < 0 ? (long)st.st_size + rows[i].from : rows[i].from;
		long to = rows[i].to < 0 ? (long)st.st_size - 1 : rows[i].to;
		for (int by_cookie = 0; by_cookie < 2; by_cookie++) {
			snprintf(headers, sizeof(headers), "%sRange: %s\r\n", by_cookie ? line : "",
			    rows[i].range);
			part = ask(*state, "GET",
			    by_cookie ? "/live/streams/cam.mp4" : sid_path, headers);
			assert_int_equal(part.status, rows[i].status);
			assert_int_equal(part.body_len, to - from + 1);
			assert_memory_equal(part.body, r.body + from, part.body_len);
			snprintf(want, sizeof(want), "bytes %ld-%ld/%ld", from, to, (long)st.st_size);
			assert_string_equal(reply_header(&part, "Content-Range"),
			    rows[i].status == 206 ? want : "");
			reply_free(&part);
		}
	}
	snprintf(headers, sizeof(headers), "%sRange: bytes=%ld-\r\n", line, (long)st.st_size);
	part = ask(*state, "GET", "/live/streams/cam.mp4", headers);
	assert_int_equal(part.status, 416);
	snprintf(want, sizeof(want), "bytes */%ld", (long)st.st_size);
	assert_string_equal(reply_header(&part, "Content-Range"), want);
	reply_free(&part);

	const struct {
		const char *name, *value;
		bool range;
		int status;
	} conditions[] = { { "If-None-Match", etag, false, 304 },
		{ "If-None-Match", "\"other\"", false, 200 },
		{ "If-Modified-Since", modified, false, 304 },
		{ "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", false, 200 },
		{ "If-Range", etag, true, 206 }, { "If-Range", "\"other\"", true, 200 },
		{ "If-Range", modified, true, 206 },
		{ "If-Range", "Sun, 06 Nov 1994 08:49:37 GMT", true, 200 } };
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		snprintf(headers, sizeof(headers), "%s%s%s: %s\r\n", line,
		    conditions[i].range ? "Range: bytes=0-9\r\n" : "", conditions[i].name,
		    conditions[i].value);
		part = ask(*state, "HEAD", "/live/streams/cam.mp4", headers);
		if (part.status != conditions[i].status)
			fail_msg("%s %s: %d", conditions[i].name, conditions[i].value, part.status);
		if (part.status == 304)
			assert_string_equal(reply_header(&part, "ETag"), etag);
	}
	assert_int_equal(uses_of(*state, &t), 1);
	reply_free(&r);
}

static void a_download_is_resumed_in_its_session(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	char command[2048];

	snprintf(command, sizeof(command),
	    "cd %s && url='http://127.0.0.1:%d/live/streams/cam.mp4?token=%s' && "
	    "curl -s -c j -b j -r 0-9999 -o part \"$url\" && curl -s -c j -b j -C - -o part \"$url\" && "
	    "cmp part rec/live/cam.mp4 && echo same",
	    room->dir, room->port, t.text);
	assert_string_equal(output_of(command), "same\n");
	assert_int_equal(uses_of(*state, &t), 1);
}

static void recordings_are_found_where_they_belong(void **state)
{
	struct token top = make_token(*state, "live", "top"), film = make_token(*state, "vod", "film"),
		     elsewhere = make_token(*state, "vod", "top"),
		     empty = make_token(*state, "live", "empty"), odd = make_token(*state, "live", "odd");
	struct sg_recording rec = { .created_at = sg_wall_s() };

	assert_int_equal(status_of(*state, "GET", with("/live/streams/top.mp4", &top), NULL), 200);
	assert_int_equal(status_of(*state, "GET", with("/vod/streams/film.mp4", &film), NULL), 200);
	/* The folder itself is the application "live"'s alone. */
	assert_int_equal(
	    status_of(*state, "GET", with("/vod/streams/top.mp4", &elsewhere), NULL), 404);
	assert_int_equal(status_of(*state, "GET", with("/live/streams/empty.mp4", &empty), NULL), 200);
	/* What the catalogue says goes before the name. */
	strcpy(rec.app, "live"), strcpy(rec.name, "cam_2.mp4"), strcpy(rec.stream, "odd");
	assert_int_equal(sg_store_recording_add(room->store, &rec), SG_OK);
	assert_int_equal(status_of(*state, "HEAD", with("/live/streams/cam_2.mp4", &odd), NULL), 200);
	assert_int_equal(status_of(*state, "GET", with("/live/streams/cam_2.mp4", &odd), NULL), 200);
	struct token stem = make_token(*state, "live", "cam_2");
	assert_int_equal(status_of(*state, "HEAD", with("/live/streams/cam_2.mp4", &stem), NULL), 403);
	assert_int_equal(status_of(*state, "GET", with("/live/streams/cam_2.mp4", &stem), NULL), 403);
}

/* Ant Media's names of recordings: whose a file is stands in the catalogue. What only looks like another's
 * stream's, as files that were copied here do, is its stem's alone. */
static void ant_medias_recording_names_are_of_the_stream_that_the_catalogue_names(void **state)
{
	static const char *const names[] = { "talk", "talk_1", "talk_240p", "talk_480p800kbps", "talk_480p800kbps_1",
		"talk-2021-05-18_11-26-26.842", "talk-2021-05-18_11-26-26.842_1",
		"talk-2021-05-18_11-26-26.842_480p800kbps" };
	char target[256], command[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct token talk = make_token(*state, "live", "talk"), stem = make_token(*state, "live", names[i]);
		struct sg_recording rec = { .app = "live", .stream = "talk", .created_at = sg_wall_s() };
		snprintf(target, sizeof(target), "/live/streams/%s.mp4", names[i]);
		snprintf(command, sizeof(command), "cp %s/rec/live/cam.mp4 %s/rec/live/%s.mp4", room->dir, room->dir, names[i]);
		run_or_fail(command);
		bool same = !strcmp(names[i], "talk");
		assert_int_equal(status_of(*state, "HEAD", with(target, &talk), NULL), same ? 200 : 403);
		assert_int_equal(status_of(*state, "HEAD", with(target, &stem), NULL), 200);
		snprintf(rec.name, sizeof(rec.name), "%s.mp4", names[i]);
		assert_int_equal(sg_store_recording_add(room->store, &rec), SG_OK);
		assert_int_equal(status_of(*state, "GET", with(target, &stem), NULL), same ? 200 : 403);
		assert_int_equal(status_of(*state, "GET", with(target, &talk), NULL), 200);
		assert_int_equal(uses_of(*state, &talk), 1);
	}
}

static void a_kick_cuts_a_transfer(void **state)
{
	struct token t = make_token(*state, "live", "big");
	struct sg_end_filter filter = { .token_id = t.id };
	char command[512], text[512];
	struct reply r;
	int small = 4096;

	snprintf(command, sizeof(command), "truncate -s 200M %s/rec/live/big.mp4", room->dir);
	run_or_fail(command);
	int fd = client_connect(*state);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
	    with("/live/streams/big.mp4", &t));
	client_send(fd, text);
	client_read(fd, &r, false);
	assert_int_equal(r.status, 200);
	usleep(200000);
	int64_t start_ms = sg_mono_ms();
	assert_int_equal(sg_gate_end_sessions(room->gate, &filter, SG_BYE_KICKED), 1);
	char drain[65536];
	size_t total = 0;
	for (ssize_t n; (n = recv(fd, drain, sizeof(drain), 0)) > 0;)
		total += (size_t)n;
	assert_true(total < 100u << 20);
	assert_true(sg_mono_ms() - start_ms < 1000);
	close(fd);
}

/* ---- races ---- */

static struct race {
	struct token t;
	const char *target;
	atomic_int admitted;
} race;

static void *run_racer(void *arg)
{
	struct reply r;
	int fd = open_live(arg, race.target, &race.t, &r);

	if (r.status == 200)
		atomic_fetch_add(&race.admitted, 1);
	else
		assert_int_equal(r.status, 403);
	usleep(200000);
	close(fd);
	return NULL;
}

static void of_many_at_once_one_is_admitted(void **state)
{
	static const char *const targets[] = { "/live/streams/cam.m3u8", "/live/streams/cam.flv",
		"/live/streams/cam.mp4" };
	pthread_t threads[16];

	for (size_t i = 0; i < 3; i++) {
		race.t = make_token(*state, "live", "cam");
		race.target = targets[i];
		atomic_store(&race.admitted, 0);
		for (int j = 0; j < 16; j++)
			assert_int_equal(pthread_create(&threads[j], NULL, run_racer, *state), 0);
		for (int j = 0; j < 16; j++)
			pthread_join(threads[j], NULL);
		assert_int_equal(atomic_load(&race.admitted), 1);
		assert_int_equal(uses_of(*state, &race.t), 1);
	}
}

static void closing_lets_every_viewer_go(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct source *s = source_open(f, "open", "cam", 2);
	int fds[12];
	struct reply r;
	char drain[65536];

	(void)state;
	for (int i = 0; i < 12; i++) {
		fds[i] = open_live(f, i % 2 ? "/open/streams/cam.flv" : "/open/streams/cam.ts", NULL, &r);
		assert_int_equal(r.status, 200);
	}
	/* One that still waits for a segment of a stream that has none yet. */
	struct source *fresh = source_open(f, "open", "fresh", 1);
	int waiting = client_connect(f);
	client_send(waiting, "GET /open/streams/fresh.m3u8 HTTP/1.1\r\nHost: x\r\n\r\n");
	usleep(100000);
	sg_http_server_drain(f->http);
	for (int i = 0; i < 12; i++) {
		while (recv(fds[i], drain, sizeof(drain), 0) > 0)
			;
		close(fds[i]);
	}
	client_read(waiting, &r, true);
	assert_int_equal(r.status, 503);
	reply_free(&r);
	close(waiting);
	source_close(fresh);
	source_close(s);
	fixture_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_good_token_nothing_opens),
		cmocka_unit_test(what_is_not_there_spends_nothing),
		cmocka_unit_test(head_and_options_spend_nothing),
		cmocka_unit_test(hostile_paths_open_nothing),
		cmocka_unit_test(a_token_opens_its_own_stream_only),
		cmocka_unit_test(hls_goes_on_in_its_session),
		cmocka_unit_test(a_session_opens_its_own_stream_only),
		cmocka_unit_test(a_session_in_two_places_ends),
		cmocka_unit_test(two_streams_in_one_browser_keep_their_own),
		cmocka_unit_test(the_first_segment_is_waited_for),
		cmocka_unit_test(where_no_token_is_needed_none_is_spent),
		cmocka_unit_test(a_kick_ends_an_hls_session),
		cmocka_unit_test(a_playlist_is_answered_when_it_is_as_long_as_asked),
		cmocka_unit_test(who_waits_for_a_part_can_be_shown_out_or_told_that_it_takes_too_long),
		cmocka_unit_test(other_origins_are_answered_by_name),
		cmocka_unit_test(players_play_every_form),
		cmocka_unit_test(a_player_decodes_what_it_gets),
		cmocka_unit_test(flv_begins_with_its_header_and_a_keyframe),
		cmocka_unit_test(a_kick_closes_a_viewer_within_a_second),
		cmocka_unit_test(a_viewer_who_leaves_is_noticed),
		cmocka_unit_test(the_end_of_the_stream_ends_its_viewers),
		cmocka_unit_test(a_recording_is_read_in_ranges),
		cmocka_unit_test(a_download_is_resumed_in_its_session),
		cmocka_unit_test(recordings_are_found_where_they_belong),
		cmocka_unit_test(ant_medias_recording_names_are_of_the_stream_that_the_catalogue_names),
		cmocka_unit_test(a_kick_cuts_a_transfer),
		cmocka_unit_test(of_many_at_once_one_is_admitted),
		cmocka_unit_test(closing_lets_every_viewer_go),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
