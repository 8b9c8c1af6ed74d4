/* Which recordings are kept, under clocks that the test sets: by age, by size, and when the clock is not to be
 * believed. */
#include "store_fixture.h"
#include "base/log.h"
#include "record/record_internal.h"
#include <sys/stat.h>

#define DAY_S 86400
#define DAY_MS (DAY_S * INT64_C(1000))

static int64_t mono_ms = 5000, wall_s = NOW;

int64_t sg_mono_us(void)
{
	return mono_ms * 1000;
}

int64_t sg_mono_ms(void)
{
	return mono_ms;
}

int64_t sg_wall_ms(void)
{
	return wall_s * 1000;
}

int64_t sg_wall_s(void)
{
	return wall_s;
}

static void pass(int64_t ms)
{
	mono_ms += ms;
	wall_s += ms / 1000;
}

/* A folder with recordings that are kept for two days. */
struct shelf {
	struct sg_config *cfg;
	struct sg_store *st;
	struct keep_clock clock;
};
static char folder[128];

static struct shelf shelf_of(struct fixture *f)
{
	struct shelf s = { .cfg = calloc(1, sizeof(*s.cfg)), .st = f->st };
	char path[256];

	assert_non_null(s.cfg);
	mono_ms = 5000;
	wall_s = NOW;
	sg_log_set_level(SG_LOG_ERROR);
	snprintf(folder, sizeof(folder), "%s/rec", f->dir);
	s.cfg->recording_path = folder;
	s.cfg->recording_keep_ms = 2 * DAY_MS;
	assert_int_equal(mkdir(folder, 0700), 0);
	snprintf(path, sizeof(path), "%s/live", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	return s;
}

static void put_row(struct shelf *s, const char *name, struct sg_recording row)
{
	char path[256];

	row.size = 1000;
	snprintf(row.app, sizeof(row.app), "live");
	snprintf(row.stream, sizeof(row.stream), "cam");
	snprintf(row.name, sizeof(row.name), "%s", name);
	snprintf(path, sizeof(path), "%s/live/%s", folder, name);
	assert_int_equal(sg_store_recording_add(s->st, &row), SG_OK);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	fclose(f);
}

static void put(struct shelf *s, const char *name, int64_t created_at)
{
	put_row(s, name, (struct sg_recording){ .created_at = created_at, .state = SG_RECORDING_DONE });
}

static bool has(struct shelf *s, const char *name)
{
	struct sg_recording row;
	char path[256];

	snprintf(path, sizeof(path), "%s/live/%s", folder, name);
	bool file = access(path, F_OK) == 0;
	assert_int_equal(sg_store_recording_get(s->st, LIVE, sg_str_from(name), &row) == SG_OK, file);
	return file;
}

static void sweep(struct shelf *s)
{
	keep_sweep(s->cfg, s->st, &s->clock);
}

static void recordings_go_when_they_are_old(void **state)
{
	struct shelf s = shelf_of(*state);

	put(&s, "a.mp4", NOW - 2 * DAY_S - 1);
	put(&s, "b.mp4", NOW - DAY_S);
	sweep(&s); /* as they were when it was last running */
	assert_false(has(&s, "a.mp4"));
	assert_true(has(&s, "b.mp4"));
	for (int minutes = 0; minutes < 24 * 60; minutes++) {
		pass(60000);
		sweep(&s);
	}
	assert_true(has(&s, "b.mp4"));
	pass(60000);
	sweep(&s);
	assert_false(has(&s, "b.mp4"));
	free(s.cfg);
}

static void a_recording_is_as_old_as_its_end(void **state)
{
	struct shelf s = shelf_of(*state);

	put_row(&s, "week.mp4",
	    (struct sg_recording){ .created_at = NOW - 7 * DAY_S, .duration_ms = 6 * DAY_MS });
	sweep(&s);
	assert_true(has(&s, "week.mp4"));
	for (int hours = 0; hours < 24; hours++) {
		pass(3600000);
		sweep(&s);
	}
	assert_true(has(&s, "week.mp4"));
	pass(1000);
	sweep(&s);
	assert_false(has(&s, "week.mp4"));
	free(s.cfg);
}

static void a_clock_that_is_set_forward_deletes_nothing(void **state)
{
	struct shelf s = shelf_of(*state);

	put(&s, "a.mp4", NOW - DAY_S);
	sweep(&s);
	wall_s += 400 * DAY_S;
	for (int minutes = 0; minutes < 24 * 60; minutes++) {
		pass(60000);
		sweep(&s);
	}
	assert_true(has(&s, "a.mp4"));
	wall_s -= 400 * DAY_S; /* somebody has set it right: nor does that */
	pass(60000);
	sweep(&s);
	assert_true(has(&s, "a.mp4"));
	pass(DAY_MS - 1000);
	sweep(&s);
	assert_true(has(&s, "a.mp4")); /* it is old enough, but for the doubt */
	pass(1000);
	sweep(&s);
	assert_false(has(&s, "a.mp4"));
	free(s.cfg);
}

static void a_clock_that_stays_where_it_was_set_is_believed_after_a_day(void **state)
{
	struct shelf s = shelf_of(*state);

	put(&s, "a.mp4", NOW);
	sweep(&s);
	wall_s += 10 * DAY_S;
	sweep(&s);
	pass(DAY_MS - 1);
	sweep(&s);
	assert_true(has(&s, "a.mp4"));
	pass(1);
	sweep(&s);
	assert_false(has(&s, "a.mp4"));
	free(s.cfg);
}

static void a_clock_that_is_trimmed_is_believed(void **state)
{
	struct shelf s = shelf_of(*state);

	put(&s, "a.mp4", NOW - 2 * DAY_S + 1800);
	sweep(&s);
	wall_s += 3600;
	sweep(&s);
	assert_false(has(&s, "a.mp4"));
	free(s.cfg);
}

static void size_is_kept_to_whatever_the_clock_says(void **state)
{
	struct shelf s = shelf_of(*state);

	s.cfg->recording_max_size = 1500;
	put(&s, "a.mp4", NOW - 10);
	sweep(&s);
	put(&s, "b.mp4", NOW - 5);
	wall_s += 400 * DAY_S;
	sweep(&s);
	assert_false(has(&s, "a.mp4"));
	assert_true(has(&s, "b.mp4"));
	free(s.cfg);
}

static void what_was_put_there_by_hand_stays(void **state)
{
	struct shelf s = shelf_of(*state);

	s.cfg->recording_max_size = 1500;
	put_row(&s, "film.mp4", (struct sg_recording){ .created_at = 1, .state = SG_RECORDING_PLACED });
	put_row(&s, "more.mp4", (struct sg_recording){ .state = SG_RECORDING_PLACED });
	put(&s, "a.mp4", NOW);
	sweep(&s);
	assert_true(has(&s, "film.mp4"));
	assert_true(has(&s, "more.mp4"));
	assert_true(has(&s, "a.mp4")); /* they do not count towards the size, either */
	free(s.cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM("recordings go when they are old", recordings_go_when_they_are_old),
		CLAIM("a recording is as old as its end", a_recording_is_as_old_as_its_end),
		CLAIM("a clock that is set forward deletes nothing", a_clock_that_is_set_forward_deletes_nothing),
		CLAIM("a clock that stays where it was set is believed after a day",
		    a_clock_that_stays_where_it_was_set_is_believed_after_a_day),
		CLAIM("a clock that is trimmed is believed", a_clock_that_is_trimmed_is_believed),
		CLAIM("what was put there by hand stays", what_was_put_there_by_hand_stays),
		CLAIM("size is kept to, whatever the clock says", size_is_kept_to_whatever_the_clock_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
