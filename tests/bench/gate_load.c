/* gate_load.c - durable admissions per second, beside what one would do without a gate.
 *
 *   gate_load gate  FOLDER TOKENS SECONDS   through the gate: hold and commit, 64 in flight
 *   gate_load wal   FOLDER TOKENS SECONDS   SQLite, one WAL transaction per admission
 *   gate_load roll  FOLDER TOKENS SECONDS   SQLite, one rollback-journal transaction per admission
 *   gate_load redis PORT   TOKENS SECONDS   Redis, the same checks in Lua, 64 in flight
 *   gate_load look  FOLDER TOKENS COUNT     look up and spend, groups of 64, one thread: the token path
 *
 * All write to disk before they answer. They say "ready" when the tokens are made, then take turns: for each line
 * read, which is an order, SECONDS or COUNT are measured and a line is printed. The orders: "recent", nearly that in
 * which the newest two fifths of the tokens were made, as one-time tokens are used; "random", any of the others. The
 * beginning of a turn is not counted: caches fill, logs take their size. Printed: per second, and the 50th and 99th
 * percentile of the wait in microseconds. */
#include "base/clock.h"
#include "base/heap.h"
#include "gate/gate.h"
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define IN_FLIGHT 64
#define WAITS_MAX 4000000
#define WARM_UP_US 400000

static uint32_t *waits;
static size_t wait_count;
static struct sg_token_key *keys;
static size_t key_count;
static int64_t count_from_us; /* what ended before is not counted */

static void die(const char *what, const char *why)
{
	fprintf(stderr, "gate_load: %s: %s\n", what, why);
	exit(1);
}

static void note_wait(int64_t since_us)
{
	int64_t now_us = sg_mono_us();

	if (wait_count < WAITS_MAX && now_us >= count_from_us)
		waits[wait_count++] = (uint32_t)(now_us - since_us);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void report(const char *order, int64_t us, double cpu)
{
	qsort(waits, wait_count, sizeof(*waits), by_number);
	if (!wait_count)
		die("measuring", "nothing was admitted");
	printf("order=%s per_second=%.0f wait_us_p50=%u wait_us_p99=%u count=%zu cpu_us=%.2f\n", order,
	    (double)wait_count * 1e6 / (double)us, waits[wait_count / 2], waits[wait_count * 99 / 100],
	    wait_count, cpu / (double)wait_count);
	fflush(stdout);
	wait_count = 0;
}

/* ---- the order in which tokens are used ---- */

#define RECENT_WINDOW 10000

static void shuffle(struct sg_token_key *k, size_t n)
{
	for (size_t i = n; i-- > 1;) {
		uint64_t r;
		sg_random(&r, sizeof(r));
		struct sg_token_key swap = k[i];
		k[i] = k[r % (i + 1)], k[r % (i + 1)] = swap;
	}
}

/* Each token is drawn once. */
static void put_in_order(void)
{
	size_t recent = key_count - key_count / 5 * 2;

	shuffle(keys, recent);
	for (size_t i = recent; i < key_count; i += RECENT_WINDOW)
		shuffle(keys + i, key_count - i < RECENT_WINDOW ? key_count - i : RECENT_WINDOW);
}

static void number_keys(size_t count)
{
	keys = calloc(count, sizeof(*keys));
	for (key_count = 0; keys && key_count < count; key_count++)
		keys[key_count].id = key_count + 1;
	put_in_order();
}

static const char *const orders[] = { "recent", "random" };
static struct pool {
	size_t next, end; /* of keys */
} pools[2], *pool;

/* Waits to be told which order is next; -1: that was all. */
static int next_turn(double seconds, int64_t *until_us)
{
	char line[32];

	if (!pools[1].end) {
		size_t recent = key_count - key_count / 5 * 2;
		pools[0] = (struct pool){ recent, key_count };
		pools[1] = (struct pool){ 0, recent };
		printf("ready\n");
		fflush(stdout);
	}
	if (!fgets(line, sizeof(line), stdin))
		return -1;
	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < 2; i++)
		if (!strcmp(line, orders[i])) {
			pool = &pools[i];
			count_from_us = sg_mono_us() + WARM_UP_US;
			*until_us = count_from_us + (int64_t)(seconds * 1e6);
			return i;
		}
	die("no such order", line);
	return -1;
}

/* Any thread. */
static const struct sg_token_key *draw(void)
{
	size_t i = __atomic_fetch_add(&pool->next, 1, __ATOMIC_RELAXED);

	return i < pool->end ? &keys[i] : NULL;
}

static struct sg_store *fill(const char *folder, size_t count, uint32_t max_uses)
{
	struct sg_token model = { .type = SG_PLAY, .max_uses = max_uses, .expires_at = sg_wall_s() + 86400,
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
	const struct sg_gate_media media = { always, always, NULL, NULL };
	char text[512], error[256];
	struct sg_config *cfg;

	sg_store_close(fill(folder, count, 1));
	put_in_order();
	snprintf(text, sizeof(text), "[store]\nurl = sqlite:%s/bench.db\n[app live]\nplay_token = on\n", folder);
	if (sg_config_parse(&cfg, "bench", sg_str_from(text), error, sizeof(error)) != SG_OK ||
	    sg_gate_open(&gate, cfg, &media, error, sizeof(error)) != SG_OK)
		die("opening the gate", error);
	for (int order; (order = next_turn(seconds, &end_us)) >= 0;) {
		for (int i = 0; i < IN_FLIGHT; i++)
			begin(&attempts[i]);
		while (under_way)
			for (struct sg_task *t = take(&pump), *next; t; t = next) {
				next = t->next;
				t->run(t);
			}
		report(orders[order], sg_mono_us() - count_from_us, 0);
	}
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
	number_keys(count);
	int64_t until_us;
	for (int order; (order = next_turn(seconds, &until_us)) >= 0;) {
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
		report(orders[order], sg_mono_us() - count_from_us, 0);
	}
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

/* hiredis formats less than printf does. */
static void append(redisContext *c, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (redisAppendCommand(c, text) != REDIS_OK)
		die("redis", c->errstr);
}

/* A connection with a share of the admissions in flight: for each answer that comes, the next wish. Its
 * own waits, so that the threads do not meet. */
struct redis_peer {
	pthread_t thread;
	redisContext *c;
	const char *sha;
	int64_t until_us;
	uint32_t *waits;
	size_t wait_count;
};
#define REDIS_PEERS 4
#define PER_PEER (IN_FLIGHT / REDIS_PEERS)

static bool wish(struct redis_peer *p, int64_t *since_us)
{
	const struct sg_token_key *k = sg_mono_us() < p->until_us ? draw() : NULL;

	if (!k)
		return false;
	*since_us = sg_mono_us();
	append(p->c, "EVALSHA %s 1 t:%llu %032llu %lld", p->sha, (unsigned long long)k->id,
	    (unsigned long long)k->id, (long long)sg_wall_s());
	return true;
}

static void *run_peer(void *arg)
{
	struct redis_peer *p = arg;
	int64_t since_us[PER_PEER];
	unsigned head = 0, tail = 0; /* answers come in order */

	while (tail - head < PER_PEER && wish(p, &since_us[tail % PER_PEER]))
		tail++;
	while (head != tail) {
		redisReply *r = reply_of(p->c);
		if (strcmp(r->str, "admitted") != 0)
			die("redis refused", r->str);
		freeReplyObject(r);
		int64_t now_us = sg_mono_us();
		if (p->wait_count < WAITS_MAX / REDIS_PEERS && now_us >= count_from_us)
			p->waits[p->wait_count++] = (uint32_t)(now_us - since_us[head % PER_PEER]);
		head++;
		if (wish(p, &since_us[tail % PER_PEER]))
			tail++;
	}
	return NULL;
}

static void fill_redis(redisContext *c, size_t count)
{
	for (size_t i = 0; i < count; i += 10000) {
		for (size_t k = i; k < i + 10000; k++)
			append(c, "HSET t:%llu secret %032llu app live stream cam type play revoked 0 expires "
				  "4000000000 uses 0 max 1", (unsigned long long)k + 1, (unsigned long long)k + 1);
		for (size_t k = 0; k < 10000; k++)
			freeReplyObject(reply_of(c));
	}
}

static redisContext *connect_redis(int port)
{
	redisContext *c = redisConnect("127.0.0.1", port);

	if (!c || c->err)
		die("redis", c ? c->errstr : "no memory");
	return c;
}

static void run_redis(int port, size_t count, double seconds)
{
	static struct redis_peer peers[REDIS_PEERS];
	redisContext *c = connect_redis(port);
	char sha[64];

	fill_redis(c, count);
	redisAppendCommand(c, "SCRIPT LOAD %s", lua);
	redisReply *r = reply_of(c);
	snprintf(sha, sizeof(sha), "%s", r->str);
	freeReplyObject(r);
	/* From here on each answer waits for the disk. */
	redisAppendCommand(c, "CONFIG SET appendfsync always");
	freeReplyObject(reply_of(c));
	number_keys(count);
	for (int i = 0; i < REDIS_PEERS; i++)
		peers[i] = (struct redis_peer){ .c = connect_redis(port), .sha = sha,
			.waits = malloc(WAITS_MAX / REDIS_PEERS * sizeof(*waits)) };
	int64_t until_us;
	for (int order; (order = next_turn(seconds, &until_us)) >= 0;) {
		for (int i = 0; i < REDIS_PEERS; i++) {
			peers[i].until_us = until_us;
			peers[i].wait_count = 0;
			if (!peers[i].waits || pthread_create(&peers[i].thread, NULL, run_peer, &peers[i]) != 0)
				die("redis", "no thread");
		}
		for (int i = 0; i < REDIS_PEERS; i++) {
			pthread_join(peers[i].thread, NULL);
			memcpy(waits + wait_count, peers[i].waits, peers[i].wait_count * sizeof(*waits));
			wait_count += peers[i].wait_count;
		}
		report(orders[order], sg_mono_us() - count_from_us, 0);
	}
}

/* ---- the token path at different sizes ---- */

static void spend_some(struct sg_store *st)
{
	static const struct sg_audit audit = { .type = SG_PLAY, .app = "live", .stream = "cam",
		.protocol = "rtmp", .address = "192.0.2.1", .event = "admitted" };
	struct sg_spend spends[IN_FLIGHT], *wishes[IN_FLIGHT];
	int64_t since_us = sg_mono_us();
	struct sg_token t;

	for (int i = 0; i < IN_FLIGHT; i++) {
		uint64_t r;
		sg_random(&r, sizeof(r));
		spends[i] = (struct sg_spend){ .key = keys[r % key_count], .app = SG_STR("live"),
			.stream = SG_STR("cam"), .type = SG_PLAY, .now = sg_wall_s(), .audit = &audit };
		wishes[i] = &spends[i];
		if (sg_store_token_lookup(st, &spends[i].key, &t) != SG_OK)
			die("looking up", sg_store_error(st));
	}
	if (sg_store_spend(st, wishes, IN_FLIGHT, NULL, 0) != SG_OK)
		die("spending", sg_store_error(st));
	for (int i = 0; i < IN_FLIGHT; i++) {
		if (spends[i].result != SG_SPENT)
			die("spending", "refused");
		note_wait(since_us);
	}
}

/* Any of all tokens, whatever the order; few enough that no checkpoint falls into it: of those the gate has a thread. */
static void run_look(const char *folder, size_t count, size_t wanted)
{
	struct sg_store *st = fill(folder, count, SG_MAX_USES_MAX);

	int64_t unused_us;
	for (size_t i = 0; i < 50; i++)
		spend_some(st); /* the first ones warm the caches */
	for (int order; (order = next_turn(0, &unused_us)) >= 0;) {
		if (sg_store_checkpoint(st) != SG_OK)
			die("checkpoint", sg_store_error(st));
		spend_some(st);
		wait_count = 0;
		count_from_us = 0; /* warm it is */
		double cpu = cpu_us();
		int64_t start_us = sg_mono_us();
		while (wait_count < wanted)
			spend_some(st);
		report(orders[order], sg_mono_us() - start_us, cpu_us() - cpu);
	}
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
	sg_heap_set_up(); /* as streamd does */
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
		run_look(argv[2], count, strtoull(argv[4], NULL, 10));
	else
		return 2;
	return 0;
}
