/* gate_load.c - durable admissions per second, beside what one would do without a gate.
 *
 *   gate_load gate  FOLDER TOKENS SECONDS     through the gate: hold and commit, 64 in flight
 *   gate_load wal   FOLDER TOKENS SECONDS     SQLite, one WAL transaction per admission
 *   gate_load roll  FOLDER TOKENS SECONDS     SQLite, one rollback-journal transaction per admission
 *   gate_load redis PORT   TOKENS SECONDS     Redis, the same checks in Lua, 64 in flight
 *   gate_load look  FOLDER TOKENS SECONDS     look up and spend in groups of 64, one thread: the token path
 *
 * All write to disk before they answer. Tokens are drawn at random from the newest tenth. Printed: per
 * second, and the 50th and 99th percentile of the wait in microseconds. */
#include "base/clock.h"
#include "gate/gate.h"
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define IN_FLIGHT 64
#define WAITS_MAX 4000000

static uint32_t *waits;
static size_t wait_count;
static struct sg_token_key *keys;
static size_t key_count, drawn;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "gate_load: %s: %s\n", what, why);
	exit(1);
}

static void note_wait(int64_t since_us)
{
	if (wait_count < WAITS_MAX)
		waits[wait_count++] = (uint32_t)(sg_mono_us() - since_us);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(int64_t us)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	qsort(waits, wait_count, sizeof(*waits), by_number);
	if (!wait_count)
		die("measuring", "nothing was admitted");
	printf("per_second=%.0f wait_us_p50=%u wait_us_p99=%u count=%zu\n",
	    (double)wait_count * 1e6 / (double)us, waits[wait_count / 2], waits[wait_count * 99 / 100],
	    wait_count);
}

/* The newest tenth in an order of its own: each is drawn once. */
static void shuffle(void)
{
	size_t first = key_count - key_count / 10;

	keys += first, key_count -= first;
	for (size_t i = key_count - 1; i > 0; i--) {
		uint64_t r;
		sg_random(&r, sizeof(r));
		struct sg_token_key k = keys[i];
		size_t j = r % (i + 1);
		keys[i] = keys[j], keys[j] = k;
	}
}

static const struct sg_token_key *draw(void)
{
	return drawn < key_count ? &keys[drawn++] : NULL;
}

static struct sg_store *fill(const char *folder, size_t count)
{
	struct sg_token model = { .type = SG_PLAY, .max_uses = 1, .expires_at = sg_wall_s() + 86400,
		.app = "live", .stream = "cam", .created_by = "bench" };
	char url[256], error[256];
	struct sg_store *st;

	snprintf(url, sizeof(url), "sqlite:%s/bench.db", folder);
	if (sg_store_open(&st, url, true, error, sizeof(error)) != SG_OK)
		die("opening the store", error);
	keys = malloc(count * sizeof(*keys));
	for (key_count = 0; key_count < count; key_count += 10000)
		if (sg_store_token_create(st, &model, sg_wall_s(), keys + key_count, 10000) != SG_OK)
			die("making tokens", sg_store_error(st));
	if (sg_store_checkpoint(st) != SG_OK)
		die("checkpoint", sg_store_error(st));
	shuffle();
	return st;
}

/* ---- the gate ---- */

struct pump {
	struct sg_executor ex;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct sg_task *head, **tail;
};

static void post(struct sg_executor *ex, struct sg_task *task)
{
	struct pump *p = SG_CONTAINER_OF(ex, struct pump, ex);

	task->next = NULL;
	pthread_mutex_lock(&p->lock);
	*p->tail = task;
	p->tail = &task->next;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static struct sg_task *take(struct pump *p)
{
	pthread_mutex_lock(&p->lock);
	while (!p->head)
		pthread_cond_wait(&p->wake, &p->lock);
	struct sg_task *all = p->head;
	p->head = NULL;
	p->tail = &p->head;
	pthread_mutex_unlock(&p->lock);
	return all;
}

struct attempt {
	struct sg_session *s;
	int64_t since_us;
};
static struct pump pump = { .ex.post = post, .lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER, .tail = &pump.head };
static struct sg_gate *gate;
static int under_way;
static int64_t end_us;

static void begin(struct attempt *a);

static void over(struct attempt *a)
{
	sg_gate_end(a->s, SG_BYE_CLOSED);
	a->s = NULL;
	under_way--;
	if (sg_mono_us() < end_us)
		begin(a);
}

static void on_admitted(void *user, enum sg_reason verdict)
{
	struct attempt *a = user;

	if (verdict != SG_ADMITTED)
		die("the gate refused", sg_reason_name(verdict));
	sg_gate_commit(a->s);
}

static void on_committed(void *user, enum sg_reason verdict)
{
	struct attempt *a = user;

	if (verdict != SG_ADMITTED)
		die("the gate refused at commit", sg_reason_name(verdict));
	note_wait(a->since_us);
	over(a);
}

static void on_kicked(void *user, enum sg_goodbye why)
{
	(void)user;
	die("kicked", sg_goodbye_name(why));
}

static void begin(struct attempt *a)
{
	const struct sg_token_key *key = draw();
	const struct sg_gate_client client = { &pump.ex, on_admitted, on_committed, on_kicked, a };
	char text[SG_TOKEN_TEXT_SIZE];

	if (!key)
		return;
	sg_token_format(text, key);
	struct sg_request r = { .protocol = "rtmp", .app = SG_STR("live"), .stream = SG_STR("cam"),
		.type = SG_PLAY, .token = sg_str_from(text) };
	sg_addr_parse(SG_STR("192.0.2.1"), &r.peer);
	a->since_us = sg_mono_us();
	under_way++;
	if (!(a->s = sg_gate_admit(gate, &r, &client)))
		die("the gate", "is full");
}

static bool always(void *user, struct sg_str app, struct sg_str name)
{
	(void)user, (void)app, (void)name;
	return true;
}

static void run_gate(const char *folder, size_t count, double seconds)
{
	static struct attempt attempts[IN_FLIGHT];
	const struct sg_gate_media media = { always, always, NULL };
	char text[512], error[256];
	struct sg_config *cfg;

	sg_store_close(fill(folder, count));
	snprintf(text, sizeof(text), "[store]\nurl = sqlite:%s/bench.db\n[app live]\nplay_token = on\n", folder);
	if (sg_config_parse(&cfg, "bench", sg_str_from(text), error, sizeof(error)) != SG_OK ||
	    sg_gate_open(&gate, cfg, &media, error, sizeof(error)) != SG_OK)
		die("opening the gate", error);
	int64_t start_us = sg_mono_us();
	end_us = start_us + (int64_t)(seconds * 1e6);
	for (int i = 0; i < IN_FLIGHT; i++)
		begin(&attempts[i]);
	while (under_way)
		for (struct sg_task *t = take(&pump), *next; t; t = next) {
			next = t->next;
			t->run(t);
		}
	report(sg_mono_us() - start_us);
	sg_gate_close(gate);
}

/* ---- SQLite alone ---- */

static void must(sqlite3 *db, int res, const char *what)
{
	if (res != SQLITE_OK && res != SQLITE_DONE && res != SQLITE_ROW)
		die(what, sqlite3_errmsg(db));
}

/* What a straightforward program would do: check, spend, note, in a transaction of its own. */
static void run_sqlite(const char *folder, const char *journal, size_t count, double seconds)
{
	char path[256], pragma[64];
	sqlite3 *db;
	sqlite3_stmt *st[5];
	static const char *const sql[] = { "BEGIN IMMEDIATE",
		"SELECT hash, app, stream, type, uses, max_uses, expires_at FROM plain WHERE id = ?1",
		"UPDATE plain SET uses = uses + 1 WHERE id = ?1 AND uses < max_uses",
		"INSERT INTO plain_audit (at, id, event) VALUES (?2, ?1, 'admitted')", "COMMIT" };

	snprintf(path, sizeof(path), "%s/plain-%s.db", folder, journal);
	must(NULL, sqlite3_open(path, &db), path);
	snprintf(pragma, sizeof(pragma), "PRAGMA journal_mode = %s; PRAGMA synchronous = FULL", journal);
	must(db, sqlite3_exec(db, pragma, NULL, NULL, NULL), "pragma");
	snprintf(path, sizeof(path), "%zu", count);
	char *fill_sql = sqlite3_mprintf(
	    "CREATE TABLE plain (id INTEGER PRIMARY KEY, hash BLOB, app TEXT, stream TEXT, type INT, uses INT,"
	    " max_uses INT, expires_at INT);"
	    "CREATE TABLE plain_audit (seq INTEGER PRIMARY KEY, at INT, id INT, event TEXT);"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
	    " INSERT INTO plain SELECT i, randomblob(16), 'live', 'cam', 2, 0, 1, 4000000000 FROM n",
	    path);
	must(db, sqlite3_exec(db, fill_sql, NULL, NULL, NULL), "making tokens");
	sqlite3_free(fill_sql);
	for (int i = 0; i < 5; i++)
		must(db, sqlite3_prepare_v2(db, sql[i], -1, &st[i], NULL), sql[i]);
	keys = malloc(count * sizeof(*keys));
	for (size_t i = 0; i < count; i++)
		keys[i].id = i + 1;
	key_count = count;
	shuffle();
	int64_t start_us = sg_mono_us(), until_us = start_us + (int64_t)(seconds * 1e6);
	for (const struct sg_token_key *k; sg_mono_us() < until_us && (k = draw());) {
		int64_t since_us = sg_mono_us();
		for (int i = 0; i < 5; i++) {
			if (i > 0 && i < 4)
				sqlite3_bind_int64(st[i], 1, (sqlite3_int64)k->id);
			if (i == 3)
				sqlite3_bind_int64(st[i], 2, since_us);
			must(db, sqlite3_step(st[i]), sql[i]);
			sqlite3_reset(st[i]);
		}
		note_wait(since_us);
	}
	report(sg_mono_us() - start_us);
}

/* ---- Redis ---- */

static const char lua[] =
    "local t = redis.call('HMGET', KEYS[1], 'secret', 'app', 'stream', 'type', 'revoked', 'expires', 'uses', 'max') "
    "if not t[1] or t[1] ~= ARGV[1] then return 'unknown_token' end "
    "if t[2] ~= 'live' or t[3] ~= 'cam' then return 'wrong_stream' end "
    "if t[4] ~= 'play' then return 'wrong_type' end "
    "if t[5] ~= '0' then return 'revoked' end "
    "if tonumber(t[6]) < tonumber(ARGV[2]) then return 'expired' end "
    "if tonumber(t[7]) >= tonumber(t[8]) then return 'used' end "
    "redis.call('HINCRBY', KEYS[1], 'uses', 1) "
    "redis.call('LPUSH', 'audit', KEYS[1] .. ' admitted') "
    "return 'admitted'";

static redisReply *reply_of(redisContext *c)
{
	void *r = NULL;

	if (redisGetReply(c, &r) != REDIS_OK || ((redisReply *)r)->type == REDIS_REPLY_ERROR)
		die("redis", r ? ((redisReply *)r)->str : c->errstr);
	return r;
}

static void run_redis(int port, size_t count, double seconds)
{
	redisContext *c = redisConnect("127.0.0.1", port);
	char sha[64];

	if (!c || c->err)
		die("redis", c ? c->errstr : "no memory");
	for (size_t i = 0; i < count; i += 10000) {
		for (size_t k = i; k < i + 10000; k++)
			redisAppendCommand(c, "HSET t:%zu secret %032zu app live stream cam type play revoked 0 expires "
					      "4000000000 uses 0 max 1", k + 1, k + 1);
		for (size_t k = 0; k < 10000; k++)
			freeReplyObject(reply_of(c));
	}
	redisAppendCommand(c, "SCRIPT LOAD %s", lua);
	redisReply *r = reply_of(c);
	snprintf(sha, sizeof(sha), "%s", r->str);
	freeReplyObject(r);
	/* From here on each answer waits for the disk. */
	redisAppendCommand(c, "CONFIG SET appendfsync always");
	freeReplyObject(reply_of(c));
	keys = malloc(count * sizeof(*keys));
	for (size_t i = 0; i < count; i++)
		keys[i].id = i + 1;
	key_count = count;
	shuffle();
	/* 64 connections, one admission under way on each, as 64 peers of a server would make them. */
	redisContext *peers[IN_FLIGHT];
	for (int i = 0; i < IN_FLIGHT; i++)
		if (!(peers[i] = redisConnect("127.0.0.1", port)) || peers[i]->err)
			die("redis", "more connections");
	int64_t start_us = sg_mono_us(), until_us = start_us + (int64_t)(seconds * 1e6);
	while (sg_mono_us() < until_us && drawn + IN_FLIGHT < key_count) {
		int64_t since_us = sg_mono_us();
		for (int i = 0; i < IN_FLIGHT; i++) {
			size_t id = draw()->id;
			int done = 0;
			redisAppendCommand(peers[i], "EVALSHA %s 1 t:%zu %032zu %lld", sha, id, id,
			    (long long)sg_wall_s());
			while (!done)
				redisBufferWrite(peers[i], &done);
		}
		for (int i = 0; i < IN_FLIGHT; i++) {
			r = reply_of(peers[i]);
			if (strcmp(r->str, "admitted") != 0)
				die("redis refused", r->str);
			freeReplyObject(r);
			note_wait(since_us);
		}
	}
	report(sg_mono_us() - start_us);
}

/* ---- the token path at different sizes ---- */

static void run_look(const char *folder, size_t count, double seconds)
{
	struct sg_store *st = fill(folder, count);
	struct sg_spend spends[IN_FLIGHT], *wishes[IN_FLIGHT];
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	int64_t start_us = sg_mono_us(), until_us = start_us + (int64_t)(seconds * 1e6);
	while (sg_mono_us() < until_us && drawn + IN_FLIGHT <= key_count) {
		for (int i = 0; i < IN_FLIGHT; i++) {
			struct sg_token t;
			spends[i] = (struct sg_spend){ .key = *draw(), .app = SG_STR("live"),
				.stream = SG_STR("cam"), .type = SG_PLAY, .now = sg_wall_s() };
			wishes[i] = &spends[i];
			if (sg_store_token_lookup(st, &spends[i].key, &t) != SG_OK)
				die("looking up", sg_store_error(st));
		}
		if (sg_store_spend(st, wishes, IN_FLIGHT, NULL, 0) != SG_OK || spends[0].result != SG_SPENT)
			die("spending", sg_store_error(st));
		for (int i = 0; i < IN_FLIGHT; i++)
			note_wait(start_us);
	}
	getrusage(RUSAGE_SELF, &after);
	double cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
			      before.ru_stime.tv_sec) * 1e6 +
		     (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
			      before.ru_stime.tv_usec);
	printf("cpu_us_per_token=%.2f ", cpu / (double)wait_count);
	report(sg_mono_us() - start_us);
	sg_store_close(st);
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: see the top of gate_load.c\n");
		return 2;
	}
	size_t count = strtoull(argv[3], NULL, 10) / 10000 * 10000;
	double seconds = atof(argv[4]);
	waits = malloc(WAITS_MAX * sizeof(*waits));
	if (!strcmp(argv[1], "gate"))
		run_gate(argv[2], count, seconds);
	else if (!strcmp(argv[1], "wal"))
		run_sqlite(argv[2], "WAL", count, seconds);
	else if (!strcmp(argv[1], "roll"))
		run_sqlite(argv[2], "DELETE", count, seconds);
	else if (!strcmp(argv[1], "redis"))
		run_redis(atoi(argv[2]), count, seconds);
	else if (!strcmp(argv[1], "look"))
		run_look(argv[2], count, seconds);
	else
		return 2;
	return 0;
}
