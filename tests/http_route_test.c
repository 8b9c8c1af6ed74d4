/* The web server: routes, limits, answers now and later, endless answers, the admin socket. */
#include <signal.h>
#include "http_fixture.h"

/* ---- routes of the test ---- */

static void echo(struct sg_http_request *req, void *user)
{
	char text[512], peer[SG_ADDR_TEXT_SIZE];
	struct sg_str a = sg_http_part(req, 0), b = sg_http_part(req, 1),
		      q = sg_http_query(req, "q"), body = sg_http_body(req);

	sg_addr_format(peer, sg_http_peer(req));
	snprintf(text, sizeof(text), "%s [%.*s] [%.*s] q=%.*s%s body=%zu peer=%s%s",
	    (const char *)user, SG_STR_ARG(a), SG_STR_ARG(b), SG_STR_ARG(q), q.p ? "" : "none",
	    body.len, peer, sg_http_is_local(req) ? " local" : "");
	sg_http_add_header(req, "Cache-Control", "no-store");
	sg_http_respond(req, 200, "text/plain", sg_str_from(text));
}

static void *answer_later(void *arg)
{
	usleep(50000);
	sg_http_respond(arg, 200, "text/plain", SG_STR("later"));
	return NULL;
}

static void later(struct sg_http_request *req, void *user)
{
	pthread_t t;

	(void)user;
	sg_http_defer(req, NULL);
	assert_int_equal(pthread_create(&t, NULL, answer_later, req), 0);
	pthread_detach(t);
}

/* Defers, and answers at once all the same. */
static void defer_then_answer(struct sg_http_request *req, void *user)
{
	(void)user;
	sg_http_defer(req, NULL);
	sg_http_respond(req, 200, "text/plain", SG_STR("now"));
}

static void forgetful(struct sg_http_request *req, void *user)
{
	(void)req, (void)user;
}

static struct events {
	pthread_mutex_t lock;
	struct sg_http_request *req;
	int waiting; /* events to give */
	bool over, ended;
} events = { .lock = PTHREAD_MUTEX_INITIALIZER };

static ssize_t pull_events(void *data, char *out, size_t max)
{
	struct events *e = data;
	ssize_t n = 0;

	pthread_mutex_lock(&e->lock);
	if (e->waiting && max >= 6) {
		memcpy(out, "event\n", 6);
		e->waiting--;
		n = 6;
	} else if (e->over) {
		n = -1;
	}
	pthread_mutex_unlock(&e->lock);
	return n;
}

static void end_events(void *data)
{
	struct events *e = data;

	pthread_mutex_lock(&e->lock);
	e->req = NULL;
	e->ended = true;
	pthread_mutex_unlock(&e->lock);
}

static void give_event(bool over)
{
	pthread_mutex_lock(&events.lock);
	if (over)
		events.over = true;
	else
		events.waiting++;
	if (events.req)
		sg_http_wake(events.req);
	pthread_mutex_unlock(&events.lock);
}

static void stream(struct sg_http_request *req, void *user)
{
	(void)user;
	pthread_mutex_lock(&events.lock);
	events.req = req;
	events.waiting = 0;
	events.over = events.ended = false;
	pthread_mutex_unlock(&events.lock);
	sg_http_respond_stream(req, "text/event-stream", pull_events, end_events, &events);
}

static void add_routes(struct sg_http_server *srv, struct fixture *f)
{
	(void)f;
	sg_http_route(srv, SG_HTTP_GET, "/t/{}", echo, "one");
	sg_http_route(srv, SG_HTTP_DELETE, "/t/{}", echo, "gone");
	sg_http_route(srv, SG_HTTP_GET | SG_HTTP_POST, "/t/{}/x/{}", echo, "two");
	sg_http_route(srv, SG_HTTP_GET | SG_HTTP_POST, "/rest/{...}", echo, "rest");
	sg_http_route(srv, SG_HTTP_POST, "/{}/rest/{...}", echo, "app's rest");
	sg_http_route(srv, SG_HTTP_POST, "/api/{...}", echo, "api");
	sg_http_route(srv, SG_HTTP_GET, "/t/first", echo, "never: the first that matches wins");
	sg_http_route(srv, SG_HTTP_GET, "/later", later, NULL);
	sg_http_route(srv, SG_HTTP_GET, "/both", defer_then_answer, NULL);
	sg_http_route(srv, SG_HTTP_GET, "/forgetful", forgetful, NULL);
	sg_http_route(srv, SG_HTTP_GET, "/events", stream, NULL);
	sg_http_route(srv, SG_HTTP_GET, "/", echo, "root");
}

static int set_up(void **state)
{
	*state = fixture_open("", add_routes);
	return 0;
}

static int tear_down(void **state)
{
	fixture_close(*state);
	return 0;
}

/* ---- claims ---- */

static void a_path_finds_its_route(void **state)
{
	static const struct {
		const char *method, *target, *body;
	} rows[] = {
		{ "GET", "/t/a", "one [a] [] q=none" },
		{ "GET", "/t/a%20b?q=1%202+3&q=4", "one [a b] [] q=1 2 3" },
		{ "DELETE", "/t/a", "gone [a] []" },
		{ "GET", "/t/a/x/b?x=1", "two [a] [b] q=none" },
		{ "GET", "/t/a/x/b?q=", "two [a] [b] q= " },
		{ "GET", "/rest/a/b/c.txt", "rest [a/b/c.txt] []" },
		{ "GET", "/t/first", "one [first]" },
		{ "GET", "/", "root [] []" },
		{ "GET", "http://test/t/a", "one [a]" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply r = ask(*state, rows[i].method, rows[i].target, NULL);
		assert_int_equal(r.status, 200);
		if (strncmp(r.body, rows[i].body, strlen(rows[i].body)) != 0)
			fail_msg("%s: %s", rows[i].target, r.body);
		assert_string_equal(reply_header(&r, "X-Content-Type-Options"), "nosniff");
		assert_string_equal(reply_header(&r, "Cache-Control"), "no-store");
		reply_free(&r);
	}
}

static void what_has_no_route_is_refused(void **state)
{
	static const struct {
		const char *method, *target;
		int status;
		const char *allow;
	} rows[] = {
		{ "GET", "/nothing", 404, "" },
		{ "GET", "/t", 404, "" },
		{ "GET", "/t/", 404, "" },
		{ "GET", "/t/a/", 404, "" },
		{ "GET", "/rest", 404, "" },
		{ "GET", "/rest/", 404, "" },
		{ "GET", "/t/a%2fx%2fb", 400, "" },
		{ "GET", "/t/../t/a", 400, "" },
		{ "GET", "/t/%00", 400, "" },
		{ "PUT", "/t/a", 405, "GET, HEAD, DELETE, OPTIONS" },
		{ "TRACE", "/t/a", 405, "GET, HEAD, DELETE, OPTIONS" },
		{ "BREW", "/t/a", 405, "GET, HEAD, DELETE, OPTIONS" },
		{ "POST", "/live/streams/cam.m3u8", 405, "GET, HEAD, OPTIONS" },
		{ "PUT", "/live/streams/cam.mp4", 405, "GET, HEAD, OPTIONS" },
		{ "DELETE", "/live/streams/cam.mp4", 405, "GET, HEAD, OPTIONS" },
		{ "TRACE", "/live/streams/cam.mp4", 405, "GET, HEAD, OPTIONS" },
		{ "OPTIONS", "/t/a", 204, "GET, HEAD, DELETE, OPTIONS" },
		{ "OPTIONS", "*", 204, "OPTIONS" },
		{ "GET", "/forgetful", 500, "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply r = ask(*state, rows[i].method, rows[i].target, NULL);
		if (r.status != rows[i].status)
			fail_msg("%s %s: %d", rows[i].method, rows[i].target, r.status);
		assert_string_equal(reply_header(&r, "Allow"), rows[i].allow);
		reply_free(&r);
	}
}

static void head_is_get_without_a_body(void **state)
{
	struct reply get = ask(*state, "GET", "/t/a", NULL), head = ask(*state, "HEAD", "/t/a", NULL);

	assert_int_equal(head.status, 200);
	assert_int_equal(head.length, get.length);
	assert_null(head.body);
	reply_free(&get);
}

static void a_connection_serves_many_requests(void **state)
{
	static const char *const texts[] = { "GET /t/a HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /both HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /t/a/x/b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"POST /t/a/x/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n0\r\n\r\n" };
	static const int statuses[] = { 200, 404, 200, 200, 200, 200 };
	int fd = client_connect(*state);

	for (int round = 0; round < 20; round++)
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			struct reply r;
			client_send(fd, texts[i]);
			client_read(fd, &r, true);
			assert_int_equal(r.status, statuses[i]);
			if (i >= 4)
				assert_non_null(strstr(r.body, "body=3"));
			reply_free(&r);
		}
	close(fd);
}

static void too_much_is_refused(void **state)
{
	char big[10000];
	struct reply r;

	memset(big, 'a', sizeof(big));
	big[0] = '/';
	big[9000] = '\0';
	r = ask(*state, "GET", big, NULL);
	assert_int_equal(r.status, 414);
	reply_free(&r);
	/* A body is refused before it is read. */
	r = ask(*state, "POST", "/t/a/x/b", "Content-Length: 1048577\r\n");
	assert_int_equal(r.status, 413);
	reply_free(&r);
	r = ask(*state, "POST", "/t/a/x/b", "Content-Length: 99999999999999999999\r\n");
	assert_true(r.status == 413 || r.status == 400);
	reply_free(&r);
	/* Headers without end. */
	int fd = client_connect(*state);
	client_send(fd, "GET /t/a HTTP/1.1\r\nHost: x\r\n");
	big[0] = 'X', big[1] = ':', big[4000] = '\r', big[4001] = '\n', big[4002] = '\0';
	for (int i = 0; i < 20; i++)
		if (send(fd, big, 4002, MSG_NOSIGNAL) < 0)
			break;
	client_read(fd, &r, true);
	/* 431; or, as it did not wait for our last bytes, a reset that lost it. */
	assert_true(r.status == 431 || r.status == 0);
	reply_free(&r);
	close(fd);
}

static void a_chunked_body_has_a_limit(void **state)
{
	char chunk[65536 + 16];
	int fd = client_connect(*state), n;

	n = snprintf(chunk, sizeof(chunk), "10000\r\n");
	memset(chunk + n, 'x', 65536);
	memcpy(chunk + n + 65536, "\r\n", 2);
	client_send(
	    fd, "POST /t/a/x/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	int sent = 0;
	for (; sent < 64; sent++) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		if (poll(&p, 1, 20000) != 1 || (p.revents & (POLLERR | POLLHUP)) ||
		    send(fd, chunk, (size_t)n + 65538, MSG_NOSIGNAL) < 0)
			break;
	}
	struct pollfd p = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 20000), 1);
	char c;
	assert_true(recv(fd, &c, 1, 0) <= 0); /* closed without an answer */
	close(fd);
}

static bool events_ended(int ms)
{
	for (int i = 0; i < ms / 10; i++, usleep(10000)) {
		pthread_mutex_lock(&events.lock);
		bool ended = events.ended;
		pthread_mutex_unlock(&events.lock);
		if (ended)
			return true;
	}
	return false;
}

static void an_endless_answer_follows_its_events(void **state)
{
	struct reply r;
	int fd = client_connect(*state);
	char got[256] = "";
	size_t len = 0;

	client_send(fd, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
	client_read(fd, &r, false);
	assert_int_equal(r.status, 200);
	for (int i = 0; i < 5; i++) {
		give_event(false);
		/* chunked: "6\r\nevent\n\r\n" */
		for (int c; len < sizeof(got) - 1 && (c = client_byte(fd, 20000)) >= 0;) {
			got[len++] = (char)c;
			if (len > 6 && !memcmp(got + len - 6, "event\n", 6))
				break;
		}
		assert_true(len > 0);
	}
	give_event(true);
	int c = 0;
	while ((c = client_byte(fd, 20000)) >= 0 && len < sizeof(got) - 1) {
		got[len++] = (char)c;
		if (len > 5 && !memcmp(got + len - 5, "0\r\n\r\n", 5))
			break;
	}
	assert_memory_equal(got + len - 5, "0\r\n\r\n", 5);
	assert_true(events_ended(20000)); /* before the next one begins */
	close(fd);
}

static void an_endless_answer_notices_that_its_peer_left(void **state)
{
	struct reply r;
	int fd = client_connect(*state);

	client_send(fd, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
	client_read(fd, &r, false);
	assert_false(events_ended(50));
	close(fd); /* suspended: nobody looks at the socket but the sweep */
	assert_true(events_ended(20000));
}

static void closing_ends_what_is_under_way(void **state)
{
	struct fixture *f = fixture_open("", add_routes);
	struct reply r;
	int waiting = client_connect(f), streaming = client_connect(f), idle = client_connect(f);

	(void)state;
	client_send(streaming, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
	client_read(streaming, &r, false);
	client_send(waiting, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	usleep(10000);
	fixture_close(f);
	assert_true(events_ended(10)); /* when it is closed it is over */
	close(waiting), close(streaming), close(idle);
}

static void forwarded_addresses_are_believed_from_proxies_only(void **state)
{
	struct reply r = ask(*state, "GET", "/t/a", "X-Forwarded-For: 198.51.100.7\r\n");

	assert_non_null(strstr(r.body, "peer=127.0.0.1"));
	reply_free(&r);
	r = ask_from(*state, "127.0.0.2", "GET", "/t/a", "X-Forwarded-For: 198.51.100.7\r\n");
	assert_non_null(strstr(r.body, "peer=198.51.100.7"));
	reply_free(&r);
}

/* A proxy that adds a line of its own leaves the client's word before it. */
static void the_proxys_own_line_of_forwarded_addresses_counts(void **state)
{
	static const struct {
		const char *headers, *peer;
	} rows[] = {
	    {"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 198.51.100.7\r\n", "peer=198.51.100.7"},
	    {"X-Forwarded-For: 127.0.0.1\r\nx-forwarded-for: 198.51.100.7, 127.0.0.2\r\n",
		"peer=198.51.100.7"},
	    {"X-Forwarded-For: 127.0.0.1, 198.51.100.7\r\nX-Forwarded-For: 127.0.0.2\r\n",
		"peer=198.51.100.7"},
	    {"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: unknown\r\n", "no address"},
	    {"X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For:\r\n", "peer=198.51.100.7"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply r = ask_from(*state, "127.0.0.2", "GET", "/t/a", rows[i].headers);
		if (!strstr(r.body, rows[i].peer))
			fail_msg("%s%s", rows[i].headers, r.body);
		reply_free(&r);
	}
}

/* RFC 9112 section 6.3: of two lengths a proxy may have believed the other one. */
static void a_body_of_two_lengths_is_refused_and_the_connection_closed(void **state)
{
	static const char *const rows[] = {
	    "Content-Length: 0\r\nContent-Length: 35\r\n",
	    "Content-Length: 35\r\nContent-Length: 0\r\n",
	    "Content-Length: 35\r\nTransfer-Encoding: chunked\r\n",
	    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
	    "Transfer-Encoding: gzip, chunked\r\n",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply r;
		char text[512];
		int fd = client_connect(*state);

		snprintf(text, sizeof(text),
		    "GET /t/a HTTP/1.1\r\nHost: x\r\n%s\r\nGET /t/b HTTP/1.1\r\nHost: smuggled\r\n\r\n",
		    rows[i]);
		client_send(fd, text);
		client_read(fd, &r, true);
		if (r.status != 400)
			fail_msg("%s%d %s", rows[i], r.status, r.body);
		assert_int_equal(client_byte(fd, 15000), -1); /* no second answer */
		reply_free(&r);
		close(fd);
	}
}

/* ---- the admin socket ---- */

static int connect_admin(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool admin_answers(const char *path)
{
	struct reply r;
	int fd = connect_admin(path);

	if (fd < 0)
		return false;
	client_send(fd, "GET /t/a HTTP/1.1\r\nHost: x\r\n\r\n");
	client_read(fd, &r, true);
	bool ok = r.status == 200 && strstr(r.body, "peer=- local");
	reply_free(&r);
	close(fd);
	return ok;
}

static void the_admin_socket_is_local_and_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	struct reply r = ask(f, "GET", "/t/a", NULL);

	assert_true(admin_answers(f->cfg->admin_socket));
	assert_null(strstr(r.body, "local"));
	assert_int_equal(stat(f->cfg->admin_socket, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	reply_free(&r);
}

/* A request whose body lacks its last byte. */
static int send_most_of_a_body(const struct fixture *f, const char *from, const char *method, const char *target)
{
	static char junk[1 << 20];
	char head[200];
	int fd = client_connect_from(f, from);

	snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method,
	    target, sizeof(junk));
	client_send(fd, head);
	for (size_t at = 0; at < sizeof(junk) - 1;) {
		ssize_t n = send(fd, junk + at, sizeof(junk) - 1 - at, MSG_NOSIGNAL);
		if (n <= 0)
			fail_msg("closed after %zu bytes", at);
		at += (size_t)n;
	}
	return fd;
}

static int end_body(int fd, struct reply *r)
{
	client_send(fd, "x");
	client_read(fd, r, true);
	close(fd);
	return r->status;
}

/* 0: closed without an answer. */
static int post(int fd, const char *target, struct reply *r)
{
	char text[200];

	snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", target);
	client_send(fd, text);
	client_read(fd, r, true);
	close(fd);
	return r->status;
}

static void post_gives(const struct fixture *f, const char *from, const char *target, int status)
{
	struct reply r;

	assert_int_equal(post(client_connect_from(f, from), target, &r), status);
	reply_free(&r);
}

/* What was sent before, or closed, may not have been noticed yet. */
static void post_comes_to(const struct fixture *f, const char *from, const char *target, int want)
{
	struct reply r;
	int status = 0;

	for (int i = 0; i < 500 && status != want; i++, usleep(10000)) {
		status = post(client_connect_from(f, from), target, &r);
		reply_free(&r);
	}
	assert_int_equal(status, want);
}

static void one_address_has_a_share_of_the_bodies(void **state)
{
	struct reply r;
	int fds[70], held = 0;

	for (int i = 0; i < 70; i++)
		fds[i] = send_most_of_a_body(*state, "127.0.0.5", "POST", "/t/a/x/b");
	post_gives(*state, "127.0.0.6", "/t/a/x/b", 200);
	post_comes_to(*state, "127.0.0.5", "/t/a/x/b", 503);
	for (int i = 0; i < 70; i++) {
		int status = end_body(fds[i], &r);
		held += status == 200;
		assert_true(status == 200 || status == 503);
		if (status == 503)
			assert_non_null(reply_header(&r, "Retry-After"));
		reply_free(&r);
	}
	assert_in_range(held, 1, 10); /* the share's, and those who came when some had gone */
	post_comes_to(*state, "127.0.0.5", "/t/a/x/b", 200);
}

static void many_addresses_leave_room_for_the_administrator(void **state)
{
	struct reply r;
	int fds[40], status = 0;
	struct fixture *f = *state;
	char from[32];

	for (int i = 0; i < 40; i++) {
		snprintf(from, sizeof(from), "127.0.1.%d", i / 4);
		fds[i] = send_most_of_a_body(f, i < 4 ? "127.0.1.99" : from, "POST", "/t/a/x/b");
	}
	post_comes_to(f, "127.0.0.6", "/t/a/x/b", 503);
	post_gives(f, "127.0.0.6", "/api/echo", 200);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	int fd = connect_admin(f->cfg->admin_socket);
	status = post(fd, "/api/echo", &r);
	assert_int_equal(status, 200);
	assert_non_null(strstr(r.body, "body=3"));
	reply_free(&r);
	post_comes_to(f, "127.0.0.6", "/t/a/x/b", 200);
}

/* RFC 9110 section 9.3.1: such a body has no meaning. */
static void a_body_of_a_request_to_read_is_not_kept(void **state)
{
	struct reply r;
	int fds[10];

	for (int i = 0; i < 10; i++)
		fds[i] = send_most_of_a_body(*state, "127.0.0.5", "GET", "/t/a");
	post_gives(*state, "127.0.0.5", "/t/a/x/b", 200);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(end_body(fds[i], &r), 200);
		assert_non_null(strstr(r.body, "body=0"));
		reply_free(&r);
	}
}

static void a_strangers_body_is_not_kept_for_the_administrators_calls(void **state)
{
	static const struct {
		const char *target, *body;
	} rows[] = { { "/api/echo", "body=0" }, { "/rest/echo", "body=0" }, { "/live/rest/echo", "body=0" },
		{ "/t/a/x/b", "body=3" }, { "/t/a/x/rest", "body=3" } };
	struct fixture *f = fixture_open("[admin]\nallow = 192.0.2.0/24\ncompat_allow = 127.0.0.9\n", add_routes);
	struct reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(post(client_connect(f), rows[i].target, &r), 200);
		if (!strstr(r.body, rows[i].body))
			fail_msg("%s: %s", rows[i].target, r.body);
		reply_free(&r);
	}
	assert_int_equal(post(client_connect_from(f, "127.0.0.9"), "/live/rest/echo", &r), 200);
	assert_non_null(strstr(r.body, "body=3"));
	reply_free(&r);
	assert_int_equal(post(connect_admin(f->cfg->admin_socket), "/api/echo", &r), 200);
	assert_non_null(strstr(r.body, "body=3"));
	reply_free(&r);
	fixture_close(f);
}

static void a_second_server_leaves_the_socket_to_the_first(void **state)
{
	struct fixture *f = *state;
	struct sg_http_config hc = { .cfg = f->cfg, .loops = f->loops, .fanouts = f->fanouts,
		.loop_count = 2, .gate = f->gate, .hub = f->hub, .max_connections = 10 };
	struct sg_http_server *second;
	char error[256];
	struct stat before, after;

	assert_int_equal(stat(f->cfg->admin_socket, &before), 0);
	assert_int_equal(sg_http_server_open(&second, &hc, error, sizeof(error)), SG_OK);
	assert_int_equal(sg_http_server_start(second, error, sizeof(error)), SG_OK);
	sg_http_server_close(second);
	assert_int_equal(stat(f->cfg->admin_socket, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(admin_answers(f->cfg->admin_socket));
}

static void a_stale_socket_file_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[256];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)f;
	struct fixture *g = fixture_open("", add_routes);
	snprintf(path, sizeof(path), "%s", g->cfg->admin_socket);
	sg_http_server_close(g->http);
	assert_int_not_equal(access(path, F_OK), 0); /* it tidies up */
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd); /* the file stays, as after a crash */
	struct sg_http_config hc = { .cfg = g->cfg, .loops = g->loops, .fanouts = g->fanouts,
		.loop_count = 2, .gate = g->gate, .hub = g->hub, .max_connections = 10 };
	char error[256];
	assert_int_equal(sg_http_server_open(&g->http, &hc, error, sizeof(error)), SG_OK);
	add_routes(g->http, g);
	assert_int_equal(sg_http_server_start(g->http, error, sizeof(error)), SG_OK);
	assert_true(admin_answers(path));
	fixture_close(g);
}

/* ---- many ---- */

static void a_thousand_silent_connections_hurt_nobody(void **state)
{
	struct fixture *f = *state;
	static int fds[1000];

	for (int i = 0; i < 1000; i++) {
		fds[i] = client_connect(f);
		if (i % 2)
			client_send(fds[i], "GET /t/a HT");
	}
	int64_t start_ms = sg_mono_ms();
	assert_int_equal(status_of(f, "GET", "/t/a", NULL), 200);
	assert_true(sg_mono_ms() - start_ms < 1000);
	/* Ten seconds for the first line, not more. */
	int gone = 0;
	for (int64_t until = sg_mono_ms() + 15000; sg_mono_ms() < until && gone < 1000;
	     usleep(100000)) {
		gone = 0;
		for (int i = 0; i < 1000; i++) {
			char c;
			gone += recv(fds[i], &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
		}
	}
	assert_int_equal(gone, 1000);
	assert_true(sg_mono_ms() - start_ms > 5000);
	for (int i = 0; i < 1000; i++)
		close(fds[i]);
}

static void slow_headers_have_a_limit(void **state)
{
	int fd = client_connect(*state);
	int64_t start_ms = sg_mono_ms();

	client_send(fd, "GET /t/a HTTP/1.1\r\n");
	while (sg_mono_ms() - start_ms < 20000 && send(fd, "A: b\r\n", 6, MSG_NOSIGNAL) > 0)
		usleep(500000);
	assert_true(sg_mono_ms() - start_ms < 15000);
	close(fd);
}

static void numbers_are_counted(void **state)
{
	struct fixture *f = *state;
	struct sg_http_stats before, after;

	sg_http_server_stats(f->http, &before);
	assert_int_equal(status_of(f, "GET", "/t/a", NULL), 200);
	assert_int_equal(status_of(f, "GET", "/nothing", NULL), 404);
	sg_http_server_stats(f->http, &after);
	assert_int_equal(after.requests - before.requests, 2);
	assert_int_equal(after.status[2] - before.status[2], 1);
	assert_int_equal(after.status[4] - before.status[4], 1);
	assert_int_equal(after.connections_max, 2000);
	char want[64];
	snprintf(want, sizeof(want), "http://127.0.0.1:%d", f->port);
	assert_string_equal(sg_http_public_url(f->http), want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_finds_its_route),
		cmocka_unit_test(what_has_no_route_is_refused),
		cmocka_unit_test(head_is_get_without_a_body),
		cmocka_unit_test(a_connection_serves_many_requests),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(a_chunked_body_has_a_limit),
		cmocka_unit_test(an_endless_answer_follows_its_events),
		cmocka_unit_test(an_endless_answer_notices_that_its_peer_left),
		cmocka_unit_test(closing_ends_what_is_under_way),
		cmocka_unit_test(forwarded_addresses_are_believed_from_proxies_only),
		cmocka_unit_test(the_proxys_own_line_of_forwarded_addresses_counts),
		cmocka_unit_test(a_body_of_two_lengths_is_refused_and_the_connection_closed),
		cmocka_unit_test(the_admin_socket_is_local_and_private),
		cmocka_unit_test(one_address_has_a_share_of_the_bodies),
		cmocka_unit_test(many_addresses_leave_room_for_the_administrator),
		cmocka_unit_test(a_body_of_a_request_to_read_is_not_kept),
		cmocka_unit_test(a_strangers_body_is_not_kept_for_the_administrators_calls),
		cmocka_unit_test(a_second_server_leaves_the_socket_to_the_first),
		cmocka_unit_test(a_stale_socket_file_is_replaced),
		cmocka_unit_test(a_thousand_silent_connections_hurt_nobody),
		cmocka_unit_test(slow_headers_have_a_limit),
		cmocka_unit_test(numbers_are_counted),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
