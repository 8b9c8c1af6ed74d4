/* The gate under races: many threads, several processes, kill -9 (SG_CRASH_ROUNDS times, 10). */
#include "gate_fixture.h"
#include <signal.h>

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

/* ---- kill -9 ---- */

#define CRASH_TOKENS 400

/* Admits and commits one token after the other and says so, until it is killed. */
static void spend_until_killed(struct fixture *f, const struct made *tokens, int out)
{
	sg_config_free(f->cfg);
	pump_init(&f->pump);
	open_gate(f, ON);
	for (int i = 0; i < CRASH_TOKENS; i++) {
		struct attempt a;
		start(f, &a, SG_PLAY, "cam", tokens[i].text, "192.0.2.1", true);
		if (wait_for(f, &a.admitted) == SG_ADMITTED && write(out, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
	for (;;)
		pause();
}

/* Each acknowledged use is in the store afterwards, and no token opens a second session. */
static void an_acknowledged_use_survives_kill_9(void **state)
{
	const char *text = getenv("SG_CRASH_ROUNDS");
	int rounds = text ? atoi(text) : 10;

	(void)state;
	for (int round = 0; round < rounds; round++) {
		struct fixture *f = begin(ON);
		struct made tokens[CRASH_TOKENS];
		int pipes[2], i, acknowledged = 0;
		bool told[CRASH_TOKENS] = {0};

		for (i = 0; i < CRASH_TOKENS; i++)
			tokens[i] = make(f, "cam", SG_PLAY);
		sg_gate_close(f->gate);
		sg_store_close(f->store);
		assert_int_equal(pipe(pipes), 0);
		pid_t pid = fork();
		if (pid == 0)
			spend_until_killed(f, tokens, pipes[1]);
		close(pipes[1]);
		/* Killed somewhere between two of its first thirty answers. */
		for (int left = 1 + (int)(tokens[round].id % 30); left; left--) {
			assert_int_equal(read(pipes[0], &i, sizeof(i)), sizeof(i));
			told[i] = true, acknowledged++;
		}
		usleep((useconds_t)(tokens[round].id % 1500));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while (read(pipes[0], &i, sizeof(i)) == sizeof(i))
			told[i] = true, acknowledged++;
		close(pipes[0]);

		char error[256];
		sg_config_free(f->cfg);
		open_gate(f, ON);
		assert_int_equal(sg_store_open(&f->store, f->url, false, error, sizeof(error)), SG_OK);
		for (i = 0; i < acknowledged + 5 && i < CRASH_TOKENS; i++) {
			struct attempt a;
			bool spent = uses_of(f, tokens[i].id) == 1;
			assert_true(spent || !told[i]);
			start(f, &a, SG_PLAY, "cam", tokens[i].text, "192.0.2.9", true);
			assert_verdict(wait_for(f, &a.admitted), spent ? SG_USED : SG_ADMITTED);
			leave(&a);
			assert_int_equal(uses_of(f, tokens[i].id), 1);
		}
		finish(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_many_threads_exactly_max_uses_are_admitted),
	    cmocka_unit_test(of_several_processes_exactly_max_uses_are_admitted),
	    cmocka_unit_test(an_acknowledged_use_survives_kill_9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
