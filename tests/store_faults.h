/* store_faults.h - what the tests of a store in trouble share. Above store_fixture.h. */
#ifndef STORE_FAULTS_H
#define STORE_FAULTS_H

#include "store_fixture.h"
#include <sys/wait.h>

static inline enum sg_result try_open(const char *url, bool create, char error[512])
{
	struct sg_store *st = (struct sg_store *)(void *)error; /* must be cleared */
	enum sg_result res;

	strcpy(error, "");
	res = sg_store_open(&st, url, create, error, 512);
	if (res == SG_OK)
		sg_store_close(st);
	else if (st)
		return SG_OK; /* nothing may stay open */
	return res;
}

/* One line, which says what to do after a colon. */
static inline void assert_is_one_clear_line(const char *error)
{
	assert_true(strlen(error) > 20);
	assert_null(strchr(error, '\n'));
	assert_non_null(strstr(error, ": "));
}

static inline void assert_open_fails(const char *url, bool create, enum sg_result want, const char *words)
{
	char error[512];

	assert_int_equal(try_open(url, create, error), want);
	assert_is_one_clear_line(error);
	if (!strstr(error, words))
		fail_msg("\"%s\" does not say \"%s\"", error, words);
}

struct bytes {
	size_t len;
	uint8_t *p;
};

static inline struct bytes read_all(const char *path)
{
	FILE *in = fopen(path, "rb");
	struct bytes b = {0, calloc(1, 1 << 24)};

	assert_non_null(b.p);
	if (in) {
		b.len = fread(b.p, 1, 1 << 24, in);
		fclose(in);
	}
	return b;
}

static inline void write_all(const char *path, const void *p, size_t len)
{
	FILE *out = fopen(path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(p, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static inline void assert_untouched(const char *path, struct bytes before)
{
	struct bytes after = read_all(path);

	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.p, before.p, before.len);
	free(after.p);
	free(before.p);
}

static inline void run_sql(struct sg_store *st, const char *sql)
{
	assert_int_equal(sqlite3_exec(sg_sqlite_of(st)->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

/* Runs `body` in a process of its own and passes its verdict on. */
static inline void in_child(int (*body)(struct fixture *f), struct fixture *f)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child cmocka's asserts would run on in the parent's test: count instead. */
#define EXPECT(claim)                                                                              \
	do {                                                                                       \
		if (!(claim)) {                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);        \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

#endif
