/* Which files are opened as a store: made when asked to, left alone when somebody else's or from the future,
 * brought up to date when older. Each refusal has its own result and one clear line. */
#include "store_faults.h"
#include <pthread.h>
#include <sys/stat.h>

/* ---- opening ---- */

static void a_url_of_another_kind_is_refused(void **state)
{
	(void)state;
	assert_open_fails("postgresql://localhost/x", true, SG_ERR_CONFIG, "sqlite:");
	assert_open_fails("", true, SG_ERR_CONFIG, "sqlite:");
	assert_open_fails("/var/lib/x.db", true, SG_ERR_CONFIG, "sqlite:");
	assert_open_fails("sqlite:", true, SG_ERR_CONFIG, "names no file");
}

static void a_missing_store_is_made_only_when_asked_to(void **state)
{
	struct fixture *f = *state;
	char url[200], error[512];
	struct stat sb;

	snprintf(url, sizeof(url), "sqlite:%s/new/t.db", f->dir);
	assert_open_fails(url, false, SG_ERR_NOT_FOUND, "no store at");
	assert_int_equal(try_open(url, true, error), SG_OK);
	assert_int_equal(try_open(url, false, error), SG_OK);
	assert_int_equal(stat(url + 7, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	*strrchr(url, '/') = '\0';
	assert_int_equal(stat(url + 7, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0700);
	snprintf(url, sizeof(url), "sqlite:%s/no/such/t.db", f->dir);
	assert_open_fails(url, true, SG_ERR_IO, "cannot create the directory");
	snprintf(url, sizeof(url), "sqlite:%s/t.db/x.db", f->dir);
	assert_open_fails(url, true, SG_ERR_IO, "Not a directory");
	snprintf(url, sizeof(url), "sqlite:%s", f->dir);
	assert_open_fails(url, true, SG_ERR_IO, "not a file");
}

/* They would take one lock for all threads at each allocation. */
static void sqlite_keeps_no_statistics_of_its_memory(void **state)
{
	struct fixture *f = *state;

	make(f->st, model());
	assert_int_equal(sqlite3_memory_used(), 0);
}

static void the_log_beside_the_file_is_private_too(void **state)
{
	struct fixture *f = *state;
	char path[96];
	struct stat sb;

	make(f->st, model());
	snprintf(path, sizeof(path), "%s-wal", f->file);
	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s-shm", f->file);
	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	assert_int_equal(ask(f->st, "PRAGMA synchronous"), 2); /* FULL */
}

static int relative_names_body(struct fixture *f)
{
	char error[512];
	struct stat sb;

	EXPECT(chdir(f->dir) == 0);
	EXPECT(try_open("sqlite:plain.db", true, error) == SG_OK);
	EXPECT(stat("plain.db", &sb) == 0);
	/* To SQLite alone these two would mean no file at all. */
	EXPECT(try_open("sqlite::memory:", true, error) == SG_OK);
	EXPECT(stat(":memory:", &sb) == 0);
	EXPECT(try_open("sqlite:file:x.db?mode=memory", true, error) == SG_OK);
	EXPECT(stat("file:x.db?mode=memory", &sb) == 0);
	return 0;
}

static void a_relative_name_is_a_file_here(void **state)
{
	in_child(relative_names_body, *state);
}

/* Root may write everywhere, so the test becomes somebody else. */
static int unwritable_body(struct fixture *f)
{
	char url[128], error[512];
	struct sg_store *st;

	snprintf(url, sizeof(url), "sqlite:%s/new.db", f->dir);
	EXPECT(chmod(f->dir, 0500) == 0);
	if (geteuid() == 0) {
		EXPECT(chown(f->dir, 65534, 65534) == 0);
		EXPECT(chown(f->file, 65534, 65534) == 0);
		EXPECT(setgid(65534) == 0 && setuid(65534) == 0);
	}
	EXPECT(try_open(url, true, error) == SG_ERR_IO);
	EXPECT(strstr(error, "Permission denied") != NULL);
	/* The file may be written, but no log can be made beside it. */
	EXPECT(try_open(f->url, false, error) == SG_ERR_IO);
	EXPECT(strstr(error, "permissions") != NULL);
	EXPECT(chmod(f->dir, 0700) == 0 && chmod(f->file, 0400) == 0);
	EXPECT(try_open(f->url, false, error) == SG_ERR_IO);
	EXPECT(strstr(error, "cannot write") != NULL);
	EXPECT(chmod(f->file, 0000) == 0);
	EXPECT(try_open(f->url, false, error) == SG_ERR_IO);
	EXPECT(chmod(f->file, 0600) == 0);
	EXPECT(sg_store_open(&st, f->url, false, error, sizeof(error)) == SG_OK);
	sg_store_close(st);
	return 0;
}

static void what_may_not_be_written_is_said_at_once(void **state)
{
	struct fixture *f = *state;

	sg_store_close(f->st);
	f->st = NULL;
	in_child(unwritable_body, f);
}

static void *open_and_make(void *url)
{
	struct sg_store *st;
	char error[512];
	struct sg_token m = model();
	struct sg_token_key key;
	bool ok = sg_store_open(&st, url, true, error, sizeof(error)) == SG_OK;

	if (!ok)
		fprintf(stderr, "%s\n", error);
	ok = ok && sg_store_token_create(st, &m, NOW, &key, 1) == SG_OK;
	sg_store_close(ok ? st : NULL);
	return ok ? url : NULL;
}

static void many_may_make_the_same_store_at_once(void **state)
{
	struct fixture *f = *state;
	char url[128];
	pid_t children[6];
	pthread_t threads[4];
	int status;
	void *answer;

	snprintf(url, sizeof(url), "sqlite:%s/d/new.db", f->dir);
	for (int i = 0; i < 6; i++)
		if ((children[i] = fork()) == 0)
			_exit(open_and_make(url) ? 0 : 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_make, url), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &answer), 0);
		assert_non_null(answer);
	}
	for (int i = 0; i < 6; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	struct sg_store *st = open_url(url);
	assert_int_equal(ask(st, "SELECT count(*) FROM token"), 10);
	assert_integrity(st);
	sg_store_close(st);
}

/* ---- whose file, and of which version ---- */

static void another_programs_file_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	char path[96], url[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/other.db", f->dir);
	snprintf(url, sizeof(url), "sqlite:%s", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "CREATE TABLE cats (name); PRAGMA user_version = 1", NULL, NULL, NULL);
	sqlite3_close(db);
	struct bytes before = read_all(path);
	assert_open_fails(url, true, SG_ERR_STORE_CORRUPT, "another program");
	assert_untouched(path, before);
}

static void what_is_no_database_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	char path[96], url[128], error[512];
	static char text[8192];

	snprintf(path, sizeof(path), "%s/notes.txt", f->dir);
	snprintf(url, sizeof(url), "sqlite:%s", path);
	memset(text, 'n', sizeof(text));
	write_all(path, text, sizeof(text));
	struct bytes before = read_all(path);
	assert_open_fails(url, true, SG_ERR_STORE_CORRUPT, "not a streamgate store");
	assert_untouched(path, before);
	/* An empty file is what a crash between two steps of making a store leaves. */
	write_all(path, "", 0);
	assert_open_fails(url, false, SG_ERR_NOT_FOUND, "is empty");
	assert_int_equal(try_open(url, true, error), SG_OK);
}

static void a_newer_stores_file_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	char wal[96];

	make(f->st, model());
	run_sql(f->st, "PRAGMA user_version = 999");
	/* Also when its last writer died, with changes still in the log. */
	struct bytes db = read_all(f->file);
	snprintf(wal, sizeof(wal), "%s-wal", f->file);
	struct bytes log = read_all(wal);
	sg_store_close(f->st);
	f->st = NULL;
	for (int with_log = 0; with_log < 2; with_log++) {
		if (with_log) {
			write_all(f->file, db.p, db.len);
			write_all(wal, log.p, log.len);
		}
		struct bytes before = read_all(f->file), log_before = read_all(wal);
		assert_open_fails(f->url, true, SG_ERR_STORE_FUTURE, "newer streamgate");
		assert_open_fails(f->url, false, SG_ERR_STORE_FUTURE, "newer streamgate");
		assert_untouched(f->file, before);
		assert_untouched(wal, log_before);
	}
	free(db.p);
	free(log.p);
}

static void the_cache_is_as_large_as_asked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f->st, "PRAGMA cache_size"), -65536);
	sg_store_set_cache(f->st, 256);
	assert_int_equal(ask(f->st, "PRAGMA cache_size"), -262144);
}

static void an_older_file_is_brought_up_to_date_step_by_step(void **state)
{
	struct fixture *f = *state;
	struct sg_sqlite *s = sg_sqlite_of(f->st);
	const char *steps[] = {sg_sqlite_schema[0], sg_sqlite_schema[1], sg_sqlite_schema[2],
	    "ALTER TABLE token ADD COLUMN note TEXT", "UPDATE token SET note = 'old'"};
	struct sg_token_key key = make(f->st, model());

	assert_int_equal(sg_sqlite_schema_version, 3);
	assert_int_equal(ask(f->st, "PRAGMA application_id"), SG_SQLITE_APPLICATION_ID);
	assert_int_equal(sg_sqlite_migrate(s, steps, 5, false), SG_ERR_STORE);
	assert_non_null(strstr(sg_store_error(f->st), "older streamgate"));
	assert_ok(sg_sqlite_migrate(s, steps, 5, true));
	assert_int_equal(ask(f->st, "PRAGMA user_version"), 5);
	assert_int_equal(ask(f->st, "SELECT count(*) FROM token WHERE note = 'old'"), 1);
	assert_ok(sg_sqlite_migrate(s, steps, 5, true)); /* nothing is done twice */
	assert_int_equal(spend(f->st, key), SG_SPENT);
}

/* Takes the file back to the first format, as a released program would have left it. */
static void make_first_format(struct fixture *f)
{
	run_sql(f->st, "DROP TABLE administrator");
	run_sql(f->st, "ALTER TABLE recording DROP COLUMN state");
	run_sql(f->st, "ALTER TABLE recording DROP COLUMN size");
	run_sql(f->st, "ALTER TABLE recording DROP COLUMN duration_ms");
	run_sql(f->st, "PRAGMA user_version = 1");
}

static void the_first_format_gets_a_place_for_the_password(void **state)
{
	struct fixture *f = *state;
	struct sg_token_key key = make(f->st, model());
	char hash[SG_PASSWORD_HASH_SIZE];

	run_sql(f->st, "INSERT INTO recording (app, name, stream, created_at) "
		       "VALUES ('live', 'old.mp4', 'cam', 5)");
	make_first_format(f);
	assert_int_equal(sg_store_password_get(f->st, hash), SG_ERR_STORE);
	assert_open_fails(f->url, false, SG_ERR_STORE, "older streamgate");
	reopen(f);
	assert_int_equal(ask(f->st, "PRAGMA user_version"), 3);
	assert_int_equal(ask(f->st, "SELECT created_at + state + size + duration_ms FROM recording "
				    "WHERE name = 'old.mp4'"),
	    5);
	assert_int_equal(sg_store_password_get(f->st, hash), SG_ERR_NOT_FOUND);
	assert_ok(sg_store_password_set(f->st, "$y$x", true, NOW));
	assert_int_equal(spend(f->st, key), SG_SPENT);
}

static void a_step_that_fails_leaves_the_file_as_it_was(void **state)
{
	struct fixture *f = *state;
	const char *steps[] = {sg_sqlite_schema[0], sg_sqlite_schema[1], sg_sqlite_schema[2],
	    "CREATE TABLE extra (x)", "no such statement"};

	assert_int_equal(sg_sqlite_migrate(sg_sqlite_of(f->st), steps, 5, true), SG_ERR_STORE);
	assert_is_one_clear_line(sg_store_error(f->st));
	assert_int_equal(ask(f->st, "PRAGMA user_version"), 3);
	assert_int_equal(ask(f->st, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"), 0);
	assert_int_equal(spend(f->st, make(f->st, model())), SG_SPENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLAIM("a URL of another kind is refused", a_url_of_another_kind_is_refused),
	    CLAIM("a missing store is made only when asked to",
		a_missing_store_is_made_only_when_asked_to),
	    CLAIM("SQLite keeps no statistics of its memory",
		sqlite_keeps_no_statistics_of_its_memory),
	    CLAIM("the log beside the file is private too", the_log_beside_the_file_is_private_too),
	    CLAIM("a relative name is a file here", a_relative_name_is_a_file_here),
	    CLAIM("what may not be written is said at once",
		what_may_not_be_written_is_said_at_once),
	    CLAIM("many may make the same store at once", many_may_make_the_same_store_at_once),
	    CLAIM("another program's file is refused and left alone",
		another_programs_file_is_refused_and_left_alone),
	    CLAIM("what is no database is refused and left alone",
		what_is_no_database_is_refused_and_left_alone),
	    CLAIM("a newer store's file is refused and left alone",
		a_newer_stores_file_is_refused_and_left_alone),
	    CLAIM("the cache is as large as asked", the_cache_is_as_large_as_asked),
	    CLAIM("an older file is brought up to date step by step",
		an_older_file_is_brought_up_to_date_step_by_step),
	    CLAIM("the first format gets a place for the password",
		the_first_format_gets_a_place_for_the_password),
	    CLAIM("a step that fails leaves the file as it was",
		a_step_that_fails_leaves_the_file_as_it_was),
	};

	return cmocka_run_group_tests_name("store open", tests, NULL, NULL);
}
