/* Many spend the same tokens at once; and a spender is killed at any moment. Whatever happens,
 * a token of n uses is spent n times, and a use that was answered is there afterwards.
 *
 * SG_CRASH_ROUNDS sets the number of kills (30). */
#include "store_fixture.h"
#include "base/clock.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define GROUP_MAX 64

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

static uint32_t random_below(uint32_t n)
{
	uint32_t r;

	sg_random(&r, sizeof(r));
	return r % n;
}

/* Spends keys[order[0..count)] as one group, each with its audit row; false when the store
 * failed. */
static bool spend_some(struct sg_store *st, const struct sg_token_key *keys, const uint32_t *order,
    size_t count, struct sg_spend *w)
{
	static const struct sg_audit note = {.event = "admitted", .app = "live", .stream = "cam"};
	struct sg_spend *group[GROUP_MAX];

	for (size_t i = 0; i < count; i++) {
		w[i] = wish(keys[order[i]]);
		w[i].audit = &note;
		group[i] = &w[i];
	}
	return sg_store_spend(st, group, count, NULL, 0) == SG_OK;
}

/* ---- the race ---- */

#define RACERS 5
#define RACE_TOKENS 600

static uint32_t uses_of(size_t i)
{
	return i % 3 == 0 ? 7 : 1;
}

static void shuffle(uint32_t *order, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = random_below(i + 1), x = order[i];

		order[i] = order[j];
		order[j] = x;
	}
}

/* Once round all tokens in an order of its own; false when the store failed. */
static bool race_round(
    struct sg_store *st, const struct sg_token_key *keys, atomic_uint *admitted, size_t *won)
{
	uint32_t order[RACE_TOKENS];
	struct sg_spend w[GROUP_MAX];

	shuffle(order, RACE_TOKENS);
	for (size_t at = 0, n; at < RACE_TOKENS; at += n) {
		n = 1 + random_below(GROUP_MAX);
		n = n < RACE_TOKENS - at ? n : RACE_TOKENS - at;
		if (!spend_some(st, keys, order + at, n, w))
			return false;
		for (size_t i = 0; i < n; i++)
			if (w[i].result == SG_SPENT) {
				atomic_fetch_add(&admitted[order[at + i]], 1);
				(*won)++;
			}
	}
	return true;
}

static int racer(
    const char *url, const struct sg_token_key *keys, atomic_uint *admitted, atomic_uint *waiting)
{
	struct sg_store *st = NULL;
	char error[512];
	size_t won = 0, before;
	bool ok = sg_store_open(&st, url, false, error, sizeof(error)) == SG_OK;

	/* The lock goes to whoever asks next, not to who waited longest: on a busy machine one of five
	 * that never rest may wait for longer than a server would. */
	if (ok)
		sg_store_set_patience(st, 60000);
	atomic_fetch_sub(waiting, 1);
	while (atomic_load(waiting) > 0)
		usleep(100);
	do {
		before = won;
		ok = ok && race_round(st, keys, admitted, &won);
	} while (ok && won > before);
	if (!ok)
		fprintf(stderr, "racer: %s\n", st ? sg_store_error(st) : error);
	sg_store_close(st);
	return ok ? 0 : 1;
}

static void make_race_tokens(struct sg_store *st, struct sg_token_key *keys)
{
	struct sg_token m = model();

	for (size_t i = 0; i < RACE_TOKENS; i++) {
		m.max_uses = uses_of(i);
		keys[i] = make(st, m);
	}
}

static void each_use_goes_to_one_of_many_processes(void **state)
{
	struct fixture *f = *state;
	static struct sg_token_key keys[RACE_TOKENS];
	atomic_uint *admitted = shared(RACE_TOKENS * sizeof(*admitted)), *waiting = shared(4096);
	pid_t pids[RACERS];
	int64_t total = 0;
	int status;

	make_race_tokens(f->st, keys);
	atomic_store(waiting, RACERS);
	for (int i = 0; i < RACERS; i++)
		if ((pids[i] = fork()) == 0)
			_exit(racer(f->url, keys, admitted, waiting));
	for (int i = 0; i < RACERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	for (size_t i = 0; i < RACE_TOKENS; i++) {
		assert_int_equal(atomic_load(&admitted[i]), uses_of(i));
		assert_int_equal(row_of(f->st, keys[i].id).uses, uses_of(i));
		total += uses_of(i);
	}
	assert_int_equal(ask(f->st, "SELECT count(*) FROM audit"), total);
	assert_integrity(f->st);
	printf("race: %d processes, %d tokens, %lld uses, each given once\n", RACERS, RACE_TOKENS,
	    (long long)total);
	munmap(admitted, RACE_TOKENS * sizeof(*admitted));
	munmap(waiting, 4096);
}

/* ---- kill -9 ---- */

#define POOL 20000

static void *checkpoint_often(void *url)
{
	struct sg_store *st;
	char error[512];

	if (sg_store_open(&st, url, false, error, sizeof(error)) != SG_OK)
		_exit(1);
	for (;;) { /* until killed */
		if (sg_store_checkpoint(st) != SG_OK)
			_exit(1);
		usleep(2000);
	}
	return NULL;
}

/* Spends the pool in order and writes the index of every answered use to `out`. */
static int victim(const char *url, const struct sg_token_key *keys, int out)
{
	struct sg_store *st;
	char error[512];
	uint32_t order[GROUP_MAX], answers[GROUP_MAX], next = 0;
	struct sg_spend w[GROUP_MAX];
	pthread_t keeper;

	if (sg_store_open(&st, url, false, error, sizeof(error)) != SG_OK ||
	    pthread_create(&keeper, NULL, checkpoint_often, (void *)(uintptr_t)url) != 0)
		return 1;
	while (next < POOL) {
		uint32_t n = 1 + random_below(GROUP_MAX), answered = 0;

		n = n < POOL - next ? n : POOL - next;
		for (uint32_t i = 0; i < n; i++)
			order[i] = next + i;
		if (!spend_some(st, keys, order, n, w))
			return 1;
		for (uint32_t i = 0; i < n; i++)
			if (w[i].result == SG_SPENT)
				answers[answered++] = order[i];
		if (answered != n || write(out, answers, n * sizeof(*answers)) < 0)
			return 1;
		next += n;
	}
	pause();
	return 0;
}

/* Reads answers until the victim has died, kills it on the way. */
static void kill_at_random(pid_t pid, int in, uint8_t *answered, size_t *count)
{
	uint32_t got[1024];
	int64_t end_ms = sg_mono_ms() + 5 + random_below(130);
	bool killed = false;
	ssize_t n;
	int status;

	for (;;) {
		if (!killed && sg_mono_ms() >= end_ms)
			killed = kill(pid, SIGKILL) == 0;
		n = read(in, got, sizeof(got));
		if (n == 0)
			break;
		if (n < 0) { /* nothing yet */
			usleep(200);
			continue;
		}
		assert_int_equal(n % (ssize_t)sizeof(*got), 0);
		for (size_t i = 0; i < (size_t)n / sizeof(*got); i++)
			answered[got[i]] = 1;
		*count += (size_t)n / sizeof(*got);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Every answered use is there and is not given again; of the others, at most those of the one
 * group under way are spent. */
static void assert_nothing_lost(
    struct sg_store *st, const struct sg_token_key *keys, const uint8_t *answered)
{
	size_t unanswered_spent = 0;

	for (uint32_t i = 0; i < POOL; i++) {
		struct sg_token t = row_of(st, keys[i].id);

		if (answered[i]) {
			assert_int_equal(t.uses, 1);
			/* Asking every token again would take longer than the round. */
			if (i % 16 == 0)
				assert_int_equal(spend(st, keys[i]), SG_SPEND_USED);
		} else {
			unanswered_spent += t.uses;
		}
	}
	assert_in_range(unanswered_spent, 0, GROUP_MAX);
}

static size_t crash_round(struct fixture *f)
{
	static struct sg_token_key keys[POOL];
	uint8_t answered[POOL] = {0};
	struct sg_token m = model();
	size_t count = 0;
	int ends[2];

	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, POOL / 2));
	assert_ok(sg_store_token_create(f->st, &m, NOW, keys + POOL / 2, POOL / 2));
	sg_store_close(f->st); /* so that the next open has to recover */
	f->st = NULL;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(victim(f->url, keys, ends[1]));
	close(ends[1]);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	kill_at_random(pid, ends[0], answered, &count);
	close(ends[0]);
	f->st = open_url(f->url);
	assert_nothing_lost(f->st, keys, answered);
	return count;
}

static void killed_at_any_moment_no_answered_use_is_lost_or_given_again(void **state)
{
	struct fixture *f = *state;
	const char *wanted = getenv("SG_CRASH_ROUNDS");
	int rounds = wanted ? atoi(wanted) : 30;
	size_t uses = 0;
	int amidst = 0;

	for (int i = 0; i < rounds; i++) {
		size_t answered = crash_round(f);

		uses += answered;
		amidst += answered < POOL;
		if (i % 10 == 9)
			assert_integrity(f->st);
	}
	assert_integrity(f->st);
	/* An audit row goes with every use, and only with a use. */
	assert_int_equal(
	    ask(f->st, "SELECT count(*) FROM audit"), ask(f->st, "SELECT sum(uses) FROM token"));
	assert_int_equal(ask(f->st, "SELECT max(uses) FROM token"), 1);
	assert_true(uses > 0 && amidst > 0);
	printf("kill -9: %d rounds, %d of them amidst the spending, %zu answered uses, none lost, "
	       "none given twice\n",
	    rounds, amidst, uses);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLAIM("each use goes to one of many processes", each_use_goes_to_one_of_many_processes),
	    CLAIM("killed at any moment, no answered use is lost or given again",
		killed_at_any_moment_no_answered_use_is_lost_or_given_again),
	};

	return cmocka_run_group_tests_name("store crash", tests, NULL, NULL);
}
