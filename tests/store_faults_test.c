/* What can befall the store's file: locked, full, damaged. Each has its own result and one clear line, and no
 * token is lost or used twice. */
#include "store_faults.h"
#include "base/clock.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* ---- locked ---- */

struct locker {
	pid_t pid;
	int go; /* closing it ends the lock */
};

/* Another process that holds the file's write lock. */
static struct locker lock_file(const char *path)
{
	int ready[2], go[2];
	struct locker l;
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	l.pid = fork();
	if (l.pid == 0) {
		sqlite3 *db;

		close(go[1]);
		if (sqlite3_open(path, &db) != SQLITE_OK ||
		    sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		if (read(go[0], &c, 1) == 1)
			usleep(300000); /* asked to let go in a moment */
		_exit(0);
	}
	close(go[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	l.go = go[1];
	return l;
}

static void unlock_file(struct locker l)
{
	int status;

	close(l.go);
	assert_int_equal(waitpid(l.pid, &status, 0), l.pid);
	assert_int_equal(status, 0);
}

static void a_locked_store_is_named_after_a_bounded_wait(void **state)
{
	struct fixture *f = *state;
	struct sg_spend w = wish(make(f->st, model())), *one = &w;
	struct sg_token t;
	size_t n;
	bool c;

	assert_int_equal(sg_sqlite_of(f->st)->busy_ms, 5000);
	sg_sqlite_of(f->st)->busy_ms = 200;
	struct locker l = lock_file(f->file);
	int64_t start_ms = sg_mono_ms();
	assert_int_equal(sg_store_spend(f->st, &one, 1, NULL, 0), SG_ERR_STORE_BUSY);
	assert_in_range(sg_mono_ms() - start_ms, 190, 1500);
	assert_int_equal(w.result, SG_SPEND_FAILED);
	assert_is_one_clear_line(sg_store_error(f->st));
	assert_non_null(strstr(sg_store_error(f->st), "locked by another process"));
	assert_int_equal(sg_store_token_revoke(f->st, w.key.id, false, NOW, &n), SG_ERR_STORE_BUSY);
	struct sg_apikey k;
	char secret[SG_APIKEY_TEXT_SIZE] = "x";
	assert_int_equal(sg_store_apikey_create(f->st, SG_SCOPE_READ, SG_STR("k"), NOW, &k, secret),
	    SG_ERR_STORE_BUSY);
	assert_string_equal(secret, "");
	/* Reading goes on meanwhile, and so does the thread that checkpoints. */
	assert_ok(sg_store_token_lookup(f->st, &w.key, &t));
	assert_int_equal(t.uses, 0);
	assert_ok(sg_store_poll(f->st, &c));
	assert_ok(sg_store_checkpoint(f->st));
	reopen(f);
	unlock_file(l);
	assert_int_equal(spend(f->st, w.key), SG_SPENT);
}

static void a_lock_that_ends_in_time_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct sg_token_key key = make(f->st, model());
	struct locker l = lock_file(f->file);

	assert_int_equal(write(l.go, "g", 1), 1);
	assert_int_equal(spend(f->st, key), SG_SPENT);
	unlock_file(l);
}

static void opening_a_locked_file_gives_up_after_five_seconds(void **state)
{
	struct fixture *f = *state;
	char path[96], url[128];

	/* Not a store yet, so that its lock keeps readers out too. */
	snprintf(path, sizeof(path), "%s/empty.db", f->dir);
	snprintf(url, sizeof(url), "sqlite:%s", path);
	struct locker l = lock_file(path);
	int64_t start_ms = sg_mono_ms();
	assert_open_fails(url, true, SG_ERR_STORE_BUSY, "locked by another process");
	assert_in_range(sg_mono_ms() - start_ms, 4900, 6500);
	unlock_file(l);
}

/* ---- full ---- */

static off_t size_of_log(struct fixture *f)
{
	char path[96];
	struct stat sb;

	snprintf(path, sizeof(path), "%s-wal", f->file);
	assert_int_equal(stat(path, &sb), 0);
	return sb.st_size;
}

/* Spends one group of `count`, each with an audit row, and checks that it was all or nothing. */
static enum sg_result spend_group(struct sg_store *st, struct sg_token_key *keys, size_t count)
{
	static const struct sg_audit note = {
	    .event = "admitted", .detail = "a text of some length"};
	struct sg_spend w[64], *group[64] = {NULL};

	for (size_t i = 0; i < count; i++) {
		w[i] = wish(keys[i]);
		w[i].audit = &note;
		group[i] = &w[i];
	}
	enum sg_result res = sg_store_spend(st, group, count, NULL, 0);
	for (size_t i = 0; i < count; i++)
		if (w[i].result != (res == SG_OK ? SG_SPENT : SG_SPEND_FAILED))
			return SG_ERR_UNSUPPORTED;
	return res;
}

static void a_full_store_refuses_and_goes_on_when_there_is_room(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key keys[1280], more[100];
	size_t done = 0;
	enum sg_result res;

	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 1280));
	ask(f->st, "PRAGMA max_page_count = 90");
	while ((res = spend_group(f->st, keys + done, 64)) == SG_OK)
		done += 64;
	assert_int_equal(res, SG_ERR_STORE_FULL);
	assert_in_range(done, 64, 1216);
	assert_is_one_clear_line(sg_store_error(f->st));
	assert_non_null(strstr(sg_store_error(f->st), "full"));
	assert_int_equal(sg_store_token_create(f->st, &m, NOW, more, 100), SG_ERR_STORE_FULL);
	/* Nothing of the failed group was spent, nothing of the others is lost. */
	assert_int_equal(ask(f->st, "SELECT sum(uses) FROM token"), done);
	assert_int_equal(ask(f->st, "SELECT count(*) FROM audit"), done);
	assert_int_equal(ask(f->st, "SELECT count(*) FROM token"), 1280);
	ask(f->st, "PRAGMA max_page_count = 1000000");
	for (; done < 1280; done += 64)
		assert_ok(spend_group(f->st, keys + done, 64));
	assert_int_equal(ask(f->st, "SELECT sum(uses) FROM token"), 1280);
	assert_integrity(f->st);
}

/* The kernel's refusal, not SQLite's: a limit on the size of files, in a process of its own. */
static int full_disk_body(struct fixture *f)
{
	struct sg_store *st;
	char error[512];
	struct sg_token m = model();
	static struct sg_token_key keys[6400];
	size_t done = 0;
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	enum sg_result res = SG_OK;

	EXPECT(sg_store_open(&st, f->url, false, error, sizeof(error)) == SG_OK);
	EXPECT(sg_store_token_create(st, &m, NOW, keys, 6400) == SG_OK);
	signal(SIGXFSZ, SIG_IGN);
	limit.rlim_cur = (rlim_t)size_of_log(f) + (256 << 10);
	EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	while (done < 6400 && (res = spend_group(st, keys + done, 64)) == SG_OK)
		done += 64;
	EXPECT(res == SG_ERR_STORE_FULL && done >= 64);
	EXPECT(strstr(sg_store_error(st), "full") != NULL);
	EXPECT(spend_group(st, keys + done, 64) == SG_ERR_STORE_FULL);
	EXPECT(ask(st, "SELECT sum(uses) FROM token") == (int64_t)done);
	limit.rlim_cur = RLIM_INFINITY;
	EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	EXPECT(spend_group(st, keys + done, 64) == SG_OK);
	EXPECT(ask(st, "SELECT sum(uses) FROM token") == (int64_t)done + 64);
	EXPECT(ask(st, "SELECT max(uses) FROM token") == 1);
	sg_store_close(st);
	return 0;
}

static void a_full_disk_is_named_and_spends_nothing(void **state)
{
	struct fixture *f = *state;

	in_child(full_disk_body, f);
	assert_integrity(f->st);
	assert_int_equal(ask(f->st, "SELECT max(uses) FROM token"), 1);
}

static int no_room_body(struct fixture *f)
{
	char url[128], error[512];
	struct rlimit limit = {4096, RLIM_INFINITY};

	snprintf(url, sizeof(url), "sqlite:%s/new.db", f->dir);
	signal(SIGXFSZ, SIG_IGN);
	EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	EXPECT(try_open(url, true, error) == SG_ERR_STORE_FULL);
	limit.rlim_cur = RLIM_INFINITY;
	EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	EXPECT(try_open(url, true, error) == SG_OK); /* what was begun is finished */
	return 0;
}

static void a_store_for_which_there_is_no_room_can_be_made_later(void **state)
{
	in_child(no_room_body, *state);
}

/* ---- damaged ---- */

static bool is_expected_of_damage(enum sg_result res)
{
	return res == SG_OK || res == SG_ERR_STORE_CORRUPT || res == SG_ERR_NOT_FOUND ||
	       res == SG_ERR_STORE;
}

static void a_damaged_table_is_named_and_spends_nothing(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model(), t;
	struct sg_token_key keys[2000];
	struct sg_spend w, *one = &w;

	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 2000));
	sg_store_close(f->st);
	struct bytes b = read_all(f->file);
	memset(
	    b.p + 12 * 2048, 0xa5, b.len - 12 * 2048); /* all but the schema and the roots */
	write_all(f->file, b.p, b.len);
	free(b.p);
	f->st = open_url(f->url);
	w = wish(keys[1000]);
	assert_int_equal(sg_store_spend(f->st, &one, 1, NULL, 0), SG_ERR_STORE_CORRUPT);
	assert_int_equal(w.result, SG_SPEND_FAILED);
	assert_is_one_clear_line(sg_store_error(f->st));
	assert_non_null(strstr(sg_store_error(f->st), "damaged"));
	assert_int_equal(sg_store_token_lookup(f->st, &keys[1000], &t), SG_ERR_STORE_CORRUPT);
}

static void a_cut_file_is_named(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key keys[2000];

	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 2000));
	sg_store_close(f->st);
	f->st = NULL;
	assert_int_equal(truncate(f->file, 3 * 4096 + 100), 0);
	assert_open_fails(f->url, true, SG_ERR_STORE_CORRUPT, "damaged");
	assert_int_equal(truncate(f->file, 50), 0);
	assert_open_fails(f->url, true, SG_ERR_STORE_CORRUPT, "not a streamgate store");
}

static uint32_t next_random(uint32_t *seed)
{
	return *seed = *seed * 1664525 + 1013904223;
}

/* Uses everything once; whatever comes of it, no token is spent twice in one life of the file. */
static void use_damaged(const char *url, struct sg_token_key *keys, size_t count)
{
	struct sg_store *st;
	char error[512];
	struct sg_token out[50];
	struct sg_audit rows[8];
	size_t n;
	bool more;
	uint64_t next;
	enum sg_result res = sg_store_open(&st, url, true, error, sizeof(error));

	if (res != SG_OK) {
		assert_true(is_expected_of_damage(res) || res == SG_ERR_STORE_FUTURE);
		assert_is_one_clear_line(error);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct sg_spend w[2] = {wish(keys[i]), wish(keys[i])}, *group[2] = {&w[0], &w[1]};

		assert_true(is_expected_of_damage(sg_store_spend(st, group, 2, NULL, 0)));
		assert_false(w[0].result == SG_SPENT && w[1].result == SG_SPENT);
	}
	assert_true(is_expected_of_damage(sg_store_token_list(
	    st, &(struct sg_token_filter){.state = -1}, 0, NOW, out, 50, &n, &more, &next)));
	assert_true(is_expected_of_damage(
	    sg_store_audit_list(st, &(struct sg_audit_filter){0}, 0, 0, rows, 8, &n)));
	assert_true(
	    is_expected_of_damage(sg_store_token_revoke_stream(st, LIVE, CAM, 0, false, NOW, &n)));
	assert_true(is_expected_of_damage(sg_store_token_purge(st, NOW + 99, NOW + 100, 10, &n)));
	sg_store_close(st);
}

static void any_damage_gives_a_result_and_never_a_crash(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key keys[400];
	uint32_t seed = 7;
	char wal[96];

	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 400));
	sg_store_close(f->st);
	f->st = NULL;
	snprintf(wal, sizeof(wal), "%s-wal", f->file);
	struct bytes good = read_all(f->file), bad = read_all(f->file);
	for (int round = 0; round < 150; round++) {
		memcpy(bad.p, good.p, good.len);
		for (int i = 0; i <= round % 20; i++)
			bad.p[next_random(&seed) / 8 % good.len] ^= (uint8_t)(1u << (seed >> 29));
		unlink(wal);
		write_all(f->file, bad.p, good.len);
		use_damaged(f->url, keys, 20);
	}
	free(good.p);
	free(bad.p);
}

/* ---- out of memory ---- */

static sqlite3_mem_methods real_memory;
static __thread int allocations_left = -1; /* -1: no limit */

static bool memory_is_out(void)
{
	if (allocations_left > 0)
		allocations_left--;
	return allocations_left == 0;
}

static void *scarce_malloc(int n)
{
	return memory_is_out() ? NULL : real_memory.xMalloc(n);
}

static void *scarce_realloc(void *p, int n)
{
	return memory_is_out() ? NULL : real_memory.xRealloc(p, n);
}

static void make_memory_scarce_on_request(void)
{
	sqlite3_mem_methods scarce;

	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
	scarce = real_memory;
	scarce.xMalloc = scarce_malloc;
	scarce.xRealloc = scarce_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &scarce);
}

static void opening_survives_each_allocation_failing(void **state)
{
	struct fixture *f = *state;
	char error[512];
	enum sg_result res = SG_ERR_NO_MEMORY;
	int n;

	for (n = 1; n < 5000 && res != SG_OK; n++) {
		allocations_left = n;
		res = try_open(f->url, true, error);
		allocations_left = -1;
		assert_true(res == SG_OK || res == SG_ERR_NO_MEMORY);
		if (res != SG_OK)
			assert_is_one_clear_line(error);
	}
	assert_in_range(n, 20, 4999);
	assert_integrity(f->st);
}

static void spending_survives_each_allocation_failing(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	static struct sg_token_key keys[640];
	enum sg_result res;

	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 640));
	for (int n = 1; n <= 600; n++) {
		if (n % 20 == 1)
			reopen(f); /* nothing prepared yet */
		allocations_left = n;
		res = spend_group(f->st, &keys[n], 1);
		allocations_left = -1;
		assert_true(res == SG_OK || res == SG_ERR_NO_MEMORY || res == SG_ERR_IO);
		/* A failed one may be tried again, and then it is spent, once. */
		enum sg_spend_result again = spend(f->st, keys[n]);
		assert_int_equal(again, res == SG_OK ? SG_SPEND_USED : SG_SPENT);
	}
	assert_int_equal(ask(f->st, "SELECT sum(uses) FROM token"), 600);
	assert_integrity(f->st);
}

/* ---- the log's size ---- */

/* Makes the log longer than so many bytes; it does not start anew by itself. */
static void fill_log(struct fixture *f, int64_t bytes)
{
	static struct sg_audit rows[1000];

	for (int i = 0; i < 1000; i++)
		memset(rows[i].detail, 'd', sizeof(rows[i].detail) - 1);
	while (size_of_log(f) < bytes)
		assert_ok(sg_store_audit_add(f->st, rows, 1000));
}

static void a_checkpoint_keeps_the_log_short(void **state)
{
	struct fixture *f = *state;
	struct sg_store *keeper = open_url(f->url), *reader = open_url(f->url);

	make(f->st, model());
	fill_log(f, 66 << 20);
	int64_t size = size_of_log(f);
	assert_ok(sg_store_checkpoint(keeper));
	make(f->st, model()); /* starts anew, and what is there is written over */
	assert_int_equal(size_of_log(f), size);
	run_sql(reader, "BEGIN");
	ask(reader, "SELECT count(*) FROM token"); /* keeps it from starting anew by itself */
	fill_log(f, 130 << 20);
	sg_store_close(reader);
	assert_ok(sg_store_checkpoint(keeper));
	make(f->st, model()); /* starts anew, and is cut */
	assert_int_equal(size_of_log(f), 128 << 20);
	assert_ok(sg_store_checkpoint(keeper));
	assert_ok(sg_store_checkpoint(keeper)); /* nothing to do */
	sg_store_close(keeper);
	assert_integrity(f->st);
}

static void a_reader_delays_a_checkpoint_and_is_not_waited_for_long(void **state)
{
	struct fixture *f = *state;
	struct sg_store *keeper = open_url(f->url), *reader = open_url(f->url);

	make(f->st, model());
	run_sql(reader, "BEGIN");
	ask(reader, "SELECT count(*) FROM token");
	fill_log(f, 66 << 20);
	int64_t start_ms = sg_mono_ms();
	assert_ok(sg_store_checkpoint(keeper));
	assert_in_range(sg_mono_ms() - start_ms, 0, 2000);
	assert_int_equal(sg_sqlite_of(keeper)->busy_ms, 5000);
	assert_int_equal(spend(f->st, make(f->st, model())), SG_SPENT);
	run_sql(reader, "COMMIT");
	int64_t size = size_of_log(f);
	assert_ok(sg_store_checkpoint(keeper));
	make(f->st, model());
	assert_int_equal(size_of_log(f), size);
	sg_store_close(reader);
	sg_store_close(keeper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLAIM("a locked store is named after a bounded wait",
		a_locked_store_is_named_after_a_bounded_wait),
	    CLAIM("a lock that ends in time is waited for", a_lock_that_ends_in_time_is_waited_for),
	    CLAIM("opening a locked file gives up after five seconds",
		opening_a_locked_file_gives_up_after_five_seconds),
	    CLAIM("a full store refuses, and goes on when there is room",
		a_full_store_refuses_and_goes_on_when_there_is_room),
	    CLAIM("a full disk is named and spends nothing",
		a_full_disk_is_named_and_spends_nothing),
	    CLAIM("a store for which there is no room can be made later",
		a_store_for_which_there_is_no_room_can_be_made_later),
	    CLAIM("a damaged table is named and spends nothing",
		a_damaged_table_is_named_and_spends_nothing),
	    CLAIM("a cut file is named", a_cut_file_is_named),
	    CLAIM("any damage gives a result and never a crash",
		any_damage_gives_a_result_and_never_a_crash),
	    CLAIM("opening survives each allocation failing",
		opening_survives_each_allocation_failing),
	    CLAIM("spending survives each allocation failing",
		spending_survives_each_allocation_failing),
	    CLAIM("a checkpoint keeps the log short", a_checkpoint_keeps_the_log_short),
	    CLAIM("a reader delays a checkpoint and is not waited for long",
		a_reader_delays_a_checkpoint_and_is_not_waited_for_long),
	};

	make_memory_scarce_on_request();
	return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}
