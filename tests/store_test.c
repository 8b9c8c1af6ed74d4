/* The store's tokens: their text, making, showing, spending, revoking and purging. */
#include "store_fixture.h"

/* ---- values ---- */

static const struct {
	const char *text;
	uint64_t id;
	uint8_t first, step; /* the secret's bytes */
} vectors[] = {
    /* RFC 4648 section 5, computed with Python's base64.urlsafe_b64encode. */
    {"AQIDBAUGBwgAAQIDBAUGBwgJCgsMDQ4P", 0x0102030405060708, 0, 1},
    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 0, 0, 0},
    {"f_______________________________", INT64_MAX, 0xff, 0},
    {"AZX77_8--_D7-_v7-_v7-_v7-_v7-_v7", 0x0195fbefff3efbf0, 0xfb, 0},
};

static void token_text_is_base64url_of_selector_and_secret(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct sg_token_key key, want = {.id = vectors[i].id};
		char text[SG_TOKEN_TEXT_SIZE];

		for (int b = 0; b < SG_TOKEN_SECRET_BYTES; b++)
			want.secret[b] = (uint8_t)(vectors[i].first + b * vectors[i].step);
		assert_true(sg_token_parse(sg_str_from(vectors[i].text), &key));
		assert_memory_equal(&key, &want, sizeof(key));
		sg_token_format(text, &want);
		assert_string_equal(text, vectors[i].text);
	}
}

static void other_texts_are_not_tokens(void **state)
{
	static const char *const bad[] = {
	    "",
	    "A",
	    "AQIDBAUGBwgAAQIDBAUGBwgJCgsMDQ4",
	    "AQIDBAUGBwgAAQIDBAUGBwgJCgsMDQ4PA",
	    "AQIDBAUGBwgAAQIDBAUGBwgJCgsMDQ4=",
	    "AQIDBAUGBwgAAQIDBAUGBwgJCgsMDQ+/",
	    " QIDBAUGBwgAAQIDBAUGBwgJCgsMDQ4P",
	    /* The top bit of a selector is never set, so that no token begins with '-'. */
	    "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	    "-QIDBAUGBwgAAQIDBAUGBwgJCgsMDQ4P",
	};
	struct sg_token_key key;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sg_token_parse(sg_str_from(bad[i]), &key));
	assert_false(sg_token_parse((struct sg_str){NULL, 0}, &key));
}

static void names_are_read_back(void **state)
{
	enum sg_token_type type;
	enum sg_scope scope;

	(void)state;
	for (enum sg_token_type t = SG_PUBLISH; t <= SG_PLAY; t++) {
		assert_true(sg_token_type_parse(sg_str_from(sg_token_type_name(t)), &type));
		assert_int_equal(type, t);
	}
	for (enum sg_scope s = SG_SCOPE_READ; s <= SG_SCOPE_ADMIN; s++) {
		assert_true(sg_scope_parse(sg_str_from(sg_scope_name(s)), &scope));
		assert_int_equal(scope, s);
	}
	assert_string_equal(sg_token_type_name(SG_PLAY), "play");
	assert_string_equal(sg_scope_name(SG_SCOPE_TOKENS), "tokens");
	assert_string_equal(sg_token_state_name(SG_TOKEN_ACTIVE), "active");
	assert_string_equal(sg_token_state_name(SG_TOKEN_USED), "used");
	assert_string_equal(sg_token_state_name(SG_TOKEN_EXPIRED), "expired");
	assert_string_equal(sg_token_state_name(SG_TOKEN_REVOKED), "revoked");
	assert_string_equal(sg_token_type_name(0), "unknown");
	assert_false(sg_token_type_parse(SG_STR("Play"), &type));
	assert_false(sg_token_type_parse(SG_STR(""), &type));
	assert_false(sg_scope_parse(SG_STR("root"), &scope));
}

static void revoked_comes_before_used_before_expired(void **state)
{
	struct sg_token t = {.max_uses = 2, .uses = 1, .expires_at = NOW};

	(void)state;
	assert_int_equal(sg_token_state(&t, NOW - 1), SG_TOKEN_ACTIVE);
	assert_int_equal(sg_token_state(&t, NOW), SG_TOKEN_EXPIRED);
	t.uses = 2;
	assert_int_equal(sg_token_state(&t, NOW), SG_TOKEN_USED);
	t.revoked_at = NOW;
	assert_int_equal(sg_token_state(&t, NOW), SG_TOKEN_REVOKED);
}

/* ---- create, get, lookup ---- */

static void a_created_token_is_found_as_it_was_asked_for(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model(), t;

	m.type = SG_PUBLISH;
	m.max_uses = 3;
	m.resume_s = 30;
	m.uses = 2; /* these four are not the creator's to set */
	m.id = 1;
	m.created_at = 5;
	m.revoked_at = 5;
	strcpy(m.label, "front door \xc3\xa9");
	struct sg_token_key key = make(f->st, m);
	reopen(f);
	assert_ok(sg_store_token_get(f->st, key.id, &t));
	assert_int_equal(t.id, key.id);
	assert_string_equal(t.app, "live");
	assert_string_equal(t.stream, "cam");
	assert_int_equal(t.type, SG_PUBLISH);
	assert_int_equal(t.max_uses, 3);
	assert_int_equal(t.uses, 0);
	assert_int_equal(t.created_at, NOW);
	assert_int_equal(t.expires_at, NOW + 3600);
	assert_int_equal(t.first_used_at + t.last_used_at + t.revoked_at, 0);
	assert_int_equal(t.resume_s, 30);
	assert_string_equal(t.created_by, "test");
	assert_string_equal(t.label, m.label);
}

static void lookup_tells_a_wrong_secret_like_an_unknown_row(void **state)
{
	struct fixture *f = *state;
	struct sg_token_key key = make(f->st, model()), wrong = key;
	struct sg_token t;

	assert_ok(sg_store_token_lookup(f->st, &key, &t));
	assert_int_equal(t.id, key.id);
	wrong.secret[15] ^= 1;
	assert_int_equal(sg_store_token_lookup(f->st, &wrong, &t), SG_ERR_NOT_FOUND);
	wrong = key;
	wrong.id ^= 1;
	assert_int_equal(sg_store_token_lookup(f->st, &wrong, &t), SG_ERR_NOT_FOUND);
	wrong.id = UINT64_MAX;
	assert_int_equal(sg_store_token_lookup(f->st, &wrong, &t), SG_ERR_NOT_FOUND);
	assert_int_equal(sg_store_token_get(f->st, UINT64_MAX, &t), SG_ERR_NOT_FOUND);
	assert_int_equal(sg_store_token_get(f->st, 0, &t), SG_ERR_NOT_FOUND);
}

static void ids_grow_with_time_and_never_set_the_top_bit(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key early, late, now_key;

	assert_ok(sg_store_token_create(f->st, &m, NOW, &early, 1));
	assert_ok(sg_store_token_create(f->st, &m, NOW + 3, &late, 1));
	assert_true(early.id < late.id);
	assert_int_equal(early.id >> 21 >= (uint64_t)NOW * 1000, 1);
	assert_int_equal(late.id >> 63, 0);
	/* The last moment that 42 bits tell, in 2109. */
	assert_ok(sg_store_token_create(f->st, &m, 4398046510, &now_key, 1));
	assert_int_equal(now_key.id >> 63, 0);
}

static void ten_thousand_tokens_at_once_are_all_different(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key *keys = calloc(10001, sizeof(*keys));

	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 10000));
	assert_int_equal(ask(f->st, "SELECT count(*) FROM token"), 10000);
	assert_int_equal(ask(f->st, "SELECT count(DISTINCT hash) FROM token"), 10000);
	for (int i = 0; i < 10000; i += 997)
		assert_int_equal(spend(f->st, keys[i]), SG_SPENT);
	assert_int_equal(sg_store_token_create(f->st, &m, NOW, keys, 10001), SG_ERR_LIMIT);
	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 0));
	assert_int_equal(ask(f->st, "SELECT count(*) FROM token"), 10000);
	free(keys);
}

static void a_taken_id_is_drawn_again(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key keys[2], first;

	/* Beneath the front, which draws: the same key asked for twice. */
	sg_token_keys_draw(keys, 1, NOW);
	first = keys[1] = keys[0];
	assert_ok(sg_sqlite_token_create(f->st, &m, NOW, keys, 2));
	assert_int_equal(keys[0].id, first.id);
	assert_int_not_equal(keys[1].id, first.id);
	assert_int_equal(keys[1].id >> 21, first.id >> 21);
	assert_int_equal(spend(f->st, keys[0]), SG_SPENT);
	assert_int_equal(spend(f->st, keys[1]), SG_SPENT);
}

static void what_no_token_may_be_is_refused_with_a_reason(void **state)
{
	struct fixture *f = *state;
	struct sg_token_key key;
	struct sg_token bad[10];
	int64_t now[10];

	for (int i = 0; i < 10; i++)
		bad[i] = model(), now[i] = NOW;
	bad[0].app[0] = '\0';
	strcpy(bad[1].app, "a/b");
	strcpy(bad[2].stream, ".hidden");
	bad[3].type = 0;
	bad[4].max_uses = 0;
	bad[5].max_uses = SG_MAX_USES_MAX + 1;
	strcpy(bad[6].label, "\xff\xfe");
	memset(bad[7].label, 'x', sizeof(bad[7].label)); /* no NUL */
	now[8] = 0;
	bad[9].expires_at = -1;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(
		    sg_store_token_create(f->st, &bad[i], now[i], &key, 1), SG_ERR_BAD_INPUT);
		assert_true(strlen(sg_store_error(f->st)) > 10);
	}
	assert_int_equal(ask(f->st, "SELECT count(*) FROM token"), 0);
}

static bool file_holds(const char *path, const void *bytes, size_t len)
{
	FILE *in = fopen(path, "rb");
	static char all[1 << 22];

	if (!in)
		return false;
	size_t got = fread(all, 1, sizeof(all), in);
	fclose(in);
	return memmem(all, got, bytes, len) != NULL;
}

static void the_files_hold_no_secret(void **state)
{
	struct fixture *f = *state;
	struct sg_token_key key = make(f->st, model());
	struct sg_apikey k;
	char text[SG_TOKEN_TEXT_SIZE], apikey[SG_APIKEY_TEXT_SIZE], wal[96];
	struct sg_token_key api;

	assert_ok(sg_store_apikey_create(f->st, SG_SCOPE_READ, SG_STR("x"), NOW, &k, apikey));
	assert_true(sg_token_parse(sg_str_from(apikey + 4), &api));
	assert_int_equal(spend(f->st, key), SG_SPENT);
	sg_token_format(text, &key);
	snprintf(wal, sizeof(wal), "%s-wal", f->file);
	assert_true(file_holds(wal, "live", 4)); /* looked where the rows are */
	for (int pass = 0; pass < 2; pass++) {
		assert_false(file_holds(wal, key.secret, sizeof(key.secret)));
		assert_false(file_holds(wal, text, 32));
		assert_false(file_holds(f->file, key.secret, sizeof(key.secret)));
		assert_false(file_holds(f->file, text, 32));
		assert_false(file_holds(f->file, api.secret, sizeof(api.secret)));
		assert_false(file_holds(f->file, apikey + 4, 32));
		reopen(f);
	}
	assert_true(file_holds(f->file, "live", 4));
}

/* ---- spending ---- */

static void one_use_is_spent_once(void **state)
{
	struct fixture *f = *state;
	struct sg_token_key key = make(f->st, model());

	assert_int_equal(spend(f->st, key), SG_SPENT);
	assert_int_equal(spend(f->st, key), SG_SPEND_USED);
	reopen(f);
	assert_int_equal(spend(f->st, key), SG_SPEND_USED);
	assert_int_equal(row_of(f->st, key.id).uses, 1);
}

static void n_uses_keep_the_first_and_the_last_time(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();

	m.max_uses = 3;
	struct sg_spend w = wish(make(f->st, m));
	for (int i = 0; i < 3; i++) {
		w.now = NOW + 100 + i;
		assert_int_equal(spend_wish(f->st, w), SG_SPENT);
	}
	w.now = NOW + 200;
	assert_int_equal(spend_wish(f->st, w), SG_SPEND_USED);
	struct sg_token t = row_of(f->st, w.key.id);
	assert_int_equal(t.uses, 3);
	assert_int_equal(t.first_used_at, NOW + 100);
	assert_int_equal(t.last_used_at, NOW + 102);
}

static void a_use_names_why_it_is_refused_and_spends_nothing(void **state)
{
	struct fixture *f = *state;
	struct sg_token_key key = make(f->st, model());
	struct sg_spend w[8];
	static const enum sg_spend_result want[8] = {SG_SPEND_UNKNOWN, SG_SPEND_UNKNOWN,
	    SG_SPEND_UNKNOWN, SG_SPEND_WRONG_STREAM, SG_SPEND_WRONG_STREAM, SG_SPEND_WRONG_STREAM,
	    SG_SPEND_WRONG_TYPE, SG_SPEND_EXPIRED};

	for (int i = 0; i < 8; i++)
		w[i] = wish(key);
	w[0].key.id ^= 1;
	w[1].key.secret[0] ^= 0x80;
	w[2].key.id |= UINT64_C(1) << 63;
	w[3].app = SG_STR("other");
	w[4].stream = SG_STR("Cam");
	w[5].stream = SG_STR("ca");
	w[6].type = SG_PUBLISH;
	w[7].now = NOW + 3600;
	for (int i = 0; i < 8; i++)
		assert_int_equal(spend_wish(f->st, w[i]), want[i]);
	assert_int_equal(row_of(f->st, key.id).uses, 0);
	w[7].now = NOW + 3599;
	assert_int_equal(spend_wish(f->st, w[7]), SG_SPENT);
}

static void the_first_check_that_fails_gives_the_reason(void **state)
{
	struct fixture *f = *state;
	struct sg_spend w = wish(make(f->st, model()));
	size_t n;

	assert_int_equal(spend_wish(f->st, w), SG_SPENT);
	w.now = NOW + 9999;
	assert_int_equal(spend_wish(f->st, w), SG_SPEND_EXPIRED); /* and used */
	assert_ok(sg_store_token_revoke(f->st, w.key.id, false, NOW, &n));
	assert_int_equal(spend_wish(f->st, w), SG_SPEND_REVOKED);
	w.type = SG_PUBLISH;
	assert_int_equal(spend_wish(f->st, w), SG_SPEND_WRONG_TYPE);
	w.stream = SG_STR("x");
	assert_int_equal(spend_wish(f->st, w), SG_SPEND_WRONG_STREAM);
	w.key.secret[3] ^= 4;
	assert_int_equal(spend_wish(f->st, w), SG_SPEND_UNKNOWN);
}

static void a_group_spends_each_use_once_though_asked_twice(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_spend w[9], *group[9];
	int spent[3] = {0};

	for (int i = 0; i < 3; i++) {
		m.max_uses = (uint32_t)i + 1;
		w[i] = w[i + 3] = w[i + 6] = wish(make(f->st, m));
	}
	for (int i = 0; i < 9; i++)
		group[i] = &w[i];
	assert_ok(sg_store_spend(f->st, group, 9, NULL, 0));
	for (int i = 0; i < 9; i++) {
		spent[i % 3] += w[i].result == SG_SPENT;
		assert_true(w[i].result == SG_SPENT || w[i].result == SG_SPEND_USED);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(spent[i], i + 1);
}

static void the_audit_of_a_use_is_written_with_it_and_only_then(void **state)
{
	struct fixture *f = *state;
	struct sg_audit note = {.at_ms = 1, .event = "admitted"},
			more[2] = {
			    {.at_ms = 2, .event = "refused", .reason = "used"},
			    {.at_ms = 3, .event = "ended"},
			};
	struct sg_audit out[8];
	struct sg_spend w = wish(make(f->st, model())), *one = &w;
	size_t n;

	w.audit = &note;
	assert_ok(sg_store_spend(f->st, &one, 1, more, 2));
	assert_int_equal(w.result, SG_SPENT);
	assert_ok(sg_store_spend(f->st, &one, 1, NULL, 0));
	assert_int_equal(w.result, SG_SPEND_USED);
	assert_ok(sg_store_spend(f->st, NULL, 0, more, 1));
	assert_ok(sg_store_spend(f->st, NULL, 0, NULL, 0));
	assert_ok(sg_store_audit_list(f->st, &(struct sg_audit_filter){0}, 0, 0, out, 8, &n));
	assert_int_equal(n, 4);
	assert_string_equal(out[3].event, "admitted");
	assert_string_equal(out[0].reason, "used");
	memset(note.detail, 'x', sizeof(note.detail)); /* no NUL: not a row */
	w = wish(make(f->st, model()));
	w.audit = &note;
	assert_int_equal(sg_store_spend(f->st, &one, 1, NULL, 0), SG_ERR_BAD_INPUT);
	assert_int_equal(w.result, SG_SPEND_FAILED);
}

/* ---- revoking ---- */

static void revoking_counts_those_not_revoked_before(void **state)
{
	struct fixture *f = *state;
	struct sg_token_key key = make(f->st, model());
	size_t n;

	assert_ok(sg_store_token_revoke(f->st, key.id, false, NOW + 5, &n));
	assert_int_equal(n, 1);
	assert_ok(sg_store_token_revoke(f->st, key.id, false, NOW + 9, &n));
	assert_int_equal(n, 0);
	assert_int_equal(row_of(f->st, key.id).revoked_at, NOW + 5);
	assert_int_equal(spend(f->st, key), SG_SPEND_REVOKED);
	assert_int_equal(
	    sg_store_token_revoke(f->st, key.id ^ 1, false, NOW, &n), SG_ERR_NOT_FOUND);
	assert_int_equal(
	    sg_store_token_revoke(f->st, UINT64_MAX, false, NOW, &n), SG_ERR_NOT_FOUND);
	assert_int_equal(sg_store_token_revoke(f->st, key.id, false, 0, &n), SG_ERR_BAD_INPUT);
}

static void revoking_a_stream_takes_its_tokens_and_no_others(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	size_t n;

	struct sg_token_key play = make(f->st, m);
	m.type = SG_PUBLISH;
	struct sg_token_key publish = make(f->st, m);
	strcpy(m.stream, "cam2");
	struct sg_token_key other_stream = make(f->st, m);
	strcpy(m.stream, "cam"), strcpy(m.app, "vod");
	struct sg_token_key other_app = make(f->st, m);

	assert_ok(sg_store_token_revoke_stream(f->st, LIVE, CAM, SG_PUBLISH, false, NOW, &n));
	assert_int_equal(n, 1);
	assert_int_equal(row_of(f->st, play.id).revoked_at, 0);
	assert_int_equal(row_of(f->st, publish.id).revoked_at, NOW);
	assert_ok(sg_store_token_revoke_stream(f->st, LIVE, CAM, 0, false, NOW, &n));
	assert_int_equal(n, 1);
	assert_int_equal(row_of(f->st, play.id).revoked_at, NOW);
	assert_int_equal(row_of(f->st, other_stream.id).revoked_at, 0);
	assert_int_equal(row_of(f->st, other_app.id).revoked_at, 0);
	assert_ok(sg_store_token_revoke_stream(f->st, LIVE, SG_STR("none"), 0, false, NOW, &n));
	assert_int_equal(n, 0);
	assert_int_equal(sg_store_token_revoke_stream(f->st, LIVE, SG_STR(""), 0, false, NOW, &n),
	    SG_ERR_BAD_INPUT);
	assert_int_equal(
	    sg_store_token_revoke_stream(f->st, LIVE, CAM, 7, false, NOW, &n), SG_ERR_BAD_INPUT);
}

static void revoking_thousands_counts_each_and_announces_first_and_last(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key *keys = calloc(4500, sizeof(*keys));
	struct sg_change c[8];
	size_t n;
	int64_t last;

	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 4500));
	assert_ok(sg_store_token_revoke_stream(f->st, LIVE, CAM, 0, true, NOW, &n));
	assert_int_equal(n, 4500);
	assert_int_equal(ask(f->st, "SELECT count(*) FROM token WHERE revoked_at = 0"), 0);
	assert_ok(sg_store_changes(f->st, 0, c, 8, &n, &last));
	assert_int_equal(n, 2);
	assert_int_equal(c[1].kind, SG_CHANGE_REVOKE_STREAM);
	assert_string_equal(c[1].stream, "cam");
	assert_true(c[1].keep_sessions);
	free(keys);
}

/* ---- purging ---- */

static size_t purge(struct sg_store *st, int64_t older_than, int64_t now, size_t max)
{
	size_t n;

	assert_ok(sg_store_token_purge(st, older_than, now, max, &n));
	return n;
}

static bool is_there(struct sg_store *st, uint64_t id)
{
	struct sg_token t;

	return sg_store_token_get(st, id, &t) == SG_OK;
}

static void purging_takes_the_long_dead_only(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	size_t n;

	m.max_uses = 2;
	struct sg_token_key active = make(f->st, m);
	assert_int_equal(spend(f->st, active), SG_SPENT); /* one use is left */
	m.max_uses = 1;
	m.expires_at = NOW + 100;
	struct sg_token_key expired = make(f->st, m);
	m.expires_at = NOW + 100000;
	struct sg_token_key used = make(f->st, m), revoked = make(f->st, m), fresh = make(f->st, m);
	struct sg_spend w = wish(used);
	w.now = NOW + 200;
	assert_int_equal(spend_wish(f->st, w), SG_SPENT);
	assert_ok(sg_store_token_revoke(f->st, revoked.id, false, NOW + 300, &n));

	int64_t now = NOW + 1000;
	assert_int_equal(purge(f->st, NOW + 100, now, 10), 0);
	assert_int_equal(purge(f->st, NOW + 101, now, 10), 1);
	assert_false(is_there(f->st, expired.id));
	assert_int_equal(purge(f->st, NOW + 201, now, 10), 1);
	assert_false(is_there(f->st, used.id));
	assert_int_equal(purge(f->st, NOW + 301, now, 10), 1);
	assert_false(is_there(f->st, revoked.id));
	assert_int_equal(purge(f->st, NOW + 900, now, 10), 0);
	assert_true(is_there(f->st, active.id));
	assert_true(is_there(f->st, fresh.id));
	/* Not yet expired: `older_than` in the future does not hurry it. */
	assert_int_equal(purge(f->st, NOW + 200000, now, 10), 0);
}

static void purging_leaves_what_may_be_presented_again(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	size_t n;

	m.resume_s = 30;
	m.expires_at = NOW + 1000;
	struct sg_token_key used = make(f->st, m), revoked = make(f->st, m);
	assert_int_equal(spend(f->st, used), SG_SPENT);
	assert_int_equal(spend(f->st, revoked), SG_SPENT);
	assert_ok(sg_store_token_revoke(f->st, revoked.id, false, NOW, &n));
	assert_int_equal(purge(f->st, NOW + 500, NOW + 600, 10), 1);
	assert_false(is_there(f->st, revoked.id));
	assert_true(is_there(f->st, used.id));
	assert_int_equal(purge(f->st, NOW + 1001, NOW + 1001, 10), 1);
	assert_false(is_there(f->st, used.id));
}

static void purging_goes_in_steps_until_nothing_is_left(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	struct sg_token_key *keys = calloc(1300, sizeof(*keys));

	m.expires_at = NOW + 1;
	assert_ok(sg_store_token_create(f->st, &m, NOW, keys, 1300));
	m.expires_at = NOW + 100000;
	struct sg_token_key later = make(f->st, m);
	assert_int_equal(purge(f->st, NOW + 50, NOW + 60, 100), 100);
	assert_int_equal(purge(f->st, NOW + 50, NOW + 60, 0), 0);
	assert_int_equal(purge(f->st, NOW + 50, NOW + 60, 1100), 1100);
	assert_int_equal(purge(f->st, NOW + 50, NOW + 60, 100), 100);
	/* The last step was full, so the next starts behind it; it must still come round. */
	assert_true(sg_sqlite_of(f->st)->purge_after > 0);
	assert_int_equal(purge(f->st, NOW + 50, NOW + 60, 100), 0);
	assert_true(is_there(f->st, later.id));
	assert_int_equal(ask(f->st, "SELECT count(*) FROM token"), 1);
	free(keys);
}

static void purging_comes_round_to_what_died_behind_it(void **state)
{
	struct fixture *f = *state;
	struct sg_token m = model();
	size_t n;
	struct sg_token_key first = make(f->st, m), key;

	m.expires_at = NOW + 1;
	assert_ok(sg_store_token_create(f->st, &m, NOW + 5, &key, 1));
	assert_int_equal(purge(f->st, NOW + 50, NOW + 60, 1), 1);
	assert_ok(sg_store_token_revoke(f->st, first.id, false, NOW + 20, &n));
	assert_int_equal(purge(f->st, NOW + 50, NOW + 60, 1), 1);
	assert_false(is_there(f->st, first.id));
	assert_int_equal(purge(f->st, NOW + 50, NOW + 60, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLAIM("token text is base64url of selector and secret",
		token_text_is_base64url_of_selector_and_secret),
	    CLAIM("other texts are not tokens", other_texts_are_not_tokens),
	    CLAIM("names of types, states and scopes are read back", names_are_read_back),
	    CLAIM("revoked comes before used before expired",
		revoked_comes_before_used_before_expired),
	    CLAIM("a created token is found as it was asked for",
		a_created_token_is_found_as_it_was_asked_for),
	    CLAIM("lookup tells a wrong secret like an unknown row",
		lookup_tells_a_wrong_secret_like_an_unknown_row),
	    CLAIM("ids grow with time and never set the top bit",
		ids_grow_with_time_and_never_set_the_top_bit),
	    CLAIM("ten thousand tokens at once are all different",
		ten_thousand_tokens_at_once_are_all_different),
	    CLAIM("a taken id is drawn again", a_taken_id_is_drawn_again),
	    CLAIM("what no token may be is refused with a reason",
		what_no_token_may_be_is_refused_with_a_reason),
	    CLAIM("the files hold no secret", the_files_hold_no_secret),
	    CLAIM("one use is spent once", one_use_is_spent_once),
	    CLAIM(
		"n uses keep the first and the last time", n_uses_keep_the_first_and_the_last_time),
	    CLAIM("a use names why it is refused, and spends nothing",
		a_use_names_why_it_is_refused_and_spends_nothing),
	    CLAIM("the first check that fails gives the reason",
		the_first_check_that_fails_gives_the_reason),
	    CLAIM("a group spends each use once, though asked twice",
		a_group_spends_each_use_once_though_asked_twice),
	    CLAIM("the audit of a use is written with it, and only then",
		the_audit_of_a_use_is_written_with_it_and_only_then),
	    CLAIM("revoking counts those not revoked before",
		revoking_counts_those_not_revoked_before),
	    CLAIM("revoking a stream takes its tokens and no others",
		revoking_a_stream_takes_its_tokens_and_no_others),
	    CLAIM("revoking thousands counts each, announced first and last",
		revoking_thousands_counts_each_and_announces_first_and_last),
	    CLAIM("purging takes the long dead only", purging_takes_the_long_dead_only),
	    CLAIM("purging leaves what may be presented again", purging_leaves_what_may_be_presented_again),
	    CLAIM("purging goes in steps until nothing is left",
		purging_goes_in_steps_until_nothing_is_left),
	    CLAIM("purging comes round to what died behind it",
		purging_comes_round_to_what_died_behind_it),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
