/* gate_fixture.h - a gate on a store of its own, an executor that the test pumps, attempts. */
#ifndef SG_TESTS_GATE_FIXTURE_H
#define SG_TESTS_GATE_FIXTURE_H

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

static inline void pump_post(struct sg_executor *ex, struct sg_task *task)
{
	struct pump *p = SG_CONTAINER_OF(ex, struct pump, ex);

	pthread_mutex_lock(&p->lock);
	task->next = NULL;
	*p->tail = task;
	p->tail = &task->next;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static inline void pump_init(struct pump *p)
{
	*p = (struct pump){.ex.post = pump_post};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	p->tail = &p->head;
}

/* Runs one task; waits at most `ms` for it. */
static inline bool pump_one(struct pump *p, int ms)
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
	atomic_bool live, coming;
	atomic_int asked; /* so often whether it is coming */
};

static inline bool is_live(void *user, struct sg_str app, struct sg_str stream)
{
	struct fixture *f = user;
	(void)app, (void)stream;
	return f->live;
}

static inline bool is_coming(void *user, struct sg_str app, struct sg_str stream)
{
	struct fixture *f = user;
	(void)app, (void)stream;
	f->asked++;
	return f->coming;
}

static inline bool recording_exists(void *user, struct sg_str app, struct sg_str name)
{
	(void)user, (void)app;
	return sg_str_is(name, "cam.mp4") || sg_str_is(name, "cam_2.mp4") ||
	       sg_str_is(name, "odd.mp4");
}

static inline void open_gate(struct fixture *f, const char *app_section)
{
	char text[1024], error[256];

	snprintf(text, sizeof(text), "[store]\nurl = %s\n[app live]\n%s\n", f->url, app_section);
	if (sg_config_parse(&f->cfg, "test", sg_str_from(text), error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	struct sg_gate_media media = {is_live, recording_exists, f, is_coming};
	if (sg_gate_open(&f->gate, f->cfg, &media, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
}

static inline struct fixture *begin(const char *app_section)
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

static inline void finish(struct fixture *f)
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

static inline struct made make_until(struct fixture *f, const char *stream, enum sg_token_type type,
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

static inline struct made make(struct fixture *f, const char *stream, enum sg_token_type type)
{
	return make_until(f, stream, type, 1, 0, sg_wall_s() + 3600);
}

static inline uint32_t uses_of(struct fixture *f, uint64_t id)
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

static inline void on_admitted(void *user, enum sg_reason verdict)
{
	((struct attempt *)user)->admitted = (int)verdict;
}
static inline void on_committed(void *user, enum sg_reason verdict)
{
	((struct attempt *)user)->committed = (int)verdict;
}
static inline void on_kicked(void *user, enum sg_goodbye why)
{
	((struct attempt *)user)->kicked = (int)why;
}

static inline struct sg_addr addr(const char *text)
{
	struct sg_addr a;

	assert_true(sg_addr_parse(sg_str_from(text), &a));
	return a;
}

static inline void start(struct fixture *f, struct attempt *a, enum sg_token_type type, const char *stream,
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

static inline int wait_for(struct fixture *f, int *what)
{
	while (*what == -1)
		if (!pump_one(&f->pump, 30000))
			fail_msg("no answer from the gate");
	return *what;
}

static inline int admit_from(struct fixture *f, struct attempt *a, enum sg_token_type type,
    const char *stream, const char *token, const char *peer)
{
	start(f, a, type, stream, token, peer, false);
	return wait_for(f, &a->admitted);
}

static inline int admit(struct fixture *f, struct attempt *a, enum sg_token_type type, const char *stream,
    const char *token)
{
	return admit_from(f, a, type, stream, token, "192.0.2.1");
}

static inline int commit(struct fixture *f, struct attempt *a)
{
	sg_gate_commit(a->s);
	return wait_for(f, &a->committed);
}

static inline void leave(struct attempt *a)
{
	sg_gate_end(a->s, SG_BYE_CLOSED);
}

/* The whole way; the session stays. */
static inline int enter(struct fixture *f, struct attempt *a, enum sg_token_type type, const char *token)
{
	int verdict = admit(f, a, type, "cam", token);

	if (verdict == SG_ADMITTED)
		verdict = commit(f, a);
	return verdict;
}

#define assert_verdict(got, want)                                                                  \
	assert_string_equal(sg_reason_name((enum sg_reason)(got)), sg_reason_name(want))

#endif
