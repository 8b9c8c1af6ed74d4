/* The gate: INTERFACE.md's rules as claims. */
#include "base/clock.h"
#include "gate/gate.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define CAM SG_STR("cam")
#define LIVE SG_STR("live")

/* ---- an executor that the test thread pumps ---- */

struct pump {
	struct sg_executor ex;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct sg_task *head, **tail;
};

static void pump_post(struct sg_executor *ex, struct sg_task *task)
{
	struct pump *p = SG_CONTAINER_OF(ex, struct pump, ex);

	pthread_mutex_lock(&p->lock);
	task->next = NULL;
	*p->tail = task;
	p->tail = &task->next;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static void pump_init(struct pump *p)
{
	*p = (struct pump){.ex.post = pump_post};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->tail = &p->head;
}

/* Runs one task; waits at most `ms` for it. */
static bool pump_one(struct pump *p, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L)
		until.tv_sec++, until.tv_nsec -= 1000000000L;
	pthread_mutex_lock(&p->lock);
	while (!p->head)
		if (pthread_cond_timedwait(&p->wake, &p->lock, &until) != 0)
			break;
	struct sg_task *t = p->head;
	if (t && !(p->head = t->next))
		p->tail = &p->head;
	pthread_mutex_unlock(&p->lock);
	if (t)
		t->run(t);
	return t != NULL;
}

/* ---- a gate on a store of its own ---- */

struct fixture {
	char dir[64], url[128];
	struct sg_config *cfg;
	struct sg_gate *gate;
	struct sg_store *store; /* as tokenctl would have it */
	struct pump pump;
	atomic_bool live;
};

static bool is_live(void *user, struct sg_str app, struct sg_str stream)
{
	struct fixture *f = user;
	(void)app, (void)stream;
	return f->live;
}

static bool recording_exists(void *user, struct sg_str app, struct sg_str name)
{
	(void)user, (void)app;
	return sg_str_is(name, "cam.mp4") || sg_str_is(name, "cam_2.mp4") ||
	       sg_str_is(name, "odd.mp4");
}

static void open_gate(struct fixture *f, const char *app_section)
{
	char text[1024], error[256];

	snprintf(text, sizeof(text), "[store]\nurl = %s\n[app live]\n%s\n", f->url, app_section);
	if (sg_config_parse(&f->cfg, "test", sg_str_from(text), error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	struct sg_gate_media media = {is_live, recording_exists, f};
	if (sg_gate_open(&f->gate, f->cfg, &media, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
}

static struct fixture *begin(const char *app_section)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[256];

	strcpy(f->dir, "/tmp/sg-gate-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->url, sizeof(f->url), "sqlite:%s/t.db", f->dir);
	f->live = true;
	pump_init(&f->pump);
	open_gate(f, app_section);
	assert_int_equal(sg_store_open(&f->store, f->url, false, error, sizeof(error)), SG_OK);
	return f;
}

static void finish(struct fixture *f)
{
	char command[128];

	sg_gate_close(f->gate);
	while (pump_one(&f->pump, 0))
		;
	sg_store_close(f->store);
	sg_config_free(f->cfg);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
}

#define ON "publish_token = on\nplay_token = on\n"

struct made {
	char text[SG_TOKEN_TEXT_SIZE];
	uint64_t id;
};

static struct made make_until(struct fixture *f, const char *stream, enum sg_token_type type,
    uint32_t max_uses, uint32_t resume_s, int64_t expires_at)
{
	struct sg_token model = {
	    .type = type, .max_uses = max_uses, .expires_at = expires_at, .resume_s = resume_s};
	struct sg_token_key key;
	struct made m;

	strcpy(model.app, "live");
	strcpy(model.stream, stream);
	strcpy(model.created_by, "test");
	assert_int_equal(sg_store_token_create(f->store, &model, sg_wall_s(), &key, 1), SG_OK);
	sg_token_format(m.text, &key);
	m.id = key.id;
	return m;
}

static struct made make(struct fixture *f, const char *stream, enum sg_token_type type)
{
	return make_until(f, stream, type, 1, 0, sg_wall_s() + 3600);
}

static uint32_t uses_of(struct fixture *f, uint64_t id)
{
	struct sg_token t;

	assert_int_equal(sg_store_token_get(f->store, id, &t), SG_OK);
	return t.uses;
}

/* ---- an attempt ---- */

struct attempt {
	struct sg_session *s;
	int admitted, committed; /* -1 = not told yet */
	int kicked;
};

static void on_admitted(void *user, enum sg_reason verdict)
{
	((struct attempt *)user)->admitted = (int)verdict;
}
static void on_committed(void *user, enum sg_reason verdict)
{
	((struct attempt *)user)->committed = (int)verdict;
}
static void on_kicked(void *user, enum sg_goodbye why)
{
	((struct attempt *)user)->kicked = (int)why;
}

static struct sg_addr addr(const char *text)
{
	struct sg_addr a;

	assert_true(sg_addr_parse(sg_str_from(text), &a));
	return a;
}

static void start(struct fixture *f, struct attempt *a, enum sg_token_type type, const char *stream,
    const char *token, const char *peer, bool at_once)
{
	struct sg_request req = {.protocol = "rtmp",
	    .app = LIVE,
	    .stream = sg_str_from(stream),
	    .type = type,
	    .token = sg_str_from(token),
	    .peer = addr(peer),
	    .at_once = at_once};
	struct sg_gate_client client = {&f->pump.ex, on_admitted, on_committed, on_kicked, a};

	*a = (struct attempt){.admitted = -1, .committed = -1, .kicked = -1};
	a->s = sg_gate_admit(f->gate, &req, &client);
	assert_non_null(a->s);
}

static int wait_for(struct fixture *f, int *what)
{
	while (*what == -1)
		if (!pump_one(&f->pump, 3000))
			fail_msg("no answer from the gate");
	return *what;
}

static int admit_from(struct fixture *f, struct attempt *a, enum sg_token_type type,
    const char *stream, const char *token, const char *peer)
{
	start(f, a, type, stream, token, peer, false);
	return wait_for(f, &a->admitted);
}

static int admit(struct fixture *f, struct attempt *a, enum sg_token_type type, const char *stream,
    const char *token)
{
	return admit_from(f, a, type, stream, token, "192.0.2.1");
}

static int commit(struct fixture *f, struct attempt *a)
{
	sg_gate_commit(a->s);
	return wait_for(f, &a->committed);
}

static void leave(struct attempt *a)
{
	sg_gate_end(a->s, SG_BYE_CLOSED);
}

/* The whole way; the session stays. */
static int enter(struct fixture *f, struct attempt *a, enum sg_token_type type, const char *token)
{
	int verdict = admit(f, a, type, "cam", token);

	if (verdict == SG_ADMITTED)
		verdict = commit(f, a);
	return verdict;
}

#define assert_verdict(got, want)                                                                  \
	assert_string_equal(sg_reason_name((enum sg_reason)(got)), sg_reason_name(want))

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

/* ---- R13 ---- */

static void a_broken_publisher_may_go_on_with_its_use(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make_until(f, "cam", SG_PUBLISH, 1, 30, sg_wall_s() + 3600);
	struct attempt a, b;

	(void)state;
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	sg_gate_end(a.s, SG_BYE_BROKEN);
	assert_verdict(admit_from(f, &b, SG_PUBLISH, "cam", m.text, "192.0.2.99"), SG_USED);
	leave(&b);
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 1);
	assert_verdict(admit(f, &b, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&b);
	leave(&a); /* a goodbye: nothing to come back to */
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&a);
	finish(f);
}

static void coming_back_after_the_window_is_too_late(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make_until(f, "cam", SG_PUBLISH, 1, 1, sg_wall_s() + 3600);
	struct attempt a;

	(void)state;
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	sg_gate_end(a.s, SG_BYE_BROKEN);
	usleep(1100000);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&a);
	finish(f);
}

static void a_hanging_connection_makes_room_for_its_owner(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make_until(f, "cam", SG_PUBLISH, 1, 30, sg_wall_s() + 3600);
	struct attempt a, b;

	(void)state;
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	/* Alive a moment ago: nobody takes its place. */
	assert_verdict(admit(f, &b, SG_PUBLISH, "cam", m.text), SG_USED);
	leave(&b);
	usleep(1200000);
	start(f, &b, SG_PUBLISH, "cam", m.text, "192.0.2.1", false);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_RESUMED);
	assert_int_equal(b.admitted, -1); /* never two at once */
	leave(&a);
	assert_verdict(wait_for(f, &b.admitted), SG_ADMITTED);
	assert_verdict(commit(f, &b), SG_ADMITTED);
	assert_int_equal(uses_of(f, m.id), 1);
	leave(&b);
	finish(f);
}

static void a_waiting_owner_may_give_up(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make_until(f, "cam", SG_PUBLISH, 1, 30, sg_wall_s() + 3600);
	struct attempt a, b;

	(void)state;
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	usleep(1200000);
	start(f, &b, SG_PUBLISH, "cam", m.text, "192.0.2.1", false);
	assert_int_equal(wait_for(f, &a.kicked), SG_BYE_RESUMED);
	leave(&b);
	leave(&a);
	finish(f);
}

static void a_revoked_use_cannot_be_resumed(void **state)
{
	struct fixture *f = begin(ON);
	struct made m = make_until(f, "cam", SG_PUBLISH, 1, 30, sg_wall_s() + 3600);
	struct attempt a;
	size_t n;

	(void)state;
	assert_verdict(enter(f, &a, SG_PUBLISH, m.text), SG_ADMITTED);
	sg_gate_end(a.s, SG_BYE_BROKEN);
	assert_int_equal(sg_store_token_revoke(f->store, m.id, false, sg_wall_s(), &n), SG_OK);
	assert_verdict(admit(f, &a, SG_PUBLISH, "cam", m.text), SG_REVOKED);
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
	struct sg_recording odd = {"live", "odd.mp4", "cam", 1};
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

/* Many threads, many tokens, each with a pump of its own. */
struct racer {
	struct fixture *f;
	struct made *tokens;
	int count;
	atomic_int *wins;
	char address[16]; /* one each: failed attempts cost their address */
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct fixture mine = {.gate = r->f->gate};

	pump_init(&mine.pump);
	for (int i = 0; i < r->count; i++) {
		struct attempt a;
		start(&mine, &a, SG_PLAY, "cam", r->tokens[i].text, r->address, i % 2);
		int verdict = wait_for(&mine, &a.admitted);
		if (verdict == SG_ADMITTED && !(i % 2))
			verdict = commit(&mine, &a);
		if (verdict == SG_ADMITTED)
			atomic_fetch_add(&r->wins[i], 1);
		sg_gate_end(a.s, SG_BYE_CLOSED);
	}
	return NULL;
}

static void run_race(struct fixture *f, struct made *tokens, int count, atomic_int *wins)
{
	pthread_t threads[16];
	struct racer racers[16];

	for (int i = 0; i < 16; i++) {
		racers[i] = (struct racer){f, tokens, count, wins, ""};
		snprintf(racers[i].address, sizeof(racers[i].address), "192.0.2.%d", i);
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 16; i++)
		pthread_join(threads[i], NULL);
}

static void of_many_threads_exactly_max_uses_are_admitted(void **state)
{
	struct fixture *f = begin(ON);
	enum { COUNT = 60 };
	struct made tokens[COUNT];
	atomic_int wins[COUNT] = {0};

	(void)state;
	for (int i = 0; i < COUNT; i++)
		tokens[i] = make_until(f, "cam", SG_PLAY, 1 + i % 3, 0, sg_wall_s() + 3600);
	run_race(f, tokens, COUNT, wins);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(uses_of(f, tokens[i].id), wins[i]);
		/* A hold that is given up may make a racer lose for good, but never win twice: with
		 * commits at once nobody gives up, so all uses are taken. */
		assert_true(wins[i] <= 1 + i % 3);
		if (i % 2)
			assert_int_equal(wins[i], 1 + i % 3);
		assert_true(wins[i] >= 1);
	}
	finish(f);
}

static void of_several_processes_exactly_max_uses_are_admitted(void **state)
{
	struct fixture *f = begin(ON);
	enum { COUNT = 40, PROCESSES = 4 };
	struct made tokens[COUNT];
	int wins[COUNT] = {0}, pipes[2];

	(void)state;
	for (int i = 0; i < COUNT; i++)
		tokens[i] = make_until(f, "cam", SG_PLAY, 1 + i % 2, 0, sg_wall_s() + 3600);
	/* A store handle must not cross fork(). */
	sg_gate_close(f->gate);
	sg_store_close(f->store);
	f->gate = NULL;
	assert_int_equal(pipe(pipes), 0);
	for (int p = 0; p < PROCESSES; p++) {
		pid_t pid = fork();
		if (pid == 0) {
			atomic_int mine[COUNT] = {0};
			sg_config_free(f->cfg);
			open_gate(f, ON);
			run_race(f, tokens, COUNT, mine);
			int flat[COUNT];
			for (int i = 0; i < COUNT; i++)
				flat[i] = mine[i];
			_exit(write(pipes[1], flat, sizeof(flat)) == sizeof(flat) ? 0 : 1);
		}
		assert_true(pid > 0);
	}
	for (int p = 0; p < PROCESSES; p++) {
		int status, flat[COUNT];
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
		assert_int_equal(read(pipes[0], flat, sizeof(flat)), sizeof(flat));
		for (int i = 0; i < COUNT; i++)
			wins[i] += flat[i];
	}
	close(pipes[0]), close(pipes[1]);
	char error[256];
	assert_int_equal(sg_store_open(&f->store, f->url, false, error, sizeof(error)), SG_OK);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(wins[i], 1 + i % 2);
		assert_int_equal(uses_of(f, tokens[i].id), 1 + i % 2);
	}
	sg_config_free(f->cfg);
	open_gate(f, ON);
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
	    cmocka_unit_test(a_broken_publisher_may_go_on_with_its_use),
	    cmocka_unit_test(coming_back_after_the_window_is_too_late),
	    cmocka_unit_test(a_hanging_connection_makes_room_for_its_owner),
	    cmocka_unit_test(a_waiting_owner_may_give_up),
	    cmocka_unit_test(a_revoked_use_cannot_be_resumed),
	    cmocka_unit_test(a_session_id_opens_one_stream_only),
	    cmocka_unit_test(a_session_follows_its_viewer_but_is_not_shared),
	    cmocka_unit_test(strict_keeps_the_first_place_and_off_asks_nothing),
	    cmocka_unit_test(revoking_ends_a_detached_session_and_cuts_what_is_under_way),
	    cmocka_unit_test(a_recording_belongs_to_its_catalogued_stream_or_its_stem),
	    cmocka_unit_test(guessing_costs_an_address_its_attempts_and_nobody_elses),
	    cmocka_unit_test(the_audit_tells_every_verdict),
	    cmocka_unit_test(of_many_threads_exactly_max_uses_are_admitted),
	    cmocka_unit_test(of_several_processes_exactly_max_uses_are_admitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
