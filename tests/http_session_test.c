/* How players go on in the session that their first request opened: those that ask HEAD first, that drop the
 * query string, that have cookies or none, that pause, and whose address changes. */
#include "http_media_fixture.h"
#include <sys/syscall.h>

static atomic_int ahead_s;

/* The program's own: time can be let pass. */
int clock_gettime(clockid_t id, struct timespec *out)
{
	int res = (int)syscall(SYS_clock_gettime, id, out);

	out->tv_sec += ahead_s;
	return res;
}

/* ---- a player of few words ---- */

#define AGENT "User-Agent: player\r\n"

struct player {
	const char *from; /* its address */
	char headers[320]; /* with its cookie, if it keeps one */
	char target[512];  /* what it asked for last */
	struct reply r;
};

static int get(struct player *p, const char *target)
{
	reply_free(&p->r);
	snprintf(p->target, sizeof(p->target), "%s", target);
	p->r = ask_from(room, p->from, "GET", target, p->headers);
	return p->r.status;
}

/* A link of the answer, resolved, its query dropped. */
static const char *resolve(const struct player *p, const char *link, size_t len)
{
	static char out[512];
	const char *end = strrchr(p->target, '/');

	len = strcspn(link, "?") < len ? strcspn(link, "?") : len;
	snprintf(out, sizeof(out), "%.*s%.*s", (int)(end - p->target) + 1, p->target, (int)len, link);
	assert_null(strchr(out, '?'));
	return out;
}

/* What stands between `before` and the next `end` in the answer. */
static const char *between(const struct player *p, const char *text, const char *before, char end)
{
	const char *at = strstr(text, before);

	assert_non_null(at);
	at += strlen(before);
	assert_non_null(strchr(at, end));
	return resolve(p, at, (size_t)(strchr(at, end) - at));
}

static struct player player_open(const char *from, const char *target, const struct token *t, bool cookies)
{
	struct player p = { .from = from, .headers = AGENT };

	assert_int_equal(get(&p, with(target, t)), 200);
	p.target[strcspn(p.target, "?")] = '\0';
	assert_null(strstr(p.r.body, t->text));
	if (cookies)
		snprintf(p.headers, sizeof(p.headers), AGENT "%s", cookie_of(&p.r));
	return p;
}

/* Follows the master playlist down to each part, and answers how many files it was given. */
static int play_hls(struct player *p)
{
	char master[8192], index[512], part[512], *list, *line, *rest;
	int files = 0;

	snprintf(master, sizeof(master), "%s", p->r.body);
	line = strtok_r(master, "\n", &rest);
	while (line && *line == '#')
		line = strtok_r(NULL, "\n", &rest);
	assert_non_null(line);
	snprintf(index, sizeof(index), "%s", resolve(p, line, strlen(line)));
	assert_int_equal(get(p, index), 200);
	list = strdup(p->r.body);
	struct player one = *p;
	one.r.body = NULL;
	snprintf(part, sizeof(part), "%s", between(p, list, "#EXT-X-MAP:URI=\"", '"'));
	assert_int_equal(get(&one, part), 200);
	assert_non_null(strstr(list, "#EXT-X-PART:"));
	for (line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *uri = strstr(line, "URI=\"");
		if (*line == '#' && (!uri || strncmp(line, "#EXT-X-PART:", 12) != 0))
			continue;
		uri = *line == '#' ? between(p, line, "URI=\"", '"') : resolve(p, line, strlen(line));
		int status = get(&one, uri);
		assert_true(status == 200 || status == 404); /* the window slides under a source that hurries */
		files += status == 200;
	}
	reply_free(&one.r);
	free(list);
	return files;
}

static int play_dash(struct player *p)
{
	char text[16384], base[512], first[512], name[64], target[600];
	unsigned number;
	int files = 0;

	snprintf(text, sizeof(text), "%s", p->r.body);
	snprintf(base, sizeof(base), "%s", between(p, text, "<BaseURL>", '<'));
	snprintf(first, sizeof(first), "%s", p->target);
	/* Again from where it says that it is, as players without cookies do. */
	assert_int_equal(get(p, between(p, text, "<Location>", '<')), 200);
	snprintf(p->target, sizeof(p->target), "%s", first);
	struct player one = *p;
	one.r.body = NULL;
	assert_int_equal(sscanf(strstr(text, "initialization=\""), "initialization=\"%63[^\"]", name), 1);
	snprintf(target, sizeof(target), "%s%s", base, name);
	assert_int_equal(get(&one, target), 200);
	assert_int_equal(sscanf(strstr(text, "startNumber=\""), "startNumber=\"%u", &number), 1);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(target, sizeof(target), "%svideo-%u.m4s", base, number + i);
		files += get(&one, target) == 200;
	}
	reply_free(&one.r);
	return files;
}

static int play(struct player *p)
{
	return strstr(p->target, ".mpd") ? play_dash(p) : play_hls(p);
}

static const char *const doors[] = { "/live/streams/cam.m3u8", "/live/streams/cam_adaptive.m3u8",
	"/live/streams/cam.mpd" };

static void a_player_that_drops_queries_plays(void **state)
{
	for (int i = 0; i < 6; i++) {
		struct token t = make_token(*state, "live", "cam");
		bool cookies = i % 2;
		struct player p = player_open(NULL, doors[i / 2], &t, cookies);
		assert_true(play(&p) > 0);
		/* The first door again, without its query: that is the cookie's. */
		assert_int_equal(get(&p, doors[i / 2]), cookies ? 200 : 401);
		if (cookies)
			assert_true(play(&p) > 0);
		reply_free(&p.r);
		assert_int_equal(uses_of(*state, &t), 1);
	}
}

/* ---- HEAD ---- */

static const char *const files[] = { "/live/streams/cam.m3u8", "/live/streams/cam_adaptive.m3u8",
	"/live/streams/cam.mpd", "/live/streams/cam.flv", "/live/streams/cam.ts", "/live/streams/cam.mp4" };

static void who_asks_head_first_gets_it_then(void **state)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct token t = make_token(*state, "live", "cam");
		struct reply r;
		char type[64];
		for (int n = 0; n < 2; n++) {
			r = ask(*state, "HEAD", with(files[i], &t), NULL);
			assert_int_equal(r.status, 200);
			assert_string_equal(reply_header(&r, "Set-Cookie"), "");
			assert_string_equal(reply_header(&r, "Content-Location"), "");
		}
		snprintf(type, sizeof(type), "%s", reply_header(&r, "Content-Type"));
		assert_int_equal(uses_of(*state, &t), 0);
		r = ask(*state, "GET", with(files[i], &t), NULL);
		assert_int_equal(r.status, 200);
		assert_string_equal(reply_header(&r, "Content-Type"), type);
		reply_free(&r);
		assert_int_equal(uses_of(*state, &t), 1);
		assert_int_equal(status_of(*state, "HEAD", with(files[i], &t), NULL), 403);
	}
}

static void within_a_session_head_says_what_get_will(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	struct player p = player_open(NULL, "/live/streams/cam.mpd", &t, false);
	char index[600];
	static const char *const names[] = { "master.m3u8", "main.m3u8", "index.mpd", "main-init-0.mp4" };

	snprintf(index, sizeof(index), "%s", between(&p, p.r.body, "<BaseURL>", '<'));
	size_t len = strlen(index);
	for (size_t i = 0; i < 4; i++) {
		snprintf(index + len, sizeof(index) - len, "%s", names[i]);
		struct reply head = ask(*state, "HEAD", index, AGENT);
		assert_int_equal(head.status, 200);
		assert_int_equal(get(&p, index), 200);
		char type[64];
		snprintf(type, sizeof(type), "%s", reply_header(&head, "Content-Type"));
		assert_string_equal(reply_header(&p.r, "Content-Type"), type);
	}
	reply_free(&p.r);
}

/* A guess by HEAD is a guess: the address has as many as by GET. */
static void guessing_by_head_costs_as_much_as_by_get(void **state)
{
	static const char guess[] = "/live/streams/cam.m3u8?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	struct token t = make_token(*state, "live", "cam");
	struct reply r;

	for (int i = 0; i < 100; i++) {
		r = ask_from(*state, "127.0.0.9", "HEAD", guess, NULL);
		assert_int_equal(r.status, 403);
	}
	for (int i = 0; i < 2; i++) { /* none is left, for whatever token */
		r = ask_from(*state, "127.0.0.9", "HEAD", with("/live/streams/cam.m3u8", &t), NULL);
		if (r.status != 429)
			r = ask_from(*state, "127.0.0.9", "HEAD", guess, NULL); /* four points came back meanwhile */
	}
	assert_int_equal(r.status, 429);
	assert_string_equal(reply_header(&r, "Retry-After"), "10");
	assert_int_equal(uses_of(*state, &t), 0);
	assert_int_equal(status_of(*state, "HEAD", with("/live/streams/cam.m3u8", &t), NULL), 200);
}

/* ---- pauses ---- */

static bool is_gone(void *token_id)
{
	struct sg_session_info all[256];
	size_t count = sg_gate_sessions(room->gate, 0, all, 256);

	for (size_t i = 0; i < count; i++)
		if (all[i].token_id == *(uint64_t *)token_id)
			return false;
	return true;
}

static bool nobody_asks(void *user)
{
	struct sg_http_stats stats;

	(void)user;
	sg_http_server_stats(room->http, &stats);
	return stats.connections == 0;
}

/* A request that is not over yet would end only then. */
static void pass(int s)
{
	assert_true(await(nobody_asks, NULL, 5000));
	ahead_s += s;
}

static void pass_until_gone(int s, struct token *t)
{
	pass(s);
	sg_gate_poke(room->gate); /* it looks at its clock now, as it does every second */
	assert_true(await(is_gone, &t->id, 5000));
}

/* That the gate has looked after the minute is seen by another, who was away for longer. */
static void pause_and_go_on(struct player *p, const char *target, int status)
{
	struct token other = make_token(room, "live", "cam");
	struct player longer = player_open("127.0.0.8", doors[0], &other, false);

	reply_free(&longer.r);
	pass(17);
	assert_int_equal(get(p, target), status);
	pass_until_gone(60, &other);
	assert_int_equal(get(p, target), status);
}

static void a_pause_of_a_minute_is_no_end(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct token t = make_token(*state, "live", "cam");
		struct player p = player_open(NULL, doors[i], &t, false);
		char index[512];
		if (i < 2)
			first_link(index, sizeof(index), "/live/streams/", &p.r);
		else
			snprintf(index, sizeof(index), "%s", between(&p, p.r.body, "<Location>", '<'));
		pause_and_go_on(&p, index, 200);
		assert_int_equal(uses_of(*state, &t), 1);
		pass_until_gone(77, &t); /* a minute and more than its margin */
		assert_int_equal(get(&p, index), 403);
		reply_free(&p.r);
	}
}

static void a_recording_is_paused_and_sought_in(void **state)
{
	struct token t = make_token(*state, "live", "cam");
	struct player p = player_open(NULL, "/live/streams/cam.mp4", &t, false);
	char path[256];

	snprintf(path, sizeof(path), "/live/streams/%s", reply_header(&p.r, "Content-Location"));
	snprintf(p.headers, sizeof(p.headers), AGENT "Range: bytes=%zu-\r\n", p.r.body_len / 2);
	pause_and_go_on(&p, path, 206);
	assert_int_equal(uses_of(*state, &t), 1);
	pass_until_gone(77, &t);
	assert_int_equal(get(&p, path), 403);
	reply_free(&p.r);
}

/* ---- another address ---- */

static bool is_in_at(struct fixture *f, uint64_t token_id, const char *from)
{
	struct sg_session_info all[256];
	struct sg_addr want;
	size_t count = sg_gate_sessions(f->gate, 0, all, 256);

	assert_true(sg_addr_parse(sg_str_from(from), &want));
	for (size_t i = 0; i < count; i++)
		if (all[i].token_id == token_id)
			return sg_addr_equal(&all[i].peer, &want);
	return false;
}

/* A telephone that leaves the house: the session goes with it, once. */
static void a_session_follows_its_viewer_to_another_address(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct token t = make_token(*state, "live", "cam");
		struct player p = player_open("127.0.0.1", doors[i], &t, false);
		assert_true(is_in_at(*state, t.id, "127.0.0.1"));
		p.from = "127.0.0.7";
		assert_true(play(&p) > 0);
		assert_true(is_in_at(*state, t.id, "127.0.0.7"));
		reply_free(&p.r);
		assert_int_equal(uses_of(*state, &t), 1);
	}
	struct token t = make_token(*state, "live", "cam");
	struct player p = player_open("127.0.0.1", "/live/streams/cam.mp4", &t, true);
	p.from = "127.0.0.7";
	assert_int_equal(get(&p, "/live/streams/cam.mp4"), 200); /* by its cookie */
	assert_true(is_in_at(*state, t.id, "127.0.0.7"));
	reply_free(&p.r);
	assert_int_equal(uses_of(*state, &t), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_player_that_drops_queries_plays),
		cmocka_unit_test(who_asks_head_first_gets_it_then),
		cmocka_unit_test(within_a_session_head_says_what_get_will),
		cmocka_unit_test(guessing_by_head_costs_as_much_as_by_get),
		cmocka_unit_test(a_session_follows_its_viewer_to_another_address),
		cmocka_unit_test(a_recording_is_paused_and_sought_in),
		cmocka_unit_test(a_pause_of_a_minute_is_no_end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
