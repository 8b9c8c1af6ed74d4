/* store_fixture.h - what the store's tests share: a directory with a store in it, tokens made
 * and spent in one line. */
#ifndef SG_TESTS_STORE_FIXTURE_H
#define SG_TESTS_STORE_FIXTURE_H

#include "store/sqlite_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define NOW INT64_C(1800000000)
#define LIVE SG_STR("live")
#define CAM SG_STR("cam")

struct fixture {
	char dir[64];
	char file[80], url[88];
	char error[512];
	struct sg_store *st;
};

#define CLAIM(text, test)                                                                          \
	{                                                                                          \
		text, test, fixture_open, fixture_close, NULL                                      \
	}

static inline struct sg_store *open_url(const char *url)
{
	struct sg_store *st;
	char error[512] = "";
	enum sg_result res = sg_store_open(&st, url, true, error, sizeof(error));

	if (res != SG_OK)
		fail_msg("%s", error);
	return st;
}

static inline int fixture_open(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "%.40s/sg-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/t.db", f->dir);
	snprintf(f->url, sizeof(f->url), "sqlite:%s", f->file);
	f->st = open_url(f->url);
	*state = f;
	return 0;
}

static inline int fixture_close(void **state)
{
	struct fixture *f = *state;
	char command[128];

	sg_store_close(f->st);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static inline void reopen(struct fixture *f)
{
	sg_store_close(f->st);
	f->st = open_url(f->url);
}

#define assert_ok(call) assert_int_equal((call), SG_OK)

/* live/cam, play, one use, an hour to go. */
static inline struct sg_token model(void)
{
	return (struct sg_token){
	    .app = "live",
	    .stream = "cam",
	    .type = SG_PLAY,
	    .max_uses = 1,
	    .expires_at = NOW + 3600,
	    .created_by = "test",
	};
}

static inline struct sg_token_key make(struct sg_store *st, struct sg_token m)
{
	struct sg_token_key key;

	assert_ok(sg_store_token_create(st, &m, NOW, &key, 1));
	return key;
}

static inline struct sg_spend wish(struct sg_token_key key)
{
	return (struct sg_spend){
	    .key = key, .app = LIVE, .stream = CAM, .type = SG_PLAY, .now = NOW + 10};
}

static inline enum sg_spend_result spend_wish(struct sg_store *st, struct sg_spend w)
{
	struct sg_spend *one = &w;

	assert_ok(sg_store_spend(st, &one, 1, NULL, 0));
	return w.result;
}

static inline enum sg_spend_result spend(struct sg_store *st, struct sg_token_key key)
{
	return spend_wish(st, wish(key));
}

static inline struct sg_token row_of(struct sg_store *st, uint64_t id)
{
	struct sg_token t;

	assert_ok(sg_store_token_get(st, id, &t));
	return t;
}

/* A number that the database itself tells. */
static inline int64_t ask(struct sg_store *st, const char *sql)
{
	sqlite3_stmt *q = NULL;

	assert_int_equal(sqlite3_prepare_v2(sg_sqlite_of(st)->db, sql, -1, &q, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return n;
}

static inline void assert_integrity(struct sg_store *st)
{
	sqlite3_stmt *q = NULL;

	assert_int_equal(
	    sqlite3_prepare_v2(sg_sqlite_of(st)->db, "PRAGMA integrity_check", -1, &q, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(q, 0), "ok");
	sqlite3_finalize(q);
}

#endif
