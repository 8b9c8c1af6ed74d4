/* SRT callers against the server: who is refused and with which code, who is let in, how it ends. */
#include "log_fixture.h"
#include "srt_fixture.h"

#define REFUSED(attempt, code)                                                                     \
	do {                                                                                       \
		struct caller c_ = (attempt);                                                      \
		if (c_.sock != SRT_INVALID_SOCK || c_.reason != (code))                            \
			fail_msg("line %d: %s, reason %d, not %d", __LINE__,                       \
			    c_.sock == SRT_INVALID_SOCK ? "refused" : "let in", c_.reason, code);  \
	} while (0)

static void a_handshake_is_refused_with_the_code_that_says_why(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct feeder fd;
	struct token play = make_token(f, SG_PLAY), publish = make_token(f, SG_PUBLISH),
		     other = make_token_of(f, "other", SG_PLAY, 3600),
		     gone = make_token(f, SG_PLAY),
		     nobody = make_token_of(f, "nobody", SG_PLAY, 3600);
	size_t revoked;

	(void)state;
	publish_cam(f, &fd);
	assert_int_equal(
	    sg_store_token_revoke(f->store, gone.id, false, sg_wall_s(), &revoked), SG_OK);
	REFUSED(call(f, ""), SRT_REJX_BAD_REQUEST);
	REFUSED(call(f, "live"), SRT_REJX_BAD_REQUEST);
	REFUSED(call(f, "#!::m=publish"), SRT_REJX_BAD_REQUEST);
	REFUSED(call(f, "#!::r=live/cam,m=bidirectional,token=%s", play.text), SRT_REJX_BAD_MODE);
	REFUSED(call(f, "#!::r=live/cam,t=file,token=%s", play.text), SRT_REJX_BAD_MODE);
	REFUSED(call(f, "#!::r=live/cam"), SRT_REJX_UNAUTHORIZED);
	REFUSED(call(f, "live/cam"), SRT_REJX_UNAUTHORIZED);
	REFUSED(call(f, "#!::r=live/nobody"),
	    SRT_REJX_UNAUTHORIZED); /* a stranger does not learn what is live */
	REFUSED(call(f, "#!::r=nowhere/cam,token=%s", play.text), SRT_REJX_FORBIDDEN);
	REFUSED(call(f, "#!::r=live/../cam,token=%s", play.text), SRT_REJX_FORBIDDEN);
	REFUSED(call(f, "#!::r=live/cam,token=x"), SRT_REJX_FORBIDDEN);
	REFUSED(call(f, "#!::r=live/cam,token=%s", other.text), SRT_REJX_FORBIDDEN);
	REFUSED(call(f, "#!::r=live/cam,token=%s", publish.text), SRT_REJX_FORBIDDEN);
	REFUSED(call(f, "#!::r=live/cam,token=%s", gone.text), SRT_REJX_FORBIDDEN);
	REFUSED(call(f, "live/cam,token=%s", play.text), SRT_REJX_FORBIDDEN);
	REFUSED(call(f, "#!::r=live/nobody,token=%s", nobody.text), SRT_REJX_NOTFOUND);
	REFUSED(call(f, "live/cam,token=%s", publish.text), SRT_REJX_CONFLICT);
	assert_int_equal(
	    uses_of(f, &play) + uses_of(f, &publish) + uses_of(f, &other) + uses_of(f, &nobody), 0);
	assert_int_equal(gate_stats_of(f).holds, 0);
	sg_srt_server_drain(f->srt);
	REFUSED(call_to_play(f, &play), SRT_REJX_DOWN);
	feeder_stop(&fd);
	fixture_close(f);
}

static void more_connections_than_there_may_be_are_refused(void **state)
{
	struct sg_srt_config limits = {.max_connections = 1};
	struct fixture *f = fixture_open("", &limits);
	struct caller c = call(f, "live/cam");

	(void)state;
	assert_int_not_equal(c.sock, SRT_INVALID_SOCK);
	REFUSED(call(f, "live/other"), SRT_REJX_OVERLOAD);
	hang_up(&c);
	await(stats_of(f).connections == 0);
	fixture_close(f);
}

static bool is_ts(const uint8_t *p, int len)
{
	for (int i = 0; i < len; i += 188)
		if (p[i] != 0x47)
			return false;
	return len > 0 && len % 188 == 0;
}

static void a_viewer_is_sent_whole_packets_from_a_keyframe_on(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct feeder fd;
	struct token t = make_token(f, SG_PLAY);
	uint8_t m[1500];
	int full = 0;

	(void)state;
	publish_cam(f, &fd);
	struct caller c = call_to_play(f, &t);
	assert_int_not_equal(c.sock, SRT_INVALID_SOCK);
	for (int i = 0; i < 100; i++) {
		int n = take_message(&c, m);
		assert_true(is_ts(m, n));
		full += n == MESSAGE;
		if (i ==
		    0) /* the service description or the program table: it begins with tables */
			assert_true((m[1] & 0x1f) == 0 && (m[2] == 0x11 || m[2] == 0));
	}
	assert_true(full > 90);
	assert_int_equal(uses_of(f, &t), 1);
	REFUSED(call_to_play(f, &t), SRT_REJX_FORBIDDEN);
	hang_up(&c);
	await(stats_of(f).players == 0);
	feeder_stop(&fd);
	fixture_close(f);
}

/* ---- one token, many at once ---- */

struct racer {
	struct fixture *f;
	const struct token *t;
	const char *form;
	pthread_barrier_t *start;
	struct caller c;
	pthread_t thread;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->start);
	r->c = call(r->f, r->form, r->t->text);
	return NULL;
}

static int let_in_of_fifty(struct fixture *f, const char *form, const struct token *t)
{
	static struct racer racers[50];
	pthread_barrier_t start;
	int in = 0;

	pthread_barrier_init(&start, NULL, COUNT(racers));
	for (size_t i = 0; i < COUNT(racers); i++) {
		racers[i] = (struct racer){f, t, form, &start, {0}, 0};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (size_t i = 0; i < COUNT(racers); i++)
		pthread_join(racers[i].thread, NULL);
	await(gate_stats_of(f).commit_queue == 0);
	for (size_t i = 0; i < COUNT(racers); i++) {
		uint8_t m[1500];
		if (racers[i].c.sock == SRT_INVALID_SOCK)
			assert_int_equal(racers[i].c.reason, SRT_REJX_FORBIDDEN);
		else
			in += take_message(&racers[i].c, m) > 0;
		hang_up(&racers[i].c);
	}
	pthread_barrier_destroy(&start);
	return in;
}

static void of_fifty_with_one_token_one_is_served(void **state)
{
	/* Refusals cost an address its attempts: as many as this are not looked at one by one. */
	struct fixture *f = fixture_open(ON, NULL);
	struct feeder fd;
	struct token t = make_token(f, SG_PLAY);

	(void)state;
	publish_cam(f, &fd);
	assert_int_equal(let_in_of_fifty(f, "#!::r=live/cam,token=%s", &t), 1);
	assert_int_equal(uses_of(f, &t), 1);
	feeder_stop(&fd);
	fixture_close(f);
}

static void a_hold_keeps_a_second_publisher_out(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct token t = make_token(f, SG_PUBLISH);
	struct caller first = call(f, "live/cam,token=%s", t.text);

	(void)state;
	assert_int_not_equal(first.sock, SRT_INVALID_SOCK);
	REFUSED(call(f, "live/cam,token=%s", t.text), SRT_REJX_FORBIDDEN);
	assert_int_equal(uses_of(f, &t), 0);
	hang_up(&first); /* without media: the token is free again */
	await(gate_stats_of(f).holds == 0);
	struct feeder fd = {.c = call(f, "live/cam,token=%s", t.text)};
	feeder_start(&fd);
	await(is_live(f, "cam"));
	assert_int_equal(uses_of(f, &t), 1);
	feeder_stop(&fd);
	fixture_close(f);
}

/* ---- passphrases ---- */

static void an_application_with_a_passphrase_is_encrypted(void **state)
{
	struct fixture *f = fixture_open(ON "srt_passphrase = correct horse battery\n", NULL);
	struct token t = make_token(f, SG_PUBLISH);
	char id[200];
	struct logged l;

	(void)state;
	snprintf(id, sizeof(id), "live/cam,token=%s", t.text);
	log_begin(&l, SG_LOG_INFO);
	REFUSED(call_with(f, id, "wrong horse battery"), SRT_REJ_BADSECRET);
	await(gate_stats_of(f).holds == 0);
	REFUSED(call_with(f, id, NULL), SRT_REJ_UNSECURE);
	await(gate_stats_of(f).holds == 0 && stats_of(f).connections == 0);
	log_end(&l);
	const char *told = strstr(l.text, ": refused: it does not know the application's passphrase");
	assert_non_null(told);
	assert_non_null(strstr(told + 1, ": refused: it does not know the application's passphrase"));
	assert_int_equal(stats_of(f).rejected, 2);
	assert_int_equal(uses_of(f, &t), 0);
	struct feeder fd = {.c = call_with(f, id, "correct horse battery")};
	feeder_start(&fd);
	await(is_live(f, "cam"));

	struct token play = make_token(f, SG_PLAY);
	uint8_t m[1500];
	snprintf(id, sizeof(id), "#!::r=live/cam,token=%s", play.text);
	struct caller viewer = call_with(f, id, "correct horse battery");
	int n = take_message(&viewer, m);
	assert_true(is_ts(m, n));
	hang_up(&viewer);
	feeder_stop(&fd);
	fixture_close(f);
}

/* ---- how it ends ---- */

static uint64_t session_of(struct fixture *f, enum sg_token_type type)
{
	struct sg_session_info all[8];
	size_t n = sg_gate_sessions(f->gate, 0, all, 8);

	for (size_t i = 0; i < n; i++)
		if (all[i].type == type && strcmp(all[i].state, "active") == 0)
			return all[i].id;
	return 0;
}

static void whoever_is_shown_out_is_gone_within_a_second(void **state)
{
	struct fixture *f = fixture_open(ON, NULL);
	struct feeder fd;
	struct token t = make_token(f, SG_PLAY);

	(void)state;
	publish_cam(f, &fd);
	struct caller c = call_to_play(f, &t);
	await(session_of(f, SG_PLAY));
	int64_t start_ms = sg_mono_ms();
	struct sg_end_filter filter = {.session_id = session_of(f, SG_PLAY)};
	assert_int_equal(sg_gate_end_sessions(f->gate, &filter, SG_BYE_KICKED), 1);
	assert_true(is_closed(&c));
	assert_true(sg_mono_ms() - start_ms < 1000);
	filter.session_id = session_of(f, SG_PUBLISH);
	start_ms = sg_mono_ms();
	assert_int_equal(sg_gate_end_sessions(f->gate, &filter, SG_BYE_KICKED), 1);
	await(!is_live(f, "cam"));
	assert_true(sg_mono_ms() - start_ms < 1000);
	await(srt_getsockstate(fd.c.sock) > SRTS_CONNECTED);
	assert_true(sg_mono_ms() - start_ms < 1000);
	await(gate_stats_of(f).sessions == 0);
	hang_up(&c);
	feeder_stop(&fd);
	fixture_close(f);
}

static void a_viewer_waits_through_a_gap_and_is_told_of_the_end(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct feeder fd;
	uint8_t m[1500];

	(void)state;
	publish_cam(f, &fd);
	struct caller c = call(f, "#!::r=live/cam");
	assert_true(take_message(&c, m) > 0);
	feeder_stop(&fd);
	await(!is_live(f, "cam") && !session_of(f, SG_PUBLISH));
	assert_int_equal(srt_getsockstate(c.sock), SRTS_CONNECTED);
	uint64_t before = stats_of(f).bytes_out;
	publish_cam(f, &fd); /* another encoder takes over */
	await(stats_of(f).bytes_out > before + 20 * MESSAGE);
	assert_int_equal(srt_getsockstate(c.sock), SRTS_CONNECTED);
	feeder_stop(&fd);
	await(!is_live(f, "cam"));
	sg_hub_end_all(f->hub);
	assert_true(is_closed(&c));
	await(gate_stats_of(f).ended[SG_BYE_STREAM_ENDED] == 1);
	hang_up(&c);
	fixture_close(f);
}

static void who_never_sends_media_spends_nothing(void **state)
{
	struct sg_srt_config limits = {.first_media_ms = 300};
	struct fixture *f = fixture_open(ON, &limits);
	struct token t = make_token(f, SG_PUBLISH);
	struct logged l;

	(void)state;
	log_begin(&l, SG_LOG_INFO);
	struct caller c = call(f, "live/cam,token=%s", t.text);
	assert_int_not_equal(c.sock, SRT_INVALID_SOCK);
	assert_true(is_closed(&c));
	await(stats_of(f).connections == 0 && gate_stats_of(f).holds == 0);
	log_end(&l);
	assert_non_null(strstr(l.text, ": no media came: closed")); /* the audit has no row of it */
	assert_int_equal(uses_of(f, &t), 0);
	hang_up(&c);
	fixture_close(f);
}

/* A viewer that never reads: its line fills up, its neighbour's does not. */
static void a_viewer_that_never_reads_hurts_nobody(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct feeder fd;
	uint8_t m[1500];

	(void)state;
	publish_cam(f, &fd);
	struct caller deaf = call(f, "#!::r=live/cam"), other = call(f, "#!::r=live/cam");
	await(stats_of(f).players == 2);
	for (int i = 0; i < 400; i++)
		assert_true(take_message(&other, m) > 0);
	assert_int_equal(srt_getsockstate(other.sock), SRTS_CONNECTED);
	hang_up(&deaf);
	hang_up(&other);
	await(stats_of(f).connections == 0 + 1);
	feeder_stop(&fd);
	fixture_close(f);
}

/* What a viewer sends nobody reads: it would stay in libsrt's memory for as long as the viewer watches. */
static void a_viewer_that_sends_is_shown_out(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct feeder fd;
	uint8_t m[MESSAGE] = {0};

	(void)state;
	publish_cam(f, &fd);
	struct caller c = call(f, "#!::r=live/cam"), other = call(f, "#!::r=live/cam");
	await(stats_of(f).players == 2);
	assert_int_equal(srt_sendmsg(c.sock, (char *)m, sizeof(m), -1, 0), MESSAGE);
	assert_true(is_closed(&c));
	await(stats_of(f).players == 1);
	assert_int_equal(stats_of(f).bad_input, 1);
	assert_int_equal(gate_stats_of(f).ended[SG_BYE_BAD_INPUT], 1);
	assert_int_equal(srt_getsockstate(other.sock), SRTS_CONNECTED);
	hang_up(&c);
	hang_up(&other);
	await(stats_of(f).connections == 0 + 1);
	feeder_stop(&fd);
	fixture_close(f);
}

/* ---- hostile publishers ---- */

static void send_all(struct caller *c, const uint8_t *p, size_t len)
{
	for (size_t at = 0; at < len; at += MESSAGE) {
		size_t n = len - at < MESSAGE ? len - at : MESSAGE;
		if (srt_sendmsg(c->sock, (const char *)p + at, (int)n, -1, 0) == SRT_ERROR)
			return;
		if (at / MESSAGE % 50 == 49)
			usleep(5000);
	}
}

static void what_is_no_media_ends_its_publisher_and_spends_nothing(void **state)
{
	struct sg_srt_config limits = {.first_media_ms = 3000};
	struct fixture *f = fixture_open(ON, &limits);
	struct token t = make_token(f, SG_PUBLISH);
	static uint8_t noise[3 << 20];
	unsigned seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
	struct caller c = call(f, "live/cam,token=%s", t.text);
	send_all(&c, noise, sizeof(noise));
	assert_true(is_closed(&c));
	await(stats_of(f).connections == 0);
	hang_up(&c);
	for (size_t i = 0; i < sizeof(noise); i += 188) /* now it looks like packets */
		noise[i] = 0x47;
	c = call(f, "live/cam,token=%s", t.text);
	send_all(&c, noise, sizeof(noise));
	assert_true(is_closed(&c));
	await(stats_of(f).connections == 0);
	hang_up(&c);
	assert_int_equal(uses_of(f, &t), 0);
	assert_false(is_live(f, "cam"));
	fixture_close(f);
}

static void a_damaged_stream_ends_nothing_but_itself(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	static uint8_t damaged[sizeof(source.p)];
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 6; round++) {
		memcpy(damaged, source.p, source.len);
		for (size_t i = 0; i < source.len / 400; i++) {
			seed = seed * 1103515245 + 12345;
			size_t at = (seed >> 4) % source.len;
			/* The sync bytes stay, so that the damage is looked at. */
			if (at % 188)
				damaged[at] ^= (uint8_t)(1u << (seed >> 28 & 7));
		}
		struct caller c = call(f, "live/cam");
		assert_int_not_equal(c.sock, SRT_INVALID_SOCK);
		send_all(&c, damaged, source.len);
		hang_up(&c);
		await(stats_of(f).connections == 0);
	}
	struct feeder fd;
	publish_cam(f, &fd);
	feeder_stop(&fd);
	fixture_close(f);
}

/* ---- numbers ---- */

static void the_line_of_each_session_is_known(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct feeder fd;
	struct sg_srt_line in, out;

	(void)state;
	publish_cam(f, &fd);
	struct caller c = call(f, "#!::r=live/cam");
	await(session_of(f, SG_PLAY));
	await(sg_srt_server_line(f->srt, session_of(f, SG_PUBLISH), &in) && in.packets > 50);
	await(sg_srt_server_line(f->srt, session_of(f, SG_PLAY), &out) && out.packets > 50);
	assert_true(in.rtt_ms > 0 && out.rtt_ms > 0);
	assert_true(in.latency_ms == 120 && out.latency_ms == 120);
	assert_false(in.encrypted);
	assert_false(sg_srt_server_line(f->srt, 1, &in));
	struct sg_srt_stats st = stats_of(f);
	assert_true(
	    st.publishers == 1 && st.players == 1 && st.connections == 2 && st.accepted == 2);
	assert_true(st.bytes_in > 10000 && st.bytes_out > 10000 && st.rtt_s > 0);
	hang_up(&c);
	feeder_stop(&fd);
	await(stats_of(f).connections == 0);
	fixture_close(f);
}

static void a_server_closes_with_everybody_in_it(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct feeder fd;

	(void)state;
	publish_cam(f, &fd);
	struct caller c[4];
	for (size_t i = 0; i < COUNT(c); i++)
		c[i] = call(f, "#!::r=live/cam");
	struct caller silent = call(f, "live/silent");
	fixture_close(f);
	for (size_t i = 0; i < COUNT(c); i++)
		hang_up(&c[i]);
	hang_up(&silent);
	feeder_stop(&fd);
}

static void an_address_that_is_taken_is_said(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct sg_srt_server *second;
	struct sg_config *cfg;
	char text[100], error[300];

	(void)state;
	snprintf(text, sizeof(text), "[srt]\nlisten = 127.0.0.1:%d\n", f->port);
	assert_int_equal(
	    sg_config_parse(&cfg, "test", sg_str_from(text), error, sizeof(error)), SG_OK);
	/* Another process' socket, that libsrt does not share. */
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	((struct sockaddr_in *)&cfg->srt_listen.items[0].sa)->sin_port = sa.sin_port;
	struct sg_srt_config sc = {
	    .cfg = cfg, .loops = f->loops, .loop_count = 2, .gate = f->gate, .hub = f->hub};
	assert_int_equal(sg_srt_server_open(&second, &sc, error, sizeof(error)), SG_ERR_IO);
	assert_null(second);
	assert_non_null(strstr(error, "srt: cannot listen on 127.0.0.1:"));
	close(fd);
	sg_config_free(cfg);
	fixture_close(f);
}

/* A socket that takes who comes at a port where libsrt, or another server of SRT, would listen as well. */
static void an_address_that_another_would_share_is_taken(void **state)
{
	struct fixture *f = fixture_open("", NULL);
	struct sg_srt_server *second;
	struct sg_config *cfg;
	char text[100], error[300];
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	(void)state;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	snprintf(text, sizeof(text), "[srt]\nlisten = 127.0.0.1:%d\n", ntohs(sa.sin_port));
	assert_int_equal(
	    sg_config_parse(&cfg, "test", sg_str_from(text), error, sizeof(error)), SG_OK);
	struct sg_srt_config sc = {
	    .cfg = cfg, .loops = f->loops, .loop_count = 2, .gate = f->gate, .hub = f->hub};
	assert_int_equal(sg_srt_server_open(&second, &sc, error, sizeof(error)), SG_ERR_IO);
	assert_non_null(strstr(error, "Address already in use"));
	close(fd);
	sg_config_free(cfg);
	fixture_close(f);
}

static void both_families_are_served_at_one_port(void **state)
{
	static const char *const lists[] = {"0.0.0.0:%d, [::]:%d", "[::]:%d, 0.0.0.0:%d", "0.0.0.0:%d, [::1]:%d"};
	struct fixture *f = fixture_open("", NULL);
	struct sg_srt_server *second;
	struct sg_config *cfg;
	char list[64], text[100], error[300];

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct sockaddr_in6 sa = {.sin6_family = AF_INET6};
		socklen_t len = sizeof(sa);
		int fd = socket(AF_INET6, SOCK_DGRAM, 0); /* finds a port that is free in both */
		assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
		getsockname(fd, (struct sockaddr *)&sa, &len);
		close(fd);
		snprintf(list, sizeof(list), lists[i], ntohs(sa.sin6_port), ntohs(sa.sin6_port));
		snprintf(text, sizeof(text), "[srt]\nlisten = %s\n", list);
		assert_int_equal(
		    sg_config_parse(&cfg, "test", sg_str_from(text), error, sizeof(error)), SG_OK);
		struct sg_srt_config sc = {
		    .cfg = cfg, .loops = f->loops, .loop_count = 2, .gate = f->gate, .hub = f->hub};
		if (sg_srt_server_open(&second, &sc, error, sizeof(error)) != SG_OK)
			fail_msg("%s: %s", list, error);
		sg_srt_server_close(second);
		sg_config_free(cfg);
	}
	fixture_close(f);
}

struct canary {
	struct sg_task task;
	atomic_bool ran;
};

/* Keeps the loop busy, so that something else is always waiting behind it. */
static void sing(struct sg_task *task)
{
	int64_t until_us = sg_mono_us() + 1500;

	while (sg_mono_us() < until_us)
		;
	atomic_store(&SG_CONTAINER_OF(task, struct canary, task)->ran, true);
}

static void viewers_that_come_take_nothing_from_the_loops_queue(void **state)
{
	enum { STREAMS = 4, VIEWERS = 300, PER_VIEWER = 4 };
	struct fixture *f = fixture_open("publish_token = off\nplay_token = off\n", NULL);
	struct canary *canaries = calloc(VIEWERS * PER_VIEWER, sizeof(*canaries));
	struct feeder fd[STREAMS] = {0};
	struct caller stay[STREAMS * 2];
	char name[16];
	int sung = 0;

	(void)state;
	assert_non_null(canaries);
	for (int i = 0; i < STREAMS; i++) {
		fd[i].c = call(f, "live/cam%d", i);
		feeder_start(&fd[i]);
		snprintf(name, sizeof(name), "cam%d", i);
		await(is_live(f, name));
	}
	for (int i = 0; i < STREAMS * 2; i++)
		stay[i] = call(f, "#!::r=live/cam%d", i / 2); /* wake the loops at each picture */
	for (int v = 0; v < VIEWERS; v++) {
		struct caller c = call(f, "#!::r=live/cam%d", v % STREAMS);
		for (int i = 0; i < PER_VIEWER; i++) {
			struct canary *k = &canaries[v * PER_VIEWER + i];
			struct sg_executor *ex = sg_loop_executor(f->loops[i & 1]);
			k->task.run = sing;
			ex->post(ex, &k->task);
		}
		usleep(2000);
		hang_up(&c);
	}
	for (int i = 0; i < STREAMS * 2; i++)
		hang_up(&stay[i]);
	for (int i = 0; i < STREAMS; i++)
		feeder_stop(&fd[i]);
	fixture_close(f); /* the loops are done */
	for (int i = 0; i < VIEWERS * PER_VIEWER; i++)
		sung += atomic_load(&canaries[i].ran);
	assert_int_equal(sung, VIEWERS * PER_VIEWER);
	free(canaries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_handshake_is_refused_with_the_code_that_says_why),
	    cmocka_unit_test(more_connections_than_there_may_be_are_refused),
	    cmocka_unit_test(a_viewer_is_sent_whole_packets_from_a_keyframe_on),
	    cmocka_unit_test(of_fifty_with_one_token_one_is_served),
	    cmocka_unit_test(a_hold_keeps_a_second_publisher_out),
	    cmocka_unit_test(an_application_with_a_passphrase_is_encrypted),
	    cmocka_unit_test(whoever_is_shown_out_is_gone_within_a_second),
	    cmocka_unit_test(a_viewer_waits_through_a_gap_and_is_told_of_the_end),
	    cmocka_unit_test(who_never_sends_media_spends_nothing),
	    cmocka_unit_test(a_viewer_that_never_reads_hurts_nobody),
	    cmocka_unit_test(a_viewer_that_sends_is_shown_out),
	    cmocka_unit_test(what_is_no_media_ends_its_publisher_and_spends_nothing),
	    cmocka_unit_test(a_damaged_stream_ends_nothing_but_itself),
	    cmocka_unit_test(the_line_of_each_session_is_known),
	    cmocka_unit_test(viewers_that_come_take_nothing_from_the_loops_queue),
	    cmocka_unit_test(a_server_closes_with_everybody_in_it),
	    cmocka_unit_test(an_address_that_is_taken_is_said),
	    cmocka_unit_test(an_address_that_another_would_share_is_taken),
	    cmocka_unit_test(both_families_are_served_at_one_port),
	};
	return cmocka_run_group_tests(tests, source_open, source_close);
}
